//! The `sim_info` of the published QiMeng-SALV code: a JSON list with a list for each problem, in the order of
//! its seed data, with an element for each completion of the rollout.
//!
//! An element is an object that maps each output to the number of samples, of 1,000, in which it differs, or
//! one of the texts that its simulation script writes: `no test code`, `no module head`, `compile error`,
//! `execute error`, `timeout error`, `not match result`, `other sim error`. Its steps after the simulation read
//! a count of 0 as right, one above 0 as wrong and one below 0 as neither; the last is written here for what is
//! `unchecked` or left aside, and no count of its own simulation is ever below 0.
//!
//! In the other direction a text becomes a status with care. That script renames modules by text replacement
//! and measures in wall time, so its `compile error` is no proof of a fault of the candidate: it becomes
//! `unsupported`, which no pair uses. Only a completion without a code block is `no_code`.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::candidate::Candidate;
use crate::pair::label::{Label, Rules, label};
use crate::problem::Problem;
use crate::verify::verdict::{Judgement, SignalVerdict, Status, Verdict};

/// The samples that the published test benches compare.
pub const SAMPLES: u64 = 1000;

/// What is said of one completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "an object of counts by output, or a text that says why there is none"
)]
pub enum Info {
    /// Mismatches by output, in the order of the file.
    Counts(Counts),
    /// Why there are none.
    Text(String),
}

/// Counts by output; the published code pairs the outputs of two completions by position, so order matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub Vec<(String, i64)>);

/// Lists that do not fit the problems or the candidates.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SimInfoError {
    /// There is not one list for each problem.
    #[error(
        "{lists} lists for {problems} problems; sim_info has one for each problem of the seed data, in their order"
    )]
    Problems {
        /// Lists in the file.
        lists: usize,
        /// Problems.
        problems: usize,
    },
    /// A list is longer or shorter than the problem has candidates.
    #[error(
        "problem {problem:?} has {candidates} candidates and {elements} elements in sim_info; both must come from one rollout"
    )]
    Candidates {
        /// The problem.
        problem: String,
        /// Its candidates.
        candidates: usize,
        /// Elements of its list.
        elements: usize,
    },
    /// A candidate or verdict names no known problem.
    #[error("candidate {candidate:?}: no problem is called {problem:?}")]
    UnknownProblem {
        /// The problem.
        problem: String,
        /// The candidate.
        candidate: String,
    },
}

/// Verdicts of the candidates, in their order.
pub fn verdicts(
    problems: &[Problem],
    candidates: &[Candidate],
    lists: Vec<Vec<Info>>,
) -> Result<Vec<Verdict>, SimInfoError> {
    if lists.len() != problems.len() {
        let (lists, problems) = (lists.len(), problems.len());
        return Err(SimInfoError::Problems { lists, problems });
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for candidate in candidates {
        *counts.entry(&candidate.problem).or_default() += 1;
    }
    let mut rest = HashMap::new();
    for (problem, list) in problems.iter().zip(lists) {
        let name = problem.problem.as_str();
        let (candidates, elements) = (counts.get(name).copied().unwrap_or(0), list.len());
        if candidates != elements {
            let problem = name.to_owned();
            return Err(SimInfoError::Candidates { problem, candidates, elements });
        }
        rest.insert(name, list.into_iter());
    }
    let verdicts = candidates.iter().map(|candidate| {
        let info = rest.get_mut(candidate.problem.as_str()).and_then(Iterator::next);
        info.map(|info| verdict(candidate, info)).ok_or_else(|| SimInfoError::UnknownProblem {
            problem: candidate.problem.clone(),
            candidate: candidate.id.clone(),
        })
    });
    verdicts.collect()
}

/// The lists of all problems, in their order, from the verdicts in the order of the rollout.
///
/// What `rules` leave aside is written as neither right nor wrong.
pub fn lists(
    problems: &[Problem],
    verdicts: impl Iterator<Item = Verdict>,
    rules: &Rules,
) -> Result<Vec<Vec<Info>>, SimInfoError> {
    let by_name: BTreeMap<&str, usize> =
        problems.iter().enumerate().map(|(at, p)| (p.problem.as_str(), at)).collect();
    let mut lists = vec![Vec::new(); problems.len()];
    for verdict in verdicts {
        let Some(&index) = by_name.get(verdict.problem.as_str()) else {
            let (problem, candidate) = (verdict.problem, verdict.candidate);
            return Err(SimInfoError::UnknownProblem { problem, candidate });
        };
        lists[index].push(info(&verdict, rules));
    }
    Ok(lists)
}

fn verdict(candidate: &Candidate, info: Info) -> Verdict {
    let (status, message, counts) = match info {
        // No output is no verdict: everything would hold of it.
        Info::Counts(Counts(counts)) if counts.is_empty() => {
            (Status::Unsupported, Some("no output was compared".to_owned()), counts)
        }
        Info::Counts(Counts(counts)) => (Status::Judged, None, counts),
        Info::Text(text) => {
            let status = match text.as_str() {
                "no test code" => Status::NoCode,
                "timeout error" => Status::Timeout,
                "execute error" => Status::Crash,
                _ => Status::Unsupported,
            };
            (status, Some(text), Vec::new())
        }
    };
    let signal = |(name, count): (String, i64)| SignalVerdict {
        name,
        verdict: match count {
            0 => Judgement::Correct,
            1.. => Judgement::Wrong,
            _ => Judgement::Unchecked,
        },
        compared: if count < 0 { 0 } else { SAMPLES },
        // It is not in the file.
        toggles: 0,
        mismatches: u64::try_from(count).ok(),
        kind: None,
        first: None,
    };
    Verdict {
        problem: candidate.problem.clone(),
        candidate: candidate.id.clone(),
        status,
        message,
        backend: "sim_info".to_owned(),
        profile: "testbench".to_owned(),
        races: Vec::new(),
        signals: counts.into_iter().map(signal).collect(),
    }
}

fn info(verdict: &Verdict, rules: &Rules) -> Info {
    let text = match verdict.status {
        Status::Judged => {
            let counts = verdict.signals.iter().map(|signal| {
                let mismatches = i64::try_from(signal.mismatches.unwrap_or(1)).unwrap_or(i64::MAX);
                let count = match label(verdict, signal, rules) {
                    Label::Correct => 0,
                    Label::Wrong => mismatches.max(1),
                    Label::Open(_) => -1,
                };
                (signal.name.clone(), count)
            });
            return Info::Counts(Counts(counts.collect()));
        }
        Status::NoCode => "no test code",
        Status::ParseError | Status::ElaborationError | Status::WrongTop | Status::PortMismatch => {
            "compile error"
        }
        Status::Crash => "execute error",
        Status::Timeout => "timeout error",
        Status::Forbidden | Status::Unsupported | Status::BadProblem => "other sim error",
    };
    Info::Text(text.to_owned())
}

impl Serialize for Counts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, count)| (name, count)))
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Counts, D::Error> {
        // The map keeps the order of the file.
        let map = serde_json::Map::<String, serde_json::Value>::deserialize(deserializer)?;
        let counts = map.into_iter().map(|(name, value)| {
            let count = value.as_i64().ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "the count of {name} is {value}, not a whole number"
                ))
            })?;
            Ok((name, count))
        });
        Ok(Counts(counts.collect::<Result<_, _>>()?))
    }
}
