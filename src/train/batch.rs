//! Texts and byte spans to tokens and weights.
//!
//! A sequence is the prompt's tokens, the completion's and the token that ends an answer. The completion is
//! encoded by itself: those are the tokens a model makes when it continues the prompt, and their byte offsets
//! are those of the spans. A token that overlaps a span has its weight, the largest where several do; so
//! the first token of a span may begin before it.
//!
//! What a cutoff does to a sequence is said, never silent: a completion loses its end, and one that loses all
//! that it would have been learnt from is [`Dropped`] with the reason, as a pair is with either.

use tch::{Device, Tensor};

use super::order::Draw;
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
    /// As many tokens as the spans have, drawn from all of the completion's, with the weights of the spans:
    /// a control that keeps the size of a mask and not its place.
    Random {
        /// Decides, with the completion, which they are.
        seed: u64,
    },
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
    pub weights: Vec<f32>,
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
        if prompt.is_empty() {
            // Nothing is before the first token that it could be predicted by.
            weights[0] = 0.0;
        }
        let mut ids = [prompt, &completion.ids, &[end]].concat();
        let has_weight = |weights: &[f32]| weights.iter().any(|weight| *weight > 0.0);
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
        self.weights.iter().map(|weight| f64::from(*weight)).sum()
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
        let sequence = |name: &str, text: &str, spans: &[WeightedSpan]| {
            check_spans(text, spans).map_err(|message| format!("{name}_spans: {message}"))?;
            let completion = tokenizer.encode(text)?;
            Ok::<_, String>(Sequence::new(prompt, &completion, spans, tokenizer.end(), settings))
        };
        let chosen = sequence("chosen", &pair.chosen, &pair.chosen_spans)?;
        let rejected = sequence("rejected", &pair.rejected, &pair.rejected_spans)?;
        Ok(chosen.and_then(|chosen| Ok(Pairing { chosen, rejected: rejected? })))
    }
}

/// Whether spans are what [`token_weights`] takes them to be; the error names the first that is not.
fn check_spans(text: &str, spans: &[WeightedSpan]) -> Result<(), String> {
    let mut before = 0;
    for (start, end, weight) in spans {
        let fail = |what: &str| Err(format!("[{start}, {end}, {weight}] {what}"));
        if start > end || *end > text.len() {
            return fail(&format!("is no range of the {} bytes of the text", text.len()));
        }
        if *start < before {
            return fail("begins before the one before it ends (sort and join the spans)");
        }
        if *weight < 0.0 || !(*weight as f32).is_finite() {
            return fail("has a weight that is negative or too large");
        }
        before = *end;
    }
    Ok(())
}

/// The weight of each token of a completion. Spans are sorted and disjoint.
pub fn token_weights(completion: &Encoded, spans: &[WeightedSpan], mask: Mask) -> Vec<f32> {
    let mut first = 0;
    let in_spans = completion.spans.iter().map(|(start, end)| {
        while spans.get(first).is_some_and(|span| span.1 <= *start) {
            first += 1;
        }
        let touched = spans[first..].iter().take_while(|span| span.0 < *end);
        touched.map(|span| span.2 as f32).fold(0.0, f32::max)
    });
    match mask {
        Mask::Spans => in_spans.collect(),
        Mask::Random { seed } => {
            let mut weights: Vec<f32> = in_spans.collect();
            let bytes: Vec<u8> = completion.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
            Draw::new(&[&seed.to_le_bytes(), &bytes]).shuffle(&mut weights);
            weights
        }
        Mask::Completion => vec![1.0; completion.ids.len()],
        Mask::Inverted => in_spans.map(|weight| if weight > 0.0 { 0.0 } else { 1.0 }).collect(),
    }
}

/// Sequences one behind the other, without padding, and the positions whose next token is a completion's.
#[derive(Debug)]
pub struct Batch {
    /// Token ids, `[tokens]`.
    pub ids: Tensor,
    /// How many of them belong to each sequence, in order.
    pub lengths: Vec<i64>,
    /// Positions in `ids` that predict a completion's token, `[places]`.
    pub places: Tensor,
    /// The tokens that they predict, `[places]`.
    pub labels: Tensor,
    /// The weights of these tokens, one for each place.
    pub weights: Vec<f32>,
    /// How many of the places belong to each sequence, in order.
    pub counts: Vec<usize>,
}

