//! The binary from candidates to pairs, and what it refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use salv::pair::{Kind, Pair};
use salv::verify::verdict::{Judgement, Verdict};

use crate::verify::{Bench, Fixture, succeeded};

/// The fixture, verified and extracted.
fn bench() -> Bench {
    let text = include_str!("../../fixtures/pair/pairs.v");
    let fixture = Fixture::parse("pairs", text);
    let bench = Bench::new(std::slice::from_ref(&fixture));
    let verdicts = bench.verify("verdicts.jsonl", &[]);
    for (case, line) in fixture.cases.iter().zip(verdicts.lines()) {
        let verdict: Verdict = serde_json::from_str(line).expect("a verdict");
        let problem = fixture.problems.iter().find(|p| p.problem == verdict.problem);
        case.judge(problem.expect("its problem"), &verdict).expect("the expected verdict");
    }
    succeeded(&mut bench.salv(&["extract", "candidates.jsonl", "--problems", "problems.jsonl"]));
    bench
}

fn pair(bench: &Bench, output: &str, arguments: &[&str]) -> Command {
    let mut command = bench.salv(&["pair", "problems.jsonl", "candidates.jsonl", "-o", output]);
    command.args(["--verdicts", "verdicts.jsonl"]).args(arguments);
    command
}

fn read(text: &str) -> Vec<Pair> {
    text.lines().map(|line| serde_json::from_str(line).expect("a pair")).collect()
}

/// What must be true of every pair, whatever the options.
pub fn check_pairs(pairs: &[Pair], verdicts: &BTreeMap<(String, String), Verdict>) {
    let mut seen = BTreeSet::new();
    for pair in pairs {
        let judged = |id: &str, signal: &str| {
            let verdict = &verdicts[&(pair.problem.clone(), id.to_owned())];
            let found = verdict.signals.iter().find(|found| found.name == signal);
            found.map(|found| found.verdict)
        };
        for signal in &pair.signals {
            assert_eq!(judged(&pair.chosen_id, signal), Some(Judgement::Correct), "{pair:?}");
            assert_eq!(judged(&pair.rejected_id, signal), Some(Judgement::Wrong), "{pair:?}");
        }
        assert_eq!(pair.signals.is_empty(), pair.kind == Kind::Failed, "{pair:?}");
        for (text, spans) in
            [(&pair.chosen, &pair.chosen_spans), (&pair.rejected, &pair.rejected_spans)]
        {
            assert!(!spans.is_empty(), "{pair:?}");
            let mut last = 0;
            for &(start, end, weight) in spans {
                assert!(start >= last && end > start && weight == 1.0, "{spans:?}");
                assert!(text.get(start..end).is_some(), "{spans:?} in {text:?}");
                last = end;
            }
        }
        let key = (&pair.problem, &pair.chosen_id, &pair.rejected_id, &pair.signals);
        assert!(seen.insert(key), "{key:?} twice");
    }
}

fn verdicts(bench: &Bench) -> BTreeMap<(String, String), Verdict> {
    let text = bench.read("verdicts.jsonl");
    let verdicts = text.lines().map(|line| serde_json::from_str(line).expect("a verdict"));
    verdicts.map(|v: Verdict| ((v.problem.clone(), v.candidate.clone()), v)).collect()
}

/// `chosen > rejected: signals`, without the names that all share.
fn names(pairs: &[Pair]) -> BTreeSet<String> {
    let short = |id: &str| id.rsplit('/').next().unwrap_or(id).to_owned();
    let name = |pair: &Pair| {
        format!(
            "{} > {}: {}",
            short(&pair.chosen_id),
            short(&pair.rejected_id),
            pair.signals.join(" ")
        )
    };
    pairs.iter().map(name).collect()
}

