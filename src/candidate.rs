//! A candidate: what a model wrote for a problem, and the Verilog in it.
//!
//! A completion is raw model text and stays so: it is saved and trained on byte for byte. What is verified
//! is the [`Code`] that [`extract_code`] finds in it, which remembers for each of its bytes where in the
//! completion it stood. A completion without code is a finding about the candidate ([`NoCode`]), never an
//! error of ours.

mod answer;
mod body;
mod clean;
mod code;
mod extract;
mod fence;
mod json;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::record::{self, Lines, RecordError};

pub use code::{Code, Piece};
pub use extract::{COMPLETION_BYTES_MAX, NoCode, extract_code};

/// One line of `candidates.jsonl`; fields that are not named here are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The problem's identifier.
    pub problem: String,
    /// Identifier of the candidate; by default the number of its row from 0, blank lines aside.
    pub id: String,
    /// The model's text as it came.
    pub completion: String,
}

/// Opens a file of candidates; they follow one at a time.
pub fn read(path: &Path) -> Result<Candidates, RecordError> {
    Ok(Candidates(record::read::<Row>(path)?))
}

/// The candidates of a file, in order.
pub struct Candidates(Lines<Row>);

#[derive(Deserialize)]
struct Row {
    problem: String,
    id: Option<Id>,
    completion: String,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`id` must be a string or a number")]
enum Id {
    Text(String),
    Number(serde_json::Number),
}

impl Candidates {
    /// Goes past up to `rows` candidates without looking into them; returns how many there were.
    pub fn pass(&mut self, rows: usize) -> Result<usize, RecordError> {
        self.0.pass(rows)
    }

    /// The line of the file that was read last, from 1.
    pub fn line(&self) -> usize {
        self.0.line()
    }
}

impl Iterator for Candidates {
    type Item = Result<Candidate, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.0.next()?;
        Some(row.map(|line| Candidate {
            problem: line.value.problem,
            id: match line.value.id {
                Some(Id::Text(text)) => text,
                Some(Id::Number(number)) => number.to_string(),
                None => line.number.to_string(),
            },
            completion: line.value.completion,
        }))
    }
}
