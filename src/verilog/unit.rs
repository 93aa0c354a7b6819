//! Design units (modules, packages, interfaces, primitives, programs) in a text that may be half prose.
//!
//! A unit is recognised by its head alone: the keyword at the start of a line, a name, and what can follow
//! a name there. So `module top (` counts and "the module top reads" does not, and a module with errors in
//! it, cut off, or without its `endmodule` still counts: whether it is good Verilog is the parser's question.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Kind, Token, lex, lex::is_keyword};

/// A text and its tokens without white space and comments.
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    /// The text.
    pub text: &'a str,
    /// Its tokens.
    pub tokens: Vec<Token>,
    /// The units that stand in no other one, in order.
    pub units: Vec<Unit>,
}

/// A design unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Name without the backslash of an escaped identifier.
    pub name: String,
    /// Declares a module.
    pub is_module: bool,
    /// From its keyword to the end of `endmodule : label`, or to where the next unit begins.
    pub span: Range<usize>,
    /// Has its `endmodule`.
    pub closed: bool,
    /// Index of its keyword among the tokens.
    pub first_token: usize,
    /// Index after its last token.
    pub end_token: usize,
}

impl<'a> Scan<'a> {
    /// Lexes a text and finds its units.
    pub fn new(text: &'a str) -> Scan<'a> {
        let tokens = lex(text).filter(|token| !token.kind.is_trivia()).collect();
        let mut scan = Scan { text, tokens, units: Vec::new() };
        scan.units = scan.find_units(true);
        if scan.units.is_empty() {
            scan.units = scan.find_units(false);
        }
        scan
    }

    /// Returns the text of a token; nothing past the last one.
    pub fn word(&self, index: usize) -> &'a str {
        self.tokens.get(index).map_or("", |token| &self.text[token.span.clone()])
    }

    /// Returns the kind of a token.
    pub fn kind(&self, index: usize) -> Option<Kind> {
        self.tokens.get(index).map(|token| token.kind)
    }

    /// Tells whether a token is the first of its line.
    pub fn starts_line(&self, index: usize) -> bool {
        let from = if index == 0 { 0 } else { self.tokens[index - 1].span.end };
        self.tokens
            .get(index)
            .is_some_and(|token| index == 0 || self.text[from..token.span.start].contains('\n'))
    }

    /// Tells whether a module of this name is declared.
    pub fn declares(&self, name: &str) -> bool {
        self.units.iter().any(|unit| unit.is_module && unit.name == name)
    }

