// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// iCEBreaker: iCE40 UP5K, 12 MHz, 1 Mbaud.

`default_nettype none

/// Pins, clock and reset around a build; no function. The oscillator is the clock: no PLL, so that
/// what is simulated of the bitstream is all of it.
module top (
  input  logic clk_i,
  input  logic uart_rx_i,
  output logic uart_tx_o
);

  logic rst_n;

  power_on_reset u_power_on_reset (
    .clk_i  (clk_i),
    .rst_no (rst_n)
  );

  build #(
    .UartDivisor (12),
    .Board       (8'd1)
  ) u_build (
    .clk_i     (clk_i),
    .rst_ni    (rst_n),
    .uart_rx_i (uart_rx_i),
    .uart_tx_o (uart_tx_o),
    .busy_o    ()
  );

endmodule

`default_nettype wire
