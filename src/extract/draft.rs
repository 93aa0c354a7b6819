//! What the walk over the tree collects: items, names and their uses.
//!
//! An *item* is a piece of code that is in a cone or not: a statement, the head of an `if`, an element of a
//! declaration, a port connection. Each token belongs to one item at most. Including an item includes its
//! parent (the `if` around a statement, the `always` around the `if`, the module around that). A *symbol* is
//! a name in a scope. It has two vertices in the graph: its value, which needs whatever drives it, and its
//! declaration, which is all that a mention needs (the `cout` of `{cout, sum} = a + b` in the cone of `sum`).
//! Each constant select of it is a symbol of its own ([`super::bits`]).

use std::collections::HashMap;
use std::ops::Range;

use petgraph::graph::{DiGraph, NodeIndex};

use super::bits::{Constant, Part};
use crate::verilog::syntax::{Node, Rule, Tree};
use crate::verilog::{Kind, lex::is_keyword};

pub(super) type ItemId = usize;
pub(super) type ScopeId = usize;
pub(super) type SymbolId = usize;

/// A piece of code that is in a cone or not.
#[derive(Debug)]
pub(super) struct Item {
    /// Its vertex.
    pub node: NodeIndex<u32>,
    /// Why what this item does cannot be followed.
    pub opaque: Option<String>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    /// A net, variable, parameter, type or member of an enumeration.
    Value,
    /// A function or task: its scope and its formal arguments.
    Subroutine { formals: Vec<(SymbolId, Direction)> },
    /// A named block or generate block.
    Block(ScopeId),
    /// A package.
    Package(ScopeId),
    /// An instance: index of its record.
    Instance(usize),
    /// A module, interface or class.
    Unit,
}

/// Which way a port or an argument goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Input,
    Output,
    Both,
}

/// A name in a scope.
#[derive(Debug)]
pub(super) struct Symbol {
    pub meaning: Meaning,
    /// Where it is declared.
    pub scope: ScopeId,
    /// Vertex of its value: all that drives it or a part of it.
    pub value: NodeIndex<u32>,
    /// Vertex of what drives all of it, or what part cannot be told.
    pub drivers: NodeIndex<u32>,
    /// What constant selects name.
    pub parts: Vec<Part>,
    /// Where the value of a parameter stands.
    pub constant: Option<Constant>,
    /// Vertex of its declarations.
    pub declared: NodeIndex<u32>,
    /// Vertex of the calls of a subroutine.
    pub calls: NodeIndex<u32>,
    /// The first item that declares it.
    pub item: Option<ItemId>,
    /// A parameter, a type, a member of an enumeration: no event can come of it.
    pub is_constant: bool,
}

/// A region in which names are declared.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub parent: Option<ScopeId>,
    pub names: HashMap<String, SymbolId>,
    /// Packages opened by `import p::*`, with the import's item.
    pub wildcards: Vec<(String, ItemId)>,
    /// Names imported one by one: package, item.
    pub imports: HashMap<String, (String, ItemId)>,
    /// The subroutine in whose body it lies.
    pub subroutine: Option<SymbolId>,
    /// Implicit nets are declared here: the scope of a module.
    pub is_module: bool,
    /// Generate blocks are declared here: the scope of a module or a generate block.
    pub holds_blocks: bool,
    /// The block of the same name in another arm of the same construct.
    pub twin: Option<ScopeId>,
}

/// Where the walk stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The item around.
    pub item: ItemId,
    pub scope: ScopeId,
    /// The process around, and whether nothing of it has been seen yet.
    pub process: Option<usize>,
    pub starts_process: bool,
    /// The innermost loop, for `break` and `continue`.
    pub in_loop: Option<ItemId>,
    /// The module around.
    pub module: usize,
}

/// Names in a range of tokens, to be looked up when all are declared.
#[derive(Debug)]
pub(super) struct NameUse {
    pub item: ItemId,
    pub scope: ScopeId,
    pub process: Option<usize>,
    pub tokens: Range<usize>,
    pub how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// An expression.
    Read,
    /// The left side of an assignment; its indices are read.
    Write,
    /// A level event in the head of a process.
    Level,
    /// The name of a block or task that is disabled.
    Disable,
}

/// Elements with commas between them.
#[derive(Debug)]
pub(super) struct CommaList {
    /// What stands around the elements and is nothing without one (`wire … ;`).
    pub head: Option<ItemId>,
    pub elements: Vec<ItemId>,
    /// The comma after each element but the last.
    pub commas: Vec<usize>,
}

