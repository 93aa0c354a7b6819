//! A variable with blocking and nonblocking writes, as in `if (reset) q = 0; else q <= d;`.
//!
//! The engine keeps what nonblocking writes will give in one place a variable, beside which no blocking ones go. So they
//! are taken to a variable of their own, and a third one has for each bit whether it was written: a nonblocking write turns it
//! over. When that takes effect it starts a process that puts the bits that were turned into the variable. A bit that
//! is written twice before is turned once, and has the last value (IEEE 1800-2017, 10.4.2); blocking writes that came
//! in between are overwritten in these bits and nowhere else. What is not kept is z, which such a bit takes for x.

use std::collections::BTreeSet;

use super::super::program::{
    Kind, Op, OpKind, PowerUp, Slot, Statement, Store, Target, Trigger, Watch,
};
use super::analysis::Effects;
use super::build::TEMPORARIES;
use super::{Draft, Lowered, Lowering};

/// The variables that take the nonblocking writes of one.
struct Later {
    variable: Slot,
    /// What is written.
    next: Slot,
    /// Which bits are.
    turned: Slot,
}

impl Lowering<'_> {
    /// Takes blocking and nonblocking writes of one variable apart; tells whether there were any.
    pub(super) fn part_writes(&mut self, effects: &[Effects]) -> Lowered<bool> {
        let runs_once: Vec<bool> =
            self.processes.iter().map(|draft| draft.kind == Kind::Initial).collect();
        let now: BTreeSet<Slot> = (0..effects.len())
            .filter(|&number| !runs_once[number])
            .flat_map(|number| effects[number].writes.keys().copied())
            .collect();
        let later: BTreeSet<Slot> =
            effects.iter().flat_map(|own| own.later.keys().copied()).collect();
        let mixed: Vec<Slot> = now.intersection(&later).copied().collect();
        for &variable in &mixed {
            self.part(effects, variable);
        }
        Ok(!mixed.is_empty())
    }

    fn part(&mut self, effects: &[Effects], variable: Slot) {
        let width = self.build.width(variable);
        let next = self.build.variable(width, PowerUp::Unknown);
        let turned = self.build.variable(width, PowerUp::Zero);
        let seen = self.build.variable(width, PowerUp::Zero);
        let later = Later { variable, next, turned };
        for number in (0..effects.len()).filter(|&n| effects[n].later.contains_key(&variable)) {
            let body = std::mem::take(&mut self.processes[number].body);
            self.processes[number].body = self.parted(body, &later);
        }
        let mut body = Vec::new();
        let written = self.add(&mut body, width, OpKind::Xor(turned, seen));
        let others = self.add(&mut body, width, OpKind::Not(written));
        let kept = self.add(&mut body, width, OpKind::And(variable, others));
        let new = self.add(&mut body, width, OpKind::And(next, written));
        let value = self.add(&mut body, width, OpKind::Or(kept, new));
        body.push(store(Target::Whole(variable), value, false));
        body.push(store(Target::Whole(seen), turned, false));
        self.processes.push(Draft {
            kind: Kind::Triggered,
            triggers: vec![Trigger { slot: turned, watch: Watch::Change { lsb: 0, width } }],
            watches_reads: false,
            body,
            is_assignment: false,
            line: 0,
        });
    }

    /// Adds an operation to code that is made already.
    fn add(&mut self, body: &mut Vec<Statement>, width: u32, kind: OpKind) -> Slot {
        self.build.temporary_widths.push(width);
        let dst = TEMPORARIES + self.build.temporary_widths.len() as Slot - 1;
        body.push(Statement::Compute(Op { dst, kind }));
        dst
    }

    fn parted(&mut self, body: Vec<Statement>, later: &Later) -> Vec<Statement> {
        let mut parted = Vec::with_capacity(body.len());
        for statement in body {
            match statement {
                Statement::Store(own)
                    if own.nonblocking && own.target.variable() == Some(later.variable) =>
                {
                    self.write_later(&mut parted, &own, later);
                }
                Statement::If { condition, then, otherwise } => parted.push(Statement::If {
                    condition,
                    then: self.parted(then, later),
                    otherwise: self.parted(otherwise, later),
                }),
                Statement::Switch(mut switch) => {
                    let arms = std::mem::take(&mut switch.arms).into_iter();
                    switch.arms = arms.map(|arm| self.parted(arm, later)).collect();
                    parted.push(Statement::Switch(switch));
                }
                Statement::Block { label, body } => {
                    parted.push(Statement::Block { label, body: self.parted(body, later) });
                }
                Statement::Loop { body } => {
                    parted.push(Statement::Loop { body: self.parted(body, later) });
                }
                other => parted.push(other),
            }
        }
        parted
    }

    /// The value goes to the next one, and the bits that it is written to are turned over.
    fn write_later(&mut self, body: &mut Vec<Statement>, own: &Store, later: &Later) {
        let width = self.build.width(own.value);
        let before = match own.target {
            Target::Part { lsb, .. } => {
                self.add(body, width, OpKind::Slice { a: later.turned, lsb })
            }
            Target::Select { offset, .. } => {
                self.add(body, width, OpKind::Select { a: later.turned, offset })
            }
            Target::Whole(_) | Target::Word { .. } => later.turned,
        };
        let turned = self.add(body, width, OpKind::Not(before));
        body.push(store(own.target.clone().with_variable(later.next), own.value, true));
        body.push(store(own.target.clone().with_variable(later.turned), turned, true));
    }
}

fn store(target: Target, value: Slot, nonblocking: bool) -> Statement {
    Statement::Store(Store { target, value, nonblocking })
}
