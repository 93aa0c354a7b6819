//! What a prover says of two modules: `scripts/equivalence.py`, a process for each mutant.
//!
//! Its head says what is proved, and how. That it proves no more than is true is checked in every run, by
//! pairs that are known to be equal or different ([`Prover::canaries`]), and by outputs that the simulation
//! has seen to differ.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::{Design, in_parallel};
use crate::cli::tools;
use crate::design::{self, Direction, Interface, Role};
use crate::verify::cache::Cache;
use crate::verilog::{Kind, lex};

/// The script, which is written to the scratch folder of each question.
const SCRIPT: &str = include_str!("../../../../scripts/equivalence.py");

/// Steps of the bounded search where nothing was proved.
const STEPS_MAX: u32 = 4000;

/// Yosys's ways to read a text, in this order: the second for what the first refuses.
const FRONTENDS: [&str; 2] = ["slang", "verilog"];

/// The prover.
pub struct Prover<'a> {
    tools: tools::Prover,
    cache: &'a Cache,
    seconds: u32,
}

/// What is known of an output.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", tag = "result")]
pub enum Truth {
    /// The same for all inputs, from all power-up states.
    Equal,
    /// The same wherever the golden module defines it by Verilog's rules for X.
    Defined,
    /// There is an input sequence that shows a difference.
    Different {
        /// Its steps; two are a clock cycle.
        frames: u32,
        /// At each step the inputs that matter, `-` for bits that do not.
        trace: serde_json::Value,
    },
    /// Neither was shown within the limits.
    Undecided {
        /// How far it came.
        reason: String,
    },
}

#[derive(Serialize)]
struct Job<'a> {
    gold: &'a str,
    gate: &'a str,
    top: &'a str,
    outputs: &'a [&'a str],
    clocks: Vec<&'a str>,
    limits: Limits,
    folder: &'a std::path::Path,
    abc: &'a std::path::Path,
    frontend: &'static str,
}

#[derive(Serialize)]
struct Limits {
    frames: u32,
    seconds: u32,
}

#[derive(Deserialize)]
struct Answer {
    output: String,
    #[serde(flatten)]
    truth: Truth,
}

impl<'a> Prover<'a> {
    /// A prover with so many seconds for each question.
    pub fn new(tools: tools::Prover, cache: &'a Cache, seconds: u32) -> Self {
        Prover { tools, cache, seconds }
    }

    /// Compares outputs of a mutant with those of its golden module; the answers are in their order.
    pub fn ask(
        &self,
        design: &Design,
        mutant: &str,
        outputs: &[&str],
    ) -> anyhow::Result<Vec<Truth>> {
        let gold = &design.mutations.source;
        self.compare(gold, mutant, &design.interface, outputs)
            .with_context(|| format!("failed to compare a mutant of {}", design.name()))
    }

    fn compare(
        &self,
        gold: &str,
        gate: &str,
        interface: &Interface,
        outputs: &[&str],
    ) -> anyhow::Result<Vec<Truth>> {
        let scratch = self.cache.scratch()?;
        let (gold, gate) = (plain(gold), plain(gate));
        let mut job = Job {
            gold: &gold,
            gate: &gate,
            top: &interface.top,
            outputs,
            clocks: clocks(interface),
            limits: Limits { frames: STEPS_MAX, seconds: self.seconds },
            folder: scratch.path(),
            abc: &self.tools.abc,
            frontend: FRONTENDS[0],
        };
        let mut refused = String::new();
        for frontend in FRONTENDS {
            job.frontend = frontend;
            match self.run(&job)? {
                Ok(truths) => return Ok(truths),
                Err(reason) => {
                    refused = format!(
                        "{refused}{}{frontend}: {reason}",
                        if refused.is_empty() { "" } else { "; " }
                    );
                }
            }
        }
        let reason = format!("the prover cannot read it: {refused}");
        Ok(vec![Truth::Undecided { reason }; outputs.len()])
    }

