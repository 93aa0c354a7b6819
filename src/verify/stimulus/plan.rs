//! The episodes of a run: which there are, how long, and what each is for.

/// From this many cycles on an episode is for depth: resets start it and seldom come later, and whether
/// data changes in step 2 too is not drawn but alternates, since there are few such episodes.
pub(super) const LONG_FROM: u32 = 65;
/// Cycles after which a base episode draws the settings of its inputs anew, its state going on: a long
/// one would otherwise spend a quarter of the vectors on one input that happens to be constant.
pub(super) const SEGMENT: u32 = 128;
/// Lengths of short episodes in cycles, in turn.
const SHORT: [u32; 4] = [16, 40, 24, 64];
/// A long episode has a quarter of the vectors, within these bounds; below the first there are none.
const LONG_MIN: u32 = 64;
const LONG_MAX: u32 = 4096;
/// First length of deep episodes, and the length up to which all flavours are tried.
const DEEP_FIRST: u32 = 1024;
const DEEP_ALL: u32 = 4096;
/// Cycles of the longest deep episodes that counters alone ask for.
const DEEP_FOR_COUNTERS: u32 = 16_384;
/// Episodes in which an input leads, their cycles beside three waits, and at most.
const LED_EPISODES: u32 = 24;
const LED_BESIDE: u32 = 24;
const LED_MAX: u32 = 256;
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
    /// As in the base episodes: whatever the settings of each segment say.
    Mixed,
    /// The same, with one input in the lead: it stays for as long as a counter counts.
    Led,
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
    let (longs, long) = long_episodes(vectors);
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
    slots(0, 0, lengths.into_iter().map(|cycles| (Flavour::Base, cycles)))
}

/// How many of the base episodes are long ones, the last, and their cycles.
pub(super) fn long_episodes(vectors: u32) -> (u32, u32) {
    let long = (vectors / 4).min(LONG_MAX);
    (if long < LONG_MIN { 0 } else { vectors / 2 / long }, long)
}

/// Cycles of the short base episode of that number, unless it is cut.
pub(super) fn short_cycles(number: u32) -> u32 {
    SHORT[number as usize % SHORT.len()]
}

/// The deep episodes: those in which an input leads, then lengths four times growing, fewer flavours of the
/// longest.
pub(super) fn deep_slots(
    first_index: u32,
    depth_max: u32,
    sequential: bool,
    led: &[u32],
) -> Vec<Slot> {
    let mut plans: Vec<(Flavour, u32)> =
        led.iter().map(|&cycles| (Flavour::Led, cycles.min(depth_max))).collect();
    plans.retain(|&(_, cycles)| cycles > 0);
    let bound = if sequential { depth_max } else { depth_max.min(DEEP_ALL) };
    let mut cycles = DEEP_FIRST.min(bound);
    while cycles > 0 {
        let flavours: &[Flavour] = match (sequential, cycles <= DEEP_ALL) {
            (false, _) => &[Flavour::Base],
            (true, true) => &[Flavour::Run, Flavour::Slow, Flavour::Pulse, Flavour::Mixed],
            (true, false) => &[Flavour::Run, Flavour::Pulse, Flavour::Mixed],
        };
        plans.extend(flavours.iter().map(|&flavour| (flavour, cycles)));
        cycles = if cycles == bound { 0 } else { cycles.saturating_mul(4).min(bound) };
    }
    slots(1, first_index, plans.into_iter())
}

/// Lengths of the episodes in which an input leads, for the longest wait: each has room for three waits, and
/// all have no more cycles than the base episodes.
pub(super) fn led_lengths(vectors: u32, longest_wait: u32) -> Vec<u32> {
    let cycles = (3 * longest_wait + LED_BESIDE).min(LED_MAX);
    vec![cycles; (vectors / cycles).min(LED_EPISODES) as usize]
}

/// The length of the deep episodes that every candidate runs, since a counter of the golden module needs
/// more cycles than base episodes have; 0 for none.
pub(super) fn depth_for(duration: u32, base: &[Slot], deep: &[Slot]) -> u32 {
    let wanted = duration.saturating_mul(2);
    let longest = base.iter().map(|slot| slot.cycles).max().unwrap_or(0);
    let deep = deep.iter().filter(|slot| slot.flavour != Flavour::Led);
    let deep = deep.map(|slot| slot.cycles).filter(|&cycles| cycles <= DEEP_FOR_COUNTERS);
    match duration > longest / 4 {
        true => deep.filter(|&cycles| cycles >= wanted).min().unwrap_or(0),
        false => 0,
    }
}

/// The episodes for the constants of a candidate.
pub(super) fn candidate_slots(first_index: u32) -> Vec<Slot> {
    slots(2, first_index, (0..CANDIDATE_EPISODES).map(|_| (Flavour::Candidate, CANDIDATE_CYCLES)))
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
            let slot =
                Slot { index: first_index + number, sequence, number, flavour, cycles, before };
            before += cycles;
            slot
        })
        .collect()
}
