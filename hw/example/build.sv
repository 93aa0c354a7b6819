// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// A build as the host would generate it, by hand: what boards are measured with.

`default_nettype none

/// The harness around `slots`, for the interface of `example_golden`. The number of slots is a
/// macro, so that one text serves all sizes.
module build import harness_pkg::*; #(
  parameter int unsigned UartDivisor   = 12,
  parameter int unsigned TimeoutClocks = 1 << 20,
  parameter logic [7:0]  Board         = 8'd0
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic uart_rx_i,
  output logic uart_tx_o,
  output logic busy_o
);

  localparam int unsigned SlotCount = `EXAMPLE_SLOTS;
  localparam inputs_t Inputs = inputs_t'({
    input_t'{width: 16'd8, kind: InputData, tables: 1'b1, default: '0},
    input_t'{width: 16'd1, kind: InputData, default: '0},
    input_t'{width: 16'd1, kind: InputReset, active: 1'b1, synchronous: 1'b1, default: '0},
    input_t'{width: 16'd1, kind: InputClock, rising: 1'b1, default: '0}
  });

  logic power_up, fault;
  logic [10:0] inputs;
  logic [1:0][8:0] golden;
  logic [SlotCount-1:0][1:0][8:0] candidate;

  harness #(
    .InputCount    (4),
    .Inputs        (Inputs),
    .OutputCount   (2),
    .OutputWidths  (widths_t'({16'd1, 16'd8})),
    .SlotCount     (SlotCount),
    .BuildId       (64'h6578_616d_706c_6500),
    .Board         (Board),
    .UartDivisor   (UartDivisor),
    .TimeoutClocks (TimeoutClocks)
  ) u_harness (
    .clk_i       (clk_i),
    .rst_ni      (rst_ni),
    .uart_rx_i   (uart_rx_i),
    .uart_tx_o   (uart_tx_o),
    .busy_o      (busy_o),
    .inputs_o    (inputs),
    .power_up_o  (power_up),
    .fault_o     (fault),
    .golden_i    (golden),
    .candidate_i (candidate)
  );

  slots #(
    .SlotCount (SlotCount)
  ) u_slots (
    .power_up_i  (power_up),
    .fault_i     (fault),
    .inputs_i    (inputs),
    .golden_o    (golden),
    .candidate_o (candidate)
  );

endmodule

`default_nettype wire
