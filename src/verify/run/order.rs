//! Both ends of a run: rows are read in their order, judged in an order that is good for building, and their
//! verdicts are put back into the order of the rows.

use std::collections::BTreeMap;

use crossbeam::channel::{Receiver, Sender};

use super::pace::Pace;
use super::texts::Turn;
use super::{Context, Parallelism, Row, RunError, Sink};
use crate::candidate::Candidate;
use crate::verify::verdict::Verdict;

/// Verdicts by row, or what stops the run.
pub type Judged = Result<Vec<(usize, Verdict)>, RunError>;

/// The way to the writer.
pub type Verdicts = Sender<Judged>;

/// Rows to be judged that are read ahead and sorted by problem.
const WINDOW: usize = 4096;

/// Verdicts without judging that are sent at once.
const AT_ONCE: usize = 256;

/// Reads rows, a window at a time, and sends batches of rows of neighbouring problems.
pub struct Reader<'a, U> {
    context: &'a Context<'a>,
    parallelism: Parallelism,
    batches: &'a Sender<Vec<Row>>,
    /// Verdicts of rows that need no judging.
    early: &'a Verdicts,
    until: U,
    window: Vec<Row>,
    ready: Vec<(usize, Verdict)>,
}

impl<'a, U: Fn() -> bool> Reader<'a, U> {
    /// A reader that ends early when `until` is true.
    pub fn new(
        context: &'a Context<'a>,
        parallelism: Parallelism,
        batches: &'a Sender<Vec<Row>>,
        early: &'a Verdicts,
        until: U,
    ) -> Self {
        let (window, ready) = (Vec::new(), Vec::new());
        Reader { context, parallelism, batches, early, until, window, ready }
    }

    /// Reads all candidates; `known` are verdicts that an earlier run left, by row.
    pub fn read(
        mut self,
        candidates: impl Iterator<Item = Result<Candidate, RunError>>,
        mut known: BTreeMap<usize, Verdict>,
    ) -> Result<(), RunError> {
        for (index, candidate) in candidates.enumerate() {
            let candidate = candidate?;
            let problem = self.context.find(&candidate)?;
            match known.remove(&index).filter(|verdict| is_of(verdict, &candidate)) {
                Some(verdict) => {
                    self.context.pace.read(0);
                    self.ready.push((index, verdict));
                }
                None => self.enter(self.context.row(index, problem, candidate)),
            }
            let is_full = self.context.pace.is_full();
            if self.window.len() == WINDOW || is_full {
                self.send_window();
            }
            if self.ready.len() == AT_ONCE || is_full {
                self.send_ready();
            }
            if is_full {
                self.context.pace.wait(&self.until);
            }
            if (self.until)() {
                return Ok(());
            }
        }
        self.send_ready();
        self.send_window();
        Ok(())
    }

    fn enter(&mut self, row: Row) {
        let bytes = row.bytes();
        self.context.pace.read(bytes);
        match self.context.texts.enter(row) {
            Turn::Judge(row) => self.window.push(row),
            Turn::Wait => {}
            Turn::Found(row, finding) => {
                self.context.pace.judged(bytes);
                self.ready.push((row.index, self.context.verdict(&row, &finding)));
            }
        }
    }

    fn send_window(&mut self) {
        let mut window = std::mem::take(&mut self.window);
        window.sort_by_key(|row| (row.problem, row.index));
        // A run shorter than a batch for each thread still keeps all threads busy.
        let batch = self.parallelism.batch.min(window.len().div_ceil(self.parallelism.threads));
        while !window.is_empty() && !(self.until)() {
            let rest = window.split_off(batch.min(window.len()));
            if self.batches.send(std::mem::replace(&mut window, rest)).is_err() {
                break;
            }
        }
    }

    fn send_ready(&mut self) {
        let ready = std::mem::take(&mut self.ready);
        if !ready.is_empty() {
            // A closed channel means that the run has ended: `until` will say so.
            let _ = self.early.send(Ok(ready));
        }
    }
}

fn is_of(verdict: &Verdict, candidate: &Candidate) -> bool {
    verdict.problem == candidate.problem && verdict.candidate == candidate.id
}

/// Gives verdicts to `sink` in the order of their rows as far as there is no gap, and shows it the others.
pub fn write(
    verdicts: &Receiver<Judged>,
    pace: &Pace,
    sink: &mut impl Sink,
) -> Result<(), RunError> {
    let mut waiting: BTreeMap<usize, Verdict> = BTreeMap::new();
    let mut next = 0;
    for judged in verdicts {
        let judged = judged?;
        let rows: Vec<usize> = judged.iter().map(|(row, _)| *row).collect();
        waiting.extend(judged);
        while let Some(verdict) = waiting.remove(&next) {
            sink.write(verdict)?;
            next += 1;
        }
        for row in rows {
            if let Some(verdict) = waiting.get(&row) {
                sink.keep(row, verdict)?;
            }
        }
        sink.settle()?;
        pace.written(next);
    }
    Ok(())
}
