//! The processes of a module: combinational logic, registers, latches, and clocks that are made inside.

use super::super::family::Family;
use super::expression::value;
use super::literal;
use super::pen::{Pen, either};
use super::shape::{Atom, Shape};
use super::statement::{Body, Lines, block, sequence, source, source_value};
use super::unit::{Class, Unit, vector};

impl Unit {
    /// The surroundings of statements that read `atoms` and write `targets`.
    pub(super) fn code(&self, atoms: Vec<Atom>, targets: Vec<Atom>, nonblocking: bool) -> Body<'_> {
        Body {
            atoms,
            functions: &self.functions,
            tasks: &self.tasks,
            targets,
            nonblocking,
            returns: None,
            blocks: Vec::new(),
            jumps: None,
            loops: 0,
        }
    }

    /// A continuous assignment, to a net or a variable.
    pub(super) fn continuous(&mut self, pen: &mut Pen, class: Class) {
        let shape = vector(pen);
        let atom = Atom { name: pen.fresh("w"), shape };
        let body = self.code(self.readable(class), Vec::new(), false);
        let depth = 2 + pen.draw.below(3) as u32;
        let source = value(pen, body.view(), depth).text;
        let is_net = pen.draw.percent(60);
        self.body.push(format!("assign {} = {source};", atom.name));
        self.add(&atom, class, is_net.then_some("wire"));
    }

    /// A combinational process: each target gets a value first.
    pub(super) fn combinational(&mut self, pen: &mut Pen, class: Class) {
        let kinds = [(5, Family::AlwaysComb), (4, Family::AlwaysStar), (2, Family::AlwaysList)];
        let Some(kind) = pen.choose(&kinds) else { return self.continuous(pen, class) };
        let targets: Vec<Atom> = (0..1 + pen.draw.below(3)).map(|_| self.fresh(pen, "c")).collect();
        let mut atoms = self.readable(class);
        if kind == Family::AlwaysList {
            // A list names variables as a whole, which an array is not.
            atoms.retain(|atom| !atom.shape.is_array());
        }
        let mut lines = self.defaults(pen, &atoms, &targets);
        // What was set may be read.
        let mut readable = atoms.clone();
        readable.extend(targets.iter().cloned());
        let mut body = self.code(readable, targets.clone(), false);
        let name = pen.may(Family::Disable, 20).then(|| pen.fresh("b"));
        body.blocks.extend(name.clone());
        lines.extend(sequence(pen, &body, 2));
        let head = match kind {
            Family::AlwaysComb => combinational_head("always_comb"),
            Family::AlwaysStar => (*pen.draw.pick(&["always @* ", "always @(*) "])).to_owned(),
            _ => {
                let constants: Vec<&String> =
                    self.constants.iter().map(|atom| &atom.name).collect();
                let names: Vec<&str> = atoms
                    .iter()
                    .filter(|atom| !constants.contains(&&atom.name) && reads(&lines, &atom.name))
                    .map(|atom| atom.name.as_str())
                    .collect();
                let between = *pen.draw.pick(&[" or ", ", "]);
                format!("always @({}) ", names.join(between))
            }
        };
        let mut lines = block(&head, lines);
        if let Some(name) = name {
            lines[0] += &format!(" : {name}");
        }
        self.body.extend(lines);
        for target in &targets {
            self.add(target, class, None);
        }
    }

    /// A value for each target. The first of them reads an input, which changes when the module is first driven: not
    /// every process runs at the start.
    fn defaults(&self, pen: &mut Pen, atoms: &[Atom], targets: &[Atom]) -> Lines {
        let mut atoms = atoms.to_vec();
        let mut lines = Lines::new();
        let mut waits = true;
        let mut ordered: Vec<&Atom> = targets.iter().collect();
        ordered.sort_by_key(|atom| matches!(atom.shape, Shape::Enum { .. }));
        for target in ordered {
            let body = self.code(atoms.clone(), Vec::new(), false);
            let source = source_value(pen, &body, &target.shape, 3);
            let mut text = source.text.clone();
            if std::mem::take(&mut waits) {
                let stable = self.stable();
                let input = pen.draw.pick(&stable).name.clone();
                text = if matches!(target.shape, Shape::Enum { .. }) {
                    format!("({input} === {input}) ? {text} : {text}")
                } else if text.starts_with('\'') {
                    input
                } else {
                    let operator = *pen.draw.pick(&["^", "+", "-", "|", "&"]);
                    format!("({} {operator} {input})", source.operand(pen).text)
                };
            }
            lines.push(format!("{} = {text};", target.name));
            atoms.push(target.clone());
        }
        lines
    }

    /// Registers on a clock. They exist already, so that what comes before them may read them.
    pub(super) fn clocked(&mut self, pen: &mut Pen, registers: &[Atom]) {
        let clock = pen.draw.pick(&self.clocks).clone();
        let atoms = self.readable(Class::Settled);
        let head = edge(pen, &clock, &self.stable());
        self.register(pen, registers, atoms, head, &clock);
    }

    /// The process of registers under an event; `atoms` is what it reads.
    pub(super) fn register(
        &mut self,
        pen: &mut Pen,
        registers: &[Atom],
        mut atoms: Vec<Atom>,
        (mut event, iff): (String, Option<String>),
        clock: &str,
    ) {
        let mut lines = Lines::new();
        let mut is_pure = true;
        if pen.may(Family::Temporary, 20) {
            is_pure = false;
            let temporary = self.fresh(pen, "u");
            let body = self.code(atoms.clone(), Vec::new(), false);
            lines.push(format!(
                "{} = {};",
                temporary.name,
                source(pen, &body, &temporary.shape, 3)
            ));
            let declaration = temporary.shape.variable(&temporary.name);
            self.head.push(format!("{declaration};"));
            atoms.push(temporary);
        }
        let targets: Vec<Atom> = registers.to_vec();
        atoms.extend(
            targets.iter().filter(|atom| !atoms.contains(atom)).cloned().collect::<Vec<_>>(),
        );
        let body = self.code(atoms, targets, true);
        lines.extend(sequence(pen, &body, 2));
        if pen.draw.percent(25) {
            let depth = pen.draw.below(2) as u32;
            let enable = value(pen, body.view(), depth).text;
            lines = block(&format!("if ({enable}) "), lines);
        }
        let lines = self.with_reset(pen, registers, lines, &mut event, clock, iff.is_some());
        let initial = self.initial_values(pen, registers);
        let keyword =
            if is_pure && !initial && pen.draw.percent(60) { "always_ff" } else { "always" };
        let condition =
            iff.map_or(String::new(), |condition| either("", &format!("if ({condition}) ")));
        self.body.extend(block(&format!("{keyword} @({event}) {condition}"), lines));
    }

    /// Puts a reset around the code of registers: constants only, so that it does not matter what else
    /// changes with the reset.
    fn with_reset(
        &mut self,
        pen: &mut Pen,
        registers: &[Atom],
        lines: Lines,
        event: &mut String,
        clock: &str,
        has_condition: bool,
    ) -> Lines {
        let bits: Vec<Atom> = self
            .stable()
            .into_iter()
            .filter(|atom| matches!(atom.shape, Shape::Vector { range: None, .. }))
            .collect();
        if bits.is_empty() || pen.draw.percent(35) {
            return lines;
        }
        let reset = pen.draw.pick(&bits).name.clone();
        let is_low = pen.draw.percent(50);
        let test = if is_low { format!("!{reset}") } else { reset.clone() };
        let edged = event.contains("edge");
        if !has_condition && edged && pen.may(Family::AsyncReset, 55) {
            let between = *pen.draw.pick(&[" or ", ", "]);
            let edge = if is_low { "negedge" } else { "posedge" };
            *event += &format!("{between}{edge} {reset}");
        } else if !pen.may(Family::SyncReset, 70) || clock.is_empty() {
            return lines;
        }
        let constant = |pen: &mut Pen, atom: &Atom| match &atom.shape {
            Shape::Enum { members, .. } => pen.draw.pick(members).clone(),
            shape => literal::known(pen, shape.width(), shape.is_signed()),
        };
        let resets: Lines = registers
            .iter()
            .filter(|atom| !atom.shape.is_array())
            .map(|atom| format!("{} <= {};", atom.name, constant(pen, atom)))
            .collect();
        let mut out = block(&format!("if ({test}) "), resets);
        out.extend(block("else ", lines));
        out
    }

    /// Values at power-up for some of the registers; says whether a process gives them.
    fn initial_values(&mut self, pen: &mut Pen, registers: &[Atom]) -> bool {
        let mut lines = Lines::new();
        for register in registers {
            let Some(signal) = self.signals.iter_mut().find(|signal| signal.atom == *register)
            else {
                continue;
            };
            let (shape, name) = (&register.shape, &register.name);
            match shape {
                Shape::Array { dimensions, range, signed } if dimensions.len() == 1 => {
                    if !pen.may(Family::InitialBlock, 35) {
                        continue;
                    }
                    let (low, high) = (
                        dimensions[0].0.min(dimensions[0].1),
                        dimensions[0].0.max(dimensions[0].1),
                    );
                    let width = range.0.abs_diff(range.1) + 1;
                    let index = pen.fresh("i");
                    let head = format!(
                        "for (int {index} = {low}; {index} <= {high}; {index} = {index} + 1) "
                    );
                    let value = literal::sized(pen, width, *signed);
                    lines.extend(block(
                        &head,
                        vec![format!("{name}[{index}] = {value} + {index};")],
                    ));
                }
                Shape::Array { .. } | Shape::Enum { .. } => {}
                _ if pen.may(Family::InitialValue, 25) => {
                    signal.initial = Some(literal::sized(pen, shape.width(), shape.is_signed()));
                }
                _ if pen.may(Family::InitialBlock, 12) => {
                    let value = literal::sized(pen, shape.width(), shape.is_signed());
                    lines.push(format!("{name} = {value};"));
                }
                _ => {}
            }
        }
        let some = !lines.is_empty();
        if some {
            self.body.extend(block("initial ", lines));
        }
        some
    }

    /// A latch that an input opens, and that another may clear.
    pub(super) fn latch(&mut self, pen: &mut Pen) {
        let target = self.fresh(pen, "l");
        let stable = self.stable();
        let open = pen.draw.pick(&stable).name.clone();
        let test = if pen.draw.percent(50) { open } else { format!("!{open}") };
        let body = self.code(self.readable(Class::Settled), vec![target.clone()], false);
        let set = format!("{} = {};", target.name, source(pen, &body, &target.shape, 3));
        let mut lines = Lines::new();
        if pen.draw.percent(30) && !matches!(target.shape, Shape::Enum { .. }) {
            let clear = pen.draw.pick(&stable).name.clone();
            lines.extend(block(&format!("if ({clear}) "), vec![format!("{} = 0;", target.name)]));
            lines.extend(block(&format!("else if ({test}) "), vec![set]));
        } else {
            lines.extend(block(&format!("if ({test}) "), vec![set]));
        }
        let head = *pen.draw.pick(&["always_latch", "always @*", "always @(*)"]);
        self.body.extend(block(&combinational_head(head), lines));
        self.add(&target, Class::Settled, None);
    }

    /// A register that is assigned with `=`: outputs alone may read it.
    pub(super) fn loose_register(&mut self, pen: &mut Pen) {
        let targets: Vec<Atom> = (0..1 + pen.draw.below(2)).map(|_| self.fresh(pen, "k")).collect();
        let clock = pen.draw.pick(&self.clocks).clone();
        let mut atoms = self.readable(Class::Settled);
        atoms.extend(targets.iter().cloned());
        let body = self.code(atoms, targets.clone(), false);
        let lines = sequence(pen, &body, 2);
        let (event, iff) = edge(pen, &clock, &self.stable());
        let condition =
            iff.map_or(String::new(), |condition| either("", &format!("if ({condition}) ")));
        self.body.extend(block(&format!("always @({event}) {condition}"), lines));
        for target in &targets {
            self.add(target, Class::Loose, None);
        }
    }
}

