//! `salv train dpo`.

use std::path::PathBuf;

use anyhow::ensure;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::dry_run::Example;
use super::fit::Fit;
use super::job::Job;
use super::progress;
use super::session::{self, Session};
use crate::train::batch::{Pairing, Settings};
use crate::train::data::{self, Loaded, Mode};
use crate::train::dpo::Dpo;
use crate::train::engine::{Engine, Trained};
use crate::train::loss::{self, Form};
use crate::train::reference;
use crate::train::run::Objective;

/// Learn preferences: signal-masked DPO on `pairs.jsonl`
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    fit: Fit,
    /// Which tokens of a pair are learnt from
    #[arg(long, value_enum, default_value_t = ModeName::Signal)]
    mode: ModeName,
    /// Count the token that ends the answer, in modes that leave it out
    #[arg(long)]
    end_in_mask: bool,
    /// How strongly the reference holds the policy
    #[arg(long, default_value_t = 0.1)]
    beta: f64,
    /// Form of the loss
    #[arg(long, value_enum, default_value_t = LossName::Sigmoid)]
    loss: LossName,
    /// Probability that a label is wrong, for --loss sigmoid
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    smoothing: f64,
    /// Weight of the negative log-likelihood of the chosen tokens, beside the loss
    #[arg(long, default_value_t = 0.0, value_name = "WEIGHT")]
    sft_weight: f64,
    /// Another model as the reference; by default it is the model without its adapter
    #[arg(long, value_name = "FOLDER")]
    reference: Option<PathBuf>,
    /// Compute what the reference says once and keep it in the run's folder, not in each step; always so with --full
    /// and --reference
    #[arg(long)]
    cache_reference: bool,
    /// Control: exchange chosen and rejected in half of the pairs that are learnt from
    #[arg(long)]
    shuffle_labels: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModeName {
    /// The code of the contrasted signals
    Signal,
    /// Whole modules, and the end of the answer
    Module,
    /// Whole completions of pairs with contrasted signals, and the end of the answer
    Unfiltered,
    /// All but the code of the contrasted signals
    Inverted,
    /// Control: as many tokens as the code of the contrasted signals has, anywhere
    Random,
}

#[derive(Clone, Copy, ValueEnum)]
enum LossName {
    Sigmoid,
    Ipo,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { fit, .. } = arguments;
    let loss = arguments.loss()?;
    let mode = arguments.mode();
    let (mask, end_counts) = mode.mask(fit.seed);
    let end_counts = end_counts || arguments.end_in_mask;
    let session = Session::open(fit)?;
    let settings = Settings { mask, end_counts, cutoff: session.cutoff };
    let asker = session.asker(fit);
    let (mut rows, evaluation) =
        session.rows(fit, |path| data::pairs(path, &asker, (mode, settings), session.threads))?;
    if arguments.shuffle_labels {
        rows.shuffle_labels(fit.seed);
    }
    let dpo = |loaded: Loaded<Pairing>| Dpo {
        pairs: loaded.rows,
        lines: loaded.lines,
        loss,
        reference: None,
    };
    let (mut dpo, mut evaluation) = (dpo(rows), evaluation.map(dpo));
    let (engine, lora) = session.engine(fit)?;
    let is_cached = arguments.cache_reference
        || arguments.reference.is_some()
        || engine.trained() == Trained::Weights;
    if is_cached && !fit.dry_run {
        arguments.refer(&session, &engine, &mut dpo, evaluation.as_mut())?;
    }
    let examples = dpo.pairs.iter().flat_map(|pair| {
        [("chosen", &pair.chosen), ("rejected", &pair.rejected)]
            .map(|(title, sequence)| Example { title, sequence })
    });
    let job = Job {
        stage: "train dpo",
        rate: 5e-6,
        objective: &dpo,
        evaluation: evaluation.as_ref().map(|evaluation| evaluation as &dyn Objective),
        configuration: arguments.configuration()?,
        examples: examples.take(2).collect(),
    };
    job.run(&session, fit, &engine, lora)
}

impl Arguments {
    fn mode(&self) -> Mode {
        match self.mode {
            ModeName::Signal => Mode::Signal,
            ModeName::Module => Mode::Module,
            ModeName::Unfiltered => Mode::Unfiltered,
            ModeName::Inverted => Mode::Inverted,
            ModeName::Random => Mode::Random,
        }
    }

    fn loss(&self) -> anyhow::Result<loss::Dpo> {
        ensure!(self.beta > 0.0 && self.beta.is_finite(), "--beta must be a number above 0");
        ensure!(
            (0.0..0.5).contains(&self.smoothing),
            "--smoothing must be 0 or more and below 0.5"
        );
        let form = match self.loss {
            LossName::Sigmoid => Form::Sigmoid { smoothing: self.smoothing },
            LossName::Ipo => Form::Ipo,
        };
        ensure!(
            self.smoothing == 0.0 || form != Form::Ipo,
            "--smoothing belongs to --loss sigmoid"
        );
        let is_weight = self.sft_weight.is_finite() && self.sft_weight >= 0.0;
        ensure!(is_weight, "--sft-weight must be 0 or more");
        Ok(loss::Dpo { beta: self.beta, form, sft: self.sft_weight })
    }

    fn configuration(&self) -> anyhow::Result<serde_json::Value> {
        let loss = match self.loss {
            LossName::Sigmoid => "sigmoid",
            LossName::Ipo => "ipo",
        };
        let reference = self.reference.as_deref().map(session::folder_hash).transpose()?;
        Ok(json!({
            "mode": format!("{:?}", self.mode()).to_lowercase(), "end_in_mask": self.end_in_mask,
            "beta": self.beta, "loss": loss, "smoothing": self.smoothing, "sft_weight": self.sft_weight,
            "reference": reference, "cache_reference": self.cache_reference,
            "shuffle_labels": self.shuffle_labels,
        }))
    }

    /// Computes what the reference says of all pairs, before the first step.
    fn refer(
        &self,
        session: &Session,
        engine: &Engine,
        dpo: &mut Dpo,
        evaluation: Option<&mut Dpo>,
    ) -> anyhow::Result<()> {
        let fit = &self.fit;
        let other = self.reference.as_ref().map(|folder| session.reference(folder));
        let other = other.transpose()?;
        let engine = other.as_ref().unwrap_or(engine);
        std::fs::create_dir_all(&fit.output)?;
        let sets = [(dpo, "reference.jsonl")].into_iter();
        for (dpo, name) in sets.chain(evaluation.map(|dpo| (dpo, "reference-eval.jsonl"))) {
            let (mode, cutoff, kind) = (self.configuration()?, session.cutoff, session.options.0);
            let configuration = json!({
                "objective": mode, "cutoff": cutoff, "precision": format!("{kind:?}"),
                "eval_share": fit.eval_share, "tokens_at_once": fit.tokens_at_once,
            });
            let meta = session.meta(fit, "reference", configuration)?;
            let path = fit.output.join(name);
            let bar = progress::counted(dpo.rows(), "reference", session.group.rank() == 0);
            let known = reference::reference(
                (&path, &meta),
                engine,
                dpo,
                fit.tokens_at_once,
                &session.group,
                &mut |done| bar.set_position(done as u64),
            )?;
            bar.finish_and_clear();
            dpo.reference = Some(known);
        }
        Ok(())
    }
}
