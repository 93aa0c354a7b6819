//! A conversation with one chip: is it the right one, load, run, read, and believe nothing that was not checked.
//!
//! In: a link and what was built. Out: the results of runs. Frames have no check of their own, so the rules are: every
//! register that is written is read back before the start; tables, which cannot be, and the start itself are in the
//! running CRC that both sides keep; results are read twice, under a CRC each that also covers that the run has ended;
//! and the two controls must say what they must. Where any of this fails there is no result but an error: a link that
//! lies must never become a verdict.

use super::FpgaError;
use super::harness::{CONTROLS, Harness};
use super::link::{Link, LinkError};
use super::registers::{self, Check, at};
use crate::verify::stimulus::chip::{ChipInput, ChipRun, ChipTables, Constant};

/// A chip with which one speaks.
pub struct Session<'a, 'w> {
    link: Link<'w>,
    harness: &'a Harness<'a>,
    stream: u64,
    hertz: u64,
    check: Check,
}

/// What is watched in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Select {
    /// The slot, controls included.
    pub slot: usize,
    /// The output; any if none is named.
    pub output: Option<usize>,
    /// Whether the run ends at the first mismatch.
    pub stop: bool,
}

impl Select {
    /// The control that is wrong on purpose.
    pub const FAULT: Select = Select { slot: 1, output: None, stop: false };
}

/// What a run says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunResult {
    /// Comparison points.
    pub points: u64,
    /// Points at which slot 1 was wrong on purpose.
    pub fault_points: u64,
    /// Place of the first mismatch of what was selected: number of the episode in its sequence, cycle, step.
    pub first: Option<(u32, u32, u8)>,
    /// The slots, controls first.
    pub slots: Vec<SlotResult>,
    /// The golden outputs.
    pub window: Window,
}

/// What a run says of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotResult {
    /// Points with a mismatch.
    pub mismatches: u64,
    /// Outputs that had one.
    pub outputs: Vec<bool>,
}

/// What was seen of each bit of the golden outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// At 0 while it was defined.
    pub zero: Vec<bool>,
    /// At 1 while it was defined.
    pub one: Vec<bool>,
    /// Not defined.
    pub undefined: Vec<bool>,
}

impl Window {
    /// Takes in what another run saw; whether a bit has toggled that had not.
    pub fn add(&mut self, other: &Window) -> bool {
        let before = self.toggled().count();
        let merge = |into: &mut Vec<bool>, from: &[bool]| {
            into.resize(from.len().max(into.len()), false);
            into.iter_mut().zip(from).for_each(|(into, &from)| *into |= from);
        };
        merge(&mut self.zero, &other.zero);
        merge(&mut self.one, &other.one);
        merge(&mut self.undefined, &other.undefined);
        self.toggled().count() > before
    }

    /// Bits that were seen at both levels.
    pub fn toggled(&self) -> impl Iterator<Item = usize> {
        let both = self.zero.iter().zip(&self.one).enumerate();
        both.filter(|(_, (zero, one))| **zero && **one).map(|(bit, _)| bit)
    }
}

/// The cycle, modulo 64, in which slot 1 is wrong: one that the shortest episode has, late enough to be after a reset.
const FAULT_CYCLE: u32 = 9;

/// Clocks between two looks at the chip while it runs.
const CLOCKS_OF_LOOK: u64 = 50_000;

/// Clocks that settings of a segment take beside the rows: 200 for a word, three words for an input at most.
const CLOCKS_OF_SETTINGS: u64 = 1024;

impl<'a, 'w> Session<'a, 'w> {
    /// Asks the chip which it is; an error unless it is the one that was built.
    pub fn open(
        link: Link<'w>,
        harness: &'a Harness<'a>,
        build_id: u64,
        board: &super::boards::Board,
        stream: u64,
    ) -> Result<Session<'a, 'w>, FpgaError> {
        let mut session =
            Session { link, harness, stream, hertz: board.hertz, check: Check::START };
        session.link.settle()?;
        let identity = introduced(&mut session.link, board)?;
        identity.is(board, build_id)?;
        let shape = harness.chip.inputs.len() as u32
            | (harness.interface.outputs().count() as u32) << 8
            | (harness.slot_count() as u32) << 16;
        if identity.shape != shape {
            return Err(FpgaError::Shape { found: identity.shape, expected: shape });
        }
        Ok(session)
    }

