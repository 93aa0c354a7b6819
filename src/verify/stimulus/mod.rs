//! The stimulus: what the inputs do, step by step, as plain data that every backend can be given.
//!
//! The golden module's interface, the legal values of its inputs and a seed go in; episodes come out. The
//! stimulus is a definition and not an accident of this code: it is versioned, every choice is a function
//! of the seed and of the golden text, and what happens at each step is shifts, XOR, adders and a table,
//! so that an RTL twin can make the same rows on chip. Each episode can be built by itself in any order.
//!
//! # Definition, version 2
//!
//! **Episodes.** The base episodes have exactly `vectors` cycles: short ones of 16, 40, 24 and 64 cycles in
//! turn (the last is cut), then long ones of a quarter of the vectors each, at most 4,096 cycles, with
//! about half of the vectors in all. Deep episodes follow. Where the golden module has counters (the
//! interface's durations) that a wait of 2 to 255 cycles reaches, and a one-bit data input, the first are
//! those in which one input leads: `min(3 * longest + 24, 256)` cycles each, as many as the vectors hold and
//! 24 at most. Then lengths grow fourfold from 1,024 to the configured depth, for goldens whose output bits
//! have not all toggled: each up to 4,096 cycles with all inputs of one bit at 1, with seldom changes, with
//! seldom pulses, and mixed (settings as in a base episode); longer ones without the second. Every candidate
//! runs those that are led and, where the longest duration is more than a quarter of the longest base episode,
//! those of the first length of up to 16,384 cycles that holds two of it; of the others those in which a
//! golden output bit toggles for the first time. Last come those for the constants of one candidate. Indices
//! go on from one sequence to the next, and a candidate's begin after the last possible deep one, so that an
//! index means the same in every run.
//!
//! **Words.** `mix` is one output of splitmix64 for the state given. With `key` the first eight bytes (little-endian) of
//! the BLAKE3 hash of the golden text, the root of an episode is
//! `mix(mix(mix(seed) ^ key) ^ (sequence << 32 | number))`, sequence 0 for base, 1 for deep, 2 for the
//! candidate's. The word of lane `l` of input `i` is `mix(root ^ (i << 32 | l))`; `i` is `0xffffffff` for
//! the episode itself. Lanes from 0 are slices of 32 bits of the input; `0x80000000` is its control,
//! then come settings, menu, second menu; power-up and the walk for the episode.
//!
//! **Settings** are drawn from the words of the lane "settings"; `settings` has the tables. Of the
//! episode: `[2:0]` where data changes (0-2 step 0, 3-6 both, 7 step 2; long ones by turns both and step 0;
//! always both without a clock), `[3]` whether resets change in step 2 too, `[5:4]` how often resets
//! pulse, `[7:6]` = 3 delays the first reset by half a cycle where it can, `[9:8]` = 3 gives clock number
//! `([31:16] * clocks) >> 16` most edges, `[11:10]` = 3 (in long ones: an even number) has glitches on
//! synchronous resets, `[34:32]` = 7 keeps inputs of two bits or more quiet; where there are counters and the
//! episode has 40 cycles or more, `[35]` = 1 makes one-bit data input number `([51:36] * count) >> 16` timed;
//! in a led episode input number (episode modulo count) is. Of an input: `[3:0]` how often
//! it changes, `[7:4]` the bias of one bit, `[10:8]` the menu, `[13:12]` the cycles of the first reset. In
//! a base, mixed or led episode the inputs' settings, whether they are quiet, and which leads, are drawn anew
//! for every segment of 128 cycles, from lanes 8 higher each time. Of the base episodes up to 64 cycles, those numbered 5
//! modulo 8 have resets as plain data and those 11 modulo 16, where all registers have initial values, no resets.
//!
//! **Generators** are xorshift64 (13, 7, 17), one for each input's control and for each slice, first
//! state the lane's word. All step once for row 0 and once at every step 0 and 2, before use, whether or
//! not their input changes. A slice's uniform 32 bits are the sum of its state's halves.
//!
//! **Draws.** An input that may change in this step does if control `[5:0]` is below its hold; a timed
//! one (one bit) inverts when its count of cycles runs out, and takes a new one: 1 + `[15:14]` if `[13:12]`
//! (without counters, `[12]`) is 0, else duration number `([31:16] * count) >> 16`, plus `[33:32]`, minus 1.
//! The durations are those of counters, or where there is no counter all constants of the golden module, the
//! first 16 from 2 to 255. One bit:
//! 1 if `[11:6]` is below the bias. Restricted: the legal value number `([31:16] * count) >> 16`. Else
//! `[9:6]` selects one of the 16 nibbles of the menu, a mode: 0 uniform; 1 own constant plus delta; 2 an
//! earlier input's value plus delta (partners of the same width, or else any of two bits or more); 3
//! one-hot; 4 the present value with one bit flipped; 5 zeros; 6 ones; 7 one-hot inverted; 8 noise `[3:0]`;
//! 9 by `[35:34]` the largest signed value, the smallest, the smallest plus 1, the largest minus 1; 10 a
//! constant of the pool; 11 and 12 uniform AND, OR the lower half of the state; 13 present value plus 1;
//! 14 minus 1; 15 ones below the drawn bit. The bit, partner or entry is `([31:16] * count) >> 16`; delta
//! by `[33:32]` is 0, 0, 1, -1. A constant is laid under its mask over (`[37:36]`) 0, the present value,
//! or noise. A mode without its table or partner is uniform; mode 1 first tries the pool.
//!
//! **Order.** Inputs are drawn in port order, and an input sees the next values of those before it. Resets
//! use their control alone: asserted at the start, later when `[8:0]` is below the rate, for 1, 2, 2 or 4
//! opportunities by `[33:32]`. With glitches a synchronous reset is asserted only in the step after the
//! active edge, when `[8:0]` is below 128, and until the next opportunity. A gate changes only where all clocks are at its closed level.
//!
//! **Clocks.** One clock rises in step 1 and falls in step 3. Several have a generator (the episode's
//! control) that steps at each edge: if `[1:0]` is not 0 only number `([31:16] * clocks) >> 16` inverts
//! (the favourite, where there is one and `[3:2]` is not 0); else also each whose bit `[32 + number mod 32]` is set.
//! While the first reset lasts they all invert together.
//!
//! **Walk.** A module without clock and state whose inputs number at most as many values as the base
//! episodes have opportunities takes every value in its first ones, in the order that `walk` gives.
//!
//! **Settling.** A golden module that has resets, and registers without an initial value, is compared from
//! the first point on at which each reset has been active: an asynchronous one at all, a synchronous one
//! while every clock had an active edge.
//!
//! # What it costs on chip
//!
//! Synthesised by Yosys 0.70 for iCE40, each module by itself: a generator is 64 flip-flops and 130 LUTs, so an input
//! of one bit takes 149 LUTs, a reset 34 more, and an input of 8 bits with a table 875 LUTs and two block
//! RAMs; the words of an episode take 455, whatever the inputs. `hw/README.md` has the rest.

