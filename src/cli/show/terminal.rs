//! A sheet in the terminal: line numbers, marks in the gutter, and the look of each byte.
//!
//! What colours say is said without them too: on a terminal by bold (wrong), underlined (right and wrong) and
//! dim (in no cone), elsewhere by a row of marks under each line whose code does not all look the same.

use std::io::IsTerminal;

use super::cones::Look;
use super::glyph;
use super::sheet::{Line, Sheet};

/// Colours, if anybody can see them.
pub struct Paint {
    /// Whether somebody can.
    pub colour: bool,
}

impl Paint {
    /// As standard output and `NO_COLOR` want it.
    pub fn of_stdout() -> Paint {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Paint { colour: std::io::stdout().is_terminal() && !refused }
    }

    /// What is right.
    pub fn good(&self, text: &str) -> String {
        self.wrap(text, "32")
    }

    /// What is wrong.
    pub fn bad(&self, text: &str) -> String {
        self.wrap(text, "1;31")
    }

    /// What matters less.
    pub fn dim(&self, text: &str) -> String {
        self.wrap(text, "2")
    }

    /// A title.
    pub fn bold(&self, text: &str) -> String {
        self.wrap(text, "1")
    }

    /// Bytes of some look.
    pub fn look(&self, text: &str, look: Look) -> String {
        match look {
            Look::Plain => text.into(),
            Look::Outside => self.dim(text),
            Look::Right => self.good(text),
            Look::Wrong => self.bad(text),
            Look::Both => self.wrap(text, "4;33"),
            Look::Unknown => self.wrap(text, "36"),
        }
    }

    fn wrap(&self, text: &str, code: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.into()
        }
    }
}

/// How a sheet is drawn.
pub struct Style<'a> {
    /// Colours.
    pub paint: &'a Paint,
    /// Columns of the terminal, if it is one.
    pub columns: Option<usize>,
    /// Show all lines, and all of each.
    pub full: bool,
    /// The look of each set of the sheet.
    pub looks: &'a [Look],
    /// What stands in the gutter for each set of the sheet.
    pub gutter: &'a [String],
    /// Signs for a row of marks under a line: right, wrong, both.
    pub marks: [char; 3],
}

/// Columns of a line that are shown, and unmarked lines at a stretch, unless all are asked for.
const COLUMNS_MAX: usize = 1000;
const UNMARKED_MAX: usize = 4;
/// Unmarked lines that are shown where nothing is marked at all.
const PLAIN_LINES_MAX: usize = 60;
const TAB: usize = 4;
/// Text never gets narrower than this, however narrow the terminal.
const COLUMNS_MIN: usize = 20;

/// Columns of the terminal that standard output is.
pub fn columns() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns))
}

/// Draws a sheet.
pub fn draw(sheet: &Sheet, style: &Style) -> String {
    let gutter = style.gutter.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let digits = sheet.lines.len().to_string().len().max(3);
    let solid = sheet.solid();
    let mut text = String::new();
    let mut at = 0;
    while at < sheet.lines.len() {
        let hidden = if style.full { 0 } else { hidden_from(sheet, at) };
        if hidden > 0 {
            let last = at + hidden;
            let what = format!("{:gutter$} {:>digits$} lines {} to {last}", "", "⋯", at + 1);
            text.push_str(&format!("{}\n", style.paint.dim(&what)));
            at = last;
            continue;
        }
        let line = &sheet.lines[at];
        let mark = &style.gutter[line.set];
        let pad = " ".repeat(gutter - mark.chars().count() + 1);
        let number = format!("{:>digits$} ", at + 1);
        let look = style.looks[line.set];
        let rows = rows(sheet, line, &solid, style, gutter + digits + 2);
        for (index, (row, marks)) in rows.iter().enumerate() {
            let begin = match index {
                0 => style.paint.look(mark, look) + &pad + &style.paint.dim(&number),
                _ => style.paint.dim(&format!("{:gutter$} {:>digits$} ", "", "↪")),
            };
            text.push_str(format!("{begin}{row}").trim_end());
            text.push('\n');
            if let Some(marks) = marks.as_deref().filter(|marks| !marks.trim().is_empty()) {
                text.push_str(format!("{:gutter$} {:digits$} {marks}", "", "").trim_end());
                text.push('\n');
            }
        }
        at += 1;
    }
    text
}

