//! Failures that are ours: a killed worker, a full disk, a tool that goes missing. Each must end the run with an
//! error that names the cure, leave no false label behind, and be continued by `--resume` to the same bytes.

#![expect(clippy::print_stderr, reason = "a test that skips says so")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::determinism::wait_for_rows;
use super::fixture::Fixture;
use super::runs::{Bench, cache_folder, succeeded};

/// Each candidate needs the tools.
const VERILATOR: [&str; 2] = ["--backend", "verilator"];
const RESUMED: [&str; 3] = ["--backend", "verilator", "--resume"];
/// A tool for each candidate: slow enough to be disturbed on its way.
const SLOWLY: [&str; 6] = ["--backend", "verilator", "--threads", "1", "--batch", "1"];

/// Candidates that no cache knows, so that the tools have work.
fn fresh_bench() -> Bench {
    let mut fixture = Fixture::load("registers");
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time");
    for case in &mut fixture.cases {
        let text = &case.candidate.completion;
        let name = format!("fresh_{}_{}", std::process::id(), since.as_nanos());
        let at = text.rfind("endmodule").expect("a module");
        case.candidate.completion = format!("{}wire {name};\n{}", &text[..at], &text[at..]);
    }
    Bench::new(&[fixture])
}

/// The end of a run that must fail: what it said. What it left must be the beginning of the whole.
fn failed(bench: &Bench, mut run: Child, output: &str) -> String {
    let mut stderr = String::new();
    run.stderr.take().expect("its messages").read_to_string(&mut stderr).expect("text");
    let status = run.wait().expect("its end");
    assert_eq!(status.code(), Some(1), "{stderr}");
    let rows = bench.read(output);
    assert!(rows.is_empty() || rows.ends_with('\n'), "a torn row: {rows}");
    stderr
}

/// Starts a run, waits until some of its rows are there, disturbs it and returns what it said.
fn disturbed(
    bench: &Bench,
    command: &mut Command,
    output: &str,
    rows: usize,
    disturb: impl FnOnce(&Child),
) -> String {
    let run = command.stderr(Stdio::piped()).spawn().expect("a run");
    wait_for_rows(bench, output, rows);
    disturb(&run);
    failed(bench, run, output)
}

/// Processes whose parent is `parent`.
fn children(parent: u32) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").expect("processes").flatten();
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default();
        fields.split_whitespace().nth(1) == Some(&parent.to_string())
    };
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}

