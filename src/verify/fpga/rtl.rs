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
    "bone.sv",
    "chain_capture.sv",
    "chain_counter.sv",
    "chain_sticky.sv",
    "checksum.sv",
    "compare.sv",
    "draw_choose.sv",
    "draw_form.sv",
    "episode_settings.sv",
    "generator.sv",
    "input_settings.sv",
    "mix.sv",
    "power_on_reset.sv",
    "registers.sv",
    "reset_pulse.sv",
    "scan.sv",
    "segment_leader.sv",
    "sequencer.sv",
    "settling.sv",
    "supply.sv",
    "table_ram.sv",
    "uart_rx.sv",
    "uart_tx.sv",
    "walk.sv",
    "input_bit.sv",
    "input_clocks.sv",
    "results.sv",
    "table_store.sv",
    "words.sv",
    "input_wide.sv",
    "stimulus.sv",
    "player.sv",
    "harness.sv",
];

#[cfg(test)]
mod tests {
    /// A file that is listed and not here would be missing from every build.
    #[test]
    fn the_files_are_those_of_the_list() {
        let list = include_str!("../../../hw/harness.f");
        let listed = list.lines().filter_map(|line| line.trim().strip_prefix("rtl/"));
        let here = super::FILES.iter().map(|(name, _)| *name).filter(|name| name.ends_with(".sv"));
        assert!(listed.eq(here));
    }
}
