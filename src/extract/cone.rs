//! Cones of influence: what an output reaches when the graph is walked from it.

use std::ops::Range;

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::Dfs;

use super::draft::{CommaList, Direction, Draft, ItemId, Meaning, NO_ITEM, Slot};
use crate::verilog::expand::Expanded;

/// A text's graph, ready to be asked for the cones of the top module's outputs.
pub struct Analysis<'c> {
    pub(super) code: &'c str,
    pub(super) graph: DiGraph<(), (), u32>,
    /// For each vertex the item it stands for, or [`NO_ITEM`].
    item_of: Vec<ItemId>,
    item_nodes: Vec<NodeIndex<u32>>,
    opaque: Vec<Option<String>>,
    /// The item of each token.
    pub(super) owner: Vec<ItemId>,
    /// Where each token came from; that of a macro's expansion is the use.
    pub(super) source: Vec<Range<usize>>,
    pub(super) lists: Vec<CommaList>,
    pub(super) slots: Vec<Slot>,
    /// For each token the macro use that it came from.
    pub(super) used: Vec<Option<usize>>,
    /// For each macro use the spans of the definitions behind it.
    pub(super) use_defines: Vec<Vec<Range<usize>>>,
    pub(super) directives: Vec<Range<usize>>,
    /// Items that can be taken out alone.
    statements: Vec<ItemId>,
    top_frame: NodeIndex<u32>,
    outputs: Vec<(String, NodeIndex<u32>)>,
    /// The variables and nets of the top module, by name, each with the vertices by which it is read.
    signals: Vec<(String, Vec<NodeIndex<u32>>)>,
    /// For each module its frame, and the declarations of its ports and parameters.
    frames: Vec<(ItemId, Vec<NodeIndex<u32>>)>,
}

/// What one output depends on.
#[derive(Clone, Debug)]
pub struct Cone {
    /// Which items are in it.
    pub(super) items: Vec<bool>,
    /// Why it cannot be followed and the whole module stands for it.
    pub whole: Option<String>,
}

/// A cone and what must stand beside it so that a compiler takes the text: all ports.
#[derive(Clone, Debug)]
pub struct Kept {
    pub(super) items: Vec<bool>,
}

impl Cone {
    /// Tells whether all of another cone is in this one.
    pub fn contains(&self, other: &Cone) -> bool {
        other.items.iter().zip(&self.items).all(|(other, own)| !other || *own)
    }
}

