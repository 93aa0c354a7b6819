//! Inside the worker: runs golden modules and candidates of one loaded unit and compares them.
//!
//! Episode by episode, the golden module runs first, from [`POWER_UPS`] power-up states side by side (side
//! by side ends as soon as their states are equal), then each candidate once from a state of its own. One
//! episode is held in memory at a time. A candidate runs a second time, from all power-up states, only
//! where it differs, to tell a wrong value from an unknown one.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::bridge::{Bounds, Model, Start, Stop, Unit};
use super::marker::Marker;
use crate::verify::backend::{Count, Outcome, Task, TaskOutcome, Trace, Values};
use crate::verify::compare::{self, Toggles};
use crate::verify::stimulus::{Config, Episode, Layout, Stimulus};
use crate::verify::verdict::MismatchKind;
use crate::verify::worker::Event;
use crate::worker::{self, Reply, WorkerError, sandbox};

/// Power-up states of the golden module: all 0, all 1, and complementary random pairs.
pub const POWER_UPS: usize = 16;

/// Those that go on after the first 64 steps: all 0, all 1 and one pair. What an episode has not defined by
/// then it seldom will, and the rest of the runs would be most of the work at many vectors.
const POWER_UPS_KEPT: u32 = 4;

/// Power-up states that confirm a mismatch. A bit such as `state == 4'd9` before the first reset is the same
/// in 16 states more often than not; it must not be called defined when a candidate differs there.
pub const POWER_UPS_TO_CONFIRM: usize = 256;

/// Deep episodes in a row that may make no further bit toggle: all flavours of one length. A bit that a
/// constant drives would otherwise cost the longest ones in every problem that has one. While a whole
/// output has not moved there is no such limit, since it would be left unchecked.
const DEEP_IDLE_MAX: u32 = 4;

/// Loop iterations that one evaluation may take: chosen, as some milliseconds of an empty loop.
const TICKS_OF_STEP_MAX: u64 = 4_000_000;

/// Loop iterations that an episode may take beside [`TICKS_OF_STEP_MEAN`] for each of its steps.
const TICKS_OF_EPISODE: u64 = 50_000_000;

/// See [`TICKS_OF_EPISODE`].
const TICKS_OF_STEP_MEAN: u64 = 20_000;

/// CPU time of one run of an episode in seconds, on average over the modules that run it. No label depends on it: the loop limits end a run that
/// loops, and what this one ends is run again with twice the time.
const CPU_SECONDS_OF_RUN: u64 = 120;

/// What the worker is to simulate.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// Verilator's runtime.
    pub runtime: String,
    /// The unit of models.
    pub unit: String,
    /// The tasks.
    pub tasks: Vec<JobTask>,
    /// The stimulus.
    pub config: Config,
    /// Multiplies the CPU limit.
    pub patience: u64,
    /// The file that says whose code is running.
    pub marker: String,
}

/// A task whose modules are in the unit.
#[derive(Debug, Serialize, Deserialize)]
pub struct JobTask {
    /// The parent's index of the task.
    pub index: usize,
    /// The task; its modules' text is not needed and left empty.
    pub task: Task,
    /// Symbol of the golden module.
    pub golden: String,
    /// Symbols of the candidates.
    pub candidates: Vec<String>,
}

/// Runs all tasks of `job` and reports each; before each run it marks whose code is about to run.
pub fn run(job: &Job, reply: &mut Reply<Event>) -> Result<(), WorkerError> {
    let (unit, marker) = load(job)?;
    for task in &job.tasks {
        let mut runner = Runner::new(&unit, task, job, &marker)?;
        let outcome = match runner.run()? {
            Err(message) => TaskOutcome::BadGolden(message),
            Ok(()) => TaskOutcome::Candidates(runner.outcomes()),
        };
        reply.send(&Event::Task { index: task.index, outcome })?;
    }
    reply.send(&Event::End)
}

/// Runs one episode of the first candidate of the first task, in full.
pub fn trace(job: &Job, episode: u32, reply: &mut Reply<Event>) -> Result<(), WorkerError> {
    let (unit, marker) = load(job)?;
    let outcome = Runner::new(&unit, &job.tasks[0], job, &marker)?.trace(episode)?;
    reply.send(&Event::Trace(Box::new(outcome)))
}

