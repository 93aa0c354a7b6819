//! From rows to what a person reads: pass@k by each of the three marks, a table of problems, what the benchmark itself
//! has wrong, and every row on which the marks differ. The content of `report.json`; the page shows the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::audit::Audit;
use super::passk::{self, Estimate};
use super::{Benchmark, Row};

/// What came of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The benchmark.
    pub benchmark: Benchmark,
    /// How it was done, for whoever repeats it: sampling, stimulus, tools.
    pub settings: serde_json::Value,
    /// Problems of the benchmark.
    pub problems: usize,
    /// Problems that have a candidate.
    pub attempted: usize,
    /// Candidates.
    pub candidates: usize,
    /// Fewest and most candidates of a problem that has any.
    pub samples: [usize; 2],
    /// pass@k over all problems that have a candidate.
    pub scores: Vec<Score>,
    /// The same over those that can be passed and can be failed; absent where that is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<Sound>,
    /// RTLLM's own sum: as if there were one problem more that nobody passes. Absent unless it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_one_more: Option<Vec<OneMore>>,
    /// Rows by outcome, officially and strictly, and by our status.
    pub outcomes: BTreeMap<String, BTreeMap<String, usize>>,
    /// Rows by which marks they pass.
    pub agreement: Vec<Agreement>,
    /// Problems that their own golden module does not pass, with what the bench said.
    pub cannot_be_passed: Vec<Audit>,
    /// Problems that a module without a design passes officially.
    pub cannot_be_failed: Vec<Audit>,
    /// Problems whose golden module is undefined in nine of ten samples or more, which then count as right.
    pub hardly_looked_at: Vec<Audit>,
    /// A line for each problem.
    pub table: Vec<Line>,
    /// The rows whose marks differ.
    pub differences: Vec<Row>,
}

/// pass@k by one of the marks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// `official`, `strict` or `verdict`.
    pub mark: String,
    /// Draws.
    pub k: usize,
    /// The estimate.
    #[serde(flatten)]
    pub estimate: Estimate,
}

/// Scores over the problems that measure something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sound {
    /// How many they are.
    pub problems: usize,
    /// pass@k over them.
    pub scores: Vec<Score>,
}

/// The official score as RTLLM's script sums it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneMore {
    /// Draws.
    pub k: usize,
    /// The mean.
    pub mean: f64,
}

/// How many rows pass these marks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Officially.
    pub official: bool,
    /// Strictly.
    pub strict: bool,
    /// By our verdict.
    pub verdict: bool,
    /// Rows.
    pub rows: usize,
}

/// What came of a problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The problem.
    pub problem: String,
    /// Its candidates.
    pub samples: usize,
    /// How many pass officially.
    pub official: usize,
    /// How many pass strictly.
    pub strict: usize,
    /// How many our verdict passes.
    pub verdict: usize,
    /// Whether anything can pass.
    pub can_pass: bool,
    /// Whether anything can fail.
    pub can_fail: bool,
}

/// What a report is made of beside the rows.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// The benchmark.
    pub benchmark: Benchmark,
    /// What is told of how it was done.
    pub settings: serde_json::Value,
    /// The trial of each problem's bench, in the benchmark's order.
    pub audits: &'a [Audit],
    /// The numbers of draws that are wanted; those for which a problem has too few candidates are left out.
    pub k: &'a [usize],
    /// Seed of the bootstrap.
    pub seed: u64,
    /// Whether RTLLM's own sum is wanted too.
    pub with_one_more: bool,
}

