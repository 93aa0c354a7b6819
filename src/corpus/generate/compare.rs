//! Comparators of two words, signed and unsigned, and of a word with constants.

use super::chance::Chance;
use super::draft::{Draft, Value, lit};
use super::sketch::{Part, Sketch, part};

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("compare", &["comparator", "cmp", "compare", "magnitude", "cmp_unit"], chance);
    let w = sketch.number(&[2, 3, 4, 5, 6, 7, 8]);
    let pair = [["a", "b"], ["x", "y"], ["left", "right"], ["p", "q"]][sketch.chance.below(4)];
    let (a, b) = (sketch.input(&pair[..1], w), sketch.input(&pair[1..], w));
    let mut pool = unsigned(&a, &b, w);
    pool.extend(choices(&a, &b, w));
    pool.extend(signed(&a, &b, w));
    pool.extend(constants(&mut sketch, &a, w));
    sketch.outputs(pool)
}

fn unsigned(a: &str, b: &str, w: u32) -> Vec<Part> {
    let less = |one: &str, other: &str| format!("({{1'b0, {one}}} - {{1'b0, {other}}}) >> {w}");
    let not_less =
        |one: &str, other: &str| format!("(({{1'b0, {one}}} - {{1'b0, {other}}}) >> {w}) == 0");
    vec![
        part(
            ("eq", &["eq", "equal", "same"], 1),
            &[
                &format!("is high when {a} equals {b}"),
                &format!("is high when {a} and {b} are equal"),
            ],
            format!("{a} == {b}"),
            format!("~|({a} ^ {b})"),
        ),
        part(
            ("ne", &["ne", "differ", "neq"], 1),
            &[&format!("is high when {a} and {b} differ"), &format!("is high when {a} is not {b}")],
            format!("{a} != {b}"),
            format!("|({a} ^ {b})"),
        ),
        part(
            ("lt", &["lt", "less", "below"], 1),
            &[
                &format!("is high when {a} is less than {b}"),
                &format!("is high when {a} < {b}, unsigned"),
            ],
            format!("{a} < {b}"),
            less(a, b),
        ),
        part(
            ("gt", &["gt", "greater", "above"], 1),
            &[
                &format!("is high when {a} is greater than {b}"),
                &format!("is high when {a} > {b}, unsigned"),
            ],
            format!("{a} > {b}"),
            less(b, a),
        ),
        part(
            ("le", &["le", "lte", "at_most"], 1),
            &[
                &format!("is high when {a} is at most {b}"),
                &format!("is high when {a} <= {b}, unsigned"),
            ],
            format!("{a} <= {b}"),
            not_less(b, a),
        ),
        part(
            ("ge", &["ge", "gte", "at_least"], 1),
            &[
                &format!("is high when {a} is at least {b}"),
                &format!("is high when {a} >= {b}, unsigned"),
            ],
            format!("{a} >= {b}"),
            not_less(a, b),
        ),
    ]
}

fn choices(a: &str, b: &str, w: u32) -> Vec<Part> {
    vec![
        part(
            ("max", &["max", "larger", "big"], w),
            &[
                &format!("is the larger of {a} and {b}"),
                &format!("is the maximum of {a} and {b}, unsigned"),
            ],
            Value::when(&[(&format!("{a} > {b}"), a)], b),
            format!("{b} ^ (({a} ^ {b}) & {{{w}{{{b} < {a}}}}})"),
        ),
        part(
            ("min", &["min", "smaller", "lesser"], w),
            &[
                &format!("is the smaller of {a} and {b}"),
                &format!("is the minimum of {a} and {b}, unsigned"),
            ],
            Value::when(&[(&format!("{a} < {b}"), a)], b),
            format!("{a} ^ (({a} ^ {b}) & {{{w}{{{b} < {a}}}}})"),
        ),
        part(
            ("code", &["code", "rel", "order"], 2),
            &[&format!(
                "is 2 when {a} is greater than {b}, 1 when it is less, 0 when they \
                 are equal"
            )],
            Value::when(
                &[(&format!("{a} > {b}"), "2'd2"), (&format!("{a} < {b}"), "2'd1")],
                "2'd0",
            ),
            format!("{{{b} < {a}, {b} > {a}}}"),
        ),
    ]
}

fn signed(a: &str, b: &str, w: u32) -> Vec<Part> {
    let top = w - 1;
    let flip = format!("{{1'b1, {{{top}{{1'b0}}}}}}");
    vec![
        part(
            ("slt", &["slt", "s_less", "lt_s"], 1),
            &[&format!("is high when {a} is less than {b}, both signed")],
            format!("$signed({a}) < $signed({b})"),
            format!("({a} ^ {flip}) < ({b} ^ {flip})"),
        ),
        part(
            ("sgt", &["sgt", "s_greater", "gt_s"], 1),
            &[&format!("is high when {a} is greater than {b}, both signed")],
            format!("$signed({a}) > $signed({b})"),
            format!("({a} ^ {flip}) > ({b} ^ {flip})"),
        ),
        part(
            ("smax", &["smax", "max_s"], w),
            &[&format!("is the larger of {a} and {b}, both signed")],
            Value::when(&[(&format!("$signed({a}) > $signed({b})"), a)], b),
            format!("(({a} ^ {flip}) > ({b} ^ {flip})) ? {a} : {b}"),
        ),
        part(
            ("signs", &["signs", "sign_diff", "opp"], 1),
            &[&format!("is high when the most significant bits of {a} and {b} differ")],
            format!("{a}[{top}] ^ {b}[{top}]"),
            format!("({a}[{top}] + {b}[{top}]) == 1'b1"),
        ),
        part(
            ("both", &["both_zero", "zeros", "none"], 1),
            &[&format!("is high when {a} and {b} are both 0")],
            format!("({a} == {}) && ({b} == {})", lit(w, 0), lit(w, 0)),
            format!("~|{{{a}, {b}}}"),
        ),
    ]
}

fn constants(sketch: &mut Sketch, a: &str, w: u32) -> Vec<Part> {
    let most = (1 << w) - 1;
    let k = sketch.chance.between(1, most - 1);
    let low = sketch.chance.between(0, most / 2);
    let high = sketch.chance.between(low + 1, most - 1).max(low + 1);
    let n = lit(w, k);
    let (lowest, highest) = (lit(w, low), lit(w, high));
    let within = if low == 0 {
        format!("{a} <= {highest}")
    } else {
        format!("({a} >= {lowest}) && ({a} <= {highest})")
    };
    vec![
        part(
            (format!("is {w} {k}"), &["hit", "found", "is_k"], 1),
            &[&format!("is high when {a} is {k}")],
            format!("{a} == {n}"),
            format!("~|({a} ^ {n})"),
        ),
        part(
            (format!("over {w} {k}"), &["over", "high", "alarm"], 1),
            &[&format!("is high when {a} is greater than {k}")],
            format!("{a} > {n}"),
            format!("{a} >= {}", lit(w, k + 1)),
        ),
        part(
            (format!("within {w} {low} {high}"), &["in_range", "ok", "in_band"], 1),
            &[&format!("is high when {a} is from {low} to {high}")],
            within,
            format!("({a} - {lowest}) < {}", lit(w + 1, high - low + 1)),
        ),
    ]
}
