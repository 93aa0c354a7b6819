//! What a run says of a candidate: one status, and one verdict for each output of the golden module.

use serde::{Deserialize, Serialize};

use super::backend::Count;

/// Makes the verdict on the output `name` of what was counted.
///
/// An output that never moved proves little: it is `correct` only if the stimulus went through all values
/// there are, and otherwise `unchecked`.
pub fn judge(name: &str, count: Count) -> SignalVerdict {
    let verdict = if count.first.is_some() {
        Judgement::Wrong
    } else if count.compared == 0 || count.toggles == 0 && !count.exhaustive {
        Judgement::Unchecked
    } else {
        Judgement::Correct
    };
    SignalVerdict {
        name: name.into(),
        verdict,
        compared: count.compared,
        toggles: count.toggles,
        mismatches: count.mismatches,
        kind: count.kind,
        first: count.first,
    }
}

/// One line of `verdicts.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The problem's identifier.
    pub problem: String,
    /// The candidate's identifier.
    pub candidate: String,
    /// How far the candidate came.
    pub status: Status,
    /// Why it came no farther, with the place; absent where it was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The backend that ran it; where none did, the one that was asked for (`verilator` for `auto`).
    pub backend: String,
    /// The stimulus profile: `full` or `synchronous`.
    pub profile: String,
    /// Signals with a race in the candidate: their value depends on the order of processes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub races: Vec<String>,
    /// One entry for each output of the golden module, in its order of ports; empty unless judged.
    pub signals: Vec<SignalVerdict>,
}

/// How far a candidate came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Simulated; `signals` holds the verdicts.
    Judged,
    /// The completion holds no Verilog.
    NoCode,
    /// The text is not SystemVerilog.
    ParseError,
    /// The text parses but does not elaborate.
    ElaborationError,
    /// No module has the required name.
    WrongTop,
    /// A golden port is missing or differs in direction or width, or there are extra inputs.
    PortMismatch,
    /// Stopping, file and system tasks, DPI, `` `include ``.
    Forbidden,
    /// Legal, but the backend cannot judge it; or too long to be looked at. Never the candidate's fault.
    Unsupported,
    /// The simulation took more steps than allowed.
    Timeout,
    /// The simulation or a tool died on this candidate, twice, the second time alone.
    Crash,
    /// The golden module itself cannot be read or judged.
    BadProblem,
}

/// The verdict on one output, with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalVerdict {
    /// Name of the golden module's output.
    pub name: String,
    /// The verdict.
    pub verdict: Judgement,
    /// Output bits × comparison points at which the golden bit was defined.
    pub compared: u64,
    /// Golden bits seen at both 0 and 1.
    pub toggles: u32,
    /// Comparison points that differ; absent where a backend does not count by signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mismatches: Option<u64>,
    /// What differs; absent unless `wrong`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<MismatchKind>,
    /// The first mismatch; absent unless `wrong`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstMismatch>,
}

/// The three things that can be said of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    /// Equal wherever the golden module defines it.
    Correct,
    /// Different at one comparison point at least.
    Wrong,
    /// Never defined, or defined and never toggled though it could.
    Unchecked,
}

/// What a wrong output differs by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MismatchKind {
    /// At some point a defined 0 or 1 of the wrong value.
    Value,
    /// Only ever an undefined bit where the golden bit is defined.
    Unknown,
    /// A wrong value only where processes run in another order, which the standard allows as well.
    Order,
}

impl MismatchKind {
    /// The name, as in records.
    pub fn name(self) -> &'static str {
        match self {
            MismatchKind::Value => "value",
            MismatchKind::Unknown => "unknown",
            MismatchKind::Order => "order",
        }
    }
}

/// The place of the first mismatch, in the order of episodes, cycles and steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstMismatch {
    /// Index of the episode.
    pub episode: u32,
    /// Cycle in the episode.
    pub cycle: u32,
    /// Step in the cycle, 0 to 3.
    pub step: u8,
    /// The golden value as a Verilog binary literal, `x` where undefined.
    pub golden: String,
    /// The candidate's value as a Verilog binary literal, `x` where undefined.
    pub candidate: String,
}

impl Status {
    /// The name, as in records.
    pub fn name(self) -> &'static str {
        match self {
            Status::Judged => "judged",
            Status::NoCode => "no_code",
            Status::ParseError => "parse_error",
            Status::ElaborationError => "elaboration_error",
            Status::WrongTop => "wrong_top",
            Status::PortMismatch => "port_mismatch",
            Status::Forbidden => "forbidden",
            Status::Unsupported => "unsupported",
            Status::Timeout => "timeout",
            Status::Crash => "crash",
            Status::BadProblem => "bad_problem",
        }
    }
}

impl Judgement {
    /// The name, as in records.
    pub fn name(self) -> &'static str {
        match self {
            Judgement::Correct => "correct",
            Judgement::Wrong => "wrong",
            Judgement::Unchecked => "unchecked",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(compared: u64, toggles: u32, exhaustive: bool) -> Count {
        Count { compared, toggles, exhaustive, mismatches: Some(0), ..Count::default() }
    }

    #[test]
    fn an_output_is_correct_only_where_it_was_seen_to_move_or_cannot() {
        assert_eq!(judge("y", count(10, 1, false)).verdict, Judgement::Correct);
        assert_eq!(judge("y", count(10, 0, true)).verdict, Judgement::Correct);
        assert_eq!(judge("y", count(10, 0, false)).verdict, Judgement::Unchecked);
        assert_eq!(judge("y", count(0, 0, true)).verdict, Judgement::Unchecked);
    }

    #[test]
    fn a_mismatch_is_wrong_whatever_toggled() {
        let first = FirstMismatch {
            episode: 0,
            cycle: 0,
            step: 0,
            golden: "1'b0".into(),
            candidate: "1'b1".into(),
        };
        let count = Count { first: Some(first), ..count(1, 0, false) };
        assert_eq!(judge("y", count).verdict, Judgement::Wrong);
    }

    #[test]
    fn names_are_those_of_the_records() {
        let name = serde_json::to_value(Status::ElaborationError).expect("a name");
        assert_eq!(name, Status::ElaborationError.name());
    }
}
