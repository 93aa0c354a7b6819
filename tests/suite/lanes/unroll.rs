//! Loops that are unrolled do what the same loops do whose bounds only the run tells.

use super::operators::Random;
use salv::design::lower;
use salv::design::program::{Program, Statement};
use salv::verify::lanes::{Bounds, Code, Machine, PowerUp};

const LANES: usize = 16;
const ROUNDS: usize = 20;

/// Bodies of a process over inputs `a` and `b` and the result `y`; `N` is 8, known or not.
const BODIES: [&str; 16] = [
    "for (i = 0; i < N; i = i + 1) if (a[i]) y = y + i;",
    "for (i = N - 1; i >= 0; i = i - 1) y = {y[6:0], a[i] ^ b[7 - i]};",
    "for (i = 0; i < N; i = i + 1) begin if (a[i]) continue; if (b[i]) break; y = y ^ (b >> i); end",
    "for (i = 0; i < N; i = i + 1) for (j = 0; j < i; j = j + 1) if (a[j] & b[i]) y = y + j + 1;",
    "for (i = 0; i < N; i = i + 1) begin for (j = i; j < N; j = j + 1) if (a[j]) break; y = y ^ j; end",
    "i = 0; while (i < N) begin y[i] = a[i] ? b[7 - i] : y[i]; i = i + 1; end",
    "i = 0; do begin y = y + a[i]; i = i + 1; end while (i < N);",
    "repeat (N) begin if (y[0]) y = y ^ a; y = {b[0], y[7:1]} + 1; end",
    "for (i = 0; i < N; i = i + 1) case (i) 0: y = a; 3, 4: y = y ^ b; 7: y[7:4] = a[3:0]; default: y = y + 1; endcase",
    "for (i = 0; i < N; i = i + 1) m[i] = a ^ i; for (i = 0; i < N; i = i + 1) y = y ^ (m[7 - i] & {8{b[i]}});",
    "begin : all for (i = 0; i < N; i = i + 1) begin if (a[i] == 0) ; else disable all; y = y + 1; end y = ~y; end",
    "y = first(a, b, N) ^ last(a, N);",
    "for (i = 0; i < N; i = i + 2) y[i +: 2] = a[i +: 2] + b[i +: 2];",
    "for (i = -2; i < N + 2; i = i + 1) y[i] = b[i + 1] ^ a[0];",
    "for (i = 0; i < N; i = i + 1) begin : turn integer k; k = i * 3 % 8; y[k] = a[i] | b[k]; end",
    "for (i = 0; i < N; i = i + 1) if (i == 2) ; else if (a[i]) y = y + (1 << i) - (b >>> i); else y = (y << i) | (y >> (8 - i));",
];

fn text(body: &str, bound: &str) -> String {
    format!(
        "module top(input [7:0] a, b, input [3:0] n, output reg [7:0] y); integer i, j; reg [7:0] m [0:7]; \
         function [3:0] first(input [7:0] a, b, input [3:0] n); integer i; begin first = 15; \
         for (i = 0; i < n; i = i + 1) begin if (a[i]) begin first = i; return i; end if (b[i]) ; else return 14; end \
         first = 9; end endfunction \
         function automatic [3:0] last(input [7:0] a, input [3:0] n); last = 0; \
         for (int i = 0; i < n; i++) if (a[i]) last = i; endfunction \
         always @* begin y = 0; {} end endmodule",
        body.replace('N', bound)
    )
}

fn program(text: &str) -> Program {
    lower(text, Some("top")).expect("a legal text").program.expect("all of it is lowered")
}

fn has_loop(body: &[Statement]) -> bool {
    body.iter().any(|statement| match statement {
        Statement::Loop { .. } => true,
        Statement::If { then, otherwise, .. } => has_loop(then) || has_loop(otherwise),
        Statement::Switch(switch) => switch.arms.iter().any(|arm| has_loop(arm)),
        Statement::Block { body, .. } => has_loop(body),
        Statement::Compute(_) | Statement::Store(_) | Statement::Exit(_) => false,
    })
}

/// What comes out for random inputs.
fn outputs(program: &Program) -> Vec<(Vec<u64>, Vec<u64>)> {
    let code = Code::new(program);
    let mut machine = Machine::new(&code, LANES, Bounds::default());
    machine.power_up(PowerUp::Unknown);
    let mut random = Random(7);
    let mut outputs = Vec::new();
    for _ in 0..ROUNDS {
        for (port, _) in program.inputs.iter().enumerate() {
            let words: Vec<u64> = (0..LANES).map(|_| random.next() & 0xff).collect();
            machine.set_input(port, if port == 2 { &[8; LANES] } else { &words });
        }
        machine.settle().expect("it ends");
        let output = machine.output(0);
        outputs.push((output.value, output.unknown));
    }
    outputs
}

#[test]
fn unrolled_or_not_they_do_the_same() {
    for body in BODIES {
        let unrolled = program(&text(body, "8"));
        let runs = program(&text(body, "$signed({1'b0, n})"));
        let is = |program: &Program| program.processes.iter().any(|p| has_loop(&p.body));
        assert_eq!((is(&unrolled), is(&runs)), (false, true), "{body}");
        let (one, other) = (outputs(&unrolled), outputs(&runs));
        assert_eq!(one, other, "{body}");
        assert!(one.iter().any(|output| *output != one[0]), "{body}: always the same");
    }
}