    /// Loads the tables of all inputs that have one.
    pub fn load_tables(&mut self, tables: &[&ChipTables]) -> Result<(), FpgaError> {
        self.start_check()?;
        let harness = self.harness;
        for (number, (input, tables)) in harness.chip.inputs.iter().zip(tables).enumerate() {
            if harness.has_table(input) {
                self.load_table(number as u32, input, tables)?;
            }
        }
        self.end_check("loading the tables")
    }

    fn load_table(
        &mut self,
        number: u32,
        input: &ChipInput,
        tables: &ChipTables,
    ) -> Result<(), FpgaError> {
        /// Where the pool begins, and the lane that holds the counts.
        const POOL: u32 = 128;
        const COUNTS: u32 = 255;
        let at = |entry: u32, lane: u32| entry | lane << 8 | number << 16;
        let legal: Vec<Constant> = input
            .legal
            .iter()
            .flatten()
            .map(|value| Constant { value: value.clone(), mask: Vec::new() })
            .collect();
        let own = if input.legal.is_some() { &legal } else { &tables.own };
        let pool: &[Constant] = if input.legal.is_some() { &[] } else { &tables.pool };
        for (from, entries) in [(0, own.as_slice()), (POOL, pool)] {
            if entries.is_empty() {
                continue;
            }
            for slice in 0..input.width.div_ceil(32) {
                let half = |words: &[u64]| {
                    let word = words.get(slice as usize / 2).copied().unwrap_or(0);
                    (word >> (32 * (slice % 2))) as u32
                };
                let values: Vec<u32> = entries.iter().map(|entry| half(&entry.value)).collect();
                let masks: Vec<u32> = entries.iter().map(|entry| half(&entry.mask)).collect();
                self.write(at::TABLE_AT, &[at(from, 2 * slice)])?;
                self.write_to(at::TABLE_DATA, &values)?;
                if input.legal.is_none() {
                    self.write(at::TABLE_AT, &[at(from, 2 * slice + 1)])?;
                    self.write_to(at::TABLE_DATA, &masks)?;
                }
            }
        }
        self.write(at::TABLE_AT, &[at(0, COUNTS)])?;
        self.write_to(at::TABLE_DATA, &[own.len() as u32 | (pool.len() as u32) << 8])
    }

    /// Lets the chip go through the episodes of a run, and reads what it says.
    pub fn run(&mut self, run: &ChipRun, select: Select) -> Result<RunResult, FpgaError> {
        let loaded = self.registers(run, select);
        self.start_check()?;
        self.write(at::STREAM_LOW, &loaded)?;
        let back = self.read(at::STREAM_LOW, loaded.len())?;
        if let Some(word) = (0..loaded.len()).find(|&word| back[word] != loaded[word]) {
            let address = at::STREAM_LOW + 4 * word as u32;
            let (found, expected) = (back[word], loaded[word]);
            return Err(FpgaError::Register { address, found, expected });
        }
        self.end_check("loading the registers")?;
        // A start that is lost on the way would leave the results of the run before.
        self.start_check()?;
        self.write(at::CONTROL, &[registers::START])?;
        self.end_check("starting the run")?;
        self.await_end(run)?;
        let first = self.results(run)?;
        let second = self.results(run)?;
        if first != second {
            return Err(FpgaError::TwoReads);
        }
        if select == Select::FAULT {
            self.trust_place(&first)?;
        }
        Ok(first)
    }

    /// The registers from STREAM to FAULT.
    fn registers(&self, run: &ChipRun, select: Select) -> Vec<u32> {
        let low = |value: u64| value as u32;
        let high = |value: u64| (value >> 32) as u32;
        let (state, increment, rest) = run.walk.unwrap_or((0, 0, 0));
        let mode = run.flavour
            | run.sequence << 8
            | if run.walk.is_some() { registers::WALK } else { 0 }
            | if select.stop { registers::STOP } else { 0 };
        let output = select.output.map_or(registers::ANY_OUTPUT, |output| (output as u32) << 16);
        vec![
            low(self.stream),
            high(self.stream),
            mode,
            run.number,
            run.episodes,
            run.cycles,
            run.last_cycles,
            run.leader,
            low(state),
            high(state),
            increment,
            low(rest),
            high(rest),
            select.slot as u32 | output,
            self.fault(),
        ]
    }

    fn fault(&self) -> u32 {
        FAULT_CYCLE | u32::from(self.fault_step()) << 6
    }

