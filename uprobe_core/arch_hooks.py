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

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from uprobe_core.backend import Process, Task
    from uprobe_core.types import Analysis, Policy
    from uprobe_core.unwinding import FrameRules
    from uprobe_core.utask import ReturnInstance, Utask

__all__ = ("PROJECT", "ArchHooks", "hookimpl", "hookspec")

PROJECT = "uprobe.archs"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class ArchHooks:
    """The specifications.  An arch plugin is a class whose methods carry :data:`hookimpl`."""

    # --- what the architecture is ------------------------------------------------------------

    @hookspec(firstresult=True)
    def swbp_insn(self) -> bytes:
        """Return the breakpoint instruction that is written over a probed one (``BRK #5`` on arm64).

        Called by the session, once per run.  None is not allowed.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def slot_bytes(self) -> int:
        """Return the size in bytes of one XOL slot (4 on arm64: the kernel's MAX_UINSN_BYTES).

        Called by the session, once per process that steps.  None is not allowed.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def register_index(self, name: str) -> int | None:
        """Return the :class:`~uprobe_core.types.RegisterFile` index of a fetch-language register.

        Called by the event language for each ``%name``, at parse time.
        None means that there is no such register (BAD_REG_NAME).  Source:
        regs_query_register_offset in arch/arm64/kernel/ptrace.c.
        """
        raise AssertionError("specification only")

    # --- when a probe is placed ----------------------------------------------------------------

    @hookspec(firstresult=True)
    def analyze_insn(self, insn: bytes, address: int, policy: Policy) -> Analysis:
        """Return the verdict for the instruction *insn* that lies at *address*.

        Called once per uprobe and process when the probe is placed, and by
        ``uprobe classify`` and ``uprobe why``; never per hit.  *insn* is the
        original memory content (``slot_bytes`` long), *address* may be
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
        """Finish a completed step; return True, or False to have the task killed with SIGILL.

        Restore the fault code, set PC to ``utask.vaddr`` + 4, single-step
        off.  Called once per completed step.  The kernel's arch_uprobe_post_xol.
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

        Called when a signal arrives during a step.  arch_uprobe_xol_was_trapped.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def optimize(self, task: Task, analysis: Analysis, vaddr: int) -> bool:
        """Replace a trap by something cheaper at *vaddr*; return whether that was done.

        Called after a hit was completed.  None counts as False.  arch_uprobe_optimize.
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
        """Return the return address of the function just entered, changing nothing (LR on arm64).

        Called once per entry when ``returns=watch``.  The kernel's procedure_link_pointer.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def is_alive(self, instance: ReturnInstance, sp: int, chained_call: bool) -> bool:
        """Return whether the frame of a pending return still exists at stack pointer *sp*.

        On arm64 ``sp <= instance.sp`` for a chained call, else ``sp <
        instance.sp``.  Called for each pending record when a return is
        looked up.  The kernel's arch_uretprobe_is_alive.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def argument_register(self, number: int) -> int | None:
        """Return the register index of integer argument *number* (1 is the first), or None if on the stack.

        Called by the event language for ``$argN``, at parse time.  The
        kernel's regs_get_kernel_argument; AAPCS64 section 6.8.2.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def vector_register(self, name: str) -> tuple[int, int] | None:
        """Return index and size in bytes of the scalar view *name* of a vector register (``d0``, ``s0``).

        Called by the event language for a ``%name`` that register_index does
        not know, at parse time, outside policy=kernel.  None means that there
        is no such register.  May be left out.
        """
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def stack_pointer(self, task: Task) -> int:
        """Return the stack pointer.  Called at entry and return of a return probe."""
        raise AssertionError("specification only")

    @hookspec(firstresult=True)
    def frame_rules(self) -> FrameRules | None:
        """Return what unwinding has to know of the architecture's frames and registers.

        Called by the session when a stack is first asked for.  None: a stack is its
        innermost frame.  May be left out.
        """
        raise AssertionError("specification only")
