//! Encoders and other questions about the bits of a word: which is the first, how many are there, in which code.

use super::chance::Chance;
use super::draft::{Draft, Value, bits_for, lit};
use super::select::xor_of;
use super::sketch::{Part, Sketch, part};

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("encode", &["encoder", "prio_enc", "bit_scan", "bits", "req_enc"], chance);
    let n = sketch.number(&[3, 4, 4, 5, 6, 8, 8]);
    let v = sketch.input(&["v", "d", "req", "in", "x", "data"], n);
    let mut pool = places(&v, n);
    pool.extend(counts(&v, n));
    pool.extend(shares(&v, n));
    pool.extend(codes(&v, n));
    sketch.outputs(pool)
}

fn places(v: &str, n: u32) -> Vec<Part> {
    let w = bits_for(n - 1);
    let chain = |bits: Vec<u32>| {
        let steps = bits.iter().map(|bit| (format!("{v}[{bit}]"), lit(w, *bit))).collect();
        Value::When(steps, lit(w, 0))
    };
    // A bit is at least at place i if some bit from i on is high.
    let highest =
        (1..n).map(|low| format!("(|{v}[{}:{low}])", n - 1)).collect::<Vec<_>>().join(" + ");
    let lowest = (1..n)
        .map(|high| format!("((|{v}) & ~|{v}[{}:0])", high - 1))
        .collect::<Vec<_>>()
        .join(" + ");
    let above = |bit: u32| {
        if bit + 1 < n {
            format!("{v}[{bit}] & ~|{v}[{}:{}]", n - 1, bit + 1)
        } else {
            format!("{v}[{bit}]")
        }
    };
    let alone = (0..n).rev().map(above).collect::<Vec<_>>().join(", ");
    vec![
        part(
            ("highest", &["idx", "pos", "code", "high_idx"], w),
            &[
                &format!("is the index of the highest bit of {v} that is 1, or 0 when {v} is 0"),
                &format!("encodes the position of the highest 1 in {v}, 0 if there is none"),
            ],
            chain((0..n).rev().collect()),
            highest,
        ),
        part(
            ("lowest", &["first", "low_idx", "lo"], w),
            &[
                &format!("is the index of the lowest bit of {v} that is 1, or 0 when {v} is 0"),
                &format!("encodes the position of the lowest 1 in {v}, 0 if there is none"),
            ],
            chain((0..n).collect()),
            lowest,
        ),
        part(
            ("lowest alone", &["first_bit", "low_bit", "pick"], n),
            &[
                &format!("has only the lowest 1 of {v}"),
                &format!("keeps the lowest 1 of {v} and clears the other bits"),
            ],
            format!("{v} & (~{v} + 1'b1)"),
            format!("{v} & ~({v} - 1'b1)"),
        ),
        part(
            ("highest alone", &["top_one", "lead"], n),
            &[&format!("keeps the highest 1 of {v} and clears the other bits")],
            Value::Block(format!(
                "@ = {};\nfor (i = 0; i < {n}; i = i + 1)\n  if ({v}[i]) @ = {} << i;",
                lit(n, 0),
                lit(n, 1)
            )),
            format!("{{{alone}}}"),
        ),
        part(
            ("without lowest", &["rest", "others"], n),
            &[&format!("is {v} without its lowest 1")],
            format!("{v} & ({v} - 1'b1)"),
            format!("{v} ^ ({v} & (~{v} + 1'b1))"),
        ),
    ]
}

