//! A run: candidates in, verdicts out, in the order of the candidates.
//!
//! A reader takes rows a window at a time and sorts them by problem, so that a batch shares golden modules;
//! workers (threads, each with a worker process) take batches; the writer puts the rows back into their
//! order. A text that was judged is not judged again ([`texts`]), and how far the reader is ahead of the writer
//! is limited ([`pace`]), so that memory does not grow with the number of rows. What a row says depends on
//! nothing but its problem, its text and the configuration.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam::channel::{Receiver, bounded};

use super::backend::{Backend, BackendError, Module, Outcome, Subject, Task, TaskOutcome};
use super::elaborator::{Elaborated, Elaborator};
use super::lanes;
use super::stimulus::{Config, Stimulus};
use super::verdict::{SignalVerdict, Status, Verdict, judge};
use crate::candidate::{Candidate, Code, NoCode, Piece, extract_code};
use crate::design::{Bits, Design, Interface, Reason, Refusal};
use crate::problem::Problem;
use crate::record::content_hash;
use crate::verilog::Place;
use crate::worker::{WorkerError, Workers};
use goldens::{Golden, Goldens};
use pace::Pace;
use texts::Texts;

mod goldens;
mod order;
mod pace;
mod recent;
mod texts;

/// How a run is spread over the machine. None of it changes a result.
#[derive(Clone, Copy, Debug)]
pub struct Parallelism {
    /// Worker threads.
    pub threads: usize,
    /// Candidates in a batch.
    pub batch: usize,
}

/// What stops a run; never a candidate's fault.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A candidate names no known problem.
    #[error(
        "candidate {candidate}: no problem is called `{problem}` (are these the problems that the candidates were made for?)"
    )]
    UnknownProblem {
        /// The candidate's identifier.
        candidate: String,
        /// The name that is not known.
        problem: String,
    },
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A worker failed.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The rows could not be read, or the verdicts not be written.
    #[error(transparent)]
    Stream(Box<dyn std::error::Error + Send + Sync>),
}

/// What a run needs beside the candidates.
pub struct Run<'a> {
    /// The problems that candidates may name.
    pub problems: &'a [Problem],
    /// Who judges.
    pub backend: &'a dyn Backend,
    /// Whether lanes judge first, and the backend only what they hand over.
    pub lanes: bool,
    /// Starts the workers that elaborate.
    pub workers: &'a Workers,
    /// The stimulus.
    pub config: &'a Config,
    /// How the run is spread over the machine.
    pub parallelism: Parallelism,
    /// Becomes true when the run is to end early, on a whole record.
    pub stop: &'a AtomicBool,
}

/// Where verdicts go.
pub trait Sink {
    /// Takes the next verdict, in the order of the candidates.
    fn write(&mut self, verdict: Verdict) -> Result<(), RunError>;

    /// Is shown a verdict that must wait for earlier rows, so that a run that is stopped need not have judged
    /// it in vain.
    fn keep(&mut self, _row: usize, _verdict: &Verdict) -> Result<(), RunError> {
        Ok(())
    }

    /// A batch is done: what was taken is better handed on now than later.
    fn settle(&mut self) -> Result<(), RunError> {
        Ok(())
    }
}

impl<F: FnMut(Verdict) -> Result<(), RunError>> Sink for F {
    fn write(&mut self, verdict: Verdict) -> Result<(), RunError> {
        self(verdict)
    }
}

/// What a run did beside its verdicts.
#[derive(Debug, Default)]
pub struct Told {
    /// Candidates that were not judged because one of equal text was.
    pub repeated: usize,
    /// Candidates that lanes handed over to the backend, by the reason.
    pub handed_over: BTreeMap<String, u64>,
}

/// Judges `candidates` and gives each verdict to `sink`, in their order.
///
/// Returns early, with all verdicts given so far in order, when `run.stop` becomes true.
pub fn verify(
    run: &Run,
    candidates: impl Iterator<Item = Result<Candidate, RunError>> + Send,
    sink: impl Sink,
) -> Result<Told, RunError> {
    verify_rest(run, candidates, BTreeMap::new(), sink)
}

