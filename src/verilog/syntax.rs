//! The syntax tree of a text without directives: nodes with token ranges, in plain data.
//!
//! sv-parser's tree has a type for each of 1,300 rules of the grammar. Here it is brought down to the rules
//! that tell where a piece of code begins and ends and what it is for; all other nodes are left out and
//! their children belong to the node above. Tokens are our lexer's, so a name is a name everywhere. Only
//! this file names sv-parser, and of it the parser and the tree alone: its preprocessor opens the files that a
//! text names, and says of an expanded byte where the macro was defined and not where it was used.
//!
//! sv-parser is a recursive parser that tries alternatives: a deep text overflows the stack and some texts
//! take long. Both are foreseen from the tokens and refused before ([`DEPTH_MAX`], [`STEPS_MAX`]), so that the
//! same texts are refused on every machine. Nothing proves that no other text is slow: callers parse in a
//! process of their own, with a limit on its time far above what these allow, on a thread with [`STACK_BYTES`].

use std::ops::Range;

use sv_parser_parser::{Span, SpanInfo};
use sv_parser_syntaxtree::{NodeEvent, RefNode, SourceText};

use super::{Kind as TokenKind, Token, lex};

/// Longest text that is parsed: real modules have some 4 KiB, the longest of 32,000 rows 254 KB.
pub const BYTES_MAX: usize = 512 << 10;

/// Deepest nesting of brackets and blocks that is parsed: real text has some 20 levels.
pub const DEPTH_MAX: usize = 200;

/// Operators in one expression, for each of which sv-parser recurses; `or` between events is one.
pub const OPERATORS_MAX: usize = 1000;

/// Steps of a parse, as foreseen from the tokens: sv-parser tries what stands in brackets again for each rule
/// that may begin with it, so that its time grows with the cube of the nesting, and with the square of the
/// operators once for each level around them. Calibrated on some ninety forms of text, not proved: a step took
/// about a microsecond, so that the limit on CPU time stands behind it.
pub const STEPS_MAX: usize = 20_000_000;

/// Steps for a token that nests in nothing.
const STEPS_OF_TOKEN: usize = 50;

/// Stack of a thread that parses: 200 levels of parentheses take some 60 MB.
pub const STACK_BYTES: usize = 1 << 30;

/// A node's rule of the grammar, several of one use under one name.
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
    List,
    Function,
    Task,
    SubroutineName,
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
    Slot,
    Statement,
    Assign,
    IncDec,
    ProcedureAssign,
    Case,
    Arm,
    If,
    Condition,
    Call,
    Disable,
    Trigger,
    For,
    Foreach,
    While,
    Repeat,
    Forever,
    DoWhile,
    Return,
    Jump,
    Block,
    Timed,
    EventControl,
    Wait,
    RandomCase,
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
    /// sv-parser does not take the text.
    #[error("sv-parser does not accept it")]
    Refused,
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
    let Effort { depth, operators, steps } = effort(text, &tokens);
    for (is, most, what) in [
        (text.len(), BYTES_MAX, "bytes"),
        (depth, DEPTH_MAX, "levels of nesting"),
        (operators, OPERATORS_MAX, "operators in one expression"),
        (steps, STEPS_MAX, "steps to be parsed"),
    ] {
        if is > most {
            return Err(ParseError::TooLarge(format!("{most} {what}")));
        }
    }
    let solid = Solid::new(text, &tokens);
    let span = Span::new_extra(&solid.text, SpanInfo::default());
    let (_, tree) = sv_parser_parser::sv_parser(span).map_err(|_| ParseError::Refused)?;
    Ok(Tree { text, nodes: nodes(&tree, &solid), tokens })
}

/// The tokens of a text with one blank in place of all that stands between two of them. sv-parser keeps white
/// space and comments in its tree and copies them with it, again and again.
struct Solid {
    text: String,
    /// Where each token starts in it.
    starts: Vec<usize>,
}

impl Solid {
    fn new(text: &str, tokens: &[Token]) -> Solid {
        let mut solid = Solid { text: String::new(), starts: Vec::with_capacity(tokens.len()) };
        let mut end = 0;
        for token in tokens {
            if token.span.start > end {
                solid.text.push(' ');
            }
            solid.starts.push(solid.text.len());
            solid.text.push_str(&text[token.span.clone()]);
            end = token.span.end;
        }
        // An escaped name ends with white space.
        solid.text.push('\n');
        solid
    }

