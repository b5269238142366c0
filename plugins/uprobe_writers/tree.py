"""A call tree: what is called in what, task by task, with arguments, results and how long it took.

Lines are printed when nothing can change in them any more: that of a call that is
short enough to be left out, or that looks like the one before it, is known when it has returned.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import BinaryIO, ClassVar

from uprobe_core.call_pairs import Call, CallPairs, Step, What
from uprobe_core.errors import UsageError
from uprobe_core.terminal_text import broken, cells, columns_of
from uprobe_core.value_text import values_text
from uprobe_core.writer import Record, RunHeader
from uprobe_writers.tree_nodes import Node, cut, fold_into
from uprobe_writers.tree_text import Look, call_of, results_of

__all__ = ("TreeWriter",)

_MOST = 2000
"""Nodes that wait in the tree of a task before it is printed as far as it is known."""
_CHOICES = {"unit": ("time", "insns"), "fold": ("yes", "no"), "color": ("auto", "always", "never")}
_LEFT = "did not return"
_LATE = "returned on another stack"
"""Of a call that seemed not to return, as the program had gone on elsewhere."""
_INHERITED = "entered before the fork"


class _Task:
    """One task: the calls that it is in, the outermost first; the first is the task itself."""

    def __init__(self, comm: str, tid: int) -> None:
        self.comm, self.tid = comm, tid
        self.open = [Node("")]
        self.open[0].opened = True
        self.waiting, self.printed = 0, False

    @property
    def shown(self) -> list[Node]:
        """Those of the open ones that are shown."""
        return [node for node in self.open if not node.hidden]


class TreeWriter:
    """``--format tree[:key=value,...]``; the options are below."""

    wants_frames = True
    options: ClassVar[Mapping[str, str]] = {
        "depth": "calls that are nested at most so deep",
        "min_time": "nanoseconds that a call has to take to be shown",
        "tree_of": "the function whose calls are shown",
        "unit": "time or insns: what stands in the first column",
        "fold": "yes or no: whether calls that look the same become one line",
        "color": "auto, always or never",
    }

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None:
        given = header.options
        for name, words in _CHOICES.items():
            if given.get(name, words[0]) not in words:
                raise UsageError(
                    f"option {name!r} of format tree is {given[name]!r}",
                    hint=f"one of {', '.join(words)}",
                    slug="bad-option",
                )
        self._depth, self._least = _number(given, "depth"), _number(given, "min_time")
        self._root, self._unit = given.get("tree_of"), given.get("unit", "time")
        self._folds = given.get("fold", "yes") == "yes"
        self._stream = stream
        self._look = Look(self._unit, color=_is_colored(stream, given.get("color", "auto")))
        self._columns = columns_of(stream.fileno()) if stream.isatty() else 0
        self._pairs = CallPairs(header.events)
        self._tasks: dict[tuple[int, int], _Task] = {}
        self._shown: _Task | None = None

    def write(self, record: Record) -> None:
        """One record: a call begins or ends, or a point in one."""
        for step in self._pairs.take(record):
            self._step(step)

    def _step(self, step: Step) -> None:
        what, call, record = step
        task = self._tasks.get((record.pid, record.tid))
        if task is None:
            task = self._tasks[record.pid, record.tid] = _Task(record.comm, record.tid)
        if what is What.ENTERED:
            task.open.append(self._node(task, call))
        elif what is What.POINT:
            self._keep(task, self._point(task, call))
        else:
            self._leave(task, call, what)

    def _point(self, task: _Task, call: Call) -> Node:
        """A system call, a return whose entry is not known, or a place that was passed."""
        node, record = self._node(task, call), call.entry
        if record.event.kind == "s":
            node.values, node.given, results, took = call_of(record)
            node.close(took if self._unit == "time" else None, results)
            node.shape += repr(node.values).encode()  # which file it was is what one looks for
        elif record.event.is_return:
            node.values, node.given = (), 0
            if call.inherited and self._root is None and not task.printed:
                node.children, task.open[0].children = task.open[0].children, []
                cut(node, self._depth - 1)
            note = _INHERITED if call.inherited else _LATE if call.late else ""
            node.close(self._measured(record), results_of(record), note)
        else:
            node.close(None)
        return node

    def _node(self, task: _Task, call: Call) -> Node:
        event, around = call.entry.event, task.open[-1]
        inside = around.inside or self._root is None or fnmatchcase(event.label, self._root)
        level = len(task.shown)
        node = Node(
            event.label,
            values_text(call.entry),
            of=event.full_name,
            hidden=not inside or 0 < self._depth < level,
        )
        node.inside = inside
        return node

    def _leave(self, task: _Task, call: Call, what: What) -> None:
        node, leave = task.open.pop(), call.leave
        if leave is None or what is What.LEFT:
            node.close(None, note=_LEFT)
        else:
            node.close(self._amount(call, leave), results_of(leave))
        if node.opened:
            depth = len(task.shown)
            self._print_children(task, node, depth)
            self._print(task, node, depth - 1, "close")
        elif leave is None or call.time >= self._least:
            self._keep(task, node)

    def _amount(self, call: Call, leave: Record) -> int:
        return call.time if self._unit == "time" else self._measured(leave) or 0

    def _measured(self, leave: Record) -> int | None:
        """What the record of a return says of its call, in the unit of the first column."""
        names = [arg.name for arg in leave.event.args]
        wanted = "took" if self._unit == "time" else "insns"
        value = leave.values[names.index(wanted)] if wanted in names else None
        return value if isinstance(value, int) else None

    def _keep(self, task: _Task, node: Node) -> None:
        """*node* is complete: it waits in the call that it is in."""
        if node.hidden:
            return
        children = task.shown[-1].children
        if self._folds and fold_into(children, node):
            return
        if not self._folds:
            children.append(node)
        task.waiting += 1
        if task.waiting > _MOST:
            self._print_known(task)

    def known(self) -> None:
        """The program waits and somebody watches: print what is known, and the calls that it is in."""
        for step in self._pairs.flush():
            self._step(step)
        for task in self._tasks.values():
            self._print_known(task, rest=True)

    def _print_known(self, task: _Task, *, rest: bool = False) -> None:
        """Print what is known of the tree.

        :param rest: also the last call, which may be one with the next
        """
        shown = task.shown
        while self._least and len(shown) > 1 and not (shown[-1].opened or shown[-1].children):
            del shown[-1]  # it may be too short to be shown
        for depth, (around, node) in enumerate(pairwise(shown)):
            self._print_children(task, around, depth)
            if not node.opened:
                node.opened = True
                self._print(task, node, depth, "open")
        last = shown[-1]
        split = len(last.children) if rest else -1
        held, last.children = last.children[split:], last.children[:split]
        self._print_children(task, last, len(shown) - 1)
        last.children = held
        task.waiting = len(held)

    def _print_children(self, task: _Task, node: Node, depth: int) -> None:
        for child in node.children:
            self._print_whole(task, child, depth)
            task.printed = True
        node.children = []

    def _print_whole(self, task: _Task, node: Node, depth: int) -> None:
        """A call with all that was called in it, however deep that is."""
        todo = [(node, depth, "open")]
        while todo:
            node, depth, part = todo.pop()
            if part == "close" or not node.children:
                self._print(task, node, depth, part if part == "close" else "leaf")
                continue
            self._print(task, node, depth, "open")
            todo.append((node, depth, "close"))
            todo += [(child, depth + 1, "open") for child in reversed(node.children)]

    def _print(self, task: _Task, node: Node, depth: int, part: str) -> None:
        if task is not self._shown:
            self._shown = task
            self._put(self._look.task(task.comm, task.tid))
        before, text = self._look.line(node, depth, part)
        room = self._columns - cells(self._look.more(depth))
        first, *rest = broken(text, room) if cells(before + text) > self._columns > 0 else (text,)
        self._put((before + first).rstrip())
        for each in rest:
            self._put(self._look.more(depth) + each)

    def _put(self, line: str) -> None:
        self._stream.write(f"{line}\n".encode("utf-8", "surrogateescape"))

    def close(self) -> None:
        """Calls that never returned are said to be so, and everything that waits is printed."""
        for step in self._pairs.finish():
            self._step(step)
        for task in self._tasks.values():
            self._print_children(task, task.open[0], 0)
        if self._tasks and self._shown is None:
            self._put("# there were calls, but none that --min-time, --tree-of and --depth leave in")


def _number(given: Mapping[str, str], name: str) -> int:
    text = given.get(name, "0")
    if not text.isdecimal():
        raise UsageError(
            f"option {name!r} of format tree is {text!r}", hint="a whole number", slug="bad-option"
        )
    return int(text)


def _is_colored(stream: BinaryIO, choice: str) -> bool:
    """On a terminal that has colours, unless NO_COLOR says otherwise (no-color.org)."""
    if choice != "auto":
        return choice == "always"
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()
