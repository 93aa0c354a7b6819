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

/// Clocks that many threads add to.
#[derive(Debug, Default)]
pub struct Timing([AtomicU64; 4]);

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
        self.0[stage as usize].fetch_add(nanoseconds, Ordering::Relaxed);
        done
    }

    /// Returns what was added so far.
    pub fn seconds(&self) -> Seconds {
        let [elaborate, verilate, compile, simulate] =
            [0, 1, 2, 3].map(|stage: usize| self.0[stage].load(Ordering::Relaxed) as f64 / 1e9);
        Seconds { elaborate, verilate, compile, simulate }
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
