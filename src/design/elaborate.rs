//! From a text to a [`Design`]: the order of the steps, and what slang says at each.
//!
//! slang decides what is an error, by options that accept what Icarus accepts. What is left of the
//! difference are texts that no standard allows: a name for an automatic variable in a static initial
//! value, `reg` before the name of a type, an expression as the output of a gate, `wire reg`.

use sv_lang::kinds::{DiagCode, diag};
use sv_lang::{
    AnalysisFlags, ArgumentDirection, Compilation, Diagnostic, Error, Options, Session, SourceSpan,
    Symbol,
};
use sv_lang::{SyntaxTree, kinds::SymbolKind};

use super::lower::{self, Unsupported};
use super::netlist::Netlist;
use super::program::Program;
use super::text::{self, Text};
use super::{Design, Direction, Interface, Place, Port, Reason, Refusal, Role};
use super::{constants, literal, races, refuse, rewrite, roles, state, tristate};

/// Widest vector: Verilator's own limit for a port is of this order, and no benchmark comes near.
pub(super) const MAX_WIDTH: u64 = 1 << 16;

/// `CompilationFlags::AllowUseBeforeDeclare`: Icarus takes a net used above its declaration.
const ALLOW_USE_BEFORE_DECLARE: u32 = 1 << 2;
/// `CompilationFlags::AllowUnnamedGenerate`: `genblk1` may be referred to.
const ALLOW_UNNAMED_GENERATE: u32 = 1 << 13;

/// Warnings that are errors to Icarus, and to slang's own command line.
const REJECTED: [DiagCode; 4] = [
    diag::UnknownSystemName,
    diag::RangeSelectReversed,
    diag::CannotIndexScalar,
    diag::DuplicateDefinition,
];

/// Limits of slang itself: the text may be legal.
const LIMITS: [DiagCode; 8] = [
    diag::ParseTreeTooDeep,
    diag::MaxGenerateStepsExceeded,
    diag::MaxInstanceArrayExceeded,
    diag::MaxInstanceDepthExceeded,
    diag::ConstEvalExceededMaxCallDepth,
    diag::ConstEvalExceededMaxSize,
    diag::ConstEvalExceededMaxSteps,
    diag::ValueExceedsMaxBitWidth,
];

/// Elaborates `top` in `source`; without a name, the one module that no other instantiates.
pub fn elaborate(source: &str, top: Option<&str>) -> Result<Design, Refusal> {
    see(source, top, Design::of)
}

/// The same, and the program for lanes, of one elaboration.
pub fn elaborate_and_lower(
    source: &str,
    top: Option<&str>,
) -> Result<(Design, Result<Program, Unsupported>), Refusal> {
    see(source, top, |view| {
        let program = lower::lower(view.body, view.tree, view.main.text);
        (Design::of(view), program)
    })
}

impl Design {
    fn of(mut view: View<'_, '_>) -> Design {
        let interface = view.interface();
        let View { ports, netlist, main, tree, .. } = view;
        let races::Races { outputs: races, stale } = races::races(&netlist, &ports);
        let uses_z = tristate::outputs(&netlist, &ports, tree);
        let source = literal::shorten(&rewrite::rewrite(&netlist, main, &[]));
        let reordered = Some(&stale)
            .filter(|stale| !stale.is_empty())
            .map(|stale| literal::shorten(&rewrite::rewrite(&netlist, main, stale)))
            .filter(|text| *text != source && is_legal(text));
        Design { interface, source, reordered, races, uses_z }
    }
}

/// A module that is elaborated and lowered.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The interface of the top module.
    pub interface: Interface,
    /// Outputs whose value may depend on the order in which processes run, sorted.
    pub races: Vec<String>,
    /// Outputs that may be Z, sorted.
    pub uses_z: Vec<String>,
    /// The program, or the construct that lanes do not run.
    pub program: Result<Program, Unsupported>,
    /// That of the text in which processes run in another order that the standard allows as well, where there is one.
    pub reordered: Option<Result<Program, Unsupported>>,
}

/// Elaborates and lowers `top` in `source`; without a name, the one module that no other instantiates.
pub fn lower(source: &str, top: Option<&str>) -> Result<Lowered, Refusal> {
    let mut reordered = None;
    let mut lowered = see(source, top, |mut view| {
        let interface = view.interface();
        let View { ports, netlist, body, main, tree, .. } = view;
        let races::Races { outputs: races, stale } = races::races(&netlist, &ports);
        let uses_z = tristate::outputs(&netlist, &ports, tree);
        if !stale.is_empty() {
            let text = rewrite::rewrite(&netlist, main, &[]);
            reordered = Some(rewrite::rewrite(&netlist, main, &stale)).filter(|own| *own != text);
        }
        let program = lower::lower(body, tree, main.text);
        Lowered { interface, races, uses_z, program, reordered: None }
    })?;
    if let Some(text) = reordered {
        // What is not legal in the other order is judged by the one in which it is.
        let again = see(&text, Some(&lowered.interface.top), |view| {
            lower::lower(view.body, view.tree, view.main.text)
        });
        lowered.reordered = again.ok();
    }
    Ok(lowered)
}

