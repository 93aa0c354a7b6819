//! Instances: what of a module is needed for one of its ports, and which connections feed that.
//!
//! Modules are taken from the leaves upwards. When all that stands in a module is in the graph, the input
//! ports that an output of it depends on are found by a walk, and a connection of that output needs the
//! connections of those inputs and no others. A module that contains itself is not summed up before it is
//! complete: then an output needs all inputs.

use std::collections::{BTreeSet, HashMap};

use petgraph::visit::{Dfs, VisitMap, Visitable};

use super::draft::{Direction, Draft, ItemId, Port, PortName};

/// For each output port of a module, the indices of the input ports it depends on.
type Summary = HashMap<usize, BTreeSet<usize>>;

impl Draft<'_> {
    /// Puts all connections into the graph.
    pub fn connect_instances(&mut self) {
        let mut summaries: HashMap<usize, Summary> = HashMap::new();
        for module in self.leaves_first() {
            for instance in self.modules[module].instances.clone() {
                self.connect_instance(instance, &summaries);
            }
            let summary = self.summary(module);
            summaries.insert(module, summary);
        }
    }

    /// Modules in an order in which instances come before what contains them.
    fn leaves_first(&self) -> Vec<usize> {
        let mut order = Vec::new();
        let mut seen = vec![false; self.modules.len()];
        for start in 0..self.modules.len() {
            // The second visit of a module is when all below it are done.
            let mut stack = vec![(start, false)];
            while let Some((module, is_done)) = stack.pop() {
                if is_done {
                    order.push(module);
                    continue;
                }
                if std::mem::replace(&mut seen[module], true) {
                    continue;
                }
                stack.push((module, true));
                let below = self.modules[module].instances.iter();
                let below = below.filter_map(|&i| self.module_names.get(&self.instances[i].of));
                stack.extend(below.map(|&below| (below, false)));
            }
        }
        order
    }

    fn summary(&self, module: usize) -> Summary {
        let ports = &self.modules[module].ports;
        let is_output = |index: &usize| ports[*index].direction != Direction::Input;
        let mut summary = Summary::new();
        for output in (0..ports.len()).filter(is_output) {
            let start = self.symbols[ports[output].symbol].value;
            let mut seen = self.graph.visit_map();
            let mut walk = Dfs::new(&self.graph, start);
            while let Some(node) = walk.next(&self.graph) {
                seen.visit(node);
            }
            let inputs = (0..ports.len())
                .filter(|&input| ports[input].direction != Direction::Output)
                .filter(|&input| seen.is_visited(&self.symbols[ports[input].symbol].drivers));
            summary.insert(output, inputs.collect());
        }
        summary
    }

    fn connect_instance(&mut self, index: usize, summaries: &HashMap<usize, Summary>) {
        let (item, scope) = (self.instances[index].item, self.instances[index].scope);
        let of = self.instances[index].of.clone();
        let Some(&module) = self.module_names.get(&of) else {
            self.connect_unknown(index, &of);
            return;
        };
        self.needs(item, self.modules[module].item);
        self.connect_parameters(index, module);
        let connections = self.port_items(index, module);
        for &(connection, port, ref tokens) in &connections {
            let direction = self.modules[module].ports[port].direction;
            match tokens {
                Some(tokens) => self.connect(connection, scope, tokens.clone(), direction),
                None => self.connect_by_name(connection, scope, module, port),
            }
            let symbol = self.modules[module].ports[port].symbol;
            let (declared, value) = (self.symbols[symbol].declared, self.symbols[symbol].value);
            let node = self.items[connection].node;
            self.graph.add_edge(node, declared, ());
            if direction == Direction::Input {
                continue;
            }
            self.graph.add_edge(node, value, ());
            let feeds = |input: &usize| match summaries.get(&module) {
                Some(summary) => summary.get(&port).is_none_or(|inputs| inputs.contains(input)),
                None => true,
            };
            let feeding: Vec<ItemId> = connections
                .iter()
                .filter(|(_, input, _)| *input != port && feeds(input))
                .filter(|(_, input, _)| {
                    self.modules[module].ports[*input].direction != Direction::Output
                })
                .map(|&(connection, _, _)| connection)
                .collect();
            for other in feeding {
                self.needs(connection, other);
            }
        }
    }

    fn connect_unknown(&mut self, index: usize, of: &str) {
        let scope = self.instances[index].scope;
        let symbol = self.lookup(scope, of, None);
        let why = symbol.and_then(|symbol| self.symbols[symbol].item);
        let why = why.and_then(|item| self.items[item].opaque.clone());
        let why = why.unwrap_or_else(|| format!("an instance of `{of}`, which is not in the text"));
        let connections = std::mem::take(&mut self.instances[index].connections);
        for connection in &connections {
            if let Some(tokens) = connection.tokens.clone() {
                self.connect(connection.item, scope, tokens, Direction::Both);
            }
            self.opaque(connection.item, why.clone());
        }
        self.instances[index].connections = connections;
    }

    fn connect_parameters(&mut self, index: usize, module: usize) {
        let item = self.instances[index].item;
        let parameters = &self.modules[module].parameters;
        let is_set = |name: &String| {
            let named = parameters.iter().find(|&&symbol| {
                self.scopes[self.symbols[symbol].scope].names.get(name) == Some(&symbol)
            });
            named.copied()
        };
        let set: Vec<usize> = if self.instances[index].positional_parameters {
            parameters.clone()
        } else {
            self.instances[index].parameters.iter().filter_map(is_set).collect()
        };
        for symbol in set {
            let declared = self.symbols[symbol].declared;
            self.graph.add_edge(self.items[item].node, declared, ());
        }
    }

    /// The connections of an instance: item, index of the port, tokens of the expression; no tokens for a
    /// port that `.*` or `.name` connects.
    fn port_items(
        &mut self,
        index: usize,
        module: usize,
    ) -> Vec<(ItemId, usize, Option<std::ops::Range<usize>>)> {
        let ports = &self.modules[module].ports;
        let mut connected = Vec::new();
        let mut named = BTreeSet::new();
        let mut star = None;
        for connection in &self.instances[index].connections {
            let port = match &connection.to {
                PortName::Position(position) => (*position < ports.len()).then_some(*position),
                PortName::Name(name) => ports.iter().position(|port| port.name == *name),
                PortName::All => {
                    star = Some(connection.item);
                    None
                }
            };
            if let Some(port) = port {
                named.insert(port);
                connected.push((connection.item, port, connection.tokens.clone()));
            }
        }
        let Some(star) = star else { return connected };
        let scope = self.instances[index].scope;
        for port in (0..ports.len()).filter(|port| !named.contains(port)).collect::<Vec<_>>() {
            let name = self.modules[module].ports[port].name.clone();
            // `.*` asks for the name of every port that is connected by nothing else.
            if let Some(symbol) = self.lookup(scope, &name, Some(star)) {
                let declared = self.symbols[symbol].declared;
                self.graph.add_edge(self.items[star].node, declared, ());
            }
            connected.push((self.item(Some(star), 0..0), port, None));
        }
        connected
    }

    /// A port that `.*` or `.name` connects to what has its name.
    fn connect_by_name(&mut self, item: ItemId, scope: usize, module: usize, port: usize) {
        let Port { name, direction, .. } = &self.modules[module].ports[port];
        let (name, direction) = (name.clone(), *direction);
        let Some(symbol) = self.lookup(scope, &name, Some(item)) else { return };
        let (value, declared) = (self.symbols[symbol].value, self.symbols[symbol].declared);
        let node = self.items[item].node;
        self.graph.add_edge(node, declared, ());
        if direction != Direction::Output {
            self.graph.add_edge(node, value, ());
        }
        if direction != Direction::Input {
            self.drives(item, symbol);
        }
    }
}
