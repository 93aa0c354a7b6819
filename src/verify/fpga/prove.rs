//! The proof of a board without the board: the same conversation with what is simulated of three stages, and faults
//! that must be caught.
//!
//! In: a task whose first candidate is right. Out: for each stage what the chip said, byte for byte, and where two
//! stages part, which tool lies between them; what became of truth-table bits that were turned over in the bitstream,
//! once in the copy of the golden module and once in the candidate; and whether a build whose modules were merged is
//! refused.
//!
//! What is hard-coded of others: where icestorm's text has the bits of a look-up table; that nextpnr writes the place
//! of a cell as `X1/Y2/lc3`.

use std::io::{self, Read, Write};

use super::bitstream::{Build, Builder, Placed, Stage};
use super::harness::Harness;
use super::judge::{self, Conversation, Job};
use super::link::Wire;
use super::module::Mapped;
use super::{Fpga, FpgaError, carrier};
use crate::verify::backend::Task;
use crate::verify::stimulus::{Config, Stimulus};

/// What the proof shows.
#[derive(Debug)]
pub struct Proof {
    /// What each stage said.
    pub stages: Vec<(Stage, Vec<u8>)>,
    /// Truth-table bits that were turned over.
    pub flips: Vec<Flip>,
    /// What a build says whose modules were merged; nothing if it was accepted.
    pub merged: Option<String>,
}

/// A bit that was turned over.
#[derive(Debug)]
pub struct Flip {
    /// The instance.
    pub instance: String,
    /// The place of the look-up table.
    pub place: Lut,
    /// The bit of its truth table.
    pub bit: u32,
    /// How the run ended, if it did not go as before.
    pub caught: Option<String>,
}

/// The place of a look-up table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Lut {
    /// Column of its tile.
    pub x: u32,
    /// Row of its tile.
    pub y: u32,
    /// Number in its tile.
    pub cell: u32,
}

impl Proof {
    /// The two stages between which answers differ first, the offset, and the tool between them.
    pub fn difference(&self) -> Option<(Stage, Stage, usize, &'static str)> {
        self.stages.windows(2).find_map(|pair| {
            let [(before, said), (after, other)] = pair else { return None };
            let at = said.iter().zip(other).position(|(a, b)| a != b);
            let at = at.or((said.len() != other.len()).then(|| said.len().min(other.len())))?;
            let tool = match after {
                Stage::Rtl | Stage::Netlist => "yosys",
                Stage::Bitstream => "nextpnr or the packer",
            };
            Some((*before, *after, at, tool))
        })
    }

    /// Whether all is as it must be.
    pub fn holds(&self) -> bool {
        let instances: std::collections::BTreeSet<&str> =
            self.flips.iter().map(|flip| flip.instance.as_str()).collect();
        let caught = |instance: &&str| {
            self.flips.iter().any(|flip| flip.instance == **instance && flip.caught.is_some())
        };
        self.difference().is_none() && self.merged.is_some() && instances.iter().all(caught)
    }
}

/// Bits of one instance's tables that are tried: one that no input reaches shows nothing.
const FLIPS_MAX: usize = 4;

/// Proves a board with a task.
pub fn prove(fpga: &Fpga, task: &Task, config: &Config) -> Result<Proof, FpgaError> {
    let stimulus = Stimulus::new(&task.interface, &task.restrictions, task.key.as_bytes(), config)?;
    let chip = stimulus.chip(&task.interface);
    let refused = |why| FpgaError::NothingToProve(why);
    let (golden, candidates) = judge::mapped(fpga, task)?.map_err(refused)?;
    let candidates = candidates.into_iter().collect::<Result<Vec<_>, _>>().map_err(refused)?;
    let job = Job { fpga, task, config, stimulus: &stimulus, chip: &chip, golden: &golden };
    let members: Vec<(usize, &Mapped)> =
        candidates.iter().enumerate().map(|(index, mapped)| (index, &**mapped)).collect();
    let harness = job.harness(&members);
    let builder = job.builder();
    let last = if fpga.board.family.decodes() { Stage::Bitstream } else { Stage::Netlist };
    let build = builder.build(&harness, last)?.map_err(FpgaError::Harness)?;
    let talk = Talk { job: &job, builder: &builder, harness: &harness, members: &members };
    let mut stages = Vec::new();
    for stage in [Stage::Rtl, Stage::Netlist, Stage::Bitstream] {
        if stage <= last {
            fpga.tell(&format!("asking the board made of the {}", stage.name()));
            stages.push((stage, talk.said(&build, stage)?));
        }
    }
    let flips = match &build.placed {
        Some(placed) if last == Stage::Bitstream => talk.flips(&build, placed, &stages)?,
        _ => Vec::new(),
    };
    let merged = merged(&builder, &harness)?;
    Ok(Proof { stages, flips, merged })
}

/// What a build says in which modules are not kept whole.
fn merged(builder: &Builder, harness: &Harness) -> Result<Option<String>, FpgaError> {
    let careless = Builder { whole: false, ..*builder };
    match careless.build(harness, Stage::Netlist) {
        Err(error @ FpgaError::Merged { .. }) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
        Ok(_) => Ok(None),
    }
}

/// Which candidates a conversation found wrong, or how it failed.
type Ended = Result<Vec<bool>, FpgaError>;

/// One conversation, with whatever holds the build.
struct Talk<'a> {
    job: &'a Job<'a>,
    builder: &'a Builder<'a>,
    harness: &'a Harness<'a>,
    members: &'a [(usize, &'a Mapped)],
}

