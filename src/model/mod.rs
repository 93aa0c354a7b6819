//! Language models of the Qwen2 family on LibTorch: a Hugging Face folder in, log-probabilities and gradients
//! out, a PEFT adapter or another Hugging Face folder written.
//!
//! [`Qwen2`] is a function of token ids and holds nothing but tensors: no batch, no loss, no optimizer. Its
//! layers can be run one at a time, so that a trainer can drop activations and make them anew. An adapter
//! ([`lora`]) sits inside the linear layers, and each pass says whether it counts: the reference model is the
//! policy with the adapter off, and no second copy of the weights exists.
//!
//! Numbers are those of transformers and PEFT (`tests/suite/model.rs` compares them with recordings), so
//! whatever these do in the order of roundings is done here too: norms in fp32 and back, rotary tables in
//! fp32 and then in the model's precision.
//!
//! Files are read tensor by tensor and piece by piece into their place: a shard never stands in memory beside
//! the tensors made from it, and one that is cut short is an error and no signal, as it would be under a
//! memory map. What is wrong with a folder is an [`Error`] with its place and, where known, the cure; it is
//! found on loading. After that an operation fails only as memory does.

mod chat;
mod checkpoint;
mod config;
mod generation;
pub mod kv_cache;
mod linear;
pub mod lora;
mod past;
mod qwen2;
mod rope;
mod tokenizer;
pub mod torch;

use std::path::PathBuf;

pub use chat::{ChatTemplate, Message};
pub(crate) use checkpoint::write_file as write_shard;
pub use checkpoint::{Checkpoint, SHARD_BYTES, Shard, copy_others, save};
pub use config::{Config, RopeScaling};
pub use generation::Generation;
pub use linear::{Adapter, Linear, Pass};
pub use qwen2::{LINEAR_LAYERS, Packing, Qwen2};
pub use tokenizer::{Encoded, Tokenizer};

/// What is wrong with a model's folder, its adapter or its tokenizer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
    /// A file says something that cannot be, or that is not supported.
    #[error("failed to use {}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong and, where known, the cure.
        message: String,
    },
    /// A tensor that the configuration asks for is in no file.
    #[error(
        "failed to find tensor {name} in {} (is the download complete, and is config.json this model's?)",
        path.display()
    )]
    MissingTensor {
        /// The folder or file.
        path: PathBuf,
        /// The tensor's name.
        name: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error(
        "failed to use tensor {name} of {}: its shape is {found:?} where config.json asks for {expected:?}",
        path.display()
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        name: String,
        /// Its shape.
        found: Vec<i64>,
        /// What it should be.
        expected: Vec<i64>,
    },
    /// A device computes something else.
    #[error("failed to compute on {device:?}: {message}")]
    Device {
        /// The device.
        device: tch::Device,
        /// What it did.
        message: String,
    },
    /// LibTorch refused.
    #[error("LibTorch failed to {action}: {source}")]
    Torch {
        /// What was to be done.
        action: String,
        /// What it says.
        source: tch::TchError,
    },
}

impl Error {
    pub(crate) fn reading(path: impl Into<PathBuf>, source: std::io::Error) -> Error {
        Error::Io { action: "read", path: path.into(), source }
    }

    pub(crate) fn writing(path: impl Into<PathBuf>, source: std::io::Error) -> Error {
        Error::Io { action: "write", path: path.into(), source }
    }

    pub(crate) fn invalid(path: impl Into<PathBuf>, message: impl Into<String>) -> Error {
        Error::Invalid { path: path.into(), message: message.into() }
    }
}
