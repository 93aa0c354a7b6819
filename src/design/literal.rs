//! Literals with more digits than their size, such as `2'b1101`: the standard cuts them off on the left
//! (IEEE 1800-2017, 5.7.1), and so does slang; Verilator calls them an error.
//!
//! In: a text. Out: the same text with those digits left out. It works on tokens, so that literals in
//! macros are mended as well.

use crate::verilog::{Kind, lex};

/// The text with no literal longer than its size.
pub(super) fn shorten(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // The size that stands before a base, with nothing but white space and comments between.
    let mut size = None;
    for token in lex(text) {
        let word = &text[token.span];
        match (token.kind, size) {
            (Kind::Number, Some(size)) if word.starts_with('\'') => out.push_str(&cut(word, size)),
            _ => out.push_str(word),
        }
        if !token.kind.is_trivia() {
            let digits = || word.replace('_', "").parse().ok();
            size = if token.kind == Kind::Number { digits() } else { None };
        }
    }
    out
}

/// `'b1101` for two bits becomes `'b01`; decimal digits stay, for they are no bits.
fn cut(literal: &str, size: usize) -> String {
    let mark = literal.find(|c: char| "bBoOhH".contains(c));
    let Some(mark) = mark.filter(|_| size > 0) else { return literal.to_owned() };
    let bits = match literal.as_bytes()[mark].to_ascii_lowercase() {
        b'b' => 1,
        b'o' => 3,
        _ => 4,
    };
    let (head, digits) = literal.split_at(mark + 1);
    let digits: Vec<char> = digits.chars().filter(|&c| c != '_' && !c.is_whitespace()).collect();
    let kept = size.div_ceil(bits);
    if digits.len() * bits <= size || digits.len() < kept {
        return literal.to_owned();
    }
    let mut digits = digits[digits.len() - kept..].to_vec();
    let rest = size % bits;
    if rest != 0
        && let Some(value) = digits[0].to_digit(16)
    {
        digits[0] = char::from_digit(value & ((1 << rest) - 1), 16).unwrap_or('0');
    }
    format!("{head}{}", digits.into_iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::shorten;

    fn check(text: &str, expected: &str) {
        assert_eq!(shorten(text), expected);
    }

    #[test]
    fn digits_beyond_the_size_are_cut_off_on_the_left() {
        check("x = 2'b1101;", "x = 2'b01;");
        check("x = 3'b100_0;", "x = 3'b000;");
        check("x = 4 /* size */ 'b1_0000;", "x = 4 /* size */ 'b0000;");
        check("`define S 4'sB10001", "`define S 4'sB0001");
        check("24'hxxxxxxxx", "24'hxxxxxx");
        check("5'hff", "5'h1f");
        check("6'o777", "6'o77");
        check("3'hf", "3'h7");
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        for text in
            ["8'hFF", "9'h1ff", "'b1101", "4'd15", "2'd9", "a ? 1 : 'h10", "4'b1x0z", "8'b1"]
        {
            check(text, text);
        }
    }
}
