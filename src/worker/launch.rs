//! Tools started with limits and behind a barrier, and how they ended.
//!
//! In: a program, its arguments, and what it may use and reach. Out: how it ended and what it said. A process
//! of this program, a *launcher*, takes the limits on itself and then starts one tool after another, each
//! from a thread that has closed itself in ([`super::sandbox`]). Limits and barriers are inherited, so a tool
//! never runs without them. Starting this program again for each tool and letting it become the tool would do the
//! same and cost 2.5 ms each, as slang makes the program large; this way costs a thread and a message.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::sandbox::{self, Limits, Reach, TOOL_FOLDERS, Tool};
use super::{Answer, Reply, Work, Worker, WorkerError, Workers};

/// A program that could not be run: ours, never a candidate's.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The program could not be started.
    #[error("failed to start {program}: {message} (run `salv doctor` to see what is missing)")]
    Start {
        /// The program.
        program: String,
        /// The cause.
        message: String,
    },
    /// It did not say what was asked.
    #[error("failed to ask {program} for its version: {message}")]
    Version {
        /// The program.
        program: String,
        /// What it did instead.
        message: String,
    },
    /// Somebody killed it, or the machine ran out of memory.
    #[error(
        "{program} was killed by signal {signal} from outside (out of memory? fewer --threads need less); --resume continues the run"
    )]
    Killed {
        /// The program.
        program: String,
        /// The signal.
        signal: i32,
    },
    /// The process that starts tools failed.
    #[error("failed to start {program} through a launcher")]
    Launcher {
        /// The program.
        program: String,
        /// The cause.
        source: WorkerError,
    },
}

/// A tool to be run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables added to its environment.
    pub environment: Vec<(String, PathBuf)>,
    /// Its working folder, which it may write in and where its temporary files go.
    pub folder: PathBuf,
    /// What it may read beside its own folder and those of system tools.
    pub read: Vec<PathBuf>,
    /// The file in its folder that its standard output goes to; without one it is thrown away.
    pub output: Option<String>,
    /// What it may read and execute beside system tools and its own installation.
    pub run: Vec<PathBuf>,
    /// What else it does.
    pub tool: Tool,
}

/// How a program ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// Exit status as the system gives it.
    status: i32,
    /// The first 256 KiB of its standard error.
    pub stderr: String,
}

/// Bytes kept of a program's messages.
const STDERR_SIZE_MAX: u64 = 256 << 10;

/// Runs a program that only says something of itself, and returns the first line of it that is not blank.
///
/// It is started at once, without limits or a barrier: it is given nothing that a candidate wrote.
pub fn first_line(command: &mut Command) -> Result<String, LaunchError> {
    let program = Path::new(command.get_program()).display().to_string();
    let failed = |message| LaunchError::Version { program: program.clone(), message };
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("{} {}", output.status, said.trim()).trim().to_owned()));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    line.map(str::to_owned).ok_or_else(|| failed("it printed nothing".into()))
}

impl Ended {
    /// Exit status.
    pub fn status(&self) -> ExitStatus {
        ExitStatus::from_raw(self.status)
    }

    /// Whether it did what it was asked.
    pub fn success(&self) -> bool {
        self.status().success()
    }

    /// Whether a signal ended it or a part of it, its own or the one of a limit.
    pub fn killed(&self) -> bool {
        self.status().signal().is_some()
            || self.stderr.contains("signal terminated program")
            || self.stderr.contains("unable to execute command:")
    }

    /// Whether somebody else ended a part of it: no limit of ours sends this signal first.
    pub fn killed_from_outside(&self) -> bool {
        self.stderr.contains("Killed signal terminated program")
            || self.stderr.contains("unable to execute command: Killed")
    }

    /// The status and the first lines of its messages.
    pub fn describe(&self) -> String {
        let lines: Vec<&str> = self.stderr.lines().take(12).collect();
        format!("{}: {}", self.status(), lines.join("\n"))
    }
}

/// Processes that start tools, kept for the next tool with the same limits.
#[derive(Clone, Debug)]
pub struct Launchers {
    workers: Workers,
    idle: Arc<Mutex<Vec<Launcher>>>,
}

#[derive(Debug)]
struct Launcher {
    kind: (Limits, Tool),
    worker: Worker<Launching>,
    started: u32,
}

/// Tools that one launcher starts. Its own CPU time counts against the limit that it hands on: some 0.1 ms
/// for each tool.
const TOOLS_OF_LAUNCHER: u32 = 10_000;

impl Launchers {
    /// Launchers are workers.
    pub fn new(workers: Workers) -> Launchers {
        Launchers { workers, idle: Arc::default() }
    }

    /// Runs a tool to its end.
    pub fn run(&self, launch: Launch, limits: Limits) -> Result<Ended, LaunchError> {
        let program = launch.program.display().to_string();
        let failed = |source| LaunchError::Launcher { program: program.clone(), source };
        let mut launcher = self.take((limits, launch.tool)).map_err(failed)?;
        launcher.started += 1;
        launcher.worker.ask(&Request::Launch(launch)).map_err(failed)?;
        let ended = match launcher.worker.hear().map_err(failed)? {
            Answer::Event(ended) => ended,
            Answer::Died(how) | Answer::Panicked(how) => {
                return Err(failed(WorkerError::Failed(format!("it {how}"))));
            }
            Answer::Left(status) => return Err(failed(WorkerError::Left(status))),
        };
        if launcher.started < TOOLS_OF_LAUNCHER {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(launcher);
        }
        let ended =
            ended.map_err(|message| LaunchError::Start { program: program.clone(), message })?;
        match ended.status().signal() {
            Some(signal @ (9 | 15 | 2 | 1)) => Err(LaunchError::Killed { program, signal }),
            _ => Ok(ended),
        }
    }

