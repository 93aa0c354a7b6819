//! `salv corpus`: what was typed, then one importer, then the files.

mod check;
mod generate;
mod sft;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};

use crate::candidate::{self, Candidate};
use crate::corpus::{
    self, completions, folder, rtllm, salv_seed, verilog_eval_v1, verilog_eval_v2,
};
use crate::exchange::sim_info;
use crate::problem::{self, Problem};
use crate::record::{self, Meta, Writer};

/// Turn benchmarks, folders and other programs' data into problems.jsonl, candidates.jsonl and sft.jsonl
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    source: Source,
}

#[derive(Subcommand)]
enum Source {
    /// Import VerilogEval v2: the folder with dataset_spec-to-rtl and dataset_code-complete-iccad2023, or one of them
    VerilogEvalV2(Import),
    /// Import VerilogEval v1: VerilogEval_Human.jsonl or VerilogEval_Machine.jsonl
    VerilogEvalV1 {
        #[command(flatten)]
        import: Import,
        /// File of descriptions; by default ../descriptions/VerilogDescription_X.jsonl as in the benchmark
        #[arg(long, value_name = "FILE")]
        descriptions: Option<PathBuf>,
    },
    /// Import RTLLM: the folder with all designs, in categories or not
    Rtllm {
        #[command(flatten)]
        import: Import,
        /// First part of the problems' names; by default rtllm-2.0 with categories and rtllm-1.1 without
        #[arg(long, value_name = "NAME")]
        family: Option<String>,
    },
    /// Import the seed data of the published QiMeng-SALV code
    SalvSeed(Import),
    /// Import a folder of folders, each with prompt.md and golden.sv
    Folder {
        #[command(flatten)]
        import: Import,
        /// Write the candidates of the folders candidates/ to this file
        #[arg(long, value_name = "FILE")]
        candidates_out: Option<PathBuf>,
    },
    /// Import candidates from JSON lines with `problem` and `completion`, or from files PROBLEM/ANYTHING.v
    Completions {
        #[command(flatten)]
        import: Import,
        /// Refuse candidates for other problems than these
        #[arg(long, value_name = "FILE")]
        problems: Option<PathBuf>,
    },
    /// Write problems of our own: small designs, each with a specification and a golden module
    Generate(generate::Generate),
    /// Import instruction data for SFT: rows of instruction, input, output (JSON list or lines) become sft.jsonl
    Alpaca(sft::Alpaca),
    /// Import chats for SFT: conversations of from, value (ShareGPT) or messages of role, content (OpenAI)
    Chat(sft::Chat),
    /// Import a data set of LLaMA-Factory for SFT, as its dataset_info.json describes it
    LlamaFactory(sft::LlamaFactory),
    /// Import verdicts from the published sim_info: mismatches by output, a list for each problem
    SimInfo {
        #[command(flatten)]
        import: Import,
        /// The problems, in the order of the lists
        #[arg(long, value_name = "FILE")]
        problems: PathBuf,
        /// The candidates of the same rollout
        #[arg(long, value_name = "FILE")]
        candidates: PathBuf,
    },
    /// Import candidates from the published rollout: a JSON list with a list of completions for each problem
    Rollout {
        #[command(flatten)]
        import: Import,
        /// The problems, in the order of the rollout
        #[arg(long, value_name = "FILE")]
        problems: PathBuf,
    },
}

