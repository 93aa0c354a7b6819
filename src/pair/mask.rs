//! Masks: spans of several cones as one, and what stands in them.

use crate::candidate::Code;
use crate::extract::run::Span;
use crate::record::content_hash;
use crate::verilog::lex;

/// The union of sorted spans of a completion.
///
/// As in a single cone, white space and comments between two tokens that stand next to each other belong to it.
pub fn union<'s>(completion: &str, masks: impl Iterator<Item = &'s [Span]>) -> Vec<Span> {
    let mut all: Vec<Span> = masks.flatten().copied().collect();
    all.sort_unstable();
    let mut joined: Vec<Span> = Vec::new();
    for (start, end) in all {
        match joined.last_mut() {
            Some((_, last)) if start <= *last || is_trivia(&completion[*last..start]) => {
                *last = end.max(*last);
            }
            _ => joined.push((start, end)),
        }
    }
    joined
}

/// Spans without the white space at their ends; empty ones are left out.
pub fn trimmed(completion: &str, spans: &[Span]) -> Vec<Span> {
    let trim = |&(start, end): &Span| {
        let text = &completion[start..end];
        let from = start + text.len() - text.trim_start().len();
        let to = start + text.trim_end().len();
        (from < to).then_some((from, to))
    };
    spans.iter().filter_map(trim).collect()
}

/// The whole of a completion, if there is anything in it.
pub fn whole(completion: &str) -> Vec<Span> {
    Vec::from_iter((!completion.is_empty()).then_some((0, completion.len())))
}

/// A hash of the sequence of tokens in the spans, without comments and white space: equal for texts that differ
/// in layout only.
pub fn fingerprint(code: &Code, spans: &[Span]) -> String {
    sequence(&texts(code, spans))
}

/// The [`fingerprint`] of a text as it stands.
pub fn fingerprint_of_text(text: &str) -> String {
    sequence(&[text.to_owned()])
}

/// How many tokens of Verilog stand in the spans.
pub fn tokens(completion: &str, spans: &[Span]) -> usize {
    let count = |&(start, end): &Span| {
        lex(&completion[start..end]).filter(|token| !token.kind.is_trivia()).count()
    };
    spans.iter().map(count).sum()
}

/// The code that stands in spans of the completion, in the order of the code: a text for each span, or for each
/// part of it where the code is put together from parts.
fn texts(code: &Code, spans: &[Span]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut last = None;
    for piece in &code.pieces {
        let (text, completion) = (&piece.text, &piece.completion);
        let first = spans.partition_point(|&(_, end)| end <= completion.start);
        let inside = spans.iter().enumerate().skip(first);
        for (index, &(start, end)) in inside.take_while(|(_, span)| span.0 < completion.end) {
            // A piece whose sides differ in length stands for the completion's range as a whole.
            let cut = if text.len() == completion.len() {
                let shift = |at: usize| at - completion.start + text.start;
                shift(start.max(completion.start))..shift(end.min(completion.end))
            } else {
                text.clone()
            };
            match texts.last_mut() {
                Some(text) if last == Some((index, cut.start)) => {
                    text.push_str(&code.text[cut.clone()]);
                }
                _ => texts.push(code.text[cut.clone()].to_owned()),
            }
            last = Some((index, cut.end));
        }
    }
    texts
}

fn sequence(texts: &[String]) -> String {
    let mut sequence = String::new();
    for text in texts {
        for token in lex(text).filter(|token| !token.kind.is_trivia()) {
            sequence.push_str(&text[token.span]);
            // Between tokens, so that no two sequences run together to the same text.
            sequence.push('\0');
        }
    }
    content_hash(sequence.as_bytes())
}

fn is_trivia(text: &str) -> bool {
    lex(text).all(|token| token.kind.is_trivia())
}
