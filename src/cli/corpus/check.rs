//! Whether the code of a sample is Verilog: slang's answer, asked in a worker process, since text from
//! strangers may bring a parser down.

use clap::ValueEnum;

use crate::corpus::sft::{Reason, Unfit};
use crate::design;
use crate::verify::worker::{Answer, Event, Request, Worker, WorkerError, Workers};

/// How much the code must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Check {
    /// slang can parse it
    Parse,
    /// slang can also elaborate it: every module that it uses is there
    Elaborate,
}

/// Asks a worker; another one is started after a death.
pub struct Checker {
    check: Check,
    workers: Workers,
    worker: Option<Worker>,
}

impl Checker {
    /// Prepares the check; no process is started yet.
    pub fn new(check: Check, workers: Workers) -> Checker {
        Checker { check, workers, worker: None }
    }

    /// Returns what is wrong with some code.
    pub fn fault(&mut self, code: &str) -> Result<Option<Unfit>, WorkerError> {
        let request = Request::Elaborate { source: code.to_owned(), top: None };
        let mut death = String::new();
        for _ in 0..2 {
            let mut worker = match self.worker.take() {
                Some(worker) => worker,
                None => self.workers.start()?,
            };
            worker.ask(&request)?;
            match worker.hear()? {
                Answer::Event(Event::Design(outcome)) => {
                    self.worker = Some(worker);
                    return Ok(outcome.err().and_then(|refusal| self.counts(&refusal)));
                }
                Answer::Event(other) => {
                    return Err(WorkerError::Protocol(format!("unexpected event {other:?}")));
                }
                Answer::Died(how) => death = how,
                Answer::Left(status) => return Err(WorkerError::Left(status)),
            }
        }
        Ok(Some(Unfit { reason: Reason::Crash, message: format!("the elaborator {death}") }))
    }

    /// Several tops, forbidden tasks and what no backend judges are no faults of training data.
    fn counts(&self, refusal: &design::Refusal) -> Option<Unfit> {
        let reason = match refusal.reason {
            design::Reason::ParseError => Reason::ParseError,
            design::Reason::ElaborationError if self.check == Check::Elaborate => {
                Reason::ElaborationError
            }
            _ => return None,
        };
        let message = match &refusal.place {
            Some(place) => format!("line {} of the code: {}", place.line, refusal.message),
            None => refusal.message.clone(),
        };
        Some(Unfit { reason, message })
    }
}
