//! From a harness to bits: synthesis of the whole chip, place and route, packing, and what simulates each stage.
//!
//! In: a [`Harness`] and a board. Out: a [`Build`] as deep as was asked for, found in the cache where all that goes
//! into it is the same. What does not fit is an answer and no failure: the caller makes two chips of it, or says of a
//! candidate alone that this board has no room for it.
//!
//! Every instance must have exactly the cells that its module was mapped to. Fewer mean that something was merged with
//! another copy, and then the comparison would compare a thing with itself: that is an error of ours, and no bitstream
//! of such a netlist is made.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::FpgaError;
use super::boards::{Board, Family};
use super::harness::Harness;
use super::model::ChipText;
use super::prove::Lut;
use super::rtl;
use super::toolchain::{self, CHIP_LIMITS, Program, Toolchain};
use crate::verify::cache::Cache;

/// How far a build goes, and what a simulated board is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The harness and the elaborated modules, before synthesis.
    Rtl,
    /// The netlist of the family's cells, before place and route.
    Netlist,
    /// The bitstream.
    Bitstream,
}

impl Stage {
    /// The name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Rtl => "rtl",
            Stage::Netlist => "netlist",
            Stage::Bitstream => "bitstream",
        }
    }
}

/// Seeds of place and route that are tried before a chip is said to be too full.
const SEEDS: [u32; 3] = [1, 2, 3];

/// A chip that was built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// What the chip answers when it is asked which it is.
    pub id: u64,
    /// The netlist of cells in Verilog; empty in a build that stops before.
    #[serde(default)]
    pub netlist: String,
    /// The same for place and route.
    #[serde(default)]
    pub(super) placeable: String,
    /// The placed chip.
    #[serde(default)]
    pub placed: Option<Placed>,
}

/// A chip after place and route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    /// The configuration as icestorm or trellis writes it down.
    pub text: String,
    /// The bits, as a programmer takes them.
    pub bits: Vec<u8>,
    /// The seed that fitted.
    pub seed: u32,
    /// Highest frequency of the harness's clock in MHz.
    pub megahertz: f64,
    /// The longest way from a register of another clock, a candidate's, to one of the harness's, in nanoseconds; place and
    /// route knows no frequency for it.
    pub crossing_ns: f64,
    /// Used and available cells of the chip, by kind.
    pub used: BTreeMap<String, [u32; 2]>,
    /// Where look-up tables of instances lie.
    pub luts: Vec<(String, Lut)>,
}

impl Placed {
    /// How long a step has to be: the slowest way within the harness's clock, or from a candidate's to it.
    pub fn step_seconds(&self) -> f64 {
        (1e-6 / self.megahertz).max(self.crossing_ns * 1e-9)
    }
}

/// What a build comes to.
pub type Fits = Result<Build, String>;

/// What makes builds.
pub struct Builder<'a> {
    /// The tools.
    pub tools: &'a Toolchain,
    /// Where results stay.
    pub cache: &'a Cache,
    /// The board.
    pub board: &'static Board,
    /// Whether modules stay whole until all optimisation is over; false only to show what happens where their texts
    /// are synthesised as parts of the chip.
    pub whole: bool,
}

/// An error unless each instance has the cells of its module; of several that have not, one that lost some is named.
fn whole(instances: &[(String, u32)], inside: &BTreeMap<String, u32>) -> Result<(), FpgaError> {
    let count = |name: &String| inside.get(name).copied().unwrap_or(0);
    let other = |(name, expected): &&(String, u32)| count(name) != *expected;
    let Some((instance, expected)) =
        instances.iter().filter(other).min_by_key(|(name, expected)| count(name) > *expected)
    else {
        return Ok(());
    };
    let (instance, found) = (instance.clone(), count(instance));
    Err(FpgaError::Merged { instance, found, expected: *expected })
}

/// What Yosys answers about a chip.
#[derive(Deserialize)]
struct Answer {
    inside: BTreeMap<String, u32>,
}

