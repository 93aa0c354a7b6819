//! Semantics: what a module is once slang has elaborated it.
//!
//! In: a source text and the name of its top module. Out: a [`Design`], that is its interface (ports, what
//! the processes use each input for, the values it compares with), the text that a two-state simulator is
//! to compile, and the outputs whose value is a matter of scheduling or may be Z; or a [`Refusal`] with its
//! place. Everything here is a function of the text alone. Beside [`crate::verilog::syntax`], only this module
//! names `sv_lang`: other parts see plain data, since an elaborated design borrows from its compilation and
//! cannot leave the process.
//!
//! The order is: [`text`] looks at tokens and blanks what `top` does not reach, slang parses and
//! elaborates the rest ([`elaborate`](mod@elaborate)), [`netlist`] walks the result once into signals,
//! links and processes, and each of [`refuse`], [`roles`], [`constants`], [`races`], [`tristate`] and
//! [`rewrite`] reads that. [`mutate`] reads it too, to list small changes of a text that measure the
//! verification.

use serde::{Deserialize, Serialize};

mod constants;
mod elaborate;
mod expression;
mod limits;
mod literal;
mod lower;
mod mutate;
mod netlist;
mod ports;
pub mod program;
mod races;
mod refuse;
mod resets;
mod rewrite;
mod roles;
mod state;
mod statement;
mod text;
mod tristate;
mod units;
mod unknown;

pub use elaborate::{Lowered, confined, elaborate, elaborate_and_lower, is_legal, lower};
pub use lower::Unsupported;
pub use mutate::{Class, Mutation, Mutations, Replacement, mutations};

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
    /// Sorted values that the source compares a counter with, or loads it with: how long to wait.
    pub durations: Vec<u32>,
    /// Whether any process keeps state (a register, a latch or a memory).
    pub sequential: bool,
    /// Whether every register has an initial value, so that nothing is undefined before a reset.
    pub initialised: bool,
}

/// A vector of bits of up to any width; little-endian words, unused high bits zero.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bits {
    /// Width in bits.
    pub width: u32,
    /// `ceil(width / 64)` words.
    pub words: Vec<u64>,
}

/// What elaboration yields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Design {
    /// The interface of the top module.
    pub interface: Interface,
    /// The text for a two-state simulator: only what the top module reaches, printing removed, and each X
    /// that an operator makes written as an X literal. Lines are those of the source.
    pub source: String,
    /// The same where processes run in another order that the standard allows as well; absent where the
    /// order decides nothing, or cannot be changed in the text.
    pub reordered: Option<String>,
    /// Outputs whose value may depend on the order in which processes run, sorted.
    pub races: Vec<String>,
    /// Outputs that may be Z, sorted: a backend without Z cannot judge them.
    pub uses_z: Vec<String>,
}

/// Why a text cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not Verilog.
    ParseError,
    /// Verilog, but of no design.
    ElaborationError,
    /// The module asked for is not there, or which one is meant is not clear.
    WrongTop,
    /// A port goes both ways: it is declared `inout`, or it is an input that the module drives, which makes it
    /// one (IEEE 1800-2017, 23.3.3.1). No golden module has such a port.
    InoutPort,
    /// It stops the simulation or reaches outside of it.
    Forbidden,
    /// Legal, and not something that can be judged here.
    Unsupported,
}

/// A place in the text, 1-based; columns count bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A text that cannot be judged: why, and where it shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The class.
    pub reason: Reason,
    /// One line, in lower case.
    pub message: String,
    /// The place, where there is one.
    pub place: Option<Place>,
}

impl Refusal {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        let message = message.into().replace(['\n', '\r'], " ");
        Refusal { reason, message, place: None }
    }

    fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }
}

/// The place of a byte offset in a text.
fn place_of(source: &str, offset: usize) -> Place {
    let before = &source.as_bytes()[..offset.min(source.len())];
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    Place {
        line: before.iter().filter(|&&byte| byte == b'\n').count() + 1,
        column: offset - line_start + 1,
    }
}

impl Interface {
    /// The outputs, in order of declaration.
    pub fn outputs(&self) -> impl Iterator<Item = &Port> {
        self.ports.iter().filter(|port| port.direction == Direction::Output)
    }

    /// Whether a candidate with this other interface can stand in for the golden module, or what differs:
    /// a port that is missing, has another direction or width, or an input too many. Order and signedness
    /// do not matter, and outputs too many are not looked at.
    pub fn accepts(&self, candidate: &Interface) -> Result<(), String> {
        for port in &self.ports {
            let Some(other) = candidate.ports.iter().find(|other| other.name == port.name) else {
                return Err(format!(
                    "{} {} of {} is missing",
                    port.direction,
                    port.name,
                    bits(port.width)
                ));
            };
            if other.direction != port.direction {
                return Err(format!(
                    "{} is an {}, not an {}",
                    port.name, other.direction, port.direction
                ));
            }
            if other.width != port.width {
                return Err(format!(
                    "{} {} has {}, not {}",
                    port.direction,
                    port.name,
                    bits(other.width),
                    bits(port.width)
                ));
            }
        }
        let inputs = candidate.ports.iter().filter(|port| port.direction != Direction::Output);
        match inputs.into_iter().find(|port| self.ports.iter().all(|own| own.name != port.name)) {
            Some(extra) => Err(format!(
                "{} {} of {} is too many",
                extra.direction,
                extra.name,
                bits(extra.width)
            )),
            None => Ok(()),
        }
    }
}

fn bits(width: u32) -> String {
    if width == 1 { "1 bit".to_owned() } else { format!("{width} bits") }
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Direction::Input => "input",
            Direction::Output => "output",
            Direction::Inout => "inout",
        })
    }
}

/// Returns the version that the slang in this binary reports.
pub fn slang_version() -> &'static str {
    sv_lang::slang_version()
}
