//! A text on its way to be compared: elaborated, lowered, and with the episodes that it plays on both sides.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::module::reading;
use super::play::play;
use super::trace::{Difference, FourState, Rule, first_difference};
use crate::design::program::{Kind, OpKind, Process, Slot, Statement, Trigger, Watch};
use crate::design::{self, Lowered};
use crate::verify::icarus::{Icarus, IcarusError, Part, Played};
use crate::verify::stimulus::{Config, Episode, Stimulus};

/// A text with what it plays.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The module, elaborated and lowered.
    pub lowered: Lowered,
    /// What it plays.
    pub episodes: Vec<Episode>,
    top: String,
    plain: String,
    stimulus: Stimulus,
}

impl Stage {
    /// Prepares a text with both readings of what has two, and its module `top`; or says why it cannot be.
    pub fn new(text: &str, top: &str, config: &Config) -> Result<Stage, String> {
        let full = reading(text, false);
        let lowered = design::lower(&full, Some(top)).map_err(|refusal| {
            let line = refusal.place.map(|place| format!("line {}: ", place.line));
            format!("{}{refusal}", line.unwrap_or_default())
        })?;
        let stimulus = Stimulus::new(&lowered.interface, &BTreeMap::new(), full.as_bytes(), config)
            .map_err(|error| error.to_string())?;
        let episodes = (0..stimulus.base_episodes()).map(|at| stimulus.episode(at)).collect();
        Ok(Stage { lowered, top: top.to_owned(), plain: reading(text, true), stimulus, episodes })
    }

    /// What the engine of ours shows, or why it does not run it.
    pub fn ours(&self) -> Result<Vec<FourState>, String> {
        let program = self.lowered.program.as_ref().map_err(|why| why.0.clone())?;
        play(program, &self.lowered.interface, self.stimulus.inputs(), &self.episodes)
            .map_err(|why| why.to_string())
    }

    /// What Icarus shows of each; `folder` is for this call alone.
    pub fn theirs(
        stages: &[&Stage],
        icarus: &Icarus,
        folder: &Path,
    ) -> Result<Vec<Played>, IcarusError> {
        let parts: Vec<Part> = stages
            .iter()
            .map(|stage| Part {
                text: &stage.plain,
                interface: &stage.lowered.interface,
                inputs: stage.stimulus.inputs(),
                episodes: &stage.episodes,
            })
            .collect();
        icarus.play(&parts, folder)
    }

    /// Whether every process of Icarus's text that waits for a change waits for an input, among others. Otherwise it may
    /// depend on the order of the first instant whether it runs at all: then what comes out of it is open.
    pub fn starts(&self) -> bool {
        let Ok(Lowered { program: Ok(program), .. }) = design::lower(&self.plain, Some(&self.top))
        else {
            return false;
        };
        let mut inputs: BTreeSet<Slot> = program.inputs.iter().map(|(_, slot)| *slot).collect();
        loop {
            let before = inputs.len();
            for process in &program.processes {
                // A port's connection moves a value, and fits its width: x does not stay x.
                let moves = process.body.iter().all(is_move);
                let from_input = process.triggers.iter().all(|one| inputs.contains(&one.slot));
                if process.kind == Kind::Combinational && moves && from_input {
                    inputs.extend(&process.writes);
                }
            }
            if inputs.len() == before {
                break;
            }
        }
        let is_input = |one: &Trigger| one.watch != Watch::Memory && inputs.contains(&one.slot);
        let is_edge = |process: &Process| {
            process.triggers.iter().any(|one| matches!(one.watch, Watch::Edge { .. }))
        };
        let waiting = program.processes.iter().filter(|one| one.kind == Kind::Triggered);
        waiting
            .filter(|process| !is_edge(process))
            .all(|process| process.triggers.iter().any(is_input))
    }

    /// Where two traces of it differ first, in four states.
    pub fn difference(&self, ours: &[FourState], theirs: &[FourState]) -> Option<Difference> {
        first_difference(&self.lowered.interface, &self.episodes, ours, theirs, Rule::Exact)
    }
}

/// Whether a statement does no more than to move bits.
fn is_move(statement: &Statement) -> bool {
    match statement {
        Statement::Store(_) => true,
        Statement::Compute(op) => {
            matches!(op.kind, OpKind::Extend { .. } | OpKind::Slice { .. } | OpKind::Concat(_))
        }
        _ => false,
    }
}
