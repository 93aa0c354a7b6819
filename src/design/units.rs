//! Design units in the tokens: which there are, which `top` reaches, and the text without the rest.
//!
//! In: a scanned text. Out: the same text, as long and with the same lines, in which every module that the
//! top does not reach is blank. A parse error in a test bench that nobody asked about must not count, so
//! this is done before the parse and by tokens alone: a name is an instance where a name, a `#` or a `(`
//! follows it. What this takes for an instance and is none keeps a module that does no harm.

use std::collections::BTreeSet;

use super::text::{Kind, Text, Token};
use super::{Reason, Refusal};

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

impl<'s> Text<'s> {
    pub(super) fn find_units(&mut self) {
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
            self.tokens.get(index).is_some_and(|token| !token.in_macro && self.word(token) == word)
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
            let Some(open) = (0..first - 2).rev().find(|&at| self.word(&self.tokens[at]) == "(")
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
        let modules =
            self.units.iter().filter(|unit| matches!(unit.keyword, "module" | "macromodule"));
        modules.map(|unit| unit.name).filter(|name| !used.contains(name)).collect()
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
            Err(Refusal::new(Reason::Unsupported, "a module inside a module"))
        }
    }

    /// A `bind` in what is kept of the text adds code to a module from elsewhere.
    pub(super) fn refuse_bind(&self, kept: &str) -> Result<(), Refusal> {
        let binds = |token: &&Token| token.kind == Kind::Word && self.word(token) == "bind";
        match self.tokens.iter().filter(binds).find(|token| kept.as_bytes()[token.start] != b' ') {
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
                !self.units.iter().any(|unit| (unit.first..=unit.last).contains(&index))
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
        for unit in self.units.iter().filter(|unit| !reached.contains(unit.name)) {
            self.blank(&mut kept, unit.start, unit.end);
        }
        self.blank_nested_generates(&mut kept);
        String::from_utf8(kept).unwrap_or_else(|_| self.source.to_owned())
    }

    /// `generate` inside `generate` means nothing, and Icarus takes it.
    fn blank_nested_generates(&self, kept: &mut [u8]) {
        let mut depth = 0_usize;
        for token in self.tokens.iter().filter(|token| token.kind == Kind::Word && !token.in_macro)
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
        let mut directives =
            self.directives[inside..].iter().take_while(|&&(from, _)| from < end).peekable();
        for (at, byte) in kept.iter_mut().enumerate().take(end).skip(start) {
            while directives.next_if(|&&(_, to)| to <= at).is_some() {}
            let directive = directives.peek().is_some_and(|&&(from, _)| from <= at);
            if !directive && !matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
}
