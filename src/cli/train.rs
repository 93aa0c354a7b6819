//! `salv train`: hands its arguments to the program `salv-train`, which lies beside this one.
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

/// Train on pairs, or merge what was trained (by the program `salv-train`)
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Arguments {
    /// See `salv train --help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Becomes `salv-train`.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let program = find()?;
    let error = Command::new(&program).args(arguments.rest).exec();
    Err(error).with_context(|| format!("failed to run {}", program.display()))
}

/// Finds the program beside this one.
pub fn find() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("failed to find this program's own file")?;
    let program = own.with_file_name("salv-train");
    ensure!(
        program.is_file(),
        "{} is not there: this salv was built without the trainer, which needs LibTorch (run scripts/setup --with-train, then `cargo build --release --features train --bin salv-train`)",
        program.display()
    );
    Ok(program)
}
