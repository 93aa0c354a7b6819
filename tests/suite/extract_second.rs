//! The syntax tree from which cones are cut, by slang, against that of a parser which shares nothing with it: where
//! both accept a text, the same pieces of code are statements, blocks, processes and instances.

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use salv::candidate::{self, extract_code};
use salv::verilog::expand::expand;
use salv::verilog::syntax::{self, Rule};
use sv_parser::{NodeEvent, RefNode, SyntaxTree, parse_sv_str};

use crate::corpus::shared_data;

/// A piece of code: what it is, and its bytes.
type Piece = (&'static str, usize, usize);

/// Pieces that slang's tree has not, because nobody looks into what stands around: any `bind` makes all cones whole
/// modules, and so does a `wait_order` those that need it.
const EXPLAINED: [&str; 2] = [
    "y: bind: only sv-parser has a instance: \"s (.a(a))\"",
    "y: an order of events: only sv-parser has a assignment: \"y = a\"",
];

/// Rows of the shared data that are compared, spread evenly.
const ROWS: usize = 200;

fn by_slang(text: &str) -> Option<BTreeSet<Piece>> {
    let tree = syntax::parse(text).ok()?;
    let pieces = tree.nodes.iter().filter_map(|node| {
        let name = match node.rule {
            Rule::Module => "module",
            Rule::ContinuousAssign => "assign",
            Rule::Always => "always",
            Rule::Initial => "initial",
            Rule::Assign => "assignment",
            Rule::Case => "case",
            Rule::Arm => "arm",
            Rule::Block => "block",
            Rule::For => "for",
            Rule::While => "while",
            Rule::GenerateFor => "generate for",
            Rule::Instantiation => "instantiation",
            Rule::Instance => "instance",
            Rule::Gates => "gates",
            Rule::Function => "function",
            Rule::Task => "task",
            Rule::Typedef => "typedef",
            _ => return None,
        };
        // Where one has the semicolon in the statement, the other has it behind the assignment.
        let is_semicolon = tree.word(node.tokens.end - 1) == ";" && name == "assignment";
        let end = node.tokens.end - usize::from(is_semicolon);
        let (first, last) = (&tree.tokens[node.tokens.start], &tree.tokens[end - 1]);
        Some((name, first.span.start, last.span.end))
    });
    Some(pieces.collect())
}

fn name_of(node: &RefNode) -> Option<&'static str> {
    Some(match node {
        RefNode::ModuleDeclaration(_) => "module",
        RefNode::ContinuousAssign(_) => "assign",
        RefNode::AlwaysConstruct(_) => "always",
        RefNode::InitialConstruct(_) => "initial",
        RefNode::BlockingAssignment(_) | RefNode::NonblockingAssignment(_) => "assignment",
        RefNode::CaseStatement(_) => "case",
        RefNode::CaseItem(_) | RefNode::CasePatternItem(_) | RefNode::CaseInsideItem(_) => "arm",
        RefNode::SeqBlock(_) | RefNode::ParBlock(_) => "block",
        RefNode::LoopStatementFor(_) => "for",
        RefNode::LoopStatementWhile(_) | RefNode::LoopStatementRepeat(_) => "while",
        RefNode::LoopGenerateConstruct(_) => "generate for",
        RefNode::ModuleInstantiation(_) | RefNode::UdpInstantiation(_) => "instantiation",
        RefNode::HierarchicalInstance(_) | RefNode::UdpInstance(_) => "instance",
        RefNode::GateInstantiation(_) => "gates",
        RefNode::FunctionDeclaration(_) => "function",
        RefNode::TaskDeclaration(_) => "task",
        RefNode::TypeDeclaration(_) => "typedef",
        _ => return None,
    })
}

fn by_sv_parser(text: &str) -> Option<BTreeSet<Piece>> {
    let none = std::collections::HashMap::new();
    let parsed = parse_sv_str(text, Path::new("text.sv"), &none, &[] as &[&Path], false, false);
    let (tree, _) = parsed.ok()?;
    Some(pieces(&tree))
}

