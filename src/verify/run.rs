//! A run: candidates in, verdicts out, in the order of the candidates.
//!
//! A reader takes rows a window at a time and sorts them by problem, so that a batch shares golden modules;
//! workers (threads, each with a worker process) take batches; the writer puts the rows back into their
//! order. What a row says depends on nothing but its problem, its text and the configuration.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crossbeam::channel::{Receiver, Sender, bounded};

use super::backend::{Backend, BackendError, Count, Module, Outcome, Subject, Task, TaskOutcome};
use super::stimulus::{Config, Stimulus};
use super::verdict::{MismatchKind, Status, Verdict, judge};
use super::verilator::timing::{Stage, Timing};
use super::worker::{Answer, Event, Request, Worker, WorkerError, Workers};
use crate::candidate::{Candidate, Code, extract_code};
use crate::design::{Bits, Design, Reason, Refusal};
use crate::problem::Problem;
use crate::record::content_hash;
use crate::verilog::Place;

/// How a run is spread over the machine. None of it changes a result.
#[derive(Clone, Copy, Debug)]
pub struct Parallelism {
    /// Worker threads.
    pub threads: usize,
    /// Candidates in a batch.
    pub batch: usize,
}

/// Rows that are read ahead and sorted by problem.
const WINDOW: usize = 4096;

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
    /// Starts the workers that elaborate.
    pub workers: &'a Workers,
    /// The stimulus.
    pub config: &'a Config,
    /// How the run is spread over the machine.
    pub parallelism: Parallelism,
    /// Becomes true when the run is to end early, on a whole record.
    pub stop: &'a AtomicBool,
}

/// Judges `candidates` and gives each verdict to `sink`, in their order.
///
/// Returns early, with all verdicts given so far in order, when `run.stop` becomes true.
pub fn verify(
    run: &Run,
    candidates: impl Iterator<Item = Result<Candidate, RunError>> + Send,
    mut sink: impl FnMut(Verdict) -> Result<(), RunError>,
) -> Result<(), RunError> {
    let Run { parallelism, stop, .. } = run;
    let context = Context::new(run);
    let (batch_in, batch_out) = bounded::<Vec<Row>>(parallelism.threads);
    let (verdict_in, verdict_out) = bounded(parallelism.threads * 2);
    let halted = AtomicBool::new(false);
    let done = crossbeam::thread::scope(|scope| {
        let (context, halted) = (&context, &halted);
        let errors = verdict_in.clone();
        scope.spawn(move |_| {
            let until = || stop.load(Ordering::Relaxed) || halted.load(Ordering::Relaxed);
            if let Err(error) = read(context, candidates, *parallelism, &batch_in, until) {
                // A closed channel means that the run has ended already.
                let _ = errors.send(Err(error));
            }
        });
        for _ in 0..parallelism.threads {
            let (batches, verdicts) = (batch_out.clone(), verdict_in.clone());
            scope.spawn(move |_| work(context, &batches, &verdicts));
        }
        drop((batch_out, verdict_in));
        let outcome = write_in_order(&verdict_out, &mut sink);
        halted.store(true, Ordering::Relaxed);
        drop(verdict_out);
        outcome
    });
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The task of one candidate alone (a second one is the same in another order of processes), or the status that it gets without one.
pub fn task_of(
    run: &Run,
    candidate: &Candidate,
) -> Result<Result<Task, (Status, String)>, RunError> {
    let context = Context::new(run);
    let mut elaborator =
        Elaborator { workers: run.workers, worker: None, timing: run.backend.timing() };
    let problem = context.find(candidate)?;
    let golden = context.golden(problem, &mut elaborator)?;
    let golden = match &*golden {
        Ok(golden) => golden,
        Err(why) => return Ok(Err((Status::BadProblem, why.clone()))),
    };
    let problem = &run.problems[problem];
    Ok(prepare(problem, golden, candidate, &mut elaborator)?.map(|design| {
        let mut task = task(problem, golden);
        task.candidates.extend(subjects(golden, &design));
        task
    }))
}

/// A candidate on its way.
struct Row {
    index: usize,
    problem: usize,
    candidate: Candidate,
}

type Judged = Result<Vec<(usize, Verdict)>, RunError>;

/// What all threads share.
struct Context<'a> {
    problems: &'a [Problem],
    by_name: HashMap<&'a str, usize>,
    goldens: Vec<OnceLock<Arc<Golden>>>,
    /// Elaborating a golden module is done once; the lock keeps the second from starting.
    elaborating: Vec<Mutex<()>>,
    backend: &'a dyn Backend,
    workers: &'a Workers,
    config: &'a Config,
}

