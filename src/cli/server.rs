//! `salv sample --server`: candidates from a server that speaks OpenAI's protocol. Part of `salv` itself: it needs no
//! LibTorch.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use indicatif::ProgressBar;
use serde_json::json;

use super::files::{self, Outputs};
use super::{start, verify};
use crate::problem::{self, Problem};
use crate::record::{Ahead, Meta, RecordError, ShardOf, Writer, file_hash};
use crate::sample::Row;
use crate::sample::client::{Client, Patience};
use crate::sample::server::{self, Settings, Sink};

/// Sample candidates from an OpenAI-compatible server: vLLM, llama.cpp and others
///
/// Without --server a model's folder is sampled by the program `salv-train`: `salv sample MODEL PROBLEMS`.
#[derive(Parser)]
#[command(name = "salv sample", bin_name = "salv sample", version, arg_required_else_help = true)]
struct Arguments {
    /// The server's address, such as http://localhost:8000/v1; its key, if it wants one, is read from SALV_API_KEY
    #[arg(long, value_name = "URL")]
    server: String,
    /// The problems, `problems.jsonl`
    problems: PathBuf,
    /// Where the candidates go
    #[arg(short, long, default_value = "candidates.jsonl")]
    output: PathBuf,
    /// Completions of each problem
    #[arg(long, short = 'n', default_value_t = 5)]
    samples: usize,
    /// By what logits are divided; 0 takes the likeliest token
    #[arg(long, default_value_t = 1.0)]
    temperature: f64,
    /// Draw from the likeliest tokens that have this share of the probability together
    #[arg(long, default_value_t = 0.95)]
    top_p: f64,
    /// Most tokens of a completion
    #[arg(long, default_value_t = 2048)]
    max_tokens: usize,
    /// Text that ends a completion and is no part of it; may be given several times
    #[arg(long)]
    stop: Vec<String>,
    /// Seed of the requests' seeds
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    how: ServerArguments,
    /// Continue a run that ended early
    #[arg(long)]
    resume: bool,
    /// Make only part K of N, for a run on many machines; `salv merge` puts the parts together
    #[arg(long, value_name = "K/N")]
    shard: Option<ShardOf>,
}

/// How a server is asked.
#[derive(Clone, clap::Args)]
pub struct ServerArguments {
    /// The model's name at the server; by default the only one that it has
    #[arg(long, value_name = "NAME")]
    served_model: Option<String>,
    /// System prompt for the server; by default none
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Requests at a time; a server puts them into one batch
    #[arg(long, default_value_t = 16)]
    parallel: usize,
    /// Seconds that an answer may take
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// Tries of each request, after waits of 1, 2, 4, … seconds
    #[arg(long, default_value_t = 8)]
    tries: u32,
    /// Milliseconds before the second try
    #[arg(long, default_value_t = 1000, hide = true)]
    wait_ms: u64,
}

/// One run, for whoever needs candidates.
pub struct Run<'a> {
    /// The server's address.
    pub url: &'a str,
    /// The file of problems.
    pub problems: &'a Path,
    /// Where candidates go.
    pub output: &'a Path,
    /// How they are drawn.
    pub settings: Settings,
    /// How the server is asked.
    pub server: &'a ServerArguments,
    /// Whether a run that ended early is continued.
    pub resume: bool,
    /// The part of the rows that is made.
    pub shard: Option<ShardOf>,
}

/// Whether these arguments of `salv sample` name a server.
pub fn is_meant(arguments: &[OsString]) -> bool {
    let names = |argument: &OsString| {
        let text = argument.to_string_lossy();
        text == "--server" || text.starts_with("--server=")
    };
    arguments.iter().take_while(|argument| *argument != "--").any(names)
}

/// Runs the command.
pub fn run(arguments: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let name = [OsString::from("salv sample")];
    let arguments = Arguments::parse_from(name.into_iter().chain(arguments));
    let outputs = Outputs { rows: vec![&arguments.output], others: Vec::new() };
    files::expect_apart(&[&arguments.problems], &outputs)?;
    let settings = Settings {
        samples: arguments.samples,
        temperature: arguments.temperature,
        top_p: arguments.top_p,
        max_tokens: arguments.max_tokens,
        stop: arguments.stop,
        seed: arguments.seed,
    };
    let run = Run {
        url: &arguments.server,
        problems: &arguments.problems,
        output: &arguments.output,
        settings,
        server: &arguments.how,
        resume: arguments.resume,
        shard: arguments.shard,
    };
    let (_, is_whole) = sample(&run)?;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(130) })
}

