//! `salv bench values`: what models wrote, in the lanes engine and in Icarus on the same inputs, compared sample by
//! sample in four states.
//!
//! In: problems and candidates. Each candidate plays its own stimulus, made of its own interface, without a golden
//! module. Out: a line for each that differs or that one side does not play, tabs between the fields; how many are equal.
//! What one side or both refuse is counted, and no difference.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::ring::{Contestant, Ring};
use super::select::in_parallel;
use crate::candidate::{self, Candidate, extract_code};
use crate::cli::start;
use crate::problem::{self, Problem};
use crate::verify::differential::Stage;
use crate::verify::stimulus::Config;

/// Compare candidates in the lanes engine with Icarus, in four states
#[derive(clap::Args)]
pub struct Arguments {
    /// The problems, `problems.jsonl`
    problems: PathBuf,
    /// What models wrote
    candidates: PathBuf,
    /// Cycles for each candidate, over all episodes
    #[arg(long, default_value_t = 64)]
    vectors: u32,
    /// Decides every random choice
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads; by default one for each core
    #[arg(long)]
    jobs: Option<usize>,
    /// Candidates in one process of Icarus
    #[arg(long, default_value_t = 50)]
    batch: usize,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let problems = problem::load(&arguments.problems)?;
    let by_name: BTreeMap<&str, &Problem> =
        problems.iter().map(|problem| (problem.problem.as_str(), problem)).collect();
    let candidates: Vec<Candidate> =
        candidate::read(&arguments.candidates)?.collect::<Result<_, _>>()?;
    let config = Config { vectors: arguments.vectors, seed: arguments.seed, ..Config::default() };
    let ring = Ring::open()?;
    let batches: Vec<&[Candidate]> = candidates.chunks(arguments.batch.max(1)).collect();
    in_parallel(start::threads(arguments.jobs)?, &batches, |batch| {
        let mut contestants = Vec::new();
        for row in *batch {
            let problem = by_name.get(row.problem.as_str());
            let problem = problem.with_context(|| {
                format!(
                    "candidate {} answers {}, which is not among the problems",
                    row.id, row.problem
                )
            })?;
            let name = format!("{}\t{}", row.problem, row.id);
            match stage(problem, row, &config) {
                Ok(stage) => contestants.push(Contestant { name, stage }),
                Err(why) => ring.note(&name, "refused by us", &why),
            }
        }
        let stages: Vec<&Stage> = contestants.iter().map(|one| &one.stage).collect();
        for (contestant, theirs) in contestants.iter().zip(ring.theirs(&stages)?) {
            ring.meet(contestant, theirs);
        }
        Ok(())
    })?;
    eprint!("{}", ring.render());
    Ok(ExitCode::SUCCESS)
}

/// What a candidate plays, or why it plays nothing.
fn stage(problem: &Problem, row: &Candidate, config: &Config) -> Result<Stage, String> {
    let code = extract_code(&row.completion, &problem.prompt, &problem.top);
    let code = code.map_err(|why| why.to_string())?;
    Stage::new(&code.text, &problem.top, config)
}
