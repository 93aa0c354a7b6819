//! What the reference says of pairs, computed once and kept in a file.
//!
//! Needed where the reference is another model, or the start of one that is trained whole; elsewhere it saves the
//! reference's pass in every epoch but the first. With `--resume` a stopped computation
//! goes on where it was.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Error;
use super::dpo::Dpo;
use super::engine::Engine;
use super::loss::Sums;
use super::order::pieces;
use super::parallel::Group;
use super::run::Objective;
use crate::model::Pass;
use crate::record::{self, Meta, Writer};

/// Pairs between two writes.
const PAIRS_AT_ONCE: usize = 256;

/// A row of the file.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Row {
    /// Line of the pair.
    line: usize,
    /// Log-probability of its chosen tokens that count, and of the rest of the completion.
    chosen: [f64; 2],
    /// The same of the rejected ones.
    rejected: [f64; 2],
}

/// Gives what `engine` says of all pairs, from the file as far as it was made as `meta` says, and completes it. `watch`
/// is told how many are done.
pub fn reference(
    (path, meta): (&Path, &Meta),
    engine: &Engine,
    dpo: &Dpo,
    tokens_at_once: usize,
    group: &Group,
    watch: &mut dyn FnMut(usize),
) -> Result<Vec<[Sums; 2]>, Error> {
    let mut writer = match group.rank() {
        0 => Some(Writer::create(path, meta, true)?.0),
        _ => None,
    };
    group.barrier()?;
    let mut known = Vec::with_capacity(dpo.rows());
    for row in record::read::<Row>(path)? {
        let row = row?;
        let Row { line, chosen, rejected } = row.value;
        if known.len() == dpo.rows() || line != dpo.line(known.len()) {
            let message =
                "it is of another pair (remove the file, and it is made again)".to_owned();
            return Err(Error::Row { path: path.to_owned(), line: row.line, message });
        }
        known.push([chosen, rejected].map(|[counted, rest]| Sums { counted, rest }));
    }
    group.barrier()?;
    while known.len() < dpo.rows() {
        let some = known.len()..dpo.rows().min(known.len() + PAIRS_AT_ONCE);
        let own: Vec<usize> = some.clone().skip(group.rank()).step_by(group.size()).collect();
        let tokens: Vec<usize> = own.iter().map(|row| dpo.tokens(*row)).collect();
        let mut numbers = vec![0.0; 4 * some.len()];
        for range in pieces(&tokens, tokens_at_once) {
            let rows = &own[range];
            for (row, [chosen, rejected]) in
                rows.iter().zip(dpo.sums(engine, rows, Pass::Reference))
            {
                let all = [chosen.counted, chosen.rest, rejected.counted, rejected.rest];
                numbers[4 * (row - some.start)..][..4].copy_from_slice(&all);
            }
        }
        // Each number is computed by one rank, the others have zero.
        group.sum_numbers(&mut numbers)?;
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            let (value, lines) = (numbers[at], vec![dpo.line(some.start + at / 4)]);
            return Err(Error::NotFinite {
                what: "reference's log-probability",
                value,
                step: 0,
                lines,
            });
        }
        for (row, numbers) in some.clone().zip(numbers.chunks(4)) {
            let (chosen, rejected) = ([numbers[0], numbers[1]], [numbers[2], numbers[3]]);
            known.push([chosen, rejected].map(|[counted, rest]| Sums { counted, rest }));
            if let Some(writer) = &mut writer {
                writer.write(&Row { line: dpo.line(row), chosen, rejected })?;
            }
        }
        if let Some(writer) = &mut writer {
            writer.flush()?;
        }
        watch(known.len());
    }
    Ok(known)
}
