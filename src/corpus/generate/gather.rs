//! Accumulators: what is remembered of a stream of words.

use super::chance::Chance;
use super::draft::{Draft, Sketch, Value, lit, part};

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("gather", &["accum", "stats", "stream_mon", "collect", "tracker"], chance);
    sketch.clock();
    let clears = sketch.variant(&["reset only", "clear"]) == "clear";
    let w = sketch.number(&[2, 3, 4, 5, 6, 8]);
    let d = sketch.input(&["d", "data", "x", "sample", "din"], w);
    let en = sketch.input(&["valid", "en", "vld", "take"], 1);
    let clear = if clears { sketch.input(&["clear", "restart", "flush"], 1) } else { String::new() };
    let also = if clears { format!("; {clear} returns every register to its reset value, with priority") } else { String::new() };
    sketch.tell(&[&format!("A word {d} comes in each cycle in which {en} is high{also}"), &format!("{d} counts only when {en} is high{also}")]);
    let s = w + 2;
    let ones = format!("{{{w}{{1'b1}}}}");
    let highest = lit(w, (1 << w) - 1);
    let keep = |reset: &str, steps: &[(&str, &str)]| {
        let cleared: &[(&str, &str)] = &[(clear.as_str(), reset)];
        Value::register(reset, &[if clears { cleared } else { &[] }, steps].concat())
    };
    let (zero, wide) = (lit(w, 0), lit(s, 0));
    let both = |condition: &str| format!("{en} && ({condition})");
    let grown = format!("{{1'b0, @}} + {{1'b0, {d}}}");
    let over = format!("(({grown}) >> {w}) != 0");
    let masked = format!("({d} & {{{w}{{{en}}}}})");
    let pool = vec![
        part(("sum", &["sum", "acc", "total"], s), &[&format!("is a {s}-bit register with the sum of the words")], keep(&wide, &[(&en, &format!("@ + {d}"))]), keep(&wide, &[("", &format!("@ + {masked}"))])),
        part(("saturated", &["sat", "sat_sum", "level"], w), &[&format!("is a {w}-bit register with the sum of the words, which stays at {} instead of overflowing", (1 << w) - 1)], keep(&zero, &[(&both(&over), &highest), (&en, &format!("@ + {d}"))]), keep(&zero, &[(&en, &format!("(@ > ~{d}) ? {ones} : @ + {d}"))])),
        part(("max", &["max", "peak", "highest"], w), &["is a register with the largest word, 0 at first"], keep(&zero, &[(&both(&format!("{d} > @")), &d)]), keep(&zero, &[("", &format!("({masked} > @) ? {masked} : @"))])),
        part(("min", &["min", "lowest", "dip"], w), &[&format!("is a register with the smallest word, {} at first", (1 << w) - 1)], keep(&highest, &[(&both(&format!("{d} < @")), &d)]), keep(&highest, &[("", &format!("(({d} | {{{w}{{~{en}}}}}) < @) ? {d} : @"))])),
        part(("last", &["last", "held", "q"], w), &["is a register with the last word"], keep(&zero, &[(&en, &d)]), keep(&zero, &[("", &format!("{masked} | (@ & {{{w}{{~{en}}}}})"))])),
        part(("count", &["count", "n", "samples"], 4), &["is a 4-bit register that counts the words"], keep("4'd0", &[(&en, "@ + 1'b1")]), keep("4'd0", &[("", &format!("@ + {en}"))])),
        part(("xor", &["check", "xor_q", "sig"], w), &["is a register with the XOR of the words"], keep(&zero, &[(&en, &format!("@ ^ {d}"))]), keep(&zero, &[("", &format!("@ ^ {masked}"))])),
        part(("or", &["mask", "union_q", "any_bits"], w), &["is a register with the OR of the words"], keep(&zero, &[(&en, &format!("@ | {d}"))]), keep(&zero, &[("", &format!("@ | {masked}"))])),
        part(("odd", &["odd_n", "odds"], 3), &["is a 3-bit register that counts the odd words"], keep("3'd0", &[(&both(&format!("{d}[0]")), "@ + 1'b1")]), keep("3'd0", &[("", &format!("@ + ({en} & {d}[0])"))])),
        part(("zeros", &["zero_n", "zeros"], 3), &["is a 3-bit register that counts the words that are 0"], keep("3'd0", &[(&both(&format!("{d} == {zero}")), "@ + 1'b1")]), keep("3'd0", &[("", &format!("@ + ({en} & ~|{d})"))])),
        part(("started", &["started", "any", "seen"], 1), &["is a register that is high once a word has come"], keep("1'b0", &[(&en, "1'b1")]), keep("1'b0", &[("", &format!("@ | {en}"))])),
        part(("flip", &["parity", "flip", "half_rate"], 1), &["is a register that toggles with each word"], keep("1'b0", &[(&en, "~@")]), keep("1'b0", &[("", &format!("@ ^ {en}"))])),
        part(("now zero", &["is_zero", "nul"], 1), &[&format!("is high, combinationally, when {en} is high and {d} is 0")], both(&format!("{d} == {zero}")), format!("{en} & ~|{d}")),
    ];
    sketch.outputs(pool)
}