    /// Ends those that wait for the next tool.
    pub fn rest(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A launcher with these limits for such tools, an idle one if there is any.
    fn take(&self, kind: (Limits, Tool)) -> Result<Launcher, WorkerError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = idle.iter().position(|launcher| launcher.kind == kind) {
            return Ok(idle.swap_remove(at));
        }
        drop(idle);
        let mut worker = self.workers.start_with_environment::<Launching>()?;
        worker.ask(&Request::Limit(kind.0, kind.1))?;
        Ok(Launcher { kind, worker, started: 0 })
    }
}

/// What a launcher can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Take these limits, for this process and all tools that it launches, which are such; no answer.
    Limit(Limits, Tool),
    /// Run a tool.
    Launch(Launch),
}

/// A worker that launches tools. It reads nothing of a candidate itself; it holds the tools' limits and hands
/// them on.
#[derive(Debug)]
pub struct Launching;

impl Work for Launching {
    const NAME: &'static str = "launch";
    type Request = Request;
    /// A tool has ended, or why it could not be started.
    type Event = Result<Ended, String>;

    fn answer(
        &mut self,
        request: Request,
        reply: &mut Reply<Self::Event>,
    ) -> Result<(), WorkerError> {
        match request {
            Request::Limit(limits, tool) => {
                limits.set()?;
                Ok(sandbox::enclose_launcher(tool)?)
            }
            Request::Launch(tool) => reply.send(&launch(&tool)?),
        }
    }
}

/// In the launcher: starts a tool from an enclosed thread and waits for its end. The inner error says why it
/// could not be started.
fn launch(launch: &Launch) -> Result<Result<Ended, String>, WorkerError> {
    let thread = std::thread::scope(|scope| scope.spawn(|| launch_enclosed(launch)).join());
    thread.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn launch_enclosed(launch: &Launch) -> Result<Result<Ended, String>, WorkerError> {
    sandbox::enclose_tool(&reach(launch))?;
    let output = match &launch.output {
        None => Stdio::null(),
        Some(name) => match File::create(launch.folder.join(name)) {
            Ok(file) => Stdio::from(file),
            Err(error) => return Ok(Err(format!("{name}: {error}"))),
        },
    };
    let spawned = Command::new(&launch.program)
        .args(&launch.arguments)
        .envs(launch.environment.iter().map(|(name, value)| (name, value)))
        .env("LC_ALL", "C")
        .env("TMPDIR", &launch.folder)
        .current_dir(&launch.folder)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let mut stderr = Vec::new();
    if let Some(mut pipe) = child.stderr.take() {
        (&mut pipe)
            .take(STDERR_SIZE_MAX)
            .read_to_end(&mut stderr)
            .and_then(|_| std::io::copy(&mut pipe, &mut std::io::sink()))
            .map_err(WorkerError::Link)?;
    }
    let status = child.wait().map_err(WorkerError::Link)?.into_raw();
    Ok(Ok(Ended { status, stderr: String::from_utf8_lossy(&stderr).into_owned() }))
}

/// A tool reads the folders of the system's tools and of its own installation.
fn reach(launch: &Launch) -> Reach {
    let system = TOOL_FOLDERS.iter().map(PathBuf::from);
    let installed: Vec<PathBuf> = system.chain(installation(&launch.program)).collect();
    let devices = DEVICES.iter().map(PathBuf::from);
    let mut read: Vec<PathBuf> = launch.read.iter().cloned().chain(devices).collect();
    let run = match launch.tool {
        Tool::Driver => installed.into_iter().chain(launch.run.iter().cloned()).collect(),
        Tool::Alone => {
            read.extend(installed);
            let loaders = LOADERS.iter().map(PathBuf::from);
            std::iter::once(launch.program.clone()).chain(loaders).collect()
        }
    };
    Reach { read, run, write: vec![launch.folder.clone(), "/dev/null".into()] }
}

const DEVICES: [&str; 3] = ["/dev/zero", "/dev/random", "/dev/urandom"];

/// What loads a program and is executed with it; folders where the name holds a version or a hash.
const LOADERS: [&str; 7] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux-riscv64-lp64d.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
    "/nix/store",
    "/gnu/store",
];

/// The folders of a program's own installation, beside its `bin`: where a compiler that is not the system's
/// has its headers and parts. The folder above is not given whole, for it may be somebody's home.
fn installation(program: &Path) -> Vec<PathBuf> {
    let program = program.canonicalize().unwrap_or_else(|_| program.to_path_buf());
    let Some(above) = program.parent().filter(|bin| bin.ends_with("bin")).and_then(Path::parent)
    else {
        return Vec::new();
    };
    let of_tools = |name: &str| {
        ["bin", "lib", "lib32", "lib64", "libexec", "include", "share"].contains(&name)
            || name.contains("-linux-")
    };
    let entries = std::fs::read_dir(above).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(of_tools))
        .map(|entry| entry.path())
        .collect()
}