    /// Runs the script; the inner error is what it said where it could not read a text.
    fn run(&self, job: &Job) -> anyhow::Result<Result<Vec<Truth>, String>> {
        let script = job.folder.join("equivalence.py");
        std::fs::write(&script, SCRIPT).with_context(|| format!("write {}", script.display()))?;
        let mut child = Command::new(&self.tools.python)
            .arg(&script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to start {}", self.tools.python.display()))?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(&serde_json::to_vec(job)?)?;
        }
        let output = child.wait_with_output()?;
        // A signal is none of the text's doing: nothing here is limited.
        ensure!(output.status.code().is_some(), "the prover was killed: {}", output.status);
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
            return Ok(Err(error_among(&lines).unwrap_or("no message").trim().into()));
        }
        let mut answers = Vec::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            answers.push(serde_json::from_str::<Answer>(line)?);
        }
        let same =
            answers.iter().map(|answer| answer.output.as_str()).eq(job.outputs.iter().copied());
        ensure!(same, "the prover answered about other outputs than it was asked about");
        Ok(Ok(answers.into_iter().map(|answer| answer.truth).collect()))
    }

    /// Compares pairs of which the answer is known; an error if one is answered otherwise.
    pub fn canaries(&self, threads: usize) -> anyhow::Result<()> {
        in_parallel(threads, CANARIES, |Canary { what, gold, gate, expected }| {
            let interface = design::elaborate(gold, None)?.interface;
            let truth = self.compare(gold, gate, &interface, &["y"])?;
            let (name, is_expected) = match &truth[0] {
                Truth::Equal => ("equal", *expected == "equal"),
                Truth::Defined => ("defined", *expected == "defined"),
                Truth::Different { .. } => ("different", *expected == "different"),
                Truth::Undecided { reason } => (reason.as_str(), reason.contains(expected)),
            };
            ensure!(
                is_expected,
                "failed to trust the prover: of two modules ({what}) it says {name}, not {expected}"
            );
            Ok(())
        })?;
        Ok(())
    }
}

/// Which of the lines that a failed script wrote says why: its own refusal, an error of Yosys, or the last.
fn error_among<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let refused = lines.iter().rev().find_map(|line| line.strip_prefix("refused: "));
    let is_error = |line: &&&str| line.contains("rror") && !line.contains("0 errors");
    refused.or_else(|| lines.iter().rev().find(is_error).or(lines.last()).copied())
}

/// The text without the promises of `always_comb` and its like, which a mutant may break: the netlist is the
/// same, and a front end refuses a latch in one.
fn plain(text: &str) -> String {
    let word = |token: crate::verilog::Token| match &text[token.span.clone()] {
        "always_comb" | "always_latch" if token.kind == Kind::Word => "always @(*)",
        "always_ff" if token.kind == Kind::Word => "always",
        other => other,
    };
    lex(text).map(word).collect()
}

/// Inputs whose edges run processes.
fn clocks(interface: &Interface) -> Vec<&str> {
    let roles = interface.ports.iter().zip(&interface.roles);
    roles
        .filter(|(port, role)| {
            port.direction == Direction::Input && matches!(role, Role::Clock { .. })
        })
        .map(|(port, _)| port.name.as_str())
        .collect()
}

/// Two modules with an output `y` and what is true of it.
struct Canary {
    what: &'static str,
    gold: &'static str,
    gate: &'static str,
    /// What is true, in a word, or a part of the reason why it is not decided.
    expected: &'static str,
}

macro_rules! module {
    ($ports:literal, $body:literal) => {
        concat!("module m(", $ports, ");\n", $body, "\nendmodule\n")
    };
}

