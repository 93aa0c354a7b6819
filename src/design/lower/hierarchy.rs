//! The walk over instances: ports, declarations, assignments and procedures, each a process.
//!
//! A port connection is a continuous assignment (IEEE 1800-2017, 23.3.3). An input of an instance that is connected to a plain
//! name of the same width shares its slot, as a net would; so hierarchy costs nothing where it only passes signals on.

use sv_lang::kinds::{ExpressionKind, StatementKind, SymbolKind, TimingControlKind};
use sv_lang::{
    ArgumentDirection, EdgeKind, Expression, NetKind, PortConnection, ProceduralBlockKind,
    Statement as Source, Symbol, TimingControl,
};

use super::super::program::{Kind, PowerUp, Slot, Target, Trigger, Watch};
use super::call::left_of;
use super::expression::{is_signed, type_of};
use super::place::Place;
use super::{Driver, Lowered, Lowering, Storage, Unsupported, width_of};

impl<'d> Lowering<'d> {
    /// The ports of the top module.
    pub(super) fn ports(&mut self, body: Symbol<'d>) -> Lowered<()> {
        for port in body.instance_body_ports() {
            let symbol = port
                .port_internal_symbol()
                .ok_or_else(|| Unsupported::new("a port joined from several signals"))?;
            let slot = self.slot_of(symbol)?;
            let list = match port.port_direction() {
                ArgumentDirection::In => {
                    // Something outside drives it, from before the first value on.
                    self.build.power_up[slot as usize] = PowerUp::Unknown;
                    &mut self.inputs
                }
                ArgumentDirection::Out => &mut self.outputs,
                _ => return Err(Unsupported::new("a port that goes both ways")),
            };
            list.push((port.name().to_owned(), slot));
        }
        self.initial_values(body)
    }

    /// `output reg q = 0`: the value stands at the port, and is the variable's.
    fn initial_values(&mut self, body: Symbol<'d>) -> Lowered<()> {
        for port in body.instance_body_ports().filter(|port| port.kind() == SymbolKind::Port) {
            let is_output = port.port_direction() == ArgumentDirection::Out;
            if let (true, Some(value), Some(symbol)) =
                (is_output, port.port_initializer(), port.port_internal_symbol())
            {
                let storage = self.storage(symbol)?;
                self.declare(&storage, value)?;
            }
        }
        Ok(())
    }

    /// What stands in a scope, and in those within it.
    pub(super) fn scope(&mut self, scope: Symbol<'d>) -> Lowered<()> {
        self.enter()?;
        for member in scope.members() {
            self.member(member)?;
        }
        self.leave();
        Ok(())
    }

    fn member(&mut self, member: Symbol<'d>) -> Lowered<()> {
        match member.kind() {
            SymbolKind::Instance => self.instance(member),
            SymbolKind::InstanceArray => {
                member.instance_array_elements().try_for_each(|element| self.member(element))
            }
            SymbolKind::GenerateBlock if member.generate_block_is_uninstantiated() => Ok(()),
            SymbolKind::GenerateBlock => self.scope(member),
            SymbolKind::GenerateBlockArray => {
                member.generate_block_array_entries().try_for_each(|entry| self.scope(entry))
            }
            SymbolKind::Net => self.net_declaration(member),
            SymbolKind::Variable => self.variable_declaration(member),
            SymbolKind::ContinuousAssign => match member.continuous_assign_assignment() {
                Some(assignment) => self.continuous(assignment),
                None => Ok(()),
            },
            SymbolKind::ProceduralBlock => self.procedure(member),
            SymbolKind::PrimitiveInstance => self.gate(member),
            SymbolKind::NetAlias => Err(Unsupported::new("an alias of nets")),
            SymbolKind::ClockingBlock => Err(Unsupported::new("a clocking block")),
            // Types, parameters, subroutines, imports and the like hold nothing; what else there is `refuse` has refused.
            _ => Ok(()),
        }
    }

    fn net_declaration(&mut self, net: Symbol<'d>) -> Lowered<()> {
        let storage = self.storage(net)?;
        let kind = self.net_kind(net);
        if let (NetKind::Supply0 | NetKind::Supply1, &Storage::Variable(slot)) = (kind, &storage) {
            let width = self.build.width(slot);
            let level = if kind == NetKind::Supply1 { -1 } else { 0 };
            let value = self.build.number(width, level);
            return self.drive(Place::whole(slot, width), |_| Ok(value));
        }
        let Some(value) = net.initializer() else { return Ok(()) };
        match storage {
            Storage::Variable(slot) => {
                let width = self.build.width(slot);
                self.drive(Place::whole(slot, width), |lowering| lowering.sized(value, width))
            }
            Storage::Array { .. } => Err(Unsupported::new("an array of nets with a value")),
        }
    }

