//! `timings.json`: how long each step took and how much it did in that time. Nothing else in a run's folder holds a
//! time but what the stages write beside their files for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record;
use crate::run::ledger::replace;
use crate::run::plan::{Stage, Step};

/// The name of the file.
pub const TIMINGS: &str = "timings.json";

/// The times of a run's steps, by name.
#[derive(Debug, Default)]
pub struct Timings {
    steps: BTreeMap<String, Time>,
}

/// The time of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// Wall time of the process that brought it to its end, with its start.
    pub seconds: f64,
    /// What was counted, such as `tokens`; none where there is nothing to count.
    pub unit: Option<String>,
    /// How many of them that process did.
    pub count: f64,
    /// In how many seconds, without its start.
    pub working: f64,
}

impl Timings {
    /// Reads what earlier runs wrote.
    pub fn open(folder: &Path) -> anyhow::Result<Timings> {
        let path = folder.join(TIMINGS);
        match std::fs::read(&path) {
            Ok(text) => {
                let steps = serde_json::from_slice(&text);
                Ok(Timings {
                    steps: steps.with_context(|| format!("failed to read {}", path.display()))?,
                })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Timings::default()),
            Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
        }
    }

    /// The time of a step.
    pub fn of(&self, step: &str) -> Option<&Time> {
        self.steps.get(step)
    }

    /// Adds a step that has ended; `is_rest` where an earlier process did a part of it.
    pub fn add(
        &mut self,
        step: &Step,
        folder: &Path,
        (elapsed, is_rest): (Duration, bool),
    ) -> anyhow::Result<()> {
        let output = folder.join(&step.outputs[0]);
        let seconds = elapsed.as_secs_f64();
        let (unit, count, working) = match step.stage {
            Stage::Sample => counted(&output, "tokens", "tokens")?,
            Stage::Verify => counted(&output, "candidates", "candidates")?,
            Stage::Sft | Stage::Dpo => trained(&folder.join(step.training().unwrap_or_default()))?,
            Stage::Corpus => (Some("problems"), rows(&output)?, seconds),
            Stage::Extract if is_rest => (None, 0.0, seconds),
            Stage::Extract => (Some("candidates"), rows(&output)?, seconds),
            Stage::Pair => (Some("pairs"), rows(&output)?, seconds),
            Stage::Merge => (None, 0.0, seconds),
        };
        // A process that found everything done says nothing of speed: what an earlier one said stays.
        if count > 0.0 || !self.steps.contains_key(step.name) {
            let unit = unit.map(str::to_owned);
            self.steps.insert(step.name.to_owned(), Time { seconds, unit, count, working });
        }
        let text = serde_json::to_string_pretty(&self.steps)? + "\n";
        Ok(replace(&folder.join(TIMINGS), text.as_bytes())?)
    }
}

type Counted = (Option<&'static str>, f64, f64);

/// What the stage itself wrote of its time.
fn counted(output: &Path, key: &str, unit: &'static str) -> anyhow::Result<Counted> {
    let path = PathBuf::from(format!("{}.timings.json", output.display()));
    let text =
        std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let found: Value = serde_json::from_slice(&text)?;
    let number = |key: &str| found[key].as_f64().unwrap_or(0.0);
    Ok((Some(unit), number(key), number("seconds")))
}

/// All steps of a training, in whatever process they were made.
fn trained(folder: &Path) -> anyhow::Result<Counted> {
    let (mut tokens, mut seconds) = (0.0, 0.0);
    for row in record::read::<Value>(&folder.join("timings.jsonl"))? {
        let row = row?.value;
        if row["evaluation"].as_bool() == Some(false) {
            tokens += row["tokens"].as_f64().unwrap_or(0.0);
            seconds += row["seconds"].as_f64().unwrap_or(0.0);
        }
    }
    Ok((Some("tokens"), tokens, seconds))
}

fn rows(path: &Path) -> anyhow::Result<f64> {
    Ok(record::read::<serde::de::IgnoredAny>(path)?.pass(usize::MAX)? as f64)
}
