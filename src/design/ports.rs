//! Ports that the body declares again: `output q` in the header and `reg q` below.
//!
//! In: the syntax of a text. Out: edits that move the type into the header (`output reg q`) and take the
//! second declaration out, or a [`Refusal`] where the two disagree. Icarus takes the two for one signal with
//! the range of the header, slang with that of the body, and Verilator for an error; models write it often.

use std::collections::BTreeMap;
use std::ops::Range;

use sv_lang::nodes::{
    DeclaratorSyntax, ImplicitAnsiPortSyntax, MemberSyntax, ModuleDeclarationSyntax,
    PortHeaderSyntax, PortListSyntax,
};
use sv_lang::{AstNode, Node, SyntaxTree};

use super::rewrite::{Edit, Piece};
use super::{Reason, Refusal};

/// A port of an ANSI header.
struct Header<'t> {
    name: &'t str,
    range: Range<usize>,
    declarator: Range<usize>,
    /// Direction, `wire` or `reg`, and type, those of an earlier port where it has none of its own.
    direction: String,
    keyword: String,
    kind: String,
    inherits: bool,
}

/// The edits for all modules of the text, or the port whose two declarations disagree.
pub(super) fn redeclared(tree: &SyntaxTree, text: &str) -> Result<Vec<Edit>, Refusal> {
    let mut edits = Vec::new();
    for module in modules(tree) {
        let Some(headers) = headers(module, text) else {
            continue;
        };
        let Some((types, mut without)) = declarations(module, &headers, text) else {
            continue;
        };
        if !types.is_empty() {
            edits.append(&mut without);
            edits.extend(typed(&headers, &types)?);
        }
    }
    Ok(edits)
}

/// The modules, in order: members of the text or of another module, so that nothing within them need be looked at.
fn modules(tree: &SyntaxTree) -> Vec<ModuleDeclarationSyntax<'_>> {
    let mut found = Vec::new();
    // Nodes with the number of levels below them where a module may stand: the text has a list of members.
    let mut open = vec![(tree.root(), 2)];
    while let Some((node, levels)) = open.pop() {
        let first = open.len();
        if let Some(module) = ModuleDeclarationSyntax::cast(node) {
            found.push(module);
            open.extend(module.members().iter().map(|member| (member.syntax(), 0)));
        } else if levels > 0 {
            open.extend(node.children().map(|child| (child, levels - 1)));
        }
        open[first..].reverse();
    }
    found
}

/// The ports of an ANSI header; `None` if there is none, or if a part of it comes from a macro, so that
/// ranges do not tell where it stands.
fn headers<'t>(module: ModuleDeclarationSyntax<'t>, text: &str) -> Option<Vec<Header<'t>>> {
    let Some(PortListSyntax::AnsiPortList(list)) = module.header().ports() else {
        return None;
    };
    let mut headers: Vec<Header<'t>> = Vec::new();
    for port in list.ports().iter() {
        let port = ImplicitAnsiPortSyntax::cast(port.syntax())?;
        headers.push(header(port, headers.last(), text)?);
    }
    Some(headers)
}

/// What the body says of a port.
struct Again {
    /// `reg`, `logic`, …; empty for a net.
    word: String,
    /// Sign and range.
    rest: String,
}

