//! Many members to one shared object: the runtime and the precompiled header once per machine, then one
//! C++ unit for each batch.
//!
//! A member is dropped only when it does not compile alone, twice, while a unit without members does in the
//! same place: so neither its company, nor a full disk, nor a broken compiler is taken for its fault. Who is
//! tried alone is found by the names of files in the diagnostics, and where they name none (the compiler died)
//! by halves. Results lie in the cache by the hash of all that went in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::harvest::Member;
use crate::verify::cache::{Cache, CacheError, Scratch};
use crate::worker::launch::{Ended, Launch, LaunchError, Launchers, first_line};
use crate::worker::sandbox::{Limits, Tool};

/// How the models are optimised. It changes the speed of a run, never a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimise {
    /// `-O0`: quickest to build, for up to some ten thousand vectors.
    Build,
    /// `-Og`: half the code of `-O0` for a fifth more time in g++; `-O1` takes half as much again.
    Run,
}

impl Optimise {
    fn flag(self) -> &'static str {
        match self {
            Optimise::Build => "-O0",
            Optimise::Run => "-Og",
        }
    }
}

/// The C++ compiler and Verilator, and where the results go.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// The C++ compiler.
    cxx: PathBuf,
    /// First line of its version message, once it was asked: clang takes 20 ms to say it.
    cxx_version: OnceLock<String>,
    /// Verilator's root, which holds `include/`.
    pub verilator_root: PathBuf,
    /// Verilator's version.
    pub verilator_version: String,
    /// What starts the compiler.
    pub launchers: Launchers,
}

/// What keeps a unit from being built; never a member's fault.
#[derive(Debug, thiserror::Error)]
pub enum UnitError {
    /// The cache folder cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A file could not be written.
    #[error("failed to write {path} (is the disk full?)")]
    Write {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The compiler could not be started.
    #[error(transparent)]
    Process(#[from] LaunchError),
    /// Members compile alone and not together: they are too many for the compiler's limits.
    #[error("failed to compile {0} models together, each of which compiles alone")]
    TooMany(usize),
    /// The compiler fails on code of ours.
    #[error(
        "failed to compile {what} with `{command}` (is the disk full? `salv doctor` tries the compiler): {stderr}"
    )]
    Compile {
        /// What was compiled.
        what: String,
        /// The command line.
        command: String,
        /// What the compiler said.
        stderr: String,
    },
}

const MODEL_H: &str = include_str!("../../../cpp/include/salv_model.h");
const UNIT_H: &str = include_str!("../../../cpp/include/salv_unit.h");
const RUNTIME_CPP: &str = include_str!("../../../cpp/src/runtime.cpp");

/// Flags of all that is compiled, apart from the optimisation.
const FLAGS: &[&str] = &[
    "-std=c++17",
    "-fPIC",
    "-w",
    "-DVM_COVERAGE=0",
    "-DVM_SC=0",
    "-DVM_TIMING=0",
    "-DVM_TRACE=0",
    "-DVM_TRACE_FST=0",
    "-DVM_TRACE_VCD=0",
];

/// What clang needs beside: templates that the header uses are made once and not in each unit (0.2 s of it),
/// and a Verilator that was unpacked again is the same as before.
const CLANG_HEADER: &[&str] = &["-fpch-instantiate-templates", "-Xclang", "-fno-pch-timestamp"];

/// Of one compilation: a backstop; 64 usual members take 1 s.
pub(in crate::verify) const COMPILE_LIMITS: Limits =
    Limits { cpu_seconds: 240, memory: 8 << 30, file_size: 2 << 30, open_files: 1024 };

/// Of the second try of a member alone.
const COMPILE_LIMITS_ALONE: Limits = Limits { cpu_seconds: 480, ..COMPILE_LIMITS };

/// The runtime and the precompiled headers of this machine.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Verilator's runtime as a shared object.
    pub library: PathBuf,
    folder: PathBuf,
    key: String,
    /// Folders of the precompiled headers, for [`Optimise::Build`] and [`Optimise::Run`].
    headers: [PathBuf; 2],
}

