//! Random programs, run by the engine in many lanes and by [`super::reference`] lane by lane: every variable, memory
//! word that is read, stop and mark must be the same, in whatever company a lane runs.

use salv::design::program::{
    Kind, Net, OpKind, PowerUp, Program, Slot, Statement, Store, Switch, Target, Trigger, Watch,
    Wildcards,
};
use salv::verify::lanes::{self, Bounds, Code, Machine, Stop};

use super::build::{Build, bits, set};
use super::operators::Random;
use super::oracle::Bits;
use super::reference::Reference;

const WIDTHS: [u32; 9] = [1, 1, 2, 3, 8, 33, 64, 65, 130];
const BOUNDS: Bounds = Bounds {
    runs_of_process: 40,
    iterations_of_step: 60,
    iterations_of_episode: 400,
    instructions: u64::MAX,
};

/// Programs that are tried, a few seconds.
const SEEDS: u64 = 420;

struct Generator {
    random: Random,
    build: Build,
    /// What expressions may read.
    readable: Vec<Slot>,
    /// Temporaries that were computed before this place, in the blocks around it.
    scope: Vec<Slot>,
    memories: Vec<u32>,
    /// A variable that counts in loops.
    labels: u32,
    /// Small processes, and everything known from the beginning: what the engine's quick ways are for.
    is_tame: bool,
}

