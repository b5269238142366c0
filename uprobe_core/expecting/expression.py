"""The language of expectations: comparisons of what a run found, ``work.hits == 5 && malloc.sum(n) < 1M``.

Words and operators are those of event filters, with arithmetic::

    either     = both ("||" both)*
    both       = compared ("&&" compared)*
    compared   = sum [("==" | "!=" | "<" | "<=" | ">" | ">=") sum]
    sum        = product (("+" | "-") product)*
    product    = single (("*" | "/") single)*
    single     = ("!" | "-") single | "(" either ")" | NUMBER[UNIT] | "baseline" | QUANTITY
    QUANTITY   = NAME["/"NAME]("." NAME)*["(" TEXT ")"]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from uprobe_core.errors import UsageError

__all__ = (
    "Baseline",
    "Expectation",
    "Negation",
    "Node",
    "Number",
    "Operation",
    "Quantity",
    "parse_expectation",
)

UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
"""Times are nanoseconds, sizes powers of 1024, as everywhere."""
_DEEPEST = 20
"""Parentheses in one another at most."""
_LONGEST = 200
"""Operators at most."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it stands there, its unit applied."""

    value: float


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the other side of the comparison came to in the baseline."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that is found, ``OWNER.PATH(ARGUMENT)``.

    :param owner: an event's or consumer's name, [GROUP/]NAME
    :param path: the names behind it
    :param argument: the text in parentheses, None without
    """

    owner: str
    path: tuple[str, ...]
    argument: str | None = None

    def __str__(self) -> str:
        behind = "" if self.argument is None else f"({self.argument})"
        return ".".join((self.owner, *self.path)) + behind


@dataclass(frozen=True, slots=True)
class Negation:
    """``!inner`` or ``-inner``."""

    operator: str
    inner: Node


@dataclass(frozen=True, slots=True)
class Operation:
    """Two sides and what is between them."""

    operator: str
    left: Node
    right: Node


Node = Number | Baseline | Quantity | Negation | Operation


@dataclass(frozen=True, slots=True)
class Expectation:
    """A statement that must hold.

    :param text: as written, surrounding blanks removed
    """

    text: str
    root: Node

    @property
    def quantities(self) -> list[Quantity]:
        """Everything that it names, each once, in order."""
        return list(dict.fromkeys(n for n in _nodes(self.root) if isinstance(n, Quantity)))

    @property
    def compares_with_baseline(self) -> bool:
        """Whether it speaks of a baseline."""
        return any(isinstance(node, Baseline) for node in _nodes(self.root))


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, Operation):
        yield from _nodes(node.left)
        yield from _nodes(node.right)
    elif isinstance(node, Negation):
        yield from _nodes(node.inner)


def parse_expectation(text: str) -> Expectation:
    """The expectation in *text*; raises UsageError, which shows how far it was understood."""
    return _Parser(text.strip()).parse()


_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?)([A-Za-z]*)")
_NAME = re.compile(r"[A-Za-z_]\w*(?:/[A-Za-z_]\w*)?(?:\.\w+)*")
_COMPARED = ("==", "!=", "<=", ">=", "<", ">")


class _Parser:
    """Recursive descent over one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.operators = 0

    def parse(self) -> Expectation:
        root = self.either()
        if self.at < len(self.text):
            raise self.error("an operator or the end is expected")
        return Expectation(self.text, root)

    def error(self, what: str) -> UsageError:
        rest = self.text[self.at :]
        return UsageError(
            f"expectation {self.text!r}: {what} at {rest!r}"
            if rest
            else f"expectation {self.text!r}: {what}",
            hint="such as 'work.hits == 5', 'latency.p99 < 20us', 'malloc.sum(size) <= baseline * 1.05'",
            slug="bad-expectation",
        )

    def takes(self, *words: str) -> str:
        """The first of *words* that stands here, passed over; "" if none does."""
        for word in words:
            if self.text.startswith(word, self.at):
                self.skip(len(word))
                return word
        return ""

    def skip(self, count: int) -> None:
        found = _SPACE.match(self.text, self.at + count)
        assert found is not None
        self.at = found.end()

    def joined(self, part: Callable[[], Node], *operators: str) -> Node:
        """Parts with *operators* between them, from left to right."""
        left = part()
        while operator := self.takes(*operators):
            self.operators += 1
            if self.operators > _LONGEST:
                raise self.error("too many operators")
            left = Operation(operator, left, part())
        return left

    def either(self) -> Node:
        return self.joined(self.both, "||")

    def both(self) -> Node:
        return self.joined(self.compared, "&&")

    def compared(self) -> Node:
        left = self.sum()
        operator = self.takes(*_COMPARED)
        return Operation(operator, left, self.sum()) if operator else left

    def sum(self) -> Node:
        return self.joined(self.product, "+", "-")

    def product(self) -> Node:
        return self.joined(self.single, "*", "/")

    def single(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error("too many parentheses")
        try:
            if operator := self.takes("!", "-"):
                return Negation(operator, self.single())
            if self.takes("("):
                inner = self.either()
                if not self.takes(")"):
                    raise self.error("')' is missing")
                return inner
            return self.word()
        finally:
            self.depth -= 1

    def word(self) -> Node:
        if number := _NUMBER.match(self.text, self.at):
            return self.number(number)
        name = _NAME.match(self.text, self.at)
        if name is None:
            raise self.error("a number or a name is expected")
        self.at = name.end()
        argument = self.argument() if self.text.startswith("(", self.at) else None
        self.skip(0)
        if name[0] == "baseline" and argument is None:
            return Baseline()
        owner, *path = name[0].split(".")
        return Quantity(owner, tuple(path), argument)

    def number(self, found: re.Match[str]) -> Number:
        digits, unit = found[1], found[2]
        if unit and (unit not in UNITS or digits[:2] in ("0x", "0X")):
            raise self.error(f"unit {unit!r} is none of {', '.join(UNITS)}")
        try:
            value = float(digits) if "." in digits else int(digits, 0)
        except ValueError:
            raise self.error("a number does not begin with 0") from None
        self.skip(found.end() - self.at)
        return Number(value * UNITS[unit] if unit else value)

    def argument(self) -> str:
        """What stands in the parentheses here, up to the one that closes them; quotes hide others."""
        start, depth, quote = self.at + 1, 0, ""
        for at in range(self.at, len(self.text)):
            char = self.text[at]
            if quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
            else:
                depth += (char == "(") - (char == ")")
            if not depth:
                self.at = at + 1
                return self.text[start:at].strip()
        raise self.error("')' is missing")