    /// In the synchronous profile one step of the four is compared.
    fn fault_step(&self) -> u8 {
        let chip = self.harness.chip;
        if chip.synchronous && chip.after_falling { 2 } else { 0 }
    }

    /// What is wrong on purpose is wrong for the first time where it was made so.
    fn trust_place(&self, result: &RunResult) -> Result<(), FpgaError> {
        let wrong = result.slots[1].mismatches > 0;
        let as_made = match result.first {
            Some((_, cycle, step)) => {
                wrong && cycle % 64 == FAULT_CYCLE && step == self.fault_step()
            }
            None => !wrong,
        };
        if as_made { Ok(()) } else { Err(FpgaError::FaultPlace { place: result.first }) }
    }

    /// Waits four times as long as the run takes and a second, no more.
    fn await_end(&mut self, run: &ChipRun) -> Result<(), FpgaError> {
        let steps = if self.harness.chip.synchronous { 2 } else { 4 };
        let settings = CLOCKS_OF_SETTINGS * (self.harness.chip.inputs.len() as u64 + 2);
        let segments = run.total_cycles / 128 + u64::from(run.episodes) + 1;
        let expected = run.total_cycles * steps * u64::from(self.harness.step_clocks) * 2
            + segments * settings;
        let mut waited = 0;
        loop {
            let status = self.read(at::STATUS, 1)?[0];
            if ended(status) {
                return Ok(());
            }
            if waited > 4 * expected + self.hertz {
                return Err(FpgaError::NeverEnds { clocks: waited, status });
            }
            let clocks = CLOCKS_OF_LOOK.min(expected / 4 + 1000);
            self.link.wait(clocks, self.hertz)?;
            waited += clocks;
        }
    }

    fn results(&mut self, run: &ChipRun) -> Result<RunResult, FpgaError> {
        let outputs = self.harness.interface.outputs().count();
        let bits = super::harness::output_bits(self.harness.interface) as usize;
        let (slot_words, window_words) = (1 + outputs.div_ceil(32), bits.div_ceil(32));
        /// Points, points of the fault, and the two words of the first mismatch.
        const HEAD: usize = 4;
        let words = HEAD + self.harness.slot_count() * slot_words + 3 * window_words;
        self.start_check()?;
        // While a run is on, results read 0: so that it has ended is under the check too.
        let status = self.read(at::STATUS, 1)?[0];
        let words = self.read(at::RESULTS, words)?;
        self.end_check("reading the results")?;
        if !ended(status) {
            return Err(FpgaError::StillRuns { status });
        }
        let (head, words) = words.split_at(HEAD);
        let (slots, window) = words.split_at(self.harness.slot_count() * slot_words);
        let count = |state| registers::count_of(state).ok_or(FpgaError::Counter(state));
        let slots = slots.chunks(slot_words).map(|words| {
            Ok(SlotResult { mismatches: count(words[0])?, outputs: flags(&words[1..], outputs) })
        });
        let slots = slots.collect::<Result<Vec<SlotResult>, FpgaError>>()?;
        let part = |number: usize| flags(&window[number * window_words..], bits);
        const NUMBER: u32 = 0xff_ffff;
        let place = (head[3] & NUMBER, head[2] & NUMBER, (head[2] >> 29 & 3) as u8);
        let first = (head[2] >> 31 == 1).then_some(place);
        let result = RunResult {
            points: count(head[0])?,
            fault_points: count(head[1])?,
            first,
            slots,
            window: Window { zero: part(0), one: part(1), undefined: part(2) },
        };
        self.trust(run, &result)?;
        Ok(result)
    }

    /// The controls: the copy matches everywhere, and the one that is wrong on purpose is found wrong just there.
    fn trust(&self, run: &ChipRun, result: &RunResult) -> Result<(), FpgaError> {
        let steps = if self.harness.chip.synchronous { 1 } else { 4 };
        if result.points > run.total_cycles * steps {
            return Err(FpgaError::Points { found: result.points, most: run.total_cycles * steps });
        }
        let copy = &result.slots[0];
        if copy.mismatches != 0 || copy.outputs.contains(&true) {
            return Err(FpgaError::CopyDiffers { mismatches: copy.mismatches });
        }
        let wrong = &result.slots[1];
        let expected = result.fault_points;
        let always_defined = !result.window.undefined.contains(&true);
        let caught = match always_defined {
            true => wrong.mismatches == expected,
            // Points at which no bit is defined do not count.
            false => wrong.mismatches <= expected,
        };
        let found = wrong.outputs.iter().any(|&output| output);
        if !caught || (wrong.mismatches > 0) != found {
            return Err(FpgaError::FaultMissed { mismatches: wrong.mismatches, expected });
        }
        let idle = result.slots[CONTROLS..]
            .iter()
            .find(|s| (s.mismatches > 0) != s.outputs.contains(&true));
        match idle {
            Some(slot) => Err(FpgaError::CountDiffers { mismatches: slot.mismatches }),
            None => Ok(()),
        }
    }

