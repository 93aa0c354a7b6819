//! `salv bench handover`: when lanes should hand a candidate over to Verilator, which compiles it first.
//!
//! Each row by itself, its golden module included, by lanes and by Verilator with nothing in its cache but its runtime. What is
//! known while lanes run is the number of their instructions; so for each bound of it the time is told that all rows would
//! take. A row over the bound costs what lanes did up to it, and all that Verilator does.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use super::sample;
use super::select::Judge;
use super::speed::link_runtimes;
use crate::candidate::{self, Candidate, extract_code};
use crate::cli::tools::Tools;
use crate::cli::verify::BackendArguments;
use crate::problem::{self, Problem};
use crate::verify::backend::Backend as _;
use crate::verify::cache::Cache;
use crate::verify::lanes::job::{self, Job, Lanes};
use crate::verify::run::golden_key;
use crate::verify::stimulus::Config;
use crate::verify::verdict::Status;
use crate::verify::verilator::timing::Timing;
use crate::worker::launch::first_line;

/// Measure from how much work on Verilator is quicker than lanes
#[derive(clap::Args)]
pub struct Arguments {
    /// The problems, `problems.jsonl`
    problems: PathBuf,
    /// What models wrote, `candidates.jsonl`
    candidates: PathBuf,
    /// Rows to measure, of different problems, that both judge
    #[arg(long, default_value_t = 40)]
    rows: usize,
    /// Cycles of random inputs over all episodes
    #[arg(long, default_value_t = 1_000_000)]
    vectors: u32,
    /// Seed of the sample and of the stimulus
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rows to list: those on which lanes lose most time, or gain least
    #[arg(long, default_value_t = 10)]
    worst: usize,
    #[command(flatten)]
    backend: BackendArguments,
}

/// What a row takes, in seconds.
struct Row {
    name: String,
    /// Instructions of the candidate by lanes.
    work: u64,
    golden: f64,
    candidate: f64,
    build: f64,
    simulate: f64,
}

impl Row {
    fn lanes(&self) -> f64 {
        self.golden + self.candidate
    }

    fn verilator(&self) -> f64 {
        self.build + self.simulate
    }

    /// With a candidate that lanes leave after so many instructions.
    fn bounded(&self, work: u64) -> f64 {
        if self.work <= work {
            return self.lanes();
        }
        self.golden + self.candidate * work as f64 / self.work as f64 + self.verilator()
    }
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(arguments.rows > 0, "--rows must be 1 or more");
    let tools = arguments.backend.tools()?;
    let problems = problem::load(&arguments.problems)?;
    let candidates: Vec<Candidate> =
        candidate::read(&arguments.candidates)?.collect::<Result<_, _>>()?;
    let cache = Cache::open(&tools.cache.join("bench"))?.with_memory(tools.memory.clone());
    let mut rows = Vec::new();
    for index in sample::order(&candidates, 1, arguments.seed) {
        if rows.len() == arguments.rows {
            break;
        }
        let candidate = &candidates[index];
        if let Some(row) = measure(&arguments, &tools, &cache, &problems, candidate)? {
            eprintln!("row {} of {}: {}", rows.len() + 1, arguments.rows, row.name);
            rows.push(row);
        }
    }
    anyhow::ensure!(!rows.is_empty(), "no row is judged by both");
    println!(
        "{} rows, {} vectors, seed {}, one thread; verilator {}, compiler {}",
        rows.len(),
        arguments.vectors,
        arguments.seed,
        tools.verilator_version,
        first_line(Command::new(&tools.cxx).arg("--version"))?
    );
    print!("{}", render(&mut rows, arguments.worst));
    Ok(ExitCode::SUCCESS)
}

