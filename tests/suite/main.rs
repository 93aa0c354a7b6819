//! The one integration-test binary: a module for each stage.

mod bench;
mod candidate;
mod corpus;
mod damage;
mod demo;
mod design;
mod differential;
mod eval;
mod extract;
mod extract_bounds;
mod extract_damage;
mod extract_second;
mod files;
mod fpga;
mod hw;
mod lanes;
#[cfg(feature = "train")]
mod model;
mod mutants;
mod pair;
mod record;
mod run;
#[cfg(feature = "train")]
mod sample;
mod sample_server;
mod show;
mod stimulus;
mod tidy;
#[cfg(feature = "train")]
mod train;
mod verify;
mod verilog;
