//! What the processes use each input for: clock, asynchronous or synchronous reset, gate of a clock, data.
//!
//! In: the walked netlist. Out: a role for each port, found from event controls and from what the first
//! `if` of a process tests, followed back to the inputs through copies, inverters, gates and instances.
//! Names are never looked at. Where it is ambiguous the answer shapes probabilities only: some episodes
//! treat every input but the clocks as plain data.

use sv_lang::kinds::ExpressionKind;
use sv_lang::{BinaryOp, EdgeKind, Expression, UnaryOp};

use super::expression::{self, strip};
use super::netlist::{Event, Link, Netlist, SignalId, Source, sort};
use super::{Direction, Level, Port, Role, resets};

/// An input on the way to an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// Index of the port.
    pub(super) port: usize,
    /// Whether an odd number of inverters lies between.
    pub(super) inverted: bool,
    /// Whether it arrives alone; else the level at which the gate it comes through lets nothing pass.
    pub(super) through: Option<Level>,
}

/// A role for each port.
pub(super) fn roles(netlist: &Netlist<'_>, ports: &[Port]) -> Vec<Role> {
    let mut roles = vec![Role::Data; ports.len()];
    let tracer = Tracer::new(netlist, ports);
    let mut gated = Vec::new();
    for process in netlist.processes.iter().filter(|process| process.is_clocked()) {
        let found = resets::of(process, &tracer);
        for reset in &found.asynchronous {
            if matches!(roles[reset.port], Role::Data | Role::SyncReset { .. }) {
                roles[reset.port] = Role::AsyncReset { active: reset.active };
            }
        }
        for event in &found.clocks {
            clock(&tracer, *event, &mut roles, &mut gated);
        }
        for reset in &found.synchronous {
            if roles[reset.port] == Role::Data {
                roles[reset.port] = Role::SyncReset { active: reset.active };
            }
        }
    }
    // Last, so that an input that is a clock by itself elsewhere is known to be the clock here.
    for (event, origins) in gated {
        gates(event, &origins, &mut roles);
    }
    roles
}

fn clock<'d>(
    tracer: &Tracer<'_, 'd>,
    event: Event<'d>,
    roles: &mut [Role],
    gated: &mut Vec<(Event<'d>, Vec<Origin>)>,
) {
    let origins = tracer.origins(event.expression);
    match origins.as_slice() {
        [only] if only.through.is_none() => {
            mark_clock(&mut roles[only.port], event.edge, only.inverted)
        }
        [] => {}
        _ => gated.push((event, origins)),
    }
}

fn mark_clock(role: &mut Role, edge: EdgeKind, inverted: bool) {
    let rises = edge == EdgeKind::BothEdges || (edge == EdgeKind::PosEdge) != inverted;
    let falls = edge == EdgeKind::BothEdges || (edge == EdgeKind::NegEdge) != inverted;
    *role = match *role {
        Role::Clock { rising, falling } => {
            Role::Clock { rising: rising || rises, falling: falling || falls }
        }
        _ => Role::Clock { rising: rises, falling: falls },
    };
}

/// Of several inputs behind an internal clock, those that are clocks elsewhere are the clocks, else the
/// first is that is no asynchronous reset, if there is one; the others open and close its gate.
fn gates(event: Event<'_>, origins: &[Origin], roles: &mut [Role]) {
    let clocks: Vec<usize> = origins
        .iter()
        .map(|origin| origin.port)
        .filter(|&port| matches!(roles[port], Role::Clock { .. }))
        .collect();
    let is_free = |port: &usize| !matches!(roles[*port], Role::AsyncReset { .. });
    let free = || origins.iter().map(|origin| origin.port).find(is_free);
    let clock = clocks.first().copied().or_else(free).unwrap_or(origins[0].port);
    for origin in origins {
        if origin.port == clock {
            mark_clock(&mut roles[origin.port], event.edge, origin.inverted);
        } else if roles[origin.port] == Role::Data {
            // The level is that of the clock beside it, so it is read at the clock.
            let of_clock = origins.iter().find(|other| other.port == clock);
            let closed = of_clock.and_then(|other| other.through).unwrap_or(Level::Low);
            roles[origin.port] = Role::Gate { closed };
        }
    }
}

