//! Files of other programs: what their readers do with them is done here, as their code does it.

use salv::candidate::Candidate;
use salv::exchange::llama_factory::{self, Omission, SELECT, SPLIT};
use salv::exchange::sim_info::{self, Counts, Info, SimInfoError};
use salv::exchange::trl;
use salv::pair::label::Rules;
use salv::pair::{Kind, Pair};
use salv::verify::verdict::{Judgement, Status, Verdict};
use tokenizers::Tokenizer;

use super::{A_WRONG, OPTIONS, RIGHT, pair, problem, shown};
use crate::verify::{Bench, Fixture, succeeded};

/// A byte-level tokenizer as those of the Qwen2 family, with a handful of merges.
fn tokenizer_json() -> String {
    let byte = |b: u8| match b {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(b),
        // The printable stand-ins that byte-level tokenizers have for all other bytes, in order.
        _ => {
            let others =
                (0..=255u8).filter(|b| !matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff));
            let index = others.take_while(|other| *other < b).count();
            char::from_u32(256 + index as u32).expect("a character")
        }
    };
    let mut vocabulary: Vec<String> = (0..=255u8).map(|b| byte(b).to_string()).collect();
    let space = byte(b' ');
    let merges = [
        ("a".to_owned(), "s".to_owned()),
        ("as".to_owned(), "s".to_owned()),
        ("i".to_owned(), "g".to_owned()),
        ("ig".to_owned(), "n".to_owned()),
        ("ass".to_owned(), "ign".to_owned()),
        (space.to_string(), "assign".to_owned()),
        (")".to_owned(), ";".to_owned()),
        (");".to_owned(), byte(b'\n').to_string()),
    ];
    vocabulary.extend(merges.iter().map(|(left, right)| format!("{left}{right}")));
    let ids: serde_json::Map<String, serde_json::Value> =
        vocabulary.into_iter().enumerate().map(|(id, token)| (token, id.into())).collect();
    let level = serde_json::json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false,
    });
    serde_json::json!({
        "version": "1.0", "truncation": { "max_length": 8, "strategy": "LongestFirst", "stride": 0, "direction": "Right" },
        "padding": null, "added_tokens": [], "normalizer": { "type": "NFC" },
        "pre_tokenizer": level, "post_processor": level, "decoder": level,
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                   "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                   "ignore_merges": false, "vocab": ids, "merges": merges },
    })
    .to_string()
}

fn tokenizer() -> Tokenizer {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, tokenizer_json()).expect("written");
    llama_factory::load(&path).expect("a tokenizer")
}

/// What the published trainer keeps of an answer: it cuts it at the mark and ignores all tokens that are in no
/// range.
fn kept(tokenizer: &Tokenizer, marked: &str) -> (String, String) {
    let (text, ranges) = marked.split_once(SELECT).expect("a mark");
    let ranges: Vec<(usize, usize)> = serde_json::from_str(ranges).expect("ranges");
    let ids = tokenizer.encode(text, false).expect("tokens").get_ids().to_vec();
    let kept: Vec<u32> =
        ranges.iter().flat_map(|&(start, end)| ids[start..end].iter().copied()).collect();
    (text.to_owned(), tokenizer.decode(&kept, true).expect("a text"))
}

fn one_pair() -> Pair {
    // Characters of several bytes, before the code and in it.
    let right = format!("Caf\u{e9} \u{2192} \u{1f600}:\n```verilog\n{RIGHT}\n```\n")
        .replace("!i", "!i /* \u{2260} */");
    let cases = [("1", right.as_str(), "a=correct b=wrong"), ("2", A_WRONG, "a=wrong b=correct")];
    let pairs = pair(&OPTIONS, &cases).pairs;
    assert_eq!(pairs.len(), 2);
    pairs[0].clone()
}

