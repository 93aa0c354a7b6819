//! Whole runs by the program: what they write, that stopped ones go on to the same bytes, and how they fail.

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{config, toy};

/// A folder with a model, pairs and samples.
pub(super) struct Bench {
    folder: TempDir,
}

impl Bench {
    pub(super) fn new() -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        toy(folder.path(), true);
        let bench = Bench { folder };
        bench.write_rows("pairs.jsonl", (0..12).map(pair));
        bench.write_rows("sft.jsonl", (0..12).map(sample));
        bench
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write_rows(&self, name: &str, rows: impl Iterator<Item = Value>) {
        let text: String = rows.map(|row| format!("{row}\n")).collect();
        fs::write(self.path(name), text).expect("a file");
    }

    pub(super) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_salv-train"));
        command.current_dir(self.folder.path()).args(arguments.split_whitespace());
        command.args(["--threads", "1", "--device", "cpu"]);
        command
    }

    pub(super) fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().expect("it starts")
    }

    #[track_caller]
    pub(super) fn succeeds(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments}: {said}");
        said
    }

    #[track_caller]
    pub(super) fn fails(&self, arguments: &str, words: &[&str]) {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
        assert!(!said.contains("panicked"), "{said}");
    }

    pub(super) fn metrics(&self, run: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(run).join("metrics.jsonl")).expect("metrics");
        text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
    }
}

fn texts(at: usize) -> [String; 2] {
    let module = |operator: &str| {
        format!("module m{at}(input a, b, output y);\n  assign y = a {operator} b;\nendmodule\n")
    };
    ["&", "|"].map(module)
}

pub(super) fn pair(at: usize) -> Value {
    let [chosen, rejected] = texts(at);
    let cone = chosen.find("assign").expect("a statement");
    let spans = json!([[cone, cone + 17, 1.0]]);
    json!({
        "problem": format!("p{}", at / 2), "prompt": format!("Write m{at}."), "kind": "signal", "signals": ["y"],
        "chosen_id": "0", "chosen": chosen, "chosen_spans": spans,
        "rejected_id": "1", "rejected": rejected, "rejected_spans": spans,
    })
}

fn sample(at: usize) -> Value {
    json!({ "id": at.to_string(), "prompt": format!("Write m{at}."), "completion": texts(at)[0] })
}

pub(super) const DPO: &str = "dpo model pairs.jsonl --rate 1e-2 --steps 9 --batch 4 --save-every 2 --eval-share 0.3 --eval-every 3 --lora-dropout 0.2";
pub(super) const SFT: &str = "sft model sft.jsonl --rate 1e-2 --steps 9 --batch 4 --save-every 2 --eval-share 0.3 --eval-every 3 --full";

/// All files of a run whose bytes must not depend on how often it was stopped.
pub(super) fn bytes_of(run: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![run.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            match path.file_name().and_then(|name| name.to_str()).unwrap_or_default() {
                "timings.jsonl" | "tensorboard" => {}
                _ if path.is_dir() => folders.push(path),
                _ => {
                    let bytes = fs::read(&path).expect("a file");
                    files.push((path.strip_prefix(run).expect("below").to_owned(), bytes));
                }
            }
        }
    }
    files.sort();
    files
}

#[test]
fn runs_learn_and_write_what_they_say() {
    let bench = Bench::new();
    for (command, metric, is_better) in [
        (DPO, "eval_rewards/margins", Value::as_f64 as fn(&Value) -> Option<f64>),
        (SFT, "eval_loss", |value| value.as_f64().map(|loss| -loss)),
    ] {
        let _ = fs::remove_dir_all(bench.path("run"));
        bench.succeeds(&format!("{command} -o run"));
        let rows = bench.metrics("run");
        let steps: Vec<u64> = rows.iter().filter_map(|row| row["step"].as_u64()).collect();
        assert_eq!(steps, [0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9]);
        let first = is_better(&rows[0][metric]).expect("a number");
        let last = is_better(&rows[rows.len() - 1][metric]).expect("a number");
        assert!(last > first, "{metric}: {first} to {last}");
        // The first step of a warm-up has a rate of zero.
        assert_eq!(rows[1]["learning_rate"], 0.0);
        let names: Vec<String> = fs::read_dir(bench.path("run"))
            .expect("a folder")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with("step-"))
            .collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }
    assert!(bench.path("run/last/model.safetensors").is_file());
    assert!(bench.path("run/best/tokenizer.json").is_file());
}

