//! The preprocessor: a text with directives in, one without out, and for each of its bytes the place it came
//! from.
//!
//! slang has a preprocessor of its own. It is not used because a span needs to know where a macro was *used*, of
//! macros in macros too; because it opens the files that a text names; and because macros that grow without end
//! are not bounded in it. This one expands macros with
//! and without arguments, takes the branch of a conditional, and drops all other directives: what they set
//! (time scale, default net type) does not change what depends on what.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::{Kind, Token, lex};

/// Longest expanded text. Candidates have at most 1 MiB; macros may not make more of it than this.
pub const EXPANDED_BYTES_MAX: usize = 2 << 20;

/// Macros that stand in one another; the standard asks for no number, real text needs three or four.
const DEPTH_MAX: usize = 64;

/// A text without directives, and the way back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// The text that a parser reads.
    pub text: String,
    /// Where it came from, in the order of `text`; they cover it.
    pub pieces: Vec<Piece>,
    /// Where macros are used, in order.
    pub uses: Vec<Use>,
    /// The macros that are defined, in order.
    pub defines: Vec<Range<usize>>,
    /// All directives of the source, definitions included, in order.
    pub directives: Vec<Range<usize>>,
}

impl Expanded {
    /// The place in the source that a place in the text stands for.
    pub fn source_of(&self, offset: usize) -> usize {
        let piece = self.pieces.partition_point(|piece| piece.text.end <= offset);
        match self.pieces.get(piece) {
            Some(piece) if piece.used.is_none() => {
                let source = piece.source.start + offset.saturating_sub(piece.text.start);
                source.min(piece.source.end)
            }
            Some(piece) => piece.source.start,
            None => self.pieces.last().map_or(0, |piece| piece.source.end),
        }
    }
}

/// A range of the expanded text and the range of the source that it stands for: byte by byte, or, where it
/// is the expansion of a macro, as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Bytes of the expanded text.
    pub text: Range<usize>,
    /// Bytes of the source.
    pub source: Range<usize>,
    /// Index of the macro use whose expansion this is.
    pub used: Option<usize>,
}

/// A use of a macro in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The name and, if it has them, the arguments.
    pub span: Range<usize>,
    /// Indices of the definitions that its expansion went through.
    pub defines: BTreeSet<usize>,
}

/// Why a text cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A macro that nobody defined.
    #[error("macro `{0} is not defined")]
    Undefined(String),
    /// Arguments that do not fit the definition.
    #[error("macro `{0} has other arguments than its definition")]
    Arguments(String),
    /// The text names a file.
    #[error("`{0} is not followed")]
    Directive(String),
    /// Conditionals without their end, or ends without their beginning.
    #[error("conditional directives do not match")]
    Unbalanced,
    /// More text or deeper nesting than is looked at.
    #[error(
        "macros expand to more than {EXPANDED_BYTES_MAX} bytes, {DEPTH_MAX} levels or {STEPS_MAX} uses"
    )]
    TooLong,
}

/// Expands the macros of `source` and takes the branches of its conditionals.
pub fn expand(source: &str) -> Result<Expanded, ExpandError> {
    let (macros, steps, filled) = (HashMap::new(), Cell::new(0), Cell::new(0));
    let mut expander = Expander { source, macros, steps, filled, out: Expanded::default() };
    expander.run()?;
    Ok(expander.out)
}

#[derive(Clone, Debug)]
struct Macro {
    /// Names and defaults; `None` for a macro without parentheses.
    parameters: Option<Vec<(String, Option<String>)>>,
    body: String,
    /// Index among the definitions.
    define: usize,
}

struct Expander<'a> {
    source: &'a str,
    macros: HashMap<String, Macro>,
    /// Macro uses so far.
    steps: Cell<usize>,
    /// Bytes of bodies with their arguments put in so far.
    filled: Cell<usize>,
    out: Expanded,
}

