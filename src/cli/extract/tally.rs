//! What `--check` counts, and its report.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::prove::{self, Claim, Effect, Finding, Spare, Subject, Text};
use crate::verify::verdict::Verdict;

/// What `--check` found.
#[derive(Default)]
pub struct Tally {
    pub candidates: usize,
    pub no_code: usize,
    pub single: usize,
    pub analysed: usize,
    pub repeated: usize,
    /// Sum of the shares of code in cones, and their count.
    pub bytes: (f64, usize),
    whole: Vec<Listed>,
    holds: usize,
    silent: usize,
    not_judged: usize,
    fails: Vec<Listed>,
    needed: usize,
    broken: usize,
    unclear: usize,
    spares: BTreeMap<Effect, Vec<String>>,
    /// Of those that matter, the ones that change another output when they are taken out.
    held_for_others: usize,
}

/// An output that has no cone or whose cone does not hold.
struct Listed {
    problem: String,
    candidate: String,
    output: String,
    finding: String,
}

impl Listed {
    fn line(&self) -> String {
        let Listed { problem, candidate, output, finding } = self;
        let finding = finding.replace(['\t', '\n'], " ");
        format!("{problem}\t{candidate}\t{output}\t{finding}\n")
    }
}

impl Tally {
    /// The outputs whose cones were judged.
    pub fn signals(&self) -> usize {
        self.holds + self.silent + self.not_judged + self.fails.len()
    }

    /// Counts a text or an output that has no cone.
    pub fn whole(&mut self, problem: &str, candidate: &str, output: &str, why: &str) {
        self.whole.push(Listed {
            problem: problem.into(),
            candidate: candidate.into(),
            output: output.into(),
            finding: format!("whole module: {why}"),
        });
    }

    /// Counts a verdict; returns whether a statement can be taken out, which is not counted yet.
    pub fn add(&mut self, subject: &Subject, claim: &Claim, verdict: &Verdict) -> bool {
        let cone = &subject.cones[claim.cone];
        let finding = prove::finding(verdict, &cone.name);
        match (claim.text, finding) {
            (Text::Cone, Finding::Same) => self.holds += 1,
            (Text::Cone, Finding::Silent) => self.silent += 1,
            (Text::Cone, Finding::NotJudged(_)) => self.not_judged += 1,
            (Text::Cone, Finding::Different(finding) | Finding::Broken(finding)) => {
                self.fails.push(Listed {
                    problem: subject.problem.clone(),
                    candidate: subject.id.clone(),
                    output: cone.name.clone(),
                    finding,
                });
            }
            (_, Finding::Different(_)) => self.needed += 1,
            (_, Finding::Broken(_)) => self.broken += 1,
            (_, Finding::Silent | Finding::NotJudged(_)) => self.unclear += 1,
            (_, Finding::Same) => return true,
        }
        false
    }

    /// Counts a statement that can be taken out.
    pub fn add_spare(&mut self, subject: &Subject, spare: &Spare) {
        let cone = &subject.cones[spare.cone];
        let span = cone.deletions[spare.deletion].span.clone();
        let text = subject.code[span].split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = text.chars().take(80).collect();
        let effect = spare.effect();
        self.held_for_others += usize::from(effect == Effect::Held && spare.changes_others);
        let line = format!("{} {}: {text}", subject.id, cone.name);
        self.spares.entry(effect).or_default().push(line);
    }

    /// The share of outputs that hold.
    pub fn share(&self) -> f64 {
        let all = self.holds + self.fails.len();
        if all == 0 { 0.0 } else { self.holds as f64 / all as f64 }
    }

    /// The outputs that do not hold, and those without a cone: problem, candidate, output, what was found.
    pub fn list(&self) -> String {
        let mut lines: Vec<String> =
            self.fails.iter().chain(&self.whole).map(Listed::line).collect();
        lines.sort_unstable();
        lines.concat()
    }

    /// The report; its last line is the share that holds.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (title, list) in [("whole module", &self.whole), ("does not hold", &self.fails)] {
            for Listed { problem, candidate, output, finding } in list {
                let _ = writeln!(text, "{title}: {candidate} ({problem}) {output}: {finding}");
            }
        }
        for (effect, list) in &self.spares {
            for line in list {
                let _ = writeln!(text, "{}: {line}", effect.explanation());
            }
        }
        self.counts(&mut text);
        text
    }

    fn counts(&self, text: &mut String) {
        let Tally { candidates, no_code, single, repeated, analysed, .. } = self;
        let _ = writeln!(
            text,
            "{candidates} candidates: {no_code} without code, {single} with one output, {repeated} with the code of another"
        );
        let whole = self.whole.len();
        let _ = writeln!(
            text,
            "whole module: {whole} texts or outputs beside {analysed} analysed candidates"
        );
        let (sum, count) = self.bytes;
        let _ = writeln!(
            text,
            "mean share of a module's code in a cone: {}",
            percent(sum, count as f64)
        );
        let count = |effect: Effect| self.spares.get(&effect).map_or(0, Vec::len);
        let spare: usize = Effect::ALL.into_iter().map(count).sum();
        let deleted = self.needed + spare;
        let _ = writeln!(
            text,
            "statements taken out: {deleted}; not counted: {} that leave no module, {} without a bit that moves",
            self.broken, self.unclear
        );
        let share = |count: usize| percent(count as f64, deleted as f64);
        let mut line = |what: &str, count: usize| {
            let _ = writeln!(text, "  {count:>6} {:>8}  {what}", share(count));
        };
        line("needed: the output changes without it", self.needed);
        for effect in Effect::ALL {
            line(effect.explanation(), count(effect));
        }
        let others = self.held_for_others + count(Effect::Redundant);
        let _ = writeln!(
            text,
            "redundant, or held and seen at another output when it is taken out: {others} ({})",
            share(others)
        );
        let all = self.holds + self.fails.len();
        let _ = writeln!(
            text,
            "holds: {} of {all} outputs ({}); {} without a defined bit that moves and {} that cannot be judged are not counted",
            self.holds,
            percent(self.holds as f64, all as f64),
            self.silent,
            self.not_judged
        );
    }
}

fn percent(count: f64, of: f64) -> String {
    if of == 0.0 { "-".into() } else { format!("{:.2} %", 100.0 * count / of) }
}
