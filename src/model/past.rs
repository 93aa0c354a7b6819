//! Attention of one position of a sequence to all before it, on the CPU.
//!
//! LibTorch's attention is made for many positions at a time. With one, on sequences of different lengths, half of a
//! small model's step went into calls of it and into a product of matrix and vector that its BLAS does not vectorise
//! on every processor. Here it is two loops over memory that lies in order, and the sums of a sequence hang on nothing
//! but its own numbers: they run in the same order whatever the width of the processor's vectors and the number of threads.

use std::sync::Arc;

use pulp::{Arch, NullaryFnOnce};

use super::Config;

/// Running sums of a product: two vectors of AVX2.
const LANES: usize = 16;

/// Numbers of a mixture that are summed at a time.
const PIECE: usize = 32;

/// Multiplications below which another thread costs more than it takes over.
const WORTH_A_THREAD: usize = 1 << 21;

/// Keys and values of some positions, by head, `[positions, head_dim]` each: memory that is read in order comes twice as
/// fast as pieces of rows.
#[derive(Clone, Debug, Default)]
pub(super) struct KeysValues(Vec<[Vec<f32>; 2]>);

/// What a sequence holds. Samples of one prompt share it, and read it one after the other, so that it comes from memory
/// once.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    pub(super) prompt: Arc<KeysValues>,
    pub(super) own: KeysValues,
}

/// How a model's attention is divided into heads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    queries: usize,
    /// Queries that share keys and values.
    sharing: usize,
    dim: usize,
}

impl Heads {
    pub(super) fn of(config: &Config) -> Heads {
        let [queries, keys, dim] =
            [config.heads, config.key_value_heads, config.head_dim].map(|number| number as usize);
        Heads { queries, sharing: queries / keys, dim }
    }

    /// Numbers of a row of queries.
    pub(super) fn width(self) -> usize {
        self.queries * self.dim
    }

    /// Numbers of a row of keys, or of values.
    pub(super) fn kept(self) -> usize {
        self.width() / self.sharing
    }

    /// Adds positions: rows of keys and of values, `[key_value_heads * head_dim]`.
    pub(super) fn extend(self, kept: &mut KeysValues, keys: &[f32], values: &[f32]) {
        kept.0.resize(self.queries / self.sharing, [Vec::new(), Vec::new()]);
        for (kind, rows) in [keys, values].into_iter().enumerate() {
            for row in rows.chunks_exact(self.kept()) {
                for (head, piece) in kept.0.iter_mut().zip(row.chunks_exact(self.dim)) {
                    head[kind].extend_from_slice(piece);
                }
            }
        }
    }

    /// The last position of each sequence attends to its past, of which it is a part: a row of `queries` and one of
    /// `mixed`, `[heads * head_dim]`, for each; of nothing comes zero.
    pub(super) fn attend(self, queries: &[f32], pasts: &[Past], mixed: &mut [f32], threads: usize) {
        let width = self.width();
        let work: usize = pasts.iter().map(|past| past.positions(self) * width).sum();
        let parts = threads.min(work / WORTH_A_THREAD + 1);
        let share = pasts.len().div_ceil(parts).max(1);
        let attend = |queries: &[f32], pasts: &[Past], mixed: &mut [f32]| {
            let rows = queries.chunks_exact(width).zip(mixed.chunks_exact_mut(width));
            for ((query, mixed), past) in rows.zip(pasts) {
                self.attend_one(query, past, mixed);
            }
        };
        let mut parts = pasts
            .chunks(share)
            .zip(queries.chunks(share * width))
            .zip(mixed.chunks_mut(share * width));
        let first = parts.next();
        std::thread::scope(|scope| {
            for ((pasts, queries), mixed) in parts {
                scope.spawn(move || attend(queries, pasts, mixed));
            }
            if let Some(((pasts, queries), mixed)) = first {
                attend(queries, pasts, mixed);
            }
        });
    }

