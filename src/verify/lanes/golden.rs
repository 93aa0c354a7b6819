//! The golden side of a problem: its stimulus, and what the golden module does under it, computed once for all candidates.
//!
//! A golden bit is *defined* where it is 0 or 1 in four states. Where an `if`, a `case` or an edge met an unknown bit
//! after the module was reset, four states may say more than hardware would know (`if (x)` takes the `else`); there the
//! module runs from random power-up states instead, as compiled models do, and a bit is defined where all agree.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use super::engine::each_lane;
use super::group::Group;
use super::rows::Rows;
use super::{Bounds, Budget, Code, LANES_MAX, Machine, PowerUp, Stop};
use crate::design::program::Program;
use crate::design::{Bits, Direction, Interface};
use crate::problem::Restriction;
use crate::verify::backend::Values;
use crate::verify::compare::Toggles;
use crate::verify::stimulus::{Config, Episode, Layout, Stimulus, StimulusError};

/// Power-up states in place of the unknown one, where that may be too optimistic.
const POWER_UPS: u64 = 64;

/// Deep episodes in a row that may make no further bit toggle, as with compiled models.
const DEEP_IDLE_MAX: u32 = 4;

/// The golden module under the stimulus.
pub struct Golden {
    pub(super) stimulus: Stimulus,
    pub(super) interface: Interface,
    pub(super) outputs: Layout,
    code: Code,
    ports: Ports,
    /// What every candidate runs.
    pub(super) runs: Vec<GoldenRun>,
    /// All of it row by row, if the module keeps nothing.
    pub(super) rows: Option<Rows>,
    /// Golden bits of each output seen at both 0 and 1.
    pub(super) toggles: Vec<u32>,
}

/// The golden module in one group of episodes.
pub(super) struct GoldenRun {
    pub group: Rc<Group>,
    /// The outputs: word `w` of step `s` in lane `l` is at `(s * words + w) * stride + l`.
    pub value: Vec<u64>,
    /// Which of their bits are compared.
    pub defined: Vec<u64>,
    /// Words from one word of an output to the next.
    pub stride: usize,
    /// Bits × comparison points of each output.
    pub compared: Vec<u64>,
}

/// Outputs, laid out as in a [`GoldenRun`].
pub(super) struct Planes {
    pub value: Vec<u64>,
    pub defined: Vec<u64>,
}

impl Planes {
    /// Takes in one word of what the copies of some lanes have; the first of all says what the others agree on.
    fn take_in(
        &mut self,
        place: std::ops::Range<usize>,
        (value, defined): (&[u64], &[u64]),
        copies: usize,
        is_first: bool,
    ) {
        let lanes = place.len();
        for (lane, at) in place.enumerate() {
            if is_first {
                (self.value[at], self.defined[at]) = (value[lane], defined[lane]);
            }
            for copy in 0..copies {
                let from = copy * lanes + lane;
                self.defined[at] &= defined[from] & !(self.value[at] ^ value[from]);
            }
        }
    }
}

/// The numbers that a program gives its ports, in the golden order.
pub(super) struct Ports {
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
}

impl Ports {
    /// Those of a program whose interface the golden one accepts.
    pub fn new(golden: &Interface, program: &Program) -> Option<Ports> {
        let find = |direction: Direction, list: &[(String, u32)]| -> Option<Vec<usize>> {
            let ports = golden.ports.iter().filter(|port| port.direction == direction);
            ports.map(|port| list.iter().position(|(name, _)| *name == port.name)).collect()
        };
        Some(Ports {
            inputs: find(Direction::Input, &program.inputs)?,
            outputs: find(Direction::Output, &program.outputs)?,
        })
    }
}

/// Why there is nothing to compare with.
#[derive(Debug)]
pub enum GoldenError {
    /// The stimulus cannot be made.
    Stimulus(StimulusError),
    /// The golden module stops, in lanes; compiled it may not.
    Stops(Stop),
}

