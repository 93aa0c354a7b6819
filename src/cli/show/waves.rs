//! The steps that lead to the first mismatch of an output: its inputs, and the output on both sides.

use anyhow::Context;

use super::replay::Replayed;
use super::terminal::Paint;
use crate::design::Direction;
use crate::verify::backend::Values;
use crate::verify::verdict::{FirstMismatch, SignalVerdict};

/// The last steps before a mismatch, and its step.
pub struct Waves {
    /// The output.
    pub signal: String,
    /// Where it differs first.
    pub first: FirstMismatch,
    /// Cycle and step of each column.
    pub steps: Vec<(u32, u8)>,
    /// The inputs, then the golden output, then the candidate's.
    pub rows: Vec<Row>,
    /// What the replay shows at the mismatch, golden and candidate, if the record says something else.
    pub contradiction: Option<[String; 2]>,
}

/// The values of one port.
pub struct Row {
    /// The port.
    pub name: String,
    /// Whose it is.
    pub side: Side,
    /// A binary literal for each step.
    pub values: Vec<String>,
}

/// Whose values a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Both sides are given them.
    Input,
    /// The golden module's.
    Golden,
    /// The candidate's.
    Candidate,
}

impl Waves {
    /// The `steps` steps before the mismatch, and its step.
    pub fn new(
        replayed: &Replayed,
        signal: &SignalVerdict,
        first: &FirstMismatch,
        steps: usize,
    ) -> anyhow::Result<Waves> {
        let (interface, trace) = (&replayed.interface, &replayed.trace);
        let at = trace.steps.iter().position(|s| (s.cycle, s.step) == (first.cycle, first.step));
        let at = at.context(
            "the replayed episode has no such step: was it recorded by another version?",
        )?;
        let shown = at.saturating_sub(steps)..at + 1;
        let port = interface.outputs().position(|port| port.name == signal.name);
        let port = port.context("the golden module has no such output any more")?;
        let inputs = Values {
            value: trace.input_rows.clone(),
            defined: vec![u64::MAX; trace.input_rows.len()],
        };
        let names = interface.ports.iter().filter(|p| p.direction == Direction::Input);
        let mut rows: Vec<Row> = Vec::new();
        for (index, input) in names.enumerate() {
            let value = |step| trace.inputs.literal(index, &inputs, step + 1);
            let values = shown.clone().map(value).collect();
            rows.push(Row { name: input.name.clone(), side: Side::Input, values });
        }
        for (side, values) in [(Side::Golden, &trace.golden), (Side::Candidate, &trace.candidate)] {
            let value = |step| trace.outputs.literal(port, values, step);
            let values = shown.clone().map(value).collect();
            rows.push(Row { name: signal.name.clone(), side, values });
        }
        let replayed =
            [&trace.golden, &trace.candidate].map(|side| trace.outputs.literal(port, side, at));
        Ok(Waves {
            signal: signal.name.clone(),
            first: first.clone(),
            steps: trace.steps[shown].iter().map(|step| (step.cycle, step.step)).collect(),
            rows,
            contradiction: contradicts(first, &replayed).then_some(replayed),
        })
    }

    /// The waves as a table of values.
    pub fn draw(&self, paint: &Paint) -> String {
        let FirstMismatch { episode, cycle, step, golden, candidate } = &self.first;
        let mut text = format!(
            "first mismatch of `{}`: episode {episode}, cycle {cycle}, step {step}\n",
            super::glyph::clean(&self.signal)
        );
        text.push_str(&self.table(paint));
        if self.contradiction.is_some() {
            text.push_str(&format!(
                "the record says golden {golden}, candidate {candidate} here: it was made by other versions (see its .meta.json); judge the candidates again\n"
            ));
        }
        text
    }

