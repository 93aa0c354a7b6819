//! Statements: branches become masks, loops become blocks that lanes leave.
//!
//! `break`, `continue`, `return` and `disable` are all exits of a labelled block. A `case` whose items are constants is a
//! [`Switch`], any other one a chain of comparisons. Delays count as zero; what waits for an event inside of a procedure
//! is not lowered. What only prints does nothing.

use sv_lang::kinds::{ExpressionKind, StatementKind, TimingControlKind};
use sv_lang::{BinaryOp, CaseStatementCondition, Expression, Statement as Source, Symbol};

use super::super::program::{
    Constant, Label, OpKind, PowerUp, Slot, Statement, Switch, Target, Wildcards,
};
use super::expression::{is_signed, type_of};
use super::{Lowered, Lowering, Storage, Unsupported, is_automatic, width_of};

/// An item of a `case`: what matches, and what it runs.
struct Item<'d> {
    matches: Vec<Expression<'d>>,
    body: Source<'d>,
}

/// What a loop does in each turn.
struct Turn<'t, 'd> {
    /// Its condition, one bit, if it has one.
    test: &'t dyn Fn(&mut Lowering<'d>) -> Lowered<Option<Slot>>,
    body: Option<Source<'d>>,
    step: &'t dyn Fn(&mut Lowering<'d>) -> Lowered<()>,
}

impl<'d> Lowering<'d> {
    pub(super) fn statement(&mut self, statement: Source<'d>) -> Lowered<()> {
        self.enter()?;
        let made = self.statement_inside(statement);
        self.leave();
        made
    }

    fn statement_inside(&mut self, statement: Source<'d>) -> Lowered<()> {
        match statement.kind() {
            StatementKind::Empty | StatementKind::VariableDeclaration => Ok(()),
            StatementKind::List => self.all(statement),
            StatementKind::Block => self.begin_end(statement),
            StatementKind::ExpressionStatement => match statement.expr() {
                Some(expression) if expression.kind() == ExpressionKind::Call => {
                    self.call_statement(expression)
                }
                Some(expression) => self.value_or_nothing(expression),
                None => Ok(()),
            },
            StatementKind::Conditional => self.conditional_statement(statement),
            StatementKind::Case => self.case(statement),
            StatementKind::ForLoop => self.for_loop(statement),
            StatementKind::RepeatLoop => self.repeat_loop(statement),
            StatementKind::ForeachLoop => self.foreach_loop(statement),
            StatementKind::WhileLoop => self.while_loop(statement, true),
            StatementKind::DoWhileLoop => self.while_loop(statement, false),
            StatementKind::ForeverLoop => self.while_loop(statement, true),
            StatementKind::Return => self.return_statement(statement),
            StatementKind::Break => self.exit_loop(true),
            StatementKind::Continue => self.exit_loop(false),
            StatementKind::Disable => self.disable(statement),
            StatementKind::Timed => self.timed(statement),
            // Printing is removed before anything is simulated, and these do nothing else.
            StatementKind::ImmediateAssertion | StatementKind::ConcurrentAssertion => {
                Err(Unsupported::new("an assertion"))
            }
            kind => Err(Unsupported::new(format!("a statement of kind {kind:?}"))),
        }
    }

    /// An expression for its effect.
    fn value_or_nothing(&mut self, expression: Expression<'d>) -> Lowered<()> {
        self.value_of_statement(expression).map(|_| ())
    }

    fn value_of_statement(&mut self, expression: Expression<'d>) -> Lowered<Slot> {
        match expression.kind() {
            ExpressionKind::Assignment => self.assignment(expression),
            _ => self.value(expression),
        }
    }

    fn all(&mut self, statement: Source<'d>) -> Lowered<()> {
        statement.statements().into_iter().try_for_each(|inner| self.statement(inner))
    }

    fn begin_end(&mut self, statement: Source<'d>) -> Lowered<()> {
        if statement.block_kind() != Some(sv_lang::StatementBlockKind::Sequential) {
            return Err(Unsupported::new("`fork`"));
        }
        let Some(symbol) = statement.block_symbol() else { return self.inner(statement) };
        for member in symbol.members() {
            if member.kind() == sv_lang::kinds::SymbolKind::Variable {
                self.local(member)?;
            }
        }
        let label = self.new_label();
        self.blocks.push((symbol, label));
        let made = self.labelled(label, |lowering| lowering.inner(statement));
        self.blocks.pop();
        made
    }