/// The runtime is ours, so it is loaded before the process is closed; the unit holds candidates' code, and a
/// constructor in it would run while it is loaded.
fn load(job: &Job) -> Result<(Unit, Marker), WorkerError> {
    super::bridge::load_runtime(&job.runtime).map_err(WorkerError::load)?;
    let marker = Marker::open(Path::new(&job.marker))?;
    sandbox::WORKER.set()?;
    worker::allow_cpu_seconds(CPU_SECONDS_OF_RUN * job.patience)?;
    let libraries = sandbox::LIBRARY_FOLDERS.iter().map(PathBuf::from);
    sandbox::enclose_worker(libraries.chain([PathBuf::from(&job.unit)]).collect())?;
    let unit = Unit::load(&job.unit).map_err(WorkerError::load)?;
    Ok((unit, marker))
}

/// One task on its way.
struct Runner<'a> {
    task: &'a JobTask,
    stimulus: Stimulus,
    outputs: Layout,
    golden: Model,
    candidates: Vec<Model>,
    toggles: Toggles,
    counts: Vec<Vec<Count>>,
    stopped: Vec<Option<Outcome>>,
    /// The golden module's outputs in the episode of that index, from all power-up states that confirm.
    confirmed: Option<(u32, Rc<Values>)>,
    patience: u64,
    marker: &'a Marker,
}

impl<'a> Runner<'a> {
    fn new(
        unit: &Unit,
        task: &'a JobTask,
        job: &Job,
        marker: &'a Marker,
    ) -> Result<Self, WorkerError> {
        let inner = &task.task;
        let stimulus =
            Stimulus::new(&inner.interface, &inner.restrictions, inner.key.as_bytes(), &job.config)
                .map_err(WorkerError::load)?;
        let golden = unit.model(&task.golden).map_err(WorkerError::load)?;
        let candidates: Result<Vec<Model>, _> =
            task.candidates.iter().map(|symbol| unit.model(symbol)).collect();
        let candidates = candidates.map_err(WorkerError::load)?;
        let outputs = Layout::new(golden.widths().1);
        Ok(Runner {
            toggles: Toggles::new(&outputs),
            counts: vec![vec![Count::default(); outputs.widths.len()]; candidates.len()],
            stopped: vec![None; candidates.len()],
            confirmed: None,
            task,
            stimulus,
            outputs,
            golden,
            candidates,
            patience: job.patience,
            marker,
        })
    }

    /// Runs everything; an inner error is the golden module's.
    fn run(&mut self) -> Result<Result<(), String>, WorkerError> {
        for index in 0..self.stimulus.base_episodes() {
            let episode = self.stimulus.episode(index);
            let golden = match self.run_golden(&episode)? {
                Ok(golden) => golden,
                Err(message) => return Ok(Err(message)),
            };
            self.toggles.add(&golden);
            self.run_candidates(&episode, &golden)?;
        }
        if let Err(message) = self.run_deep()? {
            return Ok(Err(message));
        }
        self.run_own()?;
        Ok(Ok(()))
    }

    /// Lengthens the run while it makes bits of the golden module toggle that never did. A candidate runs
    /// only the episodes that do, and those that the stimulus requires.
    fn run_deep(&mut self) -> Result<Result<(), String>, WorkerError> {
        let mut idle = 0;
        for k in 0..self.stimulus.deep_episodes() {
            let still = self.toggles.by_output(&self.outputs).contains(&0);
            let done = self.toggles.complete() || idle >= DEEP_IDLE_MAX && !still;
            let required = self.stimulus.requires(k);
            if done && !required {
                continue;
            }
            let Some(episode) = self.stimulus.deep_episode(k) else { break };
            let golden = match self.run_golden(&episode)? {
                Ok(golden) => golden,
                Err(message) => return Ok(Err(message)),
            };
            let moved = self.toggles.add(&golden);
            idle = if moved { 0 } else { idle + 1 };
            if moved || required {
                self.run_candidates(&episode, &golden)?;
            }
        }
        Ok(Ok(()))
    }

    /// Runs each candidate's own episodes, made from its own constants.
    /// Where the golden module itself does not get through one, the candidate is judged without the rest:
    /// what one candidate's constants do to it is no business of the others.
    fn run_own(&mut self) -> Result<(), WorkerError> {
        for which in 0..self.candidates.len() {
            // These episodes have the indices of another candidate's, and other rows.
            self.confirmed = None;
            let constants = &self.task.task.candidates[which].constants;
            for episode in self.stimulus.candidate_episodes(constants) {
                let Ok(golden) = self.run_golden(&episode)? else { break };
                self.run_candidate(which, &episode, &golden)?;
            }
        }
        Ok(())
    }

