//! Importers: benchmarks and plain folders become `problems.jsonl` and `candidates.jsonl`, published training
//! data becomes `sft.jsonl` ([`sft`]), without what a benchmark holds ([`contamination`]). And problems of our
//! own ([`generate`]).
//!
//! In goes the path of a benchmark as its authors publish it, out come problems in a fixed order: that of
//! the names for folders, that of the rows for files. Texts are taken as they are; only bytes that are no
//! UTF-8 become U+FFFD. An importer refuses what it does not know rather than leaving it out: a problem
//! that is silently missing would look like a better score.
//!
//! What a benchmark's test bench reads from further files (RTLLM's `reference.txt`) is no part of a problem;
//! [`rtllm::files_of_benches`] has it.

pub mod completions;
pub mod contamination;
pub mod folder;
pub mod generate;
pub mod rtllm;
pub mod salv_seed;
pub mod sft;
pub mod verilog_eval_v1;
pub mod verilog_eval_v2;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::problem::Problem;
use crate::record::{self, RecordError};

/// What can go wrong with an import.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file of records cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A file or folder cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The layout is not the one that the importer knows.
    #[error("import {}: {message}", path.display())]
    Layout {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what is expected.
        message: String,
    },
}

/// Returns the hash of a file, or of all files under a folder with their names.
pub fn hash(path: &Path) -> Result<String, ImportError> {
    if !path.is_dir() {
        return Ok(record::file_hash(path)?);
    }
    let mut listing = String::new();
    for file in files_under(path)? {
        let name = file.strip_prefix(path).unwrap_or(&file);
        listing += &format!("{} {}\n", record::file_hash(&file)?, name.display());
    }
    Ok(record::content_hash(listing.as_bytes()))
}

/// Whether the first row of a file is a problem of ours, as an importer writes them.
pub fn is_problems(path: &Path) -> bool {
    record::read::<Problem>(path).is_ok_and(|mut rows| matches!(rows.next(), Some(Ok(_))))
}

fn layout(path: &Path, message: impl Into<String>) -> ImportError {
    ImportError::Layout { path: path.to_owned(), message: message.into() }
}

/// Reads a text file, whatever its encoding.
fn read_text(path: &Path) -> Result<String, ImportError> {
    let bytes = std::fs::read(path)
        .map_err(|source| ImportError::Read { path: path.to_owned(), source })?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// Reads a text file if it is there.
fn read_text_if_any(path: &Path) -> Result<Option<String>, ImportError> {
    if path.is_file() { read_text(path).map(Some) } else { Ok(None) }
}

/// Returns what a folder holds, sorted by name; hidden entries are left out.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let failed = |source| ImportError::Read { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Returns all files under a folder, at any depth, sorted by path; links to folders are not followed.
fn files_under(folder: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder)? {
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the last part of a path as text.
fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Refuses an import of nothing and one with two problems of one name.
fn checked(
    problems: Vec<Problem>,
    path: &Path,
    expected: &str,
) -> Result<Vec<Problem>, ImportError> {
    if problems.is_empty() {
        return Err(layout(path, format!("no problem found; expected {expected}")));
    }
    let mut names = HashSet::new();
    for problem in &problems {
        if !names.insert(&problem.problem) {
            return Err(layout(path, format!("two problems are called {:?}", problem.problem)));
        }
    }
    Ok(problems)
}
