"""The arch operations: the heart of the framework, as pluggy hookspecs.

One pluggy manager per process carries exactly one arch plugin and any wrappers
that third parties add.  Every hook here is *first result*: the arch plugin's
non-None answer stands, and a wrapper may observe or replace it.

Nobody calls pluggy on the hit path: :mod:`uprobe_core.probes.arch_ops` resolves
each name once, when probes are installed, and a hit makes plain calls.

All step state lives in the :class:`~uprobe_core.utask.Utask`; an
implementation keeps nothing between calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from uprobe_core.hook_markers import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from uprobe_core.architecture import Architecture
    from uprobe_core.backend import Process, Task
    from uprobe_core.types import Analysis, Policy
    from uprobe_core.unwinding import FrameRules
    from uprobe_core.utask import ReturnInstance, Utask

__all__ = ("FORMER", "OPTIONAL", "PROJECT", "ArchHooks", "FormerArchHooks", "hookimpl", "hookspec")

PROJECT = "uprobe.archs"
hookspec = HookspecMarker(PROJECT)
hookimpl = HookimplMarker(PROJECT)


class ArchHooks:
    """The specifications.  An arch plugin is a class whose methods carry :data:`hookimpl`."""

    # --- what the architecture is ------------------------------------------------------------

    @hookspec(firstresult=True)
    def architecture(self) -> Architecture:
        """Return what the core has to know of the architecture: registers, sizes, the breakpoint.

        Called when the operations are bound, once per session.  None is not allowed.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def vector_register(self, name: str) -> tuple[int, int] | None:
        """Return index and size in bytes of the scalar view *name* of a vector register (``d0``, ``s0``).

        Called by the event language for a ``%name`` that is no general register, at parse
        time, outside policy=kernel.  None means that there is no such register.  May be left out.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def register_hint(self, name: str) -> str | None:
        """Return what to write instead of the register *name*, which does not exist.

        Called by the event language for the error that says so.  None: nothing special is
        known; the error lists the registers.  May be left out.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def marker_operand(
        self, operand: str, size: int, is_float: bool, low_bits: Callable[[str], int | None]
    ) -> str | None:
        """Return the fetch expression, without a type, of one argument of a USDT marker.

        *operand* is assembler text as the compiler wrote it into the note, *size* its bytes
        (negative: signed), *low_bits* gives the low twelve bits of a symbol's address, None for
        a symbol that is not known.  Raise ValueError with the reason for one that cannot be
        fetched; None means the same without a reason.  May be left out.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def frame_rules(self) -> FrameRules | None:
        """Return what unwinding has to know of the architecture's frames and registers.

        Called by the session when a stack is first asked for.  None: a stack is its
        innermost frame.  May be left out.
        """
        raise AssertionError("specification only")

    # --- when a probe is placed ----------------------------------------------------------------

    @hookspec(firstresult=True)
    def analyze_insn(self, insn: bytes, address: int, policy: Policy) -> Analysis:
        """Return the verdict for the instruction *insn* that lies at *address*.

        Called once per uprobe and process when the probe is placed, and by
        ``uprobe classify`` and ``uprobe why``; never per hit.  *insn* is the
        original memory content, as long as a slot, or shorter where a longer
        instruction cannot be because the mapping ends.  *address* may be
        misaligned, which is a REJECT with its own reason.  None is not
        allowed.  The kernel's arch_uprobe_analyze_insn.
        """
        raise AssertionError("specification only")

    # --- a hit ---------------------------------------------------------------------------------

    @hookspec(firstresult=True)
    def ignore(self, task: Task, analysis: Analysis) -> bool:
        """Return True to leave this hit alone: no handler, no step, the task resumes where it is.

        Called once per hit, before the handlers.  None counts as False.  The
        kernel's arch_uprobe_ignore.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def skip_sstep(self, task: Task, utask: Utask, analysis: Analysis) -> bool:
        """Simulate the instruction if the verdict says so; return True when no step is needed.

        Called once per hit, after the handlers, PC being ``utask.vaddr``.
        Raises :class:`~uprobe_core.types.MemoryFault` with nothing changed if
        the simulated instruction faults.  The kernel's arch_uprobe_skip_sstep.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def xol_copy(self, process: Process, slot: int, analysis: Analysis) -> bool:
        """Put the displaced instruction into the slot at address *slot*; return whether it changed.

        Called once per step, before pre_xol.  The kernel's arch_uprobe_copy_ixol.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def xol_flush(self, process: Process, slot: int) -> bool:
        """Make the backend forget translations of the slot; return True.

        Called after an xol_copy that changed the slot.  The kernel's
        flush_uprobe_xol_access.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def pre_xol(self, task: Task, utask: Utask) -> bool:
        """Prepare the step; return True.

        Save and poison ``utask.fault_code``, set PC to ``utask.xol_vaddr``,
        switch single-step on.  Called once per step.  Raising abandons the
        step with nothing changed and the hit repeats.  arch_uprobe_pre_xol.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def post_xol(self, task: Task, utask: Utask) -> bool:
        """Finish a completed step; return True, or False if it cannot be: the run ends with an error.

        Restore the fault code, set PC to ``utask.vaddr`` + ``utask.analysis.size``,
        single-step off.  Called once per completed step.  The kernel's arch_uprobe_post_xol.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def abort_xol(self, task: Task, utask: Utask) -> bool:
        """Undo pre_xol completely; return True.

        Called once per step that did not complete (it faulted, or a fatal
        signal came).  PC is ``utask.vaddr`` afterwards.  arch_uprobe_abort_xol.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def xol_was_trapped(self, utask: Utask) -> bool:
        """Return whether the copied instruction itself faulted (the fault code is no longer poisoned).

        Called when an exception arrives during a step.  True: the step is aborted and the
        program gets its signal.  False: the exception is not the instruction's, which is run
        again.  The kernel's arch_uprobe_xol_was_trapped, asked by uprobe_deny_signal.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def optimize(self, task: Task, analysis: Analysis, vaddr: int) -> bool:
        """Replace a trap by something cheaper at *vaddr*; return whether that was done.

        Called after the handlers of each hit, before skip_sstep.  None counts as False.  The
        kernel's arch_uprobe_optimize.
        """
        raise AssertionError("specification only")

    # --- return probes -------------------------------------------------------------------------

    @hookspec(firstresult=True)
    def hijack_return_addr(self, task: Task, trampoline: int) -> int:
        """Swap the return address of the function just entered for *trampoline*; return the original.

        Called once per entry when ``returns=hijack``.  The kernel's
        arch_uretprobe_hijack_return_addr.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def return_address(self, task: Task) -> int:
        """Return the return address of the function just entered, changing nothing.

        Called once per entry when ``returns=watch``, and where a return landed: only a register
        that still holds it tells a return from a longjmp.  The kernel's procedure_link_pointer.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def is_alive(self, instance: ReturnInstance, sp: int, chained_call: bool) -> bool:
        """Return whether the frame of a pending return still exists at stack pointer *sp*.

        Usually ``sp <= instance.sp`` for a chained call, else ``sp <
        instance.sp``.  Called for each pending record when a return is
        looked up.  The kernel's arch_uretprobe_is_alive.
        """
        raise AssertionError("specification only")


OPTIONAL: Final = frozenset(
    {"frame_rules", "ignore", "marker_operand", "optimize", "register_hint", "vector_register"}
)
"""Hooks that may be left out, which means "no": False, or "there is none"."""


class FormerArchHooks:
    """What :meth:`ArchHooks.architecture` took the place of; a plugin that has all of these still runs."""

    @hookspec(firstresult=True)
    def swbp_insn(self) -> bytes:
        """The breakpoint instruction: ``architecture().breakpoint``."""
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def slot_bytes(self) -> int:
        """Bytes of an XOL slot: ``architecture().slot_bytes``."""
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def register_index(self, name: str) -> int | None:
        """The number of a register: ``architecture().registers.names``."""
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def argument_register(self, number: int) -> int | None:
        """The register of an argument: ``architecture().registers.arguments``."""
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def stack_pointer(self, task: Task) -> int:
        """The stack pointer: register ``architecture().registers.sp``."""
        raise AssertionError("specification only")


FORMER: Final = frozenset(name for name in vars(FormerArchHooks) if not name.startswith("_"))
"""Their names; ``argument_register`` could be left out."""
