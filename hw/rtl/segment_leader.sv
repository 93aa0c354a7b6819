// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// The one input that leads in a segment, where one does.

`default_nettype none

/// The twin of `leader` in src/verify/stimulus/settings.rs. Combinational. In Led episodes the host
/// says which.
module segment_leader import harness_pkg::*; #(
  parameter int unsigned InputCount = 3,
  parameter inputs_t     Inputs     = EXAMPLE_INPUTS,
  parameter logic        Counters   = 1'b1
) (
  // Bits 51 to 35 of the segment's word.
  input  logic [16:0] word_i,
  input  flavour_e    flavour_i,
  input  logic [5:0]  leader_i,
  input  logic        leadable_i,
  output logic        leads_o,
  output logic [5:0]  leader_o
);

  function automatic int unsigned able_before(int unsigned number);
    int unsigned sum;
    sum = 0;
    for (int unsigned i = 0; i < INPUTS_MAX; i++) begin
      if (i < number && may_lead(Inputs[i])) begin
        sum++;
      end
    end
    return sum;
  endfunction

  localparam int unsigned ABLE = able_before(InputCount);

  logic [21:0] product;
  assign product = 22'(word_i[16:1]) * 22'(ABLE);

  always_comb begin
    leads_o = 1'b0;
    leader_o = leader_i;
    if (ABLE != 0 && flavour_i == FlavourLed) begin
      leads_o = 1'b1;
    end else if (ABLE != 0 && Counters &&
        (flavour_i == FlavourBase || flavour_i == FlavourMixed)) begin
      leads_o = leadable_i && word_i[0];
      for (int unsigned i = 0; i < InputCount; i++) begin
        if (may_lead(Inputs[i]) && product[21:16] == 6'(able_before(i))) begin
          leader_o = 6'(i);
        end
      end
    end
  end

  logic unused_product;
  assign unused_product = ^product[15:0];

endmodule

`default_nettype wire
