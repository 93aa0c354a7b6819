//! The way to a board, broken: a simulated board behind a pseudo-terminal, the program's serial port at another, and
//! between the two what loses, turns over, adds, delays and cuts bytes.
//!
//! The rule is one: a run ends within a bounded time either with the verdicts of a clean link, byte for byte, or with
//! an error that says something useful. A broken link never makes a verdict.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serialport::{SerialPort, TTYPort};

use super::{Bench, COUNTER, counters, ready};

/// What happens to the bytes; `at` counts those of one direction.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    /// Nothing comes from the board.
    Silence,
    /// From the board, from this byte on nothing.
    Lost {
        at: usize,
    },
    /// One bit of one byte is turned over, on the way to the board or from it.
    Flip {
        to_board: bool,
        at: usize,
        bit: u8,
    },
    /// A byte is added from the board.
    Added {
        at: usize,
    },
    /// Each piece from the board comes so much later.
    Late {
        millis: u64,
    },
    /// One bit of what starts a run the second time is turned over, so that it starts none: the board still has the
    /// results of the first.
    SecondStart,
    /// The board's bytes come singly, with a wait before each.
    Drip {
        millis: u64,
    },
    /// The line from the board is never quiet.
    Babble,
    /// The cable is pulled after so many bytes from the board.
    Cut {
        at: usize,
    },
}

/// A program that serves a simulated board; ended when dropped.
struct Served {
    child: Child,
    port: String,
}

