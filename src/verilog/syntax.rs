//! The syntax tree of a text without directives: nodes with token ranges, in plain data.
//!
//! slang's tree has 440 kinds of node. Here it is brought down to those that tell where a piece of code begins
//! and ends and what it is for; all other nodes, expressions before all, are left out and not looked into. Tokens
//! are our lexer's, so a name is a name everywhere. Beside `design`, only this module names `sv_lang`: there it
//! elaborates a text, here it reads its form, and no node of slang leaves either.
//!
//! slang's parser recurses over statements and expressions to a depth of its own (1,024) and over the rest of the
//! language without one. Texts of some seventy forms, each nested or repeated as often as [`BYTES_MAX`] or half of
//! it allows, took two seconds and 330 MB at most, stack and all, so nothing of it is foreseen from the tokens;
//! the walks behind are kept to [`DEPTH_MAX`]. It is C++ all the same: callers parse what they do not trust in a
//! process of its own.

mod kinds;

use std::borrow::Cow;
use std::ops::Range;

use sv_lang::kinds::SyntaxKind;
use sv_lang::nodes::FunctionPrototypeSyntax;
use sv_lang::{AstNode, Session};

use kinds::{is_whole, item_rule, statement_rule, target};

use super::{Kind as TokenKind, Token, lex, lex::is_keyword};

/// Longest text that is parsed: real modules have some 4 KiB, the longest of 32,000 rows 254 KB.
pub const BYTES_MAX: usize = 512 << 10;

/// Deepest nesting of statements, generate constructs and modules that is walked: real text has some 20 levels.
pub const DEPTH_MAX: usize = 200;

/// Bytes of lines, each counted once for each of its tokens. With each error slang writes the line that it stands
/// in, asked or not: on one long line, the errors of half a megabyte took two minutes, and these take two seconds.
pub const LINES_MAX: usize = 1 << 30;

/// Stack of a thread that parses.
pub const STACK_BYTES: usize = 256 << 20;

/// What a node is for: several kinds of one use under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the grammar")]
pub enum Rule {
    Text,
    Module,
    Header,
    ParameterPorts,
    Ports,
    AnsiPorts,
    Primitive,
    Interface,
    Program,
    Package,
    Class,
    Config,
    Bind,
    Checker,
    Foreign,
    Declaration,
    EnumName,
    Typedef,
    Import,
    Export,
    /// The names that a declaration declares, or the assignments of an `assign`.
    List,
    Function,
    Task,
    SubroutineName,
    /// What stands between the parentheses of a subroutine.
    FormalPorts,
    FormalDeclaration,
    ContinuousAssign,
    Alias,
    Initial,
    Final,
    Always,
    GenerateRegion,
    GenerateFor,
    GenerateIf,
    GenerateCase,
    GenerateArm,
    /// A place at which the grammar asks for a generate item; what stands there is below.
    GenerateSlot,
    GenerateBlock,
    Instantiation,
    Instance,
    Gates,
    Gate,
    Defparam,
    Specify,
    Assertion,
    SystemItem,
    /// A statement with its label, an empty one too; what it is stands below.
    Slot,
    Assign,
    IncDec,
    ProcedureAssign,
    Case,
    Arm,
    /// With a condition and a slot for each branch of a chain of `else if`, and a slot for the last `else`.
    If,
    Condition,
    Call,
    Disable,
    Trigger,
    For,
    Foreach,
    /// `while` or `repeat`.
    While,
    Forever,
    DoWhile,
    Return,
    Jump,
    Block,
    Timed,
    Wait,
    RandomCase,
    /// The left side of an assignment.
    Lvalue,
}

/// A node of the tree.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub rule: Rule,
    /// The tokens it covers.
    pub tokens: Range<usize>,
    /// Indices of the nodes below, in order.
    pub children: Vec<usize>,
}

/// A text, its tokens and its nodes; node 0 is the text.
#[derive(Clone, Debug)]
pub struct Tree<'a> {
    /// The text.
    pub text: &'a str,
    /// Its tokens without white space and comments.
    pub tokens: Vec<Token>,
    /// Its nodes; children come after their parents.
    pub nodes: Vec<Node>,
}

/// Why there is no tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// slang's parser finds an error.
    #[error("slang does not accept it: {message}")]
    Refused {
        /// The first error.
        message: String,
        /// Where it stands in the text, in bytes.
        offset: usize,
    },
    /// More than is looked at.
    #[error("it has more than {0}")]
    TooLarge(String),
}

impl Tree<'_> {
    /// The text of a token; nothing past the last one.
    pub fn word(&self, token: usize) -> &str {
        self.tokens.get(token).map_or("", |token| &self.text[token.span.clone()])
    }
}

