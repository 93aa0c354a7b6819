"""Runs Yosys on one piece of work; one process each, because an error of Yosys ends the process. Run by salv alone.

In (argument 1): a JSON file, the job. Out: `answer.json` in the working folder, beside the netlists it names; absent if
Yosys gave up, whose reason is then on standard error. Paths in a job are relative to the working folder or absolute.

  {"work": "module", "source", "top", "name", "ports", "clocks", "power_up", "family", "device", "size_max", "memory_bits_max"}
      One module by itself, flattened, renamed to `name` so that two of one name do not meet, without ports that are
      not in `ports`, with a new input `power_up` that starts its registers again, twice: with all that has no initial value at 0, and at 1. Writes `module0.json`, `module1.json` (mapped to the family's
      cells) and `module0.v`, `module1.v` (as elaborated, for simulation before synthesis). The answer counts cells, or
      says under "refused" why this module cannot be put on a chip.
  {"work": "chip", "sources", "folders", "defines", "netlists", "instances", "top", "family", "device", "whole"}
      The harness around modules that are mapped already and that `sources` declare as black boxes. `whole` false is for
      the proof that this matters. Writes `chip.json` for place and route and `chip.v` for simulation, both flat; the
      answer counts the cells that stand in each instance.

What is hard-coded of others: Yosys 0.70's names of cells and passes; that `read_slang` lets latches through; that
`memory_map` makes memories registers with initial values; that `$shiftx` may give anything out of
range where `$shift` gives 0, so the one is made the other before anything looks at it.
"""

import json
import os
import sys

from pyosys import libyosys as ys

SLANG = "read_slang --allow-use-before-declare --allow-genblk-reference --ignore-timing --ignore-assertions"

# Cells of an elaborated module that every family has something for. What is not here has no place on a chip: a latch,
# a tristate driver, a set and reset that meet, a cell of a vendor, an assertion, a print.
LOGIC = set(
    "$not $pos $neg $buf $and $or $xor $xnor $reduce_and $reduce_or $reduce_xor $reduce_xnor $reduce_bool $shl $shr "
    "$sshl $sshr $shift $shiftx $lt $le $eq $ne $eqx $nex $ge $gt $add $sub $mul $div $mod $divfloor $modfloor $pow "
    "$logic_not $logic_and $logic_or $mux $pmux $bmux $demux $bwmux $bweqx $slice $concat $alu $macc $lut $sop $fa $lcu "
    "$dff $dffe $adff $adffe $sdff $sdffe $sdffce $aldff $aldffe $mem_v2".split())
NAMES = {
    "$dlatch": "a latch", "$adlatch": "a latch", "$dlatchsr": "a latch", "$sr": "a latch",
    "$dffsr": "a register with set and reset", "$dffsre": "a register with set and reset", "$tribuf": "a tristate driver",
}
REGISTERS = ("$dff", "$dffe", "$adff", "$adffe", "$aldff", "$aldffe")

# What is left of these after mapping would be a hard block that cannot be simulated from a bitstream.
HARD = ("SB_MAC16", "SB_SPRAM256KA", "MULT18X18D", "ALU54B")


def run(design, *commands):
    for command in commands:
        ys.run_pass(command, design)


def load(path):
    with open(path, encoding="utf-8") as text:
        return json.load(text)


def text_of(path):
    with open(path, encoding="utf-8") as text:
        return text.read()


def store(path, value):
    with open(path, "w", encoding="utf-8") as out:
        json.dump(value, out)


def number(bits):
    return int(bits, 2) if isinstance(bits, str) else int(bits)


def size(cell):
    """About how many gates a cell becomes: enough to refuse what would take hours."""
    kind, parameters = cell["type"], cell["parameters"]
    wide = {name: number(parameters[name]) for name in ("A_WIDTH", "B_WIDTH", "Y_WIDTH", "WIDTH", "S_WIDTH") if
            name in parameters}
    out = max(wide.get("Y_WIDTH", 1), wide.get("WIDTH", 1))
    if kind == "$mem_v2":
        ports = number(parameters["RD_PORTS"]) + number(parameters["WR_PORTS"])
        return number(parameters["SIZE"]) * number(parameters["WIDTH"]) * max(ports, 1)
    if kind in ("$mul", "$div", "$mod", "$divfloor", "$modfloor", "$pow"):
        return wide.get("A_WIDTH", 1) * wide.get("B_WIDTH", 1)
    if kind in ("$shl", "$shr", "$sshl", "$sshr", "$shift", "$shiftx", "$bmux", "$demux"):
        return max(out, wide.get("A_WIDTH", 1)) * min(wide.get("B_WIDTH", wide.get("S_WIDTH", 1)), 20)
    if kind == "$pmux":
        return out * wide.get("S_WIDTH", 1)
    return max(out, wide.get("A_WIDTH", 1))


