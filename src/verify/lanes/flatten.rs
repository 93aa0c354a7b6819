//! From a program to its flat form.

use super::code::{
    Arms, Code, Destination, General, Instruction, Place, Read, Unit, Variable, Watch, What, Write,
};
use super::number::{limb_mask, limbs};
use crate::design::program::{
    self, Op, OpKind, Process, Program, Slot, Statement, Store, Target, Watcher,
};

impl Code {
    /// Makes a program ready to run.
    pub fn new(program: &Program) -> Code {
        let mut flattener = Flattener::new(program);
        for process in &program.processes {
            flattener.process(process);
        }
        flattener.code
    }
}

struct Flattener<'a> {
    program: &'a Program,
    code: Code,
    /// The first cell of each slot.
    cells: Vec<u32>,
}

impl<'a> Flattener<'a> {
    fn new(program: &'a Program) -> Flattener<'a> {
        let mut next = 0;
        let cells = program.widths.iter().map(|&width| {
            let first = next;
            next += limbs(width) as u32;
            first
        });
        let cells: Vec<u32> = cells.collect();
        let constants_start = cells.get(program.variables as usize).copied().unwrap_or(next);
        let constant = |constant: &program::Constant| {
            constant.value.iter().copied().zip(constant.unknown.iter().copied()).collect::<Vec<_>>()
        };
        let code = Code {
            instructions: Vec::new(),
            generals: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            arms: Vec::new(),
            variables: Vec::new(),
            watchers: Vec::new(),
            units: Vec::new(),
            memory_watchers: (0..program.memories.len() as u32)
                .map(|memory| program.memory_watchers(memory).collect())
                .collect(),
            constants: program.constants.iter().flat_map(constant).collect(),
            constants_start,
            cells: next,
            frames: 0,
            switches: 0,
            labels: program.labels,
            power_up: program.power_up.clone(),
            memories: program.memories.clone(),
            inputs: program.inputs.clone(),
            outputs: program.outputs.clone(),
        };
        let mut flattener = Flattener { program, code, cells };
        flattener.variables();
        flattener
    }

    fn variables(&mut self) {
        for variable in 0..self.program.variables {
            let place = self.place(variable);
            let first = self.code.watchers.len() as u32;
            for watcher in &self.program.watchers[variable as usize] {
                self.watcher(watcher);
            }
            let watchers = (first, self.code.watchers.len() as u32);
            self.code.variables.push(Variable { place, shadow: self.code.cells, watchers });
            self.code.cells += place.limbs;
        }
    }

    fn watcher(&mut self, watcher: &Watcher) {
        let process = watcher.process;
        match watcher.watch {
            program::Watch::Memory => {}
            program::Watch::Edge { bit, rising, falling } => {
                let what = What::Edge { bit: bit % 64, rising, falling };
                self.code.watchers.push(Watch { process, limb: bit / 64, what });
            }
            program::Watch::Change { lsb, width } => {
                for limb in lsb / 64..(lsb + width).div_ceil(64) {
                    let below = lsb.saturating_sub(64 * limb);
                    let mask = limb_mask(lsb + width, limb as usize) & !limb_mask(below, 0);
                    let what = What::Change(mask);
                    self.code.watchers.push(Watch { process, limb, what });
                }
            }
        }
    }

    fn place(&self, slot: Slot) -> Place {
        let width = self.program.widths[slot as usize];
        Place { cell: self.cells[slot as usize], limbs: limbs(width) as u32, width }
    }

    fn process(&mut self, process: &Process) {
        let start = self.here();
        let mut opened = Vec::new();
        opened_by(&process.body, &mut opened);
        opened.sort_unstable();
        opened.dedup();
        for &variable in &process.writes {
            self.emit(Instruction::Keep(variable));
        }
        for &variable in &opened {
            self.emit(Instruction::Open(variable));
        }
        self.body(&process.body);
        for &variable in &process.writes {
            self.emit(Instruction::Compare(variable));
        }
        self.emit(Instruction::End);
        let Process { kind, is_pure, restarts_itself, .. } = *process;
        let is_pure = is_pure && !loops(&process.body);
        self.code.units.push(Unit { kind, start, is_pure, restarts_itself });
    }

    fn here(&self) -> u32 {
        self.code.instructions.len() as u32
    }

    fn emit(&mut self, instruction: Instruction) -> u32 {
        self.code.instructions.push(instruction);
        self.here() - 1
    }

    fn body(&mut self, body: &[Statement]) {
        for statement in body {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Compute(op) => self.operation(op),
            Statement::Store(store) => self.store(store),
            Statement::If { condition, then, otherwise } => {
                self.branch(*condition, then, otherwise);
            }
            Statement::Switch(switch) => self.switch(switch),
            Statement::Block { label, body } => {
                self.emit(Instruction::Enter { label: *label });
                self.body(body);
                self.emit(Instruction::Leave { label: *label });
            }
            Statement::Loop { body } => {
                let start = self.here();
                self.body(body);
                self.emit(Instruction::Repeat { start });
            }
            Statement::Exit(label) => {
                self.emit(Instruction::Exit { label: *label });
            }
        }
    }

    fn operation(&mut self, op: &Op) {
        let dst = self.place(op.dst);
        if let OpKind::Read { memory, index } = op.kind {
            let index = self.place(index);
            self.code.reads.push(Read { dst, memory, index });
            self.emit(Instruction::Read(self.code.reads.len() as u32 - 1));
            return;
        }
        let operands = operands(&op.kind).iter().map(|&slot| self.place(slot)).collect();
        self.code.generals.push(General { kind: op.kind.clone(), dst, operands });
        self.emit(Instruction::General(self.code.generals.len() as u32 - 1));
    }

    fn store(&mut self, store: &Store) {
        let target = |slot: Slot| {
            let mut place = self.place(slot);
            if store.nonblocking {
                place.cell = self.code.variables[slot as usize].shadow;
            }
            place
        };
        let to = match store.target {
            Target::Whole(slot) => Destination::Part { variable: target(slot), lsb: 0 },
            Target::Part { variable, lsb } => Destination::Part { variable: target(variable), lsb },
            Target::Select { variable, offset } => {
                Destination::Select { variable: target(variable), offset: self.place(offset) }
            }
            Target::Word { memory, index, offset } => Destination::Word {
                memory,
                index: self.place(index),
                offset: offset.map(|offset| self.place(offset)),
            },
        };
        let value = self.place(store.value);
        self.code.writes.push(Write { to, value, nonblocking: store.nonblocking });
        self.emit(Instruction::Store(self.code.writes.len() as u32 - 1));
    }

    /// Two masks: lanes that wait for the other side, and those that ran the first.
    fn frame(&mut self) -> u32 {
        self.code.frames += 2;
        self.code.frames - 2
    }

    fn branch(&mut self, condition: Slot, then: &[Statement], otherwise: &[Statement]) {
        let frame = self.frame();
        let condition = self.place(condition).cell;
        let branch = self.emit(Instruction::Branch { condition, frame, otherwise: 0 });
        self.body(then);
        let between = self.emit(Instruction::Otherwise { frame, end: 0 });
        let second = self.here();
        self.body(otherwise);
        self.emit(Instruction::Meet { frame });
        let end = self.here();
        self.code.instructions[branch as usize] =
            Instruction::Branch { condition, frame, otherwise: second };
        self.code.instructions[between as usize] = Instruction::Otherwise { frame, end };
    }

    fn switch(&mut self, switch: &program::Switch) {
        let index = self.code.arms.len() as u32;
        let arms = Arms {
            selector: self.place(switch.selector),
            switch: program::Switch { arms: Vec::new(), ..switch.clone() },
            frame: self.frame(),
            chosen: self.code.switches,
            starts: Vec::new(),
            end: 0,
        };
        self.code.switches += 1;
        self.code.arms.push(arms);
        self.emit(Instruction::Switch(index));
        for arm in &switch.arms {
            let start = self.here();
            self.code.arms[index as usize].starts.push(start);
            self.body(arm);
            self.emit(Instruction::ArmEnd(index));
        }
        self.code.arms[index as usize].end = self.here();
    }
}

/// An operation's operands in the order of its fields.
fn operands(kind: &OpKind) -> Vec<Slot> {
    use OpKind as K;
    match kind {
        K::Concat(slots) => slots.clone(),
        &(K::Extend { a, .. } | K::Slice { a, .. } | K::Pull { a, .. }) => vec![a],
        &(K::Not(a) | K::Negate(a) | K::ReduceAnd(a) | K::ReduceOr(a) | K::ReduceXor(a)) => vec![a],
        &(K::Known(a) | K::IsUnknown(a) | K::CountOnes(a) | K::CeilLog2(a)) => vec![a],
        &(K::Select { a, offset: b }
        | K::And(a, b)
        | K::Or(a, b)
        | K::Xor(a, b)
        | K::Add(a, b)
        | K::Subtract(a, b)
        | K::Multiply(a, b)
        | K::Divide { a, b, .. }
        | K::Remainder { a, b, .. }
        | K::Power { a, b, .. }
        | K::ShiftLeft(a, b)
        | K::ShiftRight(a, b)
        | K::ShiftRightSigned(a, b)
        | K::Equal(a, b)
        | K::Same(a, b)
        | K::Matches(a, b)
        | K::CaseMatches { a, b, .. }
        | K::Less { a, b, .. }
        | K::Resolve { a, b, .. }
        | K::Gate { data: a, control: b }) => vec![a, b],
        &K::Mux { condition, a, b } => vec![condition, a, b],
        &K::Read { index, .. } => vec![index],
    }
}

/// Variables that have nonblocking writes in `body`.
fn opened_by(body: &[Statement], opened: &mut Vec<Slot>) {
    each_store(body, &mut |store| match store.target {
        Target::Whole(variable)
        | Target::Part { variable, .. }
        | Target::Select { variable, .. }
            if store.nonblocking =>
        {
            opened.push(variable);
        }
        _ => {}
    });
}

fn each_store(body: &[Statement], visit: &mut impl FnMut(&Store)) {
    for statement in body {
        match statement {
            Statement::Store(store) => visit(store),
            Statement::If { then, otherwise, .. } => {
                each_store(then, visit);
                each_store(otherwise, visit);
            }
            Statement::Switch(switch) => {
                for arm in &switch.arms {
                    each_store(arm, visit);
                }
            }
            Statement::Block { body, .. } | Statement::Loop { body } => each_store(body, visit),
            Statement::Compute(_) | Statement::Exit(_) => {}
        }
    }
}

fn loops(body: &[Statement]) -> bool {
    body.iter().any(|statement| match statement {
        Statement::Loop { .. } => true,
        Statement::If { then, otherwise, .. } => loops(then) || loops(otherwise),
        Statement::Switch(switch) => switch.arms.iter().any(|arm| loops(arm)),
        Statement::Block { body, .. } => loops(body),
        Statement::Compute(_) | Statement::Store(_) | Statement::Exit(_) => false,
    })
}