    fn attend_one(self, query: &[f32], past: &Past, mixed: &mut [f32]) {
        let pieces = [&*past.prompt, &past.own];
        let mut weights = vec![0.0; past.positions(self)];
        if weights.is_empty() {
            return mixed.fill(0.0);
        }
        let rows = query.chunks_exact(self.dim).zip(mixed.chunks_exact_mut(self.dim));
        for (head, (query, mixed)) in rows.enumerate() {
            let [keys, values] =
                [0, 1].map(|kind| pieces.map(|piece| piece.of(head / self.sharing, kind)));
            let arch = Arch::new();
            arch.dispatch(Scores { query, keys, scores: &mut weights });
            let sum = exponentials(&mut weights);
            arch.dispatch(Mixture { weights: &weights, sum, values, mixed });
        }
    }
}

impl KeysValues {
    /// Keys (0) or values (1) of a head.
    fn of(&self, head: usize, kind: usize) -> &[f32] {
        self.0.get(head).map_or(&[], |both| both[kind].as_slice())
    }
}

impl Past {
    fn positions(&self, heads: Heads) -> usize {
        (self.prompt.of(0, 0).len() + self.own.of(0, 0).len()) / heads.dim
    }
}

/// How well a query fits to keys.
struct Scores<'a> {
    query: &'a [f32],
    /// Pieces of a past, in order.
    keys: [&'a [f32]; 2],
    scores: &'a mut [f32],
}

impl NullaryFnOnce for Scores<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let scale = 1.0 / (self.query.len() as f32).sqrt();
        let mut scores = self.scores.iter_mut();
        for keys in self.keys {
            for (key, score) in keys.chunks_exact(self.query.len()).zip(&mut scores) {
                *score = product(self.query, key) * scale;
            }
        }
    }
}

/// The mean of values, by weights that have this sum.
struct Mixture<'a> {
    weights: &'a [f32],
    sum: f32,
    /// Pieces of a past, in order.
    values: [&'a [f32]; 2],
    mixed: &'a mut [f32],
}

impl NullaryFnOnce for Mixture<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let dim = self.mixed.len();
        let (pieces, rest) = self.mixed.as_chunks_mut::<PIECE>();
        let (prompt, own) = self.weights.split_at(self.values[0].len() / dim);
        let weighted = [(prompt, self.values[0]), (own, self.values[1])];
        let weighted =
            weighted.map(|(weights, values)| weights.iter().zip(values.chunks_exact(dim)));
        for (at, mixed) in pieces.iter_mut().enumerate() {
            let mut sums = [0.0; PIECE];
            for (weight, value) in weighted.clone().into_iter().flatten() {
                let value: &[f32; PIECE] = value[at * PIECE..][..PIECE].try_into().expect("PIECE");
                sums = std::array::from_fn(|lane| sums[lane] + weight * value[lane]);
            }
            *mixed = sums.map(|sum| sum / self.sum);
        }
        let done = pieces.len() * PIECE;
        for (at, mixed) in rest.iter_mut().enumerate() {
            let weighted = weighted.clone().into_iter().flatten();
            let sum: f32 = weighted.map(|(weight, value)| weight * value[done + at]).sum();
            *mixed = sum / self.sum;
        }
    }
}

/// The sum of products.
#[inline(always)]
fn product(one: &[f32], other: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let ((ones, one_rest), (others, other_rest)) =
        (one.as_chunks::<LANES>(), other.as_chunks::<LANES>());
    let rest: f32 = one_rest.iter().zip(other_rest).map(|(x, y)| x * y).sum();
    for (one, other) in ones.iter().zip(others) {
        sums = std::array::from_fn(|lane| sums[lane] + one[lane] * other[lane]);
    }
    // Halves upon halves, as vectors are added.
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0] + rest
}

