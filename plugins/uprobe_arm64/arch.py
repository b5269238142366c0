"""The arm64 arch operations: what happens around a hit, in the kernel's order.

Orchestration only: what an instruction is comes from :mod:`uprobe_arm64.decode`,
what it does from :mod:`uprobe_arm64.simulate`.  Facts are those of
arch/arm64/kernel/probes/uprobes.c; all state lives in the utask.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from uprobe_arm64.frames import FRAME_RULES
from uprobe_arm64.registers import INSN_BYTES, LINK, REGISTERS, Register, register_hint, vector_register
from uprobe_core.arch_hooks import hookimpl
from uprobe_core.architecture import Architecture
from uprobe_core.types import Analysis, Policy, Verdict
from uprobe_core.unwinding import FrameRules
from uprobe_core.utask import POISONED_FAULT_CODE

if TYPE_CHECKING:
    from uprobe_arm64.encodings import A64Encodings
    from uprobe_core.backend import Process, Task
    from uprobe_core.utask import ReturnInstance, Utask

__all__ = ("ARCHITECTURE", "Arm64Arch")

ARCHITECTURE: Final = Architecture(
    name="arm64",
    registers=REGISTERS,
    breakpoint=(0xD42000A0).to_bytes(INSN_BYTES, "little"),  # BRK #5 (UPROBES_BRK_IMM)
    insn_sizes=(INSN_BYTES,),
    slot_bytes=INSN_BYTES,
    elf_machine=183,  # EM_AARCH64 (ELF for the Arm 64-bit Architecture, 5.1)
    native=True,
    answer=struct.pack("<3I", 0xD2800540, 0xD2800BA8, 0xD4000001),  # mov x0, #42; mov x8, #93; svc #0
)


class Arm64Arch:
    """The arch plugin ``arm64``; it holds no state, so one object serves everything."""

    name = "arm64"

    def encodings(self) -> A64Encodings:
        """The encoding space, for the conformance harness (uprobe_core.testing)."""
        from uprobe_arm64.encodings import A64Encodings

        return A64Encodings()

    def tiny_programs(self) -> Mapping[str, tuple[tuple[int, ...], dict[str, int], bool]]:
        """The programs that the compliance suite of backends runs."""
        from uprobe_arm64.tiny_programs import PROGRAMS

        return PROGRAMS

    # --- what the architecture is -----------------------------------------------------------

    @hookimpl
    def architecture(self) -> Architecture:
        """Four bytes everywhere, and what registers are for."""
        return ARCHITECTURE

    @hookimpl
    def vector_register(self, name: str) -> tuple[int, int] | None:
        """d0 to d31 (8 bytes) and s0 to s31 (4 bytes)."""
        return vector_register(name)

    @hookimpl
    def register_hint(self, name: str) -> str | None:
        """What to write instead of fp, xzr, w0, d0 ..."""
        return register_hint(name)

    @hookimpl
    def marker_operand(
        self, operand: str, size: int, is_float: bool, low_bits: Callable[[str], int | None]
    ) -> str | None:
        """GNU assembler operands of AArch64."""
        from uprobe_arm64.operands import fetch_expression  # only USDT markers have any

        return fetch_expression(operand, size, is_float=is_float, low_bits=low_bits)

    # --- when a probe is placed ---------------------------------------------------------------

    @hookimpl
    def analyze_insn(self, insn: bytes, address: int, policy: Policy) -> Analysis:
        """The decode table's verdict; raises ConfigError for a kernel version that it does not know."""
        from uprobe_arm64.decode import analyze  # the tables, which only a place that is probed needs

        return analyze(int.from_bytes(insn[:INSN_BYTES], "little"), address, policy)

    # --- a hit --------------------------------------------------------------------------------

    @hookimpl
    def ignore(self, task: Task, analysis: Analysis) -> bool:
        """arm64 ignores no hit (the kernel has only the weak default)."""
        return False

    @hookimpl
    def skip_sstep(self, task: Task, utask: Utask, analysis: Analysis) -> bool:
        """Simulate, if the verdict says so; a MemoryFault leaves everything as it was.

        An instruction whose whole effect is an exception is done as well: the
        exception is raised from its own address, as the MemoryFault that the
        core hands to the program.
        """
        if analysis.special == "trap":
            from uprobe_arm64.exceptions import exception_of

            raise exception_of(analysis.word, utask.vaddr)
        if analysis.verdict is not Verdict.SIMULATE or analysis.simulate is None:
            return False
        analysis.simulate(task, task.process, utask.vaddr)
        return True

    @hookimpl
    def xol_copy(self, process: Process, slot: int, analysis: Analysis) -> bool:
        """Write the instruction into the slot unless it is there already."""
        insn = analysis.word.to_bytes(INSN_BYTES, "little")
        if process.read(slot, INSN_BYTES) == insn:
            return False
        process.write_slot(slot, insn)
        return True

    @hookimpl
    def xol_flush(self, process: Process, slot: int) -> bool:
        """Forget what was translated from the slot before."""
        process.flush(slot, INSN_BYTES)
        return True

    @hookimpl
    def pre_xol(self, task: Task, utask: Utask) -> bool:
        """Poison the fault code, go to the slot, single-step on; all or nothing."""
        task.set_reg(Register.PC, utask.xol_vaddr)
        try:
            task.single_step(True)
        except BaseException:
            task.set_reg(Register.PC, utask.vaddr)
            raise
        utask.saved_fault_code = utask.fault_code
        utask.fault_code = POISONED_FAULT_CODE
        return True

    @hookimpl
    def post_xol(self, task: Task, utask: Utask) -> bool:
        """Go on behind the probed instruction: right because what is stepped does not touch the PC."""
        utask.fault_code = utask.saved_fault_code
        task.set_reg(Register.PC, utask.vaddr + INSN_BYTES)
        task.single_step(False)
        return True

    @hookimpl
    def abort_xol(self, task: Task, utask: Utask) -> bool:
        """Undo pre_xol: the instruction has not run, PC is where it lies."""
        utask.fault_code = utask.saved_fault_code
        task.set_reg(Register.PC, utask.vaddr)
        task.single_step(False)
        return True

    @hookimpl
    def xol_was_trapped(self, utask: Utask) -> bool:
        """Any change of the poisoned fault code means that the copied instruction faulted."""
        return utask.fault_code != POISONED_FAULT_CODE

    @hookimpl
    def optimize(self, task: Task, analysis: Analysis, vaddr: int) -> bool:
        """arm64 has nothing cheaper than a trap to put in its place (the hook is x86's)."""
        return False

    # --- return probes ------------------------------------------------------------------------

    @hookimpl
    def hijack_return_addr(self, task: Task, trampoline: int) -> int:
        """Swap LR for the trampoline."""
        original = task.get_reg(LINK)
        task.set_reg(LINK, trampoline)
        return original

    @hookimpl
    def return_address(self, task: Task) -> int:
        """LR, at the first instruction of a function."""
        return task.get_reg(LINK)

    @hookimpl
    def is_alive(self, instance: ReturnInstance, sp: int, chained_call: bool) -> bool:
        """The stack grows down: a frame is gone once sp is above (unchained: at) its entry value."""
        return sp <= instance.sp if chained_call else sp < instance.sp

    @hookimpl
    def frame_rules(self) -> FrameRules:
        """Frame records, signed return addresses, and the trampoline of signal handlers."""
        return FRAME_RULES
