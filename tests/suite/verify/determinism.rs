//! Same inputs, configuration and seed: same bytes, at any number of threads and size of batch, in any
//! order of candidates, and after a run that was killed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::fixture::Fixture;
use super::runs::Bench;

/// Some of everything; few enough to be run again and again.
fn bench() -> Bench {
    Bench::new(&["registers", "latches", "printing"].map(Fixture::load))
}

#[test]
fn threads_and_batches_change_no_byte() {
    let bench = bench();
    let first = bench.verify("first.jsonl", &["--threads", "1", "--batch", "1"]);
    let meta = bench.read("first.jsonl.meta.json");
    for (threads, batch) in [("2", "7"), ("2", "64"), ("3", "1000")] {
        let again = bench.verify("again.jsonl", &["--threads", threads, "--batch", batch]);
        assert_eq!(first, again, "{threads} threads, batches of {batch}");
        assert_eq!(
            meta,
            bench.read("again.jsonl.meta.json"),
            "{threads} threads, batches of {batch}"
        );
    }
}

/// Processes that do nothing and want all of the machine, until they are dropped.
struct Busy(Vec<Child>);

impl Busy {
    fn start(count: usize) -> Busy {
        let start = |_| {
            Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("a busy process")
        };
        Busy((0..count).map(start).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn load_changes_no_byte() {
    let bench = Bench::new(&[Fixture::load("printing")]);
    let quiet = bench.verify("quiet.jsonl", &[]);
    let meta = bench.read("quiet.jsonl.meta.json");
    let _busy = Busy::start(4);
    for (threads, batch) in [("1", "7"), ("2", "1"), ("2", "50")] {
        let again = bench.verify("again.jsonl", &["--threads", threads, "--batch", batch]);
        assert_eq!(quiet, again, "{threads} threads, batches of {batch}");
        assert_eq!(meta, bench.read("again.jsonl.meta.json"));
    }
}

#[test]
fn the_order_of_candidates_changes_no_verdict() {
    let fixture = Fixture::load("registers");
    let bench = Bench::new(&[Fixture::load("registers")]);
    let forward = bench.verify("forward.jsonl", &[]);
    bench.write("candidates.jsonl", fixture.cases.iter().rev().map(|case| &case.candidate));
    let backward = bench.verify("backward.jsonl", &[]);
    let reversed: Vec<&str> = backward.lines().rev().collect();
    assert_eq!(forward.lines().collect::<Vec<_>>(), reversed);
}

#[test]
fn another_seed_is_another_stimulus() {
    let bench = Bench::new(&[Fixture::load("registers")]);
    let one = bench.verify("one.jsonl", &["--seed", "1"]);
    let two = bench.verify("two.jsonl", &["--seed", "2"]);
    assert_ne!(one, two, "the evidence should differ");
}

#[test]
fn a_killed_run_is_continued_to_the_same_bytes() {
    let bench = bench();
    // A worker for each candidate: slow enough to be stopped on its way.
    let arguments = ["--threads", "1", "--batch", "1"];
    let whole = bench.verify("whole.jsonl", &arguments);
    let mut child =
        bench.command("killed.jsonl", &arguments).stderr(Stdio::null()).spawn().expect("a run");
    wait_for_rows(&bench, "killed.jsonl", whole.lines().count());
    child.kill().expect("a run to be killed");
    child.wait().expect("its end");
    // A row that was torn in the middle, as a full disk leaves one.
    let mut rest = bench.read("killed.jsonl");
    assert!(whole.starts_with(&rest) && rest.len() < whole.len(), "killed in the middle");
    rest.push_str("{\"problem\":\"regi");
    std::fs::write(bench.path("killed.jsonl"), rest).expect("a torn row");
    let resumed = bench.verify("killed.jsonl", &["--threads", "2", "--batch", "9", "--resume"]);
    assert_eq!(whole, resumed);
    assert_eq!(bench.read("whole.jsonl.meta.json"), bench.read("killed.jsonl.meta.json"));
}

/// A run whose file is in no order of problems has judged many rows that may not be written yet. They are kept
/// beside the file, and a run that goes on takes them, if they are its own.
#[test]
fn what_a_killed_run_judged_ahead_is_not_judged_again() {
    let fixture = Fixture::load("registers");
    let bench = Bench::new(&[Fixture::load("registers")]);
    // The first row is of the problem that comes last, so that all others are judged before it.
    let last = &fixture.problems.last().expect("a problem").problem;
    let (mut rows, others): (Vec<_>, Vec<_>) = fixture
        .cases
        .iter()
        .map(|case| &case.candidate)
        .partition(|candidate| candidate.problem == *last);
    rows.extend(others);
    bench.write("candidates.jsonl", rows.iter());
    let arguments = ["--threads", "1", "--batch", "1"];
    let whole = bench.verify("whole.jsonl", &arguments);
    let mut child =
        bench.command("killed.jsonl", &arguments).stderr(Stdio::null()).spawn().expect("a run");
    wait_for_rows(&bench, "killed.jsonl.ahead", rows.len());
    while bench.read("killed.jsonl.ahead").lines().count() < 6 {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("a run to be killed");
    child.wait().expect("its end");
    assert_eq!(bench.read("killed.jsonl"), "", "the first row was not judged");
    let left = bench.read("killed.jsonl.ahead");

    // Another run does not take them.
    std::fs::write(bench.path("other.jsonl.ahead"), &left).expect("what was left");
    let other = bench.verify("other.jsonl", &["--seed", "5", "--resume"]);
    assert_eq!(other, bench.verify("again.jsonl", &["--seed", "5"]));
    // Nor does one that starts anew.
    std::fs::write(bench.path("anew.jsonl.ahead"), &left).expect("what was left");
    assert_eq!(whole, bench.verify("anew.jsonl", &[]));
    assert!(!bench.path("anew.jsonl.ahead").exists());
    // One that goes on takes each whole one: here is one that only the file can have.
    let forged = left.replace("\"backend\":\"lanes\"", "\"backend\":\"forged\"") + "{\"row\":";
    let count = forged.matches("\"forged\"").count();
    std::fs::write(bench.path("forged.jsonl.ahead"), &forged).expect("what was left, changed");
    let taken = bench.verify("forged.jsonl", &["--resume"]);
    assert_eq!(taken.matches("\"forged\"").count(), count);
    assert_eq!(whole, taken.replace("\"forged\"", "\"lanes\""));

    assert_eq!(whole, bench.verify("killed.jsonl", &["--threads", "2", "--resume"]));
    let timings = bench.read("killed.jsonl.timings.json");
    assert!(timings.contains(&format!("\"kept_by_an_earlier_run\": {count}")), "{timings}");
    assert!(!bench.path("killed.jsonl.ahead").exists(), "nothing is left beside a finished run");
}

#[test]
fn an_interrupted_run_ends_on_a_whole_row_and_is_continued() {
    let bench = bench();
    // A worker for each candidate: slow enough to be stopped on its way.
    let arguments = ["--threads", "1", "--batch", "1"];
    let whole = bench.verify("whole.jsonl", &arguments);
    let mut child =
        bench.command("part.jsonl", &arguments).stderr(Stdio::piped()).spawn().expect("a run");
    wait_for_rows(&bench, "part.jsonl", whole.lines().count());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal sent");
    let stderr = BufReader::new(child.stderr.take().expect("its messages"));
    let said: Vec<String> = stderr.lines().map_while(Result::ok).collect();
    assert_eq!(child.wait().expect("its end").code(), Some(130), "{said:?}");
    assert!(said.iter().any(|line| line.contains("--resume")), "{said:?}");
    let part = bench.read("part.jsonl");
    assert!(part.ends_with('\n') && whole.starts_with(&part) && part.len() < whole.len());
    assert_eq!(whole, bench.verify("part.jsonl", &["--resume"]));
}

#[test]
fn a_run_is_not_continued_as_another() {
    let bench = Bench::new(&[Fixture::load("printing")]);
    let before = bench.verify("verdicts.jsonl", &[]);
    for (arguments, key) in [(["--seed", "2"], "seed"), (["--vectors", "2000"], "vectors")] {
        let mut command = bench.command("verdicts.jsonl", &arguments);
        let output = command.arg("--resume").output().expect("a run");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && stderr.contains(key), "{stderr}");
    }
    bench.write(
        "candidates.jsonl",
        Fixture::load("registers").cases.iter().map(|case| &case.candidate),
    );
    let output = bench.command("verdicts.jsonl", &["--resume"]).output().expect("a run");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && stderr.contains("candidates"), "{stderr}");
    assert_eq!(before, bench.read("verdicts.jsonl"), "a refused run touches nothing");
}

#[test]
fn a_finished_run_is_continued_by_doing_nothing() {
    let bench = Bench::new(&[Fixture::load("printing")]);
    let before = bench.verify("verdicts.jsonl", &[]);
    assert_eq!(before, bench.verify("verdicts.jsonl", &["--resume"]));
}

#[test]
fn the_provenance_names_everything_but_the_time() {
    let bench = Bench::new(&[Fixture::load("printing")]);
    bench.verify("verdicts.jsonl", &[]);
    let meta: serde_json::Value =
        serde_json::from_str(&bench.read("verdicts.jsonl.meta.json")).expect("JSON");
    let keys: BTreeSet<&str> =
        meta.as_object().expect("an object").keys().map(String::as_str).collect();
    for key in [
        "schema",
        "stage",
        "stimulus",
        "configuration",
        "configuration_hash",
        "seed",
        "tools",
        "inputs",
    ] {
        assert!(keys.contains(key), "{key} in {keys:?}");
    }
    assert!(meta["tools"]["verilator"].is_string() && meta["tools"]["slang"].is_string());
    assert!(!meta.to_string().contains("seconds"), "wall times have a file of their own");
    assert!(bench.read("verdicts.jsonl.timings.json").contains("seconds"));
}

/// Waits until some rows of `all` are in the file, but not all.
pub fn wait_for_rows(bench: &Bench, file: &str, all: usize) {
    let started = Instant::now();
    loop {
        let rows = std::fs::read_to_string(bench.path(file)).map_or(0, |text| text.lines().count());
        if rows > 0 && rows < all {
            return;
        }
        assert!(rows < all, "the run was over before it could be stopped");
        assert!(started.elapsed() < Duration::from_secs(100), "no row in 100 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}
