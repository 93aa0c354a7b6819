//! A client of servers that speak OpenAI's protocol: vLLM, llama.cpp, and what else calls itself compatible.
//!
//! In: the address of a server and the body of a request. Out: a completion, or why there is none in words that name
//! the cure. What may pass by itself is tried again, each time after a longer wait: no connection, a timeout, a body
//! that is cut off or no JSON, and the statuses 408, 425, 429 and 5xx (llama.cpp answers 503 while it loads a model).
//! A `Retry-After` of the server is obeyed, up to a minute. Everything else is an error at once: asking again with a
//! wrong key or for a model that is not there helps nobody.
//!
//! The client takes no proxy from the environment, follows no redirect (a key must not go where nobody sent it), and
//! reads no body without a limit.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

/// A server, and how patient its client is.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    base: String,
    key: Option<String>,
    patience: Patience,
}

/// How long to wait, and how often to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The longest time that an answer may take.
    pub timeout: Duration,
    /// Tries of a request, the first among them.
    pub tries: u32,
    /// The wait before the second try; each further one is twice as long, up to half a minute.
    pub wait: Duration,
}

/// One completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The text.
    pub text: String,
    /// Tokens that were generated, as the server counts them; zero if it does not say.
    pub tokens: usize,
    /// Whether the limit of tokens ended it.
    pub is_cut: bool,
}

/// Why a server gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is none.
    #[error("{url} is no address of a server: it should look like http://localhost:8000/v1")]
    Url {
        /// The address.
        url: String,
    },
    /// The server wants another key.
    #[error("{url} refuses the key: status {status}{said} (give one in the variable SALV_API_KEY)")]
    Key {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// What the server says, after a colon.
        said: String,
    },
    /// Nothing is there.
    #[error("{url}: status 404{said}: no such model or no such path ({known})")]
    NotFound {
        /// The address.
        url: String,
        /// What the server says, after a colon.
        said: String,
        /// The models that it has, in words.
        known: String,
    },
    /// The server does not take the request.
    #[error("{url} does not take the request: status {status}{said}")]
    Refused {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// What the server says, after a colon.
        said: String,
    },
    /// All tries failed.
    #[error(
        "{url}: {tries} tries failed, the last one so: {last} (is the server up? --timeout and --tries allow more; --resume continues)"
    )]
    GaveUp {
        /// The address.
        url: String,
        /// How many.
        tries: u32,
        /// What came of the last.
        last: String,
    },
    /// The run was stopped while waiting.
    #[error("stopped")]
    Stopped,
}

/// The longest wait between two tries.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// The longest body that is read: a completion of 128k tokens with its log has some MB.
const BODY_BYTES_MAX: u64 = 64 << 20;

/// Characters of a server's own words that are shown.
const SAID_CHARS_MAX: usize = 300;

#[derive(Deserialize)]
struct Answer {
    #[serde(deserialize_with = "first_choice", rename = "choices")]
    choice: Choice,
    #[serde(default)]
    usage: Option<Usage>,
}

