//! Expressions of every operator and width, over what a process may read.
//!
//! Every operation stands in parentheses, so that text can be cut out of it without a change of meaning
//! elsewhere. The width and the sign that come with a value are those that it determines itself: they keep
//! vectors short, and say what a concatenation holds. What a context makes of it is the simulators' affair.

use super::super::family::Family;
use super::literal;
use super::pen::{Pen, either};
use super::select;
use super::shape::{Atom, Shape};

/// Widest concatenation.
const WIDTH_MAX: u32 = 200;

/// An expression with its own width and sign.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) width: u32,
    pub(super) signed: bool,
    /// Whether a number without a size decides the width: a concatenation may not hold it.
    pub(super) is_unsized: bool,
}

impl Value {
    pub(super) fn new(text: String, width: u32, signed: bool) -> Value {
        Value { text, width, signed, is_unsized: false }
    }

    /// The same of operands some of which may be without a size.
    fn of(self, operands: &[&Value]) -> Value {
        Value { is_unsized: operands.iter().any(|operand| operand.is_unsized), ..self }
    }

    fn bit(text: String) -> Value {
        Value::new(text, 1, false)
    }

    /// The value as a side of one more operation, or a literal of 32 bits in its place where an operation in it has a number
    /// without a size.
    ///
    /// Beside such a number Icarus 11.0 computes in fewer than 32 bits, and what is unknown above them is lost, against 5.7.1,
    /// 11.6.1 and 11.4.3.
    pub(super) fn operand(self, pen: &mut Pen) -> Value {
        if !self.is_unsized || !self.text.contains('(') {
            return self;
        }
        Value::new(literal::sized(pen, 32, self.signed), 32, self.signed)
    }
}

/// A function that may be called: its formal arguments and its result, widths and signs.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) arguments: Vec<(u32, bool)>,
    pub(super) width: u32,
    pub(super) signed: bool,
}

/// What an expression may read and call.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) atoms: &'a [Atom],
    pub(super) functions: &'a [Function],
}

const OPERATIONS: &[(usize, Family)] = &[
    (12, Family::Arithmetic),
    (4, Family::Division),
    (2, Family::Power),
    (7, Family::Shift),
    (12, Family::Bitwise),
    (4, Family::Logical),
    (4, Family::Reduction),
    (5, Family::Relational),
    (4, Family::Equality),
    (3, Family::CaseEquality),
    (2, Family::WildcardEquality),
    (8, Family::Conditional),
    (5, Family::Concatenation),
    (2, Family::Replication),
    (3, Family::SignedCall),
    (2, Family::SizeCast),
    (2, Family::TypeCast),
    (1, Family::SignCast),
    (1, Family::Inside),
    (1, Family::Implication),
    (2, Family::BitFunctions),
    (1, Family::CeilLog2),
    (4, Family::Function),
];

/// An expression of at most `depth` operations above each other.
pub(super) fn value(pen: &mut Pen, view: View, depth: u32) -> Value {
    if depth == 0 || pen.draw.percent(15) {
        return leaf(pen, view);
    }
    let below = depth - 1;
    let Some(family) = pen.choose(OPERATIONS) else { return leaf(pen, view) };
    match family {
        Family::Arithmetic if pen.draw.percent(12) => {
            let operator = *pen.draw.pick(&["-", "+"]);
            let a = value(pen, view, below).operand(pen);
            Value::new(format!("({operator}{})", a.text), a.width, a.signed).of(&[&a])
        }
        Family::Bitwise if pen.draw.percent(25) => {
            let a = value(pen, view, below).operand(pen);
            // Icarus 11.0 gives z for `~` of what has been z since the start, against 11.4.8.
            let text = format!("(~({}{}))", a.text, either("", " | 1'sb0"));
            Value::new(text, a.width, a.signed).of(&[&a])
        }
        Family::Arithmetic => binary(pen, view, below, &["+", "-", "*"]),
        Family::Division => divided(pen, view),
        Family::Bitwise => binary(pen, view, below, &["&", "|", "^", "~^", "^~"]),
        Family::Power | Family::Shift => powered(pen, view, below, family),
        Family::Logical if pen.draw.percent(30) => {
            Value::bit(format!("(!{})", value(pen, view, below).text))
        }
        Family::Logical => compare(pen, view, below, &["&&", "||"]),
        Family::Relational => compare(pen, view, below, &["<", "<=", ">", ">="]),
        Family::Equality => compare(pen, view, below, &["==", "!="]),
        Family::CaseEquality => compare(pen, view, below, &["===", "!=="]),
        Family::WildcardEquality => compare(pen, view, below, &["==?", "!=?"]),
        Family::Reduction => {
            let operator = *pen.draw.pick(&["&", "|", "^", "~&", "~|", "~^"]);
            Value::bit(format!("({operator}{})", value(pen, view, below).text))
        }
        Family::Conditional => {
            let condition = value(pen, view, below);
            let (a, b) = operands(pen, view, below);
            // Where the condition is unknown Icarus 11.0 makes z of z and z, against table 11-20; so one side has none.
            let text = format!("({} ? {} : ({} | 1'sb0))", condition.text, a.text, b.text);
            Value::new(text, a.width.max(b.width), a.signed && b.signed).of(&[&a, &b])
        }
        Family::Concatenation | Family::Replication => joined(pen, view, below, family),
        Family::Function => call(pen, view, below),
        _ => converted(pen, view, below, family),
    }
}

