//! `salv fpga`: bitstreams by themselves, a board asked what it is, and the proof of a board without the board.

use std::collections::HashSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::json;
use serialport::{SerialPort as _, TTYPort};

use super::board::{self, BoardArguments};
use super::verify::StimulusArguments;
use crate::candidate;
use crate::problem;
use crate::verify::backend::Task;
use crate::verify::fpga::Fpga;
use crate::verify::fpga::bitstream::{Build, Stage};
use crate::verify::fpga::carrier::{self, Port};
use crate::verify::fpga::judge;
use crate::verify::fpga::link::{Link, Patience};
use crate::verify::fpga::prove::{self, Proof};
use crate::verify::fpga::session::introduced;
use crate::verify::run::{self, Parallelism, Run};
use crate::worker::Workers;

/// Build, load and prove bitstreams
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Build(BuildArguments),
    Program(ProgramArguments),
    Identify(IdentifyArguments),
    Prove(ProveArguments),
    Serve(ServeArguments),
}

/// Build the bitstreams that `salv verify --backend fpga` would, and write them to a folder
#[derive(clap::Args)]
struct BuildArguments {
    /// The problems, `problems.jsonl`
    problems: PathBuf,
    /// What models wrote, `candidates.jsonl`
    candidates: PathBuf,
    /// Where bitstreams go, each with a page that says what is in it
    #[arg(short, long)]
    output: PathBuf,
    #[command(flatten)]
    board: BoardArguments,
    #[command(flatten)]
    stimulus: StimulusArguments,
}

/// Load a bitstream into a board
#[derive(clap::Args)]
struct ProgramArguments {
    /// The bitstream
    bits: PathBuf,
    #[command(flatten)]
    board: BoardArguments,
}

/// Ask a board what it holds
#[derive(clap::Args)]
struct IdentifyArguments {
    #[command(flatten)]
    board: BoardArguments,
}

/// Show without a board that all stages of a build answer alike, and that faults are caught
///
/// The harness before synthesis, the netlist and the decoded bitstream are asked the same; where an answer differs in
/// a byte, the tool between the two is named. A bit of a truth table is turned over in the copy of the golden module
/// and in a candidate, and both must be noticed. A build whose modules were merged must be refused. ECP5 goes as far
/// as the netlist.
#[derive(clap::Args)]
struct ProveArguments {
    /// Prove with this design alone: alu or counter
    #[arg(long, value_name = "NAME")]
    design: Option<String>,
    #[command(flatten)]
    board: BoardArguments,
    #[command(flatten)]
    stimulus: StimulusArguments,
}

/// Put a simulated board behind a pseudo-terminal, for whatever speaks to serial ports
///
/// The board holds the first chip that `salv verify --backend fpga` would build of these candidates. The path of the
/// pseudo-terminal is printed; the board is there until the command is ended.
#[derive(clap::Args)]
struct ServeArguments {
    /// The problems, `problems.jsonl`; the first is taken
    problems: PathBuf,
    /// What models wrote, `candidates.jsonl`
    candidates: PathBuf,
    #[command(flatten)]
    board: BoardArguments,
    #[command(flatten)]
    stimulus: StimulusArguments,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Build(arguments) => build(&arguments),
        Command::Program(arguments) => program(&arguments),
        Command::Identify(arguments) => ask(&arguments),
        Command::Prove(arguments) => prove_board(&arguments),
        Command::Serve(arguments) => serve(&arguments),
    }
}

