//! What writes: choices, the families that are allowed and those that were used, fresh names, and the two
//! readings of a text.
//!
//! A piece that Icarus refuses is written with another that means the same, between three marks, and
//! [`reading`] takes one of the two.

use super::super::draw::Draw;
use super::super::family::{Families, Family};

const BEGIN: char = '\u{1}';
const MIDDLE: char = '\u{2}';
const END: char = '\u{3}';

/// Choices and names while a module is written.
pub(super) struct Pen {
    pub(super) draw: Draw,
    pub(super) families: Families,
    pub(super) used: Families,
    names: usize,
}

impl Pen {
    pub(super) fn new(draw: Draw, families: Families) -> Pen {
        Pen { draw, families, used: Families::none(), names: 0 }
    }

    /// Whether to use a family that is allowed, `share` times of a hundred.
    pub(super) fn may(&mut self, family: Family, share: usize) -> bool {
        let uses = self.families.has(family) && self.draw.percent(share);
        if uses {
            self.used = self.used.with(family);
        }
        uses
    }

    /// One of the allowed families, each as often as its weight says.
    pub(super) fn choose(&mut self, pairs: &[(usize, Family)]) -> Option<Family> {
        let allowed: Vec<(usize, Family)> =
            pairs.iter().copied().filter(|&(_, family)| self.families.has(family)).collect();
        if allowed.is_empty() {
            return None;
        }
        let family = self.draw.weighted(&allowed);
        self.used = self.used.with(family);
        Some(family)
    }

    /// A name that nothing else has.
    pub(super) fn fresh(&mut self, stem: &str) -> String {
        self.names += 1;
        format!("{stem}{}", self.names)
    }
}

/// A piece that has a plainer way to say the same.
pub(super) fn either(full: &str, plain: &str) -> String {
    format!("{BEGIN}{full}{MIDDLE}{plain}{END}")
}

/// The text as it is, or in plain words.
pub fn reading(text: &str, plain: bool) -> String {
    let mut out = String::with_capacity(text.len());
    // For each piece around, whether its second half has begun.
    let mut halves: Vec<bool> = Vec::new();
    for c in text.chars() {
        match c {
            BEGIN => halves.push(false),
            MIDDLE => {
                if let Some(half) = halves.last_mut() {
                    *half = true;
                }
            }
            END => drop(halves.pop()),
            _ if halves.iter().all(|&half| half == plain) => out.push(c),
            _ => {}
        }
    }
    out
}
