//! Workers one after another: one is started when it is needed, and the next after a death.
//!
//! In: what to ask. Out: the answer, or how two workers in turn died of it. The first may have been worn out by
//! what it was asked before, so it proves nothing; the second is fresh and has twice the time. Only what ends
//! that one too is said to be the cause, and no label depends on how busy the machine is.

use super::{Answer, Work, Worker, WorkerError, Workers};

/// A worker that is there when it is asked.
#[derive(Debug)]
pub struct Relay<'a, W> {
    workers: &'a Workers,
    worker: Option<Worker<W>>,
}

impl<'a, W: Work> Relay<'a, W> {
    /// No process is started yet.
    pub fn new(workers: &'a Workers) -> Self {
        Relay { workers, worker: None }
    }

    /// The one event that answers a request, or how the workers died of it. `request` is given the factor by
    /// which limits on time are raised.
    pub fn ask(
        &mut self,
        request: impl Fn(u64) -> W::Request,
    ) -> Result<Result<W::Event, String>, WorkerError> {
        let mut death = String::new();
        for patience in [1, 2] {
            let mut worker = match self.worker.take() {
                Some(worker) if patience == 1 => worker,
                _ => self.workers.start()?,
            };
            worker.ask(&request(patience))?;
            match worker.hear()? {
                Answer::Event(event) => {
                    self.worker = Some(worker);
                    return Ok(Ok(event));
                }
                Answer::Panicked(said) => {
                    death = format!("panicked, which is a fault of salv to be reported: {said}");
                }
                Answer::Died(how) => death = how,
                Answer::Left(status) => return Err(WorkerError::Left(status)),
            }
        }
        Ok(Err(death))
    }
}
