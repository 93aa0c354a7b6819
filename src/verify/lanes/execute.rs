//! The interpreter: runs a unit to its end, instruction by instruction, under a mask of lanes.

use pulp::NullaryFnOnce;

use super::Stop;
use super::code::{Arms, Condition, General, Instruction, Place, Read};
use super::engine::{Engine, each_lane};
use super::narrow::{
    binary, fill, four, left, less_signed, mux, ones, plus, right, right_signed, sign, unary,
};
use super::number::limb_mask;
use super::{scalar, wide};
use crate::design::program::OpKind;

/// Lanes from which on wider vectors than those of every processor pay.
const WIDE_FROM: usize = 32;

/// The interpreter about to run, so that it is compiled once for each width of vectors.
struct Execution<'e, 'c, const L: usize> {
    engine: &'e mut Engine<'c, L>,
    at: usize,
    mask: u64,
}

impl<const L: usize> NullaryFnOnce for Execution<'_, '_, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.engine.interpret(self.at, self.mask);
    }
}

impl<const L: usize> Engine<'_, L> {
    /// Runs the code from `at` to its end in the lanes of `mask`, in the widest vectors that there are where that pays.
    pub fn execute(&mut self, at: usize, mask: u64) {
        if L >= WIDE_FROM {
            self.vectors.dispatch(Execution { engine: self, at, mask });
        } else {
            self.interpret(at, mask);
        }
    }

    /// One `match` and no second one within: each further table of jumps would cost as much as most operations do.
    #[inline(always)]
    fn interpret(&mut self, mut at: usize, mut mask: u64) {
        use Instruction as I;
        let code = self.code;
        loop {
            let here = at;
            at += 1;
            self.instructions += 1;
            let c = &mut self.cells[..];
            match code.instructions[here] {
                I::Slice(o, by, mask) => unary(c, o, |a| a >> (by & 63) & mask),
                I::Shift(o, by, mask) => unary(c, o, |a| a << (by & 63) & mask),
                I::SignExtend(o, shift, mask) => unary(c, o, |a| fill(a, shift) & mask),
                I::Not(o, mask) => unary(c, o, |a| !a & mask),
                I::Negate(o, mask) => unary(c, o, |a| a.wrapping_neg() & mask),
                I::Is(o, number) => unary(c, o, |a| u64::from(a == number)),
                I::IsNot(o, number) => unary(c, o, |a| u64::from(a != number)),
                I::Parity(o) => unary(c, o, |a| ones(a) & 1),
                I::CountOnes(o, mask) => unary(c, o, |a| ones(a) & mask),
                I::And(o) => binary(c, o, |a, b| a & b),
                I::Or(o) => binary(c, o, |a, b| a | b),
                I::Xor(o) => binary(c, o, |a, b| a ^ b),
                I::Add(o, mask) => binary(c, o, |a, b| a.wrapping_add(b) & mask),
                I::AddNumber(o, number, width) => unary(c, o, |a| plus(a, number, width)),
                I::Subtract(o, mask) => binary(c, o, |a, b| a.wrapping_sub(b) & mask),
                I::Multiply(o, mask) => binary(c, o, |a, b| a.wrapping_mul(b) & mask),
                I::ShiftLeft(o, mask) => binary(c, o, |a, b| left(a, b) & mask),
                I::ShiftRight(o, mask) => binary(c, o, |a, b| right(a, b) & mask),
                I::ShiftRightSigned(o, shift) => binary(c, o, |a, b| right_signed(a, b, shift)),
                I::Equal(o) => binary(c, o, |a, b| u64::from(a == b)),
                I::Less(o) => binary(c, o, |a, b| u64::from(a < b)),
                I::LessSigned(o, shift) => binary(c, o, |a, b| less_signed(a, b, shift)),
                I::Mux(o, condition) => mux(c, o, condition),
                I::Join(o, by) => binary(c, o, |a, b| a << (by & 63) | b),
                I::Four(operation) => four(c, operation, mask),
                I::Wide(index) => wide::compute(c, &code.generals[index as usize], mask),
                I::General(index) => self.general(&code.generals[index as usize]),
                I::Read(index) => self.read(&code.reads[index as usize], mask),
                I::PutKnown(put) => self.put_known(put, mask),
                I::Put(put) => self.put_part(put, (0, !0), mask),
                I::PutPartKnown(put, by, bits) => self.put_part_known(put, (by, bits), mask),
                I::PutPart(put, by, bits) => self.put_part(put, (by, bits), mask),
                I::AssignKnown { variable, value } => self.assign_known(variable, value, mask),
                I::Assign { variable, value } => self.assign(variable, value, mask),
                I::Store(index) => self.store(&code.writes[index as usize], mask),
                I::Open { variable, is_known } => self.open(variable, is_known),
                I::Keep { variable, is_known } => self.keep(variable, is_known),
                I::Compare { variable, is_known } => self.compare(variable, is_known),
                I::Note { variable } => self.note(variable),
                I::Branch { condition, otherwise } => {
                    (at, mask) = self.branch(condition, mask, (at, otherwise as usize));
                }
                I::Otherwise { frame, end } => {
                    (at, mask) = self.otherwise(frame, mask, (at, end as usize));
                }
                I::Meet { frame } => mask |= self.frames[frame as usize + 1],
                I::Narrow(condition) => mask = self.narrow(condition, mask),
                I::Invert { frame } => mask = self.frames[frame as usize + 1],
                I::Widen { frame } => mask = self.frames[frame as usize],
                I::Switch(index) => (at, mask) = self.part(&code.arms[index as usize], mask),
                I::ArmEnd(index) => (at, mask) = self.next_arm(&code.arms[index as usize], mask),
                I::Enter { label } => self.exited[label as usize] = 0,
                I::Leave { label } => mask |= self.exited[label as usize],
                I::Exit { label } => self.exited[label as usize] |= std::mem::take(&mut mask),
                I::Repeat { start } => (at, mask) = self.repeat(mask, (at, start as usize)),
                I::End => return,
            }
        }
    }

    /// Lanes in which a condition is 1 come first, and the others wait.
    #[inline(always)]
    fn branch(
        &mut self,
        condition: Condition,
        mask: u64,
        (next, other): (usize, usize),
    ) -> (usize, u64) {
        let then = self.ones(condition, mask);
        let frame = condition.frame as usize;
        if then == 0 {
            self.frames[frame + 1] = 0;
            (other, mask)
        } else {
            self.frames[frame] = mask & !then;
            (next, then)
        }
    }

    /// Those that wait come next.
    #[inline(always)]
    fn otherwise(&mut self, frame: u32, mask: u64, (next, end): (usize, usize)) -> (usize, u64) {
        let frame = frame as usize;
        match self.frames[frame] {
            0 => (end, mask),
            other => {
                self.frames[frame + 1] = mask;
                (next, other)
            }
        }
    }

    /// Both sides are run, each in its lanes.
    #[inline(always)]
    fn narrow(&mut self, condition: Condition, mask: u64) -> u64 {
        let then = self.ones(condition, mask);
        self.frames[condition.frame as usize] = mask;
        self.frames[condition.frame as usize + 1] = mask & !then;
        then
    }

    #[inline(never)]
    fn repeat(&mut self, mask: u64, (next, start): (usize, usize)) -> (usize, u64) {
        let mask = self.count_iteration(mask);
        (if mask == 0 { next } else { start }, mask)
    }

    /// The lanes in which a condition is 1.
    #[inline(always)]
    fn ones(&mut self, condition: Condition, mask: u64) -> u64 {
        let word = &self.cells[condition.cell as usize];
        let one = (0..L).fold(0, |lanes, lane| lanes | (word.value[lane] & 1) << lane);
        if condition.is_known {
            return one & mask;
        }
        let unknown = (0..L).fold(0, |lanes, lane| lanes | (word.unknown[lane] & 1) << lane);
        self.optimistic |= unknown & mask & self.schedule.lanes;
        one & !unknown & mask
    }

    #[inline(never)]
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

    #[inline(never)]
    fn read(&mut self, read: &Read, mask: u64) {
        let words = i64::from(self.code.memories[read.memory as usize].words);
        let memory = &self.memories[read.memory as usize];
        let (cells, results) = self.cells.split_at_mut(read.dst.cell as usize);
        let Place { limbs, width, .. } = read.dst;
        let index = &cells[read.index.cell as usize];
        let shared = index.shared(mask).map(|number| sign(number, read.index.width));
        if let Some(number) = shared.filter(|number| (0..words).contains(number)) {
            let word = &memory[number as usize * limbs as usize..][..limbs as usize];
            results[..limbs as usize].copy_from_slice(word);
            return;
        }
        for lane in 0..L {
            let number = sign(index.value[lane], read.index.width);
            let is_there = index.unknown[lane] == 0 && (0..words).contains(&number);
            for limb in 0..limbs as usize {
                let out = &mut results[limb];
                if is_there {
                    let word = &memory[number as usize * limbs as usize + limb];
                    out.value[lane] = word.value[lane];
                    out.unknown[lane] = word.unknown[lane];
                } else {
                    out.value[lane] = 0;
                    out.unknown[lane] = limb_mask(width, limb);
                }
            }
        }
    }

    /// Parts the lanes by a selector; gives the first arm that lanes wait for, and those lanes.
    fn part(&mut self, arms: &Arms, mask: u64) -> (usize, u64) {
        let word = &self.cells[arms.selector.cell as usize];
        let chosen = &mut self.chosen[arms.chosen as usize];
        let mut optimistic = 0;
        let mut rest = mask;
        while rest != 0 {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let unknown = if arms.is_known { 0 } else { word.unknown[lane] };
            chosen[lane] = arm(arms, word.value[lane], unknown);
            optimistic |= u64::from(unknown != 0) << lane;
        }
        self.optimistic |= optimistic & self.schedule.lanes;
        self.frames[arms.frame as usize] = mask;
        self.frames[arms.frame as usize + 1] = 0;
        self.next_arm(arms, 0)
    }

    /// The next arm that lanes wait for, and those lanes; or the end, where `done` and all before go on.
    #[inline(always)]
    fn next_arm(&mut self, arms: &Arms, done: u64) -> (usize, u64) {
        let frame = arms.frame as usize;
        let waiting = self.frames[frame];
        if waiting == 0 {
            return (arms.end as usize, self.frames[frame + 1] | done);
        }
        self.frames[frame + 1] |= done;
        let chosen = &self.chosen[arms.chosen as usize];
        let first = chosen[waiting.trailing_zeros() as usize & (L - 1)];
        let lanes = (0..L).fold(0, |lanes, lane| lanes | u64::from(chosen[lane] == first) << lane);
        let lanes = lanes & waiting;
        self.frames[frame] = waiting & !lanes;
        (arms.starts[first as usize] as usize, lanes)
    }

    /// One more iteration in these lanes; gives those that may go on.
    fn count_iteration(&mut self, mask: u64) -> u64 {
        let counted = mask & self.schedule.lanes;
        for lane in each_lane(counted) {
            self.iterations_of_step[lane] += 1;
            self.iterations_of_episode[lane] += 1;
            if self.iterations_of_step[lane] > self.bounds.iterations_of_step
                || self.iterations_of_episode[lane] > self.bounds.iterations_of_episode
            {
                self.stop(1 << lane, Stop::Loop);
            }
        }
        if self.instructions > self.bounds.instructions {
            self.stop(Self::FULL, Stop::Work);
        }
        mask & self.alive
    }
}

/// The arm that a selector chooses.
#[inline(always)]
fn arm(arms: &Arms, value: u64, unknown: u64) -> u32 {
    if unknown == 0
        && let Some(&arm) = arms.switch.table.get(value as usize)
    {
        return arm;
    }
    let default = arms.starts.len() as u32 - 1;
    arms.switch.item(value, unknown).unwrap_or(default)
}
