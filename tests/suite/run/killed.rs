//! The loop on the small model of the repository, at a size of seconds.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::{recipe, said, salv};
use crate::show::browser::{Browser, find};

/// A few problems, pairs and steps: everything of the demo but its size.
const SMALL: [&str; 18] = [
    "--set",
    "problems.n=8",
    "--set",
    "held-out.n=3",
    "--set",
    "sample.n=4",
    "--set",
    "sample.max-tokens=160",
    "--set",
    "pass=[1, 2]",
    "--set",
    "dpo.steps=6",
    "--set",
    "dpo.batch=2",
    "--set",
    "dpo.save-every=2",
    "--set",
    "verify.threads=1",
];

fn run(folder: &Path, changes: &[&str]) -> Command {
    let mut command = salv(&["run", &recipe("demo.toml").display().to_string(), "-o"]);
    command.arg(folder).args(SMALL).args(changes);
    command
}

/// Runs it to its end and returns what it said; `None` where the machine lacks what verification needs.
fn finished(folder: &Path, changes: &[&str]) -> Option<String> {
    let doctor = salv(&["doctor"]).output().expect("the program runs");
    if !doctor.status.success() {
        assert!(std::env::var_os("CI").is_none(), "{}", said(&doctor));
        eprintln!("skipped, for something is missing (run scripts/setup)");
        return None;
    }
    let output = run(folder, changes).output().expect("the program runs");
    assert!(output.status.success(), "{}", said(&output));
    Some(said(&output))
}

/// All files of a run by their place, but those of times, and the page, which shows them.
fn artefacts(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(place) = folders.pop() {
        for entry in fs::read_dir(&place).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(folder).expect("a place").display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if !name.contains("timings.json") && name != "report.html" {
                found.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

/// Numbers that are written down: the seed is printed, and another one is taken with SALV_TEST_SEED.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: f64) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64 * end
    }
}

#[test]
fn a_run_that_is_killed_ten_times_ends_with_the_same_bytes() {
    const KILLS: usize = 10;
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let started = Instant::now();
    let Some(_) = finished(&whole, &[]) else { return };
    let length = started.elapsed().as_secs_f64();
    let seed = std::env::var("SALV_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut chance = Chance(seed);
    let (mut kills, mut at) = (0, Vec::new());
    while kills < KILLS {
        let mut child = run(&killed, &[])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program runs");
        let moment = chance.below(length / 2.0);
        std::thread::sleep(Duration::from_secs_f64(moment));
        child.kill().expect("a signal");
        let status = child.wait().expect("an end");
        if status.signal().is_some() {
            kills += 1;
            at.push(format!("{moment:.2} s in {}", standing(&killed)));
        } else {
            // It was done before: the next kill hits a new run.
            assert!(status.success(), "{status}");
            fs::remove_dir_all(&killed).expect("removed");
        }
    }
    eprintln!("seed {seed}, a whole run takes {length:.1} s; killed after {}", at.join(", "));
    finished(&killed, &[]).expect("an end");
    let (expected, found) = (artefacts(&whole), artefacts(&killed));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{name} differs after kills with seed {seed}");
    }
    // The page is a function of those files and of the times.
    fs::copy(whole.join("timings.json"), killed.join("timings.json")).expect("a file");
    finished(&killed, &[]).expect("an end");
    assert_eq!(fs::read(killed.join("report.html")).ok(), fs::read(whole.join("report.html")).ok());
}

/// The step at which a killed run stood.
fn standing(folder: &Path) -> String {
    let text = fs::read(folder.join("steps.json")).unwrap_or_default();
    let steps: Value = serde_json::from_slice(&text).unwrap_or_default();
    let steps = steps.as_array().cloned().unwrap_or_default();
    steps.iter().rev().find(|step| step["outputs"].is_null()).map_or_else(
        || format!("after {} steps", steps.len()),
        |step| step["step"].as_str().unwrap_or_default().to_owned(),
    )
}

/// Wanted: only what depends on a change is done again, and what is damaged is made anew.
#[test]
fn what_is_done_is_not_done_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("run");
    let Some(first) = finished(&place, &[]) else { return };
    assert!(first.contains("right outputs"), "{first}");
    let done = |said: &str| -> Vec<String> {
        let lines =
            said.lines().filter(|line| line.starts_with("step ") && line.ends_with(": done"));
        lines.filter_map(|line| line.split(": ").nth(1)).map(str::to_owned).collect()
    };
    let all = [
        "held-out",
        "problems",
        "before/sample",
        "before/verify",
        "sample",
        "verify",
        "extract",
        "pair",
        "dpo",
        "after/sample",
        "after/verify",
    ];
    assert!(done(&first).is_empty(), "{first}");
    let before = changed(&place);
    let second = finished(&place, &[]).expect("an end");
    assert_eq!(done(&second), all);
    assert_eq!(changed(&place), before, "a file was written again");
    let third = finished(&place, &["--set", "dpo.beta=0.2"]).expect("an end");
    // The new adapter may write the same candidates, and then their verdicts are there.
    let third = done(&third);
    assert!(third.len() < all.len() && !third.contains(&"dpo".to_owned()), "{third:?}");
    assert_eq!(third[..8], all[..8]);
    fs::write(place.join("spans.jsonl"), "").expect("a file");
    let fourth = finished(&place, &["--set", "dpo.beta=0.2"]).expect("an end");
    // The spans are made anew, to the same bytes, so that nothing after them is.
    let expected: Vec<&str> = all.into_iter().filter(|step| *step != "extract").collect();
    assert_eq!(done(&fourth), expected, "{fourth}");
    page(&place);
}

/// When each artefact but the reports was written.
fn changed(folder: &Path) -> Vec<SystemTime> {
    let files = artefacts(folder).into_keys().filter(|name| name != "report.json");
    files
        .map(|name| {
            fs::metadata(folder.join(name)).and_then(|data| data.modified()).expect("a time")
        })
        .collect()
}

/// The page asks nothing of the network, holds no script, and fits a desktop and a phone.
fn page(folder: &Path) {
    let text = fs::read_to_string(folder.join("report.html")).expect("a page");
    assert!(!text.contains("<script") && !text.contains("http://") && !text.contains("https://"));
    let Some(program) = find() else {
        eprintln!("no Chromium: the page was not opened");
        return;
    };
    let mut browser = Browser::start(&program);
    for width in [1280, 390] {
        browser.open(&folder.join("report.html"), width, "light");
        let overflow = browser.value("document.documentElement.scrollWidth - window.innerWidth");
        assert!(overflow.as_i64().is_some_and(|pixels| pixels <= 0), "{width}: {overflow}");
        let figures = browser.value("document.querySelectorAll('svg polyline').length");
        assert_eq!(figures, 5, "curves");
    }
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
    let outside: Vec<&String> = browser
        .requests
        .iter()
        .filter(|url| !url.starts_with("file:") && !url.starts_with("data:"))
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
}
