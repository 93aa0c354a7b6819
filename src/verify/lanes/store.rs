//! Writes: to variables and their shadows under a mask, and to memories.

use super::code::{Destination, Place, Write};
use super::engine::{Engine, each_lane};
use super::number::{Number, copy_bits, limbs};
use super::scalar::overlap;

/// A nonblocking write to a memory in one lane.
#[derive(Clone, Debug)]
pub(super) struct MemoryWrite {
    memory: u32,
    lane: usize,
    /// The word.
    index: usize,
    /// The bits within the word, and where they are in the value.
    part: Part,
    value: Number,
}

/// First bit in the target, first bit of the value, number of bits.
type Part = (u32, u32, u32);

impl<const L: usize> Engine<'_, L> {
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
        let [old, new, _] = &mut self.scratch.operands;
        Self::gather(&self.cells, variable, lane, old);
        Self::gather(&self.cells, value, lane, new);
        put(old, part, new);
        Self::scatter(&mut self.cells, variable.cell, lane, old);
    }

    /// A signed index or offset of one lane.
    fn index(&mut self, place: Place, lane: usize) -> Option<i64> {
        let number = &mut self.scratch.operands[0];
        Self::gather(&self.cells, place, lane, number);
        number.index()
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
        let mut value = Number::default();
        Self::gather(&self.cells, write.value, lane, &mut value);
        let write_to = MemoryWrite { memory, lane, index: index as usize, part, value };
        if write.nonblocking {
            self.memory_writes.push(write_to);
        } else {
            let unit = self.code.units[self.schedule.current as usize];
            let but = (!unit.restarts_itself).then_some(self.schedule.current);
            self.write_memory(&write_to, but);
        }
    }

    /// Writes to a memory and starts what watches it.
    fn write_memory(&mut self, write: &MemoryWrite, but: Option<u32>) {
        let code = self.code;
        let width = code.memories[write.memory as usize].width;
        let place =
            Place { cell: (write.index * limbs(width)) as u32, limbs: limbs(width) as u32, width };
        let words = &mut self.memories[write.memory as usize];
        let [old, new, _] = &mut self.scratch.operands;
        Self::gather(words, place, write.lane, old);
        new.clone_from(old);
        put(new, write.part, &write.value);
        if old == new {
            return;
        }
        Self::scatter(words, place.cell, write.lane, new);
        for &process in &code.memory_watchers[write.memory as usize] {
            if Some(process) != but {
                self.schedule.start(code, process, 1 << write.lane);
            }
        }
    }

    pub fn apply_memory_writes(&mut self) {
        let mut writes = std::mem::take(&mut self.memory_writes);
        for write in writes.drain(..) {
            if self.alive >> write.lane & 1 == 1 {
                self.write_memory(&write, None);
            }
        }
        self.memory_writes = writes;
    }
}

/// Replaces a part of a number.
fn put(target: &mut Number, (to, from, count): Part, value: &Number) {
    copy_bits(&mut target.value, to, &value.value, from, count);
    copy_bits(&mut target.unknown, to, &value.unknown, from, count);
}
