//! Data for fine-tuning: every format on small rows, and the program as a user runs it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use salv::corpus::ImportError;
use salv::corpus::sft::{
    self, DataSet, Dropped, Format, Reason, Row, Sample, Turn, alpaca, chat, llama_factory,
};
use salv::record;

const CODE: &str = "module inv(input a, output y); assign y = ~a; endmodule";

/// Compresses a file.
pub fn compress(from: &Path, to: &Path) {
    let bytes = std::fs::read(from).expect("a file");
    let file = std::fs::File::create(to).expect("a file");
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    encoder.write_all(&bytes).expect("written");
    encoder.finish().expect("finished");
}

fn instructions() -> Format {
    Format::Alpaca(alpaca::Columns::default())
}

fn chats() -> Format {
    Format::Chat(chat::Columns::default())
}

fn read(content: &[u8], format: Format) -> Vec<Result<Row, ImportError>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data.json");
    std::fs::write(&path, content).expect("a file");
    sft::rows(&DataSet { files: vec![path], format }).collect()
}

/// Reads one row, with `CODE` for `$`, and makes a sample of it.
fn sample(row: &str, format: Format) -> Result<Sample, (Reason, String)> {
    let row = row.replace('$', CODE);
    let mut rows = read(row.as_bytes(), format);
    assert_eq!(rows.len(), 1, "{row}");
    let row = rows.pop().expect("a row").expect("a readable row");
    let settled = row.chat.and_then(|chat| sft::settle(row.id, chat));
    settled.map(|settled| settled.sample).map_err(|unfit| (unfit.reason, unfit.message))
}

#[track_caller]
fn keep(row: &str, format: Format, prompt: &str, completion: &str) -> Sample {
    let sample = sample(row, format).expect("a sample");
    assert_eq!((sample.prompt.as_str(), sample.completion.as_str()), (prompt, completion));
    sample
}

#[track_caller]
fn drop_row(row: &str, format: Format, reason: Reason, expect: &str) {
    let (found, message) = sample(row, format).expect_err("no sample");
    assert_eq!(found, reason, "{message}");
    assert!(message.contains(expect), "{expect:?} is not in {message:?}");
}

