// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// The reset of a board without a reset pin: asserted from configuration on, released in step with
// the clock.

`include "harness_assert.svh"
`default_nettype none

/// Relies on flip-flops that configuration sets to their initial values. The wait is for block RAM,
/// which iCE40 chips cannot read in the first microseconds, and for an oscillator that starts.
module power_on_reset #(
  parameter int unsigned Clocks = 255
) (
  input  logic clk_i,
  output logic rst_no
);

  localparam int unsigned COUNT_BITS = $clog2(Clocks + 1);

  // No reset: this is where it comes from.
  logic [COUNT_BITS-1:0] count_q = '0;
  logic rst_nq = 1'b0;
  always_ff @(posedge clk_i) begin
    count_q <= (count_q == COUNT_BITS'(Clocks)) ? count_q : count_q + COUNT_BITS'(1);
    rst_nq <= count_q == COUNT_BITS'(Clocks);
  end

  assign rst_no = rst_nq;

  `ASSERT_INIT(ClocksRange, Clocks >= 1, "one clock at least")

endmodule

`default_nettype wire
