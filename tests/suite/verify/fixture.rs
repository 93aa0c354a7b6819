//! Fixtures: golden modules and candidates in one text, each candidate with what is expected of it.
//!
//! ```text
//! //# golden NAME                    the problem NAME, whose golden module and top are called NAME
//! //# golden NAME: MODULE as TOP     the same with other names; MODULE `?` leaves golden_top out
//! //# inputs PORT: 2'b01, 2'b10      legal values, after a golden line
//! //# candidate ID: EXPECTED         a candidate of that problem; `itself` is the golden text
//! ```
//!
//! EXPECTED is one status, with words of its message in brackets (`forbidden ($finish)`), or a word for each
//! output (`q wrong, z correct`), or one word for all. `wrong` is wrong by value, `unknown` wrong by unknown
//! bits alone, `order` wrong in another order of processes alone, `differs` any of these. What stands before the first such line is for readers.
//!
//! A candidate that is all `//-` and `//+` lines is the golden text with these edits; what is taken out must
//! occur there exactly once. `{{N*text}}` stands for N times `text`, and `{{NUL}}` for a NUL byte.

use std::collections::BTreeMap;
use std::path::PathBuf;

use salv::candidate::Candidate;
use salv::problem::{Problem, Restriction};
use salv::verify::verdict::{Judgement, MismatchKind, SignalVerdict, Status, Verdict};

/// The folder of all fixtures.
pub fn fixture_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/verify")
}

/// A file of golden modules and candidates.
#[derive(Debug, Default)]
pub struct Fixture {
    /// The problems, named `FILE/NAME`.
    pub problems: Vec<Problem>,
    /// The candidates, named `FILE/NAME/ID`, in order.
    pub cases: Vec<Case>,
}

/// A candidate and what is expected.
#[derive(Debug)]
pub struct Case {
    /// The candidate.
    pub candidate: Candidate,
    /// The words after the colon.
    pub expected: String,
    /// Its place in the file.
    pub place: String,
}

impl Fixture {
    /// Reads the file of that name, without the suffix.
    pub fn load(file: &str) -> Fixture {
        let path = fixture_folder().join(file).with_extension("v");
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Fixture::parse(file, &text)
    }

    /// Reads a fixture; a mistake in it is a panic with its line.
    pub fn parse(file: &str, text: &str) -> Fixture {
        let mut fixture = Fixture::default();
        let starts: Vec<usize> = text
            .match_indices("//# ")
            .map(|(at, _)| at)
            .filter(|&at| at == 0 || text[..at].ends_with('\n'))
            .collect();
        for (number, &start) in starts.iter().enumerate() {
            let part = &text[start + 4..starts.get(number + 1).copied().unwrap_or(text.len())];
            let (head, body) = part.split_once('\n').unwrap_or((part, ""));
            let place = format!("{file}.v:{}", text[..start].matches('\n').count() + 1);
            let (word, rest) = head.split_once(' ').unwrap_or((head, ""));
            let (name, rest) = rest.split_once(':').unwrap_or((rest, ""));
            match word {
                "golden" => fixture.problems.push(problem(file, name.trim(), rest.trim(), body)),
                "inputs" => fixture.restrict(name.trim(), rest, body),
                "candidate" => fixture.add(name.trim(), rest.trim(), body, &place),
                _ => panic!("{place}: no such word: {word}"),
            }
        }
        fixture
    }

    fn restrict(&mut self, port: &str, values: &str, body: &str) {
        let problem = self.problems.last_mut().expect("a golden line first");
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        problem.inputs.insert(port.to_owned(), Restriction { values });
        problem.golden.push_str(body);
    }

    fn add(&mut self, id: &str, expected: &str, body: &str, place: &str) {
        let problem = self.problems.last().expect("a golden line first");
        let edits = body.lines().filter(|line| !line.trim().is_empty());
        let is_edited = body.contains("//- ")
            && edits.clone().all(|l| l.starts_with("//-") || l.starts_with("//+"));
        let completion = match id {
            "itself" => problem.golden.clone(),
            _ if is_edited => edited(&problem.golden, edits, place),
            _ => body.to_owned(),
        };
        let candidate = Candidate {
            problem: problem.problem.clone(),
            id: format!("{}/{id}", problem.problem),
            completion: repeated(&completion),
        };
        self.cases.push(Case { candidate, expected: expected.to_owned(), place: place.to_owned() });
    }
}

fn problem(file: &str, name: &str, names: &str, body: &str) -> Problem {
    let (module, top) = names.split_once(" as ").unwrap_or((name, name));
    Problem {
        problem: format!("{file}/{name}"),
        prompt: String::new(),
        golden: body.to_owned(),
        golden_top: (module != "?").then(|| module.to_owned()),
        top: top.to_owned(),
        testbench: None,
        inputs: BTreeMap::new(),
        source: None,
        licence: None,
    }
}