#[test]
fn a_killed_worker_is_no_candidates_fault() {
    let bench = Bench::new(&["registers", "latches", "printing"].map(Fixture::load));
    let whole = bench.verify("whole.jsonl", &SLOWLY);
    let all = whole.lines().count();
    let mut command = bench.command("part.jsonl", &SLOWLY);
    let said = disturbed(&bench, &mut command, "part.jsonl", all, |run| {
        for pid in children(run.id()) {
            let pid = rustix::process::Pid::from_raw(pid).expect("a process");
            // It may have ended by itself just now.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    });
    assert!(said.contains("killed") && said.contains("--resume"), "{said}");
    let part = bench.read("part.jsonl");
    assert!(whole.starts_with(&part) && part.len() < whole.len(), "{part}");
    assert_eq!(whole, bench.verify("part.jsonl", &RESUMED));
}

/// A Verilator and a compiler that can be taken away, in a place that stays, for the runtime belongs to them.
struct Tools {
    folder: PathBuf,
}

/// One test at a time takes them away.
static TOOLS: Mutex<()> = Mutex::new(());

impl Tools {
    fn new() -> Tools {
        let folder = cache_folder().join("test-tools");
        let tools = Tools { folder };
        std::fs::create_dir_all(tools.folder.join("bin")).expect("a folder");
        let doctor = Bench::new(&[Fixture::default()]).salv(&["doctor"]).output().expect("doctor");
        let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
        let path = |tool: &str| {
            let mut lines = doctor.lines().skip_while(|line| !line.contains(tool)).map(str::trim);
            PathBuf::from(lines.nth(1).unwrap_or_else(|| panic!("no {tool} in {doctor}")))
        };
        let (verilator, compiler) = (path("Verilator "), path("C++ compiler "));
        let root = verilator.parent().and_then(Path::parent).expect("a root").to_owned();
        let include = [root.join("include"), root.join("share/verilator/include")];
        let include = include.into_iter().find(|folder| folder.is_dir()).expect("headers");
        let link = tools.folder.join("include");
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(include, link).expect("a link");
        install(&verilator, &tools.verilator());
        let script = format!("#!/bin/sh\nexec {} \"$@\"\n", compiler.display());
        write_program(&tools.compiler(), &script);
        // Builds the runtime that belongs to them, on the first run of all.
        let bench = Bench::new(&[Fixture::default()]);
        succeeded(&mut tools.verify(&bench, "none.jsonl", &[]));
        tools
    }

    fn verilator(&self) -> PathBuf {
        self.folder.join("bin/verilator_bin")
    }

    fn compiler(&self) -> PathBuf {
        self.folder.join("bin/c++")
    }

    fn verify(&self, bench: &Bench, output: &str, arguments: &[&str]) -> Command {
        let mut command = bench.command(output, arguments);
        command.env("SALV_VERILATOR", self.verilator()).env("CXX", self.compiler());
        command
    }

    /// Runs with a tool that goes away when some rows are there, and again when it is back.
    fn without(&self, tool: &Path) {
        let bench = fresh_bench();
        let all = bench.read("candidates.jsonl").lines().count();
        let away = tool.with_extension("away");
        let mut command = self.verify(&bench, "part.jsonl", &SLOWLY);
        let said = disturbed(&bench, &mut command, "part.jsonl", all, |_| {
            std::fs::rename(tool, &away).expect("a tool taken away");
        });
        std::fs::rename(&away, tool).expect("a tool put back");
        assert!(said.contains("failed to start") && said.contains("salv doctor"), "{said}");
        assert!(said.contains(&tool.display().to_string()), "{said}");
        let part = bench.read("part.jsonl");
        succeeded(&mut self.verify(&bench, "part.jsonl", &RESUMED));
        let whole = bench.verify("whole.jsonl", &VERILATOR);
        assert!(whole.starts_with(&part) && part.len() < whole.len(), "{part}");
        assert_eq!(whole, bench.read("part.jsonl"));
    }
}

/// Writes a program beside and moves it, for one that runs cannot be written.
fn write_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let draft = path.with_extension("draft");
    std::fs::write(&draft, text).expect("a program");
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    install(&draft, path);
    std::fs::remove_file(draft).expect("a draft");
}

/// Copies a program by another process: a file that this one has open for writing is open in each process that another
/// test starts at that moment as well, and cannot be run while it is ("text file busy").
fn install(from: &Path, to: &Path) {
    let beside = to.with_extension("beside");
    let copied = Command::new("cp").arg("-p").arg(from).arg(&beside).status().expect("cp");
    assert!(copied.success(), "cp {} {}", from.display(), beside.display());
    std::fs::rename(beside, to).expect("a program in place");
}

#[test]
fn a_tool_that_goes_missing_is_no_candidates_fault() {
    let _alone = TOOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let tools = Tools::new();
    tools.without(&tools.verilator());
    tools.without(&tools.compiler());
}

#[test]
fn a_compiler_that_breaks_is_no_candidates_fault() {
    let _alone = TOOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let tools = Tools::new();
    let bench = fresh_bench();
    let all = bench.read("candidates.jsonl").lines().count();
    let broken = "#!/bin/sh\nfor a; do case $a in *.cpp) n=$a ;; esac; done\necho \"$(sed 's/.*\"\\(.*\\)\"/\\1/' $n):1:1: error: it is your fault\" >&2\nexit 1\n";
    let mut command = tools.verify(&bench, "part.jsonl", &SLOWLY);
    let said = disturbed(&bench, &mut command, "part.jsonl", all, |_| {
        write_program(&tools.compiler(), broken);
    });
    assert!(said.contains("without any model") && said.contains("salv doctor"), "{said}");
    let part = bench.read("part.jsonl");
    let tools = Tools::new();
    succeeded(&mut tools.verify(&bench, "part.jsonl", &RESUMED));
    assert!(bench.read("part.jsonl").starts_with(&part));
    assert_eq!(bench.verify("whole.jsonl", &VERILATOR), bench.read("part.jsonl"));
}

#[test]
fn a_verilator_that_refuses_everything_is_found_before_it_judges() {
    let _alone = TOOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let tools = Tools::new();
    let bench = fresh_bench();
    // A program and no script: Verilator may start nothing, so also no shell.
    let source = "#include <cstdio>\nint main(int n, char** a) { if (n == 2) { puts(\"Verilator 5.999\"); return 0; } fputs(\"%Error: it is your fault\\n\", stderr); return a[0] ? 1 : 2; }\n";
    std::fs::write(bench.path("fake.cpp"), source).expect("a source");
    succeeded(
        Command::new(tools.compiler()).args(["fake.cpp", "-o", "fake"]).current_dir(bench.path("")),
    );
    std::fs::rename(tools.verilator(), tools.verilator().with_extension("away")).expect("away");
    std::fs::copy(bench.path("fake"), tools.verilator()).expect("a fake");
    let run = tools.verify(&bench, "none.jsonl", &VERILATOR).output().expect("a run");
    let by_lanes = tools.verify(&bench, "lanes.jsonl", &[]).output().expect("a run");
    let late = with_one_that_lanes_hand_over(&bench);
    let one_by_one = ["--threads", "1", "--batch", "1"];
    let stopped = tools.verify(&late, "part.jsonl", &one_by_one).output().expect("a run");
    std::fs::rename(tools.verilator().with_extension("away"), tools.verilator()).expect("back");
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("every Verilator takes") && said.contains("doctor"), "{said}");
    assert!(!bench.path("none.jsonl").exists(), "nothing may be judged");
    // Lanes hand none of these over.
    assert!(by_lanes.status.success(), "{}", String::from_utf8_lossy(&by_lanes.stderr));
    assert_eq!(bench.read("lanes.jsonl"), bench.verify("whole.jsonl", &[]));
    // Where they hand one over, what they judged before stays.
    let said = String::from_utf8_lossy(&stopped.stderr).into_owned();
    assert_eq!(stopped.status.code(), Some(1), "{said}");
    assert!(said.contains("every Verilator takes") && said.contains("doctor"), "{said}");
    let (part, whole) = (late.read("part.jsonl"), late.verify("whole.jsonl", &[]));
    assert!(!part.is_empty() && part.len() < whole.len() && whole.starts_with(&part), "{part}");
    assert!(whole.lines().last().is_some_and(|row| row.contains("\"backend\":\"verilator\"")));
}

/// The same candidates, and a last one that is the first with a condition in its event, which lanes do not run.
fn with_one_that_lanes_hand_over(bench: &Bench) -> Bench {
    let late = Bench::new(&[]);
    std::fs::copy(bench.path("problems.jsonl"), late.path("problems.jsonl")).expect("a copy");
    let rows = bench.read("candidates.jsonl");
    let mut row: serde_json::Value =
        serde_json::from_str(rows.lines().next().expect("a row")).expect("JSON");
    let text = row["completion"].as_str().expect("a text");
    let edited = text.replace("@(posedge clk)", "@(posedge clk iff 1'b1)");
    assert_ne!(text, edited);
    (row["id"], row["completion"]) = ("late".into(), edited.into());
    std::fs::write(late.path("candidates.jsonl"), format!("{rows}{row}\n")).expect("a file");
    late
}

#[test]
fn two_runs_do_not_write_one_file() {
    use rustix::fs::{FlockOperation, flock};
    let bench = Bench::new(&[Fixture::load("printing")]);
    let before = bench.verify("verdicts.jsonl", &[]);
    let held = std::fs::File::open(bench.path("verdicts.jsonl")).expect("the file");
    flock(&held, FlockOperation::NonBlockingLockExclusive).expect("a lock");
    for arguments in [&[][..], &["--resume"]] {
        let run = bench.command("verdicts.jsonl", arguments).output().expect("a run");
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(1), "{said}");
        assert!(said.contains("another run is writing it"), "{said}");
        assert_eq!(before, bench.read("verdicts.jsonl"), "it was touched");
    }
    drop(held);
    assert_eq!(before, bench.verify("verdicts.jsonl", &["--resume"]));
}

