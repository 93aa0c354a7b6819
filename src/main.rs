//! The `salv` binary: see the library for everything.

use std::process::ExitCode;

fn main() -> ExitCode {
    salv::cli::run()
}
