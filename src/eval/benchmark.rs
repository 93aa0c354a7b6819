//! A benchmark as its authors publish it, or as `salv corpus` has imported it: problems, benches, and the files that
//! the benches read.
//!
//! The importers of [`crate::corpus`] read the formats. A file of `problems.jsonl` is taken as well: its rows of this
//! benchmark that have a test bench, for those who keep many benchmarks in one file.

use std::path::{Path, PathBuf};

use super::{Benchmark, Entry};
use crate::corpus::{self, ImportError, rtllm, verilog_eval_v1, verilog_eval_v2};
use crate::problem::{self, Problem, ProblemError};

/// Why a benchmark cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BenchmarkError {
    /// It cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Its file of problems cannot be read.
    #[error(transparent)]
    Problems(#[from] ProblemError),
    /// No problem of the benchmark is in the file.
    #[error(
        "{} holds no problem of {name} with a test bench (their names begin with {family})",
        path.display()
    )]
    None {
        /// The file.
        path: PathBuf,
        /// The benchmark.
        name: &'static str,
        /// With what names begin.
        family: &'static str,
    },
    /// A problem without a bench.
    #[error("problem {problem} of {} has no test bench", path.display())]
    NoBench {
        /// The benchmark's path.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
}

/// Reads a benchmark. `descriptions` is the second file of VerilogEval v1 where it is not beside the first.
pub fn load(
    benchmark: Benchmark,
    path: &Path,
    descriptions: Option<&Path>,
) -> Result<Vec<Entry>, BenchmarkError> {
    if path.is_file() && corpus::is_problems(path) {
        return from_problems(benchmark, path);
    }
    let problems = match benchmark {
        Benchmark::VerilogEvalV1 => verilog_eval_v1::import(path, descriptions)?,
        Benchmark::VerilogEvalV2 => verilog_eval_v2::import(path)?,
        Benchmark::Rtllm => rtllm::import(path, None)?,
    };
    let mut files = match benchmark {
        Benchmark::Rtllm => rtllm::files_of_benches(path)?,
        _ => Default::default(),
    };
    let entry = |mut problem: Problem| match problem.testbench.take() {
        Some(bench) => {
            let name = problem.problem.rsplit('/').next().unwrap_or_default();
            let files = files.remove(name).unwrap_or_default();
            Ok(Entry { problem, bench, files })
        }
        None => {
            let (path, problem) = (path.to_owned(), problem.problem);
            Err(BenchmarkError::NoBench { path, problem })
        }
    };
    problems.into_iter().map(entry).collect()
}

fn from_problems(benchmark: Benchmark, path: &Path) -> Result<Vec<Entry>, BenchmarkError> {
    let family = benchmark.family();
    let is_meant = |problem: &Problem| {
        problem.problem.strip_prefix(family).is_some_and(|rest| rest.starts_with(['-', '/']))
    };
    let entries: Vec<Entry> = problem::load(path)?
        .into_iter()
        .filter(is_meant)
        .filter_map(|mut problem| {
            let bench = problem.testbench.take()?;
            Some(Entry { problem, bench, files: Vec::new() })
        })
        .collect();
    if entries.is_empty() {
        let (path, name) = (path.to_owned(), benchmark.name());
        return Err(BenchmarkError::None { path, name, family });
    }
    Ok(entries)
}
