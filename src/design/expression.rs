//! Small questions about slang's expressions that several parts ask: what is behind a conversion, is it a
//! constant, and which symbol a path of selects starts from.

use sv_lang::kinds::{ExpressionKind, SymbolKind};
use sv_lang::{
    BinaryOp, Bit, CaseStatementCondition, ConstantValue, Expression, SVInt, SemNode, Symbol, Type,
    UnaryOp, VariableLifetime,
};

use super::Bits;

/// The expression under conversions that lose nothing.
pub(super) fn strip<'d>(expression: Expression<'d>) -> Expression<'d> {
    let mut inner = expression;
    while inner.kind() == ExpressionKind::Conversion {
        let Some(operand) = inner.conversion_operand() else {
            break;
        };
        if width(operand) > width(inner) {
            break;
        }
        inner = operand;
    }
    inner
}

/// Bits of the expression's type; 0 where it has none that is integral.
pub(super) fn width(expression: Expression<'_>) -> u64 {
    expression.expr_type().map_or(0, |ty| ty.bit_width())
}

/// The value, if it is an integer known before simulation.
pub(super) fn constant(expression: Expression<'_>) -> Option<SVInt> {
    match expression.constant_value()? {
        ConstantValue::Integer(value) => Some(value),
        _ => None,
    }
}

/// Whether the expression's value is known before simulation.
pub(super) fn is_constant(expression: Expression<'_>) -> bool {
    expression.constant_value().is_some_and(|value| !matches!(value, ConstantValue::Bad))
}

/// Constant expressions whose value slang may give otherwise than the language. slang 12 makes x of `==?`, `!=?` and `inside` whose
/// left side has an unknown bit though known bits differ, against IEEE 1800-2017, 11.4.6; two bits of a variable of one that `++` or
/// `--` behind it counts, against 11.4.2; a number of `$clog2` of unknown bits, of which the standard says nothing, where what is
/// computed later gives x; and what the first call gives of a function whose static variables hold what the call before left
/// (6.21, 13.4.2), as is right where a constant is needed alone (13.4.3). What slang needs itself (parameters, ranges, conditions of
/// generate blocks) stays as it is.
#[derive(Default)]
pub(super) struct Misfolded<'d> {
    /// What was found of functions.
    functions: Vec<(Symbol<'d>, bool)>,
}

/// Functions that a function may reach; where there are more, it counts as misfolded.
const REACHED_MAX: usize = 256;

impl<'d> Misfolded<'d> {
    /// Whether this may be one.
    pub(super) fn has(&mut self, at: Expression<'d>) -> bool {
        let mut called = Vec::new();
        misfolds(at.as_sem_node(), &mut called)
            || called.into_iter().any(|function| self.has_function(function))
    }

    fn has_function(&mut self, function: Symbol<'d>) -> bool {
        if let Some(&(_, found)) = self.functions.iter().find(|(known, _)| *known == function) {
            return found;
        }
        // Each function that is reached is looked at once, however often it is called and by whom.
        let mut reached = vec![function];
        let mut at = 0;
        let mut found = false;
        while let Some(reaching) = reached.get(at).copied().filter(|_| !found) {
            found = reaching.body().is_none_or(|body| {
                misfolds(body.as_sem_node(), &mut reached)
                    || has_static(reaching, body.as_sem_node())
            }) || reached.len() > REACHED_MAX;
            at += 1;
        }
        self.functions.push((function, found));
        found
    }
}

/// Whether code has something of the kind in itself; functions that it calls are added to those that are reached.
fn misfolds<'d>(code: SemNode<'d>, reached: &mut Vec<Symbol<'d>>) -> bool {
    use BinaryOp::{WildcardEquality, WildcardInequality};
    use UnaryOp::{Postdecrement, Postincrement};
    let is_unknown = |at: Expression<'d>| constant(at).is_none_or(|value| value.has_unknown());
    Walk::new(code).any(|node| match (node.as_expression(), node.as_statement()) {
        (_, Some(at)) => at.case_condition() == Some(CaseStatementCondition::Inside),
        (Some(at), _) => match at.kind() {
            ExpressionKind::BinaryOp => {
                matches!(at.binary_op(), Some(WildcardEquality | WildcardInequality))
                    && at.left().is_none_or(is_unknown)
            }
            ExpressionKind::Inside => at.inside_left().is_none_or(is_unknown),
            ExpressionKind::UnaryOp => {
                matches!(at.unary_op(), Some(Postincrement | Postdecrement)) && width(at) == 1
            }
            ExpressionKind::Call => match at.call_subroutine() {
                Some(function) => {
                    if reached.len() <= REACHED_MAX && !reached.contains(&function) {
                        reached.push(function);
                    }
                    false
                }
                None => {
                    at.call_subroutine_name().as_deref() == Some("$clog2")
                        && at.operands().into_iter().any(is_unknown)
                }
            },
            _ => false,
        },
        _ => false,
    })
}

