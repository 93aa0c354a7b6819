//! The demo's candidates, judged by the program as a user runs it, against what was written down by hand
//! for each (`expected.jsonl`, checked once with Icarus Verilog): status, and which outputs are wrong.
//!
//! These are the canaries: for each problem a right candidate that is written otherwise, and near misses,
//! each wrong in the outputs that its mistake reaches and in no other.

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use salv::verify::verdict::{Judgement, Verdict};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    candidate: String,
    status: String,
    wrong: Vec<String>,
}

/// Runs `salv verify` on the fixtures; `None` where the machine lacks what it needs.
fn verify(folder: &Path, arguments: &[&str]) -> Option<PathBuf> {
    verify_loudly(folder, arguments).map(|(output, _)| output)
}

/// The same, with what the run said.
fn verify_loudly(folder: &Path, arguments: &[&str]) -> Option<(PathBuf, String)> {
    let doctor =
        Command::new(env!("CARGO_BIN_EXE_salv")).arg("doctor").output().expect("the program runs");
    if !doctor.status.success() {
        let table = String::from_utf8_lossy(&doctor.stdout);
        assert!(std::env::var_os("CI").is_none(), "something is missing:\n{table}");
        eprintln!("skipped, for something is missing (run scripts/setup):\n{table}");
        return None;
    }
    let output = folder.join("verdicts.jsonl");
    let run = Command::new(env!("CARGO_BIN_EXE_salv"))
        .arg("verify")
        .args([fixture("problems.jsonl"), fixture("candidates.jsonl")])
        .arg("-o")
        .arg(&output)
        .args(arguments)
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{said}");
    Some((output, said))
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/demo").join(name)
}

fn lines<T: for<'a> Deserialize<'a>>(path: &Path) -> Vec<T> {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

/// One line a candidate, so that a difference reads as a difference.
fn summary(status: &str, mut wrong: Vec<String>) -> String {
    wrong.sort();
    format!("{status} wrong: {}", wrong.join(" "))
}

fn found(verdict: &Verdict) -> String {
    let status = serde_json::to_value(verdict.status).expect("a word");
    let named = |judgement: Judgement| {
        let signals = verdict.signals.iter().filter(move |signal| signal.verdict == judgement);
        signals.map(|signal| signal.name.clone()).collect::<Vec<_>>()
    };
    let unchecked = named(Judgement::Unchecked);
    assert!(unchecked.is_empty(), "{}: unchecked {unchecked:?}", verdict.candidate);
    summary(status.as_str().expect("a word"), named(Judgement::Wrong))
}

#[test]
fn each_candidate_is_wrong_where_its_mistake_reaches_and_nowhere_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(output) = verify(folder.path(), &[]) else { return };
    is_as_expected(&output);
}

/// By lanes too, which hand nothing over here but what they refuse to spend more work on.
#[test]
fn lanes_find_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(output) = verify(folder.path(), &["--backend", "lanes"]) else { return };
    is_as_expected(&output);
    let judged = lines::<Verdict>(&output);
    let by_lanes = judged.iter().filter(|verdict| verdict.backend == "lanes").count();
    assert!(by_lanes >= 50, "lanes judged {by_lanes} of {}", judged.len());
}

fn is_as_expected(output: &Path) {
    let verdicts: BTreeMap<String, String> = lines::<Verdict>(output)
        .iter()
        .map(|verdict| (verdict.candidate.clone(), found(verdict)))
        .collect();
    let expected: BTreeMap<String, String> = lines::<Expected>(&fixture("expected.jsonl"))
        .into_iter()
        .map(|expected| (expected.candidate, summary(&expected.status, expected.wrong)))
        .collect();
    let candidates: Vec<&String> = expected.keys().collect();
    assert_eq!(verdicts.keys().collect::<Vec<_>>(), candidates);
    let differences: Vec<String> = candidates
        .into_iter()
        .filter(|name| verdicts[*name] != expected[*name])
        .map(|name| format!("{name}\n  expected {}\n  found    {}", expected[name], verdicts[name]))
        .collect();
    assert!(differences.is_empty(), "\n{}\n", differences.join("\n"));
}

/// The loops around a module's logic are known by their text, which another Verilator may write otherwise: no
/// verdict would change, and everything would take longer.
#[test]
fn the_loops_of_this_verilator_are_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(output) = verify(folder.path(), &["--backend", "verilator"]) else { return };
    let timings = std::fs::read_to_string(output.with_extension("jsonl.timings.json"));
    let timings: serde_json::Value = serde_json::from_str(&timings.expect("a file")).expect("JSON");
    let count = |name: &str| timings["modules"][name].as_u64().expect("a count");
    // One of them has a loop of combinational logic.
    assert!(count("all") >= 60 && count("own_loops") <= 3, "{timings:#}");
}

/// The README shows what the demo prints. It once went stale by a new stimulus and nobody saw it.
#[test]
fn the_readme_shows_what_the_demo_prints() {
    const BEGIN: &str = "<!-- demo output -->\n```text\n";
    const END: &str = "```\n<!-- end of demo output -->\n";
    let folder = tempfile::tempdir().expect("a folder");
    let Some((output, said)) = verify_loudly(folder.path(), &[]) else { return };
    let show = Command::new(env!("CARGO_BIN_EXE_salv"))
        .arg("show")
        .arg(&output)
        .arg("counter_load/late-tc")
        .output()
        .expect("the program runs");
    assert!(show.status.success(), "{}", String::from_utf8_lossy(&show.stderr));
    let printed = demo_output(&said, &String::from_utf8_lossy(&show.stdout));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).expect("the README");
    let (before, rest) = readme.split_once(BEGIN).expect("the mark before the demo's output");
    let (shown, after) = rest.split_once(END).expect("the mark after the demo's output");
    if shown != printed && std::env::var_os("SALV_TEST_UPDATE").is_some() {
        let updated = [before, BEGIN, &printed, END, after].concat();
        return std::fs::write(&path, updated).expect("the README to be written");
    }
    assert_eq!(shown, printed, "run this test with SALV_TEST_UPDATE=1 and read the difference");
}

/// The summary without its times, and the candidate without the command that replays it.
fn demo_output(said: &str, shown: &str) -> String {
    let summary = said.lines().skip_while(|line| !line.starts_with("candidates "));
    let summary = summary.take_while(|line| !line.contains(" candidates in "));
    let shown = shown.lines().take_while(|line| !line.starts_with("replay: "));
    let lines: Vec<&str> = summary.chain([""]).chain(shown).collect();
    lines.join("\n").trim_end().to_owned() + "\n"
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    for backend in ["verilator", "lanes"] {
        let arguments = ["--backend", backend, "--threads"];
        let run = |folder: &Path, threads| verify(folder, &[&arguments[..], &[threads]].concat());
        let Some(one) = run(folders[0].path(), "1") else { return };
        let Some(three) = run(folders[1].path(), "3") else { return };
        let bytes = |path: &Path| std::fs::read(path).expect("verdicts");
        assert_eq!(bytes(&one), bytes(&three));
    }
}
