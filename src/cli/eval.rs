//! `salv eval`: a benchmark and candidates in, scores out: the benchmark's own, a strict one, and our verdicts.
//!
//! All goes into one folder, a file for each step, each with its provenance: `problems.jsonl`, `candidates.jsonl`,
//! `verdicts.jsonl`, `benches.jsonl` (the trial of each bench), `scores.jsonl`, and of these `report.json` and
//! `report.html`. With `--resume` every step goes on where it was.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::board::BoardArguments;
use super::files::{self, Outputs};
use super::tools::{self, Tools};
use super::verify::{self, BackendArguments, StimulusArguments};
use super::{report::ReportArguments, start};
use crate::candidate::{self, Candidate};
use crate::eval::audit::Audit;
use crate::eval::report::{Frame, Report};
use crate::eval::run::Scorer;
use crate::eval::simulate::Simulator;
use crate::eval::{Benchmark, Entry, Row, benchmark, report};
use crate::record::{self, Meta, Writer};
use crate::verify::cache::Cache;
use crate::verify::verdict::Verdict;
use crate::worker::Workers;
use crate::worker::launch::{Launchers, first_line};

mod page;
mod scores;
mod source;

/// Score candidates on a public benchmark: by its own rules, strictly, and by our verdicts
#[derive(clap::Args)]
pub struct Arguments {
    /// Whose rules
    benchmark: Name,
    /// The benchmark as published (v1: the file of problems; v2: the folder of a task, or of both; RTLLM: the folder of
    /// designs), or a problems.jsonl with test benches
    path: PathBuf,
    #[command(flatten)]
    source: source::Source,
    /// The folder for everything that is written
    #[arg(short, long, default_value = "eval")]
    output: PathBuf,
    /// pass@k for these k, as far as there are samples, with commas between [default: 1,5,10]
    #[arg(long, value_delimiter = ',', default_values_t = [1, 5, 10], hide_default_value = true)]
    k: Vec<usize>,
    /// Score the problems that have candidates, though others have none
    #[arg(long)]
    partial: bool,
    /// Also the official score as RTLLM's script sums it: divided by one problem more than there are
    #[arg(long)]
    rtllm_off_by_one: bool,
    /// VerilogEval v1: the file of descriptions, where it is not beside the problems
    #[arg(long, value_name = "FILE")]
    descriptions: Option<PathBuf>,
    #[command(flatten)]
    stimulus: StimulusArguments,
    #[command(flatten)]
    backend: BackendArguments,
    /// Threads; by default one for each core
    #[arg(long)]
    threads: Option<usize>,
    /// Continue a run that ended early
    #[arg(long)]
    resume: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Name {
    /// VerilogEval v1, human or machine
    #[value(name = "verilog-eval-v1")]
    VerilogEvalV1,
    /// VerilogEval v2, spec-to-rtl and code-complete
    #[value(name = "verilog-eval-v2")]
    VerilogEvalV2,
    /// RTLLM 1.1 or 2.0
    Rtllm,
}

impl Name {
    fn benchmark(self) -> Benchmark {
        match self {
            Name::VerilogEvalV1 => Benchmark::VerilogEvalV1,
            Name::VerilogEvalV2 => Benchmark::VerilogEvalV2,
            Name::Rtllm => Benchmark::Rtllm,
        }
    }
}

/// The exit code of a run that was stopped.
const STOPPED: u8 = 130;

/// Runs the command.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let benchmark = arguments.benchmark.benchmark();
    ensure!(arguments.k.iter().all(|k| *k > 0), "--k must be 1 or more");
    ensure!(
        benchmark == Benchmark::Rtllm || !arguments.rtllm_off_by_one,
        "--rtllm-off-by-one is a habit of RTLLM's script alone"
    );
    arguments.backend.expect_no_board()?;
    ensure!(arguments.path.exists(), "{} is not there", arguments.path.display());
    let threads = start::threads(arguments.threads)?;
    let simulator = simulator(&arguments.backend.tools()?)?;
    let entries = benchmark::load(benchmark, &arguments.path, arguments.descriptions.as_deref())?;
    let folder = arguments.output.as_path();
    std::fs::create_dir_all(folder)
        .with_context(|| format!("failed to make the folder {}", folder.display()))?;
    if let Some(file) = arguments.source.file() {
        // Before anything of an earlier run in the folder is replaced.
        let written = [PROBLEMS, CANDIDATES, VERDICTS, scores::BENCHES, scores::SCORES];
        let written = written.map(|name| folder.join(name));
        let rows = written.iter().map(PathBuf::as_path).collect();
        files::expect_apart(&[file], &Outputs { rows, others: Vec::new() })?;
        check_attempted(file, &arguments, &entries)?;
    }
    write_problems(folder, &entries)?;
    let Some(drawn) = arguments.source.candidates(&arguments, &entries)? else {
        return Ok(ExitCode::from(STOPPED));
    };
    check_attempted(&folder.join(CANDIDATES), &arguments, &entries)?;
    let judged = verify::judge(&verify_arguments(&arguments))?;
    if judged.stopped && judged.summary.candidates < judged.total {
        eprintln!("stopped; --resume continues {}", folder.display());
        return Ok(ExitCode::from(STOPPED));
    }
    let candidates = with_verdicts(folder)?;
    let stop = start::stop_flag()?;
    let workers = tools::workers()?;
    let scorer =
        Scorer { benchmark, simulator: &simulator, workers: &workers, threads, stop: &stop };
    let Some(rows) = scores::score(&arguments, &scorer, entries, &candidates)? else {
        eprintln!("stopped; --resume continues {}", folder.display());
        return Ok(ExitCode::from(STOPPED));
    };
    finish(&arguments, rows, settings(&arguments, &drawn)?)
}

