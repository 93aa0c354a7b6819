//! Whole runs of `salv sample`: the same bytes in any batch, part and order, and after any end.

#![expect(clippy::print_stderr, reason = "figures are what this test is for")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use salv::model::Pass;
use salv::model::kv_cache::Attention;
use salv::sample::run::Task;
use salv::sample::{Row, Settings};
use serde_json::Value;
use tch::Kind;

use super::{Bench, load, rows, succeeded};

const SHORT: [&str; 4] = ["-n", "3", "--max-tokens", "40"];

fn parsed(text: &str) -> Vec<Row> {
    text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
}

#[test]
fn candidates_are_the_same_bytes_in_any_batch() {
    let bench = Bench::new();
    let run = |batch: &str, output: &str| {
        succeeded(bench.sample(&SHORT).args(["--batch", batch, "-o", output]));
        (bench.read(output), bench.read(&format!("{output}.meta.json")))
    };
    let alone = run("1", "1.jsonl");
    for batch in ["3", "8", "17"] {
        assert!(run(batch, &format!("{batch}.jsonl")) == alone, "batch {batch} differs");
    }
    let rows = parsed(&alone.0);
    let order: Vec<(&str, usize)> =
        rows.iter().map(|row| (row.problem.as_str(), row.sample)).collect();
    let problems = ["xor", "and", "adder", "mux"];
    let expected = problems.iter().flat_map(|name| (0..3).map(move |sample| (*name, sample)));
    assert_eq!(order, expected.collect::<Vec<_>>());
    assert_eq!(rows[4].id, "and/1");
    let texts: std::collections::HashSet<&str> =
        rows.iter().map(|row| row.completion.as_str()).collect();
    assert_eq!(texts.len(), rows.len(), "every sample is another one");
    let meta: Value = serde_json::from_str(&alone.1).expect("JSON");
    assert_eq!(meta["stage"], "sample");
    assert_eq!(meta["configuration"]["settings"]["ends"], serde_json::json!([2, 7]));
    assert!(!bench.path("1.jsonl.ahead").exists());
    // Another seed, or another order of the problems: other texts, and the same texts in another order.
    succeeded(bench.sample(&SHORT).args(["--seed", "2", "-o", "seed.jsonl"]));
    assert!(parsed(&bench.read("seed.jsonl")).iter().zip(&rows).all(|(one, other)| one != other));
    fs::write(bench.path("problems.jsonl"), {
        let problems = bench.read("problems.jsonl");
        problems.lines().rev().map(|line| format!("{line}\n")).collect::<String>()
    })
    .expect("a file");
    succeeded(bench.sample(&SHORT).args(["-o", "reversed.jsonl"]));
    let mut reversed = parsed(&bench.read("reversed.jsonl"));
    reversed.sort_by_key(|row| rows.iter().position(|other| other.id == row.id));
    assert_eq!(reversed, rows);
}

#[test]
fn parts_of_a_run_merge_to_the_whole() {
    let bench = Bench::new();
    succeeded(bench.sample(&SHORT).args(["-o", "whole.jsonl"]));
    for part in ["1/3", "2/3", "3/3"] {
        let name = format!("part-{}.jsonl", &part[..1]);
        succeeded(bench.sample(&SHORT).args(["--shard", part, "-o", &name]));
    }
    let parts = ["merge", "part-2.jsonl", "part-1.jsonl", "part-3.jsonl", "-o", "merged.jsonl"];
    let said = succeeded(&mut bench.salv(&parts));
    assert!(said.contains("12 candidates are in merged.jsonl"), "{said}");
    assert_eq!(bench.read("merged.jsonl"), bench.read("whole.jsonl"));
    assert_eq!(bench.read("merged.jsonl.meta.json"), bench.read("whole.jsonl.meta.json"));
}

