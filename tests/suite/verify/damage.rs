//! Damaged candidates, judged by lanes as a worker does, but in this process: `salv verify` hands over to verilator what a worker
//! dies of or panics over, and nobody would see it. Whatever is wrong with a candidate, lanes have an answer.
//!
//! `SALV_DAMAGE_ROUNDS=100000 SALV_DAMAGE_SEED=7` looks longer and elsewhere; with `SALV_DAMAGE_KEEP=FILE` each text is
//! written there before it is read, which names the one on which the process itself ended.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use salv::problem::Problem;
use salv::verify::lanes::job::{Job, Lanes, Verdict};
use salv::verify::stimulus::Config;
use salv::verilog::syntax::STACK_BYTES;

use super::super::damage::{Draw, damaged, setting};
use super::fixture::Case;
use super::{FILES, Fixture, HOSTILE};

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

fn job(problem: &Problem, candidate: String) -> Job {
    Job {
        golden: problem.golden.clone(),
        golden_top: problem.golden_top.clone(),
        restrictions: problem.inputs.clone(),
        key: problem.problem.clone(),
        config: Config::default(),
        candidate,
        top: problem.top.clone(),
    }
}

#[test]
fn lanes_have_an_answer_to_every_damaged_candidate() {
    let seed = setting("SALV_DAMAGE_SEED").unwrap_or(0);
    let rounds = setting("SALV_DAMAGE_ROUNDS").unwrap_or(ROUNDS);
    let keep = std::env::var_os("SALV_DAMAGE_KEEP");
    let files = FILES.iter().filter(|file| !HOSTILE.contains(file));
    let fixtures: Vec<Fixture> = files.map(|file| Fixture::load(file)).collect();
    let texts: BTreeMap<String, Vec<String>> = fixtures.iter().flat_map(texts).collect();
    let cases = || fixtures.iter().flat_map(|fixture| &fixture.cases);
    // Lanes are not asked about these.
    let is_bad = |problem: &&Problem| {
        let mut of_problem = cases().filter(|case| case.candidate.problem == problem.problem);
        of_problem.any(|case| case.expected.starts_with("bad_problem"))
    };
    let problems = fixtures.iter().flat_map(|fixture| &fixture.problems);
    let problems: Vec<&Problem> = problems.filter(|problem| !is_bad(problem)).collect();
    let run = || {
        let mut lanes = Lanes::default();
        let mut judged = 0;
        for round in 0..rounds {
            let mut draw = Draw::new(seed, round);
            let problem = problems[draw.below(problems.len())];
            let text = damaged(&texts[&problem.problem], &mut draw);
            if let Some(file) = &keep {
                std::fs::write(file, &text).expect("a file");
            }
            let job = job(problem, text);
            match catch_unwind(AssertUnwindSafe(|| lanes.answer(&job))) {
                Ok(answer) => judged += u64::from(matches!(answer, Verdict::Judged { .. })),
                Err(_) => panic!("seed {seed}, round {round}, {}:\n{}", job.key, job.candidate),
            }
        }
        assert!(judged > rounds / 10, "{judged} of {rounds} are judged: too few to say much");
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, run).expect("a thread").join().expect("no panic");
    });
}
