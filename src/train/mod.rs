//! Training: sequences with a weight for each token in, an adapter or a model out.
//!
//! [`data`] reads files of rows, [`batch`] makes of texts and byte spans the tokens and weights that [`loss`] sums
//! over, [`engine`] runs the model forwards and backwards, and [`sft`] and [`dpo`] are what is learnt. [`run`] is the
//! loop over steps, with [`order`], [`schedule`], [`optim`] and, over several processes, [`parallel`]; it writes into
//! a [`folder`], numbers also as [`events`]. Spans come from the extraction of the code that implements a signal;
//! nothing here knows Verilog.
//!
//! A run is decided by its files, settings and seed: stopped and taken up again it gives the same bytes.

pub mod batch;
mod bridge;
pub mod data;
pub mod dpo;
pub mod engine;
pub mod events;
pub mod folder;
pub mod loss;
pub mod optim;
pub mod order;
pub mod parallel;
pub mod reference;
pub mod run;
pub mod schedule;
pub mod sft;

use std::path::PathBuf;

use crate::model;
use crate::record::RecordError;

/// What ends a training.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model, its adapter or its tokenizer.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// A file of rows.
    #[error("failed to {0}")]
    Record(#[from] RecordError),
    /// A file cannot be read or written.
    #[error("failed to {action} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of a checkpoint says something that cannot be.
    #[error(
        "failed to use {}: {message} (remove the folder of the last checkpoint, and --resume goes on from the checkpoint before)",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The folder holds a run.
    #[error(
        "failed to write {}: it holds a run (--resume goes on with it; or remove it, or choose another folder)",
        path.display()
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// A row cannot be made into tokens.
    #[error("failed to use {}:{line}: {message}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong, and the cure where known.
        message: String,
    },
    /// No row is left to learn from.
    #[error("failed to train: no row of {} can be learnt from ({why})", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
        /// How many rows were left out, and why.
        why: String,
    },
    /// A parameter has no gradient that it could be moved by.
    #[error("failed to move parameter {name}: {message}")]
    Gradient {
        /// The parameter.
        name: String,
        /// What is wrong with its gradient.
        message: String,
    },
    /// LibTorch refused.
    #[error("LibTorch failed to {action}: {message}")]
    Torch {
        /// What was to be done.
        action: &'static str,
        /// What it says.
        message: String,
    },
    /// The ranks of a run do not come together, or have lost each other.
    #[error("failed to {action}: {message}")]
    Ranks {
        /// What was to be done.
        action: &'static str,
        /// What is wrong and, where known, the cure.
        message: String,
    },
    /// A number overflowed, or was none from the start.
    #[error(
        "failed to train: the {what} is {value} at step {step}{} (the last checkpoint is from before; a lower --rate or a smaller --clip may help; in bf16 try fp32)",
        on_lines(lines)
    )]
    NotFinite {
        /// The loss, or the norm of the gradient.
        what: &'static str,
        /// What it is.
        value: f64,
        /// The step, from 1.
        step: u64,
        /// Where its rows stand in their file; none for an evaluation.
        lines: Vec<usize>,
    },
}

fn on_lines(lines: &[usize]) -> String {
    if lines.is_empty() { String::new() } else { format!(", on lines {lines:?}") }
}

impl Error {
    pub(crate) fn reading(path: impl Into<PathBuf>, source: std::io::Error) -> Error {
        Error::Io { action: "read", path: path.into(), source }
    }

    pub(crate) fn writing(path: impl Into<PathBuf>, source: std::io::Error) -> Error {
        Error::Io { action: "write", path: path.into(), source }
    }
}
