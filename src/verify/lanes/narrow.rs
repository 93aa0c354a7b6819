//! Operations on values of one cell, in all lanes at once: on known ones, which have their own instructions, and on
//! those of four states.

use super::code::{Four, One, Operation, Two};
use super::engine::Word;
use super::number::limb_mask;
use super::scalar;
use crate::design::program::Net;

/// A known result of one operand.
#[inline(always)]
pub(super) fn unary<const L: usize>(
    cells: &mut [Word<L>],
    One { dst, a }: One,
    compute: impl Fn(u64) -> u64,
) {
    let (operands, results) = cells.split_at_mut(dst as usize);
    let (a, out) = (&operands[a as usize].value, &mut results[0].value);
    for lane in 0..L {
        out[lane] = compute(a[lane]);
    }
}

/// A known result of two operands.
#[inline(always)]
pub(super) fn binary<const L: usize>(
    cells: &mut [Word<L>],
    Two { dst, a, b }: Two,
    compute: impl Fn(u64, u64) -> u64,
) {
    let (operands, results) = cells.split_at_mut(dst as usize);
    let (a, b) = (&operands[a as usize].value, &operands[b as usize].value);
    let out = &mut results[0].value;
    for lane in 0..L {
        out[lane] = compute(a[lane], b[lane]);
    }
}

/// A known result of a condition and two operands.
#[inline(always)]
pub(super) fn mux<const L: usize>(cells: &mut [Word<L>], Two { dst, a, b }: Two, c: u32) {
    let (operands, results) = cells.split_at_mut(dst as usize);
    let [c, a, b] = [c, a, b].map(|cell| &operands[cell as usize].value);
    let out = &mut results[0].value;
    for lane in 0..L {
        let chosen = 0u64.wrapping_sub(c[lane] & 1);
        out[lane] = b[lane] ^ (a[lane] ^ b[lane]) & chosen;
    }
}

/// Fills from bit `63 - shift` upwards.
#[inline(always)]
pub(super) fn fill(a: u64, shift: u8) -> u64 {
    ((a << (shift & 63)).cast_signed() >> (shift & 63)).cast_unsigned()
}

#[inline(always)]
pub(super) fn ones(a: u64) -> u64 {
    a.count_ones().into()
}

#[inline(always)]
pub(super) fn plus(a: u64, number: u64, width: u8) -> u64 {
    a.wrapping_add(number) & !0 >> ((64 - width) & 63)
}

#[inline(always)]
pub(super) fn left(a: u64, by: u64) -> u64 {
    if by < 64 { a << by } else { 0 }
}

#[inline(always)]
pub(super) fn right(a: u64, by: u64) -> u64 {
    if by < 64 { a >> by } else { 0 }
}

/// `shift` is 64 less the width, as in the next one.
#[inline(always)]
pub(super) fn right_signed(a: u64, by: u64, shift: u8) -> u64 {
    (fill(a, shift).cast_signed() >> by.min(63)).cast_unsigned() & !0 >> (shift & 63)
}

#[inline(always)]
pub(super) fn less_signed(a: u64, b: u64, shift: u8) -> u64 {
    u64::from((a << (shift & 63)).cast_signed() < (b << (shift & 63)).cast_signed())
}

/// One operand of four states, in one lane: value and unknown plane.
type Bits = (u64, u64);

