//! A module as a program: what its processes do, word by word, for an engine that runs many lanes at once.
//!
//! Lowering ([`mod@super::lower`]) makes one of an elaborated module; hierarchy, generate blocks, functions and tasks are
//! gone by then, and every rule of the language about widths, signs and selects is spelled out: each operation
//! says its widths by its slots, and operands are extended before they meet. What is left to the engine is
//! the arithmetic of four values, masks of lanes, and the order of events.
//!
//! # Values
//!
//! A bit is 0, 1, x or z, kept in two planes, *value* and *unknown*: 0 is (0, 0), 1 is (1, 0), x is (0, 1) and z is
//! (1, 1). Only moves of bits (stores, [`OpKind::Slice`], [`OpKind::Concat`], selects, shifts,
//! [`OpKind::Extend`], [`OpKind::Mux`] of a known condition) keep z; every other operation takes it for x and gives x. Bits above a slot's
//! width are 0 in both planes.
//!
//! # Slots
//!
//! A slot holds one value in each lane. The first [`Program::variables`] slots are the nets and variables and keep
//! their values; constants follow, then temporaries, each the result of one operation of one process, written before it
//! is read in every run of the code that uses it, and numbered so that a result has a higher number than its operands.
//! What is computed in a side of an `if`, an arm of a `switch`, a block or a turn of a loop is read nowhere else.
//!
//! # Code
//!
//! A [`Statement`] runs under a mask of lanes: operations compute in those lanes (in the others their results may be
//! anything, and none of them can fail), stores write in the lanes of the mask alone.

/// Index of a slot.
pub type Slot = u32;

/// Index of a memory.
pub type MemoryId = u32;

/// Names a block that lanes can leave.
pub type Label = u32;

/// A value of four states, little-endian words, bits above the width 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Constant {
    /// The value plane.
    pub value: Vec<u64>,
    /// The unknown plane.
    pub unknown: Vec<u64>,
}

/// An array of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bits of a word.
    pub width: u32,
    /// Number of words.
    pub words: u32,
    /// What its words hold before anything runs.
    pub power_up: PowerUp,
}

/// A lowered module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Width of each slot in bits, 1 or more.
    pub widths: Vec<u32>,
    /// Slots that are nets and variables: the first ones.
    pub variables: u32,
    /// Values of the slots that follow.
    pub constants: Vec<Constant>,
    /// For each variable, what it holds before anything runs: x, z (a net that nothing drives) or 0 (a type of two
    /// states).
    pub power_up: Vec<PowerUp>,
    /// The arrays.
    pub memories: Vec<Memory>,
    /// Input ports by name.
    pub inputs: Vec<(String, Slot)>,
    /// Output ports by name.
    pub outputs: Vec<(String, Slot)>,
    /// The processes; those of [`Kind::Combinational`] in an order in which, as far as there is one, each stands
    /// after those that write what it reads.
    pub processes: Vec<Process>,
    /// For each variable, the processes that watch it. Derived: [`Program::link`].
    pub watchers: Vec<Vec<Watcher>>,
    /// Number of labels.
    pub labels: u32,
    /// Whether the outputs follow from the present inputs alone, once every process has run.
    pub is_stateless: bool,
}

/// What a variable holds before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerUp {
    /// All x: a variable, or a net whose driver has not run.
    Unknown,
    /// All z: a net without a driver.
    HighImpedance,
    /// All 0: a variable of a type of two states.
    Zero,
}

/// When a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Once at the start, before anything else: the initial values of declarations.
    Declaration,
    /// Once at the start: an `initial` block.
    Initial,
    /// At the start and when a variable that it watches changes: a continuous assignment, `always_comb`,
    /// `always_latch`, a gate or a connection of ports.
    Combinational,
    /// When a variable that it watches changes or has an edge: `always @…`.
    Triggered,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// When it runs.
    pub kind: Kind,
    /// What it waits for.
    pub triggers: Vec<Trigger>,
    /// What it does.
    pub body: Vec<Statement>,
    /// Variables that it writes by blocking assignments, sorted.
    pub writes: Vec<Slot>,
    /// For each of these which bits it may write: words, the lowest first.
    pub written: Vec<Vec<u64>>,
    /// Whether its own writes can start it again: those of a continuous assignment can, those of a procedure happen
    /// while it does not wait.
    pub restarts_itself: bool,
    /// Whether running it once more in a lane in which nothing changed changes nothing there: then it may run in every
    /// lane in which it ran before. (What it reads before it writes it is watched and not written by it, and what it
    /// writes nobody else writes: bit by bit.)
    pub is_pure: bool,
    /// Line of the source, for messages.
    pub line: u32,
}

