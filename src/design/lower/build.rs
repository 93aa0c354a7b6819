//! The operations of one process as they are made: slots, constants, and the block that statements go to.
//!
//! While a design is lowered nobody knows how many variables it will have, so slots are numbered in three
//! ranges of their own, and [`super::finish`] gives them their final numbers.

use std::collections::HashMap;

use super::super::program::{
    Constant, Label, Memory, MemoryId, Op, OpKind, PowerUp, Slot, Statement, Store, Target,
};
use super::Unsupported;
use super::fold::Path;

/// First number of a constant.
pub(super) const CONSTANTS: Slot = 1 << 30;
/// First number of a temporary.
pub(super) const TEMPORARIES: Slot = 1 << 31;

/// Widest value.
pub(super) const WIDTH_MAX: u64 = 1 << 16;
/// Words of all memories at most, and bits of them.
const MEMORY_WORDS_MAX: u64 = 1 << 20;
const MEMORY_BITS_MAX: u64 = 1 << 24;
/// Operations of a design at most; the largest of 32,000 real candidates that Icarus compiles has some thousands.
const OPS_MAX: usize = 1 << 18;

/// What is being built.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) variable_widths: Vec<u32>,
    pub(super) power_up: Vec<PowerUp>,
    pub(super) constants: Vec<Constant>,
    constant_widths: Vec<u32>,
    known: HashMap<(u32, Constant), Slot>,
    pub(super) temporary_widths: Vec<u32>,
    pub(super) memories: Vec<Memory>,
    memory_words: u64,
    memory_bits: u64,
    pub(super) labels: u32,
    /// The statements of the innermost open block.
    pub(super) code: Vec<Statement>,
    /// What is known where they end.
    pub(super) path: Path,
    /// Operations and writes made, those that were given up again as well.
    pub(super) made: usize,
}

impl Builder {
    pub(super) fn width(&self, slot: Slot) -> u32 {
        let (range, at) = split(slot);
        match range {
            Range::Variable => self.variable_widths[at],
            Range::Constant => self.constant_widths[at],
            Range::Temporary => self.temporary_widths[at],
        }
    }

    pub(super) fn constant_widths(&self) -> &[u32] {
        &self.constant_widths
    }

    pub(super) fn variable(&mut self, width: u32, power_up: PowerUp) -> Slot {
        self.variable_widths.push(width);
        self.power_up.push(power_up);
        self.variable_widths.len() as Slot - 1
    }

    pub(super) fn memory(&mut self, memory: Memory) -> Result<MemoryId, Unsupported> {
        self.memory_words += u64::from(memory.words);
        self.memory_bits += u64::from(memory.words) * u64::from(memory.width);
        if self.memory_words > MEMORY_WORDS_MAX || self.memory_bits > MEMORY_BITS_MAX {
            return Err(Unsupported::new("a memory larger than lanes hold"));
        }
        self.memories.push(memory);
        Ok(self.memories.len() as MemoryId - 1)
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels += 1;
        self.labels - 1
    }

    pub(super) fn emit(&mut self, width: u32, kind: OpKind) -> Result<Slot, Unsupported> {
        if let Some(slot) = self.folded(width, &kind) {
            return Ok(slot);
        }
        if self.temporary_widths.len() >= OPS_MAX {
            return Err(Unsupported::new("a design of too many operations"));
        }
        self.made += 1;
        self.temporary_widths.push(width);
        let dst = TEMPORARIES + self.temporary_widths.len() as Slot - 1;
        self.code.push(Statement::Compute(Op { dst, kind }));
        Ok(dst)
    }

    pub(super) fn store(&mut self, target: Target, value: Slot, nonblocking: bool) {
        self.made += 1;
        if !nonblocking {
            self.path.write(&target, self.constant_of(value).map(|_| value));
        }
        self.code.push(Statement::Store(Store { target, value, nonblocking }));
    }

    // Constants.

    pub(super) fn constant(&mut self, width: u32, constant: Constant) -> Slot {
        let key = (width, constant);
        if let Some(&slot) = self.known.get(&key) {
            return slot;
        }
        let slot = CONSTANTS + self.constants.len() as Slot;
        self.constants.push(key.1.clone());
        self.constant_widths.push(width);
        self.known.insert(key, slot);
        slot
    }

    /// Takes back all constants but the first, which nothing may use.
    pub(super) fn forget_constants(&mut self, kept: usize) {
        if kept < self.constants.len() {
            self.constants.truncate(kept);
            self.constant_widths.truncate(kept);
            self.known.retain(|_, slot| split(*slot).1 < kept);
        }
    }

    /// The low bits of a number, sign-extended.
    pub(super) fn number(&mut self, width: u32, number: i64) -> Slot {
        let words = width.div_ceil(64) as usize;
        let mut value = vec![if number < 0 { u64::MAX } else { 0 }; words];
        value[0] = number as u64;
        mask(&mut value, width);
        self.constant(width, Constant { value, unknown: vec![0; words] })
    }

    pub(super) fn unknown(&mut self, width: u32) -> Slot {
        let mut unknown = vec![u64::MAX; width.div_ceil(64) as usize];
        mask(&mut unknown, width);
        self.constant(width, Constant { value: vec![0; unknown.len()], unknown })
    }

    pub(super) fn high_impedance(&mut self, width: u32) -> Slot {
        let mut unknown = vec![u64::MAX; width.div_ceil(64) as usize];
        mask(&mut unknown, width);
        self.constant(width, Constant { value: unknown.clone(), unknown })
    }

