//! What code reads and writes: found on the lowered statements, where functions are gone and widths are plain.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::program::{Label, MemoryId, Op, OpKind, Slot, Statement, Store, Target};
use super::bits::Bits;
use super::build::{Range, split};

/// Bits of some variables.
pub(super) type Places = BTreeMap<Slot, Bits>;

/// What a process does to its surroundings.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects {
    /// What is read, the bits written before in the same run left out.
    pub(super) reads: Places,
    /// What blocking assignments may write.
    pub(super) writes: Places,
    /// What nonblocking assignments may write.
    pub(super) later: Places,
    /// What is written in every run, at once or later.
    pub(super) surely: Places,
    /// Variables read at all.
    pub(super) used: BTreeSet<Slot>,
    /// Memories read.
    pub(super) memory_reads: BTreeSet<MemoryId>,
    /// Memories written.
    pub(super) memory_writes: BTreeSet<MemoryId>,
}

/// What a body does.
pub(super) fn effects(body: &[Statement], widths: &impl Fn(Slot) -> u32) -> Effects {
    let mut walk = Walk { effects: Effects::default(), widths, left: HashMap::new() };
    let mut written = Some(Done::default());
    walk.all(body, &mut written);
    let Done { now, later } = written.unwrap_or_default();
    walk.effects.surely = now;
    later.iter().for_each(|(&slot, bits)| add(&mut walk.effects.surely, slot, bits));
    walk.effects
}

/// All stores of a body.
pub(super) fn stores(body: &[Statement]) -> Vec<Store> {
    let mut found = Vec::new();
    each(body, &mut |statement| {
        if let Statement::Store(store) = statement {
            found.push(store.clone());
        }
    });
    found
}

/// Calls `see` for each statement of a body, and of those in it.
pub(super) fn each(body: &[Statement], see: &mut impl FnMut(&Statement)) {
    for statement in body {
        see(statement);
        match statement {
            Statement::If { then, otherwise, .. } => {
                each(then, see);
                each(otherwise, see);
            }
            Statement::Switch(switch) => switch.arms.iter().for_each(|arm| each(arm, see)),
            Statement::Block { body, .. } | Statement::Loop { body } => each(body, see),
            Statement::Compute(_) | Statement::Store(_) | Statement::Exit(_) => {}
        }
    }
}

/// Calls `see` for each slot of a body.
pub(super) fn each_slot(body: &mut [Statement], see: &mut impl FnMut(&mut Slot)) {
    for statement in body {
        match statement {
            Statement::Compute(op) => {
                see(&mut op.dst);
                operands(&mut op.kind, see);
            }
            Statement::Store(store) => {
                see(&mut store.value);
                match &mut store.target {
                    Target::Whole(slot) | Target::Part { variable: slot, .. } => see(slot),
                    Target::Select { variable, offset } => {
                        see(variable);
                        see(offset);
                    }
                    Target::Word { index, offset, .. } => {
                        see(index);
                        offset.iter_mut().for_each(&mut *see);
                    }
                }
            }
            Statement::If { condition, then, otherwise } => {
                see(condition);
                each_slot(then, see);
                each_slot(otherwise, see);
            }
            Statement::Switch(switch) => {
                see(&mut switch.selector);
                switch.arms.iter_mut().for_each(|arm| each_slot(arm, see));
            }
            Statement::Block { body, .. } | Statement::Loop { body } => each_slot(body, see),
            Statement::Exit(_) => {}
        }
    }
}

/// Calls `see` for each operand.
pub(super) fn operands(kind: &mut OpKind, see: &mut impl FnMut(&mut Slot)) {
    match kind {
        OpKind::Extend { a, .. }
        | OpKind::Slice { a, .. }
        | OpKind::Not(a)
        | OpKind::Negate(a)
        | OpKind::ReduceAnd(a)
        | OpKind::ReduceOr(a)
        | OpKind::ReduceXor(a)
        | OpKind::Known(a)
        | OpKind::IsUnknown(a)
        | OpKind::CountOnes(a)
        | OpKind::CeilLog2(a)
        | OpKind::Pull { a, .. }
        | OpKind::Read { index: a, .. } => see(a),
        OpKind::Concat(parts) => parts.iter_mut().for_each(see),
        OpKind::Select { a, offset: b }
        | OpKind::And(a, b)
        | OpKind::Or(a, b)
        | OpKind::Xor(a, b)
        | OpKind::Add(a, b)
        | OpKind::Subtract(a, b)
        | OpKind::Multiply(a, b)
        | OpKind::Divide { a, b, .. }
        | OpKind::Remainder { a, b, .. }
        | OpKind::Power { a, b, .. }
        | OpKind::ShiftLeft(a, b)
        | OpKind::ShiftRight(a, b)
        | OpKind::ShiftRightSigned(a, b)
        | OpKind::Equal(a, b)
        | OpKind::Same(a, b)
        | OpKind::Matches(a, b)
        | OpKind::CaseMatches { a, b, .. }
        | OpKind::Less { a, b, .. }
        | OpKind::Resolve { a, b, .. }
        | OpKind::Gate { data: a, control: b } => {
            see(a);
            see(b);
        }
        OpKind::Mux { condition, a, b } => {
            see(condition);
            see(a);
            see(b);
        }
    }
}

