//! The interpreter: runs a process to its end, instruction by instruction, under a mask of lanes.

use super::Stop;
use super::code::{Arms, General, Instruction, Place, Read};
use super::engine::{Engine, Word, each_lane};
use super::number::limb_mask;
use super::scalar;
use crate::design::program::{OpKind, Wildcards};

impl<const L: usize> Engine<'_, L> {
    /// Runs the code from `at` to its end in the lanes of `mask`.
    pub fn execute(&mut self, mut at: usize, mut mask: u64) {
        let code = self.code;
        loop {
            let instruction = code.instructions[at];
            at += 1;
            match instruction {
                Instruction::General(index) => self.general(&code.generals[index as usize]),
                Instruction::Read(index) => self.read(&code.reads[index as usize]),
                Instruction::Store(index) => self.store(&code.writes[index as usize], mask),
                Instruction::Open(variable) => self.open(variable),
                Instruction::Keep(variable) => {
                    let variable = code.variables[variable as usize];
                    self.copy(variable.shadow, variable.place.cell, variable.place.limbs);
                }
                Instruction::Compare(variable) => self.compare(variable),
                Instruction::Branch { condition, frame, otherwise } => {
                    let then = self.ones(condition, mask);
                    let other = mask & !then;
                    if then == 0 {
                        self.frames[frame as usize + 1] = 0;
                        at = otherwise as usize;
                    } else {
                        self.frames[frame as usize] = other;
                        mask = then;
                    }
                }
                Instruction::Otherwise { frame, end } => {
                    let other = self.frames[frame as usize];
                    if other == 0 {
                        at = end as usize;
                    } else {
                        self.frames[frame as usize + 1] = mask;
                        mask = other;
                    }
                }
                Instruction::Meet { frame } => mask |= self.frames[frame as usize + 1],
                Instruction::Switch(index) => {
                    let arms = &code.arms[index as usize];
                    self.choose(arms, mask);
                    self.frames[arms.frame as usize] = mask;
                    self.frames[arms.frame as usize + 1] = 0;
                    (at, mask) = self.next_arm(arms, 0);
                }
                Instruction::ArmEnd(index) => {
                    (at, mask) = self.next_arm(&code.arms[index as usize], mask);
                }
                Instruction::Enter { label } => self.exited[label as usize] = 0,
                Instruction::Leave { label } => mask |= self.exited[label as usize],
                Instruction::Exit { label } => {
                    self.exited[label as usize] |= mask;
                    mask = 0;
                }
                Instruction::Repeat { start } => {
                    mask = self.count_iteration(mask);
                    if mask != 0 {
                        at = start as usize;
                    }
                }
                Instruction::End => return,
            }
        }
    }

    /// The lanes in which a condition is 1.
    fn ones(&mut self, condition: u32, mask: u64) -> u64 {
        let word = &self.cells[condition as usize];
        let (mut one, mut unknown) = (0, 0);
        for lane in 0..L {
            one |= (word.value[lane] & !word.unknown[lane] & 1) << lane;
            unknown |= (word.unknown[lane] & 1) << lane;
        }
        self.optimistic |= unknown & mask & self.schedule.active;
        one & mask
    }

    fn general(&mut self, op: &General) {
        for lane in 0..L {
            let [a, b, c] = &mut self.scratch.operands;
            let result = &mut self.scratch.result;
            result.clear(op.dst.width);
            if let OpKind::Concat(_) = op.kind {
                let mut lsb = op.dst.width;
                for &piece in &op.operands {
                    Self::gather(&self.cells, piece, lane, a);
                    lsb -= piece.width;
                    scalar::place(result, lsb, a);
                }
            } else {
                for (&place, number) in op.operands.iter().zip([a, b, c]) {
                    Self::gather(&self.cells, place, lane, number);
                }
                scalar::evaluate(&op.kind, &self.scratch.operands, result);
            }
            Self::scatter(&mut self.cells, op.dst.cell, lane, result);
        }
    }

    fn read(&mut self, read: &Read) {
        let words = i64::from(self.code.memories[read.memory as usize].words);
        let Place { cell, limbs, width } = read.dst;
        for lane in 0..L {
            let number = &mut self.scratch.operands[0];
            Self::gather(&self.cells, read.index, lane, number);
            let index = number.index().filter(|index| (0..words).contains(index));
            for limb in 0..limbs as usize {
                let word = index.map(|index| index as usize * limbs as usize + limb);
                let (value, unknown) = word.map_or((0, limb_mask(width, limb)), |word| {
                    let word = &self.memories[read.memory as usize][word];
                    (word.value[lane], word.unknown[lane])
                });
                let to = &mut self.cells[cell as usize + limb];
                (to.value[lane], to.unknown[lane]) = (value, unknown);
            }
        }
    }

    fn open(&mut self, number: u32) {
        if !self.is_open[number as usize] {
            self.is_open[number as usize] = true;
            self.opened.push(number);
            let variable = self.code.variables[number as usize];
            self.copy(variable.shadow, variable.place.cell, variable.place.limbs);
        }
    }

    fn compare(&mut self, number: u32) {
        let variable = self.code.variables[number as usize];
        let process = self.schedule.current;
        let but = !self.code.units[process as usize].restarts_itself;
        self.notify(number, variable.shadow, variable.place.cell, but.then_some(process));
    }

    /// Notes each lane's arm.
    fn choose(&mut self, arms: &Arms, mask: u64) {
        let Word { value, unknown } = self.cells[arms.selector.cell as usize];
        for lane in each_lane(mask) {
            let chosen = arm(arms, value[lane], unknown[lane]);
            self.chosen[arms.chosen as usize][lane] = chosen;
            let is_active = self.schedule.active & 1 << lane;
            self.optimistic |= if unknown[lane] == 0 { 0 } else { is_active };
        }
    }

    /// The next arm that lanes wait for, and those lanes; or the end, where `done` and all before go on.
    fn next_arm(&mut self, arms: &Arms, done: u64) -> (usize, u64) {
        let frame = arms.frame as usize;
        self.frames[frame + 1] |= done;
        let waiting = self.frames[frame];
        if waiting == 0 {
            return (arms.end as usize, self.frames[frame + 1]);
        }
        let chosen = &self.chosen[arms.chosen as usize];
        let first = chosen[waiting.trailing_zeros() as usize];
        let lanes = each_lane(waiting).filter(|&lane| chosen[lane] == first);
        let lanes = lanes.fold(0, |lanes, lane| lanes | 1 << lane);
        self.frames[frame] = waiting & !lanes;
        (arms.starts[first as usize] as usize, lanes)
    }

    /// One more iteration in these lanes; gives those that may go on.
    fn count_iteration(&mut self, mask: u64) -> u64 {
        for lane in each_lane(mask) {
            self.iterations_of_step[lane] += 1;
            self.iterations_of_episode[lane] += 1;
            if self.iterations_of_step[lane] > self.bounds.iterations_of_step
                || self.iterations_of_episode[lane] > self.bounds.iterations_of_episode
            {
                self.stop(1 << lane, Stop::Loop);
            }
        }
        mask & self.alive
    }
}

/// The arm that a selector chooses.
fn arm(arms: &Arms, value: u64, unknown: u64) -> u32 {
    let switch = &arms.switch;
    if unknown == 0 && !switch.table.is_empty() {
        return switch.table[value as usize];
    }
    let (blocks, any) = match switch.wildcards {
        Wildcards::None => (unknown, 0),
        Wildcards::Z => (unknown & !value, unknown & value),
        Wildcards::Unknown => (0, unknown),
    };
    let matches = |&&(item, care, _): &&(u64, u64, u32)| {
        (value ^ item) & care & !any == 0 && blocks & care == 0
    };
    let default = arms.starts.len() as u32 - 1;
    switch.items.iter().find(matches).map_or(default, |&(_, _, arm)| arm)
}
