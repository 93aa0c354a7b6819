//! Adders and subtracters with their flags, and small arithmetic of two words.

use super::chance::Chance;
use super::draft::{Draft, Value, lit};
use super::sketch::{Part, Sketch, part};

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("arithmetic", &["adder", "add_sub", "arith", "calc", "alu_add"], chance);
    let w = sketch.number(&[2, 3, 4, 5, 6, 7, 8]);
    let pair = [["a", "b"], ["x", "y"], ["op1", "op2"], ["lhs", "rhs"]][sketch.chance.below(4)];
    let (a, b) = (sketch.input(&pair[..1], w), sketch.input(&pair[1..], w));
    let carry = sketch.variant(&["plain", "with carry"]) == "with carry";
    let cin = if carry { sketch.input(&["cin", "ci", "carry_in"], 1) } else { String::new() };
    let plus = if carry { format!(" + {cin}") } else { String::new() };
    let total = sketch.name(&["total", "full", "ext"]);
    sketch.inner(
        &total,
        w + 1,
        format!("{a} + {b}{plus}"),
        format!("{{1'b0, {a}}} + {{1'b0, {b}}}{plus}"),
    );
    let less = sketch.name(&["less", "delta", "rest"]);
    sketch.inner(&less, w, format!("{a} - {b}"), format!("{a} + ~{b} + 1'b1"));
    let sum = format!("{a} + {b}{plus}");
    let mut pool = sums(&a, &b, &total, (w, &sum));
    pool.extend(differences(&a, &b, &less, w));
    pool.extend(others(&a, &b, w));
    sketch.outputs(pool)
}

fn sums(a: &str, b: &str, total: &str, (w, sum): (u32, &str)) -> Vec<Part> {
    let top = w - 1;
    let low = format!("{total}[{top}:0]");
    vec![
        part(
            ("sum", &["sum", "s", "add"], w),
            &[&format!("is {sum}, without the carry"), &format!("is the low {w} bits of {sum}")],
            &low,
            sum,
        ),
        part(
            ("carry", &["cout", "co", "carry"], 1),
            &[&format!("is the carry out of {sum}"), &format!("is the carry of {sum}")],
            format!("{total}[{w}]"),
            format!("{total} >> {w}"),
        ),
        part(
            ("wide", &["wide", "sum_ext", "result"], w + 1),
            &[&format!("is {sum} with its carry, {} bits", w + 1)],
            total,
            format!("{{{total}[{w}], {low}}}"),
        ),
        part(
            ("overflow", &["ovf", "overflow", "v"], 1),
            &[&format!("is high when {sum} overflows as a signed sum")],
            format!("({a}[{top}] == {b}[{top}]) && ({total}[{top}] != {a}[{top}])"),
            format!("({a}[{top}] ^ {total}[{top}]) & ({b}[{top}] ^ {total}[{top}])"),
        ),
        part(
            ("sum zero", &["zero", "z", "sum_zero"], 1),
            &[&format!("is high when the low {w} bits of {sum} are 0")],
            format!("{low} == {}", lit(w, 0)),
            format!("~|{low}"),
        ),
        part(
            ("sum sign", &["neg", "n", "sum_neg"], 1),
            &[&format!("is bit {top} of {sum}")],
            format!("{total}[{top}]"),
            format!("{low} >= {}", lit(w, 1 << top)),
        ),
        part(
            ("saturated", &["sat", "sat_sum", "clip"], w),
            &[&format!("is {sum}, or all ones when there is a carry")],
            Value::when(&[(&format!("{total}[{w}]"), &format!("{{{w}{{1'b1}}}}"))], &low),
            format!("{low} | {{{w}{{{total}[{w}]}}}}"),
        ),
    ]
}

