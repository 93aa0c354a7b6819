//! What a worker is asked of lanes: a golden text and a candidate's text go in, counts come out.
//!
//! Everything from text to counts happens here, in the worker, where a death of slang costs one candidate. Golden
//! modules are kept while their candidates come one after the other. What lanes do not run is handed over, with the construct.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::Budget;
use super::golden::Golden;
use super::judge::judge;
use crate::design::program::Program;
use crate::design::{self, Bits, Interface, Lowered, Refusal, Unsupported};
use crate::problem::Restriction;
use crate::verify::backend::{Count, Outcome};
use crate::verify::stimulus::Config;
use crate::verify::verdict::MismatchKind;

/// Golden modules that are kept: a batch has its rows sorted by problem.
const KEPT: usize = 4;

/// A candidate to be judged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// The golden text.
    pub golden: String,
    /// Name of its module, if the problem gives one.
    pub golden_top: Option<String>,
    /// Legal values of restricted inputs.
    pub restrictions: BTreeMap<String, Restriction>,
    /// Identity of golden text and restrictions.
    pub key: String,
    /// The stimulus.
    pub config: Config,
    /// The candidate's text.
    pub candidate: String,
    /// Name of its module.
    pub top: String,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub enum Verdict {
    /// slang or we refuse the text.
    Refused(Refusal),
    /// An output may be Z; which.
    UsesZ(String),
    /// The golden interface does not accept the candidate's; what differs.
    PortMismatch(String),
    /// It was run.
    Judged {
        /// Signals with a race.
        races: Vec<String>,
        /// What was counted, or why it stopped.
        outcome: Outcome,
    },
    /// Another backend is to judge it; the construct that lanes do not run.
    HandedOver(String),
}

/// A golden module, ready to be compared with.
struct Ready {
    golden: Golden,
    pool: Vec<Bits>,
}

type Kept = (String, Config, Rc<Result<Ready, String>>);

/// What lanes need of an elaborated golden module.
type Module = (Interface, Result<Program, Unsupported>);

/// Lanes in a worker.
#[derive(Default)]
pub struct Lanes {
    kept: VecDeque<Kept>,
    /// The text, top and module of a golden module that was elaborated and is expected to be asked for.
    expected: Option<(String, Option<String>, Module)>,
    spent: u64,
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lanes({} golden modules)", self.kept.len())
    }
}

impl Lanes {
    /// Judges a candidate.
    pub fn answer(&mut self, job: &Job) -> Verdict {
        let lowered = match design::lower(&job.candidate, Some(&job.top)) {
            Ok(lowered) => lowered,
            Err(refusal) => return Verdict::Refused(refusal),
        };
        let ready = self.golden(job);
        self.spent = 0;
        match &*ready {
            Ok(ready) => ready.judge(lowered, &mut self.spent),
            Err(why) => Verdict::HandedOver(why.clone()),
        }
    }

    /// Instructions of all runs of the last candidate; those of its golden module are not counted.
    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// Keeps what came of a golden text, until a candidate's job has it.
    pub fn expect(&mut self, text: String, top: Option<String>, module: Option<Module>) {
        self.expected = module.map(|module| (text, top, module));
    }

    fn golden(&mut self, job: &Job) -> Rc<Result<Ready, String>> {
        let known = |(key, config, _): &&Kept| *key == job.key && *config == job.config;
        if let Some((_, _, ready)) = self.kept.iter().find(known) {
            return ready.clone();
        }
        let same = |(text, top, _): &(String, Option<String>, Module)| {
            *text == job.golden && *top == job.golden_top
        };
        let module = self.expected.take().filter(same).map(|(.., module)| module);
        let ready = Rc::new(Ready::new(job, module));
        self.kept.truncate(KEPT - 1);
        self.kept.push_front((job.key.clone(), job.config, ready.clone()));
        ready
    }
}

impl Ready {
    fn new(job: &Job, module: Option<Module>) -> Result<Ready, String> {
        let (interface, program) = match module {
            // Outputs that may be Z were refused when it was elaborated.
            Some(module) => module,
            None => {
                let lowered = design::lower(&job.golden, job.golden_top.as_deref())
                    .map_err(|refusal| format!("golden: {refusal}"))?;
                if !lowered.uses_z.is_empty() {
                    return Err("golden: an output that may be Z".into());
                }
                (lowered.interface, lowered.program)
            }
        };
        let program = program.map_err(|construct| format!("golden: {}", construct.0))?;
        let pool = interface.pool.clone();
        let made = Golden::new(interface, &program, &job.restrictions, &job.key, &job.config);
        made.map(|golden| Ready { golden, pool }).map_err(|error| format!("golden: {error}"))
    }

    fn judge(&self, lowered: Lowered, spent: &mut u64) -> Verdict {
        let Lowered { interface, races, uses_z, program, reordered } = lowered;
        if let Some(output) = uses_z.into_iter().next() {
            return Verdict::UsesZ(output);
        }
        if let Err(difference) = self.golden.accepts(&interface) {
            return Verdict::PortMismatch(difference);
        }
        let fresh = |constant: &&Bits| !self.pool.iter().any(|k| k.words == constant.words);
        let constants: Vec<Bits> = interface.pool.iter().filter(fresh).cloned().collect();
        let mut outcomes = Vec::new();
        for program in std::iter::once(program).chain(reordered) {
            let budget = Budget::of_candidate();
            let outcome = program
                .map_err(|construct| construct.0)
                .and_then(|program| judge(&self.golden, &program, &constants, &budget));
            *spent += budget.spent();
            match outcome {
                Ok(outcome) => outcomes.push(outcome),
                Err(why) => return Verdict::HandedOver(why),
            }
        }
        let mut outcomes = outcomes.into_iter();
        let Some(mut outcome) = outcomes.next() else {
            return Verdict::HandedOver("a module without a program".into());
        };
        if let Some(other) = outcomes.next() {
            add_order(&mut outcome, other);
        }
        Verdict::Judged { races, outcome }
    }
}

/// Takes in what another order of processes gives: an output that is wrong by value only there is wrong by `order`. What does not
/// get through in the other order is judged by the first.
pub fn add_order(outcome: &mut Outcome, other: Outcome) {
    if let (Outcome::Counted(counts), Outcome::Counted(others)) = (outcome, other) {
        for (count, other) in counts.iter_mut().zip(others) {
            if count.kind.is_none() && other.kind == Some(MismatchKind::Value) {
                *count = Count { kind: Some(MismatchKind::Order), ..other };
            }
        }
    }
}