    fn inner(&mut self, statement: Source<'d>) -> Lowered<()> {
        match statement.body() {
            Some(body) => self.statement(body),
            None => self.all(statement),
        }
    }

    /// A variable of a block: made anew each time if it is automatic, once if it is static.
    pub(super) fn local(&mut self, variable: Symbol<'d>) -> Lowered<()> {
        if is_automatic(variable) {
            return self.begin_anew(variable);
        }
        let storage = self.storage(variable)?;
        match variable.initializer() {
            Some(value) => self.declare(&storage, value),
            None => Ok(()),
        }
    }

    /// Gives an automatic variable its first value.
    pub(super) fn begin_anew(&mut self, variable: Symbol<'d>) -> Lowered<()> {
        let storage = self.storage(variable)?;
        let Storage::Variable(slot) = storage else {
            return match (storage, variable.initializer()) {
                (Storage::Array { memory, .. }, None) => self.empty(memory),
                _ => Err(Unsupported::new("an automatic array with a value")),
            };
        };
        let width = self.build.width(slot);
        let value = match variable.initializer() {
            Some(value) => self.sized(value, width)?,
            None if self.build.power_up[slot as usize] == PowerUp::Zero => {
                self.build.number(width, 0)
            }
            None => self.build.unknown(width),
        };
        self.build.store(Target::Whole(slot), value, false);
        Ok(())
    }

    /// Runs `make` in a block that lanes can leave by the label, if anything does.
    pub(super) fn labelled(
        &mut self,
        label: Label,
        make: impl FnOnce(&mut Self) -> Lowered<()>,
    ) -> Lowered<()> {
        let (body, ()) = self.block(make)?;
        if self.exits[label as usize] {
            self.build.code.push(Statement::Block { label, body });
            self.build.path.end(label);
        } else {
            self.build.code.extend(body);
        }
        Ok(())
    }

    pub(super) fn exit(&mut self, label: Label) {
        self.exits[label as usize] = true;
        self.build.path.exit(label);
        self.build.code.push(Statement::Exit(label));
    }

    fn conditional_statement(&mut self, statement: Source<'d>) -> Lowered<()> {
        let conditions = statement.conditions();
        let mut condition: Option<Slot> = None;
        for part in &conditions {
            if part.pattern().is_some() {
                return Err(Unsupported::new("a pattern as a condition"));
            }
            condition = Some(match condition {
                None => self.truth(part.expr())?,
                Some(others) => self.shortened(BinaryOp::LogicalAnd, others, part.expr())?,
            });
        }
        let condition = condition.ok_or_else(|| Unsupported::new("an `if` without condition"))?;
        self.either(condition, |lowering, holds| {
            let branch = if holds { statement.then_branch() } else { statement.else_branch() };
            lowering.branch(branch)
        })
    }

    /// Both sides of a condition, which `side` writes, or the one that is taken where that is known.
    pub(super) fn either(
        &mut self,
        condition: Slot,
        mut side: impl FnMut(&mut Self, bool) -> Lowered<()>,
    ) -> Lowered<()> {
        if let Some(holds) = self.holds(condition) {
            return side(self, holds);
        }
        let before = self.build.path.part();
        let (then, ()) = self.block(|lowering| side(lowering, true))?;
        let after = self.build.path.go_to(before);
        let (otherwise, ()) = self.block(|lowering| side(lowering, false))?;
        self.build.path.meet(after);
        self.build.code.push(Statement::If { condition, then, otherwise });
        Ok(())
    }

    /// Arms of which each lane takes one.
    pub(super) fn arms<T>(
        &mut self,
        arms: impl IntoIterator<Item = T>,
        mut make: impl FnMut(&mut Self, T) -> Lowered<()>,
    ) -> Lowered<Vec<Vec<Statement>>> {
        let before = self.build.path.part();
        let mut after = None;
        let mut made = Vec::new();
        for arm in arms {
            self.build.path.go_to(before.clone());
            made.push(self.block(|lowering| make(lowering, arm))?.0);
            self.build.path.meet(after);
            after = self.build.path.part();
        }
        Ok(made)
    }

    fn branch(&mut self, branch: Option<Source<'d>>) -> Lowered<()> {
        branch.map_or(Ok(()), |branch| self.statement(branch))
    }