impl Generator {
    fn new(seed: u64) -> Generator {
        let is_tame = seed % 2 == 1;
        let mut random = Random(seed);
        let mut build = Build::default();
        let memories = vec![build.memory(3, 5), build.memory(70, 4)];
        if is_tame || random.below(2) == 0 {
            build.program.memories[0].power_up = PowerUp::Zero;
        }
        if is_tame {
            build.program.memories[1].power_up = PowerUp::Zero;
        }
        for port in 0..4 {
            let width = if port == 0 { 1 } else { WIDTHS[random.below(9) as usize] };
            build.input("i", width);
        }
        for _ in 0..4 + random.below(8) {
            let width = WIDTHS[random.below(9) as usize];
            let slot = build.output("o", width);
            build.program.power_up[slot as usize] = match random.below(8) {
                _ if is_tame => PowerUp::Zero,
                0 => PowerUp::HighImpedance,
                1 => PowerUp::Zero,
                _ => PowerUp::Unknown,
            };
        }
        let readable = (0..build.program.variables).collect();
        for width in WIDTHS {
            for states in [&b"01"[..], b"01", b"01xz"] {
                let is_rare = !is_tame || width == 8;
                let states = if is_rare { states } else { b"01" };
                let bits = random.bits(width as usize, states);
                build.constant(&bits.iter().map(|&bit| char::from(bit)).collect::<String>());
            }
        }
        Generator { random, build, readable, scope: Vec::new(), memories, labels: 0, is_tame }
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.random.below(bound.into()) as u32
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.below(from.len() as u64) as usize]
    }

    fn width(&self, slot: Slot) -> u32 {
        self.build.program.widths[slot as usize]
    }

    /// A value of some width: a variable or constant, made to fit.
    fn leaf(&mut self, body: &mut Vec<Statement>, width: u32) -> Slot {
        let constants = self.build.program.variables
            ..self.build.program.variables + self.build.program.constants.len() as u32;
        let readable = self.readable.clone();
        let from: Vec<Slot> = match self.below(5) {
            0 => constants.collect(),
            1 if !self.scope.is_empty() => self.scope.clone(),
            _ => readable,
        };
        let fits: Vec<Slot> = from.iter().copied().filter(|&s| self.width(s) == width).collect();
        if !fits.is_empty() && self.below(3) > 0 {
            return self.pick(&fits);
        }
        let a = self.pick(&from);
        let signed = self.below(2) == 0;
        self.build.op(body, width, OpKind::Extend { a, signed })
    }

    fn expression(&mut self, body: &mut Vec<Statement>, width: u32, depth: u32) -> Slot {
        let slot = self.computed(body, width, depth);
        let first = self.build.program.variables + self.build.program.constants.len() as u32;
        if slot >= first {
            self.scope.push(slot);
        }
        slot
    }

    /// What is computed in there is read nowhere else.
    fn within<T>(&mut self, make: impl FnOnce(&mut Generator) -> T) -> T {
        let before = self.scope.len();
        let made = make(self);
        self.scope.truncate(before);
        made
    }

    /// Pieces of some widths, or one bit several times over.
    fn pieces(&mut self, body: &mut Vec<Statement>, width: u32, depth: u32) -> Vec<Slot> {
        if self.below(4) == 0 {
            let bit = self.expression(body, 1, depth);
            return vec![bit; width as usize];
        }
        let mut pieces = Vec::new();
        let mut rest = width;
        while rest > 0 {
            let own = if pieces.len() == 7 { rest } else { 1 + self.below(rest) };
            pieces.push(self.expression(body, own, depth));
            rest -= own;
        }
        pieces
    }

    fn computed(&mut self, body: &mut Vec<Statement>, width: u32, depth: u32) -> Slot {
        use OpKind as K;
        if depth == 0 || self.below(5) == 0 {
            return self.leaf(body, width);
        }
        let depth = depth - 1;
        let signed = self.below(2) == 0;
        let other = self.pick(&WIDTHS);
        let kind = self.below(if width == 1 { 34 } else { 23 });
        macro_rules! of {
            ($width:expr) => {
                self.expression(body, $width, depth)
            };
        }
        let kind = match kind {
            0 => K::Not(of!(width)),
            1 => K::Negate(of!(width)),
            2 | 3 => K::And(of!(width), of!(width)),
            4 | 5 => K::Or(of!(width), of!(width)),
            6 => K::Xor(of!(width), of!(width)),
            7 | 8 => K::Add(of!(width), of!(width)),
            9 => K::Subtract(of!(width), of!(width)),
            10 => K::Multiply(of!(width), of!(width)),
            11 => K::Divide { a: of!(width), b: of!(width), signed },
            12 => K::Remainder { a: of!(width), b: of!(width), signed },
            13 => {
                let (a, b) = (of!(width), of!(3));
                K::Power { a, b, base_signed: signed, exponent_signed: self.below(2) == 0 }
            }
            14 => K::ShiftLeft(of!(width), of!(other)),
            15 => K::ShiftRight(of!(width), of!(other)),
            16 => K::ShiftRightSigned(of!(width), of!(other)),
            17 | 18 => K::Mux { condition: of!(1), a: of!(width), b: of!(width) },
            19 => K::Extend { a: of!(other), signed },
            20 => {
                let (a, offset) = (of!(other), self.offset(body));
                K::Select { a, offset }
            }
            21 => {
                let net = self.pick(&[Net::Wire, Net::And, Net::Or]);
                K::Resolve { a: of!(width), b: of!(width), net }
            }
            22 if width > 1 => K::Concat(self.pieces(body, width, depth)),
            22 => K::Pull { a: of!(width), one: signed },
            23 => K::ReduceAnd(of!(other)),
            24 => K::ReduceOr(of!(other)),
            25 => K::ReduceXor(of!(other)),
            26 | 27 => K::Equal(of!(other), of!(other)),
            28 => K::Same(of!(other), of!(other)),
            29 => K::Matches(of!(other), of!(other)),
            30 => K::CaseMatches { a: of!(other), b: of!(other), unknown: signed },
            31 => K::Less { a: of!(other), b: of!(other), signed },
            32 => K::Gate { data: of!(1), control: of!(1) },
            _ => {
                let a = of!(other);
                K::Slice { a, lsb: self.below(other) }
            }
        };
        self.build.op(body, width, kind)
    }

    /// An offset or index that is mostly small.
    fn offset(&mut self, body: &mut Vec<Statement>) -> Slot {
        let width = if self.below(4) == 0 { 8 } else { 3 };
        let small = self.expression(body, width, 1);
        let signed = self.below(3) == 0;
        self.build.op(body, 9, OpKind::Extend { a: small, signed })
    }

    fn statements(&mut self, owned: &[Slot], later: bool, depth: u32) -> Vec<Statement> {
        self.within(|generator| {
            let mut body = Vec::new();
            for _ in 0..1 + generator.below(3) {
                generator.statement(&mut body, owned, later, depth);
            }
            body
        })
    }

    fn statement(&mut self, body: &mut Vec<Statement>, owned: &[Slot], later: bool, depth: u32) {
        match if depth == 0 { 0 } else { self.below(9) } {
            0..=3 => self.store(body, owned, later),
            4 | 5 => {
                let condition = self.expression(body, 1, 2);
                let then = self.statements(owned, later, depth - 1);
                let otherwise = if self.below(2) == 0 {
                    Vec::new()
                } else {
                    self.statements(owned, later, depth - 1)
                };
                body.push(Statement::If { condition, then, otherwise });
            }
            6 | 7 => self.switch(body, owned, later, depth - 1),
            _ => {
                let repeated = self.within(|generator| generator.repeat(owned, later, depth - 1));
                body.push(repeated);
            }
        }
    }

    fn store(&mut self, body: &mut Vec<Statement>, owned: &[Slot], nonblocking: bool) {
        if nonblocking && self.below(6) == 0 {
            return self.store_word(body);
        }
        let variable = self.pick(owned);
        let width = self.width(variable);
        let (target, width) = match self.below(5) {
            0 => {
                let lsb = self.below(width);
                (Target::Part { variable, lsb }, 1 + self.below(width - lsb))
            }
            1 => {
                let offset = self.offset(body);
                (Target::Select { variable, offset }, 1 + self.below(width))
            }
            _ => (Target::Whole(variable), width),
        };
        let value = self.expression(body, width, 3);
        body.push(Statement::Store(Store { target, value, nonblocking }));
    }

    fn store_word(&mut self, body: &mut Vec<Statement>) {
        let memories = self.memories.clone();
        let memory = self.pick(&memories);
        let index = self.offset(body);
        let width = self.build.program.memories[memory as usize].width;
        let offset = (self.below(2) == 0).then(|| self.offset(body));
        let width = if offset.is_some() { 1 + self.below(width) } else { width };
        let value = self.expression(body, width, 2);
        let target = Target::Word { memory, index, offset };
        body.push(Statement::Store(Store { target, value, nonblocking: self.below(2) == 0 }));
    }

    fn switch(&mut self, body: &mut Vec<Statement>, owned: &[Slot], later: bool, depth: u32) {
        let width = self.pick(&[1, 2, 3, 8, 64]);
        let selector = self.expression(body, width, 2);
        let mask = !0 >> (64 - width);
        let wildcards = self.pick(&[Wildcards::None, Wildcards::Z, Wildcards::Unknown]);
        let count = 1 + self.below(4);
        let arms = (0..=count).map(|_| self.statements(owned, later, depth)).collect();
        let item = |generator: &mut Generator| {
            let care = if wildcards == Wildcards::None { !0 } else { generator.random.next() };
            let value = if generator.below(2) == 0 {
                generator.below(8).into()
            } else {
                generator.random.next()
            };
            (value & mask & care, care & mask, generator.below(count))
        };
        let items: Vec<(u64, u64, u32)> = (0..count + self.below(3)).map(|_| item(self)).collect();
        let arm = |known: u64| {
            let matches = |&&(value, care, _): &&(u64, u64, u32)| (known ^ value) & care == 0;
            items.iter().find(matches).map_or(count, |&(_, _, arm)| arm)
        };
        let table = if width <= Switch::TABLE_WIDTH_MAX {
            (0..1 << width).map(arm).collect()
        } else {
            Vec::new()
        };
        let switch = Switch { selector, wildcards, items: items.clone(), arms, table };
        body.push(Statement::Switch(Box::new(switch)));
    }

    /// A loop that leaves by a condition on what it writes, or by a random one; some never end.
    fn repeat(&mut self, owned: &[Slot], later: bool, depth: u32) -> Statement {
        let label = self.labels;
        self.labels += 2;
        let before = self.scope.len();
        let mut inner = Vec::new();
        let condition = self.expression(&mut inner, 1, 2);
        let exit = vec![Statement::Exit(self.pick(&[label, label, label + 1]))];
        inner.push(Statement::If { condition, then: exit, otherwise: Vec::new() });
        inner.extend(self.statements(owned, later, depth));
        if self.below(8) > 0 {
            inner.push(Statement::Exit(label));
        }
        self.scope.truncate(before);
        let mut outer =
            vec![Statement::Block { label, body: vec![Statement::Loop { body: inner }] }];
        self.store(&mut outer, owned, later);
        Statement::Block { label: label + 1, body: outer }
    }

    /// Divides the variables among processes of all kinds.
    fn program(mut self) -> Program {
        let inputs = self.build.program.inputs.len() as u32;
        let mut free: Vec<Slot> = (inputs..self.build.program.variables).collect();
        while !free.is_empty() {
            let most = if self.is_tame { 1 } else { 3 };
            let count = (1 + self.below(most) as usize).min(free.len());
            let owned: Vec<Slot> = free.drain(..count).collect();
            self.process(&owned);
        }
        self.build.program.labels = self.labels;
        self.build.program.link();
        self.build.program
    }

    fn process(&mut self, owned: &[Slot]) {
        let is_forward = self.is_tame && self.below(8) > 0;
        let everything: Vec<Slot> = (0..self.build.program.variables).collect();
        let others: Vec<Slot> =
            everything.iter().copied().filter(|slot| !owned.contains(slot)).collect();
        let shape = self.below(8);
        self.readable = if shape < 4 { others.clone() } else { everything };
        if is_forward {
            // Mostly without loops through several processes.
            self.readable.retain(|&slot| slot < owned[0]);
        }
        let later = shape >= 6;
        self.scope.clear();
        let mut body = Vec::new();
        if shape < 4 {
            let index = self.offset(&mut body);
            let memory = self.below(2);
            let width = self.build.program.memories[memory as usize].width;
            let word = self.build.op(&mut body, width, OpKind::Read { memory, index });
            self.readable.push(word);
        }
        let depth = if self.is_tame { 1 } else { 2 };
        body.extend(self.statements(owned, later, depth));
        // Temporaries of the beginning are no leaves of the next process.
        let variables = self.build.program.variables;
        self.readable.retain(|&slot| slot < variables);
        let watched = if is_forward { self.readable.clone() } else { others };
        let watched = watched.iter().filter(|slot| !owned.contains(slot));
        let mut triggers: Vec<Trigger> = watched.map(|&slot| self.build.change(slot)).collect();
        for slot in 0..2 {
            triggers.push(Trigger { slot, watch: Watch::Memory });
        }
        let kind = match shape {
            0..=4 => Kind::Combinational,
            5 | 6 => self.edges(&mut triggers),
            _ => self.pick(&[Kind::Initial, Kind::Declaration, Kind::Triggered]),
        };
        if matches!(kind, Kind::Initial | Kind::Declaration) {
            triggers.clear();
        }
        let later = later && kind != Kind::Declaration;
        let writes = if later { &[] } else { owned };
        let body = if later { body } else { at_once(body) };
        self.build.process(kind, triggers, writes, body);
        let process = self.build.program.processes.last_mut().unwrap();
        process.is_pure = shape < 4;
        process.restarts_itself = self.random.below(4) == 0 && shape >= 4;
    }

    /// Edges of bits instead of changes.
    fn edges(&mut self, triggers: &mut Vec<Trigger>) -> Kind {
        triggers.truncate(1 + self.below(3) as usize);
        for trigger in triggers {
            let bit = self.below(self.width(trigger.slot));
            let rising = self.below(2) == 0;
            let falling = !rising || self.below(3) == 0;
            trigger.watch = Watch::Edge { bit, rising, falling };
        }
        Kind::Triggered
    }
}

