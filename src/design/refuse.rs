//! What is legal and yet cannot be judged: code that stops the simulation or reaches outside of it
//! (`forbidden`), and code whose meaning a two-state, cycle-based comparison does not hold (`unsupported`).
//!
//! In: the walked netlist. Out: the first refusal in the order of the walk. A missing entry here costs a
//! build or a worker, which are bounded; a wrong one costs a sample. So lists name what is allowed where the
//! language is open-ended (system functions), and what is refused where it is closed (statements).

use sv_lang::kinds::{ExpressionKind, StatementKind, SymbolKind, TimingControlKind};
use sv_lang::{ElabSystemTaskKind, Expression, ProceduralBlockKind, SourceSpan, Statement, Symbol};

use super::elaborate::{MAX_WIDTH, Main};
use super::expression;
use super::netlist::{MAX_INSTANCES, Netlist, Process, is_event};
use super::{Direction, Port, Reason, Refusal};

/// Most bits of state: 2 MiB for each episode that runs beside others.
const MAX_STATE: u64 = 1 << 24;

/// Tasks that only print or only steer what is printed; they are removed.
pub(super) const PRINTING: [&str; 29] = [
    "$display",
    "$displayb",
    "$displayh",
    "$displayo",
    "$write",
    "$writeb",
    "$writeh",
    "$writeo",
    "$strobe",
    "$strobeb",
    "$strobeh",
    "$strobeo",
    "$monitor",
    "$monitorb",
    "$monitorh",
    "$monitoro",
    "$monitoron",
    "$monitoroff",
    "$error",
    "$warning",
    "$info",
    "$timeformat",
    "$printtimescale",
    "$dumpfile",
    "$dumpvars",
    "$dumpon",
    "$dumpoff",
    "$dumpall",
    "$dumpflush",
];

/// Whether a task only prints or steers what is printed.
pub(super) fn only_prints(task: &str) -> bool {
    PRINTING.contains(&task)
}

/// Functions of their arguments alone.
const PURE: [&str; 30] = [
    "$signed",
    "$unsigned",
    "$clog2",
    "$bits",
    "$countones",
    "$countbits",
    "$onehot",
    "$onehot0",
    "$isunknown",
    "$left",
    "$right",
    "$low",
    "$high",
    "$increment",
    "$size",
    "$dimensions",
    "$unpacked_dimensions",
    "$itor",
    "$rtoi",
    "$ln",
    "$log10",
    "$exp",
    "$sqrt",
    "$pow",
    "$floor",
    "$ceil",
    "$typename",
    "$isunbounded",
    "$cast",
    "$hypot",
];

/// Time and chance: the comparison has neither.
const VARYING: [&str; 14] = [
    "$random",
    "$urandom",
    "$urandom_range",
    "$time",
    "$stime",
    "$realtime",
    "$dist_uniform",
    "$dist_normal",
    "$dist_exponential",
    "$dist_poisson",
    "$dist_chi_square",
    "$dist_t",
    "$dist_erlang",
    "randomize",
];

/// Refuses inputs that the module drives itself: ports that are coerced to `inout`.
pub(super) fn driven_inputs(
    netlist: &Netlist<'_>,
    ports: &[Port],
    body: Symbol<'_>,
    main: &Main<'_>,
) -> Result<(), Refusal> {
    for &target in netlist.links.iter().flat_map(|link| &link.targets) {
        let signal = &netlist.signals[target];
        let input = signal.port.and_then(|port| ports.get(port));
        if let Some(port) = input.filter(|port| port.direction == Direction::Input) {
            let message =
                format!("input {} is driven inside the module, which makes it an inout", port.name);
            let symbol = signal.port.and_then(|port| body.instance_body_ports().nth(port));
            let place = symbol.map(|port| port.port_external_loc());
            return Err(match place {
                Some(at) => {
                    main.refusal(Reason::InoutPort, message, SourceSpan { start: at, end: at })
                }
                None => Refusal::new(Reason::InoutPort, message),
            });
        }
    }
    Ok(())
}

