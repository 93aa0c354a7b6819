//! A worker that elaborates: text in, a [`Design`] out, or why there is none.
//!
//! slang reads the text in a worker process. If that dies or panics it is started again and asked once more;
//! only a text on which it fails twice is said to be the cause.

use super::verilator::timing::{Stage, Timing};
use super::worker::{Answer, Event, Request, Worker, WorkerError, Workers};
use crate::design::{Design, Refusal};

/// A worker that elaborates, started when needed and again after a death.
pub struct Elaborator<'a> {
    workers: &'a Workers,
    worker: Option<Worker>,
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
        Elaborator { workers, worker: None, timing }
    }

    /// Elaborates `top` in `source`; without a name, the one module that no other instantiates.
    pub fn elaborate(
        &mut self,
        source: &str,
        top: Option<&str>,
    ) -> Result<Elaborated, WorkerError> {
        match self.timing {
            Some(timing) => timing.time(Stage::Elaborate, || self.ask(source, top)),
            None => self.ask(source, top),
        }
    }

    fn ask(&mut self, source: &str, top: Option<&str>) -> Result<Elaborated, WorkerError> {
        let request = Request::Elaborate { source: source.to_owned(), top: top.map(str::to_owned) };
        let mut death = String::new();
        for _ in 0..2 {
            let mut worker = match self.worker.take() {
                Some(worker) => worker,
                None => self.workers.start()?,
            };
            worker.ask(&request)?;
            match worker.hear()? {
                Answer::Event(Event::Design(design)) => {
                    self.worker = Some(worker);
                    return Ok(match design {
                        Ok(design) => Elaborated::Design(design),
                        Err(refusal) => Elaborated::Refused(refusal),
                    });
                }
                Answer::Event(Event::Panicked(said)) => {
                    death = format!("panicked, which is a fault of salv to be reported: {said}");
                }
                Answer::Event(other) => {
                    return Err(WorkerError::Protocol(format!("unexpected event {other:?}")));
                }
                Answer::Died(how) => death = how,
                Answer::Left(status) => return Err(WorkerError::Left(status)),
            }
        }
        Ok(Elaborated::Died(death))
    }
}
