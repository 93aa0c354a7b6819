//! `salv verify`: candidates in, a verdict for each output of each of them out.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::summary::Summary;
use super::tools::Tools;
use crate::record::{Meta, Writer, file_hash};
use crate::verify::backend::Backend;
use crate::verify::cache::Cache;
use crate::verify::run::{self, Parallelism, Run, RunError};
use crate::verify::stimulus::{self, Config};
use crate::verify::verdict::Verdict;
use crate::verify::verilator::timing::{Seconds, Timing};
use crate::verify::verilator::{Verilator, unit::Compiler};
use crate::verify::worker::Workers;
use crate::{candidate, problem, record};

/// Judge every output signal of every candidate against its golden module
#[derive(clap::Args)]
pub struct Arguments {
    /// The problems, `problems.jsonl`
    problems: PathBuf,
    /// What models wrote, `candidates.jsonl`
    candidates: PathBuf,
    /// Where the verdicts go
    #[arg(short, long, default_value = "verdicts.jsonl")]
    output: PathBuf,
    #[command(flatten)]
    stimulus: StimulusArguments,
    #[command(flatten)]
    backend: BackendArguments,
    /// Worker threads; by default one for each core
    #[arg(long)]
    threads: Option<usize>,
    /// Candidates in one build
    #[arg(long, default_value_t = 256, hide = true)]
    batch: usize,
    /// Continue a run that ended early
    #[arg(long)]
    resume: bool,
}

/// What is applied to the inputs; it decides the verdicts and is saved with them.
#[derive(clap::Args)]
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
#[derive(clap::Args)]
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
    /// The best backend that is built: today verilator.
    Auto,
    /// Modules compiled by Verilator, in worker processes.
    Verilator,
}

/// Bytes of built models that are kept from earlier runs.
const CACHE_SIZE_MAX: u64 = 4 << 30;

impl BackendArguments {
    /// Finds the tools and prepares the backend.
    pub fn open(&self) -> anyhow::Result<(Verilator, Workers)> {
        let tools = self.tools()?;
        let cache = tools.cache.clone();
        open_in(tools, &cache)
    }

    /// Finds the tools.
    pub fn tools(&self) -> anyhow::Result<Tools> {
        let (BackendName::Auto | BackendName::Verilator) = self.backend;
        Tools::find(self.verilator.as_deref())
    }
}

/// Prepares the backend with its cache in a folder of the caller's choice.
pub fn open_in(tools: Tools, folder: &Path) -> anyhow::Result<(Verilator, Workers)> {
    let cache = Cache::open(folder)?.with_memory(tools.memory.clone());
    cache.prune(CACHE_SIZE_MAX)?;
    let workers = Workers {
        program: std::env::current_exe().context("failed to find this program's own file")?,
        folder: folder.to_path_buf(),
    };
    let compiler = Compiler {
        cxx: tools.cxx,
        cxx_version: tools.cxx_version,
        verilator_root: tools.verilator_root,
        verilator_version: tools.verilator_version,
    };
    let backend = Verilator::new(compiler, tools.verilator, cache, workers.clone())?;
    Ok((backend, workers))
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    for input in [&arguments.problems, &arguments.candidates] {
        let same = |path: &Path| path.canonicalize().ok();
        anyhow::ensure!(
            same(input).is_none() || same(input) != same(&arguments.output),
            "the output {} would overwrite an input: choose another with -o",
            arguments.output.display()
        );
    }
    let problems = problem::load(&arguments.problems)?;
    let config = arguments.stimulus.config();
    let (backend, workers) = arguments.backend.open()?;
    let meta = meta(&arguments, &config, &backend)?;
    let total = record::read::<serde::de::IgnoredAny>(&arguments.candidates)?.count();
    let (writer, done) = Writer::create(&arguments.output, &meta, arguments.resume)?;
    let mut summary = Summary::default();
    for verdict in record::read::<Verdict>(&arguments.output)? {
        summary.add(&verdict?.value);
    }
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, stop.clone())
        .and_then(|_| signal_hook::flag::register(signal_hook::consts::SIGTERM, stop.clone()))
        .context("failed to listen for Ctrl-C")?;
    let job = Run {
        problems: &problems,
        backend: &backend,
        workers: &workers,
        config: &config,
        parallelism: parallelism(&arguments)?,
        stop: &stop,
    };
    let started = Instant::now();
    judge_rest(&arguments, &job, writer, done, total, &mut summary)?;
    let elapsed = started.elapsed();
    let stages = backend.timing().map(Timing::seconds);
    write_timings(&arguments.output, summary.candidates - done, elapsed, stages)?;
    eprint!("{}", summary.render(summary.candidates - done, elapsed));
    finish(&arguments, summary.candidates, total, stop.load(Ordering::Relaxed))
}

