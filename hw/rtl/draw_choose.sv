// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// The mode of a draw, and the number below which it draws one.

`default_nettype none

/// Reads the menu as the definition has it; a mode without its table or partner is uniform.
/// Combinational.
module draw_choose import harness_pkg::*; #(
  parameter int unsigned Width        = 8,
  parameter logic        Restricted   = 1'b0,
  parameter int unsigned PartnerCount = 1,
  parameter int unsigned FactorBits   = 8
) (
  input  logic [3:0]            entry_i,
  input  logic [63:0]           menu_i,
  input  menu_e                 kind_i,
  input  logic                  candidate_i,
  input  logic [7:0]            own_count_i,
  input  logic [7:0]            pool_count_i,
  output mode_e                 mode_o,
  output logic [FactorBits-1:0] factor_o
);

  logic [3:0] entry, digit;
  always_comb begin
    entry = (kind_i == MenuAlternate) ? {3'd0, entry_i[0]} : entry_i;
    digit = menu_i[4*entry+:4];
    // For a candidate's constants half of the entries are the two tables.
    if (candidate_i && !entry[3]) begin
      digit = (entry[2:0] < 3'd3) ? ModePool : ModeOwn;
    end
    if (kind_i == MenuUniform) begin
      digit = ModeUniform;
    end
    mode_o = mode_e'(digit);
    if (mode_o == ModeOwn && own_count_i == '0) begin
      mode_o = ModePool;
    end
    if (mode_o == ModePool && pool_count_i == '0) begin
      mode_o = ModeUniform;
    end
    if (mode_o == ModePartner && PartnerCount == 0) begin
      mode_o = ModeUniform;
    end
    if (Restricted) begin
      mode_o = ModeOwn;
    end
  end

  always_comb begin
    unique case (mode_o)
      ModeOwn:     factor_o = FactorBits'(own_count_i);
      ModePool:    factor_o = FactorBits'(pool_count_i);
      ModePartner: factor_o = FactorBits'(PartnerCount);
      default:     factor_o = FactorBits'(Width);
    endcase
  end

endmodule

`default_nettype wire