/// Parses a text without directives.
pub fn parse(text: &str) -> Result<Tree<'_>, ParseError> {
    let tokens = solid_tokens(text);
    if text.len() > BYTES_MAX {
        return Err(ParseError::TooLarge(format!("{BYTES_MAX} bytes")));
    }
    if lines(text, &tokens) > LINES_MAX {
        return Err(ParseError::TooLarge("one line should hold".into()));
    }
    let session = Session::new();
    let refused = |message: String, offset| ParseError::Refused { message, offset };
    let parsed = session
        .parse(&without_nested_generates(text, &tokens))
        .map_err(|error| refused(error.to_string(), 0))?;
    if let Some(error) = parsed.diagnostics().items().iter().find(|found| found.is_error()) {
        return Err(refused(error.message.clone(), error.byte_offset));
    }
    let nodes = vec![Node { rule: Rule::Text, tokens: 0..tokens.len(), children: Vec::new() }];
    let mut walk = Walk { tree: Tree { text, tokens, nodes }, depth: 0 };
    walk.children(parsed.root(), 0)?;
    Ok(walk.tree)
}

/// The text with blanks for `generate` inside `generate`: it means nothing, slang refuses it, and `design` and
/// Icarus take it.
fn without_nested_generates<'a>(text: &'a str, tokens: &[Token]) -> Cow<'a, str> {
    let mut kept = Cow::Borrowed(text);
    let mut depth = 0usize;
    for token in tokens {
        let is_nested = match &text[token.span.clone()] {
            "generate" => {
                depth += 1;
                depth > 1
            }
            "endgenerate" => {
                depth = depth.saturating_sub(1);
                depth > 0
            }
            "endmodule" => {
                depth = 0;
                false
            }
            _ => false,
        };
        if is_nested {
            kept.to_mut().replace_range(token.span.clone(), &" ".repeat(token.span.len()));
        }
    }
    kept
}

/// See [`LINES_MAX`].
fn lines(text: &str, tokens: &[Token]) -> usize {
    let (mut sum, mut end, mut tokens) = (0, 0, tokens.iter().peekable());
    for line in text.split_inclusive('\n') {
        end += line.len();
        while tokens.next_if(|token| token.span.start < end).is_some() {
            sum += line.len();
        }
    }
    sum
}

/// The tokens that a parser sees, without attributes. `(*` and `*)` are taken apart where they are none.
fn solid_tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    // Which bracket, and how many tokens stood before it.
    let mut open: Vec<(&str, usize)> = Vec::new();
    for token in lex(text).filter(|token| !token.kind.is_trivia()) {
        match &text[token.span.clone()] {
            ")" if open.last().is_some_and(|last| last.0 == "(*") => {
                // `@(* )`: what looked like an attribute is an event control.
                let (_, at) = open.pop().unwrap_or_default();
                let parts = halves(&tokens[at]);
                tokens.splice(at..=at, parts);
            }
            "*)" if open.last().is_some_and(|last| last.0 == "(") => {
                open.pop();
                tokens.extend(halves(&token));
                continue;
            }
            "*)" => {
                if let Some((_, at)) = open.pop() {
                    tokens.truncate(at);
                    continue;
                }
            }
            ")" => drop(open.pop()),
            word @ ("(" | "(*") => open.push((word, tokens.len())),
            _ => {}
        }
        tokens.push(token);
    }
    tokens
}

fn halves(token: &Token) -> [Token; 2] {
    let middle = token.span.start + 1;
    let half = |span| Token { kind: TokenKind::Symbol, span };
    [half(token.span.start..middle), half(middle..token.span.end)]
}

/// A node of slang's tree.
type Parsed<'t> = sv_lang::Node<'t>;

/// The way down slang's tree.
struct Walk<'a> {
    /// What has been made so far.
    tree: Tree<'a>,
    depth: usize,
}

