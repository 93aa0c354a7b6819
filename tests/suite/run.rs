//! `salv run`: the whole loop, killed and gone on, changed and done in part; what it refuses, what it says beforehand.

#![expect(clippy::print_stderr, reason = "figures are what this test is for")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::json;

#[cfg(feature = "train")]
mod killed;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn salv(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_salv"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .concat()
}

/// A folder with the shape of Qwen2.5-Coder-7B, and with files of problems and samples.
fn paper(folder: &Path) -> Vec<String> {
    let shape = json!({
        "vocab_size": 152_064, "hidden_size": 3584, "intermediate_size": 18_944, "num_hidden_layers": 28,
        "num_attention_heads": 28, "num_key_value_heads": 4, "tie_word_embeddings": false,
        "max_position_embeddings": 32_768,
    });
    std::fs::write(folder.join("config.json"), shape.to_string()).expect("a file");
    let problem = json!({ "problem": "and", "prompt": "An AND gate", "golden": "module m; endmodule", "top": "m" });
    std::fs::write(folder.join("problems.jsonl"), format!("{problem}\n")).expect("a file");
    std::fs::write(folder.join("sft.jsonl"), "{}\n".repeat(16)).expect("a file");
    let place = |name: &str| folder.join(name).display().to_string();
    [
        format!("model={:?}", folder.display().to_string()),
        format!("sft.rows={:?}", place("sft.jsonl")),
        format!("problems.file={:?}", place("problems.jsonl")),
        format!("held-out.file={:?}", place("problems.jsonl")),
    ]
    .into_iter()
    .flat_map(|change| ["--set".to_owned(), change])
    .collect()
}

fn recipe(name: &str) -> PathBuf {
    root().join("scripts/recipes").join(name)
}

/// Before anything slow, and without LibTorch: the paper's settings with what they take. 7.62 billion parameters in bf16
/// are 14.2 GiB, and a pair of twice 2,048 tokens takes 2.2 GiB beside them, as it was measured.
#[test]
fn a_dry_run_says_what_the_papers_settings_take() {
    let folder = tempfile::tempdir().expect("a folder");
    let changes = paper(folder.path());
    let output =
        salv(&["run", &recipe("qwen2.5-coder-7b.toml").display().to_string(), "--dry-run", "-o"])
            .arg(folder.path().join("run"))
            .args(&changes)
            .output()
            .expect("the program runs");
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    let line = |start: &str| {
        said.lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("{start}: {said}"))
    };
    assert!(line("dpo").contains("7000 steps of 8 pairs"), "{said}");
    // 7,000 steps of 8 pairs of twice 2,048 tokens.
    assert!(line("dpo").contains("229376000"), "{said}");
    let gibibytes: f64 = line("dpo")
        .split("  ")
        .find_map(|cell| cell.trim().strip_suffix(" GiB")?.parse().ok())
        .unwrap_or_else(|| panic!("{said}"));
    assert!((16.0..18.5).contains(&gibibytes), "{said}");
    assert!(line("sft").contains("4 steps of 8 rows"), "{said}");
    assert!(said.contains("--mode signal") && said.contains("--lora-targets all"), "{said}");
    assert!(!folder.path().join("run").exists(), "a dry run writes nothing");
}

/// What is mistyped shows at once, by the stage's own parser, and before a model is asked for anything.
#[test]
fn settings_that_no_stage_knows_are_refused_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let changes = paper(folder.path());
    let cases = [
        ("pair.max-pears=3", "--max-pears"),
        ("verify.backend='guess'", "guess"),
        ("dpo.output='x'", "[dpo] output"),
        ("sample", "--set sample"),
        ("trian.rate=1", "unknown field"),
    ];
    for (change, words) in cases {
        let output = salv(&["run", &recipe("qwen2.5-coder-7b.toml").display().to_string(), "-o"])
            .arg(folder.path().join("run"))
            .args(&changes)
            .args(["--set", change])
            .output()
            .expect("the program runs");
        let said = said(&output);
        assert!(!output.status.success(), "{change}: {said}");
        // Without the other half it is that which is missing first.
        let is_named =
            said.contains(words) || said.contains("built without the half that needs LibTorch");
        assert!(is_named, "{change}: {said}");
        assert!(!folder.path().join("run/steps.json").exists(), "{change}: a step was begun");
    }
    eprintln!("{} mistakes were refused", cases.len());
}