/// Computes it; in lanes that are not in `lanes` the result is read by nobody.
#[inline(never)]
pub(super) fn four<const L: usize>(cells: &mut [Word<L>], op: Operation, lanes: u64) {
    use Four as F;
    let mask = limb_mask(op.width.into(), 0);
    let shift = u32::from(op.shift);
    match op.what {
        F::Slice => one(cells, op, |(a, x)| (a >> shift & mask, x >> shift & mask)),
        F::SignExtend => {
            one(cells, op, |(a, x)| (sign(a, shift) as u64 & mask, sign(x, shift) as u64 & mask));
        }
        F::Join => two(cells, op, |(a, x), (b, y)| (a << shift | b, x << shift | y)),
        F::Select => {
            let offset_width = op.operands[2];
            let shared = cells[op.operands[1] as usize].shared(lanes);
            if let Some(by) = shared.map(|by| sign(by, offset_width))
                && (0..=i64::from(shift) - i64::from(op.width)).contains(&by)
            {
                return one(cells, op, |(a, x)| (a >> by & mask, x >> by & mask));
            }
            two(cells, op, |a, b| select(a, shift, b, offset_width, mask));
        }
        F::Not => one(cells, op, |(a, x)| (!a & !x & mask, x)),
        F::And => two(cells, op, scalar::and),
        F::Or => two(cells, op, scalar::or),
        F::Xor => two(cells, op, |(a, x), (b, y)| ((a ^ b) & !(x | y), x | y)),
        F::Mux => three(cells, op, choose),
        F::Known => one(cells, op, |(a, x)| (a & !x, 0)),
        F::ResolveWire => two(cells, op, |a, b| scalar::resolve(Net::Wire, a, b)),
        F::ResolveAnd => two(cells, op, |a, b| scalar::resolve(Net::And, a, b)),
        F::ResolveOr => two(cells, op, |a, b| scalar::resolve(Net::Or, a, b)),
        F::Pull0 => one(cells, op, |(a, x)| (a & !(a & x), x & !(a & x))),
        F::Pull1 => one(cells, op, |(a, x)| (a, x & !(a & x))),
        F::Gate => two(cells, op, scalar::gate),
        F::ShiftLeft => two(cells, op, |a, b| {
            shifted(a, b, mask, |plane, by| plane.checked_shl(by).unwrap_or(0) & mask)
        }),
        F::ShiftRight => two(cells, op, |a, b| {
            shifted(a, b, mask, |plane, by| plane.checked_shr(by).unwrap_or(0))
        }),
        F::ShiftRightSigned => two(cells, op, |a, b| {
            let by_width = u32::from(op.width);
            shifted(a, b, mask, |plane, by| (sign(plane, by_width) >> by.min(63)) as u64 & mask)
        }),
        F::Divide => quotient(cells, op, (mask, lanes), u64::checked_div),
        F::Remainder => quotient(cells, op, (mask, lanes), u64::checked_rem),
        F::DivideSigned => quotient(cells, op, (mask, lanes), |a, b| {
            let width = u32::from(op.width);
            (b != 0).then(|| sign(a, width).wrapping_div(sign(b, width)).cast_unsigned())
        }),
        F::RemainderSigned => quotient(cells, op, (mask, lanes), |a, b| {
            let width = u32::from(op.width);
            (b != 0).then(|| sign(a, width).wrapping_rem(sign(b, width)).cast_unsigned())
        }),
        _ => truth_or_whole(cells, op, mask),
    }
}

/// Results of one bit, and those that are x as a whole.
fn truth_or_whole<const L: usize>(cells: &mut [Word<L>], op: Operation, mask: u64) {
    use Four as F;
    let width = u32::from(op.width);
    match op.what {
        F::ReduceAnd => one(cells, op, |(a, x)| truth((a | x) != mask, x != 0, true)),
        F::ReduceOr => one(cells, op, |(a, x)| truth((a & !x) != 0, x != 0, false)),
        F::ReduceXor => one(cells, op, |(a, x)| {
            let unknown = u64::from(x != 0);
            (u64::from(a.count_ones() & 1) & !unknown, unknown)
        }),
        F::Equal => {
            two(cells, op, |(a, x), (b, y)| truth((a ^ b) & !(x | y) != 0, x | y != 0, true))
        }
        F::Matches => {
            two(cells, op, |(a, x), (b, y)| truth((a ^ b) & !(x | y) != 0, x & !y != 0, true))
        }
        F::Same => two(cells, op, |(a, x), (b, y)| (u64::from(a == b && x == y), 0)),
        F::CaseMatchesZ => two(cells, op, |(a, x), (b, y)| {
            let any = a & x | b & y;
            (u64::from(((a ^ b) | (x ^ y)) & !any == 0), 0)
        }),
        F::CaseMatchesAny => {
            two(cells, op, |(a, x), (b, y)| (u64::from((a ^ b) & !(x | y) == 0), 0));
        }
        F::IsUnknown => one(cells, op, |(_, x)| (u64::from(x != 0), 0)),
        F::CountOnes => one(cells, op, |(a, x)| (u64::from((a & !x).count_ones()) & mask, 0)),
        F::Less => whole(cells, op, 1, |a, b| Some(u64::from(a < b))),
        F::LessSigned => {
            whole(cells, op, 1, |a, b| Some(u64::from(sign(a, width) < sign(b, width))));
        }
        F::Negate => {
            one(cells, op, |(a, x)| if x == 0 { (a.wrapping_neg() & mask, 0) } else { (0, mask) })
        }
        F::Add => whole(cells, op, mask, |a, b| Some(a.wrapping_add(b))),
        F::Subtract => whole(cells, op, mask, |a, b| Some(a.wrapping_sub(b))),
        F::Multiply => whole(cells, op, mask, |a, b| Some(a.wrapping_mul(b))),
        _ => unreachable!("is among those of `four`"),
    }
}

