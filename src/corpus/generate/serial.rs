//! Shift registers: serialisers, deserialisers and registers with feedback.

use super::chance::Chance;
use super::draft::{Draft, Value, bits_for, lit};
use super::select::xor_of;
use super::sketch::{Part, Sketch, expose, part};

/// A shift register: its name and bits, when it moves, and which bit leaves and comes.
struct Moving {
    q: String,
    w: u32,
    en: String,
    leaves: u32,
    comes: u32,
}

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("serial", &["shift_reg", "serdes", "piso", "sipo", "shifter_q"], chance);
    sketch.clock();
    let moving = core(&mut sketch);
    let mut pool = readings(&moving);
    pool.extend(counts(&moving));
    sketch.outputs(pool)
}

fn core(sketch: &mut Sketch) -> Moving {
    let left = sketch.variant(&["left", "right"]) == "left";
    let kind = sketch.variant(&["in", "load", "ring", "feedback"]);
    let w = sketch.number(&[3, 4, 4, 5, 6, 8]);
    let q = sketch.name(&["q", "sr", "shreg", "data_q", "bits_q"]);
    let en = sketch.input(&["en", "shift", "enable", "ce"], 1);
    let top = w - 1;
    let (first, second_end) = if left { (top, 0) } else { (0, top) };
    let (incoming, said) = match kind {
        "ring" => {
            (format!("{q}[{first}]"), "the bit that leaves comes in at the other end".to_owned())
        }
        "feedback" => {
            (format!("{q}[{first}] ^ {q}[1]"), format!("{q}[{first}] XOR {q}[1] comes in"))
        }
        _ => {
            let bit = sketch.input(&["sin", "si", "din", "ser_in"], 1);
            (bit.clone(), format!("{bit} comes in"))
        }
    };
    let towards =
        if left { "left, towards the highest bit" } else { "right, towards the lowest bit" };
    let moved = if left {
        format!("{{{q}[{}:0], {incoming}}}", top - 1)
    } else {
        format!("{{{incoming}, {q}[{top}:1]}}")
    };
    let moved_too = if left {
        format!("({q} << 1) | ({incoming})")
    } else {
        format!("({q} >> 1) | (({incoming}) << {top})")
    };
    let (mut steps, mut rule) = (Vec::new(), String::new());
    let start = if kind == "ring" || kind == "feedback" { lit(w, 1) } else { lit(w, 0) };
    if kind != "in" {
        let load = sketch.input(&["load", "ld", "start"], 1);
        let d = sketch.input(&["d", "data", "pin"], w);
        rule = format!("; {load} has priority and loads {d}");
        steps.push((load, d));
    }
    let steps_of = |moved: String| [steps.clone(), vec![(en.clone(), moved)]].concat();
    sketch.inner(
        &q,
        w,
        Value::Register(Some(start.clone()), steps_of(moved)),
        Value::Register(Some(start), steps_of(moved_too)),
    );
    sketch.tell_inner(&[
        &format!(
            "When {en} is high, the {w}-bit register {q} shifts {towards}, and \
             {said}{rule}"
        ),
        &format!(
            "The {w}-bit shift register {q} moves one place {towards}, when {en} \
             is high, and {said}{rule}"
        ),
    ]);
    Moving { q, w, en, leaves: first, comes: second_end }
}

fn readings(moving: &Moving) -> Vec<Part> {
    let Moving { q, w, leaves, comes, .. } = moving;
    let (w, top) = (*w, w - 1);
    vec![
        expose("word", q),
        part(
            ("out", &["sout", "so", "ser_out", "dout"], 1),
            &[
                &format!("is {q}[{leaves}]"),
                &format!("is the bit of {q} that leaves next, bit {leaves}"),
            ],
            format!("{q}[{leaves}]"),
            format!("{q} >> {leaves}"),
        ),
        part(
            ("newest", &["newest", "in_q", "tail"], 1),
            &[&format!("is {q}[{comes}]")],
            format!("{q}[{comes}]"),
            format!("{q} >> {comes}"),
        ),
        part(
            ("parity", &["par", "parity"], 1),
            &[&format!("is the XOR of all bits of {q}")],
            format!("^{q}"),
            xor_of(q, w),
        ),
        part(
            ("ones", &["full", "all_ones"], 1),
            &[&format!("is high when all bits of {q} are 1")],
            format!("&{q}"),
            format!("~{q} == {}", lit(w, 0)),
        ),
        part(
            ("zero", &["empty", "zero", "none"], 1),
            &[&format!("is high when {q} is 0")],
            format!("{q} == {}", lit(w, 0)),
            format!("~|{q}"),
        ),
        part(
            ("ends", &["ends", "ends_eq"], 1),
            &[&format!("is high when the highest and the lowest bit of {q} are equal")],
            format!("{q}[{top}] == {q}[0]"),
            format!("~({q}[{top}] ^ {q}[0])"),
        ),
        part(
            ("complement", &["qn", "q_n", "inv"], w),
            &[&format!("is the complement of {q}")],
            format!("~{q}"),
            format!("{q} ^ {{{w}{{1'b1}}}}"),
        ),
    ]
}

fn counts(moving: &Moving) -> Vec<Part> {
    let Moving { q, w, en, leaves, .. } = moving;
    let top = w - 1;
    let c = bits_for(top);
    let end = lit(c, top);
    vec![
        part(
            ("places", &["places", "shifts", "step"], c),
            &[&format!(
                "is a {c}-bit register that counts the cycles with {en} high from 0 \
                 to {top} and then starts again"
            )],
            Value::register(
                lit(c, 0),
                &[(&format!("{en} && (@ == {end})"), &lit(c, 0)), (en, "@ + 1'b1")],
            ),
            Value::register(
                lit(c, 0),
                &[("", &format!("{en} ? ((@ + 1'b1) & {{{c}{{@ != {end}}}}}) : @"))],
            ),
        ),
        part(
            ("sent", &["sent", "out_q", "gone"], 1),
            &[&format!("is a register that takes {q}[{leaves}] when {en} is high")],
            Value::register("1'b0", &[(en, &format!("{q}[{leaves}]"))]),
            Value::register("1'b0", &[("", &format!("({en} & {q}[{leaves}]) | (~{en} & @)"))]),
        ),
    ]
}
