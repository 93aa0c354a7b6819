//! One pair of `pairs.jsonl`: both completions with what of them is learnt from.

use std::path::Path;

use anyhow::{Context, bail, ensure};

use super::cones::Look;
use super::glyph::clean;
use super::page;
use super::sheet::Sheet;
use super::tell;
use super::terminal::{self, Paint, Style};
use crate::extract::run::Span;
use crate::pair::{Pair, WeightedSpan};
use crate::record;

/// Shows row `number` of a file of pairs, from 0.
pub fn show(file: &Path, number: usize, html: Option<&Path>, full: bool) -> anyhow::Result<()> {
    let pair = find(file, number)?;
    let sides = Side::both(&pair).with_context(|| {
        format!("failed to show pair {number} of {} (make the pairs again)", file.display())
    })?;
    let paint = Paint::of_stdout();
    tell(&head(&pair, number, &sides, &paint))?;
    for side in &sides {
        tell(&format!("\n{}", side.draw(&paint, full)))?;
    }
    if let Some(path) = html {
        page::write(path, &page::pair::page(&pair, number, &sides))?;
        tell(&format!("\npage: {}\n", path.display()))?;
    }
    Ok(())
}

fn find(file: &Path, number: usize) -> anyhow::Result<Pair> {
    let mut count = 0;
    for row in record::read::<Pair>(file)? {
        let row = row.context("is this a file of pairs?")?;
        if count == number {
            return Ok(row.value);
        }
        count += 1;
    }
    bail!("{} has {count} pairs and no number {number}: the first is number 0", file.display())
}

/// One completion of a pair.
pub struct Side<'p> {
    /// `chosen` or `rejected`.
    pub role: &'static str,
    /// The candidate.
    pub id: &'p str,
    /// Its text, with a layer for each weight.
    pub sheet: Sheet<'p>,
    /// The weights that occur, ascending.
    pub weights: Vec<f64>,
    /// Bytes in the mask.
    pub masked: usize,
    look: Look,
}

impl<'p> Side<'p> {
    /// Both completions of a pair.
    pub fn both(pair: &'p Pair) -> anyhow::Result<[Side<'p>; 2]> {
        let side = |role, id, text, spans, look| -> anyhow::Result<Side<'p>> {
            check(text, spans).with_context(|| format!("the mask of `{role}`"))?;
            Ok(Side::new(role, id, text, spans, look))
        };
        Ok([
            side("chosen", &pair.chosen_id, &pair.chosen, &pair.chosen_spans, Look::Right)?,
            side("rejected", &pair.rejected_id, &pair.rejected, &pair.rejected_spans, Look::Wrong)?,
        ])
    }

    fn new(
        role: &'static str,
        id: &'p str,
        text: &'p str,
        spans: &[WeightedSpan],
        look: Look,
    ) -> Side<'p> {
        let mut weights: Vec<f64> = spans.iter().map(|(_, _, weight)| *weight).collect();
        weights.sort_by(f64::total_cmp);
        weights.dedup();
        let layer = |weight: &f64| -> Vec<Span> {
            let own = spans.iter().filter(|(_, _, other)| other == weight);
            own.map(|(start, end, _)| (*start, *end)).collect()
        };
        let layers: Vec<Vec<Span>> = weights.iter().map(layer).collect();
        let layers: Vec<&[Span]> = layers.iter().map(Vec::as_slice).collect();
        let masked = spans.iter().map(|(start, end, _)| end - start).sum();
        // Where the Verilog stands is not recorded in a pair: all that is masked is looked at.
        Side { role, id, sheet: Sheet::new(text, &layers, &[]), weights, masked, look }
    }

    /// The highest weight of a set of the sheet; `None` where it is outside of the mask.
    pub fn weight(&self, set: &[usize]) -> Option<f64> {
        set.iter().map(|layer| self.weights[*layer]).max_by(f64::total_cmp)
    }

    /// `412 of 980 bytes in the mask, weight 1`.
    pub fn summary(&self) -> String {
        let (masked, all) = (self.masked, self.sheet.text.len());
        let weights: Vec<String> = self.weights.iter().map(|weight| short(*weight)).collect();
        let what = match weights.len() {
            0 => return "an empty mask: nothing is learnt from it".into(),
            1 => "weight",
            _ => "weights",
        };
        let whole = if masked == all { ", the whole completion" } else { "" };
        format!("{masked} of {all} bytes in the mask{whole}, {what} {}", weights.join(", "))
    }

    fn draw(&self, paint: &Paint, full: bool) -> String {
        let weights = self.sheet.sets.iter().map(|set| self.weight(set));
        let look = |weight: &Option<f64>| match weight {
            Some(weight) if *weight > 0.0 => self.look,
            _ => Look::Outside,
        };
        let looks: Vec<Look> = weights.clone().map(|weight| look(&weight)).collect();
        let gutter: Vec<String> =
            weights.map(|weight| weight.map_or(String::new(), short)).collect();
        let style = Style {
            paint,
            columns: terminal::columns(),
            full,
            looks: &looks,
            gutter: &gutter,
            marks: ['^', '^', '^'],
        };
        let title = format!("{} {}", self.role, clean(self.id));
        format!(
            "{}, with the weight of each line\n{}",
            paint.bold(&title),
            terminal::draw(&self.sheet, &style)
        )
    }
}

