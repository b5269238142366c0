"""Event filters: the kernel's expressions, parsed once.

Grammar, order of checks, messages and error columns follow
kernel/trace/trace_events_filter.c (6.12): calc_stack, predicate_parse,
parse_pred.  The result is the kernel's kind of branching program
(:class:`FilterOp`), which a native engine can run, and a Python function made
from the same expression.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from uprobe_core.errors import SpecError
from uprobe_core.event_model import EventSpec
from uprobe_core.events.cpu_list import CPUS, cpu_list
from uprobe_core.events.fields import Field, FieldKind, event_fields, spec_of
from uprobe_core.events.filter_compile import INTEGER_SIZES, Expressions, FilterOp, Predicate
from uprobe_core.events.hints import nearest
from uprobe_core.events.tokens import NumberError, kstrtol, kstrtoul

__all__ = ("Filter", "FilterOp", "Predicate", "compile_filter", "parse_filter")

ERRORS = {
    "INVALID_OP": "Invalid operator",
    "TOO_MANY_OPEN": "Too many '('",
    "TOO_MANY_CLOSE": "Too few '('",
    "MISSING_QUOTE": "Missing matching quote",
    "MISSING_BRACE_OPEN": "Missing '{'",
    "MISSING_BRACE_CLOSE": "Missing '}'",
    "OPERAND_TOO_LONG": "Operand too long",
    "EXPECT_STRING": "Expecting string field",
    "EXPECT_DIGIT": "Expecting numeric field",
    "ILLEGAL_FIELD_OP": "Illegal operation for field type",
    "FIELD_NOT_FOUND": "Field not found",
    "ILLEGAL_INTVAL": "Illegal integer value",
    "TOO_MANY_PREDS": "Too many terms in predicate expression",
    "INVALID_FILTER": "Meaningless filter expression",
    "INVALID_CPULIST": "Invalid cpulist",
    "INVALID_VALUE": "Invalid value (did you forget quotes)?",
    "NO_FUNCTION": "Function not found",
    "ERRNO": "Error",
    "NO_FILTER": "No filter found",
}
_OPERATORS = ("~", "!=", "==", "<=", "<", ">=", ">", "&")
_SPACE = " \t\n\v\f\r"
_ALNUM = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
MAX_STRING = 256
MAX_NUMBER = 24


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter.

    :param text: as written, surrounding blanks removed
    :param test: whether a hit passes
    """

    text: str
    ops: tuple[FilterOp, ...]
    test: Callable[[Any], bool] = field(compare=False)


class _Tree:
    """OR of ANDs of predicates and inner trees, under one pair of parentheses."""

    def __init__(self, inverted: bool) -> None:
        self.inverted = inverted
        self.terms: list[list[str]] = [[]]

    def add(self, term: str, inverted: bool) -> None:
        self.terms[-1].append(f"not {term}" if inverted else term)

    def source(self) -> str:
        """The Python expression."""
        ands = [" and ".join(terms) for terms in self.terms]
        text = " or ".join(ands) if len(ands) > 1 else ands[0]
        return f"({text})"


