//! A second engine for the same programs: one lane, values as text, the tree of statements walked as it stands. Slow,
//! and nothing in common with the fast one but the rules, so that each is a check of the other.

use std::collections::{BTreeSet, HashMap};

use salv::design::program::{
    Kind, Label, OpKind, PowerUp, Program, Slot, Statement, Store, Switch, Target, Watch, Wildcards,
};
use salv::verify::lanes::{Bounds, Stop};

use super::oracle::{self, Bits};

pub struct Reference<'a> {
    program: &'a Program,
    bounds: Bounds,
    pub values: Vec<Bits>,
    pub memories: Vec<Vec<Bits>>,
    started: BTreeSet<usize>,
    round: BTreeSet<usize>,
    later: Vec<Write>,
    pub optimistic: bool,
    pub stopped: Option<Stop>,
    runs: u64,
    iterations_of_step: u64,
    iterations_of_episode: u64,
}

/// A write with all that it depends on read: the variable or word, the lowest bit, and the bits.
#[derive(Clone)]
struct Write {
    to: To,
    lsb: i128,
    value: Bits,
}

#[derive(Clone, Copy)]
enum To {
    Variable(Slot),
    Word(u32, usize),
}

/// Why a statement did not go on to the next.
enum Left {
    Block(Label),
    Stopped,
}

