//! The proof that cones are right, by simulation.
//!
//! For each output of a candidate, everything outside of its cone is made blank, and the rest is judged
//! against the *original candidate* as golden module, with the same stimulus as any candidate: the output
//! must behave as before. Outputs without a bit that is defined and moves prove nothing and are counted apart.
//!
//! And the other way round, so that a cone is not merely everything: a statement of the cone is taken out,
//! and the output must behave otherwise. Where it does not, two more texts are judged, the whole code without
//! the statement and the whole code with the complement assigned in its place, and what they show is the
//! statement's [`Effect`]. A change of value that the output shows proves that the statement belongs into the
//! cone, although the output is the same without it: its target held the value already. A change that shows
//! only at other outputs means that the cone is wider than it need be. It is the price of a cut by names: two
//! states of a machine that are the same for one output are not for another. What no output shows is told
//! apart by an output that [`probe`] adds.
//!
//! All of this is true of the stimulus, not of every input sequence: an effect says what was seen.

use std::collections::BTreeMap;

use crate::candidate::Candidate;
use crate::extract::worker::SignalCone;
use crate::problem::{Problem, Restriction};
use crate::verify::verdict::{Judgement, MismatchKind, Status, Verdict};

mod probe;

/// A candidate whose cones are to be proved.
pub struct Subject {
    /// A name of its own.
    pub id: String,
    /// Its problem.
    pub problem: String,
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
    /// All code, the complement assigned in the statement of this deletion.
    Inverted(usize),
    /// All code, and an output that rises where the statement is executed.
    Reached(usize),
    /// All code, the complement assigned, and an output that is the statement's target.
    Settled(usize),
}

impl Text {
    /// The deletion it is about.
    fn deletion(self) -> Option<usize> {
        match self {
            Text::Cone => None,
            Text::ConeWithout(deletion)
            | Text::CodeWithout(deletion)
            | Text::Inverted(deletion)
            | Text::Reached(deletion)
            | Text::Settled(deletion) => Some(deletion),
        }
    }
}

/// A statement of a cone without which the output is the same, and what more is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spare {
    /// Index of the subject.
    pub subject: usize,
    /// Index of the output's cone.
    pub cone: usize,
    /// Index of the deletion.
    pub deletion: usize,
    /// Another output changes when it is taken out.
    pub changes_others: bool,
    /// Where another value is seen; `None` where none can be assigned.
    pub value: Option<Seen>,
    /// Whether it is executed.
    pub reached: Option<bool>,
    /// Whether another value changes what its target settles to.
    pub settles: Option<bool>,
}

/// Where a change of the code is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// At the output of the cone.
    Here,
    /// At other outputs only.
    Elsewhere,
    /// At no output.
    Nowhere,
}

/// What a statement does that can be taken out of a cone with no change of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It matters: the output shows another value; this one the target holds already.
    Held,
    /// The cone is wider than need be: it matters to other outputs only.
    Redundant,
    /// No output shows it: never executed under the stimulus.
    NotReached,
    /// No output shows it: executed, and its target settles to the same whatever is assigned.
    Overwritten,
    /// No output shows it: its target settles to another value that nothing tells apart.
    Masked,
    /// No output changes without it, and no other value or output could be put in.
    NotProbed,
}

impl Effect {
    /// All of them.
    pub const ALL: [Effect; 6] = [
        Effect::Held,
        Effect::Redundant,
        Effect::NotReached,
        Effect::Overwritten,
        Effect::Masked,
        Effect::NotProbed,
    ];

    /// What a report says of it.
    pub fn explanation(self) -> &'static str {
        match self {
            Effect::Held => "its target holds the value already; the output shows any other",
            Effect::Redundant => "redundant: only another output shows a change",
            Effect::NotReached => "no effect in the candidate: not executed in the stimulus",
            Effect::Overwritten => "no effect in the candidate: overwritten before it is seen",
            Effect::Masked => "no effect in the candidate: no output tells the values apart",
            Effect::NotProbed => "no effect in the candidate: not an assignment to be changed",
        }
    }
}

impl Spare {
    /// A statement of which no more is known.
    pub fn new(subject: usize, cone: usize, deletion: usize) -> Spare {
        Spare {
            subject,
            cone,
            deletion,
            changes_others: false,
            value: None,
            reached: None,
            settles: None,
        }
    }

    /// Whether a claim is about this statement.
    pub fn is_asked_by(&self, claim: &Claim) -> bool {
        let Some(deletion) = claim.text.deletion() else { return false };
        (self.subject, self.cone, self.deletion) == (claim.subject, claim.cone, deletion)
    }

    /// What is known of it, as one word.
    pub fn effect(&self) -> Effect {
        match self.value {
            Some(Seen::Here) => Effect::Held,
            Some(Seen::Elsewhere) => Effect::Redundant,
            _ if self.changes_others => Effect::Redundant,
            _ if self.reached == Some(false) => Effect::NotReached,
            None => Effect::NotProbed,
            Some(Seen::Nowhere) => match self.settles {
                Some(true) => Effect::Masked,
                Some(false) => Effect::Overwritten,
                None => Effect::NotProbed,
            },
        }
    }