/// Starts a long run, gives it a signal once it has written something more, and returns how it ended.
#[track_caller]
fn interrupted(bench: &Bench, arguments: &[&str], signal: &str) -> std::process::ExitStatus {
    let length = || fs::metadata(bench.path("candidates.jsonl")).map_or(0, |data| data.len());
    let before = length();
    let mut child = bench.sample(arguments).stderr(Stdio::null()).spawn().expect("salv");
    let started = Instant::now();
    while length() <= before {
        assert!(started.elapsed() < Duration::from_secs(60), "no row is written");
        std::thread::sleep(Duration::from_millis(1));
    }
    let kill = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(kill.expect("kill").success());
    child.wait().expect("an end")
}

#[test]
fn a_run_that_was_killed_or_stopped_goes_on_to_the_same_bytes() {
    let bench = Bench::new();
    let long = ["-n", "6", "--max-tokens", "200", "--batch", "3"];
    succeeded(bench.sample(&long).args(["-o", "whole.jsonl"]));
    let whole = bench.read("whole.jsonl");
    let killed = interrupted(&bench, &long, "-KILL");
    assert_eq!(killed.signal(), Some(9));
    assert!(bench.read("candidates.jsonl").len() < whole.len(), "it was killed in the middle");
    let again: Vec<&str> = [&long[..], &["--resume"]].concat();
    let stopped = interrupted(&bench, &again, "-INT");
    assert_eq!(stopped.code(), Some(130));
    let part = bench.read("candidates.jsonl");
    assert!(part.ends_with('\n') && whole.starts_with(&part) && part.len() < whole.len());
    let wider = ["-n", "6", "--max-tokens", "200", "--batch", "7", "--resume"];
    succeeded(&mut bench.sample(&wider));
    assert_eq!(bench.read("candidates.jsonl"), whole);
    assert!(!bench.path("candidates.jsonl.ahead").exists());
}

/// Rows that wait for an earlier one are not generated again: the run that goes on is shown them.
#[test]
fn rows_that_are_known_are_not_made_again() {
    use std::collections::BTreeMap;
    use std::sync::atomic::AtomicBool;

    use salv::sample::run::{Run, sample};

    let bench = Bench::new();
    let (model, tokenizer) = load(&bench.path("model"), Kind::Float);
    let tasks = [Task { problem: "p".to_owned(), prompt: vec![5, 6] }];
    let settings = Settings { samples: 4, max_tokens: 5, ..Settings::default() };
    let company = (2, Attention::Alone);
    let whole = rows((&model, &tokenizer), Pass::Policy, &tasks, &settings, company);
    let marked = Row { completion: "kept".to_owned(), ..whole[2].clone() };
    let stop = AtomicBool::new(false);
    let run = Run {
        model: &model,
        pass: Pass::Policy,
        tokenizer: &tokenizer,
        settings: &settings,
        tasks: &tasks,
        batch: 2,
        attention: Attention::Alone,
        threads: 1,
        stop: &stop,
    };
    let mut rest = super::Rows::default();
    sample(&run, 1..4, BTreeMap::from([(2, marked.clone())]), &mut rest).expect("a run");
    assert_eq!(rest.0, [whole[1].clone(), marked, whole[3].clone()]);
}

/// In bf16 too the batch does not matter on a CPU; and what is written is said.
#[test]
fn in_bf16_the_batch_does_not_matter_either() {
    let bench = Bench::new();
    for batch in ["1", "8"] {
        let output = format!("{batch}.jsonl");
        let narrow = ["--precision", "bf16", "--batch", batch, "-o", &output];
        let said = succeeded(bench.sample(&SHORT).args(narrow));
        assert!(said.contains("BFloat16 on Cpu") && said.contains("top-p 0.95"), "{said}");
    }
    assert_eq!(bench.read("1.jsonl"), bench.read("8.jsonl"));
    succeeded(bench.sample(&SHORT).args(["-o", "wide.jsonl"]));
    assert_ne!(bench.read("1.jsonl"), bench.read("wide.jsonl"));
}

