//! LLaMA-Factory's data sets: an entry of `dataset_info.json` says where the rows are and how they are spelled.
//!
//! What is hard-coded from that program, and kept even where it surprises:
//! - `file_name` is a file, or a folder of files, beside `dataset_info.json`.
//! - Without `columns` the fields have their usual names, and neither a system prompt nor a history is
//!   read. With `columns`, a part that is not named there is not read either, be there such a field or not.
//! - `messages` and all `tags` fall back to ShareGPT's names one by one.
//!
//! Preference and pre-training data, data that is only a reference to a hub, and subsets drawn at random are
//! refused: they would become something else here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::chat::{self, Role};
use super::{DataSet, Format, alpaca};
use crate::corpus::{ImportError, entries, layout, name_of, read_text};

#[derive(Deserialize)]
struct Entry {
    file_name: Option<String>,
    formatting: Option<String>,
    #[serde(default)]
    ranking: bool,
    columns: Option<Columns>,
    #[serde(default)]
    tags: Tags,
    num_samples: Option<Value>,
    split: Option<String>,
}

#[derive(Default, Deserialize)]
struct Columns {
    prompt: Option<String>,
    query: Option<String>,
    response: Option<String>,
    history: Option<String>,
    messages: Option<String>,
    system: Option<String>,
    tools: Option<String>,
    images: Option<String>,
    videos: Option<String>,
    audios: Option<String>,
    chosen: Option<String>,
    rejected: Option<String>,
    kto_tag: Option<String>,
}

#[derive(Default, Deserialize)]
struct Tags {
    role_tag: Option<String>,
    content_tag: Option<String>,
    user_tag: Option<String>,
    assistant_tag: Option<String>,
    observation_tag: Option<String>,
    function_tag: Option<String>,
    system_tag: Option<String>,
}

/// Finds the files of the data set `name` in the file `info`, and how they are spelled.
pub fn data_set(info: &Path, name: &str) -> Result<DataSet, ImportError> {
    let refuse = |message: String| layout(info, message);
    let all: BTreeMap<String, Value> =
        serde_json::from_str(&read_text(info)?).map_err(|error| {
            refuse(format!("{error} (expected an object with an entry for each data set)"))
        })?;
    let Some(entry) = all.get(name) else {
        let names: Vec<&str> = all.keys().map(String::as_str).take(20).collect();
        return Err(refuse(format!("no data set {name:?}; there are {}", names.join(", "))));
    };
    let entry =
        Entry::deserialize(entry).map_err(|error| refuse(format!("data set {name:?}: {error}")))?;
    let refuse = |message: &str| layout(info, format!("data set {name:?}: {message}"));
    let columns = entry.columns.as_ref();
    if entry.ranking
        || columns
            .is_some_and(|c| c.chosen.is_some() || c.rejected.is_some() || c.kto_tag.is_some())
    {
        return Err(refuse("it is preference data, not for supervised fine-tuning"));
    }
    if entry.num_samples.is_some_and(|value| !value.is_null()) {
        return Err(refuse("num_samples draws rows at random; take it out to import all"));
    }
    if entry.split.is_some_and(|split| split != "train") {
        return Err(refuse("a split other than train is no part of a local file"));
    }
    let Some(file_name) = entry.file_name else {
        return Err(refuse("it has no file_name: fetch the data and name the file"));
    };
    let files = files(&info.parent().unwrap_or(Path::new("")).join(file_name))?;
    let format = match entry.formatting.as_deref() {
        None | Some("alpaca") => Format::Alpaca(
            alpaca_columns(entry.columns)
                .ok_or_else(|| refuse("no response is named: that is pre-training data"))?,
        ),
        Some("sharegpt" | "openai") => {
            Format::Chat(chat_columns(entry.columns.unwrap_or_default(), entry.tags))
        }
        Some(other) => {
            return Err(refuse(&format!(
                "formatting {other:?} is unknown; known are alpaca and sharegpt"
            )));
        }
    };
    Ok(DataSet { files, format })
}

fn files(path: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let files = if path.is_dir() { entries(path)? } else { vec![path.to_owned()] };
    let is_json = |file: &PathBuf| {
        let name = name_of(file).to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        name.ends_with(".json") || name.ends_with(".jsonl")
    };
    match files.iter().find(|file| !is_json(file)) {
        Some(other) => Err(layout(
            other,
            "only .json and .jsonl, perhaps with .gz, can be imported; convert it",
        )),
        None if files.is_empty() => Err(layout(path, "the folder is empty")),
        None => Ok(files),
    }
}

/// `None` if `columns` is there and names no response.
fn alpaca_columns(columns: Option<Columns>) -> Option<alpaca::Columns> {
    let usual = alpaca::Columns { system: None, history: None, ..alpaca::Columns::default() };
    let Some(columns) = columns else { return Some(usual) };
    Some(alpaca::Columns {
        prompt: columns.prompt,
        query: columns.query,
        response: columns.response?,
        system: columns.system,
        history: columns.history,
        tools: columns.tools.into_iter().collect(),
        media: [columns.images, columns.videos, columns.audios].into_iter().flatten().collect(),
    })
}

fn chat_columns(columns: Columns, tags: Tags) -> chat::Columns {
    let tag = |tag: Option<String>, usual: &str| tag.unwrap_or_else(|| usual.to_owned());
    let roles = [
        (tag(tags.user_tag, "human"), Role::User),
        (tag(tags.assistant_tag, "gpt"), Role::Assistant),
        (tag(tags.system_tag, "system"), Role::System),
        (tag(tags.observation_tag, "observation"), Role::Tool),
        (tag(tags.function_tag, "function_call"), Role::Tool),
    ];
    chat::Columns {
        messages: vec![tag(columns.messages, "conversations")],
        system: columns.system,
        tools: columns.tools.into_iter().collect(),
        media: [columns.images, columns.videos, columns.audios].into_iter().flatten().collect(),
        role: vec![tag(tags.role_tag, "from")],
        content: vec![tag(tags.content_tag, "value")],
        roles: roles.map(|(name, role)| (name.to_lowercase(), role)).to_vec(),
    }
}
