//! `salv bench`: how quick verification and extraction are, how often verdicts agree with a benchmark's own
//! test benches, how many mutants of golden modules are found, what a long run needs, and whether cones are as
//! wide as Yosys's fan-in.

use std::process::ExitCode;

use clap::{Args, Subcommand};

mod agreement;
mod cones;
mod extract;
mod handover;
mod lanes;
mod modules;
mod replay;
mod ring;
mod rows;
mod sample;
mod select;
mod speed;
mod stimulus;
mod table;
mod usage;
mod values;

/// Measure speed, agreement and strength
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Verify(speed::Arguments),
    Agreement(agreement::Arguments),
    Stimulus(stimulus::Arguments),
    Extract(extract::Arguments),
    Replay(replay::Arguments),
    Rows(rows::Arguments),
    Cones(cones::Arguments),
    Lanes(lanes::Arguments),
    Handover(handover::Arguments),
    Modules(modules::Arguments),
    Values(values::Arguments),
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.what {
        What::Verify(arguments) => speed::run(arguments),
        What::Agreement(arguments) => agreement::run(arguments),
        What::Stimulus(arguments) => stimulus::run(arguments),
        What::Extract(arguments) => extract::run(arguments),
        What::Replay(arguments) => replay::run(arguments),
        What::Rows(arguments) => rows::run(arguments),
        What::Cones(arguments) => cones::run(arguments),
        What::Lanes(arguments) => lanes::run(arguments),
        What::Handover(arguments) => handover::run(arguments),
        What::Modules(arguments) => modules::run(arguments),
        What::Values(arguments) => values::run(arguments),
    }
}
