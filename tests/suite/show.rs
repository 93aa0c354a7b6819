//! `salv show`: what a person sees of a wrong candidate and of its code, the line that replays it, and the
//! waveform, read back by a small reader of value change dumps. Pages are opened in [`page`].

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

pub mod browser;
mod page;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use salv::candidate::Candidate;
use salv::extract::run::Row;
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
//# candidate defparam: correct
//- endmodule
//+ endmodule module p; parameter P = 0; endmodule module none; p o(); defparam o.P = 1; endmodule
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

/// What `salv extract` says of the candidates of a run.
fn spans(bench: &Bench) -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("spans.jsonl");
    let mut command = bench.salv(&["extract", "candidates.jsonl", "--problems", "problems.jsonl"]);
    succeeded(command.arg("-o").arg(&output));
    let text = std::fs::read_to_string(&output).expect("the spans");
    text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
}

fn completion(candidate: &str) -> String {
    let candidates = salv::candidate::read(&bench().path("candidates.jsonl")).expect("a file");
    let mut candidates = candidates.map(|row| row.expect("a candidate"));
    let found: Option<Candidate> = candidates.find(|row| row.id == candidate);
    found.expect("the candidate").completion
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
fn the_code_is_shown_with_the_cones_of_right_and_wrong_outputs() {
    let text = show(&["show/counter/tick_early"]);
    let code = "\
code, in the cone of ✗ wrong outputs, ✓✗ both (± under a line)
✓✗   1 module counter(input clk, input reset, input enable, output reg [9:0] q, output tick);
       ±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±±✗✗✗✗✗✗✗✗✗✗✗✗✗±±
✓✗   2   always @(posedge clk) if (reset) q <= 0; else if (enable) q <= q + 1;
 ✗   3   assign tick = q[0] & enable;
✓✗   4 endmodule
";
    assert!(text.contains(code), "{text}");
    let text = show(&["show/counter/tick_early", "--signal", "q"]);
    let code = "\
code of q, in the cone of ✓ right outputs
✓   1 module counter(input clk, input reset, input enable, output reg [9:0] q, output tick);
      ✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓             ✓✓
✓   2   always @(posedge clk) if (reset) q <= 0; else if (enable) q <= q + 1;
    3   assign tick = q[0] & enable;
✓   4 endmodule
";
    assert!(text.contains(code), "{text}");
    assert!(!text.contains("first mismatch"), "q is right: {text}");
    let both = show(&["show/counter/tick_early", "--signal", "q", "--signal", "tick"]);
    assert!(both.contains("first mismatch of `tick`") && both.contains("✓✗ both"), "{both}");
}

#[test]
fn a_module_that_cannot_be_followed_is_said_to_be_whole() {
    let text = show(&["show/counter/defparam"]);
    assert!(text.contains("whole module for every output: "), "{text}");
    assert!(text.contains("✓   1 module counter("), "{text}");
}

#[test]
fn a_pair_is_shown_with_its_masks() {
    let pair = page::pair();
    bench().write("pairs.jsonl", [&pair].into_iter());
    let text = |arguments: &[&str]| {
        let mut command = bench().salv(&["show", "pairs.jsonl", "--pair"]);
        command.args(arguments).output().expect("a run")
    };
    let shown = String::from_utf8(text(&["0"]).stdout).expect("text");
    for part in [
        "pair 0 of show/counter; contrasted: tick\n",
        "  chosen    show/counter/itself",
        "42 of 200 bytes in the mask, weights 0.5, 1\n",
        "\n0.5   1 module counter(input",
        "\n        ^^^^^^^^^^^^^^\n      2   always",
        "\n1     3   assign tick = q[1] & enable;\n",
        "\n1     3   assign tick = q[0] & enable;\n",
    ] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    let error = String::from_utf8(text(&["1"]).stderr).expect("text");
    assert!(error.contains("has 1 pairs and no number 1"), "{error}");
    let mut broken = pair;
    broken.rejected_spans[0].1 = usize::MAX;
    bench().write("pairs.jsonl", [&broken].into_iter());
    let error = String::from_utf8(text(&["0"]).stderr).expect("text");
    assert!(error.contains("rejected") && error.contains("beyond the text's"), "{error}");
}

#[test]
fn other_versions_than_those_that_judged_are_said() {
    let bench = Bench::new(&[Fixture::parse("show", CASES)]);
    bench.verify("verdicts.jsonl", &[]);
    let meta = bench.read("verdicts.jsonl.meta.json");
    let mut value: serde_json::Value = serde_json::from_str(&meta).expect("provenance");
    let mut said = |change: &dyn Fn(&mut serde_json::Value)| {
        change(&mut value);
        std::fs::write(bench.path("verdicts.jsonl.meta.json"), value.to_string()).expect("a file");
        let mut command = bench.salv(&["show", "verdicts.jsonl", "show/counter/tick_early"]);
        String::from_utf8(succeeded(&mut command).stdout).expect("text")
    };
    assert!(!said(&|_| {}).contains("judged with"));
    let text = said(&|meta| meta["tools"]["verilator"] = "5.0 of another day".into());
    assert!(text.contains("judged with verilator 5.0 of another day, replayed with"), "{text}");
    let text = said(&|meta| meta["stimulus"] = 1.into());
    assert!(
        text.contains("judged with version 1 of the stimulus, replayed with version"),
        "{text}"
    );
}

#[test]
fn a_page_does_not_overwrite_what_it_was_made_from() {
    let error = refused(&["verdicts.jsonl", "show/counter/itself", "--html", "candidates.jsonl"]);
    assert!(error.contains("would overwrite an input"), "{error}");
}

#[test]
fn a_reader_who_stops_early_is_no_failure_and_gets_the_page() {
    let arguments = ["show", "verdicts.jsonl", "show/counter/itself", "--html", "unread.html"];
    let mut child = bench().salv(&arguments).stdout(Stdio::piped()).spawn().expect("a run");
    drop(child.stdout.take());
    assert!(child.wait().expect("an end").success());
    assert!(bench().read("unread.html").contains("show/counter/itself"));
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
