//! One walk over the elaborated hierarchy: its signals, the links that copy or compute one from others
//! outside of processes, and its processes with what each writes and reads.
//!
//! In: the top instance. Out: a [`Netlist`] of small integers in place of slang's handles, which cannot be
//! hashed. It is coarse on purpose (signals as a whole, not bits): what is read from it shapes the stimulus
//! or marks an output as doubtful, and never decides a verdict.

use std::collections::HashMap;

use sv_lang::kinds::{ExpressionKind, SymbolKind, TimingControlKind};
use sv_lang::{
    ArgumentDirection, EdgeKind, Expression, ProceduralBlockKind, SemNode, Statement, Symbol,
    TimingControl,
};

use super::expression;
use super::statement::{self, Write};

pub(super) type SignalId = usize;

pub(super) struct Signal<'d> {
    pub(super) symbol: Symbol<'d>,
    /// Bits, over all words of a memory.
    pub(super) bits: u64,
    /// Index of the top port it is the inside of.
    pub(super) port: Option<usize>,
}

/// What a link takes its value from.
#[derive(Clone, Copy)]
pub(super) enum Source<'d> {
    Expression(Expression<'d>),
    Signal(SignalId),
    /// A gate: what it computes is in the reads alone.
    Gate,
}

/// A continuous assignment, a net's declaration with a value, a port connection or a gate.
pub(super) struct Link<'d> {
    pub(super) targets: Vec<SignalId>,
    /// Whether the one target is driven as a whole.
    pub(super) whole: bool,
    pub(super) source: Source<'d>,
    pub(super) reads: Vec<SignalId>,
}

/// One event that a process waits for.
#[derive(Clone, Copy)]
pub(super) struct Event<'d> {
    pub(super) edge: EdgeKind,
    pub(super) expression: Expression<'d>,
}

pub(super) struct Process<'d> {
    pub(super) kind: ProceduralBlockKind,
    pub(super) events: Vec<Event<'d>>,
    /// The whole statement, and what the leading event control guards.
    pub(super) whole: Statement<'d>,
    pub(super) body: Statement<'d>,
    pub(super) timing: Option<TimingControlKind>,
    pub(super) writes: Vec<Write<'d>>,
    pub(super) reads: Vec<SignalId>,
}

impl Process<'_> {
    pub(super) fn is_clocked(&self) -> bool {
        self.events.iter().any(|event| event.edge != EdgeKind::None)
    }

    pub(super) fn is_initial(&self) -> bool {
        matches!(self.kind, ProceduralBlockKind::Initial | ProceduralBlockKind::Final)
    }
}

#[derive(Default)]
pub(super) struct Netlist<'d> {
    pub(super) signals: Vec<Signal<'d>>,
    by_name: HashMap<&'d str, Vec<SignalId>>,
    pub(super) links: Vec<Link<'d>>,
    pub(super) processes: Vec<Process<'d>>,
    /// All code: processes, assignments, connections, initial values and the subroutines called from them,
    /// each with the symbol it belongs to.
    pub(super) code: Vec<(Symbol<'d>, SemNode<'d>)>,
    /// The nodes of the first pieces of code, so many that there are [`NODES_KEPT`], and how many pieces these are.
    kept: Vec<(Symbol<'d>, SemNode<'d>)>,
    pieces_kept: usize,
    /// Symbols that are no signal, process or plain instance, for [`super::refuse`] to judge.
    pub(super) others: Vec<Symbol<'d>>,
    pub(super) instances: usize,
    /// Variables that a `for` starts: each process that uses one sets it first.
    pub(super) loop_variables: Vec<SignalId>,
    subroutines: Vec<Symbol<'d>>,
    /// What each subroutine reads from outside of it, parallel to `subroutines`.
    subroutine_reads: Vec<Vec<SignalId>>,
}

/// Nodes from which on none is kept: several parts look at all of them, and asking slang for what is below a node costs more than
/// looking; but they take some 50 bytes each, and a loop that generates makes millions of them.
const NODES_KEPT: usize = 100_000;

