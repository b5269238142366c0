"""Patterns of functions: which events they mean, in which files, and what they fetch."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import build_debian, cpp, symbols, zig
from uprobe_core.backend import Bind
from uprobe_core.errors import UsageError
from uprobe_core.image.signatures import signature_of
from uprobe_core.run_setup import ConsumerUse, RunSetup
from uprobe_core.session.check import check_setup

SYSROOT = "/usr/aarch64-linux-gnu"
Events = Callable[..., list[str]]


@pytest.fixture(scope="module")
def program() -> Path:
    return zig("tells_its_calls.c", "-finstrument-functions")


def listing(program: Path, *patterns: str, **options: Any) -> list[str]:
    """The events that the patterns mean, as uprobe_events lists them."""
    setup = RunSetup(argv=(str(program),), functions=patterns, **options)
    with up.Session.from_setup(setup) as session:
        return session.events.table.listing()


def names(program: Path, *patterns: str, **options: Any) -> list[str]:
    """GROUP/NAME of each of those at an entry."""
    return [line.split()[0][2:] for line in listing(program, *patterns, **options) if line[0] == "p"]


def test_a_file_alone_means_every_function_with_code_in_it(program: Path) -> None:
    own = {"main", "leaf", "odd", "even", "jumper", "outer", "twice"}
    found = {name.partition("/")[2] for name in names(program, str(program))}
    assert own <= found <= symbols(program).keys()


def test_a_glob_alone_means_functions_of_the_program(program: Path) -> None:
    assert names(program, "o*d", "tw?ce") == ["tells_its_calls/odd", "tells_its_calls/twice"]


def test_excluded_functions_are_left_out(program: Path) -> None:
    found = names(program, "even", "odd", "leaf", exclude=("o*", "tells_its_calls:even"))
    assert found == ["tells_its_calls/leaf"]


def test_each_place_has_one_event_although_it_has_several_names() -> None:
    program = build_debian("indirect.c", "-O1", "-Wl,--no-as-needed", "-lm")
    inside: dict[str, Any] = {"sysroot": SYSROOT, "binds": (Bind(str(program.parent), "/p", read_only=True),)}
    found = names(Path(f"/p/{program.name}"), "libc:*mall?c", **inside)
    assert found.count("libc/malloc") == 1
    assert "libc/__libc_malloc" not in found


def test_functions_of_a_library_fetch_what_its_prototypes_say() -> None:
    program = build_debian("indirect.c", "-O1", "-Wl,--no-as-needed", "-lm")
    inside: dict[str, Any] = {"sysroot": SYSROOT, "binds": (Bind(str(program.parent), "/p", read_only=True),)}
    entry, leave = listing(Path(f"/p/{program.name}"), "libc:fopen", **inside)
    assert entry.split()[2:4] == ["pathname=+0($arg1):string", "mode=+0($arg2):string"]
    assert entry.split()[4:] == ["_p_pathname=$arg1:x64", "_p_mode=$arg2:x64", "_sp=%sp", "_lr=%lr"]
    assert leave.split()[2:] == ["rv=$retval:x64", "took=$latency", "insns=$insns"]


def test_every_prototype_is_one_that_a_compiler_accepts(tmp_path: Path) -> None:
    """And with the types of the C library's own headers, where those have the function."""
    import sys

    from uprobe_core.image import signatures

    header = Path(signatures.__file__).with_name("prototypes") / "libc.h"
    source = tmp_path / "all.c"
    source.write_text(
        "#include <sys/types.h>\n#include <sys/socket.h>\n#include <stdint.h>\n#include <wchar.h>\n"
        f"#include <time.h>\n{header.read_text()}"
    )
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-fsyntax-only"]
    done = subprocess.run(
        [*command, "-fno-builtin", "-Wno-everything", str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    conflicts = [
        line
        for line in done.stderr.splitlines()
        if "error" in line and "conflicting types" not in line and " generated" not in line
    ]
    assert not conflicts


def test_who_reads_records_without_calls_gets_no_frames(program: Path) -> None:
    entry, _ = listing(program, "leaf", format="jsonl")
    assert entry.split()[2:] == []


def test_floating_point_arguments_come_in_registers_of_their_own() -> None:
    known = signature_of("libc", "strtod")
    assert known is not None
    assert known.gives == "rv=%d0:f64"


def test_events_at_returns_are_there_for_those_who_read_records(program: Path) -> None:
    both = listing(program, "leaf")
    assert [line.split()[0] for line in both] == ["p:tells_its_calls/leaf", "r:tells_its_calls/leaf__return"]
    counted = listing(program, "leaf", consumers=(ConsumerUse("count"),))
    assert [line.split()[0] for line in counted] == ["p:tells_its_calls/leaf"]


def test_who_counts_beside_records_counts_each_call_once(program: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    setup = RunSetup(
        argv=(str(program),),
        functions=("twice",),
        consumers=(ConsumerUse("trace"), ConsumerUse("count")),
        output=str(out),
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    lines = out.read_text().splitlines()
    assert len([line for line in lines if "twice" in line and "0x" in line]) == 6
    assert lines[-2:] == ["tells_its_calls/twice: count", "  3"]


@pytest.mark.parametrize(("glob", "name"), [("mallo?", "libc:mallo?"), ("fopen", "libc:fopen")])
def test_a_function_that_a_library_has_is_named_with_it(glob: str, name: str) -> None:
    program = build_debian("indirect.c", "-O1", "-Wl,--no-as-needed", "-lm")
    inside: dict[str, Any] = {"sysroot": SYSROOT, "binds": (Bind(str(program.parent), "/p", read_only=True),)}
    with pytest.raises(UsageError) as refused:
        names(Path(f"/p/{program.name}"), glob, **inside)
    assert refused.value.hint == f"the program has none; -F '{name}' is a library's"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("nothing", "no function 'nothing'"),
        ("nothing*", "no function matches"),
        ("/no/such/file", "names no file"),
        ("libx:str*", "names no file"),
    ],
)
def test_a_pattern_that_means_nothing_is_refused_by_run_and_check(
    program: Path, pattern: str, text: str
) -> None:
    setup = RunSetup(argv=(str(program),), functions=(pattern,))
    with pytest.raises(UsageError, match=text):
        up.Session.from_setup(setup)
    error = check_setup(setup).first_error
    assert error is not None
    assert text in str(error)


def test_excluding_everything_is_refused(program: Path) -> None:
    with pytest.raises(UsageError, match="every function that matches -F is excluded"):
        listing(program, "leaf", exclude=("leaf",))


def test_a_kernel_takes_the_same_places_without_arguments(program: Path) -> None:
    from uprobe_core.types import Policy

    (line, _) = listing(program, "leaf", policy=Policy("kernel"))
    offset = symbols(program)["leaf"][1]
    assert line == f"p:tells_its_calls/leaf {program}:{offset:#018x}"


@pytest.mark.slow
def test_a_source_name_is_the_functions_name_in_the_tree(tmp_path: Path) -> None:
    program = cpp("overloads.cc")
    out = tmp_path / "out"
    setup = RunSetup(argv=(str(program),), functions=("app::add",), output=str(out))
    with up.Session.from_setup(setup) as session:
        session.run()
    assert "app::add(" in out.read_text()


def test_the_program_behaves_as_without_probes(program: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for patterns in ((), (str(program),)):
        setup = RunSetup(
            argv=(str(program),),
            functions=patterns,
            consumers=(ConsumerUse("count"),) if patterns else (),
            output=os.devnull,
        )
        with up.Session.from_setup(setup) as session:
            session.run()
        outputs.append(capfd.readouterr().out)
    assert outputs[0] == outputs[1]
