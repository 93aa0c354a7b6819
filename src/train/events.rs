//! Event files for TensorBoard: the scalars of each step in, a file that TensorBoard draws out.
//!
//! The format is TensorFlow's: records with a checksum of their length and of their bytes, each a protocol
//! buffer `Event`, of which scalars need ten fields. That is less to write than to depend on. A record goes to
//! the system in one piece when its step is over, so a killed run loses at most the end of one, which
//! TensorBoard passes over.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Error;

/// How TensorBoard knows the version of the format.
const VERSION: &[u8] = b"brain.Event:2";

/// What a session says of itself when it starts.
const SESSION_START: u64 = 1;

/// An event file that is being written.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// Starts a file in a folder that exists.
    pub fn create(folder: &Path) -> Result<Events, Error> {
        Events::begin(folder, now())
    }

    /// Starts a file behind those of a run that was stopped, and goes on with a step: what they say of that step
    /// and later ones is drawn no more.
    pub fn resume(folder: &Path, step: u64) -> Result<Events, Error> {
        let now = now();
        let mut events = Events::begin(folder, now)?;
        events.start_again(step, now)?;
        Ok(events)
    }

    /// TensorBoard reads files in the order of their names, which begin with the time.
    fn begin(folder: &Path, wall_time: f64) -> Result<Events, Error> {
        let path_of = |count: u32| {
            folder.join(format!("events.out.tfevents.{:010}.salv.{count}", wall_time as u64))
        };
        // Another run may have begun in this second.
        let mut count = 0;
        while path_of(count).exists() {
            count += 1;
        }
        let path = path_of(count);
        let file = File::create_new(&path).map_err(|source| Error::writing(&path, source))?;
        let mut events = Events { path, file };
        let mut event = Message::default();
        event.double(1, wall_time).bytes(3, VERSION);
        events.write(&event)?;
        Ok(events)
    }

    /// The mark of a session's start: TensorBoard drops what it has read of this step and later ones.
    fn start_again(&mut self, step: u64, wall_time: f64) -> Result<(), Error> {
        let mut session = Message::default();
        session.integer(1, SESSION_START);
        let mut event = Message::default();
        event.double(1, wall_time).integer(2, step).bytes(7, &session.0);
        self.write(&event)
    }

    /// Adds the scalars of a step; `wall_time` is in seconds since 1970.
    pub fn scalars(
        &mut self,
        step: u64,
        scalars: &[(&str, f32)],
        wall_time: f64,
    ) -> Result<(), Error> {
        let mut summary = Message::default();
        for (tag, value) in scalars {
            let mut entry = Message::default();
            entry.bytes(1, tag.as_bytes()).float(2, *value);
            summary.bytes(1, &entry.0);
        }
        let mut event = Message::default();
        event.double(1, wall_time).integer(2, step).bytes(5, &summary.0);
        self.write(&event)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self, event: &Message) -> Result<(), Error> {
        let written = self.file.write_all(&framed(&event.0));
        written.map_err(|source| Error::writing(&self.path, source))
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// A protocol buffer, its fields in the order of their numbers. A number that is zero is left out, as its
/// definition has it, but for the scalars themselves.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn integer(&mut self, field: u8, value: u64) -> &mut Message {
        if value != 0 {
            self.0.push(field << 3);
            self.varint(value);
        }
        self
    }

    fn double(&mut self, field: u8, value: f64) -> &mut Message {
        self.0.push(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(&mut self, field: u8, value: &[u8]) -> &mut Message {
        self.0.push(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn float(&mut self, field: u8, value: f32) -> &mut Message {
        self.0.push(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Seven bits a byte, the lowest first; a set eighth bit says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// A record: length, its checksum, bytes, their checksum.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let checksums = [masked(crc32c(&length)), masked(crc32c(bytes))].map(u32::to_le_bytes);
    [&length[..], &checksums[0], bytes, &checksums[1]].concat()
}

/// What the format does to a checksum, since that of bytes with a checksum in them says little.
fn masked(checksum: u32) -> u32 {
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32 by Castagnoli's polynomial, bit by bit: records are some hundred bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _: u32| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // The check value of its catalogues, and of RFC 3720.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    /// scripts/record-parity writes the same scalars through TensorBoard's own code.
    #[test]
    fn files_are_what_tensorboard_writes_byte_for_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut events = Events::begin(folder.path(), 1_700_000_000.0).expect("a file");
        let first = [("loss", std::f32::consts::LN_2), ("rewards/margins", 0.0)];
        events.scalars(1, &first, 1_700_000_000.25).expect("a record");
        let second = [("loss", -1.5), ("rewards/accuracies", 1.0), ("\u{3b2}", 1e-30)];
        events.scalars(300, &second, 1_700_000_001.5).expect("a record");
        let recorded =
            include_bytes!("../../tests/fixtures/model/events/recorded.tfevents").as_slice();
        assert_eq!(std::fs::read(events.path()).expect("a file"), recorded);
        let mut resumed = Events::begin(folder.path(), 1_700_000_002.0).expect("a file");
        resumed.start_again(200, 1_700_000_002.0).expect("a record");
        resumed.scalars(200, &[("loss", 0.25)], 1_700_000_003.0).expect("a record");
        let recorded =
            include_bytes!("../../tests/fixtures/model/events/resumed.tfevents").as_slice();
        assert_eq!(std::fs::read(resumed.path()).expect("a file"), recorded);
    }

    #[test]
    fn a_resumed_run_adds_a_file_behind_the_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let begun = [5.0, 5.5, 1_700_000_000.0].map(|wall_time| {
            Events::begin(folder.path(), wall_time).expect("a file").path().to_owned()
        });
        assert!(begun.is_sorted() && begun[0] != begun[1], "{begun:?}");
        assert!(Events::resume(folder.path(), 7).expect("a file").path() > begun[2].as_path());
        let missing = Events::create(&folder.path().join("missing")).expect_err("no folder");
        assert!(missing.to_string().contains("missing/events.out.tfevents."), "{missing}");
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let full = Path::new("/dev/full");
        let Ok(file) = File::options().write(true).open(full) else { return };
        let mut events = Events { path: full.to_owned(), file };
        let error = events.scalars(1, &[("loss", 1.0)], 1.0).expect_err("no room");
        assert!(error.to_string().contains("/dev/full"), "{error}");
    }
}
