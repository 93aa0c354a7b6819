//! Operations on values of several cells that have a form for all lanes at once; the others are done lane by lane.

#![expect(clippy::needless_range_loop, reason = "all loops over lanes are written alike")]

use super::code::{General, Place};
use super::engine::Word;
use super::narrow::sign;
use super::number::{limb_mask, limbs};
use super::scalar;
use super::store::{Chunk, bits_of, chunks};
use crate::design::program::OpKind;

/// Whether an operation has such a form.
pub(super) fn has(kind: &OpKind) -> bool {
    use OpKind as K;
    matches!(
        kind,
        K::Extend { .. }
            | K::Slice { .. }
            | K::Select { .. }
            | K::ShiftLeft(..)
            | K::ShiftRight(..)
            | K::CountOnes(_)
            | K::Less { .. }
            | K::Concat(_)
            | K::Not(_)
            | K::And(..)
            | K::Or(..)
            | K::Xor(..)
            | K::Mux { .. }
            | K::ReduceAnd(_)
            | K::ReduceOr(_)
            | K::ReduceXor(_)
            | K::Equal(..)
            | K::Add(..)
            | K::Subtract(..)
    )
}

/// Computes one; in lanes that are not in `lanes` the result is read by nobody.
#[inline(never)]
pub(super) fn compute<const L: usize>(cells: &mut [Word<L>], op: &General, lanes: u64) {
    use OpKind as K;
    let place = |at: usize| op.operands[at];
    match op.kind {
        K::Extend { signed, .. } => extend(cells, op, signed),
        K::Slice { lsb, .. } => {
            clear(cells, op.dst);
            put(cells, (op.dst, 0), (place(0), lsb), op.dst.width);
        }
        K::Select { .. } => select(cells, op, lanes),
        K::ShiftLeft(..) => shift(cells, op, true),
        K::ShiftRight(..) => shift(cells, op, false),
        K::CountOnes(_) => count_ones(cells, op),
        K::Less { signed, .. } => less(cells, op, signed),
        K::Concat(_) => {
            clear(cells, op.dst);
            let mut at = op.dst.width;
            for &piece in &op.operands {
                at -= piece.width;
                put(cells, (op.dst, at), (piece, 0), piece.width);
            }
        }
        K::Not(_) => {
            each(cells, op, |a, _, mask| (!a.0 & !a.1 & mask, a.1));
        }
        K::And(..) => each(cells, op, |a, b, _| scalar::and(a, b)),
        K::Or(..) => each(cells, op, |a, b, _| scalar::or(a, b)),
        K::Xor(..) => each(cells, op, |a, b, _| ((a.0 ^ b.0) & !(a.1 | b.1), a.1 | b.1)),
        K::Mux { .. } => mux(cells, op),
        K::ReduceAnd(_) => {
            let differs = |a: (u64, u64), _, mask: u64| (a.0 | a.1) ^ mask;
            decide(cells, op, differs, true);
        }
        K::ReduceOr(_) => decide(cells, op, |a, _, _| a.0 & !a.1, false),
        K::Equal(..) => {
            let differs = |a: (u64, u64), b: (u64, u64), _| (a.0 ^ b.0) & !(a.1 | b.1);
            decide(cells, op, differs, true);
        }
        K::ReduceXor(_) => parity(cells, op),
        K::Add(..) => sum(cells, op, false),
        K::Subtract(..) => sum(cells, op, true),
        _ => unreachable!("not among those of `has`"),
    }
}

fn clear<const L: usize>(cells: &mut [Word<L>], place: Place) {
    cells[place.cell as usize..(place.cell + place.limbs) as usize].fill(Word::ZERO);
}

