//! Declarations: variables, nets, parameters, types, ports, and the functions and tasks that have ports too.

use std::ops::Range;

use super::bits::Constant;
use super::draft::{Direction, Draft, ItemId, Meaning, Place, SymbolId};
use crate::verilog::syntax::Rule;

/// An element of a list in which each may begin with a head (`input [3:0]`) or take over the last one.
pub(super) struct Declared {
    pub symbol: SymbolId,
    pub name: String,
    pub direction: Direction,
}

impl Draft<'_> {
    /// Elements with heads between two tokens: the ports of an ANSI header, of a function, parameters.
    pub fn headed_list(&mut self, place: Place, tokens: Range<usize>) -> Vec<Declared> {
        let (ranges, commas) = self.split(tokens);
        let mut declared: Vec<Declared> = Vec::new();
        let mut elements = Vec::new();
        let mut head: Option<ItemId> = None;
        let mut head_tokens = 0..0;
        for range in ranges {
            let value = self.find(range.clone(), "=").unwrap_or(range.end);
            let name = self.last_name(range.start..value);
            let Some(name) = name.filter(|_| self.word(range.start) != ".") else {
                // `.p(x)`, or nothing between two commas.
                let item = self.item(head.or(Some(place.item)), range.clone());
                if !range.is_empty() {
                    self.opaque(item, "a port that is an expression");
                }
                elements.push(item);
                continue;
            };
            if name > range.start {
                let previous = head;
                let item = self.item(Some(place.item), range.start..name);
                self.reads(place, item, range.start..name);
                let has_direction = matches!(
                    self.word(range.start),
                    "input" | "output" | "inout" | "ref" | "const" | "parameter" | "localparam"
                );
                if let Some(previous) = previous.filter(|_| !has_direction) {
                    self.needs(item, previous);
                }
                head = Some(item);
                head_tokens = range.start..name;
            }
            let item = self.item(head.or(Some(place.item)), name..range.end);
            self.reads(place, item, name + 1..range.end);
            let text = self.name(name);
            let symbol = self.declare(place.scope, text, item);
            let last = declared.last().map_or(Direction::Input, |last| last.direction);
            let direction = self.direction(range.start..name).unwrap_or(last);
            if name + 1 == value && value < range.end {
                let value = value + 1..range.end;
                let constant = Constant { head: head_tokens.clone(), value };
                self.symbols[symbol].constant = Some(constant);
            }
            declared.push(Declared { symbol, name: text.to_owned(), direction });
            elements.push(item);
        }
        self.list(None, elements, commas);
        declared
    }

    fn direction(&self, tokens: Range<usize>) -> Option<Direction> {
        tokens.into_iter().find_map(|token| match self.word(token) {
            "input" => Some(Direction::Input),
            "output" => Some(Direction::Output),
            "inout" | "ref" => Some(Direction::Both),
            _ => None,
        })
    }

    /// A declaration with a list of names: the head is one item, each element another.
    ///
    /// Returns what is declared; the direction is that of the head, for ports.
    pub fn declaration(&mut self, node: usize, place: Place) -> Vec<Declared> {
        let tokens = self.with_semicolon(node);
        let head = self.item(Some(place.item), tokens.clone());
        let children = &self.node(node).children;
        // The members of a structure are lists too; they stand before the names.
        let list = children.iter().copied().rfind(|&child| self.rule(child) == Rule::List);
        for &child in children {
            if self.rule(child) != Rule::EnumName {
                continue;
            }
            let name = self.name(self.node(child).tokens.start);
            self.declare_constant(place, name, head);
        }
        let Some(list) = list.map(|list| self.node(list).tokens.clone()) else {
            // `let f(x) = …;`, `nettype t n;`
            if let Some(name) = self.last_name(tokens.start..tokens.start + 2) {
                self.declare(place.scope, self.name(name), head);
            }
            self.reads(place, head, tokens.start + 2..tokens.end);
            return Vec::new();
        };
        self.reads(place, head, tokens.start..list.start);
        self.reads(place, head, list.end..tokens.end);
        let direction = self.direction(tokens.start..list.start);
        let is_constant = matches!(self.word(tokens.start), "parameter" | "localparam" | "genvar");
        let list_start = list.start;
        let (ranges, commas) = self.split(list);
        let mut declared = Vec::new();
        let mut elements = Vec::new();
        for range in ranges {
            let item = self.item(Some(head), range.clone());
            self.reads(place, item, range.start + 1..range.end);
            let name = self.name(range.start).to_owned();
            let symbol = self.declare(place.scope, &name, item);
            let direction = direction.unwrap_or(Direction::Input);
            self.symbols[symbol].is_constant = is_constant;
            if is_constant && self.word(range.start + 1) == "=" {
                let (head, value) = (tokens.start..list_start, range.start + 2..range.end);
                self.symbols[symbol].constant = Some(Constant { head, value });
            }
            declared.push(Declared { symbol, name, direction });
            elements.push(item);
        }
        self.list(Some(head), elements, commas);
        declared
    }

    fn declare_constant(&mut self, place: Place, name: &str, item: ItemId) {
        let symbol = self.declare(place.scope, name, item);
        self.symbols[symbol].is_constant = true;
    }

    /// A node's tokens, with a `;` behind that the grammar counts to what stands around it.
    pub fn with_semicolon(&self, node: usize) -> Range<usize> {
        let Range { start, end } = self.node(node).tokens;
        let ends = end > start && self.word(end - 1) != ";" && self.word(end) == ";";
        start..end + usize::from(ends)
    }

    pub fn typedef(&mut self, node: usize, place: Place) {
        let tokens = self.node(node).tokens.clone();
        let item = self.item(Some(place.item), tokens.clone());
        for &child in &self.node(node).children {
            if self.rule(child) == Rule::EnumName {
                let name = self.name(self.node(child).tokens.start);
                self.declare_constant(place, name, item);
            }
        }
        if let Some(name) = self.last_name(tokens.clone()) {
            self.declare_constant(place, self.name(name), item);
            self.reads(place, item, tokens.start..name);
            self.reads(place, item, name + 1..tokens.end);
        }
    }

    pub fn import(&mut self, node: usize, place: Place) {
        let tokens = self.with_semicolon(node);
        let item = self.item(Some(place.item), tokens.clone());
        for token in tokens {
            if self.word(token + 1) != "::" {
                continue;
            }
            let package = self.name(token).to_owned();
            let name = self.name(token + 2);
            let scope = &mut self.scopes[place.scope];
            match name {
                "*" => scope.wildcards.push((package, item)),
                name => drop(scope.imports.insert(name.to_owned(), (package, item))),
            }
        }
    }

    /// A function or a task. All formal arguments are part of its frame.
    pub fn subroutine(&mut self, node: usize, place: Place) {
        let tokens = self.node(node).tokens.clone();
        let item = self.item(Some(place.item), tokens.clone());
        let children = &self.node(node).children;
        let Some(name) =
            children.iter().copied().find(|&child| self.rule(child) == Rule::SubroutineName)
        else {
            return self.opaque(item, "a subroutine without a name");
        };
        let name = self.node(name).tokens.start;
        self.reads(place, item, tokens.start..name);
        let text = self.name(name);
        let symbol = self.declare(place.scope, text, item);
        let scope = self.scope(place.scope);
        self.scopes[scope].subroutine = Some(symbol);
        let inside = Place { item, scope, process: None, in_loop: None, ..place };
        let mut formals = Vec::new();
        for &child in children {
            match self.rule(child) {
                Rule::FormalPorts => {
                    formals.extend(self.headed_list(inside, self.node(child).tokens.clone()));
                }
                Rule::FormalDeclaration => formals.extend(self.declaration(child, inside)),
                Rule::Slot => self.statement(child, inside),
                Rule::SubroutineName => {}
                _ => self.visit(child, inside),
            }
        }
        for formal in &formals {
            let declared = self.symbols[formal.symbol].declared;
            self.graph.add_edge(self.items[item].node, declared, ());
        }
        let formals = formals.iter().map(|formal| (formal.symbol, formal.direction)).collect();
        self.symbols[symbol].meaning = Meaning::Subroutine { formals };
    }
}
