//! The process in which candidates are parsed: sv-parser recurses, and a text that overflows the stack or
//! takes for ever must not take the run with it.
//!
//! The worker is this program again, called by a hidden subcommand. It reads a request a line from its
//! standard input, a socket, and answers on it. Address space and CPU time are limited. A text on which it
//! dies twice, the second time in a fresh process, is reported as what it is: a whole module.

use std::io::{self, BufRead, BufReader, Write};
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Resource, Rlimit};
use serde::{Deserialize, Serialize};

use super::{Analysis, analyse};
use crate::verilog::syntax::STACK_BYTES;

/// Address space of a worker in bytes, its parsing stack included.
const MEMORY_MAX: u64 = 6 << 30;

/// CPU time for one text in seconds: the slowest of 32,000 real ones takes less than one.
const CPU_SECONDS: u64 = 60;

/// What is asked of one text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The text.
    pub code: String,
    /// Name of its top module.
    pub top: String,
    /// Also give the texts that a proof needs.
    pub proof: Option<Proof>,
}

/// How a cone is to be proved.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Proof {
    /// Statements that are taken out one by one, for each output at most.
    pub deletions: usize,
    /// Which ones.
    pub seed: u64,
}

/// The cones of a text, or why it has none.
pub type Answer = Result<Vec<SignalCone>, String>;

/// The cone of one output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalCone {
    /// The output.
    pub name: String,
    /// Spans of the code.
    pub spans: Vec<Range<usize>>,
    /// Why the whole module stands for the cone.
    pub whole: Option<String>,
    /// Bytes of the cone, and of all code, that are no white space and no comment.
    pub bytes: (usize, usize),
    /// The code with everything else blank; empty unless asked for.
    pub blanked: String,
    /// Texts without one statement.
    pub deletions: Vec<Deletion>,
}

/// A text from which one statement of a cone is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// The statement.
    pub span: Range<usize>,
    /// The rest of the cone.
    pub text: String,
    /// The rest of the whole code.
    pub code: String,
}

/// Computes the cones of a text in this process, on a stack of its own.
pub fn cones(request: &Request) -> Answer {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, || compute(request));
        let thread = thread.map_err(|error| format!("no thread to parse on: {error}"))?;
        thread.join().unwrap_or_else(|_| Err("the analysis panicked".into()))
    })
}

fn compute(request: &Request) -> Answer {
    let analysis = analyse(&request.code, &request.top)?;
    let all = analysis.code_bytes(std::slice::from_ref(&(0..request.code.len())));
    let outputs: Vec<String> = analysis.outputs().map(str::to_owned).collect();
    let signals = outputs.into_iter().filter_map(|name| {
        let cone = analysis.cone(&name)?;
        let spans = analysis.spans(&cone);
        let bytes = (analysis.code_bytes(&spans), all);
        let mut signal = SignalCone {
            name,
            bytes,
            spans,
            whole: cone.whole.clone(),
            blanked: String::new(),
            deletions: Vec::new(),
        };
        if let Some(proof) = request.proof.filter(|_| cone.whole.is_none()) {
            let kept = analysis.kept(&cone);
            signal.blanked = analysis.blanked(&kept);
            signal.deletions = deletions(&analysis, &cone, &kept, proof);
        }
        Some(signal)
    });
    Ok(signals.collect())
}

/// A sample of a cone's statements; the seed and the output decide which.
fn deletions(
    analysis: &Analysis,
    cone: &super::Cone,
    kept: &super::Kept,
    proof: Proof,
) -> Vec<Deletion> {
    let mut statements = analysis.statements(cone);
    let mut state = proof.seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut chosen = Vec::new();
    while chosen.len() < proof.deletions && !statements.is_empty() {
        // xorshift64*: any sequence will do, as long as it is always the same.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let draw = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        let index = usize::try_from(draw).unwrap_or(0) % statements.len();
        chosen.push(statements.swap_remove(index));
    }
    let everything = analysis.everything();
    let deletion = |statement: usize| Deletion {
        span: analysis.span_of(statement),
        text: analysis.blanked(&analysis.without(kept, statement)),
        code: analysis.blanked(&analysis.without(&everything, statement)),
    };
    chosen.into_iter().map(deletion).collect()
}

