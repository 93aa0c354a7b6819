//! Ports that the body declares again: `output q` in the header and `reg q` below.
//!
//! In: the syntax of a text that slang and Icarus merge so. Out: edits that move the type into the header
//! (`output reg q`) and take the second declaration out, since Verilator takes it for another signal.

use std::collections::BTreeMap;
use std::ops::Range;

use sv_lang::nodes::{
    DeclaratorSyntax, ImplicitAnsiPortSyntax, MemberSyntax, ModuleDeclarationSyntax,
    PortHeaderSyntax, PortListSyntax,
};
use sv_lang::{AstNode, Node, SyntaxTree};

use super::rewrite::{Edit, Piece};

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

/// The edits for all modules of the text.
pub(super) fn redeclared(tree: &SyntaxTree, text: &str) -> Vec<Edit> {
    let modules: Vec<ModuleDeclarationSyntax<'_>> = tree.root().find_all().collect();
    modules
        .into_iter()
        .flat_map(|module| in_module(module, text).unwrap_or_default())
        .collect()
}

/// `None` if a part of it comes from a macro, so that ranges do not tell where it stands.
fn in_module(module: ModuleDeclarationSyntax<'_>, text: &str) -> Option<Vec<Edit>> {
    let Some(PortListSyntax::AnsiPortList(list)) = module.header().ports() else {
        return Some(Vec::new());
    };
    let mut headers: Vec<Header<'_>> = Vec::new();
    for port in list.ports().iter() {
        let port = ImplicitAnsiPortSyntax::cast(port.syntax())?;
        headers.push(header(port, headers.last(), text)?);
    }
    let mut edits = Vec::new();
    // The type that the body gives a port; nothing for a net.
    let mut types: BTreeMap<&str, String> = BTreeMap::new();
    for member in module.members().iter() {
        let (kind, declarators, variable) = match member {
            MemberSyntax::DataDeclaration(data) => {
                (data.r#type().syntax().text(), data.declarators(), true)
            }
            MemberSyntax::NetDeclaration(net) => (String::new(), net.declarators(), false),
            _ => continue,
        };
        let declarators: Vec<DeclaratorSyntax<'_>> = declarators.iter().collect();
        let is_port = |declarator: &DeclaratorSyntax<'_>| {
            declarator
                .name()
                .is_some_and(|name| headers.iter().any(|header| header.name == name.text()))
        };
        if !declarators.iter().any(is_port) {
            continue;
        }
        edits.push(without(
            member.syntax(),
            &declarators,
            &is_port,
            variable,
            text,
        )?);
        for name in declarators
            .iter()
            .filter(|declarator| is_port(declarator))
            .filter_map(|declarator| declarator.name())
        {
            types.insert(name.text(), kind.trim().to_owned());
        }
    }
    if types.is_empty() {
        return Some(edits);
    }
    for header in &headers {
        let prefix = match types.get(header.name).filter(|kind| !kind.is_empty()) {
            Some(kind) => format!("{} {} ", header.direction, merged(kind, &header.kind)),
            // What it inherited may have changed.
            None if header.inherits => {
                format!("{} {} {} ", header.direction, header.keyword, header.kind)
            }
            None => continue,
        };
        let pieces = vec![
            Piece::Text(prefix),
            Piece::Source(header.declarator.clone()),
        ];
        edits.push(Edit {
            range: header.range.clone(),
            pieces,
        });
    }
    Some(edits)
}

fn header<'t>(
    port: ImplicitAnsiPortSyntax<'t>,
    before: Option<&Header<'t>>,
    text: &str,
) -> Option<Header<'t>> {
    let token = |token: Option<sv_lang::Token<'t>>| {
        token
            .map(|token| token.text().to_owned())
            .unwrap_or_default()
    };
    let (direction, keyword, kind) = match port.header() {
        PortHeaderSyntax::VariablePortHeader(header) => (
            token(header.direction()),
            token(header.var_keyword()),
            header.data_type().syntax().text(),
        ),
        PortHeaderSyntax::NetPortHeader(header) => (
            token(header.direction()),
            token(header.net_type()),
            header.data_type().syntax().text(),
        ),
        PortHeaderSyntax::InterfacePortHeader(_) => return None,
    };
    let kind = kind.trim().to_owned();
    let inherits = direction.is_empty() && keyword.is_empty() && kind.is_empty();
    let (direction, keyword, kind) = match before {
        Some(before) if inherits => (
            before.direction.clone(),
            before.keyword.clone(),
            before.kind.clone(),
        ),
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

/// The body's type with the header's range, if the body gives none: `reg` and `[3:0]`.
fn merged(body: &str, header: &str) -> String {
    let word = body
        .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .unwrap_or(body.len());
    let implied = header.is_empty() || header.starts_with(['[', 's', 'u']);
    match body[word..].trim() {
        "" if implied => format!("{body} {header}"),
        "" => header.to_owned(),
        _ => body.to_owned(),
    }
}

/// A declaration without the ports in it; an initial value becomes an assignment.
fn without(
    declaration: Node<'_>,
    declarators: &[DeclaratorSyntax<'_>],
    is_port: &impl Fn(&DeclaratorSyntax<'_>) -> bool,
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
    let lines = text[range.clone()]
        .matches('\n')
        .count()
        .saturating_sub(kept);
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
