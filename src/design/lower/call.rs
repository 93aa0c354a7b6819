//! Calls: functions and tasks are copied to where they are called, and system functions are operations.
//!
//! A static subroutine's locals keep their values from call to call, an automatic one's begin anew. Both have one place
//! in each process, so a subroutine that calls itself is not lowered, nor are calls nested deeply.

use sv_lang::kinds::{ExpressionKind, SymbolKind};
use sv_lang::{ArgumentDirection, Expression, Symbol, Type, VariableLifetime};

use super::super::program::{OpKind, Slot, Target};
use super::expression::{is_signed, type_of};
use super::{Frame, Lowered, Lowering, Unsupported, width_of};

/// Calls within calls at most.
const CALLS_MAX: usize = 32;

impl<'d> Lowering<'d> {
    /// The value of a call.
    pub(super) fn call(&mut self, call: Expression<'d>) -> Lowered<Slot> {
        if call.is_system_call() == Some(true) {
            return self.system_function(call);
        }
        let subroutine =
            call.call_subroutine().ok_or_else(|| Unsupported::new("a call of nothing"))?;
        self.inline(subroutine, call)?;
        let variable = subroutine
            .subroutine_return_val_var()
            .ok_or_else(|| Unsupported::new("the value of a task"))?;
        let slot = self.slot_of(variable)?;
        // Another call in the same expression changes the variable.
        self.build.copy(self.build.present(slot))
    }

    /// A call for its effect; a system task that only prints has none.
    pub(super) fn call_statement(&mut self, call: Expression<'d>) -> Lowered<()> {
        if call.is_system_call() == Some(true) {
            let name = call.call_subroutine_name().unwrap_or_default();
            return if super::super::refuse::only_prints(&name) {
                Ok(())
            } else {
                Err(Unsupported::new(format!("the task {name}")))
            };
        }
        let subroutine =
            call.call_subroutine().ok_or_else(|| Unsupported::new("a call of nothing"))?;
        self.inline(subroutine, call)
    }

    fn inline(&mut self, subroutine: Symbol<'d>, call: Expression<'d>) -> Lowered<()> {
        if subroutine.kind() != SymbolKind::Subroutine {
            return Err(Unsupported::new("a method"));
        }
        if self.frames.iter().any(|frame| frame.subroutine == subroutine) {
            return Err(Unsupported::new("a recursive function"));
        }
        if self.frames.len() >= CALLS_MAX {
            return Err(Unsupported::new("calls nested deeply"));
        }
        let formals: Vec<Symbol<'d>> = subroutine.subroutine_arguments().collect();
        let actuals = call.operands();
        if formals.len() != actuals.len() {
            return Err(Unsupported::new("a call with default arguments"));
        }
        let mut given = Vec::new();
        for (formal, actual) in formals.iter().zip(&actuals) {
            given.push(match formal.formal_argument_direction() {
                ArgumentDirection::In => Some(self.typed(*actual)?),
                ArgumentDirection::InOut => {
                    let left = left_of(*actual)?;
                    let value = self.typed(left)?;
                    Some(self.states(value, type_of(left)?, type_of_formal(*formal)?)?)
                }
                ArgumentDirection::Out => None,
                ArgumentDirection::Ref => return Err(Unsupported::new("a reference argument")),
            });
        }
        let returns = self.new_label();
        self.frames.push(Frame { subroutine, returns });
        let made = self.body(subroutine, &formals, &given, returns);
        let results = made.and_then(|()| self.results(&formals));
        self.frames.pop();
        for ((formal, actual), result) in formals.iter().zip(&actuals).zip(results?) {
            if let Some(slot) = result {
                let ty = type_of_formal(*formal)?;
                let left = left_of(*actual)?;
                let place = self.place(left)?;
                let value = self.build.resize(slot, width_of(type_of(left)?)?, ty.is_signed())?;
                let value = self.states(value, ty, type_of(left)?)?;
                self.write(&place, value, false)?;
            }
        }
        Ok(())
    }

    fn body(
        &mut self,
        subroutine: Symbol<'d>,
        formals: &[Symbol<'d>],
        given: &[Option<Slot>],
        returns: u32,
    ) -> Lowered<()> {
        let automatic =
            subroutine.subroutine_default_lifetime() == Some(VariableLifetime::Automatic);
        for (formal, value) in formals.iter().zip(given) {
            match value {
                Some(value) => {
                    let slot = self.slot_of(*formal)?;
                    let value = self.build.resize(*value, self.build.width(slot), false)?;
                    self.build.store(Target::Whole(slot), value, false);
                }
                None if automatic => self.begin_anew(*formal)?,
                None => {}
            }
        }
        for member in subroutine.members() {
            if member.kind() == SymbolKind::Variable && !formals.contains(&member) {
                self.local(member)?;
            }
        }
        let (blocks, loops) = (std::mem::take(&mut self.blocks), std::mem::take(&mut self.loops));
        let made = self.labelled(returns, |lowering| match subroutine.body() {
            Some(body) => lowering.statement(body),
            None => Ok(()),
        });
        (self.blocks, self.loops) = (blocks, loops);
        made
    }

    /// What the arguments that go out hold.
    fn results(&mut self, formals: &[Symbol<'d>]) -> Lowered<Vec<Option<Slot>>> {
        let result = |formal: &Symbol<'d>| match formal.formal_argument_direction() {
            ArgumentDirection::In => Ok(None),
            _ => self.slot_of(*formal).map(Some),
        };
        formals.iter().map(result).collect()
    }

    fn system_function(&mut self, call: Expression<'d>) -> Lowered<Slot> {
        let name = call.call_subroutine_name().unwrap_or_default();
        let width = width_of(type_of(call)?)?;
        let operands = call.operands();
        let unsupported = || Unsupported::new(format!("the function {name}"));
        let &[operand] = operands.as_slice() else { return Err(unsupported()) };
        match name.as_str() {
            "$signed" | "$unsigned" => {
                let value = self.value(operand)?;
                self.build.resize(value, width, is_signed(operand))
            }
            "$clog2" => {
                let a = self.value(operand)?;
                self.build.emit(width, OpKind::CeilLog2(a))
            }
            "$countones" => {
                let a = self.value(operand)?;
                self.build.emit(width, OpKind::CountOnes(a))
            }
            "$onehot" | "$onehot0" => {
                let a = self.value(operand)?;
                let count = self.build.emit(32, OpKind::CountOnes(a))?;
                let one = self.build.number(32, 1);
                let kind = if name == "$onehot" {
                    OpKind::Equal(count, one)
                } else {
                    let two = self.build.number(32, 2);
                    OpKind::Less { a: count, b: two, signed: false }
                };
                self.build.emit(1, kind)
            }
            "$isunknown" => {
                let a = self.value(operand)?;
                self.build.emit(1, OpKind::IsUnknown(a))
            }
            _ => Err(unsupported()),
        }
    }
}

fn type_of_formal(formal: Symbol<'_>) -> Lowered<Type<'_>> {
    formal.value_type().ok_or_else(|| Unsupported::new("an argument without type"))
}

/// The left side of an argument that goes out, which slang has as an assignment.
pub(super) fn left_of(actual: Expression<'_>) -> Lowered<Expression<'_>> {
    if actual.kind() == ExpressionKind::Assignment {
        actual.left().ok_or_else(|| Unsupported::new("an assignment without sides"))
    } else {
        Ok(actual)
    }
}
