//! A drawn design as Verilog once more, in another way.
//!
//! It uses each signal's second way of being computed, conditional expressions in place of `if` and `case`, and
//! registers that take a next value computed apart. So a mistake in a formula, in a priority, or in how a reset or an
//! edge is written stands in one of the two modules and not in the other, and `salv verify` tells them apart.

use super::draft::{Clock, Draft, Signal, Value};
use super::write::{Style, Text, declare, expression, head, range, used_inner, uses_loop};

/// Returns the second version.
pub(super) fn second(draft: &Draft) -> String {
    let mut text = Text { indent: 2, lines: String::new() };
    let is_variable = |value: &Value| value.is_clocked() || matches!(value, Value::Block(_));
    head(draft, &Style::EXPLICIT, |output| is_variable(&output.second), &mut text);
    let inner = used_inner(draft, |signal| &signal.second);
    for signal in &inner {
        declare(signal, &signal.second, is_variable(&signal.second), &mut text);
    }
    if inner.iter().copied().chain(&draft.outputs).any(|signal| uses_loop(&signal.second)) {
        text.line(1, "integer i;");
    }
    for signal in inner.into_iter().chain(&draft.outputs) {
        write(signal, draft.clock.as_ref(), &mut text);
    }
    text.line(0, "endmodule");
    text.lines
}

fn write(signal: &Signal, clock: Option<&Clock>, text: &mut Text) {
    let name = &signal.name;
    match (&signal.second, clock) {
        (Value::Block(statements), _) => {
            text.line(1, "always @(*) begin");
            statements.lines().for_each(|line| text.line(2, line));
            text.line(1, "end");
        }
        (Value::Register(reset, steps), Some(clock)) => {
            register(signal, (reset.as_deref(), steps), clock, text);
        }
        (Value::Memory(words, condition, address, word), Some(clock)) => {
            text.line(1, &format!("always @({}) begin", edge(clock)));
            for at in 0..*words {
                let chosen = format!("({condition}) && {address} == {at}");
                text.line(2, &format!("if ({chosen}) {name}[{at}] <= {word};"));
            }
            text.line(1, "end");
        }
        (value, _) => text.line(1, &format!("assign {name} = {};", expression(value))),
    }
}

fn edge(clock: &Clock) -> String {
    format!("{} {}", if clock.falling { "negedge" } else { "posedge" }, clock.name)
}

fn register(
    signal: &Signal,
    (value, steps): (Option<&str>, &[(String, String)]),
    clock: &Clock,
    text: &mut Text,
) {
    let (name, next) = (&signal.name, format!("{}_after", signal.name));
    let chain = steps.iter().map(|(condition, value)| match condition.as_str() {
        "" => value.clone(),
        _ => format!("({condition}) ? {value} : "),
    });
    let holds = steps.last().is_none_or(|(condition, _)| !condition.is_empty());
    let last = if holds { name.as_str() } else { "" };
    let mut chain: String = chain.collect::<String>() + last;
    let (mut edges, mut assigned) = (edge(clock), next.clone());
    if let (Some(reset), Some(value)) = (&clock.reset, value) {
        let (level, sensitive) = if reset.low { ("1'b0", "negedge") } else { ("1'b1", "posedge") };
        let active = format!("{} == {level}", reset.name);
        if reset.asynchronous {
            edges += &format!(", {sensitive} {}", reset.name);
            assigned = format!("({active}) ? {value} : {next}");
        } else {
            chain = format!("({active}) ? {value} : ({chain})");
        }
    }
    text.line(1, &format!("wire {}{next} = {chain};", range(signal.width)));
    text.line(1, &format!("always @({edges}) {name} <= {assigned};"));
}
