//! The form of a program that is run: one flat list of instructions, operands resolved to cells.
//!
//! A *cell* is one word of 64 bits in every lane. Cells of variables come first, then those of constants, then one
//! more for each of a variable's: its *shadow*, to which nonblocking writes, and inputs that were unknown, go before they take effect, and
//! which holds, within a process with blocking writes, what the variable held before (a variable has either kind of
//! writes). Temporaries follow: those of all units use the same cells, since none lives longer than a run, and within a
//! unit they use cells again ([`super::lives`]).
//!
//! # Two codes for each unit
//!
//! Almost all values are known, almost always. So a unit has a second code, the *known* one, that looks at the value
//! plane alone, and runs when all variables that it deals with are known ([`Unit::needs`]). Operations that can make
//! an unknown value of known ones (a division, a select out of range, a memory, an x in the text) and what depends on
//! them keep both planes there too (`known` says which). Temporaries of which it writes the value plane alone have
//! cells of their own, so that their unknown plane stays 0.

use crate::design::program::{Kind, Memory, OpKind, PowerUp, Switch};

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

/// One step of the interpreter. Names of cells are those of [`crate::design::program`]; `mask` is that of the result's
/// bits.
///
/// The first group deals with known values of one cell, and with the value plane alone.
#[derive(Clone, Copy, Debug)]
pub(super) enum Instruction {
    /// `(a >> shift) & mask`: a slice, or an extension that cuts.
    Slice(One, u8, u64),
    /// `(a << shift) & mask`.
    Shift(One, u8, u64),
    /// `a` filled from bit `63 - shift` upwards, `& mask`.
    SignExtend(One, u8, u64),
    Not(One, u64),
    Negate(One, u64),
    /// Whether `a` is this number: AND of all bits, or a comparison with a constant.
    Is(One, u64),
    IsNot(One, u64),
    Parity(One),
    CountOnes(One, u64),
    And(Two),
    Or(Two),
    Xor(Two),
    Add(Two, u64),
    /// A number and the width.
    AddNumber(One, u64, u8),
    Subtract(Two, u64),
    Multiply(Two, u64),
    ShiftLeft(Two, u64),
    ShiftRight(Two, u64),
    /// With 64 less the width, as in `LessSigned`.
    ShiftRightSigned(Two, u8),
    Equal(Two),
    Less(Two),
    LessSigned(Two, u8),
    /// With the condition.
    Mux(Two, u32),
    /// `a << shift | b`.
    Join(Two, u8),

    /// The same for values of four states.
    Four(Operation),
    /// The same for values of several cells.
    Wide(u32),
    /// An operation lane by lane.
    General(u32),
    /// A word of a memory.
    Read(u32),

    /// Writes a cell in the lanes of the mask, known or of four states.
    PutKnown(Put),
    Put(Put),
    /// Writes the bits of a mask, to which the value is shifted.
    PutPartKnown(Put, u8, u64),
    PutPart(Put, u8, u64),
    /// The only write of a variable of one cell: it is compared and its watchers are started at once.
    AssignKnown {
        variable: u32,
        value: u32,
    },
    Assign {
        variable: u32,
        value: u32,
    },
    /// Any other write.
    Store(u32),
    /// Begins nonblocking writes to a variable in this phase, if none have begun.
    Open {
        variable: u32,
        is_known: bool,
    },
    /// Keeps what a variable holds, to compare at the end.
    Keep {
        variable: u32,
        is_known: bool,
    },
    /// Compares a variable with what was kept, and starts its watchers.
    Compare {
        variable: u32,
        is_known: bool,
    },
    /// Notes whether a variable has unknown bits.
    Note {
        variable: u32,
    },