/// Refuses by what is declared anywhere in what `top` reaches.
pub(super) fn symbols(design: &sv_lang::Design, main: &Main<'_>) -> Result<(), Refusal> {
    // A call through DPI needs its declaration, and an export reaches out by being there.
    if let Some(export) = design.dpi_exports().next() {
        let name = export.subroutine().name();
        return Err(Refusal::new(Reason::Forbidden, format!("dpi export {name}")));
    }
    for unit in design.compilation_units().chain(design.packages()) {
        for member in unit.members() {
            match member.kind() {
                SymbolKind::Subroutine => subroutine(member, main)?,
                // Tables with edges: no two simulators agree on all of them.
                SymbolKind::Primitive => {
                    let message = format!("user-defined primitive {}", member.name());
                    return Err(Refusal::new(Reason::Unsupported, message));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Refuses by what the walk over the top module's hierarchy found.
pub(super) fn check(netlist: &Netlist<'_>, main: &Main<'_>) -> Result<(), Refusal> {
    if netlist.instances > MAX_INSTANCES {
        return Err(Refusal::new(
            Reason::Unsupported,
            format!("more than {MAX_INSTANCES} instances"),
        ));
    }
    for &symbol in &netlist.others {
        other(symbol, main)?;
    }
    for &symbol in netlist.subroutines() {
        subroutine(symbol, main)?;
    }
    size(netlist)?;
    for (owner, node) in netlist.nodes() {
        if let Some(statement) = node.as_statement() {
            self::statement(statement, main)?;
        } else if let Some(expression) = node.as_expression() {
            operation(expression, owner, main)?;
        }
    }
    netlist.processes.iter().try_for_each(|process| timing(process, main))
}

/// Refuses only what stops the simulation or reaches outside of the module, whatever else cannot be judged here.
pub(super) fn trespass(netlist: &Netlist<'_>, main: &Main<'_>) -> Result<(), Refusal> {
    for &symbol in &netlist.others {
        if_forbidden(other(symbol, main))?;
    }
    for &symbol in netlist.subroutines() {
        if_forbidden(subroutine(symbol, main))?;
    }
    netlist.nodes().try_for_each(|(owner, node)| match node.as_expression() {
        Some(expression) => if_forbidden(operation(expression, owner, main)),
        None => Ok(()),
    })
}

/// Passes over what is merely unsupported.
fn if_forbidden(outcome: Result<(), Refusal>) -> Result<(), Refusal> {
    outcome.or_else(|refusal| match refusal.reason {
        Reason::Forbidden => Err(refusal),
        _ => Ok(()),
    })
}

fn here(symbol: Symbol<'_>) -> SourceSpan {
    symbol.body().map(|body| body.source_range()).unwrap_or_default()
}

fn subroutine(symbol: Symbol<'_>, main: &Main<'_>) -> Result<(), Refusal> {
    if symbol.subroutine_flags().contains(sv_lang::MethodFlags::DPI_IMPORT) {
        return Err(main.refusal(
            Reason::Forbidden,
            format!("dpi import {}", symbol.name()),
            here(symbol),
        ));
    }
    Ok(())
}

fn other(symbol: Symbol<'_>, main: &Main<'_>) -> Result<(), Refusal> {
    let what = match symbol.kind() {
        SymbolKind::ClassType | SymbolKind::GenericClassDef => "a class",
        SymbolKind::CovergroupType => "a covergroup",
        SymbolKind::ClockingBlock => "a clocking block",
        SymbolKind::Checker | SymbolKind::CheckerInstance => "a checker",
        SymbolKind::NetAlias => "an alias of nets",
        SymbolKind::InterfacePort => "an interface port",
        SymbolKind::ElabSystemTask
            if symbol.elab_system_task_kind() == Some(ElabSystemTaskKind::Fatal) =>
        {
            return Err(Refusal::new(Reason::Forbidden, "$fatal"));
        }
        SymbolKind::Subroutine => return subroutine(symbol, main),
        _ => return Ok(()),
    };
    Err(main.refusal(Reason::Unsupported, format!("{what}, {}", symbol.name()), here(symbol)))
}

fn size(netlist: &Netlist<'_>) -> Result<(), Refusal> {
    let mut state = 0_u64;
    for signal in &netlist.signals {
        let name = signal.symbol.name();
        let unsupported = |what: String| Err(Refusal::new(Reason::Unsupported, what));
        let Some(ty) = signal.symbol.value_type() else {
            continue;
        };
        if ty.is_floating() || ty.is_string() || ty.is_event() || ty.is_class() || ty.is_chandle() {
            return unsupported(format!("{name} is a {}", ty.to_sv_string()));
        }
        if ty.is_dynamically_sized_array() || ty.is_associative_array() || ty.is_virtual_interface()
        {
            return unsupported(format!("{name} has no fixed size"));
        }
        if ty.bit_width() > MAX_WIDTH {
            return unsupported(format!("{name} has {} bits", ty.bit_width()));
        }
        state = state.saturating_add(signal.bits);
    }
    if state > MAX_STATE {
        return Err(Refusal::new(
            Reason::Unsupported,
            format!("{state} bits of signals, more than {MAX_STATE}"),
        ));
    }
    Ok(())
}

fn statement(statement: Statement<'_>, main: &Main<'_>) -> Result<(), Refusal> {
    let what = match statement.kind() {
        StatementKind::Wait | StatementKind::WaitFork | StatementKind::WaitOrder => "a wait",
        StatementKind::DisableFork => "disable fork",
        StatementKind::ForeverLoop => "a forever loop",
        StatementKind::EventTrigger => "a named event",
        StatementKind::ProceduralAssign if statement.procedural_assign_is_force() => "a force",
        StatementKind::ProceduralAssign => "an assign in a process",
        StatementKind::ProceduralDeassign => "a release or deassign",
        StatementKind::RandCase | StatementKind::RandSequence => "a random choice",
        StatementKind::ProceduralChecker => "a checker",
        StatementKind::Block if is_fork(statement) => "a fork",
        _ => return Ok(()),
    };
    Err(main.refusal(Reason::Unsupported, what, statement.source_range()))
}

fn is_fork(block: Statement<'_>) -> bool {
    block.block_kind().is_some_and(|kind| kind != sv_lang::StatementBlockKind::Sequential)
}

fn operation(
    expression: Expression<'_>,
    owner: Symbol<'_>,
    main: &Main<'_>,
) -> Result<(), Refusal> {
    match expression.kind() {
        ExpressionKind::Call if expression.is_system_call() == Some(true) => {
            system_call(expression, main)
        }
        ExpressionKind::HierarchicalValue => hierarchical(expression, owner, main),
        ExpressionKind::Assignment => {
            let event =
                expression.assignment_timing().and_then(|timing| timing.as_timing_control());
            match event.map(|timing| timing.kind()) {
                None | Some(TimingControlKind::Delay | TimingControlKind::Delay3) => Ok(()),
                Some(_) => Err(main.refusal(
                    Reason::Unsupported,
                    "an event in an assignment",
                    expression.source_range(),
                )),
            }
        }
        ExpressionKind::NewClass | ExpressionKind::NewCovergroup | ExpressionKind::NewArray => {
            Err(main.refusal(Reason::Unsupported, "a new object", expression.source_range()))
        }
        _ => Ok(()),
    }
}

fn system_call(call: Expression<'_>, main: &Main<'_>) -> Result<(), Refusal> {
    let name = call.call_subroutine_name().unwrap_or_default();
    let name = name.as_str();
    if PURE.contains(&name) || PRINTING.contains(&name) {
        return Ok(());
    }
    // The sampled value functions and the methods of fixed arrays and enumerations have no `$` or few.
    let reason = if VARYING.contains(&name) || !name.starts_with('$') || SAMPLED.contains(&name) {
        if ARRAY_METHODS.contains(&name) {
            return Ok(());
        }
        Reason::Unsupported
    } else {
        Reason::Forbidden
    };
    Err(main.refusal(reason, name, call.source_range()))
}

/// Of assertions; not every backend keeps their history.
const SAMPLED: [&str; 7] =
    ["$past", "$rose", "$fell", "$stable", "$changed", "$sampled", "$assertoff"];

/// Methods of enumerations and fixed arrays without side effects.
const ARRAY_METHODS: [&str; 14] = [
    "first", "last", "next", "prev", "num", "name", "size", "sum", "product", "and", "or", "xor",
    "min", "max",
];

/// A reference may go down from the module it stands in, never up or to the root.
fn hierarchical(value: Expression<'_>, owner: Symbol<'_>, main: &Main<'_>) -> Result<(), Refusal> {
    let Some(target) = value.referenced_symbol() else {
        return Ok(());
    };
    let home = module_body(owner);
    let mut body = module_body(target);
    while let Some(outer) = body.filter(|_| body != home) {
        body = outer.instance_body_parent_instance().and_then(module_body);
    }
    let path = main.range(value.source_range()).map_or("", |range| &main.text[range]);
    if body.is_some() && !path.starts_with("$root") {
        return Ok(());
    }
    let message = format!("hierarchical reference {path} leaves the module");
    Err(main.refusal(Reason::Forbidden, message, value.source_range()))
}

/// The body of the instance that a symbol stands in.
fn module_body(symbol: Symbol<'_>) -> Option<Symbol<'_>> {
    let mut symbol = symbol.parent()?;
    while symbol.kind() != SymbolKind::InstanceBody {
        symbol = symbol.parent()?;
    }
    Some(symbol)
}

/// Refuses a process that moves on by anything but the event at its head.
fn timing(process: &Process<'_>, main: &Main<'_>) -> Result<(), Refusal> {
    let span = process.whole.source_range();
    let refuse = |what: &str| Err(main.refusal(Reason::Unsupported, what, span));
    if process.kind == ProceduralBlockKind::Final {
        return Ok(());
    }
    let headed = process.timing.is_some_and(is_event);
    let waits = waits_inside(process.body);
    match process.kind {
        ProceduralBlockKind::Always if !headed && process.timing.is_some() => {
            refuse("a process with delays alone")
        }
        ProceduralBlockKind::Always if !headed && waits.is_some_and(is_event) => {
            refuse("an event inside a process")
        }
        ProceduralBlockKind::Always if !headed && waits.is_some() => {
            refuse("a process with delays alone")
        }
        ProceduralBlockKind::Always if !headed && !is_assertion(process) => {
            refuse("a process without an event")
        }
        ProceduralBlockKind::Initial if headed || waits.is_some() => {
            refuse("an initial process that waits")
        }
        _ if waits.is_some_and(is_event) => refuse("an event inside a process"),
        _ => Ok(()),
    }
}

fn is_assertion(process: &Process<'_>) -> bool {
    process.body.kind() == StatementKind::ConcurrentAssertion
}

/// The first timing control of a statement in the body, an event before a delay.
fn waits_inside(body: Statement<'_>) -> Option<TimingControlKind> {
    let statements =
        expression::Walk::new(body.as_sem_node()).filter_map(|node| node.as_statement());
    let timed = statements.filter(|statement| statement.kind() == StatementKind::Timed);
    let kinds: Vec<TimingControlKind> = timed
        .filter_map(|statement| statement.timing_control())
        .map(|timing| timing.kind())
        .collect();
    kinds.iter().copied().find(|&kind| is_event(kind)).or(kinds.first().copied())
}
