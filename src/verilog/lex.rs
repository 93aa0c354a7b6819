//! The lexer: text in, tokens out, white space and comments included, so that the spans of all tokens lie
//! end to end and cover the text.
//!
//! It knows the lexical rules of SystemVerilog (IEEE 1800-2017, clause 5) and nothing of the grammar. It
//! works on bytes in one pass, each byte looked at a constant number of times, and cuts only between
//! characters. Unclosed things end where they do least harm: a string at the end of its line, a block
//! comment at the end of the text (as every compiler does).

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Blanks and line ends.
    Whitespace,
    /// `// …` up to the line end, which is not part of it.
    LineComment,
    /// `/* … */`, or up to the end of the text if it is never closed.
    BlockComment,
    /// A name or a keyword; [`is_keyword`] tells them apart.
    Word,
    /// `\name` up to the next white space, which is not part of it.
    EscapedIdentifier,
    /// `$name`.
    SystemName,
    /// `` `name ``: a compiler directive or the use of a macro.
    Directive,
    /// A number, with its base where it has one; a size before the base is a token of its own.
    Number,
    /// `"…"` in one line.
    String,
    /// One or more characters that stand for an operator or a delimiter.
    Symbol,
    /// Anything else, one character at a time.
    Unknown,
}

impl Kind {
    /// Tells white space and comments from what a parser sees.
    pub fn is_trivia(self) -> bool {
        matches!(self, Kind::Whitespace | Kind::LineComment | Kind::BlockComment)
    }
}

/// A token: a kind and a half-open range of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub span: Range<usize>,
}

/// Returns the tokens of `text`; their spans cover it without gap or overlap.
pub fn lex(text: &str) -> Tokens<'_> {
    Tokens { text, at: 0 }
}

/// The tokens of a text, in order.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let first = *bytes.get(start)?;
        let (kind, end) = match first {
            b if is_blank(b) => (Kind::Whitespace, skip(bytes, start, is_blank)),
            b'/' if bytes.get(start + 1) == Some(&b'/') => {
                (Kind::LineComment, skip(bytes, start, |b| b != b'\n' && b != b'\r'))
            }
            b'/' if bytes.get(start + 1) == Some(&b'*') => {
                (Kind::BlockComment, block_comment_end(bytes, start))
            }
            b if is_word_start(b) => (Kind::Word, skip(bytes, start, is_word)),
            b'0'..=b'9' => (Kind::Number, number_end(bytes, start)),
            b'"' => (Kind::String, string_end(bytes, start)),
            b'\\' => escaped(bytes, start),
            b'$' => prefixed(bytes, start, Kind::SystemName, Kind::Symbol),
            b'`' => prefixed(bytes, start, Kind::Directive, Kind::Symbol),
            b'\'' => based_number(bytes, start)
                .map_or((Kind::Symbol, start + 1), |end| (Kind::Number, end)),
            b if b.is_ascii_punctuation() => (Kind::Symbol, symbol_end(bytes, start)),
            _ => {
                (Kind::Unknown, start + self.text[start..].chars().next().map_or(1, char::len_utf8))
            }
        };
        self.at = end;
        Some(Token { kind, span: start..end })
    }
}

/// Tells whether `word` is reserved by IEEE 1800-2017.
pub fn is_keyword(word: &str) -> bool {
    KEYWORDS.binary_search(&word).is_ok()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

/// Returns the first index from `at` on whose byte does not satisfy `inside`.
fn skip(bytes: &[u8], at: usize, inside: impl Fn(u8) -> bool) -> usize {
    bytes[at..].iter().position(|&b| !inside(b)).map_or(bytes.len(), |length| at + length)
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    bytes[start + 2..]
        .windows(2)
        .position(|pair| pair == b"*/")
        .map_or(bytes.len(), |length| start + length + 4)
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\n' | b'\r' => return at,
            // A backslash before a line end continues the string.
            b'\\' if bytes[at + 1..].starts_with(b"\r\n") => at += 3,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn escaped(bytes: &[u8], start: usize) -> (Kind, usize) {
    let end = skip(bytes, start + 1, |b| !is_blank(b));
    if end == start + 1 { (Kind::Symbol, end) } else { (Kind::EscapedIdentifier, end) }
}

fn prefixed(bytes: &[u8], start: usize, with_name: Kind, alone: Kind) -> (Kind, usize) {
    if bytes.get(start + 1).is_some_and(|&b| is_word_start(b)) {
        (with_name, skip(bytes, start + 1, is_word))
    } else {
        (alone, start + 1)
    }
}

/// Returns the end of an unsigned, real or time literal that starts with a digit.
fn number_end(bytes: &[u8], start: usize) -> usize {
    let digits = |at: usize| skip(bytes, at, |b| b.is_ascii_digit() || b == b'_');
    let mut end = digits(start);
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1 + sign);
        }
    }
    for unit in [&b"fs"[..], b"ps", b"ns", b"us", b"ms", b"s"] {
        let after = end + unit.len();
        if bytes[end..].starts_with(unit) && !bytes.get(after).is_some_and(|&b| is_word(b)) {
            return after;
        }
    }
    end
}

