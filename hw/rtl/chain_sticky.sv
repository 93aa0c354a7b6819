// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// Sticky bits that are a piece of the result chain: bits that were once set.

`default_nettype none

/// Words of 32 bits follow each other in the chain, the lowest nearest to its end, each with its
/// highest bit first; the last word has no more bits than there are.
module chain_sticky #(
  parameter int unsigned Width = 40
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic [Width-1:0] set_i,
  input  logic             shift_i,
  input  logic             chain_i,
  output logic             chain_o
);

  localparam int unsigned WORDS = (Width + 31) / 32;

  logic [WORDS:0] links;
  assign links[WORDS] = chain_i;
  assign chain_o = links[0];

  for (genvar w = 0; w < WORDS; w++) begin : gen_word
    localparam int unsigned BITS = (Width - 32 * w > 32) ? 32 : Width - 32 * w;
    logic [BITS-1:0] state_q;
    logic [BITS:0] shifted;
    assign shifted = {state_q, links[w+1]};

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        state_q <= '0;
      end else begin
        state_q <= shift_i ? shifted[BITS-1:0] : (state_q | set_i[32*w+:BITS]);
      end
    end

    assign links[w] = shifted[BITS];
  end

endmodule

`default_nettype wire