/// The first of the choices: an answer without one is no answer.
fn first_choice<'de, D: Deserializer<'de>>(choices: D) -> Result<Choice, D::Error> {
    let choices = Vec::<Choice>::deserialize(choices)?;
    choices.into_iter().next().ok_or_else(|| D::Error::custom("no choice in it"))
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    /// Absent where a reasoning model was cut off before its answer.
    #[serde(default)]
    content: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    completion_tokens: usize,
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

/// What came of one try.
enum Failure {
    /// Worth another try, not before this time has passed.
    Passing(String, Option<Duration>),
    /// No try will help.
    Lasting(ServerError),
}

impl Client {
    /// A client of the server at `url`, with or without `/v1`.
    pub fn new(url: &str, key: Option<String>, patience: Patience) -> Result<Client, ServerError> {
        let malformed = || ServerError::Url { url: url.to_owned() };
        let parsed: ureq::http::Uri = url.parse().map_err(|_| malformed())?;
        let is_known = matches!(parsed.scheme_str(), Some("http" | "https"));
        if !is_known || parsed.host().is_none_or(str::is_empty) || parsed.query().is_some() {
            return Err(malformed());
        }
        let base = url.trim_end_matches('/').trim_end_matches("/chat/completions");
        let is_bare = parsed.path().trim_matches('/').is_empty();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_global(Some(patience.timeout))
            .build();
        Ok(Client {
            agent: config.into(),
            base: if is_bare { format!("{base}/v1") } else { base.to_owned() },
            key,
            patience,
        })
    }

    /// The models that the server has.
    pub fn models(&self, stop: &AtomicBool) -> Result<Vec<String>, ServerError> {
        let models: Models = self.ask("models", None, "", stop)?;
        Ok(models.data.into_iter().map(|model| model.id).collect())
    }

    /// Asks for a completion of a chat; `model` is the one that `request` names.
    pub fn complete(
        &self,
        request: &Value,
        model: &str,
        stop: &AtomicBool,
    ) -> Result<Completion, ServerError> {
        let answer: Answer = self.ask("chat/completions", Some(request), model, stop)?;
        let tokens = answer.usage.map_or(0, |usage| usage.completion_tokens);
        let Choice { message, finish_reason } = answer.choice;
        let is_cut = finish_reason.as_deref() == Some("length");
        Ok(Completion { text: message.content.unwrap_or_default(), tokens, is_cut })
    }

    /// Asks until there is an answer, or no hope of one.
    fn ask<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        request: Option<&Value>,
        model: &str,
        stop: &AtomicBool,
    ) -> Result<T, ServerError> {
        let url = format!("{}/{path}", self.base);
        let mut wait = self.patience.wait;
        let mut last = String::new();
        for number in 0..self.patience.tries.max(1) {
            if number > 0 {
                pause(wait, stop)?;
                wait = self.patience.wait.saturating_mul(1 << number.min(16)).min(WAIT_MAX);
            }
            if stop.load(Ordering::Relaxed) {
                return Err(ServerError::Stopped);
            }
            match self.try_once(&url, request, model, stop) {
                Ok(answer) => return Ok(answer),
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Passing(what, asked)) => {
                    last = what;
                    wait = asked.map_or(wait, |asked| asked.min(RETRY_AFTER_MAX));
                }
            }
        }
        Err(ServerError::GaveUp { url, tries: self.patience.tries, last })
    }

    fn try_once<T: serde::de::DeserializeOwned>(
        &self,
        url: &str,
        request: Option<&Value>,
        model: &str,
        stop: &AtomicBool,
    ) -> Result<T, Failure> {
        let passing = |error: ureq::Error| Failure::Passing(describe(&error), None);
        let bearer = self.key.as_ref().map(|key| format!("Bearer {key}"));
        let response = match request {
            None => {
                let mut call = self.agent.get(url);
                if let Some(bearer) = &bearer {
                    call = call.header("Authorization", bearer);
                }
                call.call()
            }
            Some(request) => {
                let mut call = self.agent.post(url).header("Content-Type", "application/json");
                if let Some(bearer) = &bearer {
                    call = call.header("Authorization", bearer);
                }
                call.send(request.to_string())
            }
        };
        let mut response = response.map_err(passing)?;
        let status = response.status().as_u16();
        let retry_after = retry_after(&response);
        let body = read_body(&mut response)?;
        if (200..300).contains(&status) {
            return parse(&body);
        }
        let said = words_of(&body);
        Err(match status {
            408 | 425 | 429 | 500..=599 => {
                Failure::Passing(format!("status {status}{said}"), retry_after)
            }
            401 | 403 => Failure::Lasting(ServerError::Key { url: url.to_owned(), status, said }),
            404 => Failure::Lasting(self.not_found(url, said, model, stop)),
            _ => Failure::Lasting(ServerError::Refused { url: url.to_owned(), status, said }),
        })
    }

    fn not_found(&self, url: &str, said: String, model: &str, stop: &AtomicBool) -> ServerError {
        let known = match url.ends_with("/models") {
            true => "does the address end in /v1?".to_owned(),
            false => match (Client { patience: ONCE, ..self.clone() }).models(stop) {
                Ok(models) => format!("asked for {model}; it has {}", models.join(", ")),
                Err(_) => "it names no models either: does the address end in /v1?".to_owned(),
            },
        };
        ServerError::NotFound { url: url.to_owned(), said, known }
    }
}

