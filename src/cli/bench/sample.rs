//! Which rows are measured: problems in an order that the seed decides, a few candidates of each.
//!
//! Several candidates of one problem are verified together in every real run (the paper samples five), and
//! then share their golden module; rows drawn one by one from a large file would hide that. The order hangs
//! on the rows' content and the seed alone, not on their place in the file.

use std::collections::BTreeMap;

use crate::candidate::Candidate;

/// Returns the indices of `candidates` in the order of the sample, at most `per_problem` of each problem.
pub fn order(candidates: &[Candidate], per_problem: usize, seed: u64) -> Vec<usize> {
    let mut problems: BTreeMap<[u8; 32], Vec<([u8; 32], usize)>> = BTreeMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let row = (draw(seed, &[&candidate.problem, &candidate.id, &candidate.completion]), index);
        problems.entry(draw(seed, &[&candidate.problem])).or_default().push(row);
    }
    let of_problem = |mut rows: Vec<([u8; 32], usize)>| {
        rows.sort_unstable();
        rows.truncate(per_problem);
        rows.into_iter().map(|(_, index)| index)
    };
    problems.into_values().flat_map(of_problem).collect()
}

/// A number that a text and the seed decide.
fn draw(seed: u64, parts: &[&str]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(count: usize, of: usize) -> Vec<Candidate> {
        let row = |i: usize| Candidate {
            problem: format!("p{}", i % of),
            id: i.to_string(),
            completion: format!("module m{i}; endmodule"),
        };
        (0..count).map(row).collect()
    }

    fn ids<'a>(rows: &'a [Candidate], order: &[usize]) -> Vec<&'a str> {
        order.iter().map(|&index| rows[index].id.as_str()).collect()
    }

    #[test]
    fn each_problem_gives_its_share_and_its_rows_stay_together() {
        let rows = candidates(40, 7);
        let order = order(&rows, 3, 1);
        assert_eq!(order.len(), 21);
        let groups = order.chunks(3).map(|group| group.iter().map(|&i| i % 7).collect::<Vec<_>>());
        let mut problems: Vec<usize> = groups
            .map(|group| {
                assert!(group.iter().all(|&problem| problem == group[0]), "{group:?}");
                group[0]
            })
            .collect();
        problems.sort_unstable();
        assert_eq!(problems, [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn the_seed_decides_and_the_order_of_the_file_does_not() {
        let rows = candidates(40, 7);
        let mut turned = rows.clone();
        turned.reverse();
        let (one, again) = (order(&rows, 3, 1), order(&turned, 3, 1));
        assert_eq!(ids(&rows, &one), ids(&turned, &again));
        assert_ne!(one, order(&rows, 3, 2));
    }
}
