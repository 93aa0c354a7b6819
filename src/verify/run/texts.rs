//! Equal text is judged once: what was found of a text holds wherever the text stands again.
//!
//! A model that is asked ten times gives some answers twice. Two candidates are equal if their problems have
//! the same golden module, restrictions and name of the top, and if the same code was found in their
//! completions (which may differ: the line that a message names is looked up in each candidate's own). The
//! first of them is judged. Those that come before it is done wait for it; those that come later take what was
//! found, as long as it is remembered: the memory is limited, so that a run of any length needs no more. What
//! is forgotten is judged again, and says the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::recent::Recent;
use super::{Finding, Row};
use crate::problem::Problem;

/// Bytes of findings that are remembered: those of some 50,000 texts.
const BYTES_MAX: usize = 32 << 20;

/// The identity of a text under a problem.
pub type Key = blake3::Hash;

/// What all the threads of a run know of the texts that were read.
#[derive(Debug)]
pub struct Texts(Mutex<Known>);

#[derive(Debug)]
struct Known {
    /// Rows that wait for an equal one that is being judged.
    waiting: HashMap<Key, Vec<Row>>,
    found: Recent<Key, Arc<Finding>>,
    repeated: usize,
}

/// What is to be done with a row.
pub enum Turn {
    /// It is the first of its text: judge it, and say so by [`Texts::finish`].
    Judge(Row),
    /// An equal one is being judged: [`Texts::finish`] gives it back.
    Wait,
    /// It was found out before.
    Found(Row, Arc<Finding>),
}

impl Texts {
    /// Nothing is known yet.
    pub fn new() -> Texts {
        let found = Recent::new(BYTES_MAX);
        Texts(Mutex::new(Known { waiting: HashMap::new(), found, repeated: 0 }))
    }

    /// Says what is to be done with a row that was read; without a key it is for judging.
    pub fn enter(&self, row: Row) -> Turn {
        let Some(key) = row.key else { return Turn::Judge(row) };
        let mut known = self.lock();
        if let Some(found) = known.found.get(&key) {
            known.repeated += 1;
            return Turn::Found(row, found);
        }
        if let Some(others) = known.waiting.get_mut(&key) {
            others.push(row);
            known.repeated += 1;
            return Turn::Wait;
        }
        known.waiting.insert(key, Vec::new());
        Turn::Judge(row)
    }

    /// Remembers what was found and returns the rows that waited for it.
    pub fn finish(&self, key: Key, found: Arc<Finding>) -> Vec<Row> {
        let mut known = self.lock();
        let weight = found.bytes();
        known.found.insert(key, found, weight);
        known.waiting.remove(&key).unwrap_or_default()
    }

    /// How many rows were not judged because an equal one was.
    pub fn repeated(&self) -> usize {
        self.lock().repeated
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The part of [`key`] that belongs to the problem: all of it that a verdict depends on.
pub fn problem_key(problem: &Problem) -> Key {
    let golden_top = problem.golden_top.as_deref().unwrap_or_default();
    let inputs = format!("{:?}", problem.inputs);
    key_of(&[
        problem.golden.as_bytes(),
        golden_top.as_bytes(),
        inputs.as_bytes(),
        problem.top.as_bytes(),
    ])
}

/// The identity of `code` under a problem.
pub fn key(problem: &Key, code: &str) -> Key {
    key_of(&[problem.as_bytes(), code.as_bytes()])
}

fn key_of(parts: &[&[u8]]) -> Key {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize()
}
