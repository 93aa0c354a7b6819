//! Cones as byte spans, snippet by snippet.
//!
//! A fixture holds snippets, each under a line `//// OUTPUT: what it shows`. Under each line of code that has
//! bytes in the cone of OUTPUT stands a line `//` with a `^` under each of them. Indentation is not marked.
//! `SALV_MARK=1` writes the marks that are found into the fixtures; read them before you keep them.

use std::ops::Range;
use std::path::{Path, PathBuf};

use salv::design::{Reason, elaborate};
use salv::extract::analyse;
use salv::extract::run::{Row, Status};
use salv::verilog::{Kind, lex, lex::is_keyword};

use crate::corpus::shared_data;
use crate::verify::{Bench, Fixture, succeeded};

const FIXTURES: [&str; 6] =
    ["statements.sv", "bits.sv", "declarations.sv", "generate.sv", "hierarchy.sv", "whole.sv"];

/// Runs `work` on a stack as deep as the parser wants.
fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 << 20);
        thread.spawn_scoped(scope, work).expect("a thread").join().expect("no panic")
    })
}

/// The last module of a text that is called `top`, or the first one.
fn spans(code: &str, output: &str) -> Result<Vec<Range<usize>>, String> {
    deep(|| {
        let analysis = analyse(code, "top")?;
        let cone = analysis.cone(output).ok_or(format!("no output {output}"))?;
        if let Some(why) = cone.whole {
            return Err(why);
        }
        Ok(analysis.spans(&cone))
    })
}

/// Code with a line of marks under each line that has bytes in a span.
fn marked(code: &str, spans: &[Range<usize>]) -> String {
    let mut out = String::new();
    let mut at = 0;
    for line in code.split_inclusive('\n') {
        let is_in = |offset: usize| spans.iter().any(|span| span.contains(&(at + offset)));
        let text = line.trim_end();
        let indent = text.len() - text.trim_start().len();
        let mut marks: String =
            (0..text.len()).map(|o| if o >= indent && is_in(o) { '^' } else { ' ' }).collect();
        out.push_str(line);
        if marks.contains('^') {
            assert!(marks.starts_with("  "), "code is indented by two columns: {line}");
            marks.replace_range(..2, "//");
            out.push_str(marks.trim_end());
            out.push('\n');
        }
        at += line.len();
    }
    out
}

fn check_fixture(name: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/extract").join(name);
    let text = std::fs::read_to_string(&path).expect("a fixture");
    let mut wrong = Vec::new();
    let mut all = text.split("//// ").next().unwrap_or("").to_owned();
    let mut count = 0;
    for snippet in text.split("//// ").skip(1) {
        let (title, body) = snippet.split_once('\n').expect("a title");
        let (output, _) = title.split_once(':').expect("OUTPUT: title");
        let is_marks = |line: &&str| line.starts_with("//");
        let code: String = body.split_inclusive('\n').filter(|line| !is_marks(line)).collect();
        let found = match spans(&code, output) {
            Ok(spans) => marked(&code, &spans),
            Err(why) => format!("{code}// whole module: {why}\n"),
        };
        all.push_str(&format!("//// {title}\n{found}"));
        if found.trim_end() != body.trim_end() {
            wrong.push(format!("//// {title}\n{found}"));
        }
        count += 1;
    }
    if std::env::var_os("SALV_MARK").is_some() {
        std::fs::write(&path, all).expect("a fixture");
        wrong.clear();
    }
    assert!(wrong.is_empty(), "{name}: found\n{}", wrong.concat());
    count
}

#[test]
fn every_construct_is_cut_where_it_is_marked() {
    let count: usize = FIXTURES.into_iter().map(check_fixture).sum();
    assert!(count >= 60, "{count} snippets");
}

/// The code of all snippets.
fn snippets() -> Vec<String> {
    let mut all = Vec::new();
    for name in FIXTURES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/extract").join(name);
        let text = std::fs::read_to_string(&path).expect("a fixture");
        for snippet in text.split("//// ").skip(1) {
            let (_, body) = snippet.split_once('\n').expect("a title");
            let lines = body.split_inclusive('\n').filter(|line| !line.starts_with("//"));
            all.push(lines.collect());
        }
    }
    all
}

