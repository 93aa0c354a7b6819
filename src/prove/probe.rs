//! Texts that ask what a statement does where taking it out changes nothing.
//!
//! In goes a module's text and the span of one assignment in it; out comes the text with another value
//! assigned ([`inverted`]), or two texts with one more output, of which the second differs from the first
//! where the statement is executed ([`reached`]) or where its target settles to another value when another
//! one is assigned ([`settled`]). The edits are made between tokens, for a compiler that refuses what does
//! not fit: a value of an enumeration, a target of a block's own, a memory, a statement in a generate loop.

use std::ops::Range;

use crate::verilog::{Kind, Token, lex, lex::is_keyword};

/// Name of the output that is added.
pub const PORT: &str = "salv_probe";

/// Bits of a target that are watched.
const TARGET_BITS: usize = 256;

/// A module with one more output, and what it becomes with the statement changed.
pub struct Probe {
    /// The module to compare with.
    pub golden: String,
    /// The module with the change.
    pub changed: String,
}

/// The code with the complement assigned in place of the value; `None` if the span is no assignment.
pub fn inverted(code: &str, span: &Range<usize>) -> Option<String> {
    Some(edited(code, &inversion(code, span)?))
}

/// The output rises where the statement is executed, and never in the golden module.
pub fn reached(code: &str, span: &Range<usize>, top: &str) -> Option<Probe> {
    // What is no statement of a process is always executed.
    let text = code.get(span.clone())?;
    if !text.ends_with(';') {
        return None;
    }
    let module = Module::find(code, top)?;
    let port = module.port("reg", "", " = 1'b0");
    let mut changed = port.clone();
    changed.push((span.start, "begin ".into()));
    changed.push((span.end, format!(" {PORT} = 1'b1; end")));
    Some(Probe { golden: edited(code, &port), changed: edited(code, &changed) })
}

/// The output is the statement's target; the complement is assigned in place of the value.
pub fn settled(code: &str, span: &Range<usize>, top: &str) -> Option<Probe> {
    let module = Module::find(code, top)?;
    let targets = targets(code, span)?;
    let mut port = module.port("wire", &format!("[{}:0] ", TARGET_BITS - 1), "");
    port.push((module.end, format!(" assign {PORT} = {{{}}}; ", targets.join(", "))));
    let mut changed = port.clone();
    changed.extend(inversion(code, span)?);
    Some(Probe { golden: edited(code, &port), changed: edited(code, &changed) })
}

/// Texts to be put in at offsets of the code.
type Edits = Vec<(usize, String)>;

fn edited(code: &str, edits: &Edits) -> String {
    let mut edits: Vec<&(usize, String)> = edits.iter().collect();
    edits.sort_by_key(|(at, _)| *at);
    let mut text = String::with_capacity(code.len() + 64);
    let mut done = 0;
    for (at, insertion) in edits {
        text.push_str(&code[done..*at]);
        text.push_str(insertion);
        done = *at;
    }
    text + &code[done..]
}

/// The tokens of a range that a compiler sees, at their places in the code.
fn tokens(code: &str, range: &Range<usize>) -> Vec<Token> {
    let text = code.get(range.clone()).unwrap_or_default();
    let shifted = |token: Token| Token {
        span: token.span.start + range.start..token.span.end + range.start,
        ..token
    };
    lex(text).filter(|token| !token.kind.is_trivia()).map(shifted).collect()
}

/// Index of the `=` or `<=` of an assignment: the first that stands in no bracket.
fn operator(code: &str, tokens: &[Token]) -> Option<usize> {
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate() {
        match &code[token.span.clone()] {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.checked_sub(1)?,
            "=" | "<=" if depth == 0 && index > 0 => return Some(index),
            _ => {}
        }
    }
    None
}

fn inversion(code: &str, span: &Range<usize>) -> Option<Edits> {
    let tokens = tokens(code, span);
    let word = |index: usize| tokens.get(index).map_or("", |t| &code[t.span.clone()]);
    let mut value = operator(code, &tokens)? + 1;
    if word(value) == "#" {
        // `q <= #1 d`, `q <= #(T) d`
        value += 2;
        if word(value - 1) == "(" {
            value += (value..tokens.len()).position(|index| word(index) == ")")? + 1;
        }
    }
    let is_ended = word(tokens.len() - 1) == ";";
    let last = tokens.len().checked_sub(1 + usize::from(is_ended)).filter(|&last| last >= value)?;
    let (start, end) = (tokens[value].span.start, tokens[last].span.end);
    Some(vec![(start, "~(".into()), (end, ")".into())])
}

/// The names that an assignment writes, without their selects.
fn targets(code: &str, span: &Range<usize>) -> Option<Vec<String>> {
    let tokens = tokens(code, span);
    let end = operator(code, &tokens)?;
    let mut depth = 0usize;
    let mut names = Vec::new();
    for token in &tokens[..end] {
        match &code[token.span.clone()] {
            "[" => depth += 1,
            "]" => depth = depth.saturating_sub(1),
            // Part of a structure or of another block.
            "." | "::" => return None,
            word if depth == 0 && token.kind == Kind::Word && !is_keyword(word) => {
                names.push(word.to_owned());
            }
            _ => {}
        }
    }
    (!names.is_empty()).then_some(names)
}

/// Where a module's header takes another port.
struct Module {
    /// The `)` of its ports.
    close: usize,
    /// Behind the `;` of its header.
    body: usize,
    /// Its `endmodule`.
    end: usize,
    is_empty: bool,
    is_ansi: bool,
}

impl Module {
    fn find(code: &str, top: &str) -> Option<Module> {
        let tokens = tokens(code, &(0..code.len()));
        let word = |index: usize| tokens.get(index).map_or("", |t| &code[t.span.clone()]);
        let mut at = (0..tokens.len()).find(|&at| word(at) == "module" && word(at + 1) == top)? + 2;
        let closing = |open: usize| {
            let mut depth = 0usize;
            (open..tokens.len()).find(|&index| {
                match word(index) {
                    "(" | "[" | "{" => depth += 1,
                    ")" | "]" | "}" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                depth == 0
            })
        };
        while word(at) == "import" {
            at += (at..tokens.len()).position(|index| word(index) == ";")? + 1;
        }
        if word(at) == "#" {
            at = closing(at + 1)? + 1;
        }
        let close = closing(at).filter(|_| word(at) == "(" && !word(at + 1).is_empty())?;
        let body = (word(close + 1) == ";").then_some(close + 1)?;
        let end = (body..tokens.len()).find(|&index| word(index) == "endmodule")?;
        let is_header = |index: usize| matches!(word(index), "input" | "output" | "inout");
        Some(Module {
            close: tokens[close].span.start,
            body: tokens[body].span.end,
            end: tokens[end].span.start,
            is_empty: close == at + 1,
            is_ansi: (at..close).any(is_header),
        })
    }

    /// The edits that add the output.
    fn port(&self, kind: &str, range: &str, value: &str) -> Edits {
        let comma = if self.is_empty { "" } else { ", " };
        if self.is_ansi || self.is_empty {
            return vec![(self.close, format!("{comma}output {kind} {range}{PORT}{value}"))];
        }
        let declaration = format!(" output {kind} {range}{PORT}{value}; ");
        vec![(self.close, format!("{comma}{PORT}")), (self.body, declaration)]
    }
}
