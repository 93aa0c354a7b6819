//! Parts of a run: which rows belong to one, and how whole parts become the file that one run would have
//! written.
//!
//! Part K of N has the rows from R·(K-1)/N up to R·K/N of the R rows: neighbours, because files are mostly in
//! the order of problems and because parts then follow each other in the merged file. The split depends on
//! nothing but the number of rows, so the parts of one machine never hang on what another one does, and no part
//! has more than one row more than another. Rows keep the number that they have in the whole file.
//!
//! [`merge`] takes the parts in any order and refuses anything but all parts of one run, each whole: its
//! output and provenance have the bytes of an undivided run.

use std::io::BufRead;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::reader::open_text;
use super::writer::{first_difference, meta_path};
use super::{Meta, RecordError, Writer};

/// Parts of one run; more than anybody has machines for, and few enough to look at each.
pub const SHARDS_MAX: usize = 100_000;

/// Which part, of how many: `3/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardOf {
    /// The part, from 1.
    pub number: usize,
    /// How many parts there are.
    pub of: usize,
}

/// The part of a run that a file holds, as its provenance says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// The part, from 1.
    pub number: usize,
    /// How many parts there are.
    pub of: usize,
    /// Its first row.
    pub start: usize,
    /// The row after its last.
    pub end: usize,
    /// Rows of all parts.
    pub rows: usize,
}

impl std::str::FromStr for ShardOf {
    type Err = String;

    fn from_str(text: &str) -> Result<ShardOf, String> {
        let wrong = || format!("`{text}` is no part of a run (3/8 is the third of eight)");
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let (number, of): (usize, usize) =
            number.parse().ok().zip(of.parse().ok()).ok_or_else(wrong)?;
        if number == 0 || number > of {
            return Err(format!("part {number} of {of}: parts count from 1 to {of}"));
        }
        if of > SHARDS_MAX {
            return Err(format!("{of} parts are more than {SHARDS_MAX}"));
        }
        Ok(ShardOf { number, of })
    }
}

impl ShardOf {
    /// The rows of this part when there are `rows` in all.
    pub fn cut(self, rows: usize) -> Shard {
        // The product of two `usize` need not fit in one.
        let border = |part: usize| (rows as u128 * part as u128 / self.of as u128) as usize;
        let (start, end) = (border(self.number - 1), border(self.number));
        Shard { number: self.number, of: self.of, start, end, rows }
    }
}

impl Shard {
    /// Its rows.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.number, self.of)
    }
}

/// Why files are not the parts of one run.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A file that is no part.
    #[error("merge {}: it is a whole run and no part of one (was --shard left out?)", path.display())]
    Whole {
        /// The file.
        path: PathBuf,
    },
    /// Parts of different runs.
    #[error(
        "merge {}: it was made with {key} = {is}, {} with {was}; make it again with the same settings and inputs",
        path.display(), first.display()
    )]
    Differs {
        /// The file.
        path: PathBuf,
        /// The file it is compared with.
        first: PathBuf,
        /// Dotted key in the provenance.
        key: String,
        /// The value there.
        was: String,
        /// The value in this file.
        is: String,
    },
    /// One part twice.
    #[error("merge {}: it is part {shard}, as {} is; leave one out", path.display(), first.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// The other file.
        first: PathBuf,
        /// The part.
        shard: Shard,
    },
    /// A part is not there.
    #[error("merge: part {} of {of} is missing: name its file, or make it with --shard {}/{of}", list(missing), missing[0])]
    Missing {
        /// The parts.
        missing: Vec<usize>,
        /// How many parts there are.
        of: usize,
    },
    /// A part that was stopped.
    #[error(
        "merge {}: it holds {rows} of the {} rows of part {shard}; finish it with --shard {shard} --resume",
        path.display(), shard.range().len()
    )]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// The part.
        shard: Shard,
        /// Its rows.
        rows: usize,
    },
    /// A part with more rows than it may have, or another line that is no row.
    #[error("merge {}: line {line} is {what}; make part {shard} again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The part.
        shard: Shard,
        /// Line, from 1.
        line: usize,
        /// What it is.
        what: &'static str,
    },
}

/// At most ten numbers.
fn list(numbers: &[usize]) -> String {
    let shown: Vec<String> = numbers.iter().take(10).map(usize::to_string).collect();
    let more = if numbers.len() > shown.len() { ", …" } else { "" };
    shown.join(", ") + more
}

struct Part {
    path: PathBuf,
    meta: Meta,
    shard: Shard,
}

