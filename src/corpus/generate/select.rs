//! Multiplexers: one of a few words, and what can be said of it.

use super::chance::Chance;
use super::draft::{Draft, Value, bin, lit};
use super::sketch::{Part, Sketch, expose, part};

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("select", &["mux", "selector", "mux_unit", "pick", "word_mux"], chance);
    let four = sketch.variant(&["two", "four"]) == "four";
    let (count, bits) = if four { (4, 2) } else { (2, 1) };
    let w = sketch.number(&[2, 3, 4, 5, 6, 8]);
    let sets: [[&str; 4]; 4] = [
        ["a", "b", "c", "d"],
        ["d0", "d1", "d2", "d3"],
        ["in0", "in1", "in2", "in3"],
        ["x0", "x1", "x2", "x3"],
    ];
    let set = sets[sketch.chance.below(4)];
    let data: Vec<String> = set[..count].iter().map(|name| sketch.input(&[name], w)).collect();
    let sel = sketch.input(&["sel", "s", "select"], bits);
    let en = sketch.input(&["en", "enable", "oe"], 1);
    let label = |at: usize| if bits == 1 { format!("1'b{at}") } else { lit(bits, at as u32) };
    let case = |at: &dyn Fn(usize) -> String| {
        let arms = (0..count - 1).map(|arm| (label(arm), at(arm))).collect();
        Value::Case(sel.clone(), arms, at(count - 1))
    };
    let packed = data.iter().rev().cloned().collect::<Vec<_>>().join(", ");
    let shifted = |select: &str| format!("{{{packed}}} >> (({select}) * {w})");
    let y = sketch.name(&["y", "q", "out", "dout", "chosen", "word"]);
    let golden = if four {
        case(&|at| data[at].clone())
    } else {
        Value::when(&[(&sel, &data[1])], &data[0])
    };
    sketch.inner(&y, w, golden, shifted(&sel));
    let rule = (0..count)
        .map(|at| format!("{} if {sel} is {at}", data[at]))
        .collect::<Vec<_>>()
        .join(", ");
    sketch.tell_inner(&[&format!("{y} is {rule}"), &format!("{sel} chooses {y}: {rule}")]);
    let mut pool = vec![expose("chosen", &y)];
    pool.extend(of_word(&y, w));
    pool.push(part(
        ("gated", &["gated", "masked", "bus"], w),
        &[&format!("is {y} when {en} is high, else 0")],
        Value::when(&[(&en, &y)], lit(w, 0)),
        format!("{y} & {{{w}{{{en}}}}}"),
    ));
    pool.push(part(
        ("match", &["match", "hit", "same"], 1),
        &[&format!("is high when {y} equals {}", data[0])],
        format!("{y} == {}", data[0]),
        format!("~|({y} ^ {})", data[0]),
    ));
    pool.push(part(
        ("other", &["other", "alt", "partner"], w),
        &[&partner(four, &sel, &data)],
        case(&|at| data[at ^ 1].clone()),
        shifted(&format!("{sel} ^ 1'b1")),
    ));
    if four {
        pool.extend(onehot(&sel, &en));
    }
    sketch.outputs(pool)
}

/// What is said of the word that was chosen.
fn of_word(y: &str, w: u32) -> Vec<Part> {
    vec![
        part(
            ("complement", &["yn", "inv", "not_y"], w),
            &[&format!("is the complement of {y}")],
            format!("~{y}"),
            format!("{y} ^ {{{w}{{1'b1}}}}"),
        ),
        part(
            ("parity", &["par", "parity", "odd"], 1),
            &[
                &format!("is the XOR of all bits of {y}"),
                &format!("is high when {y} has an odd number of ones"),
            ],
            format!("^{y}"),
            xor_of(y, w),
        ),
        part(
            ("zero", &["zero", "is_zero", "z"], 1),
            &[&format!("is high when {y} is 0")],
            format!("{y} == {}", lit(w, 0)),
            format!("~|{y}"),
        ),
        part(
            ("full", &["ones", "all_ones"], 1),
            &[&format!("is high when all bits of {y} are 1")],
            format!("&{y}"),
            format!("~{y} == {}", lit(w, 0)),
        ),
        part(
            ("msb", &["msb", "top_bit", "sign"], 1),
            &[&format!("is the most significant bit of {y}")],
            format!("{y}[{}]", w - 1),
            format!("{y} >= {}", lit(w, 1 << (w - 1))),
        ),
        part(
            ("lsb", &["lsb", "odd_word", "bit0"], 1),
            &[&format!("is the least significant bit of {y}")],
            format!("{y}[0]"),
            format!("{y} & 1'b1"),
        ),
    ]
}

/// The select code as lines.
fn onehot(sel: &str, en: &str) -> Vec<Part> {
    let arms = (0..3).map(|at| (lit(2, at), bin(4, 1 << at))).collect();
    vec![
        part(
            ("onehot", &["onehot", "line", "ack"], 4),
            &[
                &format!("has bit number {sel} high and all others low"),
                &format!("is {sel} decoded one-hot"),
            ],
            Value::Case(sel.to_owned(), arms, bin(4, 8)),
            format!("4'd1 << {sel}"),
        ),
        part(
            ("grant", &["grant", "strobe"], 4),
            &[&format!("is {sel} decoded one-hot when {en} is high, else 0")],
            Value::when(&[(en, &format!("4'b0001 << {sel}"))], "4'b0000"),
            format!(
                "{{{en} & {sel}[1] & {sel}[0], {en} & {sel}[1] & ~{sel}[0], {en} & \
                 ~{sel}[1] & {sel}[0], {en} & ~{sel}[1] & ~{sel}[0]}}"
            ),
        ),
    ]
}

fn partner(four: bool, sel: &str, data: &[String]) -> String {
    if !four {
        return format!("is the word that {sel} does not choose");
    }
    format!("is {} if {sel} is 0, {} if 1, {} if 2, {} if 3", data[1], data[0], data[3], data[2])
}

/// The exclusive or of the bits of a word, one by one.
pub(super) fn xor_of(word: &str, width: u32) -> String {
    (0..width).map(|bit| format!("{word}[{bit}]")).collect::<Vec<_>>().join(" ^ ")
}
