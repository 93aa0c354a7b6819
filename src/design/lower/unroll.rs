//! Loops: each is lowered once, as a body that is run again and again, and then unrolled turn by turn where it is known
//! beforehand which turns there are.
//!
//! Unrolling is done on the statements and not on slang's tree, which takes ten times as long to walk. A turn is the body
//! once more with what is known on its path put in ([`super::fold`]): what an index selects gets a fixed place, branches
//! that are decided fall away, and loops within are unrolled in turn.

use std::collections::HashMap;

use sv_lang::BinaryOp;

use super::super::program::{Constant, Label, Op, OpKind, Slot, Statement, Store, Switch, Target};
use super::analysis::operands;
use super::build::{Range, TEMPORARIES, split};
use super::place::Place;
use super::{Lowered, Lowering};

/// Turns of a loop that is unrolled, and operations and writes that they make, at most; more are quicker as a loop.
const TURNS_MAX: usize = 1024;
const MADE_OF_LOOP_MAX: usize = 1 << 16;
/// Operations and writes made in a design after which no more loops are unrolled: attempts that were given up count.
const MADE_MAX: usize = 1 << 18;
/// Statements copied in a design after which no more loops are unrolled: most of what they do may be known, so that they
/// make nothing.
const COPIED_MAX: usize = 1 << 19;

/// Code that was lowered to be copied. Its temporaries have numbers that are given out again.
struct Template {
    code: Vec<Statement>,
    /// Initial values of declarations in it.
    declarations: Vec<Statement>,
    /// The widths of its temporaries, and the number of the first.
    widths: Vec<u32>,
    first: usize,
}

/// What the copy has in place of the template's temporaries and labels.
struct Copy {
    widths: Vec<u32>,
    first: usize,
    slots: Vec<Slot>,
    labels: HashMap<Label, Label>,
}

/// How a turn of a loop went.
enum Turn {
    /// There may be another.
    Done,
    /// It was the last, or there was none.
    Last,
    /// It is not known whether there is one.
    Open,
}

impl<'d> Lowering<'d> {
    /// Lowers a loop, whose code `make` writes knowing nothing of what holds before, and unrolls it if that can be done.
    pub(super) fn repeated(&mut self, make: impl FnOnce(&mut Self) -> Lowered<()>) -> Lowered<()> {
        let template = self.template(make)?;
        let mut copy = Copy {
            slots: vec![0; template.widths.len()],
            widths: template.widths,
            first: template.first,
            labels: HashMap::new(),
        };
        self.beforehand(|lowering| lowering.copy_all(&mut copy, &template.declarations))?;
        self.copy_all(&mut copy, &template.code)
    }

    /// What `make` writes, with nothing left of it elsewhere.
    fn template(&mut self, make: impl FnOnce(&mut Self) -> Lowered<()>) -> Lowered<Template> {
        let first = self.build.temporary_widths.len();
        let declared = self.declarations.len();
        let path = self.build.path.clone();
        self.build.path.forget();
        let (code, ()) = self.block(make)?;
        self.build.path = path;
        Ok(Template {
            code,
            declarations: self.declarations.split_off(declared),
            widths: self.build.temporary_widths.split_off(first),
            first,
        })
    }

    /// Writes code of a template again, as far as lanes come there.
    fn copy_all(&mut self, copy: &mut Copy, code: &[Statement]) -> Lowered<()> {
        for statement in code {
            if !self.build.path.is_reached() {
                break;
            }
            self.copy_one(copy, statement)?;
        }
        self.copied += code.len();
        Ok(())
    }

    fn copy_one(&mut self, copy: &mut Copy, statement: &Statement) -> Lowered<()> {
        match statement {
            Statement::Compute(op) => self.copy_op(copy, op),
            Statement::Store(store) => self.copy_store(copy, store),
            Statement::If { condition, then, otherwise } => {
                let condition = self.copied(copy, *condition);
                self.either(condition, |lowering, holds| {
                    lowering.copy_all(copy, if holds { then } else { otherwise })
                })
            }
            Statement::Switch(switch) => self.copy_switch(copy, switch),
            Statement::Block { label, body } => {
                let own = self.new_label();
                copy.labels.insert(*label, own);
                self.labelled(own, |lowering| match &body[..] {
                    [Statement::Loop { body }] => {
                        if !lowering.unrolled(copy, body, *label)? {
                            lowering.copy_loop(copy, body)?;
                        }
                        Ok(())
                    }
                    _ => lowering.copy_all(copy, body),
                })
            }
            Statement::Loop { body } => self.copy_loop(copy, body),
            Statement::Exit(label) => {
                self.exit(*copy.labels.get(label).unwrap_or(label));
                Ok(())
            }
        }
    }

    fn copy_loop(&mut self, copy: &mut Copy, body: &[Statement]) -> Lowered<()> {
        // What holds before the first turn need not hold before the others.
        self.build.path.forget();
        let (body, ()) = self.block(|lowering| lowering.copy_all(copy, body))?;
        self.build.path.go_to(None);
        self.build.code.push(Statement::Loop { body });
        Ok(())
    }

