"""Histogram triggers: ``hist:keys=...:vals=...:sort=...:size=... [if FILTER]`` to a spec.

Order of checks, messages and columns: event_hist_trigger_parse and
create_hist_data in kernel/trace/trace_events_hist.c (6.12).  A column is where
the kernel first finds the failing text in the command, as there.  Variables,
expressions and actions (onmatch, onmax, onchange) are not taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from uprobe_core.errors import SpecError
from uprobe_core.event_model import EventSpec
from uprobe_core.events.fields import Field, FieldKind, event_fields
from uprobe_core.events.hints import nearest
from uprobe_core.events.tokens import NumberError, kstrtoul

__all__ = ("HistField", "HistSpec", "SortKey", "parse_hist")

ERRORS = {
    "EMPTY_ASSIGNMENT": "Empty assignment",
    "FIELD_NOT_FOUND": "Couldn't find field",
    "BAD_FIELD_MODIFIER": "Invalid field modifier",
    "INVALID_SORT_FIELD": "Sort field must be a key or a val",
    "INVALID_SORT_MODIFIER": "Invalid sort modifier",
    "EMPTY_SORT_FIELD": "Empty sort field",
    "TOO_MANY_SORT_FIELDS": "Too many sort fields (Max = 2)",
    "NEED_NOHC_VAL": "Non-hitcount value is required for 'nohitcount'",
    "TRIGGER_EEXIST": "Hist trigger already exists",
    "TRIGGER_ENOENT_CLEAR": "Can't clear or continue a nonexistent hist trigger",
}
MAX_KEYS = 3
MAX_VALUES = 2
"""Beside the hit count (TRACING_MAP_VALS_MAX is 3)."""
STRING_SIZE, STACK_SIZE = 256, 128
MAX_KEY_SIZE = STRING_SIZE + STACK_SIZE
"""Bytes of all keys (HIST_KEY_SIZE_MAX); a number has 8."""
DEFAULT_BITS, MIN_BITS, MAX_BITS = 11, 7, 17
_SIZES = (1, 2, 4, 8)
"""Of what has a hist_fn_t, see select_value_fn in kernel/trace/trace_events_hist.c."""
_KEY_MODIFIERS = ("hex", "sym", "sym-offset", "syscall", "log2", "usecs", "execname", "stacktrace")
_VALUE_MODIFIERS = ("hex", "percent", "graph", "usecs")
HITCOUNT = Field("hitcount", "1")
STACK = Field("common_stacktrace", "stack(h)", FieldKind.STACK, STACK_SIZE)
OLDER_STACK = Field("stacktrace", "stack(h)", FieldKind.STACK, STACK_SIZE)
"""What 6.1 has instead, which takes no modifier."""
TIME = Field("common_timestamp", "h.timestamp")


@dataclass(frozen=True, slots=True)
class HistField:
    """A key or a value.

    :param shown: the name that entries show; *named* is what the trigger's text shows
    :param modifier: "" or what follows the dot, without a bucket's size
    """

    shown: str
    named: str
    field: Field
    modifier: str = ""
    buckets: int = 0

    def __str__(self) -> str:
        modifier = f".{self.modifier}" if self.modifier else ""
        return f"{self.named}{modifier}" + (f"={self.buckets}" if self.buckets else "")


@dataclass(frozen=True, slots=True)
class SortKey:
    """*index*: 0 the hit count, then the values, then the keys."""

    index: int = 0
    descending: bool = False


@dataclass(frozen=True, slots=True)
class HistSpec:
    """A parsed histogram trigger.

    :param bits: binary logarithm of the number of entries
    :param filter_text: what followed ``if``, "" for none
    :param is_older: counts and sorts as Linux 6.1 does
    :param command: "" to define, else "pause", "continue" or "clear"
    """

    keys: tuple[HistField, ...]
    values: tuple[HistField, ...] = ()
    sort: tuple[SortKey, ...] = (SortKey(),)
    bits: int = DEFAULT_BITS
    filter_text: str = ""
    name: str = ""
    no_hitcount: bool = False
    command: str = field(default="", compare=False)
    is_older: bool = field(default=False, compare=False)

    def text(self, state: str = "") -> str:
        """The line of the ``trigger`` file; *state* is "active", "paused" or "" for no brackets."""
        columns = (["hitcount"] if not self.no_hitcount else []) + [str(v) for v in self.values]
        order = ",".join(self._sort_text(key) for key in self.sort)
        clock = any(f.field is TIME for f in (*self.keys, *self.values))
        parts = ["hist", *([f"name={self.name}"] if self.name else [])]
        parts += [f"keys={','.join(map(str, self.keys))}", f"vals={','.join(columns)}"]
        parts += [f"sort={order}", f"size={1 << self.bits}"]
        parts += [*(["clock=global"] if clock else []), *(["nohitcount"] if self.no_hitcount else [])]
        condition = f" if {self.filter_text}" if self.filter_text else ""
        return ":".join(parts) + condition + (f" [{state}]" if state else "")

    def _sort_text(self, key: SortKey) -> str:
        name = str((*self.values, *self.keys)[key.index - 1]) if key.index else "hitcount"
        return name + (".descending" if key.descending else "")

    def same_as(self, other: HistSpec) -> bool:
        """Whether a kernel takes both for one trigger: everything but the size agrees."""
        return replace(self, bits=0) == replace(other, bits=0)


class _Parser:
    def __init__(self, text: str, spec: EventSpec) -> None:
        self.text = text
        self.fields = event_fields(spec)
        self.is_older = spec.is_older
        self.attributes: dict[str, str] = {}
        self.flags: set[str] = set()
        self.variables: list[tuple[str, str]] = []

    def fail(self, code: str, at: str | None, errno: str = "EINVAL", hint: str = "") -> SpecError:
        """The error *code* where *at* is first found in the command (None or not found: its start)."""
        caret = max(self.text.find(at), 0) if at else 0
        return SpecError(
            ERRORS[code], line=self.text, caret=caret, errno_name=errno, hint=hint, slug="bad-trigger"
        )

    def quiet(self, reason: str, hint: str = "", errno: str = "EINVAL") -> SpecError:
        """What a kernel refuses by its errno alone."""
        return SpecError(
            reason, line=self.text, logged=False, errno_name=errno, hint=hint, slug="bad-trigger"
        )

    def parse(self, filter_text: str) -> HistSpec:
        for part in self.text.removeprefix("hist:").strip(" \t").split(":"):
            self._part(part)
        if "keys" not in self.attributes:
            raise self.quiet("a histogram needs keys", "hist:keys=FIELD[,FIELD...]")
        values = self._values()
        for name, value in self.variables:
            self._variable(name, value)
        keys = self._keys()
        command = next((c for c in ("clear", "continue", "pause") if c in self.flags), "")
        return HistSpec(
            keys,
            values,
            self._sort(values, keys),
            int(self.attributes.get("bits", DEFAULT_BITS)),
            filter_text,
            self.attributes.get("name", ""),
            "nohitcount" in self.flags,
            command,
            self.is_older,
        )

    # --- NAME=VALUE -----------------------------------------------------------------------------

    def _part(self, part: str) -> None:
        name, equals, value = part.partition("=")
        if not equals:
            self._flag(part)
            return
        if not value:
            raise self.fail("EMPTY_ASSIGNMENT", part)
        known = {"key": "keys", "val": "vals", "values": "vals"}.get(name, name)
        if known == "size":
            self.attributes["bits"] = str(self._bits(value))
        elif known in ("keys", "vals", "sort", "name", "clock"):
            self.attributes[known] = value
        else:
            self.variables.append((name, value))

    def _variable(self, name: str, value: str) -> None:
        if value not in self.fields and value != "common_timestamp":
            raise self.fail("FIELD_NOT_FOUND", value, hint="attributes: keys vals sort size name")
        raise self.quiet(f"histogram variables are not supported: {name}={value}")

    def _flag(self, part: str) -> None:
        known = {"cont": "continue", "NOHC": "nohitcount"}.get(part, part)
        flags = ("pause", "continue", "clear", *(() if self.is_older else ("nohitcount",)))
        if known not in flags:
            hint = "attributes: keys= vals= sort= size= name= pause continue clear nohitcount"
            raise self.quiet(f"unknown histogram attribute: {part!r}", hint)
        self.flags.add(known)

    def _bits(self, text: str) -> int:
        try:
            size = kstrtoul(text)
        except NumberError:
            size = 0
        bits = max(size - 1, 0).bit_length()
        if not MIN_BITS <= bits <= MAX_BITS:
            raise self.quiet(f"histogram size {text} is out of range", "65 to 131072, rounded up to 2**N")
        return bits

    # --- fields ---------------------------------------------------------------------------------

    def _values(self) -> tuple[HistField, ...]:
        names = self.attributes["vals"].split(",") if "vals" in self.attributes else []
        found: list[HistField] = []
        while names and len(found) < MAX_VALUES:
            name = names.pop(0)
            if name != "hitcount":
                found.append(self._value(name))
        if names and ",".join(names) != "hitcount":
            raise self.quiet(f"more than {MAX_VALUES} values beside hitcount")
        if not found and "nohitcount" in self.flags:
            raise self.fail("NEED_NOHC_VAL", None, "ENOENT")
        return tuple(found)

    def _value(self, text: str) -> HistField:
        found = self._field(text, key=False)
        if found.modifier and found.modifier not in _VALUE_MODIFIERS:
            raise self.fail("BAD_FIELD_MODIFIER", text, hint="values take .hex .percent .graph")
        return found

    def _keys(self) -> tuple[HistField, ...]:
        names = self.attributes["keys"].split(",")
        found: list[HistField] = []
        for name in names[:MAX_KEYS]:
            found.append(self._field(name, key=True))
            if sum(map(_key_size, found)) > MAX_KEY_SIZE:
                raise self.quiet("the keys are too long together", "one string, beside a stack or numbers")
        if len(names) > MAX_KEYS:
            raise self.quiet(f"more than {MAX_KEYS} keys")
        return tuple(found)

    def _field(self, text: str, *, key: bool) -> HistField:
        if text.count(".") > 1:
            raise self.fail("FIELD_NOT_FOUND", text.split(".", 2)[2])
        if self.is_older and key and text == OLDER_STACK.name:
            return HistField(text, text, OLDER_STACK)
        name, dot, modifier = text.partition(".")
        modifier, buckets = self._modifier(name, modifier, key=key) if dot else ("", 0)
        found = self._named(name)
        if modifier == "stacktrace" and found.kind is not FieldKind.STACK:
            raise self.fail("BAD_FIELD_MODIFIER", text)
        named = "common_cpu" if found.kind is FieldKind.CPU else found.name
        return HistField(name, named, found, modifier, buckets)

    def _modifier(self, name: str, text: str, *, key: bool) -> tuple[str, int]:
        """The modifier and a bucket's size."""
        if text.startswith("bucket"):
            return "buckets", self._bucket_size(text)
        for column in ("percent", "graph"):
            if text.startswith(column) and not key:
                return column, 0
        known = text in _KEY_MODIFIERS and not (self.is_older and text == "stacktrace")
        known = known and (text != "execname" or name == "common_pid")
        if not known:
            hint = nearest(text, (*_KEY_MODIFIERS, "percent", "graph", "buckets=N"))
            raise self.fail("BAD_FIELD_MODIFIER", text, hint=hint)
        return text, 0

    def _bucket_size(self, text: str) -> int:
        rest = text.removeprefix("bucket")
        rest = rest.removeprefix("s")
        if not rest.startswith("="):
            raise self.fail("BAD_FIELD_MODIFIER", rest, hint="write .buckets=N")
        try:
            size = kstrtoul(rest[1:])
        except NumberError:
            size = 0
        if not size:
            # a minus would be an expression, which a kernel cuts here
            raise self.fail("BAD_FIELD_MODIFIER", rest[1:].partition("-")[0], hint="write .buckets=N, N > 0")
        return size

    def _named(self, name: str) -> Field:
        special = {"common_timestamp": TIME}
        if not self.is_older:
            special |= {"common_stacktrace": STACK, "hitcount": HITCOUNT}
        if name in special:
            return special[name]
        found = self.fields.get(name)
        if found is not None and found.kind is FieldKind.STACK:
            return STACK
        if found is None or found.kind is FieldKind.COMM:
            names = [*self.fields, *special]
            raise self.fail(
                "FIELD_NOT_FOUND", name, hint=nearest(name, names) or f"fields: {' '.join(names)}"
            )
        if found.kind is FieldKind.NUMBER and found.size not in _SIZES:
            reason = f"the array {name} has {found.size} bytes, which no histogram takes"
            raise self.quiet(reason, "arrays of 1, 2, 4 or 8 bytes count as numbers", "ENOMEM")
        return found

    # --- sort -----------------------------------------------------------------------------------

    def _sort(self, values: tuple[HistField, ...], keys: tuple[HistField, ...]) -> tuple[SortKey, ...]:
        if "sort" not in self.attributes:
            return (SortKey(),)
        wanted = self.attributes["sort"].split(",")
        names = [f.shown for f in (*values, *keys)]
        found: list[SortKey] = []
        for number, text in enumerate(wanted[:2]):
            name, dot, modifier = text.partition(".")
            if number == 1 and len(wanted) > 2:
                raise self.fail("TOO_MANY_SORT_FIELDS", "sort=")
            if not name:
                raise self.fail("EMPTY_SORT_FIELD", "sort=")
            if name != "hitcount" and name not in names:
                raise self.fail("INVALID_SORT_FIELD", name, hint=nearest(name, ["hitcount", *names]))
            if dot and modifier not in ("descending", "ascending"):
                raise self.fail("INVALID_SORT_MODIFIER", modifier, hint="write .descending or .ascending")
            index = 0 if name == "hitcount" else names.index(name) + 1
            found.append(SortKey(index, modifier == "descending"))
        return tuple(found)


def _key_size(key: HistField) -> int:
    return {FieldKind.STRING: STRING_SIZE, FieldKind.STACK: STACK_SIZE}.get(key.field.kind, 8)


def parse_hist(text: str, filter_text: str, spec: EventSpec) -> HistSpec:
    """The histogram that *text* (from ``hist`` on, without `` if ...``) defines for *spec*.

    Raises SpecError with the kernel's message and column; *filter_text* is not looked at.
    """
    if not text.startswith("hist:") or text == "hist:":
        raise SpecError("a histogram needs keys", line=text, logged=False, hint="hist:keys=FIELD[,FIELD...]")
    return _Parser(text, spec).parse(filter_text)
