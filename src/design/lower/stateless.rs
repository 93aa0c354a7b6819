//! Whether a module's outputs follow from its inputs alone, whatever they were before.
//!
//! So it is if every process writes all that it may write each time that it runs, nobody else writes the same bits, it
//! watches all that it reads, and there is no loop. Then each variable is a function of the inputs as soon as each process
//! has run once.

use super::super::program::{Kind, Process, Slot, Watch};
use super::analysis::{Effects, Places};
use super::bits::Bits;
use super::finish::{Writers, reads_own, watches_all, writes_alone};

/// `order` is one in which a process stands after those that write what it reads, as far as there is such an order.
pub(super) fn is_stateless(
    kinds: &[Kind],
    effects: &[Effects],
    processes: &[Process],
    order: &[usize],
    writers: &Writers,
) -> bool {
    // A declaration that stands last, if there is one, has no effects of its own here.
    let all = || kinds.iter().zip(effects).zip(processes).enumerate();
    let holds_nothing = all().all(|(number, ((kind, own), process))| match kind {
        Kind::Declaration => true,
        Kind::Initial => own.later.is_empty() && writes_alone(number, own, writers),
        Kind::Combinational | Kind::Triggered => {
            let waits_for_change = process
                .triggers
                .iter()
                .all(|trigger| matches!(trigger.watch, Watch::Change { .. }));
            waits_for_change
                && own.memory_reads.is_empty()
                && own.memory_writes.is_empty()
                && !reads_own(own)
                && watches_all(own, &process.triggers)
                && writes_all(own)
                && writes_alone(number, own, writers)
        }
    });
    holds_nothing && !has_loop(effects, order)
}

/// Whether each run writes all that some run may write.
fn writes_all(effects: &Effects) -> bool {
    effects.writes.iter().chain(&effects.later).all(|(slot, bits)| {
        effects.surely.get(slot).is_some_and(|surely| bits.without(surely).is_empty())
    })
}

/// Whether a process reads what one after it writes.
fn has_loop(effects: &[Effects], order: &[usize]) -> bool {
    let mut written = Places::new();
    for own in order.iter().rev().filter_map(|&number| effects.get(number)) {
        let is_written = |(slot, bits): (&Slot, &Bits)| {
            written.get(slot).is_some_and(|written: &Bits| written.meets(bits))
        };
        if own.reads.iter().any(is_written) {
            return true;
        }
        for (&slot, bits) in own.writes.iter().chain(&own.later) {
            written.entry(slot).or_default().add(bits);
        }
    }
    false
}
