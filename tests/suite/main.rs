//! The one integration-test binary: a module for each stage.

mod candidate;
mod corpus;
mod record;
mod show;
mod tidy;
mod verify;
mod verilog;