const CANARIES: &[Canary] = &[
    Canary {
        what: "De Morgan",
        gold: module!("input a, b, output y", "assign y = ~(a & b);"),
        gate: module!("input a, b, output y", "assign y = ~a | ~b;"),
        expected: "equal",
    },
    Canary {
        what: "one value of 2^24",
        gold: module!("input [23:0] a, output y", "assign y = a[0];"),
        gate: module!("input [23:0] a, output y", "assign y = a[0] ^ (a == 24'hc0ffee);"),
        expected: "different",
    },
    Canary {
        what: "a state that is never reached",
        gold: module!(
            "input clk, r, output y",
            "reg [1:0] s; assign y = s == 3;
             always @(posedge clk) if (r) s <= 0; else s <= s >= 2 ? 0 : s + 1;"
        ),
        gate: module!(
            "input clk, r, output y",
            "reg [1:0] s; assign y = 0;
             always @(posedge clk) if (r) s <= 0; else s <= s >= 2 ? 0 : s + 1;"
        ),
        expected: "defined",
    },
    Canary {
        what: "the last count of 40",
        gold: module!(
            "input clk, r, output y",
            "reg [5:0] s; assign y = s == 39;
             always @(posedge clk) if (r) s <= 0; else s <= s == 39 ? 0 : s + 1;"
        ),
        gate: module!(
            "input clk, r, output y",
            "reg [5:0] s; assign y = 0;
             always @(posedge clk) if (r) s <= 0; else s <= s == 39 ? 0 : s + 1;"
        ),
        expected: "different",
    },
    Canary {
        what: "a register that is not reset",
        gold: module!(
            "input clk, r, d, output reg y",
            "always @(posedge clk) if (r) y <= 0; else if (d) y <= ~y;"
        ),
        gate: module!(
            "input clk, r, d, output reg y",
            "always @(posedge clk) if (!r) if (d) y <= ~y;"
        ),
        expected: "different",
    },
    Canary {
        what: "a synchronous reset for an asynchronous one",
        gold: module!(
            "input clk, r, d, output reg y",
            "always @(posedge clk or posedge r) if (r) y <= 0; else y <= d;"
        ),
        gate: module!(
            "input clk, r, d, output reg y",
            "always @(posedge clk) if (r) y <= 0; else y <= d;"
        ),
        expected: "different",
    },
    Canary {
        what: "a latch for a flip-flop",
        gold: module!("input clk, d, output reg y", "always @(posedge clk) y <= d;"),
        gate: module!("input clk, d, output reg y", "always @(*) if (clk) y = d;"),
        expected: "different",
    },
    Canary {
        what: "a latch where always_comb promises none",
        gold: module!("input a, b, output logic y", "always_comb if (a) y = b; else y = 0;"),
        gate: module!("input a, b, output logic y", "always_comb if (a) y = b;"),
        expected: "different",
    },
    Canary {
        what: "the other edge",
        gold: module!("input clk, d, output reg y", "always @(posedge clk) y <= d;"),
        gate: module!("input clk, d, output reg y", "always @(negedge clk) y <= d;"),
        expected: "different",
    },
    Canary {
        what: "a golden register that is never defined",
        gold: module!("input clk, output reg y", "always @(posedge clk) y <= ~y;"),
        gate: module!("input clk, output reg y", "always @(posedge clk) y <= y;"),
        expected: "defined",
    },
    Canary {
        what: "another value at power-up",
        gold: module!("input clk, output reg y", "initial y = 0; always @(posedge clk) y <= ~y;"),
        gate: module!("input clk, output reg y", "initial y = 1; always @(posedge clk) y <= ~y;"),
        expected: "different",
    },
    Canary {
        what: "a golden don't-care",
        gold: module!("input a, b, output y", "assign y = a ? b : 1'bx;"),
        gate: module!("input a, b, output y", "assign y = b;"),
        expected: "defined",
    },
    Canary {
        what: "an undefined bit where the golden one is defined",
        gold: module!("input a, b, output y", "assign y = b;"),
        gate: module!("input a, b, output y", "assign y = a ? b : 1'bx;"),
        expected: "different",
    },
    Canary {
        // The level after the edge is known to the front end.
        what: "a clock that its own process tests",
        gold: module!("input clk, d, output reg y", "always @(posedge clk) if (clk) y <= d;"),
        gate: module!("input clk, d, output reg y", "always @(posedge clk) y <= d;"),
        expected: "equal",
    },
    Canary {
        what: "a clock that goes through gates to the data of a register",
        gold: module!(
            "input clk, d, output reg y",
            "wire w = ~clk; always @(posedge clk) y <= d & ~w;"
        ),
        gate: module!("input clk, d, output reg y", "always @(posedge clk) y <= d;"),
        expected: "a register takes a clock as data",
    },
];
