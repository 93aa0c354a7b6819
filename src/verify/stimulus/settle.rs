//! From when on in an episode the golden module counts as defined: where it has resets, once each of them
//! has reset it.
//!
//! In two states a module is run from many power-up states, and a machine that its inputs bring to one state
//! from all of them looks defined before any reset; in four states it is X there, `if` and `case` on X
//! deciding what others do with it, and no bench compares. A module without resets, or whose registers all
//! have an initial value, has no such time.

use crate::design::{Interface, Role};

use super::Input;
use super::input::Kind;

/// What has to happen.
#[derive(Clone, Debug)]
pub(super) struct Settling {
    /// The resets that can be active: first word, active level, whether a clock edge has to come.
    resets: Vec<(usize, u64, bool)>,
    /// The clocks: first word, and whether rising and falling edges run processes.
    clocks: Vec<(usize, bool, bool)>,
}

impl Settling {
    /// What has to happen in a module; `inputs` are its input ports in order.
    pub(super) fn new(interface: &Interface, inputs: &[Input]) -> Settling {
        let active = |input: &Input| match input.kind {
            Kind::Reset { active, synchronous } => {
                let level = u64::from(active);
                let legal = input.legal.as_ref();
                let can = legal.is_none_or(|legal| legal.iter().any(|value| value[0] == level));
                can.then_some((input.offset, level, synchronous))
            }
            _ => None,
        };
        let resets = match interface.initialised {
            true => Vec::new(),
            false => inputs.iter().filter_map(active).collect(),
        };
        let clocks = inputs.iter().zip(input_roles(interface)).filter_map(|(input, role)| {
            let Role::Clock { rising, falling } = role else { return None };
            (input.kind == Kind::Clock).then_some((input.offset, rising, falling))
        });
        Settling { resets, clocks: clocks.collect() }
    }

    /// The first comparison point at which every reset has done its work; their number if none.
    /// `rows` are those of the episode, of `words` words each, the power-up row first.
    pub(super) fn first(&self, rows: &[u64], words: usize) -> usize {
        let mut open: Vec<Vec<bool>> = self
            .resets
            .iter()
            .map(|&(_, _, synchronous)| vec![true; if synchronous { self.clocks.len() } else { 1 }])
            .collect();
        if words == 0 {
            return 0;
        }
        let points = rows.chunks(words).zip(rows.chunks(words).skip(1));
        for (point, (before, now)) in points.enumerate() {
            for (open, &(reset, level, synchronous)) in open.iter_mut().zip(&self.resets) {
                if now[reset] != level {
                    continue;
                }
                if !synchronous {
                    open.clear();
                }
                for (open, &(clock, rising, falling)) in open.iter_mut().zip(&self.clocks) {
                    let runs = if now[clock] == 1 { rising } else { falling };
                    *open &= before[clock] == now[clock] || !runs;
                }
            }
            if open.iter().all(|open| !open.contains(&true)) {
                return point;
            }
        }
        (rows.len() / words).saturating_sub(1)
    }
}

fn input_roles(interface: &Interface) -> impl Iterator<Item = Role> + '_ {
    let inputs = interface.ports.iter().zip(&interface.roles);
    inputs
        .filter(|(port, _)| port.direction == crate::design::Direction::Input)
        .map(|(_, &role)| role)
}

#[cfg(test)]
mod tests {
    use super::Settling;

    /// Rows of a clock and a reset, each of one word.
    fn check(synchronous: bool, rows: &[[u64; 2]], expect: usize) {
        let settling =
            Settling { resets: vec![(1, 1, synchronous)], clocks: vec![(0, true, false)] };
        assert_eq!(settling.first(&rows.concat(), 2), expect, "{rows:?}");
    }

    #[test]
    fn a_reset_has_to_reach_the_registers() {
        let glitch = [[0, 0], [0, 0], [1, 0], [1, 1], [0, 1], [0, 0], [0, 1], [1, 1], [1, 0]];
        check(false, &glitch, 2);
        // The falling edge runs nothing.
        check(true, &glitch, 6);
        check(true, &glitch[..6], 5);
    }

    #[test]
    fn nothing_has_to_happen_without_resets() {
        let settling = Settling { resets: Vec::new(), clocks: vec![(0, true, false)] };
        assert_eq!(settling.first(&[0, 1, 0, 1], 1), 0);
        assert_eq!(settling.first(&[], 0), 0);
    }
}
