"""Ways into the host that are seldom gone: what was given for reading, what lies in given folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.attacks import REQUIRED, USER, attack, program, user_namespaces, walled

without_rights = pytest.mark.skipif(not user_namespaces(), reason="no user namespaces here")


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """A working directory with what it needs, what lies beside it, and a file that only its owner gets to."""
    found = {name: tmp_path / name for name in ("work", "outside", "closed")}
    for folder in found.values():
        folder.mkdir()
    for name in ("victim", "given"):
        (found["outside"] / name).write_text(name)
        (found["outside"] / name).chmod(0o666)
    (found["outside"] / "empty").mkdir()
    (found["closed"] / "secret").write_text("#!/bin/true\n")
    (found["closed"] / "secret").chmod(0o755)
    for number in range(1, 7):
        shutil.copy(program("records"), found["work"] / f"suid-{number}")
        (found["work"] / f"suid-{number}").chmod(0o6755)
    found["outside"].chmod(0o777)
    found["closed"].chmod(0o700)
    yield found
    found["closed"].chmod(0o755)


def seen(folder: Path) -> list[tuple[str, int, int, int, str]]:
    """Everything that could be changed of what is in *folder*."""
    paths = [folder, *sorted(folder.rglob("*"))]
    kept = [(path, path.stat()) for path in paths]
    return [
        (str(p), s.st_mode, s.st_nlink, s.st_mtime_ns, p.read_text() if p.is_file() else "") for p, s in kept
    ]


@pytest.mark.parametrize(
    ("wall", "through"),
    [
        pytest.param("off", (), id="off"),
        pytest.param("auto", (), id="auto", marks=pytest.mark.thorough),
        pytest.param("off", USER, id="off-user", marks=[without_rights, pytest.mark.thorough]),
        *REQUIRED,
    ],
)
def test_nothing_comes_of_them(folders: dict[str, Path], wall: str, through: tuple[str, ...]) -> None:
    work, outside = folders["work"], folders["outside"]
    temporary = work / "temporary"
    temporary.mkdir()
    before = seen(outside)
    with (outside / "given").open(encoding="ascii") as stdin:
        ended = attack(
            work,
            *(f"--sandbox={wall}", "--timeout", "50", "--bind", "/:/host:ro", "--", str(program("strange"))),
            *(str(outside), str(folders["closed"] / "secret"), str(temporary)),
            env={"TMPDIR": str(temporary)},
            through=through,
            stdin=stdin.fileno(),
        )
    assert (walled(ended).status, ended.complaints) == (0, []), ended
    *found, tries = ended.out.splitlines()
    of_the_owner = _OWNERS if os.geteuid() != 0 or through else frozenset()
    assert {line.removesuffix(": done") for line in found} <= of_the_owner | {"suid"}
    assert int(tries.removesuffix(" tries")) > 250
    assert seen(outside) == before


_OWNERS = frozenset(
    ("execute it", "see", "see whether", "hold", "hold by openat2", "attributes", "its file system", "watch")
) | {"see from its folder", "list"}
"""What a user may do with a file of his own that he did not give, but for reading."""


def test_a_procfs_is_bound_to_no_program(tmp_path: Path) -> None:
    ended = attack(tmp_path, "--sandbox=off", "--bind", "/proc/self/task:/x", "--", str(program("records")))
    assert ended.status == 125
    assert "it shows the processes of the host" in ended.err
