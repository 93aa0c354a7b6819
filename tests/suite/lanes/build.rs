//! Programs by hand, and their values as strings of `0`, `1`, `x` and `z`, the highest bit first as in Verilog.

use salv::design::program::{
    Constant, Kind, Memory, Op, OpKind, PowerUp, Process, Program, Slot, Statement, Store, Target,
    Trigger, Watch,
};
use salv::verify::lanes::{self, Bounds, Code, Machine, Output};

/// A program on its way: variables first, then constants, then temporaries.
#[derive(Default)]
pub struct Build {
    pub program: Program,
}

impl Build {
    pub fn variable(&mut self, width: u32) -> Slot {
        assert_eq!(self.program.widths.len(), self.program.variables as usize);
        self.program.widths.push(width);
        self.program.power_up.push(PowerUp::Unknown);
        self.program.variables += 1;
        self.program.variables - 1
    }

    pub fn input(&mut self, name: &str, width: u32) -> Slot {
        let slot = self.variable(width);
        self.program.inputs.push((name.to_owned(), slot));
        slot
    }

    pub fn output(&mut self, name: &str, width: u32) -> Slot {
        let slot = self.variable(width);
        self.program.outputs.push((name.to_owned(), slot));
        slot
    }

    pub fn memory(&mut self, width: u32, words: u32) -> u32 {
        self.program.memories.push(Memory { width, words, power_up: PowerUp::Unknown });
        self.program.memories.len() as u32 - 1
    }

    pub fn constant(&mut self, bits: &str) -> Slot {
        let known = self.program.variables as usize + self.program.constants.len();
        assert_eq!(self.program.widths.len(), known);
        let (value, unknown) = words(bits);
        self.program.constants.push(Constant { value, unknown });
        self.program.widths.push(bits.len() as u32);
        self.program.widths.len() as Slot - 1
    }

    pub fn temporary(&mut self, width: u32) -> Slot {
        self.program.widths.push(width);
        self.program.widths.len() as Slot - 1
    }

    /// An operation in `body`; gives the slot of its result.
    pub fn op(&mut self, body: &mut Vec<Statement>, width: u32, kind: OpKind) -> Slot {
        let dst = self.temporary(width);
        body.push(Statement::Compute(Op { dst, kind }));
        dst
    }

    /// A process that runs when anything in `reads` changes.
    pub fn combinational(&mut self, reads: &[Slot], writes: &[Slot], body: Vec<Statement>) {
        let triggers = reads.iter().map(|&slot| self.change(slot)).collect();
        self.process(Kind::Combinational, triggers, writes, body);
    }

    pub fn process(
        &mut self,
        kind: Kind,
        triggers: Vec<Trigger>,
        writes: &[Slot],
        body: Vec<Statement>,
    ) {
        self.program.processes.push(Process {
            kind,
            triggers,
            body,
            writes: writes.to_vec(),
            written: writes.iter().map(|&slot| self.all_bits(slot)).collect(),
            restarts_itself: false,
            is_pure: false,
            line: 0,
        });
    }

    fn all_bits(&self, slot: Slot) -> Vec<u64> {
        vec![u64::MAX; self.program.widths[slot as usize].div_ceil(64) as usize]
    }

    pub fn change(&self, slot: Slot) -> Trigger {
        let width = self.program.widths[slot as usize];
        Trigger { slot, watch: Watch::Change { lsb: 0, width } }
    }

    pub fn code(mut self) -> Code {
        self.program.link();
        Code::new(&self.program)
    }
}

/// A rising edge of bit 0.
pub fn rising(slot: Slot) -> Trigger {
    Trigger { slot, watch: Watch::Edge { bit: 0, rising: true, falling: false } }
}

/// Writes a whole variable at once.
pub fn blocking(slot: Slot, value: Slot) -> Statement {
    Statement::Store(Store { target: Target::Whole(slot), value, nonblocking: false })
}

/// Writes a whole variable later.
pub fn nonblocking(slot: Slot, value: Slot) -> Statement {
    Statement::Store(Store { target: Target::Whole(slot), value, nonblocking: true })
}

/// Both planes of a string of bits.
pub fn words(bits: &str) -> (Vec<u64>, Vec<u64>) {
    let limbs = bits.len().div_ceil(64);
    let (mut value, mut unknown) = (vec![0; limbs], vec![0; limbs]);
    for (at, bit) in bits.bytes().rev().enumerate() {
        let mask = 1 << (at % 64);
        value[at / 64] |= if matches!(bit, b'1' | b'z') { mask } else { 0 };
        unknown[at / 64] |= if matches!(bit, b'x' | b'z') { mask } else { 0 };
    }
    (value, unknown)
}

/// One lane of an output.
pub fn bits(output: &Output, stride: usize, lane: usize, width: u32) -> String {
    let limbs = width.div_ceil(64) as usize;
    let bit = |plane: &[u64], at: usize| plane[at / 64 * stride + lane] >> (at % 64) & 1;
    let above = |at: usize| bit(&output.value, at) | bit(&output.unknown, at);
    assert!((width as usize..64 * limbs).all(|at| above(at) == 0), "bits above the width");
    let state = |at: usize| match (bit(&output.value, at), bit(&output.unknown, at)) {
        (0, 0) => '0',
        (1, 0) => '1',
        (0, _) => 'x',
        _ => 'z',
    };
    (0..width as usize).rev().map(state).collect()
}

/// Sets an input in all lanes, one string of bits each.
pub fn set(machine: &mut Machine<'_>, port: usize, lanes: &[String]) {
    let limbs = lanes[0].len().div_ceil(64);
    let values: Vec<Vec<u64>> = lanes.iter().map(|lane| words(lane).0).collect();
    let rows = (0..limbs).flat_map(|limb| values.iter().map(move |words| words[limb]));
    machine.set_input(port, &rows.collect::<Vec<u64>>());
}

/// A machine that has powered up with all unknown.
pub fn machine(code: &Code, lanes: usize) -> Machine<'_> {
    let mut machine = Machine::new(code, lanes, Bounds::default());
    machine.power_up(lanes::PowerUp::Unknown);
    machine
}
