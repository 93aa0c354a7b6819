//! What is drawn once for an episode: how long it is, in which steps inputs may change, what happens to
//! resets, and for each input how often it changes and to what kind of value.
//!
//! A host does this once per episode and loads it, with the generators' first states, into whatever
//! walks the steps; so it may use tables and multiplications that hardware would rather not have.

use super::generator::{Streams, WHOLE, field, lane, scaled};
use super::{Input, Kind, Profile};

/// Change opportunities of 64 at which an input may change, by the 4 bits `SETTINGS[3:0]`.
const HOLD: [u64; 16] = [64, 64, 64, 64, 64, 32, 32, 32, 32, 8, 8, 8, 1, 1, 0, 0];
/// The same where nothing keeps state, so that an input that stays shows nothing new.
const HOLD_COMBINATIONAL: [u64; 16] = [
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 32, 32, 32, 32,
];
/// Draws of 64 that make a one-bit input 1, by `SETTINGS[7:4]`.
const BIAS: [u64; 16] = [32, 32, 32, 32, 32, 32, 8, 8, 8, 56, 56, 56, 1, 1, 63, 63];
/// The same where nothing keeps state.
const BIAS_COMBINATIONAL: [u64; 16] =
    [32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 8, 8, 56, 56];
/// Change opportunities of 512 at which a reset pulse starts, by `WHOLE.SETTINGS[5:4]`, in episodes of
/// fewer than `LONG_FROM` cycles and in longer ones.
const PULSES: [[u64; 4]; 2] = [[0, 1, 4, 16], [0, 1, 1, 4]];
/// From this many cycles on an episode is for depth: resets start it and seldom come later, and whether
/// data changes in step 2 too is not drawn but alternates, since there are few such episodes.
const LONG_FROM: u32 = 65;
/// Opportunities that a pulse lasts.
pub(super) const PULSE_LENGTH: [u32; 4] = [1, 2, 2, 4];
/// Cycles after which a base episode draws the settings of its inputs anew, its state going on: a long
/// one would otherwise spend a quarter of the vectors on one input that happens to be constant.
pub(super) const SEGMENT: u32 = 128;
/// Cycles of reset at the start, by `SETTINGS[13:12]`.
const START_CYCLES: [u32; 4] = [1, 1, 2, 3];

/// Lengths of short episodes in cycles, in turn.
const SHORT: [u32; 4] = [16, 40, 24, 64];
/// A long episode has a quarter of the vectors, within these bounds; below the first there are none.
const LONG_MIN: u32 = 64;
const LONG_MAX: u32 = 4096;
/// First length of deep episodes, and the length up to which all flavours are tried.
const DEEP_FIRST: u32 = 1024;
const DEEP_ALL: u32 = 4096;
/// Episodes for a candidate's own constants, and their cycles.
pub(super) const CANDIDATE_EPISODES: u32 = 4;
const CANDIDATE_CYCLES: u32 = 32;

/// What an episode is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    /// One of the budget's.
    Base,
    /// One-bit inputs rest at 1: enables are on, and the design runs.
    Run,
    /// Everything changes seldom.
    Slow,
    /// One-bit inputs rest and pulse seldom: a load, then a long wait.
    Pulse,
    /// Full of the constants of one candidate.
    Candidate,
}

/// An episode before its settings: which one, what for and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Index in the run.
    pub index: u32,
    /// The sequence it belongs to, from which its streams are seeded: 0 base, 1 deep, 2 candidate's.
    pub sequence: u32,
    /// Number in its sequence.
    pub number: u32,
    pub flavour: Flavour,
    pub cycles: u32,
    /// Cycles of the sequence before it.
    pub before: u32,
}

/// The base episodes: short ones, then long ones with about half of the vectors.
pub(super) fn base_slots(vectors: u32) -> Vec<Slot> {
    let long = (vectors / 4).min(LONG_MAX);
    let longs = if long < LONG_MIN {
        0
    } else {
        vectors / 2 / long
    };
    let mut lengths = Vec::new();
    let mut rest = vectors - longs * long;
    for cycles in SHORT.iter().cycle() {
        if rest == 0 {
            break;
        }
        lengths.push(rest.min(*cycles));
        rest -= rest.min(*cycles);
    }
    lengths.extend((0..longs).map(|_| long));
    slots(
        0,
        0,
        lengths.into_iter().map(|cycles| (Flavour::Base, cycles)),
    )
}

