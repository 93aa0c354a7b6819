//! What is known while a process is lowered: variables that hold a constant, and operations on constants.
//!
//! A loop whose index is known is unrolled ([`super::unroll`]), so that what its index selects has a fixed place. For that
//! the builder keeps, along the path that is being lowered, which variables hold which constant: a blocking write of
//! a constant begins it, any other write ends it, and where paths meet only what all of them agree on is kept. A process
//! is never interrupted, so nobody else writes in between.

use std::collections::HashMap;

use super::super::program::{Constant, Label, OpKind, Slot, Target};
use super::build::{Builder, mask};

/// The constants that variables hold; nothing where no lane comes.
pub(super) type Held = Option<HashMap<Slot, Slot>>;

/// What is known on the path that is being lowered.
#[derive(Clone, Default)]
pub(super) struct Path {
    held: Held,
    /// What was known where lanes left a block.
    left: HashMap<Label, Held>,
}

impl Path {
    /// Where a process begins.
    pub(super) fn begin(&mut self) {
        self.forget();
        self.left.clear();
    }

    /// Whether any lane comes here.
    pub(super) fn is_reached(&self) -> bool {
        self.held.is_some()
    }

    /// Lanes come here with whatever variables may hold.
    pub(super) fn forget(&mut self) {
        self.held = Some(HashMap::new());
    }

    /// The constant that a variable holds.
    pub(super) fn constant(&self, variable: Slot) -> Option<Slot> {
        self.held.as_ref()?.get(&variable).copied()
    }

    /// Takes a blocking write in; `constant` is what the variable holds as a whole after it, if that is known.
    pub(super) fn write(&mut self, target: &Target, constant: Option<Slot>) {
        let (Some(held), Some(variable)) = (&mut self.held, target.variable()) else { return };
        match (target, constant) {
            (Target::Whole(_), Some(constant)) => held.insert(variable, constant),
            _ => held.remove(&variable),
        };
    }

    /// Here paths part: what is known before.
    pub(super) fn part(&self) -> Held {
        self.held.clone()
    }

    /// Goes on with what was known elsewhere; gives what is known here.
    pub(super) fn go_to(&mut self, held: Held) -> Held {
        std::mem::replace(&mut self.held, held)
    }

    /// Another path comes to this point.
    pub(super) fn meet(&mut self, other: Held) {
        self.held = meet(self.held.take(), other);
    }

    /// The lanes that are here leave a block.
    pub(super) fn exit(&mut self, label: Label) {
        let here = self.held.take();
        self.exit_some(label, here);
    }

    /// Some lanes leave a block with this known.
    pub(super) fn exit_some(&mut self, label: Label, here: Held) {
        let entry = self.left.entry(label).or_default();
        *entry = meet(entry.take(), here);
    }

    /// The end of a block: those that left it are here again.
    pub(super) fn end(&mut self, label: Label) {
        let left = self.left.remove(&label).flatten();
        self.meet(left);
    }
}

fn meet(a: Held, b: Held) -> Held {
    match (a, b) {
        (Some(mut a), Some(b)) => {
            a.retain(|variable, constant| b.get(variable) == Some(constant));
            Some(a)
        }
        (only, None) | (None, only) => only,
    }
}

impl Builder {
    /// The result of an operation, as a constant or as one of its operands, where that can be said now. Only numbers of
    /// one word without unknown bits are computed: those are what indices and conditions of loops are.
    pub(super) fn folded(&mut self, width: u32, kind: &OpKind) -> Option<Slot> {
        match kind {
            OpKind::Concat(parts) if parts.len() > 1 => return self.joined(width, parts),
            OpKind::Mux { condition, a, b } => {
                return self
                    .small(*condition)
                    .map(|condition| if condition == 1 { *a } else { *b });
            }
            &OpKind::Select { a, offset } => {
                let lsb = u32::try_from(self.number_of(offset, true)?).ok()?;
                let inside = lsb.checked_add(width)? <= self.width(a);
                return if inside { self.slice(a, lsb, width).ok() } else { None };
            }
            _ => {}
        }
        if width > 64 {
            return None;
        }
        let result = self.computed(kind)?;
        let mut value = [result];
        mask(&mut value, width);
        Some(self.constant(width, Constant { value: value.to_vec(), unknown: vec![0] }))
    }