impl Builder<'_> {
    /// Builds the chip up to a stage.
    pub fn build(&self, harness: &Harness, stage: Stage) -> Result<Fits, FpgaError> {
        let id = self.id(harness);
        let mut build =
            Build { id, netlist: String::new(), placeable: String::new(), placed: None };
        if stage == Stage::Rtl {
            return Ok(Ok(build));
        }
        let name = format!("{id:016x}");
        let whole = if self.whole { "whole" } else { "merged" };
        let key = self.tools.key(self.cache, &["chip", &name, whole, stage.name()]);
        if let Some(fits) = toolchain::kept(self.cache, &key)? {
            return Ok(fits);
        }
        let mut fits = self.synthesise(harness, &mut build)?;
        if fits.is_ok() && stage == Stage::Bitstream {
            fits = self.place(harness, &mut build)?;
        }
        let fits = fits.map(|()| build);
        let scratch = self.cache.scratch()?;
        let path = scratch.path().join("build");
        std::fs::write(&path, json!(fits).to_string())
            .map_err(|source| FpgaError::file(&path, source))?;
        self.cache.keep(&key, &path)?;
        Ok(fits)
    }

    /// What the chip is: a hash of everything that goes into it.
    fn id(&self, harness: &Harness) -> u64 {
        let mut hasher = blake3::Hasher::new();
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        add(&self.tools.key(self.cache, &["build", self.board.name, self.board.constraints]));
        for (name, text) in rtl::FILES.iter().chain([&("top.sv", self.board.top)]) {
            add(name);
            add(text);
        }
        add(&harness.slots_text());
        add(&harness.build_text(0));
        for (mapped, level) in harness.modules() {
            add(&mapped.twins[level].netlist);
        }
        let bytes = hasher.finalize();
        u64::from_le_bytes(bytes.as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
    }

    /// The whole chip in the family's cells.
    fn synthesise(
        &self,
        harness: &Harness,
        build: &mut Build,
    ) -> Result<Result<(), String>, FpgaError> {
        let scratch = self.cache.scratch()?;
        let folder = scratch.path();
        let mut sources = Vec::new();
        let files = self.files(harness, build.id);
        let modules = if self.whole { harness.black_boxes() } else { harness.texts() };
        for (name, text) in files.iter().chain([&("modules.sv".to_owned(), modules)]) {
            write(folder, name, text)?;
            if !name.ends_with(".svh") {
                sources.push(name.clone());
            }
        }
        let mut netlists = Vec::new();
        let mapped = harness.modules().into_iter().filter(|_| self.whole);
        for (number, (mapped, level)) in mapped.enumerate() {
            let name = format!("module{number}.json");
            write(folder, &name, &mapped.twins[level].netlist)?;
            netlists.push(name);
        }
        let instances = harness.instances();
        let names: Vec<&str> = instances.iter().map(|(name, _)| name.as_str()).collect();
        let job = json!({
            "work": "chip", "sources": sources, "folders": ["."], "defines": {"SYNTHESIS": 1},
            "netlists": netlists, "instances": names, "top": "top", "whole": self.whole,
            "family": self.board.family.name(), "device": self.board.family.device(),
        });
        let answer: Answer = match self.tools.synthesise(folder, &job, Vec::new(), CHIP_LIMITS)? {
            Ok(answer) => answer,
            Err(gave_up) if gave_up.limited => return Ok(Err(gave_up.said)),
            Err(gave_up) => return Err(FpgaError::Harness(gave_up.said)),
        };
        whole(&instances, &answer.inside)?;
        build.netlist = read(folder, "chip.v")?;
        build.placeable = read(folder, "chip.json")?;
        Ok(Ok(()))
    }

    /// All files of the chip but the modules in it.
    fn files(&self, harness: &Harness, id: u64) -> Vec<(String, String)> {
        let rtl = rtl::FILES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let own = [
            ("slots.sv".to_owned(), harness.slots_text()),
            ("build.sv".to_owned(), harness.build_text(id)),
            ("top.sv".to_owned(), self.board.top.to_owned()),
        ];
        rtl.chain(own).collect()
    }

    /// Place and route, with one seed after the other.
    fn place(&self, harness: &Harness, build: &mut Build) -> Result<Result<(), String>, FpgaError> {
        let scratch = self.cache.scratch()?;
        let folder = scratch.path();
        write(folder, "chip.json", &build.placeable)?;
        write(folder, "chip.pins", self.board.constraints)?;
        let (place, pack) = self.programs();
        let compiled = self.tools.compiled(self.cache, &[place, pack])?;
        let mut last = String::new();
        for seed in SEEDS {
            match self.tools.place(folder, &compiled, place, &self.place_arguments(seed))? {
                Ok(()) => {}
                Err(gave_up) => {
                    last = gave_up.said;
                    continue;
                }
            }
            self.pack_in(folder, &compiled, pack)?;
            let instances = harness.instances();
            build.placed = Some(placed(folder, seed, &instances)?);
            return Ok(Ok(()));
        }
        self.cache.check_room()?;
        Ok(Err(last))
    }

    fn pack_in(&self, folder: &Path, compiled: &Path, pack: Program) -> Result<(), FpgaError> {
        let arguments = ["/w/chip.asc", "/w/chip.bin"].map(str::to_owned);
        let packed = self.tools.place(folder, compiled, pack, &arguments)?;
        packed.map_err(|gave_up| FpgaError::Pack(gave_up.said))
    }

    /// The bits of a configuration in text.
    pub fn pack(&self, text: &str) -> Result<Vec<u8>, FpgaError> {
        let scratch = self.cache.scratch()?;
        let folder = scratch.path();
        write(folder, "chip.asc", text)?;
        let (place, pack) = self.programs();
        let compiled = self.tools.compiled(self.cache, &[place, pack])?;
        self.pack_in(folder, &compiled, pack)?;
        let path = folder.join("chip.bin");
        std::fs::read(&path).map_err(|source| FpgaError::file(&path, source))
    }

    /// The programs that place and pack.
    fn programs(&self) -> (Program, Program) {
        match self.board.family {
            Family::Ecp5 => (Program::PlaceEcp5, Program::PackEcp5),
            Family::Hx | Family::Up => (Program::PlaceIce40, Program::PackIce40),
        }
    }

    fn place_arguments(&self, seed: u32) -> Vec<String> {
        let board = self.board;
        let mut arguments: Vec<String> = board.device.iter().map(|&word| word.into()).collect();
        let (pins, text) = match board.family {
            Family::Ecp5 => ("--lpf", "--textcfg"),
            Family::Hx | Family::Up => ("--pcf", "--asc"),
        };
        let own = ["--json", "/w/chip.json", pins, "/w/chip.pins", text, "/w/chip.asc"];
        arguments.extend(own.map(str::to_owned));
        arguments.extend(["--report".into(), "/w/report.json".into(), "--quiet".into()]);
        arguments.extend(["--write".into(), "/w/placed.json".into()]);
        arguments.extend(["--freq".into(), format!("{}", board.hertz as f64 / 1e6)]);
        arguments.extend(["--timing-allow-fail".into(), "--seed".into(), seed.to_string()]);
        arguments
    }

    /// The text from which the board of a stage is simulated.
    pub fn simulated(
        &self,
        harness: &Harness,
        build: &Build,
        stage: Stage,
    ) -> Result<ChipText, FpgaError> {
        let top = "top".to_owned();
        let cells = self.cells()?;
        match stage {
            Stage::Rtl => {
                let mut files = self.files(harness, build.id);
                files.push(("modules.v".to_owned(), harness.texts()));
                files.extend(cells);
                Ok(ChipText { files, defines: self.defines(), top })
            }
            Stage::Netlist => {
                let mut files = cells;
                files.push(("chip.v".to_owned(), build.netlist.clone()));
                Ok(ChipText { files, defines: self.defines(), top })
            }
            Stage::Bitstream => {
                // What is no LUT, carry or register is written as a cell: block RAM.
                let text = self.decoded(build.placed.as_ref().ok_or(FpgaError::NotPlaced)?)?;
                let mut files = cells;
                files.push(("chip.v".to_owned(), text));
                Ok(ChipText { files, defines: self.defines(), top })
            }
        }
    }

    /// Verilator has no use for default values of ports.
    fn defines(&self) -> Vec<String> {
        vec!["NO_ICE40_DEFAULT_ASSIGNMENTS=1".to_owned()]
    }

    /// Yosys's simulation models of the family's cells, with the files that they include.
    fn cells(&self) -> Result<Vec<(String, String)>, FpgaError> {
        let names: &[&str] = match self.board.family {
            Family::Ecp5 => {
                &["cells_ff.vh", "cells_io.vh", "common_sim.vh", "ccu2c_sim.vh", "cells_sim.v"]
            }
            Family::Hx | Family::Up => &["cells_sim.v"],
        };
        let folder = self.tools.yosys.join("share").join(self.board.family.name());
        let cell = |name: &&str| {
            let text = read(&folder, name)?;
            let text = text.replace(&format!("+/{}/", self.board.family.name()), "");
            let name =
                if name.ends_with(".vh") { format!("{name}.svh") } else { (*name).to_owned() };
            Ok((name, text.replace(".vh\"", ".vh.svh\"")))
        };
        names.iter().map(cell).collect()
    }

    /// The bitstream as Verilog again: from the packed bits, not from what they were packed of.
    pub fn decoded(&self, placed: &Placed) -> Result<String, FpgaError> {
        if !self.board.family.decodes() {
            return Err(FpgaError::NoDecoderOf(self.board.name));
        }
        let scratch = self.cache.scratch()?;
        let folder = scratch.path();
        let path = folder.join("chip.bin");
        std::fs::write(&path, &placed.bits).map_err(|source| FpgaError::file(&path, source))?;
        write(folder, "chip.pins", self.board.constraints)?;
        let compiled = self.tools.compiled(self.cache, &[Program::UnpackIce40])?;
        let arguments = ["/w/chip.bin", "/w/chip.asc"].map(str::to_owned);
        self.tools
            .place(folder, &compiled, Program::UnpackIce40, &arguments)?
            .map_err(|gave_up| FpgaError::Pack(gave_up.said))?;
        let arguments = ["-s", "-n", "top", "-p", "chip.pins", "chip.asc"];
        self.tools.decode(folder, &arguments, "decoded.v")?;
        Ok(with_plain_header(&read(folder, "decoded.v")?))
    }
}