/// The file name of a precompiled header. g++ looks for it in the folders of headers, beside which it need not
/// lie; clang takes its path.
const HEADER: &str = "salv_unit.h.gch";

impl Compiler {
    /// The compiler `cxx` with the Verilator of this root and version; neither is started.
    pub fn new(
        cxx: PathBuf,
        verilator_root: PathBuf,
        verilator_version: String,
        launchers: Launchers,
    ) -> Compiler {
        let cxx_version = OnceLock::new();
        Compiler { cxx, cxx_version, verilator_root, verilator_version, launchers }
    }

    /// The first line of the compiler's version message.
    pub fn cxx_version(&self) -> Result<&str, UnitError> {
        if let Some(version) = self.cxx_version.get() {
            return Ok(version);
        }
        let version = first_line(Command::new(&self.cxx).arg("--version"))?;
        Ok(self.cxx_version.get_or_init(|| version))
    }

    /// Builds the runtime, or finds it in the cache.
    pub fn runtime(&self, cache: &Cache) -> Result<Runtime, UnitError> {
        let key = cache.key(&[
            "runtime",
            &self.cxx.display().to_string(),
            self.cxx_version()?,
            &self.verilator_root.display().to_string(),
            &self.verilator_version,
            MODEL_H,
            UNIT_H,
            RUNTIME_CPP,
            &FLAGS.join(" "),
        ]);
        let folder = cache.folder(&key, |folder| self.build_runtime(folder))?;
        let header = |optimise| self.header(cache, &key, &folder, optimise);
        let headers = [header(Optimise::Build)?, header(Optimise::Run)?];
        Ok(Runtime { library: folder.join("libsalv_runtime.so"), folder, key, headers })
    }

    fn build_runtime(&self, folder: &Path) -> Result<(), UnitError> {
        write(&folder.join("salv_model.h"), MODEL_H)?;
        write(&folder.join("salv_unit.h"), UNIT_H)?;
        write(&folder.join("runtime.cpp"), RUNTIME_CPP)?;
        let library = [
            "-O2",
            "-shared",
            "-o",
            "libsalv_runtime.so",
            "runtime.cpp",
            "-pthread",
            "-Wl,--as-needed",
            "-latomic",
        ];
        self.compile_own("verilator's runtime", folder, &library, Vec::new())
    }

    /// Precompiles the header of units, or finds it in the cache, and returns its folder.
    ///
    /// It is an entry of its own, made when the runtime's folder has its final name: clang writes down where
    /// the text of a precompiled header lies and wants it there.
    fn header(
        &self,
        cache: &Cache,
        runtime: &str,
        folder: &Path,
        optimise: Optimise,
    ) -> Result<PathBuf, UnitError> {
        let source = folder.join("salv_unit.h").display().to_string();
        let mut arguments = vec!["-x", "c++-header", optimise.flag(), "-fvisibility=hidden"];
        if self.is_clang()? {
            arguments.extend(CLANG_HEADER);
        }
        arguments.extend([source.as_str(), "-o", HEADER]);
        let key = cache.key(&["header", runtime, &arguments.join(" ")]);
        let read = vec![folder.to_path_buf()];
        cache.folder(&key, |entry| {
            self.compile_own("the precompiled header", entry, &arguments, read)
        })
    }

    fn is_clang(&self) -> Result<bool, UnitError> {
        Ok(self.cxx_version()?.contains("clang"))
    }

    fn compile_own(
        &self,
        what: &str,
        folder: &Path,
        arguments: &[&str],
        read: Vec<PathBuf>,
    ) -> Result<(), UnitError> {
        let arguments = [self.flags(), arguments.iter().map(|&a| a.into()).collect()].concat();
        let ended = self.run(&arguments, folder, read, COMPILE_LIMITS)?;
        if ended.success() {
            return Ok(());
        }
        Err(self.failure(what, &arguments, &ended))
    }

