//! Worker processes: everything that reads a candidate's text or runs its code does so in one.
//!
//! A worker is this program again (`salv worker`). It reads one request at a time from its standard input,
//! a socket, and answers on the same socket, so that nothing a candidate prints can be taken for an answer.
//! Standard output and standard error go nowhere. If it dies, the parent knows from a mark in a file whose
//! code was running, goes on without that candidate, and tries it once more alone.
//!
//! A worker takes one kind of work and closes itself in before the first of it ([`super::sandbox`]): one that
//! elaborates reaches no file at all; one that simulates has Verilator's runtime loaded and the mark open, and
//! reaches the unit of models and the system's libraries. One that launches tools reads nothing of a candidate
//! itself; it holds the tools' limits and hands them on.

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::backend::{Outcome, TaskOutcome, Trace};
use super::process::{self, Ended, Launch};
use super::sandbox::{self, Limits, Tool};
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
    /// Take these limits, for this process and all tools that it launches, which are such; no answer.
    Limit(Limits, Tool),
    /// Run a tool; answered by [`Event::Launched`].
    Launch(Launch),
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
    /// A tool has ended, or why it could not be started.
    Launched(Result<Ended, String>),
    /// This program has a fault: it panicked over what it was given, and this is what it said.
    Panicked(String),
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
    /// It ended without an answer.
    #[error("a worker ended by itself ({0})")]
    Left(ExitStatus),
    /// It could not be enclosed.
    #[error("failed to enclose a worker (`salv doctor` says what this machine offers)")]
    Sandbox(#[from] sandbox::SandboxError),
}

impl WorkerError {
    /// Something that the worker was given cannot be used.
    pub fn load(error: impl std::fmt::Display) -> WorkerError {
        WorkerError::Failed(error.to_string())
    }
}

/// CPU time for elaborating one module in seconds; the slowest of 32,000 real candidates takes 0.1 s.
const CPU_SECONDS_OF_ELABORATION: u64 = 30;

/// One end of the socket.
#[derive(Debug)]
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

/// The exit status of a worker that ran out of memory: the code that was running is to be tried alone.
const STATUS_OF_MEMORY: i32 = 75;

/// The life of a worker: called by the hidden subcommand, with the socket as standard input.
pub fn serve() -> Result<(), WorkerError> {
    let fd: OwnedFd = io::stdin().as_fd().try_clone_to_owned().map_err(WorkerError::Link)?;
    let mut link = Link::new(UnixStream::from(fd)).map_err(WorkerError::Link)?;
    let mut enclosed = false;
    while let Some(request) = link.receive::<Request>()? {
        // What panics here is ours: it must not look like the end of the code that was running.
        let answered = caught(|| answer(request, &mut enclosed, &mut link));
        let failure = match answered {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => describe(&error),
            Err(panic) => format!("a fault of this program: {panic}"),
        };
        link.send(&Event::Failed(failure))?;
    }
    Ok(())
}

fn answer(request: Request, enclosed: &mut bool, link: &mut Link) -> Result<(), WorkerError> {
    match request {
        Request::Elaborate { source, top } => {
            let first = !std::mem::replace(enclosed, true);
            if first {
                sandbox::ELABORATOR.set()?;
            }
            allow_cpu_seconds(CPU_SECONDS_OF_ELABORATION)?;
            if first {
                sandbox::enclose_worker(Vec::new())?;
            }
            let design = caught(|| design::elaborate(&source, top.as_deref()));
            let is_short = |refusal: &Refusal| refusal.message.ends_with("out of memory");
            if !first && matches!(&design, Ok(Err(refusal)) if is_short(refusal)) {
                // Earlier texts may have left too little: a new worker is asked once more.
                end_for_memory();
            }
            link.send(&match design {
                Ok(design) => Event::Design(design.map(Box::new)),
                Err(panic) => Event::Panicked(panic),
            })
        }
        Request::Simulate(job) => simulate::run(&job, link),
        Request::Trace(job, episode) => simulate::trace(&job, episode, link),
        Request::Limit(limits, tool) => {
            limits.set()?;
            Ok(sandbox::enclose_launcher(tool)?)
        }
        Request::Launch(launch) => link.send(&Event::Launched(process::launch(&launch)?)),
    }
}

