//! Markdown fences: which parts of a text stand in a code block, and which outside.
//!
//! This is not CommonMark but what models write: a fence may open or close in the middle of a line, may
//! never be closed or never opened, and a labelled fence inside a block opens the next one. Three backticks
//! in a row are no Verilog, so a run of them is a fence wherever it stands; tildes are, so theirs must begin
//! their line.

use std::ops::Range;

/// What a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// Fenced and labelled as Verilog.
    Verilog,
    /// Fenced without a label.
    None,
    /// Fenced and labelled as something else.
    Other,
    /// Not in a fence.
    Outside,
}

/// A part of a text, without the fences around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub range: Range<usize>,
    pub label: Label,
    /// A fence follows it.
    pub closed: bool,
}

/// Splits a text at its fences.
pub(super) fn split(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Fence> = None;
    let mut start = 0;
    let mut at = 0;
    while let Some(fence) = next_fence(text, at) {
        at = fence.end;
        if let Some(opener) = open {
            let closes = opener.length <= fence.length || fence.label != Label::None;
            if opener.mark != fence.mark || !closes {
                continue;
            }
        }
        let label = open.map_or(Label::Outside, |opener| opener.label);
        blocks.push(Block { range: start..fence.start, label, closed: true });
        let opens = open.is_none() || fence.label != Label::None;
        start = if opens { fence.end } else { fence.start + fence.length };
        at = start;
        open = opens.then_some(fence);
    }
    let label = open.map_or(Label::Outside, |opener| opener.label);
    blocks.push(Block { range: start..text.len(), label, closed: false });
    blocks
}

#[derive(Clone, Copy, Debug)]
struct Fence {
    mark: u8,
    length: usize,
    label: Label,
    start: usize,
    /// After the label.
    end: usize,
}

fn next_fence(text: &str, from: usize) -> Option<Fence> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        at += bytes[at..].iter().position(|byte| matches!(byte, b'`' | b'~'))?;
        let mark = bytes[at];
        let length = bytes[at..].iter().take_while(|byte| **byte == mark).count();
        if length >= 3 && (mark == b'`' || starts_line(text, at)) {
            let (label, label_length) = label(&text[at + length..]);
            return Some(Fence { mark, length, label, start: at, end: at + length + label_length });
        }
        at += length;
    }
}

/// Tells whether nothing but blanks stands before `at` in its line.
fn starts_line(text: &str, at: usize) -> bool {
    let before = text.as_bytes()[..at].iter().rev().find(|byte| !matches!(byte, b' ' | b'\t'));
    matches!(before, None | Some(b'\n'))
}

/// Reads the label after a fence and returns how many bytes it takes.
///
/// A word is a label if it is known or if its line ends after it (up to attributes as in `{.verilog}`); in
/// ```` ```module top; ```` the code begins at once.
fn label(rest: &str) -> (Label, usize) {
    let line = rest.lines().next().unwrap_or("");
    let trimmed = line.trim_start_matches([' ', '\t', '{', '.']);
    let skipped = line.len() - trimmed.len();
    let length = trimmed
        .find(|c: char| !(c.is_ascii_alphanumeric() || "_+-#.".contains(c)))
        .unwrap_or(trimmed.len());
    let word = trimmed[..length].to_ascii_lowercase();
    let rest_of_line = trimmed[length..].trim();
    match word.as_str() {
        "" => (Label::None, 0),
        "verilog" | "systemverilog" | "sv" | "v" | "vlog" | "vh" | "svh" | "verilog-2001"
        | "sverilog" | "hdl" => {
            // Attributes after the label belong to it; code does not.
            let attributes =
                rest_of_line.starts_with(['}', '{', ':', '=']) || rest_of_line.starts_with("title");
            (Label::Verilog, if attributes { line.len() } else { skipped + length })
        }
        _ if rest_of_line.is_empty() && !crate::verilog::lex::is_keyword(&word) => {
            (Label::Other, line.len())
        }
        _ => (Label::None, 0),
    }
}
