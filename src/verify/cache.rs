//! The content-hash cache: what was built once from the same bytes is not built again.
//!
//! Entries are files or folders named by the hash of all that went into them. They appear by a rename, so
//! that another process sees a whole entry or none, and two processes that build the same one do no harm.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// A folder of entries.
#[derive(Debug)]
pub struct Cache {
    root: PathBuf,
    memory: Option<PathBuf>,
    scratches: AtomicU64,
    /// Bytes of all entries that a run may leave, and those that were kept since it was last looked at.
    size_max: u64,
    kept: AtomicU64,
}

/// The cache folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "failed to use the cache at {path} (is the disk full, or not writable? another place can be given by SALV_CACHE)"
)]
pub struct CacheError {
    /// The file or folder.
    pub path: String,
    /// The cause.
    pub source: io::Error,
}

/// A folder for one piece of work, removed when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover is removed by the next run's `prune`.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Bytes that must be free before a tool's failure is called a module's. A batch of large modules writes as much.
const ROOM_MIN: u64 = 64 << 20;

/// Scratch folders older than this belong to runs that were killed.
const SCRATCH_AGE_MAX_SECONDS: u64 = 24 * 3600;

impl Cache {
    /// Opens the cache at `root`, making it if needed.
    pub fn open(root: &Path) -> Result<Cache, CacheError> {
        for folder in ["entries", "scratch"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(|source| error(&path, source))?;
        }
        let (scratches, kept) = (AtomicU64::new(0), AtomicU64::new(0));
        let (root, memory) = (root.to_path_buf(), None);
        Ok(Cache { root, memory, scratches, size_max: u64::MAX, kept })
    }

    /// The cache with a folder, `memory`, for scratch folders that never reach a disk: for programs that write
    /// many small files, of which nothing is kept as it is.
    pub fn with_memory(self, memory: Option<PathBuf>) -> Cache {
        Cache { memory, ..self }
    }

    /// The cache with a limit: the oldest entries go when something is first added, and whenever a quarter as much was. A run that
    /// adds nothing does not look at them.
    pub fn limited(self, size_max: u64) -> Cache {
        Cache { size_max, kept: AtomicU64::new(size_max / 4), ..self }
    }