    fn run_golden(&mut self, episode: &Episode) -> Result<Result<Values, String>, WorkerError> {
        self.announce(None)?;
        let run = run_defined(&self.golden, &self.outputs, episode, POWER_UPS);
        Ok(run
            .map(|golden| self.only_compared(episode, golden))
            .map_err(|stop| format!("the golden module {}", describe(stop))))
    }

    fn run_candidates(&mut self, episode: &Episode, golden: &Values) -> Result<(), WorkerError> {
        for which in 0..self.candidates.len() {
            self.run_candidate(which, episode, golden)?;
        }
        Ok(())
    }

    fn run_candidate(
        &mut self,
        which: usize,
        episode: &Episode,
        golden: &Values,
    ) -> Result<(), WorkerError> {
        if self.stopped[which].is_some() {
            return Ok(());
        }
        self.announce(Some(which))?;
        let mut outputs = vec![0; golden.value.len()];
        let start = Start { kind: 2, seed: episode.power_up };
        let run =
            self.candidates[which].run(start, &episode.rows, &mut outputs, bounds(episode, 1));
        if let Err(stop) = enough_memory(run) {
            self.stopped[which] = Some(outcome(stop));
            return Ok(());
        }
        let mut counts = self.counts[which].clone();
        if compare::add_episode(&mut counts, &self.outputs, golden, &outputs) {
            counts.clone_from(&self.counts[which]);
            let golden = &*self.confirm(episode, golden)?;
            if compare::add_episode(&mut counts, &self.outputs, golden, &outputs) {
                self.announce(Some(which))?;
                let model = &self.candidates[which];
                if let Err(stop) =
                    name_kinds(model, &mut counts, &self.outputs, episode, golden, &outputs)
                {
                    self.stopped[which] = Some(outcome(stop));
                }
            }
        }
        self.counts[which] = counts;
        Ok(())
    }

    /// Runs the golden module from enough power-up states to be sure of its defined bits.
    fn confirm(&mut self, episode: &Episode, golden: &Values) -> Result<Rc<Values>, WorkerError> {
        if let Some((_, confirmed)) = self.confirmed.as_ref().filter(|(at, _)| *at == episode.index)
        {
            return Ok(confirmed.clone());
        }
        self.announce(None)?;
        let run = run_defined(&self.golden, &self.outputs, episode, POWER_UPS_TO_CONFIRM);
        // The same module has run this episode to its end; should it not now, the first run stands.
        let confirmed = run.map_or_else(|_| golden.clone(), |run| self.only_compared(episode, run));
        let confirmed = Rc::new(confirmed);
        self.confirmed = Some((episode.index, confirmed.clone()));
        Ok(confirmed)
    }

    /// Where the profile compares nothing, nothing counts as defined, and neither before the golden module
    /// was reset for the first time.
    fn only_compared(&self, episode: &Episode, mut golden: Values) -> Values {
        let settled = self.stimulus.settled_from(episode);
        let rows = golden.defined.chunks_mut(self.outputs.words).zip(&episode.steps);
        for (number, (row, &at)) in rows.enumerate() {
            if number < settled || !self.stimulus.compares(at) {
                row.fill(0);
            }
        }
        golden
    }

    fn trace(&mut self, index: u32) -> Result<Result<Trace, Outcome>, WorkerError> {
        let constants = &self.task.task.candidates[0].constants;
        let Some(episode) = self.stimulus.find(index, constants) else {
            return Err(WorkerError::load(format!("the stimulus has no episode {index}")));
        };
        let golden = match self.run_golden(&episode)? {
            Ok(golden) => (*self.confirm(&episode, &golden)?).clone(),
            Err(message) => return Ok(Err(Outcome::Crash(message))),
        };
        self.announce(Some(0))?;
        let start = Start { kind: 2, seed: episode.power_up };
        let mut value = vec![0; golden.value.len()];
        let model = &self.candidates[0];
        let run = enough_memory(model.run(start, &episode.rows, &mut value, bounds(&episode, 1)))
            .and_then(|()| run_defined(model, &self.outputs, &episode, POWER_UPS_TO_CONFIRM));
        Ok(run.map_err(outcome).map(|own| Trace {
            inputs: self.stimulus.inputs().clone(),
            outputs: self.outputs.clone(),
            candidate: Values { value, defined: own.defined },
            golden,
            steps: episode.steps,
            input_rows: episode.rows,
        }))
    }

