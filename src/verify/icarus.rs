//! The one-process way, for comparison alone: for each candidate a compilation by `iverilog` and a run by
//! `vvp`, golden module and candidate side by side under a generated test bench.
//!
//! In goes a [`Case`], out come mismatches by output and the two times. This is how verification is
//! usually done, and `salv bench` measures the verilator backend against it; no verdict comes from here.
//! [`Player`] runs our own episodes instead, to see whether the two simulators tell the same.
//! What the generated bench does not do: several power-up states, several episodes, inputs that hold their values. It
//! stands behind no barrier, as it does where it is used, and gets its limits just after its start: it is given
//! only candidates that [`crate::design`] has let through and that have been judged.
//!
//! What we rely on, of Icarus: `` `resetall `` undoes the directives of the text before it; `-s` makes one
//! module the only root, so that a candidate's own test bench does not run; `vvp -n` takes `$stop` for
//! `$finish`.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit};

use crate::design::Interface;

mod crowd;
mod rename;
mod replay;
mod testbench;

pub use crowd::{Part, Played};
pub use rename::{RenameError, Renamed, rename, stand_in};
pub use replay::{Player, Point};
pub use testbench::{PREFIX, testbench};

/// The two programs.
#[derive(Clone, Debug)]
pub struct Icarus {
    /// The compiler.
    pub iverilog: PathBuf,
    /// The simulator.
    pub vvp: PathBuf,
}

/// A golden module and a candidate, ready to be compiled together.
#[derive(Clone, Debug)]
pub struct Case {
    /// Interface of the golden module, under the name that it has in `golden`.
    pub interface: Interface,
    /// The golden text, its modules renamed.
    pub golden: String,
    /// Name of the candidate's module.
    pub top: String,
    /// The candidate's text.
    pub candidate: String,
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Vectors at which each output differs, in the golden order of ports.
    Counted(Vec<u64>),
    /// `iverilog` refuses the text.
    Refused(String),
    /// The simulation ended before its last vector, by itself or by the limit.
    Ended(String),
}

/// A case that ran.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What came of it.
    pub outcome: Outcome,
    /// Time of `iverilog`.
    pub compile: Duration,
    /// Time of `vvp`.
    pub simulate: Duration,
}

