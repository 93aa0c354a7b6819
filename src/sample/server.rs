//! Candidates from a server: each sample is a request of its own, many at a time, written in the order of problems.
//!
//! One request asks for one completion, with a seed that follows from the run's seed, the problem and the sample, so
//! that a run that is continued asks as one that was not. Whether the server answers the same then is the server's
//! matter: vLLM and llama.cpp take the seed, and the company of other requests may still round differently. Servers
//! that keep prompts read each prompt once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use serde::Serialize;
use serde_json::{Value, json};

use super::client::{Client, Completion, ServerError};
use super::{Finish, Row};
use crate::problem::Problem;
use crate::record::RecordError;

/// What decides a completion, beside the model and the problem.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// Completions of each problem.
    pub samples: usize,
    /// By what logits are divided.
    pub temperature: f64,
    /// Drawn from are the likeliest tokens that have this share of the probability together.
    pub top_p: f64,
    /// The most tokens of a completion.
    pub max_tokens: usize,
    /// Texts that end a completion and are no part of it.
    pub stop: Vec<String>,
    /// Seed of all requests' seeds.
    pub seed: u64,
}

/// What a run needs.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The server.
    pub client: &'a Client,
    /// The model, as the server calls it.
    pub model: &'a str,
    /// The system prompt, if there is one.
    pub system: Option<&'a str>,
    /// What decides the completions.
    pub settings: &'a Settings,
    /// The problems; row `r` is sample `r % samples` of problem `r / samples`.
    pub problems: &'a [Problem],
    /// Requests at a time.
    pub parallel: usize,
    /// Becomes true when the run is to end early.
    pub stop: &'a AtomicBool,
}

/// What stops a run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The server gives no answer.
    #[error("problem {problem}, sample {sample}")]
    Server {
        /// The problem.
        problem: String,
        /// The sample, from 0.
        sample: usize,
        /// The cause.
        source: ServerError,
    },
    /// A row could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Where rows go.
pub trait Sink {
    /// The next row in the order of problems and samples.
    fn write(&mut self, row: Row) -> Result<(), RecordError>;

    /// A row that is ready before its turn.
    fn keep(&mut self, at: usize, row: &Row) -> Result<(), RecordError>;
}

/// Asks for the rows; `known` are some of them that an earlier run got. Ends early without an error if stopped.
pub fn sample(
    run: &Run,
    rows: Range<usize>,
    mut known: BTreeMap<usize, Row>,
    sink: &mut impl Sink,
) -> Result<(), RunError> {
    let missing: Vec<usize> = rows.clone().filter(|row| !known.contains_key(row)).collect();
    let mut next = rows.start;
    let mut hand_on = |known: &mut BTreeMap<usize, Row>| -> Result<(), RecordError> {
        while let Some(row) = known.remove(&next) {
            sink.write(row)?;
            next += 1;
        }
        known.iter().try_for_each(|(at, row)| sink.keep(*at, row))
    };
    hand_on(&mut known)?;
    let (taken, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    // Whoever has an answer asks for the next only when this one is taken, so that a kill loses no queue of answers.
    let (sender, answers) = mpsc::sync_channel(0);
    let ask_all = |sender: mpsc::SyncSender<(usize, Result<Row, RunError>)>| {
        while !run.stop.load(Ordering::Relaxed) && !failed.load(Ordering::Relaxed) {
            let Some(&at) = missing.get(taken.fetch_add(1, Ordering::Relaxed)) else { return };
            // The receiver is gone after an error: then there is nothing more to do.
            if sender.send((at, ask(run, at))).is_err() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..run.parallel.clamp(1, missing.len().max(1)) {
            let sender = sender.clone();
            scope.spawn(|| ask_all(sender));
        }
        drop(sender);
        // After an error the answers that are on their way are still taken: they were paid for.
        let mut outcome = Ok(());
        for (at, answer) in answers {
            let taken = answer.and_then(|row| {
                known.insert(at, row);
                Ok(hand_on(&mut known)?)
            });
            let is_stop = |error: &RunError| {
                matches!(error, RunError::Server { source: ServerError::Stopped, .. })
            };
            if let Err(error) = taken {
                failed.store(true, Ordering::Relaxed);
                if outcome.is_ok() && !is_stop(&error) {
                    outcome = Err(error);
                }
            }
        }
        outcome
    })
}

fn ask(run: &Run, at: usize) -> Result<Row, RunError> {
    let (number, sample) = (at / run.settings.samples, at % run.settings.samples);
    let problem = &run.problems[number];
    let asked = run.client.complete(&request(run, problem, sample), run.model, run.stop);
    let Completion { text, tokens, is_cut } = asked.map_err(|source| RunError::Server {
        problem: problem.problem.clone(),
        sample,
        source,
    })?;
    Ok(Row {
        problem: problem.problem.clone(),
        id: format!("{}/{sample}", problem.problem),
        completion: text,
        sample,
        tokens,
        finish: if is_cut { Finish::Length } else { Finish::Stop },
    })
}

fn request(run: &Run, problem: &Problem, sample: usize) -> Value {
    let Settings { temperature, top_p, max_tokens, stop, seed, .. } = run.settings;
    let mut messages = Vec::new();
    if let Some(system) = run.system {
        messages.push(json!({ "role": "system", "content": system }));
    }
    messages.push(json!({ "role": "user", "content": problem.prompt }));
    let mut request = json!({
        "model": run.model,
        "messages": messages,
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "seed": seed_of(*seed, &problem.problem, sample),
        "n": 1,
        "stream": false,
    });
    if !stop.is_empty() {
        request["stop"] = json!(stop);
    }
    request
}

/// A seed of 31 bits, which every server takes.
fn seed_of(seed: u64, problem: &str, sample: usize) -> u32 {
    let mut hasher = blake3::Hasher::new_derive_key("salv 2026 sample: seed of a request");
    hasher.update(&seed.to_le_bytes());
    hasher.update(&(sample as u64).to_le_bytes());
    hasher.update(problem.as_bytes());
    let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
    u32::from_le_bytes([a, b, c, d]) >> 1
}
