//! Programs started with limits, and how they ended.
//!
//! The limits are set from outside as soon as the process exists (`prlimit`): CPU time and address space.
//! What this does not cover is listed in [`super::worker`].

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Resource, Rlimit};

/// What a process may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// CPU time in seconds: a backstop, since no label depends on time.
    pub cpu_seconds: u64,
    /// Address space in bytes.
    pub memory: u64,
}

/// A program that could not be run: ours, never a candidate's.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program could not be started.
    #[error("failed to start {program} (run `salv doctor` to see what is missing)")]
    Start {
        /// The program.
        program: String,
        /// The cause.
        source: std::io::Error,
    },
    /// Its output could not be read.
    #[error("failed to read the output of {program}")]
    Read {
        /// The program.
        program: String,
        /// The cause.
        source: std::io::Error,
    },
    /// Somebody killed it, or the machine ran out of memory.
    #[error("{program} was killed by signal {signal} from outside (out of memory?)")]
    Killed {
        /// The program.
        program: String,
        /// The signal.
        signal: i32,
    },
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit status.
    pub status: ExitStatus,
    /// The first 256 KiB of its standard error.
    pub stderr: String,
}

/// Bytes kept of a program's messages.
const STDERR_SIZE_MAX: u64 = 256 << 10;

impl Ended {
    /// Whether it did what it was asked.
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// Whether a signal ended it, its own or the one of a limit.
    pub fn killed(&self) -> bool {
        self.status.signal().is_some() || self.stderr.contains("signal terminated program")
    }

    /// The status and the first lines of its messages.
    pub fn describe(&self) -> String {
        let lines: Vec<&str> = self.stderr.lines().take(12).collect();
        format!("{}: {}", self.status, lines.join("\n"))
    }
}

/// Runs `program` to its end with `environment` added and standard output thrown away.
pub fn run(
    program: &Path,
    arguments: &[String],
    environment: &[(&str, &Path)],
    folder: &Path,
    limits: Limits,
) -> Result<Ended, ProcessError> {
    let name = || program.display().to_string();
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .env("LC_ALL", "C")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|source| ProcessError::Start { program: name(), source })?;
    limit(&child, limits);
    let read = |source| ProcessError::Read { program: name(), source };
    let mut stderr = Vec::new();
    if let Some(mut pipe) = child.stderr.take() {
        (&mut pipe).take(STDERR_SIZE_MAX).read_to_end(&mut stderr).map_err(read)?;
        std::io::copy(&mut pipe, &mut std::io::sink()).map_err(read)?;
    }
    let status = child.wait().map_err(read)?;
    if status.signal() == Some(rustix::process::Signal::KILL.as_raw()) {
        return Err(ProcessError::Killed { program: name(), signal: 9 });
    }
    Ok(Ended { status, stderr: String::from_utf8_lossy(&stderr).into_owned() })
}

/// Sets the limits of a running child. A child that is gone already needs none.
pub fn limit(child: &Child, limits: Limits) {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    let both = |value| Rlimit { current: Some(value), maximum: Some(value + 5) };
    // An error means that the process has ended.
    let _ = rustix::process::prlimit(Some(pid), Resource::Cpu, both(limits.cpu_seconds));
    let _ = rustix::process::prlimit(Some(pid), Resource::As, both(limits.memory));
    let core = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::prlimit(Some(pid), Resource::Core, core);
}
