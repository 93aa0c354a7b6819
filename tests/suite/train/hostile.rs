//! What a hurried or unlucky user does to a run: arguments that cannot be, damaged files, models that do not belong
//! together, Ctrl-C. Each has an answer that says where and, where known, what to do.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::runs::{Bench, DPO, pair};

#[test]
fn numbers_that_no_run_can_have_are_refused_before_anything_is_read() {
    let bench = Bench::new();
    for (arguments, word) in [
        ("--batch 0", "--batch"),
        ("--batch 18446744073709551615", "--batch"),
        ("--steps 0", "--steps"),
        ("--steps 18446744073709551615", "--steps"),
        ("--epochs nan", "--epochs"),
        ("--epochs inf", "--epochs"),
        ("--rate nan", "--rate"),
        ("--warmup 2", "--warmup"),
        ("--clip nan", "--clip"),
        ("--weight-decay nan", "--weight-decay"),
        ("--beta1 1", "--beta1"),
        ("--beta2 nan", "--beta2"),
        ("--eps 0", "--eps"),
        ("--eval-share 1", "--eval-share"),
        ("--eval-share nan", "--eval-share"),
        ("--eval-every 0", "--eval-every"),
        ("--save-every 0", "--save-every"),
        ("--tokens-at-once 0", "--tokens-at-once"),
        ("--lora-rank 0", "--lora-rank"),
        ("--lora-alpha nan", "--lora-alpha"),
        ("--lora-dropout 1", "--lora-dropout"),
        ("--beta nan", "--beta"),
        ("--smoothing nan", "--smoothing"),
        ("--sft-weight inf", "--sft-weight"),
    ] {
        bench.fails(&format!("dpo nowhere nowhere.jsonl -o run {arguments}"), &[word, "must be"]);
    }
    bench.fails("dpo model pairs.jsonl -o run --lora-rank 1000000000", &["--lora-rank", "widest"]);
    assert!(!bench.path("run").exists());
}

#[test]
fn an_error_says_each_thing_once() {
    let bench = Bench::new();
    for arguments in ["dpo nowhere pairs.jsonl -o run", "dpo model nowhere.jsonl -o run"] {
        let said = bench.run(arguments).stderr;
        let said = String::from_utf8_lossy(&said);
        assert_eq!(said.matches("os error 2").count(), 1, "{said}");
    }
}

#[test]
fn spans_that_are_none_are_refused_with_their_line() {
    let bench = Bench::new();
    for spans in [json!([[5, 100_000, 1.0]]), json!([[5, 9, -1.0]]), json!([[9, 12, 1], [2, 5, 1]])]
    {
        let mut wrong = pair(1);
        wrong["rejected_spans"] = spans;
        bench.write_rows("pairs.jsonl", [pair(0), wrong].into_iter());
        bench.fails(&format!("{DPO} -o run"), &["pairs.jsonl:2", "rejected_spans: ["]);
    }
}

#[test]
fn a_model_is_not_written_over_what_it_is_made_of() {
    let bench = Bench::new();
    bench.succeeds("dpo model pairs.jsonl --steps 1 --batch 2 -o run");
    let config = fs::read(bench.path("model/config.json")).expect("a file");
    let weights = fs::read(bench.path("model/model.safetensors")).expect("a file");
    for arguments in ["init model -o model/../model", "merge model run/last -o model"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_salv-train"));
        command.current_dir(bench.path("")).args(arguments.split_whitespace());
        let output = command.output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("write to another one"), "{said}");
        assert_eq!(fs::read(bench.path("model/config.json")).expect("a file"), config);
        assert_eq!(fs::read(bench.path("model/model.safetensors")).expect("a file"), weights);
    }
}

#[test]
fn a_model_without_a_template_is_asked_plainly_and_says_so() {
    let bench = Bench::new();
    let path = bench.path("model/tokenizer_config.json");
    let text = fs::read(&path).expect("a file");
    let mut config: Value = serde_json::from_slice(&text).expect("a configuration");
    config.as_object_mut().expect("an object").remove("chat_template");
    fs::write(&path, config.to_string()).expect("a file");
    let _ = fs::remove_file(bench.path("model/chat_template.jinja"));
    let said = bench.succeeds("dpo model pairs.jsonl --steps 1 --batch 2 -o run");
    assert!(said.contains("no chat template"), "{said}");
    bench.fails(
        "dpo model pairs.jsonl --steps 1 --batch 2 -o other --system Verilog",
        &["pairs.jsonl:1", "no chat template"],
    );
}
