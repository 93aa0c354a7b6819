//! Mutants: every small change of a module that a designer or a model might have made by mistake.
//!
//! In: a text and its top module. Out: a list of [`Mutation`]s, each a few replaced ranges of the text with
//! its class, its place and the outputs that it can reach. The sites come from the elaborated design, so
//! text in comments, in untaken generate branches and in modules that the top does not reach gives none, an
//! operator is taken with its operands (`a & b` becomes `((a) | (b))`, whatever stands around it), and a
//! module with many instances is changed once, with the outputs of all of them. Whether a mutant still
//! elaborates, and whether it computes something else, is for the caller to ask: here it is only other text.
//!
//! It serves to measure the verification: of mutants that differ from the golden module nearly all must be
//! called wrong.

use std::collections::BTreeMap;
use std::ops::Range;

use sv_lang::Expression;
use sv_lang::kinds::SymbolKind;

use super::elaborate::{View, see};
use super::netlist::SignalId;
use super::{Direction, Place, Refusal, Role, place_of};
use crate::verilog::{Token, lex};

mod expression;
mod literal;
mod process;
mod reach;
mod statement;

/// What kind of mistake a mutant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Another operator: `+` for `-`, `<` for `<=`, `&` for `|`.
    Operator,
    /// Operands changed over, or one of them left out.
    Operand,
    /// Another literal, parameter or state.
    Constant,
    /// A value or a condition inverted, or its inversion left out.
    Negation,
    /// Another signal of the same width.
    Signal,
    /// Another index or part of a vector, or none.
    Index,
    /// A branch of `if`, `case` or `?:` left out, or two changed over.
    Branch,
    /// An assignment left out.
    Assignment,
    /// An assigned value stuck at all zeros or all ones.
    Stuck,
    /// The other edge.
    Edge,
    /// Another value after reset, or a register that is not reset.
    ResetValue,
    /// Reset at the other level.
    ResetPolarity,
    /// A synchronous reset made asynchronous, or the reverse.
    ResetKind,
    /// Blocking for nonblocking, or the reverse.
    Blocking,
    /// A latch for flip-flops.
    Latch,
    /// Another value at power-up.
    InitialValue,
    /// Two mistakes in one module.
    Two,
}

impl Class {
    /// All classes, in the order of tables.
    pub const ALL: [Class; 17] = [
        Class::Operator,
        Class::Operand,
        Class::Constant,
        Class::Negation,
        Class::Signal,
        Class::Index,
        Class::Branch,
        Class::Assignment,
        Class::Stuck,
        Class::Edge,
        Class::ResetValue,
        Class::ResetPolarity,
        Class::ResetKind,
        Class::Blocking,
        Class::Latch,
        Class::InitialValue,
        Class::Two,
    ];

    /// The name, as in tables and lists.
    pub fn name(self) -> &'static str {
        match self {
            Class::Operator => "operator",
            Class::Operand => "operand",
            Class::Constant => "constant",
            Class::Negation => "negation",
            Class::Signal => "signal",
            Class::Index => "index",
            Class::Branch => "branch",
            Class::Assignment => "assignment",
            Class::Stuck => "stuck",
            Class::Edge => "edge",
            Class::ResetValue => "reset value",
            Class::ResetPolarity => "reset polarity",
            Class::ResetKind => "reset kind",
            Class::Blocking => "blocking",
            Class::Latch => "latch",
            Class::InitialValue => "initial value",
            Class::Two => "two at once",
        }
    }
}

/// A range of the text and what takes its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replacement {
    /// Bytes of [`Mutations::source`].
    pub range: Range<usize>,
    /// The new text.
    pub text: String,
}

/// One mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// The kind of mistake.
    pub class: Class,
    /// The kinds of the single mistakes it is made of.
    pub parts: Vec<Class>,
    /// What was done, in a few words and without names of the design.
    pub what: String,
    /// Where, in [`Mutations::source`].
    pub place: Place,
    /// The change, in order of the text.
    pub replacements: Vec<Replacement>,
    /// The outputs in whose fan-in it lies, in order of ports.
    pub outputs: Vec<String>,
}

