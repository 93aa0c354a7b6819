//! Bench and candidate as the files that are compiled: as the authors do it, and so that only the bench is believed.
//!
//! The official form has the authors' order of texts and flags:
//!
//! - VerilogEval v1: one file of bench, module head and body (`verilog_eval/execution.py`); `-Wall -Winfloop
//!   -Wno-timescale -g2012 -s tb`, `vvp -n`. Head and body are joined where the code is looked for in the completion.
//! - VerilogEval v2: candidate, bench and golden module in this order and with the same flags (`Makefile.in`), run
//!   without `-n`.
//! - RTLLM: candidate and bench with the default time scale of its makefiles, 1 ns; the files that the bench reads lie
//!   beside them.
//!
//! The strict form has the bench first and marked ([`super::mark`]), its own module as the only root, and no file of
//! waves. Where the authors give the candidate the default time scale, `` `resetall `` gives it to it here too.

use super::mark::{marked, secret};
use super::simulate::Build;
use super::{Benchmark, Entry};
use crate::verilog::unit::{Scan, uses};

/// Flags of VerilogEval, both versions.
const VERILOG_EVAL: [&str; 6] = ["-Wall", "-Winfloop", "-Wno-timescale", "-g2012", "-s", "tb"];

/// CPU time of a run in seconds. The authors allow so much on a clock.
fn cpu_seconds(benchmark: Benchmark) -> u64 {
    match benchmark {
        Benchmark::VerilogEvalV1 | Benchmark::VerilogEvalV2 => 30,
        Benchmark::Rtllm => 8,
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What the authors compile and run.
pub fn official(benchmark: Benchmark, entry: &Entry, code: &str) -> Build {
    let mut build = Build {
        files: entry.files.clone(),
        compile: words(&VERILOG_EVAL),
        run: words(&["-n"]),
        run_after: Vec::new(),
        cpu_seconds: cpu_seconds(benchmark),
    };
    let mut add = |name: &str, text: &str| {
        build.files.push((name.to_owned(), text.as_bytes().to_vec()));
        build.compile.push(name.to_owned());
    };
    match benchmark {
        Benchmark::VerilogEvalV1 => add("problem.sv", &format!("{}\n{code}\n", entry.bench)),
        Benchmark::VerilogEvalV2 => {
            add("sample.sv", &format!("\n{code}\n"));
            add("test.sv", &entry.bench);
            add("ref.sv", &entry.problem.golden);
            build.run.clear();
        }
        Benchmark::Rtllm => {
            build.files.push(("design.v".to_owned(), code.as_bytes().to_vec()));
            build.files.push(("testbench.v".to_owned(), entry.bench.as_bytes().to_vec()));
            build.files.push((FILE_LIST.to_owned(), list(&["design.v", "testbench.v"])));
            build.compile = words(&["-g2012", "-c", FILE_LIST]);
            build.run.clear();
        }
    }
    build
}

/// The list of files of a compilation, with the default time scale of RTLLM's makefiles.
const FILE_LIST: &str = "salv.files";

fn list(files: &[&str]) -> Vec<u8> {
    format!("+timescale+1ns/1ns\n{}\n", files.join("\n")).into_bytes()
}

/// What is compiled and run so that the bench alone is believed, and the secret of its marks.
pub fn strict(benchmark: Benchmark, entry: &Entry, code: &str) -> (Build, String) {
    let secret = secret(&entry.bench, code);
    let bench = marked(&entry.bench, &secret);
    let mut files = entry.files.clone();
    let mut names = Vec::new();
    let mut add = |name: &'static str, text: String| {
        files.push((name.to_owned(), text.into_bytes()));
        names.push(name);
    };
    add("bench.sv", bench);
    match benchmark {
        // The candidate follows the bench here too, and has its time scale.
        Benchmark::VerilogEvalV1 => add("candidate.sv", format!("\n{code}\n")),
        Benchmark::VerilogEvalV2 => {
            add("golden.sv", format!("`resetall\n{}\n", entry.problem.golden));
            add("candidate.sv", format!("`resetall\n{code}\n"));
        }
        Benchmark::Rtllm => {
            add("candidate.sv", format!("`resetall\n`timescale 1ns/1ns\n{code}\n"));
        }
    }
    let mut compile = words(&["-g2012"]);
    for root in roots(&entry.bench) {
        compile.extend(["-s".to_owned(), root]);
    }
    if benchmark == Benchmark::Rtllm {
        files.push((FILE_LIST.to_owned(), list(&names)));
        compile.extend(words(&["-c", FILE_LIST]));
    } else {
        compile.extend(words(&names));
    }
    let build = Build {
        files,
        compile,
        run: words(&["-n"]),
        run_after: words(&["-none"]),
        cpu_seconds: cpu_seconds(benchmark),
    };
    (build, secret)
}

/// The modules of a bench that no other module of it instantiates.
pub fn roots(bench: &str) -> Vec<String> {
    let scan = Scan::new(bench);
    let names: Vec<&str> =
        scan.units.iter().filter(|unit| unit.is_module).map(|unit| unit.name.as_str()).collect();
    let is_used = |name: &str| {
        scan.units.iter().any(|unit| {
            unit.name != name && uses(&scan, unit.first_token..unit.end_token).contains(&name)
        })
    };
    names.into_iter().filter(|name| !is_used(name)).map(str::to_owned).collect()
}
