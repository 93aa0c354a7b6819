//! Modules whose outputs follow from the present inputs alone: each different row of inputs is a lane.
//!
//! Where neither the golden module nor the candidate keeps anything, it does not matter in which episode and after which
//! rows a row comes. So every row that differs is taken once, 64 at a time, and counted as often as it comes: a module with
//! six input bits has 64 of them, however long the episodes are.
//!
//! Whether that may be done is decided when the program is lowered, and again while it runs: every process must have
//! run in every lane, no unknown bit may have decided anything, and what starts an `always @…` must be known, since
//! one that stays x starts nothing. Otherwise the module is run episode by episode.

use std::collections::HashMap;
use std::rc::Rc;

use super::engine::each_lane;
use super::golden::{Golden, Ports};
use super::group::Group;
use super::judge::{Tally, literals};
use super::{Bounds, Code, LANES_MAX, Machine, PowerUp};
use crate::verify::stimulus::{Layout, StepAt, Stimulus};
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
    numbers: HashMap<Box<[u64]>, usize>,
    found: Vec<Found>,
}

impl Collection {
    fn add_all(&mut self, group: &Group, stimulus: &Stimulus) {
        group.each_row(stimulus.inputs(), |step, lane, row| {
            let episode = &group.episodes[lane];
            let Some(&point) = episode.steps.get(step) else { return };
            if step >= group.settled[lane] && stimulus.compares(point) {
                self.add(row, (episode.index, step, point));
            }
        });
    }

    fn add(&mut self, row: &[u64], place: (u32, usize, StepAt)) {
        if let Some(&number) = self.numbers.get(row) {
            let found = &mut self.found[number];
            found.count += 1;
            if (place.0, place.1) < (found.first.0, found.first.1) {
                found.first = place;
            }
            return;
        }
        self.numbers.insert(row.into(), self.found.len());
        self.found.push(Found { count: 1, first: place });
    }

    /// The inputs, laid out as in [`Rows`]; the last block is filled up with its last row.
    fn inputs(&self) -> Vec<u64> {
        let blocks = self.found.len().div_ceil(LANES_MAX);
        let mut inputs = vec![0; blocks * LANES_MAX * self.words];
        for (row, &number) in &self.numbers {
            let is_last = number + 1 == self.found.len();
            let end = if is_last { blocks * LANES_MAX } else { number + 1 };
            for lane in number..end {
                for (word, &value) in row.iter().enumerate() {
                    let block = lane / LANES_MAX * self.words + word;
                    inputs[block * LANES_MAX + lane % LANES_MAX] = value;
                }
            }
        }
        inputs
    }
}

impl Rows {
    /// The rows of some episodes, if the golden module can be run so.
    pub fn new(golden: &Golden, code: &Code, ports: &Ports, groups: &[Rc<Group>]) -> Option<Rows> {
        let words = golden.stimulus.inputs().words;
        let mut collection = Collection { words, numbers: HashMap::new(), found: Vec::new() };
        groups.iter().for_each(|group| collection.add_all(group, &golden.stimulus));
        let inputs = collection.inputs();
        let found = collection.found;
        let outputs = &golden.outputs;
        let size = found.len().div_ceil(LANES_MAX) * outputs.words * LANES_MAX;
        let (mut value, mut defined) = (vec![0; size], vec![0; size]);
        let mut rows =
            Rows { inputs, value: Vec::new(), defined: Vec::new(), found, compared: Vec::new() };
        rows.run(golden, code, ports, |block, machine| {
            for (&port, &offset) in ports.outputs.iter().zip(&outputs.offsets) {
                let at = (block * outputs.words + offset) * LANES_MAX;
                machine.copy_output(port, &mut value[at..], &mut defined[at..]);
            }
        })?;
        (rows.value, rows.defined) = (value, defined);
        rows.count(outputs);
        Some(rows)
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
        mut see: impl FnMut(usize, &Machine<'_>),
    ) -> Option<()> {
        let layout = golden.stimulus.inputs();
        let mut machine = Machine::new(code, LANES_MAX, Bounds::default());
        machine.power_up(PowerUp::Unknown);
        for block in 0..self.found.len().div_ceil(LANES_MAX) {
            for (&port, words) in ports.inputs.iter().zip(layout.word_ranges()) {
                let at = block * layout.words;
                let values = (at + words.start) * LANES_MAX..(at + words.end) * LANES_MAX;
                machine.set_input(port, &self.inputs[values]);
            }
            machine.settle().ok()?;
            if !machine.forgets() {
                return None;
            }
            see(block, &machine);
        }
        Some(())
    }

    /// Compares a candidate; nothing where it is not sure that each row stands by itself.
    pub fn judge(&self, golden: &Golden, code: &Code, ports: &Ports) -> Option<Vec<Tally>> {
        let outputs = &golden.outputs;
        let tally = |&compared: &u64| Tally { compared, ..Tally::default() };
        let mut tallies: Vec<Tally> = self.compared.iter().map(tally).collect();
        let mut firsts = vec![(u32::MAX, usize::MAX); tallies.len()];
        self.run(golden, code, ports, |block, machine| {
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