fn counts(v: &str, n: u32) -> Vec<Part> {
    let c = bits_for(n);
    let sum = |bit: &dyn Fn(u32) -> String| (0..n).map(bit).collect::<Vec<_>>().join(" + ");
    let ones = sum(&|bit| format!("{v}[{bit}]"));
    let padded = padded_sum(v, n);
    let count = Value::Block(format!(
        "@ = {};\nfor (i = 0; i < {n}; i = i + 1)\n  @ = @ + {v}[i];",
        lit(c, 0)
    ));
    let gaps = Value::Block(format!(
        "@ = {};\nfor (i = 0; i < {n}; i = i + 1)\n  if (!{v}[i]) @ = @ + 1'b1;",
        lit(c, 0)
    ));
    vec![
        part(
            ("valid", &["valid", "any", "some"], 1),
            &[&format!("is high when any bit of {v} is 1"), &format!("is high when {v} is not 0")],
            format!("|{v}"),
            format!("{v} != {}", lit(n, 0)),
        ),
        part(
            ("none", &["none", "idle", "empty"], 1),
            &[&format!("is high when no bit of {v} is 1")],
            format!("{v} == {}", lit(n, 0)),
            format!("~|{v}"),
        ),
        part(
            ("all", &["all", "full"], 1),
            &[&format!("is high when all bits of {v} are 1")],
            format!("&{v}"),
            format!("~{v} == {}", lit(n, 0)),
        ),
        part(
            ("ones", &["ones", "count", "cnt"], c),
            &[
                &format!("is the number of ones in {v}"),
                &format!("counts the bits of {v} that are 1"),
            ],
            count,
            ones,
        ),
        part(
            ("gaps", &["zeros", "gaps"], c),
            &[&format!("is the number of zeros in {v}")],
            gaps,
            format!("{} - ({padded})", lit(c, n)),
        ),
        part(
            ("parity", &["par", "parity", "odd"], 1),
            &[
                &format!("is high when {v} has an odd number of ones"),
                &format!("is the XOR of all bits of {v}"),
            ],
            format!("^{v}"),
            xor_of(v, n),
        ),
        part(
            ("even", &["even", "par_n"], 1),
            &[&format!("is high when {v} has an even number of ones")],
            format!("~^{v}"),
            format!("~({})", xor_of(v, n)),
        ),
    ]
}

fn shares(v: &str, n: u32) -> Vec<Part> {
    let c = bits_for(n);
    let padded = padded_sum(v, n);
    vec![
        part(
            ("one", &["onehot", "one", "single"], 1),
            &[&format!("is high when exactly one bit of {v} is 1")],
            format!("(|{v}) && (({v} & ({v} - 1'b1)) == 0)"),
            format!("({padded}) == {}", lit(c + 1, 1)),
        ),
        part(
            ("several", &["multi", "many", "clash"], 1),
            &[&format!("is high when more than one bit of {v} is 1")],
            format!("({v} & ({v} - 1'b1)) != 0"),
            format!("({padded}) > {}", lit(c + 1, 1)),
        ),
        part(
            ("most", &["major", "most"], 1),
            &[&format!("is high when more than half of the bits of {v} are 1")],
            format!("({padded}) > {}", lit(c + 1, n / 2)),
            Value::Block(format!(
                "begin : votes\n  reg [{c}:0] sum;\n  sum = 0;\n  for (i = 0; i < \
                 {n}; i = i + 1) sum = sum + {v}[i];\n  @ = sum * 2 > {n};\nend"
            )),
        ),
    ]
}

/// The number of ones, with a bit more than it needs.
fn padded_sum(v: &str, n: u32) -> String {
    let c = bits_for(n);
    (0..n).map(|bit| format!("{{{c}'d0, {v}[{bit}]}}")).collect::<Vec<_>>().join(" + ")
}

fn codes(v: &str, n: u32) -> Vec<Part> {
    let list = |bit: &dyn Fn(u32) -> String| (0..n).rev().map(bit).collect::<Vec<_>>().join(", ");
    let pairs = list(&|bit| {
        if bit + 1 == n { format!("{v}[{bit}]") } else { format!("{v}[{}] ^ {v}[{bit}]", bit + 1) }
    });
    let prefix = list(&|bit| format!("^{v}[{}:{bit}]", n - 1));
    vec![
        part(
            ("reversed", &["rev", "flip", "mirror"], n),
            &[&format!("is {v} with its bits in reverse order")],
            format!(
                "{{{}}}",
                (0..n).map(|bit| format!("{v}[{bit}]")).collect::<Vec<_>>().join(", ")
            ),
            Value::Block(format!("for (i = 0; i < {n}; i = i + 1)\n  @[i] = {v}[{} - i];", n - 1)),
        ),
        part(
            ("gray", &["gray", "g"], n),
            &[&format!("is the Gray code of {v}"), &format!("is {v} in Gray code")],
            format!("{v} ^ ({v} >> 1)"),
            format!("{{{pairs}}}"),
        ),
        part(
            ("binary", &["bin", "b"], n),
            &[&format!("is the binary number whose Gray code is {v}")],
            Value::Block(format!(
                "@[{0}] = {v}[{0}];\nfor (i = {1}; i >= 0; i = i - 1)\n  @[i] = @[i + \
                 1] ^ {v}[i];",
                n - 1,
                n - 2
            )),
            format!("{{{prefix}}}"),
        ),
    ]
}
