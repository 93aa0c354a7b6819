//! The whole loop as one thing: a recipe in, a folder of artefacts and a report out.
//!
//! ```text
//!  held-out ─► before/candidates ─► before/verdicts ────────────────────────────────────┐
//!  problems ─► candidates ─► verdicts ─┬─► pairs ─► dpo ─► after/candidates ─► after/verdicts ─► report
//!                       └──► spans ────┘
//! ```
//!
//! A recipe ([`recipe`]) has a table for each stage, and its keys are the flags of that stage's command; [`plan`] makes
//! command lines of it, and `cli` runs them as a person would: the loop has no code of its own for any stage, so what a
//! stage promises (its bytes are a function of inputs and settings, and a killed run goes on) holds here too. The
//! commands are run inside the folder and name its files as seen from there: a folder's bytes do not tell where it lies.
//!
//! What is done is written down ([`ledger`]): each step's command line, and the hashes of what it read and wrote. A step
//! whose command and inputs are as they were and whose outputs are as it left them is not done again; one that was begun
//! so goes on; any other begins anew. Nothing is decided by the time of a file.
//!
//! [`estimate`] says beforehand what a recipe takes, [`report`] afterwards what came of it.

pub mod estimate;
pub mod ledger;
pub mod plan;
pub mod recipe;
pub mod report;

use std::path::PathBuf;

use crate::problem::ProblemError;
use crate::record::RecordError;

/// What stops a run; never a candidate's fault.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("read {}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the place and the cure where known.
        message: String,
    },
    /// A recipe asks for what cannot be.
    #[error("recipe: {0}")]
    Recipe(String),
    /// Records cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Problems cannot be read.
    #[error(transparent)]
    Problem(#[from] ProblemError),
}

impl Error {
    fn reading(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { what: "read", path, source }
    }

    fn writing(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { what: "write", path, source }
    }

    fn content(path: impl Into<PathBuf>, error: impl ToString) -> Error {
        Error::Content { path: path.into(), message: error.to_string() }
    }
}
