//! The values that a design compares with: what a random stimulus would rarely hit.
//!
//! In: the walked netlist. Out: for each input the values that the source compares it with, directly, by a
//! slice or a concatenation, or through a copy; a pool of all values compared with anywhere; and the values
//! that counters are compared or loaded with, which say for how long something has to last. A counter is what
//! the source adds a constant to or takes one from. The smallest are kept where there are many.

use std::collections::BTreeSet;

use sv_lang::kinds::{ExpressionKind, StatementKind};
use sv_lang::{BinaryOp, Expression, SVInt};

use super::expression::{self, compares, constant, strip, to_bits};
use super::netlist::{Netlist, SignalId};
use super::roles::Tracer;
use super::{Bits, Port};

/// Most values for one port, and in the pool.
const MOST: usize = 64;

pub(super) struct Constants {
    pub(super) by_port: Vec<Vec<Bits>>,
    pub(super) pool: Vec<Bits>,
    pub(super) durations: Vec<u32>,
}

/// Longest duration: no episode is longer.
const DURATION_MAX: u64 = 1 << 20;

/// Collects the constants of comparisons.
pub(super) fn constants(netlist: &Netlist<'_>, ports: &[Port]) -> Constants {
    let mut collector = Collector {
        netlist,
        tracer: Tracer::new(netlist, ports),
        ports,
        by_port: vec![BTreeSet::new(); ports.len()],
        pool: BTreeSet::new(),
        counters: counters(netlist),
        durations: BTreeSet::new(),
    };
    for (_, node) in netlist.nodes() {
        if let Some(expression) = node.as_expression() {
            collector.expression(expression);
        } else if let Some(statement) = node.as_statement()
            && statement.kind() == StatementKind::Case
            && let Some(selector) = statement.expr()
        {
            for item in statement.case_items().iter().flat_map(|item| item.expressions()) {
                collector.compare(selector, item);
            }
        }
    }
    let smallest =
        |values: BTreeSet<(Vec<u64>, u32)>| values.into_iter().take(MOST).map(bits).collect();
    Constants {
        by_port: collector.by_port.into_iter().map(smallest).collect(),
        pool: smallest(collector.pool),
        durations: collector.durations.into_iter().take(MOST).collect(),
    }
}

/// The signals that the source adds a constant to, or takes one from, sorted.
fn counters(netlist: &Netlist<'_>) -> Vec<SignalId> {
    let expressions = netlist.nodes().filter_map(|(_, node)| node.as_expression());
    let mut counters: Vec<SignalId> =
        expressions.filter_map(|at| netlist.named(counted(at)?)).collect();
    super::netlist::sort(&mut counters);
    counters
}

