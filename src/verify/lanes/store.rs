//! Writes: to variables and their shadows under a mask, and to memories.

#![expect(clippy::needless_range_loop, reason = "all loops over lanes are written alike")]

use super::code::{Destination, Place, Put, Write};
use super::engine::{Engine, Word, each_lane, lanes_of, ones_in};
use super::narrow::sign;
use super::number::{Number, bits_at, limb_mask, limbs};
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
    pub fn put_known(&mut self, Put { to, value }: Put, lanes: u64) {
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
    pub fn put_part_known(&mut self, Put { to, value }: Put, (shift, bits): (u8, u64), lanes: u64) {
        let own = self.cells[value as usize].value;
        let to = &mut self.cells[to as usize];
        let mask = ones_in::<L>(lanes);
        for lane in 0..L {
            let mask = mask[lane] & bits;
            to.value[lane] = to.value[lane] & !mask | own[lane] << (shift & 63) & mask;
        }
    }

    #[inline(never)]
    pub fn put_part(&mut self, Put { to, value }: Put, (shift, bits): (u8, u64), lanes: u64) {
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
        self.put_known(Put { to: cell, value }, lanes);
        let but = self.but();
        self.start_watchers_known(variable, 0, &old, cell, but);
    }

    #[inline(never)]
    pub fn assign(&mut self, variable: u32, value: u32, lanes: u64) {
        self.keep(variable, false);
        let cell = self.code.variables[variable as usize].place.cell;
        self.put_part(Put { to: cell, value }, (0, !0), lanes);
        self.compare(variable, false);
        self.note(variable);
    }

    #[inline(never)]
    pub fn keep(&mut self, variable: u32, is_known: bool) {
        let variable = &self.code.variables[variable as usize];
        self.copy(variable.shadow, variable.place.cell, variable.place.limbs, is_known);
    }

    #[inline(never)]
    pub fn compare(&mut self, number: u32, is_known: bool) {
        let variable = &self.code.variables[number as usize];
        let but = self.but();
        self.notify(number, variable.shadow, variable.place.cell, but, is_known);
    }

    /// Begins nonblocking writes. What the shadow has in its unknown plane counts only while it is noted as unknown.
    #[inline(never)]
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

    /// A write: in all lanes at once where its place is the same in all of them, else lane by lane.
    #[inline(never)]
    pub fn store(&mut self, write: &Write, mask: u64) {
        match write.to {
            Destination::Part { variable, lsb } => {
                self.store_part(variable, (lsb, 0, write.value.width), write.value, mask);
            }
            Destination::Select { variable, offset } => {
                if let Some(offset) = self.shared_index(offset, mask) {
                    let part = overlap(offset, write.value.width, variable.width);
                    if let Some(part) = part {
                        self.store_part(variable, part, write.value, mask);
                    }
                    return;
                }
                for lane in each_lane(mask) {
                    let offset = self.index(offset, lane);
                    let part = offset
                        .and_then(|offset| overlap(offset, write.value.width, variable.width));
                    if let Some(part) = part {
                        self.store_bits(variable, lane, part, write.value);
                    }
                }
            }
            Destination::Word { memory, index, offset } => {
                let but = self.but();
                if let Some(lanes) = self.store_shared_word(write, mask, memory, (index, offset)) {
                    self.start_memory_watchers(memory, lanes, but);
                    return;
                }
                let lanes = each_lane(mask)
                    .filter(|&lane| self.store_word(write, lane, memory, index, offset))
                    .fold(0, |lanes, lane| lanes | 1 << lane);
                self.start_memory_watchers(memory, lanes, but);
            }
        }
    }

    /// The same bits in all lanes of a mask.
    fn store_part(&mut self, variable: Place, part: Part, value: Place, lanes: u64) {
        if variable.cell == value.cell {
            for lane in each_lane(lanes) {
                self.store_bits(variable, lane, part, value);
            }
            return;
        }
        let mask = ones_in::<L>(lanes);
        for Chunk { to, from, bits } in chunks(part) {
            let Some((target, source)) = self.pair(variable.cell + to.0, value.cell + from.0)
            else {
                unreachable!("a variable and another value share no cell")
            };
            replace(target, to.1, (source, from.1), bits, &mask);
        }
    }

    fn store_bits(&mut self, variable: Place, lane: usize, part: Part, value: Place) {
        let (to, from) = (variable.cell as usize, value.cell as usize);
        if to == from {
            let source = self.cells[from..from + value.limbs as usize].to_vec();
            put_bits(&mut self.cells[to..], lane, part, |lsb| bits_of(&source, lane, lsb));
            return;
        }
        let (target, source) = if to < from {
            let (low, high) = self.cells.split_at_mut(from);
            (&mut low[to..], &high[..value.limbs as usize])
        } else {
            let (low, high) = self.cells.split_at_mut(to);
            (&mut high[..], &low[from..from + value.limbs as usize])
        };
        put_bits(target, lane, part, |lsb| bits_of(source, lane, lsb));
    }

    /// A signed index or offset of one lane.
    #[inline(always)]
    fn index(&self, place: Place, lane: usize) -> Option<i64> {
        let word = &self.cells[place.cell as usize];
        (word.unknown[lane] == 0).then(|| sign(word.value[lane], place.width))
    }

    /// The same where it is the same in all lanes of a mask.
    #[inline(always)]
    fn shared_index(&self, place: Place, lanes: u64) -> Option<i64> {
        let word = &self.cells[place.cell as usize];
        word.shared(lanes).map(|number| sign(number, place.width))
    }

    /// Writes to a memory now or later; whether something changed now.
    fn store_word(
        &mut self,
        write: &Write,
        lane: usize,
        memory: u32,
        index: Place,
        offset: Option<Place>,
    ) -> bool {
        let kind = &self.code.memories[memory as usize];
        let (words, width) = (i64::from(kind.words), kind.width);
        let offset = offset.map_or(Some(0), |offset| self.index(offset, lane));
        let part = offset.and_then(|offset| overlap(offset, write.value.width, width));
        let index = self.index(index, lane).filter(|index| (0..words).contains(index));
        let (Some(part), Some(index)) = (part, index) else { return false };
        let Place { cell, limbs: of_value, .. } = write.value;
        let source = &self.cells[cell as usize..(cell + of_value) as usize];
        if write.nonblocking {
            let first = self.later.len() as u32;
            self.later.extend(source.iter().flat_map(|w| [w.value[lane], w.unknown[lane]]));
            let value = (first, self.later.len() as u32);
            let (lane, index) = (lane as u32, index as u32);
            self.memory_writes.push(MemoryWrite { memory, lane, index, part, value });
            return false;
        }
        let limbs = limbs(width);
        let target = &mut self.memories[memory as usize][index as usize * limbs..][..limbs];
        put_bits(target, lane, part, |lsb| bits_of(source, lane, lsb))
    }

    /// Writes to the same word of a memory in all lanes of a mask; those in which something changed, or nothing where the
    /// word differs or is written later.
    fn store_shared_word(
        &mut self,
        write: &Write,
        lanes: u64,
        memory: u32,
        (index, offset): (Place, Option<Place>),
    ) -> Option<u64> {
        if write.nonblocking {
            return None;
        }
        let kind = &self.code.memories[memory as usize];
        let (words, width) = (i64::from(kind.words), kind.width);
        let index = self.shared_index(index, lanes)?;
        let offset = offset.map_or(Some(0), |offset| self.shared_index(offset, lanes))?;
        let part = overlap(offset, write.value.width, width);
        let Some(part) = part.filter(|_| (0..words).contains(&index)) else { return Some(0) };
        let target = &mut self.memories[memory as usize][index as usize * limbs(width)..];
        let mask = ones_in::<L>(lanes);
        let mut changed = [0; L];
        for Chunk { to, from, bits } in chunks(part) {
            let (target, source) =
                (&mut target[to.0 as usize], &self.cells[(write.value.cell + from.0) as usize]);
            let old = *target;
            replace(target, to.1, (source, from.1), bits, &mask);
            for lane in 0..L {
                changed[lane] |=
                    old.value[lane] ^ target.value[lane] | old.unknown[lane] ^ target.unknown[lane];
            }
        }
        Some(lanes_of(&changed))
    }

    fn start_memory_watchers(&mut self, memory: u32, lanes: u64, but: Option<u32>) {
        let code = self.code;
        if lanes != 0 {
            for &unit in &code.memory_watchers[memory as usize] {
                if Some(unit) != but {
                    self.schedule.start(code, unit, lanes);
                }
            }
        }
    }

    pub fn apply_memory_writes(&mut self) {
        for at in 0..self.memory_writes.len() {
            let write = self.memory_writes[at];
            if self.alive >> write.lane & 1 == 1 {
                let limbs = limbs(self.code.memories[write.memory as usize].width);
                let words = &mut self.memories[write.memory as usize];
                let target = &mut words[write.index as usize * limbs..][..limbs];
                let value = &self.later[write.value.0 as usize..write.value.1 as usize];
                let bits = |lsb| (plane_bits(value, 0, lsb), plane_bits(value, 1, lsb));
                if put_bits(target, write.lane as usize, write.part, bits) {
                    self.start_memory_watchers(write.memory, 1 << write.lane, None);
                }
            }
        }
        self.memory_writes.clear();
        self.later.clear();
    }
}

