// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// One input of two bits or more: its generators, the sixteen modes, and its bits in the row.

`include "harness_assert.svh"
`default_nettype none

/// The twin of `draw` in src/verify/stimulus/schedule.rs for such an input. A draw is chosen
/// (`draw_choose`: its mode), scaled (a number below the width or a count), fetched (from the
/// table), formed (`draw_form`) and at last put on the present value or that of an earlier input:
/// all sixteen modes end as `((base & keep) ^ word) + step`, so one adder serves them.
module input_wide import harness_pkg::*; #(
  parameter input_t      Port         = '{width: 16'd8, kind: InputData, tables: 1'b1, default: '0},
  parameter int unsigned PartnerCount = 1,
  parameter int unsigned WalkBits     = 8,
  localparam int unsigned Width       = 32'(Port.width),
  localparam int unsigned Slices      = slices(Port),
  localparam int unsigned CodeBits    = (WalkBits == 0) ? 1 : WalkBits
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  // Words and settings of the episode and its segments; an episode starts from a row of zeros.
  input  logic                fresh_i,
  input  logic                load_control_i,
  input  logic                load_slice_i,
  input  logic [4:0]          slice_i,
  input  logic                load_settings_i,
  input  logic                load_menu_i,
  input  logic                load_menu_second_i,
  input  logic [63:0]         word_i,
  input  input_settings_t     settings_i,
  input  logic                candidate_i,
  // The table.
  input  logic                write_i,
  input  logic [7:0]          write_lane_i,
  input  logic [7:0]          write_entry_i,
  input  logic [31:0]         write_data_i,
  // The draws ahead.
  input  logic                move_i,
  input  logic                early_i,
  input  logic                late_i,
  input  logic                walks_i,
  input  logic                walks_next_i,
  input  logic [CodeBits-1:0] walk_code_i,
  input  logic [CodeBits-1:0] walk_code_next_i,
  // The row.
  input  logic                commit_i,
  input  logic                power_up_i,
  input  logic                may_change_i,
  output logic [5:0]          partner_o,
  input  logic [Width-1:0]    partner_value_i,
  output logic [Width-1:0]    next_o,
  output logic [Width-1:0]    value_o
);

  localparam logic HAS_TABLE = Port.tables || Port.restricted;
  localparam int unsigned FACTOR_WIDTH = $clog2(Width + 1);
  localparam int unsigned FACTOR_PARTNERS = $clog2(PartnerCount + 1);
  localparam int unsigned FACTOR_INPUTS =
      (FACTOR_PARTNERS > FACTOR_WIDTH) ? FACTOR_PARTNERS : FACTOR_WIDTH;
  localparam int unsigned FACTOR_BITS = (HAS_TABLE && FACTOR_INPUTS < 8) ? 8 : FACTOR_INPUTS;

  ///////////////////////
  // Settings and menu //
  ///////////////////////

  input_settings_t settings_q;
  logic [63:0] menu_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      settings_q <= '0;
      menu_q <= '0;
    end else begin
      if (load_settings_i) begin
        settings_q <= settings_i;
      end
      if (load_menu_i) begin
        menu_q <= word_i;
      end else if (load_menu_second_i && settings_q.menu == MenuBoth) begin
        menu_q <= menu_q & word_i;
      end
    end
  end

  ////////////////
  // Generators //
  ////////////////

  logic [63:0] control;
  generator u_control (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .load_i  (load_control_i),
    .word_i  (word_i),
    .step_i  (early_i),
    .state_o (control)
  );

  // Each slice's uniform bits are the sum of its state's halves; AND and OR are with the lower
  // half.
  logic [Width-1:0] uniform, lower;
  for (genvar s = 0; s < Slices; s++) begin : gen_slice
    localparam int unsigned SLICE_WIDTH = (Width - 32 * s > 32) ? 32 : Width - 32 * s;
    logic [63:0] noise;
    logic [31:0] sum;
    generator u_noise (
      .clk_i   (clk_i),
      .rst_ni  (rst_ni),
      .load_i  (load_slice_i && slice_i == 5'(s)),
      .word_i  (word_i),
      .step_i  (late_i),
      .state_o (noise)
    );
    assign sum = noise[63:32] + noise[31:0];
    assign uniform[32*s+:SLICE_WIDTH] = sum[SLICE_WIDTH-1:0];
    assign lower[32*s+:SLICE_WIDTH] = noise[SLICE_WIDTH-1:0];
    if (SLICE_WIDTH < 32) begin : gen_narrow
      logic unused_sum;
      assign unused_sum = ^sum[31:SLICE_WIDTH];
    end
  end
  if (Slices == 0) begin : gen_no_slice
    assign uniform = '0;
    assign lower = '0;
    logic unused_slice;
    assign unused_slice = ^{load_slice_i, slice_i, late_i};
  end

  ////////////
  // Chosen //
  ////////////

  logic [7:0] own_count, pool_count;
  mode_e chosen_mode_d, chosen_mode_q;
  logic [FACTOR_BITS-1:0] chosen_factor_d, chosen_factor_q;
  logic [15:0] chosen_draw_q;
  logic [5:0] chosen_fields_q;
  logic chosen_due_q;

  draw_choose #(
    .Width        (Width),
    .Restricted   (Port.restricted),
    .PartnerCount (PartnerCount),
    .FactorBits   (FACTOR_BITS)
  ) u_choose (
    .entry_i      (control[9:6]),
    .menu_i       (menu_q),
    .kind_i       (settings_q.menu),
    .candidate_i  (candidate_i),
    .own_count_i  (own_count),
    .pool_count_i (pool_count),
    .mode_o       (chosen_mode_d),
    .factor_o     (chosen_factor_d)
  );

  ////////////////////////
  // Scaled and fetched //
  ////////////////////////

  logic [FACTOR_BITS+15:0] product;
  assign product = (FACTOR_BITS + 16)'(chosen_draw_q) * (FACTOR_BITS + 16)'(chosen_factor_q);

  mode_e scaled_mode_q, fetched_mode_q;
  logic [FACTOR_BITS-1:0] scaled_index_q, fetched_index_q;
  logic [5:0] scaled_fields_q, fetched_fields_q;
  logic scaled_due_q, fetched_due_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      chosen_mode_q <= ModeUniform;
      chosen_factor_q <= '0;
      chosen_draw_q <= '0;
      chosen_fields_q <= '0;
      chosen_due_q <= 1'b0;
      scaled_mode_q <= ModeUniform;
      scaled_index_q <= '0;
      scaled_fields_q <= '0;
      scaled_due_q <= 1'b0;
      fetched_mode_q <= ModeUniform;
      fetched_index_q <= '0;
      fetched_fields_q <= '0;
      fetched_due_q <= 1'b0;
    end else if (move_i) begin
      chosen_mode_q <= chosen_mode_d;
      chosen_factor_q <= chosen_factor_d;
      chosen_draw_q <= control[31:16];
      chosen_fields_q <= control[37:32];
      chosen_due_q <= draws(settings_q.hold, control[5:0]);
      scaled_mode_q <= chosen_mode_q;
      scaled_index_q <= product[16+:FACTOR_BITS];
      scaled_fields_q <= chosen_fields_q;
      scaled_due_q <= chosen_due_q;
      fetched_mode_q <= scaled_mode_q;
      fetched_index_q <= scaled_index_q;
      fetched_fields_q <= scaled_fields_q;
      fetched_due_q <= scaled_due_q;
    end
  end

  logic [Width-1:0] table_value, table_mask;
  if (HAS_TABLE) begin : gen_table
    // A code of the walk above the number of legal values wraps round.
    logic [7:0] read_entry, walk_entry;
    assign walk_entry = (8'(walk_code_next_i) >= own_count) ?
        8'(walk_code_next_i) - own_count : 8'(walk_code_next_i);
    always_comb begin
      read_entry = 8'(scaled_index_q) | {scaled_mode_q == ModePool, 7'd0};
      if (Port.restricted && walks_next_i) begin
        read_entry = walk_entry;
      end
    end

    table_store #(
      .Width (Width)
    ) u_table (
      .clk_i         (clk_i),
      .rst_ni        (rst_ni),
      .write_i       (write_i),
      .write_lane_i  (write_lane_i),
      .write_entry_i (write_entry_i),
      .write_data_i  (write_data_i),
      .read_i        (move_i),
      .read_entry_i  (read_entry),
      .value_o       (table_value),
      .mask_o        (table_mask),
      .own_count_o   (own_count),
      .pool_count_o  (pool_count)
    );
  end else begin : gen_no_table
    assign table_value = '0;
    assign table_mask = '0;
    assign own_count = '0;
    assign pool_count = '0;
    logic unused_table;
    assign unused_table = ^{write_i, write_lane_i, write_entry_i, write_data_i, walks_next_i,
                            walk_code_next_i};
  end

  ////////////
  // Formed //
  ////////////

  logic formed_due_q, formed_beside_q, formed_up_d, formed_up_q, formed_down_d, formed_down_q;
  logic [Width-1:0] formed_word_d, formed_word_q, formed_keep_d, formed_keep_q;

  draw_form #(
    .Width     (Width),
    .IndexBits (FACTOR_BITS)
  ) u_form (
    .mode_i       (fetched_mode_q),
    .index_i      (fetched_index_q),
    .fields_i     (fetched_fields_q),
    .uniform_i    (uniform),
    .lower_i      (lower),
    .constant_i   (table_value),
    .mask_i       (table_mask),
    // Legal values and the walk's are taken as they are.
    .plain_i      (Port.restricted || walks_i),
    .plain_word_i (Port.restricted ? table_value : Width'(walk_code_i)),
    .word_o       (formed_word_d),
    .keep_o       (formed_keep_d),
    .up_o         (formed_up_d),
    .down_o       (formed_down_d)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      formed_due_q <= 1'b0;
      formed_beside_q <= 1'b0;
      formed_up_q <= 1'b0;
      formed_down_q <= 1'b0;
      formed_word_q <= '0;
      formed_keep_q <= '0;
      partner_o <= '0;
    end else if (move_i) begin
      formed_due_q <= fetched_due_q || walks_i;
      formed_beside_q <= fetched_mode_q == ModePartner && !walks_i;
      formed_up_q <= formed_up_d;
      formed_down_q <= formed_down_d;
      formed_word_q <= formed_word_d;
      formed_keep_q <= formed_keep_d;
      partner_o <= 6'(fetched_index_q);
    end
  end

  /////////
  // Row //
  /////////

  logic [Width-1:0] value_d, value_q, base;
  assign base = formed_beside_q ? partner_value_i : value_q;
  always_comb begin
    value_d = value_q;
    if (fresh_i) begin
      value_d = '0;
    end else if (commit_i && (power_up_i || (may_change_i && formed_due_q))) begin
      value_d = ((base & formed_keep_q) ^ formed_word_q) + {Width{formed_down_q}} +
          Width'(formed_up_q);
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      value_q <= '0;
    end else begin
      value_q <= value_d;
    end
  end

  assign next_o = value_d;
  assign value_o = value_q;

  `ASSERT_INIT(WidthRange, Width >= 2, "an input of two bits or more")
  `ASSERT_INIT(SlicesRange, Slices <= 31, "992 bits at most")

endmodule

`default_nettype wire