#[test]
fn the_marked_tokens_are_those_of_the_mask() {
    let tokenizer = tokenizer();
    let pair = one_pair();
    let row = llama_factory::row(&pair, &tokenizer).expect("a tokenizer").expect("a row");
    assert_eq!(row.instruction, pair.prompt);
    for (marked, text, spans) in [
        (&row.chosen, &pair.chosen, &pair.chosen_spans),
        (&row.rejected, &pair.rejected, &pair.rejected_spans),
    ] {
        let (answer, kept) = kept(&tokenizer, marked);
        assert_eq!(&answer, text);
        let mask = shown(text, spans).replace(" | ", "");
        // A token at an end of a span may reach over it, here by a blank before `assign` or after `;`.
        let solid = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(solid(&kept), solid(&mask));
        assert!(kept.contains("assign a") && !kept.contains("assign b"), "{kept}");
    }
    assert!(!row.chosen.contains(SPLIT));
}

#[test]
fn a_range_holds_every_token_with_a_byte_in_a_span() {
    let tokenizer = tokenizer();
    let ranges = |text: &str, spans: &[(usize, usize)]| {
        let spans: Vec<_> = spans.iter().map(|span| (span.0, span.1, 1.0)).collect();
        let ranges = llama_factory::ranges(&tokenizer, text, &spans).expect("ranges");
        ranges.iter().map(|range| (range.start, range.end)).collect::<Vec<_>>()
    };
    // x, ` assign`, ` `, y, `);\n`, z
    let text = "x assign y);\nz";
    assert_eq!(ranges(text, &[(2, 8)]), [(1, 2)]);
    assert_eq!(ranges(text, &[(0, 1), (9, 10)]), [(0, 1), (3, 4)]);
    assert_eq!(ranges(text, &[(9, 12)]), [(3, 5)]);
    assert_eq!(ranges(text, &[(7, 9), (9, 10)]), [(1, 4)]);
    assert_eq!(ranges(text, &[(0, text.len())]), [(0, 6)]);
    assert!(ranges(text, &[]).is_empty());
    // The three tokens of a character of three bytes share its range.
    assert_eq!(ranges("a\u{2260}b", &[(1, 4)]), [(1, 4)]);
    assert_eq!(ranges("a\u{2260}b", &[(4, 5)]), [(4, 5)]);
    // The accent is composed into the letter, so no token claims its bytes.
    assert_eq!(ranges("e\u{301}x", &[(1, 3)]), [(0, 2)]);
    assert_eq!(ranges("e\u{301}x", &[(3, 4)]), [(2, 3)]);
}

#[test]
fn a_pair_that_the_reader_would_cut_elsewhere_is_left_out() {
    let tokenizer = tokenizer();
    for mark in [SELECT, SPLIT] {
        let mut pair = one_pair();
        pair.rejected.push_str(mark);
        let row = llama_factory::row(&pair, &tokenizer).expect("a tokenizer");
        assert_eq!(row, Err(Omission::Mark));
    }
    let mut pair = one_pair();
    pair.rejected_spans.clear();
    assert_eq!(llama_factory::row(&pair, &tokenizer).expect("a tokenizer"), Err(Omission::NoToken));
    // Complete masks need no mark, and the end token is trained on then.
    let mut pair = one_pair();
    pair.chosen_spans = vec![(0, pair.chosen.len(), 1.0)];
    let row = llama_factory::row(&pair, &tokenizer).expect("a tokenizer").expect("a row");
    assert!(row.chosen.contains(SELECT), "both have a mark or neither");
    pair.rejected_spans = vec![(0, pair.rejected.len(), 1.0)];
    let row = llama_factory::row(&pair, &tokenizer).expect("a tokenizer").expect("a row");
    assert_eq!((&row.chosen, &row.rejected), (&pair.chosen, &pair.rejected));
}

