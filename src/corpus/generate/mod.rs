//! Problems of our own, written by a program: small designs with an English specification, a golden module of one to
//! eight outputs, and the same design written a second time in another way.
//!
//! In go a seed, a split and a count; out comes an endless supply of problems that no benchmark holds, so that a model
//! of a few million parameters can learn the task and be tried on designs that it has not seen. A family of designs is
//! a file; it lists what can be an output, and a problem takes some of it. Outputs of one module are thus largely
//! independent of each other, and a model gets some right and others wrong, which is what the method is about.
//!
//! - A problem is decided by the seed, the split and its number: a longer file begins with the shorter one. Nothing of
//!   the machine is used.
//! - No design stands twice in a file (`shape.rs` says what a design is), and splits share no shape: not only no
//!   design, but no set of outputs with other widths, constants, clock edge or reset either.
//! - The second version computes every output in another way, so that `salv verify` of the one against the other finds
//!   mistakes of a family. It is no independent reading of the English text: whether the words say what the
//!   module does is for a reader to judge.

mod alu;
mod arbiter;
mod arithmetic;
mod chance;
mod compare;
mod counter;
mod decode;
mod draft;
mod edge;
mod encode;
mod fifo;
mod gates;
mod gather;
mod machine;
mod register_file;
mod second;
mod select;
mod sequence;
mod serial;
mod shape;
mod shift;
mod sketch;
mod tell;
mod timer;
mod write;

use std::collections::HashSet;

use super::contamination::{Benchmarks, Thresholds};
use super::sft::Sample;
use crate::problem::Problem;
use chance::Chance;
use draft::Draft;

/// A family: its name, and how one of its designs is drawn.
type Family = (&'static str, fn(&mut Chance) -> Draft);

/// All families, simple ones first.
const FAMILIES: [Family; 18] = [
    ("gates", gates::draw),
    ("select", select::draw),
    ("arithmetic", arithmetic::draw),
    ("compare", compare::draw),
    ("encode", encode::draw),
    ("decode", decode::draw),
    ("shift", shift::draw),
    ("alu", alu::draw),
    ("counter", counter::draw),
    ("edge", edge::draw),
    ("machine", machine::draw),
    ("sequence", sequence::draw),
    ("serial", serial::draw),
    ("gather", gather::draw),
    ("timer", timer::draw),
    ("arbiter", arbiter::draw),
    ("register_file", register_file::draw),
    ("fifo", fifo::draw),
];

/// Drawn so often without a new design, what was asked for is taken to be exhausted.
const ATTEMPTS: usize = 20_000;

/// Which part of all designs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// To learn the task from: seven of ten shapes.
    #[default]
    Train,
    /// To sample candidates for and make pairs of.
    Pairs,
    /// To measure on.
    HeldOut,
}

impl Split {
    /// Returns the name in files.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Pairs => "pairs",
            Split::HeldOut => "held-out",
        }
    }

    /// Returns the split of a shape, which its hash decides.
    fn of(shape: &str) -> Split {
        match Chance::new(&["split", shape]).below(20) {
            0..14 => Split::Train,
            14..17 => Split::Pairs,
            _ => Split::HeldOut,
        }
    }
}

/// What is to be written.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// From which designs.
    pub split: Split,
    /// Names of families; empty for all.
    pub families: Vec<String>,
    /// Problems that nothing written may be near to, by [`super::contamination`].
    pub against: Vec<Problem>,
}

/// A problem that was written.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The problem.
    pub problem: Problem,
    /// The design once more, in another way.
    pub second: String,
    /// Its family.
    pub family: &'static str,
    /// How hard it is, from 1 to 4: more outputs, and registers.
    pub level: usize,
    /// Hash of what makes the design.
    pub design: String,
    /// Hash of its shape, by which it stands in its split.
    pub shape: String,
}

/// Why a problem cannot be written.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GenerateError {
    /// There is no such family.
    #[error("there is no family {name:?}; there are {}", names().join(", "))]
    Family {
        /// What was asked for.
        name: String,
    },
    /// There are no more designs, or hardly any.
    #[error(
        "no new design found after {made} problems; ask for fewer, or for \
         more families"
    )]
    Exhausted {
        /// Problems before it.
        made: usize,
    },
}

/// Returns the names of all families.
pub fn names() -> Vec<&'static str> {
    FAMILIES.iter().map(|(name, _)| *name).collect()
}

/// Writes problems, one after the other.
pub fn problems(
    settings: &Settings,
) -> Result<impl Iterator<Item = Result<Generated, GenerateError>>, GenerateError> {
    let known = names();
    if let Some(name) = settings.families.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(GenerateError::Family { name: name.clone() });
    }
    let chosen = |name: &str| {
        settings.families.is_empty() || settings.families.iter().any(|family| family == name)
    };
    let families: Vec<Family> = FAMILIES.into_iter().filter(|(name, _)| chosen(name)).collect();
    let benchmarks = Benchmarks::new(&settings.against, Thresholds::default());
    let mut source =
        Source { settings: settings.clone(), families, benchmarks, designs: HashSet::new() };
    Ok((0..).map(move |number| source.problem(number)))
}

/// What problems are drawn from.
struct Source {
    settings: Settings,
    families: Vec<Family>,
    benchmarks: Benchmarks,
    /// Those that were written.
    designs: HashSet<String>,
}

impl Source {
    /// Draws until a design is of the split, new, and far from what it is to be far from.
    fn problem(&mut self, number: usize) -> Result<Generated, GenerateError> {
        let Settings { seed, split, .. } = self.settings;
        let mut chance =
            Chance::new(&["generate", &seed.to_string(), split.name(), &number.to_string()]);
        for _ in 0..ATTEMPTS {
            let (_, draw) = self.families[chance.below(self.families.len())];
            let draft = draw(&mut chance);
            let (design, shape) = (shape::design(&draft), shape::shape(&draft));
            if Split::of(&shape) != split || self.designs.contains(&design) {
                continue;
            }
            let made = self.finish(number, &draft, (design, shape), &mut chance);
            if self.benchmarks.find(&made.sample()).is_none() {
                self.designs.insert(made.design.clone());
                return Ok(made);
            }
        }
        Err(GenerateError::Exhausted { made: number })
    }

    fn finish(
        &self,
        number: usize,
        draft: &Draft,
        (design, shape): (String, String),
        chance: &mut Chance,
    ) -> Generated {
        let style = write::Style::draw(chance);
        let many = [2, 4].iter().filter(|bound| draft.outputs.len() > **bound).count();
        let level = 1 + many + usize::from(draft.clock.is_some());
        let Settings { seed, split, .. } = self.settings;
        let problem = Problem {
            problem: format!("{}-{seed}/{}-{number:06}", split.name(), draft.family),
            prompt: tell::prompt(draft, chance),
            golden: write::golden(draft, &style),
            golden_top: Some(draft.module.clone()),
            top: draft.module.clone(),
            testbench: None,
            inputs: Default::default(),
            source: Some(format!("salv corpus generate, level {level}")),
            licence: Some("MIT OR Apache-2.0".to_owned()),
        };
        let second = second::second(draft);
        Generated { problem, second, family: draft.family, level, design, shape }
    }
}

impl Generated {
    /// Returns the prompt with its golden module, to learn from.
    pub fn sample(&self) -> Sample {
        let Problem { problem, prompt, golden, source, licence, .. } = &self.problem;
        Sample {
            id: problem.clone(),
            system: None,
            history: Vec::new(),
            prompt: prompt.clone(),
            completion: golden.clone(),
            source: source.clone(),
            licence: licence.clone(),
        }
    }
}
