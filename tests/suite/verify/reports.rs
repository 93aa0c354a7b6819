//! What a run tells other programs: exit codes, and the JUnit report as a parser that is not ours reads it.

use std::collections::BTreeMap;

use salv::candidate::Candidate;
use salv::verify::verdict::{Judgement, Status, Verdict};

use super::fixture::Fixture;
use super::runs::Bench;

#[test]
fn fail_on_has_an_exit_code_of_its_own() {
    let bench = Bench::new(&[Fixture::load("status")]);
    bench.verify("verdicts.jsonl", &[]);
    let code = |words: &str, more: &[&str]| {
        let arguments = [&["--resume", "--fail-on", words], more].concat();
        let output = bench.command("verdicts.jsonl", &arguments).output().expect("a run");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (found, said) = code("not-judged", &[]);
    assert!(found == Some(3) && said.contains("failed on not-judged: "), "{said}");
    let (found, said) = code("bad-problem,unchecked", &[]);
    assert!(found == Some(3) && said.contains("failed on bad-problem: "), "{said}");
    assert_eq!(code("bananas", &[]).0, Some(2));

    // A run in which everything is right.
    let fixture = Fixture::load("printing");
    let right: Vec<Candidate> = fixture
        .problems
        .iter()
        .map(|problem| Candidate {
            problem: problem.problem.clone(),
            id: problem.problem.clone(),
            completion: problem.golden.clone(),
        })
        .collect();
    let bench = Bench::new(&[fixture]);
    bench.write("candidates.jsonl", right.iter());
    let arguments = ["--fail-on", "wrong,not-judged,bad-problem"];
    assert!(bench.verify("verdicts.jsonl", &arguments).contains("\"correct\""));
}

#[test]
fn a_parser_finds_every_output_in_the_junit_report() {
    let bench = Bench::new(&["status", "registers", "unknown"].map(Fixture::load));
    let arguments = ["--junit", "report.xml", "--fail-on", "wrong"];
    let output = bench.command("verdicts.jsonl", &arguments).output().expect("a run");
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let text = bench.read("report.xml");
    let report = roxmltree::Document::parse(&text).expect("XML");
    let cases: BTreeMap<(&str, &str), roxmltree::Node> = report
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
        .map(|case| ((attribute(&case, "classname"), attribute(&case, "name")), case))
        .collect();
    let mut expected = 0;
    for line in bench.read("verdicts.jsonl").lines() {
        let verdict: Verdict = serde_json::from_str(line).expect("a verdict");
        let class = verdict.problem.as_str();
        let found = |name: &str| cases[&(class, name)].first_element_child();
        if verdict.status != Status::Judged {
            expected += 1;
            let element = found(&verdict.candidate).expect("what came of it");
            let tag = match verdict.status {
                Status::Unsupported => "skipped",
                Status::BadProblem | Status::Crash => "error",
                _ => "failure",
            };
            assert_eq!(element.tag_name().name(), tag, "{line}");
            let message = verdict.message.expect("a reason");
            assert!(attribute(&element, "message").contains(&message), "{line}");
        }
        for signal in &verdict.signals {
            expected += 1;
            let element = found(&format!("{}: {}", verdict.candidate, signal.name));
            let tag = element.map(|element| element.tag_name().name().to_owned());
            let wanted = match signal.verdict {
                Judgement::Correct => None,
                Judgement::Wrong => Some("failure".to_owned()),
                Judgement::Unchecked => Some("skipped".to_owned()),
            };
            assert_eq!(tag, wanted, "{line}");
        }
    }
    assert_eq!(cases.len(), expected, "a case for each output, none twice");
    counts_are_those_of_the_elements(&report);
}

fn counts_are_those_of_the_elements(report: &roxmltree::Document) {
    let suites = report.descendants().filter(|n| n.tag_name().name().starts_with("testsuite"));
    let mut problems = Vec::new();
    for suite in suites {
        let count = |tag: &str| suite.descendants().filter(|node| node.has_tag_name(tag)).count();
        for (name, tag) in [
            ("tests", "testcase"),
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ] {
            assert_eq!(attribute(&suite, name), count(tag).to_string(), "{name} of {suite:?}");
        }
        problems.push(attribute(&suite, "name").to_owned());
    }
    let all = problems.len();
    problems.sort();
    problems.dedup();
    assert_eq!(all, problems.len(), "one suite for each problem");
}

/// Names come from users and messages from models: nothing of them may end an attribute or the document.
#[test]
fn no_text_breaks_the_junit_report() {
    let evil = "a<b>&\"c' ]]> \u{1}\u{8}\t\n\r\u{fffe} \u{1f600}é";
    let mut fixture = Fixture::load("printing");
    fixture.problems.truncate(1);
    fixture.problems[0].problem = evil.to_owned();
    let bench = Bench::new(&[fixture]);
    let completion = "module \\<&\"> (input a); endmodule".to_owned();
    let candidate = |id: &str| Candidate {
        problem: evil.to_owned(),
        id: id.to_owned(),
        completion: completion.clone(),
    };
    bench.write("candidates.jsonl", [candidate(evil), candidate("plain")].iter());
    bench.verify("verdicts.jsonl", &["--junit", "report.xml"]);
    let text = bench.read("report.xml");
    let report = roxmltree::Document::parse(&text).expect("XML");
    let names: Vec<&str> = report
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
        .map(|case| attribute(&case, "name"))
        .collect();
    let shown = evil.replace(['\u{1}', '\u{8}', '\u{fffe}'], "\u{fffd}");
    assert_eq!(names, [shown.as_str(), "plain"]);
}

fn attribute<'a>(node: &roxmltree::Node<'a, '_>, name: &str) -> &'a str {
    node.attribute(name).unwrap_or_else(|| panic!("no {name} in {node:?}"))
}
