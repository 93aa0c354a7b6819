//! `salv train sft` and `salv train dpo`: what both take, and the way from arguments to a run.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tch::{Device, Kind};

use super::{dry_run, progress};
use crate::cli::start;
use crate::model::lora::Lora;
use crate::model::{self, ChatTemplate, Config, Qwen2, Tokenizer, torch};
use crate::record::{Meta, content_hash, file_hash};
use crate::train::data::{Asker, Loaded};
use crate::train::engine::{Engine, Trained};
use crate::train::folder::{Folder, Saved, restore};
use crate::train::optim::{self, AdamW};
use crate::train::parallel::{Group, Rendezvous};
use crate::train::run::{End, Objective, Run, Settings};
use crate::train::schedule::{Decay, Schedule};

/// Parameters from which on layers are run twice to save memory.
const LARGE: i64 = 300_000_000;

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
    what: What,
    #[command(flatten)]
    steps: Steps,
    /// Most tokens of a sequence, by default 2,048 or as many as the model has positions; longer answers lose their
    /// end, which is reported
    #[arg(long, value_name = "TOKENS")]
    cutoff: Option<usize>,
    /// Most tokens that go through the model at once; it decides memory and not results
    #[arg(long, default_value_t = 8192, value_name = "TOKENS")]
    pub tokens_at_once: usize,
    /// System prompt where a row has none; by default what the chat template does by itself
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Rows to evaluate on
    #[arg(long, value_name = "FILE", conflicts_with = "eval_share")]
    eval: Option<PathBuf>,
    /// Share of the problems (of the rows, in `sft`) to hold out and evaluate on
    #[arg(long, value_name = "SHARE")]
    eval_share: Option<f64>,
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
    device: Option<String>,
    /// Run layers twice to keep only their inputs; by default for models of 300 million parameters and more
    #[arg(long, value_name = "YES")]
    recompute: Option<bool>,
    /// Decides order, dropout, fresh adapters and what is held out
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads of a CPU; by default one for each core
    #[arg(long)]
    threads: Option<usize>,
    /// Go on with the run that the folder holds
    #[arg(long)]
    resume: bool,
    /// Only show the first rows with their masks, counts, and estimates of memory and time
    #[arg(long)]
    dry_run: bool,
}

/// What is trained.
#[derive(Args)]
struct What {
    /// Train all weights, not an adapter
    #[arg(long, conflicts_with_all = ["lora_rank", "lora_alpha", "lora_dropout", "lora_targets", "rslora", "adapter"])]
    full: bool,
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
    /// Go on from this adapter, in PEFT's format; its own settings count
    #[arg(long, value_name = "FOLDER")]
    adapter: Option<PathBuf>,
}

