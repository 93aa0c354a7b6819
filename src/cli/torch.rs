//! `salv train` and `salv sample`: hand their arguments to the program `salv-train`, which lies beside this one. Both
//! ends of the hand-over are here. Only a server is sampled by `salv` itself ([`super::server`]).
//!
//! Two programs, because LibTorch is loaded when a program that is linked with it starts, whether it is used
//! or not: 0.30 s of CPU time and 120 MB, measured, against 0.00 s and 10 MB. `salv` starts a worker process
//! for each batch of candidates and would pay it every time. Leaving it to the linker does not help: the code
//! that nothing uses is dropped, but the static initialisers of LibTorch's bindings stay and ask for it. So
//! `salv` is built without the feature `train`, and `salv-train` with it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};

use super::server;

/// What the other program is given first if it is to sample; else it trains.
pub const SAMPLE: &str = "sample";

/// Arguments that the other program reads.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Arguments {
    /// See --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Becomes the program that trains.
pub fn train(arguments: Arguments) -> anyhow::Result<ExitCode> {
    hand_over(arguments.rest)
}

/// Becomes the program that samples, unless a server is to be asked. Where that program is not there, `--help` shows
/// what is.
pub fn sample(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let asks = |word: &OsString| word == "--help" || word == "-h";
    let wants_help = arguments.rest.is_empty() || arguments.rest.iter().any(asks);
    if server::is_meant(&arguments.rest) || wants_help && find().is_err() {
        return server::run(arguments.rest);
    }
    hand_over([OsString::from(SAMPLE)].into_iter().chain(arguments.rest))
}

/// Whether these words after `salv` are for the other program.
pub fn is_meant(command: &[String]) -> bool {
    match command.first().map(String::as_str) {
        Some("train") => true,
        Some(SAMPLE) => !server::is_meant(&command.iter().map(OsString::from).collect::<Vec<_>>()),
        _ => false,
    }
}

fn hand_over(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<ExitCode> {
    let program = find()?;
    let error = Command::new(&program).args(arguments).exec();
    Err(error).with_context(|| format!("failed to run {}", program.display()))
}

/// What `salv-train` does with its arguments; returns its exit code.
#[cfg(feature = "train")]
pub fn take_over() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(first) if first == SAMPLE => super::sampler::run(std::env::args_os().skip(1)),
        _ => super::trainer::run(),
    }
}

/// Finds the program beside this one.
pub fn find() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("failed to find this program's own file")?;
    let program = own.with_file_name("salv-train");
    ensure!(
        program.is_file(),
        "{} is not there: this salv was built without the half that needs LibTorch (run scripts/setup --with-train, then `cargo build --release --features train --bin salv-train`)",
        program.display()
    );
    Ok(program)
}
