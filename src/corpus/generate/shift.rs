//! Shifters and other movements of bits within a word.

use super::chance::Chance;
use super::draft::{Draft, Value, bin, lit};
use super::sketch::{Part, Sketch, part};

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("shift", &["shifter", "barrel", "rotator", "shift_unit", "bit_move"], chance);
    let w = sketch.number(&[4, 8]);
    let bits = if w == 4 { 2 } else { 3 };
    let d = sketch.input(&["d", "in", "x", "a", "data"], w);
    let n = sketch.input(&["n", "amt", "shamt", "k"], bits);
    let fixed = sketch.chance.between(1, w - 1);
    let mut pool = by_amount(&d, &n, w);
    pool.extend(with_amount(&d, &n, w));
    pool.extend(by_constant(&d, fixed, w));
    pool.extend(movements(&d, w));
    sketch.outputs(pool)
}

fn by_amount(d: &str, n: &str, w: u32) -> Vec<Part> {
    let top = w - 1;
    let bits = if w == 4 { 2 } else { 3 };
    let extended = Value::Block(format!(
        "@ = {d};\nfor (i = 0; i < {n}; i = i + 1)\n  @ = {{{d}[{top}], \
         @[{top}:1]}};"
    ));
    let left = Value::Block(format!(
        "@ = {d};\nfor (i = 0; i < {n}; i = i + 1)\n  @ = {{@[{}:0], 1'b0}};",
        top - 1
    ));
    let right = Value::Block(format!(
        "@ = {d};\nfor (i = 0; i < {n}; i = i + 1)\n  @ = {{1'b0, @[{top}:1]}};"
    ));
    vec![
        part(
            ("left", &["left", "shl", "sll"], w),
            &[
                &format!("is {d} shifted left by {n}"),
                &format!("is {d} shifted left by {n} places, zeros coming in"),
            ],
            format!("{d} << {n}"),
            left,
        ),
        part(
            ("right", &["right", "shr", "srl"], w),
            &[&format!("is {d} shifted right by {n}, zeros coming in")],
            format!("{d} >> {n}"),
            right,
        ),
        part(
            ("arithmetic", &["sra", "asr", "right_s"], w),
            &[
                &format!("is {d} shifted right by {n}, copies of its top bit coming in"),
                &format!("is {d} shifted right arithmetically by {n}"),
            ],
            format!("$signed({d}) >>> {n}"),
            extended,
        ),
        part(
            ("rotate left", &["rol", "rot_l", "turn_l"], w),
            &[&format!("is {d} rotated left by {n}")],
            format!("({d} << {n}) | ({d} >> ({} - {n}))", lit(bits + 1, w)),
            format!("{{{d}, {d}}} >> ({} - {n})", lit(bits + 1, w)),
        ),
        part(
            ("rotate right", &["ror", "rot_r", "turn_r"], w),
            &[&format!("is {d} rotated right by {n}")],
            format!("{{{d}, {d}}} >> {n}"),
            format!("({d} >> {n}) | ({d} << ({} - {n}))", lit(bits + 1, w)),
        ),
        part(
            ("bit", &["bit_n", "tap", "chosen"], 1),
            &[&format!("is bit number {n} of {d}")],
            format!("{d}[{n}]"),
            format!("{d} >> {n}"),
        ),
    ]
}

fn with_amount(d: &str, n: &str, w: u32) -> Vec<Part> {
    let bits = if w == 4 { 2 } else { 3 };
    // A shift by the amount is a shift by each of its bits.
    let staged = (0..bits).fold(d.to_owned(), |word, bit| {
        format!("({n}[{bit}] ? ({word} >> {}) : {word})", 1 << bit)
    });
    vec![
        part(
            ("mask", &["mask", "low_mask"], w),
            &[&format!("has ones in the lowest {n} bits and zeros above")],
            format!("({} << {n}) - 1'b1", lit(w, 1)),
            format!("~({} << {n})", bin(w, (1 << w) - 1)),
        ),
        part(
            ("kept", &["kept", "low_part"], w),
            &[&format!("is {d} with only its lowest {n} bits kept, zeros above")],
            format!("{d} & (({} << {n}) - 1'b1)", lit(w, 1)),
            format!("{d} & ~({} << {n})", bin(w, (1 << w) - 1)),
        ),
        part(
            ("set", &["set_bit", "with_one"], w),
            &[&format!("is {d} with bit number {n} set to 1")],
            format!("{d} | ({} << {n})", lit(w, 1)),
            Value::Block(format!("@ = {d};\n@[{n}] = 1'b1;")),
        ),
        part(
            ("toggled", &["flip_bit", "toggled"], w),
            &[&format!("is {d} with bit number {n} inverted")],
            format!("{d} ^ ({} << {n})", lit(w, 1)),
            Value::Block(format!("@ = {d};\n@[{n}] = ~{d}[{n}];")),
        ),
        part(
            ("lost", &["lost", "dropped"], 1),
            &[&format!("is high when shifting {d} left by {n} loses a 1")],
            format!("((({d} << {n}) & {{{w}{{1'b1}}}}) >> {n}) != {d}"),
            format!("|(({{{w}'d0, {d}}} << {n}) >> {w})"),
        ),
        part(
            ("staged", &["swap_n", "xor_n"], w),
            &[&format!("is {d} XOR {d} shifted right by {n}")],
            format!("{d} ^ ({d} >> {n})"),
            format!("{d} ^ {staged}"),
        ),
    ]
}