/// Bits that lie within one limb on both sides: limb and first bit of each.
pub(super) struct Chunk {
    pub to: (u32, u32),
    pub from: (u32, u32),
    /// As many ones from bit 0 on.
    pub bits: u64,
}

/// A part limb by limb.
#[inline(always)]
pub(super) fn chunks((to, from, count): Part) -> impl Iterator<Item = Chunk> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let (to, from) = (to + done, from + done);
        let chunk = (64 - to % 64).min(64 - from % 64).min(count - done);
        done += chunk;
        let bits = limb_mask(chunk, 0);
        (chunk > 0).then_some(Chunk { to: (to / 64, to % 64), from: (from / 64, from % 64), bits })
    })
}

/// Replaces `bits` from bit `to` on by those of another word from `from` on, in the lanes that are all ones in `lanes`.
#[inline(always)]
fn replace<const L: usize>(
    target: &mut Word<L>,
    to: u32,
    (source, from): (&Word<L>, u32),
    bits: u64,
    lanes: &[u64; L],
) {
    for lane in 0..L {
        let mask = lanes[lane] & bits << to;
        let (value, unknown) =
            (source.value[lane] >> from << to, source.unknown[lane] >> from << to);
        target.value[lane] = target.value[lane] & !mask | value & mask;
        target.unknown[lane] = target.unknown[lane] & !mask | unknown & mask;
    }
}

