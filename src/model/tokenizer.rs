//! Text to token ids and back, and where in the text each token stands.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::Error;

/// The tokenizer of a model's folder.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    end: u32,
}

/// Token ids, and for each the bytes of the text that it stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Half-open byte ranges, sorted. Tokens that share a character share its range.
    pub spans: Vec<(usize, usize)>,
}

impl Tokenizer {
    /// Reads `tokenizer.json` and the name of the token that ends an answer; every token must have a row in
    /// an embedding of `vocab_size` rows.
    pub fn load(folder: &Path, vocab_size: i64) -> Result<Tokenizer, Error> {
        let path = folder.join("tokenizer.json");
        let bytes = fs::read(&path).map_err(|source| Error::reading(&path, source))?;
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|error| Error::invalid(&path, error.to_string()))?;
        let largest = inner.get_vocab(true).into_values().max().unwrap_or(0);
        if i64::from(largest) >= vocab_size {
            return Err(Error::invalid(
                path,
                format!(
                    "token {largest} has no row in the model's embedding, whose vocab_size is {vocab_size}: it is another model's tokenizer"
                ),
            ));
        }
        inner.with_truncation(None).map_err(|error| Error::invalid(&path, error.to_string()))?;
        inner.with_padding(None);
        let end = end_of_answer(folder, &inner)?;
        Ok(Tokenizer { inner, end })
    }

    /// Whether another tokenizer has the same tokens by the same ids.
    pub fn has_tokens_of(&self, other: &Tokenizer) -> bool {
        self.inner.get_vocab(true) == other.inner.get_vocab(true)
    }

    /// The token that ends an answer.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// Encodes a text as it is: nothing is put before or after it.
    pub fn encode(&self, text: &str) -> Result<Encoded, String> {
        let encoding = self.inner.encode(text, false).map_err(|error| error.to_string())?;
        let mut spans = encoding.get_offsets().to_vec();
        // Normalisation can take a combining mark into the character before it, and then no offset names
        // the mark's bytes: they are the token's before it.
        for at in 1..spans.len() {
            spans[at - 1].1 = spans[at - 1].1.max(spans[at].0);
        }
        if let Some(last) = spans.last_mut() {
            last.1 = text.len();
        }
        Ok(Encoded { ids: encoding.get_ids().to_vec(), spans })
    }

    /// Decodes token ids, special ones included.
    pub fn decode(&self, ids: &[u32]) -> Result<String, String> {
        self.inner.decode(ids, false).map_err(|error| error.to_string())
    }
}

/// `eos_token` of `tokenizer_config.json`, or the first `eos_token_id` of `config.json`.
fn end_of_answer(folder: &Path, tokenizer: &tokenizers::Tokenizer) -> Result<u32, Error> {
    let path = folder.join("tokenizer_config.json");
    let named = special_token(&read_json(&path)?, "eos_token");
    if let Some(name) = named {
        let unknown =
            || Error::invalid(&path, format!("eos_token is {name}, which tokenizer.json lacks"));
        return tokenizer.token_to_id(&name).ok_or_else(unknown);
    }
    let path = folder.join("config.json");
    let config = read_json(&path)?;
    let id = &config["eos_token_id"];
    let id = id.as_u64().or_else(|| id.get(0)?.as_u64());
    let id = id.and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| {
        Error::invalid(
            path,
            "neither it nor tokenizer_config.json names the token that ends an answer (eos_token)",
        )
    })
}

/// A special token's text: a string, or an object with its `content`.
pub(super) fn special_token(config: &Value, name: &str) -> Option<String> {
    let token = &config[name];
    token.as_str().or_else(|| token["content"].as_str()).map(str::to_owned)
}

/// Reads a JSON file; one that is not there is `null`.
pub(super) fn read_json(path: &Path) -> Result<Value, Error> {
    match fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|error| Error::invalid(path, error.to_string()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(source) => Err(Error::reading(path, source)),
    }
}
