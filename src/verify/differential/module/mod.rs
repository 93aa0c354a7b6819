//! Random modules of legal SystemVerilog, each a function of a seed, in which the order of processes decides
//! nothing: two simulators that differ on one cannot both be right.
//!
//! In: a seed and the families of constructs that may be used. Out: a text, in two readings (for us, and for a
//! simulator that lacks some constructs), and the families that it uses. Not everything that is legal is written,
//! and not everything written is legal for every tool: how many are accepted is measured, not promised.

mod expression;
mod literal;
mod pen;
mod process;
mod select;
mod shape;
mod statement;
mod structure;
mod unit;

use super::draw::Draw;
use super::family::{Families, Family};
use expression::value;
use pen::Pen;
use shape::{Atom, FIELD, Shape, UNSIZED};
use unit::{Class, Finished, Formal, FormalRole, Signal, Unit, vector};

pub use pen::reading;

/// Name of the top module.
pub const TOP: &str = "top";

/// A random module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RandomModule {
    /// The seed it was made of.
    pub seed: u64,
    /// The text with both readings of what has two; see [`reading`].
    pub text: String,
    /// The families it uses.
    pub used: Families,
}

impl RandomModule {
    /// The text for us.
    pub fn full(&self) -> String {
        reading(&self.text, false)
    }

    /// The text for Icarus.
    pub fn plain(&self) -> String {
        reading(&self.text, true)
    }
}

/// Writes the module of a seed.
pub fn random_module(seed: u64, families: Families) -> RandomModule {
    let mut pen = Pen::new(Draw::new(seed), families);
    let mut texts = Vec::new();
    let mut children = Vec::new();
    if pen.may(Family::Instance, 30) {
        for _ in 0..1 + pen.draw.below(2) {
            let name = pen.fresh("sub");
            let (finished, text) = Writer::new(&mut pen, &children).module(name, false);
            texts.push(text);
            children.push(finished);
        }
    }
    let (_, text) = Writer::new(&mut pen, &children).module(TOP.into(), true);
    texts.insert(0, text);
    // What is cut out of it may not bring nets that nobody declares.
    let text = format!("`default_nettype none\n{}", texts.join("\n"));
    RandomModule { seed, text, used: pen.used }
}

/// What a module is made of beside its registers, and how often.
const ITEMS: &[(usize, Family)] = &[
    (12, Family::Bitwise),
    (16, Family::AlwaysComb),
    (4, Family::Latch),
    (4, Family::Array),
    (1, Family::LatchedMemory),
    (3, Family::Tristate),
    (2, Family::WiredNet),
    (2, Family::Gate),
    (1, Family::SwitchGate),
    (3, Family::GenerateFor),
    (2, Family::GenerateIf),
    (2, Family::Streaming),
    (8, Family::Instance),
    (1, Family::InstanceArray),
];

/// Writes one module.
struct Writer<'a> {
    pen: &'a mut Pen,
    children: &'a [Finished],
    unit: Unit,
    parameter: Option<String>,
    is_top: bool,
    /// The module of an instance array, where there is one.
    bit_module: Option<String>,
}

