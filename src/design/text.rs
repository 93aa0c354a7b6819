//! The raw text before slang sees it: tokens, design units, and the limits that protect a recursive parser.
//!
//! In: a source text. Out: its tokens and the top-level modules, packages and interfaces with their byte
//! ranges, or a [`Refusal`] for a text that is too large, too deeply nested, or that would make a tool open
//! a file. slang cannot tell us any of this in time: an include is opened, and a deep expression recurses,
//! while it parses. A parse error in a test bench that nobody asked about must not count either, so what
//! is out of reach is blanked here, before the parse.

use std::collections::{BTreeSet, HashMap};

use super::{Reason, Refusal};

/// Largest source. The largest golden of the public benchmarks has 12 KiB.
const MAX_BYTES: usize = 1 << 20;
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

/// A top-level module, package, interface, program or primitive.
#[derive(Debug)]
pub(super) struct Unit<'s> {
    pub(super) keyword: &'s str,
    pub(super) name: &'s str,
    /// Byte range, from its attributes to its end keyword and label.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Range in the list of tokens.
    first: usize,
    last: usize,
}

/// The scanned text.
#[derive(Debug)]
pub(super) struct Text<'s> {
    pub(super) source: &'s str,
    pub(super) tokens: Vec<Token>,
    pub(super) units: Vec<Unit<'s>>,
    /// Byte ranges of directives, which act beyond the unit they stand in.
    directives: Vec<(usize, usize)>,
    /// Whether every unit found its end; if not, slang reports the error.
    whole: bool,
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
                *self = Nesting {
                    modules: self.modules.saturating_sub(1),
                    ..Nesting::default()
                }
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
    let mut text = Text {
        source,
        tokens,
        units: Vec::new(),
        directives,
        whole: true,
    };
    text.refuse_includes()?;
    text.refuse_depth()?;
    text.refuse_growth()?;
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
                self.at = rest
                    .find("*/")
                    .map_or(self.bytes.len(), |at| start + 2 + at + 2);
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
            _ => {
                self.at += self.source[start..]
                    .chars()
                    .next()
                    .map_or(1, char::len_utf8);
                if byte <= b' ' {
                    return true;
                }
                Kind::Symbol
            }
        };
        self.tokens.push(Token {
            kind,
            start,
            end: self.at,
            in_macro,
        });
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
        self.source[from..]
            .find('\n')
            .map_or(self.bytes.len(), |at| from + at)
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' if self.at < self.bytes.len() => {
                    self.at += self.source[self.at..]
                        .chars()
                        .next()
                        .map_or(1, char::len_utf8);
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
                while self
                    .bytes
                    .get(end)
                    .is_some_and(|&byte| byte == b' ' || byte == b'\t')
                {
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
            && self.source[self.at..end]
                .trim_end_matches('\r')
                .ends_with('\\')
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

    /// A file name after the directive is enough: the tools open it even where the text is dead.
    fn refuse_includes(&self) -> Result<(), Refusal> {
        for token in self
            .tokens
            .iter()
            .filter(|token| token.kind == Kind::Directive)
        {
            let word = self.word(token);
            if word == "`include" {
                return Err(self.refusal_at(
                    Reason::Forbidden,
                    "`include opens a file",
                    token.start,
                ));
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
            let follows = self
                .tokens
                .get(index + 1)
                .map_or("", |next| self.word(next));
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
                let size = body.iter().fold(0, |sum: usize, token| {
                    sum.saturating_add(self.size_of(token, &before))
                });
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
        let total = used.fold(0, |sum: usize, token| {
            sum.saturating_add(self.size_of(token, &sizes))
        });
        if settled && total <= MAX_EXPANDED {
            return Ok(());
        }
        Err(Refusal::new(
            Reason::Unsupported,
            "macros that grow without bound",
        ))
    }

    /// The names of macros and their bodies.
    fn macros(&self) -> Vec<(&'s str, &[Token])> {
        let mut found = Vec::new();
        for (index, token) in self
            .tokens
            .iter()
            .enumerate()
            .filter(|(_, token)| self.word(token) == "`define")
        {
            let end = self.tokens[index + 1..]
                .iter()
                .take_while(|body| body.in_macro)
                .count()
                + index
                + 1;
            if let Some((name, body)) = self.tokens[index + 1..end]
                .split_first()
                .filter(|_| !token.in_macro)
            {
                found.push((self.word(name), body));
            }
        }
        found
    }

    fn size_of(&self, token: &Token, sizes: &HashMap<&str, usize>) -> usize {
        let macro_use = (token.kind == Kind::Directive).then(|| &self.word(token)[1..]);
        macro_use
            .and_then(|name| sizes.get(name))
            .copied()
            .unwrap_or(1)
    }

    fn find_units(&mut self) {
        let mut index = 0;
        while index < self.tokens.len() {
            let token = self.tokens[index];
            let keyword = self.word(&token);
            let end_keyword = match keyword {
                _ if token.kind != Kind::Word || token.in_macro => "",
                "module" | "macromodule" => "endmodule",
                "interface" => "endinterface",
                "program" => "endprogram",
                "package" => "endpackage",
                "primitive" => "endprimitive",
                _ => "",
            };
            let external = index > 0 && self.word(&self.tokens[index - 1]) == "extern";
            if end_keyword.is_empty() || external {
                index += 1;
                continue;
            }
            index = self.take_unit(index, keyword, end_keyword);
        }
    }

    /// Takes the unit whose keyword stands at `first`; returns the index after it.
    fn take_unit(&mut self, first: usize, keyword: &'s str, end_keyword: &str) -> usize {
        let is = |index: usize, word: &str| {
            self.tokens
                .get(index)
                .is_some_and(|token| !token.in_macro && self.word(token) == word)
        };
        let mut name = first + 1;
        while is(name, "automatic") || is(name, "static") {
            name += 1;
        }
        let mut last = name;
        let mut whole = self.whole;
        while last < self.tokens.len() && !is(last, end_keyword) {
            whole &= !(is(last, "module") || is(last, "macromodule"));
            last += 1;
        }
        let after = if is(last + 1, ":") { last + 2 } else { last };
        self.whole = whole && last < self.tokens.len();
        if last >= self.tokens.len() {
            return last;
        }
        let start = self.attributes_before(first);
        let name = self.word(&self.tokens[name]).trim_start_matches('\\');
        let unit = Unit {
            keyword,
            name,
            start,
            end: self.tokens[after.min(self.tokens.len() - 1)].end,
            first,
            last,
        };
        self.units.push(unit);
        after + 1
    }

    /// The start of the attribute instances `(* … *)` before a token, or the token's own start.
    fn attributes_before(&self, token: usize) -> usize {
        let mut first = token;
        while first >= 2
            && self.word(&self.tokens[first - 1]) == ")"
            && self.word(&self.tokens[first - 2]) == "*"
        {
            let Some(open) = (0..first - 2)
                .rev()
                .find(|&at| self.word(&self.tokens[at]) == "(")
            else {
                break;
            };
            first = open;
        }
        self.tokens[first].start
    }

    /// Names of units that the tokens in a range instantiate, import or refer to.
    fn mentions(
        &self,
        range: std::ops::Range<usize>,
        names: &BTreeSet<&'s str>,
        found: &mut BTreeSet<&'s str>,
    ) {
        for index in range {
            let token = &self.tokens[index];
            let word = self.word(token).trim_start_matches('\\');
            if token.kind != Kind::Word || !names.contains(word) {
                continue;
            }
            let follows = self.tokens.get(index + 1);
            let instance = token.in_macro
                || follows.is_some_and(|next| {
                    matches!(next.kind, Kind::Word | Kind::Directive)
                        || matches!(self.word(next), "#" | ":" | "." | "(")
                });
            let declares = index > 0
                && matches!(
                    self.word(&self.tokens[index - 1]),
                    "module" | "macromodule" | "." | ":"
                );
            if instance && !declares {
                found.insert(word);
            }
        }
    }

    fn names(&self) -> BTreeSet<&'s str> {
        self.units.iter().map(|unit| unit.name).collect()
    }

    /// Modules that no other unit instantiates, in order of appearance.
    pub(super) fn roots(&self) -> Vec<&'s str> {
        let names = self.names();
        let mut used = BTreeSet::new();
        for unit in &self.units {
            let mut found = BTreeSet::new();
            self.mentions(unit.first..unit.last, &names, &mut found);
            found.remove(unit.name);
            used.extend(found);
        }
        let modules = self
            .units
            .iter()
            .filter(|unit| matches!(unit.keyword, "module" | "macromodule"));
        modules
            .map(|unit| unit.name)
            .filter(|name| !used.contains(name))
            .collect()
    }

    pub(super) fn has_module(&self, name: &str) -> bool {
        self.units
            .iter()
            .any(|unit| unit.name == name && matches!(unit.keyword, "module" | "macromodule"))
    }

    /// A module inside of a module is legal, and no simulator but the largest takes it.
    pub(super) fn refuse_nested(&self) -> Result<(), Refusal> {
        if self.whole {
            Ok(())
        } else {
            Err(Refusal::new(
                Reason::Unsupported,
                "a module inside a module",
            ))
        }
    }

    /// A `bind` in what is kept of the text adds code to a module from elsewhere.
    pub(super) fn refuse_bind(&self, kept: &str) -> Result<(), Refusal> {
        let binds = |token: &&Token| token.kind == Kind::Word && self.word(token) == "bind";
        match self
            .tokens
            .iter()
            .filter(binds)
            .find(|token| kept.as_bytes()[token.start] != b' ')
        {
            Some(token) => Err(self.refusal_at(Reason::Forbidden, "bind", token.start)),
            None => Ok(()),
        }
    }

    /// The text with every unit out of `top`'s reach blanked: offsets and lines stay what they are.
    pub(super) fn reachable_from(&self, top: &str) -> String {
        if !self.whole {
            return self.source.to_owned();
        }
        let names = self.names();
        let mut reached = BTreeSet::from([names.get(top).copied().unwrap_or_default()]);
        let outside: Vec<usize> = (0..self.tokens.len())
            .filter(|&index| {
                !self
                    .units
                    .iter()
                    .any(|unit| (unit.first..=unit.last).contains(&index))
            })
            .collect();
        let in_macros = (0..self.tokens.len()).filter(|&index| self.tokens[index].in_macro);
        for index in outside.into_iter().chain(in_macros) {
            self.mentions(index..index + 1, &names, &mut reached);
        }
        let mut size = 0;
        while size != reached.len() {
            size = reached.len();
            for unit in &self.units {
                if reached.contains(unit.name) {
                    self.mentions(unit.first..unit.last, &names, &mut reached);
                }
            }
        }
        let mut kept = self.source.as_bytes().to_vec();
        for unit in self
            .units
            .iter()
            .filter(|unit| !reached.contains(unit.name))
        {
            self.blank(&mut kept, unit.start, unit.end);
        }
        self.blank_nested_generates(&mut kept);
        String::from_utf8(kept).unwrap_or_else(|_| self.source.to_owned())
    }

    /// `generate` inside `generate` means nothing, and Icarus takes it.
    fn blank_nested_generates(&self, kept: &mut [u8]) {
        let mut depth = 0_usize;
        for token in self
            .tokens
            .iter()
            .filter(|token| token.kind == Kind::Word && !token.in_macro)
        {
            let nested = match self.word(token) {
                "generate" => {
                    depth += 1;
                    depth > 1
                }
                "endgenerate" => {
                    depth = depth.saturating_sub(1);
                    depth > 0
                }
                "endmodule" => {
                    depth = 0;
                    false
                }
                _ => false,
            };
            if nested {
                kept[token.start..token.end].fill(b' ');
            }
        }
    }

    /// Blanks a range but for its line ends and the directives in it.
    fn blank(&self, kept: &mut [u8], start: usize, end: usize) {
        let inside = self.directives.partition_point(|&(from, _)| from < start);
        let mut directives = self.directives[inside..]
            .iter()
            .take_while(|&&(from, _)| from < end)
            .peekable();
        for at in start..end {
            while directives.next_if(|&&(_, to)| to <= at).is_some() {}
            let directive = directives.peek().is_some_and(|&&(from, _)| from <= at);
            if !directive && !matches!(kept[at], b'\n' | b'\r') {
                kept[at] = b' ';
            }
        }
    }
}
