//! The harness of one build: the modules `build` and `slots` around a golden module and candidates.
//!
//! In: the golden interface, what the stimulus fixes at build time, and the mapped modules. Out: SystemVerilog text,
//! as `hw/README.md` asks for it, the same for the same content: no name holds a position in a batch but those of
//! instances, and the build id is a hash of everything that goes into the bitstream, so that a board cannot answer for
//! another.

use std::fmt::Write as _;

use super::module::{Mapped, power_up_port};
use crate::design::{Direction, Interface, Port};
use crate::verify::stimulus::chip::{Chip, ChipInput, ChipKind};

/// The first of the slots are the two controls.
pub const CONTROLS: usize = 2;

/// What stands on one chip.
pub struct Harness<'a> {
    /// The golden interface.
    pub interface: &'a Interface,
    /// What the stimulus fixes.
    pub chip: &'a Chip,
    /// The golden module.
    pub golden: &'a Mapped,
    /// The candidates; the controls come before them.
    pub candidates: Vec<&'a Mapped>,
    /// Whether a candidate has constants of its own, so that every wide input needs a table for them.
    pub own_tables: bool,
    /// Clocks from a change of inputs to the comparison.
    pub step_clocks: u32,
}

/// Limits of the harness's package.
const INPUTS_MAX: usize = 64;
const OUTPUTS_MAX: usize = 64;
const LEGAL_MAX: usize = 255;
const ENTRIES_MAX: usize = 128;

/// Why this interface has no harness, if it has none: `hw/rtl/harness_pkg.sv` has the limits.
pub fn refusal(interface: &Interface, chip: &Chip) -> Option<String> {
    let outputs = interface.outputs().count();
    if chip.inputs.len() > INPUTS_MAX || outputs > OUTPUTS_MAX {
        let (inputs, limit) = (chip.inputs.len(), INPUTS_MAX);
        return Some(format!(
            "{inputs} inputs and {outputs} outputs are more than {limit} of each"
        ));
    }
    if chip.inputs.is_empty() {
        return Some("it has no input, so a chip has nothing to drive".into());
    }
    let legal = |input: &ChipInput| input.legal.as_ref().map_or(0, Vec::len);
    if chip.inputs.iter().any(|input| legal(input) > LEGAL_MAX) {
        return Some(format!("an input has more than {LEGAL_MAX} legal values"));
    }
    let tables = |input: &ChipInput| input.tables.own.len().max(input.tables.pool.len());
    let many = chip.inputs.iter().any(|input| tables(input) > ENTRIES_MAX);
    many.then(|| format!("an input has more than {ENTRIES_MAX} constants"))
}

