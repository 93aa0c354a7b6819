//! Pairs: each rule on a handful of small candidates; the whole way from candidates to files; other programs.

mod exchange;
mod real;
mod runs;

use std::collections::BTreeSet;

use salv::candidate::{Candidate, extract_code};
use salv::extract::run::{Extracted, Row};
use salv::extract::worker::{Request, cones};
use salv::pair::label::{Doubt, Label, Rules, is_failed, label};
use salv::pair::plan::{Mode, Options};
use salv::pair::report::Report;
use salv::pair::run::{Contradiction, PairError, Pairing, survey};
use salv::pair::{Kind, Pair, WeightedSpan};
use salv::problem::Problem;
use salv::verify::verdict::{Judgement, MismatchKind, SignalVerdict, Status, Verdict};

/// What `salv pair` does without flags, but for the cap.
pub const OPTIONS: Options = Options {
    mode: Mode::Signal,
    per_signal: false,
    rules: Rules { ignore_power_up: false, keep_races: false, min_compared: 0, min_toggles: 0 },
    failed: true,
    keep_whole_modules: false,
    without_frame: false,
    with_fences: false,
    keep_duplicates: false,
    max_pairs: 0,
    seed: 0,
};

/// A candidate of problem `p` or of the one before a `/` in its id, its text, and its verdicts: a status, or
/// `OUTPUT=WORD` where the word is a verdict, `unknown`, `order` or `race`.
type Case<'c> = (&'c str, &'c str, &'c str);

pub fn problem(name: &str) -> Problem {
    Problem {
        problem: name.to_owned(),
        prompt: format!("Write {name}."),
        golden: "module m; endmodule".to_owned(),
        golden_top: None,
        top: "m".to_owned(),
        testbench: None,
        inputs: Default::default(),
        source: None,
        licence: None,
    }
}

fn verdict(problem: &str, id: &str, words: &str) -> Verdict {
    let status = serde_json::from_value::<Status>(words.into()).unwrap_or(Status::Judged);
    let signals = words.split(' ').filter_map(|word| word.split_once('=')).map(|(name, word)| {
        let (judgement, kind) = match word {
            "correct" => (Judgement::Correct, None),
            "unchecked" => (Judgement::Unchecked, None),
            "wrong" | "race" => (Judgement::Wrong, Some(MismatchKind::Value)),
            "unknown" => (Judgement::Wrong, Some(MismatchKind::Unknown)),
            "order" => (Judgement::Wrong, Some(MismatchKind::Order)),
            _ => panic!("no such word: {word}"),
        };
        let (name, first) = (name.to_owned(), None);
        SignalVerdict {
            name,
            verdict: judgement,
            compared: 100,
            toggles: 2,
            mismatches: None,
            kind,
            first,
        }
    });
    let raced = words.split(' ').filter_map(|word| word.strip_suffix("=race"));
    Verdict {
        problem: problem.to_owned(),
        candidate: id.to_owned(),
        status,
        message: None,
        backend: "test".to_owned(),
        profile: "full".to_owned(),
        races: raced.map(str::to_owned).collect(),
        signals: if status == Status::Judged { signals.collect() } else { Vec::new() },
    }
}

/// The spans that `salv extract` gives.
fn row(problem: &Problem, candidate: &Candidate) -> Row {
    let code = extract_code(&candidate.completion, &problem.prompt, &problem.top);
    let code = code.map_err(|why| why.to_string()).map(|code| {
        let request =
            Request { code: code.text.clone(), top: problem.top.clone(), proof: None, patience: 1 };
        (code, cones(&request))
    });
    Extracted { candidate: candidate.clone(), problem: 0, code }.row()
}

#[derive(Debug)]
struct Outcome {
    pairs: Vec<Pair>,
    report: Report,
    contradictions: Vec<Contradiction>,
}

