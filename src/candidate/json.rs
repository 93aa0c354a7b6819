//! Answers wrapped in JSON: `{"module": "module top …"}`, alone or in a fence.
//!
//! The JSON must be valid, so that Verilog which merely begins with a brace is never taken for it. Of the
//! strings in it, keys left out by their lack of a module, the last that declares a module is the answer.

use std::ops::Range;

use crate::verilog::{Kind, lex};

/// A decoded string: its characters and the ranges of the completion that each stands for.
pub(super) type Decoded = Vec<(char, Range<usize>)>;

/// Returns the strings of the JSON value that a part of the completion consists of, in order; none if it
/// is no JSON object or list.
pub(super) fn strings(completion: &str, part: Range<usize>) -> Vec<Decoded> {
    let part = unfenced(completion, part);
    let text = &completion[part.clone()];
    if !text.starts_with(['{', '[']) || serde_json::from_str::<serde::de::IgnoredAny>(text).is_err()
    {
        return Vec::new();
    }
    // A string of valid JSON is a string token of Verilog: both end at the first quote without a backslash
    // before it, and neither holds a line end. Outside strings there is nothing that opens a comment.
    lex(text)
        .filter(|token| token.kind == Kind::String)
        .map(|token| {
            decode(completion, part.start + token.span.start + 1..part.start + token.span.end - 1)
        })
        .collect()
}

/// Takes white space and one surrounding fence off.
fn unfenced(completion: &str, part: Range<usize>) -> Range<usize> {
    let trimmed = trim(completion, part);
    let text = &completion[trimmed.clone()];
    let Some(inner) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else {
        return trimmed;
    };
    match inner.find('\n') {
        Some(line_end) => trim(completion, trimmed.start + 3 + line_end..trimmed.end - 3),
        None => trimmed,
    }
}

fn trim(completion: &str, part: Range<usize>) -> Range<usize> {
    let text = &completion[part.clone()];
    let blank = |character: char| character.is_whitespace() || character == '\u{feff}';
    let start = part.start + (text.len() - text.trim_start_matches(blank).len());
    start..start + completion[start..part.end].trim_end_matches(blank).len()
}

/// Decodes the inside of a JSON string that is known to be valid.
fn decode(completion: &str, inside: Range<usize>) -> Decoded {
    let mut out = Vec::new();
    let mut at = inside.start;
    while let Some(character) = completion[at..inside.end].chars().next() {
        let (decoded, length) = if character == '\\' {
            escape(&completion[at..inside.end])
        } else {
            (character, character.len_utf8())
        };
        out.push((decoded, at..at + length));
        at += length;
    }
    out
}

/// Returns the character that an escape stands for, and the escape's length.
fn escape(text: &str) -> (char, usize) {
    match text.as_bytes().get(1) {
        Some(b'n') => ('\n', 2),
        Some(b't') => ('\t', 2),
        Some(b'r') => ('\r', 2),
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'u') => match (unit(text), text.get(6..).and_then(unit)) {
            (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) => {
                let scalar = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                (char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
            }
            (one, _) => (
                one.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER),
                6.min(text.len()),
            ),
        },
        // `\"`, `\\`, `\/`.
        Some(&byte) => (char::from(byte), 2),
        None => ('\\', 1),
    }
}

fn unit(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}
