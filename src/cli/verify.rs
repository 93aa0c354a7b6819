//! `salv verify`: candidates in, a verdict for each output of each of them out.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::board::{self, BoardArguments};
use super::files::{self, Outputs};
use super::report::ReportArguments;
use super::start;
use super::summary::Summary;
use super::tools::{self, Tools};
use crate::problem::Problem;
use crate::record::{Ahead, Meta, RecordError, Shard, ShardOf, Writer, file_hash};
use crate::verify::backend::Backend;
use crate::verify::cache::Cache;
use crate::verify::fpga::estimate::{Work, estimate};
use crate::verify::run::{self, Parallelism, Run, RunError, Sink, Told};
use crate::verify::stimulus::{self, Config};
use crate::verify::verdict::Verdict;
use crate::verify::verilator::timing::Timing;
use crate::verify::verilator::{Verilator, unit::Compiler};
use crate::worker::Workers;
use crate::worker::launch::Launchers;
use crate::worker::sandbox::Cover;
use crate::{candidate, problem, record};

/// Candidates in one build.
pub const BATCH: usize = 256;

/// Judge every output signal of every candidate against its golden module
#[derive(clap::Args)]
pub struct Arguments {
    /// The problems, `problems.jsonl`
    pub problems: PathBuf,
    /// What models wrote, `candidates.jsonl`
    pub candidates: PathBuf,
    /// Where the verdicts go
    #[arg(short, long, default_value = "verdicts.jsonl")]
    pub output: PathBuf,
    #[command(flatten)]
    pub stimulus: StimulusArguments,
    #[command(flatten)]
    pub backend: BackendArguments,
    #[command(flatten)]
    pub board: BoardArguments,
    /// Worker threads; by default one for each core
    #[arg(long)]
    pub threads: Option<usize>,
    /// Candidates in one build
    #[arg(long, default_value_t = BATCH, hide = true)]
    pub batch: usize,
    /// Continue a run that ended early
    #[arg(long)]
    pub resume: bool,
    /// Judge only part K of N, for a run on many machines; `salv merge` puts the parts together
    #[arg(long, value_name = "K/N")]
    pub shard: Option<ShardOf>,
    #[command(flatten)]
    pub report: ReportArguments,
}

/// What is applied to the inputs; it decides the verdicts and is saved with them.
#[derive(Clone, clap::Args)]
pub struct StimulusArguments {
    /// Seed of every random choice
    #[arg(long, default_value_t = Config::default().seed)]
    pub seed: u64,
    /// Cycles of random inputs, over all episodes
    #[arg(long, default_value_t = Config::default().vectors,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(stimulus::VECTORS_MAX)))]
    pub vectors: u32,
}

impl StimulusArguments {
    /// The configuration that these flags mean.
    pub fn config(&self) -> Config {
        Config { seed: self.seed, vectors: self.vectors, ..Config::default() }
    }
}

/// Who judges, and with which tools.
#[derive(Clone, clap::Args)]
pub struct BackendArguments {
    /// Who judges
    #[arg(long, value_enum, default_value_t = BackendName::Auto)]
    backend: BackendName,
    /// Verilator's program or its folder; by default the one that scripts/setup installed
    #[arg(long)]
    verilator: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum BackendName {
    /// Lanes where they can, verilator where they cannot; each verdict says by whom.
    Auto,
    /// The same by its name: in a worker, many episodes at once; verilator is needed for what they hand over.
    Lanes,
    /// Modules compiled by Verilator, in worker processes.
    Verilator,
    /// Modules on an FPGA board, or on a simulated one (`salv verify` alone).
    Fpga,
}

/// Bytes of built models that are kept, during a run and from earlier ones.
const CACHE_SIZE_MAX: u64 = 4 << 30;

impl BackendArguments {
    /// Whether lanes judge first.
    pub fn lanes(&self) -> bool {
        matches!(self.backend, BackendName::Auto | BackendName::Lanes)
    }

