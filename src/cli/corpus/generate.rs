//! `salv corpus generate`: a seed, a split and a count in, problems out, and what goes with them.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::candidate::Candidate;
use crate::corpus::generate::{self, Generated, Settings, Split};
use crate::corpus::sft::Sample;
use crate::record::{Meta, Writer};

/// What was typed after `generate`.
#[derive(Args)]
pub struct Generate {
    /// Decides every problem
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many problems
    #[arg(long, short = 'n', value_name = "N")]
    count: usize,
    /// Which designs: splits share none, nor any set of outputs with other widths, constants or resets
    #[arg(long, value_enum, default_value_t = SplitName::Train)]
    split: SplitName,
    /// Only this family of designs; can be repeated
    #[arg(long, value_name = "NAME")]
    family: Vec<String>,
    /// Problems to write, `problems.jsonl`
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Write the prompts and golden modules as samples for `salv train sft` too
    #[arg(long, value_name = "FILE")]
    sft: Option<PathBuf>,
    /// Write each golden module and its second version as candidates too, for `salv verify OUT FILE --fail-on ...`
    #[arg(long, value_name = "FILE")]
    versions: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum SplitName {
    /// To learn the task from
    Train,
    /// To sample candidates for and make pairs of
    Pairs,
    /// To measure on
    HeldOut,
}

impl SplitName {
    fn split(self) -> Split {
        match self {
            SplitName::Train => Split::Train,
            SplitName::Pairs => Split::Pairs,
            SplitName::HeldOut => Split::HeldOut,
        }
    }
}

impl Generate {
    /// Writes the files.
    pub fn run(self) -> anyhow::Result<()> {
        ensure!(self.count > 0, "--count must be 1 or more");
        let files: Vec<&PathBuf> = [&self.out].into_iter().chain(&self.sft).chain(&self.versions).collect();
        for (at, file) in files.iter().enumerate() {
            ensure!(!files[..at].contains(file), "two outputs are one file, {}", file.display());
        }
        let settings =
            Settings { seed: self.seed, split: self.split.split(), families: self.family.clone() };
        let made = generate::problems(&settings)?.take(self.count);
        let made = made.collect::<Result<Vec<Generated>, _>>()?;
        let meta = self.meta();
        save(&self.out, &meta, made.iter().map(|one| &one.problem))?;
        if let Some(path) = &self.sft {
            save(path, &meta, made.iter().map(sample))?;
        }
        if let Some(path) = &self.versions {
            save(path, &meta, made.iter().flat_map(versions))?;
        }
        let shapes: std::collections::HashSet<&str> =
            made.iter().map(|one| one.shape.as_str()).collect();
        eprintln!("{}: {} problem(s) of {} shapes", self.out.display(), made.len(), shapes.len());
        Ok(())
    }

    fn meta(&self) -> Meta {
        let split = self.split.split().name();
        let mut meta = Meta::new("corpus", json!({ "source": "generate", "split": split, "families": self.family, "count": self.count }));
        meta.seed = Some(self.seed);
        meta
    }
}

fn save<T: serde::Serialize>(
    path: &Path,
    meta: &Meta,
    rows: impl Iterator<Item = T>,
) -> anyhow::Result<()> {
    let (mut writer, _) = Writer::create(path, meta, false)?;
    for row in rows {
        writer.write(&row)?;
    }
    Ok(writer.finish()?)
}

fn sample(one: &Generated) -> Sample {
    Sample {
        id: one.problem.problem.clone(),
        system: None,
        history: Vec::new(),
        prompt: one.problem.prompt.clone(),
        completion: one.problem.golden.clone(),
        source: one.problem.source.clone(),
        licence: one.problem.licence.clone(),
    }
}

fn versions(one: &Generated) -> [Candidate; 2] {
    [("golden", &one.problem.golden), ("second", &one.second)].map(|(name, text)| Candidate {
        problem: one.problem.problem.clone(),
        id: format!("{}/{name}", one.problem.problem),
        completion: text.clone(),
    })
}