/// The same for a run that goes on: `known` has the verdicts that an earlier one kept, by row.
pub fn verify_rest(
    run: &Run,
    candidates: impl Iterator<Item = Result<Candidate, RunError>> + Send,
    known: BTreeMap<usize, Verdict>,
    mut sink: impl Sink,
) -> Result<Told, RunError> {
    let Run { parallelism, stop, .. } = run;
    let context = Context::new(run);
    let (batch_in, batch_out) = bounded::<Vec<Row>>(parallelism.threads);
    let (verdict_in, verdict_out) = bounded(parallelism.threads * 2);
    let halted = AtomicBool::new(false);
    let done = crossbeam::thread::scope(|scope| {
        let (context, halted) = (&context, &halted);
        let early = verdict_in.clone();
        scope.spawn(move |_| {
            let until = || stop.load(Ordering::Relaxed) || halted.load(Ordering::Relaxed);
            let reader = order::Reader::new(context, *parallelism, &batch_in, &early, until);
            if let Err(error) = reader.read(candidates, known) {
                // A closed channel means that the run has ended already.
                let _ = early.send(Err(error));
            }
        });
        for _ in 0..parallelism.threads {
            let (batches, verdicts) = (batch_out.clone(), verdict_in.clone());
            scope.spawn(move |_| work(context, &batches, &verdicts));
        }
        drop((batch_out, verdict_in));
        let outcome = order::write(&verdict_out, &context.pace, &mut sink);
        halted.store(true, Ordering::Relaxed);
        drop(verdict_out);
        outcome
    });
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let handed_over = context.handed_over.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Told { repeated: context.texts.repeated(), handed_over })
}

/// The task of one candidate alone (a second one is the same in another order of processes), or the status that it gets without one.
pub fn task_of(
    run: &Run,
    candidate: &Candidate,
) -> Result<Result<Task, (Status, String)>, RunError> {
    let context = Context::new(run);
    let mut elaborator = Elaborator::new(run.workers, run.backend.timing());
    let problem = context.find(candidate)?;
    let golden = context.golden(problem, &mut elaborator)?;
    let golden = match &*golden {
        Ok(golden) => golden,
        Err(why) => return Ok(Err((Status::BadProblem, why.clone()))),
    };
    let row = context.row(0, problem, candidate.clone());
    let problem = &run.problems[problem];
    Ok(match prepare(problem, golden, &row, &mut elaborator)? {
        Ok(design) => {
            let mut task = task(problem, golden);
            task.candidates.extend(subjects(golden, &design));
            Ok(task)
        }
        Err(finding) => {
            let verdict = context.verdict(&row, &finding);
            Err((verdict.status, verdict.message.unwrap_or_default()))
        }
    })
}

/// A candidate on its way.
#[derive(Debug)]
struct Row {
    index: usize,
    problem: usize,
    candidate: Candidate,
    code: Result<Code, NoCode>,
    /// Equal for equal text; a row without code has none.
    key: Option<texts::Key>,
}

impl Row {
    /// The memory that its texts take: a completion of escapes has a piece for each character.
    fn bytes(&self) -> usize {
        let code = self
            .code
            .as_ref()
            .map_or(0, |code| code.text.len() + code.pieces.len() * size_of::<Piece>());
        self.candidate.completion.len() + code
    }
}

/// What was found of a text, wherever it stands.
#[derive(Debug)]
enum Finding {
    /// slang refuses it; the place is one in the code.
    Refused(Refusal),
    /// It came so far, for this reason.
    Ended(Status, String),
    /// A backend ran it, and stopped for this reason.
    Stopped {
        /// The backend.
        backend: &'static str,
        /// How it ended.
        status: Status,
        /// The reason.
        message: String,
    },
    /// It was simulated.
    Judged {
        /// The backend.
        backend: &'static str,
        /// Signals with a race.
        races: Vec<String>,
        /// The verdict on each output.
        signals: Vec<SignalVerdict>,
    },
}

impl Finding {
    /// The memory that it takes, roughly.
    fn bytes(&self) -> usize {
        /// A table's own: the key twice, and an entry.
        const OVERHEAD: usize = 256;
        let text = match self {
            Finding::Refused(refusal) => refusal.message.len(),
            Finding::Ended(_, message) | Finding::Stopped { message, .. } => message.len(),
            Finding::Judged { races, signals, .. } => {
                let first = |signal: &SignalVerdict| {
                    signal.first.as_ref().map_or(0, |f| f.golden.len() + f.candidate.len() + 32)
                };
                let signal = |signal: &SignalVerdict| {
                    size_of::<SignalVerdict>() + signal.name.len() + first(signal) + 16
                };
                races.iter().map(|name| name.len() + 40).sum::<usize>()
                    + signals.iter().map(signal).sum::<usize>()
            }
        };
        OVERHEAD + size_of::<Finding>() + text
    }
}

