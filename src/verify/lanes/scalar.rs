//! The operations on one lane: what they mean, for operands of any width.
//!
//! Wide arithmetic and what is rare is run by this; what is frequent has a form for all lanes at once (`narrow`,
//! `vector`) that gives the same. Operands stand in `x` in the order of the operation's fields; the result has its
//! width already and is 0.

use super::number::{Number, bits_at, copy_bits, limb_mask};
use super::whole;
use crate::design::program::{Net, OpKind};

/// Computes one operation. [`OpKind::Read`] and [`OpKind::Concat`] are not among them: they need more than three
/// numbers.
pub(super) fn evaluate(kind: &OpKind, x: &[Number; 3], out: &mut Number) {
    use OpKind as K;
    let [a, b, _] = x;
    match *kind {
        K::Extend { signed, .. } => extend(a, signed, out),
        K::Slice { lsb, .. } => move_bits(out, 0, a, lsb, out.width),
        K::Select { .. } => select(a, b.index(), out),
        K::Not(_) => each(out, |i| (!a.value[i] & !a.unknown[i], a.unknown[i])),
        K::ReduceAnd(_) => out.set_bool(all(a)),
        K::ReduceOr(_) => out.set_bool(any(a)),
        K::ReduceXor(_) => {
            out.set_bool((!a.is_unknown()).then(|| ones(&a.value) % 2 == 1));
        }
        K::And(..) => each(out, |i| and((a.value[i], a.unknown[i]), (b.value[i], b.unknown[i]))),
        K::Or(..) => each(out, |i| or((a.value[i], a.unknown[i]), (b.value[i], b.unknown[i]))),
        K::Xor(..) => each(out, |i| {
            let unknown = a.unknown[i] | b.unknown[i];
            ((a.value[i] ^ b.value[i]) & !unknown, unknown)
        }),
        K::ShiftLeft(..) => shift_left(a, b, out),
        K::ShiftRight(..) => shift_right(a, b, false, out),
        K::ShiftRightSigned(..) => shift_right(a, b, true, out),
        K::Equal(..) => out.set_bool(equal(a, b)),
        K::Same(..) => out.set_bool(Some(a.value == b.value && a.unknown == b.unknown)),
        K::Matches(..) => out.set_bool(matches(a, b)),
        K::CaseMatches { unknown, .. } => out.set_bool(Some(case_matches(a, b, unknown))),
        K::Mux { .. } => mux(&x[0], &x[1], &x[2], out),
        K::Known(_) => each(out, |i| (a.value[i] & !a.unknown[i], 0)),
        K::IsUnknown(_) => out.set_bool(Some(a.is_unknown())),
        K::CountOnes(_) => {
            let count = (0..a.value.len()).map(|i| a.value[i] & !a.unknown[i]);
            out.value[0] = count.map(|word| u64::from(word.count_ones())).sum();
            out.trim();
        }
        K::Resolve { net, .. } => {
            each(out, |i| resolve(net, (a.value[i], a.unknown[i]), (b.value[i], b.unknown[i])));
        }
        K::Pull { one, .. } => each(out, |i| {
            let z = a.value[i] & a.unknown[i];
            (if one { a.value[i] } else { a.value[i] & !z }, a.unknown[i] & !z)
        }),
        K::Gate { .. } => {
            let bit = |number: &Number| (number.value[0], number.unknown[0]);
            each(out, |_| gate(bit(a), bit(b)));
        }
        _ => arithmetic(kind, x, out),
    }
}

/// What is x as a whole where any operand bit is.
fn arithmetic(kind: &OpKind, x: &[Number; 3], out: &mut Number) {
    use OpKind as K;
    let [a, b, _] = x;
    let is_unary = matches!(kind, K::Negate(_) | K::CeilLog2(_));
    if a.is_unknown() || !is_unary && b.is_unknown() {
        return out.fill_unknown();
    }
    match *kind {
        K::Negate(_) => {
            out.value.copy_from_slice(&a.value);
            whole::negate(&mut out.value);
        }
        K::CeilLog2(_) => out.value[0] = whole::ceil_log2(&a.value),
        K::Add(..) => whole::add(&a.value, &b.value, false, &mut out.value),
        K::Subtract(..) => whole::subtract(&a.value, &b.value, &mut out.value),
        K::Multiply(..) => whole::multiply(&a.value, &b.value, &mut out.value),
        K::Less { signed, .. } => out.set_bool(Some(less(a, b, signed))),
        K::Divide { signed, .. } => divide(a, b, signed, false, out),
        K::Remainder { signed, .. } => divide(a, b, signed, true, out),
        K::Power { base_signed, exponent_signed, .. } => {
            power(a, b, base_signed, exponent_signed, out);
        }
        _ => unreachable!("an operation that has its own rule for unknown bits"),
    }
    out.trim();
}

