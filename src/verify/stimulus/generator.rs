//! Noise into values: the generators, and the sixteen modes by which a change opportunity turns their
//! state into an input's next value.
//!
//! Everything here happens at every step of every episode, so it is what hardware has to build: shifts,
//! XOR, adders, a decoder and a table. What is drawn once for an episode is in `plan`.

use super::mask_to;
use super::table::Tables;

/// The golden ratio's increment of splitmix64.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// One splitmix64 output for state `z`.
pub(super) fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(GAMMA);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One step of xorshift64 (Marsaglia 2003, triple 13, 7, 17).
pub(super) fn step(state: &mut u64) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
}

/// The bits `high..=low` of a word.
pub(super) fn field(word: u64, high: u32, low: u32) -> u64 {
    (word >> low) & (u64::MAX >> (63 - (high - low)))
}

/// A number below `n` from 16 bits of a word, `low` upwards: `(bits * n) >> 16`.
pub(super) fn scaled(word: u64, low: u32, n: usize) -> usize {
    ((field(word, low + 15, low) * n as u64) >> 16) as usize
}

/// The words of one episode: every seed and every setting is a function of the lane's number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    root: u64,
}

/// Lanes of an input or of the episode, beside the input's slices, which have the lanes from 0. Settings and
/// menus of later segments lie 8 lanes on for each segment.
pub(super) mod lane {
    pub(in super::super) const CONTROL: u32 = 0x8000_0000;
    pub(in super::super) const SETTINGS: u32 = 0x8000_0001;
    pub(in super::super) const MENU: u32 = 0x8000_0002;
    pub(in super::super) const MENU_SECOND: u32 = 0x8000_0003;
    pub(in super::super) const POWER_UP: u32 = 0x8000_0004;
    pub(in super::super) const WALK: u32 = 0x8000_0005;
}

/// The number that stands for the episode itself where others have the number of an input.
pub(super) const WHOLE: u32 = 0xffff_ffff;

impl Streams {
    /// The streams of an episode, `kind` and `number` being its place in its sequence.
    pub(super) fn new(seed: u64, key: u64, kind: u32, number: u32) -> Streams {
        let episode = u64::from(kind) << 32 | u64::from(number);
        Streams { root: mix(mix(mix(seed) ^ key) ^ episode) }
    }

    /// The word of a lane of an input.
    pub(super) fn word(&self, input: u32, lane: u32) -> u64 {
        mix(self.root ^ (u64::from(input) << 32 | u64::from(lane)))
    }

    /// The first state of a lane's generator: its word, and never 0, where xorshift64 would stay.
    pub(super) fn state(&self, input: u32, lane: u32) -> u64 {
        match self.word(input, lane) {
            0 => GAMMA,
            word => word,
        }
    }
}

/// What one draw of a value sees.
pub(super) struct Draw<'a> {
    /// The control generator's state, stepped for this opportunity.
    pub control: u64,
    /// The slices' states, stepped for this opportunity.
    pub noise: &'a [u64],
    /// The input's present value.
    pub previous: &'a [u64],
    /// The row as it stands: inputs before this one already have their next value.
    pub row: &'a [u64],
    /// The input's width, 2 or more.
    pub width: u32,
    /// The input's constants.
    pub tables: &'a Tables,
    /// First words and numbers of words of the inputs that this one may be close to.
    pub partners: &'a [(usize, usize)],
}