/// Spans are sorted and disjoint, begin and end with code, and lie in the text.
fn check_spans(code: &str, spans: &[Range<usize>]) {
    let mut end = 0;
    for span in spans {
        assert!(span.start >= end && span.end > span.start, "{spans:?} in {code}");
        let text = code.get(span.clone()).expect("UTF-8 boundaries inside the code");
        assert_eq!(text, text.trim(), "in {code}");
        end = span.end;
    }
}

#[test]
fn cones_are_closed_and_what_is_left_is_a_module() {
    for code in snippets() {
        deep(|| {
            let Ok(analysis) = analyse(&code, "top") else { return };
            let is_module = elaborate(&code, Some("top")).is_ok();
            for output in analysis.outputs() {
                let cone = analysis.cone(output).expect("an output");
                check_spans(&code, &analysis.spans(&cone));
                if cone.whole.is_some() {
                    continue;
                }
                let kept = analysis.kept(&cone);
                let left = analysis.blanked(&kept);
                assert_eq!(left.len(), code.len());
                if let Err(refusal) = elaborate(&left, Some("top")) {
                    assert!(!is_module, "{output} in {code}: {refusal} in {left}");
                }
                for item in analysis.items(&cone) {
                    assert!(cone.contains(&analysis.cone_of(item)), "{output} in {code}");
                }
                for statement in analysis.statements(&cone) {
                    let left = analysis.blanked(&analysis.without(&kept, statement));
                    let parses = elaborate(&left, Some("top"));
                    let parses = parses.map_or_else(|r| r.reason != Reason::ParseError, |_| true);
                    assert!(parses || !is_module, "{output} in {code}: {left}");
                }
            }
        });
    }
}

/// For each output the numbers of the tokens in its cone.
fn cone_tokens(code: &str) -> Option<Vec<Vec<usize>>> {
    deep(|| {
        let analysis = analyse(code, "top").ok()?;
        let tokens: Vec<_> = lex(code).filter(|token| !token.kind.is_trivia()).collect();
        let cones = analysis.outputs().map(|output| {
            let spans = analysis.spans(&analysis.cone(output).expect("an output"));
            let is_in = |token: &salv::verilog::Token| {
                spans.iter().any(|span| span.contains(&token.span.start))
            };
            (0..tokens.len()).filter(|&index| is_in(&tokens[index])).collect()
        });
        Some(cones.collect())
    })
}

#[test]
fn renaming_and_reformatting_keep_the_cut() {
    for code in snippets().into_iter().filter(|code| !code.contains('`')) {
        let mut other = String::from("// \u{e9}\n");
        for token in lex(&code) {
            let word = &code[token.span.clone()];
            match token.kind {
                kind if kind.is_trivia() => other.push_str("\n /* \u{fc} */\t"),
                Kind::Word if !is_keyword(word) && word != "top" => {
                    other.push_str(&format!("{word}_of_x"));
                }
                _ => other.push_str(word),
            }
        }
        assert_eq!(cone_tokens(&code), cone_tokens(&other), "{code}");
    }
}

/// Two outputs, and statements that can be taken out for each of the reasons that there are.
const CASES: &str = r"
//# golden two
module two(input clk, input [3:0] a, b, output reg [3:0] y, output [3:0] z);
  always @(posedge clk) y <= a;
  assign z = a ^ b;
endmodule
//# candidate itself: correct
//# candidate hidden: correct
//- y <= a;
//+ begin y <= b; y <= a; end
//# candidate held: correct
//- y <= a;
//+ begin y <= a; if (a == 5) y <= 5; end
//# candidate never: correct
//- y <= a;
//+ if (a != a) y <= b; else y <= a;
//# candidate masked: correct
//- always @(posedge clk) y <= a;
//+ reg [3:0] t; always @(posedge clk) begin t <= b; y <= a ^ (t & ~t); end
//# candidate others: y wrong, z wrong
//- always @(posedge clk) y <= a;
//+ reg [3:0] t; always @(posedge clk) begin t = a; if (b[0]) t = ~a; y <= a ^ {4{t == a || t == ~a}}; end
//- a ^ b
//+ t
//# candidate memory: correct
//- always @(posedge clk) y <= a;
//+ reg [3:0] m [0:1]; always @(posedge clk) begin m[0] <= b; y <= a ^ (m[0] & ~m[0]); end
//# candidate other: y wrong, z correct
//- y <= a
//+ y <= ~a
";

