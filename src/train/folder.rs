//! The folder of a run: what it writes, and how it goes on from there.
//!
//! ```text
//! metrics.jsonl      a row for each step and evaluation; the same bytes however often the run was stopped
//! timings.jsonl      seconds of each step
//! tensorboard/       the same numbers as event files
//! step-000200/       checkpoints: the two last ones, with optimizer, and one where the run was stopped
//! best/  last/       the model of the best evaluation, and of the last step
//! ```
//!
//! A checkpoint is made under another name and renamed when it is whole, so what bears its name can be used. When
//! a run goes on, rows behind the checkpoint are cut off, because they will be written again; what was damaged
//! meanwhile is named, not passed over.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Error;
use super::engine::{Engine, Trained};
use super::events::Events;
use super::optim::AdamW;
use super::run::Seen;
use crate::model::{self, Checkpoint, SHARD_BYTES, Shard, lora, lora::Lora};
use crate::record::{Meta, Writer};

/// How many checkpoints stay.
const KEPT: usize = 2;

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Steps done.
    pub step: u64,
    /// Tokens read.
    pub tokens: u64,
    /// Step and loss of the best evaluation.
    pub best: Option<(u64, f64)>,
}

/// The folder of a run, open.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    saved: Saved,
    metrics: Writer,
    timings: fs::File,
    events: Option<Events>,
}

/// What stands beside the tensors of what is saved.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The settings of the adapters, if these are trained.
    pub lora: Option<Lora>,
    /// The folder of the model that is trained.
    pub model: PathBuf,
}

