//! The barrier itself: native code that plays a candidate gone native (`tests/fixtures/sandbox/probe.cpp`) tries
//! what it must not be able to do. Each attempt is first made without the barrier, where it must succeed: a
//! probe that fails anyway shows nothing.

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use salv::design::{Direction, Interface, Port, Role};
use salv::extract::worker::{Extracting, Request as Extraction};
use salv::verify::backend::{Module, Subject, Task};
use salv::verify::stimulus::Config;
use salv::verify::verilator::simulate::{Job, JobTask};
use salv::verify::worker::{Event, Judging, Request};
use salv::worker::launch::{Launch, Launchers};
use salv::worker::sandbox::{Cover, Limits, Tool};
use salv::worker::{Answer, Work, Workers};

use super::fixture::Fixture;
use super::runs::{Bench, cache_folder};

/// What the probe tries, by its numbers.
const ATTEMPTS: [&str; 20] = [
    "read a file of the user",
    "read /etc/passwd",
    "list a folder of the user",
    "make a file outside",
    "open a file of the user for writing",
    "remove a file of the user",
    "make a folder outside",
    "open a network socket",
    "open a local socket",
    "signal the parent",
    "be traced",
    "allocate 10 GiB",
    "open 1,000 files",
    "write a large file",
    "raise a limit",
    "change a file's mode",
    "fork",
    "start a program",
    "start a thread",
    "make a file in its own folder",
];

/// What a compiler may do: it starts its parts, and writes where it works. Modes of files are not covered.
const OF_A_DRIVER: [&str; 5] = [
    "change a file's mode",
    "fork",
    "start a program",
    "start a thread",
    "make a file in its own folder",
];

/// What Verilator may do.
const OF_VERILATOR: [&str; 2] = ["start a thread", "make a file in its own folder"];

/// A folder with files of a user, the probe as a program and as a unit of models.
struct Probe {
    folder: tempfile::TempDir,
}

impl Probe {
    fn new() -> Probe {
        let probe = Probe { folder: tempfile::tempdir().expect("a folder") };
        for folder in ["users/outside", "work", "tool/bin"] {
            std::fs::create_dir_all(probe.path(folder)).expect("a folder");
        }
        probe.reset();
        probe.compile(&["-DALONE"], "tool/bin/probe");
        probe.compile(&["-shared", "-fPIC"], "unit.so");
        probe
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lays out the user's files as they were.
    fn reset(&self) {
        for file in ["users/secret", "users/outside/old"] {
            std::fs::write(self.path(file), "secret").expect("a file");
        }
        for gone in ["users/outside/new", "users/outside/large", "work/large", "work/own"] {
            let _ = std::fs::remove_file(self.path(gone));
        }
        let _ = std::fs::remove_dir(self.path("users/outside/folder"));
    }

    fn compile(&self, flags: &[&str], output: &str) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let users = format!("-DUSERS=\"{}\"", self.path("users").display());
        let done = Command::new(std::env::var("CXX").unwrap_or_else(|_| "c++".into()))
            .args(["-std=c++17", "-I"])
            .arg(root.join("cpp/include"))
            .args(flags)
            .args([users.as_str(), "-o"])
            .arg(self.path(output))
            .arg(root.join("tests/fixtures/sandbox/probe.cpp"))
            .args(["-pthread", "-ldl"])
            .output()
            .expect("a C++ compiler");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// What succeeds without a barrier.
    fn succeeds_in_the_open(&self) -> Vec<&'static str> {
        self.succeeds(|number| {
            Command::new(self.path("tool/bin/probe"))
                .arg(number.to_string())
                .current_dir(self.path("work"))
                .status()
                .expect("the probe")
                .success()
        })
    }

