"""The uprobe registry: at most one object per (file, offset), with its chain of consumers.

What the kernel keeps in its uprobes tree (kernel/events/uprobes.c): consumers
join and leave a uprobe, filters decide in which processes it is installed,
semaphores are raised while it is, and mappings that come and go take their
sites with them.  What happens at a hit is :mod:`uprobe_core.probes.dispatch`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from uprobe_core.backend import Process
from uprobe_core.errors import ProbeError
from uprobe_core.probes.arch_ops import ArchOps
from uprobe_core.probes.semaphores import check_semaphore, lower_semaphore, raise_semaphore, raise_waiting
from uprobe_core.probes.sites import Link, Site, Uprobe, accept_all
from uprobe_core.probes.spaces import NativeInstaller, Space
from uprobe_core.types import Analysis, FileId, Mapping, MemoryFault, Mode, Policy, Verdict

__all__ = ("Link", "Site", "Space", "Uprobe", "UprobeRegistry", "accept_all")


class UprobeRegistry:
    """All uprobes of a run, and where they are installed.

    :param mode: TRAP or INLINE; how sites are executed unless an instruction rules it out
    :param steps_calls: whether a system call may be stepped, see Capabilities.steps_before_calls
    :param follow: whether what is forked and executed is probed as well
    :param placed: called with what was placed where and by whom, if somebody wants to know
    :param refused: called with (uprobe, ProbeError) when a mapping that comes later cannot be
        probed, which a kernel ignores without a word
    """

    def __init__(
        self,
        arch: ArchOps,
        policy: Policy,
        mode: Mode,
        *,
        inline_available: bool = False,
        steps_calls: bool = True,
        follow: bool = True,
        placed: Callable[[Space, Site, NativeInstaller | None], None] | None = None,
        refused: Callable[[Uprobe, ProbeError], None] | None = None,
    ) -> None:
        self.arch = arch
        self.policy = policy
        self.mode = mode
        self.inline_available = inline_available
        self._in_place = {"in-place"} if steps_calls else {"in-place", "svc"}
        self.follow = follow
        self._placed = placed
        self.refused = refused
        self.native: NativeInstaller | None = None
        self.decide: Callable[[Space, Site], None] | None = None
        """Called when a site was placed, or its consumers changed."""
        self.spaces: dict[Process, Space] = {}
        self._files: dict[FileId, dict[int, Uprobe]] = {}
        """Uprobes by file and offset."""
        self._seen: set[FileId] = set()
        """Files that were mapped somewhere at some time."""
        self._left: set[Process] = set()
        """Processes that are left alone."""

    # --- consumers come and go --------------------------------------------------------------------

    def register(
        self, file: FileId, offset: int, consumer: Any, *, ref_offset: int = 0, path: str = ""
    ) -> Uprobe:
        """Add *consumer* to the uprobe at *offset* of *file*, installing it where it is mapped.

        All or nothing over the mappings that exist: raises ProbeError with the
        kernel's errno name when one of them cannot be probed.
        """
        check_semaphore(ref_offset, path)
        uprobes = self._files.setdefault(file, {})
        uprobe = uprobes.get(offset)
        if uprobe is None:
            uprobe = uprobes[offset] = Uprobe(file, offset, path, ref_offset)
        self._same_semaphore(uprobe, ref_offset, path)
        link = Link(consumer)
        uprobe.links = (*uprobe.links, link)
        try:
            for space in list(self.spaces.values()):
                if link.filter(space.process):
                    self._install_everywhere(space, uprobe)
            if len(uprobe.links) > 1:
                self.place_again(uprobe)
        except ProbeError:
            self.unregister(uprobe, consumer)
            raise
        return uprobe

    def _find(self, file: FileId, offset: int) -> Uprobe | None:
        return self._files.get(file, {}).get(offset)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """No guest code runs until the end of the ``with``: what is mapped need not be asked again."""
        spaces = list(self.spaces.values())
        for space in spaces:
            space.look_once(True)
        try:
            yield
        finally:
            for space in spaces:
                space.look_once(False)

    def check(self, file: FileId, offset: int, *, ref_offset: int = 0, path: str = "") -> None:
        """Raise the ProbeError that :meth:`register` would raise now; nothing changes."""
        check_semaphore(ref_offset, path)
        uprobe = self._find(file, offset) or Uprobe(file, offset, path, ref_offset)
        self._same_semaphore(uprobe, ref_offset, path)
        for space in self.spaces.values():
            for mapping in space.mappings_of(file):
                self._examine(space, uprobe, mapping)

    @staticmethod
    def _same_semaphore(uprobe: Uprobe, ref_offset: int, path: str) -> None:
        if uprobe.ref_offset != ref_offset:
            raise ProbeError(
                f"the uprobe at {path or uprobe.file}:{uprobe.offset:#x} has reference counter"
                f" {uprobe.ref_offset:#x}, not {ref_offset:#x}",
                address=uprobe.offset,
                where=path,
                hint="one place has one semaphore: give every event there the same (REF)",
            )

    def unregister(self, uprobe: Uprobe, consumer: Any) -> None:
        """Take *consumer* off *uprobe*; places that no remaining consumer wants lose their trap."""
        uprobe.links = tuple(link for link in uprobe.links if link.consumer is not consumer)
        if not uprobe.links and self._find(uprobe.file, uprobe.offset) is uprobe:
            del self._files[uprobe.file][uprobe.offset]
        for space in list(self.spaces.values()):
            self._remove_unwanted(space, uprobe)
        self.place_again(uprobe)

    def place_again(self, uprobe: Uprobe) -> None:
        """The consumers of *uprobe* changed: tell a native engine that has it, or take it away."""
        if self.native is None and self.decide is None:
            return
        for space in self.spaces.values():
            for site in space.sites.of(uprobe):
                if self.native is not None:
                    self._take_away(space, site)
                    self._place(space, site)
                elif self.decide is not None:
                    self.decide(space, site)

    def _remove_unwanted(self, space: Space, uprobe: Uprobe) -> None:
        if not any(link.filter(space.process) for link in uprobe.links):
            for site in space.sites.of(uprobe):
                self.remove_site(space, site)

    def ask_filters(self, uprobe: Uprobe, process: Process | None = None) -> None:
        """Place *uprobe* where its consumers want it by now, and take it out where none does.

        Only in *process* if one is given, which is new (a fork).  Refusals are reported, not raised.
        """
        for space in [self.space_of(process)] if process is not None else list(self.spaces.values()):
            if not any(link.filter(space.process) for link in uprobe.links):
                self._remove_unwanted(space, uprobe)
                continue
            try:
                self._install_everywhere(space, uprobe)
            except ProbeError as error:
                if self.refused is not None:
                    self.refused(uprobe, error)

    def forked(self, process: Process) -> None:
        """*process* has its parent's probes: those with filters are looked at again.

        A kernel copies all of them and asks nobody; under its policy so do we.
        """
        if not self.policy.is_kernel:
            for uprobe in list(self.uprobes()):
                if any(link.has_filter for link in uprobe.links):
                    self.ask_filters(uprobe, process)

    def uprobes(self) -> Iterable[Uprobe]:
        """All uprobes, file by file in the order in which they were made."""
        return (uprobe for uprobes in self._files.values() for uprobe in uprobes.values())

    def never_mapped(self) -> list[str]:
        """The files with uprobes that nobody was told to have mapped, by path."""
        return sorted({uprobe.path for uprobe in self.uprobes() if uprobe.file not in self._seen})

    # --- address spaces come and go ---------------------------------------------------------------

    def space_of(self, process: Process) -> Space:
        """The probe state of *process*, made on first use."""
        space = self.spaces.get(process)
        if space is None:
            space = self.spaces[process] = Space(process)
        return space

    def forget(self, process: Process) -> None:
        """The address space is gone (exec, exit): forget it without touching its memory."""
        self.spaces.pop(process, None)
        shared = any(site.native for space in self.spaces.values() for site in space.sites)
        if self.native is not None and not shared:
            self.native.forget(process, 0, 1 << 64)

    def leave(self, process: Process) -> None:
        """Leave *process*, which was forked or executes another program, alone from now on."""
        self._left.add(process)
        space = self.spaces.get(process)
        if space is None:
            return
        if space.process is process:
            for site in list(space.sites):
                self.remove_site(space, site)
        else:  # its parent goes on being probed there: whose a hit is we look at in Python
            self._all_again(space)

    def visited(self, process: Process) -> None:
        """*process*, which may have shared its memory, is gone; the memory is that of the others.

        If it was left alone in it, the native engine has it back.
        """
        space = self.spaces.get(process)
        if space is None:
            return
        is_shared = any(other is space for owner, other in self.spaces.items() if owner is not process)
        if is_shared or self.is_left(process):
            del self.spaces[process]
        if is_shared and self.is_left(process) and not self._has_visitors(space):
            self._all_again(space)

    def _all_again(self, space: Space) -> None:
        """Place each site of *space* anew, by the core or natively as it is to be now."""
        for site in list(space.sites):
            self._take_away(space, site)
            self._place(space, site)

    def is_left(self, process: Process) -> bool:
        """Whether hits of *process* are nobody's business."""
        return process in self._left

    def _has_visitors(self, space: Space) -> bool:
        """Whether a process that is left alone runs in *space*."""
        return any(self.spaces.get(process) is space for process in self._left)

    def keep_only(self, process: Process) -> None:
        """Forget every address space but that of *process*: the others live in another host process."""
        self.spaces = {p: space for p, space in self.spaces.items() if p is process}

    def mapped(self, process: Process, mapping: Mapping) -> None:
        """Install what *mapping* brings into reach; refusals are reported, not raised.

        A kernel looks when something is mapped and not when mprotect changes it (recorded: mapped-again).
        """
        space = self.space_of(process)
        if mapping.file is None:
            return
        self._seen.add(mapping.file)
        if not space.announce(mapping.start, mapping.end) and self.policy.is_kernel:
            return
        raise_waiting(space, mapping)
        for uprobe in list(self._files.get(mapping.file, {}).values()):
            if not any(link.filter(process) for link in uprobe.links):
                continue
            try:
                self._install(space, uprobe, mapping)
            except ProbeError as error:
                if self.refused is not None:
                    self.refused(uprobe, error)

    def unmapped(self, process: Process, start: int, end: int) -> None:
        """Forget the sites in [start, end); their memory goes with the mapping."""
        space = self.spaces.get(process)
        if space is None:
            return
        space.unannounce(start, end)
        for site in space.sites.between(start, end):
            space.sites.remove(site)
            lower_semaphore(space, site.uprobe)
        if self.native is not None:
            self.native.forget(process, start, end)

    def code_written(self, process: Process, start: int, end: int) -> None:
        """The guest rewrote [start, end): look at the displaced instructions there again."""
        space = self.spaces.get(process)
        if space is None:
            return
        for site in space.sites.between(start, end):
            try:
                insn = self.arch.read_insn(process, site.vaddr)
            except MemoryFault:
                continue
            if self.policy.is_kernel and insn.startswith(self.arch.info.breakpoint):
                continue  # what the guest sees there is our trap: it wrote beside it
            analysis = self.arch.analyze_insn(insn, site.vaddr, self.policy)
            mode = self._mode_for(analysis)
            if analysis.verdict is Verdict.REJECT or mode is None:
                self.remove_site(space, site)
                continue
            if mode is not site.mode or (site.native and not self.policy.is_kernel):
                self._take_away(space, site)
                site.mode, site.analysis = mode, analysis
                self._place(space, site)
            site.analysis = analysis

    # --- one site ---------------------------------------------------------------------------------

    def _may_hold(self, mapping: Mapping) -> bool:
        """The kernel's valid_vma: file-backed, private, not writable; ours must be executable too."""
        if mapping.shared or mapping.writable:
            return False
        return mapping.executable or self.policy.is_kernel

    def _install_everywhere(self, space: Space, uprobe: Uprobe) -> None:
        for mapping in space.mappings_of(uprobe.file):
            self._install(space, uprobe, mapping)

    def _install(self, space: Space, uprobe: Uprobe, mapping: Mapping) -> None:
        site = None if self.is_left(space.process) else self._examine(space, uprobe, mapping)
        if site is None:
            return
        self._place(space, site)
        space.sites.add(site)
        raise_semaphore(space, uprobe)

    def _examine(self, space: Space, uprobe: Uprobe, mapping: Mapping) -> Site | None:
        """The site of *uprobe* in *mapping*, not yet placed; None if it has none there or one already."""
        vaddr = mapping.address_of(uprobe.offset)
        if vaddr is None or vaddr in space.sites or not self._may_hold(mapping):
            return None
        try:
            insn = self.arch.read_insn(space.process, vaddr)
        except MemoryFault as fault:
            raise ProbeError(
                f"cannot read the instruction at {vaddr:#x}: {fault}",
                address=vaddr,
                where=uprobe.path,
                errno_name="EIO",
            ) from None
        analysis = self.arch.analyze_insn(insn, vaddr, self.policy)
        if analysis.verdict is Verdict.REJECT:
            raise ProbeError(
                f"cannot probe {uprobe.path}:{uprobe.offset:#x}: {analysis.insn_class} at {vaddr:#x}"
                f" ({analysis.word:#010x}): {analysis.reason}",
                address=vaddr,
                where=uprobe.path,
                errno_name=analysis.errno_name or "EINVAL",
                hint="`uprobe why` shows what each policy says of a place" if self.policy.is_kernel else "",
            )
        mode = self._mode_for(analysis)
        if mode is None:
            raise ProbeError(
                f"cannot probe {uprobe.path}:{uprobe.offset:#x}: {analysis.insn_class} at {vaddr:#x}"
                f" ({analysis.word:#010x}) can only run in place, which this backend cannot watch",
                address=vaddr,
                where=uprobe.path,
                hint="use a backend with mode inline",
            )
        return Site(uprobe, vaddr, analysis, mode, uprobe.offset)

    def _mode_for(self, analysis: Analysis) -> Mode | None:
        """How a site of *analysis* is executed; None if this backend cannot."""
        if analysis.special not in self._in_place or self.mode is Mode.INLINE:
            return self.mode
        return Mode.INLINE if self.inline_available else None

    def remove_site(self, space: Space, site: Site) -> None:
        """Take one site out of one process, its semaphore lowered."""
        if not space.sites.remove(site):
            return
        self._take_away(space, site)
        lower_semaphore(space, site.uprobe)

    def _place(self, space: Space, site: Site) -> None:
        """Have hits of *site* delivered: natively if that can be, by hook or by trap."""
        self._place_somehow(space, site)
        if self.decide is not None and not site.native:
            self.decide(space, site)
        if self._placed is not None:
            self._placed(space, site, self.native)

    def _place_somehow(self, space: Space, site: Site) -> None:
        native = None if self._has_visitors(space) else self.native
        site.native = native is not None and native.install(space, site)
        if site.native:
            return
        if site.mode is Mode.INLINE:
            space.process.insert_inline(site.vaddr)
        else:
            space.process.insert_trap(site.vaddr, self.arch.info.breakpoint, visible=self.policy.is_kernel)

    def _take_away(self, space: Space, site: Site) -> None:
        """Undo _place."""
        if site.native and self.native is not None:
            self.native.remove(space, site)
        elif site.mode is Mode.INLINE:
            space.process.remove_inline(site.vaddr)
        else:
            space.process.remove_trap(site.vaddr)
