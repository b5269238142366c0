"""Random (function, pc, variable) triples of a program: what named arguments print, beside what gdb shows.

    python -m tests.debuginfo.triples PROGRAM [--seed N] [--count N] [--sysroot DIR] [--file GUEST] -- ARG...

The program is run once to learn which instructions it reaches, and once more with an event for each triple.
At the first hit of a place the process is written down as a core file, and gdb says what the variables are
there: the same stop to the byte, so nothing has to be forgiven.  The exit status is 1 if a value differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import uprobe_core as up
from tests.debuginfo.cores import write_core
from tests.events.support import ARCH
from uprobe_core.debuginfo.dwarf import At
from uprobe_core.debuginfo.encoding import DAMAGED
from uprobe_core.debuginfo.functions import functions_of
from uprobe_core.debuginfo.names import Names
from uprobe_core.debuginfo.source import Source
from uprobe_core.errors import SpecError, UprobeError
from uprobe_core.events.files import host_file
from uprobe_core.events.trace_text import shown
from uprobe_core.image.elf_symbols import ElfImage

__all__ = ("Asked", "Triples", "agree", "main", "triples")

_SCRIPT = Path(__file__).with_name("gdb_cores.py")
_DIGITS_OF_A_DOUBLE = 17
_SAID = {"Cannot access memory": "(fault)", "no such vector element": "<optimized out>"}
_SAID |= {"value has been optimized out": "<optimized out>"}
"""What gdb raises in place of a value, and what we print then."""
_CANNOT = ("!DWARF-2 expression error: DW_OP_GNU_uninit must", "!value requires ")
"""What gdb 13 does not read: a piece that has no value yet, an array whose bound is what the stack held."""
_CANDIDATES, _EACH = 6000, 4


@dataclass(frozen=True)
class Asked:
    """What is run, and which file's variables are looked at.

    :param program: as the guest calls it; :param file: the same, of the file that the places are in
    """

    program: str
    arguments: tuple[str, ...] = ()
    sysroot: str = ""
    file: str = ""
    units: str = ""
    count: int = 200
    seed: int = 0

    @property
    def target(self) -> str:
        """The file that is looked at, as the guest calls it."""
        return self.file or self.program

    def host(self, path: str) -> str:
        """Where the guest's *path* lies here."""
        return self.sysroot + path

    def session(self) -> up.Session:
        """A run."""
        folders = [self.sysroot + "/usr/lib/debug"] if self.sysroot else []
        words = {"sysroot": self.sysroot, "debug_folders": folders} if self.sysroot else {}
        return up.Session([self.program, *self.arguments], output="/dev/null", **words)


@dataclass
class Triples:
    """What was found; keys are (address in the file, function, variable)."""

    ours: dict[tuple[str, str, str], str] = field(default_factory=dict)
    gdb: dict[tuple[str, str, str], str] = field(default_factory=dict)
    entries: set[str] = field(default_factory=set)
    """Places where a function begins: there parameters are ours by the calling convention, where gdb shows
    what is in memory that the prologue has yet to fill."""

    def differences(self) -> list[tuple[tuple[str, str, str], str, str]]:
        """(key, ours, gdb's) where they do not agree."""
        both = [(key, self.ours[key], self.gdb[key]) for key in self.ours if key in self.gdb]
        return [each for each in both if not agree(each[1], each[2])]

    def counted(self) -> list[tuple[tuple[str, str, str], str, str]]:
        """Those of them that are somebody's fault."""
        return [each for each in self.differences() if each[0][0] not in self.entries]


def agree(ours: str, theirs: str) -> bool:
    """Whether two texts say the same; what is left out for being too deep or too long is left out."""
    if theirs.startswith(_CANNOT):
        return not ours.startswith("refused")
    if theirs.startswith("!"):
        return ours == "{...}" or ours == next(
            (own for said, own in _SAID.items() if theirs[1:].startswith(said)), ""
        )
    left = re.sub(r"\w+=|\{\.\.\.\}|[{}, ]", "", theirs.replace("<optimized out>", ""))
    if not left and "..." in theirs and (ours == "<optimized out>" or "<" not in theirs):
        return True  # all of it is too deep, or nowhere
    pattern = re.escape(ours.replace(",...}", "..."))
    if ours.startswith("{"):
        pattern = pattern.replace("<optimized\\ out>", "<(optimized out|synthetic pointer)>")
    for cut in ("{...}", "...", "?"):
        pattern = pattern.replace(re.escape(cut), ".*")
    return ours == theirs or _is_rounded(ours, theirs) or re.fullmatch(pattern, theirs, re.DOTALL) is not None


