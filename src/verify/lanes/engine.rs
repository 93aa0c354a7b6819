//! The state of a machine: cells, memories, and what the caller sees of them.

use pulp::Arch;

use super::code::{Code, Place};
use super::number::{Number, limb_mask, limbs};
use super::schedule::Schedule;
use super::store::{MemoryWrite, Scratch};
use super::{Bounds, Output, PowerUp, Stop};
use crate::design::program;

/// One word of a value in every lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<const L: usize> {
    pub value: [u64; L],
    pub unknown: [u64; L],
}

impl<const L: usize> Word<L> {
    pub const ZERO: Word<L> = Word { value: [0; L], unknown: [0; L] };

    /// The same in all lanes.
    pub fn all(value: u64, unknown: u64) -> Word<L> {
        Word { value: [value; L], unknown: [unknown; L] }
    }

    /// The number that all lanes of a mask have, if all have the same known one, as the index that a loop counts; of no
    /// lanes, anything. What is computed from it is read in no other lane.
    #[inline(always)]
    pub fn shared(&self, lanes: u64) -> Option<u64> {
        let first = self.value[lanes.trailing_zeros() as usize & (L - 1)];
        let mask = ones_in::<L>(lanes);
        let other = (0..L).fold(0, |other, lane| {
            other | ((self.value[lane] ^ first) | self.unknown[lane]) & mask[lane]
        });
        (other == 0).then_some(first)
    }
}

/// All ones in the lanes of a mask.
#[inline(always)]
pub(super) fn ones_in<const L: usize>(lanes: u64) -> [u64; L] {
    std::array::from_fn(|lane| 0u64.wrapping_sub(lanes >> lane & 1))
}

/// The lanes whose word is not 0.
pub(super) fn lanes_of<const L: usize>(words: &[u64; L]) -> u64 {
    words.iter().enumerate().fold(0, |lanes, (lane, &word)| lanes | u64::from(word != 0) << lane)
}

/// The lanes in a set, ascending.
pub(super) fn each_lane(mut lanes: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (lanes != 0).then(|| {
            let lane = lanes.trailing_zeros() as usize;
            lanes &= lanes - 1;
            lane
        })
    })
}

/// A machine of `L` lanes, of which the caller sees the first `lanes`; the others do what the first does.
pub(super) struct Engine<'c, const L: usize> {
    pub code: &'c Code,
    pub lanes: usize,
    pub bounds: Bounds,
    pub cells: Vec<Word<L>>,
    pub memories: Vec<Vec<Word<L>>>,
    pub schedule: Schedule,
    /// Variables with nonblocking writes that have not taken effect, in order of the first.
    pub opened: Vec<u32>,
    /// Whether a variable is among them.
    pub is_open: Vec<bool>,
    pub memory_writes: Vec<MemoryWrite>,
    /// Their values.
    pub later: Vec<u64>,
    /// Variables, and after them shadows, that may have unknown bits in some lane: a bit for each.
    pub noted: Vec<u64>,
    /// Lanes that have not stopped.
    pub alive: u64,
    pub looped: u64,
    pub unsettled: u64,
    /// Instructions since power-up, and whether they are too many.
    pub instructions: u64,
    pub is_overworked: bool,
    /// Whether no process ran in the last settling and no output is an input: then the outputs are as before.
    pub is_quiet: bool,
    pub optimistic: u64,
    /// Masks of branches, switches and blocks.
    pub frames: Vec<u64>,
    pub exited: Vec<u64>,
    /// The arm of each lane, for each switch.
    pub chosen: Vec<[u32; L]>,
    /// Iterations of loops in this settling and since power-up.
    pub iterations_of_step: [u64; L],
    pub iterations_of_episode: [u64; L],
    pub scratch: Scratch,
    /// The vectors that the processor has.
    pub vectors: Arch,
}

impl<'c, const L: usize> Engine<'c, L> {
    pub const FULL: u64 = !0 >> (64 - L);

