"""Runs inside gdb-multiarch: the stack at the last signal that the program gets."""

# mypy: ignore-errors

import contextlib
import json
import os

import gdb

asked = json.loads(os.environ["UPROBE_GDB_WALK"])
for line in (
    "set pagination off",
    "set confirm off",
    "set backtrace past-main on",
    "set backtrace past-entry on",
    f"file {asked['program']}",
    f"target remote {asked['socket']}",
):
    gdb.execute(line)


def word(frame):
    """``function+offset``, the address where there is none, or <signal>."""
    if frame.type() == gdb.SIGTRAMP_FRAME:
        return "<signal>"
    newer = frame.newer()
    after_call = newer is not None and newer.type() == gdb.NORMAL_FRAME
    found = gdb.execute(f"info symbol {frame.pc() - after_call:#x}", to_string=True)
    name, *distance = found.partition(" in section")[0].split(" + ")
    if name.startswith("No symbol"):
        return f"{frame.pc():#x}"
    offset = int(*distance) + after_call
    return f"{name}+{offset:#x}" if offset else name


found = []
with contextlib.suppress(gdb.error):
    while True:
        gdb.execute("continue")
        frame, chain = gdb.newest_frame(), []
        while frame is not None and len(chain) < asked["places"]:
            chain.append(word(frame))
            frame = frame.older()
        found = chain
with open(asked["result"], "w", encoding="utf-8") as file:
    json.dump(found, file)
