//! The exhaustive walk: where a module without state has no more input values than the budget has
//! changes, the first base rows take every value once, and random values follow.
//!
//! The order is scrambled and not counted, so that a candidate that wrongly keeps state meets values that
//! differ in many bits. It is a full-period generator of as many bits as the inputs have, so hardware
//! needs one register, an adder and XORs.

use super::Input;
use super::generator::{Streams, WHOLE, lane};

/// The walk over `2^bits` codes.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    bits: u32,
    start: u64,
    increment: u64,
}

impl Walk {
    /// The walk, if these inputs have at most `changes` values.
    pub(super) fn new(inputs: &[Input], changes: u32, streams: &Streams) -> Option<Walk> {
        let bits = inputs.iter().try_fold(0u32, |sum, input| sum.checked_add(bits_of(input)))?;
        if bits > changes.checked_ilog2()? {
            return None;
        }
        let word = streams.word(WHOLE, lane::WALK);
        Some(Walk { bits, start: word, increment: (word >> 32) | 1 })
    }

    /// The code at a position, or nothing once all have been.
    pub(super) fn code(&self, position: u64) -> Option<u64> {
        let codes = 1u64 << self.bits;
        if position >= codes {
            return None;
        }
        let state = self.state(position) & (codes - 1);
        Some(state ^ (state >> self.bits.div_ceil(2).max(1)))
    }

    fn state(&self, position: u64) -> u64 {
        // The affine map s -> 5s + increment, applied `position` times by squaring.
        let (mut factor, mut term) = (1u64, 0u64);
        let (mut square_factor, mut square_term) = (5u64, self.increment);
        let mut rest = position;
        while rest > 0 {
            if rest & 1 == 1 {
                factor = factor.wrapping_mul(square_factor);
                term = term.wrapping_mul(square_factor).wrapping_add(square_term);
            }
            square_term = square_term.wrapping_mul(square_factor.wrapping_add(1));
            square_factor = square_factor.wrapping_mul(square_factor);
            rest >>= 1;
        }
        self.start.wrapping_mul(factor).wrapping_add(term)
    }

    /// State and increment of the generator at a position, and how many codes are left.
    pub(super) fn at(&self, position: u64) -> (u64, u32, u64) {
        let codes = 1u64 << self.bits;
        // Only the low bits ever matter, and a chip keeps no others.
        let (state, increment) = (self.state(position), self.increment);
        (state & (codes - 1), (increment & (codes - 1)) as u32, codes.saturating_sub(position))
    }

    /// Takes an input's field off the low end of a code: its value in words.
    pub(super) fn take(input: &Input, code: &mut u64) -> Vec<u64> {
        let bits = bits_of(input);
        let field = *code & ((1u64 << bits) - 1);
        *code >>= bits;
        match &input.legal {
            None => vec![field],
            Some(legal) => {
                legal[(field as usize).checked_sub(legal.len()).unwrap_or(field as usize)].clone()
            }
        }
    }
}

/// Bits of an input's field: its width, or those that number its legal values.
fn bits_of(input: &Input) -> u32 {
    match &input.legal {
        None => input.width,
        Some(legal) => legal.len().next_power_of_two().ilog2(),
    }
}
