"""Reads dumps of Yosys's syntax tree and walks back from each output, as the published pipeline does.

Standard input has a file name a line. Each file is what one Yosys process printed for one candidate. One
process reads them all, so that the interpreter is started once. For each file a line is printed: the lines
of the source that each output depends on. What the published code does besides (token indices, deep copies
of line lists) is left out.
"""

import re
import sys

NODE = re.compile(r"\s*(AST_\w+)\s+<([^>]+)>\s+\[([^\]]+)\](.*)")
NAME = re.compile(r"str='([^']+)'")
ASSIGNMENTS = ("AST_ASSIGN", "AST_ASSIGN_EQ", "AST_ASSIGN_LE")


class Node:
    def __init__(self, kind, lines, name, is_output, parent):
        self.kind, self.lines, self.name, self.is_output = kind, lines, name, is_output
        self.parent, self.children = parent, []


def read(text):
    root = Node("ROOT", (0, 0), None, False, None)
    stack = [(root, -1)]
    for line in text.split("\n"):
        match = NODE.match(line)
        if not match:
            continue
        indent = len(line) - len(line.lstrip(" "))
        kind, place, _, rest = match.groups()
        start, end = place.rsplit(":", 1)[1].split("-")
        name = NAME.search(rest)
        is_output = re.search(r"(input|output|reg|in_lvalue)", rest)
        while stack[-1][1] >= indent:
            stack.pop()
        parent = stack[-1][0]
        lines = (int(start.split(".")[0]), int(end.split(".")[0]))
        node = Node(kind, lines, name and name.group(1), bool(is_output) and "output" in rest, parent)
        parent.children.append(node)
        stack.append((node, indent))
    return root


def below(node):
    yield node
    for child in node.children:
        yield from below(child)


def names(node):
    return {n.name for n in below(node) if n.kind == "AST_IDENTIFIER"}


def cones(root):
    drivers = {}
    for node in below(root):
        if node.kind in ASSIGNMENTS and len(node.children) == 2:
            reads, lines = names(node.children[1]), {node.lines}
            around = node.parent
            while around is not None and around.kind != "AST_MODULE":
                lines.add((around.lines[0], around.lines[0]))
                for child in around.children[:1]:
                    reads |= names(child)
                around = around.parent
            for target in names(node.children[0]):
                drivers.setdefault(target, []).append((reads, lines))
    for node in below(root):
        if node.kind == "AST_WIRE" and node.is_output:
            seen, todo, lines = set(), [node.name], set()
            while todo:
                signal = todo.pop()
                if signal not in seen:
                    seen.add(signal)
                    for reads, at in drivers.get(signal, ()):
                        lines |= at
                        todo.extend(reads)
            yield node.name, sorted(lines)


for path in sys.stdin:
    with open(path.rstrip("\n"), encoding="utf-8", errors="replace") as file:
        found = re.search("Dumping AST before simplification:(.*)--- END OF AST DUMP ---", file.read(), re.DOTALL)
    print(list(cones(read(found.group(1)))) if found else None)
