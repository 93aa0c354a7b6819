//! What each operation gives, bit by bit on text, from the tables of IEEE 1800-2017: slow, and nothing in common with
//! the engine.
//!
//! A value is a list of `0`, `1`, `x`, `z`, the lowest bit first.

use salv::design::program::{Net, OpKind};

pub type Bits = Vec<u8>;

/// The result of an operation of `width` bits on these operands, in the order of the operation's fields.
pub fn evaluate(kind: &OpKind, operands: &[Bits], width: usize) -> Bits {
    use OpKind as K;
    let a = &operands[0];
    let b = operands.get(1).unwrap_or(a);
    let c = operands.get(2).unwrap_or(a);
    let pairs = || a.iter().copied().zip(b.iter().copied());
    match *kind {
        K::Extend { signed, .. } => {
            let fill = if signed { *a.last().unwrap() } else { b'0' };
            (0..width).map(|i| a.get(i).copied().unwrap_or(fill)).collect()
        }
        K::Slice { lsb, .. } => a[lsb as usize..lsb as usize + width].to_vec(),
        K::Concat(_) => operands.iter().rev().flatten().copied().collect(),
        K::Select { .. } => {
            let bit = |i: usize| {
                let at = signed(b)? + i as i128;
                usize::try_from(at).ok().and_then(|at| a.get(at).copied())
            };
            (0..width).map(|i| bit(i).unwrap_or(b'x')).collect()
        }
        K::Read { .. } => unreachable!("memories are tried by themselves"),
        K::Not(_) => a.iter().map(|&bit| not(bit)).collect(),
        K::Negate(_) => arithmetic(&[a], |n| add(&complement(n[0]), &one(width))),
        K::ReduceAnd(_) => vec![a.iter().copied().reduce(and).map(bare).unwrap()],
        K::ReduceOr(_) => vec![a.iter().copied().reduce(or).map(bare).unwrap()],
        K::ReduceXor(_) => vec![a.iter().copied().reduce(xor).map(bare).unwrap()],
        K::And(..) => pairs().map(|(a, b)| and(a, b)).collect(),
        K::Or(..) => pairs().map(|(a, b)| or(a, b)).collect(),
        K::Xor(..) => pairs().map(|(a, b)| xor(a, b)).collect(),
        K::Add(..) => arithmetic(&[a, b], |n| add(n[0], n[1])),
        K::Subtract(..) => arithmetic(&[a, b], |n| subtract(n[0], n[1])),
        K::Multiply(..) => arithmetic(&[a, b], |n| multiply(n[0], n[1])),
        K::Divide { signed, .. } => divide(a, b, signed, |quotient, _| quotient),
        K::Remainder { signed, .. } => divide(a, b, signed, |_, rest| rest),
        K::Power { base_signed, exponent_signed, .. } => power(a, b, base_signed, exponent_signed),
        K::Mux { .. } => match a[0] {
            b'1' => b.clone(),
            b'0' => c.clone(),
            _ => b.iter().zip(c).map(|(&b, &c)| if b == c { bare(b) } else { b'x' }).collect(),
        },
        K::Known(_) => a.iter().map(|&bit| if is_known(bit) { bit } else { b'0' }).collect(),
        K::IsUnknown(_) => truth(!is_all_known(a)),
        K::CountOnes(_) => number(a.iter().filter(|&&bit| bit == b'1').count(), width),
        K::CeilLog2(_) => match is_all_known(a) {
            true => number(ceil_log2(a), width),
            false => vec![b'x'; width],
        },
        K::Resolve { net, .. } => pairs().map(|(a, b)| resolve(net, a, b)).collect(),
        K::Pull { one, .. } => {
            let level = if one { b'1' } else { b'0' };
            a.iter().map(|&bit| if bit == b'z' { level } else { bit }).collect()
        }
        K::Gate { .. } => vec![match b[0] {
            b'1' => bare(a[0]),
            b'0' => b'z',
            _ => b'x',
        }],
        _ => shifts_and_comparisons(kind, a, b),
    }
}

