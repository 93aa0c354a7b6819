//! Importers, on small folders in each layout and, where it lies there, on the real data.

mod contamination;
mod generate;
mod plants;
mod sft;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use salv::candidate::Candidate;
use salv::corpus::{
    ImportError, completions, folder, hash, rtllm, salv_seed, verilog_eval_v1, verilog_eval_v2,
};
use salv::problem::{self, Problem};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/corpus").join(name)
}

/// Returns the folder of real data, `SALV_TEST_DATA` or beside the repository; says so where it is absent.
#[expect(clippy::print_stderr, reason = "a skipped test must not look like one that passed")]
pub fn shared_data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let path = std::env::var_os("SALV_TEST_DATA").map_or(beside, PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: no data at {}", path.display());
    None
}

/// Returns names and tops, in order.
fn names(problems: &[Problem]) -> Vec<(&str, &str)> {
    problems.iter().map(|problem| (problem.problem.as_str(), problem.top.as_str())).collect()
}

#[track_caller]
fn refuse<T: std::fmt::Debug>(outcome: Result<T, ImportError>, expect: &[&str]) {
    let error = outcome.expect_err("an error").to_string();
    for part in expect {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn verilog_eval_v2_has_two_tasks() {
    let both = verilog_eval_v2::import(&fixture("verilog-eval-v2")).expect("problems");
    assert_eq!(
        names(&both),
        [("ve2-cc/Prob901_nor3", "TopModule"), ("ve2-spec/Prob901_nor3", "TopModule")]
    );
    assert!(both[0].prompt.trim_end().ends_with(");"), "the head ends the prompt");
    assert!(both[1].golden.contains("~(a | b | c)"));
    assert_eq!(both[1].golden_top.as_deref(), Some("RefModule"));
    assert!(both[1].testbench.as_deref().is_some_and(|bench| bench.contains("module tb;")));
    let one =
        verilog_eval_v2::import(&fixture("verilog-eval-v2/dataset_spec-to-rtl")).expect("problems");
    assert_eq!(one, both[1..]);
    refuse(verilog_eval_v2::import(&fixture("folder")), &["corpus/folder", "dataset_spec-to-rtl"]);

    let copy = tempfile::tempdir().expect("a folder");
    let task = copy.path().join("dataset_spec-to-rtl");
    std::fs::create_dir(&task).expect("a folder");
    std::fs::write(task.join("Prob001_x_prompt.txt"), "x").expect("a file");
    refuse(verilog_eval_v2::import(copy.path()), &["Prob001_x_prompt.txt", "Prob001_x_ref.sv"]);
}

#[test]
fn verilog_eval_v1_joins_descriptions() {
    let problems = fixture("verilog-eval-v1/data/VerilogEval_Human.jsonl");
    let found = verilog_eval_v1::import(&problems, None).expect("problems");
    assert_eq!(names(&found), [("ve1-human/nor3", "top_module"), ("ve1-human/pass", "top_module")]);
    let prompt = "High only while all inputs are low.\n\nmodule top_module (\n  input a, b, c,\n  output y\n);\n";
    assert_eq!(found[0].prompt, prompt);
    assert_eq!(
        found[0].golden,
        "module top_module (\n  input a, b, c,\n  output y\n);\n\n  assign y = ~(a | b | c);\n\nendmodule\n"
    );
    // A body answers such a prompt.
    let code = salv::candidate::extract_code(
        "  assign y = 0;\nendmodule\n",
        &found[0].prompt,
        &found[0].top,
    )
    .expect("code");
    assert_eq!(
        code.text,
        "module top_module (\n  input a, b, c,\n  output y\n);\n  assign y = 0;\nendmodule"
    );

    let folder = tempfile::tempdir().expect("a folder");
    let alone = folder.path().join("VerilogEval_Machine.jsonl");
    std::fs::copy(&problems, &alone).expect("a copy");
    refuse(verilog_eval_v1::import(&alone, None), &["VerilogDescription_Machine.jsonl"]);
    let some = folder.path().join("some.jsonl");
    std::fs::write(&some, "{\"task_id\": \"nor3\", \"detail_description\": \"x\"}\n")
        .expect("a file");
    refuse(verilog_eval_v1::import(&alone, Some(&some)), &["some.jsonl", "\"pass\""]);
}

#[test]
fn rtllm_comes_flat_and_in_categories() {
    let nested = rtllm::import(&fixture("rtllm-2.0"), None).expect("problems");
    assert_eq!(
        names(&nested),
        [("rtllm-2.0/half_add", "half_add"), ("rtllm-2.0/toggler", "toggle_ff")]
    );
    assert!(nested[0].golden.contains("verified_half_add"));
    assert!(nested[0].testbench.is_some());
    assert_eq!(nested[1].testbench, None);
    // No name demanded, no file called verified_…, a model's work beside it.
    let flat = rtllm::import(&fixture("rtllm-1.1"), None).expect("problems");
    assert_eq!(names(&flat), [("rtllm-1.1/or_gate", "or_gate")]);
    assert!(flat[0].golden.contains("a | b"));
    let named = rtllm::import(&fixture("rtllm-1.1"), Some("rtllm-1.0")).expect("problems");
    assert_eq!(names(&named), [("rtllm-1.0/or_gate", "or_gate")]);
    refuse(rtllm::import(&fixture("folder"), None), &["design_description.txt"]);

    let copy = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(copy.path().join("x")).expect("a folder");
    std::fs::write(copy.path().join("x/design_description.txt"), "x").expect("a file");
    refuse(rtllm::import(copy.path(), None), &["verified_NAME.v"]);
}

#[test]
fn the_seed_is_a_list_or_lines() {
    let list = salv_seed::import(&fixture("salv-seed/seed.json")).expect("problems");
    assert_eq!(names(&list), [("salv/7", "inv"), ("salv/chain", "chain")]);
    assert!(list[0].testbench.is_some());
    assert_eq!(list[1].testbench, None);
    assert_eq!(salv_seed::import(&fixture("salv-seed/seed.jsonl")).expect("problems"), list);
    refuse(salv_seed::import(&fixture("salv-seed/rollout.json")), &["rollout.json"]);
    let folder = tempfile::tempdir().expect("a folder");
    let compressed = folder.path().join("seed.json.gz");
    sft::compress(&fixture("salv-seed/seed.json"), &compressed);
    assert_eq!(salv_seed::import(&compressed).expect("problems"), list);
}

#[test]
fn plain_folders_hold_candidates_too() {
    let (problems, candidates) = folder::import(&fixture("folder")).expect("problems");
    assert_eq!(names(&problems), [("swap", "swap"), ("xor_gate", "xor_gate")]);
    let ids: Vec<(&str, &str)> =
        candidates.iter().map(|row| (row.problem.as_str(), row.id.as_str())).collect();
    assert_eq!(ids, [("xor_gate", "good.v"), ("xor_gate", "wrong.txt")]);
    assert!(candidates[1].completion.starts_with("Here it is:"), "completions stay raw");
    refuse(folder::import(&fixture("rtllm-1.1")).map(drop), &["golden.sv is missing"]);
}

#[test]
fn candidates_come_from_elsewhere() {
    let files = completions::import(&fixture("files"), None).expect("candidates");
    let ids: Vec<(&str, &str)> =
        files.iter().map(|row| (row.problem.as_str(), row.id.as_str())).collect();
    assert_eq!(ids, [("ve9/and_gate", "0.sv"), ("ve9/and_gate", "1.sv")]);

    let problems = salv_seed::import(&fixture("salv-seed/seed.json")).expect("problems");
    refuse(completions::import(&fixture("files"), Some(&problems)), &["ve9/and_gate"]);
    let rollout =
        completions::rollout(&fixture("salv-seed/rollout.json"), &problems).expect("candidates");
    let second = Candidate {
        problem: "salv/7".to_owned(),
        id: "1".to_owned(),
        completion: "I would rather not.".to_owned(),
    };
    assert_eq!((rollout.len(), &rollout[1]), (3, &second));
    refuse(
        completions::rollout(&fixture("salv-seed/rollout.json"), &problems[..1]),
        &["2 lists", "1 problems"],
    );
    refuse(completions::rollout(&fixture("salv-seed/seed.json"), &problems), &["list of lists"]);

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("c.jsonl");
    std::fs::write(&path, "{\"problem\":\"p\",\"id\":1,\"completion\":\"\"}\n{\"problem\":\"p\",\"id\":\"1\",\"completion\":\"\"}\n").expect("a file");
    refuse(completions::import(&path, None), &["\"p\"", "\"1\""]);
}

#[test]
fn problems_have_names_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("problems.jsonl");
    let row = |name: &str, top: &str| {
        format!(
            "{{\"problem\":\"{name}\",\"prompt\":\"\",\"golden\":\"module m; endmodule\",\"top\":\"{top}\"}}\n"
        )
    };
    std::fs::write(&path, row("a", "m") + "\n" + &row("b", "m") + &row("a", "m")).expect("a file");
    let error = problem::load(&path).expect_err("an error").to_string();
    assert!(error.contains("problems.jsonl:4") && error.contains("line 1"), "{error}");
    std::fs::write(&path, row("a", "m") + &row("b", "")).expect("a file");
    let error = problem::load(&path).expect_err("an error").to_string();
    assert!(error.contains("problems.jsonl:2") && error.contains("`top`"), "{error}");
}

#[test]
fn a_folder_has_a_hash() {
    let one = hash(&fixture("folder")).expect("a hash");
    assert_eq!(one, hash(&fixture("folder")).expect("a hash"));
    assert_ne!(one, hash(&fixture("files")).expect("a hash"));
}

/// The imports of the real folders agree with problems that were collected without this code.
#[test]
fn real_benchmarks_agree() {
    let Some(data) = shared_data() else { return };
    let problems = problem::load(&data.join("problems.jsonl")).expect("problems");
    let expected: HashMap<&str, &Problem> =
        problems.iter().map(|problem| (problem.problem.as_str(), problem)).collect();
    let mut found = verilog_eval_v2::import(&data.join("verilog-eval-v2")).expect("problems");
    found.extend(rtllm::import(&data.join("rtllm-v2.0"), None).expect("problems"));
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for problem in &found {
        let other = expected[problem.problem.as_str()];
        assert_eq!(problem.top, other.top, "{}", problem.problem);
        assert_eq!(words(&problem.prompt), words(&other.prompt), "{}", problem.problem);
        assert_eq!(words(&problem.golden), words(&other.golden), "{}", problem.problem);
        let bench = |problem: &Problem| words(problem.testbench.as_deref().unwrap_or(""));
        assert_eq!(bench(problem), bench(other), "{}", problem.problem);
    }
    let families = ["ve2-spec/", "ve2-cc/", "rtllm-2.0/"];
    let wanted = problems
        .iter()
        .filter(|problem| families.iter().any(|family| problem.problem.starts_with(family)));
    assert_eq!(found.len(), wanted.count());
    // The golden module that is found is the one that the collection names.
    for problem in &problems {
        let top = salv::verilog::unit::sole_top(&problem.golden);
        assert_eq!(top, problem.golden_top, "{}", problem.problem);
    }
}
