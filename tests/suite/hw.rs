//! The hardware half keeps the contract of `hw/README.md`: the chip's stimulus is the library's, row for row.
//!
//! Skipped with a message where Verilator or make is missing. `SALV_TEST_ALL=1` plays millions of cycles on random
//! interfaces; a failing case prints its seed.

mod bench;
mod case;

use case::Case;
use salv::verify::stimulus::Profile;

/// Plays every run of a case on the chip's player and compares each row with the library's.
fn check(case: &Case) {
    if let Some(points) = bench::play(case) {
        assert_eq!(points, case.points(), "{}", case.describe());
    }
}

#[test]
fn rows_are_the_librarys() {
    // An 8-bit input with constants, a counter's waits, a reset that is tested first.
    check(
        &Case::new("clk:1:clock areset_n:1:areset_n d:8:data en:1:data", Profile::Full)
            .waits(&[3, 20]),
    );
    // Nothing keeps state: every value, then random ones.
    check(&Case::new("a:4:data b:3:data s:1:data", Profile::Full));
    // Words of several slices, legal values, two clocks and a gate.
    check(
        &Case::new(
            "ca:1:clock cb:1:clock r:1:sync g:1:gate x:70:data y:70:data k:5:legal",
            Profile::Full,
        )
        .step_clocks(3),
    );
}

#[test]
fn rows_are_the_librarys_in_the_synchronous_profile() {
    check(&Case::new("clk:1:clock r:1:sync d:12:data e:1:data", Profile::Synchronous).waits(&[7]));
    check(&Case::new("clk:1:falling r:1:async d:3:data", Profile::Synchronous));
}

/// The long run: random interfaces, more vectors, all deep episodes up to 2^16 cycles.
#[test]
fn rows_are_the_librarys_on_random_interfaces() {
    if std::env::var_os("SALV_TEST_ALL").is_none() {
        eprintln!("skipped: the long twin test runs with SALV_TEST_ALL=1");
        return;
    }
    let first: u64 =
        std::env::var("SALV_TEST_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let count: u64 =
        std::env::var("SALV_TEST_COUNT").map_or(24, |count| count.parse().expect("a number"));
    for seed in first..first + count {
        let case = Case::random(seed);
        eprintln!("{}", case.describe());
        check(&case);
    }
}
