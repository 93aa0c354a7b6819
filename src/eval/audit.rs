//! The benchmark on trial: is each problem passed by its own golden module, and failed by a module that does nothing?
//!
//! In: an entry. Out: an [`Audit`]: the marks of the golden module in a candidate's place, how many samples its bench
//! counts then, and the official mark of a module with the same ports whose outputs nothing drives. A bench that fails
//! its golden module fails everybody; one that passes an empty module compares with `!=`, which an undefined value
//! never fulfils, or prints its result whatever it saw. VerilogEval's benches count a sample as right where the golden
//! module is undefined; where that is nearly always, they hardly look.

use serde::{Deserialize, Serialize};

use super::run::{EvalError, Scorer};
use super::{Entry, Mark, Outcome, rules};
use crate::design::{Direction, Interface};
use crate::verify::elaborator::{Elaborated, Elaborator};
use crate::verify::icarus::stand_in;
use crate::verilog::unit::sole_top;

/// What was found of a problem's bench.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// The problem's identifier.
    pub problem: String,
    /// The golden module, by the benchmark's rules.
    pub official: Mark,
    /// The golden module, strictly.
    pub strict: Mark,
    /// Samples that the bench counts for the golden module, where it counts any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// The module without a design, by the benchmark's rules; absent where the golden module's ports are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undriven: Option<Mark>,
}

/// A bench that compares in fewer than one sample in so many hardly looks.
const HARDLY: u64 = 10;

impl Audit {
    /// Whether anything can pass.
    pub fn can_pass(&self) -> bool {
        self.official.passed() && self.strict.passed()
    }

    /// Of the samples that the bench counts, those in which a module that drives nothing differs: where the golden
    /// module is undefined, everything is taken for right.
    pub fn defined(&self) -> Option<(u64, u64)> {
        rules::mismatches(self.undriven.as_ref()?.detail.as_deref()?)
    }

    /// Whether the golden module is undefined nearly all the time, so that nearly everything passes.
    pub fn hardly_looks(&self) -> bool {
        self.can_fail()
            && self.defined().is_some_and(|(defined, samples)| defined * HARDLY < samples)
    }

    /// Whether something fails.
    pub fn can_fail(&self) -> bool {
        self.undriven.as_ref().is_none_or(|mark| !mark.passed())
    }
}

/// Tries the bench of an entry.
pub fn audit(
    scorer: &Scorer,
    entry: &Entry,
    elaborator: &mut Elaborator,
) -> Result<Audit, EvalError> {
    let problem = &entry.problem;
    let design = match elaborator.elaborate(&problem.golden, problem.golden_top.as_deref())? {
        Elaborated::Design(design) => Some(design),
        Elaborated::Refused(_) | Elaborated::Died(_) => None,
    };
    let interface = design.as_ref().map(|design| &design.interface);
    let undriven = match interface {
        Some(interface) => Some(scorer.official(entry, &without_design(interface, &problem.top))?),
        None => None,
    };
    let mut audit = Audit {
        problem: problem.problem.clone(),
        official: Mark::new(Outcome::CompileError, "the golden module cannot be renamed"),
        strict: Mark::new(Outcome::NotOfficial, ""),
        samples: None,
        undriven,
    };
    let top = interface
        .map(|interface| interface.top.clone())
        .or_else(|| problem.golden_top.clone())
        .or_else(|| sole_top(&problem.golden));
    let Some(Ok(golden)) = top.map(|top| stand_in(&problem.golden, &top, &problem.top)) else {
        return Ok(audit);
    };
    audit.official = scorer.official(entry, &golden)?;
    if audit.official.passed() {
        (audit.strict, audit.samples) = scorer.strict(entry, &golden, None, elaborator)?;
    }
    Ok(audit)
}

/// A module of this interface that drives nothing.
fn without_design(interface: &Interface, top: &str) -> String {
    let port = |port: &crate::design::Port| {
        let direction = if port.direction == Direction::Input { "input" } else { "output" };
        format!("  {direction} [{}:0] \\{} ", port.width - 1, port.name)
    };
    let ports: Vec<String> = interface.ports.iter().map(port).collect();
    format!("module {top} (\n{}\n);\nendmodule\n", ports.join(",\n"))
}
