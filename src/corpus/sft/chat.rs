//! Chats: a list of messages, as ShareGPT (`conversations`, `from`, `value`) or OpenAI (`messages`, `role`,
//! `content`) write them, and mixtures of both.
//!
//! Roles that are spelled in other ways are known too (`user` for `human`, `chatgpt` for `gpt`). A chat may
//! begin with a system prompt and must then alternate, question first. Content in parts is joined where
//! all of them are text. A message of a tool, a call of one, or a list of tools that may be called makes the
//! row one about tools: without them the answer could not be given.

use serde_json::{Map, Value};

use super::{Chat, Reason, Turn, Unfit, expect_empty, fields, kind, text, with_lf};

/// How the messages are spelled. Of several names the first that a row has counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The field with the list.
    pub messages: Vec<String>,
    /// The field of the row with a system prompt; may be absent from a row.
    pub system: Option<String>,
    /// Fields that make a row one with tools, if they are there and not empty.
    pub tools: Vec<String>,
    /// Fields that make a row more than text, if they are there and not empty.
    pub media: Vec<String>,
    /// The field of a message that says who speaks.
    pub role: Vec<String>,
    /// The field of a message that says what.
    pub content: Vec<String>,
    /// Who speaks, by the spelling in lower case.
    pub roles: Vec<(String, Role)>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nobody: what the model is told beforehand.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
    /// The model's call of a tool, or the tool's answer.
    Tool,
}

const ROLES: [(&str, Role); 16] = [
    ("system", Role::System),
    ("developer", Role::System),
    ("human", Role::User),
    ("user", Role::User),
    ("gpt", Role::Assistant),
    ("assistant", Role::Assistant),
    ("chatgpt", Role::Assistant),
    ("bing", Role::Assistant),
    ("bard", Role::Assistant),
    ("model", Role::Assistant),
    ("function_call", Role::Tool),
    ("function", Role::Tool),
    ("function_response", Role::Tool),
    ("tool_call", Role::Tool),
    ("tool", Role::Tool),
    ("observation", Role::Tool),
];

impl Default for Columns {
    fn default() -> Columns {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Columns {
            messages: owned(&["conversations", "messages", "conversation"]),
            system: Some("system".to_owned()),
            tools: owned(&["tools", "functions"]),
            media: owned(&["images", "image", "videos", "audios"]),
            role: owned(&["from", "role"]),
            content: owned(&["value", "content"]),
            roles: ROLES.map(|(name, role)| (name.to_owned(), role)).to_vec(),
        }
    }
}

impl Columns {
    /// Reads a row.
    pub(super) fn chat(&self, row: &Map<String, Value>) -> Result<Chat, Unfit> {
        let Some(messages) = self.messages.iter().find_map(|field| row.get(field)) else {
            return Err(Unfit::malformed(format!(
                "the field `{}` is missing; the row has {} (instructions with answers are imported by `salv corpus alpaca`)",
                self.messages.join("` or `"),
                fields(row)
            )));
        };
        let Value::Array(messages) = messages else {
            return Err(Unfit::malformed(format!(
                "the messages are {}; expected a list",
                kind(messages)
            )));
        };
        expect_empty(row, &self.tools, Reason::Tools)?;
        expect_empty(row, &self.media, Reason::NotText)?;
        let messages: Result<Vec<(Role, String)>, Unfit> =
            messages.iter().enumerate().map(|(at, value)| self.message(at, value)).collect();
        let mut messages = messages?;
        // A system message overrides the field, as in LLaMA-Factory.
        let system = match messages.first() {
            Some((Role::System, _)) => Some(messages.remove(0).1),
            _ => self.system.as_ref().map_or(Ok(None), |field| text(row, field))?,
        };
        let (turns, unanswered) = pairs(messages, usize::from(system.is_some()))?;
        Ok(Chat { system, turns, unanswered })
    }

    fn message(&self, at: usize, value: &Value) -> Result<(Role, String), Unfit> {
        let wrong = |what: String| Unfit::malformed(format!("message {at}: {what}"));
        let Value::Object(message) = value else {
            return Err(wrong(format!("it is {}; expected an object", kind(value))));
        };
        let field = |names: &[String]| {
            names.iter().find(|name| message.contains_key(*name)).cloned().ok_or_else(|| {
                wrong(format!("it has no `{}` but {}", names.join("` or `"), fields(message)))
            })
        };
        let role = field(&self.role)?;
        let Some(Value::String(spelled)) = message.get(&role) else {
            return Err(wrong(format!("`{role}` is not a text")));
        };
        let known = self.roles.iter().find(|(name, _)| *name == spelled.trim().to_lowercase());
        let Some((_, role)) = known else {
            let names: Vec<&str> = self.roles.iter().map(|(name, _)| name.as_str()).collect();
            return Err(wrong(format!(
                "the role {spelled:?} is unknown (known: {})",
                names.join(", ")
            )));
        };
        if *role == Role::Tool {
            return Err(Unfit::new(
                Reason::Tools,
                format!("message {at} is of the role {spelled:?}"),
            ));
        }
        let calls = ["tool_calls", "function_call"].map(str::to_owned);
        expect_empty(message, &calls, Reason::Tools)?;
        let content = field(&self.content)?;
        match message.get(&content) {
            Some(Value::String(text)) => Ok((*role, with_lf(text))),
            None | Some(Value::Null) => Ok((*role, String::new())),
            Some(Value::Array(parts)) => Ok((*role, joined(at, parts)?)),
            Some(other) => Err(wrong(format!("`{content}` is {}; expected a text", kind(other)))),
        }
    }
}

/// Joins content in parts: `[{"type": "text", "text": "…"}]`, or plain texts.
fn joined(at: usize, parts: &[Value]) -> Result<String, Unfit> {
    let mut out = String::new();
    for part in parts {
        let text = part.as_str().or_else(|| part.get("text").and_then(Value::as_str));
        let Some(text) = text else {
            let what = part.get("type").and_then(Value::as_str).unwrap_or("unknown");
            let message = format!("message {at} has a part of the type {what:?}");
            return Err(Unfit::new(Reason::NotText, message));
        };
        out.push_str(&with_lf(text));
    }
    Ok(out)
}

/// Pairs questions with answers; `first` is the number of the first message.
fn pairs(messages: Vec<(Role, String)>, first: usize) -> Result<(Vec<Turn>, usize), Unfit> {
    let mut turns = Vec::new();
    let mut asked = None;
    for (at, (role, content)) in messages.into_iter().enumerate() {
        match (role, asked.take()) {
            (Role::User, None) => asked = Some(content),
            (Role::Assistant, Some(prompt)) => turns.push(Turn { prompt, completion: content }),
            (role, _) => {
                let who = match role {
                    Role::User => "asks again before an answer",
                    Role::Assistant => "answers without a question",
                    Role::System | Role::Tool => "is a system prompt within the chat",
                };
                return Err(Unfit::new(Reason::Turns, format!("message {} {who}", at + first)));
            }
        }
    }
    Ok((turns, usize::from(asked.is_some())))
}
