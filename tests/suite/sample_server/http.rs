//! An HTTP server on this machine, started by a test: it reads whole requests from a socket and answers with bytes
//! that the test chooses, well-formed or not, since what a client does with the others is the point.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method and path.
    pub head: String,
    /// The `Authorization` header.
    pub key: Option<String>,
    /// The body, where it is JSON.
    pub body: Value,
}

impl Request {
    /// The last message of a chat.
    pub fn prompt(&self) -> &str {
        let messages = self.body["messages"].as_array().expect("messages");
        messages.last().expect("a message")["content"].as_str().expect("a text")
    }
}

/// What a server does with a request.
pub enum Answer {
    /// A status, further header lines, and a body.
    Whole(u16, &'static str, String),
    /// The beginning of a body that is announced as longer.
    Cut(String),
    /// The connection is closed without a word.
    Nothing,
}

/// An answer after this time.
pub fn late(time: Duration, body: String) -> Answer {
    std::thread::sleep(time);
    Answer::Whole(200, "", body)
}

/// A completion in OpenAI's form.
pub fn completion(text: &str, finish: &str) -> String {
    json!({
        "id": "x", "object": "chat.completion", "model": "m",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": finish }],
        "usage": { "prompt_tokens": 7, "completion_tokens": text.len(), "total_tokens": 7 + text.len() },
    })
    .to_string()
}

/// A list of models in OpenAI's form.
pub fn models(names: &[&str]) -> Answer {
    let data: Vec<Value> = names.iter().map(|name| json!({ "id": name })).collect();
    Answer::Whole(200, "", json!({ "object": "list", "data": data }).to_string())
}

/// A server that runs until the test process ends.
pub struct Server {
    /// Its address, with `/v1`.
    pub url: String,
    /// What it was asked, in order of arrival.
    pub asked: Arc<Mutex<Vec<Request>>>,
    /// The most requests that it held at one time, from their last byte to the first one of their answer.
    pub most_at_once: Arc<AtomicUsize>,
}

impl Server {
    /// Starts one; `answer` is given each request and its number, and may be called from several threads.
    pub fn start(answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let server = Server { url, asked: Arc::default(), most_at_once: Arc::default() };
        let (asked, most, now) =
            (server.asked.clone(), server.most_at_once.clone(), Arc::new(AtomicUsize::new(0)));
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (asked, most, now, answer) =
                    (asked.clone(), most.clone(), now.clone(), answer.clone());
                std::thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let number = {
                        let mut asked = asked.lock().expect("a list");
                        asked.push(request.clone());
                        asked.len() - 1
                    };
                    let answer = answer(&request, number);
                    // No longer held once its answer begins: a client that has it may ask for more at once.
                    now.fetch_sub(1, Ordering::SeqCst);
                    // The client may have gone away: that is what some tests are about.
                    let _ = write(stream, answer);
                });
            }
        });
        server
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.asked.lock().expect("a list").clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length, mut key) = (String::new(), 0, None);
    reader.read_line(&mut head).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => key = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Some(Request { head: head.trim().to_owned(), key, body })
}

fn write(mut stream: TcpStream, answer: Answer) -> std::io::Result<()> {
    let mut whole = |status: u16, headers: &str, body: &str, announced: usize| {
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {announced}\r\nConnection: close\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())
    };
    match answer {
        Answer::Whole(status, headers, body) => whole(status, headers, &body, body.len()),
        Answer::Cut(body) => whole(200, "", &body, body.len() + 100),
        Answer::Nothing => Ok(()),
    }
}