/// A conditional on the way.
struct Conditional {
    /// What stands around it is read.
    is_reached: bool,
    /// One of its branches was taken.
    was_taken: bool,
    /// The present branch is read.
    is_read: bool,
}

/// Macro uses in all, nested ones included: those that expand to nothing make no text.
const STEPS_MAX: usize = 100_000;

/// Bytes of bodies in all, with their arguments put in: arguments that grow from macro to macro and are then
/// not used make no text either.
const FILLED_BYTES_MAX: usize = 32 << 20;

impl<'a> Expander<'a> {
    fn run(&mut self) -> Result<(), ExpandError> {
        let tokens: Vec<Token> = lex(self.source).collect();
        let mut open: Vec<Conditional> = Vec::new();
        let mut is_read = true;
        let mut at = 0;
        while at < tokens.len() {
            let token = &tokens[at];
            let word = &self.source[token.span.clone()];
            if token.kind != Kind::Directive {
                if is_read {
                    self.copy(token.span.clone());
                }
                at += 1;
                continue;
            }
            let name = &word[1..];
            if matches!(name, "ifdef" | "ifndef" | "elsif" | "else" | "endif") {
                at = self.conditional(&tokens, at, &mut open)?;
                is_read = open.last().is_none_or(|last| last.is_read);
            } else if is_directive(name) {
                let end = self.line_end(&tokens, at, name == "define");
                self.directive(token.span.start..self.end_of(&tokens, end), name, is_read)?;
                at = end;
            } else if is_read {
                at = self.use_macro(&tokens, at)?;
            } else {
                at += 1;
            }
        }
        if open.is_empty() { Ok(()) } else { Err(ExpandError::Unbalanced) }
    }

    /// Goes through `` `ifdef`` and its kin; returns the index after the directive.
    fn conditional(
        &mut self,
        tokens: &[Token],
        at: usize,
        open: &mut Vec<Conditional>,
    ) -> Result<usize, ExpandError> {
        let name = &self.source[tokens[at].span.clone()][1..];
        let mut end = at + 1;
        let mut is_defined = false;
        if matches!(name, "ifdef" | "ifndef" | "elsif") {
            end = next_solid(tokens, at + 1).ok_or(ExpandError::Unbalanced)?;
            is_defined = self.macros.contains_key(&self.source[tokens[end].span.clone()]);
            end += 1;
        }
        match name {
            "ifdef" | "ifndef" => {
                let is_reached = open.last().is_none_or(|last| last.is_read);
                let was_taken = is_defined == (name == "ifdef");
                open.push(Conditional { is_reached, was_taken, is_read: is_reached && was_taken });
            }
            "elsif" | "else" => {
                let last = open.last_mut().ok_or(ExpandError::Unbalanced)?;
                let is_taken = !last.was_taken && (is_defined || name == "else");
                last.was_taken |= is_taken;
                last.is_read = last.is_reached && is_taken;
            }
            _ if open.pop().is_none() => return Err(ExpandError::Unbalanced),
            _ => {}
        }
        let span = tokens[at].span.start..self.end_of(tokens, end);
        self.separate(&span);
        self.out.directives.push(span);
        Ok(end)
    }

    /// Returns the index after the last token of the line in which a directive stands; a backslash before
    /// the line end continues a definition.
    fn line_end(&self, tokens: &[Token], at: usize, continues: bool) -> usize {
        let mut end = at + 1;
        while let Some(token) = tokens.get(end) {
            let text = &self.source[token.span.clone()];
            let ends = match token.kind {
                Kind::LineComment => true,
                Kind::Whitespace => text.contains(['\n', '\r']),
                _ => false,
            };
            let before = &self.source[..token.span.start];
            if ends && !(continues && before.ends_with('\\')) {
                return end;
            }
            end += 1;
        }
        end
    }

    fn end_of(&self, tokens: &[Token], index: usize) -> usize {
        tokens[..index].last().map_or(0, |token| token.span.end)
    }