/// More instances than this are refused; the walk stops there.
pub(super) const MAX_INSTANCES: usize = 10_000;

impl<'d> Netlist<'d> {
    /// Walks the body of the top instance.
    pub(super) fn new(body: Symbol<'d>) -> Self {
        let mut netlist = Netlist::default();
        for (index, port) in body.instance_body_ports().enumerate() {
            if let Some(symbol) = port.port_internal_symbol() {
                let id = netlist.intern(symbol);
                netlist.signals[id].port = Some(index);
            }
        }
        netlist.scope(body);
        for index in 0..netlist.processes.len() {
            let writes = statement::writes(&mut netlist, index);
            let mut reads: Vec<SignalId> =
                writes.iter().flat_map(|write| write.reads.iter().copied()).collect();
            sort(&mut reads);
            netlist.processes[index].writes = writes;
            netlist.processes[index].reads = reads;
        }
        netlist.look_through();
        netlist
    }

    pub(super) fn intern(&mut self, symbol: Symbol<'d>) -> SignalId {
        if let Some(id) = self.find(symbol) {
            return id;
        }
        let bits = symbol.value_type().map_or(0, |ty| ty.bitstream_width().max(ty.bit_width()));
        let id = self.signals.len();
        self.signals.push(Signal { symbol, bits, port: None });
        self.by_name.entry(symbol.name()).or_default().push(id);
        id
    }

    pub(super) fn find(&self, symbol: Symbol<'d>) -> Option<SignalId> {
        let same_name = self.by_name.get(symbol.name())?;
        same_name.iter().copied().find(|&id| self.signals[id].symbol == symbol)
    }

    /// The signal that a plain name refers to.
    pub(super) fn named(&self, name: Expression<'d>) -> Option<SignalId> {
        if expression::is_name(name) { self.find(name.referenced_symbol()?) } else { None }
    }

    /// The signals that an expression reads, those of the functions it calls included.
    pub(super) fn reads(&mut self, expression: Expression<'d>) -> Vec<SignalId> {
        let mut found = Vec::new();
        for node in expression::Walk::new(expression.as_sem_node()) {
            let Some(expression) = node.as_expression() else {
                continue;
            };
            match expression.kind() {
                ExpressionKind::NamedValue | ExpressionKind::HierarchicalValue => {
                    if let Some(symbol) = expression.referenced_symbol().filter(is_signal) {
                        found.push(self.intern(symbol));
                    }
                }
                ExpressionKind::Call => found.extend(self.reads_of_call(expression)),
                _ => {}
            }
        }
        sort(&mut found);
        found
    }

    /// The signals at the roots of an assignment's left side.
    pub(super) fn targets(&mut self, left: Expression<'d>) -> Vec<SignalId> {
        let mut found = Vec::new();
        let mut stack = vec![left];
        while let Some(left) = stack.pop() {
            match expression::root(left) {
                Some(symbol) => found.push(self.intern(symbol)),
                None => stack.extend(left.operands().into_iter().rev()),
            }
        }
        found
    }

    fn reads_of_call(&mut self, call: Expression<'d>) -> Vec<SignalId> {
        let Some(subroutine) = call.call_subroutine() else {
            return Vec::new();
        };
        if let Some(at) = self.subroutines.iter().position(|&known| known == subroutine) {
            return self.subroutine_reads[at].clone();
        }
        let at = self.subroutines.len();
        self.subroutines.push(subroutine);
        self.subroutine_reads.push(Vec::new());
        let mut found = Vec::new();
        if let Some(body) = subroutine.body() {
            for node in expression::Walk::new(body.as_sem_node()) {
                let named = node.as_expression().filter(|&name| expression::is_name(name));
                let outside = named.and_then(|name| name.referenced_symbol()).filter(|symbol| {
                    is_signal(symbol)
                        && symbol.kind() != SymbolKind::FormalArgument
                        && symbol.parent() != Some(subroutine)
                });
                found.extend(outside.map(|symbol| self.intern(symbol)));
                if let Some(call) =
                    node.as_expression().filter(|call| call.kind() == ExpressionKind::Call)
                {
                    found.extend(self.reads_of_call(call));
                }
            }
        }
        sort(&mut found);
        self.subroutine_reads[at].clone_from(&found);
        found
    }