/// Follows expressions back to the inputs.
pub(super) struct Tracer<'n, 'd> {
    netlist: &'n Netlist<'d>,
    /// Index of the one link that drives a signal as a whole, if no process writes it.
    driver: Vec<Option<usize>>,
    /// Whether the signal is a single-bit input port, and which.
    input: Vec<Option<usize>>,
    /// All links and combinational processes that drive a signal: what they read.
    feeds: Vec<Vec<SignalId>>,
}

/// More steps than this from an event to an input are not followed.
const MAX_STEPS: usize = 64;

impl<'n, 'd> Tracer<'n, 'd> {
    pub(super) fn new(netlist: &'n Netlist<'d>, ports: &[Port]) -> Self {
        let count = netlist.signals.len();
        let mut drivers: Vec<Vec<usize>> = vec![Vec::new(); count];
        let mut feeds: Vec<Vec<SignalId>> = vec![Vec::new(); count];
        for (index, link) in netlist.links.iter().enumerate() {
            for &target in &link.targets {
                drivers[target].push(index);
                feeds[target].extend(&link.reads);
            }
        }
        let mut written = vec![false; count];
        for process in netlist.processes.iter().filter(|process| !process.is_initial()) {
            for write in &process.writes {
                for &target in &write.targets {
                    written[target] = true;
                    if !process.is_clocked() {
                        feeds[target].extend(&write.reads);
                    }
                }
            }
        }
        let single = |id: usize| match drivers[id].as_slice() {
            [link] if !written[id] && netlist.links[*link].whole => Some(*link),
            _ => None,
        };
        let driver = (0..count).map(single).collect();
        let is_input =
            |port: &usize| ports.get(*port).is_some_and(|port| port.direction == Direction::Input);
        let input = netlist.signals.iter().map(|signal| signal.port.filter(is_input)).collect();
        Tracer { netlist, driver, input, feeds }
    }

    /// The input that a signal is.
    pub(super) fn input(&self, signal: SignalId) -> Option<usize> {
        self.input[signal]
    }

    pub(super) fn is_loop_variable(&self, signal: SignalId) -> bool {
        self.netlist.loop_variables.contains(&signal)
    }

    /// The one link that drives the signal.
    pub(super) fn link(&self, signal: SignalId) -> Option<&'n Link<'d>> {
        self.driver[signal].map(|index| &self.netlist.links[index])
    }

    /// The one input that the expression is a copy or an inversion of.
    pub(super) fn single(&self, expression: Expression<'d>) -> Option<Origin> {
        match self.origins(expression).as_slice() {
            [only] if only.through.is_none() => Some(*only),
            _ => None,
        }
    }

    /// The signal that an event or a test is about, through copies and instances.
    pub(super) fn signal(&self, expression: Expression<'d>) -> Option<SignalId> {
        self.copied(self.netlist.named(strip(expression))?)
    }

    /// The signal that this one is in the end a copy of; itself where it is none.
    pub(super) fn copied(&self, mut signal: SignalId) -> Option<SignalId> {
        for _ in 0..MAX_STEPS {
            let next = match self.link(signal).map(|link| link.source) {
                Some(Source::Signal(next)) => Some(next),
                Some(Source::Expression(source)) => self.netlist.named(strip(source)),
                Some(Source::Gate) | None => None,
            };
            match next {
                Some(next) => signal = next,
                None => return Some(signal),
            }
        }
        Some(signal)
    }

    /// The signals at the roots of an assignment's left side.
    pub(super) fn targets(&self, left: Expression<'d>) -> Vec<SignalId> {
        match expression::root(left) {
            Some(symbol) => self.netlist.find(symbol).into_iter().collect(),
            None => left.operands().into_iter().flat_map(|left| self.targets(left)).collect(),
        }
    }

    /// The inputs that reach the expression without a register between.
    pub(super) fn origins(&self, expression: Expression<'d>) -> Vec<Origin> {
        let mut found = Vec::new();
        self.expression(expression, false, None, MAX_STEPS, &mut found);
        found
    }

