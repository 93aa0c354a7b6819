// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// One lane of an input's table: 256 entries that the host writes and a draw reads.

`default_nettype none

/// A block RAM with one write and one read port. Nothing reads what was not written: the counts
/// keep to it.
module table_ram #(
  parameter int unsigned Width = 8
) (
  input  logic             clk_i,
  input  logic             write_i,
  input  logic [7:0]       write_entry_i,
  input  logic [Width-1:0] write_data_i,
  input  logic             read_i,
  input  logic [7:0]       read_entry_i,
  output logic [Width-1:0] data_o
);

  // Tables are written between runs: what a read gives while its entry is written matters to
  // nobody.
  (* ram_style = "block", no_rw_check *)
  logic [Width-1:0] entries[256];

  // No reset: a block RAM has none.
  always_ff @(posedge clk_i) begin
    if (write_i) begin
      entries[write_entry_i] <= write_data_i;
    end
    if (read_i) begin
      data_o <= entries[read_entry_i];
    end
  end

endmodule

`default_nettype wire
