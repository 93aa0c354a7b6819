//! Copies of golden modules and prompts, planted after changes of known kinds, and different designs beside
//! them: what is found and what is not. On the demo's problems always; on the benchmarks, where they lie
//! there, with figures: `SALV_TEST_ALL=1 cargo test --release --test suite planted_goldens -- --nocapture`.

#![expect(clippy::print_stderr, reason = "figures are what this test is for")]

use std::collections::BTreeSet;
use std::path::Path;

use salv::candidate;
use salv::corpus::contamination::{
    Benchmarks, Contamination, Thresholds, code_similarity, prompt_similarity,
};
use salv::corpus::sft::{Reason, Sample, Turn};
use salv::problem::{self, Problem};

use super::plants::{CHANGES, Change, plant};

const STRANGER: &str = "module stranger (input [2:0] k, output [2:0] l);\n  assign l = {k[0], k[2:1]} - 3'd5;\nendmodule\n";

fn sample(prompt: &str, code: &str) -> Sample {
    Sample {
        id: "0".to_owned(),
        system: None,
        history: Vec::new(),
        prompt: prompt.to_owned(),
        completion: format!("Here it is:\n```verilog\n{code}```\nIt does what you asked for.\n"),
        source: None,
        licence: None,
    }
}

fn demo() -> Vec<Problem> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/demo/problems.jsonl");
    problem::load(&path).expect("problems")
}

fn found(problems: &[Problem], sample: &Sample) -> Option<(Reason, String)> {
    let found = Benchmarks::new(problems, Thresholds::default()).find(sample)?;
    Some((found.reason, problems[found.problem].problem.clone()))
}

#[test]
fn planted_goldens_of_the_demo_are_found() {
    let problems = demo();
    let benchmarks = Benchmarks::new(&problems, Thresholds::default());
    for problem in &problems {
        for change in CHANGES {
            let Some(code) = plant(&problem.golden, change) else { continue };
            let found = benchmarks.find(&sample("Write the module.", &code));
            let expected: &[Reason] = match change {
                Change::Reformatted | Change::Commented | Change::ModuleRenamed => {
                    &[Reason::SameCode]
                }
                Change::AllRenamed | Change::Disguised | Change::DisguisedAmongOthers => {
                    &[Reason::RenamedCode]
                }
                Change::Addition => &[Reason::SimilarCode],
                // How near one change leaves it depends on the length: see the figures.
                Change::OneConstant
                | Change::OneOperator
                | Change::DisguisedOneConstant
                | Change::AllConstants => continue,
            };
            let Some(Contamination { reason, problem: index, .. }) = found else {
                panic!("{} {change:?} is not found:\n{code}", problem.problem);
            };
            assert!(expected.contains(&reason), "{} {change:?}: {reason:?}", problem.problem);
            assert_eq!(problems[index].problem, problem.problem, "{change:?}");
        }
    }
}

#[test]
fn planted_prompts_of_the_demo_are_found() {
    let problems = demo();
    for problem in &problems {
        let shouted = problem.prompt.to_uppercase().replace(char::is_whitespace, " \n ");
        let named = problem.prompt.replace(&problem.top, "stranger");
        for (prompt, reason) in
            [(shouted.as_str(), None), (named.as_str(), Some(Reason::SamePrompt))]
        {
            let found = found(&problems, &sample(prompt, STRANGER)).expect("the prompt is found");
            assert_eq!(found.1, problem.problem);
            // In capitals the module's name is a word like any other.
            assert!(reason.is_none_or(|reason| reason == found.0), "{prompt}: {:?}", found.0);
        }
        let longer = format!("Please write Verilog. {} Give no explanation.", problem.prompt);
        let found = found(&problems, &sample(&longer, STRANGER)).expect("the prompt is found");
        assert_eq!(found, (Reason::SimilarPrompt, problem.problem.clone()));
    }
}

#[test]
fn different_designs_of_the_demo_are_not() {
    let problems = demo();
    for left_out in &problems {
        let others: Vec<Problem> =
            problems.iter().filter(|problem| *problem != left_out).cloned().collect();
        let own = sample(&left_out.prompt, &left_out.golden);
        assert_eq!(found(&others, &own), None, "{}", left_out.problem);
    }
    assert_eq!(found(&problems, &sample("Rotate, then subtract five.", STRANGER)), None);
}

