//! Decoders: an address to lines, thermometer codes, and ranges of addresses.

use super::chance::Chance;
use super::draft::{Draft, Value, bin, lit};
use super::sketch::{Part, Sketch, part};

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("decode", &["decoder", "dec", "addr_dec", "chip_sel", "line_dec"], chance);
    let k = sketch.number(&[2, 2, 3, 3, 4]);
    let a = sketch.input(&["a", "addr", "sel", "code", "n"], k);
    let en = sketch.input(&["en", "enable", "valid", "cs"], 1);
    let enabled = sketch.variant(&["free", "enabled"]) == "enabled";
    let gate =
        |expression: String| if enabled { format!("{en} && ({expression})") } else { expression };
    let also = if enabled { format!(" and {en} is high") } else { String::new() };
    let mut pool = Vec::new();
    if k < 4 {
        pool = lines(&a, k, (enabled, &en));
    }
    let most = (1 << k) - 1;
    for names in [["hit", "sel0"], ["match", "sel1"], ["here", "sel2"]] {
        let at = sketch.chance.between(0, most);
        pool.push(part(
            (format!("at {at}"), &names, 1),
            &[&format!("is high when {a} is {at}{also}")],
            gate(format!("{a} == {}", lit(k, at))),
            format!(
                "{}(&({a} ^ {}))",
                if enabled { format!("{en} & ") } else { String::new() },
                bin(k, !at & most)
            ),
        ));
    }
    for names in [["cs0", "rom", "low_area"], ["cs1", "ram", "io_area"]] {
        let low = sketch.chance.between(1, most / 2);
        let high = sketch.chance.between(low + 1, most);
        let within = if high == most {
            format!("{a} >= {}", lit(k, low))
        } else {
            format!("({a} >= {}) && ({a} <= {})", lit(k, low), lit(k, high))
        };
        pool.push(part(
            (format!("from {low} to {high}"), &names, 1),
            &[&format!("is high when {a} is from {low} to {high}{also}")],
            gate(within),
            format!(
                "{}(({a} - {}) < {})",
                if enabled { format!("{en} & ") } else { String::new() },
                lit(k, low),
                lit(k + 1, high - low + 1)
            ),
        ));
    }
    pool.push(part(
        ("odd", &["odd", "odd_addr"], 1),
        &[&format!("is high when {a} is odd{also}")],
        gate(format!("{a}[0]")),
        if enabled { format!("{en} & ({a} % 2 == 1)") } else { format!("{a} % 2 == 1") },
    ));
    pool.push(part(
        ("off", &["off", "disabled"], 1),
        &[&format!("is the inverse of {en}")],
        format!("~{en}"),
        format!("{en} == 1'b0"),
    ));
    sketch.outputs(pool)
}

fn lines(a: &str, k: u32, (enabled, en): (bool, &str)) -> Vec<Part> {
    let n = 1 << k;
    let most = n - 1;
    let off = if enabled { format!("; 0 when {en} is low") } else { String::new() };
    let off_low = if enabled { format!("; all high when {en} is low") } else { String::new() };
    let gated = |word: Value| match (word, enabled) {
        (Value::Wire(word), true) => Value::when(&[(en, &word)], lit(n, 0)),
        (word, _) => word,
    };
    let mask = if enabled { format!(" & {{{n}{{{en}}}}}") } else { String::new() };
    let each = |bit: &dyn Fn(u32) -> String| {
        let bits = (0..n).rev().map(bit).collect::<Vec<_>>().join(", ");
        format!("{{{bits}}}{mask}")
    };
    let case = Value::Case(
        a.to_owned(),
        (0..most).map(|at| (lit(k, at), bin(n, 1 << at))).collect(),
        bin(n, 1 << most),
    );
    let shift = Value::Wire(format!("{} << {a}", lit(n, 1)));
    let onehot = if enabled { gated(shift.clone()) } else { case };
    let low = |word: &str| {
        if enabled {
            Value::when(&[(en, word)], bin(n, (1u32 << n) - 1))
        } else {
            Value::from(word)
        }
    };
    vec![
        part(
            ("onehot", &["y", "line", "dec", "onehot"], n),
            &[
                &format!("is one-hot: bit number {a} is 1{off}"),
                &format!("has bit {a} high and the others low{off}"),
            ],
            onehot,
            each(&|bit| format!("{a} == {}", lit(k, bit))),
        ),
        part(
            ("onehot low", &["y_n", "line_n", "cs_n"], n),
            &[&format!("has bit {a} low and the others high{off_low}")],
            low(&format!("~({} << {a})", lit(n, 1))),
            format!("~({})", each(&|bit| format!("{a} == {}", lit(k, bit)))),
        ),
        part(
            ("below", &["therm", "below", "bar"], n),
            &[
                &format!("has ones in the bits below number {a}{off}"),
                &format!("is a thermometer code: the lowest {a} bits are 1{off}"),
            ],
            gated(Value::Wire(format!("({} << {a}) - 1'b1", lit(n, 1)))),
            each(&|bit| format!("{a} > {}", lit(k, bit))),
        ),
        part(
            ("from", &["upper", "from_here"], n),
            &[&format!("has ones in bit number {a} and all higher ones{off}")],
            gated(Value::Wire(format!("{} << {a}", bin(n, (1u32 << n) - 1)))),
            each(&|bit| format!("{a} <= {}", lit(k, bit))),
        ),
    ]
}
