//! Golden modules of public benchmarks against themselves: none of their outputs may be wrong.
//!
//! The benchmarks lie beside the clone and are not part of it; without them the test says so and passes.
//! Every fifth problem is taken, and all with `SALV_TEST_ALL=1`.

use std::path::PathBuf;

use salv::candidate::Candidate;
use salv::problem::{self, Problem};
use salv::verify::verdict::{Judgement, Status, Verdict};
use salv::verilog::{Kind, lex};

use super::fixture::Fixture;
use super::runs::Bench;

#[test]
#[expect(clippy::print_stderr, reason = "a test that skips says so")]
fn goldens_of_benchmarks_agree_with_themselves() {
    let Some(path) = benchmark() else {
        eprintln!("skipped: no ../shared/data/problems.jsonl");
        return;
    };
    let step = if std::env::var_os("SALV_TEST_ALL").is_some() { 1 } else { 5 };
    let problems: Vec<Problem> =
        problem::load(&path).expect("the problems").into_iter().step_by(step).collect();
    let bench = Bench::new(&[Fixture::default()]);
    bench.write("problems.jsonl", problems.iter());
    bench.write("candidates.jsonl", problems.iter().map(itself));
    let mut judged = 0;
    let mut wrong = Vec::new();
    for line in bench.verify("verdicts.jsonl", &[]).lines() {
        let verdict: Verdict = serde_json::from_str(line).expect("a verdict");
        judged += usize::from(verdict.status == Status::Judged);
        let fault = match verdict.status {
            Status::Judged => {
                verdict.signals.iter().any(|signal| signal.verdict == Judgement::Wrong)
            }
            // What the golden text cannot be judged for is no fault of the renamed text.
            status => !matches!(status, Status::BadProblem | Status::Unsupported),
        };
        if fault {
            wrong.push(line.to_owned());
        }
    }
    assert!(
        wrong.is_empty(),
        "{} goldens differ from themselves:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(judged * 100 >= problems.len() * 95, "only {judged} of {} were judged", problems.len());
}

/// The benchmarks, beside the clone or beside the main clone of a work tree.
pub fn benchmark() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Some(root.join("../shared/data/problems.jsonl")).filter(|path| path.is_file())
}

/// The golden text under the name that a candidate must have.
fn itself(problem: &Problem) -> Candidate {
    let top = problem.golden_top.as_deref().unwrap_or(&problem.top);
    Candidate {
        problem: problem.problem.clone(),
        id: problem.problem.clone(),
        completion: renamed(&problem.golden, top, &problem.top),
    }
}

/// The text with the word `from` written `to` where it names a module: after `module`, or before a name.
fn renamed(text: &str, from: &str, to: &str) -> String {
    let tokens: Vec<_> = lex(text).collect();
    let plain: Vec<usize> = (0..tokens.len()).filter(|&at| !tokens[at].kind.is_trivia()).collect();
    let word = |at: usize| &text[tokens[at].span.clone()];
    let is_name = |at: usize| {
        let place = plain.iter().position(|&p| p == at);
        let before = place.and_then(|p| p.checked_sub(1)).map(|p| word(plain[p]));
        matches!(before, Some("module" | "macromodule"))
    };
    (0..tokens.len())
        .map(|at| {
            if tokens[at].kind == Kind::Word && word(at) == from && is_name(at) {
                to
            } else {
                word(at)
            }
        })
        .collect()
}

#[test]
fn only_the_module_is_renamed() {
    let text = "// module a\nmodule a (input a_in, output a); assign a = a_in; endmodule";
    let wanted = "// module a\nmodule top (input a_in, output a); assign a = a_in; endmodule";
    assert_eq!(renamed(text, "a", "top"), wanted);
}
