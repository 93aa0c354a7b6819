//! A compilation by `iverilog` and a run by `vvp`, behind the same barrier as other tools that read candidates.
//!
//! In: files and arguments. Out: what both said and how the run ended ([`Ran`]). Both run with limits in a scratch
//! folder of their own ([`crate::worker::launch`]): they write there alone and have no network. `iverilog` starts the
//! parts that it consists of; `vvp` starts nothing.
//!
//! What we rely on, of Icarus 11: `vvp -none` (after the file) makes all tasks that dump waves do nothing; with
//! standard input at its end a `$stop` goes on; what `$display` prints is in the file when the process ends by itself.

use std::path::{Path, PathBuf};

use crate::verify::cache::{Cache, CacheError, Scratch};
use crate::verify::icarus::Icarus;
use crate::worker::launch::{Ended, Launch, LaunchError, Launchers};
use crate::worker::sandbox::{Limits, Tool};

/// Compiles and runs.
#[derive(Debug)]
pub struct Simulator {
    /// The programs.
    pub icarus: Icarus,
    /// What starts them.
    pub launchers: Launchers,
    /// Where scratch folders are made.
    pub cache: Cache,
}

/// What is to be compiled and run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Names and contents of the files in the folder.
    pub files: Vec<(String, Vec<u8>)>,
    /// Arguments of `iverilog`, the output left out.
    pub compile: Vec<String>,
    /// Arguments of `vvp` before the file.
    pub run: Vec<String>,
    /// Arguments of `vvp` after it.
    pub run_after: Vec<String>,
    /// CPU time of the run in seconds.
    pub cpu_seconds: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Whether the compiler took it.
    pub compiled: bool,
    /// What the compiler said on standard error.
    pub compiler_said: String,
    /// What the run printed.
    pub stdout: String,
    /// What the run said on standard error.
    pub stderr: String,
    /// Which limit stopped the run, if one did.
    pub over_limit: Option<String>,
}

/// What stops an evaluation; never a candidate's fault.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A program could not be started, or somebody killed it.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Somebody killed a part of the compiler, or the machine ran out of memory.
    #[error(
        "iverilog was killed from outside (out of memory? fewer --threads need less); --resume continues the run"
    )]
    Killed,
    /// There is no scratch folder.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A file could not be written or read.
    #[error("failed to use {path} (is the disk full?)")]
    File {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
}

/// Of the compilation: real candidates take some 20 ms and 20 MB.
const COMPILE: Limits =
    Limits { cpu_seconds: 30, memory: 4 << 30, file_size: FILE_SIZE_MAX, open_files: 256 };

/// Of the largest file that is written: the waves of a bench are the largest, a few MB.
const FILE_SIZE_MAX: u64 = 256 << 20;

/// Bytes of the output that are read. Benches print some KB; what a candidate prints beyond is cut off, as an
/// evaluation must not take the memory of a machine.
const STDOUT_SIZE_MAX: usize = 16 << 20;

/// The exit status of `iverilog` when a part of it was ended by signal 9, which no limit of ours sends first.
const KILLED: i32 = 128 + 9;

const PROGRAM: &str = "simv";
const STDOUT: &str = "salv.stdout";

impl Simulator {
    /// Compiles, and runs what was compiled.
    pub fn run(&self, build: &Build) -> Result<Ran, SimulateError> {
        let scratch = self.scratch()?;
        let folder = scratch.path();
        for (name, content) in &build.files {
            let path = folder.join(name);
            std::fs::write(&path, content).map_err(|source| file_error(&path, source))?;
        }
        let compile = ["-o", PROGRAM].map(str::to_owned).into_iter().chain(build.compile.clone());
        let compiler = self.tool(&self.icarus.iverilog, compile.collect(), folder, Tool::Driver);
        let ended = self.launchers.run(compiler, COMPILE)?;
        let mut ran = Ran {
            compiled: ended.success() && folder.join(PROGRAM).is_file(),
            compiler_said: ended.stderr.clone(),
            stdout: String::new(),
            stderr: String::new(),
            over_limit: None,
        };
        if ended.status().code() == Some(KILLED) {
            return Err(SimulateError::Killed);
        }
        if !ran.compiled {
            if !ran.compiler_said.contains("error") {
                ran.compiler_said += &format!("error: iverilog: {}\n", ended.status());
            }
            return Ok(ran);
        }
        let program = [PROGRAM.to_owned()].into_iter().chain(build.run_after.clone());
        let arguments = build.run.iter().cloned().chain(program).collect();
        let runner = Launch {
            output: Some(STDOUT.to_owned()),
            ..self.tool(&self.icarus.vvp, arguments, folder, Tool::Alone)
        };
        let limits = Limits { cpu_seconds: build.cpu_seconds, ..COMPILE };
        let ended = self.launchers.run(runner, limits)?;
        ran.stdout = printed(&folder.join(STDOUT))?;
        ran.over_limit = over_limit(&ended);
        ran.stderr = ended.stderr;
        Ok(ran)
    }

    /// In memory where there is room: a run writes many small files.
    fn scratch(&self) -> Result<Scratch, CacheError> {
        self.cache.memory_scratch().map_or_else(|| self.cache.scratch(), Ok)
    }

    fn tool(&self, program: &Path, arguments: Vec<String>, folder: &Path, tool: Tool) -> Launch {
        Launch {
            program: program.to_owned(),
            arguments,
            environment: Vec::new(),
            folder: folder.to_owned(),
            read: Vec::new(),
            run: Vec::new(),
            output: None,
            tool,
        }
    }
}

fn printed(path: &PathBuf) -> Result<String, SimulateError> {
    use std::io::Read;
    let failed = |source| file_error(path, source);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(STDOUT_SIZE_MAX as u64).read_to_end(&mut bytes).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn file_error(path: &Path, source: std::io::Error) -> SimulateError {
    SimulateError::File { path: path.display().to_string(), source }
}

/// A run that a signal ended was stopped by a limit or broke down; either way its output is not whole.
fn over_limit(ended: &Ended) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    Some(match ended.status().signal()? {
        24 => "more CPU time than allowed".to_owned(),
        25 => "more output than allowed".to_owned(),
        6 => "vvp aborted (out of memory?)".to_owned(),
        11 => "vvp crashed".to_owned(),
        signal => format!("vvp was ended by signal {signal}"),
    })
}
