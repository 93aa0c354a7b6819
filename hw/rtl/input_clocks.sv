// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// The clocks of golden and candidates: flip-flops of the row that an edge step sets or inverts.

`include "harness_assert.svh"
`default_nettype none

/// The twin of `edge` in src/verify/stimulus/schedule.rs: one clock rises and falls, of several
/// those drawn invert. For power-up all are set or cleared.
module input_clocks import harness_pkg::*; #(
  parameter int unsigned Clocks = 2
) (
  input  logic              clk_i,
  input  logic              rst_ni,
  input  logic              load_edges_i,
  input  logic              load_favourite_i,
  input  logic [63:0]       word_i,
  input  logic              edge_i,
  input  logic              rises_i,
  // The first cycles, in which all run together so that resets reach all registers.
  input  logic              together_i,
  input  logic              all_up_i,
  input  logic              all_down_i,
  output logic [Clocks-1:0] value_o
);

  logic [Clocks-1:0] toggles, value_d, value_q;

  if (Clocks == 1) begin : gen_one
    assign toggles = rises_i ^ value_q;
    logic unused_several;
    assign unused_several = ^{load_edges_i, load_favourite_i, word_i, together_i};
  end else begin : gen_several
    localparam int unsigned INDEX_BITS = $clog2(Clocks);

    logic favoured_q;
    logic [INDEX_BITS-1:0] favourite_d, favourite_q, one;
    logic [15+INDEX_BITS:0] favourite_product, one_product;
    logic [63:0] state, drawn;
    logic alone;

    generator u_edges (
      .clk_i   (clk_i),
      .rst_ni  (rst_ni),
      .load_i  (load_edges_i),
      .word_i  (word_i),
      .step_i  (edge_i),
      .state_o (state)
    );

    // An edge uses the state that it steps to.
    assign drawn = xorshift(state);
    assign one_product = (16 + INDEX_BITS)'(drawn[31:16]) * (16 + INDEX_BITS)'(Clocks);
    assign favourite_product = (16 + INDEX_BITS)'(word_i[31:16]) * (16 + INDEX_BITS)'(Clocks);
    assign favourite_d = favourite_product[16+:INDEX_BITS];

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        favoured_q <= 1'b0;
        favourite_q <= '0;
      end else if (load_favourite_i) begin
        favoured_q <= word_i[9:8] == 2'd3;
        favourite_q <= favourite_d;
      end
    end

    assign one = (favoured_q && drawn[3:2] != 2'd0) ? favourite_q : one_product[16+:INDEX_BITS];
    assign alone = drawn[1:0] != 2'd0;
    always_comb begin
      for (int unsigned i = 0; i < Clocks; i++) begin
        toggles[i] = one == INDEX_BITS'(i) || together_i || (!alone && drawn[32+i%32]);
      end
    end

    logic unused_several;
    assign unused_several = ^{rises_i, favourite_product, one_product};
  end

  always_comb begin
    value_d = value_q;
    if (all_up_i) begin
      value_d = '1;
    end else if (all_down_i) begin
      value_d = '0;
    end else if (edge_i) begin
      value_d = value_q ^ toggles;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      value_q <= '0;
    end else begin
      value_q <= value_d;
    end
  end

  assign value_o = value_q;

endmodule

`default_nettype wire