/// A weight in at most four characters or, below 0.01, five.
pub fn short(weight: f64) -> String {
    if weight > 0.0 && weight < 0.01 {
        return "<0.01".into();
    }
    let text = format!("{weight:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Refuses a mask that cannot be meant.
fn check(text: &str, spans: &[WeightedSpan]) -> anyhow::Result<()> {
    let mut last = 0;
    for (start, end, weight) in spans {
        let place = format!("[{start}, {end}, {weight}]");
        ensure!(start < end, "the span {place} is empty");
        ensure!(last <= *start, "the span {place} begins before the end of the one before");
        ensure!(*end <= text.len(), "the span {place} is beyond the text's {} bytes", text.len());
        ensure!(
            text.is_char_boundary(*start) && text.is_char_boundary(*end),
            "the span {place} cuts a character"
        );
        ensure!((0.0..=1.0).contains(weight), "the weight of {place} is not from 0 to 1");
        last = *end;
    }
    Ok(())
}

fn head(pair: &Pair, number: usize, sides: &[Side; 2], paint: &Paint) -> String {
    let names: Vec<String> = pair.signals.iter().map(|name| clean(name)).collect();
    let signals = if names.is_empty() { "none".into() } else { names.join(", ") };
    let width = sides.iter().map(|side| clean(side.id).chars().count()).max().unwrap_or(0);
    let mut text = format!("pair {number} of {}; contrasted: {signals}\n", clean(&pair.problem));
    for side in sides {
        let role = format!("{:8}", side.role);
        let role = if side.look == Look::Right { paint.good(&role) } else { paint.bad(&role) };
        text.push_str(&format!("  {role}  {:width$}  {}\n", clean(side.id), side.summary()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{WeightedSpan, check, short};

    #[test]
    fn weights_are_short() {
        let shown = [0.0, 1.0, 0.5, 1.0 / 3.0, 0.001, 0.999].map(short);
        assert_eq!(shown, ["0", "1", "0.5", "0.33", "<0.01", "1"]);
    }

    #[test]
    fn a_mask_that_cannot_be_meant_is_refused() {
        let said =
            |spans: &[WeightedSpan]| check("a\u{e9}b", spans).err().map(|error| error.to_string());
        assert_eq!(said(&[(0, 1, 1.0), (1, 3, 0.5), (3, 4, 0.0)]), None);
        let cases: [(&[WeightedSpan], &str); 6] = [
            (&[(1, 1, 1.0)], "empty"),
            (&[(0, 3, 1.0), (1, 4, 1.0)], "before the end"),
            (&[(3, 5, 1.0)], "beyond"),
            (&[(0, 2, 1.0)], "cuts a character"),
            (&[(0, 1, 1.5)], "not from 0 to 1"),
            (&[(0, 1, f64::NAN)], "not from 0 to 1"),
        ];
        for (spans, words) in cases {
            assert!(said(spans).is_some_and(|said| said.contains(words)), "{spans:?}");
        }
    }
}