def refusal(cells, size_max, memory_bits_max):
    """Why a module with these cells has no place on a chip, or nothing."""
    for cell in cells:
        kind = cell["type"]
        if kind not in LOGIC:
            return f"it holds {NAMES.get(kind, 'a cell of type ' + kind)}, which this backend cannot put on a chip"
        if kind == "$mem_v2":
            bits = number(cell["parameters"]["SIZE"]) * number(cell["parameters"]["WIDTH"])
            if bits > memory_bits_max:
                return f"it holds a memory of {bits} bits, more than the {memory_bits_max} that this backend starts again"
    total = sum(size(cell) for cell in cells)
    if total > size_max:
        return f"it would take about {total} gates, more than the {size_max} that this backend maps"
    return None


class Refused(Exception):
    """A module that has no place on a chip, and why."""


class Elaborated:
    """The netlist of an elaborated module, on its way to one that powers up whenever it is told to."""

    def __init__(self, module, ports, clocks):
        self.module = module
        for name in set(module["ports"]) - set(ports):
            del module["ports"][name]
        self.cells = module["cells"]
        self.clocks = {bit for name in clocks for bit in module["ports"][name]["bits"]}
        nets = module["netnames"].values()
        self.bits = max([bit for net in nets for bit in net["bits"] if isinstance(bit, int)] + [1])
        self.init = {}
        self.added = 0
        for net in nets:
            init = net["attributes"].get("init", "")
            for bit, value in zip(net["bits"], reversed(init)):
                if value in "01":
                    self.init[bit] = value
            net["attributes"] = {}

    def new_bit(self):
        self.bits += 1
        return self.bits

    def add(self, kind, parameters, inputs, outputs):
        """A cell whose pins are named as the keys of `inputs` and `outputs` are."""
        ways = {**{pin: "input" for pin in inputs}, **{pin: "output" for pin in outputs}}
        parameters = {name: value if isinstance(value, str) else f"{value:032b}" for name, value in parameters.items()}
        self.added += 1
        self.cells[f"$salv${self.added}"] = {
            "type": kind, "parameters": parameters, "attributes": {}, "port_directions": ways,
            "connections": {**inputs, **outputs}}

    def either(self, first, second):
        made = self.new_bit()
        self.add("$or", {"A_SIGNED": 0, "B_SIGNED": 0, "A_WIDTH": 1, "B_WIDTH": 1, "Y_WIDTH": 1},
                 {"A": [first], "B": [second]}, {"Y": [made]})
        return made

    def inverted(self, bit):
        made = self.new_bit()
        self.add("$not", {"A_SIGNED": 0, "A_WIDTH": 1, "Y_WIDTH": 1}, {"A": [bit]}, {"Y": [made]})
        return made

    def chosen(self, zero, one, by):
        made = [self.new_bit() for _ in zero]
        self.add("$mux", {"WIDTH": len(zero)}, {"A": zero, "B": one, "S": [by]}, {"Y": made})
        return made

    def power_up(self, port, level):
        """Gives every register its value at power-up whenever the new input `port` is 1: its initial value, or
        `level`."""
        raised = self.new_bit()
        self.module["ports"][port] = {"direction": "input", "bits": [raised]}
        self.module["netnames"][port] = {"hide_name": 0, "bits": [raised], "attributes": {}}
        registers = [(name, cell) for name, cell in self.cells.items() if cell["type"] in REGISTERS]
        for name, cell in registers:
            del self.cells[name]
            values = [self.init.get(bit, level) for bit in cell["connections"]["Q"]]
            if cell["type"] in ("$dff", "$dffe"):
                self.register(cell, range(len(values)), raised, values)
            else:
                self.reset_register(cell, raised, values)

    def register(self, cell, bits, reset, values):
        """The bits of a register, with an asynchronous reset to `values` while `reset` is 1."""
        pins, parameters = cell["connections"], cell["parameters"]
        bits = list(bits)
        inputs = {"CLK": pins["CLK"], "ARST": [reset], "D": [pins["D"][bit] for bit in bits]}
        settings = {"WIDTH": len(bits), "CLK_POLARITY": parameters["CLK_POLARITY"], "ARST_POLARITY": 1,
                    "ARST_VALUE": "".join(reversed([values[bit] for bit in bits]))}
        if "EN" in pins:
            inputs["EN"], settings["EN_POLARITY"] = pins["EN"], parameters["EN_POLARITY"]
        kind = "$adffe" if "EN" in pins else "$adff"
        self.add(kind, settings, inputs, {"Q": [pins["Q"][bit] for bit in bits]})

    def reset_register(self, cell, raised, values):
        """A register that has an asynchronous reset: bits that it resets to their value at power-up are reset by
        either; the others are loaded by the clock that comes while `raised` is 1."""
        pins, parameters = cell["connections"], cell["parameters"]
        loads = cell["type"].startswith("$aldff")
        pin = "ALOAD" if loads else "ARST"
        to = pins["AD"] if loads else list(reversed(parameters["ARST_VALUE"]))
        if any(isinstance(bit, int) for bit in to):
            raise Refused("it holds a register that is loaded asynchronously, which this backend cannot put on a chip")
        reset = pins[pin][0] if number(parameters[pin + "_POLARITY"]) else self.inverted(pins[pin][0])
        same = [at for at, bit in enumerate(to) if bit in ("x", values[at])]
        other = [at for at in range(len(to)) if at not in same]
        if same:
            self.register(cell, same, self.either(reset, raised), values)
        if not other:
            return
        if pins["CLK"][0] not in self.clocks:
            raise Refused("it holds a register behind a clock of its own that is reset to another value than it starts "
                          "with, which this backend cannot start again")
        pins = dict(pins, D=list(pins["D"]))
        for at, made in zip(other, self.chosen([pins["D"][at] for at in other], [values[at] for at in other], raised)):
            pins["D"][at] = made
        if "EN" in pins:
            enable = pins["EN"][0] if number(parameters["EN_POLARITY"]) else self.inverted(pins["EN"][0])
            pins["EN"], parameters = [self.either(enable, raised)], dict(parameters, EN_POLARITY=f"{1:032b}")
        self.register(dict(cell, connections=pins, parameters=parameters), other, reset, to)


