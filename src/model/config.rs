//! `config.json` of a Qwen2 model: what decides the shape of its tensors and the angles of its positions.
//!
//! A setting that would change the numbers and is not implemented is refused, by name; one that says nothing
//! about the numbers is not read.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::Error;

/// A Qwen2 model's dimensions and settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Rows of the embedding; at least the tokenizer's tokens.
    pub vocab_size: i64,
    /// Width of the residual stream.
    pub hidden_size: i64,
    /// Width of the feed-forward part.
    pub intermediate_size: i64,
    /// Number of layers.
    pub layers: usize,
    /// Attention heads of the queries.
    pub heads: i64,
    /// Attention heads of keys and values; each serves `heads / key_value_heads` query heads.
    pub key_value_heads: i64,
    /// Width of one head.
    pub head_dim: i64,
    /// What a norm adds to the mean square.
    pub rms_norm_eps: f64,
    /// Base of the rotary angles.
    pub rope_theta: f64,
    /// How the rotary angles are changed for long contexts.
    pub rope_scaling: RopeScaling,
    /// The context for which the positions were trained.
    pub max_position_embeddings: i64,
    /// Whether the head is the embedding.
    pub tie_word_embeddings: bool,
    /// Standard deviation of fresh weights, for models made from a configuration alone.
    pub initializer_range: f64,
}

/// A change of the rotary angles, with the names that transformers gives them.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// None.
    Default,
    /// Positions divided by `factor`.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// YaRN: low frequencies interpolated, high ones kept, attention sharpened.
    Yarn {
        /// How many times longer the context becomes.
        factor: f64,
        /// The context before.
        original: f64,
        /// What tables are multiplied by.
        attention_factor: f64,
        /// Rotations above which a frequency is kept.
        beta_fast: f64,
        /// Rotations below which it is interpolated.
        beta_slow: f64,
        /// Whether the bounds between are rounded outwards.
        truncate: bool,
    },
    /// Llama 3's: by wavelength, with a smooth part between.
    Llama3 {
        /// The divisor of low frequencies.
        factor: f64,
        /// The context before.
        original: f64,
        /// Wavelengths longer than `original / low` are divided.
        low: f64,
        /// Wavelengths shorter than `original / high` are kept.
        high: f64,
    },
}

#[derive(Deserialize)]
struct Raw {
    model_type: Option<String>,
    vocab_size: i64,
    hidden_size: i64,
    intermediate_size: i64,
    num_hidden_layers: usize,
    num_attention_heads: i64,
    num_key_value_heads: Option<i64>,
    head_dim: Option<i64>,
    #[serde(default = "default_eps")]
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_scaling: Option<RawRope>,
    rope_parameters: Option<RawRope>,
    #[serde(default = "default_positions")]
    max_position_embeddings: i64,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default = "default_range")]
    initializer_range: f64,
    #[serde(default)]
    use_sliding_window: bool,
    hidden_act: Option<String>,
    #[serde(default)]
    attention_dropout: f64,
    quantization_config: Option<serde_json::Value>,
}

/// `rope_parameters` of transformers 5 and later, and `rope_scaling` of earlier ones.
#[derive(Clone, Deserialize)]
struct RawRope {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
    attention_factor: Option<f64>,
    mscale: Option<f64>,
    mscale_all_dim: Option<f64>,
    beta_fast: Option<f64>,
    beta_slow: Option<f64>,
    truncate: Option<bool>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
}

fn default_eps() -> f64 {
    1e-6
}

fn default_positions() -> i64 {
    32_768
}

fn default_range() -> f64 {
    0.02
}

impl Config {
    /// Reads `config.json` of a model's folder.
    pub fn read(folder: &Path) -> Result<Config, Error> {
        let path = folder.join("config.json");
        let text = fs::read_to_string(&path).map_err(|source| Error::reading(&path, source))?;
        Config::parse(&text).map_err(|message| Error::invalid(path, message))
    }

    /// Reads the text of a `config.json`; an error says what is wrong or not supported.
    pub fn parse(text: &str) -> Result<Config, String> {
        let raw: Raw = serde_json::from_str(text).map_err(|error| error.to_string())?;
        refuse_unsupported(&raw)?;
        let rope = raw.rope_parameters.as_ref().or(raw.rope_scaling.as_ref());
        let theta = rope.and_then(|rope| rope.rope_theta).or(raw.rope_theta).unwrap_or(10_000.0);
        let config = Config {
            vocab_size: raw.vocab_size,
            hidden_size: raw.hidden_size,
            intermediate_size: raw.intermediate_size,
            layers: raw.num_hidden_layers,
            heads: raw.num_attention_heads,
            key_value_heads: raw.num_key_value_heads.unwrap_or(raw.num_attention_heads),
            head_dim: raw.head_dim.unwrap_or(raw.hidden_size / raw.num_attention_heads.max(1)),
            rms_norm_eps: raw.rms_norm_eps,
            rope_theta: theta,
            rope_scaling: rope.map_or(Ok(RopeScaling::Default), |rope| scaling(rope, &raw))?,
            max_position_embeddings: raw.max_position_embeddings,
            tie_word_embeddings: raw.tie_word_embeddings,
            initializer_range: raw.initializer_range,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.layers as i64),
            ("num_attention_heads", self.heads),
            ("num_key_value_heads", self.key_value_heads),
            ("head_dim", self.head_dim),
        ];
        if let Some((name, value)) = sizes.into_iter().find(|(_, value)| *value <= 0) {
            return Err(format!("{name} is {value}"));
        }
        if self.heads % self.key_value_heads != 0 {
            let (heads, shared) = (self.heads, self.key_value_heads);
            return Err(format!(
                "num_attention_heads is {heads}, no multiple of num_key_value_heads, {shared}"
            ));
        }
        if self.head_dim % 2 != 0 {
            return Err(format!("head_dim is {}, which is odd", self.head_dim));
        }
        Ok(())
    }
}

