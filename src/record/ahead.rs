//! Rows that came before their turn: kept in a file beside the output, so that a run that is stopped need not
//! make them again.
//!
//! A stage works in an order of its own and writes in the order of its input, so many rows wait in memory for
//! an earlier one. `FILE.ahead` holds them meanwhile. Its first line names the provenance of the run it belongs
//! to: rows of another run are never taken. It is written again without the rows that the output has by now
//! when it has grown to twice what waits, and removed when the run is done. A torn end is left out when it is
//! read, so it may be killed at any time.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::writer::beside;
use super::{Meta, RecordError, content_hash};

/// Rows in the file that the output has by now, beyond as many as wait.
const STALE_MAX: usize = 4096;

/// The rows that wait.
#[derive(Debug)]
pub struct Ahead {
    path: PathBuf,
    head: String,
    /// There is none until the first row waits.
    file: Option<File>,
    /// Lines by row.
    waiting: BTreeMap<usize, String>,
    /// Lines that are not handed to the system.
    buffer: String,
    /// Rows in the file.
    lines: usize,
}

#[derive(Serialize, Deserialize)]
struct Head {
    made_by: String,
}

#[derive(Serialize, Deserialize)]
struct Line<T> {
    row: usize,
    value: T,
}

impl Ahead {
    /// Finds what a stopped run left beside `path`: the rows from `done` on, if they were made as `meta` says.
    ///
    /// Without `resume` what is there is removed.
    pub fn open<T: DeserializeOwned>(
        path: &Path,
        meta: &Meta,
        done: usize,
        resume: bool,
    ) -> Result<(Ahead, BTreeMap<usize, T>), RecordError> {
        let text = serde_json::to_string(meta).map_err(|error| write_error(path, error.into()))?;
        let made_by = content_hash(text.as_bytes());
        let head = serde_json::to_string(&Head { made_by: made_by.clone() })
            .map_err(|error| write_error(path, error.into()))?;
        let mut ahead = Ahead {
            path: beside(path, ".ahead"),
            head,
            file: None,
            waiting: BTreeMap::new(),
            buffer: String::new(),
            lines: 0,
        };
        let mut rows = BTreeMap::new();
        if resume {
            let found = left(&ahead.path, &made_by)
                .map_err(|source| RecordError::Open { path: ahead.path.clone(), source })?;
            for text in found {
                if let Ok(Line { row, value }) = serde_json::from_str::<Line<T>>(&text)
                    && row >= done
                {
                    rows.insert(row, value);
                    ahead.waiting.insert(row, text);
                }
            }
        }
        if ahead.waiting.is_empty() {
            ahead.remove()?;
        } else {
            ahead.rewrite()?;
        }
        Ok((ahead, rows))
    }

    /// Keeps a row that must wait; one that is there already is left as it is.
    pub fn keep(&mut self, row: usize, value: &impl Serialize) -> Result<(), RecordError> {
        if self.waiting.contains_key(&row) {
            return Ok(());
        }
        let line = serde_json::to_string(&Line { row, value })
            .map_err(|error| write_error(&self.path, error.into()))?;
        if self.file.is_none() {
            self.rewrite()?;
        }
        self.buffer.push_str(&line);
        self.buffer.push('\n');
        self.lines += 1;
        self.waiting.insert(row, line);
        Ok(())
    }

    /// Hands all rows to the system; those below `written` are in the output, and handed on before.
    pub fn settle(&mut self, written: usize) -> Result<(), RecordError> {
        self.waiting = self.waiting.split_off(&written);
        if self.lines > 2 * self.waiting.len() + STALE_MAX {
            return self.rewrite();
        }
        if let (Some(file), false) = (&mut self.file, self.buffer.is_empty()) {
            let outcome = file.write_all(self.buffer.as_bytes());
            self.buffer.clear();
            outcome.map_err(|source| write_error(&self.path, source))?;
        }
        Ok(())
    }

    /// How many rows wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no row waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Removes the file: the output is complete.
    pub fn remove(&mut self) -> Result<(), RecordError> {
        self.file = None;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(write_error(&self.path, error))
            }
            _ => Ok(()),
        }
    }

    /// Writes the file with what waits; it is there whole, as it was or as it is to be.
    fn rewrite(&mut self) -> Result<(), RecordError> {
        let draft = beside(&self.path, ".tmp");
        let mut text = self.head.clone() + "\n";
        for line in self.waiting.values() {
            text.push_str(line);
            text.push('\n');
        }
        let write = || -> io::Result<File> {
            std::fs::write(&draft, &text)?;
            std::fs::rename(&draft, &self.path)?;
            OpenOptions::new().append(true).open(&self.path)
        };
        self.file = Some(write().map_err(|source| write_error(&self.path, source))?);
        self.buffer.clear();
        self.lines = self.waiting.len();
        Ok(())
    }
}

/// The whole lines of a file of the run `made_by`, without the first; none if there is no such file.
fn left(path: &Path, made_by: &str) -> io::Result<Vec<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut input = BufReader::new(file);
    let mut line = Vec::new();
    let mut lines = Vec::new();
    let mut is_ours = false;
    while input.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        // A torn line that others follow has zeros or half a row: it is no UTF-8 or no record, and left out.
        let text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        line.clear();
        if is_ours {
            lines.push(text);
            continue;
        }
        let head: Option<Head> = serde_json::from_str(&text).ok();
        if head.is_none_or(|head| head.made_by != made_by) {
            return Ok(Vec::new());
        }
        is_ours = true;
    }
    Ok(lines)
}

fn write_error(path: &Path, source: io::Error) -> RecordError {
    RecordError::Write { path: path.to_owned(), source }
}
