//! How far reading may be ahead of writing, so that a run of any length needs the same memory.
//!
//! Verdicts are written in the order of the candidates. A candidate that takes long would let those after it
//! pile up (and equal texts come by the thousand in no time), so the reader waits when it is too far ahead,
//! in rows or in bytes of text, and goes on when half of that is done: batches are then still worth a build.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Rows that are read and not written.
const ROWS_MAX: usize = 16_384;

/// Bytes of rows that are read and not judged.
const BYTES_MAX: usize = 64 << 20;

/// How often a waiting reader looks whether the run is to end.
const LOOK: Duration = Duration::from_millis(50);

/// Where reading and writing are.
#[derive(Debug, Default)]
pub struct Pace {
    progress: Mutex<Progress>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Progress {
    read: usize,
    written: usize,
    bytes: usize,
}

impl Progress {
    fn is_over(&self, part: usize) -> bool {
        self.read - self.written >= ROWS_MAX / part || self.bytes > BYTES_MAX / part
    }
}

impl Pace {
    /// A row of so many bytes was read and is to be judged.
    pub fn read(&self, bytes: usize) {
        let mut progress = self.lock();
        progress.read += 1;
        progress.bytes += bytes;
    }

    /// The text of a row, of so many bytes, is not needed any more.
    pub fn judged(&self, bytes: usize) {
        self.lock().bytes -= bytes;
        self.moved.notify_one();
    }

    /// So many rows are written in all.
    pub fn written(&self, rows: usize) {
        self.lock().written = rows;
        self.moved.notify_one();
    }

    /// Whether reading is as far ahead as it may be.
    pub fn is_full(&self) -> bool {
        self.lock().is_over(1)
    }

    /// Waits until half of what is read is done, or `until` is true.
    pub fn wait(&self, until: impl Fn() -> bool) {
        let mut progress = self.lock();
        while progress.is_over(2) && !until() {
            let (woken, _) = self
                .moved
                .wait_timeout(progress, LOOK)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            progress = woken;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_waits_until_half_is_done() {
        let pace = Pace::default();
        for _ in 0..ROWS_MAX {
            assert!(!pace.is_full());
            pace.read(1);
        }
        assert!(pace.is_full());
        pace.judged(ROWS_MAX);
        pace.written(ROWS_MAX / 2 + 1);
        assert!(!pace.is_full());
        pace.wait(|| false);
        pace.read(BYTES_MAX);
        pace.read(1);
        assert!(pace.is_full(), "too many bytes");
        pace.wait(|| true);
    }
}
