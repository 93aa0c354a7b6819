//! The same fixtures, judged by lanes: what is expected of a candidate is the same, but for the cases listed here, each with its
//! reason.

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use super::fixture::Case;
use super::real::benchmark;
use super::{Bench, FILES, Fixture, HOSTILE};
use salv::candidate;
use salv::problem::{self, Problem};
use salv::verify::verdict::Verdict;

/// Candidates that lanes judge otherwise: what they find, and why.
const OTHERWISE: [(&str, &str, &str); 4] = [
    ("names/plain/renamed_ports", "correct", "legal, and refused by Verilator alone"),
    (
        "status/gate/two_drivers",
        "y unknown, z correct",
        "drivers that differ give x (IEEE 1800-2017, table 28-1); Verilator takes one of them",
    ),
    (
        "hostile/victim/while_true_that_no_output_needs",
        "timeout",
        "no time passes in an endless loop, whatever it does; a compiler may leave out one without effect",
    ),
    ("hostile/target/pragma_protect", "correct", "legal, and refused by Verilator alone"),
];

#[test]
fn all_fixtures() {
    let mut fixtures: Vec<Fixture> = FILES.iter().map(|file| Fixture::load(file)).collect();
    let otherwise: HashMap<&str, &str> =
        OTHERWISE.iter().map(|&(id, expected, _)| (id, expected)).collect();
    for case in fixtures.iter_mut().flat_map(|fixture| &mut fixture.cases) {
        if let Some(expected) = otherwise.get(case.candidate.id.as_str()) {
            (*expected).clone_into(&mut case.expected);
        }
    }
    let text = Bench::new(&fixtures).verify("verdicts.jsonl", &["--backend", "lanes"]);
    let verdicts: BTreeMap<String, Verdict> = text
        .lines()
        .map(|line| serde_json::from_str::<Verdict>(line).expect("a verdict"))
        .map(|verdict| (verdict.candidate.clone(), verdict))
        .collect();
    let failed = |(fixture, case): (&Fixture, &Case)| {
        let problem = fixture.problems.iter().find(|p| p.problem == case.candidate.problem)?;
        let verdict = verdicts.get(&case.candidate.id).expect("a verdict for each candidate");
        case.judge(problem, verdict).err()
    };
    let failures: Vec<String> = fixtures
        .iter()
        .flat_map(|fixture| fixture.cases.iter().map(move |case| (fixture, case)))
        .filter_map(failed)
        .collect();
    assert!(failures.is_empty(), "{} cases:\n{}", failures.len(), failures.join("\n"));
    // Those that must not disturb others do not.
    let friendly: Vec<Fixture> = FILES
        .iter()
        .filter(|file| !HOSTILE.contains(file))
        .map(|file| Fixture::load(file))
        .collect();
    let alone = Bench::new(&friendly).verify("verdicts.jsonl", &["--backend", "lanes"]);
    let together: HashSet<&str> = text.lines().collect();
    let disturbed: Vec<&str> = alone.lines().filter(|line| !together.contains(line)).collect();
    assert!(disturbed.is_empty(), "only without the hostile ones beside it: {disturbed:#?}");
    let judged = verdicts.values().filter(|verdict| !verdict.signals.is_empty());
    let (lanes, others): (Vec<_>, Vec<_>) = judged.partition(|verdict| verdict.backend == "lanes");
    assert!(lanes.len() > 9 * others.len(), "{} by lanes, {} not", lanes.len(), others.len());
}

/// What lanes do not run is judged by verilator, and counted by the construct.
#[test]
fn what_is_handed_over_is_counted() {
    let text = |head: &str| {
        format!(
            "module top(input clk, e, d, output reg q); always @({head}) if (e) q <= d; endmodule"
        )
    };
    let golden = Problem {
        problem: "flop".into(),
        prompt: String::new(),
        golden: text("posedge clk"),
        golden_top: None,
        top: "top".into(),
        testbench: None,
        inputs: BTreeMap::default(),
        source: None,
        licence: None,
    };
    let candidates = [text("posedge clk iff e"), text("posedge clk"), text("negedge clk iff e")];
    let bench = Bench::new(&[]);
    bench.write("problems.jsonl", [&golden].into_iter());
    let rows = candidates.into_iter().enumerate().map(|(number, completion)| {
        let (problem, id) = ("flop".to_owned(), number.to_string());
        candidate::Candidate { problem, id, completion }
    });
    bench.write("candidates.jsonl", rows);
    let verdicts = bench.verify("verdicts.jsonl", &["--backend", "lanes"]);
    let backends: Vec<String> = verdicts
        .lines()
        .map(|line| serde_json::from_str::<Verdict>(line).expect("a verdict").backend)
        .collect();
    assert_eq!(backends, ["verilator", "lanes", "verilator"]);
    let timings: serde_json::Value =
        serde_json::from_str(&bench.read("verdicts.jsonl.timings.json")).expect("JSON");
    let expected = serde_json::json!({ "an event with a condition": 2 });
    assert_eq!(timings["handed_over_by_lanes"], expected);
}

/// Real candidates of which verilator says something else stand in `tests/agreement/lanes.tsv` with a reason. The data
/// lies beside the clone and is not part of it.
#[test]
fn what_lanes_say_otherwise_has_its_reason() {
    let Some(problems) = benchmark() else {
        eprintln!("skipped: no ../shared/data/problems.jsonl");
        return;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agreement/lanes.tsv");
    let table = std::fs::read_to_string(path).expect("the table");
    let lines: Vec<Vec<&str>> =
        table.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let known: BTreeSet<&str> = lines.iter().map(|line| line[1]).collect();
    let files = ["candidates.jsonl", "candidates_more.jsonl.gz"];
    let rows = files
        .iter()
        .flat_map(|file| candidate::read(&problems.with_file_name(file)).expect("the candidates"));
    let rows: Vec<_> =
        rows.map(|row| row.expect("a row")).filter(|row| known.contains(row.id.as_str())).collect();
    let bench = Bench::new(&[Fixture::default()]);
    bench.write("candidates.jsonl", rows.iter());
    let problems = problem::load(&problems).expect("problems");
    bench.write::<Problem>("problems.jsonl", problems.into_iter());
    let verdicts: BTreeMap<String, Verdict> = bench
        .verify("verdicts.jsonl", &["--backend", "lanes"])
        .lines()
        .map(|line| serde_json::from_str::<Verdict>(line).expect("a verdict"))
        .map(|verdict| (verdict.candidate.clone(), verdict))
        .collect();
    for line in lines {
        let [_, candidate, output, lanes, verilator, reason] = line[..] else {
            panic!("six columns: {line:?}")
        };
        assert!(lanes != verilator && reason.len() > 20, "{line:?}");
        let verdict = &verdicts[candidate];
        let signal = verdict.signals.iter().find(|signal| signal.name == output);
        let said = match signal {
            None => verdict.status.name().to_owned(),
            Some(signal) => {
                let kind = signal.kind.map_or(String::new(), |kind| format!(" by {kind:?}"));
                format!("{:?}{kind}", signal.verdict).to_lowercase()
            }
        };
        assert_eq!((said.as_str(), verdict.backend.as_str()), (lanes, "lanes"), "{line:?}");
    }
}