def _is_rounded(ours: str, theirs: str) -> bool:
    """Whether *ours* has more digits than a double, as which gdb's Python knows a number of 128 bits."""
    try:
        return len(ours) > _DIGITS_OF_A_DOUBLE + len("-.e+308") and float(ours) == float(theirs)
    except ValueError:
        return False


class _Gdb:
    """gdb-multiarch, asked about one core file after another."""

    def __init__(self, asked: Asked, folder: Path) -> None:
        self._core, self._pipes = folder / "core", [folder / name for name in ("questions", "answers")]
        self._asked = asked
        self._image = ElfImage(asked.host(asked.program))
        self._start()

    def _start(self) -> None:
        asked = self._asked
        for pipe in self._pipes:
            pipe.unlink(missing_ok=True)
            os.mkfifo(pipe)
        told = {"sysroot": asked.sysroot, "program": asked.host(asked.program)}
        told |= {"folder": f"{asked.sysroot}/usr/lib/debug" if asked.sysroot else ""}
        told |= dict(zip(("questions", "answers"), map(str, self._pipes), strict=True))
        environ = {"UPROBE_GDB_CORES": json.dumps(told), "UPROBE_GDB_FOLDER": str(_SCRIPT.parent)}
        command = ["gdb-multiarch", "-nx", "-q", "-batch", "-x", str(_SCRIPT)]
        out = subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, env={**os.environ, **environ}, stdout=out, stderr=out, stdin=out, cwd=self._core.parent
        )
        self._questions: IO[str] = self._pipes[0].open("w", encoding="utf-8")
        self._answers: IO[str] = self._pipes[1].open(encoding="utf-8", errors="surrogateescape")

    def ask(self, hit: Any, names: list[str]) -> dict[str, str]:
        """What gdb says at *hit*; less where it crashes (gdb 13 does, of some C++)."""
        write_core(hit, self._image, self._asked.program, self._core)
        found: dict[str, str] = {}
        for name in names:
            self._questions.write(json.dumps({"core": str(self._core), "names": [name]}) + "\n")
            self._questions.flush()
            line = self._answers.readline()
            if line:
                found |= json.loads(line)["values"]
            else:
                self._process.kill()
                self._process.wait()
                self._answers.close()
                self._forget_questions()
                self._start()
        return found

    def _forget_questions(self) -> None:
        with suppress(BrokenPipeError):
            self._questions.close()

    def close(self) -> None:
        """Let it end."""
        self._questions.close()
        self._answers.close()
        self._process.wait(20)


class _Reached:
    """Remembers that a place was reached."""

    name = "reached"

    def __init__(self, found: set[int], place: int) -> None:
        self._found, self._place = found, place

    def handler(self, _hit: Any) -> Any:
        self._found.add(self._place)
        return up.HandlerVote.REMOVE


class _AskGdb:
    """Asks gdb at the first hit of a place."""

    name = "ask-gdb"

    def __init__(self, gdb: _Gdb, found: Triples, place: int, function: str, names: list[str]) -> None:
        self._gdb, self._found, self._names = gdb, found, names
        self._place, self._function = hex(place), function
        self._done = False

    def handler(self, hit: Any) -> None:
        if self._done:
            return
        self._done = True
        for name, text in self._gdb.ask(hit, self._names).items():
            self._found.gdb[self._place, self._function, name] = text


class _First:
    """The text of the first hit's only argument."""

    name = "first"

    def __init__(self, found: Triples, key: tuple[str, str, str]) -> None:
        self._found, self._key = found, key

    def handler(self, hit: Any) -> None:
        if self._key not in self._found.ours:
            self._found.ours[self._key] = shown(hit.event.spec.args[0], hit.values[0])