/// What all threads share.
struct Context<'a> {
    problems: &'a [Problem],
    by_name: HashMap<&'a str, usize>,
    keys: Vec<texts::Key>,
    goldens: Goldens,
    texts: Texts,
    pace: Pace,
    /// Candidates that lanes handed over, by the reason.
    handed_over: Mutex<BTreeMap<String, u64>>,
    backend: &'a dyn Backend,
    lanes: bool,
    workers: &'a Workers,
    config: &'a Config,
}

struct GoldenModule {
    design: Design,
    key: String,
}

impl<'a> Context<'a> {
    fn new(run: &'a Run<'a>) -> Self {
        let Run { problems, backend, lanes, workers, config, .. } = *run;
        Context {
            by_name: problems.iter().enumerate().map(|(i, p)| (p.problem.as_str(), i)).collect(),
            keys: problems.iter().map(texts::problem_key).collect(),
            goldens: Goldens::new(),
            texts: Texts::new(),
            pace: Pace::default(),
            handed_over: Mutex::default(),
            problems,
            backend,
            lanes,
            workers,
            config,
        }
    }

    fn find(&self, candidate: &Candidate) -> Result<usize, RunError> {
        let known = self.by_name.get(candidate.problem.as_str()).copied();
        known.ok_or_else(|| RunError::UnknownProblem {
            candidate: candidate.id.clone(),
            problem: candidate.problem.clone(),
        })
    }

    fn row(&self, index: usize, problem: usize, candidate: Candidate) -> Row {
        let Problem { prompt, top, .. } = &self.problems[problem];
        let code = extract_code(&candidate.completion, prompt, top);
        let key = code.as_ref().ok().map(|code| texts::key(&self.keys[problem], &code.text));
        Row { index, problem, candidate, code, key }
    }

    fn golden(&self, problem: usize, elaborator: &mut Elaborator) -> Result<Arc<Golden>, RunError> {
        let elaborate = || elaborate_golden(&self.problems[problem], self, elaborator);
        self.goldens.get(problem, elaborate)
    }

    /// Counts a candidate that lanes handed over. Reasons may hold names of a text: there is room for so many different ones.
    fn hand_over(&self, why: String) {
        const REASONS_MAX: usize = 200;
        let mut reasons = self.handed_over.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = reasons.len() >= REASONS_MAX && !reasons.contains_key(&why);
        *reasons.entry(if is_full { "other reasons".to_owned() } else { why }).or_default() += 1;
    }

    /// The verdicts of a row, and of those with equal text that wait for it.
    fn finish(&self, row: Row, finding: Finding) -> Vec<(usize, Verdict)> {
        let finding = Arc::new(finding);
        let waited = row.key.map(|key| self.texts.finish(key, finding.clone()));
        let rows = std::iter::once(row).chain(waited.unwrap_or_default());
        rows.map(|row| {
            self.pace.judged(row.bytes());
            (row.index, self.verdict(&row, &finding))
        })
        .collect()
    }
}

/// Identity of a problem's golden module and legal inputs: with the seed it decides the stimulus.
pub fn golden_key(problem: &Problem, top: &str) -> String {
    content_hash(
        [problem.golden.as_str(), top, &format!("{:?}", problem.inputs)]
            .map(|part| content_hash(part.as_bytes()))
            .concat()
            .as_bytes(),
    )
}

