// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// The rows that the chip plays, beside those that the library made: the stimulus twin test.

`default_nettype none

/// Reads `case.svh`, which the library wrote with what a build has (the interface, the profile),
/// and the file `+script=`: what a host loads, the runs that it starts, and each comparison point
/// that must follow, with its row. It ends with the number of points that agreed, or at the first
/// that does not.
module player_tb import harness_pkg::*; ();

  `include "case.svh"

  localparam int unsigned RowBits = input_offset(Inputs, InputCount);
  localparam int unsigned TIMEOUT_CLOCKS = 200_000;

  logic clk, rst_n, start, walk, write_number, write_episodes, table_write;
  logic [63:0] stream;
  logic turn_stream;
  flavour_e flavour;
  logic [1:0] sequence_number;
  logic [5:0] leader;
  logic [CYCLE_BITS-1:0] cycles, last_cycles, number, episodes, cycle;
  logic [31:0] table_at, write_data;
  logic [4:0] walk_write;
  logic [4:0][31:0] walk_registers;
  logic busy, done, stopped, clear, power_up, compare, settled, stepping;
  logic [RowBits-1:0] row;
  logic [1:0] step, step_now;
  logic [5:0] cycle_now;

  player #(
    .InputCount    (InputCount),
    .Inputs        (Inputs),
    .Synchronous   (Synchronous),
    .AfterFalling  (AfterFalling),
    .Sequential    (Sequential),
    .Initialised   (Initialised),
    .Counters      (Counters),
    .DurationCount (DurationCount),
    .Durations     (Durations),
    .StepClocks    (StepClocks)
  ) u_player (
    .clk_i            (clk),
    .rst_ni           (rst_n),
    .start_i          (start),
    .stop_i           (1'b0),
    .turn_stream_o    (turn_stream),
    .stream_bit_i     (stream[63]),
    .flavour_i        (flavour),
    .sequence_i       (sequence_number),
    .walk_i           (walk),
    .leader_i         (leader),
    .cycles_i         (cycles),
    .last_cycles_i    (last_cycles),
    .write_number_i   (write_number),
    .write_episodes_i (write_episodes),
    .table_write_i    (table_write),
    .table_at_i       (table_at),
    .walk_write_i     (walk_write),
    .write_data_i     (write_data),
    .number_o         (number),
    .episodes_o       (episodes),
    .walk_registers_o (walk_registers),
    .busy_o           (busy),
    .done_o           (done),
    .stopped_o        (stopped),
    .clear_o          (clear),
    .cleared_i        (1'b1),
    .power_up_o       (power_up),
    .row_o            (row),
    .compare_o        (compare),
    .settled_o        (settled),
    .cycle_o          (cycle),
    .step_o           (step),
    .stepping_o       (stepping),
    .cycle_now_o      (cycle_now),
    .step_now_o       (step_now)
  );

  initial begin
    clk = 1'b0;
    forever begin
      #1 clk = !clk;
    end
  end

  // The register that holds the stream turns it.
  always @(posedge clk) begin
    if (turn_stream) begin
      stream <= {stream[62:0], stream[63]};
    end
  end

  int script, points, episodes_seen, line;

  // Stimuli change at the falling edge, and all checks are made there.
  task automatic pulse_write(input int unsigned register_number, input logic [31:0] data);
    write_data = data;
    write_number = register_number == 0;
    write_episodes = register_number == 1;
    walk_write = (register_number < 2) ? '0 : 5'(1 << (register_number - 2));
    @(negedge clk);
    write_number = 1'b0;
    write_episodes = 1'b0;
    walk_write = '0;
  endtask

  task automatic read_run();
    logic [63:0] state, rest;
    logic [31:0] increment, first, count;
    int unsigned of_flavour;
    if ($fscanf(script, "%d %d %d %d %d %d %d %b %h %h %h\n", of_flavour, sequence_number, first,
                count, cycles, last_cycles, leader, walk, state, increment, rest) != 11) begin
      $fatal(1, "line %0d: a run has 11 fields", line);
    end
    flavour = flavour_e'(of_flavour);
    pulse_write(0, first);
    pulse_write(1, count);
    pulse_write(2, state[31:0]);
    pulse_write(3, state[63:32]);
    pulse_write(4, increment);
    pulse_write(5, rest[31:0]);
    pulse_write(6, rest[63:32]);
    start = 1'b1;
    @(negedge clk);
    start = 1'b0;
  endtask

  task automatic read_table();
    if ($fscanf(script, "%h %h\n", table_at, write_data) != 2) begin
      $fatal(1, "line %0d: a table has 2 fields", line);
    end
    table_write = 1'b1;
    @(negedge clk);
    table_write = 1'b0;
  endtask

  // The power-up row stands while the signal does, with all clocks low at its end.
  task automatic check_power_up();
    logic [RowBits-1:0] expected, stood;
    int unsigned waited;
    if ($fscanf(script, "%h\n", expected) != 1) begin
      $fatal(1, "line %0d: a power-up row has 1 field", line);
    end
    waited = 0;
    while (!power_up) begin
      next_clock(waited);
    end
    while (power_up) begin
      stood = row;
      next_clock(waited);
    end
    if (stood !== expected) begin
      $fatal(1, "line %0d: power-up row %h is not %h", line, stood, expected);
    end
    episodes_seen++;
  endtask

  task automatic next_clock(inout int unsigned waited);
    @(negedge clk);
    waited++;
    if (waited > TIMEOUT_CLOCKS) begin
      $fatal(1, "line %0d: nothing happened for %0d clocks", line, waited);
    end
  endtask

  task automatic check_point();
    logic [RowBits-1:0] expected;
    int unsigned expected_cycle, expected_step, waited;
    logic expected_settled;
    if ($fscanf(script, "%d %d %b %h\n", expected_cycle, expected_step, expected_settled,
                expected) != 4) begin
      $fatal(1, "line %0d: a point has 4 fields", line);
    end
    waited = 0;
    while (!compare) begin
      next_clock(waited);
    end
    if (row !== expected || 32'(cycle) != expected_cycle || 32'(step) != expected_step ||
        settled != expected_settled) begin
      $fatal(1, "line %0d, episode %0d: cycle %0d step %0d settled %b row %h, not %0d %0d %b %h",
             line, number, cycle, step, settled, row, expected_cycle, expected_step,
             expected_settled, expected);
    end
    points++;
    @(negedge clk);
  endtask

  task automatic check_end();
    int unsigned waited;
    waited = 0;
    while (busy) begin
      if (compare) begin
        $fatal(1, "line %0d: a point too many", line);
      end
      next_clock(waited);
    end
    if (!done || stopped || episodes != '0) begin
      $fatal(1, "line %0d: the run did not end as it should", line);
    end
  endtask

  string name, word;
  initial begin
    {start, walk, write_number, write_episodes, table_write, walk_write} = '0;
    rst_n = 1'b0;
    repeat (4) @(negedge clk);
    rst_n = 1'b1;
    @(negedge clk);
    if (!$value$plusargs("script=%s", name)) begin
      $fatal(1, "+script= is missing");
    end
    script = $fopen(name, "r");
    if (script == 0) begin
      $fatal(1, "cannot open %s", name);
    end
    while ($fscanf(script, "%s", word) == 1) begin
      line++;
      case (word)
        "stream": begin
          if ($fscanf(script, "%h\n", stream) != 1) begin
            $fatal(1, "line %0d: a stream has 1 field", line);
          end
        end
        "table": read_table();
        "run":   read_run();
        "up":    check_power_up();
        "at":    check_point();
        "end":   check_end();
        default: $fatal(1, "line %0d: unknown word %s", line, word);
      endcase
    end
    if (points == 0) begin
      $fatal(1, "no point was compared");
    end
    $display("player_tb: %0d points of %0d episodes agree", points, episodes_seen);
    $finish;
  end

endmodule

`default_nettype wire
