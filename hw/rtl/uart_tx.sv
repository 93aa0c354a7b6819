// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// Bytes to a UART line: 8 data bits, no parity, one stop bit.

`include "harness_assert.svh"
`default_nettype none

/// Sends a byte when it is ready for one; it has no buffer.
module uart_tx #(
  parameter int unsigned Divisor = 12
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       valid_i,
  input  logic [7:0] data_i,
  output logic       ready_o,
  output logic       tx_o
);

  localparam int unsigned COUNT_BITS = $clog2(Divisor + 1);

  // The line's bits, the next one lowest; ones come after them. It is at rest when all have gone.
  logic [8:0] line_d, line_q;
  logic [3:0] bits_d, bits_q;
  logic [COUNT_BITS-1:0] count_d, count_q;
  logic last;

  assign ready_o = bits_q == '0;
  assign last = count_q == '0;

  always_comb begin
    line_d = line_q;
    bits_d = bits_q;
    count_d = last ? COUNT_BITS'(Divisor - 1) : count_q - COUNT_BITS'(1);
    if (ready_o) begin
      count_d = COUNT_BITS'(Divisor - 1);
      if (valid_i) begin
        line_d = {data_i, 1'b0};
        bits_d = 4'd10;
      end
    end else if (last) begin
      line_d = {1'b1, line_q[8:1]};
      bits_d = bits_q - 4'd1;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      line_q <= '1;
      bits_q <= '0;
      count_q <= '0;
    end else begin
      line_q <= line_d;
      bits_q <= bits_d;
      count_q <= count_d;
    end
  end

  assign tx_o = line_q[0];

  `ASSERT_INIT(DivisorRange, Divisor >= 4, "4 clocks a bit at least")

endmodule

`default_nettype wire
