//! One module made ready for a chip: mapped to a family's cells by Yosys, once for each content.
//!
//! In: a text, the golden interface and a family. Out: two netlists, with all that has no initial value at 0 and at 1
//! (one does where they are equal), the same before mapping as text for simulation, and how many cells they take; or
//! why the module has no place on a chip, which is never its fault.
//!
//! The ports are those of the golden module and one more, `power_up`, which starts all registers again: an episode
//! begins at power-up, and a chip has that once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::FpgaError;
use super::boards::Board;
use super::toolchain::{self, GaveUp, MODULE_LIMITS, Toolchain};
use crate::design::{Direction, Interface, Role};
use crate::verify::backend::Module;
use crate::verify::cache::Cache;
use crate::worker::sandbox::Limits;

/// Gates that a module may take about, before anything is mapped: the largest chip here has 84,000 LUTs, and mapping so
/// many takes minutes.
const SIZE_MAX: u32 = 60_000;

/// Bits of memory that become registers.
const MEMORY_BITS_MAX: u32 = 4096;

/// A module in the cells of a family.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mapped {
    /// Name that its content gives it; `_0` and `_1` are added for the twins.
    pub name: String,
    /// One netlist, or two where the level at power-up makes a difference.
    pub twins: Vec<Twin>,
}

/// A module with one level at power-up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Twin {
    /// The netlist in Yosys's JSON.
    pub netlist: String,
    /// The module before it was mapped, in Verilog.
    pub text: String,
    /// Cells by kind.
    pub cells: BTreeMap<String, u32>,
    /// Registers with one clock, enable and reset.
    pub control_sets: u32,
}

impl Mapped {
    /// The module's name with this level at power-up.
    pub fn name_of(&self, level: usize) -> String {
        format!("{}_{}", self.name, level.min(self.twins.len() - 1))
    }

    /// Look-up tables of all twins, and registers.
    pub fn size(&self) -> (u32, u32) {
        let of = |prefixes: [&str; 2]| {
            let kinds = self.twins.iter().flat_map(|twin| &twin.cells);
            let fits = |kind: &String| prefixes.iter().any(|prefix| kind.starts_with(prefix));
            kinds.filter(|(kind, _)| fits(kind)).map(|(_, count)| count).sum()
        };
        (of(["SB_LUT4", "LUT4"]), of(["SB_DFF", "TRELLIS_FF"]))
    }
}

impl Twin {
    /// All its cells.
    pub fn count(&self) -> u32 {
        self.cells.values().sum()
    }
}

/// What maps modules, and the cache in which they stay.
pub struct Mapper<'a> {
    /// The tools.
    pub tools: &'a Toolchain,
    /// Where results stay.
    pub cache: &'a Cache,
    /// Whether the canary was mapped by this process.
    pub trusted: &'a AtomicBool,
}

/// What Yosys answers about a module.
#[derive(Deserialize)]
struct Answer {
    refused: Option<String>,
    #[serde(default)]
    twins: Vec<Counts>,
    #[serde(default)]
    differ: bool,
}

#[derive(Deserialize)]
struct Counts {
    cells: BTreeMap<String, u32>,
    control_sets: u32,
}

