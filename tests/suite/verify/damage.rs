//! Damaged candidates, judged by lanes, which read and run hostile text in a process of our own: whatever is wrong with a
//! candidate, it ends as itself. A worker that dies, or that panics, is found here.
//!
//! `SALV_DAMAGE_ROUNDS=100000 SALV_DAMAGE_SEED=7` looks longer and elsewhere; `SALV_DAMAGE_KEEP=FILE` keeps the candidates.

use std::collections::BTreeMap;

use salv::candidate::Candidate;
use salv::verify::verdict::{Status, Verdict};

use super::super::damage::{Draw, damaged, setting};
use super::fixture::Case;
use super::{Bench, FILES, Fixture, HOSTILE};

/// Candidates of an ordinary run, some seconds.
const ROUNDS: u64 = 400;

/// What is damaged: golden modules and candidates, by problem, each problem with its own texts alone, so that ports are
/// found and a module is run.
fn texts(fixture: &Fixture) -> BTreeMap<String, Vec<String>> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for problem in &fixture.problems {
        texts.entry(problem.problem.clone()).or_default().push(problem.golden.clone());
    }
    for Case { candidate, .. } in &fixture.cases {
        // What is repeated a hundred thousand times is damaged enough.
        if candidate.completion.len() < 20_000 {
            let of_problem = texts.entry(candidate.problem.clone()).or_default();
            of_problem.push(candidate.completion.clone());
        }
    }
    texts
}

#[test]
fn a_damaged_candidate_ends_as_itself() {
    let seed = setting("SALV_DAMAGE_SEED").unwrap_or(0);
    let rounds = setting("SALV_DAMAGE_ROUNDS").unwrap_or(ROUNDS);
    let files = FILES.iter().filter(|file| !HOSTILE.contains(file));
    let mut whole = Fixture::default();
    for fixture in files.map(|file| Fixture::load(file)) {
        whole.problems.extend(fixture.problems);
        whole.cases.extend(fixture.cases);
    }
    let texts = texts(&whole);
    let names: Vec<&String> = texts.keys().collect();
    let damage = |round: u64| {
        let mut draw = Draw::new(seed, round);
        let problem = names[draw.below(names.len())];
        let completion = damaged(&texts[problem], &mut draw);
        let id = format!("seed {seed}, round {round}");
        let candidate = Candidate { problem: problem.clone(), id, completion };
        Case { candidate, expected: String::new(), place: String::new() }
    };
    whole.cases = (0..rounds).map(damage).collect();
    let bench = Bench::new(&[whole]);
    if let Some(file) = std::env::var_os("SALV_DAMAGE_KEEP") {
        std::fs::copy(bench.path("candidates.jsonl"), file).expect("the candidates are kept");
    }
    let text = bench.verify("verdicts.jsonl", &["--backend", "lanes"]);
    let verdicts: Vec<Verdict> =
        text.lines().map(|line| serde_json::from_str(line).expect("a verdict")).collect();
    assert_eq!(verdicts.len() as u64, rounds);
    let died: Vec<String> = verdicts
        .iter()
        .filter(|verdict| verdict.status == Status::Crash)
        .map(|verdict| format!("{}: {}: {:?}", verdict.candidate, verdict.problem, verdict.message))
        .collect();
    assert!(died.is_empty(), "{} died:\n{}", died.len(), died.join("\n"));
    let judged = verdicts.iter().filter(|verdict| !verdict.signals.is_empty()).count();
    assert!(judged as u64 > rounds / 10, "{judged} of {rounds} are judged: too few to say much");
}