    /// A variable's constant where it is known to hold one, or the variable.
    pub(super) fn present(&self, variable: Slot) -> Slot {
        self.path.constant(variable).unwrap_or(variable)
    }

    pub(super) fn constant_of(&self, slot: Slot) -> Option<&Constant> {
        match split(slot) {
            (Range::Constant, at) => Some(&self.constants[at]),
            _ => None,
        }
    }

    /// The value of a known constant that fits, taken as a number of that sign.
    pub(super) fn number_of(&self, slot: Slot, signed: bool) -> Option<i64> {
        let constant = self.constant_of(slot)?;
        let width = self.width(slot);
        if constant.unknown.iter().any(|&word| word != 0) {
            return None;
        }
        let low = constant.value[0];
        let negative =
            signed && constant.value[(width as usize - 1) / 64] >> ((width - 1) % 64) & 1 == 1;
        let fill = if negative { u64::MAX } else { 0 };
        let mut extended = constant.value.clone();
        if negative {
            let last = extended.len() - 1;
            if !width.is_multiple_of(64) {
                extended[last] |= u64::MAX << (width % 64);
            }
        }
        let high_same = extended[1..].iter().all(|&word| word == fill);
        let number = if negative && width < 64 { low | u64::MAX << width } else { low } as i64;
        (high_same && (number < 0) == negative).then_some(number)
    }

    // Operations, folded where a constant makes that easy.

    /// The value as wide as asked for.
    pub(super) fn resize(
        &mut self,
        a: Slot,
        width: u32,
        signed: bool,
    ) -> Result<Slot, Unsupported> {
        let own = self.width(a);
        if own == width {
            return Ok(a);
        }
        if let Some(constant) = self.constant_of(a) {
            let resized = resized(constant, own, width, signed);
            return Ok(self.constant(width, resized));
        }
        if width < own {
            return self.emit(width, OpKind::Slice { a, lsb: 0 });
        }
        self.emit(width, OpKind::Extend { a, signed })
    }

    pub(super) fn slice(&mut self, a: Slot, lsb: u32, width: u32) -> Result<Slot, Unsupported> {
        if lsb == 0 && self.width(a) == width {
            return Ok(a);
        }
        if let Some(constant) = self.constant_of(a) {
            let own = self.width(a);
            let bits = |plane: &[u64]| {
                let mut out = vec![0u64; width.div_ceil(64) as usize];
                for bit in 0..width.min(own.saturating_sub(lsb)) {
                    let from = (lsb + bit) as usize;
                    out[bit as usize / 64] |= (plane[from / 64] >> (from % 64) & 1) << (bit % 64);
                }
                out
            };
            let constant =
                Constant { value: bits(&constant.value), unknown: bits(&constant.unknown) };
            return Ok(self.constant(width, constant));
        }
        self.emit(width, OpKind::Slice { a, lsb })
    }

    /// Side by side, the first one highest.
    pub(super) fn concat(&mut self, parts: Vec<Slot>) -> Result<Slot, Unsupported> {
        let width: u64 = parts.iter().map(|&part| u64::from(self.width(part))).sum();
        if width > WIDTH_MAX {
            return Err(Unsupported::new("a value wider than lanes hold"));
        }
        if parts.len() == 1 {
            return Ok(parts[0]);
        }
        self.emit(width as u32, OpKind::Concat(parts))
    }

    pub(super) fn not(&mut self, a: Slot) -> Result<Slot, Unsupported> {
        self.emit(self.width(a), OpKind::Not(a))
    }

    /// What a slot holds now: it may change before it is used.
    pub(super) fn copy(&mut self, a: Slot) -> Result<Slot, Unsupported> {
        if self.constant_of(a).is_some() {
            return Ok(a);
        }
        self.emit(self.width(a), OpKind::Concat(vec![a]))
    }

    /// One bit: whether any bit is 1.
    pub(super) fn truth(&mut self, a: Slot) -> Result<Slot, Unsupported> {
        if self.width(a) == 1 { Ok(a) } else { self.emit(1, OpKind::ReduceOr(a)) }
    }
}

/// A range of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    Variable,
    Constant,
    Temporary,
}

/// The range of a slot and its index there.
pub(super) fn split(slot: Slot) -> (Range, usize) {
    if slot >= TEMPORARIES {
        (Range::Temporary, (slot - TEMPORARIES) as usize)
    } else if slot >= CONSTANTS {
        (Range::Constant, (slot - CONSTANTS) as usize)
    } else {
        (Range::Variable, slot as usize)
    }
}

/// Clears the bits above a width.
pub(super) fn mask(words: &mut [u64], width: u32) {
    if !width.is_multiple_of(64)
        && let Some(last) = words.last_mut()
    {
        *last &= (1 << (width % 64)) - 1;
    }
}

fn resized(constant: &Constant, own: u32, width: u32, signed: bool) -> Constant {
    let plane = |words: &[u64]| {
        let mut out = words.to_vec();
        out.resize(width.div_ceil(64) as usize, 0);
        let top = (own - 1) as usize;
        if width > own && signed && words[top / 64] >> (top % 64) & 1 == 1 {
            for bit in own..width {
                out[bit as usize / 64] |= 1 << (bit % 64);
            }
        }
        mask(&mut out, width);
        out
    };
    Constant { value: plane(&constant.value), unknown: plane(&constant.unknown) }
}
