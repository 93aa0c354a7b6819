//! `salv merge`: the parts of a run (`salv verify --shard K/N`) in, the file that one run would have written
//! out.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::report::ReportArguments;
use super::summary::Summary;
use crate::record;
use crate::verify::verdict::Verdict;

/// Put the parts of a run together
#[derive(clap::Args)]
pub struct Arguments {
    /// The verdicts of all parts, in any order, each with its `.meta.json` beside it
    #[arg(required = true)]
    shards: Vec<PathBuf>,
    /// Where the verdicts go
    #[arg(short, long, default_value = "verdicts.jsonl")]
    output: PathBuf,
    #[command(flatten)]
    report: ReportArguments,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    record::merge(&arguments.shards, &arguments.output)?;
    let mut summary = Summary::default();
    for verdict in record::read::<Verdict>(&arguments.output)? {
        summary.add(&verdict?.value);
    }
    eprint!("{}", summary.render(0, Duration::ZERO));
    eprintln!("verdicts are in {}", arguments.output.display());
    arguments.report.report(&arguments.output, &summary)
}
