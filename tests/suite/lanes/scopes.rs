//! What a lowered module computes where some lanes wait is read in those lanes alone: lanes leave undefined what it is in
//! the others ([`Statement::Compute`]).

use std::collections::HashSet;

use super::reference::operands;
use crate::verify::real::benchmark;
use salv::design::lower;
use salv::design::program::{Program, Slot, Statement, Target};
use salv::problem::{self, Problem};
use salv::verify::differential::{Families, TOP, random_module};
use salv::verify::lanes::{Bounds, Code, Machine, PowerUp};

const MODULES: u64 = 300;

/// The slots that have a value in all lanes that run the statements at hand.
struct Scope<'p> {
    program: &'p Program,
    computed: HashSet<Slot>,
    reads: usize,
}

impl Scope<'_> {
    fn read(&mut self, slot: Slot) {
        let fixed = self.program.variables + self.program.constants.len() as Slot;
        self.reads += usize::from(slot >= fixed);
        assert!(slot < fixed || self.computed.contains(&slot), "slot {slot} is read elsewhere");
    }

    /// Statements that only some of the lanes run.
    fn inner(&mut self, body: &[Statement]) {
        let outer = self.computed.clone();
        self.body(body);
        self.computed = outer;
    }

    fn body(&mut self, body: &[Statement]) {
        for statement in body {
            match statement {
                Statement::Compute(op) => {
                    operands(&op.kind).into_iter().for_each(|slot| self.read(slot));
                    // Computed once more, it would be undefined where the others wait.
                    assert!(self.computed.insert(op.dst), "slot {} is computed twice", op.dst);
                }
                Statement::Store(store) => {
                    self.read(store.value);
                    match store.target {
                        Target::Whole(_) | Target::Part { .. } => {}
                        Target::Select { offset, .. } => self.read(offset),
                        Target::Word { index, offset, .. } => {
                            std::iter::once(index).chain(offset).for_each(|slot| self.read(slot));
                        }
                    }
                }
                Statement::If { condition, then, otherwise } => {
                    self.read(*condition);
                    self.inner(then);
                    self.inner(otherwise);
                }
                Statement::Switch(switch) => {
                    self.read(switch.selector);
                    switch.arms.iter().for_each(|arm| self.inner(arm));
                }
                Statement::Block { body, .. } | Statement::Loop { body } => self.inner(body),
                Statement::Exit(_) => {}
            }
        }
    }
}

/// Temporaries that are read, of a text that is lowered.
fn check(text: &str, top: Option<&str>) -> usize {
    let Ok(program) = lower(text, top).map(|lowered| lowered.program) else { return 0 };
    let Ok(program) = program else { return 0 };
    let mut scope = Scope { program: &program, computed: HashSet::new(), reads: 0 };
    program.processes.iter().for_each(|process| scope.inner(&process.body));
    scope.reads
}

#[test]
fn what_some_lanes_compute_is_read_in_no_other() {
    let random = |seed| check(&random_module(seed, Families::all()).full(), Some(TOP));
    let reads: usize = (0..MODULES).map(random).sum();
    assert!(reads > 100 * MODULES as usize, "{reads} reads of temporaries");
    if let Some(path) = benchmark() {
        let problems = problem::load(&path).expect("problems");
        let golden = |problem: &Problem| check(&problem.golden, problem.golden_top.as_deref());
        let reads: usize = problems.iter().map(golden).sum();
        assert!(reads > 10 * problems.len(), "{reads} reads of temporaries in golden modules");
    }
}

/// `y` is known in the lanes that divide it and x in the one that waits, which uses the cells of the quotient afterwards.
#[test]
fn what_waiting_lanes_hold_is_not_seen() {
    let text = "module top(input [7:0] a, input [1:0] b, output reg [7:0] y, z); always @* begin y = a / b; \
                if (a[0]) begin y = a; z = y / 3; end else begin z = a ^ 8'h55; if (b[1]) z = y; end end endmodule";
    let lowered = lower(text, Some("top")).expect("a legal text");
    let code = Code::new(&lowered.program.expect("all of it is lowered"));
    let mut machine = Machine::new(&code, 2, Bounds::default());
    machine.power_up(PowerUp::Unknown);
    machine.set_input(0, &[7, 4]);
    machine.set_input(1, &[0, 0]);
    machine.settle().expect("it ends");
    let (y, z) = (machine.output(0), machine.output(1));
    assert_eq!((y.value, y.unknown), (vec![7, 0], vec![0, 0xff]));
    assert_eq!((z.value, z.unknown), (vec![2, 0x51], vec![0, 0]));
}