    /// The token that starts at an offset; a part of a token (`'b`, `0101`) starts none.
    fn token(&self, offset: usize) -> Option<usize> {
        self.starts.binary_search(&offset).ok()
    }
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

/// What a text will ask of a parser, by its tokens alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Effort {
    /// How deep brackets, blocks and operators that lean on one another nest.
    depth: usize,
    /// Operators between two commas or semicolons.
    operators: usize,
    /// See [`STEPS_MAX`].
    steps: usize,
}

fn effort(text: &str, tokens: &[Token]) -> Effort {
    let mut most = Effort::default();
    let (mut level, mut chained, mut operators) = (0usize, 0usize, 0usize);
    // The level of the list of an event control, where a comma is an operator: `@(a, b)` is `@(a or b)`.
    let mut events = None;
    let mut last = "";
    for token in tokens {
        let word = &text[token.span.clone()];
        match word {
            "(" | "[" | "{" | "(*" | "begin" | "case" | "casez" | "casex" | "fork" | "generate" => {
                level += 1;
                if last == "@" {
                    events = Some(level);
                }
            }
            ")" | "]" | "}" | "*)" | "end" | "endcase" | "join" | "endgenerate" => {
                level = level.saturating_sub(1);
                events = events.filter(|&list| list <= level);
            }
            "," if events.is_some() => operators += 1,
            // Each branch of a chain without blocks, and each prefix operator, is a level of recursion.
            "?" | "~" | "!" | "if" | "for" | "while" | "repeat" | "forever" | "@" | "#" => {
                chained += 1;
            }
            ";" | "," => (chained, operators) = (0, 0),
            "else" | "endmodule" => chained = 0,
            "+" | "-" | "*" | "/" | "%" | "&" | "|" | "^" | "&&" | "||" | "==" | "!=" | "<"
            | ">" | "=" | "<=" | ">=" | "or" | "and" => operators += 1,
            _ => {}
        }
        last = word;
        let depth = level + chained;
        most.depth = most.depth.max(depth);
        most.operators = most.operators.max(operators);
        most.steps += STEPS_OF_TOKEN + depth * depth + operators * (1 + depth);
    }
    most
}

/// The tokens of a node of which none has been seen.
const NOWHERE: Range<usize> = usize::MAX..usize::MAX;

fn nodes(tree: &SourceText, solid: &Solid) -> Vec<Node> {
    let tokens = 0..solid.starts.len();
    let mut nodes = vec![Node { rule: Rule::Text, tokens, children: Vec::new() }];
    let mut open = vec![0];
    let mut blank = 0usize;
    for event in tree.into_iter().event() {
        match event {
            NodeEvent::Enter(RefNode::WhiteSpace(_)) => blank += 1,
            NodeEvent::Leave(RefNode::WhiteSpace(_)) => blank -= 1,
            NodeEvent::Enter(RefNode::Locate(locate)) if blank == 0 => {
                let token = solid.token(locate.offset);
                for &node in open.iter().skip(1).rev() {
                    let Some(token) = token else { break };
                    let range: &mut Range<usize> = &mut nodes[node].tokens;
                    if range.start == usize::MAX {
                        *range = token..token + 1;
                    } else {
                        break;
                    }
                }
                if let (Some(token), Some(&last)) = (token, open.last())
                    && last > 0
                {
                    nodes[last].tokens.end = token + 1;
                }
            }
            NodeEvent::Enter(node) if blank == 0 => {
                let Some(rule) = rule_of(&node) else { continue };
                let index = nodes.len();
                nodes.push(Node { rule, tokens: NOWHERE, children: Vec::new() });
                open.push(index);
            }
            NodeEvent::Leave(node) if blank == 0 && rule_of(&node).is_some() => {
                let Some(index) = open.pop() else { continue };
                let parent = open.last().copied().unwrap_or(0);
                let Range { start, end } = nodes[index].tokens;
                if start == usize::MAX {
                    // It covers no token.
                    nodes[index].tokens = 0..0;
                    continue;
                }
                nodes[parent].children.push(index);
                if parent > 0 {
                    // The parent has begun with this node at the latest.
                    nodes[parent].tokens.end = nodes[parent].tokens.end.max(end);
                }
            }
            _ => {}
        }
    }
    nodes
}

