//! The published benchmarks, where they are on this machine. What is wrong with their benches, and on which candidates
//! of the public sample the marks differ, is what the tables in `tests/agreement` say, each row with its reason, and
//! nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use salv::eval::Row;
use salv::eval::audit::Audit;
use salv::verify::verdict::Status;

use super::{Bench, has_icarus, rows, succeeded};

/// The public data; `None` with a message where they are not, or where nobody asked for minutes of simulation.
fn data() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !data.is_dir() {
        eprintln!("skipped: the published benchmarks are not at {}", data.display());
        return None;
    }
    if std::env::var_os("SALV_TEST_ALL").is_none() {
        eprintln!("skipped: SALV_TEST_ALL is not set");
        return None;
    }
    has_icarus().then_some(data)
}

/// The rows of a table, each with a reason in the last column.
fn table<const COLUMNS: usize>(name: &str) -> Vec<[String; COLUMNS]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agreement").join(name);
    let text = std::fs::read_to_string(path).expect("the table");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let row = |line: &str| {
        let columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
        assert!(columns.last().is_some_and(|reason| reason.len() > 20), "a reason: {line}");
        columns.try_into().unwrap_or_else(|_| panic!("{COLUMNS} columns: {line}"))
    };
    lines.map(row).collect()
}

/// The benchmarks: name, path in the data, and with what the names of its problems begin.
const BENCHMARKS: [(&str, &str, &str); 3] = [
    ("verilog-eval-v1", "problems.jsonl", "ve1-"),
    ("verilog-eval-v2", "verilog-eval-v2", "ve2-"),
    ("rtllm", "rtllm-v2.0", "rtllm-2.0"),
];

/// A run on a published benchmark.
fn run(data: &Path, (name, path, _): (&str, &str, &str), arguments: &[&str]) -> Bench {
    let bench = Bench::new(&[]);
    let path = data.join(path);
    let path = path.to_str().expect("a path");
    succeeded(bench.salv(&["eval", name, path, "-o", "out"]).args(arguments));
    bench
}

#[test]
fn tables_can_be_read() {
    assert!(!table::<5>("benches.tsv").is_empty());
    assert!(!table::<6>("marks.tsv").is_empty());
}

#[test]
fn flaws_of_published_benches_are_those_of_the_table() {
    let Some(data) = data() else { return };
    let mut known: BTreeMap<String, String> =
        table::<5>("benches.tsv").into_iter().map(|[problem, what, ..]| (problem, what)).collect();
    for benchmark in BENCHMARKS {
        let bench = run(&data, benchmark, &["--golden"]);
        for line in bench.read("out/benches.jsonl").lines() {
            let audit: Audit = serde_json::from_str(line).expect("a trial");
            let expected = match (audit.can_pass(), audit.can_fail(), audit.hardly_looks()) {
                (false, ..) => Some("not passed"),
                (true, false, _) => Some("not failed"),
                (true, true, true) => Some("hardly looked at"),
                (true, true, false) => None,
            };
            assert_eq!(known.remove(&audit.problem).as_deref(), expected, "{audit:?}");
        }
        // The golden modules themselves: every mark but for these problems.
        for row in rows(&bench) {
            assert!(row.verdict.passed(), "{row:?}");
            assert_eq!(row.official.passed(), row.strict.passed(), "{row:?}");
        }
    }
    assert!(known.is_empty(), "not found: {known:?}");
}

/// The word for our verdict in the table.
fn word(row: &Row) -> &'static str {
    match row.verdict.status {
        Status::Judged if row.verdict.passed() => "correct",
        Status::Judged => "wrong",
        other => other.name(),
    }
}

#[test]
fn marks_differ_where_the_table_says_so() {
    let Some(data) = data() else { return };
    let candidates = data.join("candidates.jsonl");
    let candidates = candidates.to_str().expect("a path");
    let known = table::<6>("marks.tsv");
    for benchmark in BENCHMARKS {
        let bench = run(&data, benchmark, &["--candidates", candidates, "--partial"]);
        let mut found: BTreeMap<[String; 4], usize> = BTreeMap::new();
        for row in rows(&bench) {
            let passed = [row.official.passed(), row.strict.passed(), row.verdict.passed()];
            if passed != [passed[0]; 3] {
                let [official, strict] = [&row.official, &row.strict].map(|m| m.outcome.name());
                let key = [row.problem.as_str(), official, strict, word(&row)].map(str::to_owned);
                *found.entry(key).or_default() += 1;
            }
        }
        let of_it = known.iter().filter(|[problem, ..]| problem.starts_with(benchmark.2));
        let expected: BTreeMap<[String; 4], usize> = of_it
            .map(|[problem, count, official, strict, verdict, _]| {
                let key = [problem, official, strict, verdict].map(String::clone);
                (key, count.parse().expect("a number"))
            })
            .collect();
        assert_eq!(found, expected, "{}", benchmark.0);
    }
}