fn shifts_and_comparisons(kind: &OpKind, a: &Bits, b: &Bits) -> Bits {
    use OpKind as K;
    let pairs = || a.iter().copied().zip(b.iter().copied());
    match *kind {
        K::ShiftLeft(..) => shift(a, b, |i, by| if i < by { Some(b'0') } else { bit(a, i - by) }),
        K::ShiftRight(..) => shift(a, b, |i, by| bit(a, i + by)),
        K::ShiftRightSigned(..) => shift(a, b, |i, by| bit(a, i + by).or(a.last().copied())),
        K::Equal(..) => {
            vec![pairs().map(|(a, b)| not(xor(a, b))).reduce(and).unwrap()]
        }
        K::Same(..) => truth(a == b),
        K::Matches(..) => {
            let compared = pairs().filter(|(_, b)| is_known(*b)).map(|(a, b)| not(xor(a, b)));
            vec![compared.fold(b'1', and)]
        }
        K::CaseMatches { unknown, .. } => {
            let any = |bit: u8| bit == b'z' || unknown && bit == b'x';
            truth(pairs().all(|(a, b)| any(a) || any(b) || a == b))
        }
        K::Less { signed: is_signed, .. } => {
            let number = |bits: &Bits| ordered(bits, is_signed);
            match is_all_known(a) && is_all_known(b) {
                true => truth(number(a) < number(b)),
                false => b"x".to_vec(),
            }
        }
        _ => unreachable!("is evaluated elsewhere"),
    }
}

fn is_known(bit: u8) -> bool {
    bit == b'0' || bit == b'1'
}

fn is_all_known(bits: &[u8]) -> bool {
    bits.iter().all(|&bit| is_known(bit))
}

/// z taken for x.
fn bare(bit: u8) -> u8 {
    if bit == b'z' { b'x' } else { bit }
}

fn not(bit: u8) -> u8 {
    match bit {
        b'0' => b'1',
        b'1' => b'0',
        _ => b'x',
    }
}

fn and(a: u8, b: u8) -> u8 {
    match (a, b) {
        (b'0', _) | (_, b'0') => b'0',
        (b'1', b'1') => b'1',
        _ => b'x',
    }
}

fn or(a: u8, b: u8) -> u8 {
    match (a, b) {
        (b'1', _) | (_, b'1') => b'1',
        (b'0', b'0') => b'0',
        _ => b'x',
    }
}

fn xor(a: u8, b: u8) -> u8 {
    if is_known(a) && is_known(b) { if a == b { b'0' } else { b'1' } } else { b'x' }
}

/// IEEE 1800-2017, tables 6-2 to 6-4.
fn resolve(net: Net, a: u8, b: u8) -> u8 {
    match (net, a, b) {
        (_, b'z', other) | (_, other, b'z') => other,
        (Net::And, ..) => and(a, b),
        (Net::Or, ..) => or(a, b),
        (Net::Wire, ..) => {
            if a == b {
                a
            } else {
                b'x'
            }
        }
    }
}

fn truth(is_true: bool) -> Bits {
    vec![if is_true { b'1' } else { b'0' }]
}

fn bit(a: &Bits, at: usize) -> Option<u8> {
    a.get(at).copied()
}

fn number(mut n: usize, width: usize) -> Bits {
    let mut bits = Vec::new();
    for _ in 0..width {
        bits.push(b'0' + (n % 2) as u8);
        n /= 2;
    }
    bits
}

fn one(width: usize) -> Bits {
    number(1, width)
}

fn complement(a: &Bits) -> Bits {
    a.iter().map(|&bit| not(bit)).collect()
}

fn arithmetic(operands: &[&Bits], compute: impl Fn(&[&Bits]) -> Bits) -> Bits {
    if operands.iter().all(|bits| is_all_known(bits)) {
        compute(operands)
    } else {
        vec![b'x'; operands[0].len()]
    }
}

fn add(a: &Bits, b: &Bits) -> Bits {
    let mut carry = 0;
    let sum = a.iter().zip(b).map(|(&a, &b)| {
        let sum = a - b'0' + b - b'0' + carry;
        carry = sum / 2;
        b'0' + sum % 2
    });
    sum.collect()
}

fn subtract(a: &Bits, b: &Bits) -> Bits {
    add(&add(a, &complement(b)), &one(a.len()))
}

fn multiply(a: &Bits, b: &Bits) -> Bits {
    let mut product = vec![b'0'; a.len()];
    for at in (0..b.len()).filter(|&at| b[at] == b'1') {
        let shifted: Bits = std::iter::repeat_n(b'0', at).chain(a.iter().copied()).collect();
        product = add(&product, &shifted[..a.len()].to_vec());
    }
    product
}

