//! Items to bytes: the spans of a cone, and a text in which all else is blank.

use std::ops::Range;

use super::cone::{Analysis, Cone, Kept};
use super::draft::NO_ITEM;
use crate::verilog::lex;

impl Analysis<'_> {
    /// The spans of a cone in the code: sorted, disjoint, each from the start of a token to the end of one.
    ///
    /// White space and comments between two tokens of a cone that stand next to each other belong to it.
    pub fn spans(&self, cone: &Cone) -> Vec<Range<usize>> {
        if cone.whole.is_some() {
            let text = self.code.trim_end();
            let start = text.len() - text.trim_start().len();
            return Vec::from_iter((!text.is_empty()).then_some(start..text.len()));
        }
        self.spans_of(&self.tokens_of(&cone.items))
    }

    /// The code with everything blank that is not kept: line ends stay, all other bytes become spaces, and a
    /// `;` stands where the grammar wants a statement and none is left.
    pub fn blanked(&self, kept: &Kept) -> String {
        let tokens = self.tokens_of(&kept.items);
        let mut text: Vec<u8> = self.code.bytes().map(blank).collect();
        let spans = self.spans_of(&tokens);
        for span in spans.iter().chain(&self.directives) {
            text[span.clone()].copy_from_slice(&self.code.as_bytes()[span.clone()]);
        }
        let mut before = vec![0usize; tokens.len() + 1];
        for (index, is_in) in tokens.iter().enumerate() {
            before[index + 1] = before[index] + usize::from(*is_in);
        }
        for slot in self.slots.iter().filter(|slot| kept.items[slot.head]) {
            let Range { start, end } = slot.tokens;
            if start < end && before[start] == before[end] {
                text[self.source[start].start] = b';';
            }
        }
        String::from_utf8(text).unwrap_or_default()
    }

    /// The span of an item in the code, from its first token to its last.
    pub fn span_of(&self, item: usize) -> Range<usize> {
        let mut own = self.owner.iter().zip(&self.source).filter(|(owner, _)| **owner == item);
        let Some((_, first)) = own.next() else { return 0..0 };
        let last = own.next_back().map_or(first.end, |(_, last)| last.end);
        first.start..last.max(first.end)
    }

    /// Bytes of code that are no white space and no comment.
    pub fn code_bytes(&self, spans: &[Range<usize>]) -> usize {
        let count = |text: &str| {
            let solid = lex(text).filter(|token| !token.kind.is_trivia());
            solid.map(|token| token.span.len()).sum::<usize>()
        };
        spans.iter().map(|span| count(&self.code[span.clone()])).sum()
    }

    /// Which tokens belong to these items; of a list's commas as many as stand between its elements.
    fn tokens_of(&self, items: &[bool]) -> Vec<bool> {
        let is_in = |item: &usize| *item != NO_ITEM && items[*item];
        let mut tokens: Vec<bool> = self.owner.iter().map(is_in).collect();
        for list in &self.lists {
            let mut is_first = true;
            for (index, element) in list.elements.iter().enumerate() {
                if !items[*element] {
                    continue;
                }
                if !std::mem::replace(&mut is_first, false)
                    && let Some(&comma) = list.commas.get(index.wrapping_sub(1))
                {
                    tokens[comma] = true;
                }
            }
        }
        tokens
    }

    fn spans_of(&self, tokens: &[bool]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for (token, _) in tokens.iter().enumerate().filter(|(_, is_in)| **is_in) {
            found.push(self.source[token].clone());
            if let Some(used) = self.used[token] {
                found.extend(self.use_defines[used].iter().cloned());
            }
        }
        found.sort_by_key(|span| (span.start, span.end));
        let mut spans: Vec<Range<usize>> = Vec::new();
        for span in found {
            match spans.last_mut() {
                Some(last) if span.start <= last.end || self.is_trivia(last.end..span.start) => {
                    last.end = last.end.max(span.end);
                }
                _ => spans.push(span),
            }
        }
        spans
    }

    fn is_trivia(&self, range: Range<usize>) -> bool {
        lex(&self.code[range]).all(|token| token.kind.is_trivia())
    }
}

fn blank(byte: u8) -> u8 {
    if matches!(byte, b'\n' | b'\r') { byte } else { b' ' }
}