    /// Says whose code runs next. A golden module's turn begins an episode, and gives it time.
    fn announce(&mut self, candidate: Option<usize>) -> Result<(), WorkerError> {
        if candidate.is_none() {
            let seconds = CPU_SECONDS_OF_RUN * (1 + self.candidates.len() as u64);
            worker::allow_cpu_seconds(seconds * self.patience)?;
        }
        self.marker.write(self.task.index, candidate)
    }

    fn outcomes(&mut self) -> Vec<Outcome> {
        let toggles = self.toggles.by_output(&self.outputs);
        let exhaustive = self.stimulus.exhaustive();
        let counts = std::mem::take(&mut self.counts).into_iter();
        let outcome = |(mut counts, stopped): (Vec<Count>, Option<Outcome>)| {
            for (count, &toggles) in counts.iter_mut().zip(&toggles) {
                count.toggles = toggles;
                count.exhaustive = exhaustive;
            }
            stopped.unwrap_or(Outcome::Counted(counts))
        };
        counts.zip(std::mem::take(&mut self.stopped)).map(outcome).collect()
    }
}

/// Names what differs in an episode.
///
/// A candidate's bit such as `q == 4'd15` without a reset is 0 in 16 states more often than not; so what they
/// call a wrong value is looked at once more, from all states that confirm.
fn name_kinds(
    model: &Model,
    counts: &mut [Count],
    outputs: &Layout,
    episode: &Episode,
    golden: &Values,
    compared: &[u64],
) -> Result<(), Stop> {
    let before = counts.to_vec();
    for states in [POWER_UPS, POWER_UPS_TO_CONFIRM] {
        let own = run_defined(model, outputs, episode, states)?;
        counts.clone_from_slice(&before);
        compare::add_kinds(counts, outputs, episode, golden, compared, &own);
        let is_new = |(old, new): (&Count, &Count)| {
            new.kind == Some(MismatchKind::Value) && old.kind != new.kind
        };
        if !before.iter().zip(counts.iter()).any(is_new) {
            break;
        }
    }
    Ok(())
}

/// Runs an episode from so many power-up states.
fn run_defined(
    model: &Model,
    outputs: &Layout,
    episode: &Episode,
    states: usize,
) -> Result<Values, Stop> {
    let size = episode.steps.len() * outputs.words;
    let mut values = Values { value: vec![0; size], defined: vec![0; size] };
    let starts = power_ups(episode.power_up, states);
    let mut bounds = bounds(episode, starts.len() as u64);
    if states == POWER_UPS {
        bounds.starts_kept = POWER_UPS_KEPT;
    }
    let run =
        model.run_defined(&starts, &episode.rows, &mut values.value, &mut values.defined, bounds);
    enough_memory(run)?;
    Ok(values)
}

/// What is left of the memory depends on what ran before, so running out of it says nothing yet: it ends the
/// process, and whose code was running is tried alone.
fn enough_memory(run: Result<(), Stop>) -> Result<(), Stop> {
    if run == Err(Stop::Memory) {
        worker::end_for_memory();
    }
    run
}

/// So many power-up states: a random pair, all 0, all 1, then more random pairs.
fn power_ups(seed: u64, states: usize) -> Vec<Start> {
    let pair = |i: u64| {
        let seed = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        [Start { kind: 2, seed }, Start { kind: 3, seed }]
    };
    let constant = [Start { kind: 0, seed: 0 }, Start { kind: 1, seed: 0 }];
    let more = (2..states as u64 / 2).flat_map(pair);
    pair(1).into_iter().chain(constant).chain(more).collect()
}

fn bounds(episode: &Episode, runs: u64) -> Bounds {
    let steps = episode.steps.len() as u64 + 2;
    let ticks_of_run = runs * (TICKS_OF_EPISODE + steps * TICKS_OF_STEP_MEAN);
    Bounds { ticks_of_step: TICKS_OF_STEP_MAX, ticks_of_run, starts_kept: 0 }
}

fn outcome(stop: Stop) -> Outcome {
    let message = describe(stop).to_string();
    match stop {
        Stop::Loop | Stop::NotSettled => Outcome::Timeout(message),
        Stop::Finished | Stop::Fatal => Outcome::Unsupported(message),
        Stop::Memory => Outcome::Crash(message),
    }
}

fn describe(stop: Stop) -> &'static str {
    match stop {
        Stop::Loop => "takes more loop iterations than allowed (an endless loop?)",
        Stop::NotSettled => "has a combinational loop that does not settle",
        Stop::Finished => "stops the simulation",
        Stop::Fatal => "makes verilator's runtime fail",
        Stop::Memory => "needs more memory than allowed",
    }
}
