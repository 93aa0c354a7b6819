//! The form of a program that is run: one flat list of instructions, operands resolved to cells.
//!
//! A *cell* is one word of 64 bits in every lane. A slot has as many as its width needs, and a variable has as many again for a
//! second value: the *shadow* that nonblocking writes and inputs go to before they take effect, or, within a process,
//! what the variable held before the process ran. (A variable has either blocking or nonblocking writes, so one does for both.)

use crate::design::program::{Kind, OpKind, Switch, Target};

/// Where a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// First cell.
    pub cell: u32,
    /// Number of cells.
    pub limbs: u32,
    /// Width in bits.
    pub width: u32,
}

/// One step of the interpreter. Indices into the lists of [`Code`] where an instruction has much to say.
#[derive(Clone, Copy, Debug)]
pub(super) enum Instruction {
    /// An operation, lane by lane.
    General(u32),
    /// A word of a memory, lane by lane.
    Read(u32),
    /// A write, lane by lane.
    Store(u32),
    /// Begins nonblocking writes to a variable in this phase, if none have begun.
    Open(u32),
    /// Keeps what a variable holds, to compare at the end.
    Keep(u32),
    /// Compares a variable with what was kept, and starts its watchers.
    Compare(u32),
    /// Parts the lanes by a condition of one bit; those where it is not 1 go on at `otherwise`.
    Branch { condition: u32, frame: u32, otherwise: u32 },
    /// Between the two sides: lanes of the first wait, the others go on; with none, all go on at `end`.
    Otherwise { frame: u32, end: u32 },
    /// The two sides meet.
    Meet { frame: u32 },
    /// Parts the lanes by a selector.
    Switch(u32),
    /// The end of an arm: other lanes run theirs.
    ArmEnd(u32),
    /// The beginning of a block that lanes can leave.
    Enter { label: u32 },
    /// Its end: lanes that left it go on.
    Leave { label: u32 },
    /// Lanes leave a block.
    Exit { label: u32 },
    /// Lanes that are left go round again.
    Repeat { start: u32 },
    /// The end of the process.
    End,
}

/// An operation with its operands in order.
#[derive(Clone, Debug)]
pub(super) struct General {
    pub kind: OpKind,
    pub dst: Place,
    pub operands: Vec<Place>,
}

/// A word to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub dst: Place,
    pub memory: u32,
    pub index: Place,
}

/// A write to be done.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub to: Destination,
    pub value: Place,
    pub nonblocking: bool,
}

/// Where a write goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Destination {
    /// Bits of a variable, or of its shadow, from `lsb`.
    Part { variable: Place, lsb: u32 },
    /// Bits from an offset.
    Select { variable: Place, offset: Place },
    /// A word of a memory, or bits of it.
    Word { memory: u32, index: Place, offset: Option<Place> },
}

/// A switch with its arms' addresses.
#[derive(Clone, Debug)]
pub(super) struct Arms {
    pub switch: Switch,
    pub selector: Place,
    /// First of two masks of this switch.
    pub frame: u32,
    /// First of its lanes' arms.
    pub chosen: u32,
    /// Where each arm begins.
    pub starts: Vec<u32>,
    /// Where lanes meet.
    pub end: u32,
}

/// A variable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variable {
    pub place: Place,
    /// First cell of its second value.
    pub shadow: u32,
    /// Its watchers, in [`Code::watchers`].
    pub watchers: (u32, u32),
}

/// A process that watches bits of one limb of a variable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    pub process: u32,
    pub limb: u32,
    pub what: What,
}

/// What about the limb.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// A change of any of these bits.
    Change(u64),
    /// An edge of one.
    Edge { bit: u32, rising: bool, falling: bool },
}

/// A process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub kind: Kind,
    pub start: u32,
    pub is_pure: bool,
    pub restarts_itself: bool,
}

/// A program made ready to run, for any number of lanes.
///
/// It is made once of a module and serves any number of [`super::Machine`]s.
#[derive(Clone, Debug)]
pub struct Code {
    pub(super) instructions: Vec<Instruction>,
    pub(super) generals: Vec<General>,
    pub(super) reads: Vec<Read>,
    pub(super) writes: Vec<Write>,
    pub(super) arms: Vec<Arms>,
    pub(super) variables: Vec<Variable>,
    pub(super) watchers: Vec<Watch>,
    pub(super) units: Vec<Unit>,
    pub(super) memory_watchers: Vec<Vec<u32>>,
    /// Cells with the constants, from `constants_start`.
    pub(super) constants: Vec<(u64, u64)>,
    pub(super) constants_start: u32,
    /// Number of cells.
    pub(super) cells: u32,
    /// Number of masks that branches and switches keep.
    pub(super) frames: u32,
    /// Number of switches.
    pub(super) switches: u32,
    pub(super) labels: u32,
    /// What variables and memories hold before anything runs.
    pub(super) power_up: Vec<crate::design::program::PowerUp>,
    pub(super) memories: Vec<crate::design::program::Memory>,
    pub(super) inputs: Vec<(String, u32)>,
    pub(super) outputs: Vec<(String, u32)>,
}

impl Destination {
    /// The memory that is written.
    pub fn memory(target: &Target) -> Option<u32> {
        match *target {
            Target::Word { memory, .. } => Some(memory),
            _ => None,
        }
    }
}
