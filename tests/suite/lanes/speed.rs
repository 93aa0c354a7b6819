//! How quick the engine is: nanoseconds of CPU time for an operation and lane, and for a usual module as it is judged.
//! Printed, not asserted, since machines differ: `cargo test --release --test suite lanes::speed -- --nocapture`.

#![expect(clippy::print_stderr, reason = "the figures are what the test is for")]

use salv::design::program::{Kind, OpKind, PowerUp, Program, Slot, Statement, Switch, Wildcards};
use salv::verify::lanes::{self, Bounds, Code, Machine};

use super::build::{Build, blocking, nonblocking, rising};
use super::operators::Random;

/// Operations in a chain.
const CHAIN: usize = 64;

type Kinds = (&'static str, fn(&[Slot]) -> OpKind, u32);

#[test]
fn speed_of_operations() {
    let kinds: [Kinds; 9] = [
        ("and", |s| OpKind::And(s[0], s[1]), 32),
        ("add", |s| OpKind::Add(s[0], s[1]), 32),
        ("mux", |s| OpKind::Mux { condition: s[2], a: s[0], b: s[1] }, 32),
        ("shift", |s| OpKind::ShiftLeft(s[0], s[1]), 32),
        ("multiply", |s| OpKind::Multiply(s[0], s[1]), 32),
        ("divide", |s| OpKind::Divide { a: s[0], b: s[1], signed: false }, 32),
        ("and, 200 bits", |s| OpKind::And(s[0], s[1]), 200),
        ("add, 200 bits", |s| OpKind::Add(s[0], s[1]), 200),
        ("multiply, 200 bits", |s| OpKind::Multiply(s[0], s[1]), 200),
    ];
    for states in ["known", "unknown"] {
        eprintln!("ns of CPU for an operation and lane, {states} values, 1, 4, 16 and 64 lanes:");
        for (name, kind, width) in kinds {
            let code = chain(kind, width, states == "unknown");
            let times = [1, 4, 16, 64].map(|lanes| operation(&code, width, lanes));
            eprintln!("  {name:20} {}", times.map(|time| format!("{time:8.2}")).join(" "));
        }
    }
}

#[test]
fn speed_of_a_usual_module() {
    let program = usual();
    let started = cpu();
    for _ in 0..100 {
        Code::new(&program);
    }
    eprintln!("a usual module: code made in {:.1} us", (cpu() - started) as f64 / 1e5);
    let code = Code::new(&program);
    let long = episodes(&code, 2, 1000);
    let short = episodes(&code, 16, 256);
    eprintln!("1000 steps of 2 lanes {long:.1} us, 256 steps of 16 lanes {short:.1} us");
}

/// CPU time of this thread in nanoseconds.
fn cpu() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// An operation on the last result and an input, again and again.
fn chain(kind: fn(&[Slot]) -> OpKind, width: u32, unknown: bool) -> Code {
    let mut build = Build::default();
    let (a, b) = (build.input("a", width), build.input("b", width));
    let (choice, x) = (build.input("choice", 1), build.variable(width));
    build.program.power_up[x as usize] = if unknown { PowerUp::Unknown } else { PowerUp::Zero };
    let out = build.output("o", width);
    let mut body = Vec::new();
    let mut last = build.op(&mut body, width, OpKind::Or(a, x));
    for _ in 0..CHAIN {
        last = build.op(&mut body, width, kind(&[last, b, choice]));
    }
    body.push(blocking(out, last));
    build.combinational(&[a, b, choice, x], &[out], body);
    build.program.processes[0].is_pure = true;
    build.code()
}

fn operation(code: &Code, width: u32, lanes: usize) -> f64 {
    let mut machine = Machine::new(code, lanes, Bounds::default());
    machine.power_up(lanes::PowerUp::Unknown);
    let mut random = Random(1);
    let rounds = 30_000 / (lanes + 8);
    let limbs = width.div_ceil(64) as usize;
    let started = cpu();
    for _ in 0..rounds {
        for port in 0..2 {
            let words: Vec<u64> = (0..limbs * lanes).map(|_| random.next()).collect();
            machine.set_input(port, &words[..limbs * lanes]);
        }
        machine.settle().expect("no loops");
    }
    (cpu() - started) as f64 / (rounds * CHAIN * lanes) as f64
}

/// A counter with enable and limits, a state machine that looks at it, an accumulator, and outputs of both: 13
/// operations, 18 writes, 9 conditions and a switch in 9 processes.
pub fn usual() -> Program {
    use OpKind as K;
    let mut b = Build::default();
    let (clk, rst) = (b.input("clk", 1), b.input("rst", 1));
    let (en, data) = (b.input("en", 1), b.input("data", 8));
    let (count, state, sum) = (b.variable(8), b.variable(2), b.variable(16));
    let (next, full) = (b.variable(2), b.variable(1));
    let (o_sum, o_state) = (b.output("sum", 16), b.output("busy", 1));
    let (o_full, o_parity) = (b.output("full", 1), b.output("parity", 1));
    b.constant("00000000");
    b.constant("00000001");
    let limit = b.constant("11001000");
    let states = ["00", "01", "10", "11"].map(|bits| b.constant(bits));
    b.constant("0000000000000000");
    // assign full = count == limit && en.
    let mut body = Vec::new();
    let is = b.op(&mut body, 1, K::Equal(count, limit));
    let and = b.op(&mut body, 1, K::And(is, en));
    body.push(blocking(full, and));
    b.combinational(&[count, en], &[full], body);
    // The next state.
    let mut body = vec![blocking(next, state)];
    let arm = |b: &mut Build, condition: Slot, to: Slot| {
        let mut arm = Vec::new();
        let c = b.op(&mut arm, 1, K::Or(condition, full));
        arm.push(Statement::If { condition: c, then: vec![blocking(next, to)], otherwise: vec![] });
        arm
    };
    let arms = vec![
        arm(&mut b, en, states[1]),
        arm(&mut b, full, states[2]),
        arm(&mut b, en, states[3]),
        arm(&mut b, full, states[0]),
        vec![blocking(next, states[0])],
    ];
    body.push(Statement::Switch(Box::new(Switch {
        selector: state,
        wildcards: Wildcards::None,
        items: (0..4).map(|n| (n, 3, n as u32)).collect(),
        arms,
        table: vec![0, 1, 2, 3],
    })));
    b.combinational(&[state, en, full], &[next], body);
    // Outputs.
    let outputs = |b: &mut Build, to: Slot, of: Slot, width: u32, kind: K| {
        let mut body = Vec::new();
        let value = b.op(&mut body, width, kind);
        body.push(blocking(to, value));
        b.combinational(&[of], &[to], body);
    };
    outputs(&mut b, o_sum, sum, 16, K::Not(sum));
    outputs(&mut b, o_state, state, 1, K::ReduceOr(state));
    outputs(&mut b, o_full, full, 1, K::Not(full));
    outputs(&mut b, o_parity, sum, 1, K::ReduceXor(sum));
    for process in &mut b.program.processes {
        process.is_pure = true;
    }
    registers(&mut b, [clk, rst, en, data], [count, state, sum], [next, full]);
    b.program.link();
    b.program
}

/// The registers, one process each, with a synchronous reset.
fn registers(
    b: &mut Build,
    [clk, rst, en, data]: [Slot; 4],
    [count, state, sum]: [Slot; 3],
    [next, full]: [Slot; 2],
) {
    use OpKind as K;
    let constant = |b: &Build, width: u32, value: u64| {
        let at = b.program.constants.iter().enumerate().position(|(at, constant)| {
            let slot = b.program.variables as usize + at;
            b.program.widths[slot] == width && constant.value[0] == value
        });
        b.program.variables + at.expect("a constant") as Slot
    };
    let (zero8, one8) = (constant(b, 8, 0), constant(b, 8, 1));
    let (zero2, zero16) = (constant(b, 2, 0), constant(b, 16, 0));
    let mut body = Vec::new();
    let plus = b.op(&mut body, 8, K::Add(count, one8));
    let then = vec![nonblocking(count, zero8)];
    let inner = Statement::If { condition: full, then, otherwise: vec![nonblocking(count, plus)] };
    let otherwise = vec![Statement::If { condition: en, then: vec![inner], otherwise: vec![] }];
    body.push(Statement::If { condition: rst, then: vec![nonblocking(count, zero8)], otherwise });
    b.process(Kind::Triggered, vec![rising(clk)], &[], body);
    let otherwise = vec![nonblocking(state, next)];
    let then = vec![nonblocking(state, zero2)];
    let body = vec![Statement::If { condition: rst, then, otherwise }];
    b.process(Kind::Triggered, vec![rising(clk)], &[], body);
    let mut otherwise = Vec::new();
    let wide = b.op(&mut otherwise, 16, K::Extend { a: data, signed: false });
    let added = b.op(&mut otherwise, 16, K::Add(sum, wide));
    otherwise.push(nonblocking(sum, added));
    let then = vec![nonblocking(sum, zero16)];
    b.process(
        Kind::Triggered,
        vec![rising(clk)],
        &[],
        vec![Statement::If { condition: rst, then, otherwise }],
    );
}

/// Microseconds for some steps, of which each fourth is a rising edge and inputs change before it and after it.
fn episodes(code: &Code, lanes: usize, steps: usize) -> f64 {
    let mut random = Random(3);
    // Reset in the first two cycles and rarely later, enable, data, and the clock's two levels.
    let row = |step: usize| {
        let mut words: Vec<u64> = (0..3 * lanes).map(|_| random.next()).collect();
        for word in &mut words[..lanes] {
            *word = u64::from(step < 8 || *word % 64 == 0);
        }
        words
    };
    let rows: Vec<Vec<u64>> = (0..steps).map(row).collect();
    let levels = [vec![0; lanes], vec![1; lanes]];
    let mut machine = Machine::new(code, lanes, Bounds::default());
    let mut seen = 0;
    let rounds = 1000;
    let started = cpu();
    for _ in 0..rounds {
        machine.power_up(lanes::PowerUp::Unknown);
        for (step, row) in rows.iter().enumerate() {
            if step % 2 == 0 {
                machine.set_input(1, &row[..lanes]);
                machine.set_input(2, &row[lanes..2 * lanes]);
                machine.set_input(3, &row[2 * lanes..]);
            } else {
                machine.set_input(0, &levels[usize::from(step % 4 == 1)]);
            }
            machine.settle().expect("no loops");
            for port in 0..4 {
                seen ^= machine.word(port, 0).0[0];
            }
        }
    }
    std::hint::black_box(seen);
    (cpu() - started) as f64 / 1e3 / f64::from(rounds)
}
