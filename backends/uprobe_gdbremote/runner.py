"""Letting a target run: what is sent so that it goes on, and the stop that comes of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from uprobe_core.errors import BackendError
from uprobe_gdbremote.stops import Stop, parse_stop, to_stub

if TYPE_CHECKING:
    from uprobe_gdbremote.client import Client
    from uprobe_gdbremote.crowd import Crowd
    from uprobe_gdbremote.registers import ThreadRegisters
    from uprobe_gdbremote.task import RemoteTask

__all__ = ("Runner",)

_NAP = 0.0005
"""Seconds after which threads that may be stopped are told to go on, twice as long each time."""
_QUIET = 0.1
"""Seconds without a stop after which whoever looks at the output is shown everything."""
_STOPS = frozenset((b"T", b"S", b"W", b"X", b"w", b"N", b"O", b"F"))
"""How word of a program that ran begins; answers about registers are digits, or an error with an E."""


class Runner:
    """Resumes the threads of a stub.

    :param takes_address: whether ``c ADDRESS`` goes on there (QEMU's stub), which saves an exchange
    :param reads_late: whether the stub reads nothing while the program runs (that of qemu-user), so that the
        next question can wait there for the stop, which saves another
    :ivar interrupt: asks what runs to stop
    :ivar is_running: whether the program runs: a stub is asked nothing then
    """

    def __init__(
        self, client: Client, *, takes_address: bool, reads_late: bool, interrupt: Callable[[], None]
    ) -> None:
        self._client, self._channel = client, client.channel
        self._takes_address, self._reads_late = takes_address, reads_late
        self.interrupt = interrupt
        words = client.channel.ask(b"vCont?").split(b";")
        self._thread_wise = {b"c", b"C", b"s", b"S"} <= set(words[1:])
        self._alone = False
        self.is_running = False
        self.on_idle: Callable[[], None] = lambda: None
        self.stepping: Callable[[RemoteTask], Iterable[bytes]] = lambda _task: ()
        """Threads of other tasks than that one that are to do one instruction."""
        self.rung: Callable[[], bool] = lambda: False
        """Whether something waits for a stop."""

    def resume(self, task: RemoteTask, *, step: bool = False, signal: int = 0, alone: bool = False) -> None:
        """Let the program go on; *task* stopped last.

        :param step: *task* does one instruction
        :param signal: Linux's number of the signal that *task* gets, 0 for none
        :param alone: nobody but *task* goes on
        """
        registers = task.registers
        self._alone = alone or step
        self.is_running = True
        if self._takes_address and registers.only_pc_changed and not signal and self._client.crowd is None:
            self._go_there(registers, step=step)
            return
        self._client.do_and_go(registers.order(), self._going(task, step=step, signal=signal, alone=alone))

    def _going(self, task: RemoteTask, *, step: bool, signal: int, alone: bool) -> bytes:
        """The word to go on."""
        number = to_stub(signal)
        action = (b"S%02x" if step else b"C%02x") % number if number else (b"s" if step else b"c")
        if not self._thread_wise:
            return action
        only = self._client.only and b":" + self._client.only
        steps = b"" if alone else b"".join(b"s:%b;" % thread for thread in self.stepping(task))
        if not task.thread or not (step or number or alone):
            return b"vCont;" + steps + action + only
        rest = b"" if alone else b";" + steps + b"c" + only
        return b"vCont;%b:%b%b" % (action, task.thread, rest)

    def _go_there(self, registers: ThreadRegisters, *, step: bool) -> None:
        """Go on at the new PC, which is all that has changed, and ask for what the next stop will want."""
        going = b"%c%x" % (b"s"[0] if step else b"c"[0], registers.drop_pc())
        if not self._reads_late or self._alone:
            self._channel.send(going)
            return
        self._client.ahead = registers.question()
        self._channel.send_both(going, self._client.ahead)

    def wait(self, *, patiently: bool = False) -> Stop:
        """The next stop; what the target writes meanwhile goes to standard output.  Raises Lost.

        :param patiently: it comes soon by itself, and nobody need ask for it
        """
        crowd = self._client.crowd
        if crowd is not None:
            self._channel.settle_all()
            if not self._alone:
                crowd.let_go()
        idle, asked, nap = False, patiently, _NAP
        while True:
            seconds = nap if crowd is not None else None if idle else _QUIET
            packet = self._channel.receive(seconds, until_rung=True)
            if packet is not None:
                stop = self._heard(packet)
                if stop is not None:
                    self.is_running = False
                    return stop
                continue
            if crowd is not None:
                nap = min(2 * nap, _QUIET)
                self._nudge(crowd)
            if self.rung() and not asked:
                self.interrupt()
                asked = True
            if not idle and (crowd is None or nap >= _QUIET):
                self.on_idle()
                idle = True

    def _heard(self, packet: bytes) -> Stop | None:
        """The stop that *packet* tells of, None if nobody is to know of it."""
        if self._client.ahead and packet[:1] not in _STOPS:
            self._client.ahead, self._reads_late = b"", False  # it was read too early, and says what was
            return None
        if self._client.crowd is not None and packet.count(b"thread:") > 1:
            return None  # two threads wrote one answer: both stop again
        stop = self._parsed(packet)
        if stop.kind == "output":
            sys.stdout.buffer.write(stop.text)
            sys.stdout.flush()
            return None
        if stop.kind == "signal" and self._client.crowd is not None and self._channel.unread > 0:
            self._client.overhear(packet)  # it reads what was meant for the others, and goes on
            return None
        return stop

    def _nudge(self, crowd: Crowd) -> None:
        """Let a thread go on that is stopped, if there is one, or one that runs alone get a lock."""
        if self._alone:
            crowd.loosen()
        elif self._channel.unread <= 0:
            self._channel.send(b"c")

    def _parsed(self, packet: bytes) -> Stop:
        try:
            return parse_stop(packet)
        except ValueError as error:
            raise BackendError(f"{self._channel.where} does not keep to the protocol: {error}") from error
