//! The fpga backend: golden module and candidates on one chip, which makes the stimulus, compares and counts.
//!
//! What a board gives that no simulator does is evidence below the text: synthesis, place and route, silicon. It is no
//! way to filter many candidates quickly ([`estimate`] says from when on it is one). In: tasks as for any backend.
//! Out: counts; where the first mismatch is told by the chip, and what stood there by a replay of that episode in
//! Verilator.
//!
//! ```text
//!  module ─► (mapped netlists) ─► plan ─► harness ─► bitstream ─► carrier ─► session ─► judge ─► counts
//!  one Yosys job each, cached     chips   slots.sv   place, pack   a port,    registers  episodes
//!                                         build.sv                 a model    over link
//! ```
//!
//! A board is reached over [`link`], a stream of bytes: a serial port, or a simulated board ([`board`], [`model`])
//! made of the harness before synthesis, of the netlist, or of the decoded bitstream. `hw/README.md` is the contract
//! with the chip.
//!
//! # Where verdicts may differ from those of the verilator backend
//!
//! - **Power-up.** A golden bit counts where two power-up states agree, all that has no initial value at 0 and at 1,
//!   and not sixteen. Where the replay finds a golden bit undefined at the first mismatch, the output is `unchecked`.
//! - **Synthesis.** A netlist follows the synthesis semantics: an incomplete sensitivity list, or a value read before
//!   it is assigned, gives another design than the text's simulation. `first` then shows two equal values.
//! - **Refused.** Latches, combinational loops, registers with set and reset, tristate drivers, memories of more than
//!   4,096 bits, and what has no room on the board are `unsupported`.
//! - **Counts.** `mismatches` is left out, `compared` is a lower bound where a golden bit was undefined at some point.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::backend::{Backend, BackendError, Outcome, Task, TaskOutcome, Trace};
use super::cache::CacheError;
use super::stimulus::{self, Config, StimulusError};
use super::verilator::Verilator;
use super::verilator::timing::Timing;
use super::verilator::unit::UnitError;
use crate::worker::WorkerError;
use crate::worker::launch::{Ended, LaunchError};

pub mod bitstream;
pub mod board;
pub mod boards;
mod bridge;
pub mod carrier;
pub mod estimate;
pub mod harness;
pub mod judge;
pub mod link;
pub mod model;
pub mod module;
pub mod plan;
pub mod prove;
pub mod registers;
pub mod replay;
mod rtl;
pub mod session;
pub mod toolchain;

use boards::Board;
use carrier::Carrier;
use toolchain::Toolchain;

