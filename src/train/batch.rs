//! Texts and byte spans to tokens and weights.
//!
//! A sequence is the prompt's tokens, the completion's and the token that ends an answer. The completion is
//! encoded by itself: those are the tokens a model makes when it continues the prompt, and their byte offsets
//! are those of the spans. A token that overlaps a span has its weight, the largest where several do; so
//! the first token of a span may begin before it.
//!
//! What a cutoff does to a sequence is said, never silent: a completion loses its end, and one that loses all
//! that it would have been learnt from is [`Dropped`] with the reason, as a pair is with either.

use tch::{Device, Kind, Tensor};

use crate::model::{Encoded, Tokenizer};
use crate::pair::{Pair, WeightedSpan};

/// Which tokens of a completion are learnt from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Those of the spans.
    Spans,
    /// All of them, with weight 1.
    Completion,
    /// Those outside the spans, with weight 1: what the published code of the method trains on as released.
    Inverted,
}

/// How sequences are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which tokens count.
    pub mask: Mask,
    /// Whether the token that ends the answer counts.
    pub end_counts: bool,
    /// The most tokens of a sequence.
    pub cutoff: usize,
}

/// A prompt and a completion as tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// Tokens of prompt, completion and, unless cut off, the end.
    pub ids: Vec<u32>,
    /// How many of them are the prompt's.
    pub prompt: usize,
    /// A weight for each token; zero for the prompt.
    pub weights: Vec<f64>,
    /// How many tokens the cutoff took.
    pub cut: usize,
}

/// The two sequences of a pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairing {
    /// The preferred one.
    pub chosen: Sequence,
    /// The other one.
    pub rejected: Sequence,
}

/// Why a sequence is not learnt from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Dropped {
    /// The prompt alone fills the cutoff.
    #[error("the prompt alone has as many tokens as the cutoff allows")]
    LongPrompt,
    /// No token has a weight.
    #[error("no token is to be learnt from")]
    EmptyMask,
    /// All tokens with a weight lie behind the cutoff.
    #[error("all that is to be learnt from lies behind the cutoff")]
    CutMask,
}

impl Sequence {
    /// Makes a sequence; `end` is the token that ends an answer.
    pub fn new(
        prompt: &[u32],
        completion: &Encoded,
        spans: &[WeightedSpan],
        end: u32,
        settings: Settings,
    ) -> Result<Sequence, Dropped> {
        if prompt.len() >= settings.cutoff {
            return Err(Dropped::LongPrompt);
        }
        let mut weights = vec![0.0; prompt.len()];
        weights.extend(token_weights(completion, spans, settings.mask));
        weights.push(if settings.end_counts { 1.0 } else { 0.0 });
        let mut ids = [prompt, &completion.ids, &[end]].concat();
        let has_weight = |weights: &[f64]| weights.iter().any(|weight| *weight > 0.0);
        if !has_weight(&weights[..ids.len() - 1]) {
            return Err(Dropped::EmptyMask);
        }
        let cut = ids.len().saturating_sub(settings.cutoff);
        ids.truncate(settings.cutoff);
        weights.truncate(settings.cutoff);
        if !has_weight(&weights) {
            return Err(Dropped::CutMask);
        }
        Ok(Sequence { ids, prompt: prompt.len(), weights, cut })
    }

    /// Sum of the weights.
    pub fn weight(&self) -> f64 {
        self.weights.iter().sum()
    }
}

impl Pairing {
    /// Makes the sequences of a pair; `prompt` is its prompt as the model is asked. The outer error is the
    /// tokenizer's, the inner one says why the pair is not learnt from.
    pub fn new(
        pair: &Pair,
        prompt: &[u32],
        tokenizer: &Tokenizer,
        settings: Settings,
    ) -> Result<Result<Pairing, Dropped>, String> {
        let sequence = |text: &str, spans: &[WeightedSpan]| {
            let completion = tokenizer.encode(text)?;
            Ok::<_, String>(Sequence::new(prompt, &completion, spans, tokenizer.end(), settings))
        };
        let chosen = sequence(&pair.chosen, &pair.chosen_spans)?;
        let rejected = sequence(&pair.rejected, &pair.rejected_spans)?;
        Ok(chosen.and_then(|chosen| Ok(Pairing { chosen, rejected: rejected? })))
    }
}

/// The weight of each token of a completion. Spans are sorted and disjoint.
pub fn token_weights(completion: &Encoded, spans: &[WeightedSpan], mask: Mask) -> Vec<f64> {
    let mut first = 0;
    let in_spans = completion.spans.iter().map(|(start, end)| {
        while spans.get(first).is_some_and(|span| span.1 <= *start) {
            first += 1;
        }
        let touched = spans[first..].iter().take_while(|span| span.0 < *end);
        touched.map(|span| span.2).fold(0.0, f64::max)
    });
    match mask {
        Mask::Spans => in_spans.collect(),
        Mask::Completion => vec![1.0; completion.ids.len()],
        Mask::Inverted => in_spans.map(|weight| if weight > 0.0 { 0.0 } else { 1.0 }).collect(),
    }
}

/// Sequences side by side, padded on the right, and the positions whose next token counts for something.
#[derive(Debug)]
pub struct Batch {
    /// Token ids, `[sequences, longest]`.
    pub ids: Tensor,
    /// Places, counted through all rows of `ids`, of the positions that predict a completion's token.
    pub places: Tensor,
    /// The tokens that they predict.
    pub labels: Tensor,
    /// The weights of these tokens.
    pub weights: Tensor,
    /// How many of the places belong to each sequence, in order.
    pub counts: Vec<i64>,
}

