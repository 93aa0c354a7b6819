// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// The stimulus on chip: the words of an episode go in, the row of all inputs comes out.

`include "harness_assert.svh"
`default_nettype none

/// The twin of src/verify/stimulus: the same rows for the same words. Joins the inputs, each by
/// itself a module, and keeps what concerns all of them. It does not know when an episode begins or
/// how long it is: that is `sequencer`.
module stimulus import harness_pkg::*; #(
  parameter int unsigned      InputCount    = 3,
  parameter inputs_t          Inputs        = EXAMPLE_INPUTS,
  parameter logic             Synchronous   = 1'b0,
  parameter logic             AfterFalling  = 1'b0,
  parameter logic             Sequential    = 1'b1,
  parameter logic             Initialised   = 1'b0,
  parameter logic             Counters      = 1'b0,
  parameter int unsigned      DurationCount = 0,
  parameter logic [15:0][7:0] Durations     = '0,
  localparam int unsigned     RowBits       = input_offset(Inputs, InputCount)
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  // The run.
  input  flavour_e              flavour_i,
  input  logic                  walk_i,
  input  logic [5:0]            leader_i,
  input  logic [3:0]            number_i,
  input  logic                  long_i,
  input  logic                  leadable_i,
  input  logic                  fresh_i,
  // The words of an episode, or of a segment after the first.
  input  logic                  first_segment_i,
  input  logic                  load_i,
  input  lane_e                 lane_i,
  input  logic [5:0]            input_i,
  input  logic [4:0]            slice_i,
  input  logic [63:0]           word_i,
  // What the host loads: tables, and the registers of the walk.
  input  logic                  table_write_i,
  input  logic [31:0]           table_at_i,
  input  logic [31:0]           write_data_i,
  input  logic [4:0]            walk_write_i,
  output logic [4:0][31:0]      walk_registers_o,
  // The draws ahead.
  input  logic                  move_i,
  input  logic                  early_i,
  input  logic                  late_i,
  // The row.
  input  logic                  power_up_i,
  input  logic                  commit_i,
  input  logic                  side_i,
  input  logic                  edge_i,
  input  logic                  rises_i,
  input  logic                  all_up_i,
  input  logic                  all_down_i,
  input  logic [CYCLE_BITS-1:0] cycle_i,
  output logic [RowBits-1:0]    row_o
);

  localparam int unsigned Clocks = count_kind(Inputs, InputCount, InputClock);
  localparam int unsigned CodeSum = walk_offset(Inputs, InputCount);
  localparam logic Walks = !Sequential && Clocks == 0 && CodeSum <= WALK_BITS_MAX;
  localparam int unsigned WalkBits = Walks ? CodeSum : 0;
  localparam int unsigned CodeBits = (WalkBits == 0) ? 1 : WalkBits;
  localparam logic Timed = DurationCount != 0;

  //////////////
  // Settings //
  //////////////

  episode_settings_t episode_d, episode_q;
  episode_settings #(
    .Clocks       (Clocks),
    .Synchronous  (Synchronous),
    .AfterFalling (AfterFalling),
    .Initialised  (Initialised)
  ) u_episode_settings (
    .word_i     (word_i[11:0]),
    .flavour_i  (flavour_i),
    .long_i     (long_i),
    .number_i   (number_i),
    .settings_o (episode_d)
  );

  logic loads_whole, quiet_q, leads_d, leads_q;
  logic [5:0] leader_d, leader_q;
  assign loads_whole = load_i && lane_i == LaneWhole;

  segment_leader #(
    .InputCount (InputCount),
    .Inputs     (Inputs),
    .Counters   (Counters)
  ) u_segment_leader (
    .word_i     (word_i[51:35]),
    .flavour_i  (flavour_i),
    .leader_i   (leader_i),
    .leadable_i (leadable_i),
    .leads_o    (leads_d),
    .leader_o   (leader_d)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      episode_q <= '0;
      quiet_q <= 1'b0;
      leads_q <= 1'b0;
      leader_q <= '0;
    end else if (loads_whole) begin
      if (first_segment_i) begin
        episode_q <= episode_d;
      end
      quiet_q <= word_i[34:32] == 3'd7;
      leads_q <= leads_d;
      leader_q <= leader_d;
    end
  end

  logic [INPUTS_MAX-1:0] is_wide, is_reset, is_restricted;
  always_comb begin
    for (int unsigned i = 0; i < INPUTS_MAX; i++) begin
      is_wide[i] = Inputs[i].width > 16'd1;
      is_reset[i] = Inputs[i].kind == InputReset;
      is_restricted[i] = Inputs[i].restricted;
    end
  end

  input_settings_t settings;
  input_settings #(
    .Sequential (Sequential),
    .Timed      (Timed)
  ) u_input_settings (
    .word_i       (word_i[13:0]),
    .flavour_i    (flavour_i),
    .wide_i       (is_wide[input_i]),
    .is_reset_i   (is_reset[input_i]),
    .restricted_i (is_restricted[input_i]),
    .quiet_i      (quiet_q),
    .leads_i      (leads_q && leader_q == input_i),
    .settings_o   (settings)
  );

  ////////////////////////////////////
  // What concerns all of the inputs //
  ////////////////////////////////////

  // Opportunities that resets have had: they start at the first, or at the second.
  logic [1:0] opportunities_d, opportunities_q;
  logic resets_start;
  assign resets_start = opportunities_q == {1'b0, episode_q.delayed};
  always_comb begin
    opportunities_d = opportunities_q;
    if (fresh_i) begin
      opportunities_d = '0;
    end else if (commit_i && !power_up_i && episode_q.resets_at[side_i] &&
        !opportunities_q[1]) begin
      opportunities_d = opportunities_q + 2'd1;
    end
  end
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      opportunities_q <= '0;
    end else begin
      opportunities_q <= opportunities_d;
    end
  end

  logic walks, walks_next;
  logic [CodeBits-1:0] code, code_next;
  if (WalkBits != 0) begin : gen_walk
    walk #(
      .Bits (WalkBits)
    ) u_walk (
      .clk_i        (clk_i),
      .rst_ni       (rst_ni),
      .write_i      (walk_write_i),
      .write_data_i (write_data_i),
      .registers_o  (walk_registers_o),
      .enable_i     (walk_i),
      .fresh_i      (fresh_i),
      .move_i       (move_i),
      .late_i       (late_i),
      .walks_next_o (walks_next),
      .code_next_o  (code_next),
      .walks_o      (walks),
      .code_o       (code)
    );
  end else begin : gen_no_walk
    assign walks = 1'b0;
    assign walks_next = 1'b0;
    assign code = '0;
    assign code_next = '0;
    assign walk_registers_o = '0;
    logic unused_walk;
    assign unused_walk = ^{walk_i, walk_write_i};
  end

  /////////////////
  // The inputs //
  /////////////////

  // An input sees the next values of those before it, so this is no loop.
  logic [RowBits-1:0] row, row_next  /* verilator split_var */;
  logic [CYCLE_BITS-1:0] together;
  logic [InputCount-1:0][1:0] start_cycles;
  logic all_low, all_high;

  if (Clocks != 0) begin : gen_clocks
    logic [Clocks-1:0] levels;
    input_clocks #(
      .Clocks (Clocks)
    ) u_clocks (
      .clk_i            (clk_i),
      .rst_ni           (rst_ni),
      .load_edges_i     (load_i && lane_i == LaneEdges),
      .load_favourite_i (loads_whole && first_segment_i),
      .word_i           (word_i),
      .edge_i           (edge_i),
      .rises_i          (rises_i),
      .together_i       (cycle_i < together),
      .all_up_i         (all_up_i),
      .all_down_i       (all_down_i),
      .value_o          (levels)
    );
    assign all_low = levels == '0;
    assign all_high = levels == '1;
  end else begin : gen_no_clocks
    assign all_low = 1'b1;
    assign all_high = 1'b1;
    logic unused_clocks;
    assign unused_clocks = ^{edge_i, rises_i, all_up_i, all_down_i, cycle_i, together};
  end

  // All clocks run together while the first reset lasts.
  always_comb begin
    together = '0;
    for (int unsigned i = 0; i < InputCount; i++) begin
      if (Inputs[i].kind == InputReset && episode_q.pulsed &&
          CYCLE_BITS'(start_cycles[i]) + CYCLE_BITS'(1) > together) begin
        together = CYCLE_BITS'(start_cycles[i]) + CYCLE_BITS'(1);
      end
    end
  end

  for (genvar i = 0; i < InputCount; i++) begin : gen_input
    localparam int unsigned WIDTH = 32'(Inputs[i].width);
    localparam int unsigned OFFSET = input_offset(Inputs, i);
    localparam int unsigned CODE_BITS = (WalkBits == 0) ? 0 : walk_bits(Inputs[i]);
    localparam int unsigned CODE_OFFSET = (CODE_BITS == 0) ? 0 : walk_offset(Inputs, i);

    logic selected, may_change;
    assign selected = load_i && input_i == 6'(i);
    if (Inputs[i].kind == InputGate) begin : gen_gate
      assign may_change = Inputs[i].closed ? all_high : all_low;
    end else if (Inputs[i].kind == InputReset) begin : gen_reset_as_data
      assign may_change = episode_q.as_data && episode_q.data_at[side_i];
    end else begin : gen_data
      assign may_change = episode_q.data_at[side_i];
    end

    if (Inputs[i].kind == InputClock) begin : gen_clock
      localparam int unsigned NUMBER = count_kind(Inputs, i, InputClock);
      assign row[OFFSET] = gen_clocks.levels[NUMBER];
      assign row_next[OFFSET] = gen_clocks.levels[NUMBER];
      assign start_cycles[i] = '0;
      logic unused_clock;
      assign unused_clock = ^{selected, may_change};
    end else if (WIDTH == 1) begin : gen_bit
      logic [63:0] control;
      input_settings_t bit_settings;
      logic forces, level;

      input_bit #(
        .Port          (Inputs[i]),
        .Counters      (Counters),
        .DurationCount (DurationCount),
        .Durations     (Durations)
      ) u_bit (
        .clk_i           (clk_i),
        .rst_ni          (rst_ni),
        .fresh_i         (fresh_i),
        .load_control_i  (selected && lane_i == LaneControl),
        .load_settings_i (selected && lane_i == LaneSettings),
        .word_i          (word_i),
        .settings_i      (settings),
        .move_i          (move_i),
        .late_i          (late_i),
        .walks_i         (walks),
        .walk_bit_i      (code[CODE_OFFSET]),
        .commit_i        (commit_i),
        .power_up_i      (power_up_i),
        .may_change_i    (may_change),
        .both_sides_i    (Inputs[i].kind != InputGate && episode_q.data_at == 2'b11),
        .force_i         (forces),
        .force_level_i   (level),
        .control_o       (control),
        .settings_o      (bit_settings),
        .next_o          (row_next[OFFSET]),
        .value_o         (row[OFFSET])
      );

      assign start_cycles[i] = bit_settings.start_cycles;
      if (Inputs[i].kind == InputReset) begin : gen_reset
        reset_pulse #(
          .Port         (Inputs[i]),
          .AfterFalling (AfterFalling)
        ) u_reset_pulse (
          .clk_i          (clk_i),
          .rst_ni         (rst_ni),
          .fresh_i        (fresh_i),
          .episode_i      (episode_q),
          .start_cycles_i (bit_settings.start_cycles),
          .control_i      (control),
          .move_i         (move_i),
          .commit_i       (commit_i),
          .power_up_i     (power_up_i),
          .side_i         (side_i),
          .start_i        (resets_start),
          .force_o        (forces),
          .level_o        (level)
        );
      end else begin : gen_no_reset
        assign forces = 1'b0;
        assign level = 1'b0;
        logic unused_control;
        assign unused_control = ^control;
      end
      logic unused_settings;
      assign unused_settings = ^bit_settings;
    end else begin : gen_wide
      localparam logic [INPUTS_MAX-1:0] PARTNERS = partners(Inputs, i);
      localparam int unsigned CODE_WIDTH = (CODE_BITS == 0) ? 1 : CODE_BITS;
      logic [5:0] partner;
      logic [WIDTH-1:0] partner_value;

      input_wide #(
        .Port         (Inputs[i]),
        .PartnerCount ($countones(PARTNERS)),
        .WalkBits     (CODE_BITS)
      ) u_wide (
        .clk_i              (clk_i),
        .rst_ni             (rst_ni),
        .fresh_i            (fresh_i),
        .load_control_i     (selected && lane_i == LaneControl),
        .load_slice_i       (selected && lane_i == LaneSlice),
        .slice_i            (slice_i),
        .load_settings_i    (selected && lane_i == LaneSettings),
        .load_menu_i        (selected && lane_i == LaneMenu),
        .load_menu_second_i (selected && lane_i == LaneMenuSecond),
        .word_i             (word_i),
        .settings_i         (settings),
        .candidate_i        (flavour_i == FlavourCandidate),
        .write_i            (table_write_i && table_at_i[31:16] == 16'(i)),
        .write_lane_i       (table_at_i[15:8]),
        .write_entry_i      (table_at_i[7:0]),
        .write_data_i       (write_data_i),
        .move_i             (move_i),
        .early_i            (early_i),
        .late_i             (late_i),
        .walks_i            (walks),
        .walks_next_i       (walks_next),
        .walk_code_i        (code[CODE_OFFSET+:CODE_WIDTH]),
        .walk_code_next_i   (code_next[CODE_OFFSET+:CODE_WIDTH]),
        .commit_i           (commit_i),
        .power_up_i         (power_up_i),
        .may_change_i       (may_change),
        .partner_o          (partner),
        .partner_value_i    (partner_value),
        .next_o             (row_next[OFFSET+:WIDTH]),
        .value_o            (row[OFFSET+:WIDTH])
      );
      assign start_cycles[i] = '0;

      // The partner's next value, cut or extended.
      logic [i:0][WIDTH-1:0] values;
      assign values[0] = '0;
      for (genvar j = 0; j < i; j++) begin : gen_partner
        localparam int unsigned PARTNER_WIDTH = 32'(Inputs[j].width);
        localparam int unsigned PARTNER_OFFSET = input_offset(Inputs, j);
        if (PARTNERS[j]) begin : gen_yes
          localparam logic [INPUTS_MAX-1:0] BEFORE = PARTNERS & ((INPUTS_MAX'(1) << j) - 1);
          localparam int unsigned RANK = $countones(BEFORE);
          logic [WIDTH-1:0] value;
          assign value = WIDTH'(row_next[PARTNER_OFFSET+:PARTNER_WIDTH]);
          assign values[j+1] = values[j] | ((partner == 6'(RANK)) ? value : '0);
        end else begin : gen_no
          assign values[j+1] = values[j];
        end
      end
      assign partner_value = values[i];
      if (PARTNERS == '0) begin : gen_alone
        logic unused_partner;
        assign unused_partner = ^partner;
      end
    end
  end

  assign row_o = row;

endmodule

`default_nettype wire
