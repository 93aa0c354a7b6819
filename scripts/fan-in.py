"""Names of a module's signals that each of its outputs depends on, as Yosys sees it. Run by `salv bench cones`.

In (standard input, one JSON object a line): `code`, `top`, `frontend` (`slang`, or `verilog` for Yosys's own), `also`
(names that are asked about beside the outputs).
Out (standard output, one JSON object for each line): `bits`, for each output port the names in its transitive
fan-in, itself included; `wires`, the same if a name of which one bit is reached is reached as a whole; and `names`, all
names that the netlist has; or `error`, what Yosys said of a text it refuses.

How: the front end, `hierarchy`, `proc` and `flatten`, and no optimisation. The netlist is read as RTLIL text, in which
a connection has a direction: of `assign p = q`, q is in the fan-in of p and not the other way round, as it would be
where nets are merged. The walk goes from bit to bit: bit by bit through what works on each bit for itself
(multiplexers, registers, bitwise operators), from all input bits to each output bit through all other cells, and
through a memory from every read port to every write port. Each text is read in a process of its own, forked from
this one: an error of Yosys ends its process.

What is hard-coded: the names of the output pins of Yosys's cells, and which cells work bit by bit.
"""

import json
import os
import re
import sys
import tempfile

OUTPUT_PINS = {"Y", "Q", "X", "CO", "RD_DATA"}
BITWISE = {"$and", "$or", "$xor", "$xnor", "$not", "$pos", "$buf", "$mux", "$pmux", "$bwmux", "$tribuf", "$bweqx"}
REGISTERS = ("$dff", "$adff", "$sdff", "$aldff", "$dlatch", "$adlatch", "$dffe", "$sr", "$ff")
# Pins of registers with a bit for each bit of the output.
DATA_PINS = {"D", "AD", "SET", "CLR"}


class Netlist:
    """The flat module as a graph: for each bit of a wire the bits that it is made of."""

    def __init__(self, text):
        self.widths, self.starts, self.outputs = {}, {}, []
        self.made_of = {}
        self.reads, self.writes = {}, {}
        self.text(text)
        for memory, targets in self.reads.items():
            for target in targets:
                self.made_of.setdefault(target, set()).add((memory, None))
        for memory, sources in self.writes.items():
            self.made_of.setdefault((memory, None), set()).update(sources)

    def text(self, text):
        cell = None
        for line in text.splitlines():
            words = line.split()
            if not words or words[0] in ("attribute", "autoidx", "module", "#"):
                continue
            if words[0] == "wire":
                self.wire(words)
            elif words[0] == "memory":
                self.widths[words[-1]] = None
            elif words[0] == "cell":
                cell = (words[1], {}, {})
            elif words[0] == "parameter" and cell:
                cell[1][words[-2]] = words[-1]
            elif words[0] == "connect" and cell:
                name, rest = line.strip().split(" ", 2)[1:]
                cell[2][name[1:]] = self.signal(rest)
            elif words[0] == "end" and cell:
                self.cell(*cell)
                cell = None
            elif words[0] == "connect":
                tokens = re.findall(TOKEN, line.strip()[len("connect "):])
                left, at = self.one(tokens, 0)
                right, at = self.one(tokens, at)
                assert at == len(tokens), line
                self.connect(left, right)
            elif words[0] == "process":
                raise ValueError("a process is left")

    def wire(self, words):
        width, start = 1, 0
        for at, word in enumerate(words):
            if word == "width":
                width = int(words[at + 1])
            elif word == "offset":
                start = int(words[at + 1])
            elif word in ("output", "inout"):
                self.outputs.append(words[-1])
        self.widths[words[-1]], self.starts[words[-1]] = width, start

    def signal(self, text):
        bits, _ = self.one(re.findall(TOKEN, text), 0)
        return bits

    def one(self, tokens, at):
        """The bits of a signal, the lowest first, and the token behind it. A constant bit is None."""
        token = tokens[at]
        if token == "{":
            parts, at = [], at + 1
            while tokens[at] != "}":
                part, at = self.one(tokens, at)
                parts.append(part)
            return [bit for part in reversed(parts) for bit in part], at + 1
        at += 1
        if token[0] in "\\$":
            bits = [(token, index) for index in range(self.widths[token] or 1)]
        else:
            bits = [None] * int(token.split("'")[0] if "'" in token else 32)
        while at < len(tokens) and tokens[at].startswith("["):
            high, _, low = tokens[at][1:-1].partition(":")
            bits = bits[int(low or high):int(high) + 1]
            at += 1
        return bits, at

    def connect(self, left, right):
        for target, source in zip(left, right):
            self.add(target, [source])

    def add(self, target, sources):
        if target is not None:
            self.made_of.setdefault(target, set()).update(bit for bit in sources if bit is not None)

    def cell(self, kind, parameters, pins):
        if kind.startswith("$mem"):
            return self.memory(kind, parameters, pins)
        for pin in OUTPUT_PINS & set(pins):
            others = {name: bits for name, bits in pins.items() if name not in OUTPUT_PINS}
            for index, target in enumerate(pins[pin]):
                self.add(target, self.sources(kind, others, index, len(pins[pin])))

    def sources(self, kind, pins, index, width):
        if kind.startswith(REGISTERS):
            by_bit = DATA_PINS
        elif kind in BITWISE:
            by_bit = {"A", "B"} | ({"S"} if kind == "$bwmux" else set())
        else:
            by_bit = set()
        for name, bits in pins.items():
            if name not in by_bit:
                yield from bits
            elif kind == "$pmux" and name == "B":
                yield from bits[index::width]
            elif bits:
                # What is narrower is extended by its last bit, or by zeros.
                yield bits[min(index, len(bits) - 1)]

    def memory(self, kind, parameters, pins):
        # A string, in which the backslash of the name is escaped.
        name = parameters["\\MEMID"].strip('"').replace("\\\\", "\\")
        inputs = [bit for pin, bits in pins.items() if pin not in ("DATA", "RD_DATA") for bit in bits]
        if kind.startswith("$memrd"):
            for target in pins["DATA"]:
                self.add(target, inputs)
                if target is not None:
                    self.reads.setdefault(name, []).append(target)
        elif kind.startswith(("$memwr", "$meminit")):
            found = self.writes.setdefault(name, set())
            found.update(bit for bit in inputs + pins["DATA"] if bit is not None)
        else:
            raise ValueError(f"a cell {kind}")

    def fan_in(self, output, is_whole):
        waiting = self.bits(output)
        seen = set(waiting)
        while waiting:
            for found in self.made_of.get(waiting.pop(), ()):
                for bit in self.bits(found[0]) if is_whole and found[0].startswith("\\") else [found]:
                    if bit not in seen:
                        seen.add(bit)
                        waiting.append(bit)
        return sorted({plain(name) for name, _ in seen if name.startswith("\\")})

    def bits(self, name):
        width = self.widths[name]
        return [(name, None)] if width is None else [(name, index) for index in range(width)]


