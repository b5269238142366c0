"""gdb as a client: one stop after the other, and between them the packets of its remote protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from uprobe_core.debugging.aarch64 import REGISTERS, TARGET
from uprobe_core.debugging.line import Gone, Line
from uprobe_core.debugging.orders import Order, Stop
from uprobe_core.debugging.packets import escaped, unescaped
from uprobe_core.debugging.signals import gdb_signal, linux_signal
from uprobe_core.debugging.wanted import conditions_of
from uprobe_core.errors import UprobeError
from uprobe_core.types import MemoryFault

if TYPE_CHECKING:
    from uprobe_core.debugging.debugger import Debugger
    from uprobe_core.debugging.files import GuestFileReader

__all__ = ("Stub",)

_PACKET_BYTES = 0x4000
_FEATURES = (
    f"PacketSize={_PACKET_BYTES:x};QStartNoAckMode+;qXfer:features:read+;qXfer:auxv:read+;qXfer:threads:read+;qXfer:siginfo:read+;"
    "qXfer:exec-file:read+;qXfer:libraries-svr4:read+;multiprocess+;swbreak+;hwbreak+;vContSupported+;QPassSignals+;"
    "exec-events+;error-message+;QCatchSyscalls+;ConditionalBreakpoints+"
)
_BACKWARDS = ";ReverseStep+;ReverseContinue+"
_REASONS = {"breakpoint": "swbreak:;", "begin": "replaylog:begin;", "end": "replaylog:end;"}
_REASONS |= {"refused": _REASONS["begin"]}  # else gdb would tell of a signal that there was not
_CALLS = {"call": "syscall_entry", "answer": "syscall_return"}
_SIGTRAP, _SIGINT = 5, 2
_AT_BASE = 7
_NO_LIBRARIES = b'<library-list-svr4 version="1.0"/>'
"""For a static program.  gdb would else read _r_debug of a static glibc, and take all code of the program for
the dynamic linker's, in which it does not stop; libraries of others it finds by itself, told that we cannot.
"""
_EXPEDITED = (29, 31, 32)


class Stub:
    """What gdb talks to.

    :param connect: waits for gdb and gives the line to it; raises Gone
    :param files: files as the program sees them
    :param backwards: whether earlier moments can be gone to
    """

    def __init__(self, connect: Callable[[], Line], files: GuestFileReader, *, backwards: bool) -> None:
        self.debugger: Debugger
        self._connect, self._files, self._backwards = connect, files, backwards
        self._line: Line | None = None
        self._thread = 0
        self._stop = Stop("asked", 0)
        self._order: Order | None = None
        self._last_pid = 0
        self._several = False
        """Whether gdb wants a thread named with its process."""
        self._told_of_forks = False
        self._sees_exec = False
        """Whether it knows stops at the start of an executed program."""
        self._asked: dict[str, Callable[[bytes], bytes]] = {
            "?": lambda _: self._reply(self._stop),
            "g": lambda _: self._call("registers", self._tid()).hex().encode(),
            "G": self._set_registers,
            "p": lambda rest: self._call("register", self._tid(), _number(rest)).hex().encode(),
            "P": self._set_register,
            "m": self._read,
            "M": self._write,
            "X": self._write_binary,
            "H": self._choose,
            "T": lambda rest: b"OK" if _thread(rest) in self._tids() else b"E01",
            "Z": lambda rest: self._breakpoint(rest, True),
            "z": lambda rest: self._breakpoint(rest, False),
            "c": lambda _: self._go(Order("continue", deliver=False)),
            "C": lambda rest: self._go_with(rest, "continue"),
            "s": lambda _: self._go(Order("step", self._tid(), deliver=False)),
            "S": lambda rest: self._go_with(rest, "step"),
            "b": self._back,
            "D": self._detach,
            "k": lambda _: self._go(Order("kill")),
            "v": self._verbose,
            "q": self._query,
            "Q": self._set,
        }

    # --- a client ----------------------------------------------------------------------------------------

    def serve(self, stop: Stop) -> Order:
        """Tell gdb of *stop*, unless it has still to come, and answer until it lets the run go on."""
        self._stop, self._order, self._thread = stop, None, stop.tid
        self._last_pid = self._pid()
        try:
            if self._line is None:
                self._line = self._connect()
            else:
                if stop.text and stop.kind != "asked":
                    self._say(stop.text)
                reply = self._reply(stop)
                self._line.stop()
                self._line.send(reply)
            while self._order is None:
                answer = self._answer(self._line.receive())
                if answer is not None and self._order is None:
                    self._line.send(answer)
        except Gone:
            self._close()
            return Order("detach")
        if self._order.kind in ("detach", "kill"):
            if self._order.kind == "detach":
                self._line.send(b"OK")
            self._close()
        return self._order

    def executed(self, path: str) -> bool:
        """Whether gdb is to be told of that by a stop; if not, its user is told that breakpoints are gone."""
        if self._line is not None and not self._sees_exec:
            self._say(f"uprobe: {path} is executed: breakpoints in the program before it are gone")
        return self._sees_exec

    def forked(self, pid: int) -> None:
        """Say once that it is not followed: gdb takes ``set follow-fork-mode child`` without a word."""
        if self._line is not None and not self._told_of_forks:
            self._told_of_forks = True
            self._say(f"uprobe: the program has forked process {pid}: forked processes run on by themselves")

    def resumed(self) -> None:
        """The run goes on, and we hear of it at the next stop, which an interrupt may be."""
        if self._line is not None:
            self._line.resume()

    def ended(self, code: int, signal: int) -> None:
        """Tell gdb that the program is over."""
        if self._line is not None:
            end = b"X%02x" % gdb_signal(signal) if signal else b"W%02x" % code
            self._line.send(end + (b";process:%x" % self._last_pid if self._several else b""))
            self._close()

    def _say(self, text: str) -> None:
        """To gdb's user, while gdb waits for a stop."""
        if self._line is not None:
            self._line.send(b"O" + f"{text}\n".encode().hex().encode())

    def _close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    # --- stops -------------------------------------------------------------------------------------------

    def _reply(self, stop: Stop) -> bytes:
        number = gdb_signal(stop.signal) if stop.kind == "signal" else _SIGTRAP
        if stop.kind == "asked" and self._line is not None and self._line.running:
            number = _SIGINT
        reason = f"watch:{stop.address:x};" if stop.kind == "store" else _REASONS.get(stop.kind, "")
        if stop.kind in _CALLS:
            reason = f"{_CALLS[stop.kind]}:{stop.number:x};"
        if stop.kind == "exec":
            path: str = self.debugger.view.call("process")[1]
            reason = f"exec:{path.encode('utf-8', 'surrogateescape').hex()};"
        return f"T{number:02x}{reason}thread:{self._named(stop.tid)};".encode()

    def _named(self, tid: int) -> str:
        """A thread as gdb wants it."""
        return f"p{self._pid():x}.{tid:x}" if self._several else f"{tid:x}"

    def _pid(self) -> int:
        pid: int = self.debugger.view.call("process")[0]
        return pid

    def _go(self, order: Order) -> bytes:
        self._order = order
        return b""

    def _go_with(self, rest: bytes, kind: str, tid: int = 0) -> bytes:
        if self._stop.kind != "signal" or linux_signal(int(rest[:2], 16)) != self._stop.signal:
            return b"E.only the signal that the program stands before can be delivered"
        return self._go(Order(kind, tid or self._tid(), deliver=True))

    def _back(self, rest: bytes) -> bytes:
        if rest not in (b"s", b"c"):
            return b""
        return self._go(Order("reverse-step" if rest == b"s" else "reverse-continue", self._tid()))

    def _detach(self, _rest: bytes) -> bytes:
        return self._go(Order("detach"))

    # --- packets -----------------------------------------------------------------------------------------

    def _answer(self, packet: bytes) -> bytes | None:
        """What *packet* is answered; b"" is what the protocol has for what we do not know."""
        asked = self._asked.get(packet[:1].decode("latin-1"))
        if asked is None:
            return b""
        try:
            return asked(packet[1:])
        except MemoryFault:
            return b"E0e"
        except UprobeError as error:
            return f"E.{error}".encode()
        except (ValueError, IndexError, OverflowError):
            return b"E16"

    def _call(self, method: str, *arguments: object) -> bytes:
        found: bytes = self.debugger.view.call(method, *arguments)
        return found

    def _tids(self) -> list[int]:
        return [tid for tid, _name in self.debugger.view.call("threads")]

    def _tid(self) -> int:
        return self._thread or self._stop.tid

    def _choose(self, rest: bytes) -> bytes:
        tid = _thread(rest[1:])
        if tid > 0 and tid not in self._tids():
            return b"E01"
        if rest[:1] == b"g" or tid > 0:
            self._thread = max(tid, 0)
        return b"OK"

    def _changes(self) -> None:
        if self.debugger.is_past:
            raise UprobeError("this is an earlier moment of the run: it cannot be changed")
        self.debugger.changed()

    def _set_registers(self, rest: bytes) -> bytes:
        self._changes()
        self._call("set_registers", self._tid(), bytes.fromhex(rest.decode()))
        return b"OK"

    def _set_register(self, rest: bytes) -> bytes:
        self._changes()
        number, _, value = rest.partition(b"=")
        if not 0 <= _number(number) < len(REGISTERS):
            return b"E16"
        self._call("set_register", self._tid(), _number(number), bytes.fromhex(value.decode()))
        return b"OK"

    def _read(self, rest: bytes) -> bytes:
        address, size = map(_number, rest.split(b","))
        return self._call("read", address, min(size, _PACKET_BYTES // 2)).hex().encode()

    def _write(self, rest: bytes) -> bytes:
        place, _, data = rest.partition(b":")
        return self._store(place, bytes.fromhex(data.decode()))

    def _write_binary(self, rest: bytes) -> bytes:
        place, _, data = rest.partition(b":")
        return self._store(place, unescaped(data))

    def _store(self, place: bytes, data: bytes) -> bytes:
        address, size = map(_number, place.split(b","))
        if size != len(data):
            return b"E16"
        if size:
            self._changes()
            self._call("write", address, data)
        return b"OK"

    def _breakpoint(self, rest: bytes, on: bool) -> bytes:
        place, *more = rest.split(b";")
        kind, address, size = place.split(b",")
        if kind == b"2":
            self.debugger.set_watchpoint(_number(address), _number(address) + _number(size), on)
            return b"OK"
        if kind not in (b"0", b"1"):
            return b""
        if _number(address) & 3:
            return b"E16"
        self.debugger.set_breakpoint(_number(address), on, conditions_of(more))
        return b"OK"

    def _verbose(self, rest: bytes) -> bytes:
        if rest == b"Cont?":
            return b"vCont;c;C;s;S"
        if rest.startswith(b"Cont;"):
            return self._go_each(rest[5:].split(b";"))
        if rest.startswith(b"Kill"):
            if self._line is not None:
                self._line.send(b"OK")
            return self._go(Order("kill"))
        if rest.startswith(b"File:"):
            return self._files.answer(rest[5:], self.debugger.view)
        return b""

    def _go_each(self, actions: list[bytes]) -> bytes:
        """The threads run as they would without us: a step is one of the thread that is named."""
        for action in actions:
            what, _, thread = action.partition(b":")
            tid = _thread(thread) if thread else 0
            if what[:1] in (b"s", b"S"):
                tid = tid if tid > 0 else self._stop.tid
                return self._go_signal(what, Order("step", tid))
        return self._go_signal(actions[0].partition(b":")[0], Order("continue"))

    def _go_signal(self, what: bytes, order: Order) -> bytes:
        if what[:1] in (b"C", b"S"):
            return self._go_with(what[1:], order.kind, order.tid)
        return self._go(order._replace(deliver=False))

    # --- queries -----------------------------------------------------------------------------------------

    def _query(self, rest: bytes) -> bytes:
        name = rest.partition(b":")[0]
        if name == b"Supported":
            known = rest.partition(b":")[2].split(b";")
            self._several, self._sees_exec = b"multiprocess+" in known, b"exec-events+" in known
            return (_FEATURES + (_BACKWARDS if self._backwards else "")).encode()
        if name == b"Xfer":
            return self._transfer(rest)
        if rest == b"C":
            return f"QC{self._named(self._stop.tid)}".encode()
        if rest == b"fThreadInfo":
            return f"m{','.join(map(self._named, self._tids()))}".encode()
        if rest == b"sThreadInfo":
            return b"l"
        if name == b"Attached":
            return b"1"
        return b"OK" if name == b"Symbol" else b""

    def _transfer(self, rest: bytes) -> bytes:
        _, what, how, annex, where = rest.split(b":", 4)
        if how != b"read":
            return b""
        offset, size = map(_number, where.split(b","))
        found = self._object(what, annex)
        if found is None:
            return b"E01" if what in (b"libraries-svr4", b"siginfo") else b""
        part = found[offset : offset + min(size, _PACKET_BYTES // 2)]
        return (b"m" if offset + len(part) < len(found) else b"l") + escaped(part)

    def _object(self, what: bytes, annex: bytes) -> bytes | None:
        if what == b"features" and annex == b"target.xml":
            return TARGET.encode()
        if what == b"threads":
            rows = self.debugger.view.call("threads")
            texts = (f'<thread id="{self._named(tid)}" name="{_quoted(name)}"/>' for tid, name in rows)
            return f'<?xml version="1.0"?><threads>{"".join(texts)}</threads>'.encode()
        if what == b"siginfo":
            return self._call("signal_info") or None
        _pid, path, auxv = self.debugger.view.call("process")
        if what == b"auxv":
            return bytes(auxv)
        if what == b"libraries-svr4":
            return _NO_LIBRARIES if not _has_interpreter(auxv) else None
        return path.encode() if what == b"exec-file" else None

    def _set(self, rest: bytes) -> bytes:
        if rest == b"StartNoAckMode":
            assert self._line is not None
            self._line.send(b"OK")
            self._line.acknowledges = False
            return None  # type: ignore[return-value]
        if rest.startswith(b"PassSignals:"):
            numbers = [linux_signal(int(text, 16)) for text in rest[12:].split(b";") if text]
            self.debugger.pass_signals(frozenset(numbers))
            return b"OK"
        if rest.startswith(b"CatchSyscalls:"):
            caught = rest[14:].split(b";")
            is_all = caught == [b"1"]
            self.debugger.catch_calls(None if is_all else frozenset(map(_number, caught[1:])))
            return b"OK"
        return b""


def _has_interpreter(auxv: bytes) -> bool:
    """Whether AT_BASE says that a dynamic linker is there (getauxval(3))."""
    words = memoryview(auxv[: len(auxv) & ~15]).cast("Q").tolist()
    return any(kind == _AT_BASE and value for kind, value in zip(words[::2], words[1::2], strict=True))


def _number(text: bytes) -> int:
    return int(text, 16)


def _thread(text: bytes) -> int:
    """A thread's number; -1 for all, 0 for any; also in the form pPID.TID."""
    text = text.rpartition(b".")[2].removeprefix(b"p")
    return -1 if text == b"-1" else _number(text)


def _quoted(text: str) -> str:
    return text.translate({ord(letter): f"&#{ord(letter)};" for letter in "&<>\"'"})