/// The deep episodes: lengths four times growing, fewer flavours of the longest.
pub(super) fn deep_slots(first_index: u32, depth_max: u32, sequential: bool) -> Vec<Slot> {
    let mut plans = Vec::new();
    let bound = if sequential {
        depth_max
    } else {
        depth_max.min(DEEP_ALL)
    };
    let mut cycles = DEEP_FIRST.min(bound);
    while cycles > 0 {
        let flavours: &[Flavour] = match (sequential, cycles <= DEEP_ALL) {
            (false, _) => &[Flavour::Base],
            (true, true) => &[Flavour::Run, Flavour::Slow, Flavour::Pulse],
            (true, false) => &[Flavour::Run, Flavour::Pulse],
        };
        plans.extend(flavours.iter().map(|&flavour| (flavour, cycles)));
        cycles = if cycles == bound {
            0
        } else {
            cycles.saturating_mul(4).min(bound)
        };
    }
    slots(1, first_index, plans.into_iter())
}

/// The episodes for the constants of a candidate.
pub(super) fn candidate_slots(first_index: u32) -> Vec<Slot> {
    slots(
        2,
        first_index,
        (0..CANDIDATE_EPISODES).map(|_| (Flavour::Candidate, CANDIDATE_CYCLES)),
    )
}

fn slots(
    sequence: u32,
    first_index: u32,
    plans: impl Iterator<Item = (Flavour, u32)>,
) -> Vec<Slot> {
    let mut before = 0;
    plans
        .enumerate()
        .map(|(number, (flavour, cycles))| {
            let number = number as u32;
            let slot = Slot {
                index: first_index + number,
                sequence,
                number,
                flavour,
                cycles,
                before,
            };
            before += cycles;
            slot
        })
        .collect()
}

/// What resets do in an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resets {
    /// Asserted at the start, after `delay` opportunities; then pulses, `rate` of 512.
    Pulsed { delay: u32, rate: u64 },
    /// Plain one-bit inputs.
    AsData,
    /// Never asserted.
    Never,
}

/// The settings of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InputSettings {
    /// Opportunities of 64 at which it may change.
    pub hold: u64,
    /// Draws of 64 that make a one-bit input 1.
    pub bias: u64,
    /// Sixteen modes of 4 bits, from which each draw takes one.
    pub menu: u64,
    /// Cycles that a reset is asserted at the start.
    pub start_cycles: u32,
}

/// The settings of an episode.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Whether data may change in steps 0 and 2.
    pub data_at: [bool; 2],
    /// Whether resets may change in steps 0 and 2.
    pub resets_at: [bool; 2],
    pub resets: Resets,
    /// Of several clocks, one that has most of the edges.
    pub favourite: Option<usize>,
    /// One for each input.
    pub inputs: Vec<InputSettings>,
}

/// What of the design and the configuration shapes the settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub sequential: bool,
    pub clocks: usize,
    pub profile: Profile,
    /// The step, 0 or 2, that follows the active edge: where inputs change in the synchronous profile.
    pub after_edge: u8,
}

