// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// The first mismatch of the selection: two words of the result chain.

`default_nettype none

/// Takes each comparison's place until the mismatch of one of them, which is known a clock later,
/// holds the last. Its words are the cycle with the step and whether there was one, then the
/// episode.
module chain_capture import harness_pkg::*; (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  compare_i,
  input  logic [CYCLE_BITS-1:0] cycle_i,
  input  logic [1:0]            step_i,
  input  logic [CYCLE_BITS-1:0] number_i,
  // The comparison of the clock before mismatched.
  input  logic                  hit_i,
  input  logic                  shift_i,
  input  logic                  chain_i,
  output logic                  chain_o
);

  logic [62:0] place_q;
  logic found_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      found_q <= 1'b0;
      place_q <= '0;
    end else if (shift_i) begin
      found_q <= place_q[62];
      place_q <= {place_q[61:0], chain_i};
    end else begin
      found_q <= found_q || hit_i;
      if (compare_i && !found_q && !hit_i) begin
        place_q <= {step_i, 5'd0, cycle_i, 8'd0, number_i};
      end
    end
  end

  assign chain_o = found_q;

endmodule

`default_nettype wire