    fn start_check(&mut self) -> Result<(), FpgaError> {
        self.link.write(at::CRC / 4, &[0])?;
        self.check = Check::START;
        Ok(())
    }

    fn end_check(&mut self, what: &'static str) -> Result<(), FpgaError> {
        let found = self.link.read(at::CRC / 4, 1)?[0];
        let expected = self.check.sum();
        if found != expected {
            return Err(FpgaError::Check { what, found, expected });
        }
        Ok(())
    }

    fn write(&mut self, address: u32, words: &[u32]) -> Result<(), FpgaError> {
        self.link.write(address / 4, words)?;
        (address..).step_by(4).zip(words).for_each(|(at, &word)| self.check.add(at, word));
        Ok(())
    }

    fn write_to(&mut self, address: u32, words: &[u32]) -> Result<(), FpgaError> {
        self.link.write_to(address / 4, words)?;
        words.iter().for_each(|&word| self.check.add(address, word));
        Ok(())
    }

    fn read(&mut self, address: u32, count: usize) -> Result<Vec<u32>, FpgaError> {
        let words = self.link.read(address / 4, count)?;
        (address..).step_by(4).zip(&words).for_each(|(at, &word)| self.check.add(at, word));
        Ok(words)
    }
}

/// Whether STATUS says that a run has ended and none is on.
fn ended(status: u32) -> bool {
    status & (registers::BUSY | registers::DONE) == registers::DONE
}

/// What a chip says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The first register.
    pub ident: u32,
    /// Versions and the board's number.
    pub version: u32,
    /// The build.
    pub build_id: u64,
    /// Inputs, outputs and slots.
    pub shape: u32,
}

/// Clocks of silence after which the chip drops a frame that was left open, and as many again.
const CLOCKS_OF_SILENCE: u64 = 2 << 20;

/// Asks a chip what it is, once more after a silence: an earlier conversation may have ended in the middle of a frame,
/// whose rest the chip then took the question for.
pub fn introduced(link: &mut Link, board: &super::boards::Board) -> Result<Identity, FpgaError> {
    match identify(link) {
        Err(FpgaError::Link(LinkError::Silent { .. })) => {
            link.wait(CLOCKS_OF_SILENCE, board.hertz)?;
            link.settle()?;
            identify(link)
        }
        other => other,
    }
}

/// Asks a chip what it is.
fn identify(link: &mut Link) -> Result<Identity, FpgaError> {
    let words = link.read(at::IDENT / 4, 5)?;
    let build_id = u64::from(words[2]) | u64::from(words[3]) << 32;
    Ok(Identity { ident: words[0], version: words[1], build_id, shape: words[4] })
}

impl Identity {
    /// The board's number.
    pub fn board(&self) -> u32 {
        self.version >> 16 & 0xff
    }

    /// An error unless it is this build on this board.
    pub fn is(&self, board: &super::boards::Board, build_id: u64) -> Result<(), FpgaError> {
        if self.ident != registers::IDENT {
            return Err(FpgaError::NoHarness(self.ident));
        }
        let spoken = self.version & 0xffff;
        let expected = registers::CONTRACT | crate::verify::stimulus::VERSION << 8;
        if spoken != expected {
            return Err(FpgaError::Contract { found: spoken, expected });
        }
        if self.board() != board.number {
            return Err(FpgaError::OtherBoard { found: self.board(), expected: board.number });
        }
        if self.build_id != build_id {
            return Err(FpgaError::OtherBuild { found: self.build_id, expected: build_id });
        }
        Ok(())
    }
}

fn flags(words: &[u32], count: usize) -> Vec<bool> {
    (0..count).map(|bit| words[bit / 32] >> (bit % 32) & 1 == 1).collect()
}
