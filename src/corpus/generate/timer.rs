//! Timers: a start signal runs a countdown; and a free-running period with what happens at its points.

use super::chance::Chance;
use super::draft::{Draft, Value, bits_for, lit};
use super::sketch::{Part, Sketch, part};

/// A countdown: its register and bits, and what starts and stops it.
struct Countdown {
    left: String,
    w: u32,
    start: String,
    stop: String,
    duty: String,
}

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("timer", &["timer", "one_shot", "delay_unit", "period", "pwm_gen"], chance);
    sketch.clock();
    let countdown = countdown(&mut sketch);
    let (t, p) = period(&mut sketch);
    let k = sketch.chance.between(1, p - 2);
    let mut pool = of_countdown(&countdown);
    pool.extend(of_period(&t, p, k));
    sketch.outputs(pool)
}

fn countdown(sketch: &mut Sketch) -> Countdown {
    let restarts = sketch.variant(&["once", "restarts"]) == "restarts";
    let n = sketch.number(&[3, 4, 5, 6, 7, 9, 10, 12]);
    let w = bits_for(n);
    let start = sketch.input(&["start", "go", "trig", "kick"], 1);
    let stop = sketch.input(&["stop", "abort", "cancel"], 1);
    let duty = sketch.input(&["duty", "level", "thr"], w);
    let left = sketch.name(&["left", "timer_q", "remain", "down"]);
    let (zero, full) = (lit(w, 0), lit(w, n));
    let begins = if restarts { start.clone() } else { format!("{start} && ({left} == {zero})") };
    let first = Value::register(
        &zero,
        &[
            (&stop, &zero),
            (&begins, &full),
            (&format!("{left} != {zero}"), &format!("{left} - 1'b1")),
        ],
    );
    let fall = format!("{left} - (|{left})");
    let begins_too = if restarts { start.clone() } else { format!("{start} & ~|{left}") };
    let second = Value::register(
        &zero,
        &[("", &format!("{{{w}{{~{stop}}}}} & (({begins_too}) ? {full} : {fall})"))],
    );
    sketch.inner(&left, w, first, second);
    let when = if restarts { "" } else { " when it is 0" };
    sketch.tell_inner(&[&format!(
        "The {w}-bit register {left} is set to {n} by {start}{when} and else \
         counts down to 0 and stays there; {stop} sets it to 0 with priority"
    )]);
    Countdown { left, w, start, stop, duty }
}

/// Adds a register that goes round, and returns its name and period.
fn period(sketch: &mut Sketch) -> (String, u32) {
    let p = sketch.number(&[3, 5, 6, 7, 10, 11, 13]);
    let pw = bits_for(p - 1);
    let t = sketch.name(&["t", "phase_q", "pos", "cyc"]);
    let last = lit(pw, p - 1);
    sketch.inner(
        &t,
        pw,
        Value::register(
            lit(pw, 0),
            &[(&format!("{t} == {last}"), &lit(pw, 0)), ("", &format!("{t} + 1'b1"))],
        ),
        Value::register(lit(pw, 0), &[("", &format!("({t} + 1'b1) & {{{pw}{{{t} != {last}}}}}"))]),
    );
    sketch.tell_inner(&[&format!(
        "The {pw}-bit register {t} counts every cycle from 0 to {} and starts \
         again",
        p - 1
    )]);
    (t, p)
}

fn of_countdown(countdown: &Countdown) -> Vec<Part> {
    let Countdown { left, w, start, stop, duty } = countdown;
    let (w, zero, one) = (*w, lit(*w, 0), lit(*w, 1));
    vec![
        part(
            ("busy", &["busy", "running", "active"], 1),
            &[&format!("is high when {left} is not 0")],
            format!("{left} != {zero}"),
            format!("|{left}"),
        ),
        part(
            ("idle", &["idle", "ready", "free"], 1),
            &[&format!("is high when {left} is 0")],
            format!("{left} == {zero}"),
            format!("~|{left}"),
        ),
        part(
            ("last", &["last", "ending", "final_c"], 1),
            &[&format!("is high when {left} is 1")],
            format!("{left} == {one}"),
            format!("~|({left} ^ {one})"),
        ),
        part(
            ("left", &["togo", "rest", "cnt"], w),
            &[&format!("is {left}")],
            left.as_str(),
            format!("{left} + {zero}"),
        ),
        part(
            ("done", &["done", "expired", "fin"], 1),
            &[&format!(
                "is a register that is high in the cycle after {left} was 1 and \
                 {stop} was low"
            )],
            Value::register("1'b0", &[("", &format!("({left} == {one}) && !{stop}"))]),
            Value::register(
                "1'b0",
                &[(stop, "1'b0"), (&format!("{left} != {one}"), "1'b0"), ("", "1'b1")],
            ),
        ),
        part(
            ("under", &["soon", "under", "warn"], 1),
            &[&format!("is high when {left} is less than {duty}")],
            format!("{left} < {duty}"),
            format!("({{1'b0, {left}}} - {{1'b0, {duty}}}) >> {w}"),
        ),
        part(
            ("starts", &["starts", "n_runs"], 3),
            &[&format!("is a 3-bit register that counts the cycles with {start} high")],
            Value::register("3'd0", &[(start, "@ + 1'b1")]),
            Value::register("3'd0", &[("", &format!("@ + {start}"))]),
        ),
    ]
}

/// What is read off the register `t` of a period, and at the point `k` in it.
fn of_period(t: &str, p: u32, k: u32) -> Vec<Part> {
    let pw = bits_for(p - 1);
    let (last, at) = (lit(pw, p - 1), lit(pw, k));
    vec![
        part(
            (format!("tick {p}"), &["tick", "strobe", "wrap"], 1),
            &[&format!("is high when {t} is {}", p - 1)],
            format!("{t} == {last}"),
            format!("~|({t} ^ {last})"),
        ),
        part(
            (format!("pwm {p} {k}"), &["pwm", "on", "wave"], 1),
            &[&format!("is high when {t} is less than {k}")],
            format!("{t} < {at}"),
            format!("({{1'b0, {t}}} - {{1'b0, {at}}}) >> {pw}"),
        ),
        part(
            (format!("point {p} {k}"), &["point", "mark", "at_k"], 1),
            &[&format!("is a register that is high in the cycle after {t} was {k}")],
            Value::register("1'b0", &[("", &format!("{t} == {at}"))]),
            Value::register("1'b0", &[(&format!("{t} != {at}"), "1'b0"), ("", "1'b1")]),
        ),
        part(
            (format!("toggle {p}"), &["div", "slow", "blink"], 1),
            &[&format!("is a register that toggles when {t} is {}", p - 1)],
            Value::register("1'b0", &[(&format!("{t} == {last}"), "~@")]),
            Value::register("1'b0", &[("", &format!("@ ^ ({t} == {last})"))]),
        ),
        part(
            (format!("phase {p}"), &["phase", "time_q"], pw),
            &[&format!("is {t}")],
            t,
            format!("{t} + {}", lit(pw, 0)),
        ),
    ]
}
