"""Says of outputs of two Verilog modules whether they can differ. Run by `salv bench stimulus`, one process a pair.

In (standard input, JSON): `gold` and `gate` (texts), `top` (the module's name in both), `outputs`, `clocks`
(inputs that are clocks), `limits` (`frames`, `seconds`), `folder` (for scratch files), `abc` (the program), `frontend`
(`slang`, or `verilog` for Yosys's own, which takes a variable that is assigned both ways). It ends with an error
where the front end refuses a text.
Out (standard output, one JSON object a line, the last for each output):

  equal      For every input sequence and every power-up state that the two share by name, the output is the same.
             Wherever the golden output is defined, that is, the same from all its power-up states, the other
             one then has that value from all of its own.
  defined    There is no input sequence after which the golden output is a defined 0 or 1 by Verilog's rules for x,
             from an undefined power-up state, and the other one differs from any power-up state.
  different  Such a sequence was found; `trace` has the inputs at each step, `frames` their number.
  undecided  Neither, within the limits; `reason` says how far it came.

How: the front end makes word-level netlists; clk2fflogic makes every clock an ordinary signal, so that edges, latches
and asynchronous resets are compared at every change of any input; registers without initial value start from
inputs of their own (shared by both modules in the first question, free for the gate in the second, in which xprop
tracks the golden module's x). A step changes either clocks or other inputs, as the stimulus does. ABC's pdr proves
or refutes; it knows nothing of our model, so a mistake in either shows in the canaries of the caller.

What is hard-coded: names that clk2fflogic gives to sampled signals are not used, only that a register's last value
is a $ff whose D is the register and whose initial value is undefined. ABC's words for its results.
"""

import json
import os
import re
import subprocess
import sys

from pyosys import libyosys as ys


# Before what is refused here, so that it is found among what Yosys logs.
REFUSED = "refused: "


def passes(design, *commands):
    for command in commands:
        ys.run_pass(command, design)


def read(job, which, xprop):
    """The netlist of one module, as Yosys writes it in JSON, with every register a $_FF_ cell."""
    folder = job["folder"]
    source, target = (os.path.join(folder, f"{which}.{end}") for end in ("sv", "json"))
    with open(source, "w", encoding="utf-8") as out:
        out.write(job[which])
    design = ys.Design()
    options = "--allow-use-before-declare --allow-genblk-reference --ignore-timing"
    if job["frontend"] == "slang":
        passes(design, f"read_slang {options} --top {job['top']} {source}")
    else:
        passes(design, f"read_verilog -sv {source}", f"hierarchy -check -top {job['top']}")
    passes(design, "proc", "flatten", "memory_collect", "memory_map", "opt_clean", f"write_json {target}")
    with open(target, encoding="utf-8") as text:
        refuse_clocks_as_data(json.load(text)["modules"][job["top"]], job["clocks"])
    passes(design, "clk2fflogic", "opt_clean")
    if xprop:
        passes(design, "opt_expr -keepdc", "xprop -split-outputs -assume-def-inputs -required", "delete t:$assume",
               "opt_clean")
    else:
        design = without_x_tests(design, target)
    passes(design, "techmap", "simplemap", "opt_clean", f"write_json {target}")
    with open(target, encoding="utf-8") as text:
        return json.load(text)["modules"][job["top"]]


def refuse_clocks_as_data(module, clocks):
    """Ends where a clock reaches the data of a register: by Verilog's rules the register takes its level after the
    edge, by clk2fflogic the one before, so that `if (clk == 1'b1)` behind a rising edge would never hold."""
    reached = {bit for name in clocks for bit in module["ports"][name]["bits"]}
    cells = module["cells"].values()
    grown = True
    while grown:
        grown = False
        for cell in cells:
            ports, ways, register = cell["connections"], cell["port_directions"], "CLK" in cell["connections"]
            data = [bit for port, bits in ports.items() if ways[port] == "input" and port != "CLK" for bit in bits]
            if reached.isdisjoint(data):
                continue
            if register:
                sys.exit(f"{REFUSED}a register takes a clock as data")
            made = {bit for port, bits in ports.items() if ways[port] == "output" for bit in bits}
            grown |= not made <= reached
            reached |= made


