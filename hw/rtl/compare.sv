// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// Outputs of the golden module beside those of all slots.

`default_nettype none

/// A golden bit counts where its two power-up twins agree; an output of a slot mismatches where
/// either of the slot's twins differs in a bit that counts. Combinational: what is kept is
/// elsewhere.
module compare import harness_pkg::*; #(
  parameter int unsigned  SlotCount    = 3,
  parameter int unsigned  OutputCount  = 2,
  parameter widths_t      OutputWidths = widths_t'({16'd3, 16'd8}),
  localparam int unsigned OutputBits   = output_offset(OutputWidths, OutputCount)
) (
  input  logic                                      point_i,
  input  logic [1:0][OutputBits-1:0]                golden_i,
  input  logic [SlotCount-1:0][1:0][OutputBits-1:0] candidate_i,
  output logic [SlotCount-1:0][OutputCount-1:0]     mismatch_o,
  output logic [OutputBits-1:0]                     seen_low_o,
  output logic [OutputBits-1:0]                     seen_high_o,
  output logic [OutputBits-1:0]                     undefined_o
);

  logic [OutputBits-1:0] differs;
  assign differs = golden_i[0] ^ golden_i[1];
  assign seen_low_o = point_i ? ~(golden_i[0] | golden_i[1]) : '0;
  assign seen_high_o = point_i ? golden_i[0] & golden_i[1] : '0;
  assign undefined_o = point_i ? differs : '0;

  for (genvar k = 0; k < SlotCount; k++) begin : gen_slot
    logic [OutputBits-1:0] wrong;
    assign wrong = ~differs &
        ((candidate_i[k][0] ^ golden_i[0]) | (candidate_i[k][1] ^ golden_i[0]));
    for (genvar o = 0; o < OutputCount; o++) begin : gen_output
      localparam int unsigned WIDTH = 32'(OutputWidths[o]);
      assign mismatch_o[k][o] = point_i && wrong[output_offset(OutputWidths, o)+:WIDTH] != '0;
    end
  end

endmodule

`default_nettype wire
