//! One candidate on both sides, and why a signal is in a cone and not in Yosys's fan-in.
//!
//! A cone goes by the text: it holds each statement that can write what is read, by names and without regard
//! to order. A netlist is what the front end made of the text after it has computed constants and followed the
//! order of statements. Each class of difference is decided by asking Yosys again: with its other front end,
//! about the net itself, or without the statements that change nothing in the fan-in that it finds.

use std::collections::BTreeSet;

use anyhow::Context;

use super::fan_in::{FanIn, Frontend, Netlist};
use crate::extract::{Analysis, analyse};
use crate::verilog::syntax::STACK_BYTES;

/// Statements that are taken out one by one to explain a difference.
const STATEMENTS_MAX: usize = 300;

/// One output of a candidate, on both sides.
pub struct Compared {
    /// The output.
    pub output: String,
    /// In the cone, and not in the fan-in from bit to bit.
    pub ours: Vec<Extra>,
    /// In that fan-in, and not in the cone.
    pub theirs: Vec<String>,
}

/// A signal that only the cone has.
pub struct Extra {
    /// Its name.
    pub name: String,
    /// Why.
    pub class: Class,
}

/// Why a signal is in a cone and not in the fan-in that Yosys finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The netlist has no net of that name.
    NoNet,
    /// It is in the fan-in from wire to wire.
    Bits,
    /// All that it depends on is in the fan-in.
    Bypassed,
    /// It is in the fan-in by Yosys's own front end.
    Folded,
    /// The cone has it by statements only that change nothing in Yosys's fan-in.
    Idle,
    /// Decided by nothing here.
    Open,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 6] =
        [Class::NoNet, Class::Bits, Class::Bypassed, Class::Folded, Class::Idle, Class::Open];

    /// What a report says of it.
    pub fn explanation(self) -> &'static str {
        match self {
            Class::NoNet => {
                "no net of that name in the netlist (a memory without use, a variable of a loop)"
            }
            Class::Bits => "other bits: the fan-in from wire to wire has the signal",
            Class::Bypassed => {
                "the value of a blocking assignment, taken without its net: all behind it is in the fan-in"
            }
            Class::Folded => "a constant of slang's front end: Yosys's own one has the signal",
            Class::Idle => {
                "by statements only that change nothing in the fan-in (overwritten, or of a constant condition)"
            }
            Class::Open => "not explained",
        }
    }
}

/// What became of a candidate.
pub enum Outcome {
    /// Its outputs.
    Compared(Vec<Compared>),
    /// There are no cones.
    NoCone(String),
    /// There is no netlist.
    Refused(String),
}

/// A text and the script to ask about it.
struct Question<'a> {
    analysis: Analysis<'a>,
    top: &'a str,
    fan_in: &'a mut FanIn,
    frontend: Frontend,
    /// What the other front end finds.
    other: Option<Netlist>,
}

/// Compares the cones of a text with its netlist.
pub fn compare(code: &str, top: &str, fan_in: &mut FanIn) -> anyhow::Result<Outcome> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, || compare_here(code, top, fan_in))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn compare_here(code: &str, top: &str, fan_in: &mut FanIn) -> anyhow::Result<Outcome> {
    let analysis = match analyse(code, top) {
        Ok(analysis) => analysis,
        Err(why) => return Ok(Outcome::NoCone(why)),
    };
    let slang = fan_in.ask((code, top), Frontend::Slang, &[])?;
    let other = fan_in.ask((code, top), Frontend::Verilog, &[])?;
    let (netlist, frontend, other) = match (slang, other) {
        (Ok(slang), other) => (slang, Frontend::Slang, other.ok()),
        (Err(_), Ok(other)) => (other, Frontend::Verilog, None),
        (Err(why), Err(_)) => return Ok(Outcome::Refused(why)),
    };
    let outputs: Vec<String> = analysis.outputs().map(str::to_owned).collect();
    let mut question = Question { analysis, top, fan_in, frontend, other };
    let compared = outputs.into_iter().map(|output| question.difference(code, output, &netlist));
    Ok(Outcome::Compared(compared.collect::<anyhow::Result<_>>()?))
}

