//! Sets of bits of one variable.

use super::super::program::Watch;

/// Which bits; those of the first word stand by themselves, since most variables have no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    low: u64,
    high: Vec<u64>,
}

impl Bits {
    /// The bits from `lsb` on, `width` of them.
    pub(super) fn range(lsb: u32, width: u32) -> Bits {
        let mut bits = Bits::default();
        for (word, mask) in (Watch::Change { lsb, width }).words() {
            *bits.word_mut(word) = mask;
        }
        bits
    }

    fn word(&self, at: usize) -> u64 {
        if at == 0 { self.low } else { self.high.get(at - 1).copied().unwrap_or(0) }
    }

    fn word_mut(&mut self, at: usize) -> &mut u64 {
        if at == 0 {
            return &mut self.low;
        }
        if self.high.len() < at {
            self.high.resize(at, 0);
        }
        &mut self.high[at - 1]
    }

    fn len(&self) -> usize {
        1 + self.high.len()
    }

    /// Adds the bits of another set.
    pub(super) fn add(&mut self, other: &Bits) {
        for at in 0..other.len() {
            *self.word_mut(at) |= other.word(at);
        }
    }

    /// Keeps the bits that another set has too.
    pub(super) fn keep(&mut self, other: &Bits) {
        self.low &= other.low;
        for (at, word) in self.high.iter_mut().enumerate() {
            *word &= other.word(at + 1);
        }
    }

    /// The bits that another set lacks.
    pub(super) fn without(&self, other: &Bits) -> Bits {
        let high = self.high.iter().enumerate().map(|(at, word)| word & !other.word(at + 1));
        Bits { low: self.low & !other.low, high: high.collect() }
    }

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.low == 0 && self.high.iter().all(|&word| word == 0)
    }

    /// Whether some bit is in both.
    pub(super) fn meets(&self, other: &Bits) -> bool {
        (0..self.len().min(other.len())).any(|at| self.word(at) & other.word(at) != 0)
    }

    /// Runs of bits that stand side by side, as lowest bit and width.
    pub(super) fn ranges(&self) -> Vec<(u32, u32)> {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for at in 0..self.len() {
            let mut word = self.word(at);
            while word != 0 {
                let from = word.trailing_zeros();
                let width = (word >> from).trailing_ones();
                word &= !(u64::MAX >> (64 - width) << from);
                let lsb = 64 * at as u32 + from;
                match ranges.last_mut() {
                    Some((before, count)) if *before + *count == lsb => *count += width,
                    _ => ranges.push((lsb, width)),
                }
            }
        }
        ranges
    }

    /// The words, the lowest first.
    pub(super) fn words(&self) -> Vec<u64> {
        (0..self.len()).map(|at| self.word(at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn ranges_cross_words() {
        assert_eq!(Bits::range(0, 64).words(), [u64::MAX]);
        assert_eq!(Bits::range(3, 2).words(), [0b11000]);
        assert_eq!(Bits::range(60, 10).words(), [0xf << 60, 0b11_1111]);
        assert_eq!(Bits::range(64, 1).words(), [0, 1]);
        assert_eq!(Bits::range(5, 0).words(), [0]);
    }

    #[test]
    fn sets_are_joined_and_taken_apart() {
        let mut bits = Bits::range(0, 100);
        assert!(bits.meets(&Bits::range(99, 5)) && !bits.meets(&Bits::range(100, 5)));
        assert_eq!(bits.without(&Bits::range(1, 98)).words(), [1, 1 << 35]);
        assert!(Bits::range(7, 90).without(&bits).is_empty());
        bits.keep(&Bits::range(64, 64));
        assert_eq!(bits.words(), [0, u64::MAX >> 28]);
        bits.add(&Bits::range(0, 1));
        assert_eq!(bits.words(), [1, u64::MAX >> 28]);
        assert_eq!(bits.ranges(), [(0, 1), (64, 36)]);
        assert_eq!(Bits::range(60, 10).ranges(), [(60, 10)]);
    }
}
