"""Run inside gdb: a value as trace text writes it, from what gdb says of it alone."""

# mypy: ignore-errors

import struct

import gdb

WORDS = "<optimized out>"
_SYNTHETIC = "<synthetic pointer>"
"""What gdb 13 says of a number, too, that is behind all pieces of which the compiler says where they are."""
_NESTED = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION, gdb.TYPE_CODE_ARRAY)
_WHOLE = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)
_REFERENCES = (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF)
_HELD = {"std::shared_ptr<": "_M_ptr", "std::array<": "_M_elems"}
_MASK = (1 << 64) - 1


def _is_char(kind):
    kind = kind.strip_typedefs().unqualified()
    return kind.name == "char" and kind.sizeof == 1


def _text(data):
    return '"' + data.decode("utf-8", "surrogateescape") + '"'


def _pointer(value, kind):
    target = kind.target()
    if _is_char(target):
        try:
            return '"' + value.string(errors="surrogateescape") + '"'
        except (gdb.MemoryError, gdb.error):
            return "(fault)"
    if target.strip_typedefs().code == gdb.TYPE_CODE_FUNC and int(value):
        return _symbol(int(value) & _MASK)
    return hex(int(value) & _MASK)


def _symbol(address):
    text = gdb.execute(f"info symbol {address}", to_string=True)
    if text.startswith("No symbol"):
        return hex(address)
    name, _, offset = text.split(" in section ")[0].partition(" + ")
    return f"{name}+{int(offset or 0):#x}"


def _enumeration(value, kind):
    number = int(value)
    names = {}
    for field in kind.fields():
        names.setdefault(field.enumval, field.name.rpartition("::")[2])
    if number in names:
        return names[number]
    bits = [bit for bit in names if bit]
    if number > 0 and len(bits) > 1 and all(bit > 0 and bit & (bit - 1) == 0 for bit in bits):
        held = [bit for bit in bits if number & bit]
        if sum(held) == number:
            return "|".join(names[bit] for bit in held)
    return str(number)


def _wide(value, kind):
    """128 bits, which are no number of gdb's Python."""
    number = int(value.format_string(format="x"), 16)
    return str(number - (1 << 128) if kind.is_signed and number >> 127 else number)


def _complex(value):
    real, _, imaginary = str(value).partition(" + ")
    single = value.type.strip_typedefs().sizeof == 8
    return f"{_as_wide(real, single)!r}+{_as_wide(imaginary.rstrip('i'), single)!r}i"


def _as_wide(text, single):
    """The number that *text* is, or the one of 32 bits that its nine digits are of."""
    return struct.unpack("<f", struct.pack("<f", float(text)))[0] if single else float(text)


def _is_empty(kind):
    own = [field for field in kind.fields() if not (field.name or "").startswith("_vptr")]
    return all(field.is_base_class and _is_empty(field.type) for field in own)


def _last(name):
    """The name of a class without what is around it, and without its parameters."""
    return name.partition("<")[0].rpartition("::")[2]


def _owned(held):
    """The pointer in the tuple *held*, whose empty deleter has a member of the same name."""
    held = held[held.type.strip_typedefs().fields()[0]]
    heads = [
        field for field in held.type.strip_typedefs().fields() if field.name.startswith("std::_Head_base<0")
    ]
    return held[heads[0]]["_M_head_impl"]


def _structure(value, kind, depth):
    name = kind.name or ""
    for start, part in _HELD.items():
        if name.startswith(start):
            return shown(value[part], depth)
    if name.startswith("std::unique_ptr<"):
        return shown(_owned(value["_M_t"]["_M_t"]), depth)
    if name.startswith("std::__cxx11::basic_string<char,"):
        return _text(value["_M_dataplus"]["_M_p"].string(length=int(value["_M_string_length"])).encode())
    if name.startswith("std::basic_string_view<char,"):
        return _text(value["_M_str"].string(length=int(value["_M_len"])).encode())
    if depth >= 2:
        return WORDS if value.format_string(raw=True) == WORDS else "{...}"
    parts = []
    for field in kind.fields():
        if field.is_base_class and _is_empty(field.type):
            continue
        if not hasattr(field, "bitpos") or (field.name or "").startswith("_vptr"):
            continue
        name = _last(field.type.name) if field.is_base_class else field.name
        parts.append((f"{name}=" if name else "") + shown(value[field], depth + 1))
    gone = parts and all(part.endswith(WORDS) for part in parts)
    return WORDS if gone else "{" + " ".join(parts) + "}"


def _array(value, kind, depth):
    low, high = kind.range()
    inner = kind.target().strip_typedefs()
    if _is_char(inner):
        if any(shown(value[i]) == WORDS for i in range(low, high + 1)):
            return WORDS
        return _text(bytes(int(value[i]) & 255 for i in range(low, high + 1)).split(b"\0")[0])
    deeper = depth + (inner.code in _NESTED)
    parts = [shown(value[i], deeper) for i in range(low, min(high, low + 63) + 1)]
    gone = parts and all(part == WORDS for part in parts)
    return WORDS if gone else "{" + ",".join(parts) + ("}..." if high > low + 63 else "}")


def shown(value, depth=0):
    """*value* as trace text writes it."""
    kind = value.type.strip_typedefs()
    text = value.format_string(raw=True)
    if text in (WORDS, _SYNTHETIC):
        return text if kind.code == gdb.TYPE_CODE_PTR else WORDS
    if kind.code in _REFERENCES:
        return shown(value.referenced_value(), depth)
    if kind.code == gdb.TYPE_CODE_BOOL:
        return {0: "false", 1: "true"}.get(int(value), str(int(value)))
    if kind.code == gdb.TYPE_CODE_FLT:
        return repr(float(value))
    if kind.code == gdb.TYPE_CODE_ENUM:
        return _enumeration(value, kind)
    if kind.code == gdb.TYPE_CODE_PTR:
        return _pointer(value, kind)
    if kind.code in _WHOLE:
        return _structure(value, kind, depth)
    if kind.code == gdb.TYPE_CODE_ARRAY:
        return _array(value, kind, depth)
    if kind.code == gdb.TYPE_CODE_INT and kind.sizeof == 16:
        return _wide(value, kind)
    if kind.code == gdb.TYPE_CODE_COMPLEX:
        return _complex(value)
    if kind.code in (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_CHAR):
        if kind.code == gdb.TYPE_CODE_CHAR and kind.sizeof > 1:
            return f"'{chr(int(value))}'"
        letter = bytes([int(value) & 255]).decode("utf-8", "surrogateescape")
        return f"'{letter}'" if _is_char(kind) else str(int(value))
    return str(value)
