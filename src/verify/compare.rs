//! The comparison: rows of the golden module against rows of a candidate, output by output.

use super::backend::{Count, Values};
use super::stimulus::{Episode, Layout};
use super::verdict::{FirstMismatch, MismatchKind};

/// Golden bits seen at 0 and at 1 so far, over all outputs.
#[derive(Clone, Debug)]
pub struct Toggles {
    seen_low: Vec<u64>,
    seen_high: Vec<u64>,
    mask: Vec<u64>,
}

impl Toggles {
    /// Nothing seen yet.
    pub fn new(outputs: &Layout) -> Toggles {
        Toggles {
            seen_low: vec![0; outputs.words],
            seen_high: vec![0; outputs.words],
            mask: outputs.mask(),
        }
    }

    /// Takes the defined bits of an episode in and returns whether a bit toggled for the first time.
    pub fn add(&mut self, golden: &Values) -> bool {
        let before = self.total();
        self.see_all(&golden.value, &golden.defined, 1);
        self.total() > before
    }

    /// Takes in the defined bits that one word of the outputs had.
    pub fn see(&mut self, word: usize, value: &[u64], defined: &[u64]) {
        let (mut low, mut high) = (0, 0);
        for (value, defined) in value.iter().zip(defined) {
            low |= !value & defined;
            high |= value & defined;
        }
        self.seen_low[word] |= low & self.mask[word];
        self.seen_high[word] |= high & self.mask[word];
    }

    /// The same of all words, one after the other, again and again: each in `stride` lanes.
    pub fn see_all(&mut self, value: &[u64], defined: &[u64], stride: usize) {
        let words = (0..self.mask.len()).cycle();
        for ((value, defined), word) in value.chunks(stride).zip(defined.chunks(stride)).zip(words)
        {
            self.see(word, value, defined);
        }
    }

    /// Whether every bit of every output has toggled.
    pub fn complete(&self) -> bool {
        (0..self.mask.len()).all(|w| self.seen_low[w] & self.seen_high[w] == self.mask[w])
    }

    /// Toggled bits of each output.
    pub fn by_output(&self, outputs: &Layout) -> Vec<u32> {
        let count = |word: usize| (self.seen_low[word] & self.seen_high[word]).count_ones();
        outputs.word_ranges().map(|range| range.map(count).sum()).collect()
    }

    /// Toggled bits of all outputs.
    pub fn total(&self) -> u32 {
        (0..self.mask.len()).map(|w| (self.seen_low[w] & self.seen_high[w]).count_ones()).sum()
    }
}

/// Compares one episode and adds to `counts`, one for each output.
///
/// Returns whether the candidate's defined bits are needed to name what differs: then
/// [`add_kinds`] is to be called with them.
pub fn add_episode(
    counts: &mut [Count],
    outputs: &Layout,
    golden: &Values,
    candidate: &[u64],
) -> bool {
    let mask = outputs.mask();
    let mut open = false;
    for (count, range) in counts.iter_mut().zip(outputs.word_ranges()) {
        let (mut compared, mut mismatches) = (0, 0);
        for row in (0..golden.value.len()).step_by(outputs.words.max(1)) {
            let mut differs = 0;
            for word in range.clone() {
                let defined = golden.defined[row + word] & mask[word];
                compared += u64::from(defined.count_ones());
                differs |= (golden.value[row + word] ^ candidate[row + word]) & defined;
            }
            mismatches += u64::from(differs != 0);
        }
        count.compared += compared;
        *count.mismatches.get_or_insert(0) += mismatches;
        open |= mismatches > 0 && count.kind != Some(MismatchKind::Value);
    }
    open
}

/// Names what differs in an episode in which [`add_episode`] found mismatches, and the first of them.
///
/// A mismatch is of kind `value` where some differing bit of the candidate is defined.
pub fn add_kinds(
    counts: &mut [Count],
    outputs: &Layout,
    episode: &Episode,
    golden: &Values,
    compared: &[u64],
    candidate: &Values,
) {
    let mask = outputs.mask();
    for (output, (count, range)) in counts.iter_mut().zip(outputs.word_ranges()).enumerate() {
        for (step, at) in episode.steps.iter().enumerate() {
            let row = step * outputs.words;
            let (mut differs, mut by_value) = (false, false);
            for word in range.clone() {
                let defined = golden.defined[row + word] & mask[word];
                let difference = (golden.value[row + word] ^ compared[row + word]) & defined;
                differs |= difference != 0;
                by_value |= difference & candidate.defined[row + word] != 0;
            }
            if !differs {
                continue;
            }
            if by_value {
                count.kind = Some(MismatchKind::Value);
            } else {
                count.kind.get_or_insert(MismatchKind::Unknown);
            }
            if count.first.is_none() {
                // The candidate's row is the one that was compared, with x where it is not defined.
                let shown = Values {
                    value: compared[row..row + outputs.words].to_vec(),
                    defined: candidate.defined[row..row + outputs.words].to_vec(),
                };
                count.first = Some(FirstMismatch {
                    episode: episode.index,
                    cycle: at.cycle,
                    step: at.step,
                    golden: outputs.literal(output, golden, step),
                    candidate: outputs.literal(output, &shown, 0),
                });
            }
            if count.kind == Some(MismatchKind::Value) {
                break;
            }
        }
    }
}

impl Layout {
    /// A layout of ports of these widths.
    pub fn new(widths: Vec<u32>) -> Layout {
        let mut words = 0;
        let mut offsets = Vec::with_capacity(widths.len());
        for &width in &widths {
            offsets.push(words);
            words += width.div_ceil(64) as usize;
        }
        Layout { widths, offsets, words }
    }

