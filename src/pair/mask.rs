//! Masks: spans of several cones as one, and what stands in them.

use std::ops::Range;

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

/// The frames of the modules in a candidate's code: each header from `module` to its semicolon, and `endmodule`.
pub fn frames(code: &Code) -> Vec<Span> {
    let mut frames: Vec<Range<usize>> = Vec::new();
    // Where a header begins, and how deep in its parentheses we are.
    let mut header: Option<(usize, usize)> = None;
    for token in lex(&code.text).filter(|token| !token.kind.is_trivia()) {
        let word = &code.text[token.span.clone()];
        header = match (word, header) {
            ("module" | "macromodule", None) => Some((token.span.start, 0)),
            (";", Some((start, 0))) => {
                frames.push(start..token.span.end);
                None
            }
            ("(", Some((start, depth))) => Some((start, depth + 1)),
            (")", Some((start, depth))) => Some((start, depth.saturating_sub(1))),
            ("endmodule", _) => {
                frames.push(token.span);
                None
            }
            (_, header) => header,
        };
    }
    let mut spans: Vec<Span> = (frames.into_iter())
        .flat_map(|frame| code.spans_in_completion(frame))
        .map(|span| (span.start, span.end))
        .collect();
    spans.sort_unstable();
    spans
}

/// Sorted spans without the bytes of others, and without white space at the ends of what is left.
pub fn without(completion: &str, spans: &[Span], others: &[Span]) -> Vec<Span> {
    let mut left = Vec::new();
    for &(start, end) in spans {
        let mut at = start;
        for &(from, to) in others.iter().filter(|other| other.0 < end && other.1 > start) {
            left.push((at, from.max(at)));
            at = to.clamp(at, end);
        }
        left.push((at, end));
    }
    trimmed(completion, &left)
}

/// The fences of the lines before and after each block of code, up to the code.
pub fn fences(completion: &str, code: &[Span]) -> Vec<Span> {
    let is_fence = |line: &str| {
        let line = line.trim_start();
        line.starts_with("```") || line.starts_with("~~~")
    };
    let mut fences = Vec::new();
    for &(start, end) in code {
        let before = completion[..start].trim_end();
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        if is_fence(&before[line..]) {
            fences.push((line, start));
        }
        let after = completion[end..].trim_start();
        let line = after.split('\n').next().unwrap_or_default().trim_end();
        if is_fence(line) {
            fences.push((end, completion.len() - after.len() + line.len()));
        }
    }
    fences
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(completion: &str, spans: &[Span], expected: &[&str]) {
        let found: Vec<&str> = spans.iter().map(|span| &completion[span.0..span.1]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn frames_are_headers_and_ends() {
        let text = "module m #(parameter W = f(1)) (input a, // ;\n output y);\nassign y = a; endmodule\n\
                    // module no;\nmodule n; endmodule";
        let range = 0..text.len();
        let pieces = vec![crate::candidate::Piece { text: range.clone(), completion: range }];
        let code = Code { text: text.to_owned(), pieces };
        let frames = frames(&code);
        let header = "module m #(parameter W = f(1)) (input a, // ;\n output y);";
        check(text, &frames, &[header, "endmodule", "module n;", "endmodule"]);
        let inside = without(text, &[(0, text.len())], &frames);
        check(text, &inside, &["assign y = a;", "// module no;"]);
    }

    #[test]
    fn fences_are_the_lines_around_the_code() {
        let text = "Sure!\n```verilog\n\nmodule m; endmodule\n``` \nDone.";
        let code = text.find("module").expect("code");
        let span = (code, code + "module m; endmodule".len());
        check(text, &fences(text, &[span]), &["```verilog\n\n", "\n```"]);
        assert!(fences("module m; endmodule", &[(0, 19)]).is_empty());
    }
}
