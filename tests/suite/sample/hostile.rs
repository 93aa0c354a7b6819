//! What is wrong with a run is named, with its place and its cure, before anything is generated where that can be.

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

use std::fs;

use salv::model::save;
use serde_json::json;
use tch::Tensor;

use super::super::model::fixtures;
use super::{Bench, refused, succeeded, weights};

const SHORT: [&str; 4] = ["-n", "1", "--max-tokens", "4"];

#[test]
fn settings_that_cannot_be_are_refused() {
    let bench = Bench::new();
    let check = |arguments: &[&str], words: &[&str]| {
        refused(bench.sample(&SHORT).args(arguments), words);
        assert!(!bench.path("candidates.jsonl").exists());
    };
    check(&["--top-p", "0"], &["--top-p 0", "--temperature 0 takes the likeliest"]);
    check(&["--top-p", "1.5"], &["--top-p 1.5"]);
    check(&["--top-p", "NaN"], &["--top-p NaN"]);
    check(&["--temperature=-1"], &["--temperature -1"]);
    check(&["--repetition-penalty", "0"], &["--repetition-penalty 0"]);
    check(&["--batch", "0"], &["--batch must be 1 or more"]);
    check(&["--stop", ""], &["--stop is empty"]);
    check(&["--device", "tpu"], &["--device tpu is no device"]);
    check(&["--system", "x"], &["no chat template"]);
    refused(&mut bench.sample(&["-n", "0"]), &["--samples must be 1 or more"]);
    refused(&mut bench.sample(&["--max-tokens", "0"]), &["--max-tokens must be 1 or more"]);
}

#[test]
fn problems_that_cannot_be_asked_are_refused() {
    let bench = Bench::new();
    bench.problems(&["xor", "and", "xor"]);
    refused(&mut bench.sample(&SHORT), &["problems.jsonl:3", "\"xor\" stands already in line 1"]);
    fs::write(bench.path("problems.jsonl"), "").expect("a file");
    refused(&mut bench.sample(&SHORT), &["problems.jsonl holds no problem"]);
    let problem = |prompt: &str| {
        let row = json!({ "problem": "p", "prompt": prompt, "golden": "module m; endmodule", "top": "m" });
        fs::write(bench.path("problems.jsonl"), row.to_string()).expect("a file");
    };
    problem("");
    refused(&mut bench.sample(&SHORT), &["problem p: its prompt has no token"]);
    problem(&"0".repeat(512));
    let words = ["problem p: its prompt has 512 tokens", "context of 512", "leave the problem out"];
    refused(&mut bench.sample(&SHORT), &words);
    // One token of room is one token of an answer.
    problem(&"0".repeat(511));
    succeeded(&mut bench.sample(&SHORT));
    let row: serde_json::Value =
        serde_json::from_str(&bench.read("candidates.jsonl")).expect("a row");
    assert_eq!((&row["tokens"], &row["finish"]), (&1.into(), &"length".into()));
    refused(&mut bench.sample(&["-o", "problems.jsonl"]), &["would overwrite an input"]);
}

#[test]
fn files_of_another_model_are_refused() {
    let bench = Bench::new();
    let adapter = fixtures().join("tied/adapter");
    let adapter = adapter.to_str().expect("text");
    refused(bench.sample(&SHORT).args(["--adapter", adapter]), &["lora_A", "shape"]);
    refused(bench.sample(&SHORT).args(["--adapter", "nowhere"]), &["failed to read nowhere"]);
    let config = bench.read("model/config.json");
    fs::write(bench.path("model/config.json"), config.replace("400", "64")).expect("a file");
    refused(&mut bench.sample(&SHORT), &["tokenizer.json", "another model's tokenizer"]);
    fs::write(bench.path("model/config.json"), config.replace("[2,7]", "[2,400]")).expect("a file");
    refused(&mut bench.sample(&SHORT), &["config.json", "eos_token_id is 400", "0 to 399"]);
}

#[test]
fn weights_that_are_no_numbers_are_named_by_their_layer() {
    let bench = Bench::new();
    let damage = |name: &str, place: &str| {
        let damaged = weights().into_iter().map(|(of, tensor)| {
            let value = if of == name { f64::NAN } else { 0.0 };
            (of, tensor + Tensor::from(value).to_kind(tch::Kind::Float))
        });
        save(&bench.path("model"), &damaged.collect::<Vec<_>>(), usize::MAX).expect("weights");
        let words = ["problem xor, sample 0, token 0: the logit of token 0 is NaN", place];
        refused(&mut bench.sample(&SHORT), &[&words[..], &["--precision fp32"]].concat());
    };
    damage("model.layers.1.mlp.down_proj.weight", "model.layers.1 gives it first");
    damage("model.embed_tokens.weight", "the embedding gives it first");
    damage("model.norm.weight", "the head gives it first");
}

#[test]
fn a_run_goes_on_only_as_what_it_was() {
    let bench = Bench::new();
    succeeded(&mut bench.sample(&SHORT));
    let resumed = |arguments: &[&str], key: &str| {
        let arguments = [&SHORT[..], &["--resume"], arguments].concat();
        refused(&mut bench.sample(&arguments), &["resume candidates.jsonl", key]);
    };
    resumed(&["--seed", "5"], "seed");
    resumed(&["--temperature", "0.5"], "settings.temperature");
    resumed(&["--precision", "bf16"], "precision");
    resumed(&["--threads", "2"], "threads");
    let mut other = weights();
    other[3].1 = &other[3].1 * 2.0;
    save(&bench.path("model"), &other, usize::MAX).expect("weights");
    resumed(&[], "model");
}

/// Rows are handed over as they come: a full disk costs those that did not fit.
#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    let bench = Bench::new();
    if !std::path::Path::new("/dev/full").exists() {
        eprintln!("skipped: there is no /dev/full");
        return;
    }
    std::os::unix::fs::symlink("/dev/full", bench.path("full.jsonl")).expect("a link");
    let words = ["failed after", "write full.jsonl", "No space left"];
    refused(bench.sample(&SHORT).args(["-o", "full.jsonl"]), &words);
}