fn rule_of(node: &RefNode) -> Option<Rule> {
    design_rule(node).or_else(|| declaration_rule(node)).or_else(|| statement_rule(node))
}

fn design_rule(node: &RefNode) -> Option<Rule> {
    Some(match node {
        RefNode::ModuleDeclaration(_) => Rule::Module,
        RefNode::ModuleAnsiHeader(_) | RefNode::ModuleNonansiHeader(_) => Rule::Header,
        RefNode::ParameterPortList(_) => Rule::ParameterPorts,
        RefNode::ListOfPorts(_) => Rule::Ports,
        RefNode::ListOfPortDeclarations(_) => Rule::AnsiPorts,
        RefNode::UdpDeclaration(_) => Rule::Primitive,
        RefNode::InterfaceDeclaration(_) => Rule::Interface,
        RefNode::ProgramDeclaration(_) => Rule::Program,
        RefNode::PackageDeclaration(_) => Rule::Package,
        RefNode::ClassDeclaration(_) | RefNode::InterfaceClassDeclaration(_) => Rule::Class,
        RefNode::ConfigDeclaration(_) => Rule::Config,
        RefNode::BindDirective(_) => Rule::Bind,
        RefNode::CheckerDeclaration(_) => Rule::Checker,
        RefNode::DpiImportExport(_) => Rule::Foreign,
        RefNode::ContinuousAssign(_) => Rule::ContinuousAssign,
        RefNode::NetAlias(_) => Rule::Alias,
        RefNode::InitialConstruct(_) => Rule::Initial,
        RefNode::FinalConstruct(_) => Rule::Final,
        RefNode::AlwaysConstruct(_) => Rule::Always,
        RefNode::GenerateRegion(_) => Rule::GenerateRegion,
        RefNode::LoopGenerateConstruct(_) => Rule::GenerateFor,
        RefNode::IfGenerateConstruct(_) => Rule::GenerateIf,
        RefNode::CaseGenerateConstruct(_) => Rule::GenerateCase,
        RefNode::CaseGenerateItem(_) => Rule::GenerateArm,
        RefNode::GenerateBlock(_) => Rule::GenerateSlot,
        RefNode::GenerateBlockMultiple(_) => Rule::GenerateBlock,
        RefNode::ModuleInstantiation(_)
        | RefNode::UdpInstantiation(_)
        | RefNode::InterfaceInstantiation(_)
        | RefNode::ProgramInstantiation(_)
        | RefNode::CheckerInstantiation(_) => Rule::Instantiation,
        RefNode::HierarchicalInstance(_) | RefNode::UdpInstance(_) => Rule::Instance,
        RefNode::GateInstantiation(_) => Rule::Gates,
        RefNode::CmosSwitchInstance(_)
        | RefNode::EnableGateInstance(_)
        | RefNode::MosSwitchInstance(_)
        | RefNode::NInputGateInstance(_)
        | RefNode::NOutputGateInstance(_)
        | RefNode::PassSwitchInstance(_)
        | RefNode::PassEnableSwitchInstance(_)
        | RefNode::PullGateInstance(_) => Rule::Gate,
        RefNode::ParameterOverride(_) => Rule::Defparam,
        RefNode::SpecifyBlock(_) | RefNode::NonPortModuleItemSpecparam(_) => Rule::Specify,
        RefNode::AssertionItem(_)
        | RefNode::AssertionItemDeclaration(_)
        | RefNode::CovergroupDeclaration(_)
        | RefNode::ClockingDeclaration(_) => Rule::Assertion,
        RefNode::ElaborationSystemTask(_) | RefNode::TimeunitsDeclaration(_) => Rule::SystemItem,
        _ => return None,
    })
}