/// What starts a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The variable; for [`Watch::Memory`] the memory.
    pub slot: Slot,
    /// What about it.
    pub watch: Watch,
}

/// What about a variable starts a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// A change among the bits from `lsb`, `width` of them.
    Change {
        /// The lowest bit.
        lsb: u32,
        /// How many.
        width: u32,
    },
    /// An edge of one bit, as the standard has it (IEEE 1800-2017, 9.4.2): from 0 or to 1 but not both the same, x and
    /// z between the two.
    Edge {
        /// The bit.
        bit: u32,
        /// Whether a rising edge counts.
        rising: bool,
        /// Whether a falling edge counts.
        falling: bool,
    },
    /// A change of any word of a memory.
    Memory,
}

/// A process that watches a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watcher {
    /// The process.
    pub process: u32,
    /// What it watches.
    pub watch: Watch,
}

/// A piece of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// Computes in the lanes of the mask; in the others the result may be anything, and is not read.
    Compute(Op),
    /// Writes, in the lanes of the mask.
    Store(Store),
    /// Runs `then` where bit 0 of `condition` (one bit wide) is 1 and `otherwise` where it is 0, x or z.
    If {
        /// The condition, one bit.
        condition: Slot,
        /// Where it is 1.
        then: Vec<Statement>,
        /// Elsewhere.
        otherwise: Vec<Statement>,
    },
    /// Runs one arm in each lane.
    Switch(Box<Switch>),
    /// Runs the body; lanes that left it by [`Statement::Exit`] go on after it.
    Block {
        /// Its name.
        label: Label,
        /// What it does.
        body: Vec<Statement>,
    },
    /// Runs the body again and again until every lane has left it by an [`Statement::Exit`] of a block around it. More
    /// iterations than allowed are a timeout.
    Loop {
        /// What it does.
        body: Vec<Statement>,
    },
    /// The lanes of the mask leave the block of that label.
    Exit(Label),
}

/// A `case` whose items are constants.
///
/// An item matches a lane where `(selector ^ value) & care` is 0 in all bits; the first that matches is run, or the
/// default. A selector with unknown bits: with [`Wildcards::None`] an unknown bit matches nothing where bits count (no
/// item here has unknown bits that count); with [`Wildcards::Z`] its z bits match anything and its x bits nothing
/// where bits count; with [`Wildcards::Unknown`] both match anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// What is compared, at most [`Switch::WIDTH_MAX`] bits.
    pub selector: Slot,
    /// Which bits of the selector match anything.
    pub wildcards: Wildcards,
    /// The items in order of the text: value, bits that count, and the arm.
    pub items: Vec<(u64, u64, u32)>,
    /// The arms; the last one is the default.
    pub arms: Vec<Vec<Statement>>,
    /// For a selector of at most [`Switch::TABLE_WIDTH_MAX`] bits the arm of each of its known values; else empty.
    pub table: Vec<u32>,
}

impl Switch {
    /// Widest selector.
    pub const WIDTH_MAX: u32 = 64;
    /// Widest selector with a table.
    pub const TABLE_WIDTH_MAX: u32 = 12;

    /// The arm of the first item that a selector of these planes matches; none is the default.
    pub fn item(&self, value: u64, unknown: u64) -> Option<u32> {
        let (blocks, any) = match self.wildcards {
            Wildcards::None => (unknown, 0),
            Wildcards::Z => (unknown & !value, unknown & value),
            Wildcards::Unknown => (0, unknown),
        };
        let matches = |&&(item, care, _): &&(u64, u64, u32)| {
            (value ^ item) & care & !any == 0 && blocks & care == 0
        };
        self.items.iter().find(matches).map(|&(_, _, arm)| arm)
    }
}

/// Bits of a `case` selector that match anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wildcards {
    /// `case`.
    None,
    /// `casez`.
    Z,
    /// `casex`.
    Unknown,
}

/// An operation: the result goes to `dst`, a temporary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// Where the result goes.
    pub dst: Slot,
    /// What is computed.
    pub kind: OpKind,
}