#[test]
fn the_command_writes_spans_and_proves_them() {
    let bench = Bench::new(&[Fixture::parse("extract", CASES)]);
    let arguments = ["extract", "candidates.jsonl", "--problems", "problems.jsonl"];
    succeeded(&mut bench.salv(&arguments));
    let text = bench.read("spans.jsonl");
    let candidates: Vec<serde_json::Value> = bench
        .read("candidates.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    for (line, candidate) in text.lines().zip(&candidates) {
        let row: Row = serde_json::from_str(line).expect("a row");
        let completion = candidate["completion"].as_str().expect("text");
        assert_eq!(row.status, Status::Extracted);
        for &(start, end) in row.signals.iter().flat_map(|signal| &signal.spans) {
            let is_inside = row.code.iter().any(|code| code.0 <= start && end <= code.1);
            assert!(is_inside && completion.get(start..end).is_some(), "{start}..{end} in {row:?}");
        }
        let z = row.signals.iter().find(|signal| signal.name == "z").expect("z");
        let code: Vec<&str> = z.spans.iter().map(|&(start, end)| &completion[start..end]).collect();
        if row.candidate != "extract/two/others" {
            assert!(code.concat().contains("assign z = a ^ b;"), "{code:?}");
            assert!(!code.concat().contains("posedge"), "{code:?}");
        }
    }
    // A run that was cut off goes on to the same bytes.
    let cut = text.len() / 2;
    std::fs::write(bench.path("spans.jsonl"), &text[..cut]).expect("a file");
    succeeded(bench.salv(&arguments).arg("--resume"));
    assert_eq!(bench.read("spans.jsonl"), text);

    let check = ["extract", "--check", "problems.jsonl", "candidates.jsonl", "--deletions", "9"];
    let output = succeeded(&mut bench.salv(&check));
    let report = String::from_utf8(output.stdout).expect("text");
    let last = report.lines().last().expect("a last line");
    assert!(last.starts_with("holds: 16 of 16 outputs (100.00 %)"), "{report}");
    for (what, statement) in [
        ("no effect in the candidate: overwritten before it is seen", "hidden y: y <= b;"),
        ("its target holds the value already; the output shows any other", "held y: y <= 5;"),
        ("no effect in the candidate: not executed in the stimulus", "never y: y <= b;"),
        ("no effect in the candidate: no output tells the values apart", "masked y: t <= b;"),
        ("redundant: only another output shows a change", "others y: t = ~a;"),
        ("no effect in the candidate: not an assignment to be changed", "memory y: m[0] <= b;"),
    ] {
        assert!(report.contains(&format!("{what}: extract/two/{statement}")), "{what} in {report}");
    }
    assert!(report.contains("statements taken out: 25;"), "{report}");
}

/// A program that answers nothing and ends is our failure, and no candidate's.
#[test]
fn a_worker_that_is_not_one_is_an_error() {
    let workers = salv::worker::Workers { program: "/bin/true".into(), folder: "/".into() };
    let mut extractor = salv::extract::worker::Extractor::new(&workers);
    assert!(extractor.ask("module top(output y); endmodule", "top", None).is_err());
}

/// Cones whose signals are Yosys's fan-in, and one for each reason that they are not.
const FAN_IN: &str = r"
//# golden fan_in
module fan_in(input clk, r, input [3:0] a, b, output reg [3:0] y, output reg z);
  always @(posedge clk) y <= a;
  always @* z = r;
endmodule
//# candidate equal
//- y <= a
//+ y <= a & ~b
//# candidate memory
//- always @(posedge clk) y <= a;
//+ reg [3:0] m [0:3]; always @(posedge clk) begin m[b[1:0]] <= a; y <= m[a[1:0]]; end
//# candidate order
//- y <= a;
//+ begin y <= b; y <= a; end
//# candidate value
//- always @* z = r;
//+ reg t; always @* begin t = a[0]; z = t & r; end
//# candidate constant
//- always @* z = r;
//+ reg s; always @(posedge clk) if (r) s <= 1; else if (s == 1) s <= a[0]; else if (s == 2'd2) s <= b[0];
//+ always @* z = s;
//# candidate bits
//- always @* z = r;
//+ wire [3:0] t = {a[3:1], r}; wire [1:0] i = 0; always @* z = t[0];
";

