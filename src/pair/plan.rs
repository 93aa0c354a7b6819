//! Which pairs are made of a problem's candidates: all that the mode allows, without near-duplicates, under the
//! cap.
//!
//! All ordered pairs are looked at before any is dropped, so time and memory grow with the square of a problem's
//! candidates: a thousand of them are a million drafts, each of some hundred bytes, with no text in it.
//!
//! Of pairs that teach the same the first is kept, in the order of ids. Under the cap, the pair is taken next
//! whose least used signal has been used least, then whose candidates have; the seed decides between equals.
//! The first ones of the file would be all pairs of one candidate.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use serde::Serialize;

use super::Kind;
use super::label::{Label, Rules};
use super::mask;
use crate::extract::run::Span;
use crate::record::content_hash;
use crate::verify::verdict::Status;

/// How pairs are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Options {
    /// What the masks are.
    pub mode: Mode,
    /// One pair for each contrasted signal, and not one for each ordered pair of candidates.
    pub per_signal: bool,
    /// Which verdicts count.
    pub rules: Rules,
    /// Failed candidates are rejected against fully correct ones.
    pub failed: bool,
    /// A signal whose cone is the whole module is contrasted too.
    pub keep_whole_modules: bool,
    /// The headers of modules and their `endmodule` are in no mask.
    pub without_frame: bool,
    /// The fences around the code are in masks of code.
    pub with_fences: bool,
    /// Pairs that differ in layout and comments only stay.
    pub keep_duplicates: bool,
    /// Pairs of one problem; 0 is no limit.
    pub max_pairs: usize,
    /// Decides between pairs of equal rank under the cap.
    pub seed: u64,
}

/// What the masks are; the ablations of the method are one word each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The contrasted signals' cones.
    Signal,
    /// A fully correct module against one that is not, both whole.
    Module,
    /// The pairs of `signal`, with the whole completions as masks.
    Unfiltered,
}

impl Mode {
    /// The kind of the pairs.
    pub fn kind(self) -> Kind {
        match self {
            Mode::Signal => Kind::Signal,
            Mode::Module => Kind::Module,
            Mode::Unfiltered => Kind::Unfiltered,
        }
    }
}

/// A candidate as pairs see it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its identifier.
    pub id: String,
    /// The model's text.
    pub completion: String,
    /// How far it came in verification.
    pub status: Status,
    /// Where its Verilog stands.
    pub code: Vec<Span>,
    /// The fences around it, with what stands between; none unless asked for.
    pub fences: Vec<Span>,
    /// [`mask::fingerprint`] of all of it; of the completion if it was not judged.
    pub code_tokens: String,
    /// The golden module's outputs; none unless judged.
    pub outputs: Vec<Output>,
}

/// An output of a candidate.
#[derive(Clone, Debug)]
pub struct Output {
    /// The golden module's name for it.
    pub name: String,
    /// Right, wrong or neither.
    pub label: Label,
    /// Its cone; of a whole module the spans are those of the code.
    pub spans: Vec<Span>,
    /// [`mask::fingerprint`] of the cone.
    pub tokens: String,
    /// Whether the whole module stands for the cone.
    pub is_whole: bool,
}

/// Two candidates that make a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Index of the preferred candidate.
    pub chosen: usize,
    /// Index of the other.
    pub rejected: usize,
    /// What the masks are.
    pub kind: Kind,
    /// The contrasted outputs: index in the chosen and in the rejected candidate.
    pub signals: Vec<(usize, usize)>,
}

/// What became of the pairs that a problem could give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The pairs, in the order of the candidates.
    pub drafts: Vec<Draft>,
    /// Pairs that the mode allows, with the dropped ones.
    pub found: usize,
    /// Contrasted signals left out because the whole module stands for a cone.
    pub whole_modules: usize,
    /// Contrasted signals left out because nothing of a cone stands in the completion.
    pub empty_cones: usize,
    /// Pairs with nothing to learn from on one side.
    pub empty_masks: usize,
    /// Pairs that another one repeats.
    pub duplicates: usize,
    /// Pairs over the cap.
    pub over_cap: usize,
    /// Signals of equal code and unequal verdicts: one of the two is a mistake of ours.
    pub contradictions: Vec<(usize, usize, String)>,
    /// Candidates that are chosen in a pair that was found.
    pub chosen_found: HashSet<usize>,
}

impl Member {
    /// Whether it was judged and every output is right, on the evidence that is asked for.
    pub fn is_correct(&self) -> bool {
        !self.outputs.is_empty() && self.outputs.iter().all(|output| output.label == Label::Correct)
    }

    /// Whether an output is wrong.
    pub fn is_wrong(&self) -> bool {
        self.outputs.iter().any(|output| output.label == Label::Wrong)
    }
}

