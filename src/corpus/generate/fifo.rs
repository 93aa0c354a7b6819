//! Small FIFOs. The golden module counts words and has pointers into a memory; the second version shifts its words.

use super::chance::Chance;
use super::draft::{Draft, Value, bits_for, lit};
use super::sketch::{Part, Sketch, part};

/// The names of a FIFO, its words and their bits.
struct Fifo {
    depth: u32,
    w: u32,
    push: String,
    pop: String,
    d: String,
    /// How many words there are.
    used: String,
    /// Whether a word is taken, and dropped.
    fits: String,
    has: String,
    /// Where the words are and which is the oldest; all words, the oldest lowest, in the second version.
    mem: String,
    tail: String,
    words: String,
}

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("fifo", &["fifo", "queue", "buffer", "fifo_small", "fifo4"], chance);
    sketch.clock();
    let fifo = core(&mut sketch);
    let mut pool = levels(&fifo);
    pool.extend(events(&fifo));
    sketch.outputs(pool)
}

fn core(sketch: &mut Sketch) -> Fifo {
    let depth = sketch.number(&[2, 4]);
    let w = sketch.number(&[1, 2, 3, 4, 8]);
    let (p, c) = (bits_for(depth - 1), bits_for(depth));
    let push = sketch.input(&["push", "wr", "wr_en"], 1);
    let pop = sketch.input(&["pop", "rd", "rd_en"], 1);
    let d = sketch.input(&["din", "d", "wdata"], w);
    let used = sketch.name(&["used", "fill", "words"]);
    let (mem, head, tail) =
        (sketch.name(&["mem", "ram"]), sketch.name(&["wp", "wptr"]), sketch.name(&["rp", "rptr"]));
    let (fits, has) = (sketch.name(&["do_push", "wr_ok"]), sketch.name(&["do_pop", "rd_ok"]));
    let (full, none) = (lit(c, depth), lit(c, 0));
    sketch.inner(
        &fits,
        1,
        format!("{push} && ({used} != {full})"),
        format!("{push} & ({used} < {full})"),
    );
    sketch.inner(&has, 1, format!("{pop} && ({used} != {none})"), format!("{pop} & (|{used})"));
    sketch.inner(
        &used,
        c,
        Value::register(&none, &[("", &format!("{used} + {fits} - {has}"))]),
        Value::register(
            &none,
            &[
                (&format!("{fits} & ~{has}"), &format!("{used} + 1'b1")),
                (&format!("~{fits} & {has}"), &format!("{used} - 1'b1")),
            ],
        ),
    );
    let zero = lit(p, 0);
    sketch.inner(&head, p, Value::register(&zero, &[(&fits, &format!("{head} + 1'b1"))]), "1'b0");
    sketch.inner(&tail, p, Value::register(&zero, &[(&has, &format!("{tail} + 1'b1"))]), "1'b0");
    sketch.inner(&mem, w, Value::Memory(depth, fits.clone(), head.clone(), d.clone()), "1'b0");
    let words = sketch.name(&["line", "slots"]);
    let fifo = Fifo { depth, w, push, pop, d, used, fits, has, mem, tail, words };
    slots(sketch, &fifo);
    let Fifo { push, pop, d, .. } = &fifo;
    sketch.tell(&[
        &format!(
            "A FIFO of {depth} words: {push} writes {d} unless it is full, {pop} \
             takes the oldest word unless it is empty, both may happen in one \
             cycle"
        ),
        &format!(
            "A queue for {depth} words. With {push} it takes {d} if it was not \
             full, with {pop} it drops its oldest word if it was not empty"
        ),
    ]);
    fifo
}

