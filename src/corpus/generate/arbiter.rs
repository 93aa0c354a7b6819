//! Arbiters: requests to grants, by fixed priority or in turn.

use super::chance::Chance;
use super::draft::{Draft, Value, bits_for, lit};
use super::sketch::{Part, Sketch, part};

/// The names of an arbiter, its requests, and which of them comes first.
struct Arbiter {
    n: u32,
    live: String,
    grant: String,
    before: String,
    hold: String,
    /// Bits in order of priority, and the word for the first of them.
    order: Vec<u32>,
    first: &'static str,
}

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("arbiter", &["arbiter", "arb", "grant_unit", "req_arb", "sched"], chance);
    sketch.clock();
    let arbiter = core(&mut sketch);
    let mut pool = of_requests(&arbiter);
    pool.extend(over_time(&arbiter));
    sketch.outputs(pool)
}

fn core(sketch: &mut Sketch) -> Arbiter {
    let n = sketch.number(&[2, 3, 4, 5, 6]);
    let high = sketch.variant(&["lowest first", "highest first"]) == "highest first";
    let turn = sketch.variant(&["fixed", "masked"]) == "masked";
    let req = sketch.input(&["req", "r", "request", "want"], n);
    let mask = sketch.input(&["mask", "allow", "enable"], n);
    let hold = sketch.input(&["hold", "lock", "stall"], 1);
    let live = if turn { sketch.name(&["live", "eff"]) } else { req.clone() };
    if turn {
        sketch.inner(&live, n, format!("{req} & {mask}"), format!("~(~{req} | ~{mask})"));
        sketch.tell_inner(&[&format!(
            "Only requests that are also set in {mask} count: {live} is {req} AND \
             {mask}"
        )]);
    }
    let first = if high { "highest" } else { "lowest" };
    let grant = sketch.name(&["grant_c", "winner", "sel_c"]);
    let zero = lit(n, 0);
    let order: Vec<u32> = if high { (0..n).rev().collect() } else { (0..n).collect() };
    let golden = Value::When(
        order.iter().map(|bit| (format!("{live}[{bit}]"), lit(n, 1 << bit))).collect(),
        zero.clone(),
    );
    let second = alone(&live, n, high);
    sketch.inner(&grant, n, golden, second);
    sketch.tell_inner(&[
        &format!("{grant} keeps only the {first} 1 of {live}"),
        &format!(
            "{grant} grants the {first} bit of {live} that is 1, one-hot, and is \
             0 if there is none"
        ),
    ]);
    let before = sketch.name(&["old_g", "last_g"]);
    sketch.inner(
        &before,
        n,
        Value::register(&zero, &[("", &grant)]),
        Value::register(&zero, &[("", &format!("{grant} | {zero}"))]),
    );
    Arbiter { n, live, grant, before, hold, order, first }
}

/// The first bit alone, without asking one after the other.
fn alone(live: &str, n: u32, high: bool) -> String {
    if !high {
        return format!("{live} & (~{live} + 1'b1)");
    }
    let one = |bit: u32| {
        if bit + 1 == n {
            format!("{live}[{bit}]")
        } else {
            format!("{live}[{bit}] & ~|{live}[{}:{}]", n - 1, bit + 1)
        }
    };
    format!("{{{}}}", (0..n).rev().map(one).collect::<Vec<_>>().join(", "))
}

fn of_requests(arbiter: &Arbiter) -> Vec<Part> {
    let Arbiter { n, live, grant, order, first, .. } = arbiter;
    let (n, zero) = (*n, lit(*n, 0));
    let w = bits_for(n - 1);
    let index = order.iter().map(|bit| (format!("{live}[{bit}]"), lit(w, *bit))).collect();
    let ors = (0..w).rev().map(|place| {
        let bits: Vec<String> = (0..n)
            .filter(|bit| bit >> place & 1 == 1)
            .map(|bit| format!("{grant}[{bit}]"))
            .collect();
        bits.join(" | ")
    });
    let ors = ors.map(|bit| format!("({bit})")).collect::<Vec<_>>().join(", ");
    vec![
        part(
            ("grant", &["gnt", "grant", "g"], n),
            &[&format!("is {grant}")],
            grant.as_str(),
            format!("{grant} & {live}"),
        ),
        part(
            ("index", &["id", "index", "who"], w),
            &[&format!("is the index of the {first} 1 in {live}, 0 without one")],
            Value::When(index, lit(w, 0)),
            format!("{{{ors}}}"),
        ),
        part(
            ("any", &["any", "valid", "busy"], 1),
            &[&format!("is high when {live} is not 0")],
            format!("|{live}"),
            format!("{live} != {zero}"),
        ),
        part(
            ("clash", &["clash", "conflict", "multi"], 1),
            &[&format!("is high when more than one bit of {live} is 1")],
            format!("({live} & ({live} - 1'b1)) != 0"),
            format!("{live} != {grant}"),
        ),
        part(
            ("losers", &["wait_o", "losers", "blocked"], n),
            &[&format!("has the bits of {live} that are not granted")],
            format!("{live} & ~{grant}"),
            format!("{live} ^ {grant}"),
        ),
    ]
}

fn over_time(arbiter: &Arbiter) -> Vec<Part> {
    let Arbiter { n, live, grant, before, hold, .. } = arbiter;
    let (n, zero) = (*n, lit(*n, 0));
    vec![
        part(
            ("registered", &["gnt_q", "grant_q", "owner"], n),
            &[&format!("is a register that takes {grant} unless {hold} is high")],
            Value::register(&zero, &[(&format!("!{hold}"), grant)]),
            Value::register(&zero, &[(hold, "@"), ("", grant)]),
        ),
        part(
            ("registered any", &["busy_q", "any_q"], 1),
            &[&format!("is a register that is high in the cycle after {live} was not 0")],
            Value::register("1'b0", &[("", &format!("|{live}"))]),
            Value::register("1'b0", &[(&format!("{live} == {zero}"), "1'b0"), ("", "1'b1")]),
        ),
        part(
            ("count", &["grants", "n_grants"], 4),
            &[&format!("is a 4-bit register that counts the cycles in which {live} is not 0")],
            Value::register("4'd0", &[(&format!("|{live}"), "@ + 1'b1")]),
            Value::register("4'd0", &[("", &format!("@ + ({live} != {zero})"))]),
        ),
        part(
            ("changed", &["changed", "switch"], 1),
            &[&format!("is high when {grant} differs from its value at the last clock edge")],
            format!("{grant} != {before}"),
            format!("|({grant} ^ {before})"),
        ),
        part(
            ("ever", &["served", "ever"], n),
            &[&format!(
                "is a register in which every bit of {grant} that was high at a clock \
                 edge stays set"
            )],
            Value::register(&zero, &[("", &format!("@ | {grant}"))]),
            Value::register(&zero, &[("", &format!("~(~@ & ~{grant})"))]),
        ),
        part(
            ("idle", &["idle", "none"], 1),
            &[&format!("is high when {live} is 0")],
            format!("{live} == {zero}"),
            format!("~|{live}"),
        ),
    ]
}
