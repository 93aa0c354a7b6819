//! The writing half: whole rows appended to a file, its provenance written first; or a file of rows that is there
//! when all of them are.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::draft::Draft;
use super::{Meta, RecordError};

/// Rows are handed to the system in pieces of about this size.
const BUFFER_BYTES: usize = 64 << 10;

/// Returns where the provenance of `path` stands.
pub fn meta_path(path: &Path) -> PathBuf {
    beside(path, ".meta.json")
}

/// A file of rows that is being written.
///
/// Rows wait in memory until [`Writer::flush`] or until there are enough of them; what is not flushed when
/// the writer is dropped is lost, as in a killed run, and a resumed run writes it again.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: Output,
    buffer: Vec<u8>,
}

/// Where rows go.
#[derive(Debug)]
enum Output {
    /// A file that can be continued.
    Rows(File),
    /// One that cannot, with its provenance.
    Whole(Draft, Box<Meta>),
}

impl Writer {
    /// Opens `path` for rows made as `meta` says; returns the number of rows that are already there.
    ///
    /// Without `resume` the file starts empty, whatever it held. With it, an existing file must have been
    /// made with the very same provenance; its last line is dropped if it was torn, and rows are appended.
    pub fn create(path: &Path, meta: &Meta, resume: bool) -> Result<(Writer, usize), RecordError> {
        expect_plain(path)?;
        let failed = |source| RecordError::Write { path: path.to_owned(), source };
        // Before anything is cut or compared: two writers would mix their rows.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        lock(&file, path)?;
        // An empty file has nothing to continue; a run killed before its provenance was written leaves one.
        let resume = resume && std::fs::metadata(path).is_ok_and(|found| found.len() > 0);
        if resume {
            check_same(path, meta)?;
        }
        let rows = if resume {
            keep_whole_rows(&mut file).map_err(failed)?
        } else {
            let provenance = draft_of_meta(path, meta)?;
            // What is no file, such as a device, cannot be cut and holds nothing.
            if file.metadata().map_err(failed)?.is_file() {
                file.set_len(0).map_err(failed)?;
            }
            // After the rows of another run are gone, or they would be taken for some of this one.
            provenance.commit()?;
            0
        };
        Ok((Writer { path: path.to_owned(), file: Output::Rows(file), buffer: Vec::new() }, rows))
    }

    /// Begins a file that cannot be continued: what was there before stays until [`Writer::finish`], and stays for good
    /// if that does not come.
    pub fn create_whole(path: &Path, meta: &Meta) -> Result<Writer, RecordError> {
        expect_plain(path)?;
        let file = Output::Whole(Draft::create(path)?, Box::new(meta.clone()));
        Ok(Writer { path: path.to_owned(), file, buffer: Vec::new() })
    }

    /// Adds a row.
    pub fn write(&mut self, row: &impl Serialize) -> Result<(), RecordError> {
        serde_json::to_writer(&mut self.buffer, row).map_err(|error| self.failed(error.into()))?;
        self.buffer.push(b'\n');
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Adds a row that is JSON already, with its line end.
    pub(super) fn write_row(&mut self, row: &[u8]) -> Result<(), RecordError> {
        self.buffer.extend_from_slice(row);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands all rows to the system: they survive the end of this process.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        let outcome = match &mut self.file {
            Output::Rows(file) => file.write_all(&self.buffer),
            Output::Whole(draft, _) => draft.write_all(&self.buffer),
        };
        self.buffer.clear();
        outcome.map_err(|source| self.failed(source))
    }

    /// Writes what waits and makes sure that it is on the disk.
    pub fn finish(mut self) -> Result<(), RecordError> {
        self.sync()?;
        match self.file {
            Output::Rows(_) => Ok(()),
            Output::Whole(draft, meta) => put_with_meta(&self.path, draft, &meta),
        }
    }

    /// Writes what waits and makes sure that it is on the disk; more rows may follow.
    pub fn sync(&mut self) -> Result<(), RecordError> {
        self.flush()?;
        match &self.file {
            Output::Rows(file) => file.sync_all().map_err(|source| self.failed(source)),
            // It is when it is put in its place.
            Output::Whole(..) => Ok(()),
        }
    }

    fn failed(&self, source: io::Error) -> RecordError {
        RecordError::Write { path: self.path.clone(), source }
    }
}

fn expect_plain(path: &Path) -> Result<(), RecordError> {
    if path.extension().is_some_and(|extension| extension == "gz") {
        return Err(RecordError::Compressed { path: path.to_owned() });
    }
    Ok(())
}

/// Puts rows and their provenance in their places. A process that is killed in between leaves rows of which nothing
/// says what they were made from.
fn put_with_meta(path: &Path, rows: Draft, meta: &Meta) -> Result<(), RecordError> {
    let target = meta_path(path);
    let provenance = draft_of_meta(path, meta)?;
    match std::fs::remove_file(&target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(RecordError::Write { path: target, source: error });
        }
        _ => {}
    }
    rows.commit()?;
    provenance.commit()
}

