//! Mutants of statements: branches, assignments, and the values in them.

use std::ops::Range;

use sv_lang::kinds::{ExpressionKind, StatementKind};
use sv_lang::{Expression, Statement};

use super::super::expression::{Walk, constant};
use super::super::netlist::{SignalId, sort};
use super::super::statement::changes;
use super::{Class, Replacement, Sites};

impl<'d> Sites<'_, 'd> {
    /// A continuous assignment.
    pub(super) fn continuous(&mut self, assignment: Expression<'d>) {
        if let Some(value) = assignment.right() {
            self.assigned(value);
        }
    }

    /// A statement and all in it. Its mutants reach what it writes.
    pub(super) fn statement(&mut self, at: Statement<'d>) {
        let outer = self.reached.clone();
        let written = self.written(at);
        if !written.is_empty() {
            self.reached = self.behind(&written);
        }
        match at.kind() {
            StatementKind::Conditional => self.branches(at),
            StatementKind::Case => self.case(at),
            StatementKind::ForLoop => self.for_loop(at),
            StatementKind::ExpressionStatement => {
                if let Some(assignment) = at.expr() {
                    self.assignment(at, assignment);
                }
            }
            StatementKind::Return => at.expr().into_iter().for_each(|value| self.assigned(value)),
            StatementKind::Timed | StatementKind::RepeatLoop | StatementKind::WhileLoop => {
                at.body().into_iter().for_each(|body| self.statement(body));
            }
            _ => at.statements().into_iter().for_each(|inner| self.statement(inner)),
        }
        self.reached = outer;
    }

    /// The signals that a statement writes.
    pub(super) fn written(&mut self, at: Statement<'d>) -> Vec<SignalId> {
        let mut lefts = Vec::new();
        for node in Walk::new(at.as_sem_node()) {
            if let Some(expression) = node.as_expression() {
                match expression.kind() {
                    ExpressionKind::Assignment => lefts.extend(expression.left()),
                    ExpressionKind::UnaryOp if expression.unary_op().is_some_and(changes) => {
                        lefts.extend(expression.operand());
                    }
                    _ => {}
                }
            }
        }
        let mut found: Vec<SignalId> =
            lefts.into_iter().flat_map(|left| self.view.netlist.targets(left)).collect();
        sort(&mut found);
        found
    }

    pub(super) fn statement_range(&self, at: Statement<'d>) -> Option<Range<usize>> {
        self.view.main.range(at.source_range())
    }

    fn branches(&mut self, at: Statement<'d>) {
        let resets = self.is_reset(at);
        let class = if resets { Class::ResetPolarity } else { Class::Negation };
        for condition in at.conditions() {
            self.condition(condition.expr(), class);
        }
        let (then, otherwise) = (at.then_branch(), at.else_branch());
        for (branch, what) in [(then, "branch of if left out"), (otherwise, "else left out")] {
            let class =
                if resets && what != "else left out" { Class::ResetValue } else { Class::Branch };
            if let Some(range) = branch.and_then(|branch| self.statement_range(branch)) {
                self.replace(class, what, range, ";");
            }
        }
        if let Some(then) = then {
            let plain = self.constants;
            if resets {
                self.constants = Class::ResetValue;
            }
            self.statement(then);
            self.constants = plain;
        }
        otherwise.into_iter().for_each(|branch| self.statement(branch));
    }

    fn case(&mut self, at: Statement<'d>) {
        if let Some(selector) = at.expr() {
            self.value(selector);
        }
        let items = at.case_items();
        let bodies: Vec<Option<Range<usize>>> =
            items.iter().map(|item| self.statement_range(item.stmt())).collect();
        for (item, body) in items.iter().zip(&bodies) {
            let label = item.expressions().first().and_then(|label| self.range(*label));
            if let (Some(label), Some(body)) = (label, body) {
                self.replace(Class::Branch, "case item left out", label.start..body.end, "");
            }
            if let Some(body) = body {
                self.replace(Class::Branch, "case item does nothing", body.clone(), ";");
            }
            for label in item.expressions() {
                self.value(label);
            }
        }
        for pair in bodies.windows(2) {
            if let [Some(one), Some(two)] = pair {
                let replacements = vec![
                    Replacement { range: one.clone(), text: self.text(two).to_owned() },
                    Replacement { range: two.clone(), text: self.text(one).to_owned() },
                ];
                self.add(Class::Branch, "case items changed over", replacements);
            }
        }
        if let Some(default) = at.default_case() {
            self.default(default);
        }
        items.iter().for_each(|item| self.statement(item.stmt()));
        at.default_case().into_iter().for_each(|default| self.statement(default));
    }

    fn default(&mut self, default: Statement<'d>) {
        let Some(body) = self.statement_range(default) else { return };
        let source = self.view.main.text;
        let before = self.tokens.partition_point(|token| token.span.end <= body.start);
        let word = self.tokens[..before].iter().rev().take(2);
        let word = word.clone().find(|token| &source[token.span.clone()] == "default");
        if let Some(start) = word.map(|token| token.span.start) {
            self.replace(Class::Branch, "default left out", start..body.end, "");
        }
    }

    fn for_loop(&mut self, at: Statement<'d>) {
        for start in at.for_loop_initializers() {
            start.right().into_iter().for_each(|value| self.value(value));
        }
        for variable in at.for_loop_vars() {
            variable.initializer().into_iter().for_each(|value| self.value(value));
        }
        at.condition().into_iter().for_each(|condition| self.value(condition));
        at.body().into_iter().for_each(|body| self.statement(body));
    }

    fn assignment(&mut self, at: Statement<'d>, assignment: Expression<'d>) {
        if assignment.kind() != ExpressionKind::Assignment {
            return;
        }
        if let Some(range) = self.statement_range(at) {
            let class = match self.constants {
                Class::Constant => Class::Assignment,
                other => other,
            };
            self.replace(class, "assignment left out", range, ";");
        }
        let (Some(left), Some(right)) = (assignment.left(), assignment.right()) else { return };
        let compound = assignment.is_compound_assignment() == Some(true);
        if let (Some(l), Some(r)) = (self.range(left), self.range(right))
            && !compound
            && self.constants != Class::InitialValue
            && let Some(operator) = self.operator(l.end..r.start)
        {
            let (what, other) = match self.text(&operator) {
                "=" => ("= -> <=", "<="),
                "<=" => ("<= -> =", "="),
                _ => ("", ""),
            };
            if !other.is_empty() {
                self.replace(Class::Blocking, what, operator, other);
            }
        }
        self.left(left);
        if compound {
            right.operands().into_iter().skip(1).for_each(|operand| self.value(operand));
        } else {
            self.assigned(right);
        }
    }

    /// The left side of a procedural assignment: its constant indices.
    fn left(&mut self, at: Expression<'d>) {
        match at.kind() {
            ExpressionKind::ElementSelect | ExpressionKind::RangeSelect => self.select(at, true),
            ExpressionKind::Concatenation => {
                let parts = at.operands();
                for pair in parts.windows(2) {
                    let (Some(one), Some(two)) = (self.range(pair[0]), self.range(pair[1])) else {
                        continue;
                    };
                    if !self.same_width(pair[0], pair[1]) {
                        continue;
                    }
                    let replacements = vec![
                        Replacement { range: one.clone(), text: self.text(&two).to_owned() },
                        Replacement { range: two.clone(), text: self.text(&one).to_owned() },
                    ];
                    self.add(Class::Operand, "neighbours in {} changed over", replacements);
                }
            }
            _ => {}
        }
    }

    /// Whether the first branch of an `if` in a clocked process is a reset: the condition tests one reset
    /// input, and all that is assigned are constants.
    fn is_reset(&mut self, at: Statement<'d>) -> bool {
        let Some(condition) = at.conditions().first().map(|condition| condition.expr()) else {
            return false;
        };
        let reads = self.view.netlist.reads(condition);
        let [only] = reads.as_slice() else { return false };
        if !self.resets.contains(only) {
            return false;
        }
        let Some(then) = at.then_branch() else { return false };
        let inside = Walk::new(then.as_sem_node()).filter_map(|node| node.as_expression());
        inside
            .filter(|at| at.kind() == ExpressionKind::Assignment)
            .all(|at| at.right().is_some_and(|value| constant(value).is_some()))
    }
}
