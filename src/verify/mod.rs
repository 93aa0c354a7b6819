//! Verification: random inputs drive a candidate and its golden module, and each output is judged by
//! itself.

pub mod run;
pub mod verdict;
pub mod backend;
pub mod stimulus;
pub mod compare;
pub mod verilator;
pub mod worker;
pub mod process;
pub mod cache;
pub mod icarus;
