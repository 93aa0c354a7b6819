//! What a long command begins with: its number of threads, and a flag that Ctrl-C sets.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;

/// Returns the number of threads that `--threads` asks for, by default one for each core.
pub fn threads(asked: Option<usize>) -> anyhow::Result<usize> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = asked.unwrap_or_else(cores);
    anyhow::ensure!(threads > 0, "--threads must be 1 or more");
    Ok(threads)
}

/// Returns a flag that Ctrl-C and `kill` set from now on, in place of ending the program.
pub fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, stop.clone())
        .and_then(|_| signal_hook::flag::register(signal_hook::consts::SIGTERM, stop.clone()))
        .context("failed to listen for Ctrl-C")?;
    Ok(stop)
}