/// ORs `count` bits of an operand into the result, which is 0 there.
fn put<const L: usize>(
    cells: &mut [Word<L>],
    (to, to_bit): (Place, u32),
    (from, from_bit): (Place, u32),
    count: u32,
) {
    let (operands, results) = cells.split_at_mut(to.cell as usize);
    let from = &operands[from.cell as usize..][..from.limbs as usize];
    for Chunk { to, from: part, bits } in chunks((to_bit, from_bit, count)) {
        let (source, out) = (&from[part.0 as usize], &mut results[to.0 as usize]);
        for lane in 0..L {
            out.value[lane] |= (source.value[lane] >> part.1 & bits) << to.1;
            out.unknown[lane] |= (source.unknown[lane] >> part.1 & bits) << to.1;
        }
    }
}

fn extend<const L: usize>(cells: &mut [Word<L>], op: &General, signed: bool) {
    let a = op.operands[0];
    clear(cells, op.dst);
    put(cells, (op.dst, 0), (a, 0), a.width.min(op.dst.width));
    if !signed || a.width >= op.dst.width {
        return;
    }
    let top = cells[(a.cell + a.limbs - 1) as usize];
    let bit = (a.width - 1) % 64;
    for limb in (a.width / 64)..op.dst.limbs {
        let mask = limb_mask(op.dst.width, limb as usize) & !limb_mask(a.width, limb as usize);
        let out = &mut cells[(op.dst.cell + limb) as usize];
        for lane in 0..L {
            out.value[lane] |= 0u64.wrapping_sub(top.value[lane] >> bit & 1) & mask;
            out.unknown[lane] |= 0u64.wrapping_sub(top.unknown[lane] >> bit & 1) & mask;
        }
    }
}

/// Bits from an offset, which may be each lane's own; what does not exist is x.
fn select<const L: usize>(cells: &mut [Word<L>], op: &General, lanes: u64) {
    let [a, offset] = [0, 1].map(|at| op.operands[at]);
    if let Some(at) = cells[offset.cell as usize].shared(lanes) {
        let part = scalar::overlap(sign(at, offset.width), op.dst.width, a.width);
        let (from, to, count) = part.unwrap_or_default();
        for limb in 0..op.dst.limbs {
            let there = limb_mask(to + count, limb as usize) & !limb_mask(to, limb as usize);
            let unknown = limb_mask(op.dst.width, limb as usize) & !there;
            cells[(op.dst.cell + limb) as usize] = Word::all(0, unknown);
        }
        put(cells, (op.dst, to), (a, from), count);
        return;
    }
    let (operands, results) = cells.split_at_mut(op.dst.cell as usize);
    let words = &operands[a.cell as usize..(a.cell + a.limbs) as usize];
    let by = &operands[offset.cell as usize];
    for lane in 0..L {
        let at = sign(by.value[lane], offset.width);
        let is_unknown = by.unknown[lane] != 0;
        for limb in 0..op.dst.limbs {
            let mask = limb_mask(op.dst.width, limb as usize);
            let at = at.saturating_add(i64::from(64 * limb));
            let bits = match u32::try_from(at) {
                _ if is_unknown => (0, !0),
                Ok(at) if at < a.width => {
                    let (value, unknown) = bits_of(words, lane, at);
                    (value, unknown | !limb_mask(a.width - at, 0))
                }
                Err(_) if at > -64 && at < 0 => {
                    let (value, unknown) = bits_of(words, lane, 0);
                    let there = limb_mask(a.width, 0) << -at;
                    (value << -at, unknown << -at | !there)
                }
                _ => (0, !0),
            };
            let out = &mut results[limb as usize];
            (out.value[lane], out.unknown[lane]) = (bits.0 & mask, bits.1 & mask);
        }
    }
}

