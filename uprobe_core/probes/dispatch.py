"""The life of a hit: from a backend's report to the resumed task.

One :class:`Dispatcher` serves all processes of a machine.  It implements
:class:`~uprobe_core.backend.ProbeHandler`; its state machine is the kernel's
handle_swbp, handle_singlestep and uprobe_deny_signal (kernel/events/uprobes.c).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from uprobe_core.backend import Process, Task
from uprobe_core.consumer import Hit, ReturnHit
from uprobe_core.errors import PluginError
from uprobe_core.probes.arch_ops import ArchOps
from uprobe_core.probes.process_events import ProcessFollower
from uprobe_core.probes.registry import Link, Site, Space, UprobeRegistry
from uprobe_core.probes.returns import HijackReturns, Session, WatchReturns
from uprobe_core.probes.utask import TaskState
from uprobe_core.probes.xol import XolArea
from uprobe_core.types import (
    Access,
    Analysis,
    Fault,
    FaultKind,
    HandlerVote,
    MemoryFault,
    Mode,
    Policy,
    Returns,
    TrapResult,
    UtaskState,
)

__all__ = ("Dispatcher",)

_ANYWHERE = Policy("anywhere")
_VOTES = frozenset({HandlerVote.REMOVE, HandlerVote.IGNORE, HandlerVote.REMOVE | HandlerVote.IGNORE})


class Dispatcher(ProcessFollower):
    """Runs hits.

    :param told: what :class:`~uprobe_core.probes.process_events.ProcessFollower` calls, by name
    """

    def __init__(
        self, arch: ArchOps, policy: Policy, registry: UprobeRegistry, returns: Returns, **told: Any
    ) -> None:
        super().__init__(arch, policy, registry, **told)
        self.holds: Callable[[Task], bool] | None = None
        """Whether a task that was hit has to stand still before its probed instruction."""
        if returns is Returns.HIJACK:
            self.returns = HijackReturns(arch, self._call_ret_handler, self.trampoline, self.depth)
        else:
            self.returns = WatchReturns(arch, self._call_ret_handler)

    # --- traps ------------------------------------------------------------------------------------

    def on_trap(self, task: Task, address: int) -> TrapResult | Fault:
        """A trap instruction was reached (the kernel's handle_swbp)."""
        space = self.registry.spaces.get(task.process)
        if space is None:
            return TrapResult.NOT_OURS
        utask = self.utask(task)
        if utask.state is UtaskState.SSTEP:
            return self._trapped_in_step(task, utask)
        if space.xol is not None and address == space.xol.trampoline:
            return self._on_trampoline(task, utask)
        site = space.sites.get(address)
        if site is None or site.mode is Mode.INLINE:  # an inline site's trap is the program's own
            utask.active = None
            return self._not_a_site(space, address)
        if utask.active is not site:
            task.set_reg(self.registers.pc, address)
            if self.arch.ignore(task, site.analysis):
                return TrapResult.HANDLED
            utask.vaddr = address
            if not site.native:  # else the engine has called everybody, and leaves the instruction to us
                self._run_chain(task, utask, site, space)
            if self.holds is not None and self.holds(task):
                utask.active = site  # the trap repeats; ``active`` says that its handlers have run
                return TrapResult.HANDLED
            if task.get_reg(self.registers.pc) != address or space.sites.get(address) is not site:
                return TrapResult.HANDLED
            self.arch.optimize(task, site.analysis, address)
        return self._complete(task, utask, site, space)

    def _complete(self, task: Task, utask: TaskState, site: Site, space: Space) -> TrapResult | Fault:
        """Do what the displaced instruction does: simulate it, or set up its step."""
        utask.analysis = site.analysis
        try:
            if self.arch.skip_sstep(task, utask, site.analysis):
                return TrapResult.SIMULATED
        except MemoryFault as fault:
            task.set_reg(self.registers.pc, site.vaddr)
            return Fault(fault.kind, site.vaddr, fault.address, fault.access)
        slot = self._area(space).take(site.analysis.word)
        utask.active = site
        if slot is None:
            return TrapResult.HANDLED  # the trap repeats; ``active`` says that its handlers have run
        utask.xol_vaddr = slot
        try:
            self._start_step(task, utask, site, slot)
        except MemoryFault as fault:  # the program unmapped the area: its fetch from there would fault
            self._finish_step(task, utask)
            return Fault(fault.kind, site.vaddr, fault.address, Access.FETCH)
        except BaseException:
            self._finish_step(task, utask)
            raise
        return TrapResult.HANDLED

    def _start_step(self, task: Task, utask: TaskState, site: Site, slot: int) -> None:
        if self.arch.xol_copy(task.process, slot, site.analysis):
            self.arch.xol_flush(task.process, slot)
        self.arch.pre_xol(task, utask)
        utask.state = UtaskState.SSTEP

    def _not_a_site(self, space: Space, address: int) -> TrapResult:
        """A trap where nothing is installed: the program's own, or one that was just taken out.

        Only what lies there now tells them apart: a trap instruction is the program's.
        """
        try:
            insn = self.arch.read_insn(space.process, address)
        except MemoryFault:
            return TrapResult.HANDLED
        is_trap = insn.startswith(self.arch.info.breakpoint)
        if is_trap or self.arch.analyze_insn(insn, address, _ANYWHERE).special == "trap":
            return TrapResult.NOT_OURS
        return TrapResult.HANDLED

    def _area(self, space: Space) -> XolArea:
        if space.xol is None:
            address, size, stride = space.process.create_xol_area(self.arch.info.breakpoint)
            keep = not self.policy.is_kernel
            space.xol = XolArea(address, size, self.arch.info.slot_bytes, stride, keep=keep)
        return space.xol

    def known_trampoline(self, process: Process) -> int:
        """Where hijacked returns of *process* come, 0 as long as there were none."""
        space = self.registry.spaces.get(process)
        return 0 if space is None or space.xol is None else space.xol.trampoline

    def trampoline(self, task: Task) -> int:
        """The same for *task*, made on first use."""
        return self._area(self.registry.space_of(task.process)).trampoline

    def real_return(self, task: Task, address: int, sp: int) -> int | None:
        """Where the function entered with *sp* returns to, if *address* is where hijacked returns come.

        Any other *address* is it already.  None: no pending return is known there.
        """
        if address != self.known_trampoline(task.process):
            return address
        pending = self.utask(task).returns
        return next((each.return_address for each in reversed(pending) if each.sp == sp), None)

    def _on_trampoline(self, task: Task, utask: TaskState) -> TrapResult | Fault:
        """A hijacked return; without a record of it the task gets SIGILL, as from a kernel."""
        if isinstance(self.returns, HijackReturns) and self.returns.on_trampoline(task, utask):
            return TrapResult.HANDLED
        address = task.get_reg(self.registers.pc)
        return Fault(FaultKind.UNDEFINED, address, address)

    # --- the step ---------------------------------------------------------------------------------

    def on_step_done(self, task: Task) -> None:
        """The step completed (the kernel's handle_singlestep with UTASK_SSTEP_ACK)."""
        utask = self.utask(task)
        utask.state = UtaskState.SSTEP_ACK
        if not self.arch.post_xol(task, utask):
            raise PluginError(
                f"post_xol could not finish the step of the instruction at {utask.vaddr:#x}",
                plugin=self.arch.info.name,
                hint="the arch plugin, or a wrapper around it, answered False",
                slug="plugin-failed",
            )
        self._finish_step(task, utask)

    def on_step_fault(self, task: Task, fault: Fault) -> Fault | None:
        """The step faulted: back to the probed address, where the program will see its signal."""
        utask = self.utask(task)
        if utask.state is not UtaskState.SSTEP:
            return fault
        slot = utask.xol_vaddr
        if not self._was_trapped(task, utask):
            return None
        address = fault.address
        if fault.kind is FaultKind.UNDEFINED and not self.policy.is_kernel and address == slot:
            address = utask.vaddr  # a kernel reports the slot (recorded: fault-insn)
        return Fault(fault.kind, utask.vaddr, address, fault.access)

    def _trapped_in_step(self, task: Task, utask: TaskState) -> TrapResult:
        """The displaced instruction is itself a trap: the program gets it, from its own address."""
        return TrapResult.NOT_OURS if self._was_trapped(task, utask) else TrapResult.HANDLED

    def _was_trapped(self, task: Task, utask: TaskState) -> bool:
        """An exception came in a step: whether it is the instruction's, whose step is then aborted.

        The kernel's uprobe_deny_signal and handle_singlestep: the exception has left its code
        (here 0, which is not the poison), and the architecture says what that means.
        """
        utask.fault_code = 0
        if not self.arch.xol_was_trapped(utask):
            return False
        self._abort(task, utask)
        return True

    def _abort(self, task: Task, utask: TaskState) -> None:
        utask.state = UtaskState.SSTEP_TRAPPED
        self.arch.abort_xol(task, utask)
        self._finish_step(task, utask)

    def _finish_step(self, task: Task, utask: TaskState) -> None:
        """Give the slot back; every path out of a step comes through here."""
        space = self.registry.spaces.get(task.process)
        if space is not None and space.xol is not None and utask.active is not None and utask.xol_vaddr:
            space.xol.put(utask.xol_vaddr, utask.active.analysis.word)
        utask.active = utask.analysis = None
        utask.xol_vaddr = 0
        utask.state = UtaskState.RUNNING

    def may_deliver_signal(self, task: Task) -> bool:
        """Signals wait while a step is under way (the kernel's uprobe_deny_signal) or waits for a slot.

        A task that waits for a slot has run its handlers: a signal handler that
        came between could reach the same place and be taken for that hit.
        """
        utask = self._utasks.get(task)
        if utask is None or utask.active is None:
            return True
        if utask.state is not UtaskState.RUNNING:
            return False
        space = self.registry.spaces.get(task.process)
        return space is None or space.sites.get(utask.vaddr) is not utask.active

    def analyze(self, insn: bytes, address: int) -> Analysis:
        """What may be done with an instruction that a backend displaces, whatever the policy refuses."""
        return self.arch.analyze_insn(insn, address, _ANYWHERE)

    # --- inline hits and watched returns ------------------------------------------------------------

    def on_inline(self, task: Task, address: int) -> None:
        """The task is about to execute a probed instruction in place."""
        space = self.registry.spaces.get(task.process)
        site = space.sites.get(address) if space is not None else None
        if space is None or site is None:
            return
        utask = self.utask(task)
        utask.vaddr = address
        self._run_chain(task, utask, site, space)

    def on_watch(self, task: Task, address: int) -> None:
        """The task is at an address where a return is watched for."""
        utask = self._utasks.get(task)
        if utask is not None and isinstance(self.returns, WatchReturns):
            self.returns.on_watch(task, utask, address)

    def sees_jumps(self, process: Process, *, seen: bool) -> None:
        """Whether all longjmps of *process* are told, from now on."""
        for task, utask in self._utasks.items():
            if task.process is process:
                utask.jumps = max(utask.jumps, 1) if seen else 0

    def jumped(self, task: Task) -> None:
        """*task* is about to jump to where it was before."""
        utask = self.utask(task)
        utask.jumps += utask.jumps > 0

    def raised(self, task: Task, sp: int) -> None:
        """*task* has raised an exception; where it lands SP is higher than *sp*."""
        utask = self._utasks.get(task)
        if utask is not None:
            utask.raised = sp

    def unwound(self, task: Task, lowest: int, highest: int) -> None:
        """An exception ended the calls that *task* entered with SP from *lowest* to *highest* (inclusive)."""
        utask = self._utasks.get(task)
        if utask is not None and isinstance(self.returns, WatchReturns):
            self.returns.unwound(task, utask, lowest, highest)

    # --- consumers ----------------------------------------------------------------------------------

    def _run_chain(self, task: Task, utask: TaskState, site: Site, space: Space) -> None:
        """Call the handlers (the kernel's handler_chain): order added, removal needs every vote."""
        if self.registry.is_left(task.process):
            return
        links = site.uprobe.links
        utask.now = task.clock()
        sessions: list[Session] = []
        removing = bool(links)
        for link in links:
            if not link.filter(task.process):
                continue
            vote, cookie = HandlerVote.KEEP, None
            if link.handler is not None:
                vote, cookie = self._call_handler(link, task, utask, site)
            if not vote & HandlerVote.REMOVE:
                removing = False
            if link.ret_handler is not None and not vote:
                sessions.append((link, cookie))
        if sessions:
            self.returns.enter(task, utask, site.uprobe, sessions)
        if removing and not any(link.insists(task.process) for link in site.uprobe.links):
            self.registry.remove_site(space, site)

    def _call_handler(self, link: Link, task: Task, utask: TaskState, site: Site) -> tuple[HandlerVote, Any]:
        """Its vote and cookie; a handler that raises has no session, so its vote is IGNORE."""
        hit = Hit(task, site.vaddr, site.offset, self.registers)
        hit.unwind, hit.jumps, hit._time = self.unwind, utask.jumps, utask.now
        assert link.handler is not None
        try:
            vote = link.handler(hit)
            if not vote:
                return HandlerVote.KEEP, hit.cookie
            if isinstance(vote, bool) or vote not in _VOTES:
                raise TypeError(f"handler returned {vote!r}, which is no HandlerVote")
            return HandlerVote(vote), hit.cookie
        except Exception as error:  # a consumer's bug must not end the program that it looks at
            self._on_error(link, error)
            return HandlerVote.IGNORE, None

    def _call_ret_handler(self, link: Link, hit: ReturnHit) -> None:
        if link.ret_handler is None:
            return
        hit.unwind = self.unwind
        try:
            link.ret_handler(hit)
        except Exception as error:  # as above
            self._on_error(link, error)
