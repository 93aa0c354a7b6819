//! Clocks and resets of one clocked process, from its events and its first `if`.
//!
//! In: a process. Out: which of its events are clocks, which inputs reset it asynchronously (an event that
//! the leading `if` tests) and which synchronously (an input that, at one level and before any other
//! condition, sets all registers of the process to constants independent of the present state).

use sv_lang::kinds::{ExpressionKind, StatementKind};
use sv_lang::{BinaryOp, Expression, Statement, UnaryOp};

use super::Level;
use super::expression::{self, constant, strip};
use super::netlist::{Event, Process, SignalId, sort};
use super::roles::{Tracer, opposite};

/// An input that resets, and the level at which it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reset {
    pub(super) port: usize,
    pub(super) active: Level,
}

#[derive(Default)]
pub(super) struct Found<'d> {
    pub(super) clocks: Vec<Event<'d>>,
    pub(super) asynchronous: Vec<Reset>,
    pub(super) synchronous: Vec<Reset>,
}

/// Sorts the events of a clocked process and finds its resets.
pub(super) fn of<'d>(process: &Process<'d>, tracer: &Tracer<'_, 'd>) -> Found<'d> {
    let mut found = Found::default();
    let edges: Vec<Event<'d>> = process
        .events
        .iter()
        .copied()
        .filter(|event| event.edge != sv_lang::EdgeKind::None)
        .collect();
    let mut statements = flatten(process.body);
    let mut tested = Vec::new();
    // Every `if` of the chain that tests an event, as long as one event is left to be the clock.
    while tested.len() + 1 < edges.len() {
        let Some(first) =
            statements.iter().position(|statement| statement.kind() == StatementKind::Conditional)
        else {
            break;
        };
        let conditional = statements[first];
        let Some((event, level)) = tested_event(conditional, &edges, &tested, tracer) else {
            break;
        };
        tested.push(event);
        if let Some(origin) = tracer.single(edges[event].expression) {
            let active = if origin.inverted { opposite(level) } else { level };
            found.asynchronous.push(Reset { port: origin.port, active });
        }
        statements = conditional.else_branch().map(flatten).unwrap_or_default();
    }
    let clocks = edges.iter().enumerate().filter(|(index, _)| !tested.contains(index));
    found.clocks = clocks.map(|(_, event)| *event).collect();
    found.synchronous = synchronous(process, &statements, tracer);
    found
}

/// The statements of a body, without the blocks around them.
fn flatten(body: Statement<'_>) -> Vec<Statement<'_>> {
    match body.kind() {
        StatementKind::Block | StatementKind::List => {
            body.statements().into_iter().flat_map(flatten).collect()
        }
        // `#1` before a statement counts for nothing.
        StatementKind::Timed => body.body().map(flatten).unwrap_or_default(),
        StatementKind::VariableDeclaration | StatementKind::Empty => Vec::new(),
        _ => vec![body],
    }
}

/// The event that an `if` tests, and the level at which its first branch is taken.
fn tested_event<'d>(
    conditional: Statement<'d>,
    edges: &[Event<'d>],
    tested: &[usize],
    tracer: &Tracer<'_, 'd>,
) -> Option<(usize, Level)> {
    let condition = conditional.conditions().first()?.expr();
    for (expression, level) in tests(condition) {
        let Some(signal) = tracer.signal(expression) else {
            continue;
        };
        let same = |event: &Event<'d>| tracer.signal(event.expression) == Some(signal);
        if let Some(index) = edges.iter().position(same).filter(|index| !tested.contains(index)) {
            return Some((index, level));
        }
    }
    None
}

/// The tests for one level that each make a condition true by themselves.
fn tests(condition: Expression<'_>) -> Vec<(Expression<'_>, Level)> {
    let condition = strip(condition);
    if let Some(BinaryOp::LogicalOr | BinaryOp::BinaryOr) = condition.binary_op() {
        return [condition.left(), condition.right()]
            .into_iter()
            .flatten()
            .flat_map(tests)
            .collect();
    }
    test(condition).into_iter().collect()
}

/// The expression that is tested for one level, and that level.
fn test(condition: Expression<'_>) -> Option<(Expression<'_>, Level)> {
    let condition = strip(condition);
    match (condition.kind(), condition.unary_op(), condition.binary_op()) {
        (ExpressionKind::NamedValue, ..) if expression::width(condition) == 1 => {
            Some((condition, Level::High))
        }
        (ExpressionKind::UnaryOp, Some(UnaryOp::LogicalNot | UnaryOp::BitwiseNot), _) => {
            let (tested, level) = test(condition.operand()?)?;
            Some((tested, opposite(level)))
        }
        (ExpressionKind::BinaryOp, _, Some(operator)) => {
            let equal = match operator {
                BinaryOp::Equality | BinaryOp::CaseEquality | BinaryOp::WildcardEquality => true,
                BinaryOp::Inequality | BinaryOp::CaseInequality | BinaryOp::WildcardInequality => {
                    false
                }
                _ => return None,
            };
            let (left, right) = (condition.left()?, condition.right()?);
            let (tested, value) = match (constant(left), constant(right)) {
                (None, Some(value)) => (left, value),
                (Some(value), None) => (right, value),
                _ => return None,
            };
            let (tested, level) = test(tested)?;
            let high = match value.as_u64()? {
                0 => !equal,
                1 => equal,
                _ => return None,
            };
            Some((tested, if high { level } else { opposite(level) }))
        }
        _ => None,
    }
}

fn synchronous<'d>(
    process: &Process<'d>,
    statements: &[Statement<'d>],
    tracer: &Tracer<'_, 'd>,
) -> Vec<Reset> {
    let mut registers: Vec<SignalId> = process
        .writes
        .iter()
        .flat_map(|write| write.targets.iter().copied())
        .filter(|&target| !tracer.is_loop_variable(target))
        .collect();
    sort(&mut registers);
    if registers.is_empty() {
        return Vec::new();
    }
    let inputs = |(expression, level): (Expression<'d>, Level)| {
        let origin = tracer.single(expression)?;
        Some(Reset {
            port: origin.port,
            active: if origin.inverted { opposite(level) } else { level },
        })
    };
    if let Some((condition, then, otherwise, rest)) = deciding_if(statements) {
        let mut before: Vec<SignalId> = Vec::new();
        let fixed_before =
            rest.iter().all(|&statement| sets_constants(statement, tracer, &mut before));
        let covers = |branch: Option<Statement<'d>>| {
            let Some(branch) = branch else { return false };
            let mut set = if fixed_before { before.clone() } else { Vec::new() };
            sets_constants(branch, tracer, &mut set)
                && registers.iter().all(|register| set.contains(register))
        };
        return match (covers(Some(then)), covers(otherwise)) {
            (true, false) => tests(condition).into_iter().filter_map(inputs).collect(),
            // The other branch resets when the whole condition is false.
            (false, true) => test(condition)
                .map(|(at, level)| (at, opposite(level)))
                .and_then(inputs)
                .into_iter()
                .collect(),
            _ => Vec::new(),
        };
    }
    by_operator(statements).and_then(inputs).into_iter().collect()
}