/// The golden text with each block of `//-` lines replaced by the block of `//+` lines after it.
fn edited<'a>(golden: &str, lines: impl Iterator<Item = &'a str>, place: &str) -> String {
    let mut edits: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    for line in lines {
        let text = line.get(4..).unwrap_or("");
        match edits.last_mut() {
            Some((_, new)) if line.starts_with("//+") => new.push(text),
            Some((old, new)) if new.is_empty() => old.push(text),
            _ => edits.push((vec![text], Vec::new())),
        }
    }
    edits.iter().fold(golden.to_owned(), |text, (old, new)| {
        let (old, new) = (old.join("\n"), new.join("\n"));
        assert_eq!(text.matches(&old).count(), 1, "{place}: `{old}` must occur once");
        text.replacen(&old, &new, 1)
    })
}

/// The text with each `{{N*piece}}` written out.
fn repeated(text: &str) -> String {
    let Some((before, rest)) = text.split_once("{{") else { return text.to_owned() };
    let long = rest.split_once("}}").and_then(|(inside, after)| {
        if inside == "NUL" {
            return Some(("\0".to_owned(), after));
        }
        let (count, piece) = inside.split_once('*')?;
        Some((piece.repeat(count.parse().ok()?), after))
    });
    match long {
        Some((piece, after)) => format!("{before}{piece}{}", repeated(after)),
        // Verilog's own replication.
        None => format!("{before}{{{{{}", repeated(rest)),
    }
}

impl Case {
    /// Compares a verdict with what is expected; the error says what was found.
    pub fn judge(&self, problem: &Problem, verdict: &Verdict) -> Result<(), String> {
        let failed = |why: String| {
            let (place, id, expected) = (&self.place, &self.candidate.id, &self.expected);
            let message = verdict.message.as_deref().unwrap_or_default();
            let found: Vec<String> =
                verdict.signals.iter().map(|s| format!("{} {}", s.name, word(s))).collect();
            let status = verdict.status.name();
            Err(format!(
                "{place}: {id}\n    expected {expected}\n    found    {status} {message}{}{why}",
                found.join(", ")
            ))
        };
        if verdict.problem != problem.problem
            || !["verilator", "lanes"].contains(&verdict.backend.as_str())
        {
            return failed(" of another problem or backend".into());
        }
        let (statuses, words) = self.expected.split_once(" (").unwrap_or((&self.expected, ""));
        if statuses.split('|').any(|status| status == verdict.status.name())
            && verdict.status != Status::Judged
        {
            let message = verdict.message.as_deref().unwrap_or_default();
            let said = message.contains(words.trim_end_matches(')')) && !message.is_empty();
            return if said && verdict.signals.is_empty() {
                Ok(())
            } else {
                failed(" without these words".into())
            };
        }
        let mut wanted: BTreeMap<&str, &str> =
            self.expected.split(", ").filter_map(|output| output.trim().rsplit_once(' ')).collect();
        for signal in &verdict.signals {
            let all = if wanted.is_empty() { Some(self.expected.as_str()) } else { None };
            let expected = wanted.get(signal.name.as_str()).copied().or(all).unwrap_or("nothing");
            if !fits(expected, signal) {
                return failed(format!(" ({})", signal.name));
            }
        }
        wanted.retain(|name, _| verdict.signals.iter().all(|signal| signal.name != *name));
        if verdict.status != Status::Judged || !wanted.is_empty() || verdict.message.is_some() {
            return failed(String::new());
        }
        evidence(verdict).or_else(failed)
    }
}

fn word(signal: &SignalVerdict) -> &'static str {
    match (signal.verdict, signal.kind) {
        (Judgement::Wrong, Some(MismatchKind::Unknown)) => "unknown",
        (Judgement::Wrong, Some(MismatchKind::Order)) => "order",
        (verdict, _) => verdict.name(),
    }
}

fn fits(expected: &str, signal: &SignalVerdict) -> bool {
    word(signal) == expected || expected == "differs" && signal.verdict == Judgement::Wrong
}

/// Whether what a verdict says goes with the evidence that it gives.
fn evidence(verdict: &Verdict) -> Result<(), String> {
    for signal in &verdict.signals {
        let wrong = signal.verdict == Judgement::Wrong;
        let counted = signal.mismatches.is_none_or(|mismatches| (mismatches > 0) == wrong);
        let compared = match signal.verdict {
            Judgement::Unchecked => signal.toggles == 0,
            _ => signal.compared > 0,
        };
        if signal.kind.is_some() != wrong
            || signal.first.is_some() != wrong
            || !counted
            || !compared
        {
            return Err(format!(" with the evidence {signal:?}"));
        }
        if let Some(first) = &signal.first
            && (first.golden == first.candidate || first.step > 3 || !first.golden.contains("'b"))
        {
            return Err(format!(" with the first mismatch {first:?}"));
        }
    }
    Ok(())
}