/// The pairs of a problem's candidates under a mode.
///
/// Failed candidates are no part of it: see [`failed`].
pub fn plan(problem: &str, members: &[Member], mode: Mode, options: &Options) -> Plan {
    let mut plan = Plan::default();
    let mut drafts = Vec::new();
    for chosen in 0..members.len() {
        for rejected in (0..members.len()).filter(|&rejected| rejected != chosen) {
            match mode {
                Mode::Signal | Mode::Unfiltered => {
                    let kind = mode.kind();
                    let signals = plan.contrasts(members, chosen, rejected, options);
                    if options.per_signal {
                        let one = |signal| Draft { chosen, rejected, kind, signals: vec![signal] };
                        drafts.extend(signals.into_iter().map(one));
                    } else if !signals.is_empty() {
                        drafts.push(Draft { chosen, rejected, kind, signals });
                    }
                }
                Mode::Module => {
                    if members[chosen].is_correct() && members[rejected].is_wrong() {
                        let signals = contrasted(&members[chosen], &members[rejected]);
                        drafts.push(Draft { chosen, rejected, kind: Kind::Module, signals });
                    }
                }
            }
        }
    }
    plan.keep(drafts, problem, members, options, options.max_pairs);
    plan
}

/// The pairs of fully correct candidates with failed ones that still find room under the cap.
pub fn failed(
    problem: &str,
    members: &[Member],
    is_failed: impl Fn(Status) -> bool,
    options: &Options,
    taken: usize,
) -> Plan {
    let mut plan = Plan::default();
    let mut drafts = Vec::new();
    for chosen in (0..members.len()).filter(|&chosen| members[chosen].is_correct()) {
        let others = (0..members.len()).filter(|&other| is_failed(members[other].status));
        let kind = Kind::Failed;
        drafts.extend(others.map(|rejected| Draft { chosen, rejected, kind, signals: Vec::new() }));
    }
    plan.keep(drafts, problem, members, options, options.max_pairs.saturating_sub(taken));
    plan
}

/// The outputs that one candidate has right and another wrong, by their indices in the two.
fn contrasted(chosen: &Member, rejected: &Member) -> Vec<(usize, usize)> {
    let right = chosen.outputs.iter().enumerate().filter(|(_, own)| own.label == Label::Correct);
    let pairs = right.filter_map(|(index, own)| {
        // All candidates of a problem have the golden module's order, unless somebody sorted the verdicts.
        let same = rejected.outputs.get(index).filter(|other| other.name == own.name);
        let other = match same {
            Some(_) => index,
            None => rejected.outputs.iter().position(|other| other.name == own.name)?,
        };
        (rejected.outputs[other].label == Label::Wrong).then_some((index, other))
    });
    pairs.collect()
}

impl Plan {
    /// The contrasted signals whose cones can be told apart.
    fn contrasts(
        &mut self,
        members: &[Member],
        chosen: usize,
        rejected: usize,
        options: &Options,
    ) -> Vec<(usize, usize)> {
        let mut signals = contrasted(&members[chosen], &members[rejected]);
        signals.retain(|&(own, other)| {
            let own = &members[chosen].outputs[own];
            let other = &members[rejected].outputs[other];
            if (own.is_whole || other.is_whole) && !options.keep_whole_modules {
                self.whole_modules += 1;
                return false;
            }
            if own.spans.is_empty() || other.spans.is_empty() {
                self.empty_cones += 1;
                return false;
            }
            if own.tokens == other.tokens {
                self.contradictions.push((chosen, rejected, own.name.clone()));
                return false;
            }
            true
        });
        signals
    }

    /// Takes the drafts that show something, are not repeated and fit under the cap.
    fn keep(
        &mut self,
        mut drafts: Vec<Draft>,
        problem: &str,
        members: &[Member],
        options: &Options,
        room: usize,
    ) {
        self.found = drafts.len();
        self.chosen_found = drafts.iter().map(|draft| draft.chosen).collect();
        drafts.retain(|draft| draft.shows_something(members));
        self.empty_masks = self.found - drafts.len();
        let filled = drafts.len();
        if !options.keep_duplicates {
            let mut seen = HashSet::new();
            drafts.retain(|draft| seen.insert(draft.likeness(members)));
        }
        self.duplicates = filled - drafts.len();
        let unlike = drafts.len();
        if options.max_pairs > 0 {
            drafts = fair(drafts, problem, members, options.seed, room);
        }
        self.over_cap = unlike - drafts.len();
        self.drafts = drafts;
    }
}

impl Member {
    /// What these spans and the fences that count make together.
    fn mask<'s>(&'s self, parts: impl Iterator<Item = &'s [Span]>) -> Vec<Span> {
        mask::union(&self.completion, parts.chain([&self.fences[..]]))
    }

    fn code_mask(&self) -> Vec<Span> {
        match self.fences.is_empty() {
            true => self.code.clone(),
            false => self.mask([&self.code[..]].into_iter()),
        }
    }
}