/// Adds the words of the second version.
fn slots(sketch: &mut Sketch, fifo: &Fifo) {
    let Fifo { depth, w, d, used, fits, has, words, .. } = fifo;
    let total = depth * w;
    // The oldest word is the lowest; a new one goes where the words end after a pop.
    let shifted = format!("({has} ? {words} >> {w} : {words})");
    let place = format!("(({used} - {has}) * {w})");
    let mask = format!("({{{{{}{{1'b0}}}}, {{{w}{{1'b1}}}}}} << {place})", total - w);
    let placed = format!("({{{{{}{{1'b0}}}}, {d}}} << {place})", total - w);
    sketch.inner(
        words,
        total,
        "1'b0",
        Value::Register(
            None,
            vec![
                (fits.clone(), format!("({shifted} & ~{mask}) | {placed}")),
                (has.clone(), format!("{words} >> {w}")),
            ],
        ),
    );
}

fn levels(fifo: &Fifo) -> Vec<Part> {
    let Fifo { depth, w, used, mem, tail, words, .. } = fifo;
    let (depth, w, c) = (*depth, *w, bits_for(*depth));
    let (full, none) = (lit(c, depth), lit(c, 0));
    vec![
        part(
            ("empty", &["empty", "is_empty", "none"], 1),
            &["is high when there is no word"],
            format!("{used} == {none}"),
            format!("~|{used}"),
        ),
        part(
            ("full", &["full", "is_full"], 1),
            &["is high when there is no room"],
            format!("{used} == {full}"),
            format!("{used} >= {full}"),
        ),
        part(
            ("count", &["count", "level", "used_w"], c),
            &["is the number of words"],
            used.as_str(),
            format!("{used} + {none}"),
        ),
        part(
            ("oldest", &["dout", "head_w", "rdata"], w),
            &["is the oldest word, or 0 while there is none"],
            Value::when(&[(&format!("{used} == {none}"), &lit(w, 0))], format!("{mem}[{tail}]")),
            format!("{words} & {{{w}{{|{used}}}}}"),
        ),
        part(
            ("room", &["free", "room"], c),
            &["is the number of free places"],
            format!("{full} - {used}"),
            format!("{full} + ~{used} + 1'b1"),
        ),
        part(
            ("almost full", &["almost_full", "afull"], 1),
            &[&format!("is high when there are at least {} words", depth - 1)],
            format!("{used} >= {}", lit(c, depth - 1)),
            format!("{used} > {}", lit(c, depth - 2)),
        ),
        part(
            ("almost empty", &["almost_empty", "aempty"], 1),
            &["is high when there is at most one word"],
            format!("{used} <= {}", lit(c, 1)),
            format!("{used} < {}", lit(c, 2)),
        ),
    ]
}

fn events(fifo: &Fifo) -> Vec<Part> {
    let Fifo { depth, push, pop, used, fits, has, .. } = fifo;
    let c = bits_for(*depth);
    let (full, none) = (lit(c, *depth), lit(c, 0));
    vec![
        part(
            ("overflow", &["ovf", "overflow", "lost"], 1),
            &[&format!(
                "is a register that is set when {push} comes while the FIFO is full, \
                 and stays set"
            )],
            Value::register("1'b0", &[(&format!("{push} && ({used} == {full})"), "1'b1")]),
            Value::register("1'b0", &[("", &format!("@ | ({push} & ~{fits})"))]),
        ),
        part(
            ("underflow", &["unf", "underflow", "missed"], 1),
            &[&format!(
                "is a register that is set when {pop} comes while the FIFO is empty, \
                 and stays set"
            )],
            Value::register("1'b0", &[(&format!("{pop} && ({used} == {none})"), "1'b1")]),
            Value::register("1'b0", &[("", &format!("@ | ({pop} & ~{has})"))]),
        ),
        part(
            ("ready", &["ready", "can_push"], 1),
            &["is high when there is room"],
            format!("{used} != {full}"),
            format!("{used} < {full}"),
        ),
        part(
            ("valid", &["valid", "can_pop"], 1),
            &["is high when there is a word"],
            format!("{used} != {none}"),
            format!("|{used}"),
        ),
    ]
}
