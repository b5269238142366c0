"""Who a terminal belongs to: sessions, foreground groups, and the signals that it sends.

Facts: drivers/tty/tty_jobctrl.c (__tty_check_change, tiocsctty, tiocspgrp, disassociate_ctty,
tty_signal_session_leader).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_linux.ptys.state import OPEN
from uprobe_linux.signals.numbers import Sig
from uprobe_linux.signals.sending import kernel_info, send_to_entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from uprobe_linux.kernel import Machine, Process
    from uprobe_linux.ptys.state import PtyState
    from uprobe_linux.shared.pids import ProcessEntry

__all__ = ("Jobs",)


class Jobs:
    """The controlling terminals of the run's sessions.

    :param used: gives the pseudo-terminals that there are
    """

    def __init__(self, used: Callable[[], list[PtyState]], machine: Machine) -> None:
        self._used = used
        self._machine = machine

    def terminal_of(self, process: Process) -> PtyState | None:
        """The controlling terminal of *process*."""
        session = self._machine.family.entry(process).sid
        if process.terminal_left == session:
            return None
        return self._of_session(session)

    def _of_session(self, session: int) -> PtyState | None:
        return next((s for s in self._used() if s.state == OPEN and s.session == session), None)

    def of_entry(self, entry: ProcessEntry) -> PtyState | None:
        """The controlling terminal of the session of *entry*."""
        return self._of_session(entry.sid)

    def acquire(self, state: PtyState) -> None:
        """Make *state* the controlling terminal of the caller's session, if it leads one that has none."""
        task = self._machine.current
        if task is None or state.session:
            return
        entry = self._machine.family.entry(task.process)
        if entry.sid == entry.pid and self.terminal_of(task.process) is None:
            self.take(state, task.process)

    def take(self, state: PtyState, process: Process) -> None:
        """*state* belongs to the session that *process* leads."""
        entry = self._machine.family.entry(process)
        state.session, state.pgrp = entry.sid, entry.pgid
        process.terminal_left = 0

    def leave(self, process: Process) -> None:
        """TIOCNOTTY: *process* has no controlling terminal any more, its whole session if it leads it."""
        entry, state = self._machine.family.entry(process), self.terminal_of(process)
        process.terminal_left = entry.sid
        if state is not None and entry.sid == entry.pid:
            pgrp = state.pgrp
            state.session = state.pgrp = 0
            process.terminal_left = 0
            self.signal_group(pgrp, Sig.HUP)
            self.signal_group(pgrp, Sig.CONT)

    def leader_ended(self, entry: ProcessEntry) -> None:
        """The leader of a session has ended."""
        if entry.sid != entry.pid:
            return
        state = self._of_session(entry.sid)
        if state is not None:
            pgrp, state.session, state.pgrp = state.pgrp, 0, 0
            self.signal_group(pgrp, Sig.HUP)
        for old in self._used():
            if old.old_session == entry.sid:
                pgrp, old.old_session, old.old_pgrp = old.old_pgrp, 0, 0
                self.signal_group(pgrp, Sig.HUP)
                self.signal_group(pgrp, Sig.CONT)

    def hung_up(self, session: int) -> None:
        """The terminal of *session* was hung up: its leader is told."""
        leader = self._machine.family.pids.get(session)
        if leader is not None and leader.alive:
            for signo in (Sig.HUP, Sig.CONT):
                send_to_entry(self._machine, leader, kernel_info(signo))

    def signal_group(self, pgrp: int, signo: int) -> None:
        """Send *signo* to all of group *pgrp*; 0 is nobody."""
        for entry in self._machine.family.pids.group(pgrp) if pgrp else ():
            if entry.alive:
                send_to_entry(self._machine, entry, kernel_info(signo))
