//! The stimulus as a chip is told it: what is fixed when the harness is built, and the runs that make up the
//! episodes. `hw/README.md` says what the chip makes of it.
//!
//! In: a [`Stimulus`], which has settled all this already. Out: plain numbers. A run is a row of episodes of one
//! flavour and one rule for lengths, because that is what the chip's sequencer repeats: the short base episodes are
//! one, the long ones the next, each deep one is one, and a candidate's own are one. Every row that the runs make is
//! one that [`Stimulus::find`] gives.

use super::input::{Input, Kind};
use super::plan::{self, Flavour, Slot};
use super::table::{Entry, Tables};
use super::{Bits, Interface, Profile, Role, Stimulus, generator, settings};
use crate::design::Direction;

/// What is fixed when the harness is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chip {
    /// The inputs, in the order of the golden module's ports.
    pub inputs: Vec<ChipInput>,
    /// Waits of timed inputs, 16 at most, each from 2 to 255.
    pub durations: Vec<u8>,
    /// Whether the waits are those of counters.
    pub counters: bool,
    /// Whether anything keeps state.
    pub sequential: bool,
    /// Whether every register of the golden module has an initial value.
    pub initialised: bool,
    /// Whether inputs change after the active edge alone.
    pub synchronous: bool,
    /// Whether that edge falls.
    pub after_falling: bool,
}

/// An input as the chip knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChipInput {
    /// Width in bits.
    pub width: u32,
    /// What it is used for.
    pub kind: ChipKind,
    /// Edges of a clock that run processes.
    pub edges: (bool, bool),
    /// Legal values of a restricted input.
    pub legal: Option<Vec<Vec<u64>>>,
    /// Constants of the golden module.
    pub tables: ChipTables,
}

/// What an input is used for; see [`Role`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChipKind {
    /// Anything.
    Data,
    /// A clock.
    Clock,
    /// A reset.
    Reset {
        /// The level that resets.
        active: bool,
        /// Whether a clock edge has to come.
        synchronous: bool,
    },
    /// It changes only where the clocks are at this level.
    Gate {
        /// The level.
        closed: bool,
    },
}

/// The tables of an input: values with their masks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChipTables {
    /// What the input itself is compared with.
    pub own: Vec<Constant>,
    /// What anything is compared with.
    pub pool: Vec<Constant>,
}

/// A value and the bits of the input that it sets, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// The value.
    pub value: Vec<u64>,
    /// The bits.
    pub mask: Vec<u64>,
}

/// Episodes that the chip goes through in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChipRun {
    /// Index of the first episode in all.
    pub index: u32,
    /// Its number in its sequence, and the sequence.
    pub number: u32,
    /// 0 base, 1 deep, 2 a candidate's.
    pub sequence: u32,
    /// What the episodes are for, by number.
    pub flavour: u32,
    /// Number of episodes.
    pub episodes: u32,
    /// Cycles of each; 0 where they are those of the short ones in turn.
    pub cycles: u32,
    /// Cycles of the last, where it is cut; else 0.
    pub last_cycles: u32,
    /// Cycles of all.
    pub total_cycles: u64,
    /// The input that leads.
    pub leader: u32,
    /// State of the exhaustive walk at the first opportunity, its increment, and the values that are left.
    pub walk: Option<(u64, u32, u64)>,
}

impl Stimulus {
    /// What a harness is built for; `interface` is the one that the stimulus was made for.
    pub fn chip(&self, interface: &Interface) -> Chip {
        let ports = interface.ports.iter().zip(&interface.roles);
        let roles =
            ports.filter(|(port, _)| port.direction == Direction::Input).map(|(_, role)| role);
        let inputs = self.inputs.iter().zip(&self.tables).zip(roles);
        Chip {
            inputs: inputs.map(|((input, tables), role)| chip_input(input, tables, role)).collect(),
            durations: self.durations.iter().map(|&cycles| cycles as u8).collect(),
            counters: self.shape.counters,
            sequential: self.shape.sequential,
            initialised: self.shape.initialised,
            synchronous: self.config.profile == Profile::Synchronous,
            after_falling: self.shape.after_edge == 0,
        }
    }