/// How long and how fast.
#[derive(Args)]
struct Steps {
    /// Highest learning rate
    #[arg(long)]
    rate: Option<f64>,
    /// How the rate falls after the warm-up
    #[arg(long, value_enum, default_value_t = DecayName::Cosine)]
    schedule: DecayName,
    /// Share of the steps in which the rate rises
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    warmup: f64,
    /// Steps of the optimizer
    #[arg(long, conflicts_with = "epochs")]
    steps: Option<u64>,
    /// How often every row is seen, if not --steps
    #[arg(long, default_value_t = 1.0)]
    epochs: f64,
    /// Rows of a step, on all ranks together
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

/// All that is opened before rows are read.
pub struct Session {
    pub group: Group,
    pub tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    /// Most tokens of a sequence.
    pub cutoff: usize,
    pub options: (Kind, Device),
    pub threads: usize,
}

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

impl Session {
    /// Chooses the device, joins the ranks, and reads all of the model but its weights.
    pub fn open(fit: &Fit) -> anyhow::Result<Session> {
        let choice = torch::choose_device();
        let local = number_of("LOCAL_RANK")?;
        let device = match fit.device.as_deref() {
            None => match choice.device {
                Device::Cuda(_) => Device::Cuda(local.unwrap_or(0)),
                other => other,
            },
            Some("cpu") => Device::Cpu,
            Some(name) => {
                let card = name.strip_prefix("cuda:").and_then(|card| card.parse().ok());
                let card = card
                    .with_context(|| format!("--device {name} is no device: say cpu, or cuda:0"))?;
                ensure!(choice.device.is_cuda(), "--device {name}: {}", choice.reason);
                Device::Cuda(card)
            }
        };
        torch::probe(device)?;
        let threads = start::threads(fit.threads)?;
        tch::set_num_threads(i32::try_from(threads)?);
        let kind = match (fit.precision, device) {
            (Some(Precision::Bf16), _) | (None, Device::Cuda(_)) => Kind::BFloat16,
            _ => Kind::Float,
        };
        let config = Config::read(&fit.model)?;
        let positions = config.max_position_embeddings as usize;
        let cutoff = fit.cutoff.unwrap_or(positions.min(2048));
        ensure!(
            cutoff <= positions,
            "--cutoff {cutoff} is more than the {positions} positions of the model (max_position_embeddings of its config.json)"
        );
        let tokenizer = Tokenizer::load(&fit.model, config.vocab_size)?;
        let template = ChatTemplate::load(&fit.model)?;
        Ok(Session {
            group: join()?,
            tokenizer,
            template,
            cutoff,
            options: (kind, device),
            threads,
        })
    }

    /// How the model is asked.
    pub fn asker<'a>(&'a self, fit: &'a Fit) -> Asker<'a> {
        let system = fit.system.as_deref();
        Asker { tokenizer: &self.tokenizer, template: self.template.as_ref(), system }
    }

    /// Reads the rows, and those to evaluate on.
    pub fn rows<T>(
        &self,
        fit: &Fit,
        read: impl Fn(&Path) -> Result<Loaded<T>, crate::train::Error>,
    ) -> anyhow::Result<(Loaded<T>, Option<Loaded<T>>)> {
        let all = read(&fit.rows)?;
        self.say(format!("{}: {}", fit.rows.display(), counted(&all)));
        let (rows, evaluation) = match (&fit.eval, fit.eval_share) {
            (Some(path), _) => {
                let rows = read(path)?;
                self.say(format!("{}: {}", path.display(), counted(&rows)));
                (all, Some(rows))
            }
            (None, Some(share)) => {
                ensure!(share > 0.0 && share < 1.0, "--eval-share must be between 0 and 1");
                let (rows, held) = all.split(share, fit.seed);
                ensure!(
                    !rows.rows.is_empty() && !held.rows.is_empty(),
                    "--eval-share {share} leaves {} rows to learn from and {} to evaluate on",
                    rows.rows.len(),
                    held.rows.len()
                );
                self.say(format!("held out for evaluation: {} rows", held.rows.len()));
                (rows, Some(held))
            }
            (None, None) => (all, None),
        };
        Ok((rows, evaluation))
    }

    /// Says something on standard error, on one rank.
    pub fn say(&self, text: impl AsRef<str>) {
        if self.group.rank() == 0 {
            eprintln!("{}", text.as_ref());
        }
    }

