"""The processes of a machine as one host process sees them: who is here, who is elsewhere, who ends.

Facts: kernel/exit.c (do_exit, exit_notify, forget_original_parent,
will_become_orphaned_pgrp), kernel/fork.c (mm_release).
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from uprobe_core.types import MemoryFault
from uprobe_linux.ipc.store import IpcStore
from uprobe_linux.processes.left_behind import leave_terminal, lose_terminals, release_robust_list
from uprobe_linux.processes.self_descriptions import Papers
from uprobe_linux.scheduling.doorbell import Doorbell
from uprobe_linux.scheduling.futex import FutexKey, FutexQueues
from uprobe_linux.scheduling.shared_futex import SHARED_FUTEX_BYTES, SharedFutexTable
from uprobe_linux.scheduling.turns import EVERY
from uprobe_linux.shared.memory import SharedMemory
from uprobe_linux.shared.pids import INIT_PID, TABLE_BYTES, Mail, PidTable, ProcessEntry, State, host_exists
from uprobe_linux.shared.seats import SEATS_BYTES, Seats
from uprobe_linux.signals.numbers import CLD_EXITED, CLD_KILLED, SI_USER, Sig
from uprobe_linux.signals.sending import (
    notify_parent,
    receive_child_signal,
    send,
    send_to_entry,
    send_to_task,
)
from uprobe_linux.signals.siginfo import SigInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from uprobe_linux.kernel import Machine, Process, Task

__all__ = ("IPC_BYTES", "Family")

IPC_BYTES = 1 << 20
"""Shared memory for what is known of System V objects."""
TOLD_WITHIN = 0.05
"""Seconds between what a wait can see of a child and its mail, unless its host process was killed between."""


class Family:
    """All guest processes of a machine; the ones that live here are in ``local``.

    :param limit: processes alive at once, None: the table's own bound
    """

    def __init__(self, machine: Machine, limit: int | None) -> None:
        self._machine = machine
        self.shared = SharedMemory(TABLE_BYTES + SHARED_FUTEX_BYTES + IPC_BYTES + SEATS_BYTES)
        self.pids = PidTable(self.shared, limit)
        folder = machine.sandbox.segments_folder
        self.ipc = IpcStore(self.shared, TABLE_BYTES + SHARED_FUTEX_BYTES, IPC_BYTES, folder)
        self.seats = Seats(self.shared, TABLE_BYTES + SHARED_FUTEX_BYTES + IPC_BYTES)
        self.papers = Papers(machine.sandbox.papers_folder)
        self.run = f"{os.getpid()}-{os.urandom(6).hex()}"
        """A word that all host processes of this run share and no other run has."""
        self.bell = Doorbell(self.run)
        self.futexes = FutexQueues(SharedFutexTable(self.shared, TABLE_BYTES, self.nudge))
        self.local: dict[int, Process] = {}
        self._entries: dict[int, ProcessEntry] = {}
        self._has_forked = False
        self._host_children: dict[int, int] = {}
        """pidfd -> host pid of the host processes that we forked and that have not ended."""
        self._truncations = 0
        self.main_pid = 0
        self.root_host_pid = os.getpid()
        self.root_pidfd = os.pidfd_open(self.root_host_pid)
        """Of the first host process; the others do not outlive it."""
        self.frozen = False
        """Whether what there was before the first fork is out of the garbage collector's reach."""
        self.thaws = False
        """Whether nothing was before that, so that all of it comes back at the end."""
        self.alone = True
        """Whether there never was another process than the first."""
        self.was_rung = True
        """Whether the mailboxes have to be looked at; set by the watcher's thread too."""

    # --- who is here ---------------------------------------------------------------------------

    def adopt(self, process: Process, entry: ProcessEntry) -> None:
        """*process* with its *entry* lives in this host process."""
        self.local[process.pid] = process
        self._entries[process.pid] = entry
        self.main_pid = self.main_pid or process.pid

    def abandon(self, process: Process) -> None:
        """*process* lives in this host process no longer."""
        self.local.pop(process.pid, None)
        self._entries.pop(process.pid, None)
        self._machine.handler.on_gone(process)

    def entry(self, process: Process) -> ProcessEntry:
        """The table's entry of a process that is here."""
        return self._entries[process.pid]

    def is_orphaned(self, process: Process) -> bool:
        """Whether the process's group has nobody to continue it (terminal stops are then ignored)."""
        group = self.entry(process)
        for member in self.pids.group(group.pgid):
            parent = self.pids.get(member.ppid)
            if parent is not None and parent.sid == group.sid and parent.pgid != group.pgid:
                return False
        return True

    # --- other host processes --------------------------------------------------------------------

    def descriptors(self) -> Iterable[int]:
        """Host descriptors that an idle host process has to watch for us."""
        return (self.bell.fileno(), *self._host_children)

    def polled(self, ready: set[int]) -> None:
        """These descriptors were readable."""
        if ready & {self.bell.fileno(), *self._machine.watcher.descriptors()}:
            self.rung()
        for pidfd in ready & self._host_children.keys():
            self._host_child_ended(pidfd)

    def is_rung(self) -> bool:
        """Whether somebody rang since the last look."""
        if self._machine.cpu.was_rung():
            self.was_rung = True
        return self.was_rung

    def rung(self) -> None:
        """Somebody rang; the mailboxes are looked at before the next thread runs.  From any thread."""
        self.was_rung = True

    def look(self) -> None:
        """Take what other host processes have left for us."""
        self.follow_truncations()
        if not self.is_rung():
            return
        self.was_rung = False
        self.bell.answer()
        self._machine.watcher.answer()
        if self._machine.turns.several:  # what was left is taken in turn
            self._machine.turns.rung()
            return
        for process in list(self.local.values()):
            for mail in self.pids.take_mail(self.entry(process)):
                self._receive(process, mail)
            self._machine.scheduler.wake(("children", process.pid))
        self._machine.scheduler.collect_futexes()

    def receive(self, before: int | None) -> bool:
        """Take what was left for us before moment *before*, None: all; whether there is more."""
        more = False
        for process in list(self.local.values()):
            entry = self.entry(process)
            for mail in self.pids.take_mail(entry, before):
                self._receive(process, mail)
                self._machine.scheduler.wake(("children", process.pid))
                self._machine.scheduler.collect_futexes()
            more = more or entry.mail_head != entry.mail_tail
        return more

    def nudge(self, host_pid: int) -> None:
        """Have the processes of a host process look at their children and at the futexes that they share."""
        if self._machine.turns.several:
            mail = Mail(0, 0, 0, self._machine.clock.monotonic(), b"", self._machine.turns.moment)
            for entry in self.pids:
                if entry.host_pid == host_pid and entry.alive and entry.pid not in self.local:
                    self.pids.post(entry, mail)
        self.ring(host_pid)

    def ring(self, host_pid: int) -> None:
        """Have a host process look at its mail."""
        self._machine.turns.wake(host_pid)

    def follow_truncations(self) -> None:
        """Forget translations of mapped pages that lie beyond the end of a file by now."""
        count = self.pids.truncations
        if count != self._truncations:
            self._truncations = count
            for memory in {id(p.memory): p.memory for p in self.local.values()}.values():
                memory.file_changed_size()

    def truncated(self) -> None:
        """A process that is here has made a file shorter."""
        self.pids.count_truncation()
        self.follow_truncations()

    def _receive(self, process: Process, mail: Mail) -> None:
        if not mail.signo:
            return
        if not process.signals.ignores(mail.signo):  # when it comes is up to the host, so it must not matter
            self._machine.clock.catch_up(mail.clock)
        info = SigInfo(mail.signo, mail.code, mail.payload)
        if mail.signo == Sig.CHLD and mail.code > SI_USER:
            receive_child_signal(self._machine, self.entry(process), info)
            return
        with contextlib.suppress(OSError):
            if not mail.tid:
                send(process, info)
            else:
                send_to_task(next(t for t in process.tasks if t.tid == mail.tid), info)

    def watch_host_child(self, host_pid: int) -> None:
        """We forked *host_pid*: notice its end, whatever ends it."""
        self._has_forked = True
        self._host_children[os.pidfd_open(host_pid)] = host_pid

    def _host_child_ended(self, pidfd: int) -> None:
        host_pid = self._host_children.pop(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(host_pid, 0)
        self._machine.turns.lost(host_pid)
        for entry in list(self.pids):
            if entry.host_pid == host_pid and entry.alive:
                self._lost(entry, status)

    def reap_host_children(self, *, block: bool = True) -> None:
        """Collect the host processes that we forked; with *block* wait for those that are still ending."""
        for pidfd, host_pid in list(self._host_children.items()):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(host_pid, 0 if block else os.WNOHANG)
            os.close(pidfd)
        self._host_children.clear()

    def _lost(self, entry: ProcessEntry, host_status: int) -> None:
        """A host process died without a word: its guest process was killed."""
        self.pids.count_lost()
        entry.wait_status = host_status & 0x7F or Sig.KILL
        entry.state = State.ZOMBIE
        self._disown_children(entry)
        lose_terminals(self._machine)
        parent = self.pids.get(entry.ppid)
        if parent is not None and parent.alive:
            info = SigInfo.from_child(CLD_KILLED, entry.pid, entry.uid, entry.wait_status)
            send_to_entry(self._machine, parent, info)
            self._machine.scheduler.wake(("children", parent.pid))

    def after_fork(self) -> None:
        """In a new host process: forget everything that the old one had."""
        self.bell.after_fork()
        self.futexes.after_fork()
        for pidfd in self._host_children:
            os.close(pidfd)
        self._host_children.clear()
        self.local.clear()
        self._entries.clear()
        self.was_rung = True

    # --- ending --------------------------------------------------------------------------------

    def kill_process(self, process: Process, signo: int) -> None:
        """End *process* by signal *signo*; no core is dumped, as with RLIMIT_CORE at 0."""
        process.exit_signal = signo
        self.end_process(process, signo)

    def exit_process(self, process: Process, code: int) -> None:
        """End *process* with exit status *code* (0-255)."""
        self.end_process(process, (code & 0xFF) << 8)

    def end_process(self, process: Process, wait_status: int) -> None:
        """End all threads of *process*; *wait_status* is what its parent's wait gets."""
        if process.exit_code is not None:
            return
        self._machine.turns.take()
        if process.exit_code is not None:  # a signal came first
            return
        process.exit_code = wait_status >> 8 & 0xFF
        if self._machine.current is not None:
            self._machine.tell_code(self._machine.current.process)
        for task in list(process.tasks):
            if not task.exited:
                self.end_task(task, whole_process=True)
        self._machine.timers.forget(process)
        self.ipc.undo(process.pid)
        self.ipc.detach(process.pid, self._machine.clock.realtime() // 10**9)
        if process.files is not None:
            self._machine.turns.touch(EVERY)
            process.files.close_all()
        leave_terminal(self._machine, self.entry(process))
        self._become_zombie(process, wait_status)

    def end_task(self, task: Task, *, whole_process: bool = False) -> None:
        """End one thread; the last one's end is :meth:`end_process`'s business."""
        self._machine.handler.on_exit(task)
        task.exited = True
        self._machine.scheduler.drop(task)
        release_robust_list(task)
        if task.clear_child_tid and not (whole_process and not self._memory_is_shared(task.process)):
            with contextlib.suppress(MemoryFault):
                task.process.memory.write_u32(task.clear_child_tid, 0)
                self.wake_futex(task, task.clear_child_tid, 1)
        if not whole_process:
            if task is not task.process.tasks[0]:
                task.process.tasks.remove(task)
            self.entry(task.process).threads -= 1

    def _memory_is_shared(self, process: Process) -> bool:
        return any(p is not process and p.memory is process.memory for p in self.local.values())

    def _become_zombie(self, process: Process, wait_status: int) -> None:
        entry = self.entry(process)
        entry.wait_status, entry.clock = wait_status, self._machine.clock.monotonic()
        entry.user_ns = self._machine.clock.cpu_time()
        self._disown_children(entry)
        self._machine.scheduler.wake(("vfork", process.pid))
        signo = wait_status & 0x7F
        entry.untold, entry.state = 1, State.ZOMBIE
        notify_parent(process, CLD_KILLED if signo else CLD_EXITED, signo or wait_status >> 8)
        if entry.ppid == INIT_PID and process.pid != self.main_pid:
            self.pids.free(entry)
            self.ring(self.root_host_pid)
        self.abandon(process)

    def _disown_children(self, entry: ProcessEntry) -> None:
        heir = self.pids.reaper_of(entry)
        for child in self.pids.children(entry.pid):
            child.ppid = heir
            if child.state == State.ZOMBIE and heir == INIT_PID:
                self.pids.free(child)
            elif child.alive and child.death_signal:
                info = SigInfo.from_sender(child.death_signal, SI_USER, entry.pid, entry.uid)
                send_to_entry(self._machine, child, info)

    def hear(self, children: Iterable[ProcessEntry]) -> None:
        """Take the signals of *children* that a wait could report: a kernel has sent them by then."""
        if self._machine.turns.several:
            return
        heard = [c for c in children if c.host_pid != os.getpid() and (c.news or c.state == State.ZOMBIE)]
        for child in heard:
            deadline = time.monotonic() + TOLD_WITHIN
            while child.untold and time.monotonic() < deadline:
                time.sleep(1e-4)
        if heard:
            self.rung()
            self.look()

    def reap_silently(self, parent_pid: int) -> None:
        """The parent ignores SIGCHLD: its zombies vanish, and waits for them end with ECHILD."""
        for child in self.pids.children(parent_pid):
            if child.state == State.ZOMBIE:
                self._machine.clock.catch_up(child.clock)
                self.pids.free(child)

    # --- futexes ---------------------------------------------------------------------------------

    def futex_key(self, task: Task, address: int) -> FutexKey:
        """The key of the word at *address*: shared if its mapping is, and then it takes a turn."""
        address &= (1 << 56) - 1
        vma = task.process.memory.vmas.find(address)
        if vma is None or not vma.shared or vma.file is None:
            return FutexKey(False, id(task.process.memory), address)
        self._machine.turns.take()
        identity = vma.file.file_id
        space = (identity.device << 40 ^ identity.inode) & (1 << 64) - 1
        return FutexKey(True, space, vma.offset + address - vma.start)

    def wake_futex(self, task: Task, address: int, count: int) -> int:
        """FUTEX_WAKE by the kernel side; returns how many were woken."""
        woken = self.futexes.wake(self.futex_key(task, address), count)
        self._machine.scheduler.collect_futexes()
        return woken

    # --- the end of the run ------------------------------------------------------------------------

    def others(self) -> list[ProcessEntry]:
        """The living processes that are not in this host process."""
        return [entry for entry in self.pids if entry.alive and entry.pid not in self.local]

    def host_processes(self) -> set[int]:
        """The other host processes of this run: who holds its memory, else who the table knows."""
        if not self._has_forked:
            return set()
        mine, holders = os.getpid(), self.shared.holders()
        if mine not in holders:
            holders = {entry.host_pid for entry in self.others()} | set(self._host_children.values())
            holders = {pid for pid in holders if host_exists(pid)}
        return holders - {mine}

    def close(self) -> None:
        """Give shared memory and descriptors back; idempotent."""
        for pidfd in self._host_children:
            os.close(pidfd)
        self._host_children.clear()
        if self.root_pidfd >= 0:
            os.close(self.root_pidfd)
            self.root_pidfd = -1
        self.bell.close()
        self.pids.close()
        self.seats.close()
        self.shared.close()
