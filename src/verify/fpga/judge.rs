//! One task on the chip: which episodes are run, and what is counted of each candidate.
//!
//! In: a task. Out: an outcome for each candidate. The episodes are those of the verilator backend, in the same order
//! and by the same rule for deep ones: they go on while they make bits of the golden module toggle, and what happens
//! in one that neither does nor is required is not counted. All candidates of a chip run at once; a candidate's own
//! episodes count for it alone.

use std::sync::Arc;

use super::bitstream::{Build, Builder, Stage};
use super::board::SimulatedBoard;
use super::harness::{self, CONTROLS, Harness};
use super::link::{Link, Wire};
use super::module::{Mapped, Mapper};
use super::session::{RunResult, Select, Session, Window};
use super::{Fpga, FpgaError, carrier, plan, replay};
use crate::verify::backend::{Count, Outcome, Task, TaskOutcome};
use crate::verify::stimulus::chip::{Chip, ChipRun, ChipTables};
use crate::verify::stimulus::{Config, Stimulus, StimulusError};

/// Deep episodes in a row that may make no further bit toggle; as in the verilator backend.
const DEEP_IDLE_MAX: u32 = 4;

/// Clocks from a change of inputs to the comparison that are tried, the first that is slow enough is taken.
const STEP_CLOCKS: [u32; 3] = [1, 2, 4];

/// Judges the candidates of a task.
pub fn judge(fpga: &Fpga, task: &Task, config: &Config) -> Result<TaskOutcome, FpgaError> {
    let all = |why: String| {
        TaskOutcome::Candidates(vec![Outcome::Unsupported(why); task.candidates.len()])
    };
    let stimulus =
        match Stimulus::new(&task.interface, &task.restrictions, task.key.as_bytes(), config) {
            Ok(stimulus) => stimulus,
            Err(error @ StimulusError::NotSynchronous) => return Ok(all(error.to_string())),
            Err(error) => return Err(error.into()),
        };
    let chip = stimulus.chip(&task.interface);
    if let Some(why) = harness::refusal(&task.interface, &chip) {
        return Ok(all(format!("this backend has no harness for the golden module: {why}")));
    }
    let (golden, candidates) = match mapped(fpga, task)? {
        Ok(modules) => modules,
        Err(why) => return Ok(all(format!("of the golden module: {why}"))),
    };
    let mut outcomes: Vec<Option<Outcome>> = vec![None; task.candidates.len()];
    let mut on_chip: Vec<(usize, Arc<Mapped>)> = Vec::new();
    for (index, module) in candidates.into_iter().enumerate() {
        match module {
            Ok(module) => on_chip.push((index, module)),
            Err(why) => outcomes[index] = Some(Outcome::Unsupported(why)),
        }
    }
    let job = Job { fpga, task, config, stimulus: &stimulus, chip: &chip, golden: &golden };
    for (index, outcome) in job.judge_mapped(&on_chip)? {
        outcomes[index] = Some(outcome);
    }
    let outcomes = outcomes.into_iter().map(|outcome| {
        outcome.unwrap_or_else(|| unreachable!("every candidate was refused or is on a chip"))
    });
    Ok(TaskOutcome::Candidates(outcomes.collect()))
}

/// A module in the family's cells, or why it has no place on a chip.
type MaybeMapped = Result<Arc<Mapped>, String>;

/// The golden module and each candidate, or why the golden module has no place on a chip.
type AllMapped = Result<(Arc<Mapped>, Vec<MaybeMapped>), String>;

/// The golden module and the candidates in the family's cells.
pub(super) fn mapped(fpga: &Fpga, task: &Task) -> Result<AllMapped, FpgaError> {
    let mapper =
        Mapper { tools: &fpga.tools, cache: &fpga.verilator.cache, trusted: &fpga.trusted };
    let count = task.candidates.len();
    fpga.tell(&format!("synthesising {} and {count} candidates", task.interface.top));
    let map = |module| mapper.map(module, &task.interface, fpga.board);
    let golden = match map(&task.golden)? {
        Ok(golden) => golden,
        Err(why) => return Ok(Err(why)),
    };
    let candidates = task.candidates.iter().map(|subject| map(&subject.module));
    Ok(Ok((golden, candidates.collect::<Result<_, _>>()?)))
}

/// A task with its modules mapped.
pub(super) struct Job<'a> {
    pub fpga: &'a Fpga,
    pub task: &'a Task,
    pub config: &'a Config,
    pub stimulus: &'a Stimulus,
    pub chip: &'a Chip,
    pub golden: &'a Mapped,
}

