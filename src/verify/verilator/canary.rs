//! A module whose verdicts are known, to tell a failure of the tools from a candidate's, and a verifier that
//! can say both `correct` and `wrong` from one that cannot.
//!
//! [`judge`] goes the whole way once, before anything else is judged: a Verilator of another version, whose output is read
//! wrongly, shows there and not as hundreds of refused candidates. [`check`] verilates alone, each time that
//! Verilator has refused a module: where it refuses the canary too, the refusal says nothing.

use std::collections::BTreeMap;

use super::{Failure, VERILATE_LIMITS, Verilator, verilate};
use crate::design::{Direction, Interface, Port, Role};
use crate::verify::backend::{Module, Outcome, Subject, Task, TaskOutcome};
use crate::verify::stimulus::{Config, Profile};

const TOP: &str = "canary";

/// What is right, and what is wrong in every vector.
const GOLDEN: &str =
    "module canary(input [3:0] a, output [3:0] y); assign y = a + 4'd1; endmodule\n";
const WRONG: &str = "module canary(input [3:0] a, output [3:0] y); assign y = a; endmodule\n";

/// Fails unless Verilator takes the canary now.
pub(super) fn check(backend: &Verilator) -> Result<(), Failure> {
    let prefix = verilate::prefix(GOLDEN, &interface(), TOP);
    let scratch = backend.cache.scratch()?;
    let made =
        backend.verilate_in(&scratch, &module(GOLDEN), &interface(), &prefix, VERILATE_LIMITS)?;
    match made {
        Ok(_) => Ok(()),
        Err(message) => Err(failure(backend, message)),
    }
}

/// Fails unless the backend finds the golden text correct and the other wrong.
pub(super) fn judge(backend: &Verilator) -> Result<(), Failure> {
    let subject = |text| Subject { module: module(text), constants: Vec::new() };
    let task = Task {
        interface: interface(),
        restrictions: BTreeMap::new(),
        key: TOP.into(),
        golden: module(GOLDEN),
        candidates: vec![subject(GOLDEN), subject(WRONG)],
    };
    let config = Config { seed: 0, vectors: 16, depth_max: 0, profile: Profile::Full };
    let outcomes = backend.judge_all(std::slice::from_ref(&task), &config)?;
    let mismatches = |outcome: &Outcome| match outcome {
        Outcome::Counted(counts) => counts.first().and_then(|count| count.mismatches),
        _ => None,
    };
    let (right, wrong) = match outcomes.first() {
        Some(TaskOutcome::Candidates(all)) => {
            (all.first().and_then(mismatches), all.get(1).and_then(mismatches))
        }
        _ => (None, None),
    };
    if right == Some(0) && wrong.is_some_and(|count| count > 0) {
        return Ok(());
    }
    Err(failure(backend, format!("it was judged so: {outcomes:?}")))
}

fn failure(backend: &Verilator, message: String) -> Failure {
    Failure::Canary { program: backend.program.display().to_string(), message }
}

fn module(text: &str) -> Module {
    Module { top: TOP.into(), source: text.into() }
}

fn interface() -> Interface {
    let port =
        |name: &str, direction| Port { name: name.into(), direction, width: 4, signed: false };
    Interface {
        top: TOP.into(),
        ports: vec![port("a", Direction::Input), port("y", Direction::Output)],
        roles: vec![Role::Data, Role::Data],
        constants: vec![Vec::new(), Vec::new()],
        pool: Vec::new(),
        durations: Vec::new(),
        sequential: false,
        initialised: true,
    }
}