    /// Runs the compiler in a folder.
    pub(in crate::verify) fn run(
        &self,
        arguments: &[String],
        folder: &Path,
        mut read: Vec<PathBuf>,
        limits: Limits,
    ) -> Result<Ended, LaunchError> {
        read.push(self.verilator_root.join("include"));
        let launch = Launch {
            program: self.cxx.clone(),
            arguments: arguments.to_vec(),
            environment: Vec::new(),
            folder: folder.to_path_buf(),
            read,
            output: None,
            run: Vec::new(),
            tool: Tool::Driver,
        };
        self.launchers.run(launch, limits)
    }

    fn failure(&self, what: &str, arguments: &[String], ended: &Ended) -> UnitError {
        UnitError::Compile {
            what: what.into(),
            command: format!("{} {}", self.cxx.display(), arguments.join(" ")),
            stderr: ended.describe(),
        }
    }

    /// The flags of all that is compiled.
    pub(in crate::verify) fn flags(&self) -> Vec<String> {
        let include = self.verilator_root.join("include");
        let mut flags: Vec<String> = FLAGS.iter().map(|&f| f.into()).collect();
        flags.extend([
            format!("-I{}", include.display()),
            format!("-I{}", include.join("vltstd").display()),
            "-I.".into(),
        ]);
        flags
    }

    /// Compiles `members` to one shared object.
    ///
    /// Returns its path, and for each member why it was dropped, if it was.
    pub fn unit(
        &self,
        runtime: &Runtime,
        cache: &Cache,
        members: &[&Member],
        optimise: Optimise,
    ) -> Result<(PathBuf, Vec<Option<String>>), UnitError> {
        let build = Build { compiler: self, runtime, cache, optimise };
        let mut dropped: Vec<Option<String>> = vec![None; members.len()];
        loop {
            let kept: Vec<usize> = (0..members.len()).filter(|&i| dropped[i].is_none()).collect();
            let only = |kept: &[usize]| kept.iter().map(|&i| members[i]).collect::<Vec<&Member>>();
            let ended = match build.attempt(&only(&kept), COMPILE_LIMITS)? {
                Ok(path) => return Ok((path, dropped)),
                Err(ended) => ended,
            };
            let named: Vec<usize> =
                kept.iter().copied().filter(|&i| message(members[i], &ended).is_some()).collect();
            let mut refused = build.refused(members, &named)?;
            if refused.is_empty() {
                refused = build.refused(members, &kept)?;
            }
            if refused.is_empty() {
                // Another try may have been luckier than the first: what stood in the way is gone.
                return match build.attempt(&only(&kept), COMPILE_LIMITS)? {
                    Ok(path) => Ok((path, dropped)),
                    Err(_) => {
                        // A disk that is nearly full takes one and not all.
                        cache.check_room()?;
                        Err(UnitError::TooMany(kept.len()))
                    }
                };
            }
            for (index, message) in refused {
                dropped[index] = Some(message);
            }
        }
    }
}

/// What all attempts at a unit share.
struct Build<'a> {
    compiler: &'a Compiler,
    runtime: &'a Runtime,
    cache: &'a Cache,
    optimise: Optimise,
}