#[test]
fn instructions_have_a_field_for_each_part() {
    let plain =
        keep(r#"{"instruction": "Invert a.", "output": "$"}"#, instructions(), "Invert a.", CODE);
    assert_eq!((plain.id.as_str(), plain.system, plain.history), ("0", None, vec![]));
    keep(
        r#"{"instruction": "Invert.", "input": "module inv(", "output": "$"}"#,
        instructions(),
        "Invert.\nmodule inv(",
        CODE,
    );
    // An empty or absent input leaves no line behind; a null is an absence.
    keep(
        r#"{"instruction": "Invert.", "input": " ", "output": "$"}"#,
        instructions(),
        "Invert.",
        CODE,
    );
    keep(
        r#"{"instruction": "Invert.", "input": null, "output": ["$"]}"#,
        instructions(),
        "Invert.",
        CODE,
    );
    keep(
        r#"{"instruction": "", "input": "Invert.", "output": "$"}"#,
        instructions(),
        "Invert.",
        CODE,
    );
    let full = keep(
        r#"{"instruction": "Again.", "output": "$", "system": "Be brief.", "history": [["Hello.", "Hello!"]]}"#,
        instructions(),
        "Again.",
        CODE,
    );
    assert_eq!(full.system.as_deref(), Some("Be brief."));
    let hello = Turn { prompt: "Hello.".to_owned(), completion: "Hello!".to_owned() };
    assert_eq!(full.history, [hello]);
}

#[test]
fn instructions_that_are_no_samples() {
    let check = |row, reason, expect| drop_row(row, instructions(), reason, expect);
    check(r#"{"Instruction": "x", "Response": "$"}"#, Reason::Malformed, "Instruction, Response");
    check(r#"{"instruction": "x"}"#, Reason::Malformed, "`output` is missing");
    check(r#"{"instruction": "x", "output": 7}"#, Reason::Malformed, "a number");
    check(r#"{"instruction": "x", "output": ["$", "$"]}"#, Reason::Malformed, "a list of 2");
    check(r#"{"instruction": "x", "output": "$", "history": [["a"]]}"#, Reason::Malformed, "pairs");
    check(r#""x""#, Reason::Malformed, "an object");
    check(r#"{"instruction": " ", "output": "$"}"#, Reason::NoPrompt, "prompt");
    check(r#"{"instruction": "x", "output": ""}"#, Reason::NoCompletion, "empty");
    check(r#"{"instruction": "x", "output": null}"#, Reason::NoCompletion, "empty");
    check(r#"{"instruction": "x", "output": "I would rather not."}"#, Reason::NoCode, "no Verilog");
    check(
        r#"{"instruction": "x", "output": "```python\nprint(1)\n```"}"#,
        Reason::NoCode,
        "no Verilog",
    );
    check(r#"{"instruction": "x", "output": "$", "images": ["a.png"]}"#, Reason::NotText, "images");
    check(r#"{"instruction": "x", "output": "$", "tools": "[{}]"}"#, Reason::Tools, "tools");
    keep(
        r#"{"instruction": "x", "output": "$", "tools": "[]", "images": []}"#,
        instructions(),
        "x",
        CODE,
    );
}

#[test]
fn chats_come_in_both_spellings() {
    let share = r#"{"conversations": [{"from": "human", "value": "Invert."}, {"from": "gpt", "value": "$"}]}"#;
    keep(share, chats(), "Invert.", CODE);
    let openai = r#"{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Inv"}, {"type": "text", "text": "ert."}]}, {"role": "assistant", "content": "$", "tool_calls": null}]}"#;
    let found = keep(openai, chats(), "Invert.", CODE);
    assert_eq!(found.system.as_deref(), Some("Be brief."));
    let mixed = r#"{"system": "Be brief.", "messages": [{"from": "User", "content": "Invert."}, {"role": "chatgpt", "value": "$"}]}"#;
    assert_eq!(keep(mixed, chats(), "Invert.", CODE).system.as_deref(), Some("Be brief."));
}

#[test]
fn a_chat_ends_with_its_last_code() {
    let row = r#"{"conversations": [{"from": "human", "value": "Hello."}, {"from": "gpt", "value": "Hello!"},
        {"from": "human", "value": "Invert."}, {"from": "gpt", "value": "$"},
        {"from": "human", "value": "Thanks."}, {"from": "gpt", "value": "Welcome."}, {"from": "human", "value": "Bye."}]}"#;
    let row = row.replace('\n', " ");
    let found = keep(&row, chats(), "Invert.", CODE);
    assert_eq!(found.history.len(), 1);
    let rows = read(row.replace('$', CODE).as_bytes(), chats());
    let chat = rows[0].as_ref().expect("a row").chat.clone().expect("a chat");
    assert_eq!(sft::settle("0".to_owned(), chat).expect("a sample").cut, 2);
}

#[test]
fn chats_that_are_no_samples() {
    let check = |messages: &str, reason, expect: &str| {
        drop_row(&format!(r#"{{"messages": [{messages}]}}"#), chats(), reason, expect);
    };
    let user = r#"{"role": "user", "content": "Invert."}"#;
    let assistant = r#"{"role": "assistant", "content": "$"}"#;
    let system = r#"{"role": "system", "content": "Be brief."}"#;
    check(&format!("{assistant}, {user}, {assistant}"), Reason::Turns, "message 0 answers");
    check(&format!("{user}, {user}, {assistant}"), Reason::Turns, "message 1 asks again");
    check(&format!("{system}, {user}, {system}, {assistant}"), Reason::Turns, "message 2");
    check(user, Reason::NoCompletion, "no question");
    check("", Reason::NoCompletion, "no question");
    check(r#"{"role": "narrator", "content": "x"}"#, Reason::Malformed, "\"narrator\"");
    check(r#"{"content": "x"}"#, Reason::Malformed, "`role`");
    check(r#"{"role": "user"}"#, Reason::Malformed, "`content`");
    check(r#"{"role": "user", "content": 1}"#, Reason::Malformed, "a number");
    check("7", Reason::Malformed, "message 0");
    check(
        &format!(r#"{user}, {{"role": "tool", "content": "1"}}, {assistant}"#),
        Reason::Tools,
        "tool",
    );
    let call = r#"{"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]}"#;
    check(&format!("{user}, {call}"), Reason::Tools, "tool_calls");
    let picture = r#"{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}"#;
    check(&format!("{picture}, {assistant}"), Reason::NotText, "image_url");
    let nothing = r#"{"role": "assistant", "content": null}"#;
    check(&format!("{user}, {nothing}"), Reason::NoCompletion, "empty");
    check(&format!("{user}, {nothing}, {user}, {assistant}"), Reason::NoCompletion, "earlier");
    drop_row(r#"{"instruction": "x", "output": "$"}"#, chats(), Reason::Malformed, "corpus alpaca");
    drop_row(r#"{"messages": "x"}"#, chats(), Reason::Malformed, "a text");
}

#[test]
fn line_ends_and_encodings() {
    let row =
        "{\"instruction\": \"Invert\\r\\nit.\", \"output\": \"module m;\\r\\nendmodule\\r\"}\r\n";
    keep(row, instructions(), "Invert\nit.", "module m;\nendmodule\n");
    let mut bytes = b"{\"instruction\": \"x\", \"output\": \"module m; // ".to_vec();
    bytes.extend_from_slice(b"\xd6\xd0\\nendmodule\"}");
    let rows = read(&bytes, instructions());
    let row = rows.into_iter().next().expect("a row").expect("a readable row");
    let unfit = sft::settle(row.id, row.chat.expect("a chat")).expect_err("no sample");
    assert_eq!(unfit.reason, Reason::NotUtf8);
    assert!(unfit.message.contains("line 1"), "{}", unfit.message);
}

#[test]
fn a_list_is_read_element_by_element() {
    let list = "\u{feff}\n[\n{\"instruction\": \"a]},[\\\"\", \"output\": \"x\"},\n\n  {\"instruction\": \"b\",\n \"output\": \"\\ud800\"} , 7\n]\n";
    let rows = read(list.as_bytes(), instructions());
    let rows: Vec<Row> = rows.into_iter().map(|row| row.expect("a row")).collect();
    let places: Vec<(&str, usize)> = rows.iter().map(|row| (row.id.as_str(), row.line)).collect();
    assert_eq!(places, [("0", 3), ("1", 5), ("2", 6)]);
    let chat = |row: &Row| row.chat.clone().expect("a chat").turns.remove(0);
    assert_eq!(chat(&rows[0]).prompt, "a]},[\"");
    assert_eq!(chat(&rows[1]).completion, "\u{fffd}");
    assert_eq!(rows[2].chat.as_ref().expect_err("no chat").reason, Reason::Malformed);
    assert_eq!(read(b"[]", instructions()).len(), 0);
    assert_eq!(read(b" [ ] \n", instructions()).len(), 0);

    // What is wrong with one element is that row's; what is wrong with the list ends it.
    for (list, good, expect) in [
        ("[{\"instruction\": x}, {\"instruction\": \"a\", \"output\": \"\"}]", 1, "element 0"),
        ("[{\"instruction\": \"a\", \"output\": \"\"}", 0, "cut off"),
        ("[{\"instruction\": \"a\", \"output\": \"\"},]", 1, "beside a comma"),
        ("[{\"instruction\": \"a\", \"output\": \"\"}] []", 0, "follows the list"),
        ("[{\"instruction\": \"a\", \"output\": \"\"}}]", 0, "brace"),
    ] {
        let rows: Vec<Row> = read(list.as_bytes(), instructions())
            .into_iter()
            .map(|row| row.expect("a row"))
            .collect();
        let messages: Vec<String> = rows
            .iter()
            .filter_map(|row| row.chat.clone().err())
            .map(|unfit| unfit.message)
            .collect();
        assert_eq!(rows.len() - messages.len(), good, "{list}");
        assert_eq!(messages.len(), 1, "{list}");
        assert!(messages[0].contains(expect), "{messages:?}");
    }
}

fn fixture(name: &str) -> PathBuf {
    super::fixture("sft").join(name)
}

#[test]
fn llama_factory_says_how_rows_are_spelled() {
    let samples = |name: &str| {
        let set = llama_factory::data_set(&fixture("llama-factory/dataset_info.json"), name)
            .expect("a data set");
        let rows = sft::rows(&set).map(|row| row.expect("a row"));
        rows.map(|row| sft::settle(row.id, row.chat.expect("a chat")).expect("a sample").sample)
            .collect::<Vec<Sample>>()
    };
    let usual = samples("usual");
    // Without `columns` neither system prompt nor history is read.
    assert_eq!((usual[0].system.clone(), usual[0].history.len()), (None, 0));
    assert_eq!(usual[0].prompt, "Write an inverter.\nIts ports are a and y.");
    // With `columns` only what is named: `query` is not, so that `input` is left aside.
    let named = samples("named");
    assert_eq!(named[0].prompt, "Write an inverter.");
    assert_eq!((named[0].system.as_deref(), named[0].history.len()), (Some("Be brief."), 1));
    let tagged = samples("tagged");
    assert_eq!(tagged[0].system.as_deref(), Some("Be brief."));
    assert_eq!((tagged[0].prompt.as_str(), tagged[0].history.len()), ("And with two bits?", 1));
    let ids: Vec<String> = samples("folder").into_iter().map(|sample| sample.id).collect();
    assert_eq!(ids, ["a.jsonl:0", "b.json:0"]);

    let refuse = |name: &str, expect: &[&str]| {
        super::refuse(
            llama_factory::data_set(&fixture("llama-factory/dataset_info.json"), name),
            expect,
        );
    };
    refuse("absent", &["dataset_info.json", "usual"]);
    refuse("preference", &["\"preference\"", "preference data"]);
    refuse("pretraining", &["pre-training"]);
    refuse("hub", &["file_name"]);
    refuse("drawn", &["num_samples"]);
    refuse("table", &["table.parquet", ".jsonl"]);
    refuse("strange", &["\"strange\"", "markdown"]);
}

fn salv(arguments: &[&str], paths: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_salv"));
    command.arg("corpus").args(arguments).args(paths).output().expect("the program runs")
}

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> Vec<T> {
    record::read(path).expect("a file").map(|row| row.expect("a row").value).collect()
}

#[test]
fn the_program_keeps_and_lists_every_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("sft.jsonl");
    let input = folder.path().join("alpaca.json.gz");
    compress(&fixture("alpaca.json"), &input);
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/demo/problems.jsonl");
    let arguments = ["alpaca", "--licence", "MIT", "--check", "elaborate", "--against"];
    let run = |out: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_salv"));
        command.env("SALV_CACHE", folder.path().join("cache"));
        command.arg("corpus").args(arguments).arg(&demo).arg(&input).arg("-o").arg(out);
        command.output().expect("the program runs")
    };
    let done = run(&out);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let samples: Vec<Sample> = lines(&out);
    let ids: Vec<&str> = samples.iter().map(|sample| sample.id.as_str()).collect();
    assert_eq!(ids, ["0"]);
    assert_eq!(samples[0].licence.as_deref(), Some("MIT"));
    let dropped: Vec<Dropped> = lines(&folder.path().join("sft.jsonl.dropped.jsonl"));
    let reasons: Vec<(&str, Reason)> =
        dropped.iter().map(|row| (row.id.as_str(), row.reason)).collect();
    let expected = [
        ("1", Reason::NoCode),
        ("2", Reason::ParseError),
        ("3", Reason::ElaborationError),
        ("4", Reason::RenamedCode),
    ];
    assert_eq!(reasons, expected);
    assert_eq!(dropped[3].problem.as_deref(), Some("counter_load"));
    assert_eq!(dropped[3].similarity, Some(1.0));
    let table = String::from_utf8_lossy(&done.stdout).into_owned();
    for part in ["rows                          5", "samples", "no_code", "13 problem(s)"] {
        assert!(table.contains(part), "{part:?} is not in {table}");
    }
    // Twice the same bytes.
    let again = folder.path().join("again.jsonl");
    assert!(run(&again).status.success());
    let bytes = |path: &Path| std::fs::read(path).expect("a file");
    assert_eq!(bytes(&out), bytes(&again));
    let beside = |name: &str| bytes(&folder.path().join(name));
    assert_eq!(beside("sft.jsonl.dropped.jsonl"), beside("again.jsonl.dropped.jsonl"));
    assert_eq!(beside("sft.jsonl.meta.json"), beside("again.jsonl.meta.json"));
}

#[test]
fn the_program_refuses_a_wrong_file_before_it_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("sft.jsonl");
    let refuse = |run: Output, expect: &[&str]| {
        let message = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(!run.status.success());
        for part in expect {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
        assert!(!out.exists());
    };
    let chat = fixture("chat.jsonl");
    refuse(
        salv(&["alpaca"], &[&chat, Path::new("-o"), &out]),
        &["chat.jsonl:1", "row 0", "`instruction`", "--drop-malformed"],
    );
    refuse(
        salv(&["chat"], &[&folder.path().join("none.json"), Path::new("-o"), &out]),
        &["none.json"],
    );
    refuse(
        salv(&["chat", "--code-similarity", "0"], &[&chat, Path::new("-o"), &out]),
        &["above 0"],
    );
    let copy = folder.path().join("copy.jsonl");
    std::fs::copy(&chat, &copy).expect("a copy");
    refuse(salv(&["chat"], &[&copy, Path::new("-o"), &copy]), &["overwrite"]);
    let done = salv(&["alpaca", "--drop-malformed"], &[&chat, Path::new("-o"), &out]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(lines::<Sample>(&out).len(), 0);
    // With other names of fields the same data is of the format.
    let renamed = folder.path().join("renamed.jsonl");
    let row = format!("{{\"Instruction\": \"Invert.\", \"Response\": [\"{CODE}\"]}}\n");
    std::fs::write(&renamed, row).expect("a file");
    let fields = ["alpaca", "--prompt-field", "Instruction", "--output-field", "Response"];
    assert!(salv(&fields, &[&renamed, Path::new("-o"), &out]).status.success());
    assert_eq!(lines::<Sample>(&out).len(), 1);
    assert!(salv(&["chat"], &[&chat, Path::new("-o"), &out]).status.success());
    assert_eq!(lines::<Sample>(&out).len(), 2);
    // LLaMA-Factory's folder may be named instead of the file in it.
    let tagged = ["llama-factory", "--dataset", "tagged"];
    let done = salv(&tagged, &[&fixture("llama-factory"), Path::new("-o"), &out]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(lines::<Sample>(&out)[0].history.len(), 1);
}
