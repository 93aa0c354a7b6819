//! Evaluation: what candidates score on a public benchmark, by its own rules and by stricter ones.
//!
//! In go the problems of a benchmark with their test benches ([`benchmark`]) and candidates; out comes a [`Row`] for
//! each candidate and, from all rows, a [`report`] with unbiased pass@k ([`passk`]). A row has three marks:
//!
//! - **official**: what the benchmark's authors would count. Their files, their flags of Icarus, their test of the
//!   output ([`rules`]), in a sandbox with limits ([`simulate`]). Every published number is of this kind.
//! - **strict**: the same, and proof that it was the bench that said so. The rules search the output of a simulation
//!   in which the candidate may print as well, end the run, look into the bench, or instantiate the golden module. So
//!   (1) slang reads the candidate's module alone and it may reach nothing outside of itself
//!   ([`crate::design::confined`]); (2) each line that the bench prints is given a mark of 128 bits that the candidate
//!   cannot know ([`mod@bench`]), and only marked lines count; (3) the bench is read before the candidate, so that no macro
//!   of its reaches the bench; (4) where the bench counts samples, they must be as many as for the golden module.
//!   What passes strictly passes officially.
//! - the **verdict** of [`crate::verify`], which asks another question (each output, random inputs, resets at any
//!   time) and so checks the bench as well as the candidate.
//!
//! Before any candidate the instrument itself is tried ([`audit`]): the golden module of each problem is put in a
//! candidate's place, and so is a module whose outputs nothing drives. A problem whose golden module fails cannot be
//! passed, and one that is passed without a design measures nothing; the report names both with the evidence.
//!
//! # What is not covered
//!
//! - A candidate that computes the mark at run time from its own text (a hash of bench and candidate) would have to
//!   hold a copy of itself and of the bench; nothing is done against that.
//! - Time limits are on CPU time, not on a clock as in the benchmarks, so that load decides no label; a simulation
//!   within a few per cent of its limit can still fall to either side.
//! - RTLLM's rules are for VCS. Icarus, with the same default time scale, refuses some texts that VCS takes.
//! - The code is found in a completion by [`crate::candidate`], not by each benchmark's own script.

use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::verify::verdict::{Judgement, Status, Verdict};

pub mod audit;
pub mod bench;
pub mod benchmark;
pub mod mark;
pub mod passk;
pub mod report;
pub mod rules;
pub mod run;
pub mod simulate;

/// The benchmarks whose rules are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Benchmark {
    /// VerilogEval v1, human and machine: one file of problems, a module's head to be completed.
    VerilogEvalV1,
    /// VerilogEval v2, both tasks: a folder of files for each.
    VerilogEvalV2,
    /// RTLLM 1.1 and 2.0: a folder for each design.
    Rtllm,
}

impl Benchmark {
    /// The name, as in commands and records.
    pub fn name(self) -> &'static str {
        match self {
            Benchmark::VerilogEvalV1 => "verilog-eval-v1",
            Benchmark::VerilogEvalV2 => "verilog-eval-v2",
            Benchmark::Rtllm => "rtllm",
        }
    }

    /// With what the identifiers of its problems begin.
    pub fn family(self) -> &'static str {
        match self {
            Benchmark::VerilogEvalV1 => "ve1",
            Benchmark::VerilogEvalV2 => "ve2",
            Benchmark::Rtllm => "rtllm",
        }
    }
}

/// A problem, and the files that its bench reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The problem.
    pub problem: Problem,
    /// Its bench.
    pub bench: String,
    /// Name and content of each file that lies beside the bench.
    pub files: Vec<(String, Vec<u8>)>,
}

/// How a candidate ended under a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It passes.
    Passed,
    /// The completion holds no Verilog.
    NoCode,
    /// The compiler refuses it.
    CompileError,
    /// It runs, and the rule takes what the tools say for a failure.
    Warning,
    /// The bench finds differences.
    Mismatch,
    /// The bench says that its own time is up.
    Timeout,
    /// It was stopped by a limit on CPU time, memory or output.
    Limit,
    /// The run ended without the line that the rule looks for.
    NoResult,
    /// Strict: it does not pass officially.
    NotOfficial,
    /// Strict: the module reaches outside of itself, or slang cannot read it alone.
    Refused,
    /// Strict: the line that passes officially is not the bench's.
    Spoofed,
    /// Strict: the bench counts other samples than for the golden module.
    Samples,
}

impl Outcome {
    /// The name, as in records.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::NoCode => "no_code",
            Outcome::CompileError => "compile_error",
            Outcome::Warning => "warning",
            Outcome::Mismatch => "mismatch",
            Outcome::Timeout => "timeout",
            Outcome::Limit => "limit",
            Outcome::NoResult => "no_result",
            Outcome::NotOfficial => "not_official",
            Outcome::Refused => "refused",
            Outcome::Spoofed => "spoofed",
            Outcome::Samples => "samples",
        }
    }
}

/// What a rule says of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// How it ended; it passes if this is [`Outcome::Passed`].
    pub outcome: Outcome,
    /// The line that decided, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Characters of a detail that are kept.
const DETAIL_CHARS_MAX: usize = 240;

impl Mark {
    /// A mark with the line that decided; no line if it is blank.
    pub fn new(outcome: Outcome, detail: impl AsRef<str>) -> Mark {
        let detail: String = detail.as_ref().trim().chars().take(DETAIL_CHARS_MAX).collect();
        Mark { outcome, detail: Some(detail).filter(|detail| !detail.is_empty()) }
    }

    /// Whether it passes.
    pub fn passed(&self) -> bool {
        self.outcome == Outcome::Passed
    }
}

/// Our verdict in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// How far the candidate came.
    pub status: Status,
    /// Outputs that are correct.
    pub correct: usize,
    /// Outputs that are wrong.
    pub wrong: usize,
    /// Outputs of which nothing can be said.
    pub unchecked: usize,
}

impl Judged {
    /// Counts the outputs of a verdict.
    pub fn of(verdict: &Verdict) -> Judged {
        let count = |wanted: Judgement| {
            verdict.signals.iter().filter(|signal| signal.verdict == wanted).count()
        };
        Judged {
            status: verdict.status,
            correct: count(Judgement::Correct),
            wrong: count(Judgement::Wrong),
            unchecked: count(Judgement::Unchecked),
        }
    }

    /// Whether no output is wrong and one at least is right.
    pub fn passed(&self) -> bool {
        self.status == Status::Judged && self.wrong == 0 && self.correct > 0
    }
}

/// One line of `scores.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The problem's identifier.
    pub problem: String,
    /// The candidate's identifier.
    pub candidate: String,
    /// By the benchmark's rules.
    pub official: Mark,
    /// By what the bench itself printed.
    pub strict: Mark,
    /// Our verdict.
    pub verdict: Judged,
}
