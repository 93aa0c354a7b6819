//! What a backend is: modules and a stimulus go in; counts, or a trace, come out; plain data crosses the
//! line.
//!
//! A backend may compare beside the design and give counts (as verilator does in its worker, and as a
//! board does on the chip), since a trace of every step of every candidate would be most of the work. It
//! gives a trace where a person asks to see one episode.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stimulus::{Config, Layout, StepAt};
use super::verdict::{FirstMismatch, MismatchKind};
use super::verilator::timing::Timing;
use crate::design::{Bits, Interface};
use crate::problem::Restriction;

/// One golden module and candidates for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Interface of the golden module.
    pub interface: Interface,
    /// Legal values of restricted inputs.
    pub restrictions: BTreeMap<String, Restriction>,
    /// Identity of the golden text: with the seed it decides the stimulus.
    pub key: String,
    /// The golden module.
    pub golden: Module,
    /// The candidates; all have the golden interface.
    pub candidates: Vec<Subject>,
}

/// A module's text, ready for a simulator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Name of the module.
    pub top: String,
    /// Text that holds the module and all it needs.
    pub source: String,
}

/// A candidate's module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subject {
    /// The module.
    pub module: Module,
    /// Constants of its text that the golden text lacks: they get episodes of their own.
    pub constants: Vec<Bits>,
}

/// What came of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskOutcome {
    /// The golden module could not be run; why.
    BadGolden(String),
    /// One outcome for each candidate, in order.
    Candidates(Vec<Outcome>),
}

/// What came of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Counts for each output, in the golden order of ports.
    Counted(Vec<Count>),
    /// The backend cannot judge it.
    Unsupported(String),
    /// It took more steps than allowed.
    Timeout(String),
    /// It died, twice.
    Crash(String),
}

/// What was counted of one output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Output bits × comparison points at which the golden bit was defined.
    pub compared: u64,
    /// Golden bits seen at both 0 and 1.
    pub toggles: u32,
    /// Whether the stimulus went through all there is, so that a bit that did not toggle cannot.
    pub exhaustive: bool,
    /// Comparison points that differ, if the backend counts them by signal.
    pub mismatches: Option<u64>,
    /// What they differ by.
    pub kind: Option<MismatchKind>,
    /// The first of them.
    pub first: Option<FirstMismatch>,
}

/// One episode of a golden module and a candidate, in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The comparison points.
    pub steps: Vec<StepAt>,
    /// Layout of a row of inputs.
    pub inputs: Layout,
    /// Layout of a row of outputs.
    pub outputs: Layout,
    /// Input rows, the power-up row first.
    pub input_rows: Vec<u64>,
    /// Outputs of the golden module.
    pub golden: Values,
    /// Outputs of the candidate.
    pub candidate: Values,
}

/// Rows of outputs with four values: a bit that is not defined is `x`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    /// Value of each bit.
    pub value: Vec<u64>,
    /// Whether each bit is defined.
    pub defined: Vec<u64>,
}

/// A failure of ours: a missing tool, a full disk, a killed worker. Never a verdict.
#[derive(Debug, thiserror::Error)]
#[error("the {backend} backend failed")]
pub struct BackendError {
    /// The backend.
    pub backend: &'static str,
    /// The cause.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A way to judge candidates.
pub trait Backend: Sync {
    /// The name in records and on the command line.
    fn name(&self) -> &'static str;

    /// Names and versions of the tools that the labels depend on.
    fn tools(&self) -> BTreeMap<String, String>;

    /// Clocks of its stages, if it keeps any.
    fn timing(&self) -> Option<&Timing> {
        None
    }

    /// Judges the candidates of several tasks; the outcome of each is the same in any company.
    fn judge(&self, tasks: &[Task], config: &Config) -> Result<Vec<TaskOutcome>, BackendError>;

    /// Runs one episode of the golden module and of the first candidate of `task`.
    fn trace(
        &self,
        task: &Task,
        config: &Config,
        episode: u32,
    ) -> Result<Result<Trace, Outcome>, BackendError>;
}
