//! A case of the stimulus twin test: an interface in, what the bench includes and the script it plays out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use salv::design::{Bits, Direction, Interface, Level, Port, Role};
use salv::problem::Restriction;
use salv::verify::stimulus::chip::{Chip, ChipInput, ChipKind, ChipRun, ChipTables};
use salv::verify::stimulus::{Config, Episode, Profile, Stimulus};

/// What is played, and how.
pub struct Case {
    inputs: String,
    interface: Interface,
    restrictions: BTreeMap<String, Restriction>,
    config: Config,
    step_clocks: u32,
    /// Deep episodes up to so many cycles are played.
    depth: u32,
    /// The constants of a candidate.
    constants: Vec<Bits>,
}

/// xorshift64, so that a seed gives the same case everywhere.
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % limit
    }
}

impl Case {
    /// Inputs `name:width:role` with the roles of `role`; `legal` restricts the input to a few values.
    pub fn new(inputs: &str, profile: Profile) -> Case {
        let mut case = Case {
            inputs: inputs.to_owned(),
            interface: interface(inputs),
            restrictions: BTreeMap::new(),
            config: Config { vectors: 600, depth_max: 1024, profile, ..Config::default() },
            step_clocks: 1,
            depth: 1024,
            constants: vec![bits(7, 0x55), bits(16, 0xbeef)],
        };
        for input in inputs.split_whitespace().filter(|input| input.ends_with(":legal")) {
            let name = input.split(':').next().expect("a name").to_owned();
            let values = ["1", "2", "3", "6", "17"].map(str::to_owned).to_vec();
            case.restrictions.insert(name, Restriction { values });
        }
        case
    }

    /// Counters of the golden module wait for so many cycles.
    pub fn waits(mut self, durations: &[u32]) -> Case {
        self.interface.durations = durations.to_vec();
        self
    }

    /// Clocks of the chip for a step.
    pub fn step_clocks(mut self, clocks: u32) -> Case {
        self.step_clocks = clocks;
        self
    }

