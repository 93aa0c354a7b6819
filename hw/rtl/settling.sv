// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// From when on in an episode the golden module counts as defined: once each reset has done its
// work.

`include "harness_assert.svh"
`default_nettype none

/// The twin of src/verify/stimulus/settle.rs: an asynchronous reset has to be active at all, a
/// synchronous one while every clock has an active edge. Without resets, or where all registers
/// have initial values, it is settled from the start.
module settling import harness_pkg::*; #(
  parameter int unsigned InputCount  = 3,
  parameter inputs_t     Inputs      = EXAMPLE_INPUTS,
  parameter logic        Initialised = 1'b0,
  localparam int unsigned RowBits    = input_offset(Inputs, InputCount)
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               fresh_i,
  // The row changes at the end of this clock.
  input  logic               apply_i,
  input  logic [RowBits-1:0] row_i,
  output logic               settled_o
);

  // For each reset a bit for each input: the clocks whose edge is still missing, or for an
  // asynchronous reset its own bit.
  logic [InputCount-1:0][InputCount-1:0] open_d, open_q, open_first;
  logic [InputCount-1:0] before_q, now, ran;
  logic changed_q;

  for (genvar i = 0; i < InputCount; i++) begin : gen_now
    localparam int unsigned OFFSET = input_offset(Inputs, i);
    assign now[i] = row_i[OFFSET];
    assign ran[i] = before_q[i] != now[i] && (now[i] ? Inputs[i].rising : Inputs[i].falling);
  end

  always_comb begin
    for (int unsigned r = 0; r < InputCount; r++) begin
      logic works, active;
      works = Inputs[r].kind == InputReset && !Initialised && (!Inputs[r].restricted ||
          (Inputs[r].active ? Inputs[r].legal_high : Inputs[r].legal_low));
      active = changed_q && now[r] == Inputs[r].active;
      for (int unsigned c = 0; c < InputCount; c++) begin
        if (Inputs[r].synchronous) begin
          open_first[r][c] = works && Inputs[c].kind == InputClock;
          open_d[r][c] = open_q[r][c] && !(active && ran[c]);
        end else begin
          open_first[r][c] = works && r == c;
          open_d[r][c] = open_q[r][c] && !active;
        end
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      open_q <= '0;
      before_q <= '0;
      changed_q <= 1'b0;
    end else begin
      open_q <= fresh_i ? open_first : open_d;
      changed_q <= apply_i;
      if (apply_i) begin
        before_q <= now;
      end
    end
  end

  assign settled_o = open_d == '0;

endmodule

`default_nettype wire
