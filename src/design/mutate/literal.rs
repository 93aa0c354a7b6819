//! Other literals in the place of one: the next values, one bit inverted, a don't-care bit cared for.

use sv_lang::{Bit, SVInt};

/// The texts that may take the place of the literal `text` of that value, each with what was done.
pub(super) fn others(text: &str, value: &SVInt) -> Vec<(String, String)> {
    let Some(mark) = text.find('\'') else { return of_decimal(text, value) };
    let size = text[..mark].trim().replace('_', "");
    let rest = text[mark + 1..].trim_start();
    match rest {
        "0" => return vec![("'0 -> '1".into(), "'1".into())],
        "1" => return vec![("'1 -> '0".into(), "'0".into())],
        "x" | "X" | "z" | "Z" => return vec![("x -> 0".into(), "'0".into())],
        _ => {}
    }
    let Ok(width) = size.parse::<usize>() else { return of_decimal(text, value) };
    let signed = if rest.starts_with(['s', 'S']) { "s" } else { "" };
    let bits: Vec<Bit> = value.bits().iter().copied().take(width).collect();
    if bits.len() != width || width == 0 {
        return Vec::new();
    }
    let literal = |bits: &[Bit]| {
        let digits: String = bits.iter().rev().map(|&bit| digit(bit)).collect();
        format!("{width}'{signed}b{digits}")
    };
    let mut others: Vec<(String, Vec<Bit>)> = Vec::new();
    match bits.iter().position(|&bit| bit != Bit::Zero && bit != Bit::One) {
        None => {
            others.push(("+1".into(), step(&bits, Bit::One)));
            others.push(("-1".into(), step(&bits, Bit::Zero)));
        }
        Some(at) => {
            let mut cared = bits.clone();
            cared[at] = Bit::Zero;
            others.push((format!("bit {at} no longer unknown"), cared));
        }
    }
    let known = |&at: &usize| matches!(bits[at], Bit::Zero | Bit::One);
    let ends = [(0..width).find(known), (0..width).rev().find(known)];
    for at in ends.into_iter().flatten() {
        let mut flipped = bits.clone();
        flipped[at] = inverted(bits[at]);
        others.push((format!("bit {at} inverted"), flipped));
    }
    let mut found: Vec<(String, String)> = Vec::new();
    for (what, other) in others {
        let text = literal(&other);
        if other != bits && !found.iter().any(|(_, known)| *known == text) {
            found.push((what, text));
        }
    }
    found
}

/// A number without a size keeps its kind.
fn of_decimal(text: &str, value: &SVInt) -> Vec<(String, String)> {
    let Some(value) = value.as_u64().filter(|&value| value < 1 << 31) else { return Vec::new() };
    let prefix = if text.starts_with('\'') { "'d" } else { "" };
    let mut found = vec![("+1".to_owned(), format!("{prefix}{}", value + 1))];
    if value > 0 {
        found.push(("-1".to_owned(), format!("{prefix}{}", value - 1)));
    }
    found
}

/// Adds or takes away one, by carrying over all bits equal to `carry`.
fn step(bits: &[Bit], carry: Bit) -> Vec<Bit> {
    let mut bits = bits.to_vec();
    for bit in &mut bits {
        let carries = *bit == carry;
        *bit = inverted(*bit);
        if !carries {
            break;
        }
    }
    bits
}

fn inverted(bit: Bit) -> Bit {
    if bit == Bit::Zero { Bit::One } else { Bit::Zero }
}

fn digit(bit: Bit) -> char {
    match bit {
        Bit::Zero => '0',
        Bit::One => '1',
        Bit::Z => 'z',
        _ => 'x',
    }
}