def without_x_tests(design, path):
    """The design with `=== 1'bx` as 0: where every bit is 0 or 1 it never holds."""
    passes(design, f"write_json {path}")
    with open(path, encoding="utf-8") as text:
        netlist = json.load(text)
    found = False
    for module in netlist["modules"].values():
        for name, cell in list(module["cells"].items()):
            pins = cell["connections"]
            if cell["type"] in ("$eqx", "$nex") and "x" in pins["A"] + pins["B"]:
                found = True
                value = "0" if cell["type"] == "$eqx" else "1"
                module["cells"][name] = {
                    "type": "$pos", "attributes": {}, "port_directions": {"A": "input", "Y": "output"},
                    "parameters": {"A_SIGNED": "0", "A_WIDTH": f"{1:032b}", "Y_WIDTH": f"{len(pins['Y']):032b}"},
                    "connections": {"A": [value], "Y": pins["Y"]}}
    if not found:
        return design
    with open(path, "w", encoding="utf-8") as out:
        json.dump(netlist, out)
    design = ys.Design()
    passes(design, f"read_json {path}")
    return design


class Circuit:
    """One flat module that both netlists are put into."""

    def __init__(self):
        self.bits = 2
        self.cells = {}
        self.inputs = {}
        self.names = {}

    def bit(self):
        self.bits += 1
        return self.bits

    def cell(self, kind, **connections):
        output = "Q" if kind == "$_FF_" else "Y"
        if output not in connections:
            connections[output] = self.bit()
        directions = {port: "output" if port == output else "input" for port in connections}
        self.cells[f"c{len(self.cells)}"] = {
            "type": kind, "port_directions": directions, "parameters": {}, "attributes": {},
            "connections": {port: [bit] for port, bit in connections.items()}}
        return connections[output]

    def input(self, name):
        if name not in self.inputs:
            self.inputs[name] = self.bit()
        return self.inputs[name]

    def register(self, value, initial):
        """A register with a defined first value; `value` may be a bit that is driven later."""
        bit = self.cell("$_FF_", D=value)
        self.names[f"r{bit}"] = (bit, initial)
        return bit

    def any_of(self, bits):
        found = "0"
        for bit in bits:
            found = bit if found == "0" else self.cell("$_OR_", A=found, B=bit)
        return found


def merge(circuit, module, which, first, shares):
    """Adds a netlist; returns its ports. `shares` says whether power-up states are those of the other one."""
    ports, known = {}, {"0": "0", "1": "1"}

    def bit(of):
        if of in ("x", "z"):
            # A value of its own in every step and place: whatever it is, it must not matter.
            return circuit.input(f"x.{which}.{circuit.bit()}")
        if of not in known:
            known[of] = circuit.bit()
        return known[of]

    for name, port in module["ports"].items():
        if port["direction"] == "input":
            for index, of in enumerate(port["bits"]):
                known[of] = circuit.input(f"in.{name}.{index}")
    initial, public = {}, {}
    for name, net in module["netnames"].items():
        for index, of in enumerate(net["bits"]):
            value = net["attributes"].get("init", "")
            if value and index < len(value) and value[-1 - index] in "01":
                initial[of] = value[-1 - index]
            if not net["hide_name"] and (of not in public or name < public[of].rsplit(".", 1)[0]):
                public[of] = f"{name}.{index}"
    for name, cell in sorted(module["cells"].items()):
        if cell["type"] == "$scopeinfo":
            continue
        pins = cell["connections"]
        if cell["type"] != "$_FF_":
            if any(len(bits) != 1 for bits in pins.values()) or not cell["type"].startswith("$_"):
                raise NotImplementedError(f"cell {cell['type']}")
            circuit.cell(cell["type"], **{pin: bit(bits[0]) for pin, bits in pins.items()})
            continue
        data, output = pins["D"][0], pins["Q"][0]
        if output in initial:
            register = circuit.register(bit(data), initial[output])
            circuit.cell("$_BUF_", A=register, Y=bit(output))
        else:
            register = circuit.register(bit(data), "0")
            state = public.get(data, f"{which}.{name}")
            start = circuit.input(f"init.{state}" if shares else f"init.{which}.{state}")
            circuit.cell("$_MUX_", A=register, B=start, S=first, Y=bit(output))
    for name, port in module["ports"].items():
        ports[name] = [bit(of) for of in port["bits"]]
    return ports