/// Pairs these candidates, with the spans changed by `edit`.
fn pair_edited(
    options: &Options,
    cases: &[Case],
    mut edit: impl FnMut(&mut Row),
) -> Result<Outcome, PairError> {
    let of = |id: &str| id.split_once('/').map_or("p", |(problem, _)| problem).to_owned();
    let names: BTreeSet<String> = cases.iter().map(|case| of(case.0)).collect();
    let problems: Vec<Problem> = names.iter().map(|name| problem(name)).collect();
    let candidates: Vec<Candidate> = cases
        .iter()
        .map(|(id, text, _)| Candidate {
            problem: of(id),
            id: (*id).to_owned(),
            completion: (*text).to_owned(),
        })
        .collect();
    let survey = survey::<PairError>(&problems, candidates.iter().cloned().map(Ok))?;
    let mut pairing = Pairing::new(&problems, &survey, options);
    let mut pairs = Vec::new();
    for (candidate, (id, _, words)) in candidates.into_iter().zip(cases) {
        let mut row = row(&problems[0], &candidate);
        edit(&mut row);
        let verdict = verdict(&candidate.problem, id, words);
        pairs.extend(pairing.push(candidate, &verdict, &row)?);
    }
    let (report, contradictions) = pairing.finish();
    Ok(Outcome { pairs, report, contradictions })
}

fn pair(options: &Options, cases: &[Case]) -> Outcome {
    pair_edited(options, cases, |_| {}).expect("pairs")
}

/// The text under a mask, its parts joined by ` | `.
pub fn shown(text: &str, spans: &[WeightedSpan]) -> String {
    spans.iter().map(|span| &text[span.0..span.1]).collect::<Vec<_>>().join(" | ")
}

/// Pairs as `chosen > rejected: signals`.
fn names(pairs: &[Pair]) -> Vec<String> {
    let name = |pair: &Pair| {
        format!("{} > {}: {}", pair.chosen_id, pair.rejected_id, pair.signals.join(" "))
    };
    pairs.iter().map(name).collect()
}

#[track_caller]
fn check(options: &Options, cases: &[Case], expected: &[&str]) -> Outcome {
    let outcome = pair(options, cases);
    assert_eq!(names(&outcome.pairs), expected);
    outcome
}

const RIGHT: &str = "module m(input i, output a, b);\n  assign a = i;\n  assign b = !i;\nendmodule";
const A_WRONG: &str =
    "module m(input i, output a, b);\n  assign a = 0;\n  assign b = ~i;\nendmodule";
const B_WRONG: &str =
    "module m(input i, output a, b);\n  assign a = i & 1;\n  assign b = 1;\nendmodule";

#[test]
fn modules_that_are_wrong_as_a_whole_are_chosen_for_what_they_have_right() {
    let cases = [("1", A_WRONG, "a=wrong b=correct"), ("2", B_WRONG, "a=correct b=wrong")];
    let outcome = check(&OPTIONS, &cases, &["1 > 2: b", "2 > 1: a"]);
    let first = &outcome.pairs[0];
    let mask = shown(&first.chosen, &first.chosen_spans);
    assert!(mask.contains("assign b = ~i;") && !mask.contains("assign a"), "{mask}");
    let mask = shown(&first.rejected, &first.rejected_spans);
    assert!(mask.contains("assign b = 1;") && !mask.contains("assign a"), "{mask}");
    assert_eq!(outcome.report.candidates.wrong_chosen, 2);
    // What the module as a whole cannot teach.
    let module = Options { mode: Mode::Module, ..OPTIONS };
    check(&module, &cases, &[]);
    assert_eq!(outcome.report.modes["module"].pairs, 0);
    assert_eq!(outcome.report.modes["signal"].pairs, 2);
}

#[test]
fn contrasted_signals_share_a_pair_or_have_one_each() {
    let wrong = "module m(input i, output a, b);\n  assign a = 0;\n  assign b = 1;\nendmodule";
    let cases = [("1", RIGHT, "a=correct b=correct"), ("2", wrong, "a=wrong b=wrong")];
    let outcome = check(&OPTIONS, &cases, &["1 > 2: a b"]);
    let merged = &outcome.pairs[0];
    // The white space between the two statements belongs to the union, as it does in one cone.
    let mask = shown(&merged.chosen, &merged.chosen_spans);
    assert!(mask.contains("assign a = i;\n  assign b = !i;"), "{mask}");
    let each = Options { per_signal: true, ..OPTIONS };
    let outcome = check(&each, &cases, &["1 > 2: a", "1 > 2: b"]);
    let bytes = |pair: &Pair| -> BTreeSet<usize> {
        pair.chosen_spans.iter().flat_map(|span| span.0..span.1).collect()
    };
    let both: BTreeSet<usize> = outcome.pairs.iter().flat_map(bytes).collect();
    assert!(both.is_subset(&bytes(merged)));
    assert!(outcome.pairs.iter().all(|pair| bytes(pair).len() < bytes(merged).len()));
}