/// The Jaccard index by hand: 8 tokens in a shingle, names numbered within it.
#[test]
fn similarity_is_counted_exactly() {
    // 15 tokens, so 8 shingles: `module m ( input a , output y ) ; assign y = a ;` and no end.
    let one = "module m (input a, output y); assign y = a;";
    assert_eq!(code_similarity(one, "module other (input q, output r); assign r = q;"), 1.0);
    // The operand changes the shingles that hold it and an `a` before: of 8, the one from the 7th token on is
    // `output y ) ; assign y = ?`, in which it is a new name either way; the last, `y ) ; assign y = ? ;`, too.
    assert_eq!(code_similarity(one, "module m (input a, output y); assign y = b;"), 1.0);
    // `~` comes in before the last two tokens: 9 shingles now, of which the first 6 are as before.
    assert_eq!(code_similarity(one, "module m (input a, output y); assign y = ~a;"), 6.0 / 11.0);
    assert_eq!(code_similarity(one, ""), 0.0);
    // Five words in a shingle: 2 and 2, one in common.
    let words = "a counter with synchronous reset high";
    assert_eq!(prompt_similarity(words, "A counter, with synchronous reset; low", &[]), 1.0 / 3.0);
    assert_eq!(
        prompt_similarity(words, "a `top` counter with synchronous reset high", &["top"]),
        1.0
    );
}

#[test]
fn code_is_looked_for_in_every_text() {
    let problems = demo();
    let golden = &problems[0].golden;
    let expected = Some((Reason::SameCode, problems[0].problem.clone()));
    // In the prompt, as of a row that asks for an explanation or a test bench.
    assert_eq!(found(&problems, &sample(&format!("Explain this:\n{golden}"), STRANGER)), expected);
    let mut chat = sample("And now another one.", STRANGER);
    let completion = golden.clone();
    chat.history.push(Turn { prompt: "Write it.".to_owned(), completion });
    assert_eq!(found(&problems, &chat), expected);
    // Numbers count by their digits and bases, not by their spelling.
    let one = "module m (output [7:0] y); assign y = 8'hF_f; endmodule : m";
    let other = "`timescale 1ns/1ps\nmodule n (output [7:0] y); assign y = 8 'HFF; endmodule";
    let mut problem = problems[0].clone();
    problem.golden = one.to_owned();
    assert_eq!(
        found(&[problem], &sample("x", other)),
        Some((Reason::SameCode, problems[0].problem.clone()))
    );
}

/// The figures on the benchmarks, with bounds below which something has broken.
#[test]
fn planted_goldens_of_benchmarks() {
    let Some(data) = super::shared_data() else { return };
    let problems = problem::load(&data.join("problems.jsonl")).expect("problems");
    let low = Thresholds { code: 0.3, prompt: 0.3 };
    let benchmarks = Benchmarks::new(&problems, low);
    eprintln!(
        "share found at a threshold of                 0.5    0.6    0.7    0.8    0.9   exact"
    );
    let mut at_default = Vec::new();
    for change in CHANGES {
        let plants = problems.iter().filter_map(|problem| plant(&problem.golden, change));
        let found: Vec<f64> =
            plants.map(|code| nearness(benchmarks.find(&sample("?", &code)))).collect();
        at_default.push(line(&format!("{change:?}"), &found));
    }
    for (change, found) in CHANGES.iter().zip(&at_default) {
        let least = match change {
            Change::AllConstants => 0.0,
            Change::OneConstant | Change::OneOperator | Change::DisguisedOneConstant => 0.97,
            Change::Addition => 0.98,
            _ => 1.0,
        };
        assert!(*found >= least, "{change:?}: {found}");
    }
    prompts(&problems, &benchmarks);
    let by_design = different_designs(&problems, &benchmarks, &answers(&data));
    assert!(by_design <= 0.25, "different designs that look alike: {by_design}");
}

/// 2 for the same code or prompt, otherwise the similarity.
fn nearness(found: Option<Contamination>) -> f64 {
    found.map_or(0.0, |found| match found.reason {
        Reason::SimilarCode | Reason::SimilarPrompt => found.similarity,
        _ => 2.0,
    })
}

