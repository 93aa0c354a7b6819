//! What a recipe takes, before anything slow: rows, tokens, memory and disk of each step.
//!
//! What is not known before it is sampled is bounded from above: a completion by its most tokens, pairs by their cap,
//! a row by its cutoff. Memory is arithmetic on the model's `config.json`; for a training it is checked against figures
//! of Qwen2.5-7B (a pair of twice 2,048 tokens in bf16: weights 14.2 GiB, activations 22.7 GiB, or 2.2 GiB where layers
//! are run twice), and `salv train --dry-run` measures a step. LibTorch itself takes some 200 MiB more.

use std::path::Path;

use serde::Deserialize;

use super::Error;
use super::plan::{Stage, Step};
use super::recipe::{Flags, Recipe, is_set, named, number};
use crate::problem;

/// Characters of a token of Verilog, and as many bytes, at most about that.
const BYTES_OF_A_TOKEN: u64 = 4;
/// A problem that was written by a program, or a verdict or spans of a candidate: a generous mean.
const BYTES_OF_A_ROW: u64 = 2 << 10;
/// What a worker process that runs candidates may take.
const WORKER_BYTES_MAX: u64 = 4 << 30;
/// From here on the trainer runs layers twice if it is not told otherwise.
const LARGE: u64 = 300_000_000;
/// Positions for which logits exist at once, and the bytes of each logit and its gradient.
const HEAD_POSITIONS: u64 = 256;

/// What a step takes at most.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// The step.
    pub step: &'static str,
    /// Of what there is how much, such as `500 candidates`.
    pub rows: String,
    /// Tokens that are generated or learnt from.
    pub tokens: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes on the disk that stay, and in a training its two checkpoints.
    pub disk: u64,
}

/// What of a model decides its size.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Shape {
    vocab_size: u64,
    hidden_size: u64,
    intermediate_size: u64,
    num_hidden_layers: u64,
    num_attention_heads: u64,
    num_key_value_heads: u64,
    head_dim: Option<u64>,
    #[serde(default)]
    tie_word_embeddings: bool,
    max_position_embeddings: u64,
}

impl Shape {
    fn read(model: &Path) -> Result<Shape, Error> {
        let path = model.join("config.json");
        let text = std::fs::read(&path).map_err(Error::reading(&path))?;
        serde_json::from_slice(&text).map_err(|error| Error::content(path, error))
    }

    /// Inputs and outputs of a layer's linear parts, in all.
    fn sides(&self) -> [(u64, u64); 7] {
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let head = self.head_dim.unwrap_or(hidden / self.num_attention_heads);
        let (queries, keys) = (head * self.num_attention_heads, head * self.num_key_value_heads);
        let attention = [(hidden, queries), (hidden, keys), (hidden, keys), (queries, hidden)];
        let [a, b, c, d] = attention;
        [a, b, c, d, (hidden, inner), (hidden, inner), (inner, hidden)]
    }

    fn parameters(&self) -> u64 {
        let layer: u64 = self.sides().iter().map(|(inputs, outputs)| inputs * outputs).sum();
        let tables = if self.tie_word_embeddings { 1 } else { 2 };
        self.num_hidden_layers * layer + tables * self.vocab_size * self.hidden_size
    }

    fn adapter(&self, rank: u64) -> u64 {
        let layer: u64 =
            self.sides().iter().map(|(inputs, outputs)| rank * (inputs + outputs)).sum();
        self.num_hidden_layers * layer
    }

    /// Bytes that one token's keys and values take, with numbers of `width` bytes.
    fn cache(&self, width: u64) -> u64 {
        let head = self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads);
        2 * self.num_hidden_layers * self.num_key_value_heads * head * width
    }

    /// Bytes that a layer keeps of one token for the gradients.
    fn activations(&self, width: u64) -> u64 {
        width * (10 * self.hidden_size + 4 * self.intermediate_size)
    }
}

/// What the steps of a recipe take at most, the report left out.
pub fn costs(recipe: &Recipe, steps: &[Step]) -> Result<Vec<Cost>, Error> {
    let shape = Shape::read(&recipe.model)?;
    let counts = Counts {
        held_out: count(&recipe.held_out)?,
        problems: count(&recipe.problems)?,
        samples: recipe.sft.as_ref().map_or(Ok(0), rows)?,
    };
    Ok(steps.iter().map(|step| cost(recipe, step, &shape, &counts)).collect())
}

/// Parameters of a recipe's model.
pub fn parameters(recipe: &Recipe) -> Result<u64, Error> {
    Ok(Shape::read(&recipe.model)?.parameters())
}

struct Counts {
    held_out: u64,
    problems: u64,
    samples: u64,
}

/// Problems of a table.
fn count(flags: &Flags) -> Result<u64, Error> {
    match named(flags, "file") {
        Some(path) => Ok(problem::load(path)?.len() as u64),
        None => number(flags, &["n", "count"]).map(|count| count as u64).ok_or_else(|| {
            Error::Recipe("problems: say `file`, or `n` for how many to write".into())
        }),
    }
}

fn rows(flags: &Flags) -> Result<u64, Error> {
    let path = named(flags, "rows").unwrap_or(Path::new(""));
    Ok(crate::record::read::<serde::de::IgnoredAny>(path)?.pass(usize::MAX)? as u64)
}

