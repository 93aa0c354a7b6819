//! The engine that runs a lowered module over many lanes at once.
//!
//! A [`Program`](crate::design::program::Program) goes in, values of inputs step by step, and values of outputs come
//! out, each of four states. A *lane* is one run of the module, an episode: it has its own inputs and state, and what
//! comes out of it does not depend on the lanes beside it. One decision of the interpreter serves all lanes, whose
//! words lie side by side, so that the compiler makes vector instructions of the inner loops.
//!
//! [`Code`] is the program in the form that is run, made once of a module; a [`Machine`] runs it in up to 64 lanes.
//!
//! # Order of events
//!
//! A change of a variable starts the processes that watch it, in the lanes in which the watched bits changed.
//! Combinational processes run first, in the program's order, until none is started; then those of the triggered ones
//! that were started by then, in order, and so on. When nothing is active, the nonblocking writes take effect. What a
//! process wrote is compared with what was there before it ran, so nothing is started by what it took back. A process
//! that is started again while it waits for its turn runs once.
//!
//! All these decisions are taken lane by lane: processes that only other lanes start run in between and change nothing.
//!
//! # What makes it quick
//!
//! Most modules are some dozens of operations, and two lanes run for thousands of steps; so deciding what comes next
//! costs more than the arithmetic. Known values have a code of their own (`code`), small processes run together
//! (`units`), variables that nobody watches are not compared, and the interpreter has one table of jumps. From 32 lanes on
//! the arithmetic counts, and the interpreter with its operations on known words is compiled for AVX2 and AVX-512 as well and
//! chosen at run time; for 2 to 16 lanes that was measured not to pay (November 2026: 132 to 155 us for 1,000 steps of 2
//! lanes and 73 to 82 us for 256 steps of 16, against 131 to 154 and 72 to 79 without).
//!
//! What all lanes of the mask select, read, write or divide alike, as in a loop that counts an index, is done for all of them
//! at once and not lane by lane ([`engine::Word::shared`]).
//!
//! What need not be run is not: runs from several power-up states end once they hold the same (`agree`, `snapshot`), and a
//! module that keeps nothing is run once for each different row of inputs (`rows`).
//!
//! # Bounds
//!
//! A lane that runs more processes in one [`Machine::settle`] than [`Bounds::runs_of_process`] for each process has a
//! combinational loop that does not settle; one that takes more iterations of loops than [`Bounds`] allows is taken
//! for an endless loop. Such a lane stops for good ([`Machine::stopped`]); the others go on.

mod agree;
mod code;
mod engine;
mod execute;
mod flatten;
mod golden;
mod group;
pub mod job;
mod judge;
mod known;
mod lives;
mod narrow;
mod number;
mod range;
mod rows;
mod scalar;
mod schedule;
mod select;
mod snapshot;
mod store;
mod units;
mod whole;
mod wide;

pub use code::Code;
use engine::Engine;
use snapshot::Snapshot;

/// Version of what lanes tell of a module; a change of any verdict is a new version.
pub const VERSION: u32 = 6;

/// Lanes of a machine at most: a set of lanes is a word.
pub const LANES_MAX: usize = 64;

/// How much a lane may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Runs of processes in one settling, on average over the processes.
    pub runs_of_process: u64,
    /// Iterations of loops in one settling.
    pub iterations_of_step: u64,
    /// Iterations of loops since power-up.
    pub iterations_of_episode: u64,
    /// Instructions since power-up, for all lanes together.
    pub instructions: u64,
}

impl Default for Bounds {
    /// As with compiled models, as far as they have them: 4,000,000 iterations in a step and 50,000,000 in an episode,
    /// some seconds at worst. A hundred runs of each process are far more than a loop that settles has needed, and
    /// verilator's limit. The instructions are some tenths of a second; what takes more is quicker compiled.
    fn default() -> Bounds {
        Bounds {
            runs_of_process: 100,
            iterations_of_step: 4_000_000,
            iterations_of_episode: 50_000_000,
            instructions: 40_000_000,
        }
    }
}

/// What all runs of one candidate through episodes may do together: instructions, a few seconds at worst. So the time that a
/// worker is allowed never decides anything.
#[derive(Debug)]
struct Budget {
    all: u64,
    left: std::cell::Cell<u64>,
}

