//! What stood at a first mismatch: the chip tells the place, a replay of that episode in Verilator tells the values.
//!
//! In: what the chip found of a candidate. Out: the counts as records have them. The replay also knows more of what is
//! undefined: it runs the golden module from 256 power-up states, where the chip has two. A mismatch where the golden
//! bit is not defined is none, and the output is `unchecked`, because what else the chip saw of it cannot be told
//! apart. Where the text's simulation shows no difference and the golden module is defined, the netlist does something
//! else than the text: the mismatch stands, with two equal values.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::FpgaError;
use super::judge::Found;
use crate::verify::backend::{Backend, Count, Outcome, Subject, Task, Trace};
use crate::verify::compare;
use crate::verify::stimulus::{Config, Episode};
use crate::verify::verdict::{FirstMismatch, MismatchKind};
use crate::verify::verilator::Verilator;

/// Fills what the chip cannot say of a candidate's outputs.
pub fn explain(
    verilator: &Verilator,
    task: &Task,
    subject: &Subject,
    config: &Config,
    found: Vec<Found>,
) -> Result<Vec<Count>, FpgaError> {
    let alone = Task { candidates: vec![subject.clone()], ..task.clone() };
    let mut traces: BTreeMap<u32, Result<Trace, Outcome>> = BTreeMap::new();
    let mut counts = Vec::with_capacity(found.len());
    for (output, Found { count, place }) in found.into_iter().enumerate() {
        let Some(place) = place else {
            counts.push(count);
            continue;
        };
        if let Entry::Vacant(entry) = traces.entry(place.0) {
            entry.insert(verilator.trace(&alone, config, place.0)?);
        }
        let width = task.interface.outputs().nth(output).map_or(0, |port| port.width);
        counts.push(match &traces[&place.0] {
            Ok(trace) => with_values(count, trace, output, place),
            // The text's simulation does not get through the episode; the chip has.
            Err(_) => wrong(count, place, [unknown(width), unknown(width)]),
        });
    }
    Ok(counts)
}

fn with_values(count: Count, trace: &Trace, output: usize, place: (u32, u32, u8)) -> Count {
    let (episode, cycle, step) = place;
    let words = trace.outputs.words;
    let mut shown = vec![Count::default(); trace.outputs.widths.len()];
    let index = trace.steps.iter().position(|at| (at.cycle, at.step) == (cycle, step));
    // The text's own mismatches in this episode, by the rules of the verilator backend.
    let steps = trace.steps.clone();
    let shape = Episode { index: episode, power_up: 0, steps, rows: Vec::new() };
    let compared = &trace.candidate.value;
    compare::add_kinds(
        &mut shown,
        &trace.outputs,
        &shape,
        &trace.golden,
        compared,
        &trace.candidate,
    );
    let Count { kind, first, .. } = shown.swap_remove(output);
    if first.is_some() {
        return Count { kind, first, ..count };
    }
    let Some(index) = index else { return wrong(count, place, [unknown(1), unknown(1)]) };
    let range = trace.outputs.word_ranges().nth(output).unwrap_or(0..0);
    let mask = trace.outputs.mask();
    let defined = range
        .clone()
        .all(|word| trace.golden.defined[index * words + word] & mask[word] == mask[word]);
    if !defined {
        return Count { compared: 0, ..count };
    }
    let literals = [&trace.golden, &trace.candidate]
        .map(|values| trace.outputs.literal(output, values, index));
    wrong(count, place, literals)
}

fn wrong(count: Count, (episode, cycle, step): (u32, u32, u8), values: [String; 2]) -> Count {
    let [golden, candidate] = values;
    let first = Some(FirstMismatch { episode, cycle, step, golden, candidate });
    Count { kind: Some(MismatchKind::Value), first, ..count }
}

fn unknown(width: u32) -> String {
    format!("{width}'b{}", "x".repeat(width as usize))
}
