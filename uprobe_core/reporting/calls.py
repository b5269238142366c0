"""What a page shows of records: the first of them as a tree, and all of them as a flame graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from uprobe_core.call_names import CallNames
from uprobe_core.call_pairs import Call, CallPairs, Step, What
from uprobe_core.call_words import call_texts
from uprobe_core.event_model import EventSpec, Record
from uprobe_core.value_text import values_text
from uprobe_core.writer import escaped

__all__ = ("MOST_CALLS", "CallsSeen")

MOST_CALLS = 50_000
"""Calls (and records that belong to none) in a page's tree."""
MOST_PATHS = 20_000
"""Different paths of calls in a flame graph."""

Node = list[Any]
"""[name, arguments and results, start, nanoseconds (None: it did not return), nodes inside]."""
Flame = dict[str, Any]
"""By name [weight, what is inside]."""


class CallsSeen:
    """Takes the records of a run.

    :param events: every probed location
    :ivar left_out: calls that are not in the tree
    """

    def __init__(self, events: Iterable[EventSpec]) -> None:
        events = list(events)
        self._pairs, self._names = CallPairs(events), CallNames(events)
        self._open: dict[tuple[int, int], list[tuple[Node, Flame]]] = {}
        self._tasks: dict[tuple[int, int], Node] = {}
        self._flame: Flame = {}
        self._calls = self._paths = 0
        self.left_out = 0

    def take(self, record: Record) -> None:
        """One record, in the order of hits; samples are in no call."""
        if record.event.is_sample:
            return
        for step in self._pairs.take(record):
            self._step(step)

    def _step(self, step: Step) -> None:
        what, call, record = step
        stack = self._open.get((record.pid, record.tid)) or self._begin(record)
        if what is What.ENTERED:
            stack.append((self._put(stack[-1][0], call), self._into(stack[-1][1], self._name(call))))
        elif what is What.POINT:
            self._point(self._put(stack[-1][0], call), call.entry, stack[-1][1])
        else:
            self._leave(stack, call)

    def _begin(self, record: Record) -> list[tuple[Node, Flame]]:
        key = record.pid, record.tid
        title = f"{escaped(record.comm)}-{record.tid}"
        node: Node = [title, "", record.timestamp_ns, None, []]
        self._tasks[key] = node
        self._open[key] = [(node, self._into(self._flame, title))]
        return self._open[key]

    def _put(self, around: Node, call: Call) -> Node:
        entry = call.entry
        node: Node = [self._name(call), ", ".join(values_text(entry)), entry.timestamp_ns, None, []]
        if self._calls < MOST_CALLS:
            self._calls += 1
            around[4].append(node)
        else:
            self.left_out += 1
        return node

    def _point(self, node: Node, record: Record, around: Flame) -> None:
        """A system call has its result and its time in itself."""
        if record.event.kind == "s":
            arguments, result, took = call_texts(record)
            node[1], node[3] = f"({', '.join(arguments)}) = {result}", took
            flame = self._into(around, node[0])
            flame["weight"] = flame.get("weight", 0) + took

    def _into(self, around: Flame, name: str) -> Flame:
        """The node of *name* inside of *around*; beyond the bound the node around it counts."""
        inside: Flame = around.setdefault("inside", {})
        if name not in inside:
            if self._paths >= MOST_PATHS:
                return {}
            self._paths += 1
            inside[name] = {"weight": 0}
        found: Flame = inside[name]
        return found

    def _name(self, call: Call) -> str:
        return escaped(self._names.of(call.entry.event))

    def _leave(self, stack: list[tuple[Node, Flame]], call: Call) -> None:
        node, flame = stack.pop()
        if call.leave is None:
            return
        node[3] = call.time
        results = [each for each in values_text(call.leave) if not each.startswith(("took=", "insns="))]
        node[1] = f"({node[1]})" + (f" = {', '.join(results).removeprefix('rv=')}" if results else "")
        if "weight" in flame:
            flame["weight"] += call.time

    def as_data(self) -> dict[str, Any]:
        """The tree by task and the flame graph, as plain data."""
        for step in self._pairs.flush():
            self._step(step)
        return {
            "tasks": [[title, _flat(nodes)] for title, _, _, _, nodes in self._tasks.values()],
            "left_out": self.left_out,
            "flame": _flat_flame(self._flame),
        }


def _flat(nodes: list[Node]) -> list[list[Any]]:
    """[depth, name, arguments and results, nanoseconds] of each, before those inside: they may be deep."""
    rows, todo = [], [(0, node) for node in reversed(nodes)]
    while todo:
        depth, (name, text, _, time, inside) = todo.pop()
        rows.append([depth, name, text, time])
        todo += ((depth + 1, node) for node in reversed(inside))
    return rows


def _flat_flame(whole: Flame) -> list[list[Any]]:
    """[depth, name, weight] of each, before those inside."""
    rows, todo = [], [(0, *each) for each in reversed(whole.get("inside", {}).items())]
    while todo:
        depth, name, node = todo.pop()
        rows.append([depth, name, node["weight"]])
        todo += ((depth + 1, *each) for each in reversed(node.get("inside", {}).items()))
    return rows
