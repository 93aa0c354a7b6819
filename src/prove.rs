//! The proof that cones are right, by simulation.
//!
//! For each output of a candidate, everything outside of its cone is made blank, and the rest is judged
//! against the *original candidate* as golden module, with the same stimulus as any candidate: the output
//! must behave as before. And the other way round, so that a cone is not merely everything: a statement of
//! the cone is taken out, and the output must behave otherwise; where it does not, the statement is
//! *redundant* for this stimulus. Two kinds are told apart by taking the statement out of the whole original:
//! if no output at all changes, it is without effect in the candidate itself (a reset value that is written
//! anyway, an arm that is never reached), and no cone could show it to be; if another output does, the
//! cone is wider than it need be. Outputs without a bit that is defined and moves prove nothing and are
//! counted apart.

use std::collections::BTreeMap;

use crate::candidate::Candidate;
use crate::extract::worker::SignalCone;
use crate::problem::{Problem, Restriction};
use crate::verify::verdict::{Judgement, MismatchKind, Status, Verdict};

/// A candidate whose cones are to be proved.
pub struct Subject {
    /// A name of its own.
    pub id: String,
    /// Its code.
    pub code: String,
    /// Its top module.
    pub top: String,
    /// The legal values of restricted inputs.
    pub inputs: BTreeMap<String, Restriction>,
    /// Its cones, with the texts of the proof.
    pub cones: Vec<SignalCone>,
}

/// What one verdict is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Index of the subject.
    pub subject: usize,
    /// Index of the output's cone.
    pub cone: usize,
    /// Which text was judged.
    pub text: Text,
}

/// What was left of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// The cone.
    Cone,
    /// The cone without the statement of this deletion.
    ConeWithout(usize),
    /// All code but the statement of this deletion.
    CodeWithout(usize),
}

/// What a verdict says of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The output behaves as before.
    Same,
    /// It behaves otherwise.
    Different(String),
    /// What is left is no module any more, or none that can be judged.
    Broken(String),
    /// The original has no bit of this output that is defined and moves.
    Silent,
    /// The original cannot be a golden module, or the backend cannot judge.
    NotJudged(String),
}

/// What is to be judged first: each cone, and each cone without a statement.
pub fn claims(subjects: &[Subject]) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (index, subject) in subjects.iter().enumerate() {
        for (cone, signal) in subject.cones.iter().enumerate() {
            if signal.whole.is_some() {
                continue;
            }
            let without = (0..signal.deletions.len()).map(Text::ConeWithout);
            let texts = std::iter::once(Text::Cone).chain(without);
            claims.extend(texts.map(|text| Claim { subject: index, cone, text }));
        }
    }
    claims
}

/// Claims as candidates, in their order, of problems whose golden modules are the original candidates.
pub fn candidates(subjects: &[Subject], claims: &[Claim]) -> (Vec<Problem>, Vec<Candidate>) {
    let problem = |subject: &Subject| Problem {
        problem: subject.id.clone(),
        prompt: String::new(),
        golden: subject.code.clone(),
        golden_top: Some(subject.top.clone()),
        top: subject.top.clone(),
        testbench: None,
        inputs: subject.inputs.clone(),
        source: None,
        licence: None,
    };
    let candidate = |(index, claim): (usize, &Claim)| {
        let subject = &subjects[claim.subject];
        let cone = &subject.cones[claim.cone];
        let text = match claim.text {
            Text::Cone => &cone.blanked,
            Text::ConeWithout(deletion) => &cone.deletions[deletion].text,
            Text::CodeWithout(deletion) => &cone.deletions[deletion].code,
        };
        Candidate {
            problem: subject.id.clone(),
            id: index.to_string(),
            // In a fence, so that it is taken as it is.
            completion: format!("```verilog\n{text}\n```\n"),
        }
    };
    let problems = subjects.iter().map(problem).collect();
    (problems, claims.iter().enumerate().map(candidate).collect())
}

/// Tells whether a verdict finds no output that differs.
pub fn is_unchanged(verdict: &Verdict) -> bool {
    verdict.status == Status::Judged
        && verdict.signals.iter().all(|signal| signal.verdict != Judgement::Wrong)
}

/// Reads the verdict on a claim about the output `signal`.
pub fn finding(verdict: &Verdict, signal: &str) -> Finding {
    let message = || verdict.message.clone().unwrap_or_default();
    match verdict.status {
        Status::Judged => {}
        Status::BadProblem => return Finding::NotJudged(message()),
        status => return Finding::Broken(format!("{}: {}", status.name(), message())),
    }
    let Some(found) = verdict.signals.iter().find(|found| found.name == signal) else {
        return Finding::NotJudged("the golden module has no such output".into());
    };
    match found.verdict {
        Judgement::Wrong => {
            let first = found.first.as_ref().map_or_else(String::new, |first| {
                let at = (first.episode, first.cycle, first.step);
                let (was, is) = (&first.golden, &first.candidate);
                format!(" at episode {}, cycle {}, step {}: {was} became {is}", at.0, at.1, at.2)
            });
            let kind = found.kind.map_or("", |kind| match kind {
                MismatchKind::Value => "value",
                MismatchKind::Unknown => "unknown",
                MismatchKind::Order => "order",
            });
            let is_race = verdict.races.iter().any(|race| race == signal);
            let race = if is_race { " (its value depends on the order of processes)" } else { "" };
            Finding::Different(format!("wrong by {kind}{first}{race}"))
        }
        _ if found.compared == 0 || found.toggles == 0 => Finding::Silent,
        Judgement::Correct => Finding::Same,
        Judgement::Unchecked => Finding::Silent,
    }
}
