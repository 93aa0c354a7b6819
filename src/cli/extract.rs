//! `salv extract`: candidates in, the byte spans of the code of each output out; and the proof that they
//! are right, `--check`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use serde_json::json;

use super::tools;
use super::verify::{BackendArguments, StimulusArguments, warn_of_gaps};
use crate::candidate::{self, Candidate};
use crate::extract::run::{self, Row, Run, RunError, Status};
use crate::extract::worker::Proof;
use crate::problem::{self, Problem};
use crate::prove::{self, Claim, Finding, Subject, Text};
use crate::record::{self, Meta, Writer, file_hash};
use crate::verify::run::Parallelism;
use crate::verify::verdict::{Status as VerdictStatus, Verdict};

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
    #[arg(long, requires = "check")]
    verdicts: Option<PathBuf>,
    /// Check candidates with one output too
    #[arg(long, requires = "check")]
    single: bool,
    /// Exit with a failure if a smaller share holds
    #[arg(long, requires = "check", default_value_t = 0.99)]
    min_holds: f64,
    /// Statements of each cone that are taken out, one by one
    #[arg(long, requires = "check", default_value_t = 2)]
    deletions: usize,
    #[command(flatten)]
    stimulus: StimulusArguments,
    #[command(flatten)]
    backend: BackendArguments,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, stop.clone())
        .and_then(|_| signal_hook::flag::register(signal_hook::consts::SIGTERM, stop.clone()))
        .context("failed to listen for Ctrl-C")?;
    let workers = tools::workers()?;
    let threads = match arguments.threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    anyhow::ensure!(threads > 0, "--threads must be 1 or more");
    let path = arguments.check.as_ref().or(arguments.problems.as_ref());
    let path = path.context("--problems is missing")?;
    let problems = problem::load(path)?;
    let proof = arguments.check.is_some().then_some(Proof {
        deletions: arguments.proof.deletions,
        seed: arguments.proof.stimulus.seed,
    });
    warn_of_gaps()?;
    let job = Run { problems: &problems, workers: &workers, threads, proof, stop: &stop };
    if arguments.check.is_some() { check(&arguments, &job) } else { spans(&arguments, path, &job) }
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
    for input in [problems, &arguments.candidates] {
        let same = |path: &Path| path.canonicalize().ok();
        anyhow::ensure!(
            same(input).is_none() || same(input) != same(&arguments.output),
            "the output {} would overwrite an input: choose another with -o",
            arguments.output.display()
        );
    }
    let meta = meta(problems, &arguments.candidates)?;
    let total = record::read::<serde::de::IgnoredAny>(&arguments.candidates)?.count();
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
            *self.whole.entry(why.clone()).or_default() += 1;
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

/// Candidates that are extracted before they are judged; it bounds the memory.
const CHUNK: usize = 512;

