"""A form in C makes no call that its row does not allow, and reaches nothing that its row does not lend."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from uprobe_linux.syscalls import forms, own, table
from uprobe_linux.syscalls.doors import DOORS, Reach
from uprobe_linux.syscalls.forms import FORMS, Form, Lent, Mask, lent_to, masks_of
from uprobe_unicorn import UnicornBackend

from tests.linux.guests import build
from tests.linux.run_guest import Nobody
from tests.programs import ROOT
from uprobe_core.backend import Limits, Target
from uprobe_core.system_call_numbers import NUMBERS

_glue = pytest.importorskip("uprobe_unicorn.native._glue")
ROUNDS = 4
SOURCES = sorted((ROOT / "backends/uprobe_unicorn/native/calls").glob("*.c"))
HOST = {
    *("readv", "writev", "pread", "preadv", "pwritev", "madvise", "lseek", "poll", "epoll_wait"),
    *("clock_gettime", "fstat", "fstatat", "fstatfs", "readlinkat", "syscall"),
    *("close", "fcntl", "mkdirat", "unlinkat", "symlinkat", "linkat"),
}
"""What forms call of the host, on descriptors and places that they were lent."""
NUMBERED = {"OPENAT2", "SYS_statx", "SYS_faccessat2", "SYS_getdents64", "SYS_renameat2"}
"""The same by number."""
HARMLESS = {
    *("memcmp", "memcpy", "memmove", "memset", "memchr", "strlen", "strcmp", "strncmp"),
    *("strchr", "strstr", "strspn", "strcspn", "strrchr", "snprintf", "free", "__atomic_store_n"),
    *("S_ISREG", "S_ISDIR", "S_ISLNK", "INT64_C", "UINT64_C", "sizeof"),
    *("TASK_SIZE_MAX", "UNBLOCKABLE"),
    *("if", "while", "for", "switch", "return", "bool", "void", "_Static_assert"),
}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each call came to its handler in Python."""
    counts: Counter[str] = Counter()
    real = table.call

    def call(entry: Any, task: Any, arguments: tuple[int, ...]) -> int:
        counts[entry.name] += 1
        return real(entry, task, arguments)

    monkeypatch.setattr(table, "call", call)
    return counts


def run(folder: Path, bits: int = 0, memory: int | None = None) -> None:
    """All calls, each as often as ROUNDS or more, in *folder*; new files have mode *bits*, too."""
    (folder / "old").write_bytes(b"before the run")
    argv = (str(build("every_form")), str(ROUNDS), f"{bits:o}")
    target = Target(argv=argv, cwd=str(folder), limits=Limits(seconds=60, memory=memory))
    machine: Any = UnicornBackend().open(target, Nobody())
    try:
        if machine.cpu.calls is None:
            pytest.skip("no forms in C here")
        assert machine.run().shell_status == 0
    finally:
        machine.close()


def in_python(seen: Counter[str]) -> set[str]:
    """The calls that were never made in C."""
    return {name for name in FORMS if seen[name] >= ROUNDS}


def test_each_row_has_a_form_and_each_form_a_row_and_a_handler() -> None:
    calls, handlers = _glue.Calls(), table.Table().whole()
    assert {number for number in range(512) if calls.lend(number, 0, ())} == {NUMBERS[name] for name in FORMS}
    assert {NUMBERS[name] for name in FORMS} <= handlers.keys()


def test_what_a_door_refuses_gets_to_no_form(monkeypatch: pytest.MonkeyPatch) -> None:
    (commands,) = masks_of("fcntl")
    refused = [value for value in range(1 << 12) if value & ~commands.bits]
    (check,) = DOORS["fcntl"].checks
    assert refused
    assert all(check.refuses((0, value)) for value in refused)
    for name in ("socket", "ptrace", "ioctl"):  # a check that depends on another argument; closed; all bits
        monkeypatch.setitem(forms.FORMS, name, Form(masks=(Mask(0, "a", 1), Mask(2, "b", 1))))
        with pytest.raises(ValueError, match="in C"):
            masks_of(name)


def test_what_is_lent_is_what_the_door_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DOORS, "getpid", replace(DOORS["getpid"], reach=Reach.FILES | Reach.HOLDS))
    assert lent_to("getpid") == Lent.MADE | Lent.FILES | Lent.COUNTED
    assert {name: form.lent for name, form in FORMS.items() if name != "getpid"} == {
        name: lent_to(name) for name in FORMS if name != "getpid"
    }


def test_with_its_row_each_call_is_made_in_c(seen: Counter[str], tmp_path: Path) -> None:
    run(tmp_path)
    assert in_python(seen) == set()


def test_without_rows_all_calls_are_made_in_python(
    seen: Counter[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "FORMS", {})
    run(tmp_path)
    assert in_python(seen) == set(FORMS) - {"sched_yield"}, "that is made in C beside other threads only"


@pytest.mark.parametrize("kept_back", [Lent.FILES, Lent.PATHS, Lent.CHANGES])
def test_a_form_reaches_nothing_that_it_is_not_lent(
    seen: Counter[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_back: Lent
) -> None:
    less = {name: Form(form.lent & ~kept_back, form.masks) for name, form in FORMS.items()}
    monkeypatch.setattr(own, "FORMS", less)
    run(tmp_path)
    needs_it = {name for name, form in FORMS.items() if form.lent & kept_back}
    from_here = {name for name, form in FORMS.items() if Lent.PATHS in form.lent}
    """The program's paths start at the working directory, which is no descriptor."""
    assert in_python(seen) == (needs_it - from_here if kept_back is Lent.FILES else needs_it)


def test_what_is_counted_is_made_in_python_where_memory_is_limited(
    seen: Counter[str], tmp_path: Path
) -> None:
    run(tmp_path, memory=1 << 30)
    assert in_python(seen) == {name for name, form in FORMS.items() if Lent.COUNTED in form.lent}


@pytest.mark.parametrize("bits", [0o4000, 0o2000])
def test_modes_that_give_rights_to_others_are_judged_in_python(
    seen: Counter[str], tmp_path: Path, bits: int
) -> None:
    run(tmp_path, bits)
    assert in_python(seen) == {"openat", "mkdirat"}
    assert {name for name, form in FORMS.items() if form.masks} == {"openat", "mkdirat"}


def test_forms_call_nothing_of_the_host_but_what_is_known() -> None:
    text = "\n".join(path.read_text() for path in SOURCES)
    code = re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\])*"', "", text, flags=re.DOTALL)
    called = set(re.findall(r"\b([A-Za-z_]\w*)\s*\(", code))
    ours = set(re.findall(r"^[\w\s*]*?\b(\w+)\([^;]*\)\n\{", code, flags=re.MULTILINE))
    glue = {
        "extents_add",
        "extents_overlap",
        "glue_flush_range",
        "up_reallocate",
        "extents_find",
        "area_at",
        "work_start",
        "work_done",
        "fill",
        "emu_stop",
    }
    glue |= {
        "context_restore",
        "context_save",
        "context_reg_write",
        "glue_read",
        "glue_reg",
        "task_run",
        "woken",
    }
    assert called - ours - glue - HARMLESS == HOST
    assert set(re.findall(r"\bsyscall\((\w+)", code)) == NUMBERED
    assert "asm" not in called


def test_bits_mean_the_same_on_both_sides() -> None:
    header = (ROOT / "backends/uprobe_unicorn/native/calls/own_calls.h").read_text()
    assert {name: int(value) for name, value in re.findall(r"\tLENT_(\w+) = (\d+),", header)} == {
        str(lent.name): lent.value for lent in forms.Lent
    }
