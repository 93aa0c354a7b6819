//! Detectors of a pattern in a stream of bits. The golden module remembers the last bits; the second version is the
//! automaton of the pattern's prefixes, computed here.

use super::chance::Chance;
use super::draft::{Draft, Value, bin, bits_for, lit};
use super::sketch::{Part, Sketch, part};

/// A stream of bits, the pattern in it, and what says that the pattern is complete, in both versions.
struct Stream {
    x: String,
    clear: String,
    /// The input that says when a bit comes; none if one comes in each cycle.
    valid: Option<String>,
    found: String,
    found_too: String,
    /// The bit that came before, in both versions.
    before: String,
    before_too: String,
}

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("sequence", &["seq_det", "detector", "pattern", "finder", "bit_watch"], chance);
    sketch.clock();
    let n = [3, 4][sketch.chance.below(2)];
    let pattern = sketch.chance.between(1, (1 << n) - 2);
    let gated = sketch.variant(&["every", "valid"]) == "valid";
    let x = sketch.input(&["x", "in", "bit_in", "din", "s"], 1);
    let valid = sketch.input(&["valid", "en", "vld"], 1);
    let clear = sketch.input(&["clear", "ack", "restart"], 1);
    let text = format!("{pattern:0width$b}", width = n as usize);
    let each = if gated {
        format!("each cycle in which {valid} is high")
    } else {
        "each cycle".to_owned()
    };
    sketch.tell(&[
        &format!(
            "{x} brings a bit in {each}; the pattern is {text}, oldest bit first, \
             and may overlap; before the first bit there were zeros"
        ),
        &format!(
            "Look for {text} (first bit first, overlaps count) in the bits of \
             {x}, one in {each}, after zeros at the start"
        ),
    ]);
    let gate = gated.then_some(valid.as_str());
    let (found, found_too, before, before_too) = watch(&mut sketch, (n, pattern), &x, gate);
    let valid = gated.then_some(valid);
    let stream = Stream { x, clear, valid, found, found_too, before, before_too };
    let mut pool = of_pattern(&stream);
    pool.extend(of_bits(&stream));
    sketch.outputs(pool)
}

/// Adds what is remembered in the two versions. Returns for each what says that the pattern is complete, then for
/// each the bit that came before.
fn watch(
    sketch: &mut Sketch,
    (n, pattern): (u32, u32),
    x: &str,
    valid: Option<&str>,
) -> (String, String, String, String) {
    let hist = sketch.name(&["hist", "last_bits", "window"]);
    let place = sketch.name(&["place", "matched", "prefix"]);
    let m = n - 1;
    let step = valid.unwrap_or_default();
    let moved = Value::register(lit(m, 0), &[(step, &format!("{{{hist}, {x}}}"))]);
    sketch.inner(&hist, m, moved, "1'b0");
    let table =
        automaton(pattern, n).into_iter().rev().map(|to| lit(2, to)).collect::<Vec<_>>().join(", ");
    let next = format!("{{{table}}} >> {{{place}, {x}, 1'b0}}");
    // Before the first bit there were zeros, with which a pattern may begin.
    let start = (n - bits_for(pattern)).min(m);
    sketch.inner(&place, 2, "1'b0", Value::register(lit(2, start), &[(step, &next)]));
    let before = sketch.name(&["earlier", "x_q"]);
    let kept = match valid {
        Some(valid) => format!("{valid} ? {x} : {before}"),
        None => x.to_owned(),
    };
    sketch.inner(&before, 1, "1'b0", Value::register("1'b0", &[("", &kept)]));
    let now = valid.map(|valid| format!("{valid} && ")).unwrap_or_default();
    let found = format!("{now}({{{hist}, {x}}} == {})", bin(n, pattern));
    let found_too = format!("{now}({place} == {} && {x} == 1'b{})", lit(2, m), pattern & 1);
    (found, found_too, format!("{hist}[0]"), before)
}

fn of_pattern(stream: &Stream) -> Vec<Part> {
    let Stream { clear, found, found_too, .. } = stream;
    vec![
        part(
            ("found", &["found", "hit", "match", "y"], 1),
            &["is high, combinationally, when the current bit completes the pattern"],
            found.as_str(),
            found_too.as_str(),
        ),
        part(
            ("found register", &["found_q", "seen", "y_q", "detect"], 1),
            &["is a register that is high in the cycle after a bit that completes \
               the pattern"],
            Value::register("1'b0", &[("", found)]),
            Value::register("1'b0", &[(found_too, "1'b1"), ("", "1'b0")]),
        ),
        part(
            ("sticky", &["ever", "sticky", "flag"], 1),
            &[&format!(
                "is a register that is set when the pattern is completed and cleared \
                 when {clear} is high; setting has priority"
            )],
            Value::register("1'b0", &[(found, "1'b1"), (clear, "1'b0")]),
            Value::register("1'b0", &[("", &format!("({found_too}) | (@ & ~{clear})"))]),
        ),
        part(
            ("count", &["count", "hits", "n_found"], 3),
            &["is a 3-bit register that counts how often the pattern was completed"],
            Value::register("3'd0", &[(found, "@ + 1'b1")]),
            Value::register("3'd0", &[("", &format!("@ + ({found_too})"))]),
        ),
        part(
            ("toggle", &["tog", "parity", "alt"], 1),
            &["is a register that toggles each time the pattern is completed"],
            Value::register("1'b0", &[(found, "~@")]),
            Value::register("1'b0", &[("", &format!("@ ^ ({found_too})"))]),
        ),
    ]
}

fn of_bits(stream: &Stream) -> Vec<Part> {
    let Stream { x, valid, before, before_too, .. } = stream;
    let gate = valid.as_deref().unwrap_or_default();
    let (now, said, kept) = match valid {
        Some(valid) => (
            format!("{valid} && "),
            format!(", while {valid} is high"),
            format!("({valid} & {x}) | (~{valid} & @)"),
        ),
        None => (String::new(), String::new(), format!("~(~{x})")),
    };
    vec![
        part(
            ("ones", &["ones", "total"], 3),
            &[&format!("is a 3-bit register that counts the bits that are 1{said}")],
            Value::register("3'd0", &[(&format!("{now}{x}"), "@ + 1'b1")]),
            Value::register("3'd0", &[("", &format!("@ + ({now}({x} == 1'b1))"))]),
        ),
        part(
            ("last", &["last", "prev_bit"], 1),
            &["is a register that holds the last bit that came"],
            Value::register("1'b0", &[(gate, x)]),
            Value::register("1'b0", &[("", &kept)]),
        ),
        part(
            ("repeat", &["again", "same"], 1),
            &[&format!("is high when {x} equals the bit that came before it")],
            format!("{x} == {before}"),
            format!("~({x} ^ {before_too})"),
        ),
    ]
}

/// Where the automaton goes from each state (how much of the pattern's beginning was just seen) and bit.
fn automaton(pattern: u32, n: u32) -> Vec<u32> {
    let beginning = |bits: u32| pattern >> (n - bits);
    let after = |state: u32, bit: u32| {
        let seen = beginning(state) << 1 | bit;
        let longest = (0..n.min(state + 2)).rev().find(|k| seen & ((1 << k) - 1) == beginning(*k));
        longest.unwrap_or(0)
    };
    (0..4).flat_map(|state| [0, 1].map(|bit| after(state.min(n - 1), bit))).collect()
}
