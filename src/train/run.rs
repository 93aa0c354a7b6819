//! The loop of every training: rows in, steps, evaluations and checkpoints out.
//!
//! What a step does is an [`Objective`]'s affair; which rows it takes, how gradients are summed over pieces and ranks,
//! clipped and applied, and what is written, is the same for all. A step depends on its number, the seed and the
//! tensors alone, so a run that goes on from a checkpoint gives the bytes of one that was never stopped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::Error;
use super::engine::{Engine, Gradients};
use super::folder::{Folder, State};
use super::optim::{self, AdamW};
use super::order::{Draw, Order, pieces};
use super::parallel::Group;
use super::schedule::Schedule;

/// What is learnt from rows.
pub trait Objective {
    /// How many rows there are.
    fn rows(&self) -> usize;

    /// The line in which a row stands in its file, from 1.
    fn line(&self, row: usize) -> usize;

    /// Tokens of a row, all its sequences together.
    fn tokens(&self, row: usize) -> usize;

    /// How many numbers the sums have.
    fn width(&self) -> usize;

    /// What the gradient of these rows is divided by.
    fn divisor(&self, rows: &[usize]) -> f64;

    /// Adds the gradient of some rows of a step, and returns sums over them.
    fn learn(
        &self,
        engine: &Engine,
        rows: &[usize],
        step: Step,
        gradients: &mut Gradients,
    ) -> Vec<f64>;

    /// The same sums without learning.
    fn measure(&self, engine: &Engine, rows: &[usize]) -> Vec<f64>;

    /// What sums over rows say, by the names under which it is written; `loss` is the first.
    fn report(&self, sums: &[f64]) -> Vec<(&'static str, f64)>;
}

/// The step that rows belong to.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What the gradient is divided by: that of all rows of the step, on all ranks.
    pub divisor: f64,
    /// Decides what dropout drops.
    pub seed: i64,
}

/// How long, how much at once, and how often something is written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Steps of the optimizer.
    pub steps: u64,
    /// Rows of a step, on all ranks together.
    pub batch: usize,
    /// Most tokens that go through the model at once; a row that has more goes alone.
    pub tokens_at_once: usize,
    /// Largest norm of a gradient; longer ones are scaled down to it.
    pub clip: Option<f64>,
    /// The learning rate.
    pub schedule: Schedule,
    /// Decides the order of rows, unless they are taken as they are, and dropout.
    pub seed: u64,
    /// Whether each epoch has an order of its own.
    pub shuffle: bool,
    /// Steps from one evaluation to the next; there is one before the first step and one after the last.
    pub eval_every: Option<u64>,
    /// Steps from one checkpoint to the next; there is one after the last step.
    pub save_every: u64,
}

/// What has just been done.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// Steps done.
    pub step: u64,
    /// Whether this is an evaluation.
    pub is_evaluation: bool,
    /// What is written of it.
    pub values: &'a [(String, f64)],
    /// Tokens of the step, on all ranks.
    pub tokens: f64,
    /// How long it took.
    pub seconds: f64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All steps are done.
    Done,
    /// It was asked to stop; a checkpoint of this step is there.
    Stopped(u64),
}

/// A run under way.
pub struct Run<'a> {
    /// The model.
    pub engine: &'a Engine,
    /// The optimizer of its parameters.
    pub optimizer: &'a mut AdamW,
    /// What is learnt.
    pub objective: &'a dyn Objective,
    /// What is evaluated.
    pub evaluation: Option<&'a dyn Objective>,
    /// The settings.
    pub settings: &'a Settings,
    /// The ranks.
    pub group: &'a Group,
    /// Where it is written; none on ranks that write nothing.
    pub folder: Option<&'a mut Folder>,
    /// Told of each step and evaluation.
    pub watch: &'a mut dyn FnMut(&Seen),
    /// Set from outside to stop after the step.
    pub stop: &'a AtomicBool,
}

