//! `salv bench rows`: as many candidates as wanted, made of a few real ones, to see what a long run needs.
//!
//! Rows are drawn one by one, in no order, from a number of distinct texts. The first of these are the given
//! candidates as they are; the others are the same with a numbered comment in the code, which makes them other
//! text and the same circuit. So `--distinct` says how much of a run is work and how much is repetition.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::super::files::{self, Outputs};
use crate::candidate::{self, Candidate};
use crate::record::Draft;

/// Make a long file of candidates from a short one
#[derive(clap::Args)]
pub struct Arguments {
    /// Real candidates, `candidates.jsonl`
    candidates: PathBuf,
    /// Where the rows go
    #[arg(short, long)]
    output: PathBuf,
    /// Rows to write
    #[arg(long)]
    rows: u64,
    /// Distinct texts among them; by default as many as there are candidates
    #[arg(long)]
    distinct: Option<u64>,
    /// Seed of the order
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let outputs = Outputs { rows: Vec::new(), others: vec![&arguments.output] };
    files::expect_apart(&[&arguments.candidates], &outputs)?;
    let candidates: Vec<Candidate> =
        candidate::read(&arguments.candidates)?.collect::<Result<_, _>>()?;
    let distinct = arguments.distinct.unwrap_or(candidates.len() as u64);
    anyhow::ensure!(!candidates.is_empty() && distinct > 0, "there is nothing to draw from");
    let failed = || format!("failed to write {}", arguments.output.display());
    let mut out = BufWriter::new(Draft::create(&arguments.output)?);
    for row in 0..arguments.rows {
        let text = draw(arguments.seed, row) % distinct;
        // Both are below the number of candidates or of texts, which are in memory.
        let copy = text / candidates.len() as u64;
        let base = &candidates[(text % candidates.len() as u64) as usize];
        let completion = copied(&base.completion, copy);
        writeln!(out, "{}", json!({ "problem": base.problem, "completion": completion }))
            .with_context(failed)?;
    }
    out.into_inner().map_err(|error| error.into_error()).with_context(failed)?.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// The text with a comment after its first semicolon; the copy 0 is the text itself.
fn copied(completion: &str, copy: u64) -> String {
    match completion.split_once(';') {
        Some((before, after)) if copy > 0 => format!("{before}; /* {copy} */{after}"),
        _ => completion.to_owned(),
    }
}

fn draw(seed: u64, row: u64) -> u64 {
    let hash = blake3::hash(&[seed.to_le_bytes(), row.to_le_bytes()].concat());
    let (first, _) =
        hash.as_bytes().split_first_chunk().unwrap_or_else(|| unreachable!("32 bytes"));
    u64::from_le_bytes(*first)
}
