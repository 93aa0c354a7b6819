//! What a module is built of beside its processes: nets with several drivers, gates, generate constructs,
//! memories, instances, and clocks made inside.

use super::super::family::Family;
use super::expression::{leaf, value};
use super::literal;
use super::pen::{Pen, either};
use super::process::{combinational_head, edge};
use super::select::{index, inner_index};
use super::shape::{Atom, Shape, UNSIZED};
use super::statement::{assignment, block, sequence, source};
use super::unit::{Class, Finished, FormalRole, Unit, array, vector};

impl Unit {
    /// A memory that a clock writes, and a net that reads a word of it.
    pub(super) fn memory(&mut self, pen: &mut Pen) {
        let shape = array(pen);
        let atom = Atom { name: pen.fresh("m"), shape };
        self.add(&atom, Class::Settled, None);
        let clock = pen.draw.pick(&self.clocks).clone();
        let atoms = self.readable(Class::Settled);
        let head = edge(pen, &clock, &self.stable());
        self.register(pen, &[atom], atoms, head, &clock);
    }

    /// An array that combinational code or assignments fill.
    pub(super) fn filled_array(&mut self, pen: &mut Pen) {
        let shape = array(pen);
        let Shape::Array { dimensions, .. } = &shape else { return };
        let atom = Atom { name: pen.fresh("m"), shape: shape.clone() };
        let body = self.code(self.readable(Class::Settled), Vec::new(), false);
        let (low, high) = ends(dimensions[0]);
        if dimensions.len() == 1 && high - low < 5 && pen.may(Family::ArrayPattern, 15) {
            let (full, plain) = self.pattern(pen, &atom);
            let head = combinational_head("always_comb");
            self.body.extend(block(&head, vec![either(&full, &plain)]));
            return self.add(&atom, Class::Settled, None);
        }
        let mut lines = Vec::new();
        let is_net = pen.draw.percent(40);
        let words: Vec<String> = match dimensions.get(1) {
            None => (low..=high).map(|at| format!("[{at}]")).collect(),
            Some(&second) => {
                let (from, to) = ends(second);
                let all =
                    (low..=high).flat_map(|i| (from..=to).map(move |j| format!("[{i}][{j}]")));
                all.collect()
            }
        };
        let mut sources = Vec::new();
        let input = pen.draw.pick(&self.stable()).name.clone();
        for _ in 0..3 {
            let depth = 1 + pen.draw.below(2) as u32;
            sources.push(format!("({} ^ {input})", value(pen, body.view(), depth).text));
        }
        for (at, place) in words.iter().enumerate() {
            let assign = if is_net { "assign " } else { "" };
            lines.push(format!("{assign}{}{place} = {};", atom.name, sources[at % sources.len()]));
        }
        if is_net {
            self.body.extend(lines);
        } else {
            let mut body = self.code(self.readable(Class::Settled), vec![atom.clone()], false);
            body.atoms.push(atom.clone());
            lines.extend(sequence(pen, &body, 1));
            self.body.extend(block(&combinational_head("always_comb"), lines));
        }
        self.add(&atom, Class::Settled, is_net.then_some("wire"));
    }

    /// `m = '{…};` and the same word by word.
    fn pattern(&self, pen: &mut Pen, atom: &Atom) -> (String, String) {
        let Shape::Array { dimensions, .. } = &atom.shape else { return Default::default() };
        let body = self.code(self.readable(Class::Settled), Vec::new(), false);
        let (left, right) = dimensions[0];
        let places: Vec<i32> =
            if left <= right { (left..=right).collect() } else { (right..=left).rev().collect() };
        let (mut values, mut plain) = (Vec::new(), String::new());
        for place in places {
            let input = pen.draw.pick(&self.stable()).name.clone();
            let value = format!("{} ^ {input}", value(pen, body.view(), 2).text);
            plain += &format!("{}[{place}] = {value}; ", atom.name);
            values.push(value);
        }
        (format!("{} = '{{{}}};", atom.name, values.join(", ")), plain)
    }

