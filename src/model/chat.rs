//! The chat template of a model: how a conversation becomes the text that the model was trained on.
//!
//! Templates are Jinja as transformers renders them: blocks leave no blank lines, Python's methods of strings,
//! lists and dictionaries work, and `tojson` writes as Python's `json.dumps` does. A template that asks for
//! today's date is refused: the same prompt would be another text tomorrow.

use std::path::Path;

use minijinja::value::{Kwargs, Value as Jinja};
use minijinja::{Environment, ErrorKind, context};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Error;
use super::tokenizer::{read_json, special_token};

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

/// A template, compiled.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: Option<String>,
    eos: Option<String>,
}

const NAME: &str = "chat_template";

impl ChatTemplate {
    /// Reads the template of a model's folder: `chat_template.jinja`, or `chat_template` of
    /// `tokenizer_config.json`. A model may have none.
    pub fn load(folder: &Path) -> Result<Option<ChatTemplate>, Error> {
        let path = folder.join("tokenizer_config.json");
        let config = read_json(&path)?;
        let beside = folder.join("chat_template.jinja");
        let (path, source) = match std::fs::read_to_string(&beside) {
            Ok(source) => (beside, source),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                match in_config(&config[NAME]) {
                    Some(source) => (path, source),
                    None => return Ok(None),
                }
            }
            Err(source) => return Err(Error::reading(beside, source)),
        };
        let mut template =
            ChatTemplate::parse(source).map_err(|message| Error::invalid(path, message))?;
        template.bos = special_token(&config, "bos_token");
        template.eos = special_token(&config, "eos_token");
        Ok(Some(template))
    }

    /// Compiles a template.
    pub fn parse(source: String) -> Result<ChatTemplate, String> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", tojson);
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<(), minijinja::Error> {
                Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment.add_function("strftime_now", |_: String| -> Result<(), minijinja::Error> {
            let message =
                "the template asks for the date, which would make prompts differ from day to day";
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        let compiled = environment.add_template_owned(NAME, source);
        compiled.map_err(|error| format!("{NAME}: {error:#}"))?;
        Ok(ChatTemplate { environment, bos: None, eos: None })
    }

    /// Renders a conversation; `answer_next` ends it with the head of the assistant's turn.
    pub fn render(&self, messages: &[Message], answer_next: bool) -> Result<String, String> {
        let template = self.environment.get_template(NAME).map_err(|error| error.to_string())?;
        let given = context! {
            messages => messages,
            add_generation_prompt => answer_next,
            bos_token => self.bos,
            eos_token => self.eos,
        };
        template
            .render(given)
            .map_err(|error| format!("failed to render the chat template: {error:#}"))
    }
}

/// A string, or a list of named ones of which one is the default.
fn in_config(template: &Value) -> Option<String> {
    let named = || {
        let list = template.as_array()?;
        let default = list.iter().find(|entry| entry["name"] == "default")?;
        default["template"].as_str()
    };
    template.as_str().or_else(named).map(str::to_owned)
}

/// `json.dumps(value, ensure_ascii=False, indent=…)` of Python.
fn tojson(value: Jinja, options: Kwargs) -> Result<Jinja, minijinja::Error> {
    let indent: Option<usize> = options.get("indent")?;
    options.assert_all_used()?;
    let mut text = Vec::new();
    let written = match indent {
        Some(width) => {
            let blanks = " ".repeat(width);
            let pretty = serde_json::ser::PrettyFormatter::with_indent(blanks.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, pretty))
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, Spaced)),
    };
    let fail = |error: String| minijinja::Error::new(ErrorKind::BadSerialization, error);
    written.map_err(|error| fail(error.to_string()))?;
    let text = String::from_utf8(text).map_err(|error| fail(error.to_string()))?;
    Ok(Jinja::from_safe_string(text))
}

/// A blank after commas and colons.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
    ) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}
