//! `salv bench lanes`: the lanes engine beside verdicts of another backend, and where its time goes.
//!
//! Everything runs in this process, one row after the other, without a worker or a barrier around it: the times are those of
//! slang, lowering and execution alone, and rows that lanes hand over are counted by the construct. Below what slang takes by
//! itself, which is measured too, no row can come.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::candidate::extract_code;
use crate::cli::files;
use crate::problem::Problem;
use crate::verify::backend::Outcome;
use crate::verify::lanes::job::{self, Job, Lanes};
use crate::verify::run::golden_key;
use crate::verify::stimulus::{Config, VECTORS_MAX};
use crate::verify::verdict::{self, SignalVerdict, Status, Verdict};
use crate::{candidate, design, problem, record};

/// Compare the lanes engine with the verdicts of another backend
#[derive(clap::Args)]
pub struct Arguments {
    /// The problems, `problems.jsonl`
    problems: PathBuf,
    /// What models wrote
    candidates: PathBuf,
    /// What another backend made of them, with the same seed and number of vectors; without it, only times are told
    #[arg(long)]
    verdicts: Option<PathBuf>,
    /// Print each difference in a line, tabs between the fields
    #[arg(long)]
    list: bool,
    /// Print the time of each row in microseconds, tabs between the fields
    #[arg(long)]
    times: bool,
    /// Cycles of random inputs over all episodes
    #[arg(long, default_value_t = Config::default().vectors,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(VECTORS_MAX)))]
    vectors: u32,
    /// Decides every random choice
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Default)]
struct Report {
    rows: u64,
    judged: u64,
    refused: u64,
    handed_over: BTreeMap<String, u64>,
    outputs: u64,
    equal: u64,
    differences: BTreeMap<String, u64>,
    time: Duration,
    /// What slang takes for the candidates' texts alone.
    slang: Duration,
    /// The last problem, and the key of its golden module.
    last: Option<(String, String)>,
}

impl Arguments {
    fn config(&self) -> Config {
        Config { vectors: self.vectors, seed: self.seed, ..Config::default() }
    }
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let problems = problem::load(&arguments.problems)?;
    let by_name: BTreeMap<&str, &Problem> =
        problems.iter().map(|problem| (problem.problem.as_str(), problem)).collect();
    let mut verdicts = match &arguments.verdicts {
        Some(path) => Some(record::read::<Verdict>(path)?),
        None => None,
    };
    let mut rows: Vec<(usize, candidate::Candidate, Option<Verdict>)> = Vec::new();
    files::survey(&arguments.candidates, &problems, None)?;
    for (number, row) in candidate::read(&arguments.candidates)?.enumerate() {
        let (row, verdict) = (row?, verdicts.as_mut().and_then(Iterator::next).transpose()?);
        let verdict = verdict.map(|line| line.value);
        ensure!(
            arguments.verdicts.is_none()
                || verdict.as_ref().is_some_and(|verdict| {
                    (&verdict.problem, &verdict.candidate) == (&row.problem, &row.id)
                }),
            "the verdicts are of other candidates: row {number} is of {} of {}",
            row.id,
            row.problem
        );
        rows.push((number, row, verdict));
    }
    rows.sort_by(|a, b| (&a.1.problem, a.0).cmp(&(&b.1.problem, b.0)));
    let mut report = Report::default();
    let mut lanes = Lanes::default();
    for (_, row, verdict) in &rows {
        let Some(problem) = by_name.get(row.problem.as_str()) else { continue };
        report.rows += 1;
        let started = Instant::now();
        let text = report.row(&arguments, &mut lanes, problem, row, verdict.as_ref());
        let time = started.elapsed();
        report.time += time;
        if arguments.times {
            println!("{}\t{}\t{}", row.problem, row.id, time.as_micros());
        }
        let started = Instant::now();
        std::hint::black_box(text.is_some_and(|text| design::is_legal(&text)));
        report.slang += started.elapsed();
    }
    eprint!("{}", report.render());
    Ok(ExitCode::SUCCESS)
}