type Deciding<'s, 'd> = (Expression<'d>, Statement<'d>, Option<Statement<'d>>, &'s [Statement<'d>]);

/// The `if` that comes before any other condition: the first statement but for plain assignments, or the
/// last one, which overrides what comes before it.
fn deciding_if<'s, 'd>(statements: &'s [Statement<'d>]) -> Option<Deciding<'s, 'd>> {
    let is_if = |statement: &Statement<'d>| statement.kind() == StatementKind::Conditional;
    let first = statements.iter().position(is_if)?;
    let plain = statements[..first]
        .iter()
        .all(|statement| statement.kind() == StatementKind::ExpressionStatement);
    let last = statements.len() - 1;
    let at = if plain && first == last { first } else { last };
    let conditional = statements[at];
    if !is_if(&conditional) || (at != first && conditional.else_branch().is_some()) {
        return None;
    }
    let condition = conditional.conditions().first()?.expr();
    Some((condition, conditional.then_branch()?, conditional.else_branch(), &statements[..at]))
}

/// Whether a statement assigns constants only and without a condition; adds what it assigns to `set`.
fn sets_constants<'d>(
    statement: Statement<'d>,
    tracer: &Tracer<'_, 'd>,
    set: &mut Vec<SignalId>,
) -> bool {
    match statement.kind() {
        StatementKind::Block
        | StatementKind::List
        | StatementKind::Timed
        | StatementKind::ForLoop
        | StatementKind::RepeatLoop => {
            let body = statement.statements();
            body.into_iter().all(|inner| sets_constants(inner, tracer, set))
        }
        StatementKind::VariableDeclaration | StatementKind::Empty => true,
        StatementKind::ExpressionStatement => {
            let Some(assignment) = statement.expr() else {
                return true;
            };
            match assignment.kind() {
                ExpressionKind::Assignment => {
                    set.extend(assignment.left().into_iter().flat_map(|left| tracer.targets(left)));
                    assignment.right().is_some_and(expression::is_constant)
                }
                // Printing does not matter here.
                ExpressionKind::Call => assignment.is_system_call() == Some(true),
                _ => false,
            }
        }
        _ => false,
    }
}

/// `q <= rst ? 0 : d` in every statement.
fn by_operator<'d>(statements: &[Statement<'d>]) -> Option<(Expression<'d>, Level)> {
    let mut found: Option<(Expression<'d>, Level)> = None;
    for statement in statements {
        let assignment = statement
            .expr()
            .filter(|assignment| assignment.kind() == ExpressionKind::Assignment)?;
        let value = strip(assignment.right()?);
        if value.kind() != ExpressionKind::ConditionalOp {
            return None;
        }
        let condition = value.conditions().first()?.expr();
        let (tested, level) = test(condition)?;
        let fixed = |branch: Option<Expression<'d>>| branch.is_some_and(expression::is_constant);
        let level = match (fixed(value.true_value()), fixed(value.false_value())) {
            (true, false) => level,
            (false, true) => opposite(level),
            _ => return None,
        };
        let same = |(other, at): (Expression<'d>, Level)| {
            at == level && expression::root(other) == expression::root(tested)
        };
        if found.is_some_and(|found| !same(found)) {
            return None;
        }
        found = Some((tested, level));
    }
    found
}