impl Build<'_> {
    /// Compiles `members` together, or says how the compiler ended.
    fn attempt(
        &self,
        members: &[&Member],
        limits: Limits,
    ) -> Result<Result<PathBuf, Ended>, UnitError> {
        let key = unit_key(self.runtime, self.cache, members, self.optimise);
        if let Some(path) = self.cache.find(&key) {
            return Ok(Ok(path));
        }
        let (scratch, ended) = self.compile(members, limits)?;
        if !ended.success() {
            return Ok(Err(ended));
        }
        Ok(Ok(self.cache.keep(&key, &scratch.path().join("unit.so"))?))
    }

    /// Those of `members` at `indices` that do not compile alone, with the reason, found by halves.
    fn refused(
        &self,
        members: &[&Member],
        indices: &[usize],
    ) -> Result<Vec<(usize, String)>, UnitError> {
        match indices {
            [] => return Ok(Vec::new()),
            [only] => {
                let why = self.refused_alone(members[*only])?;
                return Ok(why.map(|why| (*only, why)).into_iter().collect());
            }
            _ => {}
        }
        let together: Vec<&Member> = indices.iter().map(|&i| members[i]).collect();
        if self.attempt(&together, COMPILE_LIMITS)?.is_ok() {
            return Ok(Vec::new());
        }
        let (left, right) = indices.split_at(indices.len() / 2);
        let mut refused = self.refused(members, left)?;
        refused.extend(self.refused(members, right)?);
        Ok(refused)
    }

    /// Why the compiler does not take a member by itself, twice, if it does not.
    fn refused_alone(&self, member: &Member) -> Result<Option<String>, UnitError> {
        if self.attempt(&[member], COMPILE_LIMITS)?.is_ok() {
            return Ok(None);
        }
        // Where nothing can be compiled, nothing is said about the member.
        let (_, ended) = self.compile(&[], COMPILE_LIMITS)?;
        if !ended.success() {
            let what = "a unit without any model";
            return Err(self.compiler.failure(what, &["unit.cpp".into()], &ended));
        }
        let Err(ended) = self.attempt(&[member], COMPILE_LIMITS_ALONE)? else { return Ok(None) };
        if ended.killed_from_outside() {
            let program = self.compiler.cxx.display().to_string();
            return Err(LaunchError::Killed { program, signal: 9 }.into());
        }
        self.cache.check_room()?;
        let said = match message(member, &ended) {
            Some(message) => format!("refuses the model: {message}"),
            None if ended.killed() || ended.stderr.contains("memory") => {
                "runs out of time or memory on the model".into()
            }
            None => "fails on the model".into(),
        };
        Ok(Some(format!("the C++ compiler {said}")))
    }

    /// Writes a unit of `members` to a scratch folder and compiles it there to `unit.so`.
    fn compile(&self, members: &[&Member], limits: Limits) -> Result<(Scratch, Ended), UnitError> {
        let scratch = self.cache.scratch()?;
        write(&scratch.path().join("unit.cpp"), &text_of_unit(members))?;
        let mut arguments = self.compiler.flags();
        let optimise = self.optimise.flag().into();
        arguments.extend([optimise, "-fvisibility=hidden".into(), "-shared".into()]);
        let header = &self.runtime.headers[self.optimise as usize];
        if self.compiler.is_clang()? {
            arguments.extend(["-include-pch".into(), header.join(HEADER).display().to_string()]);
        } else {
            let folders = [header, &self.runtime.folder];
            arguments.extend(folders.map(|folder| format!("-I{}", folder.display())));
            arguments.extend(["-include".into(), "salv_unit.h".into()]);
        }
        arguments.extend(["-o".into(), "unit.so".into(), "unit.cpp".into()]);
        let read = vec![self.runtime.folder.clone(), header.clone()];
        let ended = self.compiler.run(&arguments, scratch.path(), read, limits)?;
        Ok((scratch, ended))
    }
}

fn unit_key(runtime: &Runtime, cache: &Cache, members: &[&Member], optimise: Optimise) -> String {
    let mut parts = vec!["unit", &runtime.key, optimise.flag()];
    for member in members {
        parts.extend([member.symbol.as_str(), member.text.as_str()]);
    }
    cache.key(&parts)
}

/// The members in one file, each under a name of its own in diagnostics.
fn text_of_unit(members: &[&Member]) -> String {
    let mut text = String::new();
    for member in members {
        text += &format!("#line 1 \"{}\"\n{}", file_name(member), member.text);
    }
    text
}

fn file_name(member: &Member) -> String {
    format!("{}.inc", member.symbol)
}

/// What the diagnostics say first of the member, if they name it.
fn message<'a>(member: &Member, ended: &'a Ended) -> Option<&'a str> {
    let mark = format!("{}:", file_name(member));
    let line = ended.stderr.lines().find(|line| line.contains(&mark) && line.contains("error:"))?;
    line.split("error:").nth(1).map(str::trim)
}

fn write(path: &Path, text: &str) -> Result<(), UnitError> {
    fs::write(path, text)
        .map_err(|source| UnitError::Write { path: path.display().to_string(), source })
}