impl Mutation {
    /// Both mistakes in one mutant, if they are in different places; it reaches what either reaches.
    pub fn and(&self, other: &Mutation) -> Option<Mutation> {
        let mut replacements = [self.replacements.as_slice(), &other.replacements].concat();
        replacements.sort_by_key(|one| one.range.start);
        let mut pairs = replacements.windows(2);
        if !pairs.all(|pair| pair[0].range.end <= pair[1].range.start) {
            return None;
        }
        let mut outputs = self.outputs.clone();
        outputs.extend(other.outputs.iter().filter(|name| !self.outputs.contains(name)).cloned());
        Some(Mutation {
            class: Class::Two,
            parts: [self.parts.as_slice(), &other.parts].concat(),
            what: format!("{}; {}", self.what, other.what),
            place: self.place,
            replacements,
            outputs,
        })
    }
}

/// All mutants of one module.
#[derive(Clone, Debug)]
pub struct Mutations {
    /// The text that the ranges are of: the given one without what the top module does not reach.
    pub source: String,
    /// Name of the top module.
    pub top: String,
    /// The outputs, in order of ports.
    pub outputs: Vec<String>,
    /// In order of the text.
    pub mutations: Vec<Mutation>,
}

impl Mutations {
    /// The text of a mutant.
    pub fn apply(&self, mutation: &Mutation) -> String {
        let mut out = String::with_capacity(self.source.len() + 64);
        let mut at = 0;
        for Replacement { range, text } in &mutation.replacements {
            out.push_str(&self.source[at..range.start]);
            out.push_str(text);
            at = range.end;
        }
        out.push_str(&self.source[at..]);
        out
    }
}

/// Lists the mutants of `top` in `source`; without a name, of the one module that no other instantiates.
pub fn mutations(source: &str, top: Option<&str>) -> Result<Mutations, Refusal> {
    see(source, top, |view| {
        let outputs: Vec<String> = view
            .ports
            .iter()
            .filter(|port| port.direction == Direction::Output)
            .map(|port| port.name.clone())
            .collect();
        let (text, top) = (view.main.text.to_owned(), view.top.clone());
        let mut sites = Sites::new(view);
        sites.all();
        let mutations = sites.finish(&outputs);
        Mutations { source: text, top, outputs, mutations }
    })
}

/// Start, end and new text of a replacement.
type Key = (usize, usize, String);

/// The walk over the design that collects mutants.
struct Sites<'v, 'd> {
    view: View<'v, 'd>,
    tokens: Vec<Token>,
    /// For each signal the outputs that it reaches, as indices.
    reach: Vec<Vec<usize>>,
    outputs: usize,
    /// The outputs behind what is being walked.
    reached: Vec<usize>,
    /// Signals that are reset inputs of the top module.
    resets: Vec<SignalId>,
    /// The class of constants here, where they are no plain ones.
    constants: Class,
    /// By what is replaced where, in order of the text.
    found: BTreeMap<Vec<Key>, (Class, String, Vec<usize>)>,
}

impl<'v, 'd> Sites<'v, 'd> {
    fn new(view: View<'v, 'd>) -> Self {
        let tokens = lex(view.main.text).filter(|token| !token.kind.is_trivia()).collect();
        let (reach, outputs) = reach::outputs_of_signals(&view.netlist, &view.ports);
        let roles = view.roles();
        let is_reset = |&id: &SignalId| {
            let role = view.netlist.signals[id].port.map(|port| roles[port]);
            matches!(role, Some(Role::AsyncReset { .. } | Role::SyncReset { .. }))
        };
        let resets = (0..view.netlist.signals.len()).filter(is_reset).collect();
        Sites {
            view,
            tokens,
            resets,
            reach,
            outputs,
            reached: Vec::new(),
            constants: Class::Constant,
            found: BTreeMap::new(),
        }
    }

