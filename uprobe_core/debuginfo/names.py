"""The names of the source at one probed place, as arguments of an event: the language's other half."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import TypeVar

from uprobe_core.debuginfo.captures import captured, captured_source, captured_value
from uprobe_core.debuginfo.computing import Computation, EntryValue
from uprobe_core.debuginfo.conventions import CHANGED, as_called, convention_of, is_changed, is_given
from uprobe_core.debuginfo.dwarf import At, Tag
from uprobe_core.debuginfo.encoding import DAMAGED
from uprobe_core.debuginfo.expression import BadExpressionError, Expression, parse_expression
from uprobe_core.debuginfo.frames import Frame
from uprobe_core.debuginfo.functions import (
    Variable,
    globals_named,
    parameters_of,
    results_of,
    scopes_around,
    scopes_at,
    variables_at,
)
from uprobe_core.debuginfo.given import is_asked
from uprobe_core.debuginfo.leaves import make_argument
from uprobe_core.debuginfo.location import THREAD_LOCAL, place_of
from uprobe_core.debuginfo.not_there import not_there, thread_local
from uprobe_core.debuginfo.numbers import WORD, number
from uprobe_core.debuginfo.operands import (
    Operand,
    RefusedError,
    looked_through,
    member,
    pointed,
    read_pointer,
)
from uprobe_core.debuginfo.places import (
    BitPiece,
    Computed,
    Gone,
    InBits,
    InMemory,
    InPieces,
    InRegister,
    IsValue,
    Piece,
    Place,
    Synthetic,
    is_static,
    of_size,
)
from uprobe_core.debuginfo.ranges import ALWAYS
from uprobe_core.debuginfo.steps import stepped
from uprobe_core.debuginfo.types import Kind, Type
from uprobe_core.debuginfo.unit import Die
from uprobe_core.event_model import FetchArg, FetchOp, OpCode
from uprobe_core.events.hints import nearest
from uprobe_core.events.variables import NamedError

__all__ = ("Names",)

T = TypeVar("T")
SomePiece = TypeVar("SomePiece", Piece, BitPiece)

_INDIRECT = "x8"
"""Where the caller says to where large results go (AAPCS64, 6.9)."""
_ARGUMENTS = {"$args": True, "$locals": False}


class Names:
    """What can be named at the place of *frame*.

    :param at_return: the event fires when the function has returned; parameters are those of the entry
    :param entry_value: what was in a register when the function was entered
    :param inside: the instance of a function that the place is meant in, None: the innermost there
    """

    def __init__(
        self, frame: Frame, *, at_return: bool, entry_value: EntryValue, inside: Die | None = None
    ) -> None:
        self._frame, self._at_return = frame, at_return
        self._entry_value = entry_value
        self._keep: Callable[[FetchArg], int] = lambda _arg: 0
        self._scopes = self._scopes_at_entry() if inside is None else scopes_around(inside)

    def _scopes_at_entry(self) -> list[Die]:
        """What is around the place; at a function's entry nothing that is inlined there is innermost."""
        scopes = scopes_at(self._frame.function, self._frame.vaddr)
        inner = next((n for n, scope in enumerate(scopes) if scope.tag == Tag.INLINED), len(scopes))
        return [*scopes[inner:], *scopes[:inner]] if self.is_entry else scopes

    @property
    def function(self) -> str:
        """The function that the place is in, as the source calls it; what is inlined there is within it."""
        return self._frame.function.name

    @property
    def is_entry(self) -> bool:
        """Whether the place is where that function begins."""
        return self._frame.vaddr == self._frame.function.entry

    @cached_property
    def variables(self) -> list[Variable]:
        """What has a name here, innermost first, without what is hidden."""
        found: dict[str, Variable] = {}
        for each in variables_at(self._scopes):
            found.setdefault(each.name, each)
        return list(found.values())

    @property
    def own(self) -> list[Variable]:
        """Those of the innermost function, which may be inlined into another."""
        functions = [n for n, scope in enumerate(self._scopes) if scope.tag in (Tag.SUBPROGRAM, Tag.INLINED)]
        inner = {scope.key for scope in self._scopes[functions[-1] :]}
        return [each for each in self.variables if each.scope is not None and each.scope.key in inner]

    def expanded(self, word: str) -> list[str] | None:
        """The arguments that ``$args`` or ``$locals`` stands for; None for any other word."""
        wanted = _ARGUMENTS.get(word)
        if wanted is None:
            return None
        if not wanted and self._at_return:
            raise NamedError("there are no local variables when the function has returned", 0)
        own = self._guarded(word, lambda: self.own)
        return [each.name for each in own if each.is_parameter is wanted]

    def argument(self, name: str, text: str, keep: Callable[[FetchArg], int]) -> FetchArg:
        """The argument *name* with the expression *text*; raises NamedError.

        :param keep: has an argument captured at the entry; its number
        """
        return self._guarded(text, lambda: self._argument(name, text, keep))

    def _argument(self, name: str, text: str, keep: Callable[[FetchArg], int]) -> FetchArg:
        self._keep, said = keep, parse_expression(text)
        operand = self.operand(said)
        found = make_argument(name, text, operand, self._frame, self.bound)
        if isinstance(operand.place, Gone):
            found = replace(found, type=replace(found.type, name=self._where_it_is(text)))
        return captured(found, keep) if self._is_of_entry(said) else found

    def _is_of_entry(self, said: Expression) -> bool:
        return self._at_return and said.base not in ("$retval", *(each.name for each in self._results))

    def head(self, text: str, keep: Callable[[FetchArg], int], *, is_text: bool) -> tuple[FetchOp, ...]:
        """What a type of the fetch language can be put behind: the operations up to the last read."""
        return self._guarded(text, lambda: self._head(text, keep, is_text=is_text))

    def _head(self, text: str, keep: Callable[[FetchArg], int], *, is_text: bool) -> tuple[FetchOp, ...]:
        self._keep, said = keep, parse_expression(text)
        operand = looked_through(self.operand(said))
        place = of_size(operand.place, operand.type.size)
        if is_text and operand.type.is_number and operand.type.kind not in (Kind.POINTER, Kind.CHAR):
            raise RefusedError(f"{operand.type.name} is no text", "leave the type out")
        if is_text and operand.type.kind is Kind.POINTER:
            ops, added = read_pointer(operand)
            ops = (*ops, FetchOp(OpCode.DEREF, added))
        elif isinstance(place, InMemory):
            ops = (*place.ops, FetchOp(OpCode.DEREF, place.offset))
        else:
            ops, added = read_pointer(replace(operand, place=place))
            if added:
                raise RefusedError("a type cannot be given to a computed value", "leave the type out")
        return captured_source(ops, keep) if self._is_of_entry(said) else ops

    @property
    def results(self) -> list[str]:
        """The arguments that show what the function returns, as far as that is known."""
        try:
            found = self._results
            if len(found) == 1:
                return [] if found[0].type.kind is Kind.OTHER else ["ret=$retval"]
            return [f"{each.name.replace('~r', 'ret')}={each.name}" for each in found]
        except DAMAGED:
            return []

    @staticmethod
    def _guarded(text: str, make: Callable[[], T]) -> T:
        try:
            return make()
        except BadExpressionError as error:
            raise NamedError(error.text, error.column, error.hint) from None
        except RefusedError as error:
            raise NamedError(f"{text}: {error.text}", 0, error.hint) from None
        except DAMAGED as error:
            raise NamedError(f"{text}: the debug information is damaged: {error}", 0) from None

    # --- objects ------------------------------------------------------------------------------------

    def operand(self, said: Expression) -> Operand:
        """The object that an expression names; raises RefusedError."""
        steps = list(said.steps)
        if said.base.startswith("%"):  # a register has no type but that of the cast around it
            casts = [step for step in steps if step.kind == "("]
            steps = [*casts[:1], *(step for step in steps if step is not casts[0])] if casts else steps
        found = self._base(said.base)
        for step in steps:
            found = stepped(found, step, self._frame.function.die.unit)
        return found

    def _base(self, name: str) -> Operand:
        registers = self._frame.rules.registers
        if name == "$retval":
            return self._result()
        if name.startswith("$arg"):
            return self._parameter(int(name[4:]))
        if name.startswith("%"):
            number = registers.names.get(name[1:])
            if number is None:
                raise RefusedError(f"no register is called {name}")
            return Operand(Type(None, "a register", 8), InRegister(number))
        return self._named(name)

    def _named(self, name: str) -> Operand:
        returned = [each for each in self._results if name and each.name == name]
        if returned and self._at_return:
            return self._returned(returned[0])
        for variable in self.variables:
            if variable.name == name:
                return self._variable(self._there(variable))
        this = next((each for each in self.variables if each.name in ("this", "self")), None)
        if this is not None and this.type.kind is Kind.POINTER and this.type.target.find(name):
            return member(pointed(self._variable(this)), name)
        info = self._frame.function.die.unit.info.whole
        for variable in globals_named(info, self._frame.function.die.unit, name):
            return self._variable(variable)
        known = [each.name for each in self.variables]
        hint = nearest(name, known) or f"what has a name here: {', '.join(known[:16]) or 'nothing'}"
        raise not_there(info, self._frame.image, name, hint)

    def _there(self, variable: Variable) -> Variable:
        if self._at_return and variable.scope is not None and not variable.is_parameter:
            raise RefusedError(
                "a local variable is gone when the function has returned", "probe a line, or name $retval"
            )
        return variable

    def _parameter(self, number: int) -> Operand:
        shown = self._parameters()
        if not 0 < number <= len(shown):
            names = ", ".join(each.name for each in shown) or "none"
            raise RefusedError(f"the function has {len(shown)} parameters", f"parameters: {names}")
        return self._variable(shown[number - 1])

    def _parameters(self) -> list[Variable]:
        """Those of the function, in order."""
        die = self._frame.function.die
        return [Variable(child.named(), child, die) for child in parameters_of(die)]

    def _variable(self, variable: Variable) -> Operand:
        place = self._place(variable)
        if place == THREAD_LOCAL:
            raise thread_local()
        if isinstance(place, InPieces):
            place = InPieces(tuple(self._ready(each, variable.die) for each in place.pieces))
        if isinstance(place, InBits):
            place = InBits(tuple(self._ready(each, variable.die) for each in place.pieces))
        if isinstance(place, Computed):
            place = self._computed(place, variable.die)
        if isinstance(place, Synthetic):
            place = replace(place, find=partial(self._pointed_to, place.target))
        return Operand(variable.type, place)

    def _ready(self, piece: SomePiece, die: Die) -> SomePiece:
        """*piece* of *die*, with what computes it."""
        place = piece.place
        return replace(piece, place=self._computed(place, die)) if isinstance(place, Computed) else piece

    def _pointed_to(self, offset: int) -> Place:
        """Where an object is that only synthetic pointers point to."""
        die = self._frame.function.die.unit.info.die(offset)
        return self._variable(Variable("", die, None)).place

    def bound(self, kind: Type) -> tuple[FetchArg, int] | None:
        """How many elements an array has whose length is known at the hit; None: nothing says it.

        It is what the argument fetches and a number that is added to that.
        """
        if kind.bound is None:
            return None
        said, added = kind.bound
        if isinstance(said, Die):
            return number(self._variable(Variable(said.named(), said, None))), added
        place = place_of(said, self._frame.machine)
        if isinstance(place, InMemory):  # the expression is the bound, not where it is
            place = IsValue(place.ops, place.offset)
        if isinstance(place, Computed):
            place = self._computed(replace(place, is_value=True), self._frame.function.die)
        return number(Operand(WORD, place)), added

    def _place(self, variable: Variable) -> Place:
        frame, place = self._frame, self._frame.place(variable)
        is_outer = variable.scope is not None and variable.scope.key == frame.function.die.key
        at_entry = is_outer and frame.vaddr == frame.function.entry and not frame.is_listed(variable.die)
        if is_outer and isinstance(place, Gone) and (self._is_kept(variable) or self._is_late(variable)):
            return self._as_called(variable)
        if not at_entry or not isinstance(place, InMemory) or is_static(place):
            return place
        if is_given(frame.function.die, place, frame.rules.registers):
            return place
        if variable.is_parameter:  # it is there once the prologue has put it there
            return self._as_called(variable)
        line = variable.die.get(At.DECL_LINE, 0)
        raise RefusedError("it has no value at the function's entry", f"probe a line after {line}")

    def _is_kept(self, variable: Variable) -> bool:
        """Whether it is a parameter at the entry of a function of Rust, and there at the end.

        Unoptimised code says nothing of the prologue where a parameter is behind a pointer.
        """
        die, function = variable.die, self._frame.function
        if not (variable.is_parameter and self.is_entry and convention_of(function.die).keeps):
            return False
        return any(end == function.ranges[-1][1] for _, end, _ in self._frame.located(die)[0])

    def _is_late(self, variable: Variable) -> bool:
        """Whether it is a parameter at the entry, which clang speaks of once it is where it stays."""
        return variable.is_parameter and self.is_entry and is_asked(self._frame.function.die)

    def _as_called(self, variable: Variable) -> Place:
        shown = self._parameters()
        at = next(n for n, each in enumerate(shown) if each.die.key == variable.die.key)
        placed = [(each.type, *self._frame.slot(each)) for each in shown]
        return as_called(self._frame, placed, at)

    def _computed(self, place: Computed, die: Die) -> Place:
        """An expression of DWARF, of *die*, as an operation of Python."""
        unit = die.unit

        def entry_at(offset: int) -> Die:
            return unit.die(unit.header.offset + offset)

        compute = Computation(place.code, self._frame.machine, self._entry_value, entry_at)
        if place.is_value:
            return replace(place, compute=compute)
        op = FetchOp(OpCode.COMPUTED, text="an expression of DWARF", compute=compute)
        return InMemory((op,), place.offset)

    @cached_property
    def _results(self) -> list[Variable]:
        return results_of(self._frame.function.die)

    def _result(self) -> Operand:
        """``$retval``."""
        if not self._at_return:
            raise RefusedError("$retval is there when the function has returned", "use r: or %return")
        if len(self._results) > 1:
            names = " ".join(self.results)
            raise RefusedError(f"the function returns {len(self._results)} values", f"write {names}")
        if not self._results:
            raise RefusedError("the function returns nothing")
        return self._returned(self._results[0])

    def _returned(self, wanted: Variable) -> Operand:
        """One of the results."""
        types = [each.type for each in self._parameters()]
        results, registers = [each.type for each in self._results], self._frame.rules.registers
        where = convention_of(self._frame.function.die).results(results, types, registers, self._indirect)
        place = where[self._results.index(wanted)]
        is_kept = isinstance(place, InMemory) or not is_changed(self._frame.function.die)
        return Operand(wanted.type, place if is_kept and not self._frame.is_cut else CHANGED)

    def _indirect(self) -> Place:
        """Where the caller wants a large result."""
        registers = self._frame.rules.registers
        if _INDIRECT not in registers.names:
            raise RefusedError("it is in memory that is not known here")
        read = FetchOp(OpCode.REG, registers.names[_INDIRECT]), FetchOp(OpCode.ST_RAW, size=8)
        return InMemory((captured_value(read, self._keep),))

    def _where_it_is(self, text: str) -> str:
        """For people: what is said of a variable that is not there."""
        name = parse_expression(text).base
        variable = next((each for each in self.variables if each.name == name), None)
        return "<optimized out>" if variable is None else f"<optimized out>, {self.spans(variable)}"

    def spans(self, variable: Variable) -> str:
        """Where *variable* is, in words."""
        start = self._frame.function.entry
        ranges = self._frame.located(variable.die)[0]
        if not ranges:
            return "it is nowhere"
        if any((low, high) == ALWAYS for low, high, _ in ranges):
            return "it is there everywhere"
        merged: list[list[int]] = []
        for low, high, _ in sorted(ranges):
            if merged and low <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], high)
            else:
                merged.append([low, high])
        return "it is there at " + ", ".join(
            f"+{low - start:#x} to +{high - start:#x}" for low, high in merged
        )
