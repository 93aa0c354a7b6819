//! A simulated board's model: Verilog text of a whole chip becomes a shared object, once for each content.
//!
//! In: the text (the harness before synthesis, a netlist of the family's cells, or a decoded bitstream) and the names
//! of the three pins. Out: the path of a unit for [`super::board`]. Registers start at 0, as on these chips.
//!
//! What is hard-coded of Verilator 5.48: the names of the generated class's files; that a chip's pins are its members.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::FpgaError;
use super::boards::Board;
use crate::verify::verilator::Verilator;
use crate::verify::verilator::unit::COMPILE_LIMITS;
use crate::worker::sandbox::Limits;

/// The text of a chip.
#[derive(Clone, Debug)]
pub struct ChipText {
    /// Files by name, in the order in which they are read.
    pub files: Vec<(String, String)>,
    /// Names of macros with their values.
    pub defines: Vec<String>,
    /// The top module.
    pub top: String,
}

const HEADER: &str = include_str!("../../../cpp/include/salv_board.h");

/// Of one verilation: a decoded bitstream of 8,000 cells takes 20 s.
const VERILATE_LIMITS: Limits =
    Limits { cpu_seconds: 600, memory: 8 << 30, file_size: 1 << 30, open_files: 256 };

/// Of compiling one: generated code of this size takes minutes at most.
const LIMITS: Limits = Limits { cpu_seconds: 1200, ..COMPILE_LIMITS };

const ARGUMENTS: &[&str] = &[
    "--cc",
    "--no-timing",
    "--assert",
    "--quiet",
    "--x-initial",
    "0",
    "--x-assign",
    "0",
    "--prefix",
    "Vboard",
    "-Wno-fatal",
    "-Wno-lint",
    "-Wno-style",
    "-Wno-MULTIDRIVEN",
    "-Wno-TIMESCALEMOD",
    "-Wno-UNOPTFLAT",
    "-O3",
];

/// Builds the model, or finds it in the cache.
pub fn build(verilator: &Verilator, text: &ChipText, board: &Board) -> Result<PathBuf, FpgaError> {
    let cache = &verilator.cache;
    let compiler = &verilator.compiler;
    let table = shim(&[], board.pins);
    let arguments = [ARGUMENTS.join(" "), text.defines.join(" ")].join(" ");
    let mut parts = vec!["board", &compiler.verilator_version, compiler.cxx_version()?, &table];
    parts.extend([arguments.as_str(), HEADER, &text.top]);
    parts.extend(text.files.iter().flat_map(|(name, text)| [name.as_str(), text.as_str()]));
    let key = cache.key(&parts);
    if let Some(path) = cache.find(&key) {
        return Ok(path);
    }
    let scratch = cache.scratch()?;
    let folder = scratch.path();
    verilate(verilator, text, folder)?;
    let shim = shim(&generated(&folder.join("out"))?, board.pins);
    write(&folder.join("board.cpp"), &shim)?;
    write(&folder.join("salv_board.h"), HEADER)?;
    let mut arguments = compiler.flags();
    let more = ["-O1", "-fvisibility=hidden", "-shared", "-Iout", "-o", "board.so", "board.cpp"];
    arguments.extend(more.map(str::to_owned));
    let ended = compiler.run(&arguments, folder, Vec::new(), LIMITS)?;
    if !ended.success() {
        return Err(FpgaError::tool("the C++ compiler on a board's model", &ended));
    }
    Ok(cache.keep(&key, &folder.join("board.so"))?)
}

fn verilate(verilator: &Verilator, text: &ChipText, folder: &Path) -> Result<(), FpgaError> {
    let mut arguments: Vec<String> = ARGUMENTS.iter().map(|&argument| argument.into()).collect();
    arguments.extend(["--top-module".into(), text.top.clone(), "--Mdir".into(), "out".into()]);
    arguments.push(format!("+incdir+{}", folder.display()));
    arguments.extend(text.defines.iter().map(|define| format!("+define+{define}")));
    for (name, content) in &text.files {
        write(&folder.join(name), content)?;
        if !name.ends_with(".svh") {
            arguments.push(name.clone());
        }
    }
    let ended = verilator.run(arguments, folder, VERILATE_LIMITS)?;
    if ended.success() {
        Ok(())
    } else {
        Err(FpgaError::tool("verilator on a board's model", &ended))
    }
}

/// The files of C++ that Verilator made, sorted.
fn generated(folder: &Path) -> Result<Vec<String>, FpgaError> {
    let entries = std::fs::read_dir(folder).map_err(|source| FpgaError::file(folder, source))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".cpp"))
        .collect();
    names.sort();
    Ok(names)
}

/// One unit of all, and the table by which it is clocked.
fn shim(files: &[String], [clock, receive, send]: [&str; 3]) -> String {
    let mut text = String::from("#include \"Vboard.h\"\n");
    for file in files {
        let _ = writeln!(text, "#include \"{file}\"");
    }
    text + &format!(
        "#include \"salv_board.h\"
namespace {{
void* create() {{
    // A context has a pool of threads unless it is told otherwise, and a worker may start none.
    VerilatedContext* const context = new VerilatedContext;
    context->threads(1);
    Vboard* const board = new Vboard{{context}};
    board->{clock} = 0;
    board->{receive} = 1;
    board->eval();
    return board;
}}
void destroy(void* board) {{ delete static_cast<Vboard*>(board); }}
std::uint8_t tick(void* pointer, std::uint8_t level) {{
    Vboard* const board = static_cast<Vboard*>(pointer);
    board->{receive} = level;
    board->{clock} = 1;
    board->eval();
    board->{clock} = 0;
    board->eval();
    return board->{send};
}}
}}  // namespace
extern \"C\" __attribute__((visibility(\"default\"))) const salv::BoardTable salv_board{{
    salv::BOARD_ABI, create, destroy, tick}};
"
    )
}

fn write(path: &Path, text: &str) -> Result<(), FpgaError> {
    std::fs::write(path, text).map_err(|source| FpgaError::file(path, source))
}