    fn succeeds(&self, attempt: impl Fn(usize) -> bool) -> Vec<&'static str> {
        let mut succeeded = Vec::new();
        for (number, what) in ATTEMPTS.iter().enumerate() {
            self.reset();
            if attempt(number) {
                succeeded.push(*what);
            }
        }
        self.reset();
        succeeded
    }

    /// What succeeds in a tool started as one.
    fn succeeds_in_a_tool(&self, tool: Tool) -> Vec<&'static str> {
        let launchers = Launchers::new(workers(self.folder.path()));
        let limits =
            Limits { cpu_seconds: 10, memory: 1 << 30, file_size: 1 << 20, open_files: 64 };
        self.succeeds(|number| {
            let launch = Launch {
                program: self.path("tool/bin/probe"),
                arguments: vec![number.to_string()],
                environment: Vec::new(),
                folder: self.path("work"),
                read: Vec::new(),
                output: None,
                run: Vec::new(),
                tool,
            };
            launchers.run(launch, limits).expect("a launch").success()
        })
    }

    /// What a worker says that loads the unit and runs this model as the candidate.
    fn simulate(&self, symbol: &str) -> Answer<Event> {
        let marker = self.path("marker");
        std::fs::write(&marker, "").expect("a marker");
        let port = |name: &str, direction, width| Port {
            name: name.into(),
            direction,
            width,
            signed: false,
        };
        let module = Module { top: String::new(), source: String::new() };
        let interface = Interface {
            top: "probe".into(),
            ports: vec![
                port("i", Direction::Input, 1),
                port("o", Direction::Output, ATTEMPTS.len() as u32),
            ],
            roles: vec![Role::Data, Role::Data],
            constants: vec![Vec::new(), Vec::new()],
            pool: Vec::new(),
            durations: Vec::new(),
            sequential: true,
            initialised: true,
        };
        let candidates = vec![Subject { module: module.clone(), constants: Vec::new() }];
        let restrictions = BTreeMap::new();
        let key = "probe".into();
        let task = Task { interface, restrictions, key, golden: module, candidates };
        let job = Job {
            runtime: runtime().display().to_string(),
            unit: self.path("unit.so").display().to_string(),
            tasks: vec![JobTask {
                index: 0,
                task,
                golden: "salv_quiet".into(),
                candidates: vec![symbol.into()],
            }],
            config: Config { vectors: 4, ..Config::default() },
            patience: 1,
            marker: marker.display().to_string(),
        };
        let mut worker = workers(self.folder.path()).start::<Judging>().expect("a worker");
        worker.ask(&Request::Trace(job, 0)).expect("a request");
        worker.hear().expect("an answer")
    }
}

fn workers(folder: &Path) -> Workers {
    Workers { program: env!("CARGO_BIN_EXE_salv").into(), folder: folder.to_path_buf() }
}

/// Verilator's runtime, which any run builds or finds.
fn runtime() -> PathBuf {
    Bench::new(&[Fixture::load("printing")]).verify("verdicts.jsonl", &[]);
    let entries = std::fs::read_dir(cache_folder().join("entries")).expect("the cache");
    let libraries = entries.map(|entry| entry.expect("an entry").path().join("libsalv_runtime.so"));
    libraries.filter(|path| path.is_file()).max_by_key(|path| age(path)).expect("a runtime")
}

fn age(path: &Path) -> Option<std::time::SystemTime> {
    path.parent()?.metadata().ok()?.modified().ok()
}

/// Whether this kernel has all parts of the barrier; if not, says so.
fn has_barrier() -> bool {
    let gaps = Cover::find().expect("what the kernel offers").gaps();
    if !gaps.is_empty() {
        eprintln!("skipped: {}", gaps.join("; "));
    }
    gaps.is_empty()
}

#[test]
fn native_code_can_do_nothing() {
    if !has_barrier() {
        return;
    }
    let probe = Probe::new();
    assert_eq!(probe.succeeds_in_the_open(), ATTEMPTS, "without the barrier all must succeed");
    let Answer::Event(Event::Trace(trace)) = probe.simulate("salv_probe") else {
        panic!("no trace");
    };
    let trace = trace.expect("a run to its end");
    let succeeded = trace.candidate.value[0];
    let done: Vec<&str> = (0..ATTEMPTS.len())
        .filter(|number| succeeded >> number & 1 == 1)
        .map(|number| ATTEMPTS[number])
        .collect();
    assert_eq!(done, [""; 0], "behind the barrier none may succeed");
    assert!(probe.path("users/secret").is_file() && probe.path("users/outside/old").is_file());
    let outside = std::fs::read_dir(probe.path("users/outside")).expect("the folder").count();
    assert_eq!(outside, 1, "something appeared outside");
}

#[test]
fn a_tool_can_do_its_work_and_nothing_else() {
    if !has_barrier() {
        return;
    }
    let probe = Probe::new();
    assert_eq!(probe.succeeds_in_a_tool(Tool::Driver), OF_A_DRIVER);
    assert_eq!(probe.succeeds_in_a_tool(Tool::Alone), OF_VERILATOR);
}

#[test]
fn an_elaborating_worker_is_shut_in() {
    if !has_barrier() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut worker = workers(folder.path()).start::<Judging>().expect("a worker");
    let request = Request::Elaborate { source: MODULE.into(), top: None, patience: 1 };
    worker.ask(&request).expect("a request");
    assert!(matches!(worker.hear(), Ok(Answer::Event(Event::Design(Ok(_))))));
    assert_eq!(threads_shut_in(worker.id()), 1);
}

