//! Expressions: each becomes a slot as wide as slang's type for it.
//!
//! slang has folded what is constant and put a conversion where an operand is extended, so the rules left are those of
//! the operators (IEEE 1800-2017, 11.4) and of the conversions themselves: one that was propagated down extends by the
//! sign of its target (11.8.2), any other by the sign of its operand.

use sv_lang::kinds::{ExpressionKind, SymbolKind};
use sv_lang::{BinaryOp, Bit, ConstantValue, Expression, SVInt, Type, UnaryOp};

use super::super::program::{Constant, OpKind, PowerUp, Slot, Statement, Store, Target};
use super::build::mask;
use super::place::Place;
use super::{Lowered, Lowering, Storage, Unsupported, class_of, width_of};

/// `slang::ast::ConversionKind::Propagated`.
const PROPAGATED: u32 = 1;

impl<'d> Lowering<'d> {
    /// The value of an integral expression.
    pub(super) fn value(&mut self, expression: Expression<'d>) -> Lowered<Slot> {
        self.enter()?;
        let value = self.value_inside(expression);
        self.leave();
        value
    }

    fn value_inside(&mut self, expression: Expression<'d>) -> Lowered<Slot> {
        let kind = expression.kind();
        let ty = type_of(expression)?;
        if !ty.is_integral() && !matches!(kind, ExpressionKind::Streaming | ExpressionKind::Call) {
            return Err(Unsupported::new(class_of(ty.canonical())));
        }
        if !matches!(kind, ExpressionKind::Assignment | ExpressionKind::LValueReference)
            && let Some(constant) = self.folded(expression, ty)?
        {
            return Ok(constant);
        }
        match kind {
            ExpressionKind::NamedValue | ExpressionKind::HierarchicalValue => self.name(expression),
            ExpressionKind::UnaryOp => self.unary(expression, ty),
            ExpressionKind::BinaryOp => self.binary(expression, ty),
            ExpressionKind::ConditionalOp => self.conditional(expression, ty),
            ExpressionKind::Inside => self.inside(expression),
            ExpressionKind::Assignment => self.assignment(expression),
            ExpressionKind::Concatenation => self.concatenation(&expression.operands()),
            ExpressionKind::Replication => self.replication(expression),
            ExpressionKind::Streaming => self.streaming(expression),
            ExpressionKind::ElementSelect
            | ExpressionKind::RangeSelect
            | ExpressionKind::MemberAccess => self.select(expression),
            ExpressionKind::Call => self.call(expression),
            ExpressionKind::Conversion => self.conversion(expression, ty),
            ExpressionKind::LValueReference => self
                .changed
                .last()
                .copied()
                .ok_or_else(|| Unsupported::new("an assignment pattern")),
            ExpressionKind::SimpleAssignmentPattern
            | ExpressionKind::StructuredAssignmentPattern
            | ExpressionKind::ReplicatedAssignmentPattern => self.pattern(expression, ty),
            ExpressionKind::MinTypMax => {
                let operands = expression.operands();
                let typical = operands.get(1).or(operands.first()).copied();
                self.value(typical.ok_or_else(|| Unsupported::new("a delay expression"))?)
            }
            _ => Err(Unsupported::new(format!("an expression of kind {kind:?}"))),
        }
    }