/// A shift of each lane by a number of its own.
fn shift<const L: usize>(cells: &mut [Word<L>], op: &General, is_left: bool) {
    let (operands, results) = cells.split_at_mut(op.dst.cell as usize);
    let (a, by) = (op.operands[0], op.operands[1]);
    let words = &operands[a.cell as usize..(a.cell + a.limbs) as usize];
    let by = &operands[by.cell as usize..(by.cell + by.limbs) as usize];
    for lane in 0..L {
        let is_unknown = by.iter().any(|word| word.unknown[lane] != 0);
        let is_far = by[1..].iter().any(|word| word.value[lane] != 0)
            || by[0].value[lane] >= u64::from(a.width);
        // Below 2^32, since that is what a width is.
        let by = if is_far { 0 } else { by[0].value[lane] as u32 };
        for limb in 0..op.dst.limbs {
            let mask = limb_mask(op.dst.width, limb as usize);
            let (value, unknown) = match (is_unknown, is_far) {
                (true, _) => (0, !0),
                (_, true) => (0, 0),
                _ if !is_left => bits_of(words, lane, 64 * limb + by),
                _ if 64 * limb >= by => bits_of(words, lane, 64 * limb - by),
                _ if by - 64 * limb < 64 => {
                    let (value, unknown) = bits_of(words, lane, 0);
                    (value << (by - 64 * limb), unknown << (by - 64 * limb))
                }
                _ => (0, 0),
            };
            let out = &mut results[limb as usize];
            (out.value[lane], out.unknown[lane]) = (value & mask, unknown & mask);
        }
    }
}

fn count_ones<const L: usize>(cells: &mut [Word<L>], op: &General) {
    let a = op.operands[0];
    clear(cells, op.dst);
    let (operands, results) = cells.split_at_mut(op.dst.cell as usize);
    for word in &operands[a.cell as usize..(a.cell + a.limbs) as usize] {
        for lane in 0..L {
            results[0].value[lane] +=
                u64::from((word.value[lane] & !word.unknown[lane]).count_ones());
        }
    }
    let mask = limb_mask(op.dst.width, 0);
    results[0].value = results[0].value.map(|count| count & mask);
}

fn less<const L: usize>(cells: &mut [Word<L>], op: &General, signed: bool) {
    let [a, b] = [0, 1].map(|at| op.operands[at]);
    let (mut borrow, mut open) = ([false; L], [0; L]);
    for limb in 0..a.limbs as usize {
        let top =
            if limb + 1 == a.limbs as usize && signed { 1 << ((a.width - 1) % 64) } else { 0 };
        let (a, b) = (&cells[a.cell as usize + limb], &cells[b.cell as usize + limb]);
        for lane in 0..L {
            let (a, b, rest) = (a.value[lane] ^ top, b.value[lane] ^ top, borrow[lane]);
            borrow[lane] = a < b || a == b && rest;
        }
        for lane in 0..L {
            open[lane] |= a.unknown[lane] | b.unknown[lane];
        }
    }
    let out = &mut cells[op.dst.cell as usize];
    for lane in 0..L {
        let unknown = u64::from(open[lane] != 0);
        out.unknown[lane] = unknown;
        out.value[lane] = u64::from(borrow[lane]) & !unknown;
    }
}

/// Limb by limb, each result from the operands' same limb.
#[inline(always)]
fn each<const L: usize>(
    cells: &mut [Word<L>],
    op: &General,
    compute: impl Fn((u64, u64), (u64, u64), u64) -> (u64, u64),
) {
    let (operands, results) = cells.split_at_mut(op.dst.cell as usize);
    let (a, b) = (op.operands[0], op.operands[op.operands.len() - 1]);
    for limb in 0..op.dst.limbs as usize {
        let mask = limb_mask(op.dst.width, limb);
        let (a, b) = (&operands[a.cell as usize + limb], &operands[b.cell as usize + limb]);
        let out = &mut results[limb];
        for lane in 0..L {
            let (a, b) = ((a.value[lane], a.unknown[lane]), (b.value[lane], b.unknown[lane]));
            (out.value[lane], out.unknown[lane]) = compute(a, b, mask);
        }
    }
}

