//! `salv bench verify`: lanes and the verilator backend beside the one-process-per-candidate way, on the same rows, in
//! the same run, with the same number of threads.
//!
//! The rows that Icarus is slowest on are measured apart from the usual ones.
//!
//! They take turns, a chunk of rows at a time, so that noise of the machine hits all. What lanes hand over is judged by
//! verilator, in their time. Verilator starts with an empty cache folder for each number of vectors; only what is built
//! once for a machine (Verilator's runtime and the precompiled headers) is there. Wall times depend on what else the
//! machine does; the CPU times, of all processes, hardly do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::select::{BATCH, Bench, Judge, Row, in_parallel, select};
use super::table::{Line, render};
use super::{sample, usage};
use crate::candidate::{self, Candidate};
use crate::cli::start;
use crate::cli::tools::{self, Tools};
use crate::cli::verify::BackendArguments;
use crate::problem::{self, Problem};
use crate::verify::backend::Backend as _;
use crate::verify::cache::{Cache, Scratch};
use crate::verify::icarus::Outcome;
use crate::verify::run;
use crate::verify::stimulus::Config;
use crate::verify::verdict::{Judgement, Status, Verdict};
use crate::verify::verilator::timing::Timing;
use crate::worker::launch::first_line;

/// Compare the speed of lanes and verilator with that of one Icarus process for each candidate
#[derive(clap::Args)]
pub struct Arguments {
    /// The problems, `problems.jsonl`
    problems: PathBuf,
    /// What models wrote, `candidates.jsonl`
    candidates: PathBuf,
    /// Rows to measure
    #[arg(long, default_value_t = 300)]
    rows: usize,
    /// Usual rows to measure where there are more than 10,000 vectors
    #[arg(long, default_value_t = 40)]
    rows_slow: usize,
    /// Rows of one problem; 5 is what a model is usually sampled for
    #[arg(long, default_value_t = 5)]
    per_problem: usize,
    /// Numbers of vectors, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000])]
    vectors: Vec<u32>,
    /// Seed of the sample and of both stimuli
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads of either way; by default one for each core
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    backend: BackendArguments,
}

/// Vectors from which a run is slow for Icarus; then the slowest rows, hours of it, are not run.
const VECTORS_OF_SLOW: u32 = 10_000;

/// The rows that are slowest under Icarus, one in so many, are a group of their own: a few designs (an
/// automaton of 256 cells) cost it as much as hundreds of others, and would decide any mean.
const SLOWEST_ONE_IN: usize = 20;

const USUAL: &str = "usual";
const SLOWEST: &str = "slowest";

impl Arguments {
    /// Checks what was typed; returns the number of threads.
    fn check(&self) -> anyhow::Result<usize> {
        let threads = start::threads(self.threads)?;
        anyhow::ensure!(self.rows > 0, "--rows must be 1 or more");
        anyhow::ensure!(self.rows_slow > 0, "--rows-slow must be 1 or more");
        anyhow::ensure!(
            self.vectors.iter().all(|&vectors| vectors > 0),
            "--vectors must be 1 or more"
        );
        Ok(threads)
    }
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let threads = arguments.check()?;
    let tools = arguments.backend.tools()?;
    let icarus = tools::icarus()?;
    let problems = problem::load(&arguments.problems)?;
    let cache = Cache::open(&tools.cache.join("bench"))?.with_memory(tools.memory.clone());
    // Only scratch folders of killed runs are there to be removed.
    cache.prune(0)?;
    let bench = Bench { icarus: &icarus, cache: &cache, threads, seed: arguments.seed };
    let groups = choose(&arguments, &bench, &tools, &problems)?;
    let mut lines = Vec::new();
    let mut tallies = String::new();
    for &vectors in &arguments.vectors {
        let slow = vectors > VECTORS_OF_SLOW;
        for (group, rows) in &groups {
            if rows.is_empty() || (slow && *group == SLOWEST) {
                continue;
            }
            let rows = if slow { &rows[..arguments.rows_slow.min(rows.len())] } else { rows };
            // A cache folder for each, so that what lanes hand over is not there already.
            let scratch = [cache.scratch()?, cache.scratch()?];
            let open = |scratch: &Scratch| {
                link_runtimes(&tools.cache, scratch.path())?;
                Judge::open(tools.clone(), scratch.path(), &problems, threads)
            };
            let judges = [open(&scratch[0])?, open(&scratch[1])?];
            let (measured, tally) = measure(&bench, &judges, rows, vectors)?;
            lines.extend(measured.map(|line| Line { group, ..line }));
            tallies += &tally.render(group, vectors);
        }
        if let [.., a, b, c, lanes, verilator, icarus] = &lines[..]
            && (a.group, lanes.group) == (USUAL, SLOWEST)
            && a.vectors == lanes.vectors
        {
            let all = [a.and(lanes), b.and(verilator), c.and(icarus)];
            lines.extend(all);
        }
    }
    println!("\n{}{tallies}", render(&lines));
    Ok(ExitCode::SUCCESS)
}

