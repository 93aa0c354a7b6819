//! `salv train sft`.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::dry_run::Example;
use super::fit::Fit;
use super::job::Job;
use super::session::Session;
use crate::train::batch::Sequence;
use crate::train::data::{self, Loaded};
use crate::train::run::Objective;
use crate::train::sft::{Mean, Sft};

/// Learn answers: the mean negative log-likelihood of `sft.jsonl`'s completions
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    fit: Fit,
    /// What the loss is a mean of
    #[arg(long, value_enum, default_value_t = MeanName::Tokens)]
    mean: MeanName,
}

#[derive(Clone, Copy, ValueEnum)]
enum MeanName {
    /// Tokens: each counts the same
    Tokens,
    /// Answers: each counts the same, whatever its length
    Sequences,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { fit, mean } = arguments;
    let (mean, name) = match mean {
        MeanName::Tokens => (Mean::Tokens, "tokens"),
        MeanName::Sequences => (Mean::Sequences, "sequences"),
    };
    let session = Session::open(fit)?;
    let asker = session.asker(fit);
    let (rows, evaluation) =
        session.rows(fit, |path| data::samples(path, &asker, session.cutoff, session.threads))?;
    let sft = |loaded: Loaded<Sequence>| Sft { sequences: loaded.rows, lines: loaded.lines, mean };
    let (sft, evaluation) = (sft(rows), evaluation.map(sft));
    let (engine, lora) = session.engine(fit)?;
    let examples = sft.sequences.iter().map(|sequence| Example { title: "answer", sequence });
    let job = Job {
        stage: "train sft",
        rate: 1e-5,
        objective: &sft,
        evaluation: evaluation.as_ref().map(|evaluation| evaluation as &dyn Objective),
        configuration: json!({ "mean": name }),
        examples: examples.take(2).collect(),
    };
    job.run(&session, fit, &engine, lora)
}