/// An elaborated and accepted module, as long as slang's objects live.
pub(super) struct View<'v, 'd> {
    pub(super) top: String,
    pub(super) ports: Vec<Port>,
    pub(super) netlist: Netlist<'d>,
    pub(super) body: Symbol<'d>,
    pub(super) main: &'v Main<'v>,
    pub(super) tree: &'v SyntaxTree,
}

impl View<'_, '_> {
    /// A role for each port.
    pub(super) fn roles(&self) -> Vec<Role> {
        roles::roles(&self.netlist, &self.ports)
    }

    fn interface(&mut self) -> Interface {
        let constants::Constants { by_port, pool, durations } =
            constants::constants(&self.netlist, &self.ports);
        Interface {
            top: self.top.clone(),
            ports: self.ports.clone(),
            roles: self.roles(),
            constants: by_port,
            pool,
            durations,
            sequential: state::is_sequential(&mut self.netlist),
            initialised: state::is_initialised(&self.netlist, self.body),
        }
    }
}

/// Whether `top` in `source` keeps to itself in a simulation that others share: slang reads it without them, it ends
/// nothing, touches no file and looks into no other module. What cannot be judged here (delays, events, Z) is not
/// looked at. Printing is no trespass.
pub fn confined(source: &str, top: &str) -> Result<(), Refusal> {
    read(source, Some(top), |reading| {
        refuse::symbols(reading.compiled, reading.main).or_else(|refusal| {
            if refusal.reason == Reason::Forbidden { Err(refusal) } else { Ok(()) }
        })?;
        refuse::trespass(&Netlist::new(reading.body), reading.main)
    })
}

/// Elaborates `top` in `source` and hands what came of it to `look`.
pub(super) fn see<R>(
    source: &str,
    top: Option<&str>,
    look: impl FnOnce(View<'_, '_>) -> R,
) -> Result<R, Refusal> {
    read(source, top, |reading| {
        let Reading { top, compiled, body, main, tree } = reading;
        refuse::symbols(compiled, main)?;
        let ports = port_list(body, main)?;
        let netlist = Netlist::new(body);
        refuse::check(&netlist, main)?;
        refuse::driven_inputs(&netlist, &ports, body, main)?;
        Ok(look(View { top, ports, netlist, body, main, tree }))
    })
}

/// An elaborated module that nothing is said of yet.
struct Reading<'v> {
    top: String,
    compiled: &'v sv_lang::Design,
    body: Symbol<'v>,
    main: &'v Main<'v>,
    tree: &'v SyntaxTree,
}

/// Parses and elaborates `top` in `source`, and hands it on.
fn read<R>(
    source: &str,
    top: Option<&str>,
    look: impl FnOnce(Reading<'_>) -> Result<R, Refusal>,
) -> Result<R, Refusal> {
    let text = text::scan(source)?;
    let top = choose_top(&text, top)?;
    let mut kept = text.reachable_from(&top);
    text.refuse_bind(&kept)?;
    let (mut session, mut tree) = parse(&kept)?;
    let redeclared = super::ports::redeclared(&tree, &kept)?;
    if !redeclared.is_empty() {
        kept = rewrite::apply(&kept, redeclared);
        (session, tree) = parse(&kept)?;
    }
    let compiled = compile(&session, &tree)?;
    text.refuse_nested()?;
    let main = Main { session: &session, text: &kept, buffer: main_buffer(&session) };
    let body = compiled
        .top_instances()
        .find(|instance| instance.name() == top)
        .and_then(|instance| instance.instance_body())
        .ok_or_else(|| {
            Refusal::new(Reason::ElaborationError, format!("module {top} instantiates itself"))
        })?;
    look(Reading { top, compiled: &compiled, body, main: &main, tree: &tree })
}

/// The text that slang was given, and how its locations map to it.
pub(super) struct Main<'t> {
    pub(super) session: &'t Session,
    pub(super) text: &'t str,
    buffer: u32,
}

impl Main<'_> {
    /// The bytes of a span, unless it lies in a macro's expansion.
    pub(super) fn range(&self, span: SourceSpan) -> Option<std::ops::Range<usize>> {
        let (start, end) = (span.start.offset as usize, span.end.offset as usize);
        let inside = span.start.buffer == self.buffer && span.end.buffer == self.buffer;
        (inside && start < end && self.text.get(start..end).is_some()).then_some(start..end)
    }

    pub(super) fn refusal(
        &self,
        reason: Reason,
        message: impl Into<String>,
        span: SourceSpan,
    ) -> Refusal {
        let refusal = Refusal::new(reason, message);
        match self.session.resolve_location(span.start) {
            Some(at) if at.line > 0 => refusal.at(Place { line: at.line, column: at.column }),
            _ => refusal,
        }
    }
}

const MAIN: &str = "main";

/// The buffer that holds the text: the first one of its name, before those of macros.
fn main_buffer(session: &Session) -> u32 {
    let named = |buffer: &u32| {
        let location = sv_lang::SourceLoc { buffer: *buffer, offset: 0 };
        session.resolve_location(location).is_some_and(|at| at.file == MAIN)
    };
    (1..4).find(named).unwrap_or(1)
}

