//! Workers one after another: one is started when it is needed, and the next after a death.
//!
//! In: what to ask. Out: the answer, or how two workers in turn died of it. The first may have been worn out by
//! what it was asked before, so it proves nothing; the second is fresh and has twice the time. Only what ends
//! that one too is said to be the cause, and no label depends on how busy the machine is.

use super::{Answer, Work, Worker, WorkerError, Workers, line};

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

    /// Starts a worker where there is none, so that it is ready when it is asked. What keeps it from starting shows then.
    pub fn start(&mut self) {
        if self.worker.is_none() {
            self.worker = self.workers.start().ok();
        }
    }

    /// The one event that answers a request, or how the workers died of it. `request` is given the factor by
    /// which limits on time are raised.
    pub fn ask(
        &mut self,
        request: impl Fn(u64) -> W::Request,
    ) -> Result<Result<W::Event, String>, WorkerError> {
        let mut answers = self.ask_each(1, |_, patience| request(patience))?;
        answers.pop().ok_or_else(|| WorkerError::Protocol("no answer".into()))
    }

    /// The events that answer `count` requests, given by their number and that factor.
    ///
    /// The worker has the next one before its answer is read here, so that it need not wait for this process.
    pub fn ask_each(
        &mut self,
        count: usize,
        request: impl Fn(usize, u64) -> W::Request,
    ) -> Result<Vec<Result<W::Event, String>>, WorkerError> {
        let mut answers = Vec::with_capacity(count);
        // How many of them the present worker was sent, or another has answered; the next, where it is too long to be sent ahead.
        let mut sent = 0;
        let mut next = None;
        while answers.len() < count {
            let asked = answers.len();
            let mut worker = match self.worker.take() {
                Some(worker) => worker,
                None => self.workers.start()?,
            };
            while sent < count.min(asked + 2) {
                let line = next.take().map_or_else(|| line(&request(sent, 1)), Ok)?;
                if sent > asked && line.len() > AHEAD_BYTES_MAX {
                    next = Some(line);
                    break;
                }
                worker.post(&line)?;
                sent += 1;
            }
            let answer = match hear(&mut worker)? {
                Ok(event) => {
                    self.worker = Some(worker);
                    Ok(event)
                }
                Err(_) => {
                    (sent, next) = (asked + 1, None);
                    let mut fresh = self.workers.start()?;
                    fresh.ask(&request(asked, 2))?;
                    let answer = hear(&mut fresh)?;
                    self.worker = Some(fresh).filter(|_| answer.is_ok());
                    answer
                }
            };
            answers.push(answer);
        }
        Ok(answers)
    }
}

/// The longest request that is sent before the answer to the one before it is read: what is longer than the socket holds (some
/// 200 KB) would wait for a worker that may be waiting itself, with a long answer.
const AHEAD_BYTES_MAX: usize = 1 << 16;

/// The next event, or how the worker died.
fn hear<W: Work>(worker: &mut Worker<W>) -> Result<Result<W::Event, String>, WorkerError> {
    match worker.hear()? {
        Answer::Event(event) => Ok(Ok(event)),
        Answer::Panicked(said) => {
            Ok(Err(format!("panicked, which is a fault of salv to be reported: {said}")))
        }
        Answer::Died(how) => Ok(Err(how)),
        Answer::Left(status) => Err(WorkerError::Left(status)),
    }
}