#[test]
fn what_only_other_signals_need_is_in_no_mask() {
    let right = "module m(input i, output reg a, b, c);\n  always @(*) begin\n    a = i;\n    c = 1;\n    b = !i;\n  end\nendmodule";
    let wrong =
        right.replace("a = i", "a = 0").replace("b = !i", "b = 1").replace("c = 1", "c = i");
    let cases =
        [("1", right, "a=correct b=correct c=wrong"), ("2", &wrong, "a=wrong b=wrong c=correct")];
    let outcome = check(&OPTIONS, &cases, &["1 > 2: a b", "2 > 1: c"]);
    let mask = shown(&outcome.pairs[0].chosen, &outcome.pairs[0].chosen_spans);
    assert!(mask.contains("a = i;") && mask.contains("b = !i;"), "{mask}");
    assert!(!mask.contains("c = 1;"), "{mask}");
}

#[test]
fn frames_leave_masks_and_fences_enter_them_by_option() {
    let fenced = |code: &str| format!("Here:\n```verilog\n{code}\n```\nDone.");
    let code = "module m(input i, output a);\n  assign a = i;\nendmodule";
    let (right, wrong) = (fenced(code), fenced(&code.replace("= i", "= !i")));
    let cases = [("1", right.as_str(), "a=correct"), ("2", wrong.as_str(), "a=wrong")];
    for (without_frame, with_fences, expected) in [
        (false, false, code.to_owned()),
        (true, false, "assign a = i;".to_owned()),
        (false, true, format!("```verilog\n{code}\n```")),
        (true, true, "```verilog\n | assign a = i; | \n```".to_owned()),
    ] {
        for mode in [Mode::Signal, Mode::Module] {
            let options = Options { mode, without_frame, with_fences, ..OPTIONS };
            let outcome = pair(&options, &cases);
            let mask = shown(&outcome.pairs[0].chosen, &outcome.pairs[0].chosen_spans);
            assert_eq!(mask, expected, "{options:?}");
        }
    }
}

#[test]
fn a_verdict_counts_only_as_the_rules_say() {
    let labels = |words: &str, rules: Rules| {
        let verdict = verdict("p", "1", words);
        label(&verdict, &verdict.signals[0], &rules)
    };
    let default = Rules::default();
    for (words, wanted) in [
        ("a=correct", Label::Correct),
        ("a=wrong", Label::Wrong),
        ("a=unknown", Label::Wrong),
        ("a=unchecked", Label::Open(Doubt::Unchecked)),
        ("a=order", Label::Open(Doubt::Race)),
        ("a=race", Label::Open(Doubt::Race)),
        ("a=correct a=race", Label::Open(Doubt::Race)),
    ] {
        assert_eq!(labels(words, default), wanted, "{words}");
    }
    let rules = Rules { ignore_power_up: true, ..default };
    assert_eq!(labels("a=unknown", rules), Label::Open(Doubt::PowerUp));
    assert_eq!(labels("a=wrong", rules), Label::Wrong);
    let rules = Rules { keep_races: true, ..default };
    assert_eq!(labels("a=order", rules), Label::Wrong);
    assert_eq!(labels("a=race", rules), Label::Wrong);
    // The verdicts here have 100 compared bits and 2 that toggled.
    for (min_compared, min_toggles, enough) in [(100, 2, true), (101, 2, false), (100, 3, false)] {
        let rules = Rules { min_compared, min_toggles, ..default };
        let wanted = if enough { Label::Correct } else { Label::Open(Doubt::Evidence) };
        assert_eq!(labels("a=correct", rules), wanted);
        assert_eq!(labels("a=wrong", rules), Label::Wrong, "one mismatch is proof");
    }
}