/// What runs too often, or for ever, stays a loop; nothing is left of the attempt.
#[test]
fn long_loops_stay() {
    for body in [
        "for (i = 0; i < 5000; i = i + 1) y = y + a[i % 8];",
        "for (i = 0; i != n; i = i + 1) y = y + 1;",
        "i = 0; while (i < 8) begin if (a[i]) i = i + 2; else i = i + 1; y = y + 1; end",
        "do y = y + a; while (y < 100);",
    ] {
        let program = program(&text(body, "8"));
        let fixed = program.variables as usize + program.constants.len();
        let operations = program.widths.len() - fixed;
        assert!(program.processes.iter().any(|process| has_loop(&process.body)), "{body}");
        assert!(operations < 40, "{body}: {operations} operations");
    }
}

/// A declaration's value may come from a function with a loop; the attempt to unroll what is around it leaves it once.
#[test]
fn declarations_in_loops_have_their_value() {
    let text = "module top(input [7:0] a, output reg [7:0] y); integer i; reg seen; \
                function integer squares(input integer n); integer i; begin squares = 0; \
                for (i = 0; i < n; i = i + 1) squares = squares + i * i + (seen === 1); end endfunction \
                always @* begin y = 0; for (i = 0; i < 4; i = i + 1) begin : turn static integer s = squares(4); \
                y = y + s + a[i]; end end endmodule";
    let program = program(text);
    let code = Code::new(&program);
    let mut machine = Machine::new(&code, 2, Bounds::default());
    machine.power_up(PowerUp::Unknown);
    machine.set_input(0, &[0, 0b0101]);
    machine.settle().expect("it ends");
    assert_eq!(machine.output(0).value, [56, 58]);
}

/// What both texts would get wrong alike, with what comes out for these inputs.
#[test]
fn what_they_do_is_right() {
    let cases: [(&str, [u64; 2], u64); 9] = [
        // A side of `?:` that writes runs only where it is chosen.
        ("y = a; for (i = 0; i < 8; i = i + 1) y = y + (i == 3 ? i++ : i);", [0, 0], 24),
        (
            "y = 0; j = 0; for (i = 0; i < 8; i = i + 1) y = y + (a[i] ? j++ : 0);",
            [0b1101_0001, 0],
            6,
        ),
        // All of a value is read before any of it is written.
        ("y = a; {y[3:0], y[7:4]} = y;", [0x5c, 0], 0xc5),
        ("y = a; {y[0], y[1], y[2], y[3], y[4], y[5], y[6], y[7]} = y;", [0x16, 0], 0x68),
        ("y = a; for (i = 0; i < 2; i = i + 1) {y[3:0], y[7:4]} = y << i;", [0x5c, 0], 0xa8),
        // A part that crosses the border of its element is written as far as it is there.
        (
            "e = a; for (i = 0; i < 2; i = i + 1) e[i][i * 6 +: 3] = 7; y = e[1] ^ e[0];",
            [0, 0],
            0b1100_0111,
        ),
        ("e = 0; e[1][b +: 3] = 7; y = e[1] | e[0];", [0, 7], 0x80),
        // `always @*` waits for what its text reads, also where nothing comes of it.
        ("k = a; k = 3; y = k;", [1, 0], 3),
        (
            "y = a; for (i = 0; i < 8; i = i + 1) begin if (i == 2) ; else break; y = 1; end y = y + 5;",
            [0, 0],
            5,
        ),
    ];
    for (body, [a, b], expect) in cases {
        let text = format!(
            "module top(input [7:0] a, b, output reg [7:0] y); integer i, j; reg [1:0][7:0] e; reg [7:0] k; \
             always @* begin {body} end endmodule"
        );
        let code = Code::new(&program(&text));
        let mut machine = Machine::new(&code, 2, Bounds::default());
        machine.power_up(PowerUp::Unknown);
        machine.set_input(0, &[a, a]);
        machine.set_input(1, &[b, b]);
        machine.settle().expect("it ends");
        let y = machine.output(0);
        assert_eq!((y.value[0], y.unknown[0]), (expect, 0), "{body}");
    }
}

/// Turns in which everything is known make nothing, and are bounded all the same.
#[test]
fn turns_that_make_nothing_are_bounded() {
    let nothing: String =
        (0..200).map(|n| format!("if (i * 3 + j == -{n} - 1) k = {n}; ")).collect();
    let text = format!(
        "module top(input [7:0] a, output reg [7:0] y); integer i, j; reg [7:0] k; always @* begin k = a; \
         for (i = 0; i < 1000; i = i + 1) for (j = 0; j < 1000; j = j + 1) begin {nothing} end y = k; end endmodule"
    );
    let program = program(&text);
    assert!(program.processes.iter().any(|process| has_loop(&process.body)));
    assert!(program.constants.len() < 2_000, "{} constants", program.constants.len());
}