fn simulator(tools: &Tools) -> anyhow::Result<Simulator> {
    let cache = Cache::open(&tools.cache.join("eval"))?.with_memory(tools.memory.clone());
    let workers = Workers { program: tools::own_program()?, folder: tools.cache.clone() };
    // Only scratch folders of killed runs are there to be removed.
    cache.prune(0)?;
    Ok(Simulator { icarus: tools::icarus()?, launchers: Launchers::new(workers), cache })
}

fn write_problems(folder: &Path, entries: &[Entry]) -> anyhow::Result<()> {
    let meta = Meta::new("corpus", json!({ "for": "eval" }));
    let mut writer = Writer::create_whole(&folder.join(PROBLEMS), &meta)?;
    for entry in entries {
        writer.write(&entry.problem)?;
    }
    Ok(writer.finish()?)
}

const PROBLEMS: &str = "problems.jsonl";
const CANDIDATES: &str = "candidates.jsonl";
const VERDICTS: &str = "verdicts.jsonl";

fn verify_arguments(arguments: &Arguments) -> verify::Arguments {
    let folder = &arguments.output;
    verify::Arguments {
        problems: folder.join(PROBLEMS),
        candidates: folder.join(CANDIDATES),
        output: folder.join(VERDICTS),
        stimulus: arguments.stimulus.clone(),
        backend: arguments.backend.clone(),
        board: BoardArguments::default(),
        threads: arguments.threads,
        batch: verify::BATCH,
        resume: arguments.resume,
        shard: None,
        report: ReportArguments::default(),
    }
}

fn with_verdicts(folder: &Path) -> anyhow::Result<Vec<(Candidate, Verdict)>> {
    let candidates = candidate::read(&folder.join(CANDIDATES))?;
    let verdicts = record::read::<Verdict>(&folder.join(VERDICTS))?;
    candidates.zip(verdicts).map(|(candidate, verdict)| Ok((candidate?, verdict?.value))).collect()
}