    /// Refuses what only `salv verify` can judge by.
    pub fn expect_no_board(&self) -> anyhow::Result<()> {
        let is_board = matches!(self.backend, BackendName::Fpga);
        anyhow::ensure!(!is_board, "--backend fpga is for `salv verify` alone");
        Ok(())
    }

    /// Finds the tools and prepares the backend.
    pub fn open(&self) -> anyhow::Result<(Verilator, Workers)> {
        self.expect_no_board()?;
        let tools = self.tools()?;
        let cache = tools.cache.clone();
        let (backend, workers) = open_in(tools, &cache)?;
        if !self.lanes() {
            backend.ready()?;
        }
        Ok((backend, workers))
    }

    /// Finds the tools.
    pub fn tools(&self) -> anyhow::Result<Tools> {
        Tools::find(self.verilator.as_deref())
    }
}

/// Says where this machine's kernel leaves the barrier around candidates open.
pub fn warn_of_gaps() -> anyhow::Result<()> {
    for gap in Cover::find()?.gaps() {
        eprintln!("warning: candidates are not wholly shut in on this machine: {gap}");
    }
    Ok(())
}

/// Prepares the backend with its cache in a folder of the caller's choice.
pub fn open_in(tools: Tools, folder: &Path) -> anyhow::Result<(Verilator, Workers)> {
    warn_of_gaps()?;
    let cache = Cache::open(folder)?.with_memory(tools.memory.clone()).limited(CACHE_SIZE_MAX);
    let workers = Workers { program: tools::own_program()?, folder: folder.to_path_buf() };
    let compiler = Compiler::new(
        tools.cxx,
        tools.verilator_root,
        tools.verilator_version,
        Launchers::new(workers.clone()),
    );
    Ok((Verilator::new(compiler, tools.verilator, cache, workers.clone()), workers))
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let done = judge(&arguments)?;
    finish(&arguments, &done)
}

/// What a run came to.
pub struct Done {
    /// What was found, in an earlier run too.
    pub summary: Summary,
    /// Candidates in all.
    pub total: usize,
    /// Those that wait for earlier ones beside the output.
    pub ahead: usize,
    /// Whether it was stopped.
    pub stopped: bool,
}

/// Judges the candidates into the output.
pub fn judge(arguments: &Arguments) -> anyhow::Result<Done> {
    let outputs = Outputs {
        rows: vec![&arguments.output],
        others: arguments.report.junit().into_iter().collect(),
    };
    files::expect_apart(&[&arguments.problems, &arguments.candidates], &outputs)?;
    let mut problems = problem::load(&arguments.problems)?;
    // Half of a benchmark's text is test benches, which nothing here reads.
    problems.iter_mut().for_each(|problem| problem.testbench = None);
    let rows = files::survey(&arguments.candidates, &problems, arguments.shard)?;
    let config = arguments.stimulus.config();
    let (backend, workers) = open(arguments, &problems, rows)?;
    let backend = &*backend;
    let meta = meta(arguments, &config, backend, rows)?;
    let (writer, done) = Writer::create(&arguments.output, &meta, arguments.resume)?;
    let (ahead, known) = Ahead::open(&arguments.output, &meta, done, arguments.resume)?;
    let mut summary = Summary::default();
    for verdict in record::read::<Verdict>(&arguments.output)? {
        summary.add(&verdict?.value);
    }
    let stop = start::stop_flag()?;
    let job = Run {
        problems: &problems,
        backend,
        lanes: arguments.backend.lanes(),
        workers: &workers,
        config: &config,
        parallelism: parallelism(arguments)?,
        stop: &stop,
    };
    let started = Instant::now();
    let total = rows.range().len();
    let mut output = Output { writer, ahead, done, total, told: Instant::now(), summary };
    let kept = known.len();
    let outcome = judge_rest(arguments, &job, rows, known, &mut output);
    // What was judged is kept, whatever ended the run.
    let (summary, ahead) = output.finish()?;
    let Told { repeated, handed_over } = outcome
        .with_context(|| format!("failed after {} of {total} candidates", summary.candidates))?;
    let (judged, elapsed) = (summary.candidates - done, started.elapsed());
    let timings = json!({
        "candidates": judged,
        "kept_by_an_earlier_run": kept,
        "repeated": repeated,
        "handed_over_by_lanes": handed_over,
        "seconds": elapsed.as_secs_f64(),
        "stage_seconds": backend.timing().map(Timing::seconds),
        "modules": backend.timing().map(Timing::members),
        "peak_memory_kib": peak_memory_kib(),
    });
    write_timings(&arguments.output, &timings)?;
    eprint!("{}", summary.render(judged, elapsed));
    if repeated > 0 {
        eprintln!("{repeated} more had the text of another one and were not judged again");
    }
    for (why, count) in &handed_over {
        eprintln!("{count} handed over by lanes: {why}");
    }
    Ok(Done { summary, total, ahead, stopped: stop.load(Ordering::Relaxed) })
}

/// Prepares the backend that judges.
fn open(
    arguments: &Arguments,
    problems: &[Problem],
    rows: Shard,
) -> anyhow::Result<(Box<dyn Backend>, Workers)> {
    let verilator = arguments.backend.verilator.as_deref();
    let BackendName::Fpga = arguments.backend.backend else {
        anyhow::ensure!(
            !arguments.board.is_named(),
            "--board, --port, --programmer and --simulate are for --backend fpga"
        );
        let (backend, workers) = arguments.backend.open()?;
        return Ok((Box::new(backend), workers));
    };
    let jobs = start::threads(arguments.threads)?;
    let work = Work {
        problems: problems.len().min(rows.range().len()),
        candidates: rows.range().len(),
        vectors: arguments.stimulus.vectors,
        jobs,
    };
    let (board, carrier) = (arguments.board.board()?, arguments.board.carrier()?);
    eprintln!("estimate: {}", estimate(work, board, &carrier).describe());
    let (backend, workers) = board::open(&arguments.board, verilator, jobs)?;
    Ok((Box::new(backend), workers))
}

fn finish(
    arguments: &Arguments,
    Done { summary, total, ahead, stopped }: &Done,
) -> anyhow::Result<ExitCode> {
    let (output, done) = (arguments.output.display(), summary.candidates);
    if *stopped && done < *total {
        eprintln!(
            "stopped after {done} of {total} candidates, {ahead} more out of order; --resume continues {output}"
        );
        return Ok(ExitCode::from(130));
    }
    eprintln!("verdicts are in {output}; `salv show {output} ID` shows one candidate");
    arguments.report.report(&arguments.output, summary, arguments.shard.is_some())
}

/// The candidates of this run, without the first `done`.
fn candidates(
    arguments: &Arguments,
    rows: Shard,
    done: usize,
) -> anyhow::Result<impl Iterator<Item = Result<candidate::Candidate, RecordError>> + use<>> {
    let mut candidates = candidate::read(&arguments.candidates)?;
    candidates.pass(rows.start + done)?;
    Ok(candidates.take(rows.range().len() - done))
}

/// Judges what is not judged yet, row by row into the file; returns how many rows had the text of another.
fn judge_rest(
    arguments: &Arguments,
    job: &Run,
    rows: Shard,
    known: BTreeMap<usize, Verdict>,
    output: &mut Output,
) -> anyhow::Result<Told> {
    let done = output.done;
    let candidates = candidates(arguments, rows, done)?.map(|row| row.map_err(stream));
    let known = known.into_iter().map(|(row, verdict)| (row - done, verdict)).collect();
    let bar = progress_bar(output.total, done);
    let outcome = run::verify_rest(job, candidates, known, Shown { output, bar: &bar });
    bar.finish_and_clear();
    Ok(outcome?)
}

/// Where the verdicts of a run go: the file, and the file beside it for those that wait for earlier ones.
struct Output {
    writer: Writer,
    ahead: Ahead,
    /// Rows of an earlier run.
    done: usize,
    total: usize,
    told: Instant,
    summary: Summary,
}

impl Output {
    /// What was found, and how many rows still wait.
    fn finish(mut self) -> anyhow::Result<(Summary, usize)> {
        self.writer.finish()?;
        let waiting = self.ahead.len();
        if self.summary.candidates == self.total {
            self.ahead.remove()?;
        }
        Ok((self.summary, waiting))
    }
}

/// The output, and the progress as a person sees it.
struct Shown<'a> {
    output: &'a mut Output,
    bar: &'a ProgressBar,
}

