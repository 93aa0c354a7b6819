// The harness in levels: a file needs only those above it.

// Types and constant functions.
rtl/harness_pkg.sv

// Leaves.
rtl/bone.sv
rtl/chain_capture.sv
rtl/chain_counter.sv
rtl/chain_sticky.sv
rtl/checksum.sv
rtl/compare.sv
rtl/draw_choose.sv
rtl/draw_form.sv
rtl/episode_settings.sv
rtl/generator.sv
rtl/input_settings.sv
rtl/mix.sv
rtl/power_on_reset.sv
rtl/registers.sv
rtl/reset_pulse.sv
rtl/scan.sv
rtl/segment_leader.sv
rtl/sequencer.sv
rtl/settling.sv
rtl/supply.sv
rtl/table_ram.sv
rtl/uart_rx.sv
rtl/uart_tx.sv
rtl/walk.sv

// Made of leaves.
rtl/input_bit.sv
rtl/input_clocks.sv
rtl/results.sv
rtl/table_store.sv
rtl/words.sv

// Made of those.
rtl/input_wide.sv

// The rows of all inputs; runs of them; the whole.
rtl/stimulus.sv
rtl/player.sv
rtl/harness.sv
