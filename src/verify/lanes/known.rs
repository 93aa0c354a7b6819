//! Which values of a unit are known when all variables are that it deals with.
//!
//! The statements are followed in the order in which they run: a variable that holds x where its block begins and is
//! written before it is read is known where it is read.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::range::largest;
use crate::design::program::{Label, Net, Op, OpKind, Program, Slot, Statement, Store, Target};

/// What may be unknown although the variables were known when the unit began.
pub(super) struct Unknown {
    /// For each slot: whether its value, or for a variable what the unit writes to it, may be.
    pub slots: Vec<bool>,
    /// Variables to which the unit's blocking writes may leave unknown bits, so that they may have some when it begins.
    pub left: BTreeSet<Slot>,
    /// Statements, by their numbers, and variables that they read while these may be unknown.
    reads: HashSet<(u32, Slot)>,
    /// For each slot the largest number that it can be, where it is known not to be negative.
    pub largest: Vec<Option<u64>>,
}

/// What the processes of a unit read and write.
#[derive(Default)]
pub(super) struct Uses {
    pub variables: Vec<Slot>,
    /// Those that are read.
    pub read: BTreeSet<Slot>,
    /// Those with nonblocking writes.
    pub opened: Vec<Slot>,
}

impl Unknown {
    /// The constants that are.
    pub fn constants(program: &Program) -> Unknown {
        let mut slots = vec![false; program.widths.len()];
        let mut largest = vec![None; program.widths.len()];
        for (at, constant) in program.constants.iter().enumerate() {
            let slot = program.variables as usize + at;
            slots[slot] = constant.unknown.iter().any(|&word| word != 0);
            if program.widths[slot] <= 64 && constant.value[0] >> (program.widths[slot] - 1) == 0 {
                largest[slot] = Some(constant.value[0]);
            }
        }
        Unknown { slots, left: BTreeSet::new(), reads: HashSet::new(), largest }
    }

    /// Marks what may become unknown in these statements, of which the first has the number after `start`.
    pub fn find(&mut self, program: &Program, bodies: &[&[Statement]], start: u32) {
        loop {
            let present = Some(self.left.clone());
            let left = HashMap::new();
            let mut flow =
                Flow { unknown: self, program, number: start, present, left, is_new: false };
            bodies.iter().for_each(|body| flow.body(body));
            if !flow.is_new {
                return;
            }
        }
    }

    /// Whether a statement may find a slot unknown.
    pub fn is_read(&self, program: &Program, number: u32, slot: Slot) -> bool {
        if slot < program.variables {
            self.reads.contains(&(number, slot))
        } else {
            self.slots[slot as usize]
        }
    }

    /// Another unit may find the variables known.
    pub fn forget(&mut self, uses: &Uses) {
        for &variable in &uses.variables {
            self.slots[variable as usize] = false;
        }
        self.left.clear();
        self.reads.clear();
    }

    /// Whether a select of `dst`'s width from `a` stays within it.
    pub fn is_within(&self, program: &Program, a: Slot, offset: Slot, dst: Slot) -> bool {
        let width = |slot: Slot| u64::from(program.widths[slot as usize]);
        self.largest[offset as usize].is_some_and(|at| at.saturating_add(width(dst)) <= width(a))
    }
}

/// The variables that may be unknown; nothing where no lane comes.
type Present = Option<BTreeSet<Slot>>;

/// A walk along the statements.
struct Flow<'a> {
    unknown: &'a mut Unknown,
    program: &'a Program,
    /// Statements that have begun.
    number: u32,
    present: Present,
    /// What was unknown where lanes left a block.
    left: HashMap<Label, Present>,
    /// Whether more may be unknown when the unit begins than was thought.
    is_new: bool,
}

