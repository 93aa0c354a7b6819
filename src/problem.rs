//! A problem: a prompt, the golden module that answers it, and what a candidate must be called.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
