//! The `salv-train` binary, which `salv train` and `salv sample` run: see `cli::torch` for why it is a program of its
//! own.

use std::process::ExitCode;

fn main() -> ExitCode {
    salv::cli::torch::take_over()
}