impl Question<'_> {
    fn difference(
        &mut self,
        code: &str,
        output: String,
        netlist: &Netlist,
    ) -> anyhow::Result<Compared> {
        let bits = netlist.bits.get(&output).cloned().unwrap_or_default();
        let cone: BTreeSet<String> =
            self.analysis.signals(&output).into_iter().map(str::to_owned).collect();
        // What is not the top module's own has a path for a name.
        let theirs = bits.difference(&cone).filter(|name| !name.contains(['.', '[']));
        let theirs = theirs.cloned().collect();
        let names: Vec<&String> = cone.difference(&bits).collect();
        let mut ours = Vec::new();
        if !names.is_empty() {
            let also: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            let nets = self.fan_in.ask((code, self.top), self.frontend, &also)?;
            let nets = nets.ok().context("Yosys refuses a text that it took before")?;
            for name in &names {
                let class = self.class(name, &output, &bits, &nets);
                ours.push(Extra { name: (*name).clone(), class });
            }
            if ours.iter().any(|extra| extra.class == Class::Open) {
                self.reduce(&output, &bits, &mut ours)?;
            }
        }
        Ok(Compared { output, ours, theirs })
    }

    fn class(&self, name: &str, output: &str, bits: &BTreeSet<String>, netlist: &Netlist) -> Class {
        let has = |netlist: &Netlist| netlist.bits.get(output).is_some_and(|b| b.contains(name));
        if !netlist.names.contains(name) {
            Class::NoNet
        } else if netlist.wires.get(output).is_some_and(|wires| wires.contains(name)) {
            Class::Bits
        } else if is_bypassed(name, bits, netlist) {
            Class::Bypassed
        } else if self.other.as_ref().is_some_and(has) {
            Class::Folded
        } else {
            Class::Open
        }
    }

    /// Takes out what changes nothing in Yosys's fan-in of an output, and looks at what is open again.
    fn reduce(
        &mut self,
        output: &str,
        bits: &BTreeSet<String>,
        extras: &mut [Extra],
    ) -> anyhow::Result<()> {
        let Some(cone) = self.analysis.cone(output) else { return Ok(()) };
        let also: Vec<String> = extras.iter().map(|extra| extra.name.clone()).collect();
        let also: Vec<&str> = also.iter().map(String::as_str).collect();
        let mut kept = self.analysis.everything();
        let mut last = None;
        for statement in self.analysis.statements(&cone).into_iter().take(STATEMENTS_MAX) {
            let fewer = self.analysis.without(&kept, statement);
            let text = self.analysis.blanked(&fewer);
            let netlist = self.fan_in.ask((&text, self.top), self.frontend, &also)?;
            if let Some(netlist) = netlist.ok().filter(|n| n.bits.get(output) == Some(bits)) {
                kept = fewer;
                last = Some((text, netlist));
            }
        }
        let Some((text, netlist)) = last else { return Ok(()) };
        let Ok(rest) = analyse(&text, self.top) else { return Ok(()) };
        let signals = rest.signals(output);
        for extra in extras.iter_mut().filter(|extra| extra.class == Class::Open) {
            if !signals.contains(&extra.name.as_str()) {
                extra.class = Class::Idle;
            } else if is_bypassed(&extra.name, bits, &netlist) {
                extra.class = Class::Bypassed;
            }
        }
        Ok(())
    }
}

/// All that a net depends on, and something, is in a fan-in in which it is not.
fn is_bypassed(name: &str, bits: &BTreeSet<String>, netlist: &Netlist) -> bool {
    let Some(own) = netlist.bits.get(name) else { return false };
    let mut behind = own.iter().filter(|other| *other != name).peekable();
    behind.peek().is_some() && behind.all(|other| bits.contains(other))
}