class _Parser:
    def __init__(self, text: str, spec: EventSpec) -> None:
        self.text = text
        self.fields = event_fields(spec)
        self.is_older = spec.is_older
        self.predicates: list[Predicate] = []
        self.inverts: list[bool] = []
        self.targets: list[int] = []
        self.when: list[bool] = []
        self.expressions = Expressions()

    def fail(self, code: str, position: int, errno: str = "EINVAL", hint: str = "") -> SpecError:
        slug = "bad-filter"
        return SpecError(ERRORS[code], line=self.text, caret=position, errno_name=errno, hint=hint, slug=slug)

    # --- the expression -------------------------------------------------------------------------

    def parse(self) -> str:
        """Fill the program; returns the Python expression."""
        if not self._check_balance():
            raise self.fail("ERRNO", 0)
        text = self.text
        trees = [_Tree(False)]
        flags = [0]  # kernel's op_stack: 2 an AND, 4 an OR is pending
        invert = False  # the kernel's: relative to the whole expression
        local = False  # relative to the innermost parentheses
        scopes = [False]
        at = 0
        while at < len(text):
            char = text[at]
            if char in _SPACE:
                at += 1
            elif char == "(":
                trees.append(_Tree(local))
                scopes.append(invert)
                flags.append(0)
                local = False
                at += 1
            elif char == "!" and text[at + 1 : at + 2] not in ("=", "~"):
                invert, local = not invert, not local
                at += 1
            else:
                self.inverts.append(invert)
                self.targets.append(len(self.predicates) - 1)
                self.when.append(False)
                at = self._predicate(at)
                trees[-1].add(self.expressions.of(self.predicates[-1]), local)
                at = self._after_predicate(at, trees, scopes, flags)
                invert, local = scopes[-1], False
        if len(flags) != 1:
            raise self.fail("TOO_MANY_OPEN", len(text) + 1, "EPERM")
        if not self.predicates:
            raise self.fail("NO_FILTER", len(text))
        if flags[0]:
            raise self.fail("INVALID_FILTER", len(text), hint="the last operator has no right side")
        self._finish()
        return trees[0].source()

    def _after_predicate(self, at: int, trees: list[_Tree], scopes: list[bool], flags: list[int]) -> int:
        """What follows a predicate: closing parentheses, then an operator or the end."""
        text = self.text
        while True:
            char = text[at : at + 1]
            if char and char in _SPACE:
                at += 1
                continue
            operator = text[at : at + 2] in ("&&", "||")
            if char not in ("", ")") and not operator:
                raise self.fail("TOO_MANY_PREDS", at, "EPERM")
            last = len(self.predicates) - 1
            if flags[-1] & 2:
                self._update(last, scopes[-1])
                flags[-1] &= ~2
            if char == "&":
                flags[-1] |= 2
                return at + 2
            if flags[-1] & 4:
                self._update(last, not scopes[-1])
                flags[-1] &= ~4
            if char == "|":
                flags[-1] |= 4
                trees[-1].terms.append([])
                return at + 2
            if not char:
                return at
            if len(flags) == 1:
                raise self.fail("TOO_MANY_CLOSE", at + 1, "EPERM")
            inner = trees.pop()
            scopes.pop()
            flags.pop()
            trees[-1].add(inner.source(), inner.inverted)
            at += 1

    def _update(self, last: int, invert: bool) -> None:
        """The kernel's update_preds: the jump that waits for this label gets it."""
        target = self.targets[last]
        saved = self.targets[target]
        self.when[target] = invert
        self.targets[target] = last
        self.targets[last] = saved

    def _finish(self) -> None:
        """Thread jumps through labels and apply the inversions (second and third pass)."""
        count = len(self.predicates)
        self.targets[-1], self.when[-1] = count, False
        for i in reversed(range(count - 1)):
            target = self.targets[i]
            if 0 <= target < count and self.when[i] == self.when[target]:
                self.targets[i] = self.targets[target]
        for i in range(count):
            self.when[i] ^= self.inverts[i]

    def _check_balance(self) -> bool:
        """calc_stack: quotes and parentheses; returns whether there is any predicate."""
        opened: list[int] = []
        quote, quote_at, found, in_term = "", 0, False, False
        for at, char in enumerate(self.text):
            if char in _SPACE:
                continue
            if quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote, quote_at, found = char, at, True
            elif char == "(":
                opened.append(at)
            elif char == ")":
                if not opened:
                    raise self.fail("TOO_MANY_CLOSE", at, "EPERM")
                opened.pop()
            elif char not in "|&" or self.text[at + 1 : at + 2] != char:
                found = True
        if quote:
            raise self.fail("MISSING_QUOTE", quote_at, "ESRCH")
        if opened:
            raise self.fail("TOO_MANY_OPEN", opened[-1], "ENOENT")
        return found or in_term

    # --- one predicate --------------------------------------------------------------------------

    def _skip(self, at: int) -> int:
        while at < len(self.text) and self.text[at] in _SPACE:
            at += 1
        return at

    def _word(self, at: int, extra: str = "") -> int:
        while at < len(self.text) and self.text[at] in _ALNUM + extra:
            at += 1
        return at

    def _predicate(self, start: int) -> int:
        """Parse ``FIELD OP VALUE`` at *start*; returns where it ends.  Columns are one too far, as there."""
        end = self._word(start, "_")
        if end == start:
            raise self.fail("ERRNO", 0, "EPERM", hint="a comparison is FIELD OPERATOR VALUE")
        name = self.text[start:end]
        found = self.fields.get(name)
        if found is None:
            raise self.fail("FIELD_NOT_FOUND", end + 1, hint=self._field_hint(name))
        if self.text.startswith(".ustring", end):
            end += len(".ustring")
        is_function = not self.is_older and self.text.startswith(".function", end)
        at = self._skip(end + len(".function") * is_function)
        operator = next((op for op in _OPERATORS if self.text.startswith(op, at)), None)
        if operator is None:
            raise self.fail("INVALID_OP", at + 1, hint="operators: == != < <= > >= & ~")
        at = self._skip(at + len(operator))
        if is_function:
            raise self._function_error(found, operator, at)
        value, at = self._operand(found, operator, at)
        self.predicates.append(Predicate(found, operator, value))
        return at

    def _field_hint(self, name: str) -> str:
        own = [f.name for f in self.fields.values() if f.index >= 0]
        return nearest(name, self.fields) or f"fields: {' '.join([*own, 'common_pid', 'comm', 'cpu'])}"

    def _function_error(self, found: Field, operator: str, at: int) -> SpecError:
        """``.function`` compares with a function of the kernel; there is none here."""
        if found.size != 8:
            return self.fail("ILLEGAL_FIELD_OP", at + 1)
        if operator not in ("==", "!="):
            return self.fail("INVALID_OP", at + 1)
        while at < len(self.text) and self.text[at] not in _SPACE:
            at += 1
        return self.fail("NO_FUNCTION", at + 1, hint=".function names functions of a kernel")

    def _operand(
        self, found: Field, operator: str, at: int
    ) -> tuple[int | float | str | frozenset[int], int]:
        char = self.text[at : at + 1]
        if self.text.startswith("CPUS", at) and not self.is_older:
            return self._cpus(found, operator, at)
        if char in ("'", '"') and not self._is_letter(found, at):
            return self._string(found, operator, at)
        if char and char in "0123456789-":
            return self._number(found, operator, at)
        return self._word_of(found, operator, at)

    def _is_letter(self, found: Field, at: int) -> bool:
        """Whether a ``'z'`` stands there for a ``char`` of the source (extension)."""
        arg = found.arg
        if (
            arg is None
            or (arg.type.name != "char" and arg.type.kind != "C")
            or arg.count
            or arg.text.endswith(":char")
        ):
            return False
        return self.text[at] == "'" and self.text[at + 2 : at + 3] == "'"

    def _word_of(self, found: Field, operator: str, at: int) -> tuple[int | float, int]:
        """A letter, or a name that the type has for a number: an enumerator, true or false (extension)."""
        if self.text[at : at + 1] == "'" and operator != "~":
            return ord(self.text[at + 1]), at + 3
        end = self._word(at, "_")
        words = {} if found.arg is None else {word: value for value, word in found.arg.type.words}
        value = words.get(self.text[at:end])
        if value is None:
            hint = nearest(self.text[at:end], words) or f"{found.name} may be {' '.join(list(words)[:16])}"
            other = "a value is a number or a quoted string"
            raise self.fail("INVALID_VALUE", at + 1, hint=hint if words else other)
        if operator == "~":
            raise self.fail("ILLEGAL_FIELD_OP", at + 1, hint="~ matches strings")
        return _cast(value, found), end

    def _string(self, found: Field, operator: str, at: int) -> tuple[str, int]:
        if operator not in ("==", "!=", "~"):
            raise self.fail("ILLEGAL_FIELD_OP", at + 1, hint="strings take == != and ~")
        if found.kind not in (FieldKind.STRING, FieldKind.COMM):
            raise self.fail("EXPECT_DIGIT", at + 1, hint=f"{found.name} is a number")
        end = self.text.index(self.text[at], at + 1)
        if end - at - 1 >= MAX_STRING:
            raise self.fail("OPERAND_TOO_LONG", end + 1)
        return self.text[at + 1 : end], end + 1

    def _number(self, found: Field, operator: str, at: int) -> tuple[int | float, int]:
        if found.kind in (FieldKind.STRING, FieldKind.COMM):
            raise self.fail("EXPECT_STRING", at + 1, hint=f"{found.name} is a string: quote the value")
        if operator == "~":
            raise self.fail("ILLEGAL_FIELD_OP", at + 1, hint="~ matches strings")
        end = self._word(at + (self.text[at] == "-"), "." if found.kind is FieldKind.FLOAT else "")
        digits = self.text[at:end]
        if len(digits) >= MAX_NUMBER:
            raise self.fail("OPERAND_TOO_LONG", end + 1)
        try:
            if found.kind is FieldKind.FLOAT:
                return _finite(digits), end
            value = kstrtol(digits) if found.signed else kstrtoul(digits)
        except (NumberError, ValueError):
            hint = "" if found.signed else f"{found.name} is unsigned; give it a type such as :s32"
            raise self.fail("ILLEGAL_INTVAL", at + 1, hint=hint if digits[:1] == "-" else "") from None
        return _cast(value, found), end

    def _cpus(self, found: Field, operator: str, at: int) -> tuple[frozenset[int], int]:
        """``CPUS{0-2,5}``, a set of CPU numbers."""
        if found.kind not in (FieldKind.CPU, FieldKind.NUMBER):
            raise self.fail("ILLEGAL_FIELD_OP", at + 1)
        if operator not in ("==", "!=", "&"):
            raise self.fail("ILLEGAL_FIELD_OP", at + 1)
        if self.text[at + 4 : at + 5] != "{":
            raise self.fail("MISSING_BRACE_OPEN", at + 6)
        end = self.text.find("}", at + 5)
        if end < 0:
            raise self.fail("MISSING_BRACE_CLOSE", len(self.text) + 1)
        cpus = cpu_list(self.text[at + 5 : end]) if end > at + 5 else None
        if cpus is None:
            raise self.fail("INVALID_CPULIST", end + 1, hint=f"CPUs are 0 to {CPUS - 1}")
        return cpus, end + 1


def _finite(text: str) -> float:
    """*text* as a number; raises ValueError for what is none, infinite or not a number."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _cast(value: int, found: Field) -> int:
    """*value* as the field's own type holds it."""
    bits = 8 * (found.size if found.size in INTEGER_SIZES else 8)
    value &= (1 << bits) - 1
    return value - (1 << bits) if found.signed and value >> (bits - 1) else value


def parse_filter(text: str, event: object) -> Filter:
    """The filter *text* for *event* (an EventSpec, or anything with one as ``spec``).

    Raises SpecError with the kernel's message and column; its ``line`` is the
    filter's text.
    """
    text = text.rstrip(_SPACE)
    parser = _Parser(text, spec_of(event))
    source = parser.parse()
    rows = zip(parser.predicates, parser.when, parser.targets, strict=True)
    ops = tuple(FilterOp(predicate, when, target) for predicate, when, target in rows)
    return Filter(text, ops, parser.expressions.function(source, ops))


def compile_filter(text: str, event: object) -> Callable[[Any], bool]:
    """The test that the filter *text* makes for hits of *event*; see :func:`parse_filter`."""
    return parse_filter(text, event).test