def _candidates(asked: Asked, source: Source, chance: random.Random) -> list[int]:
    """Addresses of instructions of functions with debug information, shuffled."""
    info = source.found.info
    if info is None:
        raise SystemExit(f"{asked.target}: no debug information")
    found: list[int] = []
    for unit in info.units():
        name = "/".join(str(unit.root.get(at, "")) for at in (At.COMP_DIR, At.NAME)) if unit.is_whole else ""
        if not name or not re.search(asked.units, name):
            continue
        try:
            found += [
                at for each in functions_of(unit) for low, high in each.ranges for at in range(low, high, 4)
            ]
        except DAMAGED:
            continue
    found = list(dict.fromkeys(found))  # a function may be in several units
    chance.shuffle(found)
    return found


def _reached(asked: Asked, image: ElfImage, places: list[int]) -> list[int]:
    found: set[int] = set()
    with asked.session() as session:
        for number, place in enumerate(places):
            try:
                line = f"p:h{number} {asked.target}:{image.vaddr_to_offset(place):#x}"
                session.probe(line, _Reached(found, place))
            except UprobeError:
                continue
        session.run()
    return [place for place in places if place in found]


def triples(asked: Asked) -> Triples:
    """The values of *asked.count* triples."""
    chance = random.Random(f"{asked.seed} {asked.target}")
    image = ElfImage(asked.host(asked.target))
    folders = (f"{asked.sysroot}/usr/lib/debug",) if asked.sysroot else ()
    source, rules = Source(image, asked.host(asked.target), host_file, folders), ARCH.frame_rules()
    places = _reached(asked, image, _candidates(asked, source, chance)[:_CANDIDATES])
    found, left = Triples(), asked.count
    with tempfile.TemporaryDirectory(prefix="triples.") as folder, asked.session() as session:
        gdb = _Gdb(asked, Path(folder))
        for place in places:
            if left <= 0:
                break
            offset = image.vaddr_to_offset(place)
            assert offset is not None
            found_names = source.names(offset, rules, lambda _path: None)
            named = found_names if isinstance(found_names, Names) else None
            own = (
                [] if named is None else [each.name for each in named.own if re.fullmatch(r"\w+", each.name)]
            )
            names = chance.sample(own, min(len(own), _EACH, left))
            if named is None or not names:
                continue
            left -= len(names)
            function = named.function
            if named.is_entry:
                found.entries.add(hex(place))
            session.probe(
                f"p:g{place:x} {asked.target}:{offset:#x}", _AskGdb(gdb, found, place, function, names)
            )
            for at, name in enumerate(names):
                key = hex(place), function, name
                try:
                    session.probe(
                        f"p:v{place:x}_{at} {asked.target}:*+{place:#x} v={name}", _First(found, key)
                    )
                except SpecError as error:
                    found.ours[key] = f"refused: {error}"
        session.run()
        gdb.close()
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.debuginfo.triples", description=__doc__)
    parser.add_argument("program", help="as the guest calls it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--sysroot", default="", help="with usr/lib/debug in it")
    parser.add_argument("--file", default="", help="the file whose variables are looked at")
    parser.add_argument("--units", default="", help="a pattern for the source files that are looked at")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every value")
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    args = parser.parse_args(words[:at])
    found = triples(
        Asked(
            args.program, tuple(words[at + 1 :]), args.sysroot, args.file, args.units, args.count, args.seed
        )
    )
    differ = found.differences()
    if args.verbose:
        for key, text in sorted(found.ours.items()):
            print(*key, text, "|", found.gdb.get(key))
    for key, ours, theirs in differ:
        print("at the entry: " * (key[0] in found.entries), end="")
        print(f"{' '.join(key)}\n  ours {ours}\n  gdb  {theirs}")
    refused = Counter(text.rpartition(": ")[2] for text in found.ours.values() if text.startswith("refused"))
    gone = sum(text == "<optimized out>" for text in found.gdb.values())
    print(
        f"{asked_text(args)}: {len(found.gdb)} values, {gone} optimized out, {len(found.counted())} differ "
        f"and {len(differ) - len(found.counted())} at entries, "
        f"{sum(refused.values())} refused {dict(refused) or ''}"
    )
    return bool(found.counted())


def asked_text(args: argparse.Namespace) -> str:
    """What was asked, for people."""
    return f"{args.file or args.program} seed {args.seed}"


if __name__ == "__main__":
    raise SystemExit(main())
