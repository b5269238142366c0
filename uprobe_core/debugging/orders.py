"""What passes between a run that stands still and whoever looks at it: a stop, and what to do next."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from uprobe_core.pauses import Pause, PauseKind

__all__ = ("Client", "Order", "Stop", "stop_of")


class Stop(NamedTuple):
    """Why the run stands still.

    :param kind: "hit", "asked", "breakpoint", "store", "step", "signal", "exec", "call", "answer", "begin" or
        "end" (of what can be run again), "refused"
    :param tid: of the thread that it is about
    :param signal: number of the signal that is about to be delivered, on the program's system
    :param text: for the user, "" for nothing
    :param address: of "store", the start of what is watched
    :param number: of "call" and "answer", that of the system call
    """

    kind: str
    tid: int
    signal: int = 0
    text: str = ""
    address: int = 0
    number: int = 0


class Order(NamedTuple):
    """What to do next.

    :param kind: "continue", "step", "reverse-continue", "reverse-step", "detach" or "kill"
    :param tid: of the thread that makes the step
    :param deliver: whether the signal that the run stands before is delivered
    """

    kind: str
    tid: int = 0
    deliver: bool = True

    @property
    def is_backwards(self) -> bool:
        """Whether it goes to an earlier moment."""
        return self.kind.startswith("reverse")


class Client(Protocol):
    """Who looks: gdb or a prompt."""

    def serve(self, stop: Stop) -> Order:
        """Show *stop*, answer what is asked, and come back with what to do next."""
        ...

    def executed(self, path: str) -> bool:
        """The program at *path* has taken the place of that before: whether there is a stop at its start."""
        ...

    def forked(self, pid: int) -> None:
        """The program has forked that process, which runs on by itself."""
        ...

    def resumed(self) -> None:
        """The run is about to go on, or runs again to an earlier moment."""
        ...

    def ended(self, code: int, signal: int) -> None:
        """The program has ended: with an exit status, or killed by a signal that is not 0."""
        ...


_KINDS = {
    PauseKind.ASKED: "asked",
    PauseKind.BREAKPOINT: "breakpoint",
    PauseKind.STORE: "store",
    PauseKind.STEP: "step",
    PauseKind.POSITION: "step",
    PauseKind.SIGNAL: "signal",
    PauseKind.EXEC: "exec",
    PauseKind.CALL: "call",
    PauseKind.ANSWER: "answer",
}


def stop_of(pause: Pause, text: str = "") -> Stop:
    """A pause, told."""
    return Stop(_KINDS[pause.kind], pause.task.tid, pause.signal, text, pause.address, pause.number)
