//! Gates: a primitive instance is a continuous assignment to its output terminals (IEEE 1800-2017, clause 28).

use sv_lang::kinds::ExpressionKind;
use sv_lang::{Expression, Symbol};

use super::super::program::{OpKind, Slot};
use super::call::left_of;
use super::expression::type_of;
use super::{Lowered, Lowering, Unsupported, width_of};

impl<'d> Lowering<'d> {
    pub(super) fn gate(&mut self, gate: Symbol<'d>) -> Lowered<()> {
        let strength = gate.primitive_instance_drive_strength();
        if strength.strength0.is_some() || strength.strength1.is_some() {
            return Err(Unsupported::new("a drive strength"));
        }
        // The kind of a gate is in the syntax alone: the first word of its declaration.
        let declaration =
            self.tree.as_ref().and_then(|tree| gate.syntax(tree)).and_then(|node| node.parent());
        let name = declaration
            .and_then(|declaration| declaration.first_token())
            .map_or_else(String::new, |token| token.text().to_owned());
        let (mut outputs, mut inputs) = (Vec::new(), Vec::new());
        for connection in gate.primitive_instance_port_connections() {
            if connection.kind() == ExpressionKind::Assignment {
                outputs.push(left_of(connection)?);
            } else {
                inputs.push(connection);
            }
        }
        for output in outputs {
            let process = self.process(super::Kind::Combinational, true, |lowering| {
                let value = lowering.gate_value(&name, &inputs)?;
                // Of a vector at the terminal, which is one bit wide, the others are 0, as in an assignment.
                let value = lowering.build.resize(value, width_of(type_of(output)?)?, false)?;
                let place = lowering.place(output)?;
                lowering.write(&place, value, false)
            })?;
            self.drivers_of(process);
        }
        Ok(())
    }

    fn gate_value(&mut self, name: &str, inputs: &[Expression<'d>]) -> Lowered<Slot> {
        let mut bits = Vec::new();
        for &input in inputs {
            let value = self.value(input)?;
            // A terminal is one bit wide.
            bits.push(self.build.slice(value, 0, 1)?);
        }
        match (name, bits.as_slice()) {
            ("and" | "nand" | "or" | "nor" | "xor" | "xnor", [first, rest @ ..]) => {
                let mut value = *first;
                for &bit in rest {
                    let kind = match name {
                        "and" | "nand" => OpKind::And(value, bit),
                        "or" | "nor" => OpKind::Or(value, bit),
                        _ => OpKind::Xor(value, bit),
                    };
                    value = self.build.emit(1, kind)?;
                }
                match name {
                    "nand" | "nor" | "xnor" => self.build.not(value),
                    _ => self.strong(value),
                }
            }
            ("buf", &[input]) => self.strong(input),
            ("not", &[input]) => self.build.not(input),
            ("bufif1", &[data, control]) => self.gated(data, control),
            ("bufif0", &[data, control]) => {
                let control = self.build.not(control)?;
                self.gated(data, control)
            }
            ("notif1", &[data, control]) => {
                let data = self.build.not(data)?;
                self.gated(data, control)
            }
            ("notif0", &[data, control]) => {
                let data = self.build.not(data)?;
                let control = self.build.not(control)?;
                self.gated(data, control)
            }
            _ => Err(Unsupported::new(format!("the gate {name}"))),
        }
    }

    fn gated(&mut self, data: Slot, control: Slot) -> Lowered<Slot> {
        let data = self.strong(data)?;
        self.build.emit(1, OpKind::Gate { data, control })
    }

    /// A gate gives x where a terminal is z.
    fn strong(&mut self, value: Slot) -> Lowered<Slot> {
        self.build.emit(1, OpKind::Or(value, value))
    }
}