impl Harness<'_> {
    /// The golden module as slot 0 and 1, then the candidates.
    pub fn slots(&self) -> impl Iterator<Item = &Mapped> {
        [self.golden, self.golden].into_iter().chain(self.candidates.iter().copied())
    }

    /// Number of slots, with the controls.
    pub fn slot_count(&self) -> usize {
        CONTROLS + self.candidates.len()
    }

    /// The modules on the chip, each once, with the level at power-up of the netlist.
    pub fn modules(&self) -> Vec<(&Mapped, usize)> {
        let mut modules: Vec<(&Mapped, usize)> = Vec::new();
        for mapped in self.slots() {
            for level in 0..mapped.twins.len() {
                if !modules.iter().any(|(known, at)| known.name == mapped.name && *at == level) {
                    modules.push((mapped, level));
                }
            }
        }
        modules
    }

    /// The instances by name, with the number of cells that each must have in the end.
    pub fn instances(&self) -> Vec<(String, u32)> {
        let goldens = (0..self.golden.twins.len())
            .map(|level| (golden_name(level), self.golden.twins[level].count()));
        let slots = self.slots().enumerate().flat_map(|(slot, mapped)| {
            let name = move |level: usize| slot_name(slot, level);
            mapped.twins.iter().enumerate().map(move |(level, twin)| (name(level), twin.count()))
        });
        goldens.chain(slots).collect()
    }

    /// LUTs and control sets of all modules.
    pub fn size(&self) -> (u32, u32) {
        let modules = self.slots().chain([self.golden]);
        let twins = modules.flat_map(|mapped| {
            let sets: u32 = mapped.twins.iter().map(|twin| twin.control_sets).sum();
            std::iter::once((mapped.size().0, sets))
        });
        twins.fold((0, 0), |sum, twin| (sum.0 + twin.0, sum.1 + twin.1))
    }

    /// Declarations of the modules as black boxes, for synthesis.
    pub fn black_boxes(&self) -> String {
        let power_up = power_up_port(self.interface);
        let mut text = String::from("`default_nettype wire\n");
        for (mapped, level) in self.modules() {
            let ports: Vec<String> = self.interface.ports.iter().map(declaration).collect();
            let _ = writeln!(
                text,
                "(* blackbox *)\nmodule {} ({}, input \\{power_up} );\nendmodule",
                mapped.name_of(level),
                ports.join(", ")
            );
        }
        text
    }

    /// The modules as they were elaborated, for simulation before synthesis.
    pub fn texts(&self) -> String {
        let texts =
            self.modules().into_iter().map(|(mapped, level)| mapped.twins[level].text.as_str());
        "`default_nettype wire\n".to_owned() + &texts.collect::<Vec<_>>().join("\n")
    }

    /// The module `slots`.
    pub fn slots_text(&self) -> String {
        let inputs: u32 = self.chip.inputs.iter().map(|input| input.width).sum();
        let outputs = output_bits(self.interface);
        let last = self.slot_count() - 1;
        let mut text = format!(
            "`default_nettype none\nmodule slots (\n  input  logic power_up_i,\n  input  logic fault_i,\n  input  logic [{}:0] inputs_i,\n  output logic [1:0][{}:0] golden_o,\n  output logic [{last}:0][1:0][{}:0] candidate_o\n);\n",
            inputs - 1,
            outputs - 1,
            outputs - 1,
        );
        self.pair(&mut text, self.golden, golden_name, |level| format!("golden_o[{level}]"));
        for (slot, mapped) in self.slots().enumerate() {
            let name = |level| slot_name(slot, level);
            if slot == 1 {
                let _ = writeln!(text, "  logic [1:0][{}:0] right;", outputs - 1);
                self.pair(&mut text, mapped, name, |level| format!("right[{level}]"));
                for level in 0..2 {
                    let _ = writeln!(
                        text,
                        "  assign candidate_o[1][{level}] = right[{level}] ^ {{{outputs}{{fault_i}}}};"
                    );
                }
            } else {
                self.pair(&mut text, mapped, name, |level| format!("candidate_o[{slot}][{level}]"));
            }
        }
        text + "endmodule\n`default_nettype wire\n"
    }

    /// The two copies of a module, or one that is both.
    fn pair(
        &self,
        text: &mut String,
        mapped: &Mapped,
        name: impl Fn(usize) -> String,
        outputs: impl Fn(usize) -> String,
    ) {
        for level in 0..mapped.twins.len() {
            let connections = self.connections(&outputs(level));
            let _ = writeln!(text, "  {} {} ({connections});", mapped.name_of(level), name(level));
        }
        if mapped.twins.len() == 1 {
            let _ = writeln!(text, "  assign {} = {};", outputs(1), outputs(0));
        }
    }

    fn connections(&self, outputs: &str) -> String {
        let (mut input, mut output) = (0, 0);
        let mut all: Vec<String> = Vec::new();
        for port in &self.interface.ports {
            let (vector, at) = match port.direction {
                Direction::Input => ("inputs_i", &mut input),
                _ => (outputs, &mut output),
            };
            all.push(format!(".\\{} ({vector}[{}:{at}])", port.name, *at + port.width - 1));
            *at += port.width;
        }
        all.push(format!(".\\{} (power_up_i)", power_up_port(self.interface)));
        all.join(", ")
    }

    /// Whether an input has a table on the chip, of constants or of legal values: those of one bit need none.
    pub fn has_table(&self, input: &ChipInput) -> bool {
        let constants = !input.tables.own.is_empty() || !input.tables.pool.is_empty();
        input.width > 1 && (input.legal.is_some() || constants || self.own_tables)
    }

    fn input_text(&self, input: &ChipInput) -> String {
        input_text(input, self.has_table(input))
    }

    /// The module `build`.
    pub fn build_text(&self, build_id: u64) -> String {
        let inputs: Vec<String> =
            self.chip.inputs.iter().rev().map(|input| self.input_text(input)).collect();
        let widths: Vec<String> =
            self.interface.outputs().map(|port| format!("16'd{}", port.width)).collect();
        let widths: Vec<String> = widths.into_iter().rev().collect();
        let durations: Vec<String> =
            self.chip.durations.iter().rev().map(|cycles| format!("8'd{cycles}")).collect();
        let durations = match durations.is_empty() {
            true => "'0".to_owned(),
            false => format!("128'({{{}}})", durations.join(", ")),
        };
        let bit = |value: bool| if value { "1'b1" } else { "1'b0" };
        TEMPLATE
            .replace("@INPUTS@", &inputs.join(",\n    "))
            .replace("@INPUT_COUNT@", &inputs.len().to_string())
            .replace(
                "@INPUT_BITS@",
                &self.chip.inputs.iter().map(|i| i.width).sum::<u32>().to_string(),
            )
            .replace("@OUTPUT_COUNT@", &widths.len().to_string())
            .replace("@OUTPUT_BITS@", &output_bits(self.interface).to_string())
            .replace("@WIDTHS@", &widths.join(", "))
            .replace("@SLOTS@", &self.slot_count().to_string())
            .replace("@SYNCHRONOUS@", bit(self.chip.synchronous))
            .replace("@AFTER_FALLING@", bit(self.chip.after_falling))
            .replace("@SEQUENTIAL@", bit(self.chip.sequential))
            .replace("@INITIALISED@", bit(self.chip.initialised))
            .replace("@COUNTERS@", bit(self.chip.counters))
            .replace("@DURATION_COUNT@", &self.chip.durations.len().to_string())
            .replace("@DURATIONS@", &durations)
            .replace("@STEP_CLOCKS@", &self.step_clocks.to_string())
            .replace("@BUILD_ID@", &format!("64'h{build_id:016x}"))
    }
}

