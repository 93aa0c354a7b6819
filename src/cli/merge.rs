//! `salv merge`: the parts of a run (`--shard K/N` of `salv verify` and `salv sample`) in, the file that one run
//! would have written out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;

use super::files::{self, Outputs};
use super::report::ReportArguments;
use super::summary::Summary;
use crate::record;
use crate::verify::verdict::Verdict;

/// Put the parts of a run together
#[derive(clap::Args)]
pub struct Arguments {
    /// The verdicts or candidates of all parts, in any order, each with its `.meta.json` beside it
    #[arg(required = true)]
    shards: Vec<PathBuf>,
    /// Where they go [default: verdicts.jsonl, or candidates.jsonl]
    #[arg(short, long)]
    output: Option<PathBuf>,
    #[command(flatten)]
    report: ReportArguments,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let stage = record::stage(&arguments.shards[0])?;
    let name = if stage == "sample" { "candidates.jsonl" } else { "verdicts.jsonl" };
    ensure!(
        stage != "sample" || !arguments.report.is_asked(),
        "--fail-on and --junit are of verdicts, and these are candidates"
    );
    let output = arguments.output.unwrap_or_else(|| PathBuf::from(name));
    let shards: Vec<&Path> = arguments.shards.iter().map(PathBuf::as_path).collect();
    let others = arguments.report.junit().into_iter().collect();
    files::expect_apart(&shards, &Outputs { rows: vec![&output], others })?;
    let rows = record::merge(&arguments.shards, &output)?;
    if stage == "sample" {
        eprintln!("{rows} candidates are in {}", output.display());
        return Ok(ExitCode::SUCCESS);
    }
    let mut summary = Summary::default();
    for verdict in record::read::<Verdict>(&output)? {
        summary.add(&verdict?.value);
    }
    eprint!("{}", summary.render(0, Duration::ZERO));
    eprintln!("verdicts are in {}", output.display());
    arguments.report.report(&output, &summary, false)
}
