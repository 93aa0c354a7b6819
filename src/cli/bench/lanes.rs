//! `salv bench lanes`: the lanes engine beside verdicts of another backend, and where its time goes.
//!
//! Everything runs in this process, one row after the other, without a worker or a barrier around it: the times are those of the
//! stages alone (slang and analysis, lowering, execution), and rows that lanes hand over are counted by the construct.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::candidate::extract_code;
use crate::design::{self, Bits, Lowered};
use crate::problem::Problem;
use crate::verify::backend::Outcome;
use crate::verify::lanes::{Golden, GoldenError, judge};
use crate::verify::stimulus::Config;
use crate::verify::verdict::{self, SignalVerdict, Status, Verdict};
use crate::{candidate, problem, record};

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
    #[arg(long, default_value_t = Config::default().vectors)]
    vectors: u32,
    /// Decides every random choice
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// A golden module, ready to be compared with.
struct Ready {
    golden: Golden,
    pool: Vec<Bits>,
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
    golden: Duration,
    lower: Duration,
    execute: Duration,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let problems = problem::load(&arguments.problems)?;
    let by_name: BTreeMap<&str, &Problem> =
        problems.iter().map(|problem| (problem.problem.as_str(), problem)).collect();
    let config =
        Config { vectors: arguments.vectors, seed: arguments.seed, ..Config::default() };
    let mut verdicts = match &arguments.verdicts {
        Some(path) => Some(record::read::<Verdict>(path)?),
        None => None,
    };
    let mut rows: Vec<(usize, candidate::Candidate, Option<Verdict>)> = Vec::new();
    for (number, row) in candidate::read(&arguments.candidates)?.enumerate() {
        let verdict = verdicts.as_mut().and_then(Iterator::next).transpose()?;
        rows.push((number, row?, verdict.map(|line| line.value)));
    }
    rows.sort_by(|a, b| (&a.1.problem, a.0).cmp(&(&b.1.problem, b.0)));
    let mut report = Report::default();
    let mut last: Option<(String, Result<Ready, String>)> = None;
    for (_, row, verdict) in &rows {
        let Some(problem) = by_name.get(row.problem.as_str()) else { continue };
        if last.as_ref().is_none_or(|(name, _)| *name != row.problem) {
            let started = Instant::now();
            last = Some((row.problem.clone(), ready(problem, &config)));
            report.golden += started.elapsed();
        }
        let Some((_, ready)) = &last else { continue };
        report.rows += 1;
        let started = Instant::now();
        report.row(&arguments, problem, ready, row, verdict.as_ref());
        if arguments.times {
            println!("{}\t{}\t{}", row.problem, row.id, started.elapsed().as_micros());
        }
    }
    eprint!("{}", report.render());
    Ok(ExitCode::SUCCESS)
}

fn ready(problem: &Problem, config: &Config) -> Result<Ready, String> {
    let lowered = design::lower(&problem.golden, problem.golden_top.as_deref())
        .map_err(|refusal| format!("golden: {refusal}"))?;
    if !lowered.uses_z.is_empty() {
        return Err("golden: Z".into());
    }
    let program = lowered.program.map_err(|construct| format!("golden: {}", construct.0))?;
    let key = crate::verify::run::golden_key(problem, &lowered.interface.top);
    let pool = lowered.interface.pool.clone();
    match Golden::new(lowered.interface, &program, &problem.inputs, &key, config) {
        Ok(golden) => Ok(Ready { golden, pool }),
        Err(GoldenError::Stimulus(error)) => Err(format!("golden: {error}")),
        Err(GoldenError::Stops(stop)) => Err(format!("golden: {stop}")),
    }
}

impl Report {
    fn row(
        &mut self,
        arguments: &Arguments,
        problem: &Problem,
        ready: &Result<Ready, String>,
        row: &candidate::Candidate,
        verdict: Option<&Verdict>,
    ) {
        let Ok(code) = extract_code(&row.completion, &problem.prompt, &problem.top) else {
            self.refused += 1;
            return;
        };
        let started = Instant::now();
        let lowered = design::lower(&code.text, Some(&problem.top));
        self.lower += started.elapsed();
        let Ok(Lowered { interface, program, uses_z, .. }) = lowered else {
            self.refused += 1;
            return;
        };
        let judged_there = verdict.is_none_or(|verdict| verdict.status == Status::Judged);
        let mut hand_over = |why: String| {
            if judged_there {
                *self.handed_over.entry(why).or_default() += 1;
            } else {
                self.refused += 1;
            }
        };
        let ready = match ready {
            Ok(ready) => ready,
            Err(why) => return hand_over(why.clone()),
        };
        let program = match program {
            Ok(program) if uses_z.is_empty() && ready.golden.accepts(&interface) => program,
            Ok(_) => return hand_over("another interface".into()),
            Err(construct) => return hand_over(construct.0),
        };
        let fresh = |constant: &&Bits| !ready.pool.iter().any(|k| k.words == constant.words);
        let constants: Vec<Bits> = interface.pool.iter().filter(fresh).cloned().collect();
        let started = Instant::now();
        let outcome = judge(&ready.golden, &program, &constants);
        self.execute += started.elapsed();
        self.judged += 1;
        if let (Some(outcome), Some(verdict)) = (outcome, verdict) {
            self.compare(arguments, ready, outcome, verdict);
        }
    }

    fn compare(&mut self, arguments: &Arguments, ready: &Ready, outcome: Outcome, other: &Verdict) {
        let counts = match outcome {
            Outcome::Counted(counts) if other.status == Status::Judged => counts,
            outcome => {
                let own = match &outcome {
                    Outcome::Counted(_) => "judged".to_owned(),
                    Outcome::Timeout(why) => format!("timeout ({why})"),
                    _ => "other".to_owned(),
                };
                let same = matches!(outcome, Outcome::Timeout(_)) && other.status == Status::Timeout;
                if !same {
                    self.differ(arguments, other, "", &own, &format!("{:?}", other.status));
                }
                return;
            }
        };
        for ((port, count), theirs) in ready.golden.outputs().zip(counts).zip(&other.signals) {
            let own = verdict::judge(&port.name, count);
            self.outputs += 1;
            if own.verdict == theirs.verdict {
                self.equal += 1;
            } else {
                self.differ(arguments, other, &port.name, &told(&own), &told(theirs));
            }
        }
    }

    fn differ(&mut self, arguments: &Arguments, row: &Verdict, output: &str, own: &str, other: &str) {
        let class = |told: &str| told.split(';').next().unwrap_or_default().to_owned();
        *self.differences.entry(format!("{} / {}", class(own), class(other))).or_default() += 1;
        if arguments.list {
            println!("{}\t{}\t{output}\t{own}\t{other}\t{}", row.problem, row.candidate, row.races.join(","));
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
        text += &format!(
            "ms a row: golden {:.3}, slang and lowering {:.3}, execution {:.3}\n",
            per_row(self.golden),
            per_row(self.lower),
            per_row(self.execute)
        );
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
