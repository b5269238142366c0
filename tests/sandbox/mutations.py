"""Damaged programs and damaged texts, by seed, and what we do with each."""

from __future__ import annotations

import contextlib
import io
import random
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from uprobe_arm64.frames import FRAME_RULES
from uprobe_arm64.registers import REGISTERS

from uprobe_core.cli import main
from uprobe_core.errors import SpecError, UprobeError
from uprobe_core.event_model import EventSpec
from uprobe_core.events.files import FileStatus
from uprobe_core.events.filters import parse_filter
from uprobe_core.events.parse import Language
from uprobe_core.events.triggers import parse_trigger
from uprobe_core.image.elf import ElfFile
from uprobe_core.setup.file import read_file
from uprobe_core.stacks.cfi import CallFrames
from uprobe_core.types import Policy

__all__ = ("PATIENCE", "damaged_program", "damaged_text", "look_at", "read_setup", "read_text", "within")

PATIENCE = 20
"""Seconds that one look may take, on a machine that does other things as well."""
EDGES = (
    0,
    1,
    2,
    7,
    8,
    0x7F,
    0x80,
    0xFF,
    0xFFF,
    0x1000,
    0xFFFF,
    0x10000,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
)
LARGE = (*EDGES, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 4096)


@contextlib.contextmanager
def within(seconds: int) -> Iterator[None]:
    """TimeoutError for what takes longer."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it takes more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# --- programs -----------------------------------------------------------------------------------------


def damaged_program(good: bytes, chance: random.Random) -> bytes:
    """*good* with a few fields of its headers, or bytes of its tables, changed; sometimes cut."""
    data = bytearray(good)
    places = _places(good)
    for _ in range(chance.choice((1, 1, 2, 3, 8, 40))):
        start, end = chance.choice(places)
        size = chance.choice((1, 2, 4, 8))
        at = chance.randrange(start, max(start + 1, end - size)) & -min(size, 4)
        number = chance.choice(LARGE) if chance.random() < 0.7 else chance.getrandbits(64)
        data[at : at + size] = (number & (1 << 8 * size) - 1).to_bytes(size, "little")
    if chance.random() < 0.1:
        del data[chance.randrange(len(data)) :]
    return bytes(data)


def _places(data: bytes) -> list[tuple[int, int]]:
    """[start, end) of what says something of the file: headers, and every section that is no code."""
    phoff, shoff = struct.unpack_from("<QQ", data, 32)
    phsize, phnum, shsize, shnum = struct.unpack_from("<HHHH", data, 54)
    found = [(16, 64), (phoff, phoff + phsize * phnum), (shoff, shoff + shsize * shnum)] * 3
    for index in range(shnum):
        kind, flags, _, offset, size = struct.unpack_from("<IQQQQ", data, shoff + index * shsize + 4)
        if size and kind != 8 and not flags & 4:
            found.append((offset, offset + size))
    return found


def look_at(path: Path) -> list[str]:
    """What goes wrong, beside a refusal, when everything that reads programs reads this one."""
    found: list[str] = []
    for words in _commands(path):
        status, err = _command(*words)
        if status not in (0, 1, 2, 125, 126, 127) or "internal" in err or "Traceback" in err:
            found.append(f"{words[0]}: {status} {err[-300:]}")
    with contextlib.suppress(UprobeError), ElfFile(path) as elf:
        frames = CallFrames(elf, FRAME_RULES)
        for segment in elf.segments[:4]:
            for at in range(0, min(segment.memory_size, 1 << 16), 1 << 10):
                frames.row_at(segment.vaddr + at)
    return found


def _commands(path: Path) -> Iterator[tuple[str, ...]]:
    yield "list", str(path)
    yield "why", str(path), "main"
    yield "check", "-e", f"p:g/a {path}:main+4 a=%x0", "-e", f"p:g/b {path}:markers.c:12", "--", str(path)
    yield (
        "check",
        "-e",
        f"p:g/c {path}:sdt:app:* a=$arg1",
        "-e",
        f"r:g/d {path}:w* b=$retval",
        "--",
        str(path),
    )


def _command(*words: str) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), within(PATIENCE):
        try:
            status = main(words)
        except SystemExit as end:
            status = int(end.code or 0)
    return status, err.getvalue()


# --- texts ----------------------------------------------------------------------------------------------

LINES = (
    "p:g/work /bin/x:0x10 a=%x0 b=+8(%x1):u64 name=+0(%x2):string c=@0x1000:x8[4] d=$stack2:s32 e=$comm",
    'r4:ret "/bin/a b":main+0x4%return rv=$retval:b4@2/32 t=$latency n=$insns s=-8(+16(%sp)):ustring',
    "p /bin/x:sdt:app:mark $arg1 $arg2:u8 -:g/work",
    'e:f /bin/x:main(0x8) a=\\"text\\" b=\\1 c=+u8(%x0):symbol d=%lr:char',
)
FILTERS = (
    'a > 5 && (s ~ "a*b?" || !(a & 0xff)) && common_pid != 1',
    's == "x\\"y" || a in {1,2}',
    "CPUS{0-3}",
)
TRIGGERS = (
    "hist:keys=a.hex,common_pid:vals=hitcount,a:sort=hitcount.descending:size=4096:ts0=common_timestamp if a",
    "hist:name=h:keys=s,stacktrace:x=$ts0-1:onmatch(uprobes.ev).save(a):onmax($x).snapshot()",
    "traceoff:3 if a == 1",
    "enable_event:uprobes:ev:2",
)
SETUP = """
[target]
argv = ["./x", "1"]
sysroot = "/"
[limits]
seconds = 1.5
memory = "1G"
[[events]]
name = "work"
group = "g"
place = "./x:main"
args = ["a=%x0"]
[[consumers]]
use = "count"
by = "a"
[[filters]]
event = "work"
filter = "a > 1"
"""
_MARKS = tuple("()[]{}:,.='\"\\/*?~!&|+-%$@#\n\t\0\uffff\u00e9")
WORDS = (*_MARKS, "", "0", "-1", "&&", "||", "0x", "9" * 20, "u64", "string")


def damaged_text(good: str, chance: random.Random) -> str:
    """*good* with pieces put in, taken out, doubled, moved."""
    text = good
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        at, end = sorted((chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)))
        end = min(end, at + chance.choice((0, 1, 2, 8)))
        piece = chance.choice(
            (chance.choice(WORDS), text[at:end] * 2, "", chr(chance.randrange(1, 0x300)), "(" * 200)
        )
        text = text[:at] + piece + text[end:]
    return text


def _anything(path: str) -> FileStatus:
    return FileStatus("", True, 1 << 20, (1, hash(path)), path)


_LANGUAGES = [Language(Policy(name), REGISTERS, file_check=_anything) for name in ("kernel", "anywhere")]
(_EVENT,) = _LANGUAGES[0].parse("p:ev /bin/x:0x10 a=%x0:s64 s=+0(%x1):string b=+0(%x1):u8[4]")
assert isinstance(_EVENT, EventSpec)
_EV = _EVENT
_READERS: tuple[tuple[tuple[str, ...], Callable[[str], object]], ...] = (
    (LINES, _LANGUAGES[0].parse),
    (LINES, _LANGUAGES[1].parse),
    (FILTERS, lambda text: parse_filter(text, _EV)),
    (TRIGGERS, lambda text: parse_trigger(text, _EV, {"uprobes/ev"}.__contains__)),
)


def read_text(chance: random.Random) -> None:
    """Damage a line, a filter or a trigger and read it: it is accepted or refused."""
    good, read = chance.choice(_READERS)
    with contextlib.suppress(SpecError):
        read(damaged_text(chance.choice(good), chance))


def read_setup(path: Path, chance: random.Random) -> None:
    """Damage a set-up file and read it."""
    path.write_text(damaged_text(SETUP, chance), encoding="utf-8")
    with contextlib.suppress(UprobeError):
        read_file(str(path))