/// A golden module, or why it cannot be judged.
type Golden = Result<GoldenModule, String>;

struct GoldenModule {
    design: Design,
    key: String,
}

impl<'a> Context<'a> {
    fn new(run: &'a Run<'a>) -> Self {
        let Run { problems, backend, workers, config, .. } = *run;
        Context {
            by_name: problems.iter().enumerate().map(|(i, p)| (p.problem.as_str(), i)).collect(),
            goldens: problems.iter().map(|_| OnceLock::new()).collect(),
            elaborating: problems.iter().map(|_| Mutex::new(())).collect(),
            problems,
            backend,
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

    fn golden(&self, problem: usize, elaborator: &mut Elaborator) -> Result<Arc<Golden>, RunError> {
        let guard =
            self.elaborating[problem].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(golden) = self.goldens[problem].get() {
            return Ok(golden.clone());
        }
        let golden = Arc::new(elaborate_golden(&self.problems[problem], self.config, elaborator)?);
        let kept = self.goldens[problem].get_or_init(|| golden).clone();
        drop(guard);
        Ok(kept)
    }
}

fn elaborate_golden(
    problem: &Problem,
    config: &Config,
    elaborator: &mut Elaborator,
) -> Result<Golden, RunError> {
    let design = match elaborator.elaborate(&problem.golden, problem.golden_top.as_deref())? {
        Elaborated::Design(design) => *design,
        Elaborated::Refused(refusal) => return Ok(Err(describe(&refusal))),
        Elaborated::Died(how) => return Ok(Err(format!("the elaborator {how}"))),
    };
    let key = content_hash(
        [&problem.golden, &design.interface.top, &format!("{:?}", problem.inputs)]
            .map(|part| content_hash(part.as_bytes()))
            .concat()
            .as_bytes(),
    );
    if design.interface.outputs().next().is_none() {
        return Ok(Err("the golden module has no output".into()));
    }
    if let Some(output) = design.uses_z.first() {
        let what = "of the golden module may be Z, which a backend without Z cannot judge";
        return Ok(Err(format!("output {output} {what}")));
    }
    // Restrictions that do not fit the interface show here, before anything is built.
    let stimulus = Stimulus::new(&design.interface, &problem.inputs, key.as_bytes(), config);
    Ok(stimulus.map(|_| GoldenModule { design, key }).map_err(|error| error.to_string()))
}

/// Reads rows, a window at a time, and sends batches of rows of neighbouring problems.
fn read(
    context: &Context,
    candidates: impl Iterator<Item = Result<Candidate, RunError>>,
    Parallelism { threads, batch }: Parallelism,
    batches: &Sender<Vec<Row>>,
    until: impl Fn() -> bool,
) -> Result<(), RunError> {
    let mut window = Vec::new();
    let send = |window: &mut Vec<Row>| {
        window.sort_by_key(|row| (row.problem, row.index));
        // A run shorter than a batch for each thread still keeps all threads busy.
        let batch = batch.min(window.len().div_ceil(threads));
        while !window.is_empty() && !until() {
            let rest = window.split_off(batch.min(window.len()));
            if batches.send(std::mem::replace(window, rest)).is_err() {
                break;
            }
        }
        window.clear();
    };
    for (index, candidate) in candidates.enumerate() {
        let candidate = candidate?;
        let problem = context.find(&candidate)?;
        window.push(Row { index, problem, candidate });
        if window.len() == WINDOW {
            send(&mut window);
        }
        if until() {
            return Ok(());
        }
    }
    send(&mut window);
    Ok(())
}

fn work(context: &Context, batches: &Receiver<Vec<Row>>, verdicts: &Sender<Judged>) {
    let mut elaborator =
        Elaborator { workers: context.workers, worker: None, timing: context.backend.timing() };
    for batch in batches {
        let judged = judge_batch(context, batch, &mut elaborator);
        let failed = judged.is_err();
        if verdicts.send(judged).is_err() || failed {
            return;
        }
    }
}

/// Gives verdicts to `sink` in the order of their index as far as there is no gap.
fn write_in_order(
    verdicts: &Receiver<Judged>,
    sink: &mut impl FnMut(Verdict) -> Result<(), RunError>,
) -> Result<(), RunError> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for judged in verdicts {
        waiting.extend(judged?);
        while let Some(verdict) = waiting.remove(&next) {
            sink(verdict)?;
            next += 1;
        }
    }
    Ok(())
}

/// Judges a batch: what fails before the simulation gets its status, the rest goes to the backend.
fn judge_batch(
    context: &Context,
    batch: Vec<Row>,
    elaborator: &mut Elaborator,
) -> Result<Vec<(usize, Verdict)>, RunError> {
    let mut verdicts = Vec::with_capacity(batch.len());
    let mut tasks: Vec<(Task, Vec<(Row, Design)>)> = Vec::new();
    let mut last = None;
    for row in batch {
        let golden = context.golden(row.problem, elaborator)?;
        let problem = &context.problems[row.problem];
        let early = match &*golden {
            Err(why) => Err((Status::BadProblem, why.clone())),
            Ok(golden) => prepare(problem, golden, &row.candidate, elaborator)?,
        };
        match (early, &*golden) {
            (Ok(design), Ok(golden)) => {
                if last != Some(row.problem) {
                    tasks.push((task(problem, golden), Vec::new()));
                    last = Some(row.problem);
                }
                let (task, rows) = tasks.last_mut().unwrap_or_else(|| unreachable!("just pushed"));
                task.candidates.extend(subjects(golden, &design));
                rows.push((row, *design));
            }
            (Err((status, message)), _) => {
                verdicts.push((row.index, context.verdict(&row, status, Some(message))));
            }
            (Ok(_), Err(_)) => unreachable!("a bad problem has no design"),
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

type Early = Result<Box<Design>, (Status, String)>;

/// A candidate's design, or the status that ends its way here.
fn prepare(
    problem: &Problem,
    golden: &GoldenModule,
    candidate: &Candidate,
    elaborator: &mut Elaborator,
) -> Result<Early, RunError> {
    let code = match extract_code(&candidate.completion, &problem.prompt, &problem.top) {
        Ok(code) => code,
        Err(why) => return Ok(Err((Status::NoCode, why.to_string()))),
    };
    let design = match elaborator.elaborate(&code.text, Some(&problem.top))? {
        Elaborated::Design(design) => design,
        Elaborated::Refused(refusal) => {
            let message = describe_in_completion(&refusal, &code, &candidate.completion);
            return Ok(Err((status(refusal.reason), message)));
        }
        Elaborated::Died(how) => return Ok(Err((Status::Crash, format!("the elaborator {how}")))),
    };
    if let Some(output) = design.uses_z.first() {
        let message = format!("output {output} may be Z, which a backend without Z cannot judge");
        return Ok(Err((Status::Unsupported, message)));
    }
    match golden.design.interface.accepts(&design.interface) {
        Ok(()) => Ok(Ok(design)),
        Err(difference) => Ok(Err((Status::PortMismatch, difference))),
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
        // What cannot be run in another order is judged by the one in which it can.
        if let (Outcome::Counted(counts), Some(Outcome::Counted(others))) =
            (&mut outcome, reordered)
        {
            for (count, other) in counts.iter_mut().zip(others) {
                if count.kind.is_none() && other.kind == Some(MismatchKind::Value) {
                    *count = Count { kind: Some(MismatchKind::Order), ..other };
                }
            }
        }
        outcome
    });
    each.collect()
}

impl Context<'_> {
    fn verdict(&self, row: &Row, status: Status, message: Option<String>) -> Verdict {
        Verdict {
            problem: row.candidate.problem.clone(),
            candidate: row.candidate.id.clone(),
            status,
            message,
            backend: self.backend.name().into(),
            profile: self.config.profile.name().into(),
            races: Vec::new(),
            signals: Vec::new(),
        }
    }

    fn verdicts(
        &self,
        task: &Task,
        rows: Vec<(Row, Design)>,
        outcome: TaskOutcome,
    ) -> Vec<(usize, Verdict)> {
        let bad = |why: &String| (Status::BadProblem, Some(why.clone()), None);
        let each: Vec<(Status, Option<String>, Option<Vec<_>>)> = match outcome {
            TaskOutcome::BadGolden(why) => rows.iter().map(|_| bad(&why)).collect(),
            TaskOutcome::Candidates(all) => merge(&rows, all)
                .into_iter()
                .map(|outcome| match outcome {
                    Outcome::Counted(counts) => (Status::Judged, None, Some(counts)),
                    Outcome::Unsupported(why) => (Status::Unsupported, Some(why), None),
                    Outcome::Timeout(why) => (Status::Timeout, Some(why), None),
                    Outcome::Crash(why) => (Status::Crash, Some(why), None),
                })
                .collect(),
        };
        let make = |((row, design), (status, message, counts)): (
            (Row, Design),
            (_, _, Option<Vec<_>>),
        )| {
            let mut verdict = self.verdict(&row, status, message);
            if let Some(counts) = counts {
                verdict.races = design.races;
                let outputs = task.interface.outputs().zip(counts);
                verdict.signals = outputs.map(|(port, count)| judge(&port.name, count)).collect();
            }
            (row.index, verdict)
        };
        rows.into_iter().zip(each).map(make).collect()
    }
}

fn status(reason: Reason) -> Status {
    match reason {
        Reason::ParseError => Status::ParseError,
        Reason::ElaborationError => Status::ElaborationError,
        Reason::WrongTop => Status::WrongTop,
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

/// A worker that elaborates, started when needed and again after a death.
struct Elaborator<'a> {
    workers: &'a Workers,
    worker: Option<Worker>,
    timing: Option<&'a Timing>,
}

enum Elaborated {
    Design(Box<Design>),
    Refused(Refusal),
    /// It died on this text twice.
    Died(String),
}

impl Elaborator<'_> {
    fn elaborate(&mut self, source: &str, top: Option<&str>) -> Result<Elaborated, RunError> {
        match self.timing {
            Some(timing) => timing.time(Stage::Elaborate, || self.ask(source, top)),
            None => self.ask(source, top),
        }
    }

    fn ask(&mut self, source: &str, top: Option<&str>) -> Result<Elaborated, RunError> {
        let request = Request::Elaborate { source: source.to_owned(), top: top.map(str::to_owned) };
        let mut death = String::new();
        for _ in 0..2 {
            let mut worker = match self.worker.take() {
                Some(worker) => worker,
                None => self.workers.start()?,
            };
            worker.ask(&request)?;
            match worker.hear()? {
                Answer::Event(Event::Design(design)) => {
                    self.worker = Some(worker);
                    return Ok(match design {
                        Ok(design) => Elaborated::Design(design),
                        Err(refusal) => Elaborated::Refused(refusal),
                    });
                }
                Answer::Event(Event::Panicked(said)) => {
                    death = format!("panicked, which is a fault of salv to be reported: {said}");
                }
                Answer::Event(other) => {
                    return Err(WorkerError::Protocol(format!("unexpected event {other:?}")).into());
                }
                Answer::Died(how) => death = how,
                Answer::Left(status) => return Err(WorkerError::Left(status).into()),
            }
        }
        Ok(Elaborated::Died(death))
    }
}