impl Folder {
    /// Opens a folder for a run made as `meta` says. Without `resume` it must hold no run; with it the run that it
    /// holds must be the same. `draws` is whether there are to be files for TensorBoard.
    pub fn create(
        path: &Path,
        meta: &Meta,
        saved: Saved,
        (resume, draws): (bool, bool),
    ) -> Result<Folder, Error> {
        let metrics = path.join("metrics.jsonl");
        let last = checkpoints(path)?.pop().map(|(step, _)| step);
        match (resume, last) {
            (false, Some(_)) => return Err(Error::Occupied { path: path.to_owned() }),
            (false, None) if has_bytes(&metrics) => {
                return Err(Error::Occupied { path: path.to_owned() });
            }
            // Without its first row and provenance, nothing says whose the checkpoint is.
            (true, Some(_)) if !has_bytes(&metrics) => {
                let message = "it is empty or missing beside a checkpoint".to_owned();
                return Err(Error::Damaged { path: metrics, message });
            }
            _ => {}
        }
        let timings = path.join("timings.jsonl");
        let (metrics, _) = if resume {
            let opened = Writer::create(&metrics, meta, true)?;
            drop(opened);
            let end = cut_after(&metrics, last)?;
            if end < last {
                let [end, last] = [end, last].map(Option::unwrap_or_default);
                let message =
                    format!("it ends at step {end}, before the checkpoint of step {last}");
                return Err(Error::Damaged { path: metrics, message });
            }
            cut_after(&timings, last)?;
            Writer::create(&metrics, meta, true)?
        } else {
            Writer::create(&metrics, meta, false)?
        };
        let timings = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&timings)
            .map_err(|source| Error::writing(&timings, source))?;
        let next = resume.then(|| last.map_or(0, |step| step + 1));
        let events = draws.then(|| events(&path.join("tensorboard"), next)).transpose()?;
        Ok(Folder { path: path.to_owned(), saved, metrics, timings, events })
    }

    /// Writes what has been done.
    pub fn record(&mut self, seen: &Seen) -> Result<(), Error> {
        let mut row = Map::new();
        row.insert("step".to_owned(), seen.step.into());
        row.extend(seen.values.iter().map(|(name, value)| (name.clone(), number(name, *value))));
        self.metrics.write(&row)?;
        self.metrics.flush()?;
        let Seen { step, is_evaluation, tokens, seconds, .. } = seen;
        let timing = json!({ "step": step, "evaluation": is_evaluation, "tokens": tokens, "seconds": seconds });
        let path = self.path.join("timings.jsonl");
        writeln!(self.timings, "{timing}").map_err(|source| Error::writing(path, source))?;
        let Some(events) = &mut self.events else { return Ok(()) };
        let scalars: Vec<(&str, f32)> =
            seen.values.iter().map(|(name, value)| (name.as_str(), *value as f32)).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        events.scalars(seen.step, &scalars, now)
    }

    /// Writes a checkpoint, and removes those before the last ones and where the run was once stopped: those whose
    /// step is no multiple of `every`.
    pub fn save(
        &mut self,
        engine: &Engine,
        optimizer: &AdamW,
        state: &State,
        every: u64,
    ) -> Result<(), Error> {
        // A checkpoint on the disk has its rows there.
        self.metrics.sync()?;
        let path = checkpoint(&self.path, state.step);
        self.replace(&path, |folder| {
            self.saved.write(engine, folder)?;
            optimizer.save(&folder.join("optimizer.safetensors"))?;
            let text = serde_json::to_string_pretty(state).expect("numbers") + "\n";
            write(&folder.join("state.json"), text.as_bytes())
        })?;
        let mut old = checkpoints(&self.path)?;
        old.retain(|(step, _)| *step <= state.step);
        let is_kept =
            |(step, _): &&(u64, PathBuf)| *step == state.step || step.is_multiple_of(every);
        let kept: Vec<u64> =
            old.iter().rev().filter(is_kept).take(KEPT).map(|(step, _)| *step).collect();
        for (_, path) in old.iter().filter(|(step, _)| !kept.contains(step)) {
            fs::remove_dir_all(path).map_err(|source| Error::writing(path, source))?;
        }
        Ok(())
    }

    /// Writes the model of the best evaluation so far.
    pub fn save_best(&mut self, engine: &Engine) -> Result<(), Error> {
        self.replace(&self.path.join("best"), |folder| self.saved.write(engine, folder))
    }

    /// Writes the model of the last step.
    pub fn save_last(&mut self, engine: &Engine) -> Result<(), Error> {
        self.replace(&self.path.join("last"), |folder| self.saved.write(engine, folder))
    }

    /// Makes a folder under another name, and gives it its own when it is whole.
    fn replace(
        &self,
        path: &Path,
        fill: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (new, old) = (path.with_extension("new"), path.with_extension("old"));
        let failed = |path: &Path, source| Error::writing(path, source);
        for leftover in [&new, &old] {
            if leftover.exists() {
                fs::remove_dir_all(leftover).map_err(|source| failed(leftover, source))?;
            }
        }
        fs::create_dir_all(&new).map_err(|source| failed(&new, source))?;
        if let Err(error) = fill(&new) {
            // On a full disk the half of it is in the way.
            let _ = fs::remove_dir_all(&new);
            return Err(error);
        }
        if path.exists() {
            fs::rename(path, &old).map_err(|source| failed(path, source))?;
        }
        fs::rename(&new, path).map_err(|source| failed(path, source))?;
        let folder = fs::File::open(&self.path).and_then(|folder| folder.sync_all());
        folder.map_err(|source| failed(&self.path, source))?;
        match old.exists() {
            true => fs::remove_dir_all(&old).map_err(|source| failed(&old, source)),
            false => Ok(()),
        }
    }
}

/// Opens the files for TensorBoard, for a new run or one that goes on with the step `next`.
fn events(folder: &Path, next: Option<u64>) -> Result<Events, Error> {
    fs::create_dir_all(folder).map_err(|source| Error::writing(folder, source))?;
    match next {
        Some(step) => Events::resume(folder, step),
        None => Events::create(folder),
    }
}

/// An error if a folder holds a run, or what was computed for one.
pub fn refuse_run(path: &Path) -> Result<(), Error> {
    let files = ["metrics.jsonl", "reference.jsonl"].map(|name| path.join(name));
    if files.iter().any(|file| has_bytes(file)) || !checkpoints(path)?.is_empty() {
        return Err(Error::Occupied { path: path.to_owned() });
    }
    Ok(())
}

impl Saved {
    fn write(&self, engine: &Engine, folder: &Path) -> Result<(), Error> {
        match &self.lora {
            Some(lora) => {
                let base = self.model.display().to_string();
                Ok(lora.save(folder, engine.model(), &base)?)
            }
            None => {
                engine.model().save(folder, SHARD_BYTES)?;
                Ok(model::copy_others(&self.model, folder)?)
            }
        }
    }
}

