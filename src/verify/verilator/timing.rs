//! Where a run's time goes: wall seconds by stage, summed over the threads that share a backend.
//!
//! They are for a person who asks what is slow. No label depends on them, and they are never written into
//! bytes that are compared.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;

/// A part of the way from a text to its counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// slang reads a text.
    Elaborate,
    /// Verilator makes C++ of a module.
    Verilate,
    /// The C++ compiler makes a shared object of a batch.
    Compile,
    /// A worker runs a batch.
    Simulate,
}

/// Clocks and counts that many threads add to.
#[derive(Debug, Default)]
pub struct Timing {
    nanoseconds: [AtomicU64; 4],
    members: AtomicU64,
    own_loops: AtomicU64,
}

/// Modules that were made into C++, or found so in the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Members {
    /// All.
    pub all: u64,
    /// Those in which Verilator's loops stayed, which compile slower (see `schedule`). Where these are more than
    /// a few in a hundred, Verilator writes other text than the one that is known.
    pub own_loops: u64,
}

/// What the clocks show, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Seconds {
    /// [`Stage::Elaborate`].
    pub elaborate: f64,
    /// [`Stage::Verilate`].
    pub verilate: f64,
    /// [`Stage::Compile`].
    pub compile: f64,
    /// [`Stage::Simulate`].
    pub simulate: f64,
}

impl Timing {
    /// Does `work` and adds the time that it took to `stage`.
    pub fn time<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let done = work();
        // Half a millennium of nanoseconds fits.
        let nanoseconds = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds[stage as usize].fetch_add(nanoseconds, Ordering::Relaxed);
        done
    }

    /// Returns what was added so far.
    pub fn seconds(&self) -> Seconds {
        let [elaborate, verilate, compile, simulate] = [0, 1, 2, 3]
            .map(|stage: usize| self.nanoseconds[stage].load(Ordering::Relaxed) as f64 / 1e9);
        Seconds { elaborate, verilate, compile, simulate }
    }

    /// Counts a module in whose C++ Verilator's own loops stand, or not.
    pub fn count(&self, own_loops: bool) {
        self.members.fetch_add(1, Ordering::Relaxed);
        self.own_loops.fetch_add(own_loops.into(), Ordering::Relaxed);
    }

    /// Returns what was counted so far.
    pub fn members(&self) -> Members {
        Members {
            all: self.members.load(Ordering::Relaxed),
            own_loops: self.own_loops.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn threads_add_to_the_stage_they_are_in() {
        let timing = Timing::default();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    timing.time(Stage::Compile, || std::thread::sleep(Duration::from_millis(20)))
                });
            }
        });
        let seconds = timing.seconds();
        assert!(seconds.compile >= 0.04, "{seconds:?}");
        assert_eq!(Seconds { compile: 0.0, ..seconds }, Seconds::default());
    }
}
