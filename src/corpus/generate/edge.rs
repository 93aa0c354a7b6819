//! Edge detectors, delays and what else is remembered of one bit.

use super::chance::Chance;
use super::draft::{Draft, Value, lit};
use super::sketch::{Part, Sketch, part};

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("edge", &["edge_det", "edges", "detector", "pulse_gen", "sig_mon"], chance);
    sketch.clock();
    let d = sketch.input(&["d", "sig", "in", "x", "button"], 1);
    let clear = sketch.input(&["clear", "ack", "clr_flag"], 1);
    let prev = sketch.name(&["prev", "last_d", "d_q", "old"]);
    sketch.inner(
        &prev,
        1,
        Value::register("1'b0", &[("", &d)]),
        Value::register("1'b0", &[(&d, "1'b1"), ("", "1'b0")]),
    );
    sketch.tell_inner(&[
        &format!("Edges of {d} are seen against its value at the last clock edge, {prev}"),
        &format!("The register {prev} holds {d} of the last cycle"),
    ]);
    let old = sketch.name(&["prev2", "older", "d_q2"]);
    sketch.inner(
        &old,
        1,
        Value::register("1'b0", &[("", &prev)]),
        Value::register("1'b0", &[("", &format!("~(~{prev})"))]),
    );
    sketch.tell_inner(&[&format!("The register {old} holds {prev} of the last cycle")]);
    let w = sketch.number(&[2, 3, 4]);
    let mut pool = seen_now(&d, &prev);
    pool.extend(seen_late(&d, &prev, &old));
    pool.extend(remembered(&d, &prev, &clear, w));
    sketch.outputs(pool)
}

fn seen_now(d: &str, prev: &str) -> Vec<Part> {
    vec![
        part(
            ("rise", &["rise", "pos", "up"], 1),
            &[
                &format!("is high when {d} is 1 and {prev} is 0"),
                &format!("is high when {d} rises, combinationally"),
            ],
            format!("{d} & ~{prev}"),
            format!("{{{prev}, {d}}} == 2'b01"),
        ),
        part(
            ("fall", &["fall", "neg", "down"], 1),
            &[
                &format!("is high when {d} is 0 and {prev} is 1"),
                &format!("is high when {d} falls, combinationally"),
            ],
            format!("~{d} & {prev}"),
            format!("{{{prev}, {d}}} == 2'b10"),
        ),
        part(
            ("change", &["change", "any", "edge_any"], 1),
            &[
                &format!("is high when {d} differs from {prev}"),
                &format!("is high when {d} rises or falls, combinationally"),
            ],
            format!("{d} ^ {prev}"),
            format!("{d} != {prev}"),
        ),
        part(
            ("stable", &["stable", "same", "quiet"], 1),
            &[&format!("is high when {d} equals {prev}")],
            format!("{d} == {prev}"),
            format!("~({d} ^ {prev})"),
        ),
        part(
            ("held", &["held", "both", "long"], 1),
            &[&format!("is high when {d} and {prev} are both 1")],
            format!("{d} & {prev}"),
            format!("&{{{d}, {prev}}}"),
        ),
        part(
            ("spread", &["spread", "either", "stretched"], 1),
            &[&format!("is high when {d} or {prev} is 1")],
            format!("{d} | {prev}"),
            format!("{{{d}, {prev}}} != 2'b00"),
        ),
    ]
}