/// Takes out the writes to variables that `unread` holds.
pub(super) fn without_writes(body: Vec<Statement>, unread: &BTreeSet<Slot>) -> Vec<Statement> {
    let inner = |body| without_writes(body, unread);
    let mut kept = Vec::with_capacity(body.len());
    for statement in body {
        kept.push(match statement {
            Statement::Store(store)
                if store.target.variable().is_some_and(|slot| unread.contains(&slot)) =>
            {
                continue;
            }
            Statement::If { condition, then, otherwise } => {
                Statement::If { condition, then: inner(then), otherwise: inner(otherwise) }
            }
            Statement::Switch(mut switch) => {
                switch.arms = switch.arms.into_iter().map(inner).collect();
                Statement::Switch(switch)
            }
            Statement::Block { label, body } => Statement::Block { label, body: inner(body) },
            Statement::Loop { body } => Statement::Loop { body: inner(body) },
            other => other,
        });
    }
    kept
}

/// Takes out blocking writes that the same process overwrites before it reads them: nobody sees what they wrote.
///
/// Tells whether there were any.
pub(super) fn take_out_overwritten(body: &mut Vec<Statement>) -> bool {
    let mut is_new = false;
    take_out(body, &mut BTreeSet::new(), &mut is_new);
    is_new
}

/// The same, where the variables of a set are overwritten after `body`; then those that are before it.
fn take_out(body: &mut Vec<Statement>, over: &mut BTreeSet<Slot>, is_new: &mut bool) {
    let mut kept = Vec::with_capacity(body.len());
    for mut statement in std::mem::take(body).into_iter().rev() {
        match &mut statement {
            Statement::Compute(op) => operands(&mut op.kind, &mut |slot| _ = over.remove(slot)),
            Statement::Store(store) => {
                let is_whole = matches!(store.target, Target::Whole(_));
                let variable = store.target.variable().filter(|_| !store.nonblocking);
                if variable.is_some_and(|variable| over.contains(&variable)) {
                    *is_new = true;
                    continue;
                }
                over.extend(variable.filter(|_| is_whole));
                over.remove(&store.value);
                if let Target::Select { offset, .. } = &store.target {
                    over.remove(offset);
                }
                if let Target::Word { index, offset, .. } = &store.target {
                    over.remove(index);
                    offset.iter().for_each(|offset| _ = over.remove(offset));
                }
            }
            Statement::If { condition, then, otherwise } => {
                let condition = *condition;
                sides([then, otherwise].into_iter(), over, is_new);
                over.remove(&condition);
            }
            Statement::Switch(switch) => {
                sides(switch.arms.iter_mut(), over, is_new);
                over.remove(&switch.selector);
            }
            Statement::Block { body, .. } | Statement::Loop { body } => {
                take_out(body, &mut BTreeSet::new(), is_new);
                over.clear();
            }
            Statement::Exit(_) => over.clear(),
        }
        kept.push(statement);
    }
    kept.reverse();
    *body = kept;
}

/// Sides of which each lane takes one.
fn sides<'s>(
    sides: impl Iterator<Item = &'s mut Vec<Statement>>,
    over: &mut BTreeSet<Slot>,
    is_new: &mut bool,
) {
    let mut before: Option<BTreeSet<Slot>> = None;
    for side in sides {
        let mut own = over.clone();
        take_out(side, &mut own, is_new);
        before = Some(match before {
            None => own,
            Some(others) => others.intersection(&own).copied().collect(),
        });
    }
    *over = before.unwrap_or_default();
}

/// What is written on every path so far, by blocking and by nonblocking assignments.
#[derive(Clone, Debug, Default)]
struct Done {
    now: Places,
    later: Places,
}

