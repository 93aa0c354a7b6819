//! Worker processes: everything that reads a candidate's text or runs its code does so in one.
//!
//! A worker is this program again (`salv worker KIND`). It reads one request at a time from its standard input,
//! a socket, and answers on the same socket, so that nothing a candidate prints can be taken for an answer.
//! Standard output and standard error go nowhere. What is asked and answered belongs to the kind of [`Work`]:
//! stages of the pipeline have one each, and here is what they share. That is the life of a worker ([`serve`]),
//! how its parent speaks to it ([`Worker`]) and tells a death of its own doing from one that came from outside,
//! the next one after a death ([`Relay`]), the barrier around it ([`sandbox`]), and the kind that starts tools
//! ([`launch`]).
//!
//! A worker closes itself in before the first thing it is given is looked at.

use std::io::{self, BufRead, BufReader, Write};
use std::marker::PhantomData;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub mod launch;
pub mod relay;
pub mod sandbox;

pub use relay::Relay;

use sandbox::Limits;

/// A kind of work, and the state of a worker that does it.
pub trait Work {
    /// The argument of `salv worker` that calls such a worker up.
    const NAME: &'static str;
    /// What it can be asked.
    type Request: Serialize + DeserializeOwned;
    /// What it says.
    type Event: Serialize + DeserializeOwned;

    /// In the worker: does what is asked, and says what came of it.
    fn answer(
        &mut self,
        request: Self::Request,
        reply: &mut Reply<Self::Event>,
    ) -> Result<(), WorkerError>;
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

    /// An event that answers another request.
    pub fn unexpected(event: impl std::fmt::Debug) -> WorkerError {
        WorkerError::Protocol(format!("unexpected event {event:?}"))
    }
}

/// What crosses the socket towards the parent.
#[derive(Debug, Serialize, Deserialize)]
enum Said<E> {
    /// An event of the kind of work.
    Event(E),
    /// This program has a fault: it panicked over what it was given, and this is what it said.
    Panicked(String),
    /// The worker itself failed.
    Failed(String),
}

/// One end of the socket.
#[derive(Debug)]
struct Link {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Link {
    fn new(stream: UnixStream) -> io::Result<Link> {
        Ok(Link { reader: BufReader::new(stream.try_clone()?), writer: stream })
    }

    /// Sends one message.
    fn send(&mut self, message: &impl Serialize) -> Result<(), WorkerError> {
        self.writer.write_all(&line(message)?).map_err(WorkerError::Link)
    }

