//! A worker that elaborates: text in, a [`Design`] out, or why there is none.
//!
//! slang reads the text in a worker process. If that dies or panics the next one is asked once more
//! ([`Relay`]); only a text on which both fail is said to be the cause.

use super::lanes::job::{Job, Verdict};
use super::verilator::timing::{Stage, Timing};
use super::worker::{Event, Judging, Request};
use crate::design::{Design, Refusal};
use crate::worker::{Relay, WorkerError, Workers};

/// A worker that elaborates, started when needed and again after a death.
pub struct Elaborator<'a> {
    relay: Relay<'a, Judging>,
    timing: Option<&'a Timing>,
}

/// What came of a text.
pub enum Elaborated {
    /// The module.
    Design(Box<Design>),
    /// slang or we refuse it.
    Refused(Refusal),
    /// The worker died of it, twice; how.
    Died(String),
}

impl<'a> Elaborator<'a> {
    /// Prepares one; no process is started yet. The time that it takes is added to `timing`.
    pub fn new(workers: &'a Workers, timing: Option<&'a Timing>) -> Self {
        Elaborator { relay: Relay::new(workers), timing }
    }

    /// Elaborates `top` in `source`; without a name, the one module that no other instantiates.
    pub fn elaborate(
        &mut self,
        source: &str,
        top: Option<&str>,
    ) -> Result<Elaborated, WorkerError> {
        let (source, top) = (source.to_owned(), top.map(str::to_owned));
        self.timed(|patience| Request::Elaborate {
            source: source.clone(),
            top: top.clone(),
            patience,
        })
    }

    /// The same for a golden module whose candidates lanes are asked about next: the worker keeps its program.
    pub fn golden(&mut self, source: &str, top: Option<&str>) -> Result<Elaborated, WorkerError> {
        let (source, top) = (source.to_owned(), top.map(str::to_owned));
        self.timed(|patience| Request::Golden {
            source: source.clone(),
            top: top.clone(),
            patience,
        })
    }

    /// Starts the worker, so that it is ready when the first text comes.
    pub fn start(&mut self) {
        self.relay.start();
    }

    /// Judges `count` candidates by lanes, given by their number.
    ///
    /// What two workers die of is handed over: elaborated alone it may do no harm, and if not it shows there.
    pub fn judge_each(
        &mut self,
        count: usize,
        job: impl Fn(usize) -> Job,
    ) -> Result<Vec<Verdict>, WorkerError> {
        let request = |number, patience| Request::Lanes { job: Box::new(job(number)), patience };
        let verdict = |answer| match answer {
            Ok(Event::Lanes(verdict)) => Ok(*verdict),
            Ok(other) => Err(WorkerError::unexpected(other)),
            Err(death) => Ok(Verdict::HandedOver(format!("the worker {death}"))),
        };
        self.relay.ask_each(count, request)?.into_iter().map(verdict).collect()
    }

    fn timed(&mut self, request: impl Fn(u64) -> Request) -> Result<Elaborated, WorkerError> {
        match self.timing {
            Some(timing) => timing.time(Stage::Elaborate, || self.ask(request)),
            None => self.ask(request),
        }
    }

    fn ask(&mut self, request: impl Fn(u64) -> Request) -> Result<Elaborated, WorkerError> {
        match self.relay.ask(request)? {
            Ok(Event::Design(Ok(design))) => Ok(Elaborated::Design(design)),
            Ok(Event::Design(Err(refusal))) => Ok(Elaborated::Refused(refusal)),
            Ok(other) => Err(WorkerError::unexpected(other)),
            Err(death) => Ok(Elaborated::Died(death)),
        }
    }

    /// Whether `top` in `source` keeps to itself ([`crate::design::confined`]); the inner error says what it does
    /// instead.
    pub fn confined(&mut self, source: &str, top: &str) -> Result<Result<(), String>, WorkerError> {
        let (source, top) = (source.to_owned(), top.to_owned());
        let request =
            |patience| Request::Confine { source: source.clone(), top: top.clone(), patience };
        match self.relay.ask(request)? {
            Ok(Event::Confined(found)) => Ok(found.map_err(|refusal| refusal.message)),
            Ok(other) => Err(WorkerError::unexpected(other)),
            Err(death) => Ok(Err(format!("the elaborator {death}"))),
        }
    }
}