impl Mapper<'_> {
    /// The module in the cells of the board's family, or why it has no place there.
    pub fn map(
        &self,
        module: &Module,
        golden: &Interface,
        board: &Board,
    ) -> Result<Result<Arc<Mapped>, String>, FpgaError> {
        let ports = json!(golden.ports).to_string();
        let roles = json!(golden.roles).to_string();
        let parts = ["module", board.family.name(), &module.top, &module.source, &ports, &roles];
        let key = self.tools.key(self.cache, &parts);
        if let Some(kept) = toolchain::kept::<Result<Mapped, String>>(self.cache, &key)? {
            return Ok(kept.map(Arc::new));
        }
        let mapped = self.try_twice(module, golden, board, &key)?;
        let scratch = self.cache.scratch()?;
        let path = scratch.path().join("mapped");
        std::fs::write(&path, json!(mapped).to_string())
            .map_err(|source| FpgaError::file(&path, source))?;
        self.cache.keep(&key, &path)?;
        Ok(mapped.map(Arc::new))
    }

    /// A limit that ends a job says nothing the first time: the second has twice as much.
    fn try_twice(
        &self,
        module: &Module,
        golden: &Interface,
        board: &Board,
        key: &str,
    ) -> Result<Result<Mapped, String>, FpgaError> {
        let again = Limits {
            cpu_seconds: 2 * MODULE_LIMITS.cpu_seconds,
            memory: 2 * MODULE_LIMITS.memory,
            ..MODULE_LIMITS
        };
        let mut gave_up = match self.run(module, golden, board, key, MODULE_LIMITS)? {
            Ok(mapped) => return Ok(mapped),
            Err(gave_up) => gave_up,
        };
        self.check_tools(board)?;
        if gave_up.limited {
            gave_up = match self.run(module, golden, board, key, again)? {
                Ok(mapped) => return Ok(mapped),
                Err(gave_up) => gave_up,
            };
        }
        self.cache.check_room()?;
        Ok(Err(match gave_up.limited {
            true => "its synthesis takes more time or memory than allowed".to_owned(),
            false => format!("yosys cannot synthesise it: {}", gave_up.said),
        }))
    }

    /// Where a harmless module fails too, the failure is none of a module's.
    fn check_tools(&self, board: &Board) -> Result<(), FpgaError> {
        if self.trusted.load(Ordering::Relaxed) {
            return Ok(());
        }
        let source =
            "module canary(input clk, d, output reg q); always @(posedge clk) q <= d; endmodule\n";
        let (interface, module) = canary(source);
        match self.run(&module, &interface, board, "canary", MODULE_LIMITS)? {
            Ok(Ok(_)) => {
                self.trusted.store(true, Ordering::Relaxed);
                Ok(())
            }
            Ok(Err(said)) => Err(FpgaError::Canary(said)),
            Err(gave_up) => Err(FpgaError::Canary(gave_up.said)),
        }
    }

    /// One process of Yosys: the module or a reason, or how Yosys gave up.
    fn run(
        &self,
        module: &Module,
        golden: &Interface,
        board: &Board,
        key: &str,
        limits: Limits,
    ) -> Result<Result<Result<Mapped, String>, GaveUp>, FpgaError> {
        let scratch = self.cache.scratch()?;
        let folder = scratch.path();
        let name = format!("salv_{key}");
        let is_clock = |(port, role): &(_, &Role)| {
            let port: &&crate::design::Port = port;
            port.direction == Direction::Input
                && port.width == 1
                && matches!(role, Role::Clock { .. })
        };
        let ports = golden.ports.iter().zip(&golden.roles);
        let clocks: Vec<&str> =
            ports.filter(is_clock).map(|(port, _)| port.name.as_str()).collect();
        let all: Vec<&str> = golden.ports.iter().map(|port| port.name.as_str()).collect();
        let job = json!({
            "work": "module", "source": module.source, "top": module.top, "name": name,
            "ports": all, "clocks": clocks, "power_up": power_up_port(golden),
            "family": board.family.name(), "device": board.family.device(),
            "size_max": SIZE_MAX, "memory_bits_max": MEMORY_BITS_MAX,
        });
        let answer: Answer = match self.tools.synthesise(folder, &job, Vec::new(), limits)? {
            Ok(answer) => answer,
            Err(gave_up) => return Ok(Err(gave_up)),
        };
        if let Some(why) = answer.refused {
            return Ok(Ok(Err(why)));
        }
        let kept = if answer.differ { 2 } else { 1 };
        let mut twins = Vec::new();
        for (level, counts) in answer.twins.into_iter().take(kept).enumerate() {
            let Counts { cells, control_sets } = counts;
            let netlist = renamed(&read(folder, &format!("module{level}.json"))?, &name, level);
            let text = renamed(&read(folder, &format!("module{level}.v"))?, &name, level);
            twins.push(Twin { netlist, text, cells, control_sets });
        }
        Ok(Ok(Ok(Mapped { name, twins })))
    }
}

/// The name of the port that starts registers again: none of the golden module's.
pub fn power_up_port(golden: &Interface) -> String {
    let mut name = "salv_power_up".to_owned();
    while golden.ports.iter().any(|port| port.name == name) {
        name.push('_');
    }
    name
}

/// The twins' modules get names of their own; a name made of a hash stands for nothing else.
fn renamed(text: &str, name: &str, level: usize) -> String {
    text.replace(name, &format!("{name}_{level}"))
}

fn read(folder: &Path, name: &str) -> Result<String, FpgaError> {
    let path = folder.join(name);
    std::fs::read_to_string(&path).map_err(|source| FpgaError::file(&path, source))
}

/// A module of a clock, an input and an output.
fn canary(source: &str) -> (Interface, Module) {
    let port = |name: &str, direction| crate::design::Port {
        name: name.to_owned(),
        direction,
        width: 1,
        signed: false,
    };
    let ports = vec![
        port("clk", Direction::Input),
        port("d", Direction::Input),
        port("q", Direction::Output),
    ];
    let interface = Interface {
        top: "canary".into(),
        roles: vec![Role::Clock { rising: true, falling: false }, Role::Data, Role::Data],
        constants: vec![Vec::new(); ports.len()],
        ports,
        pool: Vec::new(),
        durations: Vec::new(),
        sequential: true,
        initialised: false,
    };
    (interface, Module { top: "canary".into(), source: source.into() })
}
