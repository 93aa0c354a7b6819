//! A benchmark as its authors publish it, or as `salv corpus` has imported it: problems, benches, and the files that
//! the benches read.
//!
//! The importers of [`crate::corpus`] read the formats. A file of `problems.jsonl` is taken as well: its rows of this
//! benchmark that have a test bench, for those who keep many benchmarks in one file.

use std::path::{Path, PathBuf};

use super::{Benchmark, Entry};
use crate::corpus::{self, ImportError, rtllm, verilog_eval_v1, verilog_eval_v2};
use crate::problem::{self, Problem, ProblemError};
use crate::verilog::lex::Kind;
use crate::verilog::unit::{Scan, sole_top};

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
            Ok(Entry { bench: for_candidates(&problem, bench), problem, files })
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
            Some(Entry { bench: for_candidates(&problem, bench), problem, files: Vec::new() })
        })
        .collect();
    if entries.is_empty() {
        let (path, name) = (path.to_owned(), benchmark.name());
        return Err(BenchmarkError::None { path, name, family });
    }
    Ok(entries)
}

/// The bench with an instance of the module that candidates must be called.
///
/// Those of RTLLM 1.0 have one of the golden module (`verified_adder_32bit`), so that nobody's answer could be compiled
/// with them; who uses them changes that name. Where the bench names the module as the prompt does, it is left alone.
fn for_candidates(problem: &Problem, bench: String) -> String {
    let golden = problem.golden_top.clone().or_else(|| sole_top(&problem.golden));
    let scan = Scan::new(&bench);
    let stands_at = |name: &str| {
        let is_name = |at: &usize| scan.kind(*at) == Some(Kind::Word) && scan.word(*at) == name;
        (0..scan.tokens.len()).filter(is_name).collect::<Vec<usize>>()
    };
    let Some(golden) = golden.filter(|_| problem.problem.starts_with("rtllm")) else {
        return bench;
    };
    if !stands_at(&problem.top).is_empty() {
        return bench;
    }
    let mut renamed = String::with_capacity(bench.len());
    let mut copied = 0;
    for at in stands_at(&golden) {
        let span = &scan.tokens[at].span;
        renamed += &bench[copied..span.start];
        renamed += &problem.top;
        copied = span.end;
    }
    renamed + &bench[copied..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(id: &str, bench: &str, expected: &str) {
        let problem = Problem {
            problem: id.to_owned(),
            prompt: String::new(),
            golden: "module verified_add(input a); endmodule".to_owned(),
            golden_top: None,
            top: "add".to_owned(),
            testbench: None,
            inputs: Default::default(),
            source: None,
            licence: None,
        };
        assert_eq!(for_candidates(&problem, bench.to_owned()), expected);
    }

    #[test]
    fn a_bench_of_the_golden_module_alone_is_given_the_candidates_name() {
        let bench = "// verified_add\nmodule tb; verified_add uut(.a(verified_add_a)); endmodule";
        check("rtllm-1.0/add", bench, &bench.replace("verified_add uut", "add uut"));
        check("ve1/add", bench, bench);
        let both = "module tb; verified_add good(a); add uut(a); endmodule";
        check("rtllm-1.1/add", both, both);
    }
}