/// Makes scores into exponentials, the highest into one, and returns their sum.
fn exponentials(scores: &mut [f32]) -> f32 {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores {
        *score = (*score - highest).exp();
        sum += *score;
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Heads, KeysValues, Past};

    /// Numbers between -1 and 1 without a pattern.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        let number = |at: usize| (at * 7919 + seed * 104_729) % 2003;
        (0..count).map(|at| number(at) as f32 / 1001.0 - 1.0).collect()
    }

    fn past(heads: Heads, positions: usize, seed: usize) -> (Past, Vec<f32>, Vec<f32>) {
        let [keys, values] = [1, 2].map(|kind| numbers(positions * heads.kept(), 10 * seed + kind));
        let (mut prompt, mut own) = (KeysValues::default(), KeysValues::default());
        let first = positions / 2 * heads.kept();
        heads.extend(&mut prompt, &keys[..first], &values[..first]);
        for (key, value) in
            keys[first..].chunks(heads.kept()).zip(values[first..].chunks(heads.kept()))
        {
            heads.extend(&mut own, key, value);
        }
        (Past { prompt: Arc::new(prompt), own }, keys, values)
    }

    /// The definition, in fp64.
    fn expected(heads: Heads, query: &[f32], keys: &[f32], values: &[f32]) -> Vec<f64> {
        let mut mixed = vec![0.0; heads.width()];
        for head in 0..heads.queries {
            let piece = |row: &[f32], at: usize| -> Vec<f64> {
                row[at * heads.dim..][..heads.dim].iter().map(|x| f64::from(*x)).collect()
            };
            let query = piece(query, head);
            let score = |key: &[f32]| -> f64 {
                let key = piece(key, head / heads.sharing);
                let sum: f64 = query.iter().zip(key).map(|(q, k)| q * k).sum();
                (sum / (heads.dim as f64).sqrt()).exp()
            };
            let weights: Vec<f64> = keys.chunks(heads.kept()).map(score).collect();
            let total: f64 = weights.iter().sum();
            for (weight, value) in weights.iter().zip(values.chunks(heads.kept())) {
                let mixed = &mut mixed[head * heads.dim..][..heads.dim];
                for (mixed, x) in mixed.iter_mut().zip(piece(value, head / heads.sharing)) {
                    *mixed += weight / total * x;
                }
            }
        }
        mixed
    }

    /// Heads that share keys or not, and widths with and without a rest behind whole vectors.
    #[test]
    fn attention_is_what_its_definition_says() {
        for (queries, sharing, dim) in [(3, 1, 64), (4, 2, 16), (6, 3, 40), (2, 1, 7), (1, 1, 100)]
        {
            let heads = Heads { queries, sharing, dim };
            let pasts = [1, 2, 37, 300].map(|positions| past(heads, positions, positions));
            let query = numbers(pasts.len() * heads.width(), 5);
            let mut mixed = vec![f32::NAN; query.len()];
            let kept: Vec<Past> = pasts.iter().map(|(past, ..)| past.clone()).collect();
            heads.attend(&query, &kept, &mut mixed, 1);
            for (at, (_, keys, values)) in pasts.iter().enumerate() {
                let row = at * heads.width()..(at + 1) * heads.width();
                let right = expected(heads, &query[row.clone()], keys, values);
                for (found, right) in mixed[row].iter().zip(right) {
                    assert!((f64::from(*found) - right).abs() < 1e-5, "{heads:?}: {found} {right}");
                }
            }
        }
    }

    /// The number of threads moves no bit, and a slot that holds nothing gives zero.
    #[test]
    fn threads_share_rows() {
        let heads = Heads { queries: 8, sharing: 2, dim: 64 };
        let mut pasts: Vec<Past> = (0..21).map(|seed| past(heads, 900, seed).0).collect();
        pasts[4] = Past::default();
        let query = numbers(pasts.len() * heads.width(), 3);
        let attended = |threads| {
            let mut mixed = vec![0.0; query.len()];
            heads.attend(&query, &pasts, &mut mixed, threads);
            mixed
        };
        let alone = attended(1);
        for threads in [2, 3, 8, 64] {
            assert_eq!(attended(threads), alone, "{threads} threads");
        }
        let row = 4 * heads.width()..5 * heads.width();
        assert!(alone[row].iter().all(|x| *x == 0.0));
        assert!(alone.iter().any(|x| *x != 0.0));
    }
}
