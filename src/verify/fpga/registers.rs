//! The registers of the chip, as `hw/README.md` lists them, by byte address; and the check that both sides keep over
//! what they say to each other.

use std::collections::HashMap;
use std::sync::OnceLock;

/// `SALV`: says that there is a harness at the other end at all.
pub const IDENT: u32 = 0x5341_4c56;
/// Version of the contract.
pub const CONTRACT: u32 = 1;

/// Addresses in bytes; what each register holds stands in `hw/README.md`.
#[expect(missing_docs, reason = "the contract documents them, and a copy here would part from it")]
pub mod at {
    pub const IDENT: u32 = 0x00;
    pub const CONTROL: u32 = 0x14;
    pub const STATUS: u32 = 0x18;
    pub const CRC: u32 = 0x1c;
    pub const STREAM_LOW: u32 = 0x20;
    pub const TABLE_AT: u32 = 0x5c;
    pub const TABLE_DATA: u32 = 0x60;
    pub const RESULTS: u32 = 0x1000;
}

/// Bits of CONTROL.
pub const START: u32 = 1;
/// Ends a run.
pub const END: u32 = 2;
/// Bits of STATUS.
pub const BUSY: u32 = 1;
/// A run has ended.
pub const DONE: u32 = 2;
/// It was ended by CONTROL, or at a mismatch.
pub const ENDED: u32 = 4;
/// In MODE: the walk is on.
pub const WALK: u32 = 1 << 16;
/// In MODE: stop at the first mismatch of the selection.
pub const STOP: u32 = 1 << 17;
/// In SELECT: any output of the slot.
pub const ANY_OUTPUT: u32 = 1 << 31;

/// CRC-32 (reflected, no final XOR) over address and data of every access, as the chip keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check(u32);

impl Check {
    /// As a write to the register sets it.
    pub const START: Check = Check(u32::MAX);

    /// Takes in one access to the byte address.
    pub fn add(&mut self, address: u32, data: u32) {
        self.add_words(address / 4, data);
    }

    fn add_words(&mut self, first: u32, second: u32) {
        for byte in first.to_le_bytes().into_iter().chain(second.to_le_bytes()) {
            self.0 ^= u32::from(byte);
            for _ in 0..8 {
                self.0 = self.0 >> 1 ^ if self.0 & 1 == 1 { 0xedb8_8320 } else { 0 };
            }
        }
    }

    /// The sum.
    pub fn sum(self) -> u32 {
        self.0
    }
}

/// How many times a counter of the chip was counted: it is a shift register with feedback, since that is cheaper than
/// an adder; `None` for the one state that it never has.
pub fn count_of(state: u32) -> Option<u64> {
    (state != u32::MAX).then(|| COUNTS.get_or_init(Counts::new).invert(state))
}

/// The next state of a counter.
fn next(state: u32) -> u32 {
    let bit = |at: u32| state >> at & 1;
    state << 1 | ((bit(31) ^ bit(21) ^ bit(1) ^ bit(0)) ^ 1)
}

/// The state before this one.
fn previous(state: u32) -> u32 {
    let bit = |at: u32| state >> at & 1;
    // Bit 0 was made of bits 31, 21, 1 and 0 of the state before, of which all but bit 31 are here.
    state >> 1 | (bit(0) ^ 1 ^ bit(22) ^ bit(2) ^ bit(1)) << 31
}

static COUNTS: OnceLock<Counts> = OnceLock::new();

/// States at even distances, by value.
struct Counts {
    known: HashMap<u32, u64>,
}

/// The states that are known lie so far apart, from 0 on, as far as the largest count that is met at once.
const DISTANCE: u64 = 1 << 12;
/// Counts up to this are found in at most [`DISTANCE`] steps; others are searched.
const KNOWN_UP_TO: u64 = 1 << 22;

impl Counts {
    fn new() -> Counts {
        let mut known = HashMap::new();
        let mut state = 0;
        for count in 0..KNOWN_UP_TO {
            if count % DISTANCE == 0 {
                known.insert(state, count);
            }
            state = next(state);
        }
        Counts { known }
    }

    /// Walks back to a state that is known. Counts beyond those take longer: some seconds for 2^32.
    fn invert(&self, state: u32) -> u64 {
        let (mut state, mut steps) = (state, 0);
        loop {
            if let Some(count) = self.known.get(&state) {
                return count + steps;
            }
            state = previous(state);
            steps += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of CRC-32 with this polynomial for the nine bytes of "123456789" is published as 0xcbf43926,
    /// with the final XOR; the first eight bytes of it make 0x9ae0daaf.
    #[test]
    fn the_check_is_the_published_one() {
        let mut check = Check::START;
        let word = |text: &[u8; 4]| u32::from_le_bytes(*text);
        check.add_words(word(b"1234"), word(b"5678"));
        assert_eq!(check.sum() ^ u32::MAX, 0x9ae0_daaf);
    }

    #[test]
    fn counters_are_inverted() {
        let mut state = 0;
        for count in 0..10_000u64 {
            assert_eq!(count_of(state), Some(count));
            assert_eq!(previous(next(state)), state);
            state = next(state);
        }
        assert_eq!(count_of(u32::MAX), None);
    }
}