/// What stops the backend; never a candidate's fault.
#[derive(Debug, thiserror::Error)]
pub enum FpgaError {
    /// The cache folder cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A tool could not be started, or somebody killed it.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A worker failed.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// Verilator's runtime could not be built.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// The stimulus has a fault.
    #[error(transparent)]
    Stimulus(#[from] StimulusError),
    /// The replay failed.
    #[error(transparent)]
    Replay(#[from] BackendError),
    /// The link failed.
    #[error(transparent)]
    Link(#[from] link::LinkError),
    /// A file could not be read or written.
    #[error("failed to use {path} (is the disk full?)")]
    File {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A tool failed on something of ours.
    #[error("{tool} failed (`salv doctor` says which was found): {said}")]
    Tool {
        /// The tool.
        tool: &'static str,
        /// Its status and messages.
        said: String,
    },
    /// A tool's answer could not be understood.
    #[error("failed to understand what a tool of the FPGA backend wrote: {0}")]
    Answer(String),
    /// Yosys fails on a module that it takes.
    #[error(
        "yosys fails on a module that every Yosys takes (`salv doctor` says which was found): {0}"
    )]
    Canary(String),
    /// Yosys fails on the harness.
    #[error("yosys fails on the harness, which is a fault of salv to be reported: {0}")]
    Harness(String),
    /// The packer or the unpacker fails.
    #[error("failed to pack or unpack a bitstream: {0}")]
    Pack(String),
    /// There is no decoder of bitstreams.
    #[error(
        "icebox_vlog is not on the PATH (type: sudo apt-get install fpga-icestorm fpga-icestorm-chipdb)"
    )]
    NoDecoder,
    /// Bitstreams of this family cannot be decoded.
    #[error(
        "bitstreams of board {0} cannot be decoded to a netlist; --simulate netlist is as deep as it goes"
    )]
    NoDecoderOf(&'static str),
    /// The design of a proof has no place on a chip.
    #[error("this design proves nothing, because it has no place on a chip: {0}")]
    NothingToProve(String),
    /// Something that needs a bitstream has none.
    #[error("the chip was not placed, so there is no bitstream of it")]
    NotPlaced,
    /// Cells of an instance are gone.
    #[error(
        "instance {instance} has {found} cells on the chip and its module {expected}: something was merged with another copy, and would be compared with itself"
    )]
    Merged {
        /// The instance.
        instance: String,
        /// The cells that are there.
        found: u32,
        /// The cells of its module.
        expected: u32,
    },
    /// The chip is none of ours.
    #[error(
        "the board answers, but no harness does: IDENT is {0:#010x} (is the bitstream loaded? is this another device's port?)"
    )]
    NoHarness(u32),
    /// The harness speaks another version.
    #[error(
        "the harness speaks version {found:#06x} of contract and stimulus, this salv {expected:#06x} (build and program the bitstream with this salv)"
    )]
    Contract {
        /// What it says.
        found: u32,
        /// What is spoken here.
        expected: u32,
    },
    /// The harness was built for another board.
    #[error("the harness was built for board number {found}, not {expected} (is --board right?)")]
    OtherBoard {
        /// What it says.
        found: u32,
        /// What was asked for.
        expected: u32,
    },
    /// The harness holds other modules.
    #[error(
        "the board holds build {found:016x}, not {expected:016x} (program it anew: was it reset, or does another run use it?)"
    )]
    OtherBuild {
        /// What it says.
        found: u64,
        /// What was built.
        expected: u64,
    },
    /// The harness has another shape than its build id says.
    #[error(
        "the harness has shape {found:#010x}, not {expected:#010x}: the link is not to be trusted"
    )]
    Shape {
        /// What it says.
        found: u32,
        /// What was built.
        expected: u32,
    },
    /// A register does not hold what was written.
    #[error(
        "register {address:#04x} holds {found:#010x} after {expected:#010x} was written (a noisy link? another baud rate?)"
    )]
    Register {
        /// Its address.
        address: u32,
        /// What it holds.
        found: u32,
        /// What was written.
        expected: u32,
    },
    /// The check differs.
    #[error(
        "the check over {what} is {found:#010x} on the board and {expected:#010x} here (a noisy link?)"
    )]
    Check {
        /// What was said.
        what: &'static str,
        /// The board's sum.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// Two reads differ.
    #[error("the results read twice are not the same (a noisy link?)")]
    TwoReads,
    /// A counter has a state that it never has.
    #[error("a counter reads {0:#010x}, which it never holds (a noisy link?)")]
    Counter(u32),
    /// A run does not end.
    #[error(
        "the run has not ended after {clocks} clocks (STATUS {status:#x}): does the board's clock run?"
    )]
    NeverEnds {
        /// How long was waited.
        clocks: u64,
        /// The register.
        status: u32,
    },
    /// A run that had ended is on again.
    #[error("the board said that the run has ended, and then STATUS {status:#x} (a noisy link?)")]
    StillRuns {
        /// The register.
        status: u32,
    },
    /// More points than the run has.
    #[error("the board counts {found} comparison points where there are {most} at most")]
    Points {
        /// What it says.
        found: u64,
        /// What the run has.
        most: u64,
    },
    /// The copy of the golden module mismatched.
    #[error(
        "the copy of the golden module differs from it at {mismatches} points: timing, wiring or silicon is not to be trusted, so there is no verdict (a slower clock? another seed of place and route?)"
    )]
    CopyDiffers {
        /// The points.
        mismatches: u64,
    },
    /// The control that is wrong on purpose was not found wrong.
    #[error(
        "the module that is wrong on purpose at {expected} points was found wrong at {mismatches}: the comparison on the chip is not to be trusted, so there is no verdict"
    )]
    FaultMissed {
        /// What was found.
        mismatches: u64,
        /// What had to be.
        expected: u64,
    },
    /// The control that is wrong on purpose was first found wrong elsewhere.
    #[error(
        "the module that is wrong on purpose was first found wrong at {place:?} (episode, cycle, step), where it was not made so: the places that the chip tells are not to be trusted"
    )]
    FaultPlace {
        /// What the chip says.
        place: Option<(u32, u32, u8)>,
    },
    /// A counter and the bits beside it disagree.
    #[error(
        "a slot counts {mismatches} mismatches, and no output of it says so, or the other way round"
    )]
    CountDiffers {
        /// The counter.
        mismatches: u64,
    },
    /// The board could not be programmed.
    #[error("failed to program the board with `{command}`: {said}")]
    Program {
        /// The command line.
        command: String,
        /// What it said.
        said: String,
    },
    /// The port could not be opened.
    #[error(
        "failed to open {port} (is the board plugged in? may you use it: are you in the group `dialout`?)"
    )]
    Port {
        /// The port.
        port: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl FpgaError {
    fn file(path: &Path, source: std::io::Error) -> FpgaError {
        FpgaError::File { path: path.display().to_string(), source }
    }

    fn tool(tool: &'static str, ended: &Ended) -> FpgaError {
        FpgaError::Tool { tool, said: ended.describe() }
    }
}

impl From<FpgaError> for BackendError {
    fn from(error: FpgaError) -> Self {
        BackendError { backend: "fpga", source: Box::new(error) }
    }
}

/// Who is told how far the slow steps are.
pub type Told = Box<dyn Fn(&str) + Send + Sync>;

/// The backend, ready to judge.
pub struct Fpga {
    /// Replays first mismatches and compiles simulated boards; its cache is this one's too.
    pub verilator: Verilator,
    /// Yosys, nextpnr and icebox.
    pub tools: Toolchain,
    /// The board.
    pub board: &'static Board,
    /// How the board is reached.
    pub carrier: Carrier,
    /// Chips that are built at once.
    pub jobs: usize,
    /// Who is told how far it is.
    pub told: Told,
    trusted: AtomicBool,
    port: Mutex<()>,
}

impl Fpga {
    /// The backend for a board.
    pub fn new(
        verilator: Verilator,
        tools: Toolchain,
        board: &'static Board,
        carrier: Carrier,
        jobs: usize,
        told: Told,
    ) -> Fpga {
        let (trusted, port) = (AtomicBool::new(false), Mutex::new(()));
        Fpga { verilator, tools, board, carrier, jobs, told, trusted, port }
    }

    /// Says how far it is.
    fn tell(&self, text: &str) {
        (self.told)(text);
    }
}

impl Backend for Fpga {
    fn name(&self) -> &'static str {
        "fpga"
    }

    fn tools(&self) -> BTreeMap<String, String> {
        let mut tools = self.verilator.tools();
        tools.insert("fpga".into(), self.tools.versions.clone());
        tools.insert("board".into(), format!("{} ({})", self.board.name, self.carrier.name()));
        tools.insert("stimulus".into(), stimulus::VERSION.to_string());
        tools
    }

    fn timing(&self) -> Option<&Timing> {
        self.verilator.timing()
    }

    fn judge(&self, tasks: &[Task], config: &Config) -> Result<Vec<TaskOutcome>, BackendError> {
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, Result<TaskOutcome, FpgaError>)>> = Mutex::default();
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(task) = tasks.get(at) else { return };
                let outcome = judge::judge(self, task, config);
                let failed = outcome.is_err();
                done.lock().unwrap_or_else(|broken| broken.into_inner()).push((at, outcome));
                if failed {
                    next.store(tasks.len(), Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..self.jobs.clamp(1, tasks.len().max(1))).map(|_| scope.spawn(work)).collect();
            for thread in threads {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            }
        });
        let mut done = done.into_inner().unwrap_or_else(|broken| broken.into_inner());
        done.sort_by_key(|(at, _)| *at);
        Ok(done.into_iter().map(|(_, outcome)| outcome).collect::<Result<_, FpgaError>>()?)
    }

    fn trace(
        &self,
        task: &Task,
        config: &Config,
        episode: u32,
    ) -> Result<Result<Trace, Outcome>, BackendError> {
        self.verilator.trace(task, config, episode)
    }
}
