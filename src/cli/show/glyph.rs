//! How a character of a hostile text is shown, in the terminal and on a page: what is invisible, moves the
//! cursor, or turns the order of its neighbours is shown as its number, so that what a person reads is
//! what a compiler reads.

use unicode_width::UnicodeWidthChar;

/// Scripts that are written from right to left: a screen would put their letters, and the digits and marks
/// between them, in another order than the bytes have.
const RIGHT_TO_LEFT: [(char, char); 5] = [
    ('\u{590}', '\u{8ff}'),
    ('\u{fb1d}', '\u{fdff}'),
    ('\u{fe70}', '\u{feff}'),
    ('\u{10800}', '\u{10fff}'),
    ('\u{1e800}', '\u{1efff}'),
];

/// Characters that have a width and show nothing, and those for private use.
const BLANK: [(char, char); 8] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{e0000}', '\u{10ffff}'),
];

/// What stands for a character that cannot be shown as itself: a picture for a control character of ASCII,
/// else the number; `None` for all others, and for tab and line feed, which are layout.
pub fn stand_in(c: char) -> Option<String> {
    let is_in =
        |ranges: &[(char, char)]| ranges.iter().any(|(first, last)| (*first..=*last).contains(&c));
    match c {
        '\t' | '\n' | ' '..='~' => None,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).map(String::from),
        '\u{7f}' => Some('\u{2421}'.into()),
        _ if c.is_whitespace()
            || c.width().is_none_or(|width| width == 0)
            || is_in(&RIGHT_TO_LEFT)
            || is_in(&BLANK) =>
        {
            Some(format!("<U+{:04X}>", u32::from(c)))
        }
        _ => None,
    }
}

/// What a page writes for a character that has a [`stand_in`]: fonts lack the pictures.
pub fn name(c: char) -> String {
    const NAMES: &str = "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US";
    match c {
        '\u{7f}' => "DEL".into(),
        _ => NAMES
            .split(' ')
            .nth(c as usize)
            .map_or_else(|| format!("U+{:04X}", u32::from(c)), str::to_owned),
    }
}

/// Columns of a terminal that a character takes which is shown as itself.
pub fn width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// A name or a message on one line: stand-ins for what cannot be shown, line ends and tabs included.
pub fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match stand_in(c) {
            Some(other) => shown.push_str(&other),
            None if c == '\n' => shown.push('\u{240a}'),
            None if c == '\t' => shown.push('\u{2409}'),
            None => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{clean, name};

    #[test]
    fn what_cannot_be_seen_or_moves_its_neighbours_is_shown_by_number() {
        assert_eq!(
            clean("assign y = a; // \u{e9}\u{4e2d}\u{1f600}"),
            "assign y = a; // \u{e9}\u{4e2d}\u{1f600}"
        );
        assert_eq!(clean("\x1b[2J\x07\x7f\r\n\t"), "␛[2J␇␡␍␊␉");
        assert_eq!(clean("a\u{202e}b\u{200b}c\u{feff}"), "a<U+202E>b<U+200B>c<U+FEFF>");
        assert_eq!(clean("e\u{301}\u{a0}\u{9b}\u{2028}"), "e<U+0301><U+00A0><U+009B><U+2028>");
        assert_eq!(
            ['\0', '\r', '\x1b', '\x1f', '\u{7f}', '\u{9b}'].map(name),
            ["NUL", "CR", "ESC", "US", "DEL", "U+009B"]
        );
        assert_eq!(clean("\u{5d0}\u{3164}\u{e000}\u{e0041}"), "<U+05D0><U+3164><U+E000><U+E0041>");
    }
}
