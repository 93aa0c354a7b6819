//! Literals of every base, sized and not, with unknown digits, and values that find faults: corners first.

use super::super::family::Family;
use super::pen::Pen;

/// Digits from the highest bit.
type Digits = Vec<char>;

/// A sized literal of `width` bits.
pub(super) fn sized(pen: &mut Pen, width: u32, signed: bool) -> String {
    let mut digits = corner(pen, width);
    if pen.may(Family::UnknownLiteral, 12) {
        blur(pen, &mut digits);
    }
    write(pen, &digits, signed)
}

/// A sized literal whose digits are all known.
pub(super) fn known(pen: &mut Pen, width: u32, signed: bool) -> String {
    let digits = corner(pen, width);
    write(pen, &digits, signed)
}

/// A pattern in binary, some of whose digits are wildcards: `?`, or `x` and `z` where asked.
pub(super) fn pattern(pen: &mut Pen, width: u32, wildcards: &[char]) -> String {
    let mut digits = corner(pen, width);
    for digit in &mut digits {
        if pen.draw.percent(40) {
            *digit = *pen.draw.pick(wildcards);
        }
    }
    format!("{width}'b{}", digits.iter().collect::<String>())
}

/// A number without a size, 32 bits and signed. In a sum or product with one that fills them Icarus 11.0 keeps the carry,
/// against 11.6.1, so none does.
pub(super) fn unsized_number(pen: &mut Pen) -> String {
    match pen.draw.below(4) {
        0 => pen.draw.below(4).to_string(),
        1 => pen.draw.below(40).to_string(),
        2 => (pen.draw.word() as u32 >> 3).to_string(),
        _ => format!("'h{:x}", pen.draw.word() as u32 >> 4),
    }
}

fn corner(pen: &mut Pen, width: u32) -> Digits {
    let width = width as usize;
    let bit = |one: bool| if one { '1' } else { '0' };
    match pen.draw.below(8) {
        0 => vec!['0'; width],
        1 => vec!['1'; width],
        2 => {
            let hot = pen.draw.below(width);
            (0..width).map(|at| bit(at == hot)).collect()
        }
        3 | 4 => {
            let small = pen.draw.below(16);
            (0..width).rev().map(|at| bit(at < 4 && small >> at & 1 == 1)).collect()
        }
        _ => (0..width).map(|_| bit(pen.draw.percent(50))).collect(),
    }
}

fn blur(pen: &mut Pen, digits: &mut Digits) {
    let share = *pen.draw.pick(&[10, 40, 100]);
    for digit in digits.iter_mut() {
        if pen.draw.percent(share) {
            *digit = *pen.draw.pick(&['x', 'x', 'z']);
        }
    }
}

fn write(pen: &mut Pen, digits: &Digits, signed: bool) -> String {
    let (width, sign) = (digits.len(), if signed { "s" } else { "" });
    let binary: String = digits.iter().collect();
    let is_known = !binary.contains(['x', 'z']);
    let value = u64::from_str_radix(&binary, 2).ok().filter(|_| is_known);
    match (pen.draw.below(4), value) {
        (0, Some(value)) if width <= 32 => format!("{width}'{sign}d{value}"),
        (1 | 2, _) if is_known => {
            let padded = format!("{}{binary}", "0".repeat(width.next_multiple_of(4) - width));
            let nibble = |at: usize| u8::from_str_radix(&padded[at..at + 4], 2).unwrap_or(0);
            let hex: String =
                (0..padded.len()).step_by(4).map(|at| format!("{:x}", nibble(at))).collect();
            format!("{width}'{sign}h{hex}")
        }
        _ => format!("{width}'{sign}b{binary}"),
    }
}
