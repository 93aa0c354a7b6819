//! Verilog literals as bits: the legal values of a restricted input arrive as text such as `4'b0001`, and
//! leave as words of the input's width.
//!
//! Read by hand and not through the syntax parser, because a lone literal is no source text, and because
//! the rules here are stricter: `x`, `z` and `?` are no values of an input, and bits that do not fit are
//! an error and never cut. Literals extend with zeros whatever their sign.

/// Why a literal is no value of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiteralError {
    /// Not a binary, octal, decimal or hexadecimal literal.
    #[error("it is no Verilog literal")]
    Syntax,
    /// An `x`, `z` or `?` digit.
    #[error("it has an undefined digit")]
    Undefined,
    /// Needs more bits than the literal's own size or the input has.
    #[error("it does not fit in {0} bits")]
    TooWide(u32),
}

/// Returns the value of a literal in `ceil(width / 64)` words.
///
/// Takes `12`, `'hff`, `8'hff`, `4 'sb1_000`, and the fills `'0` and `'1`.
pub fn parse(text: &str, width: u32) -> Result<Vec<u64>, LiteralError> {
    let text = text.trim();
    let Some((size_text, rest)) = text.split_once('\'') else {
        return digits(text, 10, width);
    };
    let rest = rest.trim_start().to_ascii_lowercase();
    if size_text.is_empty() && rest.len() == 1 {
        return fill(&rest, width);
    }
    let size = size(size_text.trim(), width)?;
    let body = rest.strip_prefix('s').unwrap_or(&rest);
    let radix = match body.chars().next() {
        Some('b') => 2,
        Some('o') => 8,
        Some('d') => 10,
        Some('h') => 16,
        _ => return Err(LiteralError::Syntax),
    };
    digits(body[1..].trim_start(), radix, size).map(|mut words| {
        words.resize(width.div_ceil(64) as usize, 0);
        words
    })
}

/// The bits that the value may use: those of the literal's size or of the input, whichever is fewer.
fn size(text: &str, width: u32) -> Result<u32, LiteralError> {
    if text.is_empty() {
        return Ok(width);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        return Err(LiteralError::Syntax);
    }
    match text.replace('_', "").parse::<u32>() {
        Ok(size) if size > 0 => Ok(size.min(width)),
        _ => Err(LiteralError::Syntax),
    }
}

fn fill(digit: &str, width: u32) -> Result<Vec<u64>, LiteralError> {
    let mut words = match digit {
        "0" => vec![0; width.div_ceil(64) as usize],
        "1" => vec![u64::MAX; width.div_ceil(64) as usize],
        "x" | "z" => return Err(LiteralError::Undefined),
        _ => return Err(LiteralError::Syntax),
    };
    super::mask_to(&mut words, width);
    Ok(words)
}

/// The value of digits, by `value * radix + digit` over words.
fn digits(text: &str, radix: u32, width: u32) -> Result<Vec<u64>, LiteralError> {
    if text.is_empty() || text.starts_with('_') {
        return Err(LiteralError::Syntax);
    }
    let mut words = vec![0u64; width.div_ceil(64) as usize];
    for digit in text.chars().filter(|&digit| digit != '_') {
        if matches!(digit, 'x' | 'X' | 'z' | 'Z' | '?') {
            return Err(LiteralError::Undefined);
        }
        let mut carry = u128::from(digit.to_digit(radix).ok_or(LiteralError::Syntax)?);
        for word in &mut words {
            let sum = u128::from(*word) * u128::from(radix) + carry;
            *word = sum as u64;
            carry = sum >> 64;
        }
        let mut kept = words.clone();
        super::mask_to(&mut kept, width);
        if carry != 0 || kept != words {
            return Err(LiteralError::TooWide(width));
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::{LiteralError, parse};

    fn check(text: &str, width: u32, expect: Result<&[u64], LiteralError>) {
        assert_eq!(
            parse(text, width).as_deref(),
            expect.as_ref().map(|words| *words),
            "{text} in {width} bits"
        );
    }

    #[test]
    fn literals_of_every_base() {
        check("4'b0001", 4, Ok(&[1]));
        check("4'B1_010", 4, Ok(&[10]));
        check("8'o377", 8, Ok(&[255]));
        check("16 'hBeEf", 16, Ok(&[0xbeef]));
        check("10'd1_000", 10, Ok(&[1000]));
        check("4'sb1000", 8, Ok(&[8]));
        check("'hff", 8, Ok(&[255]));
        check("12", 4, Ok(&[12]));
        check("'1", 70, Ok(&[u64::MAX, 0x3f]));
        check("'0", 1, Ok(&[0]));
        check("32'd5", 3, Ok(&[5]));
        check("72'h12_0000_0000_0000_0003", 72, Ok(&[3, 0x12]));
        check("70'd1180591620717411303423", 70, Ok(&[u64::MAX, 0x3f]));
    }

    #[test]
    fn literals_that_are_no_values() {
        check("4'b1x00", 4, Err(LiteralError::Undefined));
        check("4'bzzzz", 4, Err(LiteralError::Undefined));
        check("'x", 4, Err(LiteralError::Undefined));
        check("5'b10000", 4, Err(LiteralError::TooWide(4)));
        check("3'd9", 8, Err(LiteralError::TooWide(3)));
        check("16", 4, Err(LiteralError::TooWide(4)));
        check("70'd1180591620717411303424", 70, Err(LiteralError::TooWide(70)));
        for text in ["", "'", "4'", "4'b", "4'b2", "0'b0", "-1", "4'q0", "four'b0", "4'b_1", "'2"] {
            check(text, 4, Err(LiteralError::Syntax));
        }
    }
}
