//! `salv sample --server`, against a real HTTP server that the test starts: what is asked, in what order it is
//! written, what is tried again and what is an error at once, and that a killed run goes on.

mod http;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use salv::problem::Problem;
use salv::record::RecordError;
use salv::sample::client::{Client, Patience};
use salv::sample::server::{self, Run, Settings, Sink};
use salv::sample::{Finish, Row};

pub use http::{Answer, Request, Server, completion, late, models};

use crate::verify::{Bench, succeeded};

fn problem(name: &str) -> Problem {
    Problem {
        problem: name.to_owned(),
        prompt: format!("Write {name}."),
        golden: format!("module {name}; endmodule"),
        golden_top: None,
        top: name.to_owned(),
        testbench: None,
        inputs: Default::default(),
        source: None,
        licence: None,
    }
}

fn bench(problems: usize) -> Bench {
    let bench = Bench::new(&[]);
    bench.write("problems.jsonl", (0..problems).map(|number| problem(&format!("p{number}"))));
    bench
}

fn sample(bench: &Bench, server: &Server, arguments: &[&str]) -> Command {
    let mut command = bench.salv(&["sample", "--server", &server.url, "problems.jsonl"]);
    command.args(["--wait-ms", "5"]).args(arguments).env_remove("SALV_API_KEY");
    command
}