impl Golden {
    /// Runs the golden module.
    pub fn new(
        interface: Interface,
        program: &Program,
        restrictions: &BTreeMap<String, Restriction>,
        key: &str,
        config: &Config,
    ) -> Result<Golden, GoldenError> {
        let stimulus = Stimulus::new(&interface, restrictions, key.as_bytes(), config)
            .map_err(GoldenError::Stimulus)?;
        let widths = interface.outputs().map(|port| port.width).collect();
        let ports = Ports::new(&interface, program)
            .unwrap_or_else(|| unreachable!("the ports are the module's own"));
        let mut golden = Golden {
            stimulus,
            interface,
            outputs: Layout::new(widths),
            code: Code::new(program),
            ports,
            runs: Vec::new(),
            rows: None,
            toggles: Vec::new(),
        };
        let mut toggles = Toggles::new(&golden.outputs);
        let base = (0..golden.stimulus.base_episodes()).map(|at| golden.stimulus.episode(at));
        for group in Group::all(base.collect(), &golden.stimulus) {
            let run = golden.run(group)?;
            (0..run.group.lanes()).for_each(|lane| _ = golden.toggle(&mut toggles, &run, lane));
            golden.runs.push(run);
        }
        golden.deepen(&mut toggles)?;
        golden.toggles = toggles.by_output(&golden.outputs);
        if program.is_stateless {
            let groups: Vec<_> = golden.runs.iter().map(|run| run.group.clone()).collect();
            // The same bits are compared in both ways, or there is more to the module than its inputs.
            let compared =
                |output: usize| golden.runs.iter().map(|run| run.compared[output]).sum::<u64>();
            golden.rows = golden.rows_of(&groups).filter(|rows| {
                rows.compared.iter().enumerate().all(|(output, &bits)| bits == compared(output))
            });
        }
        Ok(golden)
    }

    /// Whether a candidate of this interface can be compared with it, or what differs.
    pub fn accepts(&self, candidate: &Interface) -> Result<(), String> {
        self.interface.accepts(candidate)
    }

    /// Lengthens the run while it makes bits toggle that never did, as with compiled models: what is kept are the episodes in which
    /// one does, and those that the stimulus requires.
    fn deepen(&mut self, toggles: &mut Toggles) -> Result<(), GoldenError> {
        let mut idle = 0;
        let mut k = 0;
        while let Some(first) = self.stimulus.deep_cycles(k) {
            let end = (k..).find(|&k| self.stimulus.deep_cycles(k) != Some(first)).unwrap_or(k + 1);
            let wanted =
                (k..end).any(|k| !self.is_done(toggles, idle) || self.stimulus.requires(k));
            if wanted {
                let episodes: Vec<Episode> =
                    (k..end).filter_map(|k| self.stimulus.deep_episode(k)).collect();
                let run = self.run(Group::new(episodes, &self.stimulus))?;
                let mut kept = Vec::new();
                for (lane, k) in (k..end).enumerate() {
                    let required = self.stimulus.requires(k);
                    if self.is_done(toggles, idle) && !required {
                        continue;
                    }
                    let moved = self.toggle(toggles, &run, lane);
                    idle = if moved { 0 } else { idle + 1 };
                    if moved || required {
                        kept.push(k);
                    }
                }
                self.keep(run, &kept, (end - k) as usize)?;
            }
            k = end;
        }
        Ok(())
    }

    fn is_done(&self, toggles: &Toggles, idle: u32) -> bool {
        let still = toggles.by_output(&self.outputs).contains(&0);
        toggles.complete() || idle >= DEEP_IDLE_MAX && !still
    }

    /// Keeps the episodes that every candidate runs.
    fn keep(&mut self, run: GoldenRun, kept: &[u32], all: usize) -> Result<(), GoldenError> {
        if kept.len() == all {
            self.runs.push(run);
        } else if !kept.is_empty() {
            let episodes = kept.iter().filter_map(|&k| self.stimulus.deep_episode(k)).collect();
            let run = self.run(Group::new(episodes, &self.stimulus))?;
            self.runs.push(run);
        }
        Ok(())
    }

