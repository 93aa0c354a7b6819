//! `salv bench replay`: our verdicts played again in Icarus, in four states, on the very same inputs.
//!
//! For a sample of judged rows: of each output that we call wrong, the episode of the first mismatch up to
//! it; of each that we call correct, some whole episodes. It shows whether a backend with two states tells
//! the truth. A difference where we saw none is printed with what we saw there, so that a person can say why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};

use super::sample;
use super::select::{Judge, case, in_parallel};
use crate::candidate::{self, Candidate};
use crate::cli::verify::BackendArguments;
use crate::cli::{start, tools};
use crate::problem::{self, Problem};
use crate::record::{self, Meta, meta_path};
use crate::verify::backend::{Backend as _, Task};
use crate::verify::cache::Cache;
use crate::verify::icarus::{Case, Icarus};
use crate::verify::stimulus::{Config, Episode, Stimulus};
use crate::verify::verdict::{
    FirstMismatch, Judgement, MismatchKind, SignalVerdict, Status, Verdict,
};

/// Play verdicts again in Icarus, on the same inputs, and count where it shows the same
#[derive(clap::Args)]
pub struct Arguments {
    /// The problems, `problems.jsonl`
    problems: PathBuf,
    /// What models wrote, `candidates.jsonl`
    candidates: PathBuf,
    /// What `salv verify` made of them
    verdicts: PathBuf,
    /// Rows to play
    #[arg(long, default_value_t = 300)]
    rows: usize,
    /// Rows of one problem
    #[arg(long, default_value_t = 5)]
    per_problem: usize,
    /// Base episodes to play of each row, the last ones, which are the longest, among them
    #[arg(long, default_value_t = 8)]
    episodes: u32,
    /// Seed of the sample
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; by default one for each core
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    backend: BackendArguments,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let problems = problem::load(&arguments.problems)?;
    let candidates: Vec<Candidate> =
        candidate::read(&arguments.candidates)?.collect::<Result<_, _>>()?;
    let verdicts: Vec<Verdict> = record::read::<Verdict>(&arguments.verdicts)?
        .map(|row| row.map(|row| row.value))
        .collect::<Result<_, _>>()?;
    let replayer = Replayer::open(&arguments.backend, &arguments.verdicts, &problems)?;
    let rows: Vec<(&Candidate, &Verdict)> =
        sample::order(&candidates, arguments.per_problem, arguments.seed)
            .into_iter()
            .filter_map(|index| Some((&candidates[index], verdicts.get(index)?)))
            .filter(|(_, verdict)| verdict.status == Status::Judged)
            .take(arguments.rows)
            .collect();
    for (candidate, verdict) in &rows {
        let same = candidate.id == verdict.candidate && candidate.problem == verdict.problem;
        ensure!(same, "{} is not about these candidates", arguments.verdicts.display());
    }
    let threads = start::threads(arguments.threads)?;
    let played = in_parallel(threads, &rows, |(candidate, verdict)| {
        replayer.row(candidate, verdict, arguments.episodes)
    })?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (line, at) in played.into_iter().flatten() {
        if let Some(at) = at {
            println!("{line}\t{at}");
        }
        *counts.entry(line.split('\t').next_back().unwrap_or_default().to_owned()).or_default() +=
            1;
    }
    eprintln!("{} judged rows of {} problems", rows.len(), problems_of(&rows));
    for (what, count) in counts {
        eprintln!("{count:>7}  {what}");
    }
    Ok(ExitCode::SUCCESS)
}

fn problems_of(rows: &[(&Candidate, &Verdict)]) -> usize {
    rows.iter().map(|(row, _)| &row.problem).collect::<std::collections::BTreeSet<_>>().len()
}

/// What Icarus shows at the point of a mismatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The golden module is defined there, and the candidate differs.
    Differs,
    /// They do not differ.
    Equal,
    /// The golden module is not defined there.
    Undefined,
    /// It could not be played.
    NotPlayed(String),
}

impl Shown {
    /// The word in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Shown::Differs => "differs",
            Shown::Equal => "equal",
            Shown::Undefined => "undefined",
            Shown::NotPlayed(_) => "not played",
        }
    }
}