/// What nextpnr reports of a placed chip.
#[derive(Deserialize)]
struct Report {
    critical_paths: Vec<CriticalPath>,
    fmax: BTreeMap<String, Frequency>,
    utilization: BTreeMap<String, Usage>,
}

#[derive(Deserialize)]
struct CriticalPath {
    from: String,
    to: String,
    path: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    delay: f64,
}

#[derive(Deserialize)]
struct Frequency {
    achieved: f64,
}

#[derive(Deserialize)]
struct Usage {
    used: u32,
    available: u32,
}

/// What nextpnr writes of the placed netlist, as far as it is read here.
#[derive(Deserialize)]
struct PlacedNetlist {
    modules: BTreeMap<String, PlacedModule>,
}

#[derive(Deserialize)]
struct PlacedModule {
    cells: BTreeMap<String, PlacedCell>,
}

#[derive(Deserialize)]
struct PlacedCell {
    attributes: BTreeMap<String, serde_json::Value>,
}

/// Where look-up tables of instances lie: a cell's place is written as `X1/Y2/lc3`.
fn luts(folder: &Path, instances: &[(String, u32)]) -> Result<Vec<(String, Lut)>, FpgaError> {
    let netlist: PlacedNetlist = serde_json::from_str(&read(folder, "placed.json")?)
        .map_err(|e| FpgaError::Answer(e.to_string()))?;
    let cells = netlist.modules.values().flat_map(|module| &module.cells);
    let place = |(name, cell): (&String, &PlacedCell)| {
        let (instance, _) =
            instances.iter().find(|(instance, _)| name.contains(&format!(".{instance}.")))?;
        let place = cell.attributes.get("NEXTPNR_BEL")?.as_str()?;
        let mut parts = place.split('/');
        let x = parts.next()?.strip_prefix('X')?.parse().ok()?;
        let y = parts.next()?.strip_prefix('Y')?.parse().ok()?;
        let cell = parts.next()?.strip_prefix("lc")?.parse().ok()?;
        name.contains("LUT4").then(|| (instance.clone(), Lut { x, y, cell }))
    };
    Ok(cells.filter_map(place).collect())
}

