//! What a long command begins with: its number of threads, a flag that Ctrl-C sets, and the tie to who started it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;

/// Returns the number of threads that `--threads` asks for, by default one for each core.
pub fn threads(asked: Option<usize>) -> anyhow::Result<usize> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = asked.unwrap_or_else(cores);
    anyhow::ensure!(threads > 0, "the number of threads must be 1 or more");
    Ok(threads)
}

/// Lets this process be killed when its parent ends; tells whether the parent is still there.
pub fn follow(parent: u32) -> bool {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    let is_bound = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
    // It may have ended before.
    is_bound && getppid().is_some_and(|found| found.as_raw_nonzero().get() as u32 == parent)
}

/// What a program that Ctrl-C ended gives.
const STOPPED: i32 = 130;

/// Whether a person was told that the program stops.
static IS_SAID: AtomicBool = AtomicBool::new(false);

/// How often it is looked whether somebody stopped a run.
const LOOK: Duration = Duration::from_millis(50);

/// Returns a flag that Ctrl-C and `kill` set from now on, in place of ending the program. A second Ctrl-C ends it at
/// once, for who does not want to wait for what is on its way; what is in files is whole either way. That it was heard
/// is said.
pub fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let interrupt = signal_hook::consts::SIGINT;
    signal_hook::flag::register_conditional_shutdown(interrupt, STOPPED, stop.clone())
        .and_then(|_| signal_hook::flag::register(interrupt, stop.clone()))
        .and_then(|_| signal_hook::flag::register(signal_hook::consts::SIGTERM, stop.clone()))
        .context("failed to listen for Ctrl-C")?;
    let heard = stop.clone();
    // Not from the handler, which may do next to nothing; the thread ends with the program.
    std::thread::spawn(move || {
        while !heard.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
        }
        // Stages of one command have a flag each.
        if !IS_SAID.swap(true, Ordering::Relaxed) {
            eprintln!("stopping: what is being done is finished first (Ctrl-C again: at once)");
        }
    });
    Ok(stop)
}
