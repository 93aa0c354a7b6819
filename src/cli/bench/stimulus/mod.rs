//! `salv bench stimulus`: how many mutants of the golden modules the verification calls wrong.
//!
//! In: problems. Out: by class of mistake, how many outputs of mutants are called wrong, how many a proof
//! shows to be equal, and the survivors: outputs that differ and are not called wrong, each with the
//! shortest input sequence that shows the difference. A benchmark's candidates say how often we agree with
//! its own test benches; only mutants say how much a `correct` is worth, because here the truth is known by
//! proof.
//!
//! The unit is an output of a mutant in whose fan-in the mutation lies. Texts that are the same but for
//! white space, comments and the name of the top module are one design. Mutants go the way of every
//! candidate ([`run::verify`](crate::verify::run::verify)), under the default stimulus.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::ensure;

use super::select::{Judge, in_parallel};
use crate::cli::start;
use crate::cli::tools::{Tools, find_prover};
use crate::cli::verify::BackendArguments;
use crate::problem;
use crate::verify::cache::Cache;
use crate::verify::stimulus::Config;
use crate::verify::verdict::Judgement;

mod designs;
mod pick;
mod prove;
mod report;

use designs::Design;
use pick::Mutant;
use prove::{Prover, Truth};
use report::{Outcome, Pair, Report};

/// Count the mutants of golden modules that are called wrong
#[derive(clap::Args)]
pub struct Arguments {
    /// The problems, `problems.jsonl`
    problems: PathBuf,
    /// Mutants for each output of each design
    #[arg(long, default_value_t = 10)]
    mutants: usize,
    /// Seed of the choice of mutants; the stimulus has its default
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Cycles of random inputs, over all episodes
    #[arg(long, default_value_t = Config::default().vectors,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::verify::stimulus::VECTORS_MAX)))]
    vectors: u32,
    /// Outputs called wrong that are given to the prover too, which must not find them equal
    #[arg(long, default_value_t = 200)]
    check: usize,
    /// Seconds for each question to the prover
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// Print each output that is not called wrong in a line, tabs between the fields, and the summary to stderr
    #[arg(long)]
    list: bool,
    /// With --list, also those that are proved equal
    #[arg(long, requires = "list")]
    all: bool,
    #[command(flatten)]
    backend: BackendArguments,
    /// Worker threads; by default one for each core
    #[arg(long)]
    threads: Option<usize>,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let tools = arguments.backend.tools()?;
    let cache = Cache::open(&tools.cache)?;
    let prover = Prover::new(find_prover(&tools.cache)?, &cache, arguments.seconds);
    let threads = start::threads(arguments.threads)?;
    prover.canaries(threads)?;
    let (designs, aside) = designs::distinct(&problem::load(&arguments.problems)?);
    ensure!(!designs.is_empty(), "no problem of {} can be judged", arguments.problems.display());
    let picked: Vec<Vec<Mutant>> = in_parallel(threads, &designs, |design| {
        Ok(pick::pick(design, arguments.mutants, arguments.seed))
    })?;
    let mutants: Vec<(&Design, Mutant)> = designs
        .iter()
        .zip(picked)
        .flat_map(|(design, mutants)| mutants.into_iter().map(move |mutant| (design, mutant)))
        .collect();
    eprintln!("{} designs, {} mutants: judging ...", designs.len(), mutants.len());
    let mut report = Report::new(&designs, &aside, &mutants, arguments.mutants);
    let pairs = judge(&arguments, tools, &designs, &mutants, threads)?;
    let missed = pairs.iter().filter(|pair| matches!(pair.outcome, Outcome::Missed(_))).count();
    let seconds = started.elapsed().as_secs();
    eprintln!("judged after {seconds} s; {missed} outputs are not called wrong: proving ...");
    for (pair, truth) in truths(&arguments, &prover, &mutants, pairs, threads)? {
        report.add(pair, truth);
    }
    let summary = report.render(started.elapsed());
    if arguments.list {
        print!("{}", report.list(arguments.all));
        eprint!("{summary}");
    } else {
        print!("{summary}");
    }
    report.contradiction()?;
    Ok(ExitCode::SUCCESS)
}

/// Judges all mutants; returns what became of each output that a mutant can reach.
fn judge<'a>(
    arguments: &Arguments,
    tools: Tools,
    designs: &[Design],
    mutants: &'a [(&'a Design, Mutant)],
    threads: usize,
) -> anyhow::Result<Vec<Pair<'a>>> {
    let problems: Vec<_> = designs.iter().map(|design| design.problem.clone()).collect();
    let candidates =
        mutants.iter().enumerate().map(|(at, (design, mutant))| mutant.candidate(at, design));
    let folder = tools.cache.clone();
    let judge = Judge::open(tools, &folder, &problems, threads)?;
    let config = Config { vectors: arguments.vectors, ..Config::default() };
    let verdicts = judge.verify(candidates.collect(), &config, true)?;
    let mut pairs = Vec::new();
    for (at, ((design, mutant), verdict)) in mutants.iter().zip(&verdicts).enumerate() {
        for output in &mutant.mutation.outputs {
            let signal = verdict.signals.iter().find(|signal| signal.name == *output);
            let outcome = match signal.map(|signal| signal.verdict) {
                Some(Judgement::Wrong) => Outcome::Wrong,
                Some(judgement) => Outcome::Missed(judgement),
                None => Outcome::NotJudged(verdict.status),
            };
            let races = !verdict.races.is_empty();
            pairs.push(Pair { at, design, mutant, output, outcome, races });
        }
    }
    Ok(pairs)
}

/// Asks the prover of every output that was not called wrong, and of some that were.
fn truths<'a>(
    arguments: &Arguments,
    prover: &Prover,
    mutants: &'a [(&'a Design, Mutant)],
    pairs: Vec<Pair<'a>>,
    threads: usize,
) -> anyhow::Result<Vec<(Pair<'a>, Option<Truth>)>> {
    let wrong = pairs.iter().filter(|pair| pair.outcome == Outcome::Wrong && pair.is_checkable());
    let step = wrong.count().div_ceil(arguments.check.max(1)).max(1);
    let mut seen = 0;
    let mut asked: Vec<(usize, Vec<usize>)> = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        let ask = match pair.outcome {
            Outcome::Missed(_) => true,
            Outcome::Wrong if pair.is_checkable() && arguments.check > 0 => {
                seen += 1;
                seen % step == 0
            }
            Outcome::Wrong | Outcome::NotJudged(_) => false,
        };
        match asked.last_mut().filter(|(at, _)| *at == pair.at) {
            Some((_, known)) if ask => known.push(index),
            None if ask => asked.push((pair.at, vec![index])),
            _ => {}
        }
    }
    let answers = in_parallel(threads, &asked, |(at, indices)| {
        let (design, mutant) = &mutants[*at];
        let outputs: Vec<&str> = indices.iter().map(|&index| pairs[index].output).collect();
        prover.ask(design, &mutant.text, &outputs)
    })?;
    let mut truths: Vec<Option<Truth>> = pairs.iter().map(|_| None).collect();
    for ((_, indices), answers) in asked.iter().zip(answers) {
        for (&index, answer) in indices.iter().zip(answers) {
            truths[index] = Some(answer);
        }
    }
    Ok(pairs.into_iter().zip(truths).collect())
}
