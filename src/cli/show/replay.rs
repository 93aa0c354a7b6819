//! A candidate run again: the episodes of its first mismatches, in full.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use anyhow::bail;

use super::super::verify::BackendArguments;
use super::sources::Sources;
use crate::candidate::Candidate;
use crate::design::Interface;
use crate::problem::Problem;
use crate::record::Meta;
use crate::verify::backend::{Backend, Outcome, Task, Trace};
use crate::verify::lanes;
use crate::verify::run::{self, Parallelism, Run};
use crate::verify::stimulus::{self, Config};
use crate::verify::verdict::{FirstMismatch, MismatchKind, SignalVerdict};
use crate::verify::verilator::Verilator;

/// One episode of a candidate and its golden module.
pub struct Replayed {
    /// The golden module's ports.
    pub interface: Interface,
    /// All steps of the episode.
    pub trace: Trace,
}

/// A candidate that is ready to be run again.
pub struct Replay {
    backend: Verilator,
    task: Task,
    config: Config,
    /// How the versions of today differ from those that judged, if they do.
    pub note: Option<String>,
}

impl Replay {
    /// Finds the tools and reads the modules again.
    pub fn open(
        sources: &Sources,
        arguments: &BackendArguments,
        problem: &Problem,
        candidate: &Candidate,
    ) -> anyhow::Result<Replay> {
        let (backend, workers) = arguments.open()?;
        let job = Run {
            problems: std::slice::from_ref(problem),
            backend: &backend,
            lanes: false,
            workers: &workers,
            config: &sources.config,
            parallelism: Parallelism { threads: 1, batch: 1 },
            stop: &AtomicBool::new(false),
        };
        let mut tools = backend.tools();
        if sources.meta.tools.contains_key(run::LANES) {
            // What lanes judged is shown by verilator.
            tools.insert(run::LANES.into(), lanes::VERSION.to_string());
        }
        let note = differences(&sources.meta, stimulus::VERSION, &tools);
        let task = match run::task_of(&job, candidate)? {
            Ok(task) => task,
            Err((status, message)) => {
                let note = note.map(|note| format!("\n{note}")).unwrap_or_default();
                bail!("the candidate is now {}: {message}{note}", status.name())
            }
        };
        Ok(Replay { backend, task, config: sources.config, note })
    }

    /// Runs the episode of a signal's first mismatch.
    pub fn run(&self, signal: &SignalVerdict, first: &FirstMismatch) -> anyhow::Result<Replayed> {
        let mut task = self.task.clone();
        // The backend follows the first; the text in another order comes after it.
        let reordered = signal.kind == Some(MismatchKind::Order);
        task.candidates.drain(..usize::from(reordered && task.candidates.len() > 1));
        match self.backend.trace(&task, &self.config, first.episode)? {
            Ok(trace) => Ok(Replayed { interface: task.interface, trace }),
            Err(Outcome::Unsupported(why) | Outcome::Timeout(why) | Outcome::Crash(why)) => {
                bail!("the replay did not end: {why}")
            }
            Err(Outcome::Counted(_)) => bail!("the backend gave counts and no trace"),
        }
    }
}

/// A sentence for each version that is not what judged the candidates.
fn differences(meta: &Meta, stimulus: u32, tools: &BTreeMap<String, String>) -> Option<String> {
    let mut notes: Vec<String> = Vec::new();
    if meta.stimulus != Some(stimulus) {
        let was = meta.stimulus.map_or("another stimulus".into(), |version| {
            format!("version {version} of the stimulus")
        });
        notes.push(format!(
            "note: judged with {was}, replayed with version {stimulus}: the same place has other inputs"
        ));
    }
    let named = |tool: &&String| tool.as_str() != "stimulus";
    let mut names: Vec<&String> = meta.tools.keys().chain(tools.keys()).filter(named).collect();
    names.sort();
    names.dedup();
    for name in names {
        let version = |tools: &BTreeMap<String, String>| {
            tools.get(name).map_or("none".into(), |version| super::glyph::clean(version))
        };
        let (was, is) = (version(&meta.tools), version(tools));
        if was != is {
            notes.push(format!(
                "note: judged with {} {was}, replayed with {is}",
                super::glyph::clean(name)
            ));
        }
    }
    (!notes.is_empty()).then(|| notes.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_versions_than_those_that_judged_are_named() {
        let tools =
            |verilator: &str| BTreeMap::from([("verilator".to_owned(), verilator.to_owned())]);
        let mut meta = Meta::new("verify", serde_json::Value::Null);
        (meta.stimulus, meta.tools) = (Some(2), tools("5.49"));
        assert_eq!(differences(&meta, 2, &tools("5.49")), None);
        let note = differences(&meta, 2, &tools("5.50")).expect("a note");
        assert_eq!(note, "note: judged with verilator 5.49, replayed with 5.50");
        let note = differences(&meta, 3, &BTreeMap::new()).expect("a note");
        let words =
            ["with version 2 of the stimulus", "with version 3", "5.49, replayed with none"];
        assert!(words.iter().all(|words| note.contains(words)), "{note}");
    }
}