/// Fills a small disk that holds the cache up to some KiB, runs, makes room, and continues. The disk is mounted
/// for this script alone.
const FULL_DISK: &str = r#"
set -eu
mkdir cache
mount -t tmpfs -o size=800m none cache || exit 99
mkdir cache/entries
ln -s "$REAL/python" cache/python
cp -a $RUNTIMES cache/entries/
export SALV_CACHE="$PWD/cache"
free() { df --output=avail -k cache | tail -n 1; }
head -c $(( ($(free) - LEAVE) * 1024 )) /dev/zero > cache/filler
code=0
judge() { "$SALV" verify problems.jsonl candidates.jsonl -o part.jsonl --backend verilator "$@"; }
judge --threads 1 --batch 7 2> said || code=$?
[ ! -e part.jsonl ] || cp part.jsonl before.jsonl
rm cache/filler
judge --resume 2> resumed
exit $code
"#;

#[test]
fn a_full_disk_is_no_candidates_fault() {
    let whole_bench = fresh_bench();
    let whole = whole_bench.verify("whole.jsonl", &VERILATOR);
    let entries = std::fs::read_dir(cache_folder().join("entries")).expect("the cache").flatten();
    let mut runtimes: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.join("libsalv_runtime.so").is_file())
        .collect();
    runtimes.sort_by_key(|path| path.metadata().and_then(|data| data.modified()).ok());
    let newest: Vec<String> =
        runtimes.iter().rev().take(3).map(|path| path.display().to_string()).collect();
    for leave in ["64", "350", "700"] {
        let bench = Bench::new(&[]);
        for file in ["problems.jsonl", "candidates.jsonl"] {
            std::fs::copy(whole_bench.path(file), bench.path(file)).expect("a copy");
        }
        let run = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", FULL_DISK])
            .current_dir(bench.path(""))
            .env("REAL", cache_folder())
            .env("RUNTIMES", newest.join(" "))
            .env("LEAVE", leave)
            .env("SALV", env!("CARGO_BIN_EXE_salv"))
            .output();
        let run = match run {
            Ok(run) if run.status.code() != Some(99) && !run.stderr.starts_with(b"unshare:") => run,
            other => {
                eprintln!("skipped: no disk can be mounted here: {other:?}");
                return;
            }
        };
        let script = String::from_utf8_lossy(&run.stderr).into_owned();
        let said = std::fs::read_to_string(bench.path("said")).unwrap_or_default();
        assert_eq!(run.status.code(), Some(1), "{leave} KiB: {script}{said}");
        assert!(said.contains("is the disk full"), "{leave} KiB: {said}");
        let before = std::fs::read_to_string(bench.path("before.jsonl")).unwrap_or_default();
        assert!(whole.starts_with(&before), "{leave} KiB: a false label in {before}");
        assert_eq!(whole, bench.read("part.jsonl"), "{leave} KiB");
    }
}

