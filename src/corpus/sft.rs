//! Data for supervised fine-tuning: published instruction and chat files become `sft.jsonl`.
//!
//! In goes a data set (files and how their rows are spelled), out come its rows one at a time: a
//! [`Sample`], or why the row is none. The words are those of the other files: what is asked is the
//! `prompt`, what the model is to write is the `completion`, prose and fences included, as it will be
//! sampled later; the Verilog in it is found by [`crate::candidate`]. `problems.jsonl` would not do: a
//! problem has a golden module and no text around it, no system prompt and no earlier turns.
//!
//! Three kinds of trouble are kept apart. A file that cannot be read is an `Err`. A row that is not of the
//! format (a field is missing, a role is unknown) is [`Reason::Malformed`]: most likely the file is something
//! else than was said, so the command line stops there unless told otherwise. A row that is of the format
//! but nothing to learn from (no Verilog, tool calls, pictures) is left out, counted and listed.
//!
//! What is decided here for all formats:
//! - A chat ends with its last answer that holds Verilog: thanks and questions after it are cut, and
//!   counted. Earlier turns are the `history`; whether the model learns from those is the trainer's choice.
//! - Line ends become LF, so that the model learns one kind. Other characters stay.
//! - Bytes that were no UTF-8, and U+FFFD itself, would be learned as such: the row is left out.

pub mod alpaca;
pub mod chat;
pub mod llama_factory;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ImportError, name_of};
use crate::candidate::{NoCode, extract_code};
use crate::record::{self, Line, RecordError};

/// One line of `sft.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The row it was: its number from 0, after the file's name where the data set has several.
    pub id: String,
    /// The system prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The turns before, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Turn>,
    /// What the model is asked.
    pub prompt: String,
    /// What the model is to write.
    pub completion: String,
    /// Where the sample comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Licence of the text, as an SPDX expression where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

impl Sample {
    /// Returns what was asked and written, in order, the sample's own turn last.
    pub fn turns(&self) -> impl Iterator<Item = (&str, &str)> {
        let earlier = self.history.iter();
        earlier
            .map(|turn| (turn.prompt.as_str(), turn.completion.as_str()))
            .chain([(self.prompt.as_str(), self.completion.as_str())])
    }
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// What was asked.
    pub prompt: String,
    /// What was answered.
    pub completion: String,
}

/// Why a row is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is not of the format.
    Malformed,
    /// Nothing is asked.
    NoPrompt,
    /// Nothing is answered.
    NoCompletion,
    /// The turns of the chat do not alternate, or it does not begin with a question.
    Turns,
    /// It calls tools, or is told of some.
    Tools,
    /// It has pictures, sound or another content than text.
    NotText,
    /// It has bytes that were no UTF-8.
    NotUtf8,
    /// No completion holds Verilog.
    NoCode,
    /// slang cannot parse the code.
    ParseError,
    /// slang can parse the code and not elaborate it.
    ElaborationError,
    /// slang died of the code, twice.
    Crash,
    /// Its code is a golden module but for comments, white space and the module's name.
    SameCode,
    /// Its code is a golden module but for the names.
    RenamedCode,
    /// It asks what a problem asks.
    SamePrompt,
    /// Its code is nearly a golden module.
    SimilarCode,
    /// It asks nearly what a problem asks.
    SimilarPrompt,
}

impl Reason {
    /// Returns the name in files.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::NoPrompt => "no_prompt",
            Reason::NoCompletion => "no_completion",
            Reason::Turns => "turns",
            Reason::Tools => "tools",
            Reason::NotText => "not_text",
            Reason::NotUtf8 => "not_utf8",
            Reason::NoCode => "no_code",
            Reason::ParseError => "parse_error",
            Reason::ElaborationError => "elaboration_error",
            Reason::Crash => "crash",
            Reason::SameCode => "same_code",
            Reason::RenamedCode => "renamed_code",
            Reason::SamePrompt => "same_prompt",
            Reason::SimilarCode => "similar_code",
            Reason::SimilarPrompt => "similar_prompt",
        }
    }
}

/// One line of the list of rows that were left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// The id that the sample would have.
    pub id: String,
    /// Line of the file in which the row begins, from 1.
    pub line: usize,
    /// Why.
    pub reason: Reason,
    /// What exactly is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The nearest problem of a benchmark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// How near: the share of common parts, 1 for the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
}

/// A row that is no sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The class.
    pub reason: Reason,
    /// What exactly is wrong, and the cure where known.
    pub message: String,
}

impl Unfit {
    fn new(reason: Reason, message: impl Into<String>) -> Unfit {
        Unfit { reason, message: message.into() }
    }

    fn malformed(message: impl Into<String>) -> Unfit {
        Unfit::new(Reason::Malformed, message)
    }
}

/// A data set: its files, in order, and how their rows are spelled.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// JSON lines or JSON lists, compressed or not.
    pub files: Vec<PathBuf>,
    /// The format of all of them.
    pub format: Format,
}

/// How the rows of a data set are spelled.
#[derive(Clone, Debug)]
pub enum Format {
    /// A field for each part: instruction, input, output.
    Alpaca(alpaca::Columns),
    /// A list of messages.
    Chat(chat::Columns),
}

/// A row of a data set.
#[derive(Clone, Debug)]
pub struct Row {
    /// The id that the sample has.
    pub id: String,
    /// The file.
    pub file: PathBuf,
    /// Line of the file in which the row begins, from 1.
    pub line: usize,
    /// The chat, or why there is none.
    pub chat: Result<Chat, Unfit>,
}

