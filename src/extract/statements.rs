//! Processes and their statements: which head stands around what, and who writes what.
//!
//! What decides whether a statement runs is an item above it, so that its conditions come with it. An arm of
//! a `case` also needs the labels before it, which take cases away from it. Statements that change the way
//! of others (`break`, `return`, `disable`, a wait in the middle) are needed by the loop, subroutine, block
//! or process in which they stand.

use std::ops::Range;

use super::draft::{Alias, Draft, How, ItemId, Meaning, Place, Process, Slot};
use crate::verilog::syntax::Rule;

impl Draft<'_> {
    /// `always`, `initial` and their kin.
    pub fn process(&mut self, node: usize, place: Place) {
        let item = self.item(Some(place.item), self.node(node).tokens.clone());
        self.processes.push(Process { item });
        let process = Some(self.processes.len() - 1);
        let inside = Place { item, process, starts_process: true, in_loop: None, ..place };
        for &child in &self.node(node).children {
            self.slot(item, child);
            self.statement(child, inside);
        }
    }

    /// Remembers that the grammar asks for a statement where `node` stands.
    pub fn slot(&mut self, head: ItemId, node: usize) {
        let tokens = self.node(node).tokens.clone();
        self.slots.push(Slot { head, tokens });
    }

    /// A statement, an empty one included.
    pub fn statement(&mut self, node: usize, place: Place) {
        if let Some(&child) = self.node(node).children.first() {
            // A label belongs to its statement.
            self.labelled(child, self.node(node).tokens.clone(), place);
        }
    }

    fn labelled(&mut self, node: usize, tokens: Range<usize>, place: Place) {
        let starts = place.starts_process;
        let place = Place { starts_process: false, ..place };
        match self.rule(node) {
            Rule::If => self.conditional(node, tokens, place),
            Rule::Case => self.case(node, tokens, place),
            Rule::Block => self.block(node, tokens, place),
            Rule::Timed | Rule::Wait => self.timed(node, tokens, place, starts),
            Rule::For | Rule::Foreach => self.counted_loop(node, tokens, place),
            Rule::While | Rule::Forever | Rule::DoWhile => {
                self.other_loop(node, tokens, place);
            }
            Rule::Assertion => drop(self.item(None, tokens)),
            Rule::RandomCase => {
                let word = self.word(self.node(node).tokens.start);
                self.global.get_or_insert(format!("a statement `{word}`"));
            }
            _ => self.simple(node, tokens, place),
        }
    }

    fn simple(&mut self, node: usize, tokens: Range<usize>, place: Place) {
        let item = self.item(Some(place.item), tokens.clone());
        self.statements.push(item);
        match self.rule(node) {
            Rule::Assign | Rule::ProcedureAssign => {
                let target = self.node(node).children.iter().copied();
                let target = target
                    .into_iter()
                    .find(|&child| self.rule(child) == Rule::Lvalue)
                    .map(|child| self.node(child).tokens.clone());
                let Some(target) = target else {
                    return self.opaque(item, "an assignment of an object");
                };
                if !matches!(self.word(target.end), "=" | "<=" | ";") {
                    self.reads(place, item, target.clone());
                }
                self.reads(place, item, target.end..tokens.end);
                self.uses(place, item, target, How::Write);
            }
            Rule::IncDec => {
                self.reads(place, item, tokens.clone());
                self.uses(place, item, tokens, How::Write);
            }
            Rule::Call => self.call(item, tokens, place),
            Rule::Trigger => self.uses(place, item, tokens, How::Write),
            Rule::Disable => self.uses(place, item, tokens, How::Disable),
            Rule::Return => {
                let subroutine = self.scopes[place.scope].subroutine;
                if let Some(symbol) = subroutine {
                    self.drives(item, symbol);
                    let function = self.symbols[symbol].item;
                    if let Some(function) = function {
                        self.needs(function, item);
                    }
                }
                self.reads(place, item, tokens);
            }
            Rule::Jump => {
                if let Some(around) = place.in_loop {
                    self.needs(around, item);
                }
            }
            _ => self.opaque(item, format!("a statement `{}`", self.word(tokens.start))),
        }
    }

    fn call(&mut self, item: ItemId, tokens: Range<usize>, place: Place) {
        const WRITERS: [&str; 8] = [
            "$readmemh",
            "$readmemb",
            "$sscanf",
            "$fscanf",
            "$fread",
            "$sformat",
            "$swrite",
            "$value$plusargs",
        ];
        if WRITERS.contains(&self.word(tokens.start)) {
            self.uses(place, item, tokens.clone(), How::Write);
        }
        self.reads(place, item, tokens);
    }

    fn conditional(&mut self, node: usize, tokens: Range<usize>, place: Place) {
        let mut head = self.item(Some(place.item), tokens.clone());
        let children = &self.node(node).children;
        // The end of the branch before, if an `else` follows.
        let mut last = None;
        for (index, &child) in children.iter().enumerate() {
            let range = self.node(child).tokens.clone();
            if let Some(after) = last {
                let next = children
                    .get(index + 1)
                    .map_or(tokens.end, |&next| self.node(next).tokens.start);
                let is_condition = self.rule(child) == Rule::Condition;
                let end = if is_condition { next } else { range.start };
                head = self.item(Some(head), after..end);
            }
            match self.rule(child) {
                Rule::Condition => {
                    self.reads(place, head, range);
                    last = None;
                }
                _ => {
                    self.slot(head, child);
                    self.statement(child, Place { item: head, ..place });
                    last = Some(range.end);
                }
            }
        }
    }

    fn case(&mut self, node: usize, tokens: Range<usize>, place: Place) {
        let item = self.item(Some(place.item), tokens.clone());
        let children = self.node(node).children.iter().copied();
        let arms: Vec<usize> = children.filter(|&child| self.rule(child) == Rule::Arm).collect();
        let start = arms.first().map_or(tokens.end, |&arm| self.node(arm).tokens.start);
        self.reads(place, item, tokens.start..start);
        let inside = Place { item, ..place };
        self.arms(&arms, inside, |draft, slot, place| draft.statement(slot, place));
    }

    /// The arms of a case; each needs the labels before it, and `default` those of all others.
    pub fn arms(&mut self, arms: &[usize], place: Place, visit: impl Fn(&mut Self, usize, Place)) {
        let is_default =
            |draft: &Self, arm: usize| draft.word(draft.node(arm).tokens.start) == "default";
        let ordered = arms.iter().filter(|&&arm| !is_default(self, arm));
        let default = arms.iter().filter(|&&arm| is_default(self, arm));
        let ordered: Vec<usize> = ordered.chain(default).copied().collect();
        let mut before = None;
        for arm in ordered {
            let tokens = self.node(arm).tokens.clone();
            let item = self.item(Some(place.item), tokens.clone());
            if let Some(before) = before {
                self.needs(item, before);
            }
            before = Some(item);
            let slot = self.node(arm).children.iter().copied();
            let slot = slot
                .into_iter()
                .find(|&child| matches!(self.rule(child), Rule::Slot | Rule::GenerateSlot));
            let Some(slot) = slot else { continue };
            self.reads(place, item, tokens.start..self.node(slot).tokens.start);
            self.slot(item, slot);
            visit(self, slot, Place { item, ..place });
        }
    }

    fn block(&mut self, node: usize, tokens: Range<usize>, place: Place) {
        let item = self.item(Some(place.item), tokens.clone());
        let scope = self.scope(place.scope);
        let start = self.node(node).tokens.start;
        let label = if self.word(start + 1) == ":" {
            Some(start + 2)
        } else {
            (tokens.start < start).then_some(tokens.start)
        };
        if let Some(label) = label {
            let symbol = self.declare(place.scope, self.name(label), item);
            self.symbols[symbol].meaning = Meaning::Block(scope);
        }
        let inside = Place { item, scope, ..place };
        for &child in &self.node(node).children {
            match self.rule(child) {
                Rule::Slot => self.statement(child, inside),
                _ => self.visit(child, inside),
            }
        }
    }

    /// `@(…)`, `#…` and `wait (…)` with the statement behind.
    fn timed(&mut self, node: usize, tokens: Range<usize>, place: Place, starts: bool) {
        let item = self.item(Some(place.item), tokens.clone());
        let children = self.node(node).children.iter().copied();
        let slot = children.into_iter().find(|&child| self.rule(child) == Rule::Slot);
        let end = slot.map_or(tokens.end, |slot| self.node(slot).tokens.start);
        if starts && self.word(tokens.start) == "@" {
            self.sensitivity(item, tokens.start + 1..end, place);
        } else {
            // It holds up all that comes after it.
            if !starts {
                self.needs(place.process.map_or(place.item, |p| self.processes[p].item), item);
            }
            self.reads(place, item, tokens.start..end);
        }
        if let Some(slot) = slot {
            self.slot(item, slot);
            self.statement(slot, Place { item, ..place });
        }
    }

    /// The events that start a process: edges are read; a level that the process reads anyway is not a
    /// dependency of its own.
    fn sensitivity(&mut self, item: ItemId, tokens: Range<usize>, place: Place) {
        let is_parenthesised = self.word(tokens.start) == "(";
        let inner = if is_parenthesised { tokens.start + 1..tokens.end - 1 } else { tokens };
        let mut start = inner.start;
        for token in inner.clone().chain([inner.end]) {
            if token < inner.end && !matches!(self.word(token), "or" | ",") {
                continue;
            }
            let event = start..token;
            let is_edge = event
                .clone()
                .any(|token| matches!(self.word(token), "posedge" | "negedge" | "edge" | "iff"));
            self.uses(place, item, event, if is_edge { How::Read } else { How::Level });
            start = token + 1;
        }
    }

    fn counted_loop(&mut self, node: usize, tokens: Range<usize>, place: Place) {
        let item = self.item(Some(place.item), tokens.clone());
        let scope = self.scope(place.scope);
        let inside = Place { item, scope, in_loop: Some(item), ..place };
        let start = self.node(node).tokens.start + 1;
        let close = self.closing(start, tokens.end);
        if self.rule(node) == Rule::Foreach {
            let open = self.find(start + 1..close, "[").unwrap_or(close);
            for token in open..close {
                if self.is_name(token) {
                    let symbol = self.declare(scope, self.name(token), item);
                    self.drives(item, symbol);
                }
            }
            self.reads(place, item, start + 1..open);
        } else {
            self.loop_head(item, start + 1..close, inside, place);
        }
        for &child in &self.node(node).children {
            if self.rule(child) == Rule::Slot {
                self.slot(item, child);
                self.statement(child, inside);
            }
        }
    }

    /// `i = 0; i < 8; i = i + 1`. A variable that the head sets is the loop's own, so that two loops over
    /// one `integer i` have nothing to do with each other.
    pub fn loop_head(&mut self, item: ItemId, tokens: Range<usize>, inside: Place, around: Place) {
        let first = self.find(tokens.clone(), ";").unwrap_or(tokens.end);
        let second = self.find(first + 1..tokens.end, ";").unwrap_or(tokens.end);
        let (inits, _) = self.split(tokens.start..first);
        let mut is_declaration = false;
        for init in inits {
            let Some(equals) = self.find(init.clone(), "=") else { continue };
            let Some(name) = self.last_name(init.start..equals) else { continue };
            is_declaration |= name > init.start;
            let text = self.name(name).to_owned();
            if name + 1 < equals {
                self.uses(around, item, init.start..equals, How::Write);
            } else {
                let symbol = self.symbol(inside.scope, &text, None);
                self.drives(item, symbol);
                // It is set before it is read: no process waits for it.
                self.symbols[symbol].is_constant = true;
                if is_declaration {
                    let declared = self.symbols[symbol].declared;
                    self.graph.add_edge(declared, self.items[item].node, ());
                } else {
                    self.aliases.push(Alias { symbol, name: text, scope: around.scope });
                }
                self.reads(around, item, init.start..name);
            }
            self.reads(around, item, equals + 1..init.end);
        }
        self.reads(inside, item, first..second);
        if second < tokens.end {
            let (steps, _) = self.split(second + 1..tokens.end);
            for step in steps {
                let end = self.find(step.clone(), "=").unwrap_or(step.end);
                self.uses(inside, item, step.start..end, How::Write);
                self.reads(inside, item, step);
            }
        }
    }

    fn other_loop(&mut self, node: usize, tokens: Range<usize>, place: Place) {
        let item = self.item(Some(place.item), tokens.clone());
        let inside = Place { item, in_loop: Some(item), ..place };
        let children = self.node(node).children.iter().copied();
        let Some(slot) = children.into_iter().find(|&child| self.rule(child) == Rule::Slot) else {
            return;
        };
        let body = self.node(slot).tokens.clone();
        self.reads(place, item, tokens.start..body.start);
        self.reads(place, item, body.end..tokens.end);
        self.slot(item, slot);
        self.statement(slot, inside);
    }
}
