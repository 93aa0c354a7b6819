//! Which outputs a signal reaches, through assignments, conditions, events and instances.
//!
//! In: the walked netlist. Out: for each signal the outputs in whose fan-in it lies. Signals count as a
//! whole, so an output may be named that a mutant cannot change; a proof then says so.

use sv_lang::{Expression, Symbol};

use super::super::netlist::{Netlist, SignalId};
use super::super::{Direction, Port};
use super::Sites;

/// For each signal the indices of the outputs that it reaches, and how many outputs there are.
pub(super) fn outputs_of_signals(
    netlist: &Netlist<'_>,
    ports: &[Port],
) -> (Vec<Vec<usize>>, usize) {
    let feeds = feeds(netlist);
    let mut reach = vec![Vec::new(); netlist.signals.len()];
    let outputs = ports.iter().enumerate().filter(|(_, port)| port.direction == Direction::Output);
    let mut count = 0;
    for (output, (port, _)) in outputs.enumerate() {
        count += 1;
        let mut seen = vec![false; netlist.signals.len()];
        let inside = netlist.signals.iter().position(|signal| signal.port == Some(port));
        let mut stack: Vec<SignalId> = inside.into_iter().collect();
        while let Some(signal) = stack.pop() {
            if !std::mem::replace(&mut seen[signal], true) {
                reach[signal].push(output);
                stack.extend(&feeds[signal]);
            }
        }
    }
    (reach, count)
}

/// For each signal what its value is made from, over registers too.
fn feeds(netlist: &Netlist<'_>) -> Vec<Vec<SignalId>> {
    let mut feeds = vec![Vec::new(); netlist.signals.len()];
    for link in &netlist.links {
        for &target in &link.targets {
            feeds[target].extend(&link.reads);
        }
    }
    for process in &netlist.processes {
        let events: Vec<SignalId> =
            process.events.iter().filter_map(|event| netlist.named(event.expression)).collect();
        for write in &process.writes {
            for &target in &write.targets {
                feeds[target].extend(&write.reads);
                feeds[target].extend(&events);
            }
        }
    }
    feeds
}

/// The outputs behind the ports of `instance` that `actual` is connected to.
pub(super) fn behind_connection<'d>(
    sites: &Sites<'_, 'd>,
    instance: Symbol<'d>,
    actual: Expression<'d>,
) -> Vec<usize> {
    let range = sites.range(actual);
    let inside = instance.instance_port_connections().filter_map(|connection| {
        let same = connection.expression().and_then(|found| sites.range(found)) == range;
        let symbol = connection.port().port_internal_symbol().filter(|_| same)?;
        sites.view.netlist.find(symbol)
    });
    let inside: Vec<SignalId> = inside.collect();
    sites.behind(&inside)
}

/// The outputs behind what a gate drives.
pub(super) fn behind_gate<'d>(sites: &mut Sites<'_, 'd>, gate: Symbol<'d>) -> Vec<usize> {
    let mut targets = Vec::new();
    for connection in gate.primitive_instance_port_connections() {
        if let Some(left) = connection
            .left()
            .filter(|_| connection.kind() == sv_lang::kinds::ExpressionKind::Assignment)
        {
            targets.extend(sites.view.netlist.targets(left));
        }
    }
    sites.behind(&targets)
}