impl Draw<'_> {
    /// Writes the next value by mode `mode` (0 to 15) into `out`, all of whose words it sets. Most inputs have one word, for
    /// which the compiler makes a version of its own.
    #[inline(always)]
    pub(super) fn value(&self, mode: u64, out: &mut [u64]) {
        match mode {
            1 if !self.tables.own.is_empty() => self.constant(&self.tables.own, true, out),
            1 | 10 if !self.tables.pool.is_empty() => self.constant(&self.tables.pool, false, out),
            2 if !self.partners.is_empty() => self.partner(out),
            3 => self.one_hot(out),
            4 => self.flipped(out),
            5 => out.fill(0),
            6 => out.fill(u64::MAX),
            7 => {
                self.one_hot(out);
                invert(out);
            }
            8 => {
                out.fill(0);
                out[0] = self.slice(0) & 15;
            }
            9 => self.sign_boundary(out),
            11 => self.noise_by(out, |first, second| first & second),
            12 => self.noise_by(out, |first, second| first | second),
            13 => {
                out.copy_from_slice(self.previous);
                add(out, 1);
            }
            14 => {
                out.copy_from_slice(self.previous);
                add(out, -1);
            }
            15 => self.thermometer(out),
            _ => self.noise_by(out, |first, _| first),
        }
        mask_to(out, self.width);
    }

    /// The uniform 32 bits of a slice: the sum of the state's halves, which no linear map gives.
    fn slice(&self, slice: usize) -> u64 {
        let state = self.noise[slice];
        ((state >> 32) + state) & 0xffff_ffff
    }

    /// Each slice from its uniform 32 bits and from the lower half of its state.
    #[inline(always)]
    fn noise_by(&self, out: &mut [u64], of: impl Fn(u64, u64) -> u64) {
        out.fill(0);
        for (at, state) in self.noise.iter().enumerate() {
            out[at / 2] |= of(self.slice(at), state & 0xffff_ffff) << (32 * (at % 2));
        }
    }

    /// A drawn bit of the input.
    fn bit(&self) -> usize {
        scaled(self.control, 16, self.width as usize)
    }

    /// -1, 0 or 1, 0 half of the time.
    fn delta(&self) -> i64 {
        [0, 0, 1, -1][field(self.control, 33, 32) as usize]
    }

    #[inline(always)]
    fn one_hot(&self, out: &mut [u64]) {
        out.fill(0);
        out[self.bit() / 64] = 1 << (self.bit() % 64);
    }

    #[inline(always)]
    fn flipped(&self, out: &mut [u64]) {
        out.copy_from_slice(self.previous);
        out[self.bit() / 64] ^= 1 << (self.bit() % 64);
    }

    /// Ones below a drawn bit.
    #[inline(always)]
    fn thermometer(&self, out: &mut [u64]) {
        self.one_hot(out);
        add(out, -1);
    }

    /// The largest and smallest signed values, and their neighbours.
    #[inline(always)]
    fn sign_boundary(&self, out: &mut [u64]) {
        let top = self.width as usize - 1;
        out.fill(0);
        out[top / 64] = 1 << (top % 64);
        match field(self.control, 35, 34) {
            0 => add(out, -1),
            1 => {}
            2 => add(out, 1),
            _ => add(out, -2),
        }
    }

    /// The value of an earlier input, cut or extended, or one beside it.
    #[inline(always)]
    fn partner(&self, out: &mut [u64]) {
        let (offset, words) = self.partners[scaled(self.control, 16, self.partners.len())];
        out.fill(0);
        let shared = words.min(out.len());
        out[..shared].copy_from_slice(&self.row[offset..offset + shared]);
        add(out, self.delta());
    }

    /// An entry of a table over 0, the present value or noise; one of the input's own may be one off.
    #[inline(always)]
    fn constant(&self, table: &[super::table::Entry], beside: bool, out: &mut [u64]) {
        let entry = &table[scaled(self.control, 16, table.len())];
        match field(self.control, 37, 36) {
            0 => out.fill(0),
            1 => out.copy_from_slice(self.previous),
            _ => self.noise_by(out, |first, _| first),
        }
        let mut sum = Sum::of(if beside { self.delta() } else { 0 });
        for ((out, &value), mask) in out.iter_mut().zip(&entry.value).zip(&entry.mask) {
            *out = (*out & !mask) | (sum.word(value) & mask);
        }
    }
}

