//! The table of a mutation test, and the list of what was not called wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::ensure;

use super::{Design, Mutant, Truth};
use crate::design::Class;
use crate::verify::verdict::{Judgement, Status};

/// What the verification said of an output of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Called wrong.
    Wrong,
    /// Called correct or unchecked.
    Missed(Judgement),
    /// The mutant was not judged, so it has no right output.
    NotJudged(Status),
}

/// An output of a mutant in whose fan-in the mutation lies.
pub struct Pair<'a> {
    /// Index of the mutant.
    pub at: usize,
    /// The design.
    pub design: &'a Design,
    /// The mutant.
    pub mutant: &'a Mutant,
    /// The output.
    pub output: &'a str,
    /// What was said of it.
    pub outcome: Outcome,
    /// Whether a value in the mutant hangs on the order of processes.
    pub races: bool,
}

impl Pair<'_> {
    /// Whether prover and simulator mean the same by the text: a race is none to a prover.
    pub fn is_checkable(&self) -> bool {
        let blocking = self.mutant.mutation.parts.contains(&Class::Blocking);
        !blocking && !self.races
    }
}

#[derive(Clone, Copy, Default)]
struct Line {
    mutants: usize,
    outputs: usize,
    wrong: usize,
    equal: usize,
    defined: usize,
    survivors: usize,
    undecided: usize,
    not_judged: usize,
}

/// What the prover says of an output that is not called wrong.
enum Kind {
    Equal,
    Defined,
    Survivor,
    Undecided,
}

/// All that is counted.
pub struct Report<'a> {
    head: String,
    by_class: BTreeMap<Class, Line>,
    not_judged: BTreeMap<Status, usize>,
    designs: BTreeSet<&'a str>,
    missed: Vec<(Pair<'a>, Truth)>,
    checked: usize,
    contradictions: Vec<String>,
}

