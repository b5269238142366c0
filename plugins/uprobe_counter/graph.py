"""``-C graph``: who calls what, how often and for how long, over all calls of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from uprobe_core.actions import Action
from uprobe_core.consumer import ConsumerContext, EventInfo, Hit, ReturnHit
from uprobe_core.errors import UsageError
from uprobe_core.value_text import time_text
from uprobe_counter.options import Options

__all__ = ("Graph", "GraphConsumer", "GraphReport")

Path = tuple[str, ...]


class _Follower:
    """Attached to one event: its calls push and pop the path of their task."""

    name = "graph"
    reads_values = False

    def __init__(self, graph: Graph, function: str) -> None:
        self._graph, self._function = graph, function

    def handler(self, hit: Hit) -> None:
        """A call begins."""
        calls = self._graph.open.setdefault((hit.pid, hit.tid), [])
        register = hit.registers.link
        sp, link = hit.sp, 0 if register is None else hit.reg(register)
        # Deeper frames are gone, left by a longjmp; one at the same depth is there if it jumped here.
        while calls and (calls[-1][1] < sp or (calls[-1][1] == sp and calls[-1][2] != link)):
            calls.pop()
        calls.append((self._function, sp, link))
        hit.cookie = len(calls)

    def ret_handler(self, hit: ReturnHit) -> None:
        """A call returns; those that it has jumped over are gone."""
        calls = self._graph.open.get((hit.pid, hit.tid), [])
        del calls[hit.cookie :]
        if calls:
            self._graph.emit((tuple(call[0] for call in calls), hit.latency_ns))
            calls.pop()


class Graph(Action):
    """Calls and their time by the path of calls that they were in; one for all events."""

    name = "graph"
    at_return = True

    def __init__(self, max_keys: int) -> None:
        super().__init__(max_keys=max_keys)
        self.open: dict[tuple[int, int], list[tuple[str, int, int]]] = {}
        """By task the calls that it is in: function, stack pointer and return address at their entry."""
        self.paths: dict[Path, list[int]] = {}

    def attach(self, event: EventInfo, context: Any = None) -> Any:
        """What follows the calls of *event*."""
        location = getattr(getattr(event, "spec", None), "location", "")
        return _Follower(self, location.partition("(")[0] or event.name)

    def apply(self, measurement: tuple[Path, int]) -> None:
        """Add one call."""
        path, time = measurement
        entry = self.paths.get(path)
        if entry is not None:
            entry[0] += 1
            entry[1] += time
        elif self.has_room(len(self.paths)):
            self.paths[path] = [1, time]

    def result(self) -> dict[Path, tuple[int, int]]:
        """By path, the outermost function first: calls that returned, and nanoseconds in them."""
        self.sync()
        return {path: (calls, time) for path, (calls, time) in self.paths.items()}


class _Node:
    def __init__(self) -> None:
        self.calls = self.time = 0
        self.inside: dict[str, _Node] = {}

    def add(self, path: Path, calls: int, time: int) -> None:
        node = self
        for name in path:
            node = node.inside.setdefault(name, _Node())
        node.calls += calls
        node.time += time

    @property
    def weight(self) -> int:
        """Its time; of calls that did not return, that of what they called."""
        return max(self.time, sum(node.weight for node in self.inside.values()))


class GraphReport:
    """The graph as a tree: the calls of one function, or of all that are called by none.

    :param root: a name or a glob, None for all
    """

    title = "graph"

    def __init__(
        self, found: Mapping[Path, tuple[int, int]], root: str | None, depth: int, lost: int
    ) -> None:
        self._tree, self._depth, self._lost = _Node(), depth, lost
        self.title = "graph of calls" + (f" in {root}" if root else "")
        for path, (calls, time) in found.items():
            at = next((n for n, name in enumerate(path) if root is None or fnmatchcase(name, root)), None)
            if at is not None:
                self._tree.add(path[at:], calls, time)

    def as_text(self) -> str:
        """Lines for people: time, calls, the function indented below who calls it."""
        lines = [self.title, *(f"  {line}" for line in _lines(self._tree, self._depth))]
        if len(lines) == 1:
            lines.append("  no call returned")
        if self._lost:
            lines.append(f"  {self._lost} calls lost (max_keys)")
        return "".join(f"{line}\n" for line in lines)

    def as_json(self) -> Any:
        """Title and tree: name, calls, nanoseconds, inside."""
        return {"title": self.title, "tree": _plain(self._tree)}


def _sorted(node: _Node) -> list[tuple[str, _Node]]:
    return sorted(node.inside.items(), key=lambda each: (-each[1].weight, each[0]))


def _lines(node: _Node, depth: int, level: int = 0) -> Iterator[str]:
    for name, inside in _sorted(node):
        calls = str(inside.calls) if inside.calls else ""
        yield f"{time_text(inside.weight):>10}  {calls:>8}  {'  ' * level}{name}"
        if not depth or level + 1 < depth:
            yield from _lines(inside, depth, level + 1)


def _plain(node: _Node) -> list[dict[str, Any]]:
    return [
        {"name": name, "calls": inside.calls, "time": inside.weight, "inside": _plain(inside)}
        for name, inside in _sorted(node)
    ]


class GraphConsumer:
    """``-C graph[:of=FUNC][,depth=N][,max_keys=N]``: what is called in what, added up over the run."""

    name = "graph"
    reports_often = True
    allowed: ClassVar[Mapping[str, str]] = {
        "of": "the function (a name or a glob) whose calls are shown",
        "depth": "how deep",
        "max_keys": "different paths of calls at most",
    }

    def __init__(self, options: Mapping[str, str]) -> None:
        given = Options(self.name, options, self.allowed)
        self._of, self._depth = given.text("of"), given.number("depth", 0)
        if self._depth < 0:
            raise UsageError(f"graph depth {self._depth}", hint="at least 0", slug="bad-option")
        self._graph = Graph(given.number("max_keys", 1 << 17))
        self._used = False

    def attach(self, event: EventInfo, context: ConsumerContext) -> Graph:
        """The graph, which all events share."""
        self._used = True
        return self._graph

    def report(self) -> GraphReport | None:
        """The graph; None if there was no event."""
        if not self._used:
            return None
        return GraphReport(self._graph.result(), self._of, self._depth, self._graph.lost)