/// For a question that only makes an error clearer.
const ONCE: Patience =
    Patience { timeout: Duration::from_secs(10), tries: 1, wait: Duration::from_secs(1) };

/// Waits, unless the run is stopped.
fn pause(wait: Duration, stop: &AtomicBool) -> Result<(), ServerError> {
    const STEP: Duration = Duration::from_millis(50);
    let until = Instant::now() + wait;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        if stop.load(Ordering::Relaxed) {
            return Err(ServerError::Stopped);
        }
        std::thread::sleep(left.min(STEP));
    }
    Ok(())
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let header = response.headers().get("Retry-After")?.to_str().ok()?;
    header.trim().parse().ok().map(Duration::from_secs)
}

fn read_body(response: &mut Response<Body>) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let mut reader = response.body_mut().with_config().limit(BODY_BYTES_MAX).reader();
    match reader.read_to_end(&mut body) {
        Ok(_) => Ok(body),
        Err(error) => {
            let what = format!("the answer broke off after {} bytes: {error}", body.len());
            Err(Failure::Passing(what, None))
        }
    }
}

/// An answer that is none is tried again: a proxy's page, a line that was cut off.
fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        let what = format!("the answer is not what was asked for: {error}{}", words_of(body));
        Failure::Passing(what, None)
    })
}

/// What a server says of an error, after a colon: OpenAI's form, or the beginning of whatever it is.
fn words_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    let error = if value["error"].is_null() { &value } else { &value["error"] };
    let said = error["message"].as_str().or(error["detail"].as_str()).or(error.as_str());
    let said = said.unwrap_or(&text).split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = said.chars().filter(|c| !c.is_control()).take(SAID_CHARS_MAX).collect();
    if short.is_empty() { short } else { format!(": {short}") }
}

fn describe(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "no such host".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: &str) -> Option<String> {
        let patience = Patience { tries: 1, ..ONCE };
        Client::new(url, None, patience).ok().map(|client| client.base)
    }

    #[test]
    fn an_address_may_be_given_with_its_path_or_without() {
        for url in [
            "http://h:8000",
            "http://h:8000/",
            "http://h:8000/v1",
            "http://h:8000/v1/",
            "http://h:8000/v1/chat/completions",
        ] {
            assert_eq!(base(url).as_deref(), Some("http://h:8000/v1"), "{url}");
        }
        assert_eq!(base("https://h/openai/v1").as_deref(), Some("https://h/openai/v1"));
        for url in ["h:8000", "localhost", "ftp://h/v1", "http://", "http://h/v1?key=1", ""] {
            assert_eq!(base(url), None, "{url}");
        }
    }

    #[test]
    fn a_servers_words_are_found_in_every_form() {
        assert_eq!(words_of(br#"{"error":{"message":"no  such\nmodel"}}"#), ": no such model");
        assert_eq!(words_of(br#"{"error":"busy"}"#), ": busy");
        assert_eq!(words_of(br#"{"detail":"Not Found"}"#), ": Not Found");
        assert_eq!(words_of(b"<html>Bad gateway</html>"), ": <html>Bad gateway</html>");
        assert_eq!(words_of(b""), "");
        assert_eq!(words_of(&[b'x'; 1000]).chars().count(), SAID_CHARS_MAX + 2);
    }
}
