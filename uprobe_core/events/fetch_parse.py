"""Fetch arguments to operation lists, with the kernel's errors and columns.

Follows the order of checks in traceprobe_parse_probe_arg of
kernel/trace/trace_probe.c (6.12), because that order decides which error a
line gets.  Offsets are columns in the argument's word; after a dereference the
kernel keeps counting from the inner expression, and so does this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from uprobe_core.event_model import EXTENDS, MAX_OPS, FetchArg, FetchOp, FetchType, OpCode
from uprobe_core.events.fetch_store import finish
from uprobe_core.events.fetch_types import EXTENSION_TYPES, STRING, TYPES, default_type, find_type
from uprobe_core.events.hints import nearest, register_hint, type_hint
from uprobe_core.events.line import EventLine
from uprobe_core.events.tokens import NumberError, kstrtol, kstrtoul

if TYPE_CHECKING:
    from uprobe_core.errors import SpecError
from uprobe_core.events.named import WITHOUT, looks_named, named_argument
from uprobe_core.events.variables import Variables, argument_op

__all__ = ("ArgumentParser",)

MAX_ARRAY = 64
MAX_EVENT = 3072
PARAM_MAX_STACK = 2048
"""Where the kernel stops believing an argument number (16 KiB kernel stacks of 8-byte slots)."""

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
_DIGITS = "0123456789"
_OF_CALLS = {"latency": OpCode.LATENCY, "insns": OpCode.INSNS}
"""What only a return event can say."""


@dataclass(slots=True)
class ArgumentParser:
    """Parses one argument; *entry* collects what a return event wants captured at entry."""

    line: EventLine
    index: int
    variables: Variables
    entry: list[FetchArg] = field(default_factory=list)
    offset: int = 0
    ops: list[FetchOp] = field(default_factory=list)
    entry_type: str | None = None
    nested: int = 0

    # --- errors ---------------------------------------------------------------------------------

    def fail(self, code: str, offset: int | None = None, errno: str = "EINVAL", hint: str = "") -> SpecError:
        """The error *code* at *offset* in this word, by default where the parser is."""
        at = self.offset if offset is None else offset
        return self.line.error(code, self.index, at, errno_name=errno, hint=hint)

    def _add(self, op: FetchOp) -> None:
        if len(self.ops) + 1 >= MAX_OPS:
            raise self.fail("TOO_MANY_OPS")
        self.ops.append(op)

    # --- the whole argument ---------------------------------------------------------------------

    def parse(self, name: str, text: str, start: int, used: int) -> FetchArg:
        """The argument *name* with the expression *text*, which begins at column *start* of its word.

        :param used: bytes of the record that earlier arguments take
        """
        self.offset = start
        longest = self.variables.dialect.longest
        if len(text) > longest:
            raise self.fail(
                "ARG_TOO_LONG", errno=self.variables.dialect.too_long, hint=f"at most {longest} characters"
            )
        if not text:
            raise self.fail("NO_ARG_BODY")
        if self.variables.extended and (looks_named(text) or self._is_typed_result(text)):
            found = self._named(name, text, used)
            if found is not None:
                return found
        return self._kernel_form(name, text, used)

    def _is_typed_result(self, text: str) -> bool:
        """Whether it is the result of a function that was named: it prints as its type says."""
        return text == "$retval" and self.variables.is_return and self.variables.is_named

    def _named(self, name: str, text: str, used: int) -> FetchArg | None:
        """The argument for an expression of the source; None if there is no debug information."""
        arg = named_argument(self, name, text)
        if isinstance(arg, FetchArg):
            if used + arg.size > MAX_EVENT:
                raise self.fail("EVENT_TOO_BIG", errno="E2BIG")
            return replace(arg, offset=used)
        if arg is None:
            return None
        self.ops, body = list(arg[0]), arg[1]
        return self._kernel_form(name, text, used, body)

    def _kernel_form(self, name: str, text: str, used: int, named: str | None = None) -> FetchArg:
        """The argument as a kernel reads it; *named*: its expression, which is read already."""
        body, type_name, count = self._split_type(text if named is None else f"x{text[len(named) :]}")
        body = body if named is None else named
        type_offset, start = len(body) + 1 if type_name is not None else 0, self.offset
        kind = self._type_of(body, type_name, count, type_offset)
        self.entry_type = type_name
        if not self.variables.dialect.drifts:
            self._check_size(used, kind, count)
        if named is not None:
            pass  # its operations are there
        elif self._is_read_at_entry(body, kind, count):
            self._at_entry(body, self.offset)
        else:
            self.expression(body)
        if not self.variables.dialect.drifts:
            self.offset = start
        kind = self._natural_type(kind, type_name)
        self._check_size(used, kind, count)
        finish(self, kind, count, type_name, type_offset)
        return FetchArg(name, text, kind, tuple(self.ops), count, used)

    def _check_size(self, used: int, kind: FetchType, count: int) -> None:
        if used + kind.size * (count or 1) > MAX_EVENT:
            raise self.fail("EVENT_TOO_BIG", errno="E2BIG")

    def _split_type(self, text: str) -> tuple[str, str | None, int]:
        """Expression, type name (None if not given) and array count (0 if no array)."""
        body, colon, type_name = text.partition(":")
        if not colon:
            return body, None, 0
        type_name, bracket, rest = type_name.partition("[")
        if not bracket:
            return body, type_name, 0
        at = self.offset + len(body) + 1 + len(type_name) + 1
        digits, close, suffix = rest.partition("]")
        if not close:
            raise self.fail("ARRAY_NO_CLOSE", at + len(rest))
        if suffix:
            raise self.fail("BAD_ARRAY_SUFFIX", at + len(digits) + 1)
        return body, type_name, self._array_count(digits, at)

    def _array_count(self, digits: str, at: int) -> int:
        try:
            count = kstrtoul(digits)
        except NumberError:
            count = 0
        if not 0 < count < 1 << 32:
            raise self.fail("BAD_ARRAY_NUM", at)
        if count > MAX_ARRAY:
            raise self.fail("ARRAY_TOO_BIG", at, hint=f"an array has at most {MAX_ARRAY} elements")
        return count

    def _type_of(self, body: str, type_name: str | None, count: int, type_offset: int) -> FetchType:
        at = self.offset + type_offset
        if body in ("$comm", "$COMM") or body.startswith('\\"'):
            if count or type_name not in (None, "string"):
                if not self.variables.dialect.says_string:
                    raise self.line.refusal(f"{body} is a string, not {type_name}")
                raise self.fail("NEED_STRING_TYPE", at)
            return STRING
        kind = find_type(type_name, self.variables.registers.width, extended=self.variables.extended)
        if kind is None or type_name in self.variables.dialect.missing:
            known = [*TYPES, *(EXTENSION_TYPES if self.variables.extended else ())]
            raise self.fail("BAD_TYPE", at, hint=type_hint(type_name or "", known))
        return kind

    def _natural_type(self, kind: FetchType, type_name: str | None) -> FetchType:
        """A float register, a latency or a count that is not cast prints as what it is."""
        if type_name is not None or len(self.ops) != 1:
            return kind
        op = self.ops[0]
        if op.code is OpCode.VREG and op.size in (4, 8):
            return EXTENSION_TYPES[f"f{op.size * 8}"]
        return TYPES["u64"] if op.code in (OpCode.LATENCY, OpCode.INSNS) else kind

    # --- expressions ----------------------------------------------------------------------------

    def expression(self, text: str) -> None:
        """Append the operations of *text*, which begins at the current offset."""
        head = text[:1]
        if head == "$":
            self._variable(text[1:])
        elif head == "%":
            self._register(text[1:])
        elif head == "@":
            self._memory(text[1:])
        elif head and head in "+-":
            self._dereference(text)
        elif head == "\\":
            self._immediate(text[1:])
        elif head == "(" and self.variables.dialect.casts:
            self._nest()
            raise self.fail("NOSUP_BTFARG", errno="EOPNOTSUPP", hint="no BTF here: write the offset, +8(%x0)")
        elif head and head in _LETTERS and self.variables.dialect.identifiers:
            raise self.fail("NOSUP_BTFARG", hint=_prefix_hint(text, self.variables))
        else:
            raise self.fail("BAD_FETCH_ARG")

    def _variable(self, name: str) -> None:
        if name == "retval" or (self.variables.dialect.prefixes and name.startswith("retval")):
            if not self.variables.is_return:
                raise self.fail("RETVAL_ON_PROBE", hint="use r: or %return")
            self._add(FetchOp(OpCode.RETVAL))
        elif name.startswith("stack"):
            self._stack(name[5:])
        elif name in ("comm", "COMM"):
            self._add(FetchOp(OpCode.COMM))
        elif name.startswith("arg") and self.variables.dialect.identifiers:
            self._argument(name[3:])
        elif self.variables.extended and self.variables.is_return and name in _OF_CALLS:
            self._add(FetchOp(_OF_CALLS[name]))
        elif self.variables.extended and self.variables.is_return and name.startswith("entry("):
            self._entry(name[6:])
        elif self.variables.extended and name == "jumps":  # for call_pairs
            self._add(FetchOp(OpCode.JUMPS))
        elif self.variables.extended and name.startswith("sum("):
            self._sum(name[4:])
        else:
            names = ["$retval", "$stack", "$stack0", "$comm", "$arg1", "$latency", "$insns", "$entry(...)"]
            raise self.fail("BAD_VAR", hint=nearest("$" + name, names))

    def _stack(self, number: str) -> None:
        if not number:
            self._add(FetchOp(OpCode.STACKP))
            return
        errno = "EINVAL"
        try:
            slot = kstrtoul(number, 10) if number[0] in _DIGITS else -1
        except NumberError as error:
            slot, errno = -1, self._errno_of(error)
        if slot < 0:
            hint = "$stack is the stack pointer, $stackN its slot N, decimal"
            raise self.fail("BAD_VAR", errno=errno, hint=hint)
        self._add(FetchOp(OpCode.STACK, slot % (1 << 32)))

    def _argument(self, number: str) -> None:
        try:
            n = kstrtoul(number, 10)
        except NumberError as error:
            errno = self._errno_of(error)
            raise self.fail("BAD_VAR", errno=errno, hint="write $arg1, $arg2, ...") from None
        if not 0 < n <= PARAM_MAX_STACK:
            raise self.fail("BAD_ARG_NUM")
        if not self.variables.extended:
            hint = f"name the register{self._first_argument()} or leave policy=kernel"
            raise self.fail("NOFENTRY_ARGS", hint=hint)
        op = argument_op(n, self.variables.registers)
        if self.variables.is_return:
            op = FetchOp(OpCode.ENTRY, self._capture(f"$arg{n}", [op]))
        self._add(op)

    def _errno_of(self, error: NumberError) -> str:
        return error.errno_name if self.variables.dialect.says_range else "EINVAL"

    def _first_argument(self) -> str:
        registers = self.variables.registers
        names = [name for name, number in registers.names.items() if number == registers.argument(1)]
        return f" (%{names[0]} is the first)" if names else ""

    def _entry(self, rest: str) -> None:
        """``$entry(ARG)``: ARG's operations run at entry, their value is kept until the return."""
        if not rest.endswith(")"):
            raise self.fail("DEREF_OPEN_BRACE", self.offset + len("$entry(") + len(rest))
        self._at_entry(rest[:-1], self.offset + len("$entry("))

    def _is_read_at_entry(self, body: str, kind: FetchType, count: int) -> bool:
        """Whether it is a string behind ``$argN`` of a return: its memory may be another's by then."""
        variables = self.variables
        behind = body[:1] in ("+", "-") and "$arg" in body and "$entry(" not in body
        return variables.extended and variables.is_return and kind.is_string and not count and behind

    def _at_entry(self, text: str, offset: int) -> None:
        """Run the operations of *text*, which begins at column *offset*, at entry, and keep their value."""
        at_entry = replace(self.variables, is_return=False)
        inner = ArgumentParser(self.line, self.index, at_entry, offset=offset)
        captured = self.entry_type if not self.ops and self.entry_type in ("string", "ustring") else None
        typed = f"{text}:{captured}" if captured else text
        arg = inner.parse(f"entry{len(self.entry)}", typed, inner.offset, 0)
        self._add(FetchOp(OpCode.ENTRY, self.keep(arg)))

    def _sum(self, rest: str) -> None:
        """``$sum(%BASE,%INDEX[,lsl|uxtw|sxtw,SHIFT])``: what an indexed operand of a marker means."""
        parts = rest.removesuffix(")").split(",") if rest.endswith(")") else []
        names = self.variables.registers.names
        found = [names.get(part.removeprefix("%")) for part in parts[:2]]
        registers = [index for index in found if index is not None]
        extend, shift = (parts[2], parts[3]) if len(parts) == 4 else ("lsl", "0")
        amount = int(shift) if shift.isdecimal() and len(shift) < 3 else 64
        if len(parts) not in (2, 4) or len(registers) != 2 or extend not in EXTENDS or amount > 63:
            raise self.fail("BAD_VAR", hint="write $sum(%BASE,%INDEX) or $sum(%BASE,%INDEX,uxtw,2)")
        self._add(FetchOp(OpCode.REG, registers[0]))
        self._add(FetchOp(OpCode.ADD, registers[1], lshift=amount, rshift=EXTENDS.index(extend)))

    def _capture(self, text: str, ops: list[FetchOp]) -> int:
        kind = default_type(self.variables.registers.width)
        full = (*ops, FetchOp(OpCode.ST_RAW, size=kind.size), FetchOp(OpCode.END))
        return self.keep(FetchArg(f"entry{len(self.entry)}", text, kind, full))

    def keep(self, arg: FetchArg) -> int:
        """Have *arg* captured at the entry; its number."""
        for number, known in enumerate(self.entry):
            if known.ops == arg.ops and _computed(known) == _computed(arg):
                return number
        self.entry.append(arg)
        return len(self.entry) - 1

    def _register(self, name: str) -> None:
        index = self.variables.registers.names.get(name)
        if index is not None:
            self._add(FetchOp(OpCode.REG, index))
            return
        vector = self.variables.vectors(name) if self.variables.extended and self.variables.vectors else None
        if vector is None:
            raise self.fail(
                "BAD_REG_NAME",
                hint=self.variables.hint(name) or register_hint(self.variables.registers.names),
            )
        self._add(FetchOp(OpCode.VREG, vector[0], size=vector[1]))

    def _memory(self, text: str) -> None:
        if text[:1] and text[0] in _DIGITS:
            self._add(FetchOp(OpCode.IMM, self._number(kstrtoul, text, "BAD_MEM_ADDR")))
        elif text.startswith("+"):
            self._add(FetchOp(OpCode.FOFFS, self._number(kstrtol, text[1:], "BAD_FILE_OFFS")))
        elif self.variables.extended and self.variables.symbol is not None:
            self._add(FetchOp(OpCode.FOFFS, self.variables.symbol(text)))
        else:
            raise self.fail("SYM_ON_UPROBE", hint="write @+OFFSET, a file offset, or leave policy=kernel")
        self._add(FetchOp(OpCode.DEREF))

    def _number(self, convert: Callable[[str], int], text: str, code: str, shift: int = 0) -> int:
        try:
            return convert(text)
        except NumberError as error:
            raise self.fail(code, self.offset + shift, errno=error.errno_name) from None

    def _nest(self) -> None:
        """One level deeper, whatever stands there."""
        self.nested += 1
        most = self.variables.dialect.nested
        if most is not None and self.nested > most:
            raise self.fail("TOO_MANY_NESTED", errno="E2BIG", hint=f"at most {most} within each other")

    def _dereference(self, text: str) -> None:
        code = OpCode.DEREF
        self._nest()
        if text[1:2] == "u":
            code, text = OpCode.UDEREF, text[0] + text[2:]
        if text[0] == "+":
            text = text[1:]
        number, brace, inner = text.partition("(")
        if not brace:
            raise self.fail("DEREF_NEED_BRACE", hint="write +OFFSET(ARG)")
        distance = self._number(kstrtol, number, "BAD_DEREF_OFFS")
        self.offset += len(number) + 1 + (text[0] != "-")
        end = inner.rfind(")")
        if end < 0:
            raise self.fail("DEREF_OPEN_BRACE", self.offset + len(inner))
        start = self.offset
        self.expression(inner[:end])
        self.offset = start
        if self.ops[-1].code in (OpCode.COMM, OpCode.IMMSTR):
            raise self.fail("COMM_CANT_DEREF")
        self._add(FetchOp(code, distance))

    def _immediate(self, text: str) -> None:
        if text.startswith('"'):
            if not text[1:].endswith('"'):
                raise self.fail("IMMSTR_NO_CLOSE", self.offset + 2 + len(text) - 1)
            self._add(FetchOp(OpCode.IMMSTR, text=text[1:-1]))
            return
        head = text[:1]
        if head and head in _DIGITS:
            value = self._number(kstrtoul, text, "BAD_IMM", 1)
        elif head and head in "+-":
            value = self._number(kstrtol, text[1:] if head == "+" else text, "BAD_IMM", 1)
        else:
            raise self.fail("BAD_IMM", self.offset + 1)
        self._add(FetchOp(OpCode.IMM, value))


def _prefix_hint(text: str, variables: Variables) -> str:
    """What somebody who wrote a bare word probably meant."""
    word = text.partition(":")[0]
    if word in variables.registers.names:
        return f"a register is written %{word}"
    if word in ("retval", "stack", "comm") or word.startswith("arg"):
        return f"a variable is written ${word}"
    if variables.extended:
        return f"{word!r} is no name here without debug information: {WITHOUT}"
    return "an argument starts with % $ @ + - or \\"


def _computed(arg: FetchArg) -> list[object]:
    """What computes parts of it, which operations that are equal may differ in."""
    return [op.compute for op in arg.ops]
