// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// The words of an episode or a segment, one after the other, each with what it is to be loaded
// into.

`include "harness_assert.svh"
`default_nettype none

/// Goes through the lanes of the definition: for an episode its root, its settings, the generators'
/// first states; for a segment the settings alone. Each word appears for one clock with `load_o`.
/// It does not interpret a word.
module words import harness_pkg::*; #(
  parameter int unsigned InputCount = 3,
  parameter inputs_t     Inputs     = EXAMPLE_INPUTS
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  start_episode_i,
  input  logic                  start_segment_i,
  // The stream, which turns by a bit at a time, highest first, and comes round.
  output logic                  turn_stream_o,
  input  logic                  stream_bit_i,
  input  logic [1:0]            sequence_i,
  input  logic [CYCLE_BITS-1:0] number_i,
  input  logic [CYCLE_BITS-8:0] segment_i,
  output logic                  load_o,
  output lane_e                 lane_o,
  output logic [5:0]            input_o,
  output logic [4:0]            slice_o,
  output logic [63:0]           word_o,
  output logic                  done_o
);

  localparam logic SEVERAL_CLOCKS = count_kind(Inputs, InputCount, InputClock) > 1;

  typedef enum logic [1:0] {
    // Waits for a start.
    StIdle,
    // Computes the root of the episode.
    StRoot,
    // Computes a word.
    StWord,
    // Chooses the next word.
    StNext
  } state_e;

  state_e state_d, state_q;
  lane_e lane_d, lane_q;
  logic [5:0] input_d, input_q;
  logic [4:0] slice_d, slice_q;
  logic segment_only_d, segment_only_q;
  logic [63:0] root_q;
  logic mix_start, mix_done, mix_nothing;
  logic [63:0] mix_word;

  // What the inputs need, by number.
  logic [INPUTS_MAX-1:0] is_clock;
  logic [INPUTS_MAX-1:0][4:0] slice_count;
  always_comb begin
    for (int unsigned i = 0; i < INPUTS_MAX; i++) begin
      is_clock[i] = Inputs[i].kind == InputClock;
      slice_count[i] = 5'(slices(Inputs[i]));
    end
  end

  logic last_input, has_slices, last_slice;
  assign last_input = input_q == 6'(InputCount - 1);
  assign has_slices = slice_count[input_q] != '0;
  assign last_slice = slice_q + 5'd1 == slice_count[input_q];

  // The lane's number: slices from 0; the control and the settings of segment 0 from 8000_0000 on.
  logic [31:0] lane_number;
  logic of_whole;
  assign of_whole = lane_q == LaneWhole || lane_q == LaneEdges;
  always_comb begin
    unique case (lane_q)
      LaneEdges, LaneControl:  lane_number = 32'h8000_0000;
      LaneSlice:               lane_number = 32'(slice_q);
      LaneWhole, LaneSettings: lane_number = {1'b1, 28'(segment_i), 3'd1};
      LaneMenu:                lane_number = {1'b1, 28'(segment_i), 3'd2};
      default:                 lane_number = {1'b1, 28'(segment_i), 3'd3};
    endcase
  end

  // Bits of the state that a word is mixed from: the stream or the root, which turn, and what tells
  // words apart.
  logic mix_takes, mix_bit;
  logic [5:0] mix_number;
  logic [63:0] apart;
  always_comb begin
    apart = {of_whole ? '1 : 32'(input_q), lane_number};
    if (state_q == StRoot) begin
      apart = {30'd0, sequence_i, 32'(number_i)};
    end
    mix_bit = apart[mix_number] ^ ((state_q == StRoot) ? stream_bit_i : root_q[63]);
  end
  assign turn_stream_o = mix_takes && state_q == StRoot;

  mix u_mix (
    .clk_i     (clk_i),
    .rst_ni    (rst_ni),
    .start_i   (mix_start),
    .takes_o   (mix_takes),
    .number_o  (mix_number),
    .bit_i     (mix_bit),
    .done_o    (mix_done),
    .word_o    (mix_word),
    .nothing_o (mix_nothing)
  );

  // One start a word: it is given in the first clock of a state, before the unit is under way. A
  // clock has no words: its lane is passed over.
  logic passes, running_d, running_q;
  assign passes = is_clock[input_q] && !of_whole;
  assign mix_start = (state_q == StRoot || (state_q == StWord && !passes)) && !running_q;
  assign running_d = (running_q || mix_start) && !mix_done;

  always_comb begin
    state_d = state_q;
    segment_only_d = segment_only_q;
    unique case (state_q)
      StIdle: begin
        segment_only_d = start_segment_i;
        if (start_episode_i) begin
          state_d = StRoot;
        end else if (start_segment_i) begin
          state_d = StWord;
        end
      end
      StRoot:  state_d = mix_done ? StWord : StRoot;
      StWord:  state_d = (mix_done || passes) ? StNext : StWord;
      StNext:  state_d = done_o ? StIdle : StWord;
      default: state_d = StIdle;
    endcase
  end

  // The next lane of the same input, or the first of the next one.
  logic input_is_done;
  always_comb begin
    lane_d = lane_q;
    slice_d = '0;
    input_is_done = 1'b0;
    unique case (lane_q)
      LaneWhole:   lane_d = (SEVERAL_CLOCKS && !segment_only_q) ? LaneEdges : LaneControl;
      LaneEdges:   lane_d = LaneControl;
      LaneControl: lane_d = has_slices ? LaneSlice : LaneSettings;
      LaneSlice: begin
        lane_d = last_slice ? LaneSettings : LaneSlice;
        slice_d = slice_q + 5'd1;
      end
      LaneSettings: begin
        lane_d = has_slices ? LaneMenu : LaneControl;
        input_is_done = !has_slices;
      end
      LaneMenu: lane_d = LaneMenuSecond;
      default: begin
        lane_d = LaneControl;
        input_is_done = 1'b1;
      end
    endcase
    if (passes) begin
      lane_d = LaneControl;
      input_is_done = 1'b1;
    end
    if (segment_only_q && lane_d == LaneControl) begin
      lane_d = LaneSettings;
    end
  end

  assign input_d = input_is_done ? input_q + 6'd1 : input_q;
  assign done_o = state_q == StNext && last_input && input_is_done;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      segment_only_q <= 1'b0;
      running_q <= 1'b0;
      root_q <= '0;
      lane_q <= LaneWhole;
      input_q <= '0;
      slice_q <= '0;
    end else begin
      state_q <= state_d;
      segment_only_q <= segment_only_d;
      running_q <= running_d;
      if (state_q == StRoot || mix_takes) begin
        root_q <= (state_q == StRoot) ? mix_word : {root_q[62:0], root_q[63]};
      end
      if (state_q == StIdle) begin
        lane_q <= LaneWhole;
        input_q <= '0;
        slice_q <= '0;
      end else if (state_q == StNext) begin
        lane_q <= lane_d;
        input_q <= input_d;
        slice_q <= slice_d;
      end
    end
  end

  assign load_o = mix_done && state_q == StWord;
  assign lane_o = lane_q;
  assign input_o = input_q;
  assign slice_o = slice_q;
  // Only generators need a state that is not 0; others are taken as they are.
  logic of_generator;
  assign of_generator = lane_q == LaneEdges || lane_q == LaneControl || lane_q == LaneSlice;
  assign word_o = (of_generator && mix_nothing) ? GAMMA : mix_word;

  `ASSERT_INIT(InputCountRange, InputCount >= 1 && InputCount <= INPUTS_MAX, "1 to 64 inputs")
  `ASSERT(OneStart, !(start_episode_i && start_segment_i), "an episode and a segment at once")

endmodule

`default_nettype wire
