//! An episode's steps: clocks, resets and data, one row after the other.
//!
//! An episode's slot goes in, its rows come out. Data and resets change in steps 0 and 2 and clocks in
//! steps 1 and 3, never together; the generators step at every opportunity whether or not their input
//! may change, so that no value depends on what another input was allowed to do.

use super::generator::{Draw, Streams, WHOLE, field, lane, scaled, step};
use super::plan::{Flavour, SEGMENT, Slot};
use super::settings::{self, GLITCHES, Hold, PULSE_LENGTH, Resets, Settings};
use super::table::Tables;
use super::walk::Walk;
use super::{Episode, Input, Kind, StepAt, Stimulus};

/// Builds an episode, drawing constants from `tables`.
pub(super) fn episode(stimulus: &Stimulus, slot: &Slot, tables: &[Tables]) -> Episode {
    let streams = stimulus.streams(slot);
    let mut run = Run::new(stimulus, slot, &streams, tables);
    let order: &[u8] = if stimulus.clocks.is_empty() { &[0, 2] } else { &[0, 1, 2, 3] };
    let count = slot.cycles as usize * order.len();
    let mut steps = Vec::with_capacity(count);
    let mut rows = Vec::with_capacity((count + 1) * stimulus.layout.words);
    run.power_up();
    rows.extend_from_slice(&run.row);
    for cycle in 0..slot.cycles {
        let changing = matches!(slot.flavour, Flavour::Base | Flavour::Mixed | Flavour::Led);
        if cycle % SEGMENT == 0 && changing {
            let segment = cycle / SEGMENT;
            let inputs = &stimulus.inputs;
            run.settings.inputs =
                settings::segment_settings(segment, slot, &stimulus.shape, &streams, inputs);
        }
        for &step in order {
            if step % 2 == 0 {
                run.change(step);
            } else {
                run.edge(cycle, step);
            }
            steps.push(StepAt { cycle, step });
            // Rows are short: word by word is quicker than a call that copies.
            run.row.iter().for_each(|&word| rows.push(word));
        }
    }
    Episode { index: slot.index, power_up: streams.word(WHOLE, lane::POWER_UP), steps, rows }
}

/// The state of the generators and the inputs while an episode runs.
struct Run<'a> {
    stimulus: &'a Stimulus,
    settings: Settings,
    tables: &'a [Tables],
    /// The present row.
    row: Vec<u64>,
    /// Each input's control generator.
    control: Vec<u64>,
    /// The generators of all slices of all inputs.
    noise: Vec<u64>,
    /// Opportunities for which each reset stays asserted.
    asserted: Vec<u32>,
    /// Opportunities that resets have had.
    reset_opportunities: u32,
    /// Opportunities for which each timed input stays.
    stays: Vec<u32>,
    /// Position in the exhaustive walk of the next opportunity.
    position: Option<u64>,
    /// Generator of the edges of several clocks.
    edges: u64,
    /// Cycles at the start in which several clocks run together, so that resets reach all registers.
    together: u32,
    next: Vec<u64>,
}

