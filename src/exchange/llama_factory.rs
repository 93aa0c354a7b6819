//! Pairs for the LLaMA-Factory of the published QiMeng-SALV code: a JSON list of `instruction`, `chosen` and
//! `rejected`, where a text may end in `<select_token>` and the token ranges that the loss keeps.
//!
//! The format is read from that code's pairwise processor: both texts are cut at `<select_token>`, what follows
//! is a JSON list of half-open ranges `[start, end]` of indices into the answer's tokens, and all other tokens
//! are ignored in the labels. A mark in one of the two texts only is left in the text and trained on, so both
//! have one or neither. The mark that its generator writes, `<split_token>`, means the opposite there (the
//! ranges are ignored and the rest is kept) and is never written here.
//!
//! Indices are those of the answer alone, without special tokens, as `tokenizer(answer,
//! add_special_tokens=False)` counts them. A token belongs to a mask if it has a byte in one of the spans. A
//! pair whose masks are both complete gets no mark: the answer is then trained on with its end token, as the
//! published pairs with a failed sample are.

use std::ops::Range;
use std::path::Path;

use serde::Serialize;
use tokenizers::Tokenizer;

use crate::pair::{Pair, WeightedSpan};

/// The mark before ranges that are kept.
pub const SELECT: &str = "<select_token>";

/// The mark before ranges that are left out; it is only looked for.
pub const SPLIT: &str = "<split_token>";

/// A row of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The prompt.
    pub instruction: String,
    /// The preferred answer, with its mark.
    pub chosen: String,
    /// The other, with its mark.
    pub rejected: String,
}

/// Why a pair has no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omission {
    /// A completion holds one of the marks itself: the reader would cut it there.
    Mark,
    /// No token has a byte in a mask.
    NoToken,
}

/// A tokenizer that cannot be used; never a pair's fault.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The file is no tokenizer.
    #[error(
        "read tokenizer {path}: {message} (this must be the tokenizer.json of the model's folder)"
    )]
    Load {
        /// The file.
        path: String,
        /// What the library says.
        message: String,
    },
    /// A text could not be cut.
    #[error("failed to tokenize the completion of candidate {candidate:?}: {message}")]
    Encode {
        /// The candidate.
        candidate: String,
        /// What the library says.
        message: String,
    },
}

/// Reads a `tokenizer.json`.
pub fn load(path: &Path) -> Result<Tokenizer, TokenizerError> {
    let mut tokenizer = Tokenizer::from_file(path).map_err(|error| TokenizerError::Load {
        path: path.display().to_string(),
        message: error.to_string(),
    })?;
    // A file may carry a truncation or padding of whoever saved it; indices are those of the whole text.
    let _ = tokenizer.with_truncation(None);
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

/// The row of a pair.
pub fn row(pair: &Pair, tokenizer: &Tokenizer) -> Result<Result<Row, Omission>, TokenizerError> {
    let texts = [&pair.chosen, &pair.rejected];
    if texts.iter().any(|text| text.contains(SELECT) || text.contains(SPLIT)) {
        return Ok(Err(Omission::Mark));
    }
    let instruction = pair.prompt.clone();
    let is_whole =
        |text: &str, spans: &[WeightedSpan]| matches!(spans, [(0, end, _)] if *end == text.len());
    if is_whole(&pair.chosen, &pair.chosen_spans) && is_whole(&pair.rejected, &pair.rejected_spans)
    {
        let (chosen, rejected) = (pair.chosen.clone(), pair.rejected.clone());
        return Ok(Ok(Row { instruction, chosen, rejected }));
    }
    let marked = |id: &str, text: &str, spans: &[WeightedSpan]| {
        let ranges = ranges(tokenizer, text, spans)
            .map_err(|message| TokenizerError::Encode { candidate: id.to_owned(), message })?;
        let ranges: Vec<String> =
            ranges.iter().map(|range| format!("[{}, {}]", range.start, range.end)).collect();
        Ok(if ranges.is_empty() {
            None
        } else {
            Some(format!("{text}{SELECT}[{}]", ranges.join(", ")))
        })
    };
    let chosen = marked(&pair.chosen_id, &pair.chosen, &pair.chosen_spans)?;
    let rejected = marked(&pair.rejected_id, &pair.rejected, &pair.rejected_spans)?;
    let (Some(chosen), Some(rejected)) = (chosen, rejected) else {
        return Ok(Err(Omission::NoToken));
    };
    Ok(Ok(Row { instruction, chosen, rejected }))
}

/// The tokens that have a byte in one of the sorted spans, as ranges of indices, sorted and apart.
pub fn ranges(
    tokenizer: &Tokenizer,
    text: &str,
    spans: &[WeightedSpan],
) -> Result<Vec<Range<usize>>, String> {
    let encoding = tokenizer.encode(text, false).map_err(|error| error.to_string())?;
    let offsets = encoding.get_offsets();
    // Where the next character begins: tokens of one character share its range, and a normalizer that composes
    // characters leaves the bytes of an accent to nobody.
    let mut ends = vec![text.len(); offsets.len()];
    for index in (1..offsets.len()).rev() {
        let (before, after) = (offsets[index - 1].0, offsets[index].0);
        ends[index - 1] = if after > before { after } else { ends[index] };
    }
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (index, &(start, end)) in offsets.iter().enumerate() {
        let end = end.max(ends[index]);
        let first = spans.partition_point(|span| span.1 <= start);
        if spans.get(first).is_none_or(|span| span.0 >= end) {
            continue;
        }
        match ranges.last_mut() {
            Some(range) if range.end == index => range.end = index + 1,
            _ => ranges.push(index..index + 1),
        }
    }
    Ok(ranges)
}
