//! The `salv-train` binary, which `salv train` runs: see `cli::train` for why it is a program of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    salv::cli::trainer::run()
}
