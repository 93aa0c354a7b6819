//! Training: steps against those that TRL recorded, gradients against finite differences and against each other, runs
//! that are stopped and go on, and what is wrong with a run against the error that says so.

mod hostile;
mod identities;
mod optimizer;
mod parity;
mod ranks;
mod runs;

use std::fs;
use std::path::{Path, PathBuf};

use salv::model::{Config, Qwen2, SHARD_BYTES, copy_others};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::model::one_thread;

/// The configuration of a model of two layers for the tokenizer of the fixtures.
fn config(tied: bool) -> Value {
    json!({
        "model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "hidden_act": "silu",
        "vocab_size": 384, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": tied,
        "initializer_range": 0.3, "eos_token_id": 2, "bos_token_id": 0,
    })
}

/// A folder with such a model, its weights drawn by a seed.
fn toy(folder: &Path, tied: bool) -> PathBuf {
    one_thread();
    let path = folder.join("model");
    fs::create_dir_all(&path).expect("a folder");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/model/tokenizer");
    copy_others(&fixtures, &path).expect("a tokenizer");
    fs::write(path.join("config.json"), config(tied).to_string()).expect("a configuration");
    let config = Config::read(&path).expect("a configuration");
    let model = Qwen2::fresh(config, 5, (Kind::Float, Device::Cpu));
    model.save(&path, SHARD_BYTES).expect("weights");
    path
}

fn largest(tensor: &Tensor) -> f64 {
    tensor.to_kind(Kind::Double).abs().max().double_value(&[])
}
