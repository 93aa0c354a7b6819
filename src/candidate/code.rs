//! Text taken from a completion, and the way back: for each byte the place in the completion it came from.

use std::ops::Range;

/// The Verilog of a candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// The text to compile.
    pub text: String,
    /// Where it came from, in the order of `text`; bytes in no piece were added (a header from the prompt, a
    /// line end between two blocks).
    pub pieces: Vec<Piece>,
}

/// A range of a text and the range of the completion that it stands for.
///
/// Ranges of equal length correspond byte by byte. Otherwise the two correspond as wholes: one LF for a
/// CRLF, one character for a JSON escape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Bytes of the text.
    pub text: Range<usize>,
    /// Bytes of the completion.
    pub completion: Range<usize>,
}

impl Code {
    /// Returns the place in the completion of the byte `offset` of the text; `None` for added text.
    pub fn in_completion(&self, offset: usize) -> Option<usize> {
        let spans = self.spans_in_completion(offset..offset + 1);
        spans.first().map(|span| span.start)
    }

    /// Returns the ranges of the completion that a range of the text came from, in the order of the text;
    /// neighbours are joined.
    pub fn spans_in_completion(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let first = self.pieces.partition_point(|piece| piece.text.end <= range.start);
        let mut spans: Vec<Range<usize>> = Vec::new();
        for piece in self.pieces[first..].iter().take_while(|piece| piece.text.start < range.end) {
            let span = piece.cut(&range).completion;
            match spans.last_mut() {
                Some(last) if last.end == span.start => last.end = span.end,
                _ => spans.push(span),
            }
        }
        spans
    }

    /// Adds text that stands nowhere in the completion.
    pub(super) fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a character that stands for `completion`.
    pub(super) fn push(&mut self, character: char, completion: Range<usize>) {
        let start = self.text.len();
        self.text.push(character);
        self.join(Piece { text: start..self.text.len(), completion });
    }

    /// Adds a text that stands in the completion from `start` on.
    pub(super) fn copy(&mut self, text: &str, start: usize) {
        if !text.is_empty() {
            let place = self.text.len()..self.text.len() + text.len();
            self.text.push_str(text);
            self.join(Piece { text: place, completion: start..start + text.len() });
        }
    }

    /// Adds a part of another text, with its way back.
    pub(super) fn append(&mut self, other: &Code, range: Range<usize>) {
        let start = self.text.len();
        self.text.push_str(&other.text[range.clone()]);
        let first = other.pieces.partition_point(|piece| piece.text.end <= range.start);
        for piece in other.pieces[first..].iter().take_while(|piece| piece.text.start < range.end) {
            let piece = piece.cut(&range);
            let text = piece.text.start - range.start + start..piece.text.end - range.start + start;
            self.join(Piece { text, completion: piece.completion });
        }
    }

    /// Adds a piece, joined to the last one where they run on byte by byte.
    fn join(&mut self, piece: Piece) {
        match self.pieces.last_mut() {
            Some(last)
                if last.is_exact()
                    && piece.is_exact()
                    && last.text.end == piece.text.start
                    && last.completion.end == piece.completion.start =>
            {
                last.text.end = piece.text.end;
                last.completion.end = piece.completion.end;
            }
            _ => self.pieces.push(piece),
        }
    }
}

impl Piece {
    fn is_exact(&self) -> bool {
        self.text.len() == self.completion.len()
    }

    /// Returns the part within `range`, which must overlap; a piece that corresponds as a whole stays whole
    /// on the side of the completion.
    fn cut(&self, range: &Range<usize>) -> Piece {
        let text = self.text.start.max(range.start)..self.text.end.min(range.end);
        let completion = if self.is_exact() {
            let shift = |at: usize| at - self.text.start + self.completion.start;
            shift(text.start)..shift(text.end)
        } else {
            self.completion.clone()
        };
        Piece { text, completion }
    }
}