fn refuse_unsupported(raw: &Raw) -> Result<(), String> {
    match raw.model_type.as_deref() {
        Some("qwen2") => {}
        Some(other) => return Err(format!("model_type is {other}; only qwen2 is supported")),
        None => return Err("model_type is missing; only qwen2 is supported".to_owned()),
    }
    if let Some(other) = raw.hidden_act.as_deref().filter(|name| *name != "silu") {
        return Err(format!("hidden_act is {other}; only silu is supported"));
    }
    if raw.use_sliding_window {
        return Err("use_sliding_window is true, which is not supported".to_owned());
    }
    if raw.attention_dropout != 0.0 {
        let dropout = raw.attention_dropout;
        return Err(format!("attention_dropout is {dropout}; only 0 is supported"));
    }
    if raw.quantization_config.is_some() {
        return Err("the weights are quantised; take the model in bf16 or fp32".to_owned());
    }
    Ok(())
}

fn scaling(rope: &RawRope, raw: &Raw) -> Result<RopeScaling, String> {
    let kind = rope.rope_type.as_deref().unwrap_or("default");
    let given = |name: &str, value: Option<f64>| {
        let positive = value.filter(|value| *value > 0.0);
        positive.ok_or(format!("rope scaling of type {kind} needs a positive {name}"))
    };
    let original = rope.original_max_position_embeddings;
    match kind {
        "default" => Ok(RopeScaling::Default),
        "linear" => Ok(RopeScaling::Linear { factor: given("factor", rope.factor)? }),
        "yarn" => {
            let factor = given("factor", rope.factor)?;
            Ok(RopeScaling::Yarn {
                factor,
                original: original.unwrap_or(raw.max_position_embeddings as f64),
                attention_factor: rope.attention_factor.unwrap_or_else(|| sharpening(rope, factor)),
                beta_fast: rope.beta_fast.unwrap_or(32.0),
                beta_slow: rope.beta_slow.unwrap_or(1.0),
                truncate: rope.truncate.unwrap_or(true),
            })
        }
        "llama3" => Ok(RopeScaling::Llama3 {
            factor: given("factor", rope.factor)?,
            original: given("original_max_position_embeddings", original)?,
            low: given("low_freq_factor", rope.low_freq_factor)?,
            high: given("high_freq_factor", rope.high_freq_factor)?,
        }),
        other => Err(format!(
            "rope scaling of type {other} is not supported (default, linear, yarn and llama3 are)"
        )),
    }
}

/// YaRN's factor for attention where none is written.
fn sharpening(rope: &RawRope, factor: f64) -> f64 {
    let scale = |weight: f64| if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 };
    let given = |value: Option<f64>| value.filter(|value| *value != 0.0);
    match (given(rope.mscale), given(rope.mscale_all_dim)) {
        (Some(one), Some(all)) => scale(one) / scale(all),
        _ => scale(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(change: &str) -> Result<Config, String> {
        let base = r#""model_type": "qwen2", "vocab_size": 64, "hidden_size": 16,
            "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4"#;
        Config::parse(&format!("{{{base}{change}}}"))
    }

    #[test]
    fn the_base_of_the_angles_stands_in_either_place() {
        assert_eq!(parse("").map(|config| config.rope_theta), Ok(10_000.0));
        assert_eq!(parse(", \"rope_theta\": 5e5").map(|config| config.rope_theta), Ok(5e5));
        let new = ", \"rope_theta\": 3.0, \"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 1e6}";
        assert_eq!(parse(new).map(|config| config.rope_theta), Ok(1e6));
        let old =
            ", \"rope_theta\": 1e6, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 4.0}";
        let config = parse(old).expect("a configuration");
        assert_eq!(config.rope_theta, 1e6);
        assert_eq!(config.rope_scaling, RopeScaling::Linear { factor: 4.0 });
    }

    #[test]
    fn what_would_change_the_numbers_is_refused_by_name() {
        let check = |change: &str, said: &str| {
            let error = parse(change).expect_err(change);
            assert!(error.contains(said), "{error}");
        };
        check(", \"use_sliding_window\": true", "use_sliding_window");
        check(", \"hidden_act\": \"gelu\"", "hidden_act");
        check(", \"attention_dropout\": 0.1", "attention_dropout");
        check(", \"quantization_config\": {}", "quantised");
        check(", \"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2}", "dynamic");
        check(", \"rope_scaling\": {\"type\": \"yarn\"}", "factor");
        check(", \"num_key_value_heads\": 3", "num_key_value_heads");
        check(", \"head_dim\": 3", "odd");
        let error = Config::parse(
            r#"{"model_type": "llama", "vocab_size": 1, "hidden_size": 1,
            "intermediate_size": 1, "num_hidden_layers": 1, "num_attention_heads": 1}"#,
        );
        assert!(error.expect_err("an error").contains("llama"));
        assert!(Config::parse("{").is_err());
    }
}
