//! Which designs are one design, and which must stand in one split.
//!
//! Both are read off the golden module, written plainly with its outputs in a fixed order and its names numbered as
//! they appear, so they hold whatever was drawn and in whatever words. The *design* is that text. The *shape* is what
//! is left of it without numbers, and with the same clock edge and reset for all: designs that differ in widths,
//! constants, edges or resets only have one shape. A split takes whole shapes.

use std::collections::HashMap;

use super::draft::Draft;
use super::write::{Style, golden};
use crate::record::content_hash;
use crate::verilog::lex::is_keyword;
use crate::verilog::{Kind, lex};

/// Returns what makes a design, as a hash.
pub(super) fn design(draft: &Draft) -> String {
    content_hash(numbered(&golden(&ordered(draft), &Style::PLAIN), false).as_bytes())
}

/// Returns what the split is decided by, as a hash.
pub(super) fn shape(draft: &Draft) -> String {
    let mut plain = ordered(draft);
    if let Some(clock) = &mut plain.clock {
        clock.falling = false;
        if let Some(reset) = &mut clock.reset {
            (reset.low, reset.asynchronous) = (false, false);
        }
    }
    content_hash(numbered(&golden(&plain, &Style::PLAIN), true).as_bytes())
}

fn ordered(draft: &Draft) -> Draft {
    let mut draft = draft.clone();
    draft.outputs.sort_by(|one, other| one.kind.cmp(&other.kind));
    draft
}

/// Returns the text with names by number and, if asked, without numbers; blanks do not count.
fn numbered(text: &str, without_numbers: bool) -> String {
    let mut names: HashMap<&str, usize> = HashMap::new();
    let mut said = String::new();
    for token in lex(text).filter(|token| !token.kind.is_trivia()) {
        let word = &text[token.span];
        match token.kind {
            Kind::Word if !is_keyword(word) => {
                let count = names.len();
                said += &format!("n{}", names.entry(word).or_insert(count));
            }
            Kind::Number if without_numbers => said += "0",
            _ => said += word,
        }
        said.push(' ');
    }
    said
}
