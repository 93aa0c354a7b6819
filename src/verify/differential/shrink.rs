//! Makes a text small while something stays true of it.
//!
//! The text of a random module goes in, and a judge; out comes a smaller text that the judge still takes. The
//! pieces to drop are those of its layout: whole lines, whole blocks with all that is in them, the lines around a
//! block; and then, within a line, operands: a bracket becomes one of the operands in it, or a 0. Nothing is
//! known of the language but brackets and pairs of keywords: what comes out of a cut is often not legal, and then
//! the judge, who compiles it, says no. Each piece is tried until no cut is left that works.

/// Pairs of words that open and close.
const PAIRS: &[(&str, &str)] = &[
    ("begin", "end"),
    ("case", "endcase"),
    ("casez", "endcase"),
    ("casex", "endcase"),
    ("module", "endmodule"),
    ("function", "endfunction"),
    ("task", "endtask"),
    ("(", ")"),
    ("{", "}"),
    ("[", "]"),
    ("\u{1}", "\u{3}"),
];

/// Shrinks `text` while `holds` says yes, at most `tries` times.
pub fn shrink(text: &str, tries: usize, mut holds: impl FnMut(&str) -> bool) -> String {
    let mut text = text.to_owned();
    let mut left = tries;
    let mut try_one = |candidate: &str, left: &mut usize| {
        *left = left.saturating_sub(1);
        holds(candidate)
    };
    loop {
        let before = text.len();
        for cuts in [line_cuts, operand_cuts] {
            let mut at = 0;
            loop {
                let candidates = cuts(&text);
                let Some(candidate) = candidates.get(at) else { break };
                if left == 0 {
                    return text;
                }
                // What follows a cut that works has moved to its place.
                if try_one(candidate, &mut left) {
                    text.clone_from(candidate);
                } else {
                    at += 1;
                }
            }
        }
        if text.len() == before {
            return text;
        }
    }
}

/// The text without a line and what it opens, and without the two ends of that alone; larger pieces first.
fn line_cuts(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let join = |kept: &mut dyn Iterator<Item = &&str>| {
        kept.map(|line| format!("{line}\n")).collect::<String>()
    };
    let mut cuts: Vec<(usize, String)> = Vec::new();
    for first in 0..lines.len() {
        let Some(last) = closes(&lines, first) else { continue };
        let without = &mut lines[..first].iter().chain(&lines[last + 1..]);
        cuts.push((last - first + 1, join(without)));
        if last > first {
            let ends =
                lines[..first].iter().chain(&lines[first + 1..last]).chain(&lines[last + 1..]);
            cuts.push((1, join(&mut ends.into_iter())));
        }
    }
    cuts.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    cuts.into_iter().map(|(_, cut)| cut).collect()
}

/// The line at which all that a line opens is closed.
fn closes(lines: &[&str], first: usize) -> Option<usize> {
    let mut open: Vec<&str> = Vec::new();
    for (at, line) in lines.iter().enumerate().skip(first) {
        for word in words(line) {
            if let Some((_, close)) = PAIRS.iter().find(|(open, _)| *open == word) {
                open.push(close);
            } else if PAIRS.iter().any(|(_, close)| *close == word) && open.pop() != Some(word) {
                return None;
            }
        }
        if open.is_empty() {
            return Some(at);
        }
    }
    None
}

/// Words and single characters of a line.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '\'');
        let length = match is_word(c) {
            true => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            false => c.len_utf8(),
        };
        words.push(&rest[..length]);
        rest = &rest[length..];
    }
    words
}

/// The text with a bracket replaced by a 0 or by something in it, the largest brackets first.
fn operand_cuts(text: &str) -> Vec<String> {
    let mut open: Vec<(char, usize)> = Vec::new();
    // Start and end of each bracket, with both signs.
    let mut brackets: Vec<(usize, usize)> = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '(' | '{' | '[' | '\u{1}' => open.push((c, at)),
            ')' | '}' | ']' | '\u{3}' => {
                // What has two readings is cut as a whole, so that they go on meaning the same.
                let Some((_, start)) = open.pop() else { continue };
                if !open.iter().any(|(sign, _)| *sign == '\u{1}') {
                    brackets.push((start, at + 1));
                }
            }
            _ => {}
        }
    }
    brackets.sort_by_key(|&(start, end)| (std::cmp::Reverse(end - start), start));
    let mut cuts = Vec::new();
    for (start, end) in brackets {
        let inner = &text[start + 1..end - 1];
        let is_marked = text[start..].starts_with('\u{1}');
        let inner = if is_marked { "" } else { inner };
        let mut pieces: Vec<String> =
            operands(inner).into_iter().map(|at| inner[at].to_owned()).collect();
        pieces.retain(|piece| piece.len() + 2 < end - start);
        pieces.insert(0, "0".into());
        if text[start..].starts_with('[') {
            pieces = vec![String::new(), "[0]".into()];
        }
        for piece in pieces {
            if text[start..end] != piece && piece.len() < end - start {
                cuts.push(format!("{}{piece}{}", &text[..start], &text[end..]));
            }
        }
    }
    cuts
}

/// The parts of a bracket's inside between blanks that stand in no bracket of their own.
fn operands(inner: &str) -> Vec<std::ops::Range<usize>> {
    let (mut depth, mut start, mut found) = (0usize, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '(' | '{' | '[' | '\u{1}' => depth += 1,
            ')' | '}' | ']' | '\u{3}' => depth = depth.saturating_sub(1),
            ' ' | ',' if depth == 0 => {
                found.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(start..inner.len());
    found.retain(|range| {
        inner[range.clone()]
            .starts_with(|c: char| c.is_alphanumeric() || matches!(c, '(' | '{' | '$' | '\u{1}'))
    });
    found
}

#[cfg(test)]
mod tests {
    use super::shrink;

    /// Shrinks a text in which `kept` must stay.
    #[track_caller]
    fn check(text: &str, kept: &str, expect: &str) {
        let found = shrink(text, 10_000, |text| text.contains(kept));
        assert_eq!(found.trim(), expect);
    }

    #[test]
    fn lines_and_blocks_go() {
        check(
            "module a;\n  x = 1;\n  if (c) begin\n    y = 2;\n    z = 3;\n  end\nendmodule\n",
            "y = 2;",
            "y = 2;",
        );
    }

    #[test]
    fn a_bracket_becomes_what_matters_in_it() {
        check("y = ((a + b) * (c ? d : (e & f)));", "e", "y = e;");
        check("y = {3{(a - {b, c})}};", "y = ", "y = 0;");
    }

    #[test]
    fn tries_are_bounded() {
        let text = "a\nb\nc\n";
        let mut count = 0;
        let found = shrink(text, 2, |_| {
            count += 1;
            false
        });
        assert_eq!((found.as_str(), count), (text, 2));
    }
}
