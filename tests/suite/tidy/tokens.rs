//! Rust source cut into the tokens that the checks need: words, punctuation and places. Comments, strings
//! and character literals are gone, so that a rule never fires on prose.
//!
//! It is no parser: nested comments, raw strings and lifetimes are told apart, and nothing else is.

/// A word (identifier, keyword or number) or one character of punctuation, with its 1-based line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// Cuts `source` into tokens.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let end = at + length(&chars[at..]);
        let text: String = chars[at..end].iter().collect();
        let is_word = is_word_char(chars[at]) && !text.contains(['"', '\'']);
        let is_mark = end == at + 1 && !chars[at].is_whitespace();
        if is_word || is_mark {
            tokens.push(Token { text: text.trim_start_matches("r#").to_owned(), line });
        }
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    tokens
}

/// Drops every item under `#[cfg(test)]`: what tests import is their own affair.
pub fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let marker = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let here = tokens[at..].iter().map(|token| token.text.as_str());
        if here.take(marker.len()).eq(marker) {
            at = item_end(tokens, at + marker.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Returns the place after the item that starts at `from`: after the `}` that closes its first `{` (and a
/// `;` behind it, as in `use a::{b};`), or after a `;` before any.
pub fn item_end(tokens: &[Token], from: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (token.text == "}" || token.text == ";") {
            let semicolon_follows = tokens.get(at + 1).is_some_and(|next| next.text == ";");
            return at + 1 + usize::from(semicolon_follows);
        }
    }
    tokens.len()
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Length of the token, the comment, the literal or the blank at the start of `rest`, which is not empty.
fn length(rest: &[char]) -> usize {
    let next = |at: usize| rest.get(at).copied().unwrap_or('\0');
    match rest[0] {
        '/' if next(1) == '/' => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        '/' if next(1) == '*' => block_comment(rest),
        '"' => string(rest, 0),
        '\'' => character_or_lifetime(rest),
        'r' if next(1) == '#' && is_word_char(next(2)) => 2 + word(&rest[2..]),
        c if is_word_char(c) => {
            let prefix = word(rest);
            let is_prefix = matches!(
                rest[..prefix].iter().collect::<String>().as_str(),
                "r" | "b" | "c" | "br" | "cr"
            );
            let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
            match next(prefix + hashes) {
                '"' if is_prefix && rest[..prefix].contains(&'r') => {
                    raw_string(rest, prefix, hashes)
                }
                '"' if is_prefix && hashes == 0 => string(rest, prefix),
                '\'' if is_prefix && hashes == 0 && rest[0] == 'b' => {
                    prefix + character_or_lifetime(&rest[prefix..])
                }
                _ => prefix,
            }
        }
        _ => 1,
    }
}

fn word(rest: &[char]) -> usize {
    rest.iter().position(|c| !is_word_char(*c)).unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at + 1 < rest.len() {
        match (rest[at], rest[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn string(rest: &[char], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw_string(rest: &[char], prefix: usize, hashes: usize) -> usize {
    let mut at = prefix + hashes + 1;
    while at < rest.len() {
        let closing = rest[at + 1..].iter().take(hashes).filter(|c| **c == '#').count();
        if rest[at] == '"' && closing == hashes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    rest.len()
}

/// `'a'` and `'\n'` are characters, `'a` without a closing quote is a lifetime (a mark and a word).
fn character_or_lifetime(rest: &[char]) -> usize {
    match rest.get(1) {
        Some('\\') => rest.iter().skip(3).position(|c| *c == '\'').map_or(rest.len(), |at| at + 4),
        Some(_) if rest.get(2) == Some(&'\'') => 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &str) {
        let texts: Vec<String> = tokens(source).into_iter().map(|token| token.text).collect();
        assert_eq!(texts.join(" "), expected, "{source}");
    }

    #[test]
    fn comments_strings_and_characters_are_gone() {
        check("a // unsafe\nb", "a b");
        check("a /* x /* unsafe */ y */ b", "a b");
        check(r#"f("unsafe \" unsafe") b"#, "f ( ) b");
        check("f(r#\"unsafe \" unsafe\"#) b", "f ( ) b");
        check(r#"f(b"unsafe", c"unsafe", br"\") b"#, "f ( , , ) b");
        check(r"f('x', '\'', '\u{7f}', b'\\', '{') b", "f ( , , , , ) b");
    }

    #[test]
    fn words_marks_and_lifetimes_stay() {
        check("fn f<'a>(x: &'a str)", "fn f < ' a > ( x : & ' a str )");
        check("r#type rust b1", "type rust b1");
        check("1..n", "1 . . n");
    }

    #[test]
    fn lines_are_counted_through_comments_and_strings() {
        let found = tokens("/* 1\n2 */ a\n\"3\n4\" b");
        let lines: Vec<usize> = found.iter().map(|token| token.line).collect();
        assert_eq!(lines, [2, 4]);
    }

    #[test]
    fn items_of_tests_are_dropped() {
        let kept = without_tests(&tokens(
            "a #[cfg(test)] mod t { fn f() { x } } b #[cfg(test)] use y::{z}; c",
        ));
        let texts: Vec<&str> = kept.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(texts, ["a", "b", "c"]);
    }
}
