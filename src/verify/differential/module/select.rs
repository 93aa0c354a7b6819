//! Bits, parts and words of variables, to read them and to write them.

use super::super::family::Family;
use super::expression::{Value, View, amount, narrow};
use super::pen::Pen;
use super::shape::{Atom, FIELD, PACKED_WORD, Shape, UNSIZED};

/// Reads a variable or a part of it.
pub(super) fn read(pen: &mut Pen, view: View, atom: &Atom) -> Value {
    let (text, shape) = word(pen, view, atom, true);
    let whole = Value::new(text.clone(), shape.width(), shape.is_signed());
    match shape {
        // Of a bit of a word whose index it folds, to x or to one that is missed, Icarus 11.0 reads the whole word, against
        // 11.5.1.
        Shape::Vector { .. } if matches!(atom.shape, Shape::Array { .. }) && is_folded(&text) => {
            whole
        }
        // What is not there of two states reads as 0 (11.5.1); Icarus 11.0 gives x.
        Shape::Vector { range: Some(range), two_state: false, .. } => {
            part(pen, view, &text, range, true).unwrap_or(whole)
        }
        Shape::Word { keyword: keyword @ ("integer" | PACKED_WORD), width, .. }
            if pen.draw.percent(40) =>
        {
            let range = (width as i32 - 1, 0);
            part(pen, view, &text, range, keyword != PACKED_WORD).unwrap_or(whole)
        }
        Shape::Enum { members, width, .. } if pen.draw.percent(15) => {
            Value::new(pen.draw.pick(&members).clone(), width, false)
        }
        Shape::Word { keyword: UNSIZED, .. } => Value { is_unsized: true, ..whole },
        _ => whole,
    }
}

/// Whether the index of a word may be a constant that is no numeral: a parameter, a member of an enumeration, a genvar, or a
/// bit that is not there, in braces (`amount`) or in a cast (`inner_index`), or there a literal of unknown digits.
fn is_folded(word: &str) -> bool {
    let parts = ["]}", "])", "'b", "'sb"];
    word.contains(['P', 'E', 'j']) || parts.iter().any(|part| word.contains(part))
}

/// A place that a statement writes, of a variable that it writes in part or as a whole.
pub(super) fn target(pen: &mut Pen, view: View, atom: &Atom, nonblocking: bool) -> Value {
    let (text, shape) = word(pen, view, atom, false);
    let whole = Value::new(text.clone(), shape.width(), shape.is_signed());
    let (range, indexed) = match shape {
        Shape::Vector { range: Some(range), .. } => (range, true),
        Shape::Word { keyword, width, .. } if has_parts(keyword) => {
            ((width as i32 - 1, 0), keyword != PACKED_WORD)
        }
        _ => return whole,
    };
    // Of a part of a word that leaves it `=` of Icarus 11.0 writes nothing or dies, against 11.5.1.
    let stays = matches!(atom.shape, Shape::Array { .. }) && !nonblocking;
    if stays && range.0 == range.1 || !pen.may(Family::SelectTarget, 30) {
        return whole;
    }
    part(pen, view, &text, range, indexed && !stays).unwrap_or(whole)
}

fn has_parts(keyword: &str) -> bool {
    keyword != FIELD && keyword != UNSIZED
}

/// The variable, or a word or field of it, to be read or written.
fn word(pen: &mut Pen, view: View, atom: &Atom, reads: bool) -> (String, Shape) {
    match &atom.shape {
        Shape::Array { dimensions, range, signed } => {
            let mut text = atom.name.clone();
            for dimension in dimensions {
                text += &match dimensions.len() {
                    1 => {
                        let at = index(pen, view, *dimension);
                        let high = dimension.0.max(dimension.1);
                        // Of a bit of a word that a constant index misses Icarus 11.0 reads as many x as the word has,
                        // against 11.5.1.
                        let misses = reads && at.parse::<i32>().is_ok_and(|at| at > high);
                        format!("[{}]", if misses { high.to_string() } else { at })
                    }
                    _ => format!("[{}]", inner_index(pen, view, *dimension)),
                };
            }
            (text, Shape::Vector { range: Some(*range), signed: *signed, two_state: false })
        }
        Shape::Packed { words, width } if pen.draw.percent(60) => {
            let at = pen.draw.below(*words as usize);
            let shape = Shape::Word { keyword: PACKED_WORD, width: *width, signed: false };
            (format!("{}[{at}]", atom.name), shape)
        }
        Shape::Struct { fields, .. } if pen.draw.percent(75) => {
            let (field, width, signed) = pen.draw.pick(fields).clone();
            (format!("{}.{field}", atom.name), Shape::Word { keyword: FIELD, width, signed })
        }
        shape => (atom.name.clone(), shape.clone()),
    }
}

