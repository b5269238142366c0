"""Run inside gdb: stops once at each address and writes down the variables there, as gdb has them."""

# mypy: ignore-errors

import json
import os

import gdb

_WORDS = "<optimized out>"
_NESTED = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION, gdb.TYPE_CODE_ARRAY)
_WHOLE = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)


def _is_char(kind):
    kind = kind.strip_typedefs().unqualified()
    return kind.name == "char" and kind.sizeof == 1


def _text(data):
    return '"' + data.decode("utf-8", "surrogateescape") + '"'


def _pointer(value, kind):
    if _is_char(kind.target()):
        try:
            return '"' + value.string(errors="surrogateescape") + '"'
        except (gdb.MemoryError, gdb.error):
            return "(fault)"
    if kind.target().strip_typedefs().code == gdb.TYPE_CODE_FUNC and int(value):
        text = gdb.execute(f"info symbol {int(value)}", to_string=True)
        name, _, offset = text.split(" in section ")[0].partition(" + ")
        return "junk" if text.startswith("No symbol") else f"{name}+{int(offset or 0):#x}"
    return hex(int(value) & (1 << 64) - 1)


def _structure(value, kind, depth):
    if depth >= 2:
        return "{...}"
    parts = []
    for field in kind.fields():
        if field.artificial or not hasattr(field, "bitpos"):
            continue
        name = field.type.name if field.is_base_class else field.name
        parts.append((f"{name}=" if name else "") + shown(value[field], depth + 1))
    gone = parts and all(part.endswith(_WORDS) for part in parts)
    return _WORDS if gone else "{" + " ".join(parts) + "}"


def _array(value, kind, depth):
    low, high = kind.range()
    inner = kind.target().strip_typedefs()
    if _is_char(inner):
        return _text(bytes(int(value[i]) & 255 for i in range(low, high + 1)).split(b"\0")[0])
    deeper = depth + (inner.code in _NESTED)
    return "{" + ",".join(shown(value[i], deeper) for i in range(low, min(high, low + 63) + 1)) + "}"


def shown(value, depth=0):
    """*value* as trace text writes it; an enumeration as #NUMBER."""
    kind = value.type.strip_typedefs()
    if value.is_optimized_out and kind.code not in _NESTED:
        return _WORDS
    if kind.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
        return shown(value.referenced_value(), depth)
    if kind.code == gdb.TYPE_CODE_BOOL:
        return {0: "false", 1: "true"}.get(int(value), str(int(value)))
    if kind.code == gdb.TYPE_CODE_FLT:
        return repr(float(value))
    if kind.code == gdb.TYPE_CODE_ENUM:
        return f"#{int(value)}"
    if kind.code == gdb.TYPE_CODE_PTR:
        return _pointer(value, kind)
    if kind.code in _WHOLE:
        return _structure(value, kind, depth)
    if kind.code == gdb.TYPE_CODE_ARRAY:
        return _array(value, kind, depth)
    return f"'{chr(int(value) & 255)}'" if _is_char(kind) else str(int(value))


def _at(frame, names):
    found = {}
    for name in names:
        try:
            value = frame.read_var(name)
            found[name] = shown(value)
        except (gdb.error, ValueError, RuntimeError) as error:
            found[name] = f"!{error}"
    return found


def main(asked):
    """Go from stop to stop until each address was seen, or the program ends."""
    for command in (
        "set pagination off",
        "set confirm off",
        "set debuginfod enabled off",
        f"file {asked['program']}",
        "handle all nostop noprint pass",
        f"target remote {asked['socket']}",
        *(f"break *{place}" for place in asked["places"]),
    ):
        gdb.execute(command, to_string=True)
    found = {}
    while len(found) < len(asked["places"]):
        try:
            gdb.execute("continue", to_string=True)
            frame = gdb.selected_frame()
        except gdb.error:  # the program has ended
            break
        place = hex(frame.pc())
        found[place] = _at(frame, asked["places"].get(place, []))
        for point in gdb.breakpoints():
            if point.location == f"*{place}":
                point.delete()
    with open(asked["result"], "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(found, file)


main(json.loads(os.environ["UPROBE_GDB_WALK"]))
