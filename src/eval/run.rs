//! Candidates to rows: in the order of the input, at any number of threads, continued where it was stopped.
//!
//! A [`Scorer`] gives one text its marks. [`audits`] tries the benches, [`score`] goes through the candidates. Equal
//! texts of a problem are scored once. Rows that are ready before their turn wait and are shown to the sink.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

use super::audit::{Audit, audit};
use super::simulate::{SimulateError, Simulator};
use super::{Benchmark, Entry, Judged, Mark, Outcome, Row, bench, mark, rules};
use crate::candidate::{Candidate, extract_code};
use crate::record::RecordError;
use crate::verify::elaborator::Elaborator;
use crate::verify::verdict::Verdict;
use crate::worker::{WorkerError, Workers};

/// What stops an evaluation; never a candidate's fault.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// Icarus could not be run.
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    /// A worker failed.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A row could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What gives marks.
#[derive(Clone, Copy, Debug)]
pub struct Scorer<'a> {
    /// Whose rules.
    pub benchmark: Benchmark,
    /// What compiles and runs.
    pub simulator: &'a Simulator,
    /// Who reads texts.
    pub workers: &'a Workers,
    /// Threads.
    pub threads: usize,
    /// Becomes true when the run is to end early.
    pub stop: &'a AtomicBool,
}

impl Scorer<'_> {
    /// The benchmark's own mark of a module.
    pub fn official(&self, entry: &Entry, code: &str) -> Result<Mark, EvalError> {
        let build = bench::official(self.benchmark, entry, code);
        Ok(rules::official(self.benchmark, &self.simulator.run(&build)?))
    }

    /// The strict mark of a module that passes officially, and the samples that the bench counts. `expected` is their
    /// number for the golden module.
    pub fn strict(
        &self,
        entry: &Entry,
        code: &str,
        expected: Option<u64>,
        elaborator: &mut Elaborator,
    ) -> Result<(Mark, Option<u64>), EvalError> {
        if let Err(why) = elaborator.confined(code, &entry.problem.top)? {
            return Ok((Mark::new(Outcome::Refused, why), None));
        }
        let (build, secret) = bench::strict(self.benchmark, entry, code);
        let ran = self.simulator.run(&build)?;
        if !ran.compiled {
            return Ok((Mark::new(Outcome::CompileError, ran.compiler_said), None));
        }
        if let Some(limit) = &ran.over_limit {
            return Ok((Mark::new(Outcome::Limit, limit), None));
        }
        let prints = mark::prints(&ran.stdout, &secret);
        Ok(match self.benchmark {
            Benchmark::Rtllm => (pass_of(&prints), None),
            Benchmark::VerilogEvalV1 | Benchmark::VerilogEvalV2 => counts_of(&prints, expected),
        })
    }

    fn marks(
        &self,
        entry: &Entry,
        audit: &Audit,
        candidate: &Candidate,
        elaborator: &mut Elaborator,
    ) -> Result<(Mark, Mark), EvalError> {
        let not_official = || Mark::new(Outcome::NotOfficial, "");
        let problem = &entry.problem;
        let code = match extract_code(&candidate.completion, &problem.prompt, &problem.top) {
            Ok(code) => code.text,
            Err(why) => return Ok((Mark::new(Outcome::NoCode, why.to_string()), not_official())),
        };
        let official = self.official(entry, &code)?;
        if !official.passed() {
            return Ok((official, not_official()));
        }
        let (strict, _) = self.strict(entry, &code, audit.samples, elaborator)?;
        Ok((official, strict))
    }
}

/// VerilogEval: what the bench counted.
fn counts_of(prints: &[String], expected: Option<u64>) -> (Mark, Option<u64>) {
    if let Some(print) = prints.iter().find(|print| print.contains("TIMEOUT")) {
        return (Mark::new(Outcome::Timeout, print), None);
    }
    let counts: Vec<(u64, u64)> =
        prints.iter().filter_map(|print| rules::mismatches(print)).collect();
    let [(wrong, samples)] = counts[..] else {
        let said = format!("the bench printed {} results and not one", counts.len());
        return (Mark::new(Outcome::Spoofed, said), None);
    };
    let said = format!("{wrong} of {samples} samples differ");
    let outcome = match expected {
        _ if wrong > 0 => Outcome::Mismatch,
        Some(expected) if samples != expected => {
            let said = format!("{samples} samples, {expected} for the golden module");
            return (Mark::new(Outcome::Samples, said), Some(samples));
        }
        _ if samples == 0 => Outcome::Samples,
        _ => Outcome::Passed,
    };
    (Mark::new(outcome, said), Some(samples))
}

/// RTLLM: whether the bench said that it passes.
fn pass_of(prints: &[String]) -> Mark {
    match prints.iter().find(|print| rules::says_pass(print)) {
        Some(print) => Mark::new(Outcome::Passed, print),
        None => Mark::new(Outcome::Spoofed, "the bench did not say that it passes"),
    }
}