impl Walk<'_> {
    /// The tokens of a node.
    fn tokens(&self, node: Parsed<'_>) -> Range<usize> {
        let Range { start, end } = node.byte_range();
        let token = |at| self.tree.tokens.partition_point(|token| token.span.start < at);
        token(start)..token(end)
    }

    fn add(&mut self, rule: Rule, tokens: Range<usize>, parent: usize) -> usize {
        let node = self.tree.nodes.len();
        self.tree.nodes.push(Node { rule, tokens, children: Vec::new() });
        self.tree.nodes[parent].children.push(node);
        node
    }

    fn children(&mut self, parsed: Parsed<'_>, parent: usize) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ParseError::TooLarge(format!("{DEPTH_MAX} levels of nesting")));
        }
        for child in parsed.children() {
            self.visit(child, parent)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn visit(&mut self, parsed: Parsed<'_>, parent: usize) -> Result<(), ParseError> {
        if let Some(rule) = statement_rule(parsed) {
            self.statement(parsed, rule, parent)
        } else if parsed.kind() == SyntaxKind::ElseClause {
            self.otherwise(parsed, parent)
        } else if let Some(rule) = item_rule(parsed.kind()) {
            self.item(parsed, rule, parent)
        } else {
            Ok(())
        }
    }

    fn statement(
        &mut self,
        parsed: Parsed<'_>,
        rule: Rule,
        parent: usize,
    ) -> Result<(), ParseError> {
        let mut tokens = self.tokens(parsed);
        let slot = self.add(Rule::Slot, tokens.clone(), parent);
        if rule == Rule::Slot {
            return Ok(());
        }
        if let Some(label) = parsed.children().next().filter(|c| c.kind() == SyntaxKind::NamedLabel)
        {
            tokens.start = self.tokens(label).end;
        }
        let node = self.add(rule, tokens, slot);
        if let Some(target) = target(parsed) {
            let tokens = self.tokens(target);
            self.add(Rule::Lvalue, tokens, node);
        }
        if is_whole(rule) { Ok(()) } else { self.children(parsed, node) }
    }

    /// An `else`. A chain of `else if` is one node.
    fn otherwise(&mut self, clause: Parsed<'_>, parent: usize) -> Result<(), ParseError> {
        for child in clause.children() {
            let is_chain = child.kind() == SyntaxKind::ConditionalStatement
                && self.tree.word(self.tokens(child).start) == "if";
            if is_chain {
                // No level: slang's own limit holds.
                for part in child.children() {
                    self.visit(part, parent)?;
                }
            } else {
                self.visit(child, parent)?;
            }
        }
        Ok(())
    }

    fn item(&mut self, parsed: Parsed<'_>, rule: Rule, parent: usize) -> Result<(), ParseError> {
        let tokens = self.tokens(parsed);
        let around = self.tree.nodes[parent].rule;
        let parent = match around {
            Rule::GenerateFor | Rule::GenerateIf | Rule::GenerateArm => {
                self.add(Rule::GenerateSlot, tokens.clone(), parent)
            }
            _ => parent,
        };
        let rule = match rule {
            Rule::GenerateSlot => return Ok(()),
            Rule::Arm if around == Rule::GenerateCase => Rule::GenerateArm,
            Rule::Instance if around == Rule::Gates => Rule::Gate,
            // Without a gate's keyword it is a primitive of the text.
            Rule::Gates if !is_keyword(self.tree.word(tokens.start)) => Rule::Instantiation,
            Rule::Declaration
                if parsed.kind() == SyntaxKind::PortDeclaration
                    && matches!(around, Rule::Function | Rule::Task) =>
            {
                Rule::FormalDeclaration
            }
            _ => rule,
        };
        let node = self.add(rule, tokens, parent);
        match rule {
            Rule::Declaration | Rule::FormalDeclaration | Rule::Typedef => {
                self.declaration(parsed, node);
                Ok(())
            }
            Rule::ContinuousAssign => {
                self.list(parsed, SyntaxKind::AssignmentExpression, node);
                Ok(())
            }
            Rule::Function | Rule::Task => {
                self.prototype(parsed, node);
                self.children(parsed, node)
            }
            _ if is_whole(rule) => Ok(()),
            _ => self.children(parsed, node),
        }
    }

    fn declaration(&mut self, parsed: Parsed<'_>, node: usize) {
        for child in parsed.children() {
            match child.kind() {
                SyntaxKind::ParameterDeclaration => self.list(child, SyntaxKind::Declarator, node),
                SyntaxKind::TypeParameterDeclaration => {
                    self.list(child, SyntaxKind::TypeAssignment, node);
                }
                SyntaxKind::EnumType
                | SyntaxKind::StructType
                | SyntaxKind::UnionType
                | SyntaxKind::VariablePortHeader => self.members(child, node),
                _ => {}
            }
        }
        let name = match parsed.kind() {
            SyntaxKind::GenvarDeclaration => SyntaxKind::IdentifierName,
            _ => SyntaxKind::Declarator,
        };
        self.list(parsed, name, node);
    }

    /// The children of one kind as a list; no list where there are none.
    fn list(&mut self, parsed: Parsed<'_>, of: SyntaxKind, node: usize) {
        let mut elements = parsed.children().filter(|child| child.kind() == of);
        let Some(first) = elements.next() else { return };
        let last = elements.last().unwrap_or(first);
        let tokens = self.tokens(first).start..self.tokens(last).end;
        self.add(Rule::List, tokens, node);
    }

    /// The members of the enumerations in a type.
    fn members(&mut self, parsed: Parsed<'_>, node: usize) {
        for child in parsed.descendants().filter(|found| found.kind() == SyntaxKind::EnumType) {
            for member in child.children().filter(|found| found.kind() == SyntaxKind::Declarator) {
                let tokens = self.tokens(member);
                self.add(Rule::EnumName, tokens, node);
            }
        }
    }

    /// The name and the formal arguments of a subroutine.
    fn prototype(&mut self, parsed: Parsed<'_>, node: usize) {
        let Some(prototype) = parsed.children().find_map(FunctionPrototypeSyntax::cast) else {
            return;
        };
        let name = self.tokens(prototype.name().syntax());
        self.add(Rule::SubroutineName, name, node);
        if let Some(formals) = prototype.port_list() {
            let Range { start, end } = self.tokens(formals.syntax());
            if end > start + 2 {
                self.add(Rule::FormalPorts, start + 1..end - 1, node);
            }
        }
    }
}
