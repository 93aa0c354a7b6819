//! The verilator backend: modules become C++, C++ becomes one shared object for a batch, and a worker loads
//! it and runs it.
//!
//! A member that Verilator or the compiler refuses is dropped from its batch with the reason. If a worker
//! dies, a mark in a file says whose code was running: the batch goes on in a new worker without that
//! candidate, and the candidate is tried once more, alone and with twice the time, before it is labelled.
//!
//! The `verilated` crate is not used: it binds one model chosen when the host is compiled, and keeps global
//! state; `scripts/why-not-verilated` shows it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::backend::{Backend, BackendError, Module, Outcome, Task, TaskOutcome, Trace};
use super::cache::{Cache, CacheError, Scratch};
use super::stimulus::{self, Config};
use super::worker::{Event, Judging, Request};
use crate::design::Interface;
use crate::worker::launch::{Ended, Launch, LaunchError, Launchers};
use crate::worker::sandbox::{Limits, Tool};
use crate::worker::{Answer, WorkerError, Workers};
use harvest::Member;
use marker::Marker;
use plan::{Built, Plan, Symbol, bare};
use simulate::{Job, JobTask};
use timing::{Stage, Timing};
use unit::{Compiler, Optimise, Runtime, UnitError};

pub mod bridge;
mod canary;
pub mod harvest;
mod marker;
mod plan;
mod schedule;
pub mod simulate;
pub mod timing;
pub mod unit;
pub mod verilate;

/// Vectors from which a quicker model is worth a slower build.
const VECTORS_OF_OPTIMISED: u32 = 20_000;

/// Of one verilation: a backstop; a usual module takes some milliseconds.
const VERILATE_LIMITS: Limits =
    Limits { cpu_seconds: 60, memory: 4 << 30, file_size: 1 << 30, open_files: 256 };

/// Of the second try.
const VERILATE_LIMITS_AGAIN: Limits = Limits { cpu_seconds: 120, ..VERILATE_LIMITS };

/// The backend, ready to judge.
pub struct Verilator {
    pub(in crate::verify) compiler: Compiler,
    /// What is built once for a machine, once it was asked for.
    runtime: OnceLock<Runtime>,
    /// Whether the canary was judged as it should be.
    is_ready: Mutex<bool>,
    pub(in crate::verify) cache: Cache,
    pub(in crate::verify) workers: Workers,
    program: PathBuf,
    timing: Timing,
}

/// What stops the backend; never a candidate's fault.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    Process(#[from] LaunchError),
    #[error(transparent)]
    Unit(#[from] UnitError),
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error("failed to write {path} (is the disk full?)")]
    Write { path: String, source: std::io::Error },
    #[error(transparent)]
    Harvest(#[from] harvest::HarvestError),
    #[error(
        "failed to verilate a module that every Verilator takes with {program} (is the disk full? is it the Verilator of scripts/setup? `salv doctor` says which was found): {message}"
    )]
    Canary { program: String, message: String },
}

impl From<Failure> for BackendError {
    fn from(failure: Failure) -> Self {
        BackendError { backend: "verilator", source: Box::new(failure) }
    }
}

impl Verilator {
    /// The backend, of which nothing runs yet: lanes may leave it nothing to judge.
    ///
    /// `program` is `verilator_bin`; `workers` starts workers.
    pub fn new(compiler: Compiler, program: PathBuf, cache: Cache, workers: Workers) -> Verilator {
        let (runtime, is_ready, timing) = Default::default();
        Verilator { compiler, runtime, is_ready, cache, workers, program, timing }
    }

    /// Builds Verilator's runtime, unless this machine has it (some ten seconds), and fails unless a module whose verdict is
    /// known gets it; what was ready before is.
    pub fn ready(&self) -> Result<(), BackendError> {
        let mut is_ready = self.is_ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_ready {
            canary::judge(self)?;
            *is_ready = true;
        }
        Ok(())
    }