impl Report {
    /// Judges a row; gives the text that was judged, if there was one.
    fn row(
        &mut self,
        arguments: &Arguments,
        lanes: &mut Lanes,
        problem: &Problem,
        row: &candidate::Candidate,
        verdict: Option<&Verdict>,
    ) -> Option<String> {
        let Ok(code) = extract_code(&row.completion, &problem.prompt, &problem.top) else {
            self.refused += 1;
            return None;
        };
        let asked = Job {
            golden: problem.golden.clone(),
            golden_top: problem.golden_top.clone(),
            restrictions: problem.inputs.clone(),
            key: self.key(problem),
            config: arguments.config(),
            candidate: code.text,
            top: problem.top.clone(),
        };
        let judged_there = verdict.is_none_or(|verdict| verdict.status == Status::Judged);
        match lanes.answer(&asked) {
            job::Verdict::Judged { outcome, .. } => {
                self.judged += 1;
                if let Some(verdict) = verdict {
                    self.compare(arguments, outcome, verdict);
                }
            }
            job::Verdict::HandedOver(why) if judged_there => {
                *self.handed_over.entry(why).or_default() += 1;
            }
            _ => self.refused += 1,
        }
        Some(asked.candidate)
    }

    /// The golden module's identity, by which the other backend made its stimulus.
    fn key(&mut self, problem: &Problem) -> String {
        if let Some((_, key)) = self.last.as_ref().filter(|(name, _)| *name == problem.problem) {
            return key.clone();
        }
        let golden = design::elaborate(&problem.golden, problem.golden_top.as_deref());
        let key = golden.map_or_else(|_| String::new(), |d| golden_key(problem, &d.interface.top));
        self.last = Some((problem.problem.clone(), key.clone()));
        key
    }

    fn compare(&mut self, arguments: &Arguments, outcome: Outcome, other: &Verdict) {
        let counts = match outcome {
            Outcome::Counted(counts) if other.status == Status::Judged => counts,
            outcome => {
                let own = match &outcome {
                    Outcome::Counted(_) => "judged".to_owned(),
                    Outcome::Timeout(why) => format!("timeout ({why})"),
                    _ => "other".to_owned(),
                };
                let same =
                    matches!(outcome, Outcome::Timeout(_)) && other.status == Status::Timeout;
                if !same {
                    self.differ(arguments, other, "", &own, &format!("{:?}", other.status));
                }
                return;
            }
        };
        for (count, theirs) in counts.into_iter().zip(&other.signals) {
            let own = verdict::judge(&theirs.name, count);
            self.outputs += 1;
            if own.verdict == theirs.verdict {
                self.equal += 1;
            } else {
                self.differ(arguments, other, &theirs.name, &told(&own), &told(theirs));
            }
        }
    }

    fn differ(
        &mut self,
        arguments: &Arguments,
        row: &Verdict,
        output: &str,
        own: &str,
        other: &str,
    ) {
        let class = |told: &str| told.split(';').next().unwrap_or_default().to_owned();
        *self.differences.entry(format!("{} / {}", class(own), class(other))).or_default() += 1;
        if arguments.list {
            println!(
                "{}\t{}\t{output}\t{own}\t{other}\t{}",
                row.problem,
                row.candidate,
                row.races.join(",")
            );
        }
    }

    fn render(&self) -> String {
        let mut text = format!(
            "rows {}, refused {}, judged by lanes {}\n",
            self.rows, self.refused, self.judged
        );
        text += &format!("outputs {}, equal {}\n", self.outputs, self.equal);
        for (what, count) in &self.differences {
            text += &format!("  differs {count}: {what}\n");
        }
        for (what, count) in &self.handed_over {
            text += &format!("  handed over {count}: {what}\n");
        }
        let per_row = |time: Duration| time.as_secs_f64() * 1e3 / self.rows.max(1) as f64;
        let (row, slang) = (per_row(self.time), per_row(self.slang));
        text += &format!("{row:.3} ms a row; slang alone, without golden modules, {slang:.3}\n");
        text
    }
}

fn told(signal: &SignalVerdict) -> String {
    let kind = signal.kind.map_or(String::new(), |kind| format!(" by {kind:?}"));
    let first = signal.first.as_ref().map_or(String::new(), |first| {
        format!(
            "episode {} cycle {} step {} golden {} candidate {}",
            first.episode, first.cycle, first.step, first.golden, first.candidate
        )
    });
    format!(
        "{:?}{kind};compared {} mismatches {:?} {first}",
        signal.verdict, signal.compared, signal.mismatches
    )
}