impl Job<'_> {
    fn judge_mapped(
        &self,
        mapped: &[(usize, Arc<Mapped>)],
    ) -> Result<Vec<(usize, Outcome)>, FpgaError> {
        let mut groups = self.groups(mapped);
        let mut outcomes = Vec::new();
        while let Some(group) = groups.pop() {
            let members: Vec<(usize, &Mapped)> =
                group.iter().map(|&at| (mapped[at].0, &*mapped[at].1)).collect();
            match (self.judge_group(&members)?, plan::halves(&group)) {
                (Ok(found), _) => {
                    let indices = members.iter().map(|(index, _)| *index);
                    outcomes.extend(indices.zip(found));
                }
                (Err(_), Some([left, right])) => groups.extend([right, left]),
                (Err(why), None) => {
                    let board = self.fpga.board.name;
                    let why =
                        format!("it does not fit on board {board} beside its golden module: {why}");
                    outcomes.push((members[0].0, Outcome::Unsupported(why)));
                }
            }
        }
        Ok(outcomes)
    }

    /// Groups that share a chip, by index in `mapped`, the first last.
    fn groups(&self, mapped: &[(usize, Arc<Mapped>)]) -> Vec<Vec<usize>> {
        let modules: Vec<&Mapped> = mapped.iter().map(|(_, module)| &**module).collect();
        let luts = harness_luts(self.task, self.chip, mapped.len().min(8));
        let mut groups = plan::groups(&modules, luts, self.golden, self.fpga.board);
        groups.reverse();
        groups
    }

    /// The candidates of one chip; the inner error says why they do not fit on one.
    fn judge_group(
        &self,
        members: &[(usize, &Mapped)],
    ) -> Result<Result<Vec<Outcome>, String>, FpgaError> {
        let mut harness = self.harness(members);
        let builder = self.builder();
        let build = match self.build(&builder, &mut harness, self.fpga.carrier.stage())? {
            Ok(build) => build,
            Err(why) => return Ok(Err(why)),
        };
        let found = carrier::with_chip(self.fpga, &builder, &harness, &build, |wire| {
            let fpga = self.fpga;
            fpga.tell(&format!("running {} on {}", self.task.interface.top, fpga.board.name));
            Conversation::hold(self, wire, &harness, build.id, members)
        })?;
        let outcomes = members.iter().zip(found).map(|(&(index, _), counts)| {
            let subject = &self.task.candidates[index];
            replay::explain(&self.fpga.verilator, self.task, subject, self.config, counts)
                .map(Outcome::Counted)
        });
        Ok(Ok(outcomes.collect::<Result<Vec<Outcome>, FpgaError>>()?))
    }

    /// The harness around these candidates.
    pub fn harness<'b>(&'b self, members: &[(usize, &'b Mapped)]) -> Harness<'b> {
        let constants = |index: usize| !self.task.candidates[index].constants.is_empty();
        Harness {
            interface: &self.task.interface,
            chip: self.chip,
            golden: self.golden,
            candidates: members.iter().map(|(_, mapped)| *mapped).collect(),
            own_tables: members.iter().any(|(index, _)| constants(*index)),
            step_clocks: STEP_CLOCKS[0],
        }
    }

    /// What makes chips for the board.
    pub fn builder(&self) -> Builder<'_> {
        let (tools, cache) = (&self.fpga.tools, &self.fpga.verilator.cache);
        Builder { tools, cache, board: self.fpga.board, whole: true }
    }

    /// Builds with as many clocks a step as the slowest path needs.
    fn build(
        &self,
        builder: &Builder,
        harness: &mut Harness,
        stage: Stage,
    ) -> Result<Result<Build, String>, FpgaError> {
        let fpga = self.fpga;
        let slots = harness.candidates.len();
        fpga.tell(&format!(
            "building {slots} candidates of {} for {}",
            self.task.interface.top, fpga.board.name
        ));
        for clocks in STEP_CLOCKS {
            harness.step_clocks = clocks;
            let build = match builder.build(harness, stage)? {
                Ok(build) => build,
                Err(why) => return Ok(Err(why)),
            };
            let slow = |build: &Build| match &build.placed {
                Some(placed) => placed.step_seconds() * fpga.board.hertz as f64 > f64::from(clocks),
                None => false,
            };
            if !slow(&build) {
                return Ok(Ok(build));
            }
        }
        Ok(Err("its paths are too long for this board's clock".into()))
    }
}

