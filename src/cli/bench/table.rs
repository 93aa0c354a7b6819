//! The table of a speed measurement.

use std::fmt::Write as _;

/// What one way came to at one number of vectors.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Who judged.
    pub way: &'static str,
    /// Which rows.
    pub group: &'static str,
    /// Vectors a candidate.
    pub vectors: u32,
    /// Candidates measured.
    pub candidates: usize,
    /// Those of them that gave no verdicts.
    pub failed: usize,
    /// Wall seconds.
    pub seconds: f64,
    /// CPU seconds of everything that ran.
    pub cpu_seconds: f64,
    /// Wall seconds by stage, summed over threads; the last stage is the run, those before it the build.
    pub stages: Vec<(&'static str, f64)>,
    /// Wall seconds of each candidate, where candidates are judged one by one.
    pub each: Vec<f64>,
}

impl Line {
    /// The same way on these rows and on others, at the same number of vectors.
    pub fn and(&self, other: &Line) -> Line {
        let stages = self.stages.iter().zip(&other.stages);
        Line {
            group: "all",
            candidates: self.candidates + other.candidates,
            failed: self.failed + other.failed,
            seconds: self.seconds + other.seconds,
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            stages: stages.map(|(&(name, one), &(_, two))| (name, one + two)).collect(),
            each: [self.each.as_slice(), other.each.as_slice()].concat(),
            ..*self
        }
    }

    fn rate(&self) -> f64 {
        self.candidates as f64 / self.seconds
    }

    fn cpu_ms(&self) -> f64 {
        1000.0 * self.cpu_seconds / self.candidates as f64
    }

    fn run_share(&self) -> f64 {
        let all: f64 = self.stages.iter().map(|(_, seconds)| seconds).sum();
        self.stages.last().map_or(0.0, |(_, run)| 100.0 * run / all.max(f64::MIN_POSITIVE))
    }

    /// How the candidates' times are spread.
    fn spread(&self) -> Option<String> {
        let mut each = self.each.clone();
        each.sort_unstable_by(f64::total_cmp);
        let last = each.len().checked_sub(1)?;
        let at = |share: f64| 1000.0 * each[(last as f64 * share).round() as usize];
        Some(format!(
            "median {:.1} ms, nine in ten below {:.1} ms, slowest {:.1} ms",
            at(0.5),
            at(0.9),
            at(1.0)
        ))
    }

    fn stage_shares(&self) -> String {
        let all: f64 = self.stages.iter().map(|(_, seconds)| seconds).sum();
        let share = |(name, seconds): &(&str, f64)| {
            format!("{name} {:.1} %", 100.0 * seconds / all.max(f64::MIN_POSITIVE))
        };
        self.stages.iter().map(share).collect::<Vec<_>>().join(", ")
    }
}

/// Writes the lines as a table; of those on the same rows, which stand side by side, each is compared to those after it.
pub fn render(lines: &[Line]) -> String {
    let mut text = format!(
        "{:<10} {:<8} {:>8} {:>10} {:>7} {:>9} {:>12} {:>12} {:>8} {:>8}\n",
        "way",
        "rows",
        "vectors",
        "candidates",
        "failed",
        "seconds",
        "candidates/s",
        "CPU ms/cand",
        "build",
        "run",
    );
    for line in lines {
        let run = line.run_share();
        let _ = writeln!(
            text,
            "{:<10} {:<8} {:>8} {:>10} {:>7} {:>9.2} {:>12.1} {:>12.1} {:>6.1} % {:>6.1} %",
            line.way,
            line.group,
            line.vectors,
            line.candidates,
            line.failed,
            line.seconds,
            line.rate(),
            line.cpu_ms(),
            100.0 - run,
            run,
        );
    }
    text.push('\n');
    let same = |a: &&Line, b: &&Line| (a.group, a.vectors) == (b.group, b.vectors);
    for (at, ours) in lines.iter().enumerate() {
        for theirs in lines[at + 1..].iter().take_while(|theirs| same(&ours, theirs)) {
            let _ = writeln!(
                text,
                "{} rows, {} vectors: {} takes {:.2} times the CPU time of {} and judges {:.2} times as many candidates a second",
                ours.group,
                ours.vectors,
                ours.way,
                ours.cpu_ms() / theirs.cpu_ms(),
                theirs.way,
                ours.rate() / theirs.rate(),
            );
        }
    }
    for line in lines {
        let place = format!("{}, {} rows, {} vectors", line.way, line.group, line.vectors);
        if !line.stages.is_empty() {
            let _ = writeln!(text, "{place}: {}", line.stage_shares());
        }
        if let Some(spread) = line.spread() {
            let _ = writeln!(text, "{place}, wall time of a candidate: {spread}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_the_sorted_times() {
        let each = (1..=11).rev().map(|n| f64::from(n) / 1000.0).collect();
        let spread = Line { each, ..Line::default() }.spread().expect("a spread");
        assert_eq!(spread, "median 6.0 ms, nine in ten below 10.0 ms, slowest 11.0 ms");
        assert_eq!(Line::default().spread(), None);
    }

    #[test]
    fn figures_follow_from_counts_and_times() {
        let ours = Line {
            way: "verilator",
            group: "usual",
            vectors: 1000,
            candidates: 300,
            failed: 1,
            seconds: 6.0,
            cpu_seconds: 9.0,
            stages: vec![("compile", 9.0), ("simulate", 1.0)],
            each: Vec::new(),
        };
        let stages = vec![("iverilog", 6.0), ("vvp", 2.0)];
        let theirs = Line {
            way: "icarus",
            failed: 0,
            seconds: 4.5,
            cpu_seconds: 6.75,
            stages,
            ..ours.clone()
        };
        let text = render(&[ours, theirs]);
        let rows: Vec<Vec<&str>> =
            text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            rows[0],
            [
                "verilator",
                "usual",
                "1000",
                "300",
                "1",
                "6.00",
                "50.0",
                "30.0",
                "90.0",
                "%",
                "10.0",
                "%"
            ]
        );
        assert_eq!(
            rows[1],
            [
                "icarus", "usual", "1000", "300", "0", "4.50", "66.7", "22.5", "75.0", "%", "25.0",
                "%"
            ]
        );
        assert!(
            text.contains("takes 1.33 times the CPU time of icarus and judges 0.75 times"),
            "{text}"
        );
        assert!(
            text.contains("verilator, usual rows, 1000 vectors: compile 90.0 %, simulate 10.0 %"),
            "{text}"
        );
    }
}
