"""``-C heap[:top=N][,depth=N]``: what is still allocated at the end, by the stack that allocated it.

The names of an event's arguments say what it tells of the heap, so any allocator can be looked at:

* a return event with ``block`` and ``size`` has allocated; with ``count`` too, so many of *size*;
  with ``old`` too, that block has moved here;
* an entry event with ``block`` has freed.

``-C heap:block=ptr,size=n`` is for events whose arguments have other names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from uprobe_core.consumer import ConsumerContext, EventInfo, Frame, Hit, ReturnHit
from uprobe_core.errors import UsageError

__all__ = ("HeapConsumer",)

Stack = tuple[Frame, ...]
Found = tuple[Counter[Stack], Counter[Stack], int]
"""Bytes and blocks by stack, and the most bytes that a process had at once."""
NAMES = ("block", "size", "count", "old")
"""What the arguments of events are called, unless options say otherwise."""


class Heap:
    """The blocks of one process, and what those that have ended left allocated."""

    def __init__(self) -> None:
        self.live: dict[int, tuple[int, Stack]] = {}
        self.now = self.peak = 0
        self.ended: list[Found] = []
        self.is_told = False

    def add(self, block: int, size: int, stack: Stack) -> None:
        self.remove(block)  # of an allocation whose free was not seen
        self.live[block] = size, stack
        self.now += size
        self.peak = max(self.peak, self.now)

    def remove(self, block: int) -> None:
        size, _ = self.live.pop(block, (0, ()))
        self.now -= size

    def found(self) -> Found:
        """What this process has now."""
        sizes: Counter[Stack] = Counter()
        blocks: Counter[Stack] = Counter()
        for size, stack in self.live.values():
            sizes[stack] += size
            blocks[stack] += 1
        return sizes, blocks, self.peak

    def all_found(self) -> Found:
        """The same with the processes that have ended; the peak is the largest of any."""
        sizes, blocks, peak = self.found()
        for more_sizes, more_blocks, another in self.ended:
            sizes.update(more_sizes)
            blocks.update(more_blocks)
            peak = max(peak, another)
        return sizes, blocks, peak

    def forget(self) -> None:
        """A new program has a new heap; so has, for the report, a forked process: the blocks that
        it inherits are its parent's, and counting them again would show each leak once a process.
        """
        self.live.clear()
        self.now = self.peak = 0
        self.ended.clear()
        self.is_told = False


class Blocks:
    """What one event tells of the heap that all events of the run share."""

    name = "heap"

    def __init__(self, heap: Heap, names: Mapping[str, str]) -> None:
        self.heap = heap
        self.block, self.size, self.count, self.old = (names[each] for each in NAMES)

    def fork(self) -> None:
        self.heap.forget()

    def exec(self, process: object) -> None:
        self.heap.forget()

    def finish(self) -> Found | None:
        """What is left; the first event of a process that is asked answers for all of them."""
        told, self.heap.is_told = self.heap.is_told, True
        return None if told else self.heap.found()

    def merge(self, found: Found | None) -> None:
        if found is not None:
            self.heap.ended.append(found)


class Allocates(Blocks):
    """A return event with ``block`` and ``size``."""

    depth = 16

    def ret_handler(self, hit: ReturnHit) -> None:
        args = hit.args
        if not args[self.block]:
            return  # no memory, or realloc(p, 0)
        self.heap.remove(args.get(self.old, 0))
        self.heap.add(args[self.block], args[self.size] * args.get(self.count, 1), hit.stack(self.depth))


class Frees(Blocks):
    """An entry event with ``block``."""

    def handler(self, hit: Hit) -> None:
        self.heap.remove(hit.args[self.block])


class HeapReport:
    """What is printed at the end of the run."""

    title = "heap"

    def __init__(self, found: Found, top: int) -> None:
        self.sizes, self.blocks, self.peak = found
        self.top = top

    def as_text(self) -> str:
        total, number = self.sizes.total(), self.blocks.total()
        lines = [f"heap: {total} bytes in {number} blocks at the end, {self.peak} bytes at most"]
        for stack, size in self.sizes.most_common(self.top):
            lines.append(f"  {size} bytes in {self.blocks[stack]} blocks from")
            lines += [f"    {frame:#x}  {frame.name}" for frame in stack]
        return "\n".join(lines) + "\n"

    def as_json(self) -> Any:
        stacks = [
            {"bytes": size, "blocks": self.blocks[stack], "stack": [frame.name for frame in stack]}
            for stack, size in self.sizes.most_common()
        ]
        return {"bytes": self.sizes.total(), "peak": self.peak, "stacks": stacks}


class HeapConsumer:
    """The plugin: constructed once with the options of ``-C``."""

    name = "heap"

    def __init__(self, options: Mapping[str, str]) -> None:
        unknown = set(options) - {"top", "depth", *NAMES}
        if unknown:
            raise UsageError(
                f"heap has no option {min(unknown)!r}", hint=f"options: top, depth, {', '.join(NAMES)}"
            )
        self.top = _number(options, "top", 10)
        self.depth = _number(options, "depth", 16)
        self.names = {name: options.get(name, name) for name in NAMES}
        self.heap = Heap()
        self.attached = False

    def attach(self, event: EventInfo, context: ConsumerContext) -> Blocks:
        needed = ("block", "size") if event.is_return else ("block",)
        missing = [self.names[name] for name in needed if self.names[name] not in event.names]
        if missing:
            raise UsageError(
                f"heap needs an argument {missing[0]!r} of the event {event.name}",
                hint="r:N PATH:FUNC block=$retval size=$arg1 allocates, p:N PATH:FUNC block=$arg1 frees",
            )
        self.attached = True
        if not event.is_return:
            return Frees(self.heap, self.names)
        allocates = Allocates(self.heap, self.names)
        allocates.depth = self.depth
        return allocates

    def report(self) -> HeapReport | None:
        return HeapReport(self.heap.all_found(), self.top) if self.attached else None


def _number(options: Mapping[str, str], name: str, default: int) -> int:
    text = options.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise UsageError(f"heap: {name}={text} is no number of 1 to 1024")
    return int(text)