/// The chips that the candidates of a task would be on, with their members; what is refused or does not fit is left
/// out.
pub fn builds(
    fpga: &Fpga,
    task: &Task,
    config: &Config,
) -> Result<Vec<(Vec<usize>, Build)>, FpgaError> {
    let stimulus = Stimulus::new(&task.interface, &task.restrictions, task.key.as_bytes(), config)?;
    let chip = stimulus.chip(&task.interface);
    let Ok((golden, candidates)) = mapped(fpga, task)? else { return Ok(Vec::new()) };
    let job = Job { fpga, task, config, stimulus: &stimulus, chip: &chip, golden: &golden };
    let on_chip = candidates.into_iter().enumerate();
    let on_chip: Vec<(usize, Arc<Mapped>)> =
        on_chip.filter_map(|(index, module)| Some((index, module.ok()?))).collect();
    let mut builds = Vec::new();
    let mut groups = job.groups(&on_chip);
    while let Some(group) = groups.pop() {
        let members: Vec<(usize, &Mapped)> =
            group.iter().map(|&at| (on_chip[at].0, &*on_chip[at].1)).collect();
        let build = job.build(&job.builder(), &mut job.harness(&members), Stage::Bitstream)?;
        match (build, plan::halves(&group)) {
            (Ok(build), _) => {
                builds.push((members.iter().map(|(index, _)| *index).collect(), build));
            }
            (Err(_), Some([left, right])) => groups.extend([right, left]),
            (Err(_), None) => {}
        }
    }
    Ok(builds)
}

/// The first chip that the candidates of a task would be on, as a simulated board.
pub fn first_board(fpga: &Fpga, task: &Task, config: &Config) -> Result<SimulatedBoard, FpgaError> {
    let stimulus = Stimulus::new(&task.interface, &task.restrictions, task.key.as_bytes(), config)?;
    let chip = stimulus.chip(&task.interface);
    let (golden, candidates) = mapped(fpga, task)?.map_err(FpgaError::NothingToProve)?;
    let job = Job { fpga, task, config, stimulus: &stimulus, chip: &chip, golden: &golden };
    let on_chip = candidates.into_iter().enumerate();
    let on_chip: Vec<(usize, Arc<Mapped>)> =
        on_chip.filter_map(|(index, module)| Some((index, module.ok()?))).collect();
    let none = || FpgaError::NothingToProve("no candidate has a place on a chip".into());
    let group = job.groups(&on_chip).pop().ok_or_else(none)?;
    let members: Vec<(usize, &Mapped)> =
        group.iter().map(|&at| (on_chip[at].0, &*on_chip[at].1)).collect();
    let (builder, mut harness) = (job.builder(), job.harness(&members));
    let stage = fpga.carrier.stage();
    let build = job.build(&builder, &mut harness, stage)?.map_err(FpgaError::NothingToProve)?;
    carrier::simulated(fpga, &builder, &harness, &build, stage)
}

/// What the harness around these modules takes.
pub fn harness_luts(task: &Task, chip: &Chip, slots: usize) -> u32 {
    let wide = chip.inputs.iter().filter(|input| input.width > 1).map(|input| input.width).sum();
    plan::harness_luts(chip.inputs.len(), wide, harness::output_bits(&task.interface), slots)
}

/// What the chip said of a candidate: counts, and for each wrong output the first place.
#[derive(Clone, Debug)]
pub struct Found {
    /// Without `first` and `kind`, which the replay gives.
    pub count: Count,
    /// Episode, cycle and step of the first mismatch.
    pub place: Option<(u32, u32, u8)>,
}

/// The runs of one chip.
pub(super) struct Conversation<'a, 's, 'w> {
    job: &'a Job<'a>,
    session: Session<'s, 'w>,
    widths: Vec<u32>,
    /// What the episodes that count for all saw.
    window: Window,
    found: Vec<Vec<Found>>,
    /// Points at which the control was wrong, and points in all.
    faults: u64,
    points: u64,
}

impl<'a> Conversation<'a, '_, '_> {
    /// Speaks with the chip until all is known; what was found of each candidate's outputs.
    pub fn hold(
        job: &'a Job<'a>,
        wire: &mut dyn Wire,
        harness: &Harness,
        build_id: u64,
        members: &[(usize, &Mapped)],
    ) -> Result<Vec<Vec<Found>>, FpgaError> {
        let link = Link::new(wire, job.fpga.carrier.patience());
        let stream = job.stimulus.chip_stream();
        let session = Session::open(link, harness, build_id, job.fpga.board, stream)?;
        let widths: Vec<u32> = job.task.interface.outputs().map(|port| port.width).collect();
        let none = Found { count: Count::default(), place: None };
        let found = vec![vec![none; widths.len()]; members.len()];
        let window = Window::default();
        let mut own = Conversation { job, session, widths, window, found, faults: 0, points: 0 };
        own.run_all(members)?;
        if own.points > 0 && own.faults == 0 {
            return Err(FpgaError::FaultMissed { mismatches: 0, expected: 0 });
        }
        own.finish();
        Ok(own.found)
    }