/// Runs `salv bench cones`; the lines of its list, and its summary. `None` where Yosys is not installed.
#[expect(clippy::print_stderr, reason = "a test that skips says so")]
fn bench_cones(bench: &Bench, files: [&str; 2]) -> Option<(String, String)> {
    let arguments = ["bench", "cones", files[0], files[1], "--list"];
    let output = bench.salv(&arguments).output().expect("salv starts");
    let said = String::from_utf8(output.stderr).expect("text");
    if said.contains("run scripts/setup --with-bench") {
        eprintln!("skipped: {said}");
        return None;
    }
    assert!(output.status.success(), "{said}");
    Some((String::from_utf8(output.stdout).expect("text"), said))
}

/// A table of `tests/agreement` without its head, and the candidates of the shared data that it names, in a file
/// of the bench; `None` where there is no such data.
fn table(bench: &Bench, name: &str, columns: usize) -> Option<(Vec<Vec<String>>, PathBuf)> {
    let data = shared_data()?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agreement").join(name);
    let text = std::fs::read_to_string(path).expect("a table");
    let lines = text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect());
    let rows: Vec<Vec<String>> = lines.collect();
    let is_whole = |row: &Vec<String>| row.len() == columns && !row[columns - 1].is_empty();
    assert!(!rows.is_empty() && rows.iter().all(is_whole), "{text}");
    let is_named = |line: &&str| {
        let candidate: serde_json::Value = serde_json::from_str(line).expect("JSON");
        rows.iter().any(|row| row[1].parse().ok() == candidate["id"].as_u64())
    };
    let candidates = std::fs::read_to_string(data.join("candidates.jsonl")).expect("candidates");
    let picked: Vec<&str> = candidates.lines().filter(is_named).collect();
    std::fs::write(bench.path("picked.jsonl"), picked.join("\n") + "\n").expect("a file");
    Some((rows, data.join("problems.jsonl")))
}

/// Each cone of the shared data that does not hold stands in a table with a reason, and fails as it says there.
#[test]
fn what_does_not_hold_is_known() {
    let bench = Bench::new(&[]);
    let Some((rows, problems)) = table(&bench, "cones.tsv", 5) else { return };
    let problems = problems.to_str().expect("a path in UTF-8");
    let check = ["extract", "--check", problems, "picked.jsonl", "--list", "--min-holds", "0"];
    let output = succeeded(bench.salv(&check).args(["--deletions", "0"]));
    let list = String::from_utf8(output.stdout).expect("text");
    let expected: Vec<String> = rows.iter().map(|row| row[..4].join("\t")).collect();
    assert_eq!(list.lines().collect::<Vec<_>>(), expected);
}

/// What is in a cone, not in Yosys's fan-in, and explained by no rule, stands in a table with a reason.
#[test]
fn what_yosys_does_not_explain_is_known() {
    let bench = Bench::new(&[]);
    let Some((rows, problems)) = table(&bench, "fan-in.tsv", 6) else { return };
    let problems = problems.to_str().expect("a path in UTF-8");
    let Some((list, said)) = bench_cones(&bench, [problems, "picked.jsonl"]) else { return };
    let is_open = |line: &&str| line.contains(":Open") || !line.ends_with('\t');
    let mut found: Vec<&str> = list.lines().filter(is_open).map(str::trim_end).collect();
    let mut expected: Vec<String> = rows
        .iter()
        .map(|row| row[..5].join("\t").trim_end_matches(['-', '\t']).to_owned())
        .collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{said}");
}

#[test]
fn signals_of_cones_are_those_of_a_netlist_or_the_difference_is_explained() {
    let bench = Bench::new(&[Fixture::parse("extract", FAN_IN)]);
    let files = ["problems.jsonl", "candidates.jsonl"];
    let Some((list, said)) = bench_cones(&bench, files) else { return };
    let fields = list.lines().map(|line| line.split('\t').skip(1).collect::<Vec<_>>());
    let fields: Vec<Vec<&str>> = fields.collect();
    let expected = [
        ["extract/fan_in/order", "y", "b:Idle", ""],
        ["extract/fan_in/value", "z", "t:Bypassed", ""],
        ["extract/fan_in/constant", "z", "b:Folded", ""],
        ["extract/fan_in/bits", "z", "a:Bits", ""],
    ];
    assert_eq!(fields, expected, "{said}");
    assert!(said.ends_with("equal or explained: 12 of 12 outputs (100.00 %)\n"), "{said}");
}
