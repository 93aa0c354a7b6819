//! What a model's folder says about generation: the tokens that end an answer, and the settings that its makers
//! recommend (`generation_config.json`).

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::tokenizer::read_json;
use super::{Config, Error, Tokenizer};

/// Ends and recommendations; a setting that the folder does not name is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Generation {
    /// Tokens that end an answer: those of the tokenizer, of `config.json` and of `generation_config.json`, which
    /// need not agree (Qwen2.5 has two).
    pub ends: BTreeSet<u32>,
    /// By what logits are divided; zero where the model is to take the likeliest token (`do_sample` is false).
    pub temperature: Option<f64>,
    /// Share of the probability that is drawn from.
    pub top_p: Option<f64>,
    /// Number of tokens that are drawn from; zero is no limit.
    pub top_k: Option<usize>,
    /// By what the logits of tokens that were there are made smaller.
    pub repetition_penalty: Option<f64>,
    /// The most tokens of an answer.
    pub max_tokens: Option<usize>,
}

impl Generation {
    /// Reads a model's folder; without a `generation_config.json` nothing is recommended.
    pub fn read(
        folder: &Path,
        config: &Config,
        tokenizer: &Tokenizer,
    ) -> Result<Generation, Error> {
        let path = folder.join("generation_config.json");
        let own = read_json(&path)?;
        let mut ends = BTreeSet::from([tokenizer.end()]);
        let general = folder.join("config.json");
        for (path, value) in [(&general, &read_json(&general)?), (&path, &own)] {
            ends.extend(ends_of(value, config).map_err(|message| Error::invalid(path, message))?);
        }
        let number = |name: &str| own[name].as_f64();
        let count = |name: &str| own[name].as_u64().map(|count| count as usize);
        let is_greedy = own["do_sample"] == false;
        Ok(Generation {
            ends,
            temperature: if is_greedy { Some(0.0) } else { number("temperature") },
            top_p: number("top_p"),
            top_k: count("top_k"),
            repetition_penalty: number("repetition_penalty"),
            max_tokens: count("max_new_tokens"),
        })
    }
}

/// `eos_token_id`: a number, or a list of them.
fn ends_of(value: &Value, config: &Config) -> Result<Vec<u32>, String> {
    let named = match &value["eos_token_id"] {
        Value::Null => return Ok(Vec::new()),
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    let id = |value: &Value| {
        let id = value.as_u64().filter(|id| *id < config.vocab_size as u64);
        id.and_then(|id| u32::try_from(id).ok()).ok_or_else(|| {
            format!(
                "eos_token_id is {value}, and the model has tokens 0 to {}",
                config.vocab_size - 1
            )
        })
    };
    named.iter().map(id).collect()
}
