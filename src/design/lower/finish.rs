//! The last step: triggers, order and purity of the processes, and the final numbers of the slots.

use std::collections::{BTreeMap, BTreeSet};

use super::super::program::{Kind, PowerUp, Process, Program, Slot, Trigger, Watch};
use super::analysis::{self, Effects, Places};
use super::bits::Bits;
use super::build::{Range, split};
use super::{Lowered, Lowering, stateless};

impl Lowering<'_> {
    pub(super) fn finish(mut self) -> Lowered<Program> {
        self.join_drivers()?;
        // What a process watches is what its text reads, and not what is read to take its writes apart.
        let mut written = self.effects();
        self.drop_unread(&mut written);
        let mut is_changed = false;
        for draft in &mut self.processes {
            is_changed |= analysis::take_out_overwritten(&mut draft.body);
        }
        is_changed |= self.part_writes(&written)?;
        let mut effects = if is_changed { self.effects() } else { written.clone() };
        self.make_private(&mut effects);
        let writers = writers(&effects);
        let kinds: Vec<Kind> = self.processes.iter().map(|draft| draft.kind).collect();
        let mut processes = Vec::new();
        for (number, (draft, effects)) in
            std::mem::take(&mut self.processes).into_iter().zip(&effects).enumerate()
        {
            let mut triggers = draft.triggers;
            if draft.watches_reads {
                let is_procedure = draft.kind == Kind::Combinational && !draft.is_assignment;
                triggers.extend(triggers_of(written.get(number).unwrap_or(effects), is_procedure));
                triggers.retain(|trigger| {
                    trigger.watch != Watch::Memory || !self.made_anew.contains(&trigger.slot)
                });
            }
            let is_pure = is_pure(number, draft.kind, effects, &triggers, &writers);
            processes.push(Process {
                kind: draft.kind,
                triggers,
                body: draft.body,
                writes: effects.writes.keys().copied().collect(),
                written: effects.writes.values().map(Bits::words).collect(),
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
                writes: effects.writes.keys().copied().collect(),
                written: effects.writes.values().map(Bits::words).collect(),
                restarts_itself: false,
                is_pure: false,
                line: 0,
            });
        }
        let order = ordered(&processes, &effects);
        let is_stateless = stateless::is_stateless(&kinds, &effects, &processes, &order, &writers);
        let mut processes: Vec<Option<Process>> = processes.into_iter().map(Some).collect();
        let processes = order.into_iter().filter_map(|number| processes[number].take()).collect();
        let mut program = self.numbered(processes);
        program.is_stateless = is_stateless;
        Ok(program)
    }

    fn effects(&self) -> Vec<Effects> {
        let width = |slot| self.build.width(slot);
        self.processes.iter().map(|draft| analysis::effects(&draft.body, &width)).collect()
    }

    /// Takes out the writes to variables that nothing reads or watches: the indices of loops that are unrolled.
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
            let written = own.writes.keys().chain(own.later.keys());
            let unread: BTreeSet<Slot> =
                written.filter(|slot| !used.contains(slot)).copied().collect();
            if !unread.is_empty() {
                draft.body = analysis::without_writes(std::mem::take(&mut draft.body), &unread);
                own.writes.retain(|slot, _| !unread.contains(slot));
                own.later.retain(|slot, _| !unread.contains(slot));
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
            own.writes.keys().for_each(|&slot| users.entry(slot).or_default().push(number));
            shared.extend(own.reads.keys());
            shared.extend(own.later.keys());
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
                for places in [&mut effects[number].writes, &mut effects[number].surely] {
                    if let Some(bits) = places.remove(&slot) {
                        places.insert(own, bits);
                    }
                }
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
            is_stateless: false,
        };
        program.link();
        program
    }
}

/// Who may write which bits of each variable.
pub(super) type Writers = BTreeMap<Slot, Vec<(usize, Bits)>>;

fn writers(effects: &[Effects]) -> Writers {
    let mut writers = Writers::new();
    for (number, own) in effects.iter().enumerate() {
        for (&slot, bits) in own.writes.iter().chain(&own.later) {
            writers.entry(slot).or_default().push((number, bits.clone()));
        }
    }
    writers
}

/// What starts a process that watches what it reads. `always_comb` and `always_latch` do not watch what they write, not
/// even by nonblocking assignments (IEEE 1800-2017, 9.2.2.2.1).
fn triggers_of(effects: &Effects, is_procedure: bool) -> Vec<Trigger> {
    let mut triggers = Vec::new();
    for (&slot, bits) in &effects.reads {
        let mut bits = bits.clone();
        for own in [&effects.writes, &effects.later] {
            if let Some(own) = own.get(&slot).filter(|_| is_procedure) {
                bits = bits.without(own);
            }
        }
        for (lsb, width) in bits.ranges() {
            triggers.push(Trigger { slot, watch: Watch::Change { lsb, width } });
        }
    }
    triggers
        .extend(effects.memory_reads.iter().map(|&slot| Trigger { slot, watch: Watch::Memory }));
    triggers
}

