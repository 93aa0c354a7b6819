//! `salv bench cones`: whether cones hold the signals that Yosys finds in the fan-in of an output.
//!
//! In: problems and candidates. Out: for how many outputs the variables and nets in the cone
//! ([`Analysis::signals`](crate::extract::Analysis::signals)) are those in the transitive fan-in of Yosys's
//! netlist (`hierarchy; proc; flatten`, no optimisation), by what kind of difference they are not
//! ([`explain`]), and a list of the outputs that differ. What is compared are names that both sides have: variables and nets declared in the top module
//! itself. Names in blocks and sub-modules are called otherwise after `flatten`, loop variables are unrolled,
//! and parameters are no signals.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::process::ExitCode;

use super::select::in_parallel;
use crate::candidate::{self, extract_code};
use crate::cli::start;
use crate::cli::tools::find_prover;
use crate::cli::verify::BackendArguments;
use crate::problem;
use crate::record;
use crate::verify::cache::Cache;
use crate::verify::verdict::{Status, Verdict};

mod explain;
mod fan_in;

use explain::{Class, Compared, Outcome, compare};
use fan_in::FanIn;

/// Compare the signals in cones with the fan-in that Yosys finds
#[derive(clap::Args)]
pub struct Arguments {
    /// The problems, `problems.jsonl`
    problems: PathBuf,
    /// What models wrote, `candidates.jsonl`
    candidates: PathBuf,
    /// Compare only candidates that are `judged` in this file
    #[arg(long)]
    verdicts: Option<PathBuf>,
    /// Compare candidates with one output too
    #[arg(long)]
    single: bool,
    /// Print each output that differs in a line, tabs between the fields, and the summary to stderr
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    backend: BackendArguments,
    /// Worker threads; by default one for each core
    #[arg(long)]
    threads: Option<usize>,
}

/// A candidate to be compared.
struct Subject {
    problem: String,
    id: String,
    top: String,
    code: String,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let tools = arguments.backend.tools()?;
    let prover = find_prover(&tools.cache)?;
    let cache = Cache::open(&tools.cache)?;
    let threads = start::threads(arguments.threads)?;
    let subjects = subjects(&arguments)?;
    let share = subjects.len().div_ceil(threads).max(1);
    let parts: Vec<&[Subject]> = subjects.chunks(share).collect();
    let compared = in_parallel(threads, &parts, |part| {
        let mut fan_in = FanIn::start(&prover, cache.scratch()?)?;
        let compare = |subject: &Subject| compare(&subject.code, &subject.top, &mut fan_in);
        part.iter().map(compare).collect::<anyhow::Result<Vec<_>>>()
    })?;
    let mut report = Report { single: arguments.single, ..Report::default() };
    for (subject, outcome) in subjects.iter().zip(compared.into_iter().flatten()) {
        report.add(subject, outcome);
    }
    if arguments.list {
        print!("{}", report.list);
        eprint!("{}", report.render());
    } else {
        print!("{}", report.render());
    }
    Ok(ExitCode::SUCCESS)
}

/// The candidates that are compared, equal texts once.
fn subjects(arguments: &Arguments) -> anyhow::Result<Vec<Subject>> {
    let problems = problem::load(&arguments.problems)?;
    let tops: BTreeMap<&str, (&str, &str)> = problems
        .iter()
        .map(|p| (p.problem.as_str(), (p.top.as_str(), p.prompt.as_str())))
        .collect();
    let judged = match &arguments.verdicts {
        None => None,
        Some(path) => {
            let rows = record::read::<Verdict>(path)?.collect::<Result<Vec<_>, _>>()?;
            let judged = rows.into_iter().map(|row| row.value);
            let judged = judged.filter(|verdict| verdict.status == Status::Judged);
            Some(judged.map(|verdict| verdict.candidate).collect::<BTreeSet<_>>())
        }
    };
    let mut seen = HashSet::new();
    let mut subjects = Vec::new();
    for candidate in candidate::read(&arguments.candidates)? {
        let candidate = candidate?;
        if judged.as_ref().is_some_and(|judged| !judged.contains(&candidate.id)) {
            continue;
        }
        let Some(&(top, prompt)) = tops.get(candidate.problem.as_str()) else {
            anyhow::bail!(
                "candidate {}: no problem is called `{}`",
                candidate.id,
                candidate.problem
            );
        };
        let Ok(code) = extract_code(&candidate.completion, prompt, top) else { continue };
        if seen.insert((top, code.text.clone())) {
            subjects.push(Subject {
                problem: candidate.problem,
                id: candidate.id,
                top: top.to_owned(),
                code: code.text,
            });
        }
    }
    Ok(subjects)
}

/// What is counted.
#[derive(Default)]
struct Report {
    single: bool,
    candidates: usize,
    equal: usize,
    outputs: usize,
    /// Outputs by the class that is hardest to explain.
    classes: BTreeMap<Class, usize>,
    missing: usize,
    open: usize,
    no_cone: BTreeMap<String, usize>,
    refused: BTreeMap<String, usize>,
    list: String,
}

impl Report {
    fn add(&mut self, subject: &Subject, outcome: Outcome) {
        let compared = match outcome {
            Outcome::Compared(compared) => compared,
            Outcome::NoCone(why) => return *self.no_cone.entry(why).or_default() += 1,
            Outcome::Refused(why) => return *self.refused.entry(why).or_default() += 1,
        };
        if compared.len() < 2 && !self.single {
            return;
        }
        self.candidates += 1;
        for Compared { output, ours, theirs } in compared {
            self.outputs += 1;
            if ours.is_empty() && theirs.is_empty() {
                self.equal += 1;
                continue;
            }
            let Subject { problem, id, .. } = subject;
            let class = ours.iter().map(|extra| extra.class).max();
            self.missing += usize::from(!theirs.is_empty());
            if let Some(class) = class {
                *self.classes.entry(class).or_default() += 1;
            }
            self.open += usize::from(!theirs.is_empty() || class == Some(Class::Open));
            let ours: Vec<String> =
                ours.iter().map(|extra| format!("{}:{:?}", extra.name, extra.class)).collect();
            self.list +=
                &format!("{problem}\t{id}\t{output}\t{}\t{}\n", ours.join(" "), theirs.join(" "));
        }
    }

    fn render(&self) -> String {
        let mut text = format!("{} candidates\n", self.candidates);
        for (what, reasons) in [("no cone", &self.no_cone), ("not read by Yosys", &self.refused)] {
            for (why, count) in reasons {
                text += &format!("  {what}: {count:>5}  {why}\n");
            }
        }
        let Report { outputs, equal, missing, open, .. } = self;
        text += &format!("{outputs} outputs\n{equal:>7}  have the same signals on both sides\n");
        for class in Class::ALL {
            let count = self.classes.get(&class).copied().unwrap_or(0);
            text += &format!("{count:>7}  {}\n", class.explanation());
        }
        text += &format!("{missing:>7}  lack a signal in the cone\n");
        let explained = outputs - open;
        let share = 100.0 * explained as f64 / (*outputs).max(1) as f64;
        text += &format!("equal or explained: {explained} of {outputs} outputs ({share:.2} %)\n");
        text
    }
}
