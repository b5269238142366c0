"""What a kernel's records say of the kernel itself: numbers of events, its own stack at a hit.

Recorded on Debian's 6.1.192, 6.12.117, 6.18.15 and 7.3.4 (arm64), with no module that has events;
a release between them is taken for the older one.  Only ``policy=kernel`` shows any of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from uprobe_core.types import Policy

__all__ = ("KernelSelf", "kernel_self")

_TEXT = 0xFFFF_8000_8000_0000
"""Where a kernel's code lies; frames get numbers from here on, which no user address is."""
_INNER = (
    ("__uprobe_trace_func", "uprobe_dispatcher"),
    ("__uprobe_trace_func", "uretprobe_dispatcher"),
)
"""What a ``stacktrace`` trigger shows and a histogram's key does not, at an entry and at a return."""


@dataclass(frozen=True, slots=True)
class KernelSelf:
    """One kernel.

    :param first: ``common_type`` of the first event of ours
    :param reuses: whether the number of a deleted event is given to the next one
    :param entry: the stack at an entry, as keys show it, innermost first
    :param leave: the same at a return
    :param outer: what both end in
    :param counted: what a ``stacktrace`` trigger with a count shows besides, innermost
    """

    first: int
    reuses: bool
    entry: tuple[str, ...]
    leave: tuple[str, ...]
    outer: tuple[str, ...]
    counted: tuple[str, ...] = ()

    def frames(self, *, is_return: bool) -> tuple[int, ...]:
        """A key of ``common_stacktrace``: numbers that :meth:`symbol` knows."""
        start = len(self.entry) if is_return else 0
        end = len(self.entry) + (len(self.leave) if is_return else 0)
        outer = len(self.entry) + len(self.leave)
        return tuple(_TEXT + n for n in (*range(start, end), *range(outer, outer + len(self.outer))))

    def symbol(self, address: int) -> str:
        """``name+0xOFF/0xSIZE`` of a frame; a kernel knows no names of programs."""
        names = (*self.entry, *self.leave, *self.outer)
        return names[address - _TEXT] if 0 <= address - _TEXT < len(names) else f"{address:#x}"

    def stack(self, *, is_return: bool, counted: bool) -> tuple[str, ...]:
        """The functions that a ``stacktrace`` trigger, with a count or without, shows, innermost first."""
        shown = (*(self.leave if is_return else self.entry), *self.outer)
        first = self.counted if counted else ()
        return (*first, *_INNER[is_return], *(name.partition("+")[0] for name in shown))

    def next_number(self, used: Iterable[int]) -> int:
        """``common_type`` of a new event beside those with the numbers *used*."""
        taken = set(used)
        if not self.reuses:
            return max(taken, default=self.first - 1) + 1
        return min(set(range(self.first, self.first + len(taken) + 1)) - taken)


_6_1 = KernelSelf(
    1213,
    False,
    ("uprobe_notify_resume+0x2a4/0xc40",),
    ("uprobe_notify_resume+0x6e0/0xc40",),
    (
        "do_notify_resume+0x1ac/0x100c",
        "el0_dbg+0xec/0xf0",
        "el0t_64_sync_handler+0x114/0x120",
        "el0t_64_sync+0x18c/0x190",
    ),
    counted=("trace_event_buffer_commit",),
)
_6_12 = KernelSelf(
    1382,
    True,
    ("uprobe_notify_resume+0x294/0xbe0",),
    ("uprobe_handle_trampoline+0x100/0x1d8", "uprobe_notify_resume+0x530/0xbe0"),
    (
        "do_notify_resume+0xe8/0x168",
        "el0_brk64+0xcc/0xd0",
        "el0t_64_sync_handler+0x60/0xe0",
        "el0t_64_sync+0x190/0x198",
    ),
)
_6_18 = KernelSelf(
    1433,
    True,
    ("handler_chain+0xac/0x648", "uprobe_notify_resume+0x1a8/0x3e8"),
    ("uprobe_handle_trampoline+0x240/0x2e0", "uprobe_notify_resume+0x264/0x3e8"),
    (
        "exit_to_user_mode_loop+0x134/0x1d0",
        "el0_brk64+0x114/0x120",
        "el0t_64_sync_handler+0x68/0xe8",
        "el0t_64_sync+0x198/0x1a0",
    ),
)
_7_3 = KernelSelf(
    1513,
    True,
    ("handler_chain+0xa4/0x690", "uprobe_notify_resume+0x1e8/0x480"),
    ("uprobe_handle_trampoline+0x290/0x370", "uprobe_notify_resume+0x2b0/0x480"),
    (
        "exit_to_user_mode_loop+0x138/0x1d8",
        "el0_brk64+0x11c/0x160",
        "el0t_64_sync_handler+0x68/0xe8",
        "el0t_64_sync+0x198/0x1a0",
    ),
)
_KERNELS = (((7, 3), _7_3), ((6, 18), _6_18), ((6, 12), _6_12))


def kernel_self(policy: Policy) -> KernelSelf | None:
    """The kernel of *policy*, None outside of a kernel's."""
    if not policy.is_kernel:
        return None
    return next((found for since, found in _KERNELS if policy.release >= since), _6_1)
