//! Training: sequences with a weight for each token in, gradients out, and parameters moved by them.
//!
//! [`batch`] makes of texts and byte spans the tokens and weights that [`loss`] sums over, and [`optim`] moves
//! parameters by the gradients. Spans come from the extraction of the code that implements a signal; nothing
//! here knows Verilog.

pub mod batch;
mod bridge;
pub mod loss;
pub mod optim;

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
}