/// Samples into the output; returns the model's name, and whether the run came to its end.
pub fn sample(run: &Run) -> anyhow::Result<(String, bool)> {
    check(&run.settings, run.server)?;
    let problems = problem::load(run.problems)?;
    ensure!(!problems.is_empty(), "{} holds no problem", run.problems.display());
    let stop = start::stop_flag()?;
    let client = Client::new(run.url, key(), patience(run.server))?;
    let model = model(run, &client, &stop)?;
    let whole = ShardOf { number: 1, of: 1 };
    let rows = run.shard.unwrap_or(whole).cut(problems.len() * run.settings.samples);
    let mut meta = meta(run, &model)?;
    meta.shard = run.shard.map(|_| rows);
    let (writer, done) = Writer::create(run.output, &meta, run.resume)?;
    let (ahead, known) = Ahead::open(run.output, &meta, done, run.resume)?;
    let (range, total) = (rows.range(), rows.range().len());
    say(run, &model, &problems);
    let bar = verify::progress_bar(total, done);
    let mut output = Output {
        writer,
        ahead,
        start: range.start,
        written: done,
        total,
        bar,
        told: Instant::now(),
    };
    let known: BTreeMap<usize, Row> =
        known.into_iter().map(|(row, value)| (range.start + row, value)).collect();
    let job = server::Run {
        client: &client,
        model: &model,
        system: run.server.system.as_deref(),
        settings: &run.settings,
        problems: &problems,
        parallel: run.server.parallel,
        stop: &stop,
    };
    let outcome = server::sample(&job, range.start + done..range.end, known, &mut output);
    let made = output.finish()?;
    outcome.with_context(|| format!("failed after {made} of {total} candidates"))?;
    let shown = run.output.display();
    let is_whole = made == total;
    match is_whole {
        true => eprintln!("candidates are in {shown}"),
        false => {
            eprintln!("stopped after {made} of {total} candidates; --resume continues {shown}")
        }
    }
    ensure!(is_whole || stop.load(Ordering::Relaxed), "the run ended before its last candidate");
    Ok((model, is_whole))
}

fn check(settings: &Settings, server: &ServerArguments) -> anyhow::Result<()> {
    let Settings { samples, temperature, top_p, max_tokens, stop, .. } = settings;
    ensure!(*samples > 0, "--samples must be 1 or more");
    ensure!(*temperature >= 0.0 && temperature.is_finite(), "--temperature must be 0 or more");
    ensure!(*top_p > 0.0 && *top_p <= 1.0, "--top-p {top_p} must be above 0 and at most 1");
    ensure!(*max_tokens > 0, "--max-tokens must be 1 or more");
    ensure!(stop.iter().all(|stop| !stop.is_empty()), "--stop is empty");
    ensure!((1..=1024).contains(&server.parallel), "--parallel must be 1 to 1024");
    ensure!(server.timeout > 0, "--timeout must be 1 or more");
    ensure!(server.tries > 0, "--tries must be 1 or more");
    Ok(())
}

/// Not an argument, since every user of a machine can read those.
fn key() -> Option<String> {
    std::env::var("SALV_API_KEY")
        .ok()
        .map(|key| key.trim().to_owned())
        .filter(|key| !key.is_empty())
}

fn patience(server: &ServerArguments) -> Patience {
    Patience {
        timeout: Duration::from_secs(server.timeout),
        tries: server.tries,
        wait: Duration::from_millis(server.wait_ms),
    }
}

fn model(run: &Run, client: &Client, stop: &AtomicBool) -> anyhow::Result<String> {
    if let Some(model) = &run.server.served_model {
        return Ok(model.clone());
    }
    let models = client.models(stop).context("failed to ask the server for its models")?;
    match &models[..] {
        [model] => Ok(model.clone()),
        [] => bail!("the server at {} has no model", run.url),
        _ => bail!(
            "the server at {} has several models; choose one with --served-model: {}",
            run.url,
            models.join(", ")
        ),
    }
}

/// What made the file. The server's address is not in it: a run may be continued on another machine's server.
fn meta(run: &Run, model: &str) -> anyhow::Result<Meta> {
    let problems = file_hash(run.problems)?;
    let configuration = json!({
        "served_model": model,
        "problems": problems,
        "settings": run.settings,
        "system": run.server.system,
    });
    let mut meta = Meta::new("sample", configuration);
    meta.seed = Some(run.settings.seed);
    meta.inputs = BTreeMap::from([(run.problems.display().to_string(), problems)]);
    Ok(meta)
}

fn say(run: &Run, model: &str, problems: &[Problem]) {
    let Settings { samples, temperature, top_p, max_tokens, seed, .. } = &run.settings;
    eprintln!(
        "{samples} completions for each of {} problems from {model} at {}: temperature {temperature}, top-p {top_p}, up to {max_tokens} tokens, seed {seed}, {} requests at a time",
        problems.len(),
        run.url,
        run.server.parallel
    );
}

/// How often a run says how far it is where there is no terminal for a bar.
const QUIET: Duration = Duration::from_secs(30);

/// Where candidates go: the file, and the file beside it for those that wait for earlier ones.
struct Output {
    writer: Writer,
    ahead: Ahead,
    /// The first row of this part.
    start: usize,
    /// Rows in the file.
    written: usize,
    total: usize,
    bar: ProgressBar,
    told: Instant,
}

impl Output {
    fn finish(mut self) -> anyhow::Result<usize> {
        self.bar.finish_and_clear();
        self.writer.finish()?;
        if self.written == self.total {
            self.ahead.remove()?;
        } else {
            self.ahead.settle(self.written)?;
        }
        Ok(self.written)
    }
}

impl Sink for Output {
    fn write(&mut self, row: Row) -> Result<(), RecordError> {
        self.writer.write(&row)?;
        self.writer.flush()?;
        self.written += 1;
        self.bar.inc(1);
        if self.bar.is_hidden() && self.told.elapsed() > QUIET {
            self.told = Instant::now();
            eprintln!("{} of {} candidates", self.written, self.total);
        }
        self.ahead.settle(self.written)
    }

    /// An answer costs seconds of a large machine: none is lost.
    fn keep(&mut self, at: usize, row: &Row) -> Result<(), RecordError> {
        self.ahead.keep(at - self.start, row)?;
        self.ahead.settle(self.written)
    }
}