/// Returns the end of `'b01`, `'sh f`, `'0`, or `None` where the apostrophe opens no number.
fn based_number(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    if matches!(bytes.get(at), Some(b's' | b'S')) {
        at += 1;
    }
    let is_digit: fn(u8) -> bool = match bytes.get(at)? {
        b'b' | b'B' => |b| matches!(b, b'0' | b'1'),
        b'o' | b'O' => |b| matches!(b, b'0'..=b'7'),
        b'd' | b'D' => |b| b.is_ascii_digit(),
        b'h' | b'H' => |b| b.is_ascii_hexdigit(),
        b'0' | b'1' | b'x' | b'X' | b'z' | b'Z' if at == start + 1 => {
            let alone = !bytes.get(at + 1).is_some_and(|&b| is_word(b));
            return alone.then_some(at + 1);
        }
        _ => return None,
    };
    let is_digit = |b: u8| is_digit(b) || matches!(b, b'x' | b'X' | b'z' | b'Z' | b'?');
    // Blanks may stand between base and digits; more than a few are not a number but an accident, and the
    // limit keeps the lexer linear on `'b` followed by blanks again and again.
    let digits = skip(bytes, at + 1, |b| b == b' ' || b == b'\t');
    if digits - at > 64 || !bytes.get(digits).is_some_and(|&b| is_digit(b)) {
        return None;
    }
    Some(skip(bytes, digits, |b| is_digit(b) || b == b'_'))
}

/// Returns the end of an operator: two-character ones that matter to a reader of tokens are kept whole.
fn symbol_end(bytes: &[u8], start: usize) -> usize {
    const PAIRS: [&[u8]; 9] = [b"(*", b"*)", b"::", b"<=", b">=", b"==", b"!=", b"&&", b"||"];
    match bytes.get(start..start + 2) {
        // `@(*)` is an event control, not the start of an attribute.
        Some(b"(*") if bytes.get(start + 2) == Some(&b')') => start + 1,
        Some(pair) if PAIRS.contains(&pair) => start + 2,
        _ => start + 1,
    }
}

/// The reserved words, sorted.
#[rustfmt::skip]
const KEYWORDS: [&str; 248] = [
    "accept_on", "alias", "always", "always_comb", "always_ff", "always_latch", "and", "assert", "assign",
    "assume", "automatic", "before", "begin", "bind", "bins", "binsof", "bit", "break", "buf", "bufif0",
    "bufif1", "byte", "case", "casex", "casez", "cell", "chandle", "checker", "class", "clocking", "cmos",
    "config", "const", "constraint", "context", "continue", "cover", "covergroup", "coverpoint", "cross",
    "deassign", "default", "defparam", "design", "disable", "dist", "do", "edge", "else", "end", "endcase",
    "endchecker", "endclass", "endclocking", "endconfig", "endfunction", "endgenerate", "endgroup",
    "endinterface", "endmodule", "endpackage", "endprimitive", "endprogram", "endproperty", "endsequence",
    "endspecify", "endtable", "endtask", "enum", "event", "eventually", "expect", "export", "extends",
    "extern", "final", "first_match", "for", "force", "foreach", "forever", "fork", "forkjoin", "function",
    "generate", "genvar", "global", "highz0", "highz1", "if", "iff", "ifnone", "ignore_bins",
    "illegal_bins", "implements", "implies", "import", "incdir", "include", "initial", "inout", "input",
    "inside", "instance", "int", "integer", "interconnect", "interface", "intersect", "join", "join_any",
    "join_none", "large", "let", "liblist", "library", "local", "localparam", "logic", "longint",
    "macromodule", "matches", "medium", "modport", "module", "nand", "negedge", "nettype", "new", "nexttime",
    "nmos", "nor", "noshowcancelled", "not", "notif0", "notif1", "null", "or", "output", "package", "packed",
    "parameter", "pmos", "posedge", "primitive", "priority", "program", "property", "protected", "pull0",
    "pull1", "pulldown", "pullup", "pulsestyle_ondetect", "pulsestyle_onevent", "pure", "rand", "randc",
    "randcase", "randsequence", "rcmos", "real", "realtime", "ref", "reg", "reject_on", "release", "repeat",
    "restrict", "return", "rnmos", "rpmos", "rtran", "rtranif0", "rtranif1", "s_always", "s_eventually",
    "s_nexttime", "s_until", "s_until_with", "scalared", "sequence", "shortint", "shortreal",
    "showcancelled", "signed", "small", "soft", "solve", "specify", "specparam", "static", "string",
    "strong", "strong0", "strong1", "struct", "super", "supply0", "supply1", "sync_accept_on",
    "sync_reject_on", "table", "tagged", "task", "this", "throughout", "time", "timeprecision", "timeunit",
    "tran", "tranif0", "tranif1", "tri", "tri0", "tri1", "triand", "trior", "trireg", "type", "typedef",
    "union", "unique", "unique0", "unsigned", "until", "until_with", "untyped", "use", "uwire", "var",
    "vectored", "virtual", "void", "wait", "wait_order", "wand", "weak", "weak0", "weak1", "while",
    "wildcard", "wire", "with", "within", "wor", "xnor", "xor",
];
