//! From a program to its flat form: units, what they watch, and their statements.

use super::code::{
    Arms, Code, Condition, Destination, Instruction, Place, Put, Unit, Variable, Watch, What, Write,
};
use super::known::{Unknown, Uses, each, variable};
use super::lives::{Lives, Stack};
use super::number::{limb_mask, limbs};
use super::units::{Group, groups, statements};
use crate::design::program::{self, Program, Slot, Statement, Store, Target, Trigger};

/// Statements of a branch that is not jumped over.
const SHORT_MAX: usize = 6;

impl Code {
    /// Makes a program ready to run.
    pub fn new(program: &Program) -> Code {
        let groups = groups(program);
        let mut flattener = Flattener::new(program, Lives::of(program, &groups));
        flattener.variables(&groups);
        for (number, group) in (0..).zip(&groups) {
            flattener.unit(number, group);
        }
        flattener.code
    }
}

/// A cell that a temporary does not have yet.
pub(super) const NOWHERE: u32 = u32::MAX;

pub(super) struct Flattener<'a> {
    pub program: &'a Program,
    pub code: Code,
    /// Whether the code is the one for known values.
    pub mode_is_known: bool,
    /// What may be unknown in that.
    pub unknown: Unknown,
    /// The first cell of each slot.
    pub cells: Vec<u32>,
    /// Temporaries that have one.
    pub placed: Vec<Slot>,
    /// How long temporaries live, and the statements that have begun.
    pub lives: Lives,
    pub now: u32,
    /// Cells of temporaries of which only the value plane is ever written, from `known_start`.
    pub known: Stack,
    /// Cells of those with both planes, from `both_start`, above the others.
    pub both: Stack,
    pub known_start: u32,
    pub both_start: u32,
    /// How often this unit writes each variable.
    pub stores: Vec<u32>,
    /// Variables that this unit writes at once, with one instruction.
    assigned: Vec<Slot>,
    unit: u32,
    restarts_itself: bool,
}

