//! Mutants: where the mutator finds them, and that the verification calls them wrong.

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use salv::design::{Class, Mutation, Mutations, Replacement, elaborate, mutations};
use salv::verify::verdict::{Judgement, Status, Verdict};
use serde_json::json;

fn listed(source: &str) -> Mutations {
    mutations(source, None).unwrap_or_else(|refusal| panic!("{refusal:?}\n{source}"))
}

/// The mutants of one class: what each puts in the place of what, as `new <- old`.
fn changed(source: &str, class: Class) -> Vec<String> {
    let found = listed(source);
    let of_class = found.mutations.iter().filter(|mutation| mutation.class == class);
    let change = |one: &Replacement| format!("{} <- {}", one.text, &source[one.range.clone()]);
    let all =
        |mutation: &Mutation| -> Vec<String> { mutation.replacements.iter().map(change).collect() };
    of_class.map(|mutation| all(mutation).join(" | ")).collect()
}

#[track_caller]
fn check(body: &str, class: Class, expected: &[&str]) {
    let source = format!(
        "module m(input clk, rst, a, b, input [3:0] v, w, output reg y, output reg [3:0] z);\n{body}\nendmodule\n"
    );
    assert_eq!(changed(&source, class), expected, "{source}");
}

#[test]
fn an_operator_changes_with_its_operands_whatever_stands_around_it() {
    check(
        "assign y = a & b | a; // a & b",
        Class::Operator,
        &[
            "((a) ^ (b)) <- a & b",
            "((a) | (b)) <- a & b",
            "((a & b) & (a)) <- a & b | a",
            "((a & b) ^ (a)) <- a & b | a",
        ],
    );
    check(
        "always @* y = (v) < w;",
        Class::Operator,
        &["((v) <= (w)) <- (v) < w", "((v) >= (w)) <- (v) < w"],
    );
    check("assign y = &v;", Class::Operator, &["(|(v)) <- &v", "(~&(v)) <- &v"]);
}

#[test]
fn literals_keep_their_width_and_their_dont_cares() {
    check(
        "assign z = v + 4'd7;",
        Class::Constant,
        &["4'b0110 <- 4'd7", "4'b1000 <- 4'd7", "4'b1111 <- 4'd7"],
    );
    check("assign z = v + 1;", Class::Constant, &["0 <- 1", "2 <- 1"]);
    check(
        "always @* casez (v) 4'b1zz0: y = a; default: y = b; endcase",
        Class::Constant,
        &["4'b0zz0 <- 4'b1zz0", "4'b1z00 <- 4'b1zz0", "4'b1zz1 <- 4'b1zz0"],
    );
}

#[test]
fn resets_edges_and_latches_are_classes_of_their_own() {
    let register = "always @(posedge clk or posedge rst) if (rst) y <= 1'b0; else y <= a;";
    let control = "@(posedge clk or posedge rst) ";
    let on = |new: &str| format!("@({new})  <- {control}");
    let (falling, released) = (on("negedge clk or posedge rst"), on("posedge clk or negedge rst"));
    check(register, Class::Edge, &[&falling, &released]);
    check(register, Class::ResetKind, &[&on("posedge clk")]);
    let turned = format!("{released} | !(rst) <- rst");
    check(register, Class::ResetPolarity, &[&turned, "!(rst) <- rst"]);
    check(register, Class::ResetValue, &["; <- y <= 1'b0;", "1'b1 <- 1'b0"]);
    check(register, Class::Blocking, &["= <- <=", "= <- <="]);
    check(register, Class::Latch, &[&format!("{} | if (clk) y <= a; <- y <= a;", on("*"))]);
    let synchronous = "always @(posedge clk) if (rst) y <= 1'b0; else y <= a;";
    let added = "@(posedge clk or posedge rst)  <- @(posedge clk) ";
    check(synchronous, Class::ResetKind, &[added]);
    check(synchronous, Class::ResetPolarity, &["!(rst) <- rst"]);
    check("always @(posedge clk) y <= a;", Class::Latch, &["@(*) if (clk)  <- @(posedge clk) "]);
    // A register that feeds itself makes no latch: the loop would never settle.
    check("always @(posedge clk) y <= ~y;", Class::Latch, &[]);
}

#[test]
fn branches_and_assignments_are_left_out() {
    check("always @* if (a) y = b; else y = 0;", Class::Branch, &["; <- y = b;", "; <- y = 0;"]);
    check(
        "always @* case (v) 0: y = a; default: y = b; endcase",
        Class::Branch,
        &[" <- 0: y = a;", "; <- y = a;", " <- default: y = b;"],
    );
    check(
        "assign y = a ? b : rst;",
        Class::Branch,
        &["((a) ? (rst) : (b)) <- a ? b : rst", "(b) <- a ? b : rst", "(rst) <- a ? b : rst"],
    );
}