    /// Latches with an address: only inputs open and address them.
    pub(super) fn latched_memory(&mut self, pen: &mut Pen) {
        let shape = array(pen);
        let Shape::Array { dimensions, range, signed } = &shape else { return };
        let word = Shape::Vector { range: Some(*range), signed: *signed, two_state: false };
        let stable = self.stable();
        let atom = Atom { name: pen.fresh("m"), shape: shape.clone() };
        // Icarus 11.0 takes the low 32 bits of a wider index, and where one leaves one of several dimensions a word of a
        // neighbour, against 7.4.6.
        let index = |&(left, right): &(i32, i32)| {
            let atom = pen.draw.pick(&stable);
            if dimensions.len() == 1 && atom.shape.width() <= 32 {
                return format!("[{}]", atom.name);
            }
            let width = (left.abs_diff(right) + 1).ilog2();
            format!("[$unsigned({width}'({}))]", atom.name)
        };
        let address: String = dimensions.iter().map(index).collect();
        let open = pen.draw.pick(&stable).name.clone();
        let body = self.code(self.readable(Class::Settled), Vec::new(), false);
        let set = format!("{}{address} = {};", atom.name, source(pen, &body, &word, 2));
        self.body.extend(block(&format!("always @* if ({open}) "), vec![set]));
        self.add(&atom, Class::Settled, None);
    }

    /// A clock that passes while it is let, and what it drives.
    pub(super) fn gated_clock(&mut self, pen: &mut Pen, registers: &[Atom]) {
        let clock = pen.draw.pick(&self.clocks).clone();
        let stable = self.stable();
        let bits: Vec<&Atom> = stable.iter().filter(|atom| atom.shape.width() == 1).collect();
        let (gated, input) = (pen.fresh("g"), pen.draw.pick(&stable).clone());
        let bit = Shape::plain(1);
        if bits.is_empty() || pen.draw.percent(50) {
            // The usual cell: the enable passes a latch that is open while the clock is low.
            let enable = pen.fresh("e");
            let head = combinational_head(pen.draw.pick::<&str>(&["always_latch", "always @*"]));
            let set = vec![format!("{enable} = {};", input.name)];
            self.body.extend(block(&format!("{head}if (!{clock}) "), set));
            self.add(&Atom { name: enable.clone(), shape: bit.clone() }, Class::Loose, None);
            self.body.push(format!("assign {gated} = {clock} & {enable};"));
            self.add(&Atom { name: gated.clone(), shape: bit }, Class::Loose, Some("wire"));
            let atoms = self.readable(Class::Settled);
            return self.register(pen, registers, atoms, (format!("posedge {gated}"), None), "");
        }
        // Without a latch the enable may change at the same time as what is read: only inputs are.
        let enable = bits[pen.draw.below(bits.len())].name.clone();
        let gate = *pen.draw.pick(&["{c} & {e}", "{c} && {e}", "{e} ? {c} : 1'b0"]);
        let gate = gate.replace("{c}", &clock).replace("{e}", &enable);
        self.body.push(format!("assign {gated} = {gate};"));
        self.add(&Atom { name: gated.clone(), shape: bit }, Class::Loose, Some("wire"));
        self.register(pen, registers, stable, (format!("posedge {gated}"), None), "");
    }