pub mod chip;
mod generator;
mod input;
mod literal;
mod plan;
mod schedule;
mod settings;
mod settle;
mod table;
mod walk;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::design::{Bits, Interface, Role};
use crate::problem::Restriction;

use input::{Input, Kind};
pub use literal::LiteralError;
use plan::Flavour;

/// Version of the definition; a change of any value it gives is a new version.
pub const VERSION: u32 = 2;

/// Cycles of all base episodes at most: episodes are listed in memory.
pub const VECTORS_MAX: u32 = 1 << 24;
/// Cycles of one episode at most: its rows are held in memory.
pub const DEPTH_MAX: u32 = 1 << 20;
/// Input bits at most: a row is held for every step.
pub const INPUT_BITS_MAX: u32 = 1 << 16;

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

/// Where inputs change and outputs are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Inputs change with the clock low and high; every step is compared.
    #[default]
    Full,
    /// Inputs change after the active edge of the one clock, and one comparison comes before the next.
    Synchronous,
}

impl Profile {
    /// The name, as in records.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Full => "full",
            Profile::Synchronous => "synchronous",
        }
    }
}

/// What a person chooses; all else follows from the golden module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Decides every draw, with the golden text.
    pub seed: u64,
    /// Cycles of all base episodes.
    pub vectors: u32,
    /// Cycles of the longest deep episode; 0 for none.
    pub depth_max: u32,
    /// Where inputs change and outputs are compared.
    pub profile: Profile,
}

impl Default for Config {
    /// 2,048 vectors, twice the paper's: they cost a few milliseconds and give two long episodes of 512
    /// cycles, about thirty short ones and 12 input bits exhaustively. (Of 832 outputs of real candidates
    /// that a benchmark's own bench found wrong by value, 1,024 vectors found 97.7 % and 2,048 found 99.4 %
    /// under Icarus 11, seeds 1 and 2; of 1,661 right ones 2 were called wrong.) 65,536 cycles of depth, because a
    /// 12-hour clock at one tick a cycle first changes its last bit after 43,200.
    fn default() -> Config {
        Config { seed: 0, vectors: 2048, depth_max: 65_536, profile: Profile::Full }
    }
}

