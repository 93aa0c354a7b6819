//! The text's units and what stands in them: modules, packages, primitives, generate constructs, instances.

use std::ops::Range;

use super::draft::{
    Connection, Direction, Draft, How, Instance, ItemId, Meaning, Module, Place, Port, PortName,
    ROOT, ScopeId,
};
use crate::verilog::syntax::Rule;

impl Draft<'_> {
    /// Walks the whole tree.
    pub fn walk(&mut self) {
        for &child in &self.tree.nodes[0].children {
            match self.rule(child) {
                Rule::Module => self.module(child, None),
                Rule::Primitive => self.primitive(child),
                Rule::Package => self.package(child),
                _ => self.file_item(child),
            }
        }
    }

    /// What stands outside of all units. It hangs on an item of no text.
    fn file_item(&mut self, node: usize) {
        let item = self.item(None, 0..0);
        self.visit(
            node,
            Place {
                item,
                scope: ROOT,
                process: None,
                starts_process: false,
                in_loop: None,
                module: usize::MAX,
            },
        );
    }

    fn unit_name(&self, tokens: Range<usize>) -> Option<usize> {
        (tokens.start + 1..tokens.end.min(tokens.start + 4)).find(|&token| self.is_name(token))
    }

    fn package(&mut self, node: usize) {
        let tokens = self.node(node).tokens.clone();
        let item = self.item(None, tokens.clone());
        let Some(name) = self.unit_name(tokens) else { return };
        let symbol = self.declare(ROOT, self.name(name), item);
        let scope = self.scope(ROOT);
        self.symbols[symbol].meaning = Meaning::Package(scope);
        let place = Place {
            item,
            scope,
            process: None,
            starts_process: false,
            in_loop: None,
            module: usize::MAX,
        };
        for &child in &self.node(node).children {
            self.visit(child, place);
        }
    }

    fn module(&mut self, node: usize, around: Option<Place>) {
        let tokens = self.node(node).tokens.clone();
        let item = self.item(around.map(|place| place.item), tokens.clone());
        let Some(name) = self.unit_name(tokens.clone()) else { return };
        let name = self.name(name).to_owned();
        let outer = around.map_or(ROOT, |place| place.scope);
        let symbol = self.declare(outer, &name, item);
        self.symbols[symbol].meaning = Meaning::Unit;
        let scope = self.scope(outer);
        self.scopes[scope].is_module = true;
        self.scopes[scope].holds_blocks = true;
        let module = self.add_module(&name, item);
        let place =
            Place { item, scope, process: None, starts_process: false, in_loop: None, module };
        for &child in &self.node(node).children {
            match self.rule(child) {
                Rule::Header => self.header(child, place),
                _ => self.visit(child, place),
            }
        }
    }

    fn add_module(&mut self, name: &str, item: ItemId) -> usize {
        self.modules.push(Module {
            item,
            ports: Vec::new(),
            parameters: Vec::new(),
            instances: Vec::new(),
        });
        self.module_names.insert(name.to_owned(), self.modules.len() - 1);
        self.modules.len() - 1
    }

    fn header(&mut self, node: usize, place: Place) {
        for &child in &self.node(node).children {
            let Range { start, end } = self.node(child).tokens;
            match self.rule(child) {
                // `#(` and `)` stay with the module.
                Rule::ParameterPorts if end > start + 3 => {
                    let declared = self.headed_list(place, start + 2..end - 1);
                    for declared in &declared {
                        self.symbols[declared.symbol].is_constant = true;
                    }
                    let symbols = declared.iter().map(|declared| declared.symbol);
                    self.modules[place.module].parameters.extend(symbols);
                }
                Rule::AnsiPorts if end > start + 2 => {
                    for declared in self.headed_list(place, start + 1..end - 1) {
                        self.modules[place.module].ports.push(Port {
                            name: declared.name,
                            symbol: declared.symbol,
                            direction: declared.direction,
                        });
                    }
                }
                Rule::Ports if end > start + 2 => self.plain_ports(start + 1..end - 1, place),
                Rule::Import => self.import(child, place),
                _ => {}
            }
        }
    }

    /// The port list of a non-ANSI header: names, whose directions follow in the body.
    fn plain_ports(&mut self, tokens: Range<usize>, place: Place) {
        let (ranges, commas) = self.split(tokens);
        let mut elements = Vec::new();
        for range in ranges {
            let item = self.item(Some(place.item), range.clone());
            elements.push(item);
            if range.len() != 1 || !self.is_name(range.start) {
                self.opaque(item, "a port that is an expression");
                continue;
            }
            let name = self.name(range.start).to_owned();
            let symbol = self.declare(place.scope, &name, item);
            let direction = Direction::Input;
            self.modules[place.module].ports.push(Port { name, symbol, direction });
        }
        self.list(None, elements, commas);
    }

    /// A user-defined primitive: its first port is what it drives.
    fn primitive(&mut self, node: usize) {
        let tokens = self.node(node).tokens.clone();
        let item = self.item(None, tokens.clone());
        let Some(name) = self.unit_name(tokens.clone()) else { return };
        let text = self.name(name).to_owned();
        let symbol = self.declare(ROOT, &text, item);
        self.symbols[symbol].meaning = Meaning::Unit;
        let module = self.add_module(&text, item);
        let scope = self.scope(ROOT);
        let close = self.closing(name + 1, tokens.end);
        let (ranges, _) = self.split(name + 2..close);
        for range in ranges {
            let Some(name) = self.last_name(range) else { continue };
            let symbol = self.declare(scope, self.name(name), item);
            let name = self.name(name).to_owned();
            let ports = &self.modules[module].ports;
            let direction = if ports.is_empty() { Direction::Output } else { Direction::Input };
            if let Some(output) = ports.first().map(|port| self.symbols[port.symbol].value) {
                self.graph.add_edge(output, self.symbols[symbol].value, ());
            }
            self.modules[module].ports.push(Port { name, symbol, direction });
        }
    }

    /// Anything that stands in a module, a package or at the head of a block.
    pub fn visit(&mut self, node: usize, place: Place) {
        let tokens = self.with_semicolon(node);
        match self.rule(node) {
            Rule::Declaration => self.module_declaration(node, place),
            Rule::Typedef => self.typedef(node, place),
            Rule::Import => self.import(node, place),
            Rule::Function | Rule::Task => self.subroutine(node, place),
            Rule::ContinuousAssign => self.continuous(node, place),
            Rule::Always | Rule::Initial => self.process(node, place),
            Rule::GenerateRegion | Rule::GenerateBlock => self.generate_block(node, place),
            Rule::GenerateFor => self.generate_for(node, place),
            Rule::GenerateIf => self.generate_if(node, place),
            Rule::GenerateCase => self.generate_case(node, place),
            Rule::Instantiation => self.instantiation(node, place),
            Rule::Gates => self.gates(node, place),
            Rule::Module => self.module(node, Some(place)),
            Rule::Slot => self.statement(node, place),
            // Nothing that an output depends on.
            Rule::Specify | Rule::Assertion | Rule::SystemItem | Rule::Final | Rule::Export => {
                self.item(None, tokens);
            }
            Rule::Bind | Rule::Defparam | Rule::Alias | Rule::Config => {
                self.item(None, tokens.clone());
                self.global.get_or_insert(format!("`{}`", self.word(tokens.start)));
            }
            Rule::Interface | Rule::Program | Rule::Class | Rule::Checker | Rule::Foreign => {
                let item = self.item(Some(place.item), tokens.clone());
                self.opaque(item, format!("a unit of kind `{}`", self.word(tokens.start)));
                if let Some(name) = self.unit_name(tokens) {
                    let symbol = self.declare(place.scope, self.name(name), item);
                    self.symbols[symbol].meaning = Meaning::Unit;
                }
            }
            _ => {}
        }
    }

    fn module_declaration(&mut self, node: usize, place: Place) {
        let first = self.word(self.node(node).tokens.start);
        let declared = self.declaration(node, place);
        if place.module == usize::MAX || self.scopes[place.scope].subroutine.is_some() {
            return;
        }
        let module = &mut self.modules[place.module];
        match first {
            "input" | "output" | "inout" => {
                for declared in declared {
                    let port = module.ports.iter_mut().find(|port| port.symbol == declared.symbol);
                    if let Some(port) = port {
                        port.direction = declared.direction;
                    }
                }
            }
            "parameter" => module.parameters.extend(declared.iter().map(|d| d.symbol)),
            _ => {}
        }
    }

    fn continuous(&mut self, node: usize, place: Place) {
        let tokens = self.node(node).tokens.clone();
        let head = self.item(Some(place.item), tokens.clone());
        let children = self.node(node).children.iter().copied();
        let list = children.into_iter().find(|&child| self.rule(child) == Rule::List);
        let list =
            list.map_or(tokens.start + 1..tokens.end - 1, |list| self.node(list).tokens.clone());
        self.reads(place, head, tokens.start..list.start);
        let (ranges, commas) = self.split(list);
        let mut elements = Vec::new();
        for range in ranges {
            let item = self.item(Some(head), range.clone());
            self.statements.push(item);
            let equals = self.find(range.clone(), "=").unwrap_or(range.end);
            self.uses(place, item, range.start..equals, How::Write);
            self.reads(place, item, equals..range.end);
            elements.push(item);
        }
        self.list(Some(head), elements, commas);
    }

    fn generate_block(&mut self, node: usize, place: Place) {
        let tokens = self.node(node).tokens.clone();
        let item = self.item(Some(place.item), tokens.clone());
        let mut inside = Place { item, ..place };
        if self.rule(node) == Rule::GenerateBlock {
            inside.scope = self.scope(place.scope);
            self.scopes[inside.scope].holds_blocks = true;
            let begin = self.find(tokens.clone(), "begin").unwrap_or(tokens.start);
            let label = match self.word(begin + 1) {
                ":" => Some(begin + 2),
                _ => (begin > tokens.start).then_some(tokens.start),
            };
            if let Some(label) = label {
                self.declare_block(place.scope, self.name(label), item, inside.scope);
            }
        }
        for &child in &self.node(node).children {
            self.visit(child, inside);
        }
    }

    /// Declares a generate block where its construct stands. The arms of an `if` may have blocks of one
    /// name: a name that is looked up in them is then that of every arm.
    fn declare_block(&mut self, around: ScopeId, name: &str, item: ItemId, scope: ScopeId) {
        let mut around = around;
        while let (false, Some(parent)) =
            (self.scopes[around].holds_blocks, self.scopes[around].parent)
        {
            around = parent;
        }
        let twin = self.scopes[around].names.get(name).copied();
        let twin = twin.map(|twin| self.symbols[twin].meaning.clone());
        let symbol = self.declare(around, name, item);
        self.symbols[symbol].meaning = Meaning::Block(scope);
        if let Some(Meaning::Block(other)) = twin {
            self.scopes[scope].twin = Some(other);
        }
    }

    fn generate_slot(&mut self, slot: usize, place: Place) {
        let scope = self.scope(place.scope);
        self.slot(place.item, slot);
        for &child in &self.node(slot).children {
            self.visit(child, Place { scope, ..place });
        }
    }

    fn generate_for(&mut self, node: usize, place: Place) {
        let tokens = self.node(node).tokens.clone();
        let item = self.item(Some(place.item), tokens.clone());
        let scope = self.scope(place.scope);
        let inside = Place { item, scope, ..place };
        let open = tokens.start + 1;
        let close = self.closing(open, tokens.end);
        self.loop_head(item, open + 1..close, inside, place);
        for &child in &self.node(node).children {
            if self.rule(child) == Rule::GenerateSlot {
                self.generate_slot(child, inside);
            }
        }
    }

    fn generate_if(&mut self, node: usize, place: Place) {
        let tokens = self.node(node).tokens.clone();
        let mut head = self.item(Some(place.item), tokens.clone());
        let mut last = None;
        for &child in &self.node(node).children {
            if self.rule(child) != Rule::GenerateSlot {
                continue;
            }
            let range = self.node(child).tokens.clone();
            match last {
                None => self.reads(place, head, tokens.start..range.start),
                Some(after) => head = self.item(Some(head), after..tokens.end),
            }
            self.generate_slot(child, Place { item: head, ..place });
            last = Some(range.end);
        }
    }

    fn generate_case(&mut self, node: usize, place: Place) {
        let tokens = self.node(node).tokens.clone();
        let item = self.item(Some(place.item), tokens.clone());
        let children = self.node(node).children.iter().copied();
        let arms: Vec<usize> =
            children.filter(|&child| self.rule(child) == Rule::GenerateArm).collect();
        let start = arms.first().map_or(tokens.end, |&arm| self.node(arm).tokens.start);
        self.reads(place, item, tokens.start..start);
        let inside = Place { item, ..place };
        self.arms(&arms, inside, |draft, slot, place| draft.generate_slot(slot, place));
    }

    fn gates(&mut self, node: usize, place: Place) {
        let tokens = self.node(node).tokens.clone();
        let head = self.item(Some(place.item), tokens.clone());
        let kind = self.word(tokens.start);
        let mut elements = Vec::new();
        let mut commas = Vec::new();
        let mut last: Option<usize> = None;
        for &child in &self.node(node).children {
            if self.rule(child) != Rule::Gate {
                continue;
            }
            let range = self.node(child).tokens.clone();
            match last {
                None => self.reads(place, head, tokens.start + 1..range.start),
                Some(end) => commas.push(end),
            }
            last = Some(range.end);
            let item = self.item(Some(head), range.clone());
            elements.push(item);
            self.statements.push(item);
            let open = self.find(range.clone(), "(").unwrap_or(range.end);
            let (terminals, _) = self.split(open + 1..range.end - 1);
            if self.word(open + 1) == "." {
                self.global.get_or_insert("a gate whose terminals have names".into());
            }
            let count = terminals.len();
            for (index, terminal) in terminals.into_iter().enumerate() {
                let (reads, writes) = match kind {
                    "buf" | "not" => (index + 1 == count, index + 1 < count),
                    "tran" | "rtran" => (true, true),
                    _ if kind.starts_with("tran") || kind.starts_with("rtran") => (true, index < 2),
                    _ => (index > 0, index == 0),
                };
                if reads {
                    self.reads(place, item, terminal.clone());
                }
                if writes {
                    self.uses(place, item, terminal, How::Write);
                }
            }
        }
        self.list(Some(head), elements, commas);
    }

    fn instantiation(&mut self, node: usize, place: Place) {
        let tokens = self.node(node).tokens.clone();
        let head = self.item(Some(place.item), tokens.clone());
        let of = self.name(tokens.start).to_owned();
        let mut elements = Vec::new();
        let mut commas = Vec::new();
        let mut last: Option<usize> = None;
        let mut parameters = Vec::new();
        let mut positional_parameters = false;
        for &child in &self.node(node).children {
            if self.rule(child) != Rule::Instance {
                continue;
            }
            let range = self.node(child).tokens.clone();
            match last {
                None => {
                    self.reads(place, head, tokens.start + 1..range.start);
                    if self.word(tokens.start + 1) == "#" {
                        let dots = (tokens.start..range.start).filter(|&t| self.word(t) == ".");
                        parameters = dots.map(|dot| self.name(dot + 1).to_owned()).collect();
                        positional_parameters = parameters.is_empty();
                    }
                }
                Some(end) => commas.push(end),
            }
            last = Some(range.end);
            let item = self.item(Some(head), range.clone());
            elements.push(item);
            let instance = self.instance(item, range, &of, place);
            let record = &mut self.instances[instance];
            record.positional_parameters = positional_parameters;
            record.parameters = parameters.clone();
        }
        self.list(Some(head), elements, commas);
    }

    fn instance(&mut self, item: ItemId, tokens: Range<usize>, of: &str, place: Place) -> usize {
        let open = self.find(tokens.clone(), "(").unwrap_or(tokens.end);
        let index = self.instances.len();
        if open > tokens.start {
            self.reads(place, item, tokens.start + 1..open);
            let symbol = self.declare(place.scope, self.name(tokens.start), item);
            self.symbols[symbol].meaning = Meaning::Instance(index);
        }
        let close = self.closing(open, tokens.end);
        let mut connections = Vec::new();
        let mut elements = Vec::new();
        let (ranges, commas) = self.split(open + 1..close);
        let is_named = self.word(open + 1) == ".";
        for (position, range) in ranges.into_iter().enumerate() {
            let connection = self.item(Some(item), range.clone());
            elements.push(connection);
            let (to, expression) = match (self.word(range.start), self.word(range.start + 1)) {
                (".", "*") => (PortName::All, None),
                (".", _) => {
                    let name = range.start + 1;
                    let to = PortName::Name(self.name(name).to_owned());
                    let is_expression = self.word(name + 1) == "(";
                    (to, is_expression.then(|| name + 2..range.end - 1))
                }
                _ => (PortName::Position(position), Some(range)),
            };
            connections.push(Connection { item: connection, to, tokens: expression });
        }
        if is_named {
            self.list(None, elements, commas);
        } else {
            // The commas count the ports.
            for comma in commas {
                self.owner[comma] = item;
            }
        }
        if place.module != usize::MAX {
            self.modules[place.module].instances.push(index);
        }
        self.instances.push(Instance {
            item,
            scope: place.scope,
            of: of.to_owned(),
            connections,
            positional_parameters: false,
            parameters: Vec::new(),
        });
        index
    }
}