#[test]
fn trl_gets_texts_or_messages() {
    let pair = one_pair();
    let row = serde_json::to_value(trl::row(&pair, false)).expect("JSON");
    assert_eq!(
        (&row["prompt"], &row["chosen"]),
        (&pair.prompt.clone().into(), &pair.chosen.clone().into())
    );
    assert_eq!(row["signals"], serde_json::json!(["a"]));
    assert_eq!(row["rejected_spans"], serde_json::to_value(&pair.rejected_spans).expect("JSON"));
    let row = serde_json::to_value(trl::row(&pair, true)).expect("JSON");
    assert_eq!(row["prompt"], serde_json::json!([{ "role": "user", "content": pair.prompt }]));
    assert_eq!(
        row["rejected"],
        serde_json::json!([{ "role": "assistant", "content": pair.rejected }])
    );
}

/// A problem that has candidates `0` and on.
fn candidates(problem: &str, count: usize) -> impl Iterator<Item = Candidate> {
    let problem = problem.to_owned();
    (0..count).map(move |id| Candidate {
        problem: problem.clone(),
        id: id.to_string(),
        completion: String::new(),
    })
}

#[test]
fn sim_info_becomes_verdicts() {
    let problems = [problem("p"), problem("q")];
    let text = r#"[[{"z": 0, "a": 17, "m": -1}, "compile error", "no test code", {}],
                   ["timeout error", "execute error", "no module head"]]"#;
    let lists: Vec<Vec<Info>> = serde_json::from_str(text).expect("sim_info");
    // Candidates of the two problems may stand in any order.
    let mut rows: Vec<Candidate> = candidates("q", 3).collect();
    rows.splice(1..1, candidates("p", 4));
    let verdicts = sim_info::verdicts(&problems, &rows, lists.clone()).expect("verdicts");
    let of = |problem: &str, id: &str| -> &Verdict {
        verdicts.iter().find(|v| v.problem == problem && v.candidate == id).expect("a verdict")
    };
    let signals: Vec<(&str, Judgement)> =
        of("p", "0").signals.iter().map(|signal| (signal.name.as_str(), signal.verdict)).collect();
    let wanted = [("z", Judgement::Correct), ("a", Judgement::Wrong), ("m", Judgement::Unchecked)];
    assert_eq!(signals, wanted, "in the order of the file");
    for (problem, id, status) in [
        // That step's compile errors are not always the candidate's, so they reject nobody.
        ("p", "1", Status::Unsupported),
        ("p", "2", Status::NoCode),
        ("p", "3", Status::Unsupported),
        ("q", "0", Status::Timeout),
        ("q", "1", Status::Crash),
        ("q", "2", Status::Unsupported),
    ] {
        assert_eq!(of(problem, id).status, status, "{problem}/{id}");
    }
    assert!(rows.iter().zip(&verdicts).all(|(row, verdict)| row.id == verdict.candidate));
    let error = sim_info::verdicts(&problems[..1], &rows, lists.clone());
    assert_eq!(error, Err(SimInfoError::Problems { lists: 2, problems: 1 }));
    let error = sim_info::verdicts(&problems, &rows[1..], lists).expect_err("too few candidates");
    assert!(error.to_string().contains("\"q\" has 2 candidates and 3 elements"), "{error}");
    assert!(serde_json::from_str::<Info>("{\"a\": 0.5}").is_err());
}

