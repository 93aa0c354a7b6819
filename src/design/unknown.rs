//! The X that an operator makes, as an X literal: `a / b` with `b` zero, `v[i]` with `i` out of range.
//!
//! In: an expression of a process or an assignment. Out: an edit that guards it, such as
//! `((b) != 8'd0 ? a / b : 8'bx)`, where a two-state simulator would make up a defined value, the same in
//! every run. For operands that are in range the edited text means the same as the original: the literals
//! have the width and sign that slang gave the expression, so nothing around it changes type, and an index
//! is compared at its own width, so it wraps where it wrapped. What cannot be in error is left alone.

use sv_lang::kinds::ExpressionKind;
use sv_lang::{BinaryOp, Expression, Symbol, Type};

use super::elaborate::Main;
use super::expression::{constant, index_range, is_constant, is_name, width};
use super::rewrite::{Edit, Piece};

/// Widest part-select that is written out bit by bit.
const MAX_PART: i128 = 64;
/// Widest X literal.
const MAX_LITERAL: u64 = 4096;

/// Variables of enclosing loops with constant bounds, and their lowest and highest values.
pub(super) type Loops<'d> = Vec<(Symbol<'d>, i128, i128)>;

/// The guard for a division or remainder.
pub(super) fn division<'d>(at: Expression<'d>, loops: &Loops<'d>, main: &Main<'_>) -> Option<Edit> {
    if !matches!(at.binary_op()?, BinaryOp::Divide | BinaryOp::Mod) {
        return None;
    }
    let by = at.right()?;
    let (low, high) = interval(by, loops)?;
    if low > 0 || high < 0 {
        return None;
    }
    let ty = at.expr_type()?;
    let unknown = unknown(ty)?;
    let zero = format!("{}'{}0", ty.bit_width(), if ty.is_signed() { "sd" } else { "d" });
    let range = main.range(at.source_range())?;
    let by = repeatable(by, main)?;
    let pieces = vec![
        Piece::text("(("),
        Piece::Source(by),
        Piece::text(format!(") != {zero} ? ")),
        Piece::Source(range.clone()),
        Piece::text(format!(" : {unknown})")),
    ];
    Some(Edit { range, pieces })
}

/// `a /= b` as `a = ((b) != 8'd0 ? a / (b) : 8'bx)`.
pub(super) fn compound_division<'d>(
    at: Expression<'d>,
    loops: &Loops<'d>,
    main: &Main<'_>,
) -> Option<Edit> {
    let mut operation = at.right()?;
    while operation.kind() == ExpressionKind::Conversion {
        operation = operation.conversion_operand()?;
    }
    let sign = match operation.binary_op()? {
        BinaryOp::Divide => " / (",
        BinaryOp::Mod => " % (",
        _ => return None,
    };
    let by = operation.right()?;
    let (low, high) = interval(by, loops)?;
    if low > 0 || high < 0 {
        return None;
    }
    let unknown = unknown(operation.expr_type()?)?;
    let (left, by) = (repeatable(at.left()?, main)?, repeatable(by, main)?);
    let pieces = vec![
        Piece::Source(left.clone()),
        Piece::text(" = (("),
        Piece::Source(by.clone()),
        Piece::text(") != 0 ? "),
        Piece::Source(left),
        Piece::text(sign),
        Piece::Source(by),
        Piece::text(format!(") : {unknown})")),
    ];
    Some(Edit { range: main.range(at.source_range())?, pieces })
}

/// The ranges of the indices of a chain of selects, from the last.
pub(super) type Shape = Vec<Option<(i64, i64)>>;

/// What a guard of this select depends on beside its text.
pub(super) fn shape(at: Expression<'_>) -> Shape {
    let mut shape = Vec::new();
    let mut step = at;
    while matches!(step.kind(), ExpressionKind::ElementSelect | ExpressionKind::RangeSelect) {
        let Some(base) = step.select_value() else { break };
        shape.push(base.expr_type().and_then(index_range));
        step = base;
    }
    shape
}