/// A bit or a part of a vector, if one of the families is drawn.
///
/// Icarus 11.0 dies of an indexed part of a word of a packed array, so there is none (`indexed` is false); and of bits that
/// such a word lacks it takes its neighbour's, against 7.4.6.
fn part(pen: &mut Pen, view: View, text: &str, range: (i32, i32), indexed: bool) -> Option<Value> {
    let (low, high) = (range.0.min(range.1), range.0.max(range.1));
    let width = (high - low + 1) as u32;
    match pen.draw.below(10) {
        0 | 1 if pen.may(Family::BitSelect, 100) => {
            let at = match indexed {
                true => index(pen, view, range),
                false => inner_index(pen, view, (low, high)),
            };
            Some(Value::new(format!("{text}[{at}]"), 1, false))
        }
        2 if width > 1 && pen.may(Family::PartSelect, 100) => {
            let a = pen.draw.within(low.into(), high.into()) as i32;
            let mut b = pen.draw.within(low.into(), high.into()) as i32;
            if indexed && pen.may(Family::OutOfRange, 10) {
                b += pen.draw.within(-3, 3) as i32;
                // Of a part of a word of an array that reaches as far below it as it is wide `<=` of Icarus 11.0 writes nothing,
                // against 11.5.1 and 11.5.2.
                b = b.clamp(low - (high - low), high + (high - low));
            }
            let (l, r) =
                if range.0 >= range.1 { (a.max(b), a.min(b)) } else { (a.min(b), a.max(b)) };
            Some(Value::new(format!("{text}[{l}:{r}]"), a.abs_diff(b) + 1, false))
        }
        3 if width > 1 && indexed && pen.may(Family::IndexedSelect, 100) => {
            let count = 1 + pen.draw.below(width.min(16) as usize) as u32;
            let sign = *pen.draw.pick(&["+", "-"]);
            let base = base(pen, view, range, count, sign);
            Some(Value::new(format!("{text}[{base} {sign}: {count}]"), count, false))
        }
        _ => None,
    }
}

/// Where an indexed part begins. Of a part of an ascending vector that is as wide, begins at its end and leaves it, Icarus
/// 11.0 reads the whole vector, against 11.5.1; so a constant one stays within. And with `+:` it computes the place in few bits
/// where the index has few.
fn base(pen: &mut Pen, view: View, range: (i32, i32), count: u32, sign: &str) -> String {
    let base = index(pen, view, range);
    // A numeral, or a parameter, a member of an enumeration or a genvar.
    let is_constant = base.parse::<i64>().is_ok() || base.contains(['P', 'E', 'j']);
    if range.0 >= range.1 {
        return base;
    }
    if !is_constant {
        return if sign == "+" { format!("({base} + 0)") } else { base };
    }
    let inside = i64::from(range.1 - range.0) + 1 - i64::from(count);
    let first = i64::from(range.0) + pen.draw.within(0, inside);
    (if sign == "+" { first } else { first + i64::from(count) - 1 }).to_string()
}

/// An index into one of several dimensions, which it does not leave: there Icarus 11.0 takes a word of a neighbour,
/// against 7.4.6.
pub(super) fn inner_index(pen: &mut Pen, view: View, (low, high): (i32, i32)) -> String {
    if view.atoms.is_empty() || pen.draw.percent(80) {
        return pen.draw.within(low.into(), high.into()).to_string();
    }
    let width = (high - low + 1).ilog2();
    // A cast keeps the sign.
    format!("$unsigned({width}'({}))", narrow(pen, view, 6).text)
}

/// An index into a range: a constant within it, or an expression that may leave it.
pub(super) fn index(pen: &mut Pen, view: View, range: (i32, i32)) -> String {
    let (low, high) = (range.0.min(range.1), range.0.max(range.1));
    if view.atoms.is_empty() || pen.draw.percent(35) {
        let mut at = pen.draw.within(low.into(), high.into());
        if pen.may(Family::OutOfRange, 5) {
            at = i64::from(high) + pen.draw.within(1, 3);
        }
        return at.to_string();
    }
    // Icarus 11.0 takes the low 32 bits of a wider index, and an unsigned one of 32 bits for signed, against 11.5.1.
    let width_max = if pen.draw.percent(70) { 6 } else { 32 };
    let value = amount(pen, view, width_max);
    let is_misread = value.width == 32 && !value.signed;
    if is_misread || value.text.starts_with(|c: char| c.is_ascii_digit() || c == '\'' || c == '-') {
        // slang refuses a constant that is x or far away.
        return pen.draw.within(low.into(), high.into()).to_string();
    }
    if pen.draw.percent(15) && value.width < 32 {
        // A sum of 32 bits: of an operand as narrow or as wide as it Icarus 11.0 keeps the carry, against 11.6.1.
        return format!("({} + {})", value.text, pen.draw.below(8));
    }
    value.text
}
