//! Lowering: an elaborated module becomes a [`Program`] for many lanes, or the construct that lanes do not run.
//!
//! In: the body of the top instance, as slang has elaborated it. Out: a program in which nothing of the hierarchy is
//! left. [`hierarchy`] walks the instances and makes a process of every assignment, connection, gate and procedure;
//! [`statement`], [`expression`], [`place`] and [`call`] turn their code into operations; [`analysis`] finds what
//! each process reads and writes, and [`finish`] joins the drivers of a net, orders the processes and numbers the slots.
//!
//! slang has done the hard part: every expression has its type, and where an operand is extended there is a
//! conversion that says how. What it leaves open, and IEEE 1800-2017 settles, is decided here, each rule beside its code.

use std::collections::HashMap;

use sv_lang::kinds::SymbolKind;
use sv_lang::{Child, NetKind, Symbol, SyntaxTree, Type, VariableLifetime};

use super::expression::Misfolded;
use super::program::{Kind, Label, Memory, MemoryId, PowerUp, Program, Slot, Statement, Trigger};
use build::Builder;

mod analysis;
mod bits;
mod build;
mod call;
mod drivers;
mod expression;
mod finish;
mod fold;
mod gate;
mod hierarchy;
mod mixed;
mod place;
mod select;
mod stateless;
mod statement;
mod unroll;

/// A construct that lanes do not run: a short name of its class, the same wherever it stands, so that reports can count it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported(pub String);

impl Unsupported {
    fn new(what: impl Into<String>) -> Self {
        Unsupported(what.into())
    }
}

type Lowered<T> = Result<T, Unsupported>;

/// Lowers the top instance; `tree` is the syntax that it was made from, and `text` its source.
pub(super) fn lower(
    body: Symbol<'_>,
    tree: &SyntaxTree,
    text: &str,
) -> Result<Program, Unsupported> {
    let mut lowering = Lowering {
        tree: Some(tree.clone()),
        has_special_nets: SPECIAL_NETS.iter().any(|(word, _)| text.contains(word)),
        ..Lowering::default()
    };
    lowering.ports(body)?;
    lowering.scope(body)?;
    lowering.finish()
}

/// What holds the value of a symbol.
#[derive(Clone, Debug)]
enum Storage {
    /// A vector of bits.
    Variable(Slot),
    /// An array of vectors: its dimensions, the outermost first, each with its first and last index.
    Array { memory: MemoryId, dimensions: Vec<(i64, i64)> },
}

/// A process on its way.
struct Draft {
    kind: Kind,
    /// What it waits for; empty for a [`Kind::Combinational`] one, and of `always @*` until its reads are known.
    triggers: Vec<Trigger>,
    /// Whether all that it reads is to be watched.
    watches_reads: bool,
    body: Vec<Statement>,
    is_assignment: bool,
    /// Variables and memories that belong to this process alone: locals of functions.
    line: u32,
}

/// A net's driver.
struct Driver {
    net: Slot,
    process: usize,
    /// Bits that it drives.
    lsb: u32,
    width: u32,
}

/// A function or task that is being inlined.
struct Frame<'d> {
    subroutine: Symbol<'d>,
    returns: Label,
}

#[derive(Default)]
struct Lowering<'d> {
    /// The kinds of gates and nets stand in the syntax alone.
    tree: Option<SyntaxTree>,
    /// Whether the text has a word for a net that is no plain wire.
    has_special_nets: bool,
    build: Builder,
    misfolded: Misfolded<'d>,
    /// Symbols by name, since slang's handles cannot be hashed.
    storage: HashMap<&'d str, Vec<(Symbol<'d>, Storage)>>,
    /// The same for locals of functions, in the present process.
    locals: HashMap<&'d str, Vec<(Symbol<'d>, Storage)>>,
    inputs: Vec<(String, Slot)>,
    outputs: Vec<(String, Slot)>,
    processes: Vec<Draft>,
    /// Initial values of declarations, in order.
    declarations: Vec<Statement>,
    drivers: Vec<Driver>,
    /// Nets that are no plain wires.
    nets: Vec<(Slot, NetKind)>,
    frames: Vec<Frame<'d>>,
    /// Blocks around the present statement, with the label that leaves each.
    blocks: Vec<(Symbol<'d>, Label)>,
    /// Labels of the loops around: break and continue.
    loops: Vec<(Label, Label)>,
    /// Labels that something exits.
    exits: Vec<bool>,
    /// What a compound assignment changes, for [`sv_lang::kinds::ExpressionKind::LValueReference`].
    changed: Vec<Slot>,
    /// Memories of automatic arrays: they begin anew each time, so nobody waits for a change of theirs.
    made_anew: Vec<MemoryId>,
    /// Statements of loops that were copied.
    copied: usize,
    /// How deep expressions and statements are nested.
    depth: u32,
}

