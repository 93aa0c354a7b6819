//! What a run comes to, in numbers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::verify::verdict::{Judgement, MismatchKind, Status, Verdict};

/// Counts over the verdicts of a run.
#[derive(Default)]
pub struct Summary {
    /// Candidates in all.
    pub candidates: usize,
    statuses: BTreeMap<Status, usize>,
    judgements: BTreeMap<Judgement, usize>,
    only_unknown: usize,
    all_right: usize,
    partly_right: usize,
    several_outputs: usize,
}

impl Summary {
    /// Counts one candidate.
    pub fn add(&mut self, verdict: &Verdict) {
        self.candidates += 1;
        *self.statuses.entry(verdict.status).or_default() += 1;
        if verdict.status != Status::Judged {
            return;
        }
        let mut wrong = 0;
        let mut correct = 0;
        for signal in &verdict.signals {
            *self.judgements.entry(signal.verdict).or_default() += 1;
            wrong += usize::from(signal.verdict == Judgement::Wrong);
            correct += usize::from(signal.verdict == Judgement::Correct);
            self.only_unknown += usize::from(signal.kind == Some(MismatchKind::Unknown));
        }
        self.several_outputs += usize::from(verdict.signals.len() > 1);
        self.all_right += usize::from(wrong == 0);
        self.partly_right += usize::from(wrong > 0 && correct > 0);
    }

    /// Outputs of judged candidates with this verdict.
    pub fn outputs(&self, judgement: Judgement) -> usize {
        self.judgements.get(&judgement).copied().unwrap_or(0)
    }

    /// Candidates that came so far.
    pub fn status(&self, status: Status) -> usize {
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    /// The summary as text, for `judged` candidates in `elapsed`.
    pub fn render(&self, judged: usize, elapsed: Duration) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "\ncandidates {:>9}", self.candidates);
        for (status, &count) in &self.statuses {
            let share = percent(count, self.candidates);
            let _ = writeln!(text, "  {:<20} {count:>9}  {share}", status.name());
        }
        let outputs: usize = self.judgements.values().sum();
        let _ = writeln!(text, "outputs {outputs:>12}");
        for (judgement, &count) in &self.judgements {
            let share = percent(count, outputs);
            let _ = writeln!(text, "  {:<20} {count:>9}  {share}", judgement.name());
        }
        if self.only_unknown > 0 {
            let _ = writeln!(text, "  (wrong by unknown bits only: {})", self.only_unknown);
        }
        let judged_all = self.status(Status::Judged);
        let wrong = judged_all - self.all_right;
        let _ = writeln!(
            text,
            "of {judged_all} judged candidates {} have no wrong output; of the {wrong} others {} ({}) have a right one",
            self.all_right,
            self.partly_right,
            percent(self.partly_right, wrong).trim()
        );
        let seconds = elapsed.as_secs_f64();
        if judged > 0 && seconds > 0.0 {
            let rate = judged as f64 / seconds;
            let _ = writeln!(text, "{judged} candidates in {seconds:.1} s: {rate:.1} candidates/s");
        }
        text
    }
}

fn percent(count: usize, of: usize) -> String {
    if of == 0 {
        return "     -".into();
    }
    format!("{:>5.1} %", 100.0 * count as f64 / of as f64)
}
