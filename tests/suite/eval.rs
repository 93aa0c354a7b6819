//! `salv eval`, from outside: benchmarks in their authors' formats, candidates that are right, wrong, or that spoof the
//! official rules, and what the report says of both and of the benchmark.
//!
//! The benchmarks are in `tests/fixtures/eval`, written by hand in the published forms; the candidates, with what is
//! expected of them, in `candidates.v` there. The published ones are measured where they are (`tests/agreement`).

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

mod limits;
mod page;
mod real;
mod runs;
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use salv::candidate::Candidate;
use salv::eval::report::Report;
use salv::eval::{Mark, Row};

use crate::verify::{Bench, succeeded};

/// A benchmark of the fixtures: its name here, its name for the command, and its path.
const BENCHMARKS: [(&str, &str, &str); 3] = [
    ("v1", "verilog-eval-v1", "v1/data/VerilogEval_Human.jsonl"),
    ("v2", "verilog-eval-v2", "v2"),
    ("rtllm", "rtllm", "rtllm"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/eval")
}

/// Whether Icarus is here; says so if not, which CI does not allow.
fn has_icarus() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join("iverilog").is_file());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "CI has no Icarus (scripts/setup --with-bench)");
        eprintln!("skipped: no iverilog on the PATH (run scripts/setup --with-bench)");
    }
    found
}

/// A candidate of the fixtures and what is expected.
struct Case {
    candidate: Candidate,
    official: String,
    strict: String,
    /// Words of the strict detail.
    words: String,
}

/// The candidates of a benchmark.
fn cases(benchmark: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(folder().join("candidates.v")).expect("the candidates");
    let mut cases = Vec::new();
    for part in text.split("\n//# ").skip(1) {
        let (head, body) = part.split_once('\n').expect("a body");
        let (names, expected) = head.split_once(": ").expect("what is expected");
        let [of, problem, id] = names.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{names}: benchmark, problem and name")
        };
        let (official, strict) = expected.split_once(", ").expect("two outcomes");
        let (strict, words) = strict.split_once(' ').unwrap_or((strict, ""));
        if of == benchmark {
            cases.push(Case {
                candidate: Candidate {
                    problem: problem.to_owned(),
                    id: id.to_owned(),
                    completion: body.to_owned() + "\n",
                },
                official: official.to_owned(),
                strict: strict.to_owned(),
                words: words.to_owned(),
            });
        }
    }
    assert!(!cases.is_empty(), "no candidate of {benchmark}");
    cases
}

/// `salv eval` of a benchmark's candidates in a folder of its own, into `out`.
fn command(bench: &Bench, benchmark: &str, arguments: &[&str]) -> std::process::Command {
    let (_, name, path) = BENCHMARKS.into_iter().find(|(own, ..)| *own == benchmark).expect("it");
    let path = folder().join(path);
    let mut command = bench.salv(&["eval", name, path.to_str().expect("a path"), "-o", "out"]);
    command.args(arguments);
    command
}

/// A finished run of a benchmark's candidates, made once.
fn run(benchmark: &str) -> &'static Bench {
    static RUNS: [OnceLock<Bench>; 3] = [const { OnceLock::new() }; 3];
    let at = BENCHMARKS.iter().position(|(own, ..)| *own == benchmark).expect("a benchmark");
    RUNS[at].get_or_init(|| {
        let bench = Bench::new(&[]);
        bench.write("in.jsonl", cases(benchmark).into_iter().map(|case| case.candidate));
        let more = if benchmark == "rtllm" { &["--rtllm-off-by-one"][..] } else { &[] };
        succeeded(command(&bench, benchmark, &["--candidates", "in.jsonl"]).args(more));
        bench
    })
}

fn report(bench: &Bench) -> Report {
    serde_json::from_str(&bench.read("out/report.json")).expect("a report")
}

