//! Whether the code of a sample is Verilog: slang's answer, asked in a worker process, since text from
//! strangers may bring a parser down.

use clap::ValueEnum;

use crate::corpus::sft::{Reason, Unfit};
use crate::design;
use crate::verify::elaborator::{Elaborated, Elaborator};
use crate::worker::WorkerError;

/// How much the code must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Check {
    /// slang can parse it
    Parse,
    /// slang can also elaborate it: every module that it uses is there
    Elaborate,
}

/// Returns what is wrong with some code.
pub fn fault(
    check: Check,
    elaborator: &mut Elaborator,
    code: &str,
) -> Result<Option<Unfit>, WorkerError> {
    Ok(match elaborator.elaborate(code, None)? {
        Elaborated::Design(_) => None,
        Elaborated::Refused(refusal) => counts(check, &refusal),
        Elaborated::Died(how) => {
            Some(Unfit { reason: Reason::Crash, message: format!("the elaborator {how}") })
        }
    })
}

/// Several tops, forbidden tasks and what no backend judges are no faults of training data.
fn counts(check: Check, refusal: &design::Refusal) -> Option<Unfit> {
    let reason = match refusal.reason {
        design::Reason::ParseError => Reason::ParseError,
        design::Reason::ElaborationError if check == Check::Elaborate => Reason::ElaborationError,
        _ => return None,
    };
    let message = match &refusal.place {
        Some(place) => format!("line {} of the code: {}", place.line, refusal.message),
        None => refusal.message.clone(),
    };
    Some(Unfit { reason, message })
}