impl Budget {
    fn new(all: u64) -> Budget {
        Budget { all, left: std::cell::Cell::new(all) }
    }

    /// For a candidate, whose text may be hostile.
    fn of_candidate() -> Budget {
        Budget::new(200_000_000)
    }

    /// For a golden module: each run has its own bound.
    fn of_golden() -> Budget {
        Budget::new(u64::MAX)
    }

    /// What the next run may do.
    fn bounds(&self) -> Bounds {
        let usual = Bounds::default();
        Bounds { instructions: usual.instructions.min(self.left.get()), ..usual }
    }

    /// Takes off what a machine did since it was powered up.
    fn spend(&self, machine: &Machine<'_>) {
        self.left.set(self.left.get().saturating_sub(machine.instructions()));
    }

    /// Instructions that were taken off.
    fn spent(&self) -> u64 {
        self.all - self.left.get()
    }
}

/// Why a lane stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// More iterations of loops than [`Bounds`] allows.
    #[error("takes more loop iterations than allowed (an endless loop?)")]
    Loop,
    /// More runs of processes than [`Bounds`] allows.
    #[error("has a combinational loop that does not settle")]
    NotSettled,
    /// More instructions than [`Bounds`] allows: no fault of the module, which another backend may run quicker.
    #[error("takes more work than lanes are worth")]
    Work,
}

/// What the variables hold before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerUp<'a> {
    /// What the program says; memories x, or 0 where their type has two states.
    Unknown,
    /// As that, but variables and memories of four states have random known bits, from a seed for each lane. Inputs
    /// and nets that nothing drives do not.
    Random {
        /// The seeds of the lanes.
        seeds: &'a [u64],
    },
}

/// Both planes of a port's value; word `limb` of lane `lane` is at `limb * stride + lane` ([`Machine::stride`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The value plane.
    pub value: Vec<u64>,
    /// The unknown plane.
    pub unknown: Vec<u64>,
}

/// A module that runs in some lanes.
pub struct Machine<'c>(Width<'c>);

