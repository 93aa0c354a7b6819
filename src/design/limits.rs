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

/// What macros make of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Growth<'s> {
    /// Tokens of each macro's expansion, without what its arguments hold.
    sizes: HashMap<&'s str, usize>,
    /// How often a macro with parameters writes its arguments.
    copies: HashMap<&'s str, usize>,
}

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
        if !["`ifdef", "`ifndef", "`elsif"].iter().any(|test| self.source.contains(test)) {
            return Ok(());
        }
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

    /// Macros that use macros can grow as the power of their number, and so can the arguments of nested uses.
    fn refuse_growth(&self) -> Result<(), Refusal> {
        let bodies = self.macros();
        let mut growth = Growth::default();
        let mut settled = bodies.is_empty();
        for _ in 0..MAX_MACRO_DEPTH {
            let before = growth.clone();
            for (name, body) in &bodies {
                let (parameters, body) = self.parameters(body);
                let is_parameter =
                    |token: &Token| usize::from(parameters.contains(&self.word(token)));
                let size = self.weigh(body.iter(), &before, |token| self.size_of(token, &before));
                let copies = self.weigh(body.iter(), &before, is_parameter);
                // Of several definitions of a name the longest counts.
                let known = growth.sizes.entry(name).or_default();
                *known = size.max(*known);
                if !parameters.is_empty() {
                    let known = growth.copies.entry(name).or_default();
                    *known = copies.max(*known);
                }
            }
            settled |= growth == before;
            if settled || growth.sizes.values().any(|&size| size > MAX_EXPANDED) {
                break;
            }
        }
        let used = self.tokens.iter().filter(|token| !token.in_macro);
        let total = self.weigh(used, &growth, |token| self.size_of(token, &growth));
        if settled && total <= MAX_EXPANDED {
            return Ok(());
        }
        Err(Refusal::new(Reason::Unsupported, "macros that grow without bound"))
    }

    /// The sum of `weight` over `tokens`, each as often as the macros copy it whose arguments it stands in.
    fn weigh<'t>(
        &self,
        tokens: impl Iterator<Item = &'t Token>,
        growth: &Growth,
        weight: impl Fn(&Token) -> usize,
    ) -> usize {
        let (mut sum, mut copies, mut depth) = (0usize, 1usize, 0usize);
        // Depth of the bracket of each macro's arguments, and the copies outside of it.
        let mut calls: Vec<(usize, usize)> = Vec::new();
        let mut called = None;
        for token in tokens {
            sum = sum.saturating_add(weight(token).saturating_mul(copies));
            let call = called.take();
            match self.word(token) {
                "(" => {
                    depth += 1;
                    if let Some(of_call) = call {
                        calls.push((depth, copies));
                        copies = copies.saturating_mul(std::cmp::max(of_call, 1));
                    }
                }
                ")" => {
                    if let Some((_, outside)) = calls.pop_if(|(at, _)| *at == depth) {
                        copies = outside;
                    }
                    depth = depth.saturating_sub(1);
                }
                word if token.kind == Kind::Directive => {
                    called = growth.copies.get(&word[1..]).copied();
                }
                _ => {}
            }
        }
        sum
    }

    /// The parameters of a macro and what is left of its body.
    fn parameters<'b>(&self, body: &'b [Token]) -> (Vec<&'s str>, &'b [Token]) {
        let Some(first) = body.first().filter(|token| self.word(token) == "(") else {
            return (Vec::new(), body);
        };
        // A bracket after a blank belongs to the body.
        if first.start == 0 || self.source.as_bytes()[first.start - 1].is_ascii_whitespace() {
            return (Vec::new(), body);
        }
        let end = body.iter().position(|token| self.word(token) == ")").unwrap_or(body.len() - 1);
        let (head, rest) = body.split_at(end + 1);
        let words = head.iter().filter(|token| token.kind == Kind::Word);
        (words.map(|token| self.word(token)).collect(), rest)
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

    fn size_of(&self, token: &Token, growth: &Growth) -> usize {
        let macro_use = (token.kind == Kind::Directive).then(|| &self.word(token)[1..]);
        macro_use.and_then(|name| growth.sizes.get(name)).copied().unwrap_or(1)
    }
}
