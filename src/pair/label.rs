//! Which verdicts are believed: an output of a candidate is right, wrong, or neither.

use serde::Serialize;

use crate::verify::verdict::{Judgement, MismatchKind, SignalVerdict, Status, Verdict};

/// What a verdict must be to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// An output that is wrong only by undefined bits is neither right nor wrong.
    pub ignore_power_up: bool,
    /// Outputs behind a race count too.
    pub keep_races: bool,
    /// Compared bits that a right output needs.
    pub min_compared: u64,
    /// Golden bits seen at both 0 and 1 that a right output needs.
    pub min_toggles: u32,
}

/// What an output of a candidate is to the pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// It may be what a chosen candidate has right.
    Correct,
    /// It may be what a rejected candidate has wrong.
    Wrong,
    /// It is neither.
    Open(Doubt),
}

/// Why an output is neither right nor wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The verdict says so.
    Unchecked,
    /// Its value depends on the order in which processes run.
    Race,
    /// It is wrong only by undefined bits, and they are to be ignored.
    PowerUp,
    /// It is right on less evidence than is asked for.
    Evidence,
}

/// The label of an output of a judged candidate.
///
/// Evidence is asked of right outputs only: one mismatch proves a wrong one.
pub fn label(verdict: &Verdict, signal: &SignalVerdict, rules: &Rules) -> Label {
    let races = verdict.races.contains(&signal.name) || signal.kind == Some(MismatchKind::Order);
    match signal.verdict {
        Judgement::Unchecked => Label::Open(Doubt::Unchecked),
        _ if races && !rules.keep_races => Label::Open(Doubt::Race),
        Judgement::Wrong if rules.ignore_power_up && signal.kind == Some(MismatchKind::Unknown) => {
            Label::Open(Doubt::PowerUp)
        }
        Judgement::Wrong => Label::Wrong,
        Judgement::Correct
            if signal.compared < rules.min_compared || signal.toggles < rules.min_toggles =>
        {
            Label::Open(Doubt::Evidence)
        }
        Judgement::Correct => Label::Correct,
    }
}

/// Tells the statuses that are the candidate's own fault and show before any simulation: only these may be
/// rejected without a verdict on an output. `forbidden` is not among them (it may be a test bench that the
/// model appended), nor what depends on a backend or on a limit.
pub fn is_failed(status: Status) -> bool {
    match status {
        Status::NoCode
        | Status::ParseError
        | Status::ElaborationError
        | Status::WrongTop
        | Status::PortMismatch => true,
        Status::Judged
        | Status::Forbidden
        | Status::Unsupported
        | Status::Timeout
        | Status::Crash
        | Status::BadProblem => false,
    }
}
