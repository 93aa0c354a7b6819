//! `salv sample`: problems in, what a model answers out.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tch::{Device, Kind};

use super::files::{self, Outputs};
use super::start;
use crate::model::kv_cache::{Attention, KvCache, ROWS};
use crate::model::lora::Lora;
use crate::model::{ChatTemplate, Config, Generation, Pass, Qwen2, Tokenizer, torch};
use crate::problem::{self, Problem};
use crate::record::{self, Ahead, Meta, RecordError, Shard, ShardOf, Writer, file_hash};
use crate::sample::run::{self, Run, RunError, Sink, Task};
use crate::sample::{Drawing, Row, Settings};
use crate::train::data::Asker;

/// Sample candidates from a model, the same whatever the batch
///
/// With --server URL an OpenAI-compatible server is asked: `salv sample --server URL --help`.
#[derive(Parser)]
#[command(name = "salv sample", bin_name = "salv sample", version, arg_required_else_help = true)]
struct Arguments {
    /// The model's folder, as published: config.json, tokenizer.json, *.safetensors
    model: PathBuf,
    /// The problems, `problems.jsonl`
    problems: PathBuf,
    /// Where the candidates go
    #[arg(short, long, default_value = "candidates.jsonl")]
    output: PathBuf,
    /// An adapter for the model, in PEFT's format
    #[arg(long, value_name = "FOLDER")]
    adapter: Option<PathBuf>,
    #[command(flatten)]
    how: How,
    /// System prompt; by default what the chat template does by itself
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Give the model the prompt as it is, even if it has a chat template
    #[arg(long, conflicts_with = "system")]
    no_template: bool,
    /// Precision of the model; by default bf16 on CUDA and fp32 on a CPU
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    /// `cpu`, or `cuda:N`; by default the first card, if there is one
    #[arg(long)]
    device: Option<String>,
    /// Completions that are generated at a time; by default 64; on a CPU they do not depend on it
    #[arg(long)]
    batch: Option<usize>,
    /// Threads of a CPU, by default one for each core; another number rounds sums differently
    #[arg(long)]
    threads: Option<usize>,
    /// Continue a run that ended early
    #[arg(long)]
    resume: bool,
    /// Make only part K of N, for a run on many machines; `salv merge` puts the parts together
    #[arg(long, value_name = "K/N")]
    shard: Option<ShardOf>,
}

/// What decides a completion, beside the model and the prompt. What is not given is as in the paper.
#[derive(clap::Args)]
struct How {
    /// Completions of each problem [default: 5]
    #[arg(long, short = 'n')]
    samples: Option<usize>,
    /// By what logits are divided; 0 takes the likeliest token [default: 1]
    #[arg(long)]
    temperature: Option<f64>,
    /// Draw from the likeliest tokens that have this share of the probability together [default: 0.95]
    #[arg(long)]
    top_p: Option<f64>,
    /// Draw from so many of the likeliest tokens; 0 is no limit [default: 0]
    #[arg(long)]
    top_k: Option<usize>,
    /// Divide positive logits of tokens that were there, and multiply negative ones [default: 1]
    #[arg(long)]
    repetition_penalty: Option<f64>,
    /// Most tokens of a completion [default: 2048]
    #[arg(long)]
    max_tokens: Option<usize>,
    /// Text that ends a completion and is no part of it; may be given several times
    #[arg(long)]
    stop: Vec<String>,
    /// Take the model's own settings (generation_config.json) where none is given here
    #[arg(long)]
    model_settings: bool,
    /// Seed of every random number
    #[arg(long, default_value_t = Settings::default().seed)]
    seed: u64,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Precision {
    Bf16,
    Fp32,
}

/// Sequences at a time on a card.
const BATCH_CUDA: usize = 64;

/// How often a run says how far it is where there is no terminal for a bar.
const QUIET: Duration = Duration::from_secs(30);

/// Runs the command line and returns its exit code.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match sample(&Arguments::parse_from(arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", super::describe(&error));
            ExitCode::FAILURE
        }
    }
}