    fn variable_declaration(&mut self, variable: Symbol<'d>) -> Lowered<()> {
        let Some(value) = variable.initializer() else {
            // What nothing refers to needs no place; its type may be one that has none.
            return Ok(());
        };
        let storage = self.storage(variable)?;
        self.declare(&storage, value)
    }

    fn continuous(&mut self, assignment: Expression<'d>) -> Lowered<()> {
        let (Some(left), Some(right)) = (assignment.left(), assignment.right()) else {
            return Err(Unsupported::new("an assignment without sides"));
        };
        let is_array = type_of(left)?.canonical().is_unpacked_array();
        let process = self.process(Kind::Combinational, true, |lowering| {
            if is_array {
                return lowering.assignment(assignment).map(|_| ());
            }
            let value = lowering.typed(right)?;
            let value =
                lowering.build.resize(value, width_of(type_of(left)?)?, is_signed(right))?;
            let place = lowering.place(left)?;
            lowering.write(&place, value, false)
        })?;
        self.drivers_of(process);
        Ok(())
    }

    /// A continuous assignment of what `make` computes.
    pub(super) fn drive(
        &mut self,
        place: Place,
        make: impl FnOnce(&mut Self) -> Lowered<Slot>,
    ) -> Lowered<()> {
        let process = self.process(Kind::Combinational, true, |lowering| {
            let value = make(lowering)?;
            lowering.write(&place, value, false)
        })?;
        self.drivers_of(process);
        Ok(())
    }

    /// Notes what a continuous assignment drives.
    pub(super) fn drivers_of(&mut self, process: usize) {
        let stores = super::analysis::stores(&self.processes[process].body);
        let mut drivers = Vec::new();
        for store in stores {
            let (net, lsb, width) = match store.target {
                Target::Whole(net) => (net, 0, self.build.width(net)),
                Target::Part { variable, lsb } => (variable, lsb, self.build.width(store.value)),
                Target::Select { variable, .. } => (variable, 0, self.build.width(variable)),
                Target::Word { .. } => continue,
            };
            drivers.push(Driver { net, process, lsb, width });
        }
        self.drivers.extend(drivers);
    }

    fn instance(&mut self, instance: Symbol<'d>) -> Lowered<()> {
        if !instance.instance_is_module() {
            return Err(Unsupported::new("an interface"));
        }
        for connection in instance.instance_port_connections() {
            self.connection(&connection)?;
        }
        match instance.instance_body() {
            Some(body) => {
                self.initial_values(body)?;
                self.scope(body)
            }
            None => Ok(()),
        }
    }

    fn connection(&mut self, connection: &PortConnection<'d>) -> Lowered<()> {
        let port = connection.port();
        if port.kind() != SymbolKind::Port || port.port_is_null_port() {
            return Err(Unsupported::new("a port that is no plain port"));
        }
        let inside = port
            .port_internal_symbol()
            .ok_or_else(|| Unsupported::new("a port joined from several signals"))?;
        match port.port_direction() {
            ArgumentDirection::In => {
                let actual = connection.expression().or_else(|| port.port_initializer());
                actual.map_or(Ok(()), |actual| self.connect_input(inside, actual))
            }
            ArgumentDirection::Out => {
                connection.expression().map_or(Ok(()), |actual| self.connect_output(inside, actual))
            }
            _ => Err(Unsupported::new("a port that goes both ways")),
        }
    }

    fn connect_input(&mut self, inside: Symbol<'d>, actual: Expression<'d>) -> Lowered<()> {
        let ty = inside.value_type().ok_or_else(|| Unsupported::new("a port without type"))?;
        let is_name = super::super::expression::is_name(actual);
        let symbol = actual.referenced_symbol().filter(|symbol| {
            is_name && matches!(symbol.kind(), SymbolKind::Net | SymbolKind::Variable)
        });
        if let Some(symbol) = symbol {
            let storage = self.storage(symbol)?;
            let shares = match &storage {
                Storage::Variable(slot) => {
                    ty.is_integral()
                        && u64::from(self.build.width(*slot)) == ty.bit_width()
                        && ty.is_four_state() == type_of(actual)?.is_four_state()
                        && self.net_kind(inside) == NetKind::Wire
                }
                Storage::Array { .. } => ty.is_matching(&type_of(actual)?),
            };
            if shares {
                self.remember(inside, storage);
                return Ok(());
            }
        }
        let slot = self.slot_of(inside)?;
        let width = self.build.width(slot);
        if actual.constant_value().is_some() {
            // It is there before anything runs, so that no process sees it come.
            return self.declare(&Storage::Variable(slot), actual);
        }
        self.drive(Place::whole(slot, width), |lowering| lowering.sized(actual, width))
    }

