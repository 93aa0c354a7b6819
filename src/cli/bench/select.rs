//! Which rows of the sample can be measured: those that both ways judge.
//!
//! Each row is judged once by each way with a handful of vectors, outside of any measurement. A row that
//! one way cannot judge is set aside and counted by the reason, so that no way is quick because it gives
//! up early.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::candidate::{Candidate, extract_code};
use crate::cli::tools::Tools;
use crate::cli::verify::open_in;
use crate::problem::Problem;
use crate::verify::backend::Task;
use crate::verify::cache::{Cache, CacheError, Scratch};
use crate::verify::icarus::{Case, Icarus, Outcome, PREFIX, rename};
use crate::verify::run::{self, Parallelism, Run, task_of};
use crate::verify::stimulus::Config;
use crate::verify::verdict::{Status, Verdict};
use crate::verify::verilator::Verilator;
use crate::worker::Workers;

/// A row that both ways judge.
pub struct Row {
    /// The candidate, for the verilator backend.
    pub candidate: Candidate,
    /// The candidate and its golden module, for Icarus.
    pub case: Case,
    /// Time that `vvp` took in the trial.
    pub trial: Duration,
}

/// The verilator backend over one cache folder, and lanes before it.
pub struct Judge<'a> {
    problems: &'a [Problem],
    /// The backend.
    pub backend: Verilator,
    workers: Workers,
    threads: usize,
    stop: AtomicBool,
}

/// Icarus, and where its files go.
pub struct Bench<'a> {
    /// The programs.
    pub icarus: &'a Icarus,
    /// Scratch folders.
    pub cache: &'a Cache,
    /// Threads of either way.
    pub threads: usize,
    /// The seed of both stimuli.
    pub seed: u64,
}

/// Candidates in one build, as in `salv verify`.
pub const BATCH: usize = 256;

/// Vectors of the trial of a row: enough to tell a design that is slow from a process that is slow to start.
const VECTORS_OF_TRIAL: u32 = 64;

impl Bench<'_> {
    /// A folder for one run of Icarus: in memory, as the other way's are, where there is room.
    pub fn scratch(&self) -> Result<Scratch, CacheError> {
        self.cache.memory_scratch().map_or_else(|| self.cache.scratch(), Ok)
    }
}

impl<'a> Judge<'a> {
    /// Opens the backend with its cache in `folder`.
    pub fn open(
        tools: Tools,
        folder: &Path,
        problems: &'a [Problem],
        threads: usize,
    ) -> anyhow::Result<Self> {
        let (backend, workers) = open_in(tools, folder)?;
        // What it takes to be ready is not to be counted.
        backend.ready()?;
        backend.rest();
        Ok(Judge { problems, backend, workers, threads, stop: AtomicBool::new(false) })
    }

    fn run<'b>(&'b self, config: &'b Config, batch: usize, lanes: bool) -> Run<'b> {
        Run {
            problems: self.problems,
            backend: &self.backend,
            lanes,
            workers: &self.workers,
            config,
            parallelism: Parallelism { threads: self.threads, batch },
            stop: &self.stop,
        }
    }

    /// The task of one candidate, or the status that it gets without one.
    pub fn task(
        &self,
        candidate: &Candidate,
        config: &Config,
    ) -> anyhow::Result<Result<Task, (Status, String)>> {
        Ok(task_of(&self.run(config, 1, false), candidate)?)
    }

    /// Judges candidates, in batches of the same size for all threads; by lanes first, or by verilator alone.
    pub fn verify(
        &self,
        candidates: Vec<Candidate>,
        config: &Config,
        lanes: bool,
    ) -> anyhow::Result<Vec<Verdict>> {
        let batch = candidates.len().div_ceil(self.threads).clamp(1, BATCH);
        let mut verdicts = Vec::with_capacity(candidates.len());
        let rows = candidates.into_iter().map(Ok);
        run::verify(&self.run(config, batch, lanes), rows, |verdict| {
            verdicts.push(verdict);
            Ok(())
        })?;
        // Their CPU time is to be counted.
        self.backend.rest();
        Ok(verdicts)
    }
}

