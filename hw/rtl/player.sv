// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// Plays a run: the rows of its episodes, and when outputs are compared.

`default_nettype none

/// Joins what says when (`sequencer`), what computes the words of an episode (`words`), what keeps
/// draws ready (`supply`), what makes rows of them (`stimulus`) and what knows from when on the
/// golden module counts (`settling`). It sees no output.
module player import harness_pkg::*; #(
  parameter int unsigned      InputCount    = 3,
  parameter inputs_t          Inputs        = EXAMPLE_INPUTS,
  parameter logic             Synchronous   = 1'b0,
  parameter logic             AfterFalling  = 1'b0,
  parameter logic             Sequential    = 1'b1,
  parameter logic             Initialised   = 1'b0,
  parameter logic             Counters      = 1'b0,
  parameter int unsigned      DurationCount = 0,
  parameter logic [15:0][7:0] Durations     = '0,
  parameter int unsigned      StepClocks    = 1,
  localparam int unsigned     RowBits       = input_offset(Inputs, InputCount)
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  // Control and registers.
  input  logic                  start_i,
  input  logic                  stop_i,
  output logic                  turn_stream_o,
  input  logic                  stream_bit_i,
  input  flavour_e              flavour_i,
  input  logic [1:0]            sequence_i,
  input  logic                  walk_i,
  input  logic [5:0]            leader_i,
  input  logic [CYCLE_BITS-1:0] cycles_i,
  input  logic [CYCLE_BITS-1:0] last_cycles_i,
  input  logic                  write_number_i,
  input  logic                  write_episodes_i,
  input  logic                  table_write_i,
  input  logic [31:0]           table_at_i,
  input  logic [4:0]            walk_write_i,
  input  logic [31:0]           write_data_i,
  output logic [CYCLE_BITS-1:0] number_o,
  output logic [CYCLE_BITS-1:0] episodes_o,
  output logic [4:0][31:0]      walk_registers_o,
  output logic                  busy_o,
  output logic                  done_o,
  output logic                  stopped_o,
  output logic                  clear_o,
  input  logic                  cleared_i,
  // The row, and what golden and candidates must know beside it.
  output logic                  power_up_o,
  output logic [RowBits-1:0]    row_o,
  // Comparison, with its place; and the step that stands.
  output logic                  compare_o,
  output logic                  settled_o,
  output logic [CYCLE_BITS-1:0] cycle_o,
  output logic [1:0]            step_o,
  output logic                  stepping_o,
  output logic [5:0]            cycle_now_o,
  output logic [1:0]            step_now_o
);

  localparam int unsigned Clocks = count_kind(Inputs, InputCount, InputClock);

  logic start_episode, start_segment, words_done, long, leadable;
  logic [CYCLE_BITS-8:0] segment;
  logic [8:0] rows;
  logic flush, run, limited, ready, move, early, late;
  logic commit, side, clock_edge, rises, all_up, all_down;
  logic [CYCLE_BITS-1:0] cycle_now;

  sequencer #(
    .Clocks       (Clocks),
    .Synchronous  (Synchronous),
    .AfterFalling (AfterFalling),
    .StepClocks   (StepClocks)
  ) u_sequencer (
    .clk_i            (clk_i),
    .rst_ni           (rst_ni),
    .start_i          (start_i),
    .stop_i           (stop_i),
    .flavour_i        (flavour_i),
    .cycles_i         (cycles_i),
    .last_cycles_i    (last_cycles_i),
    .write_number_i   (write_number_i),
    .write_episodes_i (write_episodes_i),
    .write_data_i     (write_data_i[CYCLE_BITS-1:0]),
    .number_o         (number_o),
    .episodes_o       (episodes_o),
    .busy_o           (busy_o),
    .done_o           (done_o),
    .stopped_o        (stopped_o),
    .clear_o          (clear_o),
    .cleared_i        (cleared_i),
    .start_episode_o  (start_episode),
    .start_segment_o  (start_segment),
    .segment_o        (segment),
    .long_o           (long),
    .leadable_o       (leadable),
    .words_done_i     (words_done),
    .flush_o          (flush),
    .run_o            (run),
    .limited_o        (limited),
    .rows_o           (rows),
    .ready_i          (ready),
    .power_up_o       (power_up_o),
    .commit_o         (commit),
    .side_o           (side),
    .edge_o           (clock_edge),
    .rises_o          (rises),
    .all_up_o         (all_up),
    .all_down_o       (all_down),
    .compare_o        (compare_o),
    .cycle_o          (cycle_o),
    .step_o           (step_o),
    .cycle_now_o      (cycle_now),
    .step_now_o       (step_now_o),
    .stepping_o       (stepping_o)
  );

  logic load;
  lane_e lane;
  logic [5:0] input_number;
  logic [4:0] slice;
  logic [63:0] word;

  words #(
    .InputCount (InputCount),
    .Inputs     (Inputs)
  ) u_words (
    .clk_i           (clk_i),
    .rst_ni          (rst_ni),
    .start_episode_i (start_episode),
    .start_segment_i (start_segment),
    .turn_stream_o   (turn_stream_o),
    .stream_bit_i    (stream_bit_i),
    .sequence_i      (sequence_i),
    .number_i        (number_o),
    .segment_i       (segment),
    .load_o          (load),
    .lane_o          (lane),
    .input_o         (input_number),
    .slice_o         (slice),
    .word_o          (word),
    .done_o          (words_done)
  );

  supply u_supply (
    .clk_i     (clk_i),
    .rst_ni    (rst_ni),
    .flush_i   (flush),
    .limited_i (limited),
    .rows_i    (rows),
    .run_i     (run),
    .take_i    (commit),
    .ready_o   (ready),
    .move_o    (move),
    .early_o   (early),
    .late_o    (late)
  );

  stimulus #(
    .InputCount    (InputCount),
    .Inputs        (Inputs),
    .Synchronous   (Synchronous),
    .AfterFalling  (AfterFalling),
    .Sequential    (Sequential),
    .Initialised   (Initialised),
    .Counters      (Counters),
    .DurationCount (DurationCount),
    .Durations     (Durations)
  ) u_stimulus (
    .clk_i            (clk_i),
    .rst_ni           (rst_ni),
    .flavour_i        (flavour_i),
    .walk_i           (walk_i),
    .leader_i         (leader_i),
    .number_i         (number_o[3:0]),
    .long_i           (long),
    .leadable_i       (leadable),
    .fresh_i          (start_episode),
    .first_segment_i  (segment == '0),
    .load_i           (load),
    .lane_i           (lane),
    .input_i          (input_number),
    .slice_i          (slice),
    .word_i           (word),
    .table_write_i    (table_write_i),
    .table_at_i       (table_at_i),
    .write_data_i     (write_data_i),
    .walk_write_i     (walk_write_i),
    .walk_registers_o (walk_registers_o),
    .move_i           (move),
    .early_i          (early),
    .late_i           (late),
    .power_up_i       (power_up_o),
    .commit_i         (commit),
    .side_i           (side),
    .edge_i           (clock_edge),
    .rises_i          (rises),
    .all_up_i         (all_up),
    .all_down_i       (all_down),
    .cycle_i          (cycle_now),
    .row_o            (row_o)
  );

  settling #(
    .InputCount  (InputCount),
    .Inputs      (Inputs),
    .Initialised (Initialised)
  ) u_settling (
    .clk_i     (clk_i),
    .rst_ni    (rst_ni),
    .fresh_i   (start_episode),
    .apply_i   ((commit || clock_edge) && !power_up_o),
    .row_i     (row_o),
    .settled_o (settled_o)
  );

  assign cycle_now_o = cycle_now[5:0];

endmodule

`default_nettype wire
