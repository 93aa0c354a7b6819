//! Modules whose outputs follow from the present inputs alone: each different row of inputs is a lane.
//!
//! Where neither the golden module nor the candidate keeps anything, it does not matter in which episode and after which
//! rows a row comes. So every row that differs is taken once, 64 at a time, and counted as often as it comes: a module with
//! six input bits has 64 of them, however long the episodes are.
//!
//! Whether that may be done is decided when the program is lowered, and again while it runs: every process must have
//! run in every lane, no unknown bit may have decided anything, and what starts an `always @…` must be known, since
//! one that stays x starts nothing. Otherwise the module is run episode by episode.

use std::hash::BuildHasher as _;

use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{Entry, HashTable};

use super::engine::each_lane;
use super::golden::{Golden, Ports};
use super::judge::{Tally, literals};
use super::{Budget, Code, LANES_MAX, Machine, PowerUp};
use crate::verify::compare::Toggles;
use crate::verify::stimulus::{Episode, Layout, StepAt, Stimulus};
use crate::verify::verdict::FirstMismatch;

/// Different rows, and the golden outputs for them.
pub(super) struct Rows {
    /// Word `w` of the inputs of row `r` is at `(r / 64 * words + w) * 64 + r % 64`; outputs likewise.
    inputs: Vec<u64>,
    value: Vec<u64>,
    /// Bits that are compared.
    defined: Vec<u64>,
    /// How often each row comes, and where first.
    found: Vec<Found>,
    /// Bits × comparison points of each output.
    pub compared: Vec<u64>,
}

/// The comparison points with a row.
#[derive(Clone, Copy)]
struct Found {
    count: u64,
    /// Episode, number of the point in it, and what it is called.
    first: (u32, usize, StepAt),
}

/// Rows as they are found.
struct Collection {
    words: usize,
    /// All different rows, one after the other.
    rows: Vec<u64>,
    found: Vec<Found>,
    /// Their numbers by their words.
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// How many rows were looked up there, and how many of these were there.
    looked_up: usize,
    met: usize,
}

/// Rows from which on only those that often come again are looked up: a look-up costs about as much as running a row.
const LOOKED_UP_MIN: usize = 1 << 18;

impl Collection {
    fn new(words: usize) -> Collection {
        Collection {
            words,
            rows: Vec::new(),
            found: Vec::new(),
            numbers: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            looked_up: 0,
            met: 0,
        }
    }

    fn add_all(&mut self, episode: &Episode, stimulus: &Stimulus) {
        let settled = stimulus.settled_from(episode);
        // The row before: mostly it is the same one.
        let mut last = None;
        for (step, &point) in episode.steps.iter().enumerate().skip(settled) {
            if stimulus.compares(point) {
                let row = &episode.rows[(step + 1) * self.words..][..self.words];
                last = Some(self.add(row, last, (episode.index, step, point)));
            }
        }
    }

    fn row(&self, number: u32) -> &[u64] {
        &self.rows[number as usize * self.words..][..self.words]
    }

    /// Adds a row; gives its number. It may be the one with the number `last`.
    fn add(&mut self, row: &[u64], last: Option<u32>, place: (u32, usize, StepAt)) -> u32 {
        let known = if last.is_some_and(|last| self.row(last) == row) {
            last
        } else if self.looked_up < LOOKED_UP_MIN || self.met * 2 > self.looked_up {
            self.look_up(row)
        } else {
            None
        };
        if let Some(number) = known {
            let found = &mut self.found[number as usize];
            found.count += 1;
            if (place.0, place.1) < (found.first.0, found.first.1) {
                found.first = place;
            }
            return number;
        }
        let number = self.found.len() as u32;
        self.found.push(Found { count: 1, first: place });
        self.rows.extend_from_slice(row);
        number
    }

    /// The number of a row that was looked up before; else it will have the next one.
    fn look_up(&mut self, row: &[u64]) -> Option<u32> {
        self.looked_up += 1;
        let (rows, words, hasher) = (&self.rows, self.words, &self.hasher);
        let own = |number: u32| &rows[number as usize * words..][..words];
        let entry = self.numbers.entry(
            hasher.hash_one(row),
            |&number| own(number) == row,
            |&number| hasher.hash_one(own(number)),
        );
        match entry {
            Entry::Occupied(entry) => {
                self.met += 1;
                Some(*entry.get())
            }
            Entry::Vacant(entry) => {
                entry.insert(self.found.len() as u32);
                None
            }
        }
    }

    /// The inputs, laid out as in [`Rows`]; the last block is filled up with its last row.
    fn inputs(&self) -> Vec<u64> {
        let blocks = self.found.len().div_ceil(LANES_MAX);
        let mut inputs = vec![0; blocks * LANES_MAX * self.words];
        for lane in 0..if self.words == 0 { 0 } else { blocks * LANES_MAX } {
            let row = self.row(lane.min(self.found.len() - 1) as u32);
            for (word, &value) in row.iter().enumerate() {
                let block = lane / LANES_MAX * self.words + word;
                inputs[block * LANES_MAX + lane % LANES_MAX] = value;
            }
        }
        inputs
    }
}