/// Runs `work`; the error is what a panic said, and where.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let said = Arc::new(Mutex::new(String::new()));
    let hook = said.clone();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        *hook.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    }));
    let done = std::panic::catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(before);
    done.map_err(|_| said.lock().unwrap_or_else(PoisonError::into_inner).replace('\n', " "))
}

/// An error with its causes in one line: only text crosses the socket.
fn describe(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", describe(source)),
        None => error.to_string(),
    }
}

/// Lets this process use so many more seconds of CPU time, within what it may use in all.
pub fn allow_cpu_seconds(seconds: u64) -> Result<(), WorkerError> {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).tv_sec;
    Ok(sandbox::allow_cpu_until(used.unsigned_abs() + seconds + 1)?)
}

/// Ends this worker because the code that it runs needs more memory than it may have.
pub fn end_for_memory() -> ! {
    std::process::exit(STATUS_OF_MEMORY)
}

/// A worker as its parent sees it.
#[derive(Debug)]
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
    /// It left without an answer, by an exit that is none of its own code's.
    Left(ExitStatus),
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
    /// Starts one, with an empty environment.
    pub fn start(&self) -> Result<Worker, WorkerError> {
        let mut command = Command::new(&self.program);
        start(command.env_clear(), &self.program, &self.folder)
    }

    /// Starts one with this process's environment: tools may need variables of theirs.
    pub fn start_with_environment(&self) -> Result<Worker, WorkerError> {
        start(&mut Command::new(&self.program), &self.program, &self.folder)
    }
}

fn start(command: &mut Command, program: &Path, folder: &Path) -> Result<Worker, WorkerError> {
    let error = |source| WorkerError::Start { program: program.display().to_string(), source };
    let (ours, theirs) = UnixStream::pair().map_err(error)?;
    let child = command
        .arg("worker")
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
    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

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
                death(status)
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

/// A death by a signal of its own doing is the code's; one by a signal from outside is ours.
fn death(status: ExitStatus) -> Result<Answer, WorkerError> {
    let how = match (status.signal(), status.code()) {
        (Some(9 | 15 | 2 | 1), _) => return Err(WorkerError::Killed),
        (Some(24), _) => "used more CPU time than allowed".into(),
        (Some(11), _) => "crashed (segmentation fault; a recursion too deep?)".into(),
        (Some(8), _) => "crashed (arithmetic exception)".into(),
        (Some(6), _) => "crashed (aborted)".into(),
        (Some(signal), _) => format!("crashed (signal {signal})"),
        (None, Some(STATUS_OF_MEMORY)) => "needs more memory than allowed".into(),
        (None, _) => return Ok(Answer::Left(status)),
    };
    Ok(Answer::Died(how))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_with_its_place() {
        assert_eq!(caught(|| 7), Ok(7));
        let said = caught(|| panic!("over {}", "this")).expect_err("a panic");
        assert!(said.contains("over this") && said.contains("worker.rs:"), "{said}");
    }

    #[test]
    fn a_signal_from_outside_is_ours_and_one_of_its_own_is_the_codes() {
        let end = |raw| death(ExitStatus::from_raw(raw));
        for outside in [1, 2, 9, 15] {
            assert!(matches!(end(outside), Err(WorkerError::Killed)));
        }
        for own in [6, 8, 11, 24, STATUS_OF_MEMORY << 8] {
            assert!(matches!(end(own), Ok(Answer::Died(_))));
        }
        assert!(matches!(end(0), Ok(Answer::Left(_))));
    }
}