/// Plays episodes of candidates in Icarus.
pub struct Replayer<'a> {
    problems: &'a [Problem],
    judge: Judge<'a>,
    icarus: Icarus,
    cache: Cache,
    config: Config,
}

/// All that a row needs to be played.
struct Stage {
    case: Case,
    task: Task,
    stimulus: Stimulus,
}

impl<'a> Replayer<'a> {
    /// Opens what is needed to play rows of this file of verdicts.
    pub fn open(
        backend: &BackendArguments,
        verdicts: &Path,
        problems: &'a [Problem],
    ) -> anyhow::Result<Self> {
        let icarus = tools::icarus()?;
        let tools = backend.tools()?;
        let folder = tools.cache.clone();
        let cache = Cache::open(&folder.join("bench"))?;
        let judge = Judge::open(tools, &folder, problems, 1)?;
        Ok(Replayer { problems, judge, icarus, cache, config: configuration(verdicts)? })
    }

    /// Plays the episode of a first mismatch up to it.
    pub fn first(
        &self,
        candidate: &Candidate,
        output: &str,
        first: &FirstMismatch,
    ) -> anyhow::Result<Shown> {
        let stage = match self.stage(candidate)? {
            Ok(stage) => stage,
            Err(why) => return Ok(Shown::NotPlayed(why)),
        };
        let scratch = self.cache.scratch()?;
        let player = match self.icarus.player(&stage.case, scratch.path())? {
            Ok(player) => player,
            Err(why) => return Ok(Shown::NotPlayed(why)),
        };
        let constants = &stage.task.candidates[0].constants;
        let episode = stage.stimulus.find(first.episode, constants);
        let episode = episode.context("the stimulus lacks an episode that a verdict names")?;
        let last = point_of(&episode, first)?;
        let played = match player.play(stage.stimulus.inputs(), &episode, last)? {
            Ok(played) => played,
            Err(why) => return Ok(Shown::NotPlayed(why)),
        };
        let output = number_of(&stage, output)?;
        Ok(match played[last].differs(output) {
            Some(true) => Shown::Differs,
            Some(false) => Shown::Equal,
            None => Shown::Undefined,
        })
    }

    /// Plays a row: a line for each output, and where it differs from our verdict what is seen there.
    fn row(
        &self,
        candidate: &Candidate,
        verdict: &Verdict,
        episodes: u32,
    ) -> anyhow::Result<Vec<(String, Option<String>)>> {
        let mut lines = Vec::new();
        let head = |name: &str| format!("{}\t{}\t{name}", candidate.problem, candidate.id);
        for signal in &verdict.signals {
            if let Some(first) = &signal.first {
                let shown = self.first(candidate, &signal.name, first)?;
                let kind = match signal.kind.map_or("-", MismatchKind::name) {
                    kind if verdict.races.contains(&signal.name) => format!("{kind}, in a race"),
                    kind => kind.to_owned(),
                };
                let line = format!("{}\twrong by {kind}: {}", head(&signal.name), shown.name());
                let at = place(first.episode, first.cycle, first.step);
                let ours = format!("{at}: here {} {}", first.golden, first.candidate);
                lines.push((line, (shown != Shown::Differs).then_some(ours)));
            }
        }
        let correct: Vec<&SignalVerdict> =
            verdict.signals.iter().filter(|s| s.verdict == Judgement::Correct).collect();
        for (signal, found) in correct.iter().zip(self.correct(candidate, &correct, episodes)?) {
            let word = match &found {
                Ok(None) => "correct: equal",
                Ok(Some(_)) => "correct: differs",
                Err(_) => "correct: not played",
            };
            let at = found.unwrap_or_else(Some);
            lines.push((format!("{}\t{word}", head(&signal.name)), at));
        }
        Ok(lines)
    }

