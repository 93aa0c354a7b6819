//! A drawn design as Verilog: the golden module, in one of many styles.
//!
//! It uses each signal's first way of being computed, `if` and `case` in processes where the style likes them, and
//! registers that are assigned where they are chosen.

use std::collections::BTreeSet;

use super::chance::Chance;
use super::draft::{Clock, Draft, Signal, Value, words};

/// How the golden module is written.
#[derive(Clone, Debug)]
pub(super) struct Style {
    indent: usize,
    /// `input wire a` instead of `input a`.
    wire: bool,
    /// Ports declared after the head.
    separate_ports: bool,
    /// Outputs that are plain expressions in one process.
    process: bool,
    /// `if` in processes instead of conditional expressions.
    branches: bool,
    /// All registers in one process.
    together: bool,
    /// `@*` instead of `@(*)`.
    short_list: bool,
    /// `~rst_n` instead of `!rst_n`.
    tilde: bool,
}

impl Style {
    /// The style in which designs are compared.
    pub(super) const PLAIN: Style = Style {
        indent: 1,
        wire: false,
        separate_ports: false,
        process: false,
        branches: false,
        together: false,
        short_list: false,
        tilde: false,
    };

    /// The style of the head of second versions.
    pub(super) const EXPLICIT: Style = Style { wire: true, ..Style::PLAIN };

    /// Draws a style.
    pub(super) fn draw(chance: &mut Chance) -> Style {
        Style {
            indent: if chance.percent(60) { 4 } else { 2 },
            wire: chance.percent(20),
            separate_ports: chance.percent(10),
            process: chance.percent(20),
            branches: chance.percent(50),
            together: chance.percent(65),
            short_list: chance.percent(20),
            tilde: chance.percent(25),
        }
    }

    fn list(&self) -> &'static str {
        if self.short_list { "@*" } else { "@(*)" }
    }

    /// Whether a signal is assigned in a process.
    fn is_variable(&self, value: &Value, is_output: bool) -> bool {
        match value {
            Value::Wire(_) => self.process && is_output,
            Value::When(..) => self.branches,
            Value::Case(..) | Value::Block(_) | Value::Register(..) | Value::Memory(..) => true,
        }
    }
}

/// Lines with their depth.
pub(super) struct Text {
    pub(super) indent: usize,
    pub(super) lines: String,
}

impl Text {
    /// Adds a line.
    pub(super) fn line(&mut self, depth: usize, text: &str) {
        if !text.is_empty() {
            self.lines += &" ".repeat(depth * self.indent);
            self.lines += text;
        }
        self.lines.push('\n');
    }
}

/// Returns the range in a declaration, with a blank.
pub(super) fn range(width: u32) -> String {
    if width == 1 { String::new() } else { format!("[{}:0] ", width - 1) }
}

/// Returns the inputs, clock and reset first.
pub(super) fn inputs(draft: &Draft) -> Vec<(&str, u32)> {
    let clock = draft.clock.iter().flat_map(|clock| {
        [Some(clock.name.as_str()), clock.reset.as_ref().map(|reset| reset.name.as_str())]
    });
    let clock = clock.flatten().map(|name| (name, 1));
    clock.chain(draft.inputs.iter().map(|(name, width)| (name.as_str(), *width))).collect()
}

/// Writes the module's head with its ports.
pub(super) fn head(
    draft: &Draft,
    style: &Style,
    is_variable: impl Fn(&Signal) -> bool,
    text: &mut Text,
) {
    let wire = if style.wire { "wire " } else { "" };
    let inputs = inputs(draft)
        .into_iter()
        .map(|(name, width)| format!("input {wire}{}{name}", range(width)));
    let outputs = draft.outputs.iter().map(|output| {
        let kind = if is_variable(output) { "reg " } else { wire };
        format!("output {kind}{}{}", range(output.width), output.name)
    });
    let ports: Vec<String> = inputs.chain(outputs).collect();
    if style.separate_ports {
        let names = ports.iter().filter_map(|port| port.rsplit(' ').next());
        let names = names.collect::<Vec<_>>().join(", ");
        text.line(0, &format!("module {}({names});", draft.module));
        ports.iter().for_each(|port| text.line(1, &format!("{port};")));
    } else {
        text.line(0, &format!("module {} (", draft.module));
        text.line(1, &ports.join(&format!(",\n{}", " ".repeat(text.indent))));
        text.line(0, ");");
    }
}

