//! Sampling: tokens against those of transformers (`scripts/record-parity`), the same bytes in any batch, order and
//! part of a run, and what is wrong with a run against the error that says so.

mod cache;
mod hostile;
mod runs;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use salv::model::kv_cache::Attention;
use salv::model::{Pass, Qwen2, Tokenizer, lora::Lora, save};
use salv::sample::run::{Run, RunError, Sink, Task, sample};
use salv::sample::{Drawing, Finish, Row, Settings};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

use super::model::{FP32, MODELS, fixtures, one_thread};

const GREEDY: Drawing = Drawing { temperature: 0.0, top_p: 1.0, top_k: 0, repetition_penalty: 1.0 };

/// Rows in their order.
#[derive(Default)]
struct Rows(Vec<Row>);

impl Sink for Rows {
    fn write(&mut self, row: Row) -> Result<(), RunError> {
        self.0.push(row);
        Ok(())
    }
}

/// Samples in this process.
fn rows(
    (model, tokenizer): (&Qwen2, &Tokenizer),
    pass: Pass,
    tasks: &[Task],
    settings: &Settings,
    (batch, attention): (usize, Attention),
) -> Vec<Row> {
    let stop = AtomicBool::new(false);
    let run =
        Run { model, pass, tokenizer, settings, tasks, batch, attention, threads: 2, stop: &stop };
    let mut rows = Rows::default();
    let all = 0..tasks.len() * settings.samples;
    sample(&run, all, BTreeMap::new(), &mut rows).expect("a run");
    rows.0
}

#[test]
fn greedy_tokens_are_those_of_transformers_and_peft() {
    one_thread();
    // Its first tokens are single characters, so that texts tell tokens apart.
    let tokenizer = Tokenizer::load(&fixtures().join("tokenizer"), 400).expect("a tokenizer");
    for name in MODELS {
        let folder = fixtures().join(name);
        let mut model = Qwen2::load(&folder, FP32).expect("a model");
        Lora::load(&folder.join("adapter"), &mut model).expect("an adapter");
        let recorded = fs::read(folder.join("generated.json")).expect("a recording");
        let recorded: Value = serde_json::from_slice(&recorded).expect("JSON");
        let prompts: Vec<Vec<u32>> =
            serde_json::from_value(recorded["prompts"].clone()).expect("prompts");
        let tasks: Vec<Task> = prompts
            .into_iter()
            .enumerate()
            .map(|(at, prompt)| Task { problem: at.to_string(), prompt })
            .collect();
        for (pass, of_pass) in [(Pass::Reference, "reference"), (Pass::Policy, "policy")] {
            let of_pass = &recorded[of_pass];
            let end = of_pass["end"].as_u64().expect("a token") as u32;
            let punished = Drawing { repetition_penalty: 1.3, ..GREEDY };
            for (case, ends, drawing) in [
                ("free", None, GREEDY),
                ("ended", Some(end), GREEDY),
                ("penalised", None, punished),
            ] {
                let settings = Settings {
                    samples: 1,
                    drawing,
                    max_tokens: 24,
                    ends: BTreeSet::from_iter(ends),
                    ..Settings::default()
                };
                let expected: Vec<Vec<u32>> =
                    serde_json::from_value(of_pass[case].clone()).expect("tokens");
                for company in [(4, Attention::Alone), (4, Attention::Masked)] {
                    let found = rows((&model, &tokenizer), pass, &tasks, &settings, company);
                    assert_eq!(found.len(), expected.len());
                    for (row, expected) in found.iter().zip(&expected) {
                        let text = expected.strip_suffix(&[end][..ends.iter().count()]);
                        let text = tokenizer.decode(text.unwrap_or(expected)).expect("a text");
                        let is_ended = ends.is_some() && expected.last() == Some(&end);
                        let finish = if is_ended { Finish::Stop } else { Finish::Length };
                        let found = (&row.completion, row.tokens, row.finish);
                        let expected = (&text, expected.len(), finish);
                        assert_eq!(found, expected, "{name} {pass:?} {case} {company:?}");
                    }
                }
            }
        }
    }
}

