//! The golden side of a problem: its stimulus, and what the golden module does under it, computed once for all candidates.
//!
//! A golden bit is *defined* where it is 0 or 1 in four states. Where an `if`, a `case` or an edge met an unknown bit
//! after the module was reset, four states may say more than hardware would know (`if (x)` takes the `else`); there the
//! module runs from random power-up states instead, as compiled models do, and a bit is defined where all agree.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use super::agree::Planes;
use super::engine::each_lane;
use super::group::Group;
use super::rows::Rows;
use super::{Bounds, Budget, Code, Machine, PowerUp, Stop};
use crate::design::program::Program;
use crate::design::{Bits, Direction, Interface};
use crate::problem::Restriction;
use crate::verify::compare::Toggles;
use crate::verify::stimulus::{Config, Episode, Layout, Stimulus, StimulusError};

/// Power-up states in place of the unknown one, where that may be too optimistic.
const POWER_UPS: u64 = 64;

/// Base episodes that a module without state is run in both by rows and by episodes.
const EPISODES_OF_TRIAL: usize = 8;

/// Deep episodes in a row that may make no further bit toggle, as with compiled models.
const DEEP_IDLE_MAX: u32 = 4;

/// The golden module under the stimulus.
pub struct Golden {
    pub(super) stimulus: Stimulus,
    pub(super) interface: Interface,
    pub(super) outputs: Layout,
    code: Code,
    ports: Ports,
    /// The base episodes, which every candidate runs; where there are rows they are run when one needs them.
    base: OnceCell<Result<Vec<GoldenRun>, Stop>>,
    /// The deep ones that every candidate runs.
    deep: Vec<GoldenRun>,
    /// All of it row by row, if the module keeps nothing; else nothing.
    pub(super) rows: Vec<Rows>,
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
    /// Whether all of this is the same in a step as in the step before.
    pub is_same: Vec<bool>,
    /// Bits × comparison points of each output.
    pub compared: Vec<u64>,
    /// Whether what is defined is what all power-up states agree on.
    is_agreed: bool,
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
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// The stimulus cannot be made.
    #[error(transparent)]
    Stimulus(#[from] StimulusError),
    /// The golden module stops, in lanes; compiled it may not.
    #[error(transparent)]
    Stops(#[from] Stop),
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
        let stimulus = Stimulus::new(&interface, restrictions, key.as_bytes(), config)?;
        let widths = interface.outputs().map(|port| port.width).collect();
        let ports = Ports::new(&interface, program)
            .unwrap_or_else(|| unreachable!("the ports are the module's own"));
        let mut golden = Golden {
            stimulus,
            interface,
            outputs: Layout::new(widths),
            code: Code::new(program),
            ports,
            base: OnceCell::new(),
            deep: Vec::new(),
            rows: Vec::new(),
            toggles: Vec::new(),
        };
        let mut toggles = Toggles::new(&golden.outputs);
        let episodes = golden.base_episodes();
        if program.is_stateless && golden.is_row_by_row(&episodes)? {
            golden.rows.extend(golden.rows_of(&episodes));
        }
        match golden.rows.first() {
            Some(rows) => rows.toggle(&mut toggles),
            None => {
                let runs = golden.run_all(episodes)?;
                for run in &runs {
                    toggles.see_all(&run.value, &run.defined, run.stride);
                }
                golden.base = OnceCell::from(Ok(runs));
            }
        }
        let deep = golden.deepen(&mut toggles)?;
        golden.toggles = toggles.by_output(&golden.outputs);
        if !golden.rows.is_empty() && !deep.is_empty() {
            let episodes: Vec<Episode> =
                deep.iter().filter_map(|&k| golden.stimulus.deep_episode(k)).collect();
            match golden.rows_of(&episodes) {
                Some(rows) => golden.rows.push(rows),
                None => golden.rows.clear(),
            }
        }
        Ok(golden)
    }

    fn base_episodes(&self) -> Vec<Episode> {
        (0..self.stimulus.base_episodes()).map(|at| self.stimulus.episode(at)).collect()
    }

    fn run_all(&self, episodes: Vec<Episode>) -> Result<Vec<GoldenRun>, Stop> {
        let groups = Group::all(episodes, &self.stimulus);
        let run = |group| self.run(group).map(|run| self.compared_alone(run)).transpose();
        groups.into_iter().filter_map(run).collect()
    }

    /// What every candidate runs, episode by episode.
    pub(super) fn runs(&self) -> Result<impl Iterator<Item = &GoldenRun>, Stop> {
        let base = self.base.get_or_init(|| self.run_all(self.base_episodes()));
        Ok(base.as_ref().map_err(|stop| *stop)?.iter().chain(&self.deep))
    }

    /// Whether the same bits are compared row by row as in some episodes; otherwise there is more to the module than its inputs.
    fn is_row_by_row(&self, episodes: &[Episode]) -> Result<bool, Stop> {
        let some = &episodes[..episodes.len().min(EPISODES_OF_TRIAL)];
        let run = self.run(Group::new(some.to_vec(), &self.stimulus))?;
        Ok(self.rows_of(some).is_some_and(|rows| rows.compared == run.compared))
    }

    /// Whether a candidate of this interface can be compared with it, or what differs.
    pub fn accepts(&self, candidate: &Interface) -> Result<(), String> {
        self.interface.accepts(candidate)
    }

    /// Lengthens the run while it makes bits toggle that never did, as with compiled models: what is kept are the episodes in which
    /// one does, and those that the stimulus requires; their numbers are told.
    fn deepen(&mut self, toggles: &mut Toggles) -> Result<Vec<u32>, Stop> {
        let mut all = Vec::new();
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
                    let moved = run.toggle_lane(toggles, &self.outputs, lane);
                    idle = if moved { 0 } else { idle + 1 };
                    if moved || required {
                        kept.push(lane);
                    }
                }
                all.extend(kept.iter().map(|&lane| k + lane as u32));
                self.keep(run, &kept, k)?;
            }
            k = end;
        }
        Ok(all)
    }

    fn is_done(&self, toggles: &Toggles, idle: u32) -> bool {
        let still = toggles.by_output(&self.outputs).contains(&0);
        toggles.complete() || idle >= DEEP_IDLE_MAX && !still
    }

    /// Keeps what every candidate runs: some lanes of a run through the deep episodes from `first` on.
    fn keep(&mut self, run: GoldenRun, kept: &[usize], first: u32) -> Result<(), Stop> {
        let run = if kept.is_empty() {
            return Ok(());
        } else if kept.len() == run.group.lanes() {
            run
        } else if run.is_agreed {
            // Without the lanes that made it so it may not be.
            let episode = |&lane: &usize| self.stimulus.deep_episode(first + lane as u32);
            self.run(Group::new(kept.iter().filter_map(episode).collect(), &self.stimulus))?
        } else {
            run.of_lanes(kept, self)
        };
        let run = self.compared_alone(run);
        self.deep.extend(run);
        Ok(())
    }

    /// A run without the episodes in which nothing is compared: mostly registers without a reset that nothing loads, so
    /// that all lanes would have to be run with their unknown bits.
    fn compared_alone(&self, run: GoldenRun) -> Option<GoldenRun> {
        let mut any = vec![0; run.stride];
        for row in run.defined.chunks(run.stride) {
            any.iter_mut().zip(row).for_each(|(any, word)| *any |= word);
        }
        let lanes: Vec<usize> = (0..run.group.lanes()).filter(|&lane| any[lane] != 0).collect();
        if lanes.len() == run.group.lanes() {
            Some(run)
        } else {
            (!lanes.is_empty()).then(|| run.of_lanes(&lanes, self))
        }
    }

    /// The golden module in the episodes for a candidate's constants.
    pub(super) fn own_runs(&self, constants: &[Bits]) -> Result<Vec<GoldenRun>, Stop> {
        let episodes = self.stimulus.candidate_episodes(constants);
        if episodes.is_empty() {
            return Ok(Vec::new());
        }
        let run = self.run(Group::new(episodes, &self.stimulus))?;
        Ok(self.compared_alone(run).into_iter().collect())
    }

    fn rows_of(&self, episodes: &[Episode]) -> Option<Rows> {
        Rows::new(self, &self.code, &self.ports, episodes)
    }

    /// The rows of a candidate's constants, if it has any; nothing where the golden module cannot be run so.
    pub(super) fn own_rows(&self, constants: &[Bits]) -> Option<Option<Rows>> {
        let episodes = self.stimulus.candidate_episodes(constants);
        if episodes.is_empty() {
            return Some(None);
        }
        self.rows_of(&episodes).map(Some)
    }

    /// Runs the golden module in a group.
    pub(super) fn run(&self, group: Group) -> Result<GoldenRun, Stop> {
        let mut machine = Machine::new(&self.code, group.lanes(), Bounds::default());
        let stride = machine.stride();
        let size = group.steps * self.outputs.words * stride;
        let mut run = GoldenRun {
            value: vec![0; size],
            defined: vec![0; size],
            stride,
            is_same: Vec::new(),
            compared: Vec::new(),
            is_agreed: false,
            group: Rc::new(group),
        };
        let mut is_optimistic = false;
        self.record(&mut run, &mut machine, PowerUp::Unknown, |run, machine, step| {
            is_optimistic |= run.is_optimistic(machine, step);
            if is_optimistic { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        run.restrict(&self.stimulus, &self.outputs);
        if is_optimistic {
            run.is_agreed = true;
            self.agree(&mut run)?;
        }
        run.count(&self.outputs);
        run.find_same(&self.outputs);
        Ok(run)
    }

    /// Takes for defined what is the same from all power-up states.
    fn agree(&self, run: &mut GoldenRun) -> Result<(), Stop> {
        let power_ups = (POWER_UPS, &Budget::of_golden());
        let agreed = run.agreed(&self.code, &self.ports, self, power_ups, |_| false)?;
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
    ) -> Result<(), Stop> {
        let group = run.group.clone();
        let width = self.outputs.words * run.stride;
        let widths = &self.stimulus.inputs().widths;
        group.whole().run(machine, &self.ports.inputs, widths, how, |step, machine| {
            for (&port, &offset) in self.ports.outputs.iter().zip(&self.outputs.offsets) {
                let at = step * width + offset * run.stride;
                machine.copy_output(port, &mut run.value[at..], &mut run.defined[at..]);
            }
            see(run, machine, step)
        })
    }
}

impl GoldenRun {
    /// What it has of some of its lanes.
    fn of_lanes(&self, lanes: &[usize], golden: &Golden) -> GoldenRun {
        let group = self.group.of_lanes(lanes, golden.stimulus.inputs());
        let stride = super::stride(lanes.len());
        let rows = group.steps * golden.outputs.words;
        // The lanes above those in use do what the first does, and are not compared.
        let chosen = |plane: &[u64], is_filled: bool| {
            let mut own = Vec::with_capacity(rows * stride);
            for row in plane.chunks(self.stride).take(rows) {
                own.extend(lanes.iter().map(|&lane| row[lane]));
                let more = if is_filled { row[lanes[0]] } else { 0 };
                own.extend(std::iter::repeat_n(more, stride - lanes.len()));
            }
            own
        };
        let mut run = GoldenRun {
            value: chosen(&self.value, true),
            defined: chosen(&self.defined, false),
            stride,
            is_same: Vec::new(),
            compared: Vec::new(),
            is_agreed: self.is_agreed,
            group: Rc::new(group),
        };
        run.count(&golden.outputs);
        run.find_same(&golden.outputs);
        run
    }

    /// The seeds of the lanes' power-up states, for one of several runs.
    pub fn seeds(&self, number: u64) -> Vec<u64> {
        let more = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.group.episodes.iter().map(|episode| episode.power_up.wrapping_add(more)).collect()
    }

    /// Those of some lanes.
    pub fn seeds_of(&self, lanes: &[usize], number: u64) -> Vec<u64> {
        let all = self.seeds(number);
        lanes.iter().map(|&lane| all[lane]).collect()
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

    /// Notes which bits were 0 and 1 in one episode; whether a bit toggled for the first time.
    fn toggle_lane(&self, toggles: &mut Toggles, outputs: &Layout, lane: usize) -> bool {
        let before = toggles.total();
        let steps = self.group.episodes[lane].steps.len();
        for (at, word) in (0..steps * outputs.words).zip((0..outputs.words).cycle()) {
            let at = at * self.stride + lane;
            toggles.see(word, &self.value[at..=at], &self.defined[at..=at]);
        }
        toggles.total() > before
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

    fn find_same(&mut self, outputs: &Layout) {
        let row = outputs.words * self.stride;
        let is_same = |step: usize| {
            let [before, now] = [step - 1, step].map(|step| step * row..(step + 1) * row);
            self.value[before.clone()] == self.value[now.clone()]
                && self.defined[before] == self.defined[now]
        };
        self.is_same = (0..self.group.steps).map(|step| step > 0 && is_same(step)).collect();
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use super::{Golden, Group};
    use crate::design::lower;
    use crate::verify::stimulus::Config;

    /// What is cut out of a run is what a run of these episodes alone gives, and can be run again.
    #[test]
    fn lanes_that_are_cut_out_are_those_of_a_run_of_their_own() {
        let text = "module top(input clk, rst, load, input [69:0] d, output reg [69:0] y, output z); \
                    always @(posedge clk) if (load) y <= d; else y <= y + 1; assign z = ^y; endmodule";
        let lowered = lower(text, Some("top")).expect("a legal text");
        let program = lowered.program.expect("all of it is lowered");
        let none = BTreeMap::new();
        let golden = Golden::new(lowered.interface, &program, &none, "key", &Config::default());
        let golden = golden.expect("a golden module");
        let episodes = golden.base_episodes();
        for lanes in [&[1, 3, 6][..], &[0], &[2, 3, 4, 5, 7]] {
            let whole = golden.run(Group::new(episodes[..8].to_vec(), &golden.stimulus));
            let cut = whole.expect("it ends").of_lanes(lanes, &golden);
            let own = lanes.iter().map(|&lane| episodes[lane].clone()).collect();
            let alone = golden.run(Group::new(own, &golden.stimulus)).expect("it ends");
            assert_eq!((cut.stride, cut.group.steps), (alone.stride, alone.group.steps));
            assert_eq!((&cut.value, &cut.defined), (&alone.value, &alone.defined));
            assert_eq!((&cut.is_same, &cut.compared), (&alone.is_same, &alone.compared));
            assert_eq!(cut.group.settled, alone.group.settled);
            let group = Rc::into_inner(cut.group).expect("nobody else has it");
            let again = golden.run(group).expect("it ends");
            assert_eq!((again.value, again.defined), (alone.value, alone.defined));
        }
    }
}
