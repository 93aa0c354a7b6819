//! The one-process way that the backend is measured against, and the count of agreements.

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

use std::path::Path;
use std::process::{Command, Output};

use salv::design::{self, Interface};
use salv::verify::icarus::{Case, Icarus, Outcome, RenameError, rename, testbench};

/// Renames the modules of `text`, which are `golden` in order, in the marked places and in no other.
#[track_caller]
fn check_renamed(text: &str) {
    let mut plain = text.to_owned();
    let mut expected = text.to_owned();
    for number in 0..4 {
        plain = plain.replace(&format!("@{number}:"), "");
        while let Some(at) = expected.find(&format!("@{number}:")) {
            let rest = &expected[at + 3..];
            let name = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '\\'))
                .unwrap_or(rest.len());
            expected.replace_range(at..at + 3 + name, &format!("salv_bench_golden_{number}"));
        }
    }
    assert_eq!(rename(&plain).expect("a module").text, expected);
}

#[test]
fn a_module_keeps_its_ports_of_the_same_name() {
    check_renamed(
        "module @0:count(input clk, output reg [3:0] count, count_out);\n always @(posedge clk) count <= count + 1;\nendmodule : @0:count\n",
    );
}

#[test]
fn instances_are_followed_and_instance_names_are_not() {
    check_renamed(
        "module @0:top(input a, output y, z);
  @1:inv inv(.a(a), .y(y));
  @1:inv #(.N(1)) u[0:0] (.a(a), .y(z));
  // inv u2(a, y);
endmodule
module @1:inv #(parameter N = 1) (input a, output y);
  assign y = ~a;
endmodule
",
    );
}

#[test]
fn escaped_names_and_primitives_are_names_too() {
    check_renamed(
        "module @0:\\top (input a, output y);
  @1:p u(y, a);
endmodule
primitive @1:p(output y, input a);
  table 0 : 1; 1 : 0; endtable
endprimitive
",
    );
}

#[test]
fn what_cannot_be_renamed_is_said() {
    assert_eq!(rename("assign y = a;"), Err(RenameError::NoModule));
    assert_eq!(rename("module salv_bench_top; endmodule"), Err(RenameError::Reserved));
    let package = "package p;\nendpackage\nmodule m(input a);\nendmodule\n";
    assert_eq!(rename(package), Err(RenameError::OtherUnit("package".into())));
}

/// Icarus, or `None` with a message.
fn icarus() -> Option<Icarus> {
    let find = |name: &str| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
    };
    let found = find("iverilog").zip(find("vvp")).map(|(iverilog, vvp)| Icarus { iverilog, vvp });
    if found.is_none() {
        eprintln!("skipped: Icarus Verilog is not on the PATH");
    }
    found
}

fn interface(golden: &str) -> Interface {
    design::elaborate(golden, None).expect("a good module").interface
}

/// Runs `candidate`, whose module is called `top`, beside `golden`; `None` without Icarus.
fn outcome(golden: &str, candidate: &str) -> Option<Outcome> {
    let icarus = icarus()?;
    let folder = tempfile::tempdir().expect("a folder");
    let mut interface = interface(golden);
    let renamed = rename(golden).expect("modules");
    interface.top = renamed.names[&interface.top].clone();
    let case =
        Case { interface, golden: renamed.text, top: "top".into(), candidate: candidate.into() };
    Some(icarus.run(&case, 200, 1, folder.path()).expect("icarus runs").outcome)
}

/// Checks which outputs differ in a run of 200 vectors.
#[track_caller]
fn check_wrong(golden: &str, candidate: &str, expected: &[bool]) {
    let Some(outcome) = outcome(golden, candidate) else { return };
    let Outcome::Counted(counts) = &outcome else { panic!("{outcome:?}") };
    let wrong: Vec<bool> = counts.iter().map(|&count| count > 0).collect();
    assert_eq!(wrong, expected, "{counts:?}");
}

const COUNTER: &str =
    "module top(input clk, input rst_n, input en, output reg [3:0] q, output wrap);
  assign wrap = &q;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) q <= 0; else if (en) q <= q + 1;
endmodule
";

#[test]
fn a_module_equals_itself_under_the_same_name() {
    check_wrong(COUNTER, COUNTER, &[false, false]);
}

#[test]
fn each_output_is_counted_by_itself() {
    check_wrong(COUNTER, &COUNTER.replace("= &q", "= |q"), &[false, true]);
    check_wrong(COUNTER, &COUNTER.replace("q + 1", "q + 2"), &[true, true]);
    check_wrong(
        COUNTER,
        &COUNTER.replace("posedge clk or negedge rst_n", "posedge clk"),
        &[false, false],
    );
}

#[test]
fn ports_may_be_called_anything_and_be_wide() {
    let wide = "`default_nettype none
module top(input wire [99:0] seed, input wire i, in_0, output wire [99:0] golden_0, output wire \\new );
  assign golden_0 = seed ^ {100{i}};
  assign \\new = in_0;
endmodule
";
    check_wrong(wide, wide, &[false, false]);
    check_wrong(wide, &wide.replace("{100{i}}", "{99{i}}"), &[true, false]);
}

#[test]
fn x_in_the_golden_module_matches_anything_and_in_the_candidate_nothing() {
    let golden = "module top(input a, output y, z); assign y = 1'bx; assign z = a; endmodule\n";
    check_wrong(golden, &golden.replace("1'bx", "a"), &[false, false]);
    check_wrong(golden, &golden.replace("z = a", "z = 1'bx"), &[false, true]);
}