/// How many lines from this one on are left out: those of a longer stretch without marks.
fn hidden_from(sheet: &Sheet, at: usize) -> usize {
    let is_bare = |line: &Line| line.set == 0;
    if sheet.sets.len() == 1 {
        return if at == PLAIN_LINES_MAX { sheet.lines.len() - at } else { 0 };
    }
    if at > 0 && is_bare(&sheet.lines[at - 1]) {
        return 0;
    }
    let stretch = sheet.lines[at..].iter().take_while(|line| is_bare(line)).count();
    if stretch > UNMARKED_MAX { stretch } else { 0 }
}

/// One place on the screen: what is shown, its columns, how it looks, and whether it is code.
struct Cell {
    shown: String,
    columns: usize,
    look: Look,
    is_solid: bool,
}

/// A line as rows of the terminal, each with its row of marks where one is needed.
fn rows(
    sheet: &Sheet,
    line: &Line,
    solid: &[bool],
    style: &Style,
    indent: usize,
) -> Vec<(String, Option<String>)> {
    let mut cells = cells(sheet, line, solid, style);
    let mut looks = cells.iter().filter(|cell| cell.is_solid).map(|cell| cell.look);
    let first = looks.next();
    let is_mixed = looks.any(|look| Some(look) != first);
    let limit = if style.full { usize::MAX } else { COLUMNS_MAX };
    let mut columns = 0;
    let shown = cells.iter().take_while(|cell| {
        columns += cell.columns;
        columns <= limit
    });
    let shown = shown.count();
    if shown < cells.len() {
        let rest = format!(" … {} characters more, see --full", cells.len() - shown);
        cells.truncate(shown);
        cells.extend(rest.chars().map(|c| Cell::plain(c.to_string(), 1)));
    }
    let room = style.columns.map_or(usize::MAX, |all| all.saturating_sub(indent).max(COLUMNS_MIN));
    let mut rows: Vec<&[Cell]> = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (index, cell) in cells.iter().enumerate() {
        if used + cell.columns > room && index > start {
            rows.push(&cells[start..index]);
            (start, used) = (index, 0);
        }
        used += cell.columns;
    }
    rows.push(&cells[start..]);
    let marks =
        |row: &[Cell]| (is_mixed && !style.paint.colour).then(|| mark_row(row, style.marks));
    rows.into_iter().map(|row| (painted(row, style.paint), marks(row))).collect()
}

impl Cell {
    fn plain(shown: String, columns: usize) -> Cell {
        Cell { shown, columns, look: Look::Outside, is_solid: false }
    }
}

fn cells(sheet: &Sheet, line: &Line, solid: &[bool], style: &Style) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    let (mut column, mut is_start) = (0, true);
    for piece in &line.pieces {
        let text = &sheet.text[piece.range.clone()];
        let text = text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t));
        for (offset, c) in text.char_indices() {
            is_start &= c == ' ' || c == '\t';
            let mut cell = match (glyph::stand_in(c), c) {
                (Some(other), _) => {
                    let columns = other.chars().count();
                    Cell::plain(other, columns)
                }
                (None, '\t') => {
                    let columns = TAB - column % TAB;
                    Cell::plain(format!("→{}", " ".repeat(columns - 1)), columns)
                }
                (None, _) => Cell::plain(c.to_string(), glyph::width(c)),
            };
            if !is_start {
                cell.look = style.looks[piece.set];
                cell.is_solid = solid[piece.range.start + offset] && !c.is_whitespace();
            }
            column += cell.columns;
            cells.push(cell);
        }
    }
    cells
}

/// A row with its colours; neighbours of one look are painted together.
fn painted(row: &[Cell], paint: &Paint) -> String {
    let runs = row.chunk_by(|a, b| a.look == b.look);
    let run = |cells: &[Cell]| {
        let text: String = cells.iter().map(|cell| cell.shown.as_str()).collect();
        paint.look(&text, cells[0].look)
    };
    runs.map(run).collect()
}

