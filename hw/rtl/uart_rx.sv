// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// Bytes from a UART line: 8 data bits, no parity, one stop bit.

`include "harness_assert.svh"
`default_nettype none

/// Samples each bit in its middle, counted from the falling edge of the start bit. A byte without
/// its stop bit is dropped, so a break or a wrong rate gives nothing; noise within a byte is not
/// seen here.
module uart_rx #(
  parameter int unsigned Divisor = 12
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       rx_i,
  output logic       valid_o,
  output logic [7:0] data_o
);

  localparam int unsigned COUNT_BITS = $clog2(Divisor + 1);

  typedef enum logic [1:0] {
    // The line is at rest.
    StIdle,
    // Half a bit to the middle of the start bit.
    StStart,
    // The data bits, and the stop bit after them.
    StBits
  } state_e;

  state_e state_d, state_q;
  logic rx_q, rx_q2;
  logic [COUNT_BITS-1:0] count_d, count_q;
  logic [3:0] bits_d, bits_q;
  logic [7:0] data_d, data_q;
  logic sample;

  assign sample = count_q == '0;

  always_comb begin
    state_d = state_q;
    bits_d = bits_q;
    data_d = data_q;
    count_d = sample ? COUNT_BITS'(Divisor - 1) : count_q - COUNT_BITS'(1);
    unique case (state_q)
      StIdle: begin
        count_d = COUNT_BITS'(Divisor / 2 - 1);
        bits_d = '0;
        state_d = rx_q2 ? StIdle : StStart;
      end
      StStart: begin
        if (sample) begin
          state_d = rx_q2 ? StIdle : StBits;
        end
      end
      StBits: begin
        if (sample && bits_q[3]) begin
          state_d = StIdle;
        end else if (sample) begin
          data_d = {rx_q2, data_q[7:1]};
          bits_d = bits_q + 4'd1;
        end
      end
      default: state_d = StIdle;
    endcase
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      rx_q <= 1'b1;
      rx_q2 <= 1'b1;
      count_q <= '0;
      bits_q <= '0;
      data_q <= '0;
    end else begin
      state_q <= state_d;
      rx_q <= rx_i;
      rx_q2 <= rx_q;
      count_q <= count_d;
      bits_q <= bits_d;
      data_q <= data_d;
    end
  end

  assign valid_o = state_q == StBits && sample && bits_q[3] && rx_q2;
  assign data_o = data_q;

  `ASSERT_INIT(DivisorRange, Divisor >= 4, "4 clocks a bit at least")

endmodule

`default_nettype wire