fn choose_top(text: &Text<'_>, top: Option<&str>) -> Result<String, Refusal> {
    let wrong = |message: String| {
        // What cannot be parsed has no top either, and that is the better reason.
        match parse(text.source) {
            Err(refusal) => refusal,
            Ok(_) => Refusal::new(Reason::WrongTop, message),
        }
    };
    if let Some(top) = top {
        return if text.has_module(top) {
            Ok(top.to_owned())
        } else {
            Err(wrong(format!("no module {top}")))
        };
    }
    match text.roots().as_slice() {
        [] => Err(wrong("no module that is not instantiated".to_owned())),
        [root] => Ok((*root).to_owned()),
        roots => {
            Err(wrong(format!("several modules that nobody instantiates: {}", roots.join(", "))))
        }
    }
}

fn parse(text: &str) -> Result<(Session, SyntaxTree), Refusal> {
    let session = Session::new();
    // A path would be looked up on the disk; the name is enough for messages.
    let tree = session.parse_named(text, MAIN, "").map_err(own_failure)?;
    match tree.diagnostics().items().iter().find(|found| counts(found)) {
        Some(found) => Err(refusal(Reason::ParseError, found)),
        None => Ok((session, tree)),
    }
}

/// Whether slang takes a text, by all that it looks at before we do: what this costs, every judgement costs.
pub fn is_legal(text: &str) -> bool {
    parse(text).is_ok_and(|(session, tree)| compile(&session, &tree).is_ok())
}

fn compile(session: &Session, tree: &SyntaxTree) -> Result<sv_lang::Design, Refusal> {
    let options = Options::new().with_flags(ALLOW_USE_BEFORE_DECLARE | ALLOW_UNNAMED_GENERATE);
    let mut compilation = Compilation::new_with(session, options).map_err(own_failure)?;
    compilation.add(tree).map_err(own_failure)?;
    let compiled = compilation.compile().map_err(own_failure)?;
    if let Some(found) = compiled.diagnostics().items().iter().find(|found| counts(found)) {
        return Err(refusal(Reason::ElaborationError, found));
    }
    let analysis = compiled.analyze(AnalysisFlags::NONE, 1).map_err(own_failure)?;
    if let Some(found) = analysis.diagnostics().items().iter().find(|found| counts(found)) {
        return Err(refusal(Reason::ElaborationError, found));
    }
    drop(analysis);
    Ok(compiled)
}

fn counts(found: &Diagnostic) -> bool {
    found.is_error() || REJECTED.contains(&found.code)
}

fn refusal(reason: Reason, found: &Diagnostic) -> Refusal {
    let reason = if LIMITS.contains(&found.code) { Reason::Unsupported } else { reason };
    let refusal = Refusal::new(reason, lower_first(&found.message));
    if found.line == 0 {
        refusal
    } else {
        refusal.at(Place { line: found.line, column: found.column })
    }
}

fn own_failure(error: Error) -> Refusal {
    match error {
        Error::UnboundedHierarchy(_) => {
            Refusal::new(Reason::ElaborationError, "modules instantiate each other without end")
        }
        Error::ParseRecursion(_) => Refusal::new(Reason::Unsupported, "text nested too deeply"),
        other => Refusal::new(Reason::Unsupported, format!("slang: {other}")),
    }
}

/// Messages are fragments; a name in quotes or capitals stays as it is.
fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(std::iter::once(second)).chain(chars).collect()
        }
        _ => message.to_owned(),
    }
}

/// The ports of the top module, each packed to a vector.
fn port_list(body: Symbol<'_>, main: &Main<'_>) -> Result<Vec<Port>, Refusal> {
    let mut ports = Vec::new();
    for port in body.instance_body_ports() {
        let span =
            sv_lang::SourceSpan { start: port.port_external_loc(), end: port.port_external_loc() };
        let refuse = |reason, what: &str| {
            Err(main.refusal(reason, format!("port {} {what}", port.name()), span))
        };
        let unsupported = |what: &str| refuse(Reason::Unsupported, what);
        if port.kind() != SymbolKind::Port || port.port_is_null_port() || port.name().is_empty() {
            return unsupported("is no plain port");
        }
        let direction = match port.port_direction() {
            ArgumentDirection::In => Direction::Input,
            ArgumentDirection::Out => Direction::Output,
            ArgumentDirection::InOut => return refuse(Reason::InoutPort, "is an inout"),
            ArgumentDirection::Ref => return unsupported("is a reference"),
        };
        if port.port_internal_symbol().is_none() {
            return unsupported("is joined from several signals");
        }
        let Some(ty) = port.port_type().filter(|ty| ty.is_integral()) else {
            return unsupported("is not a vector of bits");
        };
        let width = ty.bit_width();
        if width == 0 || width > MAX_WIDTH {
            return unsupported(&format!("has {width} bits"));
        }
        ports.push(Port {
            name: port.name().to_owned(),
            direction,
            width: width as u32,
            signed: ty.is_signed(),
        });
    }
    Ok(ports)
}
