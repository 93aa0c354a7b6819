//! Which instruction an operation becomes.

use super::code::{Four, General, Instruction, One, Operation, Place, Read, Two};
use super::flatten::{Flattener, NOWHERE};
use super::known::operands;
use super::number::{limb_mask, limbs};
use crate::design::program::{Net, Op, OpKind, Slot};

impl Flattener<'_> {
    pub fn operation(&mut self, op: &Op) {
        if self.is_renamed(op) {
            return;
        }
        if let OpKind::Read { memory, index } = op.kind {
            let index = self.place(index);
            let dst = self.result(op.dst, false);
            self.code.reads.push(Read { dst, memory, index });
            self.emit(Instruction::Read(self.code.reads.len() as u32 - 1));
            return;
        }
        if let OpKind::Concat(pieces) = &op.kind
            && self.concatenation(op.dst, pieces)
        {
            return;
        }
        let slots = operands(&op.kind);
        let is_narrow = self.program.widths[op.dst as usize] <= 64;
        let is_value_alone = self.is_value_alone(op.dst, &slots);
        if is_narrow && is_value_alone {
            let dst = self.upcoming(true);
            if let Some(instruction) = self.known(dst, op) {
                self.result(op.dst, true);
                self.emit(instruction);
                return;
            }
        }
        // An operation without an instruction for known values has one that writes 0 to the unknown plane; but not in lanes
        // that wait, where a variable that is known here may have unknown bits.
        let is_value_alone = is_value_alone
            && slots.iter().all(|&slot| slot >= self.program.variables || self.stays_known(slot));
        if is_narrow {
            let dst = self.upcoming(is_value_alone);
            if let Some(instruction) = self.four(dst, op) {
                self.result(op.dst, is_value_alone);
                self.emit(instruction);
                return;
            }
        }
        let places = slots.iter().map(|&slot| self.place(slot)).collect();
        let dst = self.result(op.dst, is_value_alone);
        self.code.generals.push(General { kind: op.kind.clone(), dst, operands: places });
        let index = self.code.generals.len() as u32 - 1;
        self.emit(match super::wide::has(&op.kind) {
            true => Instruction::Wide(index),
            false => Instruction::General(index),
        });
    }

    /// Whether an operation can do with the value plane: all is known, and no operand lies above where the result
    /// would.
    fn is_value_alone(&self, dst: Slot, operands: &[Slot]) -> bool {
        let is_below = |slot: Slot| self.cells[slot as usize] < self.both_start;
        self.is_known(dst) && operands.iter().all(|&slot| self.is_known(slot) && is_below(slot))
    }

    /// Gives a temporary its cells.
    fn result(&mut self, slot: Slot, is_value_alone: bool) -> Place {
        let last = self.lives.last(slot, self.now);
        self.cells[slot as usize] = self.cells_until(
            limbs(self.program.widths[slot as usize]) as u32,
            last,
            is_value_alone,
        );
        self.placed.push(slot);
        self.place(slot)
    }

    /// Gives out cells until they are read for the last time.
    fn cells_until(&mut self, cells: u32, last: u32, is_value_alone: bool) -> u32 {
        self.upcoming(is_value_alone);
        let (stack, start) = match is_value_alone {
            true => (&mut self.known, self.known_start),
            false => (&mut self.both, self.both_start),
        };
        let first = stack.push(cells, last);
        assert!(first + cells <= self.lives.cells, "more cells than were counted");
        start + first
    }

    /// The next cell of a temporary.
    fn upcoming(&mut self, is_value_alone: bool) -> u32 {
        match is_value_alone {
            true => self.known_start + self.known.clear(self.now),
            false => self.both_start + self.both.clear(self.now),
        }
    }

    /// A cell is also read when a slot is.
    fn keep(&mut self, cell: u32, slot: Slot) {
        let last = self.lives.last(slot, self.now);
        if cell >= self.both_start {
            self.both.keep(cell - self.both_start, last);
        } else if cell >= self.known_start {
            self.known.keep(cell - self.known_start, last);
        }
    }

    /// Gives the result the operand's cells, where it is the same number; unless that is a variable which may be
    /// written in between.
    fn is_renamed(&mut self, op: &Op) -> bool {
        let width = |slot: Slot| self.program.widths[slot as usize];
        let a = match op.kind {
            OpKind::Extend { a, signed } if width(a) == width(op.dst) || !signed => a,
            OpKind::Slice { a, lsb: 0 } => a,
            OpKind::ReduceOr(a) | OpKind::ReduceAnd(a) | OpKind::ReduceXor(a)
                if self.is_known(a) && width(a) == 1 =>
            {
                a
            }
            OpKind::Known(a) | OpKind::Pull { a, .. } if self.is_known(a) => a,
            _ => return false,
        };
        let is_steady = a >= self.program.variables || self.stores[a as usize] == 0;
        let is_same = width(a) <= width(op.dst)
            && limbs(width(a)) == limbs(width(op.dst))
            && self.is_known(a) == self.is_known(op.dst);
        let is_new = self.cells[op.dst as usize] == NOWHERE;
        if is_steady && is_same && is_new {
            self.cells[op.dst as usize] = self.cells[a as usize];
            self.keep(self.cells[a as usize], op.dst);
            self.placed.push(op.dst);
        }
        is_steady && is_same && is_new
    }

    /// Pieces that make one cell, joined two by two.
    fn concatenation(&mut self, dst: Slot, pieces: &[Slot]) -> bool {
        let width = self.program.widths[dst as usize];
        if width > 64 {
            return false;
        }
        let is_known = self.is_value_alone(dst, pieces);
        let (first, rest) = pieces.split_first().expect("a concatenation has a piece");
        let is_repeated = rest.iter().all(|piece| piece == first);
        let cell = self.place(*first).cell;
        if is_repeated && self.program.widths[*first as usize] == 1 {
            let dst = self.result(dst, is_known).cell;
            let mask = limb_mask(width, 0);
            self.emit(match is_known {
                true => Instruction::SignExtend(One { dst, a: cell }, 63, mask),
                false => four(Four::SignExtend, [dst, cell, 0, 0], width, 1),
            });
            return true;
        }
        if rest.is_empty() {
            return false;
        }
        let mut joined = cell;
        for (at, &piece) in rest.iter().enumerate() {
            let Place { cell: b, width: shift, .. } = self.place(piece);
            let to = if at + 1 == rest.len() {
                self.result(dst, is_known).cell
            } else {
                self.cells_until(1, self.now, is_known)
            };
            self.emit(match is_known {
                true => Instruction::Join(Two { dst: to, a: joined, b }, shift as u8),
                false => four(Four::Join, [to, joined, b, 0], 64, shift),
            });
            joined = to;
        }
        true
    }

    /// The number that a slot always is.
    fn number(&self, slot: Slot) -> Option<u64> {
        let at = slot.checked_sub(self.program.variables)? as usize;
        let constant = self.program.constants.get(at)?;
        let is_small = constant.value.len() == 1 && constant.unknown[0] == 0;
        is_small.then(|| constant.value[0])
    }

    /// For known operands and a known result of one cell.
    fn known(&self, dst: u32, op: &Op) -> Option<Instruction> {
        use Instruction as I;
        use OpKind as K;
        let width = |slot: Slot| self.program.widths[slot as usize];
        let cell = |slot: Slot| self.cells[slot as usize];
        let one = |a: Slot| One { dst, a: cell(a) };
        let two = |a: Slot, b: Slot| Two { dst, a: cell(a), b: cell(b) };
        let mask = limb_mask(width(op.dst), 0);
        let is_wide = operands(&op.kind).iter().any(|&slot| width(slot) > 64);
        Some(match op.kind {
            K::Slice { a, lsb } => self.slice(dst, a, lsb, width(op.dst))?,
            K::Extend { a, .. } if width(a) >= width(op.dst) => {
                self.slice(dst, a, 0, width(op.dst))?
            }
            _ if is_wide => return None,
            K::Extend { a, signed: false } | K::Known(a) | K::Pull { a, .. } => {
                I::Slice(one(a), 0, mask)
            }
            K::Extend { a, signed: true } => I::SignExtend(one(a), (64 - width(a)) as u8, mask),
            K::Select { a, offset } => I::ShiftRight(two(a, offset), mask),
            K::Not(a) => I::Not(one(a), mask),
            K::Negate(a) => I::Negate(one(a), mask),
            K::ReduceAnd(a) => I::Is(one(a), limb_mask(width(a), 0)),
            K::ReduceOr(a) => I::IsNot(one(a), 0),
            K::ReduceXor(a) => I::Parity(one(a)),
            K::And(a, b) | K::Resolve { a, b, net: Net::And } => I::And(two(a, b)),
            K::Or(a, b) | K::Resolve { a, b, net: Net::Or } => I::Or(two(a, b)),
            K::Xor(a, b) => I::Xor(two(a, b)),
            K::Add(a, b) | K::Subtract(a, b) => self.sum(dst, op, a, b),
            K::Multiply(a, b) => I::Multiply(two(a, b), mask),
            K::ShiftLeft(a, b) => match self.number(b) {
                Some(by) if by < 64 => I::Shift(one(a), by as u8, mask),
                _ => I::ShiftLeft(two(a, b), mask),
            },
            K::ShiftRight(a, b) => match self.number(b) {
                Some(by) if by < 64 => I::Slice(one(a), by as u8, mask),
                _ => I::ShiftRight(two(a, b), mask),
            },
            K::ShiftRightSigned(a, b) => {
                let shift = (64 - width(a)) as u8;
                I::ShiftRightSigned(two(a, b), shift)
            }
            K::Equal(a, b) | K::Same(a, b) | K::Matches(a, b) | K::CaseMatches { a, b, .. } => {
                match (self.number(a), self.number(b)) {
                    (_, Some(number)) => I::Is(one(a), number),
                    (Some(number), _) => I::Is(one(b), number),
                    _ => I::Equal(two(a, b)),
                }
            }
            K::Less { a, b, signed: false } => I::Less(two(a, b)),
            K::Less { a, b, signed: true } => {
                let shift = (64 - width(a)) as u8;
                I::LessSigned(two(a, b), shift)
            }
            K::Mux { condition, a, b } => I::Mux(two(a, b), cell(condition)),
            K::IsUnknown(a) => I::Slice(one(a), 0, 0),
            K::CountOnes(a) => I::CountOnes(one(a), mask),
            _ => return None,
        })
    }

    /// Bits that lie in one cell.
    fn slice(&self, dst: u32, a: Slot, lsb: u32, width: u32) -> Option<Instruction> {
        let (a, shift) = (self.cells[a as usize] + lsb / 64, lsb % 64);
        let mask = limb_mask(width, 0);
        (shift + width <= 64).then_some(Instruction::Slice(One { dst, a }, shift as u8, mask))
    }

    fn sum(&self, dst: u32, op: &Op, a: Slot, b: Slot) -> Instruction {
        let is_sum = matches!(op.kind, OpKind::Add(..));
        let width = self.program.widths[op.dst as usize];
        let (mut a, mut b) = (a, b);
        if is_sum && self.number(a).is_some() {
            (a, b) = (b, a);
        }
        let number = self.number(b).map(|n| if is_sum { n } else { n.wrapping_neg() });
        let (a, b, mask) = (self.cells[a as usize], self.cells[b as usize], limb_mask(width, 0));
        match number {
            Some(number) => Instruction::AddNumber(One { dst, a }, number, width as u8),
            None if is_sum => Instruction::Add(Two { dst, a, b }, mask),
            None => Instruction::Subtract(Two { dst, a, b }, mask),
        }
    }

    /// For a result of one cell and operands of one cell, of four states.
    fn four(&self, dst: u32, op: &Op) -> Option<Instruction> {
        use OpKind as K;
        let width = |slot: Slot| self.program.widths[slot as usize];
        let slots = operands(&op.kind);
        let [mut a, b, mut c] =
            [0, 1, 2].map(|at| slots.get(at).map_or(0, |&slot| self.cells[slot as usize]));
        let (to, from) = (width(op.dst), width(slots[0]));
        let is_wide = slots.iter().any(|&slot| width(slot) > 64);
        let (what, bits, shift) = match op.kind {
            K::Slice { lsb, .. } if lsb % 64 + to <= 64 => {
                a += lsb / 64;
                (Four::Slice, to, lsb % 64)
            }
            K::Extend { signed, .. } if to <= from || !signed && from <= 64 => (Four::Slice, to, 0),
            _ if is_wide => return None,
            K::Extend { .. } => (Four::SignExtend, to, from),
            K::Select { offset, .. } => {
                c = width(offset);
                (Four::Select, to, from)
            }
            K::CountOnes(_) => (Four::CountOnes, to, from),
            _ => (plain(&op.kind)?, if to == 1 { from } else { to }, from),
        };
        Some(four(what, [dst, a, b, c], bits, shift))
    }
}