/// Deepest nesting of code: slang's own limit for parsing is of this order, and each level is a call here.
const DEPTH_MAX: u32 = 600;

impl<'d> Lowering<'d> {
    fn enter(&mut self) -> Lowered<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(Unsupported::new("code nested deeply")) } else { Ok(()) }
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    fn new_label(&mut self) -> Label {
        self.exits.push(false);
        self.build.label()
    }

    /// Where a symbol's value lies; made when the symbol is first seen.
    fn storage(&mut self, symbol: Symbol<'d>) -> Lowered<Storage> {
        let is = |entry: &&(Symbol<'d>, Storage)| entry.0 == symbol;
        for table in [&self.locals, &self.storage] {
            if let Some((_, storage)) = table.get(symbol.name()).and_then(|all| all.iter().find(is))
            {
                return Ok(storage.clone());
            }
        }
        let ty = symbol.value_type().ok_or_else(|| Unsupported::new("a symbol without a type"))?;
        let storage = self.allocate(ty, power_up(symbol, ty))?;
        if symbol.kind() == SymbolKind::Net {
            self.net(symbol, &storage)?;
        }
        self.remember(symbol, storage.clone());
        Ok(storage)
    }

    /// Locals of a function have a place of their own in each process that calls it.
    fn remember(&mut self, symbol: Symbol<'d>, storage: Storage) {
        let is_local = !self.frames.is_empty() && is_in_subroutine(symbol);
        let table = if is_local { &mut self.locals } else { &mut self.storage };
        table.entry(symbol.name()).or_default().push((symbol, storage));
    }

    fn net(&mut self, symbol: Symbol<'d>, storage: &Storage) -> Lowered<()> {
        let kind = self.net_kind(symbol);
        match (kind, storage) {
            (NetKind::Wire | NetKind::Tri | NetKind::UWire | NetKind::Unknown, _) => Ok(()),
            (
                NetKind::WAnd
                | NetKind::WOr
                | NetKind::TriAnd
                | NetKind::TriOr
                | NetKind::Tri0
                | NetKind::Tri1
                | NetKind::Supply0
                | NetKind::Supply1,
                &Storage::Variable(slot),
            ) => {
                self.nets.push((slot, kind));
                Ok(())
            }
            _ => Err(Unsupported::new("a net that keeps charge or resolves by a function")),
        }
    }

    /// The kind of a net: its declaration's first word, or for a port the word before its type.
    fn net_kind(&self, net: Symbol<'d>) -> NetKind {
        if !self.has_special_nets || net.kind() != SymbolKind::Net {
            return NetKind::Wire;
        }
        let declarator = self.tree.as_ref().and_then(|tree| net.syntax(tree));
        // The words of a declaration are its own, those of a port are its header's.
        let declaration = declarator.and_then(|declarator| declarator.parent());
        let header = declaration.into_iter().flat_map(|declaration| declaration.children());
        for node in declarator.into_iter().chain(declaration).chain(header) {
            let is_word = |word: &str| {
                node.children_with_tokens()
                    .any(|child| matches!(child, Child::Token(token) if token.text() == word))
            };
            if let Some(&(_, kind)) = SPECIAL_NETS.iter().find(|(word, _)| is_word(word)) {
                return kind;
            }
        }
        NetKind::Wire
    }

    fn allocate(&mut self, ty: Type<'d>, power_up: PowerUp) -> Lowered<Storage> {
        if ty.is_integral() {
            return Ok(Storage::Variable(self.build.variable(width_of(ty)?, power_up)));
        }
        let mut dimensions = Vec::new();
        let mut element = ty.canonical();
        while element.is_unpacked_array() {
            if !element.has_fixed_range() {
                return Err(Unsupported::new("an array without fixed size"));
            }
            let range = element.fixed_range();
            dimensions.push((i64::from(range.left), i64::from(range.right)));
            element = element
                .element_type()
                .ok_or_else(|| Unsupported::new("an array without elements"))?
                .canonical();
        }
        if dimensions.is_empty() || !element.is_integral() {
            return Err(Unsupported::new(class_of(element)));
        }
        let words = dimensions
            .iter()
            .try_fold(1u64, |words, &(left, right)| words.checked_mul(left.abs_diff(right) + 1))
            .filter(|&words| words <= u64::from(u32::MAX))
            .ok_or_else(|| Unsupported::new("a memory larger than lanes hold"))?;
        let width = width_of(element)?;
        let power_up = if element.is_four_state() { power_up } else { PowerUp::Zero };
        let memory = self.build.memory(Memory { width, words: words as u32, power_up })?;
        Ok(Storage::Array { memory, dimensions })
    }

    /// The variable of a symbol of an integral type.
    fn slot_of(&mut self, symbol: Symbol<'d>) -> Lowered<Slot> {
        match self.storage(symbol)? {
            Storage::Variable(slot) => Ok(slot),
            Storage::Array { .. } => Err(Unsupported::new("an array as a whole")),
        }
    }

    /// Adds a process whose body `make` writes.
    fn process(
        &mut self,
        kind: Kind,
        is_assignment: bool,
        make: impl FnOnce(&mut Self) -> Lowered<()>,
    ) -> Lowered<usize> {
        let outer = std::mem::take(&mut self.build.code);
        self.locals.clear();
        self.build.path.begin();
        let made = make(self);
        let body = std::mem::replace(&mut self.build.code, outer);
        made?;
        self.processes.push(Draft {
            kind,
            triggers: Vec::new(),
            watches_reads: kind == Kind::Combinational,
            body,
            is_assignment,
            line: 0,
        });
        Ok(self.processes.len() - 1)
    }

    /// Runs `make` with an empty block and returns what it put there.
    fn block<R>(
        &mut self,
        make: impl FnOnce(&mut Self) -> Lowered<R>,
    ) -> Lowered<(Vec<Statement>, R)> {
        let outer = std::mem::take(&mut self.build.code);
        let made = make(self);
        let code = std::mem::replace(&mut self.build.code, outer);
        Ok((code, made?))
    }
}

