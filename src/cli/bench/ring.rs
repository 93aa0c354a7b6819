//! Two engines on the same inputs: modules in lanes and in Icarus, compared sample by sample in four states.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use crate::cli::tools;
use crate::verify::cache::Cache;
use crate::verify::differential::{Difference, FourState, Stage, outputs};
use crate::verify::icarus::{Icarus, Played};

/// A module that we take.
pub struct Contestant {
    /// What its lines of the output begin with.
    pub name: String,
    /// The module with what it plays.
    pub stage: Stage,
}

/// What was found so far.
#[derive(Default)]
struct Report {
    counts: BTreeMap<String, u64>,
    /// Bits compared.
    bits: u64,
    /// Those that are 0 or 1 in Icarus.
    known: u64,
    /// Those that are z.
    floating: u64,
}

/// The two engines and what was found.
pub struct Ring {
    icarus: Icarus,
    cache: Cache,
    report: Mutex<Report>,
}

impl Ring {
    /// Finds Icarus, and where its files go.
    pub fn open() -> anyhow::Result<Ring> {
        Ok(Ring {
            icarus: tools::icarus()?,
            cache: Cache::open(&tools::cache_folder()?.join("bench"))?,
            report: Mutex::default(),
        })
    }

    /// Counts one more.
    pub fn count(&self, what: impl Into<String>) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        *report.counts.entry(what.into()).or_default() += 1;
    }

    /// What Icarus shows of each.
    pub fn theirs(&self, stages: &[&Stage]) -> anyhow::Result<Vec<Played>> {
        let scratch = self.cache.memory_scratch().map_or_else(|| self.cache.scratch(), Ok)?;
        Ok(Stage::theirs(stages, &self.icarus, scratch.path())?)
    }

    /// Prints a line of one and counts it, with more in the line than in what is counted.
    pub fn note(&self, name: &str, what: &str, more: &str) {
        println!("{name}\t{what}: {more}");
        self.count(what);
    }

    /// Compares one, prints a line for what is not equal and counts it; gives the difference.
    pub fn meet(
        &self,
        Contestant { name, stage }: &Contestant,
        theirs: Played,
    ) -> Option<Difference> {
        if !stage.lowered.races.is_empty() {
            self.note(name, "called a race", &stage.lowered.races.join(" "));
        }
        let theirs = match theirs {
            Played::Shown(theirs) => theirs,
            Played::Refused(why) => {
                self.note(name, "refused by Icarus", &why);
                return None;
            }
            Played::Ended(why) => {
                self.note(name, "ended in Icarus", &why);
                return None;
            }
        };
        self.weigh(stage, &theirs);
        let ours = match stage.ours() {
            Ok(ours) => ours,
            Err(why) => {
                println!("{name}\tnot run in lanes: {why}");
                self.count(format!("not run in lanes: {why}"));
                return None;
            }
        };
        let difference = stage.difference(&ours, &theirs);
        match &difference {
            None => self.count("equal"),
            Some(difference) => self.note(name, "different", &difference.to_string()),
        }
        difference
    }

    /// Counts the bits that Icarus shows.
    fn weigh(&self, stage: &Stage, theirs: &[FourState]) {
        let mask = outputs(&stage.lowered.interface).mask();
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        for trace in theirs {
            for (at, (value, unknown)) in trace.value.iter().zip(&trace.unknown).enumerate() {
                let mask = mask[at % mask.len()];
                report.bits += u64::from(mask.count_ones());
                report.known += u64::from((mask & !unknown).count_ones());
                report.floating += u64::from((value & unknown).count_ones());
            }
        }
    }

    /// What was found, a line each.
    pub fn render(&self) -> String {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (what, count) in &report.counts {
            let _ = writeln!(text, "{count:>8}  {what}");
        }
        let share = |part: u64| 100.0 * part as f64 / report.bits.max(1) as f64;
        let _ = writeln!(
            text,
            "{:>8}  bits of outputs compared, {:.1} % of them 0 or 1 and {:.1} % z",
            report.bits,
            share(report.known),
            share(report.floating)
        );
        text
    }
}