fn sample(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let outputs = Outputs { rows: vec![&arguments.output], others: Vec::new() };
    files::expect_apart(&[&arguments.problems], &outputs)?;
    let (kind, device) = options(arguments)?;
    let threads = start::threads(arguments.threads)?;
    tch::set_num_threads(i32::try_from(threads)?);
    let config = Config::read(&arguments.model)?;
    let tokenizer = Tokenizer::load(&arguments.model, config.vocab_size)?;
    let generation = Generation::read(&arguments.model, &config, &tokenizer)?;
    let settings = arguments.how.settings(&generation)?;
    let problems = problem::load(&arguments.problems)?;
    ensure!(!problems.is_empty(), "{} holds no problem", arguments.problems.display());
    let tasks = tasks(arguments, &tokenizer, &problems)?;
    run::check(&config, &tasks)?;
    let default = if device == Device::Cpu { ROWS as usize } else { BATCH_CUDA };
    let batch = arguments.batch.unwrap_or(default);
    ensure!(batch > 0, "--batch must be 1 or more");
    let length = run::longest(&config, &tasks, &settings) as i64;
    let attention = Attention::on(device);
    let cache = KvCache::bytes_max(&config, kind, attention, batch, length);
    // Before the output is touched: what fails to load must not cost an earlier run's.
    let mut model = Qwen2::load(&arguments.model, (kind, device))?;
    if let Some(adapter) = &arguments.adapter {
        Lora::load(adapter, &mut model)?;
    }
    let whole = ShardOf { number: 1, of: 1 };
    let rows = arguments.shard.unwrap_or(whole).cut(tasks.len() * settings.samples);
    let meta = meta(arguments, &settings, (kind, device), batch, rows)?;
    let (writer, done) = Writer::create(&arguments.output, &meta, arguments.resume)?;
    let (ahead, known) = Ahead::open(&arguments.output, &meta, done, arguments.resume)?;
    say(&settings, (kind, device), tasks.len(), batch, cache);
    let stop = start::stop_flag()?;
    let job = Run {
        model: &model,
        pass: Pass::Policy,
        tokenizer: &tokenizer,
        settings: &settings,
        tasks: &tasks,
        batch,
        attention,
        threads,
        stop: &stop,
    };
    let output = Output::new(writer, ahead, rows, done);
    let known = known.into_iter().map(|(row, value)| (rows.start + row, value)).collect();
    generate(arguments, &job, rows.start + done..rows.end, known, output)
}

/// Generates what is not there yet; what was generated is kept, whatever ends the run.
fn generate(
    arguments: &Arguments,
    job: &Run,
    rows: Range<usize>,
    known: BTreeMap<usize, Row>,
    mut output: Output,
) -> anyhow::Result<ExitCode> {
    let outcome = run::sample(job, rows, known, &mut output);
    let (made, total) = (output.written, output.rows.range().len());
    let finished = output.finish(&arguments.output);
    outcome.with_context(|| format!("failed after {made} of {total} candidates"))?;
    finished?;
    let output = arguments.output.display();
    if job.stop.load(Ordering::Relaxed) && made < total {
        eprintln!("stopped after {made} of {total} candidates; --resume continues {output}");
        return Ok(ExitCode::from(130));
    }
    eprintln!("candidates are in {output}");
    Ok(ExitCode::SUCCESS)
}

fn options(arguments: &Arguments) -> anyhow::Result<(Kind, Device)> {
    let choice = torch::choose_device();
    let device = match arguments.device.as_deref() {
        None => choice.device,
        Some("cpu") => Device::Cpu,
        Some(name) => {
            let card = name.strip_prefix("cuda:").and_then(|card| card.parse().ok());
            let card =
                card.with_context(|| format!("--device {name} is no device: say cpu, or cuda:0"))?;
            ensure!(choice.device.is_cuda(), "--device {name}: {}", choice.reason);
            Device::Cuda(card)
        }
    };
    torch::probe(device)?;
    let kind = match (arguments.precision, device) {
        (Some(Precision::Bf16), _) | (None, Device::Cuda(_)) => Kind::BFloat16,
        _ => Kind::Float,
    };
    Ok((kind, device))
}