    fn case(&mut self, statement: Source<'d>) -> Lowered<()> {
        let (Some(selector), Some(condition)) = (statement.expr(), statement.case_condition())
        else {
            return Err(Unsupported::new("a `case` without selector"));
        };
        let items: Vec<Item<'d>> = statement
            .case_items()
            .iter()
            .map(|item| Item {
                matches: item.expressions().into_iter().collect(),
                body: item.stmt(),
            })
            .collect();
        let value = self.value(selector)?;
        if let Some(switch) = self.switch(selector, value, condition, &items, statement)? {
            self.build.code.push(Statement::Switch(Box::new(switch)));
            return Ok(());
        }
        self.case_chain(selector, value, condition, &items, statement.default_case())
    }

    /// The `case` as a [`Switch`], if all its items are constants that allow it.
    fn switch(
        &mut self,
        selector: Expression<'d>,
        value: Slot,
        condition: CaseStatementCondition,
        items: &[Item<'d>],
        statement: Source<'d>,
    ) -> Lowered<Option<Switch>> {
        let wildcards = match condition {
            CaseStatementCondition::Normal => Wildcards::None,
            CaseStatementCondition::WildcardJustZ => Wildcards::Z,
            CaseStatementCondition::WildcardXOrZ => Wildcards::Unknown,
            CaseStatementCondition::Inside => return Ok(None),
        };
        let width = self.build.width(value);
        if width > Switch::WIDTH_MAX || self.build.constant_of(value).is_some() {
            return Ok(None);
        }
        let mut found = Vec::new();
        for (arm, item) in (0..).zip(items) {
            for &expression in &item.matches {
                if expression.constant_value().is_none() {
                    return Ok(None);
                }
                let (code, slot) = self.block(|lowering| lowering.value(expression))?;
                if !code.is_empty() {
                    // A call that is not folded: it runs where its turn comes, and has not run yet.
                    self.build.path.forget();
                    return Ok(None);
                }
                let signed = is_signed(selector) && is_signed(expression);
                if self.build.width(slot) > width {
                    return Ok(None);
                }
                let slot = self.build.resize(slot, width, signed)?;
                let constant = self.build.constant_of(slot);
                match constant.and_then(|constant| matched(constant, wildcards, width)) {
                    Some((value, care)) => found.push((value, care, arm)),
                    None => return Ok(None),
                }
            }
        }
        let bodies = items.iter().map(|item| Some(item.body)).chain([statement.default_case()]);
        let arms = self.arms(bodies, |lowering, body| lowering.branch(body))?;
        let table = table(width, &found, items.len() as u32);
        Ok(Some(Switch { selector: value, wildcards, items: found, arms, table }))
    }

    fn case_chain(
        &mut self,
        selector: Expression<'d>,
        value: Slot,
        condition: CaseStatementCondition,
        items: &[Item<'d>],
        default: Option<Source<'d>>,
    ) -> Lowered<()> {
        let label = self.new_label();
        self.labelled(label, |lowering| {
            for item in items {
                let hit = lowering.matches(selector, value, condition, &item.matches)?;
                match lowering.build.number_of(hit, false) {
                    Some(0) => continue,
                    Some(_) => return lowering.statement(item.body),
                    None => {}
                }
                let before = lowering.build.path.part();
                let (then, ()) = lowering.block(|lowering| {
                    lowering.statement(item.body)?;
                    lowering.exit(label);
                    Ok(())
                })?;
                lowering.build.path.go_to(before);
                let otherwise = Vec::new();
                lowering.build.code.push(Statement::If { condition: hit, then, otherwise });
            }
            lowering.branch(default)
        })
    }

    /// One bit: whether a selector matches one of the expressions of an item.
    fn matches(
        &mut self,
        selector: Expression<'d>,
        value: Slot,
        condition: CaseStatementCondition,
        expressions: &[Expression<'d>],
    ) -> Lowered<Slot> {
        let mut any = self.build.number(1, 0);
        for &expression in expressions {
            let hit = if condition == CaseStatementCondition::Inside {
                self.is_inside(selector, value, expression)?
            } else {
                let signed = is_signed(selector) && is_signed(expression);
                let item = self.value(expression)?;
                let width = self.build.width(value).max(self.build.width(item));
                let a = self.build.resize(value, width, signed)?;
                let b = self.build.resize(item, width, signed)?;
                let kind = match condition {
                    CaseStatementCondition::Normal => OpKind::Same(a, b),
                    CaseStatementCondition::WildcardJustZ => {
                        OpKind::CaseMatches { a, b, unknown: false }
                    }
                    _ => OpKind::CaseMatches { a, b, unknown: true },
                };
                self.build.emit(1, kind)?
            };
            any = match self.build.number_of(any, false) {
                Some(0) => hit,
                _ => self.build.emit(1, OpKind::Or(any, hit))?,
            };
        }
        Ok(any)
    }

    /// `{ loop { test; continue: { body } step } } break:`, or turn by turn where it is known beforehand which turns there
    /// are.
    fn turns(&mut self, turn: Turn<'_, 'd>, tests_first: bool) -> Lowered<()> {
        self.repeated(|lowering| {
            let leave = lowering.new_label();
            lowering.labelled(leave, |lowering| {
                let (body, ()) = lowering.block(|lowering| {
                    if tests_first {
                        lowering.check(&turn, leave)?;
                        lowering.turn_of(&turn, leave)
                    } else {
                        lowering.turn_of(&turn, leave)?;
                        lowering.check(&turn, leave)
                    }
                })?;
                lowering.build.path.go_to(None);
                lowering.build.code.push(Statement::Loop { body });
                Ok(())
            })
        })
    }

    /// The body of a loop, and its step.
    fn turn_of(&mut self, turn: &Turn<'_, 'd>, leave: Label) -> Lowered<()> {
        let next = self.new_label();
        self.loops.push((leave, next));
        let made = self.labelled(next, |lowering| lowering.branch(turn.body));
        self.loops.pop();
        made?;
        (turn.step)(self)
    }

    fn check(&mut self, turn: &Turn<'_, 'd>, leave: Label) -> Lowered<()> {
        let Some(condition) = (turn.test)(self)? else { return Ok(()) };
        match self.holds(condition) {
            Some(true) => {}
            Some(false) => self.exit(leave),
            None => {
                let before = self.build.path.part();
                self.exits[leave as usize] = true;
                self.build.path.exit_some(leave, before);
                let (then, otherwise) = (Vec::new(), vec![Statement::Exit(leave)]);
                self.build.code.push(Statement::If { condition, then, otherwise });
            }
        }
        Ok(())
    }

    fn for_loop(&mut self, statement: Source<'d>) -> Lowered<()> {
        for start in statement.for_loop_initializers() {
            self.value_or_nothing(start)?;
        }
        let steps = statement.for_loop_steps();
        let test = statement.condition();
        let turn = Turn {
            test: &|lowering| test.map(|test| lowering.truth(test)).transpose(),
            body: statement.body(),
            step: &|lowering| steps.iter().try_for_each(|&step| lowering.value_or_nothing(step)),
        };
        self.turns(turn, true)
    }

    fn while_loop(&mut self, statement: Source<'d>, tests_first: bool) -> Lowered<()> {
        let test = statement.condition();
        let turn = Turn {
            test: &|lowering| test.map(|test| lowering.truth(test)).transpose(),
            body: statement.body(),
            step: &|_| Ok(()),
        };
        self.turns(turn, tests_first)
    }

    /// An unknown or negative count is none (IEEE 1800-2017, 12.7.2).
    fn repeat_loop(&mut self, statement: Source<'d>) -> Lowered<()> {
        let count = statement
            .expr()
            .or(statement.condition())
            .ok_or_else(|| Unsupported::new("a `repeat` without count"))?;
        let signed = is_signed(count);
        let value = self.value(count)?;
        let width = self.build.width(value).max(2) + 1;
        let value = self.build.resize(value, width, signed)?;
        let left = self.build.variable(width, PowerUp::Unknown);
        self.build.store(Target::Whole(left), value, false);
        let turn = Turn {
            test: &|lowering| {
                let zero = lowering.build.number(width, 0);
                let left = lowering.build.present(left);
                lowering.build.emit(1, OpKind::Less { a: zero, b: left, signed: true }).map(Some)
            },
            body: statement.body(),
            step: &|lowering| {
                let one = lowering.build.number(width, 1);
                let before = lowering.build.present(left);
                let less = lowering.build.emit(width, OpKind::Subtract(before, one))?;
                lowering.build.store(Target::Whole(left), less, false);
                Ok(())
            },
        };
        self.turns(turn, true)
    }

    fn foreach_loop(&mut self, statement: Source<'d>) -> Lowered<()> {
        let dimensions = statement.foreach_loop_dims();
        let [dimension] = dimensions.as_slice() else {
            return Err(Unsupported::new("a `foreach` over several dimensions"));
        };
        let (Some(variable), Some(range)) = (dimension.loop_var(), dimension.range()) else {
            return Err(Unsupported::new("a `foreach` without variable"));
        };
        let slot = self.slot_of(variable)?;
        let width = self.build.width(slot);
        let start = self.build.number(width, i64::from(range.left));
        self.build.store(Target::Whole(slot), start, false);
        let step = if range.left <= range.right { 1 } else { -1 };
        let end = i64::from(range.right) + step;
        let turn = Turn {
            test: &|lowering| {
                let end = lowering.build.number(width, end);
                let index = lowering.build.present(slot);
                let equal = lowering.build.emit(1, OpKind::Equal(index, end))?;
                lowering.build.not(equal).map(Some)
            },
            body: statement.body(),
            step: &|lowering| {
                let step = lowering.build.number(width, step);
                let before = lowering.build.present(slot);
                let next = lowering.build.emit(width, OpKind::Add(before, step))?;
                lowering.build.store(Target::Whole(slot), next, false);
                Ok(())
            },
        };
        self.turns(turn, true)
    }

    fn return_statement(&mut self, statement: Source<'d>) -> Lowered<()> {
        let Some(frame) = self.frames.last() else {
            return Err(Unsupported::new("a `return` outside of a function"));
        };
        let (subroutine, label) = (frame.subroutine, frame.returns);
        if let Some(value) = statement.expr() {
            let variable = subroutine
                .subroutine_return_val_var()
                .ok_or_else(|| Unsupported::new("a `return` of a value from a task"))?;
            let slot = self.slot_of(variable)?;
            let value = self.sized(value, self.build.width(slot))?;
            self.build.store(Target::Whole(slot), value, false);
        }
        self.exit(label);
        Ok(())
    }

    fn exit_loop(&mut self, leaves: bool) -> Lowered<()> {
        let &(leave, next) =
            self.loops.last().ok_or_else(|| Unsupported::new("a `break` outside of a loop"))?;
        self.exit(if leaves { leave } else { next });
        Ok(())
    }

    fn disable(&mut self, statement: Source<'d>) -> Lowered<()> {
        let target = statement
            .disable_target()
            .and_then(|target| target.referenced_symbol())
            .ok_or_else(|| Unsupported::new("a `disable` of nothing"))?;
        if let Some(frame) = self.frames.iter().rev().find(|frame| frame.subroutine == target) {
            let label = frame.returns;
            self.exit(label);
            return Ok(());
        }
        let block = self.blocks.iter().rev().find(|(symbol, _)| *symbol == target);
        let &(_, label) =
            block.ok_or_else(|| Unsupported::new("a `disable` of another process"))?;
        self.exit(label);
        Ok(())
    }

    /// Delays count as zero; an event inside of a procedure would split it.
    fn timed(&mut self, statement: Source<'d>) -> Lowered<()> {
        let is_delay = statement.timing_control().is_some_and(|timing| {
            matches!(timing.kind(), TimingControlKind::Delay | TimingControlKind::Delay3)
        });
        if !is_delay {
            return Err(Unsupported::new("an event inside of a procedure"));
        }
        self.branch(statement.body())
    }

    /// The value of an integral expression, as wide as its type.
    pub(super) fn typed(&mut self, expression: Expression<'d>) -> Lowered<Slot> {
        let width = width_of(type_of(expression)?)?;
        self.sized(expression, width)
    }
}

/// What an item's constant matches: the value, and the bits that count. Nothing where it has unknown bits that only an
/// unknown selector meets.
fn matched(constant: &Constant, wildcards: Wildcards, width: u32) -> Option<(u64, u64)> {
    let all = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    let (value, unknown) = (constant.value[0], constant.unknown[0]);
    let free = match wildcards {
        Wildcards::None => 0,
        Wildcards::Z => unknown & value,
        Wildcards::Unknown => unknown,
    };
    (unknown & !free == 0).then_some((value & !unknown, all & !free))
}

/// The arm of each value of a narrow selector.
fn table(width: u32, items: &[(u64, u64, u32)], default: u32) -> Vec<u32> {
    if width > Switch::TABLE_WIDTH_MAX {
        return Vec::new();
    }
    let arm = |value: u64| {
        let item = items.iter().find(|(wanted, care, _)| (value ^ wanted) & care == 0);
        item.map_or(default, |&(_, _, arm)| arm)
    };
    (0..1u64 << width).map(arm).collect()
}
