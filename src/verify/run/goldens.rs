//! The golden modules of a run: each elaborated when its first candidate is judged, and kept while its
//! problem is worked on. A run may have a hundred thousand problems, so those of some time ago are dropped,
//! and elaborated again if they are wanted again.

use std::sync::{Arc, Mutex, MutexGuard};

use super::recent::Recent;
use super::{GoldenModule, RunError};

/// Golden modules that are kept: more problems than a window of usual files has.
const KEPT: usize = 1024;

/// A golden module, or why it cannot be judged.
pub type Golden = Result<GoldenModule, String>;

/// Empty until the first thread that wants it has elaborated it; the lock makes others wait.
type Slot = Arc<Mutex<Option<Arc<Golden>>>>;

/// The golden modules, by index of their problem.
pub struct Goldens(Mutex<Recent<usize, Slot>>);

impl Goldens {
    /// None yet.
    pub fn new() -> Goldens {
        Goldens(Mutex::new(Recent::new(KEPT)))
    }

    /// The golden module of a problem, elaborated if it is not there.
    pub fn get(
        &self,
        index: usize,
        elaborate: impl FnOnce() -> Result<Golden, RunError>,
    ) -> Result<Arc<Golden>, RunError> {
        let slot = self.slot(index);
        let mut slot = lock(&slot);
        if let Some(golden) = &*slot {
            return Ok(golden.clone());
        }
        let golden = Arc::new(elaborate()?);
        *slot = Some(golden.clone());
        Ok(golden)
    }

    fn slot(&self, index: usize) -> Slot {
        let mut slots = lock(&self.0);
        slots.get(&index).unwrap_or_else(|| {
            let slot = Slot::default();
            slots.insert(index, slot.clone(), 1);
            slot
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