impl Sink for Shown<'_> {
    fn write(&mut self, verdict: Verdict) -> Result<(), RunError> {
        self.output.summary.add(&verdict);
        self.output.writer.write(&verdict).map_err(stream)?;
        self.bar.inc(1);
        Ok(())
    }

    fn keep(&mut self, row: usize, verdict: &Verdict) -> Result<(), RunError> {
        self.output.ahead.keep(self.output.done + row, verdict).map_err(stream)
    }

    /// All that is judged is handed to the system: a killed run judges again what was being judged, no more.
    fn settle(&mut self) -> Result<(), RunError> {
        let Output { writer, ahead, total, told, summary, .. } = &mut *self.output;
        writer.flush().map_err(stream)?;
        ahead.settle(summary.candidates).map_err(stream)?;
        if self.bar.is_hidden() && told.elapsed() > QUIET {
            *told = Instant::now();
            let (done, ahead) = (summary.candidates, ahead.len());
            eprintln!("{done} of {total} candidates, {ahead} more out of order");
        }
        Ok(())
    }
}

fn stream(error: RecordError) -> RunError {
    RunError::Stream(Box::new(error))
}

fn parallelism(arguments: &Arguments) -> anyhow::Result<Parallelism> {
    // A board's backend spreads its chips itself, and candidates of one problem shall share them.
    let threads = match arguments.backend.backend {
        BackendName::Fpga => 1,
        _ => start::threads(arguments.threads)?,
    };
    anyhow::ensure!(arguments.batch > 0, "--batch must be 1 or more");
    Ok(Parallelism { threads, batch: arguments.batch })
}

