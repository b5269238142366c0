"""Names of Rust in symbols that begin with ``_R`` (RFC 2603, "v0" mangling)."""

from __future__ import annotations

import re

__all__ = ("rust_name",)

_BASIC = {"a": "i8", "b": "bool", "c": "char", "d": "f64", "e": "str", "f": "f32", "h": "u8", "i": "isize"}
_BASIC |= {"j": "usize", "l": "i32", "m": "u32", "n": "i128", "o": "u128", "p": "_", "s": "i16", "t": "u16"}
_BASIC |= {"u": "()", "v": "...", "x": "i64", "y": "u64", "z": "!"}
_DIGITS = {c: n for n, c in enumerate("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")}
_SYMBOL = re.compile(r"_R(?P<name>[A-Za-z][A-Za-z0-9_]*)(?:[.$].*)?", re.ASCII | re.DOTALL)
_MOST_STEPS, _MOST_DEEP, _MOST_LETTERS = 1000, 100, 1 << 13
"""What a name may ask for: it may repeat what came before, and so stand for gigabytes."""


def rust_name(symbol: str) -> str:
    """What the source calls *symbol*, parameters of types in ``<>``; *symbol* itself if it is no such name.

    Methods are those of their type, ``app::Shape::area``, or of a trait, ``<app::Shape as app::Area>::area``.
    """
    found = _SYMBOL.fullmatch(symbol)
    if found is None or len(symbol) > _MOST_LETTERS:
        return symbol
    try:
        return _Name(found["name"]).path()
    except (IndexError, KeyError, ValueError, RecursionError):
        return symbol