const TEMPLATE: &str = "`default_nettype none
module build
  import harness_pkg::*;
#(
  parameter int unsigned UartDivisor   = 12,
  parameter int unsigned TimeoutClocks = 1 << 20,
  parameter logic [7:0]  Board         = 8'd0
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic uart_rx_i,
  output logic uart_tx_o,
  output logic busy_o
);
  localparam inputs_t Inputs = inputs_t'({
    @INPUTS@
  });
  localparam widths_t OutputWidths = widths_t'({@WIDTHS@});
  logic [@INPUT_BITS@-1:0] inputs;
  logic power_up;
  logic fault;
  logic [1:0][@OUTPUT_BITS@-1:0] golden;
  logic [@SLOTS@-1:0][1:0][@OUTPUT_BITS@-1:0] candidate;
  harness #(
    .InputCount    (@INPUT_COUNT@),
    .Inputs        (Inputs),
    .OutputCount   (@OUTPUT_COUNT@),
    .OutputWidths  (OutputWidths),
    .SlotCount     (@SLOTS@),
    .Synchronous   (@SYNCHRONOUS@),
    .AfterFalling  (@AFTER_FALLING@),
    .Sequential    (@SEQUENTIAL@),
    .Initialised   (@INITIALISED@),
    .Counters      (@COUNTERS@),
    .DurationCount (@DURATION_COUNT@),
    .Durations     (@DURATIONS@),
    .StepClocks    (@STEP_CLOCKS@),
    .BuildId       (@BUILD_ID@),
    .Board         (Board),
    .UartDivisor   (UartDivisor),
    .TimeoutClocks (TimeoutClocks)
  ) u_harness (
    .clk_i,
    .rst_ni,
    .uart_rx_i,
    .uart_tx_o,
    .busy_o,
    .inputs_o    (inputs),
    .power_up_o  (power_up),
    .fault_o     (fault),
    .golden_i    (golden),
    .candidate_i (candidate)
  );
  slots u_slots (
    .power_up_i  (power_up),
    .fault_i     (fault),
    .inputs_i    (inputs),
    .golden_o    (golden),
    .candidate_o (candidate)
  );
endmodule
`default_nettype wire
";

fn golden_name(level: usize) -> String {
    format!("u_golden_{level}")
}

fn slot_name(slot: usize, level: usize) -> String {
    format!("u_slot_{slot}_{level}")
}

/// Bits of all outputs.
pub fn output_bits(interface: &Interface) -> u32 {
    interface.outputs().map(|port| port.width).sum()
}

fn declaration(port: &Port) -> String {
    let word = if port.direction == Direction::Input { "input" } else { "output" };
    format!("{word} [{}:0] \\{} ", port.width - 1, port.name)
}

/// An input as the package's structure has it; what is not named is 0.
fn input_text(input: &ChipInput, tables: bool) -> String {
    let mut fields = vec![format!("width: 16'd{}", input.width)];
    let mut flag = |name: &str, value: bool| {
        if value {
            fields.push(format!("{name}: 1'b1"));
        }
    };
    flag("rising", input.edges.0);
    flag("falling", input.edges.1);
    let has_level = |level: u64| {
        input.legal.as_ref().is_some_and(|legal| legal.iter().any(|value| value[0] == level))
    };
    flag("restricted", input.legal.is_some());
    flag("legal_low", input.width == 1 && has_level(0));
    flag("legal_high", input.width == 1 && has_level(1));
    flag("tables", tables);
    let kind = match input.kind {
        ChipKind::Data => "InputData",
        ChipKind::Clock => "InputClock",
        ChipKind::Reset { active, synchronous } => {
            flag("active", active);
            flag("synchronous", synchronous);
            "InputReset"
        }
        ChipKind::Gate { closed } => {
            flag("closed", closed);
            "InputGate"
        }
    };
    if let Some(legal) = &input.legal {
        fields.push(format!("legal_bits: 4'd{}", legal.len().next_power_of_two().ilog2()));
    }
    format!("input_t'{{{}, kind: {kind}, default: '0}}", fields.join(", "))
}
