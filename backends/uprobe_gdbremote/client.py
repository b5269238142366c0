"""What is asked of a stub, as calls: memory, registers, breakpoints, objects.

Each method is one exchange, or as many as the size of a packet asks for.
Whether a stub knows an optional one is found out once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from uprobe_core.errors import BackendError
from uprobe_gdbremote.channel import PATIENCE, Channel
from uprobe_gdbremote.packets import hexadecimal
from uprobe_gdbremote.stops import FAULTS, SIGTRAP, parse_stop

if TYPE_CHECKING:
    from uprobe_gdbremote.crowd import Crowd

__all__ = ("Client", "StubError")

_OURS = (
    b"qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+;"
    b"fork-events+;vfork-events+;exec-events+;no-resumed+"
)
_ERROR = re.compile(rb"E(?:[0-9a-fA-F]{2}$|\.)")
_STOP = re.compile(rb"[TS][0-9a-f]{2}")
_AGAIN = FAULTS | {SIGTRAP, 0}
"""Signals that nobody need pass on: what has made them makes them again."""
_BRIEF = 0.02
"""Seconds for an answer, before the other threads get a moment to run."""
_BIRTHS = 10
"""Moments to let threads end what they began."""
_CLONES = (220, 435)
"""clone, clone3 (<asm-generic/unistd.h>)."""
_TRIES = 5
_SMALLEST = 400
"""Bytes of a packet that every stub takes."""


class StubError(BackendError):
    """The stub answered with an error, or does not know what it was asked."""

    def __init__(self, asked: bytes, answer: bytes) -> None:
        what = answer.decode(errors="replace") or "it does not know that"
        super().__init__(f"the stub refuses {asked[:40].decode(errors='replace')!r}: {what}")


class Client:
    """A stub on *channel*.

    :ivar features: what it said to qSupported: a word without ``+``, or ``word -> value``
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.features: dict[str, str] = {}
        self.selected = b""
        self.loosened = False
        """Whether others ran while an answer was waited for: one of them may be the selected one now."""
        self.several = False
        """Whether there is more than one process, so that it has to be said which one is meant."""
        self.only = b""
        """The threads that go on, all if it is empty: who has lent memory cannot be stopped."""
        self.crowd: Crowd | None = None
        """The threads of a stub that stops none but the one that hit, while there are several."""
        self.ahead = b""
        """What was asked while the program ran, whose answer follows the next stop."""

    # --- beginning -----------------------------------------------------------------------------------

    def greet(self) -> bytes:
        """Agree on features and stop acknowledging if that can be; returns the answer to ``?``.

        A gdbserver drops the connection if a breakpoint is set before ``?``.
        """
        for word in self._first_answer().decode(errors="replace").split(";"):
            name, equals, value = word.partition("=")
            if equals:
                self.features[name] = value
            elif word.endswith("+"):
                self.features[word[:-1]] = ""
        if self.has("QStartNoAckMode") and self.channel.ask(b"QStartNoAckMode") == b"OK":
            self.channel.settle()
            self.channel.acks = False
        return self.channel.ask(b"?")

    def _first_answer(self) -> bytes:
        """The answer to the first question, asked again: behind a serial line somebody may still boot.

        A machine that runs is stopped by the connection, and QEMU tells of that before it has been asked.
        """
        for _ in range(_TRIES):
            self.channel.send(_OURS)
            answer = self.channel.receive(PATIENCE / _TRIES)
            if answer is not None and _STOP.match(answer):
                answer = self.channel.receive(PATIENCE / _TRIES)
            if answer is not None:
                while self.channel.receive(0.0) is not None:
                    continue  # to the same question
                return answer
        return self.channel.ask(_OURS)

    def has(self, feature: str) -> bool:
        """Whether the stub said that it has *feature*."""
        return feature in self.features

    @property
    def room(self) -> int:
        """Bytes of a packet's payload."""
        try:
            return max(int(self.features.get("PacketSize", "0"), 16), _SMALLEST) - 16
        except ValueError:
            return _SMALLEST - 16

    def ask(self, payload: bytes) -> bytes:
        """The answer to *payload*; b"" for what the stub does not know; raises StubError, Lost."""
        answer = self._answer(payload)
        if _ERROR.match(answer):
            raise StubError(payload, answer)
        return answer

    def _answer(self, payload: bytes) -> bytes:
        """What comes back; raises BackendError if that is word of another thread."""
        if self.crowd is not None:
            return self._answer_among(self.crowd, payload)
        answer = self.channel.ask(payload)
        if _STOP.match(answer):
            raise self.out_of_step()
        return answer

    def _answer_among(self, crowd: Crowd, payload: bytes) -> bytes:
        """The same, where others may tell of stops, and may be held with a lock that the answer needs."""
        self.channel.send(payload)
        return self._await_among(crowd)

    def _await_among(self, crowd: Crowd) -> bytes:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            answer = self.channel.receive(_BRIEF)
            if answer is None:
                self.channel.greet_others()
                crowd.loosen()
                self.loosened = True
            elif _STOP.match(answer):
                self.overhear(answer)
            else:
                return answer
        raise self.out_of_step()

    def answer_ahead(self) -> tuple[bytes, bytes]:
        """What was asked ahead of the stop that came, b"" for nothing, and the answer; raises BackendError.

        Where there are several threads now, it may be about another one, and nothing is said.
        """
        asked, self.ahead = self.ahead, b""
        if not asked:
            return b"", b""
        if self.crowd is not None:
            self._await_among(self.crowd)
            self.channel.unread = 0  # it has read all that it was sent
            return b"", b""
        answer = self.channel.answer_ahead(asked)
        if _STOP.match(answer):
            raise self.out_of_step()
        return asked, answer

    def overhear(self, packet: bytes) -> None:
        """The stop of a thread that nobody waits for: it will stop again, or get its signal again."""
        stop = parse_stop(packet)
        if self.crowd is not None and stop.signal not in _AGAIN:
            self.crowd.pass_on(stop.signal)

    def out_of_step(self) -> BackendError:
        """What is raised when the threads of a stub cannot be told from each other."""
        return BackendError(
            f"{self.channel.where} told of a stop while the program was stopped: another thread ran on",
            hint="qemu-user's stub does not stop other threads; backend unicorn runs them in turns,"
            " gdbserver stops them all",
            slug="target-threads",
        )

    def spelled(self, answer: bytes) -> bytes:
        """The bytes whose digits *answer* is; raises BackendError where it is of another question."""
        try:
            return bytes.fromhex(answer.decode("ascii"))
        except ValueError:
            raise self.out_of_step() from None

    def knows(self, payload: bytes) -> bool:
        """Whether the stub does what *payload* says: it answers OK."""
        return self._answer(payload) == b"OK"

    def do(self, payload: bytes) -> None:
        """Have the stub do *payload*; raises StubError if it does not."""
        answer = self._answer(payload)
        if answer == b"OK":
            return
        if answer and not _ERROR.match(answer):  # it belongs to another question
            raise self.out_of_step()
        raise StubError(payload, answer)

    def do_and_go(self, first: bytes, going: bytes) -> None:
        """Have the stub do *first*, if it is anything, and then *going*, which lets the program run.

        Both are sent at once where nothing is acknowledged: that is one exchange.  Raises StubError.
        """
        if not first:
            self.channel.send(going)
        elif self.channel.acks:
            self.do(first)
            self.channel.send(going)
        else:
            self.channel.send(first)
            self.channel.send(going)
            answer = self.channel.answer(first)
            if answer != b"OK":
                raise StubError(first, answer)

    # --- memory --------------------------------------------------------------------------------------

    def read(self, address: int, size: int) -> bytes:
        """As much of [address, address + size) as is there from its start on."""
        result = b""
        while len(result) < size:
            want = min(size - len(result), self.room // 2)
            answer = self._answer(b"m%x,%x" % (address + len(result), want))
            if len(answer) < 2 or _ERROR.match(answer):
                break
            part = self.spelled(answer)
            result += part
            if len(part) < want:
                break
        return result

    def write(self, address: int, data: bytes) -> bool:
        """Store *data*; False if some of it could not be stored."""
        step = self.room // 2 - 32
        for at in range(0, len(data), step):
            part = data[at : at + step]
            if not self.knows(b"M%x,%x:%b" % (address + at, len(part), hexadecimal(part))):
                return False
        return True

    # --- breakpoints ---------------------------------------------------------------------------------

    def insert(self, address: int, size: int, *, hardware: bool = False, more: bytes = b"") -> None:
        """Insert a breakpoint of the stub's; *more*: conditions and commands.  Raises StubError."""
        if self.crowd is not None:
            self._await_births(self.crowd)
        self.do(b"Z%d,%x,%x%b" % (hardware, address, size, more))

    def _await_births(self, crowd: Crowd) -> None:
        """Let threads that make others do that first: the others have what comes meanwhile twice or not."""
        prefix = self.selected[: self.selected.rfind(b".") + 1]
        for _ in range(_BIRTHS):
            if not any(self._is_in_clone(prefix + b"%x" % thread) for thread in list(crowd.held)):
                return
            crowd.loosen()

    def _is_in_clone(self, thread: bytes) -> bool:
        """Whether *thread*, of qemu-user, makes a system call that makes a thread."""
        if not self.knows(b"Hg" + thread):
            return False
        self.selected = thread
        call, pc = (int.from_bytes(self.spelled(self.ask(asked)), "little") for asked in (b"p8", b"p20"))
        return call in _CLONES and self.read(pc - 4, 4) == b"\x01\0\0\xd4"

    def remove(self, address: int, size: int, *, hardware: bool = False) -> None:
        """Take it out; raises StubError."""
        self.do(b"z%d,%x,%x" % (hardware, address, size))

    # --- objects -------------------------------------------------------------------------------------

    def object(self, name: str, annex: str = "") -> bytes | None:
        """All of a ``qXfer:NAME:read:ANNEX``; None if the stub has none."""
        if not self.has(f"qXfer:{name}:read"):
            return None
        result, size = b"", self.room
        while True:
            asked = b"qXfer:%b:read:%b:%x,%x" % (name.encode(), annex.encode(), len(result), size)
            answer = self.channel.ask(asked)
            if answer[:1] not in (b"m", b"l"):
                return None
            result += answer[1:]
            if answer[:1] == b"l" or len(answer) == 1:
                return result

    def file(self, path: str) -> bytes | None:
        """The content of a file of the target's machine; None if the stub shows none (vFile)."""
        name = hexadecimal(path.encode("utf-8", "surrogateescape"))
        opened = self.channel.ask(b"vFile:open:%b,0,0" % name)
        if opened[:1] != b"F" or opened[1:2] == b"-":
            return None
        descriptor, result = opened[1:], b""
        while True:
            asked = b"vFile:pread:%b,%x,%x" % (descriptor, self.room // 2, len(result))
            _, _, part = self.channel.ask(asked).partition(b";")
            if not part:
                break
            result += part
        self.channel.ask(b"vFile:close:" + descriptor)
        return result

    def threads(self) -> Iterator[bytes]:
        """The thread ids, as the stub writes them."""
        answer = self.channel.ask(b"qfThreadInfo")
        while answer[:1] == b"m":
            yield from answer[1:].split(b",")
            answer = self.channel.ask(b"qsThreadInfo")

    def select_process(self, pid: int) -> None:
        """Have memory be that of process *pid*, of any thread of it."""
        if not self.selected.startswith(b"p%x." % pid):
            self.select(b"p%x.0" % pid)

    def select(self, thread: bytes) -> None:
        """Have registers and memory be those of *thread*."""
        if thread and thread != self.selected:
            if not self.knows(b"Hg" + thread):
                raise StubError(b"Hg" + thread, b"it has no such thread")
            self.selected = thread
