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
        if character == BYTE_ORDER_MARK && out.text.is_empty() {
            continue;
        }
        if character == '\r'
            && let Some((_, next)) = characters.next_if(|(next, _)| *next == '\n')
        {
            place.end = next.end;
        }
        out.push(replaced(character).unwrap_or(character), place);
    }
    out
}

/// The same for a part of the completion as it stands; what is not replaced is taken a run at a time.
pub(super) fn plain(completion: &str, part: Range<usize>) -> Code {
    let mut out = Code::default();
    let text = completion[part.clone()].trim_start_matches(BYTE_ORDER_MARK);
    let mut at = part.end - text.len();
    while at < part.end {
        let rest = &completion[at..part.end];
        let is_replaced = |byte| replaced(char::from(byte)).is_some();
        let run = rest.bytes().position(is_replaced).unwrap_or(rest.len());
        out.copy(&rest[..run], at);
        at += run;
        let Some(character) = rest[run..].chars().next() else { break };
        let length = if rest[run..].starts_with("\r\n") { 2 } else { 1 };
        out.push(replaced(character).unwrap_or(character), at..at + length);
        at += length;
    }
    out
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// What stands in the text for a character that does not stay.
fn replaced(character: char) -> Option<char> {
    match character {
        '\n' | '\t' => None,
        '\r' => Some('\n'),
        control if control.is_ascii_control() => Some(' '),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTE_ORDER_MARK, clean, plain};

    /// A run at a time gives what character by character does.
    #[test]
    fn runs_are_as_their_characters() {
        let alphabet = ['a', '\r', '\n', '\0', '\t', 'é', BYTE_ORDER_MARK, '\u{7f}'];
        let mut number: u32 = 1;
        for length in (0..14).cycle().take(4000) {
            let mut text = String::from("é");
            for _ in 0..length {
                number = number.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                text.push(alphabet[(number >> 16) as usize % alphabet.len()]);
            }
            let end = text.len();
            text.push('\n');
            for part in ['é'.len_utf8()..end, 0..end] {
                let characters = text[part.clone()]
                    .char_indices()
                    .map(|(at, c)| (c, part.start + at..part.start + at + c.len_utf8()));
                assert_eq!(plain(&text, part.clone()), clean(characters), "{text:?} {part:?}");
            }
        }
    }
}