/// Two operands; one may be a fill literal, which takes the other's width.
fn operands(pen: &mut Pen, view: View, depth: u32) -> (Value, Value) {
    let a = value(pen, view, depth);
    if pen.may(Family::FillLiteral, 4) {
        let fill = *pen.draw.pick(&["'0", "'1", "'1", "'x", "'z"]);
        return (a, Value::new(fill.to_owned(), 1, false));
    }
    let b = value(pen, view, depth);
    // A number without a size stands beside a single operand only ([`Value::operand`] has the reason).
    let is_nested = a.text.contains('(') || b.text.contains('(');
    let mut sized = |value: Value| match value.is_unsized && is_nested {
        true => Value::new(literal::sized(pen, 32, value.signed), 32, value.signed),
        false => value,
    };
    (sized(a), sized(b))
}

fn binary(pen: &mut Pen, view: View, depth: u32, operators: &[&str]) -> Value {
    let operator = *pen.draw.pick(operators);
    let (a, b) = operands(pen, view, depth);
    let text = format!("({} {operator} {})", a.text, b.text);
    Value::new(text, a.width.max(b.width), a.signed && b.signed).of(&[&a, &b])
}

/// A quotient or remainder of at most 60 bits: Icarus 11.0 gives 0 for 128 bits of ones divided by 1.
fn divided(pen: &mut Pen, view: View) -> Value {
    let operator = *pen.draw.pick(&["/", "%"]);
    let (a, b) = (narrow(pen, view, 60), narrow(pen, view, 60));
    let text = format!("({} {operator} {})", a.text, b.text);
    Value::new(text, a.width.max(b.width), a.signed && b.signed).of(&[&a, &b])
}

fn compare(pen: &mut Pen, view: View, depth: u32, operators: &[&str]) -> Value {
    Value::bit(binary(pen, view, depth, operators).text)
}

/// A power or a shift: the right operand has a width of its own.
fn powered(pen: &mut Pen, view: View, depth: u32, family: Family) -> Value {
    let a = value(pen, view, depth);
    let (operator, b) = if family == Family::Power {
        // Beside an unsigned base Icarus 11.0 takes the exponent for unsigned too, against 11.4.3.1.
        ("**", format!("$unsigned({})", narrow(pen, view, 4).text))
    } else {
        let amount = match pen.draw.below(3) {
            0 => pen.draw.below(a.width as usize + 3).to_string(),
            1 => amount(pen, view, 8).text,
            // Icarus 11.0 takes the low 32 bits of a wider one.
            _ => amount(pen, view, 30).text,
        };
        (*pen.draw.pick(&["<<", ">>", "<<<", ">>>", ">>>"]), amount)
    };
    Value::new(format!("({} {operator} {b})", a.text), a.width, a.signed).of(&[&a])
}

fn joined(pen: &mut Pen, view: View, depth: u32, family: Family) -> Value {
    let times = if family == Family::Replication { 1 + pen.draw.below(4) as u32 } else { 1 };
    let count = 1 + pen.draw.below(3);
    let mut parts: Vec<Value> = (0..count).map(|_| value(pen, view, depth)).collect();
    for part in parts.iter_mut().filter(|part| part.is_unsized) {
        let width = 1 + pen.draw.below(9) as u32;
        *part = Value::new(literal::sized(pen, width, false), width, false);
    }
    while parts.len() > 1 && parts.iter().map(|part| part.width).sum::<u32>() * times > WIDTH_MAX {
        parts.pop();
    }
    let width: u32 = parts.iter().map(|part| part.width).sum();
    let list: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
    let list = list.join(", ");
    if times == 1 || width * times > WIDTH_MAX {
        return Value::new(format!("{{{list}}}"), width, false);
    }
    Value::new(format!("{{{times}{{{list}}}}}"), width * times, false)
}

