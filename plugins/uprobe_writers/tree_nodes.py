"""The calls of one task as a tree that is printed as soon as nothing can change in it any more.

Calls of the same function in a row that look the same inside become one node
with a number; what differs between their arguments is left out.
"""

from __future__ import annotations

from hashlib import blake2b

__all__ = ("ELLIPSIS", "Node", "cut", "fold_into")

ELLIPSIS = "…"
"""In place of what differs between calls that were folded."""


class Node:
    """One call, or several that look the same.

    :ivar of: its event: functions of the same name are not folded into one
    :ivar values: arguments as text, then results
    :ivar given: how many of the values are arguments
    :ivar amount: nanoseconds or instructions of all *count* of them; None: it did not return
    :ivar hidden: neither it nor what is in it is shown
    :ivar opened: its first line is printed
    """

    __slots__ = (
        "amount",
        "children",
        "count",
        "given",
        "hidden",
        "inside",
        "name",
        "note",
        "of",
        "opened",
        "shape",
        "values",
    )

    def __init__(
        self, name: str, values: tuple[str, ...] = (), *, of: str = "", hidden: bool = False
    ) -> None:
        self.name, self.of, self.values, self.given = name, of, values, len(values)
        self.amount: int | None = None
        self.children: list[Node] = []
        self.count = 1
        self.hidden, self.opened = hidden, False
        self.inside = False
        self.note = ""
        self.shape = b""

    def close(self, amount: int | None, results: tuple[str, ...] = (), note: str = "") -> None:
        """It has returned, or will not."""
        self.amount, self.note = amount, note
        self.values = (*self.values, *results)
        inside = tuple((child.count, child.shape) for child in self.children)
        # A digest, since calls may be nested deeper than Python compares tuples.
        self.shape = blake2b(
            repr((self.name, self.of, note, len(self.values), inside)).encode(), digest_size=16
        ).digest()


def cut(node: Node, depth: int) -> None:
    """Leave out what is nested deeper in *node* than *depth*; below 0: nothing."""
    if depth == 0:
        node.children = []
    elif depth > 0:
        for child in node.children:
            cut(child, depth - 1)


def fold_into(children: list[Node], node: Node) -> bool:
    """Add *node* behind *children*; whether it became one with the last of them."""
    last = children[-1] if children else None
    if last is None or last.opened or last.shape != node.shape:
        children.append(node)
        return False
    _merge(last, node)
    last.count += node.count
    return True


def _merge(one: Node, other: Node) -> None:
    todo = [(one, other)]
    while todo:
        one, other = todo.pop()
        if one.amount is not None and other.amount is not None:
            one.amount += other.amount
        one.values = tuple(a if a == b else ELLIPSIS for a, b in zip(one.values, other.values, strict=True))
        todo += zip(one.children, other.children, strict=True)
