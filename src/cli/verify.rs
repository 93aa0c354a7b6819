//! `salv verify`.

use std::process::ExitCode;

/// Placeholder until the stage lands.
#[derive(clap::Args)]
pub struct Arguments {}

pub fn run(_: Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not there yet")
}
