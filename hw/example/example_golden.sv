// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// An accumulator with a few operations, about as large as a benchmark's problem.

`default_nettype none

/// Adds, or shifts and mixes, on an enabled clock; a synchronous reset. `Level` is what its
/// registers hold at power-up.
(* keep_hierarchy *)
module example_golden #(
  parameter logic Level = 1'b0
) (
  input  logic        power_up_i,
  input  logic [10:0] inputs_i,
  output logic [8:0]  outputs_o
);

  logic clk, rst, enable;
  logic [7:0] data;
  assign {data, enable, rst, clk} = inputs_i;

  logic [7:0] sum_d, sum_q;
  logic parity_q;
  always_comb begin
    sum_d = enable ? sum_q + data : {sum_q[6:0], sum_q[7]} ^ (data & {8{sum_q[0]}});
    if (rst) begin
      sum_d = '0;
    end
  end

  always_ff @(posedge clk or posedge power_up_i) begin
    if (power_up_i) begin
      sum_q <= {8{Level}};
      parity_q <= Level;
    end else begin
      sum_q <= sum_d;
      parity_q <= ^sum_d;
    end
  end

  assign outputs_o = {parity_q, sum_q};

endmodule

`default_nettype wire
