//! How large a number a result can be, where it is sure not to be negative: so a select is known to stay within its operand
//! (`row * 16 + column`, `i % 16`, an index that was extended), and what it gives is known where its operands are.

use crate::design::program::{Op, OpKind, Program, Slot};

/// The largest number of an operation's result, read as a signed one of its width, if it cannot be negative and has at most 64
/// bits; `of` says the same of its operands.
pub(super) fn largest(program: &Program, op: &Op, of: impl Fn(Slot) -> Option<u64>) -> Option<u64> {
    use OpKind as K;
    let width_of = |slot: Slot| program.widths[slot as usize];
    let width = width_of(op.dst);
    // Of an operand that may be negative the bits alone count.
    let plain = |slot: Slot| of(slot).or_else(|| below(width_of(slot)));
    let largest = match op.kind {
        K::Extend { a, signed } => of(a).or_else(|| below(width_of(a)).filter(|_| !signed)),
        K::Slice { a, lsb } => of(a).map(|a| a.checked_shr(lsb).unwrap_or(0)),
        K::Concat(ref pieces) => pieces.iter().try_fold(0_u64, |high, &piece| {
            let high = high.checked_mul(1_u64.checked_shl(width_of(piece))?)?;
            high.checked_add(plain(piece)?)
        }),
        K::Add(a, b) => of(a)?.checked_add(of(b)?),
        K::Multiply(a, b) => of(a)?.checked_mul(of(b)?),
        K::Divide { a, b, signed } => of(a).filter(|_| !signed || of(b).is_some()),
        // A remainder is smaller than the divisor, and no larger than the dividend.
        K::Remainder { a, b, signed } => match (of(a), of(b)) {
            (Some(a), Some(b)) => Some(a.min(b.saturating_sub(1))),
            (None, Some(b)) if !signed => Some(b.saturating_sub(1)),
            (a, _) => a,
        },
        K::And(a, b) => match (of(a), of(b)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
        K::Or(a, b) | K::Xor(a, b) => below(64 - (of(a)? | of(b)?).leading_zeros()),
        K::Mux { a, b, .. } => Some(of(a)?.max(of(b)?)),
        K::ShiftLeft(a, b) => {
            let by = u32::try_from(of(b)?).ok()?;
            of(a)?.checked_mul(1_u64.checked_shl(by)?)
        }
        K::ShiftRight(a, _) | K::ShiftRightSigned(a, _) | K::Known(a) => of(a),
        K::CountOnes(a) => Some(u64::from(width_of(a))),
        _ => None,
    };
    largest.filter(|&largest| width <= 64 && largest <= below(width - 1).unwrap_or(0))
}

/// The largest number of so many bits, at most 64.
fn below(width: u32) -> Option<u64> {
    (width <= 64).then(|| if width == 0 { 0 } else { !0 >> (64 - width) })
}

#[cfg(test)]
mod tests {
    use super::super::number::Number;
    use super::super::scalar::{evaluate, place};
    use super::{below, largest};
    use crate::design::program::{Op, OpKind, Program};

    const WIDTH: u32 = 4;

    fn number(value: u64, width: u32) -> Number {
        Number { value: vec![value], unknown: vec![0], width }
    }

    fn result(kind: &OpKind, [a, b, c]: [&Number; 3], width: u32) -> Number {
        let mut out = Number::default();
        out.clear(width);
        if let OpKind::Concat(_) = kind {
            place(&mut out, b.width, a);
            place(&mut out, 0, b);
        } else {
            evaluate(kind, &[a.clone(), b.clone(), c.clone()], &mut out);
        }
        out
    }

    /// All values of all operands within all bounds; each bound is reached somewhere or the operation has none there.
    #[test]
    fn no_result_is_larger() {
        use OpKind as K;
        let (a, b, condition) = (1, 2, 3);
        let (signed, unsigned) = (true, false);
        let of_one = [
            K::Extend { a, signed },
            K::Extend { a, signed: unsigned },
            K::Slice { a, lsb: 0 },
            K::Slice { a, lsb: 2 },
            K::Known(a),
            K::CountOnes(a),
        ];
        let of_two = [
            K::Concat(vec![a, b]),
            K::Add(a, b),
            K::Multiply(a, b),
            K::Divide { a, b, signed },
            K::Divide { a, b, signed: unsigned },
            K::Remainder { a, b, signed },
            K::Remainder { a, b, signed: unsigned },
            K::And(a, b),
            K::Or(a, b),
            K::Xor(a, b),
            K::Mux { condition, a, b },
            K::ShiftLeft(a, b),
            K::ShiftRight(a, b),
            K::ShiftRightSigned(a, b),
        ];
        let widths_of = |kind: &OpKind| match kind {
            K::Extend { .. } => vec![2, 3, 5, 7],
            K::Slice { lsb, .. } => vec![1, WIDTH - lsb],
            K::Concat(_) => vec![2 * WIDTH],
            _ => vec![WIDTH],
        };
        let bounds = || (0..8).map(Some).chain([None]);
        let mut seen = 0;
        for kind in of_one.iter().chain(&of_two) {
            for width in widths_of(kind) {
                let widths = vec![width, WIDTH, WIDTH, 1];
                let program = Program { widths, ..Program::default() };
                for (first, second) in bounds().flat_map(|a| bounds().map(move |b| (a, b))) {
                    let op = Op { dst: 0, kind: kind.clone() };
                    let of = |slot| [None, first, second, None][slot as usize];
                    let Some(bound) = largest(&program, &op, of) else { continue };
                    seen += 1;
                    assert!(bound <= below(width - 1).expect("it is narrow"), "{kind:?}");
                    let values = |bound: Option<u64>| 0..=bound.unwrap_or(15);
                    for (x, y) in values(first).flat_map(|x| values(second).map(move |y| (x, y))) {
                        for c in 0..2 {
                            let mut own = [number(x, WIDTH), number(y, WIDTH), number(c, 1)];
                            if matches!(kind, K::Mux { .. }) {
                                own.rotate_right(1);
                            }
                            let [a, b, c] = &own;
                            let result = result(kind, [a, b, c], width);
                            let fits = result.is_unknown() || result.value[0] <= bound;
                            assert!(fits, "{kind:?} {first:?} {second:?}: {x} {y}: {result:?}");
                        }
                    }
                }
            }
        }
        assert!(seen > 700, "{seen} bounds");
    }
}
