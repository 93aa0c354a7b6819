//! Which rows a step takes, and what decides it.
//!
//! Rows are seen in epochs, each in an order of its own that the seed decides; a step takes the next rows,
//! also over the end of an epoch, so that all steps are of one size. Nothing is kept between steps: the number
//! of a step is all that is needed to go on, on any number of ranks.

use std::ops::Range;

/// Numbers that a key decides: SplitMix64 from a state that is the key's hash.
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// Draws for a key, whose parts are taken one after the other.
    pub fn new(key: &[&[u8]]) -> Draw {
        let mut hasher = blake3::Hasher::new();
        for part in key {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let mut state = [0; 8];
        state.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Draw(u64::from_le_bytes(state))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`; the bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// A number from 0 up to 1, not included.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Brings items into an order drawn evenly from all.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// The order of rows over all epochs.
#[derive(Clone, Debug)]
pub struct Order {
    rows: usize,
    /// None: every epoch in the order of the file.
    seed: Option<u64>,
    epoch: u64,
    drawn: Vec<usize>,
}

impl Order {
    /// The order of `rows` rows, at least one.
    pub fn new(rows: usize, seed: Option<u64>) -> Order {
        Order { rows, seed, epoch: u64::MAX, drawn: Vec::new() }
    }

    /// The row at a position, counted through all epochs.
    pub fn row(&mut self, position: u64) -> usize {
        let (epoch, at) = (position / self.rows as u64, (position % self.rows as u64) as usize);
        let Some(seed) = self.seed else { return at };
        if self.epoch != epoch {
            self.epoch = epoch;
            self.drawn = (0..self.rows).collect();
            Draw::new(&[b"epoch", &seed.to_le_bytes(), &epoch.to_le_bytes()])
                .shuffle(&mut self.drawn);
        }
        self.drawn[at]
    }

    /// The rows of a step, counted from 0, of `batch` rows.
    pub fn step(&mut self, step: u64, batch: usize) -> Vec<usize> {
        let start = step * batch as u64;
        (start..start + batch as u64).map(|position| self.row(position)).collect()
    }
}

/// Cuts items in a row into pieces of at most `most` tokens; an item that has more is a piece by itself.
pub fn pieces(tokens: &[usize], most: usize) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    let mut sum = 0;
    for (at, tokens) in tokens.iter().enumerate() {
        sum += tokens;
        match pieces.last_mut() {
            Some(piece) if sum <= most => piece.end = at + 1,
            _ => {
                pieces.push(at..at + 1);
                sum = *tokens;
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_has_each_row_once_in_another_order() {
        let mut order = Order::new(10, Some(7));
        let epochs: Vec<Vec<usize>> =
            (0..3).map(|epoch| (0..10).map(|at| order.row(epoch * 10 + at)).collect()).collect();
        for epoch in &epochs {
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, Vec::from_iter(0..10));
        }
        assert_ne!(epochs[0], epochs[1]);
        // A step may lie over the end of an epoch, and needs no step before it.
        let expected = [&epochs[0][8..], &epochs[1][..2]].concat();
        assert_eq!(Order::new(10, Some(7)).step(2, 4), expected);
        assert_eq!(Order::new(3, None).step(1, 2), [2, 0]);
        assert_ne!(Order::new(10, Some(8)).step(0, 10), epochs[0]);
    }

    #[test]
    fn drawn_orders_are_even() {
        // Each of the 6 orders of 3 items in about a sixth of 6,000 draws: 1,000 with a deviation of 29.
        let mut counts = std::collections::BTreeMap::new();
        for key in 0u64..6000 {
            let mut items = [0, 1, 2];
            Draw::new(&[&key.to_le_bytes()]).shuffle(&mut items);
            *counts.entry(items).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (870..1130).contains(count)), "{counts:?}");
    }

    #[test]
    fn pieces_hold_what_fits() {
        assert_eq!(pieces(&[3, 3, 4, 1, 9, 2], 7), [0..2, 2..4, 4..5, 5..6]);
        assert_eq!(pieces(&[3, 3], 100).len(), 1);
        assert!(pieces(&[], 5).is_empty());
    }
}