    /// Unrolls the loop of a block that lanes leave by the label, if its condition is known before each turn and there are
    /// not too many; else nothing is left of the attempt.
    fn unrolled(&mut self, copy: &mut Copy, body: &[Statement], leave: Label) -> Lowered<bool> {
        let has_test = body.iter().any(|statement| test(statement, leave).is_some());
        if !has_test || self.build.made > MADE_MAX {
            return Ok(false);
        }
        let (path, made) = (self.build.path.clone(), self.build.made);
        let (statements, temporaries) = (self.build.code.len(), self.build.temporary_widths.len());
        let constants = self.build.constants.len();
        for _ in 0..TURNS_MAX {
            self.copied += body.len();
            if self.copied > COPIED_MAX {
                break;
            }
            match self.turn(copy, body, leave)? {
                Turn::Done => {}
                Turn::Last => return Ok(true),
                Turn::Open => break,
            }
            if self.build.made - made > MADE_OF_LOOP_MAX {
                break;
            }
        }
        self.build.path = path;
        self.build.code.truncate(statements);
        self.build.temporary_widths.truncate(temporaries);
        self.build.forget_constants(constants);
        Ok(false)
    }

    fn turn(&mut self, copy: &mut Copy, body: &[Statement], leave: Label) -> Lowered<Turn> {
        for statement in body {
            if !self.build.path.is_reached() {
                return Ok(Turn::Last);
            }
            let Some(condition) = test(statement, leave) else {
                self.copy_one(copy, statement)?;
                continue;
            };
            match self.holds(self.copied(copy, condition)) {
                None => return Ok(Turn::Open),
                Some(true) => {}
                Some(false) => return Ok(Turn::Last),
            }
        }
        Ok(if self.build.path.is_reached() { Turn::Done } else { Turn::Last })
    }

    /// What a slot of the template is here.
    fn copied(&self, copy: &Copy, slot: Slot) -> Slot {
        match split(slot) {
            (Range::Temporary, at) if at >= copy.first => copy.slots[at - copy.first],
            (Range::Variable, _) => self.build.present(slot),
            _ => slot,
        }
    }

    /// Whether lanes take the `then` of a condition, if all do or none does.
    pub(super) fn holds(&self, condition: Slot) -> Option<bool> {
        let known = self.build.constant_of(condition)?;
        Some(known.value[0] & !known.unknown[0] & 1 == 1)
    }

    fn copy_op(&mut self, copy: &mut Copy, op: &Op) -> Lowered<()> {
        let at = (op.dst - TEMPORARIES) as usize - copy.first;
        let width = copy.widths[at];
        let mut kind = op.kind.clone();
        operands(&mut kind, &mut |slot| *slot = self.copied(copy, *slot));
        // By how much, where that was not constant in the template already.
        let count = match (&op.kind, &kind) {
            (
                OpKind::ShiftLeft(_, before) | OpKind::ShiftRight(_, before),
                OpKind::ShiftLeft(_, by) | OpKind::ShiftRight(_, by),
            ) if split(*before).0 != Range::Constant => self.build.number_of(*by, false),
            _ => None,
        };
        let result = match (kind, count) {
            (OpKind::ShiftLeft(a, _), Some(count)) => {
                self.constant_shift(BinaryOp::LogicalShiftLeft, a, count)?
            }
            (OpKind::ShiftRight(a, _), Some(count)) => {
                self.constant_shift(BinaryOp::LogicalShiftRight, a, count)?
            }
            (OpKind::Extend { a, signed }, _) => self.build.resize(a, width, signed)?,
            (OpKind::Slice { a, lsb }, _) => self.build.slice(a, lsb, width)?,
            (OpKind::Concat(parts), _) if parts.len() == 1 => self.build.copy(parts[0])?,
            (OpKind::Concat(parts), _) => self.build.concat(parts)?,
            (OpKind::ReduceOr(a), _) if self.build.constant_of(a).is_some() => self.is_true(a)?,
            (OpKind::Known(a), _) => self.known(a)?,
            (kind, _) => self.build.emit(width, kind)?,
        };
        // A temporary keeps its value, whatever becomes of the variable that it was found to hold.
        copy.slots[at] = match split(result).0 {
            Range::Variable => self.build.copy(result)?,
            _ => result,
        };
        Ok(())
    }

    fn copy_store(&mut self, copy: &mut Copy, store: &Store) -> Lowered<()> {
        let value = self.copied(copy, store.value);
        let target = match store.target {
            Target::Select { variable, offset } => {
                let offset = self.copied(copy, offset);
                if let Some(offset) = self.build.number_of(offset, true) {
                    let place = Place::from_bit(variable, offset, self.build.width(value));
                    return self.write(&place, value, store.nonblocking);
                }
                Target::Select { variable, offset }
            }
            Target::Word { memory, index, offset } => Target::Word {
                memory,
                index: self.copied(copy, index),
                offset: offset.map(|offset| self.copied(copy, offset)),
            },
            ref target => target.clone(),
        };
        self.build.store(target, value, store.nonblocking);
        Ok(())
    }

    fn copy_switch(&mut self, copy: &mut Copy, switch: &Switch) -> Lowered<()> {
        let selector = self.copied(copy, switch.selector);
        if let Some(Constant { value, unknown }) = self.build.constant_of(selector)
            && unknown[0] == 0
        {
            let default = switch.arms.len() - 1;
            let arm = switch.item(value[0], 0).map_or(default, |arm| arm as usize);
            return self.copy_all(copy, &switch.arms[arm]);
        }
        let arms = self.arms(&switch.arms, |lowering, arm| lowering.copy_all(copy, arm))?;
        let (items, table) = (switch.items.clone(), switch.table.clone());
        let copied = Switch { selector, wildcards: switch.wildcards, items, arms, table };
        self.build.code.push(Statement::Switch(Box::new(copied)));
        Ok(())
    }
}

/// The condition of a statement that leaves a loop where it does not hold, and does nothing else.
fn test(statement: &Statement, leave: Label) -> Option<Slot> {
    let Statement::If { condition, then, otherwise } = statement else { return None };
    let leaves = matches!(otherwise[..], [Statement::Exit(label)] if label == leave);
    (then.is_empty() && leaves).then_some(*condition)
}
