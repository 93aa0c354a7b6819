//! What is opened before a run: device, ranks, tokenizer, rows, model.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tch::{Device, Kind};

use super::fit::Fit;
use crate::cli::start;
use crate::model::lora::Lora;
use crate::model::{ChatTemplate, Config, Qwen2, Tokenizer, torch};
use crate::record::{Meta, content_hash, file_hash};
use crate::train::Error;
use crate::train::data::{Asker, Loaded};
use crate::train::engine::{Engine, Trained};
use crate::train::folder::refuse_run;
use crate::train::parallel::{Group, Rendezvous};

/// Parameters from which on layers are run twice to save memory.
const LARGE: i64 = 300_000_000;

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

impl Session {
    /// Chooses the device, joins the ranks, and reads all of the model but its weights.
    pub fn open(fit: &Fit) -> anyhow::Result<Session> {
        fit.check()?;
        let device = device(fit.device.as_deref())?;
        torch::probe(device)?;
        let threads = start::threads(fit.threads)?;
        let sharing = number_of("LOCAL_WORLD_SIZE")?.unwrap_or(1).max(1);
        let threads = if fit.threads.is_none() { (threads / sharing).max(1) } else { threads };
        tch::set_num_threads(i32::try_from(threads)?);
        let config = Config::read(&fit.model)?;
        let positions = config.max_position_embeddings as usize;
        let cutoff = fit.cutoff.unwrap_or(positions.min(2048));
        ensure!(
            cutoff <= positions,
            "--cutoff {cutoff} is more than the {positions} positions of the model (max_position_embeddings of its config.json)"
        );
        let tokenizer = Tokenizer::load(&fit.model, config.vocab_size)?;
        let template = ChatTemplate::load(&fit.model)?;
        let group = join()?;
        if group.rank() == 0 && !fit.resume && !fit.dry_run {
            refuse_run(&fit.output)?;
        }
        Ok(Session {
            group,
            tokenizer,
            template,
            cutoff,
            options: (fit.kind(device), device),
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
        read: impl Fn(&Path) -> Result<Loaded<T>, Error>,
    ) -> anyhow::Result<(Loaded<T>, Option<Loaded<T>>)> {
        if self.template.is_none() {
            self.say("the model has no chat template: a prompt is taken as it is");
        }
        let all = read(&fit.rows)?;
        self.say(format!("{}: {}", fit.rows.display(), counted(&all)));
        let (rows, evaluation) = match (&fit.eval, fit.eval_share) {
            (Some(path), _) => {
                let rows = read(path)?;
                self.say(format!("{}: {}", path.display(), counted(&rows)));
                (all, Some(rows))
            }
            (None, Some(share)) => {
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
        let held = evaluation.as_ref().map(|held| &held.lines);
        let what = "rows (are the files and --seed the same on all machines?)";
        self.group.check_same(what, (&rows.lines, held))?;
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
        let lora = fit.attach(&mut model)?;
        let size: i64 = model.weights().iter().map(|(_, weight)| weight.numel() as i64).sum();
        let recompute = fit.recompute.unwrap_or(size >= LARGE);
        let trained = if fit.what.full { Trained::Weights } else { Trained::Adapters };
        let engine = Engine::new(model, trained, recompute);
        let trained: i64 =
            engine.parameters().iter().map(|(_, tensor)| tensor.numel() as i64).sum();
        self.say(format!(
            "{}: {size} parameters in {:?} on {:?}, {}",
            fit.model.display(),
            self.options.0,
            self.options.1,
            if fit.what.full {
                "all trained".to_owned()
            } else {
                format!("{trained} of an adapter are trained")
            },
        ));
        Ok((engine, lora))
    }

    /// Loads another model that is not trained, a reference: it must know the tokens and positions of the rows.
    pub fn reference(&self, folder: &Path) -> anyhow::Result<Engine> {
        let name = folder.display();
        let config = Config::read(folder)?;
        let positions = config.max_position_embeddings;
        ensure!(
            self.cutoff as i64 <= positions,
            "--reference {name}: its {positions} positions are fewer than the {} tokens of --cutoff",
            self.cutoff
        );
        let tokenizer = Tokenizer::load(folder, config.vocab_size)?;
        ensure!(
            tokenizer.has_tokens_of(&self.tokenizer),
            "--reference {name}: its tokenizer is not the model's, so it would read other texts"
        );
        Ok(Engine::new(Qwen2::load(folder, self.options)?, Trained::Adapters, false))
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
}

/// The device that is asked for, or the best there is; each rank of a machine has a card of its own.
fn device(asked: Option<&str>) -> anyhow::Result<Device> {
    let choice = torch::choose_device();
    let local = number_of("LOCAL_RANK")?;
    match asked {
        None if choice.device.is_cuda() => Ok(Device::Cuda(local.unwrap_or(0))),
        None | Some("cpu") => Ok(Device::Cpu),
        Some(name) => {
            let card = name.strip_prefix("cuda:").and_then(|card| card.parse().ok());
            let card =
                card.with_context(|| format!("--device {name} is no device: say cpu, or cuda:0"))?;
            ensure!(choice.device.is_cuda(), "--device {name}: {}", choice.reason);
            Ok(Device::Cuda(card))
        }
    }
}

/// Hash of what tells one model from another without reading all of it: names and sizes of its files, and of each a
/// [`sample`].
pub fn folder_hash(folder: &Path) -> anyhow::Result<String> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(|| format!("failed to read {}", folder.display()))?;
    entries.sort();
    let mut text = String::new();
    for path in entries.iter().filter(|path| path.is_file()) {
        let size = path.metadata()?.len();
        let read = sample(path, size).with_context(|| format!("failed to read {}", path.display()));
        let hash = content_hash(&read?);
        text += &format!("{} {size} {hash}\n", path.file_name().unwrap_or_default().display());
    }
    Ok(content_hash(text.as_bytes()))
}

/// A file that is small; of a large one pieces of 64 KiB, evenly spread, its first and last bytes among them.
fn sample(path: &Path, size: u64) -> std::io::Result<Vec<u8>> {
    const PIECE: u64 = 64 << 10;
    const PIECES: u64 = 64;
    if size <= PIECE * PIECES {
        return std::fs::read(path);
    }
    let mut file = File::open(path)?;
    let mut bytes = vec![0; (PIECE * PIECES) as usize];
    for (at, piece) in bytes.chunks_mut(PIECE as usize).enumerate() {
        let start = u128::from(size - PIECE) * at as u128 / u128::from(PIECES - 1);
        file.seek(SeekFrom::Start(start as u64))?;
        file.read_exact(piece)?;
    }
    Ok(bytes)
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
