//! The stimulus: what the inputs do, step by step, as plain data that every backend can be given.

use serde::{Deserialize, Serialize};

/// Version of the definition; a change of any value it gives is a new version.
pub const VERSION: u32 = 1;

/// How vectors of bits of several ports lie in one row of words: each port starts on a word of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Width of each port in bits.
    pub widths: Vec<u32>,
    /// First word of each port.
    pub offsets: Vec<usize>,
    /// Words of a row.
    pub words: usize,
}

/// A comparison point's place in its episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepAt {
    /// Cycle in the episode.
    pub cycle: u32,
    /// Step in the cycle: 0 inputs change with the clock low, 1 rising edge, 2 inputs change with the
    /// clock high, 3 falling edge. A module without clocks has steps 0 and 2 alone.
    pub step: u8,
}

/// One run from power-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    /// Index in the run.
    pub index: u32,
    /// Seed of the candidate's power-up state.
    pub power_up: u64,
    /// The comparison points.
    pub steps: Vec<StepAt>,
    /// Input rows of `Layout::words` words: row 0 is the power-up row (clocks low and resets inactive,
    /// evaluated once, not compared), row `i + 1` is the input at `steps[i]`.
    pub rows: Vec<u64>,
}