    /// A register that is a clock, and what it drives, which reads inputs and itself alone.
    pub(super) fn divided_clock(&mut self, pen: &mut Pen, registers: &[Atom]) {
        let clock = pen.draw.pick(&self.clocks).clone();
        let divided = Atom { name: pen.fresh("d"), shape: Shape::plain(1) };
        self.add(&divided, Class::Settled, None);
        if let Some(signal) = self.signals.last_mut() {
            signal.initial = pen.draw.percent(70).then(|| "1'b0".to_owned());
        }
        let stable = self.stable();
        let condition = pen.draw.pick(&stable).name.clone();
        let name = &divided.name;
        let code = match pen.draw.below(3) {
            0 => format!("{name} <= ~{name};"),
            1 => format!("if ({condition}) {name} <= 1'b0; else {name} <= !{name};"),
            _ => format!("{name} <= {condition};"),
        };
        self.body.push(format!("always @(posedge {clock}) {code}"));
        let word = *pen.draw.pick(&["posedge", "negedge"]);
        self.register(pen, registers, stable, (format!("{word} {name}"), None), "");
    }

    /// A net with several drivers, each of which may let go.
    pub(super) fn tristate(&mut self, pen: &mut Pen, wired: bool) {
        let kinds: &[&'static str] =
            if wired { &["wand", "wor", "tri0", "tri1"] } else { &["wire", "tri"] };
        let kind = *pen.draw.pick(kinds);
        let atom = Atom { name: pen.fresh("z"), shape: vector(pen) };
        let atom = Atom { shape: Shape::vector(atom.shape.width().min(40), false), ..atom };
        let width = atom.shape.width();
        let body = self.code(self.readable(Class::Settled), Vec::new(), false);
        let mut lines = Vec::new();
        for _ in 0..1 + pen.draw.below(3) {
            let data = value(pen, body.view(), 2).text;
            let enable = value(pen, body.view(), 1).text;
            // Where it is unknown Icarus 11.0 makes z of z and z, against table 11-20; so the data has none.
            let line = match pen.draw.below(3) {
                // Icarus 11.0 joins two nets of which one is all of a conversion of the other, against 10.3.2.
                0 if wired && data.contains(['$', '\'']) => {
                    format!("assign {} = ({data} | 1'sb0);", atom.name)
                }
                0 if wired => format!("assign {} = {data};", atom.name),
                0 => format!("assign {} = (!{enable}) ? {width}'bz : ({data} | 1'sb0);", atom.name),
                _ => format!("assign {} = {enable} ? ({data} | 1'sb0) : {width}'bz;", atom.name),
            };
            lines.push(line);
        }
        self.body.extend(lines);
        self.add(&atom, Class::Settled, Some(kind));
    }

    /// A gate, or a chain of two.
    pub(super) fn gate(&mut self, pen: &mut Pen, is_switch: bool) {
        let out = Atom { name: pen.fresh("n"), shape: Shape::plain(1) };
        let atoms = self.readable(Class::Settled);
        let body = self.code(atoms, Vec::new(), false);
        let bit = |pen: &mut Pen| {
            let leaf = leaf(pen, body.view());
            if leaf.width == 1 { leaf.text } else { format!("(^{})", leaf.text) }
        };
        let name =
            if pen.draw.percent(50) { format!(" {}", pen.fresh("x")) } else { String::new() };
        let line = if is_switch {
            let gates = ["bufif0", "bufif1", "notif0", "notif1"];
            let gate = *pen.draw.pick(&gates);
            let (data, control) = (bit(pen), bit(pen));
            format!("{gate}{name} ({}, {data}, {control});", out.name)
        } else {
            let gate = *pen.draw.pick(&["and", "nand", "or", "nor", "xor", "xnor", "buf", "not"]);
            let count = if matches!(gate, "buf" | "not") { 1 } else { 2 + pen.draw.below(3) };
            let inputs: Vec<String> = (0..count).map(|_| bit(pen)).collect();
            let full = format!("{gate}{name} ({}, {});", out.name, inputs.join(", "));
            match gate {
                // Icarus 11.0 lets z through, `not` that of a constant, against table 28-4.
                "buf" => either(&full, &format!("assign {} = ({} & 1'b1);", out.name, inputs[0])),
                "not" => {
                    either(&full, &format!("not{name} ({}, ({} & 1'b1));", out.name, inputs[0]))
                }
                _ => full,
            }
        };
        self.body.push(line);
        self.add(&out, Class::Settled, Some("wire"));
    }

    /// A loop that drives the bits of a vector one by one.
    pub(super) fn generate_for(&mut self, pen: &mut Pen) {
        let width = 2 + pen.draw.below(7) as u32;
        let atom = Atom { name: pen.fresh("w"), shape: Shape::vector(width, false) };
        let (variable, name) = (pen.fresh("j"), pen.fresh("b"));
        let mut atoms = self.readable(Class::Settled);
        let genvar = Shape::Word { keyword: UNSIZED, width: 32, signed: true };
        // Beside a genvar sums of Icarus 11.0 keep the carry, against 11.6.1, but not beside one that is cast.
        let read = either(&variable, &format!("int'({variable})"));
        atoms.push(Atom { name: read, shape: genvar });
        let body = self.code(atoms, Vec::new(), false);
        let expression = value(pen, body.view(), 3).text;
        let mut lines = vec![format!("assign {}[{variable}] = {expression};", atom.name)];
        let is_net = pen.draw.percent(50);
        if !is_net {
            let head = combinational_head(pen.draw.pick::<&str>(&["always_comb", "always @*"]));
            let stable = self.stable();
            let input = pen.draw.pick(&stable).name.clone();
            let set = format!("{}[{variable}] = {expression} ^ {input};", atom.name);
            lines = block(&head, vec![set]);
        }
        let head = format!(
            "for (genvar {variable} = 0; {variable} < {width}; {variable} = {variable} + 1) "
        );
        let mut lines = block(&head, lines);
        lines[0] += &format!(" : {name}");
        self.body.extend(lines);
        self.add(&atom, Class::Settled, is_net.then_some("wire"));
    }

    /// One of two assignments, by a parameter.
    pub(super) fn generate_if(&mut self, pen: &mut Pen) {
        let atom = Atom { name: pen.fresh("w"), shape: vector(pen) };
        let body = self.code(self.readable(Class::Settled), Vec::new(), false);
        let (a, b) = (source(pen, &body, &atom.shape, 3), source(pen, &body, &atom.shape, 3));
        let selector = match self.constants.first() {
            Some(constant) => constant.name.clone(),
            None => pen.draw.below(4).to_string(),
        };
        let (first, second) = (pen.fresh("b"), pen.fresh("b"));
        let name = &atom.name;
        if pen.draw.percent(60) {
            self.body.push(format!("if ({selector} > 1) begin : {first}"));
            self.body.push(format!("  assign {name} = {a};"));
            self.body.push(format!("end else begin : {second}"));
            self.body.push(format!("  assign {name} = {b};"));
            self.body.push("end".into());
        } else {
            self.body.push(format!("case ({selector})"));
            self.body.push(format!("  0, 1: begin : {first} assign {name} = {a}; end"));
            self.body.push(format!("  default: begin : {second} assign {name} = {b}; end"));
            self.body.push("endcase".into());
        }
        self.add(&atom, Class::Settled, Some("wire"));
    }

    /// The bits of a vector in another order, by the streaming operator.
    pub(super) fn stream(&mut self, pen: &mut Pen) {
        let plain = |atom: &Atom| match atom.shape {
            Shape::Vector { range: Some((left @ 0.., 0)), .. } => Some(left as u32 + 1),
            _ => None,
        };
        let sources: Vec<(Atom, u32)> = self
            .readable(Class::Settled)
            .into_iter()
            .filter_map(|atom| plain(&atom).map(|width| (atom, width)))
            .collect();
        if sources.is_empty() {
            return self.continuous(pen, Class::Settled);
        }
        let (from, width) = pen.draw.pick(&sources).clone();
        let slice = 1 + pen.draw.below(width as usize + 1) as u32;
        let name = &from.name;
        let parts: Vec<String> = (0..width)
            .step_by(slice as usize)
            .map(|low| format!("{name}[{}:{low}]", (low + slice - 1).min(width - 1)))
            .collect();
        let (operator, plain) = if pen.draw.percent(75) {
            ("<<", format!("{{{}}}", parts.join(", ")))
        } else {
            (">>", name.clone())
        };
        let atom = Atom { name: pen.fresh("w"), shape: Shape::vector(width, false) };
        let full = format!("{{{operator}{slice}{{{name}}}}}");
        self.body.push(format!("assign {} = {};", atom.name, either(&full, &plain)));
        self.add(&atom, Class::Settled, None);
    }

    /// An instance of a finished module.
    pub(super) fn instance(&mut self, pen: &mut Pen, of: &Finished) {
        let body = self.code(self.readable(Class::Settled), Vec::new(), false);
        let stable = self.stable();
        let is_named = pen.draw.percent(75);
        let (mut connections, mut outputs) = (Vec::new(), Vec::new());
        let mut connected: Vec<String> = Vec::new();
        for formal in &of.formals {
            let actual = match formal.role {
                FormalRole::Clock => match self.clocks.is_empty() {
                    true => "1'b0".to_owned(),
                    false => pen.draw.pick(&self.clocks).clone(),
                },
                FormalRole::Stable => {
                    // A port that cuts what it takes may pass it later than others (4.7, 23.3.3), and a latch that it closes
                    // take their new values or not.
                    let width = formal.shape.width();
                    let whole: Vec<&Atom> =
                        stable.iter().filter(|atom| atom.shape.width() <= width).collect();
                    let name = match whole.is_empty() {
                        true => literal::known(pen, width, false),
                        false => pen.draw.pick(&whole).name.clone(),
                    };
                    // Of two inputs that are one net Icarus 11.0 confuses what `@*` waits for, against 9.4.2.2.
                    if connected.contains(&name) {
                        format!("{{{name}}}")
                    } else {
                        connected.push(name.clone());
                        name
                    }
                }
                // A port's width is context (23.3.3), but Icarus 11.0 computes as wide as the operands are.
                FormalRole::Settled => match value(pen, body.view(), 2) {
                    actual if actual.text.starts_with('\'') => actual.text,
                    // Braces may hold what a cast gives a size.
                    actual if actual.is_unsized && actual.text.contains('(') => {
                        format!("{{{}'({})}}", actual.width, actual.text)
                    }
                    actual if actual.is_unsized => actual.text,
                    actual => format!("{{{}}}", actual.text),
                },
                FormalRole::Output(_) if is_named && pen.draw.percent(5) => String::new(),
                FormalRole::Output(class) => {
                    let atom = Atom { name: pen.fresh("w"), shape: formal.shape.clone() };
                    outputs.push((atom.clone(), class));
                    atom.name
                }
            };
            connections.push(match is_named {
                true => format!(".{}({actual})", formal.name),
                false => actual,
            });
        }
        let parameter = match &of.parameter {
            Some(name) if pen.draw.percent(60) => format!(" #(.{name}({}))", pen.draw.below(9)),
            _ => String::new(),
        };
        let name = pen.fresh("s");
        self.body.push(format!("{}{parameter} {name} ({});", of.name, connections.join(", ")));
        for (atom, class) in outputs {
            self.add(&atom, class, Some("wire"));
        }
    }

    /// Instances side by side, a bit each.
    pub(super) fn instance_array(&mut self, pen: &mut Pen, of: &str) {
        let width = 2 + pen.draw.below(6) as u32;
        let body = self.code(self.readable(Class::Settled), Vec::new(), false);
        let a = value(pen, body.view(), 2).text;
        let b = leaf(pen, body.view());
        let bit = format!("(^{})", b.text);
        let atom = Atom { name: pen.fresh("w"), shape: Shape::vector(width, false) };
        let name = pen.fresh("s");
        let range = if pen.draw.percent(70) { (width - 1, 0) } else { (0, width - 1) };
        self.body.push(format!(
            "{of} {name} [{}:{}] (.a({width}'({a})), .b({bit}), .y({}));",
            range.0, range.1, atom.name
        ));
        self.add(&atom, Class::Settled, Some("wire"));
    }

    /// A function or a task over its arguments alone.
    pub(super) fn subroutine(&mut self, pen: &mut Pen, is_task: bool) {
        let name = pen.fresh(if is_task { "p" } else { "f" });
        let mut atoms = Vec::new();
        for _ in 0..1 + pen.draw.below(3) {
            let shape = Shape::vector(super::expression::width(pen).min(70), pen.draw.percent(30));
            atoms.push(Atom { name: pen.fresh("a"), shape });
        }
        let arguments = atoms.clone();
        let result = Shape::vector(super::expression::width(pen).min(70), pen.draw.percent(30));
        let out = Atom { name: if is_task { pen.fresh("a") } else { name.clone() }, shape: result };
        let local = Atom { name: pen.fresh("v"), shape: vector(pen) };
        let start = self.code(atoms.clone(), Vec::new(), false);
        let mut lines = vec![format!("{} = {};", local.name, source(pen, &start, &local.shape, 2))];
        lines.push(format!("{} = {};", out.name, source(pen, &start, &out.shape, 2)));
        atoms.push(local.clone());
        let mut body = self.code(atoms, vec![local.clone(), out.clone()], false);
        // A task that calls itself never ends.
        body.tasks = &[];
        // Icarus 11.0: "Cannot return from tasks".
        body.returns = (!is_task).then(|| format!("return {};", local.name));
        lines.extend(sequence(pen, &body, 1));
        lines.extend(assignment(pen, &body));
        // In Icarus 11.0 a block with variables in an automatic function breaks arrays elsewhere. As every variable is
        // set before it is read, a static one does the same.
        let is_automatic = pen.draw.percent(60);
        let lifetime = if is_automatic { either("automatic ", "") } else { String::new() };
        let mut formals: Vec<String> = arguments
            .iter()
            .map(|atom| format!("input {}", atom.shape.variable(&atom.name)))
            .collect();
        let (keyword, result) = if is_task {
            formals.push(format!("output {}", out.shape.variable(&out.name)));
            ("task", String::new())
        } else {
            ("function", format!("logic{} ", out.shape.ranges()))
        };
        self.head.push(format!("{keyword} {lifetime}{result}{name}({});", formals.join(", ")));
        self.head.push(format!("  {};", local.shape.variable(&local.name)));
        self.head.extend(lines.into_iter().map(|line| format!("  {line}")));
        self.head.push(format!("end{keyword}"));
        if is_task {
            self.tasks.push(super::statement::Task { name, inputs: arguments.len() });
        } else {
            let of = |atom: &Atom| (atom.shape.width(), atom.shape.is_signed());
            self.functions.push(super::expression::Function {
                name,
                arguments: arguments.iter().map(of).collect(),
                width: out.shape.width(),
                signed: out.shape.is_signed(),
            });
        }
    }

    /// A word of an array or a bit of a vector, so that an output shows what cannot be a port.
    pub(super) fn shown(&self, pen: &mut Pen, atom: &Atom) -> String {
        match &atom.shape {
            Shape::Array { dimensions, .. } => {
                let atoms = self.stable();
                let body = self.code(atoms, Vec::new(), false);
                let mut text = atom.name.clone();
                for &dimension in dimensions {
                    let at = match dimensions.len() {
                        1 => index(pen, body.view(), dimension),
                        _ => inner_index(pen, body.view(), dimension),
                    };
                    text += &format!("[{at}]");
                }
                text
            }
            _ => atom.name.clone(),
        }
    }
}

fn ends((left, right): (i32, i32)) -> (i32, i32) {
    (left.min(right), left.max(right))
}