/// Whether a function has variables of its own that outlive a call.
fn has_static<'d>(function: Symbol<'d>, body: SemNode<'d>) -> bool {
    let arguments: Vec<Symbol<'d>> = function.subroutine_arguments().collect();
    let result = function.subroutine_return_val_var();
    let is_static = |symbol: Symbol<'d>| {
        symbol.kind() == SymbolKind::Variable
            && symbol.variable_lifetime() == VariableLifetime::Static
            && Some(symbol) != result
            && !arguments.contains(&symbol)
    };
    let blocks = Walk::new(body).filter_map(|node| node.as_statement()?.block_symbol());
    std::iter::once(function).chain(blocks).any(|scope| scope.members().any(is_static))
}

/// A node and all below it, each before those below it.
pub(super) struct Walk<'d>(Vec<SemNode<'d>>);

impl<'d> Walk<'d> {
    pub(super) fn new(node: SemNode<'d>) -> Walk<'d> {
        Walk(vec![node])
    }
}

impl<'d> Iterator for Walk<'d> {
    type Item = SemNode<'d>;

    fn next(&mut self) -> Option<SemNode<'d>> {
        let node = self.0.pop()?;
        self.0.extend(node.children().into_iter().rev());
        Some(node)
    }
}

/// The symbol that a select, member or plain name starts from; `None` for a concatenation and the like.
pub(super) fn root<'d>(path: Expression<'d>) -> Option<Symbol<'d>> {
    let mut path = path;
    loop {
        match path.kind() {
            ExpressionKind::NamedValue | ExpressionKind::HierarchicalValue => {
                return path.referenced_symbol();
            }
            ExpressionKind::ElementSelect | ExpressionKind::RangeSelect => {
                path = path.select_value()?
            }
            ExpressionKind::MemberAccess => path = path.operands().into_iter().next()?,
            ExpressionKind::Conversion => path = path.conversion_operand()?,
            _ => return None,
        }
    }
}

/// Whether the expression is a plain name.
pub(super) fn is_name(expression: Expression<'_>) -> bool {
    matches!(expression.kind(), ExpressionKind::NamedValue | ExpressionKind::HierarchicalValue)
}

/// Whether the operator compares its operands.
pub(super) fn compares(operator: BinaryOp) -> bool {
    use BinaryOp::{
        CaseEquality, CaseInequality, Equality, GreaterThan, GreaterThanEqual, Inequality,
        LessThan, LessThanEqual, WildcardEquality, WildcardInequality,
    };
    matches!(
        operator,
        Equality
            | Inequality
            | CaseEquality
            | CaseInequality
            | WildcardEquality
            | WildcardInequality
            | LessThan
            | LessThanEqual
            | GreaterThan
            | GreaterThanEqual
    )
}

/// The lowest and highest index of a type that can be indexed with a fixed range.
pub(super) fn index_range(ty: Type<'_>) -> Option<(i64, i64)> {
    let ty = ty.canonical();
    ty.has_fixed_range().then(|| {
        let range = ty.fixed_range();
        (i64::from(range.left.min(range.right)), i64::from(range.left.max(range.right)))
    })
}

/// The position of a constant select's lowest bit in the vector that it selects from.
pub(super) fn lowest_bit(select: Expression<'_>) -> Option<u64> {
    let base = select.select_value()?.expr_type()?.canonical();
    if !base.is_integral() {
        return None;
    }
    let range = base.fixed_range();
    let element = base.bit_width() / u64::from(range.width()).max(1);
    let number = |index: Expression<'_>| constant(index)?.as_i64();
    let at = |index: i64| u64::try_from(range.translate_index(i32::try_from(index).ok()?)).ok();
    if select.kind() == ExpressionKind::ElementSelect {
        return Some(at(number(select.selector()?)?)? * element);
    }
    let (left, right) = (number(select.range_left()?)?, number(select.range_right()?)?);
    // `[left:right]`, `[left +: right]` or `[left -: right]`.
    let last = match select.range_selection_kind()? {
        0 => right,
        1 => left.checked_add(right)?.checked_sub(1)?,
        _ => left.checked_sub(right)?.checked_add(1)?,
    };
    let lowest = at(left)?.min(at(last)?);
    Some(lowest * element)
}

/// A value as plain bits of a given width, with `unknown` in place of x and z; `None` if it does not fit.
pub(super) fn to_bits(value: &SVInt, width: u64, unknown: bool) -> Option<Bits> {
    let negative = value.is_signed() && value.bits().last() == Some(&Bit::One);
    let mut words = vec![0_u64; usize::try_from(width.div_ceil(64)).ok()?];
    for (index, bit) in value.bits().iter().enumerate() {
        let set = match bit {
            Bit::Zero => false,
            Bit::One => true,
            _ => unknown,
        };
        if index as u64 >= width {
            if set != negative {
                return None;
            }
        } else if set {
            words[index / 64] |= 1 << (index % 64);
        }
    }
    if negative {
        for index in value.bits().len() as u64..width {
            words[(index / 64) as usize] |= 1 << (index % 64);
        }
    }
    Some(Bits { width: u32::try_from(width).ok()?, words })
}
