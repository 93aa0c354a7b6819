//! `salv pair`: candidates and what is known of them in, preference pairs out, and a report of what every rule
//! made and dropped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Context, ensure};
use serde_json::json;

use super::files::{self, Outputs};
use super::{start, tools};
use crate::candidate::{self, Candidate};
use crate::extract::run::{self as extraction, Row, Run, RunError};
use crate::pair::label::Rules;
use crate::pair::plan::{Mode, Options};
use crate::pair::report::Report;
use crate::pair::run::{Contradiction, Pairing, survey};
use crate::problem::{self, Problem};
use crate::record::{self, Lines, Meta, Writer, file_hash, meta_path};
use crate::verify::verdict::Verdict;

/// Make preference pairs of candidates: one has an output right that the other has wrong, and only the code of
/// that output is learnt from
#[derive(clap::Args)]
pub struct Arguments {
    /// The problems, `problems.jsonl`
    problems: PathBuf,
    /// What models wrote, `candidates.jsonl`
    candidates: PathBuf,
    /// What `salv verify` said of them
    #[arg(long, value_name = "FILE")]
    verdicts: PathBuf,
    /// What `salv extract` found in them; without it the spans are computed here
    #[arg(long, value_name = "FILE")]
    spans: Option<PathBuf>,
    /// Where the pairs go
    #[arg(short, long, default_value = "pairs.jsonl")]
    output: PathBuf,
    /// Also write the report, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleArguments,
    /// Take verdicts and spans that have no FILE.meta.json; only their problems and ids are compared then
    #[arg(long)]
    without_meta: bool,
    /// Worker threads for the spans; by default one for each core
    #[arg(long)]
    threads: Option<usize>,
}