#[test]
fn hostile_candidates_touch_nothing() {
    let bench = Bench::new(&[Fixture::load("hostile")]);
    let files = ["canary.txt", "dump.vcd", ".hidden"];
    for file in files {
        std::fs::write(bench.path(file), "precious").expect("a canary");
    }
    let traces = || -> Vec<PathBuf> {
        let there = std::fs::read_dir("/tmp").expect("/tmp").flatten().map(|entry| entry.path());
        let ours = |path: &PathBuf| path.to_string_lossy().contains("salv_hostile");
        there.filter(ours).collect()
    };
    assert_eq!(traces(), Vec::<PathBuf>::new(), "left by something else: remove it");
    let before = listing(&bench.path(""));
    bench.verify("verdicts.jsonl", &[]);
    let mut after = listing(&bench.path(""));
    after.retain(|(name, _, _)| !name.starts_with("verdicts.jsonl"));
    assert_eq!(before, after);
    assert_eq!(traces(), Vec::<PathBuf>::new());
}

/// Names, contents and times of the files of a folder.
fn listing(folder: &Path) -> Vec<(String, Vec<u8>, SystemTime)> {
    let mut files: Vec<(String, Vec<u8>, SystemTime)> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let changed = path.metadata().and_then(|data| data.modified()).expect("a time");
            (name, std::fs::read(&path).unwrap_or_default(), changed)
        })
        .collect();
    files.sort();
    files
}