fn elaborate_golden(
    problem: &Problem,
    context: &Context,
    elaborator: &mut Elaborator,
) -> Result<Golden, RunError> {
    let (source, top) = (&problem.golden, problem.golden_top.as_deref());
    let mut elaborated = None;
    if context.lanes {
        // What the worker dies of may be the lowering, which only lanes need.
        let both = elaborator.golden(source, top)?;
        elaborated = Some(both).filter(|both| !matches!(both, Elaborated::Died(_)));
    }
    let design = match elaborated.map_or_else(|| elaborator.elaborate(source, top), Ok)? {
        Elaborated::Design(design) => *design,
        Elaborated::Refused(refusal) => return Ok(Err(describe(&refusal))),
        Elaborated::Died(how) => return Ok(Err(format!("the elaborator {how}"))),
    };
    let key = golden_key(problem, &design.interface.top);
    if design.interface.outputs().next().is_none() {
        return Ok(Err("the golden module has no output".into()));
    }
    if let Some(output) = design.uses_z.first() {
        let what = "of the golden module may be Z, which a backend without Z cannot judge";
        return Ok(Err(format!("output {output} {what}")));
    }
    // Restrictions that do not fit the interface show here, before anything is built.
    let stimulus =
        Stimulus::new(&design.interface, &problem.inputs, key.as_bytes(), context.config);
    Ok(stimulus.map(|_| GoldenModule { design, key }).map_err(|error| error.to_string()))
}

fn work(context: &Context, batches: &Receiver<Vec<Row>>, verdicts: &order::Verdicts) {
    let mut elaborator = Elaborator::new(context.workers, context.backend.timing());
    elaborator.start();
    for batch in batches {
        let judged = judge_batch(context, batch, &mut elaborator);
        let failed = judged.is_err();
        if verdicts.send(judged).is_err() || failed {
            return;
        }
    }
}

/// Judges a batch: what fails before the simulation gets its status, the rest goes to the backend.
fn judge_batch(
    context: &Context,
    batch: Vec<Row>,
    elaborator: &mut Elaborator,
) -> Result<Vec<(usize, Verdict)>, RunError> {
    let mut verdicts = Vec::with_capacity(batch.len());
    let mut tasks: Vec<(Task, Vec<(Row, Design)>)> = Vec::new();
    let mut batch = batch.into_iter().peekable();
    while let Some(row) = batch.next() {
        let number = row.problem;
        let mut rows = vec![row];
        rows.extend(std::iter::from_fn(|| batch.next_if(|row| row.problem == number)));
        let problem = &context.problems[number];
        let golden = context.golden(number, elaborator)?;
        let golden = match &*golden {
            Ok(golden) => golden,
            Err(why) => {
                let finding = || Finding::Ended(Status::BadProblem, why.clone());
                verdicts.extend(rows.into_iter().flat_map(|row| context.finish(row, finding())));
                continue;
            }
        };
        let (mut candidates, mut left) = (Vec::new(), Vec::new());
        let found = judge_by_lanes(context, problem, golden, &rows, elaborator)?;
        for (row, found) in rows.into_iter().zip(found) {
            let early = match found {
                Some(finding) => Err(finding),
                None => prepare(problem, golden, &row, elaborator)?,
            };
            match early {
                Ok(design) => {
                    candidates.extend(subjects(golden, &design));
                    left.push((row, *design));
                }
                Err(finding) => verdicts.extend(context.finish(row, finding)),
            }
        }
        if !left.is_empty() {
            tasks.push((Task { candidates, ..task(problem, golden) }, left));
        }
    }
    let (tasks, rows): (Vec<Task>, Vec<_>) = tasks.into_iter().unzip();
    let outcomes = if tasks.is_empty() {
        Vec::new()
    } else {
        context.backend.judge(&tasks, context.config)?
    };
    for ((task, rows), outcome) in tasks.iter().zip(rows).zip(outcomes) {
        verdicts.extend(context.verdicts(task, rows, outcome));
    }
    Ok(verdicts)
}

/// What lanes find of each of a problem's candidates; nothing of those for which they are not asked or that they hand over.
fn judge_by_lanes(
    context: &Context,
    problem: &Problem,
    golden: &GoldenModule,
    rows: &[Row],
    elaborator: &mut Elaborator,
) -> Result<Vec<Option<Finding>>, RunError> {
    let text = |row| text_for_lanes(context, row);
    let texts: Vec<&String> = rows.iter().filter_map(text).collect();
    let job = |number: usize| lanes::job::Job {
        golden: problem.golden.clone(),
        golden_top: problem.golden_top.clone(),
        restrictions: problem.inputs.clone(),
        key: golden.key.clone(),
        config: *context.config,
        candidate: texts[number].clone(),
        top: problem.top.clone(),
    };
    let mut judged = elaborator.judge_each(texts.len(), job)?.into_iter();
    let finding = |row| text(row).and_then(|_| found_by_lanes(context, golden, judged.next()?));
    Ok(rows.iter().map(finding).collect())
}