/// Returns the first `rows` candidates, in the given order, that both ways judge, and how many before the
/// last of them were set aside, by reason.
pub fn select(
    bench: &Bench,
    judge: &Judge,
    candidates: &[Candidate],
    order: &[usize],
    rows: usize,
) -> anyhow::Result<(Vec<Row>, BTreeMap<String, usize>)> {
    let config = Config { seed: bench.seed, vectors: VECTORS_OF_TRIAL, ..Config::default() };
    let mut kept = Vec::new();
    let mut aside = BTreeMap::new();
    for part in order.chunks(BATCH) {
        if kept.len() == rows {
            break;
        }
        let part: Vec<Candidate> = part.iter().map(|&index| candidates[index].clone()).collect();
        let verdicts = judge.verify(part.clone(), &config, false)?;
        let pairs: Vec<(Candidate, Verdict)> = part.into_iter().zip(verdicts).collect();
        let tried = in_parallel(bench.threads, &pairs, |(candidate, verdict)| {
            try_row(bench, judge, candidate, verdict, &config)
        })?;
        for row in tried {
            if kept.len() == rows {
                break;
            }
            match row {
                Ok(row) => kept.push(row),
                Err(reason) => *aside.entry(reason).or_default() += 1,
            }
        }
    }
    Ok((kept, aside))
}

/// A row, or why one of the ways cannot judge it.
fn try_row(
    bench: &Bench,
    judge: &Judge,
    candidate: &Candidate,
    verdict: &Verdict,
    config: &Config,
) -> anyhow::Result<Result<Row, String>> {
    if verdict.status != Status::Judged {
        return Ok(Err(format!("not judged by verilator: {}", verdict.status.name())));
    }
    let task = match judge.task(candidate, config)? {
        Ok(task) => task,
        Err((status, _)) => return Ok(Err(format!("not judged by verilator: {}", status.name()))),
    };
    let Some(problem) = judge.problems.iter().find(|problem| problem.problem == candidate.problem)
    else {
        unreachable!("a candidate of an unknown problem ends the run");
    };
    let case = match case(problem, candidate, task.interface) {
        Ok(case) => case,
        Err(reason) => return Ok(Err(reason)),
    };
    let scratch = bench.scratch()?;
    let ran = bench.icarus.run(&case, VECTORS_OF_TRIAL, bench.seed as u32, scratch.path())?;
    Ok(match ran.outcome {
        Outcome::Counted(_) => Ok(Row { candidate: candidate.clone(), case, trial: ran.simulate }),
        Outcome::Refused(_) => Err("refused by iverilog".into()),
        Outcome::Ended(_) => Err("not run to its end by vvp".into()),
    })
}

/// The candidate and its golden module for Icarus, or why it cannot have them.
pub fn case(
    problem: &Problem,
    candidate: &Candidate,
    mut interface: crate::design::Interface,
) -> Result<Case, String> {
    let renamed =
        rename(&problem.golden).map_err(|error| format!("golden not renamed: {error}"))?;
    let Some(golden_top) = renamed.names.get(&interface.top) else {
        return Err("golden not renamed: its top module is not found by the lexer".into());
    };
    let code = extract_code(&candidate.completion, &problem.prompt, &problem.top)
        .map_err(|why| why.to_string())?;
    if code.text.contains(PREFIX) {
        return Err(format!("the candidate uses names that begin with {PREFIX}"));
    }
    interface.top = golden_top.clone();
    Ok(Case { interface, golden: renamed.text, top: problem.top.clone(), candidate: code.text })
}

/// Does `work` on all items, each thread taking the next one; results are in the order of the items.
pub fn in_parallel<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let take_all = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return Ok(done) };
            done.push((index, work(item)?));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(take_all)).collect();
        let mut all = Vec::new();
        for thread in threads {
            let part: anyhow::Result<Vec<(usize, R)>> =
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all.extend(part?);
        }
        anyhow::Ok(all)
    })?;
    done.sort_unstable_by_key(|&(index, _)| index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}
