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
    /// Bits compared, those that are 0 or 1 in Icarus, and those that are z.
    bits: (u64, u64, u64),
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

    /// Compares one, prints a line for what is not equal and counts it; gives the difference.
    pub fn meet(
        &self,
        Contestant { name, stage }: &Contestant,
        theirs: Played,
    ) -> Option<Difference> {
        let not = |what: &str, why: &str| {
            println!("{name}\t{what}: {why}");
            None
        };
        if !stage.lowered.races.is_empty() {
            not("called a race", &stage.lowered.races.join(" "));
            self.count("called a race");
        }
        let theirs = match theirs {
            Played::Shown(theirs) => theirs,
            Played::Refused(why) => {
                self.count("refused by Icarus");
                return not("refused by Icarus", &why);
            }
            Played::Ended(why) => {
                self.count("ended in Icarus");
                return not("ended in Icarus", &why);
            }
        };
        self.weigh(stage, &theirs);
        let ours = match stage.ours() {
            Ok(ours) => ours,
            Err(why) => {
                self.count(format!("not run in lanes: {why}"));
                return not("not run in lanes", &why);
            }
        };
        let difference = stage.difference(&ours, &theirs);
        match &difference {
            None => self.count("equal"),
            Some(difference) => {
                self.count("different");
                not("different", &difference.to_string());
            }
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
                report.bits.0 += u64::from(mask.count_ones());
                report.bits.1 += u64::from((mask & !unknown).count_ones());
                report.bits.2 += u64::from((value & unknown).count_ones());
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
        let share = |part: u64| 100.0 * part as f64 / report.bits.0.max(1) as f64;
        let _ = writeln!(
            text,
            "{:>8}  bits of outputs compared, {:.1} % of them 0 or 1 and {:.1} % z",
            report.bits.0,
            share(report.bits.1),
            share(report.bits.2)
        );
        text
    }
}
