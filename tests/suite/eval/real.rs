//! The published benchmarks, where they are on this machine: their golden modules pass all marks, but for the problems
//! that `tests/agreement/benches.tsv` names, each with its reason; and that table names no other.

use std::collections::BTreeMap;
use std::path::Path;

use salv::eval::audit::Audit;

use super::{Bench, has_icarus, succeeded};

/// What the table says of a problem: `not passed` or `not failed`.
fn known() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agreement/benches.tsv");
    let text = std::fs::read_to_string(path).expect("the table");
    let rows = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    rows.map(|line| {
        let [problem, what, _icarus, evidence, reason] = line.split('\t').collect::<Vec<_>>()[..]
        else {
            panic!("five columns: {line}")
        };
        assert!(!evidence.is_empty() && reason.len() > 20, "a reason: {line}");
        (problem.to_owned(), what.to_owned())
    })
    .collect()
}

#[test]
fn flaws_of_published_benches_are_those_of_the_table() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !data.is_dir() {
        eprintln!("skipped: the published benchmarks are not at {}", data.display());
        return;
    }
    // 203 benches, each three times: minutes.
    if std::env::var_os("SALV_TEST_ALL").is_none() {
        eprintln!("skipped: SALV_TEST_ALL is not set");
        return;
    }
    if !has_icarus() {
        return;
    }
    let known = known();
    for (benchmark, path) in [("verilog-eval-v2", "verilog-eval-v2"), ("rtllm", "rtllm-v2.0")] {
        let bench = Bench::new(&[]);
        let path = data.join(path);
        let path = path.to_str().expect("a path");
        succeeded(&mut bench.salv(&["eval", benchmark, path, "--golden", "-o", "out"]));
        for line in bench.read("out/benches.jsonl").lines() {
            let audit: Audit = serde_json::from_str(line).expect("a trial");
            let what = known.get(&audit.problem).map(String::as_str);
            let expected = match (audit.can_pass(), audit.can_fail()) {
                (false, _) => Some("not passed"),
                (true, false) => Some("not failed"),
                (true, true) => None,
            };
            assert_eq!(what, expected, "{audit:?}");
        }
    }
}