/// A place at which the grammar asks for a statement or a generate item.
#[derive(Debug)]
pub(super) struct Slot {
    pub head: ItemId,
    pub tokens: Range<usize>,
}

#[derive(Debug)]
pub(super) struct Port {
    pub name: String,
    pub symbol: SymbolId,
    pub direction: Direction,
}

/// A module or primitive.
#[derive(Debug)]
pub(super) struct Module {
    pub item: ItemId,
    pub ports: Vec<Port>,
    /// Parameters in order of declaration.
    pub parameters: Vec<SymbolId>,
    /// Indices of the instances in it.
    pub instances: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct Instance {
    pub item: ItemId,
    pub scope: ScopeId,
    /// Name of the module.
    pub of: String,
    pub connections: Vec<Connection>,
    /// Sets parameters by position.
    pub positional_parameters: bool,
    /// Names of the parameters set by name.
    pub parameters: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub item: ItemId,
    pub to: PortName,
    /// The tokens of the expression; none for `.name`, which connects what has the port's name.
    pub tokens: Option<Range<usize>>,
}

#[derive(Debug)]
pub(super) enum PortName {
    Position(usize),
    Name(String),
    /// `.*`
    All,
}

#[derive(Debug)]
pub(super) struct Process {
    pub item: ItemId,
}

/// A loop variable that is declared outside: the loop's own symbol, and where to look for the other one.
#[derive(Debug)]
pub(super) struct Alias {
    pub symbol: SymbolId,
    pub name: String,
    pub scope: ScopeId,
}

pub(super) const NO_ITEM: ItemId = usize::MAX;

/// Everything that the walk collects.
pub(super) struct Draft<'t> {
    pub tree: &'t Tree<'t>,
    pub graph: DiGraph<(), (), u32>,
    pub items: Vec<Item>,
    /// The item of each token.
    pub owner: Vec<ItemId>,
    pub scopes: Vec<Scope>,
    pub symbols: Vec<Symbol>,
    pub uses: Vec<NameUse>,
    pub lists: Vec<CommaList>,
    pub slots: Vec<Slot>,
    /// Items that can be taken out alone: assignments, calls, gates.
    pub statements: Vec<ItemId>,
    pub modules: Vec<Module>,
    pub module_names: HashMap<String, usize>,
    pub instances: Vec<Instance>,
    pub processes: Vec<Process>,
    pub aliases: Vec<Alias>,
    /// What makes every cone of the text a whole module.
    pub global: Option<String>,
}

/// The scope of the text itself, in which packages and modules stand.
pub(super) const ROOT: ScopeId = 0;

impl<'t> Draft<'t> {
    pub fn new(tree: &'t Tree<'t>) -> Self {
        Draft {
            tree,
            graph: DiGraph::default(),
            items: Vec::new(),
            owner: vec![NO_ITEM; tree.tokens.len()],
            scopes: vec![Scope::default()],
            symbols: Vec::new(),
            uses: Vec::new(),
            lists: Vec::new(),
            slots: Vec::new(),
            statements: Vec::new(),
            modules: Vec::new(),
            module_names: HashMap::new(),
            instances: Vec::new(),
            processes: Vec::new(),
            aliases: Vec::new(),
            global: None,
        }
    }