/// The sign and the range of a plain vector or bit, as a declaration has them.
pub(super) fn vector_range(ty: Type<'_>) -> Option<String> {
    let ty = ty.canonical();
    if !ty.is_integral() || ty.is_enum() || ty.is_struct() || ty.is_union() {
        return None;
    }
    let sign = if ty.is_signed() { "signed " } else { "" };
    let Some((low, high)) = index_range(ty) else {
        return (ty.bit_width() == 1).then(|| sign.to_owned());
    };
    let range = ty.fixed_range();
    let one_bit_each = i64::try_from(ty.bit_width()) == Ok(high - low + 1);
    one_bit_each.then(|| format!("{sign}[{}:{}] ", range.left, range.right))
}

/// The guard for a chain of selects, such as `memory[i][j]`.
pub(super) fn select<'d>(at: Expression<'d>, loops: &Loops<'d>, main: &Main<'_>) -> Option<Edit> {
    let unknown = unknown(at.expr_type()?)?;
    let range = main.range(at.source_range())?;
    let mut guards: Vec<Piece> = Vec::new();
    let mut step = at;
    let mut outermost = true;
    loop {
        match step.kind() {
            ExpressionKind::ElementSelect => {
                let base = step.select_value()?;
                guard(step.selector()?, index_range(base.expr_type()?)?, loops, main, &mut guards)?;
                step = base;
            }
            ExpressionKind::RangeSelect => {
                if step.range_selection_kind() != Some(0) {
                    let part = part_select(step, loops, main);
                    // A part-select ends a chain, and its parts hold the guards of the rest.
                    return if outermost { part } else { None };
                }
                step = step.select_value()?;
            }
            ExpressionKind::MemberAccess => step = step.operands().into_iter().next()?,
            _ => break,
        }
        outermost = false;
    }
    if guards.is_empty() || !is_name(step) {
        return None;
    }
    let mut pieces = vec![Piece::text("(")];
    pieces.append(&mut guards);
    pieces.extend([
        Piece::text(" ? "),
        Piece::Source(range.clone()),
        Piece::text(format!(" : {unknown})")),
    ]);
    Some(Edit { range, pieces })
}

/// Adds the comparisons that an index needs to stay within a range; `None` if it cannot be told.
fn guard<'d>(
    index: Expression<'d>,
    (lowest, highest): (i64, i64),
    loops: &Loops<'d>,
    main: &Main<'_>,
    guards: &mut Vec<Piece>,
) -> Option<()> {
    let (low, high) = interval(index, loops)?;
    let (lowest, highest) = (i128::from(lowest), i128::from(highest));
    let ty = index.expr_type()?;
    for (needed, operator, limit) in [(low < lowest, ">=", lowest), (high > highest, "<=", highest)]
    {
        if !needed {
            continue;
        }
        let (least, most) = type_interval(ty)?;
        if !(least..=most).contains(&limit) {
            return None;
        }
        if !guards.is_empty() {
            guards.push(Piece::text(" && "));
        }
        guards.push(Piece::text("("));
        guards.push(Piece::Source(repeatable(index, main)?));
        guards.push(Piece::text(format!(
            ") {operator} {}",
            literal(limit, ty.bit_width(), ty.is_signed())
        )));
    }
    Some(())
}

