//! Small ALUs: four operations chosen by a code, and flags of the result.

use super::chance::Chance;
use super::draft::{Draft, Value, lit};
use super::select::xor_of;
use super::sketch::{Part, Sketch, expose, part};

/// What an operation is in words and in the two ways, with A and B for the operands and W for their width.
type Operation = (&'static str, &'static str, &'static str);

const OPERATIONS: [Operation; 12] = [
    ("A + B", "A + B", "A - (~B + 1'b1)"),
    ("A - B", "A - B", "A + ~B + 1'b1"),
    ("A AND B", "A & B", "~(~A | ~B)"),
    ("A OR B", "A | B", "~(~A & ~B)"),
    ("A XOR B", "A ^ B", "(A & ~B) | (~A & B)"),
    ("A NOR B", "~(A | B)", "~A & ~B"),
    ("NOT A", "~A", "A ^ {W{1'b1}}"),
    ("A", "A", "~(~A)"),
    ("B", "B", "~(~B)"),
    ("A + 1", "A + 1'b1", "A - {W{1'b1}}"),
    ("A shifted left by 1", "A << 1", "A + A"),
    ("A shifted right by 1", "A >> 1", "(A & ~{{(W-1){1'b0}}, 1'b1}) >> 1"),
];

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("alu", &["alu", "alu4", "exec_unit", "alu_core", "op_unit"], chance);
    let w = sketch.number(&[3, 4, 5, 6, 8]);
    let mut order: Vec<usize> = (0..OPERATIONS.len()).collect();
    sketch.chance.shuffle(&mut order);
    let four = &order[..4];
    let pair = [["a", "b"], ["x", "y"], ["lhs", "rhs"]][sketch.chance.below(3)];
    let (a, b) = (sketch.input(&pair[..1], w), sketch.input(&pair[1..], w));
    let op = sketch.input(&["op", "sel", "opcode", "fn"], 2);
    let y = sketch.name(&["result", "res", "out", "alu_y", "f"]);
    let fill = |text: &str| -> String {
        let text = text.replace("(W-1)", &(w - 1).to_string()).replace('W', &w.to_string());
        text.replace("AND", "&&&").replace('A', &a).replace('B', &b).replace("&&&", "AND")
    };
    let arms = |way: fn(&Operation) -> &'static str| -> Vec<(String, String)> {
        (0..).zip(four).map(|(code, at)| (lit(2, code), fill(way(&OPERATIONS[*at])))).collect()
    };
    let split = |mut arms: Vec<(String, String)>| {
        let last = arms.pop().map(|(_, value)| value).unwrap_or_default();
        Value::Case(op.clone(), arms, last)
    };
    sketch.inner(&y, w, split(arms(|operation| operation.1)), split(arms(|operation| operation.2)));
    let rule = arms(|operation| operation.0).into_iter().enumerate();
    let rule = rule
        .map(|(code, (_, said))| format!("{said} if {op} is {code}"))
        .collect::<Vec<_>>()
        .join(", ");
    sketch
        .tell_inner(&[&format!("{y} is {rule}"), &format!("{op} chooses {y} ({w} bits): {rule}")]);
    sketch.outputs(flags(&y, (&a, &b), w))
}

/// The result and what is said of it.
fn flags(y: &str, (a, b): (&str, &str), w: u32) -> Vec<Part> {
    let top = w - 1;
    vec![
        expose("result", y),
        part(
            ("zero", &["zero", "z", "is_zero"], 1),
            &[&format!("is high when {y} is 0")],
            format!("{y} == {}", lit(w, 0)),
            format!("~|{y}"),
        ),
        part(
            ("negative", &["neg", "n_flag", "sign"], 1),
            &[&format!("is the most significant bit of {y}")],
            format!("{y}[{top}]"),
            format!("{y} >> {top}"),
        ),
        part(
            ("parity", &["par", "parity", "p_flag"], 1),
            &[&format!("is the XOR of all bits of {y}")],
            format!("^{y}"),
            xor_of(y, w),
        ),
        part(
            ("ones", &["ones", "all_ones"], 1),
            &[&format!("is high when all bits of {y} are 1")],
            format!("&{y}"),
            format!("~{y} == {}", lit(w, 0)),
        ),
        part(
            ("odd", &["odd", "lsb"], 1),
            &[&format!("is the least significant bit of {y}")],
            format!("{y}[0]"),
            format!("{y} & 1'b1"),
        ),
        part(
            ("equal", &["eq", "same"], 1),
            &[&format!("is high when {a} equals {b}")],
            format!("{a} == {b}"),
            format!("~|({a} ^ {b})"),
        ),
        part(
            ("less", &["lt", "less"], 1),
            &[&format!("is high when {a} is less than {b}")],
            format!("{a} < {b}"),
            format!("({{1'b0, {a}}} - {{1'b0, {b}}}) >> {w}"),
        ),
        part(
            ("above", &["above", "big"], 1),
            &[&format!("is high when {y} is greater than {a}")],
            format!("{y} > {a}"),
            format!("({{1'b0, {a}}} - {{1'b0, {y}}}) >> {w}"),
        ),
        part(
            ("keeps", &["keeps", "no_change"], 1),
            &[&format!("is high when {y} equals {a}")],
            format!("{y} == {a}"),
            format!("~|({y} ^ {a})"),
        ),
    ]
}