    /// The last column of the last two lines is where they differ.
    fn table(&self, paint: &Paint) -> String {
        let label = |(cycle, step): &(u32, u8)| format!("{cycle}.{step}");
        let mut lines: Vec<(String, Vec<String>)> =
            vec![("cycle.step".into(), self.steps.iter().map(label).collect())];
        for row in &self.rows {
            let name = super::glyph::clean(&row.name);
            let name = match row.side {
                Side::Input => name,
                Side::Golden => format!("{name} golden"),
                Side::Candidate => format!("{name} candidate"),
            };
            lines.push((name, row.values.iter().map(|value| short(value)).collect()));
        }
        let length = |text: &String| text.chars().count();
        let names = lines.iter().map(|(name, _)| length(name)).max().unwrap_or(0);
        let columns = self.steps.len();
        let width = |column: usize| {
            lines.iter().map(|(_, cells)| length(&cells[column])).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (index, (name, cells)) in lines.iter().enumerate() {
            text.push_str(&format!("  {name:names$} "));
            for (column, cell) in cells.iter().enumerate() {
                let padded = format!(" {cell:>width$}", width = widths[column]);
                let last = column + 1 == columns;
                text.push_str(&match lines.len() - index {
                    1 if last => paint.bad(&padded),
                    2 if last => paint.good(&padded),
                    _ => padded,
                });
            }
            text.push('\n');
        }
        text
    }
}

/// Whether a replay does not show what the run recorded: then another version of a tool, or of this
/// program, made the record. A bit that either side of a comparison has as x does not count, since how many
/// power-up states say so is not the same in a run and in a replay.
fn contradicts(first: &FirstMismatch, [golden, candidate]: &[String; 2]) -> bool {
    let differ = |recorded: &str, replayed: &str| {
        let mut bits = recorded.chars().zip(replayed.chars());
        recorded.len() != replayed.len() || bits.any(|(a, b)| a != b && a != 'x' && b != 'x')
    };
    differ(&first.golden, golden) || differ(&first.candidate, candidate)
}

/// `1'b0` as `0`, up to 8 bits in binary, above in hexadecimal; a long one keeps its low end.
pub fn short(literal: &str) -> String {
    let bits = literal.split_once('b').map_or(literal, |(_, bits)| bits);
    if bits.len() <= 8 {
        return bits.into();
    }
    let padded = format!("{}{bits}", "0".repeat((4 - bits.len() % 4) % 4));
    let nibble = |four: &[u8]| {
        let text = std::str::from_utf8(four).unwrap_or("xxxx");
        u8::from_str_radix(text, 2).map_or_else(
            |_| if text == "xxxx" { 'x' } else { 'X' },
            |value| char::from_digit(u32::from(value), 16).unwrap_or('x'),
        )
    };
    let digits: String = padded.as_bytes().chunks(4).map(nibble).collect();
    let long = digits.len() > 16;
    if long { format!("…{}", &digits[digits.len() - 15..]) } else { digits }
}

#[cfg(test)]
mod tests {
    use super::{FirstMismatch, contradicts, short};

    #[test]
    fn values_are_short() {
        assert_eq!(short("1'b0"), "0");
        assert_eq!(short("8'b0000x111"), "0000x111");
        assert_eq!(short("9'b1_0000_1111".replace('_', "").as_str()), "10f");
        assert_eq!(short("12'bxxxx0x001010"), "xXa");
        assert_eq!(short(&format!("128'b{}", "1010".repeat(32))), format!("…{}", "a".repeat(15)));
    }

    #[test]
    fn a_replay_that_shows_other_values_than_the_record_says_so() {
        let first = FirstMismatch {
            episode: 0,
            cycle: 0,
            step: 0,
            golden: "2'b0x".into(),
            candidate: "2'b11".into(),
        };
        let says = |golden: &str, candidate: &str| {
            contradicts(&first, &[golden.to_owned(), candidate.to_owned()])
        };
        assert!(!says("2'b01", "2'b1x"));
        assert!(says("2'b11", "2'b11"));
        assert!(says("2'b00", "2'b10"));
        assert!(says("2'b00", "3'b011"));
    }
}