/// What a row says, in the same form for all formats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chat {
    /// The system prompt.
    pub system: Option<String>,
    /// The turns; those without an answer are not among them.
    pub turns: Vec<Turn>,
    /// Questions at the end that nobody answers.
    pub unanswered: usize,
}

/// Reads the rows of a data set.
pub fn rows(set: &DataSet) -> impl Iterator<Item = Result<Row, ImportError>> {
    let several = set.files.len() > 1;
    set.files.iter().flat_map(move |file| rows_of(file, &set.format, several))
}

fn rows_of<'a>(
    file: &'a Path,
    format: &'a Format,
    several: bool,
) -> Box<dyn Iterator<Item = Result<Row, ImportError>> + 'a> {
    let rows = match record::read_rows::<Value>(file) {
        Ok(rows) => rows,
        Err(error) => return Box::new(std::iter::once(Err(error.into()))),
    };
    let name = name_of(file);
    Box::new(rows.enumerate().map(move |(number, row)| {
        let id = if several { format!("{name}:{number}") } else { number.to_string() };
        let (line, chat) = match row {
            Ok(Line { line, value, .. }) => (line, chat(&value, format)),
            Err(RecordError::Parse { line, message, .. }) => (line, Err(Unfit::malformed(message))),
            Err(error) => return Err(error.into()),
        };
        Ok(Row { id, file: file.to_owned(), line, chat })
    }))
}

fn chat(value: &Value, format: &Format) -> Result<Chat, Unfit> {
    let Value::Object(row) = value else {
        return Err(Unfit::malformed("a row must be an object"));
    };
    match format {
        Format::Alpaca(columns) => columns.chat(row),
        Format::Chat(columns) => columns.chat(row),
    }
}

/// A sample with the code of its own completion, and how many turns were cut after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The sample, without source and licence.
    pub sample: Sample,
    /// The Verilog in its completion.
    pub code: String,
    /// Turns after the last one with Verilog, unanswered ones included.
    pub cut: usize,
}

/// Makes a sample of a chat: up to the last answer that holds Verilog.
pub fn settle(id: String, chat: Chat) -> Result<Settled, Unfit> {
    let Chat { system, mut turns, unanswered } = chat;
    if turns.is_empty() {
        return Err(Unfit::new(Reason::NoCompletion, "no question is answered"));
    }
    let code_of = |turn: &Turn| extract_code(&turn.completion, &turn.prompt, "");
    let found =
        turns.iter().enumerate().rev().find_map(|(at, turn)| Some((at, code_of(turn).ok()?)));
    let Some((at, code)) = found else {
        let why = turns.last().and_then(|turn| code_of(turn).err()).unwrap_or(NoCode::NoVerilog);
        let reason = if why == NoCode::Empty { Reason::NoCompletion } else { Reason::NoCode };
        return Err(Unfit::new(reason, why.to_string()));
    };
    let cut = turns.len() - 1 - at + unanswered;
    turns.truncate(at + 1);
    for turn in &turns {
        if turn.prompt.trim().is_empty() {
            return Err(Unfit::new(Reason::NoPrompt, "a prompt is empty"));
        }
        if turn.completion.trim().is_empty() {
            return Err(Unfit::new(Reason::NoCompletion, "an earlier completion is empty"));
        }
    }
    let system = system.filter(|text| !text.trim().is_empty());
    let texts = turns.iter().flat_map(|turn| [&turn.prompt, &turn.completion]).chain(&system);
    if let Some(text) = texts.into_iter().find(|text| text.contains('\u{fffd}')) {
        let line = text.lines().position(|line| line.contains('\u{fffd}')).map_or(0, |at| at + 1);
        let message = format!("U+FFFD in line {line} of a text: bytes that were no UTF-8");
        return Err(Unfit::new(Reason::NotUtf8, message));
    }
    let Some(Turn { prompt, completion }) = turns.pop() else {
        return Err(Unfit::new(Reason::NoCompletion, "no question is answered"));
    };
    let sample =
        Sample { id, system, history: turns, prompt, completion, source: None, licence: None };
    Ok(Settled { sample, code: code.text, cut })
}

/// Returns the text of a field: nothing if it is absent or null. A list of one text is that text: RTLCoder
/// publishes its answers so.
fn text(row: &Map<String, Value>, field: &str) -> Result<Option<String>, Unfit> {
    match row.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(with_lf(text))),
        Some(Value::Array(items)) => match &items[..] {
            [Value::String(text)] => Ok(Some(with_lf(text))),
            _ => Err(Unfit::malformed(format!(
                "the field `{field}` is a list of {}; expected a text",
                items.len()
            ))),
        },
        Some(other) => Err(Unfit::malformed(format!(
            "the field `{field}` is {}; expected a text",
            kind(other)
        ))),
    }
}

/// Refuses a row in which one of these fields says something.
fn expect_empty(row: &Map<String, Value>, fields: &[String], reason: Reason) -> Result<(), Unfit> {
    match fields.iter().find(|field| row.get(*field).is_some_and(says_something)) {
        Some(field) => Err(Unfit::new(reason, format!("the field `{field}` is not empty"))),
        None => Ok(()),
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !matches!(text.trim(), "" | "[]" | "{}"),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

fn with_lf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Names the fields of a row, for a message.
fn fields(row: &Map<String, Value>) -> String {
    let names: Vec<&str> = row.keys().map(String::as_str).take(12).collect();
    if names.is_empty() { "no fields".to_owned() } else { names.join(", ") }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