fn four(what: Four, [dst, a, b, c]: [u32; 4], width: u32, shift: u32) -> Instruction {
    let (width, shift) = (width as u8, shift as u8);
    Instruction::Four(Operation { what, width, shift, dst, operands: [a, b, c] })
}

/// Operations that need no more than their operands and their width: that of a result of one bit is its operands'.
fn plain(kind: &OpKind) -> Option<Four> {
    use OpKind as K;
    Some(match *kind {
        K::Not(_) => Four::Not,
        K::Negate(_) => Four::Negate,
        K::ReduceAnd(_) => Four::ReduceAnd,
        K::ReduceOr(_) => Four::ReduceOr,
        K::ReduceXor(_) => Four::ReduceXor,
        K::And(..) => Four::And,
        K::Or(..) => Four::Or,
        K::Xor(..) => Four::Xor,
        K::Add(..) => Four::Add,
        K::Subtract(..) => Four::Subtract,
        K::Multiply(..) => Four::Multiply,
        K::Divide { signed: false, .. } => Four::Divide,
        K::Divide { signed: true, .. } => Four::DivideSigned,
        K::Remainder { signed: false, .. } => Four::Remainder,
        K::Remainder { signed: true, .. } => Four::RemainderSigned,
        K::ShiftLeft(..) => Four::ShiftLeft,
        K::ShiftRight(..) => Four::ShiftRight,
        K::ShiftRightSigned(..) => Four::ShiftRightSigned,
        K::Equal(..) => Four::Equal,
        K::Same(..) => Four::Same,
        K::Matches(..) => Four::Matches,
        K::CaseMatches { unknown: false, .. } => Four::CaseMatchesZ,
        K::CaseMatches { unknown: true, .. } => Four::CaseMatchesAny,
        K::Less { signed: false, .. } => Four::Less,
        K::Less { signed: true, .. } => Four::LessSigned,
        K::Mux { .. } => Four::Mux,
        K::Known(_) => Four::Known,
        K::IsUnknown(_) => Four::IsUnknown,
        K::Resolve { net: Net::Wire, .. } => Four::ResolveWire,
        K::Resolve { net: Net::And, .. } => Four::ResolveAnd,
        K::Resolve { net: Net::Or, .. } => Four::ResolveOr,
        K::Pull { one: false, .. } => Four::Pull0,
        K::Pull { one: true, .. } => Four::Pull1,
        K::Gate { .. } => Four::Gate,
        _ => return None,
    })
}
