//! The benchmarks' own rules: what compiler and simulation said goes in, a [`Mark`] comes out.
//!
//! Each rule is that of the authors' script, read there and not improved, oddities included; where one passes what a
//! person would not, that is what `strict` is for. The sources:
//!
//! - VerilogEval v1, `verilog_eval/execution.py`: anything at all on standard error is a failure, warnings of `-Wall`
//!   too, and of `Mismatches: N in M samples` the *first* one in the output counts.
//! - VerilogEval v2, `Makefile.in` and `scripts/sv-iv-analyze`: compiler and simulation write one log; a word of a
//!   list anywhere in it fails the candidate (`error` among them, whoever printed it); else *any* line that says 0
//!   mismatches passes it.
//! - RTLLM, `auto_run.py`: it compiles, the run ends in time, and `Pass` or `pass` stands anywhere in the output.

use super::simulate::Ran;
use super::{Benchmark, Mark, Outcome};

/// What the benchmark's script says.
pub fn official(benchmark: Benchmark, ran: &Ran) -> Mark {
    match benchmark {
        Benchmark::VerilogEvalV1 => verilog_eval_v1(ran),
        Benchmark::VerilogEvalV2 => verilog_eval_v2(ran),
        Benchmark::Rtllm => rtllm(ran),
    }
}

fn verilog_eval_v1(ran: &Ran) -> Mark {
    let errors = format!("{}{}", ran.compiler_said, ran.stderr);
    let first = errors.lines().next().unwrap_or_default();
    if ran.over_limit.is_some() {
        return over_limit(ran);
    }
    if let Some(line) = errors.lines().find(|line| line.contains("syntax error")) {
        return Mark::new(Outcome::CompileError, line);
    }
    if !ran.compiled {
        return Mark::new(Outcome::CompileError, complaint(&errors));
    }
    if !errors.is_empty() {
        return Mark::new(Outcome::Warning, first);
    }
    match mismatches(&ran.stdout) {
        Some((0, samples)) => Mark::new(Outcome::Passed, counted(0, samples)),
        Some((wrong, samples)) => Mark::new(Outcome::Mismatch, counted(wrong, samples)),
        None => Mark::new(Outcome::NoResult, last_line(&ran.stdout)),
    }
}

/// Lines of the log that fail a candidate at once, in the order in which the script looks for them.
const V2_FAILURES: [(&str, Outcome); 9] = [
    ("syntax error", Outcome::CompileError),
    ("error: This assignment requires an explicit cast", Outcome::CompileError),
    ("error: Sized numeric constant must have a size greater than zero", Outcome::CompileError),
    ("warning: always_comb process has no sensitivities", Outcome::Warning),
    ("found no sensitivities so it will never trigger", Outcome::Warning),
    ("is declared here as wire", Outcome::CompileError),
    ("Unknown module type", Outcome::CompileError),
    ("Unable to bind wire/reg/memory `clk'", Outcome::CompileError),
    ("TIMEOUT", Outcome::Timeout),
];

fn verilog_eval_v2(ran: &Ran) -> Mark {
    let log = format!("{}{}{}", ran.compiler_said, ran.stdout, ran.stderr);
    let (mut bad, mut clean, mut wrong) = (None, None, None);
    for line in log.lines() {
        // "error" is looked for before the words that end the search, so it counts only in lines before them.
        if let Some((_, outcome)) = V2_FAILURES.iter().find(|(word, _)| line.contains(word)) {
            return Mark::new(*outcome, line);
        }
        if line.contains("error") || line.contains("Unable to bind wire/reg") {
            bad.get_or_insert(line);
        }
        match whole_line(line) {
            Some((0, samples)) => clean = Some(counted(0, samples)),
            Some((count, samples)) => wrong = Some(counted(count, samples)),
            None => {}
        }
    }
    if ran.over_limit.is_some() {
        return over_limit(ran);
    }
    match (bad, clean, wrong) {
        (Some(line), _, _) if ran.compiled => Mark::new(Outcome::Warning, line),
        (Some(_), _, _) => Mark::new(Outcome::CompileError, complaint(&log)),
        (None, Some(counted), _) => Mark::new(Outcome::Passed, counted),
        (None, None, Some(counted)) => Mark::new(Outcome::Mismatch, counted),
        (None, None, None) => Mark::new(Outcome::NoResult, last_line(&log)),
    }
}

fn rtllm(ran: &Ran) -> Mark {
    if !ran.compiled {
        return Mark::new(Outcome::CompileError, complaint(&ran.compiler_said));
    }
    if ran.over_limit.is_some() {
        return over_limit(ran);
    }
    match ran.stdout.lines().find(|line| says_pass(line)) {
        Some(line) => Mark::new(Outcome::Passed, line),
        None if ran.stdout.trim().is_empty() => Mark::new(Outcome::NoResult, ""),
        // A bench without its data compares with nothing.
        None => {
            let missing = ran.stdout.lines().find(|line| line.contains("Unable to open"));
            Mark::new(Outcome::Mismatch, missing.unwrap_or(last_line(&ran.stdout)))
        }
    }
}