fn call(pen: &mut Pen, view: View, depth: u32) -> Value {
    if view.functions.is_empty() {
        return leaf(pen, view);
    }
    let function = pen.draw.pick(view.functions).clone();
    let arguments: Vec<String> =
        function.arguments.iter().map(|_| value(pen, view, depth).text).collect();
    let text = format!("{}({})", function.name, arguments.join(", "));
    Value::new(text, function.width, function.signed)
}

/// Casts, conversions and functions of the system; what Icarus lacks, in its words too.
fn converted(pen: &mut Pen, view: View, depth: u32, family: Family) -> Value {
    match family {
        Family::Inside => inside(pen, view),
        Family::Implication => implied(pen, view, depth),
        Family::BitFunctions => counted(pen, view),
        _ => {
            let a = value(pen, view, depth);
            conversion(pen, a, family)
        }
    }
}

fn conversion(pen: &mut Pen, a: Value, family: Family) -> Value {
    match family {
        Family::SignedCall | Family::SignCast => {
            let signed = pen.draw.percent(60);
            let word = if signed { "signed" } else { "unsigned" };
            let plain = format!("${word}({})", a.text);
            let cast = format!("{word}'({})", a.text);
            let text = if family == Family::SignCast { either(&cast, &plain) } else { plain };
            Value::new(text, a.width, signed).of(&[&a])
        }
        Family::SizeCast => {
            let width = 1 + pen.draw.below(a.width.min(60) as usize + 8) as u32;
            Value::new(format!("{width}'({})", a.text), width, a.signed)
        }
        Family::TypeCast => {
            let types =
                [("int", 32), ("byte", 8), ("shortint", 16), ("longint", 64), ("integer", 32)];
            let (keyword, width) = *pen.draw.pick(&types);
            // A quotient that is x stays x in Icarus 11.0 in a type of two states, against 6.24.1.
            let is_quotient = a.text.contains(['/', '%']);
            let (keyword, width) = if is_quotient { ("integer", 32) } else { (keyword, width) };
            // In a continuous assignment Icarus 11.0 does not cut a concatenation of two states, against 6.24.1; to a type of
            // four states it is not changed, since an operator would make x of z.
            let is_kept = keyword == "integer" || !a.text.starts_with('{');
            let plain = if is_kept { "" } else { " | 1'sb0" };
            Value::new(format!("{keyword}'({}{})", a.text, either("", plain)), width, true)
        }
        // Of unknown bits the standard says nothing (20.8.1), and slang folds them.
        Family::CeilLog2 => {
            let text = if is_literal(&a) { literal::known(pen, 8, false) } else { whole(&a) };
            Value::new(format!("$clog2({text})"), 32, true)
        }
        _ => a,
    }
}

/// Functions that count bits. Of an expression that is no variable Icarus 11.0 counts bits that are not there.
fn counted(pen: &mut Pen, view: View) -> Value {
    let is_plain = |atom: &&Atom| matches!(atom.shape, Shape::Vector { .. });
    let names: Vec<&str> =
        view.atoms.iter().filter(is_plain).map(|atom| atom.name.as_str()).collect();
    if names.is_empty() {
        return leaf(pen, view);
    }
    let a = *pen.draw.pick(&names);
    match pen.draw.below(5) {
        0 | 1 => Value::new(format!("$countones({a})"), 32, true),
        2 => Value::bit(format!("$isunknown({a})")),
        // Where a bit is unknown, Icarus 11.0 counts otherwise than 20.9 says.
        3 => Value::bit(either(&format!("$onehot({a})"), &format!("($countones({a}) == 1)"))),
        _ => Value::bit(either(&format!("$onehot0({a})"), &format!("($countones({a}) <= 1)"))),
    }
}

/// The argument of a function of the system: Icarus 11.0 dies of a part of a vector there.
fn whole(a: &Value) -> String {
    if a.is_unsized { a.text.clone() } else { format!("{{{}}}", a.text) }
}

