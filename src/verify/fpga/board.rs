//! A simulated board: a stream of bytes behind which a model of the chip is clocked in a worker process.
//!
//! In: a unit made by [`super::model`]. Out: what a serial adapter would give. Time passes in the board only while
//! somebody waits for it, so a test and a slow machine see the same bytes. The model holds candidates in compiled
//! form, so the worker closes itself in before it loads it, as those that judge do.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::bridge::Model;
use super::link::Wire;
use crate::verify::verilator::bridge;
use crate::worker::{self, Answer, Reply, Work, Worker, WorkerError, Workers, sandbox};

/// Bits of a byte on the line: start, eight, stop.
const BITS_OF_BYTE: u64 = 10;

/// Clocks that the chip may take to answer beside the time on the line.
const CLOCKS_TO_ANSWER: u64 = 4096;

/// Clocks of one request, so that its CPU time can be limited.
const CLOCKS_OF_REQUEST_MAX: u64 = 1 << 20;

/// CPU time of one request in seconds: a model of 8,000 cells makes 20,000 clocks a second on a slow machine.
const CPU_SECONDS_OF_REQUEST: u64 = 600;

/// What a worker that is a board can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Load and power up.
    Load {
        /// Verilator's runtime.
        runtime: String,
        /// The unit.
        board: String,
        /// Clocks of a bit on the line.
        divisor: u32,
    },
    /// Put bytes on the line and let time pass.
    Run {
        /// The bytes.
        send: Vec<u8>,
        /// How many clocks at most.
        clocks: u64,
        /// Bytes from the board after which it is enough.
        wanted: usize,
    },
}

/// What it says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Event {
    /// It has power.
    Loaded,
    /// So many bytes came in so many clocks since power-up.
    Ran {
        /// The bytes.
        bytes: Vec<u8>,
        /// The clocks.
        clocks: u64,
    },
}

/// A worker that is a board.
#[derive(Default)]
pub struct Boarding(Option<Model>);

impl Work for Boarding {
    const NAME: &'static str = "board";
    type Request = Request;
    type Event = Event;

    fn answer(&mut self, request: Request, reply: &mut Reply<Event>) -> Result<(), WorkerError> {
        match request {
            Request::Load { runtime, board, divisor } => {
                bridge::load_runtime(&runtime).map_err(WorkerError::load)?;
                sandbox::WORKER.set()?;
                worker::allow_cpu_seconds(CPU_SECONDS_OF_REQUEST)?;
                let libraries = sandbox::LIBRARY_FOLDERS.iter().map(PathBuf::from);
                sandbox::enclose_worker(libraries.chain([PathBuf::from(&board)]).collect())?;
                self.0 = Some(Model::load(&board, divisor).map_err(WorkerError::load)?);
                reply.send(&Event::Loaded)
            }
            Request::Run { send, clocks, wanted } => {
                worker::allow_cpu_seconds(CPU_SECONDS_OF_REQUEST)?;
                let model =
                    self.0.as_mut().ok_or(WorkerError::Failed("no board is loaded".into()))?;
                model.send(&send);
                let bytes = model.run(clocks, wanted).map_err(WorkerError::load)?;
                reply.send(&Event::Ran { bytes, clocks: model.clocks() })
            }
        }
    }
}

/// The board as its host sees it.
pub struct SimulatedBoard {
    worker: Worker<Boarding>,
    divisor: u32,
    outgoing: Vec<u8>,
    incoming: VecDeque<u8>,
    clocks: u64,
}

impl SimulatedBoard {
    /// Starts a worker and powers the board up.
    pub fn start(
        workers: &Workers,
        runtime: String,
        board: String,
        divisor: u32,
    ) -> Result<SimulatedBoard, WorkerError> {
        let mut worker = workers.start::<Boarding>()?;
        worker.ask(&Request::Load { runtime, board, divisor })?;
        match worker.hear()? {
            Answer::Event(Event::Loaded) => {}
            Answer::Event(other) => return Err(WorkerError::unexpected(other)),
            Answer::Panicked(how) | Answer::Died(how) => return Err(WorkerError::Failed(how)),
            Answer::Left(status) => return Err(WorkerError::Left(status)),
        }
        let (outgoing, incoming) = (Vec::new(), VecDeque::new());
        Ok(SimulatedBoard { worker, divisor, outgoing, incoming, clocks: 0 })
    }

    /// Clocks since power-up.
    pub fn clocks(&self) -> u64 {
        self.clocks
    }

    /// Lets so many clocks pass, or fewer if so many bytes have come.
    pub fn run(&mut self, clocks: u64, wanted: usize) -> io::Result<()> {
        let request = Request::Run {
            send: std::mem::take(&mut self.outgoing),
            clocks: clocks.min(CLOCKS_OF_REQUEST_MAX),
            wanted,
        };
        self.worker.ask(&request).map_err(io::Error::other)?;
        match self.worker.hear().map_err(io::Error::other)? {
            Answer::Event(Event::Ran { bytes, clocks }) => {
                self.incoming.extend(bytes);
                self.clocks = clocks;
                Ok(())
            }
            Answer::Event(other) => Err(io::Error::other(WorkerError::unexpected(other))),
            Answer::Panicked(how) | Answer::Died(how) => {
                Err(io::Error::other(format!("the simulated board {how}")))
            }
            Answer::Left(status) => Err(io::Error::other(WorkerError::Left(status))),
        }
    }
}

impl Read for SimulatedBoard {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() && !into.is_empty() {
            let bytes = (self.outgoing.len() + into.len()) as u64;
            let clocks = CLOCKS_TO_ANSWER + bytes * BITS_OF_BYTE * u64::from(self.divisor);
            self.run(clocks, into.len())?;
        }
        let count = self.incoming.len().min(into.len());
        for (to, byte) in into.iter_mut().zip(self.incoming.drain(..count)) {
            *to = byte;
        }
        if count == 0 && !into.is_empty() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(count)
    }
}

impl Write for SimulatedBoard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire for SimulatedBoard {
    /// In the board's time: so many clocks pass, as fast as the model makes them.
    fn wait(&mut self, clocks: u64, _hertz: u64) -> io::Result<()> {
        let mut rest = clocks;
        while rest > 0 {
            let part = rest.min(CLOCKS_OF_REQUEST_MAX);
            self.run(part, usize::MAX)?;
            rest -= part;
        }
        Ok(())
    }
}