#[test]
fn a_run_that_was_killed_goes_on_to_the_same_bytes() {
    let bench = Bench::new();
    for command in [DPO, SFT] {
        let whole = bench.path("whole");
        bench.succeeds(&format!("{command} -o whole"));
        // Killed wherever it is when so many rows are written, then again, then to its end.
        for (kills, rows) in [2, 6].into_iter().enumerate() {
            let resume = if kills > 0 { "--resume" } else { "" };
            let mut run = bench
                .command(&format!("{command} -o part {resume}"))
                .stderr(Stdio::null())
                .spawn()
                .expect("it starts");
            let started = Instant::now();
            while run.try_wait().expect("a child").is_none()
                && started.elapsed() < Duration::from_secs(60)
            {
                let metrics = fs::read(bench.path("part/metrics.jsonl")).unwrap_or_default();
                if metrics.iter().filter(|byte| **byte == b'\n').count() >= rows {
                    let _ = run.kill();
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            let _ = run.wait();
        }
        bench.succeeds(&format!("{command} -o part --resume"));
        let (whole, part) = (bytes_of(&whole), bytes_of(&bench.path("part")));
        let names = |files: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
            files.iter().map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(names(&whole), names(&part));
        for ((name, one), (_, other)) in whole.iter().zip(&part) {
            assert!(one == other, "{} differs", name.display());
        }
        for run in ["whole", "part"] {
            fs::remove_dir_all(bench.path(run)).expect("a folder");
        }
    }
}

#[test]
fn a_run_is_not_overwritten_nor_continued_as_another() {
    let bench = Bench::new();
    bench.succeeds(&format!("{DPO} -o run"));
    bench.fails(&format!("{DPO} -o run"), &["holds a run", "--resume"]);
    let other = DPO.replace("--rate 1e-2", "--rate 1e-3");
    bench.fails(&format!("{other} -o run --resume"), &["configuration.rate", "same settings"]);
    bench.write_rows("pairs.jsonl", (0..13).map(pair));
    bench.fails(&format!("{DPO} -o run --resume"), &["pairs.jsonl", "same settings and inputs"]);
}

#[test]
fn a_damaged_checkpoint_is_named_with_its_cure() {
    let bench = Bench::new();
    bench.succeeds(&format!("{DPO} -o run"));
    let state = bench.path("run/step-000009/state.json");
    fs::write(&state, "{\"step\":").expect("a file");
    bench.fails(
        &format!("{DPO} -o run --resume"),
        &["state.json", "--resume goes on from the checkpoint before"],
    );
    fs::remove_dir_all(bench.path("run/step-000009")).expect("a folder");
    bench.succeeds(&format!("{DPO} -o run --resume"));
    assert!(state.is_file());
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_before_the_model_has_it() {
    let bench = Bench::new();
    let wild = SFT
        .replace("--rate 1e-2", "--rate 1e38 --warmup 0 --clip 0")
        .replace("--save-every 2", "--save-every 1");
    bench.fails(&format!("{wild} -o run"), &["is NaN at step", "on lines [", "--rate"]);
    assert!(!bench.path("run/last").exists());
}

#[test]
fn pairs_that_cannot_be_learnt_from_are_counted_or_refused() {
    let bench = Bench::new();
    let mut rows: Vec<Value> = (0..6).map(pair).collect();
    rows[1]["rejected_spans"] = json!([]);
    rows[2]["prompt"] = json!("long ".repeat(300));
    bench.write_rows("pairs.jsonl", rows.iter().cloned());
    let short = "dpo model pairs.jsonl --steps 1 --batch 2 --cutoff 300 -o";
    let said = bench.succeeds(&format!("{short} one"));
    for words in
        ["4 rows", "1 left out: no token is to be learnt from", "1 left out: the prompt alone"]
    {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
    bench.write_rows("pairs.jsonl", rows[1..2].iter().cloned());
    bench.fails(
        &format!("{short} two"),
        &["no row of pairs.jsonl can be learnt from", "1 left out: no token"],
    );
    bench.write_rows("pairs.jsonl", std::iter::empty());
    bench.fails(&format!("{short} two"), &["no row of pairs.jsonl", "it has none"]);
    let mut module = pair(0);
    module["kind"] = json!("module");
    bench.write_rows("pairs.jsonl", [pair(1), module].into_iter());
    bench.fails(
        &format!("{short} two"),
        &["pairs.jsonl:2", "its kind is module", "salv pair --mode signal"],
    );
    bench.fails(
        &format!("{short} two --mode module"),
        &["pairs.jsonl:1", "salv pair --mode module"],
    );
    fs::write(bench.path("pairs.jsonl"), "{\"problem\": 3}\n").expect("a file");
    bench.fails(&format!("{short} two"), &["pairs.jsonl:1"]);
    bench.fails("dpo model pairs.jsonl --cutoff 5000 -o two", &["--cutoff 5000", "512 positions"]);
}

#[test]
fn a_model_that_is_not_whole_is_refused() {
    let bench = Bench::new();
    let weights = bench.path("model/model.safetensors");
    let whole = fs::read(&weights).expect("weights");
    fs::write(&weights, &whole[..whole.len() - 100]).expect("a file");
    bench.fails(&format!("{DPO} -o run"), &["model.safetensors"]);
    fs::write(&weights, &whole).expect("a file");
    let mut small = config(true);
    small["vocab_size"] = json!(100);
    fs::write(bench.path("model/config.json"), small.to_string()).expect("a file");
    bench.fails(&format!("{DPO} -o run"), &["tokenizer.json", "another model's tokenizer"]);
    assert!(!bench.path("run/metrics.jsonl").exists());
}

#[test]
fn the_modes_and_forms_of_the_loss_run_and_differ() {
    let bench = Bench::new();
    let base = "dpo model pairs.jsonl --rate 1e-2 --steps 3 --batch 4 --warmup 0 -o run";
    let mut losses: Vec<String> = Vec::new();
    for more in [
        "",
        "--mode unfiltered",
        "--mode inverted",
        "--mode random",
        "--loss ipo",
        "--smoothing 0.2",
        "--end-in-mask",
        "--sft-weight 0.5",
        "--beta 0.5",
        "--shuffle-labels",
        "--rslora --lora-targets q_proj,v_proj",
        "--full",
        "--precision bf16",
        "--seed 1",
    ] {
        bench.succeeds(&format!("{base} {more}"));
        let rows = bench.metrics("run");
        assert_eq!(rows.len(), 3, "{more}");
        losses.push(rows[2]["loss"].to_string());
        fs::remove_dir_all(bench.path("run")).expect("a folder");
    }
    let mut unlike = losses.clone();
    unlike.sort();
    unlike.dedup();
    assert_eq!(unlike.len(), losses.len(), "{losses:?}");
}

#[test]
fn a_reference_that_is_kept_gives_what_one_beside_the_policy_gives() {
    let bench = Bench::new();
    let base = "dpo model pairs.jsonl --rate 1e-2 --steps 6 --batch 4 --eval-share 0.3 -o";
    bench.succeeds(&format!("{base} beside"));
    bench.succeeds(&format!("{base} kept --cache-reference"));
    bench.succeeds(&format!("{base} other --reference model"));
    let beside = bench.metrics("beside");
    for run in ["kept", "other"] {
        for (one, other) in beside.iter().zip(bench.metrics(run)) {
            for name in ["loss", "eval_loss", "grad_norm"] {
                let number = |row: &Value| row[name].as_f64().unwrap_or(0.0);
                assert!((number(one) - number(&other)).abs() < 1e-4, "{one} {other}");
            }
        }
        let kept = fs::read_to_string(bench.path(run).join("reference.jsonl")).expect("a file");
        assert_eq!(kept.lines().count() + 2, 12, "all but the pairs that are held out");
    }
}

#[test]
fn a_dry_run_shows_masks_and_writes_nothing() {
    let bench = Bench::new();
    let output = bench.run(&format!("{DPO} -o run --dry-run"));
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    for words in
        ["⟦ assign y = a & b;\n⟧", "⟦ assign y = a | b;\n⟧", "one step", "all steps", "memory"]
    {
        assert!(shown.contains(words), "{words:?} is not in: {shown}");
    }
    assert!(!bench.path("run").exists());
}

#[test]
fn a_model_begins_with_nothing_learnt() {
    let bench = Bench::new();
    let init = |name: &str, seed: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_salv-train"));
        command.current_dir(bench.folder.path());
        let output = command
            .args(["init", "model", "-o", name, "--seed", seed])
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(bench.path(name).join("model.safetensors")).expect("weights")
    };
    assert_eq!(init("one", "1"), init("two", "1"));
    assert_ne!(init("one", "1"), init("three", "2"));
    bench.succeeds("sft one sft.jsonl --steps 1 --batch 2 --full -o run");
}

#[test]
fn two_ranks_lose_what_one_process_with_the_whole_batch_loses() {
    let bench = Bench::new();
    let command = DPO.replace("--lora-dropout 0.2", "");
    bench.succeeds(&format!("{command} -o alone"));
    // A port that was free a moment ago.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = port.expect("a port").port().to_string();
    let ranks: Vec<_> = ["0", "1"]
        .map(|rank| {
            let mut ranked = bench.command(&format!("{command} -o ranked"));
            ranked.envs([
                ("RANK", rank),
                ("WORLD_SIZE", "2"),
                ("MASTER_ADDR", "127.0.0.1"),
                ("MASTER_PORT", &port),
            ]);
            ranked.stderr(Stdio::piped()).spawn().expect("it starts")
        })
        .into_iter()
        .map(|rank| rank.wait_with_output().expect("it ends"))
        .collect();
    for rank in &ranks {
        assert!(rank.status.success(), "{}", String::from_utf8_lossy(&rank.stderr));
    }
    assert!(ranks[1].stderr.is_empty(), "one rank speaks");
    let (alone, ranked) = (bench.metrics("alone"), bench.metrics("ranked"));
    assert_eq!(alone.len(), ranked.len());
    for (one, other) in alone.iter().zip(&ranked) {
        assert_eq!((&one["step"], &one["tokens"]), (&other["step"], &other["tokens"]));
        for name in ["loss", "eval_loss", "grad_norm", "rewards/margins", "eval_logps/chosen"] {
            let number = |row: &Value| row[name].as_f64().unwrap_or(0.0);
            let off = (number(one) - number(other)).abs();
            assert!(off < 1e-4 * (1.0 + number(one).abs()), "{name}: {one} {other}");
        }
    }
}

/// Fills a small disk that holds the run up to some KiB, trains, makes room, and goes on. The disk is mounted for this
/// script alone.
const FULL_DISK: &str = r#"
set -eu
mkdir disk
mount -t tmpfs -o size=4m none disk || exit 99
head -c $(( ($(df --output=avail -k disk | tail -n 1) - LEAVE) * 1024 )) /dev/zero > disk/filler
code=0
"$TRAINER" $COMMAND -o disk/run --device cpu --threads 1 2> said || code=$?
rm disk/filler
"$TRAINER" $COMMAND -o disk/run --device cpu --threads 1 --resume 2> resumed
cp -a disk/run run
exit $code
"#;

#[test]
fn a_full_disk_ends_a_run_that_goes_on_when_there_is_room() {
    let bench = Bench::new();
    bench.succeeds(&format!("{SFT} -o whole"));
    // Room for nothing, for a part of the first checkpoint, and for some checkpoints.
    for leave in ["8", "120", "400"] {
        let run = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", FULL_DISK])
            .current_dir(bench.path(""))
            .env("TRAINER", env!("CARGO_BIN_EXE_salv-train"))
            .env("COMMAND", SFT)
            .env("LEAVE", leave)
            .output();
        let run = match run {
            Ok(run) if run.status.code() != Some(99) && !run.stderr.starts_with(b"unshare:") => run,
            other => {
                eprintln!("skipped: no disk can be mounted here: {other:?}");
                return;
            }
        };
        let said = fs::read_to_string(bench.path("said")).unwrap_or_default();
        let script = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(1), "{leave} KiB: {script}{said}");
        assert!(said.contains("No space left"), "{leave} KiB: {said}");
        let (whole, part) = (bytes_of(&bench.path("whole")), bytes_of(&bench.path("run")));
        assert!(whole == part, "{leave} KiB: the files differ");
        for name in ["run", "disk"] {
            fs::remove_dir_all(bench.path(name)).expect("a folder");
        }
    }
}