    /// The number that all episodes are seeded from: `mix(mix(seed) ^ key)`.
    pub fn chip_stream(&self) -> u64 {
        generator::mix(generator::mix(self.config.seed) ^ self.key)
    }

    /// The base episodes as runs: the short ones, then the long ones.
    pub fn chip_base_runs(&self) -> Vec<ChipRun> {
        let (longs, _) = plan::long_episodes(self.config.vectors);
        let (short, long) = self.base.split_at(self.base.len() - longs as usize);
        let mut runs = Vec::new();
        if let Some(last) = short.last() {
            let whole = plan::short_cycles(last.number);
            let cut = if last.cycles == whole { 0 } else { last.cycles };
            runs.push(ChipRun { last_cycles: cut, ..self.chip_run(short, 0) });
        }
        if let Some(slot) = long.first() {
            runs.push(self.chip_run(long, slot.cycles));
        }
        runs
    }

    /// Deep episode `k` as a run.
    pub fn chip_deep_run(&self, k: u32) -> Option<ChipRun> {
        let slot = self.deep.get(k as usize)?;
        Some(self.chip_run(std::slice::from_ref(slot), slot.cycles))
    }

    /// A candidate's own episodes as a run, with its tables for each input; nothing where there are none.
    pub fn chip_own_run(&self, constants: &[Bits]) -> Option<(ChipRun, Vec<ChipTables>)> {
        if constants.is_empty() || self.walk.is_some() {
            return None;
        }
        let slots = plan::candidate_slots(self.base_episodes() + self.deep_episodes());
        let table = |input: &Input| chip_tables(&Tables::new(input.width, constants, constants));
        Some((self.chip_run(&slots, slots[0].cycles), self.inputs.iter().map(table).collect()))
    }

    fn chip_run(&self, slots: &[Slot], cycles: u32) -> ChipRun {
        let first = &slots[0];
        let able = self.inputs.iter().zip(0..).filter(|(input, _)| settings::may_lead(input));
        let able: Vec<u32> = able.map(|(_, at)| at).collect();
        let leader = match first.flavour {
            Flavour::Led => able.get(first.number as usize % able.len().max(1)).copied(),
            _ => None,
        };
        let walk = self.walk.as_ref().filter(|_| first.sequence == 0);
        ChipRun {
            index: first.index,
            number: first.number,
            sequence: first.sequence,
            flavour: flavour_number(first.flavour),
            episodes: slots.len() as u32,
            cycles,
            last_cycles: 0,
            total_cycles: slots.iter().map(|slot| u64::from(slot.cycles)).sum(),
            leader: leader.unwrap_or(0),
            walk: walk.map(|walk| walk.at(2 * u64::from(first.before))),
        }
    }
}

fn flavour_number(flavour: Flavour) -> u32 {
    match flavour {
        Flavour::Base => 0,
        Flavour::Run => 1,
        Flavour::Slow => 2,
        Flavour::Pulse => 3,
        Flavour::Mixed => 4,
        Flavour::Led => 5,
        Flavour::Candidate => 6,
    }
}

fn chip_input(input: &Input, tables: &Tables, role: &Role) -> ChipInput {
    let kind = match input.kind {
        Kind::Clock => ChipKind::Clock,
        Kind::Reset { active, synchronous } => ChipKind::Reset { active, synchronous },
        Kind::Gate { closed } => ChipKind::Gate { closed },
        Kind::Data => ChipKind::Data,
    };
    let edges = match *role {
        Role::Clock { rising, falling } => (rising, falling),
        _ => (false, false),
    };
    let tables = chip_tables(tables);
    ChipInput { width: input.width, kind, edges, legal: input.legal.clone(), tables }
}

fn chip_tables(tables: &Tables) -> ChipTables {
    let constant =
        |entry: &Entry| Constant { value: entry.value.clone(), mask: entry.mask.clone() };
    ChipTables {
        own: tables.own.iter().map(constant).collect(),
        pool: tables.pool.iter().map(constant).collect(),
    }
}
