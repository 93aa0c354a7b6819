// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// The exhaustive walk: every value of all inputs once, in scrambled order.

`include "harness_assert.svh"
`default_nettype none

/// The twin of src/verify/stimulus/walk.rs: an affine generator of as many bits as the inputs have.
/// Its registers are loaded by the host and count on, so that a run can go on where the last one
/// stopped.
module walk #(
  parameter int unsigned Bits = 8
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  // The registers: 0 and 1 the state, 2 the increment, 3 and 4 what is left.
  input  logic [4:0]      write_i,
  input  logic [31:0]     write_data_i,
  output logic [4:0][31:0] registers_o,
  // The run walks; the episode starts, so that its first row is no opportunity.
  input  logic            enable_i,
  input  logic            fresh_i,
  input  logic            move_i,
  input  logic            late_i,
  // The code of the draw that enters stage 3, and of the one that stands there.
  output logic            walks_next_o,
  output logic [Bits-1:0] code_next_o,
  output logic            walks_o,
  output logic [Bits-1:0] code_o
);

  localparam int unsigned RestBits = Bits + 1;
  localparam int unsigned IncrementBits = (Bits < 32) ? Bits : 32;
  localparam int unsigned FOLD = ((Bits + 1) / 2 < 1) ? 1 : (Bits + 1) / 2;

  logic [Bits-1:0] state_d, state_q, code_q;
  logic [IncrementBits-1:0] increment_q;
  logic [RestBits-1:0] rest_d, rest_q;
  logic started_q, walks_q;
  logic advances;

  assign walks_next_o = enable_i && started_q && rest_q != '0;
  assign code_next_o = state_q ^ (state_q >> FOLD);
  assign advances = late_i && walks_next_o;

  always_comb begin
    logic [63:0] state;
    logic [63:0] rest;
    state = 64'(state_q);
    rest = 64'(rest_q);
    if (write_i[0]) begin
      state[31:0] = write_data_i;
    end
    if (write_i[1]) begin
      state[63:32] = write_data_i;
    end
    if (write_i[3]) begin
      rest[31:0] = write_data_i;
    end
    if (write_i[4]) begin
      rest[63:32] = write_data_i;
    end
    state_d = Bits'(state);
    rest_d = RestBits'(rest);
    if (advances) begin
      state_d = state_q + Bits'({state_q, 2'b00}) + Bits'(increment_q);
      rest_d = rest_q - RestBits'(1);
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= '0;
      rest_q <= '0;
      increment_q <= '0;
      code_q <= '0;
      walks_q <= 1'b0;
      started_q <= 1'b0;
    end else begin
      state_q <= state_d;
      rest_q <= rest_d;
      if (write_i[2]) begin
        increment_q <= IncrementBits'(write_data_i);
      end
      if (fresh_i) begin
        started_q <= 1'b0;
      end else if (late_i) begin
        started_q <= 1'b1;
      end
      if (move_i) begin
        code_q <= code_next_o;
        walks_q <= walks_next_o;
      end
    end
  end

  assign walks_o = walks_q;
  assign code_o = code_q;
  always_comb begin
    registers_o[0] = 32'(state_q);
    registers_o[1] = 32'(64'(state_q) >> 32);
    registers_o[2] = 32'(increment_q);
    registers_o[3] = 32'(rest_q);
    registers_o[4] = 32'(64'(rest_q) >> 32);
  end

  `ASSERT_INIT(BitsRange, Bits >= 1 && Bits <= 48, "1 to 48 bits")

endmodule

`default_nettype wire