fn invert(words: &mut [u64]) {
    for word in words {
        *word = !*word;
    }
}

/// Adds a small number to a vector of words, modulo its size.
fn add(words: &mut [u64], delta: i64) {
    let mut sum = Sum::of(delta);
    words.iter_mut().for_each(|word| *word = sum.word(*word));
}

/// A small number that is being added to a vector of words, the lowest first.
struct Sum {
    addend: u64,
    high: u64,
    carry: bool,
}

impl Sum {
    fn of(delta: i64) -> Sum {
        Sum { addend: delta as u64, high: if delta < 0 { u64::MAX } else { 0 }, carry: false }
    }

    /// The sum's next word.
    fn word(&mut self, word: u64) -> u64 {
        let (sum, first) = word.overflowing_add(std::mem::replace(&mut self.addend, self.high));
        let (sum, second) = sum.overflowing_add(u64::from(self.carry));
        self.carry = first | second;
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{Entry, Tables};
    use super::{Draw, field, mix, scaled, step};

    /// The value of one mode, at width 8 unless the case says more, with the noise's halves 0x0f and 0xf3: uniform 0x02.
    fn check(mode: u64, control: u64, expect: u64) {
        let entry = |value, mask| Entry { value: vec![value], mask: vec![mask] };
        let tables = Tables { own: vec![entry(0x42, 0xff)], pool: vec![entry(0x30, 0x70)] };
        let draw = Draw {
            control,
            noise: &[0x0000_000f_0000_00f3],
            previous: &[0x80],
            row: &[0x1ff, 0x80],
            width: 8,
            tables: &tables,
            partners: &[(0, 1)],
        };
        let mut out = [0xdead];
        draw.value(mode, &mut out);
        assert_eq!(out, [expect], "mode {mode}, control {control:#x}");
    }

    #[test]
    fn every_mode_by_hand() {
        const BIT_3: u64 = 0x6000 << 16; // 0x6000 * 8 >> 16 = 3
        const UP: u64 = 2 << 32;
        const DOWN: u64 = 3 << 32;
        check(0, 0, 0x02);
        check(1, 0, 0x42);
        check(1, UP, 0x43);
        check(1, DOWN, 0x41);
        check(2, 0, 0xff);
        check(2, UP, 0x00);
        check(2, DOWN, 0xfe);
        check(3, BIT_3, 0x08);
        check(4, BIT_3, 0x88);
        check(5, 0, 0x00);
        check(6, 0, 0xff);
        check(7, BIT_3, 0xf7);
        check(8, 0, 0x02);
        check(9, 0, 0x7f);
        check(9, 1 << 34, 0x80);
        check(9, 2 << 34, 0x81);
        check(9, 3 << 34, 0x7e);
        check(10, 0, 0x30);
        check(10, 1 << 36, 0xb0);
        check(10, 2 << 36, 0x32);
        check(11, 0, 0x02);
        check(12, 0, 0xf3);
        check(13, 0, 0x81);
        check(14, 0, 0x7f);
        check(15, BIT_3, 0x07);
    }

    #[test]
    fn carries_cross_words() {
        let mut words = [0, 0, 5];
        super::add(&mut words, -1);
        assert_eq!(words, [u64::MAX, u64::MAX, 4]);
        super::add(&mut words, 1);
        assert_eq!(words, [0, 0, 5]);
    }

    /// The first outputs of splitmix64 for seed 0 are published with it; the xorshift64 step of 1 is
    /// done by hand: 1 -> 0x2001 -> 0x2041 -> 0x40822041.
    #[test]
    fn generators_are_the_published_ones() {
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
        let mut state = 1;
        step(&mut state);
        assert_eq!(state, 0x4082_2041);
        assert_eq!(field(0xabcd, 11, 4), 0xbc);
        assert_eq!(scaled(0xffff, 0, 200), 199);
    }
}