impl<'a> Run<'a> {
    fn new(
        stimulus: &'a Stimulus,
        slot: &Slot,
        streams: &Streams,
        tables: &'a [Tables],
    ) -> Run<'a> {
        let inputs = &stimulus.inputs;
        let settings = settings::settings(slot, &stimulus.shape, streams, inputs);
        let numbers = 0..inputs.len() as u32;
        let noise = numbers.clone().zip(inputs).flat_map(|(number, input)| {
            (0..input.width.div_ceil(32)).map(move |slice| streams.state(number, slice))
        });
        let resets = settings
            .inputs
            .iter()
            .zip(inputs)
            .filter(|(_, input)| matches!(input.kind, Kind::Reset { .. }));
        let together = match settings.resets {
            Resets::Pulsed { .. } => {
                resets.map(|(settings, _)| settings.start_cycles + 1).max().unwrap_or(0)
            }
            Resets::AsData | Resets::Never => 0,
        };
        Run {
            stimulus,
            tables,
            row: vec![0; stimulus.layout.words],
            control: numbers.map(|number| streams.state(number, lane::CONTROL)).collect(),
            noise: noise.collect(),
            asserted: vec![0; inputs.len()],
            reset_opportunities: 0,
            stays: vec![0; inputs.len()],
            position: (slot.sequence == 0 && stimulus.walk.is_some())
                .then_some(2 * u64::from(slot.before)),
            edges: streams.state(WHOLE, lane::CONTROL),
            together,
            next: Vec::new(),
            settings,
        }
    }

    /// Row 0: clocks low, resets inactive, everything else drawn.
    fn power_up(&mut self) {
        for (at, input) in self.stimulus.inputs.iter().enumerate() {
            self.advance(at, input);
            match input.kind {
                Kind::Clock => {}
                Kind::Reset { active, .. } => self.set_reset(input, !active),
                Kind::Gate { .. } | Kind::Data => self.draw(at, input),
            }
        }
    }

    /// Steps 0 and 2: data and resets may change.
    fn change(&mut self, step: u8) {
        let mut code = self.walk_on();
        let side = usize::from(step / 2);
        let (data, resets) = (self.settings.data_at[side], self.settings.resets_at[side]);
        for (at, input) in self.stimulus.inputs.iter().enumerate() {
            self.advance(at, input);
            let may_change = match input.kind {
                Kind::Clock => continue,
                Kind::Reset { active, synchronous } if self.settings.resets != Resets::AsData => {
                    if resets {
                        let glitch = self.settings.glitches && synchronous;
                        self.reset(at, input, active, glitch.then_some(step));
                    }
                    continue;
                }
                Kind::Gate { closed } => self.clocks_are(closed),
                Kind::Reset { .. } | Kind::Data => data,
            };
            if let Some(code) = &mut code {
                let value = Walk::take(input, code);
                self.row[input.offset..input.offset + input.words()].copy_from_slice(&value);
            } else if may_change && self.is_due(at, input) {
                self.draw(at, input);
            }
        }
        self.reset_opportunities += u32::from(resets);
    }

    /// Steps 1 and 3: the one clock rises and falls; of several, those drawn invert.
    fn edge(&mut self, cycle: u32, at: u8) {
        let clocks = &self.stimulus.clocks;
        if let [clock] = clocks[..] {
            self.row[clock] = u64::from(at == 1);
            return;
        }
        step(&mut self.edges);
        let drawn = self.edges;
        let mut one = scaled(drawn, 16, clocks.len());
        if field(drawn, 3, 2) != 0 {
            one = self.settings.favourite.unwrap_or(one);
        }
        let alone = cycle >= self.together && field(drawn, 1, 0) != 0;
        for (number, &clock) in clocks.iter().enumerate() {
            let selected = drawn >> (32 + number % 32) & 1 == 1;
            let toggles = number == one || cycle < self.together || (!alone && selected);
            self.row[clock] ^= u64::from(toggles);
        }
    }

    /// Steps an input's generators.
    fn advance(&mut self, at: usize, input: &Input) {
        step(&mut self.control[at]);
        for state in &mut self.noise[input.slices.clone()] {
            step(state);
        }
    }

    /// The walk's code for this opportunity, while it lasts.
    fn walk_on(&mut self) -> Option<u64> {
        let position = self.position.as_mut()?;
        let code = self.stimulus.walk.as_ref()?.code(*position);
        *position += 1;
        code
    }

    /// Whether an input draws a value at this opportunity. A timed one inverts here when its time is over.
    fn is_due(&mut self, at: usize, input: &Input) -> bool {
        let control = self.control[at];
        if let Hold::Drawn(hold) = self.settings.inputs[at].hold {
            return field(control, 5, 0) < hold;
        }
        self.stays[at] = self.stays[at].saturating_sub(1);
        if self.stays[at] == 0 {
            self.row[input.offset] ^= 1;
            let durations = &self.stimulus.durations;
            let few = if self.stimulus.shape.counters { 13 } else { 12 };
            let cycles = match field(control, few, 12) {
                0 => 1 + field(control, 15, 14) as u32,
                _ => {
                    durations[scaled(control, 16, durations.len())] + field(control, 33, 32) as u32
                        - 1
                }
            };
            let gate = matches!(input.kind, Kind::Gate { .. });
            let sides = if gate { 1 } else { sides(self.settings.data_at) };
            self.stays[at] = cycles * sides;
        }
        false
    }

    /// A reset's change: its start, the end of a pulse, or a new pulse. `glitch` is the step where pulses
    /// must not reach an active edge.
    fn reset(&mut self, at: usize, input: &Input, active: bool, glitch: Option<u8>) {
        let Resets::Pulsed { delay, rate } = self.settings.resets else {
            return;
        };
        let control = self.control[at];
        if self.reset_opportunities == delay {
            let sides = self.settings.resets_at.iter().filter(|&&side| side).count() as u32;
            self.asserted[at] = self.settings.inputs[at].start_cycles * sides;
            self.set_reset(input, active);
        } else if self.asserted[at] > 0 {
            self.asserted[at] -= 1;
            if self.asserted[at] == 0 {
                self.set_reset(input, !active);
            }
        } else if let Some(step) = glitch {
            if step == self.stimulus.shape.after_edge && field(control, 8, 0) < GLITCHES {
                self.asserted[at] = 1;
                self.set_reset(input, active);
            }
        } else if field(control, 8, 0) < rate {
            self.asserted[at] = PULSE_LENGTH[field(control, 33, 32) as usize];
            self.set_reset(input, active);
        }
    }

    /// Sets a reset, unless the level is not legal: then its first legal value.
    fn set_reset(&mut self, input: &Input, level: bool) {
        let level = u64::from(level);
        self.row[input.offset] = match &input.legal {
            Some(legal) if !legal.iter().any(|value| value[0] == level) => legal[0][0],
            _ => level,
        };
    }

    fn clocks_are(&self, level: bool) -> bool {
        self.stimulus.clocks.iter().all(|&clock| (self.row[clock] == 1) == level)
    }

    /// Gives an input its next value.
    fn draw(&mut self, at: usize, input: &Input) {
        let control = self.control[at];
        let range = input.offset..input.offset + input.words();
        let settings = &self.settings.inputs[at];
        if let Some(legal) = &input.legal {
            self.row[range].copy_from_slice(&legal[scaled(control, 16, legal.len())]);
            return;
        }
        if input.width == 1 {
            self.row[input.offset] = u64::from(field(control, 11, 6) < settings.bias);
            return;
        }
        let entry = field(control, 9, 6) as u32;
        let draw = Draw {
            control,
            noise: &self.noise[input.slices.clone()],
            previous: &self.row[range.clone()],
            row: &self.row,
            width: input.width,
            tables: &self.tables[at],
            partners: &input.partners,
        };
        let mode = field(settings.menu, 4 * entry + 3, 4 * entry);
        if input.words() == 1 {
            let mut next = [0];
            draw.value(mode, &mut next);
            self.row[input.offset] = next[0];
            return;
        }
        self.next.clear();
        self.next.resize(input.words(), 0);
        draw.value(mode, &mut self.next);
        self.row[range].copy_from_slice(&self.next);
    }
}

/// In how many of the steps 0 and 2 something may change.
fn sides(at: [bool; 2]) -> u32 {
    at.iter().map(|&side| u32::from(side)).sum()
}
