//! Texts on which sv-parser is slow or recurses deeply, in the worker that runs extract. Each is either parsed or
//! refused by what can be counted in it before it is parsed; none reaches a limit on time, stack or memory.

use salv::extract::worker::{Answer, Extracting, Extractor, Request};
use salv::verilog::syntax::{BYTES_MAX, DEPTH_MAX, OPERATORS_MAX};
use salv::worker::{Relay, Workers};

fn workers() -> Workers {
    Workers { program: env!("CARGO_BIN_EXE_salv").into(), folder: std::env::temp_dir() }
}

/// A module with this in it.
fn module(body: &str) -> String {
    format!("module top(input a, b, output y);\n{body}\nendmodule\n")
}

fn nested(open: &str, inside: &str, close: &str, levels: usize) -> String {
    open.repeat(levels) + inside + &close.repeat(levels)
}

fn expression(text: &str) -> String {
    module(&format!("assign y = {text};"))
}

fn process(text: &str) -> String {
    module(&format!("always @(*) {text}"))
}

/// What may be said of a text.
enum Fate {
    Parsed,
    /// Refused, with this in the reason.
    Refused(&'static str),
}
use Fate::{Parsed, Refused};

fn check(cases: &[(&str, String, Fate)]) {
    let workers = workers();
    let mut extractor = Extractor::new(&workers);
    for (what, code, fate) in cases {
        let answer: Answer = extractor.ask(code, "top", None).expect("a worker");
        match (fate, &answer) {
            (Parsed, Ok(cones)) => assert_eq!(cones.len(), 1, "{what}"),
            (Refused(why), Err(said)) => assert!(said.contains(why), "{what}: {said}"),
            (_, Ok(_)) => panic!("{what} is parsed"),
            (_, Err(said)) => panic!("{what}: {said}"),
        }
    }
}

#[test]
fn deep_text_is_parsed_or_refused_by_its_depth() {
    let most = DEPTH_MAX - 2;
    check(&[
        ("parentheses", expression(&nested("(", "a", ")", most)), Parsed),
        ("concatenations", expression(&nested("{", "a", "}", most)), Parsed),
        ("indices", expression(&nested("a[", "0", "]", most)), Parsed),
        ("conditionals", expression(&("a ? b : ".repeat(most) + "a")), Parsed),
        ("blocks", process(&nested("begin ", "y = a;", " end", most)), Parsed),
        ("branches", process(&("if (a) ".repeat(most / 2) + "y = b;")), Parsed),
        ("else if", process(&("if (a) y = b; else ".repeat(5000) + "y = a;")), Parsed),
        ("generate blocks", module(&nested("if (1) begin ", "wire w;", " end", most / 2)), Parsed),
        ("too many parentheses", expression(&nested("(", "a", ")", 5000)), Refused("levels")),
        ("open parentheses", expression(&"(".repeat(5000)), Refused("levels")),
        ("too many conditionals", expression(&("a ? a : ".repeat(5000) + "a")), Refused("levels")),
        ("too many blocks", process(&nested("begin ", "", " end", 5000)), Refused("levels")),
        ("too many delays", process(&("#1 ".repeat(5000) + "y = a;")), Refused("levels")),
    ]);
}

#[test]
fn long_text_is_parsed_or_refused_by_its_length() {
    let most = OPERATORS_MAX / 2;
    let events = |separator: &str, count: usize| {
        let list = vec!["a"; count].join(separator);
        module(&format!("reg r; always @({list}) r = a; assign y = r;"))
    };
    let refused = || Refused("operators");
    check(&[
        ("operators", expression(&("a".to_owned() + &" + a".repeat(most))), Parsed),
        ("comparisons", expression(&("a".to_owned() + &" <= a".repeat(most))), Parsed),
        ("events", events(" or ", most), Parsed),
        ("comments", expression(&("/**/ ".repeat(20_000) + "a")), Parsed),
        (
            "comments between operators",
            expression(&format!("a{}", " /**//**/ & a".repeat(most))),
            Parsed,
        ),
        ("declarations", module(&("wire w;".repeat(2000) + "assign y = a;")), Parsed),
        ("too many operators", expression(&("a".to_owned() + &" + a".repeat(5000))), refused()),
        ("too many comparisons", expression(&("a".to_owned() + &" >= a".repeat(5000))), refused()),
        ("too many events", events(" or ", 5000), refused()),
        ("too many events in a list", events(", ", 5000), refused()),
        ("a long name", expression(&"a".repeat(BYTES_MAX + 1)), Refused("bytes")),
    ]);
}

/// Nesting multiplied by operators, and either of them again and again: what makes a parse slow though each
/// expression stays under the other limits.
#[test]
fn slow_text_is_refused_by_the_steps_foreseen() {
    let cubic = nested("(a ? ", "a", " : a)", 80);
    check(&[
        ("once", expression(&cubic), Parsed),
        ("again and again", module(&format!("assign y = {cubic};").repeat(40)), Refused("steps")),
        (
            "operators at each level",
            expression(&nested("(", "a", &(" + a".repeat(6) + ")"), 160)),
            Refused("steps"),
        ),
        ("dense text", module(&"y=a;".repeat(BYTES_MAX / 4 - 50)), Refused("steps")),
    ]);
}

/// A text that takes its time: under the limit on steps, some seconds.
fn slow() -> String {
    expression(&nested("(", "a", &(" + a".repeat(8) + ")"), 66))
}

fn request(code: String, patience: u64) -> Request {
    Request { code, top: "top".into(), proof: None, patience }
}

#[test]
fn a_text_that_two_workers_die_of_costs_itself_only() {
    let workers = workers();
    let mut relay = Relay::<Extracting>::new(&workers);
    // No time but the second that each text is given at least, so that the limit is met soon.
    let died = relay.ask(|_| request(slow(), 0)).expect("no failure of ours");
    assert_eq!(died.expect_err("a death"), "used more CPU time than allowed");
    let next = relay.ask(|patience| request(expression("a & b"), patience));
    assert_eq!(next.expect("a worker").expect("an answer").expect("cones").len(), 1);
}

#[test]
fn a_worker_that_crashes_is_told_from_one_that_is_killed() {
    use rustix::process::{Pid, Signal, kill_process};
    for (signal, is_ours) in [(Signal::ABORT, false), (Signal::FPE, false), (Signal::KILL, true)] {
        let mut worker = workers().start::<Extracting>().expect("a worker");
        worker.ask(&request(slow(), 1)).expect("a request");
        let pid = Pid::from_raw(worker.id().try_into().expect("a number")).expect("a process");
        kill_process(pid, signal).expect("a signal sent");
        match worker.hear() {
            Ok(salv::worker::Answer::Died(_)) => assert!(!is_ours),
            Err(_) => assert!(is_ours),
            other => panic!("{other:?}"),
        }
    }
}
