//! Preference pairs: two completions of one prompt, and which of their bytes are to be learnt from.

use serde::{Deserialize, Serialize};

/// A span of a completion and the weight of its tokens: `[start, end, weight]`, half-open byte offsets into
/// the raw completion.
pub type WeightedSpan = (usize, usize, f64);

/// A row of `pairs.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The problem that both answer.
    pub problem: String,
    /// What the model was asked.
    pub prompt: String,
    /// Which candidate is preferred.
    pub chosen_id: String,
    /// Its completion.
    pub chosen: String,
    /// Which candidate is not.
    pub rejected_id: String,
    /// Its completion.
    pub rejected: String,
    /// The outputs that `chosen` has right and `rejected` wrong.
    pub signals: Vec<String>,
    /// What of `chosen` is learnt from, sorted and disjoint.
    pub chosen_spans: Vec<WeightedSpan>,
    /// What of `rejected` is learnt from, sorted and disjoint.
    pub rejected_spans: Vec<WeightedSpan>,
}