impl Run<'_> {
    /// Trains from the state of a checkpoint, or from the default one, to the end.
    pub fn run(mut self, mut state: State) -> Result<End, Error> {
        let Settings { steps, save_every, .. } = *self.settings;
        let order = self.settings.shuffle.then_some(self.settings.seed);
        let mut order = Order::new(self.objective.rows(), order);
        let mut gradients = Gradients::zeros(self.engine);
        if state.step == 0 && steps > 0 {
            self.evaluate(&mut state)?;
        }
        while state.step < steps {
            let rows = order.step(state.step, self.settings.batch);
            let is_stopped = self.step(&rows, &mut state, &mut gradients)?;
            let is_last = state.step == steps;
            if is_last
                || self.settings.eval_every.is_some_and(|every| state.step.is_multiple_of(every))
            {
                self.evaluate(&mut state)?;
            }
            if is_last || is_stopped || state.step.is_multiple_of(save_every) {
                self.save(&state)?;
            }
            if is_stopped && !is_last {
                return Ok(End::Stopped(state.step));
            }
        }
        if let Some(folder) = &mut self.folder {
            folder.save_last(self.engine)?;
        }
        Ok(End::Done)
    }

    /// One step of the optimizer; tells whether the run is to stop.
    fn step(
        &mut self,
        rows: &[usize],
        state: &mut State,
        gradients: &mut Gradients,
    ) -> Result<bool, Error> {
        let started = Instant::now();
        let divisor = self.objective.divisor(rows);
        let own: Vec<usize> =
            rows.iter().copied().skip(self.group.rank()).step_by(self.group.size()).collect();
        let tokens: Vec<usize> = own.iter().map(|row| self.objective.tokens(*row)).collect();
        let mut sums = vec![0.0; self.objective.width() + 1];
        gradients.clear();
        for (piece, range) in pieces(&tokens, self.settings.tokens_at_once).into_iter().enumerate()
        {
            let step = Step { divisor, seed: self.dropout_seed(state.step, piece) };
            add(&mut sums, &self.objective.learn(self.engine, &own[range], step, gradients));
        }
        // Where one rank is stopped, all stop after the same step.
        sums[self.objective.width()] = f64::from(self.stop.load(Ordering::Relaxed));
        self.group.sum_numbers(&mut sums)?;
        self.group.sum(gradients.tensors())?;
        let mut values = named(&self.objective.report(&sums), "");
        let norm = optim::clip(gradients.tensors_mut(), self.settings.clip);
        let rate = self.settings.schedule.rate(state.step);
        self.check_finite(values[0].1, norm, state.step + 1, rows)?;
        self.optimizer.step(gradients.tensors(), rate)?;
        state.step += 1;
        let tokens =
            values.iter().find(|(name, _)| name == "tokens").map_or(0.0, |(_, tokens)| *tokens);
        state.tokens += tokens as u64;
        values.extend([
            ("grad_norm".to_owned(), norm),
            ("learning_rate".to_owned(), rate),
            ("num_tokens".to_owned(), state.tokens as f64),
            ("epoch".to_owned(), self.epoch(state.step)),
        ]);
        let seconds = started.elapsed().as_secs_f64();
        self.tell(&Seen {
            step: state.step,
            is_evaluation: false,
            values: &values,
            tokens,
            seconds,
        })?;
        Ok(sums[self.objective.width()] > 0.0)
    }

    /// Measures the evaluation rows, and keeps the model if it is the best so far.
    fn evaluate(&mut self, state: &mut State) -> Result<(), Error> {
        let Some(objective) = self.evaluation else { return Ok(()) };
        let started = Instant::now();
        let own: Vec<usize> =
            (self.group.rank()..objective.rows()).step_by(self.group.size()).collect();
        let tokens: Vec<usize> = own.iter().map(|row| objective.tokens(*row)).collect();
        let mut sums = vec![0.0; objective.width()];
        for range in pieces(&tokens, self.settings.tokens_at_once) {
            add(&mut sums, &objective.measure(self.engine, &own[range]));
        }
        self.group.sum_numbers(&mut sums)?;
        let mut values = named(&objective.report(&sums), "eval_");
        values.retain(|(name, _)| name != "eval_tokens");
        let tokens = tokens.iter().sum::<usize>() as f64;
        let seconds = started.elapsed().as_secs_f64();
        self.tell(&Seen {
            step: state.step,
            is_evaluation: true,
            values: &values,
            tokens,
            seconds,
        })?;
        let loss = values[0].1;
        if !loss.is_finite() {
            let (what, step) = ("loss of the evaluation", state.step);
            return Err(Error::NotFinite { what, value: loss, step, lines: Vec::new() });
        }
        if state.step > 0 && state.best.is_none_or(|(_, best)| loss < best) {
            state.best = Some((state.step, loss));
            if let Some(folder) = &mut self.folder {
                folder.save_best(self.engine)?;
            }
        }
        Ok(())
    }

    fn save(&mut self, state: &State) -> Result<(), Error> {
        if let Some(folder) = &mut self.folder {
            folder.save(self.engine, self.optimizer, state, self.settings.save_every)?;
        }
        self.group.barrier()
    }

    fn tell(&mut self, seen: &Seen) -> Result<(), Error> {
        if let Some(folder) = &mut self.folder {
            folder.record(seen)?;
        }
        (self.watch)(seen);
        Ok(())
    }

    /// A loss or a gradient that is no number ends the run before it reaches the model.
    fn check_finite(&self, loss: f64, norm: f64, step: u64, rows: &[usize]) -> Result<(), Error> {
        let (what, value) = match (loss.is_finite(), norm.is_finite()) {
            (true, true) => return Ok(()),
            (true, false) => ("norm of the gradient", norm),
            _ => ("loss", loss),
        };
        let lines = rows.iter().map(|row| self.objective.line(*row)).collect();
        Err(Error::NotFinite { what, value, step, lines })
    }

    fn epoch(&self, step: u64) -> f64 {
        (step * self.settings.batch as u64) as f64 / self.objective.rows() as f64
    }

    fn dropout_seed(&self, step: u64, piece: usize) -> i64 {
        let numbers = [self.settings.seed, step, self.group.rank() as u64, piece as u64];
        let bytes = numbers.map(u64::to_le_bytes);
        Draw::new(&bytes.each_ref().map(|bytes| bytes.as_slice())).bits() as i64
    }
}

fn add(sums: &mut [f64], more: &[f64]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

fn named(values: &[(&'static str, f64)], prefix: &str) -> Vec<(String, f64)> {
    values.iter().map(|(name, value)| (format!("{prefix}{name}"), *value)).collect()
}