#[test]
fn an_output_that_is_left_aside_is_neither_chosen_nor_rejected() {
    let cases = [("1", RIGHT, "a=correct b=correct"), ("2", A_WRONG, "a=unknown b=correct")];
    check(&OPTIONS, &cases, &["1 > 2: a"]);
    let rules = Rules { ignore_power_up: true, ..Rules::default() };
    let outcome = check(&Options { rules, ..OPTIONS }, &cases, &[]);
    assert_eq!(outcome.report.outputs.power_up, 1);
    let outcome = check(&OPTIONS, &[cases[0], ("2", A_WRONG, "a=race b=correct")], &[]);
    assert_eq!(outcome.report.outputs.race, 1);
    // Nor is a module fully correct with an output that is left aside.
    let module = Options { mode: Mode::Module, ..OPTIONS };
    let doubtful = ("1", RIGHT, "a=correct b=unchecked");
    check(&module, &[doubtful, ("2", A_WRONG, "a=wrong b=correct")], &[]);
    check(&module, &[cases[0], ("2", A_WRONG, "a=wrong b=correct")], &["1 > 2: a"]);
}

#[test]
fn the_ablations_have_other_masks() {
    let text = format!("Here:\n```verilog\n{RIGHT}\n```\nDone.");
    let cases = [("1", text.as_str(), "a=correct b=correct"), ("2", A_WRONG, "a=wrong b=correct")];
    let module = pair(&Options { mode: Mode::Module, ..OPTIONS }, &cases);
    let pair_of = |outcome: &Outcome| outcome.pairs[0].clone();
    assert_eq!(shown(&text, &pair_of(&module).chosen_spans), RIGHT);
    assert_eq!(pair_of(&module).kind, Kind::Module);
    let unfiltered = pair(&Options { mode: Mode::Unfiltered, ..OPTIONS }, &cases);
    assert_eq!(shown(&text, &pair_of(&unfiltered).chosen_spans), text);
    assert_eq!(names(&unfiltered.pairs), names(&pair(&OPTIONS, &cases).pairs));
}

#[test]
fn only_what_is_no_module_is_rejected_without_a_verdict() {
    let right = ("1", RIGHT, "a=correct b=correct");
    for status in ["no_code", "parse_error", "elaboration_error", "wrong_top", "port_mismatch"] {
        let outcome = check(&OPTIONS, &[right, ("2", "I would rather not.", status)], &["1 > 2: "]);
        let pair = &outcome.pairs[0];
        assert_eq!(pair.kind, Kind::Failed);
        assert_eq!(shown(&pair.chosen, &pair.chosen_spans), RIGHT);
        assert_eq!(shown(&pair.rejected, &pair.rejected_spans), "I would rather not.");
        assert_eq!(outcome.report.failed.pairs, 1);
    }
    for status in ["forbidden", "unsupported", "timeout", "crash", "bad_problem"] {
        check(&OPTIONS, &[right, ("2", A_WRONG, status)], &[]);
    }
    assert!(!is_failed(Status::Judged));
    let failed = ("2", "module", "parse_error");
    check(&Options { failed: false, ..OPTIONS }, &[right, failed], &[]);
    // Nor against one that is not right in every output.
    check(&OPTIONS, &[("1", A_WRONG, "a=wrong b=correct"), failed], &[]);
    // An empty completion shows nothing.
    let outcome = check(&OPTIONS, &[right, ("2", "", "no_code")], &[]);
    assert_eq!(outcome.report.failed.empty_masks, 1);
}

#[test]
fn a_whole_module_for_a_cone_is_dropped_or_kept_and_counted() {
    let cases = [("1", RIGHT, "a=correct b=correct"), ("2", A_WRONG, "a=wrong b=correct")];
    let whole = |row: &mut Row| {
        row.signals.iter_mut().for_each(|signal| signal.whole_module = Some("a bind".into()));
    };
    let outcome = pair_edited(&OPTIONS, &cases, whole).expect("pairs");
    assert_eq!(names(&outcome.pairs), Vec::<String>::new());
    assert_eq!(outcome.report.modes["signal"].contrasts_whole_module, 1);
    let keep = Options { keep_whole_modules: true, ..OPTIONS };
    let outcome = pair_edited(&keep, &cases, whole).expect("pairs");
    assert_eq!(shown(RIGHT, &outcome.pairs[0].chosen_spans), RIGHT);
    // A text that could not be analysed at all has no signals, and its code stands for all of them.
    let none = |row: &mut Row| row.signals.clear();
    let outcome = pair_edited(&keep, &cases, none).expect("pairs");
    assert_eq!(shown(RIGHT, &outcome.pairs[0].chosen_spans), RIGHT);
    assert_eq!(outcome.report.outputs.whole_module, 4);
}

