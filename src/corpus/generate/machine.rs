//! State machines of three or four states and one input, with outputs of state and of state and input. The second
//! version reads next states and outputs from tables that are computed here.

use super::chance::Chance;
use super::draft::{Draft, Value, lit};
use super::sketch::{Part, Sketch, part};

/// Where each state goes when the input is 0 and when it is 1.
type Moves = Vec<[usize; 2]>;

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("machine", &["fsm", "machine", "ctrl", "sequencer", "state_unit"], chance);
    sketch.clock();
    let count = [3, 4][sketch.chance.below(2)];
    let moves = loop {
        let moves: Moves = (0..count).map(|at| draw_moves(at, count, sketch.chance)).collect();
        if is_alive(&moves) {
            break moves;
        }
    };
    let x = sketch.input(&["x", "in", "go", "w", "start"], 1);
    let state = sketch.name(&["state", "st", "cur"]);
    let next = sketch.name(&["next", "nxt", "next_state"]);
    let goes = |[low, high]: [usize; 2]| match low == high {
        true => lit(2, low as u32),
        false => format!("{x} ? {} : {}", lit(2, high as u32), lit(2, low as u32)),
    };
    let arms = moves.iter().enumerate().map(|(at, to)| (lit(2, at as u32), goes(*to))).collect();
    let table =
        (0..8).rev().map(|row| lit(2, moves.get(row >> 1).map_or(0, |to| to[row & 1]) as u32));
    let table = table.collect::<Vec<_>>().join(", ");
    sketch.inner(
        &next,
        2,
        Value::Case(state.clone(), arms, "2'd0".to_owned()),
        format!("{{{table}}} >> {{{state}, {x}, 1'b0}}"),
    );
    sketch.inner(
        &state,
        2,
        Value::register("2'd0", &[("", &next)]),
        Value::register("2'd0", &[("", &next)]),
    );
    sketch.tell_inner(&[&described(&moves, &state, &x)]);
    let mut pool = of_states((&state, &next));
    pool.extend(decoded(&mut sketch, (&state, &x), count));
    pool.push(entries(&mut sketch, (&state, &next), count));
    sketch.outputs(pool)
}

fn draw_moves(at: usize, count: usize, chance: &mut Chance) -> [usize; 2] {
    let ahead = (at + 1) % count;
    match chance.below(6) {
        0 | 1 => [at, ahead],
        2 => [ahead, at],
        3 => [0, ahead],
        4 => [ahead, chance.below(count)],
        _ => [chance.below(count), chance.below(count)],
    }
}

/// Whether the machine can always come from any state to any other, and stays in some state.
fn is_alive(moves: &Moves) -> bool {
    let reaches_all = |first: usize| {
        let mut reached = vec![false; moves.len()];
        let mut waiting = vec![first];
        while let Some(at) = waiting.pop() {
            if !std::mem::replace(&mut reached[at], true) {
                waiting.extend(moves[at]);
            }
        }
        reached.into_iter().all(|reached| reached)
    };
    let stays = moves.iter().enumerate().any(|(at, to)| to.contains(&at));
    stays && (0..moves.len()).all(reaches_all)
}

fn described(moves: &Moves, state: &str, x: &str) -> String {
    let one = |(at, [low, high]): (usize, &[usize; 2])| match (*low, *high) {
        (low, high) if low == high => format!("from {at} always to {low}"),
        (low, high) if low == at => format!("from {at} to {high} if {x}, else stay"),
        (low, high) if high == at => format!("from {at} stay if {x}, else to {low}"),
        (low, high) => format!("from {at} to {high} if {x}, else to {low}"),
    };
    let all: Vec<String> = moves.iter().enumerate().map(one).collect();
    format!("The machine has the states 0 to {} in {state}: {}", moves.len() - 1, all.join("; "))
}

/// What is said of the state and the next one.
fn of_states((state, next): (&str, &str)) -> Vec<Part> {
    vec![
        part(
            ("state", &["code", "st_out", "phase"], 2),
            &[&format!("is {state}")],
            state,
            format!("{{{state}[1], {state}[0]}}"),
        ),
        part(
            ("next", &["upcoming", "nx", "target"], 2),
            &["is the state after the next clock edge"],
            next,
            format!("{{{next}[1], {next}[0]}}"),
        ),
        part(
            ("moves", &["moves", "leaving", "step"], 1),
            &["is high when the next clock edge changes the state"],
            format!("{next} != {state}"),
            format!("|({next} ^ {state})"),
        ),
    ]
}

/// What is high in some states, and with some inputs.
fn decoded(sketch: &mut Sketch, (state, x): (&str, &str), count: usize) -> Vec<Part> {
    let mut pool = Vec::new();
    let singles: [&[&str]; 4] = [
        &["idle", "s0", "ready"],
        &["busy", "s1", "run"],
        &["work", "s2", "load_en"],
        &["done", "s3", "fin"],
    ];
    for (at, names) in singles.iter().enumerate().take(count) {
        let here = lit(2, at as u32);
        pool.push(part(
            (format!("in {at}"), names, 1),
            &[&format!("is high in state {at}")],
            format!("{state} == {here}"),
            format!("4'd{} >> {state}", 1 << at),
        ));
    }
    for names in [["valid", "enable_o"], ["active", "grant"]] {
        let one = sketch.chance.below(count);
        let other = (one + 1 + sketch.chance.below(count - 1)) % count;
        let (low, high) = (one.min(other), one.max(other));
        pool.push(part(
            (format!("in {low} {high}"), &names, 1),
            &[&format!("is high in states {low} and {high}")],
            format!("({state} == {}) || ({state} == {})", lit(2, low as u32), lit(2, high as u32)),
            format!("4'd{} >> {state}", 1 << low | 1 << high),
        ));
    }
    for names in [["fire", "strobe"], ["pulse", "ack"]] {
        let at = sketch.chance.below(count);
        let high = sketch.chance.percent(50);
        let (said, sign) = if high { ("1", "") } else { ("0", "!") };
        let table = 1 << (2 * at + usize::from(high));
        pool.push(part(
            (format!("in {at} with {said}"), &names, 1),
            &[&format!("is high in state {at} when {x} is {said}")],
            format!("({state} == {}) && {sign}{x}", lit(2, at as u32)),
            format!("8'd{table} >> {{{state}, {x}}}"),
        ));
    }
    pool
}

fn entries(sketch: &mut Sketch, (state, next): (&str, &str), count: usize) -> Part {
    let at = sketch.chance.below(count);
    part(
        (format!("entries {at}"), &["visits", "entries", "times"], 3),
        &[&format!(
            "is a 3-bit register that counts the clock edges on which the machine \
             moves to state {at} from another state"
        )],
        Value::register(
            "3'd0",
            &[(&format!("({next} == {0}) && ({state} != {0})", lit(2, at as u32)), "@ + 1'b1")],
        ),
        Value::register(
            "3'd0",
            &[("", &format!("@ + (({next} != {state}) & (4'd{} >> {next}))", 1 << at))],
        ),
    )
}
