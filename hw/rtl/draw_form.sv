// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// The sixteen modes: a draw as a word, a mask and a step.

`default_nettype none

/// The twin of `Draw::value` in src/verify/stimulus/generator.rs, but for the last addition: the
/// input's next value is `((base & keep_o) ^ word_o)`, plus 1 with `up_o` or minus 1 with `down_o`,
/// where base is its present value, or a partner's in mode 2. Combinational.
module draw_form import harness_pkg::*; #(
  parameter int unsigned Width     = 8,
  parameter int unsigned IndexBits = 8
) (
  input  mode_e                mode_i,
  input  logic [IndexBits-1:0] index_i,
  // Bits 37 to 32 of the control: what lies under a constant, which sign boundary, the step.
  input  logic [5:0]           fields_i,
  input  logic [Width-1:0]     uniform_i,
  input  logic [Width-1:0]     lower_i,
  input  logic [Width-1:0]     constant_i,
  input  logic [Width-1:0]     mask_i,
  // A value that is taken as it is.
  input  logic                 plain_i,
  input  logic [Width-1:0]     plain_word_i,
  output logic [Width-1:0]     word_o,
  output logic [Width-1:0]     keep_o,
  output logic                 up_o,
  output logic                 down_o
);

  localparam logic [Width-1:0] TOP = {1'b1, {(Width - 1){1'b0}}};

  logic up, down;
  logic [Width-1:0] one_hot, constant, over;
  always_comb begin
    up = fields_i[1:0] == 2'd2;
    down = fields_i[1:0] == 2'd3;
    for (int unsigned i = 0; i < Width; i++) begin
      one_hot[i] = index_i == IndexBits'(i);
    end
    constant = constant_i;
    if (mode_i == ModeOwn) begin
      constant = constant_i + {Width{down}} + Width'(up);
    end
    over = fields_i[5] ? uniform_i : '0;
  end

  always_comb begin
    word_o = '0;
    keep_o = '0;
    up_o = 1'b0;
    down_o = 1'b0;
    unique case (mode_i)
      ModeOwn, ModePool: begin
        word_o = (over & ~mask_i) | (constant & mask_i);
        keep_o = (fields_i[5:4] == 2'd1) ? ~mask_i : '0;
      end
      ModePartner: begin
        keep_o = '1;
        up_o = up;
        down_o = down;
      end
      ModeOneHot: word_o = one_hot;
      ModeFlipped: begin
        word_o = one_hot;
        keep_o = '1;
      end
      ModeZeros:   word_o = '0;
      ModeOnes:    word_o = '1;
      ModeOneCold: word_o = ~one_hot;
      ModeSmall:   word_o = uniform_i & Width'(15);
      ModeSign: begin
        // The largest signed value, the smallest, the smallest plus 1, the largest minus 1.
        word_o = (fields_i[3:2] == 2'd3) ? ~TOP : TOP;
        down_o = fields_i[3:2] == 2'd0 || fields_i[3:2] == 2'd3;
        up_o = fields_i[3:2] == 2'd2;
      end
      ModeAnd: word_o = uniform_i & lower_i;
      ModeOr:  word_o = uniform_i | lower_i;
      ModeUp, ModeDown: begin
        keep_o = '1;
        up_o = mode_i == ModeUp;
        down_o = mode_i == ModeDown;
      end
      ModeBelow: begin
        word_o = one_hot;
        down_o = 1'b1;
      end
      default: word_o = uniform_i;
    endcase
    if (plain_i) begin
      word_o = plain_word_i;
      keep_o = '0;
      up_o = 1'b0;
      down_o = 1'b0;
    end
  end

endmodule

`default_nettype wire