/// Part of the name that place and route gives the net of the harness's clock.
const CLOCK: &str = "clk_i";

/// The longest of the paths that end at the harness's clock and begin at another, or anywhere.
fn crossing_ns(paths: &[CriticalPath]) -> f64 {
    let crosses = |path: &&CriticalPath| path.to.contains(CLOCK) && !path.from.contains(CLOCK);
    let length = |path: &CriticalPath| path.path.iter().map(|part| part.delay).sum::<f64>();
    paths.iter().filter(crosses).map(length).fold(0.0, f64::max)
}

fn placed(folder: &Path, seed: u32, instances: &[(String, u32)]) -> Result<Placed, FpgaError> {
    let report: Report = serde_json::from_str(&read(folder, "report.json")?)
        .map_err(|e| FpgaError::Answer(e.to_string()))?;
    let path = folder.join("chip.bin");
    let bits = std::fs::read(&path).map_err(|source| FpgaError::file(&path, source))?;
    // The harness's clock is the slowest that is not a candidate's: those are registers of the row.
    let own = report.fmax.iter().filter(|(name, _)| name.contains(CLOCK));
    let megahertz = own.map(|(_, frequency)| frequency.achieved).fold(f64::INFINITY, f64::min);
    let used = report.utilization.into_iter().filter(|(_, usage)| usage.used > 0);
    Ok(Placed {
        text: read(folder, "chip.asc")?,
        bits,
        seed,
        megahertz,
        crossing_ns: crossing_ns(&report.critical_paths),
        luts: luts(folder, instances)?,
        used: used.map(|(kind, usage)| (kind, [usage.used, usage.available])).collect(),
    })
}

