"""``-C graph``: who calls what, how often and for how long, over all calls of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from uprobe_core.actions import CallGraph, Path
from uprobe_core.consumer import ConsumerContext, EventInfo
from uprobe_core.errors import UsageError
from uprobe_core.source_names import without_parameters
from uprobe_core.terminal_text import cells, cut
from uprobe_core.value_text import indented, short_time, time_text
from uprobe_counter.consumers import is_system_call
from uprobe_counter.options import Options

__all__ = ("GraphConsumer", "GraphReport")


_NARROW = 60
"""Columns of a terminal on which what stands before a name is shorter."""
_LEAST = 8
"""Columns that a name has at least, however deep it is."""


class _Node:
    """A function in its callers.

    :ivar time: of its calls, or of what they called if that is more: they did not return
    """

    def __init__(self) -> None:
        self.calls = self.time = 0
        self.inside: dict[str, _Node] = {}

    def add(self, path: Path, calls: int, time: int) -> None:
        node = self
        for name in path:
            node = node.inside.get(name) or node.inside.setdefault(name, _Node())
        node.calls += calls
        node.time += time


class GraphReport:
    """The graph as a tree: the calls of one function, or of all that are called by none.

    :param root: a name or a glob, None for all
    :ivar leaves_out: there were system calls, which are not in it
    :ivar is_known: there is a function that *root* means
    """

    title = "graph"
    leaves_out = False
    is_known = True

    def __init__(
        self, found: Mapping[Path, tuple[int, int]], root: str | None, depth: int, lost: int
    ) -> None:
        self._tree, self._depth, self._lost = _Node(), depth, lost
        self.title = "graph of calls" + (f" in {root}" if root else "")
        for path, (calls, time) in found.items():
            at = next((n for n, name in enumerate(path) if root is None or _is_called(name, root)), None)
            if at is not None:
                self._tree.add(path[at:], calls, time)
        for _, _, node in reversed(list(_walk(self._tree))):  # those inside first; calls may be nested deep
            node.time = max(node.time, sum(each.time for each in node.inside.values()))

    def as_text(self) -> str:
        """Lines for people: time, calls, the function indented below who calls it."""
        return self.fitted(0)

    def fitted(self, columns: int) -> str:
        """The same for a terminal: names without their middle."""
        lines = [self.title, *_lines(self._tree, self._depth, columns)]
        if len(lines) == 1:
            why = "no call returned" if self.is_known else "no function that is followed is called so"
            lines.append(f"  {why}")
        if self._lost:
            lines.append(f"  {self._lost} calls lost (max_keys)")
        if self.leaves_out:
            lines.append("  system calls are not in it")
        return "".join(f"{line}\n" for line in lines)

    def as_json(self) -> Any:
        """Title and tree, each function behind its caller: depth, name, calls, nanoseconds."""
        rows = [
            {"depth": depth, "name": name, "calls": node.calls, "time": node.time}
            for depth, name, node in _walk(self._tree)
        ]
        return {"title": self.title, "tree": rows}


def _is_called(name: str, pattern: str) -> bool:
    """Whether a function matches, with what tells it from namesakes or without."""
    bare = without_parameters(name)
    return any(fnmatchcase(each, pattern) for each in (name, bare, bare.rpartition("/")[2]))


def _walk(root: _Node) -> Iterator[tuple[int, str, _Node]]:
    """Depth, name and node of all in *root*, each before those in it, of which the longest come first."""
    todo = [(0, name, node) for name, node in _sorted(root)]
    while todo:
        depth, name, node = todo.pop()
        yield depth, name, node
        todo += ((depth + 1, *each) for each in _sorted(node))


def _sorted(node: _Node) -> list[tuple[str, _Node]]:
    """The longest is the last."""
    return sorted(node.inside.items(), key=lambda each: (-each[1].time, each[0]), reverse=True)


def _lines(root: _Node, most: int, columns: int) -> Iterator[str]:
    for depth, name, node in _walk(root):
        if not most or depth < most:
            calls = str(node.calls) if node.calls else ""
            is_narrow = 0 < columns < _NARROW
            head = (
                f"{short_time(node.time):>8} {calls:>4} "
                if is_narrow
                else f"{time_text(node.time):>12}  {calls:>8}  "
            )
            head += indented(depth)
            room = max(columns - cells(head), _LEAST) if columns else 0
            yield head + (cut(name, room) if room else name)


class GraphConsumer:
    """``-C graph[:of=FUNC][,depth=N][,max_keys=N]``: what is called in what, added up over the run."""

    name = "graph"
    reports_often = True
    reads_arguments = False
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
        self._used = self._leaves_out = False

    def attach(self, event: EventInfo, context: ConsumerContext) -> CallGraph:
        """The graph, which all events share."""
        self._used = True
        self._leaves_out |= is_system_call(event)
        return self._graph

    def report(self) -> GraphReport | None:
        """The graph; None if there was no event."""
        if not self._used:
            return None
        report = GraphReport(self._graph.result(), self._of, self._depth, self._graph.lost)
        report.leaves_out = self._leaves_out
        report.is_known = self._of is None or any(
            _is_called(name, self._of) for name in self._graph.functions()
        )
        return report