impl How {
    /// What is given, else what the model's makers recommend if that is asked for, else the paper's.
    fn settings(&self, model: &Generation) -> anyhow::Result<Settings> {
        let paper = Settings::default();
        let nothing = Generation::default();
        let own = if self.model_settings { model } else { &nothing };
        let drawing = Drawing {
            temperature: self.temperature.or(own.temperature).unwrap_or(paper.drawing.temperature),
            top_p: self.top_p.or(own.top_p).unwrap_or(paper.drawing.top_p),
            top_k: self.top_k.or(own.top_k).unwrap_or(paper.drawing.top_k),
            repetition_penalty: self
                .repetition_penalty
                .or(own.repetition_penalty)
                .unwrap_or(paper.drawing.repetition_penalty),
        };
        let settings = Settings {
            samples: self.samples.unwrap_or(paper.samples),
            drawing,
            max_tokens: self.max_tokens.or(own.max_tokens).unwrap_or(paper.max_tokens),
            stop: self.stop.clone(),
            ends: model.ends.clone(),
            seed: self.seed,
        };
        let Drawing { temperature, top_p, repetition_penalty, .. } = drawing;
        ensure!(
            temperature >= 0.0 && temperature.is_finite(),
            "--temperature {temperature} must be 0 or more"
        );
        ensure!(
            top_p > 0.0 && top_p <= 1.0,
            "--top-p {top_p} must be above 0 and at most 1 (--temperature 0 takes the likeliest token)"
        );
        ensure!(
            repetition_penalty > 0.0 && repetition_penalty.is_finite(),
            "--repetition-penalty {repetition_penalty} must be above 0"
        );
        ensure!(settings.samples > 0, "--samples must be 1 or more");
        ensure!(settings.max_tokens > 0, "--max-tokens must be 1 or more");
        ensure!(settings.stop.iter().all(|stop| !stop.is_empty()), "--stop is empty");
        Ok(settings)
    }
}

/// The prompts as the model is asked, in tokens.
fn tasks(
    arguments: &Arguments,
    tokenizer: &Tokenizer,
    problems: &[Problem],
) -> anyhow::Result<Vec<Task>> {
    let template = match arguments.no_template {
        true => None,
        false => ChatTemplate::load(&arguments.model)?,
    };
    let (template, system) = (template.as_ref(), arguments.system.as_deref());
    let asker = Asker { tokenizer, template, system };
    let task = |problem: &Problem| {
        let prompt = asker.ask(None, &[(&problem.prompt, "")]).map_err(anyhow::Error::msg);
        let prompt = prompt.with_context(|| format!("problem {}", problem.problem))?;
        Ok(Task { problem: problem.problem.clone(), prompt })
    };
    problems.iter().map(task).collect()
}

/// What made the file: everything that its bytes depend on. LibTorch divides sums by its threads, so on a CPU their
/// number is among it, and on a card the batch.
fn meta(
    arguments: &Arguments,
    settings: &Settings,
    (kind, device): (Kind, Device),
    batch: usize,
    rows: Shard,
) -> anyhow::Result<Meta> {
    let problems = file_hash(&arguments.problems)?;
    let mut inputs = BTreeMap::from([(arguments.problems.display().to_string(), problems.clone())]);
    let mut hash = |folder: &Path| -> anyhow::Result<String> {
        let hash = record::folder_hash(folder)?;
        inputs.insert(folder.display().to_string(), hash.clone());
        Ok(hash)
    };
    let model = hash(&arguments.model)?;
    let adapter = arguments.adapter.as_deref().map(&mut hash).transpose()?;
    let mut meta = Meta::new(
        "sample",
        json!({
            "model": model,
            "adapter": adapter,
            "problems": problems,
            "settings": settings,
            "system": arguments.system,
            "template": !arguments.no_template,
            "precision": if kind == Kind::Float { "fp32" } else { "bf16" },
            "device": if device == Device::Cpu { "cpu" } else { "cuda" },
            "batch": (device != Device::Cpu).then_some(batch),
            "threads": (device == Device::Cpu).then(tch::get_num_threads),
        }),
    );
    meta.seed = Some(settings.seed);
    meta.tools.insert("libtorch".to_owned(), "2.11".to_owned());
    meta.inputs = inputs;
    meta.shard = arguments.shard.map(|_| rows);
    Ok(meta)
}

