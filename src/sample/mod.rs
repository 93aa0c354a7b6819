//! Candidates from a model: problems in, completions out, in the order of problem and sample.
//!
//! What a completion says depends on the model, the prompt, the settings, the seed, the problem's name and the
//! sample's number, and on nothing else. Every random number is a function of seed, name, sample and position
//! ([`draw`]), never the next one of a stream, so it is the same in any order, in a part of a run and in a run that
//! was killed and goes on. The logits are the same too where the model computes each sequence as if it were alone
//! (`model::kv_cache`): on the CPU, for a given number of LibTorch's threads. On a card a sum may round differently
//! in another company, and then the token that is drawn may be another one.
//!
//! Sequences share the model's steps ([`run`]): one that ends leaves its slot to the next at once, and the samples
//! of a problem read their prompt once.
//!
//! A server that speaks OpenAI's protocol can be asked in place of a model ([`server`]); then what is random is the
//! server's. That half needs no LibTorch, and is there without the feature `train`.

pub mod client;
#[cfg(feature = "train")]
pub mod draw;
#[cfg(feature = "train")]
pub mod run;
pub mod server;
#[cfg(feature = "train")]
mod text;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Everything but the model and the problem that decides a completion.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// Completions of each problem.
    pub samples: usize,
    /// How the next token is drawn.
    #[serde(flatten)]
    pub drawing: Drawing,
    /// The most tokens of a completion.
    pub max_tokens: usize,
    /// Texts that end a completion and are no part of it.
    pub stop: Vec<String>,
    /// Tokens that end a completion and are no part of it.
    pub ends: BTreeSet<u32>,
    /// Seed of every random number.
    pub seed: u64,
}

/// How the next token is drawn of the logits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Drawing {
    /// By what the logits are divided; with zero the likeliest token is taken.
    pub temperature: f64,
    /// Drawn from are the likeliest tokens that have this share of the probability together; more than 0, up to 1.
    pub top_p: f64,
    /// Drawn from are so many of the likeliest tokens; zero is no limit.
    pub top_k: usize,
    /// Positive logits of tokens that stand in the text already are divided by this, negative ones multiplied.
    pub repetition_penalty: f64,
}

/// The settings of the QiMeng-SALV paper.
impl Default for Settings {
    fn default() -> Settings {
        Settings {
            samples: 5,
            drawing: Drawing { temperature: 1.0, top_p: 0.95, top_k: 0, repetition_penalty: 1.0 },
            max_tokens: 2048,
            stop: Vec::new(),
            ends: BTreeSet::new(),
            seed: 1,
        }
    }
}

/// One line of `candidates.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The problem's identifier.
    pub problem: String,
    /// `PROBLEM/SAMPLE`.
    pub id: String,
    /// The model's text, without what ended it.
    pub completion: String,
    /// Number among the problem's samples, from 0.
    pub sample: usize,
    /// Tokens that were generated, those that ended it included.
    pub tokens: usize,
    /// What ended it.
    pub finish: Finish,
}

/// What ended a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// A token or a text that ends it.
    Stop,
    /// The limit of tokens, or of the model's context.
    Length,
}