/// Why there is no stimulus: a fault of the problem or of the configuration, never of a candidate.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StimulusError {
    /// Outside 1 to `VECTORS_MAX`.
    #[error("{0} vectors are not between 1 and {VECTORS_MAX}")]
    Vectors(u32),
    /// Beyond `DEPTH_MAX`.
    #[error("{0} cycles of depth are more than {DEPTH_MAX}")]
    Depth(u32),
    /// Beyond `INPUT_BITS_MAX`.
    #[error("{0} input bits are more than {INPUT_BITS_MAX}")]
    InputBits(u64),
    /// A restriction names no input.
    #[error("{0} has legal values but is no input of the golden module")]
    NoInput(String),
    /// A restriction without values.
    #[error("input {0} has an empty list of legal values")]
    NoValues(String),
    /// A clock that may not take both levels.
    #[error("clock {0} needs both 0 and 1 among its legal values")]
    Clock(String),
    /// A legal value that is none.
    #[error("legal value {literal} of input {input}: {source}")]
    Value {
        /// The input.
        input: String,
        /// The text as given.
        literal: String,
        /// What is wrong with it.
        source: LiteralError,
    },
    /// The synchronous profile needs one clock with one active edge, and no gates.
    #[error(
        "the synchronous profile needs exactly one clock with one active edge and no gated clock"
    )]
    NotSynchronous,
}

/// The stimulus of one problem.
#[derive(Clone, Debug)]
pub struct Stimulus {
    config: Config,
    key: u64,
    layout: Layout,
    inputs: Vec<Input>,
    /// Constants of each input, from the golden module.
    tables: Vec<table::Tables>,
    /// Cycles that timed inputs stay, from the constants of the golden module.
    durations: Vec<u32>,
    /// Words of the clocks.
    clocks: Vec<usize>,
    shape: settings::Shape,
    settling: settle::Settling,
    base: Vec<plan::Slot>,
    deep: Vec<plan::Slot>,
    /// Cycles of the deep episodes that every candidate runs.
    required: u32,
    walk: Option<walk::Walk>,
}

impl Stimulus {
    /// The stimulus for a golden module: `key` is its text, or what else stands for it.
    pub fn new(
        interface: &Interface,
        restrictions: &BTreeMap<String, Restriction>,
        key: &[u8],
        config: &Config,
    ) -> Result<Stimulus, StimulusError> {
        check_config(config)?;
        let (layout, inputs, tables) = input::inputs(interface, restrictions)?;
        let clocks: Vec<usize> = inputs
            .iter()
            .filter(|input| input.kind == Kind::Clock)
            .map(|input| input.offset)
            .collect();
        let sequential = interface.sequential || !clocks.is_empty();
        let after_edge = after_edge(interface, config.profile)?;
        let durations = table::durations(&interface.durations, &interface.pool);
        let shape = settings::Shape {
            sequential,
            clocks: clocks.len(),
            profile: config.profile,
            after_edge,
            timed: !durations.is_empty(),
            counters: !durations.is_empty() && !interface.durations.is_empty(),
            initialised: interface.initialised,
        };
        let settling = settle::Settling::new(interface, &inputs);
        let base = plan::base_slots(config.vectors);
        let key = u64::from_le_bytes(
            blake3::hash(key).as_bytes()[..8].try_into().expect("a hash has 32 bytes"),
        );
        let root = generator::Streams::new(config.seed, key, 0, 0);
        let walk =
            if sequential { None } else { walk::Walk::new(&inputs, 2 * config.vectors, &root) };
        let depth = if walk.is_some() { 0 } else { config.depth_max };
        let led = match durations.last() {
            Some(&wait) if shape.counters && inputs.iter().any(settings::may_lead) => {
                plan::led_lengths(config.vectors, wait)
            }
            _ => Vec::new(),
        };
        let deep = plan::deep_slots(base.len() as u32, depth, sequential, &led);
        let longest = interface.durations.last().copied().unwrap_or(0);
        let required = plan::depth_for(longest, &base, &deep);
        Ok(Stimulus {
            config: *config,
            key,
            layout,
            inputs,
            tables,
            durations,
            clocks,
            shape,
            settling,
            base,
            deep,
            required,
            walk,
        })
    }

    /// How the inputs lie in a row, in the order of the golden module's ports.
    pub fn inputs(&self) -> &Layout {
        &self.layout
    }

    /// Number of base episodes; their cycles sum to the configured vectors.
    pub fn base_episodes(&self) -> u32 {
        self.base.len() as u32
    }

    /// Builds a base episode.
    ///
    /// # Panics
    /// If `index` is not below `base_episodes()`.
    pub fn episode(&self, index: u32) -> Episode {
        schedule::episode(self, &self.base[index as usize], &self.tables)
    }