impl Rows {
    /// The rows of some episodes, if the golden module can be run so.
    pub fn new(golden: &Golden, code: &Code, ports: &Ports, episodes: &[Episode]) -> Option<Rows> {
        let words = golden.stimulus.inputs().words;
        let mut collection = Collection::new(words);
        episodes.iter().for_each(|episode| collection.add_all(episode, &golden.stimulus));
        let inputs = collection.inputs();
        let found = collection.found;
        let outputs = &golden.outputs;
        let size = found.len().div_ceil(LANES_MAX) * outputs.words * LANES_MAX;
        let (mut value, mut defined) = (vec![0; size], vec![0; size]);
        let mut rows =
            Rows { inputs, value: Vec::new(), defined: Vec::new(), found, compared: Vec::new() };
        rows.run(golden, code, ports, &Budget::of_golden(), |block, machine| {
            for (&port, &offset) in ports.outputs.iter().zip(&outputs.offsets) {
                let at = (block * outputs.words + offset) * LANES_MAX;
                machine.copy_output(port, &mut value[at..], &mut defined[at..]);
            }
        })?;
        (rows.value, rows.defined) = (value, defined);
        rows.count(outputs);
        Some(rows)
    }

    /// Notes which bits were 0 and 1.
    pub fn toggle(&self, toggles: &mut Toggles) {
        toggles.see_all(&self.value, &self.defined, LANES_MAX);
    }

    /// Nothing is compared in the lanes after the last row.
    fn count(&mut self, outputs: &Layout) {
        self.compared = vec![0; outputs.widths.len()];
        for (at, words) in self.defined.chunks_mut(LANES_MAX).enumerate() {
            let (block, word) = (at / outputs.words, at % outputs.words);
            let output = outputs.offsets.partition_point(|&offset| offset <= word) - 1;
            for (lane, word) in words.iter_mut().enumerate() {
                match self.found.get(block * LANES_MAX + lane) {
                    Some(found) => {
                        self.compared[output] += u64::from(word.count_ones()) * found.count;
                    }
                    None => *word = 0,
                }
            }
        }
    }

    /// Runs a module through all rows; nothing where it is not sure that each stands by itself.
    fn run(
        &self,
        golden: &Golden,
        code: &Code,
        ports: &Ports,
        budget: &Budget,
        mut see: impl FnMut(usize, &Machine<'_>),
    ) -> Option<()> {
        let layout = golden.stimulus.inputs();
        let mut machine = Machine::new(code, LANES_MAX, budget.bounds());
        machine.power_up(PowerUp::Unknown);
        for block in 0..self.found.len().div_ceil(LANES_MAX) {
            for (&port, words) in ports.inputs.iter().zip(layout.word_ranges()) {
                let at = block * layout.words;
                let values = (at + words.start) * LANES_MAX..(at + words.end) * LANES_MAX;
                machine.set_input(port, &self.inputs[values]);
            }
            let is_settled = machine.settle().is_ok();
            if !is_settled || !machine.forgets() {
                budget.spend(&machine);
                return None;
            }
            see(block, &machine);
        }
        budget.spend(&machine);
        Some(())
    }

    /// Compares a candidate; nothing where it is not sure that each row stands by itself.
    pub fn judge(
        &self,
        golden: &Golden,
        code: &Code,
        ports: &Ports,
        budget: &Budget,
    ) -> Option<Vec<Tally>> {
        let outputs = &golden.outputs;
        let tally = |&compared: &u64| Tally { compared, ..Tally::default() };
        let mut tallies: Vec<Tally> = self.compared.iter().map(tally).collect();
        let mut firsts = vec![(u32::MAX, usize::MAX); tallies.len()];
        self.run(golden, code, ports, budget, |block, machine| {
            for (output, tally) in tallies.iter_mut().enumerate() {
                let (port, width) = (ports.outputs[output], outputs.widths[output]);
                let at = (block * outputs.words + outputs.offsets[output]) * LANES_MAX;
                let end = at + width.div_ceil(64) as usize * LANES_MAX;
                let planes = (&self.value[at..end], &self.defined[at..end]);
                let (by_value, at_all) = machine.differs(port, planes.0, planes.1);
                tally.by_value |= by_value != 0;
                for lane in each_lane(at_all) {
                    let Found { count, first: (episode, number, point) } =
                        self.found[block * LANES_MAX + lane];
                    tally.mismatches += count;
                    if (episode, number) < firsts[output] {
                        firsts[output] = (episode, number);
                        let (golden, candidate) = literals(machine, port, width, lane, planes);
                        let StepAt { cycle, step } = point;
                        tally.first =
                            Some(FirstMismatch { episode, cycle, step, golden, candidate });
                    }
                }
            }
        })?;
        Some(tallies)
    }
}