    /// The value of an expression that slang has folded.
    fn folded(&mut self, expression: Expression<'d>, ty: Type<'d>) -> Lowered<Option<Slot>> {
        match expression.constant_value() {
            Some(ConstantValue::Integer(_)) if self.misfolded.has(expression) => Ok(None),
            Some(ConstantValue::Integer(value)) if ty.is_integral() => {
                let width = width_of(ty)?;
                let constant = constant_of(&value);
                let slot = self.build.constant(value.bit_width(), constant);
                self.build.resize(slot, width, value.is_signed()).map(Some)
            }
            Some(ConstantValue::String(text)) if ty.is_integral() => {
                let width = width_of(ty)?;
                let mut words = vec![0u64; (text.len().max(1) * 8).div_ceil(64)];
                for (at, byte) in text.bytes().rev().enumerate() {
                    words[at / 8] |= u64::from(byte) << (at % 8 * 8);
                }
                let own = (text.len().max(1) * 8) as u32;
                let unknown = vec![0; words.len()];
                let slot = self.build.constant(own, Constant { value: words, unknown });
                self.build.resize(slot, width, false).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn name(&mut self, name: Expression<'d>) -> Lowered<Slot> {
        let symbol = name
            .referenced_symbol()
            .ok_or_else(|| Unsupported::new("a name that refers to nothing"))?;
        match symbol.kind() {
            SymbolKind::Net | SymbolKind::Variable | SymbolKind::FormalArgument => {
                let slot = self.slot_of(symbol)?;
                Ok(self.build.present(slot))
            }
            kind => Err(Unsupported::new(format!("a name of kind {kind:?}"))),
        }
    }

    fn unary(&mut self, expression: Expression<'d>, ty: Type<'d>) -> Lowered<Slot> {
        let (Some(operator), Some(operand)) = (expression.unary_op(), expression.operand()) else {
            return Err(Unsupported::new("an operator without operand"));
        };
        if super::super::statement::changes(operator) {
            return self.step(operator, operand);
        }
        let width = width_of(ty)?;
        let a = self.value(operand)?;
        let signed = is_signed(operand);
        let reduced = |kind: OpKind, lowering: &mut Self| lowering.build.emit(1, kind);
        Ok(match operator {
            UnaryOp::Plus => self.build.resize(a, width, signed)?,
            UnaryOp::Minus => {
                let a = self.build.resize(a, width, signed)?;
                self.build.emit(width, OpKind::Negate(a))?
            }
            UnaryOp::BitwiseNot => {
                let a = self.build.resize(a, width, signed)?;
                self.build.not(a)?
            }
            UnaryOp::BitwiseAnd => reduced(OpKind::ReduceAnd(a), self)?,
            UnaryOp::BitwiseOr => reduced(OpKind::ReduceOr(a), self)?,
            UnaryOp::BitwiseXor => reduced(OpKind::ReduceXor(a), self)?,
            UnaryOp::BitwiseNand => {
                let all = reduced(OpKind::ReduceAnd(a), self)?;
                self.build.not(all)?
            }
            UnaryOp::BitwiseNor | UnaryOp::LogicalNot => {
                let any = reduced(OpKind::ReduceOr(a), self)?;
                self.build.not(any)?
            }
            UnaryOp::BitwiseXnor => {
                let odd = reduced(OpKind::ReduceXor(a), self)?;
                self.build.not(odd)?
            }
            UnaryOp::Preincrement
            | UnaryOp::Predecrement
            | UnaryOp::Postincrement
            | UnaryOp::Postdecrement => unreachable!("taken above"),
        })
    }

    /// `x++` and its kind: changes the operand, and gives what it was or has become.
    fn step(&mut self, operator: UnaryOp, operand: Expression<'d>) -> Lowered<Slot> {
        let (place, before) = self.place_and_value(operand)?;
        let width = self.build.width(before);
        let one = self.build.number(width, 1);
        let before = self.build.copy(before)?;
        let increments = matches!(operator, UnaryOp::Preincrement | UnaryOp::Postincrement);
        let kind =
            if increments { OpKind::Add(before, one) } else { OpKind::Subtract(before, one) };
        let after = self.build.emit(width, kind)?;
        self.write(&place, after, false)?;
        let is_after = matches!(operator, UnaryOp::Preincrement | UnaryOp::Predecrement);
        Ok(if is_after { after } else { before })
    }

    fn binary(&mut self, expression: Expression<'d>, ty: Type<'d>) -> Lowered<Slot> {
        let (Some(operator), Some(left), Some(right)) =
            (expression.binary_op(), expression.left(), expression.right())
        else {
            return Err(Unsupported::new("an operator without operands"));
        };
        let width = width_of(ty)?;
        match operator {
            BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Mod
            | BinaryOp::BinaryAnd
            | BinaryOp::BinaryOr
            | BinaryOp::BinaryXor
            | BinaryOp::BinaryXnor => {
                let a = self.sized(left, width)?;
                let b = self.sized(right, width)?;
                self.arithmetic(operator, a, b, ty.is_signed())
            }
            BinaryOp::LogicalShiftLeft
            | BinaryOp::LogicalShiftRight
            | BinaryOp::ArithmeticShiftLeft
            | BinaryOp::ArithmeticShiftRight => {
                let a = self.sized(left, width)?;
                let by = self.value(right)?;
                self.shift(operator, a, by, ty.is_signed())
            }
            BinaryOp::Power => {
                let a = self.sized(left, width)?;
                let b = self.value(right)?;
                let kind = OpKind::Power {
                    a,
                    b,
                    base_signed: ty.is_signed(),
                    exponent_signed: is_signed(right),
                };
                self.build.emit(width, kind)
            }
            BinaryOp::LogicalAnd | BinaryOp::LogicalOr | BinaryOp::LogicalImplication => {
                let a = self.truth(left)?;
                self.shortened(operator, a, right)
            }
            BinaryOp::LogicalEquivalence => {
                let a = self.truth(left)?;
                let b = self.truth(right)?;
                let differ = self.build.emit(1, OpKind::Xor(a, b))?;
                self.build.not(differ)
            }
            _ => self.comparison(operator, left, right),
        }
    }

    fn arithmetic(&mut self, operator: BinaryOp, a: Slot, b: Slot, signed: bool) -> Lowered<Slot> {
        let width = self.build.width(a);
        let kind = match operator {
            BinaryOp::Add => OpKind::Add(a, b),
            BinaryOp::Subtract => OpKind::Subtract(a, b),
            BinaryOp::Multiply => OpKind::Multiply(a, b),
            BinaryOp::Divide => OpKind::Divide { a, b, signed },
            BinaryOp::Mod => OpKind::Remainder { a, b, signed },
            BinaryOp::BinaryAnd => OpKind::And(a, b),
            BinaryOp::BinaryOr => OpKind::Or(a, b),
            _ => OpKind::Xor(a, b),
        };
        let result = self.build.emit(width, kind)?;
        if operator == BinaryOp::BinaryXnor { self.build.not(result) } else { Ok(result) }
    }

    /// `>>>` of an unsigned operand is `>>` (IEEE 1800-2017, 11.4.10).
    fn shift(&mut self, operator: BinaryOp, a: Slot, by: Slot, signed: bool) -> Lowered<Slot> {
        let width = self.build.width(a);
        if let Some(count) = self.build.number_of(by, false)
            && operator != BinaryOp::ArithmeticShiftRight
        {
            return self.constant_shift(operator, a, count);
        }
        let kind = match operator {
            BinaryOp::LogicalShiftLeft | BinaryOp::ArithmeticShiftLeft => OpKind::ShiftLeft(a, by),
            BinaryOp::ArithmeticShiftRight if signed => OpKind::ShiftRightSigned(a, by),
            _ => OpKind::ShiftRight(a, by),
        };
        self.build.emit(width, kind)
    }

    pub(super) fn constant_shift(
        &mut self,
        operator: BinaryOp,
        a: Slot,
        count: i64,
    ) -> Lowered<Slot> {
        let width = self.build.width(a);
        let Ok(count) = u32::try_from(count) else { return Ok(self.build.number(width, 0)) };
        if count >= width {
            return Ok(self.build.number(width, 0));
        }
        if count == 0 {
            return Ok(a);
        }
        if operator == BinaryOp::LogicalShiftRight {
            let high = self.build.slice(a, count, width - count)?;
            return self.build.resize(high, width, false);
        }
        let low = self.build.slice(a, 0, width - count)?;
        let zeros = self.build.number(count, 0);
        self.build.concat(vec![low, zeros])
    }

    /// `&&`, `||` and `->`: the right side runs unless the left one decides, that is where it is unknown too (IEEE 1800-2017,
    /// 11.3.5).
    pub(super) fn shortened(
        &mut self,
        operator: BinaryOp,
        a: Slot,
        right: Expression<'d>,
    ) -> Lowered<Slot> {
        // `||` goes on from what is not 1, the others from what is not 0.
        let is_or = operator == BinaryOp::LogicalOr;
        if self.build.number_of(a, false) == Some(i64::from(is_or)) {
            let decided = i64::from(operator != BinaryOp::LogicalAnd);
            return Ok(self.build.number(1, decided));
        }
        let before = self.build.path.part();
        let (code, b) = self.block(|lowering| lowering.truth(right))?;
        if only_computes(&code) {
            self.build.code.extend(code);
            return self.logical(operator, a, b);
        }
        self.build.path.meet(before);
        // It may be a variable that the right side writes.
        let a = self.build.copy(a)?;
        let holds = self.known(a)?;
        let goes_on = if is_or {
            self.build.not(holds)?
        } else {
            let unknown = self.build.emit(1, OpKind::IsUnknown(a))?;
            self.build.emit(1, OpKind::Or(holds, unknown))?
        };
        let b = self.side(goes_on, code, b)?;
        self.logical(operator, a, b)
    }

    fn logical(&mut self, operator: BinaryOp, a: Slot, b: Slot) -> Lowered<Slot> {
        match operator {
            BinaryOp::LogicalAnd => self.build.emit(1, OpKind::And(a, b)),
            BinaryOp::LogicalOr => self.build.emit(1, OpKind::Or(a, b)),
            _ => {
                let not = self.build.not(a)?;
                self.build.emit(1, OpKind::Or(not, b))
            }
        }
    }

    /// Operands are extended to the wider of the two, and are signed where both are (IEEE 1800-2017, 11.8.1).
    fn comparison(
        &mut self,
        operator: BinaryOp,
        left: Expression<'d>,
        right: Expression<'d>,
    ) -> Lowered<Slot> {
        let signed = is_signed(left) && is_signed(right);
        let (a, b) = (self.value(left)?, self.value(right)?);
        let width = self.build.width(a).max(self.build.width(b));
        let a = self.build.resize(a, width, signed)?;
        let b = self.build.resize(b, width, signed)?;
        let (kind, negated) = match operator {
            BinaryOp::Equality => (OpKind::Equal(a, b), false),
            BinaryOp::Inequality => (OpKind::Equal(a, b), true),
            BinaryOp::CaseEquality => (OpKind::Same(a, b), false),
            BinaryOp::CaseInequality => (OpKind::Same(a, b), true),
            BinaryOp::WildcardEquality => (OpKind::Matches(a, b), false),
            BinaryOp::WildcardInequality => (OpKind::Matches(a, b), true),
            BinaryOp::LessThan => (OpKind::Less { a, b, signed }, false),
            BinaryOp::GreaterThanEqual => (OpKind::Less { a, b, signed }, true),
            BinaryOp::GreaterThan => (OpKind::Less { a: b, b: a, signed }, false),
            BinaryOp::LessThanEqual => (OpKind::Less { a: b, b: a, signed }, true),
            _ => return Err(Unsupported::new(format!("the operator {operator:?}"))),
        };
        let result = self.build.emit(1, kind)?;
        if negated { self.build.not(result) } else { Ok(result) }
    }

    fn conditional(&mut self, expression: Expression<'d>, ty: Type<'d>) -> Lowered<Slot> {
        let conditions = expression.conditions();
        let [condition] = conditions.as_slice() else {
            return Err(Unsupported::new("a pattern as a condition"));
        };
        if condition.pattern().is_some() {
            return Err(Unsupported::new("a pattern as a condition"));
        }
        let (Some(then), Some(otherwise)) = (expression.true_value(), expression.false_value())
        else {
            return Err(Unsupported::new("a conditional without branches"));
        };
        let width = width_of(ty)?;
        let condition = self.truth(condition.expr())?;
        if let Some(known) = self.build.number_of(condition, false) {
            return self.sized(if known == 1 { then } else { otherwise }, width);
        }
        let before = self.build.path.part();
        let (first, a) = self.block(|lowering| lowering.sized(then, width))?;
        self.build.path.meet(before);
        let before = self.build.path.part();
        let (second, b) = self.block(|lowering| lowering.sized(otherwise, width))?;
        if only_computes(&first) && only_computes(&second) {
            self.build.code.extend(first.into_iter().chain(second));
            return self.build.emit(width, OpKind::Mux { condition, a, b });
        }
        // A side that writes runs only where it is chosen; both do where that is unknown (IEEE 1800-2017, 11.4.11).
        self.build.path.meet(before);
        let condition = self.build.copy(condition)?;
        let unknown = self.build.emit(1, OpKind::IsUnknown(condition))?;
        let holds = self.known(condition)?;
        let either = self.build.emit(1, OpKind::Or(holds, unknown))?;
        let not = self.build.not(holds)?;
        let a = self.side(either, first, a)?;
        let b = self.side(not, second, b)?;
        self.build.emit(width, OpKind::Mux { condition, a, b })
    }

    /// The value of an expression that is evaluated under a condition; elsewhere it is not looked at.
    fn side(&mut self, condition: Slot, mut then: Vec<Statement>, value: Slot) -> Lowered<Slot> {
        let width = self.build.width(value);
        let held = self.build.variable(width, PowerUp::Unknown);
        let zero = self.build.number(width, 0);
        self.build.store(Target::Whole(held), zero, false);
        let target = Target::Whole(held);
        then.push(Statement::Store(Store { target: target.clone(), value, nonblocking: false }));
        self.build.path.write(&target, None);
        self.build.code.push(Statement::If { condition, then, otherwise: Vec::new() });
        Ok(held)
    }

    /// One bit: `inside` compares by `==?` (IEEE 1800-2017, 11.4.13).
    fn inside(&mut self, expression: Expression<'d>) -> Lowered<Slot> {
        let left =
            expression.inside_left().ok_or_else(|| Unsupported::new("`inside` of nothing"))?;
        let value = self.value(left)?;
        let mut found = self.build.number(1, 0);
        for item in expression.inside_range_list() {
            let hit = self.is_inside(left, value, item)?;
            found = self.build.emit(1, OpKind::Or(found, hit))?;
        }
        Ok(found)
    }

    /// One bit: whether a value is that of an item, or in its range.
    pub(super) fn is_inside(
        &mut self,
        left: Expression<'d>,
        value: Slot,
        item: Expression<'d>,
    ) -> Lowered<Slot> {
        let side = |lowering: &mut Self, bound: Expression<'d>| -> Lowered<(Slot, Slot, bool)> {
            let signed = is_signed(left) && is_signed(bound);
            let bound = lowering.value(bound)?;
            let width = lowering.build.width(value).max(lowering.build.width(bound));
            let value = lowering.build.resize(value, width, signed)?;
            Ok((value, lowering.build.resize(bound, width, signed)?, signed))
        };
        if item.kind() != ExpressionKind::ValueRange {
            let (a, b, _) = side(self, item)?;
            return self.build.emit(1, OpKind::Matches(a, b));
        }
        let (Some(low), Some(high)) = (item.left(), item.right()) else {
            return Err(Unsupported::new("a range without bounds"));
        };
        // slang converts `$` to the type of the others.
        let open = |bound: Expression<'d>| {
            let inner = std::iter::successors(Some(bound), |at| at.conversion_operand()).last();
            inner.is_some_and(|inner| inner.kind() == ExpressionKind::UnboundedLiteral)
        };
        let one = self.build.number(1, 1);
        let above = if open(low) {
            one
        } else {
            let (a, b, signed) = side(self, low)?;
            let below = self.build.emit(1, OpKind::Less { a, b, signed })?;
            self.build.not(below)?
        };
        let below = if open(high) {
            one
        } else {
            let (a, b, signed) = side(self, high)?;
            let above = self.build.emit(1, OpKind::Less { a: b, b: a, signed })?;
            self.build.not(above)?
        };
        self.build.emit(1, OpKind::And(above, below))
    }

    pub(super) fn concatenation(&mut self, parts: &[Expression<'d>]) -> Lowered<Slot> {
        let mut slots = Vec::with_capacity(parts.len());
        for &part in parts {
            // `{0{x}}` has no bits.
            if part.expr_type().is_some_and(|ty| ty.is_integral() && ty.bit_width() > 0) {
                slots.push(self.value(part)?);
            } else if part.kind() != ExpressionKind::Replication {
                return Err(Unsupported::new("a concatenation of other than vectors of bits"));
            }
        }
        if slots.is_empty() {
            return Err(Unsupported::new("a concatenation without bits"));
        }
        self.build.concat(slots)
    }

    fn replication(&mut self, expression: Expression<'d>) -> Lowered<Slot> {
        let (Some(count), Some(inner)) =
            (expression.replication_count(), expression.replication_concat())
        else {
            return Err(Unsupported::new("a replication without operands"));
        };
        let count = Some(self.fixed(count)?).filter(|count| (1..=1 << 16).contains(count));
        let count = count.ok_or_else(|| Unsupported::new("a replication wider than lanes hold"))?;
        let value = self.value(inner)?;
        if u64::from(self.build.width(value)) * count as u64 > super::build::WIDTH_MAX {
            return Err(Unsupported::new("a replication wider than lanes hold"));
        }
        self.build.concat(vec![value; count as usize])
    }

    /// `{<<n{…}}`: slices of `n` bits in the reverse order, what is left over at the high end last (IEEE 1800-2017, 11.4.14).
    fn streaming(&mut self, expression: Expression<'d>) -> Lowered<Slot> {
        let streams = expression.streams();
        if streams.iter().any(|stream| stream.with_expr().is_some()) {
            return Err(Unsupported::new("a stream of a part of an array"));
        }
        let operands: Vec<Expression<'d>> = streams.iter().map(|stream| stream.operand()).collect();
        let joined = self.concatenation(&operands)?;
        let width = self.build.width(joined);
        let size = expression.streaming_slice_size().unwrap_or(0).min(u64::from(width)) as u32;
        if size == 0 {
            return Ok(joined);
        }
        let mut parts = Vec::new();
        let mut lsb = 0;
        while lsb < width {
            let size = size.min(width - lsb);
            parts.push(self.build.slice(joined, lsb, size)?);
            lsb += size;
        }
        self.build.concat(parts)
    }

    fn conversion(&mut self, expression: Expression<'d>, ty: Type<'d>) -> Lowered<Slot> {
        let operand = expression
            .conversion_operand()
            .ok_or_else(|| Unsupported::new("a conversion of nothing"))?;
        let width = width_of(ty)?;
        if operand.kind() == ExpressionKind::Streaming {
            // A stream is put to the left of a wider target (IEEE 1800-2017, 11.4.14.3).
            let value = self.value(operand)?;
            let own = self.build.width(value);
            if own >= width {
                return self.build.slice(value, own - width, width);
            }
            let zeros = self.build.number(width - own, 0);
            return self.build.concat(vec![value, zeros]);
        }
        let from = type_of(operand)?;
        let value = self.value(operand)?;
        let propagated = expression.conversion_kind() == Some(PROPAGATED);
        let signed = if propagated { ty.is_signed() } else { from.is_signed() };
        let value = self.build.resize(value, width, signed)?;
        self.states(value, from, ty)
    }

    /// A value of a type as one of another type: what has two states takes 0 for x and z (IEEE 1800-2017, 6.3.1).
    pub(super) fn states(&mut self, value: Slot, from: Type<'d>, to: Type<'d>) -> Lowered<Slot> {
        if !from.is_four_state() || to.is_four_state() {
            return Ok(value);
        }
        self.known(value)
    }

    /// A value with 0 for x and z.
    pub(super) fn known(&mut self, value: Slot) -> Lowered<Slot> {
        let width = self.build.width(value);
        match self.build.constant_of(value).cloned() {
            Some(Constant { value, unknown }) => {
                let known = value.iter().zip(&unknown).map(|(v, u)| v & !u).collect();
                let unknown = vec![0; unknown.len()];
                Ok(self.build.constant(width, Constant { value: known, unknown }))
            }
            None => self.build.emit(width, OpKind::Known(value)),
        }
    }

    /// A pattern of a packed type: its elements side by side.
    fn pattern(&mut self, expression: Expression<'d>, ty: Type<'d>) -> Lowered<Slot> {
        let width = width_of(ty)?;
        let value = self.concatenation(&expression.pattern_elements())?;
        if self.build.width(value) == width {
            Ok(value)
        } else {
            Err(Unsupported::new("an assignment pattern"))
        }
    }

    /// Assigns, and gives the value assigned.
    pub(super) fn assignment(&mut self, expression: Expression<'d>) -> Lowered<Slot> {
        let (Some(left), Some(right)) = (expression.left(), expression.right()) else {
            return Err(Unsupported::new("an assignment without sides"));
        };
        let nonblocking = expression.is_nonblocking() == Some(true);
        if type_of(left)?.canonical().is_unpacked_array() {
            let Place::Array { memory, dimensions } = self.place(left)? else {
                return Err(Unsupported::new("an array as a whole"));
            };
            self.fill(memory, &dimensions, right, nonblocking)?;
            return Ok(self.build.number(1, 0));
        }
        if expression.is_compound_assignment() == Some(true) {
            let (place, present) = self.place_and_value(left)?;
            self.changed.push(present);
            let value = self.value(right);
            self.changed.pop();
            let value = self.fitted(left, right, value?)?;
            self.write(&place, value, nonblocking)?;
            return Ok(value);
        }
        let value = self.value(right)?;
        let place = self.place(left)?;
        let value = self.fitted(left, right, value)?;
        self.write(&place, value, nonblocking)?;
        Ok(value)
    }

    /// Where an operand that is read and written is, and what it holds; its indices are evaluated once (IEEE 1800-2017,
    /// 11.4.1 and 11.4.2).
    fn place_and_value(&mut self, operand: Expression<'d>) -> Lowered<(Place, Slot)> {
        let (code, place) = self.block(|lowering| lowering.place(operand))?;
        let is_pure = only_computes(&code);
        self.build.code.extend(code);
        if is_pure {
            // What is computed a second time comes to the same.
            let value = self.value(operand)?;
            return Ok((place, value));
        }
        let value = self.read(&place)?;
        let is_four_state = type_of(operand)?.is_four_state();
        let value = if is_four_state { value } else { self.known(value)? };
        Ok((place, value))
    }

    /// The value as wide as the place; slang has converted it already.
    fn fitted(
        &mut self,
        left: Expression<'d>,
        right: Expression<'d>,
        value: Slot,
    ) -> Lowered<Slot> {
        let width = width_of(type_of(left)?)?;
        self.build.resize(value, width, is_signed(right))
    }

    /// The value, extended by its own sign to a width.
    pub(super) fn sized(&mut self, expression: Expression<'d>, width: u32) -> Lowered<Slot> {
        let value = self.value(expression)?;
        self.build.resize(value, width, is_signed(expression))
    }

    /// One bit: whether an expression is true.
    pub(super) fn truth(&mut self, expression: Expression<'d>) -> Lowered<Slot> {
        let value = self.value(expression)?;
        self.is_true(value)
    }

    /// One bit: whether any bit of a value is 1.
    pub(super) fn is_true(&mut self, value: Slot) -> Lowered<Slot> {
        if let Some(constant) = self.build.constant_of(value) {
            let one = constant.value.iter().zip(&constant.unknown).any(|(v, u)| v & !u != 0);
            let unknown = constant.unknown.iter().any(|&u| u != 0);
            return Ok(match (one, unknown) {
                (true, _) => self.build.number(1, 1),
                (false, true) => self.build.unknown(1),
                (false, false) => self.build.number(1, 0),
            });
        }
        self.build.truth(value)
    }

    /// Adds the initial value of a declaration: it is there before anything else runs.
    pub(super) fn declare(&mut self, storage: &Storage, value: Expression<'d>) -> Lowered<()> {
        self.beforehand(|lowering| match *storage {
            Storage::Variable(slot) => {
                let width = lowering.build.width(slot);
                let value = lowering.sized(value, width)?;
                lowering.build.code.push(Statement::Store(Store {
                    target: Target::Whole(slot),
                    value,
                    nonblocking: false,
                }));
                Ok(())
            }
            Storage::Array { memory, ref dimensions } => {
                lowering.fill(memory, dimensions, value, false)
            }
        })
    }

    /// Adds what `make` writes to the declarations: what holds on the path of a process does not hold before all of them.
    pub(super) fn beforehand(
        &mut self,
        make: impl FnOnce(&mut Self) -> Lowered<()>,
    ) -> Lowered<()> {
        let here = self.build.path.part();
        self.build.path.forget();
        let (code, ()) = self.block(make)?;
        self.build.path.go_to(here);
        self.declarations.extend(code);
        Ok(())
    }
}

/// Whether code changes nothing.
fn only_computes(code: &[Statement]) -> bool {
    code.iter().all(|statement| matches!(statement, Statement::Compute(_)))
}

pub(super) fn type_of(expression: Expression<'_>) -> Lowered<Type<'_>> {
    expression.expr_type().ok_or_else(|| Unsupported::new("an expression without a type"))
}

pub(super) fn is_signed(expression: Expression<'_>) -> bool {
    expression.expr_type().is_some_and(|ty| ty.is_signed())
}

/// The planes of a constant.
pub(super) fn constant_of(value: &SVInt) -> Constant {
    let words = (value.bit_width().max(1)).div_ceil(64) as usize;
    let mut constant = Constant { value: vec![0; words], unknown: vec![0; words] };
    for (at, bit) in value.bits().iter().enumerate() {
        let one = 1u64 << (at % 64);
        if matches!(bit, Bit::One | Bit::Z) {
            constant.value[at / 64] |= one;
        }
        if matches!(bit, Bit::X | Bit::Z) {
            constant.unknown[at / 64] |= one;
        }
    }
    mask(&mut constant.value, value.bit_width());
    constant
}
