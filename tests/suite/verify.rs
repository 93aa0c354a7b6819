//! Verification, from outside: fixtures of golden modules and candidates go through the binary, and every
//! verdict is looked at. A verifier that passes everything looks just like a good model, so most candidates
//! here are wrong in one way, and each says in which outputs.
//!
//! All fixtures share one run (some seconds), made by whichever test comes first; a test then looks at the
//! verdicts of one file. To add a case, add it to a file in `tests/fixtures/verify` (the form is described in
//! [`fixture`]).

mod agreement;
mod by_lanes;
mod damage;
mod determinism;
mod examples;
mod failures;
mod fixture;
pub mod real;
mod repeats;
mod reports;
mod runs;
mod sandbox;
mod shards;

use std::collections::HashMap;
use std::sync::OnceLock;

use salv::verify::verdict::Verdict;

pub use fixture::Fixture;
use fixture::fixture_folder;
pub use runs::{Bench, succeeded};

/// The fixtures, in the order in which their candidates stand in the shared run.
const FILES: [&str; 9] = [
    "combinational",
    "registers",
    "latches",
    "machines",
    "names",
    "unknown",
    "status",
    "hostile",
    "printing",
];

/// What is expected of the fixtures is what verilator finds; [`by_lanes`] lists where lanes differ.
const VERILATOR: [&str; 2] = ["--backend", "verilator"];

/// The fixtures whose candidates must not disturb the others.
const HOSTILE: [&str; 1] = ["hostile"];

#[test]
fn every_fixture_is_in_the_shared_run() {
    let entries = std::fs::read_dir(fixture_folder()).expect("the fixtures");
    let mut there: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .path()
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    there.sort();
    let mut known = FILES.map(str::to_owned).to_vec();
    known.sort();
    assert_eq!(there, known);
}

#[test]
fn combinational_modules() {
    check("combinational");
}

#[test]
fn registers_and_their_resets() {
    check("registers");
}

#[test]
fn latches_gated_clocks_and_several_clocks() {
    check("latches");
}

#[test]
fn machines_memories_and_deep_counters() {
    check("machines");
}

#[test]
fn names_that_a_wrapper_could_trip_over() {
    check("names");
}

#[test]
fn unknown_and_high_impedance_values() {
    check("unknown");
}

#[test]
fn statuses() {
    check("status");
}

#[test]
fn hostile_candidates() {
    check("hostile");
}

#[test]
fn printing_changes_nothing() {
    check("printing");
}

#[test]
fn neighbours_of_hostile_candidates_are_unharmed() {
    let friendly: Vec<Fixture> = FILES
        .iter()
        .filter(|file| !HOSTILE.contains(file))
        .map(|file| Fixture::load(file))
        .collect();
    let alone = Bench::new(&friendly).verify("verdicts.jsonl", &VERILATOR);
    let (_, together) = shared();
    for line in alone.lines() {
        assert!(
            together.lines().any(|other| other == line),
            "only without the hostile ones beside it: {line}"
        );
    }
}

/// Looks at the verdicts of one file and reports all that are not as expected.
fn check(file: &str) {
    let fixture = Fixture::load(file);
    let (verdicts, _) = shared();
    let failures: Vec<String> = fixture
        .cases
        .iter()
        .filter_map(|case| {
            let problem = fixture.problems.iter().find(|p| p.problem == case.candidate.problem)?;
            let verdict = verdicts.get(&case.candidate.id).expect("a verdict for each candidate");
            case.judge(problem, verdict).err()
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases:\n{}",
        failures.len(),
        fixture.cases.len(),
        failures.join("\n")
    );
}

/// The verdicts of all fixtures by candidate, and their bytes.
fn shared() -> &'static (HashMap<String, Verdict>, String) {
    static SHARED: OnceLock<(HashMap<String, Verdict>, String)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let fixtures: Vec<Fixture> = FILES.iter().map(|file| Fixture::load(file)).collect();
        let text = Bench::new(&fixtures).verify("verdicts.jsonl", &VERILATOR);
        let rows =
            text.lines().map(|line| serde_json::from_str::<Verdict>(line).expect("a verdict"));
        (rows.map(|verdict| (verdict.candidate.clone(), verdict)).collect(), text)
    })
}