#[test]
fn verdicts_become_sim_info() {
    let verdict = |words: &str| super::verdict("q", "0", words);
    let lists = |words: &str, rules: &Rules| {
        let problems = [problem("p"), problem("q")];
        let lists = sim_info::lists(&problems, [verdict(words)].into_iter(), rules);
        serde_json::to_string(&lists.expect("lists")).expect("JSON")
    };
    let all = "b=correct a=wrong d=unchecked c=order e=unknown";
    let default = Rules::default();
    // The published code divides by 1,000 and takes 0 as right, more as wrong, less as neither.
    assert_eq!(lists(all, &default), r#"[[],[{"b":0,"a":1,"d":-1,"c":-1,"e":1}]]"#);
    let rules = Rules { keep_races: true, ignore_power_up: true, ..default };
    assert_eq!(lists(all, &rules), r#"[[],[{"b":0,"a":1,"d":-1,"c":1,"e":-1}]]"#);
    for (status, text) in [
        ("no_code", "no test code"),
        ("parse_error", "compile error"),
        ("port_mismatch", "compile error"),
        ("timeout", "timeout error"),
        ("crash", "execute error"),
        ("unsupported", "other sim error"),
        ("bad_problem", "other sim error"),
    ] {
        assert_eq!(lists(status, &default), format!(r#"[[],["{text}"]]"#));
    }
    let mut counted = verdict("a=wrong");
    counted.signals[0].mismatches = Some(40);
    let lists = sim_info::lists(&[problem("q")], [counted].into_iter(), &default).expect("lists");
    assert_eq!(lists, [[Info::Counts(Counts(vec![("a".to_owned(), 40)]))]]);
    let stray = sim_info::lists(&[problem("p")], [verdict("a=wrong")].into_iter(), &default);
    assert!(matches!(stray, Err(SimInfoError::UnknownProblem { .. })));
}

/// From another program's samples and simulation to its training data, without any of its steps between.
#[test]
fn the_published_files_go_in_and_out() {
    let bench = Bench::new(&[Fixture::default()]);
    let write = |file: &str, text: String| std::fs::write(bench.path(file), text).expect("written");
    bench.write("problems.jsonl", [problem("p"), problem("q")].iter());
    let fenced = |text: &str| format!("```verilog\n{text}\n```");
    let rollout = serde_json::json!([[fenced(RIGHT), fenced(A_WRONG), "No."], [fenced(RIGHT)]]);
    write("rollout.json", rollout.to_string());
    let info = r#"[[{"a":0,"b":0},{"a":512,"b":0},"no test code"],["compile error"]]"#;
    write("sim_info.json", info.to_owned());
    write("tokenizer.json", tokenizer_json());
    for line in [
        "corpus rollout rollout.json --problems problems.jsonl -o candidates.jsonl",
        "corpus sim-info sim_info.json --problems problems.jsonl --candidates candidates.jsonl -o verdicts.jsonl",
        "pair problems.jsonl candidates.jsonl --verdicts verdicts.jsonl -o pairs.jsonl",
        "export trl pairs.jsonl -o trl.jsonl",
        "export llama-factory pairs.jsonl --tokenizer tokenizer.json -o lf.json",
        "export sim-info verdicts.jsonl --problems problems.jsonl -o back.json",
    ] {
        succeeded(&mut bench.salv(&line.split(' ').collect::<Vec<_>>()));
    }
    assert_eq!(bench.read("trl.jsonl").lines().count(), 2);
    let rows: Vec<serde_json::Value> =
        serde_json::from_str(&bench.read("lf.json")).expect("a list");
    assert_eq!(rows.len(), 2);
    let (_, kept) = kept(&tokenizer(), rows[0]["chosen"].as_str().expect("a text"));
    assert!(kept.contains("assign a") && !kept.contains("assign b"), "{kept}");
    let pairs = bench.read("pairs.jsonl");
    assert!(pairs.contains(&format!("\"kind\":\"{}\"", Kind::Failed.name())), "{pairs}");
    let back: serde_json::Value = serde_json::from_str(&bench.read("back.json")).expect("a list");
    assert_eq!(
        back.to_string(),
        info.replace("compile error", "other sim error"),
        "what cannot be laid on the candidate stays an error of the simulation"
    );
    // Nothing to write is an empty list, and never one that is cut off.
    write("empty.jsonl", String::new());
    let line = "export llama-factory empty.jsonl --tokenizer tokenizer.json -o none.json";
    succeeded(&mut bench.salv(&line.split(' ').collect::<Vec<_>>()));
    assert_eq!(bench.read("none.json"), "[]\n");
}
