"""The process table and the shared futexes that host processes of one machine have in common."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest
from uprobe_linux.scheduling.doorbell import Doorbell
from uprobe_linux.scheduling.futex import FutexKey, FutexQueues
from uprobe_linux.scheduling.shared_futex import SHARED_FUTEX_BYTES, SharedFutexTable
from uprobe_linux.shared.memory import SharedMemory
from uprobe_linux.shared.pids import FIRST_PID, INIT_PID, TABLE_BYTES, Mail, PidTable, State

SHARED, PRIVATE = FutexKey(True, 7, 64), FutexKey(False, 1, 0x1000)


@pytest.fixture
def shared() -> Iterator[SharedMemory]:
    """Memory for one table and the futex rows."""
    memory = SharedMemory(TABLE_BYTES + SHARED_FUTEX_BYTES)
    yield memory
    memory.close()


@pytest.fixture
def table(shared: SharedMemory) -> Iterator[PidTable]:
    """A table for at most four living processes."""
    pids = PidTable(shared, limit=4)
    yield pids
    pids.close()


@pytest.fixture
def queues(shared: SharedMemory) -> FutexQueues:
    """Futex queues of this host process."""
    return FutexQueues(SharedFutexTable(shared, TABLE_BYTES, lambda host_pid: None))


def in_child(action: object) -> None:
    """Run *action* in a forked host process and wait for it."""
    pid = os.fork()
    if not pid:
        action()  # type: ignore[operator]
        os._exit(0)
    os.waitpid(pid, 0)


def test_ids_start_at_1000_and_count_up(table: PidTable) -> None:
    """Whatever the host's are; threads share the numbers."""
    first = table.add(None, uid=0, clock=0)
    thread = table.new_id()
    second = table.add(first, uid=0, clock=0)
    assert (first.pid, thread, second.pid) == (FIRST_PID, FIRST_PID + 1, FIRST_PID + 2)


def test_limit_counts_the_living(table: PidTable) -> None:
    """EAGAIN at the limit; a zombie does not count."""
    entries = [table.add(None, uid=0, clock=0) for _ in range(4)]
    with pytest.raises(BlockingIOError):  # what Python makes of EAGAIN
        table.add(None, uid=0, clock=0)
    entries[1].state = State.ZOMBIE
    assert table.add(None, uid=0, clock=0).pid == FIRST_PID + 4


def test_child_inherits_its_family_and_another_host_process_sees_it(table: PidTable) -> None:
    """Group, session, name; written there, read here."""
    parent = table.add(None, uid=0, clock=0)
    parent.comm = "shell"
    in_child(lambda: table.add(parent, uid=0, clock=5))
    (child,) = table.children(parent.pid)
    assert (child.pgid, child.sid, child.comm) == (parent.pgid, parent.sid, "shell")


def test_orphans_go_to_the_nearest_living_subreaper(table: PidTable) -> None:
    """Else to init."""
    grandparent = table.add(None, uid=0, clock=0)
    parent = table.add(grandparent, uid=0, clock=0)
    assert table.reaper_of(parent) == INIT_PID
    grandparent.reaper = 1
    assert table.reaper_of(parent) == grandparent.pid


def test_mail_arrives_in_order_from_another_host_process(table: PidTable) -> None:
    """With its payload."""
    entry = table.add(None, uid=0, clock=0)
    mails = [Mail(signo, -1, 0, signo, bytes([signo]) * 32) for signo in (10, 12, 10)]

    def send() -> None:
        for mail in mails:
            table.post(entry, mail)

    in_child(send)
    assert table.take_mail(entry) == mails
    assert table.take_mail(entry) == []


def test_full_mailbox_keeps_the_numbers(table: PidTable) -> None:
    """No signal is lost altogether, 64 included."""
    entry = table.add(None, uid=0, clock=0)
    for _ in range(100):
        table.post(entry, Mail(40, -1, 0, 0, b""))
    table.post(entry, Mail(9, 0, 0, 0, b""))
    table.post(entry, Mail(64, 0, 0, 0, b""))
    numbers = [mail.signo for mail in table.take_mail(entry)]
    assert numbers[-3:] == [9, 40, 64]


def test_doorbell_rings_another_host_process() -> None:
    """And an answered bell is silent; one for nobody is no error."""
    bell = Doorbell("test")
    here = os.getpid()
    in_child(lambda: bell.ring(here))
    assert select.select([bell], [], [], 5)[0]
    bell.answer()
    assert not select.select([bell], [], [], 0)[0]
    bell.ring(2**22 + 1)
    bell.close()


@pytest.mark.parametrize("key", [SHARED, PRIVATE])
def test_futex_wakes_in_the_order_of_coming(queues: FutexQueues, key: FutexKey) -> None:
    """At most as many as asked for."""
    waiters = [queues.add(key, owner) for owner in range(4)]
    assert queues.wake(key, 2) == 2
    assert [waiter.woken for waiter in waiters] == [True, True, False, False]


@pytest.mark.parametrize("key", [SHARED, PRIVATE])
def test_futex_wakes_only_matching_bits(queues: FutexQueues, key: FutexKey) -> None:
    """FUTEX_WAKE_BITSET."""
    waiters = [queues.add(key, 0, bitset) for bitset in (1, 2, 3)]
    assert queues.wake(key, 9, 2) == 2
    assert [waiter.woken for waiter in waiters] == [False, True, True]


@pytest.mark.parametrize(
    ("key", "other"), [(SHARED, FutexKey(True, 7, 128)), (PRIVATE, FutexKey(False, 1, 0x2000))]
)
def test_futex_requeue_moves_the_waiters(queues: FutexQueues, key: FutexKey, other: FutexKey) -> None:
    """They are woken at the new place, and not at the old one."""
    waiters = [queues.add(key, 0) for _ in range(3)]
    assert queues.move(key, other, 2) == 2
    assert (queues.wake(key, 9), queues.wake(other, 9)) == (1, 2)
    assert all(waiter.woken for waiter in waiters)


def test_shared_futex_wakes_another_host_process(queues: FutexQueues) -> None:
    """A wake there is seen here."""
    waiter = queues.add(SHARED, 0)
    in_child(lambda: queues.wake(SHARED, 1))
    assert waiter.woken


@pytest.mark.parametrize("key", [SHARED, PRIVATE])
def test_removed_waiter_takes_no_wake(queues: FutexQueues, key: FutexKey) -> None:
    """A time-out or a signal took it out."""
    gone, there = queues.add(key, 0), queues.add(key, 1)
    queues.remove(gone)
    queues.remove(gone)
    assert queues.first_owner(key) == 1
    assert queues.wake(key, 1) == 1
    assert (gone.woken, there.woken) == (False, True)