impl Batch {
    /// Lays sequences side by side.
    pub fn new(sequences: &[&Sequence], device: Device) -> Batch {
        let longest = sequences.iter().map(|sequence| sequence.ids.len()).max().unwrap_or(0);
        let (mut ids, mut places, mut labels, mut weights) = (vec![], vec![], vec![], vec![]);
        let mut counts = Vec::new();
        for (row, sequence) in sequences.iter().enumerate() {
            // A first token without anything before it is predicted by nothing.
            for at in sequence.prompt.max(1)..sequence.ids.len() {
                places.push((row * longest + at - 1) as i64);
                labels.push(i64::from(sequence.ids[at]));
                weights.push(sequence.weights[at]);
            }
            counts.push((sequence.ids.len() - sequence.prompt.max(1)) as i64);
            ids.extend(sequence.ids.iter().map(|id| i64::from(*id)));
            ids.resize((row + 1) * longest, 0);
        }
        let size = [sequences.len() as i64, longest as i64];
        Batch {
            ids: Tensor::from_slice(&ids).view(size).to_device(device),
            places: Tensor::from_slice(&places).to_device(device),
            labels: Tensor::from_slice(&labels).to_device(device),
            weights: Tensor::from_slice(&weights).to_kind(Kind::Float).to_device(device),
            counts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(spans: &[(usize, usize)]) -> Encoded {
        Encoded { ids: (10..).take(spans.len()).collect(), spans: spans.to_vec() }
    }

    const SETTINGS: Settings = Settings { mask: Mask::Spans, end_counts: false, cutoff: 100 };

    #[track_caller]
    fn check(spans: &[WeightedSpan], mask: Mask, expected: &[f64]) {
        // Tokens of two bytes; the last two share a character.
        let tokens = encoded(&[(0, 2), (2, 4), (4, 6), (6, 9), (6, 9)]);
        assert_eq!(token_weights(&tokens, spans, mask), expected, "{spans:?}");
    }

    #[test]
    fn a_token_that_overlaps_a_span_has_its_weight() {
        check(&[], Mask::Spans, &[0.0; 5]);
        check(&[(2, 4, 1.0)], Mask::Spans, &[0.0, 1.0, 0.0, 0.0, 0.0]);
        check(&[(1, 3, 1.0)], Mask::Spans, &[1.0, 1.0, 0.0, 0.0, 0.0]);
        check(&[(3, 4, 0.5), (8, 9, 2.0)], Mask::Spans, &[0.0, 0.5, 0.0, 2.0, 2.0]);
        check(&[(0, 1, 0.5), (1, 2, 2.0)], Mask::Spans, &[2.0, 0.0, 0.0, 0.0, 0.0]);
        check(&[(0, 9, 0.25)], Mask::Spans, &[0.25; 5]);
    }

    #[test]
    fn the_other_masks_are_everything_and_the_complement() {
        check(&[(2, 4, 0.5)], Mask::Completion, &[1.0; 5]);
        check(&[(2, 4, 0.5)], Mask::Inverted, &[1.0, 0.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn a_cutoff_never_empties_a_mask_in_silence() {
        let tokens = encoded(&[(0, 2), (2, 4), (4, 6)]);
        let make = |spans: &[WeightedSpan], cutoff: usize| {
            Sequence::new(&[1, 2], &tokens, spans, 9, Settings { cutoff, ..SETTINGS })
        };
        let whole = make(&[(2, 4, 1.0)], 6).expect("a sequence");
        assert_eq!(whole.ids, [1, 2, 10, 11, 12, 9]);
        assert_eq!(whole.weights, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!((whole.prompt, whole.cut, whole.weight()), (2, 0, 1.0));
        let cut = make(&[(2, 4, 1.0)], 4).expect("a sequence");
        assert_eq!((cut.ids.len(), cut.cut), (4, 2));
        assert_eq!(make(&[(4, 6, 1.0)], 4), Err(Dropped::CutMask));
        assert_eq!(make(&[], 6), Err(Dropped::EmptyMask));
        assert_eq!(make(&[(2, 4, 1.0)], 2), Err(Dropped::LongPrompt));
    }

    #[test]
    fn the_end_counts_by_option_and_is_no_reason_to_keep_a_sequence() {
        let settings = Settings { end_counts: true, ..SETTINGS };
        let made = |spans: &[WeightedSpan]| {
            Sequence::new(&[1], &encoded(&[(0, 2)]), spans, 9, settings).map(|made| made.weights)
        };
        assert_eq!(made(&[(0, 1, 0.5)]), Ok(vec![0.0, 0.5, 1.0]));
        assert_eq!(made(&[]), Err(Dropped::EmptyMask));
    }

    #[test]
    fn a_batch_names_the_positions_that_predict_completions() {
        let sequence = |ids: &[u32], prompt: usize| Sequence {
            ids: ids.to_vec(),
            prompt,
            weights: ids.iter().map(|id| f64::from(*id)).collect(),
            cut: 0,
        };
        let (one, two) = (sequence(&[5, 6, 7], 1), sequence(&[8, 9], 0));
        let batch = Batch::new(&[&one, &two], Device::Cpu);
        let list = |tensor: &Tensor| -> Vec<i64> {
            Vec::try_from(tensor.to_kind(Kind::Int64).view([-1])).expect("a list")
        };
        assert_eq!(list(&batch.ids), [5, 6, 7, 8, 9, 0]);
        assert_eq!(list(&batch.places), [0, 1, 3]);
        assert_eq!(list(&batch.labels), [6, 7, 9]);
        assert_eq!(list(&batch.weights), [6, 7, 9]);
        assert_eq!(batch.counts, [2, 1]);
    }
}