/// The text of a row, if lanes are asked about it.
fn text_for_lanes<'r>(context: &Context, row: &'r Row) -> Option<&'r String> {
    row.code.as_ref().ok().filter(|_| context.lanes).map(|code| &code.text)
}

/// What a verdict of lanes says of a text; nothing where they hand it over.
fn found_by_lanes(
    context: &Context,
    golden: &GoldenModule,
    verdict: lanes::job::Verdict,
) -> Option<Finding> {
    match verdict {
        lanes::job::Verdict::Refused(refusal) => Some(Finding::Refused(refusal)),
        lanes::job::Verdict::UsesZ(output) => Some(uses_z(&output)),
        lanes::job::Verdict::PortMismatch(difference) => {
            Some(Finding::Ended(Status::PortMismatch, difference))
        }
        lanes::job::Verdict::Judged { races, outcome } => {
            let interface = &golden.design.interface;
            Some(outcome_finding(interface, LANES, races, outcome))
        }
        lanes::job::Verdict::HandedOver(why) => {
            context.hand_over(why);
            None
        }
    }
}

/// The name of lanes in records.
pub const LANES: &str = "lanes";

fn uses_z(output: &str) -> Finding {
    let message = format!("output {output} may be Z, which a backend without Z cannot judge");
    Finding::Ended(Status::Unsupported, message)
}

/// What an outcome says of a text.
fn outcome_finding(
    interface: &Interface,
    backend: &'static str,
    races: Vec<String>,
    outcome: Outcome,
) -> Finding {
    let stopped = |status, message| Finding::Stopped { backend, status, message };
    match outcome {
        Outcome::Counted(counts) => {
            let outputs = interface.outputs().zip(counts);
            let signals = outputs.map(|(port, count)| judge(&port.name, count)).collect();
            Finding::Judged { backend, races, signals }
        }
        Outcome::Unsupported(why) => stopped(Status::Unsupported, why),
        Outcome::Timeout(why) => stopped(Status::Timeout, why),
        Outcome::Crash(why) => stopped(Status::Crash, why),
    }
}

type Early = Result<Box<Design>, Finding>;

/// A candidate's design, or what ends its way here.
fn prepare(
    problem: &Problem,
    golden: &GoldenModule,
    row: &Row,
    elaborator: &mut Elaborator,
) -> Result<Early, RunError> {
    let ended = |status, message| Ok(Err(Finding::Ended(status, message)));
    let code = match &row.code {
        Ok(code) => code,
        // A limit of ours: there may be a right module in it.
        Err(why @ NoCode::TooLong { .. }) => return ended(Status::Unsupported, why.to_string()),
        Err(why) => return ended(Status::NoCode, why.to_string()),
    };
    let design = match elaborator.elaborate(&code.text, Some(&problem.top))? {
        Elaborated::Design(design) => design,
        Elaborated::Refused(refusal) => return Ok(Err(Finding::Refused(refusal))),
        Elaborated::Died(how) => return ended(Status::Crash, format!("the elaborator {how}")),
    };
    if let Some(output) = design.uses_z.first() {
        return Ok(Err(uses_z(output)));
    }
    match golden.design.interface.accepts(&design.interface) {
        Ok(()) => Ok(Ok(design)),
        Err(difference) => ended(Status::PortMismatch, difference),
    }
}

fn task(problem: &Problem, golden: &GoldenModule) -> Task {
    Task {
        interface: golden.design.interface.clone(),
        restrictions: problem.inputs.clone(),
        key: golden.key.clone(),
        golden: module(&golden.design),
        candidates: Vec::new(),
    }
}

fn module(design: &Design) -> Module {
    Module { top: design.interface.top.clone(), source: design.source.clone() }
}

/// What is simulated of a candidate: its text, and the same in another order of processes.
fn subjects(golden: &GoldenModule, design: &Design) -> Vec<Subject> {
    let known = &golden.design.interface.pool;
    let fresh = |constant: &&Bits| !known.iter().any(|k| k.words == constant.words);
    let constants: Vec<Bits> = design.interface.pool.iter().filter(fresh).cloned().collect();
    let top = &design.interface.top;
    let texts = std::iter::once(&design.source).chain(&design.reordered);
    let subject = |source: &String| Subject {
        module: Module { top: top.clone(), source: source.clone() },
        constants: constants.clone(),
    };
    texts.map(subject).collect()
}