fn mux<const L: usize>(cells: &mut [Word<L>], op: &General) {
    let (operands, results) = cells.split_at_mut(op.dst.cell as usize);
    let [c, a, b] = [0, 1, 2].map(|at| op.operands[at].cell as usize);
    let condition = &operands[c];
    for limb in 0..op.dst.limbs as usize {
        let (a, b, out) = (&operands[a + limb], &operands[b + limb], &mut results[limb]);
        for lane in 0..L {
            let one = 0u64.wrapping_sub(condition.value[lane] & !condition.unknown[lane] & 1);
            let open = 0u64.wrapping_sub(condition.unknown[lane] & 1);
            let chosen = |a: u64, b: u64| a & one | b & !one;
            let unknown = chosen(a.unknown[lane], b.unknown[lane])
                | (a.unknown[lane] | b.unknown[lane] | (a.value[lane] ^ b.value[lane])) & open;
            out.unknown[lane] = unknown;
            out.value[lane] = chosen(a.value[lane], b.value[lane]) & !(unknown & open);
        }
    }
}

/// One bit: not `otherwise` where any of these bits is 1, else x where an operand bit is unknown, else `otherwise`.
#[inline(always)]
fn decide<const L: usize>(
    cells: &mut [Word<L>],
    op: &General,
    differs: impl Fn((u64, u64), (u64, u64), u64) -> u64,
    otherwise: bool,
) {
    let (a, b) = (op.operands[0], op.operands[op.operands.len() - 1]);
    let (mut decided, mut open) = ([0; L], [0; L]);
    for limb in 0..limbs(a.width) {
        let mask = limb_mask(a.width, limb);
        let (a, b) = (&cells[a.cell as usize + limb], &cells[b.cell as usize + limb]);
        for lane in 0..L {
            let (a, b) = ((a.value[lane], a.unknown[lane]), (b.value[lane], b.unknown[lane]));
            decided[lane] |= differs(a, b, mask);
            open[lane] |= a.1 | b.1;
        }
    }
    let out = &mut cells[op.dst.cell as usize];
    for lane in 0..L {
        let unknown = u64::from(decided[lane] == 0 && open[lane] != 0);
        out.unknown[lane] = unknown;
        out.value[lane] = u64::from((decided[lane] != 0) != otherwise) & !unknown;
    }
}

fn parity<const L: usize>(cells: &mut [Word<L>], op: &General) {
    let a = op.operands[0];
    let (mut sum, mut open) = ([0; L], [0; L]);
    for word in &cells[a.cell as usize..(a.cell + a.limbs) as usize] {
        for lane in 0..L {
            sum[lane] ^= word.value[lane];
            open[lane] |= word.unknown[lane];
        }
    }
    let out = &mut cells[op.dst.cell as usize];
    for lane in 0..L {
        let unknown = u64::from(open[lane] != 0);
        out.unknown[lane] = unknown;
        out.value[lane] = u64::from(sum[lane].count_ones() & 1) & !unknown;
    }
}

/// A sum, or a difference as the sum with the complement and 1.
fn sum<const L: usize>(cells: &mut [Word<L>], op: &General, is_difference: bool) {
    let (operands, results) = cells.split_at_mut(op.dst.cell as usize);
    let [a, b] = [0, 1].map(|at| op.operands[at].cell as usize);
    let limbs = op.dst.limbs as usize;
    let (mut carry, mut open) = ([u64::from(is_difference); L], [0; L]);
    let invert = if is_difference { !0 } else { 0 };
    for limb in 0..limbs {
        let (a, b, out) = (&operands[a + limb], &operands[b + limb], &mut results[limb]);
        let mask = limb_mask(op.dst.width, limb);
        for lane in 0..L {
            let (sum, over) = a.value[lane].overflowing_add(b.value[lane] ^ invert);
            let (sum, over_again) = sum.overflowing_add(carry[lane]);
            carry[lane] = u64::from(over | over_again);
            open[lane] |= a.unknown[lane] | b.unknown[lane];
            out.value[lane] = sum & mask;
        }
    }
    for (limb, out) in results[..limbs].iter_mut().enumerate() {
        let mask = limb_mask(op.dst.width, limb);
        for lane in 0..L {
            let unknown = if open[lane] == 0 { 0 } else { mask };
            out.unknown[lane] = unknown;
            out.value[lane] &= !unknown;
        }
    }
}
