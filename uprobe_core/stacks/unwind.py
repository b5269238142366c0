"""Walk a task's user stack: by unwind information, through signal frames, else by frame pointer.

Facts: AAPCS64 6.4.6 (frame records), AADWARF64 (register numbers), and the
layout of an arm64 rt_sigframe (arch/arm64/kernel/signal.c, uapi sigcontext.h).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from uprobe_core.types import MemoryFault, Register

if TYPE_CHECKING:
    from uprobe_core.backend import Process, Task
    from uprobe_core.stacks.cfi import Row
    from uprobe_core.stacks.symbols import Images

__all__ = ("unwind",)

FP, LR, SP = 29, 30, 31
_MASK = (1 << 64) - 1
_SIGRETURN = bytes.fromhex("681180d2010000d4")
"""mov x8, #139; svc #0: what a signal handler returns to."""
_SIGNAL_REGS = 128 + 176 + 8
"""Of x0 from SP in an rt_sigframe: siginfo, ucontext up to uc_mcontext, fault_address."""


def unwind(task: Task, images: Images, depth: int = 128) -> list[int]:
    """Addresses of at most *depth* frames, innermost first: PC, then return addresses.

    The walk ends where no caller is known, memory is unreadable, or the stack
    pointer stops growing.
    """
    process = task.process
    regs = [task.get_reg(i) for i in range(32)]
    pc = task.get_reg(Register.PC)
    found = [pc]
    exact, innermost = True, True
    while len(found) < depth:
        if _is_sigreturn(process, pc):
            step = _above_signal(process, regs)
        else:
            # A return address may lie behind a call that ends its function: look at the call.
            step = _caller(process, images, regs, pc if exact else pc - 1, innermost=innermost)
        if step is None:
            break
        above, pc, exact = step
        if pc == 0 or (above[SP] < regs[SP] and not exact) or (above, pc) == (regs, found[-1]):
            break
        found.append(pc)
        regs, innermost = above, False
    return found


def _caller(
    process: Process, images: Images, regs: list[int], pc: int, *, innermost: bool
) -> tuple[list[int], int, bool] | None:
    """(registers, pc, whether pc is an interrupted instruction) of the frame above, None at the end."""
    try:
        mapping = images.mapping_at(process, pc)
        frames = images.frames_of(mapping) if mapping is not None else None
        vaddr = images.file_address(mapping, pc) if mapping is not None else None
        row = frames.row_at(vaddr) if frames is not None and vaddr is not None else None
        if row is not None:
            return _apply(process, regs, row)
        if innermost and mapping is not None and _before_frame(regs, images, process):
            return regs, regs[LR], False
        return _above_record(process, regs)
    except MemoryFault:
        return None


def _is_sigreturn(process: Process, pc: int) -> bool:
    try:
        return process.read(pc, 8) == _SIGRETURN
    except MemoryFault:
        return False


def _above_signal(process: Process, regs: list[int]) -> tuple[list[int], int, bool] | None:
    try:
        words = struct.unpack("<33Q", process.read(regs[SP] + _SIGNAL_REGS, 33 * 8))
    except MemoryFault:
        return None
    return list(words[:32]), words[32], True


def _apply(process: Process, regs: list[int], row: Row) -> tuple[list[int], int, bool] | None:
    register, offset = row.cfa
    cfa = (regs[register] + offset) & _MASK
    above = list(regs)
    for number, (kind, value) in row.saved.items():
        if number > SP:
            continue
        if kind == "offset":
            above[number] = int.from_bytes(process.read((cfa + value) & _MASK, 8), "little")
        elif kind == "register":
            above[number] = regs[value]
        elif number == LR:
            return None
    above[SP] = cfa
    return above, above[LR], row.signal


def _before_frame(regs: list[int], images: Images, process: Process) -> bool:
    """Whether code without unwind information (a PLT stub, say) has made no frame: LR is the caller."""
    mapping = images.mapping_at(process, regs[LR])
    return mapping is not None and mapping.executable


def _above_record(process: Process, regs: list[int]) -> tuple[list[int], int, bool] | None:
    frame = regs[FP]
    if frame == 0 or frame % 8 or frame < regs[SP]:
        return None
    above_fp, lr = struct.unpack("<2Q", process.read(frame, 16))
    above = list(regs)
    above[FP], above[LR], above[SP] = above_fp, lr, frame + 16
    return above, lr, False
