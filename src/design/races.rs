//! Outputs whose value depends on the order in which processes run.
//!
//! In: the walked netlist. Out: the names of the top outputs behind a race, sorted: one variable written by
//! two processes; or assigned with `=` in a clocked process and read in another that the same edge runs; or
//! driven by combinational logic and read in a process whose list of events leaves it out, as in `assign x =
//! a & b; always @(a, b) y = x;`. Out as well: the processes that may just as well run before the drivers of
//! what they read, and so take the values that were before.
//!
//! What a register takes by `<=` is there, in every simulator and on chip, before a process without a clock
//! runs; and all inputs change at once. So neither makes a race.

use std::collections::BTreeMap;

use sv_lang::{EdgeKind, Expression};

use super::expression;
use super::netlist::{Netlist, Process, SignalId};
use super::roles::Tracer;
use super::{Direction, Port};

/// What races.
pub(super) struct Races {
    /// The outputs behind a race.
    pub(super) outputs: Vec<String>,
    /// The processes that may run first.
    pub(super) stale: Vec<Stale>,
}

/// A process that may run before the drivers of some signals that it reads.
pub(super) struct Stale {
    /// Index of the process.
    pub(super) process: usize,
    /// The signals, sorted.
    pub(super) signals: Vec<SignalId>,
}

/// The outputs behind a race, and the processes that may run first.
pub(super) fn races(netlist: &Netlist<'_>, ports: &[Port]) -> Races {
    let count = netlist.signals.len();
    let mut raced = vec![false; count];
    let tracer = Tracer::new(netlist, ports);
    written_twice(netlist, &mut raced);
    let mut stale = read_while_written(netlist, &tracer, &mut raced);
    stale.extend(left_out(netlist, &tracer));
    for stale in &stale {
        for write in &netlist.processes[stale.process].writes {
            write.targets.iter().for_each(|&target| raced[target] = true);
        }
    }
    Races { outputs: outputs(netlist, ports, raced), stale }
}

fn outputs(netlist: &Netlist<'_>, ports: &[Port], mut raced: Vec<bool>) -> Vec<String> {
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
    // Of each signal the bits that constants select, and the process that writes them.
    let mut parts: BTreeMap<SignalId, Vec<(u64, u64, usize)>> = BTreeMap::new();
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
                if let Some(bits) = &write.bits {
                    parts.entry(target).or_default().push((bits.start, bits.end, index));
                }
            }
        }
    }
    for (target, mut parts) in parts {
        parts.sort_unstable();
        raced[target] |= overlap(&parts);
    }
}

/// Whether parts of two processes overlap; they are sorted by their first bits.
fn overlap(parts: &[(u64, u64, usize)]) -> bool {
    // How far any part went, and how far one of another process than that did.
    let (mut far, mut other): ((u64, usize), u64) = ((0, usize::MAX), 0);
    parts.iter().any(|&(start, end, process)| {
        let reach = if far.1 == process { other } else { far.0 };
        if end > far.0 {
            other = if far.1 == process { other } else { far.0 };
            far = (end, process);
        } else if process != far.1 {
            other = other.max(end);
        }
        reach > start
    })
}

/// Links and assignments that are looked at in all for what lists of events leave out: a bound for hostile texts,
/// a thousand times what real modules need.
const WORK_MAX: usize = 1 << 24;

/// The processes without a clock that read, beside what runs them, what combinational logic drives.
fn left_out(netlist: &Netlist<'_>, tracer: &Tracer<'_, '_>) -> Vec<Stale> {
    let registers = {
        let clocked = running(netlist).filter(|(_, process)| process.is_clocked());
        let mut found = vec![false; netlist.signals.len()];
        for target in clocked.flat_map(|(_, p)| &p.writes).flat_map(|write| &write.targets) {
            found[*target] = true;
        }
        found
    };
    let mut all = Vec::new();
    let writes: usize = netlist.processes.iter().map(|process| process.writes.len()).sum();
    let mut rest = WORK_MAX / (netlist.links.len() + writes + 1);
    for (index, process) in running(netlist) {
        rest = rest.saturating_sub(process.reads.len());
        if process.is_clocked() || process.events.is_empty() || rest == 0 {
            continue;
        }
        let events: Vec<SignalId> =
            process.events.iter().flat_map(|event| names(netlist, event.expression)).collect();
        let own: Vec<SignalId> =
            process.writes.iter().flat_map(|write| write.targets.iter().copied()).collect();
        let may_be_stale = |&id: &SignalId| {
            let at_once = |source| registers[source] || tracer.input(source).is_some();
            !events.contains(&id)
                && !own.contains(&id)
                && is_driven(netlist, id)
                && !tracer.copied(id).is_some_and(at_once)
                && !waits(netlist, &events, id)
        };
        let signals: Vec<SignalId> = process.reads.iter().copied().filter(may_be_stale).collect();
        if !signals.is_empty() {
            all.push(Stale { process: index, signals });
        }
    }
    all
}

/// Whether what runs a process itself waits for the new value of a signal.
fn waits(netlist: &Netlist<'_>, events: &[SignalId], id: SignalId) -> bool {
    let mut seeds = vec![false; netlist.signals.len()];
    seeds[id] = true;
    let through = spread(netlist, seeds, false);
    events.iter().any(|&event| through[event])
}

/// Whether a link or a process drives a signal.
fn is_driven(netlist: &Netlist<'_>, id: SignalId) -> bool {
    netlist.links.iter().any(|link| link.targets.contains(&id))
        || running(netlist)
            .any(|(_, process)| process.writes.iter().any(|write| write.targets.contains(&id)))
}

/// The signals that an expression names.
fn names<'d>(netlist: &Netlist<'d>, expression: Expression<'d>) -> Vec<SignalId> {
    let nodes = expression::Walk::new(expression.as_sem_node());
    nodes.filter_map(|node| netlist.named(node.as_expression()?)).collect()
}

/// Marks what a clocked process assigns with `=` and another that the same edge runs reads. Returns the
/// readers that may run first: those that the writer does not itself depend on.
fn read_while_written(
    netlist: &Netlist<'_>,
    tracer: &Tracer<'_, '_>,
    raced: &mut [bool],
) -> Vec<Stale> {
    let mut stale: BTreeMap<usize, Vec<SignalId>> = BTreeMap::new();
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
            let is_loop_variable = netlist.loop_variables.contains(&target);
            let mut seeds = vec![false; raced.len()];
            seeds[target] = true;
            let through = spread(netlist, seeds, false);
            for (other, reader) in running(netlist) {
                let races = other != index
                    && reader.is_clocked()
                    && together(index, other)
                    && reader.reads.iter().any(|&id| through[id]);
                raced[target] |= races;
                let direct = reader.reads.contains(&target);
                if races && direct && !is_loop_variable && !feeds(netlist, reader, process) {
                    stale.entry(other).or_default().push(target);
                }
            }
        }
    }
    stale.into_iter().map(|(process, signals)| Stale { process, signals }).collect()
}

/// Whether what one clocked process assigns with `=` reaches another without a clock edge between.
fn feeds(netlist: &Netlist<'_>, from: &Process<'_>, to: &Process<'_>) -> bool {
    let mut seeds = vec![false; netlist.signals.len()];
    for write in from.writes.iter().filter(|write| write.blocking) {
        write.targets.iter().for_each(|&target| seeds[target] = true);
    }
    let through = spread(netlist, seeds, false);
    to.reads.iter().any(|&id| through[id])
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
