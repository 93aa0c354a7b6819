//! `salv export`: pairs and verdicts in the files of other programs.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use serde_json::json;

use super::files::{self, Outputs};
use crate::candidate;
use crate::exchange::llama_factory::{self, Omission};
use crate::exchange::{sim_info, trl};
use crate::pair::Pair;
use crate::pair::label::Rules;
use crate::problem;
use crate::record::{self, Draft, Meta, Writer, file_hash, meta_path};
use crate::verify::verdict::Verdict;

/// Write pairs and verdicts as files of other programs; `salv corpus` reads theirs
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    target: Target,
}

#[derive(Subcommand)]
enum Target {
    /// Pairs for TRL: JSON lines with prompt, chosen and rejected, and our spans and signals beside them
    Trl {
        #[command(flatten)]
        export: Export,
        /// Messages with a role instead of plain texts
        #[arg(long)]
        chat: bool,
    },
    /// Pairs for the published code's LLaMA-Factory: a JSON list with the token ranges that the loss keeps
    LlamaFactory {
        #[command(flatten)]
        export: Export,
        /// The tokenizer.json of the model that is trained
        #[arg(long, value_name = "FILE")]
        tokenizer: PathBuf,
    },
    /// Verdicts as the published code's sim_info: mismatches by output, a list for each problem
    SimInfo {
        #[command(flatten)]
        export: Export,
        /// The problems, in the order of the published code's seed data
        #[arg(long, value_name = "FILE")]
        problems: PathBuf,
        /// An output that is wrong by undefined bits only is neither right nor wrong
        #[arg(long)]
        ignore_power_up: bool,
        /// Outputs behind a race count too
        #[arg(long)]
        keep_races: bool,
    },
}

