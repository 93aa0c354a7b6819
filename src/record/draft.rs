//! A file that is there whole or not at all: it is written beside its place and put there when it is finished.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::RecordError;
use super::writer::{beside, lock};

/// A file that is being written. What it replaces stays until [`Draft::commit`]; a draft that is dropped before is
/// removed.
///
/// What is no file, such as a device, cannot be replaced and is written as it is.
#[derive(Debug)]
pub struct Draft {
    /// Where it goes, links followed.
    path: PathBuf,
    /// Where it is written, until it is finished.
    place: Option<PathBuf>,
    file: File,
    /// What it replaces, held against runs that would write it meanwhile.
    target: Option<File>,
}

impl Draft {
    /// Begins a file for `path`.
    pub fn create(path: &Path) -> Result<Draft, RecordError> {
        let failed = |source| RecordError::Write { path: path.to_owned(), source };
        let found = std::fs::metadata(path).ok();
        let is_replaced = found.as_ref().is_none_or(Metadata::is_file);
        if !is_replaced {
            let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
            return Ok(Draft { path: path.to_owned(), place: None, file, target: None });
        }
        let target = match &found {
            Some(_) => {
                let target = OpenOptions::new().write(true).open(path).map_err(failed)?;
                lock(&target, path)?;
                Some(target)
            }
            None => None,
        };
        let path = followed(path);
        let place = beside(&path, ".draft");
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(&place).map_err(failed)?;
        lock(&file, &path)?;
        // Between opening and locking it another run may have put it in its place, where it must not be emptied.
        let identity = |found: Metadata| (found.dev(), found.ino());
        let own = file.metadata().map(identity).map_err(failed)?;
        if std::fs::metadata(&place).map(identity).ok() != Some(own) {
            return Err(RecordError::Busy { path });
        }
        file.set_len(0).map_err(failed)?;
        if let Some(found) = found {
            // What was private stays so.
            file.set_permissions(found.permissions()).map_err(failed)?;
        }
        Ok(Draft { path, place: Some(place), file, target })
    }

    /// Puts it in its place, on the disk.
    pub fn commit(mut self) -> Result<(), RecordError> {
        if self.place.is_some()
            && self.target.is_none()
            && let Ok(found) = File::open(&self.path)
        {
            // It was not there, and another run may be writing it now.
            lock(&found, &self.path)?;
        }
        self.put().map_err(|source| RecordError::Write { path: self.path.clone(), source })
    }

    fn put(&mut self) -> io::Result<()> {
        let Some(place) = &self.place else { return self.file.flush() };
        self.file.sync_all()?;
        std::fs::rename(place, &self.path)?;
        self.place = None;
        sync_folder(&self.path)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            // It may be gone already.
            let _ = std::fs::remove_file(place);
        }
    }
}

/// Where a link leads, though nothing may be there yet.
fn followed(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.read_link()) {
        (Ok(path), _) => path,
        // A path that is whole takes the place of the folder.
        (Err(_), Ok(to)) => path.parent().unwrap_or(Path::new("")).join(to),
        (Err(_), Err(_)) => path.to_owned(),
    }
}

/// Writes a whole file in the place of `path`.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    let mut draft = Draft::create(path)?;
    draft
        .write_all(bytes)
        .map_err(|source| RecordError::Write { path: path.to_owned(), source })?;
    draft.commit()
}

/// Makes sure that the names in the folder of `path` are on the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
