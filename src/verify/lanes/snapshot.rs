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
    /// Which.
    lanes: Vec<usize>,
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

    /// What the first lanes of the machine hold, which are these of a group; unless that is much.
    pub fn snapshot(&self, lanes: &[usize]) -> Option<Snapshot> {
        if self.words().take(WORDS_MAX).count() * lanes.len() > WORDS_MAX {
            return None;
        }
        let words = self
            .words()
            .flat_map(|word| (0..lanes.len()).map(|lane| (word.value[lane], word.unknown[lane])));
        Some(Snapshot { lanes: lanes.to_vec(), words: words.collect() })
    }

    /// Which of some lanes of a group hold what the snapshot says, in all copies that the machine has of them.
    pub fn holding(&self, snapshot: &Snapshot, lanes: &[usize]) -> u64 {
        let place = |lane: &usize| snapshot.lanes.iter().position(|own| own == lane);
        let places: Vec<usize> = lanes.iter().filter_map(place).collect();
        let mut holding = lanes.iter().fold(0, |all, &lane| all | 1 << lane);
        for (word, held) in self.words().zip(snapshot.words.chunks(snapshot.lanes.len())) {
            for own in 0..self.lanes {
                let (lane, place) = (lanes[own % lanes.len()], places[own % lanes.len()]);
                if (word.value[own], word.unknown[own]) != held[place] {
                    holding &= !(1 << lane);
                }
            }
        }
        holding
    }
}
