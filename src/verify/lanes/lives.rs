//! How long temporaries live, so that their cells are used again: an unrolled loop has thousands of them, of which
//! some dozens live at a time, and only what lies in the processor's nearest memory is quick.
//!
//! Cells are given out like those of a stack, since an operation finds its operands below its result: what lies on top is
//! taken away once it has been read for the last time, and what lies below something that lives waits.

use super::known::{each, reads};
use super::number::limbs;
use super::units::Group;
use crate::design::program::{OpKind, Program, Slot, Statement};

/// The lives of all temporaries. Time is the number of statements that begin, in order of the text.
pub(super) struct Lives {
    /// When each slot is read for the last time.
    last: Vec<u32>,
    /// When the code of each unit begins.
    pub starts: Vec<u32>,
    /// Cells of temporaries that live at a time, at most, where one stack has them all.
    pub cells: u32,
}

impl Lives {
    /// Those of the temporaries of all units.
    pub fn of(program: &Program, groups: &[Group]) -> Lives {
        let mut walk = Walk {
            program,
            now: 0,
            born: vec![0; program.widths.len()],
            lives: Lives {
                last: vec![0; program.widths.len()],
                starts: Vec::with_capacity(groups.len()),
                cells: 0,
            },
        };
        for group in groups {
            walk.lives.starts.push(walk.now);
            for &member in &group.members {
                walk.body(&program.processes[member].body);
            }
        }
        let cells = cells_at_most(program, groups, &walk.lives);
        Lives { cells, ..walk.lives }
    }

    /// Whether any code reads a slot.
    pub fn is_read(&self, slot: Slot) -> bool {
        self.last[slot as usize] != 0
    }

    /// When a temporary is read for the last time, if it is read after `now`.
    pub fn last(&self, slot: Slot, now: u32) -> u32 {
        self.last[slot as usize].max(now)
    }
}

/// How high a stack becomes that has the temporaries of both kinds: each kind's own is no higher, and what shares its
/// operand's cells would lie above it here.
fn cells_at_most(program: &Program, groups: &[Group], lives: &Lives) -> u32 {
    let mut most = 0;
    for (group, &start) in groups.iter().zip(&lives.starts) {
        let (mut stack, mut now) = (Stack::default(), start);
        for &member in &group.members {
            each(&program.processes[member].body, &mut |statement| {
                now += 1;
                let Statement::Compute(op) = statement else { return };
                stack.clear(now);
                // Pieces of a concatenation come between its operands and its result, one for each at most.
                if let OpKind::Concat(pieces) = &op.kind {
                    stack.push(pieces.len() as u32, now);
                }
                let width = program.widths[op.dst as usize];
                stack.push(limbs(width) as u32, lives.last(op.dst, now));
                most = most.max(stack.next);
            });
        }
    }
    most
}

struct Walk<'a> {
    program: &'a Program,
    now: u32,
    /// When each slot is computed.
    born: Vec<u32>,
    lives: Lives,
}

impl Walk<'_> {
    fn body(&mut self, body: &[Statement]) {
        for statement in body {
            self.now += 1;
            let now = self.now;
            reads(statement, &mut |slot| self.lives.last[slot as usize] = now);
            match statement {
                Statement::Compute(op) => self.born[op.dst as usize] = now,
                Statement::If { then, otherwise, .. } => {
                    self.body(then);
                    self.body(otherwise);
                }
                Statement::Switch(switch) => {
                    switch.arms.iter().for_each(|arm| self.body(arm));
                    // Which arm runs first is up to the lanes.
                    switch.arms.iter().for_each(|arm| self.stay(arm, now));
                }
                Statement::Block { body, .. } => self.body(body),
                Statement::Loop { body } => {
                    self.body(body);
                    // What was there before it began is read again in its next turn.
                    self.stay(body, now);
                }
                Statement::Store(_) | Statement::Exit(_) => {}
            }
        }
    }

    /// What these statements read and was there before `begin` may be read until now.
    fn stay(&mut self, body: &[Statement], begin: u32) {
        let (end, born) = (self.now, &self.born);
        each(body, &mut |statement| {
            reads(statement, &mut |slot| {
                let is_older = slot >= self.program.variables && born[slot as usize] < begin;
                if is_older {
                    self.lives.last[slot as usize] = end;
                }
            });
        });
    }
}

/// Cells in use, the first of which is 0.
#[derive(Default)]
pub(super) struct Stack {
    /// The first cell of each entry and when it is read for the last time.
    entries: Vec<(u32, u32)>,
    /// The next cell.
    next: u32,
}

impl Stack {
    /// Takes from the top what is not read any more, and gives the next cell.
    pub fn clear(&mut self, now: u32) -> u32 {
        while let Some(&(cell, _)) = self.entries.last().filter(|&&(_, last)| last < now) {
            self.next = cell;
            self.entries.pop();
        }
        self.next
    }

    /// Gives out so many cells until `last`, and tells the first of them.
    pub fn push(&mut self, cells: u32, last: u32) -> u32 {
        self.entries.push((self.next, last));
        self.next += cells;
        self.next - cells
    }

    /// The entry with a cell is also read then.
    pub fn keep(&mut self, cell: u32, last: u32) {
        let at = self.entries.partition_point(|&(first, _)| first <= cell);
        if let Some((_, own)) = at.checked_sub(1).and_then(|at| self.entries.get_mut(at)) {
            *own = last.max(*own);
        }
    }

    /// Nothing is in use.
    pub fn empty(&mut self) {
        self.entries.clear();
        self.next = 0;
    }
}
