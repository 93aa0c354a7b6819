//! Outputs whose value depends on the order in which processes run.
//!
//! In: the walked netlist. Out: the names of the top outputs behind a race, sorted: one variable written by
//! two processes, or assigned with `=` in a clocked process and read in another that the same edge runs.

use sv_lang::EdgeKind;

use super::netlist::{Netlist, Process, SignalId};
use super::roles::Tracer;
use super::{Direction, Port};

/// The outputs behind a race.
pub(super) fn races(netlist: &Netlist<'_>, ports: &[Port]) -> Vec<String> {
    let count = netlist.signals.len();
    let mut raced = vec![false; count];
    written_twice(netlist, &mut raced);
    read_while_written(netlist, &Tracer::new(netlist, ports), &mut raced);
    // Two processes may share one, since each sets it before it reads it.
    for &variable in &netlist.loop_variables {
        raced[variable] = false;
    }
    if !raced.contains(&true) {
        return Vec::new();
    }
    let reached = spread(netlist, raced, true);
    let mut names: Vec<String> = netlist
        .signals
        .iter()
        .enumerate()
        .filter(|(id, _)| reached[*id])
        .filter_map(|(_, signal)| ports.get(signal.port?))
        .filter(|port| port.direction == Direction::Output)
        .map(|port| port.name.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

fn running<'n, 'd>(netlist: &'n Netlist<'d>) -> impl Iterator<Item = (usize, &'n Process<'d>)> {
    netlist.processes.iter().enumerate().filter(|(_, process)| !process.is_initial())
}

/// Marks what two processes write. Two clocked processes that write different words or bits by constant
/// indices do not race, and neither do the iterations of a generate loop, which are such processes.
fn written_twice(netlist: &Netlist<'_>, raced: &mut [bool]) {
    let mut whole: Vec<Option<usize>> = vec![None; raced.len()];
    let mut part: Vec<Option<usize>> = vec![None; raced.len()];
    for (index, process) in running(netlist) {
        for write in &process.writes {
            for &target in &write.targets {
                let others =
                    if write.whole { [whole[target], part[target]] } else { [whole[target], None] };
                if others.into_iter().flatten().any(|other| other != index) {
                    raced[target] = true;
                }
                let own = if write.whole { &mut whole[target] } else { &mut part[target] };
                own.get_or_insert(index);
            }
        }
    }
}

fn read_while_written(netlist: &Netlist<'_>, tracer: &Tracer<'_, '_>, raced: &mut [bool]) {
    let edges: Vec<Vec<(Option<SignalId>, EdgeKind)>> = netlist
        .processes
        .iter()
        .map(|process| {
            let edges = process.events.iter().filter(|event| event.edge != EdgeKind::None);
            edges.map(|event| (tracer.signal(event.expression), event.edge)).collect()
        })
        .collect();
    let together = |one: usize, other: usize| {
        edges[one].iter().any(|&(signal, edge)| {
            signal.is_some()
                && edges[other].iter().any(|&(at, other)| {
                    at == signal
                        && (other == edge
                            || other == EdgeKind::BothEdges
                            || edge == EdgeKind::BothEdges)
                })
        })
    };
    for (index, process) in running(netlist).filter(|(_, process)| process.is_clocked()) {
        let blocking: Vec<SignalId> = process
            .writes
            .iter()
            .filter(|write| write.blocking)
            .flat_map(|write| write.targets.iter().copied())
            .collect();
        for target in blocking {
            if raced[target] {
                continue;
            }
            let mut seeds = vec![false; raced.len()];
            seeds[target] = true;
            let through = spread(netlist, seeds, false);
            raced[target] = running(netlist).any(|(other, reader)| {
                other != index
                    && reader.is_clocked()
                    && together(index, other)
                    && reader.reads.iter().any(|&id| through[id])
            });
        }
    }
}

/// All signals that depend on the marked ones, through links and processes without a clock, and through
/// registers where asked.
fn spread(netlist: &Netlist<'_>, mut marked: Vec<bool>, through_registers: bool) -> Vec<bool> {
    loop {
        let mut changed = false;
        let mut mark = |targets: &[SignalId], reads: &[SignalId], marked: &mut Vec<bool>| {
            if reads.iter().any(|&id| marked[id]) {
                for &target in targets {
                    changed |= !std::mem::replace(&mut marked[target], true);
                }
            }
        };
        for link in &netlist.links {
            mark(&link.targets, &link.reads, &mut marked);
        }
        for (_, process) in
            running(netlist).filter(|(_, process)| through_registers || !process.is_clocked())
        {
            for write in &process.writes {
                mark(&write.targets, &write.reads, &mut marked);
            }
        }
        if !changed {
            return marked;
        }
    }
}