    /// Loads the model, with the adapter that is trained.
    pub fn engine(&self, fit: &Fit) -> anyhow::Result<(Engine, Option<Lora>)> {
        let mut model = Qwen2::load(&fit.model, self.options)?;
        let What { full, adapter, lora_targets, .. } = &fit.what;
        let lora = match (full, adapter) {
            (true, _) => None,
            (false, Some(folder)) => Some(Lora::load(folder, &mut model)?),
            (false, None) => {
                let targets: Vec<&str> = lora_targets.iter().map(String::as_str).collect();
                let lora = Lora::new(fit.what.lora_rank, fit.what.lora_alpha, &targets);
                let mut lora =
                    lora.map_err(anyhow::Error::msg).context("--lora-targets or --lora-rank")?;
                ensure!(
                    (0.0..1.0).contains(&fit.what.lora_dropout),
                    "--lora-dropout must be 0 or more and below 1"
                );
                (lora.dropout, lora.rslora) = (fit.what.lora_dropout, fit.what.rslora);
                lora.attach(&mut model, fit.seed as i64);
                Some(lora)
            }
        };
        let size: i64 = model.weights().iter().map(|(_, weight)| weight.numel() as i64).sum();
        let recompute = fit.recompute.unwrap_or(size >= LARGE);
        let trained = if *full { Trained::Weights } else { Trained::Adapters };
        let engine = Engine::new(model, trained, recompute);
        let trained: i64 =
            engine.parameters().iter().map(|(_, tensor)| tensor.numel() as i64).sum();
        self.say(format!(
            "{}: {size} parameters in {:?} on {:?}, {}",
            fit.model.display(),
            self.options.0,
            self.options.1,
            if *full {
                "all trained".to_owned()
            } else {
                format!("{trained} of an adapter are trained")
            },
        ));
        Ok((engine, lora))
    }

    /// The provenance of a file of the run.
    pub fn meta(&self, fit: &Fit, stage: &str, configuration: Value) -> anyhow::Result<Meta> {
        let mut meta = Meta::new(stage, configuration);
        meta.seed = Some(fit.seed);
        meta.tools.insert("libtorch".to_owned(), "2.11".to_owned());
        for path in [Some(&fit.rows), fit.eval.as_ref()].into_iter().flatten() {
            meta.inputs.insert(path.display().to_string(), file_hash(path)?);
        }
        let mut beside: Vec<&Path> = vec![&fit.model];
        beside.extend(fit.what.adapter.as_deref());
        for folder in beside {
            meta.inputs.insert(folder.display().to_string(), folder_hash(folder)?);
        }
        Ok(meta)
    }

    /// Trains, or shows what would be trained.
    pub fn train(
        &self,
        fit: &Fit,
        job: &Job,
        engine: &Engine,
        lora: Option<Lora>,
    ) -> anyhow::Result<End> {
        let steps = &fit.steps;
        let settings = fit.settings(job)?;
        let adamw = optim::Settings {
            beta1: steps.beta1,
            beta2: steps.beta2,
            eps: steps.eps,
            weight_decay: steps.weight_decay,
        };
        let mut optimizer = AdamW::new(
            engine
                .parameters()
                .iter()
                .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
                .collect(),
            adamw,
        );
        if fit.dry_run {
            if self.group.rank() == 0 {
                dry_run::show(job, engine, &settings, &self.tokenizer)?;
            }
            return Ok(End::Done);
        }
        let meta = self.meta(fit, job.stage, fit.configuration(job, &settings, self))?;
        let mut folder = match self.group.rank() {
            0 => {
                let saved = Saved { lora, model: fit.model.clone() };
                std::fs::create_dir_all(&fit.output)
                    .with_context(|| format!("failed to make {}", fit.output.display()))?;
                Some(Folder::create(&fit.output, &meta, saved, fit.resume)?)
            }
            _ => None,
        };
        self.group.barrier()?;
        let state = match fit.resume {
            true => restore(&fit.output, engine, &mut optimizer)?,
            false => Default::default(),
        };
        if state.step > 0 {
            self.say(format!("going on after step {}", state.step));
        }
        let stop = start::stop_flag()?;
        let mut bar = progress::Bar::new(&settings, state.step, self.group.rank() == 0);
        let end = Run {
            engine,
            optimizer: &mut optimizer,
            objective: job.objective,
            evaluation: job.evaluation,
            settings: &settings,
            group: &self.group,
            folder: folder.as_mut(),
            watch: &mut |seen| bar.tell(seen),
            stop: stop.as_ref() as &AtomicBool,
        }
        .run(state)?;
        bar.finish();
        match end {
            End::Done => {
                self.say(format!("done: {} steps, in {}", settings.steps, fit.output.display()))
            }
            End::Stopped(step) => self.say(format!(
                "stopped after step {step} of {}; --resume goes on from there",
                settings.steps
            )),
        }
        Ok(end)
    }
}

impl Fit {
    /// Whether nothing is trained or written.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// The share of the problems that is held out.
    pub fn held_out(&self) -> Option<f64> {
        self.eval_share
    }