    pub(in crate::verify) fn runtime(&self) -> Result<&Runtime, UnitError> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let built = self.compiler.runtime(&self.cache)?;
        Ok(self.runtime.get_or_init(|| built))
    }

    /// Ends the processes that start tools and wait for the next: their CPU time then counts as that of
    /// children that have ended. A later tool starts new ones.
    pub fn rest(&self) {
        self.compiler.launchers.rest();
    }

    /// What starts its tools, for others that start tools.
    pub fn launchers(&self) -> &Launchers {
        &self.compiler.launchers
    }

    /// C++ of one module, or why there is none.
    fn member(
        &self,
        module: &Module,
        golden: &Interface,
    ) -> Result<Result<Member, String>, Failure> {
        let prefix = verilate::prefix(&module.source, golden, &module.top);
        let arguments = verilate::ARGUMENTS.join(" ");
        let version = &self.compiler.verilator_version;
        let key = self.cache.key(&["member", version, &arguments, harvest::REVISION, &prefix]);
        if let Some(path) = self.cache.find(&key) {
            let text = std::fs::read_to_string(&path)
                .map_err(|source| CacheError { path: path.display().to_string(), source })?;
            self.timing.count(schedule::stays(&text));
            return Ok(Ok(Member { symbol: harvest::symbol(&prefix), text }));
        }
        let member =
            self.timing.time(Stage::Verilate, || self.verilate(module, golden, &prefix))?;
        if let Ok(member) = &member {
            self.timing.count(schedule::stays(&member.text));
            let scratch = self.cache.scratch()?;
            let path = scratch.path().join("member");
            write(&path, &member.text)?;
            self.cache.keep(&key, &path)?;
        }
        Ok(member)
    }

    fn verilate(
        &self,
        module: &Module,
        golden: &Interface,
        prefix: &str,
    ) -> Result<Result<Member, String>, Failure> {
        // Verilator writes a dozen small files. What fails in memory, which may be full, is tried on disk.
        if let Some(scratch) = self.cache.memory_scratch()
            && let Ok(Ok(member)) =
                self.verilate_in(&scratch, module, golden, prefix, VERILATE_LIMITS)
        {
            return Ok(Ok(member));
        }
        let on_disk = |limits| {
            let scratch = self.cache.scratch()?;
            self.verilate_in(&scratch, module, golden, prefix, limits)
        };
        let mut made = on_disk(VERILATE_LIMITS)?;
        if made.is_err() {
            // Where a harmless module fails too, or nothing can be written, the failure is not this module's.
            canary::check(self)?;
            made = on_disk(VERILATE_LIMITS_AGAIN)?;
        }
        if made.is_err() {
            self.cache.check_room()?;
        }
        Ok(made)
    }

    fn verilate_in(
        &self,
        scratch: &Scratch,
        module: &Module,
        golden: &Interface,
        prefix: &str,
        limits: Limits,
    ) -> Result<Result<Member, String>, Failure> {
        let file = scratch.path().join("module.sv");
        write(&file, &verilate::text(&module.source, golden, &module.top, prefix))?;
        let folder = scratch.path().join("out");
        let ended =
            self.run(verilate::arguments(prefix, &folder, &file), scratch.path(), limits)?;
        if ended.killed() {
            return Ok(Err(format!("verilator died on it: {}", ended.status())));
        }
        if !ended.success() {
            return Ok(Err(verilate::refusal(&ended.stderr, &file.display().to_string())));
        }
        match harvest::harvest(&folder, prefix, golden) {
            Ok(member) => Ok(Ok(member)),
            Err(error @ harvest::HarvestError::TooLarge(_)) => Ok(Err(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// Runs Verilator in a folder.
    pub(in crate::verify) fn run(
        &self,
        arguments: Vec<String>,
        folder: &std::path::Path,
        limits: Limits,
    ) -> Result<Ended, LaunchError> {
        let root = &self.compiler.verilator_root;
        let launch = Launch {
            program: self.program.clone(),
            arguments,
            environment: vec![("VERILATOR_ROOT".into(), root.clone())],
            folder: folder.to_path_buf(),
            read: vec![root.join("include")],
            output: None,
            run: Vec::new(),
            tool: Tool::Alone,
        };
        self.compiler.launchers.run(launch, limits)
    }

    /// The modules of `tasks` as one unit: for each task the golden module's symbol and the candidates'.
    fn build(&self, tasks: &[Task], config: &Config) -> Result<Built, Failure> {
        let mut members: Vec<Member> = Vec::new();
        let mut add = |module: &Module, interface: &Interface| -> Result<Symbol, Failure> {
            Ok(self.member(module, interface)?.map(|member| {
                let symbol = member.symbol.clone();
                if !members.iter().any(|known| known.symbol == symbol) {
                    members.push(member);
                }
                symbol
            }))
        };
        let mut symbols = Vec::new();
        for task in tasks {
            let golden = add(&task.golden, &task.interface)?;
            let candidates = task.candidates.iter().map(|c| add(&c.module, &task.interface));
            symbols.push((golden, candidates.collect::<Result<Vec<Symbol>, Failure>>()?));
        }
        // In the order of content, so that the same set in another order is the same unit.
        members.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        let optimise =
            if config.vectors < VECTORS_OF_OPTIMISED { Optimise::Build } else { Optimise::Run };
        let all: Vec<&Member> = members.iter().collect();
        let runtime = self.runtime()?;
        let unit = || self.compiler.unit(runtime, &self.cache, &all, optimise);
        let (path, dropped) = self.timing.time(Stage::Compile, unit)?;
        let dropped: BTreeMap<&str, &String> = all
            .iter()
            .zip(&dropped)
            .filter_map(|(member, why)| why.as_ref().map(|why| (member.symbol.as_str(), why)))
            .collect();
        let check = |symbol: Symbol| {
            symbol.and_then(|s| {
                dropped.get(s.as_str()).map_or(Ok(s.clone()), |&why| Err(why.clone()))
            })
        };
        let symbols = symbols
            .into_iter()
            .map(|(golden, all)| (check(golden), all.into_iter().map(check).collect()))
            .collect();
        let [runtime, unit] = [&runtime.library, &path].map(|path| path.display().to_string());
        Ok(Built { runtime, unit, symbols })
    }

    fn job(
        &self,
        built: &Built,
        config: &Config,
        tasks: Vec<JobTask>,
        patience: u64,
        marker: &Marker,
    ) -> Job {
        Job {
            runtime: built.runtime.clone(),
            unit: built.unit.clone(),
            tasks,
            config: *config,
            patience,
            marker: marker.path().display().to_string(),
        }
    }

    fn judge_all(&self, tasks: &[Task], config: &Config) -> Result<Vec<TaskOutcome>, Failure> {
        let built = match self.build(tasks, config) {
            Ok(built) => built,
            // What is too much for one build is two; the outcome of each is the same in any company.
            Err(failure @ Failure::Unit(UnitError::TooMany(_))) => {
                let Some(halves) = plan::halves(tasks) else { return Err(failure) };
                let mut outcomes = Vec::new();
                for (indices, half) in halves {
                    outcomes.extend(indices.into_iter().zip(self.judge_all(&half, config)?));
                }
                return Ok(plan::joined(tasks.len(), outcomes));
            }
            Err(failure) => return Err(failure),
        };
        let mut plan = Plan::new(tasks, &built);
        let scratch = self.cache.scratch()?;
        let marker = Marker::create(&scratch.path().join("marker"))?;
        while let Some(jobs) = plan.next_round(tasks, &built) {
            let patience = plan.patience();
            let job = self.job(&built, config, jobs, patience, &marker);
            self.timing.time(Stage::Simulate, || {
                let mut worker = self.workers.start()?;
                worker.ask(&Request::Simulate(job))?;
                plan.listen(&mut worker, &marker)
            })?;
        }
        Ok(plan.finish())
    }

    fn trace_one(
        &self,
        task: &Task,
        config: &Config,
        episode: u32,
    ) -> Result<Result<Trace, Outcome>, Failure> {
        let built = self.build(std::slice::from_ref(task), config)?;
        let (golden, candidates) = &built.symbols[0];
        let (golden, candidate) = match (golden, &candidates[0]) {
            (Ok(golden), Ok(candidate)) => (golden.clone(), candidate.clone()),
            (Err(why), _) | (_, Err(why)) => return Ok(Err(Outcome::Unsupported(why.clone()))),
        };
        let task =
            JobTask { index: 0, task: bare(task, &[0]), golden, candidates: vec![candidate] };
        let scratch = self.cache.scratch()?;
        let marker = Marker::create(&scratch.path().join("marker"))?;
        let job = self.job(&built, config, vec![task], 2, &marker);
        let mut worker = self.workers.start::<Judging>()?;
        worker.ask(&Request::Trace(job, episode))?;
        loop {
            match worker.hear()? {
                Answer::Event(Event::Trace(trace)) => return Ok(*trace),
                Answer::Event(_) => {}
                Answer::Panicked(said) => return Err(WorkerError::Failed(said).into()),
                Answer::Died(how) => return Ok(Err(Outcome::Crash(how))),
                Answer::Left(status) => {
                    return Ok(Err(Outcome::Crash(format!("ended the process ({status})"))));
                }
            }
        }
    }
}

impl Backend for Verilator {
    fn name(&self) -> &'static str {
        "verilator"
    }

    fn timing(&self) -> Option<&Timing> {
        Some(&self.timing)
    }

    fn tools(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("slang".into(), crate::design::slang_version().into()),
            ("verilator".into(), self.compiler.verilator_version.clone()),
            ("stimulus".into(), stimulus::VERSION.to_string()),
        ])
    }

    fn judge(&self, tasks: &[Task], config: &Config) -> Result<Vec<TaskOutcome>, BackendError> {
        self.ready()?;
        Ok(self.judge_all(tasks, config)?)
    }

    fn trace(
        &self,
        task: &Task,
        config: &Config,
        episode: u32,
    ) -> Result<Result<Trace, Outcome>, BackendError> {
        self.ready()?;
        Ok(self.trace_one(task, config, episode)?)
    }
}

fn write(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|source| Failure::Write { path: path.display().to_string(), source })
}
