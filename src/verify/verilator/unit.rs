//! Many members to one shared object: the runtime and the precompiled header once per machine, then one
//! C++ unit for each batch.
//!
//! A member that the compiler refuses is found by the name of its file in the diagnostics and dropped;
//! the others are compiled again without it. Results lie in the cache by the hash of all that went in.

use std::fs;
use std::path::{Path, PathBuf};

use super::harvest::Member;
use crate::verify::cache::{Cache, CacheError};
use crate::verify::process::{self, Ended, Limits, ProcessError};

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
    pub cxx: PathBuf,
    /// First line of its version message.
    pub cxx_version: String,
    /// Verilator's root, which holds `include/`.
    pub verilator_root: PathBuf,
    /// Verilator's version.
    pub verilator_version: String,
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
    Process(#[from] ProcessError),
    /// The compiler fails on code of ours.
    #[error("failed to compile {what} with `{command}`: {stderr}")]
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

/// CPU time of one compilation in seconds: a backstop; 64 usual members take 1 s.
const COMPILE_LIMITS: Limits = Limits { cpu_seconds: 240, memory: 8 << 30 };

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
    /// Builds the runtime, or finds it in the cache.
    pub fn runtime(&self, cache: &Cache) -> Result<Runtime, UnitError> {
        let key = cache.key(&[
            "runtime",
            &self.cxx.display().to_string(),
            &self.cxx_version,
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
        self.compile_own("verilator's runtime", folder, &library)
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
        if self.is_clang() {
            arguments.extend(CLANG_HEADER);
        }
        arguments.extend([source.as_str(), "-o", HEADER]);
        let key = cache.key(&["header", runtime, &arguments.join(" ")]);
        cache.folder(&key, |folder| self.compile_own("the precompiled header", folder, &arguments))
    }

    fn is_clang(&self) -> bool {
        self.cxx_version.contains("clang")
    }

    fn compile_own(&self, what: &str, folder: &Path, arguments: &[&str]) -> Result<(), UnitError> {
        let arguments = [self.flags(), arguments.iter().map(|&a| a.into()).collect()].concat();
        let ended = process::run(&self.cxx, &arguments, &[], folder, COMPILE_LIMITS)?;
        if ended.success() {
            return Ok(());
        }
        Err(self.failure(what, &arguments, &ended))
    }

    fn failure(&self, what: &str, arguments: &[String], ended: &Ended) -> UnitError {
        UnitError::Compile {
            what: what.into(),
            command: format!("{} {}", self.cxx.display(), arguments.join(" ")),
            stderr: ended.describe(),
        }
    }

    fn flags(&self) -> Vec<String> {
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
        let mut dropped: Vec<Option<String>> = vec![None; members.len()];
        loop {
            let kept: Vec<&Member> = members
                .iter()
                .zip(&dropped)
                .filter(|(_, d)| d.is_none())
                .map(|(&m, _)| m)
                .collect();
            let key = unit_key(runtime, cache, &kept, optimise);
            if let Some(path) = cache.find(&key) {
                return Ok((path, dropped));
            }
            let scratch = cache.scratch()?;
            write(&scratch.path().join("unit.cpp"), &text_of_unit(&kept))?;
            let ended = self.compile_unit(runtime, scratch.path(), optimise)?;
            if ended.success() {
                let path = cache.keep(&key, &scratch.path().join("unit.so"))?;
                return Ok((path, dropped));
            }
            let refused = refused(members, &dropped, &ended);
            if refused.is_empty() {
                return Err(self.failure("a unit of models", &["unit.cpp".into()], &ended));
            }
            for (index, message) in refused {
                dropped[index] = Some(message);
            }
        }
    }

    fn compile_unit(
        &self,
        runtime: &Runtime,
        folder: &Path,
        optimise: Optimise,
    ) -> Result<Ended, UnitError> {
        let mut arguments = self.flags();
        arguments.extend([optimise.flag().into(), "-fvisibility=hidden".into(), "-shared".into()]);
        let header = &runtime.headers[optimise as usize];
        if self.is_clang() {
            arguments.extend(["-include-pch".into(), header.join(HEADER).display().to_string()]);
        } else {
            let folders = [header, &runtime.folder];
            arguments.extend(folders.map(|folder| format!("-I{}", folder.display())));
            arguments.extend(["-include".into(), "salv_unit.h".into()]);
        }
        arguments.extend(["-o".into(), "unit.so".into(), "unit.cpp".into()]);
        Ok(process::run(&self.cxx, &arguments, &[], folder, COMPILE_LIMITS)?)
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

/// The members that the diagnostics name, with the first error of each. If the compiler died or took too
/// long it names none: then a lone member is the cause, and of several the largest is tried without.
fn refused(members: &[&Member], dropped: &[Option<String>], ended: &Ended) -> Vec<(usize, String)> {
    let alive = || members.iter().enumerate().filter(|(i, _)| dropped[*i].is_none());
    let mut refused = Vec::new();
    for (index, member) in alive() {
        let mark = format!("{}:", file_name(member));
        let error = ended
            .stderr
            .lines()
            .find(|line| line.contains(&mark) && line.contains("error:"))
            .and_then(|line| line.split("error:").nth(1));
        if let Some(message) = error {
            refused
                .push((index, format!("the C++ compiler refuses the model: {}", message.trim())));
        }
    }
    if refused.is_empty()
        && ended.killed()
        && let Some((index, _)) = alive().max_by_key(|(_, m)| m.text.len())
    {
        refused.push((index, "the C++ compiler ran out of time or memory on the model".into()));
    }
    refused
}

fn write(path: &Path, text: &str) -> Result<(), UnitError> {
    fs::write(path, text)
        .map_err(|source| UnitError::Write { path: path.display().to_string(), source })
}