    /// Parts the lanes by a condition of one bit; those where it is not 1 go on at `otherwise`.
    Branch {
        condition: Condition,
        otherwise: u32,
    },
    /// Between the two sides: lanes of the first wait, the others go on; with none, all go on at `end`.
    Otherwise {
        frame: u32,
        end: u32,
    },
    /// The two sides meet.
    Meet {
        frame: u32,
    },
    /// Runs what follows in the lanes where a condition is 1: a branch too short to be jumped over.
    Narrow(Condition),
    /// In the other lanes.
    Invert {
        frame: u32,
    },
    /// In both.
    Widen {
        frame: u32,
    },
    /// Parts the lanes by a selector.
    Switch(u32),
    /// The end of an arm: other lanes run theirs.
    ArmEnd(u32),
    /// The beginning of a block that lanes can leave.
    Enter {
        label: u32,
    },
    /// Its end: lanes that left it go on.
    Leave {
        label: u32,
    },
    /// Lanes leave a block.
    Exit {
        label: u32,
    },
    /// Lanes that are left go round again.
    Repeat {
        start: u32,
    },
    /// The end of the unit.
    End,
}

/// A result and one operand.
#[derive(Clone, Copy, Debug)]
pub(super) struct One {
    pub dst: u32,
    pub a: u32,
}

/// A result and two operands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Two {
    pub dst: u32,
    pub a: u32,
    pub b: u32,
}

/// A cell that is written and one that is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Put {
    pub to: u32,
    pub value: u32,
}

/// A condition and the first of the two masks that its branch keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition {
    pub cell: u32,
    pub frame: u32,
    pub is_known: bool,
}

/// An operation on values of four states: `width` is that of the result, or of the operands where the result has one
/// bit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub what: Four,
    pub width: u8,
    pub shift: u8,
    pub dst: u32,
    pub operands: [u32; 3],
}

/// Operations on values of four states that lie in one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Four {
    Slice,
    SignExtend,
    Join,
    Select,
    Not,
    Negate,
    ReduceAnd,
    ReduceOr,
    ReduceXor,
    And,
    Or,
    Xor,
    Add,
    Subtract,
    Multiply,
    Divide,
    DivideSigned,
    Remainder,
    RemainderSigned,
    ShiftLeft,
    ShiftRight,
    ShiftRightSigned,
    Equal,
    Same,
    Matches,
    CaseMatchesZ,
    CaseMatchesAny,
    Less,
    LessSigned,
    Mux,
    Known,
    IsUnknown,
    CountOnes,
    ResolveWire,
    ResolveAnd,
    ResolveOr,
    Pull0,
    Pull1,
    Gate,
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
    /// Without its arms.
    pub switch: Switch,
    pub selector: Place,
    pub is_known: bool,
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

/// A unit that watches bits of one limb of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    pub unit: u32,
    pub limb: u32,
    pub what: What,
}

/// What about the limb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A change of any of these bits.
    Change(u64),
    /// An edge of one.
    Edge { bit: u32, rising: bool, falling: bool },
}

/// One process, or several that run together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub kind: Kind,
    /// Where its codes begin.
    pub start: u32,
    pub known_start: u32,
    /// What must be known for the second, in [`Code::needs`].
    pub needs: (u32, u32),
    pub is_pure: bool,
    pub restarts_itself: bool,
    /// Whether an edge starts it.
    pub waits_for_edge: bool,
}

/// A program made ready to run, for any number of lanes.
///
/// It is made once of a module and serves any number of [`super::Machine`]s.
#[derive(Clone, Debug, Default)]
pub struct Code {
    pub(super) instructions: Vec<Instruction>,
    pub(super) generals: Vec<General>,
    pub(super) reads: Vec<Read>,
    pub(super) writes: Vec<Write>,
    pub(super) arms: Vec<Arms>,
    pub(super) variables: Vec<Variable>,
    pub(super) watchers: Vec<Watch>,
    /// For each variable, whether anything depends on what it holds.
    pub(super) is_read: Vec<bool>,
    pub(super) units: Vec<Unit>,
    /// Words of the set of unknown variables, and their bits.
    pub(super) needs: Vec<(u32, u64)>,
    /// The variables that triggered units watch: a bit for each.
    pub(super) heard: Vec<u64>,
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
    pub(super) power_up: Vec<PowerUp>,
    pub(super) memories: Vec<Memory>,
    pub(super) inputs: Vec<(String, u32)>,
    pub(super) outputs: Vec<(String, u32)>,
    /// Whether some variable is both; no text is known of which that is so.
    pub(super) passes: bool,
}
