//! Which candidates share a chip.
//!
//! In: how large the modules are, and a board. Out: groups, each small enough by what was measured of that board;
//! place and route has the last word, and a group that does not fit after all is halved.

use super::boards::Board;
use super::module::Mapped;

/// LUTs that the harness takes around the modules, for so many bits of inputs and outputs. One with five inputs, one
/// of them 4 bits wide with a table, two outputs of 5 bits and six slots took 4,250 on an HX8K; the rest is in
/// proportion to what `src/verify/stimulus/mod.rs` counts.
pub fn harness_luts(inputs: usize, wide_bits: u32, output_bits: u32, slots: usize) -> u32 {
    3000 + 150 * inputs as u32 + 14 * wide_bits + 6 * output_bits + 60 * slots as u32
}

/// Groups of candidates by index; `mapped` are their sizes.
pub fn groups(
    mapped: &[&Mapped],
    fixed_luts: u32,
    golden: &Mapped,
    board: &Board,
) -> Vec<Vec<usize>> {
    // The golden module, its copy and the control that is wrong on purpose.
    let fixed_sets: u32 = 3 * golden.twins.iter().map(|twin| twin.control_sets).sum::<u32>();
    let fixed = (fixed_luts + 3 * golden.size().0, fixed_sets);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut used = (u32::MAX, u32::MAX);
    for (index, module) in mapped.iter().enumerate() {
        let sets: u32 = module.twins.iter().map(|twin| twin.control_sets).sum();
        let size = (module.size().0, sets);
        let sum = (used.0.saturating_add(size.0), used.1.saturating_add(size.1));
        match groups.last_mut() {
            Some(group) if sum.0 <= board.luts && sum.1 <= board.control_sets => {
                group.push(index);
                used = sum;
            }
            _ => {
                groups.push(vec![index]);
                used = (fixed.0 + size.0, fixed.1 + size.1);
            }
        }
    }
    groups
}

/// Two halves of a group that does not fit; nothing for a candidate alone.
pub fn halves(group: &[usize]) -> Option<[Vec<usize>; 2]> {
    let (left, right) = group.split_at(group.len() / 2);
    (!left.is_empty()).then(|| [left.to_vec(), right.to_vec()])
}