/// The head of a combinational process.
///
/// To Icarus 11.0 what a process and its functions write is among what `always_comb` waits for, against 1800-2017, 9.2.2.2.1, and some such processes
/// run for ever. There it is `always @*`: each process reads an input, so both have run before anything is compared.
pub(super) fn combinational_head(head: &str) -> String {
    match head {
        "always_comb" | "always_latch" => either(&format!("{head} "), "always @* "),
        _ => format!("{head} "),
    }
}

/// An edge of a clock, and the condition of an `iff`.
pub(super) fn edge(pen: &mut Pen, clock: &str, stable: &[Atom]) -> (String, Option<String>) {
    if pen.may(Family::Iff, 3) {
        let condition = pen.draw.pick(stable).name.clone();
        let event =
            either(&format!("posedge {clock} iff {condition}"), &format!("posedge {clock}"));
        return (event, Some(condition));
    }
    if pen.may(Family::EdgeKeyword, 3) {
        let full = format!("edge {clock}");
        return (either(&full, &format!("posedge {clock} or negedge {clock}")), None);
    }
    if pen.may(Family::BothEdges, 6) {
        let text = if pen.draw.percent(50) {
            format!("posedge {clock} or negedge {clock}")
        } else {
            clock.to_owned()
        };
        return (text, None);
    }
    let word = if pen.may(Family::Negedge, 25) { "negedge" } else { "posedge" };
    (format!("{word} {clock}"), None)
}

/// Whether some line reads a name.
fn reads(lines: &[String], name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    lines.iter().any(|line| line.split(|c| !is_part(c)).any(|word| word == name))
}