    fn directive(
        &mut self,
        span: Range<usize>,
        name: &str,
        is_taken: bool,
    ) -> Result<(), ExpandError> {
        self.separate(&span);
        self.out.directives.push(span.clone());
        if !is_taken {
            return Ok(());
        }
        let rest = &self.source[span.start + 1 + name.len()..span.end];
        match name {
            "define" => {
                let define = self.out.defines.len();
                let (name, defined) = definition(rest, define)
                    .ok_or_else(|| ExpandError::Directive("define".into()))?;
                self.macros.insert(name, defined);
                self.out.defines.push(span);
            }
            "undef" => drop(self.macros.remove(rest.trim())),
            "undefineall" => self.macros.clear(),
            "include" => return Err(ExpandError::Directive("include".into())),
            _ => {}
        }
        Ok(())
    }

    /// Expands the macro used at `at`; returns the index after its use.
    fn use_macro(&mut self, tokens: &[Token], at: usize) -> Result<usize, ExpandError> {
        let mut defines = BTreeSet::new();
        let mut text = String::new();
        let end = self.substitute(self.source, tokens, at, 0, &mut defines, &mut text)?;
        let span = tokens[at].span.start..tokens[end - 1].span.end;
        // Blanks around it, so that it grows together with no neighbour.
        let start = self.out.text.len();
        self.out.text.push(' ');
        self.out.text.push_str(&text);
        self.out.text.push(' ');
        self.check_length(0)?;
        let used = Some(self.out.uses.len());
        self.out.pieces.push(Piece {
            text: start..self.out.text.len(),
            source: span.clone(),
            used,
        });
        self.out.uses.push(Use { span, defines });
        Ok(end)
    }

    /// Appends to `out` what the macro used at `at` of `text` stands for; returns the index after its use.
    fn substitute(
        &self,
        text: &str,
        tokens: &[Token],
        at: usize,
        depth: usize,
        defines: &mut BTreeSet<usize>,
        out: &mut String,
    ) -> Result<usize, ExpandError> {
        let name = &text[tokens[at].span.clone()][1..];
        if matches!(name, "__LINE__" | "__FILE__") {
            out.push_str(if name == "__LINE__" { "1" } else { "\"\"" });
            return Ok(at + 1);
        }
        let found = self.macros.get(name).ok_or_else(|| ExpandError::Undefined(name.to_owned()))?;
        self.steps.set(self.steps.get() + 1);
        if depth == DEPTH_MAX || self.steps.get() > STEPS_MAX {
            return Err(ExpandError::TooLong);
        }
        defines.insert(found.define);
        let mut end = at + 1;
        let mut values = HashMap::new();
        if let Some(parameters) = &found.parameters {
            let wrong = || ExpandError::Arguments(name.to_owned());
            let (arguments, after) = arguments(text, tokens, at + 1).ok_or_else(wrong)?;
            end = after;
            if arguments.len() > parameters.len().max(1) {
                return Err(wrong());
            }
            for (index, (parameter, default)) in parameters.iter().enumerate() {
                let given = arguments.get(index).map(|argument| argument.trim());
                let value = match (given, default) {
                    (Some(""), Some(default)) => default,
                    (Some(given), _) => given,
                    (None, Some(default)) => default,
                    (None, None) => return Err(wrong()),
                };
                values.insert(parameter.as_str(), value);
            }
        }
        let body = fill(&found.body, &values);
        self.check_length(body.len() + out.len())?;
        self.filled.set(self.filled.get() + body.len());
        if self.filled.get() > FILLED_BYTES_MAX {
            return Err(ExpandError::TooLong);
        }
        let inner: Vec<Token> = lex(&body).collect();
        let mut index = 0;
        while index < inner.len() {
            let token = &inner[index];
            if token.kind == Kind::Directive {
                if is_directive(&body[token.span.start + 1..token.span.end]) {
                    return Err(ExpandError::Directive("directive in a macro".into()));
                }
                index = self.substitute(&body, &inner, index, depth + 1, defines, out)?;
            } else {
                out.push_str(&body[token.span.clone()]);
                index += 1;
            }
            self.check_length(out.len())?;
        }
        Ok(end)
    }

