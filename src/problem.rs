//! A problem: a prompt, the golden module that answers it, and what a candidate must be called.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::record::{self, RecordError};

/// One line of `problems.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Identifier, unique in its file; candidates name it.
    pub problem: String,
    /// What the model is asked.
    pub prompt: String,
    /// Verilog text that holds the golden module, and its helpers.
    pub golden: String,
    /// Name of the golden module; by default the one module of `golden` that nobody instantiates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden_top: Option<String>,
    /// Name that a candidate's module must have.
    pub top: String,
    /// The benchmark's own test bench.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub testbench: Option<String>,
    /// Legal values of restricted inputs, by input name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Restriction>,
    /// Where the problem comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Licence of the text, as an SPDX expression where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

/// The legal values of one input: a list, so that hardware can hold it as a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    /// Verilog literals, such as `4'b0001`.
    pub values: Vec<String>,
}

/// Why a file of problems cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProblemError {
    /// The file or a line of it cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Two problems have one identifier.
    #[error("read {}:{second}: problem {problem:?} stands already in line {first}; each must have a name of its own", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The identifier.
        problem: String,
        /// Line of the first, from 1.
        first: usize,
        /// Line of the second, from 1.
        second: usize,
    },
    /// A field that names something is empty.
    #[error("read {}:{line}: the field `{field}` is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The field.
        field: &'static str,
    },
}

/// Reads all problems of a file, in its order.
pub fn load(path: &Path) -> Result<Vec<Problem>, ProblemError> {
    let mut problems = Vec::new();
    let mut lines = HashMap::new();
    for row in record::read::<Problem>(path)? {
        let row = row?;
        let problem = row.value;
        for (field, text) in
            [("problem", &problem.problem), ("golden", &problem.golden), ("top", &problem.top)]
        {
            if text.trim().is_empty() {
                return Err(ProblemError::Empty { path: path.to_owned(), line: row.line, field });
            }
        }
        if let Some(first) = lines.insert(problem.problem.clone(), row.line) {
            return Err(ProblemError::Duplicate {
                path: path.to_owned(),
                problem: problem.problem,
                first,
                second: row.line,
            });
        }
        problems.push(problem);
    }
    Ok(problems)
}
