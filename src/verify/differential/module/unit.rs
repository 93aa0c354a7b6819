//! A module while it is written: its ports, what it declares, and who may read what.
//!
//! Every signal has a class that says when it changes. What a process may read follows from it, and so the order in
//! which processes run decides nothing:
//!
//! - *stable*: a data input of the top module. All inputs of an instant change at once and never with a clock.
//! - *settled*: a register, or combinational logic over stable and settled signals. It is at rest when a clock
//!   has an edge, and changes after all processes of that edge have run.
//! - *loose*: anything else that comes to rest: logic over clocks, registers that are assigned with `=`. Only
//!   combinational logic that is loose itself may read it, and outputs.
//!
//! Combinational logic reads signals that were made before it, and registers; so there are no loops.

use super::super::family::Family;
use super::expression::{Function, width};
use super::pen::Pen;
use super::shape::{Atom, Shape};
use super::statement::Task;

/// When a signal changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Stable,
    Settled,
    Loose,
}

/// A signal of the module.
#[derive(Clone, Debug)]
pub(super) struct Signal {
    pub(super) atom: Atom,
    pub(super) class: Class,
    /// The kind of net, or nothing for a variable.
    pub(super) net: Option<&'static str>,
    /// The value in its declaration.
    pub(super) initial: Option<String>,
    /// Whether it is declared by hand, or is a port or a parameter.
    pub(super) declared: bool,
}

/// A port of a module that an instance connects.
#[derive(Clone, Debug)]
pub(super) struct Formal {
    pub(super) name: String,
    pub(super) shape: Shape,
    pub(super) role: FormalRole,
}

/// What a port is connected with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FormalRole {
    Clock,
    /// A stable input.
    Stable,
    /// An input of any class up to settled.
    Settled,
    Output(Class),
}

/// A module that is finished.
#[derive(Clone, Debug)]
pub(super) struct Finished {
    pub(super) name: String,
    pub(super) formals: Vec<Formal>,
    /// A parameter that an instance may set.
    pub(super) parameter: Option<String>,
}

/// A module that is being written.
pub(super) struct Unit {
    pub(super) signals: Vec<Signal>,
    pub(super) clocks: Vec<String>,
    pub(super) formals: Vec<Formal>,
    /// Constants that expressions may use.
    pub(super) constants: Vec<Atom>,
    pub(super) functions: Vec<Function>,
    pub(super) tasks: Vec<Task>,
    /// Types, parameters, functions and tasks.
    pub(super) head: Vec<String>,
    /// Processes, assignments and instances.
    pub(super) body: Vec<String>,
}

impl Unit {
    pub(super) fn new() -> Unit {
        Unit {
            signals: Vec::new(),
            clocks: Vec::new(),
            formals: Vec::new(),
            constants: Vec::new(),
            functions: Vec::new(),
            tasks: Vec::new(),
            head: Vec::new(),
            body: Vec::new(),
        }
    }

    /// What may be read by something of a class.
    pub(super) fn readable(&self, class: Class) -> Vec<Atom> {
        let signals = self.signals.iter().filter(|signal| signal.class <= class);
        let mut atoms: Vec<Atom> = self.constants.clone();
        atoms.extend(signals.map(|signal| signal.atom.clone()));
        if class == Class::Loose {
            let clock = |name: &String| Atom { name: name.clone(), shape: Shape::plain(1) };
            atoms.extend(self.clocks.iter().map(clock));
        }
        atoms
    }

    /// The stable signals.
    pub(super) fn stable(&self) -> Vec<Atom> {
        let signals = self.signals.iter().filter(|signal| signal.class == Class::Stable);
        signals.map(|signal| signal.atom.clone()).collect()
    }

    /// Adds a variable, or a net of a kind.
    pub(super) fn add(&mut self, atom: &Atom, class: Class, net: Option<&'static str>) {
        self.signals.push(Signal {
            atom: atom.clone(),
            class,
            net,
            initial: None,
            declared: false,
        });
    }

    /// Something new for a process to write, not yet among the signals.
    pub(super) fn fresh(&mut self, pen: &mut Pen, stem: &str) -> Atom {
        let shape = self.shape(pen);
        Atom { name: pen.fresh(stem), shape }
    }