/// `c` of `c + 1`, `c - 1`, `c++` and `c += 1`.
fn counted(at: Expression<'_>) -> Option<Expression<'_>> {
    if at.unary_op().is_some_and(super::statement::changes) {
        return at.operand();
    }
    if at.is_compound_assignment() == Some(true) {
        return at.left();
    }
    if !matches!(at.binary_op()?, BinaryOp::Add | BinaryOp::Subtract) {
        return None;
    }
    let (left, right) = (strip(at.left()?), strip(at.right()?));
    match (expression::is_constant(left), expression::is_constant(right)) {
        (false, true) => Some(left),
        (true, false) => Some(right),
        _ => None,
    }
}

/// Values in numerical order: the words from the highest down, without leading zeros, shorter first.
type Key = (Vec<u64>, u32);

fn key(value: &Bits) -> Key {
    let mut words: Vec<u64> =
        value.words.iter().rev().skip_while(|&&word| word == 0).copied().collect();
    words.insert(0, words.len() as u64);
    (words, value.width)
}

fn bits((words, width): Key) -> Bits {
    let mut words: Vec<u64> = words[1..].iter().rev().copied().collect();
    words.resize(width.div_ceil(64) as usize, 0);
    Bits { width, words }
}

struct Collector<'n, 'd> {
    netlist: &'n Netlist<'d>,
    tracer: Tracer<'n, 'd>,
    ports: &'n [Port],
    by_port: Vec<BTreeSet<Key>>,
    pool: BTreeSet<Key>,
    counters: Vec<SignalId>,
    durations: BTreeSet<u32>,
}

impl<'d> Collector<'_, 'd> {
    fn expression(&mut self, expression: Expression<'d>) {
        match (expression.kind(), expression.binary_op()) {
            (ExpressionKind::BinaryOp, Some(operator)) if compares(operator) => {
                if let (Some(left), Some(right)) = (expression.left(), expression.right()) {
                    self.compare(left, right);
                    self.compare(right, left);
                }
            }
            (ExpressionKind::Inside, _) => {
                let Some(left) = expression.inside_left() else {
                    return;
                };
                for item in expression.inside_range_list() {
                    let bounds = if item.kind() == ExpressionKind::ValueRange {
                        item.operands()
                    } else {
                        vec![item]
                    };
                    for bound in bounds {
                        self.compare(left, bound);
                    }
                }
            }
            (ExpressionKind::Assignment, _) => {
                if let (Some(left), Some(right)) = (expression.left(), expression.right())
                    && let Some(value) = constant(right)
                {
                    self.wait(left, &value);
                }
            }
            _ => {}
        }
    }

    /// Notes what a counter, or one beside it, is compared or loaded with.
    fn wait(&mut self, counter: Expression<'d>, value: &SVInt) {
        let counter = counted(counter).unwrap_or(counter);
        let counts = |signal: SignalId| self.counters.binary_search(&signal).is_ok();
        if self.netlist.named(counter).is_some_and(counts) {
            let cycles = value.as_u64().filter(|cycles| (2..=DURATION_MAX).contains(cycles));
            self.durations.extend(cycles.map(|cycles| cycles as u32));
        }
    }

    fn compare(&mut self, left: Expression<'d>, value: Expression<'d>) {
        let Some(value) = constant(value) else { return };
        let left = strip(left);
        if expression::is_constant(left) {
            return;
        }
        self.wait(left, &value);
        let width = expression::width(left);
        // A digit that matches anything stands for both.
        let variants = if value.has_unknown() { &[false, true][..] } else { &[false][..] };
        for &unknown in variants {
            let Some(bits) = fit(&value, width, unknown) else {
                continue;
            };
            self.pool.insert(key(&bits));
            self.give(left, &bits, 4);
        }
    }

    /// Gives the parts of a value to the inputs behind the parts of an expression.
    fn give(&mut self, to: Expression<'d>, value: &Bits, steps: usize) {
        let to = strip(to);
        if let Some(signal) = self.netlist.named(to) {
            return self.give_signal(signal, value, steps);
        }
        match to.kind() {
            ExpressionKind::Concatenation => {
                let mut low = u64::from(value.width);
                for part in to.operands() {
                    let width = expression::width(part);
                    low = low.saturating_sub(width);
                    self.give(part, &slice(value, low, width), steps);
                }
            }
            ExpressionKind::ElementSelect | ExpressionKind::RangeSelect => {
                // Not of indexed parts: they would add to the stimulus, which has a version.
                let is_plain = to.range_selection_kind().is_none_or(|kind| kind == 0);
                let low = expression::lowest_bit(to).filter(|_| is_plain);
                let (Some(base), Some(low)) = (to.select_value(), low) else {
                    return;
                };
                if let Some(signal) = self.netlist.named(base) {
                    let width = expression::width(base);
                    if let Some(shifted) = shift(value, low, width) {
                        self.give_signal(signal, &shifted, steps);
                    }
                }
            }
            _ => {}
        }
    }

    fn give_signal(&mut self, signal: SignalId, value: &Bits, steps: usize) {
        if let Some(port) = self.tracer.input(signal) {
            if value.width == self.ports[port].width {
                self.by_port[port].insert(key(value));
            }
        } else if steps > 0
            && let Some(link) = self.tracer.link(signal)
        {
            match link.source {
                super::netlist::Source::Expression(source) => self.give(source, value, steps - 1),
                super::netlist::Source::Signal(source) => {
                    self.give_signal(source, value, steps - 1)
                }
                super::netlist::Source::Gate => {}
            }
        }
    }
}

fn fit(value: &SVInt, width: u64, unknown: bool) -> Option<Bits> {
    if width == 0 || width > 1 << 16 { None } else { to_bits(value, width, unknown) }
}

fn slice(value: &Bits, low: u64, width: u64) -> Bits {
    let mut words = vec![0_u64; width.div_ceil(64) as usize];
    for bit in 0..width {
        let from = low + bit;
        let word = value.words.get((from / 64) as usize).copied().unwrap_or(0);
        words[(bit / 64) as usize] |= (word >> (from % 64) & 1) << (bit % 64);
    }
    Bits { width: width as u32, words }
}

fn shift(value: &Bits, by: u64, width: u64) -> Option<Bits> {
    if width > 1 << 16 || by + u64::from(value.width) > width {
        return None;
    }
    let mut words = vec![0_u64; width.div_ceil(64) as usize];
    for bit in 0..u64::from(value.width) {
        let set = value.words[(bit / 64) as usize] >> (bit % 64) & 1;
        words[((bit + by) / 64) as usize] |= set << ((bit + by) % 64);
    }
    Some(Bits { width: width as u32, words })
}