    fn connect_output(&mut self, inside: Symbol<'d>, actual: Expression<'d>) -> Lowered<()> {
        let left = left_of(actual)?;
        if left.kind() == ExpressionKind::EmptyArgument {
            return Ok(());
        }
        let ty = inside.value_type().ok_or_else(|| Unsupported::new("a port without type"))?;
        let slot = self.slot_of(inside)?;
        let width = width_of(type_of(left)?)?;
        let process = self.process(Kind::Combinational, true, |lowering| {
            let value = lowering.build.resize(slot, width, ty.is_signed())?;
            let value = lowering.states(value, ty, type_of(left)?)?;
            let place = lowering.place(left)?;
            lowering.write(&place, value, false)
        })?;
        self.drivers_of(process);
        Ok(())
    }

    fn procedure(&mut self, block: Symbol<'d>) -> Lowered<()> {
        let Some(body) = block.body() else { return Ok(()) };
        match block.procedural_block_procedure_kind() {
            ProceduralBlockKind::Final => Ok(()),
            ProceduralBlockKind::Initial => {
                self.process(Kind::Initial, false, |lowering| lowering.statement(body)).map(|_| ())
            }
            ProceduralBlockKind::AlwaysComb | ProceduralBlockKind::AlwaysLatch => self
                .process(Kind::Combinational, false, |lowering| lowering.statement(body))
                .map(|_| ()),
            ProceduralBlockKind::Always | ProceduralBlockKind::AlwaysFF => self.always(body),
        }
    }

    fn always(&mut self, whole: Source<'d>) -> Lowered<()> {
        let timing =
            (whole.kind() == StatementKind::Timed).then(|| whole.timing_control()).flatten();
        let (Some(timing), Some(body)) = (timing, whole.body()) else {
            return Err(Unsupported::new("an `always` without an event at its head"));
        };
        let mut triggers = Vec::new();
        let is_implicit = timing.kind() == TimingControlKind::ImplicitEvent;
        if !is_implicit {
            self.triggers(timing, &mut triggers)?;
        }
        let process = self.process(Kind::Triggered, false, |lowering| lowering.statement(body))?;
        self.processes[process].triggers = triggers;
        self.processes[process].watches_reads = is_implicit;
        Ok(())
    }

    fn triggers(&mut self, timing: TimingControl<'d>, triggers: &mut Vec<Trigger>) -> Lowered<()> {
        match timing.kind() {
            TimingControlKind::EventList => {
                for child in timing.children() {
                    if let Some(timing) = child.as_timing_control() {
                        self.triggers(timing, triggers)?;
                    }
                }
                Ok(())
            }
            TimingControlKind::SignalEvent => {
                let parts: Vec<Expression<'d>> = timing
                    .children()
                    .into_iter()
                    .filter_map(|child| child.as_expression())
                    .collect();
                let &[expression] = parts.as_slice() else {
                    return Err(Unsupported::new("an event with a condition"));
                };
                self.trigger(timing.edge(), expression, triggers)
            }
            _ => Err(Unsupported::new("an `always` without an event at its head")),
        }
    }

    /// An edge of an expression is one of its lowest bit (IEEE 1800-2017, 9.4.2).
    fn trigger(
        &mut self,
        edge: EdgeKind,
        expression: Expression<'d>,
        triggers: &mut Vec<Trigger>,
    ) -> Lowered<()> {
        if expression.constant_value().is_some() {
            return Ok(());
        }
        if let Some(symbol) =
            expression.referenced_symbol().filter(|_| super::super::expression::is_name(expression))
            && let Storage::Array { memory, .. } = self.storage(symbol)?
        {
            triggers.push(Trigger { slot: memory, watch: Watch::Memory });
            return Ok(());
        }
        let (slot, lsb, width) = self.watched(expression)?;
        let (rising, falling) = match edge {
            EdgeKind::None => {
                triggers.push(Trigger { slot, watch: Watch::Change { lsb, width } });
                return Ok(());
            }
            EdgeKind::PosEdge => (true, false),
            EdgeKind::NegEdge => (false, true),
            EdgeKind::BothEdges => (true, true),
        };
        triggers.push(Trigger { slot, watch: Watch::Edge { bit: lsb, rising, falling } });
        Ok(())
    }

    /// Bits of a variable: those that the expression names, or a variable made for its value.
    fn watched(&mut self, expression: Expression<'d>) -> Lowered<(Slot, u32, u32)> {
        let width = width_of(type_of(expression)?)?;
        // What the process lowered last knew at its end does not hold here.
        self.build.path.begin();
        if super::super::expression::root(expression)
            .is_some_and(|symbol| matches!(symbol.kind(), SymbolKind::Net | SymbolKind::Variable))
        {
            let (_, place) = self.block(|lowering| lowering.place(expression))?;
            if let Place::Bits { variable, part } = place
                && let Some(lsb) = part.fixed_within(self.build.width(variable))
            {
                return Ok((variable, lsb, width));
            }
        }
        let slot = self.build.variable(width, PowerUp::Unknown);
        self.drive(Place::whole(slot, width), |lowering| lowering.sized(expression, width))?;
        Ok((slot, 0, width))
    }
}