/// The comparisons that some bit of a variable part-select needs: operator and limit.
type Limits = Vec<(&'static str, i128)>;

/// How many bits a variable part-select has, and the limits that it may leave; `None` if it leaves none.
fn part_limits<'d>(at: Expression<'d>, loops: &Loops<'d>) -> Option<(i128, Limits)> {
    let (base, index) = (at.select_value()?, at.range_left()?);
    let count = i128::from(constant(at.range_right()?)?.as_i64()?);
    let ty = base.expr_type()?.canonical();
    let range = ty.fixed_range();
    let (lowest, highest) =
        index_range(ty).map(|(low, high)| (i128::from(low), i128::from(high)))?;
    let one_bit_each = ty.is_integral() && i128::from(ty.bit_width()) == highest - lowest + 1;
    if !one_bit_each
        || range.left < range.right
        || !(1..=MAX_PART).contains(&count)
        || !is_name(base)
    {
        return None;
    }
    let (low, high) = interval(index, loops)?;
    let up = at.range_selection_kind() == Some(1);
    let (low, high) = if up { (low, high + count - 1) } else { (low - count + 1, high) };
    let mut limits = Limits::new();
    if low < lowest {
        limits.push((">=", lowest));
    }
    if high > highest {
        limits.push(("<=", highest));
    }
    (!limits.is_empty()).then_some((count, limits))
}

/// `v[i +: w]`, bit by bit, since it may be in range in part.
fn part_select<'d>(at: Expression<'d>, loops: &Loops<'d>, main: &Main<'_>) -> Option<Edit> {
    let (count, limits) = part_limits(at, loops)?;
    let (base, index) = (at.select_value()?, at.range_left()?);
    let up = at.range_selection_kind() == Some(1);
    let index_type = index.expr_type()?;
    // Wide enough that neither the sum nor the limits wrap.
    let bits = (index_type.bit_width() + 2).max(34);
    // The size cast keeps the index at its own width inside, and its sign.
    let open = format!("($signed({bits}'(");
    let (base_text, index_text) = (repeatable(base, main)?, repeatable(index, main)?);
    let four_state = base.expr_type()?.is_four_state();
    let unknown = if four_state { "1'bx" } else { "1'b0" };
    let position = |offset: i128| {
        let shift = format!(")) + {})", literal(offset, bits, true));
        [Piece::text(open.as_str()), Piece::Source(index_text.clone()), Piece::text(shift)]
    };
    let mut pieces = vec![Piece::text("{")];
    for bit in (0..count).rev() {
        let offset = if up { bit } else { bit - count + 1 };
        for (at, (operator, limit)) in limits.iter().enumerate() {
            pieces.push(Piece::text(if at == 0 { "(" } else { " && " }));
            pieces.extend(position(offset));
            pieces.push(Piece::text(format!(" {operator} {}", literal(*limit, bits, true))));
        }
        pieces.extend([Piece::text(" ? "), Piece::Source(base_text.clone()), Piece::text("[")]);
        pieces.extend(position(offset));
        pieces.push(Piece::text(format!("] : {unknown}){}", if bit == 0 { "}" } else { ", " })));
    }
    Some(Edit { range: main.range(at.source_range())?, pieces })
}

/// The text of an expression that is to stand twice: on one line, without macros, comments or effects.
fn repeatable(at: Expression<'_>, main: &Main<'_>) -> Option<std::ops::Range<usize>> {
    let range = main.range(at.source_range())?;
    let text = &main.text[range.clone()];
    let plain = !text.contains(['\n', '`', '\\']) && !text.contains("//") && text.len() < 512;
    let mut inside =
        super::expression::Walk::new(at.as_sem_node()).filter_map(|node| node.as_expression());
    let pure = inside.all(|inner| {
        inner.kind() != ExpressionKind::Assignment
            && !inner.unary_op().is_some_and(super::statement::changes)
            // The system functions that are let through have no effects.
            && (inner.kind() != ExpressionKind::Call || inner.is_system_call() == Some(true))
    });
    (plain && pure).then_some(range)
}

/// X of a type, or 0 where the type has no X; `None` for what a literal cannot stand for.
fn unknown(ty: Type<'_>) -> Option<String> {
    let ty = ty.canonical();
    let bits = ty.bit_width();
    if !ty.is_integral()
        || ty.is_enum()
        || ty.is_struct()
        || ty.is_union()
        || bits == 0
        || bits > MAX_LITERAL
    {
        return None;
    }
    let sign = if ty.is_signed() { "s" } else { "" };
    Some(format!("{bits}'{sign}b{}", if ty.is_four_state() { "x" } else { "0" }))
}

