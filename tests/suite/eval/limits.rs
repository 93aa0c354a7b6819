//! Benches and candidates run behind the barrier and within limits: what floods, hangs or reaches out is stopped and is
//! the candidate's result, not an error of ours.

use salv::eval::simulate::{Build, Ran, Simulator};
use salv::verify::cache::Cache;
use salv::verify::icarus::Icarus;
use salv::worker::Workers;
use salv::worker::launch::Launchers;

use super::has_icarus;

/// What comes of a module `tb` with this body in two seconds of CPU time.
fn run(body: &str) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    let workers =
        Workers { program: env!("CARGO_BIN_EXE_salv").into(), folder: folder.path().to_owned() };
    let simulator = Simulator {
        icarus: Icarus { iverilog: "/usr/bin/iverilog".into(), vvp: "/usr/bin/vvp".into() },
        launchers: Launchers::new(workers),
        cache: Cache::open(folder.path()).expect("a cache"),
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let build = Build {
        files: vec![("a.v".to_owned(), format!("module tb;\n{body}\nendmodule\n").into_bytes())],
        compile: words(&["-g2012", "-s", "tb", "a.v"]),
        run: words(&["-n"]),
        run_after: Vec::new(),
        cpu_seconds: 2,
    };
    simulator.run(&build).expect("a run")
}

#[test]
fn what_ends_by_itself_says_what_it_printed() {
    if !has_icarus() {
        return;
    }
    let ran = run("initial $display(\"hello\");");
    assert!(ran.compiled && ran.over_limit.is_none(), "{ran:?}");
    assert_eq!(ran.stdout, "hello\n");
    let ran = run("wire a = ;");
    assert!(!ran.compiled && ran.compiler_said.contains("syntax error"), "{ran:?}");
}

#[test]
fn what_never_ends_is_stopped() {
    if !has_icarus() {
        return;
    }
    for body in ["initial while (1);", "reg a = 0; initial forever #0 a = ~a;"] {
        let ran = run(body);
        assert_eq!(ran.over_limit.as_deref(), Some("more CPU time than allowed"), "{body}");
    }
}

/// 4 GiB are all that a simulation has.
#[test]
fn what_wants_all_memory_is_stopped() {
    if !has_icarus() {
        return;
    }
    let body = "reg [1023:0] m [0:100000000]; integer i; initial for (i = 0; i < 100000000; i = i + 1) m[i] = 1;";
    let ran = run(body);
    assert!(!ran.compiled || ran.over_limit.is_some(), "{ran:?}");
}

#[test]
fn files_outside_are_out_of_reach() {
    if !has_icarus() {
        return;
    }
    let outside = tempfile::tempdir().expect("a folder");
    let (secret, new) = (outside.path().join("secret"), outside.path().join("new"));
    std::fs::write(&secret, "41\n").expect("a file");
    let body = format!(
        "integer f, n; reg [7:0] m [0:0];
         initial begin
           f = $fopen(\"{}\", \"w\"); $display(\"write %0d\", f != 0);
           f = $fopen(\"{}\", \"r\"); $display(\"read %0d\", f != 0);
           $readmemh(\"{}\", m); $display(\"memory %h\", m[0]);
           f = $fopen(\"inside\", \"w\"); $display(\"inside %0d\", f != 0);
         end",
        new.display(),
        secret.display(),
        secret.display()
    );
    let ran = run(&body);
    let said = |line: &str| ran.stdout.lines().any(|said| said == line);
    assert!(said("write 0") && said("read 0") && said("memory xx"), "{ran:?}");
    assert!(said("inside 1"), "its own folder is its own: {ran:?}");
    assert!(!new.exists());
}