/// What an operation computes. Where nothing else is said, operands and result are equally wide, and a result bit is x
/// where an unknown operand bit can change it; arithmetic and comparisons by size are all x where any operand bit is
/// unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpKind {
    /// The operand's low bits, extended by 0 or by its highest bit (x and z too), or cut.
    Extend {
        /// The operand.
        a: Slot,
        /// Whether by its highest bit.
        signed: bool,
    },
    /// The bits from `lsb`, which exist.
    Slice {
        /// The operand.
        a: Slot,
        /// The lowest bit.
        lsb: u32,
    },
    /// The operands side by side, the first one highest.
    Concat(Vec<Slot>),
    /// The bits from bit `offset`, which is a signed number of at most 64 bits; bits that do not exist are x, and all
    /// are x where the offset is unknown.
    Select {
        /// The operand.
        a: Slot,
        /// The lowest bit.
        offset: Slot,
    },
    /// The word of a memory at a signed index of at most 64 bits; x where there is none.
    Read {
        /// The memory.
        memory: MemoryId,
        /// The index.
        index: Slot,
    },
    /// Bitwise NOT.
    Not(Slot),
    /// Two's complement.
    Negate(Slot),
    /// All operand bits AND, to one bit.
    ReduceAnd(Slot),
    /// All operand bits OR, to one bit: also whether an operand is true (1 if any bit is 1, else x if any is unknown,
    /// else 0).
    ReduceOr(Slot),
    /// All operand bits XOR, to one bit.
    ReduceXor(Slot),
    /// Bitwise AND.
    And(Slot, Slot),
    /// Bitwise OR.
    Or(Slot, Slot),
    /// Bitwise XOR.
    Xor(Slot, Slot),
    /// Sum.
    Add(Slot, Slot),
    /// Difference.
    Subtract(Slot, Slot),
    /// Product.
    Multiply(Slot, Slot),
    /// Quotient, toward zero; x where the divisor is 0.
    Divide {
        /// The dividend.
        a: Slot,
        /// The divisor.
        b: Slot,
        /// Whether both are signed.
        signed: bool,
    },
    /// Remainder, with the sign of the dividend; x where the divisor is 0.
    Remainder {
        /// The dividend.
        a: Slot,
        /// The divisor.
        b: Slot,
        /// Whether both are signed.
        signed: bool,
    },
    /// Power (IEEE 1800-2017, table 11-4): the exponent has a width and a sign of its own; x where the base is 0 and
    /// the exponent negative.
    Power {
        /// The base, as wide as the result.
        a: Slot,
        /// The exponent, of any width.
        b: Slot,
        /// Whether the base is signed.
        base_signed: bool,
        /// Whether the exponent is signed.
        exponent_signed: bool,
    },
    /// Shift to the left by an unsigned number of any width; all x where that is unknown.
    ShiftLeft(Slot, Slot),
    /// Shift to the right by an unsigned number of any width, 0 from above.
    ShiftRight(Slot, Slot),
    /// Shift to the right by an unsigned number of any width, the highest bit (x and z too) from above.
    ShiftRightSigned(Slot, Slot),
    /// `==`, to one bit: 0 where known bits differ, else x where any is unknown.
    Equal(Slot, Slot),
    /// `===`, to one bit, never x: x equals x alone and z equals z alone.
    Same(Slot, Slot),
    /// `==?`, to one bit: x and z of the right operand match anything; else as [`OpKind::Equal`].
    Matches(Slot, Slot),
    /// Whether an item of `casez` or `casex` matches, to one bit, never x: bits that are z (or, with `unknown`, x or
    /// z) in either operand match anything, the others as in [`OpKind::Same`].
    CaseMatches {
        /// The selector.
        a: Slot,
        /// The item.
        b: Slot,
        /// Whether x bits match anything too.
        unknown: bool,
    },
    /// `<`, to one bit.
    Less {
        /// The left operand.
        a: Slot,
        /// The right operand.
        b: Slot,
        /// Whether both are signed.
        signed: bool,
    },
    /// `a` where the one-bit condition is 1, `b` where it is 0; where it is unknown, bit by bit the common
    /// known value, or x.
    Mux {
        /// The condition, one bit.
        condition: Slot,
        /// Where it is 1.
        a: Slot,
        /// Where it is 0.
        b: Slot,
    },
    /// Unknown bits as 0: a value put into a type of two states.
    Known(Slot),
    /// `$isunknown`, to one bit.
    IsUnknown(Slot),
    /// `$countones`-like: the number of bits that are 1, as wide as `dst`.
    CountOnes(Slot),
    /// `$clog2` of an unsigned operand, as wide as `dst`; x where a bit is unknown.
    CeilLog2(Slot),
    /// What a wire has that two drivers drive (IEEE 1800-2017, table 28-1): z gives way, different values are x.
    Resolve {
        /// One driver.
        a: Slot,
        /// The other.
        b: Slot,
        /// What kind of net.
        net: Net,
    },
    /// The operand where its bits are known or x, and the given level where they are z (`tri0`, `tri1`).
    Pull {
        /// The operand.
        a: Slot,
        /// The level.
        one: bool,
    },
    /// A `bufif`/`notif`/`nmos`-like gate: the data, one bit, where the control, one bit, is 1, z where it is 0, x
    /// where it is unknown.
    Gate {
        /// The data.
        data: Slot,
        /// The control.
        control: Slot,
    },
}

