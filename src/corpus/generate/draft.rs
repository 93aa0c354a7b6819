//! A drawn design: its ports, and two ways of computing each signal.
//!
//! Texts are Verilog expressions, and nothing looks into them but for names. Nothing is noted of how the design was
//! drawn: which designs are the same, and which stand in one split, is read off the module that is written of it
//! (`shape.rs`), so it cannot be forgotten in a family.

/// How a signal gets its value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// An expression.
    Wire(String),
    /// The first value whose condition holds, or the last.
    When(Vec<(String, String)>, String),
    /// A value for each label of a selecting expression, or the last.
    Case(String, Vec<(String, String)>, String),
    /// Statements of an `always @(*)` that assign `@`; `i` may be the variable of a loop.
    Block(String),
    /// A flip-flop: the first step whose condition holds is taken at an edge, none keeps the value. An empty
    /// condition always holds; `None` is not reset.
    Register(Option<String>, Vec<(String, String)>),
    /// Words without reset, written at an edge: their number, condition, address, word.
    Memory(u32, String, String, String),
}

impl<T: Into<String>> From<T> for Value {
    fn from(text: T) -> Value {
        Value::Wire(text.into())
    }
}

impl Value {
    /// A register that is reset to a constant.
    pub(super) fn register(reset: impl Into<String>, steps: &[(&str, &str)]) -> Value {
        Value::Register(Some(reset.into()), owned(steps))
    }

    /// Values in order of priority.
    pub(super) fn when(steps: &[(&str, &str)], otherwise: impl Into<String>) -> Value {
        Value::When(owned(steps), otherwise.into())
    }

    /// Whether it changes at edges only.
    pub(super) fn is_clocked(&self) -> bool {
        matches!(self, Value::Register(..) | Value::Memory(..))
    }

    /// Returns all texts in it.
    pub(super) fn texts(&self) -> Vec<&str> {
        fn pairs(steps: &[(String, String)]) -> Vec<&str> {
            steps.iter().flat_map(|(one, other)| [one.as_str(), other.as_str()]).collect()
        }
        match self {
            Value::Wire(text) | Value::Block(text) => vec![text],
            Value::When(steps, last) => [pairs(steps), vec![last]].concat(),
            Value::Case(select, arms, last) => {
                [vec![select.as_str()], pairs(arms), vec![last]].concat()
            }
            Value::Register(_, steps) => pairs(steps),
            Value::Memory(_, condition, address, word) => vec![condition, address, word],
        }
    }

    /// Returns it with another text for each text.
    pub(super) fn map(&self, change: impl Fn(&str) -> String) -> Value {
        let pairs = |steps: &[(String, String)]| -> Vec<(String, String)> {
            steps.iter().map(|(one, other)| (change(one), change(other))).collect()
        };
        match self {
            Value::Wire(text) => Value::Wire(change(text)),
            Value::Block(text) => Value::Block(change(text)),
            Value::When(steps, last) => Value::When(pairs(steps), change(last)),
            Value::Case(select, arms, last) => {
                Value::Case(change(select), pairs(arms), change(last))
            }
            Value::Register(reset, steps) => Value::Register(reset.clone(), pairs(steps)),
            Value::Memory(words, condition, address, word) => {
                Value::Memory(*words, change(condition), change(address), change(word))
            }
        }
    }
}

fn owned(steps: &[(&str, &str)]) -> Vec<(String, String)> {
    steps.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}

/// A signal, computed in two ways.
#[derive(Clone, Debug)]
pub(super) struct Signal {
    /// What it is in its family; empty for inner signals.
    pub(super) kind: String,
    /// Its name.
    pub(super) name: String,
    /// Bits.
    pub(super) width: u32,
    /// In the golden module.
    pub(super) golden: Value,
    /// In the second version.
    pub(super) second: Value,
}

/// When flip-flops change, and what resets them.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    pub(super) name: String,
    pub(super) falling: bool,
    pub(super) reset: Option<Reset>,
}

/// The reset input.
#[derive(Clone, Debug)]
pub(super) struct Reset {
    pub(super) name: String,
    pub(super) asynchronous: bool,
    pub(super) low: bool,
}

/// A drawn design.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) family: &'static str,
    /// The module's name.
    pub(super) module: String,
    pub(super) clock: Option<Clock>,
    /// Inputs but clock and reset, with widths.
    pub(super) inputs: Vec<(String, u32)>,
    /// Sentences about what is inside.
    pub(super) about: Vec<String>,
    /// For each output, a sentence.
    pub(super) says: Vec<String>,
    pub(super) outputs: Vec<Signal>,
    /// In the order of dependence.
    pub(super) inner: Vec<Signal>,
}

/// Literal of a width.
pub(super) fn lit(width: u32, value: u32) -> String {
    format!("{width}'d{value}")
}

/// Literal of a width with its bits written out.
pub(super) fn bin(width: u32, value: u32) -> String {
    format!("{width}'b{value:0width$b}", width = width as usize)
}

/// Bits that numbers up to `highest` need.
pub(super) fn bits_for(highest: u32) -> u32 {
    (u32::BITS - highest.leading_zeros()).max(1)
}

/// Returns the names, keywords and numbers of a text.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}
