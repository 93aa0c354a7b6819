//! Which board, and how it is reached: arguments that `salv verify --backend fpga` and `salv fpga` share.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};

use super::tools::{self, Tools};
use crate::verify::fpga::Fpga;
use crate::verify::fpga::bitstream::Stage;
use crate::verify::fpga::boards::{BOARDS, Board, Family};
use crate::verify::fpga::carrier::Carrier;
use crate::verify::fpga::toolchain::Toolchain;
use crate::verify::verilator::Verilator;
use crate::worker::Workers;

/// The board, and the way to it.
#[derive(Clone, Default, clap::Args)]
pub struct BoardArguments {
    /// The board: icebreaker, hx8k, ulx3s, ulx3s-25k or colorlight-i5
    #[arg(long, value_name = "NAME")]
    pub board: Option<String>,
    /// The serial port of a real board
    #[arg(long, value_name = "PATH", conflicts_with = "simulate")]
    pub port: Option<PathBuf>,
    /// Simulate the board: the harness before synthesis, the netlist, or the decoded bitstream
    #[arg(long, value_enum, value_name = "STAGE")]
    pub simulate: Option<Simulate>,
    /// The command that loads a bitstream into the board, given its path; `none` if it holds the right one already
    #[arg(long, value_name = "COMMAND")]
    pub programmer: Option<String>,
}

/// What a simulated board is made of.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Simulate {
    /// The harness before synthesis.
    Rtl,
    /// The netlist of the chip's cells.
    Netlist,
    /// The bitstream, decoded again (iCE40).
    Bitstream,
}

impl Simulate {
    fn stage(self) -> Stage {
        match self {
            Simulate::Rtl => Stage::Rtl,
            Simulate::Netlist => Stage::Netlist,
            Simulate::Bitstream => Stage::Bitstream,
        }
    }
}

impl BoardArguments {
    /// Whether anything of a board is given.
    pub fn is_named(&self) -> bool {
        let BoardArguments { board, port, simulate, programmer } = self;
        board.is_some() || port.is_some() || simulate.is_some() || programmer.is_some()
    }

    /// The board that is named.
    pub fn board(&self) -> anyhow::Result<&'static Board> {
        let names: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
        let names = names.join(", ");
        let name =
            self.board.as_deref().with_context(|| format!("--board is missing: one of {names}"))?;
        Board::named(name).with_context(|| format!("no board is called {name}: one of {names}"))
    }

    /// How the board is reached.
    pub fn carrier(&self) -> anyhow::Result<Carrier> {
        let board = self.board()?;
        match (self.simulate, &self.port) {
            (Some(simulate), _) => {
                let stage = simulate.stage();
                if stage == Stage::Bitstream && !board.family.decodes() {
                    bail!(
                        "bitstreams of {} cannot be decoded: --simulate netlist is as deep as it goes",
                        board.name
                    );
                }
                Ok(Carrier::Simulated(stage))
            }
            (None, Some(port)) => {
                let port = port.clone();
                Ok(Carrier::Port { port, programmer: self.programmer(board)? })
            }
            (None, None) => bail!(
                "a board needs --port (/dev/ttyUSB0, say) or --simulate rtl|netlist|bitstream"
            ),
        }
    }

    /// The command that loads bitstreams; nothing for `none`.
    pub fn programmer(&self, board: &Board) -> anyhow::Result<Option<Vec<String>>> {
        let command = match self.programmer.as_deref() {
            Some("none") => return Ok(None),
            Some(command) => command.split_whitespace().map(str::to_owned).collect(),
            None => default_programmer(board),
        };
        let name = command.first().context("--programmer is empty")?;
        tools::on_path(name).with_context(|| {
            format!("{name}, which loads bitstreams into {}, is not on the PATH (name another by --programmer)", board.name)
        })?;
        Ok(Some(command))
    }

    /// Prepares the backend around Verilator's.
    pub fn open(&self, verilator: Verilator, jobs: usize) -> anyhow::Result<Fpga> {
        let (board, carrier) = (self.board()?, self.carrier()?);
        let cache = tools::cache_folder()?;
        let found = tools::find_fpga(&cache)?;
        if carrier.stage() == Stage::Bitstream
            && matches!(carrier, Carrier::Simulated(_))
            && found.decoder.is_none()
        {
            bail!(
                "icebox_vlog is not on the PATH (type: sudo apt-get install fpga-icestorm fpga-icestorm-chipdb)"
            );
        }
        let tools = Toolchain {
            python: found.python,
            environment: found.environment,
            yosys: found.yosys,
            decoder: found.decoder,
            versions: tools::fpga_versions(),
            launchers: verilator.launchers().clone(),
        };
        let started = Instant::now();
        let told = Box::new(move |text: &str| {
            eprintln!("{:6.1} s  {text}", started.elapsed().as_secs_f64());
        });
        Ok(Fpga::new(verilator, tools, board, carrier, jobs, told))
    }
}

/// The backend, and what starts workers.
pub fn open(
    arguments: &BoardArguments,
    verilator: Option<&std::path::Path>,
    jobs: usize,
) -> anyhow::Result<(Fpga, Workers)> {
    let tools = Tools::find(verilator)?;
    let cache = tools.cache.clone();
    let (verilator, workers) = super::verify::open_in(tools, &cache)?;
    verilator.ready()?;
    Ok((arguments.open(verilator, jobs)?, workers))
}

/// What loads a bitstream into the chip's memory and not into the flash beside it.
fn default_programmer(board: &Board) -> Vec<String> {
    let words: &[&str] = match (board.family, board.name) {
        (Family::Hx, _) => &["iceprog", "-S"],
        (Family::Up, _) => &["openFPGALoader", "-b", "ice40_generic"],
        (Family::Ecp5, name) if name.starts_with("ulx3s") => &["openFPGALoader", "-b", "ulx3s"],
        (Family::Ecp5, _) => &["openFPGALoader", "-b", "colorlight-i5"],
    };
    words.iter().map(|&word| word.to_owned()).collect()
}
