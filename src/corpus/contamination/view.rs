//! What of a text counts when it is compared: tokens of Verilog, words of a prompt, and their shingles.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use crate::verilog::Kind;
use crate::verilog::lex::is_keyword;
use crate::verilog::unit::Scan;

/// Hashes of the shingles of a text. They are compared with each other and never written down.
pub(super) type Shingles = HashSet<u64>;

/// The tokens of some design units, without what does not count: comments, white space, what stands
/// between units (`timescale`), labels after `endmodule`, and how a number is spelled (`8'HF_F`).
#[derive(Clone, Debug)]
pub(super) struct Code {
    tokens: Vec<Token>,
    modules: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Token {
    /// A unit that is declared here, numbered in the order of declaration.
    Unit(usize),
    /// Another name.
    Name(String),
    /// Anything else, as it is compared.
    Fixed(String),
}

impl Code {
    /// Takes all units of a text, or all tokens if it has none.
    pub(super) fn whole(scan: &Scan) -> Code {
        let ranges: Vec<Range<usize>> =
            scan.units.iter().map(|unit| unit.first_token..unit.end_token).collect();
        if ranges.is_empty() {
            Code::new(scan, std::slice::from_ref(&(0..scan.tokens.len())))
        } else {
            Code::new(scan, &ranges)
        }
    }

    /// Takes each finished module of a text by itself.
    pub(super) fn modules_of(scan: &Scan) -> Vec<Code> {
        let modules = scan.units.iter().filter(|unit| unit.is_module && unit.closed);
        let code = |range: Range<usize>| Code::new(scan, std::slice::from_ref(&range));
        modules.map(|unit| code(unit.first_token..unit.end_token)).collect()
    }

    fn new(scan: &Scan, ranges: &[Range<usize>]) -> Code {
        let covered = |at: usize| ranges.iter().any(|range| range.contains(&at));
        let units: Vec<&str> = scan
            .units
            .iter()
            .filter(|unit| covered(unit.first_token))
            .map(|unit| unit.name.as_str())
            .collect();
        let mut tokens = Vec::new();
        for range in ranges {
            let mut at = range.start;
            while at < range.end {
                tokens.push(token(scan, at, &units));
                let ends_unit = scan.word(at).starts_with("end") && scan.word(at + 1) == ":";
                // `endmodule : top` and `end : name` repeat a name.
                at += if ends_unit { 3 } else { 1 };
            }
        }
        Code { tokens, modules: units.into_iter().map(str::to_owned).collect() }
    }

    /// Names of the units.
    pub(super) fn modules(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().map(String::as_str)
    }

    /// Returns a text that is equal for equal tokens.
    pub(super) fn text(&self) -> String {
        joined(self.tokens.iter().map(|token| match token {
            Token::Unit(number) => format!("module {number}"),
            Token::Name(text) | Token::Fixed(text) => text.clone(),
        }))
    }

    /// Returns a text that is equal for equal tokens when names are numbered as they appear.
    pub(super) fn renamed(&self) -> String {
        let mut numbers = HashMap::new();
        joined(self.tokens.iter().map(|token| match token {
            Token::Unit(number) => format!("module {number}"),
            Token::Name(name) => {
                let next = numbers.len();
                format!("name {}", numbers.entry(name).or_insert(next))
            }
            Token::Fixed(text) => text.clone(),
        }))
    }

    /// Returns the runs of `length` tokens, names numbered as they appear in each; of a shorter text, itself.
    pub(super) fn shingles(&self, length: usize) -> Shingles {
        let mut shingles = Shingles::new();
        let mut names: Vec<&str> = Vec::with_capacity(length);
        for run in runs(&self.tokens, length) {
            names.clear();
            let mut hasher = DefaultHasher::new();
            for token in run {
                match token {
                    Token::Unit(_) => 0.hash(&mut hasher),
                    Token::Name(name) => {
                        let known = names.iter().position(|known| known == name);
                        known.unwrap_or(names.len()).hash(&mut hasher);
                        if known.is_none() {
                            names.push(name);
                        }
                    }
                    Token::Fixed(text) => text.hash(&mut hasher),
                }
            }
            shingles.insert(hasher.finish());
        }
        shingles
    }
}

fn token(scan: &Scan, at: usize, units: &[&str]) -> Token {
    let text = scan.word(at);
    let name = match scan.kind(at) {
        Some(Kind::Word) if !is_keyword(text) => text,
        // `\name ` and `name` are one name.
        Some(Kind::EscapedIdentifier) => &text[1..],
        Some(Kind::Number) => {
            let spelled = text.chars().filter(|c| !matches!(c, '_' | ' ' | '\t'));
            return Token::Fixed(spelled.collect::<String>().to_lowercase());
        }
        _ => return Token::Fixed(text.to_owned()),
    };
    match units.iter().position(|unit| *unit == name) {
        Some(number) => Token::Unit(number),
        None => Token::Name(name.to_owned()),
    }
}

/// Returns the words of a prompt in lower case, without those that are `ignored` as they stand.
pub(super) fn words(prompt: &str, ignored: impl Fn(&str) -> bool) -> Vec<String> {
    let words = prompt.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.filter(|word| !word.is_empty() && !ignored(word)).map(str::to_lowercase).collect()
}

/// Returns the runs of `length` words; of a shorter text, itself.
pub(super) fn word_shingles(words: &[String], length: usize) -> Shingles {
    let hash = |run: &[String]| {
        let mut hasher = DefaultHasher::new();
        run.hash(&mut hasher);
        hasher.finish()
    };
    runs(words, length).map(hash).collect()
}

fn runs<T>(items: &[T], length: usize) -> impl Iterator<Item = &[T]> {
    let short = (!items.is_empty() && items.len() < length).then_some(items);
    items.windows(length).chain(short)
}

fn joined(tokens: impl Iterator<Item = String>) -> String {
    tokens.collect::<Vec<String>>().join("\n")
}