    fn check_length(&self, more: usize) -> Result<(), ExpandError> {
        let fits = self.out.text.len() + more <= EXPANDED_BYTES_MAX;
        if fits { Ok(()) } else { Err(ExpandError::TooLong) }
    }

    fn copy(&mut self, span: Range<usize>) {
        let start = self.out.text.len();
        self.out.text.push_str(&self.source[span.clone()]);
        match self.out.pieces.last_mut() {
            Some(last) if last.used.is_none() && last.source.end == span.start => {
                last.text.end = self.out.text.len();
                last.source.end = span.end;
            }
            _ => self.out.pieces.push(Piece {
                text: start..self.out.text.len(),
                source: span,
                used: None,
            }),
        }
    }

    /// A blank in place of a directive; it stands for the directive's first byte.
    fn separate(&mut self, span: &Range<usize>) {
        let start = self.out.text.len();
        self.out.text.push(' ');
        let source = span.start..span.start + 1;
        self.out.pieces.push(Piece { text: start..start + 1, source, used: None });
    }
}

/// The directives of the standard, apart from conditionals.
fn is_directive(name: &str) -> bool {
    const NAMES: [&str; 21] = [
        "begin_keywords",
        "celldefine",
        "default_decay_time",
        "default_nettype",
        "default_trireg_strength",
        "define",
        "delay_mode_distributed",
        "delay_mode_path",
        "delay_mode_unit",
        "delay_mode_zero",
        "end_keywords",
        "endcelldefine",
        "include",
        "line",
        "nounconnected_drive",
        "pragma",
        "resetall",
        "timescale",
        "unconnected_drive",
        "undef",
        "undefineall",
    ];
    NAMES.contains(&name)
}

fn next_solid(tokens: &[Token], from: usize) -> Option<usize> {
    (from..tokens.len()).find(|&index| !tokens[index].kind.is_trivia())
}

/// Reads what follows `` `define``: the name, the parameters, the body.
fn definition(rest: &str, define: usize) -> Option<(String, Macro)> {
    let tokens: Vec<Token> = lex(rest).collect();
    let name = next_solid(&tokens, 0)?;
    if !matches!(tokens[name].kind, Kind::Word | Kind::EscapedIdentifier) {
        return None;
    }
    let mut body = name + 1;
    let mut parameters = None;
    // A parenthesis belongs to the macro only if it follows the name at once.
    if tokens.get(body).is_some_and(|token| rest[token.span.clone()].starts_with('(')) {
        let (given, after) = arguments(rest, &tokens, body)?;
        let list = given.iter().filter(|text| !text.trim().is_empty()).map(|text| {
            match text.split_once('=') {
                Some((name, default)) => (name.trim().to_owned(), Some(default.trim().to_owned())),
                None => (text.trim().to_owned(), None),
            }
        });
        parameters = Some(list.collect());
        body = after;
    }
    let mut text = String::new();
    for token in &tokens[body..] {
        match token.kind {
            Kind::LineComment | Kind::BlockComment => text.push(' '),
            _ => text.push_str(&rest[token.span.clone()]),
        }
    }
    let text = text.replace("\\\r\n", "\n").replace("\\\n", "\n");
    let name = rest[tokens[name].span.clone()].to_owned();
    Some((name, Macro { parameters, body: text.trim().to_owned(), define }))
}