fn rows(bench: &Bench) -> Vec<Row> {
    let text = bench.read("out/scores.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
}

/// Every candidate of the fixtures ends as its line says.
#[track_caller]
fn check(benchmark: &str) {
    if !has_icarus() {
        return;
    }
    let (rows, cases) = (rows(run(benchmark)), cases(benchmark));
    assert_eq!(rows.len(), cases.len());
    let mut wrong = Vec::new();
    for (row, case) in rows.iter().zip(&cases) {
        assert_eq!((&row.problem, &row.candidate), (&case.candidate.problem, &case.candidate.id));
        let is = |mark: &Mark, expected: &str| mark.outcome.name() == expected;
        let said = row.strict.detail.as_deref().unwrap_or_default().contains(&case.words);
        if !is(&row.official, &case.official) || !is(&row.strict, &case.strict) || !said {
            wrong.push(format!("{}: {:?}, {:?}", row.candidate, row.official, row.strict));
        }
        assert!(row.official.passed() || !row.strict.passed(), "{}", row.candidate);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn verilog_eval_v1_joins_heads_and_bodies_and_is_spoofed_officially_alone() {
    check("v1");
}

#[test]
fn verilog_eval_v2_has_both_tasks_and_is_spoofed_officially_alone() {
    check("v2");
}

#[test]
fn rtllm_has_its_files_and_names_and_is_spoofed_officially_alone() {
    check("rtllm");
}

/// The spoofs that the rules of the field are known for: of each benchmark at least one passes officially and none
/// strictly.
#[test]
fn every_spoof_passes_officially_and_none_strictly() {
    if !has_icarus() {
        return;
    }
    for (benchmark, least) in [("v1", 4), ("v2", 8), ("rtllm", 4)] {
        let spoofs: Vec<Row> = rows(run(benchmark))
            .into_iter()
            .filter(|row| row.official.passed() && !row.strict.passed())
            .collect();
        assert!(spoofs.len() >= least, "{benchmark}: {} spoofs", spoofs.len());
        // What is believed strictly is right by our verdict as well, but for the module without a design.
        for row in rows(run(benchmark)).iter().filter(|row| row.strict.passed()) {
            let is_known = ["empty", "waits"].contains(&row.candidate.as_str());
            assert!(row.verdict.passed() || is_known, "{}", row.candidate);
        }
    }
}

#[test]
fn a_report_names_what_is_wrong_with_the_benchmark() {
    if !has_icarus() {
        return;
    }
    let v2 = report(run("v2"));
    let [bad] = &v2.cannot_be_passed[..] else { panic!("{:?}", v2.cannot_be_passed) };
    assert_eq!(bad.problem, "ve2-spec/Prob902_port");
    let evidence = bad.official.detail.as_deref().expect("evidence");
    assert!(evidence.contains("port") && evidence.contains('b'), "{evidence}");
    assert!(v2.cannot_be_failed.is_empty());
    assert_eq!(v2.sound.as_ref().expect("two sound problems").problems, 2);
    let rtllm = report(run("rtllm"));
    assert!(rtllm.cannot_be_passed.is_empty(), "{:?}", rtllm.cannot_be_passed);
    let [blind] = &rtllm.cannot_be_failed[..] else { panic!("{:?}", rtllm.cannot_be_failed) };
    assert_eq!(blind.problem, "rtllm-2.0/blind");
}

/// Scores by hand: each problem's passes over its candidates, and the mean of these.
#[test]
fn scores_are_those_of_the_rows() {
    if !has_icarus() {
        return;
    }
    for (benchmark, ..) in BENCHMARKS {
        let (rows, report) = (rows(run(benchmark)), report(run(benchmark)));
        let mut by_problem: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for row in &rows {
            let entry = by_problem.entry(&row.problem).or_default();
            entry.0 += f64::from(u8::from(row.strict.passed()));
            entry.1 += 1.0;
        }
        let mean = by_problem.values().map(|(passed, all)| passed / all).sum::<f64>()
            / by_problem.len() as f64;
        let found = report.scores.iter().find(|score| score.mark == "strict" && score.k == 1);
        let found = found.expect("a score").estimate;
        assert!((found.mean - mean).abs() < 1e-12, "{benchmark}: {found:?}, not {mean}");
        assert!(found.low <= found.mean && found.mean <= found.high);
        assert_eq!(report.candidates, rows.len());
        let official = report.scores.iter().find(|score| score.mark == "official").expect("it");
        match &report.with_one_more {
            Some(sums) => {
                assert_eq!(benchmark, "rtllm");
                let problems = by_problem.len() as f64;
                let expected = official.estimate.mean * problems / (problems + 1.0);
                assert!((sums[0].mean - expected).abs() < 1e-12);
            }
            None => assert_ne!(benchmark, "rtllm"),
        }
    }
}