/// Prints the share at each threshold, and returns that at the default one for code.
fn line(name: &str, found: &[f64]) -> f64 {
    let share = |threshold: f64| {
        found.iter().filter(|found| **found >= threshold).count() as f64 / found.len() as f64
    };
    let shares: Vec<String> =
        [0.5, 0.6, 0.7, 0.8, 0.9, 2.0].map(|at| format!("{:5.3}", share(at))).to_vec();
    eprintln!("{name:<34} {:>6}   {}", found.len(), shares.join("  "));
    share(Thresholds::default().code)
}

fn prompts(problems: &[Problem], benchmarks: &Benchmarks) {
    // A copy is answered by a module of the name that it asks for.
    let answer = STRANGER.replace("stranger", "my_design");
    let all = |name: &str, change: &dyn Fn(&Problem) -> String| {
        let prompts = problems.iter().map(|problem| sample(&change(problem), &answer));
        let found: Vec<f64> = prompts.map(|sample| nearness(benchmarks.find(&sample))).collect();
        line(name, &found)
    };
    let as_it_is = all("prompt as it is", &|problem| problem.prompt.clone());
    assert_eq!(as_it_is, 1.0);
    let renamed =
        all("prompt, module renamed", &|problem| problem.prompt.replace(&problem.top, "my_design"));
    assert!(renamed >= 0.99, "{renamed}");
    all("prompt between two phrases", &|problem| {
        format!(
            "Please act as a professional Verilog designer and answer with one module.\n{}\nGive me the complete code.",
            problem.prompt
        )
    });
    all("prompt without its last third", &|problem| {
        let words: Vec<&str> = problem.prompt.split_whitespace().collect();
        words[..words.len() - words.len() / 3].join(" ")
    });
}

/// Returns what language models wrote, with the name of the design: every eighth, or all on demand.
fn answers(data: &Path) -> Vec<(String, String)> {
    let step = if std::env::var_os("SALV_TEST_ALL").is_some() { 1 } else { 8 };
    let candidates = candidate::read(&data.join("candidates.jsonl")).expect("candidates");
    let candidates = candidates.step_by(step).map(|candidate| candidate.expect("a candidate"));
    candidates.map(|row| (design(&row.problem).to_owned(), row.completion)).collect()
}

/// Each design against all problems of other names: its golden modules, its prompts, and what language
/// models wrote for it.
fn different_designs(
    problems: &[Problem],
    benchmarks: &Benchmarks,
    answers: &[(String, String)],
) -> f64 {
    let of_design = |index: usize, name: &str| design(&problems[index].problem) == name;
    let (mut code, mut prompt, mut retold) = (Vec::new(), Vec::new(), Vec::new());
    let mut alike = BTreeSet::new();
    for (own, problem) in problems.iter().enumerate() {
        let name = design(&problem.problem);
        let golden = sample("?", &problem.golden);
        let found = benchmarks.find_among(&golden, |index| !of_design(index, name));
        let is_near = |found: &&Contamination| found.similarity >= Thresholds::default().code;
        if let Some(found) = found.as_ref().filter(is_near) {
            alike.insert((name, design(&problems[found.problem].problem)));
        }
        code.push(nearness(found));
        let asked = sample(&problem.prompt, STRANGER);
        prompt.push(nearness(benchmarks.find_among(&asked, |index| !of_design(index, name))));
        let is_retold = |index: usize| {
            index != own && of_design(index, name) && problems[index].prompt != problem.prompt
        };
        if (0..problems.len()).any(is_retold) {
            retold.push(nearness(benchmarks.find_among(&asked, is_retold)));
        }
    }
    let near = |same: bool| -> Vec<f64> {
        let samples = answers.iter().map(|(name, answer)| (name, sample("?", answer)));
        let found = samples.map(|(name, sample)| {
            benchmarks.find_among(&sample, |index| of_design(index, name) == same)
        });
        found.map(nearness).collect()
    };
    line("another family's prompt of a design", &retold);
    line("models' answers to the same design", &near(true));
    eprintln!("different designs that are called near:");
    let share = line("golden modules", &code);
    line("prompts", &prompt);
    line("models' answers", &near(false));
    eprintln!("neighbours at the default threshold: {alike:?}");
    share
}

/// The name of a design without its family and number.
fn design(problem: &str) -> &str {
    let name = problem.split_once('/').map_or(problem, |(_, name)| name);
    match name.strip_prefix("Prob").and_then(|rest| rest.split_once('_')) {
        Some((number, name)) if number.chars().all(|c| c.is_ascii_digit()) => name,
        _ => name,
    }
}
