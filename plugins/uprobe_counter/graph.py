"""``-C graph``: who calls what, how often and for how long, over all calls of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from uprobe_core.actions import CallGraph, Path
from uprobe_core.consumer import ConsumerContext, EventInfo
from uprobe_core.errors import UsageError
from uprobe_core.value_text import time_text
from uprobe_counter.options import Options

__all__ = ("GraphConsumer", "GraphReport")


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
        self._graph = CallGraph(max_keys=given.number("max_keys", 1 << 17))
        self._used = False

    def attach(self, event: EventInfo, context: ConsumerContext) -> CallGraph:
        """The graph, which all events share."""
        self._used = True
        return self._graph

    def report(self) -> GraphReport | None:
        """The graph; None if there was no event."""
        if not self._used:
            return None
        return GraphReport(self._graph.result(), self._of, self._depth, self._graph.lost)
