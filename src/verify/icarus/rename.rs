//! New names for the modules of a golden text, so that a candidate may use the old ones.
//!
//! Works on tokens: a name is changed where it heads a module, labels its end, or is instantiated, and
//! nowhere else, so that a module `count` with a port `count` keeps its port. Hierarchical names that begin
//! with a module's name are not followed; the compiler refuses the text then.

use std::collections::HashMap;

use super::testbench::PREFIX;
use crate::verilog::lex::{Kind, is_keyword};
use crate::verilog::unit::Scan;

/// A text and its modules' new names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// The text.
    pub text: String,
    /// New names by old ones.
    pub names: HashMap<String, String>,
}

/// Why the modules of a text cannot be renamed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenameError {
    /// No module begins in the text.
    #[error("the text has no module")]
    NoModule,
    /// A text uses names of the kind that the test bench gives.
    #[error("the text uses a name that begins with {PREFIX}")]
    Reserved,
    /// The text declares other units beside modules, which are used in other ways.
    #[error("the text declares a {0}")]
    OtherUnit(String),
}

/// Renames all modules and primitives of a text.
pub fn rename(text: &str) -> Result<Renamed, RenameError> {
    rename_with(text, "golden")
}

/// The same with another word in the new names.
pub(super) fn rename_with(text: &str, word: &str) -> Result<Renamed, RenameError> {
    rename_by(text, word, |_| None)
}

/// The same for a text that is to stand in a candidate's place: its module `top` becomes `name`.
pub fn stand_in(text: &str, top: &str, name: &str) -> Result<String, RenameError> {
    Ok(rename_by(text, "golden", |old| (old == top).then(|| name.to_owned()))?.text)
}

/// Gives each module the name that is wanted, or one of our own with that word.
fn rename_by(
    text: &str,
    word: &str,
    wanted: impl Fn(&str) -> Option<String>,
) -> Result<Renamed, RenameError> {
    if text.contains(PREFIX) {
        return Err(RenameError::Reserved);
    }
    let scan = Scan::new(text);
    let mut names = HashMap::new();
    for unit in &scan.units {
        let keyword = scan.word(unit.first_token);
        if !unit.is_module && keyword != "primitive" {
            return Err(RenameError::OtherUnit(keyword.to_owned()));
        }
        let number = names.len();
        let new = || wanted(&unit.name).unwrap_or_else(|| format!("{PREFIX}{word}_{number}"));
        names.entry(unit.name.clone()).or_insert_with(new);
    }
    if names.is_empty() {
        return Err(RenameError::NoModule);
    }
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for (index, token) in scan.tokens.iter().enumerate() {
        let Some(new) = identifier(&scan, index).and_then(|name| names.get(name)) else { continue };
        if heads(&scan, index) || labels(&scan, index) || instantiates(&scan, index) {
            out.push_str(&text[copied..token.span.start]);
            out.push_str(new);
            copied = token.span.end;
        }
    }
    out.push_str(&text[copied..]);
    Ok(Renamed { text: out, names })
}

/// The name that a token spells, if it is no keyword.
fn identifier<'a>(scan: &Scan<'a>, index: usize) -> Option<&'a str> {
    match scan.kind(index)? {
        Kind::Word => Some(scan.word(index)).filter(|word| !is_keyword(word)),
        Kind::EscapedIdentifier => Some(&scan.word(index)[1..]),
        _ => None,
    }
}

/// The word before a token; nothing before the first.
fn before<'a>(scan: &Scan<'a>, index: usize, distance: usize) -> &'a str {
    index.checked_sub(distance).map_or("", |index| scan.word(index))
}

fn heads(scan: &Scan, index: usize) -> bool {
    let lifetime = usize::from(matches!(before(scan, index, 1), "automatic" | "static"));
    matches!(before(scan, index, 1 + lifetime), "module" | "macromodule" | "primitive")
}

fn labels(scan: &Scan, index: usize) -> bool {
    before(scan, index, 1) == ":" && matches!(before(scan, index, 2), "endmodule" | "endprimitive")
}

/// `name #(…) instance`, `name instance (`, `name instance [3:0] (`.
fn instantiates(scan: &Scan, index: usize) -> bool {
    let parameters = scan.word(index + 1) == "#";
    let instance =
        identifier(scan, index + 1).is_some() && matches!(scan.word(index + 2), "(" | "[");
    parameters || instance
}
