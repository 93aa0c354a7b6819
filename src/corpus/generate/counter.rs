//! Counters: up, down or both, to a power of two or another bound, with enable, load or clear, and what is read off
//! their value.

use super::chance::Chance;
use super::draft::{Draft, Part, Sketch, Value, expose, lit, part};

/// A counter: its name, bits, highest value, and when it moves (`1'b1` if always).
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
    let pool = readings(&mut sketch, &counter);
    sketch.outputs(pool)
}

fn core(
    sketch: &mut Sketch,
    (q, w, last): (String, u32, u32),
    direction: &str,
    extra: &str,
) -> Counter {
    let (zero, highest) = (lit(w, 0), lit(w, last));
    let full = last == (1 << w) - 1;
    let up = if full { format!("{q} + 1'b1") } else { format!("({q} == {highest}) ? {zero} : {q} + 1'b1") };
    let down = if full { format!("{q} - 1'b1") } else { format!("({q} == {zero}) ? {highest} : {q} - 1'b1") };
    let up_too = if full { format!("{q} - {{{w}{{1'b1}}}}") } else { format!("({q} + 1'b1) & {{{w}{{{q} != {highest}}}}}") };
    let down_too = if full { format!("{q} + {{{w}{{1'b1}}}}") } else { format!("{q} + (({q} == {zero}) ? {highest} : {{{w}{{1'b1}}}})") };
    let (mut steps, mut second): (Vec<(String, String)>, Vec<(String, String)>) = (Vec::new(), Vec::new());
    let mut rule = String::new();
    if extra == "clear" || extra == "load" {
        let names: &[&str] = if extra == "clear" { &["clear", "sclr", "restart"] } else { &["load", "ld", "set"] };
        let control = sketch.input(names, 1);
        let value = if extra == "clear" { zero.clone() } else { sketch.input(&["d", "data", "init"], w) };
        let said = if extra == "clear" { "0".to_owned() } else { value.clone() };
        rule += &format!("; when {control} is high, it becomes {said} instead");
        steps.push((control.clone(), value.clone()));
        second.push((control, value));
    }
    let moves = if extra == "enabled" || extra == "load" { sketch.input(&["en", "enable", "ce", "go"], 1) } else { String::new() };
    let (step, step_too, said) = match direction {
        "up" => (up, up_too, "up"),
        "down" => (down, down_too, "down"),
        _ => {
            let dir = sketch.input(&["up", "dir", "inc"], 1);
            rule = format!(", up when {dir} is high and down when it is low{rule}");
            (format!("{dir} ? ({up}) : ({down})"), format!("~{dir} ? ({down_too}) : ({up_too})"), "")
        }
    };
    steps.push((moves.clone(), step));
    second.push((moves.clone(), step_too));
    let range = if full { format!("{w}-bit counter {q}") } else { format!("{w}-bit counter {q} from 0 to {last}") };
    let counts = if moves.is_empty() { "every cycle".to_owned() } else { format!("when {moves} is high") };
    let said = format!("The {range} counts {said}").trim_end().to_owned();
    sketch.inner(&q, w, Value::Register(Some(zero.clone()), steps), Value::Register(Some(zero), second));
    sketch.tell_inner(&[&format!("{said} {counts} and wraps around{rule}"), &format!("{said} by one {counts}, wrapping around{rule}")]);
    Counter { q, w, last, moves, down: direction == "down" }
}

fn readings(sketch: &mut Sketch, counter: &Counter) -> Vec<Part> {
    let Counter { q, w, last, moves, down } = counter;
    let (w, last) = (*w, *last);
    let (highest, zero) = (lit(w, last), lit(w, 0));
    let end = if *down { 0 } else { last };
    let k = sketch.chance.from_to(1, last - 1);
    let (at, middle) = (lit(w, k), lit(w, last.div_ceil(2)));
    let active = if moves.is_empty() { String::new() } else { format!("{moves} && ") };
    let also = if moves.is_empty() { String::new() } else { format!(" and {moves} is high") };
    let parity_bits = super::select::xor_of(q, w);
    vec![
        expose("value", q),
        part(("terminal", &["tc", "last", "done", "wrap"], 1), &[&format!("is high when {q} is {end}{also}")], format!("{active}({q} == {})", lit(w, end)), format!("{}~|({q} ^ {})", active.replace("&&", "&"), lit(w, end))),
        part(("zero", &["zero", "is_zero", "at_zero"], 1), &[&format!("is high when {q} is 0")], format!("{q} == {zero}"), format!("~|{q}")),
        part(("top", &["at_top", "max", "full"], 1), &[&format!("is high when {q} is {last}")], format!("{q} == {highest}"), format!("~|({q} ^ {highest})")),
        part((format!("at {w} {k}"), &["hit", "at_k", "match"], 1), &[&format!("is high when {q} is {k}")], format!("{q} == {at}"), format!("~|({q} ^ {at})")),
        part((format!("below {w} {k}"), &["early", "below", "pwm"], 1), &[&format!("is high when {q} is less than {k}")], format!("{q} < {at}"), format!("({{1'b0, {q}}} - {{1'b0, {at}}}) >> {w}")),
        part(("half", &["half", "late", "upper"], 1), &[&format!("is high when {q} is at least {}", last.div_ceil(2))], format!("{q} >= {middle}"), format!("(({{1'b0, {q}}} - {{1'b0, {middle}}}) >> {w}) == 0")),
        part(("odd", &["odd", "lsb", "tick"], 1), &[&format!("is high when {q} is odd")], format!("{q}[0]"), format!("{q} % 2 == 1")),
        part(("parity", &["par", "parity"], 1), &[&format!("is the XOR of all bits of {q}")], format!("^{q}"), parity_bits),
        part(("remaining", &["left", "remain", "togo"], w), &[&format!("is {last} - {q}")], format!("{highest} - {q}"), format!("{highest} + ~{q} + 1'b1")),
        part(("gray", &["gray", "g_code"], w), &[&format!("is {q} in Gray code")], format!("{q} ^ ({q} >> 1)"), format!("{q} ^ {{1'b0, {q}[{}:1]}}", w - 1)),
        part((format!("was {w} {k}"), &["pulse", "was_k", "event_q"], 1), &[&format!("is a register that is high in the cycle after {q} was {k}")], Value::register("1'b0", &[("", &format!("{q} == {at}"))]), Value::register("1'b0", &[(&format!("{q} != {at}"), "1'b0"), ("", "1'b1")])),
        part(("toggle", &["tog", "div", "phase"], 1), &[&format!("is a register that toggles when {q} is {end}{also}")], Value::register("1'b0", &[(&format!("{active}({q} == {})", lit(w, end)), "~@")]), Value::register("1'b0", &[("", &format!("@ ^ ({active}({q} == {}))", lit(w, end)))])),
    ]
}
