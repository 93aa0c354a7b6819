// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// The registers that the host writes and reads, by word address.

`include "harness_assert.svh"
`default_nettype none

/// Keeps what configures a run and decodes all else: results, tables and the registers that count
/// are where they are used. While a run is on it takes writes to CONTROL and CRC alone.
module registers import harness_pkg::*; #(
  parameter logic [63:0] BuildId     = 64'd0,
  parameter logic [7:0]  Board       = 8'd0,
  parameter int unsigned InputCount  = 3,
  parameter int unsigned OutputCount = 2,
  parameter int unsigned SlotCount   = 3
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  // The bus.
  input  logic                  write_i,
  input  logic                  read_i,
  input  logic [31:0]           address_i,
  input  logic [31:0]           write_data_i,
  output logic                  ready_o,
  output logic [31:0]           read_data_o,
  // The run.
  output logic                  start_o,
  output logic                  stop_o,
  input  logic                  busy_i,
  input  logic                  done_i,
  input  logic                  stopped_i,
  // What configures it.
  input  logic                  turn_stream_i,
  output logic                  stream_bit_o,
  output flavour_e              flavour_o,
  output logic [1:0]            sequence_o,
  output logic                  walk_o,
  output logic                  stop_at_hit_o,
  output logic [CYCLE_BITS-1:0] cycles_o,
  output logic [CYCLE_BITS-1:0] last_cycles_o,
  output logic [5:0]            leader_o,
  output logic [31:0]           select_o,
  output logic [7:0]            fault_o,
  // Registers that count, elsewhere.
  output logic                  write_number_o,
  output logic                  write_episodes_o,
  output logic [4:0]            write_walk_o,
  input  logic [CYCLE_BITS-1:0] number_i,
  input  logic [CYCLE_BITS-1:0] episodes_i,
  input  logic [4:0][31:0]      walk_i,
  // Tables, the sum and the results, elsewhere.
  output logic                  write_table_o,
  output logic [31:0]           table_at_o,
  output logic                  set_crc_o,
  input  logic [31:0]           crc_i,
  output logic                  read_result_o,
  input  logic                  result_ready_i,
  input  logic [31:0]           result_i
);

  localparam logic [31:0] IDENT = 32'h5341_4c56;
  localparam logic [7:0] CONTRACT_VERSION = 8'd1;
  localparam logic [7:0] STIMULUS_VERSION = 8'd2;
  // Word addresses.
  localparam logic [31:0] RESULTS_FIRST = 32'h400;
  localparam logic [4:0] CONTROL = 5'd5;
  localparam logic [4:0] CRC = 5'd7;
  localparam logic [4:0] STREAM_LOW = 5'd8;
  localparam logic [4:0] STREAM_HIGH = 5'd9;
  localparam logic [4:0] MODE = 5'd10;
  localparam logic [4:0] NUMBER = 5'd11;
  localparam logic [4:0] EPISODES = 5'd12;
  localparam logic [4:0] CYCLES = 5'd13;
  localparam logic [4:0] LAST_CYCLES = 5'd14;
  localparam logic [4:0] LEADER = 5'd15;
  localparam logic [4:0] WALK_FIRST = 5'd16;
  localparam logic [4:0] SELECT = 5'd21;
  localparam logic [4:0] FAULT = 5'd22;
  localparam logic [4:0] TABLE_AT = 5'd23;
  localparam logic [4:0] TABLE_DATA = 5'd24;

  logic in_registers, in_results, takes;
  logic [4:0] number;
  assign in_registers = address_i[31:5] == '0;
  assign in_results = address_i >= RESULTS_FIRST && address_i[31:16] == '0;
  assign number = address_i[4:0];
  // Configuration is taken between runs.
  assign takes = write_i && in_registers && !busy_i;

  logic [63:0] stream_q;
  flavour_e flavour_q;
  logic [1:0] sequence_q;
  logic walk_q, stop_at_hit_q;
  logic [CYCLE_BITS-1:0] cycles_q, last_cycles_q;
  logic [5:0] leader_q;
  // No wider than there are slots, outputs and inputs.
  localparam int unsigned SLOT_BITS = $clog2(SlotCount);
  localparam int unsigned OUTPUT_BITS = (OutputCount > 1) ? $clog2(OutputCount) : 1;
  logic [SLOT_BITS-1:0] select_slot_q;
  logic [OUTPUT_BITS-1:0] select_output_q;
  logic select_any_q;
  logic [21:0] table_at_q;
  logic [7:0] fault_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      stream_q <= '0;
      flavour_q <= FlavourBase;
      sequence_q <= '0;
      walk_q <= 1'b0;
      stop_at_hit_q <= 1'b0;
      cycles_q <= '0;
      last_cycles_q <= '0;
      leader_q <= '0;
      select_slot_q <= '0;
      select_output_q <= '0;
      select_any_q <= 1'b0;
      fault_q <= '0;
      table_at_q <= '0;
    end else if (turn_stream_i) begin
      stream_q <= {stream_q[62:0], stream_q[63]};
    end else if (takes) begin
      unique case (number)
        STREAM_LOW:  stream_q[31:0] <= write_data_i;
        STREAM_HIGH: stream_q[63:32] <= write_data_i;
        MODE: begin
          flavour_q <= flavour_e'(write_data_i[2:0]);
          sequence_q <= write_data_i[9:8];
          walk_q <= write_data_i[16];
          stop_at_hit_q <= write_data_i[17];
        end
        CYCLES:      cycles_q <= write_data_i[CYCLE_BITS-1:0];
        LAST_CYCLES: last_cycles_q <= write_data_i[CYCLE_BITS-1:0];
        LEADER:      leader_q <= write_data_i[5:0];
        SELECT: begin
          select_slot_q <= write_data_i[SLOT_BITS-1:0];
          select_output_q <= write_data_i[16+:OUTPUT_BITS];
          select_any_q <= write_data_i[31];
        end
        FAULT:       fault_q <= write_data_i[7:0];
        TABLE_AT:    table_at_q <= write_data_i[21:0];
        TABLE_DATA:  table_at_q[7:0] <= table_at_q[7:0] + 8'd1;
        default:     ;
      endcase
    end
  end

  logic [31:0] mode, select;
  assign mode = {14'd0, stop_at_hit_q, walk_q, 6'd0, sequence_q, 5'd0, flavour_q};
  assign select = {select_any_q, 15'(select_output_q), 16'(select_slot_q)};

  always_comb begin
    read_data_o = '0;
    if (in_results) begin
      read_data_o = busy_i ? '0 : result_i;
    end else if (in_registers) begin
      unique case (number)
        5'd0:        read_data_o = IDENT;
        5'd1:        read_data_o = {8'd0, Board, STIMULUS_VERSION, CONTRACT_VERSION};
        5'd2:        read_data_o = BuildId[31:0];
        5'd3:        read_data_o = BuildId[63:32];
        5'd4:        read_data_o = {16'(SlotCount), 8'(OutputCount), 8'(InputCount)};
        5'd6:        read_data_o = {29'd0, stopped_i, done_i, busy_i};
        CRC:         read_data_o = crc_i;
        STREAM_LOW:  read_data_o = stream_q[31:0];
        STREAM_HIGH: read_data_o = stream_q[63:32];
        MODE:        read_data_o = mode;
        NUMBER:      read_data_o = 32'(number_i);
        EPISODES:    read_data_o = 32'(episodes_i);
        CYCLES:      read_data_o = 32'(cycles_q);
        LAST_CYCLES: read_data_o = 32'(last_cycles_q);
        LEADER:      read_data_o = 32'(leader_q);
        5'd16:       read_data_o = walk_i[0];
        5'd17:       read_data_o = walk_i[1];
        5'd18:       read_data_o = walk_i[2];
        5'd19:       read_data_o = walk_i[3];
        5'd20:       read_data_o = walk_i[4];
        SELECT:      read_data_o = select;
        FAULT:       read_data_o = 32'(fault_q);
        TABLE_AT:    read_data_o = 32'(table_at_q);
        default:     read_data_o = '0;
      endcase
    end
  end

  assign read_result_o = read_i && in_results && !busy_i;
  assign ready_o = !read_result_o || result_ready_i;
  assign start_o = takes && number == CONTROL && write_data_i[0];
  assign stop_o = write_i && in_registers && number == CONTROL && write_data_i[1];
  assign set_crc_o = write_i && in_registers && number == CRC;
  assign write_number_o = takes && number == NUMBER;
  assign write_episodes_o = takes && number == EPISODES;
  assign write_table_o = takes && number == TABLE_DATA;
  always_comb begin
    for (int unsigned i = 0; i < 5; i++) begin
      write_walk_o[i] = takes && number == WALK_FIRST + 5'(i);
    end
  end

  assign stream_bit_o = stream_q[63];
  assign flavour_o = flavour_q;
  assign sequence_o = sequence_q;
  assign walk_o = walk_q;
  assign stop_at_hit_o = stop_at_hit_q;
  assign cycles_o = cycles_q;
  assign last_cycles_o = last_cycles_q;
  assign leader_o = leader_q;
  assign select_o = select;
  assign fault_o = fault_q;
  assign table_at_o = 32'(table_at_q);

  `ASSERT(TurnsInRuns, !turn_stream_i || busy_i, "the stream turns while it may be written")
  `ASSERT(StartsAtRest, !(start_o && busy_i), "a run starts while one is on")

endmodule

`default_nettype wire
