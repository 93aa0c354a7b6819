//! `salv corpus alpaca | chat | llama-factory`: one data set in, sft.jsonl and the list of what was left out.
//!
//! The data set is read twice: first to see that every row is of the format, so that a wrong file is
//! refused before anything is written, then to convert. Rows are never held together in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use clap::Args;
use serde_json::{Value, json};

use super::check::{self, Check};
use crate::cli::files::{self, Outputs};
use crate::cli::tools;
use crate::corpus::contamination::{self, Benchmarks, Thresholds};
use crate::corpus::sft::{
    self, DataSet, Dropped, Format, Reason, Row, Sample, Unfit, alpaca, chat, llama_factory,
};
use crate::problem::{self, Problem};
use crate::record::{Meta, Writer, beside};
use crate::verify::elaborator::Elaborator;

/// What was typed after `alpaca`.
#[derive(Args)]
pub struct Alpaca {
    /// JSON list or JSON lines, perhaps with .gz
    path: PathBuf,
    /// Field with the instruction
    #[arg(long, value_name = "FIELD", default_value = "instruction")]
    prompt_field: String,
    /// Field with more of the instruction, may be absent; it follows on the next line
    #[arg(long, value_name = "FIELD", default_value = "input")]
    input_field: String,
    /// Field with the answer
    #[arg(long, value_name = "FIELD", default_value = "output")]
    output_field: String,
    #[command(flatten)]
    common: Common,
}

/// What was typed after `chat`.
#[derive(Args)]
pub struct Chat {
    /// JSON list or JSON lines, perhaps with .gz
    path: PathBuf,
    #[command(flatten)]
    common: Common,
}

