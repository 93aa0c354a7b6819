//! Shift registers: serialisers, deserialisers and registers with feedback.

use super::chance::Chance;
use super::draft::{Draft, Sketch, Value, bits_for, expose, lit, part};
use super::select::xor_of;

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("serial", &["shift_reg", "serdes", "piso", "sipo", "shifter_q"], chance);
    sketch.clock();
    let left = sketch.variant(&["left", "right"]) == "left";
    let kind = sketch.variant(&["in", "load", "ring", "feedback"]);
    let w = sketch.number(&[3, 4, 4, 5, 6, 8]);
    let q = sketch.name(&["q", "sr", "shreg", "data_q", "bits_q"]);
    let en = sketch.input(&["en", "shift", "enable", "ce"], 1);
    let top = w - 1;
    let (first, second_end) = if left { (top, 0) } else { (0, top) };
    let (incoming, said) = match kind {
        "ring" => (format!("{q}[{first}]"), "the bit that leaves comes in at the other end".to_owned()),
        "feedback" => (format!("{q}[{first}] ^ {q}[1]"), format!("{q}[{first}] XOR {q}[1] comes in")),
        _ => {
            let bit = sketch.input(&["sin", "si", "din", "ser_in"], 1);
            (bit.clone(), format!("{bit} comes in"))
        }
    };
    let towards = if left { "left, towards the highest bit" } else { "right, towards the lowest bit" };
    let moved = if left { format!("{{{q}[{}:0], {incoming}}}", top - 1) } else { format!("{{{incoming}, {q}[{top}:1]}}") };
    let moved_too = if left { format!("({q} << 1) | ({incoming})") } else { format!("({q} >> 1) | (({incoming}) << {top})") };
    let (mut steps, mut rule) = (Vec::new(), String::new());
    let start = if kind == "ring" || kind == "feedback" { lit(w, 1) } else { lit(w, 0) };
    if kind != "in" {
        let load = sketch.input(&["load", "ld", "start"], 1);
        let d = sketch.input(&["d", "data", "pin"], w);
        rule = format!("; {load} has priority and loads {d}");
        steps.push((load, d));
    }
    let steps_of = |moved: String| [steps.clone(), vec![(en.clone(), moved)]].concat();
    sketch.inner(&q, w, Value::Register(Some(start.clone()), steps_of(moved)), Value::Register(Some(start), steps_of(moved_too)));
    sketch.tell_inner(&[&format!("When {en} is high, the {w}-bit register {q} shifts {towards}, and {said}{rule}"), &format!("The {w}-bit shift register {q} moves one place {towards}, when {en} is high, and {said}{rule}")]);
    let c = bits_for(top);
    let end = lit(c, top);
    let pool = vec![
        expose("word", &q),
        part(("out", &["sout", "so", "ser_out", "dout"], 1), &[&format!("is {q}[{first}]"), &format!("is the bit of {q} that leaves next, bit {first}")], format!("{q}[{first}]"), format!("{q} >> {first}")),
        part(("newest", &["newest", "in_q", "tail"], 1), &[&format!("is {q}[{second_end}]")], format!("{q}[{second_end}]"), format!("{q} >> {second_end}")),
        part(("parity", &["par", "parity"], 1), &[&format!("is the XOR of all bits of {q}")], format!("^{q}"), xor_of(&q, w)),
        part(("ones", &["full", "all_ones"], 1), &[&format!("is high when all bits of {q} are 1")], format!("&{q}"), format!("~{q} == {}", lit(w, 0))),
        part(("zero", &["empty", "zero", "none"], 1), &[&format!("is high when {q} is 0")], format!("{q} == {}", lit(w, 0)), format!("~|{q}")),
        part(("ends", &["ends", "ends_eq"], 1), &[&format!("is high when the highest and the lowest bit of {q} are equal")], format!("{q}[{top}] == {q}[0]"), format!("~({q}[{top}] ^ {q}[0])")),
        part(("complement", &["qn", "q_n", "inv"], w), &[&format!("is the complement of {q}")], format!("~{q}"), format!("{q} ^ {{{w}{{1'b1}}}}")),
        part(("places", &["places", "shifts", "step"], c), &[&format!("is a {c}-bit register that counts the cycles with {en} high from 0 to {top} and then starts again")], Value::register(lit(c, 0), &[(&format!("{en} && (@ == {end})"), &lit(c, 0)), (&en, "@ + 1'b1")]), Value::register(lit(c, 0), &[("", &format!("{en} ? ((@ + 1'b1) & {{{c}{{@ != {end}}}}}) : @"))])),
        part(("sent", &["sent", "out_q", "gone"], 1), &[&format!("is a register that takes {q}[{first}] when {en} is high")], Value::register("1'b0", &[(&en, &format!("{q}[{first}]"))]), Value::register("1'b0", &[("", &format!("({en} & {q}[{first}]) | (~{en} & @)"))])),
    ];
    sketch.outputs(pool)
}
