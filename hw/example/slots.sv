// Licensed under MIT or Apache-2.0, as you like. SPDX-License-Identifier: MIT OR Apache-2.0
// Golden module and slots of the example build.

`default_nettype none

/// Every slot is a copy of the golden module, powered up with 0 and with 1, and kept whole.
module slots #(
  parameter int unsigned SlotCount = 4
) (
  input  logic                           power_up_i,
  input  logic                           fault_i,
  input  logic [10:0]                    inputs_i,
  output logic [1:0][8:0]                golden_o,
  output logic [SlotCount-1:0][1:0][8:0] candidate_o
);

  for (genvar level = 0; level < 2; level++) begin : gen_level
    example_golden #(
      .Level (1'(level))
    ) u_golden (
      .power_up_i (power_up_i),
      .inputs_i   (inputs_i),
      .outputs_o  (golden_o[level])
    );

    for (genvar k = 0; k < SlotCount; k++) begin : gen_slot
      logic [8:0] outputs;
      example_golden #(
        .Level (1'(level))
      ) u_candidate (
        .power_up_i (power_up_i),
        .inputs_i   (inputs_i),
        .outputs_o  (outputs)
      );
      assign candidate_o[k][level] = (k == 1) ? outputs ^ {9{fault_i}} : outputs;
    end
  end

endmodule

`default_nettype wire
