// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// One input of one bit: its control generator, its draws, and the bit in the row.

`include "harness_assert.svh"
`default_nettype none

/// Draws by bias or takes one of the legal levels, or is timed: then it inverts when its count of
/// opportunities runs out and takes a new one. What is special about a reset comes from outside, by
/// `force_i`; clocks are elsewhere.
module input_bit import harness_pkg::*; #(
  parameter input_t           Port          = '{width: 16'd1, kind: InputData, default: '0},
  parameter logic             Counters      = 1'b0,
  parameter int unsigned      DurationCount = 2,
  parameter logic [15:0][7:0] Durations     = 128'h0a_05
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  // Words and settings of the episode and its segments.
  input  logic            fresh_i,
  input  logic            load_control_i,
  input  logic            load_settings_i,
  input  logic [63:0]     word_i,
  input  input_settings_t settings_i,
  // The draws ahead.
  input  logic            move_i,
  input  logic            late_i,
  input  logic            walks_i,
  input  logic            walk_bit_i,
  // The row.
  input  logic            commit_i,
  input  logic            power_up_i,
  input  logic            may_change_i,
  input  logic            both_sides_i,
  input  logic            force_i,
  input  logic            force_level_i,
  output logic [63:0]     control_o,
  output input_settings_t settings_o,
  output logic            next_o,
  output logic            value_o
);

  localparam logic LIMITED = Port.restricted && !(Port.legal_low && Port.legal_high);

  logic [63:0] control;
  generator u_control (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .load_i  (load_control_i),
    .word_i  (word_i),
    .step_i  (late_i),
    .state_o (control)
  );

  input_settings_t settings_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      settings_q <= '0;
    end else if (load_settings_i) begin
      settings_q <= settings_i;
    end
  end

  // The draw, formed a stage before the row takes it.
  logic drawn_d, drawn_q, due_d, due_q, walks_q;
  always_comb begin
    if (walks_i) begin
      drawn_d = walk_bit_i;
    end else if (Port.restricted) begin
      drawn_d = control[31];
    end else begin
      drawn_d = biased(settings_q.bias, control[11:6]);
    end
    if (LIMITED) begin
      drawn_d = Port.legal_high;
    end
    due_d = walks_i || draws(settings_q.hold, control[5:0]);
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      drawn_q <= 1'b0;
      due_q <= 1'b0;
      walks_q <= 1'b0;
    end else if (move_i) begin
      drawn_q <= drawn_d;
      due_q <= due_d;
      walks_q <= walks_i;
    end
  end

  logic changes, is_timed, runs_out;
  assign changes = commit_i && may_change_i && !power_up_i;

  if (DurationCount != 0 && !Port.restricted) begin : gen_timed
    // How long the input stays next, in cycles, and for how many opportunities it stays still.
    logic [8:0] cycles_d, cycles_q;
    logic [9:0] stay_d, stay_q;
    logic [3:0] choice;
    logic few;
    logic [20:0] product;
    assign product = 21'(control[31:16]) * 21'(DurationCount);
    assign choice = (DurationCount == 1) ? '0 : product[19:16];
    assign few = control[12] == 1'b0 && (!Counters || control[13] == 1'b0);
    always_comb begin
      if (few) begin
        cycles_d = 9'd1 + 9'(control[15:14]);
      end else begin
        cycles_d = 9'(Durations[choice]) + 9'(control[33:32]) - 9'd1;
      end
    end

    assign is_timed = settings_q.hold == HoldTimed && !walks_q;
    assign runs_out = stay_q <= 10'd1;
    always_comb begin
      stay_d = stay_q;
      if (fresh_i) begin
        stay_d = '0;
      end else if (changes && is_timed) begin
        stay_d = stay_q - 10'd1;
        if (runs_out) begin
          stay_d = both_sides_i ? {cycles_q, 1'b0} : {1'b0, cycles_q};
        end
      end
    end

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        cycles_q <= '0;
        stay_q <= '0;
      end else begin
        if (move_i) begin
          cycles_q <= cycles_d;
        end
        stay_q <= stay_d;
      end
    end

    logic unused_product;
    assign unused_product = product[20] ^ (^product[15:0]);
  end else begin : gen_untimed
    assign is_timed = 1'b0;
    assign runs_out = 1'b0;
    logic unused_timed;
    assign unused_timed = ^{fresh_i, both_sides_i, walks_q};
  end

  logic value_d, value_q;
  always_comb begin
    value_d = value_q;
    if (force_i) begin
      value_d = LIMITED ? Port.legal_high : force_level_i;
    end else if (commit_i && power_up_i) begin
      value_d = drawn_q;
    end else if (changes && is_timed) begin
      value_d = value_q ^ runs_out;
    end else if (changes && due_q) begin
      value_d = drawn_q;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      value_q <= 1'b0;
    end else begin
      value_q <= value_d;
    end
  end

  assign control_o = control;
  assign settings_o = settings_q;
  assign next_o = value_d;
  assign value_o = value_q;

  `ASSERT_INIT(OneBit, Port.width == 16'd1, "an input of one bit")
  `ASSERT_INIT(DurationsRange, DurationCount <= 16, "16 durations at most")

endmodule

`default_nettype wire