/// Reads a parenthesised list from `at` on; returns its texts and the index after it.
fn arguments<'t>(text: &'t str, tokens: &[Token], at: usize) -> Option<(Vec<&'t str>, usize)> {
    let open = next_solid(tokens, at)?;
    if !text[tokens[open].span.clone()].starts_with('(') {
        return None;
    }
    let mut list = Vec::new();
    let mut start = tokens[open].span.start + 1;
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        let span = token.span.clone();
        match &text[span.clone()] {
            "(" | "[" | "{" | "(*" => depth += 1,
            ")" | "]" | "}" | "*)" => depth = depth.checked_sub(1)?,
            "," if depth == 1 => {
                list.push(&text[start..span.start]);
                start = span.end;
            }
            _ => {}
        }
        if depth == 0 {
            list.push(&text[start..span.end - 1]);
            return Some((list, index + 1));
        }
    }
    None
}

/// Puts the arguments in the place of the parameters; `` `` `` joins what stands around it.
fn fill(body: &str, values: &HashMap<&str, &str>) -> String {
    let mut out = String::new();
    // Taken apart before it is lexed: `` x``a `` is no use of a macro `a`.
    for part in body.split("``") {
        for token in lex(part) {
            let word = &part[token.span.clone()];
            let is_name = token.kind == Kind::Word;
            out.push_str(values.get(word).filter(|_| is_name).unwrap_or(&word));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &str) {
        let expanded = expand(source).expect("an expansion");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&expanded.text), expected, "{source}");
        let mut end = 0;
        for piece in &expanded.pieces {
            assert_eq!(piece.text.start, end, "pieces cover the text");
            end = piece.text.end;
            if piece.used.is_none() && piece.text.len() == piece.source.len() {
                let (was, is) = (&source[piece.source.clone()], &expanded.text[piece.text.clone()]);
                assert!(was == is || is == " ", "{was:?} became {is:?}");
            }
        }
        assert_eq!(end, expanded.text.len());
    }

    #[test]
    fn macros_and_conditionals() {
        check("`define A 1\nx `A y", "x 1 y");
        check(
            "`define A(a, b = 2) (a) + (b) // c\n`A(x, y) `A(f(1,2))",
            "// c (x) + (y) (f(1,2)) + (2)",
        );
        check("`define A 1 \\\n + 2\n`A;", "1 + 2 ;");
        check("`define B `A\n`define A z\n`B", "z");
        check("`define J(a) x_``a\n`J(y)", "x_y");
        check("`ifdef A\nno\n`elsif B\nno\n`else\nyes\n`endif", "yes");
        check("`define A\n`ifndef A\nno `C `ifdef D no `endif\n`else\nyes\n`endif", "yes");
        check("`timescale 1ns/1ps // t\nmodule", "// t module");
        check("`define A 1\n`undef A\n`ifdef A no `endif yes", "yes");
    }

    #[test]
    fn what_cannot_be_expanded_says_why() {
        let error = |source: &str| expand(source).expect_err("an error");
        assert_eq!(error("`A"), ExpandError::Undefined("A".into()));
        assert_eq!(error("`include \"x\""), ExpandError::Directive("include".into()));
        assert_eq!(error("`ifdef A"), ExpandError::Unbalanced);
        assert_eq!(error("`define A(x) x\n`A"), ExpandError::Arguments("A".into()));
        assert_eq!(error("`define A `A\n`A"), ExpandError::TooLong);
        let mut laughs = "`define L0 haha\n".to_owned();
        for level in 1..40 {
            laughs.push_str(&format!("`define L{level} `L{0} `L{0}\n", level - 1));
        }
        assert_eq!(error(&format!("{laughs}`L39")), ExpandError::TooLong);
        assert_eq!(error(&format!("{}`L39", laughs.replace("haha", ""))), ExpandError::TooLong);
        let mut wasted = "`define W0(x)\n".to_owned();
        for level in 1..19 {
            wasted.push_str(&format!("`define W{level}(x) `W{}(x x)\n", level - 1));
        }
        assert!(expand(&format!("{wasted}`W18(a)")).is_ok());
        assert_eq!(error(&format!("{wasted}{}", "`W18(a) ".repeat(100))), ExpandError::TooLong);
    }
}
