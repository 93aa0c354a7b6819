//! Whose code is running, on a page of a file: what a worker that dies can no longer say.
//!
//! The worker writes 16 bytes before each run of a module, some thousand times for a candidate; a message
//! to the parent each time would wake it and cost more than the run (a quarter of the CPU time of a run of
//! 100,000 vectors, measured). The parent reads them when the worker has died.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::worker::WorkerError;

/// The file.
#[derive(Debug)]
pub struct Marker {
    path: PathBuf,
    file: File,
}

/// Stands for the golden module.
const GOLDEN: u64 = u64::MAX;

impl Marker {
    /// Makes the file at `path`, empty: nothing has run.
    pub fn create(path: &Path) -> Result<Marker, WorkerError> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path);
        Marker::wrap(path, file)
    }

    /// Opens the file that the parent made.
    pub fn open(path: &Path) -> Result<Marker, WorkerError> {
        Marker::wrap(path, File::options().write(true).open(path))
    }

    fn wrap(path: &Path, file: io::Result<File>) -> Result<Marker, WorkerError> {
        let file = file.map_err(|error| failed(path, &error))?;
        Ok(Marker { path: path.to_path_buf(), file })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says that this candidate of the task, or its golden module, runs next.
    pub fn write(&self, task: usize, candidate: Option<usize>) -> Result<(), WorkerError> {
        let candidate = candidate.map_or(GOLDEN, |candidate| candidate as u64);
        let bytes = [(task as u64).to_le_bytes(), candidate.to_le_bytes()].concat();
        self.file.write_all_at(&bytes, 0).map_err(|error| failed(&self.path, &error))
    }

    /// The task and the candidate that ran last; `None` if nothing has run.
    pub fn read(&self) -> Result<Option<(usize, Option<usize>)>, WorkerError> {
        let mut bytes = [0; 16];
        match self.file.read_exact_at(&mut bytes, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(failed(&self.path, &error)),
        }
        let (task, candidate) = bytes.split_at(8);
        let word =
            |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        let candidate = Some(word(candidate)).filter(|&candidate| candidate != GOLDEN);
        Ok(Some((word(task) as usize, candidate.map(|candidate| candidate as usize))))
    }
}

fn failed(path: &Path, error: &io::Error) -> WorkerError {
    WorkerError::load(format!("{}: {error} (is the disk full?)", path.display()))
}

#[cfg(test)]
mod tests {
    use super::Marker;

    #[test]
    fn what_is_written_last_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let parent = Marker::create(&folder.path().join("marker")).expect("a file");
        assert_eq!(parent.read().expect("nothing"), None);
        let worker = Marker::open(parent.path()).expect("the file");
        worker.write(300, None).expect("a mark");
        assert_eq!(parent.read().expect("a mark"), Some((300, None)));
        worker.write(2, Some(65_537)).expect("a mark");
        assert_eq!(parent.read().expect("a mark"), Some((2, Some(65_537))));
    }
}
