//! `salv extract`: candidates in, the byte spans of the code of each output out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Context, bail};
use serde_json::json;

use super::files::{self, Outputs};
use super::verify::{BackendArguments, StimulusArguments, warn_of_gaps};
use super::{start, tools};
use crate::candidate::{self, Candidate};
use crate::extract::run::{self, Row, Run, RunError, Status};
use crate::extract::worker::Proof;
use crate::problem;
use crate::record::{self, Meta, Writer, file_hash};

mod check;
mod tally;

/// Find the code of each output signal in candidates, as byte spans of the completion
#[derive(clap::Args)]
pub struct Arguments {
    /// What models wrote, `candidates.jsonl`
    candidates: PathBuf,
    /// The problems, `problems.jsonl`
    #[arg(long, required_unless_present = "check")]
    problems: Option<PathBuf>,
    /// Where the spans go
    #[arg(short, long, default_value = "spans.jsonl")]
    output: PathBuf,
    /// Prove the cones by simulation, for candidates of these problems, and write no spans: blank all that
    /// is outside of a cone, and the output must behave as before
    #[arg(long, value_name = "PROBLEMS", conflicts_with_all = ["problems", "output", "resume"])]
    check: Option<PathBuf>,
    #[command(flatten)]
    proof: ProofArguments,
    /// Worker threads; by default one for each core
    #[arg(long)]
    threads: Option<usize>,
    /// Continue a run that ended early
    #[arg(long)]
    resume: bool,
}

/// What `--check` does.
#[derive(clap::Args)]
struct ProofArguments {
    /// Check only candidates that are `judged` in this file
    #[arg(long)]
    verdicts: Option<PathBuf>,
    /// Check candidates with one output too
    #[arg(long)]
    single: bool,
    /// Exit with a failure if a smaller share holds, 0 to 1 [default: 0.99]
    #[arg(long, value_parser = share)]
    min_holds: Option<f64>,
    /// Statements of each cone that are taken out, one by one [default: 2]
    #[arg(long)]
    deletions: Option<usize>,
    /// Print each output that does not hold or has no cone in a line, tabs between the fields, and the rest
    /// to stderr
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    stimulus: StimulusArguments,
    #[command(flatten)]
    backend: BackendArguments,
}

/// Statements that are taken out of a cone where nothing else is said.
const DELETIONS: usize = 2;

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share is from 0 to 1".into()) }
}

impl ProofArguments {
    /// The first flag that only a proof has a use for.
    fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--verdicts", self.verdicts.is_some()),
            ("--single", self.single),
            ("--min-holds", self.min_holds.is_some()),
            ("--deletions", self.deletions.is_some()),
            ("--list", self.list),
        ];
        flags.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag)
    }
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let (None, Some(flag)) = (&arguments.check, arguments.proof.given()) {
        bail!("{flag} is for --check PROBLEMS, which is not given");
    }
    let stop = start::stop_flag()?;
    let workers = tools::workers()?;
    let threads = start::threads(arguments.threads)?;
    let path = arguments.check.as_ref().or(arguments.problems.as_ref());
    let path = path.context("--problems is missing")?;
    let problems = problem::load(path)?;
    let proof = arguments.check.is_some().then_some(Proof {
        deletions: arguments.proof.deletions.unwrap_or(DELETIONS),
        seed: arguments.proof.stimulus.seed,
    });
    warn_of_gaps()?;
    let job = Run { problems: &problems, workers: &workers, threads, proof, stop: &stop };
    if arguments.check.is_some() {
        check::run(&arguments, &job)
    } else {
        spans(&arguments, path, &job)
    }
}

/// The candidates of a file, for a run.
fn candidates(
    path: &Path,
    skip: usize,
) -> anyhow::Result<impl Iterator<Item = Result<Candidate, RunError>>> {
    let rows = candidate::read(path)?.skip(skip);
    Ok(rows.map(|row| row.map_err(|error| RunError::Stream(Box::new(error)))))
}

fn spans(arguments: &Arguments, problems: &Path, job: &Run) -> anyhow::Result<ExitCode> {
    let outputs = Outputs { rows: vec![&arguments.output], others: Vec::new() };
    files::expect_apart(&[problems, &arguments.candidates], &outputs)?;
    let total = files::survey(&arguments.candidates, job.problems, None)?.range().len();
    let meta = meta(problems, &arguments.candidates)?;
    let (mut writer, done) = Writer::create(&arguments.output, &meta, arguments.resume)?;
    let mut summary = Summary::default();
    for row in record::read::<Row>(&arguments.output)? {
        summary.add(&row?.value);
    }
    let outcome = run::extract(job, candidates(&arguments.candidates, done)?, |extracted| {
        let row = extracted.row();
        summary.add(&row);
        let written = writer.write(&row).and_then(|()| writer.flush());
        written.map_err(|error| RunError::Stream(Box::new(error)))
    });
    writer.finish()?;
    let candidates = summary.candidates;
    outcome.with_context(|| format!("failed after {candidates} of {total} candidates"))?;
    eprint!("{}", summary.render());
    let output = arguments.output.display();
    if job.stop.load(Ordering::Relaxed) && candidates < total {
        eprintln!("stopped after {candidates} of {total} candidates; --resume continues {output}");
        return Ok(ExitCode::from(130));
    }
    eprintln!("spans are in {output}");
    Ok(ExitCode::SUCCESS)
}

/// What made the file: everything that its bytes depend on, and nothing else.
fn meta(problems: &Path, candidates: &Path) -> anyhow::Result<Meta> {
    let (problem_hash, candidate_hash) = (file_hash(problems)?, file_hash(candidates)?);
    let configuration = json!({ "problems": problem_hash, "candidates": candidate_hash });
    let mut meta = Meta::new("extract", configuration);
    meta.inputs = BTreeMap::from([
        (problems.display().to_string(), problem_hash),
        (candidates.display().to_string(), candidate_hash),
    ]);
    Ok(meta)
}

/// A message of the parser without its place `(LINE:COLUMN)` at the end, which is another one in each candidate.
fn without_place(why: &str) -> &str {
    let is_place = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == ':');
    match why.strip_suffix(')').and_then(|why| why.rsplit_once(" (")) {
        Some((before, place)) if is_place(place) => before,
        _ => why,
    }
}

/// Counts over the rows of a run.
#[derive(Default)]
struct Summary {
    candidates: usize,
    no_code: usize,
    signals: usize,
    whole: BTreeMap<String, usize>,
}

impl Summary {
    fn add(&mut self, row: &Row) {
        self.candidates += 1;
        self.no_code += usize::from(row.status == Status::NoCode);
        if let (Status::WholeModule, Some(why)) = (row.status, &row.message) {
            *self.whole.entry(without_place(why).to_owned()).or_default() += 1;
        }
        self.signals += row.signals.len();
        for why in row.signals.iter().filter_map(|signal| signal.whole_module.clone()) {
            *self.whole.entry(format!("{why} (one output)")).or_default() += 1;
        }
    }

    fn render(&self) -> String {
        let (candidates, no_code, signals) = (self.candidates, self.no_code, self.signals);
        let mut text = format!(
            "{candidates} candidates, {no_code} of them without code; spans of {signals} outputs\n"
        );
        for (why, count) in &self.whole {
            text.push_str(&format!("  whole module: {count:>6}  {why}\n"));
        }
        text
    }
}
