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
        let width = inputs.words;
        // Each word of the present row in all lanes.
        let mut present = vec![0; width * episodes.len()];
        for row in 0..=steps {
            group.starts.push(group.changes.len() as u32);
            for (input, words) in inputs.word_ranges().enumerate() {
                let mut is_changed = row == 0;
                for word in words.clone() {
                    let present = present[word * episodes.len()..].iter_mut();
                    for (old, episode) in present.zip(&episodes) {
                        // An episode that has ended keeps its last row.
                        let new = *episode.rows.get(row * width + word).unwrap_or(old);
                        is_changed |= new != *old;
                        *old = new;
                    }
                }
                if is_changed {
                    let words = words.start * episodes.len()..words.end * episodes.len();
                    group
                        .changes
                        .push(Change { input: input as u32, at: group.values.len() as u32 });
                    group.values.extend_from_slice(&present[words]);
                }
            }
        }
        group.starts.push(group.changes.len() as u32);
        for episode in &mut episodes {
            episode.rows = Vec::new();
        }
        group.episodes = episodes;
        group
    }

    /// Some of its lanes as a group of their own.
    pub fn of_lanes(&self, lanes: &[usize], inputs: &Layout) -> Group {
        let episodes: Vec<Episode> =
            lanes.iter().map(|&lane| self.episodes[lane].clone()).collect();
        let steps = episodes.iter().map(|episode| episode.steps.len()).max().unwrap_or(0);
        let mut group = Group {
            episodes,
            settled: lanes.iter().map(|&lane| self.settled[lane]).collect(),
            lanes: lanes.len(),
            steps,
            starts: Vec::with_capacity(steps + 2),
            changes: Vec::new(),
            values: Vec::new(),
        };
        let ranges: Vec<_> = inputs.word_ranges().collect();
        // Where the present value of each input stands in the values.
        let mut present: Vec<Option<usize>> = vec![None; ranges.len()];
        for row in 0..=steps {
            group.starts.push(group.changes.len() as u32);
            let changes = self.starts[row] as usize..self.starts[row + 1] as usize;
            for &Change { input, at } in &self.changes[changes] {
                let size = ranges[input as usize].len() * self.lanes;
                let all = self.values[at as usize..][..size].chunks(self.lanes);
                let own = group.values.len();
                group.values.extend(all.flat_map(|word| lanes.iter().map(|&lane| word[lane])));
                let size = group.values.len() - own;
                let last = present[input as usize];
                let (before, now) = group.values.split_at(own);
                if last.is_some_and(|last| before[last..last + size] == *now) {
                    group.values.truncate(own);
                } else {
                    present[input as usize] = Some(own);
                    group.changes.push(Change { input, at: own as u32 });
                }
            }
        }
        group.starts.push(group.changes.len() as u32);
        group
    }

    /// All lanes, once.
    pub fn whole(&self) -> Part<'_> {
        Part { group: self, lanes: None, copies: 1 }
    }

    /// Some of its lanes, several times over: those of the second copy are the lanes after those of the first.
    pub fn only(&self, lanes: &[usize], copies: usize) -> Part<'_> {
        Part { group: self, lanes: Some(lanes.to_vec()), copies }
    }

    /// Number of lanes.
    pub fn lanes(&self) -> usize {
        self.lanes
    }
}

/// Lanes of a group that are run side by side.
pub struct Part<'g> {
    group: &'g Group,
    /// Which; all by default.
    lanes: Option<Vec<usize>>,
    /// How often each.
    copies: usize,
}

impl Part<'_> {
    /// Number of lanes, copies included.
    pub fn lanes(&self) -> usize {
        self.lanes.as_ref().map_or(self.group.lanes, |lanes| lanes.len() * self.copies)
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
        let group = self.group;
        let mut chosen = Vec::new();
        machine.power_up(how);
        for row in 0..=group.steps {
            let changes = group.starts[row] as usize..group.starts[row + 1] as usize;
            if !changes.is_empty() {
                for change in &group.changes[changes] {
                    let words = widths[change.input as usize].div_ceil(64) as usize;
                    let at = change.at as usize;
                    let mut values = &group.values[at..at + words * group.lanes];
                    if let Some(lanes) = &self.lanes {
                        chosen.clear();
                        for word in values.chunks(group.lanes) {
                            for _ in 0..self.copies {
                                chosen.extend(lanes.iter().map(|&lane| word[lane]));
                            }
                        }
                        values = &chosen;
                    }
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