/// One outcome for each row, whose other orders of processes are taken in.
fn merge(rows: &[(Row, Design)], outcomes: Vec<Outcome>) -> Vec<Outcome> {
    let mut outcomes = outcomes.into_iter();
    let each = rows.iter().map(|(_, design)| {
        let mut outcome = outcomes.next().unwrap_or_else(|| unreachable!("one for each subject"));
        let reordered = design.reordered.as_ref().and_then(|_| outcomes.next());
        if let Some(other) = reordered {
            lanes::job::add_order(&mut outcome, other);
        }
        outcome
    });
    each.collect()
}

impl Context<'_> {
    /// What is said of a row when this was found of its text.
    fn verdict(&self, row: &Row, finding: &Finding) -> Verdict {
        let (status, message) = match finding {
            Finding::Judged { .. } => (Status::Judged, None),
            Finding::Ended(status, message) | Finding::Stopped { status, message, .. } => {
                (*status, Some(message.clone()))
            }
            Finding::Refused(refusal) => {
                let message = match &row.code {
                    Ok(code) => describe_in_completion(refusal, code, &row.candidate.completion),
                    Err(_) => describe(refusal),
                };
                (status(refusal.reason), Some(message))
            }
        };
        let (races, signals) = match finding {
            Finding::Judged { races, signals, .. } => (races.clone(), signals.clone()),
            _ => (Vec::new(), Vec::new()),
        };
        Verdict {
            problem: row.candidate.problem.clone(),
            candidate: row.candidate.id.clone(),
            status,
            message,
            backend: match finding {
                Finding::Judged { backend, .. } | Finding::Stopped { backend, .. } => {
                    (*backend).into()
                }
                _ => self.backend.name().into(),
            },
            profile: self.config.profile.name().into(),
            races,
            signals,
        }
    }

    fn verdicts(
        &self,
        task: &Task,
        rows: Vec<(Row, Design)>,
        outcome: TaskOutcome,
    ) -> Vec<(usize, Verdict)> {
        let outcomes: Vec<Result<Outcome, String>> = match outcome {
            TaskOutcome::BadGolden(why) => rows.iter().map(|_| Err(why.clone())).collect(),
            TaskOutcome::Candidates(all) => merge(&rows, all).into_iter().map(Ok).collect(),
        };
        let finding = |design: Design, outcome| match outcome {
            Ok(outcome) => {
                let backend = self.backend.name();
                outcome_finding(&task.interface, backend, design.races, outcome)
            }
            Err(why) => Finding::Ended(Status::BadProblem, why),
        };
        rows.into_iter()
            .zip(outcomes)
            .flat_map(|((row, design), outcome)| self.finish(row, finding(design, outcome)))
            .collect()
    }
}

fn status(reason: Reason) -> Status {
    match reason {
        Reason::ParseError => Status::ParseError,
        Reason::ElaborationError => Status::ElaborationError,
        Reason::WrongTop => Status::WrongTop,
        Reason::InoutPort => Status::PortMismatch,
        Reason::Forbidden => Status::Forbidden,
        Reason::Unsupported => Status::Unsupported,
    }
}

fn describe(refusal: &Refusal) -> String {
    match &refusal.place {
        Some(place) => format!("line {}: {}", place.line, refusal.message),
        None => refusal.message.clone(),
    }
}

/// The refusal with its line in the completion as given, where the text came from there.
fn describe_in_completion(refusal: &Refusal, code: &Code, completion: &str) -> String {
    let place = refusal.place.as_ref().and_then(|place| {
        let lines = code.text.split_inclusive('\n').take(place.line - 1);
        let offset = lines.map(str::len).sum::<usize>() + place.column - 1;
        code.in_completion(offset.min(code.text.len().saturating_sub(1)))
    });
    match place {
        Some(offset) => {
            let line = Place::of(completion, offset).line;
            format!("line {line}: {}", refusal.message)
        }
        None => refusal.message.clone(),
    }
}