fn each(out: &mut Number, bits: impl Fn(usize) -> (u64, u64)) {
    for i in 0..out.value.len() {
        (out.value[i], out.unknown[i]) = bits(i);
    }
    out.trim();
}

/// AND of four values, word by word.
pub(super) fn and((a, x): (u64, u64), (b, y): (u64, u64)) -> (u64, u64) {
    let unknown = (x | y) & (a | x) & (b | y);
    (a & b & !(x | y), unknown)
}

/// OR of four values, word by word.
pub(super) fn or((a, x): (u64, u64), (b, y): (u64, u64)) -> (u64, u64) {
    let one = a & !x | b & !y;
    (one, (x | y) & !one)
}

/// What two drivers make of a net, word by word.
pub(super) fn resolve(net: Net, (a, x): (u64, u64), (b, y): (u64, u64)) -> (u64, u64) {
    let (a_is_z, b_is_z) = (a & x, b & y);
    let (one, unknown) = match net {
        Net::Wire => {
            let unknown = x | y | (a ^ b);
            (a & b & !unknown, unknown)
        }
        Net::And => and((a, x), (b, y)),
        Net::Or => or((a, x), (b, y)),
    };
    let both = !a_is_z & !b_is_z;
    (one & both | a_is_z & b | b_is_z & a, unknown & both | a_is_z & y | b_is_z & x)
}

/// A gate that lets one bit through.
pub(super) fn gate((a, x): (u64, u64), (b, y): (u64, u64)) -> (u64, u64) {
    let open = b & !y;
    let closed = !b & !y;
    ((a & !x & open | closed) & 1, (x & open | closed | y) & 1)
}

fn move_bits(out: &mut Number, to: u32, a: &Number, from: u32, count: u32) {
    copy_bits(&mut out.value, to, &a.value, from, count);
    copy_bits(&mut out.unknown, to, &a.unknown, from, count);
}

/// Puts an operand at a place of the result: a piece of a concatenation.
pub(super) fn place(out: &mut Number, at: u32, piece: &Number) {
    move_bits(out, at, piece, 0, piece.width);
}

fn extend(a: &Number, signed: bool, out: &mut Number) {
    move_bits(out, 0, a, 0, a.width.min(out.width));
    if signed && out.width > a.width {
        for (to, from) in [(&mut out.value, &a.value), (&mut out.unknown, &a.unknown)] {
            if bits_at(from, a.width - 1) & 1 == 1 {
                let ones = vec![!0; to.len()];
                copy_bits(to, a.width, &ones, 0, out.width - a.width);
            }
        }
    }
}

/// The part of `width` bits from `offset` that lies within `bounds` bits: first bit there, first bit of the part,
/// count.
pub(super) fn overlap(offset: i64, width: u32, bounds: u32) -> Option<(u32, u32, u32)> {
    let first = offset.max(0);
    let end = offset.saturating_add(i64::from(width)).min(i64::from(bounds));
    (first < end).then(|| (first as u32, (first - offset) as u32, (end - first) as u32))
}

fn select(a: &Number, offset: Option<i64>, out: &mut Number) {
    out.fill_unknown();
    let part = offset.and_then(|offset| overlap(offset, out.width, a.width));
    if let Some((from, to, count)) = part {
        move_bits(out, to, a, from, count);
    }
}

fn all(a: &Number) -> Option<bool> {
    let is_full = |i: usize| a.value[i] | a.unknown[i] == limb_mask(a.width, i);
    if !(0..a.value.len()).all(is_full) {
        return Some(false);
    }
    (!a.is_unknown()).then_some(true)
}

fn any(a: &Number) -> Option<bool> {
    if (0..a.value.len()).any(|i| a.value[i] & !a.unknown[i] != 0) {
        return Some(true);
    }
    (!a.is_unknown()).then_some(false)
}

fn ones(plane: &[u64]) -> u32 {
    plane.iter().map(|word| word.count_ones()).sum()
}

