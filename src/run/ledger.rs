//! What is done: for each step its command, and the hashes of what it read and, once it ended, of what it wrote.
//!
//! The file is written whole under another name and renamed, before a step begins and when it has ended, so whenever a
//! run is killed it says which step was at work with which inputs. At the end it holds the same bytes however often that
//! happened.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Error;
use super::plan::Step;
use crate::record::{file_hash, folder_hash};

/// The name of the file in the run's folder.
pub const STEPS: &str = "steps.json";

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has ended, and nothing that it depends on has changed.
    Done,
    /// It was begun with this command and these inputs.
    Begun,
    /// It was never begun so.
    New,
}

/// A step as it was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    step: String,
    command: Vec<String>,
    inputs: BTreeMap<String, String>,
    /// Absent until it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outputs: Option<BTreeMap<String, String>>,
}

/// The record of a run's steps.
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    entries: Vec<Entry>,
    /// Hashes of what lies outside of the folder, which no step changes.
    known: HashMap<PathBuf, String>,
}

impl Ledger {
    /// Opens the record of a folder; `steps` are those of this run, and others are forgotten.
    pub fn open(folder: &Path, steps: &[&str]) -> Result<Ledger, Error> {
        let path = folder.join(STEPS);
        let mut entries: Vec<Entry> = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                Error::content(&path, format!("{error} (remove it to begin anew)"))
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::reading(path)(error)),
        };
        let place = |entry: &Entry| steps.iter().position(|step| *step == entry.step);
        entries.retain(|entry| place(entry).is_some());
        entries.sort_by_key(place);
        Ok(Ledger { folder: folder.to_owned(), entries, known: HashMap::new() })
    }

    /// Where a step stands.
    pub fn standing(&mut self, step: &Step) -> Result<Standing, Error> {
        let Some(entry) = self.entries.iter().find(|entry| entry.step == step.name).cloned() else {
            return Ok(Standing::New);
        };
        if entry.command != step.command
            || self.hashes(&step.inputs)?.as_ref() != Some(&entry.inputs)
        {
            return Ok(Standing::New);
        }
        match &entry.outputs {
            None => Ok(Standing::Begun),
            Some(outputs) if self.hashes(&step.outputs)?.as_ref() == Some(outputs) => {
                Ok(Standing::Done)
            }
            // What it wrote was changed or removed: nothing of it can be trusted.
            Some(_) => Ok(Standing::New),
        }
    }

    /// Notes that a step begins.
    pub fn begin(&mut self, step: &Step, order: &[&str]) -> Result<(), Error> {
        let inputs = self.all_there(&step.inputs)?;
        self.entries.retain(|entry| entry.step != step.name);
        let (name, command) = (step.name.to_owned(), step.command.clone());
        self.entries.push(Entry { step: name, command, inputs, outputs: None });
        self.entries.sort_by_key(|entry| order.iter().position(|step| *step == entry.step));
        self.write()
    }

    /// Notes that a step has ended.
    pub fn end(&mut self, step: &Step) -> Result<(), Error> {
        let outputs = self.all_there(&step.outputs)?;
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.step == step.name) {
            entry.outputs = Some(outputs);
        }
        self.write()
    }

    fn all_there(&mut self, paths: &[PathBuf]) -> Result<BTreeMap<String, String>, Error> {
        self.hashes(paths)?.ok_or_else(|| {
            let missing = paths.iter().find(|path| !self.folder.join(path).exists());
            Error::content(missing.cloned().unwrap_or_default(), "it is not there")
        })
    }

    /// The hashes of files and folders; none if one is not there.
    fn hashes(&mut self, paths: &[PathBuf]) -> Result<Option<BTreeMap<String, String>>, Error> {
        let mut hashes = BTreeMap::new();
        for path in paths {
            let place = self.folder.join(path);
            let hash = match self.known.get(path) {
                Some(hash) => hash.clone(),
                None if place.is_dir() => folder_hash(&place)?,
                None if place.is_file() => file_hash(&place)?,
                None => return Ok(None),
            };
            if path.is_absolute() {
                self.known.insert(path.clone(), hash.clone());
            }
            hashes.insert(path.display().to_string(), hash);
        }
        Ok(Some(hashes))
    }

    fn write(&self) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(&self.entries).unwrap_or_default() + "\n";
        replace(&self.folder.join(STEPS), text.as_bytes())
    }
}

/// Writes a file so that it is there whole or not at all.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let write = || {
        let mut file = fs::File::create(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(Error::writing(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::plan::Stage;
    use crate::run::recipe::Flags;

    fn step(command: &[&str]) -> Step {
        Step {
            name: "pair",
            stage: Stage::Pair,
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            inputs: vec!["in".into()],
            outputs: vec!["out".into()],
            flags: Flags::new(),
        }
    }

    #[test]
    fn a_step_is_done_while_command_inputs_and_outputs_are_as_they_were() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = |name: &str| folder.path().join(name);
        let open = || Ledger::open(folder.path(), &["pair"]).expect("a ledger");
        let standing = |step: &Step| open().standing(step).expect("a standing");
        fs::write(place("in"), "a").expect("a file");
        let own = step(&["pair", "in"]);
        assert_eq!(standing(&own), Standing::New);
        open().begin(&own, &["pair"]).expect("begun");
        assert_eq!(standing(&own), Standing::Begun);
        assert_eq!(standing(&step(&["pair", "in", "--seed", "1"])), Standing::New);
        fs::write(place("out"), "b").expect("a file");
        open().end(&own).expect("ended");
        assert_eq!(standing(&own), Standing::Done);
        for (name, other, own_text) in [("in", "A", "a"), ("out", "B", "b")] {
            fs::write(place(name), other).expect("a file");
            assert_eq!(standing(&own), Standing::New, "{name} changed");
            fs::write(place(name), own_text).expect("a file");
            assert_eq!(standing(&own), Standing::Done, "{name} is as it was");
        }
        fs::remove_file(place("out")).expect("removed");
        assert_eq!(standing(&own), Standing::New);
    }
}