def plain(module):
    """Takes from an elaborated module the attributes that would steer synthesis."""
    module["attributes"] = {}
    for cell in module["cells"].values():
        cell["attributes"] = {}
        if cell["type"] == "$shiftx":
            cell["type"] = "$shift"
    for net in module["netnames"].values():
        init = net.get("attributes", {}).get("init")
        net["attributes"] = {} if init is None else {"init": init}
    return module


def counts(path, name):
    """Cells of a mapped module by kind, and its control sets: registers with one clock, enable and reset."""
    module = load(path)["modules"][name]
    kinds, sets = {}, set()
    for cell in module["cells"].values():
        kind = cell["type"]
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind.startswith("SB_DFF") or kind == "TRELLIS_FF":
            pins = cell["connections"]
            sets.add(str([kind] + [pins.get(pin) for pin in ("C", "E", "R", "S", "CLK", "CE", "LSR")]))
    return {"cells": kinds, "control_sets": len(sets)}


def ends(cell):
    """Pairs of what a combinational cell makes and what it makes it of; nothing for one that keeps state."""
    kind, pins, ways = cell["type"], cell["connections"], cell["port_directions"]
    if kind.startswith(("SB_DFF", "SB_RAM", "TRELLIS_FF", "DP16KD", "PDPW16KD")):
        return []
    if kind == "CCU2C":
        low = [bit for pin in ("A0", "B0", "C0", "D0", "CIN") for bit in pins.get(pin, [])]
        high = low + [bit for pin in ("A1", "B1", "C1", "D1") for bit in pins.get(pin, [])]
        return [(pins.get("S0", []), low), (pins.get("S1", []) + pins.get("COUT", []), high)]
    made = [bit for pin, bits in pins.items() if ways[pin] == "output" for bit in bits]
    return [(made, [bit for pin, bits in pins.items() if ways[pin] == "input" for bit in bits])]


