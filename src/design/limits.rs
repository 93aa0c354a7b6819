//! What protects the tools behind: limits of size and depth, and directives that open files.
//!
//! In: a scanned text. Out: nothing, or a [`Refusal`] with its place. slang and the simulators recurse over
//! the text and expand its macros before they could count anything, so this is counted on the tokens.

use std::collections::HashMap;

use super::text::{Kind, Text, Token};
use super::{Reason, Refusal};

/// Largest source. The largest golden of the public benchmarks has 12 KiB.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting of brackets, `begin` and `case`. slang and Verilator recurse over it.
const MAX_DEPTH: usize = 256;
/// Longest chain of `else if`, and of heads without a block.
const MAX_CHAIN: usize = 1024;
/// Most tokens after macros are expanded, as far as their bodies tell.
const MAX_EXPANDED: usize = 1 << 20;
/// Most macros that use each other in turn.
const MAX_MACRO_DEPTH: usize = 64;
/// Most tokens in one expression or declaration: a chain of operators is a tree as deep as it is long.
const MAX_RUN: usize = 20_000;

/// How deep the text nests at a token.
#[derive(Default)]
struct Nesting {
    brackets: usize,
    blocks: usize,
    modules: usize,
    /// Tokens of the present expression or declaration.
    run: usize,
    /// Heads of the present statement that each hold the next: `if (a) if (b)`, `else if`.
    chain: usize,
    outer_chains: Vec<usize>,
}

impl Nesting {
    fn take(&mut self, word: &str, follows: &str) {
        self.run += 1;
        match word {
            "(" | "[" | "{" => self.brackets += 1,
            ")" | "]" | "}" => self.brackets = self.brackets.saturating_sub(1),
            "begin" | "case" | "casex" | "casez" | "fork" | "generate" => {
                self.blocks += 1;
                self.outer_chains.push(self.chain);
                (self.run, self.chain) = (0, 0);
            }
            "end" | "endcase" | "join" | "join_any" | "join_none" | "endgenerate" => {
                self.blocks = self.blocks.saturating_sub(1);
                self.run = 0;
                self.chain = self.outer_chains.pop().unwrap_or(0);
            }
            "module" => self.modules += 1,
            "endmodule" => {
                *self = Nesting { modules: self.modules.saturating_sub(1), ..Nesting::default() }
            }
            "if" | "for" | "while" | "repeat" | "forever" => self.chain += 1,
            ";" => self.run = 0,
            _ => {}
        }
        let ends = matches!(word, ";" | "end" | "endcase") && self.brackets == 0;
        if ends && follows != "else" {
            self.chain = 0;
        }
    }

    fn is_too_deep(&self) -> bool {
        self.brackets + self.blocks + self.modules > MAX_DEPTH
            || self.run > MAX_RUN
            || self.chain > MAX_CHAIN
    }
}

impl<'s> Text<'s> {
    /// Refuses what no tool may be given.
    pub(super) fn refuse_limits(&self) -> Result<(), Refusal> {
        self.refuse_includes()?;
        self.refuse_tool_names()?;
        self.refuse_depth()?;
        self.refuse_growth()
    }

    /// Names that one tool predefines and another does not: behind `` `ifdef VERILATOR `` could stand what
    /// slang, which judges the text, never sees.
    fn refuse_tool_names(&self) -> Result<(), Refusal> {
        let mut test = None;
        for token in crate::verilog::lex(self.source).filter(|token| !token.kind.is_trivia()) {
            let word = &self.source[token.span.clone()];
            let name = word.trim_start_matches('\\').to_ascii_lowercase();
            let of_a_tool = ["verilator", "__slang", "__icarus", "systemc", "sv_cov_"]
                .iter()
                .any(|head| name.starts_with(head));
            if let Some((start, directive)) = test.take().filter(|_| of_a_tool) {
                let message = format!("{directive} {word} asks which tool reads it");
                return Err(self.refusal_at(Reason::Forbidden, message, start));
            }
            if matches!(word, "`ifdef" | "`ifndef" | "`elsif") {
                test = Some((token.span.start, word));
            }
        }
        Ok(())
    }

    /// A file name after the directive is enough: the tools open it even where the text is dead.
    fn refuse_includes(&self) -> Result<(), Refusal> {
        for token in self.tokens.iter().filter(|token| token.kind == Kind::Directive) {
            let word = self.word(token);
            if word == "`include" {
                return Err(self.refusal_at(
                    Reason::Forbidden,
                    "`include opens a file",
                    token.start,
                ));
            }
            // What these say or do is another thing for each tool, and slang reads other text than Verilator.
            let own = word == "`__FILE__"
                || ["`verilator", "`verilog", "`systemc"].iter().any(|head| word.starts_with(head));
            if own {
                let message = format!("{word} means another thing to each tool");
                return Err(self.refusal_at(Reason::Forbidden, message, token.start));
            }
            // `` a`inc``lude `` is one directive to the preprocessor.
            if token.in_macro && self.source[token.end..].starts_with("``") {
                return Err(self.refusal_at(
                    Reason::Forbidden,
                    "a directive made by pasting tokens",
                    token.start,
                ));
            }
        }
        Ok(())
    }

    fn refuse_depth(&self) -> Result<(), Refusal> {
        let mut nesting = Nesting::default();
        for (index, token) in self.tokens.iter().enumerate() {
            let follows = self.tokens.get(index + 1).map_or("", |next| self.word(next));
            nesting.take(self.word(token), follows);
            if nesting.is_too_deep() {
                return Err(self.refusal_at(
                    Reason::Unsupported,
                    "text nested too deeply",
                    token.start,
                ));
            }
        }
        Ok(())
    }

    /// Macros that use macros can grow as the power of their number.
    fn refuse_growth(&self) -> Result<(), Refusal> {
        let bodies = self.macros();
        let mut sizes: HashMap<&str, usize> = HashMap::new();
        let mut settled = bodies.is_empty();
        for _ in 0..MAX_MACRO_DEPTH {
            let before = sizes.clone();
            for (name, body) in &bodies {
                let size = body
                    .iter()
                    .fold(0, |sum: usize, token| sum.saturating_add(self.size_of(token, &before)));
                // Of several definitions of a name the longest counts.
                let known = sizes.entry(name).or_default();
                *known = size.max(*known);
            }
            settled |= sizes == before;
            if settled || sizes.values().any(|&size| size > MAX_EXPANDED) {
                break;
            }
        }
        let used = self.tokens.iter().filter(|token| !token.in_macro);
        let total =
            used.fold(0, |sum: usize, token| sum.saturating_add(self.size_of(token, &sizes)));
        if settled && total <= MAX_EXPANDED {
            return Ok(());
        }
        Err(Refusal::new(Reason::Unsupported, "macros that grow without bound"))
    }

    /// The names of macros and their bodies.
    fn macros(&self) -> Vec<(&'s str, &[Token])> {
        let mut found = Vec::new();
        for (index, token) in
            self.tokens.iter().enumerate().filter(|(_, token)| self.word(token) == "`define")
        {
            let end = self.tokens[index + 1..].iter().take_while(|body| body.in_macro).count()
                + index
                + 1;
            if let Some((name, body)) =
                self.tokens[index + 1..end].split_first().filter(|_| !token.in_macro)
            {
                found.push((self.word(name), body));
            }
        }
        found
    }

    fn size_of(&self, token: &Token, sizes: &HashMap<&str, usize>) -> usize {
        let macro_use = (token.kind == Kind::Directive).then(|| &self.word(token)[1..]);
        macro_use.and_then(|name| sizes.get(name)).copied().unwrap_or(1)
    }
}