    /// Walks all code of the design.
    fn all(&mut self) {
        for (symbol, node) in self.view.netlist.code.clone() {
            let assignment = node.as_expression();
            match (symbol.kind(), assignment) {
                (SymbolKind::ContinuousAssign, Some(assignment)) => {
                    self.reached = self.behind_assignment(assignment);
                    self.continuous(assignment);
                }
                (SymbolKind::Variable | SymbolKind::Net, Some(value)) => {
                    let target = self.view.netlist.intern(symbol);
                    self.reached = self.behind(&[target]);
                    let is_net = symbol.kind() == SymbolKind::Net;
                    self.constants = if is_net { Class::Constant } else { Class::InitialValue };
                    self.value(value);
                    self.constants = Class::Constant;
                }
                (SymbolKind::Instance, Some(actual)) => {
                    self.reached = reach::behind_connection(self, symbol, actual);
                    self.connection(actual);
                }
                (SymbolKind::PrimitiveInstance, Some(actual)) => {
                    self.reached = reach::behind_gate(self, symbol);
                    self.connection(actual);
                }
                _ => {}
            }
            if let (Some(body), SymbolKind::Subroutine) = (node.as_statement(), symbol.kind()) {
                self.reached = (0..self.outputs).collect();
                self.statement(body);
            }
        }
        for index in 0..self.view.netlist.processes.len() {
            self.process(index);
        }
    }

    /// The input side of a connection; what an instance drives is no value.
    fn connection(&mut self, actual: Expression<'d>) {
        if actual.kind() != sv_lang::kinds::ExpressionKind::Assignment {
            self.value(actual);
        }
    }

    /// The outputs that signals reach.
    fn behind(&self, signals: &[SignalId]) -> Vec<usize> {
        let mut found: Vec<usize> = signals
            .iter()
            .filter_map(|&signal| self.reach.get(signal))
            .flat_map(|outputs| outputs.iter().copied())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn behind_assignment(&mut self, assignment: Expression<'d>) -> Vec<usize> {
        let targets =
            assignment.left().map(|left| self.view.netlist.targets(left)).unwrap_or_default();
        self.behind(&targets)
    }

    /// The text of a range of the source.
    fn text(&self, range: &Range<usize>) -> &'v str {
        &self.view.main.text[range.clone()]
    }

    /// The range of an expression, unless a macro wrote it.
    fn range(&self, expression: Expression<'d>) -> Option<Range<usize>> {
        self.view.main.range(expression.source_range())
    }

    /// The tokens that lie in a range.
    fn tokens_in(&self, range: Range<usize>) -> &[Token] {
        let first = self.tokens.partition_point(|token| token.span.start < range.start);
        let end = self.tokens.partition_point(|token| token.span.end <= range.end);
        &self.tokens[first..end.max(first)]
    }

    /// Adds a mutant of one replaced range.
    fn replace(&mut self, class: Class, what: &str, range: Range<usize>, text: impl Into<String>) {
        self.add(class, what, vec![Replacement { range, text: text.into() }]);
    }

    /// Adds a mutant, or outputs to the one of the same text.
    fn add(&mut self, class: Class, what: &str, mut replacements: Vec<Replacement>) {
        replacements.sort_by_key(|one| one.range.start);
        let apart = replacements.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start);
        let differs = replacements.iter().any(|one| self.text(&one.range) != one.text);
        if !apart || !differs || self.reached.is_empty() {
            return;
        }
        let key = replacements.into_iter().map(|one| (one.range.start, one.range.end, one.text));
        let entry =
            self.found.entry(key.collect()).or_insert_with(|| (class, what.to_owned(), Vec::new()));
        entry.2.extend(&self.reached);
    }

    fn finish(self, names: &[String]) -> Vec<Mutation> {
        let mut mutations = Vec::new();
        for (key, (class, what, mut reached)) in self.found {
            reached.sort_unstable();
            reached.dedup();
            let replacements: Vec<Replacement> = key
                .into_iter()
                .map(|(start, end, text)| Replacement { range: start..end, text })
                .collect();
            mutations.push(Mutation {
                class,
                parts: vec![class],
                what,
                place: place_of(self.view.main.text, replacements[0].range.start),
                replacements,
                outputs: reached.iter().map(|&index| names[index].clone()).collect(),
            });
        }
        mutations
    }
}
