//! A variable with blocking and nonblocking writes, as in `if (reset) q = 0; else q <= d;`.
//!
//! The engine keeps what nonblocking writes will give in one place a variable, so they are taken to a variable of their own: it
//! begins each run as a copy, follows the blocking writes, and takes the nonblocking ones. Where one of these happens a bit is
//! turned over, and its change starts a process that writes the variable. What this does not give is a blocking write after
//! a nonblocking one to the same bits in one run: the later of the two stays, where the standard has the
//! nonblocking one last (IEEE 1800-2017, 10.4.2).

use std::collections::BTreeSet;

use super::super::program::{
    Kind, Op, OpKind, PowerUp, Slot, Statement, Store, Target, Trigger, Watch,
};
use super::analysis::Effects;
use super::build::TEMPORARIES;
use super::{Draft, Lowered, Lowering, Unsupported};

/// The variables that take the nonblocking writes of one.
struct Later {
    variable: Slot,
    next: Slot,
    turned: Slot,
}

impl Lowering<'_> {
    /// Takes blocking and nonblocking writes of one variable apart; tells whether there were any.
    pub(super) fn part_writes(&mut self, effects: &[Effects]) -> Lowered<bool> {
        let initial: Vec<bool> =
            self.processes.iter().map(|draft| draft.kind == Kind::Initial).collect();
        let running = |number: &usize| !initial[*number];
        let now: BTreeSet<Slot> = (0..effects.len())
            .filter(running)
            .flat_map(|number| effects[number].writes.iter().copied())
            .collect();
        let later: BTreeSet<Slot> =
            effects.iter().flat_map(|own| own.later.iter().copied()).collect();
        let mixed: Vec<Slot> = now.intersection(&later).copied().collect();
        for &variable in &mixed {
            let writers: Vec<usize> = (0..effects.len())
                .filter(running)
                .filter(|&n| {
                    effects[n].writes.contains(&variable) || effects[n].later.contains(&variable)
                })
                .collect();
            let &[process] = writers.as_slice() else {
                return Err(Unsupported::new("blocking and nonblocking writes by two processes"));
            };
            self.part(process, variable);
        }
        Ok(!mixed.is_empty())
    }

    fn part(&mut self, process: usize, variable: Slot) {
        let width = self.build.width(variable);
        let next = self.build.variable(width, PowerUp::Unknown);
        let turned = self.build.variable(1, PowerUp::Zero);
        let later = Later { variable, next, turned };
        let body = std::mem::take(&mut self.processes[process].body);
        let mut parted = vec![store(Target::Whole(next), variable, true)];
        parted.extend(self.parted(body, &later));
        self.processes[process].body = parted;
        self.processes.push(Draft {
            kind: Kind::Triggered,
            triggers: vec![Trigger { slot: turned, watch: Watch::Change { lsb: 0, width: 1 } }],
            watches_reads: false,
            body: vec![store(Target::Whole(variable), next, false)],
            is_assignment: false,
            line: 0,
        });
    }

    fn parted(&mut self, body: Vec<Statement>, later: &Later) -> Vec<Statement> {
        let mut parted = Vec::with_capacity(body.len());
        for statement in body {
            match statement {
                Statement::Store(own) if own.target.variable() == Some(later.variable) => {
                    let target = own.target.clone().with_variable(later.next);
                    let (value, nonblocking) = (own.value, own.nonblocking);
                    if !nonblocking {
                        parted.push(Statement::Store(own));
                    }
                    parted.push(store(target, value, true));
                    if nonblocking {
                        self.build.temporary_widths.push(1);
                        let dst = TEMPORARIES + self.build.temporary_widths.len() as Slot - 1;
                        let kind = OpKind::Not(later.turned);
                        parted.push(Statement::Compute(Op { dst, kind }));
                        parted.push(store(Target::Whole(later.turned), dst, true));
                    }
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
}

fn store(target: Target, value: Slot, nonblocking: bool) -> Statement {
    Statement::Store(Store { target, value, nonblocking })
}