    /// The name of the entry made from `parts`.
    pub fn key(&self, parts: &[&str]) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().to_hex()[..32].to_string()
    }

    /// The entry of that name, if it is there. Finding it makes it young.
    pub fn find(&self, key: &str) -> Option<PathBuf> {
        let path = self.root.join("entries").join(key);
        let file = fs::File::open(&path).ok()?;
        // Only `prune` reads the time, and an old one merely makes an entry go early.
        let _ = file.set_modified(SystemTime::now());
        Some(path)
    }

    /// Moves the file or folder at `path` to the entry of that name.
    pub fn keep(&self, key: &str, path: &Path) -> Result<PathBuf, CacheError> {
        let entry = self.root.join("entries").join(key);
        // An entry stays the file that it is: a worker's barrier names the file and not its path, so that one put in
        // its place, with the same bytes, could not be read by a worker that is just starting.
        let placed = match renameat_with(CWD, path, CWD, &entry, RenameFlags::NOREPLACE) {
            // Not every file system knows how.
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(path, &entry),
            other => other.map_err(io::Error::from),
        };
        match placed {
            Ok(()) => {}
            // Another process was quicker with the same content.
            Err(_) if entry.exists() => {}
            Err(source) => return Err(error(&entry, source)),
        }
        let size = fs::metadata(&entry).map_or(0, |data| data.len());
        let kept = self.kept.fetch_add(size, Ordering::Relaxed) + size;
        if kept > self.size_max / 4 {
            self.kept.store(0, Ordering::Relaxed);
            self.prune(self.size_max)?;
        }
        Ok(entry)
    }

    /// The folder of that name, filled by `fill` if it is not there.
    pub fn folder<E: From<CacheError>>(
        &self,
        key: &str,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        if let Some(path) = self.find(key) {
            return Ok(path);
        }
        let scratch = self.scratch()?;
        let folder = scratch.path().join("entry");
        fs::create_dir(&folder).map_err(|source| error(&folder, source))?;
        fill(&folder)?;
        Ok(self.keep(key, &folder)?)
    }

    /// A fresh empty folder.
    pub fn scratch(&self) -> Result<Scratch, CacheError> {
        self.scratch_in(&self.root.join("scratch"))
    }

    /// A fresh empty folder in memory, if there is a place for it. It may be full sooner than a disk is.
    pub fn memory_scratch(&self) -> Option<Scratch> {
        self.scratch_in(self.memory.as_deref()?).ok()
    }

    fn scratch_in(&self, parent: &Path) -> Result<Scratch, CacheError> {
        loop {
            let number = self.scratches.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Scratch(path)),
                // Left from a killed run, or in use: on another machine that shares the cache, or in another
                // container, a process may have the same number.
                Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(error(&path, source)),
            }
        }
    }

    /// Checks that there is room for what tools write: a file of [`ROOM_MIN`] bytes is set aside and removed.
    ///
    /// Asked after a tool has failed, before the failure is called a module's: a tool that could not write
    /// may say anything.
    pub fn check_room(&self) -> Result<(), CacheError> {
        let scratch = self.scratch()?;
        let path = scratch.path().join("room");
        let file = fs::File::create(&path).map_err(|source| error(&path, source))?;
        match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, ROOM_MIN) {
            // Not every file system can set bytes aside; those that cannot have told how much is free.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                let free = rustix::fs::statvfs(&path).map_err(|e| error(&path, e.into()))?;
                let full = free.f_bavail.saturating_mul(free.f_frsize) < ROOM_MIN;
                let full = full.then(|| io::Error::from(io::ErrorKind::StorageFull));
                full.map_or(Ok(()), |source| Err(error(&path, source)))
            }
            other => other.map_err(|e| error(&path, e.into())),
        }
    }

    /// Removes the oldest entries until `size_max` bytes are left, and scratch folders of killed runs.
    pub fn prune(&self, size_max: u64) -> Result<(), CacheError> {
        let mut entries = list(&self.root.join("entries"))?;
        entries.sort();
        let mut size: u64 = entries.iter().map(|(_, _, size)| size).sum();
        for (_, path, bytes) in &entries {
            if size <= size_max {
                break;
            }
            if path.is_file() && fs::remove_file(path).is_ok() {
                size -= bytes;
            }
        }
        let mut scratches = list(&self.root.join("scratch"))?;
        if let Some(memory) = &self.memory {
            scratches.extend(list(memory)?);
        }
        for (time, path, _) in scratches {
            let age = SystemTime::now().duration_since(time).unwrap_or_default();
            if age.as_secs() > SCRATCH_AGE_MAX_SECONDS {
                let _ = fs::remove_dir_all(path);
            }
        }
        Ok(())
    }
}

fn list(folder: &Path) -> Result<Vec<(SystemTime, PathBuf, u64)>, CacheError> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(|source| error(folder, source))? {
        let entry = entry.map_err(|source| error(folder, source))?;
        // Another process may have removed it meanwhile.
        if let Ok(data) = entry.metadata() {
            let time = data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            entries.push((time, entry.path(), data.len()));
        }
    }
    Ok(entries)
}

fn error(path: &Path, source: io::Error) -> CacheError {
    CacheError { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_limited_cache_stays_within_its_limit_during_a_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path()).expect("a cache").limited(10_000);
        for number in 0..300 {
            let scratch = cache.scratch().expect("a folder");
            let file = scratch.path().join("entry");
            fs::write(&file, [0; 100]).expect("a file");
            let entry = cache.keep(&format!("{number:04}"), &file).expect("kept");
            assert!(entry.exists(), "what was just kept stays");
        }
        let size: u64 =
            list(&folder.path().join("entries")).expect("entries").iter().map(|e| e.2).sum();
        assert!((5_000..=12_600).contains(&size), "{size} bytes");
    }

    #[test]
    fn a_scratch_folder_of_the_same_number_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, two) = (Cache::open(folder.path()), Cache::open(folder.path()));
        let one = one.and_then(|cache| cache.scratch()).expect("a folder");
        let two = two.and_then(|cache| cache.scratch()).expect("a folder");
        assert_ne!(one.path(), two.path());
    }

    /// Two runs that built the same unit at once replaced it under a worker that was about to load it.
    #[test]
    fn an_entry_that_is_kept_twice_stays_the_first_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path()).expect("a cache");
        let scratch = cache.scratch().expect("a scratch folder");
        let keep = |text: &str| {
            let path = scratch.path().join("unit");
            fs::write(&path, text).expect("a file");
            cache.keep("key", &path).expect("an entry")
        };
        let first = fs::metadata(keep("one")).expect("the entry").ino();
        let entry = keep("one");
        assert_eq!(fs::metadata(&entry).expect("the entry").ino(), first);
        assert_eq!(cache.find("key"), Some(entry));
    }
}
