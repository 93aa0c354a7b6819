//! Whether a design keeps state.
//!
//! In: the walked netlist. Out: whether anything keeps state, which tells the stimulus whether order matters,
//! and whether all of it has an initial value. A loop through the bits of a vector, as in a ripple adder,
//! does not count.

use sv_lang::Symbol;

use super::netlist::{Netlist, Process, SignalId, sort};
use super::statement;

/// Whether anything keeps state: a clocked process, a process that leaves a signal unassigned on some path,
/// or links that feed each other.
pub(super) fn is_sequential(netlist: &mut Netlist<'_>) -> bool {
    let clocked = |process: &Process<'_>| process.is_clocked() && !process.writes.is_empty();
    netlist.processes.iter().any(clocked) || has_latch(netlist) || has_loop(netlist)
}

/// Whether every register has an initial value, by its declaration, as a port of the top module's `body`, or by
/// an `initial`.
pub(super) fn is_initialised(netlist: &Netlist<'_>, body: Symbol<'_>) -> bool {
    let ports: Vec<bool> =
        body.instance_body_ports().map(|port| port.port_initializer().is_some()).collect();
    let written = |initial: bool| {
        let all = netlist.processes.iter().filter(move |process| {
            if initial { process.is_initial() } else { process.is_clocked() }
        });
        all.flat_map(|process| &process.writes).flat_map(|write| write.targets.iter().copied())
    };
    let mut set: Vec<SignalId> = written(true).collect();
    sort(&mut set);
    written(false).all(|register| {
        set.binary_search(&register).is_ok()
            || netlist.signals[register].symbol.initializer().is_some()
            || netlist.signals[register].port.is_some_and(|port| ports[port])
    })
}

fn has_latch(netlist: &mut Netlist<'_>) -> bool {
    for index in 0..netlist.processes.len() {
        let process = &netlist.processes[index];
        if process.is_clocked() || process.is_initial() {
            continue;
        }
        let body = process.body;
        let mut written: Vec<SignalId> =
            process.writes.iter().flat_map(|write| write.targets.iter().copied()).collect();
        sort(&mut written);
        let always = statement::always_written(netlist, body);
        // A variable of the process alone is a name for a value on the way.
        let is_own = |id: &SignalId| {
            netlist.signals[*id]
                .symbol
                .parent()
                .is_some_and(|scope| !scope.is_scope() || is_block(scope))
        };
        if written
            .iter()
            .any(|id| !always.contains(id) && !is_own(id) && !netlist.loop_variables.contains(id))
        {
            return true;
        }
    }
    false
}

fn is_block(scope: sv_lang::Symbol<'_>) -> bool {
    use sv_lang::kinds::SymbolKind::{StatementBlock, Subroutine};
    matches!(scope.kind(), StatementBlock | Subroutine)
}

/// Whether links that each drive and read whole signals go round, as two NOR gates do.
fn has_loop(netlist: &Netlist<'_>) -> bool {
    let count = netlist.signals.len();
    let mut next: Vec<Vec<SignalId>> = vec![Vec::new(); count];
    for link in netlist.links.iter().filter(|link| link.whole) {
        for &target in &link.targets {
            next[target].extend(&link.reads);
        }
    }
    // Repeatedly drop what reads nothing that is left; a loop stays.
    let mut alive: Vec<bool> = next.iter().map(|reads| !reads.is_empty()).collect();
    loop {
        let dead: Vec<SignalId> = (0..count)
            .filter(|&id| alive[id] && !next[id].iter().any(|&read| alive[read]))
            .collect();
        if dead.is_empty() {
            break;
        }
        for id in dead {
            alive[id] = false;
        }
    }
    alive.iter().any(|&alive| alive)
}