fn cost(recipe: &Recipe, step: &Step, shape: &Shape, counts: &Counts) -> Cost {
    let measures = step.name.contains('/');
    let problems = if measures { counts.held_out } else { counts.problems };
    let flags = if measures { recipe.measuring() } else { recipe.sample.clone() };
    let candidates = problems * number(&flags, &["samples", "n"]).unwrap_or(5.0) as u64;
    let tokens = number(&flags, &["max-tokens"]).unwrap_or(2048.0) as u64;
    let threads = number(&step.flags, &["threads"]).unwrap_or(1.0) as u64;
    let cap = match number(&recipe.pair, &["max-pairs"]).unwrap_or(20.0) as u64 {
        0 => u64::MAX / counts.problems.max(1),
        cap => cap,
    };
    let pairs = counts.problems * cap;
    let (rows, tokens, memory, disk) = match step.stage {
        Stage::Corpus => {
            let made = if step.name == "held-out" { counts.held_out } else { counts.problems };
            (format!("{made} problems"), 0, 64 << 20, made * BYTES_OF_A_ROW)
        }
        Stage::Sample => {
            let width = width(&step.flags);
            let batch = number(&step.flags, &["batch"]).unwrap_or(16.0) as u64;
            let length = tokens.saturating_add(512).min(shape.max_position_embeddings);
            let memory = width * shape.parameters() + batch * length * shape.cache(width);
            let all = candidates * tokens;
            (format!("{candidates} candidates"), all, memory, all * BYTES_OF_A_TOKEN)
        }
        Stage::Verify => {
            let rows = format!("{candidates} candidates");
            (rows, 0, threads * WORKER_BYTES_MAX, candidates * BYTES_OF_A_ROW)
        }
        Stage::Extract => {
            (format!("{candidates} candidates"), 0, threads << 28, candidates * BYTES_OF_A_ROW)
        }
        Stage::Pair => {
            let bytes = 2 * tokens * BYTES_OF_A_TOKEN + BYTES_OF_A_ROW;
            (format!("{pairs} pairs"), 0, 1 << 28, pairs.saturating_mul(bytes))
        }
        Stage::Merge => ("1 model".into(), 0, 4 << 30, 2 * shape.parameters()),
        Stage::Sft => training(&step.flags, shape, counts.samples, 1),
        Stage::Dpo => training(&step.flags, shape, pairs, 2),
    };
    Cost { step: step.name, rows, tokens, memory, disk }
}

/// Bytes of a number.
fn width(flags: &Flags) -> u64 {
    let is_half = |name: &str| flags.get(name).and_then(toml::Value::as_str);
    match (is_half("precision"), is_half("device")) {
        (Some("bf16"), _) => 2,
        (None, Some(device)) if device.starts_with("cuda") => 2,
        _ => 4,
    }
}

fn training(flags: &Flags, shape: &Shape, rows: u64, texts: u64) -> (String, u64, u64, u64) {
    let batch = number(flags, &["batch"]).unwrap_or(8.0);
    let epochs = number(flags, &["epochs"]).unwrap_or(1.0);
    let steps = number(flags, &["steps"]).unwrap_or_else(|| (rows as f64 * epochs / batch).ceil());
    let cutoff = number(flags, &["cutoff"]).unwrap_or(2048.0) as u64;
    let cutoff = cutoff.min(shape.max_position_embeddings);
    let width = width(flags);
    let rank = number(flags, &["lora-rank"]).unwrap_or(8.0) as u64;
    let is_full = is_set(flags, "full");
    let all = shape.parameters();
    let trained = if is_full { all } else { shape.adapter(rank) };
    // Weights, and of what is trained the gradient, the master copy and AdamW's two moments.
    let fixed = width * all + 16 * trained;
    let at_once = number(flags, &["tokens-at-once"]).unwrap_or(8192.0) as u64;
    let at_once = at_once.max(texts * cutoff).min(batch as u64 * texts * cutoff);
    let recomputes = match flags.get("recompute").and_then(toml::Value::as_str) {
        Some(said) => said == "true",
        None => all >= LARGE,
    };
    let layers = shape.num_hidden_layers;
    let activations = match recomputes {
        true => at_once * (width * shape.hidden_size * layers + shape.activations(width)),
        false => at_once * layers * shape.activations(width),
    };
    let head = 3 * 4 * HEAD_POSITIONS * shape.vocab_size;
    let tokens = (steps * batch) as u64 * texts * cutoff;
    let unit = if texts == 2 { "pairs" } else { "rows" };
    let rows = format!("{steps} steps of {batch} {unit}");
    // Two checkpoints with moments, and the last model.
    let disk = 2 * 12 * trained + 4 * trained;
    (rows, tokens, fixed + activations + head, disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QWEN_7B: Shape = Shape {
        vocab_size: 152_064,
        hidden_size: 3584,
        intermediate_size: 18_944,
        num_hidden_layers: 28,
        num_attention_heads: 28,
        num_key_value_heads: 4,
        head_dim: None,
        tie_word_embeddings: false,
        max_position_embeddings: 32_768,
    };

    /// 7.62 billion parameters by its makers, and 14.2 GiB in bf16; its adapter of rank 8 on all linear layers has
    /// 20.2 million.
    #[test]
    fn sizes_are_those_of_a_known_model() {
        let all = QWEN_7B.parameters() as f64;
        assert!((all / 7.615e9 - 1.0).abs() < 1e-3, "{all}");
        assert_eq!(QWEN_7B.adapter(8), 20_185_088);
    }

    /// The figures in the text above.
    #[test]
    fn activations_are_as_they_were_found_on_a_pair() {
        let gibibytes = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let tokens = 2 * 2048;
        let whole = gibibytes(tokens * 28 * QWEN_7B.activations(2));
        assert!((20.0..26.0).contains(&whole), "{whole}");
        let twice = gibibytes(tokens * (2 * 28 * 3584 + QWEN_7B.activations(2)));
        assert!((1.4..2.6).contains(&twice), "{twice}");
    }
}
