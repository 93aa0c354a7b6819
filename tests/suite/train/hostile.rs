//! What a hurried or unlucky user does to a run: arguments that cannot be, damaged files, models that do not belong
//! together, Ctrl-C. Each has an answer that says where and, where known, what to do.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::config;
use super::runs::{Bench, DPO, bytes_of, pair};

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

#[test]
fn what_was_damaged_in_a_run_is_named_and_not_passed_over() {
    let bench = Bench::new();
    bench.succeeds(&format!("{DPO} -o whole"));
    bench.succeeds("dpo model pairs.jsonl --steps 1 --batch 2 --lora-rank 1 -o other");
    let whole = bench.path("whole");
    let (last, before) = (whole.join("step-000009"), whole.join("step-000008"));
    let read = |path: &Path| fs::read(path).expect("a file");
    let metrics = String::from_utf8(read(&whole.join("metrics.jsonl"))).expect("text");
    let adapter = "step-000009/adapter_model.safetensors";
    let optimizer = "step-000009/optimizer.safetensors";
    let going_back = "--resume goes on from the checkpoint before";
    let check = |name: &str, bytes: &[u8], words: &[&str]| {
        let _ = fs::remove_dir_all(bench.path("run"));
        copy_folder(&whole, &bench.path("run"));
        fs::write(bench.path("run").join(name), bytes).expect("a file");
        bench.fails(&format!("{DPO} -o run --resume"), words);
    };
    let cut = |path: &Path| read(path)[..200].to_vec();
    check(adapter, &cut(&last.join("adapter_model.safetensors")), &[adapter, going_back]);
    // Of rank 1: LibTorch would copy its one row into all eight.
    let foreign = read(&bench.path("other/step-000001/adapter_model.safetensors"));
    check(adapter, &foreign, &[adapter, "shape", going_back]);
    check(optimizer, &cut(&last.join("optimizer.safetensors")), &[optimizer, going_back]);
    let older = read(&before.join("optimizer.safetensors"));
    check(optimizer, &older, &["says step 9", "step 8", going_back]);
    let older = read(&before.join("state.json"));
    check("step-000009/state.json", &older, &["says step 8", "step 9", going_back]);
    let edited = metrics.replacen("\"step\":2", "\"step\":", 1);
    check("metrics.jsonl", edited.as_bytes(), &["metrics.jsonl:3", "mend the line"]);
    let short: String = metrics.split_inclusive('\n').take(6).collect();
    check("metrics.jsonl", short.as_bytes(), &["ends at step 4", "step 9", going_back]);
    check("metrics.jsonl", b"", &["metrics.jsonl", "empty or missing", going_back]);
    fs::create_dir(bench.path("whole/step-000020")).expect("a folder");
    check("timings.jsonl", b"", &["ends at step 9", "step 20", going_back]);
    fs::remove_dir(bench.path("whole/step-000020")).expect("a folder");
    // A file by a checkpoint's name is none.
    copy_folder(&whole, &bench.path("named"));
    fs::write(bench.path("named/step-000020"), "").expect("a file");
    bench.succeeds(&format!("{DPO} -o named --resume"));
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a file");
        }
    }
}