#[derive(Args)]
struct Export {
    /// What to export: pairs.jsonl, or verdicts.jsonl for sim-info
    path: PathBuf,
    /// File to write
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.target {
        Target::Trl { export, chat } => export_trl(&export, chat)?,
        Target::LlamaFactory { export, tokenizer } => export_llama_factory(&export, &tokenizer)?,
        Target::SimInfo { export, problems, ignore_power_up, keep_races } => {
            let rules = Rules { ignore_power_up, keep_races, ..Rules::default() };
            export_sim_info(&export, &problems, &rules)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn export_trl(export: &Export, chat: bool) -> anyhow::Result<()> {
    export.check(&[], true)?;
    let mut meta = Meta::new("export", json!({ "target": "trl", "chat": chat }));
    meta.inputs.insert(export.path.display().to_string(), file_hash(&export.path)?);
    let mut writer = Writer::create_whole(&export.out, &meta)?;
    let mut rows = 0;
    for pair in record::read::<Pair>(&export.path)? {
        writer.write(&trl::row(&pair?.value, chat))?;
        rows += 1;
    }
    writer.finish()?;
    eprintln!("{}: {rows} pairs", export.out.display());
    Ok(())
}

fn export_llama_factory(export: &Export, tokenizer: &Path) -> anyhow::Result<()> {
    export.check(&[tokenizer], false)?;
    let tokenizer = llama_factory::load(tokenizer)?;
    let mut list = JsonList::create(&export.out)?;
    let (mut marks, mut empty) = (0, 0);
    for pair in record::read::<Pair>(&export.path)? {
        match llama_factory::row(&pair?.value, &tokenizer)? {
            Ok(row) => list.write(&row)?,
            Err(Omission::Mark) => marks += 1,
            Err(Omission::NoToken) => empty += 1,
        }
    }
    let rows = list.finish()?;
    eprintln!(
        "{}: {rows} pairs; left out: {marks} that hold a mark of the format, {empty} without a token in a mask",
        export.out.display()
    );
    eprintln!(
        "entry for dataset_info.json: {}",
        json!({ "salv": {
            "file_name": export.out.file_name().map(|name| name.to_string_lossy()),
            "ranking": true,
            "columns": { "prompt": "instruction", "chosen": "chosen", "rejected": "rejected" },
        }})
    );
    Ok(())
}

fn export_sim_info(export: &Export, problems: &Path, rules: &Rules) -> anyhow::Result<()> {
    export.check(&[problems], false)?;
    expect_whole(&export.path)?;
    let problems = problem::load(problems)?;
    let verdicts: Result<Vec<Verdict>, _> =
        record::read::<Verdict>(&export.path)?.map(|row| row.map(|row| row.value)).collect();
    let lists = sim_info::lists(&problems, verdicts?.into_iter(), rules)?;
    let mut list = JsonList::create(&export.out)?;
    for problem in &lists {
        list.write(problem)?;
    }
    let rows = list.finish()?;
    let elements: usize = lists.iter().map(Vec::len).sum();
    eprintln!("{}: {rows} problems, {elements} candidates", export.out.display());
    Ok(())
}

/// Refuses verdicts of a run that is a part or did not come to its end, as far as that can be seen.
fn expect_whole(verdicts: &Path) -> anyhow::Result<()> {
    let Ok(text) = std::fs::read_to_string(meta_path(verdicts)) else { return Ok(()) };
    let meta: Meta = serde_json::from_str(&text)
        .with_context(|| format!("failed to understand {}", meta_path(verdicts).display()))?;
    let shown = verdicts.display();
    ensure!(
        meta.shard.is_none(),
        "{shown} is a part of a run; `salv merge` puts the parts together"
    );
    let hash = meta.configuration["candidates"].as_str();
    let candidates = meta.inputs.iter().find(|(_, found)| Some(found.as_str()) == hash);
    if let Some((path, hash)) = candidates
        && file_hash(Path::new(path)).is_ok_and(|found| found == *hash)
    {
        let wanted = candidate::read(Path::new(path))?.pass(usize::MAX)?;
        let found = record::read::<Verdict>(verdicts)?.pass(usize::MAX)?;
        ensure!(
            found == wanted,
            "{shown} has verdicts of {found} of the {wanted} candidates in {path}; `salv verify --resume` makes the others"
        );
    }
    Ok(())
}

impl Export {
    /// Refuses to write over what is read.
    fn check(&self, inputs: &[&Path], is_of_rows: bool) -> anyhow::Result<()> {
        let inputs: Vec<&Path> = inputs.iter().copied().chain([self.path.as_path()]).collect();
        let (mut outputs, out) = (Outputs::default(), self.out.as_path());
        if is_of_rows { &mut outputs.rows } else { &mut outputs.others }.push(out);
        files::expect_apart(&inputs, &outputs)
    }
}

/// A JSON list that is written an element at a time.
struct JsonList<'a> {
    path: &'a Path,
    draft: BufWriter<Draft>,
    rows: usize,
}

impl JsonList<'_> {
    fn create(path: &Path) -> anyhow::Result<JsonList<'_>> {
        Ok(JsonList { path, draft: BufWriter::new(Draft::create(path)?), rows: 0 })
    }

    fn write(&mut self, row: &impl serde::Serialize) -> anyhow::Result<()> {
        let opening = if self.rows == 0 { "[\n" } else { ",\n" };
        self.rows += 1;
        self.put(opening.as_bytes())?;
        self.put(&serde_json::to_vec(row)?)
    }

    fn finish(mut self) -> anyhow::Result<usize> {
        let closing: &[u8] = if self.rows == 0 { b"[]\n" } else { b"\n]\n" };
        self.put(closing)?;
        let done = self.draft.into_inner().map_err(|error| error.into_error());
        done.with_context(|| format!("failed to write {}", self.path.display()))?.commit()?;
        Ok(self.rows)
    }

    fn put(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = self.draft.write_all(bytes);
        written.with_context(|| format!("failed to write {}", self.path.display()))
    }
}
