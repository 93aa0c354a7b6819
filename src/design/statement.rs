//! What a process writes: each assignment with the signals that decide its value, and the signals that are
//! assigned on every path through the process.

use sv_lang::kinds::{ExpressionKind, StatementKind};
use sv_lang::{Expression, SemNode, Statement};

use super::expression;
use super::netlist::{Netlist, SignalId, sort};

/// One assignment in a process.
#[derive(Clone)]
pub(super) struct Write<'d> {
    pub(super) targets: Vec<SignalId>,
    /// The right side; `None` for `x++` and for arguments that a task writes.
    pub(super) value: Option<Expression<'d>>,
    /// Whether the one target is assigned as a whole.
    pub(super) whole: bool,
    /// The bits of it that are assigned, where a constant selects them from its name.
    pub(super) bits: Option<std::ops::Range<u64>>,
    pub(super) blocking: bool,
    /// What the value, the indices and the enclosing conditions read.
    pub(super) reads: Vec<SignalId>,
}

/// The assignments of a process, in order of the text.
pub(super) fn writes<'d>(netlist: &mut Netlist<'d>, process: usize) -> Vec<Write<'d>> {
    let body = netlist.processes[process].body;
    let mut collector = Collector { netlist, conditions: Vec::new(), writes: Vec::new() };
    collector.node(body.as_sem_node());
    collector.writes
}

struct Collector<'n, 'd> {
    netlist: &'n mut Netlist<'d>,
    conditions: Vec<SignalId>,
    writes: Vec<Write<'d>>,
}

impl<'d> Collector<'_, 'd> {
    fn node(&mut self, node: SemNode<'d>) {
        if let Some(statement) = node.as_statement() {
            self.statement(statement);
        } else if let Some(expression) = node.as_expression() {
            self.expression(expression);
        }
    }

    fn statement(&mut self, statement: Statement<'d>) {
        let outer = self.conditions.len();
        let mut conditions: Vec<Expression<'d>> = Vec::new();
        match statement.kind() {
            StatementKind::Conditional => {
                conditions.extend(statement.conditions().iter().map(|condition| condition.expr()));
            }
            StatementKind::Case => {
                conditions.extend(statement.expr());
                conditions
                    .extend(statement.case_items().iter().flat_map(|item| item.expressions()));
            }
            StatementKind::ForLoop | StatementKind::WhileLoop | StatementKind::RepeatLoop => {
                conditions.extend(statement.condition());
                for start in statement.for_loop_initializers() {
                    let variables = start.left().map(|left| self.netlist.targets(left));
                    self.netlist.loop_variables.extend(variables.unwrap_or_default());
                }
            }
            _ => {}
        }
        for condition in conditions {
            let reads = self.netlist.reads(condition);
            self.conditions.extend(reads);
        }
        for child in statement.children() {
            self.node(child);
        }
        self.conditions.truncate(outer);
    }

    fn expression(&mut self, expression: Expression<'d>) {
        let inside =
            expression::Walk::new(expression.as_sem_node()).filter_map(|node| node.as_expression());
        for expression in inside {
            match expression.kind() {
                ExpressionKind::Assignment => self.assignment(expression),
                ExpressionKind::UnaryOp if expression.unary_op().is_some_and(changes) => {
                    if let Some(operand) = expression.operand() {
                        self.push(operand, None, true);
                    }
                }
                _ => {}
            }
        }
    }

    fn assignment(&mut self, assignment: Expression<'d>) {
        let Some(left) = assignment.left() else {
            return;
        };
        self.push(left, assignment.right(), assignment.is_nonblocking() != Some(true));
    }

    fn push(&mut self, left: Expression<'d>, value: Option<Expression<'d>>, blocking: bool) {
        let targets = self.netlist.targets(left);
        let mut reads = self.conditions.clone();
        if let Some(value) = value {
            reads.extend(self.netlist.reads(value));
        }
        let whole = expression::is_name(left);
        if !whole {
            // The roots are read as well only if an index reads them.
            let mut indices = self.netlist.reads(left);
            indices.retain(|id| !targets.contains(id));
            reads.extend(indices);
        }
        sort(&mut reads);
        let is_part = left.select_value().is_some_and(expression::is_name);
        let low = if is_part { expression::lowest_bit(left) } else { None };
        let bits = low.map(|low| low..low + expression::width(left));
        self.writes.push(Write { targets, value, whole, bits, blocking, reads });
    }
}

/// Whether the operator changes its operand.
pub(super) fn changes(operator: sv_lang::UnaryOp) -> bool {
    use sv_lang::UnaryOp::{Postdecrement, Postincrement, Predecrement, Preincrement};
    matches!(operator, Postdecrement | Postincrement | Predecrement | Preincrement)
}

/// The signals that every path through a statement assigns as a whole or in part, sorted.
pub(super) fn always_written<'d>(
    netlist: &mut Netlist<'d>,
    statement: Statement<'d>,
) -> Vec<SignalId> {
    let mut found = match statement.kind() {
        StatementKind::Conditional => match statement.else_branch() {
            Some(otherwise) => {
                let then = statement
                    .then_branch()
                    .map(|then| always_written(netlist, then))
                    .unwrap_or_default();
                let otherwise = always_written(netlist, otherwise);
                then.into_iter().filter(|id| otherwise.contains(id)).collect()
            }
            None => Vec::new(),
        },
        StatementKind::Case => always_written_by_case(netlist, statement),
        // A loop is taken to run at least once.
        StatementKind::ExpressionStatement => match statement.expr() {
            Some(assignment) if assignment.kind() == ExpressionKind::Assignment => {
                assignment.left().map(|left| netlist.targets(left)).unwrap_or_default()
            }
            _ => Vec::new(),
        },
        _ => statement
            .statements()
            .into_iter()
            .flat_map(|inner| always_written(netlist, inner))
            .collect(),
    };
    sort(&mut found);
    found
}

fn always_written_by_case<'d>(
    netlist: &mut Netlist<'d>,
    statement: Statement<'d>,
) -> Vec<SignalId> {
    let items = statement.case_items();
    let mut branches: Vec<Statement<'d>> = items.iter().map(|item| item.stmt()).collect();
    match statement.default_case() {
        Some(default) => branches.push(default),
        None => {
            let width = statement.expr().map_or(64, expression::width);
            let mut values: Vec<_> = items
                .iter()
                .flat_map(|item| item.expressions())
                .filter_map(|item| expression::constant(item)?.as_u64())
                .collect();
            values.sort_unstable();
            values.dedup();
            if width > 16 || values.len() < 1 << width {
                return Vec::new();
            }
        }
    }
    let mut common: Option<Vec<SignalId>> = None;
    for branch in branches {
        let written = always_written(netlist, branch);
        common = Some(match common {
            Some(common) => common.into_iter().filter(|id| written.contains(id)).collect(),
            None => written,
        });
    }
    common.unwrap_or_default()
}
