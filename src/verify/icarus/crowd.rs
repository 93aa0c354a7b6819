//! Many modules in few processes: each plays its episodes from power-up, alone, and shows its outputs at each
//! comparison point in four states.
//!
//! Modules with their stimulus go in; for each comes out a trace, or why there is none. All are compiled together under
//! new names, one file each, and run one after the other in one simulation, since starting `iverilog` and `vvp` takes
//! far longer than a small module does. A module that the compiler refuses or dies of is named by its message, or found by
//! halving, and left out; one that stops the simulation is left out too, and those after it run again.
//!
//! An episode is an instance of its own. At the start all inputs are x. At its time all inputs but the clocks take
//! the values of the power-up row at one instant, and some time later the clocks take theirs: a clock that
//! comes from x has an edge, and what it samples is at rest then. After it a row is one instant, read some time later.
//!
//! What we rely on, of Icarus: `%z` writes the two planes of a value in words of 32 bits, as IEEE 1800-2017 has it in 21.3.4.4;
//! a message begins with the file's name.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::rename::{RenameError, rename_with};
use super::testbench::{TOP, Wire, wires};
use super::{Icarus, IcarusError, failed, start, write};
use crate::design::{Direction, Interface, Role};
use crate::verify::differential::{FourState, outputs};
use crate::verify::stimulus::{Episode, Layout};

/// CPU time of a compilation and of a run in seconds: some hundred small modules take three.
const SECONDS: u64 = 20;

/// Units of time that a row lasts, so that delays in a module have passed when it is read.
const ROW: u32 = 1000;

/// Where the outputs go.
const SHOWN: &str = "salv_shown.bin";

/// Bytes kept of the compiler's messages, most of which are warnings.
const MESSAGES_MAX: u64 = 16 << 20;

/// A module and its stimulus.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its text.
    pub text: &'a str,
    /// Its interface.
    pub interface: &'a Interface,
    /// How the rows of the episodes lie.
    pub inputs: &'a Layout,
    /// What it plays.
    pub episodes: &'a [Episode],
}

/// What came of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Played {
    /// A trace of each episode.
    Shown(Vec<FourState>),
    /// The compiler refuses it, or dies of it.
    Refused(String),
    /// It ends the simulation or never lets it go on.
    Ended(String),
}

impl Icarus {
    /// Plays many modules; `folder` is for this call alone.
    pub fn play(&self, parts: &[Part], folder: &Path) -> Result<Vec<Played>, IcarusError> {
        let mut played: Vec<Option<Played>> = vec![None; parts.len()];
        for (number, part) in parts.iter().enumerate() {
            match module(part, number) {
                Ok(text) => write(&folder.join(file_of(number)), text.as_bytes())?,
                Err(why) => played[number] = Some(Played::Refused(why.to_string())),
            }
            write(&folder.join(rows_of(number)), rows(part).as_bytes())?;
        }
        let open: Vec<usize> = (0..parts.len()).filter(|&at| played[at].is_none()).collect();
        let mut batches = vec![open];
        while let Some(batch) = batches.pop() {
            self.batch(parts, batch, &mut batches, &mut played, folder)?;
        }
        let missing = || unreachable!("every part is refused, ended or shown");
        Ok(played.into_iter().map(|played| played.unwrap_or_else(missing)).collect())
    }