    /// Finds the units that stand in no other one. A unit that begins inside an open one is nested if the
    /// open one is closed later, and otherwise the open one was left unfinished.
    fn find_units(&self, at_line_start: bool) -> Vec<Unit> {
        let mut units: Vec<Unit> = Vec::new();
        let mut open: Vec<(usize, &'static str)> = Vec::new();
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for index in 0..self.tokens.len() {
            if self.kind(index) != Some(Kind::Word) {
                continue;
            }
            let word = self.word(index);
            // Looked for only where it will be found: all that is passed on the way is then closed too.
            if let Some(count) = counts.get_mut(word).filter(|count| **count > 0) {
                *count -= 1;
                let Some(level) = open.iter().rposition(|(_, end)| *end == word) else {
                    continue;
                };
                for (_, unfinished) in open.drain(level + 1..) {
                    counts.entry(unfinished).and_modify(|count| *count -= 1);
                }
                let Some((unit, _)) = open.pop() else {
                    continue;
                };
                let unit = &mut units[unit];
                (unit.span.end, unit.end_token) = self.unit_end(index);
                unit.closed = true;
            } else if let Some((end, name)) = self.head(index, at_line_start) {
                open.push((units.len(), end));
                *counts.entry(end).or_insert(0) += 1;
                units.push(Unit {
                    name,
                    is_module: end == "endmodule",
                    span: self.tokens[index].span.start..self.text.len(),
                    closed: false,
                    first_token: index,
                    end_token: self.tokens.len(),
                });
            }
        }
        self.outermost(units)
    }

    fn outermost(&self, units: Vec<Unit>) -> Vec<Unit> {
        let mut kept: Vec<Unit> = Vec::new();
        for unit in units {
            match kept.last_mut() {
                Some(last) if last.closed && unit.span.start < last.span.end => continue,
                Some(last) if !last.closed => {
                    (last.span.end, last.end_token) = (unit.span.start, unit.first_token);
                }
                _ => {}
            }
            kept.push(unit);
        }
        kept
    }

    /// Reads a unit's head; returns the keyword that ends it and its name.
    fn head(&self, index: usize, at_line_start: bool) -> Option<(&'static str, String)> {
        let end = match self.word(index) {
            "module" | "macromodule" => "endmodule",
            "package" => "endpackage",
            "interface" => "endinterface",
            "primitive" => "endprimitive",
            "program" => "endprogram",
            _ => return None,
        };
        let after_code =
            index > 0 && matches!(self.word(index - 1), ";" | "*)" | "endmodule" | "endpackage");
        if !(self.starts_line(index) || after_code || (end == "endmodule" && !at_line_start)) {
            return None;
        }
        let lifetime = usize::from(matches!(self.word(index + 1), "automatic" | "static"));
        let name = index + 1 + lifetime;
        let follower = self.word(name + 1);
        let heads = matches!(follower, "(" | ";" | "#" | "(*" | "import")
            || self.kind(name + 1) == Some(Kind::Directive);
        match self.kind(name)? {
            Kind::Word if heads && !is_keyword(self.word(name)) => {
                Some((end, self.word(name).to_owned()))
            }
            Kind::EscapedIdentifier if heads => Some((end, self.word(name)[1..].to_owned())),
            _ => None,
        }
    }

    /// Returns where a unit ends whose end keyword stands at `index`: after its label, if it has one.
    fn unit_end(&self, index: usize) -> (usize, usize) {
        let labelled = self.word(index + 1) == ":"
            && matches!(self.kind(index + 2), Some(Kind::Word | Kind::EscapedIdentifier))
            && !is_keyword(self.word(index + 2));
        let last = if labelled { index + 2 } else { index };
        (self.tokens[last].span.end, last + 1)
    }

    /// Tells whether some tokens read like prose: three plain words among words in a row in one line, which
    /// Verilog never has. Keywords (`module`, `and`) stand in prose too; they neither count nor interrupt.
    pub fn is_prose(&self, tokens: Range<usize>) -> bool {
        let mut plain = 0;
        for index in tokens.start..tokens.end.min(self.tokens.len()) {
            if self.kind(index) != Some(Kind::Word) || self.starts_line(index) {
                plain = 0;
            }
            if self.kind(index) == Some(Kind::Word) && !is_keyword(self.word(index)) {
                plain += 1;
            }
            if plain == 3 {
                return true;
            }
        }
        false
    }

    /// Tells whether a file-scope item that is no unit begins at a token: a directive, an import, a type, a
    /// parameter, a function or a task.
    pub fn starts_file_item(&self, index: usize) -> bool {
        if !self.starts_line(index) {
            return false;
        }
        let next = self.word(index + 1);
        let next_is_name = matches!(self.kind(index + 1), Some(Kind::Word));
        match self.word(index) {
            "`timescale" | "`line" => self.kind(index + 1) == Some(Kind::Number),
            "`define" | "`ifdef" | "`ifndef" | "`undef" | "`default_nettype" => next_is_name,
            "`include" | "`begin_keywords" => self.kind(index + 1) == Some(Kind::String),
            "`resetall"
            | "`endif"
            | "`else"
            | "`celldefine"
            | "`endcelldefine"
            | "`end_keywords"
            | "`nounconnected_drive" => next != "`",
            "`unconnected_drive" | "`pragma" => next_is_name,
            // A package, or a function of another language.
            "import" | "export" => {
                next_is_name && self.word(index + 2) == "::"
                    || self.kind(index + 1) == Some(Kind::String)
            }
            "typedef" => matches!(
                next,
                "enum" | "struct" | "union" | "logic" | "reg" | "bit" | "int" | "byte"
            ),
            "parameter" | "localparam" => next_is_name || next == "[",
            "function" | "task" => next_is_name && !self.is_prose(index + 1..index + 4),
            "timeunit" | "timeprecision" => self.kind(index + 1) == Some(Kind::Number),
            "class" => next_is_name && matches!(self.word(index + 2), ";" | "#" | "extends"),
            "(*" => true,
            _ => false,
        }
    }
}

/// Returns the names that stand where a module is instantiated or a package opened, some of them by chance:
/// what follows decides, and `name name` is a declaration too.
pub fn uses<'a>(scan: &Scan<'a>, tokens: Range<usize>) -> Vec<&'a str> {
    tokens
        .filter(|&index| scan.kind(index) == Some(Kind::Word))
        .filter(|&index| {
            matches!(scan.word(index + 1), "#" | "::")
                || matches!(scan.kind(index + 1), Some(Kind::Word | Kind::EscapedIdentifier))
        })
        .map(|index| scan.word(index))
        .collect()
}

/// Returns the name of the one module of a text that no other module of it instantiates; `None` if there is
/// no such module or more than one.
pub fn sole_top(text: &str) -> Option<String> {
    let scan = Scan::new(text);
    let is_used = |module: &Unit| {
        let others = scan.units.iter().filter(|unit| unit.name != module.name);
        others
            .flat_map(|unit| uses(&scan, unit.first_token..unit.end_token))
            .any(|name| name == module.name)
    };
    let mut tops = scan.units.iter().filter(|unit| unit.is_module && !is_used(unit));
    let top = tops.next()?;
    tops.next().is_none().then(|| top.name.clone())
}
