// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// One output of splitmix64 for a given state, a bit of the multiplications a clock.

`include "harness_assert.svh"
`default_nettype none

/// Computes `mix` of the stimulus definition in 132 clocks. It multiplies from the highest bit of the variable factor
/// down and adds the constant one, so that an adder's second operand is a constant and a bit, not a multiplexer.
/// It does not know what the word is for; `nothing_o` says that it is 0, where a generator would stay.
module mix import harness_pkg::*; (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        start_i,
  input  logic [63:0] state_i,
  output logic        done_o,
  output logic [63:0] word_o,
  output logic        nothing_o
);

  localparam logic [63:0] FACTOR_FIRST = 64'hbf58_476d_1ce4_e5b9;
  localparam logic [63:0] FACTOR_SECOND = 64'h94d0_49bb_1331_11eb;

  typedef enum logic [2:0] {
    // Waits; the word of the last start stands.
    StIdle,
    // Folds the state by 30.
    StSpread,
    // Multiplies by the first factor.
    StFirst,
    // Folds the product by 27.
    StFold,
    // Multiplies by the second factor.
    StSecond,
    // Folds the product by 31.
    StLast
  } state_e;

  state_e state_d, state_q;
  logic [63:0] sum_d, sum_q;
  logic [63:0] rest_d, rest_q;
  logic [5:0] count_d, count_q;
  logic any_d, any_q;
  logic multiplies;
  logic [63:0] factor;

  assign multiplies = state_q == StFirst || state_q == StSecond;
  assign factor = (state_q == StFirst) ? FACTOR_FIRST : FACTOR_SECOND;

  always_comb begin
    state_d = state_q;
    unique case (state_q)
      StIdle:   state_d = start_i ? StSpread : StIdle;
      StSpread: state_d = StFirst;
      StFirst:  state_d = (count_q == '1) ? StFold : StFirst;
      StFold:   state_d = StSecond;
      StSecond: state_d = (count_q == '1) ? StLast : StSecond;
      StLast:   state_d = StIdle;
      default:  state_d = StIdle;
    endcase
  end

  always_comb begin
    sum_d = '0;
    if (multiplies) begin
      sum_d = {sum_q[62:0], 1'b0} + (rest_q[63] ? factor : '0);
    end else if (state_q == StIdle) begin
      sum_d = state_i + GAMMA;
    end
  end

  always_comb begin
    unique case (state_q)
      StSpread: rest_d = sum_q ^ (sum_q >> 30);
      StFold:   rest_d = sum_q ^ (sum_q >> 27);
      StLast:   rest_d = sum_q ^ (sum_q >> 31);
      StIdle:   rest_d = rest_q;
      default:  rest_d = {rest_q[62:0], 1'b0};
    endcase
  end

  assign count_d = multiplies ? count_q + 6'd1 : '0;
  // Both factors are odd, so the word is 0 only if the second product's variable factor was.
  assign any_d = (state_q == StSecond) ? (any_q || rest_q[63]) : (any_q && state_q != StFold);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      sum_q <= '0;
      rest_q <= '0;
      count_q <= '0;
      any_q <= 1'b0;
      done_o <= 1'b0;
    end else begin
      state_q <= state_d;
      sum_q <= sum_d;
      rest_q <= rest_d;
      count_q <= count_d;
      any_q <= any_d;
      done_o <= state_q == StLast;
    end
  end

  assign word_o = rest_q;
  assign nothing_o = !any_q;

  `ASSERT(NothingIsZero, !done_o || (nothing_o == (word_o == '0)), "nothing_o says the word is 0")

endmodule

`default_nettype wire
