//! `salv show`: what a person sees of a wrong candidate, the line that replays it, and the waveform, read
//! back by a small reader of value change dumps.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::OnceLock;

use salv::verify::verdict::{FirstMismatch, Verdict};

use crate::verify::{Bench, Fixture, succeeded};

/// Two goldens: one with a clock, one whose names a viewer or a shell could trip over.
const CASES: &str = r"
//# golden counter
module counter(input clk, input reset, input enable, output reg [9:0] q, output tick);
  always @(posedge clk) if (reset) q <= 0; else if (enable) q <= q + 1;
  assign tick = q[1] & enable;
endmodule
//# candidate itself: correct
//# candidate tick_early: q correct, tick wrong
//- q[1]
//+ q[0]
//# candidate reset_missing: q unknown, tick unknown
//- if (reset) q <= 0; else if
//+ if
//# candidate finish: forbidden
//- assign tick
//+ initial $finish; assign tick
//# golden escaped: my-mod as my-mod
module \my-mod (input [3:0] \a+b , output [3:0] \y$'z );
  assign \y$'z = \a+b + 4'd1;
endmodule
//# candidate it's: y$'z wrong
//- + 4'd1
//+ - 4'd1
";

/// The run that all tests look at.
fn bench() -> &'static Bench {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    BENCH.get_or_init(|| {
        let bench = Bench::new(&[Fixture::parse("show", CASES)]);
        bench.verify("verdicts.jsonl", &[]);
        bench
    })
}

fn show(arguments: &[&str]) -> String {
    let mut command = bench().salv(&["show", "verdicts.jsonl"]);
    String::from_utf8(succeeded(command.args(arguments)).stdout).expect("text")
}

fn refused(arguments: &[&str]) -> String {
    let output = bench().salv(&["show"]).args(arguments).output().expect("a run");
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).expect("text")
}

fn first(candidate: &str, signal: &str) -> FirstMismatch {
    let text = bench().read("verdicts.jsonl");
    let verdicts =
        text.lines().map(|line| serde_json::from_str::<Verdict>(line).expect("a verdict"));
    let verdict =
        verdicts.into_iter().find(|verdict| verdict.candidate == candidate).expect("the candidate");
    let signal = verdict.signals.into_iter().find(|s| s.name == signal).expect("the output");
    signal.first.expect("a mismatch")
}

#[test]
fn a_wrong_candidate_is_shown_with_its_first_mismatch() {
    let text = show(&["show/counter/tick_early"]);
    let first = first("show/counter/tick_early", "tick");
    assert!(text.contains("✓ correct") && text.contains("✗ wrong"), "{text}");
    assert!(text.contains("assign tick = q[0] & enable;"), "the candidate's text: {text}");
    let caption =
        format!("`tick`: episode {}, cycle {}, step {}", first.episode, first.cycle, first.step);
    assert!(text.contains(&caption), "{text}");
    let last = |name: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no line {name} in {text}"));
        line.split_whitespace().last().expect("a cell").to_owned()
    };
    assert_eq!(last("cycle.step"), format!("{}.{}", first.cycle, first.step));
    assert_eq!(format!("1'b{}", last("tick golden")), first.golden);
    assert_eq!(format!("1'b{}", last("tick candidate")), first.candidate);
    for input in ["clk", "reset", "enable"] {
        assert!(["0", "1"].contains(&last(input).as_str()), "{text}");
    }
}

#[test]
fn unknown_bits_are_shown_as_such() {
    let text = show(&["show/counter/reset_missing", "--signal", "q"]);
    assert!(text.contains("by unknown bits only"), "{text}");
    let line =
        text.lines().find(|line| line.contains("q candidate")).expect("the candidate's line");
    assert!(line.ends_with(['x', 'X']) || line.contains('x'), "{line}");
}

#[test]
fn a_correct_candidate_has_nothing_to_replay() {
    let text = show(&["show/counter/itself"]);
    assert!(!text.contains("replay:") && !text.contains("wrong"), "{text}");
    let error = refused(&["verdicts.jsonl", "show/counter/itself", "--vcd", "none.vcd"]);
    assert!(error.contains("no output is wrong") && !bench().path("none.vcd").exists(), "{error}");
}

#[test]
fn a_candidate_that_was_not_judged_is_shown_with_the_reason() {
    let text = show(&["show/counter/finish"]);
    assert!(text.contains("forbidden") && text.contains("$finish"), "{text}");
}

#[test]
fn the_replay_line_works_in_a_shell() {
    for candidate in ["show/counter/tick_early", "show/escaped/it's"] {
        let text = show(&[candidate]);
        let line =
            text.lines().find_map(|line| line.strip_prefix("replay: ")).expect("a replay line");
        let binary = std::path::Path::new(env!("CARGO_BIN_EXE_salv"));
        let path = format!("{}:{}", binary.parent().expect("its folder").display(), env!("PATH"));
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(bench().path("")).env("PATH", path);
        let replayed = String::from_utf8(succeeded(&mut shell).stdout).expect("text");
        assert!(replayed.starts_with(text.trim_end()), "{replayed}\n---\n{text}");
        assert!(bench().path("mismatch.vcd").exists());
        std::fs::remove_file(bench().path("mismatch.vcd")).expect("the waveform removed");
    }
}