#[test]
fn stop_texts_end_a_completion_wherever_tokens_end() {
    let bench = Bench::new();
    succeeded(bench.sample(&SHORT).args(["-o", "free.jsonl"]));
    let free = parsed(&bench.read("free.jsonl"));
    // A text from the middle of a completion: it has more bytes than a token.
    let text = &free[0].completion;
    let at = (5..).find(|at| text.is_char_boundary(*at) && text.is_char_boundary(at + 7));
    let stop = &text[at.expect("a place")..][..7];
    succeeded(bench.sample(&SHORT).args(["--stop", stop, "-o", "stopped.jsonl"]));
    let stopped = parsed(&bench.read("stopped.jsonl"));
    for (one, other) in stopped.iter().zip(&free) {
        let expected = other.completion.split(stop).next().expect("a text");
        assert_eq!(one.completion, expected);
        let is_stopped = expected.len() < other.completion.len();
        assert_eq!(one.finish, if is_stopped { salv::sample::Finish::Stop } else { other.finish });
    }
    assert!(stopped[0].tokens < free[0].tokens);
}

#[test]
fn the_models_own_settings_are_used_when_asked_for() {
    let bench = Bench::new();
    let own = r#"{"do_sample": true, "temperature": 0.7, "top_p": 0.8, "top_k": 20,
        "repetition_penalty": 1.1, "eos_token_id": [9, 11]}"#;
    fs::write(bench.path("model/generation_config.json"), own).expect("a file");
    let settings = |arguments: &[&str]| -> Value {
        succeeded(bench.sample(&["-n", "1", "--max-tokens", "2"]).args(arguments));
        let meta = bench.read("candidates.jsonl.meta.json");
        serde_json::from_str::<Value>(&meta).expect("JSON")["configuration"]["settings"].clone()
    };
    let paper = settings(&[]);
    assert_eq!((&paper["temperature"], &paper["top_p"]), (&1.0.into(), &0.95.into()));
    assert_eq!(paper["ends"], serde_json::json!([2, 7, 9, 11]), "whatever else is asked for");
    let models = settings(&["--model-settings", "--top-k", "5"]);
    assert_eq!((&models["temperature"], &models["top_p"]), (&0.7.into(), &0.8.into()));
    assert_eq!((&models["top_k"], &models["repetition_penalty"]), (&5.into(), &1.1.into()));
}

/// On a card all sequences are one batch, whose size decides how sums round. The way of computing is tried here on the
/// CPU: what it does to completions is printed, and in fp32 it is little.
#[test]
fn the_share_of_completions_that_hang_on_the_batch_of_a_card_is_measured() {
    let bench = Bench::new();
    for (kind, share_max) in [(Kind::Float, 0.1), (Kind::BFloat16, 1.0)] {
        let (model, tokenizer) = load(&bench.path("model"), kind);
        let task = |at: u32| Task { problem: at.to_string(), prompt: (3..9 + at).collect() };
        let tasks: Vec<Task> = (0..8).map(task).collect();
        let settings = Settings { samples: 8, max_tokens: 40, ..Settings::default() };
        let run = |batch| {
            let company = (batch, Attention::Masked);
            rows((&model, &tokenizer), Pass::Policy, &tasks, &settings, company)
        };
        let (alone, eight) = (run(1), run(8));
        let differing = alone.iter().zip(&eight).filter(|(one, other)| one != other).count();
        let share = differing as f64 / alone.len() as f64;
        eprintln!("{kind:?}: {differing} of {} completions differ", alone.len());
        assert!(share <= share_max, "{kind:?}: {share}");
        // The first token is that of the prompt alone, and nothing but rounding sets the rest apart.
        let begins = |row: &Row| row.completion.chars().next();
        let same = alone.iter().zip(&eight).filter(|(one, other)| begins(one) == begins(other));
        assert!(same.count() * 10 >= alone.len() * 9);
    }
}
