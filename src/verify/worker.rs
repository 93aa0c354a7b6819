//! The work that judging gives to worker processes ([`crate::worker`]): elaborate a text, simulate a batch.
//!
//! A worker takes one of these and closes itself in before the first of it: one that elaborates reaches no file
//! at all; one that simulates has Verilator's runtime loaded and the mark open, and reaches the unit of models
//! and the system's libraries. If it dies, the parent knows from a mark in a file whose code was running, goes on
//! without that candidate, and tries it once more alone.

use serde::{Deserialize, Serialize};

use super::backend::{Outcome, TaskOutcome, Trace};
use super::lanes::job;
use super::verilator::simulate;
use crate::design::{self, Design, Refusal};
use crate::worker::{self, Reply, Work, WorkerError, sandbox};

/// What a worker can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Elaborate a module; answered by [`Event::Design`].
    Elaborate {
        /// The text.
        source: String,
        /// The module; by default the one that nobody instantiates.
        top: Option<String>,
        /// Multiplies the CPU limit.
        patience: u64,
    },
    /// Elaborate a golden module whose candidates lanes are asked about next; answered by [`Event::Design`].
    Golden {
        /// The text.
        source: String,
        /// The module; by default the one that nobody instantiates.
        top: Option<String>,
        /// Multiplies the CPU limit.
        patience: u64,
    },
    /// See whether a module keeps to itself; answered by [`Event::Confined`].
    Confine {
        /// The text.
        source: String,
        /// The module.
        top: String,
        /// Multiplies the CPU limit.
        patience: u64,
    },
    /// Judge a candidate by lanes; answered by [`Event::Lanes`].
    Lanes {
        /// The candidate and its golden module.
        job: Box<job::Job>,
        /// Multiplies the CPU limit.
        patience: u64,
    },
    /// Simulate a batch; answered by events up to [`Event::End`].
    Simulate(simulate::Job),
    /// Simulate one episode in full; answered by [`Event::Trace`].
    Trace(simulate::Job, u32),
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Event {
    /// The module, or why it is none.
    Design(Result<Box<Design>, Refusal>),
    /// Whether the module keeps to itself, or what it does instead.
    Confined(Result<(), Refusal>),
    /// What came of a candidate.
    Lanes(Box<job::Verdict>),
    /// A task is done.
    Task {
        /// The parent's index of the task.
        index: usize,
        /// What came of it.
        outcome: TaskOutcome,
    },
    /// An episode in full, or why there is none.
    Trace(Box<Result<Trace, Outcome>>),
    /// All tasks are done.
    End,
}

/// CPU time for elaborating one module in seconds; the slowest of 32,000 real candidates takes 0.1 s.
const CPU_SECONDS_OF_ELABORATION: u64 = 30;

/// CPU time for elaborating and running one candidate and its golden module by lanes: a backstop, since the work is bounded.
const CPU_SECONDS_OF_LANES: u64 = 120;

/// Whether a refusal may be due to what earlier texts have left of the memory: then a new worker is asked once more.
fn is_short(refusal: &Refusal) -> bool {
    refusal.message.ends_with("out of memory")
}

/// A worker that elaborates or simulates.
#[derive(Debug, Default)]
pub struct Judging {
    is_enclosed: bool,
    lanes: job::Lanes,
}

impl Work for Judging {
    const NAME: &'static str = "judge";
    type Request = Request;
    type Event = Event;

    fn answer(&mut self, request: Request, reply: &mut Reply<Event>) -> Result<(), WorkerError> {
        match request {
            Request::Elaborate { source, top, patience } => {
                let elaborate = || design::elaborate(&source, top.as_deref());
                self.read(patience, elaborate, |design| Event::Design(design.map(Box::new)), reply)
            }
            Request::Golden { source, top, patience } => {
                let mut program = None;
                let elaborate = || {
                    let (design, own) = design::elaborate_and_lower(&source, top.as_deref())?;
                    program = Some((design.interface.clone(), own));
                    Ok(design)
                };
                self.read(
                    patience,
                    elaborate,
                    |design| Event::Design(design.map(Box::new)),
                    reply,
                )?;
                self.lanes.expect(source, top, program);
                Ok(())
            }
            Request::Confine { source, top, patience } => {
                self.read(patience, || design::confined(&source, &top), Event::Confined, reply)
            }
            Request::Lanes { job, patience } => self.lanes(&job, patience, reply),
            Request::Simulate(job) => simulate::run(&job, reply),
            Request::Trace(job, episode) => simulate::trace(&job, episode, reply),
        }
    }
}

impl Judging {
    /// Closes the process in before the first text, and gives it time; tells whether this was the first.
    fn enclose(&mut self, cpu_seconds: u64) -> Result<bool, WorkerError> {
        let first = !std::mem::replace(&mut self.is_enclosed, true);
        if first {
            sandbox::ELABORATOR.set()?;
        }
        worker::allow_cpu_seconds(cpu_seconds)?;
        if first {
            sandbox::enclose_worker(Vec::new())?;
        }
        Ok(first)
    }

    fn lanes(
        &mut self,
        job: &job::Job,
        patience: u64,
        reply: &mut Reply<Event>,
    ) -> Result<(), WorkerError> {
        let first = self.enclose(CPU_SECONDS_OF_LANES * patience)?;
        let verdict = worker::caught(|| self.lanes.answer(job));
        if !first && matches!(&verdict, Ok(job::Verdict::Refused(refusal)) if is_short(refusal)) {
            worker::end_for_memory();
        }
        match verdict {
            Ok(verdict) => reply.send(&Event::Lanes(Box::new(verdict))),
            Err(panic) => reply.panicked(panic),
        }
    }

    /// Has slang read a text, and says what came of it.
    fn read<T>(
        &mut self,
        patience: u64,
        read: impl FnOnce() -> Result<T, Refusal>,
        event: impl FnOnce(Result<T, Refusal>) -> Event,
        reply: &mut Reply<Event>,
    ) -> Result<(), WorkerError> {
        let first = self.enclose(CPU_SECONDS_OF_ELABORATION * patience)?;
        let found = worker::caught(read);
        if !first && matches!(&found, Ok(Err(refusal)) if is_short(refusal)) {
            worker::end_for_memory();
        }
        match found {
            Ok(found) => reply.send(&event(found)),
            Err(panic) => reply.panicked(panic),
        }
    }
}
