//! How long a run will take, and whether a CPU would be quicker: said before the first slow step.
//!
//! In: how many candidates of how many problems, how many cycles, and a board. Out: seconds for both ways, and the
//! cycles from which the chip is quicker. The figures are measured ones on two shared cores (`scripts/fpga-break-even`
//! measures some anew); they tell minutes from hours, no more.

use super::bitstream::Stage;
use super::boards::{Board, Family};
use super::carrier::Carrier;

/// What is known of a run beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Problems, each of which is a chip at least.
    pub problems: usize,
    /// Candidates.
    pub candidates: usize,
    /// Cycles of the base episodes.
    pub vectors: u32,
    /// Chips that are built at once.
    pub jobs: usize,
}

/// What is expected of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Seconds with this board.
    pub chip_seconds: f64,
    /// Seconds with the verilator backend.
    pub cpu_seconds: f64,
    /// Cycles from which the board is quicker, if it ever is.
    pub even_at: Option<f64>,
}

/// Seconds of one Yosys job for a module.
const MODULE_SECONDS: f64 = 1.6;
/// Seconds of synthesis of a whole chip.
const CHIP_SECONDS: f64 = 12.0;
/// Seconds of place and route, and of decoding and compiling what is simulated.
const PLACE_SECONDS: f64 = 45.0;
const MODEL_SECONDS: [f64; 3] = [8.0, 25.0, 40.0];
/// Clocks that a simulated board makes in a second, by stage.
const MODEL_HERTZ: [f64; 3] = [400_000.0, 60_000.0, 60_000.0];
/// Seconds of programming and of talking to a board, for a chip.
const TALK_SECONDS: f64 = 3.0;
/// Seconds of the verilator backend for a candidate, and cycles of a candidate in a second.
const CPU_SECONDS: f64 = 0.025;
const CPU_CYCLES: f64 = 6.0e6;
/// Clocks of a cycle in the full profile: four are rows, the others are settings between segments and episodes.
const CLOCKS_OF_CYCLE: f64 = 50.0;

/// Estimates a run.
pub fn estimate(work: Work, board: &Board, carrier: &Carrier) -> Estimate {
    let jobs = work.jobs.max(1) as f64;
    let candidates = work.candidates as f64;
    let chips = (work.problems as f64).max((candidates / of_chip(board)).ceil());
    let (build, hertz) = match carrier {
        Carrier::Port { .. } => {
            (CHIP_SECONDS + PLACE_SECONDS * scale(board) + TALK_SECONDS, board.hertz as f64)
        }
        Carrier::Simulated(stage) => {
            let made = match stage {
                Stage::Rtl => 0.0,
                Stage::Netlist => CHIP_SECONDS,
                Stage::Bitstream => CHIP_SECONDS + PLACE_SECONDS * scale(board),
            };
            (made + MODEL_SECONDS[*stage as usize], MODEL_HERTZ[*stage as usize])
        }
    };
    let fixed = ((candidates + work.problems as f64) * MODULE_SECONDS + chips * build) / jobs;
    let per_cycle = chips * CLOCKS_OF_CYCLE / hertz;
    let cpu_fixed = candidates * CPU_SECONDS / jobs;
    let cpu_per_cycle = candidates / CPU_CYCLES / jobs;
    let vectors = f64::from(work.vectors);
    let gain = cpu_per_cycle - per_cycle;
    Estimate {
        chip_seconds: fixed + vectors * per_cycle,
        cpu_seconds: cpu_fixed + vectors * cpu_per_cycle,
        even_at: (gain > 0.0).then(|| (fixed - cpu_fixed).max(0.0) / gain),
    }
}

/// Small candidates that share a chip.
fn of_chip(board: &Board) -> f64 {
    match board.family {
        Family::Up => 8.0,
        Family::Hx => 20.0,
        Family::Ecp5 => 60.0,
    }
}

/// Place and route of the larger chips takes longer.
fn scale(board: &Board) -> f64 {
    match board.family {
        Family::Up => 1.0,
        Family::Hx => 1.3,
        Family::Ecp5 => 3.0,
    }
}

impl Estimate {
    /// In words, with the advice that follows.
    pub fn describe(&self) -> String {
        let (chip, cpu) = (span(self.chip_seconds), span(self.cpu_seconds));
        let even = match self.even_at {
            Some(cycles) => format!("this board is quicker from about {cycles:.1e} vectors on"),
            None => "this board is never quicker for so few candidates".to_owned(),
        };
        let advice = if self.cpu_seconds < self.chip_seconds {
            "; --backend verilator would be quicker here"
        } else {
            ""
        };
        format!("about {chip} on this board, {cpu} on the CPU: {even}{advice}")
    }
}

fn span(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::boards::BOARDS;
    use super::*;

    #[test]
    fn few_vectors_are_for_the_cpu_and_very_many_for_the_board() {
        let carrier = Carrier::Port { port: "/dev/null".into(), programmer: None };
        let ulx3s = BOARDS.iter().find(|board| board.name == "ulx3s").expect("a board");
        let work = |vectors| Work { problems: 1, candidates: 60, vectors, jobs: 1 };
        let few = estimate(work(2048), ulx3s, &carrier);
        assert!(few.cpu_seconds < few.chip_seconds);
        assert!(few.describe().contains("--backend verilator would be quicker"));
        let many = estimate(work(1 << 31), ulx3s, &carrier);
        assert!(many.cpu_seconds > many.chip_seconds, "{many:?}");
        assert!(few.even_at.is_some_and(|cycles| (1e7..1e9).contains(&cycles)), "{few:?}");
        // Eight candidates are simulated quicker than a chip at 12 MHz makes their stimulus.
        let icebreaker = Work { candidates: 8, ..work(1 << 31) };
        assert_eq!(estimate(icebreaker, &BOARDS[0], &carrier).even_at, None);
    }
}