impl Flow<'_> {
    fn body(&mut self, body: &[Statement]) {
        for statement in body {
            self.number += 1;
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        if let Some(present) = self.present.as_ref().filter(|present| !present.is_empty()) {
            reads(statement, &mut |slot| {
                if present.contains(&slot) {
                    self.unknown.reads.insert((self.number, slot));
                }
            });
        }
        match statement {
            Statement::Compute(op) => {
                let is_unknown = self.result(op);
                self.unknown.slots[op.dst as usize] |= is_unknown;
                let largest = largest(self.program, op, |slot| self.unknown.largest[slot as usize]);
                self.unknown.largest[op.dst as usize] = largest;
            }
            Statement::Store(store) => self.store(store),
            Statement::If { then, otherwise, .. } => {
                let before = self.present.clone();
                self.body(then);
                let after = std::mem::replace(&mut self.present, before);
                self.body(otherwise);
                self.meet(after);
            }
            Statement::Switch(switch) => {
                let before = self.present.take();
                for arm in &switch.arms {
                    let after = std::mem::replace(&mut self.present, before.clone());
                    self.body(arm);
                    self.meet(after);
                }
            }
            Statement::Block { label, body } => {
                self.body(body);
                let left = self.left.remove(label).flatten();
                self.meet(left);
            }
            Statement::Loop { body } => {
                let number = self.number;
                loop {
                    let before = self.present.clone();
                    self.number = number;
                    self.body(body);
                    // A turn may carry something to the next.
                    self.meet(before.clone());
                    if self.present == before {
                        break;
                    }
                }
                self.present = None;
            }
            Statement::Exit(label) => {
                let here = self.present.take();
                let entry = self.left.entry(*label).or_default();
                *entry = union(entry.take(), here);
            }
        }
    }

    fn meet(&mut self, other: Present) {
        self.present = union(self.present.take(), other);
    }

    fn store(&mut self, store: &Store) {
        let Some(variable) = variable(store) else { return };
        let is_unknown = self.unknown.is_read(self.program, self.number, store.value);
        self.unknown.slots[variable as usize] |= is_unknown;
        if store.nonblocking {
            return;
        }
        if let Some(present) = &mut self.present {
            if is_unknown {
                present.insert(variable);
            } else if let Target::Whole(_) = store.target {
                present.remove(&variable);
            }
        }
        if is_unknown {
            self.is_new |= self.unknown.left.insert(variable);
        }
    }

    fn result(&self, op: &Op) -> bool {
        use OpKind as K;
        let (program, number) = (self.program, self.number);
        let any = || {
            let mut operands = operands(&op.kind).into_iter();
            operands.any(|slot| self.unknown.is_read(program, number, slot))
        };
        match op.kind {
            K::Known(_) | K::IsUnknown(_) | K::CountOnes(_) | K::Same(..) => false,
            K::CaseMatches { .. } => false,
            K::Read { .. } | K::Gate { .. } | K::Resolve { net: Net::Wire, .. } => true,
            K::Power { exponent_signed: true, .. } => true,
            K::Divide { b, .. } | K::Remainder { b, .. } => any() || !is_not_zero(program, b),
            K::Select { a, offset } => any() || !self.unknown.is_within(program, a, offset, op.dst),
            _ => any(),
        }
    }
}

/// What may be unknown on one of two paths.
fn union(a: Present, b: Present) -> Present {
    match (a, b) {
        (Some(mut a), Some(b)) => {
            a.extend(b);
            Some(a)
        }
        (only, None) | (None, only) => only,
    }
}

/// Whether a slot is a constant with a bit that is 1.
fn is_not_zero(program: &Program, slot: Slot) -> bool {
    let constant = slot.checked_sub(program.variables).map(|at| at as usize);
    let constant = constant.and_then(|at| program.constants.get(at));
    constant.is_some_and(|constant| constant.value.iter().any(|&word| word != 0))
}

/// The variable that a store writes, if it is one.
pub(super) fn variable(store: &Store) -> Option<Slot> {
    match store.target {
        Target::Whole(variable)
        | Target::Part { variable, .. }
        | Target::Select { variable, .. } => Some(variable),
        Target::Word { .. } => None,
    }
}

impl Uses {
    /// What these statements use.
    pub fn of(program: &Program, bodies: &[&[Statement]]) -> Uses {
        let mut uses = Uses::default();
        for body in bodies {
            each(body, &mut |statement| uses.statement(program, statement));
        }
        for list in [&mut uses.variables, &mut uses.opened] {
            list.sort_unstable();
            list.dedup();
        }
        uses
    }

    fn statement(&mut self, program: &Program, statement: &Statement) {
        reads(statement, &mut |slot| {
            if slot < program.variables {
                self.variables.push(slot);
                self.read.insert(slot);
            }
        });
        if let Statement::Store(store) = statement
            && let Some(variable) = variable(store)
        {
            self.variables.push(variable);
            if store.nonblocking {
                self.opened.push(variable);
            }
        }
    }
}

/// The slots that a statement itself reads.
pub(super) fn reads(statement: &Statement, see: &mut impl FnMut(Slot)) {
    match statement {
        Statement::Compute(op) => operands(&op.kind).into_iter().for_each(see),
        Statement::If { condition, .. } => see(*condition),
        Statement::Switch(switch) => see(switch.selector),
        Statement::Store(store) => {
            see(store.value);
            match store.target {
                Target::Whole(_) | Target::Part { .. } => {}
                Target::Select { offset, .. } => see(offset),
                Target::Word { index, offset, .. } => {
                    see(index);
                    offset.into_iter().for_each(see);
                }
            }
        }
        Statement::Block { .. } | Statement::Loop { .. } | Statement::Exit(_) => {}
    }
}

