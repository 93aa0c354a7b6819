//! Where the answer stands in a completion: outside of the reasoning, inside of an answer's marks.

use std::ops::Range;

const REASONING: [(&str, &str); 3] =
    [("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>")];

/// Returns the parts of a completion to look in, the likeliest first.
///
/// What follows the last closed reasoning is the answer; the opening tag may be missing, as chat templates
/// put it into the prompt. Reasoning that is never closed is looked at last: a finished module in it is all
/// that there is, since the model ran out of tokens or forgot the tag.
pub(super) fn answers(completion: &str) -> Vec<Range<usize>> {
    let closed = REASONING
        .iter()
        .filter_map(|(_, close)| completion.rfind(close).map(|at| at + close.len()))
        .max()
        .unwrap_or(0);
    let opened = REASONING
        .iter()
        .filter_map(|(open, _)| completion[closed..].find(open).map(|at| (at, open.len())));
    let mut parts = Vec::new();
    let mut start = closed;
    if let Some((at, length)) = opened.min() {
        parts.push(closed..closed + at);
        start = closed + at + length;
    }
    parts.push(start..completion.len());
    parts
}

/// Returns the parts of a text between `[BEGIN]` and `[DONE]`, the first first, as VerilogEval asks for them.
///
/// `[DONE]` is where the benchmark stops the model; one that is not stopped goes on to invent more questions
/// and answers, so the first answer counts. Either mark may be missing. A mark in a `//` comment is none.
pub(super) fn marked(text: &str) -> Vec<Range<usize>> {
    let begins = marks(text, "[BEGIN]");
    let dones = marks(text, "[DONE]");
    let end_after = |start: usize| {
        let next = |marks: &[usize]| {
            marks.get(marks.partition_point(|&at| at < start)).copied().unwrap_or(text.len())
        };
        next(&dones).min(next(&begins))
    };
    if begins.is_empty() && dones.is_empty() {
        return Vec::new();
    }
    // Without `[BEGIN]`, the prompt ended with it.
    let from_start = (begins.first() > dones.first() || begins.is_empty()).then_some(0);
    let starts = from_start.into_iter().chain(begins.iter().map(|at| at + "[BEGIN]".len()));
    starts.map(|start| start..end_after(start)).collect()
}

fn marks(text: &str, mark: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let code = line.find("//").unwrap_or(line.len());
        found.extend(line[..code].match_indices(mark).map(|(at, _)| line_start + at));
        line_start += line.len();
    }
    found
}
