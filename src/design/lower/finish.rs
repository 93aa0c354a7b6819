//! The last step: triggers, order and purity of the processes, and the final numbers of the slots.

use std::collections::{BTreeMap, BTreeSet};

use super::super::program::{Kind, PowerUp, Process, Program, Slot, Trigger, Watch};
use super::analysis::{self, Effects};
use super::build::{Range, split};
use super::{Lowered, Lowering};

impl Lowering<'_> {
    pub(super) fn finish(mut self) -> Lowered<Program> {
        self.join_drivers()?;
        // What a process watches is what its text reads, and not what is read to take its writes apart.
        let mut written = self.effects();
        self.drop_unread(&mut written);
        let parted = self.part_writes(&written)?;
        let mut effects = if parted { self.effects() } else { written.clone() };
        self.make_private(&mut effects);
        let writers = writers(&effects);
        let mut processes = Vec::new();
        for (number, (draft, effects)) in
            std::mem::take(&mut self.processes).into_iter().zip(&effects).enumerate()
        {
            let mut triggers = draft.triggers;
            if draft.watches_reads {
                let reads = written.get(number).unwrap_or(effects);
                triggers.extend(triggers_of(reads, |slot| self.build.width(slot)));
            }
            let is_pure = is_pure(number, draft.kind, effects, &triggers, &writers);
            processes.push(Process {
                kind: draft.kind,
                triggers,
                body: draft.body,
                writes: effects.writes.iter().copied().collect(),
                restarts_itself: draft.is_assignment,
                is_pure,
                line: draft.line,
            });
        }
        if !self.declarations.is_empty() {
            let body = std::mem::take(&mut self.declarations);
            let effects = analysis::effects(&body, &|slot| self.build.width(slot));
            processes.push(Process {
                kind: Kind::Declaration,
                triggers: Vec::new(),
                body,
                writes: effects.writes.into_iter().collect(),
                restarts_itself: false,
                is_pure: false,
                line: 0,
            });
        }
        let processes = ordered(processes);
        Ok(self.numbered(processes))
    }

    fn effects(&self) -> Vec<Effects> {
        let width = |slot| self.build.width(slot);
        self.processes.iter().map(|draft| analysis::effects(&draft.body, &width)).collect()
    }

    /// Takes out the writes to variables that nothing reads or watches: the indices of loops that are written out.
    fn drop_unread(&mut self, effects: &mut [Effects]) {
        let ports = self.inputs.iter().chain(&self.outputs).map(|&(_, slot)| slot);
        let mut used: BTreeSet<Slot> = ports.collect();
        let declared = analysis::effects(&self.declarations, &|slot| self.build.width(slot));
        for own in effects.iter().chain([&declared]) {
            used.extend(&own.used);
        }
        for draft in &self.processes {
            used.extend(draft.triggers.iter().map(|trigger| trigger.slot));
        }
        for (draft, own) in self.processes.iter_mut().zip(effects) {
            let written = own.writes.iter().chain(&own.later);
            let unread: BTreeSet<Slot> =
                written.filter(|slot| !used.contains(slot)).copied().collect();
            if !unread.is_empty() {
                draft.body =
                    analysis::without_writes(std::mem::take(&mut draft.body), &unread);
                own.writes.retain(|slot| !unread.contains(slot));
                own.later.retain(|slot| !unread.contains(slot));
            }
        }
    }

    /// Variables that several processes use and each writes before it reads (`integer i` of all loops of a
    /// module) become one for each process.
    fn make_private(&mut self, effects: &mut [Effects]) {
        let ports: BTreeSet<Slot> =
            self.inputs.iter().chain(&self.outputs).map(|&(_, slot)| slot).collect();
        let mut users: BTreeMap<Slot, Vec<usize>> = BTreeMap::new();
        let mut shared: BTreeSet<Slot> = BTreeSet::new();
        for (number, own) in effects.iter().enumerate() {
            own.writes.iter().for_each(|&slot| users.entry(slot).or_default().push(number));
            shared.extend(own.reads.keys());
            shared.extend(&own.later);
        }
        for draft in &self.processes {
            shared.extend(draft.triggers.iter().map(|trigger| trigger.slot));
        }
        for (slot, users) in users {
            if users.len() < 2 || shared.contains(&slot) || ports.contains(&slot) {
                continue;
            }
            for number in users {
                let width = self.build.width(slot);
                let own = self.build.variable(width, PowerUp::Unknown);
                analysis::each_slot(&mut self.processes[number].body, &mut |used| {
                    if *used == slot {
                        *used = own;
                    }
                });
                effects[number].writes.remove(&slot);
                effects[number].writes.insert(own);
            }
        }
    }

    /// Slots get their final numbers: variables, then constants, then temporaries.
    fn numbered(self, mut processes: Vec<Process>) -> Program {
        let build = self.build;
        let (variables, constants) =
            (build.variable_widths.len() as Slot, build.constants.len() as Slot);
        let number = |slot: Slot| match split(slot) {
            (Range::Variable, _) => slot,
            (Range::Constant, at) => variables + at as Slot,
            (Range::Temporary, at) => variables + constants + at as Slot,
        };
        for process in &mut processes {
            analysis::each_slot(&mut process.body, &mut |slot| *slot = number(*slot));
        }
        let widths = build
            .variable_widths
            .iter()
            .chain(build.constant_widths())
            .chain(&build.temporary_widths)
            .copied()
            .collect();
        let mut program = Program {
            widths,
            variables,
            constants: build.constants,
            power_up: build.power_up,
            memories: build.memories,
            inputs: self.inputs,
            outputs: self.outputs,
            processes,
            watchers: Vec::new(),
            labels: build.labels,
        };
        program.link();
        program
    }
}