/// icebox_vlog names ports in the header and declares them again as wires or registers, which Verilator refuses: a port
/// that is a register says so in the header, and the second declaration goes.
fn with_plain_header(text: &str) -> String {
    let header = text.lines().find(|line| line.starts_with("module ")).unwrap_or("");
    let inside = header.split_once('(').map_or("", |(_, rest)| rest);
    let inside = inside.rsplit_once(')').map_or("", |(inside, _)| inside);
    let mut ports: Vec<String> = inside.split(", ").map(str::to_owned).collect();
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let list = ["wire", "reg"].iter().find_map(|kind| {
            let names = line.strip_prefix(kind)?.strip_prefix(' ')?.strip_suffix(';')?;
            Some((*kind, names))
        });
        let Some((kind, names)) = list else {
            out += line;
            out.push('\n');
            continue;
        };
        let mut rest = Vec::new();
        for declared in names.split(", ") {
            let name = declared.split(' ').next().unwrap_or(declared);
            match ports.iter_mut().find(|port| port.split(' ').next_back() == Some(name)) {
                Some(port) if kind == "reg" => *port = format!("output reg {declared}"),
                Some(_) => {}
                None => rest.push(declared),
            }
        }
        if !rest.is_empty() {
            out += &format!("{kind} {};\n", rest.join(", "));
        }
    }
    out.replacen(inside, &ports.join(", "), 1)
}

fn read(folder: &Path, name: &str) -> Result<String, FpgaError> {
    let path = folder.join(name);
    std::fs::read_to_string(&path).map_err(|source| FpgaError::file(&path, source))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), FpgaError> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(|source| FpgaError::file(&path, source))
}

#[cfg(test)]
mod tests {
    use super::with_plain_header;

    #[test]
    fn a_port_is_declared_once() {
        let text = "\nmodule top (input a, output y, output z);\n\nwire a, n1, z;\nwire n2;\nreg n3 = 0, y = 0;\nendmodule\n";
        let plain = "\nmodule top (input a, output reg y = 0, output z);\n\nwire n1;\nwire n2;\nreg n3 = 0;\nendmodule\n";
        assert_eq!(with_plain_header(text), plain);
    }
}
