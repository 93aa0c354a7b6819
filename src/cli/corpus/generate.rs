//! `salv corpus generate`: a seed, a split and a count in, problems out, and what goes with them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::super::files::{self, Outputs};
use super::sft::load_all;
use crate::candidate::Candidate;
use crate::corpus::generate::{self, Generated, Settings, Split};
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
    /// Write nothing that is too near to these problems; can be repeated
    #[arg(long, value_name = "FILE")]
    against: Vec<PathBuf>,
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
        let rows = [&self.out].into_iter().chain(&self.sft).chain(&self.versions);
        let rows = rows.map(PathBuf::as_path).collect();
        let against: Vec<&Path> = self.against.iter().map(PathBuf::as_path).collect();
        files::expect_apart(&against, &Outputs { rows, others: Vec::new() })?;
        let settings = Settings {
            seed: self.seed,
            split: self.split.split(),
            families: self.family.clone(),
            against: load_all(&self.against)?,
        };
        let made = generate::problems(&settings)?.take(self.count);
        let meta = self.meta()?;
        let create = |path: &PathBuf| Writer::create_whole(path, &meta);
        let mut problems = create(&self.out)?;
        let mut samples = self.sft.as_ref().map(create).transpose()?;
        let mut candidates = self.versions.as_ref().map(create).transpose()?;
        let mut shapes = HashSet::new();
        let bar = indicatif::ProgressBar::new(self.count as u64);
        for one in made {
            let one = one?;
            problems.write(&one.problem)?;
            if let Some(samples) = &mut samples {
                samples.write(&one.sample())?;
            }
            if let Some(candidates) = &mut candidates {
                versions(&one).iter().try_for_each(|version| candidates.write(version))?;
            }
            shapes.insert(one.shape);
            bar.inc(1);
        }
        bar.finish_and_clear();
        for writer in [Some(problems), samples, candidates].into_iter().flatten() {
            writer.finish()?;
        }
        eprintln!("{}: {} problem(s) of {} shapes", self.out.display(), self.count, shapes.len());
        Ok(())
    }

    fn meta(&self) -> anyhow::Result<Meta> {
        let split = self.split.split().name();
        let mut meta = Meta::new(
            "corpus",
            json!({
                "source": "generate",
                "split": split,
                "families": self.family,
                "count": self.count,
            }),
        );
        meta.seed = Some(self.seed);
        for path in &self.against {
            meta.inputs.insert(path.display().to_string(), super::hash(path)?);
        }
        Ok(meta)
    }
}

fn versions(one: &Generated) -> [Candidate; 2] {
    [("golden", &one.problem.golden), ("second", &one.second)].map(|(name, text)| Candidate {
        problem: one.problem.problem.clone(),
        id: format!("{}/{name}", one.problem.problem),
        completion: text.clone(),
    })
}
