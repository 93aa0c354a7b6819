// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// A run, its episodes, their cycles and steps: says when the row changes and when outputs are
// compared.

`include "harness_assert.svh"
`default_nettype none

/// Knows when, and nothing of values. An episode has its words computed, then a power-up row with a
/// pulse of all clocks, then its cycles; where settings change within it, the clocks rest while the
/// next segment's are computed.
module sequencer import harness_pkg::*; #(
  parameter int unsigned Clocks       = 1,
  parameter logic        Synchronous  = 1'b0,
  parameter logic        AfterFalling = 1'b0,
  parameter int unsigned StepClocks   = 1
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  // Control and registers.
  input  logic                  start_i,
  input  logic                  stop_i,
  input  flavour_e              flavour_i,
  input  logic [CYCLE_BITS-1:0] cycles_i,
  input  logic [CYCLE_BITS-1:0] last_cycles_i,
  input  logic                  write_number_i,
  input  logic                  write_episodes_i,
  input  logic [CYCLE_BITS-1:0] write_data_i,
  output logic [CYCLE_BITS-1:0] number_o,
  output logic [CYCLE_BITS-1:0] episodes_o,
  output logic                  busy_o,
  output logic                  done_o,
  output logic                  stopped_o,
  // Results are cleared before the first episode.
  output logic                  clear_o,
  input  logic                  cleared_i,
  // Words of an episode or segment.
  output logic                  start_episode_o,
  output logic                  start_segment_o,
  output logic [CYCLE_BITS-8:0] segment_o,
  output logic                  long_o,
  output logic                  leadable_o,
  input  logic                  words_done_i,
  // Draws ahead.
  output logic                  flush_o,
  output logic                  run_o,
  output logic                  limited_o,
  output logic [8:0]            rows_o,
  input  logic                  ready_i,
  // The row.
  output logic                  power_up_o,
  output logic                  commit_o,
  output logic                  side_o,
  output logic                  edge_o,
  output logic                  rises_o,
  output logic                  all_up_o,
  output logic                  all_down_o,
  // Comparison, with its place.
  output logic                  compare_o,
  output logic [CYCLE_BITS-1:0] cycle_o,
  output logic [1:0]            step_o,
  output logic [CYCLE_BITS-1:0] cycle_now_o,
  output logic [1:0]            step_now_o,
  output logic                  stepping_o
);

  localparam logic ALTERNATES = Clocks != 0 && !Synchronous;
  localparam logic [1:0] LAST_STEP = ALTERNATES ? 2'd3 : 2'd2;
  localparam int unsigned TICK_BITS = (StepClocks > 1) ? $clog2(StepClocks) : 1;

  typedef enum logic [3:0] {
    // Waits for a run.
    StIdle,
    // Results are being cleared.
    StClear,
    // The words of an episode are asked for.
    StEpisode,
    // The words of a segment are asked for.
    StSegment,
    // The words are being computed.
    StWords,
    // The power-up row is awaited and applied.
    StRow,
    // The power-up row stands.
    StPowerUp,
    // Clocks stand at 1.
    StUp,
    // Clocks stand at 0 again.
    StDown,
    // Power-up is over; the first step of the episode or of a segment is awaited.
    StWait,
    // A step stands.
    StStep
  } state_e;

  state_e state_d, state_q;
  logic [CYCLE_BITS-1:0] number_d, number_q, episodes_d, episodes_q;
  logic [CYCLE_BITS-1:0] cycle_d, cycle_q, cycle_next, length;
  logic [1:0] step_d, step_q;
  logic [TICK_BITS-1:0] tick_d, tick_q;
  logic stop_d, stop_q, stopped_d, stopped_q, done_d, done_q;

  logic changing, last_episode, last_cycle, segment_ends, leaves, applies, ends_cycle, ends_run;
  logic [1:0] next_step;

  assign changing = flavour_i == FlavourBase || flavour_i == FlavourMixed ||
      flavour_i == FlavourLed;
  assign last_episode = episodes_q == CYCLE_BITS'(1);
  assign cycle_next = cycle_q + CYCLE_BITS'(1);
  assign last_cycle = cycle_next == length;
  assign segment_ends = changing && cycle_q[6:0] == '1;

  // Lengths of short episodes, in turn.
  always_comb begin
    if (last_episode && last_cycles_i != '0) begin
      length = last_cycles_i;
    end else if (cycles_i != '0) begin
      length = cycles_i;
    end else begin
      unique case (number_q[1:0])
        2'd0:    length = CYCLE_BITS'(16);
        2'd1:    length = CYCLE_BITS'(40);
        2'd2:    length = CYCLE_BITS'(24);
        default: length = CYCLE_BITS'(64);
      endcase
    end
  end

  ///////////
  // Steps //
  ///////////

  assign ends_cycle = state_q == StStep && step_q == LAST_STEP;
  assign ends_run = ends_cycle && (last_cycle || stop_q);
  always_comb begin
    next_step = step_q + (ALTERNATES ? 2'd1 : 2'd2);
    if (state_q == StWait || ends_cycle) begin
      next_step = 2'd0;
    end
  end

  // A step that changes data waits for its draws; at the end of an episode or segment none follows.
  logic needs_draw, rests, follows;
  assign needs_draw = !ALTERNATES || !next_step[0];
  assign rests = ends_run || (ends_cycle && segment_ends);
  assign follows = state_q == StWait || (state_q == StStep && !rests);
  assign applies = follows && tick_q == '0 && (ready_i || !needs_draw);
  assign leaves = state_q == StStep && tick_q == '0 && (applies || !follows);

  assign commit_o = (applies && needs_draw) || (state_q == StRow && ready_i);
  assign side_o = next_step[1];
  assign edge_o = applies && Clocks != 0 && (Synchronous || next_step[0]);
  assign rises_o = Synchronous ? !next_step[1] : next_step == 2'd1;

  //////////////
  // Progress //
  //////////////

  always_comb begin
    state_d = state_q;
    unique case (state_q)
      StIdle:    state_d = start_i ? StClear : StIdle;
      StClear:   state_d = cleared_i ? StEpisode : StClear;
      StEpisode: state_d = StWords;
      StSegment: state_d = StWords;
      StWords: begin
        if (words_done_i) begin
          state_d = (cycle_q == '0) ? StRow : StWait;
        end
      end
      StRow:     state_d = ready_i ? StPowerUp : StRow;
      StPowerUp: state_d = (tick_q == '0) ? StUp : StPowerUp;
      StUp:      state_d = (tick_q == '0) ? StDown : StUp;
      StDown:    state_d = (tick_q == '0) ? StWait : StDown;
      StWait:    state_d = applies ? StStep : StWait;
      StStep: begin
        if (leaves && ends_run) begin
          state_d = (last_episode || stop_q) ? StIdle : StEpisode;
        end else if (leaves && ends_cycle && segment_ends) begin
          state_d = StSegment;
        end
      end
      default: state_d = StIdle;
    endcase
  end

  always_comb begin
    cycle_d = cycle_q;
    step_d = step_q;
    number_d = write_number_i ? write_data_i : number_q;
    episodes_d = write_episodes_i ? write_data_i : episodes_q;
    if (state_q == StEpisode) begin
      cycle_d = '0;
    end else if (leaves && ends_cycle) begin
      cycle_d = cycle_next;
    end
    if (applies) begin
      step_d = next_step;
    end
    if (leaves && ends_run) begin
      number_d = number_q + CYCLE_BITS'(1);
      episodes_d = episodes_q - CYCLE_BITS'(1);
    end
    tick_d = (tick_q == '0) ? '0 : tick_q - TICK_BITS'(1);
    if (state_d != state_q || applies) begin
      tick_d = TICK_BITS'(StepClocks - 1);
    end
    // A stop is kept until the cycle ends.
    stop_d = (stop_q || stop_i) && state_q != StIdle;
    stopped_d = (start_i && state_q == StIdle) ? 1'b0 : stopped_q;
    done_d = (start_i && state_q == StIdle) ? 1'b0 : done_q;
    if (state_q == StStep && state_d == StIdle) begin
      stopped_d = stop_q;
      done_d = 1'b1;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      number_q <= '0;
      episodes_q <= '0;
      cycle_q <= '0;
      step_q <= '0;
      tick_q <= '0;
      stop_q <= 1'b0;
      stopped_q <= 1'b0;
      done_q <= 1'b0;
    end else begin
      state_q <= state_d;
      number_q <= number_d;
      episodes_q <= episodes_d;
      cycle_q <= cycle_d;
      step_q <= step_d;
      tick_q <= tick_d;
      stop_q <= stop_d;
      stopped_q <= stopped_d;
      done_q <= done_d;
    end
  end

  assign number_o = number_q;
  assign episodes_o = episodes_q;
  assign busy_o = state_q != StIdle;
  assign done_o = done_q;
  assign stopped_o = stopped_q;
  assign clear_o = state_q == StClear;
  assign start_episode_o = state_q == StEpisode;
  assign start_segment_o = state_q == StSegment;
  assign segment_o = cycle_q[CYCLE_BITS-1:7];
  assign long_o = length > CYCLE_BITS'(64);
  assign leadable_o = length >= CYCLE_BITS'(40);
  assign flush_o = state_q == StEpisode || state_q == StSegment;
  assign run_o = state_q >= StRow;
  assign limited_o = changing;

  // Rows of the segment that begins: two a cycle, and before the first the power-up row. Only where
  // an exhaustive walk goes on from episode to episode does it matter that the last segment is
  // shorter.
  if (Clocks == 0) begin : gen_exact_rows
    logic [CYCLE_BITS-1:0] rest;
    logic [7:0] segment_cycles;
    assign rest = (state_q == StEpisode) ? length : length - cycle_q;
    assign segment_cycles = (rest > CYCLE_BITS'(128)) ? 8'd128 : rest[7:0];
    assign rows_o = {segment_cycles, 1'b0} + 9'(state_q == StEpisode);
  end else begin : gen_whole_rows
    assign rows_o = 9'd256 + 9'(state_q == StEpisode);
  end

  assign power_up_o = state_q == StRow || state_q == StPowerUp || state_q == StUp ||
      state_q == StDown;
  assign all_up_o = state_q == StPowerUp && tick_q == '0;
  assign all_down_o = (state_q == StUp && tick_q == '0) || state_q == StRow;

  // In the synchronous profile outputs are compared at the last moment before the active edge,
  // which is the next step's place; else at the end of each step.
  localparam logic [1:0] COMPARED = AfterFalling ? 2'd2 : 2'd0;
  assign compare_o = Synchronous ? (applies && next_step == COMPARED) : leaves;
  assign cycle_o = Synchronous ? cycle_d : cycle_q;
  assign step_o = Synchronous ? next_step : step_q;
  assign cycle_now_o = cycle_q;
  assign step_now_o = step_q;
  assign stepping_o = state_q == StStep;

  `ASSERT_INIT(StepClocksRange, StepClocks >= 1 && StepClocks <= 255, "1 to 255 clocks a step")
  `ASSERT(Counts, !(leaves && ends_run && episodes_q == '0), "a run of no episodes")

endmodule

`default_nettype wire
