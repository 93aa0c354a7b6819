//! Small programs for what the rules say in so many words: edges of unknown bits, nonblocking writes, loops that do
//! not settle or do not end, and that only their lanes stop.

use salv::design::program::{Kind, OpKind, Program, Slot, Statement, Trigger, Watch};
use salv::verify::lanes::{Bounds, Code, Machine, PowerUp, Stop};

use super::build::{Build, bits, blocking, machine, nonblocking, rising, set};

/// Settles with these values of the inputs, one string for each and the lanes in it by blanks.
fn step(machine: &mut Machine<'_>, inputs: &[&str]) -> Result<(), Stop> {
    for (port, text) in inputs.iter().enumerate() {
        set(machine, port, &text.split(' ').map(str::to_owned).collect::<Vec<_>>());
    }
    machine.settle()
}

fn shown(machine: &Machine<'_>, port: usize, width: u32, lanes: usize) -> String {
    let output = machine.output(port);
    let lane = |lane| bits(&output, machine.stride(), lane, width);
    (0..lanes).map(lane).collect::<Vec<_>>().join(" ")
}

/// A register that counts edges of a signal which is 0, 1, x or z by two bits of input.
fn counts_edges(rising: bool, falling: bool) -> Program {
    let mut b = Build::default();
    let input = b.input("i", 2);
    let (signal, count) = (b.variable(1), b.output("count", 3));
    let states = b.constant("zx10");
    let (zero, one) = (b.constant("000"), b.constant("001"));
    let mut body = Vec::new();
    let offset = b.op(&mut body, 3, OpKind::Extend { a: input, signed: false });
    let bit = b.op(&mut body, 1, OpKind::Select { a: states, offset });
    body.push(blocking(signal, bit));
    b.combinational(&[input], &[signal], body);
    b.process(Kind::Initial, vec![], &[count], vec![blocking(count, zero)]);
    let mut body = Vec::new();
    let next = b.op(&mut body, 3, OpKind::Add(count, one));
    body.push(nonblocking(count, next));
    let watch = Watch::Edge { bit: 0, rising, falling };
    b.process(Kind::Triggered, vec![Trigger { slot: signal, watch }], &[], body);
    b.program.link();
    b.program
}

/// Each lane goes from one value to another: all sixteen changes at once, against IEEE 1800-2017, table 9-2.
#[test]
fn edges_are_those_of_the_standard() {
    let all = ["00", "01", "10", "11"];
    let from: Vec<&str> = all.iter().flat_map(|from| [*from; 4]).collect();
    let to: Vec<&str> = all.iter().cycle().take(16).copied().collect();
    // From 0, 1, x, z to 0, 1, x, z.
    let rises = "0111 0000 0100 0100".replace(' ', "");
    let falls = "0000 1011 1000 1000".replace(' ', "");
    for (rising, falling) in [(true, false), (false, true), (true, true)] {
        let code = Code::new(&counts_edges(rising, falling));
        let mut machine = machine(&code, 16);
        step(&mut machine, &[&from.join(" ")]).expect("settles");
        let before = shown(&machine, 0, 3, 16);
        step(&mut machine, &[&to.join(" ")]).expect("settles");
        let after = shown(&machine, 0, 3, 16);
        let counts = before.split(' ').zip(after.split(' '));
        let seen: String = counts.map(|(a, b)| if a == b { '0' } else { '1' }).collect();
        let expected =
            |at: usize| rising && &rises[at..=at] == "1" || falling && &falls[at..=at] == "1";
        let expected: String = (0..16).map(|at| if expected(at) { '1' } else { '0' }).collect();
        assert_eq!(seen, expected, "rising {rising}, falling {falling}");
    }
}

/// Two registers that exchange their values at each edge: the writes take effect together.
#[test]
fn nonblocking_writes_take_effect_together() {
    let mut b = Build::default();
    let (clk, start) = (b.input("clk", 1), b.input("start", 2));
    let (x, y) = (b.output("x", 2), b.output("y", 2));
    let load = b.input("load", 1);
    let mut body = Vec::new();
    let other = b.op(&mut body, 2, OpKind::Not(start));
    body.push(Statement::If {
        condition: load,
        then: vec![nonblocking(x, start), nonblocking(y, other)],
        otherwise: vec![nonblocking(x, y), nonblocking(y, x)],
    });
    b.process(Kind::Triggered, vec![rising(clk)], &[], body);
    let code = b.code();
    let mut machine = machine(&code, 2);
    step(&mut machine, &["0 0", "01 10", "1 1"]).expect("settles");
    assert_eq!(shown(&machine, 0, 2, 2), "xx xx");
    step(&mut machine, &["1 1", "01 10", "1 1"]).expect("settles");
    step(&mut machine, &["0 0", "01 10", "0 0"]).expect("settles");
    assert_eq!(
        (shown(&machine, 0, 2, 2), shown(&machine, 1, 2, 2)),
        ("01 10".into(), "10 01".into())
    );
    // Only the first lane has an edge.
    step(&mut machine, &["1 0", "01 10", "0 0"]).expect("settles");
    assert_eq!(
        (shown(&machine, 0, 2, 2), shown(&machine, 1, 2, 2)),
        ("10 10".into(), "01 01".into())
    );
}

