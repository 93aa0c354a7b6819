//! Which values of a unit are known when all variables are that it deals with.

use super::range::largest;
use crate::design::program::{Net, Op, OpKind, Program, Slot, Statement, Store, Target};

/// What may be unknown although the variables were known when the unit began.
pub(super) struct Unknown {
    /// For each slot.
    pub slots: Vec<bool>,
    /// For each slot the largest number that it can be, where it is known not to be negative.
    pub largest: Vec<Option<u64>>,
}

/// What the processes of a unit read and write.
#[derive(Default)]
pub(super) struct Uses {
    pub variables: Vec<Slot>,
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
        Unknown { slots, largest }
    }

    /// Marks what may become unknown in these statements; until nothing more is found, since a loop may carry it back.
    pub fn find(&mut self, program: &Program, bodies: &[&[Statement]]) {
        loop {
            let mut is_new = false;
            for body in bodies {
                self.body(program, body, &mut is_new);
            }
            if !is_new {
                return;
            }
        }
    }

    fn body(&mut self, program: &Program, body: &[Statement], is_new: &mut bool) {
        each(body, &mut |statement| match statement {
            Statement::Compute(op) => {
                self.slots[op.dst as usize] |= self.result(program, op);
                self.largest[op.dst as usize] =
                    largest(program, op, |slot| self.largest[slot as usize]);
            }
            Statement::Store(store) => {
                if let Some(variable) = variable(store)
                    && self.slots[store.value as usize]
                    && !self.slots[variable as usize]
                {
                    self.slots[variable as usize] = true;
                    *is_new = true;
                }
            }
            _ => {}
        });
    }

    fn result(&self, program: &Program, op: &Op) -> bool {
        use OpKind as K;
        let any = || operands(&op.kind).iter().any(|&slot| self.slots[slot as usize]);
        match op.kind {
            K::Known(_) | K::IsUnknown(_) | K::CountOnes(_) | K::Same(..) => false,
            K::CaseMatches { .. } => false,
            K::Read { .. } | K::Gate { .. } | K::Resolve { net: Net::Wire, .. } => true,
            K::Power { exponent_signed: true, .. } => true,
            K::Divide { b, .. } | K::Remainder { b, .. } => any() || !is_not_zero(program, b),
            K::Select { a, offset } => any() || !self.is_within(program, a, offset, op.dst),
            _ => any(),
        }
    }

    /// Whether a select of `dst`'s width from `a` stays within it.
    pub fn is_within(&self, program: &Program, a: Slot, offset: Slot, dst: Slot) -> bool {
        let width = |slot: Slot| u64::from(program.widths[slot as usize]);
        self.largest[offset as usize].is_some_and(|at| at.saturating_add(width(dst)) <= width(a))
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