/// How drivers of a net meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// `wire`, `tri`.
    Wire,
    /// `wand`, `triand`.
    And,
    /// `wor`, `trior`.
    Or,
}

/// Where a store writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A whole variable.
    Whole(Slot),
    /// Bits of a variable from `lsb`, which exist.
    Part {
        /// The variable.
        variable: Slot,
        /// The lowest bit.
        lsb: u32,
    },
    /// Bits of a variable from a signed offset of at most 64 bits: bits that do not exist are not written, nothing is
    /// where the offset is unknown.
    Select {
        /// The variable.
        variable: Slot,
        /// The lowest bit.
        offset: Slot,
    },
    /// A word of a memory, or bits of it from a signed offset; nothing where index or offset is unknown or there is no
    /// such word.
    Word {
        /// The memory.
        memory: MemoryId,
        /// The index, signed, at most 64 bits.
        index: Slot,
        /// The lowest bit within the word, signed, at most 64 bits; absent for the whole word.
        offset: Option<Slot>,
    },
}

impl Target {
    /// The variable that is written; none for a word of a memory.
    pub fn variable(&self) -> Option<Slot> {
        match *self {
            Target::Whole(variable)
            | Target::Part { variable, .. }
            | Target::Select { variable, .. } => Some(variable),
            Target::Word { .. } => None,
        }
    }

    /// The same bits of another variable.
    pub fn with_variable(mut self, other: Slot) -> Target {
        match &mut self {
            Target::Whole(variable)
            | Target::Part { variable, .. }
            | Target::Select { variable, .. } => *variable = other,
            Target::Word { .. } => {}
        }
        self
    }
}

/// A write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Where to; a whole target is as wide as the value.
    pub target: Target,
    /// What.
    pub value: Slot,
    /// Whether it takes effect after all active processes have run; a variable has either blocking or nonblocking
    /// writes.
    pub nonblocking: bool,
}

impl Process {
    /// The bits of a variable that its blocking assignments may write, words, the lowest first; empty for none.
    pub fn written_of(&self, slot: Slot) -> &[u64] {
        let at = self.writes.iter().position(|&own| own == slot);
        at.and_then(|at| self.written.get(at)).map_or(&[], |words| words)
    }

    /// Whether its blocking assignments may change a variable that another process watches.
    pub fn starts(&self, watcher: &Process) -> bool {
        watcher.triggers.iter().any(|trigger| {
            let written = self.written_of(trigger.slot);
            trigger.watch.words().any(|(at, mask)| written.get(at).is_some_and(|w| w & mask != 0))
        })
    }
}

impl Watch {
    /// The bits of a variable that are watched: numbers of words, and which bits of each.
    pub fn words(self) -> impl Iterator<Item = (usize, u64)> {
        let (lsb, width) = match self {
            Watch::Change { lsb, width } => (lsb, width),
            Watch::Edge { bit, .. } => (bit, 1),
            Watch::Memory => (0, 0),
        };
        let end = if width == 0 { 0 } else { lsb + width };
        (lsb / 64..end.div_ceil(64)).map(move |word| {
            let (from, to) = (lsb.max(64 * word) % 64, (end - 64 * word).min(64));
            (word as usize, u64::MAX >> (64 - (to - from)) << from)
        })
    }
}

impl Program {
    /// Fills [`Program::watchers`] from the processes' triggers. A watcher of [`Watch::Memory`] stands in the list of
    /// memories, which [`Program::memory_watchers`] gives.
    pub fn link(&mut self) {
        self.watchers = vec![Vec::new(); self.variables as usize];
        for (number, process) in (0..).zip(&self.processes) {
            for trigger in &process.triggers {
                if trigger.watch != Watch::Memory {
                    let watcher = Watcher { process: number, watch: trigger.watch };
                    self.watchers[trigger.slot as usize].push(watcher);
                }
            }
        }
    }

    /// The processes that watch a memory.
    pub fn memory_watchers(&self, memory: MemoryId) -> impl Iterator<Item = u32> + '_ {
        let watches = move |process: &Process| {
            process.triggers.iter().any(|t| t.watch == Watch::Memory && t.slot == memory)
        };
        (0..).zip(&self.processes).filter(move |(_, process)| watches(process)).map(|(at, _)| at)
    }
}