fn literal(value: i128, bits: u64, signed: bool) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{bits}'{}{}", if signed { "sd" } else { "d" }, value.unsigned_abs())
}

fn type_interval(ty: Type<'_>) -> Option<(i128, i128)> {
    let bits = ty.bit_width();
    if !ty.is_integral() || bits == 0 || bits > 100 {
        return None;
    }
    Some(if ty.is_signed() {
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    } else {
        (0, (1 << bits) - 1)
    })
}

/// The lowest and highest value that an integral expression can have, as far as its form tells.
pub(super) fn interval<'d>(at: Expression<'d>, loops: &Loops<'d>) -> Option<(i128, i128)> {
    let whole = type_interval(at.expr_type()?)?;
    let known = if is_constant(at) {
        constant(at)
            .and_then(|value| value.as_i64())
            .map(|value| (i128::from(value), i128::from(value)))
    } else {
        match at.kind() {
            ExpressionKind::NamedValue => at.referenced_symbol().and_then(|symbol| {
                loops
                    .iter()
                    .rev()
                    .find(|(variable, ..)| *variable == symbol)
                    .map(|&(_, low, high)| (low, high))
            }),
            ExpressionKind::Conversion => {
                at.conversion_operand().and_then(|operand| interval(operand, loops))
            }
            ExpressionKind::ConditionalOp => hull(at.true_value(), at.false_value(), loops),
            ExpressionKind::BinaryOp => operation(at, loops),
            ExpressionKind::Concatenation => padded(at, loops),
            _ => None,
        }
    };
    Some(known.filter(|(low, high)| *low >= whole.0 && *high <= whole.1).unwrap_or(whole))
}

fn hull<'d>(
    one: Option<Expression<'d>>,
    other: Option<Expression<'d>>,
    loops: &Loops<'d>,
) -> Option<(i128, i128)> {
    let ((a, b), (c, d)) = (interval(one?, loops)?, interval(other?, loops)?);
    Some((a.min(c), b.max(d)))
}

fn operation<'d>(at: Expression<'d>, loops: &Loops<'d>) -> Option<(i128, i128)> {
    let ((a, b), (c, d)) = (interval(at.left()?, loops)?, interval(at.right()?, loops)?);
    match at.binary_op()? {
        BinaryOp::Add => Some((a.checked_add(c)?, b.checked_add(d)?)),
        BinaryOp::Subtract => Some((a.checked_sub(d)?, b.checked_sub(c)?)),
        BinaryOp::Multiply => {
            let products =
                [a.checked_mul(c)?, a.checked_mul(d)?, b.checked_mul(c)?, b.checked_mul(d)?];
            Some((*products.iter().min()?, *products.iter().max()?))
        }
        BinaryOp::Mod if a >= 0 && c > 0 => Some((0, b.min(d - 1))),
        BinaryOp::Divide if a >= 0 && c > 0 => Some((a / d, b / c)),
        BinaryOp::BinaryAnd if a >= 0 && c >= 0 => Some((0, b.min(d))),
        BinaryOp::LogicalShiftRight if a >= 0 && (0..100).contains(&c) => Some((0, b >> c)),
        _ => None,
    }
}

/// `{1'b0, x}` is no more than `x`.
fn padded<'d>(at: Expression<'d>, loops: &Loops<'d>) -> Option<(i128, i128)> {
    let (mut low, mut high) = (0_i128, 0_i128);
    for part in at.operands() {
        let bits = width(part);
        let (a, b) = interval(part, loops).filter(|&(a, _)| a >= 0)?;
        low = low.checked_mul(1 << bits)?.checked_add(a)?;
        high = high.checked_mul(1 << bits)?.checked_add(b)?;
    }
    Some((low, high))
}