fn by_constant(d: &str, k: u32, w: u32) -> Vec<Part> {
    let top = w - 1;
    let split = w - k;
    let field = |high: u32, low: u32| {
        if high == low { format!("{d}[{high}]") } else { format!("{d}[{high}:{low}]") }
    };
    let (upper, lower) = (field(top, split), field(split - 1, 0));
    vec![
        part(
            (format!("rotate {w} {k}"), &["rot", "rolled"], w),
            &[&format!("is {d} rotated left by {k}")],
            format!("{{{lower}, {upper}}}"),
            format!("({d} << {k}) | ({d} >> {split})"),
        ),
        part(
            (format!("left {w} {k}"), &["up", "moved", "scaled"], w),
            &[&format!("is {d} shifted left by {k}")],
            format!("{{{lower}, {k}'d0}}"),
            format!("{d} << {k}"),
        ),
        part(
            (format!("right {w} {k}"), &["down", "shifted"], w),
            &[&format!("is {d} shifted right by {k}, zeros coming in")],
            format!("{d} >> {k}"),
            format!("{{{k}'d0, {}}}", field(top, k)),
        ),
        part(
            (format!("right signed {w} {k}"), &["down_s", "asr_k"], w),
            &[&format!("is {d} shifted right by {k}, copies of its top bit coming in")],
            format!("{{{{{k}{{{d}[{top}]}}}}, {}}}", field(top, k)),
            format!("$signed({d}) >>> {k}"),
        ),
    ]
}

fn movements(d: &str, w: u32) -> Vec<Part> {
    let (top, half) = (w - 1, w / 2);
    let reversed = (0..w).map(|bit| format!("{d}[{bit}]")).collect::<Vec<_>>().join(", ");
    let even = (0..w).rev().map(|bit| format!("{d}[{}]", bit ^ 1)).collect::<Vec<_>>().join(", ");
    let evens = (0..half).fold(0, |mask, pair| mask | 1 << (2 * pair));
    vec![
        part(
            ("swap", &["swap", "swapped"], w),
            &[&format!("is {d} with its two halves swapped")],
            format!("{{{d}[{}:0], {d}[{top}:{half}]}}", half - 1),
            format!("({d} << {half}) | ({d} >> {half})"),
        ),
        part(
            ("reverse", &["rev", "mirror"], w),
            &[&format!("is {d} with its bits in reverse order")],
            format!("{{{reversed}}}"),
            Value::Block(format!("for (i = 0; i < {w}; i = i + 1)\n  @[i] = {d}[{top} - i];")),
        ),
        part(
            ("pairs", &["pairs", "crossed"], w),
            &[&format!("is {d} with each even bit swapped with the bit above it")],
            format!("{{{even}}}"),
            format!("(({d} & {}) << 1) | (({d} >> 1) & {})", bin(w, evens), bin(w, evens)),
        ),
        part(
            ("upper", &["hi", "upper"], half),
            &[&format!("is the upper half of {d}")],
            format!("{d}[{top}:{half}]"),
            format!("{d} >> {half}"),
        ),
        part(
            ("lower", &["lo", "lower"], half),
            &[&format!("is the lower half of {d}")],
            format!("{d}[{}:0]", half - 1),
            format!("{d} & {}", lit(w, (1 << half) - 1)),
        ),
        part(
            ("wide", &["sext", "wide_s"], 2 * w),
            &[&format!("is {d} sign-extended to {} bits", 2 * w)],
            format!("{{{{{w}{{{d}[{top}]}}}}, {d}}}"),
            format!("$signed({d})"),
        ),
    ]
}