/// The same with blocking writes.
fn at_once(body: Vec<Statement>) -> Vec<Statement> {
    let statement = |statement| match statement {
        Statement::Store(store) => Statement::Store(Store { nonblocking: false, ..store }),
        Statement::If { condition, then, otherwise } => {
            Statement::If { condition, then: at_once(then), otherwise: at_once(otherwise) }
        }
        Statement::Switch(switch) => {
            let arms = switch.arms.into_iter().map(at_once).collect();
            Statement::Switch(Box::new(Switch { arms, ..*switch }))
        }
        Statement::Block { label, body } => Statement::Block { label, body: at_once(body) },
        Statement::Loop { body } => Statement::Loop { body: at_once(body) },
        other => other,
    };
    body.into_iter().map(statement).collect()
}

/// The inputs of one lane, step by step.
fn stimulus(program: &Program, seed: u64, lane: u64, steps: u64) -> Vec<Vec<Bits>> {
    let mut random = Random(seed ^ lane.wrapping_mul(0x1234_5678_9abc_def1));
    let mut step = |at: u64| {
        let inputs = program.inputs.iter().enumerate();
        let value = inputs.map(|(port, &(_, slot))| match port {
            0 => vec![b'0' + (at % 2) as u8],
            _ => random.bits(program.widths[slot as usize] as usize, b"01"),
        });
        value.collect()
    };
    (0..steps).map(&mut step).collect()
}

