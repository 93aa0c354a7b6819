//! The paths that a Rust file names: `use` trees taken apart, and `a::b` in expressions and types, with
//! `crate`, `self` and `super` resolved against the file's own module.

use super::tokens::{Token, item_end, tokens, without_tests};

/// A path such as `crate::verify::verdict` or `std::env`, and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub segments: Vec<String>,
    pub line: usize,
}

/// Returns every path of two segments or more in `source`, outside tests. `module` is the file's place in
/// the crate: `["verify", "verdict"]` for `src/verify/verdict.rs`.
pub fn paths(source: &str, module: &[&str]) -> Vec<Path> {
    let tokens = without_tests(&tokens(source));
    let mut found = Vec::new();
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        inline.retain(|(_, end)| at < *end);
        let text = tokens[at].text.as_str();
        if text == "mod" && tokens.get(at + 2).is_some_and(|token| token.text == "{") {
            inline.push((tokens[at + 1].text.clone(), item_end(&tokens, at)));
        }
        let mut raw = Vec::new();
        at = if text == "use" {
            let end = item_end(&tokens, at);
            use_tree(&tokens[at + 1..end], &[], &mut raw);
            end
        } else {
            path(&tokens, at, &mut raw)
        };
        let place: Vec<&str> =
            module.iter().copied().chain(inline.iter().map(|(name, _)| name.as_str())).collect();
        found.extend(
            raw.into_iter()
                .map(|path| resolve(path, &place))
                .filter(|path| path.segments.len() > 1),
        );
    }
    found
}

/// Reads one path of an expression or a type at `at`, and returns where to go on.
fn path(tokens: &[Token], at: usize, found: &mut Vec<Path>) -> usize {
    let is_word = |at: usize| {
        tokens
            .get(at)
            .is_some_and(|token| token.text.starts_with(|c: char| c.is_alphabetic() || c == '_'))
    };
    if !is_word(at) {
        return at + 1;
    }
    let mut segments = vec![tokens[at].text.clone()];
    let mut next = at + 1;
    while is_colons(tokens, next) && is_word(next + 2) {
        segments.push(tokens[next + 2].text.clone());
        next += 3;
    }
    found.push(Path { segments, line: tokens[at].line });
    next
}

fn is_colons(tokens: &[Token], at: usize) -> bool {
    let is_colon = |at: usize| tokens.get(at).is_some_and(|token| token.text == ":");
    is_colon(at) && is_colon(at + 1)
}

/// Takes `a::{b, c::{d, self}, e as f}` apart.
fn use_tree(tokens: &[Token], prefix: &[String], found: &mut Vec<Path>) {
    for branch in branches(tokens) {
        let mut segments = prefix.to_vec();
        let mut at = 0;
        while at < branch.len() {
            match branch[at].text.as_str() {
                "{" => {
                    use_tree(&branch[at + 1..], &segments, found);
                    segments.clear();
                    break;
                }
                "as" => break,
                ":" | "*" | "}" | ";" => {}
                "self" if !segments.is_empty() => {}
                word => segments.push(word.to_owned()),
            }
            at += 1;
        }
        if let (Some(first), false) = (branch.first(), segments.is_empty()) {
            found.push(Path { segments, line: first.line });
        }
    }
}

/// Splits at the commas outside braces; a closing brace that nothing opened ends the last branch.
fn branches(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut depth, mut start) = (0usize, 0);
    let mut branches = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" if depth == 0 => {
                branches.push(&tokens[start..at]);
                return branches;
            }
            "}" => depth -= 1,
            "," if depth == 0 => {
                branches.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    branches.push(&tokens[start..]);
    branches
}

/// Makes `self::` and `super::` paths start at `crate`.
fn resolve(mut path: Path, module: &[&str]) -> Path {
    let supers = path.segments.iter().take_while(|segment| *segment == "super").count();
    let is_relative = supers > 0 || path.segments.first().is_some_and(|segment| segment == "self");
    if is_relative && path.segments.len() > 1 {
        let base = &module[..module.len().saturating_sub(supers)];
        let own = path.segments.iter().skip(supers.max(1)).cloned();
        path.segments =
            ["crate"].iter().chain(base).map(|segment| (*segment).to_owned()).chain(own).collect();
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[&str]) {
        let found: Vec<String> = paths(source, &["verify", "verdict"])
            .iter()
            .map(|path| path.segments.join("::"))
            .collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn use_trees_are_taken_apart() {
        check("use crate::a::b;", &["crate::a::b"]);
        check(
            "use crate::{a, b::{c, self, d as e}, f::*};",
            &["crate::a", "crate::b::c", "crate::b", "crate::b::d", "crate::f"],
        );
        check("pub use std::{io, env};", &["std::io", "std::env"]);
    }

    #[test]
    fn paths_in_code_count_too() {
        check(
            "fn f(x: crate::a::B) { std::env::var(y.z); g::<T>() }",
            &["crate::a::B", "std::env::var"],
        );
        check("// crate::a::b\nlet s = \"crate::c::d\";", &[]);
    }

    #[test]
    fn super_is_resolved_from_the_file_and_from_modules_in_it() {
        check("use super::stimulus::X;", &["crate::verify::stimulus::X"]);
        check("use super::super::design::X;", &["crate::design::X"]);
        check(
            "mod inner { use super::super::super::design::X; } use super::y;",
            &["crate::design::X", "crate::verify::y"],
        );
        check("use self::a::b;", &["crate::verify::verdict::a::b"]);
    }
}
