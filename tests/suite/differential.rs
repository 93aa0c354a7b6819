//! Random modules, the player that runs many of them in one process of Icarus, and the comparison of two simulators.

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::verify::real::benchmark;
use salv::candidate;
use salv::problem;
use salv::verify::differential::{
    Families, Family, RandomModule, Stage, TOP, random_module, reading, shrink,
};
use salv::verify::icarus::{Icarus, Played};
use salv::verify::stimulus::Config;

/// Cycles of a module: short episodes from power-up find more than one long one.
const CONFIG: Config =
    Config { seed: 0, vectors: 64, depth_max: 0, profile: salv::verify::stimulus::Profile::Full };

/// Modules that are compared in every run of the tests; `salv bench lanes` compares any number.
const MODULES: u64 = 200;

#[test]
fn a_module_is_a_function_of_its_seed() {
    for seed in 0..50 {
        let module = random_module(seed, Families::all());
        assert_eq!(module, random_module(seed, Families::all()));
        assert_ne!(module.text, random_module(seed + 1, Families::all()).text);
    }
}

#[test]
fn every_family_is_used_and_can_be_left_out() {
    let mut used = Families::none();
    for seed in 0..1500 {
        used = used.union(random_module(seed, Families::all()).used);
    }
    let unused: Vec<&str> = Family::ALL
        .iter()
        .filter(|&&family| !used.has(family))
        .map(|family| family.name())
        .collect();
    assert_eq!(unused, Vec::<&str>::new());
    for &family in Family::ALL {
        let without = Families::all().without(family);
        let uses = |seed| random_module(seed, without).used.has(family);
        assert!(!(0..20).any(uses), "{} is used though it may not", family.name());
    }
    let bare = random_module(1, Families::none());
    assert_eq!(bare.used, Families::none());
}

#[test]
fn what_icarus_lacks_is_written_in_other_words_for_it() {
    let words = ["inside", "break;", "continue;", "<->", "signed'", "edge clk1)", "iff"];
    let mut seen = vec![false; words.len()];
    for seed in 0..1500 {
        let module = random_module(seed, Families::all());
        for (word, seen) in words.iter().zip(&mut seen) {
            let plain = module.plain().replace("negedge", "").replace("posedge", "");
            assert!(!plain.contains(word), "{seed}: {word}");
            *seen |= module.full().contains(word);
        }
    }
    assert_eq!(seen, vec![true; words.len()], "{words:?}");
}

/// Nearly all are legal, and none has a race: 197 of 200 when this was written.
#[test]
fn random_modules_are_legal_and_without_races() {
    let stages: Vec<Result<Stage, String>> = (0..MODULES)
        .map(|seed| Stage::new(&random_module(seed, Families::all()).text, TOP, &CONFIG))
        .collect();
    let refused: Vec<&String> = stages.iter().filter_map(|stage| stage.as_ref().err()).collect();
    assert!(refused.len() * 100 <= 4 * MODULES as usize, "{refused:?}");
}

/// Icarus, or `None` with a message.
fn icarus() -> Option<Icarus> {
    let find = |name: &str| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
    };
    let found = find("iverilog").zip(find("vvp")).map(|(iverilog, vvp)| Icarus { iverilog, vvp });
    if found.is_none() {
        eprintln!("skipped: Icarus Verilog is not on the PATH");
    }
    found
}

fn played(icarus: &Icarus, texts: &[&str]) -> (Vec<Stage>, Vec<Played>) {
    let stages: Vec<Stage> =
        texts.iter().map(|text| Stage::new(text, TOP, &CONFIG).expect("a legal text")).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let borrowed: Vec<&Stage> = stages.iter().collect();
    let played = Stage::theirs(&borrowed, icarus, folder.path()).expect("icarus runs");
    (stages, played)
}

const COUNTER: &str =
    "module top(input clk, input rst, input [3:0] d, output reg [3:0] q, output tri w);
  always @(posedge clk or posedge rst) if (rst) q <= 0; else q <= q + d;
  assign w = d[0] ? d[1] : 1'bz;
endmodule
";

/// A module that differs in one operator is told from it, one that is the same is not, and the first difference names the
/// output.
#[test]
fn a_difference_is_seen_and_only_where_there_is_one() {
    let Some(icarus) = icarus() else { return };
    let wrong = COUNTER.replace("q + d", "q - d");
    let (stages, theirs) = played(&icarus, &[COUNTER, &wrong]);
    let ours = stages[0].ours().expect("lanes run it");
    let Played::Shown(equal) = &theirs[0] else { panic!("{:?}", theirs[0]) };
    let Played::Shown(other) = &theirs[1] else { panic!("{:?}", theirs[1]) };
    assert_eq!(stages[0].difference(&ours, equal), None);
    assert!(
        equal.iter().any(|trace| trace.value.iter().zip(&trace.unknown).any(|(v, u)| v & u != 0)),
        "no z"
    );
    // The other text has other inputs, so it is played on those of the first.
    let first = stages[1].difference(&stages[1].ours().expect("lanes run it"), other);
    assert_eq!(first, None);
    let found = stages[0].difference(&ours, other).expect("a difference");
    assert!(["q", "w"].contains(&found.output.as_str()), "{found}");
}

