//! Mutants of values: operators, operands, literals, signals, indices and the arms of `?:`.

use std::ops::Range;

use sv_lang::Expression;
use sv_lang::kinds::{ExpressionKind, SymbolKind};

use super::super::expression::{constant, index_range, is_constant, is_name, strip, width};
use super::super::netlist::SignalId;
use super::{Class, Sites, literal};

/// Operators that may be mistaken for one another, in groups; one is replaced by its neighbours to the
/// right and, in a ring, the next but one.
const CONFUSED: &[&[&str]] = &[
    &["+", "-"],
    &["*", "+"],
    &["/", "*"],
    &["%", "/"],
    &["&", "|", "^"],
    &["~^", "^"],
    &["^~", "^"],
    &["==", "!="],
    &["===", "!=="],
    &["==?", "!=?"],
    &["<", "<=", ">="],
    &["<=", "<", ">"],
    &[">", ">=", "<="],
    &[">=", ">", "<"],
    &["&&", "||"],
    &["<<", ">>"],
    &["<<<", ">>>"],
    &[">>>", ">>"],
    &["**", "*"],
];

/// Reductions and inversions in front of an operand.
const REDUCTIONS: &[&str] = &["&", "|", "^", "~&", "~|", "~^"];

/// Operators whose operands do not mean the same when changed over.
const ORDERED: &[&str] =
    &["-", "/", "%", "<", "<=", ">", ">=", "<<", ">>", "<<<", ">>>", "**", "==?", "!=?"];

/// The operators that may stand in the place of one.
fn confused_with(operator: &str) -> Vec<&'static str> {
    let first = CONFUSED.iter().find(|group| group[0] == operator);
    let group = first.or_else(|| CONFUSED.iter().find(|group| group.contains(&operator)));
    group.into_iter().flat_map(|group| group.iter().copied()).filter(|&o| o != operator).collect()
}