impl Batch {
    /// Lays sequences one behind the other.
    pub fn new(sequences: &[&Sequence], device: Device) -> Batch {
        let (mut ids, mut places, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        let (mut lengths, mut weights, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for sequence in sequences {
            // A first token without anything before it is predicted by nothing.
            let predicted = sequence.prompt.max(1)..sequence.ids.len();
            let start = ids.len() as i64;
            ids.extend(sequence.ids.iter().map(|id| i64::from(*id)));
            places.extend(predicted.clone().map(|at| start + at as i64 - 1));
            labels.extend(predicted.clone().map(|at| i64::from(sequence.ids[at])));
            weights.extend_from_slice(&sequence.weights[predicted.clone()]);
            lengths.push(sequence.ids.len() as i64);
            counts.push(predicted.len());
        }
        let tensor = |values: &[i64]| Tensor::from_slice(values).to_device(device);
        let (ids, places, labels) = (tensor(&ids), tensor(&places), tensor(&labels));
        Batch { ids, lengths, places, labels, weights, counts }
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    fn encoded(spans: &[(usize, usize)]) -> Encoded {
        Encoded { ids: (10..).take(spans.len()).collect(), spans: spans.to_vec() }
    }

    const SETTINGS: Settings = Settings { mask: Mask::Spans, end_counts: false, cutoff: 100 };

    #[track_caller]
    fn check(spans: &[WeightedSpan], mask: Mask, expected: &[f32]) {
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
    fn a_random_mask_has_the_weights_of_the_spans_in_other_places() {
        let tokens = encoded(&(0..40).map(|at| (at, at + 1)).collect::<Vec<_>>());
        let spans = [(0, 10, 1.0), (12, 14, 0.5)];
        let drawn = |seed| token_weights(&tokens, &spans, Mask::Random { seed });
        let mut sorted = drawn(1);
        assert_eq!(drawn(1), sorted);
        assert_ne!(drawn(2), sorted);
        sorted.sort_by(f32::total_cmp);
        let mut expected = token_weights(&tokens, &spans, Mask::Spans);
        assert_ne!(drawn(1), expected);
        expected.sort_by(f32::total_cmp);
        assert_eq!(sorted, expected);
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
    fn a_first_token_without_a_prompt_is_no_mask() {
        let make = |spans: &[WeightedSpan]| {
            let tokens = encoded(&[(0, 2), (2, 4)]);
            Sequence::new(&[], &tokens, spans, 9, SETTINGS).map(|made| made.weights)
        };
        assert_eq!(make(&[(0, 4, 1.0)]), Ok(vec![0.0, 1.0, 0.0]));
        assert_eq!(make(&[(0, 2, 1.0)]), Err(Dropped::EmptyMask));
    }

    #[test]
    fn spans_that_are_none_are_refused() {
        let check = |spans: &[WeightedSpan]| check_spans("é assign", spans);
        // The second one begins within a character: its tokens overlap.
        assert_eq!(check(&[(0, 1, 0.0), (1, 9, 2.0)]), Ok(()));
        for (spans, word) in [
            (&[(3, 10, 1.0)][..], "[3, 10, 1] is no range of the 9 bytes"),
            (&[(4, 3, 1.0)], "no range"),
            (&[(4, 6, 1.0), (0, 2, 1.0)], "[0, 2, 1] begins before"),
            (&[(0, 5, 1.0), (4, 6, 1.0)], "begins before"),
            (&[(0, 5, -1.0)], "weight"),
            (&[(0, 5, f64::NAN)], "weight"),
            (&[(0, 5, 1e300)], "weight"),
        ] {
            let error = check(spans).expect_err("refused");
            assert!(error.contains(word), "{error}");
        }
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
            weights: ids.iter().map(|id| *id as f32).collect(),
            cut: 0,
        };
        let (one, two) = (sequence(&[5, 6, 7], 1), sequence(&[8, 9], 0));
        let batch = Batch::new(&[&one, &two], Device::Cpu);
        let list = |tensor: &Tensor| -> Vec<i64> {
            Vec::try_from(tensor.to_kind(Kind::Int64).view([-1])).expect("a list")
        };
        assert_eq!(list(&batch.ids), [5, 6, 7, 8, 9]);
        assert_eq!(batch.lengths, [3, 2]);
        assert_eq!(list(&batch.places), [0, 1, 3]);
        assert_eq!(list(&batch.labels), [6, 7, 9]);
        assert_eq!(batch.weights, [6.0, 7.0, 9.0]);
        assert_eq!(batch.counts, [2, 1]);
    }
}
