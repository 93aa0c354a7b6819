// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// The harness: a UART on one side, golden module and candidates on the other.

`include "harness_assert.svh"
`default_nettype none

/// Joins link, registers, player, comparator and results. hw/README.md is its contract. It has no
/// golden module and no candidate in it: those are `slots`, beside it in `build`.
module harness import harness_pkg::*; #(
  parameter int unsigned      InputCount    = 3,
  parameter inputs_t          Inputs        = EXAMPLE_INPUTS,
  parameter int unsigned      OutputCount   = 2,
  parameter widths_t          OutputWidths  = widths_t'({16'd3, 16'd8}),
  parameter int unsigned      SlotCount     = 3,
  parameter logic             Synchronous   = 1'b0,
  parameter logic             AfterFalling  = 1'b0,
  parameter logic             Sequential    = 1'b1,
  parameter logic             Initialised   = 1'b0,
  parameter logic             Counters      = 1'b0,
  parameter int unsigned      DurationCount = 0,
  parameter logic [15:0][7:0] Durations     = '0,
  parameter int unsigned      StepClocks    = 1,
  parameter logic [63:0]      BuildId       = 64'd0,
  parameter logic [7:0]       Board         = 8'd0,
  parameter int unsigned      UartDivisor   = 12,
  parameter int unsigned      TimeoutClocks = 1 << 20,
  localparam int unsigned     InputBits     = input_offset(Inputs, InputCount),
  localparam int unsigned     OutputBits    = output_offset(OutputWidths, OutputCount)
) (
  input  logic                                      clk_i,
  input  logic                                      rst_ni,
  input  logic                                      uart_rx_i,
  output logic                                      uart_tx_o,
  output logic                                      busy_o,
  output logic [InputBits-1:0]                      inputs_o,
  output logic                                      power_up_o,
  output logic                                      fault_o,
  input  logic [1:0][OutputBits-1:0]                golden_i,
  input  logic [SlotCount-1:0][1:0][OutputBits-1:0] candidate_i
);

  //////////
  // Link //
  //////////

  logic rx_valid, tx_valid, tx_ready;
  logic [7:0] rx_data, tx_data;
  logic bus_write, bus_read, bus_ready;
  logic [31:0] bus_address, bus_write_data, bus_read_data;
  logic crc_set, crc_valid, crc_bit;
  logic [31:0] crc;

  uart_rx #(
    .Divisor (UartDivisor)
  ) u_uart_rx (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .rx_i    (uart_rx_i),
    .valid_o (rx_valid),
    .data_o  (rx_data)
  );

  uart_tx #(
    .Divisor (UartDivisor)
  ) u_uart_tx (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .valid_i (tx_valid),
    .data_i  (tx_data),
    .ready_o (tx_ready),
    .tx_o    (uart_tx_o)
  );

  bone #(
    .TimeoutClocks (TimeoutClocks),
    .CrcAddress    (32'd7)
  ) u_bone (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .rx_valid_i   (rx_valid),
    .rx_data_i    (rx_data),
    .tx_valid_o   (tx_valid),
    .tx_data_o    (tx_data),
    .tx_ready_i   (tx_ready),
    .write_o      (bus_write),
    .read_o       (bus_read),
    .address_o    (bus_address),
    .write_data_o (bus_write_data),
    .ready_i      (bus_ready),
    .read_data_i  (bus_read_data),
    .crc_valid_o  (crc_valid),
    .crc_bit_o    (crc_bit)
  );

  checksum u_checksum (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .set_i   (crc_set),
    .valid_i (crc_valid),
    .bit_i   (crc_bit),
    .sum_o   (crc)
  );

  ///////////////
  // Registers //
  ///////////////

  logic start, stop, busy, done, stopped, walk, stop_at_hit, hit;
  logic turn_stream, stream_bit;
  flavour_e flavour;
  logic [1:0] sequence_number;
  logic [CYCLE_BITS-1:0] cycles, last_cycles, number, episodes;
  logic [5:0] leader;
  logic [31:0] select, table_at;
  logic [7:0] fault_place;
  logic write_number, write_episodes, write_table;
  logic [4:0] write_walk;
  logic [4:0][31:0] walk_registers;
  logic read_result, result_ready;
  logic [31:0] result;

  registers #(
    .BuildId     (BuildId),
    .Board       (Board),
    .InputCount  (InputCount),
    .OutputCount (OutputCount),
    .SlotCount   (SlotCount)
  ) u_registers (
    .clk_i            (clk_i),
    .rst_ni           (rst_ni),
    .write_i          (bus_write),
    .read_i           (bus_read),
    .address_i        (bus_address),
    .write_data_i     (bus_write_data),
    .ready_o          (bus_ready),
    .read_data_o      (bus_read_data),
    .start_o          (start),
    .stop_o           (stop),
    .busy_i           (busy),
    .done_i           (done),
    .stopped_i        (stopped),
    .turn_stream_i    (turn_stream),
    .stream_bit_o     (stream_bit),
    .flavour_o        (flavour),
    .sequence_o       (sequence_number),
    .walk_o           (walk),
    .stop_at_hit_o    (stop_at_hit),
    .cycles_o         (cycles),
    .last_cycles_o    (last_cycles),
    .leader_o         (leader),
    .select_o         (select),
    .fault_o          (fault_place),
    .write_number_o   (write_number),
    .write_episodes_o (write_episodes),
    .write_walk_o     (write_walk),
    .number_i         (number),
    .episodes_i       (episodes),
    .walk_i           (walk_registers),
    .write_table_o    (write_table),
    .table_at_o       (table_at),
    .set_crc_o        (crc_set),
    .crc_i            (crc),
    .read_result_o    (read_result),
    .result_ready_i   (result_ready),
    .result_i         (result)
  );

  ////////////
  // Player //
  ////////////

  logic clear, cleared, comparison, settled, stepping;
  logic [CYCLE_BITS-1:0] cycle;
  logic [1:0] step, step_now;
  logic [5:0] cycle_now;

  player #(
    .InputCount    (InputCount),
    .Inputs        (Inputs),
    .Synchronous   (Synchronous),
    .AfterFalling  (AfterFalling),
    .Sequential    (Sequential),
    .Initialised   (Initialised),
    .Counters      (Counters),
    .DurationCount (DurationCount),
    .Durations     (Durations),
    .StepClocks    (StepClocks)
  ) u_player (
    .clk_i            (clk_i),
    .rst_ni           (rst_ni),
    .start_i          (start),
    .stop_i           (stop || (hit && stop_at_hit)),
    .turn_stream_o    (turn_stream),
    .stream_bit_i     (stream_bit),
    .flavour_i        (flavour),
    .sequence_i       (sequence_number),
    .walk_i           (walk),
    .leader_i         (leader),
    .cycles_i         (cycles),
    .last_cycles_i    (last_cycles),
    .write_number_i   (write_number),
    .write_episodes_i (write_episodes),
    .table_write_i    (write_table),
    .table_at_i       (table_at),
    .walk_write_i     (write_walk),
    .write_data_i     (bus_write_data),
    .number_o         (number),
    .episodes_o       (episodes),
    .walk_registers_o (walk_registers),
    .busy_o           (busy),
    .done_o           (done),
    .stopped_o        (stopped),
    .clear_o          (clear),
    .cleared_i        (cleared),
    .power_up_o       (power_up_o),
    .row_o            (inputs_o),
    .compare_o        (comparison),
    .settled_o        (settled),
    .cycle_o          (cycle),
    .step_o           (step),
    .stepping_o       (stepping),
    .cycle_now_o      (cycle_now),
    .step_now_o       (step_now)
  );

  // Slot 1 is wrong at a place that the host chooses.
  assign fault_o = stepping && {step_now, cycle_now} == fault_place;

  ////////////////////////////
  // Comparison and results //
  ////////////////////////////

  logic point;
  logic [SlotCount-1:0][OutputCount-1:0] mismatch;
  logic [OutputBits-1:0] seen_low, seen_high, undefined;
  assign point = comparison && settled;

  compare #(
    .SlotCount    (SlotCount),
    .OutputCount  (OutputCount),
    .OutputWidths (OutputWidths)
  ) u_compare (
    .point_i     (point),
    .golden_i    (golden_i),
    .candidate_i (candidate_i),
    .mismatch_o  (mismatch),
    .seen_low_o  (seen_low),
    .seen_high_o (seen_high),
    .undefined_o (undefined)
  );

  results #(
    .SlotCount   (SlotCount),
    .OutputCount (OutputCount),
    .OutputBits  (OutputBits)
  ) u_results (
    .clk_i           (clk_i),
    .rst_ni          (rst_ni),
    .clear_i         (clear),
    .cleared_o       (cleared),
    .read_i          (read_result),
    .word_i          (bus_address[15:0] - 16'h400),
    .ready_o         (result_ready),
    .data_o          (result),
    .point_i         (point),
    .fault_i         (fault_o),
    .number_i        (number),
    .cycle_i         (cycle),
    .step_i          (step),
    .mismatch_i      (mismatch),
    .seen_low_i      (seen_low),
    .seen_high_i     (seen_high),
    .undefined_i     (undefined),
    .select_slot_i   (select[15:0]),
    .select_output_i (select[30:16]),
    .select_any_i    (select[31]),
    .hit_o           (hit)
  );

  assign busy_o = busy;

  // An access is summed while the next byte comes: in 66 clocks.
  `ASSERT_INIT(DivisorRange, UartDivisor >= 8, "8 clocks a bit at least")
  `ASSERT_INIT(OutputsRange, OutputCount >= 1 && OutputCount <= OUTPUTS_MAX, "1 to 64 outputs")
  `ASSERT_INIT(SlotsRange, SlotCount >= 2, "the two controls at least")

endmodule

`default_nettype wire