def wiring(path, name):
    """Why the nets of a mapped module cannot work on a chip, or nothing: two drivers, or a loop without a register."""
    cells = load(path)["modules"][name]["cells"].values()
    driven = [bit for cell in cells for pin, bits in cell["connections"].items()
              if cell["port_directions"][pin] == "output" for bit in bits]
    if len(driven) != len(set(driven)):
        return "a net of it has several drivers"
    made_of = {bit: [b for b in of if isinstance(b, int)] for cell in cells for made, of in ends(cell) for bit in made}
    makes, waits = {}, {}
    for bit, of in made_of.items():
        waits[bit] = sum(1 for b in of if b in made_of)
        for b in of:
            makes.setdefault(b, []).append(bit)
    ready = [bit for bit, count in waits.items() if count == 0]
    done = 0
    while ready:
        bit = ready.pop()
        done += 1
        for after in makes.get(bit, []):
            waits[after] -= 1
            if waits[after] == 0:
                ready.append(after)
    return None if done == len(made_of) else "it has a combinational loop"


def synthesis(job, top):
    """The pass that maps to the family's cells, without hard multipliers."""
    if job["family"] == "ecp5":
        return f"synth_ecp5 -nodsp -top {top}"
    return f"synth_ice40 -device {job['device']} -top {top}"


def module(job):
    with open("source.sv", "w", encoding="utf-8") as out:
        out.write(job["source"])
    design = ys.Design()
    run(design, f"{SLANG} --top {job['top']} source.sv", "proc", "flatten", "delete t:$scopeinfo t:$print", "opt_clean",
        "memory_collect", "write_json elaborated.json")
    refused = refusal(list(only_module("elaborated.json")["cells"].values()), job["size_max"], job["memory_bits_max"])
    if refused:
        return {"refused": refused}
    run(design, "memory_map", "dffunmap -srst-only", "opt_clean", "write_json elaborated.json")
    answer = {"twins": []}
    for level in "01":
        elaborated = Elaborated(plain(only_module("elaborated.json")), job["ports"], job["clocks"])
        try:
            elaborated.power_up(job["power_up"], level)
        except Refused as why:
            return {"refused": str(why)}
        refused = twin(job, elaborated.module, level, answer)
        if refused:
            return {"refused": refused}
    # Names in a netlist count on through the process; those in the text are made anew.
    answer["differ"] = text_of("module0.v") != text_of("module1.v")
    return answer


def only_module(path):
    modules = load(path)["modules"].values()
    return next(module for module in modules if number(module["attributes"].get("top", "0")) == 1)


def twin(job, elaborated, level, answer):
    """Maps the module with this level at power-up; why that cannot be, or nothing."""
    store("twin.json", {"modules": {job["name"]: elaborated}})
    word = "-one" if level == "1" else "-zero"
    design = ys.Design()
    run(design, "read_json twin.json", f"setundef -undriven {word}", f"write_verilog -noattr module{level}.v",
        synthesis(job, job["name"]), "opt_clean -purge", f"write_json module{level}.json")
    # Yosys writes the library of cells too.
    store(f"module{level}.json", {"modules": {job["name"]: load(f"module{level}.json")["modules"][job["name"]]}})
    refused = wiring(f"module{level}.json", job["name"])
    if refused:
        return refused
    run(design, "check -mapped -noinit -assert")
    mapped = counts(f"module{level}.json", job["name"])
    hard = [kind for kind in mapped["cells"] if kind.startswith(HARD)]
    if hard:
        return f"it needs {hard[0]}, which cannot be proved down to the bits"
    answer["twins"].append(mapped)
    return None


def chip(job):
    top = job["top"]
    design = ys.Design()
    defines = " ".join(f"-D{name}={value}" for name, value in job["defines"].items())
    folders = " ".join(f"-I {folder}" for folder in job["folders"])
    run(design, f"read_slang {defines} {folders} --top {top} " + " ".join(job["sources"]))
    # The modules are black boxes until all optimisation is over, so that nothing of one is merged into another.
    if not job["whole"]:
        link(design, job["netlists"])
    run(design, synthesis(job, top))
    if job["whole"]:
        link(design, job["netlists"])
    run(design, f"hierarchy -check -top {top}", "flatten", "opt_clean -purge", "delete t:$scopeinfo",
        "check -mapped -noinit -assert", "write_json chip.json", "write_verilog -noattr chip.v")
    answer = counts("chip.json", top)
    names = list(load("chip.json")["modules"][top]["cells"])
    answer["inside"] = {instance: sum(1 for name in names if f".{instance}." in name) for instance in job["instances"]}
    return answer


def link(design, netlists):
    """Puts mapped modules in the place of their black boxes."""
    run(design, "delete =salv_*")
    run(design, *(f"read_json {path}" for path in netlists))


def main():
    job = load(sys.argv[1])
    answer = {"module": module, "chip": chip}[job["work"]](job)
    store("answer.json", answer)


main()
