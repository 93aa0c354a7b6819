//! Verification: random inputs drive a candidate and its golden module, and each output is judged by
//! itself.
//!
//! [`run`] takes candidates in and gives verdicts out; a [`backend`] is given a [`stimulus`] and gives counts,
//! or a trace where a person asks for one; [`compare`] is the comparison and [`verdict`] what is said of it.
//! Candidates are read and run in worker processes only ([`crate::worker`]).
//!
//! # Where lanes and verilator differ
//!
//! [`lanes`] have four states and power up undefined, as another simulator does. Where an unknown bit decides something after the
//! golden module's reset, both sides run from random power-up states as with [`verilator`]. What remains:
//!
//! - **Nets with several drivers.** Drivers that differ give x (IEEE 1800-2017, table 28-1); Verilator takes one.
//! - **Loops of gates.** One that settles at x is `wrong` by `unknown` bits; Verilator settles at a value, or does not.
//! - **`always @*`** waits for a change: it does not start itself by what it writes, and it does not run where its inputs
//!   never change (9.4.2). Verilator runs it at the start, and again for its own writes, if need be for ever (`timeout`).
//! - **Nonblocking writes in combinational processes** take effect later (10.4.2); Verilator takes them for blocking ones.
//!   Of two processes that write a variable so at one edge the later in the text wins, a race.
//! - **Selects that lie outside** of a vector are x wherever they stand; compiled, what the rewriting misses is not.
//! - **Blocking and nonblocking writes** of one variable: a z that a nonblocking one writes is x in lanes.
//! - **An endless loop without effect** ends a candidate in lanes (`timeout`); a C++ compiler may leave it out.
//! - **Texts that Verilator refuses** and lanes do not.
//!
//! `tests/agreement/lanes.tsv` has all differences on 8,888 real candidates, and `tests/agreement/values.tsv` those between
//! lanes and Icarus on 32,592, in all values of four states.
//!
//! # Where verdicts may differ from those of another simulator
//!
//! The rule is: value mismatches as on hardware, X by the bits that the golden module defines. A backend
//! with two states sees X by running modules from many power-up states and by the rewrites of
//! [`crate::design`]. What remains, each with a case in `tests/fixtures/verify`:
//!
//! - **X of `if`, `case` and feedback.** A golden bit that comes out the same from every power-up state is
//!   defined here and may be X in four states, as `full = count == 4` of a counter that nothing has set. So
//!   nothing is compared before each reset of the golden module has reset it, unless all its registers have
//!   initial values. What is left are golden modules without any reset that their inputs bring to a known
//!   state: a candidate that stays undefined there is `wrong` by `unknown` bits only.
//! - **A function's hidden inputs**, what it reads beside its arguments, start a continuous assignment or an `always @*` that
//!   calls it, as on hardware; IEEE 1800-2017 says so of `always_comb` alone (9.2.2.2.1).
//! - **Power-up.** Whether a bit is defined is sampled: 16 power-up states, 256 where a candidate differs. A
//!   comparison with a rare constant can still be the same in all of them.
//! - **Races.** Where a process may run before the drivers of what it reads, the candidate is run in that order
//!   as well as in Verilator's, and an output that is wrong only there is wrong by `order`. What cannot be
//!   put in another order in the text (two processes that write one variable, two that read each other's) has
//!   Verilator's. All outputs behind a race are named in `races`. Of golden modules one order is taken.
//! - **X of an index.** A select of more than 64 bits, one in a macro, and one in a module whose instances differ
//!   in the range that they select from read something defined where they leave it.
//! - **Loops without effect.** A loop that writes nothing that is read is removed when the model is made, even
//!   if it never ends; another simulator hangs on it.
//! - **Z.** An output that may be Z is `unsupported`; a net that nothing drives counts as undefined.
//! - **Delays** count as zero.

pub mod run;

pub mod verdict;

pub mod backend;
pub mod stimulus;

pub mod compare;

pub mod lanes;

pub mod verilator;

pub mod fpga;

pub mod elaborator;
pub mod worker;

pub mod cache;

pub mod differential;
pub mod icarus;
