//! The other simulator's word on one of our episodes: golden module and candidate run side by side in
//! Icarus, in four states, on the very rows of inputs that the backend was given.
//!
//! A case goes in, is compiled once, and plays any number of episodes; out come the outputs of both sides at
//! each comparison point, as `vvp` prints them. The inputs of a row change in one assignment, so at one
//! instant, and the outputs are read one unit of time later, when everything has settled. It is a check of
//! verdicts, and makes none.

use std::fmt::Write as _;
use std::path::Path;

use super::testbench::{self, connections, wires};
use super::{Case, Icarus, IcarusError, write};
use crate::design::Direction;
use crate::verify::stimulus::{Episode, Layout};

/// Bytes of a line of outputs: two binary digits for each bit, and blanks.
const LINE_BYTES_MAX: u64 = 1 << 19;

/// The file of inputs, one row of binary digits a line, that the bench reads.
const ROWS: &str = "salv_rows.txt";

/// What both sides show at a comparison point: the bits of each output, `0`, `1`, `x` or `z`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Outputs of the golden module, in its order of ports.
    pub golden: Vec<String>,
    /// Outputs of the candidate.
    pub candidate: Vec<String>,
}

impl Point {
    /// Whether an output differs in a bit that the golden module defines; `None` where it defines none.
    pub fn differs(&self, output: usize) -> Option<bool> {
        let defined = |bit: u8| matches!(bit, b'0' | b'1');
        let pairs = self.golden[output].bytes().zip(self.candidate[output].bytes());
        let mut pairs = pairs.filter(|&(golden, _)| defined(golden)).peekable();
        pairs.peek()?;
        Some(pairs.any(|(golden, candidate)| golden != candidate))
    }
}

/// A case that is compiled and can be played.
#[derive(Debug)]
pub struct Player<'a> {
    icarus: &'a Icarus,
    folder: &'a Path,
    tag: String,
    outputs: usize,
}

impl Icarus {
    /// Compiles a case in `folder`, which is for this case alone; an inner error is what `iverilog` says.
    pub fn player<'a>(
        &'a self,
        case: &Case,
        folder: &'a Path,
    ) -> Result<Result<Player<'a>, String>, IcarusError> {
        let tag = testbench::tag(case, "replay");
        write(&folder.join("case.v"), testbench::with_modules(bench(case, &tag), case).as_bytes())?;
        Ok(match self.compile(folder)? {
            Ok(()) => {
                Ok(Player { icarus: self, folder, tag, outputs: case.interface.outputs().count() })
            }
            Err(refused) => Err(refused),
        })
    }
}

impl Player<'_> {
    /// Plays an episode up to its comparison point number `last`; an inner error says how it ended early.
    pub fn play(
        &self,
        inputs: &Layout,
        episode: &Episode,
        last: usize,
    ) -> Result<Result<Vec<Point>, String>, IcarusError> {
        let row = |at: usize| &episode.rows[at * inputs.words..(at + 1) * inputs.words];
        let text: String = (0..last + 2).map(|at| digits(inputs, row(at))).collect();
        write(&self.folder.join(ROWS), text.as_bytes())?;
        let (status, lines) =
            self.icarus.simulate(&self.tag, LINE_BYTES_MAX, last as u32, self.folder)?;
        let mut points: Vec<Point> = lines.iter().map(|line| self.point(line)).collect();
        if !status.success() || points.len() != last + 2 {
            return Ok(Err(format!("vvp: {status}, {} of {} points", points.len(), last + 2)));
        }
        // The first is the power-up row, which nothing compares.
        points.remove(0);
        Ok(Ok(points))
    }

    fn point(&self, line: &str) -> Point {
        let mut words = line.split_whitespace().map(str::to_owned);
        let golden = words.by_ref().take(self.outputs).collect();
        Point { golden, candidate: words.collect() }
    }
}

/// A row in one line, the first input in the lowest bits.
fn digits(inputs: &Layout, row: &[u64]) -> String {
    let mut line = String::new();
    for (&first, &width) in inputs.offsets.iter().zip(&inputs.widths).rev() {
        let bit = |at: u32| row[first + at as usize / 64] >> (at % 64) & 1 == 1;
        line.extend((0..width).rev().map(|at| if bit(at) { '1' } else { '0' }));
    }
    if line.is_empty() { "0\n".into() } else { line + "\n" }
}

fn bench(case: &Case, tag: &str) -> String {
    let wires = wires(&case.interface);
    let mut text = format!("`resetall\nmodule {};\n", testbench::TOP);
    let (mut bits, mut driven) = (0, Vec::new());
    let (mut golden, mut candidate, mut formats) = (Vec::new(), Vec::new(), Vec::new());
    for wire in &wires {
        let (range, n) = (wire.range(), wire.number);
        let declared = if wire.port.direction == Direction::Input {
            bits += wire.port.width;
            driven.insert(0, format!("in_{n}"));
            format!("  reg {range} in_{n};\n")
        } else {
            golden.push(format!("golden_{n}"));
            candidate.push(format!("candidate_{n}"));
            formats.extend(["%b", "%b"]);
            format!("  wire {range} golden_{n}, candidate_{n};\n")
        };
        text.push_str(&declared);
    }
    let drive = match driven.is_empty() {
        true => String::new(),
        false => format!("{{{}}} = row; ", driven.join(", ")),
    };
    let _ = write!(
        text,
        "  {golden_top} golden({golden_ports});
  {top} candidate({candidate_ports});
  integer file, code;
  reg [{high}:0] row;
  initial begin
    file = $fopen(\"{ROWS}\", \"r\");
    code = $fscanf(file, \"%b\", row);
    while (code == 1) begin
      {drive}#1;
      $display(\"{tag}{formats}\", {outputs});
      code = $fscanf(file, \"%b\", row);
    end
    $finish;
  end
endmodule
",
        golden_top = case.interface.top,
        golden_ports = connections(&wires, "golden"),
        top = case.top,
        candidate_ports = connections(&wires, "candidate"),
        high = bits.max(1) - 1,
        formats = formats.join(" "),
        outputs = [golden, candidate].concat().join(", "),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::{Layout, Point, digits};

    #[test]
    fn a_row_has_the_first_input_last() {
        let inputs = Layout::new(vec![1, 3, 66]);
        let line = digits(&inputs, &[1, 0b110, 5, 0b10]);
        assert_eq!(line, format!("10{:064b}1101\n", 5));
        assert_eq!(digits(&Layout::new(Vec::new()), &[]), "0\n");
    }

    #[test]
    fn only_what_the_golden_module_defines_can_differ() {
        let check = |golden: &str, candidate: &str, expect| {
            let point = Point { golden: vec![golden.into()], candidate: vec![candidate.into()] };
            assert_eq!(point.differs(0), expect, "{golden} {candidate}");
        };
        check("01x", "010", Some(false));
        check("01x", "00x", Some(true));
        check("01", "0x", Some(true));
        check("0z", "01", Some(false));
        check("xx", "01", None);
    }
}