#[test]
fn the_waveform_has_both_sides_and_differs_at_the_mismatch() {
    show(&["show/counter/tick_early", "--signal", "tick", "--vcd", "tick.vcd"]);
    let dump = Dump::parse(&bench().read("tick.vcd"));
    let names: Vec<&str> = dump.names.keys().map(String::as_str).collect();
    let wanted = [
        "candidate.q",
        "candidate.tick",
        "golden.q",
        "golden.tick",
        "inputs.clk",
        "inputs.enable",
        "inputs.reset",
    ];
    assert_eq!(names, wanted);
    for name in names {
        assert!(dump.value(name, 0).is_some(), "{name} has no value at the start");
    }
    let first = first("show/counter/tick_early", "tick");
    let at = u64::from(first.cycle * 4 + u32::from(first.step));
    assert_eq!(dump.value("golden.tick", at), first.golden.strip_prefix("1'b"));
    assert_eq!(dump.value("candidate.tick", at), first.candidate.strip_prefix("1'b"));
    let defined = |at: &u64| !dump.value("golden.tick", *at).expect("a value").contains('x');
    let earlier: Vec<u64> = (0..at).filter(defined).collect();
    for at in earlier {
        assert_eq!(
            dump.value("golden.tick", at),
            dump.value("candidate.tick", at),
            "at {at}, before the first"
        );
    }
    let rising: Vec<&str> = (0..8).filter_map(|at| dump.value("inputs.clk", at)).collect();
    assert_eq!(rising, ["0", "1", "1", "0", "0", "1", "1", "0"]);
}

#[test]
fn what_is_not_there_is_said() {
    let error = refused(&["verdicts.jsonl", "nobody"]);
    assert!(error.contains("nobody"), "{error}");
    let error = refused(&["verdicts.jsonl", "show/counter/tick_early", "--signal", "tack"]);
    assert!(error.contains("tack") && error.contains("q, tick"), "{error}");
    let error = refused(&["none.jsonl", "show/counter/tick_early"]);
    assert!(error.contains("none.jsonl"), "{error}");
}

#[test]
fn changed_inputs_are_not_replayed() {
    let bench = Bench::new(&[Fixture::parse("show", CASES)]);
    bench.verify("verdicts.jsonl", &[]);
    let candidates = bench.read("candidates.jsonl");
    std::fs::write(bench.path("candidates.jsonl"), candidates.replace("q[0]", "q[2]"))
        .expect("a file written");
    let output =
        bench.salv(&["show", "verdicts.jsonl", "show/counter/tick_early"]).output().expect("a run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("changed"), "{stderr}");
}

/// A value change dump (IEEE 1800-2017, clause 21.7).
#[derive(Default)]
struct Dump {
    /// `scope.name` to the code of the variable.
    names: BTreeMap<String, String>,
    /// Code to the changes in order of time.
    changes: BTreeMap<String, Vec<(u64, String)>>,
}

impl Dump {
    fn parse(text: &str) -> Dump {
        let (head, body) =
            text.split_once("$enddefinitions $end").expect("the end of the definitions");
        let mut dump = Dump::default();
        let mut scope = Vec::new();
        for command in head.split("$end").map(str::trim) {
            let words: Vec<&str> = command.split_whitespace().collect();
            match words.as_slice() {
                ["$scope", "module", name] => scope.push(*name),
                ["$upscope"] => assert!(scope.pop().is_some()),
                ["$var", "wire", width, code, name, range @ ..] => {
                    assert_eq!(*width == "1", range.is_empty(), "{command}");
                    let name = format!("{}.{name}", scope.join("."));
                    assert!(
                        dump.names.insert(name, (*code).to_owned()).is_none(),
                        "{command} stands twice"
                    );
                }
                _ => {}
            }
        }
        assert!(scope.is_empty());
        dump.read_changes(body);
        dump
    }

    fn read_changes(&mut self, body: &str) {
        let mut time = None;
        for line in body.lines().filter(|line| !line.is_empty()) {
            if let Some(at) = line.strip_prefix('#') {
                let at: u64 = at.parse().expect("a time");
                assert!(time.is_none_or(|before| before < at), "time goes on");
                time = Some(at);
                continue;
            }
            let (value, code) = match line.strip_prefix('b') {
                Some(vector) => vector.split_once(' ').expect("a value and a code"),
                None => line.split_at(1),
            };
            assert!(value.chars().all(|bit| "01x".contains(bit)), "{line}");
            assert!(self.names.values().any(|known| known == code), "{line}: no such variable");
            let changes = self.changes.entry(code.to_owned()).or_default();
            changes.push((time.expect("a time before the first change"), value.to_owned()));
        }
    }

    /// The value of `scope.name` from the last change at or before `at`.
    fn value(&self, name: &str, at: u64) -> Option<&str> {
        let changes = self.changes.get(self.names.get(name)?)?;
        changes.iter().rev().find(|(time, _)| *time <= at).map(|(_, value)| value.as_str())
    }
}