    pub fn new(code: &'c Code, lanes: usize, bounds: Bounds) -> Engine<'c, L> {
        let mut cells = vec![Word::ZERO; code.cells as usize];
        for (cell, &(value, unknown)) in
            cells[code.constants_start as usize..].iter_mut().zip(&code.constants)
        {
            *cell = Word::all(value, unknown);
        }
        let memory = |memory: &program::Memory| {
            vec![Word::ZERO; limbs(memory.width) * memory.words as usize]
        };
        Engine {
            code,
            lanes,
            bounds,
            cells,
            memories: code.memories.iter().map(memory).collect(),
            schedule: Schedule::new(code),
            opened: Vec::new(),
            is_open: vec![false; code.variables.len()],
            memory_writes: Vec::new(),
            later: Vec::new(),
            noted: vec![0; (2 * code.variables.len()).div_ceil(64)],
            alive: Self::FULL,
            looped: 0,
            unsettled: 0,
            instructions: 0,
            is_overworked: false,
            is_quiet: false,
            optimistic: 0,
            frames: vec![0; code.frames as usize],
            exited: vec![0; code.labels as usize],
            chosen: vec![[0; L]; code.switches as usize],
            iterations_of_step: [0; L],
            iterations_of_episode: [0; L],
            scratch: Scratch::default(),
            vectors: Arch::new(),
        }
    }

    pub fn stride(&self) -> usize {
        L
    }

    pub fn power_up(&mut self, how: PowerUp<'_>) {
        self.fill_variables(how);
        self.fill_memories(how);
        self.opened.clear();
        self.is_open.fill(false);
        self.memory_writes.clear();
        self.later.clear();
        self.noted.fill(0);
        for variable in 0..self.code.variables.len() as u32 {
            self.note(variable);
        }
        (self.alive, self.looped, self.unsettled, self.optimistic) = (Self::FULL, 0, 0, 0);
        (self.instructions, self.is_overworked) = (0, false);
        self.iterations_of_step = [0; L];
        self.iterations_of_episode = [0; L];
        self.run_declarations(matches!(how, PowerUp::Random { .. }));
    }

    fn fill_variables(&mut self, how: PowerUp<'_>) {
        let code = self.code;
        for (number, (variable, power_up)) in code.variables.iter().zip(&code.power_up).enumerate()
        {
            let is_input = code.inputs.iter().any(|(_, slot)| *slot as usize == number);
            let Place { cell, limbs, width } = variable.place;
            for limb in 0..limbs as usize {
                let mask = limb_mask(width, limb);
                self.cells[cell as usize + limb] = match (power_up, how) {
                    (program::PowerUp::Unknown, PowerUp::Random { seeds }) if !is_input => {
                        self.random(seeds, [number as u64, limb as u64], mask)
                    }
                    (program::PowerUp::Unknown, _) => Word::all(0, mask),
                    (program::PowerUp::HighImpedance, _) => Word::all(mask, mask),
                    (program::PowerUp::Zero, _) => Word::ZERO,
                };
            }
        }
    }

    fn fill_memories(&mut self, how: PowerUp<'_>) {
        let code = self.code;
        for (number, memory) in code.memories.iter().enumerate() {
            let limbs = limbs(memory.width);
            for cell in 0..self.memories[number].len() {
                let mask = limb_mask(memory.width, cell % limbs);
                self.memories[number][cell] = match how {
                    _ if memory.power_up == program::PowerUp::Zero => Word::ZERO,
                    _ if memory.power_up == program::PowerUp::HighImpedance => {
                        Word::all(mask, mask)
                    }
                    PowerUp::Random { seeds } => {
                        self.random(seeds, [!(number as u64), cell as u64], mask)
                    }
                    PowerUp::Unknown => Word::all(0, mask),
                };
            }
        }
    }

    fn random(&self, seeds: &[u64], place: [u64; 2], mask: u64) -> Word<L> {
        assert_eq!(seeds.len(), self.lanes, "a seed for each lane");
        let value = std::array::from_fn(|lane| {
            let seed = seeds.get(lane).unwrap_or(&seeds[0]);
            mix(mix(mix(*seed) ^ place[0]) ^ place[1]) & mask
        });
        Word { value, unknown: [0; L] }
    }

    pub fn set_input(&mut self, port: usize, values: &[u64]) {
        let number = self.code.inputs[port].1;
        let variable = &self.code.variables[number as usize];
        let Place { cell, limbs, width } = variable.place;
        assert_eq!(values.len(), limbs as usize * self.lanes, "a word for each limb and lane");
        let is_known = !self.is_noted(number);
        for limb in 0..limbs as usize {
            let row = &values[limb * self.lanes..(limb + 1) * self.lanes];
            let mask = limb_mask(width, limb);
            let value: [u64; L] = match row.try_into() {
                Ok(value) => value,
                Err(_) => std::array::from_fn(|lane| *row.get(lane).unwrap_or(&row[0])),
            };
            let value = value.map(|word| word & mask);
            if is_known {
                let at = cell + limb as u32;
                let old = std::mem::replace(&mut self.cells[at as usize].value, value);
                if old != value {
                    self.start_watchers_known(number, limb as u32, &old, at, None);
                }
            } else {
                self.cells[variable.shadow as usize + limb] = Word { value, unknown: [0; L] };
            }
        }
        if !is_known {
            self.notify(number, cell, variable.shadow, None, false);
            self.copy(cell, variable.shadow, limbs, false);
            self.set_noted(number, false);
        }
    }

    /// Copies a value, or its value plane alone.
    #[inline(always)]
    pub fn copy(&mut self, to: u32, from: u32, limbs: u32, is_known: bool) {
        for limb in 0..limbs as usize {
            let from = self.cells[from as usize + limb];
            let to = &mut self.cells[to as usize + limb];
            to.value = from.value;
            if !is_known {
                to.unknown = from.unknown;
            }
        }
    }

    /// Whether a variable (or, after all of them, a shadow) may have unknown bits.
    #[inline(always)]
    pub fn is_noted(&self, number: u32) -> bool {
        self.noted[number as usize / 64] >> (number % 64) & 1 == 1
    }

    #[inline(always)]
    pub fn set_noted(&mut self, number: u32, is_unknown: bool) {
        let (word, bit) = (&mut self.noted[number as usize / 64], 1 << (number % 64));
        *word = if is_unknown { *word | bit } else { *word & !bit };
    }

    /// Looks whether a variable has unknown bits.
    pub fn note(&mut self, number: u32) {
        let Place { cell, limbs, .. } = self.code.variables[number as usize].place;
        let words = &self.cells[cell as usize..(cell + limbs) as usize];
        let is_unknown = words.iter().any(|word| word.unknown.iter().fold(0, |a, b| a | b) != 0);
        self.set_noted(number, is_unknown);
    }

    /// One limb of an output.
    pub fn word(&self, port: usize, limb: usize) -> (&[u64], &[u64]) {
        let place = self.code.variables[self.code.outputs[port].1 as usize].place;
        assert!(limb < place.limbs as usize, "limb {limb} of {}", place.limbs);
        let word = &self.cells[place.cell as usize + limb];
        (&word.value[..self.lanes], &word.unknown[..self.lanes])
    }

    /// Whether an output has no unknown bit in any lane.
    pub fn is_known(&self, port: usize) -> bool {
        !self.is_noted(self.code.outputs[port].1)
    }

    pub fn output(&self, port: usize) -> Output {
        let Place { cell, limbs, .. } =
            self.code.variables[self.code.outputs[port].1 as usize].place;
        let words = &self.cells[cell as usize..(cell + limbs) as usize];
        Output {
            value: words.iter().flat_map(|word| word.value).collect(),
            unknown: words.iter().flat_map(|word| word.unknown).collect(),
        }
    }

    /// Copies an output: its known bits, and which they are.
    pub fn copy_output(&self, port: usize, value: &mut [u64], defined: &mut [u64]) {
        let Place { cell, limbs, width } =
            self.code.variables[self.code.outputs[port].1 as usize].place;
        let words = &self.cells[cell as usize..(cell + limbs) as usize];
        for (limb, word) in words.iter().enumerate() {
            let mask = limb_mask(width, limb);
            let at = limb * L;
            for lane in 0..L {
                defined[at + lane] = !word.unknown[lane] & mask;
                value[at + lane] = word.value[lane] & !word.unknown[lane];
            }
        }
    }

    /// The lanes in which an output differs from `golden` in some bit of `defined`: by a known bit, and at all.
    pub fn differs(&self, port: usize, golden: &[u64], defined: &[u64]) -> (u64, u64) {
        let Place { cell, limbs, .. } =
            self.code.variables[self.code.outputs[port].1 as usize].place;
        let words = &self.cells[cell as usize..(cell + limbs) as usize];
        let (mut by_value, mut at_all) = ([0; L], [0; L]);
        for ((word, golden), defined) in
            words.iter().zip(golden.as_chunks::<L>().0).zip(defined.as_chunks::<L>().0)
        {
            for lane in 0..L {
                let differs = (word.value[lane] ^ golden[lane]) & !word.unknown[lane];
                by_value[lane] |= differs & defined[lane];
                at_all[lane] |= (differs | word.unknown[lane]) & defined[lane];
            }
        }
        if at_all.iter().fold(0, |any, word| any | word) == 0 {
            return (0, 0);
        }
        (lanes_of(&by_value), lanes_of(&at_all))
    }

    pub fn stopped(&self, why: Stop) -> u64 {
        let lanes = match why {
            Stop::Loop => self.looped,
            Stop::NotSettled => self.unsettled,
            Stop::Work if self.is_overworked => Self::FULL,
            Stop::Work => 0,
        };
        lanes & self.visible()
    }

    pub fn optimistic(&self) -> u64 {
        self.optimistic & self.visible()
    }

    /// Whether every process has run in every lane, no unknown bit decided anything, and what starts a triggered process
    /// is known: one that watches what stays x is never started.
    pub fn forgets(&self) -> bool {
        let is_known =
            self.noted.iter().zip(&self.code.heard).all(|(noted, heard)| noted & heard == 0);
        self.optimistic == 0 && is_known && self.has_run()
    }

    pub fn clear_optimistic(&mut self) {
        self.optimistic = 0;
    }

    /// The lanes that the caller knows of.
    fn visible(&self) -> u64 {
        !0 >> (64 - self.lanes)
    }

    /// One lane's value.
    pub fn gather(cells: &[Word<L>], place: Place, lane: usize, number: &mut Number) {
        number.clear(place.width);
        let words = &cells[place.cell as usize..][..place.limbs as usize];
        for (limb, word) in words.iter().enumerate() {
            number.value[limb] = word.value[lane];
            number.unknown[limb] = word.unknown[lane];
        }
    }

    /// Puts one lane's value back.
    pub fn scatter(cells: &mut [Word<L>], cell: u32, lane: usize, number: &Number) {
        let words = &mut cells[cell as usize..][..number.value.len()];
        for (limb, word) in words.iter_mut().enumerate() {
            word.value[lane] = number.value[limb];
            word.unknown[lane] = number.unknown[limb];
        }
    }
}

/// One output of splitmix64.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
