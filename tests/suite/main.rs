//! The one integration-test binary: a module for each stage.

mod bench;
mod candidate;
mod corpus;
mod record;
mod tidy;
mod verilog;