/// Nodes with the bytes from their first token to their last one; white space is in the tree, behind tokens.
fn pieces(tree: &SyntaxTree) -> BTreeSet<Piece> {
    let mut found = BTreeSet::new();
    let mut open: Vec<(&'static str, usize, usize)> = Vec::new();
    let mut blank = 0usize;
    for event in tree.into_iter().event() {
        match event {
            NodeEvent::Enter(RefNode::WhiteSpace(_)) => blank += 1,
            NodeEvent::Leave(RefNode::WhiteSpace(_)) => blank -= 1,
            NodeEvent::Enter(RefNode::Locate(locate)) if blank == 0 => {
                // Its preprocessor puts in a blank here and there.
                let Some((_, offset)) = tree.get_origin(locate) else { continue };
                for (_, start, end) in &mut open {
                    *start = (*start).min(offset);
                    *end = (*end).max(offset + locate.len);
                }
            }
            NodeEvent::Enter(node) if blank == 0 => {
                open.extend(name_of(&node).map(|name| (name, usize::MAX, 0)));
            }
            NodeEvent::Leave(node) if blank == 0 && name_of(&node).is_some() => {
                found.extend(open.pop())
            }
            _ => {}
        }
    }
    found
}

/// What became of some texts.
#[derive(Default)]
struct Count {
    same: usize,
    pieces: usize,
    only: BTreeMap<&'static str, usize>,
    differ: Vec<String>,
}

impl Count {
    fn compare(&mut self, name: &str, code: &str) {
        let Ok(expanded) = expand(code) else { return };
        let text = &expanded.text;
        let (one, other) = match (by_slang(text), by_sv_parser(text)) {
            (Some(one), Some(other)) => (one, other),
            (one, other) => {
                let who = match (one.is_some(), other.is_some()) {
                    (true, _) => "slang",
                    (_, true) => "sv-parser",
                    _ => "neither",
                };
                *self.only.entry(who).or_default() += 1;
                return;
            }
        };
        let show = |who: &str, piece: &Piece| {
            let code: String = text[piece.1..piece.2].chars().take(60).collect();
            format!("{name}: only {who} has a {}: {code:?}", piece.0)
        };
        let before = self.differ.len();
        self.differ.extend(one.difference(&other).map(|piece| show("slang", piece)));
        self.differ.extend(other.difference(&one).map(|piece| show("sv-parser", piece)));
        self.differ.retain(|difference| !EXPLAINED.contains(&difference.as_str()));
        self.pieces += one.len();
        self.same += usize::from(self.differ.len() == before);
    }
}

/// Runs `work` on a stack as deep as sv-parser wants.
fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(1 << 30);
        thread.spawn_scoped(scope, work).expect("a thread").join().expect("no panic")
    })
}

#[test]
fn snippets_have_the_same_pieces_by_a_second_parser() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/extract");
    let count = deep(|| {
        let mut count = Count::default();
        for entry in std::fs::read_dir(folder).expect("fixtures").flatten() {
            let text = std::fs::read_to_string(entry.path()).expect("a fixture");
            for snippet in text.split("//// ").skip(1) {
                let (title, code) = snippet.split_once('\n').expect("a title");
                count.compare(title, code);
            }
        }
        count
    });
    eprintln!(
        "{} snippets with {} pieces are the same; accepted by one alone: {:?}",
        count.same, count.pieces, count.only
    );
    assert!(count.differ.is_empty(), "{}", count.differ.join("\n"));
    assert!(count.same >= 80, "{} texts were compared", count.same);
    assert_eq!(count.only.get("sv-parser"), None, "what sv-parser takes, slang takes");
}

#[test]
fn real_answers_have_the_same_pieces_by_a_second_parser() {
    let Some(data) = shared_data() else { return };
    let rows: Vec<_> = candidate::read(&data.join("candidates.jsonl"))
        .expect("candidates")
        .collect::<Result<_, _>>()
        .expect("rows");
    let count = deep(|| {
        let mut count = Count::default();
        for row in rows.iter().step_by(rows.len() / ROWS) {
            if let Ok(code) = extract_code(&row.completion, "", "top_module") {
                count.compare(&row.id, &code.text);
            }
        }
        count
    });
    eprintln!(
        "{} answers with {} pieces are the same; accepted by one alone: {:?}",
        count.same, count.pieces, count.only
    );
    assert!(count.differ.is_empty(), "{}", count.differ.join("\n"));
    assert!(count.same >= ROWS / 2, "{} texts were compared", count.same);
}
