//! Writes: to variables and their shadows under a mask, and to memories.

use super::code::{Destination, Place, Write};
use super::engine::{Engine, Word, each_lane};
use super::number::{Number, bits_at, copy_bits, limb_mask, limbs};
use super::scalar::overlap;

/// A nonblocking write to a memory in one lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemoryWrite {
    memory: u32,
    lane: u32,
    /// The word.
    index: u32,
    part: Part,
    /// Where the value lies, in [`Engine::later`]: both planes.
    value: (u32, u32),
}

/// First bit in the target, first bit of the value, number of bits.
type Part = (u32, u32, u32);

/// All ones in the lanes of a mask.
#[inline(always)]
fn ones_in<const L: usize>(lanes: u64) -> [u64; L] {
    std::array::from_fn(|lane| 0u64.wrapping_sub(lanes >> lane & 1))
}

impl<const L: usize> Engine<'_, L> {
    /// A cell to write and one to read.
    #[inline(always)]
    fn pair(&mut self, to: u32, from: u32) -> Option<(&mut Word<L>, &Word<L>)> {
        let (to, from) = (to as usize, from as usize);
        if to < from {
            let (low, high) = self.cells.split_at_mut(from);
            Some((&mut low[to], &high[0]))
        } else if from < to {
            let (low, high) = self.cells.split_at_mut(to);
            Some((&mut high[0], &low[from]))
        } else {
            None
        }
    }

    #[inline(always)]
    pub fn put_known(&mut self, to: u32, value: u32, lanes: u64) {
        let Some((to, value)) = self.pair(to, value) else { return };
        if lanes == Self::FULL {
            to.value = value.value;
            return;
        }
        let mask = ones_in::<L>(lanes);
        for lane in 0..L {
            to.value[lane] = to.value[lane] & !mask[lane] | value.value[lane] & mask[lane];
        }
    }

    #[inline(always)]
    pub fn put_part_known(&mut self, to: u32, value: u32, (shift, bits): (u8, u64), lanes: u64) {
        let own = self.cells[value as usize].value;
        let to = &mut self.cells[to as usize];
        let mask = ones_in::<L>(lanes);
        for lane in 0..L {
            let mask = mask[lane] & bits;
            to.value[lane] = to.value[lane] & !mask | own[lane] << (shift & 63) & mask;
        }
    }

    #[inline(never)]
    pub fn put(&mut self, to: u32, value: u32, lanes: u64) {
        self.put_part(to, value, (0, !0), lanes);
    }

    #[inline(never)]
    pub fn put_part(&mut self, to: u32, value: u32, (shift, bits): (u8, u64), lanes: u64) {
        let own = self.cells[value as usize];
        let to = &mut self.cells[to as usize];
        let mask = ones_in::<L>(lanes);
        for lane in 0..L {
            let mask = mask[lane] & bits;
            to.value[lane] = to.value[lane] & !mask | own.value[lane] << (shift & 63) & mask;
            to.unknown[lane] = to.unknown[lane] & !mask | own.unknown[lane] << (shift & 63) & mask;
        }
    }

    /// The unit that may not start itself.
    #[inline(always)]
    fn but(&self) -> Option<u32> {
        let unit = self.schedule.current;
        (!self.code.units[unit as usize].restarts_itself).then_some(unit)
    }

    #[inline(always)]
    pub fn assign_known(&mut self, variable: u32, value: u32, lanes: u64) {
        let cell = self.code.variables[variable as usize].place.cell;
        let (old, new) = (&self.cells[cell as usize].value, &self.cells[value as usize].value);
        let mut differ = 0;
        for lane in 0..L {
            differ |= old[lane] ^ new[lane];
        }
        if differ == 0 {
            return;
        }
        let old = *old;
        self.put_known(cell, value, lanes);
        let but = self.but();
        self.start_watchers_known(variable, 0, &old, cell, but);
    }

    #[inline(never)]
    pub fn assign(&mut self, variable: u32, value: u32, lanes: u64) {
        self.keep(variable, false);
        let cell = self.code.variables[variable as usize].place.cell;
        self.put(cell, value, lanes);
        self.compare(variable, false);
        self.note(variable);
    }

    #[inline(always)]
    pub fn keep(&mut self, variable: u32, is_known: bool) {
        let variable = &self.code.variables[variable as usize];
        self.copy(variable.shadow, variable.place.cell, variable.place.limbs, is_known);
    }

    #[inline(always)]
    pub fn compare(&mut self, number: u32, is_known: bool) {
        let variable = &self.code.variables[number as usize];
        let but = self.but();
        self.notify(number, variable.shadow, variable.place.cell, but, is_known);
    }

    /// Begins nonblocking writes. What the shadow has in its unknown plane counts only while it is noted as unknown.
    #[inline(always)]
    pub fn open(&mut self, number: u32, is_known: bool) {
        let variable = &self.code.variables[number as usize];
        let shadow = self.code.variables.len() as u32 + number;
        if !self.is_open[number as usize] {
            self.is_open[number as usize] = true;
            self.opened.push(number);
            self.copy(variable.shadow, variable.place.cell, variable.place.limbs, is_known);
        } else if !is_known && !self.is_noted(shadow) {
            for limb in 0..variable.place.limbs {
                self.cells[(variable.shadow + limb) as usize].unknown = [0; L];
            }
        }
        if !is_known {
            self.set_noted(shadow, true);
        }
    }

    /// A write lane by lane.
    #[inline(never)]
    pub fn store(&mut self, write: &Write, mask: u64) {
        for lane in each_lane(mask) {
            match write.to {
                Destination::Part { variable, lsb } => {
                    self.store_bits(variable, lane, (lsb, 0, write.value.width), write.value);
                }
                Destination::Select { variable, offset } => {
                    let offset = self.index(offset, lane);
                    let part = offset
                        .and_then(|offset| overlap(offset, write.value.width, variable.width));
                    if let Some(part) = part {
                        self.store_bits(variable, lane, part, write.value);
                    }
                }
                Destination::Word { memory, index, offset } => {
                    self.store_word(write, lane, memory, index, offset);
                }
            }
        }
    }

    fn store_bits(&mut self, variable: Place, lane: usize, part: Part, value: Place) {
        let (to, from, count) = part;
        let is_narrow = variable.limbs == 1 && value.limbs == 1;
        if is_narrow {
            let own = self.cells[value.cell as usize];
            let out = &mut self.cells[variable.cell as usize];
            let mask = limb_mask(count, 0) << to;
            for (out, own) in [
                (&mut out.value[lane], own.value[lane]),
                (&mut out.unknown[lane], own.unknown[lane]),
            ] {
                *out = *out & !mask | own >> from << to & mask;
            }
            return;
        }
        let [old, new, _] = &mut self.scratch.operands;
        Self::gather(&self.cells, variable, lane, old);
        Self::gather(&self.cells, value, lane, new);
        copy_bits(&mut old.value, to, &new.value, from, count);
        copy_bits(&mut old.unknown, to, &new.unknown, from, count);
        Self::scatter(&mut self.cells, variable.cell, lane, old);
    }

    /// A signed index or offset of one lane.
    fn index(&self, place: Place, lane: usize) -> Option<i64> {
        let word = &self.cells[place.cell as usize];
        let spare = 64 - place.width;
        (word.unknown[lane] == 0).then(|| (word.value[lane] << spare).cast_signed() >> spare)
    }

    fn store_word(
        &mut self,
        write: &Write,
        lane: usize,
        memory: u32,
        index: Place,
        offset: Option<Place>,
    ) {
        let kind = &self.code.memories[memory as usize];
        let (words, width) = (i64::from(kind.words), kind.width);
        let offset = offset.map_or(Some(0), |offset| self.index(offset, lane));
        let part = offset.and_then(|offset| overlap(offset, write.value.width, width));
        let index = self.index(index, lane).filter(|index| (0..words).contains(index));
        let (Some(part), Some(index)) = (part, index) else { return };
        let first = self.later.len();
        let Place { cell, limbs, .. } = write.value;
        for limb in 0..limbs {
            let word = &self.cells[(cell + limb) as usize];
            self.later.extend([word.value[lane], word.unknown[lane]]);
        }
        let (lane, index) = (lane as u32, index as u32);
        let value = (first as u32, self.later.len() as u32);
        let later = MemoryWrite { memory, lane, index, part, value };
        if write.nonblocking {
            self.memory_writes.push(later);
        } else {
            let but = self.but();
            self.write_memory(later, but);
            self.later.truncate(first);
        }
    }

    /// Writes to a memory and starts what watches it.
    fn write_memory(&mut self, write: MemoryWrite, but: Option<u32>) {
        let code = self.code;
        let width = code.memories[write.memory as usize].width;
        let lane = write.lane as usize;
        let limbs = limbs(width);
        let first = write.index as usize * limbs;
        let words = &mut self.memories[write.memory as usize][first..first + limbs];
        let value = &self.later[write.value.0 as usize..write.value.1 as usize];
        let (to, from, count) = write.part;
        let mut is_changed = false;
        let mut done = 0;
        while done < count {
            let (limb, shift) = (((to + done) / 64) as usize, (to + done) % 64);
            let chunk = (64 - shift).min(count - done);
            let mask = limb_mask(chunk, 0) << shift;
            let own = [0, 1].map(|plane| plane_bits(value, plane, from + done) << shift & mask);
            let word = &mut words[limb];
            for (out, own) in [(&mut word.value[lane], own[0]), (&mut word.unknown[lane], own[1])] {
                let next = *out & !mask | own;
                is_changed |= next != *out;
                *out = next;
            }
            done += chunk;
        }
        if is_changed {
            for &unit in &code.memory_watchers[write.memory as usize] {
                if Some(unit) != but {
                    self.schedule.start(code, unit, 1 << lane);
                }
            }
        }
    }

    pub fn apply_memory_writes(&mut self) {
        for at in 0..self.memory_writes.len() {
            let write = self.memory_writes[at];
            if self.alive >> write.lane & 1 == 1 {
                self.write_memory(write, None);
            }
        }
        self.memory_writes.clear();
        self.later.clear();
    }
}

/// 64 bits from a bit of one plane of a value whose planes alternate.
fn plane_bits(value: &[u64], plane: usize, lsb: u32) -> u64 {
    let (limb, shift) = ((lsb / 64) as usize, lsb % 64);
    let pair = [limb, limb + 1].map(|limb| value.get(2 * limb + plane).copied().unwrap_or(0));
    bits_at(&pair, shift)
}

/// Kept for numbers of one lane.
#[derive(Default)]
pub(super) struct Scratch {
    pub operands: [Number; 3],
    pub result: Number,
}
