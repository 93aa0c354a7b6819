//! What is said of candidates: the same as by the verilator backend, and nothing of the others by one that is hostile.

use serde_json::Value;

use super::{Bench, COUNTER, counters, ready};

/// Verdicts without what differs by rule: who judged, and counts of mismatches, which a chip keeps by candidate alone.
fn common(rows: &[Value]) -> Vec<Value> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        row.as_object_mut().expect("an object").remove("backend");
        for signal in row["signals"].as_array_mut().expect("signals") {
            signal.as_object_mut().expect("an object").remove("mismatches");
        }
    }
    rows
}

#[test]
fn a_simulated_board_says_what_verilator_says() {
    if !ready() {
        return;
    }
    let bench = Bench::new(COUNTER, &counters());
    let cpu = bench.verify("cpu.jsonl", &[]);
    let board =
        bench.verify("rtl.jsonl", &["--backend", "fpga", "--board", "hx8k", "--simulate", "rtl"]);
    let judged = |row: &Value| row["signals"].as_array().expect("signals").len() == 2;
    assert!(cpu.iter().all(judged), "the case must be one that is judged: {cpu:?}");
    let words = |rows: &[Value]| -> Vec<String> {
        let verdicts = |row: &Value| {
            let signals = row["signals"].as_array().expect("signals").iter();
            signals
                .map(|signal| signal["verdict"].as_str().expect("a word").to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        rows.iter().map(verdicts).collect()
    };
    assert_eq!(
        words(&board),
        ["correct correct", "wrong correct", "wrong correct", "correct wrong"]
    );
    assert_eq!(words(&common(&board)), words(&common(&cpu)));
    // Counts and places too, where a register that nothing resets does not tell 2 power-up states from 16.
    let order = |rows: &[Value]| common(rows)[1]["signals"][0].clone();
    assert_eq!(order(&board), order(&cpu));
}

#[test]
fn a_hostile_candidate_costs_itself_alone() {
    if !ready() {
        return;
    }
    let golden = "module m(input clk, a, input [63:0] b, output reg y);\n  always @(posedge clk) y <= a;\nendmodule\n";
    let module = |body: &str| {
        format!("module m(input clk, a, input [63:0] b, output reg y);\n{body}\nendmodule\n")
    };
    let register = "always @(posedge clk) y <= a;";
    let wide = "wire [2047:0] w = {32{b}}; wire [2047:0] p = w * ~w; always @(posedge clk) y <= a ^ (p == 1);";
    let rows = [
        ("right", module("always @(posedge clk) y <= a | 1'b0;"), "judged", ""),
        ("latch", module("always @(*) if (clk) y = a;"), "unsupported", "latch"),
        (
            "loop",
            module("wire w; assign w = ~(w & a); always @(posedge clk) y <= w;"),
            "unsupported",
            "loop",
        ),
        (
            "vendor",
            module(
                "wire w; SB_LUT4 #(.LUT_INIT(16'haaaa)) l(.I0(a), .O(w)); always @(posedge clk) y <= w;",
            ),
            "elaboration_error",
            "SB_LUT4",
        ),
        (
            "file",
            module(
                "reg [7:0] r [0:3]; initial $readmemh(\"/etc/passwd\", r); always @(posedge clk) y <= a ^ r[0][0];",
            ),
            "forbidden",
            "readmemh",
        ),
        ("multiplier", module(wide), "unsupported", "gates"),
        // A module of its own that has a vendor's name is an ordinary module.
        (
            "named",
            format!(
                "module SB_LUT4(input i, output o); assign o = i; endmodule\n{}",
                module("wire w; SB_LUT4 l(a, w); always @(posedge clk) y <= w;")
            ),
            "judged",
            "",
        ),
        // Attributes do not steer synthesis.
        (
            "attributes",
            module(&format!("(* keep, blackbox *) wire w = a; {register}")),
            "judged",
            "",
        ),
        ("wrong", module("always @(posedge clk) y <= !a;"), "judged", ""),
    ];
    let candidates: Vec<(&str, String)> =
        rows.iter().map(|(id, text, _, _)| (*id, text.clone())).collect();
    let bench = Bench::new(golden, &candidates);
    let found =
        bench.verify("v.jsonl", &["--backend", "fpga", "--board", "hx8k", "--simulate", "rtl"]);
    for (row, (id, _, status, words)) in found.iter().zip(&rows) {
        assert_eq!(row["status"], *status, "{id}: {row}");
        let message = row["message"].as_str().unwrap_or("");
        assert!(message.contains(words), "{id}: {row}");
        if *status == "judged" {
            let expected = if *id == "wrong" { "wrong" } else { "correct" };
            assert_eq!(row["signals"][0]["verdict"], expected, "{id}: {row}");
        }
    }
}

/// Minutes: three boards byte for byte, bits turned over, and a build without whole modules.
#[test]
fn boards_are_proved_down_to_the_bits() {
    if !ready() || std::env::var_os("SALV_TEST_ALL").is_none() {
        eprintln!("skipped: boards are proved with SALV_TEST_ALL=1");
        return;
    }
    let bench = Bench::new(COUNTER, &[]);
    for board in ["icebreaker", "hx8k"] {
        let run = bench.salv(&["fpga", "prove", "--board", board]).output().expect("a proof");
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
        assert!(said.contains("bitstream") && said.contains("merged     refused"), "{said}");
    }
}
