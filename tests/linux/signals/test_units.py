"""Signal queues and frames on their own: order, limits, and that a frame comes back as it went."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uprobe_linux.signals.frame import FRAME_BYTES, Frame, FrameError, frame_addresses, user_pstate
from uprobe_linux.signals.numbers import SI_QUEUE, Action, Sig, bit, default_action
from uprobe_linux.signals.siginfo import SigInfo
from uprobe_linux.signals.table import (
    QUEUE_LIMIT,
    SIG_IGN,
    AltStack,
    Disposition,
    PendingSignals,
    SignalTable,
)

WORDS = st.integers(0, 2**64 - 1)
VECTORS = st.integers(0, 2**128 - 1)
RESERVED = 592
"""Offset in the frame of the records."""


def frame(**changes: object) -> Frame:
    """A frame of zeros with *changes*."""
    fields = {
        "regs": [0] * 34, "vectors": [0] * 32, "fpsr": 0, "fpcr": 0, "sigmask": 0, "altstack": (0, 2, 0),
    }  # fmt: skip
    return Frame(**(fields | changes))  # type: ignore[arg-type]


@given(st.lists(WORDS, min_size=33, max_size=33), st.lists(VECTORS, min_size=32, max_size=32))
def test_frame_gives_back_registers_and_vectors(regs: list[int], vectors: list[int]) -> None:
    """All but the PSTATE bits that a program may not set."""
    back = Frame.unpack(frame(regs=[*regs, 0xF000_03C5], vectors=vectors, fpsr=7, fpcr=9, esr=5).pack())
    assert back.regs == [*regs, 0xF000_0000]
    assert (back.vectors, back.fpsr, back.fpcr) == (vectors, 7, 9)


@given(WORDS)
def test_frame_is_aligned_and_its_record_lies_above_it(sp: int) -> None:
    """16 bytes, whatever sp was; nothing of it reaches above sp."""
    address, record = frame_addresses(sp)
    assert address % 16 == 0
    assert record == address + FRAME_BYTES
    assert sp - 32 < record + 16 <= sp


@pytest.mark.parametrize(
    ("magic", "size"),
    [(0x46508001, 8), (0x46508001, 520), (0x12345678, 16), (0, 16), (0x46508001, 1 << 20), (0, 0)],
)
def test_frame_with_a_broken_record_is_refused(magic: int, size: int) -> None:
    """Wrong sizes, unknown records, no fpsimd record at all."""
    data = bytearray(frame().pack())
    struct.pack_into("<II", data, RESERVED, magic, size)
    with pytest.raises(FrameError):
        Frame.unpack(bytes(data))


@given(WORDS)
def test_program_cannot_leave_user_mode_through_a_frame(pstate: int) -> None:
    """Mode, DAIF and the single-step bit are dropped (valid_user_regs)."""
    assert user_pstate(pstate) & (0xF | 0xF << 6 | 1 << 21) == 0


@given(st.lists(st.integers(32, 64), max_size=40))
def test_realtime_signals_come_by_number_and_then_in_order(numbers: list[int]) -> None:
    """Each occurrence once."""
    pending = PendingSignals()
    for order, signo in enumerate(numbers):
        pending.add(SigInfo.from_sender(signo, SI_QUEUE, 1, 0, order))
    taken = []
    while (info := pending.take(0)) is not None:
        taken.append((info.signo, struct.unpack_from("<Q", info.payload, 8)[0]))
    assert taken == sorted((signo, order) for order, signo in enumerate(numbers))


def test_standard_signal_is_pending_once() -> None:
    """The first one's siginfo stays."""
    pending = PendingSignals()
    assert pending.add(SigInfo(Sig.USR1, 1))
    assert not pending.add(SigInfo(Sig.USR1, 2))
    first = pending.take(0)
    assert first is not None
    assert first.code == 1
    assert pending.take(0) is None


def test_kill_and_synchronous_signals_come_first() -> None:
    """KILL before everything, then faults, then by number."""
    pending = PendingSignals()
    for signo in (Sig.HUP, Sig.SEGV, Sig.KILL, Sig.TERM):
        pending.add(SigInfo(signo))
    taken = [pending.take(0) for _ in range(4)]
    assert [info.signo for info in taken if info] == [Sig.KILL, Sig.SEGV, Sig.HUP, Sig.TERM]


def test_queue_of_realtime_signals_is_bounded() -> None:
    """A program cannot make us hold any number of them."""
    pending = PendingSignals()
    for _ in range(QUEUE_LIMIT):
        assert pending.add(SigInfo(40))
    assert not pending.add(SigInfo(40))


def test_ignoring_a_signal_forgets_a_pending_one() -> None:
    """POSIX: setting SIG_IGN discards it."""
    table = SignalTable()
    table.pending.add(SigInfo(Sig.USR1))
    table.set_action(Sig.USR1, Disposition(SIG_IGN))
    assert table.pending.mask == 0


def test_exec_keeps_ignored_signals_and_resets_handlers() -> None:
    """flush_signal_handlers."""
    table = SignalTable()
    table.set_action(Sig.USR1, Disposition(SIG_IGN))
    table.set_action(Sig.USR2, Disposition(0x1000))
    table.reset_for_exec()
    assert table.caught() == (bit(Sig.USR1), 0)


@pytest.mark.parametrize(("offset", "inside"), [(0, False), (1, True), (100, True), (101, False)])
def test_altstack_bounds(offset: int, inside: bool) -> None:
    """sp at the very bottom is off the stack, at the very top on it (on_sig_stack)."""
    assert AltStack(1000, 0, 100).holds(1000 + offset) is inside


def test_default_actions() -> None:
    """One of each kind; realtime signals terminate."""
    found = [default_action(s) for s in (Sig.TERM, Sig.SEGV, Sig.CHLD, Sig.TSTP, 40)]
    assert found == [Action.TERMINATE, Action.CORE, Action.IGNORE, Action.STOP, Action.TERMINATE]
