// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// One xorshift64 generator.

`include "harness_assert.svh"
`default_nettype none

/// Keeps a state, takes a new one or steps it. The state is the noise: there is no output function.
module generator import harness_pkg::*; (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        load_i,
  input  logic [63:0] word_i,
  input  logic        step_i,
  output logic [63:0] state_o
);

  logic [63:0] state_d, state_q;
  assign state_d = load_i ? word_i : xorshift(state_q);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= '0;
    end else if (load_i || step_i) begin
      state_q <= state_d;
    end
  end

  assign state_o = state_q;

  `ASSERT(NotZero, !(load_i && word_i == '0), "a generator at 0 stays there")

endmodule

`default_nettype wire