const MODULE: &str = "module m(input a, output y); assign y = a; endmodule";

/// The number of threads of a process, each of which must be behind the barrier.
fn threads_shut_in(process: u32) -> usize {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("threads");
    let shut_in = |thread: std::io::Result<std::fs::DirEntry>| {
        let status = thread.expect("a thread").path().join("status");
        let status = std::fs::read_to_string(status).expect("status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned()).unwrap_or_default()
        };
        assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".into(), "2".into()));
        let kept = u64::from_str_radix(&field("CapEff:"), 16).expect("a mask");
        assert_eq!(kept & !0b110, 0, "capabilities are kept: {kept:x}");
    };
    threads.map(shut_in).count()
}

#[test]
fn a_parsing_worker_is_shut_in_with_all_its_threads() {
    if !has_barrier() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut worker = workers(folder.path()).start::<Extracting>().expect("a worker");
    let request = Extraction { code: MODULE.into(), top: "m".into(), proof: None, patience: 1 };
    worker.ask(&request).expect("a request");
    assert!(matches!(worker.hear(), Ok(Answer::Event(Ok(cones))) if cones.len() == 1));
    assert_eq!(threads_shut_in(worker.id()), 2);
}

#[test]
fn code_in_a_parsing_worker_can_do_nothing() {
    if !has_barrier() {
        return;
    }
    let probe = Probe::new();
    assert_eq!(probe.succeeds_in_the_open(), ATTEMPTS, "without the barrier all must succeed");
    probe.compile(&["-shared", "-fPIC", "-DPRELOADED"], "preloaded.so");
    let (ours, theirs) = UnixStream::pair().expect("a socket");
    let worker = Command::new(env!("CARGO_BIN_EXE_salv"))
        .args(["worker", Extracting::NAME])
        .env("LD_PRELOAD", probe.path("preloaded.so"))
        .current_dir(probe.path("work"))
        .stdin(OwnedFd::from(theirs))
        .stderr(Stdio::piped())
        .spawn()
        .expect("a worker");
    drop(ours);
    let output = worker.wait_with_output().expect("the end of the worker");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let succeeded: u32 = said.trim().parse().unwrap_or_else(|_| panic!("no number: {said}"));
    let done: Vec<&str> =
        (0..ATTEMPTS.len()).filter(|n| succeeded >> n & 1 == 1).map(|n| ATTEMPTS[n]).collect();
    assert_eq!(done, [""; 0], "behind the barrier none may succeed");
    assert!(output.status.success(), "{}", output.status);
}

#[test]
fn memory_that_runs_out_and_exits_end_the_worker_and_are_told_apart() {
    let probe = Probe::new();
    match probe.simulate("salv_hungry") {
        Answer::Died(how) => assert_eq!(how, "needs more memory than allowed"),
        _ => panic!("it should have died"),
    }
    match probe.simulate("salv_leaver") {
        Answer::Left(status) => assert_eq!(status.code(), Some(0)),
        _ => panic!("it should have left"),
    }
}

/// Runs the binary as on a kernel without the system calls named.
fn on_a_kernel_without(calls: &[i64], command: &mut Command) -> Output {
    use seccompiler::{SeccompAction, SeccompFilter};
    let rules = calls.iter().map(|&call| (call, Vec::new())).collect();
    let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into().expect("a known architecture");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, absent, architecture);
    let program: seccompiler::BpfProgram = filter.expect("a filter").try_into().expect("a program");
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            seccompiler::apply_filter(&program).expect("a filter on this thread");
            command.output().expect("a run")
        });
        thread.join().expect("the thread")
    })
}

#[test]
fn what_the_kernel_lacks_is_said_and_the_run_goes_on() {
    if !has_barrier() {
        return;
    }
    let bench = Bench::new(&[Fixture::load("printing")]);
    let whole = bench.verify("whole.jsonl", &[]);
    let cases = [
        (libc::SYS_landlock_create_ruleset, "no Landlock", "fork"),
        (libc::SYS_seccomp, "no seccomp filter", "user's files"),
    ];
    for (call, said, unsaid) in cases {
        let output = on_a_kernel_without(&[call], &mut bench.command("part.jsonl", &[]));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{stderr}");
        assert!(stderr.contains("warning: ") && stderr.contains(said), "{stderr}");
        assert!(!stderr.contains(unsaid), "{stderr}");
        assert_eq!(whole, bench.read("part.jsonl"));
        let output = on_a_kernel_without(&[call], &mut bench.salv(&["doctor"]));
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && stdout.contains(said), "{stdout}");
    }
}