#[test]
fn what_a_candidate_prints_or_stops_is_no_count() {
    let golden = "module top(input a, output y); assign y = a; endmodule\n";
    let printing = golden
        .replace("endmodule", "always @(a) $display(\"salv_bench_0123456789abcdef 7\"); endmodule");
    check_wrong(golden, &printing, &[false]);
    let stopping = golden.replace("endmodule", "always @(a) if (a) $finish; endmodule");
    if let Some(outcome) = outcome(golden, &stopping) {
        assert!(matches!(outcome, Outcome::Ended(_)), "{outcome:?}");
    }
    if let Some(outcome) = outcome(golden, "module top(input a, output y); assign y = ; endmodule")
    {
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    }
}

#[test]
fn the_seed_and_the_text_decide_the_test_bench() {
    let case = Case {
        interface: interface(COUNTER),
        golden: COUNTER.into(),
        top: "top".into(),
        candidate: "".into(),
    };
    let [one, again, other] = [1, 1, 2].map(|seed| testbench(&case, 10, seed));
    assert_eq!(one.text, again.text);
    assert_ne!(one.text, other.text);
    assert_ne!(one.tag, other.tag);
}

/// Writes rows to a file.
fn write(folder: &Path, name: &str, rows: &[&str]) {
    std::fs::write(folder.join(name), rows.join("\n")).expect("a file");
}

/// Runs `salv bench agreement` over hand-made rows.
fn agreement(verdicts: &[&str], more: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let problem = |name: &str| {
        format!(r#"{{"problem":"{name}","prompt":"","golden":"module g; endmodule","top":"t"}}"#)
    };
    write(
        folder.path(),
        "problems.jsonl",
        &[&problem("v2/Prob001_mux"), &problem("v1/mux"), &problem("v1/alu")],
    );
    let candidates = [
        r#"{"problem":"v2/Prob001_mux","completion":"","testbench_mismatches":{"a":3,"b":0},"testbench_samples":10}"#,
        r#"{"problem":"v1/mux","completion":"","testbench_mismatches":{"a":1,"gone":0},"testbench_samples":10}"#,
        r#"{"problem":"v1/alu","completion":""}"#,
        r#"{"problem":"v1/alu","completion":"","testbench_mismatches":{"y":2,"z":0},"testbench_samples":10}"#,
    ];
    write(folder.path(), "candidates.jsonl", &candidates);
    write(folder.path(), "verdicts.jsonl", verdicts);
    Command::new(env!("CARGO_BIN_EXE_salv"))
        .args(["bench", "agreement", "problems.jsonl", "candidates.jsonl", "verdicts.jsonl"])
        .args(more)
        .current_dir(folder.path())
        .output()
        .expect("salv runs")
}

fn verdict(
    problem: &str,
    candidate: u32,
    status: &str,
    signals: &[(&str, &str, Option<&str>)],
) -> String {
    let signal = |&(name, verdict, kind): &(&str, &str, Option<&str>)| {
        let kind = kind.map_or(String::new(), |kind| format!(r#","kind":"{kind}""#));
        format!(r#"{{"name":"{name}","verdict":"{verdict}","compared":1,"toggles":1{kind}}}"#)
    };
    let signals: Vec<String> = signals.iter().map(signal).collect();
    format!(
        r#"{{"problem":"{problem}","candidate":"{candidate}","status":"{status}","backend":"b","profile":"full","signals":[{}]}}"#,
        signals.join(",")
    )
}

fn verdicts() -> [String; 4] {
    [
        verdict(
            "v2/Prob001_mux",
            0,
            "judged",
            &[("a", "wrong", Some("value")), ("b", "wrong", Some("unknown"))],
        ),
        verdict("v1/mux", 1, "judged", &[("a", "unchecked", None)]),
        verdict("v1/alu", 2, "judged", &[("y", "wrong", Some("value"))]),
        verdict("v1/alu", 3, "timeout", &[]),
    ]
}

/// The text with runs of blanks made one.
fn squeezed(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn outputs_are_counted_by_what_the_bench_says_of_them() {
    let rows = verdicts();
    let output = agreement(&rows.each_ref().map(String::as_str), &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        squeezed(&output.stdout),
        "3 candidates with counts of the benchmark's test bench
outputs that the bench finds wrong: 3
judged 2
called wrong 1 50.00 % (value 1, unknown 0, order 0)
called correct 0 0.00 %
unchecked 1 50.00 %
not judged 1 timeout 1
designs 1 all called wrong in 0, some in 1, none in 0; mean share 50.0 %
outputs that the bench finds right in all samples: 3
judged 1
called wrong 1 100.00 % (value 0, unknown 1, order 0)
called correct 0 0.00 %
unchecked 0 0.00 %
not judged 1 timeout 1
no output of the golden module 1
designs 1 all called wrong in 1, some in 0, none in 0; mean share 100.0 %
"
    );
}

#[test]
fn each_disagreement_is_a_line() {
    let rows = verdicts();
    let output = agreement(&rows.each_ref().map(String::as_str), &["--list"]);
    let listed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        listed,
        "v2/Prob001_mux\t0\tb\t0/10\twrong\tunknown\t-\nv1/mux\t1\ta\t1/10\tunchecked\t-\t-\n\
         v1/alu\t3\ty\t2/10\ttimeout\t-\t-\n"
    );
}

#[test]
fn verdicts_on_another_file_are_refused() {
    let rows = verdicts();
    let output = agreement(&[&rows[1]], &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("are these the verdicts on this file?"), "{said}");
}
