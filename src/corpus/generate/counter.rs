//! Counters: up, down or both, to a power of two or another bound, with enable, load or clear, and what is read off
//! their value.

use super::chance::Chance;
use super::draft::{Draft, Value, lit};
use super::select::xor_of;
use super::sketch::{Part, Sketch, expose, part};

/// A counter: its name, bits, highest value, and when it moves (empty if always).
struct Counter {
    q: String,
    w: u32,
    last: u32,
    moves: String,
    down: bool,
}

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("counter", &["counter", "cnt_unit", "count", "up_down", "modn"], chance);
    sketch.clock();
    let direction = sketch.variant(&["up", "up", "down", "both"]);
    let bounded = sketch.variant(&["full", "bounded"]) == "bounded";
    let extra = sketch.variant(&["plain", "enabled", "enabled", "clear", "load"]);
    let w = sketch.number(&[2, 3, 4, 4, 5, 6]);
    let last = if bounded {
        let from: Vec<u32> = ((1 << (w - 1)) + 1..(1 << w) - 1).collect();
        if from.is_empty() { 2 } else { sketch.number(&from) }
    } else {
        (1 << w) - 1
    };
    let q = sketch.name(&["q", "count", "cnt", "value", "num"]);
    let counter = core(&mut sketch, (q, w, last), direction, extra);
    let k = sketch.chance.between(1, last - 1);
    let mut pool = places(&counter, k);
    pool.extend(values(&counter, k));
    sketch.outputs(pool)
}

/// The next values of a counter upwards and downwards, in both versions.
struct Steps {
    up: String,
    down: String,
    up_too: String,
    down_too: String,
}

impl Steps {
    fn new(q: &str, w: u32, last: u32) -> Steps {
        let (zero, highest, ones) = (lit(w, 0), lit(w, last), format!("{{{w}{{1'b1}}}}"));
        if last == (1 << w) - 1 {
            return Steps {
                up: format!("{q} + 1'b1"),
                down: format!("{q} - 1'b1"),
                up_too: format!("{q} - {ones}"),
                down_too: format!("{q} + {ones}"),
            };
        }
        Steps {
            up: format!("({q} == {highest}) ? {zero} : {q} + 1'b1"),
            down: format!("({q} == {zero}) ? {highest} : {q} - 1'b1"),
            up_too: format!("({q} + 1'b1) & {{{w}{{{q} != {highest}}}}}"),
            down_too: format!("{q} + (({q} == {zero}) ? {highest} : {ones})"),
        }
    }
}

fn core(
    sketch: &mut Sketch,
    (q, w, last): (String, u32, u32),
    direction: &str,
    extra: &str,
) -> Counter {
    let zero = lit(w, 0);
    let (mut steps, mut second) = (Vec::new(), Vec::new());
    let mut rule = String::new();
    if extra == "clear" || extra == "load" {
        let (control, value) = overriding(sketch, extra == "clear", w);
        let said = if extra == "clear" { "0" } else { value.as_str() };
        rule += &format!("; when {control} is high, it becomes {said} instead");
        steps.push((control.clone(), value.clone()));
        second.push((control, value));
    }
    let moves = if extra == "enabled" || extra == "load" {
        sketch.input(&["en", "enable", "ce", "go"], 1)
    } else {
        String::new()
    };
    let Steps { up, down, up_too, down_too } = Steps::new(&q, w, last);
    let (step, step_too) = match direction {
        "up" => (up, up_too),
        "down" => (down, down_too),
        _ => {
            let dir = sketch.input(&["up", "dir", "inc"], 1);
            rule = format!(", up when {dir} is high and down when it is low{rule}");
            let step = format!("{dir} ? ({up}) : ({down})");
            (step, format!("~{dir} ? ({down_too}) : ({up_too})"))
        }
    };
    steps.push((moves.clone(), step));
    second.push((moves.clone(), step_too));
    let said = described(&q, (w, last), direction);
    let counts =
        if moves.is_empty() { "every cycle".to_owned() } else { format!("when {moves} is high") };
    sketch.inner(
        &q,
        w,
        Value::Register(Some(zero.clone()), steps),
        Value::Register(Some(zero), second),
    );
    sketch.tell_inner(&[
        &format!("{said} {counts} and wraps around{rule}"),
        &format!("{said} by one {counts}, wrapping around{rule}"),
    ]);
    Counter { q, w, last, moves, down: direction == "down" }
}

/// Adds an input that overrides counting, and returns it with the value that it brings.
fn overriding(sketch: &mut Sketch, clears: bool, w: u32) -> (String, String) {
    if clears {
        return (sketch.input(&["clear", "sclr", "restart"], 1), lit(w, 0));
    }
    let control = sketch.input(&["load", "ld", "set"], 1);
    (control, sketch.input(&["d", "data", "init"], w))
}

