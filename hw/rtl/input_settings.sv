// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// How often an input changes in a segment, and to what kind of value.

`include "harness_assert.svh"
`default_nettype none

/// The twin of `input_settings` and `segment_settings` in src/verify/stimulus/settings.rs.
/// Combinational; one serves all inputs in turn.
module input_settings import harness_pkg::*; #(
  parameter logic Sequential = 1'b1,
  parameter logic Timed      = 1'b0
) (
  input  logic [13:0]     word_i,
  input  flavour_e        flavour_i,
  input  logic            wide_i,
  input  logic            is_reset_i,
  input  logic            restricted_i,
  input  logic            quiet_i,
  input  logic            leads_i,
  output input_settings_t settings_o
);

  logic [3:0] class_number, bias_number;
  assign class_number = word_i[3:0];
  assign bias_number = word_i[7:4];

  logic may_be_timed, class_low;
  assign may_be_timed = Timed && !wide_i && !restricted_i;
  assign class_low = !class_number[3];

  hold_e ordinary;
  always_comb begin
    unique case (class_number)
      4'd0, 4'd1, 4'd2, 4'd3: ordinary = HoldAlways;
      4'd4, 4'd5, 4'd6:       ordinary = HoldHalf;
      4'd7, 4'd8, 4'd9:       ordinary = HoldSeldom;
      4'd10, 4'd11:           ordinary = HoldRare;
      4'd12:                  ordinary = HoldNever;
      4'd13:                  ordinary = may_be_timed ? HoldTimed : HoldAlways;
      4'd14:                  ordinary = may_be_timed ? HoldTimed : HoldHalf;
      default:                ordinary = may_be_timed ? HoldTimed : HoldSeldom;
    endcase
  end

  bias_e ordinary_bias, stateless_bias;
  always_comb begin
    unique case (bias_number)
      4'd6, 4'd7, 4'd8:   ordinary_bias = Bias8;
      4'd9, 4'd10, 4'd11: ordinary_bias = Bias56;
      4'd12, 4'd13:       ordinary_bias = Bias1;
      4'd14, 4'd15:       ordinary_bias = Bias63;
      default:            ordinary_bias = Bias32;
    endcase
    stateless_bias = (bias_number < 4'd12) ? Bias32 : ((bias_number < 4'd14) ? Bias8 : Bias56);
  end

  hold_e hold;
  bias_e bias;
  always_comb begin
    hold = ordinary;
    bias = ordinary_bias;
    unique case (flavour_i)
      FlavourRun, FlavourPulse: begin
        if (wide_i) begin
          hold = class_low ? HoldRare : HoldNever;
          bias = Bias32;
        end else if (flavour_i == FlavourRun) begin
          hold = HoldNever;
          bias = Bias64;
        end else begin
          hold = class_low ? HoldAlways : HoldSeldom;
          bias = (bias_number < 4'd12) ? Bias1 : Bias63;
        end
      end
      FlavourSlow: begin
        hold = (may_be_timed && class_low) ? HoldTimed : HoldRare;
        bias = Bias32;
      end
      default: begin
        if (!Sequential) begin
          hold = (class_number < 4'd12) ? HoldAlways : HoldHalf;
          bias = stateless_bias;
        end else if (flavour_i == FlavourCandidate) begin
          if (wide_i) begin
            hold = class_low ? HoldAlways : HoldHalf;
            bias = Bias32;
          end
        end else if (is_reset_i && (ordinary == HoldNever || ordinary == HoldRare)) begin
          // A reset that is data must not stay inactive for the episode, or it would be no test.
          hold = HoldSeldom;
        end
      end
    endcase
    if (quiet_i && Sequential && wide_i) begin
      hold = HoldRare;
    end
    if (leads_i) begin
      hold = HoldTimed;
    end
  end

  menu_e menu;
  always_comb begin
    unique case (word_i[10:8])
      3'd0, 3'd1: menu = MenuUniform;
      3'd2, 3'd3: menu = MenuBoth;
      3'd7:       menu = MenuAlternate;
      default:    menu = MenuPlain;
    endcase
  end

  always_comb begin
    settings_o.hold = hold;
    settings_o.bias = bias;
    settings_o.menu = (flavour_i == FlavourCandidate) ? MenuPlain : menu;
    // 1, 1, 2 and 3 cycles of reset at the start.
    settings_o.start_cycles = (word_i[13:12] == 2'd0) ? 2'd1 : word_i[13:12];
  end

  logic unused_word;
  assign unused_word = word_i[11];

endmodule

`default_nettype wire