/// Draws the settings of an episode.
pub(super) fn settings(
    slot: &Slot,
    shape: &Shape,
    streams: &Streams,
    inputs: &[Input],
) -> Settings {
    let whole = streams.word(WHOLE, lane::SETTINGS);
    let base = slot.flavour == Flavour::Base;
    let mut data_at = match field(whole, 2, 0) {
        _ if shape.clocks == 0 => [true, true],
        _ if base && slot.cycles >= LONG_FROM => [true, slot.number % 2 == 0],
        0..=2 => [true, false],
        7 if base => [false, true],
        _ if base || slot.flavour == Flavour::Candidate => [true, true],
        _ => [true, false],
    };
    let mut resets_at = [true, shape.clocks == 0 || field(whole, 3, 3) == 1];
    if shape.profile == Profile::Synchronous {
        data_at = [shape.after_edge == 0, shape.after_edge == 2];
        resets_at = data_at;
    }
    let short = base && slot.cycles < LONG_FROM;
    let resets = match slot.number % 16 {
        5 | 13 if short => Resets::AsData,
        11 if short => Resets::Never,
        _ => {
            let rates = PULSES[usize::from(slot.cycles >= LONG_FROM)];
            let rate = if base {
                rates[field(whole, 5, 4) as usize]
            } else {
                0
            };
            let late = resets_at == [true, true] && field(whole, 7, 6) == 3;
            Resets::Pulsed {
                delay: u32::from(late),
                rate,
            }
        }
    };
    let favourite =
        (shape.clocks > 1 && field(whole, 9, 8) == 3).then(|| scaled(whole, 16, shape.clocks));
    Settings {
        data_at,
        resets_at,
        resets,
        favourite,
        inputs: segment_settings(0, slot, shape, streams, inputs),
    }
}

/// Draws the settings of the inputs for a segment of an episode.
pub(super) fn segment_settings(
    segment: u32,
    slot: &Slot,
    shape: &Shape,
    streams: &Streams,
    inputs: &[Input],
) -> Vec<InputSettings> {
    let draw = |(input, number): (&Input, u32)| {
        let word = |lane: u32| streams.word(number, lane + 8 * segment);
        input_settings(input, slot.flavour, shape, word)
    };
    inputs.iter().zip(0..).map(draw).collect()
}

fn input_settings(
    input: &Input,
    flavour: Flavour,
    shape: &Shape,
    word_of: impl Fn(u32) -> u64,
) -> InputSettings {
    let word = word_of(lane::SETTINGS);
    let (hold_class, bias_class) = (field(word, 3, 0) as usize, field(word, 7, 4) as usize);
    let (hold, bias) = match flavour {
        Flavour::Base | Flavour::Candidate if !shape.sequential => (
            HOLD_COMBINATIONAL[hold_class],
            BIAS_COMBINATIONAL[bias_class],
        ),
        // A reset that is data must not stay inactive for the episode, or it would be no test.
        Flavour::Base if matches!(input.kind, Kind::Reset { .. }) => {
            (HOLD[hold_class].max(8), BIAS[bias_class])
        }
        Flavour::Base => (HOLD[hold_class], BIAS[bias_class]),
        Flavour::Candidate if input.width > 1 => (HOLD[hold_class].max(32), 32),
        Flavour::Candidate => (HOLD[hold_class], BIAS[bias_class]),
        Flavour::Run if input.width > 1 => (u64::from(hold_class < 8), 32),
        Flavour::Run => (0, 64),
        Flavour::Slow => (1, 32),
        Flavour::Pulse if input.width > 1 => (u64::from(hold_class < 8), 32),
        Flavour::Pulse => (
            if hold_class < 8 { 64 } else { 8 },
            if bias_class < 12 { 1 } else { 63 },
        ),
    };
    let start_cycles = START_CYCLES[field(word, 13, 12) as usize];
    InputSettings {
        hold,
        bias,
        menu: menu(flavour, word, word_of),
        start_cycles,
    }
}

/// Sixteen modes: in a quarter of the segments all uniform, in a quarter mostly, in an eighth two modes
/// in turn, else anything. For a candidate's constants, half of the entries are the two tables.
fn menu(flavour: Flavour, settings: u64, word_of: impl Fn(u32) -> u64) -> u64 {
    let first = word_of(lane::MENU);
    if flavour == Flavour::Candidate {
        return (first & 0xffff_ffff_0000_0000) | 0x1111_1aaa;
    }
    match field(settings, 10, 8) {
        0 | 1 => 0,
        2 | 3 => first & word_of(lane::MENU_SECOND),
        7 => field(first, 7, 0) * 0x0101_0101_0101_0101,
        _ => first,
    }
}
