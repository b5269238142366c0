"""Runs inside gdb-multiarch: do what is asked, one step after the other, and write down what is seen.

A step is a command of gdb's, or ``!state``: registers, stack, locals and a digest of memory.
Where the stack lies differs between emulators, so an address in it is told from the stack pointer.
"""

# mypy: ignore-errors

import hashlib
import json
import os

import gdb

asked = json.loads(os.environ["UPROBE_GDB_VISIT"])
found = []
SPAN = 1 << 20


def shown(value, sp):
    value = int(value) & (1 << 64) - 1
    return f"sp{value - sp:+}" if abs(value - sp) < SPAN else value


def variables(frame, sp):
    rows = {}
    block = frame.block()
    while block is not None:
        for symbol in block:
            if symbol.is_argument or symbol.is_variable:
                value = frame.read_var(symbol)
                code = value.type.strip_typedefs().code
                if value.is_optimized_out:
                    rows[symbol.name] = "<optimized out>"
                elif (
                    code == gdb.TYPE_CODE_PTR
                    and value.type.strip_typedefs().target().unqualified().name == "char"
                ):
                    rows[symbol.name] = value.string()
                elif code in (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_PTR):
                    rows[symbol.name] = shown(value, sp)
        if block.function is not None:
            break
        block = block.superblock
    return rows


def state():
    frame = gdb.newest_frame()
    sp = int(frame.read_register("sp"))
    names = [f"x{n}" for n in range(31)] + ["pc"]
    registers = {name: shown(frame.read_register(name), sp) for name in names}
    registers["nzcv"] = int(frame.read_register("cpsr")) >> 28 & 15
    vectors = [str(frame.read_register(f"v{n}")["d"]["u"]) for n in range(32)]
    stack = []
    each = frame
    while each is not None and len(stack) < 20:
        local = variables(each, sp) if each.function() is not None and each.find_sal().symtab else {}
        stack.append([each.name(), int(each.pc()) if each.name() else 0, local])
        each = each.older()
    memory = gdb.selected_inferior().read_memory(sp, 2048)
    return {
        "registers": registers,
        "vectors": vectors,
        "stack": stack,
        "thread": gdb.selected_thread().ptid[1],
        "memory": hashlib.sha256(bytes(memory)).hexdigest(),
        "sp": sp,
    }


def stopped(event):
    if isinstance(event, gdb.BreakpointEvent):
        events.append("breakpoint")
    elif isinstance(event, gdb.SignalEvent):
        events.append(event.stop_signal)
    else:
        events.append("stopped")


def do(step):
    if step == "!state":
        return state()
    events.clear()
    text = gdb.execute(step, to_string=True).strip()
    return " ".join([*events, text]).strip()


events = []
gdb.events.stop.connect(stopped)
gdb.events.exited.connect(lambda event: events.append(f"exited {getattr(event, 'exit_code', None)}"))
for command in ("set pagination off", "set confirm off", "set width 0", *asked["before"]):
    gdb.execute(command)
for step in asked["steps"]:
    try:
        found.append(do(step))
    except gdb.error as error:
        found.append(f"error: {error}")
with open(asked["result"], "w", encoding="utf-8") as file:
    json.dump(found, file)
