//! The way to a board: registers read and written over a stream of bytes, in the framing of LiteX's UARTBone.
//!
//! In: anything that reads and writes bytes, a serial port or a simulated board. Out: words of registers, or an
//! error with a hint, within a time that is known beforehand. A read that gives nothing for a while is no error of the
//! stream (`TimedOut`, `WouldBlock`, `Interrupted`): it is the patience of this side that ends the wait.
//!
//! The framing, as `litex/tools/remote/comm_uart.py` speaks it: a command byte (1 writes and 2 reads with the address
//! going up, 3 writes to one address), a byte with the number of words, the address in words as four bytes, then each
//! word as four bytes, the most significant first. A write has no answer, and no frame has a check: so whoever uses
//! this reads back what was written, reads results twice, and compares a check that the chip computed.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// A stream of bytes to a board.
pub trait Wire: Read + Write + Send {
    /// Lets as much time pass as this many clocks take in a board with so many in a second.
    fn wait(&mut self, clocks: u64, hertz: u64) -> std::io::Result<()> {
        std::thread::sleep(Duration::from_secs_f64(clocks as f64 / hertz as f64));
        Ok(())
    }
}

/// How long one side waits for the other.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// In time, for a board that has a time of its own.
    pub time: Duration,
    /// In reads that gave nothing, for a simulated one, whose time passes in reads.
    pub quiet_reads: u32,
}

impl Patience {
    /// For a real board: an answer of 255 words takes 90 ms at 115,200 baud, and adapters wait 16 ms.
    pub const REAL: Patience = Patience { time: Duration::from_secs(2), quiet_reads: u32::MAX };
    /// For a simulated one: each read lets the time pass in which the answer comes.
    pub const SIMULATED: Patience = Patience { time: Duration::from_secs(3600), quiet_reads: 3 };
}

/// Words of one frame at most: the count is a byte, and an answer of this many takes 90 ms at 115,200 baud.
pub const WORDS_MAX: usize = 255;

/// A link that failed; never a verdict.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nothing came, or not all of an answer.
    #[error(
        "the board does not answer: {received} of {wanted} bytes within {seconds:.1} s (is it powered, is this its port, is the bitstream loaded, has it the expected baud rate?)"
    )]
    Silent {
        /// Bytes that came.
        received: usize,
        /// Bytes of the answer.
        wanted: usize,
        /// How long was waited.
        seconds: f64,
    },
    /// The stream ended.
    #[error("the link to the board was cut (is the cable plugged in?)")]
    Cut,
    /// The stream failed.
    #[error("the link to the board failed")]
    Stream(#[source] std::io::Error),
    /// More bytes than were asked for.
    #[error(
        "the board says {0} bytes that nobody asked for (does something else use this port, or is it another device?)"
    )]
    Babble(usize),
}

/// Registers behind a stream.
pub struct Link<'a> {
    wire: &'a mut dyn Wire,
    patience: Patience,
}

/// Bytes that may lie in the way when a link is opened.
const STALE_BYTES_MAX: usize = 1 << 16;

impl<'a> Link<'a> {
    /// A link that waits so long for an answer.
    pub fn new(wire: &'a mut dyn Wire, patience: Patience) -> Link<'a> {
        Link { wire, patience }
    }

    /// Takes what still comes of an earlier conversation.
    pub fn settle(&mut self) -> Result<(), LinkError> {
        let mut stale = 0;
        loop {
            match self.receive_some(&mut [0; 256])? {
                0 => return Ok(()),
                count => stale += count,
            }
            if stale > STALE_BYTES_MAX {
                return Err(LinkError::Babble(stale));
            }
        }
    }

    /// Writes words to registers from the address on, which counts in words.
    pub fn write(&mut self, address: u32, words: &[u32]) -> Result<(), LinkError> {
        for (at, words) in (address..).step_by(WORDS_MAX).zip(words.chunks(WORDS_MAX)) {
            let mut frame = head(1, at, words.len());
            frame.extend(words.iter().flat_map(|word| word.to_be_bytes()));
            self.send(&frame)?;
        }
        Ok(())
    }

    /// Writes words one after the other to one register.
    pub fn write_to(&mut self, address: u32, words: &[u32]) -> Result<(), LinkError> {
        for words in words.chunks(WORDS_MAX) {
            let mut frame = head(3, address, words.len());
            frame.extend(words.iter().flat_map(|word| word.to_be_bytes()));
            self.send(&frame)?;
        }
        Ok(())
    }

    /// Reads so many words of registers from the address on.
    pub fn read(&mut self, address: u32, count: usize) -> Result<Vec<u32>, LinkError> {
        let mut words = Vec::with_capacity(count);
        while words.len() < count {
            let part = (count - words.len()).min(WORDS_MAX);
            self.send(&head(2, address + words.len() as u32, part))?;
            let bytes = self.receive(4 * part)?;
            let word =
                |bytes: &[u8]| bytes.iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
            words.extend(bytes.chunks(4).map(word));
        }
        Ok(words)
    }

    /// Lets time pass in the board.
    pub fn wait(&mut self, clocks: u64, hertz: u64) -> Result<(), LinkError> {
        self.wire.wait(clocks, hertz).map_err(failure)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let until = Instant::now() + self.patience.time;
        let mut sent = 0;
        while sent < bytes.len() {
            match self.wire.write(&bytes[sent..]) {
                Ok(0) => return Err(LinkError::Cut),
                Ok(count) => sent += count,
                Err(error) if waits(error.kind()) && Instant::now() < until => {}
                Err(error) => return Err(failure(error)),
            }
        }
        self.wire.flush().map_err(failure)
    }

    fn receive(&mut self, count: usize) -> Result<Vec<u8>, LinkError> {
        let started = Instant::now();
        let mut bytes = vec![0; count];
        let (mut received, mut quiet) = (0, 0);
        while received < count {
            match self.wire.read(&mut bytes[received..]) {
                Ok(0) => return Err(LinkError::Cut),
                Ok(some) => (received, quiet) = (received + some, 0),
                Err(error) if waits(error.kind()) => quiet += 1,
                Err(error) => return Err(failure(error)),
            }
            let over =
                started.elapsed() >= self.patience.time || quiet >= self.patience.quiet_reads;
            if received < count && over {
                let seconds = started.elapsed().as_secs_f64();
                return Err(LinkError::Silent { received, wanted: count, seconds });
            }
        }
        Ok(bytes)
    }

    /// What is there, or nothing after a quiet moment.
    fn receive_some(&mut self, into: &mut [u8]) -> Result<usize, LinkError> {
        match self.wire.read(into) {
            Ok(0) => Err(LinkError::Cut),
            Ok(count) => Ok(count),
            Err(error) if waits(error.kind()) => Ok(0),
            Err(error) => Err(failure(error)),
        }
    }
}

/// The first six bytes of a frame.
fn head(command: u8, address: u32, words: usize) -> Vec<u8> {
    let mut frame = vec![command, words as u8];
    frame.extend(address.to_be_bytes());
    frame
}

fn waits(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn failure(error: std::io::Error) -> LinkError {
    match error.kind() {
        // What a pseudo-terminal and an unplugged adapter say.
        ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => LinkError::Cut,
        _ if error.raw_os_error() == Some(libc::EIO) => LinkError::Cut,
        _ => LinkError::Stream(error),
    }
}
