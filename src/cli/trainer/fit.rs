//! What `salv train sft` and `salv train dpo` both take.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tch::{Device, Kind};

use super::session::Session;
use crate::model::Qwen2;
use crate::model::lora::Lora;
use crate::train::optim;
use crate::train::run::Settings;
use crate::train::schedule::{Decay, Schedule};

/// The most rows of a step, and the most steps: far above any use, and below what a counter holds.
const ROWS_MAX: usize = 1 << 20;
const STEPS_MAX: u64 = 1 << 40;

/// What all trainings take.
#[derive(Args)]
pub struct Fit {
    /// The model's folder, as published: config.json, tokenizer.json, *.safetensors
    pub model: PathBuf,
    /// The rows to learn from
    pub rows: PathBuf,
    /// The folder of the run: metrics.jsonl, checkpoints, and the trained adapter or model in `last` and `best`
    #[arg(short, long, value_name = "FOLDER")]
    pub output: PathBuf,
    #[command(flatten)]
    pub what: What,
    #[command(flatten)]
    steps: Steps,
    /// Most tokens of a sequence, by default 2,048 or as many as the model has positions; longer answers lose their
    /// end, which is reported
    #[arg(long, value_name = "TOKENS")]
    pub cutoff: Option<usize>,
    /// Most tokens that go through the model at once (a pair that has more goes alone); it decides memory and speed,
    /// and of the results the rounding and what dropout draws
    #[arg(long, default_value_t = 8192, value_name = "TOKENS")]
    pub tokens_at_once: usize,
    /// System prompt where a row has none; by default what the chat template does by itself
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Rows to evaluate on
    #[arg(long, value_name = "FILE", conflicts_with = "eval_share")]
    pub eval: Option<PathBuf>,
    /// Share of the problems (of the rows, in `sft`) to hold out and evaluate on
    #[arg(long, value_name = "SHARE")]
    pub eval_share: Option<f64>,
    /// Steps between evaluations; there is one before the first step and one after the last
    #[arg(long, value_name = "STEPS")]
    eval_every: Option<u64>,
    /// Steps between checkpoints
    #[arg(long, default_value_t = 500, value_name = "STEPS")]
    save_every: u64,
    /// Precision of the model; by default bf16 on CUDA and fp32 on a CPU
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    /// `cpu`, or `cuda:N`; by default the first card, if there is one
    #[arg(long)]
    pub device: Option<String>,
    /// Keep only the inputs of layers and run these again for the gradients, for less memory and a third more time; by
    /// default for models of 300 million parameters and more
    #[arg(long)]
    pub recompute: Option<bool>,
    /// Decides order, dropout, fresh adapters and what is held out
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads of a CPU; by default one for each core, shared by the ranks of a machine
    #[arg(long)]
    pub threads: Option<usize>,
    /// Go on with the run that the folder holds, from its last checkpoint, with the same settings
    #[arg(long)]
    pub resume: bool,
    /// Write no files for TensorBoard, which hold times: what is left is the same bytes each time, but `timings.jsonl`
    #[arg(long)]
    pub no_tensorboard: bool,
    /// Only show the first rows with their masks, counts, and estimates of memory and time
    #[arg(long)]
    pub dry_run: bool,
}

/// What is trained.
#[derive(Args)]
pub struct What {
    /// Train all weights, not an adapter
    #[arg(long, conflicts_with_all = ["lora_rank", "lora_alpha", "lora_dropout", "lora_targets", "rslora", "adapter"])]
    pub full: bool,
    /// Rank of the adapter
    #[arg(long, default_value_t = 8)]
    lora_rank: i64,
    /// The product of an adapter's matrices is multiplied by alpha / rank
    #[arg(long, default_value_t = 16.0)]
    lora_alpha: f64,
    /// Share of an adapter's inputs that is dropped
    #[arg(long, default_value_t = 0.0)]
    lora_dropout: f64,
    /// The linear layers with an adapter: `all` but the head, or names such as q_proj,v_proj
    #[arg(long, default_value = "all", value_delimiter = ',')]
    lora_targets: Vec<String>,
    /// Multiply by alpha / sqrt(rank)
    #[arg(long)]
    rslora: bool,
    /// Go on from this adapter, in PEFT's format; its own settings count. The reference of `dpo` is the model without
    /// it: to have it in the reference, merge it first
    #[arg(long, value_name = "FOLDER")]
    pub adapter: Option<PathBuf>,
}