/// The lanes of the compiled forms: a machine has the next larger one, and its spare lanes do what its first one does.
#[expect(
    clippy::large_enum_variant,
    reason = "a machine is made once for many steps, and moved seldom"
)]
enum Width<'c> {
    Two(Engine<'c, 2>),
    Four(Engine<'c, 4>),
    Eight(Engine<'c, 8>),
    Sixteen(Engine<'c, 16>),
    ThirtyTwo(Engine<'c, 32>),
    SixtyFour(Engine<'c, 64>),
}

macro_rules! engine {
    ($machine:expr, $engine:ident => $do:expr) => {
        match $machine {
            Width::Two($engine) => $do,
            Width::Four($engine) => $do,
            Width::Eight($engine) => $do,
            Width::Sixteen($engine) => $do,
            Width::ThirtyTwo($engine) => $do,
            Width::SixtyFour($engine) => $do,
        }
    };
}

/// Words from one word of a value to the next, in a machine of so many lanes.
fn stride(lanes: usize) -> usize {
    lanes.next_power_of_two().max(2)
}

impl<'c> Machine<'c> {
    /// A machine of so many lanes, 1 to [`LANES_MAX`]; its variables hold nothing yet: [`Machine::power_up`] comes
    /// first.
    pub fn new(code: &'c Code, lanes: usize, bounds: Bounds) -> Machine<'c> {
        assert!(
            (1..=LANES_MAX).contains(&lanes),
            "{lanes} lanes are not between 1 and {LANES_MAX}"
        );
        Machine(match lanes {
            1..=2 => Width::Two(Engine::new(code, lanes, bounds)),
            3..=4 => Width::Four(Engine::new(code, lanes, bounds)),
            5..=8 => Width::Eight(Engine::new(code, lanes, bounds)),
            9..=16 => Width::Sixteen(Engine::new(code, lanes, bounds)),
            17..=32 => Width::ThirtyTwo(Engine::new(code, lanes, bounds)),
            _ => Width::SixtyFour(Engine::new(code, lanes, bounds)),
        })
    }

    /// Instructions since power-up, for all lanes together.
    pub fn instructions(&self) -> u64 {
        engine!(&self.0, engine => engine.instructions)
    }

    /// Does no more than these bounds allow from now on.
    pub fn bound(&mut self, bounds: Bounds) {
        engine!(&mut self.0, engine => engine.bounds = bounds);
    }

    /// Words from one limb of an output to the next.
    pub fn stride(&self) -> usize {
        engine!(&self.0, engine => engine.stride())
    }

    /// Begins anew: variables and memories hold what `how` says, then the initial values of declarations are set.
    /// `initial` blocks and all combinational processes wait for the first [`Machine::settle`], so that inputs may be
    /// set before it.
    pub fn power_up(&mut self, how: PowerUp<'_>) {
        engine!(&mut self.0, engine => engine.power_up(how));
    }

    /// Sets an input, by its number in the program: word `limb` of lane `lane` is `values[limb * lanes + lane]`. All
    /// bits are known.
    pub fn set_input(&mut self, port: usize, values: &[u64]) {
        engine!(&mut self.0, engine => engine.set_input(port, values));
    }

    /// Runs until nothing is left to do. The error is that of the lowest lane that stopped, now or before.
    pub fn settle(&mut self) -> Result<(), Stop> {
        engine!(&mut self.0, engine => engine.settle())
    }

    /// Whether it is sure that the last [`Machine::settle`] left the outputs as they were: nothing ran.
    pub fn is_quiet(&self) -> bool {
        engine!(&self.0, engine => engine.is_quiet)
    }

    /// The lanes that have stopped so since power-up.
    pub fn stopped(&self, why: Stop) -> u64 {
        engine!(&self.0, engine => engine.stopped(why))
    }

    /// An output's value, by its number in the program.
    pub fn output(&self, port: usize) -> Output {
        engine!(&self.0, engine => engine.output(port))
    }

    /// Copies an output's known bits and which they are, word `limb` of lane `lane` at `limb * stride + lane`.
    pub fn copy_output(&self, port: usize, value: &mut [u64], defined: &mut [u64]) {
        engine!(&self.0, engine => engine.copy_output(port, value, defined));
    }

    /// The lanes in which an output differs from `golden` in some bit of `defined`, both laid out as in [`Output`]: by
    /// a known bit, and at all (an unknown bit differs).
    pub fn differs(&self, port: usize, golden: &[u64], defined: &[u64]) -> (u64, u64) {
        engine!(&self.0, engine => engine.differs(port, golden, defined))
    }

    /// Word `limb` of an output in all lanes, value plane and unknown plane: without copying.
    pub fn word(&self, port: usize, limb: usize) -> (&[u64], &[u64]) {
        engine!(&self.0, engine => engine.word(port, limb))
    }

    /// Whether an output is sure to have no unknown bit in any lane.
    pub fn is_known(&self, port: usize) -> bool {
        engine!(&self.0, engine => engine.is_known(port))
    }

    /// What the first lanes hold between two steps, which are these of a group; unless that is much.
    fn snapshot(&self, lanes: &[usize]) -> Option<Snapshot> {
        engine!(&self.0, engine => engine.snapshot(lanes))
    }

    /// Which of some lanes of a group hold what a snapshot says, in all copies that the machine has of them.
    fn holding(&self, snapshot: &Snapshot, lanes: &[usize]) -> u64 {
        engine!(&self.0, engine => engine.holding(snapshot, lanes))
    }

    /// Lanes in which an `if`, a `case` or an edge saw an unknown bit since this was last cleared: from there on four
    /// states may tell more than hardware would know.
    pub fn optimistic(&self) -> u64 {
        engine!(&self.0, engine => engine.optimistic())
    }

    /// Whether what the outputs are now cannot depend on what was before, if the program is
    /// [stateless](crate::design::program::Program::is_stateless).
    pub fn forgets(&self) -> bool {
        engine!(&self.0, engine => engine.forgets())
    }

    /// Forgets [`Machine::optimistic`].
    pub fn clear_optimistic(&mut self) {
        engine!(&mut self.0, engine => engine.clear_optimistic());
    }
}
