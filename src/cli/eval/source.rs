//! Where the candidates of an evaluation come from: a file, a model, a server, or the benchmark's golden modules.
//!
//! However they come, they end in the folder's `candidates.jsonl`, in the order of the source and with its ids; rows for
//! problems that are not in the benchmark are left out and counted. A model and a server are asked with settings that
//! are fixed here and told in the report.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::{Value, json};

use super::{Arguments, CANDIDATES, PROBLEMS};
use crate::candidate;
use crate::cli::server::{self, ServerArguments};
use crate::cli::torch;
use crate::eval::Entry;
use crate::record::{Meta, Writer, content_hash, file_hash};
use crate::verify::icarus::stand_in;
use crate::verilog::unit::sole_top;

/// Where candidates come from, and how they are drawn.
#[derive(Args)]
#[group(skip)]
pub struct Source {
    #[command(flatten)]
    from: From,
    /// An adapter for --model, in PEFT's format
    #[arg(long, value_name = "FOLDER")]
    adapter: Option<PathBuf>,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    server: ServerArguments,
}

/// One of these.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct From {
    /// Candidates that are there, `candidates.jsonl`
    #[arg(long, value_name = "FILE")]
    candidates: Option<PathBuf>,
    /// Sample them from a model's folder (by the program `salv-train`)
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    /// Sample them from an OpenAI-compatible server, such as http://localhost:8000/v1
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The benchmark's golden modules: what is wrong with the benchmark, or with this
    #[arg(long)]
    golden: bool,
}

/// How candidates are drawn of a model; VerilogEval's own settings by default.
#[derive(Args)]
struct How {
    /// Completions of each problem that are sampled
    #[arg(long, short = 'n', default_value_t = 20)]
    samples: usize,
    /// By what logits are divided; 0 takes the likeliest token
    #[arg(long, default_value_t = 0.8)]
    temperature: f64,
    /// Draw from the likeliest tokens that have this share of the probability together
    #[arg(long, default_value_t = 0.95)]
    top_p: f64,
    /// Most tokens of a completion
    #[arg(long, default_value_t = 2048)]
    max_tokens: usize,
}

/// What was made of the source.
pub struct Drawn {
    /// How, for the report.
    pub settings: Value,
    /// Rows that are for other problems.
    pub elsewhere: usize,
}

impl Source {
    /// The file that the candidates are in already.
    pub fn file(&self) -> Option<&Path> {
        self.from.candidates.as_deref()
    }

    /// Puts the candidates into the folder; `None` if that was stopped.
    pub fn candidates(
        &self,
        arguments: &Arguments,
        entries: &[Entry],
    ) -> anyhow::Result<Option<Drawn>> {
        ensure!(
            self.adapter.is_none() || self.from.model.is_some(),
            "--adapter belongs to --model, which is not given"
        );
        let output = arguments.output.join(CANDIDATES);
        if let Some(file) = &self.from.candidates {
            return copy(file, &output, entries).map(Some);
        }
        if self.from.golden {
            return goldens(&output, entries).map(Some);
        }
        let How { samples, temperature, top_p, max_tokens } = self.how;
        eprintln!(
            "{samples} completions for each of {} problems: temperature {temperature}, top-p {top_p}, up to {max_tokens} tokens, seed {}",
            entries.len(),
            arguments.stimulus.seed
        );
        let mut settings = json!({
            "samples": samples,
            "temperature": temperature,
            "top_p": top_p,
            "max_tokens": max_tokens,
            "seed": arguments.stimulus.seed,
        });
        let done = match (&self.from.model, &self.from.server) {
            (Some(model), _) => {
                settings["model"] = json!(model);
                settings["adapter"] = json!(self.adapter);
                self.sample_model(model, arguments, &output)?
            }
            (None, Some(url)) => {
                let sampling = crate::sample::server::Settings {
                    samples,
                    temperature,
                    top_p,
                    max_tokens,
                    stop: Vec::new(),
                    seed: arguments.stimulus.seed,
                };
                let problems = arguments.output.join(PROBLEMS);
                let run = server::Run {
                    url,
                    problems: &problems,
                    output: &output,
                    settings: sampling,
                    server: &self.server,
                    resume: arguments.resume,
                    shard: None,
                };
                let (model, is_whole) = server::sample(&run)?;
                settings["model"] = json!(model);
                is_whole
            }
            (None, None) => unreachable!("the group is required"),
        };
        Ok(done.then_some(Drawn { settings, elsewhere: 0 }))
    }

    /// Has `salv-train` sample; false if it was stopped.
    fn sample_model(
        &self,
        model: &Path,
        arguments: &Arguments,
        output: &Path,
    ) -> anyhow::Result<bool> {
        let How { samples, temperature, top_p, max_tokens } = &self.how;
        let program = torch::find()?;
        let mut command = Command::new(&program);
        command.arg(torch::SAMPLE).arg(model).arg(arguments.output.join(PROBLEMS));
        command.arg("--output").arg(output);
        command.args(["--samples", &samples.to_string(), "--top-p", &top_p.to_string()]);
        command.args(["--temperature", &temperature.to_string()]);
        command.args(["--max-tokens", &max_tokens.to_string()]);
        command.args(["--seed", &arguments.stimulus.seed.to_string()]);
        if let Some(adapter) = &self.adapter {
            command.arg("--adapter").arg(adapter);
        }
        if arguments.resume {
            command.arg("--resume");
        }
        let status =
            command.status().with_context(|| format!("failed to run {}", program.display()))?;
        let stopped = status.code() == Some(i32::from(super::STOPPED));
        ensure!(status.success() || stopped, "failed to sample: {} {status}", program.display());
        Ok(!stopped)
    }
}

/// Copies the rows of the benchmark's problems.
fn copy(file: &Path, output: &Path, entries: &[Entry]) -> anyhow::Result<Drawn> {
    let names: HashSet<&str> = entries.iter().map(|entry| entry.problem.problem.as_str()).collect();
    let hash = file_hash(file)?;
    let meta = Meta::new("eval-candidates", json!({ "file": hash }));
    let mut writer = Writer::create_whole(output, &meta)?;
    let mut elsewhere = 0;
    for candidate in candidate::read(file)? {
        let candidate = candidate?;
        if names.contains(candidate.problem.as_str()) {
            writer.write(&candidate)?;
        } else {
            elsewhere += 1;
        }
    }
    writer.finish()?;
    if elsewhere > 0 {
        eprintln!("{elsewhere} candidates are for problems that are not in this benchmark");
    }
    Ok(Drawn { settings: json!({ "file": file, "hash": hash }), elsewhere })
}

/// The golden modules under the names that candidates must have.
fn goldens(output: &Path, entries: &[Entry]) -> anyhow::Result<Drawn> {
    let texts: String = entries.iter().map(|entry| entry.problem.golden.as_str()).collect();
    let meta = Meta::new("eval-candidates", json!({ "golden": content_hash(texts.as_bytes()) }));
    let mut writer = Writer::create_whole(output, &meta)?;
    for Entry { problem, .. } in entries {
        let top = problem.golden_top.clone().or_else(|| sole_top(&problem.golden));
        let top = top.with_context(|| format!("{}: which module is golden?", problem.problem))?;
        let text = stand_in(&problem.golden, &top, &problem.top).with_context(|| {
            format!("failed to rename the golden module of {}", problem.problem)
        })?;
        let id = format!("{}/golden", problem.problem);
        writer.write(&json!({ "problem": problem.problem, "id": id, "completion": text }))?;
    }
    writer.finish()?;
    Ok(Drawn { settings: json!("golden"), elsewhere: 0 })
}