    fn expression(
        &self,
        at: Expression<'d>,
        inverted: bool,
        through: Option<Level>,
        left: usize,
        found: &mut Vec<Origin>,
    ) {
        let at = strip(at);
        if left == 0 || expression::is_constant(at) {
            return;
        }
        if let Some(signal) = self.netlist.named(at) {
            return self.signal_origins(signal, inverted, through, left - 1, found);
        }
        match (at.kind(), at.unary_op(), at.binary_op()) {
            (ExpressionKind::UnaryOp, Some(UnaryOp::BitwiseNot | UnaryOp::LogicalNot), _) => {
                if let Some(operand) = at.operand() {
                    self.expression(operand, !inverted, through, left - 1, found);
                }
            }
            (ExpressionKind::BinaryOp, _, Some(operator)) => {
                // A gate is closed while the clock is at the level that decides the output alone.
                let closed = match operator {
                    BinaryOp::BinaryAnd | BinaryOp::LogicalAnd => Level::Low,
                    BinaryOp::BinaryOr | BinaryOp::LogicalOr => Level::High,
                    _ => return self.all_feeds(at, left - 1, found),
                };
                let operands = || [at.left(), at.right()].into_iter().flatten();
                // Through a gate that is tied to where it is closed nothing comes. (Of several bits, one that is 1 closes no `|`.)
                let level = closed == Level::High;
                let is_closed = |operand| self.tied(operand, left - 1) == Some(level);
                if (!level || expression::width(at) == 1) && operands().any(is_closed) {
                    return;
                }
                for operand in operands() {
                    self.operand(operand, inverted, closed, left - 1, found);
                }
            }
            _ => self.all_feeds(at, left - 1, found),
        }
    }

    /// Whether what an expression is tied to is other than 0; nothing if it is tied to no constant.
    fn tied(&self, at: Expression<'d>, left: usize) -> Option<bool> {
        let at = strip(at);
        let left = left.checked_sub(1)?;
        if let Some(value) = expression::constant(at) {
            return value.as_i64().map(|value| value != 0);
        }
        match (self.netlist.named(at), at.unary_op()) {
            (Some(signal), _) => match self.link(self.copied(signal)?).map(|link| link.source)? {
                Source::Expression(source) => self.tied(source, left),
                Source::Signal(_) | Source::Gate => None,
            },
            (None, Some(UnaryOp::BitwiseNot | UnaryOp::LogicalNot))
                if expression::width(at) == 1 =>
            {
                Some(!self.tied(at.operand()?, left)?)
            }
            _ => None,
        }
    }

    /// An operand of a gate: its own level at which the gate is closed turns with the inverters before it.
    fn operand(
        &self,
        operand: Expression<'d>,
        inverted: bool,
        closed: Level,
        left: usize,
        found: &mut Vec<Origin>,
    ) {
        let first = found.len();
        self.expression(operand, false, None, left, found);
        for origin in &mut found[first..] {
            let level = if origin.inverted { opposite(closed) } else { closed };
            origin.through = origin.through.or(Some(level));
            origin.inverted ^= inverted;
        }
    }

    fn signal_origins(
        &self,
        at: SignalId,
        inverted: bool,
        through: Option<Level>,
        left: usize,
        found: &mut Vec<Origin>,
    ) {
        if let Some(port) = self.input[at] {
            if !found.iter().any(|origin| origin.port == port) {
                found.push(Origin { port, inverted, through });
            }
            return;
        }
        match self.link(at).map(|link| link.source) {
            Some(Source::Expression(source)) if left > 0 => {
                self.expression(source, inverted, through, left - 1, found)
            }
            Some(Source::Signal(source)) if left > 0 => {
                self.signal_origins(source, inverted, through, left - 1, found)
            }
            _ => self.all_inputs_before(vec![at], found),
        }
    }

    /// Anything that is no gate: every input before it, with the gate taken to be closed at low.
    fn all_feeds(&self, at: Expression<'d>, _left: usize, found: &mut Vec<Origin>) {
        let nodes = expression::Walk::new(at.as_sem_node());
        let names = nodes.filter_map(|node| self.netlist.named(node.as_expression()?)).collect();
        self.all_inputs_before(names, found);
    }

    fn all_inputs_before(&self, signals: Vec<SignalId>, found: &mut Vec<Origin>) {
        let mut seen = vec![false; self.netlist.signals.len()];
        let mut stack = signals;
        let mut ports = Vec::new();
        while let Some(signal) = stack.pop() {
            if std::mem::replace(&mut seen[signal], true) {
                continue;
            }
            match self.input[signal] {
                Some(port) => ports.push(port),
                None => stack.extend(&self.feeds[signal]),
            }
        }
        sort(&mut ports);
        for port in ports {
            if !found.iter().any(|origin| origin.port == port) {
                found.push(Origin { port, inverted: false, through: Some(Level::Low) });
            }
        }
    }
}

pub(super) fn opposite(level: Level) -> Level {
    match level {
        Level::Low => Level::High,
        Level::High => Level::Low,
    }
}
