//! Candidates in, the spans of each output out, in the order of the candidates.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::channel::{Sender, bounded};
use serde::{Deserialize, Serialize};

use super::worker::{Answer, Extractor, Proof, SignalCone};
use crate::candidate::{Candidate, Code, extract_code};
use crate::problem::Problem;
use crate::worker::{WorkerError, Workers};

/// One line of `spans.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The problem's identifier.
    pub problem: String,
    /// The candidate's identifier.
    pub candidate: String,
    /// How far extraction came.
    pub status: Status,
    /// Why it came no farther.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where the code stands in the completion.
    pub code: Vec<Span>,
    /// The outputs of the candidate's module, in its order of ports.
    pub signals: Vec<SignalSpans>,
}

/// A half-open byte range of the completion: `[start, end]` in the file.
pub type Span = (usize, usize);

/// How far extraction came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// `signals` has the spans.
    Extracted,
    /// The text as a whole cannot be followed: `code` stands for every output.
    WholeModule,
    /// The completion holds no Verilog.
    NoCode,
}

/// The spans of one output: half-open byte ranges of the completion, sorted and disjoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalSpans {
    /// The output.
    pub name: String,
    /// The bytes of its cone.
    pub spans: Vec<Span>,
    /// Why the spans are those of the whole module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_module: Option<String>,
}

/// A candidate with its code and its cones.
pub struct Extracted {
    /// What the model wrote.
    pub candidate: Candidate,
    /// Index of the problem.
    pub problem: usize,
    /// The Verilog in it, and what came of it; or why there is none.
    pub code: Result<(Code, Answer), String>,
}

/// What stops a run; never a candidate's fault.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A candidate names no known problem.
    #[error(
        "candidate {candidate}: no problem is called `{problem}` (are these the problems that the candidates were made for?)"
    )]
    UnknownProblem {
        /// The candidate's identifier.
        candidate: String,
        /// The name that is not known.
        problem: String,
    },
    /// A worker failed.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The rows could not be read, or the results not be written.
    #[error(transparent)]
    Stream(Box<dyn std::error::Error + Send + Sync>),
}

/// How a run is done.
pub struct Run<'a> {
    /// The problems that candidates may name.
    pub problems: &'a [Problem],
    /// Starts the workers that parse.
    pub workers: &'a Workers,
    /// Threads, each with a worker process.
    pub threads: usize,
    /// Also make the texts of a proof.
    pub proof: Option<Proof>,
    /// Becomes true when the run is to end early.
    pub stop: &'a AtomicBool,
}

/// Extracts the cones of `candidates` and gives them to `sink`, in their order.
pub fn extract(
    run: &Run,
    candidates: impl Iterator<Item = Result<Candidate, RunError>> + Send,
    mut sink: impl FnMut(Extracted) -> Result<(), RunError>,
) -> Result<(), RunError> {
    let by_name: HashMap<&str, usize> =
        run.problems.iter().enumerate().map(|(at, p)| (p.problem.as_str(), at)).collect();
    let (row_in, row_out) = bounded::<(usize, usize, Candidate)>(run.threads * 4);
    let (done_in, done_out) = bounded(run.threads * 4);
    let halted = AtomicBool::new(false);
    let (by_name, halted) = (&by_name, &halted);
    let done = crossbeam::thread::scope(|scope| {
        let errors = done_in.clone();
        scope.spawn(move |_| {
            let until = || run.stop.load(Ordering::Relaxed) || halted.load(Ordering::Relaxed);
            if let Err(error) = read(by_name, candidates, &row_in, until) {
                // A closed channel means that the run has ended already.
                let _ = errors.send(Err(error));
            }
        });
        for _ in 0..run.threads {
            let (rows, done) = (row_out.clone(), done_in.clone());
            scope.spawn(move |_| {
                let mut extractor = Extractor::new(run.workers);
                for (index, problem, candidate) in rows {
                    let extracted = extract_one(run, &mut extractor, problem, candidate);
                    let failed = extracted.is_err();
                    if done.send(extracted.map(|row| (index, row))).is_err() || failed {
                        return;
                    }
                }
            });
        }
        drop((row_out, done_in));
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        let mut outcome = Ok(());
        for row in &done_out {
            outcome = row.map(|(index, row)| drop(waiting.insert(index, row)));
            while let (Ok(()), Some(row)) = (&outcome, waiting.remove(&next)) {
                outcome = sink(row);
                next += 1;
            }
            if outcome.is_err() {
                break;
            }
        }
        halted.store(true, Ordering::Relaxed);
        drop(done_out);
        outcome
    });
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Sends candidates with their index and that of their problem.
fn read(
    by_name: &HashMap<&str, usize>,
    candidates: impl Iterator<Item = Result<Candidate, RunError>>,
    rows: &Sender<(usize, usize, Candidate)>,
    until: impl Fn() -> bool,
) -> Result<(), RunError> {
    for (index, candidate) in candidates.enumerate() {
        if until() {
            break;
        }
        let candidate = candidate?;
        let problem = by_name.get(candidate.problem.as_str()).copied();
        let problem = problem.ok_or_else(|| RunError::UnknownProblem {
            candidate: candidate.id.clone(),
            problem: candidate.problem.clone(),
        })?;
        if rows.send((index, problem, candidate)).is_err() {
            break;
        }
    }
    Ok(())
}

fn extract_one(
    run: &Run,
    extractor: &mut Extractor,
    index: usize,
    candidate: Candidate,
) -> Result<Extracted, RunError> {
    let problem = &run.problems[index];
    let code = match extract_code(&candidate.completion, &problem.prompt, &problem.top) {
        Err(why) => Err(why.to_string()),
        Ok(code) => {
            let answer = extractor.ask(&code.text, &problem.top, run.proof)?;
            Ok((code, answer))
        }
    };
    Ok(Extracted { candidate, problem: index, code })
}

impl Extracted {
    /// The row that is saved.
    pub fn row(&self) -> Row {
        let mut row = Row {
            problem: self.candidate.problem.clone(),
            candidate: self.candidate.id.clone(),
            status: Status::NoCode,
            message: None,
            code: Vec::new(),
            signals: Vec::new(),
        };
        match &self.code {
            Err(why) => row.message = Some(why.clone()),
            Ok((code, answer)) => {
                row.code = in_completion(code, std::slice::from_ref(&(0..code.text.len())));
                match answer {
                    Err(why) => {
                        (row.status, row.message) = (Status::WholeModule, Some(why.clone()));
                    }
                    Ok(signals) => {
                        row.status = Status::Extracted;
                        row.signals = signals.iter().map(|signal| spans(code, signal)).collect();
                    }
                }
            }
        }
        row
    }
}

fn spans(code: &Code, signal: &SignalCone) -> SignalSpans {
    SignalSpans {
        name: signal.name.clone(),
        spans: in_completion(code, &signal.spans),
        whole_module: signal.whole.clone(),
    }
}

/// Spans of the code as spans of the completion; what was added to the completion has none.
fn in_completion(code: &Code, spans: &[Range<usize>]) -> Vec<Span> {
    let mut all: Vec<Range<usize>> =
        spans.iter().flat_map(|span| code.spans_in_completion(span.clone())).collect();
    // Helpers are taken from before and after the answer: the order of the code is not the completion's.
    all.sort_by_key(|span| (span.start, span.end));
    let mut joined: Vec<Span> = Vec::new();
    for Range { start, end } in all {
        match joined.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            _ => joined.push((start, end)),
        }
    }
    joined
}