/// What a run shows after each step: the outputs, whether it was marked, and whether it stopped.
type Shown = Vec<(Vec<String>, bool, Option<Stop>)>;

fn by_reference(program: &Program, inputs: &[Vec<Bits>]) -> Shown {
    let mut reference = Reference::new(program, BOUNDS);
    let mut shown = Vec::new();
    for (at, row) in inputs.iter().enumerate() {
        for (port, value) in row.iter().enumerate() {
            reference.set_input(port, value.clone());
        }
        reference.settle();
        let text = |bits: &Bits| bits.iter().rev().map(|&bit| char::from(bit)).collect();
        let outputs =
            program.outputs.iter().map(|&(_, slot)| text(&reference.values[slot as usize]));
        shown.push((outputs.collect(), reference.optimistic, reference.stopped));
        if at == 2 {
            reference.optimistic = false;
        }
        if reference.stopped.is_some() {
            break;
        }
    }
    shown
}

fn by_lanes(code: &Code, program: &Program, inputs: &[&Vec<Vec<Bits>>]) -> Vec<Shown> {
    let mut machine = Machine::new(code, inputs.len(), BOUNDS);
    machine.power_up(lanes::PowerUp::Unknown);
    let mut shown = vec![Shown::new(); inputs.len()];
    for at in 0..inputs[0].len() {
        for port in 0..program.inputs.len() {
            let text = |bits: &Bits| bits.iter().rev().map(|&bit| char::from(bit)).collect();
            let lanes: Vec<String> = inputs.iter().map(|lane| text(&lane[at][port])).collect();
            set(&mut machine, port, &lanes);
        }
        let _ = machine.settle();
        for (lane, shown) in shown.iter_mut().enumerate() {
            let output = |(port, &(_, slot)): (usize, &(String, Slot))| {
                let width = program.widths[slot as usize];
                bits(&machine.output(port), machine.stride(), lane, width)
            };
            let stopped = [Stop::Loop, Stop::NotSettled];
            let stopped = stopped.into_iter().find(|&why| machine.stopped(why) >> lane & 1 == 1);
            let was_stopped = shown.last().is_some_and(|(_, _, stopped)| stopped.is_some());
            if !was_stopped {
                let outputs = program.outputs.iter().enumerate().map(output).collect();
                shown.push((outputs, machine.optimistic() >> lane & 1 == 1, stopped));
            }
        }
        if at == 2 {
            machine.clear_optimistic();
        }
    }
    shown
}

