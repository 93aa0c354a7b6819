// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// The whole harness over its UART: what a host writes and reads, with a golden module and four
// slots beside it.

`default_nettype none

/// Plays the host byte by byte as LiteX's UARTBone has it: registers keep what is written, the CRC
/// agrees with one that is computed here, slots count what they must, the first mismatch stands
/// where it is, and what a broken frame leaves behind is nothing. It ends at the first check that
/// fails.
module harness_tb import harness_pkg::*; ();

  localparam int unsigned Divisor = 8;
  localparam int unsigned TimeoutClocks = 2000;
  localparam int unsigned SlotCount = 5;
  localparam logic [63:0] BuildId = 64'h0123_4567_89ab_cdef;
  localparam int unsigned TIMEOUT_BITS = 100_000;

  logic clk, rst_n, rx, tx, busy, power_up, fault;
  logic [9:0] inputs;
  logic [1:0][8:0] golden;
  logic [SlotCount-1:0][1:0][8:0] candidate;

  harness #(
    .SlotCount     (SlotCount),
    .OutputCount   (2),
    .OutputWidths  (widths_t'({16'd1, 16'd8})),
    .BuildId       (BuildId),
    .Board         (8'd7),
    .UartDivisor   (Divisor),
    .TimeoutClocks (TimeoutClocks)
  ) u_harness (
    .clk_i       (clk),
    .rst_ni      (rst_n),
    .uart_rx_i   (rx),
    .uart_tx_o   (tx),
    .busy_o      (busy),
    .inputs_o    (inputs),
    .power_up_o  (power_up),
    .fault_o     (fault),
    .golden_i    (golden),
    .candidate_i (candidate)
  );

  ///////////////////////////
  // Golden and candidates //
  ///////////////////////////

  // An accumulator with an active-low reset, and a register that nothing resets: with 0 and with 1
  // at power-up.
  logic slot_clk, slot_rst_n;
  logic [7:0] data;
  assign {data, slot_rst_n, slot_clk} = inputs;
  logic [1:0][7:0] sum_q, late_q;
  logic [1:0] toggle_q;
  for (genvar level = 0; level < 2; level++) begin : gen_level
    always_ff @(posedge slot_clk or negedge slot_rst_n or posedge power_up) begin
      if (power_up) begin
        sum_q[level] <= {8{1'(level)}};
      end else if (!slot_rst_n) begin
        sum_q[level] <= '0;
      end else begin
        sum_q[level] <= sum_q[level] + data;
      end
    end
    // Without reset: undefined for ever.
    always_ff @(posedge slot_clk or posedge power_up) begin
      toggle_q[level] <= power_up ? 1'(level) : !toggle_q[level];
    end
    // A reset that is seen at the clock alone.
    always_ff @(posedge slot_clk or posedge power_up) begin
      if (power_up) begin
        late_q[level] <= {8{1'(level)}};
      end else begin
        late_q[level] <= slot_rst_n ? late_q[level] + data : '0;
      end
    end
    assign golden[level] = {toggle_q[level], sum_q[level]};
    assign candidate[0][level] = golden[level];
    assign candidate[1][level] = golden[level] ^ {9{fault}};
    // Right in the accumulator, and any value in the other output.
    assign candidate[2][level] = {1'b0, sum_q[level]};
    assign candidate[3][level] = {toggle_q[level], late_q[level]};
    // Wrong where the sum is 200.
    assign candidate[4][level] = {toggle_q[level], (sum_q[level] == 8'd200) ? 8'd0 : sum_q[level]};
  end

  // The same counts, beside the harness's: at each point that it compares after settling.
  int unsigned points, faults, wrong_late, wrong_value, wrong_both;
  logic [31:0] first_place, first_episode;
  always @(negedge clk) begin
    if (u_harness.point) begin
      points++;
      faults += 32'(fault);
      wrong_late += 32'(late_q[0] != sum_q[0] || late_q[1] != sum_q[0]);
      if (sum_q[0] == 8'd200 && wrong_value == 0) begin
        first_place = {1'b1, u_harness.step, 5'd0, u_harness.cycle};
        first_episode = 32'(u_harness.number);
      end
      wrong_value += 32'(sum_q[0] == 8'd200);
      wrong_both += 32'(sum_q[0] != sum_q[1]);
    end
  end

  //////////
  // Host //
  //////////

  initial begin
    clk = 1'b0;
    forever begin
      #1 clk = !clk;
    end
  end

  logic [31:0] crc;

  task automatic send(input logic [7:0] value);
    rx = 1'b0;
    repeat (Divisor) @(negedge clk);
    for (int i = 0; i < 8; i++) begin
      rx = value[i];
      repeat (Divisor) @(negedge clk);
    end
    rx = 1'b1;
    repeat (Divisor) @(negedge clk);
  endtask

  task automatic receive(output logic [7:0] value);
    int unsigned waited;
    waited = 0;
    while (tx) begin
      @(negedge clk);
      waited++;
      if (waited > TIMEOUT_BITS) begin
        $fatal(1, "no answer");
      end
    end
    repeat (Divisor + Divisor / 2) @(negedge clk);
    for (int i = 0; i < 8; i++) begin
      value[i] = tx;
      repeat (Divisor) @(negedge clk);
    end
    if (!tx) begin
      $fatal(1, "no stop bit");
    end
  endtask

  function automatic logic [31:0] summed(logic [31:0] sum, logic [63:0] bits);
    logic [31:0] result;
    result = sum;
    for (int i = 0; i < 64; i++) begin
      result = (result >> 1) ^ ((result[0] ^ bits[i]) ? 32'hedb8_8320 : '0);
    end
    return result;
  endfunction

  task automatic head(input logic [7:0] command, input logic [7:0] length,
                      input logic [31:0] address);
    send(command);
    send(length);
    for (int i = 3; i >= 0; i--) begin
      send(address[8*i+:8]);
    end
  endtask

  task automatic put(input logic [31:0] data_word);
    for (int i = 3; i >= 0; i--) begin
      send(data_word[8*i+:8]);
    end
  endtask

  task automatic get(output logic [31:0] data_word);
    for (int i = 3; i >= 0; i--) begin
      receive(data_word[8*i+:8]);
    end
  endtask

  // Addresses are of bytes here, as in hw/README.md.
  task automatic write(input logic [31:0] address, input logic [31:0] value);
    head(8'd1, 8'd1, address >> 2);
    put(value);
    // The access and its sum take less than a byte.
    if (address != 32'h1c) begin
      crc = summed(crc, {value, address >> 2});
    end
  endtask

  task automatic read(input logic [31:0] address, output logic [31:0] value);
    head(8'd2, 8'd1, address >> 2);
    get(value);
    if (address != 32'h1c) begin
      crc = summed(crc, {value, address >> 2});
    end
  endtask

  task automatic expect_read(input logic [31:0] address, input logic [31:0] expected);
    logic [31:0] value;
    read(address, value);
    if (value !== expected) begin
      $fatal(1, "register %h reads %h, not %h", address, value, expected);
    end
  endtask

  // The number of counts that a counter's state stands for, by counting.
  function automatic int unsigned counted(logic [31:0] state);
    logic [31:0] at;
    at = '0;
    for (int unsigned i = 0; i < 1_000_000; i++) begin
      if (at == state) begin
        return i;
      end
      at = {at[30:0], !(at[31] ^ at[21] ^ at[1] ^ at[0])};
    end
    return 32'hffff_ffff;
  endfunction

  task automatic expect_count(input int unsigned word, input int unsigned expected);
    logic [31:0] state;
    read(32'h1000 + 4 * word, state);
    if (counted(state) != expected) begin
      $fatal(1, "result %0d stands for %0d, not %0d", word, counted(state), expected);
    end
  endtask

  task automatic run(input logic [31:0] mode, input logic [31:0] episodes,
                     input logic [31:0] cycles);
    logic [31:0] status;
    {points, faults, wrong_late, wrong_value, wrong_both} = '0;
    write(32'h28, mode);
    write(32'h2c, '0);
    write(32'h30, episodes);
    write(32'h34, cycles);
    write(32'h14, 32'd1);
    do begin
      read(32'h18, status);
    end while (status[0]);
    if (!status[1]) begin
      $fatal(1, "the run is not done");
    end
  endtask

  logic [31:0] value, first;

  task automatic check_identity();
    expect_read(32'h00, 32'h5341_4c56);
    expect_read(32'h04, 32'h0007_0201);
    expect_read(32'h08, BuildId[31:0]);
    expect_read(32'h0c, BuildId[63:32]);
    expect_read(32'h10, {16'(SlotCount), 8'd2, 8'd3});
    expect_read(32'h0f00, '0);
  endtask

  task automatic check_registers();
    for (int unsigned address = 32'h20; address <= 32'h5c; address += 4) begin
      logic [31:0] mask;
      case (address)
        32'h20, 32'h24:                 mask = '1;
        32'h54:                         mask = 32'h8001_0007;
        32'h5c:                         mask = 32'h003f_ffff;
        32'h28:                         mask = 32'h0003_0307;
        32'h2c, 32'h30, 32'h34, 32'h38: mask = 32'h00ff_ffff;
        32'h3c:                         mask = 32'h3f;
        32'h58:                         mask = 32'hff;
        default:                        mask = '0;
      endcase
      write(address, 32'h5a3c_96e1 ^ address);
      expect_read(address, (32'h5a3c_96e1 ^ address) & mask);
    end
  endtask

  // A burst, a frame that is cut off, a command that is none, and noise: the next frame is
  // understood.
  task automatic check_frames();
    head(8'd3, 8'd3, 32'h5c >> 2);
    put(32'd1);
    put(32'd2);
    put(32'd3);
    crc = summed(summed(summed(crc, {32'd1, 32'h17}), {32'd2, 32'h17}), {32'd3, 32'h17});
    expect_read(32'h5c, 32'd3);
    head(8'd2, 8'd2, 32'h0);
    get(value);
    crc = summed(crc, {value, 32'd0});
    get(value);
    crc = summed(crc, {value, 32'd1});
    head(8'd1, 8'd1, 32'h5c >> 2);
    send(8'hff);
    repeat (2 * TimeoutClocks) @(negedge clk);
    expect_read(32'h5c, 32'd3);
    head(8'd9, 8'd1, 32'h5c >> 2);
    expect_read(32'h5c, 32'd3);
    rx = 1'b0;
    repeat (30 * Divisor) @(negedge clk);
    rx = 1'b1;
    repeat (2 * TimeoutClocks) @(negedge clk);
    expect_read(32'h5c, 32'd3);
  endtask

  task automatic check_run();
    write(32'h20, 32'h89ab_cdef);
    write(32'h24, 32'h0123_4567);
    write(32'h38, 32'd50);
    write(32'h54, 32'h8000_0004);
    write(32'h58, 32'h0000_0045);
    run(32'h0, 32'd6, 32'd0);
    if (points == 0 || faults == 0 || wrong_late == 0 || wrong_value == 0) begin
      $fatal(1, "the run shows nothing: %0d %0d %0d %0d", points, faults, wrong_late, wrong_value);
    end
    if (wrong_both != 0) begin
      $fatal(1, "the golden module is not settled at %0d points", wrong_both);
    end
    expect_read(32'h2c, 32'd6);
    expect_read(32'h30, 32'd0);
    // Twice, since reading turns the chain; and not in order.
    for (int unsigned i = 0; i < 2; i++) begin
      check_results();
    end
    expect_read(32'h1000 + 4 * 17, '0);
  endtask

  task automatic check_results();
    expect_count(12, wrong_value);
    expect_read(32'h1000 + 4 * 13, 32'd1);
    expect_count(0, points);
    expect_count(1, faults);
    expect_read(32'h1000 + 4 * 2, first_place);
    expect_read(32'h1000 + 4 * 3, first_episode);
    expect_count(4, 0);
    expect_read(32'h1000 + 4 * 5, '0);
    expect_count(6, faults);
    // The other output is never defined, so a fault there is none.
    expect_read(32'h1000 + 4 * 7, 32'd1);
    expect_count(8, 0);
    expect_read(32'h1000 + 4 * 9, '0);
    expect_count(10, wrong_late);
    expect_read(32'h1000 + 4 * 11, 32'd1);
    expect_read(32'h1000 + 4 * 14, 32'h0ff);
    expect_read(32'h1000 + 4 * 15, 32'h0ff);
    expect_read(32'h1000 + 4 * 16, 32'h100);
  endtask

  // The same run ends at the mismatch, which is the same; and another one at a word of the host.
  task automatic check_stops();
    logic [31:0] place, episode;
    place = first_place;
    episode = first_episode;
    run(32'h0002_0000, 32'd6, 32'd0);
    expect_read(32'h18, 32'd6);
    expect_read(32'h1000 + 4 * 2, place);
    expect_read(32'h1000 + 4 * 3, episode);
    write(32'h54, 32'h8000_0000);
    write(32'h28, 32'h1);
    write(32'h30, 32'd1);
    write(32'h34, 32'h00ff_ffff);
    write(32'h38, 32'd0);
    write(32'h14, 32'd1);
    write(32'h34, 32'd5);
    expect_read(32'h34, 32'h00ff_ffff);
    expect_read(32'h1000, '0);
    write(32'h14, 32'd2);
    expect_read(32'h18, 32'd6);
    read(32'h1000 + 4 * 2, value);
    if (value[31]) begin
      $fatal(1, "a mismatch of the golden module's copy");
    end
  endtask

  initial begin
    rx = 1'b1;
    rst_n = 1'b0;
    crc = '1;
    repeat (4) @(negedge clk);
    rst_n = 1'b1;
    write(32'h1c, '0);
    check_identity();
    check_registers();
    check_frames();
    read(32'h1c, value);
    if (value !== crc) begin
      $fatal(1, "the CRC is %h, not %h", value, crc);
    end
    check_run();
    check_stops();
    $display("harness_tb: %0d points", points);
    $finish;
  end

endmodule

`default_nettype wire