def question(job, output, gold, gate, xprop):
    """The circuit whose output is 1 where the two differ, on a legal path."""
    circuit = Circuit()
    first = circuit.register("0", "1")
    golden = merge(circuit, gold, "gold", first, not xprop)
    other = merge(circuit, gate, "gate", first, not xprop)
    names = (f"{output}_d", f"{output}_x") if xprop else (output, None)
    differ = []
    for index, bit in enumerate(golden[names[0]]):
        one = circuit.cell("$_XOR_", A=bit, B=other[output][index])
        if xprop:
            one = circuit.cell("$_ANDNOT_", A=one, B=golden[names[1]][index])
        differ.append(one)
    changed = {True: [], False: []}
    for name, bit in sorted(circuit.inputs.items()):
        if name.startswith("in."):
            past = circuit.register(bit, "0")
            is_clock = name[3:].rsplit(".", 1)[0] in job["clocks"]
            changed[is_clock].append(circuit.cell("$_XOR_", A=bit, B=past))
    both = circuit.cell("$_AND_", A=circuit.any_of(changed[True]), B=circuit.any_of(changed[False]))
    both = circuit.cell("$_ANDNOT_", A=both, B=first)
    ended = circuit.bit()
    past = circuit.register(ended, "0")
    circuit.cell("$_OR_", A=past, B=both, Y=ended)
    bad = circuit.cell("$_ANDNOT_", A=circuit.any_of(differ), B=ended)
    return circuit, bad


def aiger(job, circuit, bad):
    """Writes the circuit for ABC; returns the file and the names of its inputs in order."""
    order = sorted(circuit.inputs)
    ports = {f"i{at:06}": {"direction": "input", "bits": [circuit.inputs[name]]} for at, name in enumerate(order)}
    ports["bad"] = {"direction": "output", "bits": [bad]}
    nets = {name: {"hide_name": 0, "bits": [bit], "attributes": {"init": value}}
            for name, (bit, value) in circuit.names.items()}
    module = {"attributes": {"top": 1}, "ports": ports, "cells": circuit.cells, "netnames": nets}
    source, target, symbols = (os.path.join(job["folder"], f"miter.{end}") for end in ("json", "aig", "map"))
    with open(source, "w", encoding="utf-8") as out:
        json.dump({"creator": "", "modules": {"miter": module}}, out)
    design = ys.Design()
    passes(design, f"read_json {source}", "hierarchy -check -top miter", "opt_clean", "aigmap", "opt_clean",
           f"write_aiger -zinit -map {symbols} {target}")
    with open(symbols, encoding="utf-8") as text:
        inputs = [line.split() for line in text if line.startswith("input ")]
    names = {int(number): order[int(name[1:])] for _, number, _, name in inputs}
    return target, names


