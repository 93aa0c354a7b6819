// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// CRC-32 over all that was read and written, a bit a clock.

`default_nettype none

/// The reflected polynomial edb8_8320, first value all ones, no final inversion. It does not know
/// what it sums.
module checksum (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        set_i,
  input  logic        valid_i,
  input  logic        bit_i,
  output logic [31:0] sum_o
);

  localparam logic [31:0] POLYNOMIAL = 32'hedb8_8320;

  logic [31:0] sum_d, sum_q;
  always_comb begin
    sum_d = {1'b0, sum_q[31:1]} ^ ((sum_q[0] ^ bit_i) ? POLYNOMIAL : '0);
    if (set_i) begin
      sum_d = '1;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      sum_q <= '1;
    end else if (set_i || valid_i) begin
      sum_q <= sum_d;
    end
  end

  assign sum_o = sum_q;

endmodule

`default_nettype wire