impl<'a> Reference<'a> {
    pub fn new(program: &'a Program, bounds: Bounds) -> Reference<'a> {
        let widths = program.widths.iter().map(|&width| width as usize);
        let mut values: Vec<Bits> = widths.map(|width| vec![b'x'; width]).collect();
        for (value, how) in values.iter_mut().zip(&program.power_up) {
            value.fill(match how {
                PowerUp::Unknown => b'x',
                PowerUp::HighImpedance => b'z',
                PowerUp::Zero => b'0',
            });
        }
        for (at, constant) in program.constants.iter().enumerate() {
            let value = &mut values[program.variables as usize + at];
            for (at, bit) in value.iter_mut().enumerate() {
                let of = |plane: &[u64]| plane[at / 64] >> (at % 64) & 1;
                *bit = b"01xz"[(of(&constant.value) + 2 * of(&constant.unknown)) as usize];
            }
        }
        let memories = program.memories.iter().map(|memory| {
            let bit = if memory.power_up == PowerUp::Zero { b'0' } else { b'x' };
            vec![vec![bit; memory.width as usize]; memory.words as usize]
        });
        let mut reference = Reference {
            program,
            bounds,
            values,
            memories: memories.collect(),
            started: BTreeSet::new(),
            round: BTreeSet::new(),
            later: Vec::new(),
            optimistic: false,
            stopped: None,
            runs: 0,
            iterations_of_step: 0,
            iterations_of_episode: 0,
        };
        reference.begin();
        reference
    }

    fn begin(&mut self) {
        for (at, process) in self.program.processes.iter().enumerate() {
            if process.kind == Kind::Declaration {
                self.run(at);
            }
        }
        self.started = (0..self.program.processes.len())
            .filter(|&at| {
                matches!(self.program.processes[at].kind, Kind::Initial | Kind::Combinational)
            })
            .collect();
    }

    pub fn set_input(&mut self, port: usize, value: Bits) {
        self.assign(self.program.inputs[port].1, value, None);
    }

    pub fn settle(&mut self) {
        (self.runs, self.iterations_of_step) = (0, 0);
        let limit = self.bounds.runs_of_process * (self.program.processes.len() as u64 + 10);
        while self.stopped.is_none() {
            if let Some(process) = self.next() {
                self.runs += 1;
                if self.runs > limit {
                    self.stopped = Some(Stop::NotSettled);
                }
                self.run(process);
            } else if self.later.is_empty() {
                return;
            } else {
                self.write_later();
            }
        }
    }

    fn next(&mut self) -> Option<usize> {
        if let Some(process) = self.round.pop_first() {
            return Some(process);
        }
        for kind in [Kind::Initial, Kind::Combinational] {
            let is_such = |&&at: &&usize| self.program.processes[at].kind == kind;
            if let Some(&process) = self.started.iter().find(is_such) {
                self.started.remove(&process);
                return Some(process);
            }
        }
        self.round = std::mem::take(&mut self.started);
        self.round.pop_first()
    }

    /// What was written takes effect in order; a variable that ends as it was has not changed.
    fn write_later(&mut self) {
        let before = self.values.clone();
        let writes = std::mem::take(&mut self.later);
        for write in &writes {
            match write.to {
                To::Variable(_) => self.put(write),
                To::Word(..) => {}
            }
        }
        let after = std::mem::replace(&mut self.values, before);
        for variable in 0..self.program.variables {
            self.assign(variable, after[variable as usize].clone(), None);
        }
        for write in writes.iter().filter(|write| matches!(write.to, To::Word(..))) {
            self.write_word(write, None);
        }
    }

    fn run(&mut self, process: usize) {
        let program = self.program;
        let before = self.values.clone();
        // Whether it left by a stop makes no difference: a stopped lane is compared no more.
        let _ = self.body(&program.processes[process].body, process);
        let but = (!program.processes[process].restarts_itself).then_some(process);
        for &variable in &program.processes[process].writes {
            let after = self.values[variable as usize].clone();
            self.values[variable as usize].clone_from(&before[variable as usize]);
            self.assign(variable, after, but);
        }
    }

    /// Gives a variable its next value and starts what watches it.
    fn assign(&mut self, variable: Slot, next: Bits, but: Option<usize>) {
        let old = std::mem::replace(&mut self.values[variable as usize], next.clone());
        for (at, process) in self.program.processes.iter().enumerate() {
            for trigger in process.triggers.iter().filter(|trigger| trigger.slot == variable) {
                let is_seen = match trigger.watch {
                    Watch::Memory => false,
                    Watch::Change { lsb, width } => {
                        let bits = lsb as usize..(lsb + width) as usize;
                        old[bits.clone()] != next[bits]
                    }
                    Watch::Edge { bit, rising, falling } => self.edge(
                        old[bit as usize],
                        next[bit as usize],
                        rising,
                        falling,
                        but == Some(at),
                    ),
                };
                if is_seen && but != Some(at) {
                    self.start(at);
                }
            }
        }
    }

    /// IEEE 1800-2017, table 9-2.
    fn edge(&mut self, old: u8, new: u8, rising: bool, falling: bool, is_own: bool) -> bool {
        let is_unknown = |bit: u8| bit == b'x' || bit == b'z';
        self.optimistic |= !is_own && old != new && (is_unknown(old) || is_unknown(new));
        match (old, new) {
            (b'0', b'1') => rising,
            (b'1', b'0') => falling,
            (b'0', b'x' | b'z') | (b'x' | b'z', b'1') => rising,
            (b'1', b'x' | b'z') | (b'x' | b'z', b'0') => falling,
            _ => false,
        }
    }

    fn start(&mut self, process: usize) {
        if !self.round.contains(&process) {
            self.started.insert(process);
        }
    }

    fn body(&mut self, body: &[Statement], process: usize) -> Result<(), Left> {
        body.iter().try_for_each(|statement| self.statement(statement, process))
    }

    fn statement(&mut self, statement: &Statement, process: usize) -> Result<(), Left> {
        match statement {
            Statement::Compute(op) => {
                let width = self.program.widths[op.dst as usize] as usize;
                self.values[op.dst as usize] = self.compute(&op.kind, width);
                Ok(())
            }
            Statement::Store(store) => {
                self.store(store, process);
                Ok(())
            }
            Statement::If { condition, then, otherwise } => {
                let bit = self.values[*condition as usize][0];
                self.optimistic |= bit != b'0' && bit != b'1';
                self.body(if bit == b'1' { then } else { otherwise }, process)
            }
            Statement::Switch(switch) => {
                let arm = self.arm(switch);
                self.body(&switch.arms[arm], process)
            }
            Statement::Block { label, body } => match self.body(body, process) {
                Err(Left::Block(left)) if left == *label => Ok(()),
                other => other,
            },
            Statement::Loop { body } => loop {
                self.body(body, process)?;
                self.iterations_of_step += 1;
                self.iterations_of_episode += 1;
                if self.iterations_of_step > self.bounds.iterations_of_step
                    || self.iterations_of_episode > self.bounds.iterations_of_episode
                {
                    self.stopped = Some(Stop::Loop);
                    return Err(Left::Stopped);
                }
            },
            Statement::Exit(label) => Err(Left::Block(*label)),
        }
    }

    fn compute(&self, kind: &OpKind, width: usize) -> Bits {
        if let OpKind::Read { memory, index } = *kind {
            let words = &self.memories[memory as usize];
            let word = self.number(index).and_then(|index| words.get(usize::try_from(index).ok()?));
            return word.cloned().unwrap_or(vec![b'x'; width]);
        }
        let operands: Vec<Bits> =
            operands(kind).iter().map(|&slot| self.values[slot as usize].clone()).collect();
        oracle::evaluate(kind, &operands, width)
    }

    fn number(&self, slot: Slot) -> Option<i128> {
        oracle::signed(&self.values[slot as usize])
    }

    fn arm(&mut self, switch: &Switch) -> usize {
        let selector = self.values[switch.selector as usize].clone();
        self.optimistic |= selector.iter().any(|bit| !b"01".contains(bit));
        let matches = |&&(value, care, _): &&(u64, u64, u32)| {
            selector.iter().enumerate().all(|(at, &bit)| {
                let (item, counts) = (b'0' + (value >> at & 1) as u8, care >> at & 1 == 1);
                let is_wild = match switch.wildcards {
                    Wildcards::None => false,
                    Wildcards::Z => bit == b'z',
                    Wildcards::Unknown => bit == b'z' || bit == b'x',
                };
                !counts || is_wild || bit == item
            })
        };
        let default = switch.arms.len() - 1;
        switch.items.iter().find(matches).map_or(default, |&(_, _, arm)| arm as usize)
    }

    fn store(&mut self, store: &Store, process: usize) {
        let (to, lsb) = match store.target {
            Target::Whole(variable) => (Some(To::Variable(variable)), Some(0)),
            Target::Part { variable, lsb } => (Some(To::Variable(variable)), Some(lsb.into())),
            Target::Select { variable, offset } => {
                (Some(To::Variable(variable)), self.number(offset))
            }
            Target::Word { memory, index, offset } => {
                let words = self.memories[memory as usize].len();
                let index = self.number(index).and_then(|index| usize::try_from(index).ok());
                let index = index.filter(|&index| index < words);
                let lsb = offset.map_or(Some(0), |offset| self.number(offset));
                (index.map(|index| To::Word(memory, index)), lsb)
            }
        };
        let (Some(to), Some(lsb)) = (to, lsb) else { return };
        let write = Write { to, lsb, value: self.values[store.value as usize].clone() };
        let but = (!self.program.processes[process].restarts_itself).then_some(process);
        match to {
            _ if store.nonblocking => self.later.push(write),
            To::Variable(_) => self.put(&write),
            To::Word(..) => self.write_word(&write, but),
        }
    }

    fn put(&mut self, write: &Write) {
        let target = match write.to {
            To::Variable(variable) => &mut self.values[variable as usize],
            To::Word(memory, index) => &mut self.memories[memory as usize][index],
        };
        for (at, &bit) in write.value.iter().enumerate() {
            let to = usize::try_from(write.lsb + at as i128).ok();
            if let Some(to) = to.and_then(|to| target.get_mut(to)) {
                *to = bit;
            }
        }
    }

    fn write_word(&mut self, write: &Write, but: Option<usize>) {
        let To::Word(memory, index) = write.to else { return };
        let before = self.memories[memory as usize][index].clone();
        self.put(write);
        if before != self.memories[memory as usize][index] {
            for (at, process) in self.program.processes.iter().enumerate() {
                let watches = process
                    .triggers
                    .iter()
                    .any(|trigger| trigger.watch == Watch::Memory && trigger.slot == memory);
                if watches && but != Some(at) {
                    self.start(at);
                }
            }
        }
    }
}

/// An operation's operands, found by their names in its debug form: the engine's own list is not asked.
pub fn operands(kind: &OpKind) -> Vec<Slot> {
    let text = format!("{kind:?}");
    let skip: HashMap<&str, ()> = ["lsb", "memory"].into_iter().map(|name| (name, ())).collect();
    let mut found = Vec::new();
    let mut field = "";
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        match word.parse() {
            Ok(slot) if !skip.contains_key(field) => found.push(slot),
            Ok(_) => {}
            Err(_) => field = word,
        }
    }
    found
}
