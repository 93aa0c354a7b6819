//! Verification: random inputs drive a candidate and its golden module, and each output is judged by
//! itself.
//!
//! [`run`] takes candidates in and gives verdicts out; a [`backend`] is given a [`stimulus`] and gives counts,
//! or a trace where a person asks for one; [`compare`] is the comparison and [`verdict`] what is said of it.
//! Candidates are read and run in [`worker`] processes only.
//!
//! # Where verdicts may differ from those of another simulator
//!
//! The rule is: value mismatches as on hardware, X by the bits that the golden module defines. A backend
//! with two states sees X by running modules from many power-up states and by the rewrites of
//! [`crate::design`]. What remains, each with a case in `tests/fixtures/verify`:
//!
//! - **X of `if`, `case` and feedback.** A golden bit that comes out the same from every power-up state is
//!   defined here and may be X in four states: a state machine without reset that its inputs bring to a
//!   known state, or `full = count == 4` before the first reset. A candidate that stays undefined there is
//!   `wrong` by `unknown` bits only.
//! - **Power-up.** Whether a bit is defined is sampled: 16 power-up states, 256 where a candidate differs. A
//!   comparison with a rare constant can still be the same in all of them.
//! - **Races.** A value that depends on the order of processes is that of Verilator's order; the outputs
//!   that it reaches are named in `races`.
//! - **Loops without effect.** A loop that writes nothing that is read is removed when the model is made, even
//!   if it never ends; another simulator hangs on it.
//! - **Z.** An output that may be Z is `unsupported`; a net that nothing drives counts as undefined.
//! - **Delays** count as zero.

pub mod run;

pub mod verdict;

pub mod backend;
pub mod stimulus;

pub mod compare;

pub mod verilator;

pub mod worker;

pub mod process;

pub mod sandbox;

pub mod cache;

pub mod icarus;
