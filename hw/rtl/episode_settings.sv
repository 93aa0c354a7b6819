// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// What is drawn once for an episode: when inputs may change, and what resets do.

`include "harness_assert.svh"
`default_nettype none

/// The twin of `settings` and `resets` in src/verify/stimulus/settings.rs. Combinational; it keeps
/// nothing.
module episode_settings import harness_pkg::*; #(
  parameter int unsigned Clocks       = 1,
  parameter logic        Synchronous  = 1'b0,
  parameter logic        AfterFalling = 1'b0,
  parameter logic        Initialised  = 1'b0
) (
  input  logic [11:0]       word_i,
  input  flavour_e          flavour_i,
  input  logic              long_i,
  input  logic [3:0]        number_i,
  output episode_settings_t settings_o
);

  logic base, like_base, odd;
  assign base = flavour_i == FlavourBase;
  assign like_base = base || flavour_i == FlavourLed;
  assign odd = number_i[0];

  // Bit 0 stands for step 0, bit 1 for step 2.
  logic [1:0] data_at;
  always_comb begin
    if (Clocks == 0) begin
      data_at = 2'b11;
    end else if (like_base && long_i) begin
      data_at = {!odd, 1'b1};
    end else if (word_i[2:0] <= 3'd2) begin
      data_at = 2'b01;
    end else if (word_i[2:0] == 3'd7 && base) begin
      data_at = 2'b10;
    end else begin
      data_at = {like_base || flavour_i == FlavourCandidate, 1'b1};
    end
  end

  rate_e [3:0] rates;
  always_comb begin
    unique case (flavour_i)
      FlavourBase, FlavourLed: begin
        rates = {long_i ? RateEight : RateSixteen, RateFour, RateOne, RateNever};
      end
      FlavourMixed: rates = {RateOne, RateNever, RateNever, RateNever};
      default:      rates = {RateNever, RateNever, RateNever, RateNever};
    endcase
  end

  logic short_base;
  assign short_base = base && !long_i;

  always_comb begin
    settings_o.glitches = Clocks == 1 && !Synchronous && base &&
        (long_i ? !odd : word_i[11:10] == 2'd3);
    settings_o.data_at = data_at;
    settings_o.resets_at = {Clocks == 0 || word_i[3] || settings_o.glitches, 1'b1};
    if (Synchronous) begin
      settings_o.data_at = AfterFalling ? 2'b01 : 2'b10;
      settings_o.resets_at = AfterFalling ? 2'b01 : 2'b10;
    end
    settings_o.as_data = short_base && number_i[2:0] == 3'd5;
    settings_o.pulsed = !settings_o.as_data &&
        !(short_base && Initialised && number_i == 4'd11);
    settings_o.delayed = settings_o.resets_at == 2'b11 && word_i[7:6] == 2'd3;
    settings_o.rate = rates[word_i[5:4]];
  end

  // Bits 9 and 8 choose a favourite clock, which is no setting of this module.
  logic unused_word;
  assign unused_word = ^word_i[9:8];

endmodule

`default_nettype wire
