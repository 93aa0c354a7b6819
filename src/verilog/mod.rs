//! Source text and its tokens: what every other module knows about Verilog as text.
//!
//! In goes any text, out come tokens with half-open byte spans that cover it from the first byte to the
//! last. Models write text that is not Verilog (prose, half a module, binary rubbish), so nothing here
//! fails: what is no token of the language is a token of kind [`lex::Kind::Unknown`]. Questions that need
//! the grammar go to a parser ([`syntax`], after [`expand`] has taken the directives away); questions such as "does a module start here, or is that word in a comment?"
//! are answered here.

pub mod expand;
pub mod lex;
pub mod syntax;
pub mod unit;

pub use lex::{Kind, Token, lex};

/// A place in a text as a person counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1; LF, CRLF and a lone CR each end one.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Place {
    /// Returns the place of the byte `offset` of `text`.
    ///
    /// An offset past the end is taken as the end, one inside a character as the character's start.
    pub fn of(text: &str, offset: usize) -> Place {
        let end =
            (0..=offset.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let mut line = 1;
        let mut line_start = 0;
        let bytes = text.as_bytes();
        for at in 0..end {
            let ends_line = match bytes[at] {
                b'\n' => true,
                b'\r' => bytes.get(at + 1) != Some(&b'\n'),
                _ => false,
            };
            if ends_line {
                line += 1;
                line_start = at + 1;
            }
        }
        Place { line, column: text[line_start..end].chars().count() + 1 }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.line, self.column)
    }
}
