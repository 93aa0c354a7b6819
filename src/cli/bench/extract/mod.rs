//! `salv bench extract`: `salv extract` beside the way of the published pipeline, on the same rows in one run,
//! one core each: a Yosys process for each candidate that prints its syntax tree, and Python that reads what
//! was printed.
//!
//! Yosys is measured in the forms that are there: as an executable, named by `--yosys` or on the PATH, of 0.34
//! or newer; and as the Python package of `scripts/setup --with-bench`, which has no executable, so that each
//! candidate costs an interpreter too. Python is one process for all candidates and does less than the published
//! code does: what is compared with is the least that the way can cost.
//!
//! Times are CPU times of everything that ran, so that other jobs on the machine disturb little.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, ensure};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::{sample, usage};
use crate::candidate::{self, Candidate, extract_code};
use crate::cli::tools;
use crate::extract::run::{self, Run, Status};
use crate::problem::{self, Problem};
use crate::worker::launch::first_line;

/// Measure extraction beside one Yosys process for each candidate
#[derive(clap::Args)]
pub struct Arguments {
    /// The problems, `problems.jsonl`
    problems: PathBuf,
    /// Candidates, `candidates.jsonl`
    candidates: PathBuf,
    /// Candidates to measure
    #[arg(long, default_value_t = 500)]
    rows: usize,
    /// Candidates of one problem; 5 is what a model is usually sampled for
    #[arg(long, default_value_t = 5)]
    per_problem: usize,
    /// Seed of the sample
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The Yosys executable, 0.34 or newer; by default the one on the PATH, if there is one
    #[arg(long)]
    yosys: Option<PathBuf>,
}

/// Reads dumps; see its head.
const DUMP: &str = include_str!("dump.py");

/// Runs one pass of the Python package on one file.
const PYOSYS: &str = "import sys\nfrom pyosys import libyosys as ys\n\
    ys.run_pass(f'tee -q -o {sys.argv[2]} read_verilog -sv -dump_ast1 {sys.argv[1]}', ys.Design())\n";

/// What one way came to.
struct Line {
    way: String,
    cpu_seconds: f64,
    wall_seconds: f64,
    /// Rows whose times are counted.
    rows: usize,
    failed: usize,
}

/// CPU seconds of a Yosys process. The published pipeline ends one after a second of wall time; what is ended
/// here is not counted, for the limit would decide the mean.
const CPU_SECONDS_MAX: u64 = 2;

/// A row to be measured: its index, its code and where that stands.
struct Text {
    file: PathBuf,
    dump: PathBuf,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    ensure!(arguments.rows > 0, "--rows must be 1 or more");
    let problems = problem::load(&arguments.problems)?;
    let rows = choose(&arguments, &problems)?;
    ensure!(!rows.is_empty(), "no candidate has code");
    let scratch = tempdir()?;
    let texts = write_texts(&problems, &rows, &scratch.0)?;
    println!(
        "{} candidates of at most {} a problem, seed {}; one core",
        rows.len(),
        arguments.per_problem,
        arguments.seed
    );
    let ours = ours(&problems, &rows)?;
    let mut lines = Vec::new();
    let python = tools::find_prover(&tools::cache_folder()?).ok().map(|found| found.python);
    let reader = python.clone().or_else(|| tools::on_path("python3"));
    let reader =
        reader.context("failed to find Python (python3), which is part of what is compared")?;
    let yosys = arguments.yosys.clone().or_else(|| tools::on_path("yosys"));
    if let Some(yosys) = yosys {
        let version = first_line(Command::new(&yosys).arg("-V"))?;
        lines.push(each(&version, &texts, |text| {
            let script = format!("read_verilog -sv -dump_ast1 {}", text.file.display());
            let mut command = Command::new(&yosys);
            command.args(["-p", &script]).stdout(File::create(&text.dump)?);
            Ok(command)
        })?);
        lines.push(dumps(&reader, &texts, &scratch.0)?);
    } else {
        println!("no Yosys executable (--yosys): its start alone is not measured");
    }
    if let Some(python) = python {
        lines.push(each("pyosys, a Python process each", &texts, |text| {
            let mut command = Command::new(&python);
            command.args(["-c", PYOSYS]).args([&text.file, &text.dump]).stdout(Stdio::null());
            Ok(command)
        })?);
        lines.push(dumps(&reader, &texts, &scratch.0)?);
    }
    ensure!(
        !lines.is_empty(),
        "failed to find Yosys (name one by --yosys, or run scripts/setup --with-bench)"
    );
    print!("{}", render(&ours, &lines));
    Ok(ExitCode::SUCCESS)
}

/// The sample: rows whose completion holds code.
fn choose(arguments: &Arguments, problems: &[Problem]) -> anyhow::Result<Vec<Candidate>> {
    let all: Vec<Candidate> = candidate::read(&arguments.candidates)?.collect::<Result<_, _>>()?;
    let order = sample::order(&all, arguments.per_problem, arguments.seed);
    let rows = order.into_iter().map(|index| all[index].clone());
    Ok(rows.filter(|row| code(problems, row).is_some()).take(arguments.rows).collect())
}

fn code(problems: &[Problem], row: &Candidate) -> Option<String> {
    let problem = problems.iter().find(|problem| problem.problem == row.problem)?;
    Some(extract_code(&row.completion, &problem.prompt, &problem.top).ok()?.text)
}

fn write_texts(
    problems: &[Problem],
    rows: &[Candidate],
    folder: &Path,
) -> anyhow::Result<Vec<Text>> {
    let write = |(index, row): (usize, &Candidate)| {
        let file = folder.join(format!("{index}.sv"));
        std::fs::write(&file, code(problems, row).unwrap_or_default())?;
        Ok(Text { file, dump: folder.join(format!("{index}.txt")) })
    };
    rows.iter().enumerate().map(write).collect()
}