/// `assign a = on ? ~a : 0`, by which a lane oscillates as soon as it is on.
#[test]
fn a_lane_that_does_not_settle_stops_alone() {
    let mut b = Build::default();
    let on = b.input("on", 1);
    let a = b.output("a", 1);
    let mut body = Vec::new();
    let not = b.op(&mut body, 1, OpKind::Not(a));
    let next = b.op(&mut body, 1, OpKind::And(on, not));
    body.push(blocking(a, next));
    b.combinational(&[on, a], &[a], body);
    b.program.processes[0].restarts_itself = true;
    let code = b.code();
    let mut machine = machine(&code, 3);
    step(&mut machine, &["0 0 0"]).expect("settles");
    assert_eq!(step(&mut machine, &["0 1 0"]), Err(Stop::NotSettled));
    assert_eq!(machine.stopped(Stop::NotSettled), 0b010);
    assert_eq!(machine.stopped(Stop::Loop), 0);
    // The first lane goes on; the last one joins the stopped.
    assert_eq!(step(&mut machine, &["0 1 1"]), Err(Stop::NotSettled));
    assert_eq!(machine.stopped(Stop::NotSettled), 0b110);
    assert!(shown(&machine, 0, 1, 3).starts_with('0'));
}

/// `for (i = 0; i != limit; i = i + 1) sum = sum + i`, and a limit that a lane never reaches.
#[test]
fn an_endless_loop_stops_its_lane() {
    let mut b = Build::default();
    let (limit, step_by) = (b.input("limit", 4), b.input("step", 4));
    let (i, sum) = (b.variable(4), b.output("sum", 4));
    let zero = b.constant("0000");
    let mut inner: Vec<Statement> = Vec::new();
    let is_done: Slot = b.op(&mut inner, 1, OpKind::Equal(i, limit));
    inner.push(Statement::If {
        condition: is_done,
        then: vec![Statement::Exit(0)],
        otherwise: vec![],
    });
    let total = b.op(&mut inner, 4, OpKind::Add(sum, i));
    inner.push(blocking(sum, total));
    let next = b.op(&mut inner, 4, OpKind::Add(i, step_by));
    inner.push(blocking(i, next));
    let body = vec![
        blocking(i, zero),
        blocking(sum, zero),
        Statement::Block { label: 0, body: vec![Statement::Loop { body: inner }] },
    ];
    b.combinational(&[limit, step_by], &[i, sum], body);
    b.program.labels = 1;
    let code = b.code();
    let bounds = Bounds { iterations_of_step: 1000, ..Bounds::default() };
    let mut machine = Machine::new(&code, 4, bounds);
    machine.power_up(PowerUp::Unknown);
    assert_eq!(
        step(&mut machine, &["0000 0100 0110 0101", "0001 0001 0010 0010"]),
        Err(Stop::Loop)
    );
    assert_eq!(machine.stopped(Stop::Loop), 0b1000);
    assert_eq!(&shown(&machine, 0, 4, 4)[..14], "0000 0110 0110");
}

/// `t = a + a; for (i = 0; i != limit; i = i + 1) sum = sum + t`: the next turn reads what was there before the loop.
#[test]
fn a_loop_leaves_alone_what_it_was_given() {
    let mut b = Build::default();
    let (limit, a) = (b.input("limit", 4), b.input("a", 4));
    let (i, sum) = (b.variable(4), b.output("sum", 4));
    let (zero, one) = (b.constant("0000"), b.constant("0001"));
    let mut body = vec![blocking(i, zero), blocking(sum, zero)];
    let twice = b.op(&mut body, 4, OpKind::Add(a, a));
    let mut inner: Vec<Statement> = Vec::new();
    let is_done: Slot = b.op(&mut inner, 1, OpKind::Equal(i, limit));
    let then = vec![Statement::Exit(0)];
    inner.push(Statement::If { condition: is_done, then, otherwise: vec![] });
    let total = b.op(&mut inner, 4, OpKind::Add(sum, twice));
    inner.push(blocking(sum, total));
    let next = b.op(&mut inner, 4, OpKind::Add(i, one));
    inner.push(blocking(i, next));
    body.push(Statement::Block { label: 0, body: vec![Statement::Loop { body: inner }] });
    b.combinational(&[limit, a], &[i, sum], body);
    b.program.labels = 1;
    let code = b.code();
    let mut machine = machine(&code, 3);
    step(&mut machine, &["0000 0011 0110", "0001 0010 0001"]).expect("settles");
    assert_eq!(shown(&machine, 0, 4, 3), "0000 1100 1100");
}
