//! Two steps of an evaluation: the trial of each bench into `benches.jsonl`, the marks of each candidate into
//! `scores.jsonl`. Either goes on where it was.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::{Arguments, CANDIDATES, VERDICTS, icarus_version};
use crate::candidate::Candidate;
use crate::cli::verify;
use crate::eval::audit::Audit;
use crate::eval::run::{self as scoring, EvalError, Scorer, Sink};
use crate::eval::{Entry, Row};
use crate::record::{self, Ahead, Meta, Writer, content_hash, file_hash};
use crate::verify::verdict::Verdict;

pub(super) const BENCHES: &str = "benches.jsonl";
pub(super) const SCORES: &str = "scores.jsonl";

/// Rows and the trials of the benches; `None` if the run was stopped.
pub fn score(
    arguments: &Arguments,
    scorer: &Scorer,
    entries: Vec<Entry>,
    candidates: &[(Candidate, Verdict)],
) -> anyhow::Result<Option<(Vec<Audit>, Vec<Row>)>> {
    let (folder, resume) = (&arguments.output, arguments.resume);
    let configuration = json!({
        "benchmark": scorer.benchmark,
        "entries": hash(&entries),
    });
    let meta = meta("eval-benches", configuration.clone())?;
    let path = folder.join(BENCHES);
    let (mut writer, done) = Writer::create(&path, &meta, resume)?;
    eprintln!("trying the benches of {} problems", entries.len());
    for audit in scoring::audits(scorer, &entries[done.min(entries.len())..])? {
        writer.write(&audit)?;
    }
    writer.finish()?;
    let audits: Vec<Audit> = rows_of(&path)?;
    if audits.len() < entries.len() {
        return Ok(None);
    }
    let entries: Vec<(Entry, Audit)> = entries.into_iter().zip(audits).collect();
    let mut configuration = configuration;
    configuration["candidates"] = json!(file_hash(&folder.join(CANDIDATES))?);
    configuration["verdicts"] = json!(file_hash(&folder.join(VERDICTS))?);
    let meta = self::meta("eval", configuration)?;
    let path = folder.join(SCORES);
    let (writer, done) = Writer::create(&path, &meta, resume)?;
    let (ahead, known) = Ahead::open(&path, &meta, done, resume)?;
    let bar = verify::progress_bar(candidates.len(), done);
    let mut output = Output { writer, ahead, written: done, bar };
    let outcome = scoring::score(scorer, &entries, candidates, done, known, &mut output);
    let written = output.finish(candidates.len())?;
    outcome
        .with_context(|| format!("failed after {written} of {} candidates", candidates.len()))?;
    if written < candidates.len() {
        return Ok(None);
    }
    let audits = entries.into_iter().map(|(_, audit)| audit).collect();
    Ok(Some((audits, rows_of(&path)?)))
}

/// The content of a benchmark.
fn hash(entries: &[Entry]) -> String {
    let mut text = String::new();
    for Entry { problem, bench, files } in entries {
        let files: Vec<(&str, String)> =
            files.iter().map(|(name, bytes)| (name.as_str(), content_hash(bytes))).collect();
        let row = json!([problem, content_hash(bench.as_bytes()), files]);
        text += &format!("{row}\n");
    }
    content_hash(text.as_bytes())
}

fn meta(stage: &str, configuration: Value) -> anyhow::Result<Meta> {
    let mut meta = Meta::new(stage, configuration);
    meta.tools = BTreeMap::from([
        ("icarus".to_owned(), icarus_version()?),
        ("slang".to_owned(), crate::design::slang_version().to_owned()),
    ]);
    Ok(meta)
}

fn rows_of<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    record::read::<T>(path)?.map(|row| Ok(row?.value)).collect()
}

/// Where scores go.
struct Output {
    writer: Writer,
    ahead: Ahead,
    written: usize,
    bar: ProgressBar,
}

impl Output {
    fn finish(mut self, total: usize) -> anyhow::Result<usize> {
        self.bar.finish_and_clear();
        self.writer.finish()?;
        if self.written == total {
            self.ahead.remove()?;
        } else {
            self.ahead.settle(self.written)?;
        }
        Ok(self.written)
    }
}

impl Sink for Output {
    fn write(&mut self, row: Row) -> Result<(), EvalError> {
        self.writer.write(&row)?;
        self.writer.flush()?;
        self.written += 1;
        self.bar.inc(1);
        Ok(self.ahead.settle(self.written)?)
    }

    fn keep(&mut self, at: usize, row: &Row) -> Result<(), EvalError> {
        self.ahead.keep(at, row)?;
        Ok(self.ahead.settle(self.written)?)
    }
}