/// Whether two runs show the same, marks included, until they stop.
fn is_same(a: &Shown, b: &Shown) -> bool {
    let is_same = |(a, b): (&(Vec<String>, bool, Option<Stop>), &_)| a.2.is_some() || a == b;
    a.len() == b.len() && a.iter().zip(b).all(is_same)
}

fn check(seed: u64, lanes: usize, steps: u64) -> [u32; 3] {
    let program = Generator::new(seed).program();
    let code = Code::new(&program);
    let inputs: Vec<Vec<Vec<Bits>>> =
        (0..lanes as u64).map(|lane| stimulus(&program, seed, lane, steps)).collect();
    let together = by_lanes(&code, &program, &inputs.iter().collect::<Vec<_>>());
    let alone = by_lanes(&code, &program, &[&inputs[0]]).remove(0);
    assert!(is_same(&alone, &together[0]), "seed {seed}, lane 0 alone and beside {lanes}");
    let mut seen = [0; 3];
    for (lane, inputs) in inputs.iter().enumerate() {
        let expected = by_reference(&program, inputs);
        for (step, (expected, found)) in expected.iter().zip(&together[lane]).enumerate() {
            assert_eq!(expected.2, found.2, "seed {seed}, lane {lane} of {lanes}, step {step}");
            if expected.2.is_none() {
                let at = format!("seed {seed}, lane {lane} of {lanes}, step {step}");
                assert_eq!(expected.0, found.0, "{at}");
                assert!(found.1 || !expected.1, "{at}: not marked");
            }
        }
        assert_eq!(expected.len(), together[lane].len(), "seed {seed}, lane {lane} of {lanes}");
        match expected.last().unwrap().2 {
            None => seen[0] += 1,
            Some(Stop::Loop) => seen[1] += 1,
            Some(Stop::NotSettled) => seen[2] += 1,
            Some(Stop::Work) => unreachable!("the reference counts no work"),
        }
    }
    seen
}

#[test]
fn random_programs_run_as_one_lane_at_a_time() {
    let mut seen = [0; 3];
    for seed in 0..SEEDS {
        let lanes = [1, 2, 3, 7, 16, 33, 64][seed as usize % 7];
        for (sum, count) in seen.iter_mut().zip(check(seed, lanes, 12)) {
            *sum += count;
        }
    }
    assert!(seen.iter().all(|&count| count > 10), "too few of one outcome: {seen:?}");
}
