//! Verdicts as JUnit XML, which continuous integration shows: a suite for each problem, in the order in which
//! the problems come first; a case for each output of a judged candidate, and one for each other candidate.
//!
//! | verdict or status | in the report |
//! |---|---|
//! | `correct` | a case that passed |
//! | `wrong` | `failure`, with the first mismatch |
//! | `unchecked`, `unsupported` | `skipped`: nothing is known, and it is not the candidate's fault |
//! | `bad_problem`, `crash` | `error` |
//! | any other status | `failure`: the candidate's own |
//!
//! There are no times in it: the same verdicts give the same report. The verdicts are read twice, and only the
//! places of their lines are kept, so a long run needs eight bytes of memory a candidate.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::Context;

use crate::verify::verdict::{Judgement, MismatchKind, SignalVerdict, Status, Verdict};

/// Writes the report on the file `verdicts` to `report`.
pub fn write(verdicts: &Path, report: &Path) -> anyhow::Result<()> {
    let suites = survey(verdicts)?;
    let mut input = BufReader::new(open(verdicts)?);
    let mut at = 0;
    let failed = || format!("failed to write {}", report.display());
    let mut out = BufWriter::new(File::create(report).with_context(failed)?);
    let all = suites.iter().fold(Counts::default(), |sum, suite| sum.plus(&suite.counts));
    out.write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").with_context(failed)?;
    writeln!(out, "<testsuites name=\"salv\" {}>", all.attributes()).with_context(failed)?;
    for suite in &suites {
        let name = escape(&suite.problem);
        writeln!(out, "  <testsuite name=\"{name}\" {}>", suite.counts.attributes())
            .with_context(failed)?;
        for &place in &suite.lines {
            let (verdict, length) = verdict_at(&mut input, place, at, verdicts)?;
            at = place + length;
            for case in cases(&verdict) {
                write_case(&mut out, &verdict, &case).with_context(failed)?;
            }
        }
        writeln!(out, "  </testsuite>").with_context(failed)?;
    }
    writeln!(out, "</testsuites>").and_then(|()| out.flush()).with_context(failed)
}

/// The verdicts of one problem.
struct Suite {
    problem: String,
    /// Where the lines begin.
    lines: Vec<u64>,
    counts: Counts,
}

/// What the attributes of a suite say.
#[derive(Clone, Copy, Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

/// What a case is called and what came of it.
struct Case {
    name: String,
    outcome: Outcome,
}

enum Outcome {
    Passed,
    /// The element, its `type` and its `message`.
    Not(&'static str, String, String),
}

impl Counts {
    fn add(&mut self, case: &Case) {
        self.tests += 1;
        match case.outcome {
            Outcome::Not("failure", ..) => self.failures += 1,
            Outcome::Not("error", ..) => self.errors += 1,
            Outcome::Not(..) => self.skipped += 1,
            Outcome::Passed => {}
        }
    }

    fn plus(self, other: &Counts) -> Counts {
        Counts {
            tests: self.tests + other.tests,
            failures: self.failures + other.failures,
            errors: self.errors + other.errors,
            skipped: self.skipped + other.skipped,
        }
    }

    fn attributes(&self) -> String {
        let Counts { tests, failures, errors, skipped } = self;
        format!(
            "tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\""
        )
    }
}

fn survey(verdicts: &Path) -> anyhow::Result<Vec<Suite>> {
    let mut input = BufReader::new(open(verdicts)?);
    let length = std::fs::metadata(verdicts).map_or(0, |data| data.len());
    let mut by_problem: HashMap<String, usize> = HashMap::new();
    let mut suites: Vec<Suite> = Vec::new();
    let mut place = 0;
    while place < length {
        let (verdict, bytes) = verdict_at(&mut input, place, place, verdicts)?;
        let index = *by_problem.entry(verdict.problem.clone()).or_insert_with(|| {
            let problem = verdict.problem.clone();
            suites.push(Suite { problem, lines: Vec::new(), counts: Counts::default() });
            suites.len() - 1
        });
        suites[index].lines.push(place);
        cases(&verdict).iter().for_each(|case| suites[index].counts.add(case));
        place += bytes;
    }
    Ok(suites)
}

fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("failed to open {}", path.display()))
}

/// Reads the verdict that begins at `place`, from a file that is read up to `at`; returns its length too.
fn verdict_at(
    input: &mut BufReader<File>,
    place: u64,
    at: u64,
    path: &Path,
) -> anyhow::Result<(Verdict, u64)> {
    let mut read = || -> io::Result<(Verdict, u64)> {
        // Files are shorter than half of what 64 bits count.
        input.seek_relative(place as i64 - at as i64)?;
        let mut line = Vec::new();
        let length = input.read_until(b'\n', &mut line)?;
        Ok((serde_json::from_slice(&line)?, length as u64))
    };
    read().with_context(|| {
        format!("failed to read the verdict at byte {place} of {}", path.display())
    })
}

fn cases(verdict: &Verdict) -> Vec<Case> {
    let Verdict { candidate, status, .. } = verdict;
    if *status == Status::Judged {
        let case = |signal: &SignalVerdict| {
            let name = format!("{candidate}: {}", signal.name);
            Case { name, outcome: outcome_of(signal) }
        };
        return verdict.signals.iter().map(case).collect();
    }
    let element = match status {
        Status::Unsupported => "skipped",
        Status::BadProblem | Status::Crash => "error",
        _ => "failure",
    };
    let message = verdict.message.clone().unwrap_or_default();
    let outcome = Outcome::Not(element, status.name().into(), message);
    vec![Case { name: candidate.clone(), outcome }]
}

fn outcome_of(signal: &SignalVerdict) -> Outcome {
    let SignalVerdict { compared, toggles, .. } = signal;
    match signal.verdict {
        Judgement::Correct => Outcome::Passed,
        Judgement::Unchecked => {
            let why = format!("{compared} bits compared, {toggles} toggled");
            Outcome::Not("skipped", "unchecked".into(), why)
        }
        Judgement::Wrong => {
            let points =
                signal.mismatches.map_or("it differs".into(), |n| format!("{n} points differ"));
            let by = match signal.kind {
                Some(MismatchKind::Unknown) => ", by unknown bits only",
                _ => "",
            };
            let first = signal.first.as_ref().map_or(String::new(), |first| {
                let (episode, cycle, step) = (first.episode, first.cycle, first.step);
                format!(
                    "; first at episode {episode}, cycle {cycle}, step {step}: {} instead of {}",
                    first.candidate, first.golden
                )
            });
            Outcome::Not("failure", "wrong".into(), format!("{points}{by}{first}"))
        }
    }
}

fn write_case(out: &mut impl Write, verdict: &Verdict, case: &Case) -> io::Result<()> {
    let (class, name) = (escape(&verdict.problem), escape(&case.name));
    write!(out, "    <testcase classname=\"{class}\" name=\"{name}\"")?;
    match &case.outcome {
        Outcome::Passed => writeln!(out, "/>"),
        Outcome::Not(element, kind, message) => {
            let (kind, message) = (escape(kind), escape(message));
            // What schemas know of `skipped` is its message.
            let (kind, message) = match *element {
                "skipped" => (String::new(), format!("{kind}: {message}")),
                _ => (format!(" type=\"{kind}\""), message),
            };
            writeln!(out, "><{element}{kind} message=\"{message}\"/></testcase>")
        }
    }
}

/// Text as the value of an attribute. What XML cannot hold becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push_str(&format!("&#{};", u32::from(character))),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}