    /// Plays some of the parts; what is left to do is put on `batches`.
    fn batch(
        &self,
        parts: &[Part],
        batch: Vec<usize>,
        batches: &mut Vec<Vec<usize>>,
        played: &mut [Option<Played>],
        folder: &Path,
    ) -> Result<(), IcarusError> {
        if batch.is_empty() {
            return Ok(());
        }
        if let Some(messages) = self.build(&batch, folder)? {
            let accused: Vec<(usize, String)> = accused(&batch, &messages);
            if accused.is_empty() && batch.len() > 1 {
                let (first, second) = batch.split_at(batch.len() / 2);
                batches.extend([second.to_vec(), first.to_vec()]);
                return Ok(());
            }
            let rest = batch.iter().filter(|&at| !accused.iter().any(|(one, _)| one == at));
            let rest: Vec<usize> = rest.copied().collect();
            if accused.is_empty() {
                let last = messages.lines().last().unwrap_or("iverilog died without a word");
                played[batch[0]] = Some(Played::Refused(last.to_owned()));
                return Ok(());
            }
            for (at, message) in accused {
                played[at] = Some(Played::Refused(message));
            }
            batches.push(rest);
            return Ok(());
        }
        let (ended, shown) = self.show(folder)?;
        let mut shown = shown.as_slice();
        for (place, &at) in batch.iter().enumerate() {
            let Some(traces) = traces(&parts[at], &mut shown) else {
                if place == 0 && batch.len() > 1 {
                    // Any of them may be what `vvp` cannot load.
                    let (first, second) = batch.split_at(batch.len() / 2);
                    batches.extend([second.to_vec(), first.to_vec()]);
                    return Ok(());
                }
                played[at] = Some(Played::Ended(ended));
                batches.push(batch[place + 1..].to_vec());
                return Ok(());
            };
            played[at] = Some(Played::Shown(traces));
        }
        Ok(())
    }

    /// Compiles some of the parts, or returns the messages.
    fn build(&self, batch: &[usize], folder: &Path) -> Result<Option<String>, IcarusError> {
        let failed = failed(&self.iverilog);
        write(&folder.join("bench.v"), bench(batch).as_bytes())?;
        let mut command = Command::new(&self.iverilog);
        command.args(["-g2012", "-s", TOP, "-o", "crowd.vvp", "bench.v"]);
        command.args(batch.iter().map(|&at| file_of(at)));
        command.env("LC_ALL", "C").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = start(&mut command, folder, SECONDS).map_err(&failed)?;
        let mut messages = Vec::new();
        if let Some(mut pipe) = child.stderr.take() {
            (&mut pipe).take(MESSAGES_MAX).read_to_end(&mut messages).map_err(&failed)?;
            std::io::copy(&mut pipe, &mut std::io::sink()).map_err(&failed)?;
        }
        let status = child.wait().map_err(&failed)?;
        let messages = String::from_utf8_lossy(&messages).into_owned();
        Ok((!status.success()).then_some(messages))
    }