/// How long and how fast.
#[derive(Args)]
struct Steps {
    /// Highest learning rate; by default 1e-5 in `sft` and 5e-6 in `dpo`
    #[arg(long)]
    rate: Option<f64>,
    /// How the rate falls after the warm-up
    #[arg(long, value_enum, default_value_t = DecayName::Cosine)]
    schedule: DecayName,
    /// Share of the steps in which the rate rises, rounded up; the first of them has a rate of 0
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    warmup: f64,
    /// Steps of the optimizer
    #[arg(long, conflicts_with = "epochs")]
    steps: Option<u64>,
    /// How often every row is seen, where --steps does not say how long to train
    #[arg(long, default_value_t = 1.0)]
    epochs: f64,
    /// Rows (in `dpo` pairs) of a step, on all ranks together
    #[arg(long, default_value_t = 8, value_name = "ROWS")]
    batch: usize,
    /// Largest norm of a gradient; 0 for none
    #[arg(long, default_value_t = 1.0, value_name = "NORM")]
    clip: f64,
    /// Decoupled weight decay
    #[arg(long, default_value_t = 0.0)]
    weight_decay: f64,
    /// AdamW's first beta
    #[arg(long, default_value_t = 0.9)]
    beta1: f64,
    /// AdamW's second beta
    #[arg(long, default_value_t = 0.999)]
    beta2: f64,
    /// AdamW's epsilon
    #[arg(long, default_value_t = 1e-8)]
    eps: f64,
    /// Take rows in the order of the file, in every epoch
    #[arg(long)]
    in_order: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum DecayName {
    Cosine,
    Linear,
    Constant,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Precision {
    Bf16,
    Fp32,
}

impl Steps {
    fn check(&self) -> anyhow::Result<()> {
        let Steps {
            rate, warmup, steps, epochs, batch, clip, weight_decay, beta1, beta2, eps, ..
        } = *self;
        ensure!((1..=ROWS_MAX).contains(&batch), "--batch must be from 1 to {ROWS_MAX}");
        let is_count = |steps: u64| (1..=STEPS_MAX).contains(&steps);
        ensure!(steps.is_none_or(is_count), "--steps must be from 1 to {STEPS_MAX}");
        ensure!(epochs.is_finite() && epochs > 0.0, "--epochs must be above 0");
        let is_rate = |rate: f64| rate.is_finite() && rate >= 0.0;
        ensure!(rate.is_none_or(is_rate), "--rate must be a number that is not negative");
        ensure!((0.0..=1.0).contains(&warmup), "--warmup must be a share, from 0 to 1");
        ensure!(clip >= 0.0, "--clip must be 0 or more");
        ensure!(is_rate(weight_decay), "--weight-decay must be 0 or more");
        let is_beta = |beta: f64| (0.0..1.0).contains(&beta);
        ensure!(is_beta(beta1) && is_beta(beta2), "--beta1 and --beta2 must be 0 or more, below 1");
        ensure!(eps.is_finite() && eps > 0.0, "--eps must be above 0");
        Ok(())
    }
}

impl What {
    fn check(&self) -> anyhow::Result<()> {
        let What { lora_rank, lora_alpha, lora_dropout, .. } = *self;
        ensure!(lora_rank > 0, "--lora-rank must be 1 or more");
        ensure!(lora_alpha.is_finite() && lora_alpha > 0.0, "--lora-alpha must be above 0");
        ensure!((0.0..1.0).contains(&lora_dropout), "--lora-dropout must be 0 or more and below 1");
        Ok(())
    }
}

impl Fit {
    /// The precision in which a device is to compute.
    pub fn kind(&self, device: Device) -> Kind {
        match (self.precision, device) {
            (Some(Precision::Bf16), _) | (None, Device::Cuda(_)) => Kind::BFloat16,
            _ => Kind::Float,
        }
    }

    /// Refuses numbers that no run can have, before anything is read.
    pub fn check(&self) -> anyhow::Result<()> {
        let is_share = |share: f64| 0.0 < share && share < 1.0;
        ensure!(self.save_every > 0, "--save-every must be 1 or more");
        ensure!(self.eval_every != Some(0), "--eval-every must be 1 or more");
        ensure!(self.tokens_at_once > 0, "--tokens-at-once must be 1 or more");
        ensure!(self.eval_share.is_none_or(is_share), "--eval-share must be between 0 and 1");
        self.steps.check()?;
        self.what.check()
    }

    /// The settings of the loop, for an objective whose usual rate is `rate`.
    pub fn settings(&self, rows: usize, rate: f64) -> anyhow::Result<Settings> {
        let steps = &self.steps;
        let rows = rows as f64 * steps.epochs;
        let count = steps.steps.unwrap_or_else(|| (rows / steps.batch as f64).ceil() as u64);
        ensure!(count <= STEPS_MAX, "--epochs {} are {count} steps, too many", steps.epochs);
        let decay = match steps.schedule {
            DecayName::Cosine => Decay::Cosine,
            DecayName::Linear => Decay::Linear,
            DecayName::Constant => Decay::Constant,
        };
        let rate = steps.rate.unwrap_or(rate);
        Ok(Settings {
            steps: count,
            batch: steps.batch,
            tokens_at_once: self.tokens_at_once,
            clip: (steps.clip > 0.0).then_some(steps.clip),
            schedule: Schedule::new(rate, steps.warmup, count, decay),
            seed: self.seed,
            shuffle: !steps.in_order,
            eval_every: self.eval_every,
            save_every: self.save_every,
        })
    }

    /// All that decides the numbers of a run.
    pub fn configuration(
        &self,
        objective: &Value,
        settings: &Settings,
        session: &Session,
    ) -> Value {
        let What { full, lora_rank, lora_alpha, lora_dropout, lora_targets, rslora, adapter } =
            &self.what;
        let Steps { weight_decay, beta1, beta2, eps, .. } = self.steps;
        let lora = json!({
            "rank": lora_rank, "alpha": lora_alpha, "dropout": lora_dropout, "targets": lora_targets,
            "rslora": rslora, "adapter": adapter,
        });
        let device = if session.options.1.is_cuda() { "cuda" } else { "cpu" };
        json!({
            "objective": objective,
            "lora": if *full { Value::Null } else { lora },
            "steps": settings.steps, "batch": settings.batch, "tokens_at_once": settings.tokens_at_once,
            "clip": settings.clip, "rate": settings.schedule.peak, "warmup": settings.schedule.warmup,
            "schedule": format!("{:?}", settings.schedule.decay).to_lowercase(),
            "shuffle": settings.shuffle, "eval_every": settings.eval_every, "eval_share": self.eval_share,
            "weight_decay": weight_decay, "beta1": beta1, "beta2": beta2, "eps": eps,
            "cutoff": session.cutoff, "system": self.system,
            "precision": format!("{:?}", session.options.0).to_lowercase(), "device": device,
        })
    }

    /// AdamW's settings.
    pub fn adamw(&self) -> optim::Settings {
        let Steps { beta1, beta2, eps, weight_decay, .. } = self.steps;
        optim::Settings { beta1, beta2, eps, weight_decay }
    }

    /// Puts the adapter that is trained into a model; none if all weights are.
    pub fn attach(&self, model: &mut Qwen2) -> anyhow::Result<Option<Lora>> {
        let What { full, lora_rank, lora_alpha, lora_dropout, rslora, .. } = self.what;
        if full {
            return Ok(None);
        }
        if let Some(folder) = &self.what.adapter {
            return Ok(Some(Lora::load(folder, model)?));
        }
        let widest = model.config().hidden_size.max(model.config().intermediate_size);
        ensure!(
            lora_rank <= widest,
            "--lora-rank {lora_rank} is more than the width of the model's widest layer, {widest}"
        );
        let targets: Vec<&str> = self.what.lora_targets.iter().map(String::as_str).collect();
        let lora = Lora::new(lora_rank, lora_alpha, &targets).map_err(anyhow::Error::msg);
        let mut lora = lora.context("--lora-targets or --lora-rank")?;
        (lora.dropout, lora.rslora) = (lora_dropout, rslora);
        lora.attach(model, self.seed as i64);
        Ok(Some(lora))
    }
}
