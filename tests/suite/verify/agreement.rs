//! The benchmarks' own test benches and Icarus as witnesses: each output of which a bench says something else
//! than we do stands in `tests/agreement/disagreements.tsv` with a reason, and Icarus, in four states and on
//! our inputs, shows what we say.
//!
//! The data lies beside the clone and is not part of it; without it, or without Icarus, a test says so and
//! passes. Of the rows that have a bench's counts those in the table are judged and every eighth of the
//! others, and all with `SALV_TEST_ALL=1`.

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use salv::problem::{self, Problem};
use serde::{Deserialize, Serialize};

use super::fixture::Fixture;
use super::real::benchmark;
use super::runs::{Bench, succeeded};

/// A candidate with a bench's counts.
#[derive(Serialize, Deserialize)]
struct Row {
    problem: String,
    id: Id,
    completion: String,
    testbench_mismatches: Option<BTreeMap<String, u64>>,
    testbench_samples: Option<u64>,
}

/// The data has numbers, and a candidate's name in the table is text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Id {
    Number(u64),
    Text(String),
}

impl std::fmt::Display for Id {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Id::Number(number) => number.fmt(out),
            Id::Text(text) => text.fmt(out),
        }
    }
}

/// The columns that a run gives, of each line of the table; the last column is the reason.
fn table() -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/agreement/disagreements.tsv");
    let text = std::fs::read_to_string(&path).expect("the table");
    let row = |line: &str| {
        let (columns, reason) = line.rsplit_once('\t').expect("a reason");
        assert!(reason.len() > 20, "no reason: {line}");
        columns.to_owned()
    };
    text.lines().skip(1).map(row).collect()
}

fn has_icarus() -> bool {
    let found = |name: &str| {
        std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|at| at.join(name).is_file()))
    };
    let found = found("iverilog") && found("vvp");
    if !found {
        eprintln!("skipped: Icarus Verilog is not on the PATH");
    }
    found
}

#[test]
fn every_disagreement_has_its_reason() {
    let Some(problems) = benchmark() else {
        eprintln!("skipped: no ../shared/data/problems.jsonl");
        return;
    };
    let table = table();
    let known: BTreeSet<&str> =
        table.iter().map(|line| line.split('\t').nth(1).expect("an id")).collect();
    let all = std::env::var_os("SALV_TEST_ALL").is_some();
    let text = std::fs::read_to_string(problems.with_file_name("candidates.jsonl"));
    let text = text.expect("the candidates");
    let mut counted = 0;
    let rows = text.lines().filter_map(|line| {
        let row: Row = serde_json::from_str(line).expect("a row");
        row.testbench_mismatches.as_ref()?;
        counted += 1;
        (all || counted % 8 == 0 || known.contains(row.id.to_string().as_str())).then_some(row)
    });
    let bench = Bench::new(&[Fixture::default()]);
    bench.write("candidates.jsonl", rows);
    bench.write::<Problem>(
        "problems.jsonl",
        problem::load(&problems).expect("problems").into_iter(),
    );
    bench.verify("verdicts.jsonl", &[]);
    let files = ["problems.jsonl", "candidates.jsonl", "verdicts.jsonl"];
    let replay = has_icarus();
    let mut command = bench.salv(&["bench", "agreement", "--list"]);
    command.args(files).args(replay.then_some("--replay"));
    let output = succeeded(&mut command);
    let listed = String::from_utf8_lossy(&output.stdout);
    // Without Icarus its column is not filled.
    let columns = if replay { 7 } else { 6 };
    let cut = |line: &str| line.split('\t').take(columns).collect::<Vec<_>>().join("\t");
    let found: BTreeSet<String> = listed.lines().map(cut).collect();
    let expected: BTreeSet<String> = table.iter().map(|line| cut(line)).collect();
    let missing: Vec<_> = found.difference(&expected).collect();
    let stale: Vec<_> = expected.difference(&found).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "without a reason: {missing:#?}\nstale: {stale:#?}"
    );
}

/// What we say of the fixtures' outputs, Icarus says on the same inputs.
#[test]
fn icarus_shows_what_we_say() {
    if !has_icarus() {
        return;
    }
    let bench = Bench::new(&[Fixture::load("registers")]);
    bench.verify("verdicts.jsonl", &[]);
    let files = ["problems.jsonl", "candidates.jsonl", "verdicts.jsonl"];
    let mut command = bench.salv(&["bench", "replay", "--rows", "24", "--episodes", "3"]);
    let output = succeeded(command.args(files));
    let (differences, counts) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Where the order of processes is open, each takes its own.
    let unexplained: Vec<_> = differences.lines().filter(|line| !line.contains("race")).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}\n{counts}");
    for part in ["correct: equal", "wrong by value: differs"] {
        assert!(counts.contains(part), "{counts}");
    }
}