/// A problem that is silently missing would look like a better score.
fn check_attempted(
    candidates: &Path,
    arguments: &Arguments,
    entries: &[Entry],
) -> anyhow::Result<()> {
    let mut attempted = HashSet::new();
    for candidate in candidate::read(candidates)? {
        attempted.insert(candidate?.problem);
    }
    let missing: Vec<&str> = entries
        .iter()
        .map(|entry| entry.problem.problem.as_str())
        .filter(|problem| !attempted.contains(*problem))
        .collect();
    ensure!(
        missing.len() < entries.len(),
        "{} has no candidate for any problem of the benchmark",
        candidates.display()
    );
    ensure!(
        arguments.partial || missing.is_empty(),
        "{} of {} problems have no candidate ({}, …); --partial scores the others",
        missing.len(),
        entries.len(),
        missing[..missing.len().min(3)].join(", ")
    );
    Ok(())
}

fn icarus_version() -> anyhow::Result<String> {
    Ok(first_line(std::process::Command::new(tools::icarus()?.iverilog).arg("-V"))?)
}

/// What a reader must know to repeat it.
fn settings(arguments: &Arguments, drawn: &source::Drawn) -> anyhow::Result<Value> {
    Ok(json!({
        "candidates": drawn.settings,
        "rows_of_other_problems": drawn.elsewhere,
        "vectors": arguments.stimulus.vectors,
        "seed": arguments.stimulus.seed,
        "icarus": icarus_version()?,
        "salv": env!("CARGO_PKG_VERSION"),
    }))
}

fn finish(
    arguments: &Arguments,
    (audits, rows): (Vec<Audit>, Vec<Row>),
    settings: Value,
) -> anyhow::Result<ExitCode> {
    let frame = Frame {
        benchmark: arguments.benchmark.benchmark(),
        settings,
        audits: &audits,
        k: &arguments.k,
        seed: arguments.stimulus.seed,
        with_one_more: arguments.rtllm_off_by_one,
    };
    let report = report::report(&frame, &rows);
    let (json, html) = (arguments.output.join("report.json"), arguments.output.join("report.html"));
    std::fs::write(&json, format!("{:#}\n", serde_json::to_value(&report)?))
        .with_context(|| format!("failed to write {}", json.display()))?;
    super::show::page::write(&html, &page::page(&report))?;
    print!("{}", summary(&report));
    eprintln!("the report is in {} and {}", json.display(), html.display());
    Ok(ExitCode::SUCCESS)
}

/// The scores as text.
fn summary(report: &Report) -> String {
    let mut text = format!(
        "{}: {} candidates of {} of {} problems, {} to {} of each\n",
        report.benchmark.name(),
        report.candidates,
        report.attempted,
        report.problems,
        report.samples[0],
        report.samples[1]
    );
    let mut lines = |title: &str, scores: &[report::Score]| {
        text += &format!("{title}\n");
        for score in scores {
            let e = score.estimate;
            text += &format!(
                "  {:<9} pass@{:<3} {:>6.2} %   95 % interval {:.2} to {:.2}\n",
                score.mark,
                score.k,
                100.0 * e.mean,
                100.0 * e.low,
                100.0 * e.high
            );
        }
    };
    lines("all problems", &report.scores);
    if let Some(sound) = &report.sound {
        let title = format!("the {} that can be passed and can be failed", sound.problems);
        lines(&title, &sound.scores);
    }
    for one_more in report.with_one_more.iter().flatten() {
        let (k, share) = (one_more.k, 100.0 * one_more.mean);
        text += &format!("  official  pass@{k:<3} {share:>6.2} %   as RTLLM's script divides\n");
    }
    for (problems, what) in [
        (&report.cannot_be_passed, "cannot be passed: their golden module fails"),
        (&report.cannot_be_failed, "cannot be failed: a module without a design passes"),
        (
            &report.hardly_looked_at,
            "hardly looked at: their golden module is nearly always undefined",
        ),
    ] {
        if !problems.is_empty() {
            let names: Vec<&str> = problems.iter().map(|audit| audit.problem.as_str()).collect();
            text += &format!("{} {what}: {}\n", problems.len(), names.join(", "));
        }
    }
    text
}
