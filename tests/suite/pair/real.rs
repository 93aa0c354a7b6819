//! Real candidates, with the counts of the benchmarks' own test benches as verdicts: an oracle that is not ours.

#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use salv::candidate::Candidate;
use salv::extract::run::{Run, RunError, extract};
use salv::pair::plan::{Mode, Options};
use salv::pair::run::{PairError, Pairing, survey};
use salv::problem;
use salv::record;
use salv::verify::verdict::Verdict;
use serde::Deserialize;

use super::OPTIONS;
use super::runs::check_pairs;

#[derive(Deserialize)]
struct Row {
    problem: String,
    completion: String,
    testbench_mismatches: Option<BTreeMap<String, u64>>,
}

#[test]
fn real_candidates_make_sound_pairs() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !data.join("candidates.jsonl").is_file() {
        eprintln!("skipped: no ../shared/data/candidates.jsonl");
        return;
    }
    let problems = problem::load(&data.join("problems.jsonl")).expect("the problems");
    let rows = record::read::<Row>(&data.join("candidates.jsonl")).expect("the candidates");
    let (mut candidates, mut verdicts) = (Vec::new(), Vec::new());
    for row in rows.map(|row| row.expect("a row")) {
        let (id, row) = (row.number.to_string(), row.value);
        let Some(counts) = row.testbench_mismatches.filter(|counts| counts.len() > 1) else {
            continue;
        };
        let words = counts.iter().map(|(name, count)| {
            format!("{name}={}", if *count == 0 { "correct" } else { "wrong" })
        });
        verdicts.push(super::verdict(&row.problem, &id, &words.collect::<Vec<_>>().join(" ")));
        candidates.push(Candidate { problem: row.problem, id, completion: row.completion });
    }
    // Most of the time goes into the cones: a part of the problems will do.
    let names: Vec<&str> = problems.iter().map(|problem| problem.problem.as_str()).collect();
    let part: HashMap<&str, bool> =
        names.iter().enumerate().map(|(at, name)| (*name, at % 3 == 0)).collect();
    candidates.retain(|candidate| part[candidate.problem.as_str()]);
    verdicts.retain(|verdict| part[verdict.problem.as_str()]);
    assert!(candidates.len() > 100, "{} candidates", candidates.len());

    let stop = AtomicBool::new(false);
    let program = Path::new(env!("CARGO_BIN_EXE_salv"));
    let job = Run { problems: &problems, program, threads: 2, proof: None, stop: &stop };
    let mut spans = Vec::new();
    extract(&job, candidates.iter().cloned().map(Ok::<_, RunError>), |done| {
        spans.push(done.row());
        Ok(())
    })
    .expect("spans");
    let by_name: BTreeMap<(String, String), Verdict> = verdicts
        .iter()
        .map(|verdict| ((verdict.problem.clone(), verdict.candidate.clone()), verdict.clone()))
        .collect();
    let mut counts = Vec::new();
    for (mode, per_signal) in [(Mode::Signal, false), (Mode::Signal, true), (Mode::Module, false)] {
        let options = Options { mode, per_signal, max_pairs: 20, ..OPTIONS };
        let rows = candidates.iter().cloned().map(Ok::<_, PairError>);
        let survey = survey(&problems, rows).expect("a survey");
        let mut pairing = Pairing::new(&problems, &survey, &options);
        let mut pairs = Vec::new();
        for ((candidate, verdict), row) in candidates.iter().zip(&verdicts).zip(&spans) {
            pairs.extend(pairing.push(candidate.clone(), verdict, row).expect("pairs"));
        }
        check_pairs(&pairs, &by_name);
        let (report, contradictions) = pairing.finish();
        assert_eq!(contradictions, [], "equal code that the benches judge unequally");
        for counts in report.modes.values() {
            let dropped = counts.empty_masks + counts.near_duplicates + counts.over_cap;
            assert_eq!(counts.found - dropped, counts.pairs);
        }
        assert_eq!(report.pairs_written, pairs.len());
        counts.push((pairs.len(), report.candidates.wrong_chosen));
    }
    assert!(counts[0].0 > 100, "{counts:?}");
    assert!(counts[0].1 > 20, "candidates wrong as a whole are chosen: {counts:?}");
}
