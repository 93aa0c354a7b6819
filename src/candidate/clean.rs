//! Characters that tools read differently, made the same for all of them.
//!
//! Line ends become LF (Verilator drops a carriage return, slang ends a line at it: a `//` comment would
//! swallow the code after it in one and not in the other), a byte order mark at the start goes, and other
//! control characters, NUL among them, become blanks. Everything else stays as it is: a typographic quote or
//! a non-breaking space is the model's mistake, and the parser is to say so.

use std::ops::Range;

use super::code::Code;

/// Returns the text of some characters and the ranges of the completion that they stand for.
pub(super) fn clean(characters: impl Iterator<Item = (char, Range<usize>)>) -> Code {
    let mut out = Code::default();
    let mut characters = characters.peekable();
    while let Some((character, mut place)) = characters.next() {
        match character {
            '\u{feff}' if out.text.is_empty() => {}
            '\r' => {
                if let Some((_, next)) = characters.next_if(|(next, _)| *next == '\n') {
                    place.end = next.end;
                }
                out.push('\n', place);
            }
            '\n' | '\t' => out.push(character, place),
            control if control.is_ascii_control() => out.push(' ', place),
            other => out.push(other, place),
        }
    }
    out
}

/// Returns the characters of a part of the completion as they stand.
pub(super) fn plain(
    completion: &str,
    part: Range<usize>,
) -> impl Iterator<Item = (char, Range<usize>)> {
    let start = part.start;
    completion[part]
        .char_indices()
        .map(move |(at, character)| (character, start + at..start + at + character.len_utf8()))
}