def solve(job, circuit, bad):
    """ABC's answer, `proved`, `refuted` or `open`; steps; and the inputs that matter at each of them."""
    miter, names = aiger(job, circuit, bad)
    limits, seconds = job["limits"], job["limits"]["seconds"]
    reduced, trace = (os.path.join(job["folder"], name) for name in ("reduced.aig", "trace.txt"))
    start = f"read_aiger {miter}; strash; scorr -C 1000; write_aiger {reduced}"
    for path in (reduced, trace):
        if os.path.exists(path):
            os.remove(path)
    abc(job, start)
    if is_constant_zero(reduced):
        return "proved", 0, []
    status = abc(job, f"{start}; pdr -T {seconds}; print_status")
    if status == 1:
        return "proved", 0, []
    # The shortest sequence, or for what pdr left open, a search as deep as the limits allow.
    deep, write = limits["frames"], f"print_status; write_cex -n -m {trace}"
    if abc(job, f"read_aiger {miter}; strash; bmc3 -F {deep} -T {seconds}; {write}") != 0:
        if status != 0:
            return "open", deep, []
        abc(job, f"{start}; pdr -T {seconds}; {write}")
    return ("refuted", *steps(trace, names))


def abc(job, script):
    """Runs ABC; returns the number that `print_status` gives, 1 proved, 0 refuted, -1 open; None if it was stopped."""
    try:
        done = subprocess.run([job["abc"], "-q", script], capture_output=True, text=True, cwd=job["folder"],
                              check=False, timeout=4 * job["limits"]["seconds"])
    except subprocess.TimeoutExpired:
        return None
    found = re.findall(r"^Status = (-?[0-9]+)", done.stdout, re.MULTILINE)
    if done.returncode != 0:
        raise RuntimeError(f"{job['abc']} ended with {done.returncode}: {(done.stdout + done.stderr)[-400:]}")
    return int(found[-1]) if found else None


def is_constant_zero(path):
    """Whether the one output of a binary AIGER file is the literal 0; a file that was not written is none."""
    if not os.path.exists(path):
        return False
    with open(path, "rb") as text:
        _, _, _, latches, outputs, _ = text.readline().split()[:6]
        assert int(outputs) == 1, path
        for _ in range(int(latches)):
            text.readline()
        return text.readline().strip() == b"0"


def steps(path, names):
    """The number of steps of a counterexample, and at each the inputs that matter, by port."""
    with open(path, encoding="utf-8") as text:
        lines = text.read().splitlines()
    length = next(int(line.split(":")[1]) for line in lines if line.startswith("# COUNTEREXAMPLE LENGTH"))
    values = [{} for _ in range(length)]
    for line in lines:
        found = re.match(r"pi(\d+)@(\d+)=([01])", line)
        name = found and names[int(found[1])]
        if name and name.startswith("in."):
            port, index = name[3:].rsplit(".", 1)
            values[int(found[2])].setdefault(port, {})[int(index)] = found[3]
    show = lambda bits: "".join(bits.get(at, "-") for at in range(max(bits), -1, -1))
    return length, [{port: show(bits) for port, bits in sorted(step.items())} for step in values]


def answer(job, output, gold, gate):
    """The last line for an output."""
    shared, *_ = solve(job, *question(job, output, gold[False], gate, False))
    if shared == "proved":
        return {"output": output, "result": "equal"}
    found, frames, trace = solve(job, *question(job, output, gold[True], gate, True))
    if found == "proved":
        return {"output": output, "result": "defined"}
    if found == "refuted":
        return {"output": output, "result": "different", "frames": frames, "trace": trace}
    reason = f"no difference found in up to {frames} steps where the golden module is defined"
    if shared == "refuted":
        reason += "; there is one where it may be undefined"
    return {"output": output, "result": "undecided", "reason": reason}


def main():
    # Yosys logs to the standard output, which is for the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    job = json.load(sys.stdin)
    gold = {xprop: read(job, "gold", xprop) for xprop in (False, True)}
    gate = read(job, "gate", False)
    for output in job["outputs"]:
        print(json.dumps(answer(job, output, gold, gate)), file=answers, flush=True)


if __name__ == "__main__":
    main()
