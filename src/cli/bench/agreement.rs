//! `salv bench agreement`: our verdicts beside what a benchmark's own test bench counted.
//!
//! A row of candidates may carry `testbench_mismatches`, for each output the samples that the bench found
//! wrong, of `testbench_samples` in all. Such counts do not come from this code, so they show what the
//! stimulus misses and what it calls wrong without need. Neither side is the truth: a bench visits few
//! states, and inputs that its prompt forbids are not known here. So, where asked, the first mismatch of each
//! output that the bench finds right and we call wrong is played in Icarus, which then is the third voice.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use serde::Deserialize;

use super::replay::{Replayer, Shown};
use crate::candidate::Candidate;
use crate::cli::verify::BackendArguments;
use crate::problem::Problem;
use crate::verify::verdict::{
    FirstMismatch, Judgement, MismatchKind, SignalVerdict, Status, Verdict,
};
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
    /// Play the first mismatch of what the bench finds right and we call wrong in Icarus
    #[arg(long)]
    replay: bool,
    /// Print a line for each design
    #[arg(long)]
    designs: bool,
    #[command(flatten)]
    backend: BackendArguments,
}

/// The fields of a candidate's row that hold the bench's word.
#[derive(Deserialize)]
struct Oracle {
    testbench_mismatches: Option<BTreeMap<String, u64>>,
    testbench_samples: Option<u64>,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let problems = problem::load(&arguments.problems)?;
    let mut agreement = read(&arguments, &problems)?;
    ensure!(
        agreement.candidates > 0,
        "no row of {} has the field testbench_mismatches",
        arguments.candidates.display()
    );
    if arguments.replay {
        agreement.replay(&Replayer::open(&arguments.backend, &arguments.verdicts, &problems)?)?;
    }
    let mut summary = agreement.render();
    if arguments.designs {
        summary += &agreement.render_designs();
    }
    if arguments.list {
        agreement.rows.iter().for_each(|row| println!("{}", row.line()));
        eprint!("{summary}");
    } else {
        print!("{summary}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads candidates and verdicts side by side; a file of verdicts may end early.
fn read(arguments: &Arguments, problems: &[Problem]) -> anyhow::Result<Agreement> {
    let problems: HashSet<&String> = problems.iter().map(|problem| &problem.problem).collect();
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
        agreement.add(&oracle, &candidate, &verdict);
    }
    Ok(agreement)
}

/// All that is counted.
#[derive(Default)]
struct Agreement {
    candidates: usize,
    wrong: Side,
    right: Side,
    /// The outputs of which the two do not say the same, and those found wrong that we did not judge.
    rows: Vec<Row>,
}

/// An output of which the two do not say the same.
struct Row {
    candidate: Candidate,
    output: String,
    /// Samples that the bench found wrong, and all.
    bench: (u64, Option<u64>),
    /// Our verdict, or the status that stands in its place.
    ours: &'static str,
    kind: Option<MismatchKind>,
    first: Option<FirstMismatch>,
    /// What Icarus shows at the first mismatch, where it was asked.
    shown: Option<Shown>,
}

impl Row {
    fn line(&self) -> String {
        let samples = self.bench.1.map_or("-".into(), |samples| samples.to_string());
        format!(
            "{}\t{}\t{}\t{}/{samples}\t{}\t{}\t{}",
            self.candidate.problem,
            self.candidate.id,
            self.output,
            self.bench.0,
            self.ours,
            self.kind.map_or("-", MismatchKind::name),
            self.shown.as_ref().map_or("-", Shown::name)
        )
    }
}

/// Outputs of which the bench says the same.
#[derive(Default)]
struct Side {
    value: usize,
    unknown: usize,
    order: usize,
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
    fn add(&mut self, oracle: &Oracle, candidate: &Candidate, verdict: &Verdict) {
        let Some(mismatches) = &oracle.testbench_mismatches else { return };
        self.candidates += 1;
        for (name, &count) in mismatches {
            let side = if count > 0 { &mut self.wrong } else { &mut self.right };
            let mut row = Row {
                candidate: candidate.clone(),
                output: name.clone(),
                bench: (count, oracle.testbench_samples),
                ours: verdict.status.name(),
                kind: None,
                first: None,
                shown: None,
            };
            if verdict.status != Status::Judged {
                if count > 0 {
                    self.rows.push(row);
                }
                *side.not_judged.entry(verdict.status).or_default() += 1;
                continue;
            }
            let Some(signal) = verdict.signals.iter().find(|signal| signal.name == *name) else {
                side.absent += 1;
                continue;
            };
            side.add(design(&verdict.problem), signal);
            if (signal.verdict == Judgement::Wrong) != (count > 0) {
                row.ours = signal.verdict.name();
                (row.kind, row.first) = (signal.kind, signal.first.clone());
                self.rows.push(row);
            }
        }
    }

    /// Asks Icarus about what we alone call wrong.
    fn replay(&mut self, replayer: &Replayer) -> anyhow::Result<()> {
        for row in &mut self.rows {
            if let Some(first) = &row.first {
                row.shown = Some(replayer.first(&row.candidate, &row.output, first)?);
            }
        }
        Ok(())
    }

    fn render_designs(&self) -> String {
        let mut text = String::from(
            "design                            bench wrong: judged, found    bench right: judged, called wrong\n",
        );
        let names: BTreeSet<&String> =
            self.wrong.designs.keys().chain(self.right.designs.keys()).collect();
        for name in names {
            let of = |side: &Side| side.designs.get(name).copied().unwrap_or_default();
            let ((wrong, found), (right, called)) = (of(&self.wrong), of(&self.right));
            let _ = writeln!(text, "{name:<34} {wrong:>18} {found:>6} {right:>22} {called:>6}");
        }
        text
    }

    fn render(&self) -> String {
        let mut text =
            format!("{} candidates with counts of the benchmark's test bench\n", self.candidates);
        self.wrong.render("outputs that the bench finds wrong", &mut text);
        self.right.render("outputs that the bench finds right in all samples", &mut text);
        let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
        for row in &self.rows {
            if let Some(name) = row.shown.as_ref().map(Shown::name) {
                *shown.entry(name).or_default() += 1;
            }
        }
        for (name, count) in shown {
            let _ = writeln!(text, "  at the first mismatch, Icarus: {name:<12} {count:>3}");
        }
        text
    }
}

impl Side {
    fn add(&mut self, design: &str, signal: &SignalVerdict) {
        let field = match (signal.verdict, signal.kind) {
            (Judgement::Wrong, Some(MismatchKind::Unknown)) => &mut self.unknown,
            (Judgement::Wrong, Some(MismatchKind::Order)) => &mut self.order,
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
        let judged = self.called_wrong() + self.correct + self.unchecked;
        let not_judged: usize = self.not_judged.values().sum();
        let mut line = |name: &str, count: usize, more: &str| {
            let _ = writeln!(text, "  {name:<34} {count:>7}  {more}");
        };
        line(&format!("{title}:"), judged + not_judged + self.absent, "");
        line("judged", judged, "");
        let kinds = format!(
            "{} (value {}, unknown {}, order {})",
            percent(self.called_wrong(), judged),
            self.value,
            self.unknown,
            self.order
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
        self.value + self.unknown + self.order
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
