//! Which mutants of a design are judged: for each output a number of them, drawn from all classes in turn.
//!
//! Classes take turns because most sites are operators and signals, and the rarer mistakes (a reset, an
//! edge) are the ones in doubt. A mutant must elaborate, keep the ports and drive no Z. A design too small
//! to have enough single mistakes gives mutants with two.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Design;
use crate::candidate::Candidate;
use crate::design::{self, Class, Mutation};

/// A mutant that can be judged.
pub struct Mutant {
    /// What was done.
    pub mutation: Mutation,
    /// The whole text.
    pub text: String,
}

impl Mutant {
    /// The mutant as a candidate of its design.
    pub fn candidate(&self, at: usize, design: &Design) -> Candidate {
        Candidate {
            problem: design.name().to_owned(),
            id: at.to_string(),
            completion: self.text.clone(),
        }
    }
}

/// Picks mutants until each output has `count`, as far as there are as many.
pub fn pick(design: &Design, count: usize, seed: u64) -> Vec<Mutant> {
    let mut order: Vec<([u8; 32], &Mutation)> = design
        .mutations
        .mutations
        .iter()
        .map(|mutation| (draw(seed, &design.mutations.apply(mutation)), mutation))
        .collect();
    order.sort_by_key(|(draw, _)| *draw);
    let order: Vec<&Mutation> = order.into_iter().map(|(_, mutation)| mutation).collect();
    let mut picked = Picked { design, texts: BTreeSet::new(), mutants: Vec::new() };
    for output in &design.mutations.outputs {
        picked.single(&order, output, count);
        picked.double(&order, output, count);
    }
    picked.mutants
}

struct Picked<'a> {
    design: &'a Design,
    /// Texts that were tried, whatever came of it.
    texts: BTreeSet<String>,
    mutants: Vec<Mutant>,
}

impl Picked<'_> {
    fn reaching(&self, output: &String) -> usize {
        self.mutants.iter().filter(|mutant| mutant.mutation.outputs.contains(output)).count()
    }

    /// One mistake, the classes in turn.
    fn single(&mut self, order: &[&Mutation], output: &String, count: usize) {
        let mut classes: BTreeMap<Class, VecDeque<&Mutation>> = BTreeMap::new();
        for mutation in order.iter().filter(|mutation| mutation.outputs.contains(output)) {
            classes.entry(mutation.class).or_default().push_back(mutation);
        }
        while !classes.is_empty() {
            for queue in classes.values_mut() {
                if self.reaching(output) >= count {
                    return;
                }
                while let Some(mutation) = queue.pop_front() {
                    if self.take(mutation) {
                        break;
                    }
                }
            }
            classes.retain(|_, queue| !queue.is_empty());
        }
    }

    /// Two mistakes, where one at a time are too few.
    fn double(&mut self, order: &[&Mutation], output: &String, count: usize) {
        let near: Vec<&Mutation> =
            order.iter().copied().filter(|mutation| mutation.outputs.contains(output)).collect();
        for (at, first) in near.iter().enumerate() {
            for second in &near[at + 1..] {
                if self.reaching(output) >= count {
                    return;
                }
                if let Some(both) = first.and(second) {
                    self.take(&both);
                }
            }
        }
    }

    /// Adds a mutant if it is new and can be judged.
    fn take(&mut self, mutation: &Mutation) -> bool {
        let text = self.design.mutations.apply(mutation);
        if !self.texts.insert(text.clone()) {
            return false;
        }
        let fits = design::elaborate(&text, Some(&self.design.mutations.top)).is_ok_and(|mutant| {
            mutant.uses_z.is_empty() && self.design.interface.accepts(&mutant.interface).is_ok()
        });
        if fits {
            self.mutants.push(Mutant { mutation: mutation.clone(), text });
        }
        fits
    }
}

fn draw(seed: u64, text: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(text.as_bytes());
    hasher.finalize().into()
}