fn differences(a: &str, b: &str, less: &str, w: u32) -> Vec<Part> {
    let top = w - 1;
    vec![
        part(
            ("difference", &["diff", "sub", "d"], w),
            &[&format!("is {a} - {b}"), &format!("is {b} subtracted from {a}")],
            format!("{a} - {b}"),
            less,
        ),
        part(
            ("borrow", &["borrow", "bo", "bout"], 1),
            &[
                &format!("is the borrow of {a} - {b}"),
                &format!("is high when {a} - {b} needs a borrow"),
            ],
            format!("{a} < {b}"),
            format!("({{1'b0, {a}}} - {{1'b0, {b}}}) >> {w}"),
        ),
        part(
            ("sub overflow", &["sub_ovf", "sv"], 1),
            &[&format!("is high when {a} - {b} overflows as a signed difference")],
            format!("({a}[{top}] != {b}[{top}]) && ({less}[{top}] != {a}[{top}])"),
            format!("({a}[{top}] ^ {b}[{top}]) & ({a}[{top}] ^ {less}[{top}])"),
        ),
        part(
            ("floor", &["floor", "sub_sat", "lead"], w),
            &[&format!("is {a} - {b}, or 0 when {b} is greater than {a}")],
            Value::when(&[(&format!("{a} > {b}"), less)], lit(w, 0)),
            format!("{less} & ~{{{w}{{{a} < {b}}}}}"),
        ),
        part(
            ("distance", &["distance", "abs_diff", "gap"], w),
            &[&format!("is the absolute difference of {a} and {b}, unsigned")],
            Value::when(&[(&format!("{a} > {b}"), less)], format!("{b} - {a}")),
            format!("({less} ^ {{{w}{{{a} < {b}}}}}) + ({a} < {b})"),
        ),
    ]
}

fn others(a: &str, b: &str, w: u32) -> Vec<Part> {
    let top = w - 1;
    vec![
        part(
            ("increment", &["inc", "a_inc", "plus1"], w),
            &[&format!("is {a} + 1")],
            format!("{a} + 1'b1"),
            format!("{a} - {{{w}{{1'b1}}}}"),
        ),
        part(
            ("decrement", &["dec", "a_dec", "minus1"], w),
            &[&format!("is {a} - 1")],
            format!("{a} - 1'b1"),
            format!("{a} + {{{w}{{1'b1}}}}"),
        ),
        part(
            ("negated", &["minus", "a_neg", "twos"], w),
            &[&format!("is the two's complement of {a}"), &format!("is 0 - {a}")],
            format!("~{a} + 1'b1"),
            format!("{} - {a}", lit(w, 0)),
        ),
        part(
            ("double", &["twice", "dbl", "a2"], w + 1),
            &[&format!("is 2 times {a}, {} bits", w + 1)],
            format!("{{{a}, 1'b0}}"),
            format!("{{1'b0, {a}}} << 1"),
        ),
        part(
            ("half", &["half", "b_half", "hlf"], w),
            &[&format!("is {b} divided by 2, rounded down")],
            format!("{b} >> 1"),
            format!("{{1'b0, {b}[{top}:1]}}"),
        ),
        part(
            ("average", &["avg", "mean", "mid"], w),
            &[&format!("is the average of {a} and {b}, rounded down")],
            format!("({{1'b0, {a}}} + {{1'b0, {b}}}) >> 1"),
            format!("({a} & {b}) + (({a} ^ {b}) >> 1)"),
        ),
        part(
            ("triple", &["triple", "x3", "a3"], w + 2),
            &[&format!("is 3 times {a}, {} bits", w + 2)],
            format!("{a} + {{{a}, 1'b0}}"),
            format!("{{2'b00, {a}}} * {}", lit(w + 2, 3)),
        ),
        part(
            ("product", &["prod", "mul", "p"], 2 * w),
            &[&format!("is {a} times {b}, {} bits", 2 * w)],
            format!("{a} * {b}"),
            long_product(a, b, w),
        ),
    ]
}

/// The product as a sum of shifted rows.
fn long_product(a: &str, b: &str, w: u32) -> String {
    let row = |bit: u32| format!("({{{w}'d0, {a} & {{{w}{{{b}[{bit}]}}}}}} << {bit})");
    (0..w).map(row).collect::<Vec<_>>().join(" + ")
}