/// Replaces bits of one lane by those that `bits` gives from a bit of the value on; whether they differ.
#[inline(always)]
fn put_bits<const L: usize>(
    target: &mut [Word<L>],
    lane: usize,
    (to, from, count): Part,
    bits: impl Fn(u32) -> (u64, u64),
) -> bool {
    let mut differs = false;
    let mut done = 0;
    while done < count {
        let (limb, shift) = (((to + done) / 64) as usize, (to + done) % 64);
        let chunk = (64 - shift).min(count - done);
        let mask = limb_mask(chunk, 0) << shift;
        let (value, unknown) = bits(from + done);
        let word = &mut target[limb];
        let next = (
            word.value[lane] & !mask | value << shift & mask,
            word.unknown[lane] & !mask | unknown << shift & mask,
        );
        differs |= next != (word.value[lane], word.unknown[lane]);
        (word.value[lane], word.unknown[lane]) = next;
        done += chunk;
    }
    differs
}

/// 64 bits of one lane from a bit on, 0 where there are none.
#[inline(always)]
pub(super) fn bits_of<const L: usize>(words: &[Word<L>], lane: usize, lsb: u32) -> (u64, u64) {
    let (limb, shift) = ((lsb / 64) as usize, lsb % 64);
    let low = words.get(limb).map_or((0, 0), |word| (word.value[lane], word.unknown[lane]));
    if shift == 0 {
        return low;
    }
    let high = words.get(limb + 1).map_or((0, 0), |word| (word.value[lane], word.unknown[lane]));
    let by = 64 - shift;
    (low.0 >> shift | high.0 << by, low.1 >> shift | high.1 << by)
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
