//! Drawing a design: names, inputs and inner signals, and the pool from which outputs are taken.
//!
//! A family says what could be there, with two ways of computing each thing; this decides what is, and keeps of the
//! inputs and inner signals those that the chosen outputs need. In the texts of a [`Part`] `@` stands for its own
//! name, which is drawn late.

use std::collections::BTreeSet;

use super::chance::Chance;
use super::draft::{Clock, Draft, Reset, Signal, Value, words};

/// How many outputs a module has, where its family has so many.
const OUTPUTS: [usize; 16] = [1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 6, 8];

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

impl Part {
    /// Returns the inner signal that it stands for, if it has no name of its own.
    fn exposed(&self) -> Option<String> {
        match &self.golden {
            Value::Wire(exposed) if self.names.is_empty() => Some(exposed.clone()),
            _ => None,
        }
    }
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

/// What a family draws with.
pub(super) struct Sketch<'a> {
    pub(super) chance: &'a mut Chance,
    family: &'static str,
    modules: &'static [&'static str],
    taken: BTreeSet<String>,
    clock: Option<Clock>,
    inputs: Vec<(String, u32)>,
    /// With what is said of each.
    inner: Vec<(Signal, String)>,
    about: Vec<String>,
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

    /// Adds an inner signal; it is left out where no output needs it.
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

    /// Says something of the inner signal that was added last; it is left out with the signal.
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
    pub(super) fn outputs(mut self, pool: Vec<Part>) -> Draft {
        let chosen = self.choose(pool);
        let (mut outputs, mut says) = (Vec::new(), Vec::new());
        for part in chosen {
            let (output, said) = match part.exposed() {
                Some(exposed) => (self.expose(&part.kind, &exposed), String::new()),
                None => self.output(part),
            };
            outputs.push(output);
            says.push(said);
        }
        let inner = needed_inner(self.inner, &outputs);
        let signals = || outputs.iter().chain(inner.iter().map(|(signal, _)| signal));
        let words = words_of(signals());
        let is_clocked = |signal: &Signal| signal.golden.is_clocked() || signal.second.is_clocked();
        let clock = self.clock.filter(|_| signals().any(is_clocked));
        let mut module = self.chance.pick(self.modules).to_owned();
        while self.taken.contains(&module) {
            module += "_top";
        }
        let inputs = self.inputs.into_iter().filter(|(name, _)| words.contains(name)).collect();
        let about = self.about.into_iter().chain(inner.iter().map(|(_, said)| said.clone()));
        Draft {
            family: self.family,
            module,
            clock,
            inputs,
            about: about.filter(|said| !said.is_empty()).collect(),
            says,
            outputs,
            inner: inner.into_iter().map(|(signal, _)| signal).collect(),
        }
    }

    /// Draws how many and which.
    fn choose(&mut self, mut pool: Vec<Part>) -> Vec<Part> {
        let count = OUTPUTS[self.chance.below(OUTPUTS.len())].min(pool.len());
        self.chance.shuffle(&mut pool);
        // What the design is about is mostly seen from outside.
        if self.chance.percent(70) {
            pool.sort_by_key(|part| !part.names.is_empty());
        }
        let mut kinds = BTreeSet::new();
        pool.retain(|part| kinds.insert(part.kind.clone()));
        pool.truncate(count);
        self.chance.shuffle(&mut pool);
        pool
    }

    /// Makes an inner signal an output; what is said of it stands before what is said of others.
    fn expose(&mut self, kind: &str, exposed: &str) -> Signal {
        let at = self.inner.iter().position(|(signal, _)| signal.name == exposed);
        let (signal, said) = self.inner.remove(at.expect("what is exposed is an inner signal"));
        self.about.push(said);
        Signal { kind: kind.to_owned(), ..signal }
    }

    /// Names an output, and returns it with its sentence.
    fn output(&mut self, part: Part) -> (Signal, String) {
        let names: Vec<&str> = part.names.iter().map(String::as_str).collect();
        let free: Vec<&str> =
            names.iter().copied().filter(|name| !self.taken.contains(*name)).collect();
        let name = self.name(if free.is_empty() { &names } else { &free });
        let own = |text: &str| text.replace('@', &name);
        let says: Vec<&str> = part.says.iter().map(String::as_str).collect();
        let said = format!("{name} {}", own(self.chance.pick(&says)));
        let (golden, second) = (part.golden.map(own), part.second.map(own));
        (Signal { kind: part.kind, name, width: part.width, golden, second }, said)
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
