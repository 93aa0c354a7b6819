//! What carries a build: a board at a port, or a model of it.
//!
//! In: a build. Out: a stream of bytes to a chip that holds it, after it was programmed or compiled.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::PoisonError;
use std::time::Duration;

use serialport::{ClearBuffer, SerialPort};

use super::bitstream::{Build, Builder, Stage};
use super::board::SimulatedBoard;
use super::harness::Harness;
use super::link::{Patience, Wire};
use super::{Fpga, FpgaError, model};

/// How a board is reached.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// A model, made of this stage of the build.
    Simulated(Stage),
    /// A board at a serial port.
    Port {
        /// The port, such as `/dev/ttyUSB0`.
        port: PathBuf,
        /// The command that loads a bitstream, whose path is its last argument; none if the board holds it already.
        programmer: Option<Vec<String>>,
    },
}

impl Carrier {
    /// How far a build has to go.
    pub fn stage(&self) -> Stage {
        match self {
            Carrier::Simulated(stage) => *stage,
            // The board holds the bits already; which they are, their id says.
            Carrier::Port { programmer: None, .. } => Stage::Rtl,
            Carrier::Port { .. } => Stage::Bitstream,
        }
    }

    /// How long to wait for answers.
    pub fn patience(&self) -> Patience {
        match self {
            Carrier::Simulated(_) => Patience::SIMULATED,
            Carrier::Port { .. } => Patience::REAL,
        }
    }

    /// For records.
    pub fn name(&self) -> String {
        match self {
            Carrier::Simulated(stage) => format!("simulated {}", stage.name()),
            Carrier::Port { .. } => "a board".to_owned(),
        }
    }
}

/// A serial port as a wire.
pub struct Port(Box<dyn SerialPort>);

/// How long one read of a port waits: adapters hand bytes on every 16 ms.
const READ_TIMEOUT: Duration = Duration::from_millis(50);

impl Port {
    /// Opens a port, and forgets what came before.
    pub fn open(path: &str, baud: u32) -> Result<Port, FpgaError> {
        let failed = |source: io::Error| FpgaError::Port { port: path.to_owned(), source };
        let port = serialport::new(path, baud).timeout(READ_TIMEOUT).open();
        let port = port.map_err(|error| failed(error.into()))?;
        // A pseudo-terminal may have nothing to clear.
        let _ = port.clear(ClearBuffer::All);
        Ok(Port(port))
    }
}

impl Read for Port {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Port {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Wire for Port {}

/// Does something with a chip that holds the build; one at a time where there is one board.
pub fn with_chip<T>(
    fpga: &Fpga,
    builder: &Builder,
    harness: &Harness,
    build: &Build,
    work: impl FnOnce(&mut dyn Wire) -> Result<T, FpgaError>,
) -> Result<T, FpgaError> {
    match &fpga.carrier {
        Carrier::Simulated(stage) => {
            fpga.tell(&format!("compiling the simulated board {:016x}", build.id));
            let mut board = simulated(fpga, builder, harness, build, *stage)?;
            let done = work(&mut board)?;
            let (clocks, megahertz) = (board.clocks(), fpga.board.hertz as f64 / 1e6);
            fpga.tell(&format!(
                "it took {clocks} clocks: {:.3} s of a board at {megahertz} MHz, the link's time included",
                clocks as f64 / fpga.board.hertz as f64
            ));
            Ok(done)
        }
        Carrier::Port { port, programmer } => {
            let _alone = fpga.port.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(programmer) = programmer {
                fpga.tell(&format!("programming build {:016x}", build.id));
                let scratch = fpga.verilator.cache.scratch()?;
                let path = scratch.path().join("chip.bin");
                let bits = &build.placed.as_ref().ok_or(FpgaError::NotPlaced)?.bits;
                std::fs::write(&path, bits).map_err(|source| FpgaError::file(&path, source))?;
                program(programmer, &path)?;
            }
            work(&mut Port::open(&port.display().to_string(), fpga.board.baud)?)
        }
    }
}

/// Powers up a simulated board.
pub fn simulated(
    fpga: &Fpga,
    builder: &Builder,
    harness: &Harness,
    build: &Build,
    stage: Stage,
) -> Result<SimulatedBoard, FpgaError> {
    let text = builder.simulated(harness, build, stage)?;
    let unit = model::build(&fpga.verilator, &text, fpga.board)?;
    let runtime = fpga.verilator.runtime()?.library.display().to_string();
    let unit = unit.display().to_string();
    let workers = &fpga.verilator.workers;
    Ok(SimulatedBoard::start(workers, runtime, unit, fpga.board.divisor())?)
}

/// Loads a bitstream into a board.
pub fn program(programmer: &[String], bits: &std::path::Path) -> Result<(), FpgaError> {
    let command = format!("{} {}", programmer.join(" "), bits.display());
    let failed = |said: String| FpgaError::Program { command: command.clone(), said };
    let (name, arguments) = programmer.split_first().ok_or_else(|| failed("no command".into()))?;
    let output = Command::new(name)
        .args(arguments)
        .arg(bits)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}