impl<'c> Analysis<'c> {
    pub(super) fn new(
        code: &'c str,
        top: &str,
        mut draft: Draft,
        expanded: &Expanded,
    ) -> Option<Analysis<'c>> {
        let &top = draft.module_names.get(top)?;
        let (source, used) = sources(&draft, expanded);
        join_uses(&mut draft, &used, expanded.uses.len());
        let mut item_of = vec![NO_ITEM; draft.graph.node_count()];
        for (item, record) in draft.items.iter().enumerate() {
            item_of[record.node.index()] = item;
        }
        let module = &draft.modules[top];
        let outputs = module.ports.iter().filter(|port| port.direction != Direction::Input);
        let outputs = outputs.map(|port| (port.name.clone(), draft.symbols[port.symbol].value));
        let frames = draft.modules.iter().map(|module| {
            let ports = module.ports.iter().map(|port| port.symbol);
            let all = ports.chain(module.parameters.iter().copied());
            (module.item, all.map(|symbol| draft.symbols[symbol].declared).collect())
        });
        let defines = expanded.uses.iter().map(|used| {
            used.defines.iter().map(|&define| expanded.defines[define].clone()).collect()
        });
        Some(Analysis {
            code,
            item_of,
            item_nodes: draft.items.iter().map(|item| item.node).collect(),
            opaque: draft.items.iter().map(|item| item.opaque.clone()).collect(),
            source,
            used,
            use_defines: defines.collect(),
            directives: expanded.directives.clone(),
            top_frame: draft.items[module.item].node,
            outputs: outputs.collect(),
            signals: signals(&draft, top),
            frames: frames.collect(),
            graph: draft.graph,
            owner: draft.owner,
            lists: draft.lists,
            slots: draft.slots,
            statements: draft.statements,
        })
    }

    /// The outputs of the top module, in order of ports.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(|(name, _)| name.as_str())
    }

    /// The cone of an output; `None` if there is no such output.
    pub fn cone(&self, output: &str) -> Option<Cone> {
        let (_, value) = self.outputs.iter().find(|(name, _)| name == output)?;
        let items = self.reach(&[self.top_frame, *value]);
        let reached = items.iter().zip(&self.opaque).filter(|(is_in, _)| **is_in);
        let whole = reached.filter_map(|(_, why)| why.clone()).next();
        Some(Cone { items, whole })
    }

    /// The variables and nets of the top module that an output depends on, itself included, sorted. What is
    /// declared in a block or in another module is not among them, and what is only written beside (the `cout`
    /// of `{cout, sum} = a + b` in the cone of `sum`) neither.
    pub fn signals(&self, output: &str) -> Vec<&str> {
        let Some((_, value)) = self.outputs.iter().find(|(name, _)| name == output) else {
            return Vec::new();
        };
        let seen = self.walk(&[*value]);
        let is_read = |vertices: &[NodeIndex<u32>]| vertices.iter().any(|at| seen[at.index()]);
        let read = self.signals.iter().filter(|(_, vertices)| is_read(vertices));
        read.map(|(name, _)| name.as_str()).collect()
    }

    /// All pieces of code in a cone, statements and heads and declarations.
    pub fn items(&self, cone: &Cone) -> Vec<usize> {
        (0..cone.items.len()).filter(|&item| cone.items[item]).collect()
    }

    /// The cone of one piece of code: what it needs, itself included.
    pub fn cone_of(&self, item: usize) -> Cone {
        let items = self.reach(&[self.top_frame, self.item_nodes[item]]);
        Cone { items, whole: None }
    }

    /// A cone with the ports and parameters of all modules in it.
    pub fn kept(&self, cone: &Cone) -> Kept {
        let mut start: Vec<NodeIndex<u32>> = vec![self.top_frame];
        let is_in = |(item, _): &&(ItemId, _)| cone.items[*item];
        start.extend(self.frames.iter().filter(is_in).flat_map(|(_, ports)| ports));
        let mut items = self.reach(&start);
        let join = |items: &mut Vec<bool>, more: &[bool]| {
            items.iter_mut().zip(more).for_each(|(kept, more)| *kept |= *more);
        };
        join(&mut items, &cone.items);
        // `enum {A, B} s;` where only A is needed.
        let bare = self.lists.iter().filter(|list| self.is_bare(list, &items));
        let first = bare.filter_map(|list| list.elements.first());
        let start: Vec<NodeIndex<u32>> = first.map(|&item| self.item_nodes[item]).collect();
        join(&mut items, &self.reach(&start));
        Kept { items }
    }

    /// Tells whether the head of a list is there and none of its elements.
    fn is_bare(&self, list: &CommaList, items: &[bool]) -> bool {
        list.head.is_some_and(|head| items[head]) && !list.elements.iter().any(|&item| items[item])
    }

    /// All code.
    pub fn everything(&self) -> Kept {
        Kept { items: vec![true; self.item_nodes.len()] }
    }

    /// The statements of a cone that can be taken out one by one, in order of the text.
    pub fn statements(&self, cone: &Cone) -> Vec<usize> {
        self.statements.iter().copied().filter(|&item| cone.items[item]).collect()
    }

    /// What is kept when one statement is taken out.
    pub fn without(&self, kept: &Kept, statement: usize) -> Kept {
        let mut kept = kept.clone();
        kept.items[statement] = false;
        for list in &self.lists {
            if self.is_bare(list, &kept.items)
                && let Some(head) = list.head
            {
                kept.items[head] = false;
            }
        }
        kept
    }

    fn reach(&self, start: &[NodeIndex<u32>]) -> Vec<bool> {
        let mut items = vec![false; self.item_nodes.len()];
        let seen = self.walk(start);
        for (&item, _) in self.item_of.iter().zip(seen).filter(|(_, seen)| *seen) {
            if item != NO_ITEM {
                items[item] = true;
            }
        }
        items
    }

    /// Which vertices are reached.
    fn walk(&self, start: &[NodeIndex<u32>]) -> Vec<bool> {
        let mut seen = vec![false; self.graph.node_count()];
        let mut walk = Dfs::empty(&self.graph);
        walk.stack.extend(start);
        while let Some(node) = walk.next(&self.graph) {
            seen[node.index()] = true;
        }
        seen
    }
}

/// The variables and nets that are declared in a module itself, by name.
fn signals(draft: &Draft, module: usize) -> Vec<(String, Vec<NodeIndex<u32>>)> {
    let Some(port) = draft.modules[module].ports.first() else { return Vec::new() };
    let names = &draft.scopes[draft.symbols[port.symbol].scope].names;
    let symbols = names.iter().map(|(name, &symbol)| (name, &draft.symbols[symbol]));
    let signals = symbols.filter(|(_, s)| s.meaning == Meaning::Value && !s.is_constant);
    let mut signals: Vec<_> =
        signals.map(|(name, symbol)| (name.clone(), symbol.read_vertices().collect())).collect();
    signals.sort_unstable();
    signals
}

/// Where each token came from, and by which macro use.
fn sources(draft: &Draft, expanded: &Expanded) -> (Vec<Range<usize>>, Vec<Option<usize>>) {
    let mut pieces = expanded.pieces.iter().peekable();
    let source_of = |span: &Range<usize>| {
        while pieces.next_if(|piece| piece.text.end <= span.start).is_some() {}
        let Some(piece) = pieces.peek() else { return (0..0, None) };
        match piece.used {
            Some(used) => (piece.source.clone(), Some(used)),
            None => {
                let start = span.start - piece.text.start + piece.source.start;
                (start..start + span.len(), None)
            }
        }
    };
    draft.tree.tokens.iter().map(|token| &token.span).map(source_of).unzip()
}

/// Items that share a macro use stand or fall together: the use cannot be cut.
fn join_uses(draft: &mut Draft, used: &[Option<usize>], count: usize) {
    let nodes: Vec<NodeIndex<u32>> = (0..count).map(|_| draft.graph.add_node(())).collect();
    let mut last = None;
    for (token, used) in used.iter().enumerate() {
        let item = draft.owner[token];
        let Some(used) = used.filter(|_| item != NO_ITEM) else { continue };
        if last == Some((used, item)) {
            continue;
        }
        last = Some((used, item));
        let node = draft.items[item].node;
        draft.graph.add_edge(node, nodes[used], ());
        draft.graph.add_edge(nodes[used], node, ());
    }
}
