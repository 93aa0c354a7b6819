//! The text for a two-state simulator: printing removed, and every X that an operator makes as a literal.
//!
//! In: the walked netlist and the text. Out: the edited text, on the same lines. Edits are collected from
//! the elaborated design by source range, so a module that is instantiated with several parameters gives
//! each of its edits several times: where these differ, or the ranges that they guard do, the text cannot
//! hold both and stays as it was. Left alone as well are macros, left sides, and constants.
//!
//! The same engine writes the text in which some processes run in another order: they read a copy of a
//! signal that takes its value only after them.

use std::collections::BTreeMap;
use std::ops::Range;

use sv_lang::kinds::{ExpressionKind, StatementKind};
use sv_lang::{BinaryOp, Expression, SemNode, Statement, Symbol};

use super::elaborate::Main;
use super::expression::{self, constant, is_constant, is_name, strip};
use super::netlist::Netlist;
use super::races::Stale;
use super::refuse::PRINTING;
use super::unknown::{self, Loops};

/// A part of the text that takes the place of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// What stands at this range, edited itself.
    Source(Range<usize>),
}

impl Piece {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Piece::Text(text.into())
    }
}

/// A range and what takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    pub(super) pieces: Vec<Piece>,
}

/// The edited text may be this much longer than the original; else only printing is removed.
const MAX_GROWTH: usize = 1 << 20;

/// The text for a two-state simulator, in which the given processes read what was before.
pub(super) fn rewrite(netlist: &Netlist<'_>, main: &Main<'_>, stale: &[Stale]) -> String {
    let mut collector =
        Collector { main, edits: BTreeMap::new(), shapes: BTreeMap::new(), loops: Vec::new() };
    for &(_, node) in &netlist.code {
        collector.node(node);
    }
    for process in stale.iter().take(REORDERED_MAX) {
        collector.reorder(netlist, process, stale);
    }
    let edits: Vec<Edit> = collector.edits.into_values().flatten().collect();
    let whole = 0..main.text.len();
    let edited = Renderer { text: main.text, edits: &edits, room: MAX_GROWTH.into() }
        .render(whole.clone(), 0);
    edited.unwrap_or_else(|| {
        let is_guard = |edit: &Edit| edit.pieces.contains(&Piece::Source(edit.range.clone()));
        let printing: Vec<Edit> = edits
            .into_iter()
            .filter(|edit| !is_guard(edit) && edit.pieces[0] != Piece::text("{"))
            .collect();
        let renderer = Renderer { text: main.text, edits: &printing, room: MAX_GROWTH.into() };
        renderer.render(whole, 0).unwrap_or_else(|| main.text.to_owned())
    })
}

/// A text with some edits, none of which lies across another.
pub(super) fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| (edit.range.start, std::cmp::Reverse(edit.range.end)));
    let renderer = Renderer { text, edits: &edits, room: MAX_GROWTH.into() };
    renderer.render(0..text.len(), 0).unwrap_or_else(|| text.to_owned())
}

struct Renderer<'t> {
    text: &'t str,
    /// Outer before inner, in order of the text.
    edits: &'t [Edit],
    /// Bytes that may still be added.
    room: std::cell::Cell<usize>,
}

impl Renderer<'_> {
    /// The text of a range with the edits from `first` on that lie in it; `None` if it grows too long.
    fn render(&self, range: Range<usize>, first: usize) -> Option<String> {
        let mut out = String::new();
        let mut at = range.start;
        let start =
            first + self.edits[first..].partition_point(|edit| edit.range.start < range.start);
        for (offset, edit) in self.edits[start..].iter().enumerate() {
            if edit.range.start >= range.end {
                break;
            }
            if edit.range.start < at || edit.range.end > range.end {
                continue;
            }
            out.push_str(&self.text[at..edit.range.start]);
            for piece in &edit.pieces {
                match piece {
                    Piece::Text(text) => out.push_str(text),
                    Piece::Source(inner) => {
                        out.push_str(&self.render(inner.clone(), start + offset + 1)?)
                    }
                }
            }
            at = edit.range.end;
        }
        out.push_str(&self.text[at..range.end]);
        let grown = out.len().saturating_sub(range.len());
        self.room.set(self.room.get().checked_sub(grown)?);
        Some(out)
    }
}

