"""Run inside gdb: stops at addresses and writes down every stack, as gdb sees it."""

# mypy: ignore-errors

import json
import os

import gdb

_CHAIN = 256


def _name(pc, after_call):
    """``function+offset`` around the call that *pc* is behind, "?" without a symbol."""
    text = gdb.execute(f"info symbol {pc - after_call}", to_string=True)
    if text.startswith("No symbol"):
        return "?"
    name, _, offset = text.split(" in section ")[0].partition(" + ")
    return f"{name}+{int(offset or 0) + after_call}"


def _stack():
    found, after_call, frame = [], 0, gdb.newest_frame()
    while frame is not None and frame.pc() and len(found) < _CHAIN:
        if frame.type() in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):  # frames in the debug information alone
            frame = frame.older()
            continue
        is_signal = frame.type() == gdb.SIGTRAMP_FRAME
        found.append("<signal>" if is_signal else _name(frame.pc(), after_call))
        after_call = 0 if is_signal else 1
        frame = frame.older()
    return found


def main(asked):
    """Go from stop to stop until the program ends."""
    for command in (
        "set pagination off",
        "set confirm off",
        "set print demangle off",
        "set debuginfod enabled off",
        "set backtrace past-main on",
        "set backtrace past-entry on",
        *([f"set sysroot {asked['sysroot']}"] if asked["sysroot"] else []),
        f"file {asked['program']}",
        "handle all nostop noprint pass",
        f"target remote {asked['socket']}",
        *(f"break {place}" for place in asked["places"]),
    ):
        gdb.execute(command, to_string=True)
    stacks = []
    while True:
        gdb.execute("continue", to_string=True)
        try:
            stacks.append(_stack())
        except gdb.error:  # there is no frame any more
            break
    with open(asked["result"], "w", encoding="utf-8") as file:
        json.dump(stacks, file)


main(json.loads(os.environ["UPROBE_GDB_WALK"]))