fn build(arguments: &BuildArguments) -> anyhow::Result<ExitCode> {
    let problems = problem::load(&arguments.problems)?;
    let simulated = BoardArguments {
        simulate: Some(board::Simulate::Rtl),
        port: None,
        ..arguments.board.clone()
    };
    let (fpga, workers) = board::open(&simulated, None, 1)?;
    std::fs::create_dir_all(&arguments.output)
        .with_context(|| format!("failed to make {}", arguments.output.display()))?;
    let mut rows = Vec::new();
    for row in candidate::read(&arguments.candidates)? {
        rows.push(row?);
    }
    let config = arguments.stimulus.config();
    for problem in &problems {
        let of_problem: Vec<&candidate::Candidate> =
            rows.iter().filter(|row| row.problem == problem.problem).collect();
        let Some((task, ids)) = tasks(problem, &of_problem, &fpga, &workers, &config)? else {
            continue;
        };
        for (members, build) in judge::builds(&fpga, &task, &config)? {
            let ids: Vec<&str> = members.iter().map(|&at| ids[at].as_str()).collect();
            write_build(&arguments.output, &fpga, &problem.problem, &ids, &build)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The candidates of a problem that can be judged, as one task, with their names.
fn tasks(
    problem: &problem::Problem,
    rows: &[&candidate::Candidate],
    fpga: &Fpga,
    workers: &Workers,
    config: &crate::verify::stimulus::Config,
) -> anyhow::Result<Option<(Task, Vec<String>)>> {
    let run = Run {
        problems: std::slice::from_ref(problem),
        backend: fpga,
        lanes: false,
        workers,
        config,
        parallelism: Parallelism { threads: 1, batch: 1 },
        stop: &AtomicBool::new(false),
    };
    let mut joined: Option<(Task, Vec<String>)> = None;
    let mut texts = HashSet::new();
    // A verification judges equal texts once.
    for row in rows.iter().filter(|row| texts.insert(row.completion.as_str())) {
        match run::task_of(&run, row)? {
            // A second subject is the same text in another order of processes.
            Ok(mut task) => {
                let names = vec![row.id.clone(); task.candidates.len()];
                match &mut joined {
                    Some((all, ids)) => {
                        all.candidates.append(&mut task.candidates);
                        ids.extend(names);
                    }
                    None => joined = Some((task, names)),
                }
            }
            Err((status, message)) => {
                eprintln!("candidate {}: {}: {message}", row.id, status.name())
            }
        }
    }
    Ok(joined)
}

fn serve(arguments: &ServeArguments) -> anyhow::Result<ExitCode> {
    let (fpga, workers) = board::open(&arguments.board, None, 1)?;
    let problems = problem::load(&arguments.problems)?;
    let problem = problems.first().context("there is no problem")?;
    let rows = candidate::read(&arguments.candidates)?.collect::<Result<Vec<_>, _>>()?;
    let rows: Vec<_> = rows.iter().filter(|row| row.problem == problem.problem).collect();
    let config = arguments.stimulus.config();
    let tasks = tasks(problem, &rows, &fpga, &workers, &config)?;
    let (task, _) = tasks.context("no candidate can be judged")?;
    let mut board = judge::first_board(&fpga, &task, &config)?;
    let (mut ours, theirs) = TTYPort::pair().context("failed to make a pseudo-terminal")?;
    ours.set_timeout(Duration::from_millis(1))?;
    println!("{}", theirs.name().context("the pseudo-terminal has no name")?);
    std::io::stdout().flush()?;
    // Few at a time: a board that is waited for lets the time of as many bytes pass.
    let mut bytes = [0; 16];
    loop {
        match ours.read(&mut bytes) {
            Ok(count) => board.write_all(&bytes[..count])?,
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            Err(error) => return Err(error.into()),
        }
        match board.read(&mut bytes) {
            Ok(count) => ours.write_all(&bytes[..count])?,
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn write_build(
    folder: &Path,
    fpga: &Fpga,
    problem: &str,
    candidates: &[&str],
    build: &Build,
) -> anyhow::Result<()> {
    let placed = build.placed.as_ref().context("the chip was not placed")?;
    let name = format!("{:016x}", build.id);
    let page = json!({
        "build": name, "board": fpga.board.name, "problem": problem, "candidates": candidates,
        "megahertz": placed.megahertz, "crossing_ns": placed.crossing_ns, "seed": placed.seed, "used": placed.used,
    });
    for (ending, bytes) in
        [("bin", placed.bits.clone()), ("json", format!("{page:#}\n").into_bytes())]
    {
        let path = folder.join(format!("{name}.{ending}"));
        std::fs::write(&path, bytes)
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    println!("{}", folder.join(format!("{name}.bin")).display());
    Ok(())
}

fn program(arguments: &ProgramArguments) -> anyhow::Result<ExitCode> {
    let board = arguments.board.board()?;
    let programmer = arguments.board.programmer(board)?;
    let programmer = programmer.context("--programmer none loads nothing")?;
    ensure!(arguments.bits.is_file(), "{} is not a file", arguments.bits.display());
    carrier::program(&programmer, &arguments.bits)?;
    eprintln!("{} is loaded into {}", arguments.bits.display(), board.name);
    Ok(ExitCode::SUCCESS)
}

fn ask(arguments: &IdentifyArguments) -> anyhow::Result<ExitCode> {
    let board = arguments.board.board()?;
    let port =
        arguments.board.port.as_ref().context("--port is missing: the board's serial port")?;
    let mut port = Port::open(&port.display().to_string(), board.baud)?;
    let mut link = Link::new(&mut port, Patience::REAL);
    link.settle().map_err(crate::verify::fpga::FpgaError::from)?;
    let identity = introduced(&mut link, board)?;
    let expected = identity.is(board, identity.build_id);
    println!("build {:016x}", identity.build_id);
    println!(
        "board {}, contract and stimulus {:#06x}",
        identity.board(),
        identity.version & 0xffff
    );
    let (inputs, outputs, slots) =
        (identity.shape & 0xff, identity.shape >> 8 & 0xff, identity.shape >> 16);
    println!("{inputs} inputs, {outputs} outputs, {slots} slots of which two are controls");
    expected?;
    Ok(ExitCode::SUCCESS)
}

fn prove_board(arguments: &ProveArguments) -> anyhow::Result<ExitCode> {
    let rtl = BoardArguments { simulate: Some(board::Simulate::Rtl), ..arguments.board.clone() };
    let (fpga, workers) = board::open(&rtl, None, 1)?;
    let config = arguments.stimulus.config();
    let mut holds = true;
    let asked = |name: &str| arguments.design.as_deref().is_none_or(|asked| asked == name);
    ensure!(DESIGNS.iter().any(|design| asked(design.0)), "no design of that name: alu or counter");
    for (name, golden, candidate) in DESIGNS.iter().filter(|design| asked(design.0)) {
        let problem = problem::Problem {
            problem: (*name).into(),
            prompt: String::new(),
            golden: (*golden).into(),
            golden_top: None,
            top: (*name).into(),
            testbench: None,
            inputs: Default::default(),
            source: None,
            licence: None,
        };
        let row = candidate::Candidate {
            problem: (*name).into(),
            id: "other".into(),
            completion: (*candidate).into(),
        };
        let tasks = tasks(&problem, &[&row], &fpga, &workers, &config)?;
        let (task, _) = tasks.with_context(|| format!("{name} cannot be judged"))?;
        let proof = prove::prove(&fpga, &task, &config)?;
        show(name, fpga.board.name, &proof);
        holds &= proof.holds();
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(name: &str, board: &str, proof: &Proof) {
    println!("{name} on {board}");
    for (stage, said) in &proof.stages {
        let hash = crate::record::content_hash(said);
        println!("  {:<10} {} bytes, hash {}", stage.name(), said.len(), &hash[..16]);
    }
    match proof.difference() {
        None => println!("  equal      all stages, byte for byte"),
        Some((before, after, at, tool)) => {
            println!(
                "  DIFFERENT  {} and {} from byte {at} on: {tool} is at fault",
                before.name(),
                after.name()
            );
        }
    }
    for flip in &proof.flips {
        let prove::Lut { x, y, cell } = flip.place;
        let said = flip.caught.as_deref().unwrap_or("not noticed (no input reaches it)");
        println!(
            "  flipped    bit {} of table {x}/{y}/{cell} in {}: {said}",
            flip.bit, flip.instance
        );
    }
    match &proof.merged {
        Some(said) => println!("  merged     refused: {said}"),
        None => println!("  MERGED     a build whose modules were merged was accepted"),
    }
    if proof.stages.iter().all(|(stage, _)| *stage != Stage::Bitstream) {
        println!("  note       bitstreams of this family cannot be decoded: proved to the netlist");
    }
}

/// Names, golden modules and right candidates of the proof: logic alone; registers with an asynchronous reset and
/// several outputs.
const DESIGNS: &[(&str, &str, &str)] = &[
    (
        "alu",
        "module alu(input [1:0] op, input [3:0] a, b, output reg [3:0] y, output zero);
  always @(*) case (op) 2'd0: y = a + b; 2'd1: y = a - b; 2'd2: y = a & b; default: y = a ^ b; endcase
  assign zero = y == 0;
endmodule
",
        "module alu(input [1:0] op, input [3:0] a, b, output [3:0] y, output zero);
  wire [3:0] sum = op[0] ? a + ~b + 4'd1 : a + b;
  assign y = op[1] ? (op[0] ? a ^ b : a & b) : sum;
  assign zero = ~|y;
endmodule
",
    ),
    (
        "counter",
        "module counter(input clk, rst_n, en, load, input [3:0] d, output reg [3:0] q, output full);
  always @(posedge clk or negedge rst_n)
    if (!rst_n) q <= 4'd3; else if (load) q <= d; else if (en) q <= q + 4'd1;
  assign full = &q;
endmodule
",
        "module counter(input clk, rst_n, en, load, input [3:0] d, output reg [3:0] q, output full);
  wire [3:0] next = load ? d : q + {3'd0, en};
  always @(posedge clk or negedge rst_n) if (~rst_n) q <= 4'b0011; else q <= next;
  assign full = q == 4'hf;
endmodule
",
    ),
];