    /// The type of a variable.
    fn shape(&mut self, pen: &mut Pen) -> Shape {
        let kinds = [
            (4, Family::PackedArray),
            (5, Family::Struct),
            (2, Family::Union),
            (4, Family::Enum),
            (3, Family::Integer),
            (4, Family::TwoState),
        ];
        if pen.draw.percent(78) {
            return vector(pen);
        }
        match pen.choose(&kinds) {
            Some(Family::PackedArray) => {
                let (words, width) = (2 + pen.draw.below(3), 1 + pen.draw.below(9));
                Shape::Packed { words: words as u32, width: 1 + width as u32 }
            }
            Some(Family::Struct) => self.structure(pen),
            Some(Family::Union) => self.union(pen),
            Some(Family::Enum) => self.enumeration(pen),
            Some(Family::Integer) => Shape::Word { keyword: "integer", width: 32, signed: true },
            Some(Family::TwoState) => {
                let words = [("int", 32), ("byte", 8), ("shortint", 16), ("longint", 64)];
                match words.get(pen.draw.below(6)) {
                    Some(&(keyword, width)) => Shape::Word { keyword, width, signed: true },
                    None => match vector(pen) {
                        Shape::Vector { range, signed, .. } => {
                            Shape::Vector { range, signed, two_state: true }
                        }
                        other => other,
                    },
                }
            }
            _ => vector(pen),
        }
    }

    fn structure(&mut self, pen: &mut Pen) -> Shape {
        let name = pen.fresh("t_");
        let mut fields = Vec::new();
        for _ in 0..2 + pen.draw.below(3) {
            // Icarus 11.0 reads a signed field as unsigned, against 7.2.1.
            let (width, signed) = (1 + pen.draw.below(12) as u32, false);
            fields.push((pen.fresh("f"), width, signed));
        }
        let lines: Vec<String> = fields
            .iter()
            .map(|(field, width, signed)| {
                format!("  {};", Shape::vector(*width, *signed).variable(field))
            })
            .collect();
        self.head.push("typedef struct packed {".into());
        self.head.extend(lines);
        self.head.push(format!("}} {name};"));
        let width = fields.iter().map(|(_, width, _)| width).sum();
        Shape::Struct { name, fields, width }
    }

    fn union(&mut self, pen: &mut Pen) -> Shape {
        let name = pen.fresh("t_");
        let width = 2 * (1 + pen.draw.below(8) as u32);
        let (whole, parts) = (pen.fresh("f"), pen.fresh("f"));
        self.head.push("typedef union packed {".into());
        self.head.push(format!("  logic [{}:0] {whole};", width - 1));
        self.head.push(format!("  logic [1:0][{}:0] {parts};", width / 2 - 1));
        self.head.push(format!("}} {name};"));
        Shape::Struct { name, fields: vec![(whole, width, false), (parts, width, false)], width }
    }

    fn enumeration(&mut self, pen: &mut Pen) -> Shape {
        let name = pen.fresh("t_");
        let width = 2 + pen.draw.below(3) as u32;
        let stem = pen.fresh("E");
        let mut values: Vec<usize> =
            (0..2 + pen.draw.below(4)).map(|_| pen.draw.below(1 << width)).collect();
        values.sort_unstable();
        values.dedup();
        let members: Vec<String> =
            (0..values.len()).map(|at| format!("{stem}_{}", (b'A' + at as u8) as char)).collect();
        let list: Vec<String> = members
            .iter()
            .zip(&values)
            .map(|(member, value)| format!("{member} = {value}"))
            .collect();
        let range = width - 1;
        self.head.push(format!("typedef enum logic [{range}:0] {{{}}} {name};", list.join(", ")));
        Shape::Enum { name, members, width }
    }
}

/// A vector of any range.
pub(super) fn vector(pen: &mut Pen) -> Shape {
    let (width, signed) = (width(pen), pen.draw.percent(30));
    if width == 1 && pen.draw.percent(85) {
        return Shape::Vector { range: None, signed: false, two_state: false };
    }
    let offset = if pen.may(Family::OffsetRange, 12) { pen.draw.within(-5, 9) as i32 } else { 0 };
    let (high, low) = (width as i32 - 1 + offset, offset);
    let ascending = pen.may(Family::AscendingRange, 12);
    let range = Some(if ascending { (low, high) } else { (high, low) });
    Shape::Vector { range, signed, two_state: false }
}

/// An array of some words.
pub(super) fn array(pen: &mut Pen) -> Shape {
    let dimension = |pen: &mut Pen| {
        let words = *pen.draw.pick(&[2, 4, 4, 8, 8, 16, 5]);
        if pen.draw.percent(80) { (0, words - 1) } else { (words, 1) }
    };
    let mut dimensions = vec![dimension(pen)];
    if pen.may(Family::TwoDimensions, 20) {
        dimensions = vec![(0, 3), (0, *pen.draw.pick(&[1, 3]))];
    }
    let width = width(pen).min(70) as i32;
    Shape::Array { dimensions, range: (width - 1, 0), signed: pen.draw.percent(25) }
}