#[test]
fn a_cone_without_a_byte_in_the_completion_makes_no_pair() {
    let cases = [("1", RIGHT, "a=correct b=correct"), ("2", A_WRONG, "a=wrong b=correct")];
    let empty = |row: &mut Row| row.signals.iter_mut().for_each(|signal| signal.spans.clear());
    let outcome = pair_edited(&OPTIONS, &cases, empty).expect("pairs");
    assert_eq!(outcome.pairs, []);
    assert_eq!(outcome.report.modes["signal"].contrasts_empty, 1);
}

#[test]
fn pairs_that_differ_in_layout_only_are_one() {
    let again = RIGHT.replace(" = ", "=").replace('\n', " // again\r\n");
    let cases = [
        ("1", RIGHT, "a=correct b=correct"),
        ("2", again.as_str(), "a=correct b=correct"),
        ("3", A_WRONG, "a=wrong b=correct"),
    ];
    let outcome = check(&OPTIONS, &cases, &["1 > 3: a"]);
    assert_eq!(outcome.report.modes["signal"].near_duplicates, 1);
    check(&Options { keep_duplicates: true, ..OPTIONS }, &cases, &["1 > 3: a", "2 > 3: a"]);
    let module = Options { mode: Mode::Module, ..OPTIONS };
    check(&module, &cases, &["1 > 3: a"]);
    // Another cone of `b` is no other pair for `a`, but it is another module.
    let other = RIGHT.replace("!i", "~i");
    let cases = [cases[0], ("2", other.as_str(), "a=correct b=correct"), cases[2]];
    check(&OPTIONS, &cases, &["1 > 3: a"]);
    check(&module, &cases, &["1 > 3: a", "2 > 3: a"]);
}

#[test]
fn the_cap_is_fair_to_candidates() {
    let text = |index: usize, a: &str| RIGHT.replace("= i;", &format!("= {a} & {}'d1;", index + 1));
    let texts: Vec<(String, String, &str)> = (0..12)
        .map(|index| match index {
            0..6 => (index.to_string(), text(index, "i"), "a=correct b=correct"),
            _ => (index.to_string(), text(index, "~i"), "a=wrong b=correct"),
        })
        .collect();
    let cases: Vec<Case> = texts.iter().map(|t| (t.0.as_str(), t.1.as_str(), t.2)).collect();
    let all = pair(&OPTIONS, &cases);
    assert_eq!(all.pairs.len(), 36);
    let capped = |seed| pair(&Options { max_pairs: 6, seed, ..OPTIONS }, &cases);
    let some = capped(1);
    let chosen: BTreeSet<&str> = some.pairs.iter().map(|pair| pair.chosen_id.as_str()).collect();
    let rejected: BTreeSet<&str> =
        some.pairs.iter().map(|pair| pair.rejected_id.as_str()).collect();
    assert_eq!((chosen.len(), rejected.len(), some.pairs.len()), (6, 6, 6));
    assert_eq!(some.report.modes["signal"].over_cap, 30);
    assert_eq!(names(&some.pairs), names(&capped(1).pairs));
    assert_ne!(names(&some.pairs), names(&capped(2).pairs));
    // Failed candidates get the room that is left.
    let mut cases = cases.clone();
    cases.push(("12", "module", "parse_error"));
    let with_failed = |max_pairs| pair(&Options { max_pairs, ..OPTIONS }, &cases).report;
    assert_eq!(with_failed(36).failed.pairs, 0);
    assert_eq!(with_failed(38).failed.pairs, 2);
    assert_eq!(with_failed(0).failed.pairs, 6);
}

