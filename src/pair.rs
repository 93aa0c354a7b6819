//! Preference pairs: two completions of one prompt, and which of their bytes are to be learnt from.
//!
//! In go the candidates of a problem, each with its verdicts and with the spans of its outputs; out come ordered
//! pairs. A pair has at least one *contrasted signal*, an output that the chosen candidate has right and the
//! rejected one wrong, and its masks are the cones of these signals: the union of the cones, so a statement
//! that only other signals need is in no mask. [`label`] says which verdicts are believed, [`plan`] which pairs
//! of a problem's candidates are made, left out as near-duplicates and kept under the cap, [`mask`] which
//! bytes they show, [`run`] takes the rows of the three files together, and [`report`] counts what every rule
//! made and dropped.
//!
//! The unit of work is a problem: it is done when its last candidate has come, so memory holds one problem's
//! candidates if the file is grouped by problem, and otherwise those of the problems that are still open.
//! Candidates are taken in the order of their ids: a problem's rows do not depend on their order in the file.
//!
//! What was not simulated is never half of a pair with one exception: a completion that is no module at all
//! ([`Kind::Failed`]) may be the rejected half against a candidate that is right in every output. That is the
//! default: nothing of such a pair is in doubt, a small model fails there most often, and these pairs only fill
//! the room that the others leave under the cap. A signal whose cone cannot be followed is by default not
//! contrasted: the whole module in its place would teach what is wrong in the chosen one, too.
//!
//! Equal code that is judged right in one candidate and wrong in another is a mistake of ours, and a run that
//! finds it fails ([`run::Contradiction`]).

pub mod label;
pub mod mask;
pub mod plan;
pub mod report;
pub mod run;

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
    /// What the masks are.
    #[serde(default)]
    pub kind: Kind,
    /// The outputs that `chosen` has right and `rejected` wrong; none where `rejected` was not simulated.
    pub signals: Vec<String>,
    /// What of `chosen` is learnt from, sorted and disjoint.
    pub chosen_spans: Vec<WeightedSpan>,
    /// What of `rejected` is learnt from, sorted and disjoint.
    pub rejected_spans: Vec<WeightedSpan>,
}

/// What the masks of a pair are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The cones of the contrasted signals.
    #[default]
    Signal,
    /// The whole modules; the chosen one is right in every output.
    Module,
    /// The whole completions, of a pair that has contrasted signals.
    Unfiltered,
    /// The whole module of a candidate that is right in every output, against a whole completion that is no
    /// module that can be simulated.
    Failed,
}

impl Kind {
    /// The name, as in records.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Signal => "signal",
            Kind::Module => "module",
            Kind::Unfiltered => "unfiltered",
            Kind::Failed => "failed",
        }
    }
}
