//! Training: sequences with a weight for each token in, gradients out, and parameters moved by them.
//!
//! [`batch`] makes of texts and byte spans the tokens and weights that [`loss`] sums over, [`parallel`] sums the
//! gradients of several processes, and [`optim`] moves parameters by them. What a run says of itself goes to
//! TensorBoard through [`events`]. Spans come from the extraction of the code that implements a signal; nothing
//! here knows Verilog.

pub mod batch;
mod bridge;
pub mod events;
pub mod loss;
pub mod optim;
pub mod parallel;

use std::path::PathBuf;

use crate::model;

/// What ends a training run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A model, an adapter or another file of tensors.
    #[error(transparent)]
    Model(#[from] model::Error),
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
    /// A file cannot be written.
    #[error("failed to write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}