/// The processes that write each variable.
fn writers(effects: &[Effects]) -> BTreeMap<Slot, Vec<usize>> {
    let mut writers: BTreeMap<Slot, Vec<usize>> = BTreeMap::new();
    for (number, own) in effects.iter().enumerate() {
        for &slot in own.writes.iter().chain(&own.later) {
            writers.entry(slot).or_default().push(number);
        }
    }
    writers
}

fn triggers_of(effects: &Effects, width: impl Fn(Slot) -> u32) -> Vec<Trigger> {
    let mut triggers = Vec::new();
    for (&slot, bits) in &effects.reads {
        if bits.contains(&None) {
            let watch = Watch::Change { lsb: 0, width: width(slot) };
            triggers.push(Trigger { slot, watch });
            continue;
        }
        for &(lsb, width) in bits.iter().flatten() {
            triggers.push(Trigger { slot, watch: Watch::Change { lsb, width } });
        }
    }
    triggers
        .extend(effects.memory_reads.iter().map(|&slot| Trigger { slot, watch: Watch::Memory }));
    triggers
}

fn is_pure(
    number: usize,
    kind: Kind,
    effects: &Effects,
    triggers: &[Trigger],
    writers: &BTreeMap<Slot, Vec<usize>>,
) -> bool {
    let watched = |slot: &Slot| {
        triggers
            .iter()
            .any(|trigger| trigger.slot == *slot && matches!(trigger.watch, Watch::Change { .. }))
    };
    matches!(kind, Kind::Combinational | Kind::Triggered)
        && effects.memory_reads.is_empty()
        && effects.memory_writes.is_empty()
        && effects.later.is_empty()
        && effects.reads.keys().all(watched)
        && effects.reads.keys().all(|slot| !effects.writes.contains(slot))
        && effects.writes.iter().all(|slot| writers[slot] == [number])
}

/// Declarations, initial blocks, then combinational processes after those that write what they read, then the others.
fn ordered(processes: Vec<Process>) -> Vec<Process> {
    let rank = |process: &Process| match process.kind {
        Kind::Declaration => 0,
        Kind::Initial => 1,
        Kind::Combinational => 2,
        Kind::Triggered if process.triggers.iter().all(|t| !is_edge(t)) => 2,
        Kind::Triggered => 3,
    };
    let mut writers: BTreeMap<Slot, Vec<usize>> = BTreeMap::new();
    for (number, process) in processes.iter().enumerate() {
        if rank(process) == 2 {
            process.writes.iter().for_each(|&slot| writers.entry(slot).or_default().push(number));
        }
    }
    let mut order = Vec::with_capacity(processes.len());
    let mut state = vec![0u8; processes.len()];
    for number in 0..processes.len() {
        if rank(&processes[number]) == 2 {
            visit(number, &processes, &writers, &mut state, &mut order);
        }
    }
    let place: BTreeMap<usize, usize> =
        order.iter().enumerate().map(|(place, &number)| (number, place)).collect();
    let mut all: Vec<(u8, usize, Process)> = processes
        .into_iter()
        .enumerate()
        .map(|(number, process)| {
            (rank(&process), place.get(&number).copied().unwrap_or(number), process)
        })
        .collect();
    all.sort_by_key(|&(rank, place, _)| (rank, place));
    all.into_iter().map(|(_, _, process)| process).collect()
}

fn is_edge(trigger: &Trigger) -> bool {
    matches!(trigger.watch, Watch::Edge { .. })
}

/// Depth first, so that a process comes after those that write what it reads; in a loop, somewhere.
fn visit(
    start: usize,
    processes: &[Process],
    writers: &BTreeMap<Slot, Vec<usize>>,
    state: &mut [u8],
    order: &mut Vec<usize>,
) {
    let mut stack = vec![(start, 0usize)];
    if state[start] != 0 {
        return;
    }
    state[start] = 1;
    while let Some((number, at)) = stack.pop() {
        let triggers = &processes[number].triggers;
        let before = triggers
            .iter()
            .filter(|trigger| trigger.watch != Watch::Memory)
            .flat_map(|trigger| writers.get(&trigger.slot).into_iter().flatten().copied());
        match before.clone().skip(at).enumerate().find(|(_, writer)| state[*writer] == 0) {
            Some((skipped, writer)) => {
                stack.push((number, at + skipped + 1));
                state[writer] = 1;
                stack.push((writer, 0));
            }
            None => order.push(number),
        }
    }
}