TOKEN = r"\{|\}|\[[0-9:]+\]|[\\$]\S+|[0-9]+'[01xzm-]*|-?[0-9]+"


def answer(job, folder):
    """What is said of one text. Yosys may end this process."""
    from pyosys import libyosys as ys

    source, target = (os.path.join(folder, name) for name in ("source.sv", "netlist.il"))
    with open(source, "w", encoding="utf-8") as out:
        out.write(job["code"])
    design = ys.Design()
    if job["frontend"] == "slang":
        options = "--allow-use-before-declare --allow-genblk-reference --ignore-timing --ignore-initial"
        passes = [f"read_slang {options} --top {job['top']} {source}"]
    else:
        passes = [f"read_verilog -sv {source}"]
    passes += [f"hierarchy -check -top {job['top']}", "proc -noopt", "flatten", f"select {job['top']}",
               f"write_rtlil -selected {target}"]
    for command in passes:
        ys.run_pass(command, design)
    with open(target, encoding="utf-8") as text:
        netlist = Netlist(text.read())
    asked = netlist.outputs + [f"\\{name}" for name in job["also"] if f"\\{name}" in netlist.widths]
    fan_in = lambda is_whole: {name[1:]: netlist.fan_in(name, is_whole) for name in asked}
    return {"bits": fan_in(False), "wires": fan_in(True),
            "names": sorted({plain(name) for name in netlist.widths if name.startswith("\\")})}


def plain(name):
    """A name without its backslash, and that of a memory of which each word has become a register."""
    return re.sub(r"\[[0-9]+\]$", "", name[1:])


def in_child(job):
    """Runs a job in a forked process; its answer, or the last error that it logged."""
    with tempfile.TemporaryDirectory() as folder:
        said, log = (os.path.join(folder, name) for name in ("answer.json", "log.txt"))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                out = os.open(log, os.O_WRONLY | os.O_CREAT)
                os.dup2(out, 1)
                os.dup2(out, 2)
                found = answer(job, folder)
                with open(said + ".part", "w", encoding="utf-8") as text:
                    json.dump(found, text)
                os.rename(said + ".part", said)
                status = 0
            except Exception as error:  # whatever it is, it is this text's answer
                print(f"ERROR: {error!r}", flush=True)
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (2, 9, 15):
            sys.exit(f"killed by signal {os.WTERMSIG(status)}")
        if os.path.exists(said):
            with open(said, encoding="utf-8") as text:
                return json.load(text)
        with open(log, encoding="utf-8", errors="replace") as text:
            lines = [line.strip() for line in text if re.search(r"ERROR|error:", line)]
        return {"error": (lines or [f"ended with status {status}"])[0].replace(folder, "")[:200]}


def main():
    from pyosys import libyosys  # noqa: F401: loaded once, for all children

    for line in sys.stdin:
        print(json.dumps(in_child(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