/// Brings engine and optimizer to the last checkpoint of a folder, and says where that stands; without one,
/// everything stays as it is.
pub fn restore(path: &Path, engine: &Engine, optimizer: &mut AdamW) -> Result<State, Error> {
    let Some((step, folder)) = checkpoints(path)?.pop() else { return Ok(State::default()) };
    let damaged = |name: &str, message: String| Error::Damaged { path: folder.join(name), message };
    let weights = match engine.trained() {
        Trained::Adapters => lora::WEIGHTS,
        Trained::Weights => "model.safetensors",
    };
    restore_weights(&folder, engine).map_err(|error| damaged(weights, error.to_string()))?;
    optimizer
        .load(&folder.join("optimizer.safetensors"))
        .map_err(|error| damaged("optimizer.safetensors", error.to_string()))?;
    let text = fs::read(folder.join("state.json"));
    let text = text.map_err(|error| damaged("state.json", error.to_string()))?;
    let state: State =
        serde_json::from_slice(&text).map_err(|error| damaged("state.json", error.to_string()))?;
    if (state.step, optimizer.steps()) != (step, step) {
        let (said, steps) = (state.step, optimizer.steps());
        let message = format!("it says step {said} and optimizer.safetensors step {steps}");
        return Err(damaged("state.json", message));
    }
    Ok(state)
}

fn restore_weights(folder: &Path, engine: &Engine) -> Result<(), model::Error> {
    match engine.trained() {
        Trained::Adapters => {
            let path = folder.join(lora::WEIGHTS);
            let mut shard = Shard::open(&path)?;
            for (name, parameter) in engine.parameters() {
                let stored = shard.read(name)?;
                let (found, expected) = (stored.size(), parameter.size());
                if found != expected {
                    return Err(model::Error::Shape { path, name: name.clone(), found, expected });
                }
                copy(parameter, &stored);
            }
        }
        Trained::Weights => {
            let mut saved = Checkpoint::open(folder)?;
            for (name, parameter) in engine.parameters() {
                let options = (parameter.kind(), parameter.device());
                copy(parameter, &saved.read(name, &parameter.size(), options)?);
            }
        }
    }
    Ok(())
}

fn copy(to: &tch::Tensor, from: &tch::Tensor) {
    tch::no_grad(|| to.shallow_clone().copy_(from));
}

fn checkpoint(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("step-{step:06}"))
}

/// The checkpoints of a folder, by step.
fn checkpoints(folder: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::reading(folder, source)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| Error::reading(folder, source))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let step = name.strip_prefix("step-").and_then(|step| step.parse().ok());
        if let (Some(step), true) = (step, path.is_dir()) {
            found.push((step, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Cuts off the rows of a file that are behind a checkpoint's step, and a torn one at its end; all, if there is no
/// checkpoint. The rows of a step stand before those of later ones. Gives the step of the last row that stays.
fn cut_after(path: &Path, step: Option<u64>) -> Result<Option<u64>, Error> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::reading(path, source)),
    };
    let (mut kept, mut end) = (0, None);
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let row = serde_json::from_slice::<Value>(line).ok();
        let found = row.and_then(|row| row["step"].as_u64()).filter(|_| line.ends_with(b"\n"));
        let is_last = kept + line.len() == text.len();
        match found {
            Some(_) if found <= step => (kept, end) = (kept + line.len(), found),
            None if !is_last => {
                let message = "it is no row of a run, and rows follow (was the file edited? mend the \
                               line, or remove the run)";
                let (path, message) = (path.to_owned(), message.to_owned());
                return Err(Error::Row { path, line: at + 1, message });
            }
            _ => break,
        }
    }
    let file = fs::OpenOptions::new().write(true).open(path);
    file.and_then(|file| file.set_len(kept as u64))
        .map_err(|source| Error::writing(path, source))?;
    Ok(end)
}

fn has_bytes(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() > 0)
}

/// Counts are whole; what is no number becomes null, as JSON has none.
fn number(name: &str, value: f64) -> Value {
    match name {
        "tokens" | "num_tokens" => Value::from(value as u64),
        _ => Value::from(value),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let file = fs::File::create(path);
    file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|source| Error::writing(path, source))
}