    fn settings(&self, job: &Job) -> anyhow::Result<Settings> {
        let steps = &self.steps;
        ensure!(
            steps.batch > 0 && self.save_every > 0,
            "--batch and --save-every must be 1 or more"
        );
        ensure!(self.eval_every != Some(0), "--eval-every must be 1 or more");
        ensure!((0.0..=1.0).contains(&steps.warmup), "--warmup is a share, from 0 to 1");
        let rows = job.objective.rows() as f64 * steps.epochs;
        let count = steps.steps.unwrap_or_else(|| (rows / steps.batch as f64).ceil() as u64);
        ensure!(count > 0, "there are no steps to do: --epochs is {}", steps.epochs);
        let decay = match steps.schedule {
            DecayName::Cosine => Decay::Cosine,
            DecayName::Linear => Decay::Linear,
            DecayName::Constant => Decay::Constant,
        };
        let rate = steps.rate.unwrap_or(job.rate);
        ensure!(rate.is_finite() && rate >= 0.0, "--rate must be a number that is not negative");
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
    fn configuration(&self, job: &Job, settings: &Settings, session: &Session) -> Value {
        let What { full, lora_rank, lora_alpha, lora_dropout, lora_targets, rslora, adapter } =
            &self.what;
        let Steps { weight_decay, beta1, beta2, eps, .. } = self.steps;
        let lora = json!({
            "rank": lora_rank, "alpha": lora_alpha, "dropout": lora_dropout, "targets": lora_targets,
            "rslora": rslora, "adapter": adapter,
        });
        let device = if session.options.1.is_cuda() { "cuda" } else { "cpu" };
        json!({
            "objective": job.configuration,
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
}

/// Hash of what tells one model from another without reading its weights: the small files, and names and sizes of the
/// others.
fn folder_hash(folder: &Path) -> anyhow::Result<String> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(|| format!("failed to read {}", folder.display()))?;
    entries.sort();
    let mut text = String::new();
    for path in entries.iter().filter(|path| path.is_file()) {
        let size = path.metadata()?.len();
        let is_small = path.extension().is_some_and(|ending| ending == "json");
        let hash = if is_small { file_hash(path)? } else { String::new() };
        text += &format!("{} {size} {hash}\n", path.file_name().unwrap_or_default().display());
    }
    Ok(content_hash(text.as_bytes()))
}

fn counted<T>(loaded: &Loaded<T>) -> String {
    let why = loaded.why();
    let more = if why.is_empty() { String::new() } else { format!("; {why}") };
    format!("{} rows{more}", loaded.rows.len())
}

/// Joins the ranks that the launcher's variables name (`torchrun` sets them), or stays alone.
fn join() -> anyhow::Result<Group> {
    let variable = |name: &str| std::env::var(name).ok();
    let rendezvous = Rendezvous::from_variables(variable, Duration::from_secs(600))?;
    Ok(rendezvous.map_or_else(|| Ok(Group::alone()), |at| Group::join(&at))?)
}

fn number_of(name: &str) -> anyhow::Result<Option<usize>> {
    match std::env::var(name) {
        Ok(text) => {
            Ok(Some(text.parse().with_context(|| format!("{name} is {text:?}, not a number"))?))
        }
        Err(_) => Ok(None),
    }
}

/// Another model that is not trained: a reference.
pub fn fixed(folder: &Path, options: (Kind, Device)) -> Result<Engine, model::Error> {
    Ok(Engine::new(Qwen2::load(folder, options)?, Trained::Adapters, false))
}
