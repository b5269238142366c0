"""Places by the source: inlined functions, lines of functions, columns."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

import uprobe_core as up
from tests.debuginfo.programs import SOURCES, built
from tests.programs import compiled
from uprobe_core.debuginfo.source import Source
from uprobe_core.errors import SpecError
from uprobe_core.event_model import EventSpec
from uprobe_core.events.files import host_file
from uprobe_core.events.trace_text import arguments_text
from uprobe_core.image.elf_symbols import ElfImage

LINES = (SOURCES / "types.c").read_text().splitlines()


def line_of(text: str) -> int:
    """The number of the only line with *text*."""
    (found,) = [number for number, line in enumerate(LINES, 1) if text in line]
    return found


def opening(name: str) -> int:
    """The line with the opening brace of the function *name*, where its code begins."""
    return next(n for n, line in enumerate(LINES, 1) if re.search(rf"\b{name}\(.*\)$", line)) + 1


def specs(flags: str, target: str, head: str = "p", rest: str = "") -> list[EventSpec]:
    program = built("types.c", flags)
    with up.Session([str(program)]) as session:
        session.probe(f"{head}:e {program}:{target} {rest}")
        return list(session.events.table)


def require_gdb() -> None:
    if shutil.which("gdb-multiarch") is None:
        pytest.skip("needs gdb-multiarch")


def breakpoints(program: Path, places: Sequence[str]) -> list[int]:
    """The addresses at which gdb stops for *places*."""
    words = [word for place in places for word in ("-ex", f"break {place}")]
    command = ["gdb-multiarch", "-nx", "-batch", *words, "-ex", "info breakpoints", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(at, 16) for at in re.findall(r"^[\d.]+ .*y\s+(0x[0-9a-f]+) in", done.stdout, re.MULTILINE)]


@pytest.mark.parametrize("flags", ["-O0", "-O2"])
@pytest.mark.parametrize("name", ["parse", "turn", "pick"])
def test_the_first_line_of_a_function_is_where_gdb_stops(flags: str, name: str) -> None:
    require_gdb()
    program, first = built("types.c", flags), opening(name)
    with ElfImage(program) as image:
        found = [image.offset_to_vaddr(spec.offset) for spec in specs(flags, f"{name}:{first}")]
    (wanted,) = breakpoints(program, [name])
    assert wanted in found


@pytest.mark.parametrize("flags", [("-O0",), ("-O2",), ("-O2", "-flto")], ids=" ".join)
@pytest.mark.parametrize("name", ["types.c", "kinds.c"])
def test_lines_are_where_gdb_stops(name: str, flags: tuple[str, ...]) -> None:
    require_gdb()
    program = built(name, *flags)
    with ElfImage(program) as image:
        source = Source(image, str(program), host_file)
        lines = sorted({line for _, line, _ in source.lines.statements(name) if line})
        found = {line: source.addresses(name, line) for line in lines}
    wanted = breakpoints(program, [f"{name}:{line}" for line in lines])
    assert sorted(address for each in found.values() for address in each) == sorted(wanted)


def test_a_function_is_hit_in_every_place_that_it_is_inlined_in() -> None:
    seen: list[str] = []

    class Texts:
        name = "texts"

        def handler(self, hit: up.Hit) -> None:
            seen.append(arguments_text(hit.event.spec, hit.values))  # type: ignore[union-attr]

    program = built("types.c", "-O1")
    with up.Session([str(program)], output="/dev/null") as session:
        session.probe(f"p:e {program}:scaled", Texts())
        session.run()
    assert len(seen) == 2


def test_an_inlined_function_has_no_return() -> None:
    with pytest.raises(SpecError, match="is inlined wherever it is used"):
        specs("-O2", "scaled%return")


def test_a_line_of_a_function_without_code_says_which_have() -> None:
    with pytest.raises(SpecError) as caught:
        specs("-O0", "pick:1")
    first = opening("pick")
    assert caught.value.hint == f"lines of pick with code: {first}, {first + 2}, {first + 3}"


def test_a_column_chooses_among_the_statements_of_a_line() -> None:
    line = line_of("sum += s[i] * o->level")
    with pytest.raises(SpecError) as caught:
        specs("-O0", f"types.c:{line}:99")
    columns = re.findall(r"\d+", caught.value.hint)
    whole = {spec.offset for spec in specs("-O0", f"types.c:{line}")}
    chosen = {spec.offset for each in columns for spec in specs("-O0", f"types.c:{line}:{each}")}
    assert len(columns) > 1
    assert whole < chosen


def test_each_place_of_an_event_has_its_own_arguments() -> None:
    program = built("types.c", "-O2")
    seen: list[int] = []

    class Values:
        name = "values"

        def handler(self, hit: up.Hit) -> None:
            seen.append(hit.values[0])

    for engine in ("c", "py"):
        with up.Session([str(program)], output="/dev/null", engine=engine) as session:
            values = Values()
            session.probe(f"p:e {program}:sort a=%x1:u64", values)
            session.probe(f"p:e {program}:parse a=%x2:u64")
            session.run()
    assert seen == [2, 3, 2, 3]


@pytest.mark.parametrize("line", [6, 7])
def test_a_line_that_goes_on_behind_one_of_another_file_is_where_gdb_stops(line: int) -> None:
    require_gdb()
    if shutil.which("aarch64-linux-gnu-gcc") is None:
        pytest.skip("needs aarch64-linux-gnu-gcc")
    program = compiled(["aarch64-linux-gnu-gcc", "-nostdlib", "-static"], SOURCES / "parts.s")
    with ElfImage(program) as image, up.Session([str(program)]) as session:
        session.probe(f"p:e {program}:parts.c:{line}")
        places = [each.offset for each in session.events.table if isinstance(each, EventSpec)]
        assert places == [image.vaddr_to_offset(at) for at in breakpoints(program, [f"parts.c:{line}"])]
