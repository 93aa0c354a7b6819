//! Episodes side by side: each is a lane, and what the inputs do is laid out as a machine takes it.
//!
//! Episodes of like length share a group, since a group runs as long as its longest; a lane whose episode has ended
//! keeps its last row, which makes no work. Of each row only the inputs that change in some lane are kept.

use std::ops::ControlFlow;

use super::{LANES_MAX, Machine, PowerUp, Stop};
use crate::verify::stimulus::{Episode, Layout, Stimulus};

/// Episodes in a group at most: more lanes would need more memory for each step and share no more work.
const EPISODES_MAX: usize = if LANES_MAX < 32 { LANES_MAX } else { 32 };

/// An episode is put beside a longest one of at most so many times its length.
const LENGTHS_RATIO: usize = 4;

/// Some episodes, and the changes of their inputs row by row.
pub struct Group {
    /// The episodes; their rows stand in the changes.
    pub episodes: Vec<Episode>,
    /// The first comparison point of each at which the golden module has been reset.
    pub settled: Vec<usize>,
    lanes: usize,
    /// Comparison points of the longest.
    pub steps: usize,
    /// Where the changes of each row begin; the power-up row is the first.
    starts: Vec<u32>,
    changes: Vec<Change>,
    values: Vec<u64>,
}

/// A new value of an input in all lanes.
#[derive(Clone, Copy)]
struct Change {
    /// The input, in the order of the stimulus.
    input: u32,
    /// Its first word in the values.
    at: u32,
}

impl Group {
    /// Parts episodes into groups; the order of episodes within a group is theirs.
    pub fn all(mut episodes: Vec<Episode>, stimulus: &Stimulus) -> Vec<Group> {
        episodes.sort_by_key(|episode| (std::cmp::Reverse(episode.steps.len()), episode.index));
        let mut groups: Vec<Vec<Episode>> = Vec::new();
        for episode in episodes {
            match groups.last_mut() {
                Some(group)
                    if group.len() < EPISODES_MAX
                        && episode.steps.len() * LENGTHS_RATIO >= group[0].steps.len() =>
                {
                    group.push(episode);
                }
                _ => groups.push(vec![episode]),
            }
        }
        groups.into_iter().map(|episodes| Group::new(episodes, stimulus)).collect()
    }

    /// The episodes as one group.
    pub fn new(mut episodes: Vec<Episode>, stimulus: &Stimulus) -> Group {
        let inputs = stimulus.inputs();
        let steps = episodes.iter().map(|episode| episode.steps.len()).max().unwrap_or(0);
        let mut group = Group {
            episodes: Vec::new(),
            settled: episodes.iter().map(|episode| stimulus.settled_from(episode)).collect(),
            lanes: episodes.len(),
            steps,
            starts: Vec::with_capacity(steps + 2),
            changes: Vec::new(),
            values: Vec::new(),
        };
        for row in 0..=steps {
            group.starts.push(group.changes.len() as u32);
            for (input, words) in inputs.word_ranges().enumerate() {
                group.add(row, input as u32, words, &episodes, inputs.words);
            }
        }
        group.starts.push(group.changes.len() as u32);
        for episode in &mut episodes {
            episode.rows = Vec::new();
        }
        group.episodes = episodes;
        group
    }

    /// Adds the change of an input in a row, if there is one.
    fn add(
        &mut self,
        row: usize,
        input: u32,
        words: std::ops::Range<usize>,
        episodes: &[Episode],
        width: usize,
    ) {
        let value = |episode: &Episode, row: usize, word: usize| {
            episode.rows[row.min(episode.steps.len()) * width + word]
        };
        let changes = row == 0
            || words.clone().any(|word| {
                episodes.iter().any(|e| value(e, row, word) != value(e, row - 1, word))
            });
        if !changes {
            return;
        }
        self.changes.push(Change { input, at: self.values.len() as u32 });
        for word in words {
            self.values.extend(episodes.iter().map(|episode| value(episode, row, word)));
        }
    }

    /// Some of its lanes, several times over: those of the second copy are the lanes after those of the first.
    pub fn only(&self, lanes: &[usize], copies: usize) -> Group {
        let change = |change: &Change| Change {
            at: change.at / self.lanes() as u32 * (lanes.len() * copies) as u32,
            ..*change
        };
        let pick = |row: &[u64]| lanes.iter().map(|&lane| row[lane]).collect::<Vec<u64>>();
        Group {
            episodes: Vec::new(),
            settled: Vec::new(),
            lanes: lanes.len() * copies,
            steps: self.steps,
            starts: self.starts.clone(),
            changes: self.changes.iter().map(change).collect(),
            values: self
                .values
                .chunks(self.lanes())
                .flat_map(|row| pick(row).repeat(copies))
                .collect(),
        }
    }

    /// Calls `see` with each comparison point's number, lane and row of inputs.
    pub fn each_row(&self, inputs: &Layout, mut see: impl FnMut(usize, usize, &[u64])) {
        let lanes = self.lanes();
        let ranges: Vec<std::ops::Range<usize>> = inputs.word_ranges().collect();
        let mut rows = vec![0; lanes * inputs.words];
        for row in 0..=self.steps {
            for change in &self.changes[self.starts[row] as usize..self.starts[row + 1] as usize] {
                let values = self.values[change.at as usize..].chunks(lanes);
                for (word, values) in ranges[change.input as usize].clone().zip(values) {
                    for (lane, &value) in values.iter().enumerate() {
                        rows[lane * inputs.words + word] = value;
                    }
                }
            }
            for lane in 0..if row == 0 { 0 } else { lanes } {
                see(row - 1, lane, &rows[lane * inputs.words..(lane + 1) * inputs.words]);
            }
        }
    }

    /// Number of lanes.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Runs a machine through all episodes from power-up; `inputs` has the machine's number of each input, and `see` is called after
    /// each step with its number, and says whether to go on.
    pub fn run(
        &self,
        machine: &mut Machine<'_>,
        inputs: &[usize],
        widths: &[u32],
        how: PowerUp<'_>,
        mut see: impl FnMut(usize, &mut Machine<'_>) -> ControlFlow<()>,
    ) -> Result<(), Stop> {
        machine.power_up(how);
        for row in 0..=self.steps {
            let changes = self.starts[row] as usize..self.starts[row + 1] as usize;
            if !changes.is_empty() {
                for change in &self.changes[changes] {
                    let words = widths[change.input as usize].div_ceil(64) as usize;
                    let at = change.at as usize;
                    let values = &self.values[at..at + words * self.lanes()];
                    machine.set_input(inputs[change.input as usize], values);
                }
                machine.settle()?;
            } else if row == 0 {
                machine.settle()?;
            }
            if row > 0 {
                if see(row - 1, machine).is_break() {
                    break;
                }
            } else {
                // The inputs came from x; that decides nothing that is compared.
                machine.clear_optimistic();
            }
        }
        Ok(())
    }
}
