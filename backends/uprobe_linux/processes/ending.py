"""How a host process of a machine ends, and how the first one waits for the others.

When the program (the first process) has ended, processes of its session go on
to their end, as a shell's background jobs do; those that left the session
(daemons) are killed.  A run that is stopped early takes everybody along.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from uprobe_linux.shared.pids import State, host_exists
from uprobe_linux.signals.numbers import SI_KERNEL, Sig
from uprobe_linux.signals.sending import send_to_entry
from uprobe_linux.signals.siginfo import SigInfo

if TYPE_CHECKING:
    from uprobe_linux.processes.world import World
    from uprobe_linux.shared.pids import ProcessEntry

__all__ = ("finish",)

GRACE_SECONDS, GRACE_OF_SOME = 3.0, 1.0
"""How long the others may take to write down what they have recorded; SOME or more together."""
SOME, MANY = 16, 64
"""Beside MANY processes none would get to write anything, nor we to wait for it: they are killed."""
DEATH_SECONDS = 5.0
"""How long killed processes may take to be gone, on a machine that does other things as well."""


def finish(machine: World) -> None:
    """Call it when no task is left to run here.  Does not return in a forked host process.

    In the first host process it returns when all other processes have ended.
    """
    if os.getpid() != machine.host_pid:
        _leave(machine)
    many = bool(machine.stop_requested) and _thin_out(machine)
    _kill_local(machine)
    machine.turns.leave()
    while not machine.stop_requested and any(entry.session_kept for entry in _alive(machine)):
        _sleep(machine, 0.2)
    machine.turns.end()
    machine.family.pids.close_for_new()
    deadline = time.monotonic()
    if not many:
        deadline += GRACE_SECONDS if len(_alive(machine)) < SOME else GRACE_OF_SOME
        _ask_to_end(machine, deadline)
    _kill_the_rest(machine, deadline)
    machine.family.reap_host_children()
    if machine.family.thaws:
        gc.unfreeze()


def _thin_out(machine: World) -> bool:
    """The first thing at an early end, since beside MANY processes we get little done: were they killed?"""
    others = [entry.host_pid for entry in machine.family.others()]
    if len(others) < MANY:
        return False
    _kill(others)
    return True


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _ask_to_end(machine: World, deadline: float) -> None:
    """Kill the guest processes, and wait until the host processes know."""
    for entry in _alive(machine):
        if time.monotonic() > deadline:
            return
        send_to_entry(machine, entry, SigInfo(Sig.KILL, SI_KERNEL))
    while _alive(machine) and time.monotonic() < deadline:
        _sleep(machine, 0.05)


def _kill_the_rest(machine: World, deadline: float) -> None:
    """Who has not ended by now is killed.

    At an early end that is whoever has the run's memory at the *deadline*: who is still writing down
    what it has recorded, and who was just being forked and stands in no table.
    """
    _kill(entry.host_pid for entry in _alive(machine))
    give_up = max(deadline, time.monotonic()) + DEATH_SECONDS
    while machine.stop_requested and (left := machine.family.host_processes()) and time.monotonic() < give_up:
        if time.monotonic() >= deadline:
            _kill(left)
        time.sleep(0.01)
    for entry in machine.family.others():
        machine.family.pids.count_lost()
        entry.state = State.ZOMBIE


def _leave(machine: World) -> None:
    """End a forked host process; nothing of the program that called us may run in it."""
    try:
        if sys.exc_info()[0] is not None:
            import traceback  # not needed to start

            traceback.print_exc()
        _kill_local(machine)
        machine.turns.leave()
        machine.handler.on_end()
        machine.family.reap_host_children(block=False)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)


def _kill_local(machine: World) -> None:
    """Processes that a stopped run leaves behind here were killed, as far as others can see."""
    for process in list(machine.family.local.values()):
        machine.family.kill_process(process, Sig.KILL)


def _alive(machine: World) -> list[ProcessEntry]:
    """The processes that still live, elsewhere; one whose host process is gone is marked as ended."""
    alive = machine.family.others()
    for entry in alive:
        if not host_exists(entry.host_pid):
            entry.state = State.ZOMBIE
            machine.family.pids.count_lost()
    return [entry for entry in alive if entry.alive]


def _sleep(machine: World, seconds: float) -> None:
    """Until somebody rings, but not longer than *seconds*."""
    poller = select.poll()
    for fd in machine.family.descriptors():
        poller.register(fd, select.POLLIN)
    ready = {fd for fd, _ in poller.poll(seconds * 1000)}
    machine.family.polled(ready)
    machine.family.bell.answer()
