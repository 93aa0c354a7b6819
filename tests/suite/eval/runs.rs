//! Whole runs: resumed ones have the bytes of others, problems without candidates are no score, golden modules are
//! candidates too, and what is wrong with the command line is said.

use std::fs;

use super::{BENCHMARKS, Bench, command, folder, has_icarus, report, rows, run, succeeded};

const ARTEFACTS: [&str; 9] = [
    "problems.jsonl",
    "candidates.jsonl",
    "verdicts.jsonl",
    "verdicts.jsonl.meta.json",
    "benches.jsonl",
    "scores.jsonl",
    "scores.jsonl.meta.json",
    "report.json",
    "report.html",
];

/// A run that ended at any of these points, as after `kill -9`, goes on to the same bytes.
#[test]
fn a_run_that_was_killed_goes_on_to_the_same_bytes() {
    if !has_icarus() {
        return;
    }
    let whole = run("v2");
    let bench = Bench::new(&[]);
    fs::write(bench.path("in.jsonl"), whole.read("in.jsonl")).expect("a file");
    let again = |more: &[&str]| {
        let arguments = ["--candidates", "in.jsonl", "--resume"];
        succeeded(command(&bench, "v2", &arguments).args(more));
        for file in ARTEFACTS {
            let file = format!("out/{file}");
            assert!(bench.read(&file) == whole.read(&file), "{file} differs");
        }
    };
    again(&["--threads", "1"]);
    let cut = |file: &str, share: f64| {
        let path = bench.path(&format!("out/{file}"));
        let bytes = fs::read(&path).expect("a file");
        fs::write(&path, &bytes[..(bytes.len() as f64 * share) as usize]).expect("a file");
    };
    for (file, share) in [("scores.jsonl", 0.37), ("scores.jsonl", 0.0), ("benches.jsonl", 0.5)] {
        cut(file, share);
        again(&["--threads", "3"]);
    }
    cut("verdicts.jsonl", 0.6);
    cut("scores.jsonl", 0.1);
    again(&[]);
    // Other candidates are another run.
    let fewer: String = whole.read("in.jsonl").lines().skip(1).map(|l| format!("{l}\n")).collect();
    fs::write(bench.path("in.jsonl"), fewer).expect("a file");
    let output = command(&bench, "v2", &["--candidates", "in.jsonl", "--resume"]).output();
    let output = output.expect("a command");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("candidates"), "{said}");
}

/// The golden module of each fixture passes all marks, but where the benchmark is at fault.
#[test]
fn golden_modules_are_candidates() {
    if !has_icarus() {
        return;
    }
    for (benchmark, ..) in BENCHMARKS {
        let bench = Bench::new(&[]);
        succeeded(&mut command(&bench, benchmark, &["--golden"]));
        for row in rows(&bench) {
            let at_fault = row.problem == "ve2-spec/Prob902_port";
            assert_eq!(row.official.passed(), !at_fault, "{row:?}");
            assert_eq!(row.strict.passed(), !at_fault, "{row:?}");
            assert!(row.verdict.passed(), "{row:?}");
        }
    }
}

#[test]
fn a_problem_without_a_candidate_is_no_score() {
    if !has_icarus() {
        return;
    }
    let bench = Bench::new(&[]);
    let text = run("rtllm").read("in.jsonl");
    let some: Vec<&str> = text.lines().filter(|line| line.contains("/gates")).collect();
    let other = r#"{"problem": "elsewhere", "completion": "module m; endmodule"}"#;
    fs::write(bench.path("in.jsonl"), format!("{other}\n{}\n", some.join("\n"))).expect("a file");
    let output = command(&bench, "rtllm", &["--candidates", "in.jsonl"]).output().expect("it");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("2 of 3 problems have no candidate") && said.contains("--partial"),
        "{said}"
    );
    succeeded(&mut command(&bench, "rtllm", &["--candidates", "in.jsonl", "--partial"]));
    let report = report(&bench);
    assert_eq!((report.problems, report.attempted, report.candidates), (3, 1, 2));
    assert_eq!(report.settings["rows_of_other_problems"], 1);
}

/// A problems.jsonl of several benchmarks is taken as well, and gives the same marks.
#[test]
fn imported_problems_are_scored_as_published_ones() {
    if !has_icarus() {
        return;
    }
    let bench = Bench::new(&[]);
    let mut all = String::new();
    for (source, path) in
        [("verilog-eval-v2", "v2"), ("verilog-eval-v1", "v1/data/VerilogEval_Human.jsonl")]
    {
        let path = folder().join(path);
        let path = path.to_str().expect("a path");
        succeeded(&mut bench.salv(&["corpus", source, path, "-o", "problems.jsonl"]));
        all += &bench.read("problems.jsonl");
    }
    fs::write(bench.path("all.jsonl"), all).expect("a file");
    fs::write(bench.path("in.jsonl"), run("v1").read("in.jsonl")).expect("a file");
    let arguments =
        ["eval", "verilog-eval-v1", "all.jsonl", "--candidates", "in.jsonl", "-o", "out"];
    succeeded(&mut bench.salv(&arguments));
    assert_eq!(bench.read("out/scores.jsonl"), run("v1").read("out/scores.jsonl"));
    let none = bench.salv(&["eval", "rtllm", "all.jsonl", "--golden"]).output().expect("it");
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(said.contains("holds no problem of rtllm"), "{said}");
}

#[test]
fn a_command_line_that_asks_for_nothing_is_refused() {
    let bench = Bench::new(&[]);
    let code = |arguments: &[&str]| {
        let output = command(&bench, "v2", arguments).output().expect("a command");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(code(&[]).0, Some(2));
    assert_eq!(code(&["--golden", "--candidates", "x"]).0, Some(2));
    let (status, said) = code(&["--golden", "--adapter", "x"]);
    assert!(status == Some(1) && said.contains("--model"), "{said}");
    let (status, said) = code(&["--golden", "--k", "0"]);
    assert!(status == Some(1) && said.contains("--k"), "{said}");
    let (status, said) = code(&["--golden", "--rtllm-off-by-one"]);
    assert!(status == Some(1) && said.contains("RTLLM"), "{said}");
}
