// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// Assertions that stay alive in every simulator, and are absent in synthesis alone.

`ifndef HARNESS_ASSERT_SVH
`define HARNESS_ASSERT_SVH

`ifdef SYNTHESIS
`define ASSERT(name, expression, text)
`define ASSERT_INIT(name, expression, text)
`else
// Checked at every clock edge outside reset, in modules whose ports are clk_i and rst_ni.
`define ASSERT(name, expression, text) \
  name: assert property (@(posedge clk_i) disable iff (!rst_ni) (expression)) \
    else $fatal(1, "%m: %s", text);
// Checked once, for parameters.
`define ASSERT_INIT(name, expression, text) \
  initial begin : name \
    if (!(expression)) begin \
      $fatal(1, "%m: %s", text); \
    end \
  end
`endif

`endif
