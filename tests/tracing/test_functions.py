"""Patterns of functions: which events they mean, in which files, and what they fetch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import DEBIAN_GCC, build_debian, cpp, symbols, zig
from uprobe_core.backend import Bind
from uprobe_core.errors import UsageError
from uprobe_core.image import signatures
from uprobe_core.image.signatures import signature_of
from uprobe_core.run_setup import ConsumerUse, RunSetup
from uprobe_core.session.check import check_setup

SYSROOT = "/usr/aarch64-linux-gnu"
Events = Callable[..., list[str]]
NOT_AS_DECLARED = {
    *("vprintf", "vfprintf", "vsprintf", "vsnprintf"),  # a va_list comes as a pointer to it (AAPCS64, 6.8.2)
    *("pthread_self", "pthread_join"),  # a pthread_t is an address
    *("getrlimit", "setrlimit"),  # an enumeration takes anything
}
HEADERS = (
    "ctype dirent dlfcn fcntl getopt langinfo libgen libintl locale malloc math netdb poll pthread regex"
    " setjmp signal stdio stdlib string termios time unistd wchar wctype"
)
SYSTEM_HEADERS = (
    "epoll eventfd file inotify ioctl mman prctl random resource select sendfile socket stat syscall time"
    " types uio utsname wait"
)


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
    assert own <= found
    assert {re.sub("_[0-9a-f]{8}$", "", name) for name in found} <= symbols(program).keys()


def test_a_glob_alone_means_functions_of_the_program(program: Path) -> None:
    assert names(program, "o*d", "tw?ce") == ["tells_its_calls/odd", "tells_its_calls/twice"]


@pytest.mark.parametrize("name", ["tells_its_calls", "alias"])
def test_the_program_may_be_called_by_its_file_or_that_of_a_link(
    program: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alias").symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert names(Path("alias"), f"{name}:o*d", cwd="/") == ["tells_its_calls/odd"]


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
    assert entry.split()[4:] == [
        "_p_pathname=$arg1:x64",
        "_p_mode=$arg2:x64",
        "_sp=%sp",
        "_lr=%lr",
        "_jumps=$jumps",
    ]
    assert leave.split()[2:] == ["rv=$retval:x64", "took=$latency", "insns=$insns"]


def errors_in(source: str) -> str:
    """The errors that Debian's compiler for arm64 finds in *source*, below the C library's headers."""
    if shutil.which(DEBIAN_GCC) is None:
        pytest.skip(f"needs Debian's {DEBIAN_GCC} (package gcc-aarch64-linux-gnu)")
    folders = {"": HEADERS, "sys/": SYSTEM_HEADERS, "arpa/": "inet"}
    names = [f"{folder}{name}" for folder, of_it in folders.items() for name in of_it.split()]
    text = "#define _GNU_SOURCE\n" + "".join(f"#include <{name}.h>\n" for name in names) + source
    command = [DEBIAN_GCC, "-fsyntax-only", "-fno-builtin", "-fmax-errors=0", "-x", "c", "-"]
    strict = [f"-Werror={what}" for what in ("int-conversion", "conversion", "sign-conversion")]
    done = subprocess.run([*command, *strict], input=text, capture_output=True, text=True, check=False)
    return "\n".join(line for line in done.stderr.splitlines() if " error: " in line)


def prototypes() -> Iterator[tuple[str, str, list[str]]]:
    """Of each function of the table the type that it gives, its name, and the types that it takes."""
    text = Path(signatures.__file__).with_name("prototypes").joinpath("libc.h").read_text()
    for gives, name, takes in re.findall(r"^([^/(\n]*?)(\w+)\((.*)\);$", text, re.MULTILINE):
        if name in NOT_AS_DECLARED or name.startswith("__"):  # those are in no header
            continue
        parts = [] if takes == "void" else takes.split(", ")
        yield gives.strip(), name, [re.sub(r"\w+$", "", part).strip() for part in parts]


def call_of(number: int, gives: str, name: str, takes: Sequence[str]) -> str:
    """A function that calls another with arguments of the types that it *takes*."""
    given = ", ".join(f"{kind} a{n}" for n, kind in enumerate(takes)) or "void"
    call = f"{name}({', '.join(f'a{n}' for n in range(len(takes)))})"
    return f"{gives} f{number}({given}) {{ {'' if gives == 'void' else 'return '}{call}; }}"


def test_every_prototype_of_the_table_is_as_the_headers_have_it() -> None:
    """As many arguments, none wider or of the other sign, pointers for pointers; results as wide."""
    checks = []
    for number, (gives, name, takes) in enumerate(prototypes()):
        checks.append(call_of(number, gives, name, takes))
        if gives != "void" and "*" not in gives:
            zeros = ", ".join(f"({kind})0" for kind in takes)
            checks.append(f'_Static_assert(sizeof({name}({zeros})) == sizeof({gives}), "{name}");')
    assert len(checks) > 300
    assert errors_in("\n".join(checks)) == ""


def test_no_argument_of_the_table_is_narrower_than_the_headers_have_it() -> None:
    """To give more is an error each time."""
    checks: list[str] = []
    for gives, name, takes in prototypes():
        for n, kind in enumerate(takes):
            if signatures._FETCHED.get(kind, "")[1:] == "32":
                wide = [*takes[:n], "long long", *takes[n + 1 :]]
                checks.append(
                    f'\n#line 1 "{name}_{n}_{len(checks)}"\n' + call_of(len(checks), gives, name, wide)
                )
    said = errors_in("".join(checks))
    wanted = re.findall(r'#line 1 "(\w+)"', "".join(checks))
    assert [each for each in wanted if f"{each}:1:" not in said] == []


@pytest.mark.parametrize("kind", signatures._FETCHED)
def test_numbers_are_fetched_as_wide_and_with_the_sign_that_they_have(kind: str) -> None:
    fetched = signatures._FETCHED[kind]
    size, is_signed = int(fetched[1:]) // 8, fetched[0] in "sf"
    conditions = f"sizeof({kind}) == {size} && (({kind})-1 < 0) == {int(is_signed)}"
    assert errors_in(f'_Static_assert({conditions}, "{kind}");') == ""


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
        ("folder/leaf", "names no file"),
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
