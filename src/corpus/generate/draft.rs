//! A design that is being drawn: its names, inputs and inner signals, and the pool from which outputs are taken.
//!
//! A family says what could be there, with two ways of computing each thing; this decides what is, and keeps of the
//! inputs and inner signals those that the chosen outputs need. Texts are Verilog expressions; `@` in them stands for
//! the signal's own name, which is drawn late.
//!
//! Nothing is noted of what was drawn: which designs are the same, and which stand in one split, is read off the
//! module that comes out (`shape.rs`), so it cannot be forgotten here.

use std::collections::BTreeSet;

use super::chance::Chance;

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

/// What may become an output.
#[derive(Clone, Debug)]
pub(super) struct Part {
    kind: String,
    names: Vec<String>,
    width: u32,
    says: Vec<String>,
    golden: Value,
    second: Value,
}

/// Describes what may become an output: what it is in the structure, names and width, what follows the name in a
/// sentence, and the two ways.
pub(super) fn part(
    (kind, names, width): (impl Into<String>, &[&str], u32),
    says: &[&str],
    golden: impl Into<Value>,
    second: impl Into<Value>,
) -> Part {
    Part {
        kind: kind.into(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        width,
        says: says.iter().map(|say| (*say).to_owned()).collect(),
        golden: golden.into(),
        second: second.into(),
    }
}

/// Lets an inner signal become an output, under its own name; what is told of it says all.
pub(super) fn expose(kind: impl Into<String>, inner: &str) -> Part {
    let value = Value::Wire(inner.to_owned());
    Part {
        kind: kind.into(),
        names: Vec::new(),
        width: 0,
        says: Vec::new(),
        golden: value.clone(),
        second: value,
    }
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

/// What a family draws with.
pub(super) struct Sketch<'a> {
    pub(super) chance: &'a mut Chance,
    family: &'static str,
    modules: &'static [&'static str],
    taken: BTreeSet<String>,
    clock: Option<Clock>,
    inputs: Vec<(String, u32)>,
    inner: Vec<(Signal, String)>,
    about: Vec<String>,
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

impl<'a> Sketch<'a> {
    /// Begins a design of a family, whose module has one of these names.
    pub(super) fn new(
        family: &'static str,
        modules: &'static [&'static str],
        chance: &'a mut Chance,
    ) -> Sketch<'a> {
        Sketch {
            chance,
            family,
            modules,
            taken: BTreeSet::new(),
            clock: None,
            inputs: Vec::new(),
            inner: Vec::new(),
            about: Vec::new(),
        }
    }

    /// Draws one of some numbers.
    pub(super) fn number(&mut self, from: &[u32]) -> u32 {
        from[self.chance.below(from.len())]
    }

    /// Draws one of some variants.
    pub(super) fn variant(&mut self, from: &[&'static str]) -> &'static str {
        self.chance.pick(from)
    }

    /// Draws a name that nothing else has.
    pub(super) fn name(&mut self, from: &[&str]) -> String {
        let mut name = self.chance.pick(from).to_owned();
        while !self.taken.insert(name.clone()) {
            name += "_o";
        }
        name
    }

    /// Adds an input.
    pub(super) fn input(&mut self, from: &[&str], width: u32) -> String {
        let name = self.name(from);
        self.inputs.push((name.clone(), width));
        name
    }

    /// Adds an inner signal, which stands in the modules that need it; what `about` says of it stands in the prompt
    /// whatever they need.
    pub(super) fn inner(
        &mut self,
        name: &str,
        width: u32,
        golden: impl Into<Value>,
        second: impl Into<Value>,
    ) {
        let signal = Signal {
            kind: String::new(),
            name: name.to_owned(),
            width,
            golden: golden.into(),
            second: second.into(),
        };
        self.inner.push((signal, String::new()));
    }

    /// Says something of the design as a whole, in one of some wordings.
    pub(super) fn tell(&mut self, wordings: &[&str]) {
        self.about.push(self.chance.pick(wordings).to_owned());
    }

    /// Says something of the inner signal that was added last; left out where no output needs it.
    pub(super) fn tell_inner(&mut self, wordings: &[&str]) {
        let said = self.chance.pick(wordings).to_owned();
        self.inner.last_mut().expect("an inner signal was added").1 = said;
    }

    /// Adds a clock and a reset.
    pub(super) fn clock(&mut self) {
        let name = self.name(&["clk", "clk", "clk", "clock", "ck"]);
        let low = self.chance.percent(40);
        let names: &[&str] = if low {
            &["rst_n", "rst_n", "resetn", "reset_n"]
        } else {
            &["rst", "rst", "reset", "clr"]
        };
        let reset = Reset { name: self.name(names), asynchronous: self.chance.percent(50), low };
        let falling = self.chance.percent(15);
        self.clock = Some(Clock { name, falling, reset: Some(reset) });
    }

    /// Takes outputs from a pool, and of the rest what they need.
    pub(super) fn outputs(self, pool: Vec<Part>) -> Draft {
        let Sketch {
            chance, family, modules, mut taken, clock, inputs, mut inner, mut about, ..
        } = self;
        let count =
            [1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 6, 8][chance.below(16)].min(pool.len());
        let mut pool = pool;
        chance.shuffle(&mut pool);
        // What the design is about is mostly seen from outside.
        if chance.percent(70) {
            pool.sort_by_key(|part| !part.names.is_empty());
        }
        let mut kinds = BTreeSet::new();
        pool.retain(|part| kinds.insert(part.kind.clone()));
        pool.truncate(count);
        chance.shuffle(&mut pool);
        let (mut outputs, mut says) = (Vec::new(), Vec::new());
        for part in pool {
            if let (Value::Wire(exposed), true) = (&part.golden, part.names.is_empty()) {
                let at = inner.iter().position(|(signal, _)| signal.name == *exposed);
                let (signal, said) = inner.remove(at.expect("what is exposed is an inner signal"));
                about.push(said);
                outputs.push(Signal { kind: part.kind, ..signal });
                says.push(String::new());
                continue;
            }
            let names: Vec<&str> = part.names.iter().map(String::as_str).collect();
            let free: Vec<&str> =
                names.iter().copied().filter(|name| !taken.contains(*name)).collect();
            let mut name = chance.pick(if free.is_empty() { &names } else { &free }).to_owned();
            while !taken.insert(name.clone()) {
                name += "_o";
            }
            let own = |text: &str| text.replace('@', &name);
            let said: Vec<&str> = part.says.iter().map(String::as_str).collect();
            says.push(format!("{name} {}", own(chance.pick(&said))));
            let (golden, second) = (part.golden.map(&own), part.second.map(&own));
            outputs.push(Signal { kind: part.kind, name, width: part.width, golden, second });
        }
        let inner = needed_inner(inner, &outputs);
        let words = words_of(outputs.iter().chain(inner.iter().map(|(signal, _)| signal)));
        let inputs = inputs.into_iter().filter(|(name, _)| words.contains(name.as_str())).collect();
        let is_clocked = |signal: &Signal| signal.golden.is_clocked() || signal.second.is_clocked();
        let signals = || outputs.iter().chain(inner.iter().map(|(signal, _)| signal));
        let clock = clock.filter(|_| signals().any(is_clocked));
        let mut module = chance.pick(modules).to_owned();
        while taken.contains(&module) {
            module += "_top";
        }
        Draft {
            family,
            module,
            clock,
            inputs,
            about: about
                .into_iter()
                .chain(inner.iter().map(|(_, said)| said.clone()))
                .filter(|said| !said.is_empty())
                .collect(),
            says,
            outputs,
            inner: inner.into_iter().map(|(signal, _)| signal).collect(),
        }
    }
}

/// Keeps of the inner signals those that outputs need, by name, through others and in either version.
fn needed_inner(mut inner: Vec<(Signal, String)>, outputs: &[Signal]) -> Vec<(Signal, String)> {
    let mut kept = Vec::new();
    loop {
        let words = words_of(
            outputs.iter().chain(kept.iter().map(|(signal, _): &(Signal, String)| signal)),
        );
        let (needed, rest): (Vec<_>, Vec<_>) =
            inner.into_iter().partition(|(signal, _)| words.contains(signal.name.as_str()));
        if needed.is_empty() {
            break;
        }
        kept.splice(0..0, needed);
        inner = rest;
    }
    kept
}

fn words_of<'a>(signals: impl Iterator<Item = &'a Signal>) -> BTreeSet<String> {
    let texts = signals.flat_map(|signal| [signal.golden.texts(), signal.second.texts()].concat());
    texts.flat_map(words).map(str::to_owned).collect()
}

/// Returns the names, keywords and numbers of a text.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}