    /// The words of each port.
    pub fn word_ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let words = |width: &u32| width.div_ceil(64) as usize;
        self.offsets.iter().zip(&self.widths).map(move |(&at, width)| at..at + words(width))
    }

    /// A row with every bit of every port set.
    pub fn mask(&self) -> Vec<u64> {
        let mut row = vec![u64::MAX; self.words];
        for (range, width) in self.word_ranges().zip(&self.widths) {
            if width % 64 != 0 {
                row[range.end - 1] = (1 << (width % 64)) - 1;
            }
        }
        row
    }

    /// The value of `port` in row `row` as a Verilog binary literal, such as `4'b01x0`.
    pub fn literal(&self, port: usize, values: &Values, row: usize) -> String {
        let start = row * self.words + self.offsets[port];
        let bit = |i: u32| {
            let (word, shift) = (start + (i / 64) as usize, i % 64);
            match (values.defined[word] >> shift & 1, values.value[word] >> shift & 1) {
                (0, _) => 'x',
                (_, 0) => '0',
                _ => '1',
            }
        };
        let width = self.widths[port];
        format!("{width}'b{}", (0..width).rev().map(bit).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::stimulus::StepAt;

    /// Two outputs, of 4 and of 70 bits, over the given steps.
    fn outputs() -> Layout {
        Layout::new(vec![4, 70])
    }

    fn episode(steps: u32) -> Episode {
        let steps = (0..steps).map(|i| StepAt { cycle: i / 4, step: (i % 4) as u8 }).collect();
        Episode { index: 7, power_up: 0, steps, rows: Vec::new() }
    }

    fn defined(value: Vec<u64>) -> Values {
        Values { defined: vec![u64::MAX; value.len()], value }
    }

    #[test]
    fn a_layout_starts_each_port_on_a_word() {
        let layout = outputs();
        assert_eq!((layout.words, layout.offsets.clone()), (3, vec![0, 1]));
        assert_eq!(layout.mask(), [0xf, u64::MAX, 0x3f]);
        assert_eq!(layout.literal(0, &defined(vec![0b0110, 0, 0]), 0), "4'b0110");
    }

    #[test]
    fn equal_rows_count_every_defined_bit() {
        let mut counts = vec![Count::default(); 2];
        let golden = defined(vec![1, 2, 3, 4, 5, 6]);
        assert!(!add_episode(&mut counts, &outputs(), &golden, &golden.value));
        assert_eq!((counts[0].compared, counts[0].mismatches), (8, Some(0)));
        assert_eq!((counts[1].compared, counts[1].mismatches), (140, Some(0)));
    }

    #[test]
    fn bits_above_the_width_and_undefined_bits_do_not_count() {
        let mut counts = vec![Count::default(); 2];
        let mut golden = defined(vec![0, 0, 0]);
        golden.defined[0] = 0b0111;
        let candidate = [0b1111_1000, 0, 0xffff_ffff_ffff_ffc0];
        assert!(!add_episode(&mut counts, &outputs(), &golden, &candidate));
        assert_eq!((counts[0].compared, counts[0].mismatches), (3, Some(0)));
    }

    #[test]
    fn a_mismatch_is_of_its_output_alone_and_counts_points_not_bits() {
        let mut counts = vec![Count::default(); 2];
        let golden = defined(vec![0, 0, 0, 0, 0, 0]);
        let candidate = [0, 0, 0, 0b1111, 0, 0];
        assert!(add_episode(&mut counts, &outputs(), &golden, &candidate));
        assert_eq!((counts[0].mismatches, counts[1].mismatches), (Some(1), Some(0)));
    }

    #[test]
    fn a_difference_in_undefined_bits_is_unknown_until_one_is_by_value() {
        let golden = defined(vec![0; 9]);
        let compared = [0, 0, 0, 1, 0, 0, 2, 0, 0];
        let mut own = defined(compared.to_vec());
        own.defined[3] = !1;
        let mut counts = vec![Count::default(); 2];
        add_kinds(&mut counts, &outputs(), &episode(2), &defined(vec![0; 6]), &compared[..6], &own);
        assert_eq!(counts[0].kind, Some(MismatchKind::Unknown));
        add_kinds(&mut counts, &outputs(), &episode(3), &golden, &compared, &own);
        assert_eq!(counts[0].kind, Some(MismatchKind::Value));
        let first = counts[0].first.clone().expect("a first mismatch");
        assert_eq!((first.episode, first.cycle, first.step), (7, 0, 1));
        assert_eq!((first.golden.as_str(), first.candidate.as_str()), ("4'b0000", "4'b000x"));
        assert_eq!(counts[1].first, None);
    }

    #[test]
    fn a_bit_toggles_when_it_was_seen_defined_at_both_levels() {
        let mut toggles = Toggles::new(&outputs());
        let mut golden = defined(vec![0b0001, 0, 0, 0b0010, 0, 0]);
        golden.defined[3] = 0b0010;
        assert!(toggles.add(&golden), "bit 1 toggles; bit 0 is not defined at 0");
        assert_eq!(toggles.by_output(&outputs()), [1, 0]);
        assert!(!toggles.add(&golden), "nothing new");
        assert!(!toggles.complete());
        toggles.add(&defined(vec![0, 0, 0, u64::MAX, u64::MAX, u64::MAX]));
        assert!(toggles.complete());
    }
}