/// What stands under a row: a sign under each column of code.
fn mark_row(row: &[Cell], [right, wrong, both]: [char; 3]) -> String {
    let sign = |cell: &Cell| match cell.look {
        Look::Plain | Look::Outside => ' ',
        Look::Right => right,
        Look::Wrong => wrong,
        Look::Both => both,
        Look::Unknown => '·',
    };
    row.iter().map(|cell| sign(cell).to_string().repeat(cell.columns)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::run::Span;

    const LOOKS: [Look; 4] = [Look::Outside, Look::Right, Look::Wrong, Look::Both];

    /// Draws a text with a right and a wrong cone.
    fn drawn(
        text: &str,
        right: &[Span],
        wrong: &[Span],
        columns: Option<usize>,
        colour: bool,
    ) -> String {
        let sheet = Sheet::new(text, &[right, wrong], &[(0, text.len())]);
        let look = |set: &Vec<usize>| LOOKS[set.iter().map(|layer| layer + 1).sum::<usize>()];
        let looks: Vec<Look> = sheet.sets.iter().map(look).collect();
        let gutter: Vec<String> = looks.iter().map(|look| look.mark().to_owned()).collect();
        let (looks, gutter) = (&looks, &gutter);
        let paint = &Paint { colour };
        let marks = ['+', '-', '='];
        draw(&sheet, &Style { paint, columns, full: false, looks, gutter, marks })
    }

    #[test]
    fn a_line_that_does_not_look_the_same_throughout_has_marks_under_it() {
        let text = "  y = a; z = b; // both\n  z = c; // why\n";
        let shown = drawn(text, &[(0, 8)], &[(9, 15), (24, 32)], None, false);
        assert_eq!(
            shown,
            "✓✗   1   y = a; z = b; // both\n         ++++++ ------\n✗    2   z = c; // why\n"
        );
        let shown = drawn(text, &[(0, 15)], &[(2, 8)], None, false);
        assert!(shown.contains("\n         ======+++++++\n"), "{shown}");
    }

    #[test]
    fn colours_say_the_same() {
        let shown = drawn("  y; z; w;\n", &[(0, 4), (8, 10)], &[(5, 10)], None, true);
        let text = "\x1b[4;33m✓✗\x1b[0m \x1b[2m  1 \x1b[0m\x1b[2m  \x1b[0m\x1b[32my;\x1b[0m\x1b[2m \x1b[0m\x1b[1;31mz; \x1b[0m\x1b[4;33mw;\x1b[0m\n";
        assert_eq!(shown, text);
    }

    #[test]
    fn long_lines_are_wrapped_and_cut_and_wide_characters_keep_the_columns() {
        let shown = drawn("abcdefghijklmnopqrstuvwxyz中z\n", &[], &[(29, 30)], Some(30), false);
        assert_eq!(shown, "✗   1 abcdefghijklmnopqrstuvwx\n    ↪ yz中z\n          -\n");
        let long = "x".repeat(COLUMNS_MAX + 7);
        let shown = drawn(&long, &[(0, 1)], &[], None, false);
        assert!(shown.contains(" … 7 characters more, see --full\n"), "{shown}");
    }

    #[test]
    fn a_hostile_text_cannot_move_the_cursor_or_hide() {
        let shown = drawn("\ta\x1b[2Jb\u{202e}c\r\nd\re\n", &[], &[], None, false);
        assert_eq!(shown, "   1 →   a␛[2Jb<U+202E>c\n   2 d␍e\n");
    }

    #[test]
    fn what_lies_far_from_the_cones_is_left_out() {
        let text = format!("{}y = a;\n{}", "prose\n".repeat(5), "prose\n".repeat(4));
        let shown = drawn(&text, &[(30, 36)], &[], None, false);
        assert!(shown.starts_with("    ⋯ lines 1 to 5\n✓   6 y = a;\n    7 prose\n"), "{shown}");
        assert_eq!(shown.lines().count(), 6);
        let shown = drawn(&"prose\n".repeat(PLAIN_LINES_MAX + 2), &[], &[], None, false);
        assert!(shown.ends_with("⋯ lines 61 to 62\n"), "{shown}");
    }
}