/// The bits of each variable a change of which starts a process.
fn watched(triggers: &[Trigger]) -> Places {
    let mut watched = Places::new();
    for trigger in triggers {
        if let Watch::Change { lsb, width } = trigger.watch {
            watched.entry(trigger.slot).or_default().add(&Bits::range(lsb, width));
        }
    }
    watched
}

/// Whether all that is read is watched.
pub(super) fn watches_all(effects: &Effects, triggers: &[Trigger]) -> bool {
    let watched = watched(triggers);
    effects.reads.iter().all(|(slot, bits)| {
        watched.get(slot).is_some_and(|watched| bits.without(watched).is_empty())
    })
}

/// Whether a process alone writes the bits that it may write.
pub(super) fn writes_alone(number: usize, effects: &Effects, writers: &Writers) -> bool {
    effects.writes.iter().chain(&effects.later).all(|(slot, bits)| {
        writers[slot].iter().all(|(other, theirs)| *other == number || !theirs.meets(bits))
    })
}

/// Whether a process reads what it has not written yet, and writes it.
pub(super) fn reads_own(effects: &Effects) -> bool {
    effects.reads.iter().any(|(slot, bits)| {
        [&effects.writes, &effects.later]
            .iter()
            .any(|own| own.get(slot).is_some_and(|own| own.meets(bits)))
    })
}

fn is_pure(
    number: usize,
    kind: Kind,
    effects: &Effects,
    triggers: &[Trigger],
    writers: &Writers,
) -> bool {
    matches!(kind, Kind::Combinational | Kind::Triggered)
        && effects.memory_reads.is_empty()
        && effects.memory_writes.is_empty()
        && effects.later.is_empty()
        && watches_all(effects, triggers)
        && !reads_own(effects)
        && writes_alone(number, effects, writers)
}

/// Declarations, initial blocks, then combinational processes after those that write what they read, then the others.
fn ordered(processes: &[Process], effects: &[Effects]) -> Vec<usize> {
    let rank = |process: &Process| match process.kind {
        Kind::Declaration => 0,
        Kind::Initial => 1,
        Kind::Combinational => 2,
        Kind::Triggered if process.triggers.iter().all(|t| !is_edge(t)) => 2,
        Kind::Triggered => 3,
    };
    let mut writers = Writers::new();
    for (number, (process, own)) in processes.iter().zip(effects).enumerate() {
        if rank(process) == 2 {
            for (&slot, bits) in &own.writes {
                writers.entry(slot).or_default().push((number, bits.clone()));
            }
        }
    }
    let mut order = Vec::with_capacity(processes.len());
    let mut state = vec![0u8; processes.len()];
    for number in 0..processes.len() {
        if rank(&processes[number]) == 2 {
            visit(number, processes, &writers, &mut state, &mut order);
        }
    }
    let mut place: Vec<usize> = (0..processes.len()).collect();
    order.iter().enumerate().for_each(|(at, &number)| place[number] = at);
    let mut all: Vec<usize> = (0..processes.len()).collect();
    all.sort_by_key(|&number| (rank(&processes[number]), place[number]));
    all
}

fn is_edge(trigger: &Trigger) -> bool {
    matches!(trigger.watch, Watch::Edge { .. })
}

/// Depth first, so that a process comes after those that write what it reads; in a loop, somewhere.
fn visit(
    start: usize,
    processes: &[Process],
    writers: &Writers,
    state: &mut [u8],
    order: &mut Vec<usize>,
) {
    if state[start] != 0 {
        return;
    }
    let before = |number: usize| -> Vec<usize> {
        let watched = watched(&processes[number].triggers);
        let writers = |(slot, bits): (&Slot, &Bits)| -> Vec<usize> {
            let all = writers.get(slot).into_iter().flatten();
            all.filter(|(_, theirs)| theirs.meets(bits)).map(|(number, _)| *number).collect()
        };
        watched.iter().flat_map(writers).collect()
    };
    let mut stack = vec![(start, before(start).into_iter())];
    state[start] = 1;
    while let Some((number, writers)) = stack.last_mut() {
        match writers.find(|writer| state[*writer] == 0) {
            Some(writer) => {
                state[writer] = 1;
                stack.push((writer, before(writer).into_iter()));
            }
            None => {
                order.push(*number);
                stack.pop();
            }
        }
    }
}