fn described(q: &str, (w, last): (u32, u32), direction: &str) -> String {
    let to = if last == (1 << w) - 1 { String::new() } else { format!(" from 0 to {last}") };
    let direction = if direction == "both" { "" } else { direction };
    format!("The {w}-bit counter {q}{to} counts {direction}").trim_end().to_owned()
}

/// Where the counter is.
fn places(counter: &Counter, k: u32) -> Vec<Part> {
    let Counter { q, w, last, moves, down } = counter;
    let (w, last) = (*w, *last);
    let (zero, highest) = (lit(w, 0), lit(w, last));
    let (at, middle) = (lit(w, k), lit(w, last.div_ceil(2)));
    let end = if *down { 0 } else { last };
    let active = if moves.is_empty() { String::new() } else { format!("{moves} && ") };
    let also = if moves.is_empty() { String::new() } else { format!(" and {moves} is high") };
    vec![
        expose("value", q),
        part(
            ("terminal", &["tc", "last", "done", "wrap"], 1),
            &[&format!("is high when {q} is {end}{also}")],
            format!("{active}({q} == {})", lit(w, end)),
            format!("{}~|({q} ^ {})", active.replace("&&", "&"), lit(w, end)),
        ),
        part(
            ("zero", &["zero", "is_zero", "at_zero"], 1),
            &[&format!("is high when {q} is 0")],
            format!("{q} == {zero}"),
            format!("~|{q}"),
        ),
        part(
            ("top", &["at_top", "max", "full"], 1),
            &[&format!("is high when {q} is {last}")],
            format!("{q} == {highest}"),
            format!("~|({q} ^ {highest})"),
        ),
        part(
            (format!("at {w} {k}"), &["hit", "at_k", "match"], 1),
            &[&format!("is high when {q} is {k}")],
            format!("{q} == {at}"),
            format!("~|({q} ^ {at})"),
        ),
        part(
            (format!("below {w} {k}"), &["early", "below", "pwm"], 1),
            &[&format!("is high when {q} is less than {k}")],
            format!("{q} < {at}"),
            format!("({{1'b0, {q}}} - {{1'b0, {at}}}) >> {w}"),
        ),
        part(
            ("half", &["half", "late", "upper"], 1),
            &[&format!("is high when {q} is at least {}", last.div_ceil(2))],
            format!("{q} >= {middle}"),
            format!("(({{1'b0, {q}}} - {{1'b0, {middle}}}) >> {w}) == 0"),
        ),
    ]
}

/// What else is made of its value.
fn values(counter: &Counter, k: u32) -> Vec<Part> {
    let Counter { q, w, last, moves, down } = counter;
    let (w, last) = (*w, *last);
    let (at, highest) = (lit(w, k), lit(w, last));
    let end = if *down { 0 } else { last };
    let active = if moves.is_empty() { String::new() } else { format!("{moves} && ") };
    let also = if moves.is_empty() { String::new() } else { format!(" and {moves} is high") };
    vec![
        part(
            ("odd", &["odd", "lsb", "tick"], 1),
            &[&format!("is high when {q} is odd")],
            format!("{q}[0]"),
            format!("{q} % 2 == 1"),
        ),
        part(
            ("parity", &["par", "parity"], 1),
            &[&format!("is the XOR of all bits of {q}")],
            format!("^{q}"),
            xor_of(q, w),
        ),
        part(
            ("remaining", &["left", "remain", "togo"], w),
            &[&format!("is {last} - {q}")],
            format!("{highest} - {q}"),
            format!("{highest} + ~{q} + 1'b1"),
        ),
        part(
            ("gray", &["gray", "g_code"], w),
            &[&format!("is {q} in Gray code")],
            format!("{q} ^ ({q} >> 1)"),
            format!("{q} ^ {{1'b0, {q}[{}:1]}}", w - 1),
        ),
        part(
            (format!("was {w} {k}"), &["pulse", "was_k", "event_q"], 1),
            &[&format!("is a register that is high in the cycle after {q} was {k}")],
            Value::register("1'b0", &[("", &format!("{q} == {at}"))]),
            Value::register("1'b0", &[(&format!("{q} != {at}"), "1'b0"), ("", "1'b1")]),
        ),
        part(
            ("toggle", &["tog", "div", "phase"], 1),
            &[&format!("is a register that toggles when {q} is {end}{also}")],
            Value::register("1'b0", &[(&format!("{active}({q} == {})", lit(w, end)), "~@")]),
            Value::register("1'b0", &[("", &format!("@ ^ ({active}({q} == {}))", lit(w, end)))]),
        ),
    ]
}