impl Talk<'_> {
    /// All that the chip says in a whole conversation.
    fn said(&self, build: &Build, stage: Stage) -> Result<Vec<u8>, FpgaError> {
        let (said, verdicts) = self.talk(build, stage)?;
        verdicts?;
        Ok(said)
    }

    /// What it says, and whether the conversation ended well.
    fn talk(&self, build: &Build, stage: Stage) -> Result<(Vec<u8>, Ended), FpgaError> {
        let board = carrier::simulated(self.job.fpga, self.builder, self.harness, build, stage)?;
        let mut wire = Recorded { inner: board, said: Vec::new() };
        let found = Conversation::hold(self.job, &mut wire, self.harness, build.id, self.members);
        let wrong = found.map(|found| found.iter().flatten().map(|f| f.place.is_some()).collect());
        Ok((wire.said, wrong))
    }

    /// Turns bits over in the copy of the golden module, then in the first candidate.
    fn flips(
        &self,
        build: &Build,
        placed: &Placed,
        stages: &[(Stage, Vec<u8>)],
    ) -> Result<Vec<Flip>, FpgaError> {
        let mut flips = Vec::new();
        for instance in ["u_slot_0_0", "u_slot_2_0"] {
            let places = placed.luts.iter().filter(|(name, _)| name == instance);
            let bits = places.flat_map(|&(_, place)| [0, 15].map(|bit| (place, bit)));
            for (place, bit) in bits.take(FLIPS_MAX) {
                let (fpga, Lut { x, y, cell }) = (self.job.fpga, place);
                fpga.tell(&format!(
                    "turning over bit {bit} of the table at {x}/{y}/{cell} in {instance}"
                ));
                let caught = self.flip(build, placed, stages, place, bit)?;
                let done = caught.is_some();
                flips.push(Flip { instance: instance.to_owned(), place, bit, caught });
                if done {
                    break;
                }
            }
        }
        Ok(flips)
    }

    fn flip(
        &self,
        build: &Build,
        placed: &Placed,
        stages: &[(Stage, Vec<u8>)],
        place: Lut,
        bit: u32,
    ) -> Result<Option<String>, FpgaError> {
        let text = flipped(&placed.text, place, bit)
            .ok_or_else(|| FpgaError::Answer("no such tile in the bitstream's text".into()))?;
        let bits = self.builder.pack(&text)?;
        let placed = Placed { text, bits, ..placed.clone() };
        let other = Build { placed: Some(placed), ..build.clone() };
        let (said, verdicts) = self.talk(&other, Stage::Bitstream)?;
        let as_before = stages.iter().any(|(_, before)| *before == said);
        Ok(match verdicts {
            Err(error) => Some(error.to_string()),
            Ok(_) if as_before => None,
            Ok(_) => Some("outputs that were right are called wrong".to_owned()),
        })
    }
}

/// The text of a bitstream with one bit of a truth table turned over; nothing if the tile is not there.
///
/// A logic tile has 16 rows of 54 bits; table `cell` has its bits in rows `2 cell` and `2 cell + 1`, columns 36 to 45,
/// in an order of icestorm's documentation (`icebox.py`, `get_lutff_lut_bits`).
fn flipped(text: &str, place: Lut, bit: u32) -> Option<String> {
    const ORDER: [usize; 16] = [4, 14, 15, 5, 6, 16, 17, 7, 3, 13, 12, 2, 1, 11, 10, 0];
    let head = format!(".logic_tile {} {}", place.x, place.y);
    let number = ORDER[bit as usize];
    let row = 2 * place.cell as usize + number / 10;
    let column = 36 + number % 10;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let tile = lines.iter().position(|line| *line == head)?;
    let line = lines.get_mut(tile + 1 + row)?;
    let other = if line.as_bytes().get(column)? == &b'1' { "0" } else { "1" };
    line.replace_range(column..=column, other);
    Some(lines.join("\n") + "\n")
}

/// A wire that remembers what came over it.
struct Recorded<W> {
    inner: W,
    said: Vec<u8>,
}

impl<W: Read> Read for Recorded<W> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.said.extend(&into[..count]);
        Ok(count)
    }
}

impl<W: Write> Write for Recorded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Wire> Wire for Recorded<W> {
    fn wait(&mut self, clocks: u64, hertz: u64) -> io::Result<()> {
        self.inner.wait(clocks, hertz)
    }
}

#[cfg(test)]
mod tests {
    use super::{Lut, flipped};

    #[test]
    fn one_bit_of_one_tile_is_turned_over() {
        let row = "0".repeat(54) + "\n";
        let text =
            format!(".logic_tile 1 2\n{}\n.logic_tile 3 4\n{}", row.repeat(16), row.repeat(16));
        let place = Lut { x: 3, y: 4, cell: 5 };
        let other = flipped(&text, place, 1).expect("the tile");
        let lines: Vec<(usize, &str)> = other
            .lines()
            .enumerate()
            .filter(|(_, line)| line.contains('1') && !line.starts_with('.'))
            .collect();
        assert_eq!(lines.len(), 1);
        // Bit 1 is number 14: the second row of the table, the fifth column.
        assert_eq!(lines[0].0, 18 + 1 + 11);
        assert_eq!(lines[0].1.find('1'), Some(40));
        assert_eq!(flipped(&other, place, 1).as_deref(), Some(text.as_str()));
        assert_eq!(flipped(&text, Lut { x: 9, y: 9, cell: 0 }, 0), None);
    }
}
