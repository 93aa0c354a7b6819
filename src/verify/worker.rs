//! Worker processes: everything that reads a candidate's text or runs its code does so in one.
//!
//! A worker is this program again (`salv worker`). It reads one request at a time from its standard input,
//! a socket, and answers on the same socket, so that nothing a candidate prints can be taken for an answer.
//! Standard output and standard error go nowhere. If it dies, the parent knows from a mark in a file whose
//! code was running, goes on without that candidate, and tries it once more alone.
//!
//! Covered today: address space, CPU time, core files, a fresh process for each batch of native code, and
//! everything in [`crate::design`] that refuses file, system and stopping tasks before any code is made.
//! Not covered yet: a file system, network or fork barrier around native code (Landlock, seccomp).

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Resource, Rlimit};
use serde::{Deserialize, Serialize};

use super::backend::{Outcome, TaskOutcome, Trace};
use super::verilator::simulate;
use crate::design::{self, Design, Refusal};

/// What a worker can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Elaborate a module; answered by [`Event::Design`].
    Elaborate {
        /// The text.
        source: String,
        /// The module; by default the one that nobody instantiates.
        top: Option<String>,
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
    /// The worker itself failed.
    Failed(String),
}

/// A worker that failed, and not because of a candidate.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The process could not be started.
    #[error("failed to start a worker ({program})")]
    Start {
        /// This program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// The socket failed.
    #[error("failed to talk to a worker")]
    Link(#[source] io::Error),
    /// An answer could not be understood.
    #[error("failed to understand a worker: {0}")]
    Protocol(String),
    /// The worker says that it failed.
    #[error("a worker failed: {0}")]
    Failed(String),
    /// Somebody killed it, or the machine ran out of memory.
    #[error(
        "a worker was killed from outside (out of memory?); the run can be continued with --resume"
    )]
    Killed,
    /// A limit could not be set.
    #[error("failed to set a limit of a worker")]
    Limit(#[source] io::Error),
}

impl WorkerError {
    /// Something that the worker was given cannot be used.
    pub fn load(error: impl std::fmt::Display) -> WorkerError {
        WorkerError::Failed(error.to_string())
    }
}

/// Address space of a worker in bytes: chosen well below what an ordinary machine has for two of them.
const MEMORY_MAX: u64 = 4 << 30;

/// CPU time for elaborating one module in seconds; the slowest of 32,000 real candidates takes 0.1 s.
const CPU_SECONDS_OF_ELABORATION: u64 = 30;

/// One end of the socket.
pub struct Link {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Link {
    fn new(stream: UnixStream) -> io::Result<Link> {
        Ok(Link { reader: BufReader::new(stream.try_clone()?), writer: stream })
    }

    /// Sends one message.
    pub fn send(&mut self, message: &impl Serialize) -> Result<(), WorkerError> {
        let mut line = serde_json::to_vec(message).map_err(WorkerError::load)?;
        line.push(b'\n');
        self.writer.write_all(&line).map_err(WorkerError::Link)
    }

    /// Receives one message; `None` at the end of the stream.
    fn receive<T: for<'a> Deserialize<'a>>(&mut self) -> Result<Option<T>, WorkerError> {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(WorkerError::Link(error)),
        }
        if !line.ends_with(b"\n") {
            return Ok(None);
        }
        let parsed = serde_json::from_slice(&line);
        parsed.map(Some).map_err(|e| WorkerError::Protocol(e.to_string()))
    }
}

/// The life of a worker: called by the hidden subcommand, with the socket as standard input.
pub fn serve() -> Result<(), WorkerError> {
    let fd: OwnedFd = io::stdin().as_fd().try_clone_to_owned().map_err(WorkerError::Link)?;
    let mut link = Link::new(UnixStream::from(fd)).map_err(WorkerError::Link)?;
    let memory = Rlimit { current: Some(MEMORY_MAX), maximum: Some(MEMORY_MAX) };
    set_limit(Resource::As, memory)?;
    set_limit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    while let Some(request) = link.receive::<Request>()? {
        let done = match request {
            Request::Elaborate { source, top } => {
                allow_cpu_seconds(CPU_SECONDS_OF_ELABORATION)?;
                let design = design::elaborate(&source, top.as_deref());
                link.send(&Event::Design(design.map(Box::new)))
            }
            Request::Simulate(job) => simulate::run(&job, &mut link),
            Request::Trace(job, episode) => simulate::trace(&job, episode, &mut link),
        };
        if let Err(error) = done {
            link.send(&Event::Failed(error.to_string()))?;
        }
    }
    Ok(())
}

/// Lets this process use so many more seconds of CPU time.
pub fn allow_cpu_seconds(seconds: u64) -> Result<(), WorkerError> {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).tv_sec;
    let limit = used.unsigned_abs() + seconds + 1;
    set_limit(Resource::Cpu, Rlimit { current: Some(limit), maximum: None })
}

fn set_limit(resource: Resource, limit: Rlimit) -> Result<(), WorkerError> {
    rustix::process::setrlimit(resource, limit).map_err(|e| WorkerError::Limit(e.into()))
}

/// A worker as its parent sees it.
pub struct Worker {
    child: Child,
    link: Link,
}

/// How a worker's answer ended.
pub enum Answer {
    /// An event.
    Event(Event),
    /// It died of what it was doing; the message says how.
    Died(String),
}

/// Starts workers: the program that serves as one.
#[derive(Clone, Debug)]
pub struct Workers {
    /// The `salv` binary.
    pub program: PathBuf,
    /// The working folder of workers.
    pub folder: PathBuf,
}

impl Workers {
    /// Starts one.
    pub fn start(&self) -> Result<Worker, WorkerError> {
        start(&self.program, &self.folder)
    }
}

fn start(program: &Path, folder: &Path) -> Result<Worker, WorkerError> {
    let error = |source| WorkerError::Start { program: program.display().to_string(), source };
    let (ours, theirs) = UnixStream::pair().map_err(error)?;
    let child = Command::new(program)
        .arg("worker")
        .env_clear()
        .current_dir(folder)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C is for the parent, which ends on a whole record.
        .process_group(0)
        .spawn()
        .map_err(error)?;
    Ok(Worker { child, link: Link::new(ours).map_err(error)? })
}

impl Worker {
    /// Sends a request. A worker that is gone shows at the next [`Worker::hear`].
    pub fn ask(&mut self, request: &Request) -> Result<(), WorkerError> {
        match self.link.send(request) {
            Err(WorkerError::Link(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// The next event, or how the worker died.
    pub fn hear(&mut self) -> Result<Answer, WorkerError> {
        match self.link.receive::<Event>()? {
            Some(Event::Failed(message)) => Err(WorkerError::Failed(message)),
            Some(event) => Ok(Answer::Event(event)),
            None => {
                let status = self.child.wait().map_err(WorkerError::Link)?;
                describe_death(status).map(Answer::Died)
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already; either way it must not be left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A death by a signal of its own doing is the code's; any other end is ours.
fn describe_death(status: ExitStatus) -> Result<String, WorkerError> {
    match status.signal() {
        Some(9 | 15 | 2 | 1) => Err(WorkerError::Killed),
        Some(24) => Ok("used more CPU time than allowed".into()),
        Some(11) => Ok("crashed (segmentation fault; a recursion too deep?)".into()),
        Some(8) => Ok("crashed (arithmetic exception)".into()),
        Some(6) => Ok("crashed (aborted)".into()),
        Some(signal) => Ok(format!("crashed (signal {signal})")),
        None => Err(WorkerError::Failed(format!("it ended by itself: {status}"))),
    }
}