    /// Builds deep episode `k`, or nothing where there are no more: lengths grow fourfold to the
    /// configured depth. None where the base episodes are exhaustive.
    ///
    /// One in which no further golden output bit toggles need not be run on candidates, unless it is
    /// [required](Stimulus::requires).
    pub fn deep_episode(&self, k: u32) -> Option<Episode> {
        self.deep.get(k as usize).map(|slot| schedule::episode(self, slot, &self.tables))
    }

    /// Whether every candidate runs deep episode `k`, whatever toggles in it.
    pub fn requires(&self, k: u32) -> bool {
        let requires =
            |slot: &plan::Slot| slot.flavour == Flavour::Led || slot.cycles == self.required;
        self.deep.get(k as usize).is_some_and(requires)
    }

    /// Cycles of deep episode `k`, if there is one.
    pub fn deep_cycles(&self, k: u32) -> Option<u32> {
        self.deep.get(k as usize).map(|slot| slot.cycles)
    }

    /// Number of deep episodes there are.
    pub fn deep_episodes(&self) -> u32 {
        self.deep.len() as u32
    }

    /// Builds the few short episodes whose constants are a candidate's; none without constants, and none
    /// where the base episodes are exhaustive.
    pub fn candidate_episodes(&self, constants: &[Bits]) -> Vec<Episode> {
        if constants.is_empty() || self.walk.is_some() {
            return Vec::new();
        }
        let table = |input: &Input| table::Tables::new(input.width, constants, constants);
        let tables: Vec<table::Tables> = self.inputs.iter().map(table).collect();
        let first_index = self.base_episodes() + self.deep.len() as u32;
        plan::candidate_slots(first_index)
            .iter()
            .map(|slot| schedule::episode(self, slot, &tables))
            .collect()
    }

    /// Whether the base episodes go through every value that the inputs can take: then a bit of the golden
    /// module that does not toggle in them cannot.
    pub fn exhaustive(&self) -> bool {
        self.walk.is_some()
    }

    /// Builds the episode of that index, whichever sequence it belongs to; `constants` are those of the
    /// candidate's own episodes.
    pub fn find(&self, index: u32, constants: &[Bits]) -> Option<Episode> {
        if index < self.base_episodes() {
            return Some(self.episode(index));
        }
        let deep = index - self.base_episodes();
        if (deep as usize) < self.deep.len() {
            return self.deep_episode(deep);
        }
        self.candidate_episodes(constants).into_iter().find(|episode| episode.index == index)
    }

    /// Whether outputs are compared at a point: everywhere in the full profile, once a cycle in the
    /// synchronous one, just before the active edge.
    pub fn compares(&self, point: StepAt) -> bool {
        match self.config.profile {
            Profile::Full => true,
            Profile::Synchronous => {
                point.step != self.shape.after_edge && point.step.is_multiple_of(2)
            }
        }
    }

    /// The number of the first comparison point of an episode at which the golden module's resets have
    /// reset it: what it gives before is not compared.
    pub fn settled_from(&self, episode: &Episode) -> usize {
        self.settling.first(&episode.rows, self.layout.words)
    }

    fn streams(&self, slot: &plan::Slot) -> generator::Streams {
        generator::Streams::new(self.config.seed, self.key, slot.sequence, slot.number)
    }
}

fn check_config(config: &Config) -> Result<(), StimulusError> {
    if config.vectors == 0 || config.vectors > VECTORS_MAX {
        return Err(StimulusError::Vectors(config.vectors));
    }
    if config.depth_max > DEPTH_MAX {
        return Err(StimulusError::Depth(config.depth_max));
    }
    Ok(())
}

/// The step after the active edge of the first clock; the synchronous profile wants no other.
fn after_edge(interface: &Interface, profile: Profile) -> Result<u8, StimulusError> {
    let is_clock = |role: &Role| matches!(role, Role::Clock { .. });
    let clocks: Vec<Role> = interface.roles.iter().copied().filter(is_clock).collect();
    let gated = interface.roles.iter().any(|role| matches!(role, Role::Gate { .. }));
    let (rising, falling) = match clocks.first() {
        Some(&Role::Clock { rising, falling }) => (rising, falling),
        _ => (true, false),
    };
    if profile == Profile::Synchronous && (clocks.len() != 1 || gated || rising == falling) {
        return Err(StimulusError::NotSynchronous);
    }
    Ok(if falling && !rising { 0 } else { 2 })
}

/// Clears the bits of a vector above its width.
fn mask_to(words: &mut [u64], width: u32) {
    if !width.is_multiple_of(64)
        && let Some(last) = words.get_mut(width as usize / 64)
    {
        *last &= (1 << (width % 64)) - 1;
    }
}
