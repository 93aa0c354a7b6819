//! The work that extraction gives to worker processes ([`crate::worker`]): parse a candidate, cut its cones.
//!
//! slang is C++ and recurses, and a text that crashes it or takes for ever must not take the run with it. So a
//! text is parsed in a process that is closed in before the first text is looked at: no files, no network, no
//! other process, and limits on memory and CPU time. A text on which two processes die in turn is reported as
//! what it is: a whole module, with the reason.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Analysis, analyse};
use crate::verilog::syntax::STACK_BYTES;
use crate::worker::sandbox::{self, Limits};
use crate::worker::{self, Relay, Reply, Work, WorkerError, Workers};

/// Limits of a worker that parses: its stack, and five times as much for trees and cones; the largest real text
/// takes a hundredth of it.
const LIMITS: Limits = Limits { memory: 6 * STACK_BYTES as u64, ..sandbox::WORKER };

/// CPU time for one text in seconds: the slowest of 32,000 real ones takes less than one.
const CPU_SECONDS: u64 = 60;

/// What is asked of one text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The text.
    pub code: String,
    /// Name of its top module.
    pub top: String,
    /// Also give the texts that a proof needs.
    pub proof: Option<Proof>,
    /// Multiplies the CPU limit.
    pub patience: u64,
}

/// How a cone is to be proved.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Proof {
    /// Statements that are taken out one by one, for each output at most.
    pub deletions: usize,
    /// Which ones.
    pub seed: u64,
}

/// The cones of a text, or why it has none.
pub type Answer = Result<Vec<SignalCone>, String>;

/// The cone of one output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalCone {
    /// The output.
    pub name: String,
    /// Spans of the code.
    pub spans: Vec<Range<usize>>,
    /// Why the whole module stands for the cone.
    pub whole: Option<String>,
    /// Bytes of the cone, and of all code, that are no white space and no comment.
    pub bytes: (usize, usize),
    /// The code with everything else blank; empty unless asked for.
    pub blanked: String,
    /// Texts without one statement.
    pub deletions: Vec<Deletion>,
}

/// A text from which one statement of a cone is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// The statement.
    pub span: Range<usize>,
    /// The rest of the cone.
    pub text: String,
    /// The rest of the whole code.
    pub code: String,
}

/// A worker that parses.
#[derive(Debug)]
pub struct Extracting;

impl Work for Extracting {
    const NAME: &'static str = "extract";
    type Request = Request;
    type Event = Answer;

    fn answer(&mut self, request: Request, reply: &mut Reply<Answer>) -> Result<(), WorkerError> {
        worker::allow_cpu_seconds(CPU_SECONDS * request.patience)?;
        match worker::caught(|| compute(&request)) {
            Ok(answer) => reply.send(&answer),
            Err(panic) => reply.panicked(panic),
        }
    }
}

/// The life of a worker that parses: called by the hidden subcommand, with the socket as standard input.
pub fn serve() -> Result<(), WorkerError> {
    worker::serve_deep(Extracting, LIMITS, STACK_BYTES)
}

/// Asks a worker that parses.
#[derive(Debug)]
pub struct Extractor<'a>(Relay<'a, Extracting>);

impl<'a> Extractor<'a> {
    /// Prepares one; no process is started yet.
    pub fn new(workers: &'a Workers) -> Self {
        Extractor(Relay::new(workers))
    }

    /// The cones of a text; a text on which workers die has none.
    pub fn ask(
        &mut self,
        code: &str,
        top: &str,
        proof: Option<Proof>,
    ) -> Result<Answer, WorkerError> {
        let (code, top) = (code.to_owned(), top.to_owned());
        let request = |patience| Request { code: code.clone(), top: top.clone(), proof, patience };
        Ok(self.0.ask(request)?.unwrap_or_else(|death| Err(format!("the parser {death}"))))
    }
}

/// Computes the cones of a text in this process, on a stack of its own: for texts that are trusted to end.
pub fn cones(request: &Request) -> Answer {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, || compute(request));
        let thread = thread.map_err(|error| format!("no thread to parse on: {error}"))?;
        thread.join().unwrap_or_else(|_| Err("the analysis panicked".into()))
    })
}

fn compute(request: &Request) -> Answer {
    let analysis = analyse(&request.code, &request.top)?;
    let all = analysis.code_bytes(std::slice::from_ref(&(0..request.code.len())));
    let outputs: Vec<String> = analysis.outputs().map(str::to_owned).collect();
    let signals = outputs.into_iter().filter_map(|name| {
        let cone = analysis.cone(&name)?;
        let spans = analysis.spans(&cone);
        let bytes = (analysis.code_bytes(&spans), all);
        let mut signal = SignalCone {
            name,
            bytes,
            spans,
            whole: cone.whole.clone(),
            blanked: String::new(),
            deletions: Vec::new(),
        };
        if let Some(proof) = request.proof.filter(|_| cone.whole.is_none()) {
            let kept = analysis.kept(&cone);
            signal.blanked = analysis.blanked(&kept);
            signal.deletions = deletions(&analysis, &cone, &kept, proof);
        }
        Some(signal)
    });
    Ok(signals.collect())
}

/// A sample of a cone's statements; the seed and the output decide which.
fn deletions(
    analysis: &Analysis,
    cone: &super::Cone,
    kept: &super::Kept,
    proof: Proof,
) -> Vec<Deletion> {
    let mut statements = analysis.statements(cone);
    let mut state = proof.seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut chosen = Vec::new();
    while chosen.len() < proof.deletions && !statements.is_empty() {
        // xorshift64*: any sequence will do, as long as it is always the same.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let draw = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        let index = usize::try_from(draw).unwrap_or(0) % statements.len();
        chosen.push(statements.swap_remove(index));
    }
    let everything = analysis.everything();
    let deletion = |statement: usize| Deletion {
        span: analysis.span_of(statement),
        text: analysis.blanked(&analysis.without(kept, statement)),
        code: analysis.blanked(&analysis.without(&everything, statement)),
    };
    chosen.into_iter().map(deletion).collect()
}