    /// A random interface with a random configuration.
    pub fn random(seed: u64) -> Case {
        let mut draws = Draws(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let sequential = draws.below(4) > 0;
        let synchronous = sequential && draws.below(3) == 0;
        let clocks = if !sequential {
            0
        } else if synchronous {
            1
        } else {
            1 + draws.below(3)
        };
        let mut inputs: Vec<String> = Vec::new();
        for at in 0..clocks {
            let role = if draws.below(3) == 0 { "falling" } else { "clock" };
            inputs.push(format!("c{at}:1:{role}"));
        }
        if sequential {
            for at in 0..draws.below(3) {
                let role = ["async", "areset_n", "sync"][draws.below(3) as usize];
                inputs.push(format!("r{at}:1:{role}"));
            }
        }
        for at in 0..1 + draws.below(5) {
            let width =
                [1, 1, 2, 3, 4, 8, 8, 13, 16, 32, 33, 64, 65, 100][draws.below(14) as usize];
            let role = match draws.below(8) {
                0 if width >= 5 => "legal",
                1 if clocks > 0 && !synchronous => "gate",
                _ => "data",
            };
            inputs.push(format!("d{at}:{width}:{role}"));
        }
        // Ports come in any order.
        for at in (1..inputs.len()).rev() {
            inputs.swap(at, draws.below(at as u64 + 1) as usize);
        }
        let profile = if synchronous { Profile::Synchronous } else { Profile::Full };
        let mut case = Case::new(&inputs.join(" "), profile).step_clocks(1 + draws.below(3) as u32);
        case.config.seed = seed;
        case.config.vectors = 20_000;
        case.config.depth_max = 65_536;
        case.depth = 65_536;
        case.interface.initialised = draws.below(4) == 0;
        if draws.below(2) == 0 {
            case.interface.durations =
                (0..1 + draws.below(9)).map(|at| 2 + at as u32 * 25).collect();
        }
        for width in 1..draws.below(40) as u32 {
            case.interface.pool.push(bits(1 + width % 33, draws.below(1 << 33)));
        }
        for constants in &mut case.interface.constants {
            for at in 0..draws.below(4) {
                constants.push(bits(4 + at as u32 * 7, draws.below(1 << 30)));
            }
        }
        case
    }

    /// The case in words, for a failure's message.
    pub fn describe(&self) -> String {
        format!("seed {}, inputs {}, {:?}", self.config.seed, self.inputs, self.config.profile)
    }

    fn stimulus(&self) -> Stimulus {
        Stimulus::new(&self.interface, &self.restrictions, b"golden", &self.config)
            .expect("a stimulus")
    }

    /// What the bench includes.
    pub fn header(&self) -> String {
        let chip = self.stimulus().chip(&self.interface);
        let inputs: Vec<String> = chip.inputs.iter().rev().map(input_text).collect();
        let waits = chip
            .durations
            .iter()
            .rev()
            .fold("128'h".to_owned(), |text, cycles| format!("{text}{cycles:02x}"));
        let waits = if chip.durations.is_empty() { "'0" } else { &waits };
        let flag = |value: bool| format!("1'b{}", u8::from(value));
        [
            ("int unsigned InputCount", chip.inputs.len().to_string()),
            ("inputs_t Inputs", format!("inputs_t'({{\n  {}\n}})", inputs.join(",\n  "))),
            ("logic Synchronous", flag(chip.synchronous)),
            ("logic AfterFalling", flag(chip.after_falling)),
            ("logic Sequential", flag(chip.sequential)),
            ("logic Initialised", flag(chip.initialised)),
            ("logic Counters", flag(chip.counters)),
            ("int unsigned DurationCount", chip.durations.len().to_string()),
            ("logic [15:0][7:0] Durations", waits.to_owned()),
            ("int unsigned StepClocks", self.step_clocks.to_string()),
        ]
        .map(|(name, value)| format!("localparam {name} = {value};\n"))
        .concat()
    }

    /// What the bench plays: tables, runs, and all the points of their episodes.
    pub fn script(&self) -> String {
        let stimulus = self.stimulus();
        let chip = stimulus.chip(&self.interface);
        let mut text = format!("stream {:x}\n", stimulus.chip_stream());
        let golden: Vec<ChipTables> =
            chip.inputs.iter().map(|input| input.tables.clone()).collect();
        load(&mut text, &chip, &golden);
        for run in stimulus.chip_base_runs() {
            let episodes =
                (run.index..run.index + run.episodes).map(|index| stimulus.episode(index));
            self.run(&mut text, &stimulus, &run, episodes);
        }
        for k in 0..stimulus.deep_episodes() {
            let run = stimulus.chip_deep_run(k).expect("a deep run");
            if run.total_cycles <= u64::from(self.depth) {
                self.run(&mut text, &stimulus, &run, stimulus.deep_episode(k).into_iter());
            }
        }
        if let Some((run, tables)) = stimulus.chip_own_run(&self.constants) {
            load(&mut text, &chip, &tables);
            let episodes = stimulus.candidate_episodes(&self.constants);
            self.run(&mut text, &stimulus, &run, episodes.into_iter());
        }
        text
    }

    fn run(
        &self,
        text: &mut String,
        stimulus: &Stimulus,
        run: &ChipRun,
        episodes: impl Iterator<Item = Episode>,
    ) {
        let (state, increment, rest) = run.walk.unwrap_or_default();
        let _ = writeln!(
            text,
            "run {} {} {} {} {} {} {} {} {state:x} {increment:x} {rest:x}",
            run.flavour,
            run.sequence,
            run.number,
            run.episodes,
            run.cycles,
            run.last_cycles,
            run.leader,
            u8::from(run.walk.is_some()),
        );
        for episode in episodes {
            let words = stimulus.inputs().words;
            let row = |at: usize| self.row(stimulus, &episode.rows[at * words..(at + 1) * words]);
            let _ = writeln!(text, "up {}", row(0));
            let settled = stimulus.settled_from(&episode);
            for (at, point) in episode.steps.iter().enumerate() {
                if stimulus.compares(*point) {
                    let settled = u8::from(at >= settled);
                    let _ = writeln!(
                        text,
                        "at {} {} {settled} {}",
                        point.cycle,
                        point.step,
                        row(at + 1)
                    );
                }
            }
        }
        text.push_str("end\n");
    }

    /// A row as the chip has it: one number, the first input at bit 0.
    fn row(&self, stimulus: &Stimulus, words: &[u64]) -> String {
        let layout = stimulus.inputs();
        let mut bits: Vec<bool> = Vec::new();
        for (&width, &offset) in layout.widths.iter().zip(&layout.offsets) {
            bits.extend(
                (0..width as usize).map(|bit| words[offset + bit / 64] >> (bit % 64) & 1 == 1),
            );
        }
        let digit = |nibble: &[bool]| {
            let value = nibble.iter().rev().fold(0, |value, &bit| 2 * value + u32::from(bit));
            char::from_digit(value, 16).expect("a digit")
        };
        bits.chunks(4).rev().map(digit).collect()
    }
}

/// Writes tables, and legal values where an input is restricted.
fn load(text: &mut String, chip: &Chip, tables: &[ChipTables]) {
    for (number, (input, tables)) in chip.inputs.iter().zip(tables).enumerate() {
        let mut write = |lane: usize, entry: usize, data: u64| {
            let _ = writeln!(
                text,
                "table {:x} {:x}",
                number << 16 | lane << 8 | entry,
                data & 0xffff_ffff
            );
        };
        if input.width == 1 {
            continue;
        }
        let mut values = |entry: usize, lane: usize, words: &[u64]| {
            for slice in 0..input.width.div_ceil(32) as usize {
                write(2 * slice + lane, entry, words[slice / 2] >> (32 * (slice % 2)));
            }
        };
        let counts = if let Some(legal) = &input.legal {
            legal.iter().enumerate().for_each(|(entry, value)| values(entry, 0, value));
            (legal.len(), 0)
        } else {
            let own = tables.own.iter().enumerate();
            let pool = tables.pool.iter().enumerate().map(|(at, constant)| (128 + at, constant));
            for (entry, constant) in own.chain(pool) {
                values(entry, 0, &constant.value);
                values(entry, 1, &constant.mask);
            }
            (tables.own.len(), tables.pool.len())
        };
        write(255, 0, (counts.1 << 8 | counts.0) as u64);
    }
}

fn input_text(input: &ChipInput) -> String {
    let (kind, active, synchronous, closed) = match input.kind {
        ChipKind::Data => ("InputData", false, false, false),
        ChipKind::Clock => ("InputClock", false, false, false),
        ChipKind::Reset { active, synchronous } => ("InputReset", active, synchronous, false),
        ChipKind::Gate { closed } => ("InputGate", false, false, closed),
    };
    let legal = |level: u64| {
        input.legal.as_ref().is_some_and(|legal| legal.iter().any(|value| value[0] == level))
    };
    let legal_bits =
        input.legal.as_ref().map_or(0, |legal| legal.len().next_power_of_two().ilog2());
    let bit = |value: bool| format!("1'b{}", u8::from(value));
    format!(
        "input_t'{{width: 16'd{}, kind: {kind}, active: {}, synchronous: {}, closed: {}, \
         restricted: {}, legal_low: {}, legal_high: {}, legal_bits: 4'd{legal_bits}, \
         tables: {}, rising: {}, falling: {}}}",
        input.width,
        bit(active),
        bit(synchronous),
        bit(closed),
        bit(input.legal.is_some()),
        bit(legal(0)),
        bit(legal(1)),
        bit(input.width > 1),
        bit(input.edges.0),
        bit(input.edges.1),
    )
}

fn interface(inputs: &str) -> Interface {
    let port =
        |name: &str, direction, width| Port { name: name.into(), direction, width, signed: false };
    let (mut ports, mut roles) = (Vec::new(), Vec::new());
    for input in inputs.split_whitespace() {
        let [name, width, kind] = input.split(':').collect::<Vec<_>>()[..] else {
            panic!("{input} is not name:width:role");
        };
        ports.push(port(name, Direction::Input, width.parse().expect("a width")));
        roles.push(role(kind));
    }
    ports.push(port("q", Direction::Output, 4));
    roles.push(Role::Data);
    let sequential = roles.iter().any(|role| matches!(role, Role::Clock { .. }));
    let mut constants = vec![Vec::new(); ports.len()];
    constants[ports.len() - 2] = vec![bits(8, 0x42), bits(12, 0x7ff)];
    Interface {
        top: "dut".into(),
        ports,
        roles,
        constants,
        pool: vec![bits(3, 5), bits(8, 0x30), bits(20, 0xabcde)],
        durations: Vec::new(),
        sequential,
        initialised: false,
    }
}

fn role(name: &str) -> Role {
    match name {
        "clock" => Role::Clock { rising: true, falling: false },
        "falling" => Role::Clock { rising: false, falling: true },
        "async" => Role::AsyncReset { active: Level::High },
        "areset_n" => Role::AsyncReset { active: Level::Low },
        "sync" => Role::SyncReset { active: Level::High },
        "gate" => Role::Gate { closed: Level::Low },
        _ => Role::Data,
    }
}

fn bits(width: u32, value: u64) -> Bits {
    Bits { width, words: vec![value & (u64::MAX >> (64 - width))] }
}
