//! salv judges every output signal of a generated Verilog module by itself against a golden module,
//! and trains language models on what it finds.
//!
//! ```text
//!  corpus ─► problems.jsonl ──► sample ─► candidates.jsonl ─► verify ─► verdicts.jsonl ─┐
//!                                 ▲                      └──► extract ─► (spans) ───────┼─► pair ─► train
//!                                 └────────────────── checkpoint ◄──────────────────────────────────┘
//! ```
//!
//! `eval` is `sample` and `verify` on the problems of a benchmark, with the benchmark's own benches. One rule for all
//! stages: one word, which names its module, its subcommand, its test and the file it writes.
//!
//! # Invariants
//!
//! - A candidate's failure is data; a failure of ours (a missing tool, a full disk, a killed worker) is
//!   an `Err`, never a verdict.
//! - The same inputs, configuration, seed and backend give the same bytes at any parallelism, batch
//!   size or load. Wall time decides no label and is written to a file of its own.
//! - Nothing a candidate prints reaches a verdict.
//! - The library prints nothing, reads no environment and picks no path: only [`cli`] does.
//! - Spans are half-open byte offsets into the text as given.
//! - `unsafe` stands in [`verify`]'s bridges to compiled models and simulated boards and in those of `model` and `train` to LibTorch,
//!   nowhere else.
//! - `salv` is not linked with LibTorch, `salv-train` is.
//! - Modules import in the order of this page, downwards never; `tests/suite/tidy.rs` checks it.

pub mod record;
pub mod verilog;
pub mod worker;

pub mod problem;

pub mod candidate;

pub mod corpus;

pub mod extract;

pub mod design;

pub mod verify;

pub mod prove;

pub mod pair;

pub mod exchange;

#[cfg(feature = "train")]
pub mod model;

#[cfg(feature = "train")]
pub mod train;

pub mod sample;

pub mod eval;

pub mod run;

pub mod cli;