/// A worker that failed, and not because of a candidate.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The process could not be started.
    #[error("failed to start an extraction worker ({program})")]
    Start {
        /// This program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// The socket failed.
    #[error("failed to talk to an extraction worker")]
    Link(#[source] io::Error),
    /// An answer could not be understood.
    #[error("failed to understand an extraction worker: {0}")]
    Protocol(String),
    /// Somebody killed it, or it ended by itself.
    #[error("an extraction worker ended: {0} (out of memory? --resume continues the run)")]
    Ended(String),
}

/// The life of a worker: called by the hidden subcommand, with the socket as standard input.
pub fn serve() -> Result<(), WorkerError> {
    let fd: OwnedFd = io::stdin().as_fd().try_clone_to_owned().map_err(WorkerError::Link)?;
    let stream = UnixStream::from(fd);
    let mut writer = stream.try_clone().map_err(WorkerError::Link)?;
    let limit = |resource, value| {
        let limit = Rlimit { current: Some(value), maximum: None };
        rustix::process::setrlimit(resource, limit).map_err(|e| WorkerError::Link(e.into()))
    };
    limit(Resource::As, MEMORY_MAX)?;
    limit(Resource::Core, 0)?;
    for line in BufReader::new(stream).lines() {
        let line = line.map_err(WorkerError::Link)?;
        let request: Request = serde_json::from_str(&line).map_err(protocol)?;
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).tv_sec;
        limit(Resource::Cpu, used.unsigned_abs() + CPU_SECONDS)?;
        let mut answer = serde_json::to_vec(&cones(&request)).map_err(protocol)?;
        answer.push(b'\n');
        writer.write_all(&answer).map_err(WorkerError::Link)?;
    }
    Ok(())
}

fn protocol(error: serde_json::Error) -> WorkerError {
    WorkerError::Protocol(error.to_string())
}

/// Asks a worker process, which is started when needed and again after a death.
pub struct Extractor {
    program: PathBuf,
    subcommand: &'static str,
    worker: Option<Worker>,
}

struct Worker {
    child: Child,
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Extractor {
    /// `program subcommand` must call [`serve`].
    pub fn new(program: &Path, subcommand: &'static str) -> Extractor {
        Extractor { program: program.to_owned(), subcommand, worker: None }
    }

    /// The cones of a text; a text on which the worker dies has none.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, WorkerError> {
        let mut line = serde_json::to_vec(request).map_err(protocol)?;
        line.push(b'\n');
        let mut death = String::new();
        for _ in 0..2 {
            let mut worker = match self.worker.take() {
                Some(worker) => worker,
                None => self.start()?,
            };
            match worker.exchange(&line)? {
                Ok(answer) => {
                    self.worker = Some(worker);
                    return Ok(answer);
                }
                Err(how) => death = how,
            }
        }
        Ok(Err(format!("the parser {death}")))
    }

    fn start(&self) -> Result<Worker, WorkerError> {
        let program = self.program.display().to_string();
        let error = |source| WorkerError::Start { program: program.clone(), source };
        let (ours, theirs) = UnixStream::pair().map_err(error)?;
        let child = Command::new(&self.program)
            .arg(self.subcommand)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(error)?;
        let reader = BufReader::new(ours.try_clone().map_err(error)?);
        Ok(Worker { child, reader, writer: ours })
    }
}

impl Worker {
    /// Sends a line and hears an answer, or how the worker died of it.
    fn exchange(&mut self, line: &[u8]) -> Result<Result<Answer, String>, WorkerError> {
        match self.writer.write_all(line) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(WorkerError::Link(error));
            }
            _ => {}
        }
        let mut answer = Vec::new();
        match self.reader.read_until(b'\n', &mut answer) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => {
                return Err(WorkerError::Link(error));
            }
            _ => {}
        }
        if answer.ends_with(b"\n") {
            return serde_json::from_slice(&answer).map(Ok).map_err(protocol);
        }
        let status = self.child.wait().map_err(WorkerError::Link)?;
        match status.signal() {
            Some(24) => Ok(Err("took more CPU time than allowed".into())),
            Some(11 | 6) => Ok(Err("crashed (a recursion too deep, or too much memory)".into())),
            _ => Err(WorkerError::Ended(status.to_string())),
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
