//! Outputs that may be Z: a two-state simulator cannot tell, so they are named and left unjudged.
//!
//! In: the walked netlist. Out: the names of the outputs, sorted, that a Z literal or a three-state gate
//! reaches by copying alone (an operator makes X of it).

use sv_lang::kinds::{ExpressionKind, SymbolKind};
use sv_lang::{Bit, ConstantValue, Expression, SyntaxTree};

use super::netlist::{Netlist, Source};
use super::{Direction, Port};

/// The outputs that may be Z.
pub(super) fn outputs(netlist: &Netlist<'_>, ports: &[Port], tree: &SyntaxTree) -> Vec<String> {
    let mut may = three_state(netlist, tree);
    loop {
        let mut changed = false;
        for link in &netlist.links {
            let z = match link.source {
                Source::Expression(value) => may_be_z(netlist, value, &may),
                Source::Signal(signal) => may[signal],
                Source::Gate => false,
            };
            for &target in link.targets.iter().filter(|_| z) {
                changed |= !std::mem::replace(&mut may[target], true);
            }
        }
        for write in netlist.processes.iter().flat_map(|process| &process.writes) {
            if write.value.is_some_and(|value| may_be_z(netlist, value, &may)) {
                for &target in &write.targets {
                    changed |= !std::mem::replace(&mut may[target], true);
                }
            }
        }
        if !changed {
            break;
        }
    }
    let outputs = netlist.signals.iter().enumerate().filter(|(id, _)| may[*id]);
    let mut names: Vec<String> = outputs
        .filter_map(|(_, signal)| ports.get(signal.port?))
        .filter(|port| port.direction == Direction::Output)
        .map(|port| port.name.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// What a three-state gate drives. A net that nothing drives is Z as well, but always: there a two-state
/// simulator that starts it at random says "unknown", which is as wrong as Z where the golden bit is
/// defined, and as little compared where the golden net is the one.
fn three_state(netlist: &Netlist<'_>, tree: &SyntaxTree) -> Vec<bool> {
    let mut may = vec![false; netlist.signals.len()];
    for &gate in netlist.others.iter().filter(|other| other.kind() == SymbolKind::PrimitiveInstance)
    {
        // The kind of a built-in gate is in the syntax alone: the first word of its declaration.
        let declaration = gate.syntax(tree).and_then(|instance| instance.parent());
        let first = declaration.and_then(|declaration| declaration.first_token());
        let name = first.map_or("", |token| token.text());
        let three_state =
            ["bufif", "notif", "nmos", "pmos", "cmos", "rnmos", "rpmos", "rcmos", "tran"];
        if three_state.iter().any(|prefix| name.starts_with(prefix)) {
            for left in gate
                .primitive_instance_port_connections()
                .filter_map(|connection| connection.left())
            {
                if let Some(id) =
                    super::expression::root(left).and_then(|symbol| netlist.find(symbol))
                {
                    may[id] = true;
                }
            }
        }
    }
    may
}

fn may_be_z(netlist: &Netlist<'_>, value: Expression<'_>, may: &[bool]) -> bool {
    if let Some(ConstantValue::Integer(value)) = value.constant_value() {
        return value.has_unknown() && value.bits().contains(&Bit::Z);
    }
    let any =
        |parts: Vec<Expression<'_>>| parts.into_iter().any(|part| may_be_z(netlist, part, may));
    match value.kind() {
        ExpressionKind::NamedValue | ExpressionKind::HierarchicalValue => {
            netlist.named(value).is_some_and(|signal| may[signal])
        }
        ExpressionKind::ConditionalOp => {
            any([value.true_value(), value.false_value()].into_iter().flatten().collect())
        }
        ExpressionKind::Concatenation => any(value.operands()),
        ExpressionKind::Replication => any(value.replication_concat().into_iter().collect()),
        ExpressionKind::Conversion => any(value.conversion_operand().into_iter().collect()),
        ExpressionKind::ElementSelect | ExpressionKind::RangeSelect => {
            any(value.select_value().into_iter().collect())
        }
        _ => false,
    }
}
