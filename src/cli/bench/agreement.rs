//! `salv bench agreement`: our verdicts beside what a benchmark's own test bench counted.
//!
//! A row of candidates may carry `testbench_mismatches`, for each output the samples that the bench found
//! wrong, of `testbench_samples` in all. Such counts do not come from this code, so they show what the
//! stimulus misses and what it calls wrong without need. Neither side is the truth: a bench visits few
//! states, and inputs that its prompt forbids are not known here.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use serde::Deserialize;

use crate::verify::verdict::{Judgement, MismatchKind, SignalVerdict, Status, Verdict};
use crate::{candidate, problem, record};

/// Compare verdicts with the counts of a benchmark's own test bench
#[derive(clap::Args)]
pub struct Arguments {
    /// The problems, `problems.jsonl`
    problems: PathBuf,
    /// What models wrote, with `testbench_mismatches` in some rows
    candidates: PathBuf,
    /// What `salv verify` made of them
    verdicts: PathBuf,
    /// Print each disagreement in a line, tabs between the fields, and the summary to stderr
    #[arg(long)]
    list: bool,
}

/// The fields of a candidate's row that hold the bench's word.
#[derive(Deserialize)]
struct Oracle {
    testbench_mismatches: Option<BTreeMap<String, u64>>,
    testbench_samples: Option<u64>,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let agreement = read(&arguments)?;
    ensure!(
        agreement.candidates > 0,
        "no row of {} has the field testbench_mismatches",
        arguments.candidates.display()
    );
    let summary = agreement.render();
    if arguments.list {
        print!("{}", agreement.list);
        eprint!("{summary}");
    } else {
        print!("{summary}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads candidates and verdicts side by side; a file of verdicts may end early.
fn read(arguments: &Arguments) -> anyhow::Result<Agreement> {
    let problems: HashSet<String> =
        problem::load(&arguments.problems)?.into_iter().map(|problem| problem.problem).collect();
    let candidates = candidate::read(&arguments.candidates)?;
    let oracles = record::read::<Oracle>(&arguments.candidates)?;
    let verdicts = record::read::<Verdict>(&arguments.verdicts)?;
    let mut agreement = Agreement::default();
    for ((candidate, oracle), verdict) in candidates.zip(oracles).zip(verdicts) {
        let (candidate, oracle, verdict) = (candidate?, oracle?.value, verdict?);
        let (line, verdict) = (verdict.line, verdict.value);
        ensure!(
            (&verdict.candidate, &verdict.problem) == (&candidate.id, &candidate.problem),
            "{}:{line} judges candidate {} of {}, but that row of {} is candidate {} of {} (are these the verdicts on this file?)",
            arguments.verdicts.display(),
            verdict.candidate,
            verdict.problem,
            arguments.candidates.display(),
            candidate.id,
            candidate.problem,
        );
        ensure!(
            problems.contains(&candidate.problem),
            "{} has no problem `{}`",
            arguments.problems.display(),
            candidate.problem
        );
        agreement.add(&oracle, &verdict);
    }
    Ok(agreement)
}

/// All that is counted.
#[derive(Default)]
struct Agreement {
    candidates: usize,
    wrong: Side,
    right: Side,
    list: String,
}

/// Outputs of which the bench says the same.
#[derive(Default)]
struct Side {
    value: usize,
    unknown: usize,
    correct: usize,
    unchecked: usize,
    /// Outputs of rows that were not judged.
    not_judged: BTreeMap<Status, usize>,
    /// Names that are no output of the golden module.
    absent: usize,
    /// By design: outputs judged, and those of them called wrong.
    designs: BTreeMap<String, (usize, usize)>,
}

impl Agreement {
    fn add(&mut self, oracle: &Oracle, verdict: &Verdict) {
        let Some(mismatches) = &oracle.testbench_mismatches else { return };
        self.candidates += 1;
        for (name, &count) in mismatches {
            let side = if count > 0 { &mut self.wrong } else { &mut self.right };
            if verdict.status != Status::Judged {
                *side.not_judged.entry(verdict.status).or_default() += 1;
                continue;
            }
            let Some(signal) = verdict.signals.iter().find(|signal| signal.name == *name) else {
                side.absent += 1;
                continue;
            };
            side.add(design(&verdict.problem), signal);
            if (signal.verdict == Judgement::Wrong) != (count > 0) {
                self.disagree(verdict, signal, count, oracle.testbench_samples);
            }
        }
    }

    fn disagree(
        &mut self,
        verdict: &Verdict,
        signal: &SignalVerdict,
        count: u64,
        samples: Option<u64>,
    ) {
        let samples = samples.map_or("-".into(), |samples| samples.to_string());
        let kind = signal.kind.map_or("-", MismatchKind::name);
        let _ = writeln!(
            self.list,
            "{}\t{}\t{}\t{count}/{samples}\t{}\t{kind}",
            verdict.problem,
            verdict.candidate,
            signal.name,
            signal.verdict.name()
        );
    }

    fn render(&self) -> String {
        let mut text =
            format!("{} candidates with counts of the benchmark's test bench\n", self.candidates);
        self.wrong.render("outputs that the bench finds wrong", &mut text);
        self.right.render("outputs that the bench finds right in all samples", &mut text);
        text
    }
}

impl Side {
    fn add(&mut self, design: &str, signal: &SignalVerdict) {
        let field = match (signal.verdict, signal.kind) {
            (Judgement::Wrong, Some(MismatchKind::Unknown)) => &mut self.unknown,
            (Judgement::Wrong, _) => &mut self.value,
            (Judgement::Correct, _) => &mut self.correct,
            (Judgement::Unchecked, _) => &mut self.unchecked,
        };
        *field += 1;
        let (judged, wrong) = self.designs.entry(design.to_owned()).or_default();
        *judged += 1;
        *wrong += usize::from(signal.verdict == Judgement::Wrong);
    }

    fn render(&self, title: &str, text: &mut String) {
        let judged = self.value + self.unknown + self.correct + self.unchecked;
        let not_judged: usize = self.not_judged.values().sum();
        let mut line = |name: &str, count: usize, more: &str| {
            let _ = writeln!(text, "  {name:<34} {count:>7}  {more}");
        };
        line(&format!("{title}:"), judged + not_judged + self.absent, "");
        line("judged", judged, "");
        let kinds = format!(
            "{} (value {}, unknown {})",
            percent(self.called_wrong(), judged),
            self.value,
            self.unknown
        );
        line("  called wrong", self.called_wrong(), &kinds);
        line("  called correct", self.correct, &percent(self.correct, judged));
        line("  unchecked", self.unchecked, &percent(self.unchecked, judged));
        let statuses: Vec<String> = self
            .not_judged
            .iter()
            .map(|(status, count)| format!("{} {count}", status.name()))
            .collect();
        line("not judged", not_judged, &statuses.join(", "));
        if self.absent > 0 {
            line("no output of the golden module", self.absent, "");
        }
        line("designs", self.designs.len(), &self.describe_designs());
    }

    fn called_wrong(&self) -> usize {
        self.value + self.unknown
    }

    fn describe_designs(&self) -> String {
        let count = |keep: fn(usize, usize) -> bool| {
            self.designs.values().filter(|&&(judged, wrong)| keep(judged, wrong)).count()
        };
        let shares = self.designs.values().map(|&(judged, wrong)| wrong as f64 / judged as f64);
        let mean = 100.0 * shares.sum::<f64>() / self.designs.len().max(1) as f64;
        format!(
            "all called wrong in {}, some in {}, none in {}; mean share {mean:.1} %",
            count(|judged, wrong| wrong == judged),
            count(|judged, wrong| wrong > 0 && wrong < judged),
            count(|_, wrong| wrong == 0),
        )
    }
}

/// The design that a problem is about: benchmarks share designs, under names such as
/// `ve2-spec/Prob004_vector2` and `ve1-human/vector2`.
fn design(problem: &str) -> &str {
    let name = problem.rsplit_once('/').map_or(problem, |(_, name)| name);
    let numbered = name.strip_prefix("Prob").and_then(|rest| rest.split_once('_'));
    match numbered {
        Some((number, rest))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            rest
        }
        _ => name,
    }
}

fn percent(count: usize, of: usize) -> String {
    if of == 0 { "-".into() } else { format!("{:.2} %", 100.0 * count as f64 / of as f64) }
}

#[cfg(test)]
mod tests {
    use super::design;

    #[test]
    fn one_design_in_several_benchmarks() {
        assert_eq!(design("ve2-spec/Prob004_vector2"), "vector2");
        assert_eq!(design("ve1-human/vector2"), "vector2");
        assert_eq!(design("Problem_1"), "Problem_1");
        assert_eq!(design("Prob_1"), "Prob_1");
    }
}