/// Chooses the rows, prints what was chosen, and tells the usual ones from the slowest.
fn choose(
    arguments: &Arguments,
    bench: &Bench,
    tools: &Tools,
    problems: &[Problem],
) -> anyhow::Result<[(&'static str, Vec<Row>); 2]> {
    let candidates: Vec<Candidate> =
        candidate::read(&arguments.candidates)?.collect::<Result<_, _>>()?;
    let judge = Judge::open(tools.clone(), &tools.cache, problems, bench.threads)?;
    let order = sample::order(&candidates, arguments.per_problem, arguments.seed);
    eprintln!("choosing rows that both ways judge ...");
    let (rows, aside) = select(bench, &judge, &candidates, &order, arguments.rows)?;
    anyhow::ensure!(!rows.is_empty(), "no row can be judged by both ways: {aside:?}");
    print_head(arguments, tools, &rows, bench.threads)?;
    for (reason, count) in aside {
        println!("set aside: {count} {reason}");
    }
    let mut trials: Vec<Duration> = rows.iter().map(|row| row.trial).collect();
    trials.sort_unstable();
    let limit = trials[trials.len() - 1 - trials.len() / SLOWEST_ONE_IN];
    let (usual, slowest) = rows.into_iter().partition(|row: &Row| row.trial <= limit);
    Ok([(USUAL, usual), (SLOWEST, slowest)])
}

fn print_head(
    arguments: &Arguments,
    tools: &Tools,
    rows: &[Row],
    threads: usize,
) -> anyhow::Result<()> {
    let problems: BTreeSet<&str> = rows.iter().map(|row| row.candidate.problem.as_str()).collect();
    let icarus = tools::on_path("iverilog").map(|path| first_line(Command::new(path).arg("-V")));
    println!(
        "{} candidates of {} problems, at most {} of each; seed {}, {threads} threads",
        rows.len(),
        problems.len(),
        arguments.per_problem,
        arguments.seed
    );
    let compiler = first_line(Command::new(&tools.cxx).arg("--version"))?;
    println!("verilator {}, compiler {compiler}", tools.verilator_version);
    println!("{}", icarus.transpose()?.unwrap_or_default());
    println!(
        "verilator starts with an empty cache, but for its runtime and precompiled headers, which are \
         built once for a machine; batches of up to {BATCH}"
    );
    Ok(())
}

/// Makes the runtimes of one cache folder, the only entries that are folders, visible in another.
pub fn link_runtimes(from: &Path, to: &Path) -> anyhow::Result<()> {
    let (from, to) = (from.join("entries"), to.join("entries"));
    let context =
        || format!("failed to link the runtimes of {} to {}", from.display(), to.display());
    std::fs::create_dir_all(&to).with_context(context)?;
    for entry in std::fs::read_dir(&from).with_context(context)? {
        let entry = entry.with_context(context)?;
        if entry.path().is_dir() {
            std::os::unix::fs::symlink(entry.path(), to.join(entry.file_name()))
                .with_context(context)?;
        }
    }
    Ok(())
}

/// Measures lanes, verilator and Icarus on `rows`, the same chunk by each in turn. Lanes and verilator have a judge each.
fn measure(
    bench: &Bench,
    [by_lanes, by_verilator]: &[Judge; 2],
    rows: &[Row],
    vectors: u32,
) -> anyhow::Result<([Line; 3], Tally)> {
    let chunks = rows.len().div_ceil(bench.threads * BATCH);
    let line = |way| Line { way, vectors, candidates: rows.len(), ..Line::default() };
    let (mut lanes, mut ours, mut theirs) = (line("lanes"), line("verilator"), line("icarus"));
    let mut tally = Tally::default();
    let (mut compile, mut simulate) = (0.0, 0.0);
    let config = Config { seed: bench.seed, vectors, ..Config::default() };
    for (number, chunk) in rows.chunks(rows.len().div_ceil(chunks)).enumerate() {
        eprintln!("{vectors} vectors: chunk {} of {chunks}", number + 1);
        let candidates = || chunk.iter().map(|row| row.candidate.clone()).collect();
        let quick = clock(&mut lanes, || by_lanes.verify(candidates(), &config, true))?;
        let verdicts = clock(&mut ours, || by_verilator.verify(candidates(), &config, false))?;
        let ran = clock(&mut theirs, || {
            in_parallel(bench.threads, chunk, |row| {
                let scratch = bench.scratch()?;
                Ok(bench.icarus.run(&row.case, vectors, bench.seed as u32, scratch.path())?)
            })
        })?;
        for (verdict, own) in verdicts.iter().zip(&quick) {
            let failed = |verdict: &Verdict| usize::from(verdict.status != Status::Judged);
            lanes.failed += failed(own);
            ours.failed += failed(verdict);
            tally.handed_over += usize::from(own.backend != run::LANES);
            let of = |verdict: &Verdict| -> Vec<Judgement> {
                verdict.signals.iter().map(|signal| signal.verdict).collect()
            };
            tally.otherwise += usize::from(of(verdict) != of(own));
        }
        for (verdict, ran) in verdicts.iter().zip(&ran) {
            compile += ran.compile.as_secs_f64();
            simulate += ran.simulate.as_secs_f64();
            theirs.failed += usize::from(!matches!(ran.outcome, Outcome::Counted(_)));
            theirs.each.push((ran.compile + ran.simulate).as_secs_f64());
            tally.add(verdict, &ran.outcome);
        }
    }
    ours.stages = stages(by_verilator);
    theirs.stages = vec![("iverilog", compile), ("vvp", simulate)];
    Ok(([lanes, ours, theirs], tally))
}

/// Where the time of verilator goes.
fn stages(judge: &Judge) -> Vec<(&'static str, f64)> {
    let seconds = judge.backend.timing().map(Timing::seconds).unwrap_or_default();
    vec![
        ("elaborate", seconds.elaborate),
        ("verilate", seconds.verilate),
        ("compile", seconds.compile),
        ("simulate", seconds.simulate),
    ]
}

/// Does `work` and adds its times to `line`.
fn clock<T>(line: &mut Line, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let (started, cpu) = (Instant::now(), usage::cpu_time()?);
    let done = work()?;
    line.seconds += started.elapsed().as_secs_f64();
    line.cpu_seconds += usage::cpu_time()?.saturating_sub(cpu).as_secs_f64();
    Ok(done)
}

/// How often the ways say the same of an output, and of candidates how many lanes hand over or judge otherwise.
#[derive(Default)]
struct Tally {
    handed_over: usize,
    otherwise: usize,
    both_wrong: usize,
    both_right: usize,
    verilator_alone: usize,
    icarus_alone: usize,
    unchecked: usize,
}

impl Tally {
    fn add(&mut self, verdict: &Verdict, outcome: &Outcome) {
        let Outcome::Counted(counts) = outcome else { return };
        for (signal, &count) in verdict.signals.iter().zip(counts) {
            let field = match (signal.verdict, count > 0) {
                (Judgement::Wrong, true) => &mut self.both_wrong,
                (Judgement::Wrong, false) => &mut self.verilator_alone,
                (_, true) => &mut self.icarus_alone,
                (Judgement::Correct, false) => &mut self.both_right,
                (Judgement::Unchecked, false) => &mut self.unchecked,
            };
            *field += 1;
        }
    }

    fn render(&self, group: &str, vectors: u32) -> String {
        format!(
            "outputs of the {group} rows at {vectors} vectors: {} wrong by verilator and icarus, {} by verilator alone, {} by icarus alone; {} right by both, {} unchecked\nlanes hand over {} candidates and judge {} otherwise than verilator\n",
            self.both_wrong,
            self.verilator_alone,
            self.icarus_alone,
            self.both_right,
            self.unchecked,
            self.handed_over,
            self.otherwise
        )
    }
}