fn seen_late(d: &str, prev: &str, old: &str) -> Vec<Part> {
    vec![
        part(
            ("late rise", &["rise_q", "late_up"], 1),
            &[&format!("is high when {prev} is 1 and {old} is 0")],
            format!("{prev} & ~{old}"),
            format!("{{{old}, {prev}}} == 2'b01"),
        ),
        part(
            ("steady", &["steady", "sure"], 1),
            &[&format!("is high when {d}, {prev} and {old} are all 1")],
            format!("{d} & {prev} & {old}"),
            format!("&{{{d}, {prev}, {old}}}"),
        ),
        part(
            ("glitch", &["glitch", "spike"], 1),
            &[&format!("is high when {prev} is 1 and both {d} and {old} are 0")],
            format!("~{d} & {prev} & ~{old}"),
            format!("{{{old}, {prev}, {d}}} == 3'b010"),
        ),
        part(
            ("vote", &["vote", "filtered"], 1),
            &[&format!("is the majority of {d}, {prev} and {old}")],
            format!("({d} & {prev}) | ({d} & {old}) | ({prev} & {old})"),
            format!("({prev} == {old}) ? {prev} : {d}"),
        ),
    ]
}

fn remembered(d: &str, prev: &str, clear: &str, w: u32) -> Vec<Part> {
    let rise = format!("{d} & ~{prev}");
    let rises = format!("{{{prev}, {d}}} == 2'b01");
    vec![
        part(
            ("rise register", &["rise_r", "tick", "pulse"], 1),
            &[&format!("is a register that is high for one cycle after each rise of {d}")],
            Value::register("1'b0", &[("", &rise)]),
            Value::register("1'b0", &[(&rises, "1'b1"), ("", "1'b0")]),
        ),
        part(
            ("fall register", &["fall_r", "tock", "release_q"], 1),
            &[&format!("is a register that is high for one cycle after each fall of {d}")],
            Value::register("1'b0", &[("", &format!("~{d} & {prev}"))]),
            Value::register(
                "1'b0",
                &[(&format!("{{{prev}, {d}}} == 2'b10"), "1'b1"), ("", "1'b0")],
            ),
        ),
        part(
            ("sticky", &["seen", "flag", "caught"], 1),
            &[&format!(
                "is a register that is set by a rise of {d} and cleared when {clear} \
                 is high; the rise has priority"
            )],
            Value::register("1'b0", &[(&rise, "1'b1"), (clear, "1'b0")]),
            Value::register("1'b0", &[("", &format!("({rise}) | (@ & ~{clear})"))]),
        ),
        part(
            ("sticky clear", &["pending", "irq", "event_q"], 1),
            &[&format!(
                "is a register that {clear} clears, with priority, and a rise of {d} \
                 sets"
            )],
            Value::register("1'b0", &[(clear, "1'b0"), (&rise, "1'b1")]),
            Value::register("1'b0", &[("", &format!("~{clear} & (@ | ({rise}))"))]),
        ),
        part(
            ("toggle", &["tog", "led", "state"], 1),
            &[&format!("is a register that toggles at each rise of {d}")],
            Value::register("1'b0", &[(&rise, "~@")]),
            Value::register("1'b0", &[("", &format!("@ ^ ({rise})"))]),
        ),
        part(
            (format!("count {w}"), &["count", "cnt", "edges_n"], w),
            &[&format!("is a {w}-bit register that counts the rises of {d}")],
            Value::register(lit(w, 0), &[(&rise, "@ + 1'b1")]),
            Value::register(lit(w, 0), &[("", &format!("@ + ({rises})"))]),
        ),
        part(
            (format!("length {w}"), &["len", "run", "width_q"], w),
            &[&format!(
                "is a {w}-bit register that counts up while {d} is high and is 0 \
                 after a cycle with {d} low"
            )],
            Value::register(lit(w, 0), &[(d, "@ + 1'b1"), ("", &lit(w, 0))]),
            Value::register(lit(w, 0), &[("", &format!("(@ + 1'b1) & {{{w}{{{d}}}}}"))]),
        ),
        part(
            (format!("history {w}"), &["hist", "taps", "window"], w),
            &[&format!("is a {w}-bit shift register of {d}, the newest bit lowest")],
            Value::register(lit(w, 0), &[("", &format!("{{@[{}:0], {d}}}", w - 2))]),
            Value::register(lit(w, 0), &[("", &format!("(@ << 1) | {d}"))]),
        ),
    ]
}