impl Served {
    fn start(bench: &Bench, board: &str) -> Served {
        let mut command = bench.salv(&[
            "fpga",
            "serve",
            "p.jsonl",
            "c.jsonl",
            "--board",
            board,
            "--simulate",
            "rtl",
        ]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a board");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert!(line.starts_with("/dev/"), "a path of a pseudo-terminal: {line:?}");
        Served { child, port: line.trim().to_owned() }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The frame that writes 1 to CONTROL.
const START: [u8; 10] = [1, 1, 0, 0, 0, 5, 0, 0, 0, 1];

/// Bytes to the board with the second start turned into something else; `starts` were seen before.
fn lose_second_start(bytes: &mut [u8], starts: &mut usize) {
    for at in 0..bytes.len().saturating_sub(START.len() - 1) {
        if bytes[at..].starts_with(&START) {
            *starts += 1;
            if *starts == 2 {
                bytes[at + START.len() - 1] = 0;
            }
        }
    }
}

/// Bytes that went in one direction, with the fault that meets them.
fn bend(bytes: &mut Vec<u8>, passed: &mut usize, to_board: bool, fault: Fault) {
    let range = *passed..*passed + bytes.len();
    *passed = range.end;
    match fault {
        Fault::Flip { to_board: way, at, bit } if way == to_board && range.contains(&at) => {
            bytes[at - range.start] ^= 1 << bit;
        }
        Fault::Silence if !to_board => bytes.clear(),
        Fault::Lost { at } if !to_board => bytes.truncate(at.saturating_sub(range.start)),
        Fault::Added { at } if !to_board && range.contains(&at) => {
            bytes.insert(at - range.start, 0x55)
        }
        _ => {}
    }
}

/// Carries bytes between the board and the program until `stop`.
fn carry(
    mut board: TTYPort,
    program: Arc<Mutex<Option<TTYPort>>>,
    fault: Fault,
    stop: &AtomicBool,
) {
    let (mut down, mut up, mut starts) = (0, 0, 0);
    let mut buffer = [0; 256];
    while !stop.load(Ordering::Relaxed) {
        let mut held = program.lock().expect("the port");
        let Some(port) = held.as_mut() else { return };
        if let Ok(count) = port.read(&mut buffer) {
            let mut bytes = buffer[..count].to_vec();
            bend(&mut bytes, &mut down, true, fault);
            if matches!(fault, Fault::SecondStart) {
                lose_second_start(&mut bytes, &mut starts);
            }
            board.write_all(&bytes).expect("the board takes bytes");
        }
        if matches!(fault, Fault::Babble) {
            let _ = port.write_all(&[0x55; 64]);
        }
        let Ok(count) = board.read(&mut buffer) else { continue };
        let mut bytes = buffer[..count].to_vec();
        bend(&mut bytes, &mut up, false, fault);
        if let Fault::Late { millis } = fault {
            std::thread::sleep(Duration::from_millis(millis));
        }
        // The program may have given up meanwhile.
        match fault {
            Fault::Drip { millis } => bytes.chunks(1).for_each(|byte| {
                std::thread::sleep(Duration::from_millis(millis));
                let _ = port.write_all(byte);
            }),
            _ => drop(port.write_all(&bytes)),
        }
        if matches!(fault, Fault::Cut { at } if up >= at) {
            *held = None;
        }
    }
}

/// How a run over such a link ended, and its verdicts.
fn run(bench: &Bench, served: &Served, fault: Fault, output: &str) -> (Output, Option<String>) {
    let (mut ours, theirs) = TTYPort::pair().expect("a pseudo-terminal");
    ours.set_timeout(Duration::from_millis(1)).expect("a timeout");
    let path = theirs.name().expect("a name");
    let mut board =
        serialport::new(&served.port, 1_000_000).open_native().expect("the board's port");
    board.set_timeout(Duration::from_millis(1)).expect("a timeout");
    let stop = AtomicBool::new(false);
    // A cut cable ends both ends: no handle of the program's side may stay here.
    let theirs = (!matches!(fault, Fault::Cut { .. })).then_some(theirs);
    let started = Instant::now();
    let done = std::thread::scope(|scope| {
        let program = Arc::new(Mutex::new(Some(ours)));
        scope.spawn(|| carry(board, program, fault, &stop));
        let arguments =
            ["--backend", "fpga", "--board", "hx8k", "--programmer", "none", "--port", &path];
        let mut command = without_files(&bench.command(output, &arguments));
        let done = command.current_dir(bench.0.path()).output().expect("a run");
        stop.store(true, Ordering::Relaxed);
        done
    });
    drop(theirs);
    assert!(started.elapsed() < BOUND, "{fault:?}: {:?}", started.elapsed());
    let path = bench.0.path().join(output);
    let verdicts = done.status.success().then(|| std::fs::read_to_string(path).expect("verdicts"));
    (done, verdicts)
}

/// The same command without the files that this process holds open: a program that had our end of its own terminal
/// would never see the cable pulled.
fn without_files(command: &Command) -> Command {
    const CLOSE: &str = "for file in /proc/$$/fd/*; do file=${file##*/}; if ((file > 2)); then eval \"exec $file>&-\"; fi; done; exec \"$@\"";
    let mut other = Command::new("bash");
    other.args(["-c", CLOSE, "bash"]).arg(command.get_program()).args(command.get_args());
    other
}

/// A run may take so long, on a machine with much else to do: an answer is waited for two seconds, twice at the start.
const BOUND: Duration = Duration::from_secs(120);

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_port_says_what_the_simulated_board_says() {
    if !ready() {
        return;
    }
    let bench = Bench::new(COUNTER, &counters());
    let direct = ["--backend", "fpga", "--board", "hx8k", "--simulate", "rtl"];
    bench.verify("direct.jsonl", &direct);
    let direct = std::fs::read_to_string(bench.0.path().join("direct.jsonl")).expect("verdicts");
    let served = Served::start(&bench, "hx8k");
    for (fault, output) in [
        (Fault::None, "clean.jsonl"),
        (Fault::Late { millis: 20 }, "late.jsonl"),
        (Fault::Drip { millis: 1 }, "drip.jsonl"),
    ] {
        let (done, verdicts) = run(&bench, &served, fault, output);
        assert_eq!(verdicts.as_deref(), Some(direct.as_str()), "{fault:?}: {}", said(&done));
    }
}

#[test]
fn a_broken_link_is_an_error_with_a_hint() {
    if !ready() {
        return;
    }
    let bench = Bench::new(COUNTER, &counters());
    let cases = [
        (Fault::Silence, "does not answer"),
        (Fault::Lost { at: 30 }, "does not answer"),
        (Fault::Late { millis: 2500 }, "does not answer"),
        (Fault::Cut { at: 25 }, "cut"),
        (Fault::Flip { to_board: false, at: 0, bit: 3 }, "no harness does"),
        (Fault::Flip { to_board: false, at: 11, bit: 0 }, "program it anew"),
        (Fault::Added { at: 3 }, ""),
        (Fault::SecondStart, "starting the run"),
        (Fault::Drip { millis: 150 }, "does not answer"),
        (Fault::Babble, "nobody asked for"),
    ];
    for (number, (fault, hint)) in cases.into_iter().enumerate() {
        // Each fault meets a board that nobody has confused yet.
        let served = Served::start(&bench, "hx8k");
        let (done, verdicts) = run(&bench, &served, fault, &format!("{number}.jsonl"));
        assert_eq!(verdicts, None, "{fault:?}: {}", said(&done));
        assert!(
            said(&done).contains("error: ") && said(&done).contains(hint),
            "{fault:?}: {}",
            said(&done)
        );
    }
}

#[test]
fn another_board_and_another_build_are_refused() {
    if !ready() {
        return;
    }
    let bench = Bench::new(COUNTER, &counters());
    let other = Served::start(&bench, "icebreaker");
    let (done, verdicts) = run(&bench, &other, Fault::None, "board.jsonl");
    assert_eq!(verdicts, None);
    assert!(said(&done).contains("is --board right?"), "{}", said(&done));
    drop(other);
    let fewer = Bench::new(COUNTER, &counters()[..2]);
    let other = Served::start(&fewer, "hx8k");
    let (done, verdicts) = run(&bench, &other, Fault::None, "build.jsonl");
    assert_eq!(verdicts, None);
    assert!(said(&done).contains("program it anew"), "{}", said(&done));
}

/// Bits turned over, bytes lost and added anywhere in the conversation: the clean verdicts or none.
#[test]
fn no_fault_anywhere_makes_a_verdict() {
    if !ready() {
        return;
    }
    let count = if std::env::var_os("SALV_TEST_ALL").is_some() { 200 } else { 20 };
    let bench = Bench::new(COUNTER, &counters());
    let served = Served::start(&bench, "hx8k");
    let (done, clean) = run(&bench, &served, Fault::None, "clean.jsonl");
    let clean = clean.unwrap_or_else(|| panic!("{}", said(&done)));
    drop(served);
    let mut state = 1u64;
    let mut draw = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut refused = 0;
    for number in 0..count {
        let (at, bit) = (draw(900) as usize, draw(8) as u8);
        let fault = match draw(6) {
            0 => Fault::Added { at },
            1 => Fault::Lost { at },
            way => Fault::Flip { to_board: way % 2 == 0, at, bit },
        };
        let served = Served::start(&bench, "hx8k");
        let (done, verdicts) = run(&bench, &served, fault, &format!("fuzz-{number}.jsonl"));
        match verdicts {
            Some(verdicts) => assert_eq!(verdicts, clean, "case {number}, {fault:?}"),
            None => {
                assert!(
                    said(&done).contains("error: "),
                    "case {number}, {fault:?}: {}",
                    said(&done)
                );
                refused += 1;
            }
        }
    }
    assert!(refused * 2 > count, "only {refused} of {count} faults were noticed");
}

/// Starts no board: a port that is none.
#[test]
fn a_port_that_is_none_is_named() {
    if !ready() {
        return;
    }
    let bench = Bench::new(COUNTER, &counters()[..1]);
    let arguments =
        ["--backend", "fpga", "--board", "hx8k", "--programmer", "none", "--port", "/dev/nowhere"];
    let done: Output = Command::output(&mut bench.command("v.jsonl", &arguments)).expect("a run");
    assert!(!done.status.success());
    assert!(said(&done).contains("failed to open /dev/nowhere"), "{}", said(&done));
}