/// All sides are as wide and unsigned, so that the widths of several comparisons do not come in.
fn inside(pen: &mut Pen, view: View) -> Value {
    let a = sized_leaf(pen, view);
    let a = Value::new(format!("{{{}}}", a.text), a.width, false);
    let (mut items, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..1 + pen.draw.below(3) {
        if pen.draw.percent(40) {
            let low = literal::known(pen, a.width, false);
            let high = literal::known(pen, a.width, false);
            plain.push(format!("(({0} >= {low}) && ({0} <= {high}))", a.text));
            items.push(format!("[{low}:{high}]"));
        } else {
            let item = literal::sized(pen, a.width, false);
            plain.push(format!("({} ==? {item})", a.text));
            items.push(item);
        }
    }
    let full = format!("({} inside {{{}}})", a.text, items.join(", "));
    Value::bit(either(&full, &format!("({})", plain.join(" || "))))
}

fn implied(pen: &mut Pen, view: View, depth: u32) -> Value {
    let (a, b) = (value(pen, view, depth).text, value(pen, view, depth).text);
    if pen.draw.percent(60) {
        Value::bit(either(&format!("({a} -> {b})"), &format!("(!{a} || {b})")))
    } else {
        let plain = format!("((!{a} || {b}) && (!{b} || {a}))");
        Value::bit(either(&format!("({a} <-> {b})"), &plain))
    }
}

/// A leaf that a concatenation may hold.
pub(super) fn sized_leaf(pen: &mut Pen, view: View) -> Value {
    let leaf = leaf(pen, view);
    if !leaf.is_unsized {
        return leaf;
    }
    let width = 1 + pen.draw.below(9) as u32;
    Value::new(literal::sized(pen, width, false), width, false)
}

/// An index or the amount of a shift. A part, or a bit at a constant index, that is the whole of a signed vector Icarus 11.0
/// takes for signed there, against 11.8.1, but not in braces.
pub(super) fn amount(pen: &mut Pen, view: View, width_max: u32) -> Value {
    let value = narrow(pen, view, width_max);
    let is_constant_bit = value
        .text
        .rsplit_once('[')
        .is_some_and(|(_, at)| at.trim_end_matches(']').parse::<i32>().is_ok());
    let is_part = value.text.contains(':') || !value.signed && is_constant_bit;
    match value.text.ends_with(']') && is_part {
        true => Value::new(format!("{{{}}}", value.text), value.width, false),
        false => value,
    }
}

/// A leaf of few bits.
pub(super) fn narrow(pen: &mut Pen, view: View, width_max: u32) -> Value {
    for _ in 0..4 {
        let leaf = leaf(pen, view);
        if leaf.width <= width_max {
            return leaf;
        }
    }
    let signed = pen.draw.percent(30);
    Value::new(literal::sized(pen, width_max.min(4), signed), width_max.min(4), signed)
}

/// A variable, a part of one, or a literal.
pub(super) fn leaf(pen: &mut Pen, view: View) -> Value {
    if view.atoms.is_empty() || pen.draw.percent(12) {
        if pen.draw.percent(25) {
            let text = literal::unsized_number(pen);
            let signed = !text.starts_with('\'');
            return Value { is_unsized: true, ..Value::new(text, 32, signed) };
        }
        let (width, signed) = (width(pen), pen.draw.percent(30));
        return Value::new(literal::sized(pen, width, signed), width, signed);
    }
    // The latest are read more often: what is written last would otherwise reach few outputs.
    let recent = view.atoms.len().min(4);
    let from = if pen.draw.percent(40) { view.atoms.len() - recent } else { 0 };
    let atom = pen.draw.pick(&view.atoms[from..]).clone();
    select::read(pen, view, &atom)
}

/// A width, from one bit to 200; narrow ones are usual.
pub(super) fn width(pen: &mut Pen) -> u32 {
    let (low, high) = pen.draw.weighted(&[
        (25, (1, 1)),
        (40, (2, 8)),
        (15, (9, 31)),
        (5, (32, 32)),
        (8, (33, 65)),
        (4, (66, 130)),
        (2, (131, 200)),
    ]);
    pen.draw.within(low, high) as u32
}

/// The bits of an enumeration's members are its own: only they may be assigned.
pub(super) fn member(pen: &mut Pen, shape: &Shape) -> Option<String> {
    match shape {
        Shape::Enum { members, .. } => Some(pen.draw.pick(members).clone()),
        _ => None,
    }
}

/// Whether an expression begins with a number, so that it may be one.
fn is_literal(value: &Value) -> bool {
    let text = value.text.trim_start_matches(['(', '{', '+', '-', '~']);
    text.starts_with(|c: char| c.is_ascii_digit() || c == '\'')
}
