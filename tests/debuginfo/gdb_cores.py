"""Run inside gdb: for each core file that it is told, the variables there, as gdb has them."""

# mypy: ignore-errors

import json
import os
import sys

import gdb

sys.path.insert(0, os.environ["UPROBE_GDB_FOLDER"])
from gdb_shown import WORDS, shown


def _symbols(frame, name):
    """What is called *name* in the innermost function: gdb 13 has some parameters of LTO's twice."""
    try:
        block = frame.block()
    except RuntimeError:
        return []
    while block is not None:
        found = [symbol for symbol in block if symbol.name == name]
        if found or block.function is not None:
            return found
        block = block.superblock
    return []


def _value(frame, name):
    try:
        twice = _symbols(frame, name)
        if len(twice) > 1:
            values = [shown(symbol.value(frame)) for symbol in twice]
            return next((value for value in values if value != WORDS), WORDS)
        return shown(frame.read_var(name))
    except (gdb.error, ValueError, RuntimeError, OverflowError) as error:
        return f"!{error}"


def _answer(line):
    gdb.execute(f"core-file {line['core']}", to_string=True)
    frame = gdb.selected_frame()
    values = {name: _value(frame, name) for name in line["names"]}
    return {"values": values}


def main(asked):
    """Answer line by line."""
    for command in (
        "set pagination off",
        "set confirm off",
        "set print elements 4096",
        "set debuginfod enabled off",
        "set backtrace past-main on",
        f"set sysroot {asked['sysroot'] or '/nonexistent'}",
        *([f"set debug-file-directory {asked['folder']}"] if asked["folder"] else []),
        f"file {asked['program']}",
    ):
        gdb.execute(command, to_string=True)
    with open(asked["questions"]) as questions, open(asked["answers"], "w", errors="surrogateescape") as out:
        for line in questions:
            out.write(json.dumps(_answer(json.loads(line))) + "\n")
            out.flush()


main(json.loads(os.environ["UPROBE_GDB_CORES"]))