fn check(arguments: &Arguments, job: &Run) -> anyhow::Result<ExitCode> {
    let judged = arguments.proof.verdicts.as_deref().map(judged).transpose()?;
    let mut tally = Tally::default();
    let mut seen: HashMap<(String, String), ()> = HashMap::new();
    let mut waiting: Vec<Candidate> = Vec::new();
    let mut rows = candidate::read(&arguments.candidates)?;
    loop {
        let row = rows.next().transpose()?;
        let is_last = row.is_none();
        waiting.extend(row.filter(|candidate| {
            judged.as_ref().is_none_or(|judged| judged.contains(&candidate.id))
        }));
        if waiting.len() == CHUNK || (is_last && !waiting.is_empty()) {
            let chunk = std::mem::take(&mut waiting);
            let subjects = subjects(job, chunk, &mut seen, &mut tally, arguments.proof.single)?;
            judge(arguments, job, &subjects, &mut tally)?;
            eprintln!("{} candidates, {} outputs", tally.candidates, tally.signals());
        }
        if is_last || job.stop.load(Ordering::Relaxed) {
            break;
        }
    }
    let share = tally.render();
    if job.stop.load(Ordering::Relaxed) {
        return Ok(ExitCode::from(130));
    }
    let holds = share >= arguments.proof.min_holds;
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The candidates of a file of verdicts that are judged.
fn judged(path: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut judged = BTreeSet::new();
    for row in record::read::<Verdict>(path)? {
        let verdict = row?.value;
        if verdict.status == VerdictStatus::Judged {
            judged.insert(verdict.candidate);
        }
    }
    Ok(judged)
}

/// Extracts a chunk of candidates; equal code of one problem is proved once.
fn subjects(
    job: &Run,
    chunk: Vec<Candidate>,
    seen: &mut HashMap<(String, String), ()>,
    tally: &mut Tally,
    single: bool,
) -> anyhow::Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    run::extract(job, chunk.into_iter().map(Ok), |extracted| {
        tally.candidates += 1;
        let id = extracted.candidate.id.clone();
        let problem: &Problem = &job.problems[extracted.problem];
        let Ok((code, answer)) = extracted.code else {
            tally.no_code += 1;
            return Ok(());
        };
        let cones = match answer {
            Ok(cones) => cones,
            Err(why) => {
                tally.whole.push(format!("{id} ({}): {why}", problem.problem));
                return Ok(());
            }
        };
        if cones.len() < 2 && !single {
            tally.single += 1;
            return Ok(());
        }
        tally.analysed += 1;
        let key = (problem.top.clone(), code.text.clone());
        if seen.insert(key, ()).is_some() {
            tally.repeated += 1;
            return Ok(());
        }
        for cone in &cones {
            match &cone.whole {
                Some(why) => {
                    tally.whole.push(format!("{id} ({}) {}: {why}", problem.problem, cone.name));
                }
                None => {
                    tally.bytes.0 += cone.bytes.0 as f64 / cone.bytes.1.max(1) as f64;
                    tally.bytes.1 += 1;
                }
            }
        }
        subjects.push(Subject {
            id,
            code: code.text,
            top: problem.top.clone(),
            inputs: problem.inputs.clone(),
            cones,
        });
        Ok(())
    })?;
    Ok(subjects)
}

fn judge(
    arguments: &Arguments,
    job: &Run,
    subjects: &[Subject],
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let mut redundant = Vec::new();
    judge_claims(arguments, job, subjects, &prove::claims(subjects), |claim, verdict| {
        if tally.add(&subjects[claim.subject], claim, verdict)
            && let Text::ConeWithout(deletion) = claim.text
        {
            redundant.push(Claim { text: Text::CodeWithout(deletion), ..claim.clone() });
        }
    })?;
    judge_claims(arguments, job, subjects, &redundant, |claim, verdict| {
        tally.add_redundant(&subjects[claim.subject], claim, prove::is_unchanged(verdict));
    })
}

fn judge_claims(
    arguments: &Arguments,
    job: &Run,
    subjects: &[Subject],
    claims: &[Claim],
    mut sink: impl FnMut(&Claim, &Verdict),
) -> anyhow::Result<()> {
    if claims.is_empty() {
        return Ok(());
    }
    let (problems, candidates) = prove::candidates(subjects, claims);
    let (backend, workers) = arguments.proof.backend.open()?;
    let config = arguments.proof.stimulus.config();
    let verification = crate::verify::run::Run {
        problems: &problems,
        backend: &backend,
        workers: &workers,
        config: &config,
        parallelism: Parallelism { threads: job.threads, batch: 128 },
        stop: job.stop,
    };
    let mut claims = claims.iter();
    crate::verify::run::verify(&verification, candidates.into_iter().map(Ok), |verdict| {
        if let Some(claim) = claims.next() {
            sink(claim, &verdict);
        }
        Ok(())
    })?;
    Ok(())
}

