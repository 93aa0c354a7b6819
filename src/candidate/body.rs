//! A module's body without its head: the head stands at the end of the prompt, as in VerilogEval v1 and in
//! code completion, and the model goes on from there.

use std::ops::Range;

use crate::verilog::{Kind, lex::is_keyword, unit::Scan};

/// Returns the unfinished module at the end of a prompt, from its keyword on.
///
/// What follows the head belongs to it if it is Verilog (declarations that the prompt gives); prose and a
/// closing fence do not.
pub(super) fn open_head(prompt: &str) -> Option<&str> {
    let scan = Scan::new(prompt);
    let unit = scan.units.last().filter(|unit| unit.is_module && !unit.closed)?;
    let head_end = head_end(&scan, unit.first_token)?;
    let start = unit.span.start;
    let rest = head_end + 1..scan.tokens.len();
    let is_code = rest.is_empty()
        || (is_item(&scan, rest.start)
            && !scan.is_prose(rest.clone())
            && !prompt[start..].contains("```"));
    let end = if is_code { prompt.len() } else { scan.tokens[head_end].span.end };
    Some(&prompt[start..end])
}

/// Returns where a body stands in a text without a head for it: from its first item to its `endmodule`, or
/// to where the Verilog ends; and whether `endmodule` is there.
pub(super) fn find(scan: &Scan) -> Option<(Range<usize>, bool)> {
    let end_token = (0..scan.tokens.len()).find(|&index| scan.word(index) == "endmodule");
    let limit = end_token.unwrap_or(scan.tokens.len());
    if scan.units.first().is_some_and(|unit| unit.first_token < limit) {
        return None;
    }
    let start = (0..limit).find(|&index| scan.starts_line(index) && is_item(scan, index))?;
    // What stands before it and holds a `;` is an item that is not known here; prose is not.
    let is_code = (0..start).any(|index| scan.word(index) == ";") && !scan.is_prose(0..start);
    let start = if start == 0 || is_code { 0 } else { scan.tokens[start].span.start };
    let end = match (end_token, scan.units.last()) {
        (Some(_), Some(helper)) => helper.span.end,
        (Some(end), None) => scan.tokens[end].span.end,
        (None, _) => unfinished_end(scan),
    };
    Some((start..end, end_token.is_some()))
}

/// Returns where a body without `endmodule` ends: after its last finished statement if prose follows,
/// otherwise with the text.
fn unfinished_end(scan: &Scan) -> usize {
    let finishes = |index: &usize| {
        scan.word(*index) == ";"
            || (scan.word(*index).starts_with("end") && is_keyword(scan.word(*index)))
    };
    match (0..scan.tokens.len()).rev().find(finishes) {
        Some(last) if scan.is_prose(last + 1..scan.tokens.len()) => scan.tokens[last].span.end,
        _ => scan.text.len(),
    }
}

/// Returns the index of the `;` that ends a module's head.
fn head_end(scan: &Scan, first: usize) -> Option<usize> {
    let mut depth = 0usize;
    for index in first..scan.tokens.len() {
        match scan.word(index) {
            "(" | "(*" | "[" | "{" => depth += 1,
            ")" | "*)" | "]" | "}" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => return Some(index),
            _ => {}
        }
    }
    None
}

/// Tells whether a module item begins at a token, by its keyword and what follows it.
fn is_item(scan: &Scan, index: usize) -> bool {
    let next = scan.word(index + 1);
    let is_name = matches!(scan.kind(index + 1), Some(Kind::Word | Kind::EscapedIdentifier));
    let is_prose = || scan.is_prose(index + 1..(index + 4).min(scan.tokens.len()));
    match scan.word(index) {
        "assign" => {
            matches!(next, "#" | "{" | "(") || (is_name && !is_prose() && !is_keyword(next))
        }
        "always" => matches!(next, "@" | "#" | "begin"),
        "always_comb" | "always_ff" | "always_latch" | "initial" | "generate" => {
            next != "`" && !is_prose()
        }
        "reg" | "wire" | "logic" | "bit" | "int" | "integer" | "byte" | "tri" | "genvar"
        | "real" | "input" | "output" | "inout" | "parameter" | "localparam" | "typedef"
        | "function" | "task" | "enum" | "struct" | "import" => {
            (next == "[" || is_name) && !is_prose()
        }
        "and" | "or" | "not" | "xor" | "nand" | "nor" | "xnor" | "buf" => {
            next == "(" || (is_name && scan.word(index + 2) == "(")
        }
        "if" | "for" | "case" => next == "(",
        "(*" => true,
        word if scan.kind(index) == Some(Kind::Directive) => {
            scan.starts_file_item(index) || word == "`ifdef"
        }
        word => {
            scan.kind(index) == Some(Kind::Word) && !is_keyword(word) && is_instance(scan, index)
        }
    }
}

/// Tells whether `name name (` or `name #(` begins here and closes with `;`.
fn is_instance(scan: &Scan, index: usize) -> bool {
    let parameters = scan.word(index + 1) == "#" && scan.word(index + 2) == "(";
    let ports = scan.kind(index + 1) == Some(Kind::Word)
        && !is_keyword(scan.word(index + 1))
        && scan.word(index + 2) == "(";
    if !(parameters || ports) {
        return false;
    }
    // The parenthesis of an instance's ports is followed by `;`, by `,` or, after parameters, by a name;
    // one that is never closed is an instance cut off.
    let mut depth = 0usize;
    for at in index + 2..scan.tokens.len().min(index + 600) {
        match scan.word(at) {
            "(" | "(*" => depth += 1,
            ")" | "*)" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return matches!(scan.word(at + 1), ";" | ",")
                || (parameters && scan.kind(at + 1) == Some(Kind::Word));
        }
    }
    false
}
