// The harness in levels: a file needs only those above it.

// Types and constant functions.
rtl/harness_pkg.sv

// Leaves of the stimulus.
rtl/generator.sv
rtl/mix.sv
rtl/episode_settings.sv
rtl/input_settings.sv
rtl/segment_leader.sv
rtl/supply.sv
rtl/sequencer.sv
rtl/settling.sv
rtl/walk.sv
rtl/table_ram.sv
rtl/reset_pulse.sv

// One level up.
rtl/words.sv
rtl/table_store.sv
rtl/input_bit.sv
rtl/input_clocks.sv
rtl/input_wide.sv
rtl/stimulus.sv
rtl/player.sv
