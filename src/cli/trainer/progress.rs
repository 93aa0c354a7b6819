//! What a person sees of a run: a bar on a terminal, a line now and then elsewhere.

use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::train::run::{Seen, Settings};

/// Between two lines where there is no bar.
const QUIET: Duration = Duration::from_secs(30);

/// How much the last step counts for the speed that is shown.
const NEWEST: f64 = 0.1;

/// The progress of a run.
pub struct Bar {
    bar: ProgressBar,
    is_shown: bool,
    told: Instant,
    /// Tokens a second.
    speed: Option<f64>,
    steps: u64,
}

impl Bar {
    /// A bar for the steps after `done`.
    pub fn new(settings: &Settings, done: u64, is_shown: bool) -> Bar {
        let bar = counted(settings.steps as usize, "step", is_shown);
        bar.set_position(done);
        bar.reset_eta();
        Bar { bar, is_shown, told: Instant::now(), speed: None, steps: settings.steps }
    }

    /// Shows a step or an evaluation.
    pub fn tell(&mut self, seen: &Seen) {
        let value = |name: &str| {
            seen.values.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
        };
        let prefix = if seen.is_evaluation { "eval_" } else { "" };
        let mut line = format!("loss {:.4}", value(&format!("{prefix}loss")).unwrap_or(f64::NAN));
        if let Some(margin) = value(&format!("{prefix}rewards/margins")) {
            let accuracy = value(&format!("{prefix}rewards/accuracies")).unwrap_or(f64::NAN);
            line += &format!(", margin {margin:.4}, accuracy {accuracy:.3}");
        }
        if seen.is_evaluation {
            if self.is_shown {
                self.bar.suspend(|| {
                    eprintln!("step {} of {}, evaluation: {line}", seen.step, self.steps)
                });
            }
            return;
        }
        let speed = seen.tokens / seen.seconds;
        let speed = self.speed.map_or(speed, |before| before + NEWEST * (speed - before));
        self.speed = Some(speed);
        line += &format!(", {speed:.0} tokens/s");
        if let Some(memory) = peak_memory() {
            line += &format!(", {} at most", HumanBytes(memory));
        }
        self.bar.set_position(seen.step);
        self.bar.set_message(line.clone());
        if self.is_shown && self.bar.is_hidden() && self.told.elapsed() > QUIET {
            self.told = Instant::now();
            eprintln!("step {} of {}: {line}", seen.step, self.steps);
        }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// A bar that counts to `length`, or a hidden one.
pub fn counted(length: usize, what: &str, is_shown: bool) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    if !is_shown {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template(&format!(
        "{what} {{pos}} of {{len}} {{bar:24}} {{eta}} {{msg}}"
    ));
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The most memory that this process has had, in bytes; Linux says so.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}