impl<'d> Sites<'_, 'd> {
    /// The right side of an assignment: it may be stuck, and what it is made of may be wrong.
    pub(super) fn assigned(&mut self, value: Expression<'d>) {
        if let Some(range) = self.range(value) {
            for (what, text) in [("stuck at 0", "'0"), ("stuck at 1", "'1")] {
                let same = ["'0", "1'b0", "0"].contains(&self.text(&range)) && text == "'0"
                    || ["'1", "1'b1"].contains(&self.text(&range)) && text == "'1";
                if !same && self.constants == Class::Constant {
                    self.replace(Class::Stuck, what, range.clone(), text);
                }
            }
        }
        self.value(value);
    }

    /// A value that is read.
    pub(super) fn value(&mut self, at: Expression<'d>) {
        match at.kind() {
            ExpressionKind::Conversion => {
                if let Some(inner) = at.conversion_operand() {
                    self.value(inner);
                }
            }
            ExpressionKind::IntegerLiteral | ExpressionKind::UnbasedUnsizedIntegerLiteral => {
                self.literal(at)
            }
            ExpressionKind::NamedValue => self.name(at),
            ExpressionKind::BinaryOp => self.binary(at),
            ExpressionKind::UnaryOp => self.unary(at),
            ExpressionKind::ConditionalOp => self.conditional(at),
            ExpressionKind::ElementSelect | ExpressionKind::RangeSelect => {
                self.inverted(at);
                self.select(at, false);
            }
            ExpressionKind::Concatenation => {
                self.inverted(at);
                self.concatenation(at);
            }
            ExpressionKind::Replication => {
                // The count decides the width; only what is repeated may be wrong.
                at.operands().into_iter().skip(1).for_each(|operand| self.value(operand));
            }
            ExpressionKind::Assignment => {
                at.right().into_iter().for_each(|right| self.value(right));
            }
            ExpressionKind::Call | ExpressionKind::Inside | ExpressionKind::MinTypMax => {
                at.operands().into_iter().for_each(|operand| self.value(operand));
            }
            _ => {}
        }
    }

    /// A condition: inverted, beside all that a value may be.
    pub(super) fn condition(&mut self, at: Expression<'d>, class: Class) {
        if let Some(range) = self.range(at) {
            let text = format!("!({})", self.text(&range));
            self.replace(class, "condition inverted", range, text);
        }
        self.value(at);
    }

    fn literal(&mut self, at: Expression<'d>) {
        let (Some(range), Some(value)) = (self.range(at), constant(at)) else { return };
        for (what, text) in literal::others(self.text(&range), &value) {
            self.replace(self.constants, &what, range.clone(), text);
        }
    }

    fn inverted(&mut self, at: Expression<'d>) {
        if let Some(range) = self.range(at)
            && !is_constant(at)
        {
            let text = format!("(~({}))", self.text(&range));
            self.replace(Class::Negation, "value inverted", range, text);
        }
    }

    fn name(&mut self, at: Expression<'d>) {
        let (Some(range), Some(symbol)) = (self.range(at), at.referenced_symbol()) else { return };
        match symbol.kind() {
            SymbolKind::Parameter | SymbolKind::EnumValue => {
                let Some(scope) = symbol.parent() else { return };
                let others: Vec<&str> = scope
                    .members()
                    .filter(|other| other.kind() == symbol.kind())
                    .map(|other| other.name())
                    .collect();
                let own = others.iter().position(|&name| name == symbol.name()).unwrap_or(0);
                for step in [1, others.len().saturating_sub(1)] {
                    let other = others.get((own + step) % others.len().max(1));
                    if let Some(&other) = other.filter(|&&other| other != symbol.name()) {
                        self.replace(self.constants, "another parameter", range.clone(), other);
                    }
                }
            }
            SymbolKind::Net | SymbolKind::Variable => {
                self.inverted(at);
                for other in self.like(at) {
                    let name = self.view.netlist.signals[other].symbol.name();
                    self.replace(Class::Signal, "another signal", range.clone(), name);
                }
            }
            _ => {}
        }
    }

    /// Two signals of the same width and scope that could be read instead without closing a loop: inputs
    /// and registers.
    fn like(&self, at: Expression<'d>) -> Vec<SignalId> {
        let netlist = &self.view.netlist;
        let Some(own) = netlist.named(at) else { return Vec::new() };
        let symbol = netlist.signals[own].symbol;
        let is_stable = |id: SignalId| {
            let signal = &netlist.signals[id];
            let is_input = signal.port.is_some_and(|port| {
                self.view.ports[port].direction == super::super::Direction::Input
            });
            is_input
                || netlist.processes.iter().any(|process| {
                    let mut targets = process.writes.iter().flat_map(|write| &write.targets);
                    process.is_clocked() && targets.any(|&target| target == id)
                })
        };
        let alike: Vec<SignalId> = (0..netlist.signals.len())
            .filter(|&id| netlist.signals[id].bits == netlist.signals[own].bits)
            .filter(|&id| netlist.signals[id].symbol.parent() == symbol.parent())
            .filter(|&id| !netlist.loop_variables.contains(&id) && is_stable(id))
            .collect();
        let after = alike.iter().position(|&id| id > own).unwrap_or(0);
        let turned = alike[after..].iter().chain(&alike[..after]);
        turned.copied().filter(|&id| id != own).take(2).collect()
    }

    fn binary(&mut self, at: Expression<'d>) {
        let (Some(left), Some(right)) = (at.left(), at.right()) else { return };
        if let (Some(whole), Some(l), Some(r)) =
            (self.range(at), self.range(left), self.range(right))
            && let Some(operator) = self.operator(l.end..r.start)
        {
            let operator = self.text(&operator);
            let (l, r) = (self.text(&l), self.text(&r));
            for other in confused_with(operator) {
                let what = format!("{operator} -> {other}");
                self.replace(
                    Class::Operator,
                    &what,
                    whole.clone(),
                    format!("(({l}) {other} ({r}))"),
                );
            }
            if ORDERED.contains(&operator) {
                let what = format!("operands of {operator} changed over");
                let text = format!("(({r}) {operator} ({l}))");
                self.replace(Class::Operand, &what, whole.clone(), text);
            }
            let keeps_width = !matches!(operator, "==" | "!=" | "===" | "!==" | "==?" | "!=?");
            if keeps_width && !operator.starts_with(['<', '>']) {
                let what = format!("right operand of {operator} left out");
                self.replace(Class::Operand, &what, whole.clone(), format!("({l})"));
                let what = format!("left operand of {operator} left out");
                self.replace(Class::Operand, &what, whole, format!("({r})"));
            }
        }
        self.value(left);
        self.value(right);
    }

    /// The one token between two operands that is no parenthesis.
    pub(super) fn operator(&self, gap: Range<usize>) -> Option<Range<usize>> {
        let source = self.view.main.text;
        let mut found = self
            .tokens_in(gap)
            .iter()
            .filter(|token| !matches!(&source[token.span.clone()], "(" | ")"));
        let only = found.next()?;
        found.next().is_none().then(|| only.span.clone())
    }

    fn unary(&mut self, at: Expression<'d>) {
        let Some(operand) = at.operand() else { return };
        if let (Some(whole), Some(inner)) = (self.range(at), self.range(operand))
            && whole.start < inner.start
            && let Some(operator) = self.operator(whole.start..inner.start)
        {
            let (operator, inner) = (self.text(&operator), self.text(&inner));
            if matches!(operator, "~" | "!" | "-") {
                let what = format!("{operator} left out");
                self.replace(Class::Negation, &what, whole.clone(), format!("({inner})"));
            }
            if let Some(own) = REDUCTIONS.iter().position(|&one| one == operator) {
                for step in [1, 3] {
                    let other = REDUCTIONS[(own + step) % REDUCTIONS.len()];
                    let what = format!("reduction {operator} -> {other}");
                    let text = format!("({other}({inner}))");
                    self.replace(Class::Operator, &what, whole.clone(), text);
                }
            }
        }
        self.value(operand);
    }

    fn conditional(&mut self, at: Expression<'d>) {
        let arms = (at.true_value(), at.false_value());
        if let (Some(yes), Some(no)) = arms
            && let (Some(whole), Some(y), Some(n)) =
                (self.range(at), self.range(yes), self.range(no))
        {
            let (y, n) = (self.text(&y), self.text(&n));
            if let Some(test) = at.conditions().first().and_then(|test| self.range(test.expr())) {
                let text = format!("(({}) ? ({n}) : ({y}))", self.text(&test));
                self.replace(Class::Branch, "arms of ?: changed over", whole.clone(), text);
            }
            self.replace(
                Class::Branch,
                "second arm of ?: left out",
                whole.clone(),
                format!("({y})"),
            );
            self.replace(Class::Branch, "first arm of ?: left out", whole, format!("({n})"));
        }
        for condition in at.conditions() {
            self.value(condition.expr());
        }
        for arm in [arms.0, arms.1].into_iter().flatten() {
            self.value(arm);
        }
    }

    fn concatenation(&mut self, at: Expression<'d>) {
        let parts = at.operands();
        for pair in parts.windows(2) {
            let (Some(one), Some(two)) = (self.range(pair[0]), self.range(pair[1])) else {
                continue;
            };
            let (first, second) = (self.text(&one).to_owned(), self.text(&two).to_owned());
            let replacements = vec![
                super::Replacement { range: one, text: second },
                super::Replacement { range: two, text: first },
            ];
            self.add(Class::Operand, "neighbours in {} changed over", replacements);
        }
        parts.into_iter().for_each(|part| self.value(part));
    }

    /// An index or a part-select; on the left of an assignment the index must stay.
    pub(super) fn select(&mut self, at: Expression<'d>, on_left: bool) {
        let Some(base) = at.select_value() else { return };
        if at.kind() == ExpressionKind::ElementSelect {
            self.element(at, base, on_left);
        } else {
            self.part(at, base);
        }
        match base.kind() {
            ExpressionKind::ElementSelect | ExpressionKind::RangeSelect => {
                self.select(base, on_left)
            }
            ExpressionKind::NamedValue if !on_left && is_name(base) => {
                let Some(range) = self.range(base) else { return };
                for other in self.like(base) {
                    let name = self.view.netlist.signals[other].symbol.name();
                    self.replace(Class::Signal, "another signal", range.clone(), name);
                }
            }
            _ => {}
        }
    }

    fn element(&mut self, at: Expression<'d>, base: Expression<'d>, on_left: bool) {
        let Some(selector) = at.selector() else { return };
        let (Some(whole), Some(b), Some(s)) =
            (self.range(at), self.range(base), self.range(selector))
        else {
            return;
        };
        let bounds = base.expr_type().and_then(index_range);
        match constant(selector).and_then(|value| value.as_i64()) {
            Some(value) => {
                for (what, other) in [("index +1", value + 1), ("index -1", value - 1)] {
                    if bounds.is_some_and(|(low, high)| (low..=high).contains(&other)) {
                        self.replace(Class::Index, what, s.clone(), other.to_string());
                    }
                }
            }
            None => {
                let text = self.text(&s);
                for (what, other) in
                    [("index +1", format!("({text}) + 1")), ("index -1", format!("({text}) - 1"))]
                {
                    self.replace(Class::Index, what, s.clone(), other);
                }
                self.value(selector);
            }
        }
        if !on_left && base.expr_type().is_some_and(|ty| ty.is_integral()) {
            let text = self.text(&b);
            self.replace(Class::Index, "index left out", whole, text);
        }
    }

    fn part(&mut self, at: Expression<'d>, base: Expression<'d>) {
        let (Some(left), Some(right)) = (at.range_left(), at.range_right()) else { return };
        let (Some(l), Some(r)) = (self.range(left), self.range(right)) else { return };
        let value = |at: Expression<'d>| constant(at).and_then(|value| value.as_i64());
        let bounds = base.expr_type().and_then(index_range);
        let fits = |at: i64| bounds.is_some_and(|(low, high)| (low..=high).contains(&at));
        if at.range_selection_kind() == Some(0) {
            let (Some(from), Some(to)) = (value(left), value(right)) else { return };
            for (what, step) in [("part +1", 1), ("part -1", -1)] {
                if fits(from + step) && fits(to + step) {
                    let replacements = vec![
                        super::Replacement { range: l.clone(), text: (from + step).to_string() },
                        super::Replacement { range: r.clone(), text: (to + step).to_string() },
                    ];
                    self.add(Class::Index, what, replacements);
                }
            }
            if from != to {
                let shorter = if from > to { from - 1 } else { from + 1 };
                self.replace(Class::Index, "part one bit shorter", l, shorter.to_string());
            }
        } else {
            let text = self.text(&l);
            for (what, other) in
                [("part +1", format!("({text}) + 1")), ("part -1", format!("({text}) - 1"))]
            {
                self.replace(Class::Index, what, l.clone(), other);
            }
        }
    }

    /// Whether two expressions have the same width without conversions.
    pub(super) fn same_width(&self, one: Expression<'d>, two: Expression<'d>) -> bool {
        width(strip(one)) == width(strip(two))
    }
}
