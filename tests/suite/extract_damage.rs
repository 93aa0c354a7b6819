//! Damaged text: fixtures cut, spliced, nested and sprinkled with bytes, from a seed. Nothing panics, and what is
//! accepted has cones that keep their rules.
//!
//! `SALV_DAMAGE_ROUNDS=100000 SALV_DAMAGE_SEED=7` looks longer and elsewhere; with `SALV_DAMAGE_KEEP=FILE` each text
//! is written there before it is read, which names the one on which the process itself ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use salv::extract::analyse;
use salv::verilog::syntax::STACK_BYTES;

use super::damage::{Draw, damaged, setting};

/// Rounds of an ordinary run: a second or two.
const ROUNDS: u64 = 300;

/// The texts that are damaged: the code of all fixtures of extraction.
fn texts() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/extract");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "sv"))
        .collect();
    paths.sort();
    let mut texts = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path).expect("a fixture");
        for snippet in text.split("//// ").skip(1) {
            let lines = snippet.split_inclusive('\n').skip(1);
            texts.push(lines.filter(|line| !line.starts_with("//")).collect());
        }
    }
    assert!(texts.len() > 50, "{} texts", texts.len());
    texts
}

/// Spans are sorted and disjoint, hold code, and lie in the text; what is blanked keeps its length; a cone
/// holds the cones of all its items. Returns whether the text was accepted.
fn check(text: &str) -> bool {
    let Ok(analysis) = analyse(text, "top") else { return false };
    for output in analysis.outputs() {
        let cone = analysis.cone(output).expect("an output");
        let mut end = 0;
        for span in analysis.spans(&cone) {
            assert!(span.start >= end && span.end > span.start, "{output}: {span:?} after {end}");
            let part = text.get(span.clone()).expect("UTF-8 boundaries in the text");
            assert_eq!(part, part.trim(), "{output}: {span:?}");
            end = span.end;
        }
        if cone.whole.is_none() {
            let kept = analysis.kept(&cone);
            assert_eq!(analysis.blanked(&kept).len(), text.len(), "{output}");
            for item in analysis.items(&cone) {
                assert!(
                    cone.contains(&analysis.cone_of(item)),
                    "{output}: an item depends on more than its cone"
                );
            }
        }
    }
    true
}

#[test]
fn damaged_text_never_panics_and_cones_keep_their_rules() {
    let seed = setting("SALV_DAMAGE_SEED").unwrap_or(0);
    let rounds = setting("SALV_DAMAGE_ROUNDS").unwrap_or(ROUNDS);
    let keep = std::env::var_os("SALV_DAMAGE_KEEP");
    let texts = texts();
    let run = || {
        let mut accepted = 0;
        for round in 0..rounds {
            let text = damaged(&texts, &mut Draw::new(seed, round));
            if let Some(file) = &keep {
                std::fs::write(file, &text).expect("a file");
            }
            match catch_unwind(AssertUnwindSafe(|| check(&text))) {
                Ok(is_accepted) => accepted += u64::from(is_accepted),
                Err(_) => panic!("seed {seed}, round {round}:\n{text}"),
            }
        }
        assert!(accepted > rounds / 20, "{accepted} of {rounds} are accepted: too few to say much");
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, run).expect("a thread").join().expect("no panic");
    });
}

/// Bytes that are no Verilog at all.
#[test]
fn any_bytes_are_refused_or_read() {
    let mut draw = Draw::new(setting("SALV_DAMAGE_SEED").unwrap_or(0), 0);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let run = || {
            for _ in 0..ROUNDS {
                let bytes: Vec<u8> = (0..draw.below(200))
                    .map(|_| u8::try_from(draw.below(256)).expect("a byte"))
                    .collect();
                check(&String::from_utf8_lossy(&bytes));
            }
        };
        thread.spawn_scoped(scope, run).expect("a thread").join().expect("no panic");
    });
}
