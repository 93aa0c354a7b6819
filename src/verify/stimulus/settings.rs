//! What is drawn once for an episode: in which steps inputs may change, what happens to resets, and for
//! each input how often it changes and to what kind of value.
//!
//! A host does this once per episode and segment and loads it, with the generators' first states, into
//! whatever walks the steps; so it may use tables and multiplications that hardware would rather not have.

use super::generator::{Streams, WHOLE, field, lane, scaled};
use super::plan::{Flavour, LONG_FROM, Slot};
use super::{Input, Kind, Profile};

/// How often an input changes, by the 4 bits `SETTINGS[3:0]`.
const HOLD: [Hold; 16] = {
    use Hold::{Drawn, Timed};
    let (always, half, seldom, rare, never) = (Drawn(64), Drawn(32), Drawn(8), Drawn(1), Drawn(0));
    [
        always, always, always, always, half, half, half, seldom, seldom, seldom, rare, rare,
        never, Timed, Timed, Timed,
    ]
};
/// The same for an input that cannot be timed, in place of `Timed`.
const UNTIMED: [Hold; 3] = [Hold::Drawn(64), Hold::Drawn(32), Hold::Drawn(8)];
/// The same where nothing keeps state, so that an input that stays shows nothing new.
const HOLD_COMBINATIONAL: [u64; 16] =
    [64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 32, 32, 32, 32];
/// Draws of 64 that make a one-bit input 1, by `SETTINGS[7:4]`.
const BIAS: [u64; 16] = [32, 32, 32, 32, 32, 32, 8, 8, 8, 56, 56, 56, 1, 1, 63, 63];
/// The same where nothing keeps state.
const BIAS_COMBINATIONAL: [u64; 16] =
    [32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 8, 8, 56, 56];
/// Change opportunities of 512 at which a reset pulse starts, by `WHOLE.SETTINGS[5:4]`, in episodes of
/// fewer than `LONG_FROM` cycles and in longer ones.
const PULSES: [[u64; 4]; 2] = [[0, 1, 4, 16], [0, 1, 4, 8]];
/// The same in deep episodes of changing settings.
const PULSES_MIXED: [u64; 4] = [0, 0, 0, 1];
/// Cycles of the shortest episodes in which one input leads.
const LED_FROM: u32 = 40;
/// Cycles of 512 that have a glitch on a synchronous reset, in the episodes that have them.
pub(super) const GLITCHES: u64 = 128;
/// Opportunities that a pulse lasts.
pub(super) const PULSE_LENGTH: [u32; 4] = [1, 2, 2, 4];
/// Cycles of reset at the start, by `SETTINGS[13:12]`.
const START_CYCLES: [u32; 4] = [1, 1, 2, 3];

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

/// How often an input changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// At so many opportunities of 64 it draws a value.
    Drawn(u64),
    /// One bit: it inverts, and stays for a few cycles or for about as many as a constant of the golden
    /// module says, since a counter that is compared with 20 wants an input that stays for 20 cycles.
    Timed,
}

/// The settings of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InputSettings {
    /// How often it changes.
    pub hold: Hold,
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
    /// Whether synchronous resets are asserted for half cycles without an active edge: the golden module
    /// must not see it, and a module with an asynchronous reset in its place does.
    pub glitches: bool,
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
    /// Whether there are durations for timed inputs.
    pub timed: bool,
    /// Whether these are those of counters.
    pub counters: bool,
    /// Whether every register of the golden module has an initial value.
    pub initialised: bool,
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
    let like_base = base || slot.flavour == Flavour::Led;
    let mut data_at = match field(whole, 2, 0) {
        _ if shape.clocks == 0 => [true, true],
        _ if like_base && slot.cycles >= LONG_FROM => [true, slot.number.is_multiple_of(2)],
        0..=2 => [true, false],
        7 if base => [false, true],
        _ if like_base || slot.flavour == Flavour::Candidate => [true, true],
        _ => [true, false],
    };
    let mut resets_at = [true, shape.clocks == 0 || field(whole, 3, 3) == 1];
    if shape.profile == Profile::Synchronous {
        data_at = [shape.after_edge == 0, shape.after_edge == 2];
        resets_at = data_at;
    }
    let glitches = base
        && shape.clocks == 1
        && shape.profile == Profile::Full
        && match slot.cycles {
            LONG_FROM.. => slot.number.is_multiple_of(2),
            _ => field(whole, 11, 10) == 3,
        };
    if glitches {
        resets_at = [true, true];
    }
    let favourite =
        (shape.clocks > 1 && field(whole, 9, 8) == 3).then(|| scaled(whole, 16, shape.clocks));
    Settings {
        data_at,
        resets_at,
        resets: resets(whole, slot, shape, resets_at),
        glitches,
        favourite,
        inputs: segment_settings(0, slot, shape, streams, inputs),
    }
}

