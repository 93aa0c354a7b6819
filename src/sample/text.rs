//! Tokens to a completion: where it ends, and what of it is text.

use super::{Finish, Settings};
use crate::model::Tokenizer;

/// What a byte that belongs to no character becomes, as in Python's decoder.
const NO_CHARACTER: char = '\u{fffd}';

/// How many tokens more than a stop text has bytes are decoded to look for it: a token has a byte at least, unless
/// it is one that stands for nothing.
const TOKENS_MORE: usize = 4;

/// Whether the tokens so far end a completion, the last of them being new.
pub(super) fn ends(
    tokenizer: &Tokenizer,
    settings: &Settings,
    tokens: &[u32],
) -> Result<bool, String> {
    let Some(last) = tokens.last() else { return Ok(false) };
    if settings.ends.contains(last) {
        return Ok(true);
    }
    let Some(longest) = settings.stop.iter().map(String::len).max() else { return Ok(false) };
    let tail = tokenizer.decode(&tokens[tokens.len().saturating_sub(longest + TOKENS_MORE)..])?;
    Ok(settings.stop.iter().any(|stop| tail.contains(stop.as_str())))
}

/// The text of a completion, without what ended it.
///
/// Bytes of the model that form no character are U+FFFD, as transformers has it. A character of which the limit of
/// tokens cut the rest off is left out: it is no fault of the model's.
pub(super) fn completion(
    tokenizer: &Tokenizer,
    settings: &Settings,
    tokens: &[u32],
    finish: Finish,
) -> Result<String, String> {
    let last = tokens.last().filter(|last| settings.ends.contains(last));
    let mut text = tokenizer.decode(&tokens[..tokens.len() - usize::from(last.is_some())])?;
    if last.is_none() {
        let found = settings.stop.iter().filter_map(|stop| text.find(stop.as_str())).min();
        text.truncate(found.unwrap_or(text.len()));
    }
    if finish == Finish::Length && text.ends_with(NO_CHARACTER) {
        let whole = tokenizer.encode(NO_CHARACTER.encode_utf8(&mut [0; 4]))?.ids;
        if !tokens.ends_with(&whole) {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn tokenizer() -> Tokenizer {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/model/tokenizer");
        Tokenizer::load(&folder, 400).expect("a tokenizer")
    }

    /// The completion of the tokens of a text, as far as they go before one of them ends it.
    #[track_caller]
    fn check(text: &str, cut: usize, stop: &[&str], expected: (&str, Finish)) {
        let tokenizer = tokenizer();
        let settings = Settings {
            ends: BTreeSet::from([tokenizer.end()]),
            stop: stop.iter().map(|stop| (*stop).to_owned()).collect(),
            ..Settings::default()
        };
        let all = tokenizer.encode(text).expect("tokens").ids;
        let all = &all[..all.len() - cut];
        let is_end = |count: &usize| ends(&tokenizer, &settings, &all[..*count]).expect("a text");
        let end = (1..=all.len()).find(is_end);
        let finish = if end.is_some() { Finish::Stop } else { Finish::Length };
        let tokens = &all[..end.unwrap_or(all.len())];
        let found = completion(&tokenizer, &settings, tokens, finish).expect("a text");
        assert_eq!((found.as_str(), finish), expected);
    }

    #[test]
    fn what_ends_a_completion_is_no_part_of_it() {
        check("a b<|im_end|>c", 0, &[], ("a b", Finish::Stop));
        check("a b<|im_start|>c", 0, &[], ("a b<|im_start|>c", Finish::Length));
        check("module m; endmodule // more", 0, &["endmodule"], ("module m; ", Finish::Stop));
        // The stop is spread over tokens that begin before it and end after it.
        check("x = 12345;", 0, &["234"], ("x = 1", Finish::Stop));
        check("one two three", 0, &["ee", "two"], ("one ", Finish::Stop));
        check("one two", 0, &["two!"], ("one two", Finish::Length));
        check("\u{4f60}\u{597d} x", 0, &["\u{597d}"], ("\u{4f60}", Finish::Stop));
        check("two<|im_end|>", 0, &["two!"], ("two", Finish::Stop));
    }

    /// This character is three tokens: its first two bytes, and one each of the others.
    #[test]
    fn a_character_that_is_cut_is_left_out_and_one_that_is_broken_stays() {
        assert_eq!(tokenizer().encode("\u{1f980}").expect("tokens").ids.len(), 3);
        for cut in 1..3 {
            check("a\u{1f980}", cut, &[], ("a", Finish::Length));
        }
        check("a\u{1f980}", 0, &[], ("a\u{1f980}", Finish::Length));
        check("a\u{fffd}", 0, &[], ("a\u{fffd}", Finish::Length));
        let tokenizer = tokenizer();
        let mut ids = tokenizer.encode("a\u{1f980}b").expect("tokens").ids;
        ids.remove(2);
        let settings = Settings::default();
        let found = completion(&tokenizer, &settings, &ids, Finish::Length).expect("a text");
        assert!(found.starts_with("a\u{fffd}") && found.ends_with('b'), "{found:?}");
    }
}