/// What `--check` found.
#[derive(Default)]
struct Tally {
    candidates: usize,
    no_code: usize,
    single: usize,
    analysed: usize,
    repeated: usize,
    whole: Vec<String>,
    /// Sum of the shares of code in cones, and their count.
    bytes: (f64, usize),
    holds: usize,
    silent: usize,
    not_judged: usize,
    fails: Vec<String>,
    needed: usize,
    broken: usize,
    /// Statements without effect on any output of the candidate.
    dead: Vec<String>,
    /// Statements with an effect on another output only.
    redundant: Vec<String>,
    unclear: usize,
}

impl Tally {
    fn signals(&self) -> usize {
        self.holds + self.silent + self.not_judged + self.fails.len()
    }

    /// Counts a verdict; returns whether a statement is redundant, which is not counted yet.
    fn add(&mut self, subject: &Subject, claim: &Claim, verdict: &Verdict) -> bool {
        let cone = &subject.cones[claim.cone];
        let finding = prove::finding(verdict, &cone.name);
        match (claim.text, finding) {
            (Text::Cone, Finding::Same) => self.holds += 1,
            (Text::Cone, Finding::Silent) => self.silent += 1,
            (Text::Cone, Finding::NotJudged(_)) => self.not_judged += 1,
            (Text::Cone, Finding::Different(why) | Finding::Broken(why)) => {
                self.fails.push(format!("{} {}: {why}", subject.id, cone.name));
            }
            (_, Finding::Different(_)) => self.needed += 1,
            (_, Finding::Broken(_)) => self.broken += 1,
            (_, Finding::Silent | Finding::NotJudged(_)) => self.unclear += 1,
            (_, Finding::Same) => return true,
        }
        false
    }

    fn add_redundant(&mut self, subject: &Subject, claim: &Claim, is_dead: bool) {
        let cone = &subject.cones[claim.cone];
        let Text::CodeWithout(deletion) = claim.text else { return };
        let span = cone.deletions[deletion].span.clone();
        let text = subject.code[span].split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = text.chars().take(80).collect();
        let list = if is_dead { &mut self.dead } else { &mut self.redundant };
        list.push(format!("{} {}: {text}", subject.id, cone.name));
    }

    /// Prints what was found, and returns the share that holds.
    fn render(&self) -> f64 {
        for (title, list) in [
            ("whole module", &self.whole),
            ("does not hold", &self.fails),
            ("without effect in the candidate", &self.dead),
            ("redundant", &self.redundant),
        ] {
            for line in list {
                println!("{title}: {line}");
            }
        }
        let Tally { candidates, no_code, single, repeated, analysed, .. } = self;
        println!(
            "{candidates} candidates: {no_code} without code, {single} with one output, {repeated} with the code of another"
        );
        let whole = self.whole.len();
        println!("whole module: {whole} texts or outputs beside {analysed} analysed candidates");
        let (sum, count) = self.bytes;
        println!("mean share of a module's code in a cone: {}", percent(sum, count as f64));
        let deleted = self.needed + self.dead.len() + self.redundant.len();
        println!(
            "statements taken out: {deleted}; not counted: {} that leave no module, {} without a bit that moves",
            self.broken, self.unclear
        );
        for (list, what) in [
            (&self.dead, "without effect on any output of the candidate"),
            (&self.redundant, "redundant, with an effect on another output only"),
        ] {
            let share = percent(list.len() as f64, deleted as f64);
            println!("  {what}: {} ({share})", list.len());
        }
        let all = self.holds + self.fails.len();
        println!(
            "holds: {} of {all} outputs ({}); {} without a defined bit that moves and {} that cannot be judged are not counted",
            self.holds,
            percent(self.holds as f64, all as f64),
            self.silent,
            self.not_judged
        );
        if all == 0 { 0.0 } else { self.holds as f64 / all as f64 }
    }
}

fn percent(count: f64, of: f64) -> String {
    if of == 0.0 { "-".into() } else { format!("{:.2} %", 100.0 * count / of) }
}
