//! JSON lines in and out, and the provenance beside each file.
//!
//! Reading takes a path and gives rows one at a time, so a file of any size needs the memory of its longest
//! row. It forgives what does not touch the meaning (gzip or not, CRLF, blank lines, a byte order mark,
//! bytes that are no UTF-8, which become U+FFFD inside strings) and refuses the rest with file, line and
//! cure. Files that others wrote may be one JSON list instead of lines; [`read_rows`] takes both, the list
//! an element at a time. Writing appends whole rows; `FILE.meta.json` beside the file says what made it and
//! is written first, so that a killed run can be continued and cannot be continued as something else.
//! Neither file holds a time: an interrupted and resumed run gives the bytes of an uninterrupted one.
//! A file that is not continued takes its place when it is whole ([`Draft`]), so a run that fails leaves what was
//! there. Rows that are made before their turn wait in a file beside it ([`Ahead`]), and the parts of a run become the
//! whole ([`merge`]).

mod ahead;
mod draft;
mod list;
mod reader;
mod shard;
mod writer;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use ahead::Ahead;
pub use draft::{Draft, replace};
pub use list::{List, Rows, read_rows};
pub use reader::{LINE_BYTES_MAX, Line, Lines, read};
pub use shard::{MergeError, SHARDS_MAX, Shard, ShardOf, merge, stage};
pub use writer::{Writer, beside, meta_path};

/// Version of the fields of all saved records; a changed meaning is a new version.
pub const SCHEMA: u32 = 1;

/// What made a file: the content of `FILE.meta.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Version of the fields.
    pub schema: u32,
    /// The stage that wrote the file.
    pub stage: String,
    /// Version of the stimulus, for the stages that use one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stimulus: Option<u32>,
    /// Every setting that changes the file's content.
    pub configuration: serde_json::Value,
    /// Hash of `configuration`.
    pub configuration_hash: String,
    /// The seed, for the stages that draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Tools by name, with their versions.
    #[serde(default)]
    pub tools: BTreeMap<String, String>,
    /// Input files by path as given, with the hash of their content.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// The part of the run that the file holds; absent if it holds all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

impl Meta {
    /// Returns the provenance of a file of `stage`: its configuration and this program's version.
    pub fn new(stage: &str, configuration: serde_json::Value) -> Meta {
        let configuration = sorted(configuration);
        Meta {
            schema: SCHEMA,
            stage: stage.to_owned(),
            stimulus: None,
            configuration_hash: content_hash(configuration.to_string().as_bytes()),
            configuration,
            seed: None,
            tools: BTreeMap::from([("salv".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
            inputs: BTreeMap::new(),
            shard: None,
        }
    }
}

/// Returns the hash (BLAKE3, hexadecimal) of some content.
pub fn content_hash(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

/// Returns the [`content_hash`] of a file, reading it in pieces.
pub fn file_hash(path: &Path) -> Result<String, RecordError> {
    let mut file = reader::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hasher.finalize().to_hex().to_string()),
            Ok(length) => hasher.update(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => {
                return Err(RecordError::Open { path: path.to_owned(), source });
            }
        };
    }
}

/// Hash of all that decides what a model or an adapter in a folder says: weights, configuration, tokenizer, template.
pub fn folder_hash(folder: &Path) -> Result<String, RecordError> {
    let entries = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
    let mut files =
        entries.map_err(|source| RecordError::Open { path: folder.to_owned(), source })?;
    let is_read = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        path.is_file() && matches!(ending, "json" | "jinja" | "safetensors")
    };
    files.retain(is_read);
    files.sort();
    let mut text = String::new();
    for path in &files {
        let name = path.file_name().unwrap_or_default().display();
        text += &format!("{} {name}\n", file_hash(path)?);
    }
    Ok(content_hash(text.as_bytes()))
}

/// What can go wrong with a file of records.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be opened.
    #[error("open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// What was named says what a file was made from, and is not the file.
    #[error("{}: this says what a file was made from; name the file alone, without .meta.json", path.display())]
    Provenance {
        /// What was named.
        path: PathBuf,
    },
    /// It is no file: inputs are read more than once.
    #[error("open {}: it is no file (a pipe, a folder?), and inputs are read more than once: write it to a file first", path.display())]
    NoFile {
        /// What was named.
        path: PathBuf,
    },
    /// Reading stopped in the middle.
    #[error("read {}:{line}: {source}{}", path.display(), hint(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The system's word.
        source: io::Error,
    },
    /// A line is longer than any record.
    #[error("read {}:{line}: the line is longer than {} MiB (is this a JSON lines file?)", path.display(), LINE_BYTES_MAX >> 20)]
    LineTooLong {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
    /// A line is not the expected record.
    #[error("read {}:{line}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong, and the cure where known.
        message: String,
    },
    /// The output cannot be written; what was written stays whole up to the last row.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Another process writes the same output.
    #[error("write {}: another run is writing it (wait for its end, or choose another output with -o)", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The output would be named like a compressed file.
    #[error("write {}: output is not compressed; name it without .gz and compress it afterwards", path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
    },
    /// A file to be continued has no provenance beside it.
    #[error("resume {}: {} is missing or unreadable ({message}); start again without --resume", path.display(), meta_path(path).display())]
    NoMeta {
        /// The file to continue.
        path: PathBuf,
        /// What was found.
        message: String,
    },
    /// A file to be continued was made in another way.
    #[error(
        "resume {}: it was made with {key} = {was}, this run has {is}; use the same settings and inputs, or start again without --resume",
        path.display()
    )]
    Differs {
        /// The file to continue.
        path: PathBuf,
        /// Dotted key in the provenance.
        key: String,
        /// The value in the file.
        was: String,
        /// The value of this run.
        is: String,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            " (the gzip data is damaged or cut off)"
        }
        _ => "",
    }
}

/// Sorts the keys of all objects, so that the hash does not depend on the order in which they were put in.
fn sorted(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            let by_key: BTreeMap<String, Value> =
                map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(by_key.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}
