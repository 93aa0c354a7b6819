//! The hardware half keeps the contract of `hw/README.md`: it is clean, its benches pass, and the chip's stimulus is
//! the library's, row for row.
//!
//! Skipped with a message where Verilator is missing. `SALV_TEST_ALL=1` plays millions of cycles on random
//! interfaces; a failing case prints its seed, which `SALV_TEST_SEED` and `SALV_TEST_COUNT` repeat.

#![expect(clippy::print_stderr, reason = "a test that skips says so, and names its cases")]

mod bench;
mod case;

use bench::Bench;
use case::Case;
use salv::verify::stimulus::Profile;

/// Plays every run of a case on the chip's player and compares each row with the library's.
fn check(case: &Case) {
    let script = case.script();
    let points = script.lines().filter(|line| line.starts_with("at ")).count();
    if let Some(bench) = Bench::new(case) {
        assert_eq!(bench.play(&script), Ok(points), "{}", case.describe());
    }
}

#[test]
fn modules_are_clean_and_benches_pass() {
    bench::script(&["all"], "lint and benches");
}

#[test]
fn rows_are_the_librarys() {
    // An 8-bit input with constants, a counter's waits, a reset that is tested first.
    let inputs = "clk:1:clock areset_n:1:areset_n d:8:data en:1:data";
    check(&Case::new(inputs, Profile::Full).waits(&[3, 20]));
    // Words of several slices, legal values, two clocks and a gate.
    let inputs = "ca:1:clock cb:1:clock r:1:sync g:1:gate x:70:data y:70:data k:5:legal";
    check(&Case::new(inputs, Profile::Full).step_clocks(3));
}

#[test]
fn rows_are_the_librarys_in_the_synchronous_profile() {
    let inputs = "clk:1:clock r:1:sync d:12:data e:1:data";
    check(&Case::new(inputs, Profile::Synchronous).waits(&[7]));
    check(&Case::new("clk:1:falling r:1:async d:3:data", Profile::Synchronous));
}

/// Nothing keeps state: every value once, then random ones. And the bench finds what is wrong: a row, a
/// point's place, a point too few.
#[test]
fn rows_are_the_librarys_in_a_walk_and_a_wrong_one_is_found() {
    let case = Case::new("a:4:data b:3:data s:1:data", Profile::Full);
    let script = case.script();
    check(&case);
    let Some(bench) = Bench::new(&case) else { return };
    let lines: Vec<&str> = script.lines().collect();
    let at = lines.iter().rposition(|line| line.starts_with("at ")).expect("a point");
    let fields: Vec<&str> = lines[at].split(' ').collect();
    let row = u32::from_str_radix(fields[4], 16).expect("a row") ^ 0x80;
    let place = format!("at {} {} {}", fields[1], fields[2], fields[3]);
    for (wrong, reason) in [
        (format!("{place} {row:02x}"), "row"),
        (format!("at {} 1 {} {}", fields[1], fields[3], fields[4]), "step"),
        (String::new(), "a point too many"),
    ] {
        let mut lines = lines.clone();
        lines[at] = &wrong;
        let said = bench.play(&(lines.join("\n") + "\n")).expect_err("the bench finds it");
        assert!(said.contains(reason), "{said}");
    }
}

/// The long run: random interfaces, more vectors, all deep episodes up to 2^16 cycles.
#[test]
fn rows_are_the_librarys_on_random_interfaces() {
    if std::env::var_os("SALV_TEST_ALL").is_none() {
        eprintln!("skipped: the long twin test runs with SALV_TEST_ALL=1");
        return;
    }
    let number = |name, default| {
        std::env::var(name).map_or(default, |text| text.parse::<u64>().expect("a number"))
    };
    let first = number("SALV_TEST_SEED", 1);
    for seed in first..first + number("SALV_TEST_COUNT", 24) {
        let case = Case::random(seed);
        eprintln!("{}", case.describe());
        check(&case);
    }
}
