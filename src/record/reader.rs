//! The reading half: a path in, typed rows out, one at a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::RecordError;

/// Longest line that is read. The largest real completion has a quarter of a megabyte; a hundred times that
/// still fits, and a file that is no JSON lines file at all is told apart before it fills the memory.
pub const LINE_BYTES_MAX: usize = 64 << 20;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A row and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<T> {
    /// Index among the rows, from 0: blank lines do not count.
    pub number: usize,
    /// Line in the file, from 1, as an editor shows it.
    pub line: usize,
    /// The row.
    pub value: T,
}

/// Opens a `.jsonl` or `.jsonl.gz` file, told apart by content; rows follow one at a time.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Lines<T>, RecordError> {
    Ok(Lines::new(path, open_text(path)?, 0))
}

/// Opens an input. Nearly all are read more than once, for their hash and for what is wrong with them first, and a pipe
/// would be empty the second time.
pub(super) fn open(path: &Path) -> Result<File, RecordError> {
    let failed = |source| RecordError::Open { path: path.to_owned(), source };
    // Asked first: to open a pipe that nobody writes would wait for ever.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(RecordError::NoFile { path: path.to_owned() });
    }
    File::open(path).map_err(failed)
}

/// The text of a file, unpacked if it is compressed.
pub(super) fn open_text(path: &Path) -> Result<Box<dyn BufRead + Send>, RecordError> {
    let mut file = open(path)?;
    let open = |source| RecordError::Open { path: path.to_owned(), source };
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic).map_err(open)?;
    let compressed = magic == GZIP_MAGIC;
    let whole = Cursor::new(magic).chain(file);
    Ok(if compressed {
        Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(whole))))
    } else {
        Box::new(BufReader::new(whole))
    })
}

/// The rows of a file, in order; after an `Err` of reading there is nothing more.
pub struct Lines<T> {
    path: PathBuf,
    input: Box<dyn BufRead + Send>,
    line: usize,
    number: usize,
    done: bool,
    rows: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Iterator for Lines<T> {
    type Item = Result<Line<T>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            let bytes = match self.next_line() {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            };
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            let number = self.number;
            self.number += 1;
            let row = parse(&bytes).map(|value| Line { number, line: self.line, value });
            return Some(row.map_err(|message| RecordError::Parse {
                path: self.path.clone(),
                line: self.line,
                message,
            }));
        }
        None
    }
}

impl<T> Lines<T> {
    /// Returns the rows of `input`, of which `line` lines have been read.
    pub(super) fn new(path: &Path, input: Box<dyn BufRead + Send>, line: usize) -> Lines<T> {
        Lines { path: path.to_owned(), input, line, number: 0, done: false, rows: PhantomData }
    }

    /// Goes past up to `rows` rows without looking into them; returns how many there were.
    pub fn pass(&mut self, rows: usize) -> Result<usize, RecordError> {
        let mut passed = 0;
        while passed < rows && !self.done {
            match self.next_line() {
                Ok(Some(bytes)) => passed += usize::from(!bytes.trim_ascii().is_empty()),
                Ok(None) => self.done = true,
                Err(error) => {
                    self.done = true;
                    return Err(error);
                }
            }
        }
        self.number += passed;
        Ok(passed)
    }

    /// The line that was read last, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    fn next_line(&mut self) -> Result<Option<Vec<u8>>, RecordError> {
        let mut bytes = Vec::new();
        let limit = LINE_BYTES_MAX as u64 + 1;
        self.line += 1;
        match self.input.by_ref().take(limit).read_until(b'\n', &mut bytes) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(source) => return Err(self.unreadable(source)),
        }
        if bytes.len() > LINE_BYTES_MAX {
            return Err(RecordError::LineTooLong { path: self.path.clone(), line: self.line });
        }
        if self.line == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Some(bytes))
    }

    fn unreadable(&self, source: io::Error) -> RecordError {
        RecordError::Read { path: self.path.clone(), line: self.line, source }
    }
}

/// Parses one line; the error is a message with the cure where it is known.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    let error = match serde_json::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if let Some(repaired) = replace_lone_surrogates(text)
        && let Ok(value) = serde_json::from_str(&repaired)
    {
        return Ok(value);
    }
    let hint = if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        " (the file is UTF-16; convert it to UTF-8)"
    } else if text.starts_with('[') {
        " (this is a JSON list; JSON lines have one object in each line)"
    } else if error.is_eof() {
        " (the line ends within the record: is the file cut off, or is the JSON spread over lines?)"
    } else if !text.starts_with('{') {
        " (each line must be a JSON object)"
    } else {
        ""
    };
    Err(format!("{}{hint}", within_line(&error)))
}

/// The message of a parser that was given one line: its column alone, since the line is named with the file.
fn within_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(text) => format!("{text} (column {})", error.column()),
        None => text,
    }
}

/// Replaces escaped halves of surrogate pairs that stand alone by U+FFFD, as for bytes that are no UTF-8;
/// `None` if there are none. Python writes them for text that it read with `surrogateescape`.
fn replace_lone_surrogates(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let length = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(_), _) => {
                found = true;
                out.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            // The backslash and the character after it, which may be a backslash too.
            (None, _) => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&escape[..length]);
        rest = &escape[length..];
    }
    out.push_str(rest);
    found.then_some(out)
}

/// Returns the surrogate that `text` begins with as an escape.
fn surrogate(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let value = u32::from_str_radix(digits, 16).ok()?;
    (0xd800..=0xdfff).contains(&value).then_some(value)
}