    /// Takes in a verdict on one of its claims.
    pub fn learn(&mut self, text: Text, verdict: &Verdict, output: &str) {
        match text {
            Text::CodeWithout(_) => self.changes_others = !is_unchanged(verdict),
            Text::Inverted(_) => {
                self.value = match finding(verdict, output) {
                    Finding::Different(_) => Some(Seen::Here),
                    Finding::Same | Finding::Silent if is_unchanged(verdict) => Some(Seen::Nowhere),
                    Finding::Same | Finding::Silent => Some(Seen::Elsewhere),
                    Finding::Broken(_) | Finding::NotJudged(_) => None,
                }
            }
            Text::Reached(_) => self.reached = is_different(verdict),
            Text::Settled(_) => self.settles = is_different(verdict),
            Text::Cone | Text::ConeWithout(_) => {}
        }
    }
}

/// Tells whether the output that was added behaves otherwise.
fn is_different(verdict: &Verdict) -> Option<bool> {
    match finding(verdict, probe::PORT) {
        Finding::Different(_) => Some(true),
        Finding::Same | Finding::Silent => Some(false),
        Finding::Broken(_) | Finding::NotJudged(_) => None,
    }
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

/// What is to be judged of statements that can be taken out: the whole code without them, or changed.
pub fn questions(subjects: &[Subject], spares: &[Spare]) -> Vec<Claim> {
    let texts = |spare: &Spare| [Text::CodeWithout(spare.deletion), Text::Inverted(spare.deletion)];
    claims_on(subjects, spares.iter().flat_map(|spare| texts(spare).map(|text| (spare, text))))
}

/// What is to be judged of statements that no output shows.
pub fn probes(subjects: &[Subject], spares: &[Spare]) -> Vec<Claim> {
    let dead = spares
        .iter()
        .filter(|spare| !spare.changes_others && matches!(spare.value, Some(Seen::Nowhere) | None));
    let texts = |spare: &Spare| [Text::Reached(spare.deletion), Text::Settled(spare.deletion)];
    claims_on(subjects, dead.flat_map(|spare| texts(spare).map(|text| (spare, text))))
}

fn claims_on<'a>(
    subjects: &[Subject],
    texts: impl Iterator<Item = (&'a Spare, Text)>,
) -> Vec<Claim> {
    let claim =
        |(spare, text): (&Spare, Text)| Claim { subject: spare.subject, cone: spare.cone, text };
    texts.map(claim).filter(|claim| text_of(&subjects[claim.subject], claim).is_some()).collect()
}

/// The text of a claim, and the golden module if it is not the subject; `None` where none can be made.
fn text_of(subject: &Subject, claim: &Claim) -> Option<(Option<String>, String)> {
    let cone = &subject.cones[claim.cone];
    let span = |deletion: usize| &cone.deletions[deletion].span;
    let probe = |probe: probe::Probe| (Some(probe.golden), probe.changed);
    Some(match claim.text {
        Text::Cone => (None, cone.blanked.clone()),
        Text::ConeWithout(deletion) => (None, cone.deletions[deletion].text.clone()),
        Text::CodeWithout(deletion) => (None, cone.deletions[deletion].code.clone()),
        Text::Inverted(deletion) => (None, probe::inverted(&subject.code, span(deletion))?),
        Text::Reached(deletion) => {
            probe(probe::reached(&subject.code, span(deletion), &subject.top)?)
        }
        Text::Settled(deletion) => {
            probe(probe::settled(&subject.code, span(deletion), &subject.top)?)
        }
    })
}

/// Claims as candidates, in their order, of problems whose golden modules are the original candidates.
pub fn candidates(subjects: &[Subject], claims: &[Claim]) -> (Vec<Problem>, Vec<Candidate>) {
    let problem = |subject: &Subject, name: String, golden: String| Problem {
        problem: name,
        prompt: String::new(),
        golden,
        golden_top: Some(subject.top.clone()),
        top: subject.top.clone(),
        testbench: None,
        inputs: subject.inputs.clone(),
        source: None,
        licence: None,
    };
    let own = |subject: &Subject| problem(subject, subject.id.clone(), subject.code.clone());
    let mut problems: Vec<Problem> = subjects.iter().map(own).collect();
    let mut candidates = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        let subject = &subjects[claim.subject];
        let (golden, text) = text_of(subject, claim).unwrap_or_default();
        let mut name = subject.id.clone();
        if let Some(golden) = golden {
            name = format!("{name}, probe {index}");
            problems.push(problem(subject, name.clone(), golden));
        }
        candidates.push(Candidate {
            problem: name,
            id: index.to_string(),
            // In a fence, so that it is taken as it is.
            completion: format!("```verilog\n{text}\n```\n"),
        });
    }
    (problems, candidates)
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