/// What stops a run; never a candidate's fault.
#[derive(Debug, thiserror::Error)]
pub enum IcarusError {
    /// A program could not be run.
    #[error("failed to run {program} (run `salv doctor` to see what is missing)")]
    Program {
        /// The program.
        program: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The text could not be written.
    #[error("failed to write {path} (is the disk full?)")]
    Write {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
}

/// CPU time of one compilation in seconds.
const COMPILE_SECONDS: u64 = 30;

/// Address space of either program in bytes.
const MEMORY_MAX: u64 = 4 << 30;

/// Bytes kept of the compiler's messages.
const STDERR_SIZE_MAX: u64 = 64 << 10;

/// Vectors that a simulation is given a second of CPU time for, beside [`SIMULATE_SECONDS`]; real designs
/// take some 50,000 vectors in one.
const VECTORS_OF_SECOND: u32 = 1_000;

/// CPU time of the shortest simulation in seconds.
const SIMULATE_SECONDS: u64 = 10;

/// Bytes of a printed counter's line that are looked at; those of the test bench are far shorter.
const LINE_BYTES_MAX: u64 = 4096;

impl Icarus {
    /// Compiles and runs a case in `folder`, which is for this case alone.
    pub fn run(
        &self,
        case: &Case,
        vectors: u32,
        seed: u32,
        folder: &Path,
    ) -> Result<Ran, IcarusError> {
        let text = testbench(case, vectors, seed);
        write(&folder.join("case.v"), text.text.as_bytes())?;
        let started = Instant::now();
        let compiled = self.compile(folder)?;
        let compile = started.elapsed();
        if let Err(refused) = compiled {
            let outcome = Outcome::Refused(refused);
            return Ok(Ran { outcome, compile, simulate: Duration::ZERO });
        }
        let started = Instant::now();
        let (status, lines) = self.simulate(&text.tag, LINE_BYTES_MAX, vectors, folder)?;
        let counts: Vec<u64> = lines.iter().filter_map(|number| number.parse().ok()).collect();
        let outputs = case.interface.outputs().count();
        let outcome = if status.success() && counts.len() == outputs {
            Outcome::Counted(counts)
        } else {
            Outcome::Ended(format!("vvp: {status}, {} of {outputs} counters printed", counts.len()))
        };
        Ok(Ran { outcome, compile, simulate: started.elapsed() })
    }

    /// Compiles `case.v` in `folder`; an inner error is what `iverilog` says.
    fn compile(&self, folder: &Path) -> Result<Result<(), String>, IcarusError> {
        let failed = failed(&self.iverilog);
        let mut command = Command::new(&self.iverilog);
        command.args(["-g2012", "-s", testbench::TOP, "-o", "case.vvp", "case.v"]);
        command.env("LC_ALL", "C").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = start(&mut command, folder, COMPILE_SECONDS).map_err(&failed)?;
        let mut stderr = Vec::new();
        if let Some(mut pipe) = child.stderr.take() {
            (&mut pipe).take(STDERR_SIZE_MAX).read_to_end(&mut stderr).map_err(&failed)?;
            std::io::copy(&mut pipe, &mut std::io::sink()).map_err(&failed)?;
        }
        let status = child.wait().map_err(&failed)?;
        let messages = String::from_utf8_lossy(&stderr);
        let first: Vec<&str> = messages.lines().take(12).collect();
        let refused = || format!("{status}: {}", first.join("\n"));
        Ok(if status.success() { Ok(()) } else { Err(refused()) })
    }

    /// Runs what was compiled in `folder`: how it ended, and what it printed after the tag.
    fn simulate(
        &self,
        tag: &str,
        line_bytes_max: u64,
        vectors: u32,
        folder: &Path,
    ) -> Result<(ExitStatus, Vec<String>), IcarusError> {
        let failed = failed(&self.vvp);
        let mut command = Command::new(&self.vvp);
        command.args(["-n", "case.vvp"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let cpu_seconds = SIMULATE_SECONDS + u64::from(vectors / VECTORS_OF_SECOND);
        let mut child = start(&mut command, folder, cpu_seconds).map_err(&failed)?;
        let mut lines = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            lines = tagged(BufReader::new(stdout), tag, line_bytes_max).map_err(&failed)?;
        }
        Ok((child.wait().map_err(&failed)?, lines))
    }
}

fn failed(program: &Path) -> impl Fn(std::io::Error) -> IcarusError {
    let program = program.display().to_string();
    move |source| IcarusError::Program { program: program.clone(), source }
}

fn start(command: &mut Command, folder: &Path, cpu_seconds: u64) -> std::io::Result<Child> {
    let child = command.current_dir(folder).stdin(Stdio::null()).process_group(0).spawn()?;
    let limit =
        |value: u64, more: u64| Rlimit { current: Some(value), maximum: Some(value + more) };
    let pid = Some(Pid::from_child(&child));
    // An error means that the process has ended and needs no limit.
    let _ = rustix::process::prlimit(pid, Resource::Cpu, limit(cpu_seconds, 5));
    let _ = rustix::process::prlimit(pid, Resource::As, limit(MEMORY_MAX, 0));
    let _ = rustix::process::prlimit(pid, Resource::Core, limit(0, 0));
    Ok(child)
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), IcarusError> {
    std::fs::write(file, bytes)
        .map_err(|source| IcarusError::Write { path: file.display().to_string(), source })
}

/// Reads to the end and keeps what follows `tag` at the start of a line. What a candidate prints is passed
/// over, however long.
fn tagged(mut stdout: impl BufRead, tag: &str, bytes_max: u64) -> std::io::Result<Vec<String>> {
    let mut tagged = Vec::new();
    let mut at_line_start = true;
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut stdout).take(bytes_max).read_until(b'\n', &mut line)? == 0 {
            return Ok(tagged);
        }
        let text = String::from_utf8_lossy(&line);
        let rest = text.strip_prefix(tag).filter(|_| at_line_start);
        tagged.extend(rest.map(|rest| rest.trim().to_owned()));
        at_line_start = line.ends_with(b"\n");
    }
}

#[cfg(test)]
mod tests {
    use super::tagged;

    #[test]
    fn only_tagged_lines_count() {
        let long = "x".repeat(4096);
        let printed = format!("hello 3\nsalv-1 7\n salv-1 8\n{long}salv-1 9\nsalv-1 x\nsalv-1 10");
        let lines = tagged(printed.as_bytes(), "salv-1 ", 4096).expect("lines");
        assert_eq!(lines, ["7", "x", "10"]);
    }
}