/// Takes the file for this process until it is closed; the system lets go of it also when the process is killed.
pub(super) fn lock(file: &File, path: &Path) -> Result<(), RecordError> {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        // A file system without locks cannot tell, and one without files (a pipe) need not.
        Ok(()) | Err(rustix::io::Errno::NOLCK | rustix::io::Errno::OPNOTSUPP) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(RecordError::Busy { path: path.to_owned() }),
        Err(error) => Err(RecordError::Write { path: path.to_owned(), source: error.into() }),
    }
}

/// Cuts a torn last line off, leaves the file at its end and returns how many rows it holds.
fn keep_whole_rows(file: &mut File) -> io::Result<usize> {
    let mut piece = vec![0; BUFFER_BYTES];
    let (mut read, mut whole, mut rows) = (0u64, 0u64, 0);
    let mut blank = true;
    loop {
        let length = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for (index, byte) in piece[..length].iter().enumerate() {
            if *byte == b'\n' {
                whole = read + index as u64 + 1;
                rows += usize::from(!blank);
                blank = true;
            } else {
                blank &= byte.is_ascii_whitespace();
            }
        }
        read += length as u64;
    }
    file.set_len(whole)?;
    file.seek(SeekFrom::Start(whole))?;
    Ok(rows)
}

/// The provenance, which is there whole or not at all.
fn draft_of_meta(path: &Path, meta: &Meta) -> Result<Draft, RecordError> {
    let target = meta_path(path);
    let failed = |source| RecordError::Write { path: target.clone(), source };
    let mut text = serde_json::to_vec_pretty(meta).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    let mut draft = Draft::create(&target)?;
    draft.write_all(&text).map_err(failed)?;
    Ok(draft)
}

/// Compares the provenance of an existing file with this run's.
fn check_same(path: &Path, meta: &Meta) -> Result<(), RecordError> {
    let unreadable = |message| RecordError::NoMeta { path: path.to_owned(), message };
    let text =
        std::fs::read_to_string(meta_path(path)).map_err(|error| unreadable(error.to_string()))?;
    let was: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    let is = serde_json::to_value(meta).map_err(|error| unreadable(error.to_string()))?;
    match first_difference("", &was, &is) {
        None => Ok(()),
        Some((key, was, is)) => Err(RecordError::Differs { path: path.to_owned(), key, was, is }),
    }
}

/// Returns the first key at which two values differ, and both values; a hash comes after what it hashes.
pub(super) fn first_difference(
    key: &str,
    was: &serde_json::Value,
    is: &serde_json::Value,
) -> Option<(String, String, String)> {
    if was == is {
        return None;
    }
    let (serde_json::Value::Object(was), serde_json::Value::Object(is)) = (was, is) else {
        return Some((key.to_owned(), was.to_string(), is.to_string()));
    };
    let absent = serde_json::Value::Null;
    let keys: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    keys.into_iter().find_map(|name| {
        let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        first_difference(&key, was.get(name).unwrap_or(&absent), is.get(name).unwrap_or(&absent))
    })
}

/// Returns `path` with something after its whole name.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