fn rows(bench: &Bench) -> Vec<Row> {
    let text = bench.read("candidates.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
}

/// A server with one model that answers with what it was asked.
fn echo() -> Server {
    Server::start(|request, _| {
        if request.head.starts_with("GET") {
            return models(&["only"]);
        }
        late(Duration::from_millis(5), answer_to(request))
    })
}

fn answer_to(request: &Request) -> String {
    let text = format!("// {} seed {}", request.prompt(), request.body["seed"]);
    completion(&text, "stop")
}

/// One that answers its first sample when four more were asked for: with four at a time, another was answered first.
fn echo_out_of_order() -> Server {
    let (asked, more) = (Mutex::new(0), Condvar::new());
    Server::start(move |request, _| {
        if request.head.starts_with("GET") {
            return models(&["only"]);
        }
        let mut asked = asked.lock().expect("a count");
        *asked += 1;
        more.notify_all();
        if *asked == 1 {
            let until = Duration::from_secs(30);
            drop(more.wait_timeout_while(asked, until, |asked| *asked < 5).expect("a count"));
        }
        Answer::Whole(200, "", answer_to(request))
    })
}

fn failed(command: &mut Command) -> String {
    let output = command.output().expect("a command that starts");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    stderr
}

#[test]
fn every_sample_is_asked_once_with_its_own_seed_and_written_in_order() {
    let (bench, server) = (bench(5), echo_out_of_order());
    let arguments = ["-n", "3", "--temperature", "0.6", "--top-p", "0.9", "--max-tokens", "77"];
    let more = ["--stop", "endmodule", "--system", "Be brief.", "--parallel", "4"];
    let output = succeeded(sample(&bench, &server, &arguments).args(more));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("temperature 0.6, top-p 0.9, up to 77 tokens"), "{said}");
    let rows = rows(&bench);
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let expected: Vec<String> = (0..15).map(|at| format!("p{}/{}", at / 3, at % 3)).collect();
    assert_eq!(ids, expected);
    assert!(
        rows.iter().all(|row| row.finish == Finish::Stop && row.tokens == row.completion.len())
    );
    let asked: Vec<_> =
        server.requests().into_iter().filter(|request| request.head.starts_with("POST")).collect();
    assert_eq!(asked.len(), 15);
    let seeds: HashSet<u64> =
        asked.iter().map(|request| request.body["seed"].as_u64().expect("a seed")).collect();
    assert_eq!(seeds.len(), 15, "every sample has a seed of its own");
    let first = &asked[0];
    assert_eq!(first.head, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(first.key, None);
    assert_eq!(first.body["model"], "only");
    assert_eq!(first.body["temperature"], 0.6);
    assert_eq!(first.body["top_p"], 0.9);
    assert_eq!(first.body["max_tokens"], 77);
    assert_eq!(first.body["stop"], serde_json::json!(["endmodule"]));
    assert_eq!(first.body["messages"][0]["content"], "Be brief.");
    let most = server.most_at_once.load(std::sync::atomic::Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most} at once");
    assert!(!bench.path("candidates.jsonl.ahead").exists());
    // Again, one at a time: the same bytes.
    let before = bench.read("candidates.jsonl");
    succeeded(sample(&bench, &server, &arguments).args(&more[..4]).args(["--parallel", "1"]));
    assert_eq!(bench.read("candidates.jsonl"), before);
}

#[test]
fn the_key_goes_to_the_server_and_nowhere_else() {
    let (bench, server) = (bench(1), echo());
    succeeded(sample(&bench, &server, &["-n", "1"]).env("SALV_API_KEY", "secret-1"));
    let keys: Vec<_> = server.requests().into_iter().map(|request| request.key).collect();
    assert_eq!(keys, vec![Some("Bearer secret-1".to_owned()); 2]);
    for file in ["candidates.jsonl", "candidates.jsonl.meta.json"] {
        assert!(!bench.read(file).contains("secret-1"), "{file}");
    }
    // A server that sends the client elsewhere does not get it there.
    let elsewhere = echo();
    let url: &'static str =
        Box::leak(format!("Location: {}/chat/completions\r\n", elsewhere.url).into_boxed_str());
    let sender = Server::start(move |_, _| Answer::Whole(307, url, String::new()));
    let command = &mut sample(&bench, &sender, &["-n", "1", "--served-model", "m", "--tries", "1"]);
    let error = failed(command.env("SALV_API_KEY", "secret-2"));
    assert!(error.contains("307"), "{error}");
    assert_eq!(elsewhere.requests().len(), 0);
}

/// Each request fails in one way or another before it is answered.
#[test]
fn what_may_pass_is_tried_again() {
    let seen: Mutex<HashMap<String, usize>> = Mutex::default();
    let server = Server::start(move |request, _| {
        let mut seen = seen.lock().expect("a map");
        let name = format!("{} {}", request.prompt(), request.body["seed"]);
        let time = seen.entry(name).or_default();
        *time += 1;
        let good = completion("module good; endmodule", "length");
        match (request.prompt(), *time) {
            (_, 4..) => Answer::Whole(200, "", good),
            ("Write p0.", _) => Answer::Nothing,
            ("Write p1.", _) => Answer::Cut(good),
            ("Write p2.", _) => {
                Answer::Whole(503, "", r#"{"error":{"message":"Loading model"}}"#.into())
            }
            ("Write p3.", _) => Answer::Whole(200, "", "<html>Bad gateway</html>".into()),
            ("Write p4.", 1) => Answer::Whole(429, "Retry-After: 1\r\n", "slow down".into()),
            ("Write p4.", _) => Answer::Whole(200, "", r#"{"choices":[{"mess"#.into()),
            _ => Answer::Whole(500, "", String::new()),
        }
    });
    let bench = bench(6);
    let started = Instant::now();
    succeeded(&mut sample(&bench, &server, &["-n", "2", "--served-model", "m", "--tries", "4"]));
    assert!(started.elapsed() >= Duration::from_secs(1), "a server's Retry-After is obeyed");
    let rows = rows(&bench);
    assert_eq!(rows.len(), 12);
    assert!(rows.iter().all(|row| row.completion == "module good; endmodule"));
    assert!(rows.iter().all(|row| row.finish == Finish::Length));
    assert_eq!(server.requests().len(), 48, "three failures for each");
}

/// What the server answers, and what a person reads then.
#[track_caller]
fn check_error(answer: fn() -> Answer, arguments: &[&str], requests: usize, words: &[&str]) {
    let server = Server::start(move |request, _| match request.head.starts_with("GET") {
        true => models(&["qwen", "llama"]),
        false => answer(),
    });
    let bench = bench(1);
    let all = ["-n", "1", "--tries", "3", "--parallel", "1"];
    let error = failed(sample(&bench, &server, &all).args(arguments));
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
    let asked = server.requests().iter().filter(|r| r.head.starts_with("POST")).count();
    assert_eq!(asked, requests, "{error}");
    assert!(!error.contains("panicked"), "{error}");
}

#[test]
fn what_does_not_pass_is_an_error_that_names_the_cure() {
    let named = ["--served-model", "qwen"];
    check_error(
        || Answer::Whole(401, "", r#"{"error":{"message":"bad key"}}"#.into()),
        &named,
        1,
        &["refuses the key", "401", "bad key", "SALV_API_KEY"],
    );
    check_error(
        || {
            Answer::Whole(
                404,
                "",
                r#"{"error":{"message":"The model `gpt` does not exist"}}"#.into(),
            )
        },
        &["--served-model", "gpt"],
        1,
        &["404", "does not exist", "asked for gpt", "qwen, llama"],
    );
    check_error(
        || {
            Answer::Whole(
                400,
                "",
                r#"{"error":{"message":"maximum context length is 4096"}}"#.into(),
            )
        },
        &named,
        1,
        &["does not take the request", "400", "maximum context length"],
    );
    check_error(
        || late(Duration::from_secs(3), completion("late", "stop")),
        &["--served-model", "qwen", "--timeout", "1"],
        3,
        &["3 tries failed", "no answer in time", "--timeout"],
    );
    check_error(
        || Answer::Whole(200, "", "not JSON".into()),
        &named,
        3,
        &["3 tries failed", "not what was asked for", "not JSON"],
    );
    check_error(|| Answer::Cut("{".into()), &named, 3, &["3 tries failed", "broke off"]);
    check_error(
        || Answer::Whole(200, "", r#"{"choices":[]}"#.into()),
        &named,
        3,
        &["3 tries failed", "no choice"],
    );
    // Which of its models?
    check_error(|| Answer::Nothing, &[], 0, &["several models", "--served-model", "qwen, llama"]);
}

#[test]
fn a_server_that_is_not_there_and_an_address_that_is_none_are_told_apart() {
    let bench = bench(1);
    let gone = Server {
        url: "http://127.0.0.1:9/v1".into(),
        asked: Default::default(),
        most_at_once: Default::default(),
    };
    let arguments = ["-n", "1", "--tries", "2", "--served-model", "m"];
    let error = failed(&mut sample(&bench, &gone, &arguments));
    assert!(error.contains("2 tries failed") && error.contains("is the server up?"), "{error}");
    let none = Server { url: "localhost:8000".into(), ..gone };
    let error = failed(&mut sample(&bench, &none, &arguments));
    assert!(error.contains("no address of a server"), "{error}");
    let usage = bench.salv(&["sample", "--server"]).output().expect("a command");
    assert_eq!(usage.status.code(), Some(2));
}

/// A run that is killed while the server works loses no answer that it has had.
#[test]
fn a_killed_run_goes_on_and_asks_for_nothing_twice() {
    let (bench, server) = (bench(8), echo());
    let arguments = ["-n", "4", "--parallel", "3"];
    succeeded(&mut sample(&bench, &server, &arguments));
    let whole = (bench.read("candidates.jsonl"), bench.read("candidates.jsonl.meta.json"));
    std::fs::remove_file(bench.path("candidates.jsonl")).expect("a file");
    let mut killed = 0;
    let mut asked = 0;
    for _ in 0..20 {
        // Eight answers, and then none: a run that wants more is still there to be killed.
        let server = Server::start(|request, number| match request.head.starts_with("GET") {
            true => models(&["only"]),
            false if number <= 8 => Answer::Whole(200, "", answer_to(request)),
            false => late(Duration::from_secs(3600), String::new()),
        });
        let mut run = sample(&bench, &server, &arguments)
            .arg("--resume")
            .stderr(Stdio::null())
            .spawn()
            .expect("a command");
        let posts = || server.requests().iter().filter(|r| r.head.starts_with("POST")).count();
        let started = Instant::now();
        let ended = loop {
            assert!(started.elapsed() < Duration::from_secs(60), "{} requests", posts());
            if let Some(status) = run.try_wait().expect("a status") {
                break Some(status);
            }
            if posts() > 8 {
                run.kill().expect("a kill");
                run.wait().expect("an end");
                break None;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        asked += posts();
        match ended {
            Some(status) => {
                assert!(status.success());
                break;
            }
            None => killed += 1,
        }
    }
    assert!(killed > 0, "the run was over before it could be killed");
    assert!(whole == (bench.read("candidates.jsonl"), bench.read("candidates.jsonl.meta.json")));
    // Only what was on its way or being written at a kill is asked for again.
    assert!((32..=32 + (3 + 1) * killed).contains(&asked), "{asked} requests with {killed} kills");
    let other = sample(&bench, &server, &["-n", "4", "--temperature", "0.3", "--resume"]).output();
    let other: Output = other.expect("a command");
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && said.contains("temperature"), "{said}");
}

/// Writes slowly, and looks at what the server was asked meanwhile.
struct Slow<'a> {
    server: &'a Server,
    taken: HashSet<String>,
}

impl Slow<'_> {
    fn take(&mut self, row: &Row) {
        self.taken.insert(row.id.clone());
        std::thread::sleep(Duration::from_millis(50));
        let (asked, taken) = (self.server.requests().len(), self.taken.len());
        // One answer may be taken that is not shown yet: rows that waited before it come first.
        let bound = taken + 1 + PARALLEL;
        assert!(asked <= bound, "{asked} requests with {taken} answers taken");
    }
}

impl Sink for Slow<'_> {
    fn write(&mut self, row: Row) -> Result<(), RecordError> {
        self.take(&row);
        Ok(())
    }

    fn keep(&mut self, _: usize, row: &Row) -> Result<(), RecordError> {
        self.take(row);
        Ok(())
    }
}

const PARALLEL: usize = 3;

/// No more answers can be lost by a kill than are on their way.
#[test]
fn nothing_more_is_asked_while_answers_wait_to_be_written() {
    let server = echo();
    let patience =
        Patience { timeout: Duration::from_secs(30), tries: 1, wait: Duration::from_millis(5) };
    let client = Client::new(&server.url, None, patience).expect("a client");
    let settings = Settings {
        samples: 4,
        temperature: 1.0,
        top_p: 1.0,
        max_tokens: 9,
        stop: Vec::new(),
        seed: 0,
    };
    let run = Run {
        client: &client,
        model: "only",
        system: None,
        settings: &settings,
        problems: &[problem("p0"), problem("p1"), problem("p2")],
        parallel: PARALLEL,
        stop: &AtomicBool::new(false),
    };
    let mut slow = Slow { server: &server, taken: HashSet::new() };
    server::sample(&run, 0..12, BTreeMap::new(), &mut slow).expect("a run");
    assert_eq!(slow.taken.len(), 12);
}

/// Parts that are made apart are the whole run.
#[test]
fn parts_come_together() {
    let (bench, server) = (bench(3), echo());
    succeeded(&mut sample(&bench, &server, &["-n", "2"]));
    let whole = bench.read("candidates.jsonl");
    for part in ["1", "2"] {
        let (shard, output) = (format!("{part}/2"), format!("part-{part}.jsonl"));
        succeeded(&mut sample(&bench, &server, &["-n", "2", "--shard", &shard, "-o", &output]));
    }
    succeeded(&mut bench.salv(&["merge", "part-1.jsonl", "part-2.jsonl", "-o", "merged.jsonl"]));
    assert_eq!(bench.read("merged.jsonl"), whole);
}

/// The first Ctrl-C waits for the answers that are on their way, the second does not.
#[test]
fn a_second_ctrl_c_ends_at_once() {
    let server = Server::start(|_, _| late(Duration::from_secs(60), completion("late", "stop")));
    let bench = bench(2);
    let mut run = sample(&bench, &server, &["-n", "1", "--served-model", "m"])
        .stderr(Stdio::null())
        .spawn()
        .expect("a command");
    let started = Instant::now();
    while server.requests().len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing is asked");
        std::thread::sleep(Duration::from_millis(5));
    }
    let started = Instant::now();
    while run.try_wait().expect("a status").is_none() {
        assert!(started.elapsed() < Duration::from_secs(30), "two signals did not end it");
        succeeded(Command::new("kill").args(["-INT", &run.id().to_string()]));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(run.wait().expect("a status").code(), Some(130));
}
