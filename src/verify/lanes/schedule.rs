//! Which process runs when, and in which lanes.

use super::Stop;
use super::code::{Code, Watch, What};
use super::engine::{Engine, each_lane, lanes_of};
use crate::design::program::Kind;

/// Processes that wait for their turn.
pub(super) struct Schedule {
    /// The lanes in which each process is started.
    started: Vec<u64>,
    /// The lanes in which it waits in the present round of triggered processes.
    waiting: Vec<u64>,
    /// The lanes in which it ever ran.
    ran: Vec<u64>,
    /// Combinational processes that are started, and the blocks that run once, which have lower numbers.
    active: Set,
    triggered: Set,
    /// Triggered ones of the present round.
    round: Set,
    /// The lanes of each run of a process in this settling, as far as they are not counted yet.
    runs: Vec<u64>,
    /// Runs that are counted, in each lane.
    counts: [u64; 64],
    /// Whether any are.
    is_counted: bool,
    runs_max: u64,
    /// The process that runs and the lanes in which it was started.
    pub current: u32,
    pub lanes: u64,
}

/// What a settling costs beside the instructions that it runs.
const INSTRUCTIONS_OF_SETTLING: u64 = 4;

/// Runs that are counted together.
const RUNS_KEPT: usize = 1024;

/// A set of processes that gives out the first.
#[derive(Clone, Default)]
struct Set(Vec<u64>);

impl Set {
    fn insert(&mut self, process: u32) {
        self.0[process as usize / 64] |= 1 << (process % 64);
    }

    #[inline(always)]
    fn take_first(&mut self) -> Option<u32> {
        for (at, word) in self.0.iter_mut().enumerate() {
            if *word != 0 {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                return Some(64 * at as u32 + bit);
            }
        }
        None
    }
}

impl Schedule {
    pub fn new(code: &Code) -> Schedule {
        let processes = code.units.len();
        let empty = Set(vec![0; processes.div_ceil(64)]);
        Schedule {
            started: vec![0; processes],
            waiting: vec![0; processes],
            ran: vec![0; processes],
            active: empty.clone(),
            triggered: empty.clone(),
            round: empty,
            runs: Vec::with_capacity(RUNS_KEPT),
            counts: [0; 64],
            is_counted: false,
            runs_max: 0,
            current: 0,
            lanes: 0,
        }
    }

    fn forget(&mut self) {
        for set in [&mut self.active, &mut self.triggered, &mut self.round] {
            set.0.fill(0);
        }
        self.started.fill(0);
        self.waiting.fill(0);
        self.ran.fill(0);
    }

    /// Starts a process; where it waits for its turn already, it has nothing more to wait for.
    pub fn start(&mut self, code: &Code, process: u32, lanes: u64) {
        let at = process as usize;
        let lanes = lanes & !self.waiting[at];
        if lanes == 0 {
            return;
        }
        self.started[at] |= lanes;
        match code.units[at].kind {
            Kind::Combinational | Kind::Initial => self.active.insert(process),
            Kind::Triggered => self.triggered.insert(process),
            Kind::Declaration => {}
        }
    }

    /// All triggered processes that are started now run next, whatever they start.
    #[inline(always)]
    fn begin_round(&mut self) {
        while let Some(process) = self.triggered.take_first() {
            self.waiting[process as usize] = std::mem::take(&mut self.started[process as usize]);
            self.round.insert(process);
        }
    }

    /// The next process and its lanes.
    #[inline(always)]
    fn next(&mut self) -> Option<(u32, u64)> {
        if let Some(process) = self.round.take_first() {
            return Some((process, std::mem::take(&mut self.waiting[process as usize])));
        }
        if let Some(process) = self.active.take_first() {
            return Some((process, std::mem::take(&mut self.started[process as usize])));
        }
        self.begin_round();
        let process = self.round.take_first()?;
        Some((process, std::mem::take(&mut self.waiting[process as usize])))
    }

    /// Counts the runs that were kept; gives the lanes that have too many.
    fn count(&mut self) -> u64 {
        self.is_counted = true;
        for lanes in self.runs.drain(..) {
            for lane in each_lane(lanes) {
                self.counts[lane] += 1;
            }
        }
        let is_over = |(lane, &count): (usize, &u64)| u64::from(count > self.runs_max) << lane;
        self.counts.iter().enumerate().map(is_over).sum()
    }
}