    /// For each of these outputs the first point of some base episodes at which it differs in Icarus, with
    /// what both simulators show; or why it could not be played.
    fn correct(
        &self,
        candidate: &Candidate,
        signals: &[&SignalVerdict],
        episodes: u32,
    ) -> anyhow::Result<Vec<Result<Option<String>, String>>> {
        let all = |why: String| {
            let first = why.lines().next().unwrap_or_default().to_owned();
            Ok(signals.iter().map(|_| Err(first.clone())).collect())
        };
        let stage = match self.stage(candidate)? {
            Ok(stage) => stage,
            Err(why) => return all(why),
        };
        let scratch = self.cache.scratch()?;
        let player = match self.icarus.player(&stage.case, scratch.path())? {
            Ok(player) => player,
            Err(why) => return all(why),
        };
        let mut found = vec![Ok(None); signals.len()];
        let count = stage.stimulus.base_episodes();
        for index in (0..count).rev().step_by(count.div_ceil(episodes.max(1)) as usize) {
            let episode = stage.stimulus.episode(index);
            let last = episode.steps.len() - 1;
            let played = match player.play(stage.stimulus.inputs(), &episode, last)? {
                Ok(played) => played,
                Err(why) => return all(why),
            };
            for (signal, found) in signals.iter().zip(&mut found) {
                let output = number_of(&stage, &signal.name)?;
                let settled = stage.stimulus.settled_from(&episode);
                let differs = |at: &usize| {
                    let compared = stage.stimulus.compares(episode.steps[*at]);
                    compared && played[*at].differs(output) == Some(true)
                };
                if let (Ok(None), Some(at)) = (&found, (settled..=last).find(differs)) {
                    let (point, step) = (&played[at], episode.steps[at]);
                    let ours = self.ours(&stage.task, index, at, output)?;
                    *found = Ok(Some(format!(
                        "{}: there {} {}, here {ours}",
                        place(index, step.cycle, step.step),
                        point.golden[output],
                        point.candidate[output],
                    )));
                }
            }
        }
        Ok(found)
    }

    /// What the backend shows of both sides at a point.
    fn ours(&self, task: &Task, episode: u32, at: usize, output: usize) -> anyhow::Result<String> {
        Ok(match self.judge.backend.trace(task, &self.config, episode)? {
            Ok(trace) => format!(
                "{} {}",
                trace.outputs.literal(output, &trace.golden, at),
                trace.outputs.literal(output, &trace.candidate, at)
            ),
            Err(outcome) => format!("{outcome:?}"),
        })
    }

    fn stage(&self, candidate: &Candidate) -> anyhow::Result<Result<Stage, String>> {
        let task = match self.judge.task(candidate, &self.config)? {
            Ok(task) => task,
            Err((status, message)) => return Ok(Err(format!("{}: {message}", status.name()))),
        };
        let problem = self.problems.iter().find(|problem| problem.problem == candidate.problem);
        let problem = problem.with_context(|| format!("no problem `{}`", candidate.problem))?;
        let case = match case(problem, candidate, task.interface.clone()) {
            Ok(case) => case,
            Err(why) => return Ok(Err(why)),
        };
        let (interface, legal, key) = (&task.interface, &task.restrictions, task.key.as_bytes());
        let stimulus = Stimulus::new(interface, legal, key, &self.config)?;
        Ok(Ok(Stage { case, task, stimulus }))
    }
}

fn place(episode: u32, cycle: u32, step: u8) -> String {
    format!("episode {episode}, cycle {cycle}, step {step}")
}

fn point_of(episode: &Episode, first: &FirstMismatch) -> anyhow::Result<usize> {
    let at = episode.steps.iter().position(|s| (s.cycle, s.step) == (first.cycle, first.step));
    at.context("an episode lacks the point that a verdict names")
}

fn number_of(stage: &Stage, output: &str) -> anyhow::Result<usize> {
    let at = stage.task.interface.outputs().position(|port| port.name == output);
    at.with_context(|| format!("the golden module has no output `{output}`"))
}

/// The stimulus that the verdicts of a file were made with.
fn configuration(verdicts: &Path) -> anyhow::Result<Config> {
    let path = meta_path(verdicts);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("failed to read {}, which has the stimulus", path.display()))?;
    let meta: Meta = serde_json::from_str(&text)
        .with_context(|| format!("failed to understand {}", path.display()))?;
    serde_json::from_value(meta.configuration["stimulus"].clone())
        .with_context(|| format!("failed to find the stimulus in {}", path.display()))
}
