// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// One output of splitmix64 for a given state, a bit of it a clock.

`include "harness_assert.svh"
`default_nettype none

/// Computes `mix` of the stimulus definition in 196 clocks. Everything is one movement, `sum = 2
/// sum + operand`: the state comes in bit by bit, highest first, and the increment with its last
/// bit; then twice the folded sum is multiplied by a constant, a bit of the sum a clock. So the
/// adder's operand is one of three constants or 0, and folding takes two taps of a register that
/// turns. It does not know what the word is for; `nothing_o` says that it is 0, where a generator
/// would stay.
module mix import harness_pkg::*; (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        start_i,
  // In the 64 clocks after the start: the state's bit of that number is wanted.
  output logic        takes_o,
  output logic [5:0]  number_o,
  input  logic        bit_i,
  output logic        done_o,
  output logic [63:0] word_o,
  output logic        nothing_o
);

  localparam logic [63:0] FACTOR_FIRST = 64'hbf58_476d_1ce4_e5b9;
  localparam logic [63:0] FACTOR_SECOND = 64'h94d0_49bb_1331_11eb;

  typedef enum logic [2:0] {
    // Waits; the word of the last start stands.
    StIdle,
    // Takes the state, and adds the increment.
    StTake,
    // Puts the sum where it turns.
    StTurnFirst,
    // Multiplies it, folded by 30.
    StFirst,
    // Puts the sum where it turns.
    StTurnSecond,
    // Multiplies it, folded by 27.
    StSecond
  } state_e;

  state_e state_d, state_q;
  logic [63:0] sum_q, rest_q, operand;
  logic [5:0] count_d, count_q;
  logic any_d, any_q, done_d, done_q;
  logic counts, last, turns, folded;

  assign counts = state_q == StTake || state_q == StFirst || state_q == StSecond;
  assign last = count_q == '1;
  assign turns = state_q == StTurnFirst || state_q == StTurnSecond;

  always_comb begin
    state_d = state_q;
    unique case (state_q)
      StIdle:       state_d = start_i ? StTake : StIdle;
      StTake:       state_d = last ? StTurnFirst : StTake;
      StTurnFirst:  state_d = StFirst;
      StFirst:      state_d = last ? StTurnSecond : StFirst;
      StTurnSecond: state_d = StSecond;
      StSecond:     state_d = last ? StIdle : StSecond;
      default:      state_d = StIdle;
    endcase
    count_d = counts ? count_q + 6'd1 : '0;
    done_d = state_q == StSecond && last;
  end

  // After k clocks bit m of the sum stands at m + k: bit 63 - k is on top, and the one 30 (or 27)
  // above it, if there is one, has come round to 29 (or 26).
  always_comb begin
    folded = rest_q[63];
    if (state_q == StFirst && count_q >= 6'd30) begin
      folded = rest_q[63] ^ rest_q[29];
    end else if (state_q == StSecond && count_q >= 6'd27) begin
      folded = rest_q[63] ^ rest_q[26];
    end
    operand = '0;
    if (state_q == StTake && last) begin
      operand = GAMMA;
    end else if (state_q == StFirst && folded) begin
      operand = FACTOR_FIRST;
    end else if (state_q == StSecond && folded) begin
      operand = FACTOR_SECOND;
    end
    // Both factors are odd, so the word is 0 only if the second product's other factor was.
    any_d = (any_q && state_q != StTake) || (state_q == StSecond && folded);
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      count_q <= '0;
      any_q <= 1'b0;
      done_q <= 1'b0;
    end else begin
      state_q <= state_d;
      count_q <= count_d;
      any_q <= any_d;
      done_q <= done_d;
    end
  end

  // No asynchronous reset: both are filled before they are used, and the sum needs the reset that
  // its flip-flops have.
  always_ff @(posedge clk_i) begin
    if (turns || (start_i && state_q == StIdle)) begin
      sum_q <= '0;
    end else if (counts) begin
      sum_q <= {sum_q[62:0], state_q == StTake && bit_i} + operand;
    end
    rest_q <= turns ? sum_q : {rest_q[62:0], rest_q[63]};
  end

  assign takes_o = state_q == StTake;
  assign number_o = ~count_q;
  assign done_o = done_q;
  assign word_o = sum_q ^ (sum_q >> 31);
  assign nothing_o = !any_q;

  `ASSERT(NothingIsZero, !done_o || (nothing_o == (word_o == '0)), "nothing_o says the word is 0")

endmodule

`default_nettype wire