#[derive(Args)]
struct Import {
    /// What to import
    path: PathBuf,
    /// File to write, JSON lines
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs the subcommand.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.source {
        Source::VerilogEvalV2(import) => {
            let problems = verilog_eval_v2::import(&import.path)?;
            save_problems(&import, json!({ "source": "verilog-eval-v2" }), &[], &problems)?;
        }
        Source::VerilogEvalV1 { import, descriptions } => {
            let problems = verilog_eval_v1::import(&import.path, descriptions.as_deref())?;
            save_problems(
                &import,
                json!({ "source": "verilog-eval-v1" }),
                descriptions.as_slice(),
                &problems,
            )?;
        }
        Source::Rtllm { import, family } => {
            let problems = rtllm::import(&import.path, family.as_deref())?;
            save_problems(&import, json!({ "source": "rtllm", "family": family }), &[], &problems)?;
        }
        Source::SalvSeed(import) => {
            save_problems(
                &import,
                json!({ "source": "salv-seed" }),
                &[],
                &salv_seed::import(&import.path)?,
            )?;
        }
        Source::Folder { import, candidates_out } => import_folder(import, candidates_out)?,
        Source::Completions { import, problems } => {
            let known = problems.as_deref().map(problem::load).transpose()?;
            let candidates = completions::import(&import.path, known.as_deref())?;
            let configuration = json!({ "source": "completions" });
            save_candidates(&import, configuration, problems.as_slice(), &candidates)?;
        }
        Source::Generate(arguments) => arguments.run()?,
        Source::Alpaca(arguments) => arguments.run()?,
        Source::Chat(arguments) => arguments.run()?,
        Source::LlamaFactory(arguments) => arguments.run()?,
        Source::SimInfo { import, problems, candidates } => {
            import_sim_info(&import, &problems, &candidates)?;
        }
        Source::Rollout { import, problems } => {
            let candidates = completions::rollout(&import.path, &problem::load(&problems)?)?;
            save_candidates(&import, json!({ "source": "rollout" }), &[problems], &candidates)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes verdicts as `salv verify` does, from the same problems and candidates as far as `salv pair` asks.
fn import_sim_info(import: &Import, problems: &Path, candidates: &Path) -> anyhow::Result<()> {
    let rows = candidate::read(candidates)?.collect::<Result<Vec<Candidate>, _>>()?;
    let lists: Result<Vec<Vec<sim_info::Info>>, _> =
        record::read_rows(&import.path)?.map(|row| row.map(|row| row.value)).collect();
    let verdicts = sim_info::verdicts(&problem::load(problems)?, &rows, lists?)
        .with_context(|| format!("failed to import {}", import.path.display()))?;
    let configuration = json!({
        "source": "sim-info",
        "problems": hash(problems)?,
        "candidates": hash(candidates)?,
    });
    save(import, configuration, &[problems.to_owned(), candidates.to_owned()], &verdicts)?;
    eprintln!("{}: verdicts of {} candidate(s)", import.out.display(), verdicts.len());
    Ok(())
}

fn import_folder(import: Import, candidates_out: Option<PathBuf>) -> anyhow::Result<()> {
    let (problems, candidates) = folder::import(&import.path)?;
    save_problems(&import, json!({ "source": "folder" }), &[], &problems)?;
    match candidates_out {
        Some(out) => {
            let import = Import { path: import.path, out };
            save_candidates(&import, json!({ "source": "folder" }), &[], &candidates)?;
        }
        None if candidates.is_empty() => {}
        None => eprintln!(
            "{} candidate(s) left aside; --candidates-out FILE saves them",
            candidates.len()
        ),
    }
    Ok(())
}

fn save_problems(
    import: &Import,
    configuration: Value,
    inputs: &[PathBuf],
    problems: &[Problem],
) -> anyhow::Result<()> {
    save(import, configuration, inputs, problems)?;
    let with_testbench = problems.iter().filter(|problem| problem.testbench.is_some()).count();
    eprintln!(
        "{}: {} problem(s), {with_testbench} with a test bench",
        import.out.display(),
        problems.len()
    );
    Ok(())
}

fn save_candidates(
    import: &Import,
    configuration: Value,
    inputs: &[PathBuf],
    candidates: &[Candidate],
) -> anyhow::Result<()> {
    save(import, configuration, inputs, candidates)?;
    let problems: std::collections::HashSet<&str> =
        candidates.iter().map(|row| row.problem.as_str()).collect();
    eprintln!(
        "{}: {} candidate(s) for {} problem(s)",
        import.out.display(),
        candidates.len(),
        problems.len()
    );
    Ok(())
}

fn save(
    import: &Import,
    configuration: Value,
    inputs: &[PathBuf],
    rows: &[impl Serialize],
) -> anyhow::Result<()> {
    let mut meta = Meta::new("corpus", configuration);
    for path in inputs.iter().chain([&import.path]) {
        meta.inputs.insert(path.display().to_string(), hash(path)?);
    }
    let mut writer = Writer::create_whole(&import.out, &meta)?;
    for row in rows {
        writer.write(row)?;
    }
    Ok(writer.finish()?)
}

fn hash(path: &Path) -> anyhow::Result<String> {
    corpus::hash(path).with_context(|| format!("failed to hash {}", path.display()))
}
