//! What a module shows in one episode, in four states, and where two simulators differ.

use crate::design::Interface;
use crate::verify::stimulus::{Episode, Layout, StepAt};

/// Rows of outputs in four states: a bit is 0 (value 0, unknown 0), 1 (1, 0), x (0, 1) or z (1, 1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FourState {
    /// The value plane, a row for each comparison point.
    pub value: Vec<u64>,
    /// The unknown plane.
    pub unknown: Vec<u64>,
}

impl FourState {
    /// `points` rows of x.
    pub fn unknown(outputs: &Layout, points: usize) -> FourState {
        let words = outputs.words * points;
        FourState { value: vec![0; words], unknown: outputs.mask().repeat(points) }
    }

    /// The bits of an output at a point, the highest first.
    pub fn digits(&self, outputs: &Layout, output: usize, point: usize) -> String {
        let start = point * outputs.words + outputs.offsets[output];
        let bit = |at: u32| {
            let (word, shift) = (start + at as usize / 64, at % 64);
            match (self.unknown[word] >> shift & 1, self.value[word] >> shift & 1) {
                (0, 0) => '0',
                (0, _) => '1',
                (_, 0) => 'x',
                _ => 'z',
            }
        };
        (0..outputs.widths[output]).rev().map(bit).collect()
    }
}

/// Which bits are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// All, in four states.
    Exact,
    /// Those that both sides know: for a side of two states.
    Defined,
}

/// The first point at which two traces of a module differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Name of the output.
    pub output: String,
    /// The episode.
    pub episode: u32,
    /// The point.
    pub at: StepAt,
    /// Our bits, the highest first.
    pub ours: String,
    /// The other's.
    pub theirs: String,
}

/// How the outputs of a module lie in a row.
pub fn outputs(interface: &Interface) -> Layout {
    Layout::new(interface.outputs().map(|port| port.width).collect())
}

/// Compares the traces of some episodes of a module, and says where they differ first: in the order of episodes, of points
/// and of outputs.
pub fn first_difference(
    interface: &Interface,
    episodes: &[Episode],
    ours: &[FourState],
    theirs: &[FourState],
    rule: Rule,
) -> Option<Difference> {
    let layout = outputs(interface);
    let differs = |ours: &FourState, theirs: &FourState, word: usize| {
        let value = ours.value[word] ^ theirs.value[word];
        match rule {
            Rule::Exact => value | (ours.unknown[word] ^ theirs.unknown[word]),
            Rule::Defined => value & !ours.unknown[word] & !theirs.unknown[word],
        }
    };
    for ((episode, ours), theirs) in episodes.iter().zip(ours).zip(theirs) {
        for (point, &at) in episode.steps.iter().enumerate() {
            let row = point * layout.words;
            let found = layout
                .word_ranges()
                .position(|mut range| range.any(|word| differs(ours, theirs, row + word) != 0));
            let Some(output) = found else { continue };
            return Some(Difference {
                output: interface.outputs().nth(output)?.name.clone(),
                episode: episode.index,
                at,
                ours: ours.digits(&layout, output, point),
                theirs: theirs.digits(&layout, output, point),
            });
        }
    }
    None
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} at episode {}, cycle {}, step {}: ours {}, theirs {}",
            self.output, self.episode, self.at.cycle, self.at.step, self.ours, self.theirs
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::{Direction, Port, Role};

    fn interface() -> Interface {
        let port = |name: &str, width| Port {
            name: name.into(),
            direction: Direction::Output,
            width,
            signed: false,
        };
        Interface {
            top: "m".into(),
            ports: vec![port("y", 4), port("z", 70)],
            roles: vec![Role::Data; 2],
            constants: vec![Vec::new(); 2],
            pool: Vec::new(),
            durations: Vec::new(),
            sequential: false,
            initialised: false,
        }
    }

    fn episode() -> Episode {
        let steps = vec![StepAt { cycle: 0, step: 0 }, StepAt { cycle: 0, step: 2 }];
        Episode { index: 3, power_up: 0, steps, rows: Vec::new() }
    }

    /// Changes one word of two rows of zeros, and says what is found.
    #[track_caller]
    fn check(word: usize, value: u64, unknown: u64, rule: Rule, expect: Option<&str>) {
        let ours = FourState { value: vec![0; 6], unknown: vec![0; 6] };
        let mut theirs = ours.clone();
        (theirs.value[word], theirs.unknown[word]) = (value, unknown);
        let found = first_difference(&interface(), &[episode()], &[ours], &[theirs], rule);
        assert_eq!(found.map(|found| found.to_string()).as_deref(), expect);
    }

    #[test]
    fn four_states_are_told_apart() {
        let at = "y at episode 3, cycle 0, step 0: ours 0000, theirs";
        check(0, 1, 0, Rule::Exact, Some(&format!("{at} 0001")));
        check(0, 0, 2, Rule::Exact, Some(&format!("{at} 00x0")));
        check(0, 8, 8, Rule::Exact, Some(&format!("{at} z000")));
        check(0, 0, 0, Rule::Exact, None);
    }

    #[test]
    fn unknown_bits_do_not_count_where_one_side_has_two_states() {
        check(0, 8, 8, Rule::Defined, None);
        check(
            3,
            8,
            7,
            Rule::Defined,
            Some("y at episode 3, cycle 0, step 2: ours 0000, theirs 1xxx"),
        );
    }

    #[test]
    fn high_words_belong_to_their_output() {
        let zeros = "0".repeat(70);
        let theirs = format!("1{}", "0".repeat(69));
        let text = format!("z at episode 3, cycle 0, step 2: ours {zeros}, theirs {theirs}");
        check(5, 32, 0, Rule::Exact, Some(&text));
    }
}
