// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// Turns the result chain: to the word that is read, or once round with zeros to clear it.

`include "harness_assert.svh"
`default_nettype none

/// Knows how long each word is and which stands at the chain's end; a read turns the chain until
/// its word has passed. It holds no result.
module scan #(
  parameter int unsigned SlotCount   = 3,
  parameter int unsigned OutputCount = 2,
  parameter int unsigned OutputBits  = 11
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        clear_i,
  output logic        cleared_o,
  input  logic        read_i,
  input  logic [15:0] word_i,
  output logic        ready_o,
  output logic [31:0] data_o,
  output logic        shift_o,
  output logic        zero_o,
  input  logic        chain_i
);

  localparam int unsigned HEAD_WORDS = 4;
  localparam int unsigned SLOT_WORDS = 1 + (OutputCount + 31) / 32;
  localparam int unsigned GOLDEN_WORDS = (OutputBits + 31) / 32;
  localparam int unsigned GOLDEN_AT = HEAD_WORDS + SlotCount * SLOT_WORDS;
  localparam int unsigned WORDS = GOLDEN_AT + 3 * GOLDEN_WORDS;
  localparam int unsigned WORD_BITS = $clog2(WORDS);
  // The last word of a group has what is left.
  localparam logic [4:0] SLOT_LAST = 5'(OutputCount - 1);
  localparam logic [4:0] GOLDEN_LAST = 5'(OutputBits - 1);

  typedef enum logic [2:0] {
    // The chain is at rest.
    StIdle,
    // Turns to word 0.
    StAlign,
    // Turns once round, with zeros.
    StClear,
    // Turns to the word that is read.
    StSeek,
    // The word passes.
    StTake,
    // The word is answered.
    StReady
  } state_e;

  state_e state_d, state_q;
  logic [WORD_BITS-1:0] word_d, word_q;
  logic [WORD_BITS-1:0] group_d, group_q;
  logic [4:0] bit_d, bit_q, last_bit;
  logic [31:0] data_d, data_q;
  logic in_golden, last_of_group, last_of_word, last_of_chain, at_word, unknown;

  // The word at the chain's end: `group_q` numbers it within its slot or its part of the golden
  // window.
  assign in_golden = word_q >= WORD_BITS'(GOLDEN_AT);
  assign last_of_group = word_q >= WORD_BITS'(HEAD_WORDS) &&
      group_q == (in_golden ? WORD_BITS'(GOLDEN_WORDS - 1) : WORD_BITS'(SLOT_WORDS - 1));
  always_comb begin
    last_bit = 5'd31;
    if (last_of_group) begin
      last_bit = in_golden ? GOLDEN_LAST : SLOT_LAST;
    end
  end

  assign last_of_word = bit_q == last_bit;
  assign last_of_chain = word_q == WORD_BITS'(WORDS - 1);
  assign at_word = 16'(word_q) == word_i && bit_q == '0;
  assign unknown = word_i >= 16'(WORDS);

  always_comb begin
    state_d = state_q;
    shift_o = 1'b0;
    unique case (state_q)
      StIdle: begin
        if (clear_i) begin
          state_d = StAlign;
        end else if (read_i) begin
          state_d = unknown ? StReady : StSeek;
        end
      end
      StAlign: begin
        shift_o = word_q != '0 || bit_q != '0;
        state_d = shift_o ? StAlign : StClear;
      end
      StClear: begin
        shift_o = 1'b1;
        state_d = (last_of_chain && last_of_word) ? StIdle : StClear;
      end
      StSeek: begin
        shift_o = !at_word;
        state_d = at_word ? StTake : StSeek;
      end
      StTake: begin
        shift_o = 1'b1;
        state_d = last_of_word ? StReady : StTake;
      end
      StReady: state_d = read_i ? StReady : StIdle;
      default: state_d = StIdle;
    endcase
  end

  always_comb begin
    word_d = word_q;
    group_d = group_q;
    bit_d = bit_q;
    if (shift_o) begin
      bit_d = last_of_word ? '0 : bit_q + 5'd1;
      if (last_of_word) begin
        word_d = last_of_chain ? '0 : word_q + WORD_BITS'(1);
        group_d = (last_of_group || word_q < WORD_BITS'(HEAD_WORDS)) ? '0 : group_q + WORD_BITS'(1);
      end
    end
    data_d = data_q;
    if (state_q == StTake) begin
      data_d = {data_q[30:0], chain_i};
    end else if (state_q == StIdle) begin
      data_d = '0;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      word_q <= '0;
      group_q <= '0;
      bit_q <= '0;
      data_q <= '0;
    end else begin
      state_q <= state_d;
      word_q <= word_d;
      group_q <= group_d;
      bit_q <= bit_d;
      data_q <= data_d;
    end
  end

  assign zero_o = state_q == StAlign || state_q == StClear;
  assign cleared_o = state_q == StClear && state_d == StIdle;
  assign ready_o = state_q == StReady;
  assign data_o = data_q;

  `ASSERT(OneUse, !(clear_i && read_i), "results are read while they are cleared")

endmodule

`default_nettype wire