/// The same; nothing where no lane comes.
type Written = Option<Done>;

fn add(places: &mut Places, slot: Slot, bits: &Bits) {
    places.entry(slot).or_default().add(bits);
}

struct Walk<'w, W> {
    effects: Effects,
    widths: &'w W,
    /// What was written where lanes left a block.
    left: HashMap<Label, Written>,
}

impl<W: Fn(Slot) -> u32> Walk<'_, W> {
    fn all(&mut self, body: &[Statement], written: &mut Written) {
        for statement in body {
            self.statement(statement, written);
        }
    }

    fn statement(&mut self, statement: &Statement, written: &mut Written) {
        match statement {
            Statement::Compute(op) => self.op(op, written),
            Statement::Store(store) => self.store(store, written),
            Statement::If { condition, then, otherwise } => {
                self.read(*condition, None, written);
                let mut other = written.clone();
                self.all(then, written);
                self.all(otherwise, &mut other);
                *written = meet(written.take(), other);
            }
            Statement::Switch(switch) => {
                self.read(switch.selector, None, written);
                let mut after = None;
                for arm in &switch.arms {
                    let mut own = written.clone();
                    self.all(arm, &mut own);
                    after = meet(after, own);
                }
                *written = after;
            }
            Statement::Block { label, body } => {
                self.all(body, written);
                let left = self.left.remove(label).flatten();
                *written = meet(written.take(), left);
            }
            Statement::Loop { body } => {
                // What the first pass reads, later ones read as well; only exits lead out.
                self.all(body, written);
                *written = None;
            }
            Statement::Exit(label) => {
                let here = written.take();
                let entry = self.left.entry(*label).or_default();
                *entry = meet(entry.take(), here);
            }
        }
    }

    fn op(&mut self, op: &Op, written: &Written) {
        match &op.kind {
            OpKind::Slice { a, lsb } => {
                self.read(*a, Some((*lsb, (self.widths)(op.dst))), written);
            }
            OpKind::Read { memory, index } => {
                self.effects.memory_reads.insert(*memory);
                self.read(*index, None, written);
            }
            kind => operands(&mut kind.clone(), &mut |slot| self.read(*slot, None, written)),
        }
    }

    /// All of a variable is read, or a part of it.
    fn read(&mut self, slot: Slot, part: Option<(u32, u32)>, written: &Written) {
        if split(slot).0 != Range::Variable {
            return;
        }
        self.effects.used.insert(slot);
        let Some(written) = written else { return };
        let (lsb, width) = part.unwrap_or_else(|| (0, (self.widths)(slot)));
        let mut bits = Bits::range(lsb, width);
        if let Some(before) = written.now.get(&slot) {
            bits = bits.without(before);
        }
        if !bits.is_empty() {
            add(&mut self.effects.reads, slot, &bits);
        }
    }

    fn store(&mut self, store: &Store, written: &mut Written) {
        self.read(store.value, None, written);
        let (variable, bits, is_sure) = match &store.target {
            &Target::Whole(slot) => (slot, Bits::range(0, (self.widths)(slot)), true),
            &Target::Part { variable, lsb } => {
                (variable, Bits::range(lsb, (self.widths)(store.value)), true)
            }
            &Target::Select { variable, offset } => {
                self.read(offset, None, written);
                (variable, Bits::range(0, (self.widths)(variable)), false)
            }
            Target::Word { memory, index, offset } => {
                self.read(*index, None, written);
                offset.iter().for_each(|offset| self.read(*offset, None, written));
                self.effects.memory_writes.insert(*memory);
                return;
            }
        };
        let effects = &mut self.effects;
        let all = if store.nonblocking { &mut effects.later } else { &mut effects.writes };
        add(all, variable, &bits);
        if let (true, Some(Done { now, later })) = (is_sure, written) {
            add(if store.nonblocking { later } else { now }, variable, &bits);
        }
    }
}

/// What is written on both of two paths.
fn meet(a: Written, b: Written) -> Written {
    match (a, b) {
        (Some(mut a), Some(b)) => {
            common(&mut a.now, &b.now);
            common(&mut a.later, &b.later);
            Some(a)
        }
        (only, None) | (None, only) => only,
    }
}

fn common(a: &mut Places, b: &Places) {
    a.retain(|slot, bits| {
        b.get(slot).is_some_and(|others| {
            bits.keep(others);
            !bits.is_empty()
        })
    });
}