/// Whether RTLLM's script takes a text for a pass.
pub fn says_pass(text: &str) -> bool {
    text.contains("Pass") || text.contains("pass")
}

/// The first `Mismatches: N in M samples` of a text, as Python's `re.search` finds it.
pub fn mismatches(text: &str) -> Option<(u64, u64)> {
    text.match_indices(MISMATCHES).find_map(|(at, _)| {
        let (wrong, rest) = number(&text[at + MISMATCHES.len()..])?;
        let (samples, rest) = number(rest.strip_prefix(" in ")?)?;
        rest.starts_with(" samples").then_some((wrong, samples))
    })
}

const MISMATCHES: &str = "Mismatches: ";

/// The counts of a line that is nothing else.
fn whole_line(line: &str) -> Option<(u64, u64)> {
    let (wrong, rest) = number(line.strip_prefix(MISMATCHES)?)?;
    let (samples, rest) = number(rest.strip_prefix(" in ")?)?;
    (rest == " samples").then_some((wrong, samples))
}

/// The decimal number that a text begins with, and the rest. One that is too long is as good as the largest.
fn number(text: &str) -> Option<(u64, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(length);
    (length > 0).then(|| (digits.parse().unwrap_or(u64::MAX), rest))
}

fn counted(wrong: u64, samples: u64) -> String {
    format!("{MISMATCHES}{wrong} in {samples} samples")
}

fn over_limit(ran: &Ran) -> Mark {
    Mark::new(Outcome::Limit, ran.over_limit.as_deref().unwrap_or_default())
}

/// The line of a compiler that says what is wrong: what it cannot do (`sorry`) is not called an error by it.
fn complaint(text: &str) -> &str {
    let find =
        |words: &[&str]| text.lines().find(|line| words.iter().any(|word| line.contains(word)));
    find(&[": error:", ": sorry:", "syntax error"]).or(find(&["error"])).unwrap_or_default()
}

fn last_line(text: &str) -> &str {
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(compiler_said: &str, stdout: &str) -> Ran {
        let compiled = !compiler_said.contains("error");
        let (compiler_said, stdout) = (compiler_said.to_owned(), stdout.to_owned());
        Ran { compiled, compiler_said, stdout, stderr: String::new(), over_limit: None }
    }

    /// What the three rules say of one run.
    #[track_caller]
    fn check(run: &Ran, expected: [Outcome; 3]) {
        let all = [Benchmark::VerilogEvalV1, Benchmark::VerilogEvalV2, Benchmark::Rtllm];
        assert_eq!(all.map(|benchmark| official(benchmark, run).outcome), expected);
    }

    #[test]
    fn the_rules_differ_as_the_scripts_do() {
        use Outcome::{CompileError, Mismatch, NoResult, Passed, Timeout, Warning};
        let clean = "Hint: x\nMismatches: 0 in 20 samples\n";
        check(&ran("", clean), [Passed, Passed, Mismatch]);
        check(&ran("", "Mismatches: 3 in 20 samples\n"), [Mismatch, Mismatch, Mismatch]);
        check(&ran("a.sv:1: warning: x\n", clean), [Warning, Passed, Mismatch]);
        check(&ran("a.sv:1: syntax error\n", ""), [CompileError, CompileError, CompileError]);
        check(&ran("a.sv:1: error: x\n", ""), [CompileError, CompileError, CompileError]);
        check(&ran("", ""), [NoResult, NoResult, NoResult]);
        check(&ran("", "===Your Design Passed===\n"), [NoResult, NoResult, Passed]);
        check(&ran("", "Test failed, not passed\n"), [NoResult, NoResult, Passed]);
        check(&ran("", &format!("TIMEOUT\n{clean}")), [Passed, Timeout, Mismatch]);
        // The first counts in v1, any in v2.
        let spoof = "Mismatches: 0 in 1 samples\nMismatches: 7 in 20 samples\n";
        check(&ran("", spoof), [Passed, Passed, Mismatch]);
        let late = "Mismatches: 7 in 20 samples\nMismatches: 0 in 1 samples\n";
        check(&ran("", late), [Mismatch, Passed, Mismatch]);
        check(&ran("", "x Mismatches: 0 in 1 samples y\n"), [Passed, NoResult, Mismatch]);
        check(&ran("", &format!("no error\n{clean}")), [Passed, Warning, Mismatch]);
    }

    #[test]
    fn a_run_that_was_stopped_passes_nowhere() {
        let said = "Mismatches: 0 in 1 samples\nPass\n";
        let run = Ran { over_limit: Some("CPU time".into()), ..ran("", said) };
        check(&run, [Outcome::Limit; 3]);
    }

    #[test]
    fn counts_are_read_where_they_stand() {
        assert_eq!(
            mismatches("Mismatches:  in 3 samples Mismatches: 2 in 5 samples"),
            Some((2, 5))
        );
        assert_eq!(mismatches("Mismatches: 2 in 5 sample"), None);
        let long = "Mismatches: 99999999999999999999999 in 5 samples";
        assert_eq!(mismatches(long), Some((u64::MAX, 5)));
    }
}