/// Makes the report.
pub fn report(frame: &Frame, rows: &[Row]) -> Report {
    let table = table(frame.audits, rows);
    let attempted: Vec<&Line> = table.iter().filter(|line| line.samples > 0).collect();
    let counts = || attempted.iter().map(|line| line.samples);
    let sound: Vec<&Line> =
        attempted.iter().copied().filter(|line| line.can_pass && line.can_fail).collect();
    let all = scores(frame, &attempted);
    let with_one_more = frame.with_one_more.then(|| {
        let official = all.iter().filter(|score| score.mark == "official");
        let share = attempted.len() as f64 / (attempted.len() + 1) as f64;
        official.map(|score| OneMore { k: score.k, mean: score.estimate.mean * share }).collect()
    });
    let flawed = |is_flawed: fn(&Audit) -> bool| {
        frame.audits.iter().filter(|audit| is_flawed(audit)).cloned().collect()
    };
    let differs = |row: &&Row| {
        row.official.passed() != row.strict.passed()
            || row.official.passed() != row.verdict.passed()
    };
    Report {
        benchmark: frame.benchmark,
        settings: frame.settings.clone(),
        problems: table.len(),
        attempted: attempted.len(),
        candidates: rows.len(),
        samples: [counts().min().unwrap_or(0), counts().max().unwrap_or(0)],
        sound: (sound.len() < attempted.len())
            .then(|| Sound { problems: sound.len(), scores: scores(frame, &sound) }),
        scores: all,
        with_one_more,
        outcomes: outcomes(rows),
        agreement: agreement(rows),
        cannot_be_passed: flawed(|audit| !audit.can_pass()),
        cannot_be_failed: flawed(|audit| !audit.can_fail()),
        hardly_looked_at: flawed(|audit| audit.can_pass() && audit.hardly_looks()),
        differences: rows.iter().filter(differs).cloned().collect(),
        table,
    }
}

fn table(audits: &[Audit], rows: &[Row]) -> Vec<Line> {
    let mut by_problem: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_problem.entry(&row.problem).or_default().push(row);
    }
    let line = |audit: &Audit| {
        let rows = by_problem.get(audit.problem.as_str()).map_or(&[][..], Vec::as_slice);
        let count = |passed: fn(&Row) -> bool| rows.iter().filter(|row| passed(row)).count();
        Line {
            problem: audit.problem.clone(),
            samples: rows.len(),
            official: count(|row| row.official.passed()),
            strict: count(|row| row.strict.passed()),
            verdict: count(|row| row.verdict.passed()),
            can_pass: audit.can_pass(),
            can_fail: audit.can_fail(),
        }
    };
    audits.iter().map(line).collect()
}

/// How many candidates of a line pass a mark.
type Passed = fn(&Line) -> usize;

/// The marks, in the order in which they are shown.
const MARKS: [(&str, Passed); 3] = [
    ("official", |line| line.official),
    ("strict", |line| line.strict),
    ("verdict", |line| line.verdict),
];

fn scores(frame: &Frame, lines: &[&Line]) -> Vec<Score> {
    let mut scores = Vec::new();
    for &k in frame.k {
        for (mark, passed) in MARKS {
            let values: Option<Vec<f64>> =
                lines.iter().map(|line| passk::pass_at_k(line.samples, passed(line), k)).collect();
            // One seed for all marks: their intervals are of the same draws of problems.
            let estimate = values.and_then(|values| passk::estimate(&values, frame.seed));
            scores.extend(estimate.map(|estimate| Score { mark: mark.to_owned(), k, estimate }));
        }
    }
    scores
}

fn outcomes(rows: &[Row]) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut outcomes: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for row in rows {
        let names = [
            ("official", row.official.outcome.name()),
            ("strict", row.strict.outcome.name()),
            ("verdict", row.verdict.status.name()),
        ];
        for (mark, name) in names {
            *outcomes.entry(mark.to_owned()).or_default().entry(name.to_owned()).or_default() += 1;
        }
    }
    outcomes
}

