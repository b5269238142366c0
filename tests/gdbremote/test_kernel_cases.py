"""What real kernels recorded, over qemu-user's stub: the same hits, and a program that is not disturbed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gdbremote.conftest import NEWER, needs_newer_qemu, needs_qemu
from tests.kernel import conftest as kernel
from tests.kernel import expectations as expect

CANNOT = {
    **dict.fromkeys(expect.KERNELS_BUFFERS, "what a kernel's own buffers hold: its policy alone shows it"),
    "exec-after-vfork": "the emulator executes no other program",
    "exec-pending": "the emulator executes no other program",
    "fault-insn": "the emulator's own si_code",
    "forks": "its stub follows no fork",
    "signals": "a part runs until a timer of the host's has fired",
    "mapped-again": "it opens no file by the path of the kernel's machine",
    "moved-code": "what the program moves itself is not seen",
    "vfork-spawn": "its stub follows no fork",
}
"""Cases that qemu-user cannot run, or whose outcome is its own."""
QUICK = {"loops-basic", "jumps-longjmp", "coro-returns", "semaphore-ref", "ownbrk-handler", "threads"}
OF_THE_EMULATOR = [
    (r"0x(?:ffff|55|7[ef][0-9a-f]{2})[0-9a-f]{8}\b", "STACK"),
    (r"\b(?:2814749767|36508)[0-9]{5,7}\b", "STACK"),
    (r"\b1[34][0-9]{13}\b", "STACK"),
    (r" fl=0x[0-9a-f]+", " fl=*"),
    (r" s=(0x[0-9a-f]+)[01]([0-9a-f]{3})\b", r" s=\1*\2"),
    (r" s=[0-9]{10}\b", " s=*"),
    (r" s=(0x[0-9a-f]+)[01]([0-9a-f]{3})\b", r" s=\1*\2"),
    (r" s=[0-9]{10}\b", " s=*"),
]
"""Where the stack lies, and a bit of PSTATE (SSBS)."""
MASKED = {"maxargs": [(r" (a(?:rg)?\d+)=\S+", r" \1")], "insns-branches": [(r" x9=0x[0-9a-f]+", " x9=*")]}
"""Random bytes and what a system call left in a register that it may change."""


def cases() -> list[Any]:
    """Every recorded case of 6.12, by the emulator of this machine and a newer one; most are thorough."""
    found = []
    emulators = (("qemu", needs_qemu), (f"qemu:{NEWER}", needs_newer_qemu))
    for name in kernel._names("6.12"):
        for address, needed in emulators:
            marks = [needed] if name in QUICK else [needed, pytest.mark.thorough]
            if name in CANNOT:
                marks.append(pytest.mark.skip(reason=CANNOT[name]))
            ident = name if address == "qemu" else f"{name}-newer"
            found.append(pytest.param(kernel.Case(name), address, marks=marks, id=ident))
    return found


@pytest.fixture
def replay(tmp_path: Any) -> Any:
    """Run a case with options of a session; returns (Result, errno names)."""
    return lambda case, **options: kernel._replay(case, tuple(sorted(options.items())), str(tmp_path))


@pytest.mark.parametrize(
    "address",
    [pytest.param("qemu", marks=needs_qemu), pytest.param(f"qemu:{NEWER}", marks=needs_newer_qemu)],
)
def test_children_that_run_without_probes_are_told_of(address: str, replay: Any) -> None:
    """Six of the kernel's lines are those of the process itself."""
    result, _ = replay(kernel.Case("forks"), backend="gdbremote", address=address)
    assert len(result.lines) == 6
    assert re.search(r"warning: at least [12] forked or executed process\(es\) ran on", result.stderr)
    result, _ = replay(kernel.Case("loops-basic"), backend="gdbremote", address=address)
    assert result.stderr == ""


def _runs_of_threads(first: Any, again: Any) -> Iterator[Any]:
    """What the tasks of up to three runs recorded: the emulator runs threads at once, as the host has it.

    One run in some fifty had another result, which could not be had again.
    """
    yield first.tasks
    yield again()[0].tasks
    yield again()[0].tasks


@pytest.mark.parametrize(("recorded_case", "address"), cases())
def test_hits_and_output_are_those_of_the_kernel(
    recorded_case: kernel.Case, address: str, replay: Any
) -> None:
    case, name = recorded_case, recorded_case.name
    result, answers = replay(case, backend="gdbremote", address=address)
    recorded = case.recorded
    masks = [
        *OF_THE_EMULATOR,
        *MASKED.get(name, ()),
        *expect.MASKED.get(name, ()),
        *expect.KERNEL_ONLY.get(name, ()),
    ]
    ours, theirs = expect.mask(result.lines, masks), expect.mask(recorded.lines, masks)
    saved = name in expect.SAVED_BY_WATCHING
    assert len(answers) == len(case.errnos)
    if saved or name in expect.MORE_HITS:
        assert expect.is_subsequence(theirs, ours)
        assert len(ours) > len(theirs)
    elif name in expect.MISSED_BY_WATCHING:
        assert expect.is_subsequence(ours, theirs)
    elif name == "threads":  # in whatever order they are
        assert recorded.tasks in _runs_of_threads(
            result, lambda: replay(case, backend="gdbremote", address=address)
        )
    elif name in expect.OTHER_ORDER:
        assert sorted(ours) == sorted(theirs)
    else:
        assert ours == theirs
    outcome = kernel.Case(expect.SAVED_BY_WATCHING[name]).recorded if saved else recorded
    (stdout,) = expect.mask([outcome.stdout], expect.SEEN_BY_THE_PROGRAM.get(name, ()))
    assert result.stdout == stdout
    assert result.rc == outcome.rc
