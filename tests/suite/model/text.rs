//! Tokens and chat templates against what the Python packages recorded.

use std::fs;

use salv::model::{ChatTemplate, Message, Tokenizer};
use salv::pair::{Kind, Pair};
use salv::train::batch::{Dropped, Mask, Pairing, Settings};
use serde_json::Value;

use super::fixtures;

fn recorded(path: &str) -> Vec<Value> {
    let text = fs::read(fixtures().join(path)).expect("a recording");
    serde_json::from_slice(&text).expect("a list")
}

fn tokenizer() -> Tokenizer {
    Tokenizer::load(&fixtures().join("tokenizer"), 400).expect("a tokenizer")
}

#[test]
fn tokens_and_their_places_are_those_of_the_python_package() {
    let tokenizer = tokenizer();
    assert_eq!(tokenizer.end(), 2);
    for row in recorded("tokenizer/encoded.json") {
        let text = row["text"].as_str().expect("a text");
        let encoded = tokenizer.encode(text).expect("tokens");
        let ids: Vec<u32> = serde_json::from_value(row["ids"].clone()).expect("ids");
        assert_eq!(encoded.ids, ids, "{text:?}");
        assert_eq!(
            tokenizer.decode(&ids).expect("a text"),
            row["decoded"].as_str().expect("a text")
        );
        let spans: Vec<(usize, usize)> =
            serde_json::from_value(row["spans"].clone()).expect("spans");
        for (found, expected) in encoded.spans.iter().zip(&spans) {
            // Ours may reach on to the next token: over a mark that normalisation took in.
            assert_eq!(found.0, expected.0, "{text:?}");
            assert!(found.1 >= expected.1, "{text:?}");
        }
        let covered = encoded.spans.iter().fold(0, |end, span| {
            assert!(span.0 <= end, "{text:?}: nothing lies between tokens");
            end.max(span.1)
        });
        assert_eq!(covered, text.len(), "{text:?}");
    }
}

#[test]
fn chat_templates_render_as_in_transformers() {
    for name in ["qwen", "own"] {
        let source =
            fs::read_to_string(fixtures().join(format!("chat/{name}.jinja"))).expect("a template");
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("chat_template.jinja"), &source).expect("a file");
        let config = serde_json::json!({ "eos_token": { "content": "<|im_end|>" } });
        fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).expect("a file");
        let template =
            ChatTemplate::load(folder.path()).expect("a template").expect("there is one");
        for row in recorded(&format!("chat/{name}.json")) {
            let messages: Vec<Message> =
                serde_json::from_value(row["messages"].clone()).expect("messages");
            let answer_next = row["answer_next"].as_bool().expect("a boolean");
            let text = template.render(&messages, answer_next).expect("a text");
            assert_eq!(text, row["text"].as_str().expect("a text"), "{name}");
        }
    }
}

#[test]
fn a_template_stands_in_either_place_or_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let load = || ChatTemplate::load(folder.path());
    assert!(load().expect("no error").is_none());
    let write = |template: &str| {
        let text = format!("{{\"chat_template\": {template}}}");
        fs::write(folder.path().join("tokenizer_config.json"), text).expect("a file");
    };
    let render = || load().expect("a template").expect("there is one").render(&[], false);
    write("\"one\"");
    assert_eq!(render().as_deref(), Ok("one"));
    write(
        "[{\"name\": \"tools\", \"template\": \"x\"}, {\"name\": \"default\", \"template\": \"two\"}]",
    );
    assert_eq!(render().as_deref(), Ok("two"));
    write("\"{{ strftime_now('%d') }}\"");
    assert!(render().expect_err("an error").contains("the date"));
    write("\"{{ raise_exception('no tools') }}\"");
    assert!(render().expect_err("an error").contains("no tools"));
    write("\"{% if %}\"");
    assert!(load().expect_err("an error").to_string().contains("tokenizer_config.json"));
}

#[test]
fn the_spans_of_a_pair_become_weights_of_tokens() {
    let tokenizer = tokenizer();
    let chosen = "assign y = a & b;\nassign z = a;\n";
    let rejected = "assign y = a | b;\nassign z = a;\n";
    let pair = Pair {
        problem: "p".into(),
        prompt: "Write it.".into(),
        chosen_id: "0".into(),
        chosen: chosen.into(),
        rejected_id: "1".into(),
        rejected: rejected.into(),
        kind: Kind::Signal,
        signals: vec!["y".into()],
        chosen_spans: vec![(0, 17, 1.0)],
        rejected_spans: vec![(0, 17, 0.5)],
    };
    let prompt = tokenizer.encode(&pair.prompt).expect("tokens").ids;
    let settings = Settings { mask: Mask::Spans, end_counts: false, cutoff: 512 };
    let make = |pair: &Pair, settings: Settings| {
        Pairing::new(pair, &prompt, &tokenizer, settings).expect("tokens")
    };
    let made = make(&pair, settings).expect("a pair");
    for (sequence, text, weight) in [(&made.chosen, chosen, 1.0), (&made.rejected, rejected, 0.5)] {
        let counted: Vec<u32> = (0..sequence.ids.len())
            .filter(|at| sequence.weights[*at] == weight)
            .map(|at| sequence.ids[at])
            .collect();
        let learnt = tokenizer.decode(&counted).expect("a text");
        assert!(learnt.starts_with(&text[..17]), "{learnt:?}");
        assert!(!learnt.contains('z'), "{learnt:?}");
        assert_eq!(sequence.ids.last(), Some(&tokenizer.end()));
        assert_eq!(sequence.weights.last(), Some(&0.0));
    }
    let empty = Pair { rejected_spans: Vec::new(), ..pair.clone() };
    assert_eq!(make(&empty, settings), Err(Dropped::EmptyMask));
    let late = Pair { chosen_spans: vec![(18, 31, 1.0)], ..pair };
    let cutoff = prompt.len() + 8;
    assert_eq!(make(&late, Settings { cutoff, ..settings }), Err(Dropped::CutMask));
}
