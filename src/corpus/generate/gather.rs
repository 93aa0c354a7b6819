//! Accumulators: what is remembered of a stream of words.

use super::chance::Chance;
use super::draft::{Draft, Value, lit};
use super::sketch::{Part, Sketch, part};

/// The words that come in, when, and what clears all that is remembered.
struct Stream {
    w: u32,
    d: String,
    en: String,
    clear: Option<String>,
}

impl Stream {
    /// A register that `clear` returns to its reset value.
    fn keep(&self, reset: &str, steps: &[(&str, &str)]) -> Value {
        let cleared: Vec<(&str, &str)> =
            self.clear.iter().map(|clear| (clear.as_str(), reset)).collect();
        Value::register(reset, &[&cleared, steps].concat())
    }

    /// The condition, while a word comes in.
    fn both(&self, condition: &str) -> String {
        format!("{} && ({condition})", self.en)
    }
}

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("gather", &["accum", "stats", "stream_mon", "collect", "tracker"], chance);
    sketch.clock();
    let clears = sketch.variant(&["reset only", "clear"]) == "clear";
    let w = sketch.number(&[2, 3, 4, 5, 6, 8]);
    let d = sketch.input(&["d", "data", "x", "sample", "din"], w);
    let en = sketch.input(&["valid", "en", "vld", "take"], 1);
    let clear =
        if clears { sketch.input(&["clear", "restart", "flush"], 1) } else { String::new() };
    let also = if clears {
        format!("; {clear} returns every register to its reset value, with priority")
    } else {
        String::new()
    };
    sketch.tell(&[
        &format!("A word {d} comes in each cycle in which {en} is high{also}"),
        &format!("{d} counts only when {en} is high{also}"),
    ]);
    let stream = Stream { w, d, en, clear: clears.then_some(clear) };
    let mut pool = of_words(&stream);
    pool.extend(of_bits(&stream));
    pool.extend(counts(&stream));
    sketch.outputs(pool)
}

/// Sums and extremes.
fn of_words(stream: &Stream) -> Vec<Part> {
    let Stream { w, d, en, .. } = stream;
    let (w, s) = (*w, w + 2);
    let ones = format!("{{{w}{{1'b1}}}}");
    let highest = lit(w, (1 << w) - 1);
    let (zero, wide) = (lit(w, 0), lit(s, 0));
    let grown = format!("{{1'b0, @}} + {{1'b0, {d}}}");
    let over = format!("(({grown}) >> {w}) != 0");
    let masked = format!("({d} & {{{w}{{{en}}}}})");
    vec![
        part(
            ("sum", &["sum", "acc", "total"], s),
            &[&format!("is a {s}-bit register with the sum of the words")],
            stream.keep(&wide, &[(en, &format!("@ + {d}"))]),
            stream.keep(&wide, &[("", &format!("@ + {masked}"))]),
        ),
        part(
            ("saturated", &["sat", "sat_sum", "level"], w),
            &[&format!(
                "is a {w}-bit register with the sum of the words, which stays at {} \
                 instead of overflowing",
                (1 << w) - 1
            )],
            stream.keep(&zero, &[(&stream.both(&over), &highest), (en, &format!("@ + {d}"))]),
            stream.keep(&zero, &[(en, &format!("(@ > ~{d}) ? {ones} : @ + {d}"))]),
        ),
        part(
            ("max", &["max", "peak", "highest"], w),
            &["is a register with the largest word, 0 at first"],
            stream.keep(&zero, &[(&stream.both(&format!("{d} > @")), d)]),
            stream.keep(&zero, &[("", &format!("({masked} > @) ? {masked} : @"))]),
        ),
        part(
            ("min", &["min", "lowest", "dip"], w),
            &[&format!("is a register with the smallest word, {} at first", (1 << w) - 1)],
            stream.keep(&highest, &[(&stream.both(&format!("{d} < @")), d)]),
            stream.keep(&highest, &[("", &format!("(({d} | {{{w}{{~{en}}}}}) < @) ? {d} : @"))]),
        ),
    ]
}

fn of_bits(stream: &Stream) -> Vec<Part> {
    let Stream { w, d, en, .. } = stream;
    let (w, zero) = (*w, lit(*w, 0));
    let masked = format!("({d} & {{{w}{{{en}}}}})");
    vec![
        part(
            ("last", &["last", "held", "q"], w),
            &["is a register with the last word"],
            stream.keep(&zero, &[(en, d)]),
            stream.keep(&zero, &[("", &format!("{masked} | (@ & {{{w}{{~{en}}}}})"))]),
        ),
        part(
            ("count", &["count", "n", "samples"], 4),
            &["is a 4-bit register that counts the words"],
            stream.keep("4'd0", &[(en, "@ + 1'b1")]),
            stream.keep("4'd0", &[("", &format!("@ + {en}"))]),
        ),
        part(
            ("xor", &["check", "xor_q", "sig"], w),
            &["is a register with the XOR of the words"],
            stream.keep(&zero, &[(en, &format!("@ ^ {d}"))]),
            stream.keep(&zero, &[("", &format!("@ ^ {masked}"))]),
        ),
        part(
            ("or", &["mask", "union_q", "any_bits"], w),
            &["is a register with the OR of the words"],
            stream.keep(&zero, &[(en, &format!("@ | {d}"))]),
            stream.keep(&zero, &[("", &format!("@ | {masked}"))]),
        ),
    ]
}

fn counts(stream: &Stream) -> Vec<Part> {
    let Stream { w, d, en, .. } = stream;
    let zero = lit(*w, 0);
    vec![
        part(
            ("odd", &["odd_n", "odds"], 3),
            &["is a 3-bit register that counts the odd words"],
            stream.keep("3'd0", &[(&stream.both(&format!("{d}[0]")), "@ + 1'b1")]),
            stream.keep("3'd0", &[("", &format!("@ + ({en} & {d}[0])"))]),
        ),
        part(
            ("zeros", &["zero_n", "zeros"], 3),
            &["is a 3-bit register that counts the words that are 0"],
            stream.keep("3'd0", &[(&stream.both(&format!("{d} == {zero}")), "@ + 1'b1")]),
            stream.keep("3'd0", &[("", &format!("@ + ({en} & ~|{d})"))]),
        ),
        part(
            ("started", &["started", "any", "seen"], 1),
            &["is a register that is high once a word has come"],
            stream.keep("1'b0", &[(en, "1'b1")]),
            stream.keep("1'b0", &[("", &format!("@ | {en}"))]),
        ),
        part(
            ("flip", &["parity", "flip", "half_rate"], 1),
            &["is a register that toggles with each word"],
            stream.keep("1'b0", &[(en, "~@")]),
            stream.keep("1'b0", &[("", &format!("@ ^ {en}"))]),
        ),
        part(
            ("now zero", &["is_zero", "nul"], 1),
            &[&format!("is high, combinationally, when {en} is high and {d} is 0")],
            stream.both(&format!("{d} == {zero}")),
            format!("{en} & ~|{d}"),
        ),
    ]
}