    /// Runs what was compiled: how it ended, and what the parts showed.
    fn show(&self, folder: &Path) -> Result<(String, Vec<u8>), IcarusError> {
        let failed = failed(&self.vvp);
        write(&folder.join(SHOWN), &[])?;
        let mut command = Command::new(&self.vvp);
        command.args(["-n", "crowd.vvp"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = start(&mut command, folder, SECONDS).map_err(&failed)?;
        let status = child.wait().map_err(&failed)?;
        let shown = std::fs::read(folder.join(SHOWN)).map_err(&failed)?;
        Ok((format!("vvp: {status}"), shown))
    }
}

fn file_of(number: usize) -> String {
    format!("part_{number}.v")
}

fn rows_of(number: usize) -> String {
    format!("rows_{number}.hex")
}

/// The parts that the messages name, each with what is said first of it.
fn accused(batch: &[usize], messages: &str) -> Vec<(usize, String)> {
    let mut accused: Vec<(usize, String)> = Vec::new();
    for line in messages.lines() {
        let place = line.strip_prefix("part_").and_then(|rest| rest.split_once(".v:"));
        let Some((number, said)) = place else { continue };
        let Some(at) = number.parse::<usize>().ok().filter(|at| batch.contains(at)) else {
            continue;
        };
        // Of processes this is said and does no harm.
        let harmless = said.contains("warning:")
            || said.contains("constant selects in always_*")
            || said.contains("qualities are ignored");
        let is_grave =
            ["error", "assert", "sorry", "internal"].iter().any(|word| said.contains(word));
        if is_grave && !harmless && !accused.iter().any(|(one, _)| *one == at) {
            let said = said.split_once(": ").map_or(said, |(_, said)| said);
            accused.push((at, said.to_owned()));
        }
    }
    accused
}

/// The module under names of its own, and the module that plays it.
fn module(part: &Part, number: usize) -> Result<String, RenameError> {
    let renamed = rename_with(part.text, &format!("part_{number}"))?;
    let top = renamed.names.get(&part.interface.top).ok_or(RenameError::NoModule)?;
    let wires = wires(part.interface);
    let (mut row_bits, mut shown_bits) = (0, 0);
    let mut ports = Vec::new();
    let mut clocks = Vec::new();
    for (wire, role) in wires.iter().zip(&part.interface.roles) {
        let width = wire.port.width;
        let (bits, side) = match wire.port.direction {
            Direction::Input => (&mut row_bits, "row"),
            _ => (&mut shown_bits, "shown"),
        };
        let range = format!("[{}:{}]", *bits + width - 1, *bits);
        if matches!(role, Role::Clock { .. }) {
            clocks.push(range.clone());
        }
        *bits += width;
        ports.push((wire, side, range));
    }
    let mut text = renamed.text;
    text.push('\n');
    let _ = player(&mut text, part, number, top, &ports, &clocks, (row_bits, shown_bits));
    Ok(text)
}

fn player(
    text: &mut String,
    part: &Part,
    number: usize,
    top: &str,
    ports: &[(&Wire, &str, String)],
    clocks: &[String],
    (row_bits, shown_bits): (u32, u32),
) -> std::fmt::Result {
    let high = row_bits.max(1) - 1;
    let total: usize = part.episodes.iter().map(|episode| episode.steps.len() + 1).sum();
    writeln!(text, "`resetall\nmodule {TOP}_{number};")?;
    writeln!(text, "  reg [{high}:0] rows [0:{}];\n  integer at;", total - 1)?;
    for (index, _) in part.episodes.iter().enumerate() {
        writeln!(text, "  reg [{high}:0] row{index};")?;
        writeln!(text, "  wire [{}:0] shown{index};", shown_bits.max(1) - 1)?;
        let connect = |(wire, side, range): &(&Wire, &str, String)| {
            format!(".{}({side}{index}{range})", wire.name())
        };
        let connected: Vec<String> = ports.iter().map(connect).collect();
        writeln!(text, "  {top} episode{index} ({});", connected.join(", "))?;
    }
    writeln!(text, "  task play;\n  begin\n    $readmemh(\"{}\", rows);", rows_of(number))?;
    let mut first = 0;
    for (index, episode) in part.episodes.iter().enumerate() {
        writeln!(text, "    at = {first};")?;
        writeln!(text, "    begin : power_up{index}\n      reg [{high}:0] start;")?;
        writeln!(text, "      start = rows[at];")?;
        for range in clocks {
            writeln!(text, "      start{range} = 1'bx;")?;
        }
        writeln!(text, "      row{index} = start;\n    end")?;
        writeln!(text, "    #{ROW} row{index} = rows[at];\n    #{ROW};")?;
        writeln!(
            text,
            "    for (at = {}; at < {}; at = at + 1) begin",
            first + 1,
            first + episode.steps.len() + 1
        )?;
        writeln!(
            text,
            "      row{index} = rows[at];\n      #{ROW} $fwrite({TOP}.file, \"%z\", shown{index});\n    end"
        )?;
        first += episode.steps.len() + 1;
    }
    writeln!(text, "    $fflush({TOP}.file);\n  end\n  endtask\nendmodule")
}

/// The module that lets the parts play in turn.
fn bench(batch: &[usize]) -> String {
    let mut text = format!("`resetall\nmodule {TOP};\n  integer file;\n");
    for at in batch {
        let _ = writeln!(text, "  {TOP}_{at} part_{at}();");
    }
    let _ = writeln!(text, "  initial begin\n    file = $fopen(\"{SHOWN}\", \"wb\");\n    #1;");
    for at in batch {
        let _ = writeln!(text, "    part_{at}.play;");
    }
    text + "    $finish;\n  end\nendmodule\n"
}

/// The rows of all episodes, the first input in the lowest bits.
fn rows(part: &Part) -> String {
    let words = part.inputs.words;
    let mut text = String::new();
    for episode in part.episodes {
        for at in 0..=episode.steps.len() {
            let row = &episode.rows[at * words..(at + 1) * words];
            text.push_str(&hex(part.inputs, row));
            text.push('\n');
        }
    }
    text
}

fn hex(inputs: &Layout, row: &[u64]) -> String {
    let bits = inputs.offsets.iter().zip(&inputs.widths).flat_map(|(&first, &width)| {
        (0..width).map(move |at| row[first + at as usize / 64] >> (at % 64) & 1)
    });
    let mut digits: Vec<u8> = Vec::new();
    for (at, bit) in bits.enumerate() {
        if at % 4 == 0 {
            digits.push(0);
        }
        if let Some(last) = digits.last_mut() {
            *last |= (bit as u8) << (at % 4);
        }
    }
    if digits.is_empty() {
        return "0".into();
    }
    digits.iter().rev().map(|&digit| char::from_digit(digit.into(), 16).unwrap_or('0')).collect()
}

/// Takes the traces of a part off the front, if they are all there.
fn traces(part: &Part, shown: &mut &[u8]) -> Option<Vec<FourState>> {
    let layout = outputs(part.interface);
    let bits: u32 = layout.widths.iter().sum();
    let bytes_of_point = bits.max(1).div_ceil(32) as usize * 8;
    let points = |episode: &Episode| episode.steps.len();
    let total: usize = part.episodes.iter().map(points).sum();
    let (mine, rest) = shown.split_at_checked(total * bytes_of_point)?;
    *shown = rest;
    let mut mine = mine.chunks_exact(bytes_of_point);
    let of_episode = |episode: &Episode| {
        let mut trace = FourState::default();
        for point in mine.by_ref().take(points(episode)) {
            add_point(&mut trace, &layout, point);
        }
        trace
    };
    Some(part.episodes.iter().map(of_episode).collect())
}

fn add_point(trace: &mut FourState, layout: &Layout, point: &[u8]) {
    let word = |at: usize, plane: usize| {
        let start = at * 8 + plane * 4;
        let bytes = point.get(start..start + 4).and_then(|bytes| bytes.try_into().ok());
        u64::from(u32::from_le_bytes(bytes.unwrap_or_default()))
    };
    // 32 bits from bit `low` on, of a plane.
    let bits = |low: u32, plane: usize| {
        let at = low as usize / 32;
        let both = word(at, plane) | word(at + 1, plane) << 32;
        both >> (low % 32) & 0xffff_ffff
    };
    let mut low = 0;
    for &width in &layout.widths {
        for first in (0..width).step_by(64) {
            let mask = u64::MAX >> (64 - (width - first).min(64));
            let plane = |number| bits(low + first, number) | bits(low + first + 32, number) << 32;
            let (a, b) = (plane(0), plane(1));
            // There x is (1, 1) and z is (0, 1).
            trace.value.push((a ^ b) & mask);
            trace.unknown.push(b & mask);
        }
        low += width;
    }
}

#[cfg(test)]
mod tests {
    use super::{FourState, Layout, accused, add_point, hex};

    #[test]
    fn a_row_has_the_first_input_lowest() {
        let inputs = Layout::new(vec![1, 3, 66]);
        assert_eq!(hex(&inputs, &[1, 0b110, 5, 0b10]), "20000000000000005d");
        assert_eq!(hex(&Layout::new(Vec::new()), &[]), "0");
    }

    #[test]
    fn the_planes_of_icarus_become_ours() {
        let layout = Layout::new(vec![4, 33]);
        let (first_a, first_b) = (0b1011_u32 | 0xf << 28, 0b0011_u32 | 0xc << 28);
        let mut bytes = Vec::new();
        for word in [first_a, first_b, 0b1_0010, 0b1_0000] {
            bytes.extend(word.to_le_bytes());
        }
        let mut trace = FourState::default();
        add_point(&mut trace, &layout, &bytes);
        assert_eq!(trace.digits(&layout, 0, 0), "10xx");
        assert_eq!(trace.digits(&layout, 1, 0), format!("x0010xx11{}", "0".repeat(24)));
    }

    #[test]
    fn a_message_names_its_part() {
        let messages = "part_3.v:7: warning: x\npart_3.v:9: sorry: constant selects in always_* \
                        processes\npart_12.v:4: error: no\npart_12.v:5: error: more\nbench.v:1: error: y";
        assert_eq!(accused(&[3, 12], messages), [(12, "error: no".to_owned())]);
    }
}