    /// Receives one message; `None` at the end of the stream.
    fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>, WorkerError> {
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

/// A message as it crosses the socket.
fn line(message: &impl Serialize) -> Result<Vec<u8>, WorkerError> {
    let mut line = serde_json::to_vec(message).map_err(WorkerError::load)?;
    line.push(b'\n');
    Ok(line)
}

/// A worker's way to its parent.
#[derive(Debug)]
pub struct Reply<E> {
    link: Link,
    event: PhantomData<fn(E)>,
}

impl<E: Serialize> Reply<E> {
    /// Says that something has come of the request.
    pub fn send(&mut self, event: &E) -> Result<(), WorkerError> {
        self.link.send(&Said::Event(event))
    }

    /// Says that this program panicked over what it was given: its fault, and the text is tried once more.
    pub fn panicked(&mut self, said: String) -> Result<(), WorkerError> {
        self.link.send(&Said::<E>::Panicked(said))
    }
}

/// The exit status of a worker that ran out of memory: the code that was running is to be tried alone.
const STATUS_OF_MEMORY: i32 = 75;

/// The life of a worker: called by the hidden subcommand, with the socket as standard input.
pub fn serve<W: Work>(work: W) -> Result<(), WorkerError> {
    serve_on(parent()?, work)
}

/// The same for work that needs a deep stack and reaches no file: closed in, with these limits, before the first
/// request is read.
pub fn serve_deep<W: Work + Send>(
    work: W,
    limits: Limits,
    stack_bytes: usize,
) -> Result<(), WorkerError> {
    let link = parent()?;
    limits.set()?;
    sandbox::enclose_deep(stack_bytes, || serve_on(link, work))?
}

/// The socket to the parent.
fn parent() -> Result<Link, WorkerError> {
    let fd: OwnedFd = io::stdin().as_fd().try_clone_to_owned().map_err(WorkerError::Link)?;
    Link::new(UnixStream::from(fd)).map_err(WorkerError::Link)
}

fn serve_on<W: Work>(link: Link, mut work: W) -> Result<(), WorkerError> {
    let mut reply = Reply { link, event: PhantomData };
    while let Some(request) = reply.link.receive::<W::Request>()? {
        // What panics here is ours: it must not look like the end of the code that was running.
        let answered = caught(|| work.answer(request, &mut reply));
        let failure = match answered {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => describe(&error),
            Err(panic) => format!("a fault of this program: {panic}"),
        };
        reply.link.send(&Said::<W::Event>::Failed(failure))?;
    }
    Ok(())
}

/// Runs `work`; the error is what a panic said, and where.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
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
pub struct Worker<W> {
    child: Child,
    link: Link,
    work: PhantomData<fn(W)>,
}

/// How a worker's answer ended.
#[derive(Debug)]
pub enum Answer<E> {
    /// An event.
    Event(E),
    /// This program panicked over what it was given; the message says what and where.
    Panicked(String),
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
    pub fn start<W: Work>(&self) -> Result<Worker<W>, WorkerError> {
        let mut command = Command::new(&self.program);
        start(command.env_clear(), &self.program, &self.folder)
    }

    /// Starts one with this process's environment: tools may need variables of theirs.
    pub fn start_with_environment<W: Work>(&self) -> Result<Worker<W>, WorkerError> {
        start(&mut Command::new(&self.program), &self.program, &self.folder)
    }
}

fn start<W: Work>(
    command: &mut Command,
    program: &Path,
    folder: &Path,
) -> Result<Worker<W>, WorkerError> {
    let error = |source| WorkerError::Start { program: program.display().to_string(), source };
    let (ours, theirs) = UnixStream::pair().map_err(error)?;
    let child = command
        .args(["worker", W::NAME])
        .current_dir(folder)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C is for the parent, which ends on a whole record.
        .process_group(0)
        .spawn()
        .map_err(error)?;
    Ok(Worker { child, link: Link::new(ours).map_err(error)?, work: PhantomData })
}

impl<W: Work> Worker<W> {
    /// Sends a request. A worker that is gone shows at the next [`Worker::hear`].
    pub fn ask(&mut self, request: &W::Request) -> Result<(), WorkerError> {
        self.post(&line(request)?)
    }

    /// Sends a request that is a [`line()`] already.
    fn post(&mut self, line: &[u8]) -> Result<(), WorkerError> {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};
        match self.link.writer.write_all(line) {
            // Reset: it left something unread.
            Err(error) if matches!(error.kind(), BrokenPipe | ConnectionReset) => Ok(()),
            other => other.map_err(WorkerError::Link),
        }
    }

    /// The next event, or how the worker died.
    pub fn hear(&mut self) -> Result<Answer<W::Event>, WorkerError> {
        match self.link.receive()? {
            Some(Said::Failed(message)) => Err(WorkerError::Failed(message)),
            Some(Said::Panicked(said)) => Ok(Answer::Panicked(said)),
            Some(Said::Event(event)) => Ok(Answer::Event(event)),
            None => death(self.child.wait().map_err(WorkerError::Link)?),
        }
    }
}

impl<W> Worker<W> {
    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl<W> Drop for Worker<W> {
    fn drop(&mut self) {
        // It may have ended already; either way it must not be left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A death by a signal of its own doing is the code's; one by a signal from outside is ours.
fn death<E>(status: ExitStatus) -> Result<Answer<E>, WorkerError> {
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
        assert!(said.contains("over this") && said.contains("mod.rs:"), "{said}");
    }

    #[test]
    fn a_signal_from_outside_is_ours_and_one_of_its_own_is_the_codes() {
        let end = |raw| death::<()>(ExitStatus::from_raw(raw));
        for outside in [1, 2, 9, 15] {
            assert!(matches!(end(outside), Err(WorkerError::Killed)));
        }
        for own in [6, 8, 11, 24, STATUS_OF_MEMORY << 8] {
            assert!(matches!(end(own), Ok(Answer::Died(_))));
        }
        assert!(matches!(end(0), Ok(Answer::Left(_))));
    }
}
