//! Verification: random inputs drive a candidate and its golden module, and each output is judged by
//! itself.

pub mod backend;
pub mod cache;
pub mod compare;
pub mod icarus;
pub mod process;
pub mod run;
pub mod stimulus;
pub mod verdict;
pub mod verilator;
pub mod worker;