fn agreement(rows: &[Row]) -> Vec<Agreement> {
    let mut counts: BTreeMap<[bool; 3], usize> = BTreeMap::new();
    for row in rows {
        let passed = [row.official.passed(), row.strict.passed(), row.verdict.passed()];
        *counts.entry(passed).or_default() += 1;
    }
    let line = |([official, strict, verdict], rows): ([bool; 3], usize)| Agreement {
        official,
        strict,
        verdict,
        rows,
    };
    counts.into_iter().rev().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::eval::{Judged, Mark, Outcome};
    use crate::verify::verdict::Status;

    fn audit(problem: &str, golden: Outcome, undriven: Outcome) -> Audit {
        Audit {
            problem: problem.to_owned(),
            official: Mark::new(golden, ""),
            strict: Mark::new(golden, ""),
            samples: None,
            undriven: Some(Mark::new(undriven, "")),
        }
    }

    /// A candidate that passes these marks.
    fn row(problem: &str, passed: [bool; 3]) -> Row {
        let mark = |passed| Mark::new(if passed { Outcome::Passed } else { Outcome::Mismatch }, "");
        let verdict = Judged {
            status: Status::Judged,
            correct: 1,
            wrong: usize::from(!passed[2]),
            unchecked: 0,
        };
        Row {
            problem: problem.to_owned(),
            candidate: "0".to_owned(),
            official: mark(passed[0]),
            strict: mark(passed[1]),
            verdict,
        }
    }

    /// Three problems: a sound one with two candidates of four, one that nobody passes, one that everybody passes.
    #[test]
    fn scores_are_means_over_problems_and_flawed_problems_are_named() {
        let audits = [
            audit("a", Outcome::Passed, Outcome::Mismatch),
            audit("b", Outcome::CompileError, Outcome::CompileError),
            audit("c", Outcome::Passed, Outcome::Passed),
            audit("d", Outcome::Passed, Outcome::Mismatch),
        ];
        let rows = [
            row("a", [true, true, true]),
            row("a", [true, false, false]),
            row("a", [false, false, false]),
            row("a", [false, false, true]),
            row("b", [false; 3]),
            row("b", [false; 3]),
            row("c", [true, true, false]),
            row("c", [true; 3]),
        ];
        let frame = Frame {
            benchmark: Benchmark::Rtllm,
            settings: json!({}),
            audits: &audits,
            k: &[1, 2, 3],
            seed: 0,
            with_one_more: true,
        };
        let report = report(&frame, &rows);
        let mean = |mark: &str, k| {
            let found = report.scores.iter().find(|score| score.mark == mark && score.k == k);
            found.map(|score| (score.estimate.mean * 1e6).round())
        };
        // 2 of 4, none and all; two of four drawn twice: 1 - 1/6.
        assert_eq!(mean("official", 1), Some(500_000.0));
        assert_eq!(mean("strict", 1), Some((1.25_f64 / 3.0 * 1e6).round()));
        assert_eq!(mean("verdict", 1), Some((1.0_f64 / 3.0 * 1e6).round()));
        assert_eq!(mean("official", 2), Some(((1.0 - 1.0 / 6.0 + 1.0) / 3.0 * 1e6_f64).round()));
        assert_eq!(mean("official", 3), None, "two problems have two candidates");
        assert_eq!((report.problems, report.attempted, report.samples), (4, 3, [2, 4]));
        let names = |audits: &[Audit]| -> Vec<String> {
            audits.iter().map(|audit| audit.problem.clone()).collect()
        };
        assert_eq!(names(&report.cannot_be_passed), ["b"]);
        assert_eq!(names(&report.cannot_be_failed), ["c"]);
        let sound = report.sound.as_ref().expect("flawed problems");
        assert_eq!((sound.problems, sound.scores[0].estimate.mean), (1, 0.5));
        let one_more = report.with_one_more.as_ref().expect("it was asked for");
        assert_eq!(one_more[0], OneMore { k: 1, mean: 0.375 });
        assert_eq!(report.differences.len(), 3);
        assert_eq!(report.agreement.iter().map(|line| line.rows).sum::<usize>(), rows.len());
    }
}
