//! Names to symbols, and uses of names to edges of the graph.
//!
//! An item needs the value of what it reads and the declaration of what it writes; the value of a symbol
//! needs the items that write it. A subroutine that is called is the value of its name; one that writes what
//! is declared outside of it needs its calls. Names that are declared nowhere are implicit nets.
//! Behind a name, a constant select tells which part of the symbol is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::bits::Bits;
use super::draft::{Direction, Draft, How, ItemId, Meaning, NameUse, ROOT, ScopeId, SymbolId};

/// What a process reads and writes, and the levels that start it.
#[derive(Default)]
struct Sensitivity {
    /// Read before the process writes it, if it does.
    reads: BTreeSet<SymbolId>,
    writes: BTreeSet<SymbolId>,
    levels: Vec<(ItemId, SymbolId)>,
}

/// A name and what it stands for.
struct Name {
    token: usize,
    symbol: SymbolId,
    /// The indices of its select, if they are constant.
    bits: Option<Bits>,
}

/// Where a name leads.
enum Found {
    Symbol(SymbolId),
    /// Through a hierarchical path that is not followed.
    Elsewhere,
    Nothing,
}

impl Draft<'_> {
    /// Looks up all names.
    pub fn resolve(&mut self) {
        for alias in std::mem::take(&mut self.aliases) {
            let Some(outer) = self.lookup(alias.scope, &alias.name, None) else { continue };
            let (own, outer) = (&self.symbols[alias.symbol], &self.symbols[outer]);
            let edges = [(own.declared, outer.declared), (outer.drivers, own.value)];
            for (from, to) in edges {
                self.graph.add_edge(from, to, ());
            }
        }
        let mut sensitivities: BTreeMap<usize, Sensitivity> = BTreeMap::new();
        for name_use in std::mem::take(&mut self.uses) {
            self.resolve_use(&name_use, &mut sensitivities);
        }
        for sensitivity in sensitivities.into_values() {
            self.resolve_levels(sensitivity);
        }
    }

    fn resolve_use(&mut self, name_use: &NameUse, all: &mut BTreeMap<usize, Sensitivity>) {
        let NameUse { item, scope, process, tokens, how } = name_use;
        let (item, scope) = (*item, *scope);
        let reads;
        let mut writes = Vec::new();
        match how {
            How::Read => reads = self.read(item, scope, tokens.clone()),
            How::Write => (writes, reads) = self.write(item, scope, tokens.clone()),
            How::Level => {
                let found = self.names(item, scope, tokens.clone());
                for Name { symbol, bits, .. } in found {
                    let mut vertex = self.symbols[symbol].declared;
                    if bits.is_some() {
                        // An event on one bit decides when others are read: it is a dependency.
                        vertex = self.read_vertex(symbol, bits);
                    }
                    self.graph.add_edge(self.items[item].node, vertex, ());
                    let process = process.unwrap_or(usize::MAX);
                    all.entry(process).or_default().levels.push((item, symbol));
                }
                return;
            }
            How::Disable => return self.disable(item, scope, tokens.clone()),
        }
        let Some(process) = process else { return };
        let sensitivity = all.entry(*process).or_default();
        // What is written before it is read is a value of the process itself; `n = n + 1` is not.
        let is_own = |symbol: &SymbolId| sensitivity.writes.contains(symbol);
        let from_outside: Vec<SymbolId> = reads.into_iter().filter(|s| !is_own(s)).collect();
        sensitivity.reads.extend(from_outside);
        sensitivity.writes.extend(writes);
    }

    /// Levels that name all that a process reads only wake it when there is something to compute. Where
    /// some are left out, an event on the others decides when the result changes: all are dependencies.
    fn resolve_levels(&mut self, sensitivity: Sensitivity) {
        let Sensitivity { reads, levels, .. } = sensitivity;
        let listed: BTreeSet<SymbolId> = levels.iter().map(|&(_, symbol)| symbol).collect();
        let is_covered = |read: &SymbolId| listed.contains(read) || self.symbols[*read].is_constant;
        let is_complete = reads.iter().all(is_covered);
        for (item, symbol) in levels.into_iter().filter(|_| !is_complete) {
            self.graph.add_edge(self.items[item].node, self.symbols[symbol].value, ());
        }
    }

    fn disable(&mut self, item: ItemId, scope: ScopeId, tokens: Range<usize>) {
        for Name { symbol, .. } in self.names(item, scope, tokens) {
            if let Some(block) = self.symbols[symbol].item {
                self.needs(block, item);
            }
        }
    }

    /// An expression; returns the variables in it.
    fn read(&mut self, item: ItemId, scope: ScopeId, tokens: Range<usize>) -> Vec<SymbolId> {
        let mut read = Vec::new();
        let mut only_written: BTreeSet<usize> = BTreeSet::new();
        for Name { token, symbol, bits } in self.names(item, scope, tokens.clone()) {
            let node = self.items[item].node;
            if let Meaning::Subroutine { formals } = self.symbols[symbol].meaning.clone() {
                let Symbols { value, declared, calls } = self.vertices(symbol);
                self.graph.add_edge(node, value, ());
                self.graph.add_edge(node, declared, ());
                self.graph.add_edge(calls, node, ());
                self.arguments(item, scope, token + 1, tokens.end, &formals, &mut only_written);
                continue;
            }
            if only_written.contains(&token) {
                continue;
            }
            let value = self.read_vertex(symbol, bits);
            self.graph.add_edge(node, value, ());
            if self.is_stepped(token) || self.is_assigned(token, tokens.end) {
                self.writes_symbol(item, scope, symbol, None);
            }
            read.push(symbol);
        }
        read
    }

    /// `i++` or `--i` in an expression.
    fn is_stepped(&self, token: usize) -> bool {
        let twice = |first: usize, second: usize| {
            matches!(self.word(first), "+" | "-")
                && self.word(first) == self.word(second)
                && self.tree.tokens[first].span.end == self.tree.tokens[second].span.start
        };
        twice(token + 1, token + 2)
            || (token >= 2
                && twice(token - 2, token - 1)
                && self.tree.tokens[token - 1].span.end == self.tree.tokens[token].span.start)
    }

    /// `a` in `b = (a = c)` or `(a[1] += c)`.
    fn is_assigned(&self, token: usize, end: usize) -> bool {
        const ASSIGNMENTS: [&str; 13] =
            ["=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "<<<=", ">>>="];
        let mut next = token + 1;
        while next < end && self.word(next) == "[" {
            next = self.closing(next, end) + 1;
        }
        let last = (next..end).find(|&at| !"+-*/%&|^<>".contains(self.word(at)));
        last.is_some_and(|last| {
            let (first, last) = (&self.tree.tokens[next], &self.tree.tokens[last]);
            ASSIGNMENTS.contains(&&self.tree.text[first.span.start..last.span.end])
        })
    }

    /// The arguments of a call: those that come back are driven by the item of the call.
    fn arguments(
        &mut self,
        item: ItemId,
        scope: ScopeId,
        open: usize,
        end: usize,
        formals: &[(SymbolId, Direction)],
        only_written: &mut BTreeSet<usize>,
    ) {
        if self.word(open) != "(" || open >= end {
            return;
        }
        let close = self.closing(open, end);
        let (ranges, _) = self.split(open + 1..close);
        for (index, range) in ranges.into_iter().enumerate() {
            let is_named = self.word(range.start) == ".";
            let (formal, tokens) = if is_named {
                let name = self.name(range.start + 1);
                let formal = formals.iter().find(|(formal, _)| {
                    let scope = &self.scopes[self.symbols[*formal].scope];
                    scope.names.get(name) == Some(formal)
                });
                (formal, (range.start + 3).min(range.end)..range.end.max(range.start + 4) - 1)
            } else {
                (formals.get(index), range)
            };
            let Some(&(formal, direction)) = formal else { continue };
            if direction == Direction::Input {
                continue;
            }
            let (_, _) = self.write(item, scope, tokens.clone());
            let formal = self.symbols[formal].value;
            self.graph.add_edge(self.items[item].node, formal, ());
            if direction == Direction::Output {
                only_written.extend(self.bases(tokens));
            }
        }
    }

    /// A left side; returns what is written as a whole and what its indices read.
    fn write(
        &mut self,
        item: ItemId,
        scope: ScopeId,
        tokens: Range<usize>,
    ) -> (Vec<SymbolId>, Vec<SymbolId>) {
        let bases = self.bases(tokens.clone());
        self.refuse_paths(scope, &bases);
        let (mut written, mut read) = (Vec::new(), Vec::new());
        for Name { token, symbol, bits } in self.names(item, scope, tokens) {
            if bases.contains(&token) {
                self.writes_symbol(item, scope, symbol, bits);
                // What writes a part does not set what is read of the rest.
                written.extend(bits.is_none().then_some(symbol));
            } else {
                let value = self.read_vertex(symbol, bits);
                self.graph.add_edge(self.items[item].node, value, ());
                read.push(symbol);
            }
        }
        (written, read)
    }

    /// A write by a path may reach any variable, so that no cone of the text can be told. Into an interface
    /// it may not: what reads that is not followed either.
    fn refuse_paths(&mut self, scope: ScopeId, bases: &BTreeSet<usize>) {
        for &token in bases {
            if self.member(token).is_none() || self.word(token.wrapping_sub(1)) == "." {
                continue;
            }
            let name = self.name(token);
            let reaches = match self.lookup(scope, name, None).map(|s| &self.symbols[s].meaning) {
                Some(Meaning::Instance(instance)) => {
                    self.module_names.contains_key(&self.instances[*instance].of)
                }
                Some(Meaning::Unit | Meaning::Package(_)) | None => true,
                _ => false,
            };
            if reaches {
                self.global.get_or_insert(format!("a write to the path `{name}.…`"));
            }
        }
    }

    fn writes_symbol(
        &mut self,
        item: ItemId,
        scope: ScopeId,
        symbol: SymbolId,
        bits: Option<Bits>,
    ) {
        let node = self.items[item].node;
        self.graph.add_edge(node, self.symbols[symbol].declared, ());
        let drivers = self.drivers_vertex(symbol, bits);
        self.graph.add_edge(drivers, node, ());
        // What a subroutine writes outside of itself changes when it is called.
        let inside = self.scopes[scope].subroutine;
        if let Some(subroutine) = inside
            && self.scopes[self.symbols[symbol].scope].subroutine != inside
            && symbol != subroutine
        {
            let calls = self.symbols[subroutine].calls;
            self.graph.add_edge(self.items[item].node, calls, ());
        }
    }

    /// The names of a left side that are not in an index.
    fn bases(&self, tokens: Range<usize>) -> BTreeSet<usize> {
        let mut depth = 0usize;
        let mut bases = BTreeSet::new();
        for token in tokens {
            match self.word(token) {
                "[" => depth += 1,
                "]" => depth = depth.saturating_sub(1),
                _ if depth == 0 && self.is_name(token) => {
                    bases.insert(token);
                }
                _ => {}
            }
        }
        bases
    }

    /// The symbols that the names of a range stand for, each with its token (the first of a path, the last
    /// behind a package). A path that
    /// leads out of what is known makes the item opaque.
    fn names(&mut self, item: ItemId, scope: ScopeId, tokens: Range<usize>) -> Vec<Name> {
        let mut found = Vec::new();
        for token in tokens.clone() {
            if !self.is_name(token) {
                continue;
            }
            // `.field`, `.port(…)` and `package::name` are dealt with where they begin.
            if token > 0 && matches!(self.word(token - 1), "." | "::") {
                continue;
            }
            match self.path(item, scope, token) {
                Found::Symbol(symbol) => {
                    let token = if self.word(token + 1) == "::" { token + 2 } else { token };
                    let bits = self.direct_select(scope, token, symbol, tokens.end);
                    found.push(Name { token, symbol, bits });
                }
                Found::Elsewhere => {
                    self.opaque(item, format!("the path `{}.…`", self.word(token)));
                }
                Found::Nothing => {}
            }
        }
        found
    }

    /// The constant select of a name that stands for itself, and for nothing in a block or an instance.
    fn direct_select(
        &mut self,
        scope: ScopeId,
        token: usize,
        symbol: SymbolId,
        end: usize,
    ) -> Option<Bits> {
        let is_value = self.symbols[symbol].meaning == Meaning::Value;
        let is_path = token > 0 && self.word(token - 1) == "::";
        let is_itself = is_path || self.lookup(scope, self.name(token), None) == Some(symbol);
        if is_value && is_itself { self.select(scope, token, end) } else { None }
    }

    fn path(&mut self, item: ItemId, scope: ScopeId, token: usize) -> Found {
        let name = self.name(token);
        if self.word(token + 1) == "::" {
            return self.in_package(name, self.name(token + 2));
        }
        let Some(symbol) = self.lookup(scope, name, Some(item)) else {
            return match self.word(token + 1) {
                "." => Found::Elsewhere,
                // The label of an assignment pattern.
                ":" => Found::Nothing,
                _ => Found::Symbol(self.implicit(scope, name)),
            };
        };
        match self.symbols[symbol].meaning.clone() {
            Meaning::Value | Meaning::Subroutine { .. } => Found::Symbol(symbol),
            Meaning::Block(inner) => self.in_block(inner, token, symbol),
            Meaning::Instance(instance) => self.in_instance(instance, item, token, symbol),
            Meaning::Package(_) | Meaning::Unit => match self.word(token + 1) {
                "." => Found::Elsewhere,
                _ => Found::Symbol(symbol),
            },
        }
    }

    fn in_package(&self, package: &str, name: &str) -> Found {
        match self.package_scope(package).and_then(|scope| self.scopes[scope].names.get(name)) {
            Some(&symbol) => Found::Symbol(symbol),
            None => Found::Elsewhere,
        }
    }

    /// The token after the `.` that follows a name and its indices.
    fn member(&self, token: usize) -> Option<usize> {
        let mut next = token + 1;
        while self.word(next) == "[" {
            next = self.closing(next, self.tree.tokens.len()) + 1;
        }
        (self.word(next) == "." && self.is_name(next + 1)).then_some(next + 1)
    }

    fn in_block(&mut self, scope: ScopeId, token: usize, block: SymbolId) -> Found {
        let Some(member) = self.member(token) else { return Found::Symbol(block) };
        let name = self.name(member);
        let mut scopes = vec![scope];
        while let Some(twin) = self.scopes[scopes[scopes.len() - 1]].twin {
            scopes.push(twin);
        }
        let symbols: Vec<SymbolId> = scopes
            .iter()
            .filter_map(|&scope| self.scopes[scope].names.get(name).copied())
            .collect();
        let Some(&symbol) = symbols.first() else { return Found::Elsewhere };
        for pair in symbols.windows(2) {
            let (one, other) = (&self.symbols[pair[0]], &self.symbols[pair[1]]);
            for (from, to) in [(one.drivers, other.value), (other.drivers, one.value)] {
                self.graph.add_edge(from, to, ());
            }
        }
        match self.symbols[symbol].meaning {
            Meaning::Block(inner) => self.in_block(inner, member, symbol),
            Meaning::Value | Meaning::Subroutine { .. } => Found::Symbol(symbol),
            _ => Found::Elsewhere,
        }
    }

    /// A name inside an instance: its value, and the instance with all its connections.
    fn in_instance(
        &mut self,
        instance: usize,
        item: ItemId,
        token: usize,
        symbol: SymbolId,
    ) -> Found {
        let Some(member) = self.member(token) else { return Found::Symbol(symbol) };
        let of = self.module_names.get(&self.instances[instance].of);
        let Some(&module) = of else { return Found::Elsewhere };
        let scope = self.modules[module].ports.first().map(|port| self.symbols[port.symbol].scope);
        let name = self.name(member);
        let inner = scope.and_then(|scope| self.scopes[scope].names.get(name).copied());
        let Some(inner) = inner else { return Found::Elsewhere };
        if self.symbols[inner].meaning != Meaning::Value {
            return Found::Elsewhere;
        }
        self.graph.add_edge(self.items[item].node, self.symbols[inner].value, ());
        self.needs(item, self.instances[instance].item);
        let connections: Vec<ItemId> =
            self.instances[instance].connections.iter().map(|c| c.item).collect();
        for connection in connections {
            self.needs(item, connection);
        }
        Found::Symbol(symbol)
    }

    fn package_scope(&self, package: &str) -> Option<ScopeId> {
        let &symbol = self.scopes[ROOT].names.get(package)?;
        match self.symbols[symbol].meaning {
            Meaning::Package(scope) => Some(scope),
            _ => None,
        }
    }

    /// Looks a name up in a scope and those around it; what comes by an import needs the import.
    pub fn lookup(&mut self, scope: ScopeId, name: &str, item: Option<ItemId>) -> Option<SymbolId> {
        let mut at = Some(scope);
        while let Some(scope) = at {
            if let Some(&symbol) = self.scopes[scope].names.get(name) {
                return Some(symbol);
            }
            if let Some((symbol, import)) = self.imported(scope, name) {
                if let Some(item) = item {
                    self.needs(item, import);
                }
                return Some(symbol);
            }
            at = self.scopes[scope].parent;
        }
        None
    }

    fn imported(&self, scope: ScopeId, name: &str) -> Option<(SymbolId, ItemId)> {
        let scope = &self.scopes[scope];
        let named = scope.imports.get(name).into_iter();
        named.chain(&scope.wildcards).find_map(|(package, import)| {
            let inner = self.package_scope(package)?;
            Some((*self.scopes[inner].names.get(name)?, *import))
        })
    }

    /// A net that is declared nowhere belongs to the module.
    fn implicit(&mut self, scope: ScopeId, name: &str) -> SymbolId {
        let mut at = scope;
        while let (false, Some(parent)) = (self.scopes[at].is_module, self.scopes[at].parent) {
            at = parent;
        }
        self.symbol(at, name, None)
    }

    fn vertices(&self, symbol: SymbolId) -> Symbols {
        let symbol = &self.symbols[symbol];
        Symbols { value: symbol.value, declared: symbol.declared, calls: symbol.calls }
    }

    /// Reads and writes of a connection, as of an assignment.
    pub fn connect(&mut self, item: ItemId, scope: ScopeId, tokens: Range<usize>, to: Direction) {
        if to != Direction::Output {
            self.read(item, scope, tokens.clone());
        }
        if to != Direction::Input {
            self.write(item, scope, tokens);
        }
    }
}

struct Symbols {
    value: petgraph::graph::NodeIndex<u32>,
    declared: petgraph::graph::NodeIndex<u32>,
    calls: petgraph::graph::NodeIndex<u32>,
}
