//! Builds and runs the benches of `hw/tb` by `scripts/test-hw`, which finds Verilator.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::case::Case;

/// Exit status of `scripts/test-hw` where Verilator is missing.
const SKIPPED: i32 = 77;

/// `hw/tb/player_tb.sv`, built for a case.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    /// Builds it; nothing where Verilator is missing.
    pub fn new(case: &Case) -> Option<Bench> {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("case.svh"), case.header()).expect("the header is written");
        let path = folder.path().to_str().expect("a plain path");
        script(&["bench", "player_tb", path], &case.describe())?;
        Some(Bench { folder })
    }

    /// Plays a script: the number of points that agreed, or what the bench says of the first that does not.
    pub fn play(&self, text: &str) -> Result<usize, String> {
        let file = self.folder.path().join("script");
        fs::write(&file, text).expect("the script is written");
        let argument = format!("+script={}", file.display());
        let program = self.folder.path().join("player_tb");
        let output = Command::new(program).arg(argument).output().expect("the bench starts");
        let (printed, _) = texts(&output);
        if !output.status.success() {
            return Err(printed);
        }
        let points = printed.split_whitespace().nth(1).and_then(|points| points.parse().ok());
        Ok(points.unwrap_or_else(|| panic!("no number of points in: {printed}")))
    }
}

/// Runs `scripts/test-hw`, which must succeed; nothing where Verilator is missing.
pub fn script(arguments: &[&str], what: &str) -> Option<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/test-hw");
    let output = Command::new(script).args(arguments).output().expect("scripts/test-hw starts");
    let (printed, errors) = texts(&output);
    if output.status.code() == Some(SKIPPED) {
        eprintln!("{}", errors.trim());
        return None;
    }
    assert!(output.status.success(), "{what}\n{arguments:?}\n{printed}\n{errors}");
    Some(())
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
