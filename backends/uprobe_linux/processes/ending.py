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
from typing import TYPE_CHECKING

from uprobe_linux.shared.pids import State
from uprobe_linux.signals.numbers import SI_KERNEL, Sig
from uprobe_linux.signals.sending import send_to_entry
from uprobe_linux.signals.siginfo import SigInfo

if TYPE_CHECKING:
    from uprobe_linux.processes.world import World
    from uprobe_linux.shared.pids import ProcessEntry

__all__ = ("finish",)

GRACE_SECONDS = 3.0
"""How long killed processes may take to write down what they have recorded."""


def finish(machine: World) -> None:
    """Call it when no task is left to run here.  Does not return in a forked host process.

    In the first host process it returns when all other processes have ended.
    """
    if os.getpid() != machine.host_pid:
        _leave(machine)
    _kill_local(machine)
    machine.turns.leave()
    while not machine.stop_requested and any(entry.session_kept for entry in _alive(machine)):
        _sleep(machine, 0.2)
    machine.turns.end()
    machine.family.pids.close_for_new()
    for entry in _alive(machine):
        send_to_entry(machine, entry, SigInfo(Sig.KILL, SI_KERNEL))
    deadline = time.monotonic() + GRACE_SECONDS
    while _alive(machine) and time.monotonic() < deadline:
        _sleep(machine, 0.05)
    _kill_the_rest(machine)
    machine.family.reap_host_children()
    if machine.family.thaws:
        gc.unfreeze()


def _kill_the_rest(machine: World) -> None:
    """Who has not ended by now is killed; once more, since one that was just being forked shows up late."""
    for _ in range(3):
        for entry in _alive(machine):
            machine.family.pids.count_lost()
            entry.state = State.ZOMBIE
            with contextlib.suppress(OSError):
                os.kill(entry.host_pid, signal.SIGKILL)


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
        try:
            os.kill(entry.host_pid, 0)
        except ProcessLookupError:
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