/// Returns the golden module.
pub(super) fn golden(draft: &Draft, style: &Style) -> String {
    let mut text = Text { indent: style.indent, lines: String::new() };
    let is_variable = |signal: &Signal, is_output| style.is_variable(&signal.golden, is_output);
    head(draft, style, |output| is_variable(output, true), &mut text);
    let inner = used_inner(draft, |signal| &signal.golden);
    for signal in &inner {
        declare(signal, &signal.golden, is_variable(signal, false), &mut text);
    }
    let all = || {
        inner
            .iter()
            .map(|signal| (*signal, false))
            .chain(draft.outputs.iter().map(|output| (output, true)))
    };
    if all().any(|(signal, _)| uses_loop(&signal.golden)) {
        text.line(1, "integer i;");
    }
    text.line(0, "");
    let apart = |signal: &Signal| matches!(signal.golden, Value::Wire(_));
    for (signal, is_output) in all().filter(|(signal, _)| !signal.golden.is_clocked()) {
        if !(apart(signal) && is_variable(signal, is_output)) {
            combinational(signal, is_variable(signal, is_output), style, &mut text);
        }
    }
    let joined: Vec<&Signal> = all()
        .filter(|(signal, is_output)| apart(signal) && is_variable(signal, *is_output))
        .map(|(signal, _)| signal)
        .collect();
    process(&joined, style, &mut text);
    if let Some(clock) = &draft.clock {
        clocked(&all().map(|(signal, _)| signal).collect::<Vec<_>>(), clock, style, &mut text);
    }
    text.line(0, "endmodule");
    text.lines
}

/// Returns the inner signals that the outputs need in one of the versions.
pub(super) fn used_inner(draft: &Draft, version: impl Fn(&Signal) -> &Value) -> Vec<&Signal> {
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let mut waiting: Vec<&Signal> = draft.outputs.iter().collect();
    while let Some(signal) = waiting.pop() {
        for word in version(signal).texts().into_iter().flat_map(words) {
            let found = draft.inner.iter().find(|inner| inner.name == word);
            waiting.extend(found.filter(|inner| needed.insert(&inner.name)));
        }
    }
    draft.inner.iter().filter(|inner| needed.contains(inner.name.as_str())).collect()
}

/// Declares an inner signal.
pub(super) fn declare(signal: &Signal, value: &Value, is_variable: bool, text: &mut Text) {
    let kind = if is_variable { "reg" } else { "wire" };
    let words = match value {
        Value::Memory(words, ..) => format!(" [0:{}]", words - 1),
        _ => String::new(),
    };
    text.line(1, &format!("{kind} {}{}{words};", range(signal.width), signal.name));
}

/// Whether a value needs the variable of a loop.
pub(super) fn uses_loop(value: &Value) -> bool {
    matches!(value, Value::Block(text) if words(text).any(|word| word == "i"))
}

fn combinational(signal: &Signal, is_variable: bool, style: &Style, text: &mut Text) {
    let name = &signal.name;
    match &signal.golden {
        Value::Wire(value) => text.line(1, &format!("assign {name} = {value};")),
        Value::When(..) if !is_variable => {
            text.line(1, &format!("assign {name} = {};", expression(&signal.golden)));
        }
        Value::When(steps, last) => {
            text.line(1, &format!("always {}", style.list()));
            for (at, (condition, value)) in steps.iter().enumerate() {
                let word = if at == 0 { "if" } else { "else if" };
                text.line(2, &format!("{word} ({condition}) {name} = {value};"));
            }
            text.line(2, &format!("else {name} = {last};"));
        }
        Value::Case(select, arms, last) => {
            text.line(1, &format!("always {}", style.list()));
            text.line(2, &format!("case ({select})"));
            for (label, value) in arms {
                text.line(3, &format!("{label}: {name} = {value};"));
            }
            text.line(3, &format!("default: {name} = {last};"));
            text.line(2, "endcase");
        }
        Value::Block(statements) => {
            text.line(1, &format!("always {} begin", style.list()));
            statements.lines().for_each(|line| text.line(2, line));
            text.line(1, "end");
        }
        Value::Register(..) | Value::Memory(..) => {}
    }
}

