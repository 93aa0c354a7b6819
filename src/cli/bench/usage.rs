//! CPU time of this process and of all children that have ended.
//!
//! What we rely on: fields 16 and 17 of Linux's `/proc/self/stat` are the children's user and system time
//! in hundredths of a second (`USER_HZ`), summed without rounding in between.

use std::time::Duration;

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};

const STAT: &str = "/proc/self/stat";

/// Returns the CPU time used so far, to a hundredth of a second.
pub fn cpu_time() -> anyhow::Result<Duration> {
    let own = clock_gettime(ClockId::ProcessCPUTime);
    let own = Duration::new(own.tv_sec.try_into()?, own.tv_nsec.try_into()?);
    let stat = std::fs::read_to_string(STAT)
        .with_context(|| format!("failed to read {STAT} (CPU times need Linux)"))?;
    let children =
        children(&stat).with_context(|| format!("failed to understand {STAT}: {stat}"))?;
    Ok(own + children)
}

fn children(stat: &str) -> Option<Duration> {
    // The second field, the program's name in parentheses, may hold blanks and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(13).map(str::parse::<u64>);
    let hundredths = times.next()?.ok()? + times.next()?.ok()?;
    Some(Duration::from_millis(hundredths * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_may_be_anything() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 1400 1500 160 17 20 0 1";
        assert_eq!(children(stat), Some(Duration::from_millis(1770)));
        assert_eq!(children("7 (a) S 1"), None);
    }

    #[test]
    fn a_child_that_has_ended_counts() {
        let before = cpu_time().expect("a time");
        let loops = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        std::process::Command::new("sh").args(["-c", loops]).status().expect("a shell");
        assert!(cpu_time().expect("a time") >= before + Duration::from_millis(10));
    }
}
