// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// What a reset does where it is no data: its start, the end of a pulse, a new pulse.

`include "harness_assert.svh"
`default_nettype none

/// The twin of `reset` in src/verify/stimulus/schedule.rs. Says when the reset takes a level and
/// which; the bit itself is an `input_bit`.
module reset_pulse import harness_pkg::*; #(
  parameter input_t Port         = '{width: 16'd1, kind: InputReset, active: 1'b1, default: '0},
  parameter logic   AfterFalling = 1'b0
) (
  input  logic              clk_i,
  input  logic              rst_ni,
  input  logic              fresh_i,
  input  episode_settings_t episode_i,
  input  logic [1:0]        start_cycles_i,
  input  logic [63:0]       control_i,
  input  logic              move_i,
  input  logic              commit_i,
  input  logic              power_up_i,
  // 0: this is an opportunity of step 0; 1: of step 2.
  input  logic              side_i,
  // This opportunity is the one at which resets start.
  input  logic              start_i,
  output logic              force_o,
  output logic              level_o
);

  localparam logic AFTER_EDGE_SIDE = !AfterFalling;

  // What the control says, a stage before the row takes it.
  logic glitch_q, pulse_q;
  logic [2:0] length_d, length_q;
  always_comb begin
    unique case (control_i[33:32])
      2'd0:    length_d = 3'd1;
      2'd3:    length_d = 3'd4;
      default: length_d = 3'd2;
    endcase
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      glitch_q <= 1'b0;
      pulse_q <= 1'b0;
      length_q <= '0;
    end else if (move_i) begin
      glitch_q <= control_i[8:7] == '0;
      pulse_q <= pulses(episode_i.rate, control_i[8:0]);
      length_q <= length_d;
    end
  end

  logic acts, may_glitch;
  logic [2:0] asserted_d, asserted_q;
  assign acts = commit_i && !power_up_i && episode_i.pulsed && episode_i.resets_at[side_i];
  assign may_glitch = episode_i.glitches && Port.synchronous;

  always_comb begin
    asserted_d = asserted_q;
    force_o = 1'b0;
    level_o = Port.active;
    if (commit_i && power_up_i) begin
      asserted_d = '0;
      force_o = 1'b1;
      level_o = !Port.active;
    end else if (acts && start_i) begin
      force_o = 1'b1;
      asserted_d = (episode_i.resets_at == 2'b11) ? {start_cycles_i, 1'b0} : {1'b0, start_cycles_i};
    end else if (acts && asserted_q != '0) begin
      asserted_d = asserted_q - 3'd1;
      force_o = asserted_q == 3'd1;
      level_o = !Port.active;
    end else if (acts && may_glitch) begin
      if (side_i == AFTER_EDGE_SIDE && glitch_q) begin
        asserted_d = 3'd1;
        force_o = 1'b1;
      end
    end else if (acts && pulse_q) begin
      asserted_d = length_q;
      force_o = 1'b1;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      asserted_q <= '0;
    end else begin
      asserted_q <= fresh_i ? '0 : asserted_d;
    end
  end

  logic unused_bits;
  assign unused_bits = ^{control_i[63:34], control_i[31:9], episode_i.data_at, episode_i.as_data,
                         episode_i.delayed};

endmodule

`default_nettype wire