    /// The golden module in the episodes for a candidate's constants.
    pub(super) fn own_runs(&self, constants: &[Bits]) -> Result<Vec<GoldenRun>, GoldenError> {
        let episodes = self.stimulus.candidate_episodes(constants);
        if episodes.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![self.run(Group::new(episodes, &self.stimulus))?])
    }

    fn rows_of(&self, groups: &[Rc<Group>]) -> Option<Rows> {
        Rows::new(self, &self.code, &self.ports, groups)
    }

    /// The rows of a candidate's constants, if it has any; nothing where the golden module cannot be run so.
    pub(super) fn own_rows(&self, constants: &[Bits]) -> Option<Option<Rows>> {
        self.rows.as_ref()?;
        let episodes = self.stimulus.candidate_episodes(constants);
        if episodes.is_empty() {
            return Some(None);
        }
        self.rows_of(&[Rc::new(Group::new(episodes, &self.stimulus))]).map(Some)
    }

    fn toggle(&self, toggles: &mut Toggles, run: &GoldenRun, lane: usize) -> bool {
        let words = self.outputs.words;
        let steps = run.group.episodes[lane].steps.len();
        let column = |plane: &[u64]| {
            (0..steps * words).map(|at| plane[at * run.stride + lane]).collect::<Vec<u64>>()
        };
        toggles.add(&Values { value: column(&run.value), defined: column(&run.defined) })
    }

    /// Runs the golden module in a group.
    pub(super) fn run(&self, group: Group) -> Result<GoldenRun, GoldenError> {
        let mut machine = Machine::new(&self.code, group.lanes(), Bounds::default());
        let stride = machine.stride();
        let size = group.steps * self.outputs.words * stride;
        let mut run = GoldenRun {
            value: vec![0; size],
            defined: vec![0; size],
            stride,
            compared: Vec::new(),
            group: Rc::new(group),
        };
        let mut is_optimistic = false;
        self.record(&mut run, &mut machine, PowerUp::Unknown, |run, machine, step| {
            is_optimistic |= run.is_optimistic(machine, step);
            if is_optimistic { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        run.restrict(&self.stimulus, &self.outputs);
        if is_optimistic {
            self.agree(&mut run)?;
        }
        run.count(&self.outputs);
        Ok(run)
    }

    /// Takes for defined what is the same from all power-up states.
    fn agree(&self, run: &mut GoldenRun) -> Result<(), GoldenError> {
        let agreed = run
            .agreed(&self.code, &self.ports, self, (POWER_UPS, &Budget::of_golden()), |_| false)
            .map_err(GoldenError::Stops)?;
        Planes { value: run.value, defined: run.defined } = agreed;
        run.restrict(&self.stimulus, &self.outputs);
        Ok(())
    }

    /// Runs a machine and records its outputs.
    fn record(
        &self,
        run: &mut GoldenRun,
        machine: &mut Machine<'_>,
        how: PowerUp<'_>,
        mut see: impl FnMut(&GoldenRun, &mut Machine<'_>, usize) -> ControlFlow<()>,
    ) -> Result<(), GoldenError> {
        let group = run.group.clone();
        let width = self.outputs.words * run.stride;
        let widths = &self.stimulus.inputs().widths;
        let done = group.run(machine, &self.ports.inputs, widths, how, |step, machine| {
            for (&port, &offset) in self.ports.outputs.iter().zip(&self.outputs.offsets) {
                let at = step * width + offset * run.stride;
                machine.copy_output(port, &mut run.value[at..], &mut run.defined[at..]);
            }
            see(run, machine, step)
        });
        done.map_err(GoldenError::Stops)
    }
}

impl GoldenRun {
    /// The seeds of the lanes' power-up states, for one of several runs.
    pub fn seeds(&self, number: u64) -> Vec<u64> {
        let more = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.group.episodes.iter().map(|episode| episode.power_up.wrapping_add(more)).collect()
    }

    /// What a module's outputs have in common from so many random power-up states: the value of the first one, and
    /// where it is known and the same from all. As many of them as there is room for run side by side; the others are left
    /// out where `is_enough` says so of what was found by then.
    pub fn agreed(
        &self,
        code: &Code,
        ports: &Ports,
        golden: &Golden,
        (power_ups, budget): (u64, &Budget),
        is_enough: impl Fn(&Planes) -> bool,
    ) -> Result<Planes, Stop> {
        let (outputs, widths) = (&golden.outputs, &golden.stimulus.inputs().widths);
        let lanes = self.group.lanes();
        let copies = (LANES_MAX / lanes).clamp(1, power_ups as usize);
        let all: Vec<usize> = (0..lanes).collect();
        let group = self.group.only(&all, copies);
        let mut machine = Machine::new(code, group.lanes(), budget.bounds());
        let stride = machine.stride();
        let size = self.value.len();
        let mut agreed = Planes { value: vec![0; size], defined: vec![0; size] };
        let (mut value, mut defined) =
            (vec![0; outputs.words * stride], vec![0; outputs.words * stride]);
        let numbers: Vec<u64> = (0..power_ups).collect();
        for numbers in numbers.chunks(copies) {
            // The copies that are left over in the last turn repeat its last state.
            let number = |copy: usize| numbers[copy.min(numbers.len() - 1)];
            let seeds: Vec<u64> = (0..copies).flat_map(|copy| self.seeds(number(copy))).collect();
            let how = PowerUp::Random { seeds: &seeds };
            machine.bound(budget.bounds());
            let done = group.run(&mut machine, &ports.inputs, widths, how, |step, machine| {
                for (&port, &offset) in ports.outputs.iter().zip(&outputs.offsets) {
                    let at = offset * stride;
                    machine.copy_output(port, &mut value[at..], &mut defined[at..]);
                }
                for word in 0..outputs.words {
                    let to = (step * outputs.words + word) * self.stride;
                    let own = word * stride..(word + 1) * stride;
                    let own = (&value[own.clone()], &defined[own]);
                    agreed.take_in(to..to + lanes, own, copies, numbers[0] == 0);
                }
                ControlFlow::Continue(())
            });
            budget.spend(&machine);
            done?;
            if is_enough(&agreed) {
                break;
            }
        }
        Ok(agreed)
    }

    /// Whether an unknown bit decided something in a lane at or after the point from which it counts.
    pub fn is_optimistic(&self, machine: &mut Machine<'_>, step: usize) -> bool {
        let lanes = machine.optimistic();
        if lanes == 0 {
            return false;
        }
        machine.clear_optimistic();
        each_lane(lanes).any(|lane| step >= self.group.settled[lane])
    }

    /// Leaves nothing defined where nothing is compared.
    fn restrict(&mut self, stimulus: &Stimulus, outputs: &Layout) {
        for (lane, episode) in self.group.episodes.iter().enumerate() {
            for step in 0..self.group.steps {
                let point = episode.steps.get(step);
                let is_compared = step >= self.group.settled[lane]
                    && point.is_some_and(|&point| stimulus.compares(point));
                if !is_compared {
                    let at = step * outputs.words;
                    (at..at + outputs.words).for_each(|w| self.defined[w * self.stride + lane] = 0);
                }
            }
        }
        // The lanes above those in use do what the first does.
        let lanes = self.group.lanes();
        for row in self.defined.chunks_mut(self.stride) {
            row[lanes..].fill(0);
        }
    }

    fn count(&mut self, outputs: &Layout) {
        let mut compared = vec![0; outputs.widths.len()];
        let row = outputs.words * self.stride;
        for step in self.defined.chunks(row.max(1)) {
            for (count, range) in compared.iter_mut().zip(outputs.word_ranges()) {
                let words = &step[range.start * self.stride..range.end * self.stride];
                *count += words.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
            }
        }
        self.compared = compared;
    }
}
