//! What Yosys says of a module's fan-in: `scripts/fan-in.py`, one process for many texts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::cli::tools;
use crate::verify::cache::Scratch;

/// The script, which is written to a scratch folder.
const SCRIPT: &str = include_str!("../../../../scripts/fan-in.py");

/// Yosys's ways to read a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Frontend {
    /// `read_slang`.
    Slang,
    /// `read_verilog`, which computes less in advance.
    Verilog,
}

/// A running script.
pub struct FanIn {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Holds the script while it runs.
    _scratch: Scratch,
}

/// Names of a netlist, and those in the fan-in of each output.
#[derive(Deserialize)]
pub struct Netlist {
    /// From bit to bit.
    pub bits: BTreeMap<String, BTreeSet<String>>,
    /// From wire to wire.
    pub wires: BTreeMap<String, BTreeSet<String>>,
    /// All names.
    pub names: BTreeSet<String>,
}

#[derive(Serialize)]
struct Job<'a> {
    code: &'a str,
    top: &'a str,
    frontend: Frontend,
    also: &'a [&'a str],
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Netlist(Netlist),
    Refused { error: String },
}

impl FanIn {
    /// Starts the script, in a scratch folder of its own.
    pub fn start(tools: &tools::Prover, scratch: Scratch) -> anyhow::Result<FanIn> {
        let script = scratch.path().join("fan-in.py");
        std::fs::write(&script, SCRIPT).with_context(|| format!("write {}", script.display()))?;
        let mut child = Command::new(&tools.python)
            .arg(&script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to start {}", tools.python.display()))?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("failed to open a pipe to the script")?;
        Ok(FanIn { child, input, output: BufReader::new(output), _scratch: scratch })
    }

    /// The fan-in of each output of a text, and of the nets in `also`; the inner error is what Yosys said where
    /// it could not read the text.
    pub fn ask(
        &mut self,
        (code, top): (&str, &str),
        frontend: Frontend,
        also: &[&str],
    ) -> anyhow::Result<Result<Netlist, String>> {
        Ok(match self.exchange(&Job { code, top, frontend, also })? {
            Answer::Netlist(netlist) => Ok(netlist),
            Answer::Refused { error } => Err(error),
        })
    }

    fn exchange(&mut self, job: &Job) -> anyhow::Result<Answer> {
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        let input = self.input.as_mut().context("the script takes no input any more")?;
        input.write_all(&line).context("failed to ask scripts/fan-in.py")?;
        let mut answer = String::new();
        self.output.read_line(&mut answer).context("failed to hear scripts/fan-in.py")?;
        serde_json::from_str(&answer)
            .with_context(|| format!("failed to understand scripts/fan-in.py: `{}`", answer.trim()))
    }
}

impl Drop for FanIn {
    fn drop(&mut self) {
        // It ends at the end of its input; a text that it is at may take for ever.
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