impl<'a> Writer<'a> {
    fn new(pen: &'a mut Pen, children: &'a [Finished]) -> Writer<'a> {
        Writer { pen, children, unit: Unit::new(), parameter: None, is_top: true, bit_module: None }
    }

    /// The module of that name: what others need to know of it, and its text.
    fn module(mut self, name: String, is_top: bool) -> (Finished, String) {
        self.is_top = is_top;
        self.inputs();
        self.constants();
        self.subroutines();
        let groups = self.registers();
        for _ in 0..2 + self.pen.draw.below(if is_top { 5 } else { 3 }) {
            self.item();
        }
        for group in &groups {
            self.clocked(group);
        }
        self.loose();
        self.outputs();
        self.text(name)
    }

    fn inputs(&mut self) {
        if self.pen.may(Family::Clock, 70) {
            let clocks = if self.pen.may(Family::SeveralClocks, 20) { 2 } else { 1 };
            for _ in 0..clocks {
                let name = self.pen.fresh("clk");
                self.unit.clocks.push(name.clone());
                self.formal(Atom { name, shape: Shape::plain(1) }, FormalRole::Clock);
            }
        }
        let count = 2 + self.pen.draw.below(4);
        for at in 0..count {
            let shape = match at {
                0 if self.pen.draw.percent(70) => Shape::plain(1),
                _ if self.pen.may(Family::PackedArray, 4) => Shape::Packed { words: 3, width: 4 },
                _ => vector(self.pen),
            };
            let is_stable = self.is_top || at == 0 || self.pen.draw.percent(30);
            let (class, role) = match is_stable {
                true => (Class::Stable, FormalRole::Stable),
                false => (Class::Settled, FormalRole::Settled),
            };
            let atom = Atom { name: self.pen.fresh("in"), shape };
            self.unit.add(&atom, class, Some("wire"));
            self.declared();
            self.formal(atom, role);
        }
    }

    fn declared(&mut self) {
        if let Some(signal) = self.unit.signals.last_mut() {
            signal.declared = true;
        }
    }

    fn formal(&mut self, atom: Atom, role: FormalRole) {
        self.unit.formals.push(Formal { name: atom.name, shape: atom.shape, role });
    }

    fn constants(&mut self) {
        let number = |writer: &mut Self, keyword: &str| {
            let shape = vector(writer.pen);
            let (width, signed) = (shape.width().min(40), shape.is_signed());
            let atom = Atom { name: writer.pen.fresh("P"), shape: Shape::vector(width, signed) };
            let value = match writer.pen.draw.percent(70) {
                true => writer.pen.draw.below(7).to_string(),
                false => literal::known(writer.pen, width, signed),
            };
            let ranges = atom.shape.ranges();
            // Without a range a parameter takes the type of its value.
            let is_plain = writer.pen.draw.percent(40) && !value.contains('\'');
            let ranges = if is_plain { "" } else { ranges.as_str() };
            let shape = match is_plain {
                true => Shape::Word { keyword: UNSIZED, width: 32, signed: true },
                false => Shape::Word { keyword: FIELD, width, signed },
            };
            writer.unit.constants.push(Atom { name: atom.name.clone(), shape });
            (atom.name.clone(), format!("{keyword}{ranges} {} = {value}", atom.name))
        };
        if self.pen.may(Family::Parameter, 40) {
            let (name, text) = number(self, "parameter");
            self.parameter = Some(format!("{name}\n{text}"));
        }
        if self.pen.may(Family::Parameter, 25) {
            let (_, text) = number(self, "localparam");
            self.unit.head.push(format!("{text};"));
        }
    }

    fn subroutines(&mut self) {
        if self.pen.may(Family::Function, 30) {
            for _ in 0..1 + self.pen.draw.below(2) {
                self.unit.subroutine(self.pen, false);
            }
        }
        if self.pen.may(Family::Task, 15) {
            self.unit.subroutine(self.pen, true);
        }
    }

    /// The registers, in groups that a process each will write. They are there first, so that logic may
    /// read them and they that logic.
    fn registers(&mut self) -> Vec<Vec<Atom>> {
        let mut groups = Vec::new();
        if self.unit.clocks.is_empty() {
            return groups;
        }
        for _ in 0..1 + self.pen.draw.below(3) {
            let mut group = Vec::new();
            for _ in 0..1 + self.pen.draw.below(2) {
                let atom = self.unit.fresh(self.pen, "r");
                self.unit.add(&atom, Class::Settled, None);
                group.push(atom);
            }
            groups.push(group);
        }
        groups
    }

    fn item(&mut self) {
        let pen = &mut *self.pen;
        match pen.choose(ITEMS) {
            Some(Family::AlwaysComb) => self.unit.combinational(pen, Class::Settled),
            Some(Family::Latch) => self.unit.latch(pen),
            Some(Family::Array) => self.unit.filled_array(pen),
            Some(Family::LatchedMemory) => self.unit.latched_memory(pen),
            Some(Family::Tristate) => self.unit.tristate(pen, false),
            Some(Family::WiredNet) => self.unit.tristate(pen, true),
            Some(Family::Gate) => self.unit.gate(pen, false),
            Some(Family::SwitchGate) => self.unit.gate(pen, true),
            Some(Family::GenerateFor) => self.unit.generate_for(pen),
            Some(Family::GenerateIf) => self.unit.generate_if(pen),
            Some(Family::Streaming) => self.unit.stream(pen),
            Some(Family::Instance) if !self.children.is_empty() => {
                let child = pen.draw.pick(self.children).clone();
                self.unit.instance(pen, &child);
            }
            Some(Family::InstanceArray) if self.is_top => {
                let name = match &self.bit_module {
                    Some(name) => name.clone(),
                    None => pen.fresh("bit"),
                };
                self.unit.instance_array(pen, &name);
                self.bit_module = Some(name);
            }
            _ => self.unit.continuous(pen, Class::Settled),
        }
    }

    fn clocked(&mut self, group: &[Atom]) {
        let pen = &mut *self.pen;
        if pen.may(Family::GatedClock, 10) {
            self.unit.gated_clock(pen, group);
        } else if pen.may(Family::DividedClock, 7) {
            self.unit.divided_clock(pen, group);
        } else {
            self.unit.clocked(pen, group);
        }
        if pen.may(Family::Memory, 15) {
            self.unit.memory(pen);
        }
    }

    /// What outputs alone may read.
    fn loose(&mut self) {
        let pen = &mut *self.pen;
        if self.unit.clocks.is_empty() {
            return;
        }
        if pen.may(Family::LooseRegister, 12) {
            self.unit.loose_register(pen);
        }
        if pen.may(Family::ClockAsData, 10) {
            self.unit.continuous(pen, Class::Loose);
        }
    }

    /// Most signals become outputs: a fault that no output shows is not found.
    fn outputs(&mut self) {
        let candidates: Vec<Signal> =
            self.unit.signals.iter().filter(|signal| !signal.declared).cloned().collect();
        let all = candidates.len();
        for (at, signal) in candidates.into_iter().enumerate() {
            let is_late = at + 3 >= all;
            if !is_late && self.pen.draw.percent(45) {
                continue;
            }
            let role = FormalRole::Output(signal.class);
            if signal.atom.shape.fits_a_port() && self.pen.draw.percent(70) {
                if let Some(own) = self.unit.signals.iter_mut().find(|own| own.atom == signal.atom)
                {
                    own.declared = true;
                }
                self.formal(signal.atom, role);
                continue;
            }
            let shown = self.unit.shown(self.pen, &signal.atom);
            let shape = Shape::vector(signal.atom.shape.width(), false);
            let atom = Atom { name: self.pen.fresh("out"), shape };
            self.unit.body.push(format!("assign {} = {shown};", atom.name));
            self.unit.add(&atom, signal.class, Some("wire"));
            self.declared();
            self.formal(atom, role);
        }
        if self.pen.draw.percent(20) {
            let atoms = self.unit.readable(Class::Settled);
            let body = self.unit.code(atoms, Vec::new(), false);
            let value = value(self.pen, body.view(), 3);
            let atom =
                Atom { name: self.pen.fresh("out"), shape: Shape::vector(value.width, false) };
            self.unit.body.push(format!("assign {} = {};", atom.name, value.text));
            self.unit.add(&atom, Class::Settled, Some("wire"));
            self.declared();
            self.formal(atom, FormalRole::Output(Class::Settled));
        }
    }

    fn text(self, name: String) -> (Finished, String) {
        let Writer { pen, unit, parameter, bit_module, .. } = self;
        let (parameter, declaration) = match &parameter {
            Some(both) => {
                let (name, text) = both.split_once('\n').unwrap_or((both, ""));
                (Some(name.to_owned()), format!(" #({text})"))
            }
            None => (None, String::new()),
        };
        let is_ansi = !pen.may(Family::NonAnsi, 10);
        let mut lines = vec![format!("module {name}{declaration}(")];
        let last = unit.formals.len() - 1;
        let mut in_body = Vec::new();
        for (at, formal) in unit.formals.iter().enumerate() {
            let comma = if at == last { "" } else { "," };
            let text = port(&unit, formal);
            if is_ansi {
                lines.push(format!("  {text}{comma}"));
            } else {
                lines.push(format!("  {}{comma}", formal.name));
                in_body.push(format!("  {text};"));
            }
        }
        lines.push(");".into());
        lines.extend(in_body);
        for signal in unit.signals.iter().filter(|signal| !signal.declared) {
            lines_of_declaration(&mut lines, signal);
        }
        // Types come before what is declared with them.
        let at = lines.iter().position(|line| line == ");").unwrap_or(0) + 1;
        let types: Vec<String> = unit.head.iter().map(|line| format!("  {line}")).collect();
        lines.splice(at..at, types);
        lines.extend(unit.body.iter().map(|line| format!("  {line}")));
        lines.push("endmodule\n".into());
        let mut text = lines.join("\n");
        if let Some(bit) = bit_module {
            text += &format!(
                "\nmodule {bit}(\n  input wire a,\n  input wire b,\n  output wire y\n);\n"
            );
            text += "  assign y = a ^ b;\nendmodule\n";
        }
        (Finished { name, formals: unit.formals, parameter }, text)
    }
}

/// The declaration of a port.
fn port(unit: &Unit, formal: &Formal) -> String {
    let FormalRole::Output(_) = formal.role else {
        return formal.shape.net("input wire", &formal.name);
    };
    let signal = unit.signals.iter().find(|signal| signal.atom.name == formal.name);
    let initial = signal.and_then(|signal| signal.initial.as_ref());
    let value = initial.map_or(String::new(), |value| format!(" = {value}"));
    match signal.and_then(|signal| signal.net) {
        Some(kind) => formal.shape.net(&format!("output {kind}"), &formal.name),
        None => format!("output {}{value}", formal.shape.variable(&formal.name)),
    }
}

fn lines_of_declaration(lines: &mut Vec<String>, signal: &Signal) {
    let atom = &signal.atom;
    let value = signal.initial.as_ref().map_or(String::new(), |value| format!(" = {value}"));
    let text = match signal.net {
        Some(kind) => atom.shape.net(kind, &atom.name),
        None => atom.shape.variable(&atom.name),
    };
    lines.push(format!("  {text}{value};"));
}