#[test]
fn text_that_is_not_elaborated_has_no_mutants() {
    let source = "module other(input a, output y); assign y = ~a; endmodule
module m(input a, b, output y);
  generate if (0) assign y = a & b; else assign y = a; endgenerate
endmodule
";
    let found = mutations(source, Some("m")).expect("a good module");
    assert!(!found.mutations.is_empty());
    assert!(found.mutations.iter().all(|mutation| mutation.place.line == 3), "{found:#?}");
    assert!(found.mutations.iter().all(|mutation| mutation.class != Class::Operator), "{found:#?}");
}

#[test]
fn a_mutant_reaches_the_outputs_in_whose_fan_in_it_lies() {
    let source = "module inv(input a, output y); assign y = ~a; endmodule
module m(input clk, a, b, output reg p, output q, r);
  wire s;
  inv u(a, s);
  assign r = b;
  assign q = s;
  always @(posedge clk) p <= q & b;
endmodule
";
    let found = listed(source);
    let outputs = |line: usize| -> BTreeSet<&str> {
        let at_line = found.mutations.iter().filter(|mutation| mutation.place.line == line);
        at_line.flat_map(|mutation| &mutation.outputs).map(String::as_str).collect()
    };
    assert_eq!(outputs(1), BTreeSet::from(["p", "q"]), "inside the instance");
    assert_eq!(outputs(4), BTreeSet::from(["p", "q"]), "its connection");
    assert_eq!(outputs(5), BTreeSet::from(["r"]));
    assert_eq!(outputs(7), BTreeSet::from(["p"]));
}

#[test]
fn two_mistakes_are_made_in_different_places_only() {
    let found = listed("module m(input a, b, output y); assign y = a & ~b; endmodule");
    let (mut joined, mut refused) = (0, 0);
    for one in &found.mutations {
        for two in &found.mutations {
            let [one_alone, two_alone] = [one, two].map(|mutation| found.apply(mutation));
            match one.and(two) {
                Some(both) => {
                    joined += 1;
                    assert_eq!(both.class, Class::Two);
                    assert!(![one_alone, two_alone].contains(&found.apply(&both)));
                }
                None => refused += 1,
            }
        }
    }
    assert!(joined > 0 && refused > 0, "{joined} {refused}");
}

/// A golden module of the fixture, and the mutants of it that are not called wrong.
struct Golden {
    name: String,
    source: String,
    missed: BTreeSet<String>,
}