struct Collector<'m, 'd> {
    main: &'m Main<'m>,
    /// By start, then by descending end; `None` where instances differ.
    edits: BTreeMap<Key, Option<Edit>>,
    /// The ranges of indices at each select, in the first instance that has it.
    shapes: BTreeMap<Key, unknown::Shape>,
    loops: Loops<'d>,
}

type Key = (usize, std::cmp::Reverse<usize>);

fn key(range: &Range<usize>) -> Key {
    (range.start, std::cmp::Reverse(range.end))
}

/// Processes that are put in another order at most; real modules have a few.
const REORDERED_MAX: usize = 64;

/// What begins the names of the copies that processes read in another order.
const OLD: &str = "salv_old_";

impl<'d> Collector<'_, 'd> {
    fn add(&mut self, edit: Edit) {
        let key = key(&edit.range);
        match self.edits.get(&key) {
            Some(Some(known)) if *known == edit => {}
            Some(_) => _ = self.edits.insert(key, None),
            None => _ = self.edits.insert(key, Some(edit)),
        }
    }

    /// Lets a process read copies of some signals that change only after everything that the same event
    /// runs: as if the process had run before the signals' own drivers.
    fn reorder(&mut self, netlist: &Netlist<'d>, stale: &Stale, all: &[Stale]) {
        let process = &netlist.processes[stale.process];
        let Some(body) = self.main.range(process.whole.source_range()) else { return };
        // Every instance has this text, so it must be right for each of them.
        let here = |other: usize| {
            self.main.range(netlist.processes[other].whole.source_range()).as_ref() == Some(&body)
        };
        let instances = (0..netlist.processes.len()).filter(|&other| here(other)).count();
        if all.iter().filter(|other| here(other.process)).count() != instances {
            return;
        }
        let head = self.main.text[..body.start].trim_end();
        let Some(before) = head.strip_suffix("always").map(str::trim_end) else { return };
        // A process that is the one item of a generate block has no room for a declaration beside it.
        let alone = [")", "else", ":"].iter().any(|end| before.ends_with(end));
        if alone || self.main.text.contains(OLD) {
            return;
        }
        let mut copies = String::new();
        for &signal in &stale.signals {
            let symbol = netlist.signals[signal].symbol;
            let Some(range) = symbol.value_type().and_then(unknown::vector_range) else { continue };
            let name = symbol.name();
            let copy = format!("{OLD}{}_{name}", body.start);
            let edits = expression::Walk::new(process.body.as_sem_node())
                .filter_map(|node| node.as_expression())
                .filter(|&at| netlist.named(at) == Some(signal))
                .map(|at| self.main.range(at.source_range()));
            let plain = |range: Option<Range<usize>>| {
                range.filter(|range| self.main.text[range.clone()] == *name)
            };
            let Some(places) = edits.map(plain).collect::<Option<Vec<_>>>() else {
                continue;
            };
            for range in places {
                self.add(Edit { range, pieces: vec![Piece::text(copy.as_str())] });
            }
            copies += &format!("reg {range}{copy}; always @({name}) {copy} <= {name}; ");
        }
        if !copies.is_empty() {
            let range = head.len() - "always".len()..body.end;
            self.add(Edit {
                range: range.clone(),
                pieces: vec![Piece::text(copies), Piece::Source(range)],
            });
        }
    }

    fn node(&mut self, node: SemNode<'d>) {
        if let Some(statement) = node.as_statement() {
            self.statement(statement);
        } else if let Some(expression) = node.as_expression() {
            self.expression(expression);
        }
    }

    fn statement(&mut self, statement: Statement<'d>) {
        if let Some(call) =
            statement.expr().filter(|_| statement.kind() == StatementKind::ExpressionStatement)
            && call.kind() == ExpressionKind::Call
            && call.call_subroutine_name().is_some_and(|name| PRINTING.contains(&name.as_str()))
        {
            return self.remove(statement);
        }
        let outer = self.loops.len();
        if statement.kind() == StatementKind::ForLoop {
            self.loops.extend(loop_bounds(statement));
        }
        for child in statement.children() {
            self.node(child);
        }
        self.loops.truncate(outer);
    }

    /// Leaves a null statement, and the lines, in the place of a call.
    fn remove(&mut self, statement: Statement<'d>) {
        let Some(range) = self.main.range(statement.source_range()) else {
            return;
        };
        let text = &self.main.text[range.clone()];
        let lines = "\n".repeat(text.matches('\n').count());
        let end = if text.ends_with(';') { ";" } else { "" };
        if !end.is_empty() {
            self.add(Edit { range, pieces: vec![Piece::text(format!("{end}{lines}"))] });
        }
    }

    fn expression(&mut self, at: Expression<'d>) {
        if is_constant(at) {
            return;
        }
        match at.kind() {
            ExpressionKind::Assignment => {
                let Some(right) = at.right() else { return };
                if at.is_compound_assignment() == Some(true) {
                    if let Some(edit) = unknown::compound_division(at, &self.loops, self.main) {
                        self.add(edit);
                    }
                    right
                        .operands()
                        .into_iter()
                        .skip(1)
                        .for_each(|operand| self.expression(operand));
                } else {
                    self.expression(right);
                }
            }
            ExpressionKind::BinaryOp => {
                if let Some(edit) = unknown::division(at, &self.loops, self.main) {
                    self.add(edit);
                }
                at.operands().into_iter().for_each(|operand| self.expression(operand));
            }
            ExpressionKind::ElementSelect | ExpressionKind::RangeSelect => self.select(at),
            // `v[i]++` writes what it reads: a left side.
            ExpressionKind::UnaryOp if at.unary_op().is_some_and(super::statement::changes) => {}
            ExpressionKind::Call if at.is_system_call() == Some(true) => {
                // The others ask for a type and evaluate nothing.
                let evaluates = [
                    "$signed",
                    "$unsigned",
                    "$countones",
                    "$onehot",
                    "$onehot0",
                    "$clog2",
                    "$isunknown",
                ];
                if at.call_subroutine_name().is_some_and(|name| evaluates.contains(&name.as_str()))
                {
                    at.operands().into_iter().for_each(|operand| self.expression(operand));
                }
            }
            _ => at.operands().into_iter().for_each(|operand| self.expression(operand)),
        }
    }

    fn select(&mut self, at: Expression<'d>) {
        if let Some(edit) = unknown::select(at, &self.loops, self.main) {
            self.add(edit);
        }
        if let Some(range) = self.main.range(at.source_range()) {
            // An instance with other ranges may need no guard, and would be hurt by this one.
            let shape = unknown::shape(at);
            let first = self.shapes.entry(key(&range)).or_insert_with(|| shape.clone());
            if *first != shape {
                self.edits.insert(key(&range), None);
            }
        }
        // The chain is guarded as one; what its indices are made of is not.
        let mut step = at;
        loop {
            let next = match step.kind() {
                ExpressionKind::ElementSelect => {
                    step.selector().into_iter().for_each(|index| self.expression(index));
                    step.select_value()
                }
                ExpressionKind::RangeSelect => {
                    step.range_left().into_iter().for_each(|index| self.expression(index));
                    step.select_value()
                }
                ExpressionKind::MemberAccess => step.operands().into_iter().next(),
                _ => return self.expression(step),
            };
            match next {
                Some(next) => step = next,
                None => return,
            }
        }
    }
}

/// The variable of a `for` with constant bounds, and the values that its body sees.
fn loop_bounds<'d>(statement: Statement<'d>) -> Option<(Symbol<'d>, i128, i128)> {
    let (variable, start) = match statement.for_loop_vars().first() {
        Some(&variable) => (variable, variable.initializer()?),
        None => {
            let first = statement.for_loop_initializers().into_iter().next()?;
            (first.left().filter(|&left| is_name(left))?.referenced_symbol()?, first.right()?)
        }
    };
    let condition = statement.condition()?;
    let (left, right) = (strip(condition.left()?), condition.right()?);
    if !is_name(left) || left.referenced_symbol() != Some(variable) {
        return None;
    }
    let value = |at: Expression<'d>| constant(at)?.as_i64().map(i128::from);
    let (start, stop) = (value(start)?, value(right)?);
    match condition.binary_op()? {
        BinaryOp::LessThan if start < stop => Some((variable, start, stop - 1)),
        BinaryOp::LessThanEqual if start <= stop => Some((variable, start, stop)),
        BinaryOp::GreaterThan if start > stop => Some((variable, stop + 1, start)),
        BinaryOp::GreaterThanEqual if start >= stop => Some((variable, stop, start)),
        _ => None,
    }
}
