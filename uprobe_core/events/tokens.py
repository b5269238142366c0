"""Words and numbers of the event language, read exactly as the kernel reads them.

Sources: lib/kstrtox.c (numbers), lib/argv_split.c (words), kernel/trace/trace.h
(names), all 6.12.
"""

from __future__ import annotations

__all__ = (
    "NumberError",
    "is_good_name",
    "is_good_system_name",
    "kstrtol",
    "kstrtoul",
    "simple_strtoul",
    "split_words",
)

_SPACE = " \t\n\v\f\r"
_DIGITS = "0123456789"
_HEX = _DIGITS + "abcdefABCDEF"


class NumberError(ValueError):
    """Text that is not a number (``EINVAL``) or does not fit 64 bits (``ERANGE``)."""

    def __init__(self, errno_name: str) -> None:
        super().__init__(errno_name)
        self.errno_name = errno_name


def split_words(line: str) -> list[str]:
    """The words of *line*, separated by ASCII white space only."""
    if line.isprintable():  # of all white space only the blank is
        return line.split()
    for space in _SPACE[1:]:
        line = line.replace(space, " ")
    return [word for word in line.split(" ") if word]


def is_good_name(name: str) -> bool:
    """Whether *name* is a C identifier in ASCII."""
    return name.isascii() and name.isidentifier()


def is_good_system_name(name: str) -> bool:
    """Whether *name* can be a group: like an identifier, and ``-`` anywhere."""
    return is_good_name(name.replace("-", "_"))


def _radix(text: str, base: int) -> tuple[str, int]:
    """Split a 0x or 0 prefix off; a bare ``0x`` is octal 0 followed by rubbish."""
    hexadecimal = text[:1] == "0" and text[1:2] in ("x", "X") and text[2:3] != "" and text[2] in _HEX
    if base == 0:
        base = 16 if hexadecimal else 8 if text[:1] == "0" else 10
    if base == 16 and text[:2] in ("0x", "0X"):
        text = text[2:]
    return text, base


def _digits(text: str, base: int) -> str:
    """The longest prefix of *text* that is a number in *base*."""
    allowed = _HEX if base == 16 else _DIGITS[:base]
    return text[: len(text) - len(text.lstrip(allowed))]


def kstrtoul(text: str, base: int = 0) -> int:
    """The unsigned 64-bit number that the whole of *text* is; base 0 knows 0x and 0.

    Raises NumberError.  One leading ``+`` is allowed, white space is not.
    """
    if text[:1] == "+":
        text = text[1:]
    return _whole(text, base)


def _whole(text: str, base: int) -> int:
    body, radix = _radix(text, base)
    digits = _digits(body, radix)
    significant = digits.lstrip("0")
    if len(significant) > 22 or int(significant or "0", radix) >= 1 << 64:  # 22: 2**64 in octal
        raise NumberError("ERANGE")
    if not digits or len(digits) != len(body):
        raise NumberError("EINVAL")
    return int(significant or "0", radix)


def kstrtol(text: str, base: int = 0) -> int:
    """The signed 64-bit number that the whole of *text* is.  Raises NumberError."""
    value = -_whole(text[1:], base) if text[:1] == "-" else kstrtoul(text, base)
    if not -(1 << 63) <= value < 1 << 63:
        raise NumberError("ERANGE")
    return value


def simple_strtoul(text: str) -> tuple[int, str]:
    """The number that *text* starts with (0 if none; modulo 2**64) and what follows it."""
    body, radix = _radix(text, 0)
    digits = _digits(body, radix)
    value = int(digits, radix) % (1 << 64) if digits else 0
    return value, body[len(digits) :] if digits else text
