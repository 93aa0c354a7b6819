// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// Keeps the next row's values ready: it moves draws through the stages ahead of the steps that use
// them.

`include "harness_assert.svh"
`default_nettype none

/// A draw takes five stages, and a row may be wanted at every clock, so the generators run ahead.
/// They must not run past the end of a segment, whose successor has other settings or goes on with
/// the walk: with `limited_i` they stop after the rows that it has. At a flush everything ahead is
/// dropped.
module supply (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       flush_i,
  input  logic       limited_i,
  // At a flush: the rows of the segment.
  input  logic [8:0] rows_i,
  input  logic       run_i,
  input  logic       take_i,
  output logic       ready_o,
  // All stages take what is before them.
  output logic       move_o,
  // A draw enters: the control generators of wide inputs step.
  output logic       early_o,
  // A draw goes from stage 2 to 3: all other generators step.
  output logic       late_o
);

  logic [4:0] valid_d, valid_q;
  logic [8:0] rest_d, rest_q;
  logic issues;

  assign issues = !limited_i || rest_q != '0;
  assign ready_o = valid_q[4];
  assign move_o = run_i && (take_i || !ready_o);
  assign early_o = move_o && issues;
  assign late_o = move_o && valid_q[2];

  always_comb begin
    valid_d = valid_q;
    rest_d = rest_q;
    if (flush_i) begin
      valid_d = '0;
      rest_d = rows_i;
    end else if (move_o) begin
      valid_d = {valid_q[3:0], issues};
      rest_d = rest_q - 9'(issues);
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= '0;
      rest_q <= '0;
    end else begin
      valid_q <= valid_d;
      rest_q <= rest_d;
    end
  end

  `ASSERT(TakesWhatIsReady, !take_i || ready_o, "a row is taken that was not drawn")
  `ASSERT(FlushedAtRest, !(flush_i && run_i), "a flush while rows are drawn")

endmodule

`default_nettype wire
