//! `salv worker`: a worker process. Not for people; `verify` starts it.

use std::process::ExitCode;

/// Serve one parent process over the socket that is standard input
#[derive(clap::Args)]
pub struct Arguments {}

pub fn run(_: Arguments) -> anyhow::Result<ExitCode> {
    crate::verify::worker::serve()?;
    Ok(ExitCode::SUCCESS)
}
