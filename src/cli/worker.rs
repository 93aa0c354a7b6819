//! `salv worker`: a worker process. Not for people; the stages that need workers start them.

use std::process::ExitCode;

use crate::extract::worker::{self as extracting, Extracting};
use crate::verify::fpga::board::Boarding;
use crate::verify::worker::Judging;
use crate::worker::launch::Launching;
use crate::worker::{Work, serve};

/// Serve one parent process over the socket that is standard input
#[derive(clap::Args)]
pub struct Arguments {
    /// The kind of work
    kind: String,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.kind.as_str() {
        Launching::NAME => serve(Launching)?,
        Judging::NAME => serve(Judging::default())?,
        Boarding::NAME => serve(Boarding::default())?,
        Extracting::NAME => extracting::serve()?,
        other => anyhow::bail!("no work is called `{other}`"),
    }
    Ok(ExitCode::SUCCESS)
}