    fn run_all(&mut self, members: &[(usize, &Mapped)]) -> Result<(), FpgaError> {
        let tables: Vec<&ChipTables> = self.job.chip.inputs.iter().map(|i| &i.tables).collect();
        self.session.load_tables(&tables)?;
        for run in self.job.stimulus.chip_base_runs() {
            let result = self.run(&run)?;
            self.window.add(&result.window);
            self.count(&run, &result, None)?;
        }
        self.run_deep()?;
        for (slot, (index, _)) in members.iter().enumerate() {
            let constants = &self.job.task.candidates[*index].constants;
            if let Some((run, tables)) = self.job.stimulus.chip_own_run(constants) {
                self.session.load_tables(&tables.iter().collect::<Vec<_>>())?;
                let result = self.run(&run)?;
                self.count(&run, &result, Some(slot))?;
            }
        }
        Ok(())
    }

    fn run_deep(&mut self) -> Result<(), FpgaError> {
        let stimulus = self.job.stimulus;
        let mut idle = 0;
        for k in 0..stimulus.deep_episodes() {
            let still = self.toggles().contains(&0);
            let complete = self.toggles().iter().eq(self.widths.iter());
            let done = complete || idle >= DEEP_IDLE_MAX && !still;
            let required = stimulus.requires(k);
            if done && !required {
                continue;
            }
            let Some(run) = stimulus.chip_deep_run(k) else { break };
            let result = self.run(&run)?;
            let moved = self.window.add(&result.window);
            idle = if moved { 0 } else { idle + 1 };
            if moved || required {
                self.count(&run, &result, None)?;
            }
        }
        Ok(())
    }

    /// Runs episodes with an eye on the control that is wrong on purpose.
    fn run(&mut self, run: &ChipRun) -> Result<RunResult, FpgaError> {
        let result = self.session.run(run, Select::FAULT)?;
        self.points += result.points;
        self.faults += result.slots[1].mismatches;
        Ok(result)
    }

    /// Golden bits of each output that have toggled.
    fn toggles(&self) -> Vec<u32> {
        let mut counts = vec![0; self.widths.len()];
        for bit in self.window.toggled() {
            counts[output_of(&self.widths, bit)] += 1;
        }
        counts
    }

    /// Takes a run's results in, for all candidates or for one.
    fn count(
        &mut self,
        run: &ChipRun,
        result: &RunResult,
        only: Option<usize>,
    ) -> Result<(), FpgaError> {
        let compared = compared(&self.widths, result);
        for slot in 0..self.found.len() {
            if only.is_some_and(|only| only != slot) {
                continue;
            }
            for (output, compared) in compared.iter().enumerate() {
                self.found[slot][output].count.compared += compared;
                let wrong = result.slots[CONTROLS + slot].outputs[output];
                if wrong && self.found[slot][output].place.is_none() {
                    self.found[slot][output].place = Some(self.first(run, slot, output)?);
                }
            }
        }
        Ok(())
    }

    /// Runs the episodes once more, to the first mismatch of an output.
    fn first(
        &mut self,
        run: &ChipRun,
        slot: usize,
        output: usize,
    ) -> Result<(u32, u32, u8), FpgaError> {
        let select = Select { slot: CONTROLS + slot, output: Some(output), stop: true };
        let result = self.session.run(run, select)?;
        let (number, cycle, step) = result.first.ok_or(FpgaError::TwoReads)?;
        Ok((run.index + (number - run.number.min(number)), cycle, step))
    }

    fn finish(&mut self) {
        let toggles = self.toggles();
        let exhaustive = self.job.stimulus.exhaustive();
        for found in self.found.iter_mut().flat_map(|slot| slot.iter_mut().zip(&toggles)) {
            found.0.count.toggles = *found.1;
            found.0.count.exhaustive = exhaustive;
        }
    }
}

/// The output that a bit of all outputs belongs to.
fn output_of(widths: &[u32], bit: usize) -> usize {
    let mut end = 0;
    let ends = widths.iter().map(|&width| {
        end += width as usize;
        end
    });
    ends.take_while(|&end| end <= bit).count()
}

/// Points × bits at which the golden module was defined, of each output: exact for a bit that always was, and one
/// point for one that was at some.
fn compared(widths: &[u32], result: &RunResult) -> Vec<u64> {
    let mut compared = vec![0; widths.len()];
    for (bit, &undefined) in result.window.undefined.iter().enumerate() {
        let seen = result.window.zero[bit] || result.window.one[bit];
        compared[output_of(widths, bit)] += if undefined { u64::from(seen) } else { result.points };
    }
    compared
}

#[cfg(test)]
mod tests {
    use super::output_of;

    #[test]
    fn bits_belong_to_outputs_in_order() {
        let owner = |bit| output_of(&[1, 8, 2], bit);
        assert_eq!([0, 1, 8, 9, 10].map(owner), [0, 1, 1, 2, 2]);
    }
}
