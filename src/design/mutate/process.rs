//! Mutants of processes: the edges they wait for, the kind and level of their resets, latches for
//! flip-flops.

use std::ops::Range;

use sv_lang::kinds::StatementKind;
use sv_lang::{EdgeKind, Statement};

use super::super::netlist::{Event, Process, SignalId};
use super::super::resets::{self, Found};
use super::super::roles::Tracer;
use super::super::{Level, Role};
use super::{Class, Replacement, Sites};

/// What is known of a clocked process whose event control stands in the text.
struct Clocked<'d> {
    events: Vec<(EdgeKind, String)>,
    /// The event control up to the statement that it guards.
    control: Range<usize>,
    /// Which events are clocks.
    clocks: Vec<usize>,
    body: Statement<'d>,
    targets: Vec<SignalId>,
    reads: Vec<SignalId>,
}

impl<'d> Sites<'_, 'd> {
    /// All mutants of a process.
    pub(super) fn process(&mut self, index: usize) {
        let process = &self.view.netlist.processes[index];
        let (body, is_initial, is_clocked) =
            (process.body, process.is_initial(), process.is_clocked());
        let mut targets: Vec<SignalId> =
            process.writes.iter().flat_map(|write| write.targets.iter().copied()).collect();
        super::super::netlist::sort(&mut targets);
        self.reached = self.behind(&targets);
        if is_clocked && let Some(clocked) = self.clocked(index, targets) {
            self.edges(&clocked);
            self.reset_kind(&clocked);
            self.reset_polarity(&clocked);
            self.latch(&clocked);
        }
        if is_initial {
            self.constants = Class::InitialValue;
        }
        self.statement(body);
        self.constants = Class::Constant;
    }

    fn clocked(&self, index: usize, targets: Vec<SignalId>) -> Option<Clocked<'d>> {
        let process: &Process<'d> = &self.view.netlist.processes[index];
        let whole = self.statement_range(process.whole)?;
        let body = self.statement_range(process.body)?;
        let tracer = Tracer::new(&self.view.netlist, &self.view.ports);
        let Found { clocks, .. } = resets::of(process, &tracer);
        let same = |one: &Event<'d>, two: &Event<'d>| {
            self.range(one.expression) == self.range(two.expression) && one.edge == two.edge
        };
        let edges: Option<Vec<(EdgeKind, String)>> = process
            .events
            .iter()
            .map(|event| Some((event.edge, self.text(&self.range(event.expression)?).to_owned())))
            .collect();
        let clocks = (0..process.events.len())
            .filter(|&at| clocks.iter().any(|clock| same(clock, &process.events[at])))
            .collect();
        (whole.start < body.start).then_some(Clocked {
            events: edges?,
            control: whole.start..body.start,
            clocks,
            body: process.body,
            targets,
            reads: process.reads.clone(),
        })
    }

    fn edges(&mut self, clocked: &Clocked<'d>) {
        for (at, (edge, _)) in clocked.events.iter().enumerate() {
            let mut events = clocked.events.clone();
            let (what, other) = match edge {
                EdgeKind::PosEdge => ("posedge -> negedge", EdgeKind::NegEdge),
                EdgeKind::NegEdge => ("negedge -> posedge", EdgeKind::PosEdge),
                _ => continue,
            };
            events[at].0 = other;
            self.replace(Class::Edge, what, clocked.control.clone(), control(&events));
        }
    }

    /// An edge of a reset left out, or added for a reset that is synchronous.
    fn reset_kind(&mut self, clocked: &Clocked<'d>) {
        for at in (0..clocked.events.len()).filter(|at| !clocked.clocks.contains(at)) {
            let mut events = clocked.events.clone();
            events.remove(at);
            let text = control(&events);
            self.replace(
                Class::ResetKind,
                "asynchronous -> synchronous",
                clocked.control.clone(),
                text,
            );
        }
        for (port, role) in self.view.roles().into_iter().enumerate() {
            let Role::SyncReset { active } = role else { continue };
            let name = self.view.ports[port].name.clone();
            let tested =
                clocked.reads.iter().any(|&id| self.view.netlist.signals[id].port == Some(port));
            if tested && !clocked.events.iter().any(|(_, text)| *text == name) {
                let mut events = clocked.events.clone();
                let edge =
                    if active == Level::High { EdgeKind::PosEdge } else { EdgeKind::NegEdge };
                events.push((edge, name));
                let text = control(&events);
                self.replace(
                    Class::ResetKind,
                    "synchronous -> asynchronous",
                    clocked.control.clone(),
                    text,
                );
            }
        }
    }

    /// The other edge of an asynchronous reset and the other level in the condition.
    fn reset_polarity(&mut self, clocked: &Clocked<'d>) {
        let Some(first) = only_statement(clocked.body) else { return };
        if first.kind() != StatementKind::Conditional || clocked.events.len() != 2 {
            return;
        }
        let condition = first.conditions().first().map(|condition| condition.expr());
        let Some(tested) = condition.and_then(|condition| self.range(condition)) else { return };
        for at in (0..2).filter(|at| !clocked.clocks.contains(at)) {
            let mut events = clocked.events.clone();
            events[at].0 = match events[at].0 {
                EdgeKind::PosEdge => EdgeKind::NegEdge,
                _ => EdgeKind::PosEdge,
            };
            let replacements = vec![
                Replacement { range: clocked.control.clone(), text: control(&events) },
                Replacement { range: tested.clone(), text: format!("!({})", self.text(&tested)) },
            ];
            self.add(Class::ResetPolarity, "asynchronous reset at the other level", replacements);
        }
    }

    /// Transparent while the clock is at the level after its edge. Only where no register feeds itself:
    /// that would be a loop without end.
    fn latch(&mut self, clocked: &Clocked<'d>) {
        let [clock] = clocked.clocks.as_slice() else { return };
        if clocked.reads.iter().any(|read| clocked.targets.contains(read)) {
            return;
        }
        let (edge, name) = &clocked.events[*clock];
        let level = match edge {
            EdgeKind::PosEdge => format!("({name})"),
            EdgeKind::NegEdge => format!("(!({name}))"),
            _ => return,
        };
        let mut replacements = vec![Replacement {
            range: clocked.control.clone(),
            text: if clocked.events.len() == 1 {
                format!("@(*) if {level} ")
            } else {
                "@(*) ".to_owned()
            },
        }];
        if clocked.events.len() > 1 {
            // Below the resets, where the clock would act.
            let Some(mut inner) = only_statement(clocked.body) else { return };
            for _ in 1..clocked.events.len() {
                let Some(next) = inner.else_branch() else { return };
                inner = next;
            }
            let Some(range) = self.statement_range(inner) else { return };
            let text = format!("if {level} {}", self.text(&range));
            replacements.push(Replacement { range, text });
        }
        let source = self.view.main.text;
        let before = self.tokens.partition_point(|token| token.span.end <= clocked.control.start);
        if let Some(word) = before.checked_sub(1).map(|at| self.tokens[at].span.clone())
            && &source[word.clone()] == "always_ff"
        {
            replacements.push(Replacement { range: word, text: "always".to_owned() });
        }
        self.add(Class::Latch, "latch for flip-flop", replacements);
    }
}

/// The statement of a body that has only one.
fn only_statement(body: Statement<'_>) -> Option<Statement<'_>> {
    match body.kind() {
        StatementKind::Block | StatementKind::List => {
            let inner = body.statements();
            match inner.as_slice() {
                [only] => only_statement(*only),
                _ => None,
            }
        }
        _ => Some(body),
    }
}

fn control(events: &[(EdgeKind, String)]) -> String {
    let event = |(edge, text): &(EdgeKind, String)| match edge {
        EdgeKind::PosEdge => format!("posedge {text}"),
        EdgeKind::NegEdge => format!("negedge {text}"),
        EdgeKind::BothEdges => format!("edge {text}"),
        EdgeKind::None => text.clone(),
    };
    format!("@({}) ", events.iter().map(event).collect::<Vec<_>>().join(" or "))
}