/// A folder with a model of the fixtures' vocabulary, of widths that are multiples of no vector's, and problems.
struct Bench {
    folder: TempDir,
}

/// Tokens of the fixtures' tokenizer.
const VOCABULARY: i64 = 400;

const CONTEXT: i64 = 512;

impl Bench {
    fn new() -> Bench {
        one_thread();
        let bench = Bench { folder: tempfile::tempdir().expect("a folder") };
        let model = bench.path("model");
        fs::create_dir(&model).expect("a folder");
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            fs::copy(fixtures().join("tokenizer").join(name), model.join(name)).expect("a copy");
        }
        let config = json!({
            "model_type": "qwen2", "vocab_size": VOCABULARY, "hidden_size": 40, "intermediate_size": 52,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 10,
            "max_position_embeddings": CONTEXT, "tie_word_embeddings": true, "eos_token_id": [2, 7],
        });
        fs::write(model.join("config.json"), config.to_string()).expect("a file");
        save(&model, &weights(), usize::MAX).expect("weights");
        bench.problems(&["xor", "and", "adder", "mux"]);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn problems(&self, names: &[&str]) {
        let rows = names.iter().enumerate().map(|(at, name)| {
            let prompt = format!("Write the module {name}.{}", "\n// more".repeat(at));
            json!({ "problem": name, "prompt": prompt, "golden": "module m; endmodule", "top": "m" })
                .to_string()
                + "\n"
        });
        fs::write(self.path("problems.jsonl"), rows.collect::<String>()).expect("a file");
    }

    /// `salv sample` of the model and the problems.
    fn sample(&self, arguments: &[&str]) -> Command {
        let mut command = self.salv(&["sample", "model", "problems.jsonl"]);
        if !arguments.contains(&"--threads") {
            command.args(["--threads", "1"]);
        }
        command.args(arguments);
        command
    }

    fn salv(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_salv"));
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }
}

#[track_caller]
fn succeeded(command: &mut Command) -> String {
    let output = command.output().expect("salv");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[track_caller]
fn refused(command: &mut Command, words: &[&str]) {
    let output = command.output().expect("salv");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

/// Weights of no pattern that a sum could cancel, without the process's random numbers.
fn weights() -> Vec<(String, Tensor)> {
    let mut weights = vec![("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, 40])];
    for layer in 0..2 {
        let shapes = [
            ("self_attn.q_proj.weight", vec![40, 40]),
            ("self_attn.q_proj.bias", vec![40]),
            ("self_attn.k_proj.weight", vec![20, 40]),
            ("self_attn.k_proj.bias", vec![20]),
            ("self_attn.v_proj.weight", vec![20, 40]),
            ("self_attn.v_proj.bias", vec![20]),
            ("self_attn.o_proj.weight", vec![40, 40]),
            ("mlp.gate_proj.weight", vec![52, 40]),
            ("mlp.up_proj.weight", vec![52, 40]),
            ("mlp.down_proj.weight", vec![40, 52]),
            ("input_layernorm.weight", vec![40]),
            ("post_attention_layernorm.weight", vec![40]),
        ];
        weights.extend(shapes.map(|(name, shape)| (format!("model.layers.{layer}.{name}"), shape)));
    }
    weights.push(("model.norm.weight".to_owned(), vec![40]));
    let drawn = |(at, (name, shape)): (usize, (String, Vec<i64>))| {
        let count: i64 = shape.iter().product();
        let places = Tensor::arange(count, (Kind::Double, Device::Cpu)) + (at * 7919) as f64;
        let noise = (places * 12.9898).sin() * 43_758.545_3;
        let mut values = (&noise - noise.floor() - 0.5) * 1.2;
        if name.ends_with("norm.weight") {
            values += 1.0;
        }
        (name, values.to_kind(Kind::Float).view(shape.as_slice()))
    };
    weights.into_iter().enumerate().map(drawn).collect()
}

fn load(folder: &Path, kind: Kind) -> (Qwen2, Tokenizer) {
    let model = Qwen2::load(folder, (kind, Device::Cpu)).expect("a model");
    (model, Tokenizer::load(folder, VOCABULARY).expect("a tokenizer"))
}
