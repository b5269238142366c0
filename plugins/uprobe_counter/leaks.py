"""``-C leaks``: memory that was handed out and not taken back, by the stack of who asked for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

from uprobe_core.consumer import ConsumerContext, EventInfo, Hit, ReturnHit
from uprobe_core.errors import UsageError
from uprobe_counter.options import Options
from uprobe_counter.summary import columns

__all__ = ("LeaksConsumer", "LeaksReport")

_DEPTH = 16
_TOP = 10


class _Role(NamedTuple):
    """What a function of memory does.

    :param takes: the number of the argument (from 0) that is given back to it, None: nothing is
    :param sizes: the arguments whose product is what is asked for; (): it gives nothing
    """

    takes: int | None
    sizes: tuple[int, ...]


_ROLES = {
    "free": _Role(0, ()),
    "malloc": _Role(None, (0,)),
    "valloc": _Role(None, (0,)),
    "calloc": _Role(None, (0, 1)),
    "realloc": _Role(0, (1,)),
    "reallocarray": _Role(0, (1, 2)),
    "memalign": _Role(None, (1,)),
    "aligned_alloc": _Role(None, (1,)),
}
"""By the end of a function's name: ``free``, ``my_free``."""
_OTHERS = ("posix_memalign",)
"""Functions that end so and are no such."""


_NOTHING_FOLLOWED = f"""\
leaks: no event is a function that gives memory or takes it back
  -F 'libc:*alloc' -F libc:free follows them; names end with {", ".join(_ROLES)}
"""


def _role_of(name: str) -> _Role | None:
    ends = [end for end in _ROLES if name.endswith(end)]
    return None if not ends or name.endswith(_OTHERS) else _ROLES[max(ends, key=len)]


class _Block(NamedTuple):
    """Memory that was handed out."""

    size: int
    stack: tuple[str, ...]


Found = dict[tuple[str, ...], tuple[int, int]]
"""By stack: blocks and bytes."""


def _added(found: Found, more: Iterable[tuple[tuple[str, ...], int, int]]) -> None:
    for stack, blocks, size in more:
        known = found.get(stack, (0, 0))
        found[stack] = known[0] + blocks, known[1] + size


class _Memory:
    """The memory of all functions together, in one host process.

    :ivar live: what is handed out, by process and address
    :ivar left: what processes that have ended, or executed something else, had left by then
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.live: dict[tuple[int, int], _Block] = {}
        self.left: Found = {}
        self.asked = [0, 0]
        """Blocks and bytes in all."""

    def give(self, key: tuple[int, int], block: _Block) -> None:
        """*block* is handed out; it was by now if one function of memory asked another one for it."""
        inner = self.live.get(key)
        self.asked[0] += inner is None
        self.asked[1] += block.size - (inner.size if inner is not None else 0)
        self.live[key] = block

    def found(self) -> Found:
        """What was not taken back, by stack."""
        found = dict(self.left)
        _added(found, ((block.stack, 1, block.size) for block in self.live.values()))
        return found

    def state(self) -> tuple[Found, list[int]]:
        """What a forked process tells."""
        return self.found(), self.asked

    def merge(self, state: tuple[Found, list[int]]) -> None:
        """What a forked process has told."""
        found, asked = state
        _added(self.left, ((stack, *numbers) for stack, numbers in found.items()))
        self.asked = [a + b for a, b in zip(self.asked, asked, strict=True)]

    def forget(self) -> None:
        """This is a forked process: what there is is its parent's to take back."""
        self.live, self.left, self.asked = {}, {}, [0, 0]

    def executed(self, pid: int) -> None:
        """Process *pid* is about to have no memory of its own: that was no leak."""
        self.live = {key: block for key, block in self.live.items() if key[0] != pid}


