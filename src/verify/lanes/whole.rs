//! Unsigned whole numbers of many words, as arithmetic on vectors needs them: equally long operands, results cut to
//! their length.

/// Sum, with a carry into the lowest bit.
pub(super) fn add(a: &[u64], b: &[u64], carry: bool, out: &mut [u64]) {
    let mut carry = u64::from(carry);
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        let (sum, over) = a.overflowing_add(b);
        let (sum, over_again) = sum.overflowing_add(carry);
        *out = sum;
        carry = u64::from(over | over_again);
    }
}

/// Difference.
pub(super) fn subtract(a: &[u64], b: &[u64], out: &mut [u64]) {
    let mut borrow = false;
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        let (rest, under) = a.overflowing_sub(b);
        let (rest, under_again) = rest.overflowing_sub(u64::from(borrow));
        *out = rest;
        borrow = under | under_again;
    }
}

/// Two's complement.
pub(super) fn negate(a: &mut [u64]) {
    let mut carry = true;
    for word in a {
        let (sum, over) = (!*word).overflowing_add(u64::from(carry));
        *word = sum;
        carry = over;
    }
}

/// Product.
pub(super) fn multiply(a: &[u64], b: &[u64], out: &mut [u64]) {
    out.fill(0);
    for (i, &factor) in a.iter().enumerate().filter(|(_, factor)| **factor != 0) {
        let mut carry = 0;
        for (out, &b) in out[i..].iter_mut().zip(b) {
            let sum = u128::from(factor) * u128::from(b) + u128::from(*out) + u128::from(carry);
            *out = sum as u64;
            carry = (sum >> 64) as u64;
        }
    }
}

/// Whether one is smaller.
pub(super) fn less(a: &[u64], b: &[u64]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// Quotient and remainder; the divisor is not 0.
pub(super) fn divide(a: &[u64], b: &[u64]) -> (Vec<u64>, Vec<u64>) {
    if let ([a], [b]) = (a, b) {
        return (vec![a / b], vec![a % b]);
    }
    let (mut quotient, mut rest) = (vec![0; a.len()], vec![0; a.len()]);
    let mut difference = vec![0; a.len()];
    for bit in (0..64 * a.len()).rev() {
        // The shift may lose the highest bit; then the rest is above every divisor.
        let is_over = rest[rest.len() - 1] >> 63 == 1;
        let mut next = a[bit / 64] >> (bit % 64) & 1;
        for word in &mut rest {
            (*word, next) = (*word << 1 | next, *word >> 63);
        }
        if is_over || !less(&rest, b) {
            subtract(&rest, b, &mut difference);
            rest.copy_from_slice(&difference);
            quotient[bit / 64] |= 1 << (bit % 64);
        }
    }
    (quotient, rest)
}

/// Power, by squares.
pub(super) fn power(base: &[u64], exponent: &[u64], out: &mut [u64]) {
    let mut product = vec![0; out.len()];
    out.fill(0);
    out[0] = 1;
    let highest = exponent.iter().rposition(|&word| word != 0).map_or(0, |top| 64 * (top + 1));
    for bit in (0..highest).rev() {
        multiply(out, out, &mut product);
        out.copy_from_slice(&product);
        if exponent[bit / 64] >> (bit % 64) & 1 == 1 {
            multiply(out, base, &mut product);
            out.copy_from_slice(&product);
        }
    }
}

/// Bits that count up to the number: the smallest power of two that is not below it.
pub(super) fn ceil_log2(a: &[u64]) -> u64 {
    let Some(top) = a.iter().rposition(|&word| word != 0) else { return 0 };
    let floor = 64 * top as u64 + u64::from(63 - a[top].leading_zeros());
    let is_power = a[top].is_power_of_two() && a[..top].iter().all(|&word| word == 0);
    floor + u64::from(!is_power)
}