    /// Every node of the code, each before those below it, with the symbol that the code belongs to.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (Symbol<'d>, SemNode<'d>)> {
        let others = self.code[self.pieces_kept..].iter();
        let walk = |&(owner, code): &(Symbol<'d>, SemNode<'d>)| {
            expression::Walk::new(code).map(move |node| (owner, node))
        };
        self.kept.iter().copied().chain(others.flat_map(walk))
    }

    /// Adds the bodies of all called subroutines to the code, and keeps its nodes.
    fn look_through(&mut self) {
        let mut at = 0;
        let mut seen = 0;
        loop {
            while at < self.code.len() {
                let (owner, code) = self.code[at];
                let is_kept = self.kept.len() < NODES_KEPT;
                for node in expression::Walk::new(code) {
                    if is_kept {
                        self.kept.push((owner, node));
                    }
                    let expression = node.as_expression();
                    if let Some(call) = expression.filter(|at| at.kind() == ExpressionKind::Call) {
                        self.reads_of_call(call);
                    }
                }
                at += 1;
                if is_kept {
                    self.pieces_kept = at;
                }
            }
            if seen == self.subroutines.len() {
                return;
            }
            for &subroutine in &self.subroutines[seen..] {
                self.code.extend(subroutine.body().map(|body| (subroutine, body.as_sem_node())));
            }
            seen = self.subroutines.len();
        }
    }

    pub(super) fn subroutines(&self) -> &[Symbol<'d>] {
        &self.subroutines
    }

    fn scope(&mut self, scope: Symbol<'d>) {
        let mut scopes = vec![scope];
        while let Some(scope) = scopes.pop() {
            for member in scope.members() {
                match member.kind() {
                    SymbolKind::Instance => scopes.extend(self.instance(member)),
                    SymbolKind::InstanceArray => self.array(member, &mut scopes),
                    SymbolKind::GenerateBlock if !member.generate_block_is_uninstantiated() => {
                        scopes.push(member)
                    }
                    SymbolKind::GenerateBlockArray => {
                        scopes.extend(member.generate_block_array_entries())
                    }
                    _ => self.member(member),
                }
                if self.instances > MAX_INSTANCES {
                    return;
                }
            }
        }
    }

    fn array(&mut self, array: Symbol<'d>, scopes: &mut Vec<Symbol<'d>>) {
        let mut arrays = vec![array];
        while let Some(array) = arrays.pop() {
            for element in array.instance_array_elements() {
                match element.kind() {
                    SymbolKind::InstanceArray => arrays.push(element),
                    SymbolKind::Instance => scopes.extend(self.instance(element)),
                    _ => self.member(element),
                }
            }
        }
    }

    fn member(&mut self, member: Symbol<'d>) {
        match member.kind() {
            SymbolKind::Net | SymbolKind::Variable => self.declaration(member),
            SymbolKind::ContinuousAssign => {
                if let Some(assignment) = member.continuous_assign_assignment() {
                    self.code.push((member, assignment.as_sem_node()));
                    self.assignment(assignment);
                }
            }
            SymbolKind::ProceduralBlock => self.process(member),
            SymbolKind::PrimitiveInstance => {
                self.gate(member);
                self.others.push(member);
            }
            _ => self.others.push(member),
        }
    }

    fn declaration(&mut self, symbol: Symbol<'d>) {
        let id = self.intern(symbol);
        let Some(value) = symbol.initializer() else {
            return;
        };
        self.code.push((symbol, value.as_sem_node()));
        if symbol.kind() == SymbolKind::Net {
            let reads = self.reads(value);
            self.links.push(Link {
                targets: vec![id],
                whole: true,
                source: Source::Expression(value),
                reads,
            });
        }
    }

    fn assignment(&mut self, assignment: Expression<'d>) {
        let (Some(left), Some(right)) = (assignment.left(), assignment.right()) else {
            return;
        };
        let targets = self.targets(left);
        let reads = self.reads(right);
        let whole = expression::is_name(left);
        self.links.push(Link { targets, whole, source: Source::Expression(right), reads });
    }

    fn process(&mut self, block: Symbol<'d>) {
        let Some(whole) = block.body() else { return };
        self.code.push((block, whole.as_sem_node()));
        let timing = whole.timing_control();
        let mut events = Vec::new();
        if let Some(timing) = timing {
            collect_events(timing, &mut events);
        }
        let guarded = timing.is_some_and(|timing| is_event(timing.kind()));
        let body = if guarded { whole.body().unwrap_or(whole) } else { whole };
        self.processes.push(Process {
            kind: block.procedural_block_procedure_kind(),
            events,
            whole,
            body,
            timing: timing.map(|timing| timing.kind()),
            writes: Vec::new(),
            reads: Vec::new(),
        });
    }

    /// Links the ports of an instance; returns its body.
    fn instance(&mut self, instance: Symbol<'d>) -> Option<Symbol<'d>> {
        self.instances += 1;
        for connection in instance.instance_port_connections() {
            let port = connection.port();
            let (Some(inside), Some(actual)) =
                (port.port_internal_symbol(), connection.expression())
            else {
                continue;
            };
            let inside = self.intern(inside);
            self.code.push((instance, actual.as_sem_node()));
            match port.port_direction() {
                ArgumentDirection::In => {
                    let reads = self.reads(actual);
                    let source = Source::Expression(actual);
                    self.links.push(Link { targets: vec![inside], whole: true, source, reads });
                }
                direction => {
                    let left = if actual.kind() == ExpressionKind::Assignment {
                        actual.left()
                    } else {
                        Some(actual)
                    };
                    let Some(left) = left else { continue };
                    let targets = self.targets(left);
                    let whole = expression::is_name(left);
                    if direction != ArgumentDirection::Out {
                        let link = Link {
                            targets: vec![inside],
                            whole: true,
                            source: Source::Gate,
                            reads: targets.clone(),
                        };
                        self.links.push(link);
                    }
                    self.links.push(Link {
                        targets,
                        whole,
                        source: Source::Signal(inside),
                        reads: vec![inside],
                    });
                }
            }
        }
        instance.instance_body()
    }

    /// A gate drives what is assigned to in its connections and reads the rest.
    fn gate(&mut self, gate: Symbol<'d>) {
        let (mut targets, mut reads, mut whole) = (Vec::new(), Vec::new(), true);
        for connection in gate.primitive_instance_port_connections() {
            self.code.push((gate, connection.as_sem_node()));
            match (connection.kind(), connection.left()) {
                (ExpressionKind::Assignment, Some(left)) => {
                    whole &= expression::is_name(left);
                    targets.extend(self.targets(left));
                }
                _ => reads.extend(self.reads(connection)),
            }
        }
        sort(&mut reads);
        self.links.push(Link { targets, whole, source: Source::Gate, reads });
    }
}

pub(super) fn is_event(kind: TimingControlKind) -> bool {
    matches!(
        kind,
        TimingControlKind::SignalEvent
            | TimingControlKind::EventList
            | TimingControlKind::ImplicitEvent
    )
}

fn collect_events<'d>(timing: TimingControl<'d>, events: &mut Vec<Event<'d>>) {
    match timing.kind() {
        TimingControlKind::SignalEvent => {
            let expression = timing.children().into_iter().find_map(|child| child.as_expression());
            events.extend(expression.map(|expression| Event { edge: timing.edge(), expression }));
        }
        TimingControlKind::EventList => {
            for child in timing.children() {
                if let Some(timing) = child.as_timing_control() {
                    collect_events(timing, events);
                }
            }
        }
        _ => {}
    }
}

fn is_signal(symbol: &Symbol<'_>) -> bool {
    matches!(symbol.kind(), SymbolKind::Net | SymbolKind::Variable | SymbolKind::FormalArgument)
}

/// Sorts a set kept as a list.
pub(super) fn sort(list: &mut Vec<SignalId>) {
    list.sort_unstable();
    list.dedup();
}