/// Visits every statement, outer ones first.
pub(super) fn each(body: &[Statement], visit: &mut impl FnMut(&Statement)) {
    for statement in body {
        visit(statement);
        match statement {
            Statement::If { then, otherwise, .. } => {
                each(then, visit);
                each(otherwise, visit);
            }
            Statement::Switch(switch) => {
                for arm in &switch.arms {
                    each(arm, visit);
                }
            }
            Statement::Block { body, .. } | Statement::Loop { body } => each(body, visit),
            Statement::Compute(_) | Statement::Store(_) | Statement::Exit(_) => {}
        }
    }
}

/// An operation's operands in the order of its fields.
pub(super) fn operands(kind: &OpKind) -> Vec<Slot> {
    use OpKind as K;
    match kind {
        K::Concat(slots) => slots.clone(),
        &(K::Extend { a, .. } | K::Slice { a, .. } | K::Pull { a, .. }) => vec![a],
        &(K::Not(a) | K::Negate(a) | K::ReduceAnd(a) | K::ReduceOr(a) | K::ReduceXor(a)) => vec![a],
        &(K::Known(a) | K::IsUnknown(a) | K::CountOnes(a) | K::CeilLog2(a)) => vec![a],
        &(K::Select { a, offset: b }
        | K::And(a, b)
        | K::Or(a, b)
        | K::Xor(a, b)
        | K::Add(a, b)
        | K::Subtract(a, b)
        | K::Multiply(a, b)
        | K::Divide { a, b, .. }
        | K::Remainder { a, b, .. }
        | K::Power { a, b, .. }
        | K::ShiftLeft(a, b)
        | K::ShiftRight(a, b)
        | K::ShiftRightSigned(a, b)
        | K::Equal(a, b)
        | K::Same(a, b)
        | K::Matches(a, b)
        | K::CaseMatches { a, b, .. }
        | K::Less { a, b, .. }
        | K::Resolve { a, b, .. }
        | K::Gate { data: a, control: b }) => vec![a, b],
        &K::Mux { condition, a, b } => vec![condition, a, b],
        &K::Read { index, .. } => vec![index],
    }
}

#[cfg(test)]
mod tests {
    use super::super::Code;
    use super::super::code::Instruction;
    use crate::design::lower;

    /// Whether the code for known values writes both planes of `y`.
    fn may_be_unknown(body: &str) -> bool {
        let text = format!(
            "module top(input c, input [3:0] a, b, output reg [3:0] y); reg [3:0] t; integer i; {body} endmodule"
        );
        let program = lower(&text, Some("top")).expect("a legal text").program;
        let code = Code::new(&program.expect("all of it is lowered"));
        let own = code.outputs[0].1;
        let variable = code.variables[own as usize];
        let cells = [variable.place.cell, variable.shadow];
        let last = code.units.last().expect("there is a process");
        let (mut known, mut both) = (0, 0);
        for instruction in &code.instructions[last.known_start as usize..] {
            match instruction {
                Instruction::PutKnown(put) => known += u32::from(cells.contains(&put.to)),
                Instruction::Put(put) => both += u32::from(cells.contains(&put.to)),
                Instruction::AssignKnown { variable, .. } => known += u32::from(*variable == own),
                Instruction::Assign { variable, .. } => both += u32::from(*variable == own),
                _ => {}
            }
        }
        assert!(known + both > 0, "{body}: nothing writes y");
        both > 0
    }

    #[test]
    fn what_is_known_is_followed_along_the_statements() {
        for (body, expect) in [
            ("always @* y = a / 3;", false),
            ("always @* y = a / b;", true),
            ("always @* begin if (a[0]) t = 4'bx; t = a; y = t; end", false),
            ("always @* begin t = a; if (a[0]) t = 4'bx; y = t; end", true),
            ("always @* begin t = 4'bx; if (a[0]) t = a; y = t; end", true),
            ("always @* begin t = 4'bx; if (a[0]) t = a; else t = b; y = t; end", false),
            ("always @* begin t[1:0] = 2'bx; t[3:2] = 0; y = t; end", true),
            (
                "always @* begin if (b[0]) t = a / b; case (a) 0: t = b; default: t = 1; endcase y = t; end",
                false,
            ),
            // A turn carries it to the next, and an exit past what would make it known.
            (
                "always @* begin t = a; i = a; y = 0; while (i < 9) begin y = t; t = a / b; i = i + 1; end end",
                true,
            ),
            ("always @* begin : p t = a / b; y = 0; if (a[0]) disable p; t = a; y = t; end", false),
            (
                "always @* begin begin : p t = a / b; if (a[0]) disable p; t = a; end y = t; end",
                true,
            ),
            // What the unit leaves unknown, it may find so.
            ("always @(posedge c) begin y = t; t = a / b; end", true),
            // A nonblocking write is seen later.
            ("always @(posedge c) begin t <= a / b; y <= t; end", false),
        ] {
            assert_eq!(may_be_unknown(body), expect, "{body}");
        }
    }
}
