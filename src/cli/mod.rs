//! The command line: the only code that prints, reads the environment or picks paths.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the part that talks to a person"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod board;
mod corpus;
mod doctor;
mod eval;
mod export;
mod extract;
mod files;
mod fpga;
mod junit;
mod merge;
mod pair;
mod report;
mod run;
#[cfg(feature = "train")]
mod sampler;
mod server;
mod show;
mod start;
mod summary;
mod tools;
pub mod torch;
#[cfg(feature = "train")]
mod trainer;
mod vcd;
mod verify;
mod worker;

/// Judge every output signal of generated Verilog modules by itself.
#[derive(Parser)]
#[command(name = "salv", version, arg_required_else_help = true)]
struct Arguments {
    /// End when this process does, which started this one
    #[arg(long, hide = true, value_name = "PROCESS")]
    follow: Option<u32>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Corpus(corpus::Arguments),
    Verify(verify::Arguments),
    Merge(merge::Arguments),
    /// Sample candidates from a server (--server URL), or from a model's folder (by the program `salv-train`)
    Sample(torch::Arguments),
    /// Train on pairs, or merge what was trained (by the program `salv-train`)
    Train(torch::Arguments),
    Extract(extract::Arguments),
    Pair(pair::Arguments),
    Eval(eval::Arguments),
    Export(export::Arguments),
    Show(show::Arguments),
    Doctor(doctor::Arguments),
    Fpga(fpga::Arguments),
    Bench(bench::Arguments),
    #[command(hide = true)]
    Worker(worker::Arguments),
}

/// Runs the command line and returns its exit code.
pub fn run() -> ExitCode {
    let Arguments { follow, command } = Arguments::parse();
    if follow.is_some_and(|parent| !start::follow(parent)) {
        return ExitCode::FAILURE;
    }
    let outcome = match command {
        Command::Run(arguments) => self::run::run(&arguments),
        Command::Corpus(arguments) => corpus::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Merge(arguments) => merge::run(arguments),
        Command::Sample(arguments) => torch::sample(arguments),
        Command::Train(arguments) => torch::train(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Fpga(arguments) => fpga::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Worker(arguments) => worker::run(arguments),
        Command::Extract(arguments) => extract::run(arguments),
        Command::Pair(arguments) => pair::run(arguments),
        Command::Eval(arguments) => eval::run(arguments),
        Command::Export(arguments) => export::run(arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", describe(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes in a line; a cause that the error before it tells in its own words stands once.
fn describe(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::describe;
    use crate::record::RecordError;

    #[test]
    fn a_cause_stands_once() {
        let source = std::io::Error::other("no such thing");
        let told = RecordError::Open { path: "a.jsonl".into(), source };
        let error = Err::<(), _>(told).context("failed after 3 rows").expect_err("it is one");
        assert_eq!(describe(&error), "failed after 3 rows: open a.jsonl: no such thing");
    }
}