/// A row's times, if both judge it.
fn measure(
    arguments: &Arguments,
    tools: &Tools,
    cache: &Cache,
    problems: &[Problem],
    candidate: &Candidate,
) -> anyhow::Result<Option<Row>> {
    let config = Config { vectors: arguments.vectors, seed: arguments.seed, ..Config::default() };
    let Some(problem) = problems.iter().find(|problem| problem.problem == candidate.problem) else {
        return Ok(None);
    };
    let Ok(code) = extract_code(&candidate.completion, &problem.prompt, &problem.top) else {
        return Ok(None);
    };
    let top = problem.golden_top.as_deref();
    let Ok(design) = crate::design::elaborate(&problem.golden, top) else { return Ok(None) };
    let asked = Job {
        golden: problem.golden.clone(),
        golden_top: problem.golden_top.clone(),
        restrictions: problem.inputs.clone(),
        key: golden_key(problem, &design.interface.top),
        config,
        candidate: code.text,
        top: problem.top.clone(),
    };
    let mut lanes = Lanes::default();
    let mut by_lanes = || {
        let started = Instant::now();
        let verdict = lanes.answer(&asked);
        let is_judged = matches!(verdict, job::Verdict::Judged { .. });
        is_judged.then(|| (started.elapsed().as_secs_f64(), lanes.spent()))
    };
    // The golden module is kept from the first to the second.
    let (Some((both, _)), Some((alone, work))) = (by_lanes(), by_lanes()) else { return Ok(None) };
    let scratch = cache.scratch()?;
    link_runtimes(&tools.cache, scratch.path())?;
    let judge = Judge::open(tools.clone(), scratch.path(), problems, 1)?;
    let verdicts = judge.verify(vec![candidate.clone()], &config, false)?;
    if verdicts.iter().any(|verdict| verdict.status != Status::Judged) {
        return Ok(None);
    }
    let seconds = judge.backend.timing().map(Timing::seconds).unwrap_or_default();
    Ok(Some(Row {
        name: format!("{} of {}", candidate.id, candidate.problem),
        work,
        golden: (both - alone).max(0.0),
        candidate: alone,
        build: seconds.elaborate + seconds.verilate + seconds.compile,
        simulate: seconds.simulate,
    }))
}

/// Bounds that are tried, in millions of instructions.
const BOUNDS: [u64; 9] = [1, 2, 5, 10, 20, 50, 100, 200, 1_000];

fn render(rows: &mut [Row], worst: usize) -> String {
    let mut text = String::new();
    let sum = |of: &dyn Fn(&Row) -> f64| rows.iter().map(of).sum::<f64>();
    let (lanes, build, simulate) =
        (sum(&Row::lanes), sum(&|row| row.build), sum(&|row| row.simulate));
    let golden = sum(&|row| row.golden);
    let _ = writeln!(text, "lanes      {lanes:.2} s, golden modules {golden:.2} of it");
    let _ = writeln!(
        text,
        "verilator  {:.2} s, build {build:.2} of it; {:.2} times lanes, without the build {:.2} times",
        build + simulate,
        (build + simulate) / lanes,
        simulate / lanes
    );
    let _ = writeln!(text, "\ncandidates over so many million instructions handed over");
    for bound in BOUNDS {
        let over = rows.iter().filter(|row| row.work > bound * 1_000_000).count();
        let all = sum(&|row| row.bounded(bound * 1_000_000));
        let _ = writeln!(text, "{bound:>6}  {over:>4} rows  {all:.2} s");
    }
    rows.sort_by(|a, b| (b.lanes() - b.verilator()).total_cmp(&(a.lanes() - a.verilator())));
    let _ = writeln!(
        text,
        "\nthe worst rows of lanes, times in ms\n{:>8}  {:>8}  {:>9}  {:>9}  {:>9}  row",
        "million", "golden", "candidate", "build", "simulate"
    );
    for row in rows.iter().take(worst) {
        let ms = |seconds: f64| 1000.0 * seconds;
        let _ = writeln!(
            text,
            "{:>8.1}  {:>8.1}  {:>9.1}  {:>9.1}  {:>9.1}  {}",
            row.work as f64 / 1e6,
            ms(row.golden),
            ms(row.candidate),
            ms(row.build),
            ms(row.simulate),
            row.name
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(work: u64, candidate: f64, verilator: f64) -> Row {
        let name = format!("{work}");
        Row { name, work, golden: 1.0, candidate, build: verilator, simulate: 1.0 }
    }

    #[test]
    fn a_row_over_the_bound_pays_for_both() {
        let own = row(8_000_000, 4.0, 2.0);
        assert_eq!(own.bounded(8_000_000), 5.0);
        assert_eq!(own.bounded(2_000_000), 1.0 + 1.0 + 3.0);
    }

    #[test]
    fn the_rows_that_lose_most_come_first() {
        let mut rows = [row(1, 1.0, 5.0), row(2, 9.0, 2.0), row(3, 4.0, 2.0)];
        let text = render(&mut rows, 2);
        let names: Vec<&str> = text.lines().rev().take(2).collect();
        assert!(names[0].ends_with(" 3") && names[1].ends_with(" 2"), "{text}");
        assert!(text.contains("lanes      17.00 s, golden modules 3.00 of it"), "{text}");
    }
}