fn goldens() -> Vec<Golden> {
    let path = root().join("tests/fixtures/mutants/goldens.v");
    let text = std::fs::read_to_string(&path).expect("the fixture");
    let parts = text.split("//# golden ").skip(1);
    let golden = |part: &str| {
        let (name, rest) = part.split_once('\n').expect("a name");
        let is_note = |line: &&str| line.starts_with("//= ");
        let note = |line: &str| line["//= ".len()..].split(" # ").next().unwrap_or("").to_owned();
        Golden {
            name: name.to_owned(),
            source: rest.lines().filter(|l| !is_note(l)).map(|l| format!("{l}\n")).collect(),
            missed: rest.lines().filter(is_note).map(note).collect(),
        }
    };
    parts.map(golden).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn problem(golden: &Golden) -> String {
    json!({ "problem": golden.name, "prompt": "", "golden": golden.source, "top": golden.name })
        .to_string()
}

/// All mutants of the fixture that elaborate, at all outputs that they reach, are wrong, but for those that
/// the fixture names; and those are not.
#[test]
fn mutants_of_small_modules_are_called_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let goldens = goldens();
    let (mut problems, mut candidates) = (Vec::new(), Vec::new());
    let all: Vec<(&Golden, Mutations)> =
        goldens.iter().map(|golden| (golden, listed(&golden.source))).collect();
    let mut judged = Vec::new();
    for (golden, found) in &all {
        problems.push(problem(golden));
        for mutation in &found.mutations {
            let text = found.apply(mutation);
            if elaborate(&text, None).is_ok() {
                candidates.push(json!({ "problem": golden.name, "completion": text }).to_string());
                judged.push((golden, mutation));
            }
        }
    }
    std::fs::write(folder.path().join("problems.jsonl"), problems.join("\n")).expect("a file");
    std::fs::write(folder.path().join("candidates.jsonl"), candidates.join("\n")).expect("a file");
    let output = salv(folder.path(), &["verify", "problems.jsonl", "candidates.jsonl"]);
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read_to_string(folder.path().join("verdicts.jsonl")).expect("verdicts");
    let mut missed: Vec<BTreeSet<String>> = goldens.iter().map(|_| BTreeSet::new()).collect();
    assert_eq!(text.lines().count(), judged.len());
    for (line, (golden, mutation)) in text.lines().zip(&judged) {
        let verdict: Verdict = serde_json::from_str(line).expect("a verdict");
        assert_eq!(verdict.status, Status::Judged, "{line}\n{mutation:#?}");
        let at = goldens.iter().position(|one| one.name == golden.name).expect("its golden");
        for signal in verdict.signals.iter().filter(|one| mutation.outputs.contains(&one.name)) {
            if signal.verdict != Judgement::Wrong {
                let place = mutation.place;
                missed[at].insert(format!(
                    "{} {} {}:{} {}",
                    signal.name,
                    mutation.class.name(),
                    place.line,
                    place.column,
                    mutation.what
                ));
            }
        }
    }
    let mut faults = Vec::new();
    for (golden, missed) in goldens.iter().zip(&missed) {
        let unlisted = missed.difference(&golden.missed).map(|one| ("is not called wrong", one));
        let found = golden.missed.difference(missed).map(|one| ("is called wrong", one));
        faults.extend(
            unlisted.chain(found).map(|(what, one)| format!("{}: {one} {what}", golden.name)),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(judged.len() > 150, "only {} mutants", judged.len());
}

fn salv(folder: &Path, arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_salv"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("salv runs")
}

/// The bench on the fixture: what is not called wrong is proved to be equal.
#[test]
fn what_is_not_called_wrong_is_proved_equal() {
    let folder = tempfile::tempdir().expect("a folder");
    let problems: Vec<String> = goldens().iter().map(problem).collect();
    std::fs::write(folder.path().join("problems.jsonl"), problems.join("\n")).expect("a file");
    let arguments =
        ["bench", "stimulus", "problems.jsonl", "--mutants", "12", "--check", "4", "--list"];
    let output = salv(folder.path(), &arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("run scripts/setup --with-bench") {
        eprintln!("skipped: {said}");
        return;
    }
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "survivors\n{said}");
    let all = said.lines().find(|line| line.starts_with("all ")).expect("a row of all classes");
    let counts: Vec<usize> =
        all.split_whitespace().skip(1).map(|count| count.parse().expect("a count")).collect();
    let [mutants, outputs, wrong, equal, ..] = counts[..] else { panic!("{all}") };
    assert!(mutants >= 60 && outputs > mutants && wrong * 10 > outputs * 8 && equal > 0, "{said}");
}

/// The list of what the benchmarks' mutants showed: each line still names a mutant.
#[test]
fn listed_survivors_are_mutants_of_the_benchmarks() {
    let list = std::fs::read_to_string(root().join("tests/fixtures/mutants/survivors.tsv"))
        .expect("the list");
    let data = root().join("../shared/data/problems.jsonl");
    let problems =
        if data.is_file() { salv::problem::load(&data).expect("problems") } else { Vec::new() };
    if problems.is_empty() {
        eprintln!("skipped in part: no ../shared/data/problems.jsonl");
    }
    let lines: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
    for line in &lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let [design, output, class, place, what, result, reason] = fields[..] else {
            panic!("seven fields in {line}")
        };
        assert!(["survivor", "undecided"].contains(&result), "{line}");
        assert!(reason.len() > 10, "a reason in {line}");
        let Some(problem) = problems.iter().find(|problem| problem.problem == design) else {
            assert!(problems.is_empty(), "no problem of {line}");
            continue;
        };
        let found = mutations(&problem.golden, problem.golden_top.as_deref()).expect("mutants");
        let same = found.mutations.iter().any(|mutation| {
            let at = format!("{}:{}", mutation.place.line, mutation.place.column);
            mutation.outputs.iter().any(|name| name == output)
                && (class == Class::Two.name()
                    || (mutation.class.name() == class && at == place && mutation.what == what))
        });
        assert!(same, "no mutant of the benchmark is {line}");
    }
}

#[test]
fn the_list_of_survivors_is_not_a_copy_of_a_benchmark() {
    let path: PathBuf = root().join("tests/fixtures/mutants/survivors.tsv");
    let list = std::fs::read_to_string(path).expect("the list");
    assert!(!list.contains("endmodule") && !list.contains("assign "), "text of a design");
}
