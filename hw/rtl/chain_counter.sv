// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// A counter that is a piece of the result chain.

`default_nettype none

/// Counts by shifting with feedback (32 bits, taps 32, 22, 2, 1, XNOR), so that counting and being
/// read are the same movement: a flip-flop a bit, one LUT in all. The host turns the state into a
/// number.
module chain_counter (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic count_i,
  input  logic shift_i,
  input  logic chain_i,
  output logic chain_o
);

  logic [31:0] state_q;
  logic feedback;
  assign feedback = !(state_q[31] ^ state_q[21] ^ state_q[1] ^ state_q[0]);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= '0;
    end else if (shift_i || count_i) begin
      state_q <= {state_q[30:0], shift_i ? chain_i : feedback};
    end
  end

  assign chain_o = state_q[31];

endmodule

`default_nettype wire