/// Which pairs are made; it decides the content of the file and is saved with it.
#[derive(clap::Args)]
struct RuleArguments {
    /// What the masks are
    #[arg(long, value_enum, default_value_t = ModeName::Signal)]
    mode: ModeName,
    /// One pair for each contrasted signal, not one with all of them
    #[arg(long)]
    per_signal: bool,
    /// Pairs of one problem, 0 for no limit; 20 are all ordered pairs of five candidates
    #[arg(long, value_name = "N", default_value_t = 20)]
    max_pairs: usize,
    /// Decides between pairs of equal rank where there are more
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Compared bits that a right output needs
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_compared: u64,
    /// Golden bits seen at both 0 and 1 that a right output needs
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_toggles: u32,
    /// An output that is wrong by undefined bits only is neither right nor wrong
    #[arg(long)]
    ignore_power_up: bool,
    /// Use outputs behind a race too
    #[arg(long)]
    keep_races: bool,
    /// Candidates that are no module (no code, errors, wrong name or ports) as rejected against fully correct ones
    #[arg(long, value_enum, default_value_t = FailedName::Use)]
    failed: FailedName,
    /// Signals for whose cone the whole module stands, since it cannot be followed
    #[arg(long, value_enum, default_value_t = WholeName::Drop)]
    whole_module: WholeName,
    /// Leave the headers of modules and their `endmodule` out of the masks
    #[arg(long)]
    without_frame: bool,
    /// Put the fences around the code into masks of code, as in the published data
    #[arg(long)]
    with_fences: bool,
    /// Keep pairs that differ from another one in comments and layout only
    #[arg(long)]
    keep_duplicates: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ModeName {
    /// The code of the contrasted signals.
    Signal,
    /// Whole modules: a fully correct one against one that is not.
    Module,
    /// The pairs of `signal` with all of both completions.
    Unfiltered,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum FailedName {
    /// They fill the room that other pairs leave.
    Use,
    /// They make no pair.
    Skip,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum WholeName {
    /// They are not contrasted.
    Drop,
    /// The mask is the whole module.
    Keep,
}

impl RuleArguments {
    fn options(&self) -> Options {
        Options {
            mode: match self.mode {
                ModeName::Signal => Mode::Signal,
                ModeName::Module => Mode::Module,
                ModeName::Unfiltered => Mode::Unfiltered,
            },
            per_signal: self.per_signal,
            rules: Rules {
                ignore_power_up: self.ignore_power_up,
                keep_races: self.keep_races,
                min_compared: self.min_compared,
                min_toggles: self.min_toggles,
            },
            failed: matches!(self.failed, FailedName::Use),
            keep_whole_modules: matches!(self.whole_module, WholeName::Keep),
            without_frame: self.without_frame,
            with_fences: self.with_fences,
            keep_duplicates: self.keep_duplicates,
            max_pairs: self.max_pairs,
            seed: self.seed,
        }
    }
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    check_outputs(&arguments)?;
    let options = arguments.rules.options();
    let mut problems = problem::load(&arguments.problems)?;
    // Half of a benchmark's text is test benches, which nothing here reads.
    problems.iter_mut().for_each(|problem| problem.testbench = None);
    let meta = meta(&arguments, &options)?;
    files::survey(&arguments.candidates, &problems, None)?;
    let candidates = candidate::read(&arguments.candidates)?.map(|row| Ok(row?));
    let survey = survey::<anyhow::Error>(&problems, candidates)?;
    if !survey.is_grouped {
        eprintln!(
            "note: the candidates are not grouped by problem; those of unfinished problems are kept in memory"
        );
    }
    // There is no way to continue a part, and nothing would show that it is one.
    let writer = Writer::create_whole(&arguments.output, &meta)?;
    let mut join = Join {
        verdicts: record::read(&arguments.verdicts)?,
        path: &arguments.verdicts,
        pairing: Pairing::new(&problems, &survey, &options),
        writer,
    };
    let stopped = match &arguments.spans {
        Some(spans) => join.with_spans(&arguments.candidates, spans).map(|()| false),
        None => join.with_extraction(&arguments, &problems),
    };
    if stopped? {
        eprintln!("stopped; nothing is written");
        return Ok(ExitCode::from(130));
    }
    join.check_end()?;
    let Join { pairing, writer, .. } = join;
    writer.finish()?;
    let (report, contradictions) = pairing.finish();
    finish(&arguments, &report, &contradictions)
}

fn finish(
    arguments: &Arguments,
    report: &Report,
    contradictions: &[Contradiction],
) -> anyhow::Result<ExitCode> {
    eprint!("{}", report.render());
    if let Some(path) = &arguments.report {
        record::replace(path, (serde_json::to_string_pretty(report)? + "\n").as_bytes())?;
    }
    eprintln!("{} pairs are in {}", report.pairs_written, arguments.output.display());
    for Contradiction { problem, right, wrong, signal } in contradictions {
        eprintln!(
            "contradiction: {signal} of {problem} has the same code in candidate {right}, where it is right, and in {wrong}, where it is wrong"
        );
    }
    ensure!(
        contradictions.is_empty(),
        "signals with equal code and unequal verdicts: {}; a verdict or a cone is wrong (compare the two with `salv show {} ID --signal NAME`, prove the cones with `salv extract --check`); {} is whole without them",
        report.contradictions,
        arguments.verdicts.display(),
        arguments.output.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// The files of a run, read side by side.
struct Join<'a> {
    verdicts: Lines<Verdict>,
    path: &'a Path,
    pairing: Pairing<'a>,
    writer: Writer,
}

impl Join<'_> {
    fn push(&mut self, candidate: Candidate, row: &Row) -> anyhow::Result<()> {
        let verdict = self.verdicts.next().transpose()?;
        let verdict = verdict.with_context(|| missing(self.path, &candidate, "verify"))?;
        for pair in self.pairing.push(candidate, &verdict.value, row)? {
            self.writer.write(&pair)?;
        }
        Ok(())
    }

    fn with_spans(&mut self, candidates: &Path, spans: &Path) -> anyhow::Result<()> {
        let mut rows = record::read::<Row>(spans)?;
        for candidate in candidate::read(candidates)? {
            let candidate = candidate?;
            let row = rows.next().transpose()?;
            let row = row.with_context(|| missing(spans, &candidate, "extract"))?;
            self.push(candidate, &row.value)?;
        }
        ensure!(
            rows.next().is_none(),
            "{} has more rows than there are candidates; make it again from this file with `salv extract`",
            spans.display()
        );
        Ok(())
    }

    fn check_end(&mut self) -> anyhow::Result<()> {
        ensure!(
            self.verdicts.next().is_none(),
            "{} has more rows than there are candidates; make it again from this file with `salv verify`",
            self.path.display()
        );
        Ok(())
    }

    /// Extracts on the way; tells whether somebody stopped it.
    fn with_extraction(
        &mut self,
        arguments: &Arguments,
        problems: &[Problem],
    ) -> anyhow::Result<bool> {
        let stop = start::stop_flag()?;
        let workers = tools::workers()?;
        let threads = start::threads(arguments.threads)?;
        let job = Run { problems, workers: &workers, threads, proof: None, stop: &stop };
        let stream = |error: anyhow::Error| RunError::Stream(error.into());
        let candidates = candidate::read(&arguments.candidates)?;
        extraction::extract(
            &job,
            candidates.map(|row| row.map_err(|e| stream(e.into()))),
            |done| {
                let row = done.row();
                self.push(done.candidate, &row).map_err(stream)
            },
        )?;
        Ok(stop.load(Ordering::Relaxed))
    }
}

fn missing(path: &Path, candidate: &Candidate, stage: &str) -> String {
    let Candidate { problem, id, .. } = candidate;
    format!(
        "{} ends before candidate {id:?} of {problem:?}; it must have a row for each candidate: `salv {stage} --resume` continues it, `salv merge` puts parts together",
        path.display()
    )
}

fn check_outputs(arguments: &Arguments) -> anyhow::Result<()> {
    let inputs = [&arguments.problems, &arguments.candidates, &arguments.verdicts];
    let inputs: Vec<&Path> =
        inputs.into_iter().chain(&arguments.spans).map(PathBuf::as_path).collect();
    let others = arguments.report.iter().map(PathBuf::as_path).collect();
    files::expect_apart(&inputs, &Outputs { rows: vec![&arguments.output], others })
}

/// What made the file: everything that its bytes depend on, and nothing else.
fn meta(arguments: &Arguments, options: &Options) -> anyhow::Result<Meta> {
    let problems = file_hash(&arguments.problems)?;
    let candidates = file_hash(&arguments.candidates)?;
    let made_from = [("problems", &problems), ("candidates", &candidates)];
    let mut inputs = BTreeMap::from([
        (arguments.problems.display().to_string(), problems.clone()),
        (arguments.candidates.display().to_string(), candidates.clone()),
    ]);
    for (path, stage) in
        [(Some(&arguments.verdicts), "verify"), (arguments.spans.as_ref(), "extract")]
    {
        let Some(path) = path else { continue };
        if !arguments.without_meta {
            check_origin(path, stage, &made_from)?;
        }
        inputs.insert(path.display().to_string(), file_hash(path)?);
    }
    let configuration = json!({
        "options": options,
        "problems": problems,
        "candidates": candidates,
        "verdicts": file_hash(&arguments.verdicts)?,
    });
    let mut meta = Meta::new("pair", configuration);
    meta.seed = Some(options.seed);
    meta.inputs = inputs;
    Ok(meta)
}

/// Refuses a file that was made from other problems or candidates, or is a part of one.
fn check_origin(path: &Path, stage: &str, made_from: &[(&str, &String)]) -> anyhow::Result<()> {
    ensure!(path.is_file(), "{} is not there: `salv {stage}` makes it", path.display());
    let place = meta_path(path);
    let text = std::fs::read_to_string(&place).with_context(|| {
        format!(
            "nothing says what {} was made from: {} cannot be read (copy it too, or compare ids only with --without-meta)",
            path.display(),
            place.display()
        )
    })?;
    let meta: Meta = serde_json::from_str(&text)
        .with_context(|| format!("failed to understand {}", place.display()))?;
    ensure!(
        meta.shard.is_none(),
        "{} is a part of a run; put the parts together with `salv merge`",
        path.display()
    );
    for (name, hash) in made_from {
        let found = meta.configuration.get(*name).and_then(|value| value.as_str());
        ensure!(
            found == Some(hash.as_str()),
            "{} was made from other {name} ({} says so): give the same files, or make it again with `salv {stage}`",
            path.display(),
            place.display()
        );
    }
    Ok(())
}
