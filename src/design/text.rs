//! The raw text before slang sees it, as tokens.
//!
//! In: a source text. Out: its tokens, its directives and its design units, or a [`Refusal`] for a text
//! that no tool may be given (see [`super::limits`]). slang cannot tell us any of this in time: an include
//! is opened, and a deep expression recurses, while it parses.

use super::limits::MAX_BYTES;
use super::units::Unit;
use super::{Reason, Refusal};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    System,
    Directive,
    Literal,
    Symbol,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether it stands in the body of a `` `define ``.
    pub(super) in_macro: bool,
}

/// The scanned text.
#[derive(Debug)]
pub(super) struct Text<'s> {
    pub(super) source: &'s str,
    pub(super) tokens: Vec<Token>,
    pub(super) units: Vec<Unit<'s>>,
    /// Byte ranges of directives, which act beyond the unit they stand in.
    pub(super) directives: Vec<(usize, usize)>,
    /// Whether every unit found its end; if not, slang reports the error.
    pub(super) whole: bool,
}

/// Scans `source` and refuses what no tool may be given.
pub(super) fn scan(source: &str) -> Result<Text<'_>, Refusal> {
    if source.len() > MAX_BYTES {
        return Err(Refusal::new(
            Reason::Unsupported,
            format!("source of {} bytes, more than {MAX_BYTES}", source.len()),
        ));
    }
    let mut scanner = Scanner {
        source,
        bytes: source.as_bytes(),
        at: 0,
        tokens: Vec::new(),
        directives: Vec::new(),
    };
    scanner.run();
    let (tokens, directives) = (scanner.tokens, scanner.directives);
    let mut text = Text { source, tokens, units: Vec::new(), directives, whole: true };
    text.refuse_limits()?;
    text.find_units();
    Ok(text)
}

struct Scanner<'s> {
    source: &'s str,
    bytes: &'s [u8],
    at: usize,
    tokens: Vec<Token>,
    directives: Vec<(usize, usize)>,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

impl Scanner<'_> {
    fn run(&mut self) {
        while self.step(false) {}
    }

    /// Takes one token or one stretch of white space; false at the end of the text.
    fn step(&mut self, in_macro: bool) -> bool {
        let start = self.at;
        let Some(&byte) = self.bytes.get(start) else {
            return false;
        };
        let next = self.bytes.get(start + 1).copied().unwrap_or(0);
        let kind = match byte {
            b'/' if next == b'/' => {
                self.at = self.line_end(start);
                return true;
            }
            b'/' if next == b'*' => {
                let rest = &self.source[start + 2..];
                self.at = rest.find("*/").map_or(self.bytes.len(), |at| start + 2 + at + 2);
                return true;
            }
            b'"' => {
                self.string();
                Kind::Literal
            }
            b'\\' if next > b' ' => {
                self.take_while(|byte| byte > b' ');
                Kind::Word
            }
            b'`' if is_word(next) || next == b'\\' => {
                self.at += 1;
                self.take_while(is_word);
                Kind::Directive
            }
            b'$' if is_word(next) => {
                self.take_while(is_word);
                Kind::System
            }
            b'\'' if next.is_ascii_alphanumeric() => {
                self.at += 1;
                self.take_while(|byte| is_word(byte) || byte == b'?');
                Kind::Literal
            }
            b'0'..=b'9' => {
                self.take_while(is_word);
                Kind::Literal
            }
            _ if is_word(byte) => {
                self.take_while(is_word);
                Kind::Word
            }
            _ if byte <= b' ' => {
                self.at += 1;
                // The body of a macro ends with its line.
                if !in_macro {
                    self.take_while(|byte| byte <= b' ');
                }
                return true;
            }
            _ => {
                self.at += self.source[start..].chars().next().map_or(1, char::len_utf8);
                Kind::Symbol
            }
        };
        self.tokens.push(Token { kind, start, end: self.at, in_macro });
        if kind == Kind::Directive && !in_macro {
            self.directive(start);
        }
        true
    }

    fn take_while(&mut self, keep: impl Fn(u8) -> bool) {
        while self.bytes.get(self.at).is_some_and(|&byte| keep(byte)) {
            self.at += 1;
        }
    }

    fn line_end(&self, from: usize) -> usize {
        self.source[from..].find('\n').map_or(self.bytes.len(), |at| from + at)
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' if self.at < self.bytes.len() => {
                    self.at += self.source[self.at..].chars().next().map_or(1, char::len_utf8);
                }
                b'"' | b'\n' => return,
                _ => {}
            }
        }
    }

    /// Records the range of a directive that acts beyond its place, with its arguments.
    fn directive(&mut self, start: usize) {
        let end = match &self.source[start + 1..self.at] {
            "define" => self.define(),
            "timescale" | "line" | "pragma" | "begin_keywords" => self.line_end(self.at),
            "undef" | "ifdef" | "ifndef" | "elsif" | "default_nettype" | "unconnected_drive" => {
                let mut end = self.at;
                while self.bytes.get(end).is_some_and(|&byte| byte == b' ' || byte == b'\t') {
                    end += 1;
                }
                while self.bytes.get(end).is_some_and(|&byte| is_word(byte)) {
                    end += 1;
                }
                end
            }
            "else"
            | "endif"
            | "resetall"
            | "celldefine"
            | "endcelldefine"
            | "nounconnected_drive"
            | "end_keywords"
            | "undefineall" => self.at,
            _ => return,
        };
        self.at = end;
        self.directives.push((start, end));
    }

    /// Takes the body of a `` `define ``: to the end of the line, past lines that end in a backslash.
    fn define(&mut self) -> usize {
        let mut end = self.line_end(self.at);
        while end < self.bytes.len()
            && self.source[self.at..end].trim_end_matches('\r').ends_with('\\')
        {
            end = self.line_end(end + 1);
        }
        while self.at < end && self.step(true) {}
        end.max(self.at)
    }
}

impl<'s> Text<'s> {
    pub(super) fn word(&self, token: &Token) -> &'s str {
        &self.source[token.start..token.end]
    }

    /// The 1-based line and column (in bytes) of an offset.
    pub(super) fn refusal_at(
        &self,
        reason: Reason,
        message: impl Into<String>,
        offset: usize,
    ) -> Refusal {
        Refusal::new(reason, message).at(super::place_of(self.source, offset))
    }
}