/// Writes plain expressions in one process.
fn process(signals: &[&Signal], style: &Style, text: &mut Text) {
    if signals.is_empty() {
        return;
    }
    text.line(1, &format!("always {} begin", style.list()));
    for signal in signals {
        if let Value::Wire(value) = &signal.golden {
            text.line(2, &format!("{} = {value};", signal.name));
        }
    }
    text.line(1, "end");
}

fn clocked(signals: &[&Signal], clock: &Clock, style: &Style, text: &mut Text) {
    let edge = if clock.falling { "negedge" } else { "posedge" };
    let plain = format!("{edge} {}", clock.name);
    for signal in signals {
        if let Value::Memory(_, condition, address, word) = &signal.golden {
            text.line(1, &format!("always @({plain})"));
            text.line(2, &format!("if ({condition}) {}[{address}] <= {word};", signal.name));
        }
    }
    let of = |with_reset: bool| -> Vec<&Signal> {
        let is = |value: &Value| match value {
            Value::Register(reset, _) => reset.is_some() == with_reset,
            _ => false,
        };
        signals.iter().copied().filter(|signal| is(&signal.golden)).collect()
    };
    for (with_reset, registers) in [(true, of(true)), (false, of(false))] {
        let groups: Vec<&[&Signal]> = if style.together {
            if registers.is_empty() { Vec::new() } else { vec![&registers] }
        } else {
            registers.chunks(1).collect()
        };
        for group in groups {
            registered(group, clock, with_reset, (&plain, style), text);
        }
    }
}

fn registered(
    group: &[&Signal],
    clock: &Clock,
    with_reset: bool,
    (plain, style): (&str, &Style),
    text: &mut Text,
) {
    let Some(reset) = clock.reset.as_ref().filter(|_| with_reset) else {
        text.line(1, &format!("always @({plain}) begin"));
        group.iter().for_each(|signal| steps(signal, (2, false), text));
        text.line(1, "end");
        return;
    };
    let edge = match (reset.asynchronous, reset.low) {
        (false, _) => String::new(),
        (true, true) => format!(" or negedge {}", reset.name),
        (true, false) => format!(" or posedge {}", reset.name),
    };
    let not = if style.tilde { "~" } else { "!" };
    let active = if reset.low { format!("{not}{}", reset.name) } else { reset.name.clone() };
    let cleared = |signal: &Signal| match &signal.golden {
        Value::Register(Some(value), _) => format!("{} <= {value};", signal.name),
        _ => String::new(),
    };
    if let [signal] = group {
        text.line(1, &format!("always @({plain}{edge})"));
        text.line(2, &format!("if ({active}) {}", cleared(signal)));
        steps(signal, (2, true), text);
        return;
    }
    text.line(1, &format!("always @({plain}{edge}) begin"));
    text.line(2, &format!("if ({active}) begin"));
    group.iter().for_each(|signal| text.line(3, &cleared(signal)));
    text.line(2, "end else begin");
    group.iter().for_each(|signal| steps(signal, (3, false), text));
    text.line(2, "end");
    text.line(1, "end");
}

/// Writes the steps of a register; `goes_on` says that an `if` stands before them.
fn steps(signal: &Signal, (depth, goes_on): (usize, bool), text: &mut Text) {
    let Value::Register(_, steps) = &signal.golden else { return };
    for (at, (condition, value)) in (usize::from(goes_on)..).zip(steps) {
        let word = match (at, condition.is_empty()) {
            (0, true) => String::new(),
            (_, true) => "else ".to_owned(),
            (0, false) => format!("if ({condition}) "),
            (_, false) => format!("else if ({condition}) "),
        };
        text.line(depth, &format!("{word}{} <= {value};", signal.name));
    }
}

/// Returns a value as one expression.
pub(super) fn expression(value: &Value) -> String {
    match value {
        Value::Wire(text) => text.clone(),
        Value::When(steps, last) => {
            let parts = steps.iter().map(|(condition, value)| match words(condition).count() {
                1 if !condition.contains(['~', '!', '|', '&']) => {
                    format!("{condition} ? {value} : ")
                }
                _ => format!("({condition}) ? {value} : "),
            });
            parts.collect::<String>() + last
        }
        Value::Case(select, arms, last) => {
            let parts =
                arms.iter().map(|(label, value)| format!("({select}) == {label} ? {value} : "));
            parts.collect::<String>() + last
        }
        Value::Block(_) | Value::Register(..) | Value::Memory(..) => String::new(),
    }
}