/// For comparison as text: highest bit first, of signed numbers inverted.
fn ordered(a: &Bits, signed: bool) -> Bits {
    let mut bits: Bits = a.iter().rev().copied().collect();
    if signed {
        bits[0] = not(bits[0]);
    }
    bits
}

/// The size of a number, and whether it is below 0.
fn magnitude(a: &Bits, signed: bool) -> (Bits, bool) {
    if signed && *a.last().unwrap() == b'1' {
        (subtract(&vec![b'0'; a.len()], a), true)
    } else {
        (a.clone(), false)
    }
}

fn divide(a: &Bits, b: &Bits, signed: bool, result: impl Fn(Bits, Bits) -> Bits) -> Bits {
    if !is_all_known(a) || !is_all_known(b) || b.iter().all(|&bit| bit == b'0') {
        return vec![b'x'; a.len()];
    }
    let ((n, n_negative), (d, d_negative)) = (magnitude(a, signed), magnitude(b, signed));
    // One bit more, so that twice a rest has room.
    let divisor: Bits = d.iter().copied().chain([b'0']).collect();
    let mut rest = vec![b'0'; divisor.len()];
    let mut quotient = vec![b'0'; a.len()];
    for at in (0..n.len()).rev() {
        rest.insert(0, n[at]);
        rest.pop();
        if ordered(&rest, false) >= ordered(&divisor, false) {
            rest = subtract(&rest, &divisor);
            quotient[at] = b'1';
        }
    }
    rest.pop();
    let negate = |bits: &Bits| subtract(&vec![b'0'; bits.len()], bits);
    let quotient = if n_negative != d_negative { negate(&quotient) } else { quotient };
    let rest = if n_negative { negate(&rest) } else { rest };
    result(quotient, rest)
}

/// IEEE 1800-2017, table 11-4.
fn power(a: &Bits, b: &Bits, base_signed: bool, exponent_signed: bool) -> Bits {
    let width = a.len();
    if !is_all_known(a) || !is_all_known(b) {
        return vec![b'x'; width];
    }
    let (exponent, is_negative) = magnitude(b, exponent_signed);
    let is_minus_one = base_signed && a.iter().all(|&bit| bit == b'1');
    match is_negative {
        true if a.iter().all(|&bit| bit == b'0') => vec![b'x'; width],
        true if is_minus_one => {
            if b[0] == b'1' {
                a.clone()
            } else {
                one(width)
            }
        }
        true if *a == one(width) => one(width),
        true => vec![b'0'; width],
        false => {
            let mut result = one(width);
            for &bit in exponent.iter().rev() {
                result = multiply(&result, &result);
                if bit == b'1' {
                    result = multiply(&result, a);
                }
            }
            result
        }
    }
}

fn shift(a: &Bits, b: &Bits, bit: impl Fn(usize, usize) -> Option<u8>) -> Bits {
    if !is_all_known(b) {
        return vec![b'x'; a.len()];
    }
    let value = |(at, &bit): (usize, &u8)| match (bit, at) {
        (b'0', _) => 0,
        (_, 0..20) => 1 << at,
        _ => 1 << 20,
    };
    let by = b.iter().enumerate().map(value).sum();
    (0..a.len()).map(|i| bit(i, by).unwrap_or(b'0')).collect()
}

/// A signed number of at most 64 bits.
pub fn signed(a: &Bits) -> Option<i128> {
    let top = a.len() - 1;
    let value = |(at, &bit): (usize, &u8)| match (bit, at == top) {
        (b'0', _) => 0,
        (_, false) => 1i128 << at,
        (_, true) => -(1i128 << at),
    };
    is_all_known(a).then(|| a.iter().enumerate().map(value).sum())
}

/// The least exponent of 2 that reaches the number.
fn ceil_log2(a: &Bits) -> usize {
    let mut reached = vec![b'0'; a.len() + 1];
    reached[0] = b'1';
    let a: Bits = a.iter().copied().chain([b'0']).collect();
    let mut exponent = 0;
    while ordered(&reached, false) < ordered(&a, false) {
        reached.insert(0, b'0');
        reached.pop();
        exponent += 1;
    }
    exponent
}
