//! Instruction data, a field for each part: `{"instruction", "input"?, "output", "system"?, "history"?}`.
//!
//! The prompt is the instruction and, on the next line, the input where there is one, as LLaMA-Factory joins
//! them. `history` is a list of pairs, a question and its answer.

use serde_json::{Map, Value};

use super::{Chat, Reason, Turn, Unfit, expect_empty, fields, kind, text};

/// The names of the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The instruction.
    pub prompt: Option<String>,
    /// More of it; may be absent from a row.
    pub query: Option<String>,
    /// The answer.
    pub response: String,
    /// The system prompt; may be absent from a row.
    pub system: Option<String>,
    /// Turns before; may be absent from a row.
    pub history: Option<String>,
    /// Fields that make a row one with tools, if they are there and not empty.
    pub tools: Vec<String>,
    /// Fields that make a row more than text, if they are there and not empty.
    pub media: Vec<String>,
}

impl Default for Columns {
    fn default() -> Columns {
        let owned = |name: &str| Some(name.to_owned());
        Columns {
            prompt: owned("instruction"),
            query: owned("input"),
            response: "output".to_owned(),
            system: owned("system"),
            history: owned("history"),
            tools: vec!["tools".to_owned()],
            media: ["images", "videos", "audios"].map(str::to_owned).to_vec(),
        }
    }
}

impl Columns {
    /// Reads a row.
    pub(super) fn chat(&self, row: &Map<String, Value>) -> Result<Chat, Unfit> {
        let required = [self.prompt.as_ref(), Some(&self.response)];
        for field in required.into_iter().flatten() {
            if !row.contains_key(field) {
                return Err(Unfit::malformed(format!(
                    "the field `{field}` is missing; the row has {} (fields are named by --prompt-field, --input-field and --output-field, or in dataset_info.json)",
                    fields(row)
                )));
            }
        }
        expect_empty(row, &self.tools, Reason::Tools)?;
        expect_empty(row, &self.media, Reason::NotText)?;
        let optional = |field: &Option<String>| match field {
            Some(field) => text(row, field),
            None => Ok(None),
        };
        let parts = [optional(&self.prompt)?, optional(&self.query)?];
        let parts: Vec<String> =
            parts.into_iter().flatten().filter(|part| !part.trim().is_empty()).collect();
        let mut turns = match self.history.as_ref().and_then(|field| row.get(field)) {
            None | Some(Value::Null) => Vec::new(),
            Some(history) => history_turns(history)?,
        };
        turns.push(Turn {
            prompt: parts.join("\n"),
            completion: text(row, &self.response)?.unwrap_or_default(),
        });
        Ok(Chat { system: optional(&self.system)?, turns, unanswered: 0 })
    }
}

fn history_turns(history: &Value) -> Result<Vec<Turn>, Unfit> {
    let wrong = |what: String| {
        Unfit::malformed(format!("the history is {what}; expected a list of pairs of texts"))
    };
    let Value::Array(pairs) = history else {
        return Err(wrong(kind(history).to_owned()));
    };
    let turn = |pair: &Value| match pair.as_array().map(Vec::as_slice) {
        Some([Value::String(prompt), Value::String(completion)]) => {
            Ok(Turn { prompt: super::with_lf(prompt), completion: super::with_lf(completion) })
        }
        Some(parts) => Err(wrong(format!("a list with {} parts in an element", parts.len()))),
        None => Err(wrong(format!("a list with {} in it", kind(pair)))),
    };
    pairs.iter().map(turn).collect()
}
