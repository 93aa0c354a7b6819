//! `salv extract --check`: the proof, chunk by chunk of the candidates.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use super::Arguments;
use super::tally::Tally;
use crate::candidate::{self, Candidate};
use crate::extract::run::{self, Run};
use crate::problem::Problem;
use crate::prove::{self, Claim, Spare, Subject, Text};
use crate::record;
use crate::verify::run::Parallelism;
use crate::verify::verdict::{Status, Verdict};

/// The share that must hold where nothing else is said.
const MIN_HOLDS: f64 = 0.99;

/// Candidates that are extracted before they are judged; it bounds the memory.
const CHUNK: usize = 512;

pub fn run(arguments: &Arguments, job: &Run) -> anyhow::Result<ExitCode> {
    arguments.proof.backend.expect_no_board()?;
    let judged = arguments.proof.verdicts.as_deref().map(judged).transpose()?;
    let mut tally = Tally::default();
    let mut seen: HashSet<(String, String)> = HashSet::new();
    let mut waiting: Vec<Candidate> = Vec::new();
    let mut rows = candidate::read(&arguments.candidates)?;
    loop {
        let row = rows.next().transpose()?;
        let is_last = row.is_none();
        waiting.extend(row.filter(|candidate| {
            let key = || (candidate.problem.clone(), candidate.id.clone());
            judged.as_ref().is_none_or(|judged| judged.contains(&key()))
        }));
        if waiting.len() == CHUNK || (is_last && !waiting.is_empty()) {
            let chunk = std::mem::take(&mut waiting);
            let subjects = subjects(job, chunk, &mut seen, &mut tally, arguments.proof.single)?;
            judge(arguments, job, &subjects, &mut tally)?;
            eprintln!("{} candidates, {} outputs", tally.candidates, tally.signals());
        }
        if is_last || job.stop.load(Ordering::Relaxed) {
            break;
        }
    }
    let (report, list) = (tally.render(), tally.list());
    if arguments.proof.list {
        print!("{list}");
        eprint!("{report}");
    } else {
        print!("{report}");
    }
    if job.stop.load(Ordering::Relaxed) {
        return Ok(ExitCode::from(130));
    }
    let wanted = arguments.proof.min_holds.unwrap_or(MIN_HOLDS);
    if tally.share() < wanted {
        eprintln!("failed: less than {:.2} % holds (--min-holds)", 100.0 * wanted);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The candidates of a file of verdicts that are judged, each with its problem.
fn judged(path: &Path) -> anyhow::Result<BTreeSet<(String, String)>> {
    let mut judged = BTreeSet::new();
    for row in record::read::<Verdict>(path)? {
        let verdict = row?.value;
        if verdict.status == Status::Judged {
            judged.insert((verdict.problem, verdict.candidate));
        }
    }
    Ok(judged)
}

/// Extracts a chunk of candidates; equal code of one problem is proved once.
fn subjects(
    job: &Run,
    chunk: Vec<Candidate>,
    seen: &mut HashSet<(String, String)>,
    tally: &mut Tally,
    single: bool,
) -> anyhow::Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    run::extract(job, chunk.into_iter().map(Ok), |extracted| {
        tally.candidates += 1;
        let id = extracted.candidate.id.clone();
        let problem: &Problem = &job.problems[extracted.problem];
        let Ok((code, answer)) = extracted.code else {
            tally.no_code += 1;
            return Ok(());
        };
        let cones = match answer {
            Ok(cones) => cones,
            Err(why) => {
                tally.whole(&problem.problem, &id, "-", &why);
                return Ok(());
            }
        };
        if cones.len() < 2 && !single {
            tally.single += 1;
            return Ok(());
        }
        tally.analysed += 1;
        let key = (problem.top.clone(), code.text.clone());
        if !seen.insert(key) {
            tally.repeated += 1;
            return Ok(());
        }
        for cone in &cones {
            match &cone.whole {
                Some(why) => tally.whole(&problem.problem, &id, &cone.name, why),
                None => {
                    tally.bytes.0 += cone.bytes.0 as f64 / cone.bytes.1.max(1) as f64;
                    tally.bytes.1 += 1;
                }
            }
        }
        subjects.push(Subject {
            id,
            problem: problem.problem.clone(),
            code: code.text,
            top: problem.top.clone(),
            inputs: problem.inputs.clone(),
            cones,
        });
        Ok(())
    })?;
    Ok(subjects)
}

fn judge(
    arguments: &Arguments,
    job: &Run,
    subjects: &[Subject],
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let mut spares: Vec<Spare> = Vec::new();
    let mut see = |claim: &Claim, verdict: &Verdict| {
        if tally.add(&subjects[claim.subject], claim, verdict)
            && let Text::ConeWithout(deletion) = claim.text
        {
            let Claim { subject, cone, .. } = *claim;
            spares.push(Spare::new(subject, cone, deletion));
        }
    };
    // What a statement that was taken out leaves unassigned is x in four states, and would be seen wherever it is read,
    // needed or not: only whole cones are for lanes.
    let is_whole = |claim: &Claim| matches!(claim.text, Text::Cone);
    let (whole, cut): (Vec<Claim>, Vec<Claim>) =
        prove::claims(subjects).into_iter().partition(is_whole);
    let lanes = arguments.proof.backend.lanes();
    judge_claims(arguments, job, subjects, (&whole, lanes), &mut see)?;
    judge_claims(arguments, job, subjects, (&cut, false), &mut see)?;
    for ask in [prove::questions, prove::probes] {
        let claims = ask(subjects, &spares);
        judge_claims(arguments, job, subjects, (&claims, false), |claim, verdict| {
            let output = &subjects[claim.subject].cones[claim.cone].name;
            if let Some(spare) = spares.iter_mut().find(|spare| spare.is_asked_by(claim)) {
                spare.learn(claim.text, verdict, output);
            }
        })?;
    }
    for spare in spares {
        tally.add_spare(&subjects[spare.subject], &spare);
    }
    Ok(())
}

fn judge_claims(
    arguments: &Arguments,
    job: &Run,
    subjects: &[Subject],
    (claims, lanes): (&[Claim], bool),
    mut sink: impl FnMut(&Claim, &Verdict),
) -> anyhow::Result<()> {
    if claims.is_empty() {
        return Ok(());
    }
    let (problems, candidates) = prove::candidates(subjects, claims);
    let (backend, workers) = arguments.proof.backend.open()?;
    let config = arguments.proof.stimulus.config();
    let verification = crate::verify::run::Run {
        problems: &problems,
        backend: &backend,
        lanes,
        workers: &workers,
        config: &config,
        parallelism: Parallelism { threads: job.threads, batch: 128 },
        stop: job.stop,
    };
    let mut claims = claims.iter();
    crate::verify::run::verify(&verification, candidates.into_iter().map(Ok), |verdict| {
        if let Some(claim) = claims.next() {
            sink(claim, &verdict);
        }
        Ok(())
    })?;
    Ok(())
}