impl Draft {
    /// The bytes of the chosen and of the rejected completion that the pair shows.
    pub fn masks(&self, members: &[Member]) -> (Vec<Span>, Vec<Span>) {
        let (chosen, rejected) = (&members[self.chosen], &members[self.rejected]);
        let signals = self.signals.iter();
        match self.kind {
            Kind::Signal => (
                chosen.mask(signals.clone().map(|signal| &chosen.outputs[signal.0].spans[..])),
                rejected.mask(signals.map(|signal| &rejected.outputs[signal.1].spans[..])),
            ),
            Kind::Module => (chosen.code_mask(), rejected.code_mask()),
            Kind::Unfiltered => {
                (mask::whole(&chosen.completion), mask::whole(&rejected.completion))
            }
            Kind::Failed => (chosen.code_mask(), mask::whole(&rejected.completion)),
        }
    }

    /// Whether neither of the masks is empty.
    fn shows_something(&self, members: &[Member]) -> bool {
        let (chosen, rejected) = (&members[self.chosen], &members[self.rejected]);
        match self.kind {
            // Signals without a byte are no part of a draft.
            Kind::Signal => !self.signals.is_empty(),
            Kind::Module => !chosen.code.is_empty() && !rejected.code.is_empty(),
            Kind::Unfiltered => !chosen.completion.is_empty() && !rejected.completion.is_empty(),
            Kind::Failed => !chosen.code.is_empty() && !rejected.completion.is_empty(),
        }
    }

    /// What two pairs of one problem have in common if they teach the same.
    fn likeness(&self, members: &[Member]) -> String {
        let (chosen, rejected) = (&members[self.chosen], &members[self.rejected]);
        match self.kind {
            // Of `unfiltered` too: it has the pairs of `signal`.
            Kind::Signal | Kind::Unfiltered => {
                let cones = self.signals.iter().map(|&(own, other)| {
                    let (own, other) = (&chosen.outputs[own], &rejected.outputs[other]);
                    format!("{}\0{}\0{}\0", own.name, own.tokens, other.tokens)
                });
                cones.collect()
            }
            Kind::Module | Kind::Failed => {
                format!("{}\0{}", chosen.code_tokens, rejected.code_tokens)
            }
        }
    }

    /// Draws the pair's place among equals: by names, so that it does not depend on the order of anything.
    fn lot(&self, problem: &str, members: &[Member], seed: u64) -> String {
        let mut text = format!(
            "{seed}\0{problem}\0{}\0{}",
            members[self.chosen].id, members[self.rejected].id
        );
        for &(own, _) in &self.signals {
            text.push('\0');
            text.push_str(&members[self.chosen].outputs[own].name);
        }
        content_hash(text.as_bytes())
    }
}

/// As many drafts as there is room for: always the one whose least used signal, and then whose candidates, have
/// been taken least; the seed decides between equals. The order stays.
fn fair(
    drafts: Vec<Draft>,
    problem: &str,
    members: &[Member],
    seed: u64,
    room: usize,
) -> Vec<Draft> {
    if drafts.len() <= room {
        return drafts;
    }
    let outputs = members.iter().map(|member| member.outputs.len()).max().unwrap_or(0);
    let mut signals = vec![0usize; outputs];
    let mut chosen = vec![0usize; members.len()];
    let mut rejected = vec![0usize; members.len()];
    let mut kept = vec![false; drafts.len()];
    let rank = |draft: &Draft, signals: &[usize], chosen: &[usize], rejected: &[usize]| {
        let least = draft.signals.iter().map(|&(own, _)| signals[own]).min().unwrap_or(0);
        (least, chosen[draft.chosen] + rejected[draft.rejected])
    };
    // Uses only grow, so a rank that is still right when it comes up is the lowest.
    let mut heap: BinaryHeap<_> = drafts
        .iter()
        .enumerate()
        .map(|(at, draft)| Reverse(((0, 0), draft.lot(problem, members, seed), at)))
        .collect();
    let mut left = room;
    while left > 0
        && let Some(Reverse((old, lot, at))) = heap.pop()
    {
        let draft = &drafts[at];
        let now = rank(draft, &signals, &chosen, &rejected);
        if now != old {
            heap.push(Reverse((now, lot, at)));
            continue;
        }
        draft.signals.iter().for_each(|&(own, _)| signals[own] += 1);
        chosen[draft.chosen] += 1;
        rejected[draft.rejected] += 1;
        kept[at] = true;
        left -= 1;
    }
    drafts.into_iter().zip(kept).filter_map(|(draft, kept)| kept.then_some(draft)).collect()
}
