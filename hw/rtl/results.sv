// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// What a run leaves: one long chain of counters, sticky bits and the first mismatch.

`default_nettype none

/// Everything the host reads after a run stands in one shift register that turns, so that no
/// multiplexer grows with the slots and a counter costs what its flip-flops do. hw/README.md has
/// the order of the words.
module results import harness_pkg::*; #(
  parameter int unsigned SlotCount   = 3,
  parameter int unsigned OutputCount = 2,
  parameter int unsigned OutputBits  = 11
) (
  input  logic                                  clk_i,
  input  logic                                  rst_ni,
  input  logic                                  clear_i,
  output logic                                  cleared_o,
  input  logic                                  read_i,
  input  logic [15:0]                           word_i,
  output logic                                  ready_o,
  output logic [31:0]                           data_o,
  // A point, its place and what was seen there.
  input  logic                                  point_i,
  input  logic                                  fault_i,
  input  logic [CYCLE_BITS-1:0]                 number_i,
  input  logic [CYCLE_BITS-1:0]                 cycle_i,
  input  logic [1:0]                            step_i,
  input  logic [SlotCount-1:0][OutputCount-1:0] mismatch_i,
  input  logic [OutputBits-1:0]                 seen_low_i,
  input  logic [OutputBits-1:0]                 seen_high_i,
  input  logic [OutputBits-1:0]                 undefined_i,
  // Whose first mismatch is kept: slot, output, any output.
  input  logic [15:0]                           select_slot_i,
  input  logic [14:0]                           select_output_i,
  input  logic                                  select_any_i,
  output logic                                  hit_o
);

  // Counters and the capture act a clock after the comparison.
  logic point_q, fault_q, hit_d, hit_q;
  logic [SlotCount-1:0] any_d, any_q;
  always_comb begin
    hit_d = 1'b0;
    for (int unsigned k = 0; k < SlotCount; k++) begin
      any_d[k] = mismatch_i[k] != '0;
      for (int unsigned o = 0; o < OutputCount; o++) begin
        if (select_slot_i == 16'(k) && (select_any_i || select_output_i == 15'(o))) begin
          hit_d = hit_d || mismatch_i[k][o];
        end
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      point_q <= 1'b0;
      fault_q <= 1'b0;
      hit_q <= 1'b0;
      any_q <= '0;
    end else begin
      point_q <= point_i;
      fault_q <= point_i && fault_i;
      hit_q <= hit_d;
      any_q <= any_d;
    end
  end
  assign hit_o = hit_q;

  logic shift, zero;
  logic [3+2*SlotCount+3:0] links;

  scan #(
    .SlotCount   (SlotCount),
    .OutputCount (OutputCount),
    .OutputBits  (OutputBits)
  ) u_scan (
    .clk_i     (clk_i),
    .rst_ni    (rst_ni),
    .clear_i   (clear_i),
    .cleared_o (cleared_o),
    .read_i    (read_i),
    .word_i    (word_i),
    .ready_o   (ready_o),
    .data_o    (data_o),
    .shift_o   (shift),
    .zero_o    (zero),
    .chain_i   (links[0])
  );

  // The chain, from its end to its begin, where what comes out goes in again.
  assign links[3+2*SlotCount+3] = links[0] && !zero;

  chain_counter u_points (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .count_i (point_q),
    .shift_i (shift),
    .chain_i (links[1]),
    .chain_o (links[0])
  );

  chain_counter u_fault_points (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .count_i (fault_q),
    .shift_i (shift),
    .chain_i (links[2]),
    .chain_o (links[1])
  );

  chain_capture u_first (
    .clk_i     (clk_i),
    .rst_ni    (rst_ni),
    .compare_i (point_i),
    .cycle_i   (cycle_i),
    .step_i    (step_i),
    .number_i  (number_i),
    .hit_i     (hit_q),
    .shift_i   (shift),
    .chain_i   (links[3]),
    .chain_o   (links[2])
  );

  for (genvar k = 0; k < SlotCount; k++) begin : gen_slot
    chain_counter u_count (
      .clk_i   (clk_i),
      .rst_ni  (rst_ni),
      .count_i (any_q[k]),
      .shift_i (shift),
      .chain_i (links[4+2*k]),
      .chain_o (links[3+2*k])
    );

    chain_sticky #(
      .Width (OutputCount)
    ) u_outputs (
      .clk_i   (clk_i),
      .rst_ni  (rst_ni),
      .set_i   (mismatch_i[k]),
      .shift_i (shift),
      .chain_i (links[5+2*k]),
      .chain_o (links[4+2*k])
    );
  end

  localparam int unsigned GOLDEN = 3 + 2 * SlotCount;
  logic [2:0][OutputBits-1:0] golden;
  assign golden = {undefined_i, seen_high_i, seen_low_i};
  for (genvar g = 0; g < 3; g++) begin : gen_golden
    chain_sticky #(
      .Width (OutputBits)
    ) u_golden (
      .clk_i   (clk_i),
      .rst_ni  (rst_ni),
      .set_i   (golden[g]),
      .shift_i (shift),
      .chain_i (links[GOLDEN+g+1]),
      .chain_o (links[GOLDEN+g])
    );
  end

endmodule

`default_nettype wire