#[test]
fn candidates_become_pairs() {
    let bench = bench();
    let output = succeeded(&mut pair(&bench, "pairs.jsonl", &["--report", "report.json"]));
    let pairs = read(&bench.read("pairs.jsonl"));
    check_pairs(&pairs, &verdicts(&bench));
    // `sum` has the same cone in `itself` and in `lt_wrong`; the second eq_sum_wrong differs in layout.
    let expected = [
        "itself > lt_wrong: lt",
        "itself > eq_sum_wrong: eq sum",
        "itself > sum_open: sum",
        "itself > wrong: y",
        "lt_wrong > eq_sum_wrong: eq sum",
        "eq_sum_wrong > lt_wrong: lt",
        "sum_open > lt_wrong: lt",
        "sum_open > eq_sum_wrong: eq",
        "itself > broken: ",
        "itself > prose: ",
    ];
    assert_eq!(names(&pairs), expected.map(str::to_owned).into());
    let report: serde_json::Value =
        serde_json::from_str(&bench.read("report.json")).expect("a report");
    assert_eq!(report["pairs_written"], pairs.len());
    assert_eq!(report["candidates"]["wrong_chosen_found"], 4);
    assert_eq!(report["modes"]["module"]["pairs"], 4);
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(shown.contains("of 5 candidates that are wrong as a whole"), "{shown}");
    // The spans of the file, those made on the way, and any number of threads give the same bytes.
    let bytes = bench.read("pairs.jsonl");
    for (file, arguments) in
        [("a", ["--spans", "spans.jsonl"]), ("b", ["--threads", "1"]), ("c", ["--threads", "3"])]
    {
        succeeded(&mut pair(&bench, file, &arguments));
        assert_eq!(bench.read(file), bytes, "{arguments:?}");
    }
    assert_eq!(bench.read("b.meta.json"), bench.read("c.meta.json"));
    for arguments in [["--mode", "module"], ["--mode", "unfiltered"], ["--max-pairs", "2"]] {
        succeeded(&mut pair(&bench, "d", &arguments));
        check_pairs(&read(&bench.read("d")), &verdicts(&bench));
    }
    succeeded(&mut pair(&bench, "e", &["--ignore-power-up", "--failed", "skip"]));
    let fewer = names(&read(&bench.read("e")));
    assert!(!fewer.iter().any(|name| name.contains("> sum_open") || name.ends_with(": ")));
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let bench = bench();
    let refused = |arguments: &[&str], words: &[&str]| {
        let output = pair(&bench, "out", arguments).output().expect("a command that starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        words.iter().for_each(|word| assert!(text.contains(word), "{word} in {text}"));
    };
    let write = |file: &str, text: &str| std::fs::write(bench.path(file), text).expect("written");
    let (verdicts, spans) = (bench.read("verdicts.jsonl"), bench.read("spans.jsonl"));
    let spans_meta = bench.read("spans.jsonl.meta.json");
    let cut = |text: &str| text.lines().take(3).map(|l| format!("{l}\n")).collect::<String>();

    write("alone", &spans);
    refused(&["--spans", "alone"], &["alone.meta.json", "--without-meta"]);
    succeeded(&mut pair(&bench, "out", &["--spans", "alone", "--without-meta"]));
    write("alone.meta.json", &spans_meta.replacen("\"candidates\": \"", "\"candidates\": \"0", 1));
    refused(&["--spans", "alone"], &["made from other candidates", "salv extract"]);
    write("alone.meta.json", &spans_meta);
    write("alone", &cut(&spans));
    let both = || (bench.read("out"), bench.read("out.meta.json"));
    let before = both();
    refused(&["--spans", "alone"], &["ends before candidate", "sum", "salv extract --resume"]);
    assert_eq!(both(), before, "what was there stays");
    assert!(!bench.path("out.draft").exists(), "no part is left");
    write("alone", &format!("{spans}{}", cut(&spans)));
    refused(&["--spans", "alone"], &["more rows than there are candidates"]);
    let mut turned: Vec<&str> = spans.lines().collect();
    turned.swap(0, 1);
    write("alone", &(turned.join("\n") + "\n"));
    refused(&["--spans", "alone"], &["row 1 of the spans", "in their order"]);

    write("verdicts.jsonl", &cut(&verdicts));
    refused(&[], &["verdicts.jsonl ends before", "salv merge"]);
    write("verdicts.jsonl", &format!("{verdicts}{}", cut(&verdicts)));
    refused(&[], &["more rows than there are candidates"]);
    write("verdicts.jsonl", &verdicts);
    let output = pair(&bench, "candidates.jsonl", &[]).output().expect("a command that starts");
    assert!(String::from_utf8_lossy(&output.stderr).contains("overwrite an input"));

    // A verdict that contradicts another one on the same code: the rest is written, and the run fails.
    let text = verdicts.lines().map(|line| {
        let mut verdict: Verdict = serde_json::from_str(line).expect("a verdict");
        if verdict.candidate.ends_with("eq_sum_wrong_again") {
            verdict.signals[0].verdict = Judgement::Wrong;
        }
        serde_json::to_string(&verdict).expect("JSON") + "\n"
    });
    write("verdicts.jsonl", &text.collect::<String>());
    refused(&[], &["contradiction: lt of pairs/flags", "unequal verdicts: 1", "salv show"]);
    assert!(bench.read("out").lines().count() > 5);
}