    fn computed(&self, kind: &OpKind) -> Option<u64> {
        let signed = |slot: Slot| Some(sign(self.small(slot)?, self.width(slot)));
        Some(match *kind {
            OpKind::Not(a) => !self.small(a)?,
            OpKind::Negate(a) => self.small(a)?.wrapping_neg(),
            OpKind::Known(a) => self.small(a)?,
            OpKind::IsUnknown(a) => self.small(a).map(|_| 0)?,
            OpKind::ReduceOr(a) => u64::from(self.small(a)? != 0),
            OpKind::ReduceXor(a) => u64::from(self.small(a)?.count_ones() % 2),
            OpKind::And(a, b) => self.small(a)? & self.small(b)?,
            OpKind::Or(a, b) => self.small(a)? | self.small(b)?,
            OpKind::Xor(a, b) => self.small(a)? ^ self.small(b)?,
            OpKind::Add(a, b) => self.small(a)?.wrapping_add(self.small(b)?),
            OpKind::Subtract(a, b) => self.small(a)?.wrapping_sub(self.small(b)?),
            OpKind::Multiply(a, b) => self.small(a)?.wrapping_mul(self.small(b)?),
            OpKind::Divide { a, b, signed: false } => self.small(a)?.checked_div(self.small(b)?)?,
            OpKind::Divide { a, b, signed: true } => {
                signed(a)?.checked_div(signed(b)?)?.cast_unsigned()
            }
            OpKind::Remainder { a, b, signed: false } => {
                self.small(a)?.checked_rem(self.small(b)?)?
            }
            OpKind::Remainder { a, b, signed: true } => {
                signed(a)?.checked_rem(signed(b)?)?.cast_unsigned()
            }
            OpKind::ShiftLeft(a, b) => {
                let by = u32::try_from(self.small(b)?).unwrap_or(u32::MAX);
                self.small(a)?.checked_shl(by).unwrap_or(0)
            }
            OpKind::ShiftRight(a, b) => {
                let by = u32::try_from(self.small(b)?).unwrap_or(u32::MAX);
                self.small(a)?.checked_shr(by).unwrap_or(0)
            }
            OpKind::ShiftRightSigned(a, b) => {
                (signed(a)? >> self.small(b)?.min(63)).cast_unsigned()
            }
            OpKind::Equal(a, b) | OpKind::Same(a, b) => u64::from(self.small(a)? == self.small(b)?),
            OpKind::Less { a, b, signed: false } => u64::from(self.small(a)? < self.small(b)?),
            OpKind::Less { a, b, signed: true } => u64::from(signed(a)? < signed(b)?),
            _ => return None,
        })
    }

    /// The bits of a known constant of one word.
    fn small(&self, slot: Slot) -> Option<u64> {
        let constant = self.constant_of(slot)?;
        let is_small = self.width(slot) <= 64 && constant.unknown[0] == 0;
        is_small.then(|| constant.value[0])
    }

    /// Constants side by side.
    fn joined(&mut self, width: u32, parts: &[Slot]) -> Option<Slot> {
        let words = width.div_ceil(64) as usize;
        let mut joined = Constant { value: vec![0; words], unknown: vec![0; words] };
        let mut lsb = width;
        for &part in parts {
            let constant = self.constant_of(part)?;
            let own = self.width(part);
            lsb -= own;
            put(&mut joined.value, &constant.value, lsb);
            put(&mut joined.unknown, &constant.unknown, lsb);
        }
        Some(self.constant(width, joined))
    }
}

/// Puts the bits of a part, of which those above its width are 0, into a plane from a bit on.
fn put(plane: &mut [u64], part: &[u64], lsb: u32) {
    let (first, shift) = ((lsb / 64) as usize, lsb % 64);
    for (at, &word) in part.iter().enumerate() {
        if let Some(low) = plane.get_mut(first + at) {
            *low |= word << shift;
        }
        if shift > 0
            && let Some(high) = plane.get_mut(first + at + 1)
        {
            *high |= word >> (64 - shift);
        }
    }
}

fn sign(value: u64, width: u32) -> i64 {
    (value << (64 - width)).cast_signed() >> (64 - width)
}
