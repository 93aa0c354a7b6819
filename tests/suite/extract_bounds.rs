//! Texts that are deep, long or slow, in the worker that runs extract. Each is either parsed or refused with the
//! reason; none reaches a limit on time, stack or memory but the one that is made for it.

use salv::extract::worker::{Answer, Extracting, Extractor, Request};
use salv::verilog::syntax::{BYTES_MAX, DEPTH_MAX};
use salv::worker::{Relay, Workers};

/// Deepest nesting of statements and expressions that slang parses.
const SLANG_DEPTH: usize = 1000;

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

/// As many of `part` as a text may hold.
fn filled(part: &str) -> String {
    part.repeat((BYTES_MAX - 200) / part.len())
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
        ("parentheses", expression(&nested("(", "a", ")", SLANG_DEPTH)), Parsed),
        ("concatenations", expression(&nested("{", "a", "}", SLANG_DEPTH)), Parsed),
        ("indices", expression(&nested("a[", "0", "]", SLANG_DEPTH)), Parsed),
        ("conditionals", expression(&("a ? b : ".repeat(SLANG_DEPTH) + "a")), Parsed),
        ("blocks", process(&nested("begin ", "y = a;", " end", most - 2)), Parsed),
        ("branches", process(&("if (a) ".repeat(most - 2) + "y = b;")), Parsed),
        ("else if", process(&("if (a) y = b; else ".repeat(SLANG_DEPTH) + "y = a;")), Parsed),
        ("generate blocks", module(&nested("if (1) begin ", "wire w;", " end", most / 2)), Parsed),
        (
            "events",
            module(&format!("reg r; always @{} r = a;", nested("(\n", "a", ")\n", 50_000))),
            Parsed,
        ),
        ("names", module(&format!("assign y = {}x;", "a.\n".repeat(100_000))), Parsed),
        ("structures", module(&nested("struct {\n", "int i;", "} s;\n", 35_000)), Parsed),
        ("too many parentheses", expression(&filled("(\n")), Refused("nested")),
        ("too many conditionals", expression(&filled("a ?\na :\n")), Refused("nested")),
        ("too many branches", process(&filled("if (a)\ny = b; else\n")), Refused("nested")),
        ("too many delays", process(&filled("#1\n")), Refused("nested")),
        ("many blocks", process(&nested("begin ", "", " end", SLANG_DEPTH)), Refused("levels")),
        ("too many generate blocks", module(&filled("if (1)\n")), Refused("")),
        ("too many loops", module(&(filled("for (g = 0; g < 1; g++)\n") + ";")), Refused("levels")),
        ("too many modules", nested("module m;\n", "", "endmodule\n", 20_000), Refused("levels")),
    ]);
}

#[test]
fn long_text_is_parsed_or_refused_by_its_length() {
    let process_of = |events: &str| module(&format!("reg r; always @({events}a) r = a;"));
    check(&[
        ("operators", expression(&(filled("a +\n") + "a")), Parsed),
        ("comparisons", expression(&(filled("a <=\n") + "a")), Parsed),
        ("indices", expression(&format!("a{}", filled("[0]\n"))), Parsed),
        ("events", process_of(&filled("a or\n")), Parsed),
        ("events in a list", process_of(&filled("a,\n")), Parsed),
        ("comments", expression(&(filled("/**/\n") + "a")), Parsed),
        ("declarations", module(&filled("wire w;\n")), Parsed),
        ("assignments", module(&filled("assign y = a;\n")), Parsed),
        ("statements", process(&format!("begin {} end", filled("y = a;\n"))), Parsed),
        ("labels", process(&format!("case (a) {} 1: y = a; endcase", filled("1,\n"))), Parsed),
        ("connections", module(&format!("m u({}.b(b));", filled(".a(a),\n"))), Parsed),
        ("errors", module(&filled("y=a;\n")), Refused("expected a declaration name (2:2)")),
        ("errors in one line", module(&filled("y=a;")), Refused("more than one line should hold")),
        ("a long name", expression(&"a".repeat(BYTES_MAX + 1)), Refused("bytes")),
    ]);
}

/// A text that takes its time: each of its outputs needs all of it, so that the cones are longer than memory.
fn slow() -> String {
    let outputs: Vec<String> = (0..9000).map(|at| format!("y{at}")).collect();
    let mut text = format!("module top(output {});\n", outputs.join(",\n"));
    for at in 0..9000 {
        text.push_str(&format!("assign y{at} = y{}; wire w{at};\n", (at + 1) % 9000));
    }
    text + "endmodule\n"
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

/// Of several requests that one worker is sent, what it dies of costs itself only, and long ones come through.
#[test]
fn requests_ahead_of_a_death_are_answered() {
    let workers = workers();
    let mut relay = Relay::<Extracting>::new(&workers);
    // Longer than a socket holds, and answered by as much.
    let long = || module(&format!("assign y = a; //{}", "long ".repeat(80_000)));
    let wide = |ports: usize| {
        let names: Vec<String> = (0..ports).map(|at| format!("a_rather_long_name_{at}")).collect();
        let driven: String = names.iter().map(|name| format!("assign {name} = a;\n")).collect();
        format!("module top(input a, output {});\n{driven}endmodule\n", names.join(", "))
    };
    let codes = [
        expression("a & b"),
        expression("a ^ b"),
        slow(),
        wide(2),
        expression("a | b"),
        long(),
        wide(3000),
        wide(3000),
        slow(),
        slow(),
        wide(2),
        long(),
    ];
    let is_slow = |number: usize| [2, 8, 9].contains(&number);
    let asked = |number: usize, patience| {
        let patience = if is_slow(number) { 0 } else { patience };
        request(codes[number].clone(), patience)
    };
    let answers = relay.ask_each(codes.len(), asked).expect("no failure of ours");
    assert_eq!(answers.len(), codes.len());
    for (number, answer) in answers.into_iter().enumerate() {
        let cones = match answer {
            Err(death) if is_slow(number) => {
                assert_eq!(death, "used more CPU time than allowed");
                continue;
            }
            answer => answer.expect("an answer").expect("cones"),
        };
        let outputs = match number {
            3 | 10 => 2,
            6 | 7 => 3000,
            _ => 1,
        };
        assert_eq!(cones.len(), outputs, "answer {number} belongs to another request");
    }
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
