"""Walk a task's user stack, frame by frame.

The reference; ``stacks.c`` of the native engine does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from uprobe_core.frame import Frame
from uprobe_core.stacks.cfi import DAMAGED
from uprobe_core.stacks.expressions import evaluate
from uprobe_core.stacks.spaces import Space
from uprobe_core.types import GuestMemory, MemoryFault
from uprobe_core.unwinding import FrameRules, Row, Saved, Where

if TYPE_CHECKING:
    from uprobe_core.backend import Task

__all__ = ("Hijacked", "caller_registers", "unwind")

Hijacked = Callable[["Task", int, int], "int | None"]
"""``(task, address, sp)``: where a function that was entered with *sp* really returns to, if *address* is
the trampoline of hijacked returns; *address* itself if it is not; None if nobody knows."""


def unwind(
    task: Task, space: Space, rules: FrameRules, depth: int, hijacked: Hijacked, pc: int | None = None
) -> tuple[Frame, ...]:
    """At most *depth* frames, innermost first: PC, then return addresses.

    The walk ends where no caller is known, memory is unreadable, there is no
    code, or the stack pointer stops growing.

    :param pc: where the task is, None: at its PC
    """
    process, sp = task.process, rules.registers.sp
    registers = [task.get_reg(number) for number in range(rules.count)]
    pc, after_call = registers[rules.registers.pc] if pc is None else pc, 0
    found: list[Frame] = []
    while len(found) < depth:
        step = space.step(pc, after_call)
        if after_call and not step.is_code:
            break
        found.append(step.frame)
        row = step.row
        above = None if row is None else caller_registers(registers, row, process, rules)
        if row is None or above is None:
            break
        address = (hijacked(task, above[row.pc_from], above[sp]) or 0) & rules.code_mask
        shrinks, stays = above[sp] < registers[sp], above[sp] == registers[sp]
        if (not row.interrupted and (not address or shrinks)) or (stays and address == pc):
            break
        registers, pc, after_call = above, address, 0 if row.interrupted else 1
    return tuple(found)


def caller_registers(
    registers: Sequence[int], row: Row, memory: GuestMemory, rules: FrameRules
) -> list[int] | None:
    """The registers of the caller, None if it has none or they cannot be read."""
    try:
        return _apply(registers, row, memory, rules)
    except (MemoryFault, *DAMAGED):
        return None


def _apply(registers: Sequence[int], row: Row, memory: GuestMemory, rules: FrameRules) -> list[int] | None:
    mask = rules.registers.mask
    if row.expression:
        cfa = evaluate(row.expression, registers, memory)
    else:
        cfa = registers[row.base] + row.offset & mask
    above = list(registers)
    above[rules.registers.sp] = cfa
    for rule in row.saved:
        if rule.where is not Where.UNDEFINED:
            above[rule.register] = _value(rule, cfa, registers, memory, rules) & mask
        elif rule.register == row.pc_from:
            return None
    return above


def _value(rule: Saved, cfa: int, registers: Sequence[int], memory: GuestMemory, rules: FrameRules) -> int:
    mask = rules.registers.mask
    if rule.where is Where.REGISTER:
        return registers[rule.value]
    if rule.where is Where.VALUE:
        return cfa + rule.value
    address = cfa + rule.value & mask
    if rule.code:
        address = evaluate(rule.code, registers, memory, cfa)
    if rule.where is Where.VALUE_EXPRESSION:
        return address
    return int.from_bytes(memory.read(address, rules.registers.width), "little")
