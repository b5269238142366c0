"""A Python prompt as a client: names for what the run stands still with, and calls that let it go on."""

from __future__ import annotations

import code
import contextlib
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from uprobe_core.debugging.orders import Order, Stop
from uprobe_core.errors import UprobeError
from uprobe_core.types import MemoryFault

__all__ = ("Prompt", "RegistersByName")

BANNER = """\
hit       the hit: hit.args, hit.read(address, size), hit.task ...
session   the run: session.probe('p:more ./app:f'), session.disable('ev') ...
regs      registers: regs.x0, regs['pc'], regs.x0 = 1
mem(address, size), poke(address, data), addr('main'), name(address), stack()
step(), cont() or Ctrl-D: go on; kill()"""


class _GoOn(SystemExit):
    """What was typed lets the run go on."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order


class RegistersByName:
    """The registers of one task, as attributes and by name.

    :param names: their numbers
    :param task: whose they are, at each moment
    """

    def __init__(self, names: Mapping[str, int], task: Callable[[], Any]) -> None:
        vars(self).update(_names=names, _task=task)

    def _number(self, name: str) -> int:
        number: int | None = vars(self)["_names"].get(name)
        if number is None:
            raise AttributeError(f"no register is called {name!r}: {', '.join(vars(self)['_names'])}")
        return number

    def __getattr__(self, name: str) -> int:
        return int(vars(self)["_task"]().get_reg(self._number(name)))

    def __setattr__(self, name: str, value: int) -> None:
        vars(self)["_task"]().set_reg(self._number(name), value)

    def __getitem__(self, name: str) -> int:
        return getattr(self, name)  # type: ignore[no-any-return]

    def __setitem__(self, name: str, value: int) -> None:
        setattr(self, name, value)

    def __dir__(self) -> list[str]:
        return [*vars(self)["_names"]]

    def __repr__(self) -> str:
        cells = [f"{name:>4} {self[name]:#018x}" for name in vars(self)["_names"]]
        return "\n".join("  ".join(cells[at : at + 4]) for at in range(0, len(cells), 4))


class _Console(code.InteractiveConsole):
    """Tells of an exception only what lies in lines that were typed."""

    def showtraceback(self) -> None:
        """Print the exception that was raised."""
        kind, error, trace = sys.exc_info()
        assert kind is not None
        rows = [row for row in traceback.extract_tb(trace) if row.filename == self.filename]
        text = "".join(traceback.format_exception_only(kind, error))
        if isinstance(error, UprobeError | MemoryFault):
            text = f"error: {error}\n"
        elif len(rows) > 1:
            text = "".join(("Traceback (most recent call last):\n", *traceback.format_list(rows), text))
        self.write(text)


class Prompt:
    """Reads lines from standard input, and writes to standard error.

    :param names: what is there by name, beside what lets the run go on
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self._tid = 0
        self._names = {
            **names,
            "cont": lambda: self._go(Order("continue")),
            "step": lambda: self._go(Order("step", self._tid)),
            "kill": lambda: self._go(Order("kill")),
        }
        self._console = _Console(self._names, "<prompt>")
        self._greeted = False

    @staticmethod
    def _go(order: Order) -> None:
        raise _GoOn(order)

    # --- a client ----------------------------------------------------------------------------------------

    def serve(self, stop: Stop) -> Order:
        """Read and do, until something lets the run go on."""
        self._tid = stop.tid
        with contextlib.redirect_stdout(sys.stderr), _interruptible():
            print(f"uprobe: stopped{_reason(stop)}", flush=True)
            if not self._greeted:
                print(BANNER, flush=True)
                self._greeted = True
            while True:
                try:
                    if not self._line():
                        return Order("detach")
                except _GoOn as go:
                    return go.order
                except UprobeError as error:
                    print(f"error: {error}")

    def _line(self) -> bool:
        """Read one statement and do it; False at the end of the input."""
        more = False
        while True:
            try:
                line = self._read("... " if more else ">>> ")
            except EOFError:
                print()
                return False
            except KeyboardInterrupt:
                print("\nKeyboardInterrupt")
                self._console.resetbuffer()
                return True
            try:
                more = self._console.push(line)
            except SystemExit as leaving:
                self._console.resetbuffer()
                if isinstance(leaving, _GoOn):
                    raise
                return False
            if not more:
                return True

    @staticmethod
    def _read(prompt: str) -> str:
        """The next line; raises EOFError."""
        if sys.stdin is None:
            raise EOFError
        if sys.stdin.isatty() and sys.__stderr__ is not None and sys.__stderr__.isatty():
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401  # input() is edited then
            return input(prompt)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\n")

    def show_hit(self, hit: Any) -> None:
        """The next stop is at *hit*, whose arguments are fetched now."""
        hit.values  # noqa: B018  # later hits use the same object
        self._names["hit"] = hit

    def executed(self, _path: str) -> bool:
        """No stop."""
        return False

    def forked(self, _pid: int) -> None:
        """Nothing is said of it."""

    def resumed(self) -> None:
        """The run goes on: what was there of the hit is over."""
        self._names["hit"] = None

    def ended(self, code: int, signal: int) -> None:
        """The program has ended; whoever started us sees its status."""


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C is for what is typed, not for the run."""
    try:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _reason(stop: Stop) -> str:
    if stop.text:
        return f" {stop.text} in thread {stop.tid}"
    return f" in thread {stop.tid}: {stop.kind}"
