"""The arm64 arch operations: what happens around a hit, in the kernel's order.

Orchestration only: what an instruction is comes from :mod:`uprobe_arm64.decode`,
what it does from :mod:`uprobe_arm64.simulate`.  Facts are those of
arch/arm64/kernel/probes/uprobes.c; all state lives in the utask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from uprobe_arm64.decode import analyze
from uprobe_arm64.exceptions import exception_of
from uprobe_arm64.frames import FRAME_RULES
from uprobe_arm64.registers import INDEX_OF, LINK, argument_register, vector_register
from uprobe_core.arch_hooks import hookimpl
from uprobe_core.types import Analysis, Policy, Register, Verdict
from uprobe_core.unwinding import FrameRules
from uprobe_core.utask import POISONED_FAULT_CODE

if TYPE_CHECKING:
    from uprobe_arm64.encodings import A64Encodings
    from uprobe_core.backend import Process, Task
    from uprobe_core.utask import ReturnInstance, Utask

__all__ = ("INSN_BYTES", "SWBP", "Arm64Arch")

INSN_BYTES: Final = 4
"""Bytes of an A64 instruction, and so of a slot (MAX_UINSN_BYTES)."""

SWBP: Final = (0xD42000A0).to_bytes(INSN_BYTES, "little")
"""BRK #5 (UPROBES_BRK_IMM)."""


class Arm64Arch:
    """The arch plugin ``arm64``; it holds no state, so one object serves everything."""

    name = "arm64"

    def encodings(self) -> A64Encodings:
        """The encoding space, for the conformance harness (uprobe_core.testing)."""
        from uprobe_arm64.encodings import A64Encodings

        return A64Encodings()

    # --- what the architecture is -----------------------------------------------------------

    @hookimpl
    def swbp_insn(self) -> bytes:
        """BRK #5, little-endian as instructions always are."""
        return SWBP

    @hookimpl
    def slot_bytes(self) -> int:
        """One instruction."""
        return INSN_BYTES

    @hookimpl
    def register_index(self, name: str) -> int | None:
        """Index of a fetch-language register, None for a name that the kernel does not know."""
        return INDEX_OF.get(name)

    @hookimpl
    def argument_register(self, number: int) -> int | None:
        """x0 to x7 for arguments 1 to 8."""
        return argument_register(number)

    @hookimpl
    def vector_register(self, name: str) -> tuple[int, int] | None:
        """d0 to d31 (8 bytes) and s0 to s31 (4 bytes)."""
        return vector_register(name)

    # --- when a probe is placed ---------------------------------------------------------------

    @hookimpl
    def analyze_insn(self, insn: bytes, address: int, policy: Policy) -> Analysis:
        """The decode table's verdict; raises ConfigError for a kernel version that it does not know."""
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
    def stack_pointer(self, task: Task) -> int:
        """SP."""
        return task.get_reg(Register.SP)

    @hookimpl
    def frame_rules(self) -> FrameRules:
        """Frame records, signed return addresses, and the trampoline of signal handlers."""
        return FRAME_RULES