impl<'a> Report<'a> {
    /// A report on these mutants, of which each output was to have `count`.
    pub fn new(
        designs: &'a [Design],
        aside: &BTreeMap<String, usize>,
        mutants: &[(&'a Design, Mutant)],
        count: usize,
    ) -> Self {
        let mut head = String::new();
        let outputs: usize = designs.iter().map(|design| design.mutations.outputs.len()).sum();
        let all: usize = designs.iter().map(|design| design.mutations.mutations.len()).sum();
        let _ = writeln!(
            head,
            "{} distinct designs, {outputs} outputs; {} mutants of {all} with one change",
            designs.len(),
            mutants.len(),
        );
        for (why, number) in aside {
            let _ = writeln!(head, "set aside: {number} designs: {why}");
        }
        let mut by_class: BTreeMap<Class, Line> = BTreeMap::new();
        let mut reaching: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (design, mutant) in mutants {
            by_class.entry(mutant.mutation.class).or_default().mutants += 1;
            for output in &mutant.mutation.outputs {
                let design_output = design.mutations.outputs.iter().find(|name| *name == output);
                let Some(name) = design_output else { continue };
                *reaching.entry((design.name(), name)).or_default() += 1;
            }
        }
        let few: Vec<String> = designs
            .iter()
            .flat_map(|design| {
                design.mutations.outputs.iter().map(|name| (design.name(), name.as_str()))
            })
            .map(|key| (key, reaching.get(&key).copied().unwrap_or(0)))
            .filter(|&(_, number)| number < count)
            .map(|((design, output), number)| format!("{design} {output} {number}"))
            .collect();
        if !few.is_empty() {
            let _ = writeln!(
                head,
                "outputs with fewer than {count} mutants, for there are no more: {}",
                few.join(", ")
            );
        }
        Report {
            head,
            by_class,
            not_judged: BTreeMap::new(),
            designs: BTreeSet::new(),
            missed: Vec::new(),
            checked: 0,
            contradictions: Vec::new(),
        }
    }

    /// Adds an output, with what the prover said where it was asked.
    pub fn add(&mut self, pair: Pair<'a>, truth: Option<Truth>) {
        let line = self.by_class.entry(pair.mutant.mutation.class).or_default();
        line.outputs += 1;
        match (pair.outcome, truth) {
            (Outcome::Wrong, truth) => {
                line.wrong += 1;
                self.checked += usize::from(truth.is_some());
                if truth == Some(Truth::Equal) {
                    self.contradictions.push(describe(&pair));
                }
            }
            (Outcome::NotJudged(status), _) => {
                line.not_judged += 1;
                *self.not_judged.entry(status).or_default() += 1;
            }
            (Outcome::Missed(_), Some(truth)) => {
                match kind(&truth) {
                    Kind::Equal => line.equal += 1,
                    Kind::Defined => line.defined += 1,
                    Kind::Survivor => line.survivors += 1,
                    Kind::Undecided => line.undecided += 1,
                }
                if matches!(kind(&truth), Kind::Survivor | Kind::Undecided) {
                    self.designs.insert(pair.design.name());
                }
                self.missed.push((pair, truth));
            }
            (Outcome::Missed(_), None) => unreachable!("the prover is asked of all that is missed"),
        }
    }

    /// An error if the prover found equal what the simulation has seen to differ.
    pub fn contradiction(&self) -> anyhow::Result<()> {
        ensure!(
            self.contradictions.is_empty(),
            "the prover says equal of outputs that were seen to differ:\n{}",
            self.contradictions.join("\n")
        );
        Ok(())
    }

    /// The table.
    pub fn render(&self, elapsed: Duration) -> String {
        let mut text = self.head.clone();
        let _ = writeln!(
            text,
            "{:<15} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>10} {:>11}",
            "class",
            "mutants",
            "outputs",
            "wrong",
            "equal",
            "golden x",
            "survivors",
            "undecided",
            "not judged"
        );
        let mut total = Line::default();
        for class in Class::ALL {
            let Some(&line) = self.by_class.get(&class) else { continue };
            row(&mut text, class.name(), line);
            total = total.and(line);
        }
        row(&mut text, "all", total);
        let rest = total.wrong + total.survivors + total.undecided;
        let _ = writeln!(
            text,
            "score: {} of {rest} outputs of mutants that are not proved equal are called wrong, {}",
            total.wrong,
            percent(total.wrong, rest)
        );
        let _ = writeln!(
            text,
            "survivors and undecided are in {} designs; proof and simulation agree on {} outputs called wrong",
            self.designs.len(),
            self.checked - self.contradictions.len()
        );
        for (status, count) in &self.not_judged {
            let _ = writeln!(text, "not judged: {count} outputs of mutants, {}", status.name());
        }
        let _ = writeln!(text, "{} s", elapsed.as_secs());
        text
    }

    /// A line for each output that is not called wrong and not proved equal; with `all`, for those too.
    pub fn list(&self, all: bool) -> String {
        let mut text = String::new();
        for (pair, truth) in &self.missed {
            let (result, why) = match truth {
                Truth::Equal => ("equal", String::new()),
                Truth::Defined => ("golden x", String::new()),
                Truth::Different { frames, trace } => {
                    ("survivor", format!("{frames} steps\t{trace}"))
                }
                Truth::Undecided { reason } => ("undecided", reason.clone()),
            };
            if all || matches!(kind(truth), Kind::Survivor | Kind::Undecided) {
                let Outcome::Missed(judgement) = pair.outcome else { continue };
                let _ = writeln!(text, "{}\t{}\t{result}\t{why}", describe(pair), judgement.name());
            }
        }
        text
    }
}

impl Line {
    fn and(self, other: Line) -> Line {
        Line {
            mutants: self.mutants + other.mutants,
            outputs: self.outputs + other.outputs,
            wrong: self.wrong + other.wrong,
            equal: self.equal + other.equal,
            defined: self.defined + other.defined,
            survivors: self.survivors + other.survivors,
            undecided: self.undecided + other.undecided,
            not_judged: self.not_judged + other.not_judged,
        }
    }
}

fn row(text: &mut String, name: &str, line: Line) {
    let _ = writeln!(
        text,
        "{name:<15} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>10} {:>11}",
        line.mutants,
        line.outputs,
        line.wrong,
        line.equal,
        line.defined,
        line.survivors,
        line.undecided,
        line.not_judged
    );
}

fn kind(truth: &Truth) -> Kind {
    match truth {
        Truth::Equal => Kind::Equal,
        Truth::Defined => Kind::Defined,
        Truth::Different { .. } => Kind::Survivor,
        Truth::Undecided { .. } => Kind::Undecided,
    }
}

/// Design, output, class, place and what was done; no text of the design.
fn describe(pair: &Pair<'_>) -> String {
    let mutation = &pair.mutant.mutation;
    format!(
        "{}\t{}\t{}\t{}:{}\t{}",
        pair.design.name(),
        pair.output,
        mutation.class.name(),
        mutation.place.line,
        mutation.place.column,
        mutation.what
    )
}

fn percent(count: usize, of: usize) -> String {
    if of == 0 { "-".into() } else { format!("{:.2} %", 100.0 * count as f64 / of as f64) }
}