#[test]
fn ctrl_c_stops_after_the_step_and_the_run_goes_on_to_the_same_bytes() {
    let bench = Bench::new();
    let long = DPO.replace("--steps 9", "--steps 200").replace("--save-every 2", "--save-every 75");
    bench.succeeds(&format!("{long} -o whole"));
    let mut run = bench.command(&format!("{long} -o part"));
    let mut run = run.stderr(Stdio::piped()).spawn().expect("it starts");
    let started = Instant::now();
    while run.try_wait().expect("a child").is_none() && started.elapsed().as_secs() < 60 {
        let metrics = fs::read(bench.path("part/metrics.jsonl")).unwrap_or_default();
        if metrics.iter().filter(|byte| **byte == b'\n').count() >= 10 {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let process = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(process, rustix::process::Signal::INT).expect("a signal");
    let output = run.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("stopped after step"), "{said}");
    assert!(!bench.path("part/last").exists());
    bench.succeeds(&format!("{long} -o part --resume"));
    // The checkpoint where it was stopped is gone, too.
    assert!(bytes_of(&bench.path("whole")) == bytes_of(&bench.path("part")));
}

#[test]
fn an_evaluation_that_is_no_number_ends_the_run_and_is_not_the_best() {
    let bench = Bench::new();
    let wild =
        "dpo model pairs.jsonl --eval pairs.jsonl --rate 1e38 --warmup 0 --steps 1 --batch 4";
    bench.fails(&format!("{wild} -o run"), &["loss of the evaluation is NaN at step 1", "--rate"]);
    assert!(!bench.path("run/best").exists() && !bench.path("run/last").exists());
}

#[test]
fn models_that_do_not_belong_to_a_run_are_refused() {
    let bench = Bench::new();
    let run = "dpo model pairs.jsonl --steps 2 --batch 4 --save-every 1";
    let config = config(true);
    for (key, value, word) in
        [("vocab_size", 100, "vocab_size is 100"), ("max_position_embeddings", 16, "16 positions")]
    {
        copy_folder(&bench.path("model"), &bench.path("other"));
        let mut changed = config.clone();
        changed[key] = json!(value);
        fs::write(bench.path("other/config.json"), changed.to_string()).expect("a file");
        bench.fails(&format!("{run} -o run --reference other"), &["other", word]);
        fs::remove_dir_all(bench.path("other")).expect("a folder");
    }
    // Another model of the same size takes the place of the reference, then of the model.
    copy_folder(&bench.path("model"), &bench.path("other"));
    let replace = |name: &str| {
        let path = bench.path(name).join("model.safetensors");
        let mut bytes = fs::read(&path).expect("weights");
        *bytes.last_mut().expect("a byte") ^= 1;
        fs::write(path, bytes).expect("a file");
    };
    bench.succeeds(&format!("{run} -o run --reference other"));
    let resumed = format!("{run} -o run --reference other --resume");
    bench.succeeds(&resumed);
    replace("other");
    bench.fails(&resumed, &["objective.reference", "same settings"]);
    replace("other");
    replace("model");
    bench.fails(&resumed, &["inputs.model", "same settings"]);
}

#[test]
fn what_a_reference_said_is_not_taken_for_other_pairs() {
    let bench = Bench::new();
    let run = "dpo model pairs.jsonl --steps 2 --batch 4 --cache-reference -o run";
    bench.succeeds(run);
    let path = bench.path("run/reference.jsonl");
    let text = fs::read_to_string(&path).expect("a file");
    fs::write(&path, text.replacen("{\"line\":3,", "{\"line\":4,", 1)).expect("a file");
    bench.fails(&format!("{run} --resume"), &["reference.jsonl:3", "another pair", "remove"]);
    // What was computed for a run that has not begun is a run's.
    fs::remove_dir_all(bench.path("run")).expect("a folder");
    fs::create_dir(bench.path("run")).expect("a folder");
    fs::write(&path, text).expect("a file");
    bench.fails(run, &["run: it holds a run", "--resume"]);
}

/// Runs two ranks, each with arguments and in a folder of its own, and returns what they say.
fn two_ranks(bench: &Bench, each: [(&str, &str); 2]) -> [String; 2] {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = port.expect("a port").port().to_string();
    let ranks = [0, 1].map(|rank: usize| {
        let (folder, arguments) = each[rank];
        let mut command = bench.command(arguments);
        command.current_dir(bench.path(folder)).stderr(Stdio::piped()).envs([
            ("RANK", rank.to_string().as_str()),
            ("WORLD_SIZE", "2"),
            ("MASTER_ADDR", "127.0.0.1"),
            ("MASTER_PORT", &port),
        ]);
        command.spawn().expect("it starts")
    });
    ranks.map(|rank| {
        let output = rank.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    })
}

#[test]
fn ranks_that_were_told_different_things_say_so() {
    let bench = Bench::new();
    let run = "dpo model pairs.jsonl --steps 4 --batch 4 --save-every 2 -o run";
    let other = format!("{run} --beta 0.9");
    for said in two_ranks(&bench, [("", run), ("", &other)]) {
        assert!(said.contains("different settings, rows or models"), "{said}");
    }
    assert!(!bench.path("run").exists());
    // The second machine has other rows, then has not the run's folder.
    fs::create_dir(bench.path("second")).expect("a folder");
    copy_folder(&bench.path("model"), &bench.path("second/model"));
    bench.write_rows("second/pairs.jsonl", (0..8).map(pair));
    for said in two_ranks(&bench, [("", run), ("second", run)]) {
        assert!(said.contains("different rows"), "{said}");
    }
    bench.write_rows("second/pairs.jsonl", (0..12).map(pair));
    bench.succeeds(run);
    let resumed = format!("{run} --resume");
    for said in two_ranks(&bench, [("", &resumed), ("second", &resumed)]) {
        assert!(said.contains("different last checkpoints"), "{said}");
    }
}
