//! The fpga backend, without a board: simulated ones answer in its place, over the library's own stream and over a
//! pseudo-terminal with the program's serial port at the other end.
//!
//! Skipped with a message where `scripts/setup --with-fpga` has not run. `SALV_TEST_ALL=1` also proves the boards down
//! to the decoded bitstream, which takes minutes, and breaks the link in more places.

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

mod link;
mod verdicts;

use std::process::Command;

use serde_json::{Value, json};

/// Whether the tools are here; says so if not.
fn ready() -> bool {
    let doctor = Command::new(env!("CARGO_BIN_EXE_salv")).arg("doctor").output().expect("doctor");
    let text = String::from_utf8_lossy(&doctor.stdout).into_owned();
    let ready = text.lines().any(|line| line.starts_with("ok") && line.contains("FPGA tools"));
    if !ready {
        eprintln!("skipped: no Yosys and nextpnr (run scripts/setup --with-fpga)");
    }
    ready
}

/// A folder with a problem `m` and candidates, each a name with its text.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new(golden: &str, candidates: &[(&str, String)]) -> Bench {
        let bench = Bench(tempfile::tempdir().expect("a folder"));
        let problem = json!({"problem": "m", "prompt": "", "golden": golden, "top": "m"});
        std::fs::write(bench.0.path().join("p.jsonl"), format!("{problem}\n")).expect("a file");
        let rows = candidates.iter().map(|(id, text)| {
            format!("{}\n", json!({"problem": "m", "id": id, "completion": text}))
        });
        let rows: String = rows.collect();
        std::fs::write(bench.0.path().join("c.jsonl"), rows).expect("a file");
        bench
    }

    /// `salv` in this folder.
    fn salv(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_salv"));
        command.args(arguments).current_dir(self.0.path());
        command
    }

    /// `salv verify` into `output`, ready to be started.
    fn command(&self, output: &str, arguments: &[&str]) -> Command {
        let mut command = self.salv(&["verify", "p.jsonl", "c.jsonl", "-o", output]);
        command.args(arguments);
        command
    }

    /// The verdicts of a run that must succeed.
    fn verify(&self, output: &str, arguments: &[&str]) -> Vec<Value> {
        let run = self.command(output, arguments).output().expect("a run");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        self.rows(output)
    }

    fn rows(&self, output: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.0.path().join(output)).expect("verdicts");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// A counter with an asynchronous reset, a load and two outputs, one of which never sees a reset.
const COUNTER: &str =
    "module m(input clk, rst_n, load, en, input [3:0] d, output reg [3:0] q, output reg seen);
  always @(posedge clk or negedge rst_n)
    if (!rst_n) q <= 0; else if (load) q <= d; else if (en) q <= q + 1;
  always @(posedge clk) if (load) seen <= d[0];
endmodule
";

/// The same, with the enable before the load, or without a reset.
fn counters() -> Vec<(&'static str, String)> {
    let changed = |from: &str, to: &str| {
        assert!(COUNTER.contains(from), "{from}");
        COUNTER.replace(from, to)
    };
    vec![
        ("right", changed("q + 1", "q + 4'd1")),
        (
            "order",
            changed(
                "if (load) q <= d; else if (en) q <= q + 1",
                "if (en) q <= q + 1; else if (load) q <= d",
            ),
        ),
        ("no-reset", changed(" or negedge rst_n)\n    if (!rst_n) q <= 0; else if", ")\n    if")),
        ("inverted", changed("seen <= d[0]", "seen <= !d[0]")),
    ]
}