/// Constants known on the way, a task's results and ports: what they bring from four states is known in two (IEEE
/// 1800-2017, 6.3.1).
const TWO_STATES: &str = "module top(input clk, input d, output shortint s, output bit [3:0] b, output bit [3:0] i,
  output bit [3:0] p, output bit [7:0] q);
  logic x; logic [3:0] n; logic [3:0] m;
  task t(output logic [3:0] y); y = n; endtask
  task u(inout bit [3:0] y); endtask
  always_comb begin s = d; x = 'x; s = $signed(x); n = 4'b1x0z; b = 15; t(b); m = 4'bz10x; u(m); i = m; end
  sub a(.y(p));
  sub c(.y(q));
endmodule
module sub(output logic signed [3:0] y);
  assign y = 4'b1xz1;
endmodule
";

#[test]
fn two_states_have_no_x() {
    let stage = Stage::new(TWO_STATES, TOP, &CONFIG).expect("a legal text");
    let ours = stage.ours().expect("lanes run it");
    for trace in &ours {
        assert!(trace.unknown.iter().all(|&word| word == 0), "{trace:?}");
        for row in trace.value.chunks(5) {
            assert_eq!(row, [0, 0b1000, 0b0100, 0b1001, 0b1111_1001]);
        }
    }
}

/// Constants whose left side has an unknown bit and differs elsewhere (IEEE 1800-2017, 11.4.6), one that does not differ,
/// a logarithm of unknown bits, and one bit that is counted (11.4.2): as with variables.
const FOLDED: &str = "module top(input d, output [7:0] y, output [31:0] n);
  function logic f(input logic [2:0] a); f = a ==? 3'b00x; endfunction
  function logic g(input logic [2:0] a); case (a) inside 3'b00x: g = 1; default: g = 0; endcase endfunction
  function logic [1:0] h(input logic a); logic v; v = a; v++; h = v ? 2'd2 : 2'd1; endfunction
  function logic [1:0] k(input logic a); k = h(a); endfunction
  assign y[0] = 3'b1zx ==? 3'b0x0;
  assign y[1] = 3'b1zx !=? 3'b0x0;
  assign y[2] = f(3'bx1z);
  assign y[3] = {1'b1, (3'b1zx ==? 3'b0x0) | 1'b0} == 2'b10;
  assign y[4] = 3'b0zx ==? 3'b0x0;
  assign y[5] = 3'b11x inside {3'b0x1, 3'b001};
  assign y[6] = g(3'bx1z) | (k(1'b1) != 1);
  assign y[7] = k(1'b0) == 2;
  assign n = $clog2(4'b0x10) + $clog2(4'b0110);
endmodule
";

#[test]
fn constants_are_as_variables() {
    let stage = Stage::new(FOLDED, TOP, &CONFIG).expect("a legal text");
    for trace in &stage.ours().expect("lanes run it") {
        for (value, unknown) in trace.value.chunks(2).zip(trace.unknown.chunks(2)) {
            let first = (value[0], unknown[0]);
            assert_eq!(first, (0b1000_1010, 0b0001_0000), "{value:x?} {unknown:x?}");
            assert_eq!(unknown[1], 0xffff_ffff);
        }
    }
}

/// Calls with constants that slang evaluates well are not run: one that calls itself, functions that call each other many times
/// over, one with a logarithm of a number.
#[test]
fn calls_that_are_folded_well_stay_folded() {
    let mut text = "module top(input d, output [31:0] y, output [31:0] z, output [31:0] w);
  function automatic integer fact(input integer n); fact = n <= 1 ? 1 : n * fact(n - 1); endfunction
  function integer bits(input integer n); bits = n + $clog2(9); endfunction
  function integer f8(input integer a); f8 = a; endfunction
"
    .to_owned();
    for level in (0..8).rev() {
        let calls = vec![format!("f{}(a)", level + 1); 16].join(" + ");
        let body = format!("f{level} = 0; if (a != 0) f{level} = {calls};");
        text += &format!(
            "  function integer f{level}(input integer a); begin {body} end endfunction\n"
        );
    }
    text += "  assign y = fact(5) + d;\n  assign z = f0(0) + d;\n  assign w = bits(1) - d;\nendmodule\n";
    let stage = Stage::new(&text, TOP, &CONFIG).expect("a legal text");
    for trace in &stage.ours().expect("lanes run it") {
        for row in trace.value.chunks(3) {
            let d = row[1];
            assert_eq!((row[0], row[2]), (120 + d, 5 - d));
        }
    }
}

#[test]
fn a_bad_module_does_not_touch_the_others() {
    let Some(icarus) = icarus() else { return };
    // A program of its own for each: refused by the compiler, ended by itself, endless.
    let refused = COUNTER.replace("q + d", "q + (d inside {1})");
    let ends = COUNTER.replace("endmodule", "  always @(posedge clk) if (q == 3) #1 ;\nendmodule");
    let (_, theirs) = played(&icarus, &[COUNTER, &refused, COUNTER]);
    assert!(matches!(theirs[0], Played::Shown(_)), "{:?}", theirs[0]);
    assert!(
        matches!(&theirs[1], Played::Refused(why) if why.contains("inside")),
        "{:?}",
        theirs[1]
    );
    assert_eq!(theirs[0], theirs[2]);
    let _ = ends;
}

#[test]
fn lanes_show_what_icarus_shows() {
    let Some(icarus) = icarus() else { return };
    let modules: Vec<RandomModule> =
        (0..MODULES).map(|seed| random_module(seed, Families::all())).collect();
    let staged: Vec<(u64, Stage)> = modules
        .iter()
        .filter_map(|module| Some((module.seed, Stage::new(&module.text, TOP, &CONFIG).ok()?)))
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let stages: Vec<&Stage> = staged.iter().map(|(_, stage)| stage).collect();
    let played = Stage::theirs(&stages, &icarus, folder.path()).expect("icarus runs");
    let (mut compared, mut different) = (0, Vec::new());
    for ((seed, stage), theirs) in staged.iter().zip(played) {
        let (Ok(ours), Played::Shown(theirs)) = (stage.ours(), theirs) else { continue };
        compared += 1;
        let found = stage.difference(&ours, &theirs);
        different.extend(found.map(|found| format!("{seed}: {found}")));
    }
    assert!(compared * 100 >= 90 * MODULES, "only {compared} were compared");
    assert!(different.is_empty(), "\n{}\n", different.join("\n"));
}

/// Real candidates that showed other values in Icarus than in lanes, without a race that is reported, stand in
/// `tests/agreement/values.tsv` with a reason, and still do; `salv bench values` looks for others. The data lies beside the clone and is not part of it.
#[test]
fn other_values_of_real_candidates_have_their_reason() {
    let Some(icarus) = icarus() else { return };
    let Some(problems) = benchmark() else {
        eprintln!("skipped: no ../shared/data/problems.jsonl");
        return;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agreement/values.tsv");
    let table = std::fs::read_to_string(path).expect("the table");
    let lines: BTreeMap<(&str, &str), Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect::<Vec<&str>>())
        .map(|line| ((line[0], line[1]), line))
        .collect();
    let tops: HashMap<String, (String, String)> = problem::load(&problems)
        .expect("problems")
        .into_iter()
        .map(|problem| (problem.problem, (problem.prompt, problem.top)))
        .collect();
    let files = ["candidates.jsonl", "candidates_more.jsonl.gz"];
    let rows = files
        .iter()
        .flat_map(|file| candidate::read(&problems.with_file_name(file)).expect("the candidates"));
    let mut staged = Vec::new();
    for row in rows.map(|row| row.expect("a row")) {
        let known = lines.iter().find(|(key, _)| **key == (&*row.problem, &*row.id));
        let Some((_, line)) = known else { continue };
        let (prompt, top) = &tops[&row.problem];
        let code = candidate::extract_code(&row.completion, prompt, top).expect("code");
        let config = Config { vectors: 64, ..Config::default() };
        staged.push((line, Stage::new(&code.text, top, &config).expect("a legal text")));
    }
    assert_eq!(staged.len(), lines.len());
    let folder = tempfile::tempdir().expect("a folder");
    let stages: Vec<&Stage> = staged.iter().map(|(_, stage)| stage).collect();
    let played = Stage::theirs(&stages, &icarus, folder.path()).expect("icarus runs");
    for ((line, stage), theirs) in staged.iter().zip(played) {
        let Played::Shown(theirs) = theirs else { panic!("{line:?}: {theirs:?}") };
        let found = stage.difference(&stage.ours().expect("lanes run it"), &theirs);
        let found = found.unwrap_or_else(|| panic!("{line:?} is equal"));
        assert_eq!(found.output, line[2]);
        assert!(line[3].len() > 20, "{line:?}");
    }
}

#[test]
fn what_differs_is_made_small() {
    let module = random_module(7, Families::all());
    let is_kept = |text: &str| {
        let stage = Stage::new(text, TOP, &CONFIG);
        stage.is_ok() && reading(text, false).contains("assign")
    };
    let found = shrink(&module.text, 2000, is_kept);
    assert!(found.len() * 4 < module.text.len(), "{found}");
    assert!(found.contains(TOP));
}