/// Writes the parts of a run, given in any order, to `output` as the whole run; returns its rows.
pub fn merge(paths: &[PathBuf], output: &Path) -> Result<usize, MergeError> {
    let mut parts = paths.iter().map(|path| part(path)).collect::<Result<Vec<Part>, _>>()?;
    parts.sort_by_key(|part| part.shard.number);
    belong_together(&parts)?;
    for part in &parts {
        // Before the first byte is written: a merge that fails leaves nothing that looks like a result.
        let rows = rows(part, |_| Ok(()))?;
        if rows < part.shard.range().len() {
            let (path, shard) = (part.path.clone(), part.shard);
            return Err(MergeError::Unfinished { path, shard, rows });
        }
    }
    let Some(first) = parts.first() else {
        return Err(MergeError::Missing { missing: vec![1], of: 1 });
    };
    let whole = Meta { shard: None, ..first.meta.clone() };
    let mut writer = Writer::create_whole(output, &whole)?;
    for part in &parts {
        rows(part, |row| writer.write_row(row))?;
    }
    writer.finish()?;
    Ok(first.shard.rows)
}

/// The stage that wrote a file, as its provenance says.
pub fn stage(path: &Path) -> Result<String, RecordError> {
    provenance(path).map(|meta| meta.stage)
}

fn provenance(path: &Path) -> Result<Meta, RecordError> {
    let beside = meta_path(path);
    if path.to_string_lossy().ends_with(".meta.json") {
        return Err(RecordError::Provenance { path: path.to_owned() });
    }
    let text = std::fs::read_to_string(&beside)
        .map_err(|source| RecordError::Open { path: beside.clone(), source })?;
    serde_json::from_str(&text).map_err(|error| RecordError::Parse {
        path: beside,
        line: error.line(),
        message: error.to_string(),
    })
}

fn part(path: &Path) -> Result<Part, MergeError> {
    let meta = provenance(path)?;
    let shard = meta.shard.ok_or_else(|| MergeError::Whole { path: path.to_owned() })?;
    Ok(Part { path: path.to_owned(), meta, shard })
}

/// Whether `parts`, sorted, are all parts of one run.
fn belong_together(parts: &[Part]) -> Result<(), MergeError> {
    let Some(first) = parts.first() else { return Ok(()) };
    for part in &parts[1..] {
        // Paths may differ from machine to machine; the inputs' content is part of the configuration.
        let bare = |part: &Part| {
            let Shard { of, rows, .. } = part.shard;
            let meta = Meta { shard: None, inputs: Default::default(), ..part.meta.clone() };
            serde_json::json!({ "meta": meta, "shard": { "of": of, "rows": rows } })
        };
        if let Some((key, was, is)) = first_difference("", &bare(first), &bare(part)) {
            let key = key.trim_start_matches("meta.").to_owned();
            let (path, first) = (part.path.clone(), first.path.clone());
            return Err(MergeError::Differs { path, first, key, was, is });
        }
    }
    for pair in parts.windows(2) {
        if pair[0].shard.number == pair[1].shard.number {
            let (path, first) = (pair[1].path.clone(), pair[0].path.clone());
            return Err(MergeError::Twice { path, first, shard: pair[1].shard });
        }
    }
    let of = first.shard.of;
    let is_there =
        |number: &usize| parts.binary_search_by_key(number, |part| part.shard.number).is_ok();
    let missing: Vec<usize> = (1..=of.min(SHARDS_MAX)).filter(|n| !is_there(n)).collect();
    if missing.is_empty() { Ok(()) } else { Err(MergeError::Missing { missing, of }) }
}

/// Gives the rows of a part, each with its line end, to `take`; returns how many there are.
fn rows(
    part: &Part,
    mut take: impl FnMut(&[u8]) -> Result<(), RecordError>,
) -> Result<usize, MergeError> {
    let shard = part.shard;
    let damaged = |line, what| MergeError::Damaged { path: part.path.clone(), shard, line, what };
    let mut input = open_text(&part.path)?;
    let (mut line, mut count) = (Vec::new(), 0);
    loop {
        line.clear();
        let length = input.read_until(b'\n', &mut line).map_err(|source| RecordError::Read {
            path: part.path.clone(),
            line: count + 1,
            source,
        })?;
        // A torn last line is no row.
        if length == 0 || !line.ends_with(b"\n") {
            return Ok(count);
        }
        count += 1;
        if !line.starts_with(b"{") || !line.ends_with(b"}\n") {
            return Err(damaged(count, "no row"));
        }
        if count > shard.range().len() {
            return Err(damaged(count, "a row too many"));
        }
        take(&line)?;
    }
}