#[test]
fn the_cap_is_fair_to_signals() {
    let texts: Vec<String> =
        (0..8).map(|index| A_WRONG.replace("= 0", &format!("= {}'d0", index + 1))).collect();
    let mut cases: Vec<Case> = vec![("10", RIGHT, "a=correct b=correct")];
    let ids: Vec<String> = (11..19).map(|id| id.to_string()).collect();
    cases.extend(
        ids.iter().zip(&texts).map(|(id, t)| (id.as_str(), t.as_str(), "a=wrong b=correct")),
    );
    cases.push(("19", B_WRONG, "a=unchecked b=wrong"));
    for seed in 0..5 {
        let outcome = pair(&Options { max_pairs: 2, per_signal: true, seed, ..OPTIONS }, &cases);
        let signals: BTreeSet<&str> =
            outcome.pairs.iter().map(|pair| pair.signals[0].as_str()).collect();
        assert_eq!(signals, BTreeSet::from(["a", "b"]), "seed {seed}");
    }
}

#[test]
fn equal_code_with_unequal_verdicts_is_a_mistake_of_ours() {
    let again = A_WRONG.replace("b = ~i", "b = i");
    let cases = [("1", A_WRONG, "a=correct b=correct"), ("2", again.as_str(), "a=wrong b=wrong")];
    let outcome = check(&OPTIONS, &cases, &["1 > 2: b"]);
    let (problem, right) = ("p".to_owned(), "1".to_owned());
    let (wrong, signal) = ("2".to_owned(), "a".to_owned());
    assert_eq!(outcome.contradictions, [Contradiction { problem, right, wrong, signal }]);
    assert_eq!(outcome.report.contradictions, 1);
}

#[test]
fn a_problems_pairs_do_not_depend_on_the_order_of_candidates() {
    let wrong = RIGHT.replace("= i", "= 1").replace("= !i", "= 0");
    let cases = [
        ("p/1", RIGHT, "a=correct b=correct"),
        ("p/2", A_WRONG, "a=wrong b=correct"),
        ("q/1", B_WRONG, "a=correct b=wrong"),
        ("p/10", B_WRONG, "a=correct b=wrong"),
        ("q/2", wrong.as_str(), "a=wrong b=wrong"),
        ("p/3", wrong.as_str(), "a=wrong b=wrong"),
        ("p/4", "module", "parse_error"),
    ];
    let options = Options { max_pairs: 4, seed: 3, ..OPTIONS };
    let rows = |cases: &[Case]| {
        let lines = pair(&options, cases).pairs;
        let mut lines: Vec<String> =
            lines.iter().map(|pair| serde_json::to_string(pair).expect("JSON")).collect();
        // Problems come when they are complete; their own rows stay in order.
        lines.sort_by_key(|line| line.contains("\"problem\":\"q\""));
        lines
    };
    let expected = rows(&cases);
    assert_eq!(expected.len(), 5);
    let mut turned = cases;
    for _ in 0..cases.len() {
        turned.rotate_left(1);
        assert_eq!(rows(&turned), expected);
    }
    turned.reverse();
    assert_eq!(rows(&turned), expected);
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let two = [("1", RIGHT, "a=correct b=correct"), ("1", A_WRONG, "a=wrong b=correct")];
    let error = pair_edited(&OPTIONS, &two, |_| {}).expect_err("two candidates with one id");
    assert!(matches!(error, PairError::Duplicate { .. }), "{error}");
    let one = &two[..1];
    let error = pair_edited(&OPTIONS, one, |row| row.candidate.push('x')).expect_err("another row");
    let text = error.to_string();
    assert!(text.contains("row 1 of the spans") && text.contains("salv extract"), "{text}");
    let far = |row: &mut Row| row.code = vec![(0, RIGHT.len() + 1)];
    let error = pair_edited(&OPTIONS, one, far).expect_err("a span outside");
    assert!(matches!(error, PairError::Span { .. }), "{error}");
    let error = survey::<PairError>(
        &[problem("p")],
        [Candidate { problem: "q".into(), id: "0".into(), completion: String::new() }]
            .into_iter()
            .map(Ok),
    );
    assert!(matches!(error, Err(PairError::UnknownProblem { .. })));
}
