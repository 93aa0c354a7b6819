//! What a machine holds between two steps, and whether another one holds the same.
//!
//! All that a module does from a step on follows from its variables and memories and from the inputs to come. So runs from several
//! power-up states that hold the same once, after a reset say, do the same for ever, and one of them is enough.

use super::engine::{Engine, Word};

/// Words of all lanes from which on nothing is kept: looking would cost more than it spares.
const WORDS_MAX: usize = 1 << 16;

/// Values of variables that are read, and of memories, in some lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    lanes: usize,
    /// Both planes of each word, lane by lane.
    words: Vec<(u64, u64)>,
}

/// Steps at which snapshots are taken: the more of them are over, the further apart.
pub(super) fn is_due(step: usize) -> bool {
    step >= 3 && (step + 1).is_power_of_two()
}

impl<const L: usize> Engine<'_, L> {
    /// The words that decide what comes next.
    fn words(&self) -> impl Iterator<Item = &Word<L>> {
        let variables = self.code.variables.iter().zip(&self.code.is_read);
        let places = variables.filter(|(_, is_read)| **is_read).map(|(variable, _)| variable.place);
        places
            .flat_map(|place| &self.cells[place.cell as usize..(place.cell + place.limbs) as usize])
            .chain(self.memories.iter().flatten())
    }

    /// What the first lanes hold, unless that is much.
    pub fn snapshot(&self, lanes: usize) -> Option<Snapshot> {
        let memories: usize = self.memories.iter().map(Vec::len).sum();
        if (memories + self.code.variables.len()) * lanes > WORDS_MAX {
            return None;
        }
        let of_lanes = |word: &Word<L>| {
            (0..lanes).map(|l| (word.value[l], word.unknown[l])).collect::<Vec<_>>()
        };
        Some(Snapshot { lanes, words: self.words().flat_map(of_lanes).collect() })
    }

    /// Whether all lanes, copies of those of the snapshot, hold what it holds.
    pub fn holds(&self, snapshot: &Snapshot) -> bool {
        self.words().zip(snapshot.words.chunks(snapshot.lanes)).all(|(word, held)| {
            (0..self.lanes)
                .all(|lane| (word.value[lane], word.unknown[lane]) == held[lane % held.len()])
        })
    }
}