/// Measures `salv extract` with one worker.
fn ours(problems: &[Problem], rows: &[Candidate]) -> anyhow::Result<Line> {
    let (workers, stop) = (tools::workers()?, AtomicBool::new(false));
    let job = Run { problems, workers: &workers, threads: 1, proof: None, stop: &stop };
    let mut failed = 0;
    let mut line = clock("salv extract", || {
        run::extract(&job, rows.iter().cloned().map(Ok), |extracted| {
            // The row is made and written too, as a run does.
            let row = extracted.row();
            failed += usize::from(row.status != Status::Extracted);
            serde_json::to_vec(&row)
                .map(drop)
                .map_err(|error| run::RunError::Stream(Box::new(error)))
        })?;
        Ok(())
    })?;
    (line.rows, line.failed) = (rows.len(), failed);
    Ok(line)
}

/// Measures a process for each text.
fn each(
    way: &str,
    texts: &[Text],
    command: impl Fn(&Text) -> anyhow::Result<Command>,
) -> anyhow::Result<Line> {
    let (mut failed, mut wall, mut cpu) = (0, 0.0, 0.0);
    for text in texts {
        let mut succeeded = false;
        let line = clock(way, || {
            let mut command = command(text)?;
            let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
            let mut child = child.with_context(|| format!("failed to start {command:?}"))?;
            let limit = Rlimit { current: Some(CPU_SECONDS_MAX), maximum: None };
            // It may have ended already.
            let _ = prlimit(Some(Pid::from_child(&child)), Resource::Cpu, limit);
            succeeded = child.wait()?.success();
            Ok(())
        })?;
        if succeeded {
            (wall, cpu) = (wall + line.wall_seconds, cpu + line.cpu_seconds);
        } else {
            failed += 1;
            let _ = std::fs::remove_file(&text.dump);
        }
    }
    let rows = texts.len() - failed;
    Ok(Line { way: way.to_owned(), cpu_seconds: cpu, wall_seconds: wall, rows, failed })
}

/// Measures one Python process that reads what Yosys printed for all texts.
fn dumps(python: &Path, texts: &[Text], folder: &Path) -> anyhow::Result<Line> {
    let list = folder.join("list");
    let mut file = File::create(&list)?;
    for text in texts.iter().filter(|text| text.dump.is_file()) {
        writeln!(file, "{}", text.dump.display())?;
    }
    drop(file);
    let mut line = clock("  Python over what it printed", || {
        let mut command = Command::new(python);
        command.args(["-c", DUMP]).stdin(File::open(&list)?).stdout(Stdio::null());
        let status = command.status().context("failed to start Python")?;
        ensure!(status.success(), "failed to read what Yosys printed: {status}");
        Ok(())
    })?;
    for text in texts {
        // One that a Yosys could not make is not there.
        line.rows += usize::from(std::fs::remove_file(&text.dump).is_ok());
    }
    Ok(line)
}

/// Does `work` and takes its times, those of ended children included.
fn clock(way: &str, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Line> {
    let (started, before) = (Instant::now(), usage::cpu_time()?);
    work()?;
    let cpu_seconds = usage::cpu_time()?.saturating_sub(before).as_secs_f64();
    let wall_seconds = started.elapsed().as_secs_f64();
    Ok(Line { way: way.to_owned(), cpu_seconds, wall_seconds, rows: 0, failed: 0 })
}

/// The table: the way of the published pipeline is a line of Yosys and the line of Python under it.
fn render(ours: &Line, lines: &[Line]) -> String {
    let width = lines.iter().chain([ours]).map(|line| line.way.len()).max().unwrap_or(0);
    let mut text = format!(
        "{:width$}  CPU ms each  wall ms each  candidates/s/core  without a result\n",
        "way"
    );
    let cpu = |line: &Line| line.cpu_seconds / line.rows.max(1) as f64;
    for line in [ours].into_iter().chain(lines) {
        text.push_str(&format!(
            "{:width$}  {:11.2}  {:12.2}  {:17.1}  {:16}\n",
            line.way,
            1000.0 * cpu(line),
            1000.0 * line.wall_seconds / line.rows.max(1) as f64,
            1.0 / cpu(line),
            line.failed
        ));
    }
    for pair in lines.chunks(2) {
        let alone = cpu(&pair[0]) / cpu(ours);
        let both = pair.iter().map(cpu).sum::<f64>() / cpu(ours);
        text.push_str(&format!(
            "salv extract is {both:.1} times as fast per core as {} with its Python, {alone:.1} times without\n",
            pair[0].way
        ));
    }
    text
}

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

fn tempdir() -> anyhow::Result<Folder> {
    let folder = tools::cache_folder()?.join(format!("bench-extract-{}", std::process::id()));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("failed to make {}", folder.display()))?;
    Ok(Folder(folder))
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_of_cpu_times() {
        let line = |way: &str, cpu_seconds| Line {
            way: way.into(),
            cpu_seconds,
            wall_seconds: 1.0,
            rows: 1000,
            failed: 0,
        };
        let table = render(&line("ours", 2.0), &[line("theirs", 30.0), line("Python", 10.0)]);
        assert!(
            table.contains(
                "20.0 times as fast per core as theirs with its Python, 15.0 times without"
            )
        );
        assert!(
            table
                .lines()
                .nth(1)
                .is_some_and(|line| line.contains("2.00") && line.contains("500.0")),
            "{table}"
        );
    }
}