/// What the body says of the ports, and the body without it.
fn declarations<'t>(
    module: ModuleDeclarationSyntax<'t>,
    headers: &[Header<'t>],
    text: &str,
) -> Option<(BTreeMap<&'t str, Again>, Vec<Edit>)> {
    let (mut types, mut edits) = (BTreeMap::new(), Vec::new());
    for member in module.members().iter() {
        let (kind, declarators, variable) = match member {
            MemberSyntax::DataDeclaration(data) => {
                (data.r#type().syntax(), data.declarators(), true)
            }
            MemberSyntax::NetDeclaration(net) => (net.r#type().syntax(), net.declarators(), false),
            _ => continue,
        };
        let declarators: Vec<DeclaratorSyntax<'t>> = declarators.iter().collect();
        let is_port = |declarator: &DeclaratorSyntax<'t>| {
            declarator
                .name()
                .is_some_and(|name| headers.iter().any(|header| header.name == name.text()))
        };
        if !declarators.iter().any(is_port) {
            continue;
        }
        edits.push(without(member.syntax(), &declarators, &is_port, variable, text)?);
        let kind = kind_text(kind, text);
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let word =
            if variable { kind.find(|letter| !is_word(letter)).unwrap_or(kind.len()) } else { 0 };
        for name in declarators
            .iter()
            .filter(|declarator| is_port(declarator))
            .filter_map(|declarator| declarator.name())
        {
            let (word, rest) = (kind[..word].to_owned(), kind[word..].trim().to_owned());
            types.insert(name.text(), Again { word, rest });
        }
    }
    Some((types, edits))
}

/// The header with the types of the body.
fn typed(headers: &[Header<'_>], types: &BTreeMap<&str, Again>) -> Result<Vec<Edit>, Refusal> {
    let mut edits = Vec::new();
    for header in headers {
        let again = types.get(header.name);
        if let Some(again) = again {
            agree(header, again)?;
        }
        let prefix = match again.filter(|again| !again.word.is_empty()) {
            Some(Again { word, rest }) => {
                let signed = rest.starts_with("signed") && !header.kind.starts_with("signed");
                spaced([&header.direction, word, if signed { "signed" } else { "" }, &header.kind])
            }
            // What it inherited may have changed.
            None if header.inherits => {
                spaced([&header.direction, &header.keyword, &header.kind, ""])
            }
            None => continue,
        };
        let pieces = vec![Piece::Text(prefix), Piece::Source(header.declarator.clone())];
        edits.push(Edit { range: header.range.clone(), pieces });
    }
    Ok(edits)
}

/// Words with a blank after each.
fn spaced(words: [&str; 4]) -> String {
    words.into_iter().filter(|word| !word.is_empty()).map(|word| format!("{word} ")).collect()
}

/// Refuses what Icarus refuses: a port with a type in the header, and ranges that differ.
fn agree(header: &Header<'_>, again: &Again) -> Result<(), Refusal> {
    let (in_header, in_body) = (range_of(&header.kind), range_of(&again.rest));
    let is_range = |text: &str| text.is_empty() || text.starts_with('[');
    let is_number =
        |text: &str| !text.contains(|letter: char| letter.is_alphabetic() || letter == '_');
    let what = if !header.keyword.is_empty() || !is_range(&in_header) {
        "twice"
    } else if in_body.is_empty() || in_body == in_header {
        return Ok(());
    } else if in_header.is_empty() || (is_number(&in_header) && is_number(&in_body)) {
        "with another range in the body"
    } else {
        return Ok(());
    };
    Err(Refusal::new(Reason::ElaborationError, format!("port {} is declared {what}", header.name)))
}

fn range_of(kind: &str) -> String {
    kind.replace("unsigned", "").replace("signed", "").split_whitespace().collect()
}

/// The text of a type on one line, without what stands before it.
fn kind_text(kind: Node<'_>, text: &str) -> String {
    place(kind, text).map_or_else(String::new, |range| text[range].trim().replace('\n', " "))
}

fn header<'t>(
    port: ImplicitAnsiPortSyntax<'t>,
    before: Option<&Header<'t>>,
    text: &str,
) -> Option<Header<'t>> {
    let token = |token: Option<sv_lang::Token<'t>>| {
        token.map(|token| token.text().to_owned()).unwrap_or_default()
    };
    let (direction, keyword, kind) = match port.header() {
        PortHeaderSyntax::VariablePortHeader(header) => (
            token(header.direction()),
            token(header.var_keyword()),
            kind_text(header.data_type().syntax(), text),
        ),
        PortHeaderSyntax::NetPortHeader(header) => (
            token(header.direction()),
            token(header.net_type()),
            kind_text(header.data_type().syntax(), text),
        ),
        PortHeaderSyntax::InterfacePortHeader(_) => return None,
    };
    let inherits = direction.is_empty() && keyword.is_empty() && kind.is_empty();
    let (direction, keyword, kind) = match before {
        Some(before) if inherits => {
            (before.direction.clone(), before.keyword.clone(), before.kind.clone())
        }
        Some(before) if direction.is_empty() => (before.direction.clone(), keyword, kind),
        _ => (direction, keyword, kind),
    };
    let declarator = port.declarator();
    Some(Header {
        name: declarator.name()?.text(),
        range: place(port.syntax(), text)?,
        declarator: place(declarator.syntax(), text)?,
        direction,
        keyword,
        kind,
        inherits,
    })
}

/// A declaration without the ports in it; an initial value becomes an assignment.
fn without<'t>(
    declaration: Node<'t>,
    declarators: &[DeclaratorSyntax<'t>],
    is_port: &impl Fn(&DeclaratorSyntax<'t>) -> bool,
    variable: bool,
    text: &str,
) -> Option<Edit> {
    let range = place(declaration, text)?;
    let first = place(declarators.first()?.syntax(), text)?.start;
    let mut pieces = Vec::new();
    for declarator in declarators {
        let at = place(declarator.syntax(), text)?;
        if !is_port(declarator) {
            // The kind once more, so that each stands alone.
            pieces.extend([
                Piece::Source(range.start..first),
                Piece::Source(at),
                Piece::text("; "),
            ]);
        } else if declarator.initializer().is_some() {
            let keyword = if variable { "initial " } else { "assign " };
            pieces.extend([Piece::text(keyword), Piece::Source(at), Piece::text("; ")]);
        }
    }
    let kept: usize = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Source(kept) => text[kept.clone()].matches('\n').count(),
            Piece::Text(_) => 0,
        })
        .sum();
    let lines = text[range.clone()].matches('\n').count().saturating_sub(kept);
    pieces.push(Piece::text("\n".repeat(lines)));
    Some(Edit { range, pieces })
}

/// Where a node stands in the text, if its tokens do.
fn place(node: Node<'_>, text: &str) -> Option<Range<usize>> {
    let range = node.byte_range();
    let first = node.first_token()?;
    text.get(range.clone())
        .is_some_and(|slice| slice.starts_with(first.text()) && !slice.contains('`'))
        .then_some(range)
}
