"""What a name means: indirect functions, names of the source, source lines, what is no function at all."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

import uprobe_core as up
from tests.cli.command import uprobe
from tests.programs import DEBIAN_GCC, GUEST, build_debian, compiled_in, cpp
from uprobe_core.backend import Bind
from uprobe_core.errors import SpecError
from uprobe_core.image.demangling import demangle
from uprobe_core.image.elf_symbols import ElfImage
from uprobe_core.source_names import without_parameters
from uprobe_core.types import Mode

LIBRARIES = Path("/usr/aarch64-linux-gnu")
ENGINES = ("c", "py")
ADD_INT, ADD_LONG = "_ZN3app3addEii", "_ZN3app3addEll"
LONG = "app::add_with_a_name_that_goes_on_until_it_is_longer_than_63_characters_"


def counts(program: str, *lines: str, **options: Any) -> dict[str, int]:
    """Hits of each event when *program* runs."""
    with up.Session([program], output=os.devnull, **options) as session:
        for line in lines:
            session.probe(line)
        session.run()
        return {
            event.name: sum(probe.tallies["hits"] for probe in event.probes)
            for event in session.events.events
        }


# --- indirect functions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mode", [mode.value for mode in (Mode.AUTO, Mode.TRAP, Mode.INLINE)])
@pytest.mark.parametrize("flag", ["-static", "-static-pie"])
def test_an_indirect_function_is_what_its_resolver_returns(flag: str, mode: str, engine: str) -> None:
    program = str(build_debian("indirect.c", "-O1", flag))
    found = counts(program, f"p:w {program}:work", f"p:a {program}:work_a", engine=engine, mode=mode)
    assert found == {"w": 7, "a": 7}  # and the program prints that it counted 7


@pytest.mark.parametrize("engine", ENGINES)
def test_in_a_dynamic_program_it_is_what_the_loader_was_told(engine: str) -> None:
    program = build_debian("indirect.c", "-O1", "-Wl,-z,lazy")
    bind = Bind(str(program.parent), "/programs", read_only=True)
    path = f"/programs/{program.name}"
    found = counts(path, f"p:w {path}:work", engine=engine, sysroot=str(LIBRARIES), binds=(bind,))
    assert found == {"w": 7}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_resolver_has_a_name_of_its_own(engine: str) -> None:
    program = str(build_debian("indirect.c", "-O1", "-static"))
    assert counts(program, f"p:r {program}:work@resolver", engine=engine) == {"r": 1}


def test_an_indirect_function_that_is_removed_is_hit_no_more() -> None:
    program = str(build_debian("indirect.c", "-O1", "-static"))
    with up.Session([program], output=os.devnull) as session:
        event = session.probe(f"p:w {program}:work")
        (probe,) = event.probes
        session.probe(f"p:a {program}:work_a", Third(lambda: session.remove(event)))
        session.run()
        assert probe.tallies["hits"] in (2, 3)


class Third:
    """Does something at the third hit."""

    name = "third"

    def __init__(self, action: Any) -> None:
        self.action, self.hits = action, 0

    def handler(self, hit: Any) -> None:
        self.hits += 1
        if self.hits == 3:
            self.action()


# --- names of the source ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("app::add(int, int)", {"e": 3}),
        ("app::add(long,long)", {"e": 5}),
        ("app::add", {"e": 8}),
        (f"{LONG}one(int)", {"e": 2}),
    ],
)
def test_a_function_is_found_by_its_name_in_the_source(place: str, expected: dict[str, int]) -> None:
    program = str(cpp("overloads.cc"))
    assert counts(program, f"p:e {program}:{place}") == expected


def test_arguments_follow_a_name_with_parameters() -> None:
    program = str(cpp("overloads.cc"))
    with up.Session([program], output=os.devnull) as session:
        event = session.probe(f"p:e {program}:app::add(int, int) a=%x0")
        assert [probe.spec.args[0].name for probe in event.probes] == ["a"]


def test_overloads_and_long_names_are_events_of_their_own_with_the_full_name_beside() -> None:
    program = str(cpp("overloads.cc"))
    with up.Session([program], output=os.devnull) as session:
        session.probe(f"p {program}:app::add*")
        session.run()
        found = {
            probe.spec.location: probe.tallies["hits"] for e in session.events.events for probe in e.probes
        }
        names = [event.name for event in session.events.events]
    expected = {
        "app::add(int, int)": 3,
        "app::add(long, long)": 5,
        f"{LONG}one(int)": 2,
        f"{LONG}two(int)": 1,
    }
    assert found == expected
    assert len(set(names)) == 4
    assert all(len(name) <= 63 for name in names)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("app::add(int, int)", "app::add"),
        ("main.(*Task).Do", "main.(*Task).Do"),
        ("main.Total[go.shape.int]", "main.Total[go.shape.int]"),
        ("Adder::operator()(int) const", "Adder::operator()"),
        ("Adder::operator<(Adder const&) const", "Adder::operator<"),
        ("main::{lambda(int)#1}::operator()(int) const", "main::{lambda(int)#1}::operator()"),
        ("call<int (int), Adder>::made(int)", "call<int (int), Adder>::made"),
        ("(anonymous namespace)::hidden(int)", "(anonymous namespace)::hidden"),
        ("both(both(int)::_Z4bothi.Frame*) [clone .actor]", "both.actor"),
        ("cut.isra.0", "cut.isra.0"),
        (
            "<f<main::{closure#0}, ()> as FnOnce<()>>::call_once",
            "<f<main::{closure#0}, ()> as FnOnce<()>>::call_once",
        ),
        ("<fn(u8) -> u8 as a::Speaks>::speak", "<fn(u8) -> u8 as a::Speaks>::speak"),
        ("f.c:12", "f.c:12"),
        ("work+8", "work+8"),
    ],
)
def test_a_label_is_the_name_without_its_parameters(name: str, shown: str) -> None:
    assert without_parameters(name) == shown


def test_every_function_of_a_name_is_listed_and_the_one_that_all_files_know_is_meant(tmp_path: Path) -> None:
    (tmp_path / "one.c").write_text("static int twin(void) { return 1; } int (*one)(void) = twin;")
    (tmp_path / "two.c").write_text(
        "extern int (*one)(void); int twin(void) { return 2; }\nint main(void) { return one() + twin(); }"
    )
    files = [tmp_path / "one.c", tmp_path / "two.c"]
    program = compiled_in(tmp_path, [DEBIAN_GCC, "-static", "-g0", "one.c", "two.c"], files, "twins")
    with program.open("rb") as file:
        table: Any = ELFFile(file).get_section_by_name(".symtab")
        binds = {each["st_value"]: each["st_info"]["bind"] for each in table.get_symbol_by_name("twin")}
    with ElfImage(str(program)) as image:
        assert {symbol.vaddr for symbol in image.functions() if symbol.name == "twin"} == binds.keys()
        meant = image.find("twin")
    assert meant is not None
    assert binds[meant.vaddr] == "STB_GLOBAL"


def test_a_name_that_several_files_have_for_themselves_is_each_of_them(tmp_path: Path) -> None:
    twin = 'static __attribute__((noinline)) int twin(int n) { __asm__ volatile(""); return n + 1; }\n'
    (tmp_path / "one.c").write_text(twin + "int one(void) { return twin(1) + twin(2) + twin(3); }")
    (tmp_path / "two.c").write_text(twin + "int one(void);\nint main(void) { return one() + twin(4); }")
    files = [tmp_path / "one.c", tmp_path / "two.c"]
    command = [DEBIAN_GCC, "-static", "-O1", "-g0", "one.c", "two.c"]
    program = str(compiled_in(tmp_path, command, files, "static_twins"))
    assert counts(program, f"p:t {program}:twin", f"r:back {program}:twin") == {"t": 4, "back": 4}
    assert counts(program, f"p:behind {program}:twin+4") == {"behind": 4}
    with ElfImage(program) as image:
        places = [hex(symbol.vaddr) for symbol in image.functions() if symbol.name == "twin"]
    done = uprobe("why", program, "twin")
    assert f"'twin' is 2 functions\nhint: say which: {places[0]} or {places[1]}" in done.stderr


def test_a_hostile_name_is_left_as_it_is() -> None:
    name = "_Z1fI" + "".join(f"FS{'' if n == 0 else n - 1}_S_E" for n in range(80)) + "Evv"
    assert demangle(name) == name


# --- source lines -------------------------------------------------------------------------------------------


def test_a_line_without_code_names_the_nearest_that_have_some() -> None:
    program = build_debian("indirect.c", "-O1", "-static", "-g")
    text = (GUEST / "indirect.c").read_text().splitlines()
    empty, before, after = (text.index(line) + 1 for line in ("}", "\treturn x + 1;", "\treturn x + 2;"))
    empty += 2  # the line of an attribute, between two functions
    with (
        up.Session([str(program)], output=os.devnull) as session,
        pytest.raises(SpecError, match=f"no code at indirect.c:{empty - 1}") as caught,
    ):
        session.probe(f"p {program}:indirect.c:{empty - 1}")
    lines = [int(word) for word in caught.value.hint.split() if word.isdigit()]
    assert before <= lines[0] < empty - 1 < lines[1] <= after


# --- what is no function ------------------------------------------------------------------------------------


def test_what_the_linker_made_is_no_function() -> None:
    """nm knows which symbols are in code; edges of sections (_etext) and mapping symbols ($x) are not."""
    program = build_debian("indirect.c", "-O1", "-static")
    lines = subprocess.run(["aarch64-linux-gnu-nm", program], capture_output=True, text=True, check=True)
    kinds = {line.split()[2]: line.split()[1] for line in lines.stdout.splitlines() if len(line.split()) == 3}
    with ElfImage(program) as image:
        names = {symbol.name for symbol in image.functions()}
    assert {kinds[name] for name in names} <= set("tTiWw")
    assert not names & {"_etext", "etext", "__etext", "_edata", "_end", "__bss_start__", "$x", "$d"}
    assert {"work", "work_a", "main", "_start"} <= names
