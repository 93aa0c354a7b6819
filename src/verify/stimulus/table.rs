//! Constants into tables: what the source compares with becomes, for each input, a list of values and
//! masks that fit it, as a small memory on chip would hold them.
//!
//! Where a constant lies in an input is settled here and not at each draw, so that hardware needs no
//! shifter: a constant wider than the input gives a piece for each aligned place (`{a, b} == 16'h1234`),
//! one narrower gives an entry for each place where it could be a field (`word[31:26] == 6'h23`).

use crate::design::Bits;

use super::mask_to;

/// Entries of a table at most; of more, as many are kept at even distances.
const ENTRIES_MAX: usize = 128;

/// Longest wait for a constant: longer ones are for the deep episodes.
const DURATION_MAX: u64 = 255;
/// Durations at most, the shortest first.
const DURATIONS_MAX: usize = 16;

/// A value, and the bits of the input that it sets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub value: Vec<u64>,
    pub mask: Vec<u64>,
}

/// The two tables of an input.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    /// What it is itself compared with, from its lowest bit.
    pub own: Vec<Entry>,
    /// What anything in the module is compared with, wherever it fits.
    pub pool: Vec<Entry>,
}

impl Tables {
    /// The tables of an input of this width.
    pub(super) fn new(width: u32, own: &[Bits], pool: &[Bits]) -> Tables {
        Tables {
            own: entries(own.iter().flat_map(|bits| placed(bits, width, false))),
            pool: entries(pool.iter().flat_map(|bits| placed(bits, width, true))),
        }
    }
}

/// The cycles that are worth waiting for, from 2 to `DURATION_MAX`: what counters are compared with, or
/// without such any constant.
pub(super) fn durations(counters: &[u32], pool: &[Bits]) -> Vec<u32> {
    if !counters.is_empty() {
        let short = |&cycles: &u32| (2..=DURATION_MAX).contains(&u64::from(cycles));
        return counters.iter().copied().filter(short).take(DURATIONS_MAX).collect();
    }
    let short = |bits: &Bits| {
        let value = *bits.words.first()?;
        let rest = bits.words.iter().skip(1).all(|&word| word == 0);
        (rest && (2..=DURATION_MAX).contains(&value)).then_some(value as u32)
    };
    let mut all: Vec<u32> = pool.iter().filter_map(short).collect();
    all.sort_unstable();
    all.dedup();
    all.truncate(DURATIONS_MAX);
    all
}

fn entries(all: impl Iterator<Item = Entry>) -> Vec<Entry> {
    let mut all: Vec<Entry> = all.collect();
    all.sort();
    all.dedup();
    if all.len() > ENTRIES_MAX {
        let count = all.len();
        all = (0..ENTRIES_MAX).map(|at| all[at * count / ENTRIES_MAX].clone()).collect();
    }
    all
}

/// The entries of one constant: `anywhere`, or at the lowest bit alone.
fn placed(bits: &Bits, width: u32, anywhere: bool) -> Vec<Entry> {
    let used = used(bits).max(1);
    let own = if bits.width > width && used <= width { width } else { bits.width };
    if own > width {
        let pieces = if anywhere { own.div_ceil(width) } else { 1 };
        return (0..pieces).map(|piece| at(bits, piece * width, width, 0, width)).collect();
    }
    let mut offsets = vec![0];
    if anywhere && own < width && own > 1 {
        offsets.extend((1..=(width - own) / own).map(|place| place * own));
        offsets.push(width - own);
    }
    offsets.into_iter().map(|offset| at(bits, 0, own, offset, width)).collect()
}

/// The bits `from..from + count` of a constant at bit `to` of an input of `width` bits.
fn at(bits: &Bits, from: u32, count: u32, to: u32, width: u32) -> Entry {
    let words = width.div_ceil(64) as usize;
    let mut entry = Entry { value: vec![0; words], mask: vec![0; words] };
    for bit in 0..count.min(width - to) {
        let place = (to + bit) as usize;
        entry.mask[place / 64] |= 1 << (place % 64);
        entry.value[place / 64] |= u64::from(bit_of(bits, from + bit)) << (place % 64);
    }
    mask_to(&mut entry.value, width);
    entry
}

fn bit_of(bits: &Bits, bit: u32) -> bool {
    bit < bits.width
        && bits.words.get(bit as usize / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
}

/// Bits up to the highest one that is set.
fn used(bits: &Bits) -> u32 {
    (0..bits.width).rev().find(|&bit| bit_of(bits, bit)).map_or(0, |bit| bit + 1)
}

#[cfg(test)]
mod tests {
    use super::{ENTRIES_MAX, Tables};
    use crate::design::Bits;

    fn check(width: u32, constant: (u32, u64), expect: &[(u64, u64)]) {
        let bits = Bits { width: constant.0, words: vec![constant.1] };
        let pool = Tables::new(width, &[], &[bits]).pool;
        let pool: Vec<_> = pool.iter().map(|entry| (entry.value[0], entry.mask[0])).collect();
        assert_eq!(pool, expect);
    }

    #[test]
    fn constants_are_placed_where_they_could_be() {
        check(8, (8, 0x42), &[(0x42, 0xff)]);
        check(8, (32, 0x42), &[(0x42, 0xff)]);
        check(8, (16, 0x1234), &[(0x12, 0xff), (0x34, 0xff)]);
        check(8, (3, 5), &[(0x05, 0x07), (0x28, 0x38), (0xa0, 0xe0)]);
    }

    #[test]
    fn tables_are_bounded() {
        let pool: Vec<_> = (0..1000).map(|value| Bits { width: 16, words: vec![value] }).collect();
        assert_eq!(Tables::new(16, &[], &pool).pool.len(), ENTRIES_MAX);
    }
}