class _Name:
    """Reads one name from left to right; raises IndexError, KeyError or ValueError where it is none."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._steps = self._depth = self._bound = 0

    def _next(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _take(self, letter: str) -> bool:
        found = self._text[self._at : self._at + 1] == letter
        self._at += found
        return found

    def _number(self) -> int:
        """In base 62, from 0 on."""
        if self._take("_"):
            return 0
        value = 0
        while not self._take("_"):
            value = value * 62 + _DIGITS[self._next()]
        return value + 1

    def _optional(self, letter: str) -> int:
        """The number behind *letter*, from 1 on; 0 without it."""
        return self._number() + 1 if self._take(letter) else 0

    def _identifier(self) -> str:
        is_coded, start = self._take("u"), self._at
        while self._text[self._at : self._at + 1].isdigit() and self._text[start : self._at] != "0":
            self._at += 1
        size = int(self._text[start : self._at])
        self._take("_")
        found = self._text[self._at : self._at + size]
        if len(found) < size:
            raise IndexError("a name that is cut off")
        self._at += size
        if is_coded:
            base, _, coded = found.rpartition("_")
            found = f"{base}-{coded}".lstrip("-").encode().decode("punycode")
        return found

    def _deeper(self) -> None:
        self._steps += 1
        self._depth += 1
        if self._steps > _MOST_STEPS or self._depth > _MOST_DEEP:
            raise ValueError("too long a name")

    def path(self) -> str:
        """A path."""
        self._deeper()
        start, letter = self._at, self._next()
        if letter == "B":
            found = self._repeated(start, "path")
        elif letter == "C":
            self._optional("s")
            found = self._identifier()
        elif letter == "N":
            found = self._nested()
        elif letter == "I":
            found = f"{self.path()}<{', '.join(self._until_end('argument'))}>"
        elif letter in "MXY":
            found = self._implementation(letter)
        else:
            raise ValueError(letter)
        self._depth -= 1
        return found

    def _nested(self) -> str:
        space, outer = self._next(), self.path()
        number, name = self._optional("s"), self._identifier()
        if space.islower():
            return f"{outer}::{name}" if name else outer
        kind = {"C": "closure", "S": "shim"}.get(space, space)
        return f"{outer}::{{{kind}{':' if name else ''}{name}#{number}}}"

    def _implementation(self, letter: str) -> str:
        if letter != "Y":
            self._optional("s")
            self.path()  # where it stands in the source
        letter_of_type = self._text[self._at]
        kind = self.type()
        if letter == "M":
            return kind if kind[0].isalpha() and letter_of_type in "CNIB" else f"<{kind}>"
        return f"<{kind} as {self.path()}>"

    def _until_end(self, kind: str) -> list[str]:
        found = []
        while not self._take("E"):
            found.append(getattr(self, kind)())
        return found

    def _repeated(self, start: int, kind: str) -> str:
        """What stands at an earlier place, as a *kind*."""
        target = self._number()
        if target >= start:
            raise ValueError("a name of itself")
        back, self._at = self._at, target
        found = str(getattr(self, kind)())
        self._at = back
        return found

    def argument(self) -> str:
        """What a parameter stands for."""
        if self._take("L"):
            return self._lifetime(self._number())
        return self.constant() if self._take("K") else self.type()

    def _lifetime(self, index: int) -> str:
        if not index:
            return "'_"
        number = self._bound - index
        if number < 0:
            raise ValueError("a lifetime of nothing")
        return f"'{chr(ord('a') + number)}" if number < 26 else f"'_{number}"

    def type(self) -> str:
        """A type."""
        start, letter = self._at, self._next()
        if letter in _BASIC:
            return _BASIC[letter]
        self._deeper()
        if letter in "RQ":
            lifetime = f"{self._lifetime(self._number())} " if self._take("L") else ""
            lifetime = "" if lifetime == "'_ " else lifetime
            found = f"&{lifetime}{'mut ' if letter == 'Q' else ''}{self.type()}"
        elif letter in "PO":
            found = f"*{'const' if letter == 'P' else 'mut'} {self.type()}"
        elif letter in "AS":
            inner = self.type()
            found = f"[{inner}; {self.constant()}]" if letter == "A" else f"[{inner}]"
        elif letter == "T":
            parts = self._until_end("type")
            found = f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        elif letter in "FD":
            found = self._function() if letter == "F" else self._dynamic()
        elif letter == "B":
            found = self._repeated(start, "type")
        else:
            self._at = start
            found = self.path()
        self._depth -= 1
        return found

    def _binder(self) -> str:
        count = self._optional("G")
        if count > 26:
            raise ValueError("too many lifetimes")
        self._bound += count
        names = ", ".join(self._lifetime(count - number) for number in range(count))
        return f"for<{names}> " if count else ""

    def _function(self) -> str:
        bound = self._bound
        before = self._binder() + ("unsafe " if self._take("U") else "")
        if self._take("K"):
            convention = "C" if self._take("C") else self._identifier().replace("_", "-")
            before += f'extern "{convention}" '
        parameters, result = ", ".join(self._until_end("type")), self.type()
        self._bound = bound
        return f"{before}fn({parameters})" + ("" if result == "()" else f" -> {result}")

    def _dynamic(self) -> str:
        bound = self._bound
        before = self._binder()
        traits = " + ".join(self._until_end("trait"))
        self._bound = bound
        if not self._take("L"):
            raise ValueError("a lifetime is missing")
        lifetime = self._lifetime(self._number())
        return f"dyn {before}{traits}" + ("" if lifetime == "'_" else f" + {lifetime}")

    def trait(self) -> str:
        """A trait, and what its associated types are."""
        found, bindings = self.path(), []
        while self._take("p"):
            name = self._identifier()
            bindings.append(f"{name} = {self.type()}")
        if not bindings:
            return found
        text = ", ".join(bindings)
        return f"{found[:-1]}, {text}>" if found.endswith(">") else f"{found}<{text}>"

    def constant(self) -> str:
        """A number, a letter or a truth value."""
        start = self._at
        if self._take("B"):
            return self._repeated(start, "constant")
        kind = self._next()
        if kind == "p":
            return "_"
        sign, digits = "-" if self._take("n") else "", ""
        while not self._take("_"):
            digits += self._next()
        value = int(digits or "0", 16)
        if kind == "b":
            return ("false", "true")[value]
        if kind == "c":
            return repr(chr(value))
        if kind not in "ahijlmnostxy":
            raise ValueError(kind)
        return f"{sign}{value}"
