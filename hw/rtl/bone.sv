// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// Frames of LiteX's UARTBone into reads and writes of words.

`include "harness_assert.svh"
`default_nettype none

/// Decodes a frame byte by byte, makes each access, and sums it: after an access the address and
/// the data go bit by bit into a CRC outside, which takes 64 clocks and less time than a byte on
/// the line. A frame that pauses too long is dropped, and so are bytes that come while a read is
/// answered. It knows no register but the CRC's, whose accesses are not summed.
module bone #(
  parameter int unsigned TimeoutClocks = 1 << 20,
  parameter logic [31:0] CrcAddress    = 32'd7
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  // Bytes.
  input  logic        rx_valid_i,
  input  logic [7:0]  rx_data_i,
  output logic        tx_valid_o,
  output logic [7:0]  tx_data_o,
  input  logic        tx_ready_i,
  // Accesses: a read waits for ready.
  output logic        write_o,
  output logic        read_o,
  output logic [31:0] address_o,
  output logic [31:0] write_data_o,
  input  logic        ready_i,
  input  logic [31:0] read_data_i,
  // Bits of the CRC.
  output logic        crc_valid_o,
  output logic        crc_bit_o
);

  localparam logic [7:0] WRITE_COUNTING = 8'd1;
  localparam logic [7:0] READ_COUNTING = 8'd2;
  localparam logic [7:0] WRITE_FIXED = 8'd3;
  localparam logic [7:0] READ_FIXED = 8'd4;
  localparam int unsigned SILENCE_BITS = $clog2(TimeoutClocks + 1);

  typedef enum logic [2:0] {
    // Waits for a command.
    StIdle,
    // Waits for the number of words.
    StLength,
    // Takes the address.
    StAddress,
    // Takes the data of a write.
    StData,
    // Makes the access.
    StAccess,
    // Sums the access.
    StSum,
    // Answers a read.
    StAnswer
  } state_e;

  state_e state_d, state_q;
  logic counts_d, counts_q, writes_d, writes_q, known_d, known_q;
  logic [7:0] length_d, length_q;
  logic [31:0] address_d, address_q, data_d, data_q;
  logic [5:0] count_d, count_q;
  logic [SILENCE_BITS-1:0] silence_d, silence_q;
  logic last_byte, last_word, timed_out;

  assign last_byte = count_q[1:0] == 2'd3;
  assign last_word = length_q == 8'd1;
  assign timed_out = silence_q == SILENCE_BITS'(TimeoutClocks);

  always_comb begin
    state_d = state_q;
    writes_d = writes_q;
    counts_d = counts_q;
    known_d = known_q;
    length_d = length_q;
    address_d = address_q;
    data_d = data_q;
    count_d = count_q;
    unique case (state_q)
      StIdle: begin
        writes_d = rx_data_i == WRITE_COUNTING || rx_data_i == WRITE_FIXED;
        counts_d = rx_data_i == WRITE_COUNTING || rx_data_i == READ_COUNTING;
        known_d = writes_d || counts_d || rx_data_i == READ_FIXED;
        count_d = '0;
        state_d = rx_valid_i ? StLength : StIdle;
      end
      StLength: begin
        length_d = rx_data_i;
        state_d = rx_valid_i ? StAddress : StLength;
      end
      StAddress: begin
        if (rx_valid_i) begin
          address_d = {address_q[23:0], rx_data_i};
          count_d = last_byte ? '0 : count_q + 6'd1;
          if (last_byte) begin
            state_d = !known_q ? StIdle : (writes_q ? StData : StAccess);
          end
        end
      end
      StData: begin
        if (rx_valid_i) begin
          data_d = {data_q[23:0], rx_data_i};
          count_d = last_byte ? '0 : count_q + 6'd1;
          state_d = last_byte ? StAccess : StData;
        end
      end
      StAccess: begin
        if (writes_q || ready_i) begin
          data_d = writes_q ? data_q : read_data_i;
          state_d = StSum;
        end
      end
      StSum: begin
        count_d = count_q + 6'd1;
        if (count_q == '1) begin
          if (!writes_q) begin
            state_d = StAnswer;
          end else begin
            state_d = last_word ? StIdle : StData;
          end
        end
      end
      StAnswer: begin
        if (tx_ready_i) begin
          data_d = {data_q[23:0], 8'd0};
          count_d = last_byte ? '0 : count_q + 6'd1;
          if (last_byte) begin
            state_d = last_word ? StIdle : StAccess;
          end
        end
      end
      default: state_d = StIdle;
    endcase
    // A word is done: after the sum of a write, after the last byte of a read.
    if ((state_q == StSum && writes_q && state_d != StSum) ||
        (state_q == StAnswer && tx_ready_i && last_byte)) begin
      length_d = length_q - 8'd1;
      // Nothing stands beyond 16 bits, so a burst counts no further.
      address_d[15:0] = address_q[15:0] + 16'(counts_q);
    end
    if (timed_out) begin
      state_d = StIdle;
    end
  end

  // Silence counts while bytes of the host are awaited.
  always_comb begin
    silence_d = '0;
    if ((state_q == StLength || state_q == StAddress || state_q == StData) && !rx_valid_i &&
        !timed_out) begin
      silence_d = silence_q + SILENCE_BITS'(1);
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      writes_q <= 1'b0;
      counts_q <= 1'b0;
      known_q <= 1'b0;
      length_q <= '0;
      address_q <= '0;
      data_q <= '0;
      count_q <= '0;
      silence_q <= '0;
    end else begin
      state_q <= state_d;
      writes_q <= writes_d;
      counts_q <= counts_d;
      known_q <= known_d;
      length_q <= length_d;
      address_q <= address_d;
      data_q <= data_d;
      count_q <= count_d;
      silence_q <= silence_d;
    end
  end

  assign write_o = state_q == StAccess && writes_q;
  assign read_o = state_q == StAccess && !writes_q;
  assign address_o = address_q;
  assign write_data_o = data_q;
  assign tx_valid_o = state_q == StAnswer;
  assign tx_data_o = data_q[31:24];
  assign crc_valid_o = state_q == StSum && address_q != CrcAddress;
  assign crc_bit_o = count_q[5] ? data_q[count_q[4:0]] : address_q[count_q[4:0]];

  `ASSERT(AccessOne, !(write_o && read_o), "a read and a write at once")

endmodule

`default_nettype wire