/// How often a run says how far it is where there is no terminal for a bar.
const QUIET: Duration = Duration::from_secs(30);

/// What made the file: everything that its bytes depend on, and nothing else.
fn meta(
    arguments: &Arguments,
    config: &Config,
    backend: &dyn Backend,
    rows: Shard,
) -> anyhow::Result<Meta> {
    let lanes = arguments.backend.lanes();
    let hash = |path: &Path| file_hash(path);
    let problems = hash(&arguments.problems)?;
    let candidates = hash(&arguments.candidates)?;
    let mut configuration = json!({
        "backend": if lanes { run::LANES } else { backend.name() },
        "stimulus": config,
        "problems": problems,
        "candidates": candidates,
    });
    if let Some(board) = backend.tools().get("board") {
        configuration["board"] = json!(board);
    }
    let mut meta = Meta::new("verify", configuration);
    meta.stimulus = Some(stimulus::VERSION);
    meta.seed = Some(config.seed);
    meta.tools = backend.tools();
    if lanes {
        meta.tools.insert(run::LANES.into(), crate::verify::lanes::VERSION.to_string());
    }
    meta.shard = arguments.shard.map(|_| rows);
    meta.inputs = BTreeMap::from([
        (arguments.problems.display().to_string(), problems),
        (arguments.candidates.display().to_string(), candidates),
    ]);
    Ok(meta)
}

/// Times go into a file of their own: they are never the same twice. The stages' are summed over threads.
fn write_timings(output: &Path, timings: &serde_json::Value) -> anyhow::Result<()> {
    let name = record::beside(output, ".timings.json");
    std::fs::write(&name, format!("{timings:#}\n"))
        .with_context(|| format!("failed to write {}", name.display()))
}

/// The most memory that this process (not its workers, which have a limit each) has had, where the system
/// says so.
fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// A bar with rate and remaining time, where a person sees it.
pub fn progress_bar(total: usize, done: usize) -> ProgressBar {
    let bar = ProgressBar::new(total as u64).with_position(done as u64);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        return bar;
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.reset_eta();
    let style = ProgressStyle::with_template(
        "{bar:40.cyan/dim} {pos}/{len} candidates  {per_sec}  {eta} left",
    );
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