impl<const L: usize> Engine<'_, L> {
    /// Runs the initial values of declarations; then `initial` blocks and combinational processes are started.
    ///
    /// Logic that a list of signals or `@*` starts holds no state of its own on hardware, so from random power-up
    /// states it is started as well.
    pub fn run_declarations(&mut self, is_random: bool) {
        let code = self.code;
        self.schedule.forget();
        for (process, unit) in (0..).zip(&code.units) {
            if unit.kind == Kind::Declaration {
                self.run(process, Self::FULL);
            }
        }
        self.schedule.forget();
        for (process, unit) in (0..).zip(&code.units) {
            let runs_first = match unit.kind {
                Kind::Initial | Kind::Combinational => true,
                Kind::Triggered => is_random && !unit.waits_for_edge,
                Kind::Declaration => false,
            };
            if runs_first {
                self.schedule.start(code, process, Self::FULL);
            }
        }
    }

    pub fn settle(&mut self) -> Result<(), Stop> {
        self.iterations_of_step = [0; L];
        self.instructions += INSTRUCTIONS_OF_SETTLING;
        self.schedule.runs.clear();
        if self.schedule.is_counted {
            self.schedule.counts = [0; 64];
            self.schedule.is_counted = false;
        }
        self.schedule.runs_max =
            self.bounds.runs_of_process.saturating_mul(self.code.units.len() as u64 + 10);
        self.is_quiet = !self.code.passes;
        loop {
            while let Some((process, lanes)) = self.schedule.next() {
                if self.schedule.runs.len() == RUNS_KEPT {
                    let over = self.schedule.count();
                    self.stop(over, Stop::NotSettled);
                }
                self.schedule.runs.push(lanes);
                self.is_quiet = false;
                self.run(process, lanes);
            }
            if !self.apply_nonblocking() {
                break;
            }
        }
        if self.instructions > self.bounds.instructions {
            self.stop(Self::FULL, Stop::Work);
        }
        // Before the first count, each run adds one at most.
        if self.schedule.is_counted || self.schedule.runs.len() as u64 > self.schedule.runs_max {
            let over = self.schedule.count();
            self.stop(over, Stop::NotSettled);
        }
        if self.is_overworked {
            return Err(Stop::Work);
        }
        let stopped = self.looped | self.unsettled;
        match stopped & stopped.wrapping_neg() {
            0 => Ok(()),
            lowest if self.looped & lowest != 0 => Err(Stop::Loop),
            _ => Err(Stop::NotSettled),
        }
    }

    /// Whether every process has run in every lane since power-up.
    pub fn has_run(&self) -> bool {
        let runs_on = |kind| matches!(kind, Kind::Combinational | Kind::Triggered);
        let mut units = self.code.units.iter().zip(&self.schedule.ran);
        units.all(|(unit, &ran)| !runs_on(unit.kind) || ran == Self::FULL)
    }

    /// Ends these lanes.
    pub fn stop(&mut self, lanes: u64, why: Stop) {
        let lanes = lanes & self.alive;
        self.alive &= !lanes;
        match why {
            Stop::Loop => self.looped |= lanes,
            Stop::NotSettled => self.unsettled |= lanes,
            Stop::Work => self.is_overworked = true,
        }
    }

    /// Runs a unit that was started in these lanes.
    fn run(&mut self, number: u32, lanes: u64) {
        let code = self.code;
        let unit = &code.units[number as usize];
        let active = lanes & self.alive;
        if active == 0 {
            return;
        }
        let ran = &mut self.schedule.ran[number as usize];
        *ran |= active;
        let mask = if unit.is_pure { *ran & self.alive } else { active };
        self.schedule.current = number;
        self.schedule.lanes = active;
        let needs = &code.needs[unit.needs.0 as usize..unit.needs.1 as usize];
        let is_known = needs.iter().all(|&(word, bits)| self.noted[word as usize] & bits == 0);
        self.execute(if is_known { unit.known_start } else { unit.start } as usize, mask);
    }

    /// The nonblocking writes take effect; whether there were any.
    fn apply_nonblocking(&mut self) -> bool {
        if self.opened.is_empty() && self.memory_writes.is_empty() {
            return false;
        }
        for at in 0..self.opened.len() {
            self.close(self.opened[at]);
        }
        self.opened.clear();
        self.apply_memory_writes();
        true
    }

    /// A variable takes its shadow's value.
    #[inline(always)]
    fn close(&mut self, number: u32) {
        let variable = &self.code.variables[number as usize];
        let (cell, limbs) = (variable.place.cell, variable.place.limbs);
        let shadow = self.code.variables.len() as u32 + number;
        let is_known = !self.is_noted(number) && !self.is_noted(shadow);
        self.is_open[number as usize] = false;
        self.notify(number, cell, variable.shadow, None, is_known);
        self.copy(cell, variable.shadow, limbs, is_known);
        if !is_known {
            self.set_noted(shadow, false);
            self.note(number);
        }
    }

    /// Starts what watches a variable that changes from the value at `old` to that at `new`, except the unit `but`.
    #[inline(always)]
    pub fn notify(&mut self, variable: u32, old: u32, new: u32, but: Option<u32>, is_known: bool) {
        let limbs = self.code.variables[variable as usize].place.limbs;
        for limb in 0..limbs {
            let (old, new) = (old + limb, new + limb);
            let (from, to) = (&self.cells[old as usize], &self.cells[new as usize]);
            let mut differ = 0;
            for lane in 0..L {
                differ |= from.value[lane] ^ to.value[lane];
            }
            if is_known {
                if differ != 0 {
                    let from = from.value;
                    self.start_watchers_known(variable, limb, &from, new, but);
                }
                continue;
            }
            for lane in 0..L {
                differ |= from.unknown[lane] ^ to.unknown[lane];
            }
            if differ != 0 {
                self.start_watchers(variable, limb, [old, new], but);
            }
        }
    }

    /// A limb of a variable changes from known values to the known ones in a cell.
    pub fn start_watchers_known(
        &mut self,
        variable: u32,
        limb: u32,
        old: &[u64; L],
        new: u32,
        but: Option<u32>,
    ) {
        let code = self.code;
        let new = &self.cells[new as usize].value;
        let (first, end) = code.variables[variable as usize].watchers;
        for watch in &code.watchers[first as usize..end as usize] {
            if watch.limb != limb || Some(watch.unit) == but {
                continue;
            }
            let mut lanes = 0;
            match watch.what {
                What::Change(mask) => {
                    for lane in 0..L {
                        lanes |= u64::from((old[lane] ^ new[lane]) & mask != 0) << lane;
                    }
                }
                What::Edge { bit, rising, falling } => {
                    let bit = bit & 63;
                    let (up, down) = (if rising { !0 } else { 0 }, if falling { !0 } else { 0 });
                    for lane in 0..L {
                        let seen = !old[lane] & new[lane] & up | old[lane] & !new[lane] & down;
                        lanes |= (seen >> bit & 1) << lane;
                    }
                }
            }
            self.schedule.start(code, watch.unit, lanes);
        }
    }

    /// The same for values of four states in two cells.
    #[inline(never)]
    fn start_watchers(&mut self, variable: u32, limb: u32, cells: [u32; 2], but: Option<u32>) {
        let code = self.code;
        let (first, end) = code.variables[variable as usize].watchers;
        for watch in &code.watchers[first as usize..end as usize] {
            if watch.limb == limb && Some(watch.unit) != but {
                let lanes = self.seen(watch, cells);
                self.schedule.start(code, watch.unit, lanes);
            }
        }
    }

    /// The lanes in which a watcher sees what it watches for.
    fn seen(&mut self, watch: &Watch, [old, new]: [u32; 2]) -> u64 {
        let (old, new) = (&self.cells[old as usize], &self.cells[new as usize]);
        match watch.what {
            What::Change(mask) => {
                let differ = |lane: usize| {
                    (old.value[lane] ^ new.value[lane]) | (old.unknown[lane] ^ new.unknown[lane])
                };
                lanes_of(&std::array::from_fn::<u64, L, _>(|lane| differ(lane) & mask))
            }
            What::Edge { bit, rising, falling } => {
                let lanes = |words: &[u64; L]| {
                    lanes_of(&std::array::from_fn::<u64, L, _>(|lane| words[lane] >> bit & 1))
                };
                let ((a, x), (b, y)) = (
                    (lanes(&old.value), lanes(&old.unknown)),
                    (lanes(&new.value), lanes(&new.unknown)),
                );
                let up = (!a & !x & (b | y)) | (x & b & !y);
                let down = ((a & !x) & (!b | y)) | (x & !b & !y);
                let seen = if rising { up } else { 0 } | if falling { down } else { 0 };
                self.optimistic |= ((a ^ b) | (x ^ y)) & (x | y) & Self::FULL;
                seen & Self::FULL
            }
        }
    }
}
