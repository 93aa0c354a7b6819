"""Runs Yosys on one piece of work; one process each, because an error of Yosys ends the process. Run by salv alone.

In (argument 1): a JSON file, the job. Out: `answer.json` in the working folder, beside the netlists it names; absent if
Yosys gave up, whose reason is then on standard error. Paths in a job are relative to the working folder or absolute.

  {"work": "module", "source", "top", "name", "family", "device", "size_max"}
      One module by itself, flattened, renamed to `name` so that two of one name do not meet, twice: with all
      that has no value at power-up at 0, and at 1. Writes `module0.json`, `module1.json` (mapped to the family's
      cells) and `module0.v`, `module1.v` (as elaborated, for simulation before synthesis). The answer counts cells, or
      says under "refused" why this module cannot be put on a chip.
  {"work": "chip", "sources", "defines", "netlists", "top", "family", "device", "keep_hierarchy"}
      The harness around modules that are mapped already. `keep_hierarchy` false is for the proof that it matters.
      Writes `chip.json` for place and route and `chip.v` for simulation, both flat; the answer counts the cells that
      stand in each instance of a module.

What is hard-coded of others: Yosys 0.70's names of cells and passes; that `read_slang` lets latches through; that
`setundef` sets registers and nets but not memories, whose content is set here; that `$shiftx` may give anything out of
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
# What is left of these after mapping would be a hard block that cannot be simulated from a bitstream.
HARD = ("SB_MAC16", "SB_SPRAM256KA", "MULT18X18D", "ALU54B")


def run(design, *commands):
    for command in commands:
        ys.run_pass(command, design)


def load(path):
    with open(path, encoding="utf-8") as text:
        return json.load(text)


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
        return number(parameters["SIZE"]) * number(parameters["WIDTH"]) * max(ports, 1) // 16
    if kind in ("$mul", "$div", "$mod", "$divfloor", "$modfloor", "$pow"):
        return wide.get("A_WIDTH", 1) * wide.get("B_WIDTH", 1)
    if kind in ("$shl", "$shr", "$sshl", "$sshr", "$shift", "$shiftx", "$bmux", "$demux"):
        return max(out, wide.get("A_WIDTH", 1)) * min(wide.get("B_WIDTH", wide.get("S_WIDTH", 1)), 20)
    if kind == "$pmux":
        return out * wide.get("S_WIDTH", 1)
    return max(out, wide.get("A_WIDTH", 1))


def refusal(cells, size_max):
    """Why a module with these cells has no place on a chip, or nothing."""
    for cell in cells:
        kind = cell["type"]
        if kind not in LOGIC:
            return f"it holds {NAMES.get(kind, 'a cell of type ' + kind)}, which this backend cannot put on a chip"
        if kind == "$mem_v2":
            bits = number(cell["parameters"]["SIZE"]) * number(cell["parameters"]["WIDTH"])
            if bits > size_max * 16:
                return f"it holds a memory of {bits} bits, more than this backend maps"
    total = sum(size(cell) for cell in cells)
    if total > size_max:
        return f"it would take about {total} gates, more than the {size_max} that this backend maps"
    return None


def plain(module, name, level):
    """The elaborated module under another name, without attributes that steer synthesis, with memories that start
    at `level` where the text says nothing."""
    module = dict(module, attributes={})
    for cell in module["cells"].values():
        cell["attributes"] = {}
        if cell["type"] == "$shiftx":
            cell["type"] = "$shift"
        if cell["type"] == "$mem_v2":
            parameters = cell["parameters"]
            bits = number(parameters["SIZE"]) * number(parameters["WIDTH"])
            init = parameters["INIT"]
            init = (init[0] if init.strip("x") == "" else "x") * (bits - len(init)) + init
            parameters["INIT"] = init.lower().replace("x", level).replace("z", level)
    for net in module["netnames"].values():
        init = net.get("attributes", {}).get("init")
        net["attributes"] = {} if init is None else {"init": init}
    return {"modules": {name: module}}


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


def synthesis(family, device, top, hierarchy=False):
    flat = "" if hierarchy else "-flatten "
    if family == "ecp5":
        return f"synth_ecp5 {'' if hierarchy else ''}-nodsp -top {top}" + (" -noflatten" if not flat else "")
    return f"synth_ice40 -device {device} -top {top}" + (" -noflatten" if not flat else "")


def module(job):
    name, family, device = job["name"], job["family"], job["device"]
    with open("source.sv", "w", encoding="utf-8") as out:
        out.write(job["source"])
    design = ys.Design()
    run(design, f"{SLANG} --top {job['top']} source.sv", "proc", "flatten", "delete t:$scopeinfo t:$print", "opt_clean",
        "memory_collect", "write_json elaborated.json")
    elaborated = load("elaborated.json")["modules"]
    elaborated = next(module for module in elaborated.values() if number(module["attributes"].get("top", "0")) == 1)
    refused = refusal(list(elaborated["cells"].values()), job["size_max"])
    if refused:
        return {"refused": refused}
    answer = {"twins": []}
    for level, word in (("0", "-zero"), ("1", "-one")):
        store("twin.json", plain(json.loads(json.dumps(elaborated)), name, level))
        design = ys.Design()
        run(design, "read_json twin.json", f"setundef -undriven {word} -init", f"setundef -undriven {word}",
            f"write_verilog -noattr module{level}.v", synthesis(family, device, name), "opt_clean -purge",
            f"write_json module{level}.json")
        refused = wiring(f"module{level}.json", name)
        if refused:
            return {"refused": refused}
        run(design, "check -mapped -noinit -assert")
        mapped = counts(f"module{level}.json", name)
        hard = [kind for kind in mapped["cells"] if kind.startswith(HARD)]
        if hard:
            return {"refused": f"it needs {hard[0]}, which cannot be proved down to the bits"}
        answer["twins"].append(mapped)
    return answer


def chip(job):
    design = ys.Design()
    for path in job["netlists"]:
        run(design, f"read_json {path}")
    names = job["modules"]
    if job["keep_hierarchy"]:
        run(design, *(f"setattr -mod -set keep_hierarchy 1 {name}" for name in names))
    defines = " ".join(f"-D{name}={value}" for name, value in job["defines"].items())
    # The harness is read by Yosys's own front end, which takes modules that are in the design already.
    run(design, f"read_verilog -sv {defines} " + " ".join(job["sources"]), f"hierarchy -check -top {job['top']}")
    run(design, synthesis(job["family"], job["device"], job["top"]))
    run(design, "setattr -mod -unset keep_hierarchy *", "flatten", "opt_clean", "check -mapped -noinit -assert",
        "write_json chip.json", "write_verilog -noattr chip.v")
    cells = load("chip.json")["modules"][job["top"]]["cells"]
    inside = {slot: 0 for slot in job["slots"]}
    for name, cell in cells.items():
        for slot in inside:
            if slot + "." in name:
                inside[slot] += 1
    answer = counts("chip.json", job["top"])
    answer["inside"] = inside
    return answer


def main():
    job = load(sys.argv[1])
    answer = {"module": module, "chip": chip}[job["work"]](job)
    store("answer.json", answer)


main()
