"""Expressions of the source: ``o->level``, ``*p``, ``&x``, ``arr[2].name``, ``(struct foo *)p``."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ("BadExpressionError", "Expression", "Step", "parse_expression")

_NAME = re.compile(
    r"(?:::)?[A-Za-z_~][A-Za-z0-9_]*(?:<[^<>]*(?:<[^<>]*>[^<>]*)*>)?(?:::[A-Za-z_~][A-Za-z0-9_]*(?:<[^<>]*>)?)*"
)
_BASE = re.compile(r"[%$][A-Za-z][A-Za-z0-9]*")
_MEMBER = re.compile(rf"{_NAME.pattern}|[0-9]+")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+")
_CAST = re.compile(r"\(\s*(?P<name>[A-Za-z_][\w:<>, ]*?)\s*(?P<stars>(?:\*\s*)*)\)(?=\s*[A-Za-z_%$(*&0-9])")
_FORMS = "write o->level, o.in.b, arr[2], *p, &x"
_TAGS = ("struct", "union", "enum", "const", "unsigned")
_MOST = 64


class BadExpressionError(Exception):
    """What is wrong, and where.

    :param column: in the expression
    """

    def __init__(self, text: str, column: int, hint: str = "") -> None:
        super().__init__(text)
        self.text, self.column, self.hint = text, column, hint


@dataclass(frozen=True, slots=True)
class Step:
    """What is done to a value.

    :param kind: ".", "->", "[", "*", "&" or "(": a cast
    :param name: of a member or type; :param number: an index, or how many ``*`` a cast has
    """

    kind: str
    column: int
    name: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Expression:
    """Something with a name, and what is done to it, in that order.

    :param base: a name, or ``%reg``, ``$retval``, ``$argN``
    """

    base: str
    column: int
    steps: tuple[Step, ...]


def parse_expression(text: str) -> Expression:
    """What *text* says; raises BadExpressionError."""
    parser = _Parser(text)
    found = parser.unary(0)
    if parser.at < len(text):
        raise BadExpressionError(f"what is {text[parser.at :]!r}?", parser.at, _FORMS)
    return found


class _Parser:
    """Reads from *at* on."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def unary(self, depth: int) -> Expression:
        """``*E``, ``&E``, ``(TYPE)E`` or a name with what follows it."""
        if depth > _MOST:
            raise BadExpressionError("too deep", self.at)
        self._blank()
        start = self.at
        head = self._text[start : start + 1]
        cast = _CAST.match(self._text, start) if head == "(" else None
        if cast is not None:
            self.at = cast.end()
            inner = self.unary(depth + 1)
            return self._then(inner, Step("(", start, cast["name"], cast["stars"].count("*")))
        if head and head in "*&":
            self.at += 1
            return self._then(self.unary(depth + 1), Step(head, start))
        return self._postfix(depth)

    @staticmethod
    def _then(inner: Expression, step: Step) -> Expression:
        return Expression(inner.base, inner.column, (*inner.steps, step))

    def _postfix(self, depth: int) -> Expression:
        found = self._primary(depth)
        while len(found.steps) <= _MOST:
            self._blank()
            start = self.at
            if self._take("->") or self._take("."):
                kind = "." if self._text[start] == "." else "->"
                found = self._then(found, Step(kind, self.at, self._match(_MEMBER, "the name of a member")))
            elif self._take("["):
                number = self._match(
                    _NUMBER, "a number between [ and ]", "an index is a number, 0 or more: arr[2]"
                )
                if not self._take("]"):
                    raise BadExpressionError("a ] is missing", self.at)
                found = self._then(found, Step("[", start, number=int(number, 0)))
            else:
                return found
        raise BadExpressionError("too long", self.at)

    def _primary(self, depth: int) -> Expression:
        start = self.at
        if self._take("("):
            found = self.unary(depth + 1)
            self._blank()
            if not self._take(")"):
                is_tag = found.base in _TAGS and self.at == len(self._text)
                hint = f"a blank ends an argument: leave {found.base} out" if is_tag else ""
                raise BadExpressionError("a ) is missing", self.at, hint)
            return found
        if self._text[start : start + 1] in ("%", "$"):
            return Expression(self._match(_BASE, "a register or variable"), start, ())
        return Expression(self._match(_NAME, "a name"), start, ())

    def _match(self, pattern: re.Pattern[str], what: str, hint: str = _FORMS) -> str:
        found = pattern.match(self._text, self.at)
        if found is None:
            raise BadExpressionError(f"{what} is missing", self.at, hint)
        self.at = found.end()
        return found[0]

    def _take(self, word: str) -> bool:
        if self._text.startswith(word, self.at):
            self.at += len(word)
            return True
        return False

    def _blank(self) -> None:
        while self._text[self.at : self.at + 1] == " ":
            self.at += 1
