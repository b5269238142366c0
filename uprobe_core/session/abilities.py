"""What a set-up asks and a backend lacks: refused here, before anything is opened, or warned about.

A wish that the backend cannot fulfil is refused; what only makes the run differ
from other backends' in a way that nobody asked about is a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

from uprobe_core.backend import Capabilities, Limits
from uprobe_core.errors import BackendError
from uprobe_core.event_model import EventSpec, OpCode
from uprobe_core.run_setup import RunSetup
from uprobe_core.setup.options import OPTIONS
from uprobe_core.setup_words import COVERAGE
from uprobe_core.types import Mode, Returns

__all__ = ("clock_of", "refuse_lacking", "warnings_of")

_FLAGS = {row.field: row.flags.split(" ")[0] for row in OPTIONS if row.owner == "limits"}
"""The flag of each limit."""


def refuse_lacking(can: Capabilities, setup: RunSetup, events: Iterable[EventSpec]) -> None:
    """Raise BackendError for the first thing that *setup* or one of its *events* asks and *can* has not.

    Mode and returns have their own: :func:`~uprobe_core.session.choices.choose_mode`.
    """
    for text, hint in (*_wishes(can, setup), *_values(can, events)):
        raise BackendError(f"backend {setup.backend!r} {text}", hint=hint, slug="backend-lacks")


def _wishes(can: Capabilities, setup: RunSetup) -> Iterator[tuple[str, str]]:
    if can.architectures is not None and setup.arch not in can.architectures:
        yield f"runs no {setup.arch!r} programs", f"it runs: {', '.join(sorted(can.architectures))}"
    yield from _targets(can, setup)
    if setup.clock != "auto" and setup.clock not in can.clocks:
        yield f"has no {setup.clock} clock", f"it has: {', '.join(sorted(can.clocks))}"
    if setup.seed and not can.seed:
        yield "has no seed: what is random in the program is not its to say", "leave --seed out"
    for field in fields(Limits):
        if getattr(setup.limits, field.name) is not None and field.name not in can.limits:
            known = ", ".join(_FLAGS[name] for name in sorted(can.limits)) or "none"
            yield f"does not enforce {_FLAGS[field.name]}", f"limits that it enforces: {known}"
    if setup.sysroot_read_only and not can.sandbox:
        yield "cannot keep the program from writing to the sysroot", "leave :ro out"
    if setup.binds and not can.binds:
        yield "cannot show the program files at other paths", "--map says where the target has a local file"
    if not can.code and (setup.coverage or any(use.name == COVERAGE for use in setup.consumers)):
        yield "does not tell which code is executed", "leave --coverage and -C coverage out"
    if setup.engine == "c" and not can.native:
        yield "works with the Python engine only", "leave --engine c out: the stub is what a hit costs"


def _targets(can: Capabilities, setup: RunSetup) -> Iterator[tuple[str, str]]:
    if setup.address is not None and "address" not in can.targets:
        yield f"runs programs itself: it has no use for --target {setup.address}", "--backend gdbremote has"
    if setup.pid is not None and "pid" not in can.targets:
        yield f"runs programs itself: it cannot attach to process {setup.pid}", "give the program after --"
    if setup.maps and not can.targets - {"command"}:
        yield "runs programs itself: --map is for targets elsewhere", "--bind shows it files at other paths"


def _values(can: Capabilities, events: Iterable[EventSpec]) -> Iterator[tuple[str, str]]:
    for event in events:
        if event.kind == "s" and not can.syscalls:
            yield f"tells of no system calls, and {event.group}/{event.name} is one", "leave -S and s: out"
        if event.kind == "i" and not can.samples:
            yield f"takes no samples, and {event.group}/{event.name} is one", "leave -C profile and i: out"
        codes = {op.code for arg in event.args for op in arg.ops}
        if OpCode.INSNS in codes and not can.work:
            text = f"does not count, and {event.group}/{event.name} has $insns"
            yield text, "$latency is there on every backend"
        if OpCode.VREG in codes and not can.vectors:
            text = f"reads no vector registers, and {event.group}/{event.name} has one"
            yield text, "leave %d0 and %s0 out"


def warnings_of(
    can: Capabilities, setup: RunSetup, returns: Returns, wrapped: Mode | None = None
) -> Iterator[str]:
    """What is different with this backend although nobody asked for it.

    :param wrapped: the mode of the run, if plugins wrap operations of the architecture
    """
    if wrapped is Mode.INLINE:
        yield "plugins wrap operations of the architecture, which --mode inline calls at no hit (trap does)"
    if setup.policy.is_kernel and not can.visible_traps:
        what = "a program that reads its own code does not see a kernel's breakpoints there"
        yield f"backend {setup.backend!r}: {what}"
    if returns is Returns.HIJACK and not can.processes:
        yield (
            f"backend {setup.backend!r} does not follow every fork: a forked process that it does not follow"
            " and that returns from a probed function is killed (--returns watch leaves it alone)"
        )


def clock_of(can: Capabilities, setup: RunSetup) -> str:
    """Which clock *auto* is: that of executed work, where there is one."""
    if setup.clock != "auto":
        return setup.clock
    return "virtual" if "virtual" in can.clocks else "host"