/// Tries the benches of all entries, in their order.
pub fn audits(scorer: &Scorer, entries: &[Entry]) -> Result<Vec<Audit>, EvalError> {
    let mut audits = BTreeMap::new();
    let work = |at: usize, elaborator: &mut Elaborator| audit(scorer, &entries[at], elaborator);
    in_parallel(scorer, (0..entries.len()).collect(), work, |at, audit| {
        audits.insert(at, audit);
        Ok(())
    })?;
    Ok(audits.into_values().collect())
}

/// Where rows go.
pub trait Sink {
    /// The next row in the order of the input.
    fn write(&mut self, row: Row) -> Result<(), EvalError>;

    /// A row that is ready before its turn.
    fn keep(&mut self, at: usize, row: &Row) -> Result<(), EvalError>;
}

/// A problem and a completion.
type Text<'a> = (&'a str, &'a str);

/// Scores the candidates from `done` on, each with our verdict on it; `known` are rows of a run that was stopped.
pub fn score(
    scorer: &Scorer,
    entries: &[(Entry, Audit)],
    candidates: &[(Candidate, Verdict)],
    done: usize,
    mut known: BTreeMap<usize, Row>,
    sink: &mut impl Sink,
) -> Result<(), EvalError> {
    let by_name: HashMap<&str, &(Entry, Audit)> =
        entries.iter().map(|entry| (entry.0.problem.problem.as_str(), entry)).collect();
    let texts: Mutex<HashMap<Text, (Mark, Mark)>> = Mutex::default();
    let work = |at: usize, elaborator: &mut Elaborator| {
        let (candidate, verdict) = &candidates[at];
        let (entry, audit) = by_name[candidate.problem.as_str()];
        let key = (candidate.problem.as_str(), candidate.completion.as_str());
        let found = texts.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let (official, strict) = match found {
            Some(marks) => marks,
            None => {
                let marks = scorer.marks(entry, audit, candidate, elaborator)?;
                texts.lock().unwrap_or_else(PoisonError::into_inner).insert(key, marks.clone());
                marks
            }
        };
        let (problem, candidate) = (candidate.problem.clone(), candidate.id.clone());
        Ok(Row { problem, candidate, official, strict, verdict: Judged::of(verdict) })
    };
    let mut next = done;
    let rest = (done..candidates.len()).filter(|at| !known.contains_key(at)).collect();
    let mut hand_on = |known: &mut BTreeMap<usize, Row>| {
        while let Some(row) = known.remove(&next) {
            sink.write(row)?;
            next += 1;
        }
        for (at, row) in known {
            sink.keep(*at, row)?;
        }
        Ok(())
    };
    hand_on(&mut known)?;
    in_parallel(scorer, rest, work, |at, row| {
        known.insert(at, row);
        hand_on(&mut known)
    })
}

/// Does `work` on each item, each thread taking the next; `take` is given the results as they come.
fn in_parallel<R: Send>(
    scorer: &Scorer,
    items: Vec<usize>,
    work: impl Fn(usize, &mut Elaborator) -> Result<R, EvalError> + Sync,
    mut take: impl FnMut(usize, R) -> Result<(), EvalError>,
) -> Result<(), EvalError> {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..scorer.threads {
            let (sender, next, items, work) = (sender.clone(), &next, &items, &work);
            scope.spawn(move || {
                let mut elaborator = Elaborator::new(scorer.workers, None);
                while !scorer.stop.load(Ordering::Relaxed) {
                    let Some(&item) = items.get(next.fetch_add(1, Ordering::Relaxed)) else {
                        return;
                    };
                    // The receiver is gone after an error: then there is nothing more to do.
                    if sender.send((item, work(item, &mut elaborator))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let results = results;
        for (item, result) in results {
            take(item, result?)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prints: &[&str], expected: Option<u64>, outcome: Outcome) {
        let prints: Vec<String> = prints.iter().map(|print| (*print).to_owned()).collect();
        assert_eq!(counts_of(&prints, expected).0.outcome, outcome);
    }

    #[test]
    fn one_result_of_as_many_samples_passes() {
        let (clean, short) = ("Mismatches: 0 in 20 samples", "Mismatches: 0 in 1 samples");
        check(&["Hint", clean], Some(20), Outcome::Passed);
        check(&["Hint", clean], None, Outcome::Passed);
        check(&[short], Some(20), Outcome::Samples);
        check(&[short, clean], Some(20), Outcome::Spoofed);
        check(&[], Some(20), Outcome::Spoofed);
        check(&["TIMEOUT", clean], Some(20), Outcome::Timeout);
        check(&["Mismatches: 2 in 20 samples"], Some(20), Outcome::Mismatch);
        check(&["Mismatches: 0 in 0 samples"], None, Outcome::Samples);
    }
}
