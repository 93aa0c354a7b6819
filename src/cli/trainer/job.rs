//! From rows and a model to a run, or to a look at what it would be.

use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use super::fit::Fit;
use super::session::Session;
use super::{dry_run, progress};
use crate::cli::start;
use crate::model::lora::Lora;
use crate::record::Meta;
use crate::train::engine::Engine;
use crate::train::folder::{Folder, Saved, State, restore};
use crate::train::optim::AdamW;
use crate::train::run::{End, Objective, Run};

/// A run's rows, and how it is called.
pub struct Job<'a> {
    /// `train sft` or `train dpo`.
    pub stage: &'a str,
    /// The learning rate if none is asked for.
    pub rate: f64,
    /// What is learnt.
    pub objective: &'a dyn Objective,
    /// What is evaluated.
    pub evaluation: Option<&'a dyn Objective>,
    /// Settings of its own.
    pub configuration: Value,
    /// Rows for a person to look at.
    pub examples: Vec<dry_run::Example<'a>>,
}

impl Job<'_> {
    /// Trains, or shows what would be trained.
    pub fn run(
        &self,
        session: &Session,
        fit: &Fit,
        engine: &Engine,
        lora: Option<Lora>,
    ) -> anyhow::Result<()> {
        let settings = fit.settings(self.objective.rows(), self.rate)?;
        if fit.dry_run {
            return match session.group.rank() {
                0 => dry_run::show(self, engine, &settings, &session.tokenizer),
                _ => Ok(()),
            };
        }
        let configuration = fit.configuration(&self.configuration, &settings, session);
        let meta = session.meta(fit, self.stage, configuration)?;
        let inputs: Vec<&String> = meta.inputs.values().collect();
        session.group.check_same(
            "settings, rows or models (give all the same command and files)",
            (&meta.configuration_hash, meta.seed, inputs),
        )?;
        let parameters = engine.parameters().iter();
        let parameters = parameters.map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        let mut optimizer = AdamW::new(parameters.collect(), fit.adamw());
        let mut folder = match session.group.rank() {
            0 => Some(open(fit, &meta, lora)?),
            _ => None,
        };
        session.group.barrier()?;
        let state = match fit.resume {
            true => restore(&fit.output, engine, &mut optimizer)?,
            false => State::default(),
        };
        session.group.check_same(
            "last checkpoints (is the run's folder the same on all machines?)",
            state.step,
        )?;
        if state.step > 0 {
            session.say(format!("going on after step {}", state.step));
        }
        let stop = start::stop_flag()?;
        let mut bar = progress::Bar::new(&settings, state.step, session.group.rank() == 0);
        let end = Run {
            engine,
            optimizer: &mut optimizer,
            objective: self.objective,
            evaluation: self.evaluation,
            settings: &settings,
            group: &session.group,
            folder: folder.as_mut(),
            watch: &mut |seen| bar.tell(seen),
            stop: &stop,
        }
        .run(state)?;
        bar.finish();
        session.say(said(end, settings.steps, &fit.output));
        Ok(())
    }
}

fn open(fit: &Fit, meta: &Meta, lora: Option<Lora>) -> anyhow::Result<Folder> {
    let saved = Saved { lora, model: fit.model.clone() };
    std::fs::create_dir_all(&fit.output)
        .with_context(|| format!("failed to make {}", fit.output.display()))?;
    Ok(Folder::create(&fit.output, meta, saved, (fit.resume, !fit.no_tensorboard))?)
}

fn said(end: End, steps: u64, output: &Path) -> String {
    match end {
        End::Done => format!("done: {steps} steps, in {}", output.display()),
        End::Stopped(step) => {
            format!("stopped after step {step} of {steps}; --resume goes on from there")
        }
    }
}