#[inline(always)]
fn one<const L: usize>(cells: &mut [Word<L>], op: Operation, compute: impl Fn(Bits) -> Bits) {
    let (operands, results) = cells.split_at_mut(op.dst as usize);
    let (a, out) = (&operands[op.operands[0] as usize], &mut results[0]);
    for lane in 0..L {
        (out.value[lane], out.unknown[lane]) = compute((a.value[lane], a.unknown[lane]));
    }
}

#[inline(always)]
fn two<const L: usize>(cells: &mut [Word<L>], op: Operation, compute: impl Fn(Bits, Bits) -> Bits) {
    let (operands, results) = cells.split_at_mut(op.dst as usize);
    let (a, b) = (&operands[op.operands[0] as usize], &operands[op.operands[1] as usize]);
    let out = &mut results[0];
    for lane in 0..L {
        (out.value[lane], out.unknown[lane]) =
            compute((a.value[lane], a.unknown[lane]), (b.value[lane], b.unknown[lane]));
    }
}

#[inline(always)]
fn three<const L: usize>(
    cells: &mut [Word<L>],
    op: Operation,
    compute: impl Fn(Bits, Bits, Bits) -> Bits,
) {
    let (operands, results) = cells.split_at_mut(op.dst as usize);
    let [a, b, c] = op.operands.map(|cell| &operands[cell as usize]);
    let out = &mut results[0];
    for lane in 0..L {
        let bits = |word: &Word<L>| (word.value[lane], word.unknown[lane]);
        (out.value[lane], out.unknown[lane]) = compute(bits(a), bits(b), bits(c));
    }
}

/// All x where an operand bit is unknown, or where there is no result.
#[inline(always)]
fn whole<const L: usize>(
    cells: &mut [Word<L>],
    op: Operation,
    mask: u64,
    compute: impl Fn(u64, u64) -> Option<u64>,
) {
    two(cells, op, |(a, x), (b, y)| match compute(a, b) {
        Some(result) if x | y == 0 => (result & mask, 0),
        _ => (0, mask),
    });
}

/// The same of a division, which is done once where all of these lanes have the same one.
#[inline(always)]
fn quotient<const L: usize>(
    cells: &mut [Word<L>],
    op: Operation,
    (mask, lanes): (u64, u64),
    compute: impl Fn(u64, u64) -> Option<u64>,
) {
    let [a, b] = [0, 1].map(|at| cells[op.operands[at] as usize].shared(lanes));
    match (a, b) {
        (Some(a), Some(b)) => {
            let (value, unknown) = compute(a, b).map_or((0, mask), |quotient| (quotient & mask, 0));
            cells[op.dst as usize] = Word::all(value, unknown);
        }
        _ => whole(cells, op, mask, compute),
    }
}

/// A bit that is decided (as the opposite of `otherwise`), or unknown, or `otherwise`.
#[inline(always)]
fn truth(is_decided: bool, is_unknown: bool, otherwise: bool) -> Bits {
    let unknown = u64::from(!is_decided & is_unknown);
    let value = u64::from(is_decided != otherwise);
    (value & !unknown, unknown)
}

/// As a signed number of so many bits.
#[inline(always)]
pub(super) fn sign(a: u64, width: u32) -> i64 {
    (a << (64 - width)).cast_signed() >> (64 - width)
}

#[inline(always)]
fn shifted((a, x): Bits, (by, y): Bits, mask: u64, shift: impl Fn(u64, u32) -> u64) -> Bits {
    if y != 0 {
        return (0, mask);
    }
    let by = by.min(64) as u32;
    (shift(a, by), shift(x, by))
}

fn select((a, x): Bits, width: u32, (by, y): Bits, by_width: u32, mask: u64) -> Bits {
    let there = limb_mask(width, 0);
    // Of each plane the bits that exist; what does not is x.
    let (a, x, there) = match (y, sign(by, by_width)) {
        (0, by @ 0..64) => (a >> by, x >> by, there >> by),
        (0, by @ -63..0) => (a << -by, x << -by, there << -by),
        _ => (0, 0, 0),
    };
    (a & mask, (x | !there) & mask)
}

/// The operand that a condition chooses, or what both have in common.
fn choose((c, z): Bits, (a, x): Bits, (b, y): Bits) -> Bits {
    match (z & 1, c & 1) {
        (0, 1) => (a, x),
        (0, _) => (b, y),
        _ => {
            let unknown = x | y | (a ^ b);
            (a & !unknown, unknown)
        }
    }
}
