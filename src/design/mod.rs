//! Semantics: what a module is once slang has elaborated it.
//!
//! Only this module names `sv_lang`.

use serde::{Deserialize, Serialize};

/// Direction of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Driven by the stimulus.
    Input,
    /// Judged.
    Output,
    /// Not judged by a backend without Z.
    Inout,
}

/// A port of the elaborated top module, packed to a vector of bits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The name, without the backslash and the blank of an escaped identifier.
    pub name: String,
    /// The direction.
    pub direction: Direction,
    /// Width in bits.
    pub width: u32,
    /// Whether the type is signed.
    pub signed: bool,
}

/// Level or edge that makes an input act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Active low, or falling edge.
    Low,
    /// Active high, or rising edge.
    High,
}

/// What the processes of the module use an input for. It shapes probabilities only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "role")]
pub enum Role {
    /// An edge of it runs a process, and the process does not test it first.
    Clock {
        /// Rising edges run a process.
        rising: bool,
        /// Falling edges run a process.
        falling: bool,
    },
    /// In an edge event, and tested first in the process.
    AsyncReset {
        /// The level that resets.
        active: Level,
    },
    /// At one level, before any other condition, sets all registers of a process to constants.
    SyncReset {
        /// The level that resets.
        active: Level,
    },
    /// Reaches an internal clock combinationally (`clk & en`): to change only while that gate is closed.
    Gate {
        /// The level of the clock at which the gate is closed, so that the input may change.
        closed: Level,
    },
    /// Anything else.
    Data,
}

/// The interface of the golden module, as the stimulus and the comparison need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Name of the module.
    pub top: String,
    /// The ports in order of declaration.
    pub ports: Vec<Port>,
    /// A role for each port, parallel to `ports`; `Data` for outputs.
    pub roles: Vec<Role>,
    /// For each port, sorted values that the source compares it (or what it feeds) with.
    pub constants: Vec<Vec<Bits>>,
    /// Sorted values compared with anywhere in the module (states, thresholds), whatever they meet.
    pub pool: Vec<Bits>,
    /// Whether any process keeps state (a register, a latch or a memory).
    pub sequential: bool,
}

/// A vector of bits of up to any width; little-endian words, unused high bits zero.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bits {
    /// Width in bits.
    pub width: u32,
    /// `ceil(width / 64)` words.
    pub words: Vec<u64>,
}