    pub fn node(&self, node: usize) -> &'t Node {
        &self.tree.nodes[node]
    }

    pub fn rule(&self, node: usize) -> Rule {
        self.tree.nodes[node].rule
    }

    pub fn word(&self, token: usize) -> &'t str {
        self.tree.tokens.get(token).map_or("", |token| &self.tree.text[token.span.clone()])
    }

    /// Tells whether a token is a name, and no keyword.
    pub fn is_name(&self, token: usize) -> bool {
        self.tree.tokens.get(token).is_some_and(|found| match found.kind {
            Kind::Word => !is_keyword(self.word(token)),
            Kind::EscapedIdentifier => true,
            _ => false,
        })
    }

    /// The name that a token is, without the backslash of an escaped one.
    pub fn name(&self, token: usize) -> &'t str {
        let word = self.word(token);
        word.strip_prefix('\\').unwrap_or(word)
    }

    /// Makes an item of `tokens` that needs the item around it.
    pub fn item(&mut self, parent: Option<ItemId>, tokens: Range<usize>) -> ItemId {
        let item = self.items.len();
        let node = self.graph.add_node(());
        self.items.push(Item { node, opaque: None });
        if let Some(parent) = parent {
            self.graph.add_edge(node, self.items[parent].node, ());
        }
        self.owner[tokens].fill(item);
        item
    }

    /// The first item needs the second.
    pub fn needs(&mut self, item: ItemId, other: ItemId) {
        self.graph.add_edge(self.items[item].node, self.items[other].node, ());
    }

    pub fn opaque(&mut self, item: ItemId, why: impl Into<String>) {
        self.items[item].opaque.get_or_insert(why.into());
    }

    pub fn scope(&mut self, parent: ScopeId) -> ScopeId {
        let subroutine = self.scopes[parent].subroutine;
        self.scopes.push(Scope { parent: Some(parent), subroutine, ..Scope::default() });
        self.scopes.len() - 1
    }

    /// Declares a name, or adds a declaration of it (`output y; reg y;`).
    pub fn declare(&mut self, scope: ScopeId, name: &str, item: ItemId) -> SymbolId {
        let symbol = match self.scopes[scope].names.get(name) {
            Some(&symbol) => symbol,
            None => self.symbol(scope, name, Some(item)),
        };
        self.graph.add_edge(self.symbols[symbol].declared, self.items[item].node, ());
        symbol
    }

    /// A new symbol, which takes the place of one of the same name.
    pub fn symbol(&mut self, scope: ScopeId, name: &str, item: Option<ItemId>) -> SymbolId {
        let (value, declared) = (self.graph.add_node(()), self.graph.add_node(()));
        let (calls, drivers) = (self.graph.add_node(()), self.graph.add_node(()));
        self.graph.add_edge(value, declared, ());
        self.graph.add_edge(value, drivers, ());
        self.symbols.push(Symbol {
            meaning: Meaning::Value,
            scope,
            value,
            drivers,
            parts: Vec::new(),
            constant: None,
            declared,
            calls,
            item,
            is_constant: false,
        });
        let symbol = self.symbols.len() - 1;
        self.scopes[scope].names.insert(name.to_owned(), symbol);
        symbol
    }

    /// `item` drives all of `symbol`.
    pub fn drives(&mut self, item: ItemId, symbol: SymbolId) {
        self.graph.add_edge(self.symbols[symbol].drivers, self.items[item].node, ());
    }

    pub fn uses(&mut self, place: Place, item: ItemId, tokens: Range<usize>, how: How) {
        if !tokens.is_empty() {
            let Place { scope, process, .. } = place;
            self.uses.push(NameUse { item, scope, process, tokens, how });
        }
    }

    pub fn reads(&mut self, place: Place, item: ItemId, tokens: Range<usize>) {
        self.uses(place, item, tokens, How::Read);
    }

    /// The commas of a range that stand in no bracket of it.
    pub fn commas(&self, tokens: Range<usize>) -> Vec<usize> {
        let mut depth = 0usize;
        let mut commas = Vec::new();
        for token in tokens {
            match self.word(token) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                "," if depth == 0 => commas.push(token),
                _ => {}
            }
        }
        commas
    }

    /// The ranges between the commas of a range.
    pub fn split(&self, tokens: Range<usize>) -> (Vec<Range<usize>>, Vec<usize>) {
        let commas = self.commas(tokens.clone());
        let starts = std::iter::once(tokens.start).chain(commas.iter().map(|comma| comma + 1));
        let ends = commas.iter().copied().chain(std::iter::once(tokens.end));
        (starts.zip(ends).map(|(start, end)| start..end).collect(), commas)
    }

    /// Remembers a list, and takes its commas from the item around.
    pub fn list(&mut self, head: Option<ItemId>, elements: Vec<ItemId>, commas: Vec<usize>) {
        for &comma in &commas {
            self.owner[comma] = NO_ITEM;
        }
        self.lists.push(CommaList { head, elements, commas });
    }

    /// Returns the index of the bracket that closes the one at `open`, or the end of the range.
    pub fn closing(&self, open: usize, end: usize) -> usize {
        let mut depth = 0usize;
        for token in open..end {
            match self.word(token) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return token;
            }
        }
        end
    }

    /// The first token of a range with this text that stands in no bracket of it.
    pub fn find(&self, tokens: Range<usize>, word: &str) -> Option<usize> {
        let mut depth = 0usize;
        for token in tokens {
            let found = self.word(token);
            if depth == 0 && found == word {
                return Some(token);
            }
            match found {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        None
    }

    /// The last name of a range that stands in no bracket of it: the one that is declared.
    pub fn last_name(&self, tokens: Range<usize>) -> Option<usize> {
        let mut depth = 0usize;
        let mut last = None;
        for token in tokens {
            match self.word(token) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ if depth == 0 && self.is_name(token) => last = Some(token),
                _ => {}
            }
        }
        last
    }
}