fn finish(
    arguments: &Arguments,
    done: usize,
    total: usize,
    stopped: bool,
) -> anyhow::Result<ExitCode> {
    let output = arguments.output.display();
    if stopped && done < total {
        eprintln!("stopped after {done} of {total} candidates; --resume continues {output}");
        return Ok(ExitCode::from(130));
    }
    eprintln!("verdicts are in {output}; `salv show {output} ID` shows one candidate");
    Ok(ExitCode::SUCCESS)
}

/// Judges what is not judged yet, row by row into the file.
fn judge_rest(
    arguments: &Arguments,
    job: &Run,
    mut writer: Writer,
    done: usize,
    total: usize,
    summary: &mut Summary,
) -> anyhow::Result<()> {
    let candidates = candidate::read(&arguments.candidates)?
        .skip(done)
        .map(|row| row.map_err(|error| RunError::Stream(Box::new(error))));
    let bar = progress_bar(total, done);
    let (mut flushed, mut told) = (Instant::now(), Instant::now());
    let outcome = run::verify(job, candidates, |verdict| {
        summary.add(&verdict);
        writer.write(&verdict).map_err(|error| RunError::Stream(Box::new(error)))?;
        bar.inc(1);
        if bar.is_hidden() && told.elapsed() > QUIET {
            told = Instant::now();
            eprintln!("{} of {total} candidates", summary.candidates);
        }
        if flushed.elapsed() > FLUSH {
            flushed = Instant::now();
            writer.flush().map_err(|error| RunError::Stream(Box::new(error)))?;
        }
        Ok(())
    });
    // What was judged is kept, whatever ended the run.
    writer.finish()?;
    bar.finish_and_clear();
    outcome.with_context(|| format!("failed after {} of {total} candidates", summary.candidates))
}

fn parallelism(arguments: &Arguments) -> anyhow::Result<Parallelism> {
    let threads = match arguments.threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    anyhow::ensure!(threads > 0, "--threads must be 1 or more");
    anyhow::ensure!(arguments.batch > 0, "--batch must be 1 or more");
    Ok(Parallelism { threads, batch: arguments.batch })
}

/// How often rows are handed to the system: what a killed run has to judge again.
const FLUSH: Duration = Duration::from_millis(50);

/// How often a run says how far it is where there is no terminal for a bar.
const QUIET: Duration = Duration::from_secs(30);

/// What made the file: everything that its bytes depend on, and nothing else.
fn meta(arguments: &Arguments, config: &Config, backend: &dyn Backend) -> anyhow::Result<Meta> {
    let hash = |path: &Path| file_hash(path);
    let problems = hash(&arguments.problems)?;
    let candidates = hash(&arguments.candidates)?;
    let configuration = json!({
        "backend": backend.name(),
        "stimulus": config,
        "problems": problems,
        "candidates": candidates,
    });
    let mut meta = Meta::new("verify", configuration);
    meta.stimulus = Some(stimulus::VERSION);
    meta.seed = Some(config.seed);
    meta.tools = backend.tools();
    meta.inputs = BTreeMap::from([
        (arguments.problems.display().to_string(), problems),
        (arguments.candidates.display().to_string(), candidates),
    ]);
    Ok(meta)
}

/// Times go into a file of their own: they are never the same twice. The stages' are summed over threads.
fn write_timings(
    output: &Path,
    candidates: usize,
    elapsed: Duration,
    stages: Option<Seconds>,
) -> anyhow::Result<()> {
    let mut name = output.as_os_str().to_owned();
    name.push(".timings.json");
    let seconds = elapsed.as_secs_f64();
    let timings = json!({ "candidates": candidates, "seconds": seconds, "stage_seconds": stages });
    std::fs::write(&name, format!("{timings:#}\n"))
        .with_context(|| format!("failed to write {}", name.display()))
}

/// A bar with rate and remaining time, where a person sees it.
fn progress_bar(total: usize, done: usize) -> ProgressBar {
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