impl<'a> Flattener<'a> {
    fn new(program: &'a Program, lives: Lives) -> Flattener<'a> {
        let mut next = 0;
        let mut cells = vec![NOWHERE; program.widths.len()];
        let variables = program.variables as usize;
        let fixed = variables + program.constants.len();
        let mut constants_start = 0;
        for (slot, &width) in program.widths[..fixed].iter().enumerate() {
            if slot == variables {
                constants_start = next;
            }
            cells[slot] = next;
            next += limbs(width) as u32;
        }
        let constant = |constant: &program::Constant| {
            constant.value.iter().copied().zip(constant.unknown.iter().copied()).collect::<Vec<_>>()
        };
        let is_input =
            |(_, slot): &(String, u32)| program.inputs.iter().any(|(_, input)| input == slot);
        let code = Code {
            passes: program.outputs.iter().any(is_input),
            constants: program.constants.iter().flat_map(constant).collect(),
            constants_start,
            labels: program.labels,
            power_up: program.power_up.clone(),
            memories: program.memories.clone(),
            inputs: program.inputs.clone(),
            outputs: program.outputs.clone(),
            ..Code::default()
        };
        Flattener {
            program,
            code,
            mode_is_known: false,
            unknown: Unknown::constants(program),
            cells,
            placed: Vec::new(),
            lives,
            now: 0,
            known: Stack::default(),
            both: Stack::default(),
            // Shadows come first.
            known_start: next,
            both_start: 0,
            stores: vec![0; variables],
            assigned: Vec::new(),
            unit: 0,
            restarts_itself: false,
        }
    }

    /// Places the shadows and lists the watchers.
    fn variables(&mut self, groups: &[Group]) {
        let program = self.program;
        let mut watchers = vec![Vec::new(); program.variables as usize];
        self.code.memory_watchers = vec![Vec::new(); program.memories.len()];
        for (unit, group) in (0..).zip(groups) {
            // Bits that the unit itself writes, in time for those of its processes that read them.
            let is_own = |trigger: &Trigger| {
                let written = |at: usize| {
                    let words = |&m: &usize| program.processes[m].written_of(trigger.slot).get(at);
                    group.members.iter().filter_map(words).fold(0, |all, word| all | word)
                };
                group.members.len() > 1
                    && trigger.watch.words().all(|(at, mask)| mask & !written(at) == 0)
            };
            for trigger in group.members.iter().flat_map(|&m| &program.processes[m].triggers) {
                if trigger.watch == program::Watch::Memory {
                    let list = &mut self.code.memory_watchers[trigger.slot as usize];
                    if !list.contains(&unit) {
                        list.push(unit);
                    }
                } else if !(group.is_pure && is_own(trigger)) {
                    watch(&mut watchers[trigger.slot as usize], unit, trigger);
                }
            }
        }
        self.code.heard = vec![0; (program.variables as usize).div_ceil(64)];
        for group in groups.iter().filter(|group| group.kind == program::Kind::Triggered) {
            for trigger in group.members.iter().flat_map(|&m| &program.processes[m].triggers) {
                if trigger.watch != program::Watch::Memory {
                    self.code.heard[trigger.slot as usize / 64] |= 1 << (trigger.slot % 64);
                }
            }
        }
        let (mut end, mut next) = (0, self.known_start);
        for variable in 0..program.variables {
            let place = self.place(variable);
            let list = &watchers[variable as usize];
            let watchers = (end, end + list.len() as u32);
            end = watchers.1;
            self.code.watchers.extend(list);
            self.code.variables.push(Variable { place, shadow: next, watchers });
            let is_output = program.outputs.iter().any(|&(_, slot)| slot == variable);
            self.code.is_read.push(is_output || !list.is_empty() || self.lives.is_read(variable));
            next += place.limbs;
        }
        self.known_start = next;
        self.both_start = next + self.lives.cells;
        self.code.cells = self.both_start + self.lives.cells;
    }

    pub fn place(&self, slot: Slot) -> Place {
        let width = self.program.widths[slot as usize];
        Place { cell: self.cells[slot as usize], limbs: limbs(width) as u32, width }
    }

    /// Whether the present statement need not look at a slot's unknown plane.
    pub fn is_known(&self, slot: Slot) -> bool {
        self.mode_is_known && !self.unknown.is_read(self.program, self.now, slot)
    }

    /// Whether the unit writes known values alone to a variable.
    pub fn stays_known(&self, variable: Slot) -> bool {
        self.mode_is_known && !self.unknown.slots[variable as usize]
    }

    fn unit(&mut self, number: u32, group: &Group) {
        let program = self.program;
        let bodies: Vec<&[Statement]> =
            group.members.iter().map(|&member| &program.processes[member].body[..]).collect();
        self.unit = number;
        self.restarts_itself = group.restarts_itself;
        let uses = Uses::of(program, &bodies);
        let mut writes: Vec<Slot> =
            group.members.iter().flat_map(|&m| program.processes[m].writes.clone()).collect();
        writes.sort_unstable();
        writes.dedup();
        self.count_stores(&bodies);
        self.mode_is_known = false;
        let start = self.code_of(&bodies, &writes, &uses);
        self.mode_is_known = true;
        self.unknown.find(program, &bodies, self.lives.starts[number as usize]);
        let known_start = self.code_of(&bodies, &writes, &uses);
        let needs = self.needs(&uses);
        self.unknown.forget(&uses);
        uses.variables.iter().for_each(|&variable| self.stores[variable as usize] = 0);
        let Group { kind, is_pure, restarts_itself, waits_for_edge, .. } = *group;
        let unit =
            Unit { kind, start, known_start, needs, is_pure, restarts_itself, waits_for_edge };
        self.code.units.push(unit);
    }

    fn count_stores(&mut self, bodies: &[&[Statement]]) {
        for body in bodies {
            each(body, &mut |statement| {
                if let Statement::Store(store) = statement
                    && let Some(variable) = variable(store)
                {
                    self.stores[variable as usize] += 1;
                }
            });
        }
    }

    /// The bits of the set of unknown variables that must be 0 for the code of known values.
    fn needs(&mut self, uses: &Uses) -> (u32, u32) {
        let first = self.code.needs.len() as u32;
        let unknown = &self.unknown;
        // What is written alone is left as it is where both planes are written.
        let matters = |slot: &&Slot| {
            !unknown.left.contains(*slot)
                && (!unknown.slots[**slot as usize] || uses.read.contains(*slot))
        };
        let stays_known = |slot: &&Slot| !unknown.slots[**slot as usize];
        let shadows = uses.opened.iter().filter(stays_known);
        let bits: Vec<u32> = uses
            .variables
            .iter()
            .filter(matters)
            .copied()
            .chain(shadows.map(|slot| self.program.variables + slot))
            .collect();
        for bit in bits {
            let (word, mask) = (bit / 64, 1 << (bit % 64));
            match self.code.needs[first as usize..].last_mut() {
                Some((last, bits)) if *last == word => *bits |= mask,
                _ => self.code.needs.push((word, mask)),
            }
        }
        (first, self.code.needs.len() as u32)
    }

    fn code_of(&mut self, bodies: &[&[Statement]], writes: &[Slot], uses: &Uses) -> u32 {
        for slot in self.placed.drain(..) {
            self.cells[slot as usize] = NOWHERE;
        }
        self.known.empty();
        self.both.empty();
        self.now = self.lives.starts[self.unit as usize];
        let start = self.here();
        self.assigned = self.assigned_by(bodies);
        let compared: Vec<Slot> = writes
            .iter()
            .copied()
            .filter(|slot| self.is_watched(*slot) && !self.assigned.contains(slot))
            .collect();
        for &variable in &compared {
            self.emit(Instruction::Keep { variable, is_known: self.stays_known(variable) });
        }
        for &variable in &uses.opened {
            self.emit(Instruction::Open { variable, is_known: self.stays_known(variable) });
        }
        for body in bodies {
            self.body(body, true);
        }
        for &variable in &compared {
            self.emit(Instruction::Compare { variable, is_known: self.stays_known(variable) });
        }
        for &variable in writes {
            if !self.stays_known(variable) && !self.assigned.contains(&variable) {
                self.emit(Instruction::Note { variable });
            }
        }
        self.emit(Instruction::End);
        start
    }

    /// Variables of one cell that are written once, as a whole, in every run.
    fn assigned_by(&self, bodies: &[&[Statement]]) -> Vec<Slot> {
        let mut assigned = Vec::new();
        for statement in bodies.iter().flat_map(|body| body.iter()) {
            if let Statement::Store(Store {
                target: Target::Whole(slot), nonblocking: false, ..
            }) = *statement
                && self.stores[slot as usize] == 1
                && self.program.widths[slot as usize] <= 64
            {
                assigned.push(slot);
            }
        }
        assigned
    }

    /// Whether a change of a variable by this unit starts anything.
    fn is_watched(&self, variable: Slot) -> bool {
        let (first, end) = self.code.variables[variable as usize].watchers;
        self.code.watchers[first as usize..end as usize]
            .iter()
            .any(|watch| watch.unit != self.unit || self.restarts_itself)
    }

    fn here(&self) -> u32 {
        self.code.instructions.len() as u32
    }

    pub fn emit(&mut self, instruction: Instruction) -> u32 {
        self.code.instructions.push(instruction);
        self.here() - 1
    }

    /// `is_outermost`: all lanes of the unit are sure to run it.
    fn body(&mut self, body: &[Statement], is_outermost: bool) {
        for statement in body {
            self.statement(statement, is_outermost);
        }
    }

    fn statement(&mut self, statement: &Statement, is_outermost: bool) {
        self.now += 1;
        match statement {
            Statement::Compute(op) => self.operation(op),
            Statement::Store(store) => self.store(store, is_outermost),
            Statement::If { condition, then, otherwise } => {
                let size = statements(then) + statements(otherwise);
                if size <= SHORT_MAX && is_plain(then) && is_plain(otherwise) {
                    self.short_branch(*condition, then, otherwise);
                } else {
                    self.branch(*condition, then, otherwise);
                }
            }
            Statement::Switch(switch) => self.switch(switch),
            Statement::Block { label, body } => {
                self.emit(Instruction::Enter { label: *label });
                self.body(body, false);
                self.emit(Instruction::Leave { label: *label });
            }
            Statement::Loop { body } => {
                let start = self.here();
                self.body(body, false);
                self.emit(Instruction::Repeat { start });
            }
            Statement::Exit(label) => {
                self.emit(Instruction::Exit { label: *label });
            }
        }
    }

    fn store(&mut self, store: &Store, is_outermost: bool) {
        let value = self.place(store.value);
        let target = variable(store).map(|slot| {
            let mut place = self.place(slot);
            if store.nonblocking {
                place.cell = self.code.variables[slot as usize].shadow;
            }
            (slot, place)
        });
        let is_known =
            target.is_some_and(|(slot, _)| self.stays_known(slot)) && self.is_known(store.value);
        let to = match (&store.target, target) {
            (Target::Whole(slot), Some(_)) if is_outermost && self.assigned.contains(slot) => {
                let (variable, value) = (*slot, value.cell);
                self.emit(match (is_known, self.is_watched(variable)) {
                    (true, true) => Instruction::AssignKnown { variable, value },
                    (true, false) => {
                        Instruction::PutKnown(Put { to: self.place(variable).cell, value })
                    }
                    (false, _) => Instruction::Assign { variable, value },
                });
                return;
            }
            (Target::Whole(_), Some((_, place))) => return self.put_all(place, value, is_known),
            (&Target::Part { lsb, .. }, Some((_, place))) => {
                let shift = lsb % 64;
                if shift + value.width <= 64 {
                    let to = place.cell + lsb / 64;
                    return self.put_part(to, value, shift as u8, is_known);
                }
                Destination::Part { variable: place, lsb }
            }
            (&Target::Select { offset, .. }, Some((_, place))) => {
                Destination::Select { variable: place, offset: self.place(offset) }
            }
            (&Target::Word { memory, index, offset }, _) => Destination::Word {
                memory,
                index: self.place(index),
                offset: offset.map(|offset| self.place(offset)),
            },
            (_, None) => unreachable!("all other targets are variables"),
        };
        self.code.writes.push(Write { to, value, nonblocking: store.nonblocking });
        self.emit(Instruction::Store(self.code.writes.len() as u32 - 1));
    }

    fn put_all(&mut self, place: Place, value: Place, is_known: bool) {
        for limb in 0..place.limbs {
            let put = Put { to: place.cell + limb, value: value.cell + limb };
            self.emit(match is_known {
                true => Instruction::PutKnown(put),
                false => Instruction::Put(put),
            });
        }
    }

    fn put_part(&mut self, to: u32, value: Place, shift: u8, is_known: bool) {
        let mask = limb_mask(value.width, 0) << shift;
        let put = Put { to, value: value.cell };
        self.emit(match is_known {
            true => Instruction::PutPartKnown(put, shift, mask),
            false => Instruction::PutPart(put, shift, mask),
        });
    }

    /// Two masks: lanes that wait for the other side, and those that ran the first.
    fn frame(&mut self) -> u32 {
        self.code.frames += 2;
        self.code.frames - 2
    }

    fn condition(&mut self, slot: Slot) -> Condition {
        let (frame, is_known) = (self.frame(), self.is_known(slot));
        Condition { cell: self.place(slot).cell, frame, is_known }
    }

    fn branch(&mut self, condition: Slot, then: &[Statement], otherwise: &[Statement]) {
        let condition = self.condition(condition);
        let frame = condition.frame;
        let branch = |otherwise| Instruction::Branch { condition, otherwise };
        let at = self.emit(branch(0));
        self.body(then, false);
        let between = self.emit(Instruction::Otherwise { frame, end: 0 });
        self.code.instructions[at as usize] = branch(self.here());
        self.body(otherwise, false);
        self.emit(Instruction::Meet { frame });
        self.code.instructions[between as usize] =
            Instruction::Otherwise { frame, end: self.here() };
    }

    fn short_branch(&mut self, condition: Slot, then: &[Statement], otherwise: &[Statement]) {
        let condition = self.condition(condition);
        let frame = condition.frame;
        self.emit(Instruction::Narrow(condition));
        self.body(then, false);
        if !otherwise.is_empty() {
            self.emit(Instruction::Invert { frame });
            self.body(otherwise, false);
        }
        self.emit(Instruction::Widen { frame });
    }

    fn switch(&mut self, switch: &program::Switch) {
        let index = self.code.arms.len() as u32;
        let arms = Arms {
            selector: self.place(switch.selector),
            is_known: self.is_known(switch.selector),
            switch: program::Switch {
                selector: switch.selector,
                wildcards: switch.wildcards,
                items: switch.items.clone(),
                arms: Vec::new(),
                table: switch.table.clone(),
            },
            frame: self.frame(),
            chosen: self.code.switches,
            starts: Vec::with_capacity(switch.arms.len()),
            end: 0,
        };
        self.code.switches += 1;
        self.code.arms.push(arms);
        self.emit(Instruction::Switch(index));
        for arm in &switch.arms {
            let start = self.here();
            self.code.arms[index as usize].starts.push(start);
            self.body(arm, false);
            self.emit(Instruction::ArmEnd(index));
        }
        self.code.arms[index as usize].end = self.here();
    }
}

/// Adds a trigger to a variable's watchers, one for each limb that it touches.
fn watch(watchers: &mut Vec<Watch>, unit: u32, trigger: &Trigger) {
    let mut add = |limb, what| {
        let same = |watch: &&mut Watch| watch.unit == unit && watch.limb == limb;
        if let What::Change(mask) = what
            && let Some(Watch { what: What::Change(old), .. }) =
                watchers.iter_mut().filter(|watch| matches!(watch.what, What::Change(_))).find(same)
        {
            *old |= mask;
        } else if !watchers.contains(&Watch { unit, limb, what }) {
            watchers.push(Watch { unit, limb, what });
        }
    };
    match trigger.watch {
        program::Watch::Memory => {}
        program::Watch::Edge { bit, rising, falling } => {
            add(bit / 64, What::Edge { bit: bit % 64, rising, falling });
        }
        program::Watch::Change { .. } => {
            trigger.watch.words().for_each(|(limb, mask)| add(limb as u32, What::Change(mask)));
        }
    }
}

/// Whether these statements do nothing but compute and write, under further conditions at most.
fn is_plain(body: &[Statement]) -> bool {
    body.iter().all(|statement| match statement {
        Statement::Compute(_) | Statement::Store(_) => true,
        Statement::If { then, otherwise, .. } => is_plain(then) && is_plain(otherwise),
        _ => false,
    })
}