class _Follower:
    """Attached to one function.  The first that is attached speaks for the memory of all."""

    name = "leaks"

    def __init__(self, memory: _Memory, role: _Role, *, first: bool) -> None:
        self._memory, self._role, self._first = memory, role, first
        if role.sizes:
            self.ret_handler: Callable[[ReturnHit], None] = self._given

    def handler(self, hit: Hit) -> None:
        """A call begins: what is given back is free from now on."""
        arguments = [hit.reg(each) for each in hit.registers.arguments[:3]]
        old = None
        if self._role.takes is not None:
            key = hit.pid, arguments[self._role.takes]
            old = key, self._memory.live.pop(key, None)
        size = 1
        for number in self._role.sizes:
            size *= arguments[number]
        hit.cookie = old, size

    def _given(self, hit: ReturnHit) -> None:
        """A call returns with new memory; one that failed has taken nothing back."""
        (old, size), address = hit.cookie, hit.reg(hit.registers.result)
        if address:
            stack = tuple(frame.name for frame in hit.stack(self._memory.depth))
            self._memory.give((hit.pid, address), _Block(size, stack))
        elif size and old is not None and old[1] is not None:
            self._memory.live[old[0]] = old[1]

    def fork(self) -> None:
        """This is a forked process now."""
        self._memory.forget()

    def exec(self, process: Any) -> None:
        """*process* is about to execute another program."""
        self._memory.executed(process.pid)

    def finish(self) -> Any:
        """What there is, told once."""
        return self._memory.state() if self._first else None

    def merge(self, state: Any) -> None:
        """What a forked process has told."""
        if state is not None:
            self._memory.merge(state)


class _Nobody:
    """Attached to what neither gives memory nor takes it back: it wants no hits."""

    name = "leaks"
    merge = None

    def filter(self, process: Any) -> bool:
        """Not of any process."""
        return False

    def handler(self, hit: Hit) -> None:
        """It is not called."""


class LeaksReport:
    """A table of stacks, those with the most bytes first.

    :param top: how many, 0: all
    :param followed: functions of memory among the events; 0: there is nothing to tell
    """

    title = "leaks"

    def __init__(self, memory: _Memory, top: int, *, followed: int) -> None:
        self._followed = followed
        self._found = sorted(memory.found().items(), key=lambda item: (-item[1][1], item[0]))
        self._asked, self._top = memory.asked, top

    def as_text(self) -> str:
        """Lines for people."""
        if not self._followed:
            return _NOTHING_FOLLOWED
        blocks, size = (sum(numbers[n] for _, numbers in self._found) for n in (0, 1))
        asked = f"of {self._asked[0]} blocks with {self._asked[1]} bytes"
        lines = [f"leaks: {blocks} blocks with {size} bytes were not given back, {asked}"]
        shown = self._found[: self._top] if self._top else self._found
        rows = [(str(numbers[0]), str(numbers[1]), " <- ".join(stack)) for stack, numbers in shown]
        lines += (
            [f"  {line}" for line in columns([("blocks", "bytes", "asked for by"), *rows])] if rows else []
        )
        if len(shown) < len(self._found):
            lines.append(f"  {len(self._found) - len(shown)} more stacks (top=0 shows all)")
        return "".join(f"{line}\n" for line in lines)

    def as_json(self) -> Any:
        """Title, all blocks and bytes that were asked for, and by stack those that were not given back."""
        stacks = [
            {"blocks": numbers[0], "bytes": numbers[1], "stack": list(stack)}
            for stack, numbers in self._found
        ]
        return {"title": self.title, "blocks": self._asked[0], "bytes": self._asked[1], "stacks": stacks}


class LeaksConsumer:
    """``-C leaks[:depth=N][,top=N]``: memory that was not given back, by stack."""

    name = "leaks"
    reports_often = True
    allowed: ClassVar[Mapping[str, str]] = {
        "depth": f"frames of a stack at most, {_DEPTH} if not given",
        "top": f"how many stacks to show, {_TOP} if not given, 0: all",
    }

    def __init__(self, options: Mapping[str, str]) -> None:
        chosen = Options(self.name, options, self.allowed)
        depth, self._top = chosen.number("depth", _DEPTH), chosen.number("top", _TOP)
        if not 1 <= depth <= 1024 or self._top < 0:
            raise UsageError(
                f"leaks cannot show {self._top} stacks of {depth} frames",
                hint="depth is 1 to 1024, top at least 0",
                slug="bad-option",
            )
        self._memory = _Memory(depth)
        self._attached = 0

    def attach(self, event: EventInfo, context: ConsumerContext) -> Any:
        """What follows the calls of *event*, whose name says what it does with memory."""
        role = None if event.is_return else _role_of(event.name)
        if role is None:
            return _Nobody()
        self._attached += 1
        return _Follower(self._memory, role, first=self._attached == 1)

    def report(self) -> LeaksReport:
        """What was not given back by now."""
        return LeaksReport(self._memory, self._top, followed=self._attached)