fn shift_left(a: &Number, b: &Number, out: &mut Number) {
    if b.is_unknown() {
        return out.fill_unknown();
    }
    if let Some(by) = b.below(a.width) {
        move_bits(out, by, a, 0, a.width - by);
    }
}

fn shift_right(a: &Number, b: &Number, signed: bool, out: &mut Number) {
    if b.is_unknown() {
        return out.fill_unknown();
    }
    let by = b.below(a.width).unwrap_or(a.width);
    move_bits(out, 0, a, by, a.width - by);
    if signed {
        let top = a.width - 1;
        let fill = Number {
            value: vec![0u64.wrapping_sub(bits_at(&a.value, top) & 1); a.value.len()],
            unknown: vec![0u64.wrapping_sub(bits_at(&a.unknown, top) & 1); a.value.len()],
            width: a.width,
        };
        move_bits(out, a.width - by, &fill, 0, by);
    }
}

fn equal(a: &Number, b: &Number) -> Option<bool> {
    let differ = |i: usize| (a.value[i] ^ b.value[i]) & !(a.unknown[i] | b.unknown[i]) != 0;
    if (0..a.value.len()).any(differ) {
        return Some(false);
    }
    (!a.is_unknown() && !b.is_unknown()).then_some(true)
}

fn matches(a: &Number, b: &Number) -> Option<bool> {
    let differ = |i: usize| (a.value[i] ^ b.value[i]) & !a.unknown[i] & !b.unknown[i] != 0;
    if (0..a.value.len()).any(differ) {
        return Some(false);
    }
    let is_open = |i: usize| a.unknown[i] & !b.unknown[i] != 0;
    (!(0..a.value.len()).any(is_open)).then_some(true)
}

fn case_matches(a: &Number, b: &Number, unknown: bool) -> bool {
    (0..a.value.len()).all(|i| {
        let (x, y) = (a.unknown[i], b.unknown[i]);
        let any = if unknown { x | y } else { a.value[i] & x | b.value[i] & y };
        ((a.value[i] ^ b.value[i]) | (x ^ y)) & !any == 0
    })
}

fn mux(condition: &Number, a: &Number, b: &Number, out: &mut Number) {
    let chosen = match (condition.unknown[0] & 1, condition.value[0] & 1) {
        (0, 1) => a,
        (0, _) => b,
        _ => {
            return each(out, |i| {
                let unknown = a.unknown[i] | b.unknown[i] | (a.value[i] ^ b.value[i]);
                (a.value[i] & !unknown, unknown)
            });
        }
    };
    place(out, 0, chosen);
}

fn less(a: &Number, b: &Number, signed: bool) -> bool {
    if signed && a.sign() != b.sign() {
        return a.sign();
    }
    whole::less(&a.value, &b.value)
}

/// A number's size, and whether it is below 0.
fn magnitude(a: &Number, signed: bool) -> (Vec<u64>, bool) {
    let mut words = a.value.clone();
    let is_negative = signed && a.sign();
    if is_negative {
        whole::negate(&mut words);
        let top = words.len() - 1;
        words[top] &= limb_mask(a.width, top);
    }
    (words, is_negative)
}

fn divide(a: &Number, b: &Number, signed: bool, remainder: bool, out: &mut Number) {
    if b.is_zero() {
        return out.fill_unknown();
    }
    let ((n, n_negative), (d, d_negative)) = (magnitude(a, signed), magnitude(b, signed));
    let (quotient, rest) = whole::divide(&n, &d);
    let (result, is_negative) =
        if remainder { (rest, n_negative) } else { (quotient, n_negative != d_negative) };
    out.value.copy_from_slice(&result);
    if is_negative {
        whole::negate(&mut out.value);
    }
}

/// IEEE 1800-2017, table 11-4.
fn power(a: &Number, b: &Number, base_signed: bool, exponent_signed: bool, out: &mut Number) {
    let (exponent, is_negative) = magnitude(b, exponent_signed);
    if !is_negative {
        return whole::power(&a.value, &exponent, &mut out.value);
    }
    let is_one = a.value[0] == 1 && a.value[1..].iter().all(|&word| word == 0);
    let is_minus_one = base_signed && ones(&a.value) == a.width;
    if a.is_zero() {
        out.fill_unknown();
    } else if is_minus_one && exponent[0] % 2 == 1 {
        out.value.copy_from_slice(&a.value);
    } else if is_minus_one || is_one {
        out.value[0] = 1;
    }
}
