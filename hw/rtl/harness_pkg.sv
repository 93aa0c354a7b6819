// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// Types, limits and constant functions that the modules of the harness share.

`default_nettype none

package harness_pkg;

  // Inputs and outputs of a golden module, at most.
  localparam int unsigned INPUTS_MAX = 64;
  localparam int unsigned OUTPUTS_MAX = 64;
  // Bits of an exhaustive walk, at most.
  localparam int unsigned WALK_BITS_MAX = 48;
  // Bits of cycle and episode numbers.
  localparam int unsigned CYCLE_BITS = 24;
  // The increment of splitmix64, which also stands for a generator's first state of 0.
  localparam logic [63:0] GAMMA = 64'h9e37_79b9_7f4a_7c15;

  typedef enum logic [2:0] {
    InputData  = 3'd0,
    InputClock = 3'd1,
    InputReset = 3'd2,
    InputGate  = 3'd3
  } kind_e;

  // One input of the golden module; hw/README.md says what each field means.
  typedef struct packed {
    logic [15:0] width;
    kind_e       kind;
    logic        active;
    logic        synchronous;
    logic        closed;
    logic        restricted;
    logic        legal_low;
    logic        legal_high;
    logic [3:0]  legal_bits;
    logic        tables;
    logic        rising;
    logic        falling;
  } input_t;

  typedef input_t [INPUTS_MAX-1:0] inputs_t;
  typedef logic [OUTPUTS_MAX-1:0][15:0] widths_t;

  typedef enum logic [2:0] {
    FlavourBase      = 3'd0,
    FlavourRun       = 3'd1,
    FlavourSlow      = 3'd2,
    FlavourPulse     = 3'd3,
    FlavourMixed     = 3'd4,
    FlavourLed       = 3'd5,
    FlavourCandidate = 3'd6
  } flavour_e;

  // What a word of the definition is loaded into.
  typedef enum logic [2:0] {
    LaneWhole      = 3'd0,
    LaneEdges      = 3'd1,
    LaneControl    = 3'd2,
    LaneSlice      = 3'd3,
    LaneSettings   = 3'd4,
    LaneMenu       = 3'd5,
    LaneMenuSecond = 3'd6
  } lane_e;

  // At how many opportunities of 64 an input draws a value, or that it is timed.
  typedef enum logic [2:0] {
    HoldAlways = 3'd0,
    HoldHalf   = 3'd1,
    HoldSeldom = 3'd2,
    HoldRare   = 3'd3,
    HoldNever  = 3'd4,
    HoldTimed  = 3'd5
  } hold_e;

  // Draws of 64 that make a one-bit input 1.
  typedef enum logic [2:0] {
    Bias32 = 3'd0,
    Bias8  = 3'd1,
    Bias56 = 3'd2,
    Bias1  = 3'd3,
    Bias63 = 3'd4,
    Bias64 = 3'd5
  } bias_e;

  // How an input's menu is made of its two words.
  typedef enum logic [1:0] {
    MenuPlain     = 2'd0,
    MenuUniform   = 2'd1,
    MenuBoth      = 2'd2,
    MenuAlternate = 2'd3
  } menu_e;

  // To what kind of value a wide input changes.
  typedef enum logic [3:0] {
    ModeUniform  = 4'd0,
    ModeOwn      = 4'd1,
    ModePartner  = 4'd2,
    ModeOneHot   = 4'd3,
    ModeFlipped  = 4'd4,
    ModeZeros    = 4'd5,
    ModeOnes     = 4'd6,
    ModeOneCold  = 4'd7,
    ModeSmall    = 4'd8,
    ModeSign     = 4'd9,
    ModePool     = 4'd10,
    ModeAnd      = 4'd11,
    ModeOr       = 4'd12,
    ModeUp       = 4'd13,
    ModeDown     = 4'd14,
    ModeBelow    = 4'd15
  } mode_e;

  // The settings of one input for a segment.
  typedef struct packed {
    hold_e      hold;
    bias_e      bias;
    menu_e      menu;
    logic [1:0] start_cycles;
  } input_settings_t;

  // Opportunities of 512 at which a reset pulse starts.
  typedef enum logic [2:0] {
    RateNever   = 3'd0,
    RateOne     = 3'd1,
    RateFour    = 3'd2,
    RateEight   = 3'd3,
    RateSixteen = 3'd4
  } rate_e;

  // The settings of an episode.
  typedef struct packed {
    logic [1:0] data_at;
    logic [1:0] resets_at;
    logic       pulsed;
    logic       as_data;
    logic       delayed;
    rate_e      rate;
    logic       glitches;
  } episode_settings_t;

  // Clock, active-low reset and eight bits of data: what modules are elaborated with by default.
  localparam inputs_t EXAMPLE_INPUTS = inputs_t'({
    input_t'{width: 16'd8, kind: InputData, tables: 1'b1, default: '0},
    input_t'{width: 16'd1, kind: InputReset, default: '0},
    input_t'{width: 16'd1, kind: InputClock, rising: 1'b1, default: '0}
  });

  // One step of xorshift64 (Marsaglia 2003, triple 13, 7, 17).
  function automatic logic [63:0] xorshift(logic [63:0] state);
    logic [63:0] left;
    logic [63:0] right;
    left = state ^ (state << 13);
    right = left ^ (left >> 7);
    return right ^ (right << 17);
  endfunction

  // Whether an input that is not timed draws at an opportunity, by bits 5 to 0 of its control.
  function automatic logic draws(hold_e hold, logic [5:0] bits);
    unique case (hold)
      HoldAlways: return 1'b1;
      HoldHalf:   return !bits[5];
      HoldSeldom: return bits[5:3] == '0;
      HoldRare:   return bits == '0;
      default:    return 1'b0;
    endcase
  endfunction

  // A biased bit, by bits 11 to 6 of the control.
  function automatic logic biased(bias_e bias, logic [5:0] bits);
    unique case (bias)
      Bias32:  return !bits[5];
      Bias8:   return bits[5:3] == '0;
      Bias56:  return bits[5:3] != '1;
      Bias1:   return bits == '0;
      Bias63:  return bits != '1;
      default: return 1'b1;
    endcase
  endfunction

  // Whether a reset pulse starts, by bits 8 to 0 of the control.
  function automatic logic pulses(rate_e rate, logic [8:0] bits);
    unique case (rate)
      RateOne:     return bits == '0;
      RateFour:    return bits[8:2] == '0;
      RateEight:   return bits[8:3] == '0;
      RateSixteen: return bits[8:4] == '0;
      default:     return 1'b0;
    endcase
  endfunction

  // First bit of input `number` in the row; the row's width for the number of inputs.
  function automatic int unsigned input_offset(inputs_t inputs, int unsigned number);
    int unsigned sum;
    sum = 0;
    for (int unsigned i = 0; i < INPUTS_MAX; i++) begin
      if (i < number) begin
        sum += 32'(inputs[i].width);
      end
    end
    return sum;
  endfunction

  // First bit of output `number`; their sum for the number of outputs.
  function automatic int unsigned output_offset(widths_t widths, int unsigned number);
    int unsigned sum;
    sum = 0;
    for (int unsigned i = 0; i < OUTPUTS_MAX; i++) begin
      if (i < number) begin
        sum += 32'(widths[i]);
      end
    end
    return sum;
  endfunction

  // Inputs of a kind among the first `count`.
  function automatic int unsigned count_kind(inputs_t inputs, int unsigned count, kind_e kind);
    int unsigned sum;
    sum = 0;
    for (int unsigned i = 0; i < INPUTS_MAX; i++) begin
      if (i < count && inputs[i].kind == kind) begin
        sum++;
      end
    end
    return sum;
  endfunction

  // Slices of 32 bits that have a generator: one bit and legal values need none.
  function automatic int unsigned slices(input_t port);
    return (port.width == 16'd1 || port.restricted) ? 0 : (32'(port.width) + 31) / 32;
  endfunction

  // Whether an input can be timed, and is no clock, reset or gate.
  function automatic logic may_lead(input_t port);
    return port.width == 16'd1 && !port.restricted && port.kind == InputData;
  endfunction

  // Bits of an input in a code of the walk: its width, or those that number its legal values.
  function automatic int unsigned walk_bits(input_t port);
    if (!port.restricted) begin
      return 32'(port.width);
    end
    if (port.width == 16'd1) begin
      return (port.legal_low && port.legal_high) ? 1 : 0;
    end
    return 32'(port.legal_bits);
  endfunction

  // First bit of an input in a code; the code's bits for the number of inputs.
  function automatic int unsigned walk_offset(inputs_t inputs, int unsigned number);
    int unsigned sum;
    sum = 0;
    for (int unsigned i = 0; i < INPUTS_MAX; i++) begin
      if (i < number) begin
        sum += walk_bits(inputs[i]);
      end
    end
    return sum;
  endfunction

  // The earlier inputs that an input may be close to: those of its width, or else all of two bits
  // or more.
  function automatic logic [INPUTS_MAX-1:0] partners(inputs_t inputs, int unsigned number);
    logic [INPUTS_MAX-1:0] same;
    logic [INPUTS_MAX-1:0] wide;
    same = '0;
    wide = '0;
    for (int unsigned i = 0; i < INPUTS_MAX; i++) begin
      if (i < number && inputs[i].width > 16'd1) begin
        wide[i] = 1'b1;
        same[i] = inputs[i].width == inputs[number].width;
      end
    end
    return (same == '0) ? wide : same;
  endfunction

endpackage

`default_nettype wire