fn say(
    settings: &Settings,
    (kind, device): (Kind, Device),
    problems: usize,
    batch: usize,
    cache: u64,
) {
    let Settings { samples, drawing, max_tokens, seed, .. } = settings;
    let Drawing { temperature, top_p, top_k, repetition_penalty } = drawing;
    eprintln!(
        "{samples} completions for each of {problems} problems: temperature {temperature}, top-p {top_p}, top-k {top_k}, repetition penalty {repetition_penalty}, up to {max_tokens} tokens, seed {seed}"
    );
    eprintln!(
        "{kind:?} on {device:?}, {batch} at a time, whose keys and values take up to {}",
        HumanBytes(cache)
    );
    let room = if device == Device::Cpu { available_memory() } else { None };
    if let Some(room) = room.filter(|room| *room < cache) {
        let room = HumanBytes(room);
        eprintln!("warning: {room} of memory are free; a smaller --batch takes less");
    }
}

/// Memory that can be had without swapping, where the system says so.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    super::doctor::available_bytes(&text)
}

/// Where candidates go: the file, the file beside it for those that wait for earlier ones, and the eyes of a person.
struct Output {
    writer: Writer,
    ahead: Ahead,
    rows: Shard,
    /// Rows of an earlier run.
    done: usize,
    /// Rows in the file.
    written: usize,
    tokens: usize,
    started: Instant,
    told: Instant,
    bar: ProgressBar,
}

impl Output {
    fn new(writer: Writer, ahead: Ahead, rows: Shard, done: usize) -> Output {
        let bar = ProgressBar::new(rows.range().len() as u64).with_position(done as u64);
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.reset_eta();
        let style = ProgressStyle::with_template(
            "{bar:40.cyan/dim} {pos}/{len} candidates  {msg}  {eta} left",
        );
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let now = Instant::now();
        Output { writer, ahead, rows, done, written: done, tokens: 0, started: now, told: now, bar }
    }

    fn speed(&self) -> f64 {
        self.tokens as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
    }

    /// Writes what waits, and how long it took.
    fn finish(mut self, path: &Path) -> anyhow::Result<()> {
        self.bar.finish_and_clear();
        let (seconds, speed) = (self.started.elapsed().as_secs_f64(), self.speed());
        self.writer.finish()?;
        if self.written == self.rows.range().len() {
            self.ahead.remove()?;
        }
        eprintln!("{} tokens in {seconds:.1} s: {speed:.1} tokens/s", self.tokens);
        let timings = json!({
            "candidates": self.written - self.done,
            "tokens": self.tokens,
            "seconds": seconds,
            "tokens_per_second": speed,
            "peak_memory_bytes": super::trainer::peak_memory(),
        });
        let mut name = path.as_os_str().to_owned();
        name.push(".timings.json");
        std::fs::write(&name, format!("{timings:#}\n"))
            .with_context(|| format!("failed to write {}", name.display()))
    }
}

impl Sink for Output {
    fn write(&mut self, row: Row) -> Result<(), RunError> {
        self.writer.write(&row).map_err(stream)?;
        self.written += 1;
        self.bar.inc(1);
        Ok(())
    }

    fn keep(&mut self, number: usize, row: &Row) -> Result<(), RunError> {
        self.ahead.keep(number - self.rows.start, row).map_err(stream)
    }

    /// All that is complete is handed to the system: a killed run generates again what was being generated, no more.
    fn settle(&mut self, tokens: usize) -> Result<(), RunError> {
        self.tokens += tokens;
        self.writer.flush().map_err(stream)?;
        self.ahead.settle(self.written).map_err(stream)?;
        self.bar.set_message(format!("{:.0} tokens/s", self.speed()));
        if self.bar.is_hidden() && self.told.elapsed() > QUIET {
            self.told = Instant::now();
            let (written, total, ahead) = (self.written, self.rows.range().len(), self.ahead.len());
            eprintln!(
                "{written} of {total} candidates, {ahead} more out of order, {:.0} tokens/s",
                self.speed()
            );
        }
        Ok(())
    }
}

fn stream(error: RecordError) -> RunError {
    RunError::Stream(Box::new(error))
}