/// Words for nets that are no plain wires.
const SPECIAL_NETS: [(&str, NetKind); 9] = [
    ("wand", NetKind::WAnd),
    ("wor", NetKind::WOr),
    ("triand", NetKind::TriAnd),
    ("trior", NetKind::TriOr),
    ("tri0", NetKind::Tri0),
    ("tri1", NetKind::Tri1),
    ("trireg", NetKind::TriReg),
    ("supply0", NetKind::Supply0),
    ("supply1", NetKind::Supply1),
];

fn power_up(symbol: Symbol<'_>, ty: Type<'_>) -> PowerUp {
    if symbol.kind() == SymbolKind::Net {
        PowerUp::HighImpedance
    } else if ty.is_four_state() {
        PowerUp::Unknown
    } else {
        PowerUp::Zero
    }
}

/// Whether the symbol is declared in a function or task.
fn is_in_subroutine(symbol: Symbol<'_>) -> bool {
    let mut scope = symbol.parent();
    while let Some(around) = scope {
        match around.kind() {
            SymbolKind::Subroutine => return true,
            SymbolKind::StatementBlock => scope = around.parent(),
            _ => return false,
        }
    }
    false
}

/// Whether a variable is made anew each time its block or subroutine begins.
fn is_automatic(symbol: Symbol<'_>) -> bool {
    symbol.variable_lifetime() == VariableLifetime::Automatic
}

/// Bits of an integral type.
fn width_of(ty: Type<'_>) -> Lowered<u32> {
    match ty.bit_width() {
        0 => Err(Unsupported::new("a type without bits")),
        width if width > build::WIDTH_MAX => Err(Unsupported::new("a value wider than lanes hold")),
        width => Ok(width as u32),
    }
}

/// What a type that is no vector of bits is called.
fn class_of(ty: Type<'_>) -> &'static str {
    if ty.is_floating() {
        "a real number"
    } else if ty.is_string() {
        "a string"
    } else if ty.is_unpacked_struct() || ty.is_unpacked_union() {
        "an unpacked structure"
    } else if ty.is_unpacked_array() {
        "an array as a whole"
    } else if ty.is_event() {
        "a named event"
    } else {
        "a type that is no vector of bits"
    }
}