fn resets(whole: u64, slot: &Slot, shape: &Shape, resets_at: [bool; 2]) -> Resets {
    let short = slot.flavour == Flavour::Base && slot.cycles < LONG_FROM;
    match slot.number % 16 {
        5 | 13 if short => Resets::AsData,
        // Before the first reset nothing is compared, unless all registers have initial values.
        11 if short && shape.initialised => Resets::Never,
        _ => {
            let rates = match slot.flavour {
                Flavour::Base | Flavour::Led => PULSES[usize::from(slot.cycles >= LONG_FROM)],
                Flavour::Mixed => PULSES_MIXED,
                _ => [0; 4],
            };
            let late = resets_at == [true, true] && field(whole, 7, 6) == 3;
            Resets::Pulsed { delay: u32::from(late), rate: rates[field(whole, 5, 4) as usize] }
        }
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
    let whole = streams.word(WHOLE, lane::SETTINGS + 8 * segment);
    let quiet = field(whole, 34, 32) == 7;
    let leader = leader(whole, slot, shape, inputs);
    let draw = |(input, number): (&Input, u32)| {
        let word = |lane: u32| streams.word(number, lane + 8 * segment);
        let mut settings = input_settings(input, slot.flavour, shape, word);
        if quiet && shape.sequential && input.width > 1 {
            settings.hold = Hold::Drawn(1);
        }
        if leader == Some(number) {
            settings.hold = Hold::Timed;
        }
        settings
    };
    inputs.iter().zip(0..).map(draw).collect()
}

/// In half of the segments, where the golden module has counters, the one input that is timed: what a
/// counter waits for is seldom what drawing each input by itself gives.
fn leader(whole: u64, slot: &Slot, shape: &Shape, inputs: &[Input]) -> Option<u32> {
    let able: Vec<u32> =
        inputs.iter().zip(0..).filter(|(input, _)| may_lead(input)).map(|(_, at)| at).collect();
    let at = match slot.flavour {
        Flavour::Led => slot.number as usize % able.len().max(1),
        Flavour::Base | Flavour::Mixed
            if shape.counters && slot.cycles >= LED_FROM && field(whole, 35, 35) == 1 =>
        {
            scaled(whole, 36, able.len())
        }
        _ => return None,
    };
    able.get(at).copied()
}

/// Whether an input can be timed, and is no clock, reset or gate.
pub(super) fn may_lead(input: &Input) -> bool {
    input.width == 1 && input.legal.is_none() && input.kind == Kind::Data
}

fn input_settings(
    input: &Input,
    flavour: Flavour,
    shape: &Shape,
    word_of: impl Fn(u32) -> u64,
) -> InputSettings {
    use Hold::Drawn;
    let word = word_of(lane::SETTINGS);
    let (class, bias_class) = (field(word, 3, 0) as usize, field(word, 7, 4) as usize);
    let may_be_timed = shape.timed && input.width == 1 && input.legal.is_none();
    let ordinary = match HOLD[class] {
        Hold::Timed if !may_be_timed => UNTIMED[class - 13],
        hold => hold,
    };
    let is_reset = matches!(input.kind, Kind::Reset { .. });
    let wide = input.width > 1;
    let (hold, bias) = match flavour {
        Flavour::Base | Flavour::Mixed | Flavour::Led | Flavour::Candidate if !shape.sequential => {
            (Drawn(HOLD_COMBINATIONAL[class]), BIAS_COMBINATIONAL[bias_class])
        }
        // A reset that is data must not stay inactive for the episode, or it would be no test.
        Flavour::Base | Flavour::Mixed | Flavour::Led
            if is_reset && matches!(ordinary, Drawn(0 | 1)) =>
        {
            (Drawn(8), BIAS[bias_class])
        }
        Flavour::Base | Flavour::Mixed | Flavour::Led => (ordinary, BIAS[bias_class]),
        Flavour::Candidate if wide => (Drawn(if class < 8 { 64 } else { 32 }), 32),
        Flavour::Candidate => (ordinary, BIAS[bias_class]),
        Flavour::Run | Flavour::Pulse if wide => (Drawn(u64::from(class < 8)), 32),
        Flavour::Run => (Drawn(0), 64),
        Flavour::Slow if may_be_timed && class < 8 => (Hold::Timed, 32),
        Flavour::Slow => (Drawn(1), 32),
        Flavour::Pulse => {
            (Drawn(if class < 8 { 64 } else { 8 }), if bias_class < 12 { 1 } else { 63 })
        }
    };
    let start_cycles = START_CYCLES[field(word, 13, 12) as usize];
    InputSettings { hold, bias, menu: menu(flavour, word, word_of), start_cycles }
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