fn declaration_rule(node: &RefNode) -> Option<Rule> {
    Some(match node {
        RefNode::PortDeclaration(_)
        | RefNode::NetDeclaration(_)
        | RefNode::DataDeclarationVariable(_)
        | RefNode::GenvarDeclaration(_)
        | RefNode::LocalParameterDeclaration(_)
        | RefNode::ParameterDeclaration(_)
        | RefNode::LetDeclaration(_)
        | RefNode::NetTypeDeclaration(_) => Rule::Declaration,
        RefNode::EnumNameDeclaration(_) => Rule::EnumName,
        RefNode::TypeDeclaration(_) => Rule::Typedef,
        RefNode::PackageImportDeclaration(_) => Rule::Import,
        RefNode::PackageExportDeclaration(_) => Rule::Export,
        RefNode::ListOfGenvarIdentifiers(_)
        | RefNode::ListOfInterfaceIdentifiers(_)
        | RefNode::ListOfNetDeclAssignments(_)
        | RefNode::ListOfParamAssignments(_)
        | RefNode::ListOfPortIdentifiers(_)
        | RefNode::ListOfTfVariableIdentifiers(_)
        | RefNode::ListOfTypeAssignments(_)
        | RefNode::ListOfVariableDeclAssignments(_)
        | RefNode::ListOfVariableIdentifiers(_)
        | RefNode::ListOfVariablePortIdentifiers(_)
        | RefNode::ListOfNetAssignments(_)
        | RefNode::ListOfVariableAssignments(_) => Rule::List,
        RefNode::FunctionDeclaration(_) => Rule::Function,
        RefNode::TaskDeclaration(_) => Rule::Task,
        RefNode::FunctionIdentifier(_) | RefNode::TaskIdentifier(_) => Rule::SubroutineName,
        RefNode::TfPortList(_) => Rule::FormalPorts,
        RefNode::TfPortDeclaration(_) => Rule::FormalDeclaration,
        _ => return None,
    })
}

fn statement_rule(node: &RefNode) -> Option<Rule> {
    Some(match node {
        RefNode::StatementOrNull(_) | RefNode::FunctionStatementOrNull(_) => Rule::Slot,
        RefNode::Statement(_) => Rule::Statement,
        RefNode::BlockingAssignment(_) | RefNode::NonblockingAssignment(_) => Rule::Assign,
        RefNode::IncOrDecExpression(_) => Rule::IncDec,
        RefNode::ProceduralContinuousAssignment(_) => Rule::ProcedureAssign,
        RefNode::CaseStatement(_) => Rule::Case,
        RefNode::CaseItem(_) | RefNode::CasePatternItem(_) | RefNode::CaseInsideItem(_) => {
            Rule::Arm
        }
        RefNode::ConditionalStatement(_) => Rule::If,
        RefNode::CondPredicate(_) => Rule::Condition,
        RefNode::SubroutineCallStatement(_) => Rule::Call,
        RefNode::DisableStatement(_) => Rule::Disable,
        RefNode::EventTrigger(_) => Rule::Trigger,
        RefNode::LoopStatementFor(_) => Rule::For,
        RefNode::LoopStatementForeach(_) => Rule::Foreach,
        RefNode::LoopStatementWhile(_) => Rule::While,
        RefNode::LoopStatementRepeat(_) => Rule::Repeat,
        RefNode::LoopStatementForever(_) => Rule::Forever,
        RefNode::LoopStatementDoWhile(_) => Rule::DoWhile,
        RefNode::JumpStatementReturn(_) => Rule::Return,
        RefNode::JumpStatementBreak(_) | RefNode::JumpStatementContinue(_) => Rule::Jump,
        RefNode::SeqBlock(_) | RefNode::ParBlock(_) => Rule::Block,
        RefNode::ProceduralTimingControlStatement(_) => Rule::Timed,
        RefNode::EventControl(_) | RefNode::DelayControl(_) => Rule::EventControl,
        RefNode::WaitStatement(_) => Rule::Wait,
        RefNode::ProceduralAssertionStatement(_)
        | RefNode::ExpectPropertyStatement(_)
        | RefNode::ClockingDrive(_) => Rule::Assertion,
        RefNode::RandsequenceStatement(_) | RefNode::RandcaseStatement(_) => Rule::RandomCase,
        RefNode::VariableLvalue(_) | RefNode::NetLvalue(_) | RefNode::NonrangeVariableLvalue(_) => {
            Rule::Lvalue
        }
        _ => return None,
    })
}
