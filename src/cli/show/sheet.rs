//! A text cut into lines, and each line into pieces whose bytes lie in the same layers; a layer is the cone
//! of an output, or the mask of a pair. The terminal and the page draw the same sheet.

use std::collections::HashMap;
use std::ops::Range;

use crate::extract::run::Span;
use crate::verilog::lex;

/// A set of layers, by its place in [`Sheet::sets`].
pub type SetId = usize;

/// A text with the layers that its bytes lie in.
pub struct Sheet<'t> {
    /// The text as it is.
    pub text: &'t str,
    /// Its lines.
    pub lines: Vec<Line>,
    /// The sets of layers that occur; the first is the empty one.
    pub sets: Vec<Vec<usize>>,
    /// Where the Verilog stands.
    code: Vec<Span>,
}

/// A line, with its end.
pub struct Line {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// Its pieces, without gap.
    pub pieces: Vec<Piece>,
    /// All layers of the line.
    pub set: SetId,
}

/// Neighbouring bytes that lie in the same layers.
pub struct Piece {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// Their layers.
    pub set: SetId,
}

impl<'t> Sheet<'t> {
    /// Cuts `text`; each layer is a list of spans, sorted and disjoint. `code` says where the Verilog is.
    pub fn new(text: &'t str, layers: &[&[Span]], code: &[Span]) -> Sheet<'t> {
        let mut sets = Sets::default();
        sets.id(Vec::new());
        let mut cuts: Vec<usize> = layers
            .iter()
            .flat_map(|spans| spans.iter().flat_map(|(start, end)| [*start, *end]))
            .filter(|at| *at < text.len() && text.is_char_boundary(*at))
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .chain([0, text.len()])
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mut lines: Vec<Line> = Vec::new();
        let mut is_new = true;
        for cut in cuts.windows(2) {
            let range = cut[0]..cut[1];
            let layer =
                |(index, spans): (usize, &&[Span])| covers(spans, range.start).then_some(index);
            let set = sets.id(layers.iter().enumerate().filter_map(layer).collect());
            if std::mem::replace(&mut is_new, text[range.clone()].ends_with('\n')) {
                lines.push(Line { range: range.start..range.start, pieces: Vec::new(), set: 0 });
            }
            if let Some(line) = lines.last_mut() {
                line.range.end = range.end;
                line.pieces.push(Piece { range, set });
            }
        }
        for line in &mut lines {
            // A blank or a comma in a cone says nothing of the line.
            let is_solid = |c: char| c != ',' && !c.is_whitespace();
            let solid =
                line.pieces.iter().filter(|piece| text[piece.range.clone()].contains(is_solid));
            let mut all: Vec<usize> =
                solid.flat_map(|piece| sets.list[piece.set].clone()).collect();
            all.sort_unstable();
            all.dedup();
            line.set = sets.id(all);
        }
        Sheet { text, lines, sets: sets.list, code: code.to_vec() }
    }

    /// The bytes that a reader looks at, one flag for each byte of the text: of the Verilog what is no white
    /// space, comment or comma; all, if nobody said where the Verilog is.
    pub fn solid(&self) -> Vec<bool> {
        let mut solid = vec![self.code.is_empty(); self.text.len()];
        for (start, end) in self.code.iter().copied() {
            let Some(code) = self.text.get(start..end) else { continue };
            for token in lex(code).filter(|token| !token.kind.is_trivia()) {
                let span = start + token.span.start..start + token.span.end;
                solid[span].fill(code[token.span] != *",");
            }
        }
        solid
    }
}

fn covers(spans: &[Span], at: usize) -> bool {
    let next = spans.partition_point(|(start, _)| *start <= at);
    next > 0 && at < spans[next - 1].1
}

/// Sets of layers, each once.
#[derive(Default)]
struct Sets {
    list: Vec<Vec<usize>>,
    ids: HashMap<Vec<usize>, SetId>,
}

impl Sets {
    fn id(&mut self, set: Vec<usize>) -> SetId {
        let list = &mut self.list;
        *self.ids.entry(set).or_insert_with_key(|set| {
            list.push(set.clone());
            list.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Sheet;

    #[test]
    fn pieces_are_the_text_and_know_their_layers() {
        let text = "ab\n  cd\u{e9}f";
        let sheet = Sheet::new(text, &[&[(1, 6)], &[(5, 9)]], &[(0, text.len())]);
        let piece =
            |piece: &super::Piece| (&text[piece.range.clone()], sheet.sets[piece.set].clone());
        let lines: Vec<Vec<_>> =
            sheet.lines.iter().map(|line| line.pieces.iter().map(piece).collect()).collect();
        assert_eq!(lines[0], [("a", vec![]), ("b\n", vec![0])]);
        assert_eq!(
            lines[1],
            [("  ", vec![0]), ("c", vec![0, 1]), ("d\u{e9}", vec![1]), ("f", vec![])]
        );
        assert_eq!(sheet.sets[sheet.lines[0].set], [0]);
        assert_eq!(sheet.sets[sheet.lines[1].set], [0, 1]);
        assert!(Sheet::new("", &[], &[]).lines.is_empty());
    }
}
