//! Builds and runs the benches of `hw/tb` by `scripts/test-hw`, which finds Verilator.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::case::Case;

/// Exit status of `scripts/test-hw` where Verilator is missing.
const SKIPPED: i32 = 77;

/// Plays a case on `hw/tb/player_tb.sv`; returns the points that agreed, or nothing without Verilator.
pub fn play(case: &Case) -> Option<usize> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::write(path.join("case.svh"), case.header()).expect("the header is written");
    fs::write(path.join("script"), case.script()).expect("the script is written");
    script(&["bench", "player_tb", path.to_str().expect("a plain path")], &case.describe())?;
    let argument = format!("+script={}", path.join("script").display());
    let text = run(Command::new(path.join("player_tb")).arg(argument), &case.describe())?;
    let points = text.split_whitespace().nth(1).and_then(|points| points.parse().ok());
    Some(points.unwrap_or_else(|| panic!("no number of points in: {text}")))
}

/// Runs `scripts/test-hw`; nothing where Verilator is missing.
pub fn script(arguments: &[&str], what: &str) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/test-hw");
    run(Command::new(script).args(arguments), what)
}

/// The output of a command that must succeed, unless it is skipped.
fn run(command: &mut Command, what: &str) -> Option<String> {
    let output = command.output().expect("the command starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(SKIPPED) {
        eprintln!("{}", errors.trim());
        return None;
    }
    assert!(output.status.success(), "{what}\n{command:?}\n{text}\n{errors}");
    Some(text)
}
