//! The next token: a distribution made of logits, and a random number that picks from it.
//!
//! The number is a keyed hash of seed, problem, sample and position, so that no number depends on how many were drawn
//! before. The distribution is that of transformers, in its order: repetition penalty, temperature, the `top_k`
//! likeliest tokens, of these the likeliest that have `top_p` of the probability together; the token that reaches
//! the share is in. Sums are in fp64 and in a fixed order, tokens of equal logits in that of their ids, so the same
//! logits give the same token everywhere.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::Drawing;

/// A logit that is no number or infinite.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the logit of token {token} is {value}")]
pub struct NotFinite {
    /// The token.
    pub token: u32,
    /// Its logit.
    pub value: f32,
}

/// The random numbers of one completion.
#[derive(Clone, Debug)]
pub struct Numbers([u8; 32]);

impl Numbers {
    /// Those of a sample of a problem.
    pub fn new(seed: u64, problem: &str, sample: usize) -> Numbers {
        let mut hasher = blake3::Hasher::new_derive_key("salv 2026 sample: random numbers");
        hasher.update(&seed.to_le_bytes());
        hasher.update(&(sample as u64).to_le_bytes());
        hasher.update(problem.as_bytes());
        Numbers(*hasher.finalize().as_bytes())
    }

    /// The number at a position, in [0, 1), uniform in steps of 2^-53.
    pub fn at(&self, position: usize) -> f64 {
        let hash = blake3::keyed_hash(&self.0, &(position as u64).to_le_bytes());
        let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
        let bits = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Makes the logits of tokens that were `seen` smaller.
pub fn penalise(logits: &mut [f32], seen: &HashSet<u32>, drawing: &Drawing) {
    let penalty = drawing.repetition_penalty as f32;
    if penalty == 1.0 {
        return;
    }
    for &token in seen {
        let logit = &mut logits[token as usize];
        *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
    }
}

/// Picks the token of the logits that a number in [0, 1) falls on.
pub fn draw(logits: &[f32], drawing: &Drawing, number: f64) -> Result<u32, NotFinite> {
    let best = likeliest(logits)?;
    if drawing.temperature == 0.0 {
        return Ok(best as u32);
    }
    let highest = f64::from(logits[best]);
    let weight = |logit: f32| ((f64::from(logit) - highest) / drawing.temperature).exp();
    let weights: Vec<f64> = logits.iter().map(|logit| weight(*logit)).collect();
    let order = |one: &u32, other: &u32| by_logit(logits, *one, *other);
    if drawing.top_k > 0 && drawing.top_k < logits.len() {
        let mut kept: Vec<u32> = (0..logits.len() as u32).collect();
        kept.select_nth_unstable_by(drawing.top_k - 1, order);
        kept.truncate(drawing.top_k);
        kept.sort_unstable_by(order);
        let total: f64 = kept.iter().map(|token| weights[*token as usize]).sum();
        kept.truncate(nucleus(&kept, &weights, drawing.top_p * total).unwrap_or(kept.len()));
        return Ok(pick(kept.into_iter(), &weights, number));
    }
    if drawing.top_p >= 1.0 {
        return Ok(pick(0..logits.len() as u32, &weights, number));
    }
    let share = drawing.top_p * weights.iter().sum::<f64>();
    // Sorting the whole vocabulary takes longer than all the rest: the likeliest nearly always reach the share.
    let mut floor = 1e-3;
    loop {
        let tokens = 0..logits.len() as u32;
        let mut kept: Vec<u32> = tokens.filter(|token| weights[*token as usize] >= floor).collect();
        kept.sort_unstable_by(order);
        match nucleus(&kept, &weights, share) {
            None if kept.len() < logits.len() => floor *= if floor > 1e-300 { 1e-3 } else { 0.0 },
            size => {
                kept.truncate(size.unwrap_or(kept.len()));
                return Ok(pick(kept.into_iter(), &weights, number));
            }
        }
    }
}

/// The first of the tokens with the highest logit.
fn likeliest(logits: &[f32]) -> Result<usize, NotFinite> {
    let mut best = 0;
    for (token, &value) in logits.iter().enumerate() {
        if !value.is_finite() {
            return Err(NotFinite { token: token as u32, value });
        }
        if value > logits[best] {
            best = token;
        }
    }
    Ok(best)
}

/// The likelier first, of equally likely ones the lower id. By logits: different ones may have equal weights.
fn by_logit(logits: &[f32], one: u32, other: u32) -> Ordering {
    logits[other as usize].total_cmp(&logits[one as usize]).then(one.cmp(&other))
}

/// How many of the sorted tokens have this much weight together; `None` if all of them have less.
fn nucleus(sorted: &[u32], weights: &[f64], share: f64) -> Option<usize> {
    let mut sum = 0.0;
    let reached = sorted.iter().position(|token| {
        sum += weights[*token as usize];
        sum >= share
    });
    reached.map(|at| at + 1)
}

/// The token on whose part of the line of weights the number falls.
fn pick(tokens: impl Iterator<Item = u32> + Clone, weights: &[f64], number: f64) -> u32 {
    let total: f64 = tokens.clone().map(|token| weights[token as usize]).sum();
    let mut sum = 0.0;
    let mut last = 0;
    for token in tokens {
        let weight = weights[token as usize];
        sum += weight;
        if weight > 0.0 {
            last = token;
            if number * total < sum {
                break;
            }
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Drawing =
        Drawing { temperature: 1.0, top_p: 1.0, top_k: 0, repetition_penalty: 1.0 };

    /// Logits of given probabilities.
    fn logits(probabilities: &[f64]) -> Vec<f32> {
        probabilities.iter().map(|p| p.ln() as f32).collect()
    }

    /// The share of evenly spread numbers that fall on each token.
    #[track_caller]
    fn check(logits: &[f32], drawing: Drawing, expected: &[f64]) {
        const NUMBERS: usize = 10_000;
        let mut counts = vec![0; logits.len()];
        for at in 0..NUMBERS {
            let number = (at as f64 + 0.5) / NUMBERS as f64;
            counts[draw(logits, &drawing, number).expect("a token") as usize] += 1;
        }
        for (token, (count, expected)) in counts.iter().zip(expected).enumerate() {
            let share = f64::from(*count) / NUMBERS as f64;
            assert!((share - expected).abs() < 2e-4, "token {token}: {share}, not {expected}");
        }
    }

    #[test]
    fn tokens_are_drawn_as_often_as_they_are_likely() {
        let four = logits(&[0.1, 0.4, 0.2, 0.3]);
        check(&four, PLAIN, &[0.1, 0.4, 0.2, 0.3]);
        // The squares of the probabilities, whose sum is 0.3.
        let cold = Drawing { temperature: 0.5, ..PLAIN };
        check(&four, cold, &[0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3, 0.09 / 0.3]);
        check(&four, Drawing { temperature: 0.0, ..PLAIN }, &[0.0, 1.0, 0.0, 0.0]);
        check(&four, Drawing { top_k: 2, ..PLAIN }, &[0.0, 4.0 / 7.0, 0.0, 3.0 / 7.0]);
        check(&four, Drawing { top_k: 1, ..PLAIN }, &[0.0, 1.0, 0.0, 0.0]);
        check(&four, Drawing { top_k: 9, ..PLAIN }, &[0.1, 0.4, 0.2, 0.3]);
        // The token that reaches the share is in: 0.4 and 0.3 have less than 0.75.
        check(&four, Drawing { top_p: 0.75, ..PLAIN }, &[0.0, 4.0 / 9.0, 2.0 / 9.0, 3.0 / 9.0]);
        check(&four, Drawing { top_p: 0.3, ..PLAIN }, &[0.0, 1.0, 0.0, 0.0]);
        // The share is of what `top_k` left: 0.5 of 0.7 is less than 0.4.
        check(&four, Drawing { top_k: 2, top_p: 0.5, ..PLAIN }, &[0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn of_equal_tokens_the_lower_ids_come_first() {
        let equal = [1.5; 10];
        let third = 1.0 / 3.0;
        check(&equal, Drawing { top_k: 3, ..PLAIN }, &[third, third, third, 0.0, 0.0]);
        check(&equal, Drawing { top_p: 0.25, ..PLAIN }, &[third, third, third, 0.0, 0.0]);
        check(&equal, Drawing { temperature: 0.0, ..PLAIN }, &[1.0, 0.0]);
    }

    /// A vocabulary so flat that no token has a thousandth of the likeliest one's weight.
    #[test]
    fn a_share_is_reached_however_unlikely_its_tokens_are() {
        let mut steep: Vec<f32> = vec![-20.0; 1000];
        steep[500] = 0.0;
        let drawing = Drawing { top_p: 1.0 - 1e-9, ..PLAIN };
        assert_eq!(draw(&steep, &drawing, 0.0), Ok(500));
        let end = draw(&steep, &drawing, 1.0 - 1e-12).expect("a token");
        assert!((400..1000).contains(&end) && end != 500, "{end}");
        // Weights that are zero in fp64 are never drawn, and do not hang the search.
        let hopeless = [0.0, -1e30, -1e30];
        assert_eq!(draw(&hopeless, &Drawing { top_p: 0.999, ..PLAIN }, 0.999_999), Ok(0));
        assert_eq!(draw(&hopeless, &PLAIN, 0.999_999), Ok(0));
    }

    #[test]
    fn what_is_no_number_is_an_error() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = draw(&[0.0, value], &PLAIN, 0.5).expect_err("an error");
            assert_eq!((error.token, error.value.to_bits()), (1, value.to_bits()));
        }
    }

    #[test]
    fn numbers_are_uniform_and_of_their_place_alone() {
        let numbers = Numbers::new(1, "p", 0);
        let drawn: Vec<f64> = (0..10_000).map(|position| numbers.at(position)).collect();
        let mean = drawn.iter().sum::<f64>() / 10_000.0;
        // Four standard deviations of the mean of uniform numbers, 1 / sqrt(12 * 10,000).
        assert!((mean - 0.5).abs() < 4.0 * 0.0029, "{mean}");
        assert!(drawn.iter().all(|number| (0.0..1.0).contains(number)));
        assert_eq!(Numbers::new(1, "p", 0).at(77), drawn[77]);
        for other in [Numbers::new(2, "p", 0), Numbers::new(1, "q", 0), Numbers::new(1, "p", 1)] {
            assert_ne!(other.at(77), drawn[77]);
        }
    }

    #[test]
    fn seen_tokens_become_less_likely() {
        let mut logits = [2.0, -2.0, 3.0];
        penalise(
            &mut logits,
            &HashSet::from([0, 1]),
            &Drawing { repetition_penalty: 2.0, ..PLAIN },
        );
        assert_eq!(logits, [1.0, -4.0, 3.0]);
    }
}
