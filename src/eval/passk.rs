//! Unbiased pass@k and its confidence interval.
//!
//! Of `n` samples of a problem, `c` pass: the chance that one of `k` drawn without replacement passes is
//! `1 - C(n-c, k) / C(n, k)` (Chen et al., 2021, arXiv 2107.03374), and pass@k is the mean over problems. The interval
//! is a percentile bootstrap over problems: they are drawn again with replacement, since a benchmark is itself a sample
//! of the problems that one could ask. Draws are a function of the seed alone.

use serde::{Deserialize, Serialize};

/// Draws of the bootstrap.
pub const RESAMPLES: usize = 10_000;

/// A share with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean over problems.
    pub mean: f64,
    /// 2.5th percentile of the resampled means.
    pub low: f64,
    /// 97.5th percentile of the resampled means.
    pub high: f64,
}

/// The chance that of `k` of `n` samples, of which `c` pass, one passes; `None` if there are fewer than `k`.
pub fn pass_at_k(n: usize, c: usize, k: usize) -> Option<f64> {
    if k == 0 || n < k || c > n {
        return None;
    }
    if n - c < k {
        return Some(1.0);
    }
    let fail: f64 = (n - c + 1..=n).map(|i| 1.0 - k as f64 / i as f64).product();
    Some(1.0 - fail)
}

/// The mean of some values, one for each problem, and its interval; `None` of no values.
pub fn estimate(values: &[f64], seed: u64) -> Option<Estimate> {
    if values.is_empty() {
        return None;
    }
    let mean = |sum: f64| sum / values.len() as f64;
    let mut hasher = blake3::Hasher::new_derive_key("salv 2026 eval: bootstrap");
    hasher.update(&seed.to_le_bytes());
    let mut stream = hasher.finalize_xof();
    let mut bytes = vec![0; 8 * values.len()];
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            stream.fill(&mut bytes);
            let draws = bytes.chunks_exact(8).map(|chunk| {
                let number = u64::from_le_bytes(chunk.try_into().unwrap_or([0; 8]));
                // The upper half of the product is uniform below the length, to one part in 2^50.
                ((u128::from(number) * values.len() as u128) >> 64) as usize
            });
            mean(draws.map(|at| values[at]).sum())
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let percentile = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
    Some(Estimate {
        mean: mean(values.iter().sum()),
        low: percentile(0.025),
        high: percentile(0.975),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `1 - C(n-c, k) / C(n, k)` by counting subsets.
    fn by_counting(n: usize, c: usize, k: usize) -> f64 {
        let (mut all, mut none) = (0, 0);
        for subset in 0_u32..1 << n {
            if subset.count_ones() as usize == k {
                all += 1;
                none += usize::from(subset & ((1 << c) - 1) == 0);
            }
        }
        1.0 - none as f64 / all as f64
    }

    #[test]
    fn pass_at_k_is_the_share_of_subsets_with_a_pass() {
        for n in 1..=8 {
            for c in 0..=n {
                for k in 1..=n {
                    let found = pass_at_k(n, c, k).expect("an estimate");
                    assert!((found - by_counting(n, c, k)).abs() < 1e-12, "{n} {c} {k}: {found}");
                }
            }
        }
        assert_eq!(pass_at_k(4, 1, 5), None);
        assert_eq!(pass_at_k(4, 1, 0), None);
    }

    #[test]
    fn the_interval_is_that_of_a_binomial_share() {
        let values: Vec<f64> = (0..100).map(|at| f64::from(u8::from(at < 30))).collect();
        let found = estimate(&values, 0).expect("an estimate");
        // 30 of 100: the standard deviation is 0.0458, so the normal interval is 0.210 to 0.390.
        assert_eq!(found.mean, 0.3);
        assert!((found.low - 0.21).abs() < 0.015 && (found.high - 0.39).abs() < 0.015, "{found:?}");
        assert_eq!(estimate(&values, 0), Some(found));
        // Shares of a hundred come in steps, and two seeds may meet in one; these do not.
        let spread: Vec<f64> = (0..100).map(f64::from).map(f64::sqrt).collect();
        assert_ne!(estimate(&spread, 0), estimate(&spread, 1));
        assert_eq!(estimate(&[], 0), None);
        let one = estimate(&[1.0, 1.0], 0).expect("an estimate");
        assert_eq!((one.low, one.high), (1.0, 1.0));
    }
}
