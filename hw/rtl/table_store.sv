// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// The table of one wide input: values, masks, and how many there are.

`include "harness_assert.svh"
`default_nettype none

/// Slices of 32 bits are written one at a time and read all together. Own constants or legal values
/// stand from entry 0 on, the pool's constants from entry 128 on.
module table_store #(
  parameter int unsigned Width = 8
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             write_i,
  input  logic [7:0]       write_lane_i,
  input  logic [7:0]       write_entry_i,
  input  logic [31:0]      write_data_i,
  input  logic             read_i,
  input  logic [7:0]       read_entry_i,
  output logic [Width-1:0] value_o,
  output logic [Width-1:0] mask_o,
  output logic [7:0]       own_count_o,
  output logic [7:0]       pool_count_o
);

  localparam int unsigned SLICES = (Width + 31) / 32;
  localparam logic [7:0] LANE_COUNTS = 8'hff;

  for (genvar s = 0; s < SLICES; s++) begin : gen_slice
    localparam int unsigned SLICE_WIDTH = (Width - 32 * s > 32) ? 32 : Width - 32 * s;

    table_ram #(
      .Width (SLICE_WIDTH)
    ) u_value (
      .clk_i         (clk_i),
      .write_i       (write_i && write_lane_i == 8'(2 * s)),
      .write_entry_i (write_entry_i),
      .write_data_i  (write_data_i[SLICE_WIDTH-1:0]),
      .read_i        (read_i),
      .read_entry_i  (read_entry_i),
      .data_o        (value_o[32*s+:SLICE_WIDTH])
    );

    table_ram #(
      .Width (SLICE_WIDTH)
    ) u_mask (
      .clk_i         (clk_i),
      .write_i       (write_i && write_lane_i == 8'(2 * s + 1)),
      .write_entry_i (write_entry_i),
      .write_data_i  (write_data_i[SLICE_WIDTH-1:0]),
      .read_i        (read_i),
      .read_entry_i  (read_entry_i),
      .data_o        (mask_o[32*s+:SLICE_WIDTH])
    );
  end

  logic [7:0] own_count_q, pool_count_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      own_count_q <= '0;
      pool_count_q <= '0;
    end else if (write_i && write_lane_i == LANE_COUNTS) begin
      own_count_q <= write_data_i[7:0];
      pool_count_q <= write_data_i[15:8];
    end
  end

  assign own_count_o = own_count_q;
  assign pool_count_o = pool_count_q;

  if (Width < 32) begin : gen_narrow
    logic unused_data;
    assign unused_data = ^write_data_i[31:16];
  end

  `ASSERT_INIT(WidthRange, Width >= 2 && SLICES <= 31, "2 to 992 bits")

endmodule

`default_nettype wire
