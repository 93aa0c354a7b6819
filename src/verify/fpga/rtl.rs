//! The fixed part of the harness, `hw/rtl`, as text in this program: a build needs no clone.

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../hw/rtl/", $name)))),*]
    };
}

/// All files by name, in the order of `hw/harness.f`: each after what it uses.
pub const FILES: &[(&str, &str)] = files![
    "harness_assert.svh",
    "harness_pkg.sv",
];