/// What was typed after `llama-factory`.
#[derive(Args)]
pub struct LlamaFactory {
    /// dataset_info.json, or the folder with it and the data
    path: PathBuf,
    /// Name of the data set in dataset_info.json
    #[arg(long, value_name = "NAME")]
    dataset: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Common {
    /// File to write, JSON lines
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Leave out what is too near to these problems (problems.jsonl of a benchmark); can be repeated
    #[arg(long, value_name = "FILE")]
    against: Vec<PathBuf>,
    /// Share of common parts from which code is too near, above 0 and up to 1
    #[arg(long, value_name = "SHARE", default_value_t = Thresholds::default().code)]
    code_similarity: f64,
    /// Share of common parts from which a prompt is too near, above 0 and up to 1
    #[arg(long, value_name = "SHARE", default_value_t = Thresholds::default().prompt)]
    prompt_similarity: f64,
    /// Leave out what slang refuses
    #[arg(long, value_enum)]
    check: Option<Check>,
    /// List rows that are not of the format as left out, instead of stopping at the first
    #[arg(long)]
    drop_malformed: bool,
    /// List of the rows that were left out; by default OUT.dropped.jsonl
    #[arg(long, value_name = "FILE")]
    dropped: Option<PathBuf>,
    /// Where the data comes from, to be noted in each sample
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Licence of the data, to be noted in each sample
    #[arg(long, value_name = "SPDX")]
    licence: Option<String>,
}

impl Alpaca {
    /// Imports the data set.
    pub fn run(self) -> anyhow::Result<()> {
        let columns = alpaca::Columns {
            prompt: Some(self.prompt_field),
            query: Some(self.input_field),
            response: self.output_field,
            ..alpaca::Columns::default()
        };
        let configuration = json!({
            "source": "alpaca",
            "fields": [&columns.prompt, &columns.query, Some(&columns.response)],
        });
        let set = DataSet { files: vec![self.path], format: Format::Alpaca(columns) };
        import(&set, &[], configuration, &self.common)
    }
}

impl Chat {
    /// Imports the data set.
    pub fn run(self) -> anyhow::Result<()> {
        let format = Format::Chat(chat::Columns::default());
        let set = DataSet { files: vec![self.path], format };
        import(&set, &[], json!({ "source": "chat" }), &self.common)
    }
}

impl LlamaFactory {
    /// Imports the data set.
    pub fn run(self) -> anyhow::Result<()> {
        let info = if self.path.is_dir() { self.path.join("dataset_info.json") } else { self.path };
        let set = llama_factory::data_set(&info, &self.dataset)?;
        let configuration = json!({ "source": "llama-factory", "dataset": self.dataset });
        import(&set, &[info], configuration, &self.common)
    }
}

/// What a run found.
#[derive(Default)]
struct Tally {
    kept: usize,
    multi_turn: usize,
    with_system: usize,
    chats_cut: usize,
    turns_cut: usize,
    dropped: BTreeMap<Reason, usize>,
}

fn import(
    set: &DataSet,
    descriptions: &[PathBuf],
    configuration: Value,
    common: &Common,
) -> anyhow::Result<()> {
    for share in [common.code_similarity, common.prompt_similarity] {
        ensure!(share > 0.0 && share <= 1.0, "a similarity is above 0 and up to 1, not {share}");
    }
    let dropped_path =
        common.dropped.clone().unwrap_or_else(|| beside(&common.out, ".dropped.jsonl"));
    let inputs = set.files.iter().chain(descriptions).chain(&common.against);
    let inputs: Vec<&Path> = inputs.map(PathBuf::as_path).collect();
    let outputs = Outputs { rows: vec![&common.out, &dropped_path], others: Vec::new() };
    files::expect_apart(&inputs, &outputs)?;
    let problems = load_all(&common.against)?;
    let thresholds = Thresholds { code: common.code_similarity, prompt: common.prompt_similarity };
    let benchmarks = (!problems.is_empty()).then(|| Benchmarks::new(&problems, thresholds));
    let workers = tools::workers()?;
    let mut elaborator = Elaborator::new(&workers, None);
    let total = expect_format(set, common.drop_malformed)?;

    let meta = meta(configuration, common, &inputs)?;
    let mut samples = Writer::create_whole(&common.out, &meta)?;
    let mut list = Writer::create_whole(&dropped_path, &meta)?;
    let mut tally = Tally::default();
    let bar = indicatif::ProgressBar::new(total as u64);
    for row in sft::rows(set) {
        let row = row?;
        let (id, line) = (row.id.clone(), row.line);
        match convert(row, common, benchmarks.as_ref(), &mut elaborator, &mut tally)? {
            Outcome::Kept(sample) => samples.write(&sample)?,
            Outcome::Unfit(Unfit { reason, message }) => {
                *tally.dropped.entry(reason).or_default() += 1;
                let message = Some(message);
                list.write(&Dropped {
                    id,
                    line,
                    reason,
                    message,
                    problem: None,
                    similarity: None,
                })?;
            }
            Outcome::Contaminated(found) => {
                *tally.dropped.entry(found.reason).or_default() += 1;
                list.write(&Dropped {
                    id,
                    line,
                    reason: found.reason,
                    message: None,
                    problem: Some(problems[found.problem].problem.clone()),
                    similarity: Some((found.similarity * 1e4).round() / 1e4),
                })?;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    samples.finish()?;
    list.finish()?;
    report(&tally, common, &dropped_path, total, problems.len());
    Ok(())
}

/// What becomes of a row.
enum Outcome {
    Kept(Sample),
    Unfit(Unfit),
    Contaminated(contamination::Contamination),
}

fn convert(
    row: Row,
    common: &Common,
    benchmarks: Option<&Benchmarks>,
    elaborator: &mut Elaborator,
    tally: &mut Tally,
) -> anyhow::Result<Outcome> {
    let settled = match row.chat.and_then(|chat| sft::settle(row.id, chat)) {
        Ok(settled) => settled,
        Err(unfit) => return Ok(Outcome::Unfit(unfit)),
    };
    let mut sample = settled.sample;
    if let Some(found) = benchmarks.and_then(|benchmarks| benchmarks.find(&sample)) {
        return Ok(Outcome::Contaminated(found));
    }
    if let Some(check) = common.check
        && let Some(fault) = check::fault(check, elaborator, &settled.code)?
    {
        return Ok(Outcome::Unfit(fault));
    }
    sample.source.clone_from(&common.source);
    sample.licence.clone_from(&common.licence);
    tally.kept += 1;
    tally.multi_turn += usize::from(!sample.history.is_empty());
    tally.with_system += usize::from(sample.system.is_some());
    tally.chats_cut += usize::from(settled.cut > 0);
    tally.turns_cut += settled.cut;
    Ok(Outcome::Kept(sample))
}

/// Reads the whole data set once and counts its rows; the first that is not of the format is an error.
fn expect_format(set: &DataSet, drop_malformed: bool) -> anyhow::Result<usize> {
    let mut total = 0;
    for row in sft::rows(set) {
        let row = row?;
        total += 1;
        if let (Err(unfit), false) = (&row.chat, drop_malformed)
            && unfit.reason == Reason::Malformed
        {
            bail!(
                "failed to read {}:{}: row {}: {} (--drop-malformed lists such rows and goes on)",
                row.file.display(),
                row.line,
                row.id,
                unfit.message
            );
        }
    }
    ensure!(total > 0, "failed to import {}: there are no rows", set.files[0].display());
    Ok(total)
}

pub(super) fn load_all(paths: &[PathBuf]) -> anyhow::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for path in paths {
        let found = problem::load(path)?;
        ensure!(!found.is_empty(), "failed to use {}: it holds no problem", path.display());
        problems.extend(found);
    }
    Ok(problems)
}

fn meta(configuration: Value, common: &Common, inputs: &[&Path]) -> anyhow::Result<Meta> {
    let check = common.check.map(|check| format!("{check:?}").to_lowercase());
    let mut configuration = configuration;
    configuration["check"] = json!(check);
    configuration["drop_malformed"] = json!(common.drop_malformed);
    configuration["sample_source"] = json!(common.source);
    configuration["licence"] = json!(common.licence);
    if !common.against.is_empty() {
        configuration["contamination"] = json!({
            "code_similarity": common.code_similarity,
            "code_shingle": contamination::CODE_SHINGLE,
            "prompt_similarity": common.prompt_similarity,
            "prompt_shingle": contamination::PROMPT_SHINGLE,
        });
    }
    let mut meta = Meta::new("corpus", configuration);
    if common.check.is_some() {
        meta.tools.insert("slang".to_owned(), crate::design::slang_version().to_owned());
    }
    for path in inputs {
        meta.inputs.insert(path.display().to_string(), super::hash(path)?);
    }
    Ok(meta)
}

fn report(tally: &Tally, common: &Common, dropped: &Path, total: usize, problems: usize) {
    let line = |name: &str, count: usize| {
        println!("{name:<22} {count:>8}   {:>5.1} %", 100.0 * count as f64 / total as f64);
    };
    println!("rows                   {total:>8}");
    line("samples", tally.kept);
    line("  with earlier turns", tally.multi_turn);
    line("  with a system prompt", tally.with_system);
    line("  cut after the code", tally.chats_cut);
    let all: usize = tally.dropped.values().sum();
    line("left out", all);
    for (reason, count) in &tally.dropped {
        line(&format!("  {}", reason.name()), *count);
    }
    if tally.turns_cut > 0 {
        println!("{} turn(s) cut after the last code of a chat", tally.turns_cut);
    }
    match problems {
        0 => println!("compared with no benchmark (--against FILE)"),
        _ => println!("compared with {problems} problem(s)"),
    }
    eprintln!("{}: the samples; {}: what was left out", common.out.display(), dropped.display());
}
